# SPDX-License-Identifier: Apache-2.0
# BUILDS: plain asan
# TIMEOUT: 120
"""Every example of ddbfs-paths(7) does what it says, or at least succeeds."""

import os
import re

from case import ROOT, run, test

PAGE = os.path.join(ROOT, "man", "ddbfs-paths.7.scd")
# what needs another program, or a mount of its own
LEFT_OUT = ("aws ", "ddbfs ")


def examples():
    """The commands of the page, in their order: indented and bold, or in a block."""
    found, block = [], False
    with open(PAGE, encoding="utf-8") as page:
        for line in page:
            line = line.rstrip("\n")
            if line == "```":
                block = not block
            elif block and (line.startswith("$ ") or re.match(r"(ls|cat|getfattr) ", line)):
                found.append(line.removeprefix("$ "))
            elif not block and re.fullmatch(r"\t\*.* .*\*", line):
                found.append(line[2:-1].replace("\\*", "*").replace("\\_", "_").replace("'*", "'*"))
    return found


def fill(t):
    t.create_table("Music", "Artist:S", "SongTitle:S",
                   gsi=[("GenreAlbumTitle", "Genre:S", "AlbumTitle:S")])
    t.put("Music", {"Artist": {"S": "No One You Know"}, "SongTitle": {"S": "Call Me Today"},
                    "AlbumTitle": {"S": "Somewhat Famous"}, "Genre": {"S": "Country"}})
    t.create_table("Copy", "Artist:S", "SongTitle:S")
    t.create_table("Users", "UserId:N")
    t.put("Users", {"UserId": {"N": "42"}, "Age": {"N": "42"}, "Mail": {"S": "ada@example.org"}})
    t.create_table("Sensors", "Id:S", "Time:N")
    t.put("Sensors", {"Id": {"S": "s-17"}, "Time": {"N": "1"}})
    t.create_table("Logs", "Host:S", "Time:S")
    for day in ("2023-01-01", "2023-02-01", "2023-06-01"):
        t.put("Logs", {"Host": {"S": "web"}, "Time": {"S": day}})
    t.create_table("Orders", "User:N", "Date:S")
    t.put("Orders", {"User": {"N": "42"}, "Date": {"S": "2023-05"}, "status": {"S": "open"}, "total": {"N": "9"},
                     "id": {"N": "1"}})


@test
def every_one(t):
    fill(t)
    m = t.mount(None, "cache_ttl=60")
    here = t.path("here")
    os.mkdir(here)
    for name in os.listdir(m):
        os.symlink(m / name, os.path.join(here, name))
    with open(os.path.join(here, "photo.jpg"), "wb") as file:
        file.write(b"\xff\xd8" + bytes(1000))
    with open(os.path.join(here, "new-users.csv"), "w", encoding="ascii") as file:
        file.write("UserId,Name\n50,Bo\n")
    ran = 0
    for command in examples():
        if command.startswith(LEFT_OUT):
            continue
        wrong = "/.first/1/.last/1" in command and command.startswith("ls")    # the page says that it fails
        done = t.sh(command, cwd=here, check=False)
        t.eq(done.returncode != 0, wrong, "%s: %s" % (command, done.stderr))
        ran += 1
    t.true(ran >= 20, "%d examples were found" % ran)
    t.eq(t.get("Users", {"UserId": {"N": "42"}}),
         {"UserId": {"N": "42"}, "Email": {"S": "ada@example.org"}, "Photo": {"B": b"\xff\xd8" + bytes(1000)}})
    t.eq(t.get("Users", {"UserId": {"N": "43"}}), None)
    t.eq(len(t.scan("Logs")), 1)
    t.eq(t.get("Users", {"UserId": {"N": "50"}}), {"UserId": {"N": "50"}, "Name": {"S": "Bo"}})
    t.eq(t.scan("Copy"), t.scan("Music"))


@test
def show_all(t):
    """A walk through everything ends, and reads what has a name without arguments."""
    fill(t)
    m = t.mount(None, "show=all")
    found = t.sh("find . | sort", cwd=m.path).stdout.split("\n")
    for path in ("./.ddbfs/config.json", "./Music/.info/schema.json", "./Music/.export/csv", "./Users/42/Mail",
                 "./Music/No One You Know/Call Me Today/AlbumTitle", "./Logs/web/.first", "./Logs/web/.export/jsonl"):
        t.true(path in found, path)
    t.at_most(len(found), 300, "names")
    t.sh("grep -r --exclude-dir=.import 2023 Logs Orders >/dev/null", cwd=m.path)    # those are for writing


run()
