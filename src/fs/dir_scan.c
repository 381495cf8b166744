/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The names of partitions, of a table or an index: a Scan of the hash attributes that goes on behind the last
 * partition it has seen, however many items that has (aws-facts: a start key may name an item that does not exist).
 * How much each request asks for is scan_pace.c's to say.
 */
#include "fs_internal.h"
#include "ddbfs/base/clock.h"

#define RANGE_KEY_MAX 1024
#define SKIPS_MAX 64                 /* names, of skips put together into one page ... */
#define SKIPS_NS (200 * NS_PER_MS)   /* ... and how long that may take */

/* 1,024 bytes of U+10FFFF, which no text of that length is above, and of 0xFF. */
#define CHARACTER_4(c) c c c c
#define CHARACTER_256(c) CHARACTER_4(CHARACTER_4(CHARACTER_4(CHARACTER_4(c))))
static const char greatest_text[] = CHARACTER_256("\xF4\x8F\xBF\xBF");
static const char greatest_bytes[] = CHARACTER_256("\xFF\xFF\xFF\xFF");
_Static_assert(sizeof(greatest_text) == RANGE_KEY_MAX + 1 && sizeof(greatest_bytes) == RANGE_KEY_MAX + 1, "key length");

struct value dir_greatest(enum value_type type) {
        struct value v = { .type = type, .text = STR("9.9999999999999999999999999999999999999E+125") };

        if (type != VALUE_N)
                v.text = str_make(type == VALUE_S ? greatest_text : greatest_bytes, RANGE_KEY_MAX);
        return v;
}

/* The start key becomes one behind the whole partition it lies in.  An index without a range attribute keeps the items
 * of a partition in an order of its own: there is no such key. */
void dir_skip_partition(const struct key_schema *key, struct item *next) {
        for (uint32_t k = key->n_hash; k < key->n_hash + key->n_range; k++)
                for (uint32_t i = 0; i < next->n; i++)
                        if (str_eq(next->attributes[i].name, key->attrs[k].name))
                                next->attributes[i].value = dir_greatest(key->attrs[k].type);
}

bool dir_same_partition(const struct key_schema *key, const struct item *a, const struct item *b) {
        for (uint32_t k = 0; k < key->n_hash; k++) {
                const struct value *x = item_get(a, key->attrs[k].name), *y = item_get(b, key->attrs[k].name);

                if (!x || !y || !value_equal(x, y))
                        return false;
        }
        return true;
}

static uint32_t count_partitions(const struct key_schema *key, const struct items *items) {
        uint32_t n = items->n > 0;

        for (uint32_t i = 1; i < items->n; i++)
                n += !dir_same_partition(key, &items->v[i - 1], &items->v[i]);
        return n;
}

static bool can_skip(const struct key_schema *key) {
        return key->n_range > 0;
}

int dir_scan_once(struct fs *fs, struct op_ctx *ctx, struct scan_pace *pace, struct scan_request *s, struct items *items,
                  struct error *e) {
        const struct key_schema *key = s->index ? &s->index->key : &s->table->key;
        double before = ctx->rcu;
        int r;

        s->limit = can_skip(key) ? scan_pace_limit(pace) : 0;
        r = fs->store->ops->scan(fs->store, ctx, s, items, e);
        if (r == 0)
                scan_pace_seen(pace, items->scanned, count_partitions(key, items), ctx->rcu - before, s->consistent);
        return r;
}

/* What one request has brought goes onto the page. */
static int add_step(struct fs *fs, struct op_ctx *ctx, struct fs_dir *d, struct scan_request *s, dir_add add,
                    struct dir_page *page, struct items *items, struct error *e) {
        uint64_t start_ns;
        int r = dir_lanes_scan(fs, ctx, d, s, items, &start_ns, e);

        if (r)
                return r;
        page->fetched_ns = MIN(page->fetched_ns, start_ns);
        return add(fs, d, items, s->start, page, start_ns, e);
}

static int load_page(struct fs *fs, struct op_ctx *ctx, struct fs_dir *d, struct scan_request *s, dir_add add,
                     struct dir_page *page, struct item **ret_next, struct error *e) {
        const struct key_schema *key = s->index ? &s->index->key : &s->table->key;
        uint64_t until = clock_now_ns() + SKIPS_NS;
        bool skip = can_skip(key), more;
        _cleanup_(items_deinit) struct items items, before; /* before: the start lies in it */
        int r;

        items_init(&items);
        items_init(&before);
        if (d->pace.interval == 0)
                scan_pace_init(&d->pace, s->index ? 0 : s->table->item_count, s->index ? 0 : s->table->size_bytes);
        if (skip)
                dir_lanes_page(fs, d, s);
        do {
                r = add_step(fs, ctx, d, s, add, page, &items, e);
                if (r)
                        return r;
                more = skip && items.next && d->pace.skipping && page->first > 0 && page->n < SKIPS_MAX &&
                       clock_now_ns() < until;
                if (more) {
                        items_deinit(&before);
                        before = items;
                        items_init(&items);
                        dir_skip_partition(key, before.next);
                        s->start = before.next;
                }
        } while (more);
        r = dir_keep_next(d, &items, ret_next);
        if (r)
                return error_set_errno(e, r, "listing");
        if (skip && *ret_next)
                dir_skip_partition(key, *ret_next);
        return 0;
}

int dir_scan_partitions(struct fs *fs, struct op_ctx *ctx, struct fs_dir *d, struct scan_request *s, dir_add add,
                        struct dir_page *page, struct item **ret_next, struct error *e) {
        int r = load_page(fs, ctx, d, s, add, page, ret_next, e);

        dir_lanes_page_end(d, *ret_next, r != 0);
        return r;
}
