# SPDX-License-Identifier: Apache-2.0
# SECONDS: 17
# BUILDS: plain tsan
# TIMEOUT: 120
"""-o commit=batch: many small files in few requests, and what close answered 0 for is never lost."""

import glob
import json
import os
import time

from case import read, run, test, wait_for, write
from crash import Rounds


def left(t):
    """Bytes in the journals of saves."""
    return sum(os.path.getsize(name) for name in glob.glob(t.path("**", "journal", "*", "saves*"), recursive=True))


@test
def copy(t):
    t.create_table("Copy", "pk:S", "sk:S")
    source = t.path("source")
    for part in range(5):
        os.makedirs(os.path.join(source, "part%d" % part))
        for i in range(200):
            write(os.path.join(source, "part%d" % part, "item%03d.json" % i), '{"n": %d}\n' % i)
    m = t.mount("Copy", ["commit=batch"])
    t.proxy.reset_counters()
    t.sh("cp -r '%s/.' '%s'" % (source, m / "Copy"))
    folder = os.open(m / "Copy", os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)
    t.eq(t.proxy.requests_of("PutItem"), 0)
    t.at_most(t.proxy.requests_of("BatchWriteItem"), 60, "of 25")
    t.at_most(t.proxy.requests_of(), 80, "requests for 1,000 files")
    t.eq(len(t.scan("Copy")), 1000)
    t.eq(left(t), 0)


@test
def one_by_one(t):
    """What was asked for before close=batch returned is as with commit=close: a file, its new version, its end."""
    t.create_table("Users", "Id:S")
    m = t.mount("Users", ["commit=batch"])
    for i in range(50):
        write(m / "Users/1.json", '{"n": %d}\n' % i)
        t.eq(json.loads(read(m / "Users/1.json"))["n"], i)
    write(m / "Users/2.json", '{"n": 2}\n')
    os.rename(m / "Users/2.json", m / "Users/3.json")
    t.eq(sorted(os.listdir(m / "Users")), ["1.json", "3.json"])
    os.unlink(m / "Users/1.json")
    t.eq(os.listdir(m / "Users"), ["3.json"])
    t.eq([item["Id"]["S"] for item in t.scan("Users")], ["3"])


@test
def touched(t):
    """`touch` is sent at release, which nobody waits for: its late answer is not taken for what the item is by then."""
    for commit, table in (("batch", "Users"), ("close", "Others")):
        t.create_table(table, "Id:S")
        m = t.mount(table, ["commit=" + commit])
        for name in ("renamed", "written", "removed"):
            path = m / ("%s/%s.json" % (table, name))
            t.proxy.fault(action="drip", bytes=40, ms=30, match={"op": "PutItem", "contains": name})
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o644))
            # its answer takes longer
            wait_for(lambda table=table, key=name: t.get(table, {"Id": {"S": key}}), 5, "touch to be applied")
            if name == "renamed":
                write(m / (table + "/new.tmp"), '{"n": 1}\n')
                os.rename(m / (table + "/new.tmp"), path)
            elif name == "written":
                write(path, '{"n": 1}\n')
            else:
                os.unlink(path)
            time.sleep(0.6)
            t.eq(os.path.exists(path), name != "removed")
            if name != "removed":
                t.eq(json.loads(read(path))["n"], 1)
                write(path, '{"n": 2}\n')
        t.eq(m.errors(), [])
        m.umount()
        t.eq(sorted((item["Id"]["S"], item["n"]["N"]) for item in t.scan(table)), [("renamed", "2"), ("written", "2")])


@test
def conflict(t):
    t.create_table("Users", "Id:S")
    t.put("Users", {"Id": {"S": "42"}, "Name": {"S": "Ada"}})
    m = t.mount("Users", ["commit=batch", "cache_ttl=60"])
    text = read(m / "Users/42.json")
    t.put("Users", {"Id": {"S": "42"}, "Name": {"S": "Bob"}})
    write(m / "Users/42.json", text.replace("Ada", "Grace"))
    wait_for(lambda: any(e["errno"] == "ESTALE" for e in m.errors()), 10, "the refusal to be told")
    t.eq(t.get("Users", {"Id": {"S": "42"}})["Name"], {"S": "Bob"})
    t.contains(read(m / ".ddbfs/rejected/Users/42.json"), "Grace")


@test
def unmount(t):
    t.create_table("Users", "Id:S")
    m = t.mount("Users", ["commit=batch"])
    t.proxy.latency(ms=30)
    for i in range(100):
        write(m / ("Users/%d.json" % i), '{"n": %d}\n' % i)
    m.umount()
    t.eq(len(t.scan("Users")), 100)
    t.eq(left(t), 0)


@test
def outage(t):
    """The service is away: close does not care, fsync says so, the next mount sends it."""
    t.create_table("Users", "Id:S")
    m = t.mount("Users", ["commit=batch", "op_timeout=2s", "max_attempts=1"])
    write(m / "Users/0.json", '{"n": 0}\n')
    for op in ("BatchWriteItem", "PutItem"):
        t.proxy.fault(action="throttle", match={"op": op}, times=-1)
    for i in range(1, 20):
        fd = os.open(m / ("Users/%d.json" % i), os.O_WRONLY | os.O_CREAT, 0o644)
        os.write(fd, b'{"n": 1}\n')
        os.close(fd)
    t.true(left(t) > 0, "something is in the journal")
    m.kill()
    t.proxy.clear_faults()
    m = t.mount("Users", ["commit=close"])
    t.eq(len(t.scan("Users")), 20)
    t.eq(left(t), 0)


def write_five(m):
    """Items in each of the two tables, those of Others first."""
    for table in ("Others", "Users"):
        for i in range(5):
            write(m / ("%s/%d.json" % (table, i)), '{"n": %d}\n' % i)


@test
def one_table(t):
    """A table that is throttled holds up no other."""
    t.create_table("Users", "Id:S")
    t.create_table("Others", "Id:S")
    m = t.mount("Users,Others", ["commit=batch", "op_timeout=5s", "max_attempts=1"])
    for op in ("BatchWriteItem", "PutItem"):
        t.proxy.fault(action="throttle", match={"op": op, "table": "Others"}, times=-1)
    write_five(m)
    fd = os.open(m / "Users/4.json", os.O_WRONLY)
    os.fsync(fd)
    os.close(fd)
    t.eq(sorted(os.listdir(m / "Users")), ["%d.json" % i for i in range(5)])
    t.eq(len(t.scan("Users")), 5)
    t.eq(len(t.scan("Others")), 0)
    t.proxy.clear_faults()
    wait_for(lambda: len(t.scan("Others")) == 5, 40, "the rest to be sent")


@test
def denied(t):
    """No permission is a refusal; without BatchWriteItem in the policy, PutItem does."""
    t.create_table("Users", "Id:S")
    t.create_table("Others", "Id:S")
    m = t.mount("Users,Others", ["commit=batch"])
    t.proxy.fault(action="access_denied", match={"op": "BatchWriteItem"}, times=-1)
    t.proxy.fault(action="access_denied", match={"op": "PutItem", "table": "Others"}, times=-1)
    write_five(m)
    fd = os.open(m / "Users", os.O_RDONLY)
    os.fsync(fd)
    os.close(fd)
    t.eq(len(t.scan("Users")), 5)
    t.eq(os.listdir(m / "Others"), [])
    t.contains(read(m / ".ddbfs/rejected/Others/4.json"), '"n": 4')
    t.eq(sum(e["errno"] == "EACCES" for e in m.errors()), 5)
    t.eq(left(t), 0)


@test
def kill(t):
    Rounds(t, int(os.environ.get("DDBFS_ROUNDS", "20")), int(os.environ.get("DDBFS_SEED", "1")),
           options=["commit=batch"]).run()


run()
