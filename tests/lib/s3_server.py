#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A real S3 server for the tests: Ceph's RADOS gateway on one monitor and one OSD, on the loopback interface.

The first start makes a small cluster and keeps it in the cache folder; later ones start from a copy of it, which
takes half the time.  Everything else lives below one folder and is gone with it.  From a shell, to play with:

    tests/dev s3            until Ctrl-C; says where it is and with which keys

The runner of the cases starts `s3_server.py FOLDER --until-eof` when the first case wants it.
"""

import argparse
import contextlib
import ctypes
import fcntl
import hashlib
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid

PROGRAMS = ("ceph-mon", "ceph-osd", "radosgw", "radosgw-admin", "ceph", "ceph-authtool", "monmaptool")
KEY_ID = "AKIDTEST"             # as the engine's, so that one set of credentials does for both
SECRET = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY"
DISK = 8 << 30                  # sparse: about 60 MB of it are used at first
PR_SET_PDEATHSIG = 1
START_SECONDS = 120             # more than a busy machine needs
STOP_SECONDS = 20

CONF = """\
[global]
fsid = {fsid}
mon_host = [v2:127.0.0.1:{mon_port}]
public_addr = 127.0.0.1
public_network = 127.0.0.0/8
ms_bind_ipv6 = false
ms_bind_msgr1 = false
auth_cluster_required = cephx
auth_service_required = cephx
auth_client_required = cephx
keyring = {folder}/keyring
admin_socket = {folder}/run/$name.asok
run_dir = {folder}/run
log_file = {folder}/log/$name.log
pid_file = {folder}/run/$name.pid
crash_dir = {folder}/log
heartbeat_file = {folder}/run/$name.heartbeat
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 1
osd_pool_default_pgp_num = 1
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_allow_pool_delete = true
mon_warn_on_pool_no_redundancy = false
mon_data_avail_crit = 1
mon_max_pg_per_osd = 1000
paxos_propose_interval = 0.05
paxos_min_wait = 0.01
osd_objectstore = bluestore
bluestore_block_size = {disk}
bluestore_block_db_create = false
bluestore_block_wal_create = false
osd_memory_target = 939524096
osd_op_num_shards = 2
[mon.a]
mon_data = {folder}/mon
[osd.0]
osd_data = {folder}/osd
[client.rgw]
rgw_frontends = beast endpoint=127.0.0.1:{port}
rgw_data = {folder}/rgw
rgw_dns_name = localhost
rgw_crypt_require_ssl = false
rgw_crypt_s3_kms_backend = testing
rgw_crypt_s3_kms_encryption_keys = testkey-1=ZGRiZnM6IHRoaXJ0eS10d28gYnl0ZXMgb2YgYSBrZXk=
rgw_thread_pool_size = 64
rgw_enable_gc_threads = true
rgw_gc_obj_min_wait = 60
rgw_enable_lc_threads = false
rgw_enable_quota_threads = false
rgw_run_sync_thread = false
rgw_enable_usage_log = false
"""


def die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


class Trouble(Exception):
    """The server is not to be had; the text says why."""


def missing():
    """Programs that are not installed."""
    return [name for name in PROGRAMS if not shutil.which(name)]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def cache_folder():
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    version = subprocess.run(["radosgw", "--version"], capture_output=True, text=True, check=False).stdout
    with open(os.path.abspath(__file__), "rb") as f:
        recipe = hashlib.sha256(f.read() + version.encode()).hexdigest()[:12]
    return os.path.join(base, "ddbfs", "ceph-" + recipe)


class Server:
    """One cluster below a folder of its own."""

    def __init__(self, folder):
        self.folder = folder
        self.port = None
        self.children = []      # gateway first

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def configure(self, fsid):
        self.port = free_port()
        self.mon_port = free_port()
        with open(self.path("ceph.conf"), "w", encoding="utf-8") as f:
            f.write(CONF.format(folder=self.folder, fsid=fsid, port=self.port, mon_port=self.mon_port, disk=DISK))
        self.call("monmaptool", "--create", "--clobber", "--addv", "a", "[v2:127.0.0.1:%d]" % self.mon_port,
                  "--fsid", fsid, self.path("monmap"))

    def environment(self):
        """Nothing that marks a test case: the server outlives it."""
        env = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "TMPDIR")}
        return dict(env, LANG="C.UTF-8", CEPH_CONF=self.path("ceph.conf"))

    def call(self, *argv, seconds=START_SECONDS, check=True):
        done = subprocess.run(argv, cwd=self.folder, capture_output=True, text=True, errors="replace", check=False,
                              env=self.environment(), timeout=seconds, stdin=subprocess.DEVNULL)
        if check and done.returncode != 0:
            raise Trouble("%s: %s" % (" ".join(argv[:3]), (done.stderr or done.stdout)[-1000:]))
        return done.stdout

    def start(self, name, *argv):
        with open(self.path("log", name + ".out"), "ab") as out:
            child = subprocess.Popen([*argv, "-c", self.path("ceph.conf"), "-f"], cwd=self.folder, stdout=out,
                                     stderr=out, stdin=subprocess.DEVNULL, env=self.environment(),
                                     start_new_session=True, preexec_fn=die_with_parent)
        child.name = name
        self.children.insert(0, child)

    def check(self):
        for child in self.children:
            if child.poll() is not None:
                with open(self.path("log", child.name + ".out"), encoding="utf-8", errors="replace") as f:
                    raise Trouble("%s ended with status %d: %s" % (child.name, child.returncode, f.read()[-1000:]))

    def make(self):
        """A new cluster, and its user; the daemons run."""
        fsid = str(uuid.uuid4())
        for name in ("mon", "osd", "rgw", "run", "log"):
            os.makedirs(self.path(name), exist_ok=True)
        self.configure(fsid)
        for name, caps in (("mon.", ("mon", "allow *")),
                           ("client.admin", ("mon", "allow *", "osd", "allow *")),
                           ("osd.0", ("mon", "allow profile osd", "osd", "allow *")),
                           ("client.rgw", ("mon", "allow rw", "osd", "allow rwx"))):
            pairs = [part for kind, what in zip(caps[::2], caps[1::2]) for part in ("--cap", kind, what)]
            self.call("ceph-authtool", "keyring", *([] if os.path.exists(self.path("keyring")) else
                                                    ["--create-keyring"]), "--gen-key", "-n", name, *pairs)
        self.call("ceph-mon", "-c", "ceph.conf", "--mkfs", "-i", "a", "--monmap", "monmap", "--keyring", "keyring")
        self.start("mon", "ceph-mon", "-i", "a")
        self.call("ceph", "--connect-timeout", "60", "mon", "stat")
        osd = str(uuid.uuid4())
        self.call("ceph", "osd", "new", osd, "0")
        self.call("ceph-osd", "-c", "ceph.conf", "-i", "0", "--mkfs", "--osd-uuid", osd)
        self.start("osd", "ceph-osd", "-i", "0")
        self.start("rgw", "radosgw", "-n", "client.rgw")
        self.wait()
        self.call("radosgw-admin", "-n", "client.rgw", "user", "create", "--uid=test", "--display-name=test",
                  "--access-key=" + KEY_ID, "--secret-key=" + SECRET)

    def resume(self):
        """The daemons of a cluster that has been copied here."""
        with open(self.path("fsid"), encoding="utf-8") as f:
            self.configure(f.read())
        self.call("ceph-mon", "-c", "ceph.conf", "-i", "a", "--inject-monmap", "monmap")
        self.start("mon", "ceph-mon", "-i", "a")
        self.start("osd", "ceph-osd", "-i", "0")
        self.start("rgw", "radosgw", "-n", "client.rgw")
        self.wait()

    def wait(self):
        end = time.monotonic() + START_SECONDS
        while True:
            self.check()
            with contextlib.suppress(OSError):
                with urllib.request.urlopen("http://127.0.0.1:%d/" % self.port, timeout=10):
                    return
            if time.monotonic() > end:
                raise Trouble("the S3 server does not answer within %d s" % START_SECONDS)
            time.sleep(0.1)

    def stop(self):
        for child in self.children:
            if child.poll() is None:
                child.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(STOP_SECONDS)
            if child.poll() is None:
                child.kill()
                child.wait()
        self.children = []


def copy_cluster(source, target):
    os.makedirs(target)
    subprocess.run(["cp", "-a", "--sparse=always", "--reflink=auto", source + "/.", target], check=True)


def prepare(cache):
    """The cluster that later ones are copies of.  Made beside its place and moved there whole."""
    work = "%s.%d" % (cache, os.getpid())
    server = Server(work)
    try:
        server.make()
        server.stop()
        with open(server.path("ceph.conf"), encoding="utf-8") as f:
            fsid = f.read().split("fsid = ")[1].split("\n")[0]
        with open(server.path("fsid"), "w", encoding="utf-8") as f:
            f.write(fsid)
        for name in ("log", "run"):
            shutil.rmtree(server.path(name))
            os.makedirs(server.path(name))
        os.rename(work, cache)
    finally:
        server.stop()
        shutil.rmtree(work, ignore_errors=True)


def launch(folder):
    """A running server below the folder, which must not exist.  Raises Trouble."""
    if missing():
        raise Trouble("not installed: " + ", ".join(missing()))
    cache = cache_folder()
    os.makedirs(os.path.dirname(cache), exist_ok=True)
    with open(cache + ".lock", "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.isdir(cache):
            prepare(cache)
        copy_cluster(cache, folder)
    server = Server(folder)
    try:
        server.resume()
    except BaseException:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return server


def wait_for_end(server, until_eof):
    while True:
        if until_eof:
            if select.select([sys.stdin], [], [], 1)[0] and not os.read(0, 4096):
                return
        else:
            time.sleep(1)
        server.check()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("folder", nargs="?", help="for its data; must not exist, is removed at the end")
    parser.add_argument("--until-eof", action="store_true", help="end when the standard input does")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    signal.signal(signal.SIGINT, lambda *_: sys.exit(0))
    base = None if options.folder else tempfile.mkdtemp(prefix="ddbfs-s3-")
    try:
        server = launch(os.path.abspath(options.folder or os.path.join(base, "server")))
    except Trouble as trouble:
        raise SystemExit("s3_server.py: %s" % trouble) from trouble
    try:
        print(json.dumps({"endpoint": "http://127.0.0.1:%d" % server.port, "port": server.port, "key_id": KEY_ID,
                          "secret": SECRET}), flush=True)
        wait_for_end(server, options.until_eof)
    except Trouble as trouble:
        raise SystemExit("s3_server.py: %s" % trouble) from trouble
    finally:
        server.stop()
        shutil.rmtree(base or server.folder, ignore_errors=True)


if __name__ == "__main__":
    main()
