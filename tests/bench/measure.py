# SPDX-License-Identifier: Apache-2.0
"""One run of one contender: what it took in time, CPU, memory, requests and capacity."""

import contextlib
import json
import os
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Optional

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "tests", "lib"))

from processes import (KEY_ID, REGION, SECRET, Dynalite, Engine, Failure, Mount, Process, Skip, boto,  # noqa: E402
                       is_mounted, wait_for)

WARNINGS = "-Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Wstrict-prototypes -Wformat=2".split()
TOOLS = {"floor": ["libcurl", "libcrypto"], "floor_s3": ["libcurl", "libcrypto"], "delay": [], "static_fs": ["fuse3"]}


@dataclass
class Result:
    wall: float
    cpu: float                      # client and daemon
    engine: float                   # CPU of the engine, and of the S3 server
    requests: Optional[int] = None
    rcu: Optional[float] = None
    wcu: Optional[float] = None
    rss: Optional[float] = None     # MiB, the daemon's peak
    wakeups: Optional[int] = None
    seen: Optional[int] = None      # requests the delaying proxy saw


def cpu_of(pid):
    """Seconds, of all threads that a process has and has had."""
    return time.clock_gettime(~pid << 3 | 2)        # as clock_getcpuclockid(3)


def status_of(pid, name):
    with open("/proc/%d/status" % pid, encoding="ascii", errors="replace") as f:
        for line in f:
            if line.startswith(name + ":"):
                return int(line.split()[1])
    return 0


def wakeups_of(pid):
    found = 0
    for task in os.listdir("/proc/%d/task" % pid):
        with contextlib.suppress(OSError), open("/proc/%d/task/%s/status" % (pid, task), encoding="ascii") as f:
            found += sum(int(line.split()[1]) for line in f if line.startswith("voluntary_ctxt"))
    return found


class World:
    """The engine, the proxies before it and a private folder; close() ends them all."""

    def __init__(self, folder, ddbfs, dynalite=False):
        self.dir = folder
        self.ddbfs = ddbfs
        self.processes = []
        self.delays = {}
        self.number = 0
        for part in ("logs", "home", "state", "run", "requests", "files", "tools"):
            os.makedirs(self.path(part), exist_ok=True)
        os.chmod(self.path("run"), 0o700)
        kept = ("PATH", "LD_LIBRARY_PATH", "DDBFS_ENGINE")
        self.env = {name: value for name, value in os.environ.items() if name in kept}
        self.env.update(LANG="C.UTF-8", HOME=self.path("home"), XDG_STATE_HOME=self.path("state"),
                        XDG_RUNTIME_DIR=self.path("run"), AWS_ACCESS_KEY_ID=KEY_ID, AWS_SECRET_ACCESS_KEY=SECRET,
                        AWS_DEFAULT_REGION=REGION, AWS_REGION=REGION, AWS_EC2_METADATA_DISABLED="true", AWS_PAGER="")
        self.build_tools()
        self.engine = Dynalite(self) if dynalite else Engine(self)
        self.processes.append(self.engine)
        self.s3 = None                  # the S3 server, once a job wants it (objects.py)
        self.db = boto(self.engine.port)

    def servers_cpu(self):
        return cpu_of(self.engine.pid) + (self.s3.cpu() if self.s3 else 0)

    # -- what Engine and Mount of tests/lib/processes.py ask of their case

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def binary(self):
        return self.ddbfs

    def stacks(self, _pid):
        pass

    # -- processes

    def build_tools(self):
        for name, libraries in TOOLS.items():
            flags = []
            if libraries:
                flags = self.must(["pkg-config", "--cflags", "--libs"] + libraries).split()
            self.must([os.environ.get("CC", "cc"), "-O2", "-std=gnu11", "-D_GNU_SOURCE"] + WARNINGS +
                      [os.path.join(HERE, name + ".c"), "-o", self.tool(name)] + flags + ["-lpthread"])

    def tool(self, name):
        return self.path("tools", name)

    def must(self, argv, timeout=120):
        done = subprocess.run(argv, env=self.env, capture_output=True, text=True, timeout=timeout, check=False,
                              stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            raise Failure("%s: status %d\n%s" % (shlex.join(argv), done.returncode, done.stderr[-2000:]))
        return done.stdout

    def port(self, rtt):
        if not rtt:
            return self.engine.port
        if rtt not in self.delays:
            argv = [self.tool("delay"), str(self.engine.port), str(rtt), self.path("counter-%s" % rtt)]
            process = Process(argv, self.path("logs", "delay.log"), self.env, first_line=True)
            self.processes.append(process)
            self.delays[rtt] = int(process.first_line.split()[1])
        return self.delays[rtt]

    def url(self, rtt=0):
        return "http://127.0.0.1:%d" % self.port(rtt)

    def counter(self, rtt):
        if not rtt:
            return None
        with open(self.path("counter-%s" % rtt), "rb") as f:
            return int.from_bytes(f.read(8), "little")

    def close(self):
        for process in reversed(self.processes):
            process.stop()

    # -- mounts

    def new_mountpoint(self):
        self.number += 1
        return "mnt%d" % self.number

    @contextlib.contextmanager
    def mounted(self, table, options, rtt):
        name = self.new_mountpoint()
        mount = Mount(self, self.port(rtt), table, [options] if options else [], name=name)
        try:
            yield mount
        finally:
            if mount.process.alive():
                mount.umount()
            elif is_mounted(mount.path):
                subprocess.run(["fusermount3", "-u", "-z", mount.path], check=False)
            os.rmdir(mount.path)

    @contextlib.contextmanager
    def other_mount(self, argv):
        """A file system program that stays in the foreground and takes the mount point last."""
        path = self.path(self.new_mountpoint())
        os.makedirs(path)
        process = Process(argv + [path], self.path("logs", "other.log"), self.env)
        self.processes.append(process)
        try:
            wait_for(lambda: is_mounted(path) or not process.alive(), 20, "the mount of " + argv[0])
            if not process.alive():
                raise Failure(process.text())
            yield process, path
        finally:
            subprocess.run(["fusermount3", "-u", path], check=False)
            process.stop()
            self.processes.remove(process)
            os.rmdir(path)


def children_cpu():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def run_command(world, command, timeout, pid=None, rtt=0):
    """Runs a shell command to its end.  Gives (Result, stdout, stderr); CPU includes the daemon `pid`."""
    seen = world.counter(rtt)
    daemon, engine, children = pid and cpu_of(pid), world.servers_cpu(), children_cpu()
    started = time.perf_counter()
    popen = subprocess.Popen(["/bin/sh", "-c", command], env=world.env, stdin=subprocess.DEVNULL, text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
    try:
        out, err = popen.communicate(timeout=timeout)
    except BaseException as error:
        os.killpg(popen.pid, signal.SIGKILL)
        popen.wait()
        if isinstance(error, subprocess.TimeoutExpired):
            raise Failure("more than %d s: %s" % (timeout, command)) from error
        raise
    wall = time.perf_counter() - started
    cpu = children_cpu() - children + (cpu_of(pid) - daemon if pid else 0)
    if popen.returncode != 0:
        raise Failure("%s: status %d\n%s" % (command, popen.returncode, err[-2000:]))
    result = Result(wall, cpu, world.servers_cpu() - engine)
    if seen is not None:
        result.seen = world.counter(rtt) - seen
    return result, out, err


def expected(job, out):
    if job.expect is not None and out.strip() != job.expect:
        raise Failure("%s printed %r, not %r" % (job.name, out.strip()[:200], job.expect))


def places(world, folder, rtt):
    return {"t": folder, "files": world.path("files"), "url": world.url(rtt), "s3": world.s3 and world.s3.url}


def in_folder(world, job, folder, pid, rtt):
    names = places(world, folder, rtt)
    if job.warm:
        run_command(world, job.warm % names, job.timeout, rtt=rtt)
    result, out, _ = run_command(world, job.ours % names, job.timeout, pid, rtt)
    expected(job, out)
    return result


def stats(mount):
    with open(mount / ".ddbfs/stats.json", encoding="utf-8") as f:
        return json.load(f)


def run_ours(world, job, rtt):
    with world.mounted(job.table, job.options % places(world, "", rtt), rtt) as mount:
        pid, names = mount.process.pid, places(world, mount / job.table, rtt)
        if job.warm:
            run_command(world, job.warm % names, job.timeout, rtt=rtt)
        before, slept = stats(mount), wakeups_of(pid)
        result, out, _ = run_command(world, job.ours % names, job.timeout, pid, rtt)
        result.wakeups = wakeups_of(pid) - slept
        after = stats(mount)
        result.rss = status_of(pid, "VmHWM") / 1024
        result.requests = after["requests"] - before["requests"]
        result.rcu = after["consumed_read_units"] - before["consumed_read_units"]
        result.wcu = after["consumed_write_units"] - before["consumed_write_units"]
        if after["lock_violations"]:
            raise Failure("lock violations: %d" % after["lock_violations"])
    expected(job, out)
    return result


def run_floor(world, job, rtt):
    connections, requests = job.floor
    command = "exec %s -c %d %s %s" % (world.tool("floor"), connections, world.url(rtt),
                                       world.path("requests", requests))
    return counted(world, command, job, rtt)


def run_boto3(world, job, rtt):
    command = "exec /usr/bin/python3 %s %s %s %s" % (os.path.join(HERE, "scripts.py"), world.url(rtt),
                                                     world.path("files"), job.boto3)
    return counted(world, command, job, rtt)


def counted(world, command, job, rtt):
    result, _, err = run_command(world, command, job.timeout, rtt=rtt)
    for name, value in json.loads(err.strip().split("\n")[-1]).items():
        setattr(result, name, value)
    return result


def run_cli(world, job, rtt):
    result, _, _ = run_command(world, "exec %s --endpoint-url %s dynamodb %s" % (aws(), world.url(rtt), job.cli),
                               job.timeout, rtt=rtt)
    result.requests = result.seen
    return result


def run_kernel(world, job, rtt):
    kind, folder = job.kernel.split()
    folder = world.path("files", folder)
    if kind == "local":
        return in_folder(world, job, folder, None, 0)
    with world.other_mount([world.tool("static_fs"), "-x", folder]) as (process, path):
        return in_folder(world, job, path, process.pid, 0)


def run_bindfs(world, job, rtt):
    with world.other_mount(["bindfs", "-f", world.path("files", job.bindfs)]) as (process, path):
        return in_folder(world, job, path, process.pid, 0)


def aws():
    return "/usr/bin/aws" if os.access("/usr/bin/aws", os.X_OK) else shutil.which("aws")


CONTENDERS = {"floor": run_floor, "kernel": run_kernel, "ours": run_ours, "boto3": run_boto3, "cli": run_cli,
              "bindfs": run_bindfs}


def missing():
    """Contenders this machine lacks."""
    return {name for name, there in (("cli", aws()), ("bindfs", shutil.which("bindfs"))) if not there}
