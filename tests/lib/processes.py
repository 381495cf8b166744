# SPDX-License-Identifier: Apache-2.0
"""The processes of a case: the engine, the proxy before it, and mounts."""

import contextlib
import functools
import gc
import importlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import traceback
import urllib.error
import urllib.request

KEY_ID = "AKIDTEST"
SECRET = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY"
REGION = "us-east-1"

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ROOT = os.path.dirname(TESTS)
sys.path.append(os.path.join(TESTS, "proxy"))


class Skip(Exception):
    """Raised to skip: the reason is its text."""


class Failure(AssertionError):
    pass


def build_dir():
    return os.environ.get("DDBFS_BUILD") or os.path.join(ROOT, "build")


def build_kind():
    """plain, asan or tsan."""
    return os.environ.get("DDBFS_BUILD_KIND", "plain")


def slow_factor():
    return {"asan": 3, "tsan": 6}.get(build_kind(), 1)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(condition, seconds=10, what="condition"):
    end = time.monotonic() + seconds * slow_factor()
    pause = 0.002
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failure("waited %g s in vain: %s" % (seconds * slow_factor(), what))
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)


def listening(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


def is_mounted(path):
    """Without asking the file system itself, which may hang."""
    escaped = os.path.realpath(os.path.dirname(path)) + "/" + os.path.basename(path)
    escaped = escaped.replace("\\", "\\134").replace(" ", "\\040")
    with open("/proc/self/mounts", encoding="utf-8", errors="surrogateescape") as mounts:
        return any(line.split(" ")[1] == escaped for line in mounts)


def engine_path():
    found = os.environ.get("DDBFS_ENGINE") or shutil.which("dynoxide")
    if not found or not os.access(found, os.X_OK):
        raise Skip("no local engine: set DDBFS_ENGINE, or use tests/run")
    return found


@functools.lru_cache
def boto_session(key_id, secret, token):
    """One for all clients of these keys: it reads its model of the service but once."""
    import boto3
    return boto3.session.Session(key_id, secret, token, REGION)


def boto(port, key_id=KEY_ID, secret=SECRET, token=None, service="dynamodb", **options):
    """A boto3 client that asks once and says what happened."""
    from botocore.config import Config
    return boto_session(key_id, secret, token).client(
        service, endpoint_url="http://127.0.0.1:%d" % port,
        config=Config(retries={"max_attempts": 0}, connect_timeout=5, read_timeout=60, parameter_validation=False,
                      **options))


class Forked:
    """Our own interpreter goes on in a child, as far as a Popen tells of one.  A new interpreter that imports
    botocore takes longer than most tests."""

    def __init__(self, function, stdout, stderr):
        self.returncode = None
        sys.stdout.flush()
        self.pid = os.fork()
        if self.pid == 0:
            status = 1
            try:
                self.become(stdout, stderr)
                function()
                status = 0
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                os._exit(status)

    @staticmethod
    def become(stdout, stderr):
        """Nothing of the parent's stays open, such as a file of a mount; none of its objects is ever collected."""
        gc.freeze()
        null = os.open(os.devnull, os.O_RDONLY)
        for number, source in enumerate((null, stdout, stderr)):
            os.dup2(source, number)
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))

    def poll(self):
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout=60):
        end = time.monotonic() + timeout
        while self.poll() is None:
            if time.monotonic() > end:
                raise subprocess.TimeoutExpired("fork", timeout)
            time.sleep(0.002)
        return self.returncode

    def send_signal(self, number):
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self):
        self.send_signal(signal.SIGKILL)


class Process:
    """A child of ours, with its output in files."""

    def __init__(self, argv, log, env, first_line=False):
        self.log = log
        with open(log, "ab") as out:
            self.popen = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE if first_line else out,
                                          stderr=out, env=env)
        self.first_line = self.popen.stdout.readline().decode() if first_line else None

    @property
    def pid(self):
        return self.popen.pid

    def alive(self):
        return self.popen.poll() is None

    def stop(self, number=signal.SIGTERM, seconds=10):
        if self.alive():
            self.popen.send_signal(number)
            try:
                self.popen.wait(seconds)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()
        return self.popen.returncode

    def text(self):
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return f.read()


class Engine(Process):
    def __init__(self, case, file=None):
        self.file = file
        self.case = case
        for attempt in range(5):
            self.port = free_port()
            argv = self.command(file)
            super().__init__(argv, case.path("logs", "engine.log"), case.env)
            wait_for(lambda: listening(self.port) or not self.alive(), 10, "the engine to start")
            if self.alive():
                return
        raise Failure("the engine does not start: " + self.text())

    def command(self, file):
        argv = [engine_path(), "serve", "--host", "127.0.0.1", "--port", str(self.port)]
        return argv + (["--db-path", file] if file else [])

    def pause(self):
        self.popen.send_signal(signal.SIGSTOP)

    def go_on(self):
        self.popen.send_signal(signal.SIGCONT)


class Dynalite(Engine):
    """Another engine, in memory: its Scan goes by hash, and it knows which segment a start key lies in."""

    def command(self, file):
        program = os.environ.get("DDBFS_DYNALITE")
        if not program or not shutil.which("node"):
            raise Skip("no dynalite: set DDBFS_DYNALITE to its cli.js, or use tests/run")
        return ["node", program, "--host", "127.0.0.1", "--port", str(self.port), "--createTableMs", "0",
                "--deleteTableMs", "0", "--updateTableMs", "0"]


class Proxy(Process):
    """tests/proxy/proxy.py, by its control commands: proxy.counters(), proxy.fault(action=...)."""

    def __init__(self, case, engine, port=0, program="proxy", name="", key="%s:%s" % (KEY_ID, SECRET)):
        main = importlib.import_module(program).main
        self.log = case.path("logs", name + "proxy.log")
        argv = ["--engine", str(engine.port), "--port", str(port), "--key", key,
                "--log", case.path("logs", name + "requests.jsonl")]
        out, told = os.pipe()
        with open(self.log, "ab") as err, open(out, "rb") as answer:
            self.popen = Forked(lambda: main(argv), told, err.fileno())
            os.close(told)
            first_line = answer.readline().decode().strip()
        if not first_line:
            raise Failure("the proxy does not start: " + self.text())
        self.port = int(first_line.rpartition(":")[2])
        self.bad_expected = False

    def command(self, cmd, **arguments):
        body = json.dumps(dict(arguments, cmd=cmd)).encode()
        request = urllib.request.Request("http://127.0.0.1:%d/_control" % self.port, body)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise Failure("proxy: %s" % error.read().decode()) from error

    def __getattr__(self, name):
        return lambda **arguments: self.command(name, **arguments)

    def requests_of(self, *ops):
        """How many requests of these operations (all: none named) since the last reset."""
        counted = self.counters()["ops"]
        return sum(entry["requests"] for op, entry in counted.items() if not ops or op in ops)

    def writes(self):
        return self.requests_of("PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems",
                                "ExecuteStatement", "BatchExecuteStatement", "ExecuteTransaction")

    @contextlib.contextmanager
    def counting(self):
        """Resets the counters; the dictionary given is filled with them at the end of the block."""
        self.reset_counters()
        result = {}
        yield result
        result.update(self.counters())


class Mount:
    """A running ddbfs.  Paths below it: mount / "Music" / "x.json" gives a string."""

    def __init__(self, case, endpoint_port, tables=None, options=(), args=(), daemon=False, env=None, name="mnt",
                 endpoint=True, wait=True):
        self.case = case
        self.path = case.path(name)
        os.makedirs(self.path, exist_ok=True)
        self.log = case.path("logs", name + ".log")
        self.killed = False
        self.process = None
        self.exit_expected = 0
        self.env = dict(case.env, **(env or {}))
        argv = [case.binary()]
        if not daemon:
            argv.append("-f")
        if endpoint:
            argv += ["--endpoint_url=http://127.0.0.1:%d" % endpoint_port, "--region=" + REGION]
        for option in ([options] if isinstance(options, str) else options):
            argv += ["-o", option]
        argv += list(args)
        if tables:
            argv.append(tables)
        argv.append(self.path)
        self.argv = argv
        if daemon:
            with open(self.log, "ab") as err:
                done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=err, stderr=err, env=self.env,
                                      timeout=60 * slow_factor(), check=False)
            if done.returncode != 0 or not is_mounted(self.path):
                raise Failure("%s: exit status %d, mounted: %s\n%s" % (
                    " ".join(argv), done.returncode, is_mounted(self.path), self.text()))
            return
        self.process = Process(argv, self.log, self.env)
        if wait:
            wait_for(lambda: is_mounted(self.path) or not self.process.alive(), 20, "the mount to appear")
            if not self.process.alive():
                raise Failure("%s: exit status %s\n%s" % (" ".join(argv), self.process.popen.returncode, self.text()))

    def __truediv__(self, name):
        return os.path.join(self.path, name)

    def __str__(self):
        return self.path

    def __fspath__(self):
        return self.path

    def text(self):
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return f.read()

    def errors(self):
        """The lines of .ddbfs/errors.jsonl, parsed."""
        with open(self / ".ddbfs/errors.jsonl", encoding="utf-8") as f:
            return [json.loads(line) for line in f if line.strip()]

    def flush(self):
        """Drops every cache."""
        with open(self / ".ddbfs/flush", "w", encoding="utf-8") as f:
            f.write("1\n")

    def kill(self, number=signal.SIGKILL):
        """Ends the daemon hard; the mount that is left is taken away."""
        self.killed = True
        self.process.stop(number)
        subprocess.run(["fusermount3", "-u", "-z", self.path], stderr=subprocess.DEVNULL, check=False)

    def umount(self):
        """Unmounts and checks that the daemon ended well."""
        if self.killed:
            return
        self.killed = True
        if is_mounted(self.path):
            for _ in range(50):     # busy for a moment after a child's exit
                done = subprocess.run(["fusermount3", "-u", self.path], capture_output=True, text=True, check=False)
                if done.returncode == 0 or "busy" not in done.stderr:
                    break
                time.sleep(0.1)
            if done.returncode != 0:
                raise Failure("fusermount3 -u: " + done.stderr.strip())
        wait_for(lambda: not is_mounted(self.path), 10, "the mount to vanish")
        if self.process:
            try:
                self.process.popen.wait(20 * slow_factor())
            except subprocess.TimeoutExpired as error:
                self.case.stacks(self.process.pid)
                self.process.popen.kill()
                raise Failure("ddbfs did not end after the unmount") from error
            status = self.process.popen.returncode
            if status != self.exit_expected:
                raise Failure("ddbfs ended with status %d:\n%s" % (status, self.text()[-4000:]))
        else:
            wait_for(lambda: not self.case.daemons(), 20, "the daemon to end")
