# SPDX-License-Identifier: Apache-2.0
# SECONDS: 11
# TIMEOUT: 120
"""nano, in a terminal: with and without backup and lock file."""

import os

from case import run, test
from editors import Screen, Shelf, need


def replace(screen, old, new):
    screen.keys("M-r")
    screen.shows("Search (to replace)")
    screen.type(old)
    screen.keys("Enter")
    screen.shows("Replace with")
    screen.type(new)
    screen.keys("Enter")
    screen.shows("Replace this instance?")
    screen.type("a")
    screen.shows("Replaced 2 occurrences")


def save(screen, says):
    screen.keys("C-o")
    screen.shows("Write")
    screen.keys("Enter")
    screen.shows(says)


@test
def typed(t):
    need("nano", "tmux")
    with Shelf(t) as shelf:
        for way, options, backup in (("plain", [], None), ("backup", ["-B"], "~"), ("lock", ["-G"], None)):
            name = "nano %s.json" % way

            def edit(path, options=options, name=name):
                folder = os.path.dirname(path)
                with Screen(t, ["nano", "-I", *options, name], folder) as screen:
                    screen.shows('"About": "as of 1999"')
                    if options == ["-G"]:
                        t.true("." + name + ".swp" in os.listdir(folder), "the lock file is listed")
                    replace(screen, "1999", "2003")
                    save(screen, "Wrote 48 lines")
                    shelf.m.flush()
                    screen.keys("C-x")
                    t.eq(screen.ended(), 0)

            shelf.dance(name[:-5], edit, keeps=backup and name + backup)


@test
def bad_text(t):
    need("nano", "tmux")
    with Shelf(t) as shelf:
        for way, options in (("plain", []), ("backup", ["-B"])):
            name = "nano bad %s.json" % way

            def edit(path, options=options, name=name):
                with Screen(t, ["nano", "-I", *options, name], os.path.dirname(path)) as screen:
                    screen.shows('"About": "as of 1999"')
                    replace(screen, "1999", 'rotten",')
                    save(screen, "Invalid argument")
                    screen.keys("C-x")
                    screen.shows("Save modified buffer?")
                    screen.type("n")
                    t.eq(screen.ended(), 0)

            shelf.refused(name[:-5], edit, leaves=[name + "~"] if options else ())


run()
