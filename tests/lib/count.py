#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Counts what `meson test` ran: count.py BUILD SUMMARY appends `passed failed skipped` to SUMMARY.

A TAP program counts by its own tests.  What failed is told on stdout.
"""

import os
import sys
import xml.etree.ElementTree as ElementTree


def main(build, summary):
    passed = failed = skipped = 0
    log = os.path.join(build, "meson-logs", "testlog.junit.xml")
    for suite in ElementTree.parse(log).getroot().iter("testsuite"):
        bad = 0
        cases = list(suite.iter("testcase"))
        for case in cases:
            if case.find("failure") is not None or case.find("error") is not None:
                bad += 1
                failed += 1
                print("FAIL %s: %s" % (suite.get("name"), case.get("name")))
            elif case.find("skipped") is not None:
                skipped += 1
            else:
                passed += 1
        # a program that dies between its tests, or leaks after them, has no failed test to show
        told = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        if told > bad:
            failed += told - bad
            print("FAIL %s: the program itself" % suite.get("name"))
        if not cases:
            failed += 1
            print("FAIL %s: ran no tests" % suite.get("name"))
    with open(summary, "a", encoding="utf-8") as f:
        f.write("%d %d %d\n" % (passed, failed, skipped))


if __name__ == "__main__":
    main(*sys.argv[1:])
