/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Expressions and their placeholders.  Expressions hold nothing but keywords and placeholders, so they need no
 * JSON escapes.  Their lengths are mirrored by write_measure() in store/store.c.
 */
#include "ddb_expr.h"

#include <errno.h>

#include "ddbfs/base/json.h"
#include "ddbfs/codec/wire.h"

int expr_init(struct expr *e, struct buf *out, uint64_t max_names, uint64_t max_values) {
        *e = (struct expr){ .out = out };
        if (max_names > UINT32_MAX || max_values > UINT32_MAX)
                return -EINVAL;
        e->names = max_names ? mem_calloc(max_names, sizeof(*e->names)) : NULL;
        e->values = max_values ? mem_calloc(max_values, sizeof(*e->values)) : NULL;
        if ((max_names && !e->names) || (max_values && !e->values)) {
                expr_deinit(e);
                return -ENOMEM;
        }
        e->cap_names = (uint32_t)max_names;
        e->cap_values = (uint32_t)max_values;
        return 0;
}

void expr_deinit(struct expr *e) {
        e->names = mem_free(e->names);
        e->values = mem_free(e->values);
        e->cap_names = e->cap_values = e->n_names = e->n_values = 0;
}

static void put_alias(struct buf *out, const char *prefix, uint32_t i) {
        char digits[10];
        size_t n = 0;

        buf_puts(out, prefix);
        do
                digits[n++] = (char)('0' + i % 10);
        while (i /= 10);
        while (n > 0)
                buf_putc(out, digits[--n]);
}

void expr_name(struct expr *e, struct str name) {
        if (e->n_names == e->cap_names) {
                e->err = -EINVAL; /* a caller miscounted: no request rather than a wrong one */
                return;
        }
        put_alias(e->out, "#n", e->n_names);
        e->names[e->n_names++] = name;
}

void expr_value(struct expr *e, const struct value *v) {
        if (e->n_values == e->cap_values) {
                e->err = -EINVAL;
                return;
        }
        put_alias(e->out, ":v", e->n_values);
        e->values[e->n_values++] = *v;
}

void expr_key_part(struct expr *e, const struct key_part *p) {
        expr_value(e, &(struct value){ .type = p->type, .text = p->text });
}

void expr_projection(struct expr *e, const struct str *names, uint32_t n) {
        if (n == 0)
                return;
        buf_puts(e->out, ",\"ProjectionExpression\":\"");
        for (uint32_t i = 0; i < n; i++) {
                if (i)
                        buf_putc(e->out, ',');
                expr_name(e, names[i]);
        }
        buf_putc(e->out, '"');
}

/* The service refuses parentheses around a whole expression. */
static void one_filter(struct expr *e, const struct filter *f, bool one_of_many) {
        bool either = f->other.type != VALUE_NULL;

        buf_puts(e->out, either && one_of_many ? "(" : "");
        expr_name(e, f->attr);
        buf_putc(e->out, '=');
        expr_value(e, &f->value);
        if (!either)
                return;
        buf_puts(e->out, " OR ");
        expr_name(e, f->attr);
        buf_putc(e->out, '=');
        expr_value(e, &f->other);
        buf_puts(e->out, one_of_many ? ")" : "");
}

void expr_filters(struct expr *e, const struct filter *filters, uint32_t n) {
        if (n == 0)
                return;
        buf_puts(e->out, ",\"FilterExpression\":\"");
        for (uint32_t i = 0; i < n; i++) {
                if (i)
                        buf_puts(e->out, " AND ");
                one_filter(e, &filters[i], n > 1);
        }
        buf_putc(e->out, '"');
}

static void one_condition(struct expr *e, const struct condition *c) {
        static const struct {
                const char *before, *after;
        } text[] = {
                [COND_EXISTS] = { "attribute_exists(", ")" },
                [COND_NOT_EXISTS] = { "attribute_not_exists(", ")" },
                [COND_EQ] = { "", "=" },
        };

        buf_puts(e->out, text[c->op].before);
        expr_name(e, c->attr);
        buf_puts(e->out, text[c->op].after);
        if (c->op == COND_EQ)
                expr_value(e, c->value);
}

void expr_conditions(struct expr *e, const struct condition *conditions, uint32_t n) {
        if (n == 0)
                return;
        buf_puts(e->out, ",\"ConditionExpression\":\"");
        for (uint32_t i = 0; i < n; i++) {
                if (i)
                        buf_puts(e->out, " AND ");
                one_condition(e, &conditions[i]);
        }
        buf_putc(e->out, '"');
}

void expr_update(struct expr *e, const struct write *w) {
        if (w->n_set == 0 && w->n_remove == 0)
                return;
        buf_puts(e->out, ",\"UpdateExpression\":\"");
        for (uint32_t i = 0; i < w->n_set; i++) {
                buf_puts(e->out, i ? "," : "SET ");
                expr_name(e, w->set[i].name);
                buf_putc(e->out, '=');
                expr_value(e, &w->set[i].value);
        }
        if (w->n_set > 0 && w->n_remove > 0)
                buf_putc(e->out, ' ');
        for (uint32_t i = 0; i < w->n_remove; i++) {
                buf_puts(e->out, i ? "," : "REMOVE ");
                expr_name(e, w->remove[i]);
        }
        buf_putc(e->out, '"');
}

int expr_finish(struct expr *e) {
        for (uint32_t i = 0; i < e->n_names; i++) {
                buf_puts(e->out, i ? ",\"" : ",\"ExpressionAttributeNames\":{\"");
                put_alias(e->out, "#n", i);
                buf_puts(e->out, "\":");
                json_write_string(e->out, e->names[i]);
        }
        if (e->n_names > 0)
                buf_putc(e->out, '}');
        for (uint32_t i = 0; i < e->n_values; i++) {
                buf_puts(e->out, i ? ",\"" : ",\"ExpressionAttributeValues\":{\"");
                put_alias(e->out, ":v", i);
                buf_puts(e->out, "\":");
                wire_write_value(e->out, &e->values[i]);
        }
        if (e->n_values > 0)
                buf_putc(e->out, '}');
        return e->err ? e->err : buf_status(e->out);
}
