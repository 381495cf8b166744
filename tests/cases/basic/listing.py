# SPDX-License-Identifier: Apache-2.0
# BUILDS: plain asan tsan
# TIMEOUT: 120
"""Listings: every table, partition and item once, with the size that a read gives."""

import os
import stat

from case import read, run, test

ITEM = """{
  "Artist": "No One You Know",
  "SongTitle": "Call Me Today",
  "AlbumTitle": "Somewhat Famous",
  "Awards": 1,
  "Gone": null,
  "Live": false,
  "Notes": "tab\\there, \\"quoted\\", é, 夜",
  "Price": 0.99,
  "Raw": {"$b": "AAEC"},
  "Tags": {"$ss": [
    "a",
    "b"
  ]},
  "more": {
    "deep": [
      1,
      "two",
      []
    ],
    "empty": {}
  }
}
"""


def tables(t):
    t.create_table("Music", "Artist:S", "SongTitle:S")
    t.create_table("Users", "UserId:N")
    t.create_table("Empty", "k:S", "r:B")
    t.put("Music", {
        "Artist": {"S": "No One You Know"}, "SongTitle": {"S": "Call Me Today"},
        "AlbumTitle": {"S": "Somewhat Famous"}, "Awards": {"N": "1"}, "Gone": {"NULL": True},
        "Live": {"BOOL": False}, "Notes": {"S": 'tab\there, "quoted", é, 夜'}, "Price": {"N": "0.99"},
        "Raw": {"B": b"\0\1\2"}, "Tags": {"SS": ["b", "a"]},
        "more": {"M": {"empty": {"M": {}}, "deep": {"L": [{"N": "1"}, {"S": "two"}, {"L": []}]}}}})
    t.put_items("Music", [{"Artist": {"S": "The Acme Band"}, "SongTitle": {"S": s}, "Genre": {"S": "Rock"}}
                          for s in ("Happy Day", "PB&J", "Wait/Stay")])
    t.put_items("Users", [{"UserId": {"N": str(n)}, "Name": {"S": "n%d" % n}} for n in (-7, 0, 42, 1000000)])


@test
def names(t):
    tables(t)
    m = t.mount()
    t.eq(sorted(os.listdir(m)), ["Empty", "Music", "Users"])
    t.eq(os.listdir(m / "Empty"), [])
    t.eq(sorted(os.listdir(m / "Music")), ["No One You Know", "The Acme Band"])
    t.eq(sorted(os.listdir(m / "Music/The Acme Band")), ["Happy Day.json", "PB&J.json", "Wait%2FStay.json"])
    t.eq(sorted(os.listdir(m / "Users")), ["-7.json", "0.json", "1000000.json", "42.json"])


@test
def only_the_tables_asked_for(t):
    tables(t)
    m = t.mount("Users,Em*")
    t.eq(sorted(os.listdir(m)), ["Empty", "Users"])
    t.fails("ENOENT", os.stat, m / "Music")


@test
def text_of_an_item(t):
    tables(t)
    m = t.mount()
    t.eq(read(m / "Music/No One You Know/Call Me Today.json"), ITEM)
    t.eq(read(m / "Users/42.json"), '{\n  "UserId": 42,\n  "Name": "n42"\n}\n')


@test
def sizes_and_modes(t):
    tables(t)
    m = t.mount()
    seen = 0
    for folder, folders, files in os.walk(m.path):
        for name in folders:
            t.true(stat.S_ISDIR(os.stat(os.path.join(folder, name)).st_mode), name + " is a directory")
        for name in files:
            path = os.path.join(folder, name)
            s = os.stat(path)
            t.true(stat.S_ISREG(s.st_mode), path + " is a file")
            t.eq(s.st_size, len(read(path).encode()), path)
            seen += 1
    t.eq(seen, 4 + 4)
    listed = t.sh("cd 'Music/The Acme Band' && stat -c '%s %n' *").stdout.strip().split("\n")
    for line in listed:
        size, name = line.split(" ", 1)
        t.eq(int(size), len(read(os.path.join(m.path, "Music/The Acme Band", name)).encode()), name)


@test
def what_is_not_there(t):
    tables(t)
    m = t.mount()
    for path in ("Nope", "music", "Music/No One", "Music/The Acme Band/nope.json",
                 "Users/4242", "Users/042", "Users/042.json", "Users/4.20e1.json", "Users/x.json", "Users/%34%32.json",
                 "Music/The Acme Band/Wait%2fStay.json", "Music/The Acme Band/Happy%20Day.json",
                 "Music@Nope"):
        t.fails("ENOENT", os.stat, m / path)


@test
def many_pages(t):
    t.create_table("Music", "Artist:S", "SongTitle:S")
    items = [{"Artist": {"S": "A"}, "SongTitle": {"S": "%05d" % n}, "x": {"S": "x" * 900}} for n in range(3000)]
    t.put_items("Music", items)
    m = t.mount()
    wanted = ["%05d.json" % n for n in range(3000)]
    t.eq(sorted(os.listdir(m / "Music/A")), wanted)
    t.eq(int(t.sh("find . -name '*.json' | wc -l").stdout), 3000)
    t.eq(int(t.sh("grep -rl xxxx Music | wc -l").stdout), 3000)
    fd = os.open(m / "Music/A", os.O_RDONLY)      # the same directory handle, read again from its start
    try:
        t.eq(sorted(os.listdir(fd)), wanted)
        os.lseek(fd, 0, os.SEEK_SET)
        t.eq(sorted(os.listdir(fd)), wanted)
    finally:
        os.close(fd)


@test
def inodes_outlive_the_mount(t):
    tables(t)

    def inodes(m):
        return {os.path.relpath(os.path.join(folder, name), m.path): os.stat(os.path.join(folder, name)).st_ino
                for folder, folders, files in os.walk(m.path) for name in folders + files}

    first = t.mount()
    before = inodes(first)
    first.umount()
    t.eq(len(set(before.values())), len(before), "distinct")
    t.eq(inodes(t.mount()), before)


run()
