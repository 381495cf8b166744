# SPDX-License-Identifier: Apache-2.0
# SECONDS: 27
# BUILDS: plain tsan
# TIMEOUT: 240
"""Programs that visit a whole table send few large requests, and none for what they have read already."""

import os
import threading

from case import plain_test, read, run, test

PARTITIONS, ITEMS = 60, 50
NEEDLE = "needle-%d"


def make(t, partitions=PARTITIONS, items=ITEMS, size=900):
    """Partitions of 50 KB; their keys so that the orders of names, of inode numbers and of the engine's Scan differ
    (the engine of the tests sorts by key)."""
    t.create_table("Crawl", "pk:S", "sk:S")
    t.put_items("Crawl", [{"pk": {"S": "p%03d" % p}, "sk": {"S": "s%04d" % i},
                           "v": {"S": (NEEDLE % p if i == 7 else "x") + "y" * size}}
                          for p in range(partitions) for i in range(items)])


def units(t):
    return sum(p["ConsumedCapacity"]["CapacityUnits"] for p in t.db.get_paginator("scan").paginate(
        TableName="Crawl", ReturnConsumedCapacity="TOTAL"))


def crawl(t, command, wanted, queries):
    """queries: whether the order is one in which the partitions do not lie together."""
    make(t)
    plain = units(t)
    t.mount("Crawl", "cache_ttl=60")
    listing = PARTITIONS / 2 + 10                            # names of partitions: half a unit each
    with t.proxy.counting() as c:
        t.eq(t.sh(command).stdout.strip(), wanted)
    print("# %s: %d requests, %.1f units (plain scan %.1f)" % (
        command.split()[0], c["requests"], c["rcu"], plain), {op: e["requests"] for op, e in c["ops"].items()})
    t.at_most(c["rcu"], listing + plain * 1.12, "read units")
    t.eq(c["ops"].get("GetItem"), None, "no item was asked for by itself")
    t.at_most(c["ops"]["Query"]["requests"], PARTITIONS + 4 if queries else 6, "queries")
    t.at_most(c["ops"]["Scan"]["requests"], PARTITIONS + 20, "scans")
    with t.proxy.counting() as c:
        t.eq(t.sh(command.replace("/copy", "/again")).stdout.strip(), wanted)
    t.eq(c["requests"], 0, "once more")


@test
def grep(t):
    crawl(t, "grep -r needle- Crawl | wc -l", str(PARTITIONS), False)


@test
def find(t):
    crawl(t, "find Crawl -type f | wc -l", str(PARTITIONS * ITEMS), False)


@plain_test
def tar(t):
    crawl(t, "tar c Crawl | tar t | grep -c json", str(PARTITIONS * ITEMS), False)


@plain_test
def cp(t):
    crawl(t, "cp -r Crawl $TMPDIR/copy && cat $TMPDIR/copy/*/* | grep -c needle-", str(PARTITIONS), True)


@test
def longer_than_the_cache(t):
    """With the default cache_ttl of a second: nothing older is shown, and what is read ahead is not wasted."""
    make(t)
    plain = units(t)
    t.mount("Crawl", "cache_ttl=1")
    with t.proxy.counting() as c:
        found = t.sh("grep -r needle- Crawl | while read -r line; do sleep 0.05; echo; done | wc -l").stdout
        t.eq(found.strip(), str(PARTITIONS))
    # on a busy machine much has expired before it is reached, and is read again: but not again and again
    t.at_most(c["rcu"], PARTITIONS / 2 + 20 + plain * 4, "read units")


@test
def own_writes_are_seen(t):
    """A crawl that changes what it visits: rm, and files written behind the reader."""
    make(t, 20, 20)
    m = t.mount("Crawl", "cache_ttl=60")
    os.listdir(m / "Crawl")
    for p in range(20):
        folder = os.path.join(m / "Crawl", "p%03d" % p)
        t.eq(len(os.listdir(folder)), 20 + (p > 4), folder)
        if p >= 4:
            continue
        for later in range(5 + p * 4, 9 + p * 4):            # some of them are fetched ahead by now
            if later < 20:
                with open(os.path.join(m / "Crawl", "p%03d" % later, "new.json"), "w", encoding="utf-8") as f:
                    f.write('{"v": "new"}')
    t.sh("rm -r Crawl/*; test -z \"$(ls Crawl)\"")
    t.eq(t.scan("Crawl"), [])


@test
def off_by_option(t):
    make(t, items=10)
    t.mount("Crawl", ["cache_ttl=60", "readahead=false"])
    t.sh("ls Crawl >/dev/null")
    with t.proxy.counting() as c:
        t.sh("grep -r needle- Crawl >/dev/null")
    t.eq(c["ops"]["Query"]["requests"], PARTITIONS)


@test
def no_reading_ahead_of_who_does_not_crawl(t):
    make(t, items=10)
    t.mount("Crawl", "cache_ttl=60")
    t.sh("ls Crawl >/dev/null")
    with t.proxy.counting() as c:
        t.sh("ls Crawl/p010 Crawl/p040 Crawl/p003 Crawl/p055 Crawl/p020 >/dev/null")
    t.eq(c["requests"], 5)


@test
def many_readers_one_request(t):
    make(t, 1, 3)
    m = t.mount("Crawl", "cache_ttl=60")
    os.stat(m / "Crawl/p000")
    t.proxy.fault(action="slow", ms=300, times=-1)
    with t.proxy.counting() as c:
        readers = [threading.Thread(target=read, args=[m / "Crawl/p000/s0001.json"]) for _ in range(16)]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()
    t.eq(c["requests"], 1)


@test
def an_abandoned_listing_stops(t):
    make(t, 1, 6000)                                        # six pages
    m = t.mount("Crawl", "cache_ttl=60")
    os.stat(m / "Crawl/p000")
    with t.proxy.counting() as c:
        with os.scandir(m / "Crawl/p000") as entries:
            next(entries)
        t.sh("sleep 0.5")
    t.eq(c["requests"], 1, "the first names")
    with t.proxy.counting() as c:
        with os.scandir(m / "Crawl/p000") as entries:
            for _ in range(1500):
                next(entries)
        t.sh("sleep 0.5")
    t.at_most(c["requests"], 3, "a page and a half, and the next")
    with t.proxy.counting() as c:
        t.eq(len(os.listdir(m / "Crawl/p000")), 6000)
    t.at_most(c["requests"], 7, "all pages")
    with t.proxy.counting() as c:
        t.sh("ls -l Crawl/p000 | wc -l; cat Crawl/p000/s0*.json | wc -c")
    t.eq(c["requests"], 0, "once more")


run()
