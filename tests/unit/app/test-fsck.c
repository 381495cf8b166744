/* SPDX-License-Identifier: Apache-2.0 */
/* What fsck.ddbfs -y may remove, over a store and objects in memory. */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
#include "../../../src/app/fsck_internal.h"
#include "../large/fixture.h"
#include "../suite.h"

#define GRACE_S 3600

static struct lx *lx;
static bool swapped;      /* list() gives keys in another order */
static bool timeless;     /* ... and no times */
static struct item late;  /* whose reference is written once the objects have been listed */
static bool made_anew;    /* table Gone, once the objects have been listed */
static const struct blobs_ops *real;

static int list(struct blobs *s, struct op_ctx *ctx, struct str bucket, struct str prefix, struct str after, struct str next,
                struct blob_page *ret, struct error *e) {
        int r = real->list(s, ctx, bucket, prefix, after, next, ret, e);

        if (r == 0 && swapped && ret->n > 1) {
                struct blob_entry first = ret->v[0];

                ret->v[0] = ret->v[1];
                ret->v[1] = first;
        }
        for (uint32_t i = 0; r == 0 && timeless && i < ret->n; i++)
                ret->v[i].modified_s = 0;
        if (r == 0 && late.n > 0 && ret->next.n == 0) {
                struct write w = { .op = WRITE_PUT, .table = lx->docs, .item = &late };

                r = mem_store_face(lx->m)->ops->write(mem_store_face(lx->m), ctx, &w, NULL, e);
        }
        if (r == 0 && made_anew && ret->next.n == 0)
                mem_table(lx->m, "Gone", "Id:S", NULL);
        made_anew = made_anew && (r || ret->next.n > 0);
        return r;
}

/* Two items with an object each, of which item "gone" is deleted behind the back of who keeps the objects. */
static void start(struct lx *x, struct fsck *f) {
        static struct blobs_ops ops;
        struct write w = { .op = WRITE_DELETE, .key = lx_key("gone") };
        struct lx_item item;

        lx_init(x);
        lx = x;
        real = mem_blobs_face(x->b)->ops;
        ops = *real;
        ops.list = list;
        swapped = timeless = made_anew = false;
        late = (struct item){ .n = 0 };
        for (unsigned i = 0; i < 2; i++) {
                lx_item(&item, i ? "gone" : "kept");
                lx_add(&item, "Text", lx_s(lx_bytes(x, 100 * KIB, i)));
                ck_assert_int_eq(lx_put(x, &item, NULL), 0);
        }
        late = lx_get(x, "gone");
        w.table = x->docs;
        ck_assert_int_eq(LX_CALL(mem_store_face(x->m)->ops->write(mem_store_face(x->m), &ctx, &w, NULL, NULL)), 0);
        mem_blob_age(x->b, 2 * GRACE_S);
        mem_blobs_face(x->b)->ops = &ops;
        *f = (struct fsck){ .repair = true, .quiet = true, .grace_s = GRACE_S };
        f->config.s3_prefix = (char *)(uintptr_t)x->o.prefix;
        f->service.tables = mem_store_face(x->m);
        f->service.blobs = mem_blobs_face(x->b);
        f->service.store = x->s;
        f->service.buckets[0] = lx_buckets[0];
        f->service.n_buckets = 1;
}

/* What it tells goes nowhere: standard output is the test's. */
static int check_table(struct fsck *f, struct str table, struct error *e) {
        int null = open("/dev/null", O_WRONLY | O_CLOEXEC), out = dup(STDOUT_FILENO);
        struct op_ctx ctx;
        int r;

        ck_assert(null >= 0 && out >= 0 && fflush(stdout) == 0 && dup2(null, STDOUT_FILENO) >= 0);
        op_ctx_init(&ctx, "test", 0);
        f->ctx = &ctx;
        r = fsck_table(f, table, e);
        op_ctx_deinit(&ctx);
        ck_assert(fflush(stdout) == 0 && dup2(out, STDOUT_FILENO) >= 0);
        close(null);
        close(out);
        return r;
}

static int check(struct fsck *f, struct error *e) {
        return check_table(f, STR("Docs"), e);
}

START_TEST(test_orphan) {
        struct error e = { 0 };
        struct fsck f;
        struct lx x;

        start(&x, &f);
        late.n = 0;
        ck_assert_msg(check(&f, &e) == 0, "%s", e.message);
        ck_assert_int_eq(f.status, FSCK_CORRECTED);
        ck_assert_uint_eq(mem_blob_count(x.b), 1);
        lx_check(&x, "kept", "Text", lx_bytes(&x, 100 * KIB, 0));
        lx_end(&x);
}
END_TEST

/* Old by its time, for S3 counts from the beginning of an upload; its reference comes after the Scan. */
START_TEST(test_referred_since) {
        struct error e = { 0 };
        struct fsck f;
        struct lx x;

        start(&x, &f);
        ck_assert_msg(check(&f, &e) == 0, "%s", e.message);
        ck_assert_int_eq(f.status, 0);
        ck_assert_uint_eq(mem_blob_count(x.b), 2);
        lx_check(&x, "gone", "Text", lx_bytes(&x, 100 * KIB, 1));
        lx_end(&x);
}
END_TEST

START_TEST(test_no_time) {
        struct error e = { 0 };
        struct fsck f;
        struct lx x;

        start(&x, &f);
        late.n = 0;
        timeless = true;
        ck_assert_msg(check(&f, &e) == 0, "%s", e.message);
        ck_assert_int_eq(f.status, 0);
        ck_assert_uint_eq(f.n_young, 1);
        ck_assert_uint_eq(mem_blob_count(x.b), 2);
        lx_end(&x);
}
END_TEST

START_TEST(test_out_of_order) {
        struct error e = { 0 };
        struct fsck f;
        struct lx x;

        start(&x, &f);
        late.n = 0;
        swapped = true;
        ck_assert_int_eq(check(&f, &e), -EIO);
        ck_assert_int_eq(e.kind, ERR_PROTOCOL);
        ck_assert_uint_eq(mem_blob_count(x.b), 2);
        lx_end(&x);
}
END_TEST

/* What could not be removed is not counted as removed. */
START_TEST(test_not_removed) {
        struct error e = { 0 };
        struct fsck f;
        struct lx x;

        start(&x, &f);
        late.n = 0;
        mem_blob_fail(x.b, BLOB_REMOVE, 1, 1, ERR_TIMEOUT, false);
        ck_assert_int_eq(check(&f, &e), -ETIMEDOUT);
        ck_assert_uint_eq(f.n_removed, 0);
        ck_assert_int_eq(f.status, 0);
        ck_assert_uint_eq(mem_blob_count(x.b), 2);
        lx_end(&x);
}
END_TEST

/* Objects of a table that is not there (1: but is again when they are to be removed). */
START_TEST(test_dropped) {
        struct table_schema *was = NULL;
        struct buf key = BUF_INIT(KIB);
        struct error e = { 0 };
        struct op_ctx ctx;
        struct fsck f;
        struct lx x;

        start(&x, &f);
        late.n = 0;
        op_ctx_init(&ctx, "test", 0);
        f.ctx = &ctx;
        ck_assert_int_eq(fsck_dropped_table(&f, STR("Gone"), &was, &e), 0);
        ck_assert_int_eq(large_table_prefix(STR("p/"), was, &key), 0);
        op_ctx_deinit(&ctx);
        buf_puts(&key, "object");
        mem_blob_put(x.b, lx_buckets[0], key.p, STR("left"));
        mem_blob_age(x.b, 2 * GRACE_S);
        made_anew = _i == 1;
        ck_assert_int_eq(check_table(&f, STR("Gone"), &e), _i ? -ESTALE : 0);
        ck_assert_int_eq(f.status, _i ? 0 : FSCK_CORRECTED);
        ck_assert_uint_eq(f.n_removed, _i ? 0 : 1);
        ck_assert(mem_blob_has(x.b, buf_view(&key)) == (_i == 1));
        ck_assert_int_eq(check_table(&f, STR("Never"), &e), -ENOENT);
        table_schema_unref(was);
        buf_deinit(&key);
        lx_end(&x);
}
END_TEST

int main(void) {
        Suite *s = suite_create("fsck");
        TCase *t = tcase_create("all");

        tcase_set_timeout(t, 60);
        tcase_add_test(t, test_orphan);
        tcase_add_test(t, test_referred_since);
        tcase_add_test(t, test_no_time);
        tcase_add_test(t, test_out_of_order);
        tcase_add_test(t, test_not_removed);
        tcase_add_loop_test(t, test_dropped, 0, 2);
        suite_add_tcase(s, t);
        return suite_run(s);
}
