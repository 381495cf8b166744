# SPDX-License-Identifier: Apache-2.0
# BUILDS: plain asan
"""Secondary indexes as read-only directories."""

import json
import os

from case import Skip, read, run, test, write


def key(artist, song):
    return {"Artist": {"S": artist}, "SongTitle": {"S": song}}


@test
def names(t):
    t.create_table("Music", "Artist:S", "SongTitle:S", gsi=[("GenreAlbumTitle", "Genre:S", "AlbumTitle:S")])
    t.put_items("Music", [dict(key("The Acme Band", s), Genre={"S": "Rock"}, AlbumTitle={"S": "A, or B"})
                          for s in ("Happy Day", "PB&J", "Wait/Stay")])
    t.put("Music", dict(key("No Index", "x"), Genre={"S": "Rock"}))
    m = t.mount()
    t.eq(sorted(os.listdir(m)), ["Music", "Music@GenreAlbumTitle"])
    t.eq(os.listdir(m / "Music@GenreAlbumTitle"), ["Rock"])
    t.eq(sorted(os.listdir(m / "Music@GenreAlbumTitle/Rock")), [
        "A%2C or B,The Acme Band,Happy Day.json", "A%2C or B,The Acme Band,PB&J.json",
        "A%2C or B,The Acme Band,Wait%2FStay.json"])
    t.fails("ENOENT", os.stat, m / "Music@GenreAlbumTitle/Jazz")
    base = os.getxattr(m / "Music@GenreAlbumTitle/Rock/A%2C or B,The Acme Band,PB&J.json", "user.ddbfs.base")
    t.true(base.decode().endswith("Music/The Acme Band/PB&J.json"), "user.ddbfs.base")


@test
def impossible_names(t):
    """What neither a table nor an index can be called is not asked about."""
    t.create_table("Music", "Artist:S", "SongTitle:S")
    m = t.mount(options="cache_ttl=0")
    with t.proxy.counting() as c:
        for name in ("@x", "x@idx", "a@", "@", "Music@", "Music@a b", "Music@ab", "Music@abc@d"):
            t.fails("ENOENT", os.stat, m / name)
            t.fails("EROFS", os.mkdir, m / name)
    t.eq(c["requests"], 0)


@test
def read_only(t):
    t.create_table("Music", "Artist:S", "SongTitle:S", gsi=[("ByGenre", "Genre:S", None)])
    t.put("Music", dict(key("A", "one"), Genre={"S": "Rock"}))
    m = t.mount()
    path = m / "Music@ByGenre/Rock/A,one.json"
    t.contains(read(path), '"Rock"')
    t.fails("EROFS", write, path, "{}")
    t.fails("EROFS", os.unlink, path)
    t.fails("EROFS", os.mkdir, m / "Music@ByGenre/New")
    t.fails("EROFS", os.rename, path, m / "Music@ByGenre/Rock/x.json")
    below, item = m / "Music@ByGenre/Rock", m / "Music/A/one.json"
    for name in ("A,one.json", "new.json", "x~", ".A,one.json.swp", ".first/1/A,one.json", ".first/1/new.json",
                 ".filter/Genre2/x/new.json", "A,one/Genre", "A,one/new", "A,one/x~", ".export/jsonl"):
        t.fails("EROFS", write, os.path.join(below, name), "{}")
    for name in ("A,one.json", "A,one/Genre", ".last/1/A,one.json"):
        t.fails("EROFS", os.truncate, os.path.join(below, name), 0)
        t.fails("EROFS", os.unlink, os.path.join(below, name))
        t.fails("EROFS", os.rename, item, os.path.join(below, name))
        t.fails("EROFS", os.rename, os.path.join(below, name), m / "Music/A/two.json")
    for name in ("new", "A,one/new", ".first/1/new"):
        t.fails("EROFS", os.mkdir, os.path.join(below, name))
    for name in ("", "A,one"):
        t.fails("EROFS", os.rmdir, os.path.join(below, name))
    t.fails("EROFS", os.rmdir, m / "Music@ByGenre")
    t.fails("EROFS", os.rename, m / "Music@ByGenre", m / "Other")
    t.fails("EROFS", os.rename, below, m / "Music/Rock")
    t.fails("EROFS", os.rename, m / "Music/A", m / "Music@ByGenre/A")
    t.fails("EROFS", os.symlink, "x", below + "/link")
    t.eq(sorted(os.listdir(below)), ["A,one.json"])
    t.eq(t.proxy.writes(), 0)


@test
def while_it_is_made(t):
    """An index that cannot be read yet, or no more, is not there; .info says what the table has."""
    t.create_table("Music", "Artist:S", "SongTitle:S", gsi=[("ByGenre", "Genre:S", None)])
    t.put("Music", dict(key("A", "one"), Genre={"S": "Rock"}))
    for status in ("CREATING", "DELETING"):
        t.proxy.fault(action="patch", match={"op": "DescribeTable"}, times=-1,
                      set={"/Table/GlobalSecondaryIndexes/0/IndexStatus": status})
        m = t.mount("Music", "schema_ttl=0,cache_ttl=0")
        t.eq(os.listdir(m), ["Music"])
        t.fails("ENOENT", os.stat, m / "Music@ByGenre/Rock/A,one.json")
        t.fails("ENOENT", os.stat, m / "Music@ByGenre/.export/jsonl")
        t.proxy.clear_faults()
        t.eq(sorted(os.listdir(m)), ["Music", "Music@ByGenre"])
        t.eq(os.listdir(m / "Music@ByGenre/Rock"), ["A,one.json"])


def walk(m, table):
    """Paths below a directory of the mount."""
    return sorted(os.path.relpath(os.path.join(folder, name), m / table)
                  for folder, _, names in os.walk(m / table) for name in names)


@test
def keys_of_all_types(t):
    t.create_table("Tab", "H:N", "R:B", gsi=[("ByB", "G:B", "N:N", "KEYS_ONLY"), ("ByH", "N:N", "H:N")],
                   lsi=[("Local", "H:N", "N:N", {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["x"]})])
    for i in range(-3, 4):
        t.put("Tab", {"H": {"N": str(i % 2)}, "R": {"B": bytes([i & 255, 255])}, "G": {"B": b"\0,%d" % (i % 2)},
                    "N": {"N": "%s.5" % i}, "x": {"S": "é"}, "y": {"S": "not projected"}})
    t.put("Tab", {"H": {"N": "7"}, "R": {"B": b"sparse"}})
    m = t.mount()
    t.eq(sorted(os.listdir(m)), ["Tab", "Tab@ByB", "Tab@ByH", "Tab@Local"])
    for view in ("Tab@ByB", "Tab@ByH", "Tab@Local"):
        paths = walk(m, view)
        t.eq(len(paths), 7, view)
        for path in paths:
            base = os.getxattr(m / (view + "/" + path), "user.ddbfs.base").decode()
            text = read(m / (view + "/" + path))
            t.true(text, base)
            t.eq(json.loads(text)["R"], json.loads(read(m / base))["R"])
    t.true("x" not in json.loads(read(m / ("Tab@ByB/" + walk(m, "Tab@ByB")[0]))), "keys only")
    item = json.loads(read(m / ("Tab@Local/1/" + sorted(os.listdir(m / "Tab@Local/1"))[0])))
    t.eq((item["x"], "y" in item), ("é", False))
    t.contains(sorted(os.listdir(m / "Tab@ByH/-1.5"))[0], "1,1,")
    t.fails("ENOENT", os.stat, m / "Tab@None")
    t.fails("ENOENT", os.stat, m / "Tab@ByH/1e1")


@test
def multi_attribute_keys(t):
    try:
        t.db.create_table(
            TableName="Multi", BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": a, "AttributeType": k} for a, k in
                                  (("id", "S"), ("a", "S"), ("b", "N"), ("c", "S"), ("d", "S"))],
            GlobalSecondaryIndexes=[{"IndexName": "multi", "Projection": {"ProjectionType": "ALL"}, "KeySchema": [
                {"AttributeName": "a", "KeyType": "HASH"}, {"AttributeName": "b", "KeyType": "HASH"},
                {"AttributeName": "c", "KeyType": "RANGE"}, {"AttributeName": "d", "KeyType": "RANGE"}]}])
    except t.db.exceptions.ClientError as error:
        raise Skip("the engine has no multi-attribute keys: %s" % error)
    for i in range(4):
        t.put("Multi", {"id": {"S": "i%d" % i}, "a": {"S": "x,y"}, "b": {"N": str(i % 2)},
                        "c": {"S": "c/"}, "d": {"S": "d,%d" % i}})
    try:
        t.db.query(TableName="Multi", IndexName="multi", KeyConditionExpression="a = :a AND b = :b",
                   ExpressionAttributeValues={":a": {"S": "x,y"}, ":b": {"N": "1"}})
    except t.db.exceptions.ClientError as error:
        raise Skip("the engine does not query by several hash attributes: %s" % error)
    m = t.mount()
    t.eq(sorted(os.listdir(m / "Multi@multi")), ["x%2Cy,0", "x%2Cy,1"])
    t.eq(sorted(os.listdir(m / "Multi@multi/x%2Cy,1")), ["c%2F,d%2C1,i1.json", "c%2F,d%2C3,i3.json"])
    t.contains(read(m / "Multi@multi/x%2Cy,1/c%2F,d%2C3,i3.json"), '"i3"')
    t.eq(os.listdir(m / "Multi@multi/x%2Cy,1/.prefix/c%2F,d%2C3"), ["c%2F,d%2C3,i3.json"])


@test
def long_names(t):
    t.create_table("Long", "h:S", "r:S", gsi=[("g" * 200, "g:S", "k:S")])
    t.put("Long", {"h": {"S": "h" * 300}, "r": {"S": "é" * 200}, "g": {"S": "g," * 200}, "k": {"S": "k" * 500}})
    m = t.mount()
    view = "Long@" + "g" * 200
    paths = walk(m, view)
    t.eq(len(paths), 1)
    t.true(all(len(piece.encode()) <= 255 for piece in paths[0].split("/")), "no component is too long")
    path = m / (view + "/" + paths[0])
    text = read(path)
    t.eq(text, read(m / os.getxattr(path, "user.ddbfs.base").decode()))


@test
def listing_fills_the_cache(t):
    t.create_table("Music", "Artist:S", "SongTitle:S", gsi=[("ByGenre", "Genre:S", "Year:N")])
    t.put_items("Music", [dict(key("A%d" % (i % 3), "s%02d" % i), Genre={"S": "Rock"}, Year={"N": str(i)})
                          for i in range(50)])
    m = t.mount("Music", "cache_ttl=60")
    with t.proxy.counting() as counters:
        t.sh("ls -l Music@ByGenre/Rock | wc -l; cat Music@ByGenre/Rock/* >/dev/null")
    t.at_most(counters["requests"], 3, "describe, exists, one page")
    m.flush()
    with t.proxy.counting() as counters:
        t.contains(read(m / "Music@ByGenre/Rock/7,A1,s07.json"), '"s07"')
    t.at_most(counters["requests"], 3, "describe, exists, the item")
    t.fails("ENOENT", os.stat, m / "Music@ByGenre/Rock/7,A2,s07.json")
    t.fails("EROFS", os.truncate, m / "Music@ByGenre/Rock/7,A1,s07.json", 0)
    t.fails("EROFS", os.rmdir, m / "Music@ByGenre/Rock")
    t.fails("EROFS", os.rmdir, m / "Music@ByGenre")


@test
def never_strong(t):
    t.create_table("Tab", "H:S", "R:S", gsi=[("Glo", "g:S", None)], lsi=[("Loc", "H:S", "g:S")])
    t.put("Tab", {"H": {"S": "h"}, "R": {"S": "r"}, "g": {"S": "x"}})
    m = t.mount("Tab", "consistent")
    for path, strong in (("Tab@Glo/x/h,r.json", False), ("Tab@Loc/h/x,h,r.json", True)):
        before = len(t.proxy.requests(op="Query", bodies=True))
        read(m / path)
        asked = t.proxy.requests(op="Query", bodies=True)[before:]
        t.true(asked, "there was a request")
        for request in asked:
            body = str(request["body"]).replace(" ", "").replace("'", '"').replace("True", "true")
            t.eq('"ConsistentRead":true' in body, strong, path)
        for shown in (path, os.path.dirname(path)):
            said = os.getxattr(m / shown, "user.ddbfs.request").decode()
            t.eq('"ConsistentRead":true' in said, strong, said)


@test
def own_writes_are_seen(t):
    """A local index's directory shows what was saved in the table's, however long caches may keep it."""
    t.create_table("Music", "Artist:S", "SongTitle:S", lsi=[("ByYear", "Artist:S", "Year:N")])
    t.put("Music", dict(key("A", "one"), Year={"N": "1999"}, Plays={"N": "1"}))
    m = t.mount(options="cache_ttl=60")
    seen = m / "Music@ByYear/A/1999,A,one.json"
    t.contains(read(seen), '"Plays": 1,')
    text = read(m / "Music/A/one.json")
    write(m / "Music/A/one.json", text.replace('"Plays": 1,', '"Plays": 22,'))
    t.contains(read(seen), '"Plays": 22,')
    with t.proxy.counting() as c:
        read(seen)
    t.eq(c["requests"], 0, "and is cached again")


run()
