/* SPDX-License-Identifier: Apache-2.0 */
/* Attributes written, removed and renamed as files (PRODUCT section 4): types kept, nobody's update lost. */
#include <linux/fs.h>
#include <string.h>
#include "fixture.h"

#define ITEM "{\"Id\":\"42\",\"b\":{\"$b\":\"AA==\"},\"l\":[1],\"n\":5,\"s\":\"x\",\"ss\":{\"$ss\":[\"a\"]},\"t\":true,\"z\":null}"

enum how { BLIND, READ_ATTR, READ_ITEM, READ_BOTH = READ_ATTR | READ_ITEM, OVERWRITE = 4 };

struct save {
        const char *name, *attr;
        unsigned how;
        const char *theirs; /* put underneath after the reading; "": deleted */
        const char *mine;   /* NULL: opened and closed */
        int r;
        const char *after;  /* of the attribute, compact, in the item's text; NULL: it is not there; "": as it was */
        unsigned writes;
};

#define AS_IT_WAS ""

static const struct save saves[] = {
        { "text", "s", READ_ATTR, NULL, "yz\n", 0, "\"yz\\n\"", 1 },
        { "text, blind", "s", BLIND, NULL, "yz", 0, "\"yz\"", 1 },
        { "not text", "s", READ_ATTR, NULL, "\xFF", -EINVAL, AS_IT_WAS, 0 },
        { "number", "n", READ_ATTR, NULL, "6\n", 0, "6", 1 },
        { "number, another way", "n", READ_ATTR, NULL, "5.0", 0, AS_IT_WAS, 0 },
        { "no number", "n", READ_ATTR, NULL, "six\n", -EINVAL, AS_IT_WAS, 0 },
        { "two newlines are no number", "n", BLIND, NULL, "6\n\n", -EINVAL, AS_IT_WAS, 0 },
        { "bytes", "b", READ_ATTR, NULL, "\xFF\n", 0, "{\"$b\":\"/wo=\"}", 1 },
        { "bytes that are text stay bytes", "b", BLIND, NULL, "hi", 0, "{\"$b\":\"aGk=\"}", 1 },
        { "true or false", "t", BLIND, NULL, " false\n", 0, "false", 1 },
        { "neither", "t", BLIND, NULL, "1", -EINVAL, AS_IT_WAS, 0 },
        { "null", "z", READ_ATTR, NULL, "null\n", 0, AS_IT_WAS, 0 },
        { "list", "l", READ_ATTR, NULL, "[1, {\"$ss\": [\"q\"]}]", 0, "[1,{\"$ss\":[\"q\"]}]", 1 },
        { "no list", "l", READ_ATTR, NULL, "{}", -EINVAL, AS_IT_WAS, 0 },
        { "set", "ss", READ_ATTR, NULL, "[\"c\",\n\"b\"]", 0, "{\"$ss\":[\"b\",\"c\"]}", 1 },
        { "empty set", "ss", READ_ATTR, NULL, "[]", -EINVAL, AS_IT_WAS, 0 },
        { "new", "new", BLIND, NULL, "12", 0, "\"12\"", 1 },
        { "new, not text", "new", BLIND, NULL, "\xFF", 0, "{\"$b\":\"/w==\"}", 1 },
        { "new and empty", "new", BLIND, NULL, NULL, 0, "\"\"", 1 },
        { "emptied text", "s", READ_ATTR, NULL, NULL, 0, "\"\"", 1 },
        { "emptied number", "n", READ_ATTR, NULL, NULL, 0, AS_IT_WAS, 0 },
        { "unchanged", "s", READ_ATTR, NULL, "x", 0, AS_IT_WAS, 0 },
        { "unchanged, read with the item", "s", READ_ITEM, NULL, "x", 0, AS_IT_WAS, 0 },
        { "another attribute changed underneath", "s", READ_ATTR, "{\"Id\":\"42\",\"n\":9,\"s\":\"x\"}", "y", 0, "\"y\"", 1 },
        { "changed underneath", "s", READ_ATTR, "{\"Id\":\"42\",\"s\":\"theirs\"}", "y", -ESTALE, "\"theirs\"", 1 },
        { "changed underneath, the item was read", "s", READ_ITEM, "{\"Id\":\"42\",\"s\":\"theirs\"}", "y", -ESTALE, "\"theirs\"", 1 },
        { "changed underneath, both were read", "s", READ_BOTH, "{\"Id\":\"42\",\"s\":\"theirs\"}", "y", -ESTALE, "\"theirs\"", 1 },
        { "changed underneath, blind", "s", BLIND, "{\"Id\":\"42\",\"s\":\"theirs\"}", "y", 0, "\"y\"", 1 },
        { "changed underneath, overwrite", "s", READ_ATTR | OVERWRITE, "{\"Id\":\"42\",\"s\":\"theirs\"}", "y", 0, "\"y\"", 1 },
        { "removed underneath", "s", READ_ATTR, "{\"Id\":\"42\",\"n\":1}", "y", -ESTALE, NULL, 1 },
        { "another type underneath", "s", READ_ATTR, "{\"Id\":\"42\",\"s\":[1]}", "y", -ESTALE, "[1]", 1 },
        { "deleted underneath", "s", READ_ATTR, "", "y", -ESTALE, NULL, 1 },
        { "deleted underneath, blind", "s", BLIND, "", "y", -ENOENT, NULL, 1 },
        { "made by both, the item was read", "new", READ_ITEM, "{\"Id\":\"42\",\"new\":1}", "y", -ESTALE, "1", 1 },
        { "made by both, blind", "new", BLIND, "{\"Id\":\"42\",\"new\":\"q\"}", "y", 0, "\"y\"", 1 },
        { "the key", "Id", BLIND, NULL, "43", -EACCES, "\"42\"", 0 },
        { "no item of this key", "s", BLIND, "", "y", -ENOENT, NULL, 1 },
};

/* The attribute's value in the compact text of the item. */
static bool has(const char *item, const char *attr, const char *value) {
        char member[512];
        const char *at;

        (void)snprintf(member, sizeof(member), "\"%s\":", attr);
        at = item ? strstr(item, member) : NULL;
        if (!value)
                return !at;
        return at && strncmp(at + strlen(member), value, strlen(value)) == 0;
}

static int save(struct fx *x, const struct save *s) {
        char path[64], text[FX_TEXT_MAX];
        struct fx_file f;
        int r, closed;

        (void)snprintf(path, sizeof(path), "Users/42/%s", s->attr);
        if (s->how & READ_ATTR)
                (void)fx_cat(x, path, text);
        if (s->how & READ_ITEM)
                ck_assert_ok(fx_cat(x, "Users/42.json", text));
        /* the kernel and the cache know it from before */
        (void)fx_exists(x, path);
        r = fx_open(x, path, O_WRONLY | O_CREAT | O_TRUNC, &f);
        if (s->theirs && s->theirs[0])
                mem_put(x->m, "Users", s->theirs);
        else if (s->theirs)
                ck_assert(mem_delete(x->m, "Users", "42", NULL));
        mem_reset_calls(x->m);
        if (r)
                return r;
        r = s->mine ? fx_write(&f, s->mine) : 0;
        closed = fx_close(&f);
        return r ? r : closed;
}

START_TEST(test_save) {
        const struct save *s = &saves[_i];
        char before[1024], text[FX_TEXT_MAX], seen[FX_TEXT_MAX];
        struct fx x;
        int r;

        fx_init(&x);
        x.o.write_mode = s->how & OVERWRITE ? FS_WRITE_OVERWRITE : FS_WRITE_OPTIMISTIC;
        fx_start(&x);
        mem_put(x.m, "Users", ITEM);
        (void)snprintf(before, sizeof(before), "%s", mem_text(x.m, "Users", "42", NULL));
        r = save(&x, s);
        ck_assert_msg(r == s->r, "%s: %d, not %d", s->name, r, s->r);
        ck_assert_msg(mem_writes(x.m) == s->writes, "%s: %u writes", s->name, mem_writes(x.m));
        if (s->after && !s->after[0])
                ck_assert_msg(strcmp(before, mem_text(x.m, "Users", "42", NULL)) == 0, "%s: %s", s->name, mem_text(x.m, "Users", "42", NULL));
        else
                ck_assert_msg(has(mem_text(x.m, "Users", "42", NULL), s->attr, s->after), "%s: %s", s->name,
                              mem_text(x.m, "Users", "42", NULL));
        if (s->r == -EINVAL || s->r == -ESTALE || (s->r == -ENOENT && s->mine)) {
                (void)snprintf(text, sizeof(text), ".ddbfs/rejected/Users/42/%s", s->attr);
                ck_assert_ok(fx_cat(&x, text, seen));
                ck_assert_str_eq(seen, s->mine);
                ck_assert_ok(fx_cat(&x, ".ddbfs/errors.jsonl", seen));
                ck_assert_msg(strstr(seen, strerrorname_np(-s->r)), "%s: not told: %s", s->name, seen);
        }
        if (s->r == 0 && s->after && s->after[0] == '"' && s->mine) { /* seen at once in both files */
                (void)snprintf(text, sizeof(text), "Users/42/%s", s->attr);
                mem_reset_calls(x.m);
                ck_assert_ok(fx_cat(&x, text, seen));
                ck_assert_str_eq(seen, s->mine);
                ck_assert_ok(fx_cat(&x, "Users/42.json", seen));
                ck_assert_ptr_nonnull(strstr(seen, s->after));
                ck_assert_uint_eq(mem_all_calls(x.m), 0);
        }
        fx_end(&x);
}
END_TEST

static const char *item(struct fx *x) {
        return mem_text(x->m, "Users", "42", NULL);
}

static void start(struct fx *x, const char *text) {
        fx_init(x);
        fx_start(x);
        mem_put(x->m, "Users", text);
}

/* What is saved as ITEM.json is what ITEM/attr shows at once, and the other way round; each save is one request. */
START_TEST(test_coherent) {
        char text[FX_TEXT_MAX];
        struct fs_attr attr;
        struct fx x;

        start(&x, "{\"Id\":\"42\",\"a\":1,\"s\":\"x\"}");
        ck_assert_ok(fx_cat(&x, "Users/42/a", text));
        ck_assert_ok(fx_cat(&x, "Users/42.json", text));
        ck_assert_ok(fx_save(&x, "Users/42.json", "{\"a\":22,\"s\":\"x\"}"));
        ck_assert_ok(fx_stat(&x, "Users/42/a", &attr));
        ck_assert_uint_eq(attr.size, 2);
        ck_assert_ok(fx_cat(&x, "Users/42/a", text));
        ck_assert_str_eq(text, "22");
        ck_assert_ok(fx_save(&x, "Users/42/a", "333"));
        ck_assert_ok(fx_cat(&x, "Users/42.json", text));
        ck_assert_ptr_nonnull(strstr(text, "333"));
        /* whoever had the item open before does not undo it, and may change the rest */
        ck_assert_ok(fx_save(&x, "Users/42.json", "{\"a\":333,\"s\":\"y\"}"));
        ck_assert_str_eq(item(&x), "{\"Id\":\"42\",\"a\":333,\"s\":\"y\"}");
        ck_assert_ok(fx_rm(&x, "Users/42.json"));
        ck_assert_int_eq(fx_exists(&x, "Users/42/a"), -ENOENT);
        ck_assert_int_eq(fx_exists(&x, "Users/42"), -ENOENT);
        fx_end(&x);
}
END_TEST

/* A writer of the item's file that was shown version 1 does not overwrite what ITEM/attr was given since. */
START_TEST(test_both_ways) {
        char text[FX_TEXT_MAX];
        struct fx_file f;
        struct fx x;

        start(&x, "{\"Id\":\"42\",\"a\":1,\"s\":\"x\"}");
        ck_assert_ok(fx_cat(&x, "Users/42.json", text));
        ck_assert_ok(fx_open(&x, "Users/42.json", O_WRONLY | O_TRUNC, &f));
        ck_assert_ok(fx_save(&x, "Users/42/a", "2"));
        ck_assert_ok(fx_write(&f, "{\"a\":3,\"s\":\"x\"}"));
        ck_assert_int_eq(fx_close(&f), -ESTALE);
        ck_assert_str_eq(item(&x), "{\"Id\":\"42\",\"a\":2,\"s\":\"x\"}");
        fx_end(&x);
}
END_TEST

START_TEST(test_append_and_truncate) {
        struct fx_file f;
        struct fx x;

        start(&x, "{\"Id\":\"42\",\"n\":5,\"s\":\"abc\"}");
        ck_assert_ok(fx_open(&x, "Users/42/s", O_WRONLY | O_APPEND, &f));
        ck_assert_ok(fx_write(&f, "def"));
        ck_assert_ok(fx_close(&f));
        ck_assert_str_eq(item(&x), "{\"Id\":\"42\",\"n\":5,\"s\":\"abcdef\"}");
        ck_assert_ok(fx_truncate(&x, "Users/42/s", 2));
        ck_assert_str_eq(item(&x), "{\"Id\":\"42\",\"n\":5,\"s\":\"ab\"}");
        ck_assert_ok(fx_truncate(&x, "Users/42/s", 0));
        ck_assert_str_eq(item(&x), "{\"Id\":\"42\",\"n\":5,\"s\":\"\"}");
        ck_assert_ok(fx_truncate(&x, "Users/42/n", 0));
        ck_assert_str_eq(item(&x), "{\"Id\":\"42\",\"n\":5,\"s\":\"\"}");
        ck_assert_int_eq(fx_truncate(&x, "Users/42/Id", 0), -EACCES);
        ck_assert_int_eq(fx_open(&x, "Users/42/new", O_WRONLY | O_CREAT | O_EXCL, &f), 0);
        mem_put(x.m, "Users", "{\"Id\":\"42\",\"new\":\"theirs\"}");
        ck_assert_ok(fx_write(&f, "mine"));
        ck_assert_int_eq(fx_close(&f), -EEXIST);
        ck_assert_str_eq(item(&x), "{\"Id\":\"42\",\"new\":\"theirs\"}");
        fx_end(&x);
}
END_TEST

START_TEST(test_too_large) {
        static char big[400 * 1024];
        struct fx x;

        start(&x, "{\"Id\":\"42\",\"s\":\"x\"}");
        memset(big, 'x', sizeof(big) - 1);
        mem_reset_calls(x.m);
        ck_assert_int_eq(fx_save(&x, "Users/42/s", big), -EFBIG);
        ck_assert_uint_eq(mem_writes(x.m), 0);
        big[sizeof(big) - 1 - 100] = '\0';
        ck_assert_ok(fx_save(&x, "Users/42/s", big));
        ck_assert_int_eq(fx_save(&x, "Users/42/t", big + 1000), -EFBIG);
        fx_end(&x);
}
END_TEST

START_TEST(test_remove) {
        char text[FX_TEXT_MAX];
        struct fx x;

        start(&x, "{\"Id\":\"42\",\"a\":1,\"s\":\"x\"}");
        mem_reset_calls(x.m);
        ck_assert_ok(fx_rm(&x, "Users/42/a"));
        ck_assert_uint_eq(mem_calls(x.m, MEM_WRITE), 1);
        ck_assert_str_eq(item(&x), "{\"Id\":\"42\",\"s\":\"x\"}");
        ck_assert_int_eq(fx_rm(&x, "Users/42/a"), -ENOENT);
        ck_assert_int_eq(fx_rm(&x, "Users/42/Id"), -EPERM);
        ck_assert_ok(fx_cat(&x, "Users/42/s", text));
        mem_put(x.m, "Users", "{\"Id\":\"42\",\"s\":\"x\",\"a\":1}");
        ck_assert_ok(fx_rm(&x, "Users/42/s"));
        ck_assert_str_eq(item(&x), "{\"Id\":\"42\",\"a\":1}");
        /* what was removed is no hindrance to a new one */
        ck_assert_ok(fx_save(&x, "Users/42/s", "new"));
        ck_assert_str_eq(item(&x), "{\"Id\":\"42\",\"a\":1,\"s\":\"new\"}");
        fx_end(&x);
}
END_TEST

START_TEST(test_rename) {
        char text[FX_TEXT_MAX];
        struct fx x;

        start(&x, "{\"Id\":\"42\",\"a\":1,\"l\":[1],\"s\":\"7\",\"t\":\"x\"}");
        mem_put(x.m, "Users", "{\"Id\":\"43\"}");
        mem_reset_calls(x.m);
        ck_assert_ok(fx_mv(&x, "Users/42/l", "Users/42/m", 0)); /* a value goes with its type */
        ck_assert_uint_eq(mem_writes(x.m), 1);
        ck_assert_str_eq(item(&x), "{\"Id\":\"42\",\"a\":1,\"m\":[1],\"s\":\"7\",\"t\":\"x\"}");
        ck_assert_ok(fx_mv(&x, "Users/42/s", "Users/42/a", 0)); /* text takes that of what it replaces */
        ck_assert_str_eq(item(&x), "{\"Id\":\"42\",\"a\":7,\"m\":[1],\"t\":\"x\"}");
        ck_assert_int_eq(fx_mv(&x, "Users/42/t", "Users/42/a", 0), -EINVAL);
        ck_assert_int_eq(fx_mv(&x, "Users/42/t", "Users/42/a", RENAME_NOREPLACE), -EEXIST);
        ck_assert_ok(fx_mv(&x, "Users/42/t", "Users/42/m", RENAME_EXCHANGE));
        ck_assert_str_eq(item(&x), "{\"Id\":\"42\",\"a\":7,\"m\":\"x\",\"t\":[1]}");
        ck_assert_int_eq(fx_mv(&x, "Users/42/t", "Users/43/t", 0), -EXDEV);
        ck_assert_int_eq(fx_mv(&x, "Users/42/Id", "Users/42/Id2", 0), -EPERM);
        ck_assert_int_eq(fx_mv(&x, "Users/42/t", "Users/42/Id", 0), -EPERM);
        ck_assert_int_eq(fx_mv(&x, "Users/42/none", "Users/42/new", 0), -ENOENT);
        ck_assert_ok(fx_cat(&x, "Users/42/a", text));
        mem_put(x.m, "Users", "{\"Id\":\"42\",\"a\":8,\"m\":\"9\"}");
        ck_assert_int_eq(fx_mv(&x, "Users/42/m", "Users/42/a", 0), -ESTALE); /* not what was shown */
        ck_assert_str_eq(item(&x), "{\"Id\":\"42\",\"a\":8,\"m\":\"9\"}");
        fx_end(&x);
}
END_TEST

/* What its program was shown not to exist is nothing to be replaced. */
START_TEST(test_rename_to_one_made_since) {
        char text[FX_TEXT_MAX];
        struct fx x;

        start(&x, "{\"Id\":\"42\",\"a\":1}");
        ck_assert_ok(fx_cat(&x, "Users/42.json", text));
        mem_put(x.m, "Users", "{\"Id\":\"42\",\"a\":1,\"b\":2}");
        ck_assert_int_eq(fx_mv(&x, "Users/42/a", "Users/42/b", 0), -ESTALE);
        ck_assert_str_eq(item(&x), "{\"Id\":\"42\",\"a\":1,\"b\":2}");
        fx_end(&x);
}
END_TEST

/* Onto one that was renamed to a scratch name: that version is replaced, not what others have made of it. */
START_TEST(test_rename_onto_what_was_changed) {
        struct fx x;

        start(&x, "{\"Id\":\"42\",\"a\":1,\"b\":2}");
        ck_assert_ok(fx_mv(&x, "Users/42/a", "Users/42/a~", 0));
        if (_i == 0)
                mem_put(x.m, "Users", "{\"Id\":\"42\",\"a\":7,\"b\":2}");
        else if (_i == 1)
                mem_put(x.m, "Users", "{\"Id\":\"42\",\"b\":2}");
        ck_assert_int_eq(fx_mv(&x, "Users/42/b", "Users/42/a", 0), _i ? 0 : -ESTALE);
        ck_assert_str_eq(item(&x), _i ? "{\"Id\":\"42\",\"a\":2}" : "{\"Id\":\"42\",\"a\":7,\"b\":2}");
        fx_end(&x);
}
END_TEST

/* What unlinks first does not change the type, where the text is of it. */
START_TEST(test_unlinked_and_made_anew) {
        char text[FX_TEXT_MAX];
        struct fx x;

        start(&x, "{\"Id\":\"42\",\"n\":5}");
        ck_assert_ok(fx_cat(&x, "Users/42/n", text));
        ck_assert_ok(fx_rm(&x, "Users/42/n"));
        ck_assert_ok(fx_save(&x, "Users/42/n", "6\n"));
        ck_assert_str_eq(item(&x), "{\"Id\":\"42\",\"n\":6}");
        ck_assert_ok(fx_rm(&x, "Users/42/n"));
        ck_assert_ok(fx_save(&x, "Users/42/n", "six\n"));
        ck_assert_str_eq(item(&x), "{\"Id\":\"42\",\"n\":\"six\\n\"}");
        fx_end(&x);
}
END_TEST

/* The key of an index has the type that the table declares, new or not: the service takes no other. */
START_TEST(test_declared) {
        char text[FX_TEXT_MAX];
        struct fx_file f;
        struct fx x;

        start(&x, "{\"Id\":\"42\",\"s\":\"7\",\"t\":\"x\"}");
        mem_declare(x.m, "Users", "n:N");
        mem_declare(x.m, "Users", "b:B");
        mem_declare(x.m, "Users", "mail:S");
        ck_assert_ok(fx_save(&x, "Users/42/b", "hi"));
        ck_assert_ok(fx_save(&x, "Users/42/n", "5\n"));
        ck_assert_ok(fx_save(&x, "Users/42/mail", "555"));
        ck_assert_str_eq(item(&x), "{\"Id\":\"42\",\"b\":{\"$b\":\"aGk=\"},\"mail\":\"555\",\"n\":5,\"s\":\"7\",\"t\":\"x\"}");
        ck_assert_ok(fx_rm(&x, "Users/42/n"));
        mem_reset_calls(x.m);
        ck_assert_int_eq(fx_save(&x, "Users/42/n", "five"), -EINVAL);
        ck_assert_ok(fx_cat(&x, ".ddbfs/rejected/Users/42/n", text));
        ck_assert_str_eq(text, "five");
        ck_assert_ok(fx_open(&x, "Users/42/n", O_WRONLY | O_CREAT, &f));
        ck_assert_ok(fx_close(&f)); /* touch: nothing is no number, which the log says */
        ck_assert_int_eq(fx_save(&x, "Users/42/mail", "\xFF"), -EINVAL);
        ck_assert_int_eq(fx_mv(&x, "Users/42/t", "Users/42/n", 0), -EINVAL);
        ck_assert_uint_eq(mem_writes(x.m), 0);
        ck_assert_ok(fx_mv(&x, "Users/42/s", "Users/42/n", 0));
        ck_assert_str_eq(item(&x), "{\"Id\":\"42\",\"b\":{\"$b\":\"aGk=\"},\"mail\":\"555\",\"n\":7,\"t\":\"x\"}");
        /* from before the index was: what replaces it is of the index's type */
        mem_put(x.m, "Users", "{\"Id\":\"43\",\"n\":\"text\"}");
        ck_assert_ok(fx_cat(&x, "Users/43/n", text));
        ck_assert_ok(fx_save(&x, "Users/43/n", "8"));
        ck_assert_str_eq(mem_text(x.m, "Users", "43", NULL), "{\"Id\":\"43\",\"n\":8}");
        fx_end(&x);
}
END_TEST

/* Emptied and closed; opened again before release has come. */
START_TEST(test_emptied) {
        struct fx_file first, second;
        char text[FX_TEXT_MAX];
        struct fx x;

        start(&x, "{\"Id\":\"42\",\"s\":\"abc\"}");
        ck_assert_ok(fx_cat(&x, "Users/42/s", text));
        ck_assert_ok(fx_open(&x, "Users/42/s", O_WRONLY | O_TRUNC, &first));
        ck_assert_ok(fx_flush(&first)); /* a shell's `> f` */
        ck_assert_uint_eq(mem_writes(x.m), 0);
        ck_assert_ok(fx_cat(&x, "Users/42/s", text));
        ck_assert_str_eq(text, "");
        ck_assert_ok(fx_open(&x, "Users/42/s", O_WRONLY | O_TRUNC, &second));
        ck_assert_ok(fx_close(&first));
        ck_assert_ok(fx_write(&second, "x"));
        ck_assert_ok(fx_close(&second));
        ck_assert_str_eq(item(&x), "{\"Id\":\"42\",\"s\":\"x\"}");
        ck_assert_uint_eq(mem_writes(x.m), 1);
        ck_assert_ok(fx_open(&x, "Users/42/s", O_WRONLY | O_TRUNC, &first));
        ck_assert_ok(fx_flush(&first));
        ck_assert_ok(fx_flush(&first)); /* nothing was written by the command either */
        ck_assert_str_eq(item(&x), "{\"Id\":\"42\",\"s\":\"\"}");
        fx_release(&first);
        ck_assert_uint_eq(mem_writes(x.m), 2);
        fx_end(&x);
}
END_TEST

/* Editors: a scratch file renamed onto an attribute is its content, with the type it had. */
START_TEST(test_scratch) {
        char text[FX_TEXT_MAX];
        struct fx x;

        start(&x, "{\"Id\":\"42\",\"n\":5}");
        ck_assert_ok(fx_cat(&x, "Users/42/n", text));
        mem_reset_calls(x.m);
        ck_assert_ok(fx_save(&x, "Users/42/sedAbC123", "6\n"));
        ck_assert_ok(fx_save(&x, "Users/42/.n.swp", "swap"));
        ck_assert_ok(fx_save(&x, "Users/42/4913", ""));
        ck_assert_uint_eq(mem_writes(x.m), 0);
        ck_assert_str_eq(fx_names(&x, "Users/42"), ".n.swp 4913 Id n sedAbC123");
        ck_assert_ok(fx_mv(&x, "Users/42/sedAbC123", "Users/42/n", 0));
        ck_assert_str_eq(item(&x), "{\"Id\":\"42\",\"n\":6}");
        ck_assert_ok(fx_save(&x, "Users/42/n~", "seven"));
        ck_assert_int_eq(fx_mv(&x, "Users/42/n~", "Users/42/n", 0), -EINVAL);
        ck_assert_ok(fx_cat(&x, "Users/42/n~", text));
        ck_assert_ok(fx_rm(&x, "Users/42/n~"));
        ck_assert_ok(fx_rm(&x, "Users/42/4913"));
        ck_assert_str_eq(fx_names(&x, "Users/42"), ".n.swp Id n");
        fx_end(&x);
}
END_TEST

/* Renamed to a backup, written anew: nobody else ever misses it, and it keeps its type. */
START_TEST(test_backup) {
        struct fx x;

        fx_init(&x);
        fx_clock(&x);
        fx_start(&x);
        mem_put(x.m, "Users", "{\"Id\":\"42\",\"n\":5}");
        ck_assert_ok(fx_mv(&x, "Users/42/n", "Users/42/n~", 0));
        ck_assert_int_eq(fx_exists(&x, "Users/42/n"), -ENOENT);
        ck_assert_str_eq(fx_names(&x, "Users/42"), "Id n~");
        ck_assert_str_eq(item(&x), "{\"Id\":\"42\",\"n\":5}");
        ck_assert_ok(fx_save(&x, "Users/42/n", "6\n"));
        ck_assert_str_eq(item(&x), "{\"Id\":\"42\",\"n\":6}");
        ck_assert_ok(fx_rm(&x, "Users/42/n~"));
        ck_assert_str_eq(fx_names(&x, "Users/42"), "Id n");
        /* refused: it is there again; the editor puts its backup back */
        ck_assert_ok(fx_mv(&x, "Users/42/n", "Users/42/n~", 0));
        ck_assert_int_eq(fx_save(&x, "Users/42/n", "seven"), -EINVAL);
        ck_assert_ok(fx_exists(&x, "Users/42/n"));
        ck_assert_ok(fx_rm(&x, "Users/42/n"));
        ck_assert_ok(fx_mv(&x, "Users/42/n~", "Users/42/n", 0));
        ck_assert_str_eq(item(&x), "{\"Id\":\"42\",\"n\":6}");
        ck_assert_str_eq(fx_names(&x, "Users/42"), "Id n");
        /* for good: gone from the table when the mount ends at the latest */
        ck_assert_ok(fx_mv(&x, "Users/42/n", "Users/42/n~", 0));
        FX_CALL((fs_shutdown(x.fs, &ctx), 0));
        ck_assert_str_eq(item(&x), "{\"Id\":\"42\"}");
        fx_end(&x);
}
END_TEST

#define SHA "0000000000000000000000000000000000000000000000000000000000000000"
#define IN_S3 "{\"Id\":\"42\",\"n\":{\"$s3\":{\"size\":500000,\"sha256\":\"" SHA "\"}}}"

/* Of what is in S3 a scratch file would have no content: neither the attribute nor its item goes away for it. */
START_TEST(test_backup_of_what_is_in_s3) {
        struct fx x;

        start(&x, IN_S3);
        ck_assert_int_eq(fx_mv(&x, "Users/42/n", "Users/42/n~", 0), -EXDEV);
        ck_assert_ok(fx_mv(&x, "Users/42.json", "Users/42.json~", 0));
        ck_assert_int_eq(fx_exists(&x, "Users/42.json"), -ENOENT);
        FX_CALL((fs_shutdown(x.fs, &ctx), 0));
        ck_assert_str_eq(item(&x), IN_S3);
        fx_end(&x);
        /* nor one that has come there since */
        start(&x, "{\"Id\":\"42\",\"n\":5}");
        ck_assert_ok(fx_mv(&x, "Users/42/n", "Users/42/n~", 0));
        mem_put(x.m, "Users", IN_S3);
        FX_CALL((fs_shutdown(x.fs, &ctx), 0));
        ck_assert_str_eq(item(&x), IN_S3);
        fx_end(&x);
}
END_TEST

START_TEST(test_make_and_remove_items) {
        struct fx x;

        fx_init(&x);
        fx_start(&x);
        ck_assert_ok(fx_mkdir(&x, "Music/X"));
        ck_assert_ok(fx_mkdir(&x, "Music/X/Song"));
        ck_assert_str_eq(mem_text(x.m, "Music", "X", "Song"), "{\"Artist\":\"X\",\"Song\":\"Song\"}");
        ck_assert_str_eq(fx_names(&x, "Music/X"), "Song.json");
        ck_assert_ok(fx_save(&x, "Music/X/Song/AlbumTitle", "A"));
        ck_assert_str_eq(mem_text(x.m, "Music", "X", "Song"), "{\"Artist\":\"X\",\"Song\":\"Song\",\"AlbumTitle\":\"A\"}");
        ck_assert_int_eq(fx_rmdir(&x, "Music/X/Song"), -ENOTEMPTY);
        ck_assert_ok(fx_rm(&x, "Music/X/Song/AlbumTitle"));
        ck_assert_ok(fx_rmdir(&x, "Music/X/Song"));
        ck_assert_ptr_null(mem_text(x.m, "Music", "X", "Song"));
        ck_assert_int_eq(fx_exists(&x, "Music/X/Song.json"), -ENOENT);
        ck_assert_int_eq(fx_rmdir(&x, "Music/X/Song"), -ENOENT);
        ck_assert_ok(fx_mkdir(&x, "Users/42"));
        ck_assert_int_eq(fx_mkdir(&x, "Users/42"), -EEXIST);
        ck_assert_int_eq(fx_mkdir(&x, "Users/42/sub"), -EPERM);
        ck_assert_int_eq(fx_mkdir(&x, "Users/a%zz"), -EINVAL);
        ck_assert_ok(fx_mv(&x, "Users/42", "Users/43", 0));
        ck_assert_int_eq(fx_exists(&x, "Users/42.json"), -ENOENT);
        ck_assert_ok(fx_exists(&x, "Users/43.json"));
        ck_assert_ok(fx_mkdir(&x, "Users/44"));
        ck_assert_int_eq(fx_mv(&x, "Users/43", "Users/44", 0), -EEXIST);
        ck_assert_ok(fx_save(&x, "Users/43/.a.swp", "scratch"));
        ck_assert_int_eq(fx_rmdir(&x, "Users/43"), -ENOTEMPTY);
        fx_end(&x);
}
END_TEST

/* Its item was renamed to a scratch name a moment ago: for this mount it is gone.  Others stay as they are. */
START_TEST(test_make_item_renamed_away) {
        char text[FX_TEXT_MAX];
        struct fx x;

        start(&x, "{\"Id\":\"42\",\"a\":1}");
        mem_put(x.m, "Users", "{\"Id\":\"43\",\"a\":2}");
        ck_assert_ok(fx_mv(&x, "Users/42.json", "Users/42.json~", 0));
        ck_assert_ok(fx_mv(&x, "Users/43.json", "Users/43.json~", 0));
        ck_assert_ok(fx_mkdir(&x, "Users/42"));
        ck_assert_str_eq(item(&x), "{\"Id\":\"42\"}");
        ck_assert_str_eq(fx_names(&x, "Users"), "42.json 42.json~ 43.json~");
        ck_assert_ptr_nonnull(mem_text(x.m, "Users", "43", NULL));
        ck_assert_ok(fx_cat(&x, "Users/42.json~", text));
        ck_assert_ptr_nonnull(strstr(text, "\"a\": 1"));
        fx_end(&x);
}
END_TEST

/* Its item is deleted, and still in the queue of `rm -r`. */
START_TEST(test_make_item_just_removed) {
        struct fs_entry users;
        struct fs_dir *d;
        char path[32];
        struct fx x;

        fx_pid = 4711;
        fx_init(&x);
        fx_start(&x);
        for (unsigned i = 0; i < 40; i++)
                mem_putf(x.m, "Users", "{\"Id\":\"%u\",\"n\":5}", i);
        ck_assert_ok(fx_lookup(&x, "Users", &users));
        ck_assert_ok(FX_CALL(fs_opendir(x.fs, &ctx, users.node, &d)));
        for (unsigned i = 0; i < 40; i++) {
                (void)snprintf(path, sizeof(path), "Users/%u.json", i);
                ck_assert_ok(fx_rm(&x, path));
        }
        ck_assert_ok(fx_mkdir(&x, "Users/39"));
        fs_releasedir(x.fs, d);
        fs_forget(x.fs, users.node, 1);
        FX_CALL((fs_shutdown(x.fs, &ctx), 0));
        ck_assert_uint_eq(mem_calls(x.m, MEM_BATCH_WRITE) > 0, true);
        ck_assert_item(&x, "Users", "39", NULL, "{\"Id\":\"39\"}");
        ck_assert_uint_eq(mem_count(x.m, "Users"), 1);
        fx_end(&x);
        fx_pid = 0;
}
END_TEST

START_TEST(test_read_only) {
        struct fx_file f;
        char text[FX_TEXT_MAX];
        struct fx x;

        fx_init(&x);
        x.o.read_only = true;
        fx_start(&x);
        mem_put(x.m, "Users", "{\"Id\":\"42\",\"n\":5}");
        ck_assert_ok(fx_cat(&x, "Users/42/n", text));
        ck_assert_int_eq(fx_open(&x, "Users/42/n", O_WRONLY, &f), -EROFS);
        ck_assert_int_eq(fx_open(&x, "Users/42/new", O_WRONLY | O_CREAT, &f), -EROFS);
        ck_assert_int_eq(fx_rm(&x, "Users/42/n"), -EROFS);
        ck_assert_int_eq(fx_mv(&x, "Users/42/n", "Users/42/m", 0), -EROFS);
        ck_assert_int_eq(fx_mkdir(&x, "Users/43"), -EROFS);
        ck_assert_int_eq(fx_rmdir(&x, "Users/42"), -EROFS);
        fx_end(&x);
}
END_TEST

int main(void) {
        Suite *s = suite_create("attr-save");
        TCase *t = tcase_create("writing");

        tcase_set_timeout(t, 60);
        tcase_add_loop_test(t, test_save, 0, (int)ARRAY_LEN(saves));
        tcase_add_test(t, test_coherent);
        tcase_add_test(t, test_both_ways);
        tcase_add_test(t, test_append_and_truncate);
        tcase_add_test(t, test_too_large);
        tcase_add_test(t, test_remove);
        tcase_add_test(t, test_rename);
        tcase_add_test(t, test_rename_to_one_made_since);
        tcase_add_loop_test(t, test_rename_onto_what_was_changed, 0, 3);
        tcase_add_test(t, test_scratch);
        tcase_add_test(t, test_unlinked_and_made_anew);
        tcase_add_test(t, test_declared);
        tcase_add_test(t, test_emptied);
        tcase_add_test(t, test_backup);
        tcase_add_test(t, test_backup_of_what_is_in_s3);
        tcase_add_test(t, test_make_and_remove_items);
        tcase_add_test(t, test_make_item_renamed_away);
        tcase_add_test(t, test_make_item_just_removed);
        tcase_add_test(t, test_read_only);
        suite_add_tcase(s, t);
        return fx_run(s);
}
