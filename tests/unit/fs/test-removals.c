/* SPDX-License-Identifier: Apache-2.0 */
/* `rm -r` in batches: what becomes of items whose unlink was answered before they were deleted. */
#include <stdatomic.h>
#include <unistd.h>
#include "fixture.h"

static void list_again(void *arg, uint64_t parent, struct str name) {
        struct fx_listing l = { .names = BUF_INIT(MIB) };

        (void)parent, (void)name;
        (void)fx_ls(arg, "Users", &l);
        buf_deinit(&l.names);
}

/* Queued by `rm -r` and not deleted: it is in the next listing, even if somebody has listed at the last moment. */
START_TEST(test_not_removed) {
        struct fs_notify notify = { .entry = list_again };
        struct fs_entry users;
        struct fs_dir *d;
        char path[32];
        struct fx x;

        fx_pid = 4711;
        fx_init(&x);
        x.o.cache_ttl_ns = FS_FOREVER;
        fx_start(&x);
        notify.arg = &x;
        fs_set_notify(x.fs, &notify);
        for (unsigned i = 0; i <= 16; i++)
                mem_putf(x.m, "Users", "{\"Id\":\"%u\"}", i);
        mem_fail(x.m, MEM_BATCH_WRITE, 1, 1, ERR_PERMISSION, false);
        ck_assert_ok(fx_lookup(&x, "Users", &users));
        ck_assert_ok(FX_CALL(fs_opendir(x.fs, &ctx, users.node, &d)));
        for (unsigned i = 0; i <= 16; i++) {
                (void)snprintf(path, sizeof(path), "Users/%u.json", i);
                ck_assert_ok(fx_rm(&x, path));
        }
        ck_assert_int_ne(FX_CALL(fs_fsyncdir(x.fs, &ctx, d)), 0);
        ck_assert_uint_eq(mem_calls(x.m, MEM_BATCH_WRITE), 1);
        ck_assert_str_eq(fx_names(&x, "Users"), "16.json");
        fs_releasedir(x.fs, d);
        fs_forget(x.fs, users.node, 1);
        fx_end(&x);
        fx_pid = 0;
}
END_TEST

#define N 40
#define MANY 10000

/* A directory that this program empties. */
struct emptied {
        struct fx x;
        struct fs_entry users;
        struct fs_dir *d;
        unsigned next;           /* the item to unlink */
        atomic_bool later, told; /* the second batch is on its way; the program has heard of the first */
        bool early;              /* it has before the second was decided */
};

static int unlink_next(struct emptied *t) {
        char path[32];

        (void)snprintf(path, sizeof(path), "Users/%u.json", t->next++);
        return fx_rm(&t->x, path);
}

static void unlink_some(struct emptied *t, unsigned n) {
        for (unsigned i = 0; i < n; i++)
                ck_assert_ok(unlink_next(t));
}

static void begin_of(struct emptied *t, unsigned n) {
        fx_pid = 4711;
        fx_init(&t->x);
        fx_start(&t->x);
        for (unsigned i = 0; i < n; i++)
                mem_putf(t->x.m, "Users", "{\"Id\":\"%u\"}", i);
        ck_assert_ok(fx_lookup(&t->x, "Users", &t->users));
        ck_assert_ok(FX_CALL(fs_opendir(t->x.fs, &ctx, t->users.node, &t->d)));
}

static void begin(struct emptied *t) {
        begin_of(t, N);
}

static void end(struct emptied *t) {
        fs_releasedir(t->x.fs, t->d);
        fs_forget(t->x.fs, t->users.node, 1);
        fx_end(&t->x);
        fx_pid = 0;
}

static unsigned listed(struct emptied *t) {
        struct fx_listing l = { .names = BUF_INIT(MIB) };

        ck_assert_ok(fx_ls(&t->x, "Users", &l));
        buf_deinit(&l.names);
        return l.n;
}

/* In the sender's thread.  The program that waits for this batch would do so for ever; who does not is quick. */
static void second_batch(struct mem_store *m, void *arg) {
        struct emptied *t = arg;

        (void)m;
        atomic_store(&t->later, true);
        for (unsigned i = 0; i < 100 && !atomic_load(&t->told); i++)
                (void)usleep(1000);
        t->early = atomic_load(&t->told);
}

START_TEST(test_told_when_all_is_decided) {
        struct emptied t = { .next = 0 };
        int r;

        begin(&t);
        mem_hold(t.x.m, MEM_BATCH_WRITE, false);
        mem_fail(t.x.m, MEM_BATCH_WRITE, 1, 2, ERR_PERMISSION, false);
        mem_before(t.x.m, MEM_BATCH_WRITE, 2, second_batch, &t);
        unlink_some(&t, 20);
        mem_wait_held(t.x.m, MEM_BATCH_WRITE, 1);
        unlink_some(&t, 10);
        mem_release(t.x.m, MEM_BATCH_WRITE);
        while (!atomic_load(&t.later))
                (void)usleep(100);
        r = unlink_next(&t);
        atomic_store(&t.told, true);
        ck_assert_int_eq(r, -EPERM);
        ck_assert_uint_eq(listed(&t), N - 16);
        ck_assert(!t.early);
        ck_assert_ok(unlink_next(&t)); /* told once; this one is not answered in advance */
        ck_assert_uint_eq(mem_count(t.x.m, "Users"), N - 17);
        end(&t);
}
END_TEST

/* In the sender's thread: the program that empties the directory is never out of work. */
static void and_one_more(struct mem_store *m, void *arg) {
        struct emptied *t = arg;

        (void)usleep(1000);
        if (atomic_load(&t->told))
                return;
        mem_before(m, MEM_BATCH_WRITE, 1, and_one_more, t);
        if (t->next < MANY)
                ck_assert_ok(unlink_next(t));
}

static int move(struct emptied *t) {
        struct fs_entry music;
        struct op_ctx ctx;
        int r;

        ck_assert_ok(fx_lookup(&t->x, "Music/a", &music));
        op_ctx_init(&ctx, "test", 3 * NS_PER_S);
        r = fs_rename(t->x.fs, &ctx, music.node, STR("1.json"), music.node, STR("2.json"), 0);
        op_ctx_deinit(&ctx);
        fs_forget(t->x.fs, music.node, 1);
        return r;
}

/* Who waits for what is queued waits for that, not for the end of a long `rm -r`. */
START_TEST(test_not_for_later_ones) {
        struct emptied t = { .next = 0 };

        begin_of(&t, MANY);
        mem_put(t.x.m, "Music", "{\"Artist\":\"a\",\"Song\":\"1\"}");
        mem_before(t.x.m, MEM_BATCH_WRITE, 1, and_one_more, &t);
        unlink_some(&t, 20);
        ck_assert_ok(move(&t));
        ck_assert_uint_lt(t.next, MANY); /* it went on all the time */
        atomic_store(&t.told, true);
        ck_assert_ok(FX_CALL(fs_fsyncdir(t.x.fs, &ctx, t.d)));
        end(&t);
}
END_TEST

/* What was just deleted is in no export, nor does it take a place among the last ones. */
START_TEST(test_views) {
        struct emptied t = { .next = 0 };
        char text[FX_TEXT_MAX], path[40];
        struct fs_entry dir;
        struct fs_dir *d;

        fx_pid = 4711;
        fx_init(&t.x);
        fx_start(&t.x);
        for (unsigned i = 0; i < N; i++)
                mem_putf(t.x.m, "Music", "{\"Artist\":\"a\",\"Song\":\"%02u\"}", i);
        ck_assert_ok(fx_lookup(&t.x, "Music/a", &dir));
        ck_assert_ok(FX_CALL(fs_opendir(t.x.fs, &ctx, dir.node, &d)));
        mem_set_delay_us(t.x.m, 50000);
        for (unsigned i = N - 1; i > 1; i--) {
                (void)snprintf(path, sizeof(path), "Music/a/%02u.json", i);
                ck_assert_ok(fx_rm(&t.x, path));
        }
        if (_i == 0) {
                ck_assert_str_eq(fx_names(&t.x, "Music/a/.last/1"), "01.json");
        } else {
                ck_assert_ok(fx_cat(&t.x, _i == 1 ? "Music/a/.export/jsonl" : "Music/.export/jsonl", text));
                ck_assert_str_eq(text, "{\"Artist\":\"a\",\"Song\":\"00\"}\n{\"Artist\":\"a\",\"Song\":\"01\"}\n");
        }
        fs_releasedir(t.x.fs, d);
        fs_forget(t.x.fs, dir.node, 1);
        fx_end(&t.x);
        fx_pid = 0;
}
END_TEST

int main(void) {
        Suite *s = suite_create("removals");
        TCase *t = tcase_create("removals");

        tcase_set_timeout(t, 60);
        tcase_add_test(t, test_not_removed);
        tcase_add_test(t, test_told_when_all_is_decided);
        tcase_add_test(t, test_not_for_later_ones);
        tcase_add_loop_test(t, test_views, 0, 3);
        suite_add_tcase(s, t);
        return fx_run(s);
}
