/* SPDX-License-Identifier: Apache-2.0 */
/* Whole tables out and in, over a store that has ops for that: they are used, and S3 has its part. */
#include "fixture.h"
#include "../suite.h"

#define AT_ONCE 3 /* under way in the store below */

static unsigned written_all, scanned_all, refused_from;

/* The writes are through in another order than they came in. */
static int inner_write_all(struct store *s, struct op_ctx *ctx, const struct write_source *source, struct error *e) {
        struct write *w[AT_ONCE];
        unsigned n;

        written_all++;
        do {
                for (n = 0; n < AT_ONCE && (w[n] = source->next(source->arg, n == 0)); n++)
                        continue;
                for (unsigned i = n; i-- > 0;) {
                        struct error why = { .kind = ERR_NONE };
                        int r;

                        if (refused_from && --refused_from == 0)
                                return error_set(e, ERR_ACCESS, "no more");
                        r = s->ops->write(s, ctx, w[i], NULL, &why);
                        source->done(source->arg, w[i], r, &why);
                }
        } while (n > 0);
        return 0;
}

static int inner_scan_all(struct store *s, struct op_ctx *ctx, const struct scan_request *q, uint32_t segments,
                          const struct scan_sink *sink, struct error *e) {
        struct items page;
        int r;

        (void)segments;
        scanned_all++;
        items_init(&page);
        r = sink->room(sink->arg, true) ? s->ops->scan(s, ctx, q, &page, e) : -EINTR;
        r = r ? r : sink->page(sink->arg, &page, e);
        items_deinit(&page);
        return r;
}

static struct store_ops bulk_ops;
static void start(struct lx *x) {
        struct store *inner;

        lx_init(x);
        inner = mem_store_face(x->m);
        x->s = store_free(x->s);
        bulk_ops = *inner->ops;
        bulk_ops.write_all = inner_write_all;
        bulk_ops.scan_all = inner_scan_all;
        inner->ops = &bulk_ops;
        lx_start(x);
        written_all = scanned_all = refused_from = 0;
}

#define WRITES 7
struct stream {
        struct lx_item items[WRITES];
        struct write w[WRITES];
        int results[WRITES];
        enum error_kind why[WRITES];
        unsigned next, done;
};

static struct write *stream_next(void *arg, bool wait) {
        struct stream *s = arg;

        (void)wait;
        return s->next < WRITES ? &s->w[s->next++] : NULL;
}

static void stream_done(void *arg, struct write *w, int result, const struct error *why) {
        struct stream *s = arg;
        size_t i = (size_t)(w - s->w);

        ck_assert_uint_lt(i, WRITES); /* its own writes come back, not those that were sent instead */
        ck_assert_int_eq(s->results[i], 1);
        s->results[i] = result;
        s->why[i] = result ? why->kind : ERR_NONE;
        s->done++;
}

/* Every other item has something for S3. */
static void stream_init(struct lx *x, struct stream *s) {
        static const char *const ids[WRITES] = { "0", "1", "2", "3", "4", "5", "6" };

        *s = (struct stream){ .next = 0 };
        for (unsigned i = 0; i < WRITES; i++) {
                lx_item(&s->items[i], ids[i]);
                lx_add(&s->items[i], "Text", lx_s(lx_bytes(x, i % 2 ? 100 * KIB : 100, i)));
                s->w[i] = (struct write){ .op = WRITE_PUT, .table = x->docs, .item = &s->items[i].item };
                s->results[i] = 1;
        }
}

static int stream_run(struct lx *x, struct stream *s, struct error *e) {
        const struct write_source source = { .arg = s, .next = stream_next, .done = stream_done };

        return LX_CALL(store_write_all(x->s, &ctx, &source, e));
}

START_TEST(test_written) {
        struct stream s;
        struct error e;
        struct lx x;

        start(&x);
        stream_init(&x, &s);
        ck_assert_int_eq(stream_run(&x, &s, &e), 0);
        ck_assert_uint_eq(written_all, 1);
        ck_assert_uint_eq(s.done, WRITES);
        for (unsigned i = 0; i < WRITES; i++) {
                const struct value *id = &s.items[i].a[0].value;
                char name[2] = { id->text.p[0], '\0' };

                ck_assert_int_eq(s.results[i], 0);
                ck_assert(!lx_ref(&x, name, "Text") == !(i % 2));
                ck_assert_uint_eq(lx_get(&x, name).n, 2);
        }
        lx_end(&x);
}
END_TEST

static bool room(void *arg, bool wait) {
        (void)arg;
        (void)wait;
        return true;
}

static int page(void *arg, struct items *items, struct error *e) {
        unsigned *n = arg;

        (void)e;
        *n += items->n;
        return 0;
}

/* What a scan showed is found when it is written as a claim elsewhere, as after any other read. */
START_TEST(test_scanned) {
        struct large_ref claim;
        struct lx_item other;
        struct stream s;
        struct error e;
        unsigned n = 0;
        struct lx x;

        start(&x);
        stream_init(&x, &s);
        ck_assert_int_eq(stream_run(&x, &s, &e), 0);
        claim = *lx_ref(&x, "1", "Text");
        claim.bucket = claim.key = STR_NULL;
        claim.type = VALUE_NULL;
        x.s = store_free(x.s); /* it forgets what it has seen */
        lx_start(&x);
        {
                const struct scan_sink sink = { .arg = &n, .room = room, .page = page };
                const struct scan_request q = { .table = x.docs };

                ck_assert_int_eq(LX_CALL(store_scan_all(x.s, &ctx, &q, 4, &sink, &e)), 0);
        }
        ck_assert_uint_eq(scanned_all, 1);
        ck_assert_uint_eq(n, WRITES);
        lx_item(&other, "other");
        lx_add(&other, "Text", (struct value){ .type = VALUE_LARGE, .large = &claim });
        ck_assert_int_eq(lx_put(&x, &other, &e), 0);
        ck_assert_ptr_nonnull(lx_ref(&x, "other", "Text"));
        lx_end(&x);
}
END_TEST

/* An export, imported into the table it came from: no item loses what is in S3. */
START_TEST(test_its_own_claims) {
        struct large_ref claims[WRITES];
        struct write w[WRITES];
        int results[WRITES];
        struct stream s;
        struct error e;
        struct lx x;

        start(&x);
        stream_init(&x, &s);
        ck_assert_int_eq(stream_run(&x, &s, &e), 0);
        for (unsigned i = 1; i < WRITES; i += 2) {
                struct value *v = &s.items[i].a[1].value;

                claims[i] = *lx_ref(&x, (char[]){ (char)('0' + i), '\0' }, "Text");
                claims[i].bucket = claims[i].key = STR_NULL;
                claims[i].type = VALUE_NULL;
                *v = (struct value){ .type = VALUE_LARGE, .large = &claims[i] };
        }
        if (_i) {
                memcpy(w, s.w, sizeof(w));
                ck_assert_int_eq(LX_CALL(x.s->ops->batch_write(x.s, &ctx, w, WRITES, results, &e)), 0);
        } else {
                s.next = s.done = 0;
                for (unsigned i = 0; i < WRITES; i++)
                        s.results[i] = 1;
                ck_assert_int_eq(stream_run(&x, &s, &e), 0);
                memcpy(results, s.results, sizeof(results));
        }
        for (unsigned i = 0; i < WRITES; i++) {
                ck_assert_int_eq(results[i], 0);
                if (i % 2)
                        lx_check(&x, (char[]){ (char)('0' + i), '\0' }, "Text", lx_bytes(&x, 100 * KIB, i));
        }
        lx_end(&x);
}
END_TEST

/* What no object is known of is refused, the others go on. */
START_TEST(test_refused) {
        struct large_ref claim = { .type = VALUE_NULL, .size = 5 };
        struct stream s;
        struct error e;
        struct lx x;

        start(&x);
        stream_init(&x, &s);
        s.items[3].a[1].value = (struct value){ .type = VALUE_LARGE, .large = &claim };
        ck_assert_int_eq(stream_run(&x, &s, &e), 0);
        ck_assert_uint_eq(s.done, WRITES);
        for (unsigned i = 0; i < WRITES; i++)
                ck_assert_int_eq(s.why[i], i == 3 ? ERR_INPUT : ERR_NONE);
        ck_assert_int_lt(s.results[3], 0);
        lx_end(&x);
}
END_TEST

/* So is that of an object that is gone. */
START_TEST(test_gone) {
        struct large_ref claim;
        struct stream s;
        struct error e;
        struct lx x;

        start(&x);
        stream_init(&x, &s);
        ck_assert_int_eq(stream_run(&x, &s, &e), 0);
        claim = *lx_ref(&x, "1", "Text");
        ck_assert(mem_blob_delete(x.b, claim.key));
        claim.bucket = claim.key = STR_NULL;
        claim.type = VALUE_NULL;
        stream_init(&x, &s);
        s.items[3].a[1].value = (struct value){ .type = VALUE_LARGE, .large = &claim };
        ck_assert_int_eq(stream_run(&x, &s, &e), 0);
        ck_assert_uint_eq(s.done, WRITES);
        for (unsigned i = 0; i < WRITES; i++)
                ck_assert_int_eq(s.why[i], i == 3 ? ERR_INPUT : ERR_NONE);
        lx_end(&x);
}
END_TEST

/* Without a bucket too: an empty reference would be written. */
START_TEST(test_refused_without_bucket) {
        struct large_ref claim = { .type = VALUE_NULL, .size = 5 };
        int results[2] = { 1, 1 };
        struct stream s;
        struct error e;
        struct lx x;

        start(&x);
        x.s = store_free(x.s);
        x.o.n_buckets = 0;
        lx_start(&x);
        stream_init(&x, &s);
        s.items[3].a[1].value = (struct value){ .type = VALUE_LARGE, .large = &claim };
        ck_assert_int_eq(stream_run(&x, &s, &e), 0);
        for (unsigned i = 0; i < WRITES; i++)
                ck_assert_int_eq(s.why[i], i == 3 ? ERR_INPUT : ERR_NONE);
        ck_assert_int_eq(LX_CALL(x.s->ops->batch_write(x.s, &ctx, &s.w[3], 2, results, &e)), -EINVAL);
        ck_assert_int_eq(e.kind, ERR_INPUT);
        ck_assert_int_ne(results[0], 0);
        ck_assert_ptr_null(mem_text(x.m, "Docs", "3", NULL));
        ck_assert_int_eq(LX_CALL(x.s->ops->batch_write(x.s, &ctx, &s.w[4], 2, results, &e)), 0);
        lx_end(&x);
}
END_TEST

/* The store stops in the middle: what was not told is not done, and its objects go. */
START_TEST(test_stopped) {
        struct stream s;
        struct error e;
        struct lx x;

        start(&x);
        stream_init(&x, &s);
        refused_from = 2;
        ck_assert_int_eq(stream_run(&x, &s, &e), -EACCES);
        ck_assert_int_eq(e.kind, ERR_ACCESS);
        ck_assert_uint_eq(s.done, 1);
        ck_assert_int_eq(s.results[2], 0);
        ck_assert_ptr_null(lx_ref(&x, "1", "Text"));
        x.s = store_free(x.s);
        ck_assert_uint_eq(mem_blob_count(x.b), 0);
        lx_start(&x);
        lx_end(&x);
}
END_TEST

int main(void) {
        Suite *s = suite_create("large-bulk");
        TCase *t = tcase_create("all");

        tcase_set_timeout(t, 60);
        tcase_add_test(t, test_written);
        tcase_add_test(t, test_scanned);
        tcase_add_loop_test(t, test_its_own_claims, 0, 2);
        tcase_add_test(t, test_refused);
        tcase_add_test(t, test_gone);
        tcase_add_test(t, test_refused_without_bucket);
        tcase_add_test(t, test_stopped);
        suite_add_tcase(s, t);
        return suite_run(s);
}
