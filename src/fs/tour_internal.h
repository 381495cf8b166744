/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Tours: a program that visits the partitions of a table one after the other (grep -r, cp -r, tar, find, rm -r).
 *
 * When three partitions in a row have been listed, in the order in which the table's listing showed them (or in that of
 * their inode numbers, as cp does, or of their names, as rsync does), the next ones are fetched ahead of it: where the
 * order is the listing's, which is the Scan's, by Scans from behind the last partition, each of about a megabyte;
 * otherwise by a Query each.  What comes goes where a listing would have put it: the items into the item cache, the
 * names into listing.c.  So nothing is older than cache_ttl when it is used, and own writes void it, as ever.
 *
 * Ahead is at most the window: a quarter of cache_size, what the program reads in half of cache_ttl, and less when
 * something had expired before it was reached.  No partition is fetched ahead twice in a tour.  A visitor that comes to
 * one which is under way waits for it.
 */
#include "fs_internal.h"

#define TOUR_LANES 4

enum tour_order { TOUR_LISTING, TOUR_INODE, TOUR_NAME, _TOUR_ORDER_N };

/* A stretch of partitions being fetched. */
struct tour_lane {
        struct ahead job;       /* the one's who made it busy */
        struct tour *tour;
        enum tour_order order;  /* gate, as the rest */
        uint32_t at, end;       /* positions in that order: under way from `at` on */
        bool busy;
};

struct tour {
        struct fs *fs;
        uint64_t table_ino;           /* constant, down to `places` */
        struct node *table;           /* reference */
        struct table_schema *schema;  /* reference */
        struct listing *listing;      /* reference; as old as it may be: it only says what comes next */
        const struct dir_page *names; /* its */
        uint32_t *entries[_TOUR_ORDER_N]; /* position -> entry; NULL: the same (LISTING), or not known */
        uint32_t *places[_TOUR_ORDER_N];  /* entry -> position */
        unsigned users;               /* gate, as the rest: threads in a call on it */
        bool stopped;                 /* a request has failed: no more in this tour */
        unsigned candidates, streak;  /* orders (bits) that all of the last `streak` visits were in */
        enum tour_order order;
        uint32_t entry;               /* visited last */
        uint32_t ahead;               /* position that is fetched next */
        uint64_t begun_ns, last_ns;
        double window;                /* bytes of text */
        double bytes, billed, items, parts; /* of the partitions seen: text, read, how many */
        struct tour_lane lanes[TOUR_LANES];
};

static inline uint32_t tour_entry(const struct tour *t, enum tour_order o, uint32_t position) {
        return t->entries[o] ? t->entries[o][position] : position;
}
static inline uint32_t tour_place(const struct tour *t, enum tour_order o, uint32_t entry) {
        return t->places[o] ? t->places[o][entry] : entry;
}
struct str tour_name(const struct tour *t, uint32_t entry);
/* The place of a partition by its entry; -EINVAL: it is none (the beginning of a long name). */
_must_check_ int tour_partition(const struct tour *t, uint32_t entry, struct place *ret);
/* The lane's next stretch; false: there is none, or no room; then it is not busy any more. */
bool tour_claim(struct tour *t, struct tour_lane *lane);
/* What a partition held: text, bytes read and items. */
void tour_seen(struct tour *t, double bytes, double billed, double items);
/* The lane has come to this position; a failure ends the tour. */
void tour_progress(struct tour *t, struct tour_lane *lane, uint32_t at, bool failed);
/* tour_lane.c: fetches stretch after stretch */
void tour_lane_run(struct fs *fs, struct ahead *job);
