/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Golden files: DDBFS_GOLDEN/<case>/item.json (DynamoDB JSON) is rendered in each form and compared with
 * expected*.txt byte for byte, then read back.  key.txt, where there is one, names the key attributes, one
 * per line: "NAME TYPE", hash then range.  UPDATE_GOLDEN=1 writes the expected files anew.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include "ddbfs/codec/item_text.h"
#include "ddbfs/codec/wire.h"
#include "../suite.h"

#define CASES_MAX 64

static char cases[CASES_MAX][64];
static int n_cases;

static const struct {
        const char *file;
        struct item_text_options o;
} forms[] = {
        { "expected.txt", { .format = ITEM_FORMAT_PLAIN } },
        { "expected-compact.txt", { .format = ITEM_FORMAT_PLAIN, .compact = true } },
        { "expected-dynamodb.txt", { .format = ITEM_FORMAT_DYNAMODB } },
        { "expected-dynamodb-compact.txt", { .format = ITEM_FORMAT_DYNAMODB, .compact = true } },
};

static const char *golden_file(const char *name, const char *file) {
        static char path[4096];

        (void)snprintf(path, sizeof(path), "%s/%s/%s", getenv("DDBFS_GOLDEN"), name, file);
        return path;
}

/* false: there is no such file. */
static bool read_file(const char *name, const char *file, struct buf *out) {
        FILE *f = fopen(golden_file(name, file), "rb");
        char *p;

        if (!f)
                return false;
        p = buf_reserve(out, MIB);
        ck_assert_ptr_nonnull(p);
        buf_commit(out, fread(p, 1, MIB, f));
        ck_assert_int_eq(fclose(f), 0);
        return true;
}

static void write_file(const char *name, const char *file, struct str text) {
        FILE *f = fopen(golden_file(name, file), "wb");

        ck_assert_ptr_nonnull(f);
        ck_assert_uint_eq(fwrite(text.p, 1, text.n, f), text.n);
        ck_assert_int_eq(fclose(f), 0);
}

/* key.txt to a schema that borrows from text. */
static const struct key_schema *read_key(const char *name, struct buf *text, struct key_schema *schema) {
        struct str rest;
        uint32_t n = 0;

        if (!read_file(name, "key.txt", text))
                return NULL;
        for (rest = buf_view(text); rest.n > 0; n++) {
                const char *space = memchr(rest.p, ' ', rest.n), *end = memchr(rest.p, '\n', rest.n);

                ck_assert(space && end && space < end && n < 2);
                schema->attrs[n].name = str_make(rest.p, (size_t)(space - rest.p));
                ck_assert(value_type_from_name(str_make(space + 1, (size_t)(end - space - 1)), &schema->attrs[n].type));
                rest = str_skip(rest, (size_t)(end + 1 - rest.p));
        }
        schema->n_hash = 1;
        schema->n_range = n - 1;
        return schema;
}

static void check_form(const char *name, const struct item *item, const struct key_schema *key, size_t form) {
        struct buf out = BUF_INIT(MIB), expected = BUF_INIT(2 * MIB);
        const char *file = forms[form].file;
        struct arena arena = ARENA_INIT(16 * MIB);
        struct error e = { 0 };
        struct item back;

        ck_assert_int_eq(item_text_render(item, key, &forms[form].o, &out), 0);
        if (getenv("UPDATE_GOLDEN"))
                write_file(name, file, buf_view(&out));
        ck_assert_msg(read_file(name, file, &expected), "%s", golden_file(name, file));
        ck_assert_msg(str_eq(buf_view(&out), buf_view(&expected)), "%s\n%s", golden_file(name, file), out.p);
        ck_assert_msg(item_text_parse(buf_view(&expected), key, NULL, &forms[form].o, &arena, &back, &e) == 0,
                      "%s:%u:%u: %s", golden_file(name, file), e.line, e.column, e.message);
        ck_assert(item_equal(item, &back));
        buf_deinit(&out);
        buf_deinit(&expected);
        arena_deinit(&arena);
}

START_TEST(test_golden) {
        struct buf text = BUF_INIT(2 * MIB), key_text = BUF_INIT(2 * MIB);
        struct arena arena = ARENA_INIT(16 * MIB);
        struct key_schema schema = { 0 };
        const struct key_schema *key;
        const char *name = cases[_i];
        struct json_reader r;
        struct item item;

        ck_assert(read_file(name, "item.json", &text));
        key = read_key(name, &key_text, &schema);
        json_reader_init(&r, buf_view(&text), &arena, WIRE_MAX_DEPTH);
        ck_assert_msg(wire_read_item(&r, &item) == 0, "%s:%u:%u: %s", name, r.error.line, r.error.column,
                      r.error.message);
        for (size_t i = 0; i < ARRAY_LEN(forms); i++)
                check_form(name, &item, key, i);
        buf_deinit(&text);
        buf_deinit(&key_text);
        arena_deinit(&arena);
}
END_TEST

static void find_cases(void) {
        const char *folder = getenv("DDBFS_GOLDEN");
        DIR *d = folder ? opendir(folder) : NULL;
        struct dirent *e;

        while (d && (e = readdir(d)) && n_cases < CASES_MAX)
                if (e->d_name[0] != '.' && strlen(e->d_name) < sizeof(cases[0]))
                        memcpy(cases[n_cases++], e->d_name, strlen(e->d_name) + 1);
        if (d)
                closedir(d);
        qsort(cases, (size_t)n_cases, sizeof(cases[0]), (int (*)(const void *, const void *))strcmp);
}

START_TEST(test_there_are_cases) {
        ck_assert_msg(n_cases > 0, "DDBFS_GOLDEN names no folder with cases");
}
END_TEST

int main(void) {
        Suite *s = suite_create("item_golden");
        TCase *t = tcase_create("item_golden");

        find_cases();
        tcase_add_test(t, test_there_are_cases);
        tcase_add_loop_test(t, test_golden, 0, n_cases);
        suite_add_tcase(s, t);
        return suite_run(s);
}
