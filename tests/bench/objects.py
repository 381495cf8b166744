# SPDX-License-Identifier: Apache-2.0
"""The jobs with objects in S3: a real server for them, the data, and those who move a file to it and from it.

The server is tests/lib/s3_server.py's; it is started when the first of these jobs is run."""

import filecmp
import hashlib
import os
import shutil

import measure
import s3_server

SIZE = 100 * 1024 * 1024
BUCKET, KEY = "bench", "whole"
ATTRIBUTE = "one/two/body"


class Server:
    """The server of the run, and its bucket."""

    def __init__(self, world):
        self.running = s3_server.launch(world.path("s3"))
        self.port = self.running.port
        self.url = "http://127.0.0.1:%d" % self.port
        self.client = measure.boto(self.port, service="s3")
        self.client.create_bucket(Bucket=BUCKET)

    def cpu(self):
        return sum(measure.cpu_of(child.pid) for child in self.running.children)

    def stop(self):
        self.running.stop()

    def objects(self):
        return [entry["Key"] for entry in self.client.list_objects_v2(Bucket=BUCKET).get("Contents", [])]

    def empty(self):
        for key in self.objects():
            self.client.delete_object(Bucket=BUCKET, Key=key)


def server_missing():
    """Why there is no server on this machine; None: there is."""
    names = s3_server.missing()
    return "not installed: " + ", ".join(names) if names else None


# -- data

def source(t):
    return t.world.path("files", "object")


def target(t):
    return t.world.path("files", "object.down")


def make(t):
    """The server, and the file: nothing that could be made shorter on the way."""
    if not t.world.s3:
        t.world.s3 = Server(t.world)
        t.world.processes.append(t.world.s3)
    with open(source(t), "wb") as f:
        for i in range(SIZE // 32):
            f.write(hashlib.sha256(b"%d" % i).digest())
    t.world.digest = digest_of(source(t))


def make_up(t):
    make(t)
    t.create("Docs")


def make_down(t):
    """The object under a plain name, for those who know nothing of tables, and the attribute."""
    make_up(t)
    t.world.s3.empty()
    t.world.db.put_item(TableName="Docs", Item={"pk": {"S": "one"}, "sk": {"S": "two"}})
    with t.world.mounted("Docs", OPTIONS % measure.places(t.world, "", 0), 0) as mount:
        shutil.copyfile(source(t), mount / ("Docs/" + ATTRIBUTE))
    found, = t.world.s3.objects()
    t.world.s3.client.copy_object(Bucket=BUCKET, Key=KEY, CopySource={"Bucket": BUCKET, "Key": found})


def fresh_up(t):
    t.world.s3.empty()
    t.world.db.put_item(TableName="Docs", Item={"pk": {"S": "one"}, "sk": {"S": "two"}})


def fresh_down(t):
    if os.path.exists(target(t)):
        os.unlink(target(t))


def digest_of(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


def went_up(t):
    """How many objects there are with the file's bytes, and how many should be: no others, either."""
    client = t.world.s3.client
    digests = [hashlib.sha256(client.get_object(Bucket=BUCKET, Key=key)["Body"].read()).hexdigest()
               for key in t.world.s3.objects()]
    return len(digests) if digests == [t.world.digest] else -len(digests), 1


def came_down(t):
    return int(filecmp.cmp(source(t), target(t), shallow=False)), 1


# -- contenders; those that mount have a folder with the bucket's objects

OPTIONS = "s3_bucket=%s,s3_endpoint_url=%%(s3)s" % BUCKET


def copy(world, job, folder, pid):
    ends = [world.path("files", "object"), os.path.join(folder, KEY)]
    if job.s3 == "get":
        ends = [ends[1], ends[0] + ".down"]
    result, _, _ = measure.run_command(world, "cp %s %s" % tuple(ends), job.timeout, pid)
    result.rss = measure.status_of(pid, "VmHWM") / 1024
    return result


def run_floor(world, job, _rtt, options=""):
    names = measure.places(world, "", 0)
    path = names["files"] + ("/object" if job.s3 == "put" else "/object.down")
    command = "exec %s %s -c %d %s %s %s %s %s" % (world.tool("floor_s3"), options, job.floor[0], job.s3, world.s3.url,
                                                   BUCKET, KEY, path)
    return measure.counted(world, command, job, 0)


def run_checked(world, job, rtt):
    """The floor that takes the checksum of the whole, too."""
    return run_floor(world, job, rtt, "-s")


def run_s3fs(world, job, _rtt):
    keys = world.path("home", "s3fs-keys")
    with open(os.open(keys, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as f:
        f.write("%s:%s\n" % (measure.KEY_ID, measure.SECRET))
    with world.other_mount(["s3fs", "-f", "-o", "passwd_file=%s,url=%s,endpoint=us-east-1,use_path_request_style" % (
            keys, world.s3.url), BUCKET]) as (process, path):
        return copy(world, job, path, process.pid)


def run_rclone(world, job, _rtt):
    """Without its cache of files, of which close does not wait for the upload."""
    world.env.update(RCLONE_S3_PROVIDER="Ceph", RCLONE_S3_ACCESS_KEY_ID=measure.KEY_ID, RCLONE_CONFIG="",
                     RCLONE_S3_SECRET_ACCESS_KEY=measure.SECRET, RCLONE_S3_ENDPOINT=world.s3.url)
    with world.other_mount(["rclone", "mount", ":s3:" + BUCKET]) as (process, path):
        return copy(world, job, path, process.pid)


def run_aws_s3(world, job, _rtt):
    ends = ["%(files)s/object", "s3://%s/%s" % (BUCKET, KEY)]
    if job.s3 == "get":
        ends = [ends[1], "%(files)s/object.down"]
    command = "exec %s --endpoint-url %s s3 cp --only-show-errors %s" % (measure.aws(), world.s3.url, " ".join(ends))
    return measure.run_command(world, command % measure.places(world, "", 0), job.timeout)[0]


CONTENDERS = {"floor": run_floor, "checked": run_checked, "ours": measure.run_ours, "s3fs": run_s3fs,
              "rclone": run_rclone, "aws_s3": run_aws_s3}


def missing():
    there = {"s3fs": shutil.which("s3fs"), "rclone": shutil.which("rclone"), "aws_s3": measure.aws()}
    return {name for name, path in there.items() if not path}
