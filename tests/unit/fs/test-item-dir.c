/* SPDX-License-Identifier: Apache-2.0 */
/* Items as directories, attributes as files: names, listings, reading (PRODUCT sections 2 and 4). */
#include "fixture.h"

#define SONG                                                                                                             \
        "{\"Artist\":\"A\",\"Song\":\"S\",\"bin\":{\"$b\":\"AP8K\"},\"empty\":\"\",\"list\":[1,\"x\"],\"map\":{\"$ss\":1,\"b\":2}," \
        "\"n\":12.5,\"no\":null,\"nums\":{\"$ns\":[1,\"12345678901234567890\"]},\"tags\":{\"$ss\":[\"a\",\"b\"]},\"text\":\"hé\\nllo\"," \
        "\"yes\":true,\"bins\":{\"$bs\":[\"AA==\"]}}"

static const char *cat(struct fx *x, const char *path) {
        static char text[FX_TEXT_MAX];
        int r = fx_cat(x, path, text);

        if (r)
                (void)snprintf(text, sizeof(text), "errno %d", -r);
        return text;
}

START_TEST(test_read) {
        static const struct {
                const char *name, *content;
        } attrs[] = {
                { "Artist", "A" },      { "Song", "S" },  { "empty", "" },   { "list", "[\n  1,\n  \"x\"\n]" },
                { "n", "12.5" },        { "no", "null" }, { "yes", "true" }, { "text", "hé\nllo" },
                { "tags", "[\n  \"a\",\n  \"b\"\n]" },    { "nums", "[\n  1,\n  \"12345678901234567890\"\n]" },
                { "bins", "[\n  \"AA==\"\n]" },           { "map", "{\n  \"$ss\": 1,\n  \"b\": 2\n}" },
                { "none", "errno 2" },
        };
        struct fs_attr attr;
        struct fx_file f;
        char raw[16];
        struct fx x;

        fx_init(&x);
        fx_start(&x);
        mem_put(x.m, "Music", SONG);
        for (size_t i = 0; i < ARRAY_LEN(attrs); i++) {
                char path[64];

                (void)snprintf(path, sizeof(path), "Music/A/S/%s", attrs[i].name);
                ck_assert_str_eq(cat(&x, path), attrs[i].content);
                if (strcmp(attrs[i].content, "errno 2") == 0)
                        continue;
                ck_assert_ok(fx_stat(&x, path, &attr));
                ck_assert_uint_eq(attr.size, strlen(attrs[i].content));
                ck_assert_uint_eq(attr.mode, i < 2 ? S_IFREG | 0444 : S_IFREG | 0644);
        }
        ck_assert_ok(fx_open(&x, "Music/A/S/bin", O_RDONLY, &f));
        ck_assert_ok(fx_read(&f, raw, sizeof(raw)));
        ck_assert_mem_eq(raw, "\0\xFF\n", 4);
        fx_release(&f);
        ck_assert_uint_eq(mem_calls(x.m, MEM_GET) + mem_calls(x.m, MEM_QUERY), 2); /* that there is a partition; the item */
        fx_end(&x);
}
END_TEST

START_TEST(test_list) {
        struct fx x;

        fx_init(&x);
        fx_start(&x);
        mem_put(x.m, "Music", SONG);
        ck_assert_str_eq(fx_names(&x, "Music/A"), "S.json");
        mem_reset_calls(x.m);
        ck_assert_str_eq(fx_names(&x, "Music/A/S"), "Artist Song bin bins empty list map n no nums tags text yes");
        ck_assert_str_eq(cat(&x, "Music/A/S/n"), "12.5");
        ck_assert_uint_eq(mem_all_calls(x.m), 0); /* all of it was on the listing's page */
        ck_assert_int_eq(fx_exists(&x, "Music/A/T"), -ENOENT);
        ck_assert_str_eq(fx_names(&x, "Music/A"), "S.json");
        fx_end(&x);
}
END_TEST

/* An item's directory by its name: that of the file, but for the end. */
START_TEST(test_names) {
        static const struct {
                const char *id, *file, *dir;
        } names[] = {
                { "42", "42.json", "42" },
                { "a.json", "a.json.json", "a%2Ejson" },
                { ".json", "%2Ejson.json", "%2Ejson" },
                { "a.json.json", "a.json.json.json", "a.json%2Ejson" },
                { ".x", "%2Ex.json", "%2Ex" },
                { "a/b%", "a%2Fb%25.json", "a%2Fb%25" },
                { "json", "json.json", "json" },
                { "%2Ejson", "%252Ejson.json", "%252Ejson" },
        };
        struct fx x;

        fx_init(&x);
        fx_start(&x);
        for (size_t i = 0; i < ARRAY_LEN(names); i++)
                mem_putf(x.m, "Users", "{\"Id\":\"%s\",\"email\":\"of %s\"}", names[i].id, names[i].id);
        for (size_t i = 0; i < ARRAY_LEN(names); i++) {
                char path[64], expected[64];

                (void)snprintf(path, sizeof(path), "Users/%s/email", names[i].dir);
                (void)snprintf(expected, sizeof(expected), "of %s", names[i].id);
                ck_assert_str_eq(cat(&x, path), expected);
                (void)snprintf(path, sizeof(path), "Users/%s", names[i].file);
                ck_assert_ok(fx_exists(&x, path));
        }
        ck_assert_int_eq(fx_exists(&x, "Users/a%2Ejson.json"), -ENOENT); /* no name of "a.json" */
        ck_assert_int_eq(fx_exists(&x, "Users/%34%32"), -ENOENT);
        fx_end(&x);
}
END_TEST

/* Long names of items, and of attributes, are chains of directories. */
START_TEST(test_long) {
        char id[512], path[2048], expected[1024];
        static const size_t lengths[] = { 235, 238, 239, 240, 241, 243, 476, 480 };
        struct fx x;

        fx_init(&x);
        fx_start(&x);
        for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
                size_t n = lengths[i];
                const char *tail = n <= 240 ? "" : n <= 478 ? id + 238 : id + 476;

                memset(id, 'a', n);
                memcpy(id + n - 5, ".json", 6);
                mem_putf(x.m, "Users", "{\"Id\":\"%s\",\"%s\":\"%zu\",\"v\":%zu}", id, id, n, n);
                /* the last piece is written otherwise where it ends in .json */
                if (n <= 240)
                        (void)snprintf(path, sizeof(path), "Users/%.*s%%2Ejson/v", (int)(n - 5), id);
                else
                        (void)snprintf(path, sizeof(path), "Users/%.238s%%+/%s%s%.*s%s/v", id, n > 478 ? id + 238 : "", n > 478 ? "%+/" : "",
                                       (int)(strlen(tail) >= 5 ? strlen(tail) - 5 : strlen(tail)), tail, strlen(tail) >= 5 ? "%2Ejson" : "");
                if (n == 480) /* two pieces of 238, then the rest */
                        (void)snprintf(path, sizeof(path), "Users/%.238s%%+/%.238s%%+/%s/v", id, id + 238, id + 476);
                (void)snprintf(expected, sizeof(expected), "%zu", n);
                ck_assert_str_eq(cat(&x, path), expected);
                path[strlen(path) - 2] = '\0';
                if (n <= 240)
                        (void)snprintf(expected, sizeof(expected), "Id %s v", id);
                else
                        (void)snprintf(expected, sizeof(expected), "Id %.238s%%+ v", id);
                ck_assert_str_eq(fx_names(&x, path), expected);
                if (n == 243) {
                        (void)snprintf(path + strlen(path), sizeof(path) - strlen(path), "/%.238s%%+/%s", id, id + 238);
                        ck_assert_str_eq(cat(&x, path), "243");
                }
        }
        fx_end(&x);
}
END_TEST

START_TEST(test_attribute_names) {
        static const struct {
                const char *json, *file;
        } names[] = {
                { ".hidden", "%2Ehidden" }, { "a/b", "a%2Fb" },   { "x.json", "x.json" }, { "100%", "100%25" },
                { "\\u0001", "%01" },       { "backup~", "backup~" }, { "é ü", "é ü" },       { "4913", "4913" },
        };
        struct fx x;

        fx_init(&x);
        fx_start(&x);
        for (size_t i = 0; i < ARRAY_LEN(names); i++) {
                char path[64];

                mem_putf(x.m, "Users", "{\"Id\":\"42\",\"%s\":\"v%zu\"}", names[i].json, i);
                fx_restart(&x);
                (void)snprintf(path, sizeof(path), "Users/42/%s", names[i].file);
                ck_assert_int_eq(cat(&x, path)[1], (int)('0' + i));
                (void)snprintf(path, sizeof(path), "%s%s%s", i == 3 || i == 7 ? names[i].file : i == 0 || i == 4 ? names[i].file : "Id", " ",
                               i == 3 || i == 7 || i == 0 || i == 4 ? "Id" : names[i].file);
                ck_assert_str_eq(fx_names(&x, "Users/42"), path);
        }
        ck_assert_int_eq(fx_exists(&x, "Users/42/.x"), -ENOENT);
        ck_assert_int_eq(fx_exists(&x, "Users/42/%41"), -ENOENT);
        fx_end(&x);
}
END_TEST

/* Absence is said on the service's word, and remembered for as long as anything else. */
START_TEST(test_absent) {
        struct fx x;

        fx_init(&x);
        fx_start(&x);
        ck_assert_int_eq(fx_exists(&x, "Users/42"), -ENOENT);
        ck_assert_uint_eq(mem_calls(x.m, MEM_GET), 1);
        ck_assert_int_eq(fx_exists(&x, "Users/42"), -ENOENT);
        ck_assert_int_eq(fx_exists(&x, "Users/.42.swp"), -ENOENT);
        ck_assert_uint_eq(mem_calls(x.m, MEM_GET), 1);
        mem_fail_all(x.m, ERR_CONNECT);
        ck_assert_int_eq(fx_exists(&x, "Users/43"), -EHOSTUNREACH);
        mem_fail_all(x.m, ERR_NONE);
        fx_end(&x);
}
END_TEST

/* Below ranges as well, and only where the item is. */
START_TEST(test_ranges) {
        struct fx x;

        fx_init(&x);
        fx_start(&x);
        mem_put(x.m, "Music", "{\"Artist\":\"A\",\"Song\":\"a\",\"v\":1}");
        mem_put(x.m, "Music", "{\"Artist\":\"A\",\"Song\":\"b\",\"v\":2}");
        ck_assert_str_eq(cat(&x, "Music/A/.prefix/b/b/v"), "2");
        ck_assert_str_eq(cat(&x, "Music/A/.last/1/b/v"), "2");
        ck_assert_str_eq(cat(&x, "Music/A/.filter/v/2/b/v"), "2");
        ck_assert_int_eq(fx_exists(&x, "Music/A/.prefix/b/a"), -ENOENT);
        ck_assert_int_eq(fx_exists(&x, "Music/A/.last/1/a"), -ENOENT);
        ck_assert_int_eq(fx_exists(&x, "Music/A/.filter/v/2/a"), -ENOENT);
        ck_assert_uint_eq(fx_ino(&x, "Music/A/.prefix/b/b/v"), fx_ino(&x, "Music/A/b/v"));
        fx_end(&x);
}
END_TEST

/* What others change is seen after cache_ttl; the time moves with the content and only with it. */
START_TEST(test_mtime) {
        struct fs_attr before, after;
        struct fx x;

        fx_init(&x);
        fx_clock(&x);
        fx_start(&x);
        mem_put(x.m, "Users", "{\"Id\":\"42\",\"a\":1,\"b\":1}");
        ck_assert_ok(fx_stat(&x, "Users/42/a", &before));
        ck_assert_ok(fx_stat(&x, "Users/42/b", &after));
        mem_put(x.m, "Users", "{\"Id\":\"42\",\"a\":1,\"b\":22}");
        fx_advance(2 * NS_PER_S);
        ck_assert_str_eq(cat(&x, "Users/42/b"), "22");
        ck_assert_ok(fx_stat(&x, "Users/42/a", &after));
        ck_assert_uint_eq(after.mtime_ns, before.mtime_ns);
        ck_assert_ok(fx_stat(&x, "Users/42/b", &after));
        ck_assert_uint_gt(after.mtime_ns, before.mtime_ns);
        fx_end(&x);
}
END_TEST

/* -o show=all: everything that has a name without arguments, and it ends. */
START_TEST(test_show_all) {
        struct fx x;

        fx_init(&x);
        x.o.show = FS_SHOW_ALL;
        fx_start(&x);
        mem_put(x.m, "Music", "{\"Artist\":\"A\",\"Song\":\"S.json\",\"v\":1}");
        mem_put(x.m, "Users", "{\"Id\":\"42\"}");
        ck_assert_ptr_nonnull(strstr(fx_names(&x, ""), ".ddbfs"));
        ck_assert_str_eq(fx_names(&x, "Music"), ".columns .export .filter .import .info A");
        ck_assert_str_eq(fx_names(&x, "Music/A"), ".between .columns .export .filter .first .last .prefix S%2Ejson S.json.json");
        ck_assert_str_eq(fx_names(&x, "Music/A/S%2Ejson"), "Artist Song v");
        ck_assert_str_eq(fx_names(&x, "Music/A/.filter"), "");
        ck_assert_str_eq(fx_names(&x, "Users"), ".columns .export .filter .import .info 42 42.json");
        ck_assert_str_eq(fx_names(&x, "Users/42"), "Id");
        ck_assert_str_eq(fx_names(&x, "Music/A/.last/1"), "S.json.json");
        fx_end(&x);
}
END_TEST

int main(void) {
        Suite *s = suite_create("item-dir");
        TCase *t = tcase_create("reading");

        tcase_set_timeout(t, 60);
        tcase_add_test(t, test_read);
        tcase_add_test(t, test_list);
        tcase_add_test(t, test_names);
        tcase_add_test(t, test_long);
        tcase_add_test(t, test_attribute_names);
        tcase_add_test(t, test_absent);
        tcase_add_test(t, test_ranges);
        tcase_add_test(t, test_mtime);
        tcase_add_test(t, test_show_all);
        suite_add_tcase(s, t);
        return fx_run(s);
}
