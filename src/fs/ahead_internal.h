/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What many requests for single items are spared by: reading ahead (crawl.c), names known not to exist (absent.c). */
#include "place_internal.h"

/* ---- reading ahead (crawl.c) ---- */
/* An item is not cached: how many to fetch from it on by one Query; 0: it alone. */
uint32_t crawl_miss(struct fs *fs, const struct place *p);
/* What that Query has brought: n items for that many read units, consistent as it was asked for. */
void crawl_brought(struct fs *fs, const struct place *p, uint32_t n, double units, bool consistent);
/* There was none.  asked: a crawl_miss() was; whoever makes new files is no crawl. */
void crawl_absent(struct fs *fs, const struct place *p, bool asked);
void crawl_hit(struct fs *fs, const struct place *p);
void crawl_found(struct fs *fs, const struct place *p); /* an item that was asked for is there */
struct absents {
        uint32_t n;   /* look-ups in vain of late: of what is there take back half a one */
        uint32_t run; /* since the last of what is there */
};
struct absents crawl_absents(struct fs *fs, const struct place *p);

/* ---- names known not to exist (absent.c) ---- */
/* This mount knows, as of *ret_since, that there is no such item. */
bool absent_knows(struct fs *fs, const struct place *item, uint64_t *ret_since);
/* A read of the partition that began at start_ns found nothing in it. */
void absent_partition(struct fs *fs, const struct place *partition, uint64_t start_ns);
/* Where look-ups go on in vain: one Query, by which absent_knows() may know.  0 also when that is not worth it. */
_must_check_ int absent_ask(struct fs *fs, struct op_ctx *ctx, const struct place *item, struct error *e);
void absent_wrote_locked(struct fs *fs, const struct place *item); /* by fs_wrote(); small_lock is held */
void absent_flush(struct fs *fs);
