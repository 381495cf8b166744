/* SPDX-License-Identifier: Apache-2.0 */
/* Values: order, look-up, equality, copies and sizes. */
#include <errno.h>
#include "ddbfs/store/value.h"
#include "../suite.h"

static struct value text(enum value_type type, const char *s) {
        return (struct value){ .type = type, .text = str_of(s) };
}

static struct attribute attr(const char *name, struct value v) {
        return (struct attribute){ .name = str_of(name), .value = v };
}

START_TEST(test_type_names) {
        enum value_type type;

        for (unsigned i = 0; i < VALUE_LARGE; i++) {
                ck_assert(value_type_from_name(str_of(value_type_name((enum value_type)i)), &type));
                ck_assert_uint_eq(type, i);
        }
        ck_assert(!value_type_from_name(STR(""), &type));
        ck_assert(!value_type_from_name(STR("s"), &type));
        ck_assert(!value_type_from_name(STR("SSS"), &type));
        ck_assert(!value_type_from_name(STR("NUL"), &type));
        ck_assert_str_eq(value_type_name(_VALUE_TYPE_N), "?");
        ck_assert(value_set_member(VALUE_NS, &type) && type == VALUE_N);
        ck_assert(!value_set_member(VALUE_L, &type));
}
END_TEST

START_TEST(test_attributes_sort) {
        struct attribute a[] = { attr("b", text(VALUE_S, "2")), attr("a", text(VALUE_S, "1")),
                                 attr("", text(VALUE_S, "0")), attr("ab", text(VALUE_S, "3")),
                                 attr("\xC3\xA9", text(VALUE_S, "4")) };
        struct item item = { .n = ARRAY_LEN(a), .attributes = a };
        struct str dup = STR_NULL;

        ck_assert_int_eq(attributes_sort(a, ARRAY_LEN(a), &dup), 0);
        ck_assert(str_eq(a[0].name, STR("")) && str_eq(a[1].name, STR("a")) && str_eq(a[2].name, STR("ab")));
        ck_assert(str_eq(a[3].name, STR("b")) && str_eq(a[4].name, STR("\xC3\xA9")));
        ck_assert(str_eq(item_get(&item, STR("ab"))->text, STR("3")));
        ck_assert(str_eq(item_get(&item, STR("\xC3\xA9"))->text, STR("4")));
        ck_assert_ptr_null(item_get(&item, STR("abc")));
        ck_assert_ptr_null(item_get(&(struct item){ 0 }, STR("a")));
        a[4].name = STR("ab");
        ck_assert_int_eq(attributes_sort(a, ARRAY_LEN(a), &dup), -EEXIST);
        ck_assert(str_eq(dup, STR("ab")));
        ck_assert_int_eq(attributes_sort(a, ARRAY_LEN(a), NULL), -EEXIST);
        ck_assert_int_eq(attributes_sort(NULL, 0, NULL), 0);
}
END_TEST

START_TEST(test_set_sort) {
        struct value n[] = { text(VALUE_N, "10"), text(VALUE_N, "9"), text(VALUE_N, "-1"), text(VALUE_N, "0.5") };
        struct value s[] = { text(VALUE_S, "10"), text(VALUE_S, "9"), text(VALUE_S, "-1"), text(VALUE_S, "") };
        struct value ns = { .type = VALUE_NS, .n = 4, .elements = n }, ss = { .type = VALUE_SS, .n = 4, .elements = s };
        struct str dup = STR_NULL;

        ck_assert_int_eq(set_sort(&ns, &dup), 0);
        ck_assert(str_eq(n[0].text, STR("-1")) && str_eq(n[1].text, STR("0.5")) && str_eq(n[3].text, STR("10")));
        ck_assert_int_eq(set_sort(&ss, &dup), 0);
        ck_assert(str_eq(s[0].text, STR("")) && str_eq(s[1].text, STR("-1")) && str_eq(s[3].text, STR("9")));
        s[0] = text(VALUE_S, "9");
        ck_assert_int_eq(set_sort(&ss, &dup), -EEXIST);
        ck_assert(str_eq(dup, STR("9")));
}
END_TEST

START_TEST(test_equal) {
        struct value ab[] = { text(VALUE_S, "a"), text(VALUE_S, "b") }, ba[] = { ab[1], ab[0] },
                     ac[] = { ab[0], text(VALUE_S, "c") };
        struct attribute m1[] = { attr("x", ab[0]) }, m2[] = { attr("x", ab[1]) }, m3[] = { attr("y", ab[0]) };
        struct value set1 = { .type = VALUE_SS, .n = 2, .elements = ab },
                     set2 = { .type = VALUE_SS, .n = 2, .elements = ba };
        struct value set3 = { .type = VALUE_SS, .n = 2, .elements = ac },
                     set4 = { .type = VALUE_SS, .n = 1, .elements = ab };
        struct value l1 = { .type = VALUE_L, .n = 2, .elements = ab }, l2 = { .type = VALUE_L, .n = 2, .elements = ba };
        struct value map1 = { .type = VALUE_M, .n = 1, .attributes = m1 },
                     map2 = { .type = VALUE_M, .n = 1, .attributes = m2 };
        struct value map3 = { .type = VALUE_M, .n = 1, .attributes = m3 }, null = { .type = VALUE_NULL };
        struct value yes = { .type = VALUE_BOOL, .boolean = true }, no = { .type = VALUE_BOOL };
        struct item i1 = { .n = 1, .attributes = m1 }, i2 = { .n = 1, .attributes = m2 }, none = { 0 };

        ck_assert(value_equal(&null, &null) && value_equal(&yes, &yes) && !value_equal(&yes, &no));
        ck_assert(value_equal(&ab[0], &ba[1]) && !value_equal(&ab[0], &ab[1]));
        ck_assert(!value_equal(&ab[0], &(struct value){ .type = VALUE_B, .text = STR("a") }));
        ck_assert(value_equal(&set1, &set2) && value_equal(&set2, &set1)); /* order does not matter */
        ck_assert(!value_equal(&set1, &set3) && !value_equal(&set2, &set3) && !value_equal(&set1, &set4));
        ck_assert(value_equal(&l1, &l1) && !value_equal(&l1, &l2) && !value_equal(&l1, &set1));
        ck_assert(value_equal(&map1, &map1) && !value_equal(&map1, &map2) && !value_equal(&map1, &map3));
        ck_assert(item_equal(&i1, &i1) && !item_equal(&i1, &i2) && !item_equal(&i1, &none) && item_equal(&none, &none));
}
END_TEST

static struct attribute inner[] = { { .name = { "k", 1 }, .value = { .type = VALUE_B, .text = { "\0\xFF", 2 } } } };
static struct value list[] = { { .type = VALUE_N, .text = { "-1.5", 4 } },
                               { .type = VALUE_NULL },
                               { .type = VALUE_M, .n = 1, .attributes = inner },
                               { .type = VALUE_L } };
static struct value members[] = { { .type = VALUE_S, .text = { "", 0 } }, { .type = VALUE_S, .text = { "x", 1 } } };
static struct attribute sample[] = {
        { .name = { "bool", 4 }, .value = { .type = VALUE_BOOL, .boolean = true } },
        { .name = { "empty", 5 }, .value = { .type = VALUE_M } },
        { .name = { "list", 4 }, .value = { .type = VALUE_L, .n = 4, .elements = list } },
        { .name = { "set", 3 }, .value = { .type = VALUE_SS, .n = 2, .elements = members } },
};
static const struct item sample_item = { .n = ARRAY_LEN(sample), .attributes = sample };

START_TEST(test_copy) {
        struct arena arena = ARENA_INIT(MIB);
        struct item copy;

        ck_assert_int_eq(item_copy(&arena, &sample_item, &copy), 0);
        ck_assert(item_equal(&sample_item, &copy));
        ck_assert_ptr_ne(copy.attributes, sample_item.attributes);
        ck_assert_ptr_ne(copy.attributes[2].value.elements[0].text.p, list[0].text.p);
        ck_assert_int_eq(item_copy(&arena, &(struct item){ 0 }, &copy), 0);
        ck_assert_uint_eq(copy.n, 0);
        arena_deinit(&arena);
}
END_TEST

START_TEST(test_copy_no_memory) {
        struct item copy = { 0 };
        int r = -ENOMEM;
        size_t max;

        /* an arena takes few chunks, so its cap is what fails at every place in turn */
        for (max = 0; r && max < 64 * KIB; max += 16) {
                struct arena arena = ARENA_INIT(max);

                r = item_copy(&arena, &sample_item, &copy);
                ck_assert(r == 0 || r == -ENOMEM);
                ck_assert(r == 0 || copy.n == 0);
                arena_deinit(&arena);
        }
        ck_assert_int_eq(r, 0);
}
END_TEST

static const struct {
        const char *n;
        size_t size;
} numbers[] = {
        { "0", 1 },
        { "1", 2 },
        { "-1", 3 },
        { "10", 2 },
        { "12", 2 },
        { "123", 3 },
        { "1234", 3 },
        { "12345", 4 },
        { "100", 2 },
        { "1000", 2 },
        { "10000", 2 },
        { "0.1", 2 },
        { "0.01", 2 },
        { "0.001", 2 },
        { "0.123", 3 },
        { "1.5", 3 },
        { "-1.5", 4 },
        { "100.01", 4 },
        { "1000000", 2 },
        { "12.34", 3 },
        { "1.23", 3 },
        { "12345678901234567890123456789012345678", 20 },
        { "-12345678901234567890123456789012345678", 21 },
        { "-1.2345678901234567890123456789012345678", 21 },
};

START_TEST(test_number_size) {
        struct value v = text(VALUE_N, numbers[_i].n);

        ck_assert_msg(value_size(&v) == numbers[_i].size, "%s: %zu", numbers[_i].n, value_size(&v));
}
END_TEST

START_TEST(test_size) {
        /* bool: 4 + 1; empty: 5 + 3; list: 4 + 3 + 4 + (-1.5: 4) + 1 + (map 3 + 1 + k 1 + 2) + 3; set: 3 + 0 + 1 */
        ck_assert_uint_eq(item_size(&sample_item), 5 + 8 + (4 + 3 + 4 + 4 + 1 + 7 + 3) + 4);
        ck_assert_uint_eq(item_size(&(struct item){ 0 }), 0);
}
END_TEST

int main(void) {
        Suite *s = suite_create("value");
        TCase *t = tcase_create("value");

        tcase_add_test(t, test_type_names);
        tcase_add_test(t, test_attributes_sort);
        tcase_add_test(t, test_set_sort);
        tcase_add_test(t, test_equal);
        tcase_add_test(t, test_copy);
        tcase_add_test(t, test_copy_no_memory);
        tcase_add_loop_test(t, test_number_size, 0, (int)ARRAY_LEN(numbers));
        tcase_add_test(t, test_size);
        suite_add_tcase(s, t);
        return suite_run(s);
}
