/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Intrusive chained hash table; at most one node per bucket on average.  It never shrinks: that is what
 * lets hmap_walk_next() survive the removal of the node it returned.
 */
#include "ddbfs/base/hmap.h"

#include <errno.h>
#include "ddbfs/base/alloc.h"

#define FIRST_BUCKETS ((size_t)16)

static struct hmap_node **bucket_of(const struct hmap *m, uint64_t hash) {
        return &m->buckets[hash & (m->n_buckets - 1)];
}

static void push(const struct hmap *m, struct hmap_node *n) {
        struct hmap_node **bucket = bucket_of(m, n->hash);

        n->next = *bucket;
        *bucket = n;
}

void hmap_deinit(struct hmap *m) {
        mem_free(m->buckets);
        *m = (struct hmap){ 0 };
}

static struct hmap_node *same_hash(struct hmap_node *n, uint64_t hash) {
        while (n && n->hash != hash)
                n = n->next;
        return n;
}

struct hmap_node *hmap_first(const struct hmap *m, uint64_t hash) {
        return m->n_buckets ? same_hash(*bucket_of(m, hash), hash) : NULL;
}

struct hmap_node *hmap_next(const struct hmap_node *n) {
        return same_hash(n->next, n->hash);
}

static void grow(struct hmap *m) {
        struct hmap bigger = { .n_buckets = m->n_buckets ? 2 * m->n_buckets : FIRST_BUCKETS, .n = m->n };
        struct hmap_node *n, *next;

        bigger.buckets = mem_calloc(bigger.n_buckets, sizeof(struct hmap_node *));
        if (!bigger.buckets)
                return;
        for (size_t i = 0; i < m->n_buckets; i++)
                for (n = m->buckets[i]; n; n = next) {
                        next = n->next;
                        push(&bigger, n);
                }
        mem_free(m->buckets);
        *m = bigger;
}

int hmap_insert(struct hmap *m, struct hmap_node *n, uint64_t hash) {
        if (m->n >= m->n_buckets)
                grow(m);
        if (m->n_buckets == 0)
                return -ENOMEM;
        n->hash = hash;
        push(m, n);
        m->n++;
        return 0;
}

void hmap_remove(struct hmap *m, struct hmap_node *n) {
        struct hmap_node **p;

        if (m->n_buckets == 0)
                return;
        for (p = bucket_of(m, n->hash); *p; p = &(*p)->next)
                if (*p == n) {
                        *p = n->next;
                        n->next = NULL;
                        m->n--;
                        return;
                }
}

struct hmap_node *hmap_walk_next(const struct hmap *m, struct hmap_walk *w) {
        struct hmap_node *n;

        while (!w->next && w->bucket < m->n_buckets)
                w->next = m->buckets[w->bucket++];
        n = w->next;
        if (n)
                w->next = n->next;
        return n;
}
