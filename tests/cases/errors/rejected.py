# SPDX-License-Identifier: Apache-2.0
# BUILDS: plain asan
"""What could not be saved is kept on local disk, with the reason beside it."""

import os

from case import run, test, write

KEY = {"Artist": {"S": "A"}, "SongTitle": {"S": "one"}}


@test
def nothing_is_lost(t):
    t.create_table("Music", "Artist:S", "SongTitle:S")
    t.put("Music", KEY)
    m = t.mount()
    t.fails("EINVAL", write, m / "Music/A/one.json", '{"precious": "words",}')
    kept = t.sh("grep -rl precious .ddbfs/rejected").stdout.strip().split("\n")
    t.eq(len(kept), 1)
    t.contains(kept[0], ".ddbfs/rejected/Music/")
    with open(m / kept[0], encoding="utf-8") as f:
        t.eq(f.read(), '{"precious": "words",}')
    folder = os.path.dirname(m / kept[0])
    t.true(len(os.listdir(folder)) >= 2, "the reason is beside it")
    m.umount()
    m = t.mount()
    t.true(os.path.exists(m / kept[0]), "it survives the mount")
    t.true("precious" in t.sh("cat $(find . -type f)", cwd=t.path("state")).stdout, "and is on local disk")


@test
def rejected_text_is_kept(t):
    t.music()
    m = t.mount(options="op_timeout=3", env={"AWS_MAX_ATTEMPTS": "2"})
    t.proxy.fault(action="access_denied", times=-1, match={"op": "PutItem"})
    t.fails("EACCES", write, m / "Music/Artist 00/Draft.json", '{"precious": 1}')
    t.proxy.clear_faults()
    t.contains(t.sh("grep -rh precious .ddbfs/rejected/Music").stdout, "precious")
    t.eq(t.get("Music", {"Artist": {"S": "Artist 00"}, "SongTitle": {"S": "Draft"}}), None)


@test
def a_conflict(t):
    t.create_table("Music", "Artist:S", "SongTitle:S")
    t.put("Music", dict(KEY, Year={"N": "1999"}))
    m = t.mount()
    with open(m / "Music/A/one.json", encoding="utf-8") as f:
        text = f.read()
    t.put("Music", dict(KEY, Year={"N": "1"}))
    t.fails("ESTALE", write, m / "Music/A/one.json", text.replace("1999", "2000"))
    t.contains(t.sh("grep -rh Year .ddbfs/rejected/Music").stdout, "2000")


run()
