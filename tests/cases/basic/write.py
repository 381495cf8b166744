# SPDX-License-Identifier: Apache-2.0
# BUILDS: plain asan
# TIMEOUT: 120
"""Creating, editing, deleting, copying and renaming, seen from the table's side."""

import ctypes
import os

from case import read, run, test, wait_for, write

LIBC = ctypes.CDLL(None, use_errno=True)
RENAME_NOREPLACE = 1
RENAME_EXCHANGE = 2


def rename2(old, new, flags):
    if LIBC.renameat2(-100, os.fsencode(old), -100, os.fsencode(new), flags) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), old)


def key(artist, song):
    return {"Artist": {"S": artist}, "SongTitle": {"S": song}}


def music(t, **more):
    t.create_table("Music", "Artist:S", "SongTitle:S")
    t.create_table("Archive", "Artist:S", "SongTitle:S")
    t.put_items("Music", [dict(key("A", s), Year={"N": "1999"}) for s in ("one", "two", "three")])
    return t.mount(**more)


@test
def create_again(t):
    """What the kernel believes to be there and is gone is made anew, not "no such file"."""
    m = music(t, options="cache_ttl=60")
    path = m / "Music/A/one.json"
    os.stat(path)
    t.db.delete_item(TableName="Music", Key=key("A", "one"))
    fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
    os.write(fd, b'{"Year": 3}')
    os.close(fd)
    t.eq(t.get("Music", key("A", "one")), dict(key("A", "one"), Year={"N": "3"}))
    os.stat(path)
    t.db.delete_item(TableName="Music", Key=key("A", "one"))
    t.fails("ENOENT", os.open, path, os.O_WRONLY)


@test
def create(t):
    m = music(t)
    write(m / "Music/A/new.json", '{"Year": 2020, "Tags": {"$ss": ["x"]}}')
    t.eq(t.get("Music", key("A", "new")), dict(key("A", "new"), Year={"N": "2020"}, Tags={"SS": ["x"]}))
    t.eq("".join(read(m / "Music/A/new.json").split()),
         '{"Artist":"A","SongTitle":"new","Tags":{"$ss":["x"]},"Year":2020}')
    t.true("new.json" in os.listdir(m / "Music/A"), "listed at once")
    t.sh("echo '{\"Year\": 1}' > Music/A/shell.json")
    t.eq(t.get("Music", key("A", "shell"))["Year"], {"N": "1"})


@test
def the_path_decides_the_key(t):
    m = music(t)
    write(m / "Music/A/new.json", '{"Artist": "Z", "SongTitle": "Z", "Year": 3}')
    t.eq(t.get("Music", key("A", "new")), dict(key("A", "new"), Year={"N": "3"}))
    t.eq(t.get("Music", key("Z", "Z")), None)


@test
def edit(t):
    m = music(t)
    path = m / "Music/A/one.json"
    t.contains(read(path), "1999")
    write(path, read(path).replace("1999", "2001"))
    t.eq(t.get("Music", key("A", "one"))["Year"], {"N": "2001"})
    t.contains(read(path), "2001")
    t.eq(os.stat(path).st_size, len(read(path)))
    with open(path, "r+", encoding="utf-8") as f:        # in place, no truncation
        text = f.read()
        f.seek(text.index("2001"))
        f.write("2002")
    t.eq(t.get("Music", key("A", "one"))["Year"], {"N": "2002"})
    t.eq(sorted(os.listdir(m / "Music/A")), ["one.json", "three.json", "two.json"])


@test
def fsync_commits(t):
    m = music(t)
    fd = os.open(m / "Music/A/sync.json", os.O_CREAT | os.O_RDWR, 0o644)
    os.write(fd, b'{"Year": 1}')
    os.fsync(fd)
    t.eq(t.get("Music", key("A", "sync"))["Year"], {"N": "1"})
    os.close(fd)


@test
def truncated_and_never_written(t):
    m = music(t)
    os.close(os.open(m / "Music/A/one.json", os.O_WRONLY | os.O_TRUNC))
    t.eq(t.get("Music", key("A", "one"))["Year"], {"N": "1999"})


@test
def touch(t):
    m = music(t)
    t.sh("touch Music/A/touched.json")
    # at release, of which close does not wait
    wait_for(lambda: t.get("Music", key("A", "touched")) == key("A", "touched"), 5, "an item of only its key")
    t.sh("touch Music/A/one.json")
    t.eq(t.get("Music", key("A", "one"))["Year"], {"N": "1999"})
    t.sh("chmod 600 Music/A/one.json; chown root Music/A/one.json; cp -p Music/A/one.json Music/A/kept.json")
    t.eq(t.get("Music", key("A", "kept"))["Year"], {"N": "1999"})
    t.true(os.path.exists(m / "Music/A/kept.json"), "the copy")


@test
def delete(t):
    m = music(t)
    os.unlink(m / "Music/A/one.json")
    t.eq(t.get("Music", key("A", "one")), None)
    t.fails("ENOENT", os.stat, m / "Music/A/one.json")
    t.fails("ENOENT", os.unlink, m / "Music/A/one.json")
    t.eq(sorted(os.listdir(m / "Music/A")), ["three.json", "two.json"])
    t.sh("rm -r Music/A")
    t.eq(t.scan("Music"), [])
    t.fails("ENOENT", os.listdir, m / "Music/A")


@test
def copy(t):
    m = music(t)
    t.sh("cp Music/A/one.json Music/A/copy.json")
    t.eq(t.get("Music", key("A", "copy")), dict(key("A", "copy"), Year={"N": "1999"}))
    t.sh("cp -r Music/A Archive/")
    t.eq(sorted(i["SongTitle"]["S"] for i in t.scan("Archive")), ["copy", "one", "three", "two"])
    t.sh("cp Music/A/two.json /dev/stdout | grep -q two")
    t.true(os.path.isdir(m / "Archive/A"), "the copied partition")


@test
def exclusive(t):
    m = music(t)
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY
    t.fails("EEXIST", os.open, m / "Music/A/one.json", flags)
    fd = os.open(m / "Music/A/mine.json", flags)
    os.write(fd, b"{}")
    os.close(fd)
    t.eq(t.get("Music", key("A", "mine")), key("A", "mine"))


@test
def directories(t):
    m = music(t)
    os.mkdir(m / "Music/New")
    t.eq(os.listdir(m / "Music/New"), [])
    t.true("New" in os.listdir(m / "Music"), "listed while empty")
    t.fails("EEXIST", os.mkdir, m / "Music/New")
    t.fails("EEXIST", os.mkdir, m / "Music/A")
    os.rmdir(m / "Music/New")
    t.fails("ENOENT", os.stat, m / "Music/New")
    t.fails("ENOTEMPTY", os.rmdir, m / "Music/A")
    t.eq(t.proxy.writes(), 0)
    os.mkdir(m / "Music/New")
    write(m / "Music/New/x.json", "{}")
    t.eq(t.get("Music", key("New", "x")), key("New", "x"))
    os.unlink(m / "Music/New/x.json")


@test
def rename(t):
    m = music(t)
    os.rename(m / "Music/A/one.json", m / "Music/A/uno.json")
    t.eq(t.get("Music", key("A", "one")), None)
    t.eq(t.get("Music", key("A", "uno")), dict(key("A", "uno"), Year={"N": "1999"}))
    t.contains(read(m / "Music/A/uno.json"), '"uno"')
    os.rename(m / "Music/A/uno.json", m / "Music/A/two.json")        # over another item
    t.eq(sorted(os.listdir(m / "Music/A")), ["three.json", "two.json"])
    t.eq(t.proxy.requests_of("TransactWriteItems"), 2)
    os.mkdir(m / "Music/B")
    os.rename(m / "Music/A/two.json", m / "Music/B/two.json")        # another partition
    t.eq(t.get("Music", key("B", "two"))["Year"], {"N": "1999"})
    os.mkdir(m / "Archive/A")
    os.rename(m / "Music/A/three.json", m / "Archive/A/3.json")      # another table
    t.eq(t.get("Archive", key("A", "3"))["Year"], {"N": "1999"})
    t.eq([i["SongTitle"]["S"] for i in t.scan("Music")], ["two"])
    t.fails("ENOENT", os.rename, m / "Music/B/nope.json", m / "Music/B/x.json")


@test
def rename_flags(t):
    m = music(t)
    t.put("Music", dict(key("A", "two"), Year={"N": "2"}))
    t.fails("EEXIST", rename2, m / "Music/A/one.json", m / "Music/A/two.json", RENAME_NOREPLACE)
    rename2(m / "Music/A/one.json", m / "Music/A/free.json", RENAME_NOREPLACE)
    t.eq(t.get("Music", key("A", "free"))["Year"], {"N": "1999"})
    rename2(m / "Music/A/free.json", m / "Music/A/two.json", RENAME_EXCHANGE)
    t.eq(t.get("Music", key("A", "free"))["Year"], {"N": "2"})
    t.eq(t.get("Music", key("A", "two"))["Year"], {"N": "1999"})


@test
def rename_a_partition(t):
    m = music(t)
    os.rename(m / "Music/A", m / "Music/B")
    t.eq(sorted(i["SongTitle"]["S"] for i in t.scan("Music")), ["one", "three", "two"])
    t.eq({i["Artist"]["S"] for i in t.scan("Music")}, {"B"})
    t.eq(t.proxy.requests_of("TransactWriteItems"), 1)
    t.put_items("Music", [key("Big", "%03d" % n) for n in range(60)])
    m.flush()
    t.fails("EXDEV", os.rename, m / "Music/Big", m / "Music/Bigger")
    t.sh("mv Music/Big Music/Bigger")
    t.eq(len([i for i in t.scan("Music") if i["Artist"]["S"] == "Bigger"]), 60)


@test
def read_only_mount(t):
    m = music(t, options="ro")
    t.fails("EROFS", write, m / "Music/A/one.json", "{}")
    t.fails("EROFS", os.unlink, m / "Music/A/one.json")
    t.eq(t.proxy.writes(), 0)


run()
