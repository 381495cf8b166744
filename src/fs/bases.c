/* SPDX-License-Identifier: Apache-2.0 */
/* Which version a save replaces: found when a file is opened for writing, chosen when its text is there. */
#include "fs_internal.h"

void bases_set(struct bases *b, struct snapshot *text) {
        bases_deinit(b);
        if (text)
                b->v[b->n++] = (struct base){ .kind = BASE_SNAPSHOT, .snapshot = text, .hash = text->hash };
}

void bases_copy(struct bases *to, const struct bases *from) {
        *to = *from;
        for (uint32_t i = 0; i < to->n; i++)
                (void)snapshot_ref(to->v[i].snapshot);
}

void bases_deinit(struct bases *b) {
        for (uint32_t i = 0; i < b->n; i++)
                snapshot_unref(b->v[i].snapshot);
        b->n = 0;
}

/* Shown to whomever. */
static bool last_served(struct fs *fs, struct str id, bool since_gone, struct bases *ret) {
        struct base b = { .kind = BASE_NONE };
        enum cache_base base = cache_served(fs->cache, id, since_gone, &b.snapshot, &b.hash);

        if (base == CACHE_BASE_NONE)
                return false;
        b.kind = base == CACHE_BASE_SNAPSHOT ? BASE_SNAPSHOT : BASE_HASH;
        ret->v[ret->n++] = b;
        return true;
}

void bases_find(struct fs *fs, struct program p, struct str id, bool since_gone, struct bases *ret) {
        *ret = (struct bases){ .program = p };
        if (!since_gone && readers_knows(fs, p, id, ret))
                return;
        if (!since_gone && readers_related(fs, p, id, ret))
                return;
        if (!since_gone)
                readers_used(fs, p, id, ret);
        ret->last_wins = ret->n > 0;
        if (!last_served(fs, id, since_gone, ret))
                bases_deinit(ret);
}

int base_parse(struct fs *fs, const struct place *p, const struct base *b, struct arena *a, struct item *ret,
               struct error *e) {
        if (!b->snapshot)
                return error_set(e, ERR_INTERNAL, "the version that was read is lost");
        return item_parse(fs, p, str_make(b->snapshot->text, b->snapshot->n), a, ret, e);
}

/* How many attributes differ. */
static uint32_t distance(const struct item *a, const struct item *b) {
        uint32_t in_both = 0, n = 0;

        for (uint32_t i = 0; i < a->n; i++) {
                const struct value *v = item_get(b, a->attributes[i].name);

                in_both += v != NULL;
                n += !v || !value_equal(v, &a->attributes[i].value);
        }
        return n + b->n - in_both;
}

int bases_choose(struct fs *fs, const struct place *p, const struct bases *b, const struct item *text, struct arena *a,
                 struct base *ret, struct error *e) {
        uint32_t least = UINT32_MAX;

        *ret = b->n > 0 ? b->v[b->last_wins ? b->n - 1 : 0] : (struct base){ .kind = BASE_NONE };
        for (uint32_t i = 0; i < b->n; i++)
                if (b->n == 1 || b->v[i].kind != BASE_SNAPSHOT) /* one text is lost: the oldest is safe, or what was shown last */
                        return 0;
        for (uint32_t i = 0; i < b->n; i++) {
                struct item item = { 0 };
                int r = base_parse(fs, p, &b->v[i], a, &item, e);
                uint32_t n = r ? 0 : distance(text, &item);

                if (r)
                        return r;
                if (b->last_wins ? n <= least && (n > 0 || i == b->n - 1) : n > 0 && n < least) {
                        least = n;
                        *ret = b->v[i];
                }
        }
        return 0;
}
