/* SPDX-License-Identifier: Apache-2.0 */
/* References to S3: their exact shape, claims, what is equal to what. */
#include <errno.h>
#include "ddbfs/base/encode.h"
#include "ddbfs/store/large_ref.h"
#include "../suite.h"

#define HELLO "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"

static struct large_ref hello(const char *key) {
        struct large_ref l = { .type = VALUE_S, .size = 5, .bucket = STR("bucket"), .key = str_of(key) };

        ck_assert(large_sha256_read(STR(HELLO), l.sha256));
        if (!key[0])
                l.bucket = STR_NULL;
        return l;
}

START_TEST(test_round_trip) {
        struct large_ref l = hello("p/k"), back;
        struct large_map m;
        struct value map;

        large_ref_to_map(&l, &m, &map);
        ck_assert(large_ref_from_map(&map, false, &back));
        ck_assert(large_ref_equal(&l, &back));
        ck_assert(back.type == VALUE_S && back.size == 5 && str_eq(back.bucket, l.bucket) && str_eq(back.key, l.key));
        ck_assert(!back.inlined && !large_ref_is_claim(&back));

        l = hello("");
        l.type = VALUE_NULL;
        large_ref_to_map(&l, &m, &map);
        ck_assert(!large_ref_from_map(&map, false, &back)); /* no reference, only a claim */
        ck_assert(large_ref_from_map(&map, true, &back) && large_ref_is_claim(&back));
}
END_TEST

/* One thing wrong each: member index, its new name, type and text. */
static const struct {
        unsigned member;
        const char *name;
        enum value_type type;
        const char *text;
} wrong[] = {
        { 0, "bucket", VALUE_S, "ab" },
        { 0, "bucket", VALUE_B, "bucket" },
        { 0, "bukket", VALUE_S, "bucket" },
        { 0, "bucket", VALUE_S, "a123456789b123456789c123456789d123456789e123456789f123456789g123" },
        { 1, "key", VALUE_S, "" },
        { 2, "sha256", VALUE_S, "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b982" },
        { 2, "sha256", VALUE_S, "2CF24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824" },
        { 3, "size", VALUE_N, "-1" },
        { 3, "size", VALUE_N, "1.5" },
        { 3, "size", VALUE_N, "99999999999999999" },
        { 3, "size", VALUE_S, "5" },
        { 4, "type", VALUE_S, "N" },
        { 4, "type", VALUE_S, "SS" },
        { 5, "v", VALUE_N, "2" },
        { 5, "w", VALUE_N, "1" },
};

START_TEST(test_wrong) {
        struct large_ref l = hello("p/k"), back;
        struct large_map m;
        struct value map;

        large_ref_to_map(&l, &m, &map);
        m.inner[wrong[_i].member] = (struct attribute){
                .name = str_of(wrong[_i].name), .value = { .type = wrong[_i].type, .text = str_of(wrong[_i].text) } };
        ck_assert(!large_ref_from_map(&map, false, &back));
}
END_TEST

START_TEST(test_other_shapes) {
        struct large_ref l = hello("p/k"), back;
        struct attribute two[2];
        struct large_map m;
        struct value map, other;

        large_ref_to_map(&l, &m, &map);
        ck_assert(!large_ref_from_map(&m.outer.value, false, &back)); /* the inner map alone */
        other = map;
        two[0] = map.attributes[0];
        two[1] = (struct attribute){ .name = STR("x"), .value = { .type = VALUE_NULL } };
        other.attributes = two;
        other.n = 2;
        ck_assert(!large_ref_from_map(&other, false, &back));
        m.outer.name = STR("$ddbfs:s4");
        ck_assert(!large_ref_from_map(&map, false, &back));
        m.outer.name = STR("$ddbfs:s3");
        m.outer.value.n = 5;
        ck_assert(!large_ref_from_map(&map, false, &back));
        other = (struct value){ .type = VALUE_S, .text = STR("$ddbfs:s3") };
        ck_assert(!large_ref_from_map(&other, false, &back));
}
END_TEST

START_TEST(test_equal) {
        struct large_ref a = hello("a"), b = hello("b"), claim = hello(""), other = hello("a");
        struct value va = { .type = VALUE_LARGE, .large = &a }, vb = { .type = VALUE_LARGE, .large = &b },
                     vclaim = { .type = VALUE_LARGE, .large = &claim },
                     text = { .type = VALUE_S, .text = STR("hello") }, bytes = { .type = VALUE_B, .text = STR("hello") },
                     longer = { .type = VALUE_S, .text = STR("hello!") }, same_n = { .type = VALUE_S, .text = STR("hallo") };

        claim.type = VALUE_NULL;
        ck_assert(value_equal(&va, &va));
        ck_assert(!value_equal(&va, &vb)); /* two objects, whatever they hold */
        ck_assert(value_equal(&va, &vclaim) && value_equal(&vclaim, &vb) && value_equal(&vclaim, &vclaim));
        ck_assert(value_equal(&va, &text) && value_equal(&text, &va) && value_equal(&vclaim, &text));
        ck_assert(!value_equal(&va, &bytes) && value_equal(&vclaim, &bytes));
        ck_assert(!value_equal(&va, &longer) && !value_equal(&va, &same_n));
        other.size = 6;
        ck_assert(!large_ref_equal(&other, &a));
        other = claim;
        other.sha256[31] ^= 1;
        ck_assert(!large_ref_equal(&other, &claim));
}
END_TEST

START_TEST(test_copy) {
        _cleanup_(arena_deinit) struct arena arena = ARENA_INIT(MIB);
        struct large_ref a = hello("a");
        struct value v = { .type = VALUE_LARGE, .large = &a }, copy;

        a.inlined = true;
        a.content = STR("hello");
        ck_assert_int_eq(value_copy(&arena, &v, &copy), 0);
        ck_assert(copy.large != &a && value_equal(&v, &copy) && str_eq(copy.large->content, a.content));
        ck_assert_uint_gt(value_size(&v), 120);
        ck_assert_uint_lt(value_size(&v), 250);
        for (unsigned long i = 1; i < 3; i++) {
                struct arena small = ARENA_INIT(MIB);

                mem_fail_at(i);
                ck_assert_int_eq(value_copy(&small, &v, &copy), i == 1 ? -ENOMEM : 0);
                mem_fail_at(0);
                arena_deinit(&small);
        }
}
END_TEST

int main(void) {
        Suite *s = suite_create("large_ref");
        TCase *t = tcase_create("all");

        tcase_add_test(t, test_round_trip);
        tcase_add_loop_test(t, test_wrong, 0, ARRAY_LEN(wrong));
        tcase_add_test(t, test_other_shapes);
        tcase_add_test(t, test_equal);
        tcase_add_test(t, test_copy);
        suite_add_tcase(s, t);
        return suite_run(s);
}
