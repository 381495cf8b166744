/* SPDX-License-Identifier: Apache-2.0 */
/* The content of an attribute's file.  The type is known from the item, so no tag says it. */
#include "ddbfs/base/alloc.h"
#include "ddbfs/codec/item_text.h"
#include "plain.h"
#include "rendering.h"

static bool is_raw(enum value_type type) {
        return type == VALUE_S || type == VALUE_B || type == VALUE_N;
}

int attr_text_render(const struct value *v, bool compact, struct buf *out) {
        struct rendering w = { .out = out, .compact = compact };

        if (is_raw(v->type))
                buf_str(out, v->text);
        else if (v->type == VALUE_LARGE)
                render_value(&w, v);
        else
                render_body(&w, v);
        return buf_status(out);
}

/* `echo 5 > ITEM/n` ends in one. */
static struct str without_newline(struct str text) {
        return str_ends(text, STR("\n")) ? str_make(text.p, text.n - 1) : text;
}

static int read_raw(struct reading *g, enum value_type type, struct value *ret) {
        struct json_reader *r = g->r;

        *ret = (struct value){ .type = type, .text = r->text };
        if (type == VALUE_S && !utf8_valid(r->text))
                return reading_fail(g, 0, "the attribute is text (S), and this is not UTF-8");
        if (type != VALUE_N)
                return 0;
        r->value = without_newline(r->text);
        r->token_pos = 0;
        if (r->value.n == 0)
                return reading_fail(g, 0, "the attribute is a number (N), and this is empty");
        return reading_number(g, ret);
}

static int not_of_type(struct reading *g, enum json_token token, enum value_type type, const char *takes) {
        if (token == JSON_ERROR)
                return json_status(g->r);
        return reading_fail(g, g->r->token_pos, "the attribute is of type %s, which takes %s", value_type_name(type), takes);
}

static int read_json(struct reading *g, enum value_type type, struct value *ret) {
        enum json_token token = json_next(g->r);

        *ret = (struct value){ .type = type };
        switch (type) {
        case VALUE_BOOL:
                ret->boolean = token == JSON_TRUE;
                return token == JSON_TRUE || token == JSON_FALSE ? 0 : not_of_type(g, token, type, "true or false");
        case VALUE_NULL:
                return token == JSON_NULL ? 0 : not_of_type(g, token, type, "null");
        case VALUE_L:
                return token == JSON_ARRAY_BEGIN ? reading_list(g, ret) : not_of_type(g, token, type, "an array");
        case VALUE_M:
                return token == JSON_OBJECT_BEGIN ? reading_attributes(g, &ret->attributes, &ret->n)
                                                  : not_of_type(g, token, type, "an object");
        case VALUE_SS:
        case VALUE_NS:
        case VALUE_BS:
                if (token != JSON_ARRAY_BEGIN)
                        return not_of_type(g, token, type, "an array");
                return reading_set(g, token, type,
                                   type == VALUE_SS   ? plain_member_s
                                   : type == VALUE_NS ? plain_member_n
                                                      : plain_member_b,
                                   ret);
        case VALUE_N:
        case VALUE_S:
        case VALUE_B:
        case VALUE_LARGE:
        case _VALUE_TYPE_N:
                break;
        }
        return reading_fail(g, 0, "no such type");
}

int attr_text_parse(struct str text, enum value_type type, struct arena *arena, struct value *ret, struct error *reterr) {
        struct json_reader r;
        _cleanup_(reading_deinit) struct reading g = READING_INIT(&r, plain_value);
        struct value v;
        int k;

        if (text.n > ITEM_TEXT_MAX)
                return error_set(reterr, ERR_TOO_LARGE, "the text has %zu bytes, at most %zu are read", text.n, ITEM_TEXT_MAX);
        json_reader_init(&r, text, arena, JSON_MAX_DEPTH);
        g.level = 1;
        k = is_raw(type) ? read_raw(&g, type, &v) : read_json(&g, type, &v);
        if (!is_raw(type) && k == 0 && json_next(&r) != JSON_END)
                k = json_status(&r);
        if (k) {
                if (reterr)
                        *reterr = r.error;
                return json_status(&r);
        }
        *ret = v;
        return 0;
}
