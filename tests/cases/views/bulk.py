# SPDX-License-Identifier: Apache-2.0
# BUILDS: plain asan tsan
# TIMEOUT: 180
"""Whole tables out and in: every item once, exactly, in bounded memory."""

import json
import os

from case import build_kind, read, run, test

COUNT = int(os.environ.get("DDBFS_ITEMS", "0")) or 5000


def every_type(i):
    """An item of some of all types, different for each i."""
    number = ("%d.%037d" % (i % 3, i)).rstrip("0") if i % 10 else "-1E-%d" % (i % 120)
    found = {"pk": {"S": "partition/%d" % (i % 97)}, "sk": {"N": str(i - 500)}, "fine": {"N": number},
             "text": {"S": "line %d\n\t\"é\", 'x'" % i}, "bytes": {"B": bytes([i % 256, 0, 255])},
             "no": {"NULL": True}, "yes": {"BOOL": i % 2 == 0}}
    if i % 2:
        found.update({"words": {"SS": ["a", "b%d" % i]}, "numbers": {"NS": ["1", str(i + 2)]},
                      "blobs": {"BS": [b"", bytes([i % 256])]}})
    if i % 3:
        found["list"] = {"L": [{"N": str(i)}, {"L": []}, {"M": {"$b": {"S": ""}}}]}
        found["map"] = {"M": {"a": {"NULL": True}}}
    if i % 500 == 0:
        found["large"] = {"S": "x" * 100000}
    return found


def fill(t, name, count):
    t.create_table(name, "pk:S", "sk:N", gsi=[("BySk", "sk:N", None)])
    t.put_items(name, [every_type(i) for i in range(count)])


def canonical(items):
    """To compare what two tables hold, whatever the order."""
    def plain(value):
        (kind, v), = value.items()
        if kind in ("SS", "NS", "BS"):
            return kind, sorted(map(str, v))
        if kind == "L":
            return kind, [plain(x) for x in v]
        if kind == "M":
            return kind, {k: plain(x) for k, x in v.items()}
        return kind, v
    return {(i["pk"]["S"], i["sk"]["N"]): {k: plain(v) for k, v in i.items()} for i in items}


def resident(t):
    with open("/proc/%d/status" % t.daemons()[0], encoding="ascii") as f:
        return max(int(line.split()[1]) for line in f if line.startswith("VmHWM"))


@test
def exported_in_segments(t):
    fill(t, "Log", COUNT)
    m = t.mount("Log", "cache_ttl=0,cache_size=1M")
    keys = {(i["pk"]["S"], int(i["sk"]["N"])) for i in t.scan("Log")}
    t.eq(len(keys), COUNT)
    before = resident(t)
    with t.proxy.counting() as c, open(m / "Log/.export/jsonl", encoding="utf-8") as f:
        lines = [json.loads(line) for line in f]
    t.eq(len(lines), COUNT)
    t.eq({(i["pk"], i["sk"]) for i in lines}, keys)
    scans = [json.loads(r["body"]) for r in t.proxy.requests(op="Scan", bodies=True)]
    segments = {(r.get("Segment"), r.get("TotalSegments")) for r in scans}
    t.true(len(segments) > 1, "in several segments: %s" % segments)
    t.eq(c["ops"]["Scan"]["requests"], len([r for r in scans if "ExclusiveStartKey" in r]) + len(segments))
    if build_kind() == "plain":
        t.at_most(resident(t) - before, 32 * 1024, "KiB more")
    t.eq(sum(1 for _ in open(m / "Log@BySk/.export/jsonl", encoding="utf-8")), COUNT)
    rows = json.loads(read(m / "Log/.filter/yes/true/.columns/pk,sk/.export/json"))
    t.eq(len(rows), COUNT // 2)
    t.eq(len(read(m / "Log/.columns/sk/.export/csv").splitlines()), COUNT + 1)
    consumed = json.loads(os.getxattr(m / "Log/.export/jsonl", "user.ddbfs.consumed"))
    t.true(consumed["rcu"] > COUNT / 100, "its cost is told: %s" % consumed)


@test
def reader_that_stops(t):
    t.music(partitions=20, items=300, size=3000)
    m = t.mount("Music")
    t.sh("head -n 3 Music/.export/jsonl | wc -l")
    asked = t.proxy.requests_of("Scan")
    t.at_most(asked, 14, "pages for three lines")
    t.sh("ls Music > /dev/null")
    with open(m / "Music/.export/jsonl", "rb", buffering=0) as f:
        f.read(10)
        t.proxy.fault(action="hang", match={"op": "Scan"})
        t.sh("timeout -s INT 1 cat Music/.export/jsonl > /dev/null", check=False)
    t.proxy.clear_faults()
    t.eq(t.sh("wc -l < Music/.export/jsonl").stdout.strip(), "6000")


run()
