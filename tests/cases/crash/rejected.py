# SPDX-License-Identifier: Apache-2.0
# TIMEOUT: 90
""".ddbfs/rejected: what could not be saved, and why; in the mount, over crashes, and within its bound."""

import json
import os
import random
import re
import threading
import time

from case import build_kind, read, run, test, write
from crash import key, text_of


def music(t, *options, **more):
    t.create_table("Music", "Artist:S", "SongTitle:S")
    t.put("Music", dict(key("A", "one"), Year={"N": "1"}))
    return t.mount("Music", options, **more)


def why(m, name):
    return json.loads(read(m / (".ddbfs/rejected/Music/A/" + name + ".why")))


def texts(m):
    found = {}
    for folder, _, names in os.walk(m / ".ddbfs/rejected"):
        for name in names:
            with open(os.path.join(folder, name), encoding="utf-8") as f:
                found[name] = f.read()
    return found


@test
def reasons(t):
    m = music(t)
    t.fails("EINVAL", write, m / "Music/A/bad.json", '{\n  "Year": 1,\n  "Year": 2\n}\n')
    reason = why(m, "bad.json")
    t.true(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", reason["time"]), reason["time"])
    t.eq((reason["path"], reason["errno"], reason["line"], reason["column"]), ("/Music/A/bad.json", "EINVAL", 3, 3))
    t.contains(reason["reason"], "Year")
    t.eq(read(m / ".ddbfs/rejected/Music/A/bad.json"), '{\n  "Year": 1,\n  "Year": 2\n}\n')

    t.proxy.fault(action="access_denied", match={"op": "PutItem"})
    t.fails("EACCES", write, m / "Music/A/denied.json", text_of(1))
    reason = why(m, "denied.json")
    t.eq((reason["errno"], reason["code"]), ("EACCES", "AccessDeniedException"))
    t.true(re.fullmatch(r"[0-9A-F]{32}", reason["request_id"]), "the request id: %r" % reason["request_id"])
    t.true("line" not in reason, "no line where no text was read")

    t.contains(read(m / "Music/A/one.json"), '"Year": 1')
    t.put("Music", dict(key("A", "one"), Year={"N": "2"}))
    t.fails("ESTALE", write, m / "Music/A/one.json", text_of(3))
    t.contains(why(m, "one.json")["reason"], "Year")
    t.eq(t.get("Music", key("A", "one"))["Year"], {"N": "2"})

    # the daemon is told to end while a text is still open: it is committed, or kept
    t.eq(sorted(os.listdir(m / ".ddbfs/rejected/Music/A")),
         sorted(n + s for n in ("bad.json", "denied.json", "one.json") for s in ("", ".why")))


@test
def several_of_one_item(t):
    m = music(t)
    for n in range(5):
        t.fails("EINVAL", write, m / "Music/A/x.json", "bad %d" % (n % 4))
    t.eq(sorted(v for k, v in texts(m).items() if not k.endswith(".why")), ["bad %d" % n for n in range(4)])
    t.eq(sum(1 for k in texts(m) if k.endswith(".why")), 4)


@test
def in_the_mount(t):
    """Listing, reading, deleting; and repairing: renamed back to where it belongs it is saved."""
    m = music(t)
    t.true("rejected" in os.listdir(m / ".ddbfs"), "listed in .ddbfs")
    t.eq(os.listdir(m / ".ddbfs/rejected"), [])
    for name in ("a", "b", "c"):
        t.fails("EINVAL", write, m / ("Music/A/%s.json" % name), "{bad " + name)
    t.sh("grep -q 'bad a' .ddbfs/rejected/Music/A/a.json && grep -rl 'bad b' .ddbfs/rejected")
    t.eq(os.stat(m / ".ddbfs/rejected/Music/A/a.json").st_size, 6)
    t.fails(("EPERM", "EACCES", "EROFS"), write, m / ".ddbfs/rejected/Music/A/made.json", "x")
    os.unlink(m / ".ddbfs/rejected/Music/A/a.json")
    t.fails("ENOENT", os.stat, m / ".ddbfs/rejected/Music/A/a.json")
    t.sh("rm -r .ddbfs/rejected/Music")
    t.eq(os.listdir(m / ".ddbfs/rejected"), [])

    t.contains(read(m / "Music/A/one.json"), '"Year": 1')
    t.put("Music", dict(key("A", "one"), Year={"N": "2"}))
    t.fails("ESTALE", write, m / "Music/A/one.json", text_of(3))
    t.contains(read(m / "Music/A/one.json"), '"Year": 2')       # looked at: now it may be replaced
    t.sh("mv .ddbfs/rejected/Music/A/one.json Music/A/one.json")
    t.eq(t.get("Music", key("A", "one"))["Year"], {"N": "3"})
    t.eq(os.listdir(m / ".ddbfs/rejected/Music/A"), ["one.json.why"])


@test
def killed(t):
    """A close that said no has left its text on disk; one that said nothing, nothing or all of it."""
    t.create_table("Music", "Artist:S", "SongTitle:S")
    t.put("Music", key("A", "one"))
    rng, told, n = random.Random(1), set(), 0
    size = 60000
    for _ in range(6):
        m = t.mount("Music", name="mnt")
        seen = texts(m)
        for text in told:
            t.true(any(text == kept for kept in seen.values()), "%s... is there after the crash" % text[:12])
        for name, kept in seen.items():
            t.true(len(kept) == size or name.endswith(".why"), "%s is whole: %d bytes" % (name, len(kept)))
            t.true(not name.endswith(".why") or json.loads(kept)["errno"] == "EINVAL", "%s is whole" % name)
        killed = threading.Event()

        def writer():
            nonlocal n
            while True:
                n += 1
                text = ("{bad %06d " % n).ljust(size, "x")
                try:
                    write(m / ("Music/A/k%d.json" % (n % 7)), text)
                except OSError:
                    if killed.is_set():
                        return
                    told.add(text)

        thread = threading.Thread(target=writer)
        thread.start()
        time.sleep(rng.uniform(0.02, 0.2) * (1 if build_kind() == "plain" else 3))
        killed.set()
        m.kill()
        thread.join(20)
    t.true(len(told) > 10, "%d were told" % len(told))


@test
def bounded(t):
    """At most rejected_max: the oldest leave first, after a warning, and never the one just kept."""
    m = music(t, "rejected_max=1M")
    size = 100000
    for n in range(25):
        t.fails("EINVAL", write, m / ("Music/A/n%02d.json" % n), ("{bad %02d " % n).ljust(size))
        time.sleep(0.005)
    left = sorted(name for name in texts(m) if not name.endswith(".why"))
    t.eq(left, ["n%02d.json" % n for n in range(25 - len(left), 25)])
    t.true(9 <= len(left) <= 10, "%d texts of %d bytes" % (len(left), size))
    t.at_most(sum(len(text) for text in texts(m).values()), 1 << 20, "bytes")
    t.eq(sum(1 for name in texts(m) if name.endswith(".why")), len(left), "reasons leave with their texts")
    log = m.text()
    for n in range(25 - len(left)):
        t.contains(log, "n%02d.json" % n)
    t.true(re.search(r"warn.*rejected_max", log), "a warning")
    t.fails("EINVAL", write, m / "Music/A/huge.json", "{bad".ljust(3 << 19))
    t.eq(sorted(texts(m)), ["huge.json", "huge.json.why"])


@test
def for_ever(t):
    """A program that goes on saving a bad text, each a little different: the newest ones are kept."""
    m = music(t, "rejected_max=1M")
    count = 130
    for n in range(count):
        t.fails("EINVAL", write, m / "Music/A/x.json", "{bad %d" % n)
    kept = {v for k, v in texts(m).items() if not k.endswith(".why")}
    t.true("{bad %d" % (count - 1) in kept, "the last of %d (%d kept)" % (count, len(kept)))
    t.true("could not be kept" not in m.text(), "none was lost")


run()
