#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The program's options and those of its man page are the same, defaults and environment variables included.

    options-vs-man.py PROGRAM PAGE.scd
    options-vs-man.py --self-test

What the program says of itself (--help, --print-config) is compared with each entry of the section OPTIONS:
a line that begins with *--name* or *-x*, *--name*, then paragraphs behind a tab, of which one is
"Default: *value*. Environment: *DDBFS_NAME*.".
"""

import json
import os
import re
import subprocess
import sys

HELP_LINE = re.compile(r"^  (?:-(\w), |    )--([a-z][a-z0-9-]*)(=[A-Z]+)? +(.*?)(?: \[([^\[\]]*)\])?$", re.M)
MAN_HEAD = re.compile(r"^(?:\*-(\w)\*, )?\*--([a-z][a-z0-9-]*)\*(=_[A-Z]+_)?$")
MAN_DEFAULT = re.compile(r"\bDefault: \*([^*]+)\*")
MAN_ENVIRONMENT = re.compile(r"\bEnvironment: \*([^*]+)\*")


def of_program(help_text, config):
    """{name: (short, argument, default, environment)} by what the program says; None where there is none."""
    options = {}
    for short, name, argument, _, default in HELP_LINE.findall(help_text):
        key = name.replace("-", "_")
        takes_environment = key in config
        options[name] = (short or None, argument.strip("=") or None, default or None,
                         "DDBFS_" + key.upper() if takes_environment else None)
    return options


def of_page(page):
    options, name, inside = {}, None, False
    for line in page.split("\n"):
        if line.startswith("# "):
            inside, name = line == "# OPTIONS", None
        head = MAN_HEAD.match(line) if inside else None
        if head:
            name = head[2]
            if name in options:
                options[name + " (twice)"] = options[name]
            options[name] = [head[1] or None, head[3].strip("=_") if head[3] else None, None, None]
        elif name and line.startswith("\t"):
            default, environment = MAN_DEFAULT.search(line), MAN_ENVIRONMENT.search(line)
            options[name][2] = default[1] if default else options[name][2]
            options[name][3] = environment[1] if environment else options[name][3]
        elif line:
            name = None
    return {n: tuple(o) for n, o in options.items()}


def compare(help_text, config, page):
    program, man = of_program(help_text, config), of_page(page)
    found = []
    if not program:
        found.append("--help lists no options")
    for name in sorted(program.keys() - man.keys()):
        found.append(f"--{name}: not in the man page")
    for name in sorted(man.keys() - program.keys()):
        found.append(f"--{name}: in the man page, but the program has no such option")
    for name in sorted(program.keys() & man.keys()):
        for what, ours, theirs in zip(("short name", "argument", "default", "environment variable"), program[name],
                                      man[name]):
            if ours != theirs:
                found.append(f"--{name}: {what} is {ours} in the program, {theirs} in the man page")
    shown = {n.replace("-", "_"): o for n, o in program.items()}
    for key, value in config.items():
        if key in ("tables", "mountpoint"):
            continue
        if key not in shown:
            found.append(f"{key}: in --print-config, not in --help")
        elif value is not None and key not in ("uid", "gid", "umask"):
            text = str(value).lower() if isinstance(value, bool) else str(value)
            if text != shown[key][2]:
                found.append(f"{key}: default is {shown[key][2]} in --help, {text} in --print-config")
    return found


def ask(program):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("DDBFS_")}

    def run(argument):
        return subprocess.run([program, argument], env=environment, stdout=subprocess.PIPE, check=True,
                              encoding="utf-8").stdout

    return run("--help"), json.loads(run("--print-config"))


HELP = """Usage:
  -h, --help                  show this text
  -f, --foreground            stay [false]
      --cache-ttl=TIME        how old [1s]
      --region=REGION         region [as AWS_REGION]
"""
CONFIG = {"tables": "*", "foreground": False, "cache_ttl": "1s", "region": None}
PAGE = """# SYNOPSIS

*--not-an-option*

# OPTIONS

*-h*, *--help*
\tShow.

*-f*, *--foreground*
\tStay.

\tDefault: *false*. Environment: *DDBFS_FOREGROUND*.

*--cache-ttl*=_TIME_
\tOld.

\tDefault: *1s*. Environment: *DDBFS_CACHE_TTL*.

*--region*=_REGION_
\tDefault: *as AWS_REGION*. Environment: *DDBFS_REGION*.

# FILES
"""

SAMPLES = [
    ("all is well", HELP, CONFIG, PAGE, 0),
    ("option missing in the page", HELP + "      --new                   new [false]\n", dict(CONFIG, new=False), PAGE, 1),
    ("option the program does not have", HELP, CONFIG, PAGE.replace("# FILES", "*--old*\n\tOld.\n\n# FILES"), 1),
    ("another default", HELP, CONFIG, PAGE.replace("*1s*", "*2s*"), 1),
    ("no default", HELP, CONFIG, PAGE.replace("Default: *false*. ", ""), 1),
    ("another variable", HELP, CONFIG, PAGE.replace("DDBFS_CACHE_TTL", "DDBFS_CACHE"), 1),
    ("another short name", HELP, CONFIG, PAGE.replace("*-f*", "*-g*"), 1),
    ("another argument", HELP, CONFIG, PAGE.replace("_TIME_", "_SIZE_"), 1),
    ("twice in the page", HELP, CONFIG, PAGE.replace("# FILES", "*-h*, *--help*\n# FILES"), 1),
    ("--print-config disagrees", HELP, dict(CONFIG, cache_ttl="5s"), PAGE, 1),
    ("--print-config has more", HELP, dict(CONFIG, more=1), PAGE, 1),
    ("--help is empty", "Usage:\n", {}, "# OPTIONS\n", 1),
]


def self_test():
    wrong = 0
    for name, help_text, config, page, expected in SAMPLES:
        found = compare(help_text, config, page)
        if len(found) != expected:
            wrong += 1
            print(f"self-test: {name}: expected {expected}, found {found}")
    return wrong


def main():
    if sys.argv[1:] == ["--self-test"]:
        return 1 if self_test() else 0
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    with open(sys.argv[2], encoding="utf-8") as f:
        found = compare(*ask(sys.argv[1]), f.read())
    for line in found:
        print(f"{sys.argv[2]}: {line}")
    return 1 if found else 0


sys.exit(main())
