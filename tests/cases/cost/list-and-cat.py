# SPDX-License-Identifier: Apache-2.0
# BUILDS: plain asan
# TIMEOUT: 120
"""What is asked of the table, and what it costs: a listing fills the cache for what is read after it."""

import json
import os

from case import run, test


def pages(t, artist):
    """Pages of one Query of the partition, asked of the engine directly."""
    count, start = 0, {}
    while True:
        page = t.db.query(TableName="Music", KeyConditionExpression="Artist = :a",
                          ExpressionAttributeValues={":a": {"S": artist}}, **start)
        count += 1
        if "LastEvaluatedKey" not in page:
            return count
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}


@test
def list_then_cat(t):
    t.music(partitions=1, items=1000, size=1024)
    query_pages = pages(t, "Artist 00")
    t.mount("Music", "cache_ttl=60")
    out = t.sh("cd 'Music/Artist 00'; ls -l | wc -l; cat * | wc -c; cat * | grep -c Year")
    lines, size, years = map(int, out.stdout.split())
    t.eq(lines, 1001)
    t.eq(years, 1000)
    t.true(size > 1000 * 1000, "the contents were read")
    counters = t.proxy.counters()
    t.at_most(counters["requests"], query_pages + 3, "requests (%s)" % {
        op: entry["requests"] for op, entry in counters["ops"].items()})
    t.eq(counters["ops"].get("GetItem"), None, "no item was asked for by itself")


@test
def a_file_just_listed_is_read_by_opening_it(t):
    """Its content comes with the answer to open: neither READ nor, for the time of access, GETATTR follows."""
    t.music(partitions=1, items=200)
    m = t.mount("Music", "cache_ttl=60")
    folder = m / "Music/Artist 00"
    with os.scandir(folder) as entries:
        paths = [e.path for e in entries if e.stat().st_size]
    t.eq(len(paths), 200)

    def operations():
        with open(m / ".ddbfs/stats.json", encoding="utf-8") as f:
            return json.load(f)["operations"]

    before = operations()
    texts = []
    for path in paths:
        with open(path, "rb", buffering=0) as f:
            texts.append(f.read())
            t.eq(os.fstat(f.fileno()).st_size, len(texts[-1]))
    t.at_most(operations() - before, 2 * len(paths) + 20, "operations")     # OPEN and RELEASE
    t.true(all(json.loads(text) for text in texts), "whole texts")


@test
def once_more_is_free(t):
    t.music(partitions=1, items=200)
    t.mount("Music", "cache_ttl=60")
    t.sh("ls -l Music/*; cat Music/*/* >/dev/null")
    with t.proxy.counting() as counters:
        t.sh("ls -l Music/*; cat Music/*/* >/dev/null; stat Music/*/* >/dev/null")
        t.sh("test -f 'Music/Artist 00/Song 0001.json'")
    t.eq(counters["requests"], 0)


@test
def what_is_missing_is_remembered(t):
    t.music(partitions=1, items=3)
    m = t.mount("Music", "cache_ttl=60")
    t.true(not os.path.exists(m / "Music/Artist 00/Nope.json"), "not there")
    with t.proxy.counting() as counters:
        for _ in range(20):
            t.true(not os.path.exists(m / "Music/Artist 00/Nope.json"), "still not there")
    t.eq(counters["requests"], 0)


@test
def a_single_item_is_one_request(t):
    t.music(partitions=1, items=100)
    m = t.mount("Music", "cache_ttl=60")
    os.stat(m / "Music")
    with t.proxy.counting() as counters:
        t.sh("cat 'Music/Artist 00/Song 0042.json'")
    t.at_most(counters["requests"], 2, "requests")      # is there such a partition? the item
    t.at_most(counters["rcu"], 2, "read units")


@test
def statfs_and_xattrs_of_cost(t):
    t.music(partitions=1, items=10)
    m = t.mount("Music", "cache_ttl=60")
    os.listdir(m / "Music/Artist 00")
    with t.proxy.counting() as counters:
        s = os.statvfs(m)
        t.true(s.f_blocks > 0 and s.f_bsize > 0 and s.f_namemax >= 240, "statfs says something")
    t.eq(counters["requests"], 0)
    t.contains(os.getxattr(m / "Music/Artist 00", "user.ddbfs.request").decode(), "Query")
    t.true(json.loads(os.getxattr(m / "Music/Artist 00", "user.ddbfs.consumed"))["rcu"] > 0, "what it has cost")


run()
