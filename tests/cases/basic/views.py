# SPDX-License-Identifier: Apache-2.0
# PENDING: index views
# BUILDS: plain asan
"""Secondary indexes as read-only directories."""

import os

from case import read, run, test, write


def key(artist, song):
    return {"Artist": {"S": artist}, "SongTitle": {"S": song}}


@test
def names(t):
    t.create_table("Music", "Artist:S", "SongTitle:S", gsi=[("GenreAlbumTitle", "Genre:S", "AlbumTitle:S")])
    t.put_items("Music", [dict(key("The Acme Band", s), Genre={"S": "Rock"}, AlbumTitle={"S": "A, or B"})
                          for s in ("Happy Day", "PB&J", "Wait/Stay")])
    t.put("Music", dict(key("No Index", "x"), Genre={"S": "Rock"}))
    m = t.mount()
    t.eq(sorted(os.listdir(m)), ["Music", "Music@GenreAlbumTitle"])
    t.eq(os.listdir(m / "Music@GenreAlbumTitle"), ["Rock"])
    t.eq(sorted(os.listdir(m / "Music@GenreAlbumTitle/Rock")), [
        "A%2C or B,The Acme Band,Happy Day.json", "A%2C or B,The Acme Band,PB&J.json",
        "A%2C or B,The Acme Band,Wait%2FStay.json"])
    t.fails("ENOENT", os.stat, m / "Music@GenreAlbumTitle/Jazz")
    base = os.getxattr(m / "Music@GenreAlbumTitle/Rock/A%2C or B,The Acme Band,PB&J.json", "user.ddbfs.base")
    t.true(base.decode().endswith("Music/The Acme Band/PB&J.json"), "user.ddbfs.base")


@test
def read_only(t):
    t.create_table("Music", "Artist:S", "SongTitle:S", gsi=[("ByGenre", "Genre:S", None)])
    t.put("Music", dict(key("A", "one"), Genre={"S": "Rock"}))
    m = t.mount()
    path = m / "Music@ByGenre/Rock/A,one.json"
    t.contains(read(path), '"Rock"')
    t.fails("EROFS", write, path, "{}")
    t.fails("EROFS", os.unlink, path)
    t.fails("EROFS", os.mkdir, m / "Music@ByGenre/New")
    t.fails("EROFS", os.rename, path, m / "Music@ByGenre/Rock/x.json")
    t.eq(t.proxy.writes(), 0)


run()
