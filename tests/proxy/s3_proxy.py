#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The proxy before an S3 server: what S3 does differently from DynamoDB (see proxy.py).

The server behind it verifies signatures itself; it is done here once more by botocore, and with it what no server
at hand checks: that the checksums a request carries are right.  A whole object is answered with the checksum it was
put with, as S3 does and the server does not.
"""

import base64
import hashlib
import os
import sys
import urllib.parse
from email.utils import formatdate
from xml.etree import ElementTree
from xml.sax.saxutils import escape

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import faults  # noqa: E402
import proxy  # noqa: E402
import signature  # noqa: E402

# action -> (status, code, message)
ERRORS = {
    "slow_down": (503, "SlowDown", "Please reduce your request rate."),
    "500": (500, "InternalError", "We encountered an internal error. Please try again."),
    "503": (503, "ServiceUnavailable", "Service is unable to handle request."),
    "request_timeout": (400, "RequestTimeout", "Your socket connection to the server was not read from in time."),
    "access_denied": (403, "AccessDenied", "Access Denied"),
    "expired_token": (400, "ExpiredToken", "The provided token has expired."),
    "not_found": (404, "NoSuchKey", "The specified key does not exist."),
    "no_bucket": (404, "NoSuchBucket", "The specified bucket does not exist"),
    "precondition": (412, "PreconditionFailed", "At least one of the preconditions did not hold"),
    "conflict": (409, "ConditionalRequestConflict", "A conflicting operation occurred"),
    "not_implemented": (501, "NotImplemented", "A header you provided implies functionality that is not implemented"),
    "error_200": (200, "InternalError", "We encountered an internal error. Please try again."),
    "error": (400, "InvalidRequest", "injected"),        # "status", "code", "message", "extra" (XML) say which
}

ACTIONS = dict.fromkeys(ERRORS, "answers this error without asking the server")
ACTIONS.update({name: faults.ACTIONS[name] for name in
                ("slow", "hang", "close_before", "close_after", "cut", "drip", "garbage", "body", "flood")})
ACTIONS.update({
    "skew": "RequestTimeTooSkewed, with a Date that is `seconds` away",
    "lost_200": "the server does it, and answers 200 with the error `code` in the body",
    "wrong_range": "the right bytes under a Content-Range that says others",
    "no_range": "200 and `body` where a range was asked for",
    "flip": "one byte of the body is wrong",
    "bad_checksum": "x-amz-checksum-sha256 of the answer is wrong",
    "etag": "the answer's ETag is another",
})

# header names of the server's answer that the proxy replaces or that are between two neighbours only
OWN = {"connection", "keep-alive", "transfer-encoding", "content-length", "date"}
BODIED = {"PutObject", "UploadPart"}


def sum_of(body):
    return base64.b64encode(hashlib.sha256(body).digest()).decode()


def error_body(code, message, extra=""):
    return ('<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>%s</Code><Message>%s</Message>%s'
            '<RequestId>PROXY</RequestId></Error>' % (code, escape(message), extra)).encode()


def operation(method, bucket, key, query):
    if not bucket:
        return "ListBuckets"
    if not key:
        return {"GET": "ListMultipartUploads" if "uploads" in query else "ListObjectsV2", "POST": "DeleteObjects",
                "PUT": "CreateBucket", "HEAD": "HeadBucket", "DELETE": "DeleteBucket"}.get(method, "?")
    if "uploadId" in query:
        return {"PUT": "UploadPart", "POST": "CompleteMultipartUpload", "DELETE": "AbortMultipartUpload",
                "GET": "ListParts"}.get(method, "?")
    if method == "POST":
        return "CreateMultipartUpload" if "uploads" in query else "?"
    return {"PUT": "PutObject", "GET": "GetObject", "HEAD": "HeadObject", "DELETE": "DeleteObject"}.get(method, "?")


class S3Proxy(proxy.Proxy):
    actions, errors = ACTIONS, ERRORS
    frowns_on_expect = False        # boto3 does it

    def settle(self):
        super().settle()
        self.sums = {}          # bucket/key -> the checksum it was put with
        self.want_checksums = True

    @staticmethod
    def identify(request):
        path, _, query = request.target.partition("?")
        parameters = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
        host = (request.get("host") or "").partition(":")[0]
        if host.endswith(".localhost"):
            bucket, key = host[:-len(".localhost")], path[1:]
        else:
            bucket, _, key = path[1:].partition("/")
        key = urllib.parse.unquote(key)
        request.op = operation(request.method, bucket, key, parameters)
        request.tables = ["%s/%s" % (bucket, key)]
        request.json = {}
        request.more = {"bucket": bucket, "key": key, "query": parameters, "range": request.get("range"),
                        "headers": {n: v for n, v in request.headers
                                    if n not in ("authorization", "x-amz-security-token")}}

    def check(self, request):
        ledger = self.ledger
        claimed = request.get("x-amz-content-sha256")
        if claimed is None:
            ledger.violations["no x-amz-content-sha256"] += 1
        if request.op == "?":
            ledger.violations["no such operation: %s %s" % (request.method, request.target)] += 1
        if claimed not in (None, "UNSIGNED-PAYLOAD") and claimed != hashlib.sha256(request.body).hexdigest():
            ledger.bad.append({"op": request.op, "code": "XAmzContentSHA256Mismatch", "message": request.target})
            return 400, error_body("XAmzContentSHA256Mismatch", "x-amz-content-sha256 is not that of the body")
        checksum = request.get("x-amz-checksum-sha256")
        if self.want_checksums and checksum is None and request.op in BODIED | {"DeleteObjects"}:
            ledger.violations["no x-amz-checksum-sha256: %s" % request.op] += 1
        if checksum is not None and checksum != sum_of(request.body):
            ledger.bad.append({"op": request.op, "code": "BadDigest", "message": request.target})
            return 400, error_body("BadDigest", "The SHA256 you specified did not match what we received")
        return self.check_signature(request)

    def check_signature(self, request):
        if not self.verify:
            return None
        try:
            signature.verify(request.method, request.target, request.headers, request.body, self.secrets, self.now(),
                             service="s3")
        except signature.Refused as refused:
            if refused.skew:
                self.ledger.skewed += 1
                return 403, error_body("RequestTimeTooSkewed", str(refused))
            self.ledger.bad.append({"op": request.op, "code": refused.code, "message": str(refused)})
            code = "InvalidAccessKeyId" if "Unrecognized" in refused.code else "SignatureDoesNotMatch"
            return 403, error_body(code, str(refused))
        return None

    async def forward(self, request, body):
        lines = [line for line in request.head.split(b"\r\n") if not line.lower().startswith(b"expect:")]
        status, headers, answer = await self.engine.ask(b"\r\n".join(lines) + b"\r\n\r\n" + body)
        kept = {name: value for name, value in headers if name not in OWN}
        if request.method == "HEAD":
            kept["content-length"] = dict(headers).get("content-length", "0")
        name = request.tables[0]
        if status == 200 and request.op == "PutObject":
            self.sums[name] = request.get("x-amz-checksum-sha256")
        elif request.op == "CompleteMultipartUpload":
            self.sums.pop(name, None)
        elif request.op == "GetObject" and request.get("x-amz-checksum-mode") == "ENABLED" and self.sums.get(name):
            size = int((kept.get("content-range") or "/%d" % len(answer)).rpartition("/")[2])
            if status in (200, 206) and size == len(answer):
                kept["x-amz-checksum-sha256"] = self.sums[name]
                kept["x-amz-checksum-type"] = "FULL_OBJECT"
        return status, answer, kept

    @staticmethod
    def error(rule):
        status, code, message = ERRORS[rule.action]
        body = error_body(rule.get("code", code), rule.get("message", message), rule.get("extra", ""))
        return rule.get("status", status), b"" if rule.get("bare") else body, rule.get("headers", {})

    def skewed(self, rule):
        date = formatdate(self.now() + rule.get("seconds", 0), usegmt=True)
        return 403, error_body("RequestTimeTooSkewed", "The difference is too large"), {"Date": date}

    async def answer(self, request):
        status, body, headers, rule = await super().answer(request)
        if request.method == "HEAD" and body:           # of an error made here
            headers = dict(headers, **{"content-length": str(len(body))})
            body = b""
        return status, body, headers, rule

    def alter(self, rule, request, status, body, headers):
        headers = dict(headers)
        if rule.action == "lost_200":
            return 200, error_body(rule.get("code", "InternalError"), rule.get("message", "injected")), headers
        if rule.action == "wrong_range" and "content-range" in headers:
            headers["content-range"] = "bytes 7-%d/%d" % (6 + len(body), 7 + len(body))
        elif rule.action == "no_range":
            headers.pop("content-range", None)
            return 200, rule.get("body", "").encode(), headers
        elif rule.action == "flip" and body:
            body = bytes([body[0] ^ 1]) + body[1:]
        elif rule.action == "bad_checksum":
            headers["x-amz-checksum-sha256"] = sum_of(b"something else")
        elif rule.action == "etag":
            headers["etag"] = '"another"'
        return status, body, headers

    def render(self, request, status, body, extra, bad_crc):
        headers = {"x-amz-request-id": "%016X" % self.rng.getrandbits(64), "Content-Type": "application/xml",
                   "Date": formatdate(self.now(), usegmt=True)}
        if status != 204:
            headers["content-length"] = str(len(body))
        lower = {name.lower() for name in extra}
        headers = {name: value for name, value in headers.items() if name.lower() not in lower}
        headers.update(extra)
        return proxy.head_of(request, status, headers), body

    @staticmethod
    def classify(request, status, body):
        if status >= 400 or (status == 200 and b"<Error>" in body[:200]):
            try:
                request.code = ElementTree.fromstring(body).findtext("Code") or "?"
            except ElementTree.ParseError:
                request.code = "?"


class S3Control(proxy.Control):
    def cmd_want_checksums(self, on):
        """Whether an upload without x-amz-checksum-sha256 is a violation."""
        self.proxy.want_checksums = on


def main(argv=None):
    proxy.main(argv, S3Proxy, S3Control)


if __name__ == "__main__":
    main()
