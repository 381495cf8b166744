/* SPDX-License-Identifier: Apache-2.0 */
/* Changes of one item take turns; those of its attributes go together. */
#include <poll.h>
#include <pthread.h>
#include "fixture.h"

struct change {
        struct fx *x;
        const char *path, *text; /* NULL: removed */
        int r;
        pthread_t thread;
};

static void *change_thread(void *arg) {
        struct change *c = arg;

        c->r = c->text ? fx_save(c->x, c->path, c->text) : fx_rm(c->x, c->path);
        return NULL;
}

static void start(struct change *c) {
        ck_assert_int_eq(pthread_create(&c->thread, NULL, change_thread, c), 0);
}

static void finish(struct change *c) {
        ck_assert_int_eq(pthread_join(c->thread, NULL), 0);
        ck_assert_ok(c->r);
}

static void begin(struct fx *x) {
        fx_init(x);
        fx_start(x);
        mem_put(x->m, "Users", "{\"Id\":\"42\",\"a\":\"1\",\"b\":\"1\"}");
        ck_assert_ok(fx_exists(x, "Users/42.json"));
        mem_reset_calls(x->m);
        mem_hold(x->m, MEM_WRITE, true);
}

START_TEST(test_attributes) {
        struct fx x;
        struct change a = { .x = &x, .path = "Users/42/a", .text = "2" }, b = { .x = &x, .path = "Users/42/b", .text = "3" };

        begin(&x);
        start(&a);
        start(&b);
        mem_wait_held(x.m, MEM_WRITE, 2); /* both are on their way */
        mem_release(x.m, MEM_WRITE);
        finish(&a);
        finish(&b);
        ck_assert_item(&x, "Users", "42", NULL, "{\"Id\":\"42\",\"a\":\"2\",\"b\":\"3\"}");
        fx_end(&x);
}
END_TEST

static const struct {
        struct change first, second;
        const char *then;
} turns[] = {
        { { .path = "Users/42.json", .text = "{\"a\":\"2\"}" }, { .path = "Users/42/b", .text = "3" }, "{\"Id\":\"42\",\"a\":\"2\",\"b\":\"3\"}" },
        { { .path = "Users/42/b", .text = "3" }, { .path = "Users/42.json", .text = NULL }, NULL },
        { { .path = "Users/42.json", .text = "{\"a\":\"2\"}" }, { .path = "Users/42.json", .text = NULL }, NULL },
        { { .path = "Users/42/b", .text = "3" }, { .path = "Users/42/b", .text = NULL }, "{\"Id\":\"42\",\"a\":\"1\"}" },
};

START_TEST(test_turns) {
        struct change first = turns[_i].first, second = turns[_i].second;
        struct fx x;

        begin(&x);
        first.x = second.x = &x;
        start(&first);
        mem_wait_held(x.m, MEM_WRITE, 1);
        start(&second);
        (void)poll(NULL, 0, 50);
        ck_assert_uint_eq(mem_calls(x.m, MEM_WRITE), 1);
        mem_release(x.m, MEM_WRITE);
        finish(&first);
        finish(&second);
        ck_assert_uint_eq(mem_calls(x.m, MEM_WRITE), 2);
        if (turns[_i].then)
                ck_assert_item(&x, "Users", "42", NULL, turns[_i].then);
        else
                ck_assert_uint_eq(mem_count(x.m, "Users"), 0);
        fx_end(&x);
}
END_TEST

/* Other items, meanwhile, do not wait. */
START_TEST(test_others) {
        struct fx x;
        struct change a = { .x = &x, .path = "Users/42.json", .text = "{\"a\":\"2\"}" };
        struct change b = { .x = &x, .path = "Users/43.json", .text = "{\"a\":\"3\"}" };

        begin(&x);
        start(&a);
        start(&b);
        mem_wait_held(x.m, MEM_WRITE, 2);
        mem_release(x.m, MEM_WRITE);
        finish(&a);
        finish(&b);
        ck_assert_uint_eq(mem_count(x.m, "Users"), 2);
        fx_end(&x);
}
END_TEST

int main(void) {
        Suite *s = suite_create("turns");
        TCase *t = tcase_create("turns");

        tcase_add_test(t, test_attributes);
        tcase_add_loop_test(t, test_turns, 0, ARRAY_LEN(turns));
        tcase_add_test(t, test_others);
        suite_add_tcase(s, t);
        return fx_run(s);
}
