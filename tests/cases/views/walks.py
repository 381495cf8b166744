# SPDX-License-Identifier: Apache-2.0
# BUILDS: plain asan
"""Programs that walk through a table see each item once, and none of the names that are not listed."""

import os

from case import run, test
from editors import need

WALKS = (
    ("find", "find . -type f"),
    ("find -ls", "find . -type f -ls | sed 's/.* \\.\\//.\\//; s/\\\\ / /g'"),
    ("grep -r", "grep -rc '\"Artist\"' . | sed -n 's/:1$//p'"),
    ("du -a", "du -a . | cut -f 2 | grep '\\.json$'"),
    ("tar", "tar -c . | tar -t | grep -v '/$'"),
    ("rsync", "rsync -a --out-format=./%n ./ $TMPDIR/rsync/ | grep '\\.json$'"),
    ("cp -r", "cp -r . $TMPDIR/cp && cd $TMPDIR/cp && find . ! -type d"),
)


@test
def each_item_once(t):
    need("find", "grep", "du", "tar", "rsync")
    t.create_table("Music", "Artist:S", "SongTitle:S", gsi=[("ByAlbum", "AlbumTitle:S", None)])
    t.put_items("Music", [{"Artist": {"S": "Artist %d" % a}, "SongTitle": {"S": "Song %02d" % s},
                           "AlbumTitle": {"S": "Album"}} for a in range(3) for s in range(25)])
    wanted = sorted("./Artist %d/Song %02d.json" % (a, s) for a in range(3) for s in range(25))
    m = t.mount("Music", "cache_ttl=60")
    for name, command in WALKS:
        m.flush()
        with t.proxy.counting() as c:
            found = t.sh(command, cwd=m / "Music").stdout.splitlines()
        t.eq(sorted(found), wanted, name + ": ")
        t.eq(set(c["ops"]) - {"Query", "Scan", "DescribeTable"}, set(), name + ": ")
        # the names of the partitions, and each partition (or all of them) once
        t.at_most(sum(c["ops"].get(op, {}).get("requests", 0) for op in ("Query", "Scan")), 5, "pages, " + name)
    t.sh("diff -r $TMPDIR/rsync $TMPDIR/cp", cwd=m.path)


@test
def from_the_root(t):
    """What was asked for is still not listed; the indexes are, and can be left out."""
    need("find", "grep", "tar", "rsync")
    t.create_table("Users", "Mail:S", gsi=[("ByName", "Name:S", None)])
    t.put_items("Users", [{"Mail": {"S": "%d@example.org" % i}, "Name": {"S": "a"}} for i in range(30)])
    m = t.mount("Users")
    for path in ("Users/.export/jsonl", "Users/3@example.org/Mail", "Users/.filter/Name/a", ".ddbfs/stats.json"):
        os.stat(m / path)
    wanted = sorted("Users/%d@example.org.json" % i for i in range(30))
    for command in ("find !(*@*) -type f", "grep -rl Mail !(*@*)", "tar -c !(*@*) | tar -t | grep -v '/$'",
                    "rsync -a --exclude='/*@*' --out-format=%n ./ $TMPDIR/rsync/ | grep json"):
        t.eq(sorted(t.sh('bash -O extglob -c "%s"' % command.replace("$", "\\$"), cwd=m.path).stdout.splitlines()), wanted,
             command + ": ")
    t.eq(len(t.sh("find . -type f", cwd=m.path).stdout.splitlines()), 60, "of both")


run()
