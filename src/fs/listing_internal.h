/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Complete listings (listing.c), and the tours of a table that go by them (tour.c). */
#include "dir_internal.h"

/* ---- complete listings (listing.c); `dir` is the directory's place ---- */
#define LISTINGS_SHARE 8 /* of cache_size, for all */
_must_check_ int listings_new(struct fs *fs);
void listings_free(struct fs *fs);
void listings_flush(struct fs *fs);
/* A listing that is still good becomes the (empty) page. */
bool listing_get(struct fs *fs, uint64_t ino, const struct place *dir, struct dir_page *ret);
/* When the listing was made that is still good and does not have the name; 0: there is none, or it has. */
uint64_t listing_lacks(struct fs *fs, uint64_t ino, const struct place *dir, struct str name);
/* Add a page to those collected; true: that was the last and `all` is the whole, for listing_put(). */
bool listing_collect(struct fs *fs, struct dir_page *all, const struct dir_page *page);
void listing_put(struct fs *fs, uint64_t ino, struct dir_page *all); /* *all is taken over */

/* Does listing_get() have it? */
bool listing_fresh(struct fs *fs, uint64_t ino, const struct place *dir);
/* The last complete listing, of whatever age; a reference, or NULL. */
struct listing;
struct listing *listing_hold(struct fs *fs, uint64_t ino);
struct listing *listing_unref(struct listing *x); /* NULL is fine; returns NULL */
const struct dir_page *listing_page(const struct listing *x);
bool listing_find(const struct listing *x, struct str name, uint32_t *ret_entry);
bool listing_replaced(struct fs *fs, uint64_t ino, const struct listing *x); /* there is another one by now */

/* ---- tours of a table's partitions (tour.c) ---- */
/* A partition is about to be listed.  Waits while it is being fetched ahead: then listing_get() has it. */
_must_check_ int tour_visit(struct fs *fs, struct op_ctx *ctx, struct fs_dir *d, struct error *e);
/* It was listed, by one request: d->page. */
void tour_listed(struct fs *fs, const struct op_ctx *ctx, const struct fs_dir *d);
/* Waits while this partition is being fetched ahead. */
_must_check_ int tour_wait(struct fs *fs, struct op_ctx *ctx, struct node *table, struct str name, struct error *e);
void tours_flush(struct fs *fs);
void tours_free(struct fs *fs);
