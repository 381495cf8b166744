/* SPDX-License-Identifier: Apache-2.0 */
/* What views ask of the store: pages of a view, an item of an index (which has no GetItem), an index's partition. */
#include "fs_internal.h"
#include "ddbfs/base/clock.h"
#include "ddbfs/base/json.h"

/* A global index is never strongly consistent. */
bool view_strong(struct fs *fs, const struct place *p) {
        struct place seen = { .table = p->table, .key = p->key };

        if (p->view->index && p->view->index->global)
                return false;
        return fs_read_strong(fs, &seen);
}

void view_cursor_init(struct view_cursor *c, const struct view *v) {
        *c = (struct view_cursor){ .left = v->limit };
        items_init(&c->items);
}

void view_cursor_deinit(struct view_cursor *c) {
        items_deinit(&c->items);
}

static int ask(struct fs *fs, struct op_ctx *ctx, const struct place *p, bool columns, struct view_cursor *c,
               struct error *e) {
        const struct item *start = c->started ? c->items.next : NULL;
        const struct view *v = p->view;

        if (view_is_query(v)) {
                struct query_request q;

                view_query(v, columns, &q);
                q.consistent = view_strong(fs, p);
                q.start = start;
                q.limit = v->limit && v->n_before == 0 ? c->left : 0;
                return fs->store->ops->query(fs->store, ctx, &q, &c->items, e);
        }
        struct scan_request s;

        view_scan(v, columns, &s);
        s.consistent = view_strong(fs, p);
        s.start = start;
        return fs->store->ops->scan(fs->store, ctx, &s, &c->items, e);
}

/* ScannedCount only where there is nothing else: of a page that its size has cut, an engine may count the item that did not
 * fit as well. */
static uint64_t evaluated(const struct view *v, const struct items *page) {
        return v->n_filters && !view_filters_here(v) ? page->scanned : page->n;
}

int view_next(struct fs *fs, struct op_ctx *ctx, const struct place *p, bool columns, struct view_cursor *c,
              struct error *e) {
        const struct view *v = p->view;
        int r = v->limit && !c->started ? removals_wait(fs, ctx, e) : 0; /* what is still there would be counted */

        if (r == 0)
                r = ask(fs, ctx, p, columns, c, e);
        if (r)
                return r;
        c->started = true;
        if (v->limit && v->n_before == 0) {
                c->left -= (uint32_t)MIN(evaluated(v, &c->items), c->left);
        } else if (v->limit) {
                c->items.n = MIN(c->items.n, c->left);
                c->left -= c->items.n;
        }
        c->done = !c->items.next || (v->limit && c->left == 0);
        if (view_filters_here(v))
                view_filter(v, columns, &c->items);
        return 0;
}

/* ---- an index's partitions and items ---- */

int view_exists(struct fs *fs, struct op_ctx *ctx, const struct place *p, struct error *e) {
        struct query_request q;
        struct cache_view known;
        _cleanup_(items_deinit) struct items items;
        uint64_t start = clock_now_ns();
        int r;

        items_init(&items);
        cache_get(fs->cache, buf_view(&p->id), known_age(fs, p, fs->o.cache_ttl_ns), false, &known);
        cache_view_deinit(&known);
        if (known.state != CACHE_UNKNOWN)
                return known.state == CACHE_PRESENT ? 0 : fs_no_item(e);
        view_query(p->view, false, &q);
        q.limit = 1;
        q.consistent = view_strong(fs, p);
        q.projection = &p->table->key.attrs[0].name;
        q.n_projection = 1;
        r = fs->store->ops->query(fs->store, ctx, &q, &items, e);
        if (r)
                return r;
        if (items.n == 0) {
                cache_put_absent(fs->cache, buf_view(&p->id), start);
                return fs_no_item(e);
        }
        partition_seen(fs, buf_view(&p->id), start);
        return 0;
}

static bool same_parts(const struct key_attr *attrs, const struct key_part *parts, uint32_t n, const struct item *item) {
        for (uint32_t i = 0; i < n; i++) {
                const struct value *v = item_get(item, attrs[i].name);

                if (!v || v->type != parts[i].type || !str_eq(v->text, parts[i].text))
                        return false;
        }
        return true;
}

static bool is_item(const struct view *v, const struct item *item) {
        const struct key_schema *k = &v->index->key, *base = &v->table->key;

        return same_parts(k->attrs, v->hash.parts, k->n_hash, item) &&
               same_parts(k->attrs + k->n_hash, v->item.parts, k->n_range, item) &&
               same_parts(base->attrs, v->item.parts + k->n_range, base->n_hash + base->n_range, item);
}

int view_fetch(struct fs *fs, struct op_ctx *ctx, const struct place *p, struct snapshot **ret, struct error *e) {
        _cleanup_(items_deinit) struct items items;
        uint64_t start = clock_now_ns();
        struct filter room[2];
        struct query_request q;
        int r;

        items_init(&items);
        view_item_query(p->view, room, &q);
        q.consistent = view_strong(fs, p);
        do {
                r = fs->store->ops->query(fs->store, ctx, &q, &items, e);
                if (r)
                        return r;
                for (uint32_t i = 0; i < items.n; i++) {
                        if (!is_item(p->view, &items.v[i]))
                                continue;
                        r = items_fill(fs, ctx, &items, e);
                        if (r)
                                return r;
                        r = item_snapshot(fs, p, &items.v[i], ret);
                        if (r)
                                return error_set_errno(e, r, "showing the item");
                        (void)cache_put(fs->cache, buf_view(&p->id), *ret, start);
                        return 0;
                }
                q.start = items.next;
        } while (items.next);
        cache_put_absent(fs->cache, buf_view(&p->id), start);
        return fs_no_item(e);
}

/* ---- the API call behind a path ---- */

static bool explain_strong(const struct fs *fs, const struct view *v) {
        return fs->o.consistent && !(v->index && v->index->global);
}

static int explain_page(struct fs *fs, const struct place *p, struct buf *out) {
        const struct view *v = p->view;

        if (view_is_query(v)) {
                struct query_request q;

                view_query(v, v->kind == VIEW_EXPORT, &q);
                q.consistent = explain_strong(fs, v);
                q.limit = v->n_before == 0 ? v->limit : 0;
                return fs->store->ops->explain_query(fs->store, &q, out);
        }
        struct scan_request s;

        view_scan(v, v->kind == VIEW_EXPORT, &s);
        s.consistent = explain_strong(fs, v);
        if (v->index && v->n_steps == 0 && v->kind != VIEW_EXPORT) { /* its partitions */
                s.projection = &v->index->key.attrs[0].name;
                s.n_projection = 1;
        }
        return fs->store->ops->explain_scan(fs->store, &s, out);
}

int view_explain(struct fs *fs, const struct place *p, struct buf *out) {
        struct filter room[2];
        struct query_request q;

        switch (p->view->kind) {
        case VIEW_ITEM:
                view_item_query(p->view, room, &q);
                q.consistent = explain_strong(fs, p->view);
                return fs->store->ops->explain_query(fs->store, &q, out);
        case VIEW_TABLE:
        case VIEW_PARTITION:
        case VIEW_EXPORT:
                return explain_page(fs, p, out);
        case VIEW_IMPORT:
                buf_puts(out, "BatchWriteItem {\"RequestItems\":{");
                json_write_string(out, table_address(p->table));
                buf_puts(out, ":[{\"PutRequest\":{\"Item\":{...}}},...]}}");
                return buf_status(out);
        case VIEW_INFO:
        case VIEW_INFO_FILE:
                buf_puts(out, "DescribeTable {\"TableName\":");
                json_write_string(out, table_address(p->table));
                buf_putc(out, '}');
                return buf_status(out);
        case VIEW_STEP:
        case VIEW_CHAIN:
        case VIEW_EXPORTS:
        case VIEW_IMPORTS:
        case _VIEW_KIND_N:
                break;
        }
        return -ENODATA;
}
