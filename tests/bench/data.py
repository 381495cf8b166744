# SPDX-License-Identifier: Apache-2.0
"""What the jobs work on: tables in the engine, the same items as files, and the floor's lists of requests.

Everything is made once a run, from nothing but counters, so that every run has the same bytes."""

import itertools
import json
import os
import shutil

WORDS = "amber birch cedar delta ember fjord grove heath inlet jetty knoll larch marsh north ochre pearl".split()
NEEDLE = "a needle in the haystack"


def item(pk, sk, size, state="v0", needle=False):
    """An item of `size` bytes as the service counts them (names and values)."""
    found = {"pk": {"S": pk}, "sk": {"S": sk}, "amount": {"N": str(len(sk) + size)}, "state": {"S": state}}
    number = len(found["amount"]["N"])
    left = size - len(pk) - len(sk) - len(state) - (number // 2 + 1) - len("pkskamountstatenote")
    words = itertools.cycle(WORDS)
    text = NEEDLE + " " if needle else ""
    while len(text) < left:
        text += next(words) + " "
    found["note"] = {"S": text[:left]}
    return found


def text_of(found):
    """The item as the mount shows it."""
    rest = sorted(name for name in found if name not in ("pk", "sk"))
    values = ["  %s: %s" % (json.dumps(name), found[name].get("N") or json.dumps(found[name]["S"]))
              for name in ["pk", "sk"] + rest]
    return "{\n" + ",\n".join(values) + "\n}\n"


def partition(pk, count, size, **more):
    return [item(pk, "order-%06d" % i, size, **more) for i in range(count)]


def crawl_items():
    for p in range(200):
        for i in range(100):
            yield item("customer-%04d" % p, "order-%06d" % i, 1024, needle=(p * 100 + i) % 500 == 0)


def copy_items():
    """5,000 in 48 partitions: as many for each of 16 programs."""
    for p in range(48):
        yield from partition("customer-%04d" % p, 105 if p < 8 else 104, 1024)


def large_items():
    for p in range(300):
        yield from partition("customer-%04d" % p, 100, 4096)


def write_files(folder, items):
    for found in items:
        below = os.path.join(folder, found["pk"]["S"])
        os.makedirs(below, exist_ok=True)
        with open(os.path.join(below, found["sk"]["S"] + ".json"), "w", encoding="utf-8") as f:
            f.write(text_of(found))


def request(operation, body, follow="-"):
    body = dict(body, ReturnConsumedCapacity="TOTAL")
    return "%s\t%s\t%s\n" % (operation, follow, json.dumps(body, separators=(",", ":")))


def batches(table, members):
    """BatchWriteItem requests of 25 members each."""
    members = iter(members)
    while True:
        some = list(itertools.islice(members, 25))
        if not some:
            return
        yield request("BatchWriteItem", {"RequestItems": {table: some}})


def puts(table, items):
    return batches(table, ({"PutRequest": {"Item": found}} for found in items))


def key(found):
    return {"pk": found["pk"], "sk": found["sk"]}


def query(table, pk, follow="pages", **more):
    return request("Query", dict({"TableName": table, "KeyConditionExpression": "pk = :p",
                                  "ExpressionAttributeValues": {":p": {"S": pk}}}, **more), follow)


class Tables:
    """Makes tables and fills them, by the floor's client."""

    def __init__(self, world):
        self.world = world

    def requests(self, name, lines):
        """Writes a list of requests for the floor; gives its path."""
        path = self.world.path("requests", name)
        with open(path, "w", encoding="utf-8") as f:
            f.writelines(lines)
        return path

    def send(self, name, connections=4):
        world = self.world
        world.must([world.tool("floor"), "-c", str(connections), world.url(), world.path("requests", name)], 900)

    def create(self, table):
        db = self.world.db
        try:
            db.delete_table(TableName=table)
        except db.exceptions.ResourceNotFoundException:
            pass
        db.create_table(
            TableName=table, BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")])

    def fill(self, table, items):
        self.create(table)
        self.requests("load", puts(table, items))
        self.send("load")
        os.unlink(self.world.path("requests", "load"))

    def count(self, table, **condition):
        pages = self.world.db.get_paginator("scan").paginate(TableName=table, Select="COUNT", **condition)
        return sum(page["Count"] for page in pages)


# -- by group of jobs: once a run

def make_list(t):
    items = partition("list", 1000, 1024)
    t.fill("List", items)
    write_files(t.world.path("files", "List"), items)
    chosen = items[::5]
    with open(t.world.path("files", "names"), "w", encoding="utf-8") as f:
        f.writelines("list/%s.json\n" % found["sk"]["S"] for found in chosen)
    t.requests("list", [query("List", "list")])
    t.requests("get1", [request("GetItem", {"TableName": "List", "Key": key(items[500])})])
    t.requests("get200", (request("GetItem", {"TableName": "List", "Key": key(found)}) for found in chosen))


def make_crawl(t):
    t.fill("Crawl", crawl_items())
    write_files(t.world.path("files", "Crawl"), crawl_items())
    t.requests("crawl", (request("Scan", {"TableName": "Crawl", "Segment": i, "TotalSegments": 16}, "pages")
                         for i in range(16)))


def make_large(t):
    t.fill("Large", large_items())
    first = {"TableName": "Large", "Limit": 1, "ProjectionExpression": "pk"}
    t.requests("distinct", [request("Scan", first, "skip:sk")])


def make_copy(t):
    write_files(t.world.path("files", "Copy"), copy_items())
    os.makedirs(t.world.path("files", "Empty"), exist_ok=True)
    t.requests("copy", (request("PutItem", {"TableName": "Copy", "Item": found,
                                            "ConditionExpression": "attribute_not_exists(pk)"})
                        for found in copy_items()))


def make_copy_batched(t):
    make_copy(t)
    make_lines(t)


def make_lines(t):
    with open(t.world.path("files", "copy.jsonl"), "w", encoding="utf-8") as f:
        for found in copy_items():
            line = {name: int(value["N"]) if "N" in value else value["S"] for name, value in found.items()}
            f.write(json.dumps(line) + "\n")
    t.requests("batches", puts("Copy", copy_items()))


def make_edit(t):
    items = partition("edit", 200, 1024)
    write_files(t.world.path("files", "Edit"), items)
    t.create("Edit")
    t.requests("edit-reset", puts("Edit", items))
    lines = []
    for found in items:
        lines.append(request("GetItem", {"TableName": "Edit", "Key": key(found), "ConsistentRead": True}))
        lines.append(request("UpdateItem", {
            "TableName": "Edit", "Key": key(found), "UpdateExpression": "SET #s = :new",
            "ConditionExpression": "#s = :old", "ExpressionAttributeNames": {"#s": "state"},
            "ExpressionAttributeValues": {":new": {"S": "v1"}, ":old": {"S": "v0"}}}))
    t.requests("edit", lines)


def make_warm(t):
    items = partition("warm", 10000, 256)
    t.fill("Warm", items)
    write_files(t.world.path("files", "Warm"), items)
    with open(t.world.path("files", "opens"), "w", encoding="utf-8") as f:
        f.writelines("warm/%s.json\n" % found["sk"]["S"] for found in items[::2])


def make_many(t):
    t.fill("Many", (item("many", "order-%06d" % i, 200) for i in range(100000)))
    t.requests("many", [query("Many", "many")])


def make_million(t):
    t.fill("Million", (item("million", "order-%06d" % i, 120) for i in range(1000000)))
    t.requests("million", [query("Million", "million")])


def make_removal(t):
    items = partition("gone", 10000, 200)
    t.requests("removal-reset", puts("Removal", items))
    t.requests("removal", batches("Removal", ({"DeleteRequest": {"Key": key(found)}} for found in items)))
    t.create("Removal")


# -- before each run

def fresh_copy(t):
    t.create("Copy")


def fresh_edit(t):
    t.send("edit-reset")
    shutil.rmtree(t.world.path("files", "Edit.copy"), ignore_errors=True)
    shutil.copytree(t.world.path("files", "Edit"), t.world.path("files", "Edit.copy"))


def fresh_removal(t):
    t.send("removal-reset")


# -- after each run: what is in the table now, and what should be

def copied(t):
    return t.count("Copy"), 5000


def edited(t):
    return t.count("Edit", FilterExpression="#s = :v", ExpressionAttributeNames={"#s": "state"},
                   ExpressionAttributeValues={":v": {"S": "v1"}}), 200


def removed(t):
    return t.count("Removal"), 0
