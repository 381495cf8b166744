/* SPDX-License-Identifier: Apache-2.0 */
/* DynamoDB JSON: every type, what is refused, pages, and random items there and back. */
#include <errno.h>
#include "ddbfs/codec/wire.h"
#include "random-item.h"
#include "../suite.h"

/* Read one value and write it again. */
static const struct {
        const char *in;
        const char *out; /* NULL: the same */
} values[] = {
        { "{\"S\":\"\"}", NULL },
        { "{\"S\":\"a\\\"b\\u0000\"}", NULL },
        { " { \"S\" : \"\\u00e9\\/\" } ", "{\"S\":\"\xC3\xA9/\"}" },
        { "{\"N\":\"1\"}", NULL },
        { "{\"N\":\"1e3\"}", "{\"N\":\"1000\"}" },
        { "{\"N\":\"1.0\"}", "{\"N\":\"1\"}" },
        { "{\"N\":\"-0\"}", "{\"N\":\"0\"}" },
        { "{\"N\":\"12345678901234567890123456789012345678\"}", NULL },
        { "{\"B\":\"\"}", NULL },
        { "{\"B\":\"AP8=\"}", NULL },
        { "{\"BOOL\":true}", NULL },
        { "{\"BOOL\":false}", NULL },
        { "{\"NULL\":true}", NULL },
        { "{\"SS\":[\"b\",\"a\",\"\"]}", "{\"SS\":[\"\",\"a\",\"b\"]}" },
        { "{\"NS\":[\"10\",\"9\",\"-1.50\"]}", "{\"NS\":[\"-1.5\",\"9\",\"10\"]}" },
        { "{\"BS\":[\"/w==\",\"AA==\"]}", "{\"BS\":[\"AA==\",\"/w==\"]}" },
        { "{\"L\":[]}", NULL },
        { "{\"L\":[{\"S\":\"a\"},{\"L\":[{\"NULL\":true}]},{\"M\":{}}]}", NULL },
        { "{\"M\":{}}", NULL },
        { "{\"M\":{\"b\":{\"N\":\"2\"},\"a\":{\"N\":\"1\"},\"$b\":{\"S\":\"\"}}}",
          "{\"M\":{\"$b\":{\"S\":\"\"},\"a\":{\"N\":\"1\"},\"b\":{\"N\":\"2\"}}}" },
};

START_TEST(test_values) {
        struct arena arena = ARENA_INIT(MIB);
        struct buf out = BUF_INIT(MIB);
        struct json_reader r;
        struct value v;

        json_reader_init(&r, str_of(values[_i].in), &arena, WIRE_MAX_DEPTH);
        ck_assert_msg(wire_read_value(&r, &v) == 0, "%s", r.error.message);
        ck_assert_int_eq(json_next(&r), JSON_END);
        wire_write_value(&out, &v);
        ck_assert_str_eq(buf_view(&out).p, values[_i].out ? values[_i].out : values[_i].in);
        buf_deinit(&out);
        arena_deinit(&arena);
}
END_TEST

static const struct {
        const char *in; /* an item */
        const char *message;
} refused[] = {
        { "[]", "1:1 an item is a JSON object" },
        { "{", "1:2 expected an attribute name in quotes or '}', but the text ends here" },
        { "{\"a\":1}", "1:6 attribute \"a\": expected a typed value such as {\"S\": \"...\"}" },
        { "{\"a\":{}}", "1:7 attribute \"a\": the value has no type" },
        { "{\"a\":{\"X\":1}}", "1:7 attribute \"a\": \"X\" is no type of DynamoDB" },
        { "{\"a\":{\"S\":\"x\",\"N\":\"1\"}}", "1:15 attribute \"a\": the value has more than one type" },
        { "{\"a\":{\"S\":1}}", "1:11 attribute \"a\": \"S\" takes a string" },
        { "{\"a\":{\"N\":1}}", "1:11 attribute \"a\": \"N\" takes a string" },
        { "{\"a\":{\"N\":\"x\"}}", "1:11 attribute \"a\": \"x\" is not a number" },
        { "{\"a\":{\"N\":\"\"}}", "1:11 attribute \"a\": \"\" is not a number" },
        { "{\"a\":{\"N\":\"1e126\"}}",
          "1:11 attribute \"a\": number is out of DynamoDB's range, 1E-130 to 9.99...E+125" },
        { "{\"a\":{\"B\":\"AA\"}}", "1:11 attribute \"a\": not base64 with padding" },
        { "{\"a\":{\"B\":7}}", "1:11 attribute \"a\": \"B\" takes a string" },
        { "{\"a\":{\"BOOL\":\"true\"}}", "1:14 attribute \"a\": \"BOOL\" takes true or false" },
        { "{\"a\":{\"NULL\":false}}", "1:14 attribute \"a\": \"NULL\" takes only true" },
        { "{\"a\":{\"SS\":[]}}", "1:12 attribute \"a\": a set may not be empty" },
        { "{\"a\":{\"SS\":\"x\"}}", "1:12 attribute \"a\": a set is written as an array" },
        { "{\"a\":{\"SS\":[1]}}", "1:13 attribute \"a\": \"S\" takes a string" },
        { "{\"a\":{\"SS\":[\"x\",\"y\",\"x\"]}}", "1:21 attribute \"a\": this member is in the set already" },
        { "{\"a\":{\"NS\":[\"1\",\"1.0\"]}}", "1:17 attribute \"a\": this member is in the set already" },
        { "{\"a\":{\"L\":{}}}", "1:11 attribute \"a\": \"L\" takes an array" },
        { "{\"a\":{\"M\":[]}}", "1:11 attribute \"a\": \"M\" takes an object" },
        { "{\"a\":{\"L\":[{\"S\":\"\"},{\"M\":{\"b\":{\"S\":2}}}]}}",
          "1:36 attribute \"a\"[1].\"b\": \"S\" takes a string" },
        { "{\"a\":{\"S\":\"1\"},\"b\":{\"S\":\"2\"},\n\"a\":{\"S\":\"3\"}}", "2:1 duplicate attribute \"a\"" },
        { "{\"x\":{\"M\":{\"a\":{\"S\":\"1\"},\"\\u0061\":{\"S\":\"2\"}}}}",
          "1:26 attribute \"x\": duplicate attribute \"a\"" },
        { "{\"\":{\"S\":\"1\"}}", "1:2 attribute \"\": an attribute name may not be empty" },
        { "{\"a\":{\"S\":\"\xFF\"}}", "1:12 not valid UTF-8" },
        { "{\"a\":{\"S\":}}", "1:11 expected a value, not '}'" },
        { "{\"a\":{\"L\":[{\"S\":\"x\"}", "1:21 expected ',' or ']', but the text ends here" },
};

START_TEST(test_refused) {
        struct arena arena = ARENA_INIT(MIB);
        char message[ERROR_MESSAGE_LEN + 32];
        struct json_reader r;
        struct item item;

        json_reader_init(&r, str_of(refused[_i].in), &arena, WIRE_MAX_DEPTH);
        ck_assert_int_eq(wire_read_item(&r, &item), -EINVAL);
        (void)snprintf(message, sizeof(message), "%u:%u %s", r.error.line, r.error.column, r.error.message);
        ck_assert_str_eq(message, refused[_i].message);
        arena_deinit(&arena);
}
END_TEST

/* As much nesting as the service stores, in the deepest envelope there is (a stream record), and one more. */
START_TEST(test_depth) {
        for (int wraps = 31; wraps <= 32; wraps++) {
                struct arena arena = ARENA_INIT(MIB);
                struct buf text = BUF_INIT(MIB);
                struct json_reader r;
                struct item item;
                int k;

                buf_puts(&text, "{\"Records\":[{\"dynamodb\":{\"NewImage\":{\"a\":");
                for (int i = 0; i < wraps; i++)
                        buf_puts(&text, _i ? "{\"L\":[" : "{\"M\":{\"x\":");
                buf_puts(&text, "{\"SS\":[\"x\"]}");
                for (int i = 0; i < wraps; i++)
                        buf_puts(&text, _i ? "]}" : "}}");
                buf_puts(&text, "}}}]}");
                json_reader_init(&r, buf_view(&text), &arena, WIRE_MAX_DEPTH);
                for (int i = 0; i < 7; i++)
                        ck_assert_int_ne(json_next(&r), JSON_ERROR);
                k = wire_read_item(&r, &item);
                if (wraps == 31) {
                        ck_assert_msg(k == 0, "%s", r.error.message);
                        ck_assert_uint_eq(value_depth(&item.attributes[0].value), 32);
                } else {
                        ck_assert_int_eq(k, -EINVAL);
                        ck_assert_ptr_nonnull(strstr(r.error.message, "nested deeper than 32 levels"));
                }
                buf_deinit(&text);
                arena_deinit(&arena);
        }
}
END_TEST

/* Items are read in place, one after the other, from the middle of a page; strings are not copied. */
START_TEST(test_page) {
        struct str text =
                STR("{\"Count\":2,\"Items\":[{\"b\":{\"N\":\"2\"},\"a\":{\"S\":\"x\"}},{}],\"LastEvaluatedKey\":{}}");
        struct arena arena = ARENA_INIT(MIB);
        struct json_reader r;
        struct item item;

        json_reader_init(&r, text, &arena, WIRE_MAX_DEPTH);
        ck_assert_int_eq(json_next(&r), JSON_OBJECT_BEGIN);
        ck_assert_int_eq(json_next(&r), JSON_KEY);
        ck_assert_int_eq(json_skip(&r), 0);
        ck_assert_int_eq(json_next(&r), JSON_KEY);
        ck_assert_int_eq(json_next(&r), JSON_ARRAY_BEGIN);
        ck_assert_int_eq(wire_read_item(&r, &item), 0);
        ck_assert_uint_eq(item.n, 2);
        ck_assert(str_eq(item.attributes[0].name, STR("a")) && str_eq(item.attributes[1].name, STR("b")));
        ck_assert(item.attributes[0].value.text.p > text.p && item.attributes[0].value.text.p < text.p + text.n);
        ck_assert_int_eq(wire_read_item(&r, &item), 0);
        ck_assert_uint_eq(item.n, 0);
        ck_assert_int_eq(json_next(&r), JSON_ARRAY_END);
        ck_assert_int_eq(json_next(&r), JSON_KEY);
        ck_assert_int_eq(wire_read_item(&r, &item), 0);
        ck_assert_int_eq(json_next(&r), JSON_OBJECT_END);
        ck_assert_int_eq(json_next(&r), JSON_END);
        arena_deinit(&arena);
}
END_TEST

START_TEST(test_write_key) {
        struct key_part parts[] = { { .type = VALUE_S, .text = STR("a\"b") },
                                    { .type = VALUE_N, .text = STR("-1.5") },
                                    { .type = VALUE_B, .text = STR("\0\xFF") } };
        struct str names[] = { STR("pk"), STR("s\nk"), STR("x") };
        struct buf out = BUF_INIT(KIB);

        wire_write_key(&out, parts, names, 3);
        ck_assert_str_eq(buf_view(&out).p,
                         "{\"pk\":{\"S\":\"a\\\"b\"},\"s\\nk\":{\"N\":\"-1.5\"},\"x\":{\"B\":\"AP8=\"}}");
        buf_deinit(&out);
}
END_TEST

/* Many elements: the arrays outgrow their first place. */
START_TEST(test_many) {
        struct arena arena = ARENA_INIT(16 * MIB);
        struct buf text = BUF_INIT(16 * MIB), out = BUF_INIT(16 * MIB);
        struct json_reader r;
        struct item item;

        buf_puts(&text, "{\"0l\":{\"L\":[");
        for (unsigned i = 0; i < 5000; i++)
                buf_printf(&text, "%s{\"N\":\"%u\"}", i ? "," : "", i);
        buf_puts(&text, "]},\"0s\":{\"NS\":[");
        for (unsigned i = 0; i < 5000; i++)
                buf_printf(&text, "%s\"%u\"", i ? "," : "", i);
        buf_puts(&text, "]}");
        for (unsigned i = 0; i < 5000; i++)
                buf_printf(&text, ",\"a%04u\":{\"BOOL\":true}", i);
        buf_puts(&text, "}");
        json_reader_init(&r, buf_view(&text), &arena, WIRE_MAX_DEPTH);
        ck_assert_int_eq(wire_read_item(&r, &item), 0);
        ck_assert_uint_eq(item.n, 5002);
        wire_write_item(&out, &item);
        ck_assert(str_eq(buf_view(&out), buf_view(&text)));
        buf_deinit(&text);
        buf_deinit(&out);
        arena_deinit(&arena);
}
END_TEST

START_TEST(test_random_items) {
        struct arena arena = ARENA_INIT(64 * MIB), again = ARENA_INIT(64 * MIB);
        struct buf text = BUF_INIT(MIB);
        struct random rnd = random_seed();
        struct json_reader r;
        struct item item, back;

        for (unsigned i = 0; i < 20000 / (SANITIZED ? 8 : 1); i++) {
                arena_reset(&arena);
                arena_reset(&again);
                buf_reset(&text);
                random_item(&rnd, &arena, &item);
                wire_write_item(&text, &item);
                ck_assert_int_eq(buf_status(&text), 0);
                json_reader_init(&r, buf_view(&text), &again, WIRE_MAX_DEPTH);
                ck_assert_msg(wire_read_item(&r, &back) == 0, "%s\n%s", r.error.message, text.p);
                ck_assert_int_eq(json_next(&r), JSON_END);
                ck_assert_msg(item_equal(&item, &back), "%s", text.p);
        }
        buf_deinit(&text);
        arena_deinit(&arena);
        arena_deinit(&again);
}
END_TEST

START_TEST(test_no_memory) {
        struct str text =
                STR("{\"a\":{\"N\":\"1.0\"},\"b\":{\"B\":\"AAAA\"},\"c\":{\"S\":\"\\n\"},\"d\":{\"SS\":[\"x\"]},"
                    "\"e\":{\"L\":[{\"M\":{\"x\":{\"NS\":[\"1\",\"2.0\"]}}}]}}");
        struct json_reader r;
        struct item item;
        int k = -ENOMEM;

        for (unsigned long n = 1; k && n < 100; n++) {
                struct arena arena = ARENA_INIT(MIB);

                json_reader_init(&r, text, &arena, WIRE_MAX_DEPTH);
                mem_fail_at(n);
                k = wire_read_item(&r, &item);
                mem_fail_at(0);
                ck_assert(k == 0 || k == -ENOMEM);
                arena_deinit(&arena);
        }
        ck_assert_int_eq(k, 0);
        k = -ENOMEM;
        for (size_t max = 0; k && max < 64 * KIB; max += 16) {
                struct arena arena = ARENA_INIT(max);

                json_reader_init(&r, text, &arena, WIRE_MAX_DEPTH);
                k = wire_read_item(&r, &item);
                ck_assert(k == 0 || k == -ENOMEM);
                arena_deinit(&arena);
        }
        ck_assert_int_eq(k, 0);
}
END_TEST

int main(void) {
        Suite *s = suite_create("wire");
        TCase *t = tcase_create("wire");

        tcase_set_timeout(t, 60);
        tcase_add_loop_test(t, test_values, 0, (int)ARRAY_LEN(values));
        tcase_add_loop_test(t, test_refused, 0, (int)ARRAY_LEN(refused));
        tcase_add_loop_test(t, test_depth, 0, 2);
        tcase_add_test(t, test_page);
        tcase_add_test(t, test_write_key);
        tcase_add_test(t, test_many);
        tcase_add_test(t, test_random_items);
        tcase_add_test(t, test_no_memory);
        suite_add_tcase(s, t);
        return suite_run(s);
}
