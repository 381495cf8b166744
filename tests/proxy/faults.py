# SPDX-License-Identifier: Apache-2.0
"""Faults the proxy injects: rules that match requests, and what each of them does to an answer.

A rule is a JSON object:
  match   {"op": glob, "table": glob, "contains": text of the request's body}; all optional.  Of S3 the table is
          bucket/key
  skip    matching requests to let through first (default 0)
  times   how often it fires then (default 1; -1: always)
  probability  0..1, of firing at all (default 1)
  action  one of ACTIONS below, with that action's own members beside it
Of several rules that match, the oldest that can still fire does.
"""

import fnmatch
import json
import random

DDB = "com.amazonaws.dynamodb.v20120810#"
CORAL = "com.amazon.coral.service#"

# action -> (status, code, message)
ERRORS = {
    "throttle": (400, DDB + "ProvisionedThroughputExceededException",
                 "The level of configured provisioned throughput for the table was exceeded."),
    "throttle_account": (400, CORAL + "ThrottlingException", "Rate of requests exceeds the allowed throughput."),
    "500": (500, DDB + "InternalServerError", "The request could not be processed."),
    "503": (503, CORAL + "ServiceUnavailableException", "Service is unavailable."),
    "access_denied": (400, CORAL + "AccessDeniedException",
                      "User: arn:aws:iam::123456789012:user/test is not authorized to perform this action"),
    "expired_token": (400, CORAL + "ExpiredTokenException", "The security token included in the request is expired"),
    "conflict": (400, DDB + "TransactionConflictException", "Transaction is ongoing for the item"),
    "error": (400, DDB + "ValidationException", "injected"),   # "status", "code", "message" say which
}

ACTIONS = dict.fromkeys(ERRORS, "answers this error without asking the engine")
ACTIONS.update({
    "slow": "waits `ms` before asking the engine",
    "hang": "never answers, until the client hangs up",
    "close_before": "closes the connection; the engine never hears of it",
    "close_after": "the engine does it, the answer is lost",
    "cut": "closes the connection in the middle of the body",
    "drip": "sends the answer in `bytes` every `ms`",
    "bad_crc": "x-amz-crc32 is wrong",
    "garbage": "200 with random bytes, their CRC right",
    "body": "200 with the text in `body`",
    "patch": "`set`: JSON pointer -> value, put into the true answer",
    "loop": "LastEvaluatedKey is the request's own ExclusiveStartKey, or the first key for ever",
    "bad_last_key": "LastEvaluatedKey is not a key at all",
    "unprocessed": "the engine gets only the first `keep` entries of a batch, the rest come back unprocessed",
    "flood": "an answer of `mb` megabytes of spaces",
    "skew": "InvalidSignatureException, with a Date that is `seconds` away",
})


class Rule:
    def __init__(self, spec, rng, actions):
        unknown = set(spec) - {"match", "skip", "times", "probability", "action", "ms", "bytes", "body", "set", "keep",
                               "mb", "seconds", "status", "code", "message", "extra", "headers", "bare"}
        if unknown or spec.get("action") not in actions:
            raise ValueError("not a fault: %s" % spec)
        self.spec = spec
        self.action = spec["action"]
        self.skip = spec.get("skip", 0)
        self.left = spec.get("times", 1)
        self.fired = 0
        self._rng = rng

    def get(self, name, default=None):
        return self.spec.get(name, default)

    def matches(self, op, tables, body):
        match = self.spec.get("match", {})
        if not fnmatch.fnmatchcase(op, match.get("op", "*")):
            return False
        if "table" in match and not any(fnmatch.fnmatchcase(t, match["table"]) for t in tables):
            return False
        return match.get("contains", "").encode() in body

    def fires(self):
        if self.left == 0:
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        if self._rng.random() >= self.spec.get("probability", 1):
            return False
        if self.left > 0:
            self.left -= 1
        self.fired += 1
        return True

    def error(self):
        """(status, body, headers) of an error action."""
        status, code, message = ERRORS[self.action]
        body = {"__type": self.get("code", code), "message": self.get("message", message)}
        body.update(self.get("extra", {}))
        return self.get("status", status), json.dumps(body).encode(), self.get("headers", {})

    def state(self):
        return dict(self.spec, fired=self.fired, left=self.left)


class Rules:
    def __init__(self, seed=1, actions=None):
        self._rng = random.Random(seed)
        self._actions = actions or ACTIONS
        self._rules = []

    def add(self, spec):
        self._rules.append(Rule(spec, self._rng, self._actions))

    def clear(self):
        self._rules = []

    def pick(self, op, tables, body):
        for rule in self._rules:
            if rule.matches(op, tables, body) and rule.fires():
                return rule
        return None

    def state(self):
        return [rule.state() for rule in self._rules]


def set_pointer(document, pointer, value):
    """Sets the member at a JSON pointer; an answer that has no such place stays as it is."""
    parts = [p.replace("~1", "/").replace("~0", "~") for p in pointer.split("/")[1:]]
    try:
        for part in parts[:-1]:
            document = document[int(part) if isinstance(document, list) else part]
        document[int(parts[-1]) if isinstance(document, list) else parts[-1]] = value
    except (LookupError, TypeError, ValueError):
        return


def split_batch(op, request, keep):
    """A batch request cut to its first `keep` entries: (what to forward, member name, what is left over)."""
    member = "UnprocessedItems" if op == "BatchWriteItem" else "UnprocessedKeys"
    forward, left = {}, {}
    for table, entries in request.get("RequestItems", {}).items():
        keys = entries if isinstance(entries, list) else entries.get("Keys", [])
        now, later = keys[:keep], keys[keep:]
        keep -= len(now)
        for part, target in ((now, forward), (later, left)):
            if part:
                target[table] = part if isinstance(entries, list) else dict(entries, Keys=part)
    return dict(request, RequestItems=forward), member, left


def alter(rule, op, request, body):
    """The answer's body after the actions that change a true answer."""
    if rule.action not in ("patch", "loop", "bad_last_key"):
        return body
    answer = json.loads(body)
    if rule.action == "patch":
        for pointer, value in rule.get("set", {}).items():
            set_pointer(answer, pointer, value)
    elif rule.action == "bad_last_key":
        answer["LastEvaluatedTableName" if op == "ListTables" else "LastEvaluatedKey"] = {"": {"Q": [None]}}
    elif op == "ListTables":
        answer["LastEvaluatedTableName"] = request.get("ExclusiveStartTableName") or (answer["TableNames"] + ["t"])[0]
    else:
        start = request.get("ExclusiveStartKey")
        answer["LastEvaluatedKey"] = start or answer.get("LastEvaluatedKey") or (answer.get("Items") or [{}])[0]
    return json.dumps(answer).encode()
