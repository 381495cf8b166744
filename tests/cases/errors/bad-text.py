# SPDX-License-Identifier: Apache-2.0
# BUILDS: plain asan
# TIMEOUT: 120
"""Text that is no item: refused at close, by line and column, before any request; nothing is lost."""

import os

from case import run, test, write

KEY = {"Artist": {"S": "A"}, "SongTitle": {"S": "one"}}

# text, line, column (None: not pinned down)
BAD = [
    ('{"a": 1,}', 1, 9),
    ('{\n  "a": 1\n  "b": 2\n}\n', 3, 3),
    ('{"a": 1', 1, None),
    ('[1, 2]', 1, 1),
    ('"text"', 1, 1),
    ('nonsense\n', 1, 1),
    ('{"a": 1} x', 1, 10),
    ('{"a": 1,\n "a": 2}', 2, 2),
    ('{"a": ' + "[" * 40 + "]" * 40 + "}", 1, None),
    ('{"a": 1' + "0" * 38 + '1}', 1, 7),
    ('{"a": 1e200}', 1, 7),
    ('{"a": {"$n": "ten"}}', 1, None),
    ('{"a": {"$ss": []}}', 1, None),
    ('{"a": {"$ss": ["x", "x"]}}', 1, None),
    ('{"a": {"$ns": ["x"]}}', 1, None),
    ('{"a": {"$b": "not base64!"}}', 1, None),
    ('{"a": {"$what": 1}}', 1, None),
    ('{"a": "\\ud800"}', 1, None),
    ('{"a": tru}', 1, None),
    ('{"a": 01}', 1, None),
    ('{"a": .5}', 1, None),
    ("{'a': 1}", 1, 2),
    (b'{"a": "\xff"}', 1, None),
    (b'{"a": "\x00"}', 1, None),
    (b"\xef\xbb\xbf{", None, None),
    ('{"a": "line\nbreak"}', None, None),
]


@test
def refused(t):
    t.create_table("Music", "Artist:S", "SongTitle:S")
    t.put("Music", dict(KEY, Year={"N": "1"}))
    m = t.mount(options="cache_ttl=60")
    path = m / "Music/A/one.json"
    with open(path, encoding="utf-8") as f:
        before = f.read()
    for text, line, column in BAD:
        told = len(m.errors()) if os.path.exists(m / ".ddbfs/errors.jsonl") else 0
        t.fails("EINVAL", write, path, text)
        errors = m.errors()
        t.true(len(errors) > told, "errors.jsonl tells of %r" % text)
        error = errors[-1]
        t.eq(error["errno"], "EINVAL", repr(text))
        t.contains(error["path"], "Music/A/one.json")
        if line:
            t.eq(error["line"], line, "line of %r" % text)
            t.true(error["column"] >= 1, "a column for %r" % text)
        if column:
            t.eq(error["column"], column, "column of %r" % text)
        with open(path, encoding="utf-8") as f:
            t.eq(f.read(), before, "after %r" % text)
    t.eq(t.proxy.writes(), 0)
    t.eq(t.get("Music", KEY), dict(KEY, Year={"N": "1"}))
    t.contains(os.getxattr(path, "user.ddbfs.error").decode(), "EINVAL")


@test
def too_large(t):
    t.create_table("Music", "Artist:S", "SongTitle:S")
    t.put("Music", KEY)
    m = t.mount()
    t.fails("EFBIG", write, m / "Music/A/one.json", '{"a": "%s"}' % ("x" * 410000))
    t.eq(t.proxy.writes(), 0)
    t.eq(t.get("Music", KEY), KEY)
    write(m / "Music/A/one.json", '{"a": "%s"}' % ("x" * 400000))
    t.eq(len(t.get("Music", KEY)["a"]["S"]), 400000)


@test
def strict_keys(t):
    t.create_table("Music", "Artist:S", "SongTitle:S")
    t.put("Music", KEY)
    m = t.mount(options="strict_keys")
    t.fails("EINVAL", write, m / "Music/A/one.json", '{"Artist": "B"}')
    write(m / "Music/A/one.json", '{"Artist": "A", "x": 1}')
    t.eq(t.get("Music", KEY), dict(KEY, x={"N": "1"}))


@test
def one_clear_line_in_the_log(t):
    t.create_table("Music", "Artist:S", "SongTitle:S")
    t.put("Music", KEY)
    m = t.mount()
    t.fails("EINVAL", write, m / "Music/A/one.json", '{"a": 1,}')
    lines = [line for line in m.text().split("\n") if line and " info mounted on " not in line]
    t.eq(len(lines), 1)
    t.contains(lines[0], "one.json")
    t.contains(lines[0], "line 1")


run()
