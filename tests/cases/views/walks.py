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
    """Of the root, too, where no index is."""
    t.create_table("Users", "Id:N")
    t.put_items("Users", [{"Id": {"N": str(i)}} for i in range(30)])
    m = t.mount("Users")
    wanted = sorted(["."] + ["./Users"] + ["./Users/%d.json" % i for i in range(30)])
    t.eq(sorted(t.sh("find .", cwd=m.path).stdout.splitlines()), wanted)
    os.stat(m / "Users/.export/jsonl")      # asked for, and still not listed
    os.stat(m / "Users/3/Id")
    os.stat(m / ".ddbfs/stats.json")
    t.eq(sorted(t.sh("find .", cwd=m.path).stdout.splitlines()), wanted)


run()
