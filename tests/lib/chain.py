# SPDX-License-Identifier: Apache-2.0
"""Two mounts and boto3 change the same items; the table's change stream proves that no update was lost.

A write reads an item, gives one attribute a token nobody else uses, and saves.  It is remembered with the
token it has read there.  Then every change in the stream must be a write of ours whose read token is the
value that it replaced, every write that returned 0 must be in the stream, and none that was refused.
"""

import errno
import json
import os
import random
import threading
import time

from botocore.exceptions import ClientError
from case import Failure, boto, build_kind, read, write
from crash import key

ATTRIBUTES = ("X", "Y", "Z")
DONE, REFUSED = "done", "refused"


class Write:
    __slots__ = ("item", "attribute", "token", "had_read", "result", "where")

    def __init__(self, item, attribute, token, had_read):
        self.item, self.attribute, self.token, self.had_read = item, attribute, token, had_read
        self.result, self.where = None, None


class Writers:
    def __init__(self, t, seconds, items=100, hot=4, seed=1):
        self.t, self.seconds, self.seed = t, seconds, seed
        self.items = [("P%d" % (i % 10), "s%d" % (i // 10)) for i in range(items)]
        self.hot = hot
        self.stop = threading.Event()
        self.lock = threading.Lock()
        self.writes = []
        self.problems = []

    def make_table(self):
        self.t.create_table("Music", "Artist:S", "SongTitle:S")
        self.t.put_items("Music", [dict(key(*item), **{a: {"S": "start-" + a} for a in ATTRIBUTES})
                                   for item in self.items])
        self.t.db.update_table(TableName="Music", StreamSpecification={
            "StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"})

    def note(self, entry):
        with self.lock:
            self.writes.append(entry)

    def loop(self, name, turn):
        rng = random.Random("%s %s" % (name, self.seed))
        count = 0
        try:
            while not self.stop.is_set():
                count += 1
                item = rng.choice(self.items[:self.hot] if rng.random() < 0.4 else self.items)
                entry = turn(rng, item, rng.choice(ATTRIBUTES), "%s-%d" % (name, count))
                if entry:
                    self.note(entry)
        except Exception as error:
            self.problems.append("%s: %r" % (name, error))

    # -- the writers

    def through(self, m, locks):
        """A program on a mount; the programs of one mount take turns on an item, as they would on any disk."""
        def turn(rng, item, attribute, token):
            path = m / ("Music/%s/%s.json" % item)
            with locks[item]:
                text = json.loads(read(path))
                if rng.random() < 0.3:
                    time.sleep(rng.uniform(0, 0.01))        # thinks about it
                entry = Write(item, attribute, token, text[attribute])
                text[attribute] = token
                try:
                    if rng.random() < 0.5:
                        write(path, json.dumps(text))
                    else:
                        temp = m / ("Music/%s/%s" % (item[0], token))
                        write(temp, json.dumps(text))
                        try:
                            os.rename(temp, path)
                        except OSError:
                            os.unlink(temp)
                            raise
                    entry.result = DONE
                except OSError as error:
                    if error.errno != errno.ESTALE:
                        raise
                    entry.result, entry.where = REFUSED, m
            return entry
        return turn

    def directly(self, db):
        def turn(rng, item, attribute, token):
            had_read = db.get_item(TableName="Music", Key=key(*item), ConsistentRead=True)["Item"][attribute]["S"]
            time.sleep(rng.uniform(0, 0.005))
            try:
                db.update_item(TableName="Music", Key=key(*item), UpdateExpression="SET #a = :new",
                               ConditionExpression="#a = :old", ExpressionAttributeNames={"#a": attribute},
                               ExpressionAttributeValues={":new": {"S": token}, ":old": {"S": had_read}})
            except ClientError as error:
                if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                    raise
                return None
            entry = Write(item, attribute, token, had_read)
            entry.result = DONE
            return entry
        return turn

    # -- the proof

    def stream(self):
        """[(item, old attributes, new attributes)], each item's in its order."""
        client = boto(self.t.engine.port, service="dynamodbstreams")
        arn = self.t.db.describe_table(TableName="Music")["Table"]["LatestStreamArn"]
        found, start = [], {}
        while True:
            page = client.describe_stream(StreamArn=arn, **start)["StreamDescription"]
            for shard in page["Shards"]:
                found += self.shard(client, arn, shard["ShardId"])
            if "LastEvaluatedShardId" not in page:
                return found
            start = {"ExclusiveStartShardId": page["LastEvaluatedShardId"]}

    @staticmethod
    def shard(client, arn, shard):
        iterator = client.get_shard_iterator(StreamArn=arn, ShardId=shard, ShardIteratorType="TRIM_HORIZON")
        iterator, found, empty = iterator["ShardIterator"], [], 0
        while iterator and empty < 2:
            answer = client.get_records(ShardIterator=iterator, Limit=1000)
            empty = 0 if answer["Records"] else empty + 1
            for record in answer["Records"]:
                change = record["dynamodb"]
                where = tuple(change["Keys"][name]["S"] for name in ("Artist", "SongTitle"))
                found.append((where, *({a: change.get(image, {}).get(a, {}).get("S") for a in ATTRIBUTES}
                                       for image in ("OldImage", "NewImage"))))
            iterator = answer.get("NextShardIterator")
        return found

    def prove(self, changes):
        by_token = {w.token: w for w in self.writes}
        applied = set()
        now = {item: {a: "start-" + a for a in ATTRIBUTES} for item in self.items}
        for item, old, new in changes:
            if old != now[item]:
                self.problems.append("the stream has a gap: %s %s %s" % (item, now[item], old))
            now[item] = new
            for attribute in ATTRIBUTES:
                if old[attribute] == new[attribute]:
                    continue
                entry = by_token.get(new[attribute])
                if not entry or (entry.item, entry.attribute) != (item, attribute):
                    self.problems.append("%s %s: %s is nobody's" % (item, attribute, new[attribute]))
                elif entry.token in applied:
                    self.problems.append("%s %s: %s came back" % (item, attribute, new[attribute]))
                elif entry.had_read != old[attribute]:
                    self.problems.append("%s %s: %s replaced %s but had read %s" % (
                        item, attribute, entry.token, old[attribute], entry.had_read))
                elif entry.result != DONE:
                    self.problems.append("%s %s: %s was refused and is in the table" % (item, attribute, entry.token))
                applied.add(new[attribute])
        for entry in self.writes:
            if entry.result == DONE and entry.token not in applied:
                self.problems.append("%s: %s returned 0 and was never in the table" % (entry.item, entry.token))
        table = {(i["Artist"]["S"], i["SongTitle"]["S"]): {a: i[a]["S"] for a in ATTRIBUTES}
                 for i in self.t.scan("Music")}
        if table != now:
            self.problems.append("the table is not what the stream leads to")

    def prove_rejected(self, mounts):
        kept = {}
        for m in mounts:
            texts = kept[m] = []
            for folder, _, names in os.walk(m / ".ddbfs/rejected"):
                texts += [read(os.path.join(folder, n)) for n in names if not n.endswith(".why")]
        tokens = {m: {json.loads(text)[a] for text in texts for a in ATTRIBUTES} for m, texts in kept.items()}
        for entry in self.writes:
            if entry.result == REFUSED and entry.token not in tokens[entry.where]:
                self.problems.append("%s: %s was refused and is not in rejected" % (entry.item, entry.token))

    def run(self):
        self.make_table()
        mounts = [self.t.mount("Music", "cache_ttl=100ms"), self.t.mount("Music", "cache_ttl=1s")]
        threads = []
        for number, m in enumerate(mounts):
            locks = {item: threading.Lock() for item in self.items}
            threads += [threading.Thread(target=self.loop, args=("m%dw%d" % (number, i), self.through(m, locks)))
                        for i in range(3)]
        threads += [threading.Thread(target=self.loop, args=("b%d" % i, self.directly(boto(self.t.engine.port))))
                    for i in range(2)]
        for thread in threads:
            thread.start()
        time.sleep(self.seconds)
        self.stop.set()
        for thread in threads:
            thread.join(60 if build_kind() == "plain" else 300)
        changes = self.stream()
        self.prove(changes)
        self.prove_rejected(mounts)
        refused = sum(1 for w in self.writes if w.result == REFUSED)
        print("# %d s: %d writes returned 0, %d were refused and kept, %d changes in the stream, %d problems" % (
            self.seconds, len(self.writes) - refused, refused, len(changes), len(self.problems)))
        if self.problems:
            raise Failure("\n".join(self.problems[:20]))
        if refused == 0 or len(changes) < 50:
            raise Failure("nothing happened: that proves nothing")
