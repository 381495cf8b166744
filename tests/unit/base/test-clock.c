/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <time.h>
#include "ddbfs/base/clock.h"
#include "../suite.h"

static const struct {
        const char *text;
        bool ok;
        int64_t wall_s;
} iso[] = {
        { "1970-01-01T00:00:00Z", true, 0 },
        { "2026-11-20T16:50:00Z", true, 1795193400 },
        { "2026-11-20T16:50:00.5Z", true, 1795193400 },
        { "2026-11-20T16:50:00.123456789Z", true, 1795193400 },
        { "2026-11-20t16:50:00z", true, 1795193400 },
        { "2026-11-20T16:50:00UTC", true, 1795193400 },
        { "2026-11-20T18:20:00+01:30", true, 1795193400 },
        { "2026-11-20T08:50:00-0800", true, 1795193400 },
        { "2026-11-20T17:50:00+01", true, 1795193400 },
        { "2026-11-20T16:50:00.000+00:00", true, 1795193400 },
        { "2000-02-29T00:00:00Z", true, 951782400 },
        { "2024-02-29T23:59:59Z", true, 1709251199 },
        { "2016-12-31T23:59:60Z", true, 1483228800 },
        { "1969-12-31T23:59:59Z", true, -1 },
        { "0000-01-01T00:00:00Z", true, -62167219200 },
        { "9999-12-31T23:59:59Z", true, 253402300799 },
        { "", false, 0 },
        { "2026-11-20", false, 0 },
        { "2026-11-20T16:50:00", false, 0 },
        { "2026-11-20 16:50:00Z", false, 0 },
        { "2026-11-20T16:50Z", false, 0 },
        { "2026-11-20T16:50:00.Z", false, 0 },
        { "2026-11-20T16:50:00Z ", false, 0 },
        { " 2026-11-20T16:50:00Z", false, 0 },
        { "2026-11-20T16:50:00ZZ", false, 0 },
        { "2026-11-20T16:50:00+1", false, 0 },
        { "2026-11-20T16:50:00+01:", false, 0 },
        { "2026-11-20T16:50:00+01:0", false, 0 },
        { "2026-11-20T16:50:00+01:000", false, 0 },
        { "2026-11-20T16:50:00+24:00", false, 0 },
        { "2026-11-20T16:50:00+01:60", false, 0 },
        { "2026-11-20T16:50:00 GMT", false, 0 },
        { "2026-00-20T16:50:00Z", false, 0 },
        { "2026-13-20T16:50:00Z", false, 0 },
        { "2026-11-00T16:50:00Z", false, 0 },
        { "2026-11-31T16:50:00Z", false, 0 },
        { "2023-02-29T00:00:00Z", false, 0 },
        { "1900-02-29T00:00:00Z", false, 0 },
        { "2026-11-20T24:00:00Z", false, 0 },
        { "2026-11-20T16:60:00Z", false, 0 },
        { "2026-11-20T16:50:61Z", false, 0 },
        { "26-11-20T16:50:00Z", false, 0 },
        { "2026-1-20T16:50:00Z", false, 0 },
        { "+026-11-20T16:50:00Z", false, 0 },
        { "20261120T165000Z", false, 0 },
};

START_TEST(parse_iso) {
        int64_t wall = 42;

        ck_assert_msg(clock_parse_iso(str_of(iso[_i].text), &wall) == iso[_i].ok, "%s", iso[_i].text);
        ck_assert_msg(wall == (iso[_i].ok ? iso[_i].wall_s : 42), "%s: %lld", iso[_i].text, (long long)wall);
}
END_TEST

static const struct {
        const char *text;
        bool ok;
        int64_t wall_s;
} http[] = {
        { "Sun, 06 Nov 1994 08:49:37 GMT", true, 784111777 },
        { "Thu, 01 Jan 1970 00:00:00 GMT", true, 0 },
        { "Fri, 20 Nov 2026 16:50:00 GMT", true, 1795193400 },
        { "Sunday, 06-Nov-94 08:49:37 GMT", false, 0 },
        { "Sun Nov  6 08:49:37 1994", false, 0 },
        { "Sun, 6 Nov 1994 08:49:37 GMT", false, 0 },
        { "Sun, 06 Nov 1994 08:49:37 UTC", false, 0 },
        { "Sun, 06 Nov 1994 08:49:37 GMT ", false, 0 },
        { "Sun, 06 Nov 1994 08:49:37", false, 0 },
        { "Sun, 06 nov 1994 08:49:37 GMT", false, 0 },
        { "Sun, 31 Nov 1994 08:49:37 GMT", false, 0 },
        { "Sun, 06 Nov 1994 25:49:37 GMT", false, 0 },
        { "Xxx, 06 Nov 1994 08:49:37 GMT", false, 0 },
        { "unM, 06 Nov 1994 08:49:37 GMT", false, 0 },
        { "Sun, 06 Xyz 1994 08:49:37 GMT", false, 0 },
        { "", false, 0 },
        { "Su", false, 0 },
};

START_TEST(parse_http) {
        int64_t wall = 42;

        ck_assert_msg(clock_parse_http(str_of(http[_i].text), &wall) == http[_i].ok, "%s", http[_i].text);
        ck_assert_msg(wall == (http[_i].ok ? http[_i].wall_s : 42), "%s: %lld", http[_i].text, (long long)wall);
}
END_TEST

START_TEST(nul_and_cuts_are_malformed) {
        struct str s = STR("2026-11-20T16:50:00.25+01:30");
        int64_t wall;

        for (size_t n = 0; n < s.n; n++) /* what is left of the offset may be whole: +01 */
                ck_assert_int_eq(clock_parse_iso(str_make(s.p, n), &wall), n == s.n - 3);
        ck_assert(!clock_parse_iso(STR("2026-11-20T16:50:00\0"), &wall));
        ck_assert(!clock_parse_iso(STR("2026\0"
                                       "11-20T16:50:00Z"),
                                   &wall));
        ck_assert(!clock_parse_iso(STR_NULL, &wall));
        ck_assert(!clock_parse_http(STR_NULL, &wall));
}
END_TEST

/* Against libc, over all the years that have four digits. */
START_TEST(format_and_back) {
        for (int64_t s = INT64_C(-62167219200); s <= INT64_C(253402300799); s += 86400 * 23 + 3607) {
                char amz[CLOCK_AMZ_LEN], expected[64], text[CLOCK_ISO_LEN];
                struct tm tm;
                int64_t back = 0;

                ck_assert_ptr_nonnull(gmtime_r(&(time_t){ s }, &tm));
                snprintf(expected, sizeof(expected), "%04d%02d%02dT%02d%02d%02dZ", tm.tm_year + 1900, tm.tm_mon + 1,
                         tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
                clock_format_amz(s, amz);
                ck_assert_str_eq(amz, expected);
                if (s < 0 || s > INT64_C(18000000000))
                        continue;
                clock_format_iso((uint64_t)s * NS_PER_S + 7 * NS_PER_MS + 999999, text);
                ck_assert_str_eq(text + 19, ".007Z");
                ck_assert(clock_parse_iso(str_of(text), &back));
                ck_assert_int_eq(back, s);
        }
}
END_TEST

START_TEST(formats) {
        char amz[CLOCK_AMZ_LEN], text[CLOCK_ISO_LEN];

        clock_format_amz(1440938160, amz);
        ck_assert_str_eq(amz, "20150830T123600Z");
        clock_format_iso(UINT64_C(1440938160123456789), text);
        ck_assert_str_eq(text, "2015-08-30T12:36:00.123Z");
        clock_format_amz(INT64_MAX, amz); /* clamped, never longer */
        ck_assert_str_eq(amz, "99991231T235959Z");
        clock_format_amz(INT64_MIN, amz);
        ck_assert_str_eq(amz, "00000101T000000Z");
        clock_format_iso(UINT64_MAX, text);
        ck_assert_str_eq(text, "2554-07-21T23:34:33.709Z");
}
END_TEST

START_TEST(fakes) {
        uint64_t before = clock_now_ns();

        ck_assert(!clock_fake_sleep(UINT64_MAX - 1));
        clock_fake(5 * NS_PER_S, 1440938160 * NS_PER_S);
        ck_assert_uint_eq(clock_now_ns(), 5 * NS_PER_S);
        ck_assert_int_eq(clock_wall_s(), 1440938160);
        ck_assert(clock_fake_sleep(7 * NS_PER_S));
        ck_assert_uint_eq(clock_now_ns(), 7 * NS_PER_S);
        ck_assert_uint_eq(clock_wall_ns(), 1440938162 * NS_PER_S);
        ck_assert(clock_fake_sleep(6 * NS_PER_S)); /* never back */
        ck_assert_uint_eq(clock_now_ns(), 7 * NS_PER_S);
        ck_assert(!clock_fake_sleep(UINT64_MAX));
        clock_real();
        ck_assert_uint_ge(clock_now_ns(), before);
        ck_assert_int_gt(clock_wall_s(), 1600000000);
}
END_TEST

int main(void) {
        Suite *s = suite_create("clock");
        TCase *t = tcase_create("clock");

        suite_add_tcase(s, t);
        tcase_set_timeout(t, 60);
        tcase_add_loop_test(t, parse_iso, 0, (int)ARRAY_LEN(iso));
        tcase_add_loop_test(t, parse_http, 0, (int)ARRAY_LEN(http));
        tcase_add_test(t, nul_and_cuts_are_malformed);
        tcase_add_test(t, format_and_back);
        tcase_add_test(t, formats);
        tcase_add_test(t, fakes);
        return suite_run(s);
}
