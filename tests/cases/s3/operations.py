# SPDX-License-Identifier: Apache-2.0
# SECONDS: 29
# NEEDS: s3
# TIMEOUT: 240
"""Every operation of the S3 layer on a real server, through the proxy that verifies what it sends."""

import json
import os
import subprocess
import time

from case import REGION, Failure, plain_test, run, slow_factor, test
from processes import build_dir

KEYS = ["plain", "a b", " lead and trail ", "a+b", "%41", "a%2Fb", "..", "../x", "a/../b", "./a", "a//b", "/lead",
        "trail/", "x?y&z=1#f", "~-_.!*'();:@,$[]", "\u00fc", "\u65e5\u672c\u8a9e", "\U0001f600", "a\nb", "<&\">",
        "k" * 1024]


class Tool:
    """tests/unit/s3/s3-tool on the case's bucket; failures are dictionaries."""

    def __init__(self, t, *options, endpoint=None, region=REGION):
        self.t = t
        self.options = options
        self.env = dict(t.env, AWS_ENDPOINT_URL_S3=endpoint or t.s3.endpoint, AWS_REGION=region)

    def popen(self, command, *arguments, bucket=None):
        argv = [os.path.join(build_dir(), "tests", "unit", "s3", "s3-tool"), *self.options, command,
                bucket or self.t.s3.bucket, *map(str, arguments)]
        return subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                env=self.env)

    def raw(self, command, *arguments, data=b"", bucket=None):
        child = self.popen(command, *arguments, bucket=bucket)
        out, err = child.communicate(data, timeout=120 * slow_factor())
        return child.returncode, out, err.decode("utf-8", "replace")

    def __call__(self, command, *arguments, data=b"", **more):
        status, out, err = self.raw(command, *arguments, data=data, **more)
        if status != 0:
            raise Failure("s3-tool %s: status %d: %s" % (command, status, err))
        return out

    def fails(self, command, *arguments, data=b"", **more):
        status, _, err = self.raw(command, *arguments, data=data, **more)
        if status != 1:
            raise Failure("s3-tool %s: status %d, wanted a failure: %s" % (command, status, err))
        return json.loads(err.strip().split("\n")[-1])

    def keys(self, prefix=""):
        entries = self("list", prefix).split(b"\0")[:-1]
        return [entry.partition(b" ")[2].decode() for entry in entries]


def pattern(n):
    block = bytes(range(251)) * 4099
    return (block * (n // len(block) + 1))[:n]


@test
def hostile_keys(t):
    tool = Tool(t)
    for key in KEYS:
        body = key.encode()
        tool("put", key, data=body)
        t.eq(t.s3.get(key), body, "at the server: %r" % key)
        t.eq(tool("get", key, 0, 100000), body, repr(key))
        t.eq(int(tool("head", key).split()[0]), len(body))
    wanted = sorted(KEYS, key=lambda k: k.encode())
    t.eq(tool.keys(), wanted)
    t.eq(tool.keys("a"), [k for k in wanted if k.startswith("a")])
    t.eq(tool.keys("a+"), ["a+b"])
    tool("remove", *[k for k in KEYS if "\n" not in k and k != "plain"])
    t.eq(tool.keys(), ["a\nb", "plain"])
    tool("remove", "a\nb")
    t.eq(t.s3.keys(), ["plain"])


@test
def ranges(t):
    tool = Tool(t)
    data = pattern(300000)
    tool("put", "k", data=data)
    tool("put", "empty", data=b"")
    for offset, n in ((0, 1), (0, 300000), (0, 400000), (1, 10), (299999, 1), (299999, 100), (300000, 1),
                      (900000, 5), (100, 200000)):
        t.eq(tool("get", "k", offset, n), data[offset:offset + n], "%d bytes from %d" % (n, offset))
    t.eq(tool("get", "empty", 0, 10), b"")
    t.eq(tool("head", "empty").split()[0], b"0")
    with t.s3.proxy.counting() as counted:
        tool("get", "k", 150000, 4096)
    t.eq((counted["requests"], counted["ops"]["GetObject"]["out"]), (1, 4096))
    size, modified, etag = tool("head", "k").decode().split()
    t.eq(int(size), len(data))
    t.true(abs(int(modified) - time.time()) < 120, "modified is now")
    t.eq(tool("get", "k", 0, 5, etag), data[:5])
    t.eq(tool.fails("get", "k", 0, 5, '"0123"')["kind"], "condition")
    missing = tool.fails("get", "none", 0, 5)
    t.eq((missing["kind"], missing["code"]), ("no-item", "NoSuchKey"))
    missing = tool.fails("head", "none")
    t.eq((missing["kind"], missing["code"]), ("no-item", "NoSuchKey"))
    t.eq(tool.fails("head", "k", bucket="ddbfs-no-such-bucket")["code"], "NoSuchBucket")


@test
def put_never_overwrites(t):
    tool = Tool(t)
    tool("put", "k", data=b"one")
    t.eq(tool.fails("put", "k", data=b"two")["kind"], "exists")
    t.eq(t.s3.get("k"), b"one")
    t.eq(t.s3.head("k")["Metadata"], {"table": "Music", "note": "a b  c"})
    t.s3.proxy.fault(action="close_after", match={"op": "PutObject"})
    tool("put", "k2", data=b"three")                # applied, the answer was lost: ours all the same
    t.eq(t.s3.get("k2"), b"three")
    t.s3.put("k3", b"theirs")
    t.s3.proxy.fault(action="500", match={"op": "PutObject"})
    t.eq(tool.fails("put", "k3", data=b"ours")["kind"], "exists")
    t.eq(t.s3.get("k3"), b"theirs")
    t.s3.proxy.fault(action="not_implemented", match={"op": "PutObject"})
    tool("put", "k4", data=b"four")                 # a server without conditions
    t.eq(t.s3.get("k4"), b"four")
    t.s3.proxy.fault(action="not_implemented", match={"op": "PutObject"})
    t.eq(tool.fails("put", "k4", data=b"five")["kind"], "exists")
    t.eq(t.s3.get("k4"), b"four")


@plain_test
def many_objects(t):
    tool = Tool(t)
    keys = ["many/%04d \u00e9" % i for i in range(1010)]
    for key in keys[:2] + keys[-2:]:
        t.s3.put(key, b"x")
    from concurrent.futures import ThreadPoolExecutor
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: t.s3.put(key, b"x"), keys[2:-2]))
    status, out, err = tool.raw("list", "many/")
    t.eq((status, err.strip()), (0, "2"), "pages")
    t.eq([e.partition(b" ")[2].decode() for e in out.split(b"\0")[:-1]], keys)
    with t.s3.proxy.counting() as counted:
        out = tool("remove", data="\n".join(keys + ["many/none"]).encode())
    t.eq(out.split(), [b"0"] * 1011)
    t.eq({op: c["requests"] for op, c in counted["ops"].items()}, {"DeleteObjects": 2})
    t.eq(t.s3.keys(), [])


@test
def uploads(t):
    tool = Tool(t)
    data = pattern(17 << 20)
    tool("upload", "big", 5 << 20, 4, data=data)
    t.eq(t.s3.get("big"), data, "in parts")
    t.eq(tool("get", "big", (5 << 20) - 10, 20), data[(5 << 20) - 10:(5 << 20) + 10], "over the seam")
    t.eq(sorted(r["query"]["partNumber"] for r in t.s3.proxy.requests(op="UploadPart")), ["1", "2", "3", "4"])
    tool("upload", "one part", 5 << 20, 1, data=b"small")
    t.eq(t.s3.get("one part"), b"small")
    tool("upload", "no bytes", 5 << 20, 1, data=b"")
    t.eq(t.s3.get("no bytes"), b"")
    tool("upload", "ended", 5 << 20, 2, "end", data=data[:6 << 20])
    t.eq((t.s3.uploads(), "ended" in t.s3.keys()), ([], False), "an upload that was not finished")
    for key in ("left/\u00fc 1", "left/2", "other/3"):
        tool("upload", key, 5 << 20, 1, "leave", data=b"x")
    t.eq(t.s3.uploads(), sorted(["left/\u00fc 1", "left/2", "other/3"]))
    t.eq(tool("abort-stale", "left/", int(time.time()) - 3600), b"0\n")
    t.eq(tool("abort-stale", "left/", int(time.time()) + 3600), b"2\n")
    t.eq(t.s3.uploads(), ["other/3"])


@test
def upload_faults(t):
    tool = Tool(t)
    data = pattern(11 << 20)
    t.s3.proxy.fault(action="slow_down", match={"op": "UploadPart"})
    t.s3.proxy.fault(action="close_after", match={"op": "UploadPart"})
    t.s3.proxy.fault(action="error_200", match={"op": "CompleteMultipartUpload"})
    tool("upload", "k", 5 << 20, 2, data=data)
    t.eq(t.s3.get("k"), data)
    t.s3.proxy.fault(action="lost_200", match={"op": "CompleteMultipartUpload"})
    tool("upload", "k2", 5 << 20, 2, data=data)     # it was done; the second time the upload is gone
    t.eq(t.s3.get("k2"), data)
    t.s3.proxy.fault(action="error_200", code="AccessDenied", match={"op": "CompleteMultipartUpload"})
    t.eq(tool.fails("upload", "k3", 5 << 20, 2, data=data)["kind"], "access")
    t.eq((t.s3.uploads(), "k3" in t.s3.keys()), ([], False))
    t.s3.proxy.fault(action="garbage", match={"op": "CreateMultipartUpload"})
    tool("upload", "k4", 5 << 20, 2, data=data)
    t.eq(t.s3.get("k4"), data)


@test
def read_faults(t):
    tool = Tool(t)
    tool("put", "k", data=pattern(200000))
    for action in ({"action": "slow_down"}, {"action": "500"}, {"action": "503"}, {"action": "request_timeout"},
                   {"action": "cut"}, {"action": "close_before"}, {"action": "close_after"}, {"action": "wrong_range"},
                   {"action": "no_range", "body": "x" * 5000}, {"action": "garbage"}, {"action": "flip"},
                   {"action": "bad_checksum"}, {"action": "skew", "seconds": 600}):
        t.s3.proxy.fault(match={"op": "GetObject"}, **action)
        with t.s3.proxy.counting() as counted:
            whole = action["action"] in ("flip", "bad_checksum")
            got = tool("get", "k", 0 if whole else 1000, 200000 if whole else 50000)
        t.eq(got, pattern(200000) if whole else pattern(200000)[1000:51000], str(action))
        t.eq(counted["ops"]["GetObject"]["requests"], 2, str(action))
    t.s3.proxy.fault(action="wrong_range", times=-1)
    t.eq(tool.fails("get", "k", 5, 10)["kind"], "protocol")
    t.s3.proxy.clear_faults()
    t.s3.proxy.fault(action="error", status=404, bare=True, times=-1)
    failed = tool.fails("head", "k")                # a bare 404 is not the service's word
    t.eq(failed["kind"], "service")
    t.s3.proxy.clear_faults()
    t.s3.proxy.fault(action="hang", times=-1)
    started = time.monotonic()
    t.eq(Tool(t, "-t", "2").fails("get", "k", 0, 10)["kind"], "timeout")
    t.true(time.monotonic() - started < 15, "the deadline ends it")


@test
def list_and_remove_faults(t):
    tool = Tool(t)
    for key in ("a", "b", "c"):
        t.s3.put(key, b"x")
    for action in ({"action": "garbage"}, {"action": "body", "body": "<ListBucketResult><Contents>"},
                   {"action": "body", "body": "<html></html>"}, {"action": "error_200", "code": "SlowDown"},
                   {"action": "body", "body":
                    "<!DOCTYPE a [<!ENTITY b 'cc'>]><ListBucketResult>&b;</ListBucketResult>"},
                   {"action": "cut"}):
        t.s3.proxy.fault(match={"op": "ListObjectsV2"}, **action)
        t.eq(tool.keys(), ["a", "b", "c"], str(action))
    t.s3.proxy.fault(action="body", match={"op": "DeleteObjects"}, body="<DeleteResult><Error><Key>b</Key><Code>"
                     "InternalError</Code></Error><Error><Key>c</Key><Code>AccessDenied</Code><Message>no</Message>"
                     "</Error></DeleteResult>")
    status, out, err = tool.raw("remove", "a", "b", "c")
    t.eq((status, out.split()), (1, [b"0", b"0", b"-13"]), err)
    t.eq([r["body"].count("<Key>") for r in t.s3.proxy.requests(op="DeleteObjects", bodies=True)], [3, 1])
    t.eq(t.s3.keys(), ["a", "c"])                   # the first answer was made up, b was asked for again
    tool("remove", "a", "c")
    tool("remove", "a")
    t.eq(t.s3.keys(), [])


@test
def addressing_and_encryption(t):
    for tool in (Tool(t, "-v"), Tool(t, "-p"), Tool(t), Tool(t, endpoint="http://127.0.0.1:%d" % t.s3.proxy.port)):
        for key in ("a b", "../x", "a//b"):
            tool("put", key, data=b"x")
            t.eq(tool("get", key, 0, 10), b"x")
        t.eq(len(tool.keys()), 3)
        tool("remove", "a b", "../x", "a//b")
        t.eq(t.s3.keys(), [])
    hosts = [r["headers"]["host"].partition(":")[0] for r in t.s3.proxy.requests(op="PutObject")]
    t.eq(hosts, [t.s3.bucket + ".localhost"] * 3 + ["localhost"] * 6 + ["127.0.0.1"] * 3)
    t.eq(Tool(t, "-v").fails("put", "k", bucket="evil.host/x", data=b"")["kind"], "input")

    Tool(t, "-e", "aws:kms", "-k", "testkey-1")("put", "kms", data=b"secret")
    head = t.s3.head("kms")
    t.eq((head["ServerSideEncryption"], head["SSEKMSKeyId"]), ("aws:kms", "testkey-1"))
    t.eq(Tool(t)("get", "kms", 0, 100), b"secret")
    Tool(t, "-e", "aws:kms", "-k", "testkey-1")("upload", "kms2", 5 << 20, 2, data=pattern(6 << 20))
    t.eq(t.s3.head("kms2")["ServerSideEncryption"], "aws:kms")
    t.eq(Tool(t)("get", "kms2", 0, 7 << 20), pattern(6 << 20))

    t.s3.proxy.want_checksums(on=False)
    plain = Tool(t, "-n")
    plain("put", "n", data=b"x")
    plain("upload", "n2", 5 << 20, 2, data=pattern(6 << 20))
    t.eq(plain("get", "n2", 0, 7 << 20), pattern(6 << 20))
    plain("remove", "n", "n2", "kms", "kms2")
    t.eq(t.s3.keys(), [])
    headers = [r["headers"] for r in t.s3.proxy.requests()]
    t.eq([h for h in headers[-9:] if any(n.startswith("x-amz-checksum") for n in h)], [])


@test
def elsewhere(t):
    tool = Tool(t)
    t.s3.proxy.fault(action="error", status=301, code="PermanentRedirect", match={"op": "GetObject"},
                     message="Use another endpoint.", headers={"x-amz-bucket-region": "eu-west-1"})
    failed = tool.fails("get", "k", 0, 1)
    t.eq(failed["code"], "PermanentRedirect")
    t.contains(failed["message"], "eu-west-1")
    t.s3.proxy.fault(action="error", status=400, code="AuthorizationHeaderMalformed",
                     extra="<Region>ap-south-1</Region>", times=2)
    t.contains(tool.fails("head", "k")["message"], "the bucket is in region ap-south-1")
    t.s3.proxy.fault(action="error", status=301, bare=True, headers={"x-amz-bucket-region": "eu-west-1"},
                     match={"op": "HeadObject"})
    t.contains(tool.fails("head", "k")["message"], "eu-west-1")


@test
def refused_signature(t):
    t.s3.proxy.bad_expected = True
    tool = Tool(t)
    tool.env["AWS_SECRET_ACCESS_KEY"] = "wrong"
    t.eq(tool.fails("put", "k", data=b"x")["kind"], "access")
    direct = Tool(t, endpoint="http://127.0.0.1:%d" % t.s3.port)
    direct("put", "k", data=b"x")
    direct.env["AWS_SECRET_ACCESS_KEY"] = "wrong"
    failed = direct.fails("get", "k", 0, 1)
    t.eq((failed["kind"], failed["code"]), ("access", "SignatureDoesNotMatch"))


run(shared=True)
