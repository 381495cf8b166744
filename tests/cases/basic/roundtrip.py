# SPDX-License-Identifier: Apache-2.0
# BUILDS: plain asan
# TIMEOUT: 240
"""A thousand random items of every type: reading one and writing the same text back changes nothing and
sends no write; a copy is equal but for its key."""

import json
import os
import random

from case import read, run, test, write

CHARACTERS = 'abc XYZ019"\\/\n\t\r\0\x1f\x7f$%{}[],:é夜\U0001F600\u2028\ufeff'


def text(rng, limit=30):
    return "".join(rng.choice(CHARACTERS) for _ in range(rng.randrange(limit)))


def number(rng):
    """Digits, points and exponents as far as DynamoDB goes: 38 digits, 1E-130 to 9.99E125."""
    shape = rng.randrange(6)
    if shape == 0:
        return str(rng.randrange(-1000, 1000))
    if shape == 1:
        return str(rng.randrange(-10**37, 10**37))
    if shape == 2:
        return "%d.%d" % (rng.randrange(10**18), rng.randrange(1, 10**18))
    if shape == 3:
        return "%dE%d" % (rng.randrange(1, 10**5), rng.randrange(-120, 120))
    if shape == 4:
        return rng.choice(["9007199254740993", "0.1", "0.30000000000000004", "1E-130", "9.9E+125", "-1E-130", "1E23",
                           "123456789012345678", "0", "3.14159265358979323846264338327950288419"[:39]])
    return repr(rng.random())


def distinct(make, rng):
    return list(dict.fromkeys(make(rng) for _ in range(rng.randrange(1, 6))))


def value(rng, depth=0):
    kind = rng.choice(["S", "N", "B", "BOOL", "NULL", "SS", "NS", "BS"] + ["L", "M"] * (2 if depth < 4 else 0))
    if kind == "S":
        return {"S": text(rng)}
    if kind == "N":
        return {"N": number(rng)}
    if kind == "B":
        return {"B": rng.randbytes(rng.randrange(20))}
    if kind == "BOOL":
        return {"BOOL": rng.random() < 0.5}
    if kind == "NULL":
        return {"NULL": True}
    if kind == "SS":
        return {"SS": distinct(lambda r: text(r) + "x", rng)}
    if kind == "NS":
        return {"NS": [str(n) for n in distinct(lambda r: r.randrange(-10**20, 10**20), rng)]}
    if kind == "BS":
        return {"BS": distinct(lambda r: r.randbytes(1 + r.randrange(9)), rng)}
    if kind == "L":
        return {"L": [value(rng, depth + 1) for _ in range(rng.randrange(4))]}
    names = [rng.choice(["$", "$n", "$b", "$ss", "$m", "$s3", "a"]) if rng.random() < 0.3 else text(rng, 8) + "k"
             for _ in range(rng.randrange(4))]
    return {"M": {name: value(rng, depth + 1) for name in names}}


def items(count):
    rng = random.Random(42)
    found = []
    for n in range(count):
        item = {"p": {"S": "p%d" % (n % 4)}, "r": {"N": str(n)}}
        for _ in range(rng.randrange(8)):
            item.setdefault(text(rng, 10) or "a", value(rng))
        found.append(item)
    return found


def normal(value):
    """Sets have no order."""
    if isinstance(value, dict):
        return {k: sorted(v) if k in ("SS", "NS", "BS") and isinstance(v, list) and
                not any(isinstance(x, dict) for x in v) else normal(v) for k, v in value.items()}
    if isinstance(value, list):
        return [normal(v) for v in value]
    return value


def table(t, name="Items"):
    return {(i["p"]["S"], i["r"]["N"]): normal(i) for i in t.scan(name)}


def paths(m):
    return [os.path.join("Items", "p%d" % (n % 4), "%d.json" % n) for n in range(1000)]


@test
def nothing_changes(t):
    t.create_table("Items", "p:S", "r:N")
    t.put_items("Items", items(1000))
    before = table(t)
    m = t.mount(options="cache_ttl=60")
    t.eq(sum(len(files) for _, _, files in os.walk(m.path)), 1000)
    for path in paths(m):
        content = read(m / path)
        json.loads(content)
        t.true(content.endswith("}\n"), "one final newline")
        write(m / path, content)
        t.eq(read(m / path), content, path)
    t.eq(t.proxy.writes(), 0)
    t.eq(table(t), before)


@test
def copies_are_equal(t):
    t.create_table("Items", "p:S", "r:N")
    t.create_table("Copies", "p:S", "r:N")
    t.put_items("Items", items(1000))
    m = t.mount(options="cache_ttl=60")
    t.sh("cp -r Items/* Copies/", timeout=120)
    t.eq(table(t, "Copies"), table(t))
    for n in range(0, 1000, 50):
        path = "Items/p%d/%d.json" % (n % 4, n)
        write(m / ("Items/p%d/%d.json" % (n % 4, n + 5000)), read(m / path))
    after = table(t)
    for n in range(0, 1000, 50):
        original = dict(after["p%d" % (n % 4), str(n)])
        original["r"] = {"N": str(n + 5000)}
        t.eq(after["p%d" % (n % 4), str(n + 5000)], original)


@test
def other_formats(t):
    t.create_table("Items", "p:S", "r:N")
    t.put_items("Items", items(1000))
    before = table(t)
    for options in ("cache_ttl=60,format=dynamodb", "cache_ttl=60,compact"):
        m = t.mount(options=options)
        for path in paths(m)[::7]:
            content = read(m / path)
            parsed = json.loads(content)
            if "compact" in options:
                t.eq(content.count("\n"), 1)
            else:
                t.eq(list(parsed["p"]), ["S"])
            write(m / path, content)
        m.umount()
    t.eq(t.proxy.writes(), 0)
    t.eq(table(t), before)


run()
