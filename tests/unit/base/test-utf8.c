/* SPDX-License-Identifier: Apache-2.0 */
#include "ddbfs/base/str.h"
#include "../suite.h"

static const struct {
        struct str text;
        bool valid;
} cases[] = {
        { STR(""), true },
        { STR("plain, with a NUL \0 inside"), true },
        { STR("\x7f"), true },
        { STR("\xc2\x80 \xdf\xbf"), true },                 /* U+0080, U+07FF */
        { STR("\xe0\xa0\x80 \xef\xbf\xbf"), true },         /* U+0800, U+FFFF */
        { STR("\xf0\x90\x80\x80 \xf4\x8f\xbf\xbf"), true }, /* U+10000, U+10FFFF */
        { STR("\xed\x9f\xbf \xee\x80\x80"), true },         /* around the surrogates */
        { STR("\xef\xbb\xbf"), true },                      /* byte order mark */
        { STR("12345678\xc3\xa9"
              "12345678\xf0\x9f\x98\x80"
              "1234567"),
          true },
        { STR("\x80"), false },
        { STR("\xbf"), false },
        { STR("\xc0\x80"), false }, /* overlong */
        { STR("\xc1\xbf"), false },
        { STR("\xe0\x80\x80"), false },
        { STR("\xe0\x9f\xbf"), false },
        { STR("\xf0\x80\x80\x80"), false },
        { STR("\xf0\x8f\xbf\xbf"), false },
        { STR("\xed\xa0\x80"), false }, /* surrogates */
        { STR("\xed\xbf\xbf"), false },
        { STR("\xf4\x90\x80\x80"), false }, /* over U+10FFFF */
        { STR("\xf5\x80\x80\x80"), false },
        { STR("\xff"), false },
        { STR("\xfe"), false },
        { STR("\xc3"), false }, /* cut off */
        { STR("\xe2\x82"), false },
        { STR("\xf0\x9f\x98"), false },
        { STR("12345678\xe2\x82"), false },
        { STR("\xc3 "), false }, /* interrupted */
        { STR("\xe2\x82 "), false },
        { STR("\xe2 \xac"), false },
        { STR("\xf0\x9f\x98 "), false },
        { STR("\xf0\x9f\x98\xc0"), false },
        { STR("1234567\x80"
              "12345678"),
          false },
        { STR("12345678"
              "12345678\xff"),
          false },
};

START_TEST(table) {
        ck_assert_int_eq(utf8_valid(cases[_i].text), cases[_i].valid);
}
END_TEST

START_TEST(null_is_empty) {
        ck_assert(utf8_valid(STR_NULL));
}
END_TEST

/* Every code point in its shortest form is right; every sequence of two bytes is right exactly when it should be. */
START_TEST(all_code_points) {
        for (uint32_t c = 0x80; c < 0x120000; c++) {
                char p[4];
                size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

                for (size_t i = n - 1, x = c; i > 0; i--, x >>= 6)
                        p[i] = (char)(0x80 | (x & 0x3f));
                p[0] = (char)((n == 2 ? 0xc0 : n == 3 ? 0xe0 : 0xf0) | c >> 6 * (n - 1));
                if (utf8_valid(str_make(p, n)) != ((c < 0xd800 || c > 0xdfff) && c <= 0x10ffff))
                        ck_abort_msg("U+%04X", c);
        }
        for (unsigned a = 0; a < 256; a++)
                for (unsigned b = 0; b < 256; b++) {
                        char p[2] = { (char)a, (char)b };
                        bool right = (a < 0x80 && b < 0x80) || (a >= 0xc2 && a <= 0xdf && (b & 0xc0) == 0x80);

                        ck_assert_int_eq(utf8_valid(str_make(p, 2)), right);
                }
}
END_TEST

START_TEST(str_helpers) {
        ck_assert(str_eq(STR("a\0b"), STR("a\0b")) && !str_eq(STR("a\0b"), STR("a\0c")));
        ck_assert(str_eq(STR_NULL, STR("")));
        ck_assert_int_lt(str_cmp(STR("a"), STR("ab")), 0);
        ck_assert_int_gt(str_cmp(STR("\xff"), STR("a")), 0);
        ck_assert_int_eq(str_cmp(STR_NULL, STR("")), 0);
        ck_assert(str_starts(STR("abc"), STR("ab")) && str_starts(STR("abc"), STR_NULL));
        ck_assert(!str_starts(STR("a"), STR("ab")));
        ck_assert(str_ends(STR("abc"), STR("bc")) && !str_ends(STR("c"), STR("bc")));
        ck_assert(str_eq(str_skip(STR("abc"), 2), STR("c")));
        ck_assert(str_eq(str_skip(STR("abc"), 9), STR("")));
        ck_assert(str_eq(str_of(NULL), STR_NULL));
}
END_TEST

int main(void) {
        Suite *s = suite_create("utf8");
        TCase *t = tcase_create("utf8");

        suite_add_tcase(s, t);
        tcase_add_loop_test(t, table, 0, (int)ARRAY_LEN(cases));
        tcase_add_test(t, null_is_empty);
        tcase_add_test(t, all_code_points);
        tcase_add_test(t, str_helpers);
        return suite_run(s);
}
