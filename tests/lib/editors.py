# SPDX-License-Identifier: Apache-2.0
"""What the editors' cases share: a partition of items to edit, a watcher that reads them as fast as it can
from the table itself, and a terminal for the interactive editors."""

import contextlib
import fnmatch
import http.client
import json
import os
import queue
import shlex
import shutil
import subprocess
import sys
import threading
import time

from processes import Failure, Skip, slow_factor, wait_for

TABLE = "Music"
ARTIST = "A"
LINES = 40      # of 250 characters: enough for every editor to write the file in several pieces


def need(*programs):
    for program in programs:
        if not shutil.which(program):
            raise Skip("%s is not installed" % program)


# -- the watcher

class Watcher:
    """Reads one item after the other's heels with strongly consistent GetItem, in a process of its own.  It
    speaks HTTP itself: that is ten times the reads a second that boto3 makes, and the engine asks for no
    signature."""

    def __init__(self, port, table):
        self.popen = subprocess.Popen([sys.executable, os.path.abspath(__file__), str(port), table],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, line):
        self.popen.stdin.write(line + "\n")
        self.popen.stdin.flush()
        return json.loads(self.popen.stdout.readline())

    @contextlib.contextmanager
    def watching(self, key):
        """The dictionary given is filled at the end of the block: the item's states, one after the other (None:
        it was missing), and the number of reads."""
        result = {}
        self.ask(json.dumps(key))
        try:
            yield result
        finally:
            result.update(self.ask(""))

    def close(self):
        self.popen.stdin.close()
        self.popen.wait(10)
        self.popen.stdout.close()


def watch(port, table):
    commands = queue.SimpleQueue()

    def listen():
        for line in sys.stdin:
            commands.put(line.strip())
        commands.put("end")

    threading.Thread(target=listen, daemon=True).start()
    connection = http.client.HTTPConnection("127.0.0.1", port)
    headers = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "DynamoDB_20120810.GetItem",
               "Authorization": "AWS4-HMAC-SHA256 Credential=W/20200101/us-east-1/dynamodb/aws4_request, "
                                "SignedHeaders=host;x-amz-date, Signature=0", "X-Amz-Date": "20200101T000000Z"}

    def get(key):
        """The answer as it came: looked into only when it is another one."""
        body = json.dumps({"TableName": table, "Key": key, "ConsistentRead": True})
        connection.request("POST", "/", body, headers)
        response = connection.getresponse()
        return response.status, response.read()

    def state_of(status, answer):
        return json.loads(answer).get("Item") if status == 200 else {"error": answer.decode()}

    while True:
        command = commands.get()
        if command == "end":
            return
        key, states, reads = json.loads(command), [], 0
        known = {}      # one item comes in many orders of its attributes
        end = False
        while True:
            answer = get(key)
            reads += 1
            if answer not in known:
                known[answer] = state_of(*answer)
            if not states or known[answer] != states[-1]:
                states.append(known[answer])
            if reads == 1:
                print("{}", flush=True)
            if end:
                break
            end = not commands.empty()      # and once more after the dance
        commands.get()
        print(json.dumps({"states": states, "reads": reads}), flush=True)


# -- items

def key_of(name):
    return {"Artist": {"S": ARTIST}, "SongTitle": {"S": name}}


def item_of(name, year):
    """An item whose first and last attribute tell the version: a mixture of two versions is seen."""
    return dict(key_of(name), About={"S": "as of %s" % year}, Year={"N": year},
                Lines={"L": [{"S": ("line %02d " % n).ljust(250, ".")} for n in range(LINES)]})


def text_of(item):
    """Its text, from the contract alone."""
    def plain(value):
        kind, inside = next(iter(value.items()))
        return int(inside) if kind == "N" else [plain(v) for v in inside] if kind == "L" else inside

    names = ["Artist", "SongTitle"] + sorted(set(item) - {"Artist", "SongTitle"})
    return json.dumps({name: plain(item[name]) for name in names}, indent=2, ensure_ascii=False) + "\n"


class Shelf:
    """A mounted table whose items editors are let loose on, one each."""

    def __init__(self, t, **more):
        self.t = t
        t.create_table(TABLE, "Artist:S", "SongTitle:S")
        self.names = []
        self.m = t.mount(TABLE, **more)
        self.folder = self.m / TABLE + "/" + ARTIST
        self.watcher = Watcher(t.engine.port, TABLE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.watcher.close()

    def add(self, name):
        """A new item, version 1999; its file's path."""
        self.t.put(TABLE, item_of(name, "1999"))
        self.names.append(name)
        self.m.flush()
        return os.path.join(self.folder, name + ".json")

    def states(self, name, seen):
        """The states as words."""
        words = {json.dumps(item_of(name, "1999"), sort_keys=True): "old",
                 json.dumps(item_of(name, "2003"), sort_keys=True): "new", "null": "missing"}
        return [words.get(json.dumps(s, sort_keys=True), "other: %s" % json.dumps(s)[:300]) for s in seen["states"]]

    def act(self, name, action):
        """A shell command with the file's name in $f and the new text in $new, or a function of the path."""
        if callable(action):
            return action(os.path.join(self.folder, name + ".json"))
        new = self.t.path("tmp", "new.json")
        with open(new, "w", encoding="utf-8") as f:
            f.write(text_of(item_of(name, "2003")))
        os.utime(new, (10**9, 10**9))       # or rsync takes it for the same
        return self.t.sh(action, cwd=self.folder, env={"f": name + ".json", "new": new}, check=False)

    def dance(self, name, action, keeps=None, gap=False, writes=("UpdateItem", "PutItem"), status=0):
        """Something turns version 1999 of a new item into 2003.  keeps: the backup file that stays, holding the old
        text; gap: it unlinks first."""
        t = self.t
        self.add(name)
        with t.proxy.counting() as counted, self.watcher.watching(key_of(name)) as seen:
            done = self.act(name, action)
        if hasattr(done, "returncode"):
            t.eq(done.returncode, status, "%s: exit status\n%s%s" % (name, done.stdout, done.stderr))
        states = self.states(name, seen)
        if states not in ([["old", "new"], ["old", "missing", "new"]] if gap else [["old", "new"]]):
            raise Failure("%s: another reader saw %s (%d reads)" % (name, states, seen["reads"]))
        self.one_write(name, counted["ops"], gap, writes)
        with open(os.path.join(self.folder, name + ".json"), encoding="utf-8") as f:
            t.eq(f.read(), text_of(item_of(name, "2003")), "%s: the file" % name)
        self.nothing_else(name, keeps)
        if keeps:
            with open(os.path.join(self.folder, keeps), encoding="utf-8") as f:
                t.eq(f.read(), text_of(item_of(name, "1999")), "%s: the backup" % name)
            os.unlink(os.path.join(self.folder, keeps))
        return done

    def one_write(self, name, ops, gap, allowed):
        """What no watcher is quick enough for: the requests themselves."""
        sent = {op: ops[op]["requests"] for op in ops
                if op.endswith(("PutItem", "UpdateItem", "DeleteItem", "WriteItems", "WriteItem"))}
        if gap:
            sent.pop("DeleteItem", None)
        if sum(sent.values()) != 1 or not set(sent) <= set(allowed):
            raise Failure("%s: sent %s" % (name, sent))

    def rejected(self, file_name):
        return os.path.join(self.m / ".ddbfs/rejected", TABLE, ARTIST, file_name)

    def nothing_else(self, name, keeps=None):
        """The directory lists the items and what the editor was told to keep; the table holds the items."""
        wanted = sorted([n + ".json" for n in self.names] + ([keeps] if keeps else []))
        self.t.eq(sorted(os.listdir(self.folder)), wanted, "%s: the directory" % name)
        self.t.eq(sorted(i["SongTitle"]["S"] for i in self.t.scan(TABLE)), sorted(self.names), "%s: the table" % name)

    def refused(self, name, action, told=None, gone=False, leaves=()):
        """Something tries to save a text that is no item and says so: it ends with a status, or with `told` in what
        it says.  The item stays (gone: it unlinked it itself), the text is in rejected.  leaves: scratch files that
        this program leaves behind; they are removed.  The action puts "rotten" into the text."""
        t = self.t
        self.add(name)
        with self.watcher.watching(key_of(name)) as seen:
            done = self.act(name, action)
        if hasattr(done, "returncode"):
            t.true(done.returncode != 0 or (told and told in done.stdout + done.stderr),
                   "%s: it tells\n%s%s" % (name, done.stdout, done.stderr))
        states = self.states(name, seen)
        if states not in ([["old"], ["old", "missing"]] if gone else [["old"]]):
            raise Failure("%s: another reader saw %s (%d reads)" % (name, states, seen["reads"]))
        for pattern in leaves:
            found = fnmatch.filter(os.listdir(self.folder), pattern)
            t.true(found, "%s leaves %s" % (name, pattern))
            for extra in found:
                os.unlink(os.path.join(self.folder, extra))
        if states[-1] == "missing":
            self.names.remove(name)
        self.nothing_else(name)
        rejected = self.rejected(name + ".json")
        with open(rejected, encoding="utf-8") as f:
            t.contains(f.read(), "rotten", "%s: the rejected text" % name)
        with open(rejected + ".why", encoding="utf-8") as f:
            t.eq(json.load(f)["errno"], "EINVAL", "%s: the reason" % name)


# -- a terminal

class Screen:
    """A program in a terminal (tmux): keys go in, the screen is looked at."""

    def __init__(self, t, argv, cwd):
        need("tmux")
        self.socket = t.path("run", "tmux")
        self.status_file = t.path("tmp", "status")
        with contextlib.suppress(OSError):
            os.unlink(self.status_file)
        command = "%s; echo $? > %s" % (" ".join(map(shlex.quote, argv)), shlex.quote(self.status_file))
        self.env = dict(t.env, TERM="screen", SHELL="/bin/sh")
        self.tmux("-u", "-f", "/dev/null", "new-session", "-d", "-x", "100", "-y", "30", "-c", cwd, command)

    def tmux(self, *arguments, check=True):
        done = subprocess.run(["tmux", "-S", self.socket, *arguments], env=self.env, capture_output=True, text=True,
                              check=False, stdin=subprocess.DEVNULL)
        if check and done.returncode != 0:
            raise Failure("tmux %s: %s" % (" ".join(arguments), done.stderr.strip()))
        return done.stdout

    def keys(self, *names):
        """Keys by tmux's names: "Enter", "C-x", "M-x"."""
        self.tmux("send-keys", *names)

    def type(self, text):
        self.tmux("send-keys", "-l", text)

    def text(self):
        return self.tmux("capture-pane", "-p", check=False)

    def shows(self, part, seconds=10):
        """Waits until it is on the screen."""
        try:
            wait_for(lambda: part in self.text(), seconds, "%r on the screen" % part)
        except Failure as failure:
            raise Failure("%s; it shows:\n%s" % (failure, self.text().rstrip())) from None

    def ended(self, seconds=10):
        """Waits for the program's end; its exit status."""
        try:
            wait_for(lambda: os.path.exists(self.status_file) and os.path.getsize(self.status_file), seconds,
                     "the program's end")
        except Failure as failure:
            raise Failure("%s; it shows:\n%s" % (failure, self.text().rstrip())) from None
        with open(self.status_file, encoding="utf-8") as f:
            return int(f.read())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.tmux("kill-server", check=False)
        end = time.monotonic() + 5 * slow_factor()
        while os.path.exists(self.socket) and subprocess.run(
                ["tmux", "-S", self.socket, "has-session"], env=self.env, capture_output=True,
                check=False).returncode == 0 and time.monotonic() < end:
            time.sleep(0.01)


if __name__ == "__main__":
    watch(int(sys.argv[1]), sys.argv[2])
