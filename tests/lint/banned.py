#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Functions that have no place in the program, or exactly one."""

import re

import lint

ALLOC = ("src/base/alloc.c",)
MUTEX = ("src/base/mutex.c",)

# (pattern of the name, what to do instead, files that may all the same)
BANNED = [
    (r"v?sprintf", "snprintf, or buf_printf", ()),
    (r"strcpy|strcat|strncpy|stpcpy|strncat", "memcpy with a checked length, or a struct buf", ()),
    (r"strtok", "a struct str and a loop", ()),
    (r"ato(?:i|l|ll|f)", "strtol with its checks", ()),
    (r"gets", "getline", ()),
    (r"system|popen", "fork and exec without a shell", ()),
    (r"(?:__builtin_)?alloca", "mem_alloc", ()),
    (r"setenv|putenv|unsetenv", "an environment made for the child", ()),
    (r"localtime|gmtime|asctime|ctime", "clock_format_iso, gmtime_r", ()),
    (r"s?rand|s?random", "rng_u64, rng_unit", ()),
    (r"sleep|usleep", "op_ctx_sleep_until, cond_wait_until", ()),
    (r"exit|abort", "an error, returned", ()),
    (r"assert", "an error, returned; or static_assert", ()),
    (r"malloc|calloc|realloc|reallocarray|strdup|strndup|free", "mem_*", ALLOC),
    (r"v?asprintf", "buf_printf", ()),
    (r"pthread_(?:mutex|cond)_\w+", "mutex_*, cond_*", MUTEX),
]
RULES = [(re.compile(rf"(?<![\w.])(?<!->)(?:{name})(?=\s*\()"), instead, allowed) for name, instead, allowed in BANNED]
LINE_COMMENT = re.compile(r"/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'|(//)", re.S)


def check(files):
    findings = []
    for path, text in files.items():
        code = lint.code_only(text)
        for pattern, instead, allowed in RULES:
            if path in allowed:
                continue
            for m in pattern.finditer(code):
                findings.append((path, lint.line_of(code, m.start()), f"{m[0]}: use {instead}"))
        for m in LINE_COMMENT.finditer(text):
            if m[1]:
                findings.append((path, lint.line_of(text, m.start()), "//: comments are written /* */"))
    return findings


def wanted(path):
    return lint.is_c(path) and lint.is_below(path, "src", "include")


NAMES = """sprintf vsprintf strcpy strcat strncpy strtok atoi atol gets system popen alloca setenv localtime gmtime rand
           sleep usleep exit abort assert malloc calloc realloc strdup free
           pthread_mutex_lock pthread_mutex_init pthread_cond_wait""".split()
SAMPLES = [(f"{name} is banned", {"src/fs/a.c": f"\n        x = {name} (y);\n"}, [("src/fs/a.c", 2)])
           for name in NAMES] + [
    ("in an inline function", {"include/ddbfs/fs/a.h": "static inline void f(void) {\n        abort();\n}\n"},
     [("include/ddbfs/fs/a.h", 2)]),
    ("allowed in its place",
     {"src/base/alloc.c": "p = malloc(1);\nfree(p);\n", "src/base/mutex.c": "pthread_mutex_lock(m);\n"}, []),
    ("only in its place", {"src/base/mutex.c": "free(p);\n", "src/base/alloc.c": "pthread_mutex_lock(m);\n"},
     [("src/base/mutex.c", 1), ("src/base/alloc.c", 1)]),
    ("its reentrant or own kin",
     {"src/fs/a.c": "gmtime_r(a, b); snprintf(a, 1, b); strtok_r(a); _exit(1); mem_free(p); "
                                                "static_assert(1, x); mem_strdup(s); nanosleep(t, NULL);\n"}, []),
    ("members", {"src/fs/a.c": "ops->free(x); store.free(x); (*s->free)(x); pthread_mutex_t m;\n"}, []),
    ("comments and strings",
     {"src/fs/a.c": '/* free(p) and\n exit(1) */\nputs("abort() \\" exit()");\nchar c = \'"\'; x("http://a");\n'}, []),
    ("a quote character does not hide the rest",
     {"src/fs/a.c": "char c = '\"';\nabort();\nchar d = '\"';\n"}, [("src/fs/a.c", 2)]),
    ("a comment does not hide the next line", {"src/fs/a.c": "/* x */ abort();\n"}, [("src/fs/a.c", 1)]),
    ("over two lines", {"src/fs/a.c": "x = malloc\n        (5);\n"}, [("src/fs/a.c", 1)]),
    ("line comments", {"src/fs/a.c": "int a;\nint b; // no\n/* // is fine here */\n"}, [("src/fs/a.c", 2)]),
]

if __name__ == "__main__":
    lint.run(wanted, check, SAMPLES)
