# SPDX-License-Identifier: Apache-2.0
# BUILDS: plain asan
"""An item that was renamed away when its mount died: the next mount of its table does what was to be done."""

import glob
import os

from case import read, run, test, wait_for

ONE = {"Id": {"S": "1"}, "Name": {"S": "Ada"}}


def records(t):
    return [name for name in glob.glob(t.path("**", "journal", "*", "*"), recursive=True) if os.path.isfile(name)]


def died(t):
    """Users/1 was renamed away by a mount that is no more."""
    t.create_table("Users", "Id:S")
    t.create_table("Music", "Id:S")
    t.put("Users", ONE)
    m = t.mount("Users", "grace=1h")
    os.rename(m / "Users/1.json", m / "Users/1.json~")
    m.kill()
    t.eq(t.get("Users", {"Id": {"S": "1"}}), ONE)
    t.eq(len(records(t)), 1)


@test
def replayed(t):
    died(t)
    m = t.mount("Users", "grace=300ms")
    wait_for(lambda: t.get("Users", {"Id": {"S": "1"}}) is None, 10, "the item to go")
    t.eq(os.listdir(m / "Users"), [])
    wait_for(lambda: not records(t), 10, "the record to go")


@test
def of_another_table(t):
    """A mount of other tables of the same endpoint leaves it alone, for as long as it goes on."""
    died(t)
    left = [(name, read(name)) for name in records(t)]
    t.mount("Music", "grace=300ms")
    t.eq([(name, read(name)) for name in records(t)], left)
    t.eq(t.get("Users", {"Id": {"S": "1"}}), ONE)
    m = t.mount("Users", "grace=300ms")
    wait_for(lambda: t.get("Users", {"Id": {"S": "1"}}) is None, 10, "the item to go")
    t.eq(os.listdir(m / "Users"), [])
    wait_for(lambda: not records(t), 10, "the record to go")


run()
