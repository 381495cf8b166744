/* SPDX-License-Identifier: Apache-2.0 */
/* Streams: parts in parallel and bounded, windows, random reads, what is gone or spoilt. */
#include <pthread.h>
#include <stdatomic.h>
#include "fixture.h"
#include "../suite.h"

static const size_t sizes[] = { 0, 1, 4096, BLOB_PART_MIN, BLOB_PART_MIN + 57000, BLOB_PUT_MAX - 1, BLOB_PUT_MAX, BLOB_PUT_MAX + 1, BLOB_PUT_MAX + BLOB_PART_MIN,
                                BLOB_PUT_MAX + BLOB_PART_MIN + 1, 30 * MIB + 12345 };

static int write_stream(struct lx *x, struct str data, size_t step, bool save, struct value *ret, struct error *e) {
        struct large_owner o = { .table = x->docs, .key = lx_key("1"), .attr = STR("text") };
        struct large_writer *w = NULL;
        struct attribute set = { .name = STR("text") };
        struct write update = { .op = WRITE_UPDATE, .table = x->docs, .key = lx_key("1"), .set = &set, .n_set = 1 };
        int r = LX_CALL(x->s->ops->large->begin(x->s, &ctx, &o, &w, e));

        for (size_t at = 0; r == 0 && at < data.n; at += step)
                do
                        r = LX_CALL(x->s->ops->large->append(w, &ctx, str_make(data.p + at, MIN(step, data.n - at)), e));
                while (r == -EINTR);
        if (r == 0)
                r = LX_CALL(x->s->ops->large->finish(w, &ctx, VALUE_S, &x->a, &set.value, e));
        *ret = set.value;
        if (r == 0 && save)
                r = LX_CALL(x->s->ops->write(x->s, &ctx, &update, NULL, e));
        (void)LX_CALL((x->s->ops->large->end(w, &ctx, save ? r : -EIO, e), 0));
        return r;
}

START_TEST(test_round_trip) {
        struct value v;
        struct lx x;
        struct str data;

        lx_init(&x);
        data = lx_bytes(&x, sizes[_i], 3);
        mem_blob_delay_us(x.b, 200);
        ck_assert_int_eq(write_stream(&x, data, 100000, true, &v, NULL), 0);
        ck_assert_uint_eq(v.large->size, data.n);
        ck_assert_uint_eq(mem_blob_uploads(x.b), 0);
        ck_assert_uint_eq(mem_blob_count(x.b), 1);
        lx_check(&x, "1", "text", data);
        ck_assert_uint_le(mem_blob_largest_parts(x.b), 3 * BLOB_PART_MIN);
        lx_end(&x);
}
END_TEST

/* As many parts are on their way at once as there is memory for. */
START_TEST(test_parts_at_once) {
        struct value v;
        struct lx x;

        lx_init(&x);
        mem_blob_delay_us(x.b, 600000);
        ck_assert_int_eq(write_stream(&x, lx_bytes(&x, 30 * MIB, 3), 100000, true, &v, NULL), 0);
        ck_assert_uint_eq(mem_blob_largest_parts(x.b), 3 * BLOB_PART_MIN);
        lx_end(&x);
}
END_TEST

/* Never finished, or finished and not saved: nothing is left. */
START_TEST(test_given_up) {
        struct large_owner o;
        struct large_writer *w = NULL;
        struct error e = { .kind = ERR_CONDITION };
        struct value v;
        struct lx x;

        lx_init(&x);
        o = (struct large_owner){ .table = x.docs, .key = lx_key("1"), .attr = STR("text") };
        ck_assert_int_eq(LX_CALL(x.s->ops->large->begin(x.s, &ctx, &o, &w, NULL)), 0);
        for (unsigned i = 0; i < 20; i++)
                ck_assert_int_eq(LX_CALL(x.s->ops->large->append(w, &ctx, lx_bytes(&x, MIB, i), NULL)), 0);
        ck_assert_uint_eq(mem_blob_uploads(x.b), 1);
        (void)LX_CALL((x.s->ops->large->end(w, &ctx, -EIO, &e), 0));
        ck_assert_uint_eq(mem_blob_uploads(x.b), 0);
        ck_assert_uint_eq(mem_blob_count(x.b), 0);
        ck_assert_int_eq(write_stream(&x, lx_bytes(&x, 9 * MIB, 1), MIB, false, &v, &e), 0);
        lx_wait_objects(&x, 0);
        lx_end(&x);
}
END_TEST

/* The upload cannot begin: who writes is told, at the end at the latest, and no part was sent. */
START_TEST(test_not_begun) {
        struct error e = { 0 };
        struct value v;
        struct lx x;

        lx_init(&x);
        mem_blob_fail(x.b, BLOB_BEGIN, 1, 1, ERR_ACCESS, false);
        ck_assert_int_eq(write_stream(&x, lx_bytes(&x, _i ? 40 * MIB : BLOB_PUT_MAX + 1, 5), 100000, true, &v, &e), -EACCES);
        ck_assert_int_eq(e.kind, ERR_ACCESS);
        ck_assert_uint_eq(mem_blob_calls(x.b, BLOB_PART), 0);
        ck_assert_uint_eq(mem_blob_uploads(x.b), 0);
        ck_assert_uint_eq(mem_blob_count(x.b), 0);
        lx_end(&x);
}
END_TEST

/* An interrupted append has taken nothing: it waits for a part to arrive, or its data is of two parts. */
START_TEST(test_interrupted_waiting) {
        struct large_owner o;
        struct large_writer *w = NULL;
        unsigned interrupted = 0;
        struct op_ctx cancelled;
        struct attribute set = { .name = STR("text") };
        struct write update = { .op = WRITE_UPDATE, .key = lx_key("1"), .set = &set, .n_set = 1 };
        struct str data;
        struct lx x;

        lx_init(&x);
        data = lx_bytes(&x, 40 * MIB + 17, 5);
        mem_blob_delay_us(x.b, 100000);
        update.table = x.docs;
        o = (struct large_owner){ .table = x.docs, .key = lx_key("1"), .attr = STR("text") };
        op_ctx_init(&cancelled, "test", 60 * NS_PER_S);
        op_ctx_cancel(&cancelled);
        ck_assert_int_eq(LX_CALL(x.s->ops->large->begin(x.s, &ctx, &o, &w, NULL)), 0);
        for (size_t at = 0; at < data.n; at += 1000000) {
                struct str piece = str_make(data.p + at, MIN((size_t)1000000, data.n - at));
                int r = x.s->ops->large->append(w, &cancelled, piece, NULL);

                if (r == -EINTR) {
                        interrupted++;
                        r = LX_CALL(x.s->ops->large->append(w, &ctx, piece, NULL));
                }
                ck_assert_int_eq(r, 0);
        }
        op_ctx_deinit(&cancelled);
        ck_assert_uint_ge(interrupted, 2);
        ck_assert_int_eq(LX_CALL(x.s->ops->large->finish(w, &ctx, VALUE_S, &x.a, &set.value, NULL)), 0);
        ck_assert_int_eq(LX_CALL(x.s->ops->write(x.s, &ctx, &update, NULL, NULL)), 0);
        (void)LX_CALL((x.s->ops->large->end(w, &ctx, 0, NULL), 0));
        lx_check(&x, "1", "text", data);
        lx_end(&x);
}
END_TEST

/* A writer that has run out of memory once may have lost something of what it took: it never says it is whole. */
START_TEST(test_no_memory) {
        struct large_owner o;
        struct large_writer *w = NULL;
        struct str data;
        struct value v;
        struct lx x;
        int r = 0;

        lx_init(&x);
        data = lx_bytes(&x, 30 * MIB, 1);
        o = (struct large_owner){ .table = x.docs, .key = lx_key("1"), .attr = STR("text") };
        ck_assert_int_eq(LX_CALL(x.s->ops->large->begin(x.s, &ctx, &o, &w, NULL)), 0);
        (void)mem_fail_at(1 + (uint64_t)_i);
        for (size_t at = 0; r == 0 && at < data.n; at += 3 * MIB)
                r = LX_CALL(x.s->ops->large->append(w, &ctx, str_make(data.p + at, 3 * MIB), NULL));
        (void)mem_fail_at(0);
        if (r) {
                ck_assert_int_ne(LX_CALL(x.s->ops->large->append(w, &ctx, str_make(data.p, 17), NULL)), 0);
                ck_assert_int_ne(LX_CALL(x.s->ops->large->finish(w, &ctx, VALUE_S, &x.a, &v, NULL)), 0);
        }
        (void)LX_CALL((x.s->ops->large->end(w, &ctx, -ENOMEM, NULL), 0));
        lx_end(&x);
}
END_TEST

START_TEST(test_part_fails) {
        struct error e = { 0 };
        struct value v;
        struct lx x;

        lx_init(&x);
        mem_blob_fail(x.b, BLOB_PART, 1 + (unsigned)_i, 1, ERR_ACCESS, false);
        ck_assert_int_eq(write_stream(&x, lx_bytes(&x, 30 * MIB, 1), 128 * KIB, true, &v, &e), -EACCES);
        ck_assert_uint_eq(mem_blob_uploads(x.b), 0);
        ck_assert_uint_eq(mem_writes(x.m), 0);
        lx_end(&x);
}
END_TEST

static struct large_reader *open_reader(struct lx *x, struct str data, struct value *v) {
        struct large_reader *r = NULL;

        ck_assert_int_eq(write_stream(x, data, MIB, true, v, NULL), 0);
        ck_assert_int_eq(LX_CALL(x->s->ops->large->open(x->s, &ctx, v, &r, NULL)), 0);
        mem_blob_reset_calls(x->b);
        return r;
}

static void check_read(struct lx *x, struct large_reader *r, struct str data, size_t offset, size_t n) {
        struct buf out = BUF_INIT(64 * MIB);

        ck_assert_int_eq(lx_read(x, r, offset, n, &out, NULL), 0);
        if (offset >= data.n)
                ck_assert_uint_eq(out.n, 0);
        else
                ck_assert(str_eq(buf_view(&out), str_make(data.p + offset, MIN(n, data.n - offset))));
        buf_deinit(&out);
}

/* Random reads fetch what they ask for. */
START_TEST(test_random) {
        struct large_reader *r;
        struct value v;
        struct str data;
        struct lx x;

        lx_init(&x);
        data = lx_bytes(&x, 20 * MIB, 1);
        r = open_reader(&x, data, &v);
        check_read(&x, r, data, 10 * MIB + 17, 4096);
        ck_assert_uint_eq(mem_blob_bytes_read(x.b), 4096);
        check_read(&x, r, data, 3 * MIB, 4096);
        check_read(&x, r, data, 20 * MIB - 10, 4096);
        check_read(&x, r, data, 20 * MIB, 4096);
        ck_assert_uint_eq(mem_blob_bytes_read(x.b), 4096 + 4096 + 10);
        x.s->ops->large->close(r);
        lx_end(&x);
}
END_TEST

/* Reading on takes ever larger windows, each byte once; the kernel's requests come out of order. */
START_TEST(test_sequential) {
        size_t order[] = { 0, 1, 3, 2, 5, 4, 6, 7 };
        struct large_reader *r;
        struct value v;
        struct str data;
        struct lx x;

        lx_init(&x);
        data = lx_bytes(&x, 16 * MIB, 1);
        r = open_reader(&x, data, &v);
        for (size_t i = 0; i < 16 * MIB / (8 * 128 * KIB); i++)
                for (size_t k = 0; k < ARRAY_LEN(order); k++)
                        check_read(&x, r, data, (i * 8 + order[k]) * 128 * KIB, 128 * KIB);
        ck_assert_uint_eq(mem_blob_bytes_read(x.b), 16 * MIB);
        ck_assert_uint_le(mem_blob_calls(x.b, BLOB_READ), 9);
        x.s->ops->large->close(r);
        lx_end(&x);
}
END_TEST

/* *ret_hold: what keeps data's bytes from offset where they are. */
static int lend(struct lx *x, struct large_reader *r, struct str data, size_t offset, size_t n, void **ret_hold) {
        struct str lent;
        int k = LX_CALL(x->s->ops->large->lend(r, &ctx, offset, n, &lent, ret_hold, NULL));

        if (k == 0 && *ret_hold)
                ck_assert(str_eq(lent, str_make(data.p + offset, MIN(n, data.n - offset))));
        return k;
}

/* Bytes that are lent stay what and where they are, whatever is read meanwhile, until they are given back: after the end,
 * too.  All of it is fetched once, and the last of it is lent to nobody when it is not what the SHA-256 says. */
START_TEST(test_lent) {
        void *first = NULL, *second = NULL, *hold;
        struct large_reader *r;
        struct value v;
        struct str data;
        struct lx x;
        int k = 0;

        lx_init(&x);
        data = lx_bytes(&x, 30 * MIB + 17, 1);
        r = open_reader(&x, data, &v);
        if (_i) {
                mem_blob_spoil(x.b, 0);
                ((char *)(uintptr_t)data.p)[data.n / 2] ^= 1;
        }
        ck_assert_int_eq(lend(&x, r, data, 0, 128 * KIB, &first), 0);
        ck_assert_int_eq(lend(&x, r, data, 4096, 128 * KIB, &second), 0);
        ck_assert(first && second);
        for (size_t at = 128 * KIB; k == 0 && at < data.n; at += 128 * KIB) {
                k = lend(&x, r, data, at, 128 * KIB, &hold);
                if (k == 0) {
                        ck_assert_ptr_nonnull(hold);
                        x.s->ops->large->give_back(hold);
                }
        }
        ck_assert_int_eq(k, _i ? -EIO : 0);
        ck_assert_int_eq(lend(&x, r, data, data.n, 1, &hold), 0);
        ck_assert_ptr_null(hold);
        ck_assert_uint_eq(mem_blob_bytes_read(x.b), data.n);
        x.s->ops->large->give_back(second);
        x.s->ops->large->close(r);
        x.s->ops->large->give_back(first);
        lx_end(&x);
}
END_TEST

/* Not in one piece: the end of a window, and what is read out of order. */
START_TEST(test_not_lent) {
        struct large_reader *r;
        void *hold = NULL;
        struct value v;
        struct str data;
        struct lx x;

        lx_init(&x);
        data = lx_bytes(&x, 20 * MIB, 1);
        r = open_reader(&x, data, &v);
        ck_assert_int_eq(lend(&x, r, data, 10 * MIB + 17, 4096, &hold), 0);
        ck_assert_ptr_null(hold);
        ck_assert_uint_eq(mem_blob_bytes_read(x.b), 0);
        ck_assert_int_eq(lend(&x, r, data, 0, MIB + 1, &hold), 0);
        ck_assert_ptr_null(hold);
        check_read(&x, r, data, 0, MIB + 1);
        x.s->ops->large->close(r);
        lx_end(&x);
}
END_TEST

/* Who reads the beginning only does not make much more be fetched. */
START_TEST(test_beginning) {
        struct large_reader *r;
        struct value v;
        struct str data;
        struct lx x;

        lx_init(&x);
        data = lx_bytes(&x, 20 * MIB, 1);
        r = open_reader(&x, data, &v);
        for (size_t at = 0; at < 4 * 128 * KIB; at += 128 * KIB)
                check_read(&x, r, data, at, 128 * KIB);
        lx_sleep(20 * NS_PER_MS); /* for what would be too much to come */
        x.s->ops->large->close(r);
        ck_assert_uint_le(mem_blob_bytes_read(x.b), 3 * MIB);
        lx_end(&x);
}
END_TEST

/* A failed fetch is told to who asked for the bytes, who may try again; one ahead is made good.  Whatever fails, in whatever
 * order, all that was read is what the SHA-256 says. */
static const struct {
        unsigned nth, times; /* fetches that fail */
        bool spoilt;
} read_failures[] = {
        { 1, 3, false }, { 2, 1, false }, { 3, 1, false }, { 4, 1, false }, { 2, 3, false }, { 5, 2, false },
        { 1, 3, true },  { 2, 1, true },  { 3, 2, true },  { 5, 1, true },  { 8, 1, true },  { 8, 3, true },
};

START_TEST(test_read_fails) {
        struct buf out = BUF_INIT(64 * MIB);
        struct large_reader *r;
        struct error e = { 0 };
        struct value v;
        struct str data;
        struct lx x;
        unsigned failed = 0;
        int k = 0;

        lx_init(&x);
        data = lx_bytes(&x, 16 * MIB, 1);
        r = open_reader(&x, data, &v);
        if (read_failures[_i].spoilt)
                mem_blob_spoil(x.b, 0);
        mem_blob_fail(x.b, BLOB_READ, read_failures[_i].nth, read_failures[_i].times, ERR_TIMEOUT, false);
        while (out.n < data.n) {
                size_t before = out.n;

                k = lx_read(&x, r, out.n, 128 * KIB, &out, &e);
                if (k == -EIO)
                        break;
                if (k) {
                        ck_assert_int_eq(k, -ETIMEDOUT);
                        buf_truncate(&out, before);
                        failed++;
                }
                ck_assert_uint_le(failed, read_failures[_i].times);
        }
        if (read_failures[_i].nth == 1) /* his own among them */
                ck_assert_uint_ge(failed, 1);
        ck_assert_int_eq(k, read_failures[_i].spoilt ? -EIO : 0);
        if (k == 0)
                ck_assert(str_eq(buf_view(&out), data));
        x.s->ops->large->close(r);
        buf_deinit(&out);
        lx_end(&x);
}
END_TEST

START_TEST(test_spoilt) {
        struct buf out = BUF_INIT(64 * MIB);
        struct large_reader *r;
        struct error e = { 0 };
        struct value v;
        struct lx x;
        int k = 0;

        lx_init(&x);
        r = open_reader(&x, lx_bytes(&x, _i ? 9 * MIB : 1000, 1), &v);
        mem_blob_spoil(x.b, 0);
        while (k == 0 && out.n < v.large->size)
                k = lx_read(&x, r, out.n, 128 * KIB, &out, &e);
        ck_assert_int_eq(k, -EIO);
        ck_assert_uint_lt(out.n, v.large->size);
        ck_assert_int_eq(lx_read(&x, r, out.n, 128 * KIB, &out, &e), -EIO);
        x.s->ops->large->close(r);
        buf_deinit(&out);
        lx_end(&x);
}
END_TEST

static int (*real_read)(struct blobs *, struct op_ctx *, struct blob_name, uint64_t, size_t, const char *, struct buf *,
                        struct error *);
static atomic_bool first_begun;

/* The first window takes long. */
static int slow_beginning(struct blobs *b, struct op_ctx *ctx, struct blob_name name, uint64_t offset, size_t n,
                          const char *etag, struct buf *ret, struct error *e) {
        if (offset == 0) {
                first_begun = true;
                lx_sleep(300 * NS_PER_MS);
        }
        return real_read(b, ctx, name, offset, n, etag, ret, e);
}

struct one_read {
        struct lx *x;
        struct large_reader *r;
};

static void *read_beginning(void *arg) {
        struct one_read *o = arg;
        struct buf out = BUF_INIT(MIB);

        (void)lx_read(o->x, o->r, 0, 128 * KIB, &out, NULL);
        buf_deinit(&out);
        return NULL;
}

/* Two read at once, and the second window could come first: all of it is looked at all the same. */
START_TEST(test_spoilt_out_of_order) {
        struct buf out = BUF_INIT(64 * MIB);
        struct blobs *face;
        struct blobs_ops ops;
        const struct blobs_ops *was;
        struct one_read one;
        struct error e = { 0 };
        struct value v;
        pthread_t thread;
        struct lx x;
        int k = 0;

        lx_init(&x);
        one = (struct one_read){ &x, open_reader(&x, lx_bytes(&x, 9 * MIB, 1), &v) };
        mem_blob_spoil(x.b, 0);
        face = mem_blobs_face(x.b);
        was = face->ops;
        ops = *was;
        real_read = was->read;
        first_begun = false;
        ops.read = slow_beginning;
        face->ops = &ops;
        ck_assert_int_eq(pthread_create(&thread, NULL, read_beginning, &one), 0);
        while (!first_begun)
                lx_sleep(NS_PER_MS);
        ck_assert_int_eq(lx_read(&x, one.r, MIB, 128 * KIB, &out, &e), 0);
        ck_assert_int_eq(pthread_join(thread, NULL), 0);
        buf_reset(&out);
        while (k == 0 && out.n < v.large->size)
                k = lx_read(&x, one.r, out.n, 128 * KIB, &out, &e);
        ck_assert_int_eq(k, -EIO);
        x.s->ops->large->close(one.r);
        face->ops = was;
        buf_deinit(&out);
        lx_end(&x);
}
END_TEST

START_TEST(test_gone) {
        struct buf out = BUF_INIT(64 * MIB);
        struct large_reader *r;
        struct error e = { 0 };
        struct value v;
        struct lx x;

        lx_init(&x);
        r = open_reader(&x, lx_bytes(&x, 2 * MIB, 1), &v);
        ck_assert(mem_blob_delete(x.b, mem_blob_key(x.b, 0)));
        ck_assert_int_eq(lx_read(&x, r, 0, 128 * KIB, &out, &e), -ENOENT);
        ck_assert_int_eq(e.kind, ERR_NO_ITEM);
        x.s->ops->large->close(r);
        buf_deinit(&out);
        lx_end(&x);
}
END_TEST

/* ---- other tools' strings ---- */

static const struct {
        const char *text;
        bool link;
} links[] = {
        { "{\"s3\":{\"bucket\":\"older\",\"key\":\"k/1\",\"region\":null}}", true },
        { "{\"s3\":{\"region\":\"us-east-1\",\"more\":[1],\"key\":\"k/1\",\"bucket\":\"older\"}}", true },
        { "s3://older/k/1", true },
        { "s3://other/k/1", false }, /* a bucket that is not named */
        { "{\"s3\":{\"bucket\":\"other\",\"key\":\"k/1\"}}", false },
        { "{\"s3\":{\"bucket\":\"older\"}}", false },
        { "{\"s3\":\"older/k/1\"}", false },
        { "{\"s3\":{\"bucket\":\"older\",\"key\":\"k/1\"}", false },
        { "s3://older", false },
        { "s3://older/", false },
        { "S3://older/k/1", false },
        { "{\"s4\":{\"bucket\":\"older\",\"key\":\"k/1\"}}", false },
};

START_TEST(test_links) {
        struct value v = { .type = VALUE_S, .text = str_of(links[_i].text) };
        struct buf out = BUF_INIT(KIB);
        struct large_reader *r = NULL;
        uint64_t size = 0;
        bool is = false;
        struct lx x;

        lx_init(&x);
        mem_blob_put(x.b, "older", "k/1", STR("theirs"));
        ck_assert_int_eq(LX_CALL(x.s->ops->large->size(x.s, &ctx, &v, &is, &size, NULL)), 0);
        ck_assert_int_eq(is, links[_i].link);
        if (is) {
                ck_assert_uint_eq(size, 6);
                ck_assert_int_eq(LX_CALL(x.s->ops->large->open(x.s, &ctx, &v, &r, NULL)), 0);
                ck_assert_int_eq(lx_read(&x, r, 0, 100, &out, NULL), 0);
                ck_assert(str_eq(buf_view(&out), STR("theirs")));
                x.s->ops->large->close(r);
        } else {
                ck_assert_uint_eq(mem_blob_calls(x.b, BLOB_HEAD), 0);
        }
        buf_deinit(&out);
        lx_end(&x);
}
END_TEST

START_TEST(test_unnamed_bucket) {
        struct large_ref l = { .type = VALUE_S, .size = 6, .bucket = STR("other"), .key = STR("k/1") };
        struct value v = { .type = VALUE_LARGE, .large = &l };
        struct large_reader *r = NULL;
        struct error e = { 0 };
        struct lx x;

        lx_init(&x);
        mem_blob_put(x.b, "other", "k/1", STR("theirs"));
        ck_assert_int_eq(LX_CALL(x.s->ops->large->open(x.s, &ctx, &v, &r, &e)), -EACCES);
        ck_assert_ptr_nonnull(strstr(e.message, "other"));
        ck_assert_uint_eq(mem_blob_calls(x.b, BLOB_READ), 0);
        lx_end(&x);
}
END_TEST

int main(void) {
        Suite *s = suite_create("large-stream");
        TCase *t = tcase_create("all");

        tcase_set_timeout(t, 60);
        tcase_add_loop_test(t, test_round_trip, 0, ARRAY_LEN(sizes));
        tcase_add_test(t, test_given_up);
        tcase_add_test(t, test_parts_at_once);
        tcase_add_test(t, test_interrupted_waiting);
        tcase_add_loop_test(t, test_not_begun, 0, 2);
        tcase_add_loop_test(t, test_part_fails, 0, 4);
        tcase_add_loop_test(t, test_no_memory, 0, 30);
        tcase_add_test(t, test_random);
        tcase_add_test(t, test_sequential);
        tcase_add_loop_test(t, test_lent, 0, 2);
        tcase_add_test(t, test_not_lent);
        tcase_add_test(t, test_beginning);
        tcase_add_loop_test(t, test_read_fails, 0, ARRAY_LEN(read_failures));
        tcase_add_loop_test(t, test_spoilt, 0, 2);
        tcase_add_test(t, test_spoilt_out_of_order);
        tcase_add_test(t, test_gone);
        tcase_add_loop_test(t, test_links, 0, ARRAY_LEN(links));
        tcase_add_test(t, test_unnamed_bucket);
        suite_add_tcase(s, t);
        return suite_run(s);
}
