# SPDX-License-Identifier: Apache-2.0
"""What the cases of large attributes share: a mount with a bucket, references, objects."""

import hashlib
import json


def large_mount(t, *options, tables="Docs,Music", **more):
    """A mount of Docs (Id) and Music (Artist, Song) that keeps large attributes in the case's bucket."""
    for name, keys in (("Docs", ("Id:S",)), ("Music", ("Artist:S", "Song:S"))):
        if name not in t.db.list_tables()["TableNames"]:
            t.create_table(name, *keys)
    return t.mount(tables, ["s3_bucket=" + t.s3.bucket, "s3_grace=100ms", *options],
                   env={"AWS_ENDPOINT_URL_S3": t.s3.endpoint, **more.pop("env", {})}, **more)


def claim(content):
    """What an item's file shows of that content."""
    data = content.encode() if isinstance(content, str) else content
    return {"$s3": {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}}


def reference(value):
    """{"bucket", "key", "size", "sha256", "type"} of an attribute as the table has it; None: it is not in S3."""
    inner = value.get("M", {}).get("$ddbfs:s3") if len(value.get("M", {})) == 1 else None
    if not inner:
        return None
    members = {name: next(iter(v.values())) for name, v in inner["M"].items()}
    if members.pop("v") != "1":
        return None
    return {**members, "size": int(members["size"])}


def objects(t):
    return sorted(t.s3.keys())


def referred(t, *tables):
    """Keys of all objects that items refer to, by what the tables hold."""
    keys = []
    for table in tables or t.db.list_tables()["TableNames"]:
        for page in t.db.get_paginator("scan").paginate(TableName=table, ConsistentRead=True):
            for item in page["Items"]:
                keys += [ref["key"] for ref in map(reference, item.values()) if ref]
    return sorted(keys)


