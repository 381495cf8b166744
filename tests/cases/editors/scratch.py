# SPDX-License-Identifier: Apache-2.0
# SECONDS: 12
# BUILDS: plain asan
# TIMEOUT: 120
"""Scratch files, with everything that editors do to them: they are files like on a disk, and never reach the table."""

import fcntl
import mmap
import os
import stat
import time

from case import read, run, test, wait_for, write
from editors import Shelf, item_of, key_of, text_of

NAMES = [".one.json.swp", ".one.json.swx", "4913", "one.json~", "#one.json#", ".#one.json", "sedAbCdEf",
         ".one.json.aBcDeF", ".goutputstream-X1Y2Z3", "one.json.orig", "one.json.rej", "one.json.bak",
         ".~lock.one.json#", "one.json.un~", ".hidden.json", "..json", "tmp", "tmp.json5", "a b\tc", "ünïcode~",
         "x" * 255, "one.json.tmp.12345", "%", "%2F", "50%"]


@test
def names(t):
    with Shelf(t) as shelf:
        shelf.add("one")
        before = t.proxy.writes()
        for name in NAMES:
            path = os.path.join(shelf.folder, name)
            t.fails("ENOENT", os.stat, path)
            write(path, "scratch " + name)
            t.eq(read(path), "scratch " + name, name)
            t.eq(os.stat(path).st_size, len("scratch " + name.encode().decode("latin-1")), name)
        t.eq(sorted(os.listdir(shelf.folder)), sorted(NAMES + ["one.json"]))
        with os.scandir(shelf.folder) as entries:
            t.true(all(e.is_file(follow_symlinks=False) for e in entries), "all of them are files")
        t.eq(t.proxy.writes(), before)
        t.sh("rm -- *~ '#'* .[!.]*", cwd=shelf.folder)
        for name in NAMES:
            if os.path.lexists(os.path.join(shelf.folder, name)):
                os.unlink(os.path.join(shelf.folder, name))
        shelf.nothing_else("one")
        for name in (".", "..", "x" * 256):
            t.fails(("EISDIR", "EEXIST", "ENAMETOOLONG", "EINVAL"), write, os.path.join(shelf.folder, name), "x")
        t.fails(("EINVAL", "EPERM"), write, shelf.m / "Music/scratch", "beside partitions there are no files")


@test
def files(t):
    """Offsets, appending, truncating, holes, mapping, locks, times, modes, extended attributes."""
    with Shelf(t) as shelf:
        shelf.add("one")
        path = os.path.join(shelf.folder, ".one.json.swp")
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        t.fails("EEXIST", os.open, path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
        t.eq(os.write(fd, b"b0VIM 9.0" + b"\0" * 4087), 4096)
        t.eq(os.pwrite(fd, b"far", 100000), 3)
        t.eq(os.fstat(fd).st_size, 100003)
        t.eq(os.pread(fd, 8, 4092), b"\0" * 8)
        os.ftruncate(fd, 8192)
        t.eq(os.fstat(fd).st_size, 8192)
        os.posix_fallocate(fd, 0, 20000)
        t.eq(os.fstat(fd).st_size, 20000)
        os.fsync(fd)
        os.fdatasync(fd)
        with mmap.mmap(fd, 20000) as m:
            m[0:4] = b"mmap"
            m.flush()
        t.eq(os.pread(fd, 9, 0), b"mmapM 9.0")
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        other = os.open(path, os.O_RDWR)
        t.fails("EAGAIN", fcntl.flock, other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(fd, fcntl.LOCK_UN)
        fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        t.eq(os.pread(other, 4, 0), b"mmap", "seen through another handle")
        os.pwrite(other, b"OTHER", 0)
        t.eq(os.pread(fd, 5, 0), b"OTHER")
        os.close(other)
        os.fchmod(fd, 0o644)
        os.fchown(fd, os.getuid(), os.getgid())
        os.utime(fd, (1, 2))
        os.close(fd)
        with open(path, "ab") as f:
            f.write(b"appended")
        t.eq(read_bytes(path)[-8:], b"appended")
        os.truncate(path, 3)
        t.eq(read_bytes(path), b"OTH")
        t.sh("cat .one.json.swp .one.json.swp > joined && cmp <(echo -n OTHOTH) joined && rm joined", cwd=shelf.folder)
        t.true(stat.S_ISREG(os.stat(path).st_mode), "a regular file")
        os.unlink(path)
        shelf.nothing_else("one")


def read_bytes(path):
    with open(path, "rb") as f:
        return f.read()


@test
def extended_attributes(t):
    with Shelf(t) as shelf:
        item = shelf.add("one")
        path = os.path.join(shelf.folder, "one.json~")
        write(path, "x")
        try:
            os.setxattr(t.path("state"), "user.try", b"1")
        except OSError:
            return      # the disk has none
        os.setxattr(path, "user.charset", b"utf-8")
        t.eq(os.getxattr(path, "user.charset"), b"utf-8")
        t.eq(os.listxattr(path), ["user.charset"])
        os.removexattr(path, "user.charset")
        t.eq(os.listxattr(path), [])
        t.fails("ENODATA", os.getxattr, path, "user.charset")
        t.fails("ENODATA", os.removexattr, path, "user.charset")
        # an item's cannot be set; what it has is not listed, or cp -a and rsync -X would carry it along
        t.fails(("EOPNOTSUPP", "ENOTSUP"), os.setxattr, item, "user.charset", b"utf-8")
        t.eq(os.listxattr(item), [])
        t.contains(os.getxattr(item, "user.ddbfs.key").decode(), '"one"')
        os.unlink(path)


@test
def unlinked_while_open(t):
    with Shelf(t) as shelf:
        shelf.add("one")
        path = os.path.join(shelf.folder, "sedAbCdEf")
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
        os.write(fd, b"still here")
        os.unlink(path)
        t.fails("ENOENT", os.stat, path)
        new = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
        os.write(new, b"new")
        os.pwrite(fd, b"S", 0)
        time.sleep(1.1)         # what the kernel remembers of it is over
        t.eq(os.fstat(fd).st_size, 10)
        t.eq(os.fstat(fd).st_nlink, 0)
        t.eq(os.pread(fd, 20, 0), b"Still here")
        os.ftruncate(fd, 5)
        t.eq(os.fstat(fd).st_size, 5)
        with mmap.mmap(fd, 5) as m:
            t.eq(m[:], b"Still")
        t.eq(os.fstat(new).st_size, 3)
        t.eq(read(path), "new")
        os.close(fd)
        os.close(new)
        over = os.open(path, os.O_RDONLY)
        write(path + "2", "replaces it")
        os.rename(path + "2", path)
        t.eq(os.pread(over, 20, 0), b"new", "replaced while open")
        t.eq(read(path), "replaces it")
        os.close(over)
        os.unlink(path)
        shelf.nothing_else("one")


@test
def renames(t):
    """Both ways, over one another, by NOREPLACE, and back."""
    with Shelf(t) as shelf:
        one = shelf.add("one")
        text = text_of(item_of("one", "1999"))
        write(one + ".a", "a")
        write(one + ".b", "b")
        os.rename(one + ".a", one + ".b")
        t.eq(read(one + ".b"), "a")
        t.fails("ENOENT", os.stat, one + ".a")
        os.rename(one, one + "~")                           # the item becomes a backup
        t.fails("ENOENT", os.stat, one)
        t.eq(read(one + "~"), text)
        t.eq(sorted(os.listdir(shelf.folder)), ["one.json.b", "one.json~"])
        t.eq(t.get("Music", key_of("one")), item_of("one", "1999"), "others still have it")
        os.rename(one + "~", one)                           # and is put back
        t.eq(read(one), text)
        t.eq(t.proxy.writes(), 0, "nothing was ever missing")
        os.rename(one, one + ".b")                          # over a scratch file
        t.eq(read(one + ".b"), text)
        write(one + ".c", text.replace("1999", "2003"))
        os.rename(one + ".c", one)
        t.eq(t.get("Music", key_of("one")), item_of("one", "2003"))
        t.eq(t.proxy.requests_of("UpdateItem"), 1)
        t.eq(t.proxy.writes(), 1)
        os.unlink(one + ".b")
        write(one + ".new", text.replace("one", "two"))
        t.sh("mv -n one.json.new one.json; test -e one.json.new; mv one.json.new two.json", cwd=shelf.folder)
        t.eq(t.get("Music", key_of("two"))["Year"], {"N": "1999"})
        shelf.names.append("two")
        shelf.nothing_else("renames")


@test
def links(t):
    with Shelf(t) as shelf:
        shelf.add("one")
        lock = os.path.join(shelf.folder, ".#one.json")
        os.symlink("me@here.123:456", lock)
        t.eq(os.readlink(lock), "me@here.123:456")
        t.true(os.path.islink(lock), "a symlink")
        t.fails("EEXIST", os.symlink, "me@here.124", lock)
        t.true(".#one.json" in os.listdir(shelf.folder), "it is listed")
        os.unlink(lock)
        t.fails("EPERM", os.link, os.path.join(shelf.folder, "one.json"), os.path.join(shelf.folder, "one.json~"))
        t.fails(("EPERM", "EOPNOTSUPP"), os.mkfifo, os.path.join(shelf.folder, "fifo"))
        shelf.nothing_else("one")


@test
def they_outlive_the_mount(t):
    """A swap file is there after a crash, and what is listed is what is there."""
    with Shelf(t) as shelf:
        one = shelf.add("one")
        write(one + "~", "kept")
        os.symlink("me@here", os.path.join(shelf.folder, ".#one.json"))
        shelf.m.kill()
        m = t.mount("Music", name="mnt")
        t.eq(read(m / "Music/A/one.json~"), "kept")
        t.eq(sorted(os.listdir(m / "Music/A")), [".#one.json", "one.json", "one.json~"])
        t.eq(os.readlink(m / "Music/A/.#one.json"), "me@here")
        t.sh("rm one.json~ .#one.json", cwd=m / "Music/A")


@test
def there_is_a_bound(t):
    """spool_max holds for what is there, not for what was ever written."""
    t.create_table("Music", "Artist:S", "SongTitle:S")
    t.put("Music", item_of("one", "1999"))
    m = t.mount("Music", "spool_max=1M")
    path = m / "Music/A/one.json~"
    for _ in range(10):
        write(path, b"x" * 300000)
    for n in range(10):
        write(path + str(n), b"y" * 300000)
        os.rename(path + str(n), path)
    fd = os.open(path, os.O_WRONLY | os.O_TRUNC)
    t.fails("ENOSPC", lambda: [os.write(fd, b"z" * 100000) for _ in range(20)])
    os.close(fd)
    t.true(900000 < os.stat(path).st_size <= 1 << 20, "what fitted")
    os.unlink(path)
    write(path, b"x" * 300000)
    t.eq(t.get("Music", key_of("one")), item_of("one", "1999"))
    os.unlink(path)


@test
def an_item_as_a_backup_that_nobody_follows(t):
    """mv x.json x.bak, and that was it: it leaves the table when the grace time is over."""
    with Shelf(t, options="grace=300ms") as shelf:
        one = shelf.add("one")
        os.rename(one, one + ".bak")
        t.eq(t.get("Music", key_of("one")), item_of("one", "1999"))
        wait_for(lambda: t.get("Music", key_of("one")) is None, 10, "the item to go")
        t.eq(read(one + ".bak"), text_of(item_of("one", "1999")))
        t.fails("ENOENT", os.stat, one)
        os.rename(one + ".bak", one)                        # and back, much later
        t.eq(t.get("Music", key_of("one")), item_of("one", "1999"))
        # refused in between: it stays, grace time or not
        os.rename(one, one + "~")
        t.fails("EINVAL", write, one, "{ rotten")
        t.eq(read(one), text_of(item_of("one", "1999")), "it is back")
        os.rename(one, one + "~")
        os.close(os.open(one, os.O_WRONLY | os.O_CREAT | os.O_TRUNC))
        # nothing was written: it is back (when the last handle is gone, a moment after close has returned)
        wait_for(lambda: read(one) == text_of(item_of("one", "1999")), 10, "the item to be back")
        time.sleep(0.6)
        t.eq(t.get("Music", key_of("one")), item_of("one", "1999"))
        os.unlink(one + "~")
        shelf.nothing_else("one")


@test
def folders(t):
    """Tools' folders for what is not finished: local, listed here, gone with rmdir."""
    t.create_table("Users", "Id:S")
    t.put("Users", {"Id": {"S": "a"}})
    m = t.mount(options="cache_ttl=60")
    t.fails("EINVAL", os.mkdir, m / "Users/100%")
    os.mkdir(m / "Users/.work")
    t.fails("EEXIST", os.mkdir, m / "Users/.work")
    os.mkdir(m / "Users/.work/deeper")
    write(m / "Users/.work/deeper/b.json", '{"n": 1}')
    write(m / "Users/.work/a.json", "not finished")
    t.eq(sorted(os.listdir(m / "Users")), [".work", "a.json"])
    t.eq(sorted(os.listdir(m / "Users/.work")), ["a.json", "deeper"])
    t.eq(read(m / "Users/.work/a.json"), "not finished")
    t.fails("ENOTEMPTY", os.rmdir, m / "Users/.work")
    t.eq(t.proxy.writes(), 0)
    os.rename(m / "Users/.work/deeper/b.json", m / "Users/b.json")
    t.eq(t.get("Users", {"Id": {"S": "b"}}), {"Id": {"S": "b"}, "n": {"N": "1"}})
    t.fails("EINVAL", os.rename, m / "Users/.work/a.json", m / "Users/a.json")
    t.fails("EPERM", os.mkdir, m / ".ddbfs/rejected/x")
    m.kill()
    m = t.mount(options="cache_ttl=60", name="mnt")
    t.eq(sorted(os.listdir(m / "Users/.work")), ["a.json", "deeper"])
    os.unlink(m / "Users/.work/a.json")
    os.rmdir(m / "Users/.work/deeper")
    os.rmdir(m / "Users/.work")
    t.eq(sorted(os.listdir(m / "Users")), ["a.json", "b.json"])


@test
def delayed_updates(t):
    t.create_table("Music", "Artist:S", "SongTitle:S")
    m = t.mount(options="cache_ttl=60")
    source = os.path.join(t.dir, "source")
    os.makedirs(os.path.join(source, "A"))
    for i in range(20):
        write(os.path.join(source, "A/s%02d.json" % i), '{"n": %d}' % i)
    done = t.sh(f"rsync -a --delay-updates {source}/ Music/", check=False)
    t.eq((done.returncode, done.stderr), (0, ""))
    t.eq(t.db.scan(TableName="Music", Select="COUNT")["Count"], 20)
    t.eq(sorted(os.listdir(m / "Music/A")), ["s%02d.json" % i for i in range(20)])


run()
