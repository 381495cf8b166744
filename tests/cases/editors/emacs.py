# SPDX-License-Identifier: Apache-2.0
# SECONDS: 37
# TIMEOUT: 120
"""emacs: backups made by renaming and by copying, file-precious-flag, auto-save files, lock files (symlinks)."""

import os

from case import run, test, wait_for
from editors import Screen, Shelf, need


# by default nothing below /tmp gets a backup
BACKUP = "backup-enable-predicate (lambda (_) t)"


def script(*settings, old="1999", new="2003"):
    """emacs without a terminal, as a shell command on $f."""
    forms = ["(setq %s)" % s for s in (BACKUP,) + settings]
    forms.append('(progn (find-file (getenv "f")) (while (search-forward "%s" nil t) (replace-match "%s" t t)) '
                 '(save-buffer))' % (old, new))
    return "emacs -Q --batch " + " ".join("--eval '%s'" % form for form in forms)


# what it is called, its settings, the backup that stays
WAYS = [
    ("plain", [], ".json~"),
    ("no backup", ["make-backup-files nil"], None),
    ("backup by copying", ["backup-by-copying t"], ".json~"),
    ("numbered backup", ["version-control t"], ".json.~1~"),
    ("precious", ["file-precious-flag t"], ".json~"),
    ("precious, no backup", ["file-precious-flag t", "make-backup-files nil"], None),
    ("fsync", ["write-region-inhibit-fsync nil"], ".json~"),
    ("no fsync", ["write-region-inhibit-fsync t"], ".json~"),
    ("fsync, no backup", ["write-region-inhibit-fsync nil", "make-backup-files nil"], None),
    ("lock file", ["create-lockfiles t", "lock-file-name-transforms nil"], ".json~"),
]


@test
def headless(t):
    need("emacs")
    with Shelf(t) as shelf:
        for way, settings, backup in WAYS:
            shelf.dance("emacs " + way, script(*settings), keeps=backup and "emacs " + way + backup)


@test
def bad_text(t):
    need("emacs")
    with Shelf(t) as shelf:
        for way, settings, backup in WAYS[:6]:
            name = "emacs bad " + way
            # without a person emacs cleans nothing up
            leaves = [name + backup] if backup else []
            shelf.refused(name, script(*settings, new='rotten\\",'),
                          leaves=leaves + (["tmp*"] if "precious" in way else []))


@test
def typed(t):
    need("emacs", "tmux")
    with Shelf(t) as shelf:
        def edit(path):
            folder, name = os.path.split(path)
            with Screen(t, ["emacs", "-nw", "-Q", "--eval", "(setq %s)" % BACKUP, name], folder) as screen:
                screen.shows('"About": "as of 1999"')
                screen.keys("M-x")
                screen.type("replace-string")
                screen.keys("Enter")
                screen.type("1999")
                screen.keys("Enter")
                screen.type("2003")
                screen.keys("Enter")
                screen.shows("Replaced 2 occurrences")
                lock = os.path.join(folder, ".#" + name)
                t.true(os.path.islink(lock), "the lock file is a symlink")
                t.contains(os.readlink(lock), "@")
                t.true(".#" + name in os.listdir(folder), "the lock file is listed")
                screen.keys("M-x")
                screen.type("do-auto-save")
                screen.keys("Enter")
                auto = os.path.join(folder, "#" + name + "#")
                wait_for(lambda: os.path.exists(auto) and os.path.getsize(auto) > 10000, 10, "the auto-save file")
                with open(auto, encoding="utf-8") as f:
                    t.contains(f.read(), '"Year": 2003')
                screen.keys("C-x", "C-s")
                screen.shows("Wrote ")
                shelf.m.flush()         # what was cached is gone: emacs must not see another time of change
                t.true(not os.path.lexists(lock), "the lock file is gone")
                screen.keys("M-<")
                screen.keys("Enter")
                screen.keys("C-x", "C-s")
                wait_for(lambda: "**-" not in screen.text(), 10, "the second save")
                t.true("changed" not in screen.text(), "nobody else changed it")
                screen.keys("C-x", "C-c")
                t.eq(screen.ended(), 0)

        shelf.dance("emacs typed", edit, keeps="emacs typed.json~")


@test
def bad_text_typed(t):
    """emacs says so, and the person can mend the text and save again."""
    need("emacs", "tmux")
    with Shelf(t) as shelf:
        def edit(path):
            folder, name = os.path.split(path)
            with Screen(t, ["emacs", "-nw", "-Q", "--eval", "(setq %s)" % BACKUP, name], folder) as screen:
                screen.shows('"About": "as of 1999"')
                screen.keys("M-x")
                screen.type("replace-string")
                screen.keys("Enter")
                screen.type("1999")
                screen.keys("Enter")
                screen.type('rotten",')
                screen.keys("Enter")
                screen.shows("Replaced 2 occurrences")
                screen.keys("C-x", "C-s")
                screen.shows("nvalid argument")
                screen.keys("C-x", "C-c")
                screen.shows("Save file")
                screen.type("n")
                screen.shows("exit anyway")
                screen.type("yes")
                screen.keys("Enter")
                t.eq(screen.ended(), 0)
            auto = os.path.join(folder, "#" + name + "#")       # it may have come to that
            if os.path.exists(auto):
                os.unlink(auto)

        # emacs renames the backup back
        shelf.refused("emacs bad typed", edit)


run()
