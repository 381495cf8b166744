/* SPDX-License-Identifier: Apache-2.0 */
/* Noticing tours, and how far ahead of them to go: see tour_internal.h. */
#include <stdlib.h>
#include "tour_internal.h"
#include "ddbfs/base/clock.h"

#define STREAK_MIN 3
#define IDLE_NS (60 * NS_PER_S)     /* visits further apart are no tour */
#define STEP_MAX 2                  /* one may be left out */
#define SORTED_MAX 50000            /* partitions of a table whose other orders are worth the sorting */
#define WINDOW_SHARE 4              /* of cache_size */
#define WINDOW_FIRST (2.0 * MIB)
#define SCAN_BYTES (900.0 * KIB)    /* of one stretch: a page of the service is 1 MB */
#define QUERY_BYTES (256.0 * KIB)
#define ALL_ORDERS ((1U << _TOUR_ORDER_N) - 1)

struct str tour_name(const struct tour *t, uint32_t entry) {
        return str_make(t->names->names.p + t->names->entries[entry].name_at, t->names->entries[entry].name_n);
}

int tour_partition(const struct tour *t, uint32_t entry, struct place *ret) {
        _cleanup_(buf_deinit) struct buf text = BUF_INIT(NAME_ENCODED_MAX);
        struct key key = { .n = 1 };

        *ret = (struct place){ .kind = NODE_PARTITION, .level = LEVEL_RANGE };
        if (t->names->entries[entry].kind != NODE_PARTITION ||
            keyname_decode(&text, tour_name(t, entry), t->schema->key.attrs[0].type, false, &key.parts[0]))
                return -EINVAL;
        ret->table = table_schema_ref(t->schema);
        return place_set_key(ret, &key);
}

/* ---- orders ---- */

struct sortable {
        uint64_t ino;
        struct str name;
        uint32_t entry;
};

static int by_ino(const void *a, const void *b) {
        const struct sortable *x = a, *y = b;

        return x->ino < y->ino ? -1 : x->ino > y->ino;
}

static int by_name(const void *a, const void *b) {
        return str_cmp(((const struct sortable *)a)->name, ((const struct sortable *)b)->name);
}

static int sort_order(struct tour *t, enum tour_order o, struct sortable *v, uint32_t n) {
        t->entries[o] = mem_calloc(n, sizeof(uint32_t));
        t->places[o] = mem_calloc(n, sizeof(uint32_t));
        if (!t->entries[o] || !t->places[o])
                return -ENOMEM;
        qsort(v, n, sizeof(*v), o == TOUR_INODE ? by_ino : by_name);
        for (uint32_t i = 0; i < n; i++) {
                t->entries[o][i] = v[i].entry;
                t->places[o][v[i].entry] = i;
        }
        return 0;
}

static int make_orders(struct tour *t) {
        uint32_t n = t->names->n;
        struct sortable *v;
        int r;

        if (n > SORTED_MAX)
                return 0;
        v = mem_calloc(n, sizeof(*v));
        if (!v)
                return -ENOMEM;
        for (uint32_t i = 0; i < n; i++)
                v[i] = (struct sortable){ .ino = node_ino(t->table_ino, tour_name(t, i)), .name = tour_name(t, i), .entry = i };
        r = sort_order(t, TOUR_INODE, v, n);
        if (r == 0)
                r = sort_order(t, TOUR_NAME, v, n);
        mem_free(v);
        return r;
}

/* ---- making and ending ---- */

static struct tour *tour_free(struct tour *t) {
        if (!t)
                return NULL;
        for (size_t i = 0; i < TOUR_LANES; i++)
                ahead_stop(&t->lanes[i].job);
        for (size_t o = 0; o < _TOUR_ORDER_N; o++) {
                mem_free(t->entries[o]);
                mem_free(t->places[o]);
        }
        listing_unref(t->listing);
        table_schema_unref(t->schema);
        node_put(t->fs, t->table);
        return mem_free(t);
}

static struct tour *tour_new(struct fs *fs, struct node *table, uint64_t ino, struct table_schema *schema) {
        struct tour *t = mem_zalloc(sizeof(*t));

        if (!t)
                return NULL;
        t->fs = fs;
        t->table_ino = ino;
        t->table = node_ref(fs, table);
        t->schema = table_schema_ref(schema);
        t->listing = listing_hold(fs, ino);
        t->window = WINDOW_FIRST;
        for (size_t i = 0; i < TOUR_LANES; i++)
                t->lanes[i].tour = t;
        if (!t->listing)
                return tour_free(t);
        t->names = listing_page(t->listing);
        return t->names->n < STREAK_MIN || make_orders(t) ? tour_free(t) : t;
}

/* gate is held */
static bool is_idle(const struct tour *t) {
        bool idle = t->users == 0;

        for (size_t i = 0; i < TOUR_LANES; i++)
                idle = idle && !t->lanes[i].busy;
        return idle;
}

/* gate is held */
static struct tour *find(struct fs *fs, uint64_t ino) {
        for (size_t i = 0; i < TOURS_MAX; i++)
                if (fs->tours[i] && fs->tours[i]->table_ino == ino)
                        return fs->tours[i];
        return NULL;
}

static struct tour *get(struct fs *fs, uint64_t ino) {
        struct tour *t;

        mutex_lock(&fs->gate);
        t = find(fs, ino);
        if (t)
                t->users++;
        mutex_unlock(&fs->gate);
        return t;
}

static void put(struct tour *t) {
        mutex_lock(&t->fs->gate);
        t->users--;
        mutex_unlock(&t->fs->gate);
}

/* Into an empty place, or that of the one that has been idle longest; returned: what is to be freed. */
static struct tour *place_tour(struct fs *fs, struct tour *t) {
        struct tour **best = NULL, *old;

        mutex_lock(&fs->gate);
        for (size_t i = 0; i < TOURS_MAX; i++) {
                struct tour **x = &fs->tours[i];

                if (*x && !is_idle(*x))
                        continue;
                if (!best || (*best && (!*x || (*x)->last_ns < (*best)->last_ns)))
                        best = x;
        }
        if (!best || find(fs, t->table_ino)) {
                mutex_unlock(&fs->gate);
                return t;
        }
        old = *best;
        *best = t;
        mutex_unlock(&fs->gate);
        return old;
}

/* It is over when the table is listed anew: what it went by is replaced. */
static void replace_outdated(struct fs *fs, uint64_t ino) {
        struct tour *old = NULL;

        mutex_lock(&fs->gate);
        for (size_t i = 0; i < TOURS_MAX; i++)
                if (fs->tours[i] && fs->tours[i]->table_ino == ino && is_idle(fs->tours[i]) &&
                    listing_replaced(fs, ino, fs->tours[i]->listing)) {
                        old = fs->tours[i];
                        fs->tours[i] = NULL;
                }
        mutex_unlock(&fs->gate);
        tour_free(old);
}

void tours_flush(struct fs *fs) {
        for (size_t i = 0; i < TOURS_MAX; i++) {
                struct tour *old = NULL;

                mutex_lock(&fs->gate);
                if (fs->tours[i] && is_idle(fs->tours[i])) {
                        old = fs->tours[i];
                        fs->tours[i] = NULL;
                }
                mutex_unlock(&fs->gate);
                tour_free(old);
        }
}

void tours_free(struct fs *fs) {
        for (size_t i = 0; i < TOURS_MAX; i++)
                fs->tours[i] = tour_free(fs->tours[i]);
}

/* ---- visits ---- */

static unsigned orders_of_step(const struct tour *t, uint32_t from, uint32_t to) {
        unsigned orders = 0;

        for (unsigned o = 0; o < _TOUR_ORDER_N; o++) {
                uint32_t a = tour_place(t, o, from), b = tour_place(t, o, to);

                if ((o == TOUR_LISTING || t->places[o]) && b > a && b - a <= STEP_MAX)
                        orders |= 1U << o;
        }
        return orders;
}

static enum tour_order first_order(unsigned orders) {
        enum tour_order o = TOUR_LISTING;

        while (o + 1 < _TOUR_ORDER_N && !(orders & 1U << o))
                o++;
        return o;
}

/* How much may be ahead: what is read in half of cache_ttl, or it would expire before it is used.  gate is held. */
static double window_now(const struct tour *t, uint64_t now) {
        const struct fs_options *o = &t->fs->o;
        double window = MIN(t->window, (double)(o->cache_size / WINDOW_SHARE));
        double seconds = (double)(now - t->begun_ns) / (double)NS_PER_S;

        if (o->cache_ttl_ns == FS_FOREVER || t->parts < 1 || seconds <= 0)
                return window;
        return MIN(window, t->streak * (t->bytes / t->parts) / seconds * ((double)o->cache_ttl_ns / (double)NS_PER_S) / 2);
}

static bool in_flight(const struct tour *t, uint32_t entry) {
        for (size_t i = 0; i < TOUR_LANES; i++) {
                const struct tour_lane *l = &t->lanes[i];
                uint32_t at = tour_place(t, l->order, entry);

                if (l->busy && at >= l->at && at < l->end)
                        return true;
        }
        return false;
}

static bool is_fresh(struct tour *t, uint32_t entry) {
        _cleanup_(place_deinit) struct place p = { 0 };

        return tour_partition(t, entry, &p) == 0 && listing_fresh(t->fs, node_ino(t->table_ino, tour_name(t, entry)), &p);
}

/* gate is held */
static void visit(struct tour *t, uint32_t entry, uint64_t now) {
        unsigned orders = t->streak && now - t->last_ns < IDLE_NS ? t->candidates & orders_of_step(t, t->entry, entry) : 0;
        enum tour_order order = first_order(orders);
        bool fetched;

        t->last_ns = now;
        if (t->streak && t->entry == entry)
                return;
        t->entry = entry;
        if (!orders) {
                t->candidates = ALL_ORDERS;
                t->streak = 1;
                t->ahead = 0;
                t->begun_ns = now;
                t->window = WINDOW_FIRST;
                return;
        }
        fetched = t->streak >= STREAK_MIN && order == t->order && tour_place(t, order, entry) < t->ahead;
        if (fetched && !in_flight(t, entry))
                t->window = is_fresh(t, entry) ? t->window * 1.1 : t->window / 2;
        t->candidates = orders;
        t->streak++;
        if (order != t->order)
                t->ahead = 0;
        t->order = order;
        t->ahead = MAX(t->ahead, tour_place(t, order, entry) + 1);
}

static bool is_wanted(struct tour *t, uint32_t position) {
        uint32_t entry = tour_entry(t, t->order, position);

        return t->names->entries[entry].kind == NODE_PARTITION && !is_fresh(t, entry);
}

/* gate is held; the partitions of the next stretch, or 0 */
static double stretch(const struct tour *t, uint64_t now) {
        double each = t->bytes / t->parts, window = window_now(t, now);
        double ahead = (double)t->ahead - (double)tour_place(t, t->order, t->entry) - 1;
        double room = window / each - ahead;
        double want = t->order == TOUR_LISTING ? SCAN_BYTES / (t->billed / t->parts) : QUERY_BYTES / each;

        want = MAX(want, 1);
        if (each > window / 2 || room < 1 || (room < want && ahead > 0))
                return 0;
        return MIN(want, room);
}

static bool claim(struct tour *t, struct tour_lane *lane) {
        double n = t->streak >= STREAK_MIN && t->parts >= 1 && !t->stopped ? stretch(t, clock_now_ns()) : 0;
        uint32_t most = (uint32_t)MIN(n, 100000.0), at = t->ahead;

        if (most == 0)
                return false;
        while (at < t->names->n && at - t->ahead < most && !is_wanted(t, at))
                at++;
        lane->order = t->order;
        lane->at = lane->end = at;
        while (lane->end < t->names->n && lane->end - at < most && is_wanted(t, lane->end))
                lane->end++;
        t->ahead = lane->end;
        return lane->end > lane->at;
}

bool tour_claim(struct tour *t, struct tour_lane *lane) {
        bool claimed;

        mutex_lock(&t->fs->gate);
        claimed = lane->busy = claim(t, lane);
        cond_broadcast(&t->fs->gate_cond);
        mutex_unlock(&t->fs->gate);
        return claimed; /* one that is not busy may have been started anew by now */
}

void tour_seen(struct tour *t, double bytes, double billed, double items) {
        mutex_lock(&t->fs->gate);
        t->bytes += MAX(bytes, 64);
        t->billed += billed > 0 ? billed : MAX(bytes, 64);
        t->items += items;
        t->parts++;
        mutex_unlock(&t->fs->gate);
}

void tour_progress(struct tour *t, struct tour_lane *lane, uint32_t at, bool failed) {
        mutex_lock(&t->fs->gate);
        lane->at = MAX(lane->at, at);
        t->stopped = t->stopped || failed;
        cond_broadcast(&t->fs->gate_cond);
        mutex_unlock(&t->fs->gate);
}

static void start_lanes(struct tour *t) {
        for (size_t i = 0; i < TOUR_LANES; i++) {
                struct tour_lane *lane = &t->lanes[i];
                bool claimed;

                mutex_lock(&t->fs->gate);
                claimed = !lane->busy && claim(t, lane);
                lane->busy = lane->busy || claimed;
                mutex_unlock(&t->fs->gate);
                if (claimed && !ahead_start(t->fs, &lane->job, "readahead", tour_lane_run)) {
                        mutex_lock(&t->fs->gate);
                        lane->busy = false;
                        t->ahead = lane->at;
                        cond_broadcast(&t->fs->gate_cond);
                        mutex_unlock(&t->fs->gate);
                        return;
                }
        }
}

/* ---- the interface ---- */

struct waiting {
        const struct tour *tour;
        uint32_t entry;
};

static bool has_landed(const void *arg) {
        const struct waiting *w = arg;

        return !in_flight(w->tour, w->entry);
}

int tour_wait(struct fs *fs, struct op_ctx *ctx, struct node *table, struct str name, struct error *e) {
        struct tour *t = get(fs, node_ino_now(fs, table));
        struct waiting w = { .tour = t };
        int r = 0;

        if (!t)
                return 0;
        if (listing_find(t->listing, name, &w.entry))
                r = fs_wait_until(fs, ctx, has_landed, &w, e);
        put(t);
        return r;
}

/* The table directory of a partition's, and its name there; NULL: it is none. */
static struct node *table_of(struct fs *fs, const struct fs_dir *d, struct buf *name) {
        struct node *table = NULL;

        if (fs->o.no_readahead || fs->o.cache_ttl_ns == 0 || d->place.view || d->place.kind != NODE_PARTITION)
                return NULL;
        mutex_lock(&fs->nodes.lock);
        buf_append(name, d->node->name, d->node->name_n);
        if (d->node->parent && d->node->parent->kind == NODE_TABLE)
                table = d->node->parent;
        mutex_unlock(&fs->nodes.lock);
        return table && buf_status(name) == 0 ? node_ref(fs, table) : NULL;
}

int tour_visit(struct fs *fs, struct op_ctx *ctx, struct fs_dir *d, struct error *e) {
        _cleanup_(buf_deinit) struct buf name = BUF_INIT(NAME_ENCODED_MAX);
        _cleanup_(held_put) struct held table = { .fs = fs, .n = table_of(fs, d, &name) };
        uint64_t ino = table.n ? node_ino_now(fs, table.n) : 0;
        struct waiting w;
        struct tour *t;
        int r = 0;

        if (!table.n)
                return 0;
        replace_outdated(fs, ino);
        t = get(fs, ino);
        if (!t && (t = tour_new(fs, table.n, ino, d->place.table))) {
                tour_free(place_tour(fs, t));
                t = get(fs, ino);
        }
        if (!t)
                return 0;
        w = (struct waiting){ .tour = t };
        if (listing_find(t->listing, buf_view(&name), &w.entry)) {
                mutex_lock(&fs->gate);
                visit(t, w.entry, clock_now_ns());
                mutex_unlock(&fs->gate);
                start_lanes(t);
                r = fs_wait_until(fs, ctx, has_landed, &w, e);
        }
        put(t);
        return r;
}

void tour_listed(struct fs *fs, const struct op_ctx *ctx, const struct fs_dir *d) {
        _cleanup_(buf_deinit) struct buf name = BUF_INIT(NAME_ENCODED_MAX);
        _cleanup_(held_put) struct held table = { .fs = fs, .n = table_of(fs, d, &name) };
        struct tour *t = table.n ? get(fs, node_ino_now(fs, table.n)) : NULL;
        double bytes = 0;

        if (!t)
                return;
        for (uint32_t i = 0; i < d->page.n; i++)
                bytes += (double)d->page.entries[i].size;
        tour_seen(t, bytes, read_bytes(ctx->rcu, fs_read_strong(fs, &d->place)), d->page.n);
        start_lanes(t);
        put(t);
}
