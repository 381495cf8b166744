/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A long listing of partitions by several requests at once.
 *
 * The reader skips from partition to partition, each request from behind the last one it has seen.  A lane does the same
 * from a partition further on, and keeps what it sees.  Whoever comes to a lane's first partition goes on with what that
 * lane has seen: each of its requests began behind a partition that is there, and is the one the reader would have
 * made.  So the listing is the serial one, in its order, whatever a lane began with; nothing of it depends on the
 * engine's segments.  They only say where to begin: the first item of a segment (a Scan without a start key, of one
 * item).  An engine whose segments are no stretches of its order gives beginnings that have been passed, or that lie
 * close together: such lanes bring nothing, and are no more asked for.
 *
 *      lane      what it does                                    then
 *      begins    asks for the first item of its segment          runs; ends: nothing there, passed already, failed
 *      runs      asks, as long as it is not SLACK steps ahead    waits; joins; ends: the end of the table, its memory is
 *                of the reader's number of steps                 full, small or empty pages, a failure
 *      waits     for the reader's steps                          runs; ends: the reader is gone for too long
 *      joins     has come to another lane's first partition      that one goes on behind its last step
 *      ended     its steps are taken by whoever comes to it      the reader asks from behind its last step
 *
 *      reader    takes                                           then
 *      asks      a page of its own                               takes, when it has come to a lane's first partition
 *      takes     the lane's next step; waits for it              asks, where the lane has ended; takes from another, which
 *                                                                it joins
 *      alone     a page of its own, to the end: after a failure, a seek, or when a step was old, or older than a write of
 *                this mount to the table
 *
 * What it costs: one request more a lane, since its first partition is read by who comes to it too.  A lane is begun for
 * every SEED_STEPS steps of all, where the reader's requests take time.
 */
#include "fs_internal.h"
#include "ddbfs/base/clock.h"
#include "ddbfs/base/hash.h"

#define SEGMENTS 8
#define LANES (SEGMENTS - 1) /* the first segment is the reader's */
#define FIRST_STEPS 32       /* a listing is long, ... */
#define SLOW_NS NS_PER_MS    /* ... and its requests take this long: less is no waiting, and nothing to gain */
#define SEED_STEPS 24        /* a lane costs one request more than the reader alone */
#define SLACK 8
#define SEEN_MAX 4096        /* partitions; more were listed before the last lane began: no more lanes */
#define LANE_BYTES_MAX MIB
#define LANE_NS (3 * NS_PER_S)      /* it works for so long: what comes later would wait for the reader too long ... */
#define STEP_AGE_MAX (60 * NS_PER_S) /* ... which is longer than this: a listing shows what was there since it began */
#define VAIN_MAX 2           /* beginnings that brought nothing, of a listing ... */
#define VAIN_HASH 9          /* kind of hash, and the next */
#define TABLE_VAIN_MAX 8     /* ... and of a table, in a row */

/* The far ones first: the reader comes to the near ones soon enough. */
static const uint8_t segment_order[LANES] = { 4, 2, 6, 1, 3, 5, 7 };

/* What one request has brought, in the lane's arena. */
struct step {
        struct step *after;
        struct item *v, *next;
        uint32_t n;
        uint64_t start_ns;
};

struct lane {
        struct ahead job;
        struct dir_lanes *all;
        uint32_t segment;
        uint64_t base;         /* the reader's steps when it began */
        struct arena arena;    /* the thread's, as pace, until it has ended */
        struct scan_pace pace;
        struct item *first, *next; /* gate, as the rest: its first partition, behind which it goes on; NULL: not yet */
        struct step *head, *last;
        uint64_t n;            /* steps made */
        struct lane *joins;
        bool met, ended;
};

struct dir_lanes {
        struct fs *fs;
        struct node *node;              /* the directory's */
        struct scan_request request;    /* constant */
        struct str projection[KEY_ATTRS_MAX];
        const struct item *at;          /* where the next page begins; the reader's, as down to alone */
        uint64_t asked, asking_ns;      /* skips of the reader, and how long they have taken */
        struct lane *on;                /* it takes from; NULL: it asks */
        bool alone;
        struct lane lanes[LANES];
        uint32_t n_lanes;
        uint64_t reader, steps;         /* gate, as the rest: steps of the reader, and requests of all */
        unsigned vain;
        uint32_t n_seen;
        uint64_t seen[SEEN_MAX];        /* hashes: what is wrongly taken for seen costs a lane, no more */
};

static const struct key_schema *key_of(const struct dir_lanes *x) {
        return x->request.index ? &x->request.index->key : &x->request.table->key;
}

/* Of two tables that share it the one may switch off the other's lanes, which then takes longer. */
static atomic_uint *vain_of(struct fs *fs, const struct scan_request *s) {
        uint64_t hash = hash_stable(VAIN_HASH, s->table->name);

        if (s->index)
                hash ^= hash_stable(VAIN_HASH + 1, s->index->name);
        return &fs->lanes_vain[hash % LANES_VAIN];
}

static uint64_t hash_of(const struct dir_lanes *x, const struct item *item) {
        const struct key_schema *key = key_of(x);
        uint64_t hash = 0;

        for (uint32_t k = 0; k < key->n_hash; k++) {
                const struct value *v = item_get(item, key->attrs[k].name);

                hash = hash_seeded(hash, v ? v->text : STR_NULL);
        }
        return hash;
}

/* gate is held, as for the next three */
static bool was_seen(const struct dir_lanes *x, uint64_t hash) {
        for (uint32_t i = 0; i < x->n_seen; i++)
                if (x->seen[i] == hash)
                        return true;
        return false;
}

static void note(struct dir_lanes *x, const struct items *items) {
        uint64_t hash, last = 0;

        for (uint32_t i = 0; x->n_lanes < LANES && i < items->n && x->n_seen < SEEN_MAX; i++) {
                hash = hash_of(x, &items->v[i]);
                if (i == 0 || hash != last)
                        x->seen[x->n_seen++] = hash;
                last = hash;
        }
}

/* The lane whose first partition is that of the item. */
static struct lane *lane_at(struct dir_lanes *x, const struct item *item) {
        for (uint32_t i = 0; i < x->n_lanes; i++) {
                struct lane *l = &x->lanes[i];

                if (l->first && !l->met && dir_same_partition(key_of(x), l->first, item))
                        return l;
        }
        return NULL;
}

/* A page that has come to a lane's first partition ends with it, and goes on where the lane does. */
static int meet(struct dir_lanes *x, struct items *items, struct lane **ret) {
        *ret = NULL;
        for (uint32_t i = 0; i < items->n && !*ret; i++) {
                struct lane *l = lane_at(x, &items->v[i]);
                struct item *next = l ? arena_alloc(&items->arena, sizeof(*next)) : NULL;

                if (!l)
                        continue;
                if (!next || item_copy(&items->arena, l->next, next))
                        return -ENOMEM;
                items->n = i + 1;
                items->next = next;
                l->met = true;
                *ret = l;
                atomic_store_explicit(vain_of(x->fs, &x->request), 0, memory_order_relaxed);
        }
        return 0;
}

/* ---- a lane ---- */

static struct item *keep(struct lane *l, const struct item *item) {
        struct item *copy = arena_alloc(&l->arena, sizeof(*copy));

        return copy && item_copy(&l->arena, item, copy) == 0 ? copy : NULL;
}

static bool in_vain(struct lane *l) {
        mutex_lock(&l->all->fs->gate);
        l->all->vain++;
        mutex_unlock(&l->all->fs->gate);
        atomic_fetch_add_explicit(vain_of(l->all->fs, &l->all->request), 1, memory_order_relaxed);
        return false;
}

/* The first item of the segment.  What the segment has besides need not come next in the order of all. */
static bool begin(struct lane *l, struct items *items) {
        struct dir_lanes *x = l->all;
        struct scan_request s = x->request;
        struct item *first, *next;
        struct error e = { 0 };
        bool passed;
        int r;

        s.segment = l->segment;
        s.total_segments = SEGMENTS;
        s.limit = 1;
        r = x->fs->store->ops->scan(x->fs->store, &l->job.ctx, &s, items, &e);
        if (r == -EINTR)
                return false; /* nobody reads on */
        if (r || items->n != 1 || !items->next ||
            !dir_same_partition(key_of(x), &items->v[0], items->next))
                return in_vain(l);
        dir_skip_partition(key_of(x), items->next);
        first = keep(l, &items->v[0]);
        next = keep(l, items->next);
        if (!first || !next)
                return in_vain(l);
        mutex_lock(&x->fs->gate);
        passed = x->n_seen == SEEN_MAX || was_seen(x, hash_of(x, first));
        if (!passed) {
                x->seen[x->n_seen++] = hash_of(x, first);
                l->first = first;
                l->next = next;
        }
        mutex_unlock(&x->fs->gate);
        return passed ? in_vain(l) : true;
}

static bool may_ask(const void *arg) {
        const struct lane *l = arg;

        return l->n < l->all->reader - l->base + SLACK;
}

/* The page becomes a step; its strings are the lane's. */
static int append(struct lane *l, struct items *items, uint64_t start_ns) {
        struct dir_lanes *x = l->all;
        struct step *step = arena_alloc(&l->arena, sizeof(*step));
        struct lane *joins;
        int r;

        if (!step)
                return -ENOMEM;
        *step = (struct step){ .start_ns = start_ns, .v = arena_array(&l->arena, items->n, sizeof(struct item)) };
        for (; step->v && step->n < items->n; step->n++)
                if (item_copy(&l->arena, &items->v[step->n], &step->v[step->n]))
                        return -ENOMEM;
        mutex_lock(&x->fs->gate);
        r = meet(x, items, &joins);
        note(x, items);
        mutex_unlock(&x->fs->gate);
        step->n = items->n;
        if (r || !step->v || (items->next && !(step->next = keep(l, items->next))))
                return -ENOMEM;
        mutex_lock(&x->fs->gate);
        l->joins = joins; /* with the step that leads to it, or not at all */
        if (l->last)
                l->last->after = step;
        if (!l->head)
                l->head = step;
        l->last = step;
        l->n++;
        x->steps++;
        cond_broadcast(&x->fs->gate_cond);
        mutex_unlock(&x->fs->gate);
        return 0;
}

static void run(struct lane *l) {
        struct dir_lanes *x = l->all;
        _cleanup_(items_deinit) struct items items, before; /* before: the start lies in it */
        struct scan_request s = x->request;
        uint64_t until = clock_now_ns() + LANE_NS;
        struct error e = { 0 };
        bool more;

        items_init(&items);
        items_init(&before);
        more = begin(l, &items);
        while (more && fs_wait_until(x->fs, &l->job.ctx, may_ask, l, &e) == 0) {
                uint64_t start_ns = clock_now_ns();

                items_deinit(&before);
                before = items;
                items_init(&items);
                s.start = before.next;
                ahead_goes_on(&l->job);
                if (dir_scan_once(x->fs, &l->job.ctx, &l->pace, &s, &items, &e) || items.n == 0)
                        return;
                if (items.next)
                        dir_skip_partition(key_of(x), items.next);
                more = append(l, &items, start_ns) == 0 && items.next && !l->joins && l->pace.skipping &&
                       clock_now_ns() < until;
        }
}

static void lane_main(struct fs *fs, struct ahead *job) {
        struct lane *l = CONTAINER_OF(job, struct lane, job);

        run(l);
        (void)fs_done(fs, &job->ctx, l->all->node, STR_NULL, 0, NULL); /* what it has cost */
        mutex_lock(&fs->gate);
        l->ended = true;
        cond_broadcast(&fs->gate_cond);
        mutex_unlock(&fs->gate);
}

/* ---- the reader ---- */

static void stop(struct dir_lanes *x) {
        for (uint32_t i = 0; i < x->n_lanes; i++)
                ahead_stop(&x->lanes[i].job);
        x->on = NULL;
        x->alone = true;
}

static void maybe_begin(struct fs *fs, struct fs_dir *d) {
        struct dir_lanes *x = d->lanes;
        struct lane *l = x->n_lanes < LANES ? &x->lanes[x->n_lanes] : NULL;
        bool wanted;

        if (!l || x->alone || !d->pace.skipping || x->asking_ns < x->asked * SLOW_NS ||
            atomic_load_explicit(vain_of(fs, &x->request), memory_order_relaxed) >= TABLE_VAIN_MAX)
                return;
        mutex_lock(&fs->gate);
        wanted = x->vain < VAIN_MAX && x->n_seen < SEEN_MAX && x->steps >= FIRST_STEPS + SEED_STEPS * (uint64_t)x->n_lanes;
        if (wanted)
                x->n_lanes++;
        l->base = x->reader;
        mutex_unlock(&fs->gate);
        if (!wanted)
                return;
        l->all = x;
        l->segment = segment_order[l - x->lanes];
        l->arena = ARENA_INIT(LANE_BYTES_MAX);
        l->pace = d->pace;
        scan_pace_settled(&l->pace);
        if (!ahead_start(fs, &l->job, "readdir", lane_main))
                x->lanes[x->n_lanes - 1].ended = true; /* no thread for it: one lane less */
}

static bool has_step(const void *arg) {
        const struct lane *l = arg;

        return l->head || l->ended;
}

/* The next step of the lane the reader is on, of that which this joins, and so on; NULL: it has to ask. */
static int take(struct fs *fs, struct op_ctx *ctx, struct fs_dir *d, struct step **ret, struct error *e) {
        struct dir_lanes *x = d->lanes;
        int r = 0;

        *ret = NULL;
        while (x->on && !*ret) {
                struct lane *l = x->on;

                r = fs_wait_until(fs, ctx, has_step, l, e);
                if (r)
                        return r;
                mutex_lock(&fs->gate);
                *ret = l->head;
                if (l->head)
                        l->head = l->head->after;
                if (l->last == *ret)
                        l->last = NULL;
                mutex_unlock(&fs->gate);
                if (!*ret) {
                        d->pace = l->pace;
                        x->on = l->joins;
                }
        }
        return 0;
}

static bool is_stale(struct fs *fs, const struct fs_dir *d, uint64_t start_ns) {
        return clock_now_ns() - start_ns > STEP_AGE_MAX || fs_wrote_since(fs, &d->place, start_ns);
}

static void stepped(struct fs *fs, struct dir_lanes *x, bool asked) {
        mutex_lock(&fs->gate);
        x->reader++;
        x->steps += asked;
        cond_broadcast(&fs->gate_cond);
        mutex_unlock(&fs->gate);
}

static int ask(struct fs *fs, struct op_ctx *ctx, struct fs_dir *d, struct scan_request *s, struct items *items,
               struct error *e) {
        struct dir_lanes *x = d->lanes;
        uint64_t start_ns = clock_now_ns();
        bool skip = d->pace.skipping;
        int r = dir_scan_once(fs, ctx, &d->pace, s, items, e);

        if (r || !x || x->alone)
                return r;
        x->asked += skip;
        x->asking_ns += skip ? clock_now_ns() - start_ns : 0;
        mutex_lock(&fs->gate);
        r = meet(x, items, &x->on);
        note(x, items);
        mutex_unlock(&fs->gate);
        stepped(fs, x, d->pace.skipping);
        maybe_begin(fs, d);
        return r ? error_set_errno(e, r, "listing") : 0;
}

int dir_lanes_scan(struct fs *fs, struct op_ctx *ctx, struct fs_dir *d, struct scan_request *s, struct items *items,
                   uint64_t *ret_start_ns, struct error *e) {
        struct step *step = NULL;
        int r = d->lanes ? take(fs, ctx, d, &step, e) : 0;

        if (r)
                return r;
        if (step && is_stale(fs, d, step->start_ns)) {
                stop(d->lanes);
                step = NULL;
        }
        *ret_start_ns = step ? step->start_ns : clock_now_ns();
        if (!step)
                return ask(fs, ctx, d, s, items, e);
        items_deinit(items);
        items->v = step->v;
        items->n = step->n;
        items->next = step->next;
        stepped(fs, d->lanes, false);
        maybe_begin(fs, d);
        return 0;
}

void dir_lanes_page(struct fs *fs, struct fs_dir *d, const struct scan_request *s) {
        struct dir_lanes *x = d->lanes;

        if (x && x->at != s->start)
                stop(x);
        if (x || s->start || fs->o.no_readahead || fs->o.cache_ttl_ns == 0)
                return;
        x = mem_zalloc(sizeof(*x));
        if (!x)
                return; /* it goes without */
        x->fs = fs;
        x->node = d->node;
        x->request = *s;
        for (uint32_t i = 0; i < s->n_projection; i++)
                x->projection[i] = s->projection[i];
        x->request.projection = x->projection;
        d->lanes = x;
}

void dir_lanes_page_end(struct fs_dir *d, const struct item *next, bool failed) {
        if (!d->lanes)
                return;
        d->lanes->at = next;
        if (failed || !next)
                stop(d->lanes);
}

void dir_lanes_free(struct fs_dir *d) {
        struct dir_lanes *x = d->lanes;

        if (!x)
                return;
        stop(x);
        for (uint32_t i = 0; i < x->n_lanes; i++)
                arena_deinit(&x->lanes[i].arena);
        d->lanes = mem_free(x);
}
