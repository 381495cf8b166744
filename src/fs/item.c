/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Items and partitions as the store has them: from the cache, or by one request however many wait for it.
 */
#include "fs_internal.h"
#include "saves_internal.h"
#include "ddbfs/base/clock.h"
#include "ddbfs/base/hash.h"
#include "ddbfs/store/large.h"

int item_snapshot(struct fs *fs, const struct place *p, const struct item *item, struct snapshot **ret) {
        _cleanup_(buf_deinit) struct buf text = BUF_INIT(ITEM_TEXT_MAX);
        int r = item_text_render(item, &p->table->key, &fs->o.text, &text);

        return r ? r : snapshot_new(buf_view(&text), ret);
}

uint64_t known_age(struct fs *fs, const struct place *p, uint64_t max_age_ns) {
        uint64_t wrote = p->view ? fs_wrote_ns(fs, p) : 0, now = clock_now_ns();

        return wrote ? MIN(max_age_ns, now - MIN(now, wrote)) : max_age_ns;
}

static int fill(struct fs *fs, struct op_ctx *ctx, struct items *items, struct error *e) {
        struct store *s = fs->store;
        int r = 0;

        for (uint32_t i = 0; s->ops->large && r == 0 && i < items->n; i++)
                r = s->ops->large->fill(s, ctx, &items->v[i], &items->arena, e);
        return r;
}

static int object_gone(struct error *e) {
        return error_set(e, ERR_PROTOCOL, "the item refers to an object that is not in S3 (any more)");
}

int items_fill(struct fs *fs, struct op_ctx *ctx, struct items *items, struct error *e) {
        struct error local = { 0 };
        int r = fill(fs, ctx, items, &local);

        if (r && local.kind == ERR_NO_ITEM)
                return object_gone(e);
        if (r && e)
                *e = local;
        return r;
}

bool item_unfilled(struct fs *fs, const struct item *item) {
        return fs->store->ops->large && fs->store->ops->large->unfilled(fs->store, item);
}

void item_take_references(struct item *to, const struct item *from) {
        for (uint32_t i = 0; i < from->n; i++) {
                const struct value *v = &from->attributes[i].value;
                struct value *mine = v->type == VALUE_LARGE
                                             ? (struct value *)(uintptr_t)item_get(to, from->attributes[i].name)
                                             : NULL;

                if (mine && value_equal(mine, v))
                        *mine = *v;
        }
}

bool item_hidden(struct fs *fs, struct str id) {
        return away_find(fs, id) || removals_pending(fs, id);
}

int item_unchanged(const struct place *p, const struct item *item, struct write *w, struct arena *a, struct error *e) {
        struct condition *c = arena_array(a, (size_t)item->n + 1, sizeof(*c));
        uint32_t n = 0;

        if (!c)
                return error_set(e, ERR_MEMORY, "out of memory");
        for (uint32_t i = 0; i < item->n; i++)
                if (!key_schema_has(&p->table->key, item->attributes[i].name))
                        c[n++] = (struct condition){ .op = COND_EQ, .attr = item->attributes[i].name,
                                                     .value = &item->attributes[i].value };
        c[n++] = (struct condition){ .op = COND_EXISTS, .attr = p->table->key.attrs[0].name };
        w->conditions = c;
        w->n_conditions = n;
        if (!write_fits(w)) /* so that mv copies, and a save says so */
                return error_set_errno(e, -EXDEV, "the item has more attributes than one condition can name");
        return 0;
}

/* The text of one item of a read goes into the cache. */
static int keep(struct fs *fs, const struct place *p, const struct item *item, struct str id, uint64_t start,
                struct snapshot **ret, struct error *e) {
        int r = item_snapshot(fs, p, item, ret);

        if (r)
                return error_set_errno(e, r, "showing the item");
        (void)cache_put(fs->cache, id, *ret, start);
        return 0;
}

/* The item as it is read.  An object that was replaced meanwhile is gone: then the item says what replaced it. */
static int get_filled(struct fs *fs, struct op_ctx *ctx, struct get_request *get, struct items *items, struct error *e) {
        struct error local = { 0 };
        int r = fs->store->ops->get(fs->store, ctx, get, items, e);

        if (r)
                return r;
        r = fill(fs, ctx, items, &local);
        if (r && local.kind == ERR_NO_ITEM) {
                get->consistent = true;
                r = fs->store->ops->get(fs->store, ctx, get, items, e);
                return r ? r : items_fill(fs, ctx, items, e);
        }
        if (r && e)
                *e = local;
        return r;
}

/* One GetItem; the cache learns the answer. */
static int fetch(struct fs *fs, struct op_ctx *ctx, const struct place *p, bool strong, struct snapshot **ret,
                 struct error *e) {
        struct get_request get = { .table = p->table, .key = p->key, .consistent = strong || fs_read_strong(fs, p) };
        _cleanup_(items_deinit) struct items items;
        _cleanup_(snapshot_unrefp) struct snapshot *s = NULL;
        uint64_t start = clock_now_ns();
        struct key key;
        int r;

        items_init(&items);
        if (p->view)
                return view_fetch(fs, ctx, p, ret, e);
        r = get_filled(fs, ctx, &get, &items, e);
        if (r)
                return r;
        if (items.n == 0) {
                cache_put_absent(fs->cache, buf_view(&p->id), start);
                crawl_absent(fs, p, true);
                return fs_no_item(e);
        }
        if (key_of_item(&p->table->key, &items.v[0], &key) || !key_equal(&key, &p->key))
                return error_set(e, ERR_PROTOCOL, "the service answered with another item than was asked for");
        crawl_found(fs, p);
        r = keep(fs, p, &items.v[0], buf_view(&p->id), start, &s, e);
        if (r == 0)
                *ret = TAKE(s);
        return r;
}

static int keep_others(struct fs *fs, const struct place *p, const struct items *items, uint32_t from, uint64_t start) {
        for (uint32_t i = from; i < items->n; i++) {
                _cleanup_(snapshot_unrefp) struct snapshot *s = NULL;
                _cleanup_(buf_deinit) struct buf id = BUF_INIT(8 * KIB);
                struct error ignored;
                struct key key;
                int r = key_of_item(&p->table->key, &items->v[i], &key);

                if (r == 0 && item_unfilled(fs, &items->v[i]))
                        continue;
                if (r == 0)
                        r = place_item_id(p->table, &key, &id);
                if (r == 0)
                        r = keep(fs, p, &items->v[i], buf_view(&id), start, &s, &ignored);
                if (r)
                        return r;
        }
        return 0;
}

/* One Query from this item on; it first, the rest for the crawl that will ask for them next. */
static int fetch_ahead(struct fs *fs, struct op_ctx *ctx, const struct place *p, uint32_t limit, struct snapshot **ret,
                       struct error *e) {
        struct query_request q = { .table = p->table, .hash = { .n = 1 }, .range = { .n = 1 }, .range_op = RANGE_GE,
                                   .limit = limit, .consistent = fs_read_strong(fs, p) };
        _cleanup_(items_deinit) struct items items;
        uint64_t start = clock_now_ns();
        double before = ctx->rcu;
        bool found = false;
        struct key key;
        int r;

        items_init(&items);
        q.hash.parts[0] = p->key.parts[0];
        q.range.parts[0] = p->key.parts[1];
        r = fs->store->ops->query(fs->store, ctx, &q, &items, e);
        if (r)
                return r;
        crawl_brought(fs, p, items.n, ctx->rcu - before, q.consistent);
        if (items.n > 0 && key_of_item(&p->table->key, &items.v[0], &key) == 0)
                found = key_equal(&key, &p->key);
        if (found && item_unfilled(fs, &items.v[0]))
                r = fetch(fs, ctx, p, false, ret, e);
        else if (found)
                r = keep(fs, p, &items.v[0], buf_view(&p->id), start, ret, e);
        if (r)
                return r;
        (void)keep_others(fs, p, &items, found ? 1 : 0, start); /* a courtesy: its failure is nobody's */
        if (found) {
                crawl_found(fs, p);
                return 0;
        }
        cache_put_absent(fs->cache, buf_view(&p->id), start);
        crawl_absent(fs, p, true);
        return fs_no_item(e);
}

/* What one thread asks for all who want the same item (flight.c). */
struct item_question {
        struct fs *fs;
        const struct place *place;
};

static int ask_item(void *arg, struct op_ctx *ctx, struct flight_answer *ret, struct error *e) {
        const struct item_question *q = arg;
        struct cache_view view = { .state = CACHE_UNKNOWN };
        uint32_t limit;

        if (ret->again)
                cache_get(q->fs->cache, buf_view(&q->place->id), q->fs->o.cache_ttl_ns, true, &view);
        ret->snapshot = view.snapshot;
        if (view.state != CACHE_UNKNOWN)
                return view.state == CACHE_PRESENT ? 0 : fs_no_item(e);
        limit = q->place->view ? 0 : crawl_miss(q->fs, q->place);
        return limit > 0 ? fetch_ahead(q->fs, ctx, q->place, limit, &ret->snapshot, e)
                         : fetch(q->fs, ctx, q->place, false, &ret->snapshot, e);
}

/* When this mount last wrote what is asked for: what was asked before that is not joined.  A view's own id is not
 * written to. */
static uint64_t changed_here_ns(struct fs *fs, const struct place *p) {
        uint64_t item = cache_written_ns(fs->cache, buf_view(&p->id));

        return p->view ? MAX(item, fs_wrote_ns(fs, p)) : item;
}

static int fetch_shared(struct fs *fs, struct op_ctx *ctx, const struct place *p, struct snapshot **ret,
                        struct error *e) {
        struct item_question q = { .fs = fs, .place = p };
        struct flight_answer answer;
        int r = flight(fs, ctx, buf_view(&p->id), changed_here_ns(fs, p), ask_item, &q, &answer, e);

        *ret = answer.snapshot;
        return r;
}

int item_load(struct fs *fs, struct op_ctx *ctx, const struct place *p, uint64_t max_age_ns, bool strong,
              struct snapshot **ret, struct error *e) {
        struct cache_view view;

        if (p->kind != NODE_ITEM && p->kind != NODE_VIEW_ITEM && p->level != LEVEL_ATTR) /* renamed to a scratch name this very moment */
                return fs_no_item(e);
        if (item_hidden(fs, buf_view(&p->id)))
                return fs_no_item(e);
        if (strong)
                return fetch(fs, ctx, p, true, ret, e);
        cache_get(fs->cache, buf_view(&p->id), known_age(fs, p, max_age_ns), true, &view);
        if (view.state == CACHE_PRESENT) {
                crawl_hit(fs, p);
                *ret = view.snapshot;
                return 0;
        }
        if (view.state == CACHE_ABSENT)
                return fs_no_item(e);
        return fetch_shared(fs, ctx, p, ret, e);
}

/* ---- partitions ---- */

/* One item of the partition, or of the part of it that a chain directory shows, if there is one. */
static int query_any(struct fs *fs, struct op_ctx *ctx, const struct place *p, bool strong, bool *ret,
                     struct error *e) {
        struct query_request q = { .table = p->table, .hash = { .n = 1 }, .limit = 1,
                                   .consistent = strong || fs_read_strong(fs, p),
                                   .projection = &p->table->key.attrs[0].name, .n_projection = 1 };
        _cleanup_(items_deinit) struct items items;
        int r;

        items_init(&items);
        q.hash.parts[0] = p->key.parts[0];
        r = fs->store->ops->query(fs->store, ctx, &q, &items, e);
        *ret = items.n > 0;
        return r;
}

struct partition_question {
        struct fs *fs;
        const struct place *place;
};

static int ask_partition(void *arg, struct op_ctx *ctx, struct flight_answer *ret, struct error *e) {
        const struct partition_question *q = arg;
        uint64_t start = clock_now_ns();
        bool any = false;
        int r = query_any(q->fs, ctx, q->place, false, &any, e);

        (void)ret;
        if (r)
                return r;
        if (!any) {
                cache_put_absent(q->fs->cache, buf_view(&q->place->id), start);
                absent_partition(q->fs, q->place, start);
                return fs_no_item(e);
        }
        partition_seen(q->fs, buf_view(&q->place->id), start);
        return 0;
}

int partition_exists(struct fs *fs, struct op_ctx *ctx, struct node *dir, struct str name, const struct place *p,
                     struct error *e) {
        struct cache_view view;
        struct partition_question q = { .fs = fs, .place = p };
        struct flight_answer answer;
        int r;

        if (local_dir_has(fs, node_ino_now(fs, dir), name) || local_folder_used(fs, node_ino_now(fs, dir), name))
                return 0;
        if (saves_waiting(fs, p->table, &p->key)) /* something is in it, as far as this mount can see */
                return 0;
        r = tour_wait(fs, ctx, dir, name, e);
        if (r)
                return r;
        cache_get(fs->cache, buf_view(&p->id), fs->o.cache_ttl_ns, false, &view);
        cache_view_deinit(&view);
        if (view.state != CACHE_UNKNOWN)
                return view.state == CACHE_PRESENT ? 0 : fs_no_item(e);
        return flight(fs, ctx, buf_view(&p->id), changed_here_ns(fs, p), ask_partition, &q, &answer, e);
}

int partition_empty(struct fs *fs, struct op_ctx *ctx, const struct place *p, bool *ret, struct error *e) {
        bool any = false;
        int r = query_any(fs, ctx, p, true, &any, e);

        *ret = !any;
        return r;
}

/* Partitions are remembered in the item cache too, as an empty text under an id without range part. */
void partition_seen(struct fs *fs, struct str id, uint64_t start_ns) {
        _cleanup_(snapshot_unrefp) struct snapshot *s = NULL;

        if (snapshot_new(STR_NULL, &s) == 0)
                (void)cache_put(fs->cache, id, s, start_ns);
}

void partition_wrote(struct fs *fs, const struct place *item, bool exists) {
        _cleanup_(snapshot_unrefp) struct snapshot *s = NULL;
        _cleanup_(buf_deinit) struct buf id = BUF_INIT(8 * KIB);
        struct key key = item->key;

        if (!table_has_range(item->table))
                return;
        key.n = 1;
        if (place_item_id(item->table, &key, &id))
                return;
        if (exists && snapshot_new(STR_NULL, &s) == 0)
                cache_put_own(fs->cache, buf_view(&id), s);
        else
                cache_invalidate(fs->cache, buf_view(&id));
}
