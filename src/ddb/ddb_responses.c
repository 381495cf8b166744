/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Responses that carry items: one struct answer, one table of members for each operation.  Strings without
 * escapes are not copied; they point into the body, which the items own.
 */
#include "ddbfs/ddb/responses.h"

#include <errno.h>
#include <stdlib.h>

#include "ddb_json.h"
#include "ddbfs/codec/wire.h"

struct answer {
        struct items *items;
        struct ddb_usage *usage;
        struct ddb_lefts *left;
        struct str table; /* of a map's current entry */
        bool has_items, has_count;
};

/* ---- consumed capacity: for statistics, so nonsense counts nothing ---- */

static int read_units(struct json_reader *r, double *sum) {
        char text[40];
        double units;

        if (shape_peek(r) != JSON_NUMBER)
                return json_skip(r);
        json_next(r);
        if (r->value.n >= sizeof(text))
                return 0;
        memcpy(text, r->value.p, r->value.n);
        text[r->value.n] = '\0';
        units = strtod(text, NULL);
        if (units > 0 && units < 1e9)
                *sum += units;
        return 0;
}

static int read_total(struct json_reader *r, void *arg) {
        return read_units(r, &((struct answer *)arg)->usage->total);
}

static int read_read_units(struct json_reader *r, void *arg) {
        return read_units(r, &((struct answer *)arg)->usage->read);
}

static int read_write_units(struct json_reader *r, void *arg) {
        return read_units(r, &((struct answer *)arg)->usage->write);
}

static int read_usage_of_table(struct json_reader *r, void *arg) {
        static const struct shape_member members[] = {
                { "CapacityUnits", read_total },
                { "ReadCapacityUnits", read_read_units },
                { "WriteCapacityUnits", read_write_units },
        };

        if (shape_peek(r) != JSON_OBJECT_BEGIN)
                return json_skip(r);
        return shape_object(r, members, ARRAY_LEN(members), arg);
}

static int read_usage(struct json_reader *r, void *arg) {
        if (shape_peek(r) == JSON_ARRAY_BEGIN)
                return shape_array(r, read_usage_of_table, arg);
        return read_usage_of_table(r, arg);
}

/* ---- items ---- */

static int read_bare_item(struct json_reader *r, struct item *ret) {
        static struct attribute none; /* "there, but empty" differs from "absent" by its pointer */
        int k;

        k = wire_read_item(r, ret);
        if (!k && ret->n == 0)
                ret->attributes = &none;
        return k;
}

static int read_item(struct json_reader *r, void *arg) {
        struct answer *a = arg;
        struct item *item = items_add(a->items);

        return item ? read_bare_item(r, item) : json_fail_memory(r);
}

static int read_items(struct json_reader *r, void *arg) {
        struct answer *a = arg;

        a->has_items = true;
        return shape_array(r, read_item, a);
}

static int read_items_of_tables(struct json_reader *r, void *arg) {
        struct answer *a = arg;

        return shape_map(r, &a->table, read_items, a);
}

static int read_response(struct json_reader *r, void *arg) {
        static const struct shape_member members[] = { { "Item", read_item } };
        struct answer *a = arg;
        uint32_t n = a->items->n;
        int k;

        k = shape_peek(r) == JSON_NULL ? json_skip(r) : shape_object(r, members, ARRAY_LEN(members), a);
        if (!k && a->items->n == n && !items_add(a->items))
                return json_fail_memory(r);
        return k;
}

static int read_responses(struct json_reader *r, void *arg) {
        struct answer *a = arg;

        a->has_items = true;
        return shape_array(r, read_response, a);
}

static int read_next(struct json_reader *r, void *arg) {
        struct answer *a = arg;
        struct item *next = arena_alloc(&a->items->arena, sizeof(*next));
        int k;

        if (!next)
                return json_fail_memory(r);
        k = wire_read_item(r, next);
        if (k)
                return k;
        if (next->n == 0)
                return json_fail(r, "an empty LastEvaluatedKey");
        a->items->next = next;
        return 0;
}

static int read_count(struct json_reader *r, void *arg) {
        struct answer *a = arg;

        a->has_count = true;
        return shape_count(r, &a->items->count);
}

static int read_scanned(struct json_reader *r, void *arg) {
        return shape_count(r, &((struct answer *)arg)->items->scanned);
}

/* ---- what a batch left ---- */

static int read_left(struct json_reader *r, void *arg) {
        struct answer *a = arg;
        struct ddb_lefts *l = a->left;

        if (l->n == l->cap) {
                uint32_t cap = l->cap ? 2 * l->cap : 8;
                struct ddb_left *v = arena_array(&a->items->arena, cap, sizeof(*v));

                if (!v)
                        return json_fail_memory(r);
                if (l->n > 0)
                        memcpy(v, l->v, l->n * sizeof(*v));
                l->v = v;
                l->cap = cap;
        }
        l->v[l->n] = (struct ddb_left){ .table = a->table };
        return wire_read_item(r, &l->v[l->n++].item);
}

static int read_left_keys(struct json_reader *r, void *arg) {
        return shape_array(r, read_left, arg);
}

static int read_left_gets(struct json_reader *r, void *arg) {
        static const struct shape_member members[] = { { "Keys", read_left_keys } };

        return shape_object(r, members, ARRAY_LEN(members), arg);
}

static int read_unprocessed_keys(struct json_reader *r, void *arg) {
        struct answer *a = arg;

        return shape_map(r, &a->table, read_left_gets, a);
}

static int read_left_put(struct json_reader *r, void *arg) {
        static const struct shape_member members[] = { { "Item", read_left } };

        return shape_object(r, members, ARRAY_LEN(members), arg);
}

static int read_left_delete(struct json_reader *r, void *arg) {
        static const struct shape_member members[] = { { "Key", read_left } };

        return shape_object(r, members, ARRAY_LEN(members), arg);
}

static int read_left_write(struct json_reader *r, void *arg) {
        static const struct shape_member members[] = {
                { "PutRequest", read_left_put },
                { "DeleteRequest", read_left_delete },
        };
        struct answer *a = arg;
        uint32_t n = a->left->n;
        int k;

        k = shape_object(r, members, ARRAY_LEN(members), a);
        /* anything else would pass for processed */
        return k || a->left->n == n + 1 ? k : json_fail(r, "expected one PutRequest or DeleteRequest");
}

static int read_left_writes(struct json_reader *r, void *arg) {
        return shape_array(r, read_left_write, arg);
}

static int read_unprocessed_items(struct json_reader *r, void *arg) {
        struct answer *a = arg;

        return shape_map(r, &a->table, read_left_writes, a);
}

/* ---- the operations ---- */

static int parse(const char *what, const struct shape_member *members, size_t n, struct buf *body, struct answer *a,
                 struct error *reterr) {
        struct json_reader reader;
        struct str text;
        int r;

        *a->usage = (struct ddb_usage){ 0 };
        r = items_adopt(a->items, body, &text);
        if (r)
                return error_set(reterr, ERR_MEMORY, "%s: no room to keep the answer", what);
        json_reader_init(&reader, text, &a->items->arena, JSON_MAX_DEPTH);
        r = shape_document(&reader, what, members, n, a, reterr);
        if (!r && !a->has_count)
                a->items->count = a->items->n;
        return r;
}

static int missing(const char *what, const char *member, struct error *reterr) {
        return error_set(reterr, ERR_PROTOCOL, "%s: the answer has no \"%s\"", what, member);
}

int ddb_parse_get(struct buf *body, struct items *items, struct ddb_usage *usage, struct error *reterr) {
        static const struct shape_member members[] = {
                { "Item", read_item },
                { "ConsumedCapacity", read_usage },
        };
        struct answer a = { .items = items, .usage = usage };

        return parse("GetItem", members, ARRAY_LEN(members), body, &a, reterr);
}

int ddb_parse_page(const char *what, struct buf *body, bool count, struct items *items, struct ddb_usage *usage,
                   struct error *reterr) {
        static const struct shape_member members[] = {
                { "Items", read_items },
                { "LastEvaluatedKey", read_next },
                { "Count", read_count },
                { "ScannedCount", read_scanned },
                { "ConsumedCapacity", read_usage },
        };
        struct answer a = { .items = items, .usage = usage };
        int r;

        r = parse(what, members, ARRAY_LEN(members), body, &a, reterr);
        if (r)
                return r;
        if (!a.has_items && !count)
                return missing(what, "Items", reterr);
        if (!a.has_count && count)
                return missing(what, "Count", reterr);
        if (!count)
                items->count = items->n;
        return 0;
}

int ddb_parse_write(const char *what, struct buf *body, struct items *items, struct ddb_usage *usage,
                    struct error *reterr) {
        static const struct shape_member members[] = {
                { "Attributes", read_item },
                { "ConsumedCapacity", read_usage },
        };
        struct answer a = { .items = items, .usage = usage };

        return parse(what, members, ARRAY_LEN(members), body, &a, reterr);
}

int ddb_parse_batch_get(struct buf *body, struct items *items, struct ddb_lefts *left, struct ddb_usage *usage,
                        struct error *reterr) {
        static const struct shape_member members[] = {
                { "Responses", read_items_of_tables },
                { "UnprocessedKeys", read_unprocessed_keys },
                { "ConsumedCapacity", read_usage },
        };
        struct answer a = { .items = items, .usage = usage, .left = left };

        return parse("BatchGetItem", members, ARRAY_LEN(members), body, &a, reterr);
}

int ddb_parse_batch_write(struct buf *body, struct items *items, struct ddb_lefts *left, struct ddb_usage *usage,
                          struct error *reterr) {
        static const struct shape_member members[] = {
                { "UnprocessedItems", read_unprocessed_items },
                { "ConsumedCapacity", read_usage },
        };
        struct answer a = { .items = items, .usage = usage, .left = left };

        return parse("BatchWriteItem", members, ARRAY_LEN(members), body, &a, reterr);
}

int ddb_parse_transact_get(struct buf *body, uint32_t n, struct items *items, struct ddb_usage *usage,
                           struct error *reterr) {
        static const struct shape_member members[] = {
                { "Responses", read_responses },
                { "ConsumedCapacity", read_usage },
        };
        struct answer a = { .items = items, .usage = usage };
        int r;

        r = parse("TransactGetItems", members, ARRAY_LEN(members), body, &a, reterr);
        if (r)
                return r;
        if (!a.has_items)
                return missing("TransactGetItems", "Responses", reterr);
        if (items->n != n)
                return error_set(reterr, ERR_PROTOCOL, "TransactGetItems: %u answers to %u requests", items->n, n);
        return 0;
}

int ddb_parse_transact_write(struct buf *body, struct items *items, struct ddb_usage *usage, struct error *reterr) {
        static const struct shape_member members[] = { { "ConsumedCapacity", read_usage } };
        struct answer a = { .items = items, .usage = usage };

        return parse("TransactWriteItems", members, ARRAY_LEN(members), body, &a, reterr);
}
