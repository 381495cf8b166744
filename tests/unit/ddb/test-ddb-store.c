/* SPDX-License-Identifier: Apache-2.0 */
/* The store against a real engine, from the vtable down to the socket.  Skipped (77) without $DDBFS_ENGINE. */
#include "fixture.h"

#include <errno.h>

#include "ddbfs/ddb/ddb.h"
#include "engine.h"
#include "../suite.h"

static struct engine engine;
static struct http_transport *transport;
static struct cred_provider *credentials;
static struct aws_settings *settings;
static struct aws_client *client;
static struct store *store;
static struct op_ctx ctx;
static struct error err;
static struct items got;

/* Every call ends in one of these two. */
#define OK(call)                                                              \
        do {                                                                  \
                int _r = (call);                                              \
                ck_assert_msg(_r == 0, "%s: %d, %s", #call, _r, err.message); \
        } while (0)
#define FAILS(call, kind_)                                                                                             \
        do {                                                                                                           \
                err = (struct error){ 0 };                                                                             \
                int _r = (call);                                                                                       \
                ck_assert_msg(_r < 0 && err.kind == (kind_), "%s: %d, kind %d, %s", #call, _r, err.kind, err.message); \
        } while (0)

static void raw(const char *operation, const char *body) {
        struct aws_call call = { .operation = operation, .body = str_of(body) };

        http_response_init(&call.response);
        ck_assert_msg(aws_client_call(client, &ctx, &call) == 0, "%s: %s", operation, call.error.message);
        http_response_deinit(&call.response);
}

static void create_table(const char *name, const char *key, const char *definitions, const char *more) {
        struct buf body = BUF_INIT(MIB);

        buf_printf(&body,
                   "{\"TableName\":\"%s\",\"KeySchema\":[%s],\"AttributeDefinitions\":[%s],\"BillingMode\":"
                   "\"PAY_PER_REQUEST\"%s}",
                   name, key, definitions, more);
        raw("CreateTable", buf_view(&body).p);
        buf_deinit(&body);
}

#define HASH_OF(n) "{\"AttributeName\":\"" n "\",\"KeyType\":\"HASH\"}"
#define RANGE_OF(n) "{\"AttributeName\":\"" n "\",\"KeyType\":\"RANGE\"}"
#define DEF(n, t) "{\"AttributeName\":\"" n "\",\"AttributeType\":\"" t "\"}"

static struct table_schema *songs, *numbers, *binaries;

static void set_up(void) {
        char url[64];
        const struct http_options http = { .max_connections = 8,
                                           .connect_timeout_ns = 3 * NS_PER_S,
                                           .timeout_ns = 20 * NS_PER_S,
                                           .idle_ns = 20 * NS_PER_S,
                                           .user_agent = "test" };
        struct aws_options options = { .region = "us-east-1", .endpoint_url = url };
        struct aws_client_options co = { .service = "dynamodb",
                                         .target_prefix = "DynamoDB_20120810.",
                                         .max_parallel = 4 };

        setenv("AWS_CONFIG_FILE", "/dev/null", 1);
        setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null", 1);
        snprintf(url, sizeof(url), "http://127.0.0.1:%u", engine.port);
        op_ctx_init(&ctx, "test", 0);
        items_init(&got);
        OK(http_transport_new(&http, &transport, &err));
        OK(cred_static_new(STR("AKID"), STR("secret"), STR_NULL, &credentials));
        OK(aws_settings_load(&options, &settings, &err));
        co.transport = transport;
        co.credentials = credentials;
        co.settings = settings;
        OK(aws_client_new(&co, &client, &err));
        OK(ddb_store_new(client, &store));

        create_table("Songs", HASH_OF("artist") "," RANGE_OF("song"),
                     DEF("artist", "S") "," DEF("song", "S") "," DEF("genre", "S"),
                     ",\"GlobalSecondaryIndexes\":[{\"IndexName\":\"by-genre\",\"KeySchema\":[" HASH_OF(
                             "genre") "," RANGE_OF("song") "],\"Projection\":{\"ProjectionType\":\"KEYS_ONLY\"}}]");
        create_table("Numbers", HASH_OF("id"), DEF("id", "N"), "");
        create_table("Binaries", HASH_OF("h") "," RANGE_OF("r"), DEF("h", "B") "," DEF("r", "N"), "");
        OK(store->ops->describe(store, &ctx, STR("Songs"), &songs, &err));
        OK(store->ops->describe(store, &ctx, STR("Numbers"), &numbers, &err));
        OK(store->ops->describe(store, &ctx, STR("Binaries"), &binaries, &err));
}

static void tear_down(void) {
        items_deinit(&got);
        table_schema_unref(songs);
        table_schema_unref(numbers);
        table_schema_unref(binaries);
        store_free(store);
        aws_client_free(client);
        aws_settings_free(settings);
        cred_provider_free(credentials);
        http_transport_free(transport);
        op_ctx_deinit(&ctx);
}

/* ---- building ---- */

static struct value text(const char *s) {
        return (struct value){ .type = VALUE_S, .text = str_of(s) };
}

static struct value number(const char *s) {
        return (struct value){ .type = VALUE_N, .text = str_of(s) };
}

static struct key song_key(const char *artist, const char *song) {
        return (struct key){ 2, { { VALUE_S, str_of(artist) }, { VALUE_S, str_of(song) } } };
}

struct song {
        struct attribute a[5];
        struct item item;
};

/* The item lives in s; fields other than the key may be NULL. */
static const struct item *song_item(struct song *s, const char *artist, const char *song, const char *genre,
                                    const char *n) {
        uint32_t i = 0;

        s->a[i++] = (struct attribute){ STR("artist"), text(artist) };
        if (genre)
                s->a[i++] = (struct attribute){ STR("genre"), text(genre) };
        if (n)
                s->a[i++] = (struct attribute){ STR("n"), number(n) };
        s->a[i++] = (struct attribute){ STR("song"), text(song) };
        s->item = (struct item){ i, s->a };
        return &s->item;
}

static int write_one(struct write w) {
        return store->ops->write(store, &ctx, &w, NULL, &err);
}

static void put_song(const char *artist, const char *song, const char *genre, const char *n) {
        struct song s;

        OK(write_one((struct write){ .op = WRITE_PUT, .table = songs, .item = song_item(&s, artist, song, genre, n) }));
}

static uint32_t get_song(const char *artist, const char *song) {
        const struct get_request q = { .table = songs, .key = song_key(artist, song), .consistent = true };

        OK(store->ops->get(store, &ctx, &q, &got, &err));
        return got.n;
}

static void expect(const struct item *item, const char *name, const char *value) {
        const struct value *v = item_get(item, str_of(name));

        ck_assert_msg(v && bytes_equal(v->text, value), "%s", name);
}

/* ---- tests ---- */

START_TEST(describes) {
        const struct index_schema *x = table_index(songs, STR("by-genre"));
        struct table_schema *none = NULL;

        ck_assert(bytes_equal(songs->name, "Songs") && bytes_equal(songs->status, "ACTIVE"));
        ck_assert(songs->created_s > 1600000000 && songs->description.n > 100);
        ck_assert(table_has_range(songs) && !table_has_range(numbers));
        ck_assert(x && x->global && x->active && x->projection == PROJECT_KEYS_ONLY);
        FAILS(store->ops->describe(store, &ctx, STR("None"), &none, &err), ERR_NO_TABLE);
        ck_assert_ptr_null(none);
}
END_TEST

START_TEST(lists_tables) {
        struct names names;
        char name[32];
        uint32_t n = 0, pages = 0;

        for (int i = 0; i < 105; i++) {
                snprintf(name, sizeof(name), "page-%03d", i);
                create_table(name, HASH_OF("k"), DEF("k", "S"), "");
        }
        names_init(&names);
        do {
                OK(store->ops->list_tables(store, &ctx, names.next, &names, &err));
                ck_assert_uint_le(names.n, 100);
                n += names.n;
                pages++;
        } while (names.next.n > 0 && pages < 10);
        names_deinit(&names);
        ck_assert_uint_eq(n, 108);
        ck_assert_uint_eq(pages, 2);
}
END_TEST

START_TEST(puts_and_gets) {
        const struct condition absent = { COND_NOT_EXISTS, STR("artist"), NULL };
        const struct value old = number("1"), wrong = number("7");
        struct condition equal = { COND_EQ, STR("n"), &wrong };
        struct song s;
        struct write w = { .op = WRITE_PUT,
                           .table = songs,
                           .item = song_item(&s, "put", "a\"\n\xc3\xa9", "rock", "1"),
                           .conditions = &absent,
                           .n_conditions = 1 };
        double wcu = ctx.wcu, rcu = ctx.rcu;

        ck_assert_uint_eq(get_song("put", "a\"\n\xc3\xa9"), 0);
        OK(write_one(w));
        FAILS(write_one(w), ERR_CONDITION);
        ck_assert_uint_eq(get_song("put", "a\"\n\xc3\xa9"), 1);
        ck_assert(item_equal(&got.v[0], w.item));
        ck_assert(ctx.wcu > wcu && ctx.rcu > rcu);

        w.conditions = &equal;
        song_item(&s, "put", "a\"\n\xc3\xa9", "pop", "2");
        FAILS(write_one(w), ERR_CONDITION);
        equal.value = &old;
        OK(write_one(w));
        ck_assert_uint_eq(get_song("put", "a\"\n\xc3\xa9"), 1);
        expect(&got.v[0], "genre", "pop");

        FAILS(write_one((struct write){ .op = WRITE_CHECK, .table = songs, .key = song_key("a", "b") }), ERR_INPUT);
}
END_TEST

START_TEST(updates) {
        const struct attribute set[] = { { STR("n"), number("5") }, { STR("new.one"), text("x") } };
        const struct str remove[] = { STR("genre") };
        const struct condition exists = { COND_EXISTS, STR("artist"), NULL };
        struct write w = { .op = WRITE_UPDATE,
                           .table = songs,
                           .key = song_key("upd", "a"),
                           .set = set,
                           .n_set = 2,
                           .remove = remove,
                           .n_remove = 1,
                           .conditions = &exists,
                           .n_conditions = 1 };

        FAILS(store->ops->write(store, &ctx, &w, &got, &err), ERR_CONDITION);
        put_song("upd", "a", "rock", "1");
        OK(store->ops->write(store, &ctx, &w, &got, &err));
        ck_assert_uint_eq(got.n, 1);
        ck_assert_uint_eq(got.v[0].n, 4);
        expect(&got.v[0], "n", "5");
        expect(&got.v[0], "new.one", "x");

        /* only the key */
        w = (struct write){ .op = WRITE_UPDATE, .table = songs, .key = song_key("upd", "bare") };
        OK(store->ops->write(store, &ctx, &w, &got, &err));
        ck_assert_uint_eq(get_song("upd", "bare"), 1);
        ck_assert_uint_eq(got.v[0].n, 2);
}
END_TEST

START_TEST(deletes) {
        const struct value one = number("1"), two = number("2");
        struct condition equal = { COND_EQ, STR("n"), &two };
        struct write w = {
                .op = WRITE_DELETE, .table = songs, .key = song_key("del", "a"), .conditions = &equal, .n_conditions = 1
        };

        put_song("del", "a", NULL, "1");
        FAILS(write_one(w), ERR_CONDITION);
        equal.value = &one;
        OK(store->ops->write(store, &ctx, &w, &got, &err));
        ck_assert_uint_eq(got.n, 0);
        ck_assert_uint_eq(get_song("del", "a"), 0);
        w.n_conditions = 0;
        OK(write_one(w)); /* of nothing */
}
END_TEST

START_TEST(refusals) {
        struct song s;
        struct attribute a[4];
        char *big = mem_alloc(500 * KIB);
        struct write w = { .op = WRITE_PUT, .table = songs, .item = song_item(&s, "big", "x", NULL, NULL) };

        memset(big, 'x', 500 * KIB);
        memcpy(a, s.a, 2 * sizeof(*a));
        a[2] = (struct attribute){ STR("z"), { .type = VALUE_S, .text = { big, 500 * KIB } } };
        w.item = &(struct item){ 3, a };
        FAILS(write_one(w), ERR_TOO_LARGE);
        mem_free(big);
        w.item = song_item(&s, "", "x", NULL, NULL); /* an empty key */
        FAILS(write_one(w), ERR_VALIDATION);
}
END_TEST

static const struct {
        enum range_op op;
        const char *from, *to;
        bool reverse;
        uint32_t limit;
        const char *first, *last;
        uint32_t n;
} ranges[] = {
        { RANGE_ANY, NULL, NULL, false, 0, "s-00", "s-19", 20 },
        { RANGE_ANY, NULL, NULL, true, 0, "s-19", "s-00", 20 },
        { RANGE_ANY, NULL, NULL, true, 3, "s-19", "s-17", 3 },
        { RANGE_EQ, "s-07", NULL, false, 0, "s-07", "s-07", 1 },
        { RANGE_BEGINS_WITH, "s-1", NULL, false, 0, "s-10", "s-19", 10 },
        { RANGE_BETWEEN, "s-03", "s-05", false, 0, "s-03", "s-05", 3 },
        { RANGE_GE, "s-18", NULL, false, 0, "s-18", "s-19", 2 },
        { RANGE_GT, "s-18", NULL, false, 0, "s-19", "s-19", 1 },
        { RANGE_LE, "s-01", NULL, false, 0, "s-00", "s-01", 2 },
        { RANGE_LT, "s-01", NULL, true, 0, "s-00", "s-00", 1 },
        { RANGE_EQ, "none", NULL, false, 0, NULL, NULL, 0 },
};

START_TEST(queries) {
        struct query_request q = { .table = songs, .consistent = true };
        char name[16];

        for (int i = 0; _i == 0 && i < 20; i++) {
                snprintf(name, sizeof(name), "s-%02d", i);
                put_song("range", name, NULL, "1");
        }
        q.hash = (struct key){ 1, { { VALUE_S, STR("range") } } };
        q.range_op = ranges[_i].op;
        q.reverse = ranges[_i].reverse;
        q.limit = ranges[_i].limit;
        if (ranges[_i].from)
                q.range = (struct key){ 1, { { VALUE_S, str_of(ranges[_i].from) } } };
        if (ranges[_i].to)
                q.range_end = (struct key_part){ VALUE_S, str_of(ranges[_i].to) };
        OK(store->ops->query(store, &ctx, &q, &got, &err));
        ck_assert_uint_eq(got.n, ranges[_i].n);
        ck_assert_uint_eq(got.count, got.n);
        ck_assert(!got.next == !ranges[_i].limit);
        if (got.n > 0) {
                expect(&got.v[0], "song", ranges[_i].first);
                expect(&got.v[got.n - 1], "song", ranges[_i].last);
        }
        q.count = true;
        OK(store->ops->query(store, &ctx, &q, &got, &err));
        ck_assert_uint_eq(got.n, 0);
        ck_assert_uint_eq(got.count, ranges[_i].n);
}
END_TEST

/* 12 items of 300 KB are several pages; `start` lies in the very items each page replaces. */
START_TEST(page_by_page) {
        struct query_request q = { .table = songs,
                                   .hash = { 1, { { VALUE_S, STR("big-pages") } } },
                                   .consistent = true };
        struct scan_request sq = { .table = songs };
        size_t size = 300 * KIB;
        char *big = mem_alloc(size), name[16];
        struct attribute a[3];
        struct song s;
        uint32_t n = 0, pages = 0;
        bool found = false;

        memset(big, 'x', size);
        for (int i = 0; i < 12; i++) {
                snprintf(name, sizeof(name), "%02d", i);
                song_item(&s, "big-pages", name, NULL, NULL);
                a[0] = s.a[0];
                a[1] = s.a[1];
                a[2] = (struct attribute){ STR("x"), { .type = VALUE_S, .text = { big, size } } };
                OK(write_one((struct write){ .op = WRITE_PUT, .table = songs, .item = &(struct item){ 3, a } }));
        }
        mem_free(big);
        items_deinit(&got);
        do {
                q.start = got.next;
                OK(store->ops->query(store, &ctx, &q, &got, &err));
                for (uint32_t i = 0; i < got.n; i++) {
                        snprintf(name, sizeof(name), "%02u", n++);
                        expect(&got.v[i], "song", name);
                        ck_assert_uint_eq(item_get(&got.v[i], STR("x"))->text.n, size);
                }
                pages++;
        } while (got.next && pages < 50);
        ck_assert_uint_eq(n, 12);
        ck_assert_uint_gt(pages, 2);

        /* the same by a scan of small pages */
        sq.limit = 5;
        items_deinit(&got);
        n = pages = 0;
        do {
                sq.start = got.next;
                OK(store->ops->scan(store, &ctx, &sq, &got, &err));
                ck_assert_uint_le(got.n, 5);
                for (uint32_t i = 0; i < got.n; i++) {
                        n += str_eq(item_get(&got.v[i], STR("artist"))->text, STR("big-pages"));
                        found |= str_eq(item_get(&got.v[i], STR("artist"))->text, STR("range"));
                }
                pages++;
        } while (got.next && pages < 500);
        ck_assert_uint_eq(n, 12);
        ck_assert(found);
}
END_TEST

START_TEST(filters_and_projections) {
        static const struct str names[] = { T("song"), T("n"), T("absent") };
        struct filter filters[] = { { .attr = STR("n"), .value = number("2") }, { .attr = STR("genre"), .value = text("jazz") } };
        struct query_request q = { .table = songs,
                                   .hash = { 1, { { VALUE_S, STR("filter") } } },
                                   .filters = filters,
                                   .n_filters = 2,
                                   .projection = names,
                                   .n_projection = 3 };
        struct scan_request sq = { .table = songs, .filters = filters, .n_filters = 2, .count = true };
        struct get_request g = {
                .table = songs, .key = song_key("filter", "a"), .projection = names, .n_projection = 2
        };

        put_song("filter", "a", "rock", "2");
        put_song("filter", "b", "jazz", "2");
        put_song("filter", "c", "jazz", "3");
        OK(store->ops->query(store, &ctx, &q, &got, &err));
        ck_assert_uint_eq(got.n, 1);
        ck_assert_uint_eq(got.scanned, 3);
        ck_assert_uint_eq(got.v[0].n, 2);
        expect(&got.v[0], "song", "b");
        OK(store->ops->scan(store, &ctx, &sq, &got, &err));
        ck_assert_uint_eq(got.n, 0);
        OK(store->ops->get(store, &ctx, &g, &got, &err));
        ck_assert_uint_eq(got.v[0].n, 2);
        g.projection = &names[2];
        g.n_projection = 1;
        OK(store->ops->get(store, &ctx, &g, &got, &err));
        ck_assert_uint_eq(got.n, 1); /* there, though nothing of it was asked for */
        ck_assert_uint_eq(got.v[0].n, 0);
}
END_TEST

START_TEST(index_views) {
        const struct index_schema *x = table_index(songs, STR("by-genre"));
        struct query_request q = { .table = songs, .index = x, .hash = { 1, { { VALUE_S, STR("fado") } } } };

        put_song("index", "b", "fado", "1");
        put_song("index", "a", "fado", "1");
        put_song("index", "c", NULL, "1");
        OK(store->ops->query(store, &ctx, &q, &got, &err));
        ck_assert_uint_eq(got.n, 2);
        expect(&got.v[0], "song", "a");
        ck_assert_ptr_null(item_get(&got.v[0], STR("n"))); /* not projected */
        q.limit = 1;
        OK(store->ops->query(store, &ctx, &q, &got, &err));
        ck_assert_ptr_nonnull(got.next);
        ck_assert_uint_eq(got.next->n, 3); /* keys of the index and of the table */
        q.start = got.next;
        OK(store->ops->query(store, &ctx, &q, &got, &err));
        expect(&got.v[0], "song", "b");
        q.start = NULL;
        q.consistent = true;
        FAILS(store->ops->query(store, &ctx, &q, &got, &err), ERR_VALIDATION);
        ck_assert_uint_eq(got.n, 1); /* what was there stays */
}
END_TEST

START_TEST(other_keys) {
        struct attribute a[2] = { { STR("h"), V_B("\0\xff\n") }, { STR("r"), V_N("-0.5") } };
        const struct item item = { 2, a };
        struct get_request g = { .table = binaries, .key = { 2, { P_B("\0\xff\n"), P_N("-0.5") } } };
        struct attribute n[1] = { { STR("id"), V_N("12345678901234567890123456789012345678") } };
        struct query_request q = { .table = binaries,
                                   .hash = { 1, { P_B("\0\xff\n") } },
                                   .range = { 1, { P_N("-1") } },
                                   .range_op = RANGE_GT };

        OK(write_one((struct write){ .op = WRITE_PUT, .table = binaries, .item = &item }));
        OK(store->ops->get(store, &ctx, &g, &got, &err));
        ck_assert_uint_eq(got.n, 1);
        ck_assert(item_equal(&got.v[0], &item));
        OK(store->ops->query(store, &ctx, &q, &got, &err));
        ck_assert_uint_eq(got.n, 1);

        OK(write_one((struct write){ .op = WRITE_PUT, .table = numbers, .item = &(struct item){ 1, n } }));
        g = (struct get_request){ .table = numbers, .key = { 1, { P_N("12345678901234567890123456789012345678") } } };
        OK(store->ops->get(store, &ctx, &g, &got, &err));
        ck_assert_uint_eq(got.n, 1);
        g.key.parts[0].text = STR("12345678901234567890123456789012345679");
        OK(store->ops->get(store, &ctx, &g, &got, &err));
        ck_assert_uint_eq(got.n, 0);
}
END_TEST

#define MANY 230

START_TEST(batches) {
        static struct song s[MANY];
        static char names[MANY][16];
        static struct write w[MANY + 3];
        static struct get_request g[MANY + 2];
        int results[MANY + 3];
        unsigned requests;
        bool seen[MANY] = { false };

        for (int i = 0; i < MANY; i++) {
                snprintf(names[i], sizeof(names[i]), "%03d", i);
                w[i] = (struct write){ .op = WRITE_PUT,
                                       .table = songs,
                                       .item = song_item(&s[i], "batch", names[i], NULL, "1") };
                g[i] = (struct get_request){ .table = songs, .key = song_key("batch", names[i]) };
        }
        /* the same keys again: the last word counts */
        static struct song again;
        w[MANY] = (struct write){ .op = WRITE_DELETE, .table = songs, .key = song_key("batch", "000") };
        w[MANY + 1] = (struct write){ .op = WRITE_DELETE, .table = songs, .key = song_key("batch", "001") };
        w[MANY + 2] =
                (struct write){ .op = WRITE_PUT, .table = songs, .item = song_item(&again, "batch", "001", NULL, "2") };
        memset(results, 0x55, sizeof(results));
        requests = ctx.requests;
        OK(store->ops->batch_write(store, &ctx, w, MANY + 3, results, &err));
        ck_assert_uint_ge(ctx.requests - requests, 10);
        ck_assert_uint_le(ctx.requests - requests, 12);
        for (int i = 0; i < MANY + 3; i++)
                ck_assert_int_eq(results[i], 0);

        g[MANY] = g[5]; /* twice in a request would be refused */
        g[MANY + 1] = (struct get_request){ .table = songs, .key = song_key("batch", "none") };
        OK(store->ops->batch_get(store, &ctx, g, MANY + 2, &got, &err));
        ck_assert_uint_eq(got.n, MANY - 1);
        for (uint32_t i = 0; i < got.n; i++) {
                int k = atoi(item_get(&got.v[i], STR("song"))->text.p);

                ck_assert(k >= 1 && k < MANY && !seen[k]);
                seen[k] = true;
                expect(&got.v[i], "n", k == 1 ? "2" : "1");
        }
        OK(store->ops->batch_get(store, &ctx, g, 0, &got, &err));
        ck_assert_uint_eq(got.n, 0);
        OK(store->ops->batch_write(store, &ctx, w, 0, results, &err));
}
END_TEST

/* One bad write does not take the others of its batch with it. */
START_TEST(batch_with_a_bad_one) {
        static struct song s[30];
        static char names[30][16];
        struct write w[30];
        int results[30];

        for (int i = 0; i < 30; i++) {
                snprintf(names[i], sizeof(names[i]), "%d", i);
                w[i] = (struct write){ .op = WRITE_PUT,
                                       .table = songs,
                                       .item = song_item(&s[i], i == 7 ? "" : "half", names[i], NULL, NULL) };
        }
        FAILS(store->ops->batch_write(store, &ctx, w, 30, results, &err), ERR_VALIDATION);
        for (int i = 0; i < 30; i++) {
                ck_assert_int_eq(results[i], i == 7 ? -EINVAL : 0);
                ck_assert_uint_eq(get_song("half", names[i]), i != 7);
        }
        /* not for a batch at all */
        w[3].op = WRITE_UPDATE;
        w[3].key = song_key("half", "3");
        FAILS(store->ops->batch_write(store, &ctx, w, 30, results, &err), ERR_INPUT);
        ck_assert_int_eq(results[29], -EINVAL);
}
END_TEST

START_TEST(transactions) {
        const struct condition exists = { COND_EXISTS, STR("artist"), NULL };
        struct song s;
        struct write w[] = {
                { .op = WRITE_PUT, .table = songs, .item = song_item(&s, "tx", "b", NULL, "1") },
                { .op = WRITE_DELETE,
                  .table = songs,
                  .key = song_key("tx", "a"),
                  .conditions = &exists,
                  .n_conditions = 1 },
                { .op = WRITE_CHECK,
                  .table = songs,
                  .key = song_key("tx", "c"),
                  .conditions = &exists,
                  .n_conditions = 1 },
        };
        struct get_request g[] = {
                { .table = songs, .key = song_key("tx", "a") },
                { .table = songs, .key = song_key("tx", "b") },
        };

        put_song("tx", "a", NULL, "1");
        FAILS(store->ops->transact_write(store, &ctx, w, 3, &err), ERR_CANCELLED);
        ck_assert_uint_eq(err.action, 2);
        ck_assert_str_eq(err.code, "ConditionalCheckFailed");
        ck_assert_uint_eq(get_song("tx", "b"), 0);
        put_song("tx", "c", NULL, "1");
        OK(store->ops->transact_write(store, &ctx, w, 3, &err));
        OK(store->ops->transact_get(store, &ctx, g, 2, &got, &err));
        ck_assert_uint_eq(got.n, 2);
        ck_assert_ptr_null(got.v[0].attributes);
        expect(&got.v[1], "song", "b");
        FAILS(store->ops->transact_write(store, &ctx, w, 101, &err), ERR_INPUT);
        FAILS(store->ops->transact_get(store, &ctx, g, 101, &got, &err), ERR_INPUT);
        OK(store->ops->transact_write(store, &ctx, w, 0, &err));
        OK(store->ops->transact_get(store, &ctx, g, 0, &got, &err));
        ck_assert_uint_eq(got.n, 0);
}
END_TEST

START_TEST(interrupted) {
        struct op_ctx late;
        const struct get_request g = { .table = songs, .key = song_key("a", "b") };
        struct write w = { .op = WRITE_DELETE, .table = songs, .key = song_key("x", "y") };
        int result = 0;

        op_ctx_init(&late, "late", 0);
        op_ctx_cancel(&late);
        FAILS(store->ops->get(store, &late, &g, &got, &err), ERR_INTERRUPTED);
        FAILS(store->ops->batch_write(store, &late, &w, 1, &result, &err), ERR_INTERRUPTED);
        ck_assert_int_eq(result, -EINTR);
        op_ctx_deinit(&late);
}
END_TEST

START_TEST(explains) {
        struct buf out = BUF_INIT(MIB);
        const struct get_request g = { .table = numbers, .key = { 1, { P_N("1") } } };
        const struct query_request q = { .table = numbers, .hash = { 1, { P_N("1") } } };

        OK(store->ops->explain_get(store, &g, &out));
        check_text(&out, "GetItem {\"TableName\":\"Numbers\",\"Key\":{\"id\":{\"N\":\"1\"}},"
                         "\"ReturnConsumedCapacity\":\"TOTAL\"}");
        buf_reset(&out);
        OK(store->ops->explain_query(store, &q, &out));
        ck_assert(str_starts(buf_view(&out), STR("Query {\"TableName\":\"Numbers\",")));
        buf_reset(&out);
        OK(store->ops->explain_scan(store, &(struct scan_request){ .table = numbers }, &out));
        check_text(&out, "Scan {\"TableName\":\"Numbers\",\"ReturnConsumedCapacity\":\"TOTAL\"}");
        buf_deinit(&out);
}
END_TEST

int main(void) {
        const char *program = getenv("DDBFS_ENGINE");
        Suite *s = suite_create("ddb/store");
        TCase *t = tcase_create("engine");
        int failed;

        if (!program || !*program) {
                fprintf(stderr, "DDBFS_ENGINE is not set\n");
                return 77;
        }
        if (engine_start(&engine, program))
                return 1;
        tcase_set_timeout(t, 120);
        tcase_add_unchecked_fixture(t, set_up, tear_down);
        tcase_add_test(t, describes);
        tcase_add_test(t, lists_tables);
        tcase_add_test(t, puts_and_gets);
        tcase_add_test(t, updates);
        tcase_add_test(t, deletes);
        tcase_add_test(t, refusals);
        tcase_add_loop_test(t, queries, 0, (int)ARRAY_LEN(ranges));
        tcase_add_test(t, page_by_page);
        tcase_add_test(t, filters_and_projections);
        tcase_add_test(t, index_views);
        tcase_add_test(t, other_keys);
        tcase_add_test(t, batches);
        tcase_add_test(t, batch_with_a_bad_one);
        tcase_add_test(t, transactions);
        tcase_add_test(t, interrupted);
        tcase_add_test(t, explains);
        suite_add_tcase(s, t);
        failed = suite_run(s);
        engine_stop(&engine);
        return failed;
}
