# SPDX-License-Identifier: Apache-2.0
# BUILDS: plain tsan
# TIMEOUT: 120
"""A save replaces the version its own program has read, whoever has read a newer one meanwhile."""

import os
import subprocess

from case import read, run, test, write

KEY = {"Artist": {"S": "A"}, "SongTitle": {"S": "one"}}
PATH = "Music/A/one.json"


def world(t, options="cache_ttl=0"):
    t.create_table("Music", "Artist:S", "SongTitle:S")
    t.put("Music", dict(KEY, Year={"N": "1999"}, Plays={"N": "1"}))
    return t.mount(options=options)


def elsewhere(t, name, value):
    t.db.update_item(TableName="Music", Key=KEY, UpdateExpression="SET #n = :v",
                     ExpressionAttributeNames={"#n": name}, ExpressionAttributeValues={":v": value})


def rejected(m):
    return [name for _, _, names in os.walk(m / ".ddbfs/rejected") for name in names if not name.endswith(".why")]


def another(m, command, session=False):
    """A program that is not this one; in a session of its own, or in ours."""
    return subprocess.run(["sh", "-c", command], cwd=m, start_new_session=session, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@test
def others_read_meanwhile(t):
    """An editor's read, others' change, `grep -r` of all, the editor's save."""
    m = world(t)
    for session in (False, True):
        t.put("Music", dict(KEY, Year={"N": "1999"}, Plays={"N": "1"}))
        text = read(m / PATH)
        elsewhere(t, "Plays", {"N": "2"})
        elsewhere(t, "Year", {"N": "2001"})
        t.contains(another(m, "grep -r Year Music", session).stdout, "2001")
        t.fails("ESTALE", write, m / PATH, text.replace("1999", "2000"))
        t.eq(t.get("Music", KEY), dict(KEY, Year={"N": "2001"}, Plays={"N": "2"}))
        t.eq(rejected(m), ["one.json"], "the text is kept")
        t.fails("ESTALE", write, m / PATH, text.replace("1999", "2000"))
        # an attribute nobody else has touched
        t.put("Music", dict(KEY, Year={"N": "1999"}, Plays={"N": "3"}))
        write(m / PATH, text.replace("1999", "2000"))
        t.eq(t.get("Music", KEY), dict(KEY, Year={"N": "2000"}, Plays={"N": "3"}))
        text = read(m / PATH)
        write(m / PATH, text.replace('"Plays": 3', '"Plays": 4'))
        t.eq(t.get("Music", KEY), dict(KEY, Year={"N": "2000"}, Plays={"N": "4"}))


@test
def rename_over(t):
    """The same by a program that writes another file and renames it."""
    m = world(t)
    text = read(m / PATH)
    elsewhere(t, "Year", {"N": "2001"})
    another(m, "cat Music/A/*.json")
    write(m / "Music/A/.one.json.tmp", text.replace("1999", "2000"))
    t.fails("ESTALE", os.rename, m / "Music/A/.one.json.tmp", m / PATH)
    t.eq(t.get("Music", KEY)["Year"], {"N": "2001"})
    t.eq(rejected(m), ["one.json"])


@test
def two_programs_each_with_its_own(t):
    """Both read, one saves, the other saves: what it has not changed stays, what both changed is a conflict."""
    m = world(t)
    text = read(m / PATH)
    t.eq(another(m, "sed -i s/1999/2000/ Music/A/one.json").returncode, 0)
    t.fails("ESTALE", write, m / PATH, text.replace("1999", "2001"))
    write(m / PATH, text.replace('"Plays": 1', '"Plays": 2'))
    t.eq(t.get("Music", KEY), dict(KEY, Year={"N": "2000"}, Plays={"N": "2"}))


@test
def scratch_file_of_a_third(t):
    """`jq . x.json >x.tmp; mv x.tmp x.json`: what counts is what jq has read."""
    m = world(t)
    made = another(m, "jq '.Year = 2000' Music/A/one.json >Music/A/x.tmp")
    t.eq(made.returncode, 0, made.stderr)
    elsewhere(t, "Year", {"N": "2001"})
    another(m, "grep -r . Music")
    t.true(another(m, "mv Music/A/x.tmp Music/A/one.json").returncode != 0, "a conflict")
    t.eq(t.get("Music", KEY)["Year"], {"N": "2001"})
    t.eq(rejected(m), ["one.json"])
    again = another(m, "jq '.Year = 2002' Music/A/one.json >Music/A/x.tmp && mv Music/A/x.tmp Music/A/one.json")
    t.eq(again.returncode, 0, again.stderr)
    t.eq(t.get("Music", KEY)["Year"], {"N": "2002"})


@test
def through_another_file_system(t):
    """`jq . x.json >/tmp/t; cp /tmp/t x.json`: cp has read nothing, its session has."""
    m = world(t)
    out = os.path.join(t.dir, "t.json")
    step = f"jq '.Year += 1' Music/A/one.json >{out}"
    for i in range(3):
        t.eq(another(m, "cat Music/A/one.json").returncode, 0)
        done = another(m, f"{step} && cp {out} Music/A/one.json")
        t.eq(done.returncode, 0, done.stderr)
        t.eq(t.get("Music", KEY)["Year"], {"N": str(2000 + i)})
        t.eq(another(m, "sed -i 's/\"Plays\": ./\"Plays\": %d/' Music/A/one.json" % i).returncode, 0)
    another(m, step)
    elsewhere(t, "Year", {"N": "1"})
    t.eq(another(m, "grep -r . Music", session=True).returncode, 0)
    t.eq(another(m, "grep -r . Music").returncode, 0)
    t.true(another(m, f"cp {out} Music/A/one.json").returncode != 0, "a conflict")
    t.true(another(m, f"cp {out} Music/A/one.json").returncode != 0, "and no less when tried again")
    t.eq(t.get("Music", KEY)["Year"], {"N": "1"})
    done = another(m, f"{step} && cp {out} Music/A/one.json")
    t.eq(done.returncode, 0, done.stderr)
    t.eq(t.get("Music", KEY)["Year"], {"N": "2"})


@test
def threads_are_one_program(t):
    """Read in one thread, saved in another."""
    m = world(t)
    code = """
import sys, threading
def in_thread(f):
    result = []
    thread = threading.Thread(target=lambda: result.append(f()))
    thread.start(); thread.join()
    return result and result[0]
def save(text):
    try:
        with open(sys.argv[1], "w") as f: f.write(text)
        return "saved"
    except OSError as e:
        return e.errno
text = in_thread(lambda: open(sys.argv[1]).read())
print("read", flush=True)
sys.stdin.readline()
print(in_thread(lambda: save(text.replace("1999", "2000"))), flush=True)
"""
    p = subprocess.Popen(["/usr/bin/python3", "-c", code, str(m / PATH)], stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, text=True)
    t.eq(p.stdout.readline(), "read\n")
    elsewhere(t, "Year", {"N": "2001"})
    read(m / PATH)
    p.stdin.write("\n")
    p.stdin.flush()
    t.eq(p.stdout.readline(), "116\n")
    p.stdin.close()
    p.wait()
    t.eq(t.get("Music", KEY)["Year"], {"N": "2001"})


run()
