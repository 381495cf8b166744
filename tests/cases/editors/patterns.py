# SPDX-License-Identifier: Apache-2.0
# SECONDS: 12
# TIMEOUT: 120
"""Editors that cannot be driven without a desktop: the system calls they make when they save, in their order."""

import os

from case import read, run, test
from editors import Shelf, item_of, key_of, text_of

NEW, CREATE, EXCL, TRUNC = os.O_WRONLY | os.O_CREAT, os.O_CREAT, os.O_EXCL, os.O_TRUNC
PIECE = 4096


def fill(fd, text, sync=True):
    data = text.encode()
    for start in range(0, len(data), PIECE):
        os.write(fd, data[start:start + PIECE])
    if sync:
        os.fsync(fd)


def save(path, flags, text, sync=True):
    fd = os.open(path, flags | os.O_CLOEXEC, 0o644)
    try:
        fill(fd, text, sync)
    except BaseException:
        os.close(fd)
        raise
    os.close(fd)


def vscode(path, text):
    """VS Code, "files.saveConflictResolution" aside: stat; open(O_WRONLY|O_CREAT|O_TRUNC); write; fdatasync; close;
    stat.  (Its writer truncates to 0 by itself first when the file exists, to keep alternate data streams.)"""
    os.stat(path)
    os.truncate(path, 0)
    fd = os.open(path, os.O_RDWR)
    try:
        fill(fd, text, sync=False)
        os.fdatasync(fd)
    except BaseException:
        os.close(fd)
        raise
    os.close(fd)
    os.stat(path)


def vscode_atomic(path, text):
    """VS Code's atomic writes: a sibling .vsctmp, then rename."""
    temporary = path + ".vsctmp"
    save(temporary, NEW | TRUNC, text)
    try:
        os.rename(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def gedit(path, text):
    """gedit, gnome-text-editor: GIO's g_file_replace().  open(O_CREAT|O_EXCL) of .goutputstream-XXXXXX; fchown, fchmod
    like the old file; write; fsync; rename."""
    old = os.stat(path)
    temporary = os.path.join(os.path.dirname(path), ".goutputstream-AB12CD")
    fd = os.open(temporary, os.O_RDWR | CREATE | EXCL | os.O_CLOEXEC, 0o666)
    try:
        os.fchown(fd, old.st_uid, old.st_gid)
        os.fchmod(fd, old.st_mode & 0o7777)
        now = os.fstat(fd)
        assert (now.st_uid, now.st_gid, now.st_mode) == (old.st_uid, old.st_gid, old.st_mode)
        fill(fd, text)
        os.rename(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    finally:
        os.close(fd)


def gedit_backup(path, text):
    """The same with a backup: link(2) to x.json~, which fails here; then rename to it, then rename of the new one."""
    temporary = os.path.join(os.path.dirname(path), ".goutputstream-EF34GH")
    fd = os.open(temporary, os.O_RDWR | CREATE | EXCL | os.O_CLOEXEC, 0o666)
    try:
        fill(fd, text)
        try:
            os.unlink(path + "~")
        except FileNotFoundError:
            pass
        try:
            os.link(path, path + "~")
        except PermissionError:
            os.rename(path, path + "~")
        os.rename(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    finally:
        os.close(fd)


def gio_overwrite(path, text):
    """GIO where it cannot replace (another owner): the backup is a copy, the file is rewritten in place."""
    with open(path, "rb") as f:
        fd = os.open(path + "~", NEW | EXCL, 0o644)
        os.write(fd, f.read())
        os.close(fd)
    fd = os.open(path, os.O_RDWR | CREATE | os.O_CLOEXEC, 0o666)
    try:
        os.lseek(fd, 0, os.SEEK_SET)
        os.ftruncate(fd, 0)
        fill(fd, text)
    finally:
        os.close(fd)


def qsavefile(path, text):
    """Kate, KWrite, Qt Creator: QSaveFile.  open(O_EXCL) of x.json.XXXXXX; write; fsync; fchmod; rename; close."""
    temporary = path + ".hKzQbt"
    fd = os.open(temporary, os.O_RDWR | CREATE | EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.fchmod(fd, 0o644)
        fill(fd, text)
        os.fdatasync(fd)
        os.close(fd)
        os.rename(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def jetbrains(path, text):
    """IntelliJ's safe write: x.json___jb_tmp___ is written, x.json renamed to x.json___jb_old___, the new one renamed
    to x.json, the old one removed."""
    temporary, old = path + "___jb_tmp___", path + "___jb_old___"
    save(temporary, NEW | EXCL, text)
    os.rename(path, old)
    try:
        os.rename(temporary, path)
    except BaseException:
        os.rename(old, path)
        os.unlink(temporary)
        raise
    os.unlink(old)


def sublime(path, text):
    """Sublime Text's atomic_save: .subl123.tmp; write; fchmod; fsync; rename."""
    temporary = os.path.join(os.path.dirname(path), ".subl7f3.tmp")
    save(temporary, NEW | EXCL, text)
    os.chmod(temporary, 0o644)
    try:
        os.rename(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def notepadqq(path, text):
    """The plainest of all: open(O_TRUNC), write, close; no fsync."""
    save(path, os.O_WRONLY | TRUNC, text, sync=False)


def hidden_json(path, text):
    """write-file-atomic and its like, with a name that keeps the suffix: .x.json.json."""
    temporary = os.path.join(os.path.dirname(path), ".tmp." + os.path.basename(path))
    save(temporary, NEW | EXCL, text)
    try:
        os.rename(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def open_across_rename(path, text):
    """The temporary file is written to after it was renamed onto the item, until it is closed."""
    temporary = path + ".part"
    fd = os.open(temporary, os.O_RDWR | CREATE | EXCL, 0o644)
    try:
        fill(fd, text)
        os.rename(temporary, path)
        os.pwrite(fd, text.encode()[:10], 0)
        os.fsync(fd)
    except BaseException:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise
    finally:
        os.close(fd)


def appender(path, text):
    """Truncates, then appends piece by piece through one handle."""
    fd = os.open(path, os.O_WRONLY | TRUNC | os.O_APPEND)
    try:
        fill(fd, text, sync=False)
    finally:
        os.close(fd)


# what, the backup that stays
PATTERNS = [
    (vscode, None), (vscode_atomic, None), (gedit, None), (gedit_backup, "~"), (gio_overwrite, "~"), (qsavefile, None),
    (jetbrains, None), (sublime, None), (notepadqq, None), (hidden_json, None), (open_across_rename, None),
    (appender, None),
]


@test
def whole_at_every_moment(t):
    with Shelf(t) as shelf:
        for pattern, suffix in PATTERNS:
            name = pattern.__name__
            new = text_of(item_of(name, "2003"))
            shelf.dance(name, lambda path, p=pattern, text=new: p(path, text), keeps=suffix and name + ".json" + suffix)


@test
def twice_in_a_row(t):
    """With nothing in between, and the second time nothing changed."""
    with Shelf(t) as shelf:
        for pattern, suffix in PATTERNS:
            name = pattern.__name__
            new = text_of(item_of(name, "2003"))

            def both(path, pattern=pattern, new=new, suffix=suffix):
                pattern(path, new)
                if suffix:
                    os.unlink(path + suffix)
                    pattern(path, new)
                    os.unlink(path + suffix)
                else:
                    pattern(path, new)

            shelf.dance(name, both)


@test
def bad_text(t):
    with Shelf(t) as shelf:
        for pattern, suffix in PATTERNS:
            name = pattern.__name__
            bad = text_of(item_of(name, "2003")).replace("2003", 'rotten",')

            def fails(path, pattern=pattern, bad=bad):
                t.fails("EINVAL", pattern, path, bad)

            shelf.refused(name, fails, leaves=[name + ".json" + suffix] if suffix else ())


@test
def emptied_before(t):
    """What was emptied through one handle, and is still in the table, is empty for the next writer."""
    with Shelf(t) as shelf:
        def append(path):
            os.close(os.open(path, os.O_WRONLY | TRUNC))
            fd = os.open(path, os.O_WRONLY | os.O_APPEND)
            fill(fd, text_of(item_of("append", "2003")))
            os.close(fd)

        shelf.dance("append", append)
        shelf.dance("shell", "> \"$f\"; cat \"$new\" >> \"$f\"")
        path = shelf.add("truncate")
        os.truncate(path, 0)
        t.eq(read(path), text_of(item_of("truncate", "1999")), "never written: as it was")
        save(path, os.O_RDWR, '{"a": 1}')                       # shorter than what was
        t.eq(t.get("Music", key_of("truncate")), dict(key_of("truncate"), a={"N": "1"}))
        with open(path, "r+", encoding="utf-8") as f:
            t.contains(f.read(), '"a": 1', "written since")


@test
def the_first_save(t):
    """Of an item that is not there yet."""
    with Shelf(t) as shelf:
        os.mkdir(shelf.folder)
        for pattern in (vscode_atomic, qsavefile, sublime, hidden_json, open_across_rename):
            name = pattern.__name__
            pattern(os.path.join(shelf.folder, name + ".json"), text_of(item_of(name, "2003")))
            shelf.names.append(name)
            t.eq(t.get("Music", {"Artist": {"S": "A"}, "SongTitle": {"S": name}}), item_of(name, "2003"), name)
            shelf.nothing_else(name)


run()
