/* SPDX-License-Identifier: Apache-2.0 */
/* Want of memory at every single allocation of whole operations: an error at worst, never a crash, a leak (under
 * LeakSanitizer), a lie about what exists, or a half-done save. */
#include "ddbfs/base/alloc.h"
#include "fixture.h"

#define ALLOCATIONS_MAX 2000 /* more than any operation makes */

#define PATH "Music/a/x.json"
#define LONG_KEY                                                                                                       \
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" \
        "aaaa"                                                                                                         \
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" \
        "aa"                                                                                                           \
        "aaaaaaaaaaaaaaaa"
#define LONG_PATH "Users/" LONG_KEY "%+/b%25.json"

static int do_lookup(struct fx *x) {
        return fx_exists(x, PATH);
}

static int do_lookup_long(struct fx *x) {
        return fx_exists(x, LONG_PATH);
}

static int do_cat(struct fx *x) {
        char text[FX_TEXT_MAX];
        int r = fx_cat(x, PATH, text);

        if (r == 0)
                ck_assert_str_eq(text, "{\n  \"Artist\": \"a\",\n  \"Song\": \"x\",\n  \"v\": 1\n}\n");
        return r;
}

static int list(struct fx *x, const char *path, bool plus, unsigned n) {
        struct fx_listing l = { .names = BUF_INIT(MIB), .plus = plus };
        int r = fx_ls(x, path, &l);

        ck_assert_msg(r < 0 || l.n == n, "%s: %u entries, and no error", path, l.n);
        buf_deinit(&l.names);
        return r;
}

static int do_ls(struct fx *x) {
        return list(x, "Music/a", false, 2);
}

static int do_ls_plus(struct fx *x) {
        return list(x, "Music/a", true, 2);
}

static int do_ls_table(struct fx *x) {
        return list(x, "Music", true, 2);
}

static int do_ls_chain(struct fx *x) {
        int r = list(x, "Users", true, 2);

        return r ? r : list(x, "Users/" LONG_KEY "%+", true, 1);
}

static int do_ls_root(struct fx *x) {
        return list(x, "/", true, 5);
}

static int do_save(struct fx *x) {
        return fx_save(x, PATH, "{\"v\":2}");
}

static int do_read_save(struct fx *x) {
        int r = do_cat(x);

        return r ? r : do_save(x);
}

static int do_create(struct fx *x) {
        return fx_save(x, "Music/a/new.json", "{\"v\":2}");
}

static int do_touch(struct fx *x) {
        return fx_touch(x, "Music/a/new.json");
}

static int do_edit(struct fx *x) {
        struct fx_file f;
        int r = fx_open(x, PATH, O_RDWR, &f), closed;

        if (r)
                return r;
        r = fx_ftruncate(&f, 0);
        if (r == 0)
                r = fx_pwrite(&f, "{\"v\":2}", 0);
        closed = fx_close(&f);
        return r ? r : closed;
}

static int do_mv(struct fx *x) {
        return fx_mv(x, PATH, "Music/a/z.json", 0);
}

static int do_exchange(struct fx *x) {
        return fx_mv(x, PATH, "Music/a/y.json", 2);
}

static int do_mv_partition(struct fx *x) {
        return fx_mv(x, "Music/a", "Music/c", 0);
}

static int do_rm(struct fx *x) {
        return fx_rm(x, PATH);
}

static int do_mkdir(struct fx *x) {
        int r = fx_mkdir(x, "Music/new");

        return r ? r : fx_rmdir(x, "Music/new");
}

static int do_scratch(struct fx *x) {
        int r = fx_save(x, "Music/a/x.json~", "{\"v\":2}");

        return r ? r : fx_mv(x, "Music/a/x.json~", PATH, 0);
}

static int do_control(struct fx *x) {
        char text[FX_TEXT_MAX];
        int r = fx_cat(x, ".ddbfs/stats.json", text);

        return r ? r : fx_cat(x, ".ddbfs/errors.jsonl", text);
}

static const struct {
        const char *name;
        int (*fn)(struct fx *);
        bool saves; /* PATH becomes v 2 when it says so */
} ops[] = {
        { "lookup", do_lookup, false },
        { "lookup of a long name", do_lookup_long, false },
        { "cat", do_cat, false },
        { "ls", do_ls, false },
        { "ls -l", do_ls_plus, false },
        { "ls of a table", do_ls_table, false },
        { "ls of a chain", do_ls_chain, false },
        { "ls of the root", do_ls_root, false },
        { "save", do_save, true },
        { "read and save", do_read_save, true },
        { "create", do_create, false },
        { "touch", do_touch, false },
        { "edit", do_edit, true },
        { "mv", do_mv, false },
        { "exchange", do_exchange, false },
        { "mv of a partition", do_mv_partition, false },
        { "rm", do_rm, false },
        { "mkdir", do_mkdir, false },
        { "scratch", do_scratch, true },
        { "control", do_control, false },
};

static void fill(struct fx *x) {
        mem_put(x->m, "Music", "{\"Artist\":\"a\",\"Song\":\"x\",\"v\":1}");
        mem_put(x->m, "Music", "{\"Artist\":\"a\",\"Song\":\"y\",\"v\":7}");
        mem_put(x->m, "Music", "{\"Artist\":\"b\",\"Song\":\"x\",\"v\":1}");
        mem_put(x->m, "Users", "{\"Id\":\"" LONG_KEY "b%\"}");
        mem_put(x->m, "Users", "{\"Id\":\"1\"}");
}

/* The value v is in exactly one place of those an operation may move it to. */
static unsigned places_of(struct fx *x, const char *v) {
        static const char *const hashes[] = { "a", "c" }, *const ranges[] = { "x", "y", "z" };
        unsigned n = 0;

        for (size_t i = 0; i < ARRAY_LEN(hashes); i++)
                for (size_t k = 0; k < ARRAY_LEN(ranges); k++) {
                        const char *text = mem_text(x->m, "Music", hashes[i], ranges[k]);

                        n += text && strstr(text, v);
                }
        return n;
}

static void check(struct fx *x, unsigned op, unsigned long n, int r) {
        const char *item = mem_text(x->m, "Music", "a", "x");

        ck_assert_msg(r == 0 || r == -ENOMEM, "%s, allocation %lu: %d", ops[op].name, n, r);
        ck_assert_uint_eq(places_of(x, "\"v\":7"), 1);
        if (ops[op].saves && r == 0)
                ck_assert_msg(item && strstr(item, "\"v\":2}"), "%s, allocation %lu: not saved: %s", ops[op].name, n,
                              item);
        if (ops[op].saves)
                ck_assert_msg(item && (strstr(item, "\"v\":2}") || strstr(item, "\"v\":1}")), "%s, allocation %lu: %s",
                              ops[op].name, n, item ? item : "gone");
        else if (ops[op].fn != do_rm)
                ck_assert_msg(places_of(x, "\"v\":1}") == 1, "%s, allocation %lu", ops[op].name, n);
        /* and it goes on */
        ck_assert_int_eq(fx_exists(x, PATH), item ? 0 : -ENOENT);
        ck_assert_ok(fx_exists(x, LONG_PATH));
        ck_assert_ok(list(x, "Users", true, 2));
}

/* Each allocation in turn, with and without a cache, until both have fewer. */
START_TEST(test_each) {
        bool reached = true, also = true;

        for (unsigned long n = 1; n <= ALLOCATIONS_MAX && (reached || also); n++) {
                struct fx x;
                int r;

                also = reached;
                fx_init(&x);
                x.o.cache_ttl_ns = n % 2 ? FS_FOREVER : 0;
                fx_start(&x);
                fill(&x);
                mem_fail_at(n);
                r = ops[_i].fn(&x);
                reached = !mem_fail_at(0);
                check(&x, (unsigned)_i, n, r);
                fx_end(&x);
        }
        ck_assert_msg(!reached && !also, "%s: more than %d allocations", ops[_i].name, ALLOCATIONS_MAX);
}
END_TEST

/* Making the file system itself. */
START_TEST(test_new) {
        for (unsigned long n = 1; n <= 40; n++) {
                struct fx x;
                int r;

                fx_init(&x);
                x.o.tables = "Music,Us*";
                mem_fail_at(n);
                r = fs_new(&x.o, mem_store_face(x.m), &x.fs);
                mem_fail_at(0);
                ck_assert(r == 0 || r == -ENOMEM);
                if (r)
                        x.fs = NULL;
                fx_end(&x);
        }
}
END_TEST

static Suite *suite(void) {
        Suite *s = suite_create("memory");
        TCase *t = tcase_create("memory");

        tcase_set_timeout(t, 120);
        tcase_add_loop_test(t, test_each, 0, ARRAY_LEN(ops));
        tcase_add_test(t, test_new);
        suite_add_tcase(s, t);
        return s;
}

int main(void) {
        return fx_run(suite());
}
