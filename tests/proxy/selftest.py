#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# GROUP: proxy
# BUILDS: plain
# TIMEOUT: 120
"""The proxy's own test: it must refuse what AWS refuses and do to an answer what it was told to."""

import http.client
import json
import os
import socket
import sys
import time
import zlib

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from case import KEY_ID, SECRET, Failure, boto, run, test  # noqa: E402


def code_of(function, **request):
    from botocore.exceptions import ClientError
    try:
        function(**request)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return "ok"


def breaks(function, **request):
    from botocore.exceptions import BotoCoreError, HTTPClientError
    try:
        function(**request)
    except (HTTPClientError, BotoCoreError, ValueError):
        return True
    return False


def signed(port, body, change=None, token=None, key_id=KEY_ID, secret=SECRET):
    """Headers of a good GetItem request, from botocore, for a request sent by hand."""
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials
    request = AWSRequest("POST", "http://127.0.0.1:%d/" % port, data=body, headers={
        "Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "DynamoDB_20120810.ListTables"})
    SigV4Auth(Credentials(key_id, secret, token), "dynamodb", "us-east-1").add_auth(request)
    headers = dict(request.headers)
    headers.update(change or {})
    return headers


def post(port, body, headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("POST", "/", body, headers)
    response = connection.getresponse()
    data = response.read()
    connection.close()
    return response, data


@test
def good_requests_pass(t):
    t.create_table("Tab", "k:S")
    db = t.boto(t.proxy.port)
    db.put_item(TableName="Tab", Item={"k": {"S": "a/é"}, "v": {"N": "1"}}, ReturnConsumedCapacity="TOTAL")
    t.eq(db.get_item(TableName="Tab", Key={"k": {"S": "a/é"}}, ReturnConsumedCapacity="TOTAL")["Item"]["v"], {"N": "1"})
    counters = t.proxy.counters()
    t.eq(counters["ops"]["PutItem"]["ok"], 1)
    t.eq(counters["wcu"], 1.0)
    t.eq(counters["rcu"], 0.5)
    t.eq(counters["bad"], 0)
    t.eq(counters["connections"], 1, "keep-alive")
    t.eq([r["op"] for r in t.proxy.requests()], ["PutItem", "GetItem"])
    t.contains(t.proxy.requests(op="PutItem", bodies=True)[0]["body"], '"Tab"')


@test
def bad_signatures_are_refused(t):
    port = t.proxy.port
    t.proxy.bad_expected = True
    t.eq(code_of(boto(port, secret="wrong").list_tables), "InvalidSignatureException")
    t.eq(code_of(boto(port, key_id="AKIDOTHER").list_tables), "UnrecognizedClientException")
    t.eq(code_of(boto(port, token="surplus").list_tables), "UnrecognizedClientException")
    t.eq(len(t.proxy.bad()), 3)
    t.eq(t.proxy.counters()["ops"]["ListTables"]["ok"], 0)

    body = b"{}"
    t.eq(post(port, body, signed(port, body))[0].status, 200, "as signed")
    bad = {
        "body changed": (b'{"Limit":1}', signed(port, body)),
        "target changed": (body, signed(port, body, {"X-Amz-Target": "DynamoDB_20120810.DeleteTable"})),
        "host changed": (body, signed(port, body, {"Host": "example.com"})),
        "date changed": (body, signed(port, body, {"X-Amz-Date": "20200101T000000Z"})),
        "no authorization": (body, signed(port, body, {"Authorization": ""})),
        "wrong payload hash": (body, signed(port, body, {"X-Amz-Content-SHA256": "0" * 64})),
        "token not signed": (body, signed(port, body, {"X-Amz-Security-Token": "x"})),
    }
    good = signed(port, body)
    unsigned = good["Authorization"].replace("x-amz-target", "user-agent")
    bad["header unsigned"] = (body, dict(good, Authorization=unsigned))
    bad["one digit wrong"] = (body, dict(good, Authorization=good["Authorization"][:-1] +
                                         ("0" if good["Authorization"][-1] != "0" else "1")))
    for what, (sent, headers) in bad.items():
        response, data = post(port, sent, headers)
        t.eq(response.status, 400, what)
        t.contains(json.loads(data)["__type"], "Exception", what)
        t.eq(int(response.headers["x-amz-crc32"]), zlib.crc32(data), what)


@test
def session_tokens(t):
    port = t.proxy.port
    t.proxy.bad_expected = True
    t.proxy.credentials(key_id="ASIA", secret="s3cret", token="tok/en+=")
    t.eq(code_of(boto(port, "ASIA", "s3cret", "tok/en+=").list_tables), "ok")
    t.eq(code_of(boto(port, "ASIA", "s3cret", "tok/en").list_tables), "UnrecognizedClientException")
    t.eq(code_of(boto(port, "ASIA", "s3cret").list_tables), "UnrecognizedClientException")
    t.proxy.credentials(key_id="ASIA", secret=None)
    t.eq(code_of(boto(port, "ASIA", "s3cret", "tok/en+=").list_tables), "UnrecognizedClientException")


@test
def clock(t):
    db = t.boto(t.proxy.port)
    t.eq(code_of(db.list_tables), "ok")
    for seconds, wanted in ((3600, "InvalidSignatureException"), (-3600, "InvalidSignatureException"), (60, "ok")):
        t.proxy.clock(seconds=seconds)
        t.eq(code_of(db.list_tables), wanted, "%d s" % seconds)
    t.eq(t.proxy.counters()["skewed"], 2)
    t.eq(t.proxy.bad(), [])


@test
def error_faults(t):
    t.create_table("Tab", "k:S")
    t.create_table("Uvw", "k:S")
    db = t.boto(t.proxy.port)

    def get(table="Tab", key="a"):
        return code_of(db.get_item, TableName=table, Key={"k": {"S": key}}, ReturnConsumedCapacity="TOTAL")

    t.proxy.fault(action="throttle", match={"op": "Get*", "table": "Tab"}, times=2, skip=1)
    throttled = "ProvisionedThroughputExceededException"
    t.eq([get(), get("Uvw"), get(), get(), get()], ["ok", "ok", throttled, throttled, "ok"])
    for action, code in (("500", "InternalServerError"), ("503", "ServiceUnavailableException"),
                         ("access_denied", "AccessDeniedException"), ("expired_token", "ExpiredTokenException"),
                         ("throttle_account", "ThrottlingException"), ("conflict", "TransactionConflictException")):
        t.proxy.fault(action=action)
        t.eq([get(), get()], [code, "ok"])
    t.proxy.fault(action="error", status=418, code="x#Odd", message="m", match={"contains": '"zz"'})
    t.eq([get(), get(key="zz")], ["ok", "Odd"])
    t.proxy.fault(action="500", times=-1, probability=0.5)
    answers = [get() for _ in range(60)]
    t.true(10 < answers.count("ok") < 50, "half of the requests fail")
    t.proxy.clear_faults()
    t.eq(get(), "ok")
    t.eq(t.proxy.counters()["ops"]["GetItem"]["errors"][throttled], 2)


@test
def transport_faults(t):
    t.create_table("Tab", "k:S")
    db = t.boto(t.proxy.port)
    total = {"ReturnConsumedCapacity": "TOTAL"}

    def stored(key):
        return t.get("Tab", {"k": {"S": key}}) is not None

    for action, applied in (("close_before", False), ("close_after", True), ("cut", True), ("garbage", False),
                            ("bad_crc", True)):
        t.proxy.fault(action=action)
        t.true(breaks(db.put_item, TableName="Tab", Item={"k": {"S": action}}, **total) or action == "bad_crc",
               action + " is noticed")
        t.eq(stored(action), applied, action + ": applied")
    t.proxy.fault(action="bad_crc")
    body = b"{}"
    response, data = post(t.proxy.port, body, signed(t.proxy.port, body))
    t.true(int(response.headers["x-amz-crc32"]) != zlib.crc32(data), "the CRC is wrong")
    response, data = post(t.proxy.port, body, signed(t.proxy.port, body))
    t.eq(int(response.headers["x-amz-crc32"]), zlib.crc32(data), "and right again")

    t.proxy.fault(action="slow", ms=200)
    started = time.monotonic()
    db.list_tables()
    t.true(0.2 <= time.monotonic() - started < 5, "slow")
    t.proxy.fault(action="drip", ms=1, bytes=32)
    t.eq(db.list_tables()["TableNames"], ["Tab"])
    t.proxy.latency(ms=50)
    started = time.monotonic()
    db.list_tables()
    t.true(time.monotonic() - started >= 0.05, "latency")
    t.proxy.latency(ms=0)

    t.proxy.fault(action="hang")
    with socket.create_connection(("127.0.0.1", t.proxy.port)) as s:
        head = "".join("%s: %s\r\n" % h for h in signed(t.proxy.port, body).items())
        s.sendall(("POST / HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%sContent-Length: 2\r\n\r\n{}" % (
            t.proxy.port, head)).encode())
        s.settimeout(0.5)
        try:
            s.recv(1)
            raise Failure("answered a request that was to hang")
        except socket.timeout:
            pass
        t.eq(t.proxy.counters()["in_flight"], 1)
    t.eq(code_of(db.list_tables), "ok", "after the hang")


@test
def answer_faults(t):
    t.create_table("Tab", "k:S", "r:N")
    t.put_items("Tab", [{"k": {"S": "p"}, "r": {"N": str(n)}} for n in range(10)])
    db = t.boto(t.proxy.port)
    query = {"TableName": "Tab", "KeyConditionExpression": "k = :k", "ExpressionAttributeValues": {":k": {"S": "p"}},
             "ReturnConsumedCapacity": "TOTAL"}
    t.proxy.fault(action="patch", match={"op": "ListTables"}, set={"/TableNames": ["..", "a/b", ""]})
    t.eq(db.list_tables()["TableNames"], ["..", "a/b", ""])
    t.proxy.fault(action="patch", set={"/Items/0/k/S": "../../etc"})
    t.eq(db.query(**query)["Items"][0]["k"]["S"], "../../etc")
    t.proxy.fault(action="loop")
    first = db.query(**query)["LastEvaluatedKey"]
    t.proxy.fault(action="loop")
    t.eq(db.query(ExclusiveStartKey=first, **query)["LastEvaluatedKey"], first)
    t.proxy.fault(action="body", body='{"Items": 7}')
    body = b"{}"
    t.eq(post(t.proxy.port, body, signed(t.proxy.port, body))[1], b'{"Items": 7}')
    t.proxy.fault(action="unprocessed", keep=3)
    answer = db.batch_write_item(ReturnConsumedCapacity="TOTAL", RequestItems={"Tab": [
        {"PutRequest": {"Item": {"k": {"S": "q"}, "r": {"N": str(n)}}}} for n in range(10)]})
    t.eq(len(answer["UnprocessedItems"]["Tab"]), 7)
    t.eq(len([i for i in t.scan("Tab") if i["k"]["S"] == "q"]), 3)
    t.proxy.fault(action="unprocessed", keep=4)
    answer = db.batch_get_item(ReturnConsumedCapacity="TOTAL", RequestItems={"Tab": {"Keys": [
        {"k": {"S": "p"}, "r": {"N": str(n)}} for n in range(10)]}})
    t.eq(len(answer["Responses"]["Tab"]), 4)
    t.eq(len(answer["UnprocessedKeys"]["Tab"]["Keys"]), 6)
    t.proxy.gzip(on=True)
    t.put_items("Tab", [{"k": {"S": "z"}, "r": {"N": str(n)}, "x": {"S": "x" * 900}} for n in range(10)])
    t.eq(len(db.query(**dict(query, ExpressionAttributeValues={":k": {"S": "z"}}))["Items"]), 10)


@test
def violations_are_kept(t):
    db = t.boto(t.proxy.port)
    t.create_table("Tab", "k:S")
    db.get_item(TableName="Tab", Key={"k": {"S": "a"}})
    t.eq(list(t.proxy.counters()["violations"]), ["no ReturnConsumedCapacity: GetItem"])
    t.proxy.reset()
    t.eq(t.proxy.counters()["violations"], {})


@test
def fast_enough(t):
    """Not a benchmark: a proxy slower than this would be what the cases measure."""
    import concurrent.futures
    body = b"{}"
    headers = signed(t.proxy.port, body)
    headers["Host"] = "127.0.0.1:%d" % t.proxy.port
    head = "".join("%s: %s\r\n" % h for h in headers.items())
    data = ("POST / HTTP/1.1\r\n%sContent-Length: 2\r\n\r\n{}" % head).encode()

    def client(count):
        with socket.create_connection(("127.0.0.1", t.proxy.port)) as s:
            for _ in range(count):
                s.sendall(data)
                answer = b""
                while b'"TableNames"' not in answer:
                    answer += s.recv(65536)

    started = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(client, [500] * 4))
    rate = 2000 / (time.monotonic() - started)
    print("# %.0f requests/s" % rate)
    t.true(rate > 300, "300 requests/s, got %.0f" % rate)


if __name__ == "__main__":
    run()
