/* SPDX-License-Identifier: Apache-2.0 */
/* Errors (PRODUCT section 7): the errno the program gets, what the person is told, and no ENOENT but the service's. */
#include "fixture.h"

static const struct {
        enum error_kind kind;
        int r;
} kinds[] = {
        { ERR_NO_TABLE, -ENOENT },   { ERR_VALIDATION, -EINVAL }, { ERR_ACCESS, -EACCES },
        { ERR_BUSY, -EBUSY },        { ERR_TIMEOUT, -ETIMEDOUT }, { ERR_CONNECT, -EHOSTUNREACH },
        { ERR_INTERRUPTED, -EINTR }, { ERR_SERVICE, -EIO },       { ERR_PROTOCOL, -EIO },
        { ERR_MEMORY, -ENOMEM },     { ERR_INTERNAL, -EIO },      { ERR_TOO_LARGE, -EFBIG },
        { ERR_NO_SPACE, -ENOSPC },
};

#define PATH "Music/a/x.json"

/* ---- each operation fails by the call it makes ---- */

static int do_lookup(struct fx *x) {
        return fx_exists(x, PATH);
}

static int do_lookup_partition(struct fx *x) {
        return fx_exists(x, "Music/p2");
}

static int do_open(struct fx *x) {
        char text[FX_TEXT_MAX];

        return fx_cat(x, PATH, text);
}

static int do_open_write(struct fx *x) {
        struct fx_file f;
        int r = fx_open(x, PATH, O_RDWR, &f);

        return r ? r : fx_close(&f);
}

static int do_save(struct fx *x) {
        return fx_save(x, PATH, "{\"a\":2}");
}

static int do_create(struct fx *x) {
        return fx_save(x, "Music/a/new.json", "{\"a\":2}");
}

static int do_rm(struct fx *x) {
        return fx_rm(x, PATH);
}

static int do_mv(struct fx *x) {
        return fx_mv(x, PATH, "Music/a/y.json", 0);
}

static int do_mv_exchange(struct fx *x) {
        return fx_mv(x, PATH, "Music/a/z.json", 2);
}

static int do_ls(struct fx *x) {
        struct fx_listing l = { .names = BUF_INIT(MIB) };
        int r = fx_ls(x, "Music/a", &l);

        buf_deinit(&l.names);
        return r;
}

static int do_ls_plus(struct fx *x) {
        struct fx_listing l = { .names = BUF_INIT(MIB), .plus = true };
        int r = fx_ls(x, "Users", &l);

        buf_deinit(&l.names);
        return r;
}

static int do_ls_root(struct fx *x) {
        struct fx_listing l = { .names = BUF_INIT(MIB) };
        int r = fx_ls(x, "/", &l);

        buf_deinit(&l.names);
        return r;
}

static int do_rmdir(struct fx *x) {
        return fx_rmdir(x, "Music/a");
}

static int do_mv_partition(struct fx *x) {
        return fx_mv(x, "Music/a", "Music/b", 0);
}

static const struct {
        const char *name;
        enum mem_op op;
        int (*fn)(struct fx *);
        int fine; /* what it returns when nothing fails */
} ops[] = {
        { "lookup", MEM_GET, do_lookup, 0 },
        { "lookup of a partition", MEM_QUERY, do_lookup_partition, 0 },
        { "lookup of a table", MEM_DESCRIBE, do_lookup, 0 },
        { "open", MEM_GET, do_open, 0 },
        { "open for writing", MEM_GET, do_open_write, 0 },
        { "save", MEM_WRITE, do_save, 0 },
        { "create", MEM_WRITE, do_create, 0 },
        { "rm", MEM_WRITE, do_rm, 0 },
        { "mv", MEM_TRANSACT_WRITE, do_mv, 0 },
        { "mv, reading", MEM_GET, do_mv, 0 },
        { "exchange", MEM_TRANSACT_WRITE, do_mv_exchange, 0 },
        { "ls", MEM_QUERY, do_ls, 0 },
        { "ls of a table", MEM_SCAN, do_ls_plus, 0 },
        { "ls of the root", MEM_LIST_TABLES, do_ls_root, 0 },
        { "rmdir", MEM_QUERY, do_rmdir, -ENOTEMPTY },
        { "mv of a partition", MEM_TRANSACT_WRITE, do_mv_partition, 0 },
};

static void fill(struct fx *x) {
        mem_put(x->m, "Music", "{\"Artist\":\"a\",\"Song\":\"x\",\"v\":1}");
        mem_put(x->m, "Music", "{\"Artist\":\"a\",\"Song\":\"z\",\"v\":1}");
        mem_put(x->m, "Music", "{\"Artist\":\"p2\",\"Song\":\"z\",\"v\":1}");
        mem_put(x->m, "Users", "{\"Id\":\"1\"}");
}

static unsigned count(struct fx *x) {
        return (unsigned)mem_count(x->m, "Music");
}

START_TEST(test_kinds) {
        unsigned op = (unsigned)_i / ARRAY_LEN(kinds), kind = (unsigned)_i % ARRAY_LEN(kinds);
        struct fx x;
        int r;

        fx_init(&x);
        x.o.cache_ttl_ns = 0;
        fx_start(&x);
        fill(&x);
        mem_fail(x.m, ops[op].op, 1, 1000, kinds[kind].kind, false);
        r = ops[op].fn(&x);
        /* "no such table" while listing tables, or describing one that was listed, is nothing special */
        if (kinds[kind].kind != ERR_NO_TABLE || (ops[op].op != MEM_LIST_TABLES && ops[op].op != MEM_DESCRIBE))
                ck_assert_msg(r == kinds[kind].r, "%s, kind %d: %d, not %d", ops[op].name, kinds[kind].kind, r,
                              kinds[kind].r);
        ck_assert_uint_eq(count(&x), 3);
        ck_assert_item(&x, "Music", "a", "x", "{\"Artist\":\"a\",\"Song\":\"x\",\"v\":1}");
        mem_fail(x.m, ops[op].op, 0, 0, ERR_NONE, false);
        r = ops[op].fn(&x); /* nothing sticks */
        ck_assert_msg(r == ops[op].fine, "%s, after kind %d: %d", ops[op].name, kinds[kind].kind, r);
        fx_end(&x);
}
END_TEST

/* A store that fails at any call, in any operation, for any reason but its own word, makes nothing absent. */
START_TEST(test_never_enoent) {
        unsigned op = (unsigned)_i / ARRAY_LEN(kinds), kind = (unsigned)_i % ARRAY_LEN(kinds);

        if (kinds[kind].kind == ERR_NO_TABLE)
                return;
        for (unsigned nth = 1; nth < 12; nth += SANITIZED ? 5 : 1) {
                struct fx x;
                int r;

                fx_init(&x);
                x.o.cache_ttl_ns = nth % 2 ? 0 : FS_FOREVER;
                fx_start(&x);
                fill(&x);
                for (unsigned i = 0; i < _MEM_OP_N; i++)
                        mem_fail(x.m, (enum mem_op)i, nth, 1000, kinds[kind].kind, nth % 3 == 0);
                r = ops[op].fn(&x);
                ck_assert_msg(r != -ENOENT, "%s, call %u, kind %d", ops[op].name, nth, kinds[kind].kind);
                for (unsigned i = 0; i < _MEM_OP_N; i++)
                        mem_fail(x.m, (enum mem_op)i, 0, 0, ERR_NONE, false);
                ck_assert_int_eq(fx_exists(&x, "Music/a/z.json"), mem_text(x.m, "Music", "a", "z") ? 0 : -ENOENT);
                ck_assert_ok(fx_exists(&x, "Music/p2"));
                ck_assert_ok(fx_exists(&x, "Users/1.json"));
                fx_end(&x);
        }
}
END_TEST

/* ---- a write whose answer was lost ---- */

static const struct {
        const char *name;
        int (*fn)(struct fx *);
        enum mem_op op;
} lost[] = {
        { "save", do_save, MEM_WRITE },
        { "create", do_create, MEM_WRITE },
        { "rm", do_rm, MEM_WRITE },
        { "mv", do_mv, MEM_TRANSACT_WRITE },
        { "exchange", do_mv_exchange, MEM_TRANSACT_WRITE },
        { "mv of a partition", do_mv_partition, MEM_TRANSACT_WRITE },
};

/* Done or not, the mount then shows what the table holds. */
static void check_honest(struct fx *x) {
        static const char *const songs[] = { "x", "y", "z", "new" };
        char path[64], text[FX_TEXT_MAX];

        for (size_t i = 0; i < ARRAY_LEN(songs); i++) {
                const char *stored = mem_text(x->m, "Music", "a", songs[i]);
                int r;

                (void)snprintf(path, sizeof(path), "Music/a/%s.json", songs[i]);
                r = fx_cat(x, path, text);
                ck_assert_msg(r == (stored ? 0 : -ENOENT), "%s: %d, but %s", path, r, stored ? stored : "gone");
                if (stored)
                        ck_assert_msg(!strstr(stored, "\"a\":2") == !strstr(text, "\"a\": 2"), "%s: %s", path, text);
        }
}

START_TEST(test_lost_answers) {
        static const enum error_kind why[] = { ERR_TIMEOUT, ERR_INTERRUPTED, ERR_CONNECT, ERR_SERVICE };
        unsigned op = (unsigned)_i / 8, kind = (unsigned)_i / 2 % 4;
        char text[FX_TEXT_MAX];
        struct fx x;

        fx_init(&x);
        x.o.cache_ttl_ns = FS_FOREVER;
        fx_start(&x);
        fill(&x);
        ck_assert_ok(fx_cat(&x, PATH, text));
        ck_assert_ok(fx_cat(&x, "Music/a/z.json", text));
        ck_assert_str_eq(fx_names(&x, "Music/a"), "x.json z.json");
        mem_fail(x.m, lost[op].op, 1, 1000, why[kind], _i % 2);
        ck_assert_int_lt(lost[op].fn(&x), 0);
        mem_fail(x.m, lost[op].op, 0, 0, ERR_NONE, false);
        check_honest(&x);
        fx_end(&x);
}
END_TEST

/* ---- what the person is told ---- */

START_TEST(test_told) {
        struct buf said = BUF_INIT(KIB);
        char text[FX_TEXT_MAX];
        struct fx x;

        fx_init(&x);
        fx_clock(&x);
        fx_start(&x);
        fill(&x);
        ck_assert_int_eq(fx_error(&x, PATH, &said), -ENODATA);
        ck_assert_ok(fx_cat(&x, ".ddbfs/errors.jsonl", text));
        ck_assert_str_eq(text, "");
        ck_assert_int_eq(fx_exists(&x, "Music/a/nosuch.json"), -ENOENT); /* no event */
        ck_assert_ok(fx_cat(&x, ".ddbfs/errors.jsonl", text));
        ck_assert_str_eq(text, "");
        mem_fail(x.m, MEM_WRITE, 1, 1, ERR_ACCESS, false);
        ck_assert_int_eq(fx_save(&x, PATH, "{\"a\":2}"), -EACCES);
        ck_assert_ok(fx_cat(&x, ".ddbfs/errors.jsonl", text));
        ck_assert_ptr_nonnull(strstr(text, "\"path\": \"/Music/a/x.json\""));
        ck_assert_ptr_nonnull(strstr(text, "\"errno\": \"EACCES\""));
        ck_assert_ptr_nonnull(strstr(text, "\"code\": \"AccessDeniedException\""));
        ck_assert_ptr_nonnull(strstr(text, "\"request_id\": \"REQUEST-1\""));
        ck_assert_ptr_nonnull(strstr(text, "\"message\": \"made to fail"));
        ck_assert_ptr_nonnull(strstr(text, "\"time\": \"2023-11-14T22:13:20.000Z\""));
        ck_assert_ptr_eq(strchr(text, '\n'), text + strlen(text) - 1);
        ck_assert_ok(fx_error(&x, PATH, &said));
        ck_assert_ptr_nonnull(strstr(said.p, "EACCES"));
        buf_deinit(&said);
        fx_end(&x);
}
END_TEST

/* However many: the file keeps the newest, each a line. */
START_TEST(test_ring) {
        char text[FX_TEXT_MAX];
        struct fx_file f;
        static char all[1024 * 1024];
        unsigned lines = 0;
        struct fx x;

        fx_init(&x);
        fx_start(&x);
        fill(&x);
        for (int i = 0; i < 1000; i++) {
                (void)snprintf(text, sizeof(text), "Users/no%d.json", i);
                mem_fail(x.m, MEM_GET, 1, 1, ERR_BUSY, false);
                ck_assert_int_eq(fx_exists(&x, text), -EBUSY);
        }
        ck_assert_ok(fx_open(&x, ".ddbfs/errors.jsonl", O_RDONLY, &f));
        ck_assert_ok(fx_read(&f, all, sizeof(all)));
        fx_release(&f);
        for (const char *p = all; *p; p++)
                lines += *p == '\n';
        ck_assert_uint_ge(lines, 100);
        ck_assert_uint_le(lines, 1000);
        ck_assert_ptr_nonnull(strstr(all, "/Users/no999.json"));
        fx_end(&x);
}
END_TEST

/* Text that could not be saved is kept, with the reason beside it, and the item stays as it was. */
START_TEST(test_rejected) {
        static const struct {
                const char *text;
                enum error_kind kind;
        } cases[] = { { "{\"a\":2", ERR_NONE },
                      { "{\"a\":2}", ERR_CONNECT },
                      { "{\"a\":2}", ERR_BUSY },
                      { "{\"a\":2}", ERR_CONDITION } };
        char text[FX_TEXT_MAX], names[256];
        struct fx x;

        fx_init(&x);
        fx_start(&x);
        fill(&x);
        ck_assert_ok(fx_cat(&x, PATH, text));
        mem_fail(x.m, MEM_WRITE, 1, 1000, cases[_i].kind, false);
        ck_assert_int_lt(fx_save(&x, PATH, cases[_i].text), 0);
        mem_fail(x.m, MEM_WRITE, 0, 0, ERR_NONE, false);
        fx_restart(&x); /* survives unmount */
        (void)snprintf(names, sizeof(names), "%s", fx_names(&x, ".ddbfs/rejected/Music/a"));
        ck_assert_msg(strncmp(names, "x.json", 6) == 0, "%s", names);
        ck_assert_ok(fx_cat(&x, ".ddbfs/rejected/Music/a/x.json", text));
        ck_assert_str_eq(text, cases[_i].text);
        ck_assert_ptr_nonnull(strchr(names, ' ')); /* and why */
        ck_assert_item(&x, "Music", "a", "x", "{\"Artist\":\"a\",\"Song\":\"x\",\"v\":1}");
        fx_end(&x);
}
END_TEST

/* Ctrl-C before anything was asked: nothing is asked. */
START_TEST(test_cancelled_first) {
        struct fs_entry users, entry = { 0 };
        struct op_ctx ctx;
        struct fx x;
        int r;

        fx_init(&x);
        fx_start(&x);
        fill(&x);
        ck_assert_ok(fx_lookup(&x, "Users", &users));
        op_ctx_init(&ctx, "lookup", 0);
        op_ctx_cancel(&ctx);
        r = fs_lookup(x.fs, &ctx, users.node, STR("1.json"), &entry);
        op_ctx_deinit(&ctx);
        ck_assert_int_eq(r, -EINTR);
        ck_assert_ok(fx_exists(&x, "Users/1.json"));
        fs_forget(x.fs, users.node, 1);
        fx_end(&x);
}
END_TEST

/* The kernel is not trusted with numbers either. */
START_TEST(test_unknown_nodes) {
        struct fs_opened opened;
        struct fs_entry entry;
        struct fs_attr attr;
        struct fs_dir *d;
        struct fx x;

        fx_init(&x);
        fx_start(&x);
        ck_assert_int_eq(FX_CALL(fs_lookup(x.fs, &ctx, 4711, STR("a"), &entry)), -ESTALE);
        ck_assert_int_eq(FX_CALL(fs_getattr(x.fs, &ctx, 4711, NULL, &attr)), -ESTALE);
        ck_assert_int_eq(FX_CALL(fs_open(x.fs, &ctx, 4711, O_RDONLY, &opened)), -ESTALE);
        ck_assert_int_eq(FX_CALL(fs_opendir(x.fs, &ctx, 4711, &d)), -ESTALE);
        ck_assert_int_eq(FX_CALL(fs_unlink(x.fs, &ctx, 4711, STR("a"))), -ESTALE);
        ck_assert_int_eq(FX_CALL(fs_rename(x.fs, &ctx, 4711, STR("a"), 1, STR("b"), 0)), -ESTALE);
        ck_assert_int_eq(FX_CALL(fs_open(x.fs, &ctx, FS_ROOT, O_RDONLY, &opened)), -EISDIR);
        fs_forget(x.fs, 4711, 1);
        fs_forget(x.fs, FS_ROOT, 100);
        fs_forget(x.fs, 0, 1);
        ck_assert_ok(FX_CALL(fs_getattr(x.fs, &ctx, FS_ROOT, NULL, &attr)));
        fx_end(&x);
}
END_TEST

/* What its bits forbid, also to who is not asked by the kernel. */
START_TEST(test_control_files) {
        struct fx_file f;
        struct fx x;

        fx_init(&x);
        fx_start(&x);
        ck_assert_int_eq(fx_open(&x, ".ddbfs/stats.json", O_WRONLY, &f), -EACCES);
        ck_assert_int_eq(fx_open(&x, ".ddbfs/stats.json", O_RDWR, &f), -EACCES);
        ck_assert_int_eq(fx_truncate(&x, ".ddbfs/stats.json", 0), -EACCES);
        ck_assert_int_eq(fx_open(&x, ".ddbfs/flush", O_RDONLY, &f), -EACCES);
        ck_assert_int_eq(fx_open(&x, ".ddbfs/flush", O_RDWR, &f), -EACCES);
        ck_assert_ok(fx_truncate(&x, ".ddbfs/flush", 0));
        fx_end(&x);
}
END_TEST

static Suite *suite(void) {
        Suite *s = suite_create("errors");
        TCase *t = tcase_create("errors");

        tcase_set_timeout(t, 60);
        tcase_add_loop_test(t, test_kinds, 0, ARRAY_LEN(ops) * ARRAY_LEN(kinds));
        tcase_add_loop_test(t, test_never_enoent, 0, ARRAY_LEN(ops) * ARRAY_LEN(kinds));
        tcase_add_loop_test(t, test_lost_answers, 0, ARRAY_LEN(lost) * 8);
        tcase_add_test(t, test_told);
        tcase_add_test(t, test_ring);
        tcase_add_loop_test(t, test_rejected, 0, 4);
        tcase_add_test(t, test_cancelled_first);
        tcase_add_test(t, test_unknown_nodes);
        tcase_add_test(t, test_control_files);
        suite_add_tcase(s, t);
        return s;
}

int main(void) {
        return fx_run(suite());
}
