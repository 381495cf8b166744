/* SPDX-License-Identifier: Apache-2.0 */
/*
 * References that were read lately, by their content.  `cp a.json b.json` writes {"$s3": {...}} into another item: this
 * is how the object is found that it means.  One slot for each hash, the newest wins.
 */
#include "large_internal.h"
#include "ddbfs/base/alloc.h"

struct seen {
        struct large_ref ref;
        char text[]; /* bucket, key */
};

static size_t slot_of(const struct large_ref *l) {
        return ((size_t)l->sha256[0] << 8 | l->sha256[1]) % SEEN_SLOTS;
}

void seen_add(struct large_store *ls, const struct large_ref *l) {
        size_t slot = slot_of(l);
        struct seen *s, *old;
        bool known;

        if (large_ref_is_claim(l) || !large_named(ls, l->bucket))
                return;
        mutex_lock(&ls->seen_lock);
        old = ls->seen[slot];
        known = old && large_ref_equal(&old->ref, l);
        mutex_unlock(&ls->seen_lock);
        if (known)
                return;
        s = mem_alloc(sizeof(*s) + l->bucket.n + l->key.n);
        if (!s)
                return;
        s->ref = *l;
        s->ref.inlined = false;
        memcpy(s->text, l->bucket.p, l->bucket.n);
        memcpy(s->text + l->bucket.n, l->key.p, l->key.n);
        s->ref.bucket = str_make(s->text, l->bucket.n);
        s->ref.key = str_make(s->text + l->bucket.n, l->key.n);
        mutex_lock(&ls->seen_lock);
        old = ls->seen[slot];
        ls->seen[slot] = s;
        mutex_unlock(&ls->seen_lock);
        mem_free(old);
}

void seen_add_items(struct large_store *ls, const struct items *items) {
        for (uint32_t i = 0; ls->n_buckets > 0 && i < items->n; i++)
                for (uint32_t k = 0; k < items->v[i].n; k++)
                        if (items->v[i].attributes[k].value.type == VALUE_LARGE)
                                seen_add(ls, items->v[i].attributes[k].value.large);
}

int seen_find(struct large_store *ls, const struct large_ref *claim, struct arena *a, struct large_ref *ret) {
        const struct seen *s;
        int r = -ENOENT;

        mutex_lock(&ls->seen_lock);
        s = ls->seen[slot_of(claim)];
        if (s && large_ref_equal(&s->ref, claim)) {
                *ret = s->ref;
                r = arena_dup(a, s->ref.bucket, &ret->bucket);
                if (r == 0)
                        r = arena_dup(a, s->ref.key, &ret->key);
        }
        mutex_unlock(&ls->seen_lock);
        return r;
}

void seen_free(struct large_store *ls) {
        for (size_t i = 0; i < SEEN_SLOTS; i++)
                ls->seen[i] = mem_free(ls->seen[i]);
}
