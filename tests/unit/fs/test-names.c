/* SPDX-License-Identifier: Apache-2.0 */
/* Names (PRODUCT section 2): every key has exactly one path, every path at most one key. */
#include "ddbfs/codec/keyname.h"
#include "fixture.h"

/* ---- every key has a path, and the listing shows exactly it ---- */

static const struct str hostile[] = {
        { "a", 1 },
        { ".", 1 },
        { "..", 2 },
        { ".x", 2 },
        { "a/b", 3 },
        { "a\0b", 3 },
        { "\0", 1 },
        { "a\nb", 3 },
        { "%", 1 },
        { "%2F", 3 },
        { "%2f", 3 },
        { "%+", 2 },
        { "a%+", 3 },
        { "x.json", 6 },
        { ".json", 5 },
        { "x.json.json", 11 },
        { " ", 1 },
        { "a b", 3 },
        { "\x7F", 1 },
        { "\xC3\xA9", 2 },
        { "e\xCC\x81", 3 },
        { "A", 1 },
        { "a,b", 3 },
        { "@", 1 },
        { "#x#", 3 },
        { "x~", 2 },
        { ".ddbfs", 6 },
        { ".filter", 7 },
        { "\xF0\x9F\x8E\xB5", 4 },
        { "-", 1 },
        { "\\", 1 },
        { "*?[", 3 },
        { "%25", 3 },
        { "\xEF\xBB\xBF", 3 },
};

/* The path of a key as PRODUCT spells it: pieces of a long name joined by "%+/". */
static void path_of(struct buf *out, const char *table, enum value_type type, struct str hash, struct str range) {
        struct key_part parts[2] = { { .type = type, .text = hash }, { .type = type, .text = range } };

        buf_puts(out, table);
        for (int i = 0; i < (range.n ? 2 : 1); i++) {
                struct buf name = BUF_INIT(16 * KIB);
                struct str rest, piece;
                bool last = false;

                keyname_encode(&name, &parts[i], false);
                rest = buf_view(&name);
                while (!last) {
                        rest = str_skip(rest, keyname_piece(rest, &piece, &last));
                        buf_putc(out, '/');
                        buf_str(out, piece);
                        buf_puts(out, last ? "" : "%+");
                }
                buf_deinit(&name);
        }
        buf_puts(out, ".json");
        ck_assert_ok(buf_status(out));
}

/* What a walk over the whole tree finds: each file's path, in `out` one a line. */
static void find(struct fx *x, const char *path, struct buf *out, unsigned depth) {
        struct fx_listing l = { .names = BUF_INIT(16 * MIB) };
        char *save = NULL;

        ck_assert_uint_lt(depth, 64);
        ck_assert_ok(fx_ls(x, path, &l));
        for (char *p = l.n ? strtok_r(l.names.p, "\n", &save) : NULL; p; p = strtok_r(NULL, "\n", &save)) {
                struct buf below = BUF_INIT(64 * KIB);
                struct fs_attr attr;
                int r;

                buf_printf(&below, "%s/%s", path, p);
                ck_assert_uint_le(strlen(p), 255);
                r = fx_stat(x, below.p, &attr);
                ck_assert_msg(r == 0, "listed, but not there (%d): %.100s ... %s", r, below.p,
                              below.p + below.n - MIN(below.n, 100));
                if (S_ISDIR(attr.mode))
                        find(x, below.p, out, depth + 1);
                else
                        buf_printf(out, "%s\n", below.p);
                buf_deinit(&below);
        }
        buf_deinit(&l.names);
}

static unsigned times(const struct buf *all, const char *line) {
        const char *end = all->p + all->n, *next;
        size_t n = strlen(line);
        unsigned count = 0;

        for (const char *p = all->p; (next = memchr(p, '\n', (size_t)(end - p))) != NULL; p = next + 1)
                count += (size_t)(next - p) == n && memcmp(p, line, n) == 0;
        return count;
}

static unsigned lines(const struct buf *all) {
        unsigned n = 0;

        for (size_t i = 0; i < all->n; i++)
                n += all->p[i] == '\n';
        return n;
}

/* The key is at its path, the text shows the key, and find(1) sees the path once. */
static void check_key(struct fx *x, const char *table, enum value_type type, struct str hash, struct str range,
                      const struct buf *all) {
        struct buf path = BUF_INIT(64 * KIB);
        struct fs_entry entry;
        struct fx_file f;
        char text[16];

        path_of(&path, table, type, hash, range);
        ck_assert_msg(fx_lookup(x, path.p, &entry) == 0, "%.300s", path.p);
        fs_forget(x->fs, entry.node, 1);
        ck_assert_ok(fx_open(x, path.p, O_RDONLY, &f));
        ck_assert_ok(fx_read(&f, text, sizeof(text)));
        fx_release(&f);
        ck_assert_msg(times(all, path.p) == 1, "%.300s is listed %u times", path.p, times(all, path.p));
        buf_deinit(&path);
}

START_TEST(test_hostile_text) {
        struct buf all = BUF_INIT(16 * MIB);
        struct fx x;

        fx_init(&x);
        fx_start(&x);
        mem_set_page_size(x.m, 7);
        for (size_t i = 0; i < ARRAY_LEN(hostile); i++) {
                mem_put_key(x.m, "Users", hostile[i], STR_NULL);
                for (size_t k = 0; k < ARRAY_LEN(hostile); k++)
                        mem_put_key(x.m, "Music", hostile[i], hostile[k]);
        }
        find(&x, "Users", &all, 0);
        find(&x, "Music", &all, 0);
        ck_assert_uint_eq(lines(&all), ARRAY_LEN(hostile) * (1 + ARRAY_LEN(hostile)));
        for (size_t i = 0; i < ARRAY_LEN(hostile); i++) {
                check_key(&x, "Users", VALUE_S, hostile[i], STR_NULL, &all);
                for (size_t k = 0; k < ARRAY_LEN(hostile); k++)
                        check_key(&x, "Music", VALUE_S, hostile[i], hostile[k], &all);
        }
        buf_deinit(&all);
        fx_end(&x);
}
END_TEST

START_TEST(test_numbers_and_bytes) {
        static const struct str numbers[] = { { "0", 1 },
                                              { "1", 1 },
                                              { "-1", 2 },
                                              { "0.5", 3 },
                                              { "-0.001", 6 },
                                              { "12345678901234567890123456789012345678", 38 },
                                              { "10000000000000000000000000000000000000000", 41 } };
        static const struct str bytes[] = { { "\0", 1 },  { "a", 1 },        { "ab", 2 },
                                            { "abc", 3 }, { "\xFF\xFE", 2 }, { "/../", 4 } };
        struct buf all = BUF_INIT(16 * MIB);
        struct fx x;

        fx_init(&x);
        fx_start(&x);
        for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
                for (size_t k = 0; k < ARRAY_LEN(numbers); k++)
                        mem_put_key(x.m, "Num", numbers[i], numbers[k]);
        for (size_t i = 0; i < ARRAY_LEN(bytes); i++)
                for (size_t k = 0; k < ARRAY_LEN(bytes); k++)
                        mem_put_key(x.m, "Bin", bytes[i], bytes[k]);
        find(&x, "Num", &all, 0);
        find(&x, "Bin", &all, 0);
        ck_assert_uint_eq(lines(&all), ARRAY_LEN(numbers) * ARRAY_LEN(numbers) + ARRAY_LEN(bytes) * ARRAY_LEN(bytes));
        for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
                for (size_t k = 0; k < ARRAY_LEN(numbers); k++)
                        check_key(&x, "Num", VALUE_N, numbers[i], numbers[k], &all);
        for (size_t i = 0; i < ARRAY_LEN(bytes); i++)
                for (size_t k = 0; k < ARRAY_LEN(bytes); k++)
                        check_key(&x, "Bin", VALUE_B, bytes[i], bytes[k], &all);
        buf_deinit(&all);
        fx_end(&x);
}
END_TEST

/* Long keys: around every length at which a name is split, up to the service's limits, of bytes that take one, two,
 * three and four, and of escapes. */
static size_t fill(char *out, size_t n, unsigned kind, unsigned variant) {
        static const char *const units[] = { "a", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x8E\xB5", "/", "a%" };
        const char *u = units[kind];
        size_t at = 0;

        while (at + strlen(u) <= n) {
                memcpy(out + at, u, strlen(u));
                at += strlen(u);
        }
        if (at > 0 && variant)
                out[at - 1] = kind == 0 ? (char)('a' + variant) : out[at - 1];
        while (at < n)
                out[at++] = 'z';
        return n;
}

START_TEST(test_long) {
        static const size_t hash_lengths[] = { 79,  80,  81,  237, 238, 239, 240, 241, 242,  475,
                                               476, 477, 478, 479, 480, 714, 715, 716, 2047, 2048 };
        static const size_t range_lengths[] = { 80, 81, 238, 240, 241, 478, 479, 1023, 1024 };
        static char keys[64][2048], ranges[64][1024];
        struct buf all = BUF_INIT(64 * MIB);
        unsigned kind = (unsigned)_i % 6;
        const char *table = _i < 6 ? "Music" : "Bin";
        enum value_type type = _i < 6 ? VALUE_S : VALUE_B;
        struct fx x;

        fx_init(&x);
        fx_start(&x);
        mem_set_page_size(x.m, 10);
        for (size_t i = 0; i < ARRAY_LEN(hash_lengths); i++) {
                fill(keys[i], hash_lengths[i], kind, 0);
                mem_put_key(x.m, table, str_make(keys[i], hash_lengths[i]), STR("r"));
        }
        for (size_t i = 0; i < ARRAY_LEN(range_lengths); i++) {
                fill(ranges[i], range_lengths[i], kind, 0);
                mem_put_key(x.m, table, STR("p"), str_make(ranges[i], range_lengths[i]));
                mem_put_key(x.m, table, str_make(keys[19], 2048), str_make(ranges[i], range_lengths[i]));
        }
        find(&x, table, &all, 0);
        ck_assert_uint_eq(lines(&all), ARRAY_LEN(hash_lengths) + 2 * ARRAY_LEN(range_lengths));
        for (size_t i = 0; i < ARRAY_LEN(hash_lengths); i++)
                check_key(&x, table, type, str_make(keys[i], hash_lengths[i]), STR("r"), &all);
        for (size_t i = 0; i < ARRAY_LEN(range_lengths); i++) {
                check_key(&x, table, type, STR("p"), str_make(ranges[i], range_lengths[i]), &all);
                check_key(&x, table, type, str_make(keys[19], 2048), str_make(ranges[i], range_lengths[i]), &all);
        }
        buf_deinit(&all);
        fx_end(&x);
}
END_TEST

/* ---- names that are no key's ---- */

struct bad {
        const char *dir, *name;
};

#define A237                                                                              \
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" \
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" \
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define A238 A237 "a"

static const struct bad bads[] = {
        { "Users", "%2f.json" },
        { "Users", "%61.json" },
        { "Users", "%.json" },
        { "Users", "%2.json" },
        { "Users", "a%2.json" },
        { "Users", ".x.json" },
        { "Users", ".json" },
        { "Users", "a%2E.json" },
        { "Users", "\xFF.json" },
        { "Users", "\xC0\x80.json" },
        { "Users", "a\x01.json" },
        { "Users", "a\x7F.json" },
        { "Users", "\xED\xA0\x80.json" },
        { "Users", "%C3%A9.json" },
        { "Users", "a%2C.json" },
        { "Users", "%GG.json" },
        { "Log", "01.json" },
        { "Log", "1.0.json" },
        { "Log", "+1.json" },
        { "Log", "1e3.json" },
        { "Log", "-0.json" },
        { "Log", ".5.json" },
        { "Log", "x.json" },
        { "Log", " 1.json" },
        { "Log", "123456789012345678901234567890123456789.json" },
        { "Log", "NaN.json" },
        { "Bin/YQ", "YQ==.json" },
        { "Bin/YQ", "Y.json" },
        { "Bin/YQ", "YR.json" },
        { "Bin/YQ", "a+a.json" },
        { "Bin/YQ", "YQ .json" },
        { "Num/1", "1.50.json" },
        { "Num/1", "--1.json" },
        { "Users", A238 "aaa.json" },
        { "Users", A238 "%+/a.json" },
        { "Users", A238 "%+/aa.json" },
        { "Users", A237 "%+/aaaa.json" },
        { "Users", A238 "%+/.json" },
        { "Users", "a%+/bbb.json" },
        { "Users", A237 "a%+/" A237 "%+/aaaa.json" },
        { "Log", "1%+/1.json" },
};

START_TEST(test_bad_names) {
        const struct bad *b = &bads[_i];
        struct buf path = BUF_INIT(8 * KIB);
        struct fx_file f;
        struct fx x;
        int r;

        fx_init(&x);
        fx_start(&x);
        mem_put(x.m, "Bin", "{\"H\":{\"$b\":\"YQ==\"},\"R\":{\"$b\":\"YQ==\"}}");
        mem_put(x.m, "Num", "{\"H\":1,\"R\":1}");
        buf_printf(&path, "%s/%s", b->dir, b->name);
        ck_assert_int_eq(fx_exists(&x, path.p), -ENOENT);
        mem_reset_calls(x.m);
        r = fx_open(&x, path.p, O_WRONLY | O_CREAT, &f);
        if (r == 0) { /* no item, but a scratch file */
                ck_assert_int_eq(b->name[0], '.');
                ck_assert_ok(fx_close(&f));
        }
        /* EINVAL for the name itself; ENOENT where a directory on the way is none */
        ck_assert_msg(r == -EINVAL || b->name[0] == '.' || (r == -ENOENT && strchr(b->name, '/')), "%.300s: %d",
                      b->name, r);
        ck_assert_uint_eq(mem_writes(x.m), 0);
        buf_deinit(&path);
        fx_end(&x);
}
END_TEST

START_TEST(test_bad_directories) {
        static const char *const paths[] = {
                "Music/%2f", "Music/.x",         "Music/%",  "Music/x%2E", "Music/\xFF", "Num/1.0", "Num/x",
                "Bin/YQ=",   "Music/a%+b",       "Mu",       "Mu/x",       "Music@",     "nosuch",  "a b",
                "M%75sic",   "Music/" A237 "%+", "Music/a%+"
        };
        struct fx x;
        int r;

        fx_init(&x);
        fx_start(&x);
        mem_put(x.m, "Music", "{\"Artist\":\"a\",\"Song\":\"b\"}");
        if (strcmp(paths[_i], "Music/" A237 "%+") != 0) /* may begin a long name, after a wide character */
                ck_assert_int_eq(fx_exists(&x, paths[_i]), -ENOENT);
        r = fx_mkdir(&x, paths[_i]);
        ck_assert_msg(r < 0, "%.300s: made", paths[_i]);
        if (strncmp(paths[_i], "Music/", 6) == 0 && !strstr(paths[_i], "%+"))
                ck_assert_int_eq(r, -EINVAL);
        ck_assert_uint_eq(mem_writes(x.m), 0);
        fx_end(&x);
}
END_TEST

/* Items are made where they belong. */
START_TEST(test_create_places) {
        struct fx_file f;
        struct fx x;

        fx_init(&x);
        fx_start(&x);
        ck_assert_int_eq(fx_open(&x, "x.json", O_WRONLY | O_CREAT, &f), -EPERM);
        ck_assert_int_lt(fx_open(&x, "Music/x.json", O_WRONLY | O_CREAT, &f), 0);
        ck_assert_int_eq(fx_mkdir(&x, "Tables"), -EPERM);
        ck_assert_ok(fx_mkdir(&x, "Music/new"));
        ck_assert_ok(fx_open(&x, "Music/new/x.json", O_WRONLY | O_CREAT, &f));
        ck_assert_ok(fx_write(&f, "{}"));
        ck_assert_ok(fx_close(&f));
        ck_assert_item(&x, "Music", "new", "x", "{\"Artist\":\"new\",\"Song\":\"x\"}");
        ck_assert_int_lt(fx_exists(&x, "Music/new/x.json/y"), 0);
        x.o.read_only = true;
        fx_restart(&x);
        ck_assert_int_eq(fx_open(&x, "Music/new/y.json", O_WRONLY | O_CREAT, &f), -EROFS);
        ck_assert_int_eq(fx_open(&x, "Music/new/x.json", O_WRONLY, &f), -EROFS);
        ck_assert_int_eq(fx_open(&x, "Music/new/x.json", O_RDONLY | O_TRUNC, &f), -EROFS);
        ck_assert_int_eq(fx_truncate(&x, "Music/new/x.json", 0), -EROFS);
        ck_assert_int_eq(fx_rm(&x, "Music/new/x.json"), -EROFS);
        ck_assert_int_eq(fx_mv(&x, "Music/new/x.json", "Music/new/y.json", 0), -EROFS);
        ck_assert_int_eq(fx_mkdir(&x, "Music/more"), -EROFS);
        ck_assert_int_eq(fx_rmdir(&x, "Music/new"), -EROFS);
        ck_assert_uint_eq(mem_count(x.m, "Music"), 1);
        fx_end(&x);
}
END_TEST

/* ---- tables ---- */

START_TEST(test_tables_option) {
        static const struct {
                const char *option, *shown;
        } cases[] = {
                { NULL, "Bin Log Music Num Users" },
                { "*", "Bin Log Music Num Users" },
                { "Music", "Music" },
                { "Music,Users,Music", "Music Users" },
                { "?u*", "Music Num" },
                { "M*,Log", "Log Music" },
                { "Nope,Users", "Users" },
                { "[LB]*", "Bin Log" },
        };
        struct fx x;

        fx_init(&x);
        x.o.tables = cases[_i].option;
        fx_start(&x);
        ck_assert_str_eq(fx_names(&x, "/"), cases[_i].shown);
        ck_assert_int_eq(fx_exists(&x, "Bin"), strstr(cases[_i].shown, "Bin") ? 0 : -ENOENT);
        ck_assert_int_eq(fx_exists(&x, "Music"), strstr(cases[_i].shown, "Music") ? 0 : -ENOENT);
        ck_assert_int_eq(fx_exists(&x, "Nope"), -ENOENT);
        fx_end(&x);
}
END_TEST

START_TEST(test_inodes) {
        uint64_t song, partition, table;
        struct fx x;

        fx_init(&x);
        fx_start(&x);
        mem_put(x.m, "Music", "{\"Artist\":\"a\",\"Song\":\"b\"}");
        mem_put(x.m, "Music", "{\"Artist\":\"a\",\"Song\":\"c\"}");
        table = fx_ino(&x, "Music");
        partition = fx_ino(&x, "Music/a");
        song = fx_ino(&x, "Music/a/b.json");
        ck_assert_uint_ne(song, fx_ino(&x, "Music/a/c.json"));
        fx_restart(&x);
        ck_assert_uint_eq(fx_ino(&x, "Music/a/b.json"), song);
        ck_assert_uint_eq(fx_ino(&x, "Music/a"), partition);
        ck_assert_uint_eq(fx_ino(&x, "Music"), table);
        fx_end(&x);
}
END_TEST

static Suite *suite(void) {
        Suite *s = suite_create("names");
        TCase *t = tcase_create("names");

        tcase_set_timeout(t, 60);
        tcase_add_test(t, test_hostile_text);
        tcase_add_test(t, test_numbers_and_bytes);
        tcase_add_loop_test(t, test_long, 0, 12);
        tcase_add_loop_test(t, test_bad_names, 0, ARRAY_LEN(bads));
        tcase_add_loop_test(t, test_bad_directories, 0, 17);
        tcase_add_test(t, test_create_places);
        tcase_add_loop_test(t, test_tables_option, 0, 8);
        tcase_add_test(t, test_inodes);
        suite_add_tcase(s, t);
        return s;
}

int main(void) {
        return fx_run(suite());
}
