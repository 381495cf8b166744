# SPDX-License-Identifier: Apache-2.0
# NEEDS: s3
# TIMEOUT: 120
"""The S3 server and the proxy before it do what the other cases rely on."""

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from case import KEY_ID, Failure, run, test

import base64
import hashlib
import http.client

KEYS = ["plain", "a b", "a+b", "%41", "a%2Fb", "..", "../x", "a/../b", "a//b", "/lead", "./a", "x?y&z=1#f", "~-_.",
        "\u00fc", "\u65e5\u672c", "a\nb"]


def sum_of(body):
    return base64.b64encode(hashlib.sha256(body).digest()).decode()


def refused(code, function, *args, **named):
    try:
        function(*args, **named)
    except ClientError as error:
        got = error.response["Error"]["Code"]
        if got != code:
            raise Failure("refused with %s, not %s" % (got, code)) from error
        return
    raise Failure("not refused; wanted " + code)


def put(client, t, key, body, **more):
    return client.put_object(Bucket=t.s3.bucket, Key=key, Body=body, ChecksumSHA256=sum_of(body), **more)


@test
def hostile_keys_through_the_proxy(t):
    client = t.s3.client_at(t.s3.proxy.port)
    for key in KEYS:
        body = key.encode()
        put(client, t, key, body)
        t.eq(client.get_object(Bucket=t.s3.bucket, Key=key)["Body"].read(), body, "through the proxy")
        t.eq(t.s3.get(key), body, "at the server")
    t.eq(sorted(t.s3.keys()), sorted(KEYS))
    t.eq([r["key"] for r in t.s3.proxy.requests(op="PutObject")], KEYS, "keys as the proxy reads them")


@test
def conditional_put(t):
    put(t.s3.client, t, "k", b"one")
    client = t.s3.client_at(t.s3.proxy.port)
    client.meta.events.register("before-call.s3.PutObject",
                                lambda params, **_: params["headers"].update({"If-None-Match": "*"}))
    refused("PreconditionFailed", put, client, t, "k", b"two")
    put(client, t, "k2", b"two")
    t.eq(t.s3.get("k"), b"one")


@test
def bad_signature_and_checksum_are_refused(t):
    t.s3.proxy.bad_expected = True
    client = t.s3.client_at(t.s3.proxy.port)
    refused("BadDigest", client.put_object, Bucket=t.s3.bucket, Key="k", Body=b"x", ChecksumSHA256=sum_of(b"y"))
    for port in (t.s3.proxy.port, t.s3.port):
        refused("SignatureDoesNotMatch", put, t.s3.client_at(port, secret="wrong"), t, "k", b"x")
    t.eq(t.s3.keys(), [])
    t.eq(t.s3.proxy.counters()["bad"], 2)


@test
def virtual_hosts(t):
    put(t.s3.client, t, "a b", b"x")
    host = "%s.localhost:%d" % (t.s3.bucket, t.s3.proxy.port)
    request = AWSRequest("GET", "http://%s/a%%20b" % host)
    S3SigV4Auth(Credentials(KEY_ID, t.s3.secret), "s3", "us-east-1").add_auth(request)
    connection = http.client.HTTPConnection("127.0.0.1", t.s3.proxy.port)
    connection.request("GET", "/a%20b", headers=dict(request.headers.items(), Host=host))
    answer = connection.getresponse()
    t.eq((answer.status, answer.read()), (200, b"x"))


@test
def faults(t):
    client = t.s3.client_at(t.s3.proxy.port)
    t.s3.proxy.fault(action="slow_down", match={"op": "PutObject", "table": "*/k"})
    refused("SlowDown", put, client, t, "k", b"x")
    put(client, t, "k", b"x")
    t.s3.proxy.fault(action="not_found", match={"op": "GetObject"})
    refused("NoSuchKey", client.get_object, Bucket=t.s3.bucket, Key="k")
    t.s3.proxy.fault(action="flip", match={"op": "GetObject"})
    t.eq(client.get_object(Bucket=t.s3.bucket, Key="k")["Body"].read(), b"y")
    t.eq(client.get_object(Bucket=t.s3.bucket, Key="k", ChecksumMode="ENABLED")["ChecksumSHA256"], sum_of(b"x"))
    t.eq(t.s3.proxy.requests_of("GetObject"), 3)


run(shared=True)
