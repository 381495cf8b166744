/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What DescribeTable says of a table, as the CreateTable request that would make it again.  Pure.
 * What is a state rather than a setting (counts, sizes, times, ARNs, statuses) is left out.
 */
#include <errno.h>
#include "ddbfs/base/json.h"
#include "ddbfs/store/schema.h"

#define REQUEST_MAX (4 * MIB)
#define DEPTH_MAX 32

/* The text of a member's value; empty: there is none. */
static struct str member(struct str object, struct str name, struct arena *a) {
        struct json_reader r;

        json_reader_init(&r, object, a, DEPTH_MAX);
        if (json_next(&r) != JSON_OBJECT_BEGIN)
                return STR_NULL;
        while (json_next(&r) == JSON_KEY) {
                bool found = str_eq(r.value, name);
                size_t from = r.pos, to;

                if (json_skip(&r))
                        return STR_NULL;
                to = r.pos;
                if (!found)
                        continue;
                while (from < to && (object.p[from] == ':' || (unsigned char)object.p[from] <= ' '))
                        from++;
                return str_make(object.p + from, to - from);
        }
        return STR_NULL;
}

static struct str member_of_member(struct str object, struct str name, struct str inner, struct arena *a) {
        struct str o = member(object, name, a);

        return o.n ? member(o, inner, a) : STR_NULL;
}

static void put(struct buf *out, struct str name, struct str value) {
        if (value.n == 0 || str_eq(value, STR("null")))
                return;
        if (out->n > 0 && out->p[out->n - 1] != '{')
                buf_putc(out, ',');
        json_write_string(out, name);
        buf_putc(out, ':');
        buf_str(out, value);
}

static void put_throughput(struct buf *out, struct str object, struct arena *a) {
        struct str t = member(object, STR("ProvisionedThroughput"), a);

        if (t.n == 0)
                return;
        put(out, STR("ProvisionedThroughput"), STR("{"));
        put(out, STR("ReadCapacityUnits"), member(t, STR("ReadCapacityUnits"), a));
        put(out, STR("WriteCapacityUnits"), member(t, STR("WriteCapacityUnits"), a));
        buf_putc(out, '}');
}

static void put_index(struct buf *out, struct str x, bool provisioned, struct arena *a) {
        static const struct str same[] = { { "IndexName", 9 }, { "KeySchema", 9 }, { "Projection", 10 } };

        buf_putc(out, '{');
        for (size_t i = 0; i < ARRAY_LEN(same); i++)
                put(out, same[i], member(x, same[i], a));
        if (provisioned)
                put_throughput(out, x, a);
        else
                put(out, STR("OnDemandThroughput"), member(x, STR("OnDemandThroughput"), a));
        buf_putc(out, '}');
}

static int put_indexes(struct buf *out, struct str name, struct str list, bool provisioned, struct arena *a) {
        struct json_reader r;
        enum json_token t;
        uint32_t n = 0;

        if (list.n == 0)
                return 0;
        json_reader_init(&r, list, a, DEPTH_MAX);
        if (json_next(&r) != JSON_ARRAY_BEGIN)
                return -EINVAL;
        for (;;) {
                size_t from;
                struct json_mark here;

                json_mark(&r, &here);
                t = json_next(&r);
                if (t != JSON_OBJECT_BEGIN)
                        break;
                from = r.token_pos;
                json_rewind(&r, &here);
                if (json_skip(&r))
                        return -EINVAL;
                if (n++ == 0)
                        put(out, name, STR("["));
                else
                        buf_putc(out, ',');
                put_index(out, str_make(list.p + from, r.pos - from), provisioned, a);
        }
        if (n)
                buf_putc(out, ']');
        return t == JSON_ARRAY_END ? 0 : -EINVAL;
}

static void put_encryption(struct buf *out, struct str table, struct arena *a) {
        struct str sse = member(table, STR("SSEDescription"), a), status = member(sse, STR("Status"), a);

        if (!str_eq(status, STR("\"ENABLED\"")) && !str_eq(status, STR("\"ENABLING\"")) && !str_eq(status, STR("\"UPDATING\"")))
                return;
        put(out, STR("SSESpecification"), STR("{"));
        put(out, STR("Enabled"), STR("true"));
        put(out, STR("SSEType"), member(sse, STR("SSEType"), a));
        put(out, STR("KMSMasterKeyId"), member(sse, STR("KMSMasterKeyArn"), a));
        buf_putc(out, '}');
}

/* ---- layout ---- */

static void line(struct buf *out, unsigned depth) {
        buf_putc(out, '\n');
        buf_fill(out, ' ', 2 * (size_t)depth);
}

static int pretty(struct str text, struct buf *out, struct arena *a) {
        struct json_reader r;
        bool first = true, after_key = false;

        json_reader_init(&r, text, a, DEPTH_MAX);
        for (;;) {
                enum json_token t = json_next(&r);
                bool ends = t == JSON_OBJECT_END || t == JSON_ARRAY_END;

                if (t == JSON_END || t == JSON_ERROR)
                        break;
                if (!first && !ends && !after_key)
                        buf_putc(out, ',');
                if (!after_key && !(ends && first) && out->n > 0)
                        line(out, ends ? r.depth : r.depth - (t == JSON_OBJECT_BEGIN || t == JSON_ARRAY_BEGIN));
                if (t == JSON_KEY || t == JSON_STRING)
                        json_write_string(out, r.value);
                else
                        buf_append(out, text.p + r.token_pos, t == JSON_OBJECT_BEGIN || t == JSON_ARRAY_BEGIN || ends ? 1 : r.pos - r.token_pos);
                if (t == JSON_KEY)
                        buf_puts(out, ": ");
                after_key = t == JSON_KEY;
                first = t == JSON_OBJECT_BEGIN || t == JSON_ARRAY_BEGIN;
        }
        buf_putc(out, '\n');
        return json_status(&r) ? json_status(&r) : buf_status(out);
}

int table_create_request(const struct table_schema *s, struct buf *ret) {
        static const struct str before[] = { { "TableName", 9 }, { "AttributeDefinitions", 20 }, { "KeySchema", 9 } };
        _cleanup_(arena_deinit) struct arena a = ARENA_INIT(REQUEST_MAX);
        _cleanup_(buf_deinit) struct buf out = BUF_INIT(REQUEST_MAX);
        struct str t = s->description, mode = member_of_member(t, STR("BillingModeSummary"), STR("BillingMode"), &a);
        bool provisioned = !str_eq(mode, STR("\"PAY_PER_REQUEST\""));
        int r;

        buf_putc(&out, '{');
        for (size_t i = 0; i < ARRAY_LEN(before); i++)
                put(&out, before[i], member(t, before[i], &a));
        put(&out, STR("BillingMode"), provisioned ? STR("\"PROVISIONED\"") : mode);
        if (provisioned)
                put_throughput(&out, t, &a);
        else
                put(&out, STR("OnDemandThroughput"), member(t, STR("OnDemandThroughput"), &a));
        r = put_indexes(&out, STR("LocalSecondaryIndexes"), member(t, STR("LocalSecondaryIndexes"), &a), false, &a);
        if (r == 0)
                r = put_indexes(&out, STR("GlobalSecondaryIndexes"), member(t, STR("GlobalSecondaryIndexes"), &a), provisioned, &a);
        put(&out, STR("StreamSpecification"), member(t, STR("StreamSpecification"), &a));
        put_encryption(&out, t, &a);
        put(&out, STR("TableClass"), member_of_member(t, STR("TableClassSummary"), STR("TableClass"), &a));
        put(&out, STR("DeletionProtectionEnabled"), member(t, STR("DeletionProtectionEnabled"), &a));
        buf_putc(&out, '}');
        if (r == 0)
                r = buf_status(&out);
        return r ? r : pretty(buf_view(&out), ret, &a);
}
