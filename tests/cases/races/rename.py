# SPDX-License-Identifier: Apache-2.0
# SECONDS: 15
# BUILDS: plain asan
# TIMEOUT: 120
"""Renames: the flags, partitions, tables, open files, and two mounts at once."""

import os
import threading
import time

from case import Failure, read, run, test, wait_for, write
from crash import EXCHANGE, NOREPLACE, key, renameat2, text_of, together


def tables(t, *items):
    """Music and Archive (partition and sort key), Users (partition key only); items as (artist, song, year)."""
    t.create_table("Music", "Artist:S", "SongTitle:S")
    t.create_table("Archive", "Artist:S", "SongTitle:S")
    t.create_table("Users", "UserId:S")
    t.put_items("Music", [dict(key(a, s), Year={"N": str(y)}) for a, s, y in items])


def year(t, artist, song, table="Music"):
    item = t.get(table, key(artist, song))
    return item and int(item["Year"]["N"])


def rejected(m):
    """{path below rejected: text} of what was kept, without the reasons."""
    found = {}
    for folder, _, names in os.walk(m / ".ddbfs/rejected"):
        for name in names:
            if not name.endswith(".why"):
                path = os.path.join(folder, name)
                found[os.path.relpath(path, m / ".ddbfs/rejected")] = read(path)
    return found


# -- flags

@test
def noreplace(t):
    tables(t, ("A", "one", 1), ("A", "two", 2))
    m = t.mount("Music")
    t.fails("EEXIST", renameat2, m / "Music/A/one.json", m / "Music/A/two.json", NOREPLACE)
    t.eq((year(t, "A", "one"), year(t, "A", "two")), (1, 2))
    renameat2(m / "Music/A/one.json", m / "Music/A/three.json", NOREPLACE)
    t.eq((year(t, "A", "one"), year(t, "A", "three")), (None, 1))
    # the kernel asks first: made by somebody else meanwhile, only the service can tell
    t.fails("ENOENT", os.stat, m / "Music/A/four.json")
    t.put("Music", dict(key("A", "four"), Year={"N": "4"}))
    t.fails("EEXIST", renameat2, m / "Music/A/three.json", m / "Music/A/four.json", NOREPLACE)
    t.eq((year(t, "A", "three"), year(t, "A", "four")), (1, 4))
    # a scratch file onto an item
    write(m / "Music/A/draft", text_of(5))
    t.fails("EEXIST", renameat2, m / "Music/A/draft", m / "Music/A/two.json", NOREPLACE)
    renameat2(m / "Music/A/draft", m / "Music/A/five.json", NOREPLACE)
    t.eq((year(t, "A", "two"), year(t, "A", "five")), (2, 5))
    t.fails("ENOENT", os.stat, m / "Music/A/draft")


@test
def noreplace_onto_a_name_just_given_up(t):
    """x.json was renamed to its backup: for this mount the name is free, though the table still has it."""
    tables(t, ("A", "x", 1), ("A", "y", 2))
    m = t.mount("Music")
    os.rename(m / "Music/A/x.json", m / "Music/A/x.json~")
    renameat2(m / "Music/A/y.json", m / "Music/A/x.json", NOREPLACE)
    t.eq((year(t, "A", "x"), year(t, "A", "y")), (2, None))
    t.contains(read(m / "Music/A/x.json~"), '"Year": 1')
    m.umount()
    t.eq(year(t, "A", "x"), 2)


@test
def exchange(t):
    tables(t, ("A", "one", 1), ("B", "two", 2))
    t.put("Archive", dict(key("A", "one"), Year={"N": "3"}))
    m = t.mount("Music,Archive")
    with t.proxy.counting() as c:
        renameat2(m / "Music/A/one.json", m / "Music/B/two.json", EXCHANGE)
    t.eq(c["ops"]["TransactWriteItems"]["requests"], 1)
    t.eq((year(t, "A", "one"), year(t, "B", "two")), (2, 1))
    t.contains(read(m / "Music/A/one.json"), '"Year": 2')
    t.contains(read(m / "Music/B/two.json"), '"Year": 1')
    renameat2(m / "Music/A/one.json", m / "Archive/A/one.json", EXCHANGE)
    t.eq((year(t, "A", "one"), year(t, "A", "one", "Archive")), (3, 2))
    t.eq(os.stat(m / "Music/A/one.json").st_size, len(read(m / "Music/A/one.json")))
    write(m / "Music/A/draft", text_of(9))
    t.fails("EINVAL", renameat2, m / "Music/A/one.json", m / "Music/A/draft", EXCHANGE)
    t.fails("ENOENT", renameat2, m / "Music/A/one.json", m / "Music/A/none.json", EXCHANGE)
    t.eq(year(t, "A", "one"), 3)


# -- partitions and tables

@test
def across_partitions_and_tables(t):
    tables(t, ("A", "one", 1), ("B", "two", 2))
    t.put("Users", {"UserId": {"S": "u"}, "Name": {"S": "Ada"}})
    m = t.mount("Music,Archive,Users")
    with t.proxy.counting() as c:
        os.rename(m / "Music/A/one.json", m / "Music/B/one.json")
    t.eq(t.proxy.writes() and c["ops"]["TransactWriteItems"]["requests"], 1)
    t.eq((year(t, "A", "one"), year(t, "B", "one")), (None, 1))
    os.mkdir(m / "Archive/Z")
    os.rename(m / "Music/B/one.json", m / "Archive/Z/one.json")
    t.eq((year(t, "B", "one"), year(t, "Z", "one", "Archive")), (None, 1))
    # the key attributes of the old table go along as plain attributes: nothing of the text is lost
    os.rename(m / "Archive/Z/one.json", m / "Users/one.json")
    t.eq(t.get("Users", {"UserId": {"S": "one"}})["Year"], {"N": "1"})
    os.rename(m / "Users/u.json", m / "Music/B/u.json")
    t.eq(t.get("Music", key("B", "u"))["Name"], {"S": "Ada"})
    t.eq(t.scan("Archive"), [])


def partition(t, count, extra=0):
    t.put_items("Music", [dict(key("A", "s%03d" % i), Year={"N": str(i)}, Pad={"S": "p" * extra})
                          for i in range(count)])


@test
def a_partition_of_fifty(t):
    tables(t)
    partition(t, 50)
    m = t.mount("Music")
    write(m / "Music/A/s000.json~", "a backup\n")
    with t.proxy.counting() as c:
        os.rename(m / "Music/A", m / "Music/B")
    t.eq(c["ops"]["TransactWriteItems"]["requests"], 1)
    t.eq(set(c["ops"]) - {"Query", "TransactWriteItems"}, set())
    t.eq(sorted(i["Artist"]["S"] + i["SongTitle"]["S"] for i in t.scan("Music")), ["Bs%03d" % i for i in range(50)])
    t.eq(len([n for n in os.listdir(m / "Music/B") if n.endswith(".json")]), 50)
    t.eq(read(m / "Music/B/s000.json~"), "a backup\n")
    t.contains(read(m / "Music/B/s049.json"), '"Artist": "B"')
    t.fails("ENOENT", os.stat, m / "Music/A")


@test
def a_partition_of_fifty_one(t):
    tables(t)
    partition(t, 51)
    m = t.mount("Music")
    t.fails("EXDEV", os.rename, m / "Music/A", m / "Music/B")
    t.eq({i["Artist"]["S"] for i in t.scan("Music")}, {"A"})
    t.sh("mv Music/A Music/B")
    t.eq(sorted(i["Artist"]["S"] + i["SongTitle"]["S"] for i in t.scan("Music")), ["Bs%03d" % i for i in range(51)])


@test
def a_partition_too_heavy_for_one_transaction(t):
    tables(t)
    partition(t, 12, extra=390000)
    m = t.mount("Music")
    t.fails("EXDEV", os.rename, m / "Music/A", m / "Music/B")
    t.eq({i["Artist"]["S"] for i in t.scan("Music")}, {"A"})


@test
def onto_a_partition(t):
    tables(t, ("A", "one", 1), ("B", "two", 2))
    m = t.mount("Music")
    t.fails(("ENOTEMPTY", "EEXIST"), os.rename, m / "Music/A", m / "Music/B")
    os.mkdir(m / "Music/C")
    os.rename(m / "Music/A", m / "Music/C")
    t.eq((year(t, "A", "one"), year(t, "C", "one")), (None, 1))
    os.mkdir(m / "Music/Empty")
    os.rename(m / "Music/Empty", m / "Music/Still")
    t.true(os.path.isdir(m / "Music/Still") and not os.path.exists(m / "Music/Empty"), "an empty one moves too")


@test
def a_partition_that_changes_meanwhile(t):
    """Somebody writes into it while it is renamed: the rename or the write wins, nothing is lost."""
    tables(t)
    partition(t, 40)
    m = t.mount("Music")
    t.proxy.latency(ms=3)
    stop, written, failures = threading.Event(), {}, []

    def writer():
        number = 1000
        while not stop.is_set():
            for artist in ("A", "B"):
                try:
                    t.db.update_item(TableName="Music", Key=key(artist, "s007"), UpdateExpression="SET #y = :y",
                                     ConditionExpression="attribute_exists(Artist)",
                                     ExpressionAttributeNames={"#y": "Year"},
                                     ExpressionAttributeValues={":y": {"N": str(number)}})
                    written["last"] = number
                    number += 1
                    time.sleep(0.02)
                except t.db.exceptions.ConditionalCheckFailedException:
                    pass

    thread = threading.Thread(target=writer)
    thread.start()
    try:
        for old, new in (("A", "B"), ("B", "A")) * 3:
            for _ in range(200):
                try:
                    os.rename(m / ("Music/" + old), m / ("Music/" + new))
                    break
                except OSError as error:
                    failures.append(error.errno)
            else:
                raise Failure("200 renames failed: %s" % sorted(set(failures)))
            time_to_write = written.get("last", 0)
            wait_for(lambda n=time_to_write: written.get("last", 0) > n + 2, 5, "the writer to go on")
    finally:
        stop.set()
        thread.join()
    items = t.scan("Music")
    t.eq(len(items), 40)
    t.eq({i["Artist"]["S"] for i in items}, {"A"})
    t.eq(year(t, "A", "s007"), written["last"])


# -- open files

@test
def an_open_item(t):
    """What is written through a descriptor goes where the item is now."""
    tables(t, ("A", "one", 1))
    m = t.mount("Music")
    with open(m / "Music/A/one.json", encoding="utf-8") as reader:
        t.contains(reader.read(), '"Year": 1')
        fd = os.open(m / "Music/A/one.json", os.O_WRONLY | os.O_TRUNC)
        os.write(fd, text_of(2).encode())
        os.rename(m / "Music/A/one.json", m / "Music/A/moved.json")
        os.close(fd)
    t.eq((year(t, "A", "one"), year(t, "A", "moved")), (None, 2))


@test
def a_new_item_not_yet_saved(t):
    tables(t, ("A", "there", 7))
    m = t.mount("Music")
    for flags in (0, os.O_EXCL):
        fd = os.open(m / "Music/A/new.json", os.O_CREAT | os.O_WRONLY | flags)
        os.write(fd, text_of(3 + flags).encode())
        os.rename(m / "Music/A/new.json", m / "Music/A/there.json")
        os.close(fd)
        t.eq((year(t, "A", "new"), year(t, "A", "there")), (None, 3 + flags))
        t.contains(read(m / "Music/A/there.json"), '"Year": %d' % (3 + flags))
    fd = os.open(m / "Music/A/new.json", os.O_CREAT | os.O_WRONLY)
    os.write(fd, text_of(5).encode())
    t.fails("EEXIST", renameat2, m / "Music/A/new.json", m / "Music/A/there.json", NOREPLACE)
    os.close(fd)
    t.eq((year(t, "A", "new"), year(t, "A", "there")), (5, 3 + os.O_EXCL))


@test
def just_touched(t):
    """The release of a new file is not waited for: what comes after it still meets the item."""
    tables(t)
    m = t.mount("Music")
    os.mkdir(m / "Music/A")
    t.proxy.latency(ms=30)
    for pause in (0, 0.01, 0.04):
        for action, left in ((lambda p: os.rename(p, m / "Music/A/moved.json"), ["moved"]), (os.unlink, [])):
            os.close(os.open(m / "Music/A/new.json", os.O_CREAT | os.O_WRONLY))
            time.sleep(pause)
            action(m / "Music/A/new.json")
            time.sleep(0.1)
            t.eq([i["SongTitle"]["S"] for i in t.scan("Music")], left, "after %g s" % pause)
            for name in left:
                os.unlink(m / ("Music/A/%s.json" % name))


@test
def an_open_item_to_scratch(t):
    """An item open for writing becomes a backup: the text goes into the backup, as on any file system."""
    tables(t, ("A", "one", 1), ("A", "two", 1))
    m = t.mount("Music")
    fd = os.open(m / "Music/A/one.json", os.O_WRONLY | os.O_TRUNC)
    os.write(fd, text_of(2).encode())
    os.rename(m / "Music/A/one.json", m / "Music/A/one.json~")
    os.close(fd)
    t.contains(read(m / "Music/A/one.json~"), '"Year": 2')
    t.fails("ENOENT", os.stat, m / "Music/A/one.json")
    fd = os.open(m / "Music/A/two.json", os.O_RDWR)
    os.rename(m / "Music/A/two.json", m / "Music/A/two.json~")
    os.ftruncate(fd, 0)
    os.pwrite(fd, text_of(4).encode(), 0)
    os.fsync(fd)
    t.contains(read(m / "Music/A/two.json~"), '"Year": 4')
    write(m / "Music/A/two.json", text_of(5))
    os.close(fd)
    t.contains(read(m / "Music/A/two.json~"), '"Year": 4')
    t.eq(year(t, "A", "two"), 5)
    t.true(os.path.isdir(m / "Music/A"), "the daemon lives")
    m.umount()
    t.eq((year(t, "A", "one"), year(t, "A", "two")), (None, 5))


@test
def an_open_scratch_file_to_item(t):
    tables(t, ("A", "one", 1))
    m = t.mount("Music")
    fd = os.open(m / "Music/A/one.new", os.O_CREAT | os.O_RDWR)
    os.write(fd, text_of(2).encode())
    os.rename(m / "Music/A/one.new", m / "Music/A/one.json")
    t.eq(year(t, "A", "one"), 2)
    os.pwrite(fd, text_of(3).encode(), 0)
    os.close(fd)
    t.eq(year(t, "A", "one"), 3)
    t.contains(read(m / "Music/A/one.json"), '"Year": 3')


@test
def replaced_while_open(t):
    """One program writes x.json, another renames its own text onto it: nobody's text just vanishes."""
    tables(t, ("A", "x", 1), ("A", "y", 9))
    m = t.mount("Music")
    for name, text in (("x.new", text_of(2)), ("y.json", None)):
        fd = os.open(m / "Music/A/x.json", os.O_WRONLY | os.O_TRUNC)
        os.write(fd, text_of(333).encode())
        if text:
            write(m / ("Music/A/" + name), text)
        os.rename(m / ("Music/A/" + name), m / "Music/A/x.json")
        t.fails("ESTALE", os.close, fd)
        t.eq(year(t, "A", "x"), 2 if text else 9)
        t.true(any('"Year": 333' in kept for kept in rejected(m).values()), "kept in rejected")
        t.sh("rm -r .ddbfs/rejected/Music")


@test
def removed_while_open(t):
    tables(t, ("A", "x", 1))
    m = t.mount("Music")
    fd = os.open(m / "Music/A/x.json", os.O_WRONLY | os.O_TRUNC)
    os.write(fd, text_of(2).encode())
    os.unlink(m / "Music/A/x.json")
    os.close(fd)
    t.eq(year(t, "A", "x"), None)


# -- backups

@test
def a_backup_of_what_is_there_now(t):
    """The scratch file has the table's text, not an older one from somebody's cache."""
    tables(t, ("A", "one", 1))
    m = t.mount("Music", "cache_ttl=forever")
    t.contains(read(m / "Music/A/one.json"), '"Year": 1')
    t.put("Music", dict(key("A", "one"), Year={"N": "2000"}))
    os.rename(m / "Music/A/one.json", m / "Music/A/one.json~")
    t.contains(read(m / "Music/A/one.json~"), '"Year": 2000')
    t.eq(os.stat(m / "Music/A/one.json~").st_size, len(read(m / "Music/A/one.json~")))


@test
def there_and_back(t):
    """An item renamed to a backup and back is never gone, not even when nothing had to be sent."""
    tables(t, ("A", "one", 1))
    m = t.mount("Music", "cache_ttl=forever")
    for _ in range(3):
        os.rename(m / "Music/A/one.json", m / "Music/A/one.json~")
        t.fails("ENOENT", os.stat, m / "Music/A/one.json")
        t.eq(os.listdir(m / "Music/A"), ["one.json~"])
        t.eq(year(t, "A", "one"), 1)
        os.rename(m / "Music/A/one.json~", m / "Music/A/one.json")
        t.contains(read(m / "Music/A/one.json"), '"Year": 1')
        t.eq(os.listdir(m / "Music/A"), ["one.json"])
    m.umount()
    t.eq(year(t, "A", "one"), 1)


@test
def somebody_changes_what_is_a_backup_here(t):
    """Renamed to a backup for good, but changed by others before it leaves the table: theirs stays."""
    tables(t, ("A", "one", 1), ("A", "two", 1))
    m = t.mount("Music")
    os.rename(m / "Music/A/one.json", m / "Music/A/one.json~")
    os.rename(m / "Music/A/two.json", m / "Music/A/two.json~")
    t.put("Music", dict(key("A", "one"), Year={"N": "2"}))
    t.put("Music", dict(key("A", "two"), Year={"N": "1"}, Added={"S": "by somebody else"}))
    m.umount()
    t.eq(year(t, "A", "one"), 2)
    t.true(t.get("Music", key("A", "two")) is not None, "an attribute somebody added keeps the item")


@test
def an_emptied_partition(t):
    """Its only item is a backup now: it can be removed, renamed, and its backup is not lost from sight."""
    tables(t, ("A", "one", 1), ("B", "one", 1), ("C", "one", 1))
    m = t.mount("Music")
    os.rename(m / "Music/A/one.json", m / "Music/A/one.json~")
    os.unlink(m / "Music/A/one.json~")
    os.rmdir(m / "Music/A")
    t.eq(year(t, "A", "one"), None)
    os.rename(m / "Music/B/one.json", m / "Music/B/one.json~")
    os.rename(m / "Music/B", m / "Music/D")
    t.eq(sorted(os.listdir(m / "Music/D")), ["one.json~"])
    t.eq((year(t, "B", "one"), year(t, "D", "one")), (None, None))
    os.rename(m / "Music/C/one.json", m / "Music/C/one.json~")
    m.umount()
    t.eq(year(t, "C", "one"), None)
    m = t.mount("Music", name="mnt")
    t.contains(read(m / "Music/C/one.json~"), '"Year": 1')
    t.true("C" in os.listdir(m / "Music"), "a partition that holds only a backup is listed")


# -- two mounts

@test
def two_mounts_rename_one_item(t):
    """a.json goes to b or to c, never to both, never nowhere."""
    tables(t)
    # a third party makes each item: cache_ttl=0, or a mount may have heard a moment ago that there is none
    mounts = [t.mount("Music", "cache_ttl=0"),
              t.mount("Music", "cache_ttl=0", env={"XDG_STATE_HOME": t.path("tmp", "state2")})]
    for n in range(15):
        t.put("Music", dict(key("A", "a%d" % n), Year={"N": str(n)}))
        old = "Music/A/a%d.json" % n
        results = together([lambda m=m, new=new: os.rename(m / old, m / ("Music/A/%s%d.json" % (new, n)))
                            for m, new in zip(mounts, "bc")])
        there = [name for name in "abc" if year(t, "A", "%s%d" % (name, n)) == n]
        t.eq(len(there), 1, "round %d: %s" % (n, results))
        won = [r for r in results if r is None]
        t.eq(len(won), 1, "round %d: %s" % (n, results))
        t.eq(there[0], "bc"[results.index(None)])
        t.true({"ENOENT", "ESTALE"} & {str(r) for r in results}, "the loser is told: %s" % results)


@test
def rename_against_unlink(t):
    tables(t)
    mounts = [t.mount("Music"), t.mount("Music", env={"XDG_STATE_HOME": t.path("tmp", "state2")})]
    for n in range(15):
        t.put("Music", dict(key("A", "a%d" % n), Year={"N": str(n)}))
        old, new = "Music/A/a%d.json" % n, "Music/A/b%d.json" % n
        results = together([lambda: os.rename(mounts[0] / old, mounts[0] / new), lambda: os.unlink(mounts[1] / old)])
        t.eq(year(t, "A", "a%d" % n), None, "round %d: %s" % (n, results))
        t.eq(year(t, "A", "b%d" % n), n if results[0] is None else None, "round %d: %s" % (n, results))
        t.true((results[0] is None) != (results[1] is None), "one of them: %s" % results)


@test
def rename_against_save(t):
    """One mount saves x.json while another renames it: the save is in x or in y, or was refused."""
    tables(t)
    mounts = [t.mount("Music"), t.mount("Music", env={"XDG_STATE_HOME": t.path("tmp", "state2")})]
    for n in range(15):
        t.put("Music", dict(key("A", "x%d" % n), Year={"N": "1"}))
        old, new = "Music/A/x%d.json" % n, "Music/A/y%d.json" % n
        for m in mounts:
            t.contains(read(m / old), '"Year": 1')
        results = together([lambda: os.rename(mounts[0] / old, mounts[0] / new),
                            lambda: write(mounts[1] / old, text_of(100 + n))])
        years = [year(t, "A", "%s%d" % (name, n)) for name in "xy"]
        if results[1] is None:
            t.true(100 + n in years, "round %d: %s %s" % (n, results, years))
        else:
            t.true(100 + n not in years and sorted(map(str, years)) == ["1", "None"], "%s %s" % (results, years))
            t.true(any('"Year": %d' % (100 + n) in text for text in rejected(mounts[1]).values()), "kept")


@test
def two_mounts_one_state_folder(t):
    """A second mount starts while an item of the first is renamed away: it must not take that over."""
    tables(t, ("A", "x", 1))
    first = t.mount("Music", name="mnt")
    os.rename(first / "Music/A/x.json", first / "Music/A/x.json~")
    second = t.mount("Music", name="mnt2")
    t.contains(read(second / "Music/A/x.json"), '"Year": 1')
    t.fails("ENOENT", os.stat, second / "Music/A/x.json~")
    os.rename(first / "Music/A/x.json~", first / "Music/A/x.json")
    second.umount()
    t.eq(year(t, "A", "x"), 1)
    first.umount()
    t.eq(year(t, "A", "x"), 1)


run()
