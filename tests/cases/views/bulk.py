# SPDX-License-Identifier: Apache-2.0
# SECONDS: 44
# BUILDS: plain asan tsan
# TIMEOUT: 180
"""Whole tables out and in: every item once, exactly, in bounded memory."""

import json
import os
import subprocess
import time

from case import build_kind, plain_test, read, run, test, wait_for, write

# few items and large ones: bytes are what memory is bounded against, items are what takes time to make and compare.
# tests/soak/run bulk has 100,000 and 1,000,000
COUNT = int(os.environ.get("DDBFS_ITEMS", "0")) or {"plain": 2500}.get(build_kind(), 1000)
HALF = max(5000, COUNT // 2)
MANY = int(os.environ.get("DDBFS_MANY", "0")) or 5000
EVERY = 25 if COUNT < 10000 else 500     # how many items have one that is large among them
LONG = 60 + COUNT // 100        # seconds


def every_type(i):
    """An item of some of all types, different for each i."""
    number = ("%d.%037d" % (i % 3, i)).rstrip("0") if i % 10 else "-1E-%d" % (i % 120)
    found = {"pk": {"S": "partition/%d" % (i % 97)}, "sk": {"N": str(i - 500)}, "fine": {"N": number},
             "text": {"S": "line %d\n\t\"é\", 'x'" % i}, "bytes": {"B": bytes([i % 256, 0, 255])},
             "no": {"NULL": True}, "yes": {"BOOL": i % 2 == 0}}
    if i % 2:
        found.update({"words": {"SS": ["a", "b%d" % i]}, "numbers": {"NS": ["1", str(i + 2)]},
                      "blobs": {"BS": [b"", bytes([i % 256])]}})
    if i % 3:
        found["list"] = {"L": [{"N": str(i)}, {"L": []}, {"M": {"$b": {"S": ""}}}]}
        found["map"] = {"M": {"a": {"NULL": True}}}
    if i % EVERY == 0:
        found["large"] = {"S": "x" * 100000}
    return found


def fill(t, name, count):
    t.create_table(name, "pk:S", "sk:N", gsi=[("BySk", "sk:N", None)])
    t.put_items(name, [every_type(i) for i in range(count)])


def canonical(items):
    """To compare what two tables hold, whatever the order."""
    def plain(value):
        (kind, v), = value.items()
        if kind in ("SS", "NS", "BS"):
            return kind, sorted(map(str, v))
        if kind == "L":
            return kind, [plain(x) for x in v]
        if kind == "M":
            return kind, {k: plain(x) for k, x in v.items()}
        return kind, v
    return {(i["pk"]["S"], i["sk"]["N"]): {k: plain(v) for k, v in i.items()} for i in items}


ONE = 32        # MiB that an export, an import, or both at once may hold, with the cache of 1 MiB


@test
def exported_in_segments(t):
    fill(t, "Log", HALF)
    m = t.mount("Log", "cache_ttl=0,cache_size=1M")
    keys = {(i["pk"]["S"], int(i["sk"]["N"])) for i in t.scan("Log")}
    t.eq(len(keys), HALF)
    before = t.peak()
    with t.proxy.counting() as c, open(m / "Log/.export/jsonl", encoding="utf-8") as f:
        lines = [json.loads(line) for line in f]
    t.eq(len(lines), HALF)
    t.eq({(i["pk"], i["sk"]) for i in lines}, keys)
    scans = [json.loads(r["body"]) for r in t.proxy.requests(op="Scan", bodies=True)]
    segments = {(r.get("Segment"), r.get("TotalSegments")) for r in scans}
    t.true(len(segments) > 1, "in several segments: %s" % segments)
    t.eq(c["ops"]["Scan"]["requests"], len([r for r in scans if "ExclusiveStartKey" in r]) + len(segments))
    t.peak_at_most(ONE, "an export", before)
    t.eq(sum(1 for _ in open(m / "Log@BySk/.export/jsonl", encoding="utf-8")), HALF)
    rows = json.loads(read(m / "Log/.filter/yes/true/.columns/pk,sk/.export/json"))
    t.eq(len(rows), HALF // 2)
    t.eq(len(read(m / "Log/.columns/sk/.export/csv").splitlines()), HALF + 1)
    consumed = json.loads(os.getxattr(m / "Log/.export/jsonl", "user.ddbfs.consumed"))
    t.true(consumed["rcu"] > HALF / 100, "its cost is told: %s" % consumed)


@test
def reader_that_stops(t):
    t.music(partitions=20, items=40, size=22000)
    m = t.mount("Music")
    t.sh("head -n 3 Music/.export/jsonl | wc -l")
    asked = t.proxy.requests_of("Scan")
    t.at_most(asked, 14, "pages for three lines")
    t.sh("ls Music > /dev/null")
    with open(m / "Music/.export/jsonl", "rb", buffering=0) as f:
        f.read(10)
        t.proxy.fault(action="hang", match={"op": "Scan"})
        t.sh("timeout -s INT 1 cat Music/.export/jsonl > /dev/null", check=False)
    t.proxy.clear_faults()
    t.eq(t.sh("wc -l < Music/.export/jsonl").stdout.strip(), "800")


@test
def copied_exactly(t):
    """A table to another through jsonl, then through csv what csv can carry."""
    fill(t, "Log", COUNT)
    for name in ("Copy", "Second"):
        t.create_table(name, "pk:S", "sk:N")
    m = t.mount("Log,Copy,Second", "cache_ttl=60,cache_size=1M")
    t.eq(os.listdir(m / "Copy"), [])
    t.fails("ENOENT", os.stat, m / "Copy/partition%2F1/-499.json")
    before = t.peak()
    with t.proxy.counting() as c:
        t.sh("cp Log/.export/jsonl Copy/.import/jsonl", timeout=LONG)
    t.eq(os.stat(m / "Copy/partition%2F1/-499.json").st_size, os.stat(m / "Log/partition%2F1/-499.json").st_size)
    t.eq(len(os.listdir(m / "Copy")), 97)
    t.at_most(c["ops"]["BatchWriteItem"]["requests"], COUNT // 25 + 30, "batches")
    t.eq(set(c["ops"]) - {"BatchWriteItem", "Scan", "DescribeTable"}, set())
    t.peak_at_most(ONE, "an export and an import at once", before)
    t.eq(canonical(t.scan("Copy")), canonical(t.scan("Log")))
    consumed = json.loads(os.getxattr(m / "Copy/.import/jsonl", "user.ddbfs.consumed"))
    t.true(consumed["wcu"] >= COUNT, "its cost is told: %s" % consumed)
    t.sh("cat Log/.columns/pk,sk,text,yes,no,fine,list,map,words,numbers/.export/csv > Second/.import/csv",
         timeout=LONG)
    wanted = {k: {a: v for a, v in i.items() if a not in ("bytes", "blobs", "large")}
              for k, i in canonical(t.scan("Log")).items()}
    t.eq(canonical(t.scan("Second")), wanted)


@test
def believed_to_be_empty(t):
    """What copies an export by its size gets nothing, and the person is told; programs that read it get all."""
    t.create_table("Log", "Id:S")
    t.put("Log", {"Id": {"S": "a"}})
    m = t.mount("Log")
    path = m / "Log/.export/jsonl"
    t.sh("cp Log/.export/jsonl /dev/null; dd if=Log/.export/jsonl status=none; head -n 1 Log/.export/jsonl")
    t.eq(t.sh("wc -c < Log/.export/jsonl; head -n 1 Log/.export/jsonl").stdout, '11\n{"Id":"a"}\n')
    t.eq(m.errors(), [])
    with open(path, "rb") as source, open(os.devnull, "wb") as to:
        t.eq(os.sendfile(to.fileno(), source.fileno(), 0, 4096), 0)
    told = wait_for(lambda: [e for e in m.errors() if e["path"] == "/Log/.export/jsonl"])
    t.eq(len(told), 1)
    t.contains(told[0]["message"], "sendfile")


@plain_test
def last_of_many(t):
    """The end of a large partition is one request."""
    t.create_table("Many", "pk:S", "sk:N")
    m = t.mount("Many", "cache_ttl=60,cache_size=1M")
    before = t.peak()
    with open(m / "Many/.import/jsonl", "w", encoding="utf-8") as f:
        f.writelines('{"pk": "p", "sk": %d}\n' % i for i in range(MANY))
    t.peak_at_most(ONE, "an import", before)
    os.stat(m / "Many/p")
    with t.proxy.counting() as c:
        t.eq(sorted(os.listdir(m / "Many/p/.last/10")), sorted("%d.json" % i for i in range(MANY - 10, MANY)))
        t.contains(read(m / ("Many/p/.last/10/%d.json" % (MANY - 1))), '"sk": %d' % (MANY - 1))
    t.eq({op: e["requests"] for op, e in c["ops"].items()}, {"Query": 1})
    t.at_most(c["rcu"], 2, "read units")


@test
def bad_lines(t):
    t.create_table("Users", "Id:N", "sk:S")
    m = t.mount("Users", "cache_ttl=60")
    lines = ['{"Id": %d, "sk": "a", "n": %d}' % (i % 7, i) for i in range(300)]
    lines[11] = '{"Id": 1, "sk": oops}'
    lines[99] = '{"Id": "text", "sk": "a"}'
    lines[150] = ""
    lines[200] = '{"Id": 5}'
    lines[201] = '{"Id": 5, "sk": ""}'
    error = t.fails("EINVAL", write, m / "Users/.import/jsonl", "\n".join(lines))
    t.eq({i["Id"]["N"]: i["n"]["N"] for i in t.scan("Users")}, {str(i % 7): str(i) for i in range(293, 300)},
         "the last wins")
    told = [e for e in m.errors() if e["path"] == "/Users/.import/jsonl"]
    t.eq([e.get("line") for e in told][:4], [12, 100, 201, 202])
    kept = m / ".ddbfs/rejected/Users/.import/jsonl"
    t.eq(read(kept).splitlines(), [lines[i] for i in (11, 99, 200, 201)])
    t.contains(read(kept + ".why"), "4 lines were not imported")
    t.contains(os.getxattr(m / "Users/.import/jsonl", "user.ddbfs.error").decode(), "4 lines")
    # the fsync says it too, and every close of the same file
    fd = os.open(m / "Users/.import/jsonl", os.O_WRONLY | os.O_APPEND)
    os.write(fd, b'{"Id": 50, "sk": "x"}\n{')
    os.fsync(fd)
    t.eq(t.get("Users", {"Id": {"N": "50"}, "sk": {"S": "x"}}), {"Id": {"N": "50"}, "sk": {"S": "x"}})
    os.write(fd, b'}\n{')
    t.fails("EINVAL", os.fsync, fd)
    t.fails("EINVAL", os.close, fd)
    # refused by the service, not by us: an item too large for the index it is in, say
    t.proxy.fault(action="error", match={"op": "BatchWriteItem"}, times=1)
    write(m / "Users/.import/jsonl", '{"Id": 60, "sk": "x"}\n{"Id": 61, "sk": "x"}\n')
    t.eq(len(t.scan("Users")), 10)
    t.true(error is not None, "told")


def rejected(m, path):
    """A last line without an end is kept when nobody has the file open any more, which close does not wait for."""
    wait_for(lambda: os.path.exists(m / (".ddbfs/rejected/%s.why" % path)), what="what was refused")
    return read(m / (".ddbfs/rejected/%s" % path))


@test
def closed_in_a_line(t):
    """A shell closes a copy of the descriptor after each command: lines may come in pieces all the same."""
    t.create_table("Rows", "Id:S", "r:N")
    m = t.mount("Rows", "cache_ttl=0")
    t.sh("exec 3>>Rows/.import/csv; printf 'Id,r,a\\nx,1,abc' >&3; printf 'def\\nx,2,ok\\n' >&3; exec 3>&-", cwd=m / "")
    t.sh("exec 3>Rows/.import/jsonl; for i in 1 2 3; do "
         "printf '{\"Id\":\"sh\",\"r\":' >&3; printf '%d}\\n' $i >&3; done",
         cwd=m / "")
    between = (lambda fd: os.waitpid(os.posix_spawn("/bin/true", ["true"], {}), 0), lambda fd: os.close(os.dup(fd)),
               lambda fd: subprocess.run(["true"], check=True), os.fsync)
    for i, act in enumerate(between):
        fd = os.open(m / "Rows/.import/csv", os.O_WRONLY)
        os.set_inheritable(fd, True)
        for piece in (b"Id,r", b",a\r", b"\npy,%d,ab" % i, b"c", b"d\n"):
            os.write(fd, piece)
            act(fd)
        os.close(fd)
    text = {"sh": [None] * 3, "py": ["abcd"] * 4, "x": ["abcdef", "ok"]}
    t.eq(sorted((i["Id"]["S"], int(i["r"]["N"]), i.get("a", {}).get("S")) for i in t.scan("Rows")),
         sorted((k, r + (k != "py"), a) for k, v in text.items() for r, a in enumerate(v)))
    t.eq(m.errors(), [])
    fd = os.open(m / "Rows/.import/csv", os.O_WRONLY)
    os.write(fd, b"Id,r\nx")
    t.fails("EINVAL", os.close, os.dup(fd))
    t.eq(m.errors(), [], "it may go on")
    t.fails("EINVAL", os.close, fd)
    t.eq(rejected(m, "Rows/.import/csv"), "Id,r\nx\n")


@test
def killed_in_a_line(t):
    """Half a row looks like a row."""
    t.create_table("Rows", "Id:S")
    m = t.mount("Rows")
    script = "exec >Rows/.import/csv; printf 'Id,n\\n1,1234\\n'; sleep 0.5; printf 2,12; kill -9 $$"
    t.eq(subprocess.run(["/bin/sh", "-c", script], cwd=m / "", check=False).returncode, -9)
    t.eq(t.scan("Rows"), [{"Id": {"S": "1"}, "n": {"N": "1234"}}])
    t.eq(rejected(m, "Rows/.import/csv"), "Id,n\n2,12\n")
    t.true(any("killed" in e["message"] for e in m.errors()), "it is told")
    t.sh("printf 'Id,n\\n2,12' >Rows/.import/csv", cwd=m / "")
    t.eq(len(t.scan("Rows")), 2)


@test
def csv_declared_types(t):
    """Keys of indexes are of the type the table declares: out and in again, and as files."""
    for name in ("Odd", "Copy"):
        t.create_table(name, "Id:S", gsi=[("ByMail", "mail:S", "n:N"), ("ByBytes", "b:B", None)])
    t.put_items("Odd", [{"Id": {"S": "a"}, "mail": {"S": "555"}, "n": {"N": "1"}, "b": {"B": b"\x01\xff"}},
                        {"Id": {"S": "b"}, "mail": {"S": "true"}, "b": {"B": b"text"}}, {"Id": {"S": "c"}}])
    m = t.mount("Odd,Copy")
    t.sh("cp Odd/.export/csv Copy/.import/csv")
    t.eq({i["Id"]["S"]: i for i in t.scan("Copy")}, {i["Id"]["S"]: i for i in t.scan("Odd")})
    write(m / "Copy/.import/csv", "Id,mail,n\ns1,555,1\ns2,bob,2\ns3,true,3\n")
    t.eq(t.get("Copy", {"Id": {"S": "s3"}}), {"Id": {"S": "s3"}, "mail": {"S": "true"}, "n": {"N": "3"}})
    t.fails("EINVAL", write, m / "Copy/.import/csv", "Id,n\ns4,five\ns5,5\n")
    t.eq(t.get("Copy", {"Id": {"S": "s5"}})["n"], {"N": "5"})
    t.sh("echo -n 5 > Copy/c/n; echo -n hi > Copy/c/b; echo -n 12 > Copy/c/mail")
    t.eq(t.get("Copy", {"Id": {"S": "c"}}),
         {"Id": {"S": "c"}, "n": {"N": "5"}, "b": {"B": b"hi"}, "mail": {"S": "12"}})
    t.sh("rm Copy/c/n")
    t.fails("EINVAL", write, m / "Copy/c/n", "five")
    t.eq(read(m / ".ddbfs/rejected/Copy/c/n"), "five")


@test
def csv_types(t):
    t.create_table("Tab", "Id:N")
    m = t.mount("Tab")
    write(m / "Tab/.import/csv", '\ufeffId,name,zip,price,ok,none,list\r\n'
                               '1,"a, ""b""\r\nc",00123,1.50,true,null,"[1]"\r\n2,"42",,,"true",,\n')
    t.eq(t.get("Tab", {"Id": {"N": "1"}}),
         {"Id": {"N": "1"}, "name": {"S": 'a, "b"\r\nc'}, "zip": {"S": "00123"}, "price": {"N": "1.5"},
          "ok": {"BOOL": True}, "none": {"NULL": True}, "list": {"L": [{"N": "1"}]}})
    t.eq(t.get("Tab", {"Id": {"N": "2"}}), {"Id": {"N": "2"}, "name": {"S": "42"}, "ok": {"S": "true"}})
    for text, why in (("name\n1\n", "lacks"), ("Id,a,a\n1,2,3\n", "twice"), ("Id,a\n1\n", "fewer cells"),
                      ("Id,a\n1,2,3\n", "more cells"), ('Id,a\n1,"x"y\n', "behind the quote"),
                      ("Id\nx\n", "not a number")):
        t.fails("EINVAL", write, m / "Tab/.import/csv", text)
        t.contains(os.getxattr(m / "Tab/.import/csv", "user.ddbfs.error").decode(), why)
    write(m / "Tab/.import/tsv", "Id\ta\n7\tx,y\n")
    t.eq(t.get("Tab", {"Id": {"N": "7"}})["a"], {"S": "x,y"})
    t.sh("cp Tab/.export/csv $TMPDIR/a && cp $TMPDIR/a Tab/.import/csv && diff $TMPDIR/a Tab/.export/csv")


@test
def bad_rows(t):
    """Of csv: named by the line they begin in, kept below the header, to be mended and imported again."""
    t.create_table("Tab", "Id:N")
    m = t.mount("Tab")
    text = ('Id,name,zip\n1,"two\nlines, ""quoted""",00123\n2,short\n3,a,b,c\nx4,a,b\n5,"a" b,c\n\n6,fine,1.50\n'
            '7,"open,b\n'
            '8,swallowed,c\n')
    t.fails("EINVAL", write, m / "Tab/.import/csv", text)
    kept = rejected(m, "Tab/.import/csv")
    t.eq(sorted(t.scan("Tab"), key=lambda i: i["Id"]["N"]),
         [{"Id": {"N": "1"}, "name": {"S": 'two\nlines, "quoted"'}, "zip": {"S": "00123"}},
          {"Id": {"N": "6"}, "name": {"S": "fine"}, "zip": {"N": "1.5"}}])
    t.eq([e["line"] for e in m.errors() if e["operation"] == "import"], [4, 5, 6, 7, 10])
    t.eq(kept, 'Id,name,zip\n2,short\n3,a,b,c\nx4,a,b\n5,"a" b,c\n7,"open,b\n8,swallowed,c\n')
    for wrong, right in (("2,short", "2,short,"), ("3,a,b,c", "3,a,b"), ("x4", "4"),
                         ('"a" b', '"a b"'), ('"open', "open")):
        kept = kept.replace(wrong, right)
    write(m / "Tab/.import/csv", kept)
    t.eq(sorted(i["Id"]["N"] for i in t.scan("Tab")), [str(i) for i in range(1, 9)])


@plain_test
def what_the_service_does(t):
    t.create_table("Users", "Id:N")
    m = t.mount("Users")
    text = "".join('{"Id": %d, "x": "%s"}\n' % (i, "y" * 100) for i in range(1000))
    t.proxy.fault(action="unprocessed", match={"op": "BatchWriteItem"}, times=10, keep=7)
    t.proxy.fault(action="throttle", match={"op": "BatchWriteItem"}, times=5)
    write(m / "Users/.import/jsonl", text)
    t.eq(len(t.scan("Users")), 1000)
    t.proxy.clear_faults()
    t.proxy.fault(action="access_denied", match={"op": "BatchWriteItem"}, times=-1)
    t.fails("EACCES", write, m / "Users/.import/jsonl", text)
    t.proxy.clear_faults()
    t.eq(sorted(read(m / ".ddbfs/rejected/Users/.import/jsonl").splitlines()), sorted(text.splitlines()))
    t.proxy.fault(action="hang", match={"op": "BatchWriteItem"}, times=-1)
    fd = os.open(t.mount("Users", "op_timeout=1s") / "Users/.import/jsonl", os.O_WRONLY)
    os.write(fd, text.replace("yyy", "z").encode())
    t.fails("ETIMEDOUT", os.close, fd)
    t.proxy.clear_faults()
    t.fails("EACCES", os.open, m / "Users/.import/jsonl", os.O_RDONLY)
    t.fails(("EPERM", "EINVAL"), write, m / "Users/.import/xml", "x")
    t.fails("ENOENT", os.stat, m / "Users/.filter/a/b/.import")
    t.eq(sorted(os.listdir(m / "Users/.import")), ["csv", "jsonl", "tsv"])
    t.contains(os.getxattr(m / "Users/.import/csv", "user.ddbfs.request").decode(), "BatchWriteItem")


@plain_test
def budgets(t):
    t.music(partitions=12, items=50, size=4000)
    t.create_table("Copy", "Artist:S", "SongTitle:S")
    m = t.mount("Music,Copy", "max_rcu=100,max_wcu=100,cache_ttl=60")
    for command, unit, once in (("wc -l < Music/.export/jsonl", "rcu", 128), ("cat Music/*/* | wc -l", "rcu", 30),
                                ("head -n 60 Music/.export/jsonl > Copy/.import/jsonl", "wcu", 100)):
        time.sleep(0.1)
        with t.proxy.counting() as c:
            started = time.monotonic()
            t.sh(command)
            elapsed = time.monotonic() - started
        t.true(c[unit] > 230, "enough to notice: %s" % c[unit])
        # a second's worth and one request more may come at once; slower than the budget is no fault
        t.at_most(c[unit], 100 * (elapsed + 1) + once, "%s in %.1f s" % (command, elapsed))
    t.eq(len(t.scan("Copy")), 60)
    other = t.mount("Music", "max_rcu=1,op_timeout=2s,cache_ttl=0")
    t.fails("EBUSY", lambda: [read(other / ("Music/Artist 00/Song %04d.json" % i)) for i in range(1, 30)])


run()
