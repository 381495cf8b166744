/* SPDX-License-Identifier: Apache-2.0 */
/* DynamoDB's numbers as text.  The expected values of the double column are those of any IEEE double printer. */
#include <stdio.h>
#include "ddbfs/store/number.h"
#include "../suite.h"

#define Z10 "0000000000"
#define Z100 Z10 Z10 Z10 Z10 Z10 Z10 Z10 Z10 Z10 Z10
#define NINES38 "99999999999999999999999999999999999999"
#define DIGITS38 "12345678901234567890123456789012345678"

static const struct {
        const char *in;
        const char *out; /* NULL: refused */
        int status;
} canonical[] = {
        { "0", "0", 0 },
        { "-0", "0", 0 },
        { "+0.000", "0", 0 },
        { "0e1000", "0", 0 },
        { "0e-99999999999999999999", "0", 0 },
        { "3", "3", 0 },
        { "+3", "3", 0 },
        { "-7.1234", "-7.1234", 0 },
        { "-17e5", "-1700000", 0 },
        { "-17.4E37", "-174000000000000000000000000000000000000", 0 },
        { ".123", "0.123", 0 },
        { "5.", "5", 0 },
        { "0001.230", "1.23", 0 },
        { "1e+5", "100000", 0 },
        { "1e3", "1000", 0 },
        { "1000", "1000", 0 },
        { "100e-2", "1", 0 },
        { "1.50", "1.5", 0 },
        { "123.456e2", "12345.6", 0 },
        { "123.456e-5", "0.00123456", 0 },
        { "0.1", "0.1", 0 },
        { "1e125", "1" Z100 Z10 Z10 "00000", 0 },
        { "9.9e125", "99" Z100 Z10 Z10 "0000", 0 },
        { "9.9999999999999999999999999999999999999e125", NINES38 Z10 Z10 Z10 Z10 Z10 Z10 Z10 Z10 "00000000", 0 },
        { "1e-130",
          "0." Z100 Z10 Z10 "000000000"
          "1",
          0 },
        { "-1.2345678901234567890123456789012345678e-130", "-0." Z100 Z10 Z10 "000000000" DIGITS38, 0 },
        { DIGITS38, DIGITS38, 0 },
        { DIGITS38 "000", DIGITS38 "000", 0 },
        { "000" DIGITS38 ".000", DIGITS38, 0 },
        { "0." DIGITS38, "0." DIGITS38, 0 },
        /* refused */
        { "", NULL, NUMBER_E_MALFORMED },
        { "+", NULL, NUMBER_E_MALFORMED },
        { "-", NULL, NUMBER_E_MALFORMED },
        { ".", NULL, NUMBER_E_MALFORMED },
        { "e5", NULL, NUMBER_E_MALFORMED },
        { "1e", NULL, NUMBER_E_MALFORMED },
        { "1e+", NULL, NUMBER_E_MALFORMED },
        { "1e5x", NULL, NUMBER_E_MALFORMED },
        { "1e5.0", NULL, NUMBER_E_MALFORMED },
        { "1.2.3", NULL, NUMBER_E_MALFORMED },
        { "--1", NULL, NUMBER_E_MALFORMED },
        { " 1", NULL, NUMBER_E_MALFORMED },
        { "1 ", NULL, NUMBER_E_MALFORMED },
        { "0x10", NULL, NUMBER_E_MALFORMED },
        { "1,000", NULL, NUMBER_E_MALFORMED },
        { "NaN", NULL, NUMBER_E_MALFORMED },
        { "Infinity", NULL, NUMBER_E_MALFORMED },
        { "-Infinity", NULL, NUMBER_E_MALFORMED },
        { "dog", NULL, NUMBER_E_MALFORMED },
        { DIGITS38 "9", NULL, NUMBER_E_DIGITS },
        { "0." DIGITS38 "9", NULL, NUMBER_E_DIGITS },
        { "1." DIGITS38 "e30", NULL, NUMBER_E_DIGITS },
        { "1e126", NULL, NUMBER_E_RANGE },
        { "11e125", NULL, NUMBER_E_RANGE },
        { "1e-131", NULL, NUMBER_E_RANGE },
        { "0.9e-130", NULL, NUMBER_E_RANGE },
        { "-1e126", NULL, NUMBER_E_RANGE },
        { "1e99999999999999999999", NULL, NUMBER_E_RANGE },
        { "1e-99999999999999999999", NULL, NUMBER_E_RANGE },
};

START_TEST(test_canonical) {
        struct str in = str_of(canonical[_i].in);
        struct buf out = BUF_INIT(KIB);
        bool same;

        ck_assert_int_eq(number_canonical(in, &out), canonical[_i].status);
        ck_assert_int_eq(buf_status(&out), 0);
        if (!canonical[_i].out) {
                ck_assert_uint_eq(out.n, 0);
                ck_assert(!number_is_canonical(in));
                buf_deinit(&out);
                return;
        }
        ck_assert_str_eq(buf_view(&out).p, canonical[_i].out);
        ck_assert_uint_le(out.n, NUMBER_CANONICAL_MAX);
        ck_assert(number_is_canonical(buf_view(&out)));
        same = str_eq(in, buf_view(&out));
        ck_assert_int_eq(number_is_canonical(in), same);
        buf_deinit(&out);
}
END_TEST

START_TEST(test_too_long) {
        char text[NUMBER_TEXT_MAX + 1];
        struct buf out = BUF_INIT(KIB);

        memset(text, '0', sizeof(text));
        ck_assert_int_eq(number_canonical(str_make(text, NUMBER_TEXT_MAX), &out), 0);
        ck_assert_str_eq(buf_view(&out).p, "0");
        ck_assert_int_eq(number_canonical(str_make(text, sizeof(text)), &out), NUMBER_E_MALFORMED);
        memset(text, '7', sizeof(text));
        ck_assert_int_eq(number_canonical(str_make(text, NUMBER_TEXT_MAX), &out), NUMBER_E_DIGITS);
        ck_assert_uint_eq(number_digits(str_make(text, NUMBER_TEXT_MAX)), NUMBER_TEXT_MAX);
        ck_assert(!number_is_canonical(str_make(text, NUMBER_TEXT_MAX)));
        buf_deinit(&out);
}
END_TEST

static const char *const not_canonical[] = {
        "-0",
        "00",
        "01",
        "-01",
        "1.0",
        "0.10",
        ".5",
        "5.",
        "+1",
        "1e3",
        "-",
        "",
        "-.5",
        "0.",
        "-0.0",
        "1.2.3",
        "1-2",
        "0x1",
        DIGITS38 "9",
        "0.00" DIGITS38 "9",
        "1" Z100 Z10 Z10 "000000",
        "0." Z100 Z10 Z10 Z10 "1",
};

START_TEST(test_not_canonical) {
        ck_assert(!number_is_canonical(str_of(not_canonical[_i])));
}
END_TEST

START_TEST(test_digits) {
        ck_assert_uint_eq(number_digits(STR("0010.0200")), 4);
        ck_assert_uint_eq(number_digits(STR(DIGITS38 "12")), 40);
        ck_assert_uint_eq(number_digits(STR("0")), 0);
        ck_assert_uint_eq(number_digits(STR("x")), 0);
}
END_TEST

/* In ascending order. */
static const char *const ordered[] = {
        "-1000", "-999.5", "-999", "-10.25", "-10.2", "-10",    "-9",  "-1.5", "-1",  "-0.5",
        "-0.25", "-0.01",  "0",    "0.001",  "0.01",  "0.0101", "0.1", "0.25", "0.5", "1",
        "1.5",   "9",      "10",   "10.2",   "10.25", "100",    "999", "1000",
};

START_TEST(test_cmp) {
        for (int j = 0; j < (int)ARRAY_LEN(ordered); j++) {
                int c = number_cmp(str_of(ordered[_i]), str_of(ordered[j]));

                ck_assert_msg((c > 0) - (c < 0) == (_i > j) - (_i < j), "%s ? %s: %d", ordered[_i], ordered[j], c);
        }
}
END_TEST

static const struct {
        const char *text;
        bool fits;
} doubles[] = {
        { "0", true },
        { "-1", true },
        { "0.1", true },
        { "0.3", true },
        { "123456789012345", true },
        { "999999999999999", true },
        { "9007199254740991", true },
        { "9007199254740992", true },
        { "9007199254740993", false }, /* 2^53 + 1 */
        { "9007199254740994", true },
        { "0.30000000000000004", true }, /* 0.1 + 0.2 */
        { "0.30000000000000005", false },
        { "0.1000000000000000055511151231257827021181583404541015625", false },
        { "1234567890123456789", false },
        { "12345678901234567", false },
        { "12345678901234568", true },
        { "1" Z100, true },
        { "1" Z10 Z10 "1", false },
        { "18446744073709551615", false },
        { "5.960464477539063", true },
        { "0.00000005960464477539063", true }, /* 2^-24: the nearest of 16 digits does not read back */
        { "0.000000059604644775390625", false },
        { DIGITS38, false },
        { "0." Z100 Z10 Z10 "000000000"
          "1",
          true },
        { "99999999999999997", false },
        { "99999999999999999", false },
};

START_TEST(test_fits_double) {
        ck_assert_msg(number_fits_double(str_of(doubles[_i].text)) == doubles[_i].fits, "%s", doubles[_i].text);
}
END_TEST

START_TEST(test_no_memory) {
        struct buf out = BUF_INIT(KIB);

        mem_fail_at(1);
        ck_assert_int_eq(number_canonical(STR("1.50"), &out), 0);
        mem_fail_at(0);
        ck_assert_int_ne(buf_status(&out), 0);
        buf_deinit(&out);
}
END_TEST

int main(void) {
        Suite *s = suite_create("number");
        TCase *t = tcase_create("number");

        tcase_add_loop_test(t, test_canonical, 0, (int)ARRAY_LEN(canonical));
        tcase_add_test(t, test_too_long);
        tcase_add_loop_test(t, test_not_canonical, 0, (int)ARRAY_LEN(not_canonical));
        tcase_add_test(t, test_digits);
        tcase_add_loop_test(t, test_cmp, 0, (int)ARRAY_LEN(ordered));
        tcase_add_loop_test(t, test_fits_double, 0, (int)ARRAY_LEN(doubles));
        tcase_add_test(t, test_no_memory);
        suite_add_tcase(s, t);
        return suite_run(s);
}
