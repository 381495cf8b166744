# SPDX-License-Identifier: Apache-2.0
# BUILDS: plain asan
# TIMEOUT: 120
"""Starting and stopping: status 0 means mounted; otherwise one line, and nothing is."""

import os
import signal
import subprocess

from case import is_mounted, read, run, test, wait_for


def start(t, *argv, env=None):
    return subprocess.run([t.binary(), *argv], capture_output=True, text=True, env=dict(t.env, **(env or {})),
                          stdin=subprocess.DEVNULL, timeout=60, check=False)


@test
def daemonised(t):
    t.music()
    m = t.mount(daemon=True)
    t.eq(len(os.listdir(m / "Music")), 2)
    t.eq(len(t.daemons()), 1)
    m.umount()
    t.eq(t.daemons(), [])


@test
def signals_unmount(t):
    t.music()
    for number in (signal.SIGTERM, signal.SIGINT):
        m = t.mount()
        os.listdir(m / "Music")
        fd = os.open(m / "Music/Artist 00/Open.json", os.O_CREAT | os.O_WRONLY)
        os.write(fd, b'{"n": 1}')
        m.process.popen.send_signal(number)
        wait_for(lambda mount=m: not is_mounted(mount.path), 10, "the mount to vanish")
        m.umount()
        try:
            os.close(fd)
        except OSError:
            pass
        t.eq(t.get("Music", {"Artist": {"S": "Artist 00"}, "SongTitle": {"S": "Open"}})["n"], {"N": "1"},
             "what was open is saved")


@test
def refusals(t):
    t.music()
    endpoint = ["--endpoint_url=http://127.0.0.1:%d" % t.proxy.port, "--region=us-east-1"]
    folder = t.path("mnt")
    os.makedirs(folder)
    bad = [
        [],
        [*endpoint, "-o", "nonsense=1", folder],
        [*endpoint, "--nonsense", folder],
        [*endpoint, "-o", "cache_ttl=soon", folder],
        [*endpoint, t.path("nowhere")],
        [*endpoint, t.path("logs", "engine.log")],
        ["--local=" + t.path("missing", "x.db"), folder],
    ]
    for argv in bad:
        done = start(t, *argv)
        t.true(done.returncode != 0, "a status for %s" % argv)
        t.true(done.stderr.startswith("ddbfs: "), "says who: %r" % done.stderr)
        t.at_most(done.stderr.count("\n"), 2, "lines for %s" % argv)
        t.true(not is_mounted(folder), "nothing mounted")
    t.eq(t.daemons(), [])


@test
def help_and_version(t):
    done = start(t, "-V")
    t.eq(done.returncode, 0)
    t.contains(done.stdout, "ddbfs 0.")
    done = start(t, "-h")
    t.eq(done.returncode, 0)
    t.contains(done.stdout, "--endpoint-url")


@test
def killed_and_mounted_again(t):
    t.music()
    m = t.mount()
    os.listdir(m / "Music")
    m.kill()
    m = t.mount(name="mnt")
    t.contains(read(m / "Music/Artist 00/Song 0001.json"), "Song 0001")


@test
def local_engine(t):
    t.binary()
    file = t.path("tmp", "tables.db")
    engine = t.start_engine(file)
    t.music(db=t.boto(engine.port))
    engine.stop()
    m = t.mount(endpoint=False, args=["--local=" + file], env={"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""})
    t.eq(len(os.listdir(m / "Music")), 2)
    with open(m / "Music/Artist 00/Saved.json", "w", encoding="utf-8") as f:
        f.write('{"n": 1}')
    m.umount()
    engine = t.start_engine(file)       # nobody holds the file any more
    saved = t.get("Music", {"Artist": {"S": "Artist 00"}, "SongTitle": {"S": "Saved"}}, t.boto(engine.port))
    t.eq(saved["n"], {"N": "1"})


@test
def secrets_stay_secret(t):
    t.music()
    m = t.mount(options=[], args=["-d"])
    t.sh("ls -lR Music; cat Music/*/* >/dev/null; find .ddbfs -type f | xargs cat > %s 2>&1 || true"
         % t.path("tmp", "control.txt"))
    for text in (m.text(), read(t.path("tmp", "control.txt"))):
        t.true("wJalrXUtnFEMI" not in text, "no secret")
        t.true("Signature=" not in text, "no signature")


run()
