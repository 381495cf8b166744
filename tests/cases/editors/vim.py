# SPDX-License-Identifier: Apache-2.0
# BUILDS: plain asan
# TIMEOUT: 120
"""vim: every way it has of writing a file."""

import os

from case import run, test
from editors import Screen, Shelf, item_of, key_of, need, text_of

VIM = ["vim", "-Nu", "NONE", "-i", "NONE"]
# 'backupskip' has /tmp in it
SET = "set swapfile writebackup backupskip= backupdir=. directory=."


def script(options, *commands):
    """vim -es, as a shell command: the file name is in $f."""
    quoted = " ".join("-c '%s'" % c for c in (SET + " " + options, "%s/1999/2003/") + commands)
    return "%s -es %s \"$f\"" % (" ".join(VIM), quoted)


@test
def headless(t):
    need("vim")
    with Shelf(t) as shelf:
        for copy in ("yes", "no", "auto", "yes,breakhardlink", "no,breaksymlink,breakhardlink"):
            for backup in ("nobackup", "backup"):
                for write in (["wq"], ["w", "q"], ["w!", "q"], ["x"]):
                    if backup == "backup" and write != ["wq"]:
                        continue
                    name = "vim %s %s %s" % (copy, backup, " ".join(write))
                    shelf.dance(name, script("backupcopy=%s %s" % (copy, backup), *write),
                                keeps=name + ".json~" if backup == "backup" else None)
        for options in ("nowritebackup nobackup", "nofsync backupcopy=no", "nofsync backupcopy=yes",
                        "noswapfile", "backup backupext=.bak backupcopy=no", "fileformat=unix nofixendofline"):
            name = "vim " + options
            shelf.dance(name, script(options, "wq"), keeps=name + ".json.bak" if "bak" in options.split("=")[1:][:1][:0] or
                        "backupext" in options else None)


run()
