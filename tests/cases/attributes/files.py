# SPDX-License-Identifier: Apache-2.0
# BUILDS: plain asan
# TIMEOUT: 120
"""Attributes as files: every type there and back, one request each, both files of an item agree at once."""

import os
import subprocess
from pathlib import Path

from case import read, run, test, wait_for

KEY = {"UserId": {"N": "42"}}
PHOTO = bytes(range(256)) * 700
ITEM = {"UserId": {"N": "42"}, "email": {"S": "ada@example.org"}, "age": {"N": "36.50"}, "photo": {"B": PHOTO},
        "active": {"BOOL": True}, "none": {"NULL": True}, "tags": {"SS": ["b", "a"]}, "marks": {"NS": ["10", "9"]},
        "keys": {"BS": [b"\xff", b"\0"]}, "list": {"L": [{"S": "x"}, {"SS": ["y"]}]},
        "map": {"M": {"$ss": {"N": "1"}}}, "empty": {"S": ""}, ".hidden": {"S": "h"}, "a/b": {"S": "slash"},
        "x.json": {"S": "name"}, "é": {"S": "é\n"}}
CONTENT = {"UserId": b"42", "email": b"ada@example.org", "age": b"36.5", "photo": PHOTO, "active": b"true",
           "none": b"null", "tags": b'[\n  "a",\n  "b"\n]', "marks": b"[\n  9,\n  10\n]",
           "keys": b'[\n  "AA==",\n  "/w=="\n]', "list": b'[\n  "x",\n  {"$ss": [\n    "y"\n  ]}\n]',
           "map": b'{\n  "$ss": 1\n}', "empty": b"", "%2Ehidden": b"h", "a%2Fb": b"slash", "x.json": b"name",
           "é": "é\n".encode()}


def users(t, options=""):
    t.create_table("Users", "UserId:N")
    t.put("Users", ITEM)
    return t.mount("Users", options)


def get(path):
    with open(path, "rb") as file:
        return file.read()


def put(path, content, mode="wb"):
    with open(path, mode) as file:
        file.write(content)


def stored(t):
    return t.get("Users", KEY)


@test
def every_type(t):
    m = users(t, "cache_ttl=60")
    t.eq(os.listdir(m / "Users"), ["42.json"])
    t.eq(sorted(os.listdir(m / "Users/42")), sorted(CONTENT))
    with t.proxy.counting() as counters:
        for name, content in CONTENT.items():
            path = Path(m / "Users/42") / name
            t.eq(os.stat(path).st_size, len(content), name)
            t.eq(get(path), content, name)
        t.sh("ls -l Users/42 >/dev/null; cat Users/42/* >/dev/null; cat Users/42.json >/dev/null")
    t.eq(counters["requests"], 0)
    before = stored(t)
    with t.proxy.counting() as counters:
        for name, content in CONTENT.items():
            if name != "UserId":
                put(Path(m / "Users/42") / name, content)
    t.eq(t.proxy.requests_of("UpdateItem"), 0, "the same is no write")
    t.eq(stored(t), before)


@test
def one_request_each(t):
    m = users(t, "cache_ttl=60")
    item = Path(m / "Users/42")
    get(item / "age")
    with t.proxy.counting() as counters:
        put(item / "age", b"37\n")
    t.eq(counters["requests"], 1)
    t.eq(stored(t)["age"], {"N": "37"})
    t.contains(get(m / "Users/42.json"), b'"age": 37,')
    put(item / "new", b"text")
    put(item / "raw", b"\xff\x00")
    put(item / "photo", b"text stays bytes")
    put(item / "tags", b'["z"]')
    t.eq([stored(t)[name] for name in ("new", "raw", "photo", "tags")],
         [{"S": "text"}, {"B": b"\xff\x00"}, {"B": b"text stays bytes"}, {"SS": ["z"]}])
    with t.proxy.counting() as counters:
        os.remove(item / "new")
    t.eq(counters["requests"], 1)
    t.true("new" not in stored(t), "removed")
    os.rename(item / "raw", item / "bytes")
    t.eq(stored(t)["bytes"], {"B": b"\xff\x00"})
    t.fails("EXDEV", os.rename, item / "bytes", m / "Users/bytes")
    t.true(b'"bytes"' in get(m / "Users/42.json"), "seen at once")


@test
def shell(t):
    users(t, "cache_ttl=60")
    t.sh("echo 5 > Users/42/age; echo hello > Users/42/email; echo -n more >> Users/42/email; : > Users/42/empty2; "
         "cat Users/42/empty2; touch Users/42/touched; truncate -s 3 Users/42/email; printf '[1]' > Users/42/list")
    item = stored(t)
    t.eq([item[name] for name in ("age", "email", "list")], [{"N": "5"}, {"S": "hel"}, {"L": [{"N": "1"}]}])
    t.sh("test $(stat -c %s Users/42/touched) = 0; test -f Users/42/empty2")
    t.sh("for i in 1 2 3; do : > email; test -z \"$(cat email)\" || exit 1; echo -n $i > email; "
         "test \"$(cat email)\" = $i || exit 1; done", cwd=t.mounts[0] / "Users/42")
    t.sh("mkdir out; cd out", cwd=t.dir)
    t.sh("cp -r Users/42 '%s'" % t.path("out"))
    t.eq(sorted(os.listdir(t.path("out", "42"))), sorted(os.listdir(t.mounts[0] / "Users/42")))
    t.sh("head -c 300000 /dev/urandom > '%s'; cp '%s' Users/42/photo; cmp '%s' Users/42/photo" % ((t.path("p"),) * 3))
    t.eq(len(stored(t)["photo"]["B"]), 300000)
    t.sh("mv '%s' Users/42/other" % t.path("out", "42", "email"))
    t.eq(stored(t)["other"], {"S": "3"})


@test
def refused(t):
    m = users(t, "cache_ttl=60")
    item, before = Path(m / "Users/42"), stored(t)
    t.fails("EINVAL", put, item / "age", b"old\n")
    t.fails("EINVAL", put, item / "tags", b"[]")
    t.fails("EINVAL", put, item / "active", b"yes")
    t.fails("EINVAL", put, item / "email", b"\xff")
    t.fails("EFBIG", put, item / "email", b"x" * 410000)
    t.fails("EACCES", put, item / "UserId", b"43")
    t.fails("EPERM", os.remove, item / "UserId")
    t.fails("EPERM", os.rename, item / "email", item / "UserId")
    t.fails("EPERM", os.mkdir, item / "folder")
    t.eq(stored(t), before)
    kept = Path(m / ".ddbfs/rejected/Users/42")
    t.eq(get(kept / "age"), b"old\n")
    t.contains(get(kept / "tags.why"), b'"line": 1')
    t.eq(sorted(len(get(kept / name)) for name in ("email", "email.2")), [1, 410000])
    t.contains(os.getxattr(item / "age", "user.ddbfs.error").decode(), "EINVAL")


@test
def conflict(t):
    m = users(t, "cache_ttl=60")
    item = Path(m / "Users/42")

    def theirs(name, value):
        t.db.update_item(TableName="Users", Key=KEY, UpdateExpression="SET #a = :v",
                         ExpressionAttributeNames={"#a": name}, ExpressionAttributeValues={":v": value})

    get(item / "age")
    theirs("email", {"S": "grace@example.org"})
    put(item / "age", b"40")                      # another attribute: no conflict
    theirs("age", {"N": "41"})
    t.fails("ESTALE", put, item / "age", b"42")
    t.eq(stored(t)["age"], {"N": "41"})
    t.eq(stored(t)["email"], {"S": "grace@example.org"})
    t.eq(get(m / ".ddbfs/rejected/Users/42/age"), b"42")
    t.eq(get(item / "age"), b"41")                # looked at anew
    put(item / "age", b"42")
    t.eq(stored(t)["age"], {"N": "42"})
    get(m / "Users/42.json")                      # the item's file shows it too
    theirs("email", {"S": "linus@example.org"})
    t.fails("ESTALE", put, item / "email", b"ken@example.org")


@test
def makes_items(t):
    m = users(t)
    t.create_table("Music", "Artist:S", "SongTitle:S")
    t.mounts[0].flush()
    t.sh("mkdir Users/43 && echo -n Grace > Users/43/name && cat Users/43.json")
    t.eq(t.get("Users", {"UserId": {"N": "43"}}), {"UserId": {"N": "43"}, "name": {"S": "Grace"}})
    t.fails("ENOTEMPTY", os.rmdir, m / "Users/43")
    t.fails("EEXIST", os.mkdir, m / "Users/43")
    t.fails("EINVAL", os.mkdir, m / "Users/x")
    os.rename(m / "Users/43", m / "Users/44")
    t.eq(sorted(os.listdir(m / "Users")), ["42.json", "44.json"])
    t.sh("rm Users/44/name && rmdir Users/44")
    t.eq(t.get("Users", {"UserId": {"N": "44"}}), None)
    t.eq(os.listdir(m / "Users"), ["42.json"])
    wait_for(lambda: not os.path.exists(m / "Users/44.json"), 10, "the file to go with the directory")


@test
def what_the_kernel_knows(t):
    """Negative and positive entries, sizes, pages: one file of an item is written, the other one read."""
    m = users(t, "cache_ttl=60")
    item, whole = Path(m / "Users/42"), Path(m / "Users/42.json")
    t.fails("ENOENT", os.stat, m / "Users/50")
    t.fails("ENOENT", os.stat, m / "Users/50.json")
    put(m / "Users/50.json", b'{"a": 1}')
    t.eq(get(m / "Users/50/a"), b"1")
    os.remove(m / "Users/50.json")
    t.fails("ENOENT", os.stat, m / "Users/50")
    t.fails("ENOENT", os.stat, m / "Users/50.json")
    os.mkdir(m / "Users/50")
    # the kernel may be told of a directory's other names only when mkdir and rmdir have returned
    wait_for(lambda: os.path.exists(m / "Users/50.json"), 10, "the file of the item made as a directory")
    os.rmdir(m / "Users/50")
    wait_for(lambda: not os.path.exists(m / "Users/50.json"), 10, "the file to go with the directory")
    for i in range(1, 5):
        size = os.stat(whole).st_size
        text = get(whole)
        t.eq(len(text), size)
        put(item / "email", b"x" * (i * 7))
        t.eq(os.stat(whole).st_size, len(get(whole)))
        t.eq(get(item / "email"), b"x" * (i * 7))
        put(whole, get(whole).replace(b'"email": "' + b"x" * (i * 7) + b'"', b'"email": "' + b"y" * (i * 3) + b'"'))
        t.eq(os.stat(item / "email").st_size, i * 3)
        t.eq(get(item / "email"), b"y" * (i * 3))


@test
def below_an_index(t):
    t.create_table("Music", "Artist:S", "SongTitle:S", gsi=[("Genre", "Genre:S", "SongTitle:S")])
    t.put("Music", {"Artist": {"S": "A"}, "SongTitle": {"S": "S"}, "Genre": {"S": "Pop"}, "Year": {"N": "1999"}})
    m = t.mount("Music")
    item = Path(m / "Music@Genre/Pop/S,A,S")
    t.eq(sorted(os.listdir(item)), ["Artist", "Genre", "SongTitle", "Year"])
    t.eq(get(item / "Year"), b"1999")
    t.eq(get(m / "Music/A/.prefix/S/S/Year"), b"1999")
    t.fails("EROFS", put, item / "Year", b"2000")
    t.fails("EROFS", put, item / "new", b"2000")
    t.fails("EROFS", os.remove, item / "Year")
    t.fails("EROFS", os.rename, item / "Year", item / "Jahr")
    t.fails("EROFS", os.mkdir, m / "Music@Genre/Pop/T,A,T")
    t.eq(os.getxattr(item / "Year", "user.ddbfs.base"), b"Music/A/S.json")
    t.contains(os.getxattr(m / "Music/A/S/Year", "user.ddbfs.request").decode(), "GetItem")
    t.contains(os.getxattr(m / "Music/A/S", "user.ddbfs.key").decode(), '"SongTitle"')
    put(m / "Music/A/.prefix/S/S/Year", b"2000")
    t.eq(t.get("Music", {"Artist": {"S": "A"}, "SongTitle": {"S": "S"}})["Year"], {"N": "2000"})


@test
def read_only(t):
    m = users(t, "ro")
    t.eq(get(m / "Users/42/age"), b"36.5")
    t.fails("EROFS", put, m / "Users/42/age", b"1")
    t.fails("EROFS", os.mkdir, m / "Users/43")


@test
def killed(t):
    """Half of a text is no text."""
    t.create_table("Users", "Id:S")
    t.put("Users", {"Id": {"S": "42"}, "Note": {"S": "whole"}})
    m = t.mount("Users")
    script = "exec >Users/42/%s; printf half; kill -9 $$"
    for name in ("Note", "New"):
        t.eq(subprocess.run(["/bin/sh", "-c", script % name], cwd=m / "", check=False).returncode, -9)
        t.eq(read(m / (".ddbfs/rejected/Users/42/" + name)), "half")
    t.eq(t.get("Users", {"Id": {"S": "42"}}), {"Id": {"S": "42"}, "Note": {"S": "whole"}})
    t.eq(sorted(os.listdir(m / "Users/42")), ["Id", "Note"])


run()
