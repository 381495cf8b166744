# SPDX-License-Identifier: Apache-2.0
# BUILDS: plain asan tsan
# TIMEOUT: 120
"""Deleting many: in batches where a directory is emptied, one by one where files are named; errors reach rm."""

import os
import subprocess

from case import run, test

N = 120


def world(t, n=N):
    t.create_table("Music", "Artist:S", "SongTitle:S")
    t.put_items("Music", [{"Artist": {"S": "A"}, "SongTitle": {"S": "s%03d" % i}} for i in range(n)])
    return t.mount(options="cache_ttl=60")


def count(t):
    return t.db.scan(TableName="Music", Select="COUNT")["Count"]


def sh(m, command):
    return subprocess.run(["sh", "-c", command], cwd=m, check=False, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, env=dict(os.environ, LC_ALL="C"))


@test
def emptied(t):
    m = world(t)
    with t.proxy.counting() as c:
        done = sh(m, "rm -r Music/A")
    t.eq((done.returncode, done.stderr), (0, ""))
    t.eq(count(t), 0)
    t.true(c["ops"]["BatchWriteItem"]["requests"] >= 1, "in batches")
    t.at_most(c["requests"], N // 2, "requests")


@test
def named(t):
    """Each file's own answer when rm returns from it."""
    m = world(t)
    t.proxy.fault(action="access_denied", match={"op": "DeleteItem", "contains": "s099"}, times=-1)
    done = sh(m, "rm Music/A/*.json")
    t.eq(done.returncode, 1)
    t.eq(done.stderr, "rm: cannot remove 'Music/A/s099.json': Permission denied\n")
    t.eq(os.listdir(m / "Music/A"), ["s099.json"])
    t.eq(count(t), 1)
    t.eq(t.proxy.requests_of("BatchWriteItem"), 0)


@test
def refused(t):
    """What was answered in advance and then refused: rm -r fails, with the reason; every item is there and told."""
    m = world(t)
    t.proxy.fault(action="access_denied", match={"op": "BatchWriteItem"}, times=-1)
    t.proxy.fault(action="access_denied", match={"op": "DeleteItem"}, skip=16, times=-1)
    done = sh(m, "rm -r Music/A")
    t.eq(done.returncode, 1)
    t.contains(done.stderr, "Permission denied")
    t.eq(count(t), N - 16)
    t.eq(len(os.listdir(m / "Music/A")), N - 16)
    told = {e["path"] for e in m.errors() if e["errno"] == "EACCES"}
    t.true(len(told) >= 20, "told for each, as far as the list reaches: %d" % len(told))


@test
def in_the_last_batch(t):
    """rmdir has the reason, not only that the directory is not empty."""
    m = world(t, 40)
    t.proxy.fault(action="access_denied", match={"op": "BatchWriteItem"}, times=1)
    done = sh(m, "rm -r Music/A")
    t.eq(done.returncode, 1)
    t.contains(done.stderr, "cannot remove 'Music/A': Permission denied")
    t.eq(count(t), 24)
    done = sh(m, "rm -r Music/A")
    t.eq((done.returncode, done.stderr), (0, ""))
    t.eq(count(t), 0)


@test
def trouble_that_passes(t):
    """Nobody hears of what a retry has mended."""
    t.create_table("Music", "Artist:S", "SongTitle:S")
    m = t.mount(options="cache_ttl=60")
    for action in ("throttle", "throttle_account", "500", "503", "close_before", "close_after", "unprocessed"):
        t.put_items("Music", [{"Artist": {"S": action}, "SongTitle": {"S": "s%03d" % i}} for i in range(40)])
        t.proxy.fault(action=action, match={"op": "BatchWriteItem"}, times=2,
                      **({"keep": 5} if action == "unprocessed" else {}))
        with t.proxy.counting() as c:
            done = sh(m, "rm -r Music/" + action)
        t.eq((done.returncode, done.stderr), (0, ""), action)
        t.true(c["ops"]["BatchWriteItem"]["requests"] >= 3, "two failed: " + action)
        t.eq(count(t), 0, action)
    t.eq(m.errors(), [])


@test
def find_and_sync(t):
    """find -delete that removes no directory has ended before all are gone: sync DIR tells."""
    m = world(t, 40)
    t.proxy.fault(action="access_denied", match={"op": "BatchWriteItem"}, times=-1)
    sh(m, "find Music/A -type f -delete")
    done = sh(m, "sync Music/A")
    t.eq(done.returncode, 1)
    t.contains(done.stderr, "Permission denied")
    left = count(t)
    t.true(left > 0, "some are left")
    t.eq(len(os.listdir(m / "Music/A")), left)
    t.proxy.clear_faults()
    done = sh(m, "find Music/A -type f -delete && sync Music/A")
    t.eq((done.returncode, done.stderr), (0, ""))
    t.eq(count(t), 0)


@test
def fsync_waits_and_tells(t):
    m = world(t, 60)
    fd = os.open(m / "Music/A", os.O_RDONLY | os.O_DIRECTORY)
    for i in range(30):
        os.unlink("s%03d.json" % i, dir_fd=fd)
    os.fsync(fd)
    t.eq(count(t), 30)
    t.proxy.fault(action="access_denied", match={"op": "BatchWriteItem"}, times=1)
    for i in range(30, 40):
        os.unlink("s%03d.json" % i, dir_fd=fd)
    t.fails("EACCES", os.fsync, fd)
    os.fsync(fd)
    t.eq(count(t), 30)
    os.unlink("s030.json", dir_fd=fd)
    os.close(fd)
    t.eq(count(t), 29)


run()
