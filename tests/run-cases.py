#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the cases under tests/cases: dropping a file there is registering it.

Each case runs in its own session with a private folder outside the checkout, has a time limit, and
leaves nothing behind: what it mounted is unmounted and what it started is ended.  Exit status 77 means
skipped.  See tests/README.md.
"""

import argparse
import concurrent.futures
import ctypes
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

TESTS = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(TESTS)
CASES = os.path.join(TESTS, "cases")
SLOWER = {"plain": 1, "asan": 3, "tsan": 6}
SKIPPED = 77
PR_SET_CHILD_SUBREAPER = 36


class CaseFile:
    def __init__(self, path):
        self.path = path
        self.name = os.path.splitext(os.path.relpath(path, CASES))[0]
        if path.startswith(os.path.join(TESTS, "proxy")):
            self.name = "proxy/" + os.path.basename(path).partition(".")[0]
        headers = {}
        with open(path, encoding="utf-8") as f:
            for line in f.read(4096).split("\n")[:20]:
                match = re.match(r"#\s*(BUILDS|TIMEOUT|SECONDS|GROUP|PENDING|NEEDS):\s*(.+?)\s*$", line)
                if match:
                    headers[match.group(1)] = match.group(2)
        self.builds = headers.get("BUILDS", "plain").split()
        self.timeout = float(headers.get("TIMEOUT", "60"))
        self.seconds = float(headers.get("SECONDS", "10"))
        self.pending = headers.get("PENDING")
        self.needs = headers.get("NEEDS", "").split()
        self.groups = [os.path.dirname(self.name)] + headers.get("GROUP", "").split()

    def chosen(self, patterns):
        return not patterns or any(p in self.groups or p in self.name for p in patterns)


class Result:
    def __init__(self, case):
        self.case = case
        self.passed = self.failed = self.skipped = 0
        self.problem = ""
        self.output = ""
        self.seconds = 0.0


def all_cases():
    found = [os.path.join(TESTS, "proxy", "selftest.py")]
    for folder, folders, files in os.walk(CASES):
        folders[:] = sorted(f for f in folders if not f.startswith(("_", ".")))
        found += [os.path.join(folder, f) for f in sorted(files) if f.endswith((".py", ".sh"))]
    return [CaseFile(path) for path in found]


def kind_of(build):
    """plain, asan or tsan, from what meson wrote down."""
    try:
        with open(os.path.join(build, "meson-info", "intro-buildoptions.json"), encoding="utf-8") as f:
            sanitize = next(o["value"] for o in json.load(f) if o["name"] == "b_sanitize")
    except (OSError, StopIteration):
        return "plain"
    sanitize = sanitize if isinstance(sanitize, str) else ",".join(sanitize)
    return "asan" if "address" in sanitize else "tsan" if "thread" in sanitize else "plain"


def find_engine():
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    for path in (os.environ.get("DDBFS_ENGINE"), os.path.join(cache, "ddbfs", "dynoxide-1.2.1", "dynoxide"),
                 shutil.which("dynoxide")):
        if path and os.access(path, os.X_OK):
            return path
    return None


def processes_of(mark):
    """Processes that carry this case's folder in their environment: however far they have strayed."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/environ" % pid, "rb") as f:
                if mark in f.read().split(b"\0"):
                    found.append(int(pid))
        except OSError:
            continue
    return found


def mounts_below(folder):
    with open("/proc/self/mounts", encoding="utf-8", errors="surrogateescape") as f:
        points = [line.split(" ")[1].replace("\\040", " ") for line in f]
    return [p for p in points if p.startswith(folder + "/")]


def clean_up(folder, mark):
    """Returns what was left behind."""
    left = []
    for point in mounts_below(folder):
        left.append("mount " + point)
        for command in (["fusermount3", "-u", "-z", point], ["umount", "-l", point]):
            if subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode == 0:
                break
    for number in (signal.SIGTERM, signal.SIGKILL):
        pids = processes_of(mark)
        for pid in pids:
            try:
                os.kill(pid, signal.SIGCONT)
                os.kill(pid, number)
            except OSError:
                continue
            if number == signal.SIGTERM:
                left.append("process %d" % pid)
        end = time.monotonic() + 5
        while pids and time.monotonic() < end:
            pids = processes_of(mark)
            for pid in pids:
                reap(pid)
            time.sleep(0.02)
        if not pids:
            break
    return left


def reap(pid):
    try:
        os.waitpid(pid, os.WNOHANG)
    except OSError:
        pass


def dump_stacks(mark, folder):
    """Where everything stood when the time was up."""
    text = ""
    for pid in processes_of(mark):
        try:
            name = os.path.basename(os.readlink("/proc/%d/exe" % pid))
            with open("/proc/%d/wchan" % pid, encoding="utf-8") as f:
                text += "%d %s: %s\n" % (pid, name, f.read())
        except OSError:
            continue
        if name == "ddbfs" and shutil.which("gdb"):
            try:
                text += subprocess.run(["gdb", "-p", str(pid), "-batch", "-ex", "thread apply all bt"],
                                       capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL,
                                       timeout=60, check=False).stdout
            except subprocess.TimeoutExpired:
                text += "gdb hangs\n"
    with open(os.path.join(folder, "stacks.txt"), "w", encoding="utf-8") as f:
        f.write(text)
    return text


class S3Server:
    """The S3 server of the run (lib/s3_server.py): started when the first case needs it, ended with us."""

    def __init__(self, work):
        self.folder = os.path.join(work, "s3-server")
        self.lock = threading.Lock()
        self.child = None
        self.answer = None

    def environment(self):
        """For the cases: where it is, or why it is not there."""
        with self.lock:
            if not self.answer:
                self.answer = self.start()
        return self.answer

    def start(self):
        if os.environ.get("DDBFS_S3"):          # somebody else's, such as `tests/dev s3`
            return {"DDBFS_S3": os.environ["DDBFS_S3"]}
        if not shutil.which("radosgw"):
            return {"DDBFS_S3_MISSING": "no S3 server: radosgw is not installed"}
        self.child = subprocess.Popen([os.path.join(TESTS, "lib", "s3_server.py"), self.folder, "--until-eof"],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
        where = self.child.stdout.readline().decode().strip()
        return {"DDBFS_S3": where} if where else {}

    def stop(self):
        if self.child:
            self.child.stdin.close()
            self.child.wait()


class Runner:
    def __init__(self, options):
        self.options = options
        self.build = os.path.abspath(options.build)
        self.kind = kind_of(self.build)
        self.work = os.path.realpath(options.work or tempfile.mkdtemp(prefix="ddbfs-tests-"))
        self.print_lock = threading.Lock()
        os.makedirs(self.work, exist_ok=True)
        self.s3 = S3Server(self.work)

    def environment(self, folder, needs):
        env = dict(os.environ, DDBFS_TEST_DIR=folder, DDBFS_BUILD=self.build, DDBFS_BUILD_KIND=self.kind,
                   PYTHONPATH=os.path.join(TESTS, "lib"), PYTHONDONTWRITEBYTECODE="1")
        engine = find_engine()
        if engine:
            env["DDBFS_ENGINE"] = engine
        if self.options.keep:
            env["DDBFS_KEEP"] = "1"
        env.pop("DDBFS_S3", None)
        if "s3" in needs:
            env.update(self.s3.environment())
        return env

    def command(self, case):
        command = ["/usr/bin/python3" if case.path.endswith(".py") else "/bin/bash", case.path]
        return command + self.options.test

    def run(self, case):
        if case.pending and not self.options.pending:
            result = Result(case)
            result.skipped = 1
            result.output = "ok 1 - all # SKIP waits for " + case.pending
            self.tell(result)
            return result
        folder = os.path.join(self.work, case.name.replace("/", "-"))
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        mark = ("DDBFS_TEST_DIR=" + folder).encode()
        result = Result(case)
        environment = self.environment(folder, case.needs)
        started = time.monotonic()
        log = os.path.join(folder, "output.txt")
        with open(log, "wb") as out:
            child = subprocess.Popen(self.command(case), stdout=out, stderr=subprocess.STDOUT, cwd=folder,
                                     stdin=subprocess.DEVNULL, env=environment, start_new_session=True)
            try:
                status = child.wait(case.timeout * SLOWER[self.kind])
            except subprocess.TimeoutExpired:
                status = None
                stacks = dump_stacks(mark, folder)
        if status is None:
            clean_up(folder, mark)
            child.kill()
        child.wait()
        left = clean_up(folder, mark)
        result.seconds = time.monotonic() - started
        with open(log, encoding="utf-8", errors="replace") as f:
            result.output = f.read()
        self.judge(result, status, left)
        if status is None:
            result.output += "\n" + stacks
        if not result.failed and not self.options.keep:
            shutil.rmtree(folder, ignore_errors=True)
        with self.print_lock:
            self.tell(result)
        return result

    def judge(self, result, status, left):
        lines = re.findall(r"^(ok|not ok) \d+ - (.*)$", result.output, re.M)
        for verdict, rest in lines:
            if " # SKIP" in rest:
                result.skipped += 1
            elif verdict == "ok":
                result.passed += 1
            else:
                result.failed += 1
        plan = re.search(r"^1\.\.(\d+)$", result.output, re.M)
        if status is None:
            result.problem = "no end after %g s" % (result.case.timeout * SLOWER[self.kind])
        elif status == SKIPPED and not lines:
            result.skipped += 1
        elif plan and int(plan.group(1)) != len(lines):
            result.problem = "%s tests planned, %d ran" % (plan.group(1), len(lines))
        elif status != 0 and not result.failed:
            result.problem = "exit status %d" % status
        elif left and not result.failed:
            result.problem = "left behind: " + ", ".join(left)
        elif not lines:
            result.passed += 1
        if result.problem:
            result.failed += 1

    def tell(self, result):
        word = "FAIL" if result.failed else "skip" if result.skipped and not result.passed else "ok"
        print("%-4s %-40s %3d passed%s%s  %.1f s" % (
            word, "%s [%s]" % (result.case.name, self.kind), result.passed,
            ", %d failed" % result.failed if result.failed else "",
            ", %d skipped" % result.skipped if result.skipped else "", result.seconds))
        if result.failed or self.options.verbose:
            if result.problem:
                print("     " + result.problem)
            for line in result.output.rstrip().split("\n")[-200:]:
                print("     " + line)
        if result.failed:
            print("     again: tests/run-cases.py --build %s -k %s" % (os.path.relpath(self.build), result.case.name))
        elif result.skipped:
            for reason in sorted(set(re.findall(r"# SKIP (.*?)(?: # [\d.]+ s)?$", result.output, re.M))):
                print("     " + reason)
        sys.stdout.flush()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("patterns", nargs="*", help="group, or part of group/name; default: every case")
    parser.add_argument("-b", "--build", default=os.path.join(ROOT, "build"), help="meson build folder")
    parser.add_argument("-t", "--test", action="append", default=[], help="only this test of the files")
    parser.add_argument("-j", "--jobs", type=int, default=1, help="case files at once")
    parser.add_argument("-k", "--keep", action="store_true", help="keep the working folder")
    parser.add_argument("-v", "--verbose", action="store_true", help="show the output of cases that pass, too")
    parser.add_argument("--pending", action="store_true", help="run cases whose PENDING header waits for a feature")
    parser.add_argument("--any-build", action="store_true", help="heed no BUILDS header")
    parser.add_argument("--work", help="working folder (default: a new one in TMPDIR)")
    parser.add_argument("--list", action="store_true", help="list the cases and end")
    parser.add_argument("--summary", help="append `passed failed skipped` to this file")
    options = parser.parse_args()

    kind = kind_of(options.build)
    cases = [c for c in all_cases()
             if c.chosen(options.patterns) and (options.any_build or kind in c.builds)]
    if options.list:
        for case in cases:
            print("%-40s %s" % (case.name, " ".join(case.builds)))
        return 0
    if not cases:
        print("no case fits %s" % (" ".join(options.patterns) or "this build"))
        return 1

    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    runner = Runner(options)
    try:
        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            # the longest first, so that none of them is left to run alone at the end
            results = list(pool.map(runner.run, sorted(cases, key=lambda case: -case.seconds)))
    finally:
        runner.s3.stop()
    passed, failed, skipped = (sum(getattr(r, n) for r in results) for n in ("passed", "failed", "skipped"))
    if options.summary:
        with open(options.summary, "a", encoding="utf-8") as f:
            f.write("%d %d %d\n" % (passed, failed, skipped))
    if failed or options.keep:
        print("working folder: " + runner.work)
    else:
        shutil.rmtree(runner.work, ignore_errors=True)
    print("%d passed, %d failed%s" % (passed, failed, ", %d skipped" % skipped if skipped else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
