# SPDX-License-Identifier: Apache-2.0
"""RESULTS.md and its plot, from the raw results.

By itself, report.py FOLDER RAW.json... writes them anew; what a later file has measured replaces the earlier, which
is then said, with the ratio it had.
"""

import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from jobs import JOBS

CACHE = 64      # MiB, the default of cache_size
HEAD = """# Benchmark

Written by `tests/dev bench`; `tests/bench/bench.py --help` tells its options.

%(machine)s
Medians of %(rounds)d rounds (fewer where the table of jobs, or the list of runs above, says so; what a later run
measured again is the later run's), all contenders in turn within a round.
**Times move with the machine; the ratios are what counts**: each is the median of the rounds' own ratios.
A mount is cold (started anew, nothing cached but the table's definition, one connection open) unless the job says
warm; starting it is not counted, starting a script is. Client, mount and engine share the processors.

- *floor*: a C client (`floor.c`: libcurl, kept-alive connections, its own signatures) that sends just the requests
  the job needs and ignores the answers; 1 connection, or 16 for W3 and W5b. A cold process, told all keys.
- *kernel*: the same command on `static_fs.c`, a low-level FUSE file system with the same files in memory (W6: on a
  plain folder). It does not depend on the round trip. Like ddbfs it knows no `security.` and `system.` attributes;
  one that says of each file that it has none (ENODATA, not ENOTSUP) makes `ls -l` ask again for every file.
- *boto3*, *CLI*: as people script it (`scripts.py`, `aws dynamodb`), cold processes; the CLI only where one process
  does the job.
- *bindfs*: the same command on a bindfs of a folder with the same files.
- *W7*: a real S3 server (Ceph's gateway, `tests/lib/s3_server.py`). The floor is `floor_s3.c`: a multipart upload, or
  ranged reads, of 8 MiB on 4 connections; with SHA-256 it takes the checksum of the whole besides, as ddbfs must, on
  a thread of its own. s3fs and rclone are mounted anew for each run, too, rclone without its cache
  of files, of which close does not wait for the upload; in brackets their peak RSS. `aws s3 cp` is a cold process.
- 5 ms: everything goes through `delay.c`, a TCP proxy of 5 ms round trip (connecting costs one, too).
- CPU is user + system of daemon and clients together; the servers' is apart. RSS is the daemon's peak (VmHWM).
- Requests and units of ddbfs are those of its `.ddbfs/stats.json`; at 5 ms the proxy counts too, and must agree.

Left out: the CLI for jobs of one process an item (minutes to an hour each), other SDKs (not in Debian).
"""


def seconds(value):
    if value is None:
        return "-"
    if value >= 1:
        return "%.2f s" % value
    return "%.*f ms" % (value < 0.1, value * 1000)


def busy():
    """What others do while the benchmark does nothing: the share of the processors' time, of a second."""
    def read():
        with open("/proc/stat", encoding="ascii") as f:
            times = [int(word) for word in f.readline().split()[1:9]]
        return sum(times), times[3] + times[4]
    (all_before, idle_before), _, (all_after, idle_after) = read(), time.sleep(1), read()
    share = 1 - (idle_after - idle_before) / max(all_after - all_before, 1)
    return "processors %.0f %% busy%s" % (100 * share, "; **other work was running**" if share > 0.1 else "")


def first_line(*argv):
    try:
        return subprocess.run(argv, capture_output=True, text=True, check=False).stdout.split("\n")[0]
    except OSError:
        return ""


def machine(dynalite=False):
    model = "unknown processor"
    with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as f:
        for line in f:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    virtual = first_line("systemd-detect-virt") or "?"
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9
    engine = "dynalite" if dynalite else first_line(os.environ["DDBFS_ENGINE"], "--version")
    return ["%d processors (%s), %.0f GB, kernel %s%s" % (
                os.cpu_count(), model, memory, platform.release(),
                "" if virtual in ("none", "?") else ", virtual (%s)" % virtual),
            "Engine: %s, in memory" % (engine or "of unknown version"),
            "Before: " + busy()]


def median(runs, name):
    values = [run[name] for run in runs or [] if run[name] is not None]
    return statistics.median(values) if values else None


def ratio(runs, base, what="wall", of="ours"):
    """Median of the rounds' ratios; base names contenders to add up."""
    parts = [runs.get(name) for name in base.split("+")]
    if not runs.get(of) or not all(parts):
        return None
    rounds = list(zip(runs[of], *parts))
    found = [ours[what] / sum(base[what] for base in bases) for ours, *bases in rounds]
    return statistics.median(found) if found else None


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def number(value, form="%.0f"):
    return "-" if value is None else form % value


def times(value):
    return "-" if value is None else "%.2fx" % value


def faster(value):
    return "-" if not value else "%.1fx" % (1 / value)


def job_ratio(entry, jobs):
    target = jobs[entry["job"]].target.get(entry["rtt"])
    return ratio(entry["runs"], target[1] if target else "floor")


def wall_rows(found, jobs, rtt):
    for entry in found:
        job, runs = jobs[entry["job"]], entry["runs"]
        if entry["rtt"] != rtt or job.s3 or job.name == "M5":
            continue
        target, verdict = job.target.get(rtt), "-"
        got = job_ratio(entry, jobs)
        if target and got is not None:
            verdict = "met" if got <= target[0] else "**missed**"
        against = "%.2fx %s" % target if target else "-"
        yield ["%s %s" % (job.name, job.what)] + [seconds(median(runs.get(name), "wall")) for name in
                                                  ("floor", "kernel", "ours", "boto3", "cli", "bindfs")] + [
            times(got), against, verdict, faster(ratio(runs, "boto3"))]


def shown(wall, rss):
    return "not measured" if wall is None else seconds(wall) + ("" if rss is None else " (%.0f MiB)" % rss)


def object_rows(found, jobs, rtt):
    """The jobs with objects: others' programs, and how much faster than the best of them."""
    others = ("s3fs", "rclone", "aws_s3")
    for entry in found:
        job, runs = jobs[entry["job"]], entry["runs"]
        if entry["rtt"] != rtt or not job.s3:
            continue
        at_most, against = job.target[rtt]
        got = job_ratio(entry, jobs)
        measured = {name: median(runs.get(name), "wall") for name in others if runs.get(name)}
        best = min(measured, key=measured.get) if measured else None
        walls = [seconds(median(runs.get(name), "wall")) for name in ("floor", "checked", "ours")]
        shown_others = [shown(measured.get(name), median(runs.get(name), "rss")) for name in others]
        verdict = "-" if got is None else "met" if got <= at_most else "**missed**"
        yield ["%s %s" % (job.name, job.what)] + walls + shown_others + [
            times(got), "%.2fx %s" % (at_most, against), verdict, times(ratio(runs, "checked")),
            "%s %s" % (faster(ratio(runs, best)), best) if best else "-"]


def cost_rows(found, jobs, rtt):
    for entry in found:
        job, runs = jobs[entry["job"]], entry["runs"]
        if entry["rtt"] != rtt:
            continue
        ours = runs.get("ours")
        row = [job.name]
        for name, form in (("requests", "%.0f"), ("rcu", "%.1f"), ("wcu", "%.1f")):
            row.append("%s / %s" % (number(median(ours, name), form), number(median(runs.get("floor"), name), form)))
        row += [" / ".join(seconds(median(runs.get(who), "cpu")) for who in ("ours", "floor", "boto3")),
                times(ratio(runs, "boto3", "cpu")),
                " / ".join(seconds(median(runs.get(who), "engine")) for who in ("ours", "floor")),
                number(median(ours, "rss"), "%.1f")]
        yield row + [limits(job, ours)]


def limits(job, ours):
    """What of the job's limits holds, in words."""
    words = []
    for name, limit in job.limits.items() if ours else ():
        if name == "over_cache":
            got, unit = max(run["rss"] for run in ours) - CACHE, "MiB over cache_size"
        elif name == "rss":
            got, unit = max(run["rss"] for run in ours), "MiB"
        else:
            got, unit = median(ours, name), name
        held = got <= limit
        mark = "" if held else "**"
        words.append("%s%.*f of %g %s%s" % (mark, got != int(got), got, limit, unit, mark))
    return "; ".join(words) or "-"


def disagreements(found):
    for entry in found:
        for who in ("ours", "floor", "boto3"):
            for run in entry["runs"].get(who, []):
                if None not in (run["seen"], run["requests"]) and run["seen"] != run["requests"]:
                    yield "%s, %s: says %d requests, the proxy saw %d" % (
                        entry["job"], who, run["requests"], run["seen"])
                    break


def plot(found, jobs, path):
    """Wall time of each contender, a group for each job and round trip."""
    names = ["floor", "kernel", "ours", "boto3", "cli"]
    colours = dict(zip(names, ("#9a9a9a", "#d0d0d0", "#1f6fb4", "#e08a1e", "#b5482e")))
    with tempfile.NamedTemporaryFile("w", suffix=".dat", delete=False) as f:
        for entry in found:
            if jobs[entry["job"]].group == "time":
                label = entry["job"] + ("\\n%d ms" % entry["rtt"] if entry["rtt"] else "\\n")
                values = [median(entry["runs"].get(name), "wall") for name in names]
                f.write('"%s" %s\n' % (label, " ".join("?" if v is None else "%.6f" % (v * 1000) for v in values)))
    parts = ["'%s' using %d:xtic(1) title '%s' linecolor rgb '%s'" % (f.name, column, "ddbfs" if n == "ours" else n,
                                                                      colours[n]) for column, n in enumerate(names, 2)]
    script = """set terminal svg size 1200,480 font 'sans,11' background '#ffffff'
set output '%s'
set datafile missing '?'
set style data histogram
set style histogram clustered gap 1
set style fill solid
set boxwidth 1
set logscale y
set yrange [1:*]
set ylabel 'wall time, ms'
set grid ytics
set border 3
set xtics nomirror scale 0
set ytics nomirror
set key top left horizontal
plot %s
""" % (path, ", \\\n ".join(parts))
    try:
        subprocess.run(["gnuplot"], input=script, text=True, check=True)
    finally:
        os.unlink(f.name)


def text(found, lines, rounds):
    jobs = {job.name: job for job in JOBS}
    parts = [HEAD % {"machine": "".join("%s.\n" % line for line in lines), "rounds": rounds}]
    for rtt in sorted({entry["rtt"] for entry in found}):
        parts.append("\n## Round trip %d ms\n\n" % rtt)
        parts.append(table(["job", "floor", "kernel", "ddbfs", "boto3", "CLI", "bindfs", "ratio", "at most", "",
                            "faster than boto3"], wall_rows(found, jobs, rtt)))
        rows = list(object_rows(found, jobs, rtt))
        if rows:
            parts.append("\nObjects in S3 (`objects.py`):\n\n")
            parts.append(table(["job", "floor", "with SHA-256", "ddbfs", "s3fs", "rclone mount", "aws s3 cp", "ratio",
                                "at most", "", "to the one with SHA-256", "faster than the best"], rows))
        parts.append("\nddbfs / floor, and where there are three numbers / boto3:\n\n")
        parts.append(table(["job", "requests", "RCU", "WCU", "CPU", "CPU to boto3", "servers' CPU", "RSS MiB",
                            "limits"], cost_rows(found, jobs, rtt)))
    notes = ["%s: %s." % (job.name, job.note) for job in JOBS if job.note and any(e["job"] == job.name for e in found)]
    notes += ["%s." % words for words in disagreements(found)]
    notes += ["%s, %s failed: %s" % (entry["job"], who, words.split("\n")[0])
              for entry in found for who, words in entry["failures"].items()]
    parts.append("\n## Notes\n\n" + "".join("- %s\n" % note for note in notes))
    return "".join(parts)


def write(found, lines, rounds, folder):
    words = text(found, lines, rounds)
    if not folder:
        print(words)
        return
    if shutil.which("gnuplot") and any(entry["runs"] for entry in found):
        plot(found, {job.name: job for job in JOBS}, os.path.join(folder, "results.svg"))
        words += "\n![Wall times](results.svg)\n"
    with open(os.path.join(folder, "RESULTS.md"), "w", encoding="utf-8") as f:
        f.write(words)


def merged(paths):
    """Several runs as one: (found, lines on the machine, rounds)."""
    jobs = {job.name: job for job in JOBS}
    order = list(jobs)
    found, lines, rounds, replaced = {}, [], 0, []
    for path in paths:
        with open(path, encoding="utf-8") as f:
            raw = json.load(f)
        for entry in raw["found"]:
            key = (entry["rtt"], order.index(entry["job"]))
            if key in found:
                replaced.append("%s at %d ms %s" % (entry["job"], entry["rtt"], times(job_ratio(found[key], jobs))))
            found[key] = entry
        names = sorted({entry["job"] for entry in raw["found"]}, key=order.index)
        machine_lines = raw["machine"] if not lines else [line for line in raw["machine"] if line not in lines]
        lines += machine_lines + (["That was the run of %s: %d rounds" % (", ".join(names), raw["rounds"])]
                                  if len(paths) > 1 else [])
        rounds = max(rounds, raw["rounds"])
    if replaced:
        lines.append("Measured again later, and not what the tables show; ratios then: " + ", ".join(replaced))
    return [found[key] for key in sorted(found)], lines, rounds


if __name__ == "__main__":
    write(*merged(sys.argv[2:]), sys.argv[1])
