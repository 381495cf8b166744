#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the sample tables of examples/quickstart at an endpoint: sample-tables.py http://127.0.0.1:8000

Music    Artist + SongTitle, a global index (GenreAlbumTitle) and a local one (ByYear)
Users    UserId (a number) only
Readings SensorId + Time, both numbers
Between them they hold every type DynamoDB has.
"""

import hashlib
import sys
import time

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError

SONGS = """
No One You Know|Somewhat Famous|Country|2015|Call Me Today:3:41 My Dog Spot:2:58 Down The Road:4:22 Hey Now:3:05
The Acme Band|The Buck Starts Here|Rock|2013|Still In Love:3:33 Look Out, World:2:47 PB&J:1:59 Wait/Stay:4:01
The Acme Band|Songs About Life|Rock|2019|Happy Day:3:12 Monday, Again:2:40 50% Off:3:20
Lena Marwitz|Kleine Stücke|Classical|2008|Präludium in Grün:5:14 Intermezzo:2:31 Für Später:6:02
Oddvar Quartet|Low Water|Jazz|1997|Low Water:7:45 Harbour Lights:5:31 Blue in B:6:10 Nine Past Four:4:55
Oddvar Quartet|Tide Tables|Jazz|2001|Spring Tide:8:02 Ebb:3:49 Slack Water:6:33
川辺ゆき|夜の散歩|Pop|2021|夜の散歩:3:58 雨のあと:4:12 さよなら駅:3:27
Sola Adeyemi|Lagos to Lisbon|Afrobeat|2018|Morning Market:4:44 Bridge Traffic:5:20 Danfo:3:36 Letter Home:4:08
The Radio Hour|Static|Electronic|2011|...And Static:2:22 Carrier Wave:6:18 Sign-Off:3:03
Marisol Vega|Cuatro Vientos|Folk|1989|Viento Norte:3:52 Viento Sur:3:40 La Niña:4:30 Mañana:2:55
Hollow Pines|Sawmill|Country|1974|Sawmill Road:2:49 Two Dollars:2:35 Pine Box:3:11
Hollow Pines|Second Growth|Country|1979|Seedlings:3:02 Fire Season:4:15
"""

PEOPLE = """
7 Amara Okafor Lagos NG|12 Björn Lindqvist Malmö SE|18 Chen Wei Chengdu CN|21 Daniela Rossi Torino IT
23 Emeka Obi Enugu NG|25 Fatima Zahra Rabat MA|29 Greta Baumann Jena DE|31 Hiro Tanaka Sapporo JP
34 Inès Moreau Nantes FR|36 Jack O'Neill Cork IE|38 Keiko Sato Nagoya JP|40 Liam Walsh Galway IE
42 María García Sevilla ES|47 Noah Berg Bergen NO|51 Olga Petrova Riga LV|55 Priya Nair Kochi IN
58 Quentin Hale Leeds GB|63 Rosa Jiménez Quito EC|66 Samir Haddad Beirut LB|70 Tove Dahl Odense DK
77 Uma Krishnan Chennai IN|84 Viktor Novák Brno CZ|91 Wanjiru Kamau Nakuru KE|1001 Zoë van Dijk Utrecht NL
"""

SENSORS = {3: ("greenhouse, north bench", 18.5), 7: ("cold store", -3.25), 12: ("roof", 9.0)}


def digest(text):
    return hashlib.sha256(text.encode()).digest()


def songs():
    for line in SONGS.strip().split("\n"):
        artist, album, genre, year, titles = line.split("|")
        # "Title:m:ss Title:m:ss": a title may hold anything but a colon
        parts = titles.split(":")
        track, title = 1, parts[0]
        for minutes, rest in zip(parts[1::2], parts[2::2]):
            seconds, _, following = rest.partition(" ")
            item = {
                "Artist": {"S": artist}, "SongTitle": {"S": title}, "AlbumTitle": {"S": album},
                "Genre": {"S": genre}, "Year": {"N": year}, "Track": {"N": str(track)},
                "Seconds": {"N": str(int(minutes) * 60 + int(seconds))},
                "Price": {"N": "0.99" if track > 1 else "1.29"},
                "Live": {"BOOL": track % 4 == 0},
                "Tags": {"SS": sorted({genre.lower(), "vinyl" if int(year) < 1985 else "digital"})},
                "Credits": {"M": {"Producer": {"S": "J. Hallam"}, "Label": {"S": "Northlight"},
                                  "Remaster": {"NULL": True} if int(year) > 2000 else {"N": str(int(year) + 30)}}},
                "Awards": {"L": [{"S": "Song of the Year"}, {"N": year}] if track == 1 else []},
            }
            if track == 1:
                item["CoverThumb"] = {"B": digest(album)[:24]}
            if track == 2:
                item["Charted"] = {"NS": [str(4 + track), "17", "40"]}
                item["Takes"] = {"BS": [digest(title)[:6], digest(title + "2")[:6]]}
            yield item
            track, title = track + 1, following


def users():
    for number, line in enumerate(PEOPLE.replace("\n", "|").strip("|").split("|")):
        key, first, *middle, city, country = line.split(" ")
        last = " ".join(middle)
        item = {
            "UserId": {"N": key}, "Name": {"S": first + " " + last},
            "Email": {"S": "%s@example.%s" % (first.lower().replace("ë", "e").replace("ö", "o").replace("í", "i")
                                              .replace("è", "e"), "org" if number % 3 else "com")},
            "Joined": {"S": "20%02d-%02d-%02dT08:%02d:00Z" % (14 + number % 11, 1 + number % 12, 1 + number, number)},
            "Active": {"BOOL": number % 5 != 4},
            "Roles": {"SS": ["admin", "editor"] if number % 7 == 5 else ["reader"]},
            "Address": {"M": {"City": {"S": city}, "Country": {"S": country}, "Floor": {"N": str(number % 6)}}},
            "Favourites": {"L": [{"S": "No One You Know"}, {"S": "Oddvar Quartet"}][:1 + number % 2]},
        }
        if number % 4 == 0:
            item["Phone"] = {"NULL": True}
            item["LuckyNumbers"] = {"NS": [str(100 + number), "8", "13"]}
        if number % 6 == 0:
            item["PublicKey"] = {"B": digest(first)}
            item["Balance"] = {"N": "12345678901234567890.0123456789012345"}   # more digits than a double has
        yield item


def readings():
    start = 1767225600      # 2026-01-01T00:00:00Z
    for sensor, (place, celsius) in SENSORS.items():
        for hour in range(20):
            wave = ((hour * 7) % 11 - 5) / 4
            item = {
                "SensorId": {"N": str(sensor)}, "Time": {"N": str(start + 3600 * hour)},
                "Celsius": {"N": str(celsius + wave)}, "Humidity": {"N": str(40 + (hour * 13) % 37)},
                "Battery": {"N": "0.%02d" % (97 - hour)}, "Place": {"S": place},
                "Raw": {"B": digest("%d/%d" % (sensor, hour))[:12]},
            }
            if hour % 9 == 8:
                item["Flags"] = {"SS": ["door open", "recalibrated"]}
                item["Note"] = {"S": "Checked by hand:\nthermometer says %.1f." % (celsius + wave)}
            yield item


TABLES = [
    ({"TableName": "Music",
      "KeySchema": [("Artist", "HASH"), ("SongTitle", "RANGE")],
      "Types": {"Artist": "S", "SongTitle": "S", "Genre": "S", "AlbumTitle": "S", "Year": "N"},
      "GlobalSecondaryIndexes": [("GenreAlbumTitle", ("Genre", "AlbumTitle"))],
      "LocalSecondaryIndexes": [("ByYear", ("Artist", "Year"))]}, songs),
    ({"TableName": "Users", "KeySchema": [("UserId", "HASH")], "Types": {"UserId": "N"}}, users),
    ({"TableName": "Readings", "KeySchema": [("SensorId", "HASH"), ("Time", "RANGE")],
      "Types": {"SensorId": "N", "Time": "N"}}, readings),
]


def create(db, table):
    request = {
        "TableName": table["TableName"], "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": [{"AttributeName": name, "KeyType": kind} for name, kind in table["KeySchema"]],
        "AttributeDefinitions": [{"AttributeName": n, "AttributeType": t} for n, t in table["Types"].items()],
    }
    for member in ("GlobalSecondaryIndexes", "LocalSecondaryIndexes"):
        if member in table:
            request[member] = [{
                "IndexName": name, "Projection": {"ProjectionType": "ALL"},
                "KeySchema": [{"AttributeName": key, "KeyType": kind} for key, kind in zip(keys, ("HASH", "RANGE"))],
            } for name, keys in table[member]]
    db.create_table(**request)


def fill(db, table, items):
    for start in range(0, len(items), 25):
        left = {table: [{"PutRequest": {"Item": item}} for item in items[start:start + 25]]}
        while left:
            left = db.batch_write_item(RequestItems=left)["UnprocessedItems"]


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    db = boto3.session.Session("sample", "sample", None, "us-east-1").client(
        "dynamodb", endpoint_url=sys.argv[1], config=Config(retries={"max_attempts": 0}, connect_timeout=2))
    for attempt in range(100):
        try:
            db.list_tables()
            break
        except BotoCoreError as error:
            if attempt == 99:
                sys.exit("no answer from %s: %s" % (sys.argv[1], error))
            time.sleep(0.1)
    for table, items in TABLES:
        create(db, table)
        fill(db, table["TableName"], list(items()))


if __name__ == "__main__":
    main()
