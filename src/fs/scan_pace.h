/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * How a Scan that only wants partition keys goes on: by full pages where partitions are small, by the first few items
 * of each where they are large.  Pure; what it knows is what the pages have shown.
 *
 * Whatever it chooses, every request reads items that a plain scan would have read too, and none twice: the next one
 * begins behind the last partition of the page.  What can be lost is only that a request's bytes are rounded up to 4 KB
 * (aws-facts: 0.5 units are 4 KB, whatever the projection), so small pages are asked for only where partitions have
 * been seen to be larger than what they cost to skip.
 *
 *      limit        what it is for
 *      assess       32 KB: how many partitions are on it?  One: they are large
 *      skip         4 KB, or one item: the next partition, and no more than its first items
 *      probe        twice that, now and then: twice as many partitions on it means that they have become small
 *      0            a page of 1 MB, as long as many partitions fit on it
 */
#include <stdbool.h>
#include <stdint.h>

#define READ_UNIT_BYTES 4096.0 /* a read unit is this much of a strong read, twice as much of another (aws-facts) */
static inline double read_bytes(double units, bool consistent) {
        return units * (consistent ? READ_UNIT_BYTES : 2 * READ_UNIT_BYTES);
}

struct scan_pace {
        bool skipping, probing;
        double item_bytes;       /* as the service bills them; 0: not known yet */
        uint32_t next_limit;
        uint32_t steps, interval; /* skips since the last probe, and until the next */
        double per_skip;          /* partitions a skip has shown, on average since the last probe */
};

/* item_count and size_bytes of DescribeTable, hours old; 0: not known. */
void scan_pace_init(struct scan_pace *p, uint64_t item_count, uint64_t size_bytes);
/* Items the next request may evaluate; 0: a full page. */
uint32_t scan_pace_limit(const struct scan_pace *p);
/* A page came: items evaluated, partitions among them, read units and whether they were of strong reads. */
void scan_pace_seen(struct scan_pace *p, uint64_t items, uint64_t partitions, double units, bool consistent);
/* It goes on in another part of a table whose partitions have been seen to be large: it seldom probes. */
void scan_pace_settled(struct scan_pace *p);
