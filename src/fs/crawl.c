/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading ahead for crawls (grep -r, cp -r, tar, rm -r): when items of one partition are asked for one after
 * the other and their listing has gone stale, the next ones are refreshed by a Query from the item asked for,
 * instead of a GetItem each.  It begins small and grows while it is worth its price: what was used of it would have
 * cost two thirds as many read units by itself, and no fewer round trips than a sixteenth of what it brought.  Where
 * less was used, but many, and the rest went stale, the reader is slow: it asks for as many as were used.  It stops
 * otherwise, so that a random reader of a large partition pays for single items.
 */
#include "fs_internal.h"
#include "ddbfs/base/clock.h"
#include "ddbfs/base/hash.h"

#define WINDOW_NS (2 * NS_PER_S) /* misses further apart are no crawl */
#define MISSES_MIN 8
#define FIRST_LIMIT 64
#define LIMIT_MAX 16384 /* a page of the service is smaller anyway */
#define PRICE_MAX 1.5   /* of what single reads would have cost */

static struct crawl *slot(struct fs *fs, const struct place *p) {
        uint64_t hash = place_partition_hash(p);
        struct crawl *c = &fs->crawls[hash % CRAWL_SLOTS];

        if (c->hash != hash)
                *c = (struct crawl){ .hash = hash };
        return c;
}

/* How many the next Query asks for, after what came of the last; 0: none. */
static uint32_t next_limit(const struct crawl *c, bool stale) {
        if (c->brought == 0)
                return FIRST_LIMIT;
        if (c->hits * 16 >= c->brought && (float)c->hits * (float)PRICE_MAX >= c->price)
                return MIN(c->brought * 4, LIMIT_MAX);
        return stale && c->hits >= FIRST_LIMIT / 4 ? MAX(c->hits, FIRST_LIMIT) : 0;
}

uint32_t crawl_miss(struct fs *fs, const struct place *p) {
        uint64_t now = clock_now_ns(), item = hash_seeded(0, buf_view(&p->id));
        uint32_t limit = 0;
        struct crawl *c;

        if (fs->o.no_readahead || !table_has_range(p->table))
                return 0;
        mutex_lock(&fs->small_lock);
        c = slot(fs, p);
        if (now - c->last_ns > WINDOW_NS)
                *c = (struct crawl){ .hash = c->hash };
        c->last_ns = now;
        c->last_item = item;
        c->absents -= MIN(c->absents, 1U); /* made up for when there is none */
        if (++c->misses >= MISSES_MIN && (limit = next_limit(c, now - c->brought_ns >= fs->o.cache_ttl_ns)) > 0) {
                c->hits = 0;
                c->brought = limit;
                c->price = 0;
                c->brought_ns = now;
        }
        mutex_unlock(&fs->small_lock);
        return limit;
}

void crawl_absent(struct fs *fs, const struct place *p, bool asked) {
        uint64_t now = clock_now_ns();
        struct crawl *c;

        if (!table_has_range(p->table))
                return;
        mutex_lock(&fs->small_lock);
        c = slot(fs, p);
        if (now - c->last_ns > WINDOW_NS)
                *c = (struct crawl){ .hash = c->hash };
        c->last_ns = now;
        c->absents += 2;
        c->absent_run++;
        c->misses -= MIN(c->misses, asked ? 1U : 0U);
        mutex_unlock(&fs->small_lock);
}

struct absents crawl_absents(struct fs *fs, const struct place *p) {
        struct absents found = { 0, 0 };
        struct crawl *c;

        mutex_lock(&fs->small_lock);
        c = slot(fs, p);
        if (clock_now_ns() - c->last_ns <= WINDOW_NS)
                found = (struct absents){ c->absents / 2, c->absent_run };
        mutex_unlock(&fs->small_lock);
        return found;
}

void crawl_found(struct fs *fs, const struct place *p) {
        struct crawl *c;

        if (!table_has_range(p->table))
                return;
        mutex_lock(&fs->small_lock);
        c = &fs->crawls[place_partition_hash(p) % CRAWL_SLOTS];
        if (c->hash == place_partition_hash(p)) /* no other crawl makes way for this */
                c->absent_run = 0;
        mutex_unlock(&fs->small_lock);
}

void crawl_brought(struct fs *fs, const struct place *p, uint32_t n, double units, bool consistent) {
        double each = n > 0 ? read_bytes(units, consistent) / n : 0;
        uint64_t steps = MAX((uint64_t)((each + READ_UNIT_BYTES - 1) / READ_UNIT_BYTES), 1);
        struct crawl *c;

        mutex_lock(&fs->small_lock);
        c = slot(fs, p);
        c->brought = MAX(n, FIRST_LIMIT); /* the few at a partition's end prove nothing */
        c->price = n < FIRST_LIMIT ? 0 : units > 0 ? (float)(n * each / ((double)steps * READ_UNIT_BYTES)) : (float)n;
        mutex_unlock(&fs->small_lock);
}

/* An item counts once, however often it is looked at, and not when it was asked for by itself. */
void crawl_hit(struct fs *fs, const struct place *p) {
        uint64_t item = hash_seeded(0, buf_view(&p->id));
        struct crawl *c;

        if (fs->o.no_readahead || !table_has_range(p->table))
                return;
        mutex_lock(&fs->small_lock);
        c = slot(fs, p);
        c->last_ns = clock_now_ns();
        c->absent_run = 0;
        if (c->last_item != item && c->last_ns - c->brought_ns < fs->o.cache_ttl_ns) /* later ones are of something else */
                c->hits++;
        c->last_item = item;
        mutex_unlock(&fs->small_lock);
}
