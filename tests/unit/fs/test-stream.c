/* SPDX-License-Identifier: Apache-2.0 */
/* Attributes that stream to S3 while they are written: what becomes of them when something goes wrong. */
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include "ddbfs/large/large.h"
#include "killed.h"
#include "../large/mem_blobs.h"

#define PIECE (MIB - 1) /* the second makes it a stream, the ninth a multipart upload */

struct sx {
        struct fx x;
        struct mem_blobs *b;
        struct store *s;
        char *piece;
        struct fx_file f;
};

static void sx_init(struct sx *s) {
        static const char *const buckets[] = { "bucket" };
        struct large_options o = { .buckets = buckets, .n_buckets = 1, .prefix = "p/", .threshold = 64 * KIB, .inline_max = 128 * KIB,
                                   .grace_ns = NS_PER_MS, .timeout_ns = 5 * NS_PER_S };

        fx_init(&s->x);
        s->b = mem_blobs_new();
        s->x.o.text.any_size = true;
        ck_assert_ok(large_store_new(&o, mem_store_face(s->x.m), mem_blobs_face(s->b), &s->s));
        ck_assert_ok(fs_new(&s->x.o, s->s, &s->x.fs));
        mem_put(s->x.m, "Users", "{\"Id\":\"42\",\"n\":1}");
        s->piece = malloc(PIECE + 1);
        ck_assert_ptr_nonnull(s->piece);
        memset(s->piece, 'x', PIECE);
        s->piece[PIECE] = '\0';
        ck_assert_ok(fx_open(&s->x, "Users/42/big", O_WRONLY | O_CREAT | O_TRUNC, &s->f));
}

static void sx_end(struct sx *s) {
        s->x.fs = fs_free(s->x.fs);
        s->s = store_free(s->s);
        mem_blobs_free(s->b);
        free(s->piece);
        fx_pid = 0;
        fx_end(&s->x);
}

static void write_pieces(struct sx *s, unsigned n) {
        for (unsigned i = 0; i < n; i++)
                ck_assert_ok(fx_write(&s->f, s->piece));
}

static void check_size(struct sx *s, uint64_t want) {
        struct fs_attr attr;

        ck_assert_ok(fx_stat(&s->x, "Users/42/big", &attr));
        ck_assert_uint_eq(attr.size, want);
}

/* As a program that is interrupted goes on: what it has read, and how often it was. */
static int read_on(struct fx_file *f, char *out, size_t cap) {
        int interrupted = 0;
        size_t n = 0;

        for (;;) {
                struct str piece;
                struct fs_hold hold = { .of = NULL };
                int r = FX_CALL(fs_read(f->x->fs, &ctx, f->opened.file, n, 64 * KIB, &piece, &hold));

                interrupted += r == -EINTR;
                ck_assert_msg(r == 0 || (r == -EINTR && interrupted < 9), "%d", r);
                if (r)
                        continue;
                ck_assert_uint_lt(n + piece.n, cap);
                if (piece.n)
                        memcpy(out + n, piece.p, piece.n);
                n += piece.n;
                fs_read_done(hold);
                if (piece.n == 0)
                        break;
        }
        out[n] = '\0';
        return interrupted;
}

/* An item whose object could not be read is what the next read of an export goes on with. */
START_TEST(test_export_interrupted) {
        static const char *const paths[] = { "Music/A/0.json", "Music/A/1.json", "Music/A/2.json" };
        char *text = malloc(MIB), *at = text;
        struct fx_file f;
        struct sx s;

        sx_init(&s);
        ck_assert_ok(fx_close(&s.f));
        ck_assert_ok(fx_mkdir(&s.x, "Music/A"));
        s.piece[70 * KIB] = '\0';
        for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
                (void)snprintf(text, MIB, "{\"s\": \"%s\"}", s.piece);
                ck_assert_ok(fx_save(&s.x, paths[i], text));
        }
        mem_set_page_size(s.x.m, 1);
        ck_assert_ok(fx_open(&s.x, "Music/A/.export/jsonl", O_RDONLY, &f));
        mem_blob_fail(s.b, BLOB_READ, (unsigned)_i, 1, ERR_INTERRUPTED, false);
        ck_assert_int_eq(read_on(&f, text, MIB), 1);
        ck_assert_ok(fx_close(&f));
        for (unsigned i = 0; i < ARRAY_LEN(paths); i++) {
                char want[50];

                (void)snprintf(want, sizeof(want), "{\"Artist\":\"A\",\"Song\":\"%u\",\"s\":\"xx", i);
                ck_assert_msg(strncmp(at, want, strlen(want)) == 0, "%.50s, not %s", at, want);
                at = strchr(at, '\n') + 1;
        }
        ck_assert_str_eq(at, "");
        free(text);
        sx_end(&s);
}
END_TEST

/* The key of an index is what the table declares, however long its text is. */
START_TEST(test_declared) {
        struct sx s;

        sx_init(&s);
        mem_declare(s.x.m, "Users", "big:N");
        write_pieces(&s, 2);
        ck_assert_int_eq(fx_close(&s.f), -EINVAL);
        ck_assert_str_eq(mem_text(s.x.m, "Users", "42", NULL), "{\"Id\":\"42\",\"n\":1}");
        sx_end(&s);
}
END_TEST

/* What is large in a line goes to S3: of csv, too. */
START_TEST(test_import_large) {
        struct fx_file f;
        struct fs_attr attr;
        struct sx s;

        sx_init(&s);
        ck_assert_ok(fx_close(&s.f));
        ck_assert_ok(fx_open(&s.x, "Users/.import/csv", O_WRONLY, &f));
        ck_assert_ok(fx_write(&f, "Id,big\n7,"));
        ck_assert_ok(fx_write(&f, s.piece));
        ck_assert_ok(fx_close(&f));
        ck_assert_ok(fx_stat(&s.x, "Users/7/big", &attr));
        ck_assert_uint_eq(attr.size, PIECE);
        sx_end(&s);
}
END_TEST

/* All that was written is there: the first try failed, and it went up for that. */
static void check_rejected(struct sx *s, unsigned pieces) {
        char *content = malloc((size_t)pieces * PIECE + 1);
        struct fx_file f;

        ck_assert_ptr_nonnull(content);
        ck_assert_ok(fx_open(&s->x, ".ddbfs/rejected/Users/42/big", O_RDONLY, &f));
        ck_assert_int_eq(read_on(&f, content, (size_t)pieces * PIECE + 1), 0);
        for (unsigned i = 0; i < pieces; i++)
                ck_assert_int_eq(memcmp(content + (size_t)i * PIECE, s->piece, PIECE), 0);
        ck_assert_ok(fx_close(&f));
        free(content);
}

/* What is lost stays lost, for whoever asks again. */
START_TEST(test_refused_again) {
        struct sx s;

        sx_init(&s);
        write_pieces(&s, 3);
        mem_blob_fail(s.b, BLOB_PUT, 1, 1, _i ? ERR_INTERRUPTED : ERR_ACCESS, false);
        ck_assert_int_eq(fx_fsync(&s.f), _i ? -EINTR : -EACCES);
        if (!_i)
                check_rejected(&s, 3);
        ck_assert_int_eq(fx_fsync(&s.f), _i ? -EIO : -EACCES);
        ck_assert_int_eq(fx_flush(&s.f), _i ? -EIO : -EACCES);
        ck_assert_ok(fx_ftruncate(&s.f, 0)); /* a new beginning */
        s.f.pos = 0;
        write_pieces(&s, 2);
        ck_assert_ok(fx_close(&s.f));
        check_size(&s, 2 * PIECE);
        sx_end(&s);
}
END_TEST

/* A write has failed and said so; the close does too. */
START_TEST(test_write_failed) {
        struct sx s;
        int r = 0;

        sx_init(&s);
        mem_blob_fail(s.b, BLOB_BEGIN, 1, 1, ERR_ACCESS, false);
        for (unsigned i = 0; i < 20 && r == 0; i++)
                r = fx_write(&s.f, s.piece);
        ck_assert_int_eq(r, -EACCES);
        ck_assert_int_eq(fx_fsync(&s.f), -EACCES);
        ck_assert_int_eq(fx_close(&s.f), -EACCES);
        ck_assert_int_eq(fx_exists(&s.x, "Users/42/big"), -ENOENT);
        sx_end(&s);
}
END_TEST

/* The size that its writer sees. */
START_TEST(test_own_size) {
        struct fs_attr attr;
        struct sx s;

        sx_init(&s);
        write_pieces(&s, 3);
        ck_assert_ok(fx_fstat(&s.f, &attr));
        ck_assert_uint_eq(attr.size, 3 * PIECE);
        ck_assert_ok(fx_close(&s.f));
        sx_end(&s);
}
END_TEST

/* A write whose program gets a signal while S3 takes its time: -EINTR when there was something to wait for. */
static int write_interrupted(struct fx_file *f, uint64_t offset) {
        struct sx *s = CONTAINER_OF(f, struct sx, f);
        struct op_ctx ctx;
        int r;

        op_ctx_init(&ctx, "test", 0);
        op_ctx_cancel(&ctx);
        r = fs_write(s->x.fs, &ctx, f->opened.file, offset, str_of(s->piece));
        op_ctx_deinit(&ctx);
        return r;
}

/* A signal that the writer survives: nothing of that write, and all of it when it is made again. */
START_TEST(test_interrupted) {
        unsigned interrupted = 0;
        struct sx s;

        sx_init(&s);
        mem_blob_delay_us(s.b, 50000);
        for (uint64_t i = 0; i < 60; i++) {
                int r = write_interrupted(&s.f, i * PIECE);

                interrupted += r == -EINTR;
                if (r == -EINTR)
                        r = fx_pwrite(&s.f, s.piece, i * PIECE);
                ck_assert_ok(r);
        }
        ck_assert_uint_gt(interrupted, 0);
        ck_assert_ok(fx_close(&s.f));
        check_size(&s, 60 * (uint64_t)PIECE);
        sx_end(&s);
}
END_TEST

/* More text in memory than three parts hold, and interrupted when it is to go up: nothing of it is lost. */
START_TEST(test_grown_first) {
        const uint64_t grown = 15 * MIB + MIB / 2;
        char *content = malloc(grown + PIECE + 1);
        struct fx_file f;
        struct sx s;

        ck_assert_ptr_nonnull(content);
        sx_init(&s);
        ck_assert_ok(fx_ftruncate(&s.f, grown));
        ck_assert_ok(fx_pwrite(&s.f, "begin", 0));
        if (_i) {
                mem_blob_delay_us(s.b, 50000);
                ck_assert_int_eq(write_interrupted(&s.f, grown), -EINTR);
        }
        ck_assert_ok(fx_pwrite(&s.f, s.piece, grown));
        ck_assert_ok(fx_close(&s.f));
        check_size(&s, grown + PIECE);
        ck_assert_ok(fx_open(&s.x, "Users/42/big", O_RDONLY, &f));
        ck_assert_int_eq(read_on(&f, content, grown + PIECE + 1), 0);
        ck_assert_int_eq(memcmp(content, "begin\0", 6), 0);
        ck_assert_int_eq(content[grown - 1], 0);
        ck_assert_int_eq(memcmp(content + grown, s.piece, PIECE), 0);
        ck_assert_ok(fx_close(&f));
        free(content);
        sx_end(&s);
}
END_TEST

/* Killed while it wrote: it is not the whole.  Killed, and another program wrote: it only had the file open. */
START_TEST(test_killed) {
        pid_t killed = killed_process();
        struct sx s;

        sx_init(&s);
        fx_pid = (uint32_t)(_i ? getpid() : killed);
        write_pieces(&s, 3);
        fx_pid = (uint32_t)killed;
        ck_assert_int_eq(fx_flush(&s.f), _i ? 0 : -EINTR);
        fx_pid = (uint32_t)getpid();
        ck_assert_int_eq(fx_close(&s.f), _i ? 0 : -EIO);
        if (_i)
                check_size(&s, 3 * PIECE);
        else
                ck_assert_int_eq(fx_exists(&s.x, "Users/42/big"), -ENOENT);
        ck_assert_int_eq(waitpid(killed, NULL, 0), killed);
        sx_end(&s);
}
END_TEST

/* The mount ends while it is written: that is not the whole, and is said. */
START_TEST(test_unmounted) {
        char text[FX_TEXT_MAX];
        struct sx s;

        sx_init(&s);
        write_pieces(&s, 3);
        FX_CALL((fs_shutdown(s.x.fs, &ctx), 0));
        ck_assert_item(&s.x, "Users", "42", NULL, "{\"Id\":\"42\",\"n\":1}");
        ck_assert_ok(fx_cat(&s.x, ".ddbfs/errors.jsonl", text));
        ck_assert_ptr_nonnull(strstr(text, "/Users/42/big"));
        ck_assert_ptr_nonnull(strstr(text, "stays as it was"));
        ck_assert_uint_eq(mem_blob_uploads(s.b), 0);
        ck_assert_int_eq(fx_close(&s.f), -EIO);
        sx_end(&s);
}
END_TEST

/* What fits into memory is not the whole either.  Whoever else has the file open, and writes no more, does not save it;
 * what goes on from there is another program's text. */
START_TEST(test_killed_small) {
        pid_t killed = killed_process();
        char text[FX_TEXT_MAX];
        struct fx_file f;
        struct sx s;

        sx_init(&s);
        ck_assert_ok(fx_close(&s.f));
        ck_assert_ok(fx_save(&s.x, "Users/42/t", "whole"));
        fx_pid = (uint32_t)killed;
        ck_assert_ok(fx_open(&s.x, "Users/42/t", O_WRONLY | O_TRUNC, &f));
        ck_assert_ok(fx_write(&f, "half"));
        ck_assert_int_eq(fx_flush(&f), -EINTR);
        fx_pid = (uint32_t)getpid();
        ck_assert_ok(fx_cat(&s.x, ".ddbfs/rejected/Users/42/t", text));
        ck_assert_str_eq(text, "half");
        if (_i) {
                ck_assert_ok(fx_write(&f, " and half"));
                ck_assert_ok(fx_close(&f));
        } else {
                ck_assert_int_eq(fx_close(&f), -EIO);
        }
        ck_assert_ok(fx_cat(&s.x, "Users/42/t", text));
        ck_assert_str_eq(text, _i ? "half and half" : "whole");
        ck_assert_int_eq(waitpid(killed, NULL, 0), killed);
        sx_end(&s);
}
END_TEST

/* Killed in the middle of a line, or unmounted: what there is of it looks like one, and is none. */
START_TEST(test_import_cut_off) {
        pid_t killed = killed_process();
        char text[FX_TEXT_MAX];
        struct fx_file f;
        struct sx s;

        sx_init(&s);
        ck_assert_ok(fx_close(&s.f));
        fx_pid = (uint32_t)(_i ? getpid() : killed);
        ck_assert_ok(fx_open(&s.x, "Users/.import/csv", O_WRONLY, &f));
        ck_assert_ok(fx_write(&f, "Id,n\n7,1234\n8,12"));
        if (_i)
                FX_CALL((fs_shutdown(s.x.fs, &ctx), 0));
        else
                ck_assert_int_eq(fx_close(&f), -EINVAL);
        ck_assert_item(&s.x, "Users", "7", NULL, "{\"Id\":\"7\",\"n\":1234}");
        ck_assert_item(&s.x, "Users", "8", NULL, NULL);
        ck_assert_ok(fx_cat(&s.x, ".ddbfs/rejected/Users/.import/csv", text));
        ck_assert_str_eq(text, "Id,n\n8,12\n");
        if (_i)
                fx_release(&f);
        ck_assert_int_eq(waitpid(killed, NULL, 0), killed);
        sx_end(&s);
}
END_TEST

int main(void) {
        Suite *s = suite_create("stream");
        TCase *t = tcase_create("all");

        tcase_set_timeout(t, 60);
        tcase_add_loop_test(t, test_refused_again, 0, 2);
        tcase_add_test(t, test_declared);
        tcase_add_test(t, test_write_failed);
        tcase_add_loop_test(t, test_export_interrupted, 1, 4);
        tcase_add_test(t, test_import_large);
        tcase_add_test(t, test_own_size);
        tcase_add_test(t, test_interrupted);
        tcase_add_loop_test(t, test_grown_first, 0, 2);
        tcase_add_loop_test(t, test_killed, 0, 2);
        tcase_add_test(t, test_unmounted);
        tcase_add_loop_test(t, test_killed_small, 0, 2);
        tcase_add_loop_test(t, test_import_cut_off, 0, 2);
        suite_add_tcase(s, t);
        return fx_run(s);
}
