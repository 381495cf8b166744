#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Nothing grows too large: functions, source files, headers."""

import re

import lint

FUNCTION_LINES = 100
FILE_LINES = {".c": 700, ".h": 300}

DIRECTIVE = re.compile(r"^[ \t]*#(?:\\\n|[^\n])*", re.M)
ELSE_BRANCH = re.compile(r"^[ \t]*#[ \t]*(if|el|endif)", re.M)


def drop_directives(code):
    """Blank the preprocessor's lines, and the #else branches, whose braces would count twice."""
    out, dropping = [], [False]
    position = 0
    for m in DIRECTIVE.finditer(code):
        piece = code[position:m.start()]
        out.append(re.sub(r"[^\n]", " ", piece) if any(dropping) else piece)
        out.append(re.sub(r"[^\n]", " ", m[0]))
        position = m.end()
        kind = ELSE_BRANCH.match(m[0])
        if kind and kind[1] == "if":
            dropping.append(False)
        elif kind and kind[1] == "el":
            dropping[-1] = True
        elif kind and len(dropping) > 1:
            dropping.pop()
    out.append(code[position:])
    return "".join(out)


def functions(code):
    """(name, first line, last line) of each function; raises ValueError when the braces do not match."""
    depth, start, function = 0, 0, None
    for m in re.finditer(r"[{};]", code):
        if m[0] == "{":
            head = code[start:m.start()]
            if depth == 0:
                name = re.search(r"(\w+)\s*\(", re.sub(r"__attribute__\s*\(\(.*?\)\)|\b[a-z_]*_\([^()]*\)", "", head))
                is_function = head.rstrip().endswith(")") and "=" not in head and name
                first = start + len(head) - len(head.lstrip())
                function = (name[1], lint.line_of(code, first)) if is_function else None
            depth += 1
        elif m[0] == "}":
            depth -= 1
            if depth < 0:
                raise ValueError(lint.line_of(code, m.start()))
            if depth == 0 and function:
                yield (*function, lint.line_of(code, m.start()))
                function = None
        if depth == 0:
            start = m.end()
    if depth:
        raise ValueError(code.count("\n"))


def check(files):
    findings = []
    for path, text in files.items():
        lines, limit = text.count("\n"), FILE_LINES[path[-2:]]
        if lines > limit:
            findings.append((path, limit + 1, f"{lines} lines in a file; at most {limit}"))
        try:
            for name, first, last in functions(drop_directives(lint.code_only(text))):
                if last - first + 1 > FUNCTION_LINES:
                    size = f"{last - first + 1} lines in a function; at most {FUNCTION_LINES}"
                    findings.append((path, first, f"{name}: {size}"))
        except ValueError as e:
            findings.append((path, e.args[0], "braces that do not match: cannot tell functions apart"))
    return findings


def wanted(path):
    return lint.is_c(path) and lint.is_below(path, "src", "include")


def sample(head, lines, tail="}\n"):
    """A function of so many lines, head and closing brace included."""
    return head + "        x();\n" * (lines - head.count("\n") - tail.count("\n")) + tail


SAMPLES = [
    ("a full function", {"src/fs/a.c": sample("int f(void) {\n", 100)}, []),
    ("one line more", {"src/fs/a.c": "\n" + sample("int f(void) {\n", 101)}, [("src/fs/a.c", 2)]),
    ("the head counts",
     {"src/fs/a.c": sample("static int f(int a,\n             int b) {\n", 101)}, [("src/fs/a.c", 1)]),
    ("the brace on its own line", {"src/fs/a.c": sample("int f(void)\n{\n", 101)}, [("src/fs/a.c", 1)]),
    ("attributes", {"src/fs/a.c": sample("_printf_(3, 0) static int f(int a) {\n", 101)}, [("src/fs/a.c", 1)]),
    ("a neighbour does not count", {"src/fs/a.c": sample("int f(void) {\n", 60) + sample("int g(void) {\n", 60)}, []),
    ("the second one",
     {"src/fs/a.c": sample("int f(void) {\n", 60) + sample("int g(void) {\n", 101)}, [("src/fs/a.c", 61)]),
    ("tables are not functions",
     {"src/fs/a.c": "static const struct x t[] = {\n" + "        { f(1), 2 },\n" * 200 + "};\n"}, []),
    ("nor are structs", {"src/fs/a.c": "struct x {\n" + "        int a;\n" * 200 + "};\n"}, []),
    ("inner blocks, braces in strings",
     {"src/fs/a.c": sample('int f(void) {\n        if (a) {\n        }\n        p("}");\n', 101)},
     [("src/fs/a.c", 1)]),
    ("branches of the preprocessor",
     {"src/fs/a.c": sample("#if A\nint f(void) {\n#else\nint f(int a) {\n#endif\n", 101)}, []),
    ("... over the limit",
     {"src/fs/a.c": sample("#if A\nint f(void) {\n#else\nint f(int a) {\n#endif\n", 102)}, [("src/fs/a.c", 2)]),
    ("macros", {"include/ddbfs/fs/a.h": "#define X(a) \\\n        do { \\\n        } while (0\nint a;\n"}, []),
    ("unmatched", {"src/fs/a.c": "int f(void) {\n\n"}, [("src/fs/a.c", 2)]),
    ("unmatched the other way", {"src/fs/a.c": "\n}\n"}, [("src/fs/a.c", 2)]),
    ("full files", {"src/fs/a.c": "\n" * 700, "include/ddbfs/fs/a.h": "\n" * 300}, []),
    ("a line too many",
     {"src/fs/a.c": "\n" * 701, "include/ddbfs/fs/a.h": "\n" * 301, "src/fs/b_internal.h": "\n" * 301},
     [("src/fs/a.c", 701), ("include/ddbfs/fs/a.h", 301), ("src/fs/b_internal.h", 301)]),
]

if __name__ == "__main__":
    lint.run(wanted, check, SAMPLES)
