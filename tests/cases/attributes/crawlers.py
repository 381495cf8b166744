# SPDX-License-Identifier: Apache-2.0
# TIMEOUT: 120
"""Programs that walk a mount touch each item once, and no other name of it."""

import os

from case import run, test

PARTITIONS, ITEMS = 3, 40


def commands(t):
    out = t.path("out")
    return {
        "find": "find . -type f | grep -c json",
        "find -ls": "find . -ls | grep -c json",
        "grep -r": "grep -rl AlbumTitle . | wc -l",
        "du": "du -a . | grep -c json",
        "tar": "tar cf - Music Users | tar tf - | grep -c json",
        "rsync": "rsync -a Music Users '%s-r/' && find '%s-r' -type f | wc -l" % (out, out),
        "cp -r": "cp -r Music Users '%s' && find '%s' -type f | wc -l" % (out, out),
    }


@test
def each_item_once(t):
    t.music(PARTITIONS, ITEMS)
    t.create_table("Users", "UserId:N")
    t.put_items("Users", [{"UserId": {"N": str(i)}, "AlbumTitle": {"S": "x"}} for i in range(ITEMS)])
    os.mkdir(t.path("out"))
    for name, command in commands(t).items():
        m = t.mount("Music,Users", "cache_ttl=60")
        with t.proxy.counting() as counters:
            shown = int(t.sh(command, cwd=m.path).stdout.split()[-1])
        t.eq(shown, (PARTITIONS + 1) * ITEMS, name)
        ops = {op: entry["requests"] for op, entry in counters["ops"].items()}
        t.eq(ops.pop("GetItem", 0), 0, "%s asks for no item by itself" % name)
        t.at_most(ops.pop("Scan", 0), 2 + PARTITIONS, "%s: scans" % name)
        t.at_most(ops.pop("Query", 0), PARTITIONS, "%s: queries" % name)
        t.at_most(sum(ops.values()), 3, "%s: others (%s)" % (name, ops))
        m.umount()


run()
