# SPDX-License-Identifier: Apache-2.0
# BUILDS: plain tsan
# TIMEOUT: 60
"""Readers of an item that others change all the time see whole texts, whatever the kernel is told of its size."""

import json
import os
import threading
import time

from case import Failure, build_kind, read, run, test
from crash import key


@test
def whole_texts(t):
    t.create_table("Music", "Artist:S", "SongTitle:S")
    t.put("Music", dict(key("A", "x"), Pad={"S": "1"}))
    m = t.mount("Music", "cache_ttl=20ms")
    stop, seen, problems = threading.Event(), set(), []

    def changer():
        number = 0
        while not stop.is_set():
            number += 1
            t.put("Music", dict(key("A", "x"), Pad={"S": str(number % 10) * (number * 37 % 9000 + 1)}))

    def reader():
        while not stop.is_set():
            text = read(m / "Music/A/x.json")
            try:
                pad = json.loads(text)["Pad"]
                seen.add(len(pad))
                if pad != pad[0] * len(pad):
                    problems.append("mixed: %s" % pad)
            except ValueError as error:
                problems.append("%d bytes: %s" % (len(text), error))

    def looker():
        while not stop.is_set():
            os.stat(m / "Music/A/x.json")
            for entry in os.scandir(m / "Music/A"):
                entry.stat()

    threads = [threading.Thread(target=f) for f in (changer, reader, reader, looker)]
    for thread in threads:
        thread.start()
    time.sleep(4)
    stop.set()
    for thread in threads:
        thread.join(60 if build_kind() == "plain" else 200)
    if problems:
        raise Failure("%d of them, first: %s" % (len(problems), problems[0][:200]))
    t.true(len(seen) > 20, "%d versions were read" % len(seen))


run()
