# SPDX-License-Identifier: Apache-2.0
# TIMEOUT: 120
"""Editors and tools in an item's directory: the value changes, its type stays, nothing else comes into the table."""

import os
import shutil

from case import run, test
from editors import need

KEY = {"Id": {"S": "x"}}
VIM = ("vim -Nu NONE -i NONE -es -c 'set directory=. writebackup backupdir=. backupskip= %s' "
       "-c '%%s/1999/2003/' -c wq \"$f\"")
WAYS = [
    ("vim", VIM % "backupcopy=auto"),
    ("vim", VIM % "backupcopy=no"),
    ("vim", VIM % "backupcopy=yes"),
    ("vim", VIM % "backupcopy=no nofixendofline"),
    ("sed", "sed -i s/1999/2003/ \"$f\""),
    ("sed", "sed -i.bak s/1999/2003/ \"$f\"; rm \"$f.bak\""),
    ("perl", "perl -pi -e s/1999/2003/ \"$f\""),
    ("ed", "printf '%s\\n' ,s/1999/2003/ w q | ed -s \"$f\""),
    ("rsync", "sed s/1999/2003/ \"$f\" > \"$TMPDIR/t\"; rsync -a --checksum \"$TMPDIR/t\" \"$f\""),
    ("mv", "sed s/1999/2003/ \"$f\" > t.tmp && mv t.tmp \"$f\""),
    ("mv", "sed s/1999/2003/ \"$f\" > fresh && mv fresh \"$f\""),
    ("mv", "sed s/1999/2003/ \"$f\" > \"$TMPDIR/t\"; mv -f \"$TMPDIR/t\" \"$f\""),
    ("cp", "sed s/1999/2003/ \"$f\" > \"$TMPDIR/t\"; cp --remove-destination \"$TMPDIR/t\" \"$f\""),
    ("cp", "sed s/1999/2003/ \"$f\" > \"$TMPDIR/t\"; cp -b \"$TMPDIR/t\" \"$f\"; rm \"$f~\""),
    ("emacs", "emacs -Q --batch \"$f\" --eval "
              "'(while (search-forward \"1999\" nil t) (replace-match \"2003\"))' -f save-buffer; "
              "rm -f \"$f~\""),
]
FILES = {"year": ({"N": "1999"}, {"N": "2003"}), "about": ({"S": "as of 1999\n"}, {"S": "as of 2003\n"}),
         "list": ({"L": [{"N": "1999"}]}, {"L": [{"N": "2003"}]}), "years": ({"NS": ["1999"]}, {"NS": ["2003"]})}


@test
def ways(t):
    t.create_table("Test", "Id:S")
    m = t.mount("Test", "cache_ttl=60")
    tried = 0
    for program, command in WAYS:
        if not shutil.which(program):
            continue
        tried += 1
        for name, (old, new) in FILES.items():
            t.put("Test", {**KEY, name: old, "other": {"S": "o"}})
            m.flush()
            t.sh("export f=%s; %s" % (name, command), cwd=m / "Test/x")
            t.eq(t.get("Test", KEY), {**KEY, name: new, "other": {"S": "o"}}, "%s, %s" % (command, name))
            t.eq([n for n in os.listdir(m / "Test/x") if n not in ("Id", name, "other")], [], command)
    t.true(tried >= 8, "enough programs are installed")


@test
def scratch_files_stay_here(t):
    need("vim")
    t.create_table("Test", "Id:S")
    t.put("Test", {**KEY, "year": {"N": "1999"}})
    m = t.mount("Test", "cache_ttl=60")
    with t.proxy.counting() as counters:
        t.sh("export f=year; " + VIM % "backupcopy=no backup", cwd=m / "Test/x")
    t.eq(counters["ops"]["UpdateItem"]["requests"], 1)
    t.eq(sorted(os.listdir(m / "Test/x")), ["Id", "year", "year~"])
    t.eq(t.get("Test", KEY), {**KEY, "year": {"N": "2003"}})


@test
def refused_text_comes_back(t):
    """vim writes what is no number: it says so, the attribute is as it was, the text is kept."""
    need("vim")
    t.create_table("Test", "Id:S")
    t.put("Test", {**KEY, "year": {"N": "1999"}})
    m = t.mount("Test", "cache_ttl=60")
    t.sh("export f=year; " + (VIM % "backupcopy=no").replace("2003", "rotten"), cwd=m / "Test/x", check=False)
    t.eq(t.get("Test", KEY), {**KEY, "year": {"N": "1999"}})
    with open(m / "Test/x/year", encoding="ascii") as file:
        t.eq(file.read(), "1999")
    with open(m / ".ddbfs/rejected/Test/x/year", encoding="ascii") as file:
        t.eq(file.read(), "rotten\n")


run()
