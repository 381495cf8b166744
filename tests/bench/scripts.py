#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The jobs as a person would script them with boto3; one process a job.  Keys and region are in the environment.

scripts.py URL FILES JOB ARGUMENTS...       prints the number of requests as JSON on stderr
"""

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor

import boto3
from boto3.dynamodb.conditions import Attr, Key
from boto3.dynamodb.types import TypeDeserializer
from botocore.config import Config

URL, FILES = sys.argv[1:3]
requests = 0


def count(**_):
    global requests
    requests += 1


def client(connections=10):
    made = boto3.client("dynamodb", endpoint_url=URL, config=Config(max_pool_connections=connections))
    made.meta.events.register("before-send.dynamodb", count)
    return made


def table(name):
    resource = boto3.resource("dynamodb", endpoint_url=URL)
    resource.meta.client.meta.events.register("before-send.dynamodb", count)
    return resource.Table(name)


def pages(call, **arguments):
    while True:
        page = call(**arguments)
        yield from page["Items"]
        if "LastEvaluatedKey" not in page:
            return
        arguments["ExclusiveStartKey"] = page["LastEvaluatedKey"]


def names(name, partition):
    for item in pages(table(name).query, KeyConditionExpression=Key("pk").eq(partition)):
        print(item["sk"])


def items(name, partition):
    for item in pages(table(name).query, KeyConditionExpression=Key("pk").eq(partition)):
        print(json.dumps(item, default=str, indent=2))


def get1(name):
    print(table(name).get_item(Key={"pk": "list", "sk": "order-000500"})["Item"])


def get200(name):
    t = table(name)
    with open(os.path.join(FILES, "names"), encoding="utf-8") as f:
        for line in f:
            pk, _, sk = line.strip().removesuffix(".json").partition("/")
            print(t.get_item(Key={"pk": pk, "sk": sk})["Item"])


def scan(name):
    c = client(16)

    def segment(number):
        take, found = TypeDeserializer().deserialize, 0
        for page in c.get_paginator("scan").paginate(TableName=name, Segment=number, TotalSegments=16):
            for item in page["Items"]:
                found += "needle" in take(item["note"])
        return found

    with ThreadPoolExecutor(16) as pool:
        print(sum(pool.map(segment, range(16))))


def export(name):
    c = client(16)

    def segment(number):
        take, lines = TypeDeserializer().deserialize, []
        for page in c.get_paginator("scan").paginate(TableName=name, Segment=number, TotalSegments=16):
            lines += [json.dumps({k: take(v) for k, v in item.items()}, default=int) for item in page["Items"]]
        return lines

    with ThreadPoolExecutor(16) as pool:
        for lines in pool.map(segment, range(16)):
            print("\n".join(lines))


def load(name):
    with open(os.path.join(FILES, "copy.jsonl"), encoding="utf-8") as f, table(name).batch_writer() as batch:
        for line in f:
            batch.put_item(Item=json.loads(line))


def distinct(name):
    found = set()
    for page in client().get_paginator("scan").paginate(TableName=name, ProjectionExpression="pk"):
        found.update(item["pk"]["S"] for item in page["Items"])
    print(len(found))


def copy(name, threads):
    folder = os.path.join(FILES, "Copy")
    paths = [os.path.join(folder, p, f) for p in os.listdir(folder) for f in os.listdir(os.path.join(folder, p))]
    c = client(int(threads))

    def put(path):
        with open(path, encoding="utf-8") as f:
            item = json.load(f)
        c.put_item(TableName=name, ConditionExpression="attribute_not_exists(pk)", Item={
            attribute: {"N": str(value)} if isinstance(value, int) else {"S": value}
            for attribute, value in item.items()})

    with ThreadPoolExecutor(int(threads)) as pool:
        list(pool.map(put, paths))


def edit(name):
    t = table(name)
    for number in range(200):
        key = {"pk": "edit", "sk": "order-%06d" % number}
        old = t.get_item(Key=key, ConsistentRead=True)["Item"]["state"]
        t.update_item(Key=key, UpdateExpression="SET #s = :new", ConditionExpression=Attr("state").eq(old),
                      ExpressionAttributeNames={"#s": "state"}, ExpressionAttributeValues={":new": "v1"})


def remove(name, partition):
    t = table(name)
    with t.batch_writer() as batch:
        for item in pages(t.query, KeyConditionExpression=Key("pk").eq(partition), ProjectionExpression="pk, sk"):
            batch.delete_item(Key=item)


JOBS = {f.__name__: f for f in (names, items, get1, get200, scan, export, load, distinct, copy, edit, remove)}

JOBS[sys.argv[3]](*sys.argv[4:])
print(json.dumps({"requests": requests}), file=sys.stderr)
