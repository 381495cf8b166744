# SPDX-License-Identifier: Apache-2.0
"""The jobs, one entry each.

In commands: %(t)s the table as a folder, %(files)s the folder of the prepared files, %(url)s the endpoint.  The command
of `ours` also runs on `kernel`: the static file system ("static FOLDER") or a plain folder ("local FOLDER").
"""

from dataclasses import dataclass, field
from typing import Callable, Optional

import data
import objects


@dataclass
class Job:
    name: str
    what: str
    make: Callable                    # the data, once a run
    table: str
    ours: str                         # shell
    floor: Optional[tuple] = None     # connections, list of requests
    kernel: Optional[str] = None
    bindfs: Optional[str] = None      # a folder
    boto3: Optional[str] = None       # arguments of scripts.py
    cli: Optional[str] = None         # arguments of aws dynamodb
    s3: Optional[str] = None          # put or get, of objects.py's contenders: an object to or from S3
    warm: Optional[str] = None        # before the clock starts, in the same mount
    fresh: Optional[Callable] = None  # before each run
    check: Optional[Callable] = None  # after each run
    expect: Optional[str] = None      # what `ours` prints
    options: str = ""
    rtts: tuple = (0, 5)
    rounds: int = 99
    timeout: int = 300
    group: str = "time"
    target: dict = field(default_factory=dict)     # round trip in ms -> (ratio, "floor", "kernel" or "floor+kernel")
    limits: dict = field(default_factory=dict)     # requests, rcu, rss, over_cache (MiB), wakeups
    note: str = ""


def length(items):
    return str(sum(len(data.text_of(found)) for found in items))


LIST = data.partition("list", 1000, 1024)

JOBS = [
    Job("W1a", "list a partition of 1,000 items of 1 KB", data.make_list, "List",
        ours="ls %(t)s/list | wc -l", expect="1000", floor=(1, "list"), kernel="static List",
        boto3="names List list", cli="query --table-name List --key-condition-expression pk=:p "
        "--expression-attribute-values '{\":p\":{\"S\":\"list\"}}'",
        target={0: (1.0, "floor"), 5: (1.0, "floor")}, limits={"requests": 3, "rcu": 126}),
    Job("W1b", "list it and read every item", data.make_list, "List",
        ours="cat %(t)s/list/*.json | wc -c", expect=length(LIST), floor=(1, "list"), kernel="static List",
        boto3="items List list", target={0: (1.5, "floor+kernel"), 5: (1.5, "floor+kernel")},
        limits={"requests": 3, "rcu": 126}),
    Job("W2a", "read one item, cold", data.make_list, "List",
        ours="cat %(t)s/list/order-000500.json | wc -c", expect=length(LIST[500:501]), floor=(1, "get1"),
        boto3="get1 List", cli="get-item --table-name List "
        "--key '{\"pk\":{\"S\":\"list\"},\"sk\":{\"S\":\"order-000500\"}}'",
        target={0: (0.5, "floor"), 5: (0.75, "floor")}, limits={"requests": 2}),
    Job("W2b", "read 200 items one by one, warm", data.make_list, "List",
        warm="cat %(t)s/list/order-000001.json", ours="cd %(t)s && xargs -a %(files)s/names cat | wc -c",
        expect=length(LIST[::5]), floor=(1, "get200"), kernel="static List", boto3="get200 List",
        target={0: (1.25, "floor"), 5: (1.25, "floor")}, note="CLI: 200 processes, minutes"),
    Job("W3", "grep -r over 20,000 items in 200 partitions", data.make_crawl, "Crawl",
        ours="grep -rl '%s' %%(t)s | wc -l" % data.NEEDLE, expect="40", floor=(16, "crawl"), kernel="static Crawl",
        boto3="scan Crawl", cli="scan --table-name Crawl",
        target={0: (1.35, "floor"), 5: (1.35, "floor")}, limits={"over_cache": 16},
        note="grep alone takes what the column kernel says; at 5 ms the names of the partitions are 200 requests, "
        "0.9 s, nearly one by one: this engine's segments are no stretches of its order; with --dynalite, whose are, "
        "it is 1.66 s in all, floor 0.34 s: so short a listing pays for two lanes at most"),
    Job("W3e", "cat .export/jsonl of these 20,000 items", data.make_crawl, "Crawl",
        ours="cat %(t)s/.export/jsonl | wc -l", expect="20000", floor=(16, "crawl"), boto3="export Crawl",
        target={0: (1.15, "floor"), 5: (1.15, "floor")}, limits={"over_cache": 32},
        note="the engine keeps more than one of two processors busy, and waits for ours; with the engine bound to one, "
        "1.01x to 1.11x"),
    Job("W4", "names of 300 partitions of 100 items of 4 KB", data.make_large, "Large",
        ours="ls %(t)s | wc -l", expect="300", floor=(1, "distinct"), boto3="distinct Large",
        target={0: (1.1, "floor"), 5: (1.1, "floor")}, limits={"rcu": 160},
        note="CLI: a plain scan like boto3's, slower"),
    Job("W5a", "cp -r of 5,000 files into 48 partitions", data.make_copy, "Copy",
        fresh=data.fresh_copy, check=data.copied, expect="",
        ours="cp -r %(files)s/Copy/. %(t)s/", floor=(1, "copy"), kernel="static Empty",
        boto3="copy Copy 1", target={0: (1.3, "floor+kernel"), 5: (1.08, "floor")}, limits={"requests": 5100},
        note="CLI: 5,000 processes, an hour"),
    Job("W5b", "the same by 16 programs at once", data.make_copy, "Copy",
        fresh=data.fresh_copy, check=data.copied, expect="",
        ours="ls %(files)s/Copy | xargs -P 16 -I{} cp -r %(files)s/Copy/{} %(t)s/", floor=(16, "copy"),
        kernel="static Empty", boto3="copy Copy 16", target={0: (1.4, "floor"), 5: (1.4, "floor")},
        limits={"requests": 5100}, note="CLI: 5,000 processes"),
    Job("W5j", "cp -r of 5,000 files with commit=batch, and fsync", data.make_copy_batched, "Copy",
        options="commit=batch", fresh=data.fresh_copy, check=data.copied, expect="",
        ours="cp -r %(files)s/Copy/. %(t)s/ && sync %(t)s", floor=(16, "batches"), kernel="static Empty",
        boto3="load Copy", target={0: (1.5, "floor+kernel"), 5: (1.5, "floor+kernel")}, limits={"requests": 310}),
    Job("W5c", "cp of 5,000 items as JSON lines onto .import/jsonl", data.make_lines, "Copy",
        fresh=data.fresh_copy, check=data.copied, expect="", ours="cp %(files)s/copy.jsonl %(t)s/.import/jsonl",
        floor=(16, "batches"), boto3="load Copy", target={0: (1.2, "floor"), 5: (1.2, "floor")},
        limits={"requests": 210, "over_cache": 32}),
    Job("W6", "sed -i of one attribute in 200 items", data.make_edit, "Edit", fresh=data.fresh_edit, check=data.edited,
        ours="sed -i 's/\"state\": \"v0\"/\"state\": \"v1\"/' %(t)s/edit/*.json", expect="", floor=(1, "edit"),
        kernel="local Edit.copy", boto3="edit Edit", target={0: (1.3, "floor+kernel"), 5: (0.75, "floor")},
        limits={"requests": 400}, note="CLI: 400 processes, minutes"),
    Job("W7u", "cp of a file of 100 MiB to an attribute", objects.make_up, "Docs", s3="put", rtts=(0,),
        ours="cp %(files)s/object %(t)s/" + objects.ATTRIBUTE, expect="", options=objects.OPTIONS, floor=(4, "put"),
        fresh=objects.fresh_up, check=objects.went_up, target={0: (1.25, "floor")}, limits={"rss": 32}),
    Job("W7d", "cp of an attribute of 100 MiB to a file", objects.make_down, "Docs", s3="get", rtts=(0,),
        ours="cp %(t)s/" + objects.ATTRIBUTE + " %(files)s/object.down", expect="", options=objects.OPTIONS,
        floor=(4, "get"), fresh=objects.fresh_down, check=objects.came_down, target={0: (1.25, "floor")},
        limits={"rss": 32}, note="half of the daemon's CPU is SHA-256 of all bytes, which the floor does not "
        "check; a quarter of all is cp's"),
    Job("W8a", "open and read 5,000 warm files", data.make_warm, "Warm", options="cache_ttl=1h", rtts=(0,),
        warm="ls %(t)s/warm | wc -l; cd %(t)s && xargs -a %(files)s/opens cat | wc -c",
        ours="cd %(t)s && xargs -a %(files)s/opens cat | wc -c", expect=length(data.partition("warm", 10000, 256)[::2]),
        kernel="static Warm", bindfs="Warm", target={0: (1.25, "kernel")}, limits={"requests": 0}),
    Job("W8b", "ls -l of 10,000 warm files", data.make_warm, "Warm", options="cache_ttl=1h", rtts=(0,),
        warm="ls -l %(t)s/warm | wc -l", ours="ls -l %(t)s/warm | wc -l", expect="10001",
        kernel="static Warm", bindfs="Warm", target={0: (1.25, "kernel")}, limits={"requests": 0}),
    Job("M1", "ls -l of a partition of 100,000 items", data.make_many, "Many", group="memory", rtts=(0,), rounds=3,
        ours="ls -l %(t)s/many | wc -l", expect="100001", floor=(1, "many"), boto3="names Many many",
        limits={"over_cache": 64, "requests": 100}),
    Job("M2", "ls -U of a partition of 100,000 items", data.make_many, "Many", group="memory", rtts=(0,), rounds=3,
        ours="ls -U %(t)s/many | wc -l", expect="100000", floor=(1, "many"), limits={"over_cache": 64}),
    Job("M3", "ls -U of a partition of 1,000,000 items", data.make_million, "Million", group="large", rtts=(0,),
        rounds=1, timeout=900, ours="ls -U %(t)s/million | wc -l", expect="1000000", floor=(1, "million"),
        limits={"over_cache": 64}),
    Job("M4", "rm -r of a partition of 10,000 items", data.make_removal, "Removal", group="memory", rtts=(0,), rounds=3,
        fresh=data.fresh_removal, check=data.removed, ours="rm -r %(t)s/gone", expect="", floor=(1, "removal"),
        boto3="remove Removal gone", limits={"requests": 450, "over_cache": 64},
        note="the floor knows the keys already"),
    Job("M5", "20 s of doing nothing, after one read", data.make_list, "List", group="memory", rtts=(0,), rounds=1,
        warm="cat %(t)s/list/order-000001.json", ours="sleep 20", expect="", limits={"rss": 16, "wakeups": 20}),
]
