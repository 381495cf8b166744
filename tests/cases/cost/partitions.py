# SPDX-License-Identifier: Apache-2.0
# SECONDS: 15
# BUILDS: plain tsan
# TIMEOUT: 240
"""What a listing of partitions costs: those that are large are skipped, those that are small are read in full pages."""

import os
import random

from case import run, test


def make(t, partitions, items, size, name="Tab", keys=("pk:S", "sk:S")):
    t.create_table(name, *keys)
    t.put_items(name, [{"pk": {"S": "p%04d" % p}, "sk": {"S": "s%05d" % i}, "v": {"S": "x" * size}}
                       for p in range(partitions) for i in range(items)])


@test
def large_partitions(t):
    make(t, 60, 40, 4000)                       # 160 KB each, 1,200 units in all
    m = t.mount("Tab", "cache_ttl=60")
    with t.proxy.counting() as c:
        t.eq(sorted(os.listdir(m / "Tab")), ["p%04d" % p for p in range(60)])
    t.at_most(c["rcu"], 60 * 0.5 + 7, "read units")
    t.at_most(c["ops"]["Scan"]["requests"], 63, "requests")
    with t.proxy.counting() as c:
        t.eq(len(os.listdir(m / "Tab")), 60)
        t.sh("ls Tab >/dev/null; test -d Tab/p0059; test ! -e Tab/p0060")
    t.eq(c["requests"], 0, "a second time")


@test
def small_partitions(t):
    make(t, 2000, 1, 300)
    plain = sum(p["ConsumedCapacity"]["CapacityUnits"] for p in t.db.get_paginator("scan").paginate(
        TableName="Tab", ReturnConsumedCapacity="TOTAL"))
    m = t.mount("Tab", "cache_ttl=60")
    with t.proxy.counting() as c:
        t.eq(len(os.listdir(m / "Tab")), 2000)
    t.at_most(c["rcu"], plain * 1.05, "read units")
    t.at_most(c["ops"]["Scan"]["requests"], 4, "requests")


@test
def indexes_too(t):
    t.create_table("Tab", "pk:S", "sk:S", gsi=[("ByState", "state:S", "sk:S")], lsi=[("ByDate", "pk:S", "date:S")])
    t.put_items("Tab", [{"pk": {"S": "p%d" % (i % 20)}, "sk": {"S": "s%05d" % i}, "state": {"S": "st%02d" % (i % 12)},
                       "date": {"S": "d%04d" % (i // 3)}, "v": {"S": "x" * 3000}} for i in range(1200)])
    m = t.mount("Tab", "cache_ttl=60")
    with t.proxy.counting() as c:
        t.eq(sorted(os.listdir(m / "Tab@ByState")), ["st%02d" % i for i in range(12)])
        t.eq(sorted(os.listdir(m / "Tab@ByDate")), sorted("p%d" % i for i in range(20)))
    t.at_most(c["rcu"], 36, "read units")       # of 900


@test
def many_tables(t):
    """The root asks for the tables' definitions side by side, and once."""
    for i in range(24):
        t.create_table("Tab%02d" % i, "pk:S", gsi=[("Idx", "x:S", None)] if i % 2 else ())
    m = t.mount()
    t.proxy.latency(ms=30)
    with t.proxy.counting() as c:
        names = os.listdir(m)
    t.eq(len(names), 36)
    t.eq(c["ops"]["DescribeTable"]["requests"], 24)
    t.true(c["max_in_flight"] >= 4, "several in flight: %d" % c["max_in_flight"])
    with t.proxy.counting() as c:
        t.eq(len(os.listdir(m)), 36)
        t.sh("ls -l >/dev/null")
    t.eq(c["ops"].get("DescribeTable"), None)


@test
def tables_that_may_not_be_described(t):
    for i in range(6):
        t.create_table("Tab%02d" % i, "pk:S")
    m = t.mount()
    t.proxy.fault(action="access_denied", match={"op": "DescribeTable", "table": "Tab03"}, times=-1)
    t.eq(sorted(os.listdir(m)), ["Tab%02d" % i for i in range(6)])


def long_listing(t, honest):
    """By several requests at once where the engine's segments are stretches of its order; complete on every engine."""
    make(t, 320, 12, 4000)
    m = t.mount("Tab", "cache_ttl=60")
    t.proxy.latency(ms=5)
    with t.proxy.counting() as c:
        names = os.listdir(m / "Tab")
    print("# %d requests, %.1f units, %d in flight" % (c["requests"], c["rcu"], c["max_in_flight"]))
    t.eq(sorted(names), ["p%04d" % p for p in range(320)])
    t.at_most(c["rcu"], (320 * 0.5 + 7) * 1.05, "read units")
    t.at_most(c["ops"]["Scan"]["requests"], 323 * 1.05, "requests")
    if honest:
        t.true(c["max_in_flight"] >= 4, "several in flight: %d" % c["max_in_flight"])


@test
def long_by_key(t):
    long_listing(t, False)


@test
def long_by_hash(t):
    t.start_engine(dynalite=True)
    long_listing(t, True)


@test
def long_index_by_hash(t):
    t.start_engine(dynalite=True)
    t.create_table("Tab", "pk:S", "sk:S", gsi=[("ByState", "state:S", "sk:S")])
    t.put_items("Tab", [{"pk": {"S": "p%d" % (i % 20)}, "sk": {"S": "s%05d" % i}, "state": {"S": "st%03d" % (i % 150)},
                         "v": {"S": "x" * 4000}} for i in range(1800)])
    m = t.mount("Tab", "cache_ttl=60")
    t.proxy.latency(ms=5)
    with t.proxy.counting() as c:
        t.eq(sorted(os.listdir(m / "Tab@ByState")), ["st%03d" % i for i in range(150)])
    print("# %d requests, %.1f units, %d in flight" % (c["requests"], c["rcu"], c["max_in_flight"]))
    t.at_most(c["rcu"], (150 * 0.5 + 7) * 1.05, "read units")
    t.true(c["max_in_flight"] >= 3, "several in flight: %d" % c["max_in_flight"])


KEYS = {
    "S": lambda r: {"S": "".join(r.choice("ab%/é😀 .") for _ in range(r.randint(1, 12)))},
    "N": lambda r: {"N": str(r.choice([r.randint(-10**6, 10**6), r.randint(0, 50), 10**r.randint(0, 37)]))},
    "B": lambda r: {"B": bytes(r.randrange(256) for _ in range(r.randint(1, 8)))},
}


def plain_names(t, table, index=None):
    """How many partitions a plain scan of the engine finds."""
    hashes = set()
    for page in t.db.get_paginator("scan").paginate(TableName=table, **({"IndexName": index} if index else {})):
        for item in page["Items"]:
            hashes.add(repr(item["ih" if index else "pk"]))
    return len(hashes)


def skewed(t, r, name, pk, sk):
    t.create_table(name, "pk:" + pk, "sk:" + sk, gsi=[("Idx", "ih:" + pk, "sk:" + sk)])
    items, seen = [], set()
    for _ in range(r.randint(5, 40)):
        key, other = KEYS[pk](r), KEYS[pk](r)
        for _ in range(r.choice([1, 1, 2, 30, 100])):
            item = {"pk": key, "sk": KEYS[sk](r), "ih": r.choice([key, other]),
                    "v": {"S": "x" * r.choice([1, 50, 1500])}}
            if repr((item["pk"], item["sk"])) not in seen:
                seen.add(repr((item["pk"], item["sk"])))
                items.append(item)
    t.put_items(name, items)


@test
def complete(t):
    every_name_once(t, 20)


@test
def complete_by_hash(t):
    """An engine that scans in the order of hashes, as the service does."""
    t.start_engine(dynalite=True)
    every_name_once(t, 21)


def every_name_once(t, seed):
    """Tables of partitions of very different sizes, of all types of keys."""
    r = random.Random(seed)
    tables = ["Tab%s%s" % (pk, sk) for pk in "SNB" for sk in "SNB"]
    for name in tables:
        skewed(t, r, name, name[3], name[4])
    m = t.mount("Tab*", "cache_ttl=60")
    for name in tables:
        names = t.sh("ls -Uq '%s' | wc -l; ls -U --quoting-style=c '%s' | sort -u | wc -l; ls -Uq '%s@Idx' | wc -l"
                     % (name, name, name)).stdout.split()
        wanted = plain_names(t, name)
        t.eq([int(n) for n in names], [wanted, wanted, plain_names(t, name, "Idx")], name)
    del m


run()
