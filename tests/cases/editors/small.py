# SPDX-License-Identifier: Apache-2.0
# SECONDS: 12
# TIMEOUT: 120
"""micro and mg, in a terminal."""

import os

from case import run, test, wait_for
from editors import Screen, Shelf, need


@test
def micro(t):
    need("micro", "tmux")
    with Shelf(t) as shelf:
        def edit(path, new="2003", says="Saved "):
            with Screen(t, ["micro", os.path.basename(path)], os.path.dirname(path)) as screen:
                screen.shows('"About": "as of 1999"')
                screen.keys("C-e")
                screen.shows(">")
                screen.type("replaceall 1999 " + new)
                screen.keys("Enter")
                screen.shows("Replaced 2 occurrences")
                screen.keys("C-s")
                screen.shows(says)
                screen.keys("C-q")
                if says != "Saved ":
                    screen.shows("Save changes")
                    screen.type("n")
                t.eq(screen.ended(), 0)

        shelf.dance("micro typed", edit)
        shelf.refused("micro bad", lambda path: edit(path, "rotten,", "invalid argument"))


@test
def mg(t):
    need("mg", "tmux")
    with Shelf(t) as shelf:
        def edit(path, new="2003", bad=False, options=()):
            with Screen(t, ["mg", *options, os.path.basename(path)], os.path.dirname(path)) as screen:
                screen.shows('"About": "as of 1999"')
                screen.keys("M-%")
                screen.shows("Query replace:")
                screen.type("1999")
                screen.keys("Enter")
                screen.shows("with:")
                screen.type(new)
                screen.keys("Enter")
                screen.shows("[")
                screen.type("!")
                wait_for(lambda: "2 " in screen.text().rstrip().split("\n")[-1], 10, "the replacement")
                screen.keys("C-x", "C-s")
                if bad:         # all that mg tells of a failed close: the buffer stays modified
                    wait_for(lambda: os.path.exists(shelf.rejected(os.path.basename(path))), 10, "the rejected text")
                    screen.keys("C-x", "C-c")
                    screen.shows("Save file")
                    screen.type("n")
                    screen.shows("really exit?")
                    screen.type("yes")
                    screen.keys("Enter")
                else:
                    screen.shows("Wrote ")
                    screen.keys("C-x", "C-c")
                t.eq(screen.ended(), 0)

        shelf.dance("mg typed", edit, keeps="mg typed.json~")
        shelf.dance("mg no backup", lambda path: edit(path, options=["-n"]))
        shelf.refused("mg bad", lambda path: edit(path, 'rotten",', bad=True), leaves=["mg bad.json~"])


run()
