/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Items as file text: the plain format's reader, keys, and the two entry points.
 *
 * In the plain format an object whose only key begins with "$" is a tag, everywhere but at the top of an
 * item.  Whether a key is the only one shows at the object's end, so such an object is looked at twice.
 */
#include <stdio.h>
#include "ddbfs/codec/item_text.h"
#include "ddbfs/codec/keyname.h"
#include "ddbfs/store/large_ref.h"
#include "plain.h"
#include "reading.h"
#include "rendering.h"
#include "wire_reading.h"

/* ---- tags ---- */

static int fail_tag(struct reading *g, enum json_token token, const char *format, const char *tag) {
        if (token == JSON_ERROR)
                return json_status(g->r);
        return reading_fail(g, g->r->token_pos, "\"%s\" takes %s", tag, format);
}

static int tag_n(struct reading *g, enum json_token token, struct value *ret) {
        if (token != JSON_STRING)
                return fail_tag(g, token, "a number in quotes", "$n");
        return reading_number(g, ret);
}

static int tag_b(struct reading *g, enum json_token token, struct value *ret) {
        if (token != JSON_STRING)
                return fail_tag(g, token, "a base64 string", "$b");
        return reading_binary(g, ret);
}

static int tag_m(struct reading *g, enum json_token token, struct value *ret) {
        struct large_ref reserved;
        size_t pos;
        int k;

        ret->type = VALUE_M;
        if (token != JSON_OBJECT_BEGIN)
                return fail_tag(g, token, "an object", "$m");
        pos = g->r->token_pos;
        k = reading_attributes(g, &ret->attributes, &ret->n);
        if (k == 0 && large_ref_from_map(ret, false, &reserved))
                return reading_fail(g, pos, "this map is how ddbfs refers to S3; what is there is kept by {\"$s3\": ...}");
        return k;
}

int plain_member_s(struct reading *g, enum json_token token, struct value *ret) {
        if (token != JSON_STRING)
                return fail_tag(g, token, "strings", "$ss");
        *ret = (struct value){ .type = VALUE_S, .text = g->r->value };
        return 0;
}

/* A literal, or the digits in quotes where a double could not carry them. */
int plain_member_n(struct reading *g, enum json_token token, struct value *ret) {
        if (token != JSON_STRING && token != JSON_NUMBER)
                return fail_tag(g, token, "numbers", "$ns");
        return reading_number(g, ret);
}

int plain_member_b(struct reading *g, enum json_token token, struct value *ret) {
        if (token != JSON_STRING)
                return fail_tag(g, token, "base64 strings", "$bs");
        return reading_binary(g, ret);
}

static int tag_ss(struct reading *g, enum json_token token, struct value *ret) {
        return reading_set(g, token, VALUE_SS, plain_member_s, ret);
}

static int tag_ns(struct reading *g, enum json_token token, struct value *ret) {
        return reading_set(g, token, VALUE_NS, plain_member_n, ret);
}

static int tag_bs(struct reading *g, enum json_token token, struct value *ret) {
        return reading_set(g, token, VALUE_BS, plain_member_b, ret);
}

/* One member of $s3, whose key was the last token. */
static int read_s3_member(struct reading *g, struct large_ref *l, bool *has_size, bool *has_sha256) {
        bool size = str_eq(g->r->value, STR("size")), sha = str_eq(g->r->value, STR("sha256"));
        enum json_token token;

        if ((size && *has_size) || (sha && *has_sha256) || (!size && !sha))
                return reading_fail(g, g->r->token_pos, "\"$s3\" has \"size\" and \"sha256\", each once");
        token = json_next(g->r);
        if (token == JSON_ERROR)
                return json_status(g->r);
        if (size ? token != JSON_NUMBER || !large_size_read(g->r->value, &l->size)
                 : token != JSON_STRING || !large_sha256_read(g->r->value, l->sha256))
                return reading_fail(g, g->r->token_pos, size ? "no size of an object: its bytes as a whole number"
                                                             : "no SHA-256: 64 hexadecimal digits, lower case");
        *has_size = *has_size || size;
        *has_sha256 = *has_sha256 || sha;
        return 0;
}

/* A claim: it stands for the content that is in S3 already. */
static int tag_s3(struct reading *g, enum json_token token, struct value *ret) {
        struct large_ref *l = arena_alloc(g->r->arena, sizeof(*l));
        bool has_size = false, has_sha256 = false;
        int k;

        if (!l)
                return json_fail_memory(g->r);
        if (token != JSON_OBJECT_BEGIN)
                return fail_tag(g, token, "an object", "$s3");
        if (g->level != 1)
                return reading_fail(g, g->r->token_pos, "only an attribute of the item itself can be in S3");
        *l = (struct large_ref){ .type = VALUE_NULL };
        while ((token = json_next(g->r)) == JSON_KEY) {
                k = read_s3_member(g, l, &has_size, &has_sha256);
                if (k)
                        return k;
        }
        if (token != JSON_OBJECT_END)
                return json_status(g->r);
        if (!has_size || !has_sha256)
                return reading_fail(g, g->r->token_pos, "\"$s3\" has \"size\" and \"sha256\", each once");
        *ret = (struct value){ .type = VALUE_LARGE, .large = l };
        return 0;
}

static const struct {
        const char *name;
        value_reader *read;
} tags[] = {
        { "$n", tag_n }, { "$b", tag_b }, { "$ss", tag_ss }, { "$ns", tag_ns }, { "$bs", tag_bs }, { "$m", tag_m },
        { "$s3", tag_s3 },
};

/* Behind the key of a tag, which was at key_pos. */
static int read_tag(struct reading *g, struct str name, size_t key_pos, struct value *ret) {
        for (size_t i = 0; i < ARRAY_LEN(tags); i++) {
                int k;

                if (!str_eq(name, str_of(tags[i].name)))
                        continue;
                k = tags[i].read(g, json_next(g->r), ret);
                if (k)
                        return k;
                return json_next(g->r) == JSON_OBJECT_END ? 0 : json_status(g->r);
        }
        return reading_fail(g, key_pos,
                            "unknown tag \"%.*s\" (a map of only this attribute is written {\"$m\": {...}})",
                            (int)MIN(name.n, (size_t)32), name.p);
}

/* An object whose '{' was the last token: a tag or a map. */
static int read_object(struct reading *g, struct value *ret) {
        size_t object_pos = g->r->token_pos;
        struct json_mark value;
        enum json_token token;
        int k;

        token = json_next(g->r);
        if (token == JSON_ERROR)
                return json_status(g->r);
        if (token == JSON_KEY && str_starts(g->r->value, STR("$"))) {
                json_mark(g->r, &value);
                k = json_skip(g->r);
                if (k)
                        return k;
                token = json_next(g->r);
                if (token == JSON_ERROR)
                        return json_status(g->r);
                json_rewind(g->r, &value); /* the first key is the last token again */
                if (token == JSON_OBJECT_END)
                        return read_tag(g, value.value, value.token_pos, ret);
        }
        ret->type = VALUE_M;
        return reading_attributes_from(g, token, object_pos, &ret->attributes, &ret->n);
}

int plain_value(struct reading *g, enum json_token token, struct value *ret) {
        switch (token) {
        case JSON_STRING:
                *ret = (struct value){ .type = VALUE_S, .text = g->r->value };
                return 0;
        case JSON_NUMBER:
                return reading_number(g, ret);
        case JSON_TRUE:
        case JSON_FALSE:
                *ret = (struct value){ .type = VALUE_BOOL, .boolean = token == JSON_TRUE };
                return 0;
        case JSON_NULL:
                *ret = (struct value){ .type = VALUE_NULL };
                return 0;
        case JSON_ARRAY_BEGIN:
                return reading_list(g, ret);
        case JSON_OBJECT_BEGIN:
                return read_object(g, ret);
        default:
                return json_status(g->r);
        }
}

/* ---- keys ---- */

struct keying {
        struct reading *g;
        size_t object_pos; /* of the item in the text */
        const struct key_schema *schema;
        const struct key *path; /* may be NULL */
        bool strict;
};

static int fail_key(const struct keying *c, struct str name, const char *what) {
        size_t pos = reading_locate(c->g, c->object_pos, name, 1);

        return reading_fail(c->g, pos, "key attribute \"%.*s\" %s", (int)name.n, name.p, what);
}

/* Does the text's own key attribute do, where the path says nothing? */
static int check_own_key(const struct keying *c, uint32_t i, const struct value *v) {
        const struct key_attr *attr = &c->schema->attrs[i];
        struct key_part part = { .type = v->type, .text = v->text };
        bool range = i >= c->schema->n_hash;

        if (keyname_key_valid(&part, range))
                return 0;
        if (v->text.n == 0)
                return fail_key(c, attr->name, "is empty");
        return fail_key(c, attr->name, range ? "is longer than 1,024 bytes" : "is longer than 2,048 bytes");
}

/* Bring key attribute i of the item in line with the path; *ret_missing when it has to be added. */
static int settle_key(const struct keying *c, const struct item *item, uint32_t i, bool *ret_missing) {
        const struct key_attr *attr = &c->schema->attrs[i];
        const struct key_part *part = c->path && i < c->path->n ? &c->path->parts[i] : NULL;
        struct value *v = NULL;

        for (uint32_t j = 0; j < item->n && !v; j++)
                if (str_eq(item->attributes[j].name, attr->name))
                        v = &item->attributes[j].value;
        *ret_missing = !v;
        if (!v)
                return part ? 0 : fail_key(c, attr->name, "is missing");
        if (v->type != attr->type) {
                char what[48];

                (void)snprintf(what, sizeof(what), "is of type %s, not %s", value_type_name(v->type),
                               value_type_name(attr->type));
                return fail_key(c, attr->name, what);
        }
        if (!part)
                return check_own_key(c, i, v);
        if (str_eq(v->text, part->text))
                return 0;
        if (c->strict)
                return fail_key(c, attr->name, "differs from the file's name");
        return arena_dup(c->g->r->arena, part->text, &v->text) ? json_fail_memory(c->g->r) : 0;
}

/* Add the key attributes marked missing. */
static int add_keys(const struct keying *c, struct item *item, const bool *missing, uint32_t n_missing) {
        struct arena *arena = c->g->r->arena;
        struct attribute *all = arena_array(arena, item->n + n_missing, sizeof(*all));
        uint32_t n = item->n;

        if (!all)
                return json_fail_memory(c->g->r);
        if (n > 0)
                memcpy(all, item->attributes, n * sizeof(*all));
        for (uint32_t i = 0; i < c->schema->n_hash + c->schema->n_range; i++) {
                if (!missing[i])
                        continue;
                all[n].value = (struct value){ .type = c->schema->attrs[i].type };
                if (arena_dup(arena, c->schema->attrs[i].name, &all[n].name) ||
                    arena_dup(arena, c->path->parts[i].text, &all[n].value.text))
                        return json_fail_memory(c->g->r);
                n++;
        }
        item->attributes = all;
        item->n = n;
        return attributes_sort(all, n, NULL) ? reading_fail(c->g, c->object_pos, "the table's key is ambiguous") : 0;
}

static int settle_keys(const struct keying *c, struct item *item) {
        bool missing[KEY_ATTRS_MAX] = { false };
        uint32_t n_missing = 0;

        for (uint32_t i = 0; i < c->schema->n_hash + c->schema->n_range && i < KEY_ATTRS_MAX; i++) {
                int k = settle_key(c, item, i, &missing[i]);

                if (k)
                        return k;
                n_missing += missing[i];
        }
        return n_missing ? add_keys(c, item, missing, n_missing) : 0;
}

/* ---- whole texts ---- */

static int check_text_size(struct str text, struct error *reterr) {
        if (text.n <= ITEM_TEXT_MAX)
                return 0;
        return error_set(reterr, ERR_TOO_LARGE, "the text has %zu bytes, at most %zu are read", text.n, ITEM_TEXT_MAX);
}

static int give_error(const struct json_reader *r, struct error *reterr) {
        if (reterr)
                *reterr = r->error;
        return json_status(r);
}

static int parse_item(struct reading *g, const struct key_schema *key, const struct key *path_key, bool strict,
                      struct item *ret) {
        enum json_token token = json_next(g->r);
        struct keying c = { .g = g, .object_pos = g->r->token_pos, .schema = key, .path = path_key, .strict = strict };
        int k;

        if (token == JSON_ERROR)
                return json_status(g->r);
        if (token != JSON_OBJECT_BEGIN)
                return json_fail(g->r, "an item is a JSON object");
        k = reading_attributes(g, &ret->attributes, &ret->n);
        if (k)
                return k;
        if (json_next(g->r) != JSON_END)
                return json_status(g->r);
        return key ? settle_keys(&c, ret) : 0;
}

int item_text_parse(struct str text, const struct key_schema *key, const struct key *path_key,
                    const struct item_text_options *o, struct arena *arena, struct item *ret, struct error *reterr) {
        struct json_reader r;
        _cleanup_(reading_deinit) struct reading g =
                READING_INIT(&r, o->format == ITEM_FORMAT_DYNAMODB ? wire_reading_value : plain_value);
        struct item item = { 0 };
        size_t size;
        int k;

        k = check_text_size(text, reterr);
        if (k)
                return k;
        json_reader_init(&r, text, arena, JSON_MAX_DEPTH);
        k = parse_item(&g, key, path_key, o->strict_keys, &item);
        if (k == 0 && o->format == ITEM_FORMAT_DYNAMODB && large_refs_of_item(&item, true, arena))
                k = json_fail_memory(&r);
        if (k)
                return give_error(&r, reterr);
        size = o->any_size ? 0 : item_size(&item);
        if (size > ITEM_SIZE_MAX)
                return error_set(reterr, ERR_TOO_LARGE, "the item has %zu bytes, DynamoDB takes %zu", size,
                                 ITEM_SIZE_MAX);
        *ret = item;
        return 0;
}

int value_text_parse(struct str text, struct arena *arena, struct value *ret, struct error *reterr) {
        struct json_reader r;
        _cleanup_(reading_deinit) struct reading g = READING_INIT(&r, plain_value);
        struct value v;
        int k;

        k = check_text_size(text, reterr);
        if (k)
                return k;
        json_reader_init(&r, text, arena, JSON_MAX_DEPTH);
        g.level = 1;
        if (plain_value(&g, json_next(&r), &v) || json_next(&r) != JSON_END)
                return give_error(&r, reterr);
        *ret = v;
        return 0;
}

/* ---- rendering ---- */

int item_text_render(const struct item *item, const struct key_schema *key, const struct item_text_options *o,
                     struct buf *out) {
        struct rendering w = { .out = out, .compact = o->compact, .dynamodb = o->format == ITEM_FORMAT_DYNAMODB };
        uint32_t n = key ? MIN(key->n_hash + key->n_range, (uint32_t)KEY_ATTRS_MAX) : 0;
        const struct value *done[KEY_ATTRS_MAX];
        uint32_t n_done = 0;

        if (item->n == 0)
                render_attributes(&w, NULL, 0);
        else
                render_open(&w, '{');
        for (uint32_t i = 0; i < n; i++) {
                const struct value *v = item_get(item, key->attrs[i].name);

                if (!v)
                        continue;
                render_attribute(&w, &(struct attribute){ .name = key->attrs[i].name, .value = *v }, n_done == 0);
                done[n_done++] = v;
        }
        for (uint32_t i = 0, j, rendered = n_done; i < item->n; i++) {
                for (j = 0; j < n_done && done[j] != &item->attributes[i].value; j++)
                        ;
                if (j == n_done)
                        render_attribute(&w, &item->attributes[i], rendered++ == 0);
        }
        if (item->n > 0)
                render_close(&w, '}');
        buf_putc(out, '\n');
        return buf_status(out);
}

int value_text_render(const struct value *v, bool compact, struct buf *out) {
        struct rendering w = { .out = out, .compact = compact };

        render_value(&w, v);
        return buf_status(out);
}
