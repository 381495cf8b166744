# SPDX-License-Identifier: Apache-2.0
"""Kills in the middle of offloading saves: afterwards every item is readable, old or new, and fsck.ddbfs -y leaves in
the bucket exactly what is referred to.  A few in the suite (cases/s3/kill.py), many in the soak."""

import hashlib
import json
import os
import random
import subprocess
import time

from case import slow_factor
from large import large_mount, objects, referred
from processes import REGION, build_dir

SIZES = (70000, 300000, 1500000, 9000000)
WRITER = """
import hashlib, json, os, sys
sizes = json.loads(sys.argv[1])
round = sys.argv[2]
for i, size in enumerate(sizes * 3):
    text = (hashlib.sha256(b"%d %s" % (i, round.encode())).hexdigest() * (size // 64 + 1))[:size]
    try:
        if i % 2:
            with open("Docs/%d/body" % i, "w") as f:
                f.write(text)
        else:
            with open("Docs/%d.json" % i, "w") as f:
                f.write(json.dumps({"body": text, "n": i}))
    except OSError:
        pass
"""


def content(i, size, number):
    return (hashlib.sha256(b"%d %d" % (i, number)).hexdigest() * (size // 64 + 1))[:size]


def fsck(t, *args):
    argv = [os.path.join(build_dir(), "src", "app", "fsck.ddbfs"), *args, "-g", "0", "-o",
            "endpoint_url=http://127.0.0.1:%d,region=%s,s3_bucket=%s" % (t.proxy.port, REGION, t.s3.bucket), "Docs"]
    return subprocess.run(argv, env={**t.env, "AWS_ENDPOINT_URL_S3": t.s3.endpoint}, capture_output=True, text=True,
                          timeout=120 * slow_factor(), check=False)


def check(t, numbers):
    """Every item's attribute is the content of one of these rounds, whole."""
    mount = large_mount(t)
    for i, size in enumerate(SIZES * 3):
        path = mount / ("Docs/%d/body" % i)
        if not os.path.exists(path):
            t.true(t.get("Docs", {"Id": {"S": str(i)}}).get("body") is None, "%d is there" % i)
            continue
        with open(path, encoding="ascii") as f:
            text = f.read()
        t.true(any(text == content(i, size, n) for n in numbers), "item %d is old or new, whole" % i)
    mount.umount()


def kill_rounds(t, rounds, seed):
    rng = random.Random(seed)
    first = large_mount(t)
    for i in range(len(SIZES) * 3):
        with open(first / ("Docs/%d.json" % i), "w", encoding="ascii") as f:
            json.dump({"n": i}, f)
    first.umount()
    for number in range(rounds):
        mount = large_mount(t)
        child = subprocess.Popen(["python3", "-c", WRITER, json.dumps(SIZES), str(number)], cwd=mount.path,
                                 stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(rng.uniform(0.02, 1.2) * slow_factor())
        mount.kill()
        child.kill()
        child.wait()
        check(t, range(number + 1))
    done = fsck(t, "-y", "-c")
    t.true(done.returncode in (0, 1), done.stdout + done.stderr)
    t.eq(objects(t), referred(t, "Docs"))
    t.eq(t.s3.uploads(), [])
    t.eq(fsck(t, "-c").returncode, 0)
