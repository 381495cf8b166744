/* SPDX-License-Identifier: Apache-2.0 */
/* Table schemas and keys, and the containers reads fill. */
#include <errno.h>

#include "ddbfs/base/alloc.h"
#include "ddbfs/store/store.h"
#include "../suite.h"

static const struct key_schema keys = {
        .n_hash = 1,
        .n_range = 1,
        .attrs = { { { "h", 1 }, VALUE_S }, { { "r", 1 }, VALUE_N } },
};

static struct attribute attribute(const char *name, enum value_type type, const char *text) {
        return (struct attribute){ str_of(name), { .type = type, .text = str_of(text) } };
}

START_TEST(key_of_items) {
        struct attribute whole[] = { attribute("a", VALUE_S, "x"), attribute("h", VALUE_S, "k"),
                                     attribute("r", VALUE_N, "7") };
        struct attribute sparse[] = { attribute("h", VALUE_S, "k") };
        struct attribute mistyped[] = { attribute("h", VALUE_S, "k"), attribute("r", VALUE_S, "7") };
        struct key key = { .n = 99 };

        ck_assert_int_eq(key_of_item(&keys, &(struct item){ 1, sparse }, &key), -ENOENT);
        ck_assert_int_eq(key_of_item(&keys, &(struct item){ 2, mistyped }, &key), -EINVAL);
        ck_assert_int_eq(key_of_item(&keys, &(struct item){ 0, NULL }, &key), -ENOENT);
        ck_assert_uint_eq(key.n, 99); /* written on success only */
        ck_assert_int_eq(key_of_item(&keys, &(struct item){ 3, whole }, &key), 0);
        ck_assert_uint_eq(key.n, 2);
        ck_assert(str_eq(key.parts[0].text, STR("k")) && key.parts[1].type == VALUE_N);
        ck_assert(key_matches(&keys, &key));
}
END_TEST

START_TEST(keys_compared) {
        const struct key a = { 2, { { VALUE_S, STR("k") }, { VALUE_N, STR("7") } } };
        struct key b = a;

        ck_assert(key_matches(&keys, &a) && key_equal(&a, &b));
        b.parts[1].text = STR("8");
        ck_assert(key_matches(&keys, &b) && !key_equal(&a, &b));
        b = a;
        b.parts[1].type = VALUE_B;
        ck_assert(!key_matches(&keys, &b) && !key_equal(&a, &b));
        b = a;
        b.n = 1;
        ck_assert(!key_matches(&keys, &b) && !key_equal(&a, &b));
        ck_assert(key_schema_has(&keys, STR("r")) && !key_schema_has(&keys, STR("hr")));
}
END_TEST

START_TEST(declared_types) {
        struct index_schema indexes[] = {
                { .name = STR("a"), .key = { .n_hash = 1, .n_range = 1, .attrs = { { { "h", 1 }, VALUE_S }, { { "x", 1 }, VALUE_B } } } },
                { .name = STR("b"), .key = { .n_hash = 2, .attrs = { { { "x", 1 }, VALUE_B }, { { "y", 1 }, VALUE_N } } } },
        };
        struct table_schema s = { .key = keys, .n_indexes = 2, .indexes = indexes };

        ck_assert_int_eq(table_declared(&s, STR("r"))->type, VALUE_N);
        ck_assert_int_eq(table_declared(&s, STR("x"))->type, VALUE_B);
        ck_assert_int_eq(table_declared(&s, STR("y"))->type, VALUE_N);
        ck_assert_ptr_null(table_declared(&s, STR("z")));
}
END_TEST

START_TEST(references) {
        _cleanup_(table_schema_unrefp) struct table_schema *s = NULL;
        struct table_schema *again;

        mem_fail_at(1);
        ck_assert_int_eq(table_schema_new(&s), -ENOMEM);
        mem_fail_at(0);
        ck_assert_ptr_null(s);
        ck_assert_int_eq(table_schema_new(&s), 0);
        ck_assert_int_eq(arena_dup(&s->arena, STR("T"), &s->name), 0);
        again = table_schema_ref(s);
        ck_assert_ptr_null(table_schema_unref(again));
        ck_assert(str_eq(s->name, STR("T")));
        ck_assert(str_eq(table_address(s), STR("T")));
        s->address = STR("arn");
        ck_assert(str_eq(table_address(s), STR("arn")));
        ck_assert(!table_has_range(s));
        ck_assert_ptr_null(table_index(s, STR("x")));
        ck_assert_ptr_null(table_schema_unref(NULL));
}
END_TEST

START_TEST(items_grow) {
        struct items items;
        struct item *item;

        items_init(&items);
        for (uint32_t i = 0; i < 1000; i++) {
                item = items_add(&items);
                ck_assert_ptr_nonnull(item);
                ck_assert_ptr_null(item->attributes);
                item->n = i;
        }
        ck_assert_uint_eq(items.n, 1000);
        for (uint32_t i = 0; i < 1000; i++)
                ck_assert_uint_eq(items.v[i].n, i);
        items_deinit(&items);
        ck_assert_uint_eq(items.n, 0);
        mem_fail_at(1);
        ck_assert_ptr_null(items_add(&items));
        mem_fail_at(0);
        ck_assert_uint_eq(items.n, 0);
        items_deinit(&items);
}
END_TEST

START_TEST(items_own_bodies) {
        struct buf body = BUF_INIT(100);
        struct items items;
        struct str text, more;
        const char *p;

        items_init(&items);
        buf_puts(&body, "one");
        p = body.p;
        ck_assert_int_eq(items_adopt(&items, &body, &text), 0);
        ck_assert_ptr_eq(text.p, p); /* not a copy */
        ck_assert(body.n == 0 && body.p == NULL && body.max == 100);
        buf_puts(&body, "another");
        ck_assert_int_eq(items_adopt(&items, &body, &more), 0);
        ck_assert(str_eq(text, STR("one")) && str_eq(more, STR("another")));
        ck_assert_uint_eq(items.body_bytes, 10);

        /* a failed buffer, none, too much */
        buf_fill(&body, 'x', 101);
        ck_assert_int_eq(items_adopt(&items, &body, &more), -EFBIG);
        ck_assert_int_eq(buf_status(&body), 0);
        ck_assert_int_eq(items_adopt(&items, &body, &more), 0);
        ck_assert_uint_eq(more.n, 0);
        items.body_bytes = ITEMS_ARENA_MAX - 2;
        buf_puts(&body, "abc");
        ck_assert_int_eq(items_adopt(&items, &body, &more), -EFBIG);
        ck_assert_ptr_null(body.p);
        items_deinit(&items);
        buf_puts(&body, "abc");
        mem_fail_at(1);
        ck_assert_int_eq(items_adopt(&items, &body, &more), -ENOMEM);
        mem_fail_at(0);
        ck_assert_ptr_null(body.p);
        items_deinit(&items);
}
END_TEST

int main(void) {
        Suite *s = suite_create("store/schema");
        TCase *t = tcase_create("schema");

        tcase_add_test(t, key_of_items);
        tcase_add_test(t, keys_compared);
        tcase_add_test(t, declared_types);
        tcase_add_test(t, references);
        tcase_add_test(t, items_grow);
        tcase_add_test(t, items_own_bodies);
        suite_add_tcase(s, t);
        return suite_run(s);
}
