# SPDX-License-Identifier: Apache-2.0
# BUILDS: plain asan
# TIMEOUT: 120
"""No lost updates: a save replaces the version this mount has shown, or fails."""

import os

from case import read, run, test, write

KEY = {"Artist": {"S": "A"}, "SongTitle": {"S": "one"}}
PATH = "Music/A/one.json"


def world(t, options="cache_ttl=60"):
    t.create_table("Music", "Artist:S", "SongTitle:S")
    t.put("Music", dict(KEY, Year={"N": "1999"}, Plays={"N": "1"}))
    return t.mount(options=options)


def elsewhere(t, name, value):
    t.db.update_item(TableName="Music", Key=KEY, UpdateExpression="SET #n = :v",
                     ExpressionAttributeNames={"#n": name}, ExpressionAttributeValues={":v": value})


@test
def another_attribute_survives(t):
    m = world(t)
    text = read(m / PATH)
    elsewhere(t, "Plays", {"N": "2"})
    elsewhere(t, "Added", {"S": "meanwhile"})
    write(m / PATH, text.replace("1999", "2000"))
    t.eq(t.get("Music", KEY), dict(KEY, Year={"N": "2000"}, Plays={"N": "2"}, Added={"S": "meanwhile"}))
    request, = t.proxy.requests(op="UpdateItem", bodies=True)
    t.contains(request["body"], "ConditionExpression")
    t.true("Plays" not in request["body"], "only what changed is sent")
    m.flush()
    t.contains(read(m / PATH), "meanwhile")


@test
def the_same_attribute_is_a_conflict(t):
    m = world(t)
    text = read(m / PATH)
    elsewhere(t, "Year", {"N": "1"})
    t.fails("ESTALE", write, m / PATH, text.replace("1999", "2000"))
    t.eq(t.get("Music", KEY), dict(KEY, Year={"N": "1"}, Plays={"N": "1"}))
    text = read(m / PATH)
    t.contains(text, '"Year": 1\n', "what is there now")
    write(m / PATH, text.replace('"Year": 1\n', '"Year": 2000\n'))
    t.eq(t.get("Music", KEY)["Year"], {"N": "2000"})


@test
def what_was_shown_counts_however_old(t):
    """Opening for writing may read anew; the version to replace is the one a reader has seen."""
    for options in ("cache_ttl=0", "cache_ttl=0.01", "cache_ttl=0,consistent"):
        if options == "cache_ttl=0":
            m = world(t, options)
        else:
            m.umount()
            t.put("Music", dict(KEY, Year={"N": "1999"}, Plays={"N": "1"}))
            m = t.mount(options=options)
        text = read(m / PATH)
        elsewhere(t, "Year", {"N": "1"})
        os.stat(m / PATH)
        t.fails("ESTALE", write, m / PATH, text.replace("1999", "2000"))
        t.eq(t.get("Music", KEY)["Year"], {"N": "1"}, options)


@test
def removed_and_added_attributes(t):
    m = world(t)
    text = read(m / PATH)
    write(m / PATH, text.replace('"Plays": 1,\n', '"New": [1],\n'))
    t.eq(t.get("Music", KEY), dict(KEY, Year={"N": "1999"}, New={"L": [{"N": "1"}]}))
    text = read(m / PATH)
    elsewhere(t, "Fresh", {"S": "theirs"})
    t.fails("ESTALE", write, m / PATH, text.replace('"New"', '"Fresh"'))
    t.eq(t.get("Music", KEY)["Fresh"], {"S": "theirs"})


@test
def deleted_meanwhile(t):
    m = world(t)
    text = read(m / PATH)
    t.db.delete_item(TableName="Music", Key=KEY)
    t.fails("ESTALE", write, m / PATH, text.replace("1999", "2000"))
    t.eq(t.get("Music", KEY), None)


@test
def two_mounts(t):
    one = world(t)
    two = t.mount(options="cache_ttl=60")
    first, second = read(one / PATH), read(two / PATH)
    write(one / PATH, first.replace("1999", "2001"))
    t.fails("ESTALE", write, two / PATH, second.replace("1999", "2002"))
    t.eq(t.get("Music", KEY)["Year"], {"N": "2001"})
    write(two / PATH, read(two / PATH).replace('"Plays": 1', '"Plays": 7'))
    t.eq(t.get("Music", KEY), dict(KEY, Year={"N": "2001"}, Plays={"N": "7"}))


@test
def blind_write_replaces(t):
    m = world(t)
    write(m / PATH, '{"Only": true}')
    t.eq(t.get("Music", KEY), dict(KEY, Only={"BOOL": True}))


@test
def overwrite_option(t):
    m = world(t, "cache_ttl=60,write=overwrite")
    text = read(m / PATH)
    elsewhere(t, "Year", {"N": "1"})
    write(m / PATH, text.replace("1999", "2000"))
    t.eq(t.get("Music", KEY)["Year"], {"N": "2000"})


@test
def both_edit_through_open_files(t):
    m = world(t)
    fd = os.open(m / PATH, os.O_RDWR)
    text = os.pread(fd, 65536, 0).decode()
    elsewhere(t, "Year", {"N": "1"})
    data = text.replace("1999", "2000").encode()
    os.ftruncate(fd, 0)
    os.pwrite(fd, data, 0)
    t.fails("ESTALE", os.fsync, fd)
    try:
        os.close(fd)
    except OSError:
        pass
    t.eq(t.get("Music", KEY)["Year"], {"N": "1"})


run()
