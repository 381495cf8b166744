#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Counts what `meson test` ran: count.py BUILD SUMMARY appends `passed failed skipped` to SUMMARY; - prints it.

A TAP program counts by its own tests, and once more as failed when it died, leaked or took too long
without a failed test to show for it (meson's junit file leaves such a one out).
"""

import json
import os
import re
import sys

LINE = re.compile(r"^(ok|not ok)\b(.*)$", re.M)


def count(record):
    """(passed, failed, skipped, names of what failed) of one program."""
    lines = LINE.findall(record.get("stdout") or "")
    failed = [rest.strip() for verdict, rest in lines if verdict == "not ok"]
    skipped = sum(1 for verdict, rest in lines if verdict == "ok" and re.search(r"# *skip", rest, re.I))
    passed = len(lines) - len(failed) - skipped
    result = record["result"]
    if result == "SKIP" and not lines:
        if record.get("returncode") == 0 and not re.search(r"^1\.\.0 *#", record.get("stdout") or "", re.M):
            return 0, 1, 0, ["ran no tests"]
        return 0, 0, 1, []
    if result not in ("OK", "SKIP") and not failed:
        failed = ["%s, exit status %s" % (result, record.get("returncode"))]
    elif not lines:
        passed = 1
    return passed, len(failed), skipped, failed


def main(build, summary):
    passed = failed = skipped = 0
    with open(os.path.join(build, "meson-logs", "testlog.json"), encoding="utf-8") as f:
        for line in f:
            record = json.loads(line)
            p, n, s, names = count(record)
            passed, failed, skipped = passed + p, failed + n, skipped + s
            for name in names:
                print("FAIL %s: %s" % (record["name"], name))
    if summary == "-":
        print("%d passed, %d failed%s" % (passed, failed, ", %d skipped" % skipped if skipped else ""))
        return
    with open(summary, "a", encoding="utf-8") as f:
        f.write("%d %d %d\n" % (passed, failed, skipped))


if __name__ == "__main__":
    main(*sys.argv[1:])
