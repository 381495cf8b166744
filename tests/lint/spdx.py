#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every file of code says its licence at its top."""

import os

import lint

LINE = "SPDX-License-Identifier: Apache-2.0"
TOP = 2  # a script's first line is its interpreter


def check(files):
    return [(path, 1, f"no '{LINE}' at the top") for path, text in files.items()
            if not any(line.strip("/*# ") == LINE for line in text.split("\n")[:TOP])]


def wanted(path):
    if path.endswith((".c", ".h", ".py", ".sh")) or os.path.basename(path) == "meson.build":
        return True
    with open(path, "rb") as f:
        return f.read(2) == b"#!"


SAMPLES = [
    ("each language",
     {"a.c": f"/* {LINE} */\n", "b.py": f"#!/usr/bin/env python3\n# {LINE}\n", "meson.build": f"# {LINE}"}, []),
    ("none", {"a.c": "int a;\n", "b.sh": "", "c.c": f"/* {LINE} */\n"}, [("a.c", 1), ("b.sh", 1)]),
    ("another licence",
     {"a.c": "/* SPDX-License-Identifier: MIT */\n", "b.c": f"/* {LINE} OR MIT */\n"}, [("a.c", 1), ("b.c", 1)]),
    ("too far down", {"a.py": f"#!/usr/bin/env python3\n\n# {LINE}\n"}, [("a.py", 1)]),
    ("only mentioned", {"a.c": f'char *s = "{LINE}";\n'}, [("a.c", 1)]),
]

if __name__ == "__main__":
    lint.run(wanted, check, SAMPLES)
