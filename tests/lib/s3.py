# SPDX-License-Identifier: Apache-2.0
"""The S3 server as a case sees it: a bucket of its own, a client straight at the server, the proxy before it."""

import contextlib
import json
import os
import uuid

from processes import Failure, Proxy, Skip, boto


class S3:
    """`t.s3`.  The case's file says `# NEEDS: s3` in its head, so that the runner has the server ready.  Tests that
    share their services (case.py) have the bucket, emptied, the client and the proxy in common."""

    def __init__(self, case):
        where = os.environ.get("DDBFS_S3")
        if not where:
            why = os.environ.get("DDBFS_S3_MISSING")
            if why:
                raise Skip(why)
            raise Failure("no S3 server: the case needs a line `# NEEDS: s3`, and tests/run-cases.py to run it")
        where = json.loads(where)
        self.case = case
        self.port = where["port"]
        self.key_id, self.secret = where["key_id"], where["secret"]
        self.others = []
        self.client = self.client_at(self.port)
        self.bucket = "ddbfs-" + uuid.uuid4().hex[:12]
        self.client.create_bucket(Bucket=self.bucket)
        self._proxy = None

    def client_at(self, port, secret=None, **options):
        return boto(port, self.key_id, secret or self.secret, service="s3", s3={"addressing_style": "path", **options})

    @property
    def proxy(self):
        if not self._proxy:
            self._proxy = Proxy(self.case, self, program="s3_proxy", name="s3", key="%s:%s" % (
                self.key_id, self.secret))
            self.case.proxies.append(self._proxy)
        return self._proxy

    @property
    def endpoint(self):
        """Of the proxy.  A name, so that `BUCKET.localhost` works too."""
        return "http://localhost:%d" % self.proxy.port

    def another_bucket(self):
        name = self.bucket + "-" + uuid.uuid4().hex[:6]
        self.client.create_bucket(Bucket=name)
        self.others.append(name)
        return name

    # -- what is there, whatever the mount says

    def keys(self, prefix="", bucket=None):
        found = []
        for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=bucket or self.bucket, Prefix=prefix):
            found += [entry["Key"] for entry in page.get("Contents", [])]
        return found

    def get(self, key, bucket=None):
        return self.client.get_object(Bucket=bucket or self.bucket, Key=key)["Body"].read()

    def head(self, key, bucket=None):
        return self.client.head_object(Bucket=bucket or self.bucket, Key=key)

    def put(self, key, data, bucket=None, **more):
        return self.client.put_object(Bucket=bucket or self.bucket, Key=key, Body=data, **more)

    def uploads(self, bucket=None):
        """Keys of multipart uploads under way."""
        answer = self.client.list_multipart_uploads(Bucket=bucket or self.bucket)
        return [upload["Key"] for upload in answer.get("Uploads", [])]

    def empty(self, name):
        keys = self.keys(bucket=name)
        for start in range(0, len(keys), 1000):
            self.client.delete_objects(Bucket=name, Delete={"Objects": [{"Key": k} for k in keys[start:start + 1000]]})
        for upload in self.client.list_multipart_uploads(Bucket=name).get("Uploads", []):
            self.client.abort_multipart_upload(Bucket=name, Key=upload["Key"], UploadId=upload["UploadId"])

    def settle(self):
        """As at the start."""
        self.empty(self.bucket)
        while self.others:
            name = self.others.pop()
            self.empty(name)
            self.client.delete_bucket(Bucket=name)

    def close(self):
        with contextlib.suppress(Exception):        # the server is gone with the run; space matters until then
            self.settle()
            self.client.delete_bucket(Bucket=self.bucket)
