/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values to JSON text.
 *
 * Each value is a body (string, literal, list or object) and perhaps a tag around it.  The tag is the
 * type in DynamoDB's format; in the plain format it is what JSON cannot say by itself.  Tags take no
 * line of their own.  Failures stay in the buffer.
 */
#include <stdio.h>
#include "ddbfs/base/encode.h"
#include "ddbfs/base/json.h"
#include "ddbfs/store/large_ref.h"
#include "ddbfs/store/number.h"
#include "rendering.h"

static void new_line(struct rendering *w) {
        if (w->compact)
                return;
        buf_putc(w->out, '\n');
        buf_fill(w->out, ' ', (size_t)w->indent * 2);
}

void render_open(struct rendering *w, char bracket) {
        buf_putc(w->out, bracket);
        w->indent++;
}

void render_close(struct rendering *w, char bracket) {
        w->indent--;
        new_line(w);
        buf_putc(w->out, bracket);
}

static void colon(struct rendering *w) {
        buf_append(w->out, ": ", w->compact ? 1 : 2);
}

void render_attribute(struct rendering *w, const struct attribute *a, bool first) {
        if (!first)
                buf_putc(w->out, ',');
        new_line(w);
        json_write_string(w->out, a->name);
        colon(w);
        render_value(w, &a->value);
}

void render_attributes(struct rendering *w, const struct attribute *a, uint32_t n) {
        if (n == 0) {
                buf_append(w->out, "{}", 2);
                return;
        }
        render_open(w, '{');
        for (uint32_t i = 0; i < n; i++)
                render_attribute(w, &a[i], i == 0);
        render_close(w, '}');
}

static void render_binary(struct rendering *w, const struct value *v) {
        buf_putc(w->out, '"');
        base64_encode(w->out, v->text);
        buf_putc(w->out, '"');
}

static void render_string(struct rendering *w, const struct value *v) {
        json_write_string(w->out, v->text);
}

/* A literal where a double carries it, else quoted; in DynamoDB's format always quoted. */
static void render_number(struct rendering *w, const struct value *v) {
        bool quoted = w->dynamodb || !number_fits_double(v->text);

        if (quoted)
                buf_putc(w->out, '"');
        buf_str(w->out, v->text);
        if (quoted)
                buf_putc(w->out, '"');
}

static void render_null(struct rendering *w, const struct value *v) {
        (void)v;
        buf_puts(w->out, w->dynamodb ? "true" : "null");
}

static void render_bool(struct rendering *w, const struct value *v) {
        buf_puts(w->out, v->boolean ? "true" : "false");
}

typedef void renderer(struct rendering *w, const struct value *v);

static void render_elements(struct rendering *w, const struct value *v, renderer *element) {
        if (v->n == 0) {
                buf_append(w->out, "[]", 2);
                return;
        }
        render_open(w, '[');
        for (uint32_t i = 0; i < v->n; i++) {
                if (i > 0)
                        buf_putc(w->out, ',');
                new_line(w);
                element(w, &v->elements[i]);
        }
        render_close(w, ']');
}

static void render_ss(struct rendering *w, const struct value *v) {
        render_elements(w, v, render_string);
}

static void render_ns(struct rendering *w, const struct value *v) {
        render_elements(w, v, render_number);
}

static void render_bs(struct rendering *w, const struct value *v) {
        render_elements(w, v, render_binary);
}

static void render_l(struct rendering *w, const struct value *v) {
        render_elements(w, v, render_value);
}

static void render_m(struct rendering *w, const struct value *v) {
        render_attributes(w, v->attributes, v->n);
}

static void render_large(struct rendering *w, const struct value *v) {
        char hex[2 * LARGE_SHA256_LEN], size[24];
        struct large_map m;
        struct value map;

        if (w->dynamodb) {
                large_ref_to_map(v->large, &m, &map);
                render_m(w, &map);
                return;
        }
        (void)snprintf(size, sizeof(size), "%llu", (unsigned long long)v->large->size);
        large_sha256_write(v->large->sha256, hex);
        render_attributes(w, (const struct attribute[]){
                { .name = STR("size"), .value = { .type = VALUE_N, .text = str_of(size) } },
                { .name = STR("sha256"), .value = { .type = VALUE_S, .text = str_make(hex, sizeof(hex)) } } }, 2);
}

static const struct {
        renderer *body;
        const char *tag; /* in the plain format */
} kinds[_VALUE_TYPE_N] = {
        [VALUE_NULL] = { .body = render_null },
        [VALUE_BOOL] = { .body = render_bool },
        [VALUE_N] = { .body = render_number, .tag = "$n" },
        [VALUE_S] = { .body = render_string },
        [VALUE_B] = { .body = render_binary, .tag = "$b" },
        [VALUE_SS] = { .body = render_ss, .tag = "$ss" },
        [VALUE_NS] = { .body = render_ns, .tag = "$ns" },
        [VALUE_BS] = { .body = render_bs, .tag = "$bs" },
        [VALUE_L] = { .body = render_l },
        [VALUE_M] = { .body = render_m, .tag = "$m" },
        [VALUE_LARGE] = { .body = render_large, .tag = "$s3" },
};

/* NULL: none. */
static const char *tag_of(const struct rendering *w, const struct value *v) {
        if (w->dynamodb)
                return value_type_name(v->type == VALUE_LARGE ? VALUE_M : v->type);
        if (v->type == VALUE_N && number_fits_double(v->text))
                return NULL;
        if (v->type == VALUE_M && !(v->n == 1 && str_starts(v->attributes[0].name, STR("$"))))
                return NULL;
        return kinds[v->type].tag;
}

void render_body(struct rendering *w, const struct value *v) {
        if ((unsigned)v->type < _VALUE_TYPE_N)
                kinds[v->type].body(w, v);
}

void render_value(struct rendering *w, const struct value *v) {
        const char *tag;

        if ((unsigned)v->type >= _VALUE_TYPE_N)
                return;
        if (v->type == VALUE_LARGE && v->large->inlined && !w->stored) {
                render_value(w, &(struct value){ .type = v->large->type, .text = v->large->content });
                return;
        }
        tag = tag_of(w, v);
        if (tag) {
                buf_append(w->out, "{\"", 2);
                buf_puts(w->out, tag);
                buf_putc(w->out, '"');
                colon(w);
        }
        kinds[v->type].body(w, v);
        if (tag)
                buf_putc(w->out, '}');
}
