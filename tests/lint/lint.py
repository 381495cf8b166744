# SPDX-License-Identifier: Apache-2.0
"""What the lint scripts have in common: reading the tree, blanking C comments, reporting, proving themselves.

A script gives run() three things: a function that says whether it wants a file, a function that turns
{path: text} into findings (path, line, text), and made-up files with the lines it must complain about.
Paths are relative to the root of the repository, where the scripts are started.
"""

import os
import re
import sys

TOKEN = re.compile(r"""/\*.*?(?:\*/|\Z) | //(?:\\\n|[^\n])* | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*'""", re.S | re.X)


def _blank(text):
    return re.sub(r"[^\n]", " ", text)


def without_comments(text):
    """C text with its comments blanked; every line stays where it is."""
    return TOKEN.sub(lambda m: _blank(m[0]) if m[0].startswith("/") else m[0], text)


def code_only(text):
    """C text with its comments, strings and character constants blanked."""
    return TOKEN.sub(lambda m: _blank(m[0]), text)


def line_of(text, position):
    return text.count("\n", 0, position) + 1


def is_c(path):
    return path.endswith((".c", ".h"))


def is_below(path, *folders):
    return path.startswith(tuple(f + "/" for f in folders))


def read_tree(wanted):
    files = {}
    for folder, folders, names in os.walk("."):
        folders[:] = sorted(f for f in folders if not f.startswith(".") and f != "__pycache__"
                            and not (folder == "." and f.startswith("build")))
        for name in sorted(names):
            path = os.path.relpath(os.path.join(folder, name))
            if os.path.isfile(path) and not os.path.islink(path) and wanted(path):
                with open(path, encoding="utf-8", errors="replace") as f:
                    files[path] = f.read()
    return files


def prove(check, samples):
    """Each sample is (name, {path: text}, [(path, line), ...]).  The number of samples judged wrongly."""
    wrong = 0
    for name, files, expected in samples:
        found = sorted((path, line) for path, line, _ in check(files))
        if found != sorted(expected):
            wrong += 1
            print(f"self-test: {name}: expected {sorted(expected)}, found {found}")
    if not any(expected for _, _, expected in samples):
        wrong += 1
        print("self-test: no sample shows that the check can fail")
    return wrong


def run(wanted, check, samples):
    if sys.argv[1:] == ["--self-test"]:
        sys.exit(1 if prove(check, samples) else 0)
    if sys.argv[1:]:
        sys.exit(f"usage: {sys.argv[0]} [--self-test]")
    if not os.path.isfile("meson.build"):
        sys.exit("to be started from the root of the repository")
    files = read_tree(wanted)
    findings = sorted(check(files))
    for path, line, text in findings:
        print(f"{path}:{line}: {text}")
    if not files:
        sys.exit("no file to look at")
    sys.exit(1 if findings else 0)
