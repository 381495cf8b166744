#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A proxy before a DynamoDB engine (or an S3 server): verifies every signature, counts requests, injects faults.

The engines that run locally accept any signature and never fail.  This one refuses what AWS would
refuse, keeps count, and does on request what a network and a busy service do.  It is asyncio on bare
protocols, because an http.server costs more than the engine behind it.

Control: POST /_control with {"cmd": ...}; see class Control.  README: tests/README.md.
"""

import argparse
import asyncio
import collections
import gzip
import json
import os
import random
import signal
import sys
import time
import zlib
from email.utils import formatdate

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import faults  # noqa: E402
import signature  # noqa: E402

READS = {"GetItem", "Query", "Scan", "BatchGetItem", "TransactGetItems"}
WRITES = {"PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems"}
BODY_MAX = 32 << 20
REMEMBERED = 50000      # requests kept for the "requests" command
BODY_REMEMBERED = 65536
REASONS = {200: "OK", 204: "No Content", 206: "Partial Content", 304: "Not Modified", 400: "Bad Request",
           404: "Not Found", 413: "Too Large", 500: "Internal Server Error",
           502: "Bad Gateway", 503: "Service Unavailable"}


class Request:
    __slots__ = ("method", "target", "headers", "head", "body", "keep", "op", "json", "tables", "started", "fault",
                 "code", "units", "more")       # more: members of the record

    def get(self, name):
        for key, value in self.headers:
            if key == name:
                return value
        return None


def parse_head(head):
    lines = head.decode("latin-1").split("\r\n")
    first = lines[0].split(" ")
    headers = []
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon or name != name.strip():
            raise ValueError("header line %r" % line)
        headers.append((name.lower(), value.strip()))
    return first, headers


def head_of(request, status, headers):
    if not request.keep:
        headers["Connection"] = "close"
    head = "HTTP/1.1 %d %s\r\n" % (status, REASONS.get(status, "Unknown"))
    return (head + "".join("%s: %s\r\n" % h for h in headers.items()) + "\r\n").encode("latin-1")


def tables_of(request):
    """Names of the tables a request is about."""
    names = []
    if "TableName" in request:
        names.append(request["TableName"])
    names.extend(request.get("RequestItems", {}))
    for action in request.get("TransactItems", []):
        names.extend(part.get("TableName", "") for part in action.values())
    return names


def units_of(answer):
    consumed = answer.get("ConsumedCapacity") or []
    if isinstance(consumed, dict):
        consumed = [consumed]
    return sum(part.get("CapacityUnits", 0) for part in consumed)


def take_chunks(buffer):
    """The body of a whole chunked answer, taken out of the buffer; None: more is to come."""
    body, at = b"", 0
    while True:
        end = buffer.find(b"\r\n", at)
        if end < 0:
            return None
        size = int(buffer[at:end].split(b";")[0], 16)
        if len(buffer) < end + 2 + size + 2:
            return None
        body += buffer[end + 2:end + 2 + size]
        at = end + 2 + size + 2
        if size == 0:
            del buffer[:at]
            return body


class Upstream(asyncio.Protocol):
    """One connection to the engine; one request at a time."""

    def __init__(self):
        self.transport = None
        self.buffer = bytearray()
        self.waiter = None
        self.head = None
        self.no_body = False    # HEAD

    def connection_made(self, transport):
        self.transport = transport

    def connection_lost(self, exc):
        self.transport = None
        if self.waiter and not self.waiter.done():
            self.waiter.set_exception(ConnectionResetError("the engine closed the connection"))

    def data_received(self, data):
        self.buffer += data
        if self.head is None:
            end = self.buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            first, headers = parse_head(bytes(self.buffer[:end]))
            del self.buffer[:end + 4]
            self.head = (int(first[1]), headers)
        status, headers = self.head
        body = self.take_body(status, dict(headers))
        if body is not None and self.waiter and not self.waiter.done():
            self.head = None
            self.waiter.set_result((status, headers, body))

    def take_body(self, status, headers):
        if self.no_body or status in (204, 304):
            return b""
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return take_chunks(self.buffer)
        length = int(headers.get("content-length", 0))
        if len(self.buffer) < length:
            return None
        body = bytes(self.buffer[:length])
        del self.buffer[:length]
        return body

    async def ask(self, data):
        self.waiter = asyncio.get_running_loop().create_future()
        self.no_body = data.startswith(b"HEAD ")
        self.transport.write(data)
        return await self.waiter


class Engine:
    """A pool of connections to the engine."""

    def __init__(self, host, port):
        self.host = host
        self.port = port
        self.idle = []

    async def ask(self, data):
        while self.idle:
            connection = self.idle.pop()
            if connection.transport is None:
                continue
            try:
                answer = await connection.ask(data)
            except ConnectionResetError:
                continue        # it had been closed while idle
            self.idle.append(connection)
            return answer
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(Upstream, self.host, self.port)
        answer = await connection.ask(data)
        self.idle.append(connection)
        return answer


class Ledger:
    """What was asked, and how it went."""

    def __init__(self, path):
        self.log = open(path, "a", encoding="utf-8", buffering=1) if path else None
        self.in_flight = 0
        self.reset()

    def reset(self):
        self.ops = {}
        self.requests = collections.deque(maxlen=REMEMBERED)
        self.bad = []
        self.violations = collections.Counter()
        self.connections = 0
        self.skewed = 0
        self.max_in_flight = self.in_flight

    def op(self, name):
        if name not in self.ops:
            self.ops[name] = {"requests": 0, "ok": 0, "lost": 0, "errors": {}, "rcu": 0.0, "wcu": 0.0,
                              "in": 0, "out": 0}
        return self.ops[name]

    def done(self, request, status, sent):
        entry = self.op(request.op)
        entry["requests"] += 1
        entry["in"] += len(request.body)
        entry["out"] += sent
        if 200 <= status < 300:
            entry["ok"] += 1
            entry["rcu" if request.op in READS else "wcu"] += request.units
        elif status == 0:
            entry["lost"] += 1
        else:
            entry["errors"][request.code] = entry["errors"].get(request.code, 0) + 1
        record = {"time": round(time.time(), 4), "op": request.op, "tables": request.tables, "status": status,
                  "code": request.code, "ms": round((time.monotonic() - request.started) * 1000, 2),
                  "in": len(request.body), "out": sent, "units": request.units, "fault": request.fault,
                  "attempt": request.get("amz-sdk-request")}
        record.update(request.more)
        self.requests.append((record, request.body[:BODY_REMEMBERED]))
        if self.log:
            self.log.write(json.dumps(record) + "\n")

    def counters(self):
        total = sum(entry["requests"] for entry in self.ops.values())
        return {"requests": total, "ops": self.ops, "bad": len(self.bad), "skewed": self.skewed,
                "violations": dict(self.violations), "connections": self.connections,
                "in_flight": self.in_flight, "max_in_flight": self.max_in_flight,
                "rcu": sum(e["rcu"] for e in self.ops.values()), "wcu": sum(e["wcu"] for e in self.ops.values())}


class Proxy:
    """Before DynamoDB.  What S3 does differently is in s3_proxy.py."""

    actions, errors = faults.ACTIONS, faults.ERRORS
    frowns_on_expect = True

    def __init__(self, options):
        self.engine = Engine("127.0.0.1", options.engine)
        self.ledger = Ledger(options.log)
        self.rules = faults.Rules(options.seed, self.actions)
        self.secrets = {}
        self.options = options
        self.rng = random.Random(options.seed)
        self.settle()

    def settle(self):
        """As at the start."""
        self.latency = self.options.latency / 1000
        self.clock = 0          # seconds the service's clock is ahead of ours
        self.verify = not self.options.no_verify
        self.gzip = False

    def now(self):
        return time.time() + self.clock

    @staticmethod
    def identify(request):
        """Which operation it is, and on what."""
        request.op = (request.get("x-amz-target") or "?.?").rpartition(".")[2]
        try:
            request.json = json.loads(request.body)
            request.tables = tables_of(request.json)
        except (ValueError, AttributeError, TypeError):
            request.json, request.tables = None, []

    def check(self, request):
        """An error answer, or None when the request is what the service would accept."""
        ledger = self.ledger
        if request.method != "POST" or request.target != "/":
            ledger.violations["not POST /: %s %s" % (request.method, request.target)] += 1
        if request.get("content-type") != "application/x-amz-json-1.0":
            ledger.violations["content-type: %s" % request.get("content-type")] += 1
        if request.json is None:
            ledger.violations["body is not JSON"] += 1
            request.json = {}
        if request.op in READS | WRITES and request.json.get("ReturnConsumedCapacity") in (None, "NONE"):
            ledger.violations["no ReturnConsumedCapacity: %s" % request.op] += 1
        if not self.verify:
            return None
        try:
            signature.verify(request.method, request.target, request.headers, request.body, self.secrets, self.now())
        except signature.Refused as refused:
            if refused.skew:
                ledger.skewed += 1
            else:
                ledger.bad.append({"op": request.op, "code": refused.code, "message": str(refused)})
            return 400, json.dumps({"__type": refused.code, "message": str(refused)}).encode()
        return None

    async def forward(self, request, body):
        head = request.head
        if body is not request.body:
            lines = [l for l in head.split(b"\r\n") if not l.lower().startswith(b"content-length:")]
            head = b"\r\n".join(lines + [b"content-length: %d" % len(body)])
        status, headers, answer = await self.engine.ask(head + b"\r\n\r\n" + body)
        for name, value in headers:
            if name == "x-amz-crc32" and int(value) != zlib.crc32(answer):
                self.ledger.violations["the engine's own CRC is wrong"] += 1
        return status, answer, {}

    @staticmethod
    def error(rule):
        return rule.error()

    def skewed(self, rule):
        body = {"__type": faults.CORAL + "InvalidSignatureException", "message": "Signature expired"}
        return 400, json.dumps(body).encode(), {"Date": formatdate(self.now() + rule.get("seconds", 0), usegmt=True)}

    @staticmethod
    def alter(rule, request, status, body, headers):
        """A true answer, after what the rule does to it."""
        return status, faults.alter(rule, request.op, request.json, body) if status == 200 else body, headers

    async def answer(self, request):
        """(status, body, extra headers, how to send it)."""
        refused = self.check(request)
        if refused:
            return refused[0], refused[1], {}, None
        rule = self.rules.pick(request.op, request.tables, request.body)
        if not rule:
            return *await self.forward(request, request.body), None

        request.fault = rule.action
        if rule.action in self.errors:
            return *self.error(rule), None
        if rule.action == "hang":
            await asyncio.get_running_loop().create_future()
        if rule.action == "close_before":
            return 0, b"", {}, rule
        if rule.action == "skew":
            return *self.skewed(rule), None
        if rule.action == "garbage":
            return 200, self.rng.randbytes(rule.get("bytes", 512)), {}, None
        if rule.action == "body":
            return 200, rule.get("body", "").encode(), {}, None
        if rule.action == "flood":
            return 200, b" " * (rule.get("mb", 64) << 20), {}, None
        if rule.action == "slow":
            await asyncio.sleep(rule.get("ms", 1000) / 1000)
        if rule.action == "unprocessed":
            return await self.part_of_batch(request, rule)
        return *self.alter(rule, request, *await self.forward(request, request.body)), rule

    async def part_of_batch(self, request, rule):
        part, member, left = faults.split_batch(request.op, request.json, rule.get("keep", 1))
        if part["RequestItems"]:
            status, body, _ = await self.forward(request, json.dumps(part).encode())
        else:
            status, body = 200, b'{"Responses": {}}'
        if status == 200:
            body = json.dumps(dict(json.loads(body), **{member: left})).encode()
        return status, body, {}, None

    def render(self, request, status, body, extra, bad_crc):
        headers = {"Content-Type": "application/x-amz-json-1.0",
                   "x-amzn-RequestId": "%032X" % self.rng.getrandbits(128),
                   "Date": formatdate(self.now(), usegmt=True)}
        if self.gzip and len(body) > 4096 and "gzip" in (request.get("accept-encoding") or ""):
            body = gzip.compress(body, 1)
            headers["Content-Encoding"] = "gzip"
        headers["x-amz-crc32"] = str(zlib.crc32(body) ^ (1 if bad_crc else 0))
        headers["Content-Length"] = str(len(body))
        headers.update(extra)
        return head_of(request, status, headers), body

    async def serve(self, client, request):
        ledger = self.ledger
        ledger.in_flight += 1
        ledger.max_in_flight = max(ledger.max_in_flight, ledger.in_flight)
        status, sent = 0, 0
        try:
            status, body, extra, rule = await self.answer(request)
            if self.latency:
                await asyncio.sleep(self.latency)
            self.classify(request, status, body)
            if rule and rule.action in ("close_before", "close_after"):
                status = 0
                client.close()
                return
            head, body = self.render(request, status, body, extra, rule and rule.action == "bad_crc")
            sent = len(body)
            if rule and rule.action == "cut":
                client.send(head + body[:len(body) // 2])
                client.close(gently=True)
            elif rule and rule.action == "drip":
                await self.drip(client, rule, head + body)
            else:
                client.send(head + body)
                if not request.keep:
                    client.close(gently=True)
        except (ConnectionError, OSError) as error:
            request.fault = "engine: %s" % error
            client.close()
        except asyncio.CancelledError:
            request.fault = request.fault or "client left"
        finally:
            ledger.in_flight -= 1
            ledger.done(request, status, sent)

    @staticmethod
    async def drip(client, rule, data):
        step = rule.get("bytes", 16)
        for start in range(0, len(data), step):
            client.send(data[start:start + step])
            await asyncio.sleep(rule.get("ms", 10) / 1000)

    @staticmethod
    def classify(request, status, body):
        if status == 200 and b'"ConsumedCapacity"' in body:
            try:
                request.units = units_of(json.loads(body))
            except (ValueError, AttributeError, TypeError):
                pass
        elif status >= 400:
            try:
                request.code = json.loads(body)["__type"].rpartition("#")[2]
            except (ValueError, KeyError, TypeError):
                request.code = "?"


class Control:
    """The commands of /_control; each returns a JSON value."""

    def __init__(self, proxy):
        self.proxy = proxy

    def run(self, command):
        name = command.pop("cmd", "")
        method = getattr(self, "cmd_" + name, None)
        if not method:
            raise ValueError("no such command: %r" % name)
        return method(**command)

    def cmd_reset(self):
        """Counters, remembered requests, bad signatures and faults: all gone.  The rest is as at the start."""
        self.proxy.ledger.reset()
        self.proxy.rules.clear()
        self.proxy.settle()

    def cmd_reset_counters(self):
        self.proxy.ledger.reset()

    def cmd_counters(self):
        return self.proxy.ledger.counters()

    def cmd_requests(self, op=None, bodies=False):
        """Requests since the last reset, oldest first, with their JSON bodies when asked."""
        found = []
        for record, body in self.proxy.ledger.requests:
            if op in (None, record["op"]):
                found.append(dict(record, body=body.decode("utf-8", "replace")) if bodies else record)
        return found

    def cmd_bad(self):
        """Requests whose signature was refused (a wrong clock is counted under "skewed" instead)."""
        return self.proxy.ledger.bad

    def cmd_fault(self, **spec):
        self.proxy.rules.add(spec)

    def cmd_faults(self):
        return self.proxy.rules.state()

    def cmd_clear_faults(self):
        self.proxy.rules.clear()

    def cmd_latency(self, ms):
        self.proxy.latency = ms / 1000

    def cmd_clock(self, seconds):
        """The service's clock runs this far ahead: of Date, and of what a signature may carry."""
        self.proxy.clock = seconds

    def cmd_gzip(self, on):
        self.proxy.gzip = on

    def cmd_verify(self, on):
        self.proxy.verify = on

    def cmd_credentials(self, key_id, secret, token=None):
        """Adds a key, or with secret null takes it away."""
        if secret is None:
            self.proxy.secrets.pop(key_id, None)
        else:
            self.proxy.secrets[key_id] = (secret, token)

    def cmd_engine(self, port):
        self.proxy.engine = Engine("127.0.0.1", port)

    def answer(self, request):
        try:
            status, value = 200, self.run(json.loads(request.body))
        except Exception as error:      # told to the test, which fails on it
            status, value = 400, {"error": "%s: %s" % (type(error).__name__, error)}
        return status, json.dumps(value).encode()


class Client(asyncio.Protocol):
    """One connection of the program under test."""

    def __init__(self, proxy, control):
        self.proxy = proxy
        self.control = control
        self.transport = None
        self.buffer = bytearray()
        self.task = None
        self.told_to_continue = False
        self.counted = False

    def connection_made(self, transport):
        self.transport = transport

    def connection_lost(self, exc):
        self.transport = None
        if self.task:
            self.task.cancel()

    def send(self, data):
        if self.transport:
            self.transport.write(data)

    def close(self, gently=False):
        if self.transport:
            (self.transport.close if gently else self.transport.abort)()

    def data_received(self, data):
        self.buffer += data
        if not self.task:
            self.next_request()

    def refuse(self, why):
        self.proxy.ledger.violations[why] += 1
        self.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        self.close(gently=True)

    def next_request(self):
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(self.buffer[:end])
        try:
            first, headers = parse_head(head)
            method, target, version = first
            values = dict(headers)
            length = int(values.get("content-length", "0"))
        except ValueError as error:
            self.refuse("not HTTP: %s" % error)
            return
        if "transfer-encoding" in values or not 0 <= length <= BODY_MAX:
            self.refuse("no usable Content-Length")
            return
        if len(self.buffer) < end + 4 + length:
            if values.get("expect") and not self.told_to_continue:
                self.told_to_continue = True
                if self.proxy.frowns_on_expect:
                    self.proxy.ledger.violations["Expect: 100-continue"] += 1
                self.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            return
        request = Request()
        request.method, request.target, request.headers, request.head = method, target, headers, head
        request.body = bytes(self.buffer[end + 4:end + 4 + length])
        request.keep = version == "HTTP/1.1" and values.get("connection", "").lower() != "close"
        del self.buffer[:end + 4 + length]
        self.told_to_continue = False
        self.start(request)

    def start(self, request):
        if request.target.startswith("/_control"):
            status, body = self.control.answer(request)
            head, body = self.proxy.render(request, status, body, {}, False)
            self.send(head + body)
            self.next_request()
            return
        if not self.counted:
            self.counted = True
            self.proxy.ledger.connections += 1
        request.started = time.monotonic()
        request.fault, request.code, request.units, request.more = None, "", 0, {}
        self.proxy.identify(request)
        self.task = asyncio.get_running_loop().create_task(self.proxy.serve(self, request))
        self.task.add_done_callback(self.served)

    def served(self, task):
        self.task = None
        if not task.cancelled() and task.exception():
            sys.stderr.write("proxy: %r\n" % task.exception())
            self.close()
        if self.transport and not self.transport.is_closing():
            self.next_request()


async def run(options, service, commands):
    proxy = service(options)
    for triple in options.key:
        key_id, secret, *token = triple.split(":")
        proxy.secrets[key_id] = (secret, token[0] if token else None)
    control = commands(proxy)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Client(proxy, control), "127.0.0.1", options.port, backlog=512)
    print("proxy on 127.0.0.1:%d" % server.sockets[0].getsockname()[1], flush=True)
    stop = loop.create_future()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, lambda: stop.done() or stop.set_result(None))
    await stop


def main(argv=None, service=Proxy, commands=Control):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--port", type=int, default=0, help="to listen on; 0: any, printed on the first line")
    parser.add_argument("--engine", type=int, required=True, help="port of the engine")
    parser.add_argument("--key", action="append", default=[], metavar="ID:SECRET[:TOKEN]")
    parser.add_argument("--latency", type=float, default=0, metavar="MS", help="added to every answer")
    parser.add_argument("--log", help="one JSON line per request")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-verify", action="store_true", help="accept any signature")
    asyncio.run(run(parser.parse_args(argv), service, commands))


if __name__ == "__main__":
    main()
