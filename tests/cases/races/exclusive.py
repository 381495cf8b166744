# SPDX-License-Identifier: Apache-2.0
# BUILDS: plain tsan
# TIMEOUT: 90
"""O_EXCL: of those who create one item at the same moment, on two mounts and on one, exactly one wins."""

import os

from case import run, test, write
from crash import key, text_of, together

FLAGS = os.O_CREAT | os.O_EXCL | os.O_WRONLY


def create(path, text):
    fd = os.open(path, FLAGS, 0o644)
    try:
        if text:
            os.write(fd, text.encode())
    except BaseException:
        os.close(fd)
        raise
    os.close(fd)


def two_mounts(t):
    t.create_table("Music", "Artist:S", "SongTitle:S")
    t.put("Music", key("A", "there"))
    return [t.mount("Music"), t.mount("Music")]


def race(t, mounts, rounds, text):
    for n in range(rounds):
        path = "Music/A/n%d.json" % n
        results = together([lambda m=m, i=i: create(m / path, text and text_of(10 * n + i))
                            for i, m in enumerate(mounts)])
        t.eq(sorted(map(str, results)), ["EEXIST", "None"], "round %d" % n)
        item = t.get("Music", key("A", "n%d" % n))
        if text:
            t.eq(item["Year"], {"N": str(10 * n + results.index(None))}, "round %d: %s" % (n, results))
        else:
            t.eq(item, key("A", "n%d" % n))


@test
def with_a_text(t):
    race(t, two_mounts(t), 20, True)


@test
def empty(t):
    """As a lock: made and closed, nothing written."""
    race(t, two_mounts(t), 20, False)


@test
def on_one_mount(t):
    t.create_table("Music", "Artist:S", "SongTitle:S")
    t.put("Music", key("A", "there"))
    m = t.mount("Music")
    race(t, [m, m], 20, True)


@test
def the_loser_keeps_his_text(t):
    mounts = two_mounts(t)
    fds = [os.open(m / "Music/A/new.json", FLAGS, 0o644) for m in mounts]
    for i, fd in enumerate(fds):
        os.write(fd, text_of(i).encode())
    os.close(fds[1])
    t.fails("EEXIST", os.fsync, fds[0])
    t.fails("EEXIST", os.close, fds[0])
    t.eq(t.get("Music", key("A", "new"))["Year"], {"N": "1"})
    t.contains(t.sh("cat .ddbfs/rejected/Music/A/new.json", cwd=mounts[0].path).stdout, '"Year": 0')
    t.contains(t.sh("cat .ddbfs/rejected/Music/A/new.json.why", cwd=mounts[0].path).stdout, "EEXIST")


@test
def made_by_somebody_else_a_moment_ago(t):
    m = two_mounts(t)[0]
    t.fails("ENOENT", os.stat, m / "Music/A/late.json")      # remembered for a second
    t.put("Music", dict(key("A", "late"), Year={"N": "1"}))
    t.fails("EEXIST", create, m / "Music/A/late.json", text_of(2))
    t.eq(t.get("Music", key("A", "late"))["Year"], {"N": "1"})
    write(m / "Music/A/late.json", text_of(3))              # without O_EXCL: a blind write
    t.eq(t.get("Music", key("A", "late"))["Year"], {"N": "3"})


run()
