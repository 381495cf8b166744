/* SPDX-License-Identifier: Apache-2.0 */
/* What a mount that died has left of items that were renamed away: for a mount of their tables, and no other. */
#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/file.h>
#include <unistd.h>
#include "fixture.h"

#define ITEM "{\"Artist\":\"a\",\"Song\":\"x\",\"v\":1}"

/* A mount in which Music/a/x.json was renamed away has died. */
static void begin(struct fx *x) {
        fx_init(x);
        fx_clock(x);
        fx_start(x);
        mem_put(x->m, "Music", ITEM);
        ck_assert_ok(fx_mv(x, "Music/a/x.json", "Music/a/x.json~", 0));
        mem_fail_all(x->m, ERR_CONNECT);
        x->fs = fs_free(x->fs);
        mem_fail_all(x->m, ERR_NONE);
        ck_assert_item(x, "Music", "a", "x", ITEM);
}

/* Another mount of these tables; the one before goes on. */
static struct fs *start_other(struct fx *x, const char *tables) {
        struct fs *before = x->fs;

        x->o.tables = tables;
        fx_start(x);
        return before;
}

static unsigned folders(struct fx *x) {
        char path[256];
        struct dirent *e;
        unsigned n = 0;
        DIR *d;

        (void)snprintf(path, sizeof(path), "%s/journal", x->state_dir);
        d = opendir(path);
        ck_assert_ptr_nonnull(d);
        while ((e = readdir(d)))
                n += e->d_name[0] != '.';
        closedir(d);
        return n;
}

static void end(struct fx *x) {
        struct op_ctx ctx;

        op_ctx_init(&ctx, "test", 0);
        fs_shutdown(x->fs, &ctx);
        op_ctx_deinit(&ctx);
        x->fs = fs_free(x->fs);
}

/* The one mount that has it shows it gone, and deletes it at its end. */
static void is_away_here(struct fx *x) {
        ck_assert_int_eq(fx_exists(x, "Music/a/x.json"), -ENOENT);
        ck_assert_item(x, "Music", "a", "x", ITEM);
        end(x);
        ck_assert_ptr_null(mem_text(x->m, "Music", "a", "x"));
}

START_TEST(test_same_tables) {
        struct fx x;

        begin(&x);
        fx_start(&x);
        ck_assert_uint_eq(folders(&x), 1);
        is_away_here(&x);
        ck_assert_uint_eq(folders(&x), 0);
        fx_end(&x);
}
END_TEST

START_TEST(test_of_another_table) {
        struct fs *other;
        struct fx x;

        begin(&x);
        (void)start_other(&x, "Users");
        ck_assert_uint_eq(folders(&x), 2);
        other = start_other(&x, "Music");
        ck_assert_uint_eq(folders(&x), 2);
        is_away_here(&x);
        (void)fs_free(other);
        ck_assert_uint_eq(folders(&x), 0);
        fx_end(&x);
}
END_TEST

/* It is not known whether the item is still the same: that is for the next to find out. */
START_TEST(test_not_now) {
        struct fs *other;
        struct fx x;

        begin(&x);
        mem_fail(x.m, MEM_GET, 1, 1, ERR_CONNECT, false);
        (void)start_other(&x, NULL);
        ck_assert_uint_eq(folders(&x), 2);
        ck_assert_ok(fx_exists(&x, "Music/a/x.json"));
        other = start_other(&x, NULL);
        is_away_here(&x);
        (void)fs_free(other);
        ck_assert_uint_eq(folders(&x), 0);
        fx_end(&x);
}
END_TEST

START_TEST(test_written_again) {
        struct fx x;

        begin(&x);
        mem_put(x.m, "Music", "{\"Artist\":\"a\",\"Song\":\"x\",\"v\":2}");
        fx_start(&x);
        ck_assert_uint_eq(folders(&x), 1);
        ck_assert_ok(fx_exists(&x, "Music/a/x.json"));
        end(&x);
        ck_assert_uint_eq(folders(&x), 0);
        ck_assert_item(&x, "Music", "a", "x", "{\"Artist\":\"a\",\"Song\":\"x\",\"v\":2}");
        fx_end(&x);
}
END_TEST

/* ---- mounts that start together ---- */

struct adopter {
        int journal, folder; /* locked */
        atomic_bool over;    /* nobody sleeps */
        pthread_t thread;
};

/* Leaves what it has looked at once somebody sleeps for it. */
static void *look_and_leave(void *arg) {
        struct adopter *a = arg;

        while (clock_now_ns() == FX_MONO && !atomic_load(&a->over))
                (void)usleep(100);
        close(a->folder);
        close(a->journal);
        return NULL;
}

static int lock(const char *path) {
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(flock(fd, LOCK_EX | LOCK_NB), 0);
        return fd;
}

static void adopter_start(struct fx *x, struct adopter *a) {
        char path[256], folder[512];
        struct dirent *e;
        DIR *d;

        (void)snprintf(path, sizeof(path), "%s/journal", x->state_dir);
        a->journal = lock(path);
        d = opendir(path);
        ck_assert_ptr_nonnull(d);
        while ((e = readdir(d)) && e->d_name[0] == '.')
                ;
        ck_assert_ptr_nonnull(e);
        (void)snprintf(folder, sizeof(folder), "%s/%.64s", path, e->d_name);
        closedir(d);
        a->folder = lock(folder);
        ck_assert_int_eq(pthread_create(&a->thread, NULL, look_and_leave, a), 0);
}

/* A mount of other tables is just looking at the folder: what it leaves is not missed. */
START_TEST(test_waits) {
        struct adopter a = { .over = false };
        struct fx x;

        begin(&x);
        adopter_start(&x, &a);
        fx_start(&x);
        atomic_store(&a.over, true);
        (void)pthread_join(a.thread, NULL);
        is_away_here(&x);
        fx_end(&x);
}
END_TEST

int main(void) {
        Suite *s = suite_create("journal");
        TCase *t = tcase_create("journal");

        tcase_set_timeout(t, 60);
        tcase_add_test(t, test_same_tables);
        tcase_add_test(t, test_of_another_table);
        tcase_add_test(t, test_not_now);
        tcase_add_test(t, test_written_again);
        tcase_add_test(t, test_waits);
        suite_add_tcase(s, t);
        return fx_run(s);
}
