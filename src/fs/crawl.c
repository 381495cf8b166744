/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading ahead for crawls (grep -r, cp -r, tar, rm -r): when items of one partition are asked for one after
 * the other and their listing has gone stale, the next ones are refreshed by a Query from the item asked for,
 * instead of a GetItem each.  It begins small, grows while at least a quarter of what it brought was used, and
 * stops otherwise, so that a random reader of a large partition pays for single items.
 */
#include "fs_internal.h"
#include "ddbfs/base/clock.h"

#define WINDOW_NS (2 * NS_PER_S) /* misses further apart are no crawl */
#define MISSES_MIN 8
#define FIRST_LIMIT 64
#define LIMIT_MAX 16384 /* a page of the service is smaller anyway */

static struct crawl *slot(struct fs *fs, const struct place *p) {
        uint64_t hash = place_partition_hash(p);
        struct crawl *c = &fs->crawls[hash % CRAWL_SLOTS];

        if (c->hash != hash)
                *c = (struct crawl){ .hash = hash };
        return c;
}

uint32_t crawl_miss(struct fs *fs, const struct place *p) {
        uint64_t now = clock_now_ns();
        uint32_t limit = 0;
        struct crawl *c;

        if (fs->o.no_readahead || !table_has_range(p->table))
                return 0;
        mutex_lock(&fs->small_lock);
        c = slot(fs, p);
        if (now - c->last_ns > WINDOW_NS)
                *c = (struct crawl){ .hash = c->hash };
        c->last_ns = now;
        c->absents -= MIN(c->absents, 1U); /* made up for when there is none */
        if (++c->misses >= MISSES_MIN && c->hits * 4 >= c->brought) {
                limit = c->brought ? MIN(c->brought * 4, LIMIT_MAX) : FIRST_LIMIT;
                c->hits = 0;
                c->brought = limit;
        }
        mutex_unlock(&fs->small_lock);
        return limit;
}

void crawl_absent(struct fs *fs, const struct place *p) {
        uint64_t now = clock_now_ns();
        struct crawl *c;

        mutex_lock(&fs->small_lock);
        c = slot(fs, p);
        if (now - c->last_ns > WINDOW_NS)
                *c = (struct crawl){ .hash = c->hash };
        c->last_ns = now;
        c->absents += 2;
        c->misses -= MIN(c->misses, 1U);
        mutex_unlock(&fs->small_lock);
}

uint32_t crawl_absents(struct fs *fs, const struct place *p) {
        struct crawl *c;
        uint32_t n;

        mutex_lock(&fs->small_lock);
        c = slot(fs, p);
        n = clock_now_ns() - c->last_ns > WINDOW_NS ? 0 : c->absents;
        mutex_unlock(&fs->small_lock);
        return n;
}

void crawl_brought(struct fs *fs, const struct place *p, uint32_t n) {
        mutex_lock(&fs->small_lock);
        slot(fs, p)->brought = n;
        mutex_unlock(&fs->small_lock);
}

void crawl_hit(struct fs *fs, const struct place *p) {
        if (fs->o.no_readahead)
                return;
        mutex_lock(&fs->small_lock);
        slot(fs, p)->hits++;
        slot(fs, p)->last_ns = clock_now_ns();
        mutex_unlock(&fs->small_lock);
}
