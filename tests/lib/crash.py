# SPDX-License-Identifier: Apache-2.0
"""What the cases about crashes and races share."""

import collections
import ctypes
import errno
import json
import os
import random
import threading
import time

from case import Failure, build_kind, wait_for

LIBC = ctypes.CDLL(None, use_errno=True)
NOREPLACE = 1
EXCHANGE = 2


def renameat2(old, new, flags):
    if LIBC.renameat2(-100, os.fsencode(old), -100, os.fsencode(new), flags) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), old)


def key(artist, song):
    return {"Artist": {"S": artist}, "SongTitle": {"S": song}}


def text_of(year):
    return '{"Year": %d}\n' % year


def together(actions):
    """Runs the actions at the same moment; None or the errno's name of each."""
    gate = threading.Barrier(len(actions))
    results = [None] * len(actions)

    def go(index, action):
        gate.wait()
        try:
            action()
        except OSError as error:
            results[index] = errno.errorcode.get(error.errno, str(error))

    threads = [threading.Thread(target=go, args=pair) for pair in enumerate(actions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


# -- rounds of kill -9

PARTS = ("a", "b", "c")
NAMES = tuple("n%d" % i for i in range(6))
TABLES = ("Music", "Archive")
ANY = object()          # a scratch file somebody was just writing: any content, or none
ONLY_KEY = ""           # the token of an item without attributes


def padding(token):
    return (token + ".") * (1 + 37 * (sum(token.encode()) % 11))


def item_text(token):
    return json.dumps({"Token": token, "Pad": padding(token)}) + "\n"


def token_of(attributes):
    """The token of an item's attributes (plain values); None when they are not whole."""
    token, pad = attributes.get("Token", ONLY_KEY), attributes.get("Pad")
    if token == ONLY_KEY:
        return ONLY_KEY if pad is None else None
    return token if pad == padding(token) else None


def token_of_text(text):
    try:
        return token_of(json.loads(text))
    except ValueError:
        return None


class State:
    """What a worker has been told: items and scratch files by (table, partition, name), and items that were
    renamed to a scratch name and may stay in the table for the grace time."""

    def __init__(self, items=(), scratch=(), away=()):
        self.items, self.scratch, self.away = dict(items), dict(scratch), dict(away)

    def but(self, **changes):
        """A copy with items/scratch/away set; None takes out."""
        new = State(self.items, self.scratch, self.away)
        for kind, values in changes.items():
            target = getattr(new, kind)
            for where, token in values.items():
                if token is None:
                    target.pop(where, None)
                else:
                    target[where] = token
        return new

    def __str__(self):
        return "items %s scratch %s away %s" % (self.items, {k: "?" if v is ANY else v for k, v in
                                                             self.scratch.items()}, self.away)

    def problems(self, table, scratch, visible):
        """How what is there differs from this state: [(kind of damage, text)]."""
        found = []
        for where, token in self.items.items():
            if where not in table:
                found.append(("missing", "%s: %r" % (where, token)))
            elif table[where] != token:
                found.append(("torn" if table[where] is None else "stale", "%s: %r, not %r" %
                              (where, table[where], token)))
            elif where not in visible:
                found.append(("hidden", "%s: %r is in the table, not in the mount" % (where, token)))
        for where, token in table.items():
            if where not in self.items and self.away.get(where, self) != token:
                found.append(("stale", "%s: %r should be gone" % (where, token)))
        for where in visible:
            if where not in self.items:
                found.append(("stale", "%s is still in the mount" % (where,)))
        for where, token in self.scratch.items():
            if token is not ANY and scratch.get(where, self) != token:
                found.append(("missing", "scratch %s: %r, not %r" % (where, scratch.get(where, "nothing"), token)))
        for where in scratch:
            if where not in self.scratch:
                found.append(("stale", "scratch %s should be gone" % (where,)))
        return found


class Worker:
    """A program that works on partitions of its own and notes what it is told."""

    def __init__(self, rounds, number, seed):
        self.rounds = rounds
        self.prefix = "w%d" % number
        self.rng = random.Random(seed)
        self.state = State()
        self.possible = [self.state]
        self.count = 0
        self.doing = None
        self.error = None
        self.mount = None
        self.done = collections.Counter()

    def token(self):
        self.count += 1
        return "%s-%d" % (self.prefix, self.count)

    def path(self, where):
        table, part, name = where
        return os.path.join(self.mount, table, self.prefix + part, name)

    def owns(self, where):
        return where[1].startswith(self.prefix)

    # each step: what may be there when it is interrupted, then what is there when it returned

    def step(self, action, after, *between):
        self.possible = [self.state, after, *between]
        action()
        self.state = after
        self.possible = [after]

    def pick(self, there):
        """An item that is (not) there, in a directory that is."""
        found = sorted(self.state.items) if there else sorted(
            where for where in ((t, p, n) for t in TABLES for p in PARTS for n in NAMES)
            if where not in self.state.items)
        return self.rng.choice(found) if found else None

    def ensure_partition(self, where):
        try:
            os.mkdir(os.path.dirname(self.path(where)))
        except FileExistsError:
            pass

    def save_at(self, where, **more):
        token = self.token()

        def go():
            if self.rng.random() < 0.5 and where in self.state.items:
                with open(self.path(where) + ".json", encoding="utf-8") as f:
                    f.read()
            text = item_text(token).encode()
            fd = os.open(self.path(where) + ".json", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
            try:
                os.write(fd, text[:len(text) // 2])
                os.write(fd, text[len(text) // 2:])
                if self.rng.random() < 0.2:
                    os.fsync(fd)
            finally:
                os.close(fd)

        self.step(go, self.state.but(items={where: token}, away={where: None}, **more))

    def do_save(self):
        where = self.pick(self.rng.random() < 0.6)
        if where:
            self.ensure_partition(where)
            self.save_at(where)

    def write_scratch(self, where, token):
        def go():
            with open(self.path(where), "w", encoding="utf-8") as f:
                f.write(item_text(token))

        self.step(go, self.state.but(scratch={where: token}), self.state.but(scratch={where: ANY}))

    def do_temp_and_rename(self):
        where = self.pick(self.rng.random() < 0.7)
        if not where:
            return
        self.ensure_partition(where)
        temp, token = (where[0], where[1], where[2] + ".tmp"), self.token()
        self.write_scratch(temp, token)
        after = self.state.but(items={where: token}, away={where: None}, scratch={temp: None})
        self.step(lambda: os.rename(self.path(temp), self.path(where) + ".json"), after,
                  after.but(scratch={temp: token}))

    def do_backup(self):
        where = self.pick(True)
        if not where:
            return
        backup, token = (where[0], where[1], where[2] + ".json~"), self.state.items[where]
        after = self.state.but(items={where: None}, away={where: token}, scratch={backup: token})
        self.step(lambda: os.rename(self.path(where) + ".json", self.path(backup)), after,
                  self.state.but(scratch={backup: token}))
        chance = self.rng.random()
        if chance < 0.6:
            self.save_at(where)
        elif chance < 0.8:
            after = self.state.but(items={where: token}, away={where: None}, scratch={backup: None})
            self.step(lambda: os.rename(self.path(backup), self.path(where) + ".json"), after,
                      after.but(scratch={backup: token}))
            return
        if chance < 0.9:
            self.step(lambda: os.unlink(self.path(backup)), self.state.but(scratch={backup: None}))

    def do_move(self):
        old, new = self.pick(True), self.pick(self.rng.random() < 0.3)
        if not old or not new or old == new:
            return
        self.ensure_partition(new)
        after = self.state.but(items={old: None, new: self.state.items[old]}, away={new: None})
        self.step(lambda: os.rename(self.path(old) + ".json", self.path(new) + ".json"), after)

    def do_exchange(self):
        old, new = self.pick(True), self.pick(True)
        if not old or old == new:
            return
        after = self.state.but(items={old: self.state.items[new], new: self.state.items[old]})
        self.step(lambda: renameat2(self.path(old) + ".json", self.path(new) + ".json", EXCHANGE), after)

    def do_partition(self):
        table = self.rng.choice(TABLES)
        here = [p for p in PARTS if any(w[:2] == (table, p) for w in self.state.items)]
        free = [p for p in PARTS if not any(w[:2] == (table, p) for kind in
                                            (self.state.items, self.state.scratch, self.state.away) for w in kind)]
        if not here or not free:
            return
        old, new = self.rng.choice(here), self.rng.choice(free)

        def moved(content):
            return {(w[0], new, w[2]) if w[:2] == (table, old) else w: v for w, v in content.items()}

        after = State(moved(self.state.items), moved(self.state.scratch), self.state.away)
        self.step(lambda: os.rename(os.path.dirname(self.path((table, old, "x"))),
                                    os.path.dirname(self.path((table, new, "x")))),
                  after, State(after.items, self.state.scratch, self.state.away))

    def do_touch(self):
        where = self.pick(False)
        if where and where not in self.state.away:
            self.ensure_partition(where)

            def go():
                os.close(os.open(self.path(where) + ".json", os.O_WRONLY | os.O_CREAT, 0o644))
                os.stat(self.path(where) + ".json")

            # created at release, which nobody waits for: not durable before somebody asks
            before, after = self.state, self.state.but(items={where: ONLY_KEY})
            self.step(go, after)
            self.possible = [before, after]
            wait_for(lambda: self.rounds.killed or self.rounds.in_table(where, self.prefix), 5, "touch to be sent")
            if self.rounds.killed: # it may or may not be there: nothing more is done before that is looked at
                raise OSError(errno.ENOTCONN, "killed")
            self.possible = [after]

    def do_remove(self):
        where = self.pick(True)
        if where:
            self.step(lambda: os.unlink(self.path(where) + ".json"), self.state.but(items={where: None}))

    OPERATIONS = (("save", 6), ("temp_and_rename", 4), ("backup", 5), ("move", 4), ("exchange", 1), ("partition", 1),
                  ("touch", 1), ("remove", 2))

    def run(self):
        names = [name for name, weight in self.OPERATIONS for _ in range(weight)]
        try:
            while not self.rounds.stop:
                self.doing = self.rng.choice(names)
                getattr(self, "do_" + self.doing)()
                self.done[self.doing] += 1
                self.doing = None
        except OSError as error:
            if not self.rounds.killed:
                self.error = "%s: %s: %s" % (self.doing, error, self.possible[0])


class Rounds:
    """Kills the daemon again and again under its workers."""

    def __init__(self, t, rounds, seed, workers=4, options=()):
        self.t = t
        self.options = list(options)
        self.n = rounds
        self.rng = random.Random(seed)
        self.workers = [Worker(self, i, self.rng.random()) for i in range(workers)]
        self.stop = self.killed = False
        self.damage = collections.Counter()
        self.told = []
        self.interrupted = collections.Counter()
        self.checked = 0

    def in_table(self, where, prefix):
        return self.t.get(where[0], key(prefix + where[1], where[2])) is not None

    def table_contents(self):
        found = {}
        for table in TABLES:
            for item in self.t.scan(table):
                artist = item["Artist"]["S"]
                plain = {name: value.get("S", value) for name, value in item.items()}
                found[(table, artist, item["SongTitle"]["S"])] = token_of(plain)
        return found

    def mount_contents(self, m):
        visible, scratch = set(), {}
        for table in TABLES:
            for worker in self.workers:
                for part in PARTS:
                    folder = m / os.path.join(table, worker.prefix + part)
                    try:
                        names = os.listdir(folder)
                    except FileNotFoundError:
                        continue
                    for name in names:
                        where = (table, worker.prefix + part)
                        if name.endswith(".json"):
                            visible.add(where + (name[:-5],))
                        else:
                            with open(os.path.join(folder, name), encoding="utf-8") as f:
                                scratch[where + (name,)] = token_of_text(f.read())
        return visible, scratch

    def check(self, m, when):
        visible, scratch = self.mount_contents(m)
        table = self.table_contents()
        for worker in self.workers:
            cut = len(worker.prefix)

            def mine(content, prefix=worker.prefix, cut=cut):
                pairs = content.items() if isinstance(content, dict) else ((w, None) for w in content)
                return {(w[0], w[1][cut:], w[2]): v for w, v in pairs if w[1].startswith(prefix)}

            there, mine_scratch, shown = mine(table), mine(scratch), mine(visible)
            results = [(state, state.problems(there, mine_scratch, shown)) for state in worker.possible]
            good = [state for state, problems in results if not problems]
            self.checked += len(there)
            if good:
                state = good[0]
            else:
                state, problems = min(results, key=lambda r: len(r[1]))
                for kind, text in problems:
                    self.damage[kind] += 1
                    self.told.append("%s, %s, %s: %s %s" % (when, worker.prefix, worker.doing or "idle", kind, text))
                state = State({w: v for w, v in there.items() if w in shown},
                              away={w: v for w, v in there.items() if w not in shown})
            # what of the files nobody was told about is there
            state = State(state.items, {w: v for w, v in mine_scratch.items()}, state.away)
            worker.state, worker.possible, worker.doing = state, [state], None

    def round(self, number):
        t = self.t
        m = t.mount(",".join(TABLES), ["grace=%s" % self.rng.choice(("100ms", "300ms", "10s")),
                                       "cache_ttl=%s" % self.rng.choice(("0", "1s", "forever")),
                                       *self.options], name="mnt")
        self.check(m, "after round %d" % number)
        self.fail_if_damaged()
        t.proxy.latency(ms=self.rng.choice((0, 0, 1, 8)))
        self.killed = False
        threads = []
        for worker in self.workers:
            worker.mount = m.path
            threads.append(threading.Thread(target=worker.run))
        for thread in threads:
            thread.start()
        time.sleep(self.rng.uniform(0.02, 0.35) * (1 if build_kind() == "plain" else 3))
        self.killed = True
        m.kill()
        for thread in threads:
            thread.join(20)
            if thread.is_alive():
                raise Failure("a program hangs after the daemon's death")
        for worker in self.workers:
            if worker.doing:
                self.interrupted[worker.doing] += 1
        t.proxy.latency(ms=0)

    def run(self):
        t = self.t
        for table in TABLES:
            t.create_table(table, "Artist:S", "SongTitle:S")
        for number in range(self.n):
            self.round(number)
            errors = [w.error for w in self.workers if w.error]
            if errors:
                raise Failure("\n".join(errors))
        m = t.mount(",".join(TABLES), "grace=100ms", name="mnt")
        self.check(m, "at the end")
        self.fail_if_damaged()
        m.umount()
        for worker in self.workers:     # what was renamed away has left the table by now
            for where in worker.state.away:
                if where not in worker.state.items and self.in_table(where, worker.prefix):
                    self.told.append("%s %s: renamed away, and in the table for good" % (worker.prefix, where))
        self.fail_if_damaged()
        self.report()

    def fail_if_damaged(self):
        if self.told:
            self.report()
            raise Failure("\n".join(self.told[:20]))

    def report(self):
        done = sum((w.done for w in self.workers), collections.Counter())
        print("# %d rounds of kill -9; %d operations acknowledged (%s), %d interrupted (%s)" % (
            self.n, sum(done.values()), ", ".join("%s %d" % p for p in sorted(done.items())),
            sum(self.interrupted.values()), ", ".join("%s %d" % p for p in sorted(self.interrupted.items()))))
        print("# %d items looked at: %d missing, %d torn, %d stale, %d hidden" % (
            self.checked, *(self.damage[kind] for kind in ("missing", "torn", "stale", "hidden"))))
