#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Benchmark of ddbfs against what it cannot be faster than and what people script today; see RESULTS.md.

Needs the engine (DDBFS_ENGINE; --dynalite: DDBFS_DYNALITE), a C compiler with libcurl, libcrypto and libfuse3,
python3-boto3; uses the AWS CLI, bindfs and gnuplot where they are installed.  Loopback only.
"""

import argparse
import dataclasses
import fnmatch
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile

import data
import measure
import objects
import report
from jobs import JOBS


def arguments():
    p = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    p.add_argument("jobs", nargs="*", help="names or patterns; default: all")
    p.add_argument("--build", default=os.path.join(measure.ROOT, "build-release"), help="folder of the build")
    p.add_argument("--rounds", type=int, default=5, help="medians of so many [%(default)s]")
    p.add_argument("--rtt", default="0,5", help="round trips in ms [%(default)s]")
    p.add_argument("--only", help="contenders, comma separated: " +
                   ",".join({**measure.CONTENDERS, **objects.CONTENDERS}))
    p.add_argument("--dynalite", action="store_true",
                   help="on the second engine: slower, but its Scan and its segments go by hash as the service's do")
    p.add_argument("--large", action="store_true", help="also a partition of a million items")
    p.add_argument("--out", help="folder for RESULTS.md and results.svg; default: print")
    p.add_argument("--json", help="keep the raw results here")
    p.add_argument("--keep", action="store_true", help="leave the working folder (logs)")
    p.add_argument("--list", action="store_true", help="show the jobs")
    return p.parse_args()


def chosen_jobs(args):
    return [job for job in JOBS if (args.large or job.group != "large") and
            (not args.jobs or any(fnmatch.fnmatch(job.name.lower(), pattern.lower()) for pattern in args.jobs))]


def find_engine(dynalite=False):
    """What DDBFS_ENGINE (DDBFS_DYNALITE) names, or the one tests/lib/install.sh keeps."""
    name, need = ("DDBFS_DYNALITE", "need_dynalite") if dynalite else ("DDBFS_ENGINE", "need_engine")
    if not os.environ.get(name):
        script = "root='%s'; . \"$root/tests/lib/install.sh\" && %s && echo \"$%s\"" % (measure.ROOT, need, name)
        done = subprocess.run(["bash", "-c", script], stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode != 0:
            sys.exit(1)
        os.environ[name] = done.stdout.strip()


def contenders(job):
    """Those that this machine has: name -> function."""
    if job.s3:
        return {name: run for name, run in objects.CONTENDERS.items() if name not in objects.missing()}
    missing = measure.missing()
    return {name: run for name, run in measure.CONTENDERS.items() if getattr(job, name) and name not in missing}


def one_run(world, tables, job, contender, rtt):
    if job.fresh:
        job.fresh(tables)
    result = contenders(job)[contender](world, job, rtt)
    if job.check and contender not in ("kernel", "bindfs"):
        got, wanted = job.check(tables)
        if got != wanted:
            raise measure.Failure("%s, %s: %d items where %d should be" % (job.name, contender, got, wanted))
    return result


def run_job(world, tables, job, args, found):
    """All contenders in turn, round by round, so that a busy moment of the machine hits them alike."""
    names = [name for name in contenders(job) if not args.only or name in args.only.split(",")]
    for rtt in (int(r) for r in args.rtt.split(",")):
        if rtt not in job.rtts:
            continue
        results = {name: [] for name in names}
        failures = {}
        for _ in range(min(args.rounds, job.rounds)):
            for name in names:
                if name in failures:
                    continue
                try:
                    results[name].append(one_run(world, tables, job, name, rtt))
                except (measure.Failure, OSError) as error:
                    failures[name] = str(error)
                    print("%s, %s: %s" % (job.name, name, error), file=sys.stderr)
        found.append({"job": job.name, "rtt": rtt, "failures": failures,
                      "runs": {name: [dataclasses.asdict(r) for r in runs] for name, runs in results.items() if runs}})
        print("%-4s %d ms  %s" % (job.name, rtt, "  ".join(
            "%s %s" % (name, report.seconds(statistics.median(r.wall for r in runs)))
            for name, runs in results.items() if runs)), flush=True)


def run_all(world, args):
    tables = data.Tables(world)
    found, made = [], set()
    for job in chosen_jobs(args):
        if job.s3 and objects.server_missing():
            print("%s: no S3 server: %s" % (job.name, objects.server_missing()), file=sys.stderr)
            continue
        if job.make not in made:
            job.make(tables)
            made.add(job.make)
        run_job(world, tables, job, args, found)
    return found


def main():
    args = arguments()
    if args.list:
        for job in JOBS:
            print("%-5s %s" % (job.name, job.what))
        return 0
    ddbfs = os.path.join(args.build, "src", "app", "ddbfs")
    if not os.access(ddbfs, os.X_OK):
        sys.exit("%s is not built: tests/dev release" % ddbfs)
    find_engine(args.dynalite)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))
    machine = report.machine(args.dynalite)
    folder = tempfile.mkdtemp(prefix="ddbfs-bench-")
    world = None
    try:
        world = measure.World(folder, ddbfs, args.dynalite)
        found = run_all(world, args)
    except measure.Skip as error:
        sys.exit(str(error))
    finally:
        if world:
            world.close()
        if args.keep:
            print("kept: " + folder, file=sys.stderr)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    machine.append("After: " + report.busy())
    if args.json:
        with open(args.json, "w", encoding="utf-8") as f:
            json.dump({"machine": machine, "rounds": args.rounds, "found": found}, f, indent=1)
    report.write(found, machine, args.rounds, args.out)
    return 1 if any(entry["failures"] for entry in found) else 0


if __name__ == "__main__":
    sys.exit(main())
