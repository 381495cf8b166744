# SPDX-License-Identifier: Apache-2.0
# BUILDS: plain asan
# TIMEOUT: 240
"""A service that lies: nothing it sends ends the daemon, leads out of the mount, or goes on for ever."""

import os
import time

from case import read, run, slow_factor, test

PATH = "Music/Artist 00/Song 0001.json"
ENV = {"AWS_MAX_ATTEMPTS": "1"}


def world(t, items=5):
    t.music(partitions=2, items=items)
    m = t.mount(options="op_timeout=5,cache_ttl=0", env=ENV)
    os.stat(m / "Music")
    return m


def survives(t, m):
    t.proxy.clear_faults()
    t.contains(read(m / PATH), "Song 0001")
    t.eq(len(os.listdir(m / "Music/Artist 00")), 5)


def bounded(t, action):
    """An error or a result, but in time."""
    started = time.monotonic()
    try:
        result = action()
    except OSError as error:
        result = error
    t.at_most(time.monotonic() - started, 8 * slow_factor(), "seconds")
    return result


@test
def bodies(t):
    m = world(t)
    bodies = ["", "{", "[]", "null", "7", '"x"', '{"Items": 7}', '{"Items": [7]}', '{"Items": [{"Artist": 7}]}',
              '{"Items": [{"Artist": {"S": 7}}]}', '{"Items": [{"Artist": {"Q": "x"}, "SongTitle": {"S": "x"}}]}',
              '{"Items": [{}]}', '{"Item": {"Artist": {"S": "A"}}}', '{"Item": 7}', '{"Item": {"x": {"N": "NaN"}}}',
              '{"Items": null, "Count": -1, "LastEvaluatedKey": 3}', '{"Items": [' + "[" * 5000 + "]" * 5000 + "]}",
              '{"Item": {"Artist": {"M": ' * 60 + "0" + "}}}" * 60, '{"Items": [{"Artist": {"S": "\\ud800"}}]}',
              '{"Item": {"Artist": {"S": "Artist 00"}, "SongTitle": {"S": "Song 0001"}, "a": {"B": "%%%"}}}']
    for body in bodies:
        t.proxy.fault(action="body", body=body, times=-1)
        for action in (lambda: read(m / PATH), lambda: os.listdir(m / "Music/Artist 00"),
                       lambda: os.listdir(m / "Music")):
            bounded(t, action)
        t.proxy.clear_faults()
    survives(t, m)


@test
def names(t):
    m = world(t)
    outside = t.path("tmp", "escaped")
    for song in ("../../escaped", "/" + outside, "..", ".", "", "a\0b", "x" * 5000):
        t.proxy.fault(action="patch", times=-1, set={"/Items/0/SongTitle/S": song, "/Items/1/Artist/S": song})
        names = bounded(t, lambda: os.listdir(m / "Music/Artist 00"))
        if isinstance(names, list):
            for name in names:
                t.true("/" not in name and name not in (".", "..", ""), "a name: %r" % name)
        t.proxy.clear_faults()
    t.proxy.fault(action="patch", match={"op": "ListTables"}, times=-1,
                  set={"/TableNames": ["..", "a/b", "", ".", "x" * 300, "Music", "Music", "a\nb"]})
    m.flush()
    names = bounded(t, lambda: os.listdir(m))
    if isinstance(names, list):
        for name in names:
            t.true("/" not in name and name not in (".", "..", ""), "a table: %r" % name)
        t.eq(len(names), len(set(names)), "no table twice")
    t.proxy.clear_faults()
    m.flush()
    survives(t, m)


@test
def page_keys(t):
    m = world(t)
    for action in ("loop", "bad_last_key"):
        t.proxy.fault(action=action, times=-1, match={"op": "Query"})
        bounded(t, lambda: os.listdir(m / "Music/Artist 00"))
        t.proxy.clear_faults()
        t.proxy.fault(action=action, times=-1, match={"op": "Scan"})
        bounded(t, lambda: os.listdir(m / "Music"))
        t.proxy.clear_faults()
        t.proxy.fault(action=action, times=-1, match={"op": "ListTables"})
        m.flush()
        bounded(t, lambda: os.listdir(m))
        t.proxy.clear_faults()
        m.flush()
    survives(t, m)


@test
def somebody_elses_item(t):
    m = world(t)
    t.proxy.fault(action="patch", times=-1, match={"op": "GetItem"}, set={"/Item/SongTitle/S": "Other"})
    result = bounded(t, lambda: read(m / PATH))
    t.true(isinstance(result, OSError) or "Other" not in result, "the answer to another question is not served")
    survives(t, m)


@test
def floods(t):
    m = world(t)
    t.proxy.fault(action="flood", mb=80, times=-1)
    result = bounded(t, lambda: read(m / PATH))
    t.true(isinstance(result, OSError), "a flood is no item")
    t.proxy.clear_faults()
    t.peak_at_most(200, "after floods")
    t.proxy.fault(action="drip", ms=300, bytes=4, times=-1)
    bounded(t, lambda: read(m / PATH))
    survives(t, m)


@test
def random_faults(t):
    m = world(t)
    for action in ("500", "throttle", "cut", "garbage", "bad_crc", "close_before", "close_after"):
        t.proxy.fault(action=action, times=-1, probability=0.15)
    for n in range(60):
        bounded(t, lambda: read(m / PATH))
        bounded(t, lambda: os.listdir(m / "Music/Artist 00"))
    survives(t, m)


run()
