/* SPDX-License-Identifier: Apache-2.0 */
/* Saving (PRODUCT section 4): which request a save sends, and that no update of anybody's is lost. */
#include "fixture.h"

#define PATH "Users/42.json"
#define ITEM "{\"Id\":\"42\",\"a\":1,\"b\":\"x\"}"

enum how { READ, BLIND, EVICTED, HOW = 3, STRICT = 4, OVERWRITE = 8 };

/* One save of PATH: what is there, whether it was read, what others do meanwhile, what is saved. */
struct save {
        const char *name;
        const char *before; /* NULL: no item */
        unsigned how;
        const char *theirs; /* put underneath after the reading; "": deleted */
        const char *mine;
        int r;
        const char *after; /* NULL: no item */
        unsigned writes;
};

static const struct save saves[] = {
        { "one attribute", ITEM, READ, NULL, "{\"Id\":\"42\",\"a\":2,\"b\":\"x\"}", 0,
          "{\"Id\":\"42\",\"a\":2,\"b\":\"x\"}", 1 },
        { "an attribute more", ITEM, READ, NULL, "{\"Id\":\"42\",\"a\":1,\"b\":\"x\",\"c\":[1]}", 0,
          "{\"Id\":\"42\",\"a\":1,\"b\":\"x\",\"c\":[1]}", 1 },
        { "an attribute less", ITEM, READ, NULL, "{\"Id\":\"42\",\"a\":1}", 0, "{\"Id\":\"42\",\"a\":1}", 1 },
        { "another type", ITEM, READ, NULL, "{\"Id\":\"42\",\"a\":\"1\",\"b\":\"x\"}", 0,
          "{\"Id\":\"42\",\"a\":\"1\",\"b\":\"x\"}", 1 },
        { "inside a map", "{\"Id\":\"42\",\"m\":{\"x\":1,\"y\":2}}", READ, NULL,
          "{\"Id\":\"42\",\"m\":{\"x\":1,\"y\":3}}", 0, "{\"Id\":\"42\",\"m\":{\"x\":1,\"y\":3}}", 1 },
        { "unchanged", ITEM, READ, NULL, ITEM, 0, ITEM, 0 },
        { "unchanged, written otherwise", ITEM, READ, NULL, " {\"b\" : \"\\u0078\",\n\t\"a\":1.0, \"Id\":\"42\"} ", 0,
          ITEM, 0 },
        { "unchanged, without key", ITEM, READ, NULL, "{\"a\":1,\"b\":\"x\"}", 0, ITEM, 0 },
        { "unchanged, theirs stays", ITEM, READ, "{\"Id\":\"42\",\"a\":9}", ITEM, 0, "{\"Id\":\"42\",\"a\":9}", 0 },
        { "other attribute changed underneath", ITEM, READ, "{\"Id\":\"42\",\"a\":1,\"b\":\"theirs\"}",
          "{\"Id\":\"42\",\"a\":2,\"b\":\"x\"}", 0, "{\"Id\":\"42\",\"a\":2,\"b\":\"theirs\"}", 1 },
        { "other attribute added underneath", ITEM, READ, "{\"Id\":\"42\",\"a\":1,\"b\":\"x\",\"new\":true}",
          "{\"Id\":\"42\",\"a\":2,\"b\":\"x\"}", 0, "{\"Id\":\"42\",\"a\":2,\"b\":\"x\",\"new\":true}", 1 },
        { "same attribute changed underneath", ITEM, READ, "{\"Id\":\"42\",\"a\":7,\"b\":\"x\"}",
          "{\"Id\":\"42\",\"a\":2,\"b\":\"x\"}", -ESTALE, "{\"Id\":\"42\",\"a\":7,\"b\":\"x\"}", 1 },
        /* two who count up from one number have lost one if both are told it is done */
        { "same change made underneath", ITEM, READ, "{\"Id\":\"42\",\"a\":2,\"b\":\"x\"}",
          "{\"Id\":\"42\",\"a\":2,\"b\":\"x\"}", -ESTALE, "{\"Id\":\"42\",\"a\":2,\"b\":\"x\"}", 1 },
        { "attribute gone underneath", ITEM, READ, "{\"Id\":\"42\",\"b\":\"x\"}", "{\"Id\":\"42\",\"a\":2,\"b\":\"x\"}",
          -ESTALE, "{\"Id\":\"42\",\"b\":\"x\"}", 1 },
        { "attribute made by both", ITEM, READ, "{\"Id\":\"42\",\"a\":1,\"b\":\"x\",\"c\":1}",
          "{\"Id\":\"42\",\"a\":1,\"b\":\"x\",\"c\":2}", -ESTALE, "{\"Id\":\"42\",\"a\":1,\"b\":\"x\",\"c\":1}", 1 },
        { "attribute I remove changed underneath", ITEM, READ, "{\"Id\":\"42\",\"a\":1,\"b\":\"theirs\"}",
          "{\"Id\":\"42\",\"a\":1}", -ESTALE, "{\"Id\":\"42\",\"a\":1,\"b\":\"theirs\"}", 1 },
        { "one of two in conflict: neither is saved", ITEM, READ, "{\"Id\":\"42\",\"a\":1,\"b\":\"theirs\"}",
          "{\"Id\":\"42\",\"a\":2,\"b\":\"mine\"}", -ESTALE, "{\"Id\":\"42\",\"a\":1,\"b\":\"theirs\"}", 1 },
        { "deleted underneath", ITEM, READ, "", "{\"Id\":\"42\",\"a\":2,\"b\":\"x\"}", -ESTALE, NULL, 1 },
        { "deleted underneath, attribute more", "{\"Id\":\"42\"}", READ, "", "{\"Id\":\"42\",\"c\":2}", -ESTALE, NULL,
          1 },
        { "blind: whole item", ITEM, BLIND, NULL, "{\"c\":3}", 0, "{\"Id\":\"42\",\"c\":3}", 1 },
        { "blind: last writer wins", ITEM, BLIND, "{\"Id\":\"42\",\"a\":7}", "{\"c\":3}", 0, "{\"Id\":\"42\",\"c\":3}",
          1 },
        { "new item", NULL, BLIND, NULL, "{\"c\":3}", 0, "{\"Id\":\"42\",\"c\":3}", 1 },
        { "overwrite", ITEM, READ | OVERWRITE, "{\"Id\":\"42\",\"a\":7}", "{\"Id\":\"42\",\"a\":2}", 0,
          "{\"Id\":\"42\",\"a\":2}", 1 },
        { "overwrite what was deleted", ITEM, READ | OVERWRITE, "", "{\"Id\":\"42\",\"a\":2}", 0,
          "{\"Id\":\"42\",\"a\":2}", 1 },
        { "text evicted", ITEM, EVICTED, NULL, "{\"Id\":\"42\",\"a\":2,\"b\":\"x\"}", 0,
          "{\"Id\":\"42\",\"a\":2,\"b\":\"x\"}", 1 },
        { "text evicted, unchanged", ITEM, EVICTED, NULL, ITEM, 0, ITEM, 0 },
        { "text evicted, conflict", ITEM, EVICTED, "{\"Id\":\"42\",\"a\":7,\"b\":\"x\"}",
          "{\"Id\":\"42\",\"a\":2,\"b\":\"x\"}", -ESTALE, "{\"Id\":\"42\",\"a\":7,\"b\":\"x\"}", 0 },
        { "text evicted, deleted underneath", ITEM, EVICTED, "", "{\"Id\":\"42\",\"a\":2,\"b\":\"x\"}", -ESTALE, NULL,
          0 },
        { "key filled in", NULL, BLIND, NULL, "{\"v\":1}", 0, "{\"Id\":\"42\",\"v\":1}", 1 },
        { "key replaced", NULL, BLIND, NULL, "{\"Id\":\"43\",\"v\":1}", 0, "{\"Id\":\"42\",\"v\":1}", 1 },
        { "strict: key differs", NULL, BLIND | STRICT, NULL, "{\"Id\":\"43\",\"v\":1}", -EINVAL, NULL, 0 },
        { "strict: key equal", NULL, BLIND | STRICT, NULL, "{\"Id\":\"42\",\"v\":1}", 0, "{\"Id\":\"42\",\"v\":1}", 1 },
        { "strict: key missing", NULL, BLIND | STRICT, NULL, "{\"v\":1}", 0, "{\"Id\":\"42\",\"v\":1}", 1 },
        { "not JSON", ITEM, READ, NULL, "{\"a\": 1", -EINVAL, ITEM, 0 },
        { "not JSON, blind", ITEM, BLIND, NULL, "hello", -EINVAL, ITEM, 0 },
        { "white space", ITEM, BLIND, NULL, "\n", -EINVAL, ITEM, 0 },
        { "an array", ITEM, BLIND, NULL, "[]", -EINVAL, ITEM, 0 },
        { "two objects", ITEM, BLIND, NULL, "{}{}", -EINVAL, ITEM, 0 },
        { "duplicate keys", ITEM, BLIND, NULL, "{\"a\":1,\"a\":2}", -EINVAL, ITEM, 0 },
        { "39 digits", ITEM, BLIND, NULL, "{\"a\":123456789012345678901234567890123456789}", -EINVAL, ITEM, 0 },
        { "out of range", ITEM, BLIND, NULL, "{\"a\":1e126}", -EINVAL, ITEM, 0 },
        { "empty set", ITEM, BLIND, NULL, "{\"a\":{\"$ss\":[]}}", -EINVAL, ITEM, 0 },
        { "not UTF-8", ITEM, BLIND, NULL, "{\"a\":\"\xFF\"}", -EINVAL, ITEM, 0 },
};

/* Read big items until PATH's text has left a cache of 1 MiB. */
static void evict(struct fx *x) {
        static char big[300 * 1024];
        struct fx_file f;

        memset(big, 'x', sizeof(big) - 1);
        for (int i = 0; i < 6; i++) {
                char path[32];

                mem_putf(x->m, "Users", "{\"Id\":\"big%d\",\"v\":\"%s\"}", i, big);
                (void)snprintf(path, sizeof(path), "Users/big%d.json", i);
                ck_assert_ok(fx_open(x, path, O_RDONLY, &f));
                ck_assert_ok(fx_close(&f));
        }
}

static void underneath(struct fx *x, const char *theirs) {
        if (theirs && theirs[0])
                mem_put(x->m, "Users", theirs);
        else if (theirs)
                ck_assert(mem_delete(x->m, "Users", "42", NULL));
}

static void prepare(struct fx *x, const struct save *s) {
        char text[FX_TEXT_MAX];

        fx_init(x);
        x->o.text.strict_keys = s->how & STRICT;
        x->o.write_mode = s->how & OVERWRITE ? FS_WRITE_OVERWRITE : FS_WRITE_OPTIMISTIC;
        if ((s->how & HOW) == EVICTED)
                x->o.cache_size = MIB;
        fx_start(x);
        if (s->before)
                mem_put(x->m, "Users", s->before);
        if ((s->how & HOW) != BLIND)
                ck_assert_ok(fx_cat(x, PATH, text));
        if ((s->how & HOW) == EVICTED)
                evict(x);
        underneath(x, s->theirs);
        mem_reset_calls(x->m);
}

static void check_after(struct fx *x, const struct save *s, int r) {
        ck_assert_msg(r == s->r, "%s: %d, not %d", s->name, r, s->r);
        ck_assert_msg(mem_writes(x->m) == s->writes, "%s: %u writes", s->name, mem_writes(x->m));
        if (s->after)
                ck_assert_msg(mem_text(x->m, "Users", "42", NULL) &&
                                      strcmp(mem_text(x->m, "Users", "42", NULL), s->after) == 0,
                              "%s: %s", s->name, mem_text(x->m, "Users", "42", NULL));
        else
                ck_assert_msg(!mem_text(x->m, "Users", "42", NULL), "%s: it is there", s->name);
}

/* As a shell or an editor does it: truncate, write, close. */
START_TEST(test_save) {
        const struct save *s = &saves[_i];
        struct fx_file f;
        struct fx x;
        int r;

        prepare(&x, s);
        ck_assert_ok(fx_open(&x, PATH, O_WRONLY | O_CREAT | O_TRUNC, &f));
        ck_assert_ok(fx_write(&f, s->mine));
        mem_reset_calls(x.m);
        r = fx_flush(&f);
        check_after(&x, s, r);
        if (s->r == -EINVAL)
                ck_assert_uint_eq(mem_calls(x.m, MEM_GET), 0); /* refused before any request */
        fx_release(&f);
        if (s->after)
                ck_assert_pstr_eq(mem_text(x.m, "Users", "42", NULL), s->after);
        else
                ck_assert_pstr_eq(mem_text(x.m, "Users", "42", NULL), NULL);
        fx_end(&x);
}
END_TEST

/* The text arrives a byte at a time, by fsync. */
START_TEST(test_save_fsync) {
        const struct save *s = &saves[_i];
        struct fx_file f;
        struct fx x;

        prepare(&x, s);
        ck_assert_ok(fx_open(&x, PATH, O_RDWR | O_CREAT | O_TRUNC, &f));
        for (const char *p = s->mine; *p; p++)
                ck_assert_ok(fx_write(&f, (char[]){ *p, '\0' }));
        check_after(&x, s, fx_fsync(&f));
        fx_release(&f);
        fx_end(&x);
}
END_TEST

/* What a failed save says names the attribute, and the item is served as it is now. */
START_TEST(test_conflict_told) {
        struct buf said = BUF_INIT(KIB);
        char text[FX_TEXT_MAX];
        struct fx x;

        fx_init(&x);
        x.o.cache_ttl_ns = FS_FOREVER;
        fx_start(&x);
        mem_put(x.m, "Users", ITEM);
        ck_assert_ok(fx_cat(&x, PATH, text));
        mem_put(x.m, "Users", "{\"Id\":\"42\",\"a\":1,\"b\":\"theirs\"}");
        ck_assert_int_eq(fx_save(&x, PATH, "{\"a\":1,\"b\":\"mine\"}"), -ESTALE);
        ck_assert_ok(fx_error(&x, PATH, &said));
        ck_assert_ptr_nonnull(strstr(said.p, "\\\"b\\\""));
        ck_assert_ptr_nonnull(strstr(said.p, "ESTALE"));
        ck_assert_ok(fx_cat(&x, PATH, text));
        ck_assert_ptr_nonnull(strstr(text, "theirs"));
        /* having read it, a save replaces it */
        ck_assert_ok(fx_save(&x, PATH, "{\"a\":1,\"b\":\"mine\"}"));
        ck_assert_item(&x, "Users", "42", NULL, "{\"Id\":\"42\",\"a\":1,\"b\":\"mine\"}");
        buf_deinit(&said);
        fx_end(&x);
}
END_TEST

/* After a merge the mount shows the whole: own changes and theirs. */
START_TEST(test_merge_shown) {
        char text[FX_TEXT_MAX];
        struct fx x;

        fx_init(&x);
        x.o.cache_ttl_ns = FS_FOREVER;
        fx_start(&x);
        mem_put(x.m, "Users", ITEM);
        ck_assert_ok(fx_cat(&x, PATH, text));
        mem_put(x.m, "Users", "{\"Id\":\"42\",\"a\":1,\"b\":\"theirs\"}");
        ck_assert_ok(fx_save(&x, PATH, "{\"a\":2,\"b\":\"x\"}"));
        ck_assert_ok(fx_cat(&x, PATH, text));
        ck_assert_str_eq(text, "{\n  \"Id\": \"42\",\n  \"a\": 2,\n  \"b\": \"theirs\"\n}\n");
        fx_end(&x);
}
END_TEST

/* Saving again and again from one descriptor, and from one program to the next, is no conflict with oneself. */
START_TEST(test_own_saves) {
        char text[FX_TEXT_MAX];
        struct fx_file f;
        struct fx x;

        fx_init(&x);
        fx_start(&x);
        mem_put(x.m, "Users", ITEM);
        ck_assert_ok(fx_cat(&x, PATH, text));
        ck_assert_ok(fx_open(&x, PATH, O_RDWR, &f));
        for (int i = 0; i < 5; i++) {
                (void)snprintf(text, sizeof(text), "{\"Id\":\"42\",\"a\":%d}", i);
                ck_assert_ok(fx_ftruncate(&f, 0));
                ck_assert_ok(fx_pwrite(&f, text, 0));
                ck_assert_ok(fx_fsync(&f));
                ck_assert_item(&x, "Users", "42", NULL, text);
        }
        ck_assert_ok(fx_close(&f));
        for (int i = 10; i < 15; i++) {
                (void)snprintf(text, sizeof(text), "{\"Id\":\"42\",\"a\":%d}", i);
                ck_assert_ok(fx_save(&x, PATH, text));
                ck_assert_item(&x, "Users", "42", NULL, text);
        }
        fx_end(&x);
}
END_TEST

START_TEST(test_too_big) {
        static char big[401 * 1024];
        struct fx_file f;
        struct fx x;

        fx_init(&x);
        fx_start(&x);
        mem_put(x.m, "Users", ITEM);
        memset(big, 'x', sizeof(big) - 1);
        ck_assert_ok(fx_open(&x, PATH, O_WRONLY | O_TRUNC, &f));
        ck_assert_ok(fx_write(&f, "{\"a\":\""));
        ck_assert_ok(fx_write(&f, big));
        ck_assert_ok(fx_write(&f, "\"}"));
        mem_reset_calls(x.m);
        ck_assert_int_eq(fx_close(&f), -EFBIG);
        ck_assert_uint_eq(mem_all_calls(x.m), 0);
        ck_assert_item(&x, "Users", "42", NULL, ITEM);
        ck_assert_ok(fx_open(&x, PATH, O_WRONLY, &f));
        ck_assert_int_eq(fx_pwrite(&f, "x", 17 * MIB), -EFBIG);
        ck_assert_int_eq(fx_pwrite(&f, "x", UINT64_MAX - 1), -EFBIG);
        ck_assert_int_eq(fx_ftruncate(&f, 17 * MIB), -EFBIG);
        ck_assert_int_eq(fx_ftruncate(&f, UINT64_MAX), -EFBIG);
        ck_assert_ok(fx_close(&f));
        ck_assert_item(&x, "Users", "42", NULL, ITEM);
        fx_end(&x);
}
END_TEST

START_TEST(test_bad_text_told) {
        struct buf said = BUF_INIT(KIB);
        struct fx x;

        fx_init(&x);
        fx_start(&x);
        mem_put(x.m, "Users", ITEM);
        ck_assert_int_eq(fx_save(&x, PATH, "{\n  \"a\": 1,\n  \"a\": 2\n}\n"), -EINVAL);
        ck_assert_ok(fx_error(&x, PATH, &said));
        ck_assert_ptr_nonnull(strstr(said.p, "\"line\": 3"));
        ck_assert_ptr_nonnull(strstr(said.p, "\"column\": 3"));
        buf_deinit(&said);
        fx_end(&x);
}
END_TEST

/* More changes than the expressions of one update carry: saved or refused, never half saved, and theirs survives. */
START_TEST(test_many_attributes) {
        struct buf one = BUF_INIT(MIB), two = BUF_INIT(MIB);
        char text[FX_TEXT_MAX];
        struct fx x;
        int r;

        buf_puts(&one, "{\"Id\":\"42\",\"theirs\":1");
        buf_puts(&two, "{\"Id\":\"42\",\"theirs\":1");
        for (int i = 0; i < 400; i++) {
                buf_printf(&one, ",\"attr%d\":1", i);
                buf_printf(&two, ",\"attr%d\":2", i);
        }
        buf_putc(&one, '}');
        buf_putc(&two, '}');
        fx_init(&x);
        fx_start(&x);
        mem_put(x.m, "Users", one.p);
        ck_assert_ok(fx_cat(&x, PATH, text));
        one.p[strlen("{\"Id\":\"42\",\"theirs\":")] = '7';
        mem_put(x.m, "Users", one.p);
        r = fx_save(&x, PATH, two.p);
        ck_assert_ptr_nonnull(strstr(mem_text(x.m, "Users", "42", NULL), "\"theirs\":7"));
        ck_assert(r == 0 || r == -ESTALE || r == -EINVAL);
        ck_assert_ptr_nonnull(strstr(mem_text(x.m, "Users", "42", NULL), r ? "\"attr0\":1," : "\"attr0\":2,"));
        ck_assert_ptr_nonnull(strstr(mem_text(x.m, "Users", "42", NULL), r ? "\"attr399\":1," : "\"attr399\":2,"));
        buf_deinit(&one);
        buf_deinit(&two);
        fx_end(&x);
}
END_TEST

/* ---- what was read decides, however it is written ---- */

/* Written in place, without truncation first (rsync --inplace, dd conv=notrunc): the version that was read counts. */
START_TEST(test_in_place) {
        char text[FX_TEXT_MAX];
        struct fx_file f;
        struct fx x;
        int r;

        fx_init(&x);
        fx_start(&x);
        mem_put(x.m, "Users", ITEM);
        ck_assert_ok(fx_cat(&x, PATH, text));
        mem_put(x.m, "Users", "{\"Id\":\"42\",\"a\":7,\"b\":\"x\"}");
        ck_assert_ok(fx_open(&x, PATH, O_WRONLY, &f));
        ck_assert_ok(fx_write(&f, "{\"Id\":\"42\",\"a\":2,\"b\":\"x\"}"));
        ck_assert_ok(fx_ftruncate(&f, f.pos));
        r = fx_close(&f);
        ck_assert_item(&x, "Users", "42", NULL, "{\"Id\":\"42\",\"a\":7,\"b\":\"x\"}");
        ck_assert_int_eq(r, -ESTALE);
        fx_end(&x);
}
END_TEST

/* Read and written by one descriptor: the text it was given at open counts, though an older one was read before. */
START_TEST(test_read_write_descriptor) {
        char text[FX_TEXT_MAX];
        struct fx_file f;
        struct fx x;

        fx_init(&x);
        fx_start(&x);
        mem_put(x.m, "Users", ITEM);
        ck_assert_ok(fx_cat(&x, PATH, text));
        mem_put(x.m, "Users", "{\"Id\":\"42\",\"a\":7,\"b\":\"x\"}");
        ck_assert_ok(fx_open(&x, PATH, O_RDWR, &f));
        ck_assert_ok(fx_read(&f, text, sizeof(text)));
        ck_assert_ptr_nonnull(strstr(text, "\"a\": 7"));
        ck_assert_ok(fx_ftruncate(&f, 0));
        ck_assert_ok(fx_pwrite(&f, "{\"a\":8,\"b\":\"x\"}", 0));
        ck_assert_ok(fx_close(&f));
        ck_assert_item(&x, "Users", "42", NULL, "{\"Id\":\"42\",\"a\":8,\"b\":\"x\"}");
        fx_end(&x);
}
END_TEST

/* The version counts for as long as somebody may have it, however many other items were read or listed since. */
START_TEST(test_remembered_over_listing) {
        struct fx_listing l = { .names = BUF_INIT(MIB), .plus = true };
        char text[FX_TEXT_MAX];
        struct fx x;
        int r;

        fx_init(&x);
        x.o.cache_size = MIB; /* the smallest there is */
        fx_start(&x);
        mem_put(x.m, "Users", ITEM);
        for (int i = 0; i < 10000; i++)
                mem_putf(x.m, "Log", "{\"Id\":%d,\"v\":1}", i);
        ck_assert_ok(fx_cat(&x, PATH, text));
        ck_assert_ok(fx_ls(&x, "Log", &l));
        ck_assert_uint_eq(l.n, 10000);
        mem_put(x.m, "Users", "{\"Id\":\"42\",\"a\":7,\"b\":\"x\"}");
        r = fx_save(&x, PATH, "{\"Id\":\"42\",\"a\":2,\"b\":\"x\"}");
        ck_assert_item(&x, "Users", "42", NULL, "{\"Id\":\"42\",\"a\":7,\"b\":\"x\"}");
        ck_assert_int_eq(r, -ESTALE);
        buf_deinit(&l.names);
        fx_end(&x);
}
END_TEST

/* A new file that somebody else made meanwhile, and that was read here: the save knows what was read. */
START_TEST(test_new_but_read_meanwhile) {
        char text[FX_TEXT_MAX];
        struct fx_file f;
        struct fx x;
        int r;

        fx_init(&x);
        x.o.cache_ttl_ns = 0;
        fx_start(&x);
        ck_assert_ok(fx_open(&x, PATH, O_WRONLY | O_CREAT, &f));
        mem_put(x.m, "Users", ITEM);
        ck_assert_ok(fx_cat(&x, PATH, text));
        ck_assert_ptr_nonnull(strstr(text, "\"a\": 1"));
        mem_put(x.m, "Users", "{\"Id\":\"42\",\"a\":7,\"b\":\"x\"}");
        ck_assert_ok(fx_write(&f, "{\"a\":2,\"b\":\"x\"}"));
        r = fx_close(&f);
        ck_assert_item(&x, "Users", "42", NULL, "{\"Id\":\"42\",\"a\":7,\"b\":\"x\"}");
        ck_assert_int_eq(r, -ESTALE);
        fx_end(&x);
}
END_TEST

/* What another program of this mount wrote is what there is: writing over it is no conflict with anybody. */
START_TEST(test_own_rename_is_no_conflict) {
        char text[FX_TEXT_MAX];
        struct fx x;

        fx_init(&x);
        fx_start(&x);
        mem_put(x.m, "Users", ITEM);
        mem_put(x.m, "Users", "{\"Id\":\"43\",\"z\":1}");
        ck_assert_ok(fx_cat(&x, PATH, text));
        ck_assert_ok(fx_mv(&x, "Users/43.json", PATH, 0));
        ck_assert_ok(fx_save(&x, PATH, "{\"Id\":\"42\",\"a\":2}"));
        ck_assert_item(&x, "Users", "42", NULL, "{\"Id\":\"42\",\"a\":2}");
        fx_end(&x);
}
END_TEST

/* O_EXCL is a conditional put: who loses the race hears of it and overwrites nothing. */
START_TEST(test_exclusive) {
        struct fx_file f;
        struct fx x;

        fx_init(&x);
        fx_start(&x);
        ck_assert_ok(fx_open(&x, PATH, O_WRONLY | O_CREAT | O_EXCL, &f));
        ck_assert_ok(fx_write(&f, "{\"a\":2}"));
        mem_put(x.m, "Users", ITEM);
        ck_assert_int_eq(fx_close(&f), -EEXIST);
        ck_assert_item(&x, "Users", "42", NULL, ITEM);
        ck_assert_int_eq(fx_open(&x, PATH, O_WRONLY | O_CREAT | O_EXCL, &f), -EEXIST);
        ck_assert_ok(fx_open(&x, "Users/43.json", O_WRONLY | O_CREAT | O_EXCL, &f));
        ck_assert_ok(fx_write(&f, "{\"a\":2}"));
        ck_assert_ok(fx_fsync(&f)); /* now it is there, and its own */
        ck_assert_ok(fx_pwrite(&f, "{\"a\":3}", 0));
        ck_assert_ok(fx_close(&f));
        ck_assert_item(&x, "Users", "43", NULL, "{\"Id\":\"43\",\"a\":3}");
        fx_end(&x);
}
END_TEST

static Suite *suite(void) {
        Suite *s = suite_create("commit");
        TCase *t = tcase_create("commit");

        tcase_set_timeout(t, 60);
        tcase_add_loop_test(t, test_save, 0, ARRAY_LEN(saves));
        tcase_add_loop_test(t, test_save_fsync, 0, ARRAY_LEN(saves));
        tcase_add_test(t, test_conflict_told);
        tcase_add_test(t, test_merge_shown);
        tcase_add_test(t, test_own_saves);
        tcase_add_test(t, test_too_big);
        tcase_add_test(t, test_bad_text_told);
        tcase_add_test(t, test_many_attributes);
        tcase_add_test(t, test_in_place);
        tcase_add_test(t, test_read_write_descriptor);
        tcase_add_test(t, test_remembered_over_listing);
        tcase_add_test(t, test_new_but_read_meanwhile);
        tcase_add_test(t, test_own_rename_is_no_conflict);
        tcase_add_test(t, test_exclusive);
        suite_add_tcase(s, t);
        return s;
}

int main(void) {
        return fx_run(suite());
}
