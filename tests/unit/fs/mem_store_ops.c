/* SPDX-License-Identifier: Apache-2.0 */
/* The face of the store in memory: what the service would do, as far as the header of store.h promises it. */
#include <stdio.h>
#include "ddbfs/store/number.h"
#include "mem_store_impl.h"

static struct mem_store *of(struct store *s) {
        return CONTAINER_OF(s, struct mem_store, face);
}

static int no_memory(int r, struct error *e) {
        return r == -ENOMEM ? error_set(e, ERR_MEMORY, "out of memory")
               : r == 0     ? 0
                            : error_set(e, ERR_VALIDATION, "bad item");
}

static int no_table(struct error *e) {
        (void)error_set(e, ERR_NO_TABLE, "Requested resource not found");
        if (e)
                (void)snprintf(e->code, sizeof(e->code), "ResourceNotFoundException");
        return -ENOENT;
}

/* ---- tables ---- */

static int mem_list_tables(struct store *s, struct op_ctx *ctx, struct str start, struct names *ret, struct error *e) {
        struct mem_store *m = of(s);
        struct names out;
        struct mem_call c;
        int r = mem_begin(&c, m, ctx, MEM_LIST_TABLES, false, e);
        size_t i = 0;

        if (r)
                return r;
        names_init(&out);
        out.v = arena_array(&out.arena, MEM_TABLES_MAX, sizeof(*out.v));
        if (!out.v)
                r = -ENOMEM;
        while (start.n > 0 && i < m->n_tables && !str_eq(m->tables[i].schema->name, start))
                i++;
        for (i += start.n > 0; r == 0 && i < m->n_tables; i++) {
                if (m->tables[i].dropped)
                        continue;
                if (out.n == m->page_size) {
                        out.next = out.v[out.n - 1];
                        break;
                }
                r = arena_dup(&out.arena, m->tables[i].schema->name, &out.v[out.n]);
                out.n++;
        }
        r = mem_end(&c, no_memory(r, e), e);
        if (r) {
                names_deinit(&out);
                return r;
        }
        names_deinit(ret);
        *ret = out;
        return 0;
}

static int mem_describe(struct store *s, struct op_ctx *ctx, struct str table, struct table_schema **ret,
                        struct error *e) {
        struct mem_store *m = of(s);
        struct mem_table_of_items *t;
        struct mem_call c;
        int r = mem_begin(&c, m, ctx, MEM_DESCRIBE, false, e);

        if (r)
                return r;
        t = mem_find_table(m, table);
        r = mem_end(&c, t ? 0 : no_table(e), e);
        if (r == 0)
                *ret = table_schema_ref(t->schema);
        return r;
}

/* ---- reads ---- */

static bool projected(struct str name, const struct str *projection, uint32_t n) {
        for (uint32_t i = 0; projection && i < n; i++)
                if (str_eq(projection[i], name))
                        return true;
        return !projection;
}

static int give(struct items *out, const struct item *item, const struct str *projection, uint32_t n) {
        struct item *ret = items_add(out), all;
        int r = ret ? item_copy(&out->arena, item, &all) : -ENOMEM;

        if (r)
                return r;
        ret->attributes = arena_array(&out->arena, (size_t)all.n + 1, sizeof(*ret->attributes));
        if (!ret->attributes)
                return -ENOMEM;
        for (uint32_t i = 0; i < all.n; i++)
                if (projected(all.attributes[i].name, projection, n))
                        ret->attributes[ret->n++] = all.attributes[i];
        return 0;
}

static int finish_read(struct mem_call *c, int r, struct items *out, struct items *ret, struct error *e) {
        r = mem_end(c, r == -ENOENT ? no_table(e) : no_memory(r, e), e);
        if (r) {
                items_deinit(out);
                return r;
        }
        items_deinit(ret);
        *ret = *out;
        return 0;
}

static int get_one(struct mem_store *m, const struct get_request *q, struct items *out) {
        struct mem_table_of_items *t = mem_find_table(m, q->table->name);
        struct mem_item *i = t ? mem_find_item(t, &q->key) : NULL;

        if (!t)
                return -ENOENT;
        return i ? give(out, &i->item, q->projection, q->n_projection) : 0;
}

static int mem_get(struct store *s, struct op_ctx *ctx, const struct get_request *q, struct items *ret,
                   struct error *e) {
        struct mem_call c;
        struct items out;
        int r = mem_begin(&c, of(s), ctx, MEM_GET, q->consistent, e);

        if (r)
                return r;
        items_init(&out);
        return finish_read(&c, get_one(of(s), q, &out), &out, ret, e);
}

static int mem_batch_get(struct store *s, struct op_ctx *ctx, const struct get_request *q, uint32_t n,
                         struct items *ret, struct error *e) {
        struct mem_call c;
        struct items out;
        int r = mem_begin(&c, of(s), ctx, MEM_BATCH_GET, n > 0 && q[0].consistent, e);

        if (r)
                return r;
        items_init(&out);
        for (uint32_t i = 0; r == 0 && i < n; i++)
                r = get_one(of(s), &q[i], &out);
        return finish_read(&c, r, &out, ret, e);
}

static bool passes(const struct item *item, const struct filter *filters, uint32_t n) {
        for (uint32_t i = 0; i < n; i++) {
                const struct value *v = item_get(item, filters[i].attr);

                if (!v || !(value_equal(v, &filters[i].value) ||
                            (filters[i].other.type != VALUE_NULL && value_equal(v, &filters[i].other))))
                        return false;
        }
        return true;
}

/* Where a page is cut, and what it shows: common to Query and Scan. */
struct page {
        const struct mem_table_of_items *t;
        uint32_t left; /* items to evaluate */
        const struct filter *filters;
        uint32_t n_filters;
        const struct str *projection;
        uint32_t n_projection;
        bool count;
        struct items *out;
};

static int page_add(struct page *p, const struct mem_item *i) {
        int r = 0;

        p->left--;
        p->out->scanned++;
        if (passes(&i->item, p->filters, p->n_filters)) {
                if (!p->count)
                        r = give(p->out, &i->item, p->projection, p->n_projection);
                p->out->count++;
        }
        return r;
}

static int page_next(struct page *p, const struct mem_item *last) {
        struct item key = { .n = last->key.n };
        struct attribute a[2];

        for (uint32_t i = 0; i < key.n; i++)
                a[i] = (struct attribute){ .name = p->t->schema->key.attrs[i].name,
                                           .value = { .type = last->key.parts[i].type,
                                                      .text = last->key.parts[i].text } };
        key.attributes = a;
        if (attributes_sort(a, key.n, NULL))
                return -EINVAL;
        p->out->next = arena_alloc(&p->out->arena, sizeof(*p->out->next));
        return p->out->next ? item_copy(&p->out->arena, &key, p->out->next) : -ENOMEM;
}

/* An empty page: what it evaluated came to nothing.  Its token is where it began; at the very beginning, an item
 * without a key, which this store alone understands. */
static int page_empty(const struct item *start, struct items *out) {
        static struct attribute nowhere = { .name = { "", 0 }, .value = { .type = VALUE_NULL } };
        struct item beginning = { .n = 1, .attributes = &nowhere };

        out->next = arena_alloc(&out->arena, sizeof(*out->next));
        return out->next ? item_copy(&out->arena, start ? start : &beginning, out->next) : -ENOMEM;
}

/* The place a page begins at (exclusive), if any. */
static bool start_key(const struct mem_table_of_items *t, const struct item *start, struct key *ret) {
        return start && key_of_item(&t->schema->key, start, ret) == 0;
}

static bool now_empty(struct mem_store *m) {
        return m->empty_pages && m->pages++ % 2 == 0;
}

static uint32_t page_limit(const struct mem_store *m, uint32_t limit) {
        return limit ? MIN(limit, m->page_size) : m->page_size;
}

static int compare_text(const struct key_part *a, const struct key_part *b) {
        return a->type == VALUE_N ? number_cmp(a->text, b->text) : str_cmp(a->text, b->text);
}

static bool in_range(const struct query_request *q, const struct key_part *part) {
        int c = q->range.n ? compare_text(part, &q->range.parts[0]) : 0;

        switch (q->range_op) {
        case RANGE_ANY:
                return q->range.n == 0 || c == 0;
        case RANGE_EQ:
                return c == 0;
        case RANGE_BEGINS_WITH:
                return str_starts(part->text, q->range.parts[0].text);
        case RANGE_BETWEEN:
                return c >= 0 && compare_text(part, &q->range_end) <= 0;
        case RANGE_GE:
                return c >= 0;
        case RANGE_LE:
                return c <= 0;
        case RANGE_GT:
                return c > 0;
        case RANGE_LT:
                return c < 0;
        }
        return false;
}

static bool same_partition(const struct mem_item *i, const struct query_request *q) {
        return str_eq(i->key.parts[0].text, q->hash.parts[0].text);
}

static int query_page(struct mem_store *m, const struct query_request *q, struct items *out) {
        struct mem_table_of_items *t = mem_find_table(m, q->table->name);
        struct page p = { .t = t,
                          .left = page_limit(m, q->limit),
                          .filters = q->filters,
                          .n_filters = q->n_filters,
                          .projection = q->projection,
                          .n_projection = q->n_projection,
                          .count = q->count,
                          .out = out };
        const struct mem_item *last = NULL;
        struct key start;
        bool started = false;
        int r = 0;

        if (!t)
                return -ENOENT;
        if (now_empty(m))
                return page_empty(q->start, out);
        if (start_key(t, q->start, &start))
                started = true;
        for (size_t k = 0; r == 0 && k < t->n; k++) {
                const struct mem_item *i = t->v[q->reverse ? t->n - 1 - k : k];
                int c;

                if (!same_partition(i, q) || (i->key.n > 1 && !in_range(q, &i->key.parts[1])))
                        continue;
                c = started && i->key.n > 1 ? compare_text(&i->key.parts[1], &start.parts[1]) : 0;
                if (started && (q->reverse ? c >= 0 : c <= 0))
                        continue;
                if (p.left == 0) {
                        out->scanned += m->count_one_more && (!q->limit || q->limit > m->page_size);
                        return page_next(&p, last);
                }
                r = page_add(&p, i);
                last = i;
        }
        /* the service cannot know that a page it cut was the last */
        return r == 0 && p.left == 0 && last ? page_next(&p, last) : r;
}

/* And the half of every request. */
static void charge(const struct mem_store *m, struct op_ctx *ctx, const struct items *read) {
        ctx->rcu += 0.5 * (double)(read->scanned * m->item_bytes / 4096);
}

static int mem_query(struct store *s, struct op_ctx *ctx, const struct query_request *q, struct items *ret,
                     struct error *e) {
        struct mem_call c;
        struct items out;
        int r = mem_begin(&c, of(s), ctx, MEM_QUERY, q->consistent, e);

        if (r)
                return r;
        items_init(&out);
        r = finish_read(&c, query_page(of(s), q, &out), &out, ret, e);
        if (r == 0)
                charge(of(s), ctx, ret);
        return r;
}

static bool in_segment(const struct mem_store *m, uint64_t hash, const struct scan_request *q) {
        switch (m->segments) {
        case MEM_SEGMENTS_RANGES:
                return (hash >> 32) * q->total_segments >> 32 == q->segment;
        case MEM_SEGMENTS_SCATTERED:
                return hash % q->total_segments == q->segment;
        case MEM_SEGMENTS_IGNORED:
                break;
        }
        return true;
}

static int scan_page(struct mem_store *m, const struct scan_request *q, struct items *out) {
        struct mem_table_of_items *t = mem_find_table(m, q->table->name);
        struct page p = { .t = t,
                          .left = page_limit(m, q->limit),
                          .filters = q->filters,
                          .n_filters = q->n_filters,
                          .projection = q->projection,
                          .n_projection = q->n_projection,
                          .count = q->count,
                          .out = out };
        const struct mem_item *last = NULL;
        struct key start;
        size_t i = 0;
        bool found;
        int r = 0;

        if (!t)
                return -ENOENT;
        if (now_empty(m))
                return page_empty(q->start, out);
        if (start_key(t, q->start, &start)) {
                i = mem_seek(t, &start, &found);
                i += found;
        }
        for (; r == 0 && i < t->n && p.left > 0; i++) {
                if (q->total_segments > 1 && !in_segment(m, t->v[i]->hash, q))
                        continue;
                r = page_add(&p, t->v[i]);
                last = t->v[i];
        }
        return r == 0 && p.left == 0 && last ? page_next(&p, last) : r;
}

static int mem_scan(struct store *s, struct op_ctx *ctx, const struct scan_request *q, struct items *ret,
                    struct error *e) {
        struct mem_call c;
        struct items out;
        int r = mem_begin(&c, of(s), ctx, MEM_SCAN, q->consistent, e);

        if (r)
                return r;
        items_init(&out);
        r = finish_read(&c, scan_page(of(s), q, &out), &out, ret, e);
        if (r == 0)
                charge(of(s), ctx, ret);
        return r;
}

static int mem_transact_get(struct store *s, struct op_ctx *ctx, const struct get_request *q, uint32_t n,
                            struct items *ret, struct error *e) {
        struct mem_call c;
        struct items out;
        int r = mem_begin(&c, of(s), ctx, MEM_TRANSACT_GET, true, e);

        if (r)
                return r;
        items_init(&out);
        for (uint32_t i = 0; r == 0 && i < n; i++) {
                r = get_one(of(s), &q[i], &out);
                if (r == 0 && out.n == i && !items_add(&out))
                        r = -ENOMEM;
        }
        return finish_read(&c, r, &out, ret, e);
}

/* ---- writes ---- */

static bool holds(const struct condition *c, const struct item *now) {
        const struct value *v = now ? item_get(now, c->attr) : NULL;

        if (c->op == COND_EQ)
                return v && v->type == c->value->type && value_equal(v, c->value); /* a reference is a map, not its content */
        return (c->op == COND_EXISTS) == (v != NULL);
}

/* One write made ready: what will be there, with room for it.  The table is not touched before all are ready. */
struct ready {
        struct mem_table_of_items *t;
        struct key key;
        struct mem_item *made; /* NULL: delete, or nothing */
        bool remove;
};

static int updated_item(const struct write *w, const struct mem_item *now, struct ready *ready) {
        struct arena a = ARENA_INIT(8 * MIB);
        uint32_t n_now = now ? now->item.n : 0;
        struct item item = { 0 };
        int r = 0;

        item.attributes = arena_array(&a, (size_t)n_now + w->n_set + w->key.n + 1, sizeof(*item.attributes));
        if (!item.attributes)
                return -ENOMEM;
        for (uint32_t i = 0; i < n_now; i++) {
                bool keep = true;

                for (uint32_t k = 0; keep && k < w->n_set; k++)
                        keep = !str_eq(w->set[k].name, now->item.attributes[i].name);
                for (uint32_t k = 0; keep && k < w->n_remove; k++)
                        keep = !str_eq(w->remove[k], now->item.attributes[i].name);
                if (keep)
                        item.attributes[item.n++] = now->item.attributes[i];
        }
        for (uint32_t i = 0; i < w->n_set; i++)
                item.attributes[item.n++] = w->set[i];
        for (uint32_t i = 0; !now && i < w->key.n; i++)
                item.attributes[item.n++] =
                        (struct attribute){ .name = ready->t->schema->key.attrs[i].name,
                                            .value = { .type = w->key.parts[i].type, .text = w->key.parts[i].text } };
        r = attributes_sort(item.attributes, item.n, NULL) ? -EINVAL : mem_item_new(ready->t, &item, &ready->made);
        arena_deinit(&a);
        return r;
}

static int too_large(const struct ready *ready, struct error *e) {
        if (ready->made && item_size(&ready->made->item) > ITEM_SIZE_MAX)
                return error_set(e, ERR_TOO_LARGE, "Item size has exceeded the maximum allowed size");
        return 0;
}

/* 0, > 0: a condition does not hold, or -errno. */
static int make_ready(struct mem_store *m, const struct write *w, struct ready *ready, struct error *e) {
        const struct mem_item *now;
        int r = 0;

        *ready = (struct ready){ .t = mem_find_table(m, w->table->name), .key = w->key };
        if (!ready->t)
                return no_table(e);
        if (w->op == WRITE_PUT && key_of_item(&ready->t->schema->key, w->item, &ready->key))
                return error_set(e, ERR_VALIDATION, "a key is missing");
        now = mem_find_item(ready->t, &ready->key);
        for (uint32_t i = 0; i < w->n_conditions; i++)
                if (!holds(&w->conditions[i], now ? &now->item : NULL))
                        return 1;
        if (w->op == WRITE_PUT)
                r = mem_item_new(ready->t, w->item, &ready->made);
        else if (w->op == WRITE_UPDATE)
                r = updated_item(w, now, ready);
        else
                ready->remove = w->op == WRITE_DELETE;
        if (r == 0)
                r = mem_reserve(ready->t, TRANSACT_MAX);
        return r ? no_memory(r, e) : too_large(ready, e);
}

static void apply(struct ready *ready) {
        if (ready->made)
                mem_insert(ready->t, TAKE(ready->made));
        else if (ready->remove)
                mem_remove(ready->t, &ready->key);
}

static int denied(const struct mem_store *m, const struct write *w, uint32_t n, struct error *e) {
        for (uint32_t i = 0; m->deny && i < n; i++)
                if (str_eq(w[i].table->name, str_of(m->denied))) {
                        (void)error_set(e, m->deny, "not for table %s", m->denied);
                        (void)snprintf(e->code, sizeof(e->code), "%s", m->deny == ERR_ACCESS ? "AccessDeniedException" : "");
                        return -error_errno(m->deny);
                }
        return 0;
}

static int mem_write(struct store *s, struct op_ctx *ctx, const struct write *w, struct items *ret_new,
                     struct error *e) {
        struct ready ready = { 0 };
        struct mem_call c;
        struct items out;
        int r = mem_begin(&c, of(s), ctx, MEM_WRITE, false, e);

        if (r)
                return r;
        ctx->wcu += 1;
        items_init(&out);
        r = denied(of(s), w, 1, e);
        if (r == 0)
                r = make_ready(of(s), w, &ready, e);
        if (r > 0) {
                r = error_set(e, ERR_CONDITION, "The conditional request failed");
        } else if (r == 0) {
                const struct mem_item *now = w->return_old ? mem_find_item(ready.t, &ready.key) : NULL;
                bool new = ret_new && w->op == WRITE_UPDATE && !w->return_old;

                if ((new && give(&out, &ready.made->item, NULL, 0)) || (now && give(&out, &now->item, NULL, 0)))
                        r = error_set(e, ERR_MEMORY, "out of memory");
                else
                        apply(&ready);
        }
        mem_item_free(ready.made);
        r = mem_end(&c, r, e);
        if (r == 0 && ret_new) {
                items_deinit(ret_new);
                *ret_new = out;
        } else {
                items_deinit(&out);
        }
        return r;
}

static int mem_batch_write(struct store *s, struct op_ctx *ctx, const struct write *w, uint32_t n, int *results,
                           struct error *e) {
        struct mem_call c;
        int r = mem_begin(&c, of(s), ctx, MEM_BATCH_WRITE, false, e), first, wrong = 0;

        for (uint32_t i = 0; i < n; i++)
                results[i] = r;
        if (r)
                return r;
        first = denied(of(s), w, n, e);
        for (uint32_t i = 0; i < n; i++)
                results[i] = first;
        for (uint32_t i = 0; first == 0 && i < n; i++) {
                struct ready ready = { 0 };

                results[i] = make_ready(of(s), &w[i], &ready, e);
                if (results[i] == 0)
                        apply(&ready);
                mem_item_free(ready.made);
                if (wrong == 0)
                        wrong = results[i];
        }
        return mem_end(&c, first ? first : wrong, e);
}

static int mem_transact_write(struct store *s, struct op_ctx *ctx, const struct write *w, uint32_t n, struct error *e) {
        struct ready ready[TRANSACT_MAX] = { 0 };
        struct mem_call c;
        uint32_t i = 0;
        int r = mem_begin(&c, of(s), ctx, MEM_TRANSACT_WRITE, false, e);

        if (r)
                return r;
        if (n > TRANSACT_MAX)
                return mem_end(&c, error_set(e, ERR_VALIDATION, "too many actions"), e);
        for (; r == 0 && i < n; i++)
                r = make_ready(of(s), &w[i], &ready[i], e);
        if (r > 0) {
                r = error_set(e, ERR_CANCELLED, "Transaction cancelled");
                if (e) {
                        e->action = i - 1;
                        (void)snprintf(e->code, sizeof(e->code), "ConditionalCheckFailed");
                }
        }
        for (i = 0; i < n; i++) {
                for (uint32_t k = 0; r == 0 && k < i; k++)
                        if (ready[k].t == ready[i].t && key_equal(&ready[k].key, &ready[i].key))
                                r = error_set(e, ERR_VALIDATION,
                                              "Transaction request cannot include multiple operations on one item");
        }
        for (i = 0; i < n; i++) {
                if (r == 0)
                        apply(&ready[i]);
                mem_item_free(ready[i].made);
        }
        return mem_end(&c, r, e);
}

/* ---- the rest ---- */

static int explain(const char *op, const struct table_schema *t, struct buf *out) {
        buf_printf(out, "%s {\"TableName\": \"%.*s\"}", op, (int)t->name.n, t->name.p);
        return buf_status(out);
}

static int mem_explain_get(struct store *s, const struct get_request *q, struct buf *out) {
        (void)s;
        return explain("GetItem", q->table, out);
}

static int mem_explain_query(struct store *s, const struct query_request *q, struct buf *out) {
        (void)s;
        return explain("Query", q->table, out);
}

static int mem_explain_scan(struct store *s, const struct scan_request *q, struct buf *out) {
        (void)s;
        return explain("Scan", q->table, out);
}

const struct store_ops mem_store_ops = {
        .list_tables = mem_list_tables,
        .describe = mem_describe,
        .get = mem_get,
        .batch_get = mem_batch_get,
        .query = mem_query,
        .scan = mem_scan,
        .write = mem_write,
        .batch_write = mem_batch_write,
        .transact_write = mem_transact_write,
        .transact_get = mem_transact_get,
        .explain_get = mem_explain_get,
        .explain_query = mem_explain_query,
        .explain_scan = mem_explain_scan,
};
