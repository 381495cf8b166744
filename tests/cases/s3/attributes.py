# SPDX-License-Identifier: Apache-2.0
# SECONDS: 21
# NEEDS: s3
# BUILDS: plain asan
# TIMEOUT: 300
"""Attribute files in S3: streams both ways, random reads, memory, conflicts, failures, killed writers, links."""

import hashlib
import json
import os
import signal
import subprocess
import time

from case import Failure, read, run, test, wait_for, write
from large import large_mount, objects, reference

MB = 1024 * 1024
SIZE = int(os.environ.get("DDBFS_LARGE_MB", "0")) * MB      # of the soak


def blob(n, seed=1):
    block = b"".join(hashlib.sha256(b"%d %d" % (seed, i)).digest() for i in range(4096))
    return (block * (n // len(block) + 1))[:n]


def attr(t, name="body", id_="1"):
    return t.get("Docs", {"Id": {"S": id_}}).get(name)


def source(t, data, name="source"):
    path = t.path(name)
    with open(path, "wb") as f:
        f.write(data)
    return path


def received(mount):
    return json.loads(read(mount / ".ddbfs/stats.json"))["received_bytes"]


def start(t, *options, **more):
    m = large_mount(t, *options, **more)
    write(m / "Docs/1.json", json.dumps({"n": 1}))
    return m


@test
def cp_both_ways(t):
    m = start(t)
    for n in (0, 1, 65536, 65537, MB + 1, 8 * MB, 8 * MB + 1, SIZE or 13 * MB + 1):
        path = source(t, blob(n, n))
        t.sh("rm -f Docs/1/body; cp %s Docs/1/body" % path)
        t.sh("cmp %s Docs/1/body" % path)
        t.eq(os.stat(m / "Docs/1/body").st_size, n)
        ref = reference(attr(t))
        t.eq(ref is not None, n > 65536, "in S3: %d" % n)
        if ref:
            t.eq((ref["size"], ref["sha256"]), (n, hashlib.sha256(blob(n, n)).hexdigest()))
    t.eq(attr(t, "n"), {"N": "1"})
    wait_for(lambda: objects(t) == [reference(attr(t))["key"]], 20, "what was replaced to go")
    t.eq(t.s3.uploads(), [])
    os.unlink(m / "Docs/1/body")
    wait_for(lambda: not objects(t), 20, "the object to go")


@test
def text_and_bytes(t):
    m = start(t)
    text = ("\u00e4\u20ac\U0001f600" * 300000).encode()
    t.sh("cp %s Docs/1/text; cp %s Docs/1/bytes" % (source(t, text), source(t, blob(3 * MB), "b")))
    t.eq((reference(attr(t, "text"))["type"], reference(attr(t, "bytes"))["type"]), ("S", "B"))
    t.sh("cp %s Docs/1/bytes" % source(t, text))        # its type is kept
    t.eq(reference(attr(t, "bytes"))["type"], "B")
    failed = t.sh("cp %s Docs/1/text" % source(t, blob(3 * MB)), check=False)
    t.true(failed.returncode != 0, "bytes are no text")
    with open(m / "Docs/1/text", "rb") as f:
        t.true(f.read() == text, "the old text is there")


@test
def random_reads(t):
    m = start(t)
    data = blob(SIZE or 12 * MB)
    t.sh("cp %s Docs/1/body" % source(t, data))
    m.flush()
    middle = len(data) // 4096 // 2 + 3
    before = received(m)
    done = t.sh("dd if=Docs/1/body bs=4k count=1 skip=%d status=none" % middle, text=False)
    t.true(done.stdout == data[middle * 4096:(middle + 1) * 4096], "the right bytes")
    t.at_most(received(m) - before, 2 * MB, "bytes moved by a read of 4 KB")


@test
def memory(t):
    start(t, env={"MALLOC_PERTURB_": "0"})      # which writes into what nobody has asked for
    path = source(t, blob(SIZE or 32 * MB))
    t.sh("cp %s Docs/1/body" % path, timeout=120)
    t.peak_at_most(31, "after writing")
    t.sh("cmp %s Docs/1/body" % path, timeout=120)
    t.peak_at_most(31, "after reading")


@test
def appending(t):
    m = start(t)
    first, second, third = blob(3 * MB, 1), blob(2 * MB, 2), b"the end"
    a, b, c = source(t, first, "a"), source(t, second, "b"), source(t, third, "c")
    t.sh("{ cat %s; cat %s; } > Docs/1/body" % (a, b))
    t.sh("cat %s >> Docs/1/body" % c)
    with open(m / "Docs/1/body", "rb") as f:
        data = f.read()
    t.eq([len(data), len(t.s3.get(reference(attr(t))["key"]))], [len(first + second + third)] * 2)
    t.true(data == first + second + third, "all three")
    with open(m / "Docs/1/body", "r+b") as f:
        t.fails(("EOPNOTSUPP", "ENOTSUP"), os.pwrite, f.fileno(), b"x", 17)
    wait_for(lambda: len(objects(t)) == 1, 20, "what was replaced to go")


@test
def conflict(t):
    m = start(t, "cache_ttl=60")
    path = source(t, blob(2 * MB, 1))
    t.sh("cp %s Docs/1/body" % path)
    t.sh("cmp %s Docs/1/body" % path)
    other = large_mount(t)
    t.sh("cp %s Docs/1/body" % source(t, blob(2 * MB, 2), "other"), cwd=other.path)
    mine = source(t, blob(2 * MB, 3), "mine")
    with open(m / "Docs/1/body", "rb") as f:
        f.read(10)
        failed = t.sh("head -c 10 Docs/1/body >/dev/null; cat %s > Docs/1/body" % mine, check=False)
    t.true("Stale" in failed.stderr or failed.returncode in (0, 1), failed.stderr)
    key = reference(attr(t))["key"]
    t.true(t.s3.get(key) in (blob(2 * MB, 2), blob(2 * MB, 3)), "one of them, whole")
    wait_for(lambda: objects(t) == [key], 20, "only what is referred to")


@test
def refused_is_kept(t):
    m = start(t)
    path = source(t, blob(9 * MB, 1))
    t.sh("cp %s Docs/1/body" % path)
    before = attr(t)
    small = large_mount(t, "rejected_max=4M")
    for mount, denied in ((m, blob(10 * MB, 2)), (small, blob(11 * MB, 3))):
        t.proxy.fault(action="access_denied", match={"op": "UpdateItem"}, times=1)
        failed = t.sh("cp %s Docs/1/body" % source(t, denied, "denied"), check=False, cwd=mount.path)
        t.true("Permission denied" in failed.stderr, failed.stderr)
        t.eq(attr(t), before)
        kept = mount / ".ddbfs/rejected/Docs/1/body"
        with open(kept + (".why" if mount is m else ".2.why"), encoding="utf-8") as f:
            why = json.load(f)
        t.eq(why["errno"], "EACCES")
        if mount is m:      # on the local disk
            with open(kept, "rb") as f:
                t.true(f.read() == denied, "the text is kept")
            wait_for(lambda: objects(t) == [reference(before)["key"]], 20, "the object to go")
            t.contains(m.errors()[-1]["message"], ".ddbfs/rejected/Docs/1/body")
            t.sh("cp .ddbfs/rejected/Docs/1/body Docs/1/again")
            t.eq(reference(attr(t, "again"))["sha256"], hashlib.sha256(denied).hexdigest())
            os.unlink(m / "Docs/1/again")
        else:               # too large for there
            key = why["object"].partition(t.s3.bucket + "/")[2]
            t.true(t.s3.get(key) == denied, "the object is kept")
            t.contains(mount.errors()[-1]["message"], why["object"])
    for text in ("small", "other"):
        t.proxy.fault(action="access_denied", match={"op": "UpdateItem"}, times=1)
        t.sh("echo %s > Docs/1/body" % text, check=False)
    t.eq(read(m / ".ddbfs/rejected/Docs/1/body.3"), "other\n")
    t.eq(json.loads(read(m / ".ddbfs/rejected/Docs/1/body.2.why"))["object"], why["object"])


@test
def killed_writer(t):
    m = start(t)
    t.sh("cp %s Docs/1/body" % source(t, blob(2 * MB)))
    before = attr(t)
    script = """
import os, time
f = os.open("Docs/1/body", os.O_WRONLY | os.O_TRUNC)
for i in range(12):
    os.write(f, b"x" * 1048576)
time.sleep(60)"""
    child = subprocess.Popen(["python3", "-c", script], cwd=m.path)
    wait_for(lambda: t.s3.proxy.requests_of("UploadPart"), 20, "the upload to be under way")
    child.send_signal(signal.SIGKILL)
    child.wait()
    wait_for(lambda: not t.s3.uploads(), 20, "the upload to be aborted")
    t.eq(attr(t), before)
    wait_for(lambda: objects(t) == [reference(before)["key"]], 20, "nothing else to be left")


@test
def faults(t):
    m = start(t)
    impatient = large_mount(t, "op_timeout=1s", "request_timeout=1s")
    data = blob(12 * MB, 7)
    path = source(t, data)
    t.sh("cp %s Docs/1/body" % path)
    before = attr(t)
    t.s3.proxy.fault(action="slow_down", match={"op": "UploadPart"}, times=1)       # passes
    t.sh("cp %s Docs/1/again" % path)
    t.sh("cmp %s Docs/1/again" % path)
    for action in ("access_denied", "hang"):
        t.s3.proxy.fault(action=action, match={"op": "UploadPart"}, times=50)
        failed = t.sh("cp %s Docs/1/body" % source(t, blob(12 * MB, 8), "new"), check=False, cwd=impatient.path)
        t.true(failed.returncode != 0, action)
        t.s3.proxy.clear_faults()
        t.eq(attr(t), before, action)
    m.flush()
    t.s3.proxy.fault(action="cut", match={"op": "GetObject"}, times=1)
    t.sh("cmp %s Docs/1/body" % path)
    t.s3.client.delete_object(Bucket=t.s3.bucket, Key=reference(before)["key"])
    m.flush()
    failed = t.sh("cat Docs/1/body", check=False, text=False)
    t.true(b"Input/output error" in failed.stderr, failed.stderr)
    t.true(any("not in S3" in e["message"] for e in m.errors()), "a clear message")


@test
def spoilt(t):
    m = start(t)
    t.sh("cp %s Docs/1/body" % source(t, blob(3 * MB)))
    key = reference(attr(t))["key"]
    t.s3.put(key, b"X" + t.s3.get(key)[1:])
    m.flush()
    failed = t.sh("cat Docs/1/body", check=False, text=False)
    t.true(b"Input/output error" in failed.stderr, failed.stderr)


@test
def links_of_other_tools(t):
    m = start(t)
    t.s3.put("theirs/1", b"their content")
    elsewhere = t.s3.another_bucket()
    t.s3.put("theirs/2", b"not for us", bucket=elsewhere)
    mapper = json.dumps({"s3": {"bucket": t.s3.bucket, "key": "theirs/1", "region": None}})
    t.put("Docs", {"Id": {"S": "2"}, "mapper": {"S": mapper}, "url": {"S": "s3://%s/theirs/1" % t.s3.bucket},
                   "other": {"S": "s3://%s/theirs/2" % elsewhere}, "gone": {"S": "s3://%s/nothing" % t.s3.bucket}})
    t.eq(read(m / "Docs/2/mapper"), "their content")
    t.eq(read(m / "Docs/2/url"), "their content")
    t.eq(os.stat(m / "Docs/2/url").st_size, 13)
    t.eq(read(m / "Docs/2/other"), "s3://%s/theirs/2" % elsewhere)
    t.fails("EIO", read, m / "Docs/2/gone")
    t.eq(json.loads(read(m / "Docs/2.json"))["mapper"], mapper)
    write(m / "Docs/2/url", "mine now")
    t.eq(attr(t, "url", "2"), {"S": "mine now"})
    os.unlink(m / "Docs/2.json")
    time.sleep(0.5)
    t.eq(t.s3.get("theirs/1"), b"their content")
    t.eq(t.s3.proxy.requests(op="GetObject") and all(elsewhere not in str(r) for r in t.s3.proxy.requests()), True)


@test
def renames(t):
    m = start(t)
    data = blob(3 * MB)
    t.sh("cp %s Docs/1/body && mv Docs/1/body Docs/1/moved" % source(t, data))
    t.eq(attr(t, "body"), None)
    ref = reference(attr(t, "moved"))
    t.true(t.s3.get(ref["key"]) == data, "its content")
    wait_for(lambda: objects(t) == [ref["key"]], 20, "the old object to go")
    t.sh("mv Docs/1.json Docs/3.json")
    t.sh("cmp %s Docs/3/moved" % t.path("source"))
    if not os.path.exists(m / "Docs/3.json"):
        raise Failure("the item is not there")


run(shared=True)
