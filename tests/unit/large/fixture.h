/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A store of large attributes over a store and objects in memory.  Tables: Docs (Id:S), Music (Artist:S, Song:S). */
#include <check.h>
#include <errno.h>
#include <time.h>
#include "ddbfs/base/clock.h"
#include "ddbfs/large/large.h"
#include "../fs/mem_store.h"
#include "mem_blobs.h"

#define GRACE_NS (20 * NS_PER_MS)

struct lx {
        struct mem_store *m;
        struct mem_blobs *b;
        struct store *s;
        struct large_options o;
        struct table_schema *docs;
        struct arena a;
};

static const char *const lx_buckets[] = { "bucket", "older" };

static inline void lx_start(struct lx *x) {
        ck_assert_int_eq(large_store_new(&x->o, mem_store_face(x->m), mem_blobs_face(x->b), &x->s), 0);
}

static inline void lx_init(struct lx *x) {
        struct op_ctx ctx;

        *x = (struct lx){ .m = mem_store_new(), .b = mem_blobs_new(), .a = ARENA_INIT(256 * MIB) };
        x->o = (struct large_options){ .buckets = lx_buckets, .n_buckets = 2, .prefix = "p/", .threshold = 64 * KIB,
                                       .inline_max = 0, .grace_ns = GRACE_NS, .timeout_ns = 5 * NS_PER_S };
        mem_table(x->m, "Docs", "Id:S", NULL);
        mem_table(x->m, "Music", "Artist:S", "Song:S");
        lx_start(x);
        op_ctx_init(&ctx, "test", 0);
        ck_assert_int_eq(x->s->ops->describe(x->s, &ctx, STR("Docs"), &x->docs, NULL), 0);
        op_ctx_deinit(&ctx);
}

static inline void lx_end(struct lx *x) {
        x->s = store_free(x->s);
        ck_assert_uint_eq(mem_blob_lock_violations(x->b), 0);
        ck_assert_uint_eq(mem_lock_violations(x->m), 0);
        table_schema_unref(x->docs);
        arena_deinit(&x->a);
        mem_blobs_free(x->b);
        mem_store_free(x->m);
}

/* n bytes, different for each seed. */
static inline struct str lx_bytes(struct lx *x, size_t n, unsigned seed) {
        char *p = arena_alloc(&x->a, n + 1);

        ck_assert_ptr_nonnull(p);
        for (size_t i = 0; i < n; i++)
                p[i] = (char)('a' + (i * 31 + i / 997 + seed) % 26);
        return str_make(p, n);
}

static inline struct key lx_key(const char *id) {
        return (struct key){ .n = 1, .parts = { { .type = VALUE_S, .text = str_of(id) } } };
}

#define LX_CALL(call)                         \
        __extension__({                       \
                struct op_ctx ctx;            \
                op_ctx_init(&ctx, "test", 0); \
                int r_ = (call);              \
                op_ctx_deinit(&ctx);          \
                r_;                           \
        })

#define LX_ATTRS 8
struct lx_item {
        struct attribute a[LX_ATTRS];
        struct item item;
};

static inline void lx_item(struct lx_item *i, const char *id) {
        i->a[0] = (struct attribute){ .name = STR("Id"), .value = { .type = VALUE_S, .text = str_of(id) } };
        i->item = (struct item){ .n = 1, .attributes = i->a };
}

/* Names in ascending order, all above "Id". */
static inline void lx_add(struct lx_item *i, const char *name, struct value v) {
        i->a[i->item.n++] = (struct attribute){ .name = str_of(name), .value = v };
}

static inline struct value lx_s(struct str s) {
        return (struct value){ .type = VALUE_S, .text = s };
}

static inline int lx_put(struct lx *x, const struct lx_item *i, struct error *e) {
        struct write w = { .op = WRITE_PUT, .table = x->docs, .item = &i->item };

        return LX_CALL(x->s->ops->write(x->s, &ctx, &w, NULL, e));
}

/* The item as the store gives it; in the fixture's arena.  n = 0: none. */
static inline struct item lx_get(struct lx *x, const char *id) {
        struct get_request get = { .table = x->docs, .key = lx_key(id), .consistent = true };
        struct item item = { 0 };
        struct items items;

        items_init(&items);
        ck_assert_int_eq(LX_CALL(x->s->ops->get(x->s, &ctx, &get, &items, NULL)), 0);
        if (items.n > 0)
                ck_assert_int_eq(item_copy(&x->a, &items.v[0], &item), 0);
        items_deinit(&items);
        return item;
}

static inline const struct large_ref *lx_ref(struct lx *x, const char *id, const char *attr) {
        struct item item = lx_get(x, id);
        const struct value *v = item_get(&item, str_of(attr));

        return v && v->type == VALUE_LARGE ? v->large : NULL;
}

/* At most n bytes of an open object, appended. */
static inline int lx_read(struct lx *x, struct large_reader *r, size_t offset, size_t n, struct buf *out, struct error *e) {
        char *to = buf_reserve(out, n);
        size_t got;
        int k;

        ck_assert_ptr_nonnull(to);
        k = LX_CALL(x->s->ops->large->read(r, &ctx, offset, n, to, &got, e));
        buf_commit(out, k ? 0 : got);
        return k;
}

/* The content of an attribute, wherever it is. */
static inline int lx_content(struct lx *x, const struct value *v, struct buf *out, struct error *e) {
        struct large_reader *r = NULL;
        int k;

        if (v->type != VALUE_LARGE) {
                buf_str(out, v->text);
                return 0;
        }
        k = LX_CALL(x->s->ops->large->open(x->s, &ctx, v, &r, e));
        while (k == 0 && out->n < v->large->size)
                k = lx_read(x, r, out->n, 128 * KIB, out, e);
        x->s->ops->large->close(r);
        return k;
}

static inline void lx_check(struct lx *x, const char *id, const char *attr, struct str want) {
        struct buf out = BUF_INIT(64 * MIB);
        struct item item = lx_get(x, id);
        const struct value *v = item_get(&item, str_of(attr));
        struct error e = { 0 };

        ck_assert_ptr_nonnull(v);
        ck_assert_msg(lx_content(x, v, &out, &e) == 0, "%s", e.message);
        ck_assert(str_eq(buf_view(&out), want));
        buf_deinit(&out);
}

static inline void lx_sleep(uint64_t ns) {
        nanosleep(&(struct timespec){ .tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S) }, NULL);
}

/* Until there are only n objects; some seconds at most. */
static inline void lx_wait_objects(struct lx *x, size_t n) {
        for (unsigned i = 0; i < 2000 && mem_blob_count(x->b) != n; i++)
                lx_sleep(2 * NS_PER_MS);
        ck_assert_uint_eq(mem_blob_count(x->b), n);
}
