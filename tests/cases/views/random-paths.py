# SPDX-License-Identifier: Apache-2.0
# SECONDS: 15
# TIMEOUT: 120
"""Random chains of steps over random tables: what a path shows is what botocore's Query or Scan says, for as many
requests as it has pages.  DDBFS_SEED makes a run again, DDBFS_ROUNDS says how many paths."""

import json
import os
import random

from case import run, test

SEED = int(os.environ.get("DDBFS_SEED", "0")) or random.SystemRandom().randrange(1, 10 ** 9)
PATHS = int(os.environ.get("DDBFS_ROUNDS", "0")) or 500
ALPHABET = ["a", "b", "10", "é", ",", "/", "%", ".", " ", "\U0001f600"]
STEPS = ("range", "filter", "limit", "filter", "columns")


def encode(text, view=False):
    """The name of a text, written from the documentation."""
    special = "/%\x7f," if view else "/%\x7f"
    return "".join("%%%02X" % ord(c) if ord(c) < 32 or c in special or (c == "." and i == 0) else c
                   for i, c in enumerate(text))


class Table:
    """A random table of up to two pages: its keys, its indexes, its items."""

    def __init__(self, t, rng, name, padding):
        self.name, self.rng, self.t = name, rng, t
        self.kind = {a: rng.choice("SN") for a in ("pk", "sk", "gh", "gr", "lr")}
        self.ranged = rng.random() < 0.8
        indexed = rng.random() < 0.8
        spec = {a: "%s:%s" % (a, k) for a, k in self.kind.items()}
        self.indexes = {None: ("pk", "sk" if self.ranged else None)}
        if indexed:
            self.indexes["Global"] = ("gh", "gr")
        if indexed and self.ranged:
            self.indexes["Local"] = ("pk", "lr")
        t.create_table(name, spec["pk"], spec["sk"] if self.ranged else None,
                       gsi=[("Global", spec["gh"], spec["gr"])] if "Global" in self.indexes else [],
                       lsi=[("Local", spec["pk"], spec["lr"])] if "Local" in self.indexes else [])
        self.hashes = {a: [self.value(a) for _ in range(3)] for a in ("pk", "gh")}
        items = {}
        for _ in range(rng.randint(60, 150)):
            item = {"pk": self.rng.choice(self.hashes["pk"]) if self.ranged else self.value("pk"),
                    "status": rng.choice([{"S": "open"}, {"S": "1"}, {"N": "1"}, {"BOOL": True}, {"NULL": True}]),
                    "notes": {"S": "n" * padding}}
            if self.ranged:
                item["sk"] = self.value("sk")
            for attribute in ("gr", "lr"):
                if rng.random() < 0.8:
                    item[attribute] = self.value(attribute)
            if rng.random() < 0.8:
                item["gh"] = rng.choice(self.hashes["gh"])
            items[json.dumps([item["pk"], item.get("sk")])] = item
        t.put_items(name, list(items.values()))

    def value(self, attribute):
        if self.kind[attribute] == "N":
            return {"N": self.rng.choice(["%d", "-%d", "%d.5"]) % self.rng.randint(1, 60)}
        return {"S": "".join(self.rng.choices(ALPHABET, k=self.rng.randint(1, 3)))}

    def order(self, value):
        return float(value["N"]) if "N" in value else value["S"].encode()


class Path:
    """A chain of steps as a path and as arguments of botocore."""

    def __init__(self, table, rng):
        self.table, self.rng = table, rng
        self.index = rng.choice(list(table.indexes))
        self.hash, self.range = table.indexes[self.index]
        self.path = encode(table.name) + ("@" + self.index if self.index else "")
        self.names, self.values, self.condition = {}, {}, None
        self.filters, self.limit, self.reverse, self.before, self.columns = [], 0, False, 0, None
        if (self.range or self.index) and rng.random() < 0.8:
            value = rng.choice(table.hashes[self.hash])
            self.path += "/" + encode(next(iter(value.values())), bool(self.index))
            self.condition, self.names, self.values = "#h = :h", {"#h": self.hash}, {":h": value}
        for step in rng.sample(STEPS, rng.randint(0, len(STEPS))):
            getattr(self, "step_" + step)()

    def name(self, value):
        return encode(next(iter(value.values())), bool(self.index))

    def step_range(self):
        if not self.condition or self.limit or "#r" in self.names:
            return
        self.names["#r"] = self.range
        if self.table.kind[self.range] == "S" and self.rng.random() < 0.5:
            value = {"S": self.rng.choice(ALPHABET)}
            self.path += "/.prefix/" + self.name(value)
            self.condition += " AND begins_with(#r, :r)"
            self.values[":r"] = value
            return
        ends = sorted((self.table.value(self.range), self.table.value(self.range)), key=self.table.order)
        self.path += "/.between/%s/%s" % tuple(self.name(e) for e in ends)
        self.condition += " AND #r BETWEEN :r AND :s"
        self.values.update({":r": ends[0], ":s": ends[1]})

    def step_filter(self):
        if self.limit and self.before:
            return
        attribute = self.rng.choice(["status", "status", "status", "missing", "gr" if not self.condition else "status"])
        numeric = attribute == "gr" and self.table.kind["gr"] == "N"    # of the type that the table declares only
        value = self.rng.choice(["1", "2"] if numeric else ["open", "1", "true", "x", "2"])
        self.path += "/.filter/%s/%s" % (attribute, value)
        self.filters.append((attribute, value))

    def step_limit(self):
        if self.condition:
            self.limit, self.reverse = self.rng.randint(1, 30), self.rng.random() < 0.5
            self.before = len(self.filters)
            self.path += "/.%s/%d" % ("last" if self.reverse else "first", self.limit)

    def step_columns(self):
        self.columns = self.rng.sample(["pk", "sk", "status", "gh", "missing"], 2)
        self.path += "/.columns/" + ",".join(self.columns)

    @staticmethod
    def passes(item, filters):
        def values(v):
            return [{"S": v}, {"N": v}] + ([{"BOOL": v == "true"}] if v in ("true", "false") else [])

        return all(item.get(a) in values(v) for a, v in filters)

    def pages(self):
        """What botocore gets for the request the path stands for, and in how many pages."""
        arguments = {"TableName": self.table.name}
        if self.index:
            arguments["IndexName"] = self.index
        call = self.table.t.db.scan
        if self.condition:
            call = self.table.t.db.query
            arguments.update(KeyConditionExpression=self.condition, ScanIndexForward=not self.reverse)
        names, values, parts = dict(self.names), dict(self.values), []
        for i, (attribute, value) in enumerate(self.filters if self.before or not self.limit else []):
            others = [{"S": value}]
            if value in ("1", "2"):
                others.append({"N": value})
            if value == "true":
                others.append({"BOOL": True})
            names["#f%d" % i] = attribute
            for k, other in enumerate(others):
                values[":f%d%d" % (i, k)] = other
            parts.append("(%s)" % " OR ".join("#f%d = :f%d%d" % (i, i, k) for k in range(len(others))))
        if parts:
            arguments["FilterExpression"] = " AND ".join(parts)
        if names:
            arguments["ExpressionAttributeNames"] = names
        if values:
            arguments["ExpressionAttributeValues"] = values
        left = self.limit if not self.before else 0
        found, n = [], 0
        while True:
            if left:
                arguments["Limit"] = left
            page = call(**arguments)
            n += 1
            found += page["Items"]
            if left:
                left -= len(page["Items"])      # ScannedCount of some engines is one more where the size cuts a page
            enough = self.limit and (len(found) >= self.limit if self.before else left <= 0)
            if enough or "LastEvaluatedKey" not in page:
                break
            arguments["ExclusiveStartKey"] = page["LastEvaluatedKey"]
        found = found[:self.limit] if self.limit else found
        return [item for item in found if self.passes(item, self.filters)], n


def plain(item, columns):
    """As jsonl shows it, numbers as what Python makes of them."""
    def one(value):
        (kind, v), = value.items()
        return float(v) if kind == "N" else None if kind == "NULL" else v
    return {k: one(v) for k, v in item.items() if not columns or k in columns}


def read_plain(line):
    return {k: float(v) if type(v) in (int, float) else v for k, v in json.loads(line).items()}


@test
def random_paths(t):
    print("# DDBFS_SEED=%d" % SEED)
    rng = random.Random(SEED)
    tables = [Table(t, rng, "Table%d" % i, padding) for i, padding in enumerate((40000, 10, 40000, 10, 10))]
    m = t.mount(None, "cache_ttl=0")
    found = several = 0
    for round_ in range(PATHS):
        p = Path(rng.choice(tables), rng)
        what = "DDBFS_SEED=%d, path %d: %s" % (SEED, round_, p.path)
        wanted, pages = p.pages()
        try:
            os.stat(m / p.path)
            with open(m / (p.path + "/.export/jsonl"), encoding="utf-8") as f:
                before = t.proxy.requests_of("Query", "Scan")
                got = [read_plain(line) for line in f]
                asked = t.proxy.requests_of("Query", "Scan") - before
        except FileNotFoundError:
            t.true(not wanted and p.condition, what + ": ENOENT, of what is there")
            continue
        want = [plain(i, p.columns) for i in wanted]
        if not p.condition:
            got.sort(key=lambda i: json.dumps(i, sort_keys=True))
            want.sort(key=lambda i: json.dumps(i, sort_keys=True))
        t.eq(got, want, what)
        t.eq(asked, pages, what + ": requests")
        found += len(wanted)
        several += pages > 1
    t.true(found > 10 * PATHS / 2 and several > PATHS / 50, "%d items, %d of several pages" % (found, several))


@test
def reasons(t):
    """A chain that is not one request is ENOENT, and the directory above says why."""
    t.music(partitions=1, items=3)
    m = t.mount("Music", "cache_ttl=0")
    rng = random.Random(SEED)
    said = 0
    for _ in range(60):
        steps = [rng.choice([".first/1", ".last/2", ".prefix/S", ".between/a/b", ".between/b/a", ".filter/SongTitle/x",
                             ".filter/Year/1970", ".columns/a,a", ".first/0"]) for _ in range(3)]
        path, done = "Music/Artist 00", False
        for step in steps:
            for name in step.split("/"):
                above, path = path, path + "/" + name
                try:
                    os.stat(m / path)
                except FileNotFoundError:
                    error = json.loads(os.getxattr(m / above, "user.ddbfs.error"))
                    t.true(error["message"].startswith(name + ": "), path + ": " + error["message"])
                    said, done = said + 1, True
                    break
            if done:
                break
    t.true(said > 20, "many were refused: %d" % said)


run()
