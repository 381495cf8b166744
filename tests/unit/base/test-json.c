/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON reader (tokens, errors with their places) and the string writer. */
#include <errno.h>
#include <stdio.h>
#include "ddbfs/base/json.h"
#include "../suite.h"

/* The tokens of a text as one line: "{ k:a 1 }" ...; an error as "!line:column message". */
static void dump(struct str text, unsigned max_depth, struct buf *out) {
        static const char *const names[] = {
                [JSON_OBJECT_BEGIN] = "{", [JSON_OBJECT_END] = "}", [JSON_ARRAY_BEGIN] = "[", [JSON_ARRAY_END] = "]",
                [JSON_TRUE] = "true",      [JSON_FALSE] = "false",  [JSON_NULL] = "null",     [JSON_END] = "."
        };
        struct arena arena = ARENA_INIT(MIB);
        struct json_reader r;
        enum json_token t;

        json_reader_init(&r, text, &arena, max_depth);
        do {
                t = json_next(&r);
                if (out->n > 0)
                        buf_putc(out, ' ');
                if (t == JSON_ERROR)
                        buf_printf(out, "!%u:%u %s", r.error.line, r.error.column, r.error.message);
                else if (t == JSON_KEY || t == JSON_STRING || t == JSON_NUMBER) {
                        buf_puts(out, t == JSON_KEY ? "k:" : t == JSON_STRING ? "s:" : "n:");
                        buf_str(out, r.value);
                } else
                        buf_puts(out, names[t]);
        } while (t != JSON_ERROR && t != JSON_END);
        ck_assert_int_eq(json_next(&r), t == JSON_END ? JSON_END : JSON_ERROR);
        ck_assert_int_eq(json_status(&r), t == JSON_END ? 0 : -EINVAL);
        arena_deinit(&arena);
}

#define CASE(text_, expected_) \
        { .text = { .p = "" text_, .n = sizeof(text_) - 1 }, .expected = expected_ }

static const struct {
        struct str text;
        const char *expected;
} tokens[] = {
        CASE("{}", "{ } ."),
        CASE(" [ ] ", "[ ] ."),
        CASE("{\"a\":1,\"b\" : [true,false,null,{\"c\":\"d\"}]}\n",
             "{ k:a n:1 k:b [ true false null { k:c s:d } ] } ."),
        CASE("\"x\"", "s:x ."),
        CASE("-0", "n:-0 ."),
        CASE("[0,-1,10,0.5,1.25e10,1E+5,1e-5,-0.0]", "[ n:0 n:-1 n:10 n:0.5 n:1.25e10 n:1E+5 n:1e-5 n:-0.0 ] ."),
        CASE("12345678901234567890123456789012345678", "n:12345678901234567890123456789012345678 ."),
        CASE("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "s:\"\\/\b\f\n\r\t ."),
        CASE("\"\\u0041\\u00e9\\u20ac\\ud83d\\ude00\\uD83D\\uDE00\"",
             "s:A\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\xF0\x9F\x98\x80 ."),
        CASE("\"a long string with an \\\"escape\\\" in its very middle\"",
             "s:a long string with an \"escape\" in its very middle ."),
        CASE("{\"\\u0061\":\"\\\\\"}", "{ k:a s:\\ } ."),
        CASE("\"\x7F\xC3\xA9\xE2\x80\xA8\xF4\x8F\xBF\xBF\"", "s:\x7F\xC3\xA9\xE2\x80\xA8\xF4\x8F\xBF\xBF ."),
        CASE("{\"a\":1,\"a\":2}", "{ k:a n:1 k:a n:2 } ."),
        CASE("\t\r\n 1 \r\n", "n:1 ."),
        /* errors */
        CASE("", "!1:1 expected a value, but the text ends here"),
        CASE("  \n ", "!2:2 expected a value, but the text ends here"),
        CASE("{", "{ !1:2 expected an attribute name in quotes or '}', but the text ends here"),
        CASE("{\"a\"", "{ !1:5 expected ':', but the text ends here"),
        CASE("{\"a\":", "{ k:a !1:6 expected a value, but the text ends here"),
        CASE("{\"a\":1", "{ k:a n:1 !1:7 expected ',' or '}', but the text ends here"),
        CASE("{\"a\":1,}", "{ k:a n:1 !1:8 expected an attribute name in quotes, not '}'"),
        CASE("{a:1}", "{ !1:2 expected an attribute name in quotes or '}', not 'a'"),
        CASE("{\"a\" 1}", "{ !1:6 expected ':', not '1'"),
        CASE("{\"a\":1 \"b\":2}", "{ k:a n:1 !1:8 expected ',' or '}', not '\"'"),
        CASE("[1,]", "[ n:1 !1:4 expected a value, not ']'"),
        CASE("[,1]", "[ !1:2 expected a value, not ','"),
        CASE("[1 2]", "[ n:1 !1:4 expected ',' or ']', not '2'"),
        CASE("[1}", "[ n:1 !1:3 expected ',' or ']', not '}'"),
        CASE("1 2", "n:1 !1:3 expected the end of the text, not '2'"),
        CASE("{}\n{}", "{ } !2:1 expected the end of the text, not '{'"),
        CASE("{}\0", "{ } !1:3 expected the end of the text, not the byte 0x00"),
        CASE("01", "!1:1 a number may not begin with a needless 0"),
        CASE("-", "!1:2 expected a digit, but the text ends here"),
        CASE("-x", "!1:2 expected a digit, not 'x'"),
        CASE("1.", "!1:3 expected a digit behind the point, but the text ends here"),
        CASE(".5", "!1:1 expected a value, not '.'"),
        CASE("+1", "!1:1 expected a value, not '+'"),
        CASE("1e", "!1:3 expected a digit of the exponent, but the text ends here"),
        CASE("1e+", "!1:4 expected a digit of the exponent, but the text ends here"),
        CASE("NaN", "!1:1 expected a value, not 'N'"),
        CASE("nul", "!1:1 expected a value, not 'n'"),
        CASE("truex", "true !1:5 expected the end of the text, not 'x'"),
        CASE("'a'", "!1:1 expected a value, not '''"),
        CASE("[1, // no\n2]", "[ n:1 !1:5 expected a value, not '/'"),
        CASE("\"abc", "!1:1 the string that begins here does not end"),
        CASE("\"abc\\\"", "!1:1 the string that begins here does not end"),
        CASE("\"abc\\", "!1:5 bad escape in a string"),
        CASE("[\"a\nb\"]", "[ !1:4 control character 0x0a in a string: write it as an escape"),
        CASE("\"12345678\0\"", "!1:10 control character 0x00 in a string: write it as an escape"),
        CASE("\"\\x\"", "!1:2 bad escape in a string"),
        CASE("\"\\u12g4\"", "!1:2 bad \\u escape: four hexadecimal digits, surrogates in pairs"),
        CASE("\"\\u123", "!1:2 bad \\u escape: four hexadecimal digits, surrogates in pairs"),
        CASE("\"\\ud83d\"", "!1:2 bad \\u escape: four hexadecimal digits, surrogates in pairs"),
        CASE("\"\\ud83d\\u0041\"", "!1:2 bad \\u escape: four hexadecimal digits, surrogates in pairs"),
        CASE("\"\\ud83d\\u", "!1:2 bad \\u escape: four hexadecimal digits, surrogates in pairs"),
        CASE("\"\\ud83d\\ude0", "!1:2 bad \\u escape: four hexadecimal digits, surrogates in pairs"),
        CASE("\"ok\\ude00\"", "!1:4 bad \\u escape: four hexadecimal digits, surrogates in pairs"),
        CASE("\"ab\xFF\"", "!1:4 not valid UTF-8"),
        CASE("\"\xC3\xA9\xC3\"", "!1:3 not valid UTF-8"),
        CASE("\"\xC0\x80\"", "!1:2 not valid UTF-8"),
        CASE("\"\xED\xA0\x80\"", "!1:2 not valid UTF-8"),
        CASE("\"\\n\xF5\"", "!1:4 not valid UTF-8"),
        CASE("{\"\xFF\":1}", "{ !1:3 not valid UTF-8"),
        CASE("\xEF\xBB\xBF{}", "!1:1 the text begins with a byte order mark"),
        CASE("[[[[[1]]]]]", "[ [ [ [ !1:5 nested deeper than 4 levels"),
        CASE("[{\"a\":[{", "[ { k:a [ { !1:9 expected an attribute name in quotes or '}', but the text ends here"),
        CASE("[\"\xC3\xA9\xF0\x9F\x98\x80\", x]", "[ s:\xC3\xA9\xF0\x9F\x98\x80 !1:8 expected a value, not 'x'"),
};

START_TEST(test_tokens) {
        struct buf out = BUF_INIT(MIB);
        /* a copy of its exact size, so that a sanitizer sees an overread */
        char *copy = mem_alloc(tokens[_i].text.n);

        ck_assert_ptr_nonnull(copy);
        memcpy(copy, tokens[_i].text.p, tokens[_i].text.n);
        dump(str_make(copy, tokens[_i].text.n), 4, &out);
        ck_assert_str_eq(buf_view(&out).p, tokens[_i].expected);
        buf_deinit(&out);
        mem_free(copy);
}
END_TEST

START_TEST(test_nul_in_strings) {
        struct arena arena = ARENA_INIT(MIB);
        struct json_reader r;

        json_reader_init(&r, STR("\"a\\u0000b\""), &arena, 4);
        ck_assert_int_eq(json_next(&r), JSON_STRING);
        ck_assert(str_eq(r.value, STR("a\0b")));
        arena_deinit(&arena);
}
END_TEST

START_TEST(test_borrowing) {
        struct str text = STR("[\"plain\",\"esc\\u0061ped\"]");
        struct arena arena = ARENA_INIT(MIB);
        struct json_reader r;

        json_reader_init(&r, text, &arena, 4);
        ck_assert_int_eq(json_next(&r), JSON_ARRAY_BEGIN);
        ck_assert_int_eq(json_next(&r), JSON_STRING);
        ck_assert_ptr_eq(r.value.p, text.p + 2);
        ck_assert_uint_eq(arena.total, 0);
        ck_assert_int_eq(json_next(&r), JSON_STRING);
        ck_assert(str_eq(r.value, STR("escaped")));
        ck_assert_uint_gt(arena.total, 0);
        arena_deinit(&arena);
}
END_TEST

static const struct {
        const char *text; /* an array; its second element is skipped */
        const char *next; /* the string behind it; NULL: an error */
} skips[] = {
        { "[0,1,\"x\"]", "x" },
        { "[0,\"\\u00e9\\n\",\"x\"]", "x" },
        { "[0,{\"a\":[1,{\"b\":[]}],\"c\":{}},\"x\"]", "x" },
        { "[0,[[],[[]],{}],\"x\"]", "x" },
        { "[0,[1,\"x\"]", NULL },
        { "[0,[1,\"\\q\"],\"x\"]", NULL },
        { "[0,{\"a\"},\"x\"]", NULL },
};

START_TEST(test_skip) {
        struct arena arena = ARENA_INIT(MIB);
        struct json_reader r;
        int k;

        json_reader_init(&r, str_of(skips[_i].text), &arena, 10);
        ck_assert_int_eq(json_next(&r), JSON_ARRAY_BEGIN);
        ck_assert_int_eq(json_skip(&r), 0);
        k = json_skip(&r);
        if (skips[_i].next) {
                ck_assert_int_eq(k, 0);
                ck_assert_int_eq(json_next(&r), JSON_STRING);
                ck_assert(str_eq(r.value, str_of(skips[_i].next)));
        } else
                ck_assert(k == -EINVAL || json_next(&r) == JSON_ERROR);
        ck_assert_uint_eq(arena.total, 0); /* nothing was decoded */
        arena_deinit(&arena);
}
END_TEST

START_TEST(test_skip_after_key) {
        struct arena arena = ARENA_INIT(MIB);
        struct json_reader r;

        json_reader_init(&r, STR("{\"a\":{\"b\":1},\"c\":2}"), &arena, 10);
        ck_assert_int_eq(json_next(&r), JSON_OBJECT_BEGIN);
        ck_assert_int_eq(json_next(&r), JSON_KEY);
        ck_assert_int_eq(json_skip(&r), 0);
        ck_assert_int_eq(json_next(&r), JSON_KEY);
        ck_assert(str_eq(r.value, STR("c")));
        ck_assert_int_eq(json_skip(&r), 0);
        ck_assert_int_eq(json_next(&r), JSON_OBJECT_END);
        ck_assert_int_eq(json_next(&r), JSON_END);
        ck_assert_int_eq(json_skip(&r), -EINVAL);
        arena_deinit(&arena);
}
END_TEST

START_TEST(test_mark_and_rewind) {
        struct arena arena = ARENA_INIT(MIB);
        struct json_reader r;
        struct json_mark mark;
        size_t token_pos;

        json_reader_init(&r, STR("{\"0\":\"before\",\"a\":[1,{\"b\":2}],\"c\":3}"), &arena, 10);
        ck_assert_int_eq(json_next(&r), JSON_OBJECT_BEGIN);
        ck_assert_int_eq(json_next(&r), JSON_KEY);
        ck_assert_int_eq(json_next(&r), JSON_STRING);
        token_pos = r.token_pos;
        json_mark(&r, &mark);
        for (int round = 0; round < 3; round++) {
                ck_assert_int_eq(json_next(&r), JSON_KEY);
                ck_assert(str_eq(r.value, STR("a")));
                ck_assert_int_eq(json_skip(&r), 0);
                ck_assert_int_eq(json_next(&r), JSON_KEY);
                ck_assert(str_eq(r.value, STR("c")));
                json_rewind(&r, &mark);
                ck_assert(str_eq(r.value, STR("before")) && r.token_pos == token_pos);
        }
        arena_deinit(&arena);
}
END_TEST

START_TEST(test_fail) {
        struct arena arena = ARENA_INIT(MIB);
        struct json_reader r;

        json_reader_init(&r, STR("[1,\n  22]"), &arena, 10);
        (void)json_next(&r);
        (void)json_next(&r);
        (void)json_next(&r);
        ck_assert_int_eq(json_fail(&r, "no %s", "good"), -EINVAL);
        ck_assert_uint_eq(r.error.line, 2);
        ck_assert_uint_eq(r.error.column, 3);
        ck_assert_str_eq(r.error.message, "no good");
        ck_assert_int_eq(json_fail(&r, "later"), -EINVAL); /* the first one stays */
        ck_assert_int_eq(json_fail_memory(&r), -EINVAL);
        ck_assert_str_eq(r.error.message, "no good");
        ck_assert_int_eq(json_next(&r), JSON_ERROR);
        arena_deinit(&arena);
}
END_TEST

START_TEST(test_no_memory) {
        struct arena arena = ARENA_INIT(MIB), none = ARENA_INIT(0);
        struct json_reader r;

        json_reader_init(&r, STR("\"\\n\""), &arena, 4);
        mem_fail_at(1);
        ck_assert_int_eq(json_next(&r), JSON_ERROR);
        mem_fail_at(0);
        ck_assert_int_eq(json_status(&r), -ENOMEM);
        json_reader_init(&r, STR("\"\\n\""), &none, 4);
        ck_assert_int_eq(json_next(&r), JSON_ERROR);
        ck_assert_int_eq(json_status(&r), -ENOMEM);
        arena_deinit(&arena);
        arena_deinit(&none);
}
END_TEST

START_TEST(test_depth_cap) {
        struct arena arena = ARENA_INIT(MIB);
        char text[200];
        struct json_reader r;
        unsigned n = 0;

        memset(text, '[', sizeof(text));
        json_reader_init(&r, str_make(text, sizeof(text)), &arena, 100000);
        while (json_next(&r) == JSON_ARRAY_BEGIN)
                n++;
        ck_assert_uint_eq(n, JSON_MAX_DEPTH);
        arena_deinit(&arena);
}
END_TEST

START_TEST(test_position) {
        struct str text = STR("a\xC3\xA9\n\xF0\x9F\x98\x80x\n");
        unsigned line, column;

        json_position(text, 0, &line, &column);
        ck_assert(line == 1 && column == 1);
        json_position(text, 3, &line, &column);
        ck_assert(line == 1 && column == 3);
        json_position(text, 8, &line, &column);
        ck_assert(line == 2 && column == 2);
        json_position(text, 1000, &line, &column);
        ck_assert(line == 3 && column == 1);
}
END_TEST

static const struct {
        struct str in;
        const char *out;
} strings[] = {
        { { "", 0 }, "\"\"" },
        { { NULL, 0 }, "\"\"" },
        { { "plain", 5 }, "\"plain\"" },
        { { "a\"b\\c/d", 7 }, "\"a\\\"b\\\\c/d\"" },
        { { "\b\f\n\r\t", 5 }, "\"\\b\\f\\n\\r\\t\"" },
        { { "\0\x01\x1F\x7F", 4 }, "\"\\u0000\\u0001\\u001f\x7F\"" },
        { { "\xE2\x80\xA8\xF0\x9F\x98\x80", 7 }, "\"\xE2\x80\xA8\xF0\x9F\x98\x80\"" },
        { { "0123456789abcdef\"0123456789abcdef", 33 }, "\"0123456789abcdef\\\"0123456789abcdef\"" },
};

START_TEST(test_write_string) {
        struct buf out = BUF_INIT(MIB);
        struct arena arena = ARENA_INIT(MIB);
        struct json_reader r;

        json_write_string(&out, strings[_i].in);
        ck_assert_str_eq(buf_view(&out).p, strings[_i].out);
        json_reader_init(&r, buf_view(&out), &arena, 4);
        ck_assert_int_eq(json_next(&r), JSON_STRING);
        ck_assert(str_eq(r.value, strings[_i].in));
        buf_deinit(&out);
        arena_deinit(&arena);
}
END_TEST

/* Every byte at every place of a word, before and behind every alignment of the fast scan. */
START_TEST(test_scan_every_byte) {
        for (unsigned c = 0; c < 0x80; c++)
                for (size_t at = 0; at < 40; at++) {
                        struct buf out = BUF_INIT(MIB);
                        struct arena arena = ARENA_INIT(MIB);
                        struct json_reader r;
                        char text[41];

                        memset(text, 'x', sizeof(text));
                        text[at] = (char)c;
                        json_write_string(&out, str_make(text, sizeof(text)));
                        json_reader_init(&r, buf_view(&out), &arena, 4);
                        ck_assert_int_eq(json_next(&r), JSON_STRING);
                        ck_assert(str_eq(r.value, str_make(text, sizeof(text))));
                        ck_assert_int_eq(json_next(&r), JSON_END);
                        buf_deinit(&out);
                        arena_deinit(&arena);
                }
}
END_TEST

/* The same bytes unescaped, in a text that ends with its string: nothing is read behind it, and each is refused, or
 * taken, where it stands. */
static void check_raw(unsigned char c, size_t at, size_t n) {
        bool last = at + 1 == n;
        struct arena arena = ARENA_INIT(MIB);
        char *text = mem_alloc(n + 2);
        struct json_reader r;

        ck_assert_ptr_nonnull(text);
        memset(text, 'x', n + 2);
        text[0] = text[n + 1] = '"';
        text[at + 1] = (char)c;
        json_reader_init(&r, str_make(text, n + 2), &arena, 4);
        if (c >= 0x20 && c < 0x80 && c != '\\') {
                ck_assert_int_eq(json_next(&r), JSON_STRING);
                ck_assert(str_eq(r.value, str_make(text + 1, c == '"' ? at : n)));
        } else {
                ck_assert_int_eq(json_next(&r), JSON_ERROR);
                ck_assert_uint_eq(r.error.column, c == '\\' && last ? 1 : at + 2);
        }
        mem_free(text);
        arena_deinit(&arena);
}

START_TEST(test_scan_raw) {
        for (unsigned c = 0; c < 0x100; c++)
                for (size_t n = 1; n < 36; n++)
                        for (size_t at = 0; at < n; at++)
                                check_raw((unsigned char)c, at, n);
}
END_TEST

/* A character of several bytes across the borders of what is looked at at once, cut off and whole. */
START_TEST(test_scan_utf8) {
        static const char smile[] = "\xF0\x9F\x98\x80";
        struct arena arena = ARENA_INIT(MIB);
        struct json_reader r;
        char text[64];

        for (size_t at = 0; at < 40; at++)
                for (size_t n = 1; n <= 4; n++) {
                        memset(text, 'x', sizeof(text));
                        text[0] = text[at + 20] = '"';
                        memcpy(text + at + 1, smile, n);
                        json_reader_init(&r, str_make(text, at + 21), &arena, 4);
                        ck_assert_int_eq(json_next(&r), n == 4 ? JSON_STRING : JSON_ERROR);
                        if (n < 4)
                                ck_assert_uint_eq(r.error.column, at + 2);
                }
        arena_deinit(&arena);
}
END_TEST

int main(void) {
        Suite *s = suite_create("json");
        TCase *t = tcase_create("json");

        tcase_add_loop_test(t, test_tokens, 0, (int)ARRAY_LEN(tokens));
        tcase_add_test(t, test_nul_in_strings);
        tcase_add_test(t, test_borrowing);
        tcase_add_loop_test(t, test_skip, 0, (int)ARRAY_LEN(skips));
        tcase_add_test(t, test_skip_after_key);
        tcase_add_test(t, test_mark_and_rewind);
        tcase_add_test(t, test_fail);
        tcase_add_test(t, test_no_memory);
        tcase_add_test(t, test_depth_cap);
        tcase_add_test(t, test_position);
        tcase_add_loop_test(t, test_write_string, 0, (int)ARRAY_LEN(strings));
        tcase_add_test(t, test_scan_every_byte);
        tcase_add_test(t, test_scan_raw);
        tcase_add_test(t, test_scan_utf8);
        suite_add_tcase(s, t);
        return suite_run(s);
}
