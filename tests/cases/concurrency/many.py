# SPDX-License-Identifier: Apache-2.0
# SECONDS: 13
# BUILDS: plain asan tsan
# TIMEOUT: 120
"""Many programs in the mount at once."""

import errno
import json
import os
import random
import threading
import time

from case import Failure, read, run, test, write

EXPECTED = {errno.ENOENT, errno.ESTALE, errno.EEXIST, errno.EBUSY}


def together(count, function):
    """Runs function(n) in threads that start at once; their exceptions are the caller's."""
    problems = []
    gate = threading.Barrier(count)

    def body(n):
        gate.wait()
        try:
            function(n)
        except Exception as error:  # told below
            problems.append("thread %d: %s: %s" % (n, type(error).__name__, error))

    threads = [threading.Thread(target=body, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if problems:
        raise Failure("\n".join(problems[:10]))


@test
def one_question_is_asked_once(t):
    t.music(partitions=1, items=5)
    m = t.mount(options="cache_ttl=60")
    os.stat(m / "Music/Artist 00")
    t.proxy.latency(ms=300)
    with t.proxy.counting() as counters:
        together(16, lambda n: read(m / "Music/Artist 00/Song 0003.json"))
    t.at_most(counters["requests"], 2, "requests of 16 readers")
    with t.proxy.counting() as counters:
        together(16, lambda n: [os.stat(m / ("Music/Artist 00/Song %04d.json" % (n % 3))) for _ in range(3)])
    t.at_most(counters["requests"], 3, "requests for 3 items")
    with t.proxy.counting() as counters:
        together(8, lambda n: os.listdir(m / "Music/Artist 00"))
    t.at_most(counters["requests"], 8, "requests of 8 listings")


@test
def requests_run_side_by_side(t):
    t.music(partitions=1, items=40)
    m = t.mount(options="cache_ttl=0")
    os.stat(m / "Music/Artist 00")
    t.proxy.latency(ms=200)
    started = time.monotonic()
    together(20, lambda n: read(m / ("Music/Artist 00/Song %04d.json" % n)))
    t.true(t.proxy.counters()["max_in_flight"] >= 16, "requests were under way together")
    t.at_most(time.monotonic() - started, 4, "seconds for 20 reads of a few 0.2 s requests each")


@test
def saves_run_side_by_side(t):
    """16 programs that write keep 16 requests in flight, also in one directory."""
    t.create_table("Copy", "pk:S", "sk:S")
    m = t.mount()
    os.mkdir(m / "Copy/p")
    t.proxy.latency(ms=400)
    with t.proxy.counting() as counters:
        together(16, lambda n: write(m / ("Copy/p/item%02d.json" % n), '{"n": %d}\n' % n))
    t.eq(counters["requests"], 16)
    t.true(t.proxy.counters()["max_in_flight"] >= 16, "all were under way together")
    t.eq(len(t.scan("Copy")), 16)


@test
def counter_of_many_writers(t):
    """Read, add one, save; on a conflict again: no increment is lost."""
    t.create_table("Counters", "k:S")
    t.put("Counters", {"k": {"S": "c"}, "n": {"N": "0"}})
    mounts = [t.mount(options="cache_ttl=0") for _ in range(2)]
    stale = [0] * 4

    def increment(n):
        path = mounts[n % 2] / "Counters/c.json"
        for _ in range(10):
            while True:
                item = json.loads(read(path))
                item["n"] += 1
                try:
                    write(path, json.dumps(item))
                    break
                except OSError as error:
                    if error.errno != errno.ESTALE:
                        raise
                    stale[n] += 1

    # one writer a mount: two in the same mount share what the mount has read, like two editors of one file
    together(2, increment)
    t.eq(t.get("Counters", {"k": {"S": "c"}})["n"], {"N": "20"}, "after %s conflicts" % sum(stale))


@test
def storm(t):
    """Everything at once, at random; then the mount and the table agree."""
    t.create_table("Music", "Artist:S", "SongTitle:S")
    t.put_items("Music", [{"Artist": {"S": "A%d" % (n % 3)}, "SongTitle": {"S": "s%d" % n}, "n": {"N": "0"}}
                          for n in range(30)])
    m = t.mount(options="cache_ttl=0.05")
    end = time.monotonic() + 6

    def path(rng):
        return m / ("Music/A%d/s%d.json" % (rng.randrange(3), rng.randrange(30)))

    def act(rng):
        kind = rng.randrange(8)
        if kind <= 1:
            read(path(rng))
        elif kind == 2:
            for name in os.listdir(m / ("Music/A%d" % rng.randrange(3))):
                if not name.endswith(".json"):
                    raise Failure("listed: %r" % name)
        elif kind == 3:
            write(path(rng), '{"n": %d}' % rng.randrange(1000))
        elif kind == 4:
            os.rename(path(rng), path(rng))
        elif kind == 5:
            os.unlink(path(rng))
        elif kind == 6:
            os.stat(path(rng))
        else:
            m.flush()

    def body(n):
        rng = random.Random(n)
        while time.monotonic() < end:
            try:
                act(rng)
            except OSError as error:
                if error.errno not in EXPECTED:
                    raise

    together(8, body)
    time.sleep(0.2)
    wanted = {"%s/%s.json" % (i["Artist"]["S"], i["SongTitle"]["S"]): i["n"]["N"] for i in t.scan("Music") if "n" in i}
    m.flush()
    for name, n in wanted.items():
        t.eq(str(json.loads(read(os.path.join(m.path, "Music", name)))["n"]), n, name)
    found = {"%s/%s" % (a, s) for a in os.listdir(m / "Music") for s in os.listdir(os.path.join(m.path, "Music", a))}
    t.true(set(wanted) <= found, "every item is listed")


run()
