/* SPDX-License-Identifier: Apache-2.0 */
/* Which version a save replaces: that of its program, else of its session (readers.c, bases.c). */
#include "fixture.h"

#define PATH "Users/42.json"

/* Programs are tens, their threads the numbers up to the next; sessions are thousands. */
static void program_of(uint32_t pid, uint32_t *ret_program, uint32_t *ret_session) {
        *ret_program = pid / 10 * 10;
        *ret_session = pid / 1000;
}

static void start(struct fx *x) {
        fx_pid = 0;
        fx_init(x);
        x->o.program_of = program_of;
        x->o.cache_ttl_ns = 0;
        fx_start(x);
}

/* Program `pid` reads what somebody else has just written. */
static void shown(struct fx *x, uint32_t pid, const char *text) {
        char seen[FX_TEXT_MAX];

        mem_put(x->m, "Users", text);
        fx_pid = pid;
        ck_assert_ok(fx_cat(x, PATH, seen));
}

static int save(struct fx *x, uint32_t pid, const char *text) {
        fx_pid = pid;
        return fx_save(x, PATH, text);
}

#define V1 "{\"Id\":\"42\",\"a\":1,\"b\":1}"
#define V2 "{\"Id\":\"42\",\"a\":2,\"b\":1}"

static const struct {
        uint32_t reader1, reader2, writer; /* of V1, of V2, of the text */
        const char *text, *after;          /* NULL: ESTALE, and V2 stays */
} cases[] = {
        /* its own version, by whichever thread; others' changes survive or are a conflict */
        { 1010, 1020, 1010, "{\"a\":5,\"b\":1}", NULL },
        { 1010, 2020, 1011, "{\"a\":5,\"b\":1}", NULL },
        { 1012, 2020, 1010, "{\"a\":1,\"b\":5}", "{\"Id\":\"42\",\"a\":2,\"b\":5}" },
        { 1010, 1020, 1020, "{\"a\":5,\"b\":1}", "{\"Id\":\"42\",\"a\":5,\"b\":1}" },
        /* it has read nothing: of its session's the one its text is nearest to */
        { 1010, 1020, 1030, "{\"a\":1,\"b\":5}", "{\"Id\":\"42\",\"a\":2,\"b\":5}" },
        { 1010, 1020, 1030, "{\"a\":2,\"b\":5}", "{\"Id\":\"42\",\"a\":2,\"b\":5}" },
        /* as near to both: the older one is safe */
        { 1010, 1020, 1030, "{\"a\":5,\"b\":1}", NULL },
        /* the very text of the newer one may be made from the older one: two have counted up from 1 */
        { 1010, 1020, 1030, "{\"a\":2,\"b\":1}", NULL },
        /* only one of its session has read it */
        { 1010, 2020, 1030, "{\"a\":5,\"b\":1}", NULL },
        { 2010, 1020, 1030, "{\"a\":5,\"b\":1}", "{\"Id\":\"42\",\"a\":5,\"b\":1}" },
        /* nobody of its session: what was shown here last */
        { 2010, 2020, 1030, "{\"a\":5,\"b\":1}", "{\"Id\":\"42\",\"a\":5,\"b\":1}" },
        { 2010, 2020, 0, "{\"a\":5,\"b\":1}", "{\"Id\":\"42\",\"a\":5,\"b\":1}" },
};

START_TEST(test_which_version) {
        struct fx x;

        start(&x);
        shown(&x, cases[_i].reader1, V1);
        shown(&x, cases[_i].reader2, V2);
        ck_assert_int_eq(save(&x, cases[_i].writer, cases[_i].text), cases[_i].after ? 0 : -ESTALE);
        ck_assert_item(&x, "Users", "42", NULL, cases[_i].after ? cases[_i].after : V2);
        fx_end(&x);
}
END_TEST

/* Refused is refused until it is read again; then the older version is no longer in the way. */
START_TEST(test_read_again) {
        struct fx x;

        start(&x);
        shown(&x, 1010, V1);
        shown(&x, 1020, V2);
        for (int i = 0; i < 3; i++)
                ck_assert_int_eq(save(&x, 1030 + 10 * i, "{\"a\":5,\"b\":1}"), -ESTALE);
        shown(&x, 1060, V2);
        ck_assert_ok(save(&x, 1070, "{\"a\":5,\"b\":1}"));
        ck_assert_ok(save(&x, 1080, "{\"a\":6,\"b\":1}"));
        fx_end(&x);
}
END_TEST

/* What a session has replaced itself is no version its texts are made from. */
START_TEST(test_own_saves) {
        struct fx x;

        start(&x);
        shown(&x, 1010, V1); /* cat */
        shown(&x, 1020, V1); /* an editor */
        ck_assert_ok(save(&x, 1020, "{\"a\":2,\"b\":1}"));
        shown(&x, 1030, V2); /* jq, its result saved by cp */
        ck_assert_ok(save(&x, 1040, "{\"a\":3,\"b\":1}"));
        ck_assert_ok(save(&x, 1020, "{\"a\":2,\"b\":7}")); /* the editor still knows its own */
        ck_assert_item(&x, "Users", "42", NULL, "{\"Id\":\"42\",\"a\":3,\"b\":7}");
        fx_end(&x);
}
END_TEST

/* `jq .a=2 x >1; jq .b=2 x >2; cp 1 x; cp 2 x`: both changes are there; copied again, nothing is in the way. */
START_TEST(test_two_texts_of_one_version) {
        struct fx x;

        start(&x);
        shown(&x, 1010, V1);
        shown(&x, 1020, V1);
        ck_assert_ok(save(&x, 1030, "{\"a\":2,\"b\":1}"));
        ck_assert_ok(save(&x, 1040, "{\"a\":2,\"b\":1}"));
        ck_assert_ok(save(&x, 1050, "{\"a\":1,\"b\":2}"));
        ck_assert_item(&x, "Users", "42", NULL, "{\"Id\":\"42\",\"a\":2,\"b\":2}");
        fx_end(&x);
}
END_TEST

/* A version whose text had to go is known by its hash. */
START_TEST(test_without_texts) {
        char path[32], seen[FX_TEXT_MAX], big[2000];
        struct fx x;

        fx_pid = 0;
        fx_init(&x);
        x.o.program_of = program_of;
        x.o.cache_size = 64 * KIB;
        fx_start(&x);
        memset(big, 'x', sizeof(big));
        shown(&x, 1010, V1);
        for (int i = 100; i < 200; i++) {
                (void)snprintf(path, sizeof(path), "Users/%d.json", i);
                mem_putf(x.m, "Users", "{\"Id\":\"%d\",\"a\":\"%.*s\"}", i, (int)sizeof(big), big);
                ck_assert_ok(fx_cat(&x, path, seen));
        }
        if (_i)
                mem_put(x.m, "Users", V2);
        ck_assert_int_eq(save(&x, 1010, "{\"a\":1,\"b\":5}"), _i ? -ESTALE : 0);
        fx_end(&x);
}
END_TEST

/* `watch cat`: however many have read it, who reads and edits is not forgotten. */
START_TEST(test_crowd) {
        char seen[FX_TEXT_MAX];
        struct fx x;

        start(&x);
        mem_put(x.m, "Users", V1);
        fx_pid = 1; /* one that runs, unlike those below */
        ck_assert_ok(fx_cat(&x, PATH, seen));
        mem_put(x.m, "Users", V2);
        for (uint32_t i = 0; i < 2000; i++) {
                fx_pid = 0x7f000000 + 10 * i;
                ck_assert_ok(fx_cat(&x, PATH, seen));
        }
        ck_assert_int_eq(save(&x, 1, "{\"a\":5,\"b\":1}"), -ESTALE);
        ck_assert_ok(save(&x, 1, "{\"a\":1,\"b\":5}"));
        fx_end(&x);
}
END_TEST

/* Renames take along what is known; deleting ends it. */
START_TEST(test_renamed_and_deleted) {
        struct fx x;

        start(&x);
        shown(&x, 1010, V1);
        shown(&x, 1020, V2);
        fx_pid = 1030;
        ck_assert_ok(fx_mv(&x, PATH, "Users/43.json", 0));
        fx_pid = 1010;
        ck_assert_int_eq(fx_save(&x, "Users/43.json", "{\"a\":5,\"b\":1}"), -ESTALE);
        fx_pid = 1020;
        ck_assert_ok(fx_save(&x, "Users/43.json", "{\"a\":5,\"b\":1}"));
        ck_assert_ok(fx_rm(&x, "Users/43.json"));
        mem_put(x.m, "Users", "{\"Id\":\"43\",\"z\":1}");
        ck_assert_ok(fx_save(&x, "Users/43.json", "{\"a\":6}"));
        ck_assert_item(&x, "Users", "43", NULL, "{\"Id\":\"43\",\"a\":6}");
        fx_end(&x);
}
END_TEST

/* Who puts another item in its place knows that one, not what was there. */
START_TEST(test_replaced_by_rename) {
        struct fx x;

        start(&x);
        shown(&x, 1010, V1);
        mem_put(x.m, "Users", "{\"Id\":\"43\",\"a\":7,\"b\":7}");
        ck_assert_ok(fx_mv(&x, "Users/43.json", PATH, 0));
        ck_assert_ok(save(&x, 1010, "{\"a\":8,\"b\":7}"));
        ck_assert_item(&x, "Users", "42", NULL, "{\"Id\":\"42\",\"a\":8,\"b\":7}");
        fx_end(&x);
}
END_TEST

static Suite *suite(void) {
        Suite *s = suite_create("readers");
        TCase *t = tcase_create("readers");

        tcase_set_timeout(t, 60);
        tcase_add_loop_test(t, test_which_version, 0, ARRAY_LEN(cases));
        tcase_add_test(t, test_read_again);
        tcase_add_test(t, test_own_saves);
        tcase_add_test(t, test_two_texts_of_one_version);
        tcase_add_loop_test(t, test_without_texts, 0, 2);
        tcase_add_test(t, test_crowd);
        tcase_add_test(t, test_renamed_and_deleted);
        tcase_add_test(t, test_replaced_by_rename);
        suite_add_tcase(s, t);
        return s;
}

int main(void) {
        return fx_run(suite());
}
