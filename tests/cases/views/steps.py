# SPDX-License-Identifier: Apache-2.0
# BUILDS: plain asan
# TIMEOUT: 180
"""Steps in paths are one Query or Scan: whatever chain of them, the same items as botocore finds, at the same price."""

import csv
import io
import json
import os
import random

from case import read, run, test, write

ALPHABET = ["a", "b", "2023-", "é", ",", "/", "%", "."]


def encode(text, view=False):
    """The name of a text, written from the documentation."""
    out = ""
    for i, c in enumerate(text):
        special = ord(c) < 32 or c in "/%\x7f" or (c == "." and i == 0) or (c == "," and view)
        out += "%%%02X" % ord(c) if special else c
    return out


def fill(t, rng, n=120):
    t.create_table("Log", "pk:S", "sk:S", gsi=[("ByKind", "kind:S", "seq:N")], lsi=[("ByNote", "pk:S", "note:S")])
    items = {}
    for i in range(n):
        item = {"pk": {"S": "p%d" % (i % 2)}, "sk": {"S": "".join(rng.choices(ALPHABET, k=rng.randint(1, 4)))},
                "kind": {"S": rng.choice(["x", "y,z"])}, "seq": {"N": str(rng.randint(-50, 50))},
                "status": rng.choice([{"S": "open"}, {"S": "1"}, {"N": "1"}, {"BOOL": True}])}
        if rng.random() < 0.7:
            item["note"] = {"S": rng.choice("abc")}
        items[item["pk"]["S"], item["sk"]["S"]] = item
    t.put_items("Log", list(items.values()))


class Oracle:
    """A chain of steps, as a path and as arguments of botocore's query."""

    def __init__(self, rng, index):
        self.rng, self.index = rng, index
        self.hash_name, self.hash, self.range_name, self.range_type = {
            None: ("pk", "p1", "sk", "S"), "ByKind": ("kind", "y,z", "seq", "N"),
            "ByNote": ("pk", "p0", "note", "S")}[index]
        self.path = ("Log@%s/" % index if index else "Log/") + encode(self.hash, bool(index))
        self.condition = "#h = :h"
        self.names, self.values = {"#h": self.hash_name}, {":h": {"S": self.hash}}
        self.filters, self.limit, self.reverse, self.before, self.columns = [], 0, False, 0, None
        choices = [self.range_step, self.filter_step, self.limit_step, self.filter_step, self.columns_step]
        for step in choices:
            if rng.random() < 0.5:
                step()

    def value(self):
        if self.range_type == "N":
            return str(self.rng.randint(-50, 50))
        return "".join(self.rng.choices(ALPHABET[:5], k=self.rng.randint(1, 2)))

    def range_step(self):
        self.names["#r"] = self.range_name
        if self.range_type == "S" and self.rng.random() < 0.5:
            value = self.value()
            self.path += "/.prefix/" + encode(value, bool(self.index))
            self.condition += " AND begins_with(#r, :r)"
            self.values[":r"] = {"S": value}
            return
        ends = sorted((self.value(), self.value()), key=int if self.range_type == "N" else str.encode)
        self.path += "/.between/" + "/".join(encode(e, bool(self.index)) for e in ends)
        self.condition += " AND #r BETWEEN :r AND :s"
        self.values.update({":r": {self.range_type: ends[0]}, ":s": {self.range_type: ends[1]}})

    def filter_step(self):
        if self.limit and self.before:
            return
        attribute, value = self.rng.choice([("status", "open"), ("status", "1"), ("status", "true"), ("missing", "x")])
        self.path += "/.filter/%s/%s" % (attribute, value)
        self.filters.append((attribute, value))

    def limit_step(self):
        self.limit, self.reverse = self.rng.randint(1, 12), self.rng.random() < 0.5
        self.before = len(self.filters)
        self.path += "/.%s/%d" % ("last" if self.reverse else "first", self.limit)

    def columns_step(self):
        self.columns = self.rng.sample(["pk", "sk", "status", "kind", "missing"], 2)
        self.path += "/.columns/" + ",".join(self.columns)

    @staticmethod
    def passes(item, filters):
        return all(item.get(a) in ({"S": v}, {"N": v}, {"BOOL": v == "true"}) and
                   not (item.get(a) == {"BOOL": False}) for a, v in filters)

    def answer(self, db):
        """Items in the order of the request, and the pages it takes."""
        arguments = {"TableName": "Log", "KeyConditionExpression": self.condition, "ScanIndexForward": not self.reverse,
                     "ExpressionAttributeNames": self.names, "ExpressionAttributeValues": self.values}
        if self.index:
            arguments["IndexName"] = self.index
        items = db.query(**arguments)["Items"]
        items = [i for i in items if self.passes(i, self.filters[:self.before])]
        if self.limit:
            items = items[:self.limit]
        return [i for i in items if self.passes(i, self.filters)]


def plain(item):
    return {k: (float(v["N"]) if "N" in v else next(iter(v.values()))) for k, v in item.items()}


@test
def random_chains(t):
    rng = random.Random(5)
    fill(t, rng)
    m = t.mount("Log", "cache_ttl=0")
    found = 0
    for round_ in range(60):
        o = Oracle(rng, rng.choice([None, None, "ByKind", "ByNote"]))
        wanted = [plain(i) for i in o.answer(t.db)]
        if o.columns:
            wanted = [{k: v for k, v in i.items() if k in o.columns} for i in wanted]
        found += len(wanted)
        os.stat(m / os.path.dirname(o.path))
        before = t.proxy.requests_of("Query") + t.proxy.requests_of("Scan")
        with open(m / (o.path + "/.export/jsonl"), encoding="utf-8") as f:
            opened = t.proxy.requests_of("Query") + t.proxy.requests_of("Scan")
            got = [json.loads(line) for line in f]
        asked = t.proxy.requests_of("Query") + t.proxy.requests_of("Scan") - opened
        t.eq([{k: float(v) if k == "seq" or isinstance(v, int) and v is not True else v for k, v in i.items()}
              for i in got], wanted, "%d: %s" % (round_, o.path))
        t.at_most(asked, 2 if o.limit and o.before == 0 else 1, o.path)      # a limit may end where a page does
        t.at_most(opened - before, 2, "finding the way")
        if not o.columns:
            t.eq(len(os.listdir(m / o.path)), len(wanted), o.path)
    t.true(found > 100, "most chains found something")


@test
def items_are_the_items(t):
    t.music(partitions=1, items=30)
    m = t.mount("Music")
    base = m / "Music/Artist 00"
    t.eq(sorted(os.listdir(base + "/.first/3")), ["Song 000%d.json" % i for i in range(3)])
    t.eq(sorted(os.listdir(base + "/.last/2")), ["Song 0028.json", "Song 0029.json"])
    t.eq(sorted(os.listdir(base + "/.prefix/Song 001")), ["Song 00%d.json" % i for i in range(10, 20)])
    one, two = base + "/.prefix/Song 001/Song 0011.json", base + "/Song 0011.json"
    t.eq(os.stat(one).st_ino, os.stat(two).st_ino)
    write(one, read(one).replace("1981", "2001"))
    t.contains(read(two), "2001")
    t.eq(t.get("Music", {"Artist": {"S": "Artist 00"}, "SongTitle": {"S": "Song 0011"}})["Year"], {"N": "2001"})
    with t.proxy.counting() as c:
        t.sh("mv 'Music/Artist 00/.first/1/Song 0000.json' 'Music/Artist 00/.last/1/'")
        t.sh("mv 'Music/Artist 00/.first/1/Song 0000.json' 'Music/Artist 00/Song 0000.json' 2>&1 || :")
    t.eq({op for op in c["ops"]} - {"Query", "GetItem"}, set(), "the same item: nothing to write")
    t.eq(os.listdir(base + "/.first/1"), ["Song 0000.json"])
    os.unlink(base + "/.last/1/Song 0029.json")
    t.true(not os.path.exists(base + "/Song 0029.json"), "gone from both")
    t.eq(os.listdir(base + "/.last/1"), ["Song 0028.json"])
    os.rename(base + "/.prefix/Song 0028/Song 0028.json", base + "/Renamed.json")
    t.eq(sorted(n for n in os.listdir(base) if not n.startswith("Song")), ["Renamed.json"])
    t.sh("sed -i s/1972/1800/ 'Music/Artist 00/.between/Song 0001/Song 0003/Song 0002.json'")
    t.contains(read(base + "/Song 0002.json"), "1800")
    t.fails("EINVAL", write, base + "/.prefix/Song 001/Elsewhere.json", "{}")
    t.fails("ENOENT", os.stat, base + "/.prefix/Song 001/Song 0001.json")
    t.fails(("EPERM", "EINVAL"), os.mkdir, base + "/.first/new")
    t.eq(sorted(os.listdir(base))[:2], ["Renamed.json", "Song 0000.json"])
    names = t.sh("find Music").stdout
    t.true("/.first" not in names and "/.export" not in names, "not listed")


@test
def one_request(t):
    t.music(partitions=1, items=500, size=4000)
    m = t.mount("Music", "cache_ttl=60")
    os.stat(m / "Music/Artist 00")
    with t.proxy.counting() as c:
        t.sh("cat 'Music/Artist 00/.last/10/'* | grep -c Year")
    t.eq({op: e["requests"] for op, e in c["ops"].items()}, {"Query": 1})
    t.at_most(c["rcu"], 12, "read units")
    t.contains(os.getxattr(m / "Music/Artist 00/.last/10", "user.ddbfs.request").decode(), '"Limit":10')


@test
def request_of_each_path(t):
    """user.ddbfs.request is the call behind whatever has one."""
    t.create_table("Music", "Artist:S", "SongTitle:S", gsi=[("ByYear", "Year:N", "Artist:S")])
    t.put("Music", {"Artist": {"S": "A"}, "SongTitle": {"S": "one"}, "Year": {"N": "1999"}})
    m = t.mount("Music")
    query, view, item = ('Query {"TableName":"Music","KeyConditionExpression":"#n0=:v0',
                         'Query {"TableName":"Music","IndexName":"ByYear","KeyConditionExpression":"#n0=:v0',
                         'GetItem {"TableName":"Music","Key":{"Artist":{"S":"A"},"SongTitle":{"S":"one"}}')
    for path, begin in ((".", "ListTables {}"), ("Music", 'Scan {"TableName":"Music"'), ("Music/A", query + '",'),
                        ("Music/A/one.json", item), ("Music/A/one", item), ("Music/A/one/Year", item),
                        ("Music/A/.first/1/one.json", item), ("Music/A/.prefix/o/one/Year", item),
                        ("Music/A/.first/3", query), ("Music/A/.last/3", query), ("Music/A/.filter/Year/1999", query),
                        ("Music/A/.columns/Year", query), ("Music/A/.export/tsv", query),
                        ("Music/A/.prefix/o", query + " AND begins_with(#n1,:v1)"),
                        ("Music/A/.between/a/z/.export/json", query + " AND #n1 BETWEEN :v1 AND :v2"),
                        ("Music/.filter/Year/1999", 'Scan {"TableName":"Music","FilterExpression"'),
                        ("Music/.columns/Year/.export/csv", 'Scan {"TableName":"Music","ProjectionExpression"'),
                        ("Music/.import/jsonl", "BatchWriteItem {"), ("Music/.info/arn", "DescribeTable {"),
                        ("Music@ByYear", 'Scan {"TableName":"Music","IndexName":"ByYear"'), ("Music@ByYear/1999", view),
                        ("Music@ByYear/1999/.prefix/A", view + " AND begins_with(#n1,:v1)"),
                        ("Music@ByYear/1999/A,A,one.json", view), ("Music@ByYear/1999/A,A,one/Year", view),
                        ("Music@ByYear/.export/jsonl", 'Scan {"TableName":"Music","IndexName":"ByYear"')):
        t.contains(os.getxattr(m / path, "user.ddbfs.request").decode(), begin, path)
    for path in ("Music/A/.first", "Music/A/.between/a", "Music/.export", "Music/.import", ".ddbfs/stats.json"):
        t.fails("ENODATA", os.getxattr, m / path, "user.ddbfs.request")
    for path in ("Music@ByYear/1999/A,A,one.json", "Music@ByYear/1999/A,A,one/Year",
                 "Music@ByYear/1999/.last/1/A,A,one.json"):
        t.eq(os.getxattr(m / path, "user.ddbfs.base").decode(), "Music/A/one.json")
    t.fails("ENODATA", os.getxattr, m / "Music/A/one.json", "user.ddbfs.base")


@test
def tables_without_sort_keys(t):
    t.create_table("Users", "Id:N")
    t.put_items("Users", [{"Id": {"N": str(i)}, "kind": {"N": str(i % 3)}} for i in range(30)])
    m = t.mount("Users")
    t.eq(len(os.listdir(m / "Users/.filter/kind/1")), 10)
    t.eq(os.stat(m / "Users/.filter/kind/1/4.json").st_ino, os.stat(m / "Users/4.json").st_ino)
    t.fails("ENOENT", os.stat, m / "Users/.filter/kind/1/5.json")
    t.eq(sorted(json.loads(line)["Id"] for line in read(m / "Users/.filter/kind/2/.export/jsonl").splitlines()),
         list(range(2, 30, 3)))


@test
def what_cannot_be_is_explained(t):
    t.music(partitions=1, items=3)
    m = t.mount("Music")
    for path, where, why in (
            ("Artist 00/.first/1/.last/1", "Artist 00/.first/1/.last", "not both"),
            ("Artist 00/.first/1/.prefix/a", "Artist 00/.first/1/.prefix", "before .first"),
            ("Artist 00/.filter/SongTitle/a", "Artist 00/.filter/SongTitle", "its own key"),
            (".first/1", "", "within a partition"), (".export/xml", ".export", "jsonl, json, csv or tsv"),
            (".import/json", ".import", "jsonl, csv or tsv"), ("Artist 00/.info", "Artist 00", "only a table"),
            (".filter/Year/1/.import", ".filter/Year/1", "only a table"),
            ("Artist 00/.columns/a,,b", "Artist 00/.columns", "as names are written"),
            ("Artist 00/.filter/txt/%41", "Artist 00/.filter/txt", "as names are written"),
            (".filter/a%2Eb/1", ".filter/a%2Eb", "as names are written"), (".info/none", ".info", "no such file")):
        t.fails("ENOENT", os.stat, m / ("Music/" + path))
        t.contains(os.getxattr(m / ("Music/" + where), "user.ddbfs.error").decode(), why)


@test
def filters_by_declared_types(t):
    """A key's value, or an index's, is named as everywhere."""
    t.create_table("Bins", "h:B", "r:N", gsi=[("ByMail", "mail:S", "n:N")])
    t.put_items("Bins", [{"h": {"B": b"\x01"}, "r": {"N": str(i)}, "mail": {"S": "1"}, "n": {"N": str(i % 2)}}
                         for i in range(6)])
    m = t.mount("Bins")
    for path in ("Bins/.filter/h/AQ", "Bins@ByMail/.filter/h/AQ", "Bins/.filter/mail/1", "Bins@ByMail/1/.filter/h/AQ"):
        t.eq(len(read(m / path + "/.export/jsonl").splitlines()), 6, path)
    t.eq(len(os.listdir(m / "Bins/AQ/.filter/n/1")), 3)
    t.contains(os.getxattr(m / "Bins/.filter/h/AQ/.export/jsonl", "user.ddbfs.request").decode(), '{"B":"AQ=="}')
    t.contains(os.getxattr(m / "Bins/AQ/.filter/n/1", "user.ddbfs.request").decode(), '"FilterExpression":"#n1=:v1"')
    t.fails("ENOENT", os.stat, m / "Bins/AQ/.filter/n/one")
    t.contains(os.getxattr(m / "Bins/AQ/.filter/n", "user.ddbfs.error").decode(), "the attribute's type")


@test
def exports(t):
    t.create_table("Log", "pk:S", "sk:S")
    nasty = ['plain', 'with "quotes"', "comma, and\ttab", "line\nbreak", "é"]
    t.put_items("Log", [{"pk": {"S": "p"}, "sk": {"S": "s%d" % i}, "text": {"S": nasty[i % 5]}, "n": {"N": str(i)},
                         "list": {"L": [{"N": "1"}]}, "bin": {"B": b"\x00\xff"}} for i in range(20)])
    m = t.mount("Log")
    base = m / "Log/p"
    for kind, delimiter in (("csv", ","), ("tsv", "\t")):
        with open("%s/.export/%s" % (base, kind), encoding="utf-8", newline="") as f:
            rows = list(csv.reader(io.StringIO(f.read(), newline=""), delimiter=delimiter))
        t.eq(rows[0], ["pk", "sk", "bin", "list", "n", "text"])
        by_key = {r[1]: r for r in rows[1:]}
        t.eq(len(by_key), 20)
        for i in range(20):
            t.eq(by_key["s%d" % i], ["p", "s%d" % i, "AP8=", "[1]", str(i), nasty[i % 5]])
    t.eq(len(json.loads(read(base + "/.export/json"))), 20)
    t.eq(json.loads(read(base + "/.prefix/none/.export/json")), [])
    t.eq(read(base + "/.prefix/none/.export/jsonl"), "")
    t.eq(read(base + "/.prefix/none/.columns/a,b/.export/csv"), "a,b\n")
    t.eq(read(base + "/.prefix/none/.export/csv"), "pk,sk\n")
    t.eq(read(m / "Log/.filter/n/none/.export/tsv"), "pk\tsk\n")
    t.eq(read(base + "/.prefix/s7/.columns/n,text,none/.export/csv"), 'n,text,none\n7,"comma, and\ttab",\n')
    t.eq(sorted(os.listdir(base + "/.export")), ["csv", "json", "jsonl", "tsv"])
    t.eq(len(t.sh("cp Log/.export/jsonl $TMPDIR/all; cat $TMPDIR/all").stdout.splitlines()), 20)
    command = "tail -n 1 Log/p/.export/jsonl | wc -l; head -n 1 Log/p/.export/csv; wc -l < Log/.export/jsonl"
    t.eq(t.sh(command).stdout.split(),
         ["1", "pk,sk,bin,list,n,text", "20"])
    t.eq(os.stat(base + "/.export/csv").st_size, 0)
    t.fails("EROFS", os.open, base + "/.export/csv", os.O_WRONLY)


@test
def long_exports_are_streamed(t):
    t.music(partitions=1, items=1500, size=4000)
    m = t.mount("Music")
    # of a partition: page after page; a whole table is scanned ahead of its reader (views/bulk)
    os.stat(m / "Music/Artist 00")
    asked = t.proxy.requests_of("Query")
    with open(m / "Music/Artist 00/.export/jsonl", "rb") as f:
        first = f.readline()
        after_first = t.proxy.requests_of("Query") - asked
        before = t.peak()
        rest = sum(1 for _ in f)
    t.true(first, "it begins at once")
    t.eq(rest, 1499)
    t.at_most(after_first, 2, "the first page is not the whole")
    t.at_most(t.proxy.requests_of("Query") - asked, 8, "pages")
    t.peak_at_most(16, "the rest of an export", before)


@test
def info(t):
    t.create_table("Music", "Artist:S", "SongTitle:S", gsi=[("ByGenre", "Genre:S", None, "KEYS_ONLY")])
    m = t.mount("Music")
    request = json.loads(read(m / "Music/.info/schema.json"))
    t.eq(os.stat(m / "Music/.info/schema.json").st_size, len(read(m / "Music/.info/schema.json")))
    t.db.delete_table(TableName="Music")
    t.eq(request.pop("DeletionProtectionEnabled", False), False)      # unknown to older botocore
    t.db.create_table(**request)
    again = json.loads(read(t.mount("Music") / "Music/.info/schema.json"))
    again.pop("DeletionProtectionEnabled", None)
    t.eq(again, request)
    t.eq(sorted(os.listdir(m / "Music/.info")), ["arn", "count", "indexes", "schema.json", "size", "status"])
    t.eq(read(m / "Music/.info/indexes"), "ByGenre\n")
    t.eq(read(m / "Music/.info/status"), "ACTIVE\n")
    t.contains(read(m / "Music/.info/arn"), "table/Music")
    for path in ("Music/.info", "Music/.info/count", "Music/.info/schema.json"):
        t.eq(os.getxattr(m / path, "user.ddbfs.request").decode(), 'DescribeTable {"TableName":"Music"}')
    t.fails("EROFS", os.open, m / "Music/.info/count", os.O_WRONLY)
    for number in ("count", "size"):
        t.true(read(m / ("Music/.info/" + number)).strip().isdigit(), number)
    t.fails(("EPERM", "EROFS"), os.unlink, m / "Music/.info/schema.json")
    t.fails("ENOENT", os.stat, m / "Music@ByGenre/.info")
    t.contains(os.getxattr(m / "Music@ByGenre", "user.ddbfs.error").decode(), "only a table")


run()
