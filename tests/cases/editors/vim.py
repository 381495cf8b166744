# SPDX-License-Identifier: Apache-2.0
# SECONDS: 11
# TIMEOUT: 120
"""vim: every way it has of writing a file."""

import os
import signal

from case import run, test, wait_for
from editors import Screen, Shelf, key_of, need

VIM = ["vim", "-Nu", "NONE", "-i", "NONE"]
# 'backupskip' names /tmp where the tests may well be
SETTINGS = "set swapfile directory=. writebackup backupdir=. backupskip="


def script(settings, *commands, change="%s/1999/2003/"):
    """vim without a terminal, as a shell command on $f."""
    commands = ["-c '%s'" % c for c in (SETTINGS + " " + settings, change) + commands]
    return "%s -es %s \"$f\"" % (" ".join(VIM), " ".join(commands))


COPIES = ("yes", "no", "auto", "yes,breakhardlink", "no,breaksymlink,breakhardlink")


@test
def backupcopy(t):
    need("vim")
    with Shelf(t) as shelf:
        for copy in COPIES:
            shelf.dance("vim %s w" % copy, script("backupcopy=" + copy, "w", "q"))
            shelf.dance("vim %s kept" % copy, script("backup backupcopy=" + copy, "wq"),
                        keeps="vim %s kept.json~" % copy)
        for copy in ("yes", "no"):
            for write in ("wq", "w!", "x"):
                shelf.dance("vim %s %s" % (copy, write), script("backupcopy=" + copy, write, "q"))
            for settings in ("nofsync", "noswapfile", "nowritebackup", "nofixendofline"):
                shelf.dance("vim %s %s" % (copy, settings), script("backupcopy=%s %s" % (copy, settings), "wq"))
            name = "vim %s patchmode" % copy
            shelf.dance(name, script("patchmode=.orig backupcopy=" + copy, "wq"), keeps=name + ".json.orig")


@test
def bad_text(t):
    need("vim")
    with Shelf(t) as shelf:
        for copy in ("yes", "no"):
            for settings in ("fsync", "nofsync", "backup", "nowritebackup"):
                name = "vim bad %s %s" % (copy, settings)
                # with a copy as backup vim copies it back, and leaves it
                shelf.refused(name, script("backupcopy=%s %s" % (copy, settings), "wq", change="%s/1999/rotten\",/"),
                              leaves=[name + ".json~"] if copy == "yes" and settings != "nowritebackup" else ())


@test
def typed(t):
    """In a terminal, saving more than once: vim must not believe that somebody else has changed the file."""
    need("vim", "tmux")
    with Shelf(t) as shelf:
        def edit(path):
            folder, name = os.path.split(path)
            with Screen(t, VIM + ["-c", SETTINGS, "-c", "set backupcopy=no", name], folder) as screen:
                screen.shows('"About": "as of 1999"')
                screen.type(":%s/1999/2003/")
                screen.keys("Enter")
                screen.shows('"Year": 2003')
                t.true("." + name + ".swp" in os.listdir(folder), "the swap file is listed")
                screen.type(":w")
                screen.keys("Enter")
                screen.shows("written")
                shelf.m.flush()
                screen.type("ggI ")
                screen.keys("Escape")
                screen.type(":w")
                screen.keys("Enter")
                wait_for(lambda: "[+]" not in screen.text(), 10, "the second save")
                t.true("changed since" not in screen.text(), "nobody else changed it")
                screen.type(":wq")
                screen.keys("Enter")
                t.eq(screen.ended(), 0)

        shelf.dance("vim typed", edit)


@test
def bad_text_typed(t):
    need("vim", "tmux")
    with Shelf(t) as shelf:
        def edit(path):
            folder, name = os.path.split(path)
            with Screen(t, VIM + ["-c", SETTINGS, "-c", "set backupcopy=no", name], folder) as screen:
                screen.shows('"About": "as of 1999"')
                screen.type(":%s/1999/rotten\",/")
                screen.keys("Enter")
                screen.type(":w")
                screen.keys("Enter")
                screen.shows("E512")        # close failed
                screen.keys("Enter")
                screen.type(":q!")
                screen.keys("Enter")
                screen.ended()

        shelf.refused("vim bad typed", edit)


@test
def killed(t):
    """kill -9 in the midst of it: the swap file is there, and recovers what was typed."""
    need("vim", "tmux")
    with Shelf(t) as shelf:
        def edit(path):
            folder, name = os.path.split(path)
            with Screen(t, VIM + ["-c", SETTINGS, name], folder) as screen:
                screen.shows('"About": "as of 1999"')
                screen.type(":%s/1999/2003/")
                screen.keys("Enter")
                screen.shows('"Year": 2003')
                screen.type(":preserve")
                screen.keys("Enter")
                screen.shows("File preserved")
                vim = int(screen.tmux("list-panes", "-F", "#{pane_pid}"))
                for child in t.sh("ps -o pid= --ppid %d" % vim).stdout.split():
                    os.kill(int(child), signal.SIGKILL)
                t.eq(screen.ended(), 128 + signal.SIGKILL)
            swap = os.path.join(folder, "." + name + ".swp")
            t.true(os.path.getsize(swap) > 4096, "the swap file is there")
            t.eq(t.get("Music", key_of("vim killed"))["Year"], {"N": "1999"})
            done = t.sh("%s -es -r %s -c wq" % (" ".join(VIM), name.replace(" ", "\\ ")), cwd=folder, check=False)
            os.unlink(swap)
            return done

        shelf.dance("vim killed", edit)


run()
