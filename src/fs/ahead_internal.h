/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What many requests for single items are spared by: reading ahead (crawl.c), names known not to exist (absent.c). */
#include "place_internal.h"

/* ---- reading ahead (crawl.c) ---- */
/* An item is not cached: how many to fetch from it on by one Query; 0: it alone. */
uint32_t crawl_miss(struct fs *fs, const struct place *p);
void crawl_brought(struct fs *fs, const struct place *p, uint32_t n);
void crawl_absent(struct fs *fs, const struct place *p); /* there was none: whoever makes new files is no crawl */
void crawl_hit(struct fs *fs, const struct place *p);
uint32_t crawl_absents(struct fs *fs, const struct place *p); /* look-ups in vain, one after the other */

/* ---- names known not to exist (absent.c) ---- */
/* This mount knows, as of *ret_since, that there is no such item. */
bool absent_knows(struct fs *fs, const struct place *item, uint64_t *ret_since);
/* A read of the partition that began at start_ns found nothing in it. */
void absent_partition(struct fs *fs, const struct place *partition, uint64_t start_ns);
/* Where look-ups go on in vain: one Query, by which absent_knows() may know.  0 also when that is not worth it. */
_must_check_ int absent_ask(struct fs *fs, struct op_ctx *ctx, const struct place *item, struct error *e);
void absent_wrote_locked(struct fs *fs, const struct place *item); /* by fs_wrote(); small_lock is held */
void absent_flush(struct fs *fs);
