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


def walk(t, m, folder, wanted, pages):
    """Each program sees exactly the wanted files, and reads items in pages only."""
    for name, command in WALKS:
        m.flush()
        with t.proxy.counting() as c:
            found = t.sh(command, cwd=folder).stdout.splitlines()
        t.eq(sorted(found), wanted, name + ": ")
        t.eq(set(c["ops"]) - {"Query", "Scan", "DescribeTable", "ListTables"}, set(), name + ": ")
        t.at_most(sum(c["ops"].get(op, {}).get("requests", 0) for op in ("Query", "Scan")), pages, "pages, " + name)
    t.sh("diff -r $TMPDIR/rsync $TMPDIR/cp", cwd=folder)


@test
def each_item_once(t):
    need("find", "grep", "du", "tar", "rsync")
    t.create_table("Music", "Artist:S", "SongTitle:S", gsi=[("ByAlbum", "AlbumTitle:S", None)])
    t.put_items("Music", [{"Artist": {"S": "Artist %d" % a}, "SongTitle": {"S": "Song %02d" % s},
                           "AlbumTitle": {"S": "Album"}} for a in range(3) for s in range(25)])
    wanted = sorted("./Artist %d/Song %02d.json" % (a, s) for a in range(3) for s in range(25))
    m = t.mount("Music", "cache_ttl=60")
    walk(t, m, m / "Music", wanted, 5)      # the names of the partitions, and each partition (or all of them) once


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
        done = t.sh('bash -O extglob -c "%s"' % command.replace("$", "\\$"), cwd=m.path)
        t.eq(sorted(done.stdout.splitlines()), wanted,
             command + ": ")
    t.eq(len(t.sh("find . -type f", cwd=m.path).stdout.splitlines()), 60, "of both")


def of_indexes(t):
    return sum("IndexName" in r["body"] for op in ("Query", "Scan") for r in t.proxy.requests(op=op, bodies=True))


@test
def tables_only(t):
    """-o show=tables: a walk over the mount sees each item once and asks no index; indexes are there when named."""
    need("find", "grep", "du", "tar", "rsync")
    t.create_table("Music", "Artist:S", "SongTitle:S", gsi=[("ByAlbum", "AlbumTitle:S", None)],
                   lsi=[("ByYear", "Artist:S", "Year:N")])
    t.put_items("Music", [{"Artist": {"S": "Artist %d" % a}, "SongTitle": {"S": "Song %02d" % s}, "Year": {"N": str(s)},
                           "AlbumTitle": {"S": "Album"}} for a in range(3) for s in range(25)])
    t.create_table("Artists", "Artist:S", gsi=[("ByCity", "City:S", None)])
    t.put_items("Artists", [{"Artist": {"S": "Artist %d" % a}, "City": {"S": "Berlin"}} for a in range(3)])
    wanted = sorted(["./Music/Artist %d/Song %02d.json" % (a, s) for a in range(3) for s in range(25)] +
                    ["./Artists/Artist %d.json" % a for a in range(3)])
    m = t.mount(None, "show=tables,cache_ttl=60")
    t.eq(sorted(os.listdir(m)), ["Artists", "Music"])
    walk(t, m, m.path, wanted, 6)
    t.eq(of_indexes(t), 0, "requests of indexes")
    t.eq(os.listdir(m / "Music@ByAlbum"), ["Album"])
    t.eq(len(os.listdir(m / "Music@ByYear/Artist 1")), 25)
    t.eq(os.listdir(m / "Artists@ByCity/Berlin"), ["Artist %d.json" % a for a in range(3)])
    t.true(of_indexes(t) > 0, "they are asked when named")
    # as it is without: each item is in its table, and once more in each of its indexes
    m = t.mount(None, "cache_ttl=60")
    t.eq(sorted(os.listdir(m)), ["Artists", "Artists@ByCity", "Music", "Music@ByAlbum", "Music@ByYear"])
    for name, command in WALKS[:-1]:
        t.sh("rm -rf $TMPDIR/rsync", cwd=m.path)
        t.eq(len(t.sh(command, cwd=m.path).stdout.splitlines()), 3 * 75 + 2 * 3, name)


run()
