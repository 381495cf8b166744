# SPDX-License-Identifier: Apache-2.0
# BUILDS: plain asan
# TIMEOUT: 120
""".first and .last of a partition of several pages: as many items as they say, wherever the size of a page cuts."""

import json
import os

from case import read, run, test

ITEMS = 70


def number(item):
    return int(item["sk"]["S"][1:])


@test
def around_page_borders(t):
    t.create_table("Log", "pk:S", "sk:S", gsi=[("All", "pk:S", "seq:N")], lsi=[("Own", "pk:S", "seq:N")])
    t.put_items("Log", [{"pk": {"S": "p"}, "sk": {"S": "s%03d" % i}, "seq": {"N": str(i)}, "third": {"N": str(i % 3)},
                         "pad": {"S": "x" * 45000}} for i in range(ITEMS)])
    pages, arguments = [], {"TableName": "Log", "KeyConditionExpression": "pk = :p",
                            "ExpressionAttributeValues": {":p": {"S": "p"}}}
    while not pages or "LastEvaluatedKey" in pages[-1]:
        if pages:
            arguments["ExclusiveStartKey"] = pages[-1]["LastEvaluatedKey"]
        pages.append(t.db.query(**arguments))
    table = [number(i) for page in pages for i in page["Items"]]
    t.eq(table, list(range(ITEMS)))
    t.true(len(pages) > 2, "several pages")
    m = t.mount("Log", "cache_ttl=0")
    borders = [len(pages[0]["Items"]), len(pages[0]["Items"]) + len(pages[1]["Items"]), ITEMS]
    for n in sorted({1} | {b + d for b in borders for d in (-1, 0, 1, 2)}):
        for step, wanted in (("first", table[:n]), ("last", table[-n:])):
            thirds = [i for i in wanted if i % 3 == 0]
            base = m / ("Log/p/.%s/%d" % (step, n))
            t.eq(sorted(os.listdir(base)), ["s%03d.json" % i for i in wanted], base)
            t.eq(sorted(os.listdir(base + "/.filter/third/0")), ["s%03d.json" % i for i in thirds], base)
            for view in ("Log", "Log@All", "Log@Own"):
                path = m / ("%s/p/.%s/%d" % (view, step, n))
                lines = read(path + "/.filter/third/0/.columns/seq,pk/.export/jsonl").splitlines()
                t.eq(sorted((json.loads(i) for i in lines), key=lambda i: i["seq"]),
                     [{"pk": "p", "seq": i} for i in thirds], path)
                t.eq(len(os.listdir(path)), len(wanted), path)
            passed = [i for i in table if i % 3 == 0]
            passed = passed[:n] if step == "first" else passed[-n:]
            names = os.listdir(m / ("Log/p/.filter/third/0/.%s/%d" % (step, n)))
            t.eq(sorted(names), ["s%03d.json" % i for i in passed])


run()
