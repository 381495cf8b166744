# SPDX-License-Identifier: Apache-2.0
# BUILDS: plain asan
"""Writing to .ddbfs/flush drops every cache, the kernel's too: an outside change is seen at once."""

import os

from case import read, run, test
from crash import key, text_of


def music(t):
    t.create_table("Music", "Artist:S", "SongTitle:S")
    t.put_items("Music", [dict(key("A", n), Year={"N": "1"}) for n in ("changed", "same-size", "deleted", "kept")])
    return t.mount("Music", "cache_ttl=forever")


def put(t, name, year):
    t.put("Music", dict(key("A", name), Year={"N": str(year)}))


@test
def everything(t):
    m = music(t)
    folder = m / "Music/A"
    before = os.stat(folder + "/changed.json").st_size
    for name in sorted(os.listdir(folder)):
        t.contains(read(os.path.join(folder, name)), '"Year": 1')
    t.fails("ENOENT", os.stat, folder + "/new.json")
    t.fails("ENOENT", os.stat, m / "Music/B")

    put(t, "changed", 20000)
    put(t, "same-size", 2)
    put(t, "new", 3)
    t.db.delete_item(TableName="Music", Key=key("A", "deleted"))
    t.put("Music", dict(key("B", "one"), Year={"N": "1"}))
    t.contains(read(folder + "/changed.json"), '"Year": 1\n')        # for ever
    t.eq(os.stat(folder + "/changed.json").st_size, before)

    with t.proxy.counting() as c:
        t.sh("echo > .ddbfs/flush")
    t.eq(c["requests"], 0)
    t.eq(os.stat(folder + "/changed.json").st_size, before + 4)
    t.contains(read(folder + "/changed.json"), '"Year": 20000')
    t.contains(read(folder + "/same-size.json"), '"Year": 2')
    t.contains(read(folder + "/new.json"), '"Year": 3')
    t.fails("ENOENT", os.stat, folder + "/deleted.json")
    t.eq(sorted(os.listdir(folder)), ["changed.json", "kept.json", "new.json", "same-size.json"])
    t.eq(sorted(os.listdir(m / "Music")), ["A", "B"])
    t.contains(read(m / "Music/B/one.json"), '"Year": 1')


@test
def at_once_every_time(t):
    m = music(t)
    path = m / "Music/A/changed.json"
    for n in range(2, 60):
        t.contains(read(path), '"Year": %d\n' % (n - 1))
        put(t, "changed", 10 ** (n % 30))
        m.flush()
        size = os.stat(path).st_size
        t.contains(read(path), '"Year": 1' + "0" * (n % 30) if n % 30 < 15 else "000")
        t.eq(size, len(read(path)), "round %d" % n)
        t.db.delete_item(TableName="Music", Key=key("A", "changed"))
        m.flush()
        t.fails("ENOENT", os.stat, path)
        put(t, "changed", n)
        m.flush()
        t.contains(read(path), '"Year": %d\n' % n)


@test
def what_was_read_still_protects(t):
    """The caches are gone, what a reader has seen is not: his save does not overwrite what came after."""
    m = music(t)
    path = m / "Music/A/changed.json"
    t.contains(read(path), '"Year": 1')
    put(t, "changed", 2)
    m.flush()
    with open(path, "w", encoding="utf-8") as f:
        f.write(text_of(3))
        t.fails("ESTALE", f.close)
    t.eq(t.get("Music", key("A", "changed"))["Year"], {"N": "2"})


run()
