# SPDX-License-Identifier: Apache-2.0
# SECONDS: 12
# NEEDS: s3
# BUILDS: plain asan tsan
# TIMEOUT: 240
"""Large attributes in item files: offload, reading, keeping, copies, renames, removal, what other programs see."""

import hashlib
import json
import os

from case import read, run, test, wait_for, write
from large import claim, large_mount, objects, reference


def text(n, seed="x"):
    return (hashlib.sha256(seed.encode()).hexdigest() * (n // 64 + 1))[:n]


def item(t, id_):
    return t.get("Docs", {"Id": {"S": id_}})


def sent(counters, *ops):
    return sum(counters["ops"].get(op, {"requests": 0})["requests"] for op in ops)


def save(path, **attributes):
    write(path, json.dumps(attributes))


@test
def round_trip(t):
    m = large_mount(t)
    body = text(100 * 1024)
    save(m / "Docs/1.json", body=body, more="small")
    shown = json.loads(read(m / "Docs/1.json"))
    t.eq(shown, {"Id": "1", "body": claim(body), "more": "small"})
    ref = reference(item(t, "1")["body"])
    t.eq(t.s3.get(ref["key"]), body.encode())
    t.eq((ref["bucket"], ref["size"], ref["type"]), (t.s3.bucket, len(body), "S"))
    t.eq(t.s3.head(ref["key"])["Metadata"]["table"], "Docs")
    # the same text again: nothing is sent
    with t.proxy.counting() as c, t.s3.proxy.counting() as c3:
        write(m / "Docs/1.json", read(m / "Docs/1.json"))
    t.eq(sent(c, "UpdateItem", "PutItem"), 0)
    t.eq(sent(c3, "PutObject"), 0)
    # another attribute: the object stays
    save(m / "Docs/1.json", **{**shown, "more": "changed"})
    t.eq(reference(item(t, "1")["body"]), ref)
    t.eq(item(t, "1")["more"], {"S": "changed"})
    # the whole text with the very content: not uploaded again
    with t.s3.proxy.counting() as c3:
        save(m / "Docs/1.json", body=body, more="changed")
    t.eq(sent(c3, "PutObject"), 0)
    # another content
    save(m / "Docs/1.json", body=body + "y", more="changed")
    other = reference(item(t, "1")["body"])
    t.eq(t.s3.get(other["key"]), (body + "y").encode())
    wait_for(lambda: objects(t) == [other["key"]], 10, "the replaced object to go")
    os.unlink(m / "Docs/1.json")
    wait_for(lambda: not objects(t), 10, "the object of a deleted item to go")


@test
def types_and_sizes(t):
    m = large_mount(t, "s3_threshold=1", "inline_max=0")
    for n in (1, 2, 4095, 65536, 8 * 1024 * 1024, 8 * 1024 * 1024 + 1):
        body = text(n, str(n))
        save(m / ("Docs/%d.json" % n), body=body)
        t.eq(json.loads(read(m / ("Docs/%d.json" % n)))["body"], claim(body) if n > 1 else body)
        if n > 1:
            t.eq(t.s3.get(reference(item(t, str(n))["body"])["key"]), body.encode())
    write(m / "Docs/b.json", json.dumps({"b": {"$b": "AAEC/w=="}, "n": 17, "l": [text(1000)]}))
    t.eq(reference(item(t, "b")["b"])["type"], "B")
    t.eq(t.s3.get(reference(item(t, "b")["b"])["key"]), b"\x00\x01\x02\xff")
    t.eq(item(t, "b")["n"], {"N": "17"})


@test
def fits_by_moving_the_largest(t):
    m = large_mount(t)
    attributes = {"a%d" % i: text(60000 - i, str(i)) for i in range(9)}
    save(m / "Docs/1.json", **attributes)
    t.eq(len(objects(t)), 3)                    # 9 * 60,000 - 400 KB is more than two
    m.flush()
    t.eq(json.loads(read(m / "Docs/1.json")), {"Id": "1", **attributes})     # up to inline_max it is text
    # edit one of them in place, as an editor does
    attributes["a0"] = text(60000, "new")
    save(m / "Docs/1.json", **attributes)
    m.flush()
    t.eq(json.loads(read(m / "Docs/1.json")), {"Id": "1", **attributes})
    # a listing is not held up by what is in S3, and sizes are exact
    m.flush()
    t.eq(os.listdir(m / "Docs"), ["1.json"])
    t.eq(os.stat(m / "Docs/1.json").st_size, len(read(m / "Docs/1.json").encode()))
    wait_for(lambda: len(objects(t)) == 3, 10, "what was replaced to go")


@test
def copies_and_renames(t):
    m = large_mount(t)
    body = text(200 * 1024)
    save(m / "Docs/1.json", body=body)
    t.sh("cp Docs/1.json Docs/2.json")
    refs = [reference(item(t, i)["body"]) for i in "12"]
    t.eq(len({r["key"] for r in refs}), 2, "each its own object")
    os.unlink(m / "Docs/1.json")
    wait_for(lambda: objects(t) == [refs[1]["key"]], 10, "the first object to go")
    os.rename(m / "Docs/2.json", m / "Docs/3.json")
    ref = reference(item(t, "3")["body"])
    wait_for(lambda: objects(t) == [ref["key"]], 10, "the object of the old name to go")
    t.eq(t.s3.get(ref["key"]), body.encode())
    t.eq(json.loads(read(m / "Docs/3.json"))["body"], claim(body))
    # a partition with everything in it, and into another table
    os.mkdir(m / "Music/a")
    save(m / "Music/a/x.json", body=body)
    os.rename(m / "Music/a", m / "Music/b")
    t.eq(t.s3.get(reference(t.get("Music", {"Artist": {"S": "b"}, "Song": {"S": "x"}})["body"])["key"]), body.encode())
    os.rename(m / "Music/b/x.json", m / "Docs/x.json")
    t.eq(t.s3.get(reference(item(t, "x")["body"])["key"]), body.encode())
    wait_for(lambda: len(objects(t)) == 2, 10, "only what is referred to")


@test
def claims_are_checked(t):
    m = large_mount(t)
    body = text(200 * 1024)
    save(m / "Docs/1.json", body=body)
    t.fails("EINVAL", save, m / "Docs/2.json", body=claim("never seen"))
    t.fails("EINVAL", write, m / "Docs/2.json", json.dumps(
        {"body": {"$m": {"$ddbfs:s3": {**reference(item(t, "1")["body"]), "v": 1}}}}))
    t.eq(item(t, "2"), None)
    # a wrong claim never replaces what is there
    t.fails("EINVAL", save, m / "Docs/1.json", body=claim(body + "z"))
    t.eq(t.s3.get(reference(item(t, "1")["body"])["key"]), body.encode())


@test
def conflicts(t):
    m = large_mount(t, "cache_ttl=60")
    other = large_mount(t)
    body = text(200 * 1024)
    save(m / "Docs/1.json", body=body, n=1)
    read(m / "Docs/1.json")
    save(other / "Docs/1.json", body=body + "other", n=1)
    t.fails("ESTALE", save, m / "Docs/1.json", body=body + "mine", n=1)
    ref = reference(item(t, "1")["body"])
    t.eq(t.s3.get(ref["key"]), (body + "other").encode())
    wait_for(lambda: objects(t) == [ref["key"]], 10, "the refused object to go")


@test
def rm_r(t):
    m = large_mount(t)
    os.mkdir(m / "Music/a")
    for i in range(40):
        save(m / ("Music/a/%d.json" % i), body=text(70000, str(i)))
    t.eq(len(objects(t)), 40)
    t.sh("rm -r Music/a")
    wait_for(lambda: not objects(t), 20, "all objects to go")


@test
def whole_tables(t):
    m = large_mount(t)
    bodies = [text(200 * 1024 + i, str(i)) for i in range(12)]
    lines = [json.dumps({"Id": str(i), "body": body, "n": i}) for i, body in enumerate(bodies)]
    lines.append(json.dumps({"Id": "small", "body": "x"}))
    # in: what is large goes to S3, each to an object of its own
    with t.s3.proxy.counting() as c3:
        write(m / "Docs/.import/jsonl", "\n".join(lines) + "\n")
    t.eq(sent(c3, "PutObject"), 12)
    refs = [reference(item(t, str(i))["body"]) for i in range(12)]
    t.eq([t.s3.get(ref["key"]).decode() for ref in refs], bodies)
    t.eq(objects(t), sorted(ref["key"] for ref in refs))
    t.eq(item(t, "small")["body"], {"S": "x"})
    # out: as in the items' files
    for mount in (m, large_mount(t, "inline_max=1M")):
        mount.flush()
        out = {line["Id"]: line for line in map(json.loads, read(mount / "Docs/.export/jsonl").splitlines())}
        t.eq(len(out), 13)
        t.eq([out[str(i)]["body"] for i in range(12)], [claim(b) if mount is m else b for b in bodies])
        t.eq(json.loads(read(mount / "Docs/3.json")), out["3"])
    # and in again: claims are of what this mount has read; in another item it is a copy
    claimed = {"Id": "copy", "body": claim(bodies[5])}
    write(m / "Docs/.import/jsonl", json.dumps(claimed) + "\n")
    copy = reference(item(t, "copy")["body"])
    t.true(copy["key"] != refs[5]["key"] and t.s3.get(copy["key"]).decode() == bodies[5], "a copy of its own")
    t.fails("EINVAL", write, m / "Docs/.import/jsonl", json.dumps({"Id": "no", "body": claim("never seen")}) + "\n")
    t.eq(item(t, "no"), None)
    # also into the table it came from
    t.sh("cp Docs/.export/jsonl %s && cp %s Docs/.import/jsonl" % ((t.path("docs.jsonl"),) * 2), cwd=m / "")
    t.eq([t.s3.get(reference(item(t, str(i))["body"])["key"]).decode() for i in range(12)], bodies)


@test
def without_a_bucket(t):
    m = large_mount(t)
    body = text(500 * 1024)
    save(m / "Docs/1.json", body=body)
    before = item(t, "1")
    plain = t.mount("Docs", "cache_ttl=0")
    t.fails("EFBIG", save, plain / "Docs/2.json", body=body)
    shown = json.loads(read(plain / "Docs/1.json"))
    t.eq(shown["body"], claim(body))
    save(plain / "Docs/1.json", **{**shown, "more": 1})
    t.eq(item(t, "1"), {**before, "more": {"N": "1"}})
    save(plain / "Docs/1.json", more=2)         # the reference goes; nobody here may remove the object
    t.eq(item(t, "1"), {"Id": {"S": "1"}, "more": {"N": "2"}})
    t.eq(len(objects(t)), 1)


@test
def s3_is_down(t):
    save(large_mount(t) / "Docs/1.json", body=text(100 * 1024))
    before = item(t, "1")
    m = large_mount(t, "op_timeout=1s")
    t.s3.proxy.fault(action="hang", match={"op": "PutObject"}, times=20)
    t.fails("ETIMEDOUT", save, m / "Docs/1.json", body=text(100 * 1024, "new"))
    t.eq(item(t, "1"), before)
    t.true("1.json" in t.sh("find .ddbfs/rejected -type f", cwd=m.path).stdout, "the refused text is kept")


@test
def dynamodb_format(t):
    m = large_mount(t, "format=dynamodb")
    body = text(100 * 1024)
    write(m / "Docs/1.json", json.dumps({"body": {"S": body}, "n": {"N": "1"}}))
    shown = json.loads(read(m / "Docs/1.json"))
    t.eq(shown["body"], item(t, "1")["body"])
    shown["n"] = {"N": "2"}
    before = item(t, "1")
    write(m / "Docs/1.json", json.dumps(shown))
    t.eq(item(t, "1"), {**before, "n": {"N": "2"}})


run(shared=True)
