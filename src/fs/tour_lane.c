/* SPDX-License-Identifier: Apache-2.0 */
/* Fetching a stretch of partitions ahead of a tour: by Scans where they lie together, by a Query each otherwise. */
#include "tour_internal.h"
#include "ddbfs/base/clock.h"

/* The partition whose items are coming in. */
struct arriving {
        struct fs_dir *dir;    /* NULL: none */
        struct dir_page page;
        uint32_t entry;
        double bytes, billed;
};

struct run {
        struct fs *fs;
        struct op_ctx *ctx;
        struct tour *t;
        struct tour_lane *lane;
        struct arriving in;
        uint32_t at, end;      /* the lane's */
        bool off;              /* what came is not what the order promised: the rest of the stretch is left */
};

static void forget(struct run *x) {
        if (x->in.dir)
                dir_detached_free(x->fs, x->in.dir);
        dir_page_deinit(&x->in.page);
        x->in = (struct arriving){ .dir = NULL };
}

static int begin(struct run *x, uint32_t position, uint64_t start_ns) {
        struct place p;
        int r;

        forget(x);
        x->in.entry = tour_entry(x->t, x->lane->order, position);
        r = tour_partition(x->t, x->in.entry, &p);
        if (r == 0) {
                partition_seen(x->fs, buf_view(&p.id), start_ns);
                x->in.dir = dir_detached(&p);
                r = x->in.dir ? 0 : -ENOMEM;
        }
        if (r)
                place_deinit(&p);
        x->in.page = (struct dir_page){ .names = BUF_INIT(256 * MIB), .fetched_ns = start_ns };
        return r;
}

static int add(struct run *x, const struct items *items, uint32_t from, uint32_t n, uint64_t start_ns) {
        struct items part = *items;

        part.v += from;
        part.n = n;
        return dir_add_items(x->fs, x->in.dir, &part, &x->in.page, start_ns);
}

/* The partition is complete. */
static void end(struct run *x) {
        uint32_t n = x->in.page.n;

        if (!x->in.dir)
                return;
        for (uint32_t i = 0; i < n; i++)
                x->in.bytes += (double)x->in.page.entries[i].size;
        x->in.page.loaded = x->in.page.last = true;
        listing_put(x->fs, node_ino(x->t->table_ino, tour_name(x->t, x->in.entry)), &x->in.page);
        tour_seen(x->t, x->in.bytes, x->in.billed, n);
        forget(x);
        tour_progress(x->t, x->lane, ++x->at, false);
}

/* ---- a Query each ---- */

static int query_one(struct run *x, struct error *e) {
        struct query_request q = { .table = x->t->schema, .hash = { .n = 1 } };
        _cleanup_(items_deinit) struct items items;
        int r;

        items_init(&items);
        r = begin(x, x->at, clock_now_ns());
        if (r)
                return r;
        q.hash.parts[0] = x->in.dir->place.key.parts[0];
        q.consistent = fs_read_strong(x->fs, &x->in.dir->place);
        do {
                uint64_t start_ns = clock_now_ns();
                double before = x->ctx->rcu;

                r = x->fs->store->ops->query(x->fs->store, x->ctx, &q, &items, e);
                if (r == 0)
                        r = add(x, &items, 0, items.n, start_ns);
                if (r)
                        return r;
                x->in.billed += read_bytes(x->ctx->rcu - before, q.consistent);
                q.start = items.next;
        } while (items.next);
        end(x);
        return 0;
}

/* ---- Scans ---- */

/* Behind the partition before the stretch. */
static int start_key(struct run *x, struct arena *a, struct item *ret) {
        const struct key_schema *key = &x->t->schema->key;
        struct attribute *attrs = arena_array(a, 2, sizeof(*attrs));
        _cleanup_(place_deinit) struct place p = { 0 };
        bool hash_first = str_cmp(key->attrs[0].name, key->attrs[1].name) < 0;
        struct str text;
        int r = x->at > 0 ? tour_partition(x->t, tour_entry(x->t, TOUR_LISTING, x->at - 1), &p) : -EINVAL;

        if (r)
                return r;
        if (!attrs || arena_dup(a, p.key.parts[0].text, &text))
                return -ENOMEM;
        attrs[!hash_first] = (struct attribute){ .name = key->attrs[0].name,
                                                 .value = { .type = key->attrs[0].type, .text = text } };
        attrs[hash_first] = (struct attribute){ .name = key->attrs[1].name, .value = dir_greatest(key->attrs[1].type) };
        *ret = (struct item){ .n = 2, .attributes = attrs };
        return 0;
}

/* Where in the order is the partition of this item?  It becomes the one that is coming in. */
static int turn_to(struct run *x, const struct item *item, uint64_t start_ns) {
        struct key_schema hash_only = x->t->schema->key;
        _cleanup_(buf_deinit) struct buf name = BUF_INIT(NAME_ENCODED_MAX);
        struct key key;
        uint32_t entry;
        bool chain;

        hash_only.n_range = 0;
        if (key_of_item(&hash_only, item, &key))
                return -EPROTO;
        if (x->in.dir && str_eq(key.parts[0].text, x->in.dir->place.key.parts[0].text))
                return 0;
        end(x);
        if (!place_component(&key.parts[0], STR_NULL, false, &name, &chain))
                return buf_status(&name);
        if (chain || !listing_find(x->t->listing, buf_view(&name), &entry))
                return 0; /* new since: whoever lists it asks for it */
        if (entry < x->at || entry >= x->end) {
                x->off = true;
                return 0;
        }
        x->at = entry; /* those before it are gone */
        tour_progress(x->t, x->lane, x->at, false);
        return begin(x, entry, start_ns);
}

static int take_page(struct run *x, const struct items *items, uint64_t start_ns, double billed) {
        uint32_t i = 0;
        int r = 0;

        while (r == 0 && i < items->n && !x->off) {
                const struct value *first = item_get(&items->v[i], x->t->schema->key.attrs[0].name), *next;
                uint32_t n = 1;

                r = turn_to(x, &items->v[i], start_ns);
                while (i + n < items->n && first && (next = item_get(&items->v[i + n], x->t->schema->key.attrs[0].name)) &&
                       value_equal(first, next))
                        n++;
                if (r == 0 && x->in.dir)
                        r = add(x, items, i, n, start_ns);
                if (x->in.dir)
                        x->in.billed += billed * n / items->n;
                i += n;
        }
        return r;
}

/* Items in the rest of the stretch, and one that shows that it has ended. */
static uint32_t items_left(struct run *x) {
        double each;

        mutex_lock(&x->fs->gate);
        each = x->t->parts > 0 ? x->t->items / x->t->parts : 0;
        mutex_unlock(&x->fs->gate);
        return each > 0 ? (uint32_t)MIN(MAX(each * (x->end - x->at) - x->in.page.n, 0) + 1, 1e6) : 0;
}

static int scan_all(struct run *x, struct error *e) {
        _cleanup_(arena_deinit) struct arena arena = ARENA_INIT(64 * KIB);
        struct place table_only = { .table = x->t->schema };
        struct scan_request s = { .table = x->t->schema };
        _cleanup_(items_deinit) struct items items;
        struct item start;
        int r;

        items_init(&items);
        r = start_key(x, &arena, &start);
        if (r == -EINVAL)
                return query_one(x, e);
        s.start = &start;
        s.consistent = fs_read_strong(x->fs, &table_only);
        while (r == 0 && s.start && x->at < x->end && !x->off) {
                uint64_t start_ns = clock_now_ns();
                double before = x->ctx->rcu;

                s.limit = items_left(x);
                r = x->fs->store->ops->scan(x->fs->store, x->ctx, &s, &items, e);
                if (r == 0)
                        r = take_page(x, &items, start_ns, read_bytes(x->ctx->rcu - before, s.consistent));
                s.start = items.next;
        }
        if (r == 0 && !s.start) { /* the end of the table */
                end(x);
                x->at = x->end;
        }
        if (x->off)
                x->at = x->end;
        return r;
}

void tour_lane_run(struct fs *fs, struct ahead *job) {
        struct tour_lane *lane = CONTAINER_OF(job, struct tour_lane, job);
        struct run x = { .fs = fs, .ctx = &job->ctx, .t = lane->tour, .lane = lane };
        struct error e = { 0 };
        int r = 0;

        do {
                ahead_goes_on(job);
                x.at = lane->at; /* only this thread changes them while it is busy */
                x.end = lane->end;
                x.off = false;
                while (r == 0 && x.at < x.end)
                        r = lane->order == TOUR_LISTING ? scan_all(&x, &e) : query_one(&x, &e);
                forget(&x);
                tour_progress(x.t, lane, lane->end, r != 0);
        } while (tour_claim(x.t, lane));
        (void)fs_done(fs, &job->ctx, x.t->table, STR_NULL, 0, NULL); /* what it has cost; that it failed is nobody's affair */
}
