/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Complete listings of directories, kept for cache_ttl: listing a directory again costs nothing, and a name that
 * is not in it is known not to exist.  A listing is void as soon as this mount writes to what it shows.
 * Byte-bounded, least recently used first; thread-safe, one short lock.
 */
#include "fs_internal.h"
#include "ddbfs/base/clock.h"
#include "ddbfs/base/hash.h"

#define LISTING_BYTES_MAX (1024 * MIB) /* of the names of one */

struct listing {
        atomic_uint refs;
        struct hmap_node node; /* by the directory's inode number */
        struct list lru;       /* newest last */
        struct dir_page page;  /* all entries; last */
        uint32_t *index;       /* open addressing, entry number + 1 */
        size_t index_n;        /* power of two */
        size_t bytes;
};

struct listings {
        struct mutex lock;
        struct hmap map;
        struct list lru;
        size_t bytes, bytes_max;
        uint64_t flushed_ns; /* what was asked before is not kept */
};

int listings_new(struct fs *fs) {
        struct listings *l = mem_zalloc(sizeof(*l));

        if (!l)
                return -ENOMEM;
        mutex_init(&l->lock);
        list_init(&l->lru);
        l->bytes_max = fs->o.cache_size / LISTINGS_SHARE; /* the item cache has the rest (fs.c) */
        fs->listings = l;
        return 0;
}

struct listing *listing_unref(struct listing *x) {
        if (x && atomic_fetch_sub_explicit(&x->refs, 1, memory_order_acq_rel) == 1) {
                dir_page_deinit(&x->page);
                mem_free(x->index);
                mem_free(x);
        }
        return NULL;
}

static void drop(struct listings *l, struct listing *x) {
        hmap_remove(&l->map, &x->node);
        list_remove(&x->lru);
        l->bytes -= x->bytes;
        listing_unref(x);
}

void listings_flush(struct fs *fs) {
        struct listings *l = fs->listings;

        mutex_lock(&l->lock);
        l->flushed_ns = clock_now_ns();
        while (!list_is_empty(&l->lru))
                drop(l, CONTAINER_OF(l->lru.next, struct listing, lru));
        mutex_unlock(&l->lock);
}

void listings_free(struct fs *fs) {
        if (!fs->listings)
                return;
        listings_flush(fs);
        hmap_deinit(&fs->listings->map);
        mutex_deinit(&fs->listings->lock);
        fs->listings = mem_free(fs->listings);
}

static struct str name_at(const struct dir_page *p, uint32_t i) {
        return str_make(p->names.p + p->entries[i].name_at, p->entries[i].name_n);
}

static int build_index(struct listing *x) {
        x->index_n = 16;
        while (x->index_n < 2 * (size_t)x->page.n)
                x->index_n *= 2;
        x->index = mem_calloc(x->index_n, sizeof(*x->index));
        if (!x->index)
                return -ENOMEM;
        for (uint32_t i = 0; i < x->page.n; i++) {
                size_t at = hash_seeded(5, name_at(&x->page, i)) & (x->index_n - 1);

                while (x->index[at])
                        at = (at + 1) & (x->index_n - 1);
                x->index[at] = i + 1;
        }
        return 0;
}

bool listing_find(const struct listing *x, struct str name, uint32_t *ret_entry) {
        size_t at = hash_seeded(5, name) & (x->index_n - 1);

        for (; x->index[at]; at = (at + 1) & (x->index_n - 1)) {
                *ret_entry = x->index[at] - 1;
                if (str_eq(name_at(&x->page, *ret_entry), name))
                        return true;
        }
        return false;
}

static bool contains(const struct listing *x, struct str name) {
        uint32_t entry;

        return listing_find(x, name, &entry);
}

static struct listing *find_any(struct fs *fs, uint64_t ino) {
        struct hmap_node *n = hmap_first(&fs->listings->map, ino);

        return n ? CONTAINER_OF(n, struct listing, node) : NULL;
}

/* The listing of a directory if it is still good; lock is held.  One that is not stays, for who wants to know the
 * order, until there is a new one or no room. */
static struct listing *find(struct fs *fs, uint64_t ino, const struct place *dir) {
        struct listing *x = find_any(fs, ino);

        if (!x || ttl_left(fs, x->page.fetched_ns) == 0 || fs_wrote_since(fs, dir, x->page.fetched_ns))
                return NULL;
        list_remove(&x->lru);
        list_append(&fs->listings->lru, &x->lru);
        return x;
}

bool listing_fresh(struct fs *fs, uint64_t ino, const struct place *dir) {
        bool fresh;

        mutex_lock(&fs->listings->lock);
        fresh = find(fs, ino, dir) != NULL;
        mutex_unlock(&fs->listings->lock);
        return fresh;
}

struct listing *listing_hold(struct fs *fs, uint64_t ino) {
        struct listing *x;

        mutex_lock(&fs->listings->lock);
        x = find_any(fs, ino);
        if (x)
                atomic_fetch_add_explicit(&x->refs, 1, memory_order_relaxed);
        mutex_unlock(&fs->listings->lock);
        return x;
}

const struct dir_page *listing_page(const struct listing *x) {
        return &x->page;
}

bool listing_replaced(struct fs *fs, uint64_t ino, const struct listing *x) {
        struct listing *now;

        mutex_lock(&fs->listings->lock);
        now = find_any(fs, ino);
        mutex_unlock(&fs->listings->lock);
        return now && now != x;
}

bool listing_get(struct fs *fs, uint64_t ino, const struct place *dir, struct dir_page *ret) {
        struct listing *x;
        bool found = false;

        mutex_lock(&fs->listings->lock);
        x = find(fs, ino, dir);
        if (x && dir_page_append(ret, &x->page) == 0) {
                ret->fetched_ns = x->page.fetched_ns;
                found = true;
        }
        mutex_unlock(&fs->listings->lock);
        return found;
}

uint64_t listing_lacks(struct fs *fs, uint64_t ino, const struct place *dir, struct str name) {
        struct listing *x;
        uint64_t since;

        mutex_lock(&fs->listings->lock);
        x = find(fs, ino, dir);
        since = x && !contains(x, name) ? x->page.fetched_ns : 0;
        mutex_unlock(&fs->listings->lock);
        return since;
}

void listing_put(struct fs *fs, uint64_t ino, struct dir_page *all) {
        struct listings *l = fs->listings;
        struct listing *x = mem_zalloc(sizeof(*x));
        struct hmap_node *old;

        if (!x)
                return;
        atomic_init(&x->refs, 1);
        x->page = *all;
        *all = (struct dir_page){ .names = BUF_INIT(LISTING_BYTES_MAX) };
        list_init(&x->lru);
        dir_page_trim(&x->page);
        x->bytes = sizeof(*x) + x->page.names.cap + x->page.cap * sizeof(*x->page.entries);
        if (build_index(x)) {
                listing_unref(x);
                return;
        }
        x->bytes += x->index_n * sizeof(*x->index);
        mutex_lock(&l->lock);
        old = hmap_first(&l->map, ino);
        if (old)
                drop(l, CONTAINER_OF(old, struct listing, node));
        if (x->page.fetched_ns < l->flushed_ns || hmap_insert(&l->map, &x->node, ino)) {
                mutex_unlock(&l->lock);
                listing_unref(x);
                return;
        }
        list_append(&l->lru, &x->lru);
        l->bytes += x->bytes;
        while (l->bytes > l->bytes_max)
                drop(l, CONTAINER_OF(l->lru.next, struct listing, lru));
        mutex_unlock(&l->lock);
}

/* Of one, without its index. */
static size_t one_max(struct fs *fs) {
        return fs->listings->bytes_max / 4 * 3;
}

bool listing_collect(struct fs *fs, struct dir_page *all, const struct dir_page *page) {
        if (page->first == 0) {
                dir_page_deinit(all);
                *all = (struct dir_page){ .names = BUF_INIT(LISTING_BYTES_MAX), .fetched_ns = page->fetched_ns, .loaded = true };
        }
        if (!all->loaded || all->n != page->first)
                return false; /* not in one go from the beginning */
        if (all->names.n + page->names.n + (all->n + page->n) * sizeof(*page->entries) > one_max(fs) ||
            dir_page_append(all, page)) {
                dir_page_deinit(all);
                all->loaded = false;
        }
        return all->loaded && page->last;
}
