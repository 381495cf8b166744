/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is common to all stores: the results of reads, and the measuring of a write's expressions.  The
 * measure knows the text that ddb/ sends ("SET #n0=:v0 REMOVE #n1", "#n2=:v1 AND attribute_exists(#n3)");
 * a test over there compares the two.
 */
#include "ddbfs/store/store.h"

#include <errno.h>

struct items_body {
        struct items_body *next;
        struct buf body;
};

void items_init(struct items *p) {
        *p = (struct items){ .arena = ARENA_INIT(ITEMS_ARENA_MAX) };
}

void items_deinit_keeping(struct items *p, size_t max, struct buf *body) {
        if (p->bodies && p->bodies->body.cap <= max) {
                buf_deinit(body);
                *body = buf_take(&p->bodies->body);
                buf_reset(body);
        }
        items_deinit(p);
}

void items_deinit(struct items *p) {
        for (struct items_body *b = p->bodies; b; b = b->next) /* the nodes are the arena's */
                buf_deinit(&b->body);
        arena_deinit(&p->arena);
        items_init(p);
}

int items_adopt(struct items *p, struct buf *body, struct str *ret) {
        struct items_body *b;
        int r = buf_status(body);

        if (!r && body->n > ITEMS_ARENA_MAX - p->body_bytes)
                r = -EFBIG;
        b = r ? NULL : arena_alloc(&p->arena, sizeof(*b));
        if (!b) {
                buf_deinit(body);
                return r ? r : -ENOMEM;
        }
        *b = (struct items_body){ .next = p->bodies, .body = buf_take(body) };
        p->bodies = b;
        p->body_bytes += b->body.n;
        *ret = buf_view(&b->body);
        return 0;
}

struct item *items_add(struct items *p) {
        if (p->n == p->cap) {
                uint32_t cap = p->cap ? 2 * p->cap : 16;
                struct item *v = cap > p->cap ? arena_array(&p->arena, cap, sizeof(*v)) : NULL;

                if (!v)
                        return NULL;
                if (p->n > 0)
                        memcpy(v, p->v, p->n * sizeof(*v));
                p->v = v;
                p->cap = cap;
        }
        p->v[p->n] = (struct item){ 0 };
        return &p->v[p->n++];
}

void names_init(struct names *p) {
        *p = (struct names){ .arena = ARENA_INIT(4 * MIB) };
}

void names_deinit(struct names *p) {
        arena_deinit(&p->arena);
        names_init(p);
}

struct store *store_free(struct store *s) {
        if (s)
                s->ops->free(s);
        return NULL;
}

int store_describe_all(struct store *s, struct op_ctx *ctx, const struct str *tables, uint32_t n, describe_sink sink,
                       void *arg, struct error *reterr) {
        if (s->ops->describe_all)
                return s->ops->describe_all(s, ctx, tables, n, sink, arg, reterr);
        for (uint32_t i = 0; i < n; i++) {
                struct table_schema *schema = NULL;
                struct error e = { 0 };
                int r = s->ops->describe(s, ctx, tables[i], &schema, &e);

                if (r == -EINTR || r == -ETIMEDOUT) {
                        *reterr = e;
                        return r;
                }
                sink(arg, i, r, schema, &e);
        }
        return 0;
}

int store_scan_all(struct store *s, struct op_ctx *ctx, const struct scan_request *q, uint32_t segments,
                   const struct scan_sink *sink, struct error *reterr) {
        _cleanup_(items_deinit) struct items page;
        struct scan_request next = *q;
        int r;

        items_init(&page);
        if (s->ops->scan_all)
                return s->ops->scan_all(s, ctx, q, segments, sink, reterr);
        do {
                if (!sink->room(sink->arg, true))
                        return error_set(reterr, ERR_INTERRUPTED, "interrupted");
                r = s->ops->scan(s, ctx, &next, &page, reterr);
                if (r == 0)
                        r = sink->page(sink->arg, &page, reterr);
                next.start = page.next;
        } while (r == 0 && page.next);
        return r;
}

#define WRITES_AT_ONCE (8 * BATCH_WRITE_MAX)

int store_write_all(struct store *s, struct op_ctx *ctx, const struct write_source *source, struct error *reterr) {
        struct write *from[WRITES_AT_ONCE];
        struct write writes[WRITES_AT_ONCE];
        int results[WRITES_AT_ONCE], r = 0;
        struct error e;
        uint32_t n;

        if (s->ops->write_all)
                return s->ops->write_all(s, ctx, source, reterr);
        for (;;) {
                for (n = 0; n < WRITES_AT_ONCE && (from[n] = source->next(source->arg, n == 0)); n++)
                        writes[n] = *from[n];
                if (n == 0)
                        return 0;
                e = (struct error){ .kind = ERR_NONE };
                r = s->ops->batch_write(s, ctx, writes, n, results, &e);
                if (r && e.kind != ERR_VALIDATION && e.kind != ERR_TOO_LARGE && e.kind != ERR_NO_SPACE)
                        break;
                for (uint32_t i = 0; i < n; i++)
                        source->done(source->arg, from[i], results[i], &e);
        }
        if (reterr)
                *reterr = e;
        return r;
}

/* ---- measuring expressions ---- */

static size_t digits(uint32_t i) {
        size_t n = 1;

        for (; i >= 10; i /= 10)
                n++;
        return n;
}

/* Length of "#n12" or ":v12". */
static size_t alias_len(uint32_t i) {
        return 2 + digits(i);
}

static void measure_update(const struct write *w, struct write_measure *m, uint32_t *names, uint32_t *values) {
        for (uint32_t i = 0; i < w->n_set; i++) {
                m->update_len += (i ? 1 : strlen("SET ")) + alias_len((*names)++) + 1 + alias_len((*values)++);
                m->placeholder_bytes += w->set[i].name.n + value_size(&w->set[i].value);
        }
        for (uint32_t i = 0; i < w->n_remove; i++) {
                m->update_len += (i ? 1 : strlen("REMOVE ")) + alias_len((*names)++);
                m->placeholder_bytes += w->remove[i].n;
        }
        if (w->n_set > 0 && w->n_remove > 0)
                m->update_len++;
        m->update_ops = w->n_set + w->n_remove;
}

static void measure_conditions(const struct write *w, struct write_measure *m, uint32_t *names, uint32_t *values) {
        static const size_t fixed[] = { /* all but the placeholders */
                [COND_EXISTS] = sizeof("attribute_exists()") - 1,
                [COND_NOT_EXISTS] = sizeof("attribute_not_exists()") - 1,
                [COND_EQ] = sizeof("=") - 1,
        };

        for (uint32_t i = 0; i < w->n_conditions; i++) {
                const struct condition *c = &w->conditions[i];

                m->condition_len += (i ? strlen(" AND ") : 0) + fixed[c->op] + alias_len((*names)++);
                m->condition_ops += i ? 2 : 1;
                m->placeholder_bytes += c->attr.n;
                if (c->op == COND_EQ) {
                        m->condition_len += alias_len((*values)++);
                        m->placeholder_bytes += value_size(c->value);
                }
        }
}

struct write_measure write_measure(const struct write *w) {
        struct write_measure m = { 0 };
        uint32_t names = 0, values = 0;

        if (w->op == WRITE_UPDATE)
                measure_update(w, &m, &names, &values);
        measure_conditions(w, &m, &names, &values);
        return m;
}

bool write_fits(const struct write *w) {
        struct write_measure m = write_measure(w);

        return m.update_len <= EXPRESSION_MAX && m.condition_len <= EXPRESSION_MAX &&
               m.update_ops <= EXPRESSION_OPERATORS_MAX && m.condition_ops <= EXPRESSION_OPERATORS_MAX &&
               (m.placeholder_bytes <= EXPRESSION_VALUES_MAX || (w->op == WRITE_UPDATE && w->item));
}
