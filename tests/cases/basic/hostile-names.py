# SPDX-License-Identifier: Apache-2.0
# SECONDS: 13
# BUILDS: plain asan
# TIMEOUT: 240
"""Keys that would be bad file names: each is listed once, under the name the contract gives it, and is
readable and deletable by it."""

import os
import random

from case import run, test
from names import item_path

HAND_PICKED = [
    ".", "..", "...", "....", "/", "//", "../../etc/passwd", "/etc/passwd", "a/b", "a/../b", "./x", "~", "-rf",
    "--help",
    " ", "  ", " leading", "trailing ", "new\nline", "\n", "\r\n", "tab\there", "\0", "a\0b", "\x01\x02\x1f", "\x7f",
    "%", "%%", "%2F", "%2f", "%00", "%+", "a%+", "100%", "%2Ejson", ".json", "x.json", "x.json.json",
    "..json", ".first", ".last", ".prefix", ".between", ".filter", ".info", ".export", ".import", ".columns", ".ddbfs",
    ".git", ".hidden",
    "a,b", "a,b,c", ",", "a@b", "@", "*", "?", "[a]", "{}", "$HOME", "`id`", "$(id)", ";", "|", "&", "<", ">", "'", '"',
    "\\", "a\\b", "C:\\x", "con", "nul", "é", "e\u0301", "夜の散歩", "\U0001F600", "\u202e", "\ufeff", "\u2028", "\uffff",
    "\U0010FFFF", "\x80", "\x85", "\xa0", "ß", "SS", "ss", "ſ", "I", "i", "ı", "İ", "K", "\u212a",
    "4913", "x~", "#x#", ".x.swp",
    "sedAbCdEf", "NULL", "null", "true", "0", "-0", "1e3", "{", "}", "[", "]", "{\"$n\": \"1\"}", "lost+found",
]
LONG = ["x" * n for n in (234, 235, 239, 240, 241, 242, 255, 256, 477, 478, 479, 1000, 1024)]
LONG += ["é" * n for n in (118, 119, 120, 121, 500, 512)]
LONG += ["/" * n for n in (79, 80, 81, 160, 500, 1024)]
LONG += ["\U0001F600" * 256, "x" * 237 + "é" + "y" * 10, "x" * 236 + "/" * 5, "x" * 238 + ".hidden",
         "x" * 238 + "../..", "a/" * 512, "\n" * 300, "." * 300, "%" * 100, "x" * 240 + ".json",
         "x" * 238 + ".first" + "y" * 240]


def strings(count):
    rng = random.Random(7)
    found = list(dict.fromkeys(HAND_PICKED + LONG))
    alphabet = "/.%\n\0\x7f, ~+aé夜\U0001F600"
    while len(found) < count:
        text = "".join(rng.choice(alphabet) for _ in range(rng.choice((1, 2, 3, 8, 60, 240, 300))))
        if text not in found and len(text.encode()) <= 1024:
            found.append(text)
    return found


class Parent:
    """The folder a path is in, opened step by step: the whole path may be longer than PATH_MAX."""

    def __init__(self, top, path):
        *folders, self.name = path.split(b"/")
        self.fd = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
        for folder in folders:
            below = os.open(folder, os.O_RDONLY | os.O_DIRECTORY, dir_fd=self.fd)
            os.close(self.fd)
            self.fd = below

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.fd)


def files_below(top):
    """Every path below, by listing alone, relative, in bytes."""
    def walk(fd, prefix):
        found = []
        for entry in list(os.scandir(fd)):
            name = os.fsencode(entry.name)
            if entry.is_dir(follow_symlinks=False):
                below = os.open(name, os.O_RDONLY | os.O_DIRECTORY, dir_fd=fd)
                found += walk(below, prefix + name + b"/")
                os.close(below)
            else:
                found.append(prefix + name)
        return found

    fd = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
    try:
        return walk(fd, b"")
    finally:
        os.close(fd)


def check(t, table, items, keys):
    """The items of a table against the files below its directory; then deletes them all."""
    t.put_items(table, items)
    m = t.mount(table)
    top = os.fsencode(m / table)
    wanted = {item_path(*(item[k] for k in keys)): item for item in items}
    t.eq(len(wanted), len(items), "the contract's names are distinct")
    listed = files_below(top)
    t.eq(len(listed), len(set(listed)), "no name twice")
    for path in listed:
        t.true(path in wanted, "listed, but not the name of a key: %r" % path)
    for path, item in wanted.items():
        t.true(path in listed, "not listed: %r" % path)
        with Parent(top, path) as p:
            with open(os.open(p.name, os.O_RDONLY, dir_fd=p.fd), "rb") as f:
                data = f.read()
            size = os.stat(p.name, dir_fd=p.fd).st_size
        t.contains(data, b'"mark": ' + item["mark"]["N"].encode() + b"\n", repr(path))
        t.eq(size, len(data), repr(path))
    m.umount()
    m = t.mount(table)      # once more, by path alone: no listing has shown the way
    top = os.fsencode(m / table)
    for path in wanted:
        with Parent(top, path) as p:
            os.stat(p.name, dir_fd=p.fd)
    for path in wanted:
        with Parent(top, path) as p:
            os.unlink(p.name, dir_fd=p.fd)
    t.eq(t.scan(table), [])
    t.eq(files_below(top), [])


@test
def text_sort_keys(t):
    t.create_table("Names", "p:S", "r:S")
    check(t, "Names", [{"p": {"S": "p"}, "r": {"S": s}, "mark": {"N": str(n)}} for n, s in enumerate(strings(400))],
          ("p", "r"))


@test
def text_partition_keys(t):
    t.create_table("Names", "p:S")
    keys = strings(400) + ["x" * 2048, "é" * 1024, "/" * 2048]
    check(t, "Names", [{"p": {"S": s}, "mark": {"N": str(n)}} for n, s in enumerate(keys)], ("p",))


@test
def text_partitions_with_items(t):
    t.create_table("Names", "p:S", "r:S")
    keys = strings(150) + ["x" * 2048]
    check(t, "Names", [{"p": {"S": s}, "r": {"S": keys[-1 - n][:300]}, "mark": {"N": str(n)}}
                       for n, s in enumerate(keys)], ("p", "r"))


@test
def number_keys(t):
    t.create_table("Names", "p:N", "r:N")
    texts = ["0", "1", "-1", "10", "1.5", "-0.25", "0.001", "123456789012345678901234567890.12345678",
             "1" * 38, "-" + "9" * 38]
    items = [{"p": {"N": a}, "r": {"N": b}, "mark": {"N": str(100 * n + k)}}
             for n, a in enumerate(texts) for k, b in enumerate(texts)]
    check(t, "Names", items, ("p", "r"))


@test
def binary_keys(t):
    t.create_table("Names", "p:B", "r:B")
    rng = random.Random(3)
    keys = [bytes([b]) for b in range(0, 256, 5)] + [rng.randbytes(n) for n in (2, 3, 4, 178, 179, 180, 181, 300, 1024)]
    check(t, "Names", [{"p": {"B": k}, "r": {"B": keys[-1 - n]}, "mark": {"N": str(n)}} for n, k in enumerate(keys)],
          ("p", "r"))


@test
def names_that_are_no_keys(t):
    t.create_table("Names", "p:S", "r:S")
    t.create_table("Numbers", "p:N")
    t.create_table("Bytes", "p:B")
    t.put("Names", {"p": {"S": "p"}, "r": {"S": "a/b"}})
    t.put("Numbers", {"p": {"N": "10"}})
    t.put("Bytes", {"p": {"B": b"\xff"}})
    m = t.mount()
    bad = ["Names/p/a%2fb.json", "Names/p/%61%2Fb.json", "Names/p/a%.json", "Names/p/a%2.json", "Names/p/%zz.json",
           "Names/p/%80.json", "Numbers/010.json", "Numbers/1e1.json", "Numbers/10.0.json", "Numbers/+10.json",
           "Numbers/-0.json", "Numbers/x.json", "Bytes/_w==.json", "Bytes//w.json", "Bytes/_x.json",
           "Bytes/a.json", "Names/p/" + "x" * 241 + ".json"]
    for path in bad:
        t.fails(("ENOENT", "ENAMETOOLONG"), os.stat, m / path)
        if "//" not in path:
            t.fails(("EINVAL", "ENAMETOOLONG"), os.open, m / path, os.O_CREAT | os.O_WRONLY)
    with open(m / "Bytes/_w.json", "rb") as f:
        t.contains(f.read(), b'"$b": "/w=="')
    t.eq(t.proxy.writes(), 0)


run()
