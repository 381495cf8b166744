/* SPDX-License-Identifier: Apache-2.0 */
/* Names known not to exist: making many files costs a request each, and never a wrong "no such name". */
#include <pthread.h>
#include "fixture.h"

#define N 40

static const char *name(const char *partition, unsigned i) {
        static char path[64];

        (void)snprintf(path, sizeof(path), "Music/%s/song %03u.json", partition, i);
        return path;
}

static void begin(struct fx *x) {
        fx_init(x);
        fx_clock(x);
        fx_start(x);
}

static unsigned reads(struct fx *x) {
        return mem_calls(x->m, MEM_GET) + mem_calls(x->m, MEM_QUERY);
}

static void save_all(struct fx *x, const char *partition, unsigned from, unsigned to, uint64_t each_ns) {
        for (unsigned i = from; i < to; i++) {
                ck_assert_int_eq(fx_exists(x, name(partition, i)), -ENOENT);
                ck_assert_ok(fx_save(x, name(partition, i), "{\"a\":1}"));
                ck_assert_ok(fx_exists(x, name(partition, i)));
                fx_advance(each_ns);
        }
}

START_TEST(test_new_partition) {
        struct fx x;

        begin(&x);
        ck_assert_ok(fx_mkdir(&x, "Music/new"));
        mem_reset_calls(x.m);
        save_all(&x, "new", 0, N, NS_PER_MS);
        ck_assert_uint_eq(mem_calls(x.m, MEM_WRITE), N);
        ck_assert_uint_eq(reads(&x), 0);
        ck_assert_uint_eq(mem_count(x.m, "Music"), N);
        fx_end(&x);
}
END_TEST

/* Slower than cache_ttl: each time it is over, one more question. */
START_TEST(test_asked_again) {
        struct fx x;

        begin(&x);
        ck_assert_ok(fx_mkdir(&x, "Music/new"));
        mem_reset_calls(x.m);
        save_all(&x, "new", 0, N, NS_PER_S / 10);
        ck_assert_uint_le(reads(&x), 4);
        fx_end(&x);
}
END_TEST

/* A partition that holds items already, before, between and behind the new names. */
START_TEST(test_old_partition) {
        struct fx x;

        begin(&x);
        for (unsigned i = 0; i < 5; i++)
                mem_putf(x.m, "Music", "{\"Artist\":\"old\",\"Song\":\"%s\",\"a\":2}", (const char *[]){ "a", "song 010x", "song 020", "song 030 ", "z" }[i]);
        ck_assert_ok(fx_exists(&x, "Music/old"));
        mem_reset_calls(x.m);
        for (unsigned i = 0; i < N; i++) {
                ck_assert_int_eq(fx_exists(&x, name("old", i)), i == 20 ? 0 : -ENOENT);
                if (i != 20)
                        ck_assert_ok(fx_save(&x, name("old", i), "{\"a\":1}"));
                fx_advance(NS_PER_MS);
        }
        ck_assert_uint_le(reads(&x), 8);
        ck_assert_item(&x, "Music", "old", "song 020", "{\"Artist\":\"old\",\"Song\":\"song 020\",\"a\":2}");
        fx_end(&x);
}
END_TEST

/* What others make is seen when cache_ttl is over, not later. */
START_TEST(test_others) {
        struct fx x;

        begin(&x);
        ck_assert_ok(fx_mkdir(&x, "Music/new"));
        save_all(&x, "new", 0, 10, NS_PER_MS);
        mem_put(x.m, "Music", "{\"Artist\":\"new\",\"Song\":\"song 020\",\"a\":2}");
        ck_assert_int_eq(fx_exists(&x, name("new", 20)), -ENOENT);
        fx_advance(NS_PER_S);
        ck_assert_ok(fx_exists(&x, name("new", 20)));
        fx_end(&x);
}
END_TEST

/* O_EXCL is the service's to decide, whatever is known here. */
START_TEST(test_exclusive) {
        struct fx_file f;
        struct fx x;

        begin(&x);
        ck_assert_ok(fx_mkdir(&x, "Music/new"));
        save_all(&x, "new", 0, 10, NS_PER_MS);
        mem_put(x.m, "Music", "{\"Artist\":\"new\",\"Song\":\"song 020\",\"a\":2}");
        ck_assert_ok(fx_open(&x, name("new", 20), O_WRONLY | O_CREAT | O_EXCL, &f));
        ck_assert_ok(fx_write(&f, "{\"a\":1}"));
        ck_assert_int_eq(fx_close(&f), -EEXIST);
        ck_assert_item(&x, "Music", "new", "song 020", "{\"Artist\":\"new\",\"Song\":\"song 020\",\"a\":2}");
        fx_end(&x);
}
END_TEST

/* As sed -i does it: reads an item, makes a temporary file of a random name, renames it over the item; in a partition
 * whose listing has gone stale. */
START_TEST(test_edits_in_place) {
        struct fx x;

        begin(&x);
        for (unsigned i = 0; i < 5 * N; i++)
                mem_putf(x.m, "Music", "{\"Artist\":\"old\",\"Song\":\"song %03u\",\"a\":0}", i);
        for (unsigned i = 0; i < 5 * N; i++) {
                char temporary[64], text[FX_TEXT_MAX];

                (void)snprintf(temporary, sizeof(temporary), "Music/old/sed%06x", i * 2654435761u >> 8);
                ck_assert_int_ge(fx_cat(&x, name("old", i), text), 0);
                ck_assert_int_eq(fx_exists(&x, temporary), -ENOENT);
                ck_assert_ok(fx_save(&x, temporary, "{\"a\":1}"));
                ck_assert_ok(fx_mv(&x, temporary, name("old", i), 0));
                fx_advance(10 * NS_PER_MS);
        }
        ck_assert_uint_eq(mem_calls(x.m, MEM_WRITE), 5 * N);
        ck_assert_uint_le(reads(&x), 40);
        fx_end(&x);
}
END_TEST

/* New names at random among very many of the same beginning: no Query from there on for each. */
START_TEST(test_random_names) {
        struct fx x;

        begin(&x);
        for (unsigned i = 0; i < 5000; i++)
                mem_putf(x.m, "Music", "{\"Artist\":\"old\",\"Song\":\"song %08x\"}", i * 2654435761u);
        ck_assert_ok(fx_exists(&x, "Music/old"));
        mem_reset_calls(x.m);
        for (unsigned i = 0; i < 100; i++) {
                char path[64];

                (void)snprintf(path, sizeof(path), "Music/old/song %08x.json", (i + 5000) * 2654435761u);
                ck_assert_int_eq(fx_exists(&x, path), -ENOENT);
                fx_advance(NS_PER_MS);
        }
        ck_assert_uint_le(mem_calls(x.m, MEM_GET), 10);
        ck_assert_uint_le(reads(&x), 110);
        fx_end(&x);
}
END_TEST

static void *look_up(void *arg) {
        ck_assert_int_eq(fx_exists(arg, name("old", 20)), -ENOENT);
        return NULL;
}

/* An own write while the question is under way: the answer does not have it. */
START_TEST(test_race) {
        struct fx_file f;
        pthread_t thread;
        struct fx x;

        begin(&x);
        mem_put(x.m, "Music", "{\"Artist\":\"old\",\"Song\":\"a\"}");
        for (unsigned i = 0; i < 5; i++)
                ck_assert_int_eq(fx_exists(&x, name("old", i)), -ENOENT);
        ck_assert_ok(fx_open(&x, "Music/old/z.json", O_WRONLY | O_CREAT, &f));
        fx_advance(NS_PER_S);
        ck_assert_ok(fx_exists(&x, "Music/old"));
        mem_hold(x.m, MEM_QUERY, true);
        ck_assert_int_eq(pthread_create(&thread, NULL, look_up, &x), 0);
        mem_wait_held(x.m, MEM_QUERY, 1);
        ck_assert_ok(fx_write(&f, "{\"a\":1}"));
        ck_assert_ok(fx_close(&f));
        mem_release(x.m, MEM_QUERY);
        ck_assert_int_eq(pthread_join(thread, NULL), 0);
        fx_advance(NS_PER_MS);
        ck_assert_ok(fx_exists(&x, "Music/old/z.json"));
        fx_end(&x);
}
END_TEST

/* A flush while the question is under way: whoever looks after it sees what others have made before it. */
START_TEST(test_flush) {
        pthread_t thread;
        struct fx x;

        begin(&x);
        mem_put(x.m, "Music", "{\"Artist\":\"old\",\"Song\":\"a\"}");
        for (unsigned i = 0; i < 5; i++)
                ck_assert_int_eq(fx_exists(&x, name("old", i)), -ENOENT);
        fx_advance(NS_PER_S);
        ck_assert_ok(fx_exists(&x, "Music/old"));
        mem_hold(x.m, MEM_QUERY, true);
        ck_assert_int_eq(pthread_create(&thread, NULL, look_up, &x), 0);
        mem_wait_held(x.m, MEM_QUERY, 1);
        fx_advance(NS_PER_MS);
        mem_put(x.m, "Music", "{\"Artist\":\"old\",\"Song\":\"song 030\"}");
        ck_assert_ok(fx_save(&x, ".ddbfs/flush", "\n"));
        mem_release(x.m, MEM_QUERY);
        ck_assert_int_eq(pthread_join(thread, NULL), 0);
        ck_assert_ok(fx_exists(&x, name("old", 30)));
        fx_end(&x);
}
END_TEST

/* Numbers order by value: 9 is before 10. */
START_TEST(test_numbers) {
        struct fx x;

        begin(&x);
        for (unsigned i = 0; i < 200; i++)
                mem_putf(x.m, "Num", "{\"H\":1,\"R\":%u}", i * 10);
        for (unsigned i = 1; i < 300; i++) {
                char path[32];

                (void)snprintf(path, sizeof(path), "Num/1/%u.json", i);
                ck_assert_int_eq(fx_exists(&x, path), i % 10 ? -ENOENT : 0);
        }
        fx_end(&x);
}
END_TEST

/* More own files than a gap remembers. */
START_TEST(test_many) {
        struct fx x;

        begin(&x);
        ck_assert_ok(fx_mkdir(&x, "Music/new"));
        for (unsigned i = 0; i < 9000; i++)
                ck_assert_ok(fx_save(&x, name("new", i), "{\"a\":1}"));
        for (unsigned i = 0; i < 9000; i += 100)
                ck_assert_ok(fx_exists(&x, name("new", i)));
        ck_assert_int_eq(fx_exists(&x, name("new", 9000)), -ENOENT);
        fx_end(&x);
}
END_TEST

int main(void) {
        Suite *s = suite_create("absent");
        TCase *t = tcase_create("absent");

        tcase_set_timeout(t, 60);
        tcase_add_test(t, test_new_partition);
        tcase_add_test(t, test_asked_again);
        tcase_add_test(t, test_old_partition);
        tcase_add_test(t, test_edits_in_place);
        tcase_add_test(t, test_random_names);
        tcase_add_test(t, test_others);
        tcase_add_test(t, test_exclusive);
        tcase_add_test(t, test_race);
        tcase_add_test(t, test_flush);
        tcase_add_test(t, test_numbers);
        tcase_add_test(t, test_many);
        suite_add_tcase(s, t);
        return fx_run(s);
}
