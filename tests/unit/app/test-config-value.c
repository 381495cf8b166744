/* SPDX-License-Identifier: Apache-2.0 */
/* Text <-> value of every type; distance of names. */
#include <errno.h>
#include "config_internal.h"
#include "../suite.h"

struct target {
        uint64_t number;
        char *text;
        bool flag;
};

static const char *const colours[] = { "red", "green", NULL };

static const struct config_option options[] = {
        [OPTION_BOOL] = { .name = "b", .type = OPTION_BOOL, .offset = offsetof(struct target, flag) },
        [OPTION_INT] = { .name = "i", .type = OPTION_INT, .min = 1, .max = 100, .argument = "N", .by_default = "1" },
        [OPTION_OCTAL] = { .name = "o", .type = OPTION_OCTAL, .max = 0777, .argument = "M", .by_default = "0" },
        [OPTION_SIZE] = { .name = "s", .type = OPTION_SIZE, .min = 10, .max = UINT64_MAX, .argument = "S",
                          .by_default = "10" },
        [OPTION_TIME] = { .name = "t", .type = OPTION_TIME, .max = UINT64_MAX - 1, .flags = OPTION_FOREVER,
                          .argument = "T", .by_default = "0" },
        [OPTION_ENUM] = { .name = "e", .type = OPTION_ENUM, .names = colours, .argument = "E", .by_default = "red" },
        [OPTION_STRING] = { .name = "x", .type = OPTION_STRING, .offset = offsetof(struct target, text),
                            .argument = "X" },
};

static const struct {
        enum option_type type;
        const char *text;
        uint64_t value;     /* of a number or bool */
        const char *shown;  /* canonical; NULL: refused */
        const char *message;/* part of it */
} values[] = {
        { OPTION_BOOL, NULL, 1, "true", NULL },
        { OPTION_BOOL, "yes", 1, "true", NULL },
        { OPTION_BOOL, "ON", 1, "true", NULL },
        { OPTION_BOOL, "0", 0, "false", NULL },
        { OPTION_BOOL, "maybe", 0, NULL, "shown: 'maybe' is not yes or no" },
        { OPTION_BOOL, "", 0, NULL, "not yes or no" },
        { OPTION_INT, "1", 1, "1", NULL },
        { OPTION_INT, "100", 100, "100", NULL },
        { OPTION_INT, "007", 7, "7", NULL },
        { OPTION_INT, "0", 0, NULL, "out of range (1 to 100)" },
        { OPTION_INT, "101", 0, NULL, "out of range" },
        { OPTION_INT, "-1", 0, NULL, "not a number" },
        { OPTION_INT, "+1", 0, NULL, "not a number" },
        { OPTION_INT, " 1", 0, NULL, "not a number" },
        { OPTION_INT, "1 ", 0, NULL, "not a number" },
        { OPTION_INT, "1k", 0, NULL, "not a number" },
        { OPTION_INT, "", 0, NULL, "not a number" },
        { OPTION_INT, "18446744073709551616", 0, NULL, "not a number" },
        { OPTION_INT, NULL, 0, NULL, "needs a value (N)" },
        { OPTION_OCTAL, "022", 022, "022", NULL },
        { OPTION_OCTAL, "77", 077, "077", NULL },
        { OPTION_OCTAL, "0", 0, "000", NULL },
        { OPTION_OCTAL, "8", 0, NULL, "not an octal number" },
        { OPTION_OCTAL, "1000", 0, NULL, "out of range (000 to 777)" },
        { OPTION_SIZE, "10", 10, "10", NULL },
        { OPTION_SIZE, "1K", 1024, "1K", NULL },
        { OPTION_SIZE, "1025", 1025, "1025", NULL },
        { OPTION_SIZE, "64m", 64 * MIB, "64M", NULL },
        { OPTION_SIZE, "1024M", GIB, "1G", NULL },
        { OPTION_SIZE, "17179869183G", 17179869183 * GIB, "17179869183G", NULL },
        { OPTION_SIZE, "17179869184G", 0, NULL, "not a size" },
        { OPTION_SIZE, "9", 0, NULL, "out of range" },
        { OPTION_SIZE, "1T", 0, NULL, "not a size" },
        { OPTION_SIZE, "1.5M", 0, NULL, "not a size" },
        { OPTION_SIZE, "M", 0, NULL, "not a size" },
        { OPTION_TIME, "0", 0, "0", NULL },
        { OPTION_TIME, "1", NS_PER_S, "1s", NULL },
        { OPTION_TIME, "1s", NS_PER_S, "1s", NULL },
        { OPTION_TIME, "60", 60 * NS_PER_S, "1m", NULL },
        { OPTION_TIME, "90s", 90 * NS_PER_S, "90s", NULL },
        { OPTION_TIME, "1.5m", 90 * NS_PER_S, "90s", NULL },
        { OPTION_TIME, "0.5", 500 * NS_PER_MS, "500ms", NULL },
        { OPTION_TIME, "250ms", 250 * NS_PER_MS, "250ms", NULL },
        { OPTION_TIME, "0.25ms", 250000, "250us", NULL },
        { OPTION_TIME, "1h", 3600 * NS_PER_S, "1h", NULL },
        { OPTION_TIME, "7ns", 7, "7ns", NULL },
        { OPTION_TIME, "0.999999999h", 3599999996400, "3599999996400ns", NULL },
        { OPTION_TIME, "forever", CONFIG_FOREVER, "forever", NULL },
        { OPTION_TIME, "5124095h", UINT64_C(5124095) * 3600 * NS_PER_S, "5124095h", NULL },
        { OPTION_TIME, "5124096h", 0, NULL, "not a time" },
        { OPTION_TIME, "1.", 0, NULL, "not a time" },
        { OPTION_TIME, ".5", 0, NULL, "not a time" },
        { OPTION_TIME, "1.0000000001", 0, NULL, "not a time" },
        { OPTION_TIME, "1 s", 0, NULL, "not a time" },
        { OPTION_TIME, "1d", 0, NULL, "or forever" },
        { OPTION_ENUM, "red", 0, "red", NULL },
        { OPTION_ENUM, "green", 1, "green", NULL },
        { OPTION_ENUM, "blue", 0, NULL, "one of red, green" },
        { OPTION_ENUM, "", 0, NULL, "one of" },
        { OPTION_STRING, "a\"b", 0, "a\"b", NULL },
        { OPTION_STRING, "", 0, NULL, "must not be empty" },
};

START_TEST(value) {
        const struct config_option *o = &options[values[_i].type];
        struct target t = { .number = 4711 };
        struct buf out = BUF_INIT(KIB);
        struct error e;
        int r = option_set(o, &t, values[_i].text, "shown", &e);

        if (!values[_i].shown) {
                ck_assert_int_eq(r, -EINVAL);
                ck_assert_msg(strstr(e.message, values[_i].message) != NULL, "%s", e.message);
                ck_assert_uint_eq(t.number, 4711);
        } else {
                ck_assert_msg(r == 0, "%s: %s", values[_i].text, e.message);
                if (o->type == OPTION_BOOL)
                        ck_assert_uint_eq(t.flag, values[_i].value);
                else if (o->type != OPTION_STRING)
                        ck_assert_uint_eq(t.number, values[_i].value);
                option_render_text(o, &t, &out);
                ck_assert_str_eq(out.p, values[_i].shown);
        }
        buf_deinit(&out);
        mem_free(t.text);
}
END_TEST

/* A default is written as it would be rendered, and every option can hold its own. */
START_TEST(table_defaults) {
        const struct config_option *o = &config_options[_i];
        struct config c = { .help = false };
        struct buf out = BUF_INIT(KIB);
        struct error e;

        ck_assert_ptr_nonnull(o->help);
        ck_assert(o->argument != NULL || o->type == OPTION_BOOL);
        ck_assert(strlen(o->name) < OPTION_DISTANCE_MAX);
        for (size_t i = 0; i < (size_t)_i; i++)
                ck_assert(!option_name_eq(str_of(config_options[i].name), str_of(o->name)));
        if (o->by_default) {
                ck_assert_int_eq(option_set(o, &c, o->by_default, o->name, &e), 0);
                option_render_text(o, &c, &out);
                ck_assert_str_eq(out.p, o->by_default);
        }
        buf_deinit(&out);
        config_deinit(&c);
}
END_TEST

START_TEST(json) {
        struct config_option secret = options[OPTION_STRING];
        char text[] = "a\"b\n", bad[] = "\xff";
        struct target t = { .number = 90 * NS_PER_S, .text = text };
        struct buf out = BUF_INIT(KIB);

        secret.flags = OPTION_SECRET;
        option_render_json(&secret, &t, &out);
        buf_putc(&out, ' ');
        option_render_json(&options[OPTION_STRING], &t, &out);
        buf_putc(&out, ' ');
        option_render_json(&options[OPTION_TIME], &t, &out);
        buf_putc(&out, ' ');
        option_render_json(&options[OPTION_BOOL], &t, &out);
        buf_putc(&out, ' ');
        t.text = bad;
        option_render_json(&options[OPTION_STRING], &t, &out);
        buf_putc(&out, ' ');
        t.text = NULL;
        option_render_json(&secret, &t, &out);
        ck_assert_str_eq(out.p, "\"***\" \"a\\\"b\\n\" \"90s\" false \"?\" null");
        buf_deinit(&out);
}
END_TEST

static const struct {
        const char *a, *b;
        unsigned distance;
} distances[] = {
        { "", "", 0 },           { "abc", "", 3 },     { "", "abc", 3 },   { "abc", "abc", 0 },
        { "a-b", "a_b", 0 },     { "abc", "abd", 1 },  { "abc", "ab", 1 }, { "abc", "acb", 1 },
        { "cach_tll", "cache_ttl", 2 }, { "kitten", "sitting", 3 }, { "ca", "abc", 3 },
        { "a234567890123456789012345678901234567890", "x", OPTION_DISTANCE_MAX },
};

START_TEST(distance) {
        ck_assert_uint_eq(option_distance(str_of(distances[_i].a), str_of(distances[_i].b)), distances[_i].distance);
        ck_assert_uint_eq(option_distance(str_of(distances[_i].b), str_of(distances[_i].a)), distances[_i].distance);
}
END_TEST

int main(void) {
        Suite *s = suite_create("config-value");
        TCase *tc = tcase_create("all");

        tcase_add_loop_test(tc, value, 0, ARRAY_LEN(values));
        tcase_add_loop_test(tc, table_defaults, 0, (int)n_config_options);
        tcase_add_test(tc, json);
        tcase_add_loop_test(tc, distance, 0, ARRAY_LEN(distances));
        suite_add_tcase(s, tc);
        return suite_run(s);
}
