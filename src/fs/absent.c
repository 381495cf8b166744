/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names known not to exist, for those who make many new files (cp -r, tar x, rsync): the kernel asks for each name
 * before it creates it, and a request for each would double the cost of the copy.
 *
 * A gap is a stretch of one partition, as the service told it at since_ns: from a sort key on to another, or to the
 * end.  It holds hashes of the items in it: those the service named, and every one this mount has written since,
 * whatever became of the write.  A key in the gap whose hash is not there did not exist at since_ns, on the service's
 * word, and nothing was done about it here; for cache_ttl that answers a look-up as any cached absence does.  (Two
 * items of one hash only cost a request.)  The create itself decides nothing by it: O_EXCL stays a conditional put.
 *
 * A partition that was asked for and was empty is one gap.  Later, when look-ups of a partition go on coming back
 * empty-handed, one Query of keys from the name on asks for a new gap: as many keys as gaps were worth so far.  A name
 * before the last gap, with the same beginning, is one of those made at random (sedXXXXXX): then from there on, unless
 * that has not reached the name before: there are many of that beginning.
 * Whoever looks up other names before it need not be the one who makes files: he asks for himself until he has found
 * nothing a few times.
 */
#include "fs_internal.h"
#include "saves_internal.h"
#include "ddbfs/base/clock.h"
#include "ddbfs/base/hash.h"
#include "ddbfs/store/number.h"

#define GAPS_MAX 32
#define GAP_HASHES_MAX 8192
#define ABSENTS_MIN 2 /* look-ups in vain before a gap is asked for ... */
#define RUN_MIN 8     /* ... of other names than those in the last one */
#define LIMIT_FIRST 64
#define LIMIT_MAX 4096

struct gap { /* all: fs.small_lock */
        struct list all; /* oldest first */
        uint64_t since_ns;
        uint32_t limit, answers; /* keys asked for; look-ups answered */
        bool bounded;            /* it ends at `to`; else with the partition */
        bool widened;            /* from the common beginning with another on, in vain: it did not reach the name asked for */
        struct key_part from;    /* inclusive; no text: from the beginning */
        struct key_part to;
        uint64_t *hashes;        /* open addressing; 0: free */
        uint32_t n, room;        /* room: a power of two */
        size_t id_n;             /* of the partition; the texts of both bounds are behind it */
        char bytes[];
};

static struct gap *gap_free(struct gap *g) {
        if (g) {
                mem_free(g->hashes);
                mem_free(g);
        }
        return NULL;
}

static void drop(struct gap *g) {
        list_remove(&g->all);
        gap_free(g);
}

void absent_flush(struct fs *fs) {
        mutex_lock(&fs->small_lock);
        fs->gaps_flushed_ns = clock_now_ns();
        LIST_FOR_EACH_SAFE(l, &fs->gaps)
                drop(CONTAINER_OF(l, struct gap, all));
        mutex_unlock(&fs->small_lock);
}

static uint64_t hash_of(struct str id) {
        uint64_t hash = hash_seeded(6, id);

        return hash ? hash : 1;
}

static bool has(const struct gap *g, uint64_t hash) {
        size_t at = hash & (g->room - 1);

        while (g->room && g->hashes[at] && g->hashes[at] != hash)
                at = (at + 1) & (g->room - 1);
        return g->room && g->hashes[at] == hash;
}

static void put(uint64_t *hashes, uint32_t room, uint64_t hash) {
        size_t at = hash & (room - 1);

        while (hashes[at])
                at = (at + 1) & (room - 1);
        hashes[at] = hash;
}

static int add(struct gap *g, uint64_t hash) {
        if (has(g, hash))
                return 0;
        if (g->n >= GAP_HASHES_MAX)
                return -ENOSPC;
        if (2 * g->n >= g->room) {
                uint32_t room = g->room ? 2 * g->room : 64;
                uint64_t *hashes = mem_calloc(room, sizeof(*hashes));

                if (!hashes)
                        return -ENOMEM;
                for (uint32_t i = 0; i < g->room; i++)
                        if (g->hashes[i])
                                put(hashes, room, g->hashes[i]);
                mem_free(g->hashes);
                g->hashes = hashes;
                g->room = room;
        }
        put(g->hashes, g->room, hash);
        g->n++;
        return 0;
}

/* place_item_id() of an item begins with that of its partition; a partition's is not longer than that. */
static struct str partition_id(const struct place *p) {
        struct str id = buf_view(&p->id);

        if (p->key.n > 1)
                id.n -= MIN(id.n, p->key.parts[1].text.n);
        return id;
}

static struct gap *find(struct fs *fs, struct str id) {
        LIST_FOR_EACH(l, &fs->gaps) {
                struct gap *g = CONTAINER_OF(l, struct gap, all);

                if (str_eq(str_make(g->bytes, g->id_n), id))
                        return g;
        }
        return NULL;
}

/* Sort keys order as the service says: strings and binary by their bytes, numbers by value. */
static int compare(const struct key_part *a, const struct key_part *b) {
        return a->type == VALUE_N ? number_cmp(a->text, b->text) : str_cmp(a->text, b->text);
}

static bool covers(const struct gap *g, const struct key_part *part) {
        return (g->from.text.n == 0 || compare(part, &g->from) >= 0) && (!g->bounded || compare(part, &g->to) <= 0);
}

void absent_wrote_locked(struct fs *fs, const struct place *item) {
        struct gap *g;

        if (list_is_empty(&fs->gaps) || !item->table || !table_has_range(item->table))
                return;
        g = find(fs, partition_id(item));
        if (g && (item->key.n < 2 || add(g, hash_of(buf_view(&item->id)))))
                drop(g);
}

bool absent_knows(struct fs *fs, const struct place *item, uint64_t *ret_since) {
        bool known = false;
        struct gap *g;

        if (item->key.n < 2)
                return false;
        mutex_lock(&fs->small_lock);
        g = find(fs, partition_id(item));
        if (g && ttl_left(fs, g->since_ns) > 0 && covers(g, &item->key.parts[1]) && !has(g, hash_of(buf_view(&item->id)))) {
                known = true;
                *ret_since = g->since_ns;
                g->answers++;
        }
        mutex_unlock(&fs->small_lock);
        if (known)
                crawl_absent(fs, item, false);
        return known;
}

static struct gap *gap_new(struct str id, const struct key_part *from, const struct key_part *to) {
        size_t from_n = from ? from->text.n : 0, to_n = to ? to->text.n : 0;
        struct gap *g = mem_zalloc(sizeof(*g) + id.n + from_n + to_n);

        if (!g)
                return NULL;
        list_init(&g->all);
        g->id_n = id.n;
        memcpy(g->bytes, id.p, id.n);
        if (from_n) {
                memcpy(g->bytes + id.n, from->text.p, from_n);
                g->from = (struct key_part){ .type = from->type, .text = str_make(g->bytes + id.n, from_n) };
        }
        if (to) {
                memcpy(g->bytes + id.n + from_n, to->text.p, to_n);
                g->to = (struct key_part){ .type = to->type, .text = str_make(g->bytes + id.n + from_n, to_n) };
                g->bounded = true;
        }
        return g;
}

/* Own writes that the answer may not show yet make it worthless, and so does a flush since.  *g is taken over. */
static void learn(struct fs *fs, struct gap *g, const struct place *partition) {
        struct gap *old;
        size_t n = 0;

        mutex_lock(&fs->small_lock);
        if (g->since_ns <= fs->gaps_flushed_ns || fs_wrote_since_locked(fs, partition, g->since_ns)) {
                gap_free(g);
        } else {
                old = find(fs, str_make(g->bytes, g->id_n));
                if (old) {
                        g->widened = g->widened || old->widened;
                        drop(old);
                }
                list_append(&fs->gaps, &g->all);
                LIST_FOR_EACH(l, &fs->gaps)
                        n++;
                if (n > GAPS_MAX)
                        drop(CONTAINER_OF(fs->gaps.next, struct gap, all));
        }
        mutex_unlock(&fs->small_lock);
}

void absent_partition(struct fs *fs, const struct place *partition, uint64_t start_ns) {
        struct gap *g = gap_new(buf_view(&partition->id), NULL, NULL);

        if (!g)
                return;
        g->since_ns = start_ns;
        learn(fs, g, partition);
}

/* Both begin so; cut between characters. */
static struct str common_beginning(const struct key_part *a, const struct key_part *b) {
        size_t n = 0, most = a->type == VALUE_N ? 0 : MIN(a->text.n, b->text.n);

        while (n < most && a->text.p[n] == b->text.p[n])
                n++;
        while (a->type == VALUE_S && n > 0 && !utf8_valid(str_make(a->text.p, n)))
                n--;
        return str_make(a->text.p, n);
}

/* How many keys to ask for, from `from` on; 0: not worth it. */
static uint32_t worth(struct fs *fs, const struct place *item, struct key_part *from) {
        struct absents absents;
        uint32_t limit = 0;
        struct gap *g;

        if (fs->o.no_readahead || fs->o.cache_ttl_ns == 0 || item->key.n < 2)
                return 0;
        absents = crawl_absents(fs, item);
        if (absents.n < ABSENTS_MIN)
                return 0;
        *from = item->key.parts[1];
        mutex_lock(&fs->small_lock);
        g = find(fs, partition_id(item));
        if (!g || !g->limit)
                limit = LIMIT_FIRST;
        else if (g->answers * 4 >= g->limit)
                limit = MIN(g->limit * 4, LIMIT_MAX);
        else
                limit = MAX(g->limit / 4, LIMIT_FIRST / 4);
        if (g && g->from.text.n > 0 && compare(from, &g->from) < 0) {
                struct str both = common_beginning(from, &g->from);

                if (both.n > 0 && !g->widened)
                        from->text = both;
                else if (both.n == 0 && absents.run < RUN_MIN)
                        limit = 0;
        }
        mutex_unlock(&fs->small_lock);
        return limit;
}

/* The keys of an answer, and how far it reaches. */
static int gap_from(const struct place *item, const struct key_part *from, const struct items *items, struct gap **ret) {
        const struct table_schema *t = item->table;
        struct key last = { .n = 0 };
        int r = 0;

        if (items->n > 0 && key_of_item(&t->key, &items->v[items->n - 1], &last))
                return -EPROTO;
        if (items->next && last.n < 2)
                return -EPROTO;
        *ret = gap_new(partition_id(item), from, items->next ? &last.parts[1] : NULL);
        if (!*ret)
                return -ENOMEM;
        for (uint32_t i = 0; r == 0 && i < items->n; i++) {
                _cleanup_(buf_deinit) struct buf id = BUF_INIT(8 * KIB);
                struct key key;

                r = key_of_item(&t->key, &items->v[i], &key) ? -EPROTO : place_item_id(t, &key, &id);
                if (r == 0)
                        r = add(*ret, hash_of(buf_view(&id)));
        }
        if (r)
                *ret = gap_free(*ret);
        return r;
}

int absent_ask(struct fs *fs, struct op_ctx *ctx, const struct place *item, struct error *e) {
        struct str names[2] = { STR_NULL, STR_NULL };
        struct query_request q = { .table = item->table, .hash = { .n = 1 }, .range = { .n = 1 }, .range_op = RANGE_GE,
                                   .consistent = fs_read_strong(fs, item), .projection = names, .n_projection = 2 };
        _cleanup_(items_deinit) struct items items;
        uint64_t start = clock_now_ns();
        struct gap *g = NULL;
        int r;

        items_init(&items);
        q.limit = worth(fs, item, &q.range.parts[0]);
        q.hash.parts[0] = item->key.parts[0];
        if (q.limit == 0 || !saves_settle(fs, ctx, item->table, &q.hash)) /* a Query waits for what is saved and not sent */
                return 0;
        names[0] = item->table->key.attrs[0].name;
        names[1] = item->table->key.attrs[1].name;
        r = fs->store->ops->query(fs->store, ctx, &q, &items, e);
        if (r || gap_from(item, &q.range.parts[0], &items, &g)) /* no gap is no error: the item is asked for by itself */
                return r;
        g->since_ns = start;
        g->limit = q.limit;
        g->widened = !covers(g, &item->key.parts[1]);
        learn(fs, g, item);
        return 0;
}
