/* SPDX-License-Identifier: Apache-2.0 */
/* The item cache: see cache_internal.h for its states and rules. */
#include "cache_internal.h"
#include "ddbfs/base/alloc.h"
#include "ddbfs/base/clock.h"
#include "ddbfs/base/hash.h"
#include "ddbfs/base/metrics.h"

/* Of versions once served whose entry was evicted, 16 bytes each are kept: enough to notice that an item has changed. */
#define PRINTS 65536

/* When items were last written here, by the hash of their id.  Those that share a slot drop an answer too many. */
#define WRITTEN_SLOTS 4096

struct print {
        uint64_t id_hash, text_hash;
};

/* Of max_bytes, what ghosts (no text) may take, and what those may that were shown to a reader: a listing does not
 * drive out the latter. */
#define GHOST_SHARE 8

struct entry {
        struct hmap_node node;
        struct list lru; /* in with_text or ghosts, by whether it holds a snapshot; newest last */
        enum cache_state state;
        bool has_hash, has_served, served_gone; /* served_gone: readers were told since that it is gone */
        uint64_t fetched_ns, mtime_ns;
        uint64_t n, hash, served_hash, served_at;
        struct snapshot *snapshot, *served;
        uint32_t id_n;
        char id[];
};

struct cache {
        struct mutex lock; /* everything below */
        struct hmap map;
        struct list with_text, ghosts, served_ghosts; /* the last: without text, but shown to a reader once */
        size_t bytes, ghost_bytes, served_ghost_bytes, max_bytes;
        uint64_t first_mtime_ns;
        uint64_t n_served; /* how often something was */
        uint64_t written_ns[WRITTEN_SLOTS], flushed_ns;
        struct print prints[PRINTS]; /* touched only where used */
};

uint64_t snapshot_hash(struct str text) {
        return hash_seeded(0, text);
}

int snapshot_room(size_t n, struct snapshot **ret) {
        struct snapshot *s = mem_alloc(sizeof(*s) + n + 1);

        if (!s)
                return -ENOMEM;
        atomic_init(&s->refs, 1);
        s->hash = 0;
        s->n = n;
        s->text[n] = '\0';
        *ret = s;
        return 0;
}

int snapshot_new(struct str text, struct snapshot **ret) {
        int r = snapshot_room(text.n, ret);

        if (r)
                return r;
        if (text.n)
                memcpy((*ret)->text, text.p, text.n);
        (*ret)->hash = snapshot_hash(text);
        return 0;
}

struct snapshot *snapshot_ref(struct snapshot *s) {
        if (s)
                atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
        return s;
}

struct snapshot *snapshot_unref(struct snapshot *s) {
        if (s && atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) == 1)
                mem_free(s);
        return NULL;
}

void cache_view_deinit(struct cache_view *v) {
        v->snapshot = snapshot_unref(v->snapshot);
}

int cache_new(size_t max_bytes, uint64_t first_mtime_ns, struct cache **ret) {
        struct cache *c = mem_zalloc(sizeof(*c));

        if (!c)
                return -ENOMEM;
        mutex_init(&c->lock);
        list_init(&c->with_text);
        list_init(&c->ghosts);
        list_init(&c->served_ghosts);
        c->max_bytes = max_bytes;
        c->first_mtime_ns = first_mtime_ns;
        *ret = c;
        return 0;
}

static size_t entry_bytes(const struct entry *e) {
        size_t n = sizeof(*e) + e->id_n;

        if (e->snapshot)
                n += sizeof(*e->snapshot) + e->snapshot->n;
        if (e->served && e->served != e->snapshot)
                n += sizeof(*e->served) + e->served->n;
        return n;
}

static bool entry_has_text(const struct entry *e) {
        return e->snapshot || e->served;
}

/* Take an entry out of the accounts and its list before it changes; account() puts it back. */
static void unaccount(struct cache *c, struct entry *e) {
        if (entry_has_text(e))
                c->bytes -= entry_bytes(e);
        else if (e->has_served)
                c->served_ghost_bytes -= entry_bytes(e);
        else
                c->ghost_bytes -= entry_bytes(e);
        list_remove(&e->lru);
}

static void account(struct cache *c, struct entry *e) {
        if (entry_has_text(e)) {
                c->bytes += entry_bytes(e);
                list_append(&c->with_text, &e->lru);
        } else if (e->has_served) {
                c->served_ghost_bytes += entry_bytes(e);
                list_append(&c->served_ghosts, &e->lru);
        } else {
                c->ghost_bytes += entry_bytes(e);
                list_append(&c->ghosts, &e->lru);
        }
}

static void drop_text(struct entry *e) {
        e->snapshot = snapshot_unref(e->snapshot);
        e->served = snapshot_unref(e->served);
}

static void entry_free(struct cache *c, struct entry *e) {
        unaccount(c, e);
        hmap_remove(&c->map, &e->node);
        drop_text(e);
        mem_free(e);
}

static void shrink(struct cache *c) {
        size_t ghost_max = c->max_bytes / GHOST_SHARE;

        while (c->bytes > c->max_bytes - 2 * ghost_max && !list_is_empty(&c->with_text)) {
                struct entry *e = CONTAINER_OF(c->with_text.next, struct entry, lru);

                unaccount(c, e);
                drop_text(e);
                account(c, e);
                metric_add(METRIC_CACHE_EVICTIONS, 1);
        }
        while (c->ghost_bytes > ghost_max && !list_is_empty(&c->ghosts))
                entry_free(c, CONTAINER_OF(c->ghosts.next, struct entry, lru));
        while (c->served_ghost_bytes > ghost_max && !list_is_empty(&c->served_ghosts)) {
                struct entry *e = CONTAINER_OF(c->served_ghosts.next, struct entry, lru);

                c->prints[e->node.hash % PRINTS] = (struct print){ .id_hash = e->node.hash, .text_hash = e->served_hash };
                entry_free(c, e);
        }
        metric_set(METRIC_CACHE_BYTES, (int64_t)(c->bytes + c->ghost_bytes + c->served_ghost_bytes));
}

struct cache *cache_free(struct cache *c) {
        if (!c)
                return NULL;
        while (!list_is_empty(&c->with_text))
                entry_free(c, CONTAINER_OF(c->with_text.next, struct entry, lru));
        while (!list_is_empty(&c->ghosts))
                entry_free(c, CONTAINER_OF(c->ghosts.next, struct entry, lru));
        while (!list_is_empty(&c->served_ghosts))
                entry_free(c, CONTAINER_OF(c->served_ghosts.next, struct entry, lru));
        hmap_deinit(&c->map);
        mutex_deinit(&c->lock);
        return mem_free(c);
}

static uint64_t written_ns(const struct cache *c, uint64_t id_hash) {
        return MAX(c->written_ns[id_hash % WRITTEN_SLOTS], c->flushed_ns);
}

static struct entry *find(struct cache *c, struct str id, uint64_t hash) {
        for (struct hmap_node *n = hmap_first(&c->map, hash); n; n = hmap_next(n)) {
                struct entry *e = CONTAINER_OF(n, struct entry, node);

                if (str_eq(str_make(e->id, e->id_n), id))
                        return e;
        }
        return NULL;
}

/* The entry of id, accounted and in the map; NULL without memory. */
static struct entry *find_or_add(struct cache *c, struct str id) {
        uint64_t hash = hash_seeded(0, id);
        struct entry *e = find(c, id, hash);

        if (e)
                return e;
        e = mem_zalloc(sizeof(*e) + id.n);
        if (!e)
                return NULL;
        e->id_n = (uint32_t)id.n;
        memcpy(e->id, id.p, id.n);
        e->mtime_ns = c->first_mtime_ns;
        list_init(&e->lru);
        if (hmap_insert(&c->map, &e->node, hash)) {
                mem_free(e);
                return NULL;
        }
        account(c, e);
        return e;
}

void cache_get(struct cache *c, struct str id, uint64_t max_age_ns, bool with_text, struct cache_view *ret) {
        uint64_t now = clock_now_ns();
        struct entry *e;

        *ret = (struct cache_view){ .state = CACHE_UNKNOWN };
        mutex_lock(&c->lock);
        e = find(c, id, hash_seeded(0, id));
        if (e && e->state != CACHE_UNKNOWN && !(with_text && e->state == CACHE_PRESENT && !e->snapshot) &&
            (max_age_ns == UINT64_MAX || (now - MIN(now, e->fetched_ns)) < max_age_ns)) {
                *ret = (struct cache_view){ .state = e->state, .snapshot = snapshot_ref(e->snapshot), .n = e->n,
                                            .hash = e->hash, .mtime_ns = e->mtime_ns, .fetched_ns = e->fetched_ns };
                unaccount(c, e); /* to the young end */
                account(c, e);
        }
        mutex_unlock(&c->lock);
        metric_add(ret->state == CACHE_UNKNOWN ? METRIC_CACHE_MISSES : METRIC_CACHE_HITS, 1);
}

/* e is unaccounted: give it a new text; the mtime moves when and only when the content does. */
static void set_text(struct entry *e, struct snapshot *s) {
        if (e->has_hash ? e->hash != s->hash : e->state == CACHE_ABSENT)
                e->mtime_ns = clock_wall_ns();
        if (e->snapshot != s) {
                snapshot_unref(e->snapshot);
                e->snapshot = snapshot_ref(s);
        }
        e->state = CACHE_PRESENT;
        e->has_hash = true;
        e->hash = s->hash;
        e->n = s->n;
}

/* What was served stays known by its hash: should it come back, a save by who had read it must not pass unseen. */
static void set_absent(struct entry *e) {
        drop_text(e);
        e->state = CACHE_ABSENT;
        e->has_hash = false;
        e->served_gone = e->has_served;
        e->n = 0;
}

uint64_t cache_put(struct cache *c, struct str id, struct snapshot *s, uint64_t start_ns) {
        uint64_t mtime = c->first_mtime_ns;
        struct entry *e;

        mutex_lock(&c->lock);
        e = find_or_add(c, id);
        if (e) {
                if (start_ns >= written_ns(c, e->node.hash) && start_ns >= e->fetched_ns) {
                        unaccount(c, e);
                        set_text(e, s);
                        e->fetched_ns = start_ns;
                        account(c, e);
                }
                mtime = e->mtime_ns;
                shrink(c);
        }
        mutex_unlock(&c->lock);
        return mtime;
}

void cache_put_absent(struct cache *c, struct str id, uint64_t start_ns) {
        struct entry *e;

        mutex_lock(&c->lock);
        e = find_or_add(c, id);
        if (e && start_ns >= written_ns(c, e->node.hash) && start_ns >= e->fetched_ns) {
                unaccount(c, e);
                set_absent(e);
                e->fetched_ns = start_ns;
                account(c, e);
        }
        shrink(c);
        mutex_unlock(&c->lock);
}

uint64_t cache_seen(struct cache *c, struct str id, uint64_t hash) {
        uint64_t mtime = c->first_mtime_ns;
        struct entry *e;

        mutex_lock(&c->lock);
        e = find_or_add(c, id);
        if (e) {
                if (e->has_hash && e->hash != hash)
                        e->mtime_ns = clock_wall_ns();
                e->has_hash = true;
                e->hash = hash;
                mtime = e->mtime_ns;
                shrink(c);
        }
        mutex_unlock(&c->lock);
        return mtime;
}

void cache_put_own(struct cache *c, struct str id, struct snapshot *s) {
        struct entry *e;

        mutex_lock(&c->lock);
        e = find_or_add(c, id);
        if (e) {
                unaccount(c, e);
                if (s) {
                        if (!e->has_hash)
                                e->mtime_ns = clock_wall_ns();
                        set_text(e, s);
                } else {
                        set_absent(e);
                        e->has_served = false;
                        c->prints[e->node.hash % PRINTS].id_hash = 0;
                }
                e->fetched_ns = clock_now_ns();
                c->written_ns[e->node.hash % WRITTEN_SLOTS] = e->fetched_ns;
                account(c, e);
        }
        shrink(c);
        mutex_unlock(&c->lock);
}

static void forget_content(struct cache *c, struct entry *e) {
        unaccount(c, e);
        e->snapshot = snapshot_unref(e->snapshot);
        e->state = CACHE_UNKNOWN;
        account(c, e);
}

void cache_invalidate(struct cache *c, struct str id) {
        uint64_t hash = hash_seeded(0, id);
        struct entry *e;

        mutex_lock(&c->lock);
        c->written_ns[hash % WRITTEN_SLOTS] = clock_now_ns(); /* reads under way may be from before */
        e = find(c, id, hash);
        if (e)
                forget_content(c, e);
        mutex_unlock(&c->lock);
}

uint64_t cache_written_ns(struct cache *c, struct str id) {
        uint64_t ns;

        mutex_lock(&c->lock);
        ns = written_ns(c, hash_seeded(0, id));
        mutex_unlock(&c->lock);
        return ns;
}

void cache_flush(struct cache *c) {
        struct hmap_walk w = { 0 };
        struct hmap_node *n;

        mutex_lock(&c->lock);
        c->flushed_ns = clock_now_ns();
        while ((n = hmap_walk_next(&c->map, &w)))
                forget_content(c, CONTAINER_OF(n, struct entry, node));
        shrink(c);
        mutex_unlock(&c->lock);
}

void cache_serve(struct cache *c, struct str id, struct snapshot *s) {
        struct entry *e;

        mutex_lock(&c->lock);
        e = find_or_add(c, id);
        if (e)
                e->served_at = ++c->n_served;
        if (e && (e->served != s || e->served_gone)) {
                unaccount(c, e);
                snapshot_unref(e->served);
                e->served = snapshot_ref(s);
                e->has_served = true;
                e->served_gone = false;
                c->prints[e->node.hash % PRINTS].id_hash = 0; /* an older one */
                e->served_hash = s->hash;
                account(c, e);
                shrink(c);
        }
        mutex_unlock(&c->lock);
}

uint64_t cache_served_at(struct cache *c, struct str id) {
        struct entry *e;
        uint64_t at;

        mutex_lock(&c->lock);
        e = find(c, id, hash_seeded(0, id));
        at = e && e->has_served && !e->served_gone ? e->served_at : 0;
        mutex_unlock(&c->lock);
        return at;
}

enum cache_base cache_served(struct cache *c, struct str id, bool since_gone, struct snapshot **ret, uint64_t *ret_hash) {
        enum cache_base base = CACHE_BASE_NONE;
        uint64_t id_hash = hash_seeded(0, id);
        const struct print *print = &c->prints[id_hash % PRINTS];
        struct entry *e;

        *ret = NULL;
        mutex_lock(&c->lock);
        e = find(c, id, id_hash);
        if (e && e->has_served && !(since_gone && e->served_gone)) {
                *ret_hash = e->served_hash;
                *ret = snapshot_ref(e->served);
                base = *ret ? CACHE_BASE_SNAPSHOT : CACHE_BASE_HASH;
        } else if (!(e && e->has_served) && !since_gone && print->id_hash == id_hash && id_hash) {
                *ret_hash = print->text_hash;
                base = CACHE_BASE_HASH;
        }
        mutex_unlock(&c->lock);
        return base;
}
