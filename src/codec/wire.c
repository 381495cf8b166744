/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DynamoDB JSON: {"S": "..."} and its kin.
 *
 * An attribute value is an object of exactly one member, whose name is the type.  Engines may send
 * numbers in other than canonical form; here they become canonical.
 */
#include "ddbfs/codec/wire.h"
#include "ddbfs/store/large_ref.h"
#include "reading.h"
#include "rendering.h"
#include "wire_reading.h"

static int expect_string(struct reading *g, enum json_token token, enum value_type type) {
        if (token == JSON_STRING)
                return 0;
        if (token == JSON_ERROR)
                return json_status(g->r);
        return reading_fail(g, g->r->token_pos, "\"%s\" takes a string", value_type_name(type));
}

static int read_s(struct reading *g, enum json_token token, struct value *ret) {
        *ret = (struct value){ .type = VALUE_S, .text = g->r->value };
        return expect_string(g, token, VALUE_S);
}

static int read_n(struct reading *g, enum json_token token, struct value *ret) {
        int k = expect_string(g, token, VALUE_N);

        return k ? k : reading_number(g, ret);
}

static int read_b(struct reading *g, enum json_token token, struct value *ret) {
        int k = expect_string(g, token, VALUE_B);

        return k ? k : reading_binary(g, ret);
}

static int read_null(struct reading *g, enum json_token token, struct value *ret) {
        if (token != JSON_TRUE)
                return token == JSON_ERROR ? json_status(g->r)
                                           : reading_fail(g, g->r->token_pos, "\"NULL\" takes only true");
        *ret = (struct value){ .type = VALUE_NULL };
        return 0;
}

static int read_bool(struct reading *g, enum json_token token, struct value *ret) {
        if (token != JSON_TRUE && token != JSON_FALSE)
                return token == JSON_ERROR ? json_status(g->r)
                                           : reading_fail(g, g->r->token_pos, "\"BOOL\" takes true or false");
        *ret = (struct value){ .type = VALUE_BOOL, .boolean = token == JSON_TRUE };
        return 0;
}

static int read_ss(struct reading *g, enum json_token token, struct value *ret) {
        return reading_set(g, token, VALUE_SS, read_s, ret);
}

static int read_ns(struct reading *g, enum json_token token, struct value *ret) {
        return reading_set(g, token, VALUE_NS, read_n, ret);
}

static int read_bs(struct reading *g, enum json_token token, struct value *ret) {
        return reading_set(g, token, VALUE_BS, read_b, ret);
}

static int read_l(struct reading *g, enum json_token token, struct value *ret) {
        if (token != JSON_ARRAY_BEGIN)
                return token == JSON_ERROR ? json_status(g->r)
                                           : reading_fail(g, g->r->token_pos, "\"L\" takes an array");
        return reading_list(g, ret);
}

static int read_m(struct reading *g, enum json_token token, struct value *ret) {
        ret->type = VALUE_M;
        if (token != JSON_OBJECT_BEGIN)
                return token == JSON_ERROR ? json_status(g->r)
                                           : reading_fail(g, g->r->token_pos, "\"M\" takes an object");
        return reading_attributes(g, &ret->attributes, &ret->n);
}

static value_reader *const readers[_VALUE_TYPE_N] = {
        [VALUE_NULL] = read_null, [VALUE_BOOL] = read_bool, [VALUE_N] = read_n,   [VALUE_S] = read_s,
        [VALUE_B] = read_b,       [VALUE_SS] = read_ss,     [VALUE_NS] = read_ns, [VALUE_BS] = read_bs,
        [VALUE_L] = read_l,       [VALUE_M] = read_m,
};

int wire_reading_value(struct reading *g, enum json_token token, struct value *ret) {
        enum value_type type;
        int k;

        if (token != JSON_OBJECT_BEGIN)
                return token == JSON_ERROR
                               ? json_status(g->r)
                               : reading_fail(g, g->r->token_pos, "expected a typed value such as {\"S\": \"...\"}");
        token = json_next(g->r);
        if (token == JSON_OBJECT_END)
                return reading_fail(g, g->r->token_pos, "the value has no type");
        if (token != JSON_KEY)
                return json_status(g->r);
        if (!value_type_from_name(g->r->value, &type))
                return reading_fail(g, g->r->token_pos, "\"%.*s\" is no type of DynamoDB",
                                    (int)MIN(g->r->value.n, (size_t)16), g->r->value.p);
        k = readers[type](g, json_next(g->r), ret);
        if (k)
                return k;
        token = json_next(g->r);
        if (token == JSON_OBJECT_END)
                return 0;
        return token == JSON_ERROR ? json_status(g->r)
                                   : reading_fail(g, g->r->token_pos, "the value has more than one type");
}

int wire_read_value(struct json_reader *r, struct value *ret) {
        _cleanup_(reading_deinit) struct reading g = READING_INIT(r, wire_reading_value);

        g.level = 1;
        return wire_reading_value(&g, json_next(r), ret);
}

int wire_read_item(struct json_reader *r, struct item *ret) {
        _cleanup_(reading_deinit) struct reading g = READING_INIT(r, wire_reading_value);
        enum json_token token = json_next(r);
        int k;

        if (token != JSON_OBJECT_BEGIN)
                return token == JSON_ERROR ? json_status(r) : json_fail(r, "an item is a JSON object");
        k = reading_attributes(&g, &ret->attributes, &ret->n);
        return k ? k : large_refs_of_item(ret, false, r->arena) ? json_fail_memory(r) : 0;
}

/* ---- writing ---- */

void wire_write_value(struct buf *out, const struct value *v) {
        struct rendering w = { .out = out, .compact = true, .dynamodb = true, .stored = true };

        render_value(&w, v);
}

void wire_write_item(struct buf *out, const struct item *item) {
        struct rendering w = { .out = out, .compact = true, .dynamodb = true, .stored = true };

        render_attributes(&w, item->attributes, item->n);
}

void wire_write_key(struct buf *out, const struct key_part *parts, const struct str *names, uint32_t n) {
        buf_putc(out, '{');
        for (uint32_t i = 0; i < n; i++) {
                if (i > 0)
                        buf_putc(out, ',');
                json_write_string(out, names[i]);
                buf_putc(out, ':');
                wire_write_value(out, &(struct value){ .type = parts[i].type, .text = parts[i].text });
        }
        buf_putc(out, '}');
}
