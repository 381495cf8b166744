/* SPDX-License-Identifier: Apache-2.0 */
/* Items as file text: errors with their places, keys, limits, and random items there and back in every form. */
#include <errno.h>
#include "ddbfs/codec/item_text.h"
#include "ddbfs/codec/keyname.h"
#include "ddbfs/codec/wire.h"
#include "random-item.h"
#include "../suite.h"

static const struct item_text_options plain = { .format = ITEM_FORMAT_PLAIN, .compact = true };
static const struct item_text_options dynamodb = { .format = ITEM_FORMAT_DYNAMODB, .compact = true };
static const struct item_text_options strict = { .format = ITEM_FORMAT_PLAIN, .compact = true, .strict_keys = true };

static const struct key_schema schema = {
        .n_hash = 1,
        .n_range = 1,
        .attrs = { { .name = { "pk", 2 }, .type = VALUE_S }, { .name = { "sk", 2 }, .type = VALUE_N } },
};

/* ---- texts that mean the same as a canonical one ---- */

#define HELLO "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
#define REFERENCE \
        "{\"$ddbfs:s3\":{\"bucket\":\"abc\",\"key\":\"k\",\"sha256\":\"" HELLO "\",\"size\":5,\"type\":\"S\",\"v\":1}}"

static const struct {
        const char *in;
        const char *out; /* compact; NULL: the same */
} accepted[] = {
        { "{}", NULL },
        { " {\t}\r\n", "{}" },
        { "{\"b\":1,\"a\":2}", "{\"a\":2,\"b\":1}" },
        { "{\"a\":[],\"b\":{},\"c\":null,\"d\":true,\"e\":false,\"f\":\"\"}", NULL },
        /* numbers */
        { "{\"a\":1e3}", "{\"a\":1000}" },
        { "{\"a\":-0}", "{\"a\":0}" },
        { "{\"a\":1.50}", "{\"a\":1.5}" },
        { "{\"a\":1E-2}", "{\"a\":0.01}" },
        { "{\"a\":{\"$n\":\"1\"}}", "{\"a\":1}" },
        { "{\"a\":{\"$n\":\"+.5e1\"}}", "{\"a\":5}" },
        { "{\"a\":12345678901234567890}", "{\"a\":{\"$n\":\"12345678901234567890\"}}" },
        { "{\"a\":{\"$n\":\"12345678901234567890.12345678\"}}", NULL },
        { "{\"a\":9007199254740993}", "{\"a\":{\"$n\":\"9007199254740993\"}}" },
        { "{\"a\":9007199254740992}", NULL },
        { "{\"a\":0.1}", NULL },
        /* tags */
        { "{\"a\":{\"$b\":\"AP8=\"}}", NULL },
        { "{\"a\":{\"$b\":\"\"}}", NULL },
        { "{\"a\":{\"$ss\":[\"b\",\"a\"]}}", "{\"a\":{\"$ss\":[\"a\",\"b\"]}}" },
        { "{\"a\":{\"$ns\":[10,9,\"8\",1e0]}}", "{\"a\":{\"$ns\":[1,8,9,10]}}" },
        { "{\"a\":{\"$ns\":[12345678901234567890,1]}}", "{\"a\":{\"$ns\":[1,\"12345678901234567890\"]}}" },
        { "{\"a\":{\"$bs\":[\"/w==\",\"AA==\"]}}", "{\"a\":{\"$bs\":[\"AA==\",\"/w==\"]}}" },
        { "{\"a\":{\"$m\":{\"$b\":\"AP8=\"}}}", NULL },
        { "{\"a\":{\"$m\":{\"$m\":{\"x\":1}}}}", NULL },
        { "{\"a\":{\"$m\":{\"$m\":{\"$m\":{\"$x\":1}}}}}", NULL },
        { "{\"a\":{\"$m\":{\"b\":1}}}", "{\"a\":{\"b\":1}}" },
        { "{\"a\":{\"$m\":{}}}", "{\"a\":{}}" },
        { "{\"a\":{\"\\u0024b\":\"\"}}", "{\"a\":{\"$b\":\"\"}}" },
        /* "$" without being a tag */
        { "{\"$b\":\"AP8=\"}", NULL },
        { "{\"$m\":{\"x\":1}}", NULL },
        { "{\"a\":{\"$b\":\"x\",\"c\":1}}", NULL },
        { "{\"a\":{\"c\":1,\"$b\":\"x\"}}", "{\"a\":{\"$b\":\"x\",\"c\":1}}" },
        { "{\"a\":{\"$x\":{\"$b\":\"AA==\"},\"$y\":[{\"$n\":\"1\"}]}}",
          "{\"a\":{\"$x\":{\"$b\":\"AA==\"},\"$y\":[1]}}" },
        { "{\"a\":\"$b\"}", NULL },
        /* kept in S3 */
        { "{\"a\":{\"$s3\":{\"sha256\":\"" HELLO "\",\"size\":5}}}",
          "{\"a\":{\"$s3\":{\"size\":5,\"sha256\":\"" HELLO "\"}}}" },
        { "{\"a\":{\"$m\":{\"$ddbfs:s3\":{\"size\":5}}}}", NULL },
        { "{\"$s3\":{\"size\":5}}", NULL },
};

static struct str parse_and_render(struct str text, const struct item_text_options *o, struct arena *arena,
                                   struct buf *out) {
        struct error e = { 0 };
        struct item item;

        ck_assert_msg(item_text_parse(text, NULL, NULL, o, arena, &item, &e) == 0, "%u:%u %s\n%.*s", e.line, e.column,
                      e.message, (int)text.n, text.p);
        ck_assert_int_eq(item_text_render(&item, NULL, o, out), 0);
        ck_assert_int_eq(out->p[out->n - 1], '\n');
        return str_make(out->p, out->n - 1);
}

START_TEST(test_accepted) {
        struct arena arena = ARENA_INIT(MIB);
        struct buf out = BUF_INIT(MIB);
        struct str expected = str_of(accepted[_i].out ? accepted[_i].out : accepted[_i].in);

        ck_assert_msg(str_eq(parse_and_render(str_of(accepted[_i].in), &plain, &arena, &out), expected), "%s", out.p);
        buf_deinit(&out);
        arena_deinit(&arena);
}
END_TEST

/* ---- refusals ---- */

static const struct {
        const struct item_text_options *o;
        const char *in;
        const char *message;
} refused[] = {
        /* kept in S3 */
        { &plain, "{\"a\":{\"$m\":" REFERENCE "}}", "1:12 attribute \"a\": this map is how ddbfs refers to S3; what is there "
                                                    "is kept by {\"$s3\": ...}" },
        { &plain, "{\"a\":" REFERENCE "}", "1:7 attribute \"a\": unknown tag \"$ddbfs:s3\" (a map of only this attribute is written {\"$m\": {...}})" },
        { &plain, "{\"a\":[{\"$s3\":{\"size\":5,\"sha256\":\"" HELLO "\"}}]}", "1:14 attribute \"a\"[0]: only an attribute of the item itself can be in S3" },
        { &plain, "{\"a\":{\"$s3\":{\"size\":5}}}", "1:22 attribute \"a\": \"$s3\" has \"size\" and \"sha256\", each once" },
        { &plain, "{\"a\":{\"$s3\":{\"size\":5,\"size\":5,\"sha256\":\"" HELLO "\"}}}",
          "1:23 attribute \"a\": \"$s3\" has \"size\" and \"sha256\", each once" },
        { &plain, "{\"a\":{\"$s3\":{\"size\":-5,\"sha256\":\"" HELLO "\"}}}",
          "1:21 attribute \"a\": no size of an object: its bytes as a whole number" },
        { &plain, "{\"a\":{\"$s3\":{\"size\":5,\"sha256\":\"2CF2\"}}}", "1:32 attribute \"a\": no SHA-256: 64 hexadecimal digits, lower case" },
        { &plain, "{\"a\":{\"$s3\":{\"size\":5,\"sha256\":\"" HELLO "\",\"key\":\"k\"}}}",
          "1:99 attribute \"a\": \"$s3\" has \"size\" and \"sha256\", each once" },
        { &plain, "{\"a\":{\"$s3\":\"s3://abc/k\"}}", "1:13 attribute \"a\": \"$s3\" takes an object" },
        { &plain, "", "1:1 expected a value, but the text ends here" },
        { &plain, "[]", "1:1 an item is a JSON object" },
        { &plain, "\"x\"", "1:1 an item is a JSON object" },
        { &plain, "null", "1:1 an item is a JSON object" },
        { &plain, "{}{}", "1:3 expected the end of the text, not '{'" },
        { &plain, "{\n  \"a\": 1\n  \"b\": 2\n}", "3:3 expected ',' or '}', not '\"'" },
        { &plain, "{\n  \"a\": 1,\n}", "3:1 expected an attribute name in quotes, not '}'" },
        { &plain, "{\"a\":1,\"b\":2,\"a\":3}", "1:14 duplicate attribute \"a\"" },
        { &plain, "{\"a\":1,\"\\u0061\":3}", "1:8 duplicate attribute \"a\"" },
        { &plain, "{\"x\":[{\"\xC3\xA9\":1,\n \"y\":2, \"\xC3\xA9\":3}]}",
          "2:9 attribute \"x\"[0]: duplicate attribute \"\xC3\xA9\"" },
        { &plain, "{\"x\":{\"$b\":\"x\",\"$b\":\"y\"}}", "1:16 attribute \"x\": duplicate attribute \"$b\"" },
        { &plain, "{\"\":1}", "1:2 attribute \"\": an attribute name may not be empty" },
        { &plain, "{\"a\":{\"\":1}}", "1:7 attribute \"a\".\"\": an attribute name may not be empty" },
        { &plain, "{\"a\":1234567890123456789012345678901234567800}", NULL },
        { &plain, "{\"a\":1234567890123456789012345678901234567891}",
          "1:6 attribute \"a\": number has 40 significant digits, DynamoDB carries 38" },
        { &plain, "{\"p\":{\"q\":[1,2,1e126]}}",
          "1:16 attribute \"p\".\"q\"[2]: number is out of DynamoDB's range, 1E-130 to 9.99...E+125" },
        { &plain, "{\"a\":{\"$n\":\"one\"}}", "1:12 attribute \"a\": \"one\" is not a number" },
        { &plain, "{\"a\":{\"$n\":1}}", "1:12 attribute \"a\": \"$n\" takes a number in quotes" },
        { &plain, "{\"a\":{\"$n\":\" 1\"}}", "1:12 attribute \"a\": \" 1\" is not a number" },
        { &plain, "{\"a\":{\"$b\":\"AA\"}}", "1:12 attribute \"a\": not base64 with padding" },
        { &plain, "{\"a\":{\"$b\":\"AB==\"}}", "1:12 attribute \"a\": not base64 with padding" },
        { &plain, "{\"a\":{\"$b\":[]}}", "1:12 attribute \"a\": \"$b\" takes a base64 string" },
        { &plain, "{\"a\":{\"$ss\":[]}}", "1:13 attribute \"a\": a set may not be empty" },
        { &plain, "{\"a\":{\"$ss\":\"x\"}}", "1:13 attribute \"a\": a set is written as an array" },
        { &plain, "{\"a\":{\"$ss\":[1]}}", "1:14 attribute \"a\": \"$ss\" takes strings" },
        { &plain, "{\"a\":{\"$ss\":[\"b\",\"a\",\"b\"]}}", "1:22 attribute \"a\": this member is in the set already" },
        { &plain, "{\"a\":{\"$ns\":[1,2,1.0]}}", "1:18 attribute \"a\": this member is in the set already" },
        { &plain, "{\"a\":{\"$ns\":[true]}}", "1:14 attribute \"a\": \"$ns\" takes numbers" },
        { &plain, "{\"a\":{\"$ns\":[\"x\"]}}", "1:14 attribute \"a\": \"x\" is not a number" },
        { &plain, "{\"a\":{\"$bs\":[\"AA==\",\"AA==\"]}}", "1:21 attribute \"a\": this member is in the set already" },
        { &plain, "{\"a\":{\"$bs\":[\"*\"]}}", "1:14 attribute \"a\": not base64 with padding" },
        { &plain, "{\"a\":{\"$m\":[]}}", "1:12 attribute \"a\": \"$m\" takes an object" },
        { &plain, "{\"a\":{\"$m\":{\"b\":1,\"b\":2}}}", "1:19 attribute \"a\": duplicate attribute \"b\"" },
        { &plain, "{\"a\":{\"$x\":1}}",
          "1:7 attribute \"a\": unknown tag \"$x\" (a map of only this attribute is written {\"$m\": {...}})" },
        { &plain, "{\"a\":{\"$s3\":{\"size\":1}}}",
          "1:22 attribute \"a\": \"$s3\" has \"size\" and \"sha256\", each once" },
        { &plain, "{\"a\":{\"$\":1}}",
          "1:7 attribute \"a\": unknown tag \"$\" (a map of only this attribute is written {\"$m\": {...}})" },
        { &plain, "{\"a\":{\"$b\":\"AA==\"", "1:18 expected ',' or '}', but the text ends here" },
        { &plain, "{\"a\":{\"$b\":", "1:12 expected a value, but the text ends here" },
        { &plain, "{\"a\":\"\xFF\"}", "1:7 not valid UTF-8" },
        { &plain, "\xEF\xBB\xBF{}", "1:1 the text begins with a byte order mark" },
        { &dynamodb, "{\"a\":1}", "1:6 attribute \"a\": expected a typed value such as {\"S\": \"...\"}" },
        { &dynamodb, "{\"a\":{\"N\":1}}", "1:11 attribute \"a\": \"N\" takes a string" },
        { &dynamodb, "{\"a\":{\"$b\":\"\"}}", "1:7 attribute \"a\": \"$b\" is no type of DynamoDB" },
        { &dynamodb, "{\"a\":{\"S\":\"x\"},\"a\":{\"S\":\"x\"}}", "1:16 duplicate attribute \"a\"" },
};

START_TEST(test_refused) {
        struct arena arena = ARENA_INIT(MIB);
        char message[ERROR_MESSAGE_LEN + 32];
        struct error e = { 0 };
        struct item item;
        int k = item_text_parse(str_of(refused[_i].in), NULL, NULL, refused[_i].o, &arena, &item, &e);

        if (refused[_i].message) {
                ck_assert_int_eq(k, -EINVAL);
                ck_assert_int_eq(e.kind, ERR_INPUT);
                (void)snprintf(message, sizeof(message), "%u:%u %s", e.line, e.column, e.message);
                ck_assert_str_eq(message, refused[_i].message);
                ck_assert_int_eq(
                        item_text_parse(str_of(refused[_i].in), NULL, NULL, refused[_i].o, &arena, &item, NULL),
                        -EINVAL);
        } else
                ck_assert_int_eq(k, 0);
        arena_deinit(&arena);
}
END_TEST

/* Names that would make the message too long are cut, at characters. */
START_TEST(test_long_names_in_messages) {
        struct arena arena = ARENA_INIT(MIB);
        struct buf text = BUF_INIT(MIB);
        struct error e = { 0 };
        struct item item;

        buf_puts(&text, "{");
        for (unsigned i = 0; i < 10; i++) {
                buf_puts(&text, "\"x");
                for (unsigned j = 0; j < 500; j++)
                        buf_puts(&text, "\xE2\x82\xAC");
                buf_puts(&text, i < 9 ? "\":{" : "\":1e200");
        }
        buf_puts(&text, "}}}}}}}}}}");
        ck_assert_int_eq(item_text_parse(buf_view(&text), NULL, NULL, &plain, &arena, &item, &e), -EINVAL);
        ck_assert(utf8_valid(str_of(e.message)));
        ck_assert_ptr_nonnull(strstr(e.message, "out of DynamoDB's range"));
        ck_assert_uint_eq(e.column, 1 + 10 * strlen("\"x\":{") + 10 * 500);
        buf_deinit(&text);
        arena_deinit(&arena);
}
END_TEST

/* ---- limits ---- */

START_TEST(test_depth) {
        static const struct {
                const char *open, *close;
                const struct item_text_options *o;
        } wraps[] = { { "[", "]", &plain },
                      { "{\"x\":", "}", &plain },
                      { "{\"$m\":{\"$x\":", "}}", &plain },
                      { "{\"L\":[", "]}", &dynamodb },
                      { "{\"M\":{\"x\":", "}}", &dynamodb } };
        bool ddb = wraps[_i].o == &dynamodb;

        for (int n = 31; n <= 32; n++) {
                struct arena arena = ARENA_INIT(MIB);
                struct buf text = BUF_INIT(MIB), out = BUF_INIT(MIB);
                struct error e = { 0 };
                struct item item;

                buf_puts(&text, "{\"a\":");
                for (int i = 0; i < n; i++)
                        buf_puts(&text, wraps[_i].open);
                buf_puts(&text, ddb ? "{\"SS\":[\"x\"]}" : "{\"$ss\":[\"x\"]}");
                for (int i = 0; i < n; i++)
                        buf_puts(&text, wraps[_i].close);
                buf_puts(&text, "}");
                if (n == 31)
                        ck_assert(
                                str_eq(parse_and_render(buf_view(&text), wraps[_i].o, &arena, &out), buf_view(&text)));
                else {
                        ck_assert_int_eq(item_text_parse(buf_view(&text), NULL, NULL, wraps[_i].o, &arena, &item, &e),
                                         -EINVAL);
                        ck_assert_ptr_nonnull(strstr(e.message, "nested deeper than 32 levels"));
                }
                buf_deinit(&text);
                buf_deinit(&out);
                arena_deinit(&arena);
        }
}
END_TEST

START_TEST(test_size) {
        struct arena arena = ARENA_INIT(64 * MIB);
        struct buf text = BUF_INIT(64 * MIB);
        struct error e = { 0 };
        struct item item;

        for (unsigned over = 0; over < 2; over++) {
                buf_reset(&text);
                buf_puts(&text, "{\"a\":\"");
                buf_fill(&text, 'x', ITEM_SIZE_MAX - 1 + over);
                buf_puts(&text, "\"}");
                ck_assert_int_eq(item_text_parse(buf_view(&text), NULL, NULL, &plain, &arena, &item, &e),
                                 over ? -EFBIG : 0);
        }
        ck_assert_int_eq(e.kind, ERR_TOO_LARGE);
        ck_assert_str_eq(e.message, "the item has 409601 bytes, DynamoDB takes 409600");
        buf_reset(&text);
        buf_fill(&text, ' ', ITEM_TEXT_MAX - 1);
        buf_puts(&text, "{}");
        ck_assert_int_eq(item_text_parse(buf_view(&text), NULL, NULL, &plain, &arena, &item, &e), -EFBIG);
        buf_reset(&text);
        buf_puts(&text, "{\"");
        buf_fill(&text, 'n', ATTRIBUTE_NAME_MAX + 1);
        buf_puts(&text, "\":1}");
        ck_assert_int_eq(item_text_parse(buf_view(&text), NULL, NULL, &plain, &arena, &item, &e), -EINVAL);
        ck_assert_ptr_nonnull(strstr(e.message, "an attribute name has 65536 bytes, DynamoDB takes 65535"));
        buf_deinit(&text);
        arena_deinit(&arena);
}
END_TEST

/* ---- keys ---- */

#define PATH                                                       \
        {                                                          \
                .n = 2, .parts = {                                 \
                        { .type = VALUE_S, .text = { "new", 3 } }, \
                        { .type = VALUE_N, .text = { "7", 1 } }    \
                }                                                  \
        }
static const struct key path = PATH;

static const struct {
        const char *in;
        bool with_path, strict;
        const char *out; /* compact, or the error */
} keys[] = {
        /* the text's own key */
        { "{\"a\":1,\"sk\":2,\"pk\":\"x\"}", false, false, "{\"pk\":\"x\",\"sk\":2,\"a\":1}" },
        { "{\"a\":1,\"sk\":2}", false, false, "1:1 key attribute \"pk\" is missing" },
        { "{\"a\":1,\"pk\":\"x\"}", false, false, "1:1 key attribute \"sk\" is missing" },
        { "{\"pk\":\"x\",\"sk\":\"2\"}", false, false, "1:11 key attribute \"sk\" is of type S, not N" },
        { "{\"pk\":\"\",\"sk\":2}", false, false, "1:2 key attribute \"pk\" is empty" },
        { "{\"pk\":null,\"sk\":2}", false, false, "1:2 key attribute \"pk\" is of type NULL, not S" },
        /* the path's */
        { "{}", true, false, "{\"pk\":\"new\",\"sk\":7}" },
        { "{\"a\":1,\"z\":2}", true, false, "{\"pk\":\"new\",\"sk\":7,\"a\":1,\"z\":2}" },
        { "{\"a\":1,\"pk\":\"old\"}", true, false, "{\"pk\":\"new\",\"sk\":7,\"a\":1}" },
        { "{\"pk\":\"\",\"sk\":8}", true, false, "{\"pk\":\"new\",\"sk\":7}" },
        { "{\"pk\":1}", true, false, "1:2 key attribute \"pk\" is of type N, not S" },
        { "{\"a\":1}", true, true, "{\"pk\":\"new\",\"sk\":7,\"a\":1}" },
        { "{\"pk\":\"new\",\"sk\":7.0}", true, true, "{\"pk\":\"new\",\"sk\":7}" },
        { "{\"pk\":\"new\",\n\"sk\":8}", true, true, "2:1 key attribute \"sk\" differs from the file's name" },
};

START_TEST(test_keys) {
        const struct item_text_options *o = keys[_i].strict ? &strict : &plain;
        struct arena arena = ARENA_INIT(MIB);
        struct buf out = BUF_INIT(MIB);
        struct error e = { 0 };
        struct item item;

        if (item_text_parse(str_of(keys[_i].in), &schema, keys[_i].with_path ? &path : NULL, o, &arena, &item, &e))
                buf_printf(&out, "%u:%u %s\n", e.line, e.column, e.message);
        else
                ck_assert_int_eq(item_text_render(&item, &schema, o, &out), 0);
        buf_truncate(&out, out.n - 1);
        ck_assert_str_eq(buf_view(&out).p, keys[_i].out);
        buf_deinit(&out);
        arena_deinit(&arena);
}
END_TEST

START_TEST(test_key_too_long) {
        struct arena arena = ARENA_INIT(MIB);
        struct buf text = BUF_INIT(MIB);
        struct error e = { 0 };
        struct item item;

        buf_puts(&text, "{\"sk\":1,\"pk\":\"");
        buf_fill(&text, 'x', 2049);
        buf_puts(&text, "\"}");
        ck_assert_int_eq(item_text_parse(buf_view(&text), &schema, NULL, &plain, &arena, &item, &e), -EINVAL);
        ck_assert_str_eq(e.message, "key attribute \"pk\" is longer than 2,048 bytes");
        ck_assert_uint_eq(e.column, 9);
        buf_deinit(&text);
        arena_deinit(&arena);
}
END_TEST

/* The key of the path is copied: the item does not borrow from it. */
START_TEST(test_path_key_is_copied) {
        struct arena arena = ARENA_INIT(MIB);
        char hash[] = "hash", range[] = "5";
        struct key k = { .n = 2,
                         .parts = { { .type = VALUE_S, .text = str_of(hash) },
                                    { .type = VALUE_N, .text = str_of(range) } } };
        struct item item;

        ck_assert_int_eq(item_text_parse(STR("{\"pk\":\"x\"}"), &schema, &k, &plain, &arena, &item, NULL), 0);
        memset(hash, '?', 4);
        memset(range, '?', 1);
        ck_assert(str_eq(item_get(&item, STR("pk"))->text, STR("hash")));
        ck_assert(str_eq(item_get(&item, STR("sk"))->text, STR("5")));
        arena_deinit(&arena);
}
END_TEST

/* ---- one value ---- */

static const struct {
        const char *in;
        const char *out; /* compact, or the error */
} values[] = {
        { "1", "1" },
        { " \"x\" \n", "\"x\"" },
        { "[1, [2], {\"a\": {\"$b\": \"\"}}]", "[1,[2],{\"a\":{\"$b\":\"\"}}]" },
        { "{\"$ss\": [\"b\", \"a\"]}", "{\"$ss\":[\"a\",\"b\"]}" },
        { "{\"$m\": {\"$ss\": [\"b\"]}}", "{\"$m\":{\"$ss\":[\"b\"]}}" },
        { "{\"$x\": 1}", "1:2 unknown tag \"$x\" (a map of only this attribute is written {\"$m\": {...}})" },
        { "1 2", "1:3 expected the end of the text, not '2'" },
        { "[1,1e200]", "1:4 [1]: number is out of DynamoDB's range, 1E-130 to 9.99...E+125" },
        { "", "1:1 expected a value, but the text ends here" },
};

START_TEST(test_value_text) {
        struct arena arena = ARENA_INIT(MIB);
        struct buf out = BUF_INIT(MIB);
        struct error e = { 0 };
        struct value v;

        if (value_text_parse(str_of(values[_i].in), &arena, &v, &e))
                buf_printf(&out, "%u:%u %s", e.line, e.column, e.message);
        else
                ck_assert_int_eq(value_text_render(&v, true, &out), 0);
        ck_assert_str_eq(buf_view(&out).p, values[_i].out);
        buf_deinit(&out);
        arena_deinit(&arena);
}
END_TEST

/* ---- random items ---- */

/* Render twice (the text is a function of the value), parse, compare. */
static void check_round_trip(const struct item *item, const struct key_schema *key, const struct item_text_options *o) {
        struct arena arena = ARENA_INIT(64 * MIB);
        struct buf text = BUF_INIT(MIB), again = BUF_INIT(MIB);
        struct error e = { 0 };
        struct item back;

        ck_assert_int_eq(item_text_render(item, key, o, &text), 0);
        ck_assert_msg(item_text_parse(buf_view(&text), key, NULL, o, &arena, &back, &e) == 0, "%u:%u %s\n%s", e.line,
                      e.column, e.message, text.p);
        ck_assert_msg(item_equal(item, &back), "%s", text.p);
        ck_assert_uint_eq(item_size(item), item_size(&back));
        ck_assert_int_eq(item_text_render(&back, key, o, &again), 0);
        ck_assert(str_eq(buf_view(&text), buf_view(&again)));
        if (o->compact)
                ck_assert_ptr_eq(memchr(text.p, '\n', text.n), text.p + text.n - 1);
        buf_deinit(&text);
        buf_deinit(&again);
        arena_deinit(&arena);
}

/* Give the item the key attributes of the schema. */
static void add_key(struct random *rnd, struct arena *arena, struct item *item) {
        struct attribute *all = arena_array(arena, item->n + 2, sizeof(*all));
        uint32_t n = 0;

        ck_assert_ptr_nonnull(all);
        for (uint32_t i = 0; i < item->n; i++)
                if (!key_schema_has(&schema, item->attributes[i].name))
                        all[n++] = item->attributes[i];
        for (uint32_t i = 0; i < 2; i++) {
                struct value *v = &all[n].value;

                all[n++].name = schema.attrs[i].name;
                *v = (struct value){ .type = schema.attrs[i].type };
                do
                        v->text = random_str(rnd, arena, v->type);
                while (v->text.n == 0);
        }
        *item = (struct item){ .n = n, .attributes = all };
        ck_assert_int_eq(attributes_sort(all, n, NULL), 0);
}

START_TEST(test_random_items) {
        struct arena arena = ARENA_INIT(64 * MIB);
        struct random rnd = random_seed();
        unsigned deepest = 0;
        struct item item;

        for (unsigned i = 0; i < 20000 / (SANITIZED ? 8 : 1); i++) {
                bool keyed = random_below(&rnd, 2);

                arena_reset(&arena);
                random_item(&rnd, &arena, &item);
                if (keyed)
                        add_key(&rnd, &arena, &item);
                for (uint32_t j = 0; j < item.n; j++)
                        deepest = MAX(deepest, value_depth(&item.attributes[j].value));
                for (unsigned form = 0; form < 4; form++) {
                        struct item_text_options o = { .format = (enum item_format)(form / 2), .compact = form % 2 };

                        check_round_trip(&item, keyed ? &schema : NULL, &o);
                }
        }
        ck_assert_uint_eq(deepest, 32);
        arena_deinit(&arena);
}
END_TEST

START_TEST(test_random_values) {
        struct arena arena = ARENA_INIT(64 * MIB), other = ARENA_INIT(64 * MIB);
        struct random rnd = random_seed();
        struct value v, back;

        for (unsigned i = 0; i < 5000 / (SANITIZED ? 8 : 1); i++) {
                struct buf text = BUF_INIT(MIB);
                struct error e = { 0 };

                arena_reset(&arena);
                arena_reset(&other);
                random_value(&rnd, &arena, 1, &v);
                ck_assert_int_eq(value_text_render(&v, i % 2, &text), 0);
                ck_assert_msg(value_text_parse(buf_view(&text), &other, &back, &e) == 0, "%s\n%s", e.message, text.p);
                ck_assert(value_equal(&v, &back));
                ck_assert_int_eq(value_copy(&arena, &back, &v), 0);
                ck_assert(value_equal(&v, &back));
                buf_deinit(&text);
        }
        arena_deinit(&arena);
        arena_deinit(&other);
}
END_TEST

START_TEST(test_no_memory) {
        struct str text = STR("{\"a\":1.0,\"b\":{\"$b\":\"AAAA\"},\"c\":\"\\n\",\"d\":{\"$ss\":[\"x\"]},\"sk\":3,\"e\":"
                              "[{\"x\":[1,2.0]}]}");
        struct buf out = BUF_INIT(MIB);
        struct error e;
        struct item item;
        int k = -ENOMEM;

        for (unsigned long n = 1; k && n < 100; n++) {
                struct arena arena = ARENA_INIT(MIB);

                mem_fail_at(n);
                k = item_text_parse(text, &schema, &path, &plain, &arena, &item, &e);
                mem_fail_at(0);
                ck_assert(k == 0 || (k == -ENOMEM && e.kind == ERR_MEMORY));
                arena_deinit(&arena);
        }
        ck_assert_int_eq(k, 0);
        k = -ENOMEM;
        for (size_t max = 0; k && max < 64 * KIB; max += 16) {
                struct arena arena = ARENA_INIT(max);

                k = item_text_parse(text, &schema, &path, &plain, &arena, &item, &e);
                ck_assert(k == 0 || k == -ENOMEM);
                if (k == 0) {
                        mem_fail_at(1);
                        ck_assert_int_eq(item_text_render(&item, &schema, &plain, &out), -ENOMEM);
                        mem_fail_at(0);
                }
                arena_deinit(&arena);
        }
        ck_assert_int_eq(k, 0);
        buf_deinit(&out);
}
END_TEST

int main(void) {
        Suite *s = suite_create("item_text");
        TCase *t = tcase_create("item_text");

        tcase_set_timeout(t, 120);
        tcase_add_loop_test(t, test_accepted, 0, (int)ARRAY_LEN(accepted));
        tcase_add_loop_test(t, test_refused, 0, (int)ARRAY_LEN(refused));
        tcase_add_test(t, test_long_names_in_messages);
        tcase_add_loop_test(t, test_depth, 0, 5);
        tcase_add_test(t, test_size);
        tcase_add_loop_test(t, test_keys, 0, (int)ARRAY_LEN(keys));
        tcase_add_test(t, test_key_too_long);
        tcase_add_test(t, test_path_key_is_copied);
        tcase_add_loop_test(t, test_value_text, 0, (int)ARRAY_LEN(values));
        tcase_add_test(t, test_random_items);
        tcase_add_test(t, test_random_values);
        tcase_add_test(t, test_no_memory);
        suite_add_tcase(s, t);
        return suite_run(s);
}
