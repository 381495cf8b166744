/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Request bodies of one operation each (ddb_requests_many.c has batches and transactions).  Pure.
 * Invariant: a request that contradicts its schema is -EINVAL, never a malformed body.
 */
#include "ddbfs/ddb/requests.h"

#include <errno.h>

#include "ddb_requests.h"
#include "ddbfs/base/json.h"
#include "ddbfs/codec/wire.h"
#include "ddbfs/store/large_ref.h"

#define ASK_CAPACITY ",\"ReturnConsumedCapacity\":\"TOTAL\"}"

static void put_table(struct buf *out, const struct table_schema *t) {
        buf_puts(out, "\"TableName\":");
        json_write_string(out, table_address(t));
}

static void put_index(struct buf *out, const struct table_schema *t, const struct index_schema *index) {
        put_table(out, t);
        if (index) {
                buf_puts(out, ",\"IndexName\":");
                json_write_string(out, index->name);
        }
}

int ddb_put_key(struct buf *out, const struct table_schema *t, const struct key *key) {
        struct str names[KEY_ATTRS_MAX];

        if (!key_matches(&t->key, key))
                return -EINVAL;
        for (uint32_t i = 0; i < key->n; i++)
                names[i] = t->key.attrs[i].name;
        wire_write_key(out, key->parts, names, key->n);
        return 0;
}

void ddb_presize(struct buf *out, size_t n) {
        /* a hint: a buffer that cannot grow that far fails where it is really needed */
        if (n <= out->max - MIN(out->n, out->max))
                buf_reserve(out, n);
}

/* An upper bound in all but odd cases (many escapes). */
size_t ddb_item_room(const struct item *item) {
        return item_size(item) / 3 * 4 + 16 * (size_t)item->n + 64;
}

int ddb_put_get(const struct get_request *q, struct buf *out) {
        _cleanup_(expr_deinit) struct expr e = { 0 };
        int r;

        r = expr_init(&e, out, q->n_projection, 0);
        if (r)
                return r;
        put_table(out, q->table);
        buf_puts(out, ",\"Key\":");
        r = ddb_put_key(out, q->table, &q->key);
        if (r)
                return r;
        expr_projection(&e, q->projection, q->n_projection);
        return expr_finish(&e);
}

int ddb_request_get(const struct get_request *q, struct buf *out) {
        int r;

        ddb_presize(out, 1024);
        buf_putc(out, '{');
        r = ddb_put_get(q, out);
        if (r)
                return r;
        if (q->consistent)
                buf_puts(out, ",\"ConsistentRead\":true");
        buf_puts(out, ASK_CAPACITY);
        return buf_status(out);
}

/* ---- query and scan ---- */

static bool query_valid(const struct query_request *q, const struct key_schema *k) {
        if (q->hash.n != k->n_hash || q->range.n > k->n_range)
                return false;
        for (uint32_t i = 0; i < q->hash.n; i++)
                if (q->hash.parts[i].type != k->attrs[i].type)
                        return false;
        for (uint32_t i = 0; i < q->range.n; i++)
                if (q->range.parts[i].type != k->attrs[k->n_hash + i].type)
                        return false;
        if (q->range_op == RANGE_ANY)
                return true;
        if (q->range.n == 0)
                return false;
        if (q->range_op == RANGE_BEGINS_WITH)
                return q->range.parts[q->range.n - 1].type != VALUE_N;
        return q->range_op != RANGE_BETWEEN || q->range_end.type == q->range.parts[q->range.n - 1].type;
}

static void put_range(const struct query_request *q, const struct key_schema *k, struct expr *e) {
        static const struct {
                const char *before, *middle, *after;
        } text[] = {
                [RANGE_ANY] = { "", "=", "" },
                [RANGE_EQ] = { "", "=", "" },
                [RANGE_BEGINS_WITH] = { "begins_with(", ",", ")" },
                [RANGE_BETWEEN] = { "", " BETWEEN ", " AND " },
                [RANGE_GE] = { "", ">=", "" },
                [RANGE_LE] = { "", "<=", "" },
                [RANGE_GT] = { "", ">", "" },
                [RANGE_LT] = { "", "<", "" },
        };

        for (uint32_t i = 0; i < q->range.n; i++) {
                enum range_op op = i + 1 < q->range.n ? RANGE_EQ : q->range_op;

                buf_puts(e->out, " AND ");
                buf_puts(e->out, text[op].before);
                expr_name(e, k->attrs[k->n_hash + i].name);
                buf_puts(e->out, text[op].middle);
                expr_key_part(e, &q->range.parts[i]);
                buf_puts(e->out, text[op].after);
                if (op == RANGE_BETWEEN)
                        expr_key_part(e, &q->range_end);
        }
}

static void put_key_condition(const struct query_request *q, const struct key_schema *k, struct expr *e) {
        buf_puts(e->out, ",\"KeyConditionExpression\":\"");
        for (uint32_t i = 0; i < q->hash.n; i++) {
                if (i)
                        buf_puts(e->out, " AND ");
                expr_name(e, k->attrs[i].name);
                buf_putc(e->out, '=');
                expr_key_part(e, &q->hash.parts[i]);
        }
        put_range(q, k, e);
        buf_putc(e->out, '"');
}

/* The members a Query and a Scan share, behind their expressions. */
static void put_page(struct buf *out, bool consistent, bool count, uint32_t limit, const struct item *start) {
        if (consistent)
                buf_puts(out, ",\"ConsistentRead\":true");
        if (count)
                buf_puts(out, ",\"Select\":\"COUNT\"");
        if (limit)
                buf_printf(out, ",\"Limit\":%u", limit);
        if (start) {
                buf_puts(out, ",\"ExclusiveStartKey\":");
                wire_write_item(out, start);
        }
        buf_puts(out, ASK_CAPACITY);
}

int ddb_request_query(const struct query_request *q, struct buf *out) {
        const struct key_schema *k = q->index ? &q->index->key : &q->table->key;
        uint32_t n_projection = q->count ? 0 : q->n_projection; /* the service refuses both together */
        _cleanup_(expr_deinit) struct expr e = { 0 };
        int r;

        if (!query_valid(q, k))
                return -EINVAL;
        r = expr_init(&e, out, (uint64_t)q->hash.n + q->range.n + 2 * (uint64_t)q->n_filters + n_projection,
                      (uint64_t)q->hash.n + q->range.n + 1 + 2 * (uint64_t)q->n_filters);
        if (r)
                return r;

        ddb_presize(out, 2048);
        buf_putc(out, '{');
        put_index(out, q->table, q->index);
        put_key_condition(q, k, &e);
        expr_filters(&e, q->filters, q->n_filters);
        expr_projection(&e, q->projection, n_projection);
        r = expr_finish(&e);
        if (r)
                return r;
        if (q->reverse)
                buf_puts(out, ",\"ScanIndexForward\":false");
        put_page(out, q->consistent, q->count, q->limit, q->start);
        return buf_status(out);
}

int ddb_request_scan(const struct scan_request *q, struct buf *out) {
        uint32_t n_projection = q->count ? 0 : q->n_projection;
        _cleanup_(expr_deinit) struct expr e = { 0 };
        int r;

        if (q->total_segments > 0 && q->segment >= q->total_segments)
                return -EINVAL;
        r = expr_init(&e, out, 2 * (uint64_t)q->n_filters + n_projection, 2 * (uint64_t)q->n_filters);
        if (r)
                return r;

        ddb_presize(out, 1024);
        buf_putc(out, '{');
        put_index(out, q->table, q->index);
        expr_filters(&e, q->filters, q->n_filters);
        expr_projection(&e, q->projection, n_projection);
        r = expr_finish(&e);
        if (r)
                return r;
        if (q->total_segments > 0)
                buf_printf(out, ",\"Segment\":%u,\"TotalSegments\":%u", q->segment, q->total_segments);
        put_page(out, q->consistent, q->count, q->limit, q->start);
        return buf_status(out);
}

/* ---- writes ---- */

const char *ddb_write_operation(enum write_op op) {
        static const char *const names[] = {
                [WRITE_PUT] = "PutItem",
                [WRITE_UPDATE] = "UpdateItem",
                [WRITE_DELETE] = "DeleteItem",
                [WRITE_CHECK] = NULL,
        };

        return names[op];
}

bool ddb_has_claim(const struct attribute *a, uint32_t n) {
        for (uint32_t i = 0; i < n; i++)
                if (a[i].value.type == VALUE_LARGE && large_ref_is_claim(a[i].value.large))
                        return true;
        return false;
}

int ddb_put_write(const struct write *w, struct buf *out) {
        uint64_t n = w->op == WRITE_UPDATE ? (uint64_t)w->n_set + w->n_remove : 0;
        _cleanup_(expr_deinit) struct expr e = { 0 };
        int r;

        if (ddb_has_claim(w->set, w->n_set) || (w->op == WRITE_PUT && ddb_has_claim(w->item->attributes, w->item->n)))
                return -EINVAL;
        r = expr_init(&e, out, n + w->n_conditions, (uint64_t)(w->op == WRITE_UPDATE ? w->n_set : 0) + w->n_conditions);
        if (r)
                return r;
        put_table(out, w->table);
        if (w->op == WRITE_PUT) {
                buf_puts(out, ",\"Item\":");
                wire_write_item(out, w->item);
        } else {
                buf_puts(out, ",\"Key\":");
                r = ddb_put_key(out, w->table, &w->key);
                if (r)
                        return r;
        }
        if (w->op == WRITE_UPDATE)
                expr_update(&e, w);
        expr_conditions(&e, w->conditions, w->n_conditions);
        return expr_finish(&e);
}

/* About what the body of one write takes. */
size_t ddb_write_room(const struct write *w) {
        struct write_measure m = write_measure(w);

        return 512 + m.update_len + m.condition_len + m.placeholder_bytes / 3 * 4 +
               32 * ((size_t)w->n_set + w->n_remove + w->n_conditions) +
               (w->op == WRITE_PUT ? ddb_item_room(w->item) : 0);
}

int ddb_request_write(const struct write *w, bool all_new, struct buf *out) {
        int r;

        if (!ddb_write_operation(w->op))
                return -EINVAL;
        ddb_presize(out, ddb_write_room(w));
        buf_putc(out, '{');
        r = ddb_put_write(w, out);
        if (r)
                return r;
        if (w->return_old)
                buf_puts(out, ",\"ReturnValues\":\"ALL_OLD\"");
        else if (w->op == WRITE_UPDATE && all_new)
                buf_puts(out, ",\"ReturnValues\":\"ALL_NEW\"");
        buf_puts(out, ASK_CAPACITY);
        return buf_status(out);
}

/* ---- tables ---- */

int ddb_request_list_tables(struct str start, struct buf *out) {
        buf_puts(out, "{\"Limit\":100");
        if (start.n > 0) {
                buf_puts(out, ",\"ExclusiveStartTableName\":");
                json_write_string(out, start);
        }
        buf_putc(out, '}');
        return buf_status(out);
}

int ddb_request_describe(struct str table, struct buf *out) {
        buf_puts(out, "{\"TableName\":");
        json_write_string(out, table);
        buf_putc(out, '}');
        return buf_status(out);
}
