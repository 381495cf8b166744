# SPDX-License-Identifier: Apache-2.0
"""Checks the signature of a request with botocore: an implementation that shares nothing with ours."""

import calendar
import hashlib
import re
import time

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

SKEW_PAST = 5 * 60
SKEW_FUTURE = 15 * 60
CORAL = "com.amazon.coral.service#"
# what a request must protect, when it carries it
MUST_BE_SIGNED = ("host", "x-amz-date", "x-amz-target", "x-amz-security-token", "content-type")

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/\s,]+)/(\d{8})/([a-z0-9-]+)/([a-z0-9]+)/aws4_request, ?"
    r"SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]{64})$")
_DATE = re.compile(r"\d{8}T\d{6}Z$")


class Refused(Exception):
    """The request is not authentic.  `skew` is true when only the client's clock is wrong."""

    def __init__(self, code, message, skew=False):
        super().__init__(message)
        self.code = CORAL + code
        self.skew = skew


def verify(method, target, headers, body, secrets, now, service="dynamodb"):
    """headers: list of (lower-case name, value); secrets: key id -> (secret, session token or None).

    Raises Refused with the exception the service would answer.
    """
    values = {}
    for name, value in headers:
        values.setdefault(name, []).append(value)

    if "authorization" not in values:
        raise Refused("MissingAuthenticationTokenException", "Request is missing Authentication Token")
    match = _AUTHORIZATION.match(values["authorization"][0])
    if not match or len(values["authorization"]) != 1:
        raise Refused("IncompleteSignatureException", "Authorization header cannot be read")
    key_id, day, region, scope_service, signed, signature = match.groups()
    if scope_service != service:
        raise Refused("InvalidSignatureException", "signed for %s, not for %s" % (scope_service, service))
    signed = signed.split(";")
    if signed != sorted(set(signed)):
        raise Refused("IncompleteSignatureException", "SignedHeaders is not sorted: %s" % ";".join(signed))

    date = values.get("x-amz-date", [""])[0]
    if not _DATE.match(date) or date[:8] != day:
        raise Refused("IncompleteSignatureException", "x-amz-date %r does not fit the scope's %s" % (date, day))
    for name in MUST_BE_SIGNED:
        if name in values and name not in signed:
            raise Refused("InvalidSignatureException", "header %s is not signed" % name)
    for name in signed:
        if name not in values:
            raise Refused("InvalidSignatureException", "signed header %s is missing" % name)
    if key_id not in secrets:
        raise Refused("UnrecognizedClientException", "The security token included in the request is invalid.")
    secret, token = secrets[key_id]
    if values.get("x-amz-security-token", [None])[0] != token:
        raise Refused("UnrecognizedClientException", "The security token included in the request is invalid.")
    claimed = values.get("x-amz-content-sha256", [None])[0]
    if claimed not in (None, "UNSIGNED-PAYLOAD") and claimed != hashlib.sha256(body).hexdigest():
        raise Refused("InvalidSignatureException", "x-amz-content-sha256 is not that of the body")

    request = AWSRequest(method=method, url="http://" + values["host"][0] + target, data=body)
    for name in signed:
        for value in values[name]:
            request.headers.add_header(name, value)
    if claimed and "x-amz-content-sha256" not in signed:
        request.headers["x-amz-content-sha256"] = claimed
    request.context["timestamp"] = date
    signer = (S3SigV4Auth if service == "s3" else SigV4Auth)(Credentials(key_id, secret, token), service, region)
    canonical = signer.canonical_request(request)
    if signer.signature(signer.string_to_sign(request, canonical), request) != signature:
        raise Refused("InvalidSignatureException",
                      "The request signature we calculated does not match the signature you provided. "
                      "Canonical request: %r" % canonical)

    past = SKEW_FUTURE if service == "s3" else SKEW_PAST
    skew = now - calendar.timegm(time.strptime(date, "%Y%m%dT%H%M%SZ"))
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    if skew > past:
        raise Refused("InvalidSignatureException", "Signature expired: %s is now earlier than the limit (%s - %d min.)"
                      % (date, stamp, past // 60), True)
    if -skew > SKEW_FUTURE:
        raise Refused("InvalidSignatureException",
                      "Signature not yet current: %s is still later than the limit (%s + 15 min.)" % (date, stamp),
                      True)
