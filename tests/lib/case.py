# SPDX-License-Identifier: Apache-2.0
"""What a case under tests/cases needs: an engine, the proxy before it, tables, mounts, and assertions.

A case file defines functions decorated with @test and ends in run().  Each function gets a fresh Case
(its own engine, proxy and mounts, all below the runner's private folder), which is torn down after it:
unmounted, the daemon's exit status and stderr checked, and the proxy asked whether every signature was
good.  Output is TAP.  See tests/README.md.

run(shared=True): the engine, the proxies and the bucket are the same for all functions, and emptied between them;
starting them takes longer than many a test.
"""

import contextlib
import errno
import os
import re
import shutil
import subprocess
import sys
import time
import traceback

from processes import (KEY_ID, REGION, ROOT, SECRET, Dynalite, Engine, Failure, Mount, Proxy, Skip, boto, build_dir,
                       build_kind, engine_path, free_port, is_mounted, listening, slow_factor, wait_for)
from s3 import S3

__all__ = ["KEY_ID", "REGION", "ROOT", "SECRET", "Case", "Failure", "Skip", "boto", "build_kind", "engine_path",
           "free_port", "is_mounted", "listening", "plain_test", "read", "run", "short", "slow_factor", "test",
           "wait_for", "write"]

# Words in a daemon's log that fail the case, whatever it was about.
SUSPICIOUS = re.compile(
    r"AddressSanitizer|LeakSanitizer|ThreadSanitizer|UndefinedBehavior|runtime error:|lock violation|"
    r"[Aa]ssertion .*failed|\bdbg_assert\b|\bleaked?\b|stack smashing|double free|malloc\(\)|"
    r"Segmentation fault|core dumped|fuse: .*(bad|invalid|wrong) ", re.M)

_tests = []


def test(function):
    _tests.append(function)
    return function


def plain_test(function):
    """A test that a sanitizer would only make longer: it is one of the plain build's."""
    return test(function) if build_kind() == "plain" else function


class Case:
    """The world of one test function."""

    def __init__(self, name, services=None):
        self.name = name
        self.services = services        # a Case whose engine, proxies and bucket are used
        base = os.environ.get("DDBFS_TEST_DIR")
        if not base:
            raise SystemExit("run me with tests/run-cases.py")
        self.dir = os.path.join(base, name)
        shutil.rmtree(self.dir, ignore_errors=True)
        for part in ("logs", "tmp", "home", "state", "cache", "run", "config"):
            os.makedirs(os.path.join(self.dir, part))
        os.chmod(self.path("run"), 0o700)
        self.env = self.environment()
        self.mounts = []
        self.engines = []
        self.proxies = []
        self._boto = {}
        self._s3 = None
        self._proxy = None

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def environment(self):
        """Nothing of the person's: fake keys, private folders, no instance metadata."""
        env = {name: value for name, value in os.environ.items()
               if name in ("PATH", "LD_LIBRARY_PATH", "LD_PRELOAD", "DDBFS_TEST_DIR", "DDBFS_ENGINE", "DDBFS_DYNALITE",
                           "DDBFS_BUILD",
                           "DDBFS_BUILD_KIND")}
        env.update(LANG="C.UTF-8", HOME=self.path("home"), TMPDIR=self.path("tmp"), XDG_STATE_HOME=self.path("state"),
                   XDG_CACHE_HOME=self.path("cache"), XDG_CONFIG_HOME=self.path("config"),
                   XDG_RUNTIME_DIR=self.path("run"), AWS_ACCESS_KEY_ID=KEY_ID, AWS_SECRET_ACCESS_KEY=SECRET,
                   AWS_EC2_METADATA_DISABLED="true")
        # a daemon's stderr is nowhere to be found: reports go to files that close() reads
        report = "log_path=" + self.path("logs", "san")
        if build_kind() == "asan":
            env["ASAN_OPTIONS"] = report + ":detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1"
            env["UBSAN_OPTIONS"] = report + ":print_stacktrace=1"
        elif build_kind() == "tsan":
            env["TSAN_OPTIONS"] = report + ":suppressions=" + os.path.join(ROOT, "tests", "tsan.supp")
        else:
            env["MALLOC_PERTURB_"] = "165"
        return env

    # -- what runs

    @staticmethod
    def binary(name="ddbfs"):
        path = os.path.join(build_dir(), "src", "app", name)
        if not os.access(path, os.X_OK):
            raise Failure("%s is not built" % path)
        return path

    @staticmethod
    def needs_fuse():
        if not os.access("/dev/fuse", os.R_OK | os.W_OK):
            raise Skip("/dev/fuse may not be opened")

    def start_engine(self, file=None, dynalite=False):
        engine = Dynalite(self) if dynalite else Engine(self, file)
        self.engines.append(engine)
        return engine

    def start_proxy(self, engine, port=0):
        proxy = Proxy(self, engine, port)
        self.proxies.append(proxy)
        self._proxy = self._proxy or proxy
        return proxy

    @property
    def engine(self):
        if not self.engines and self.services:
            return self.services.engine
        if not self.engines:
            self.start_engine()
        return self.engines[0]

    @property
    def proxy(self):
        """The one before the engine (the S3 server's is t.s3.proxy)."""
        if not self._proxy:
            self._proxy = self.services.proxy if self.services and not self.engines else self.start_proxy(self.engine)
        return self._proxy

    @property
    def s3(self):
        if not self._s3:
            self._s3 = self.services.s3 if self.services else S3(self)
        return self._s3

    def mount(self, tables=None, options=(), port=None, **more):
        """ddbfs on the proxy (or on port); mount("Music", "cache_ttl=60")."""
        self.needs_fuse()
        self.binary()
        if more.get("endpoint", True) and port is None:
            port = self.proxy.port
        more.setdefault("name", "mnt" if not self.mounts else "mnt%d" % (len(self.mounts) + 1))
        mount = Mount(self, port, tables, options, **more)
        self.mounts.append(mount)
        return mount

    def daemons(self):
        """Processes of this case's environment that run ddbfs."""
        found = []
        mark = ("DDBFS_TEST_DIR=" + os.environ["DDBFS_TEST_DIR"]).encode()
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                if os.path.basename(os.readlink("/proc/%s/exe" % pid)) == "ddbfs":
                    with open("/proc/%s/environ" % pid, "rb") as f:
                        if mark in f.read().split(b"\0"):
                            found.append(int(pid))
            except OSError:
                continue
        return found

    def stacks(self, pid):
        if shutil.which("gdb"):
            with open(self.path("logs", "stacks.txt"), "ab") as out:
                subprocess.run(["gdb", "-p", str(pid), "-batch", "-ex", "thread apply all bt"], stdout=out,
                               stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, timeout=60, check=False)

    # -- tables, straight at the engine

    @property
    def db(self):
        return self.boto(self.engine.port)

    def boto(self, port):
        if self.services and not self.engines:
            return self.services.boto(port)
        if port not in self._boto:
            self._boto[port] = boto(port)
        return self._boto[port]

    def create_table(self, name, hash_key, range_key=None, gsi=(), lsi=(), db=None):
        """Keys as "Artist:S".  gsi/lsi: (name, "hash:S", "range:S" or None[, projection])."""
        db = db or self.db
        types = {}

        def schema(*keys):
            result = []
            for key, kind in zip(keys, ("HASH", "RANGE")):
                if key:
                    attribute, _, attribute_type = key.partition(":")
                    types[attribute] = attribute_type or "S"
                    result.append({"AttributeName": attribute, "KeyType": kind})
            return result

        def index(spec):
            projection = spec[3] if len(spec) > 3 else "ALL"
            if not isinstance(projection, dict):
                projection = {"ProjectionType": projection}
            return {"IndexName": spec[0], "KeySchema": schema(spec[1], spec[2]), "Projection": projection}

        request = {"TableName": name, "KeySchema": schema(hash_key, range_key), "BillingMode": "PAY_PER_REQUEST"}
        if gsi:
            request["GlobalSecondaryIndexes"] = [index(g) for g in gsi]
        if lsi:
            request["LocalSecondaryIndexes"] = [index(i) for i in lsi]
        request["AttributeDefinitions"] = [{"AttributeName": a, "AttributeType": k} for a, k in types.items()]
        db.create_table(**request)
        db.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 0.05, "MaxAttempts": 200})

    def music(self, partitions=2, items=5, size=0, db=None):
        """A Music table: Artist + SongTitle, `partitions` x `items`, padded to about `size` bytes."""
        self.create_table("Music", "Artist:S", "SongTitle:S", db=db)
        found = []
        for a in range(partitions):
            for s in range(items):
                item = {"Artist": {"S": "Artist %02d" % a}, "SongTitle": {"S": "Song %04d" % s},
                        "AlbumTitle": {"S": "Album %d" % (s % 3)}, "Year": {"N": str(1970 + s % 50)}}
                if size:
                    item["Notes"] = {"S": "n" * max(1, size - 60)}
                found.append(item)
        self.put_items("Music", found, db)
        return found

    def put(self, table, item, db=None):
        (db or self.db).put_item(TableName=table, Item=item)

    def put_items(self, table, items, db=None):
        for start in range(0, len(items), 25):
            batch = [{"PutRequest": {"Item": item}} for item in items[start:start + 25]]
            left = (db or self.db).batch_write_item(RequestItems={table: batch})["UnprocessedItems"]
            if left:
                raise Failure("the engine left items unprocessed")

    def get(self, table, key, db=None):
        return (db or self.db).get_item(TableName=table, Key=key, ConsistentRead=True).get("Item")

    def scan(self, table, db=None):
        items, start = [], {}
        while True:
            page = (db or self.db).scan(TableName=table, ConsistentRead=True, **start)
            items += page["Items"]
            if "LastEvaluatedKey" not in page:
                return items
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}

    # -- doing things

    def sh(self, command, cwd=None, timeout=60, check=True, env=None, text=True):
        """A shell command in the first mount."""
        if cwd is None:
            cwd = self.mounts[0].path if self.mounts else self.dir
        done = subprocess.run(["/bin/bash", "-c", command], cwd=cwd, capture_output=True, text=text, check=False,
                              timeout=timeout * slow_factor(), env=dict(self.env, **(env or {})),
                              stdin=subprocess.DEVNULL)
        if check and done.returncode != 0:
            raise Failure("%s: status %d\n%s%s" % (command, done.returncode, done.stdout, done.stderr))
        return done

    # -- asserting

    @staticmethod
    def eq(got, wanted, what=""):
        if got != wanted:
            raise Failure("%sgot    %s\nwanted %s" % (what and what + ": ", short(got), short(wanted)))

    @staticmethod
    def true(value, what):
        if not value:
            raise Failure("not so: " + what)

    @staticmethod
    def at_most(got, limit, what):
        if got > limit:
            raise Failure("%s: %s, at most %s allowed" % (what, got, limit))

    def peak(self, mount=None):
        """KiB of memory that the daemon (the first mount's, unless another is named) has held at most."""
        with open("/proc/%d/status" % (mount or self.mounts[0]).process.pid, encoding="ascii", errors="replace") as f:
            return next(int(line.split()[1]) for line in f if line.startswith("VmHWM:"))

    def peak_at_most(self, mib, what, before=0, mount=None):
        """Its peak, or what it is above `before` KiB.  A sanitizer's build is not judged."""
        got = self.peak(mount) - before
        print("# %s: %d KiB" % (what, got))
        if build_kind() == "plain":
            self.at_most(got, mib * 1024, "KiB of memory, " + what)

    def contains(self, text, part, what=""):
        if part not in text:
            raise Failure("%s%r is not in %s" % (what and what + ": ", part, short(text)))

    def fails(self, number, function, *args, **named):
        """The call raises OSError with this errno (a name such as "ENOENT", or several in a tuple)."""
        numbers = number if isinstance(number, tuple) else (number,)
        try:
            function(*args, **named)
        except OSError as error:
            got = errno.errorcode.get(error.errno, str(error.errno))
            if got not in numbers:
                raise Failure("%s: got %s, wanted %s" % (short(args), got, "/".join(numbers))) from error
            return error
        raise Failure("%s%s succeeded, wanted %s" % (getattr(function, "__name__", ""), short(args), "/".join(numbers)))

    # -- the end

    def close(self, failed):
        problems = []

        def attempt(action):
            try:
                action()
            except Exception as error:  # all of them are told
                problems.append(str(error))

        for mount in reversed(self.mounts):
            attempt(mount.umount)
        for proxy in self.proxies:
            if proxy.alive():
                attempt(lambda p=proxy: self.check_proxy(p))
                attempt(proxy.stop)
        if self.services:
            attempt(self.services.settle)
        for engine in self.engines:
            with contextlib.suppress(OSError):
                engine.go_on()
            attempt(engine.stop)
        if self._s3 and not self.services:
            attempt(self._s3.close)
        for name in sorted(os.listdir(self.path("logs"))):
            if name.startswith(("mnt", "san")):
                attempt(lambda n=name: self.check_log(n))
        if problems:
            raise Failure("at the end: " + "\n".join(problems))
        if not failed and not os.environ.get("DDBFS_KEEP"):
            shutil.rmtree(self.dir, ignore_errors=True)

    def settle(self):
        """Of services that are shared: judged, and emptied."""
        for proxy in self.proxies:
            self.check_proxy(proxy)
            proxy.reset()
            proxy.bad_expected = False
        for db in self._boto.values():
            for name in db.list_tables()["TableNames"]:
                db.delete_table(TableName=name)
        if self._s3:
            self._s3.settle()

    def check_proxy(self, proxy):
        bad = proxy.bad()
        if bad and not proxy.bad_expected:
            raise Failure("%d requests with a bad signature, first: %s" % (len(bad), bad[0]))
        violations = proxy.counters()["violations"]
        if violations:
            raise Failure("requests the service would frown on: %s" % violations)

    def check_log(self, name):
        with open(self.path("logs", name), encoding="utf-8", errors="replace") as f:
            text = f.read()
        found = SUSPICIOUS.search(text)
        if found:
            text = re.sub(r"^Shadow bytes around.*?(?=^==)", "", text, flags=re.S | re.M)      # nobody reads those
            raise Failure("%s: %r:\n%s" % (name, found.group(0), text[max(0, found.start() - 200):][:6000]))


def short(value, limit=600):
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= limit else text[:limit] + "... (%d characters)" % len(text)


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def write(path, text):
    """One open, one write, one close: the close's error is raised."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    try:
        os.write(fd, text.encode() if isinstance(text, str) else text)
    except BaseException:
        os.close(fd)
        raise
    os.close(fd)


def run(shared=False):
    """Runs the tests of the calling file: all, or those named on the command line."""
    sys.stdout.reconfigure(encoding="utf-8", errors="replace", line_buffering=True)
    chosen = [f for f in _tests if not sys.argv[1:] or f.__name__ in sys.argv[1:]]
    if not chosen:
        raise SystemExit("no such test")
    print("1..%d" % len(chosen))
    services, failed = None, 0
    for number, function in enumerate(chosen, 1):
        if shared and not services:
            services = Case("services")
        if not run_one(number, function, services):
            failed += 1
            if services:        # who knows what it has left; that it has failed is told
                with contextlib.suppress(Failure):
                    services.close(True)
            services = None
    if services:
        services.close(False)
    sys.exit(1 if failed else 0)


def run_one(number, function, services):
    name = function.__name__
    started = time.monotonic()
    problem, skipped = None, None
    case = None
    try:
        case = Case(name, services)
        function(case)
    except Skip as reason:
        skipped = str(reason)
    except Failure as failure:
        problem = "%s\n%s" % (failure, where(failure))
    except BaseException:
        problem = traceback.format_exc()
    try:
        if case:
            case.close(problem is not None)
    except Failure as failure:
        problem = (problem + "\n" if problem else "") + str(failure)
    if problem:
        for line in problem.rstrip().split("\n"):
            print("# " + line)
        for mount in case.mounts if case else []:
            for line in mount.text()[-3000:].rstrip().split("\n"):
                print("#   ddbfs: " + line)
    print("%sok %d - %s%s # %.1f s" % ("not " if problem else "", number, name,
                                      " # SKIP " + skipped if skipped and not problem else "",
                                      time.monotonic() - started))
    return not problem


def where(error):
    """The line of the case file that failed."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if os.sep + "cases" + os.sep in f.filename]
    if not frames:
        return ""
    return "at %s:%d: %s" % (os.path.relpath(frames[-1].filename, ROOT), frames[-1].lineno, frames[-1].line)
