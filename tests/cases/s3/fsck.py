# SPDX-License-Identifier: Apache-2.0
# SECONDS: 16
# NEEDS: s3
# BUILDS: plain asan
# TIMEOUT: 240
"""fsck.ddbfs: orphans, dangling references, damage; what it leaves alone; exit statuses; the bar."""

import hashlib
import json
import os
import pty
import subprocess

from case import read, run, slow_factor, test, write
from large import large_mount, objects, referred
from processes import REGION, build_dir


def fsck(t, *args, tables="Docs,Music", options="", status=0, env=None, **more):
    argv = [os.path.join(build_dir(), "src", "app", "fsck.ddbfs"), "-g", "0", *args,
            "-o", "endpoint_url=http://127.0.0.1:%d,region=%s%s" % (t.proxy.port, REGION, options)]
    if "s3_bucket" not in options:
        argv += ["-o", "s3_bucket=" + t.s3.bucket]
    done = subprocess.run([*argv, tables], env={**t.env, "AWS_ENDPOINT_URL_S3": t.s3.endpoint, **(env or {})},
                          capture_output=True, text=True, timeout=60 * slow_factor(), check=False, **more)
    t.eq(done.returncode, status, "fsck.ddbfs %s: %s%s" % (" ".join(args), done.stdout, done.stderr))
    return done.stdout


def fill(t, n=5):
    m = large_mount(t)
    for i in range(n):
        write(m / ("Docs/%d.json" % i), json.dumps({"body": "%d" % i * 100000, "other": "o" * 70000}))
    m.umount()
    t.eq(len(objects(t)), 2 * n)
    return m


@test
def clean(t):
    fill(t)
    out = fsck(t)
    t.true("5 items, 10 references, 10 objects; 0 orphans" in out, out)
    fsck(t, "-y")
    fsck(t, "-c")
    t.eq(fsck(t, "-q"), "")
    t.eq(len(objects(t)), 10)


@test
def orphans(t):
    fill(t)
    t.db.delete_item(TableName="Docs", Key={"Id": {"S": "3"}})      # as another program, or TTL
    prefix = objects(t)[0].rsplit("/", 1)[0]
    t.s3.put(prefix + "/" + "0" * 32 + "-" + "1" * 32, b"left by a crash")
    t.s3.put("ddbfs/unrelated", b"not a table's")
    kept = referred(t, "Docs")
    out = fsck(t, "-n", status=4)
    t.eq(out.count("orphan: s3://"), 3)
    t.eq(len(objects(t)), 12)
    fsck(t, "-y", "-g", "1h")                                       # too young
    t.eq(len(objects(t)), 12)
    fsck(t, "-y", status=1)
    t.eq(objects(t), sorted([*kept, "ddbfs/unrelated"]))
    fsck(t)


@test
def uploads(t):
    fill(t, 1)
    prefix = objects(t)[0].rsplit("/", 1)[0]
    t.s3.client.create_multipart_upload(Bucket=t.s3.bucket, Key=prefix + "/x")
    t.s3.client.create_multipart_upload(Bucket=t.s3.bucket, Key="elsewhere")
    fsck(t, "-y", status=1)
    t.eq(t.s3.uploads(), ["elsewhere"])


@test
def dangling_and_damaged(t):
    fill(t)
    keys = objects(t)
    t.s3.client.delete_object(Bucket=t.s3.bucket, Key=keys[0])
    t.s3.put(keys[1], b"short")
    body = t.s3.get(keys[2])
    t.s3.put(keys[2], b"X" + body[1:])
    out = fsck(t, "-y", status=4)
    t.true("dangling reference: s3://%s/%s of Docs" % (t.s3.bucket, keys[0]) in out, out)
    t.true("damaged object: s3://%s/%s" % (t.s3.bucket, keys[1]) in out, out)
    t.true(keys[2] not in out, "sizes alone do not show that")
    out = fsck(t, "-c", status=4)
    t.true("damaged object: s3://%s/%s" % (t.s3.bucket, keys[2]) in out, out)
    t.true("SHA-256" in out, out)


@test
def two_buckets_and_prefixes(t):
    other = t.s3.another_bucket()
    m = large_mount(t)
    write(m / "Docs/1.json", json.dumps({"body": "1" * 100000}))
    m.umount()
    for option in ("s3_bucket=%s:%s" % (other, t.s3.bucket), "s3_prefix=another/"):
        m = t.mount("Docs", [option, *([] if "s3_bucket" in option else ["s3_bucket=" + t.s3.bucket])],
                    env={"AWS_ENDPOINT_URL_S3": t.s3.endpoint})
        write(m / ("Docs/%s.json" % option[3:6]), json.dumps({"body": "2" * 100000}))
        m.umount()
    t.eq((len(objects(t)), len(t.s3.keys(bucket=other))), (2, 1))
    fsck(t, "-y", options=",s3_bucket=%s:%s" % (t.s3.bucket, other))
    out = fsck(t, "-y")
    t.true("2 references lead elsewhere" in out, out)
    t.eq((len(objects(t)), len(t.s3.keys(bucket=other))), (2, 1))


@test
def statuses(t):
    fill(t, 1)
    fsck(t, tables="Nosuch", status=8)
    fsck(t, "-n", "-y", status=16)
    fsck(t, options=",nonsense=1,s3_bucket=x", status=16)
    fsck(t, tables="Do*")
    fsck(t, tables="X*", status=8)
    t.s3.proxy.fault(action="access_denied", match={"op": "ListObjectsV2"}, times=99)
    fsck(t, "-y", status=8)
    t.eq(len(objects(t)), 2)


def read_terminal(master):
    """All that was written to it; it comes in pieces, and EIO ends it."""
    shown = b""
    try:
        while True:
            shown += os.read(master, 65536)
    except OSError:
        os.close(master)
    return shown


@test
def the_bar(t):
    fill(t, 1)
    master, slave = pty.openpty()
    argv = [os.path.join(build_dir(), "src", "app", "fsck.ddbfs"), "-o",
            "endpoint_url=http://127.0.0.1:%d,region=%s,s3_bucket=%s" % (t.proxy.port, REGION, t.s3.bucket), "Docs"]
    done = subprocess.run(argv, env={**t.env, "AWS_ENDPOINT_URL_S3": t.s3.endpoint}, stdout=subprocess.PIPE,
                          stderr=slave, timeout=60 * slow_factor(), check=False)
    os.close(slave)
    shown = read_terminal(master)
    t.eq(done.returncode, 0)
    t.true(b"Docs: reading items" in shown and shown.endswith(b"\r\x1b[K"), repr(shown))
    t.true(b"\x1b" not in done.stdout, repr(done.stdout))


@test
def dropped_tables(t):
    fill(t)
    mine = objects(t)
    folder, _, name = mine[0].rpartition("/")
    kept = [folder[:-16] + "0" * 16 + "/" + name, "ddbfs/Docs", "ddbfs/a/b", "ddbfs/z-" + "0" * 16 + "/x"]
    for key in kept:        # of another account's table of that name; no table's at all
        t.s3.put(key, b"x")
    t.db.delete_table(TableName="Docs")
    for tables in ("Docs", "*", "D?cs,Music"):
        out = fsck(t, "-n", tables=tables, status=4)
        t.eq(out.count("orphan: s3://"), 10)
        t.true("Docs: the table does not exist any more" in out, out)
    fsck(t, "-y", "-g", "1h", tables="*")                           # too young
    t.eq(len(objects(t)), 10 + len(kept))
    arn = t.db.describe_table(TableName="Music")["Table"]["TableArn"].replace("Music", "Docs")
    far = arn.replace(arn.split(":")[3], "xx-far-1")                # what is there cannot be known here
    kept.append("ddbfs/Docs-%s/x" % hashlib.sha256(far.encode()).hexdigest()[:16])
    t.s3.put(kept[-1], b"x")
    t.proxy.fault(action="error", code="ResourceNotFoundException", match={"op": "DescribeTable", "contains": far},
                  times=9)
    fsck(t, "-y", tables=far, status=8)
    t.db.delete_table(TableName="Music")                            # nobody can say what Docs' ARN was
    fsck(t, "-y", tables="Docs", status=8)
    fsck(t, "-y", tables="*", status=8)
    t.eq(len(objects(t)), 10 + len(kept))
    t.create_table("Music", "Artist:S", "Song:S")
    fsck(t, "-y", tables="*", status=1)
    t.eq(objects(t), sorted(kept))
    fsck(t, tables="*")
    fsck(t, tables="Docs", status=8)


@test
def restored_tables(t):
    """A table that was restored under another name refers to the objects of the one that is gone."""
    fill(t, 2)
    t.create_table("Copy", "Id:S")
    for item in t.db.scan(TableName="Docs")["Items"]:
        t.put("Copy", item)
    t.db.delete_table(TableName="Docs")
    mine = objects(t)
    fsck(t, "-y", tables="*", status=8)
    t.eq(objects(t), mine)
    t.proxy.fault(action="access_denied", match={"op": "Scan", "table": "Copy"}, times=-1)
    fsck(t, "-y", tables="*", status=8)         # what it refers to is not known
    t.eq(objects(t), mine)
    t.db.delete_table(TableName="Copy")
    fsck(t, "-y", tables="*", status=1)
    t.eq(objects(t), [])


@test
def while_it_is_used(t):
    m = large_mount(t)
    for i in range(10):
        write(m / ("Docs/%d.json" % i), json.dumps({"body": "%d" % i * 70000}))
    script = """
        for n in 1 2; do for i in {0..9}; do
                printf '{"body": "%0100000d"}' $n$i > Docs/$i.json
                mv Docs/$i.json Docs/r$i.json; mv Docs/r$i.json Docs/$i.json
        done; done"""
    child = subprocess.Popen(["/bin/bash", "-c", script], cwd=m.path)
    while child.poll() is None:
        fsck(t, "-y", "-g", "60")
    t.eq(child.returncode, 0)
    for i in range(10):
        read(m / ("Docs/%d.json" % i))
    m.umount()
    fsck(t, "-c")
    t.eq(objects(t), referred(t, "Docs"))


run(shared=True)
