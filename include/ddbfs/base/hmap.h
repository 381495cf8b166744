/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Intrusive hash table: embeds a struct hmap_node in the object; the caller compares keys.
 *
 *      for (n = hmap_first(&map, hash); n; n = hmap_next(n))
 *              if (matches(CONTAINER_OF(n, struct thing, node))) ...
 *
 * hmap_first/hmap_next visit the nodes of exactly this 64-bit hash.  No locking.
 */
#include "ddbfs/base/macros.h"

struct hmap_node {
        struct hmap_node *next;
        uint64_t hash;
};

struct hmap {
        struct hmap_node **buckets;
        size_t n_buckets; /* power of two, 0 before the first insert */
        size_t n;         /* nodes */
};

void hmap_deinit(struct hmap *m); /* frees the bucket array, not the nodes */
struct hmap_node *hmap_first(const struct hmap *m, uint64_t hash);
struct hmap_node *hmap_next(const struct hmap_node *n);
/* Grows as needed.  0, or -ENOMEM (only when there is no bucket array at all; a failed growth is harmless). */
_must_check_ int hmap_insert(struct hmap *m, struct hmap_node *n, uint64_t hash);
void hmap_remove(struct hmap *m, struct hmap_node *n); /* must be in the map */
/* Walk all: cursor starts at 0; NULL at the end.  The returned node may be removed before the next call. */
struct hmap_walk {
        size_t bucket;
        struct hmap_node *next;
};
struct hmap_node *hmap_walk_next(const struct hmap *m, struct hmap_walk *w);
