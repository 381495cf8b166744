/* SPDX-License-Identifier: Apache-2.0 */
/* When to skip: see scan_pace.h. */
#include "scan_pace.h"
#include "ddbfs/base/macros.h"

#define ASSESS_BYTES (8 * READ_UNIT_BYTES)
#define FIRST_LIMIT 8                /* while the size of an item is not known */
#define SKIP_BYTES (8 * READ_UNIT_BYTES)  /* of a partition: worth a round trip of its own, seen on a full page */
#define PAGE_BYTES (1024 * 1024.0)
#define INTERVAL_MIN 8
#define INTERVAL_MAX 128
#define LIMIT_MAX 100000.0

static uint32_t items_of(const struct scan_pace *p, double bytes, uint32_t at_least) {
        double n = p->item_bytes > 0 ? bytes / p->item_bytes : at_least;

        return MAX((uint32_t)MIN(n, LIMIT_MAX), at_least);
}

/* Many partitions on a small page: larger ones, in few steps. */
static void grow(struct scan_pace *p, double bytes) {
        p->interval = INTERVAL_MIN;
        if (bytes < ASSESS_BYTES / 2)
                p->next_limit = items_of(p, 16 * bytes, FIRST_LIMIT);
        else
                p->next_limit = bytes < PAGE_BYTES / 8 ? items_of(p, PAGE_BYTES / 4, FIRST_LIMIT) : 0;
}

static void assess(struct scan_pace *p) {
        p->skipping = p->probing = false;
        p->next_limit = items_of(p, ASSESS_BYTES, FIRST_LIMIT);
}

void scan_pace_init(struct scan_pace *p, uint64_t item_count, uint64_t size_bytes) {
        *p = (struct scan_pace){ .interval = INTERVAL_MIN };
        if (item_count > 0 && size_bytes > 0)
                p->item_bytes = (double)size_bytes / (double)item_count;
        assess(p);
}

void scan_pace_settled(struct scan_pace *p) {
        p->interval = INTERVAL_MAX;
}

uint32_t scan_pace_limit(const struct scan_pace *p) {
        return p->next_limit;
}

/* Rounding makes small pages say too much: they only lower the estimate. */
static void learn_size(struct scan_pace *p, double items, double bytes) {
        double each = bytes / items;

        if (p->item_bytes == 0 || bytes >= 4 * READ_UNIT_BYTES)
                p->item_bytes = each;
        else
                p->item_bytes = MIN(p->item_bytes, each);
}

static void skip(struct scan_pace *p) {
        uint32_t n = items_of(p, READ_UNIT_BYTES, 1);

        p->skipping = true;
        p->probing = p->steps >= p->interval;
        if (p->probing) {
                p->steps = 0;
                p->interval = MIN(2 * p->interval, INTERVAL_MAX);
                n *= 2;
        }
        p->next_limit = n;
}

static void seen_skip(struct scan_pace *p, double partitions) {
        if (p->probing && partitions >= 2 * p->per_skip) {
                assess(p);
                return;
        }
        if (p->probing)
                p->per_skip = 0;
        else
                p->per_skip += (partitions - p->per_skip) / ++p->steps;
        skip(p);
}

static void begin_skipping(struct scan_pace *p) {
        p->steps = 0;
        p->per_skip = 0;
        skip(p);
}

void scan_pace_seen(struct scan_pace *p, uint64_t items, uint64_t partitions, double units, bool consistent) {
        double bytes = read_bytes(units, consistent);

        if (items == 0 || partitions == 0)
                return; /* an empty page says nothing */
        if (bytes <= 0) /* a server that does not count */
                bytes = (double)items * (p->item_bytes > 0 ? p->item_bytes : READ_UNIT_BYTES / FIRST_LIMIT);
        learn_size(p, (double)items, bytes);
        if (p->skipping) {
                seen_skip(p, (double)partitions);
        } else if (bytes >= PAGE_BYTES / 2) { /* a full page */
                if (bytes / (double)partitions >= SKIP_BYTES)
                        begin_skipping(p);
                else
                        p->next_limit = 0;
        } else if (partitions > 1 && bytes / (double)partitions < ASSESS_BYTES / 2) {
                grow(p, bytes);
        } else if (bytes >= ASSESS_BYTES / 2) {
                begin_skipping(p);
        } else {
                assess(p);
        }
}
