# SPDX-License-Identifier: Apache-2.0
# SECONDS: 17
# TIMEOUT: 120
"""Programs that change or replace a file: in place, by a temporary file and a rename, or by unlinking it first."""

import os

from case import run, test
from editors import Shelf, need

BAD = "s/1999/rotten\",/"
SPOIL = "sed -i 's/2003/rotten\",/' \"$new\"; "


# name, command ($f: the file; $new: a file elsewhere with the new text), backup that stays
WAYS = [
    ("sed -i", "sed -i s/1999/2003/ \"$f\"", None),
    ("sed -i.bak", "sed -i.bak s/1999/2003/ \"$f\"", ".bak"),
    ("sed --in-place -s", "sed -s -i s/1999/2003/ \"$f\"", None),
    ("perl -i", "perl -pi -e s/1999/2003/ \"$f\"", None),
    ("perl -i.orig", "perl -pi.orig -e s/1999/2003/ \"$f\"", ".orig"),
    ("ed", "printf '%s\\n' ,s/1999/2003/ w q | ed -s \"$f\"", None),
    ("ed W", "printf '%s\\n' ,s/1999/2003/ wq | ed \"$f\"", None),
    ("rsync -a", "rsync -a \"$new\" \"$f\"", None),
    ("rsync -a --inplace", "rsync -a --inplace \"$new\" \"$f\"", None),
    ("rsync -aAX", "rsync -aAX --checksum \"$new\" \"$f\"", None),
    ("rsync --fsync", "rsync -a --fsync \"$new\" \"$f\"", None),
    ("rsync -ab", "rsync -ab \"$new\" \"$f\"", "~"),
    ("rsync --no-whole-file", "rsync -a --no-whole-file --checksum \"$new\" \"$f\"", None),
    ("cp", "cp \"$new\" \"$f\"", None),
    ("cp -p", "cp -p \"$new\" \"$f\"", None),
    ("cp -a", "cp -a \"$new\" \"$f\"", None),
    ("cp -b", "cp -b \"$new\" \"$f\"", "~"),
    ("cp --reflink=auto --sparse=always", "cp --reflink=auto --sparse=always \"$new\" \"$f\"", None),
    ("install -b", "install -b -m 644 \"$new\" \"$f\"", "~"),
    ("mv -b", "mv -b \"$new\" \"$f\"", "~"),
    ("tar x --overwrite", "tar -cC \"${new%/*}\" --transform \"s|.*|$f|\" new.json | tar x --overwrite", None),
    ("patch", "diff -u \"$f\" \"$new\" | patch \"$f\"", None),
    ("patch -b", "diff -u \"$f\" \"$new\" | patch -b \"$f\"", ".orig"),
    ("patch -o", "diff -u \"$f\" \"$new\" | patch -o - \"$f\" > tmp && mv tmp \"$f\"", None),
    ("jq and mv", "jq '.About = \"as of 2003\" | .Year = 2003' \"$f\" > tmp && mv tmp \"$f\"", None),
    ("jq and mv, long name",
     "jq '.About = \"as of 2003\" | .Year = 2003' \"$f\" > \"$f.tmp.$$\" && mv -f \"$f.tmp.$$\" \"$f\"", None),
    ("shell", "sed s/1999/2003/ \"$f\" > \"$TMPDIR/t\"; cat \"$TMPDIR/t\" > \"$f\"", None),
    ("tee", "tee \"$f\" < \"$new\" > /dev/null", None),
    ("dd", "dd if=\"$new\" of=\"$f\" bs=1000 conv=fsync status=none", None),
    ("dd notrunc", "dd if=\"$new\" of=\"$f\" bs=1000 conv=notrunc status=none", None),
    ("awk", "awk '{ gsub(/1999/, \"2003\"); print }' \"$f\" > \"$TMPDIR/t\" && cp \"$TMPDIR/t\" \"$f\"", None),
    ("mktemp and mv", "t=$(mktemp \"$f.XXXXXX\") && cat \"$new\" > \"$t\" && mv \"$t\" \"$f\"", None),
    ("mv from a scratch file with NOREPLACE", "cp \"$new\" x && mv \"$f\" keep && mv -n x \"$f\"", ""),
]

# those that unlink first
GAPS = [
    ("tar x", "tar -cC \"${new%/*}\" --transform \"s|.*|$f|\" new.json | tar x", None),
    ("tar x --unlink-first", "tar -cC \"${new%/*}\" --transform \"s|.*|$f|\" new.json | tar x -U", None),
    ("install", "install -m 644 \"$new\" \"$f\"", None),
    ("mv -f from elsewhere", "mv -f \"$new\" \"$f\"", None),
    ("cp --remove-destination", "cp --remove-destination \"$new\" \"$f\"", None),
    ("rm and cp", "rm \"$f\" && cp \"$new\" \"$f\"", None),
]


@test
def whole_at_every_moment(t):
    need("sed", "perl", "ed", "rsync", "tar", "patch", "jq")
    with Shelf(t) as shelf:
        for way, command, suffix in WAYS:
            keeps = None if suffix is None else way + ".json" + suffix if suffix else "keep"
            shelf.dance(way, command, keeps=keeps)


@test
def the_gap_they_ask_for(t):
    need("tar", "install")
    with Shelf(t) as shelf:
        for way, command, _ in GAPS:
            shelf.dance(way, command, gap=True)


# command, what it tells when its status is 0, scratch files it leaves, whether the item is gone
REFUSED = [
    ("sed -i", "sed -i '%s' \"$f\"" % BAD, None, [], False),
    ("sed -i.bak", "sed -i.bak '%s' \"$f\"" % BAD, None, ["*.bak"], False),
    ("ed", "printf '%%s\\n' ',%s' w q | ed -s \"$f\"" % BAD, None, [], False),
    ("rsync -a", SPOIL + "rsync -a \"$new\" \"$f\"", None, [], False),
    ("rsync -a --inplace", SPOIL + "rsync -a --inplace \"$new\" \"$f\"", None, [], False),
    ("cp -p", SPOIL + "cp -p \"$new\" \"$f\"", None, [], False),
    ("dd", SPOIL + "dd if=\"$new\" of=\"$f\" status=none", None, [], False),
    ("patch", SPOIL + "diff -u \"$f\" \"$new\" | patch \"$f\"", None, [], False),
    ("jq and mv", "echo 'rotten,' > tmp && mv tmp \"$f\"", None, ["tmp"], False),
    ("cat", SPOIL + "cat \"$new\" > \"$f\"", None, [], False),      # a shell's own echo tells of no failed close
    ("tar x", SPOIL + "tar -cC \"${new%/*}\" --transform \"s|.*|$f|\" new.json | tar x", None, [], True),
    ("install", SPOIL + "install \"$new\" \"$f\"", None, [], True),
    ("mv -f", SPOIL + "mv -f \"$new\" \"$f\"", None, [], True),
    ("perl -i", "perl -pi -e '%s' \"$f\"" % BAD, None, [], False),
]


@test
def bad_text(t):
    with Shelf(t) as shelf:
        for way, command, told, leaves, gone in REFUSED:
            shelf.refused("bad " + way, command, told=told, leaves=leaves, gone=gone)


@test
def a_new_item(t):
    """By the same ways where there is none yet."""
    need("rsync", "tar")
    with Shelf(t) as shelf:
        old = t.path("tmp", "old.json")
        with open(old, "w", encoding="utf-8") as f:
            f.write('{\n  "Artist": "A",\n  "SongTitle": "new",\n  "Year": 1\n}\n')
        os.mkdir(shelf.folder)
        for way, command in (("cp", "cp -p %s new.json"), ("rsync", "rsync -a %s new.json"),
                             ("install", "install -m 600 %s new.json"), ("mv", "cp %s x && mv x new.json"),
                             ("O_EXCL", "set -C; cat %s > new.json"),
                             ("ed", "printf '%%s\\n' 'r %s' w q | ed -s new.json"),
                             ("tar", "tar -cC ${TMPDIR} --transform 's|.*|new.json|' old.json %.0s| tar x")):
            t.sh(command % old, cwd=shelf.folder)
            t.eq(t.get("Music", {"Artist": {"S": "A"}, "SongTitle": {"S": "new"}})["Year"], {"N": "1"}, way)
            t.eq(os.listdir(shelf.folder), ["new.json"], way)
            os.unlink(os.path.join(shelf.folder, "new.json"))
            t.eq(t.scan("Music"), [], way)


run()
