# SPDX-License-Identifier: Apache-2.0
# SECONDS: 15
# BUILDS: plain asan
# TIMEOUT: 240
"""The service and the network at their worst: the errno of the contract, one clear line in the log, and
never longer than op_timeout."""

import contextlib
import os
import signal
import subprocess
import threading
import time

from case import Failure, read, run, slow_factor, test, write

PATH = "Music/Artist 00/Song 0001.json"
FEW = {"AWS_MAX_ATTEMPTS": "2"}


@contextlib.contextmanager
def within(t, seconds):
    started = time.monotonic()
    yield
    t.at_most(time.monotonic() - started, seconds * slow_factor(), "seconds it took")


def world(t, options="op_timeout=3,cache_ttl=0", env=FEW):
    t.music(partitions=2, items=5)
    m = t.mount(options=options, env=env)
    os.stat(m / "Music")
    return m


def told(t, m, code):
    """One line in the log and one in errors.jsonl name what happened."""
    lines = [line for line in m.text().split("\n") if code in line]
    t.true(len(lines) >= 1, "%s in the log" % code)
    t.true(any(code in str(e) for e in m.errors()), "%s in errors.jsonl" % code)


def fired(t, what):
    """The fault has happened: a test that meets no fault shows nothing."""
    t.eq([rule["fired"] for rule in t.proxy.faults()], [1], what + " happened")
    t.proxy.clear_faults()


@test
def engine_gone(t):
    m = world(t)
    t.proxy.stop()
    with within(t, 4):
        t.fails("EHOSTUNREACH", read, m / PATH)
    with within(t, 4):
        t.fails("EHOSTUNREACH", os.listdir, m / "Music/Artist 00")
    with within(t, 4):
        t.fails("EHOSTUNREACH", write, m / "Music/Artist 00/New.json", "{}")
    t.eq(m.errors()[-1]["errno"], "EHOSTUNREACH")


@test
def hang(t):
    m = world(t, "op_timeout=2,cache_ttl=0")
    t.proxy.fault(action="hang", times=-1)
    with within(t, 4):
        t.fails("ETIMEDOUT", read, m / PATH)
    with within(t, 4):
        t.fails("ETIMEDOUT", os.listdir, m / "Music/Artist 01")
    with within(t, 4):
        t.fails("ETIMEDOUT", write, m / "Music/Artist 00/New.json", "{}")
    t.proxy.clear_faults()
    t.contains(read(m / PATH), "Song 0001")


@test
def throttled(t):
    m = world(t, "op_timeout=20,cache_ttl=0")
    t.proxy.fault(action="throttle", times=-1)
    t.fails("EBUSY", read, m / PATH)
    t.fails("EBUSY", write, m / "Music/Artist 00/New.json", "{}")
    told(t, m, "ProvisionedThroughputExceeded")
    t.proxy.clear_faults()
    t.proxy.fault(action="throttle")
    t.contains(read(m / PATH), "Song 0001")


@test
def trouble_once_is_not_noticed(t):
    m = world(t, "op_timeout=20,cache_ttl=0", env={})
    for action in ("500", "503", "close_before", "close_after", "cut", "bad_crc", "garbage"):
        t.proxy.fault(action=action)
        t.contains(read(m / PATH), "Song 0001", action)
        fired(t, action)
        t.proxy.fault(action=action, match={"op": "Query"})
        t.eq(len(os.listdir(m / "Music/Artist 00")), 5, action)
        fired(t, action)
    t.eq(len(t.scan("Music")), 10)


@test
def answers_of_writes_that_get_lost(t):
    m = world(t, "op_timeout=20,cache_ttl=0", env={})
    key = {"Artist": {"S": "Artist 00"}, "SongTitle": {"S": "New"}}
    path = m / "Music/Artist 00/New.json"
    for n, action in enumerate(("close_after", "cut", "bad_crc", "500", "close_before")):
        t.proxy.fault(action=action, match={"op": "PutItem"})
        write(path, '{"n": %d}' % n)
        t.eq(t.get("Music", key)["n"], {"N": str(n)}, action)
        fired(t, action + " of a put")
        t.contains(read(path), '"n": %d' % n, action)
        t.proxy.fault(action=action, match={"op": "UpdateItem"})
        write(path, '{"n": %d, "u": true}' % n)      # conditional: it was read
        t.eq(t.get("Music", key)["u"], {"BOOL": True}, action)
        fired(t, action + " of an update")
        t.proxy.fault(action=action, match={"op": "DeleteItem"})
        os.unlink(path)
        t.eq(t.get("Music", key), None, action)
        fired(t, action + " of a delete")
        t.proxy.fault(action=action, match={"op": "TransactWriteItems"})
        os.rename(m / PATH, path)
        t.eq(t.get("Music", key)["SongTitle"], {"S": "New"}, action)
        fired(t, action + " of a rename")
        os.rename(path, m / PATH)


@test
def always_500(t):
    m = world(t, "op_timeout=20,cache_ttl=0")
    t.proxy.fault(action="500", times=-1)
    t.fails("EIO", read, m / PATH)
    t.fails("EIO", os.stat, m / "Music/Artist 00/Nope.json")     # never ENOENT because of a failure
    told(t, m, "InternalServerError")


@test
def access_denied(t):
    m = world(t)
    t.proxy.fault(action="access_denied", times=-1)
    t.fails("EACCES", read, m / PATH)
    t.fails("EACCES", os.listdir, m / "Music/Artist 00")
    t.fails("EACCES", write, m / "Music/Artist 00/New.json", "{}")
    told(t, m, "AccessDenied")
    error = m.errors()[-1]
    t.eq(error["errno"], "EACCES")
    t.contains(error["code"], "AccessDenied")
    t.true(len(error["request_id"]) > 8, "the request id")
    t.contains(error["message"], "not authorized")


@test
def expired_token(t):
    m = world(t)
    t.proxy.fault(action="expired_token", times=-1)
    t.fails("EACCES", read, m / PATH)
    told(t, m, "ExpiredToken")


@test
def wrong_secret(t):
    t.music()
    t.proxy.bad_expected = True
    try:
        m = t.mount(env=dict(FEW, AWS_SECRET_ACCESS_KEY="wrong"), options="op_timeout=5")
    except Failure as failure:      # it may as well say so at once
        t.contains(str(failure).lower(), "signature")
    else:
        t.fails("EACCES", os.listdir, m / "Music")
        told(t, m, "InvalidSignature")
    t.true(t.proxy.bad(), "the proxy noticed")
    t.true("wrong" not in "".join(x.text() for x in t.mounts), "no secret in the log")


@test
def no_such_table(t):
    m = world(t)
    t.fails("ENOENT", os.stat, m / "Nope")
    t.db.delete_table(TableName="Music")
    m.flush()
    t.fails("ENOENT", read, m / PATH)


@test
def clock_is_wrong(t):
    m = world(t, "op_timeout=20,cache_ttl=0", env={})
    for seconds in (3600, -7200):
        t.proxy.clock(seconds=seconds)
        t.contains(read(m / PATH), "Song 0001")
        skewed = t.proxy.counters()["skewed"]
        t.true(skewed >= 1, "a request was refused for its clock")
        for _ in range(5):
            read(m / PATH)
        t.eq(t.proxy.counters()["skewed"], skewed, "learnt once")
        t.proxy.reset_counters()


@test
def interrupted(t):
    m = world(t, "op_timeout=60,cache_ttl=0")
    t.proxy.fault(action="hang", times=-1)
    for command in (["cat", m / PATH], ["ls", m / "Music/Artist 01"], ["rm", "-f", m / PATH]):
        # what was started in the background of a script ignores SIGINT, and its children do
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                 preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
        time.sleep(0.5)
        t.true(child.poll() is None, "it waits: %s" % command[0])
        child.send_signal(signal.SIGINT)
        try:
            child.wait(2 * slow_factor())
        except subprocess.TimeoutExpired as error:
            child.kill()
            raise Failure("Ctrl-C does not end %s" % command[0]) from error
    t.proxy.clear_faults()
    t.contains(read(m / PATH), "Song 0001")


@test
def others_go_on_while_one_waits(t):
    m = world(t, "op_timeout=20,cache_ttl=0")
    t.proxy.fault(action="hang", times=-1, match={"contains": "Song 0001"})
    waiting = [threading.Thread(target=lambda: os.path.exists(m / PATH), daemon=True) for _ in range(4)]
    for thread in waiting:
        thread.start()
    time.sleep(0.2)
    with within(t, 3):
        t.contains(read(m / "Music/Artist 01/Song 0002.json"), "Song 0002")
        t.eq(len(os.listdir(m / "Music/Artist 01")), 5)
        write(m / "Music/Artist 01/New.json", "{}")
    t.proxy.clear_faults()
    t.proxy.stop()      # ends what hangs


@test
def cached_paths_outlive_the_network(t):
    m = world(t, "op_timeout=3,cache_ttl=600")
    t.sh("ls -lR Music >/dev/null; cat Music/*/* >/dev/null")
    t.proxy.stop()
    with within(t, 3):
        t.contains(t.sh("ls -l 'Music/Artist 00'; cat Music/'Artist 00'/*").stdout, "Song 0004")


run()
