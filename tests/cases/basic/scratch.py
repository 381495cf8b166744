# SPDX-License-Identifier: Apache-2.0
# BUILDS: plain asan
"""Editors' temporary files live in this mount only."""

import os

from case import read, run, test, write


def key(artist, song):
    return {"Artist": {"S": artist}, "SongTitle": {"S": song}}


def music(t):
    t.create_table("Music", "Artist:S", "SongTitle:S")
    t.put_items("Music", [dict(key("A", s), Year={"N": "1999"}) for s in ("one", "two", "three")])
    return t.mount()


@test
def scratch_files_stay_out_of_the_table(t):
    m = music(t)
    for name in (".one.json.swp", "4913", "one.json~", "#one.json#", "sedAbCdEf"):
        write(os.path.join(m.path, "Music/A", name), "not an item\n")
        t.eq(read(os.path.join(m.path, "Music/A", name)), "not an item\n")
    t.eq(t.proxy.writes(), 0)
    t.eq(len(t.scan("Music")), 3)
    t.sh("rm Music/A/*~ Music/A/4913")
    t.fails("ENOENT", os.stat, m / "Music/A/4913")
    write(m / "Music/A/one.json.new", '{"Year": 5}')
    os.rename(m / "Music/A/one.json.new", m / "Music/A/one.json")
    t.eq(t.get("Music", key("A", "one"))["Year"], {"N": "5"})


@test
def sed_in_place(t):
    m = music(t)
    t.sh("sed -i s/1999/2003/ Music/A/one.json")
    t.eq(t.get("Music", key("A", "one"))["Year"], {"N": "2003"})
    t.eq(sorted(os.listdir(m / "Music/A")), ["one.json", "three.json", "two.json"])


run()
