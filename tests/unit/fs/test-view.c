/* SPDX-License-Identifier: Apache-2.0 */
/* The grammar of views: each path compiles to one request, or is refused for a reason. */
#include "fixture.h"
#include "ddbfs/codec/wire.h"
#include <linux/fs.h>
#include "../../../src/fs/export_internal.h"

#define A(n_, t_) { .name = { n_, sizeof(n_) - 1 }, .type = t_ }

static struct str include[] = { { "x", 1 } };
static struct index_schema indexes[] = {
        { .name = { "gsi", 3 }, .global = true, .active = true, .projection = PROJECT_INCLUDE, .n_include = 1, .include = include,
          .key = { .n_hash = 2, .n_range = 2, .attrs = { A("a", VALUE_S), A("b", VALUE_N), A("c", VALUE_S), A("d", VALUE_B) } } },
        { .name = { "lsi", 3 }, .active = true, .projection = PROJECT_KEYS_ONLY, .key = { .n_hash = 1, .n_range = 1, .attrs = { A("H", VALUE_S), A("n", VALUE_N) } } },
};
static struct table_schema music = { .name = { "Music", 5 }, .n_indexes = 2, .indexes = indexes,
                                     .key = { .n_hash = 1, .n_range = 1, .attrs = { A("H", VALUE_S), A("R", VALUE_S) } } };
static struct table_schema users = { .name = { "Users", 5 }, .key = { .n_hash = 1, .attrs = { A("Id", VALUE_N) } } };

static void put_parts(struct buf *out, const char *label, const struct key_part *parts, uint32_t n) {
        for (uint32_t i = 0; i < n; i++) {
                buf_puts(out, i ? "," : label);
                buf_str(out, parts[i].text);
        }
}

/* One line that says all of it. */
static void describe(const struct view *v, struct buf *out) {
        static const char *const kinds[] = { "table", "partition", "item", "step", "chain", "exports", "export", "info", "infofile",
                                             "imports", "import" };
        static const char *const ops[] = { "", "=", "prefix", "between" };

        buf_puts(out, kinds[v->kind]);
        put_parts(out, " hash=", v->hash.parts, v->hash.n);
        put_parts(out, " item=", v->item.parts, v->item.n);
        if (v->range_op)
                buf_printf(out, " %s", ops[v->range_op]);
        put_parts(out, "=", v->range.parts, v->range.n);
        if (v->range_op == RANGE_BETWEEN)
                put_parts(out, "..", &v->range_end, 1);
        for (uint32_t i = 0; i < v->n_filters; i++) {
                if (v->limit && i == v->n_before && v->n_before)
                        buf_puts(out, " |");
                buf_puts(out, " ");
                buf_str(out, v->filters[i].attr);
                buf_puts(out, "=");
                wire_write_value(out, &v->filters[i].value);
                if (v->filters[i].other.type != VALUE_NULL)
                        wire_write_value(out, &v->filters[i].other);
        }
        if (v->limit)
                buf_printf(out, " limit=%u%s after %u", v->limit, v->reverse ? " reverse" : "", v->n_before);
        for (uint32_t i = 0; i < v->n_columns; i++) {
                buf_puts(out, i ? "," : " columns=");
                buf_str(out, v->columns[i]);
        }
        if (v->kind == VIEW_EXPORT || v->kind == VIEW_IMPORT)
                buf_printf(out, " as %u", v->which);
}

#define S200 "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk" \
             "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"
#define S238 S200 "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"

/* table: M = Music, U = Users, G = its global index, L = its local one.  says: NULL: no such name; "!...": refused. */
static const struct {
        char table;
        const char *path, *says;
} cases[] = {
        { 'M', "P", "partition hash=P" },
        { 'M', "P/.first/20", "partition hash=P limit=20 after 0" },
        { 'M', "P/.last/1", "partition hash=P limit=1 reverse after 0" },
        { 'M', "P/.prefix", "step hash=P" },
        { 'M', "P/.prefix/2023-", "partition hash=P prefix=2023-" },
        { 'M', "P/.prefix/%2Ea%2Fb", "partition hash=P prefix=.a/b" },
        { 'M', "P/.prefix/a,b", "partition hash=P prefix=a,b" },
        { 'M', "P/.prefix/" S238 "%+/kkk", "partition hash=P prefix=" S238 "kkk" },
        { 'M', "P/.prefix/" S238 "%+/k", "!split" },
        { 'M', "P/.prefix/k%+", "!split" },
        { 'M', "P/.filter/" S238 "%+/k", "!split" },
        { 'M', "P/.filter/" S238 "%+/k%+", "!split" },
        { 'M', "P/.prefix/" S238 "%+", "chain hash=P" },
        { 'M', "P/.between/a/b", "partition hash=P between=a..b" },
        { 'M', "P/.between/a/a", "partition hash=P between=a..a" },
        { 'M', "P/.between/a", "step hash=P" },
        { 'M', "P/.between/b/a", "!wrong way" },
        { 'M', "P/.filter/status/open", "partition hash=P status={\"S\":\"open\"}" },
        { 'M', "P/.filter/k/1", "partition hash=P k={\"S\":\"1\"}{\"N\":\"1\"}" },
        { 'M', "P/.filter/k/01", "partition hash=P k={\"S\":\"01\"}" },
        { 'M', "P/.filter/k/true", "partition hash=P k={\"S\":\"true\"}{\"BOOL\":true}" },
        { 'M', "P/.filter/n/1", "partition hash=P n={\"N\":\"1\"}" },
        { 'M', "P/.filter/n/01", "!not the name" },
        { 'M', "P/.filter/d/_w", "partition hash=P d={\"B\":\"/w==\"}" },
        { 'M', "P/.filter/d/_", "!not the name" },
        { 'M', "P/.filter/c/1", "partition hash=P c={\"S\":\"1\"}" },
        { 'M', "P/.filter/c/a,b", "partition hash=P c={\"S\":\"a,b\"}" },
        { 'U', ".filter/Id/7/.export/csv", "export Id={\"N\":\"7\"} as 2" },
        { 'G', ".filter/d/_w", "table d={\"B\":\"/w==\"}" },
        { 'G', "x,1/.filter/b/_", "!its own key" },
        { 'M', "P/.filter/R/x", "!its own key" },
        { 'M', "P/.filter/a/x/.filter/q/y", "partition hash=P a={\"S\":\"x\"} q={\"S\":\"y\"}" },
        { 'M', "P/.first/3/.filter/a/x", "partition hash=P a={\"S\":\"x\"} limit=3 after 0" },
        { 'M', "P/.filter/a/x/.first/3", "partition hash=P a={\"S\":\"x\"} limit=3 after 1" },
        { 'M', "P/.filter/a/x/.first/3/.filter/b/y", "!one request" },
        { 'M', "P/.first/3/.last/3", "!once" },
        { 'M', "P/.first/0", "!from 1 on" },
        { 'M', "P/.first/007", "!from 1 on" },
        { 'M', "P/.first/-1", "!from 1 on" },
        { 'M', "P/.first/1000000", "partition hash=P limit=1000000 after 0" },
        { 'M', "P/.first/1000001", "!million" },
        { 'M', "P/.first/99999999999999999999", "!million" },
        { 'M', "P/.first/3/.prefix/a", "!before .first" },
        { 'M', "P/.prefix/a/.prefix/b", "!once" },
        { 'M', "P/.prefix/a/.between/a/b", "!once" },
        { 'M', "P/.columns/a,b%2Cc", "partition hash=P columns=a,b,c" },
        { 'M', "P/.columns/a,a", "!twice" },
        { 'M', "P/.columns/a/.columns/b", "!once" },
        { 'M', "P/.columns/a,,b", "!names are written" },
        { 'M', "P/.columns/a%2e", "!names are written" },
        { 'M', "P/.filter/txt/%41", "!names are written" },
        { 'M', "P/.filter/txt/.x", "!names are written" },
        { 'M', "P/.filter/a%2Eb/1", "!names are written" },
        { 'M', "P/.prefix/%41", "!not the name" },
        { 'M', "P/.between/a/%41", "!not the name" },
        { 'M', "P/.prefix/2023-/.filter/s/o/.last/10/.columns/a,b/.export/csv",
          "export hash=P prefix=2023- s={\"S\":\"o\"} limit=10 reverse after 1 columns=a,b as 2" },
        { 'M', "P/.export", "exports hash=P" },
        { 'M', "P/.export/jsonl", "export hash=P as 0" },
        { 'M', "P/.export/xml", "!jsonl, json, csv or tsv" },
        { 'M', "P/.export/csv/x", NULL },
        { 'M', "P/.info", "!only a table" },
        { 'M', "P/.none", NULL },
        { 'M', ".info", "info" },
        { 'M', ".info/none", "!no such file" },
        { 'M', ".info/.git", NULL },
        { 'M', ".export/.hidden", NULL },
        { 'M', ".first/1", "!within a partition" },
        { 'M', ".prefix/1", "!within a partition" },
        { 'M', ".filter/a/b", "table a={\"S\":\"b\"}" },
        { 'M', ".filter/R/b", "table R={\"S\":\"b\"}" },
        { 'M', ".filter/a/b/.export/json", "export a={\"S\":\"b\"} as 1" },
        { 'M', ".filter/a/b/P", NULL },
        { 'M', ".filter/a/b/.info", "!only a table" },
        { 'M', ".export/tsv", "export as 3" },
        { 'M', ".import", "imports" },
        { 'M', ".import/jsonl", "import as 0" },
        { 'M', ".import/csv", "import as 2" },
        { 'M', ".import/json", "!jsonl, csv or tsv" },
        { 'M', "P/.import", "!only a table" },
        { 'G', ".import", "!only a table" },
        { 'M', "P/.prefix/a/ab.json", "item hash=P item=ab prefix=a" },
        { 'M', "P/.prefix/a/ab", NULL },
        { 'M', "P/.prefix/a/" S238 "%+/kkk.json", "item hash=P item=" S238 "kkk prefix=a" },
        { 'U', ".filter/a/b/7.json", "item item=7 a={\"S\":\"b\"}" },
        { 'U', ".filter/a/b/07.json", NULL },
        { 'U', ".filter/a/b/.prefix/7", "!within a partition" },
        { 'G', "x,1", "partition hash=x,1" },
        { 'G', "x%2Cy,1", "partition hash=x,y,1" },
        { 'G', "x,01", NULL },
        { 'G', "x", NULL },
        { 'G', "x,1,2", NULL },
        { 'G', "x,", NULL },
        { 'G', ",1", NULL },
        { 'G', "x,1/c,_w,P,R.json", "item hash=x,1 item=c,\xff,P,R" },
        { 'G', "x,1/c,_w,P.json", NULL },
        { 'G', "x,1/c,_w,P,R,S.json", NULL },
        { 'G', "x,1/.prefix/c", "partition hash=x,1 prefix=c" },
        { 'G', "x,1/.prefix/c,_w", "partition hash=x,1 prefix=c,\xff" },
        { 'G', "x,1/.prefix/c,_w,z", "!more values" },
        { 'G', "x,1/.between/c/d", "partition hash=x,1 between=c..d" },
        { 'G', "x,1/.between/c,_w/c,__8", "partition hash=x,1 between=c,\xff..\xff\xff" },
        { 'G', "x,1/.between/c,_w/d,_w", "!must agree" },
        { 'G', "x,1/.between/c/c,_w", "!must agree" },
        { 'G', "x,1/.filter/x/1", "partition hash=x,1 x={\"S\":\"1\"}{\"N\":\"1\"}" },
        { 'G', "x,1/.filter/H/P", "partition hash=x,1 H={\"S\":\"P\"}" },
        { 'G', "x,1/.filter/x/a%2Cb", "!names are written" },
        { 'G', "x,1/.filter/y/1", "!not project" },
        { 'G', "x,1/.columns/y", "!not project" },
        { 'G', "x,1/.columns/x,a,R", "partition hash=x,1 columns=x,a,R" },
        { 'G', ".info", "!only a table" },
        { 'G', ".export/csv", "export as 2" },
        { 'L', "P/.prefix/1", "!no prefix" },
        { 'L', "P/.between/-1/1e1", "!not the name" },
        { 'L', "P/.between/-1/10", "partition hash=P between=-1..10" },
        { 'L', "P/.between/10/9", "!wrong way" },
        { 'L', "P/1.5,P,R.json", "item hash=P item=1.5,P,R" },
};

static int feed_path(struct view *v, const char *path, struct error *e) {
        int r = 0;

        while (r == 0 && *path) {
                const char *slash = strchrnul(path, '/');

                r = view_feed(v, str_make(path, (size_t)(slash - path)), e);
                path = *slash ? slash + 1 : slash;
        }
        return r;
}

START_TEST(test_paths) {
        char t = cases[_i].table;
        struct buf out = BUF_INIT(MIB);
        struct error e = { 0 };
        struct view v;
        int r;

        view_init(&v, t == 'U' ? &users : &music, t == 'G' ? &indexes[0] : t == 'L' ? &indexes[1] : NULL);
        r = feed_path(&v, cases[_i].path, &e);
        if (r == 0)
                describe(&v, &out);
        if (!cases[_i].says) {
                ck_assert_msg(r == -ENOENT && !v.refused, "%s: %d %s", cases[_i].path, r, e.message);
        } else if (cases[_i].says[0] == '!') {
                ck_assert_msg(r == -ENOENT && v.refused, "%s: %d %s", cases[_i].path, r, e.message);
                ck_assert_msg(strstr(e.message, cases[_i].says + 1) != NULL, "%s: %s", cases[_i].path, e.message);
        } else {
                ck_assert_msg(r == 0, "%s: %d %s", cases[_i].path, r, e.message);
                ck_assert_str_eq(out.p, cases[_i].says);
        }
        buf_deinit(&out);
        view_deinit(&v);
}
END_TEST

/* Whatever an item is, the name a view gives it leads back to it. */
START_TEST(test_names_lead_back) {
        static const char hostile[] = "a,%/.\x01\x7F\xC3\xA9+@k";
        struct buf name = BUF_INIT(64 * KIB);
        struct view v, back;
        struct error e;
        char text[6][40];
        uint32_t seed = (uint32_t)_i * 2654435761u + 1;

        for (size_t k = 0; k < 6; k++) {
                size_t n = 1 + (seed >> 8) % 12;

                for (size_t i = 0; i < n; i++, seed = seed * 1664525u + 1013904223u)
                        text[k][i] = hostile[(seed >> 16) % (sizeof(hostile) - 1)];
                text[k][n] = '\0';
                if (!utf8_valid(str_of(text[k])))
                        (void)snprintf(text[k], sizeof(text[k]), ",%zu,", k);
        }
        struct attribute attrs[] = {
                { .name = STR("H"), .value = { .type = VALUE_S, .text = str_of(text[0]) } },
                { .name = STR("R"), .value = { .type = VALUE_S, .text = str_of(text[1]) } },
                { .name = STR("a"), .value = { .type = VALUE_S, .text = str_of(text[2]) } },
                { .name = STR("b"), .value = { .type = VALUE_N, .text = STR("-1.5") } },
                { .name = STR("c"), .value = { .type = VALUE_S, .text = str_of(text[3]) } },
                { .name = STR("d"), .value = { .type = VALUE_B, .text = str_of(text[4]) } },
        };
        struct item item = { .n = ARRAY_LEN(attrs), .attributes = attrs };

        view_init(&v, &music, &indexes[0]);
        view_init(&back, &music, &indexes[0]);
        ck_assert_ok(view_partition_name(&v, &item, &name));
        ck_assert_ok(view_feed(&back, buf_view(&name), &e));
        buf_reset(&name);
        ck_assert_ok(view_item_name(&v, &item, &name));
        buf_puts(&name, ".json");
        ck_assert_ok(view_feed(&back, buf_view(&name), &e));
        ck_assert_int_eq(back.kind, VIEW_ITEM);
        for (size_t i = 0; i < 2; i++)
                ck_assert(str_eq(back.hash.parts[i].text, attrs[2 + i].value.text));
        for (size_t i = 0; i < 4; i++)
                ck_assert(str_eq(back.item.parts[i].text, attrs[i < 2 ? 4 + i : i - 2].value.text));
        view_deinit(&v);
        view_deinit(&back);
        buf_deinit(&name);
}
END_TEST

/* ---- over a store in memory ---- */

START_TEST(test_ranges) {
        char text[FX_TEXT_MAX];
        struct fx x;

        fx_init(&x);
        for (int i = 0; i < 10; i++)
                mem_putf(x.m, "Music", "{\"Artist\": \"A\", \"Song\": \"s%d\", \"odd\": %d}", i, i % 2);
        fx_start(&x);
        ck_assert_str_eq(fx_names(&x, "Music/A/.first/3"), "s0.json s1.json s2.json");
        ck_assert_str_eq(fx_names(&x, "Music/A/.last/2"), "s8.json s9.json");
        ck_assert_str_eq(fx_names(&x, "Music/A/.filter/odd/1/.last/2"), "s7.json s9.json");
        ck_assert_str_eq(fx_names(&x, "Music/A/.last/2/.filter/odd/1"), "s9.json");
        ck_assert_str_eq(fx_names(&x, "Music/A/.between/s3/s5"), "s3.json s4.json s5.json");
        ck_assert_str_eq(fx_names(&x, "Music/A/.prefix/s7"), "s7.json");
        ck_assert_str_eq(fx_names(&x, "Music/A/.between"), "");
        ck_assert_uint_eq(fx_ino(&x, "Music/A/.prefix/s/s7.json"), fx_ino(&x, "Music/A/s7.json"));
        ck_assert_int_eq(fx_exists(&x, "Music/A/.prefix/s7/s6.json"), -ENOENT);
        ck_assert_int_eq(fx_exists(&x, "Music/A/.filter/odd/1/s6.json"), -ENOENT);
        ck_assert_ok(fx_exists(&x, "Music/A/.filter/odd/1/s7.json"));
        ck_assert_int_eq(fx_exists(&x, "Music/A/.first/3/s3.json"), -ENOENT);
        ck_assert_ok(fx_exists(&x, "Music/A/.first/3/s2.json"));
        ck_assert_ok(fx_save(&x, "Music/A/.prefix/s/s7.json", "{\"new\": 1}"));
        ck_assert_item(&x, "Music", "A", "s7", "{\"Artist\":\"A\",\"Song\":\"s7\",\"new\":1}");
        ck_assert_ok(fx_cat(&x, "Music/A/s7.json", text));
        ck_assert_ptr_nonnull(strstr(text, "new"));
        ck_assert_int_eq(fx_save(&x, "Music/A/.prefix/s/t.json", "{}"), -EINVAL);
        ck_assert_ok(fx_save(&x, "Music/A/.prefix/s/s77.json", "{}"));
        ck_assert_ok(fx_mv(&x, "Music/A/.prefix/s/s77.json", "Music/A/u.json", 0));
        ck_assert_ok(fx_rm(&x, "Music/A/.between/u/v/u.json"));
        ck_assert_uint_eq(mem_count(x.m, "Music"), 10);
        ck_assert_int_eq(fx_mkdir(&x, "Music/A/.prefix/s/d"), -EINVAL);
        ck_assert_int_eq(fx_mkdir(&x, "Music/A/.first/d"), -EPERM);
        mem_reset_calls(x.m);
        ck_assert_ok(fx_mv(&x, "Music/A/.first/1/s0.json", "Music/A/.last/1/s0.json", 0));
        ck_assert_ok(fx_mv(&x, "Music/A/.first/1/s0.json", "Music/A/s0.json", 0));
        ck_assert_int_eq(fx_mv(&x, "Music/A/.first/1/s0.json", "Music/A/.last/1/s0.json", RENAME_NOREPLACE), -EEXIST);
        ck_assert_uint_eq(mem_calls(x.m, MEM_GET) + mem_writes(x.m), 0);
        ck_assert_str_eq(fx_names(&x, "Music/A/.first/1"), "s0.json");
        fx_end(&x);
}
END_TEST

/* What the directory holds is every step-th of s<from>.json .. s<to - 1>.json. */
static void assert_songs(struct fx *x, const char *path, int from, int to, int step) {
        char wanted[256] = "";

        for (int i = from; i < to; i += step)
                (void)snprintf(wanted + strlen(wanted), 32, "%ss%d.json", wanted[0] ? " " : "", i);
        ck_assert_str_eq(fx_names(x, path), wanted);
}

/* Whatever the engine says it has evaluated: as many as were asked for, from as many pages as it takes. */
START_TEST(test_limits_over_pages) {
        int n = _i / 2 + 1;
        char path[128], text[FX_TEXT_MAX], wanted[FX_TEXT_MAX] = "";
        struct fx x;

        fx_init(&x);
        for (int i = 0; i < 10; i++)
                mem_putf(x.m, "Music", "{\"Artist\": \"A\", \"Song\": \"s%d\", \"odd\": %d, \"n\": %d}", i, i % 2, i);
        mem_set_page_size(x.m, 3);
        mem_set_count_one_more(x.m, _i % 2);
        fx_start(&x);
        (void)snprintf(path, sizeof(path), "Music/A/.first/%d", n);
        assert_songs(&x, path, 0, n, 1);
        (void)snprintf(path, sizeof(path), "Music/A/.last/%d", n);
        assert_songs(&x, path, 10 - n, 10, 1);
        (void)snprintf(path, sizeof(path), "Music/A/.first/%d/.filter/odd/1", n);
        assert_songs(&x, path, 1, n, 2);
        (void)snprintf(path, sizeof(path), "Music/A/.last/%d/.filter/odd/1", n);
        assert_songs(&x, path, (10 - n) | 1, 10, 2);
        (void)snprintf(path, sizeof(path), "Music/A/.filter/odd/1/.first/%d", (n + 1) / 2);
        assert_songs(&x, path, 1, n % 2 ? n + 1 : n, 2);
        for (int i = 1; i < n; i += 2)
                (void)snprintf(wanted + strlen(wanted), 64, "{\"Song\":\"s%d\",\"n\":%d}\n", i, i);
        (void)snprintf(path, sizeof(path), "Music/A/.columns/n,Song/.first/%d/.filter/odd/1/.export/jsonl", n);
        ck_assert_ok(fx_cat(&x, path, text));
        ck_assert_str_eq(text, wanted);
        fx_end(&x);
}
END_TEST

/* Behind a limit, the service filters only what would not come. */
START_TEST(test_who_filters) {
        static const struct {
                char table;
                const char *path;
                uint32_t filters, columns;
        } t[] = {
                { 'M', "P/.filter/a/x", 1, 0 },
                { 'M', "P/.filter/a/x/.first/3", 1, 0 },
                { 'M', "P/.filter/a/x/.columns/b,c", 1, 2 },
                { 'M', "P/.first/3/.filter/a/x", 0, 0 },
                { 'M', "P/.first/3/.filter/a/x/.columns/a,b", 0, 2 },
                { 'M', "P/.columns/b,c/.last/3/.filter/a/x/.filter/b/1", 0, 3 },
                { 'G', "x,1/.first/3/.filter/x/1", 0, 0 },
                { 'L', "P/.first/3/.filter/a/x", 1, 0 },
                { 'L', "P/.first/3/.filter/a/x/.columns/b", 1, 1 },
                { 'L', "P/.first/3/.filter/R/x", 0, 0 },
        };
        struct query_request q;
        struct error e;
        struct view v;

        view_init(&v, &music, t[_i].table == 'G' ? &indexes[0] : t[_i].table == 'L' ? &indexes[1] : NULL);
        ck_assert_ok(feed_path(&v, t[_i].path, &e));
        view_query(&v, true, &q);
        ck_assert_uint_eq(q.n_filters, t[_i].filters);
        ck_assert_uint_eq(q.n_projection, t[_i].columns);
        view_deinit(&v);
}
END_TEST

/* Nothing is asked about a table or an index that no service has. */
START_TEST(test_impossible_names) {
        static const char *const paths[] = { "@x", "@idx", "a@", "x@idx", "Music@", "Music@xy", "Music@i dx", "Mu sic@idx",
                                             "Music@idx@y", "@", "@x/.export/csv" };
        struct fx x;

        fx_init(&x);
        fx_start(&x);
        for (size_t i = 0; i < ARRAY_LEN(paths); i++)
                ck_assert_msg(fx_exists(&x, paths[i]) == -ENOENT, "%s: %d", paths[i], fx_exists(&x, paths[i]));
        ck_assert_uint_eq(mem_all_calls(x.m), 0);
        fx_end(&x);
}
END_TEST

START_TEST(test_refusal_is_told) {
        struct buf out = BUF_INIT(MIB);
        struct fx x;

        fx_init(&x);
        mem_put(x.m, "Music", "{\"Artist\": \"A\", \"Song\": \"s\"}");
        fx_start(&x);
        ck_assert_int_eq(fx_exists(&x, "Music/A/.first/1/.last/1"), -ENOENT);
        ck_assert_ok(fx_error(&x, "Music/A/.first/1/.last", &out));
        ck_assert_ptr_nonnull(strstr(out.p, "not both"));
        buf_deinit(&out);
        fx_end(&x);
}
END_TEST

START_TEST(test_header_of_nothing) {
        static const char *const wanted[] = { "H,R\n", "H,R,a,b,c,d\n", "H,R,n\n" };
        struct buf out = BUF_INIT(MIB);
        struct items none;
        struct export_table t;
        struct view v;

        items_init(&none);
        view_init(&v, &music, _i ? &indexes[_i - 1] : NULL);
        export_table_init(&t, ',');
        ck_assert_ok(export_table_begin(&t, &v, &none, &out));
        ck_assert_str_eq(out.p, wanted[_i]);
        export_table_deinit(&t);
        view_deinit(&v);
        buf_deinit(&out);
}
END_TEST

START_TEST(test_exports) {
        char text[FX_TEXT_MAX];
        struct fx x;

        fx_init(&x);
        for (int i = 0; i < 5; i++)
                mem_putf(x.m, "Music", "{\"Artist\": \"A\", \"Song\": \"s%d\", \"q\": \"a\\\"b,%d\"}", i, i);
        mem_set_page_size(x.m, 2);
        fx_start(&x);
        ck_assert_ok(fx_cat(&x, "Music/A/.last/3/.export/csv", text));
        ck_assert_str_eq(text, "Artist,Song,q\nA,s4,\"a\"\"b,4\"\nA,s3,\"a\"\"b,3\"\nA,s2,\"a\"\"b,2\"\n");
        ck_assert_ok(fx_cat(&x, "Music/A/.first/3/.columns/Song/.export/json", text));
        ck_assert_str_eq(text, "[\n{\"Song\":\"s0\"},\n{\"Song\":\"s1\"},\n{\"Song\":\"s2\"}\n]\n");
        ck_assert_ok(fx_cat(&x, "Music/A/.prefix/x/.export/json", text));
        ck_assert_str_eq(text, "[]\n");
        ck_assert_ok(fx_cat(&x, "Music/A/.prefix/x/.export/tsv", text));
        ck_assert_str_eq(text, "Artist\tSong\n");
        ck_assert_ok(fx_cat(&x, "Users/.export/csv", text));
        ck_assert_str_eq(text, "Id\n");
        ck_assert_ok(fx_cat(&x, "Music/.filter/Song/s1/.columns/Artist,q/.export/tsv", text));
        ck_assert_str_eq(text, "Artist\tq\nA\t\"a\"\"b,1\"\n");
        mem_fail(x.m, MEM_QUERY, 2, 1, ERR_BUSY, false);
        ck_assert_int_eq(fx_cat(&x, "Music/A/.export/jsonl", text), -EBUSY);
        fx_end(&x);
}
END_TEST

/* Want of memory anywhere is an error, never a crash, a leak or a wrong answer. */
START_TEST(test_no_memory) {
        static const char *const paths[] = { "Music/A/.filter/q/1/.last/2/.columns/Song/.export/csv",
                                             "Music/A/.between/s0/s3/s1.json", "Music/.filter/q/1/.export/json" };
        char wanted[FX_TEXT_MAX], text[FX_TEXT_MAX];
        struct fx x;
        int r = -1;

        fx_init(&x);
        for (int i = 0; i < 3; i++)
                mem_putf(x.m, "Music", "{\"Artist\": \"A\", \"Song\": \"s%d\", \"q\": 1}", i);
        fx_start(&x);
        ck_assert_ok(fx_cat(&x, paths[_i], wanted));
        for (unsigned n = 1; n < 5000 && r; n++) {
                mem_fail_at(n);
                r = fx_cat(&x, paths[_i], text);
                mem_fail_at(0);
                if (r == 0)
                        ck_assert_str_eq(text, wanted);
                else
                        ck_assert_msg(r == -ENOMEM || r == -EIO, "%s: %d at %u", paths[_i], r, n);
        }
        ck_assert_ok(r);
        fx_end(&x);
}
END_TEST

int main(void) {
        Suite *s = suite_create("view");
        TCase *t = tcase_create("view");

        tcase_add_loop_test(t, test_paths, 0, (int)ARRAY_LEN(cases));
        tcase_add_loop_test(t, test_names_lead_back, 0, 200);
        tcase_add_test(t, test_ranges);
        tcase_add_loop_test(t, test_limits_over_pages, 0, 20);
        tcase_add_loop_test(t, test_who_filters, 0, 10);
        tcase_add_test(t, test_impossible_names);
        tcase_add_test(t, test_refusal_is_told);
        tcase_add_loop_test(t, test_header_of_nothing, 0, 3);
        tcase_add_test(t, test_exports);
        tcase_add_loop_test(t, test_no_memory, 0, 3);
        suite_add_tcase(s, t);
        return fx_run(s);
}
