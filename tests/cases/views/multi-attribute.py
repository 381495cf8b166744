# SPDX-License-Identifier: Apache-2.0
# BUILDS: plain asan
"""An index with keys of several attributes (up to 4 + 4, since 2025-11), which no local engine has: the answers are
recorded ones, built from the service's model, the requests are the mount's own."""

import json
import os

from case import read, run, test, write

HASH = [("league", "S"), ("season", "N"), ("token", "B"), ("region", "S")]
RANGE = [("city", "S"), ("round", "N"), ("code", "B"), ("note", "S")]
PARTITION = "no,7,AAE,x%2Cy"
LONG = "Games@ByPlace/" + PARTITION


def description(n_hash=4, n_range=4):
    keys = HASH[:n_hash] + RANGE[:n_range]
    types = dict(keys, pk="S", sk="N")
    return json.dumps({"Table": {
        "TableName": "Games", "TableStatus": "ACTIVE", "ItemCount": 2, "TableSizeBytes": 400, "CreationDateTime": 1.7e9,
        "TableArn": "arn:aws:dynamodb:us-east-1:123456789012:table/Games",
        "AttributeDefinitions": [{"AttributeName": a, "AttributeType": k} for a, k in types.items()],
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        "GlobalSecondaryIndexes": [{
            "IndexName": "ByPlace", "IndexStatus": "ACTIVE", "Projection": {"ProjectionType": "ALL"},
            "KeySchema": [{"AttributeName": a, "KeyType": "HASH"} for a, _ in HASH[:n_hash]] +
                         [{"AttributeName": a, "KeyType": "RANGE"} for a, _ in RANGE[:n_range]]}]}})


def game(city, number, player="player 1", sk="42"):
    return {"league": {"S": "no"}, "season": {"N": "7"}, "token": {"B": "AAE="}, "region": {"S": "x,y"},
            "city": {"S": city}, "round": {"N": number}, "code": {"B": "/w=="}, "note": {"S": "z"},
            "pk": {"S": player}, "sk": {"N": sk}, "score": {"N": "12"}}


def answer(*items, **more):
    return json.dumps(dict({"Items": list(items), "Count": len(items), "ScannedCount": len(items),
                            "ConsumedCapacity": {"TableName": "Games", "CapacityUnits": 0.5}}, **more))


ONE, TWO = game("osl/o", "-1.5"), game("rome", "2", "player 2", "0")


def world(t, **keys):
    t.create_table("Games", "pk:S", "sk:N")
    t.proxy.fault(action="body", match={"op": "DescribeTable"}, times=-1, body=description(**keys))
    return t.mount("Games", "cache_ttl=0")


def last(t, op):
    return json.loads(t.proxy.requests(op=op, bodies=True)[-1]["body"])


def conditions(request):
    """{attribute: (operator, value)} of a KeyConditionExpression."""
    found = {}
    for part in request["KeyConditionExpression"].split(" AND "):
        for alias, name in request["ExpressionAttributeNames"].items():
            if part.startswith(alias + "=") or part.startswith("begins_with(%s," % alias):
                value = part.rstrip(")").split("=" if "=" in part else ",")[1].strip()
                found[name] = ("=" if "=" in part else "begins_with", request["ExpressionAttributeValues"][value])
    return found


@test
def four_and_four(t):
    m = world(t)
    t.eq(sorted(os.listdir(m)), ["Games", "Games@ByPlace"])
    t.proxy.fault(action="body", match={"op": "Scan", "contains": "ByPlace"}, times=1, body=answer(
        {a: ONE[a] for a, _ in HASH}, LastEvaluatedKey={a: v for a, v in ONE.items() if a != "score"}))
    t.proxy.fault(action="body", match={"op": "Scan", "contains": "ByPlace"}, times=1, body=answer())
    t.eq(os.listdir(m / "Games@ByPlace"), [PARTITION])
    scan = last(t, "Scan")
    t.eq(set(scan["ExclusiveStartKey"]), set(ONE) - {"score"})
    t.eq(set(scan["ExpressionAttributeNames"].values()), {a for a, _ in HASH})
    t.eq(scan["IndexName"], "ByPlace")
    # listing: Query by all hash attributes
    t.proxy.fault(action="body", match={"op": "Query"}, times=-1, body=answer(ONE, TWO))
    names = ["osl%2Fo,-1.5,_w,z,player 1,42.json", "rome,2,_w,z,player 2,0.json"]
    t.eq(os.listdir(m / LONG), names)
    query = last(t, "Query")
    t.eq(conditions(query), {a: ("=", ONE[a]) for a, _ in HASH})
    t.true("ConsistentRead" not in query, "a global index is never strongly consistent")
    # look-up: by all eight, and the base table's key as a filter
    t.contains(read(m / (LONG + "/" + names[1])), '"score": 12')
    query = last(t, "Query")
    t.eq(conditions(query), {a: ("=", TWO[a]) for a, _ in HASH + RANGE})
    t.eq({query["ExpressionAttributeNames"][n] for n in query["FilterExpression"].replace("=", " ").split()
          if n[0] == "#"}, {"pk", "sk"})
    t.eq(os.getxattr(m / (LONG + "/" + names[0]), "user.ddbfs.base").decode(), "Games/player 1/42.json")
    t.contains(os.getxattr(m / (LONG + "/" + names[0]), "user.ddbfs.request").decode(), "KeyConditionExpression")
    t.fails("EROFS", write, m / (LONG + "/" + names[0]), "{}")
    # not the canonical name of eight values and a key
    for wrong in ("osl%2Fo,-1.50,_w,z,player 1,42.json", "osl%2Fo,-1.5,_w,player 1,42.json",
                  names[0].replace("42", "43")):
        t.fails("ENOENT", os.stat, m / (LONG + "/" + wrong))
    t.fails("ENOENT", os.stat, m / "Games@ByPlace/no,7,AAE")


@test
def steps(t):
    m = world(t)
    t.proxy.fault(action="body", match={"op": "Query"}, times=-1, body=answer(ONE))
    t.eq(len(read(m / (LONG + "/.prefix/os/.export/jsonl")).splitlines()), 1)
    t.eq(conditions(last(t, "Query"))["city"], ("begins_with", {"S": "os"}))
    t.eq(len(read(m / (LONG + "/.prefix/osl%2Fo,-1.5,_w/.export/jsonl")).splitlines()), 1)
    found = conditions(last(t, "Query"))
    t.eq((found["city"], found["round"], found["code"]), (("=", {"S": "osl/o"}), ("=", {"N": "-1.5"}),
                                                          ("begins_with", {"B": "/w=="})))
    t.eq(len(read(m / (LONG + "/.between/osl%2Fo,-2/osl%2Fo,3/.last/5/.export/csv")).splitlines()), 2)
    query = last(t, "Query")
    t.contains(query["KeyConditionExpression"], " BETWEEN ")
    t.eq((query["Limit"], query["ScanIndexForward"], conditions(query)["city"]), (5, False, ("=", {"S": "osl/o"})))
    t.fails("ENOENT", os.stat, m / (LONG + "/.between/a,1/b,2"))
    error = os.getxattr(m / (LONG + "/.between/a,1"), "user.ddbfs.error").decode()
    t.contains(error, "must agree but for their last value")
    t.fails("ENOENT", os.stat, m / (LONG + "/.filter/city/x"))
    t.contains(os.getxattr(m / (LONG + "/.filter/city"), "user.ddbfs.error").decode(), "by its own key")


@test
def other_numbers(t):
    """Two hash attributes and none to sort by."""
    m = world(t, n_hash=2, n_range=0)
    t.proxy.fault(action="body", match={"op": "Query"}, times=-1, body=answer(ONE, TWO))
    t.eq(os.listdir(m / "Games@ByPlace/no,7"), ["player 1,42.json", "player 2,0.json"])
    t.contains(read(m / "Games@ByPlace/no,7/player 1,42.json"), '"osl/o"')
    t.eq(conditions(last(t, "Query")), {"league": ("=", {"S": "no"}), "season": ("=", {"N": "7"})})


run()
