/* SPDX-License-Identifier: Apache-2.0 */
/* Responses: the documented shapes, and everything a confused or hostile service may send instead. */
#include "fixture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "ddbfs/ddb/responses.h"
#include "../suite.h"

enum parser { GET, PAGE, COUNT, WRITE, BATCH_GET, BATCH_WRITE, TRANSACT_GET, TRANSACT_WRITE, DESCRIBE, TABLES };

/* What an answer came to. */
struct outcome {
        struct items items;
        struct ddb_lefts left;
        struct ddb_usage usage;
        struct table_schema *schema;
        struct names names;
        struct error error;
        int r;
};

static void run(enum parser p, struct str text, struct outcome *o) {
        struct buf body = BUF_INIT(64 * MIB);

        *o = (struct outcome){ .r = 0 };
        items_init(&o->items);
        names_init(&o->names);
        buf_str(&body, text);
        if (buf_status(&body)) {
                o->r = buf_status(&body);
                o->error.kind = ERR_MEMORY;
                buf_deinit(&body);
                return;
        }
        switch (p) {
        case GET:
                o->r = ddb_parse_get(&body, &o->items, &o->usage, &o->error);
                break;
        case PAGE:
        case COUNT:
                o->r = ddb_parse_page("Query", &body, p == COUNT, &o->items, &o->usage, &o->error);
                break;
        case WRITE:
                o->r = ddb_parse_write("PutItem", &body, &o->items, &o->usage, &o->error);
                break;
        case BATCH_GET:
                o->r = ddb_parse_batch_get(&body, &o->items, &o->left, &o->usage, &o->error);
                break;
        case BATCH_WRITE:
                o->r = ddb_parse_batch_write(&body, &o->items, &o->left, &o->usage, &o->error);
                break;
        case TRANSACT_GET:
                o->r = ddb_parse_transact_get(&body, 2, &o->items, &o->usage, &o->error);
                break;
        case TRANSACT_WRITE:
                o->r = ddb_parse_transact_write(&body, &o->items, &o->usage, &o->error);
                break;
        case DESCRIBE:
                o->r = ddb_parse_describe(buf_view(&body), STR("T-1"), &o->schema, &o->error);
                break;
        case TABLES:
                o->r = ddb_parse_tables(buf_view(&body), &o->names, &o->error);
                break;
        }
        buf_deinit(&body);
}

static void finish(struct outcome *o) {
        items_deinit(&o->items);
        names_deinit(&o->names);
        table_schema_unref(o->schema);
}

static void check_attr(const struct item *item, const char *name, enum value_type type, const char *text) {
        const struct value *v = item_get(item, str_of(name));

        ck_assert_ptr_nonnull(v);
        ck_assert_int_eq(v->type, type);
        ck_assert(bytes_equal(v->text, text));
}

/* ---- as documented ---- */

START_TEST(get_item) {
        struct outcome o;

        run(GET,
            STR("{\"ConsumedCapacity\":{\"TableName\":\"T\",\"CapacityUnits\":0.5,\"Table\":{\"CapacityUnits\":"
                "9.0}},\"Item\":{\"b\":{\"N\":\"1\"},\"a\":{\"S\":\"x\\u0041\"}},\"New\":[{}]}"),
            &o);
        ck_assert_int_eq(o.r, 0);
        ck_assert_uint_eq(o.items.n, 1);
        check_attr(&o.items.v[0], "a", VALUE_S, "xA");
        check_attr(&o.items.v[0], "b", VALUE_N, "1");
        ck_assert(o.usage.total == 0.5 && o.usage.read == 0 && o.usage.write == 0);
        finish(&o);
}
END_TEST

START_TEST(get_absent_and_empty) {
        struct outcome o;

        run(GET, STR("{}"), &o);
        ck_assert_int_eq(o.r, 0);
        ck_assert_uint_eq(o.items.n, 0);
        finish(&o);
        run(GET, STR("{\"Item\":null}"), &o);
        ck_assert_int_eq(o.r, 0);
        ck_assert_uint_eq(o.items.n, 0);
        finish(&o);
        /* a projection of none of its attributes: the item is there */
        run(GET, STR("{\"Item\":{}}"), &o);
        ck_assert_int_eq(o.r, 0);
        ck_assert_uint_eq(o.items.n, 1);
        ck_assert_uint_eq(o.items.v[0].n, 0);
        ck_assert_ptr_nonnull(o.items.v[0].attributes);
        finish(&o);
}
END_TEST

START_TEST(page) {
        struct outcome o;

        run(PAGE,
            STR("{\"Count\":2,\"Items\":[{\"k\":{\"S\":\"1\"}},{\"k\":{\"S\":\"2\"}}],\"ScannedCount\":7,"
                "\"LastEvaluatedKey\":{\"k\":{\"S\":\"2\"}},\"ConsumedCapacity\":{\"CapacityUnits\":12}}"),
            &o);
        ck_assert_int_eq(o.r, 0);
        ck_assert_uint_eq(o.items.n, 2);
        ck_assert_uint_eq(o.items.count, 2);
        ck_assert_uint_eq(o.items.scanned, 7);
        ck_assert_ptr_nonnull(o.items.next);
        check_attr(&o.items.v[1], "k", VALUE_S, "2");
        check_attr(o.items.next, "k", VALUE_S, "2");
        ck_assert(o.usage.total == 12);
        finish(&o);

        run(COUNT, STR("{\"Count\":18446744073709551615,\"ScannedCount\":0}"), &o);
        ck_assert_int_eq(o.r, 0);
        ck_assert_uint_eq(o.items.count, UINT64_MAX);
        ck_assert_uint_eq(o.items.n, 0);
        ck_assert_ptr_null(o.items.next);
        finish(&o);
}
END_TEST

START_TEST(many_items) {
        struct buf text = BUF_INIT(MIB);
        struct outcome o;

        buf_puts(&text, "{\"Items\":[");
        for (int i = 0; i < 1000; i++)
                buf_printf(&text, "%s{\"k\":{\"N\":\"%d\"}}", i ? "," : "", i);
        buf_puts(&text, "]}");
        run(PAGE, buf_view(&text), &o);
        ck_assert_int_eq(o.r, 0);
        ck_assert_uint_eq(o.items.n, 1000);
        check_attr(&o.items.v[0], "k", VALUE_N, "0");
        check_attr(&o.items.v[999], "k", VALUE_N, "999");
        finish(&o);
        buf_deinit(&text);
}
END_TEST

START_TEST(batches) {
        struct outcome o;

        run(BATCH_GET,
            STR("{\"Responses\":{\"T\":[{\"k\":{\"S\":\"1\"}}],\"U\":[]},\"UnprocessedKeys\":{\"T\":{"
                "\"Keys\":[{\"k\":{\"S\":\"2\"}},{\"k\":{\"S\":\"3\"}}],\"ConsistentRead\":true}},"
                "\"ConsumedCapacity\":[{\"TableName\":\"T\",\"CapacityUnits\":1.5},{\"CapacityUnits\":2}]}"),
            &o);
        ck_assert_int_eq(o.r, 0);
        ck_assert_uint_eq(o.items.n, 1);
        ck_assert_uint_eq(o.left.n, 2);
        ck_assert(bytes_equal(o.left.v[1].table, "T"));
        check_attr(&o.left.v[1].item, "k", VALUE_S, "3");
        ck_assert(o.usage.total == 3.5);
        finish(&o);

        run(BATCH_WRITE,
            STR("{\"UnprocessedItems\":{\"T\":[{\"PutRequest\":{\"Item\":{\"k\":{\"S\":\"1\"},\"x\":{\"N\":"
                "\"1\"}}}},{\"DeleteRequest\":{\"Key\":{\"k\":{\"S\":\"2\"}}}}]}}"),
            &o);
        ck_assert_int_eq(o.r, 0);
        ck_assert_uint_eq(o.left.n, 2);
        ck_assert_uint_eq(o.left.v[0].item.n, 2);
        check_attr(&o.left.v[1].item, "k", VALUE_S, "2");
        finish(&o);
}
END_TEST

START_TEST(transactions) {
        struct outcome o;

        run(TRANSACT_GET,
            STR("{\"Responses\":[{},{\"Item\":{\"k\":{\"S\":\"1\"}}}],\"ConsumedCapacity\":[{"
                "\"CapacityUnits\":4,\"ReadCapacityUnits\":4}]}"),
            &o);
        ck_assert_int_eq(o.r, 0);
        ck_assert_uint_eq(o.items.n, 2);
        ck_assert_ptr_null(o.items.v[0].attributes);
        check_attr(&o.items.v[1], "k", VALUE_S, "1");
        ck_assert(o.usage.read == 4);
        finish(&o);
        run(TRANSACT_GET, STR("{\"Responses\":[null,{\"Item\":null}]}"), &o);
        ck_assert_int_eq(o.r, 0);
        ck_assert_uint_eq(o.items.n, 2);
        ck_assert_ptr_null(o.items.v[1].attributes);
        finish(&o);
        run(TRANSACT_WRITE, STR("{\"ConsumedCapacity\":[{\"CapacityUnits\":4,\"WriteCapacityUnits\":4}]}"), &o);
        ck_assert_int_eq(o.r, 0);
        ck_assert(o.usage.write == 4);
        finish(&o);
}
END_TEST

START_TEST(odd_capacity_counts_nothing) {
        static const char *const odd[] = { "null",
                                           "\"x\"",
                                           "{\"CapacityUnits\":\"1\"}",
                                           "{\"CapacityUnits\":-1}",
                                           "{\"CapacityUnits\":1e999}",
                                           "[[1],2,{\"CapacityUnits\":1e300}]",
                                           "{\"CapacityUnits\":11111111111111111111111111111111111111111111111}" };
        struct outcome o;
        char text[200];

        for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
                snprintf(text, sizeof(text), "{\"ConsumedCapacity\":%s}", odd[i]);
                run(WRITE, str_of(text), &o);
                ck_assert_int_eq(o.r, 0);
                ck_assert(o.usage.total == 0);
                finish(&o);
        }
}
END_TEST

/* ---- nonsense ---- */

static const struct {
        enum parser parser;
        const char *text;
} nonsense[] = {
        { GET, "" },
        { GET, "null" },
        { GET, "[]" },
        { GET, "{" },
        { GET, "{}x" },
        { GET, "{\"Item\":[]}" },
        { GET, "{\"Item\":\"x\"}" },
        { GET, "{\"Item\":{\"a\":1}}" },
        { GET, "{\"Item\":{\"a\":{}}}" },
        { GET, "{\"Item\":{\"a\":{\"S\":1}}}" },
        { GET, "{\"Item\":{\"a\":{\"N\":1}}}" },
        { GET, "{\"Item\":{\"a\":{\"N\":\"NaN\"}}}" },
        { GET, "{\"Item\":{\"a\":{\"N\":\"111111111111111111111111111111111111111\"}}}" },
        { GET, "{\"Item\":{\"a\":{\"N\":\"1e126\"}}}" },
        { GET, "{\"Item\":{\"a\":{\"B\":\"?\"}}}" },
        { GET, "{\"Item\":{\"a\":{\"Q\":\"x\"}}}" },
        { GET, "{\"Item\":{\"a\":{\"S\":\"x\",\"N\":\"1\"}}}" },
        { GET, "{\"Item\":{\"a\":{\"S\":\"1\"},\"a\":{\"S\":\"2\"}}}" },
        { GET, "{\"Item\":{\"a\":{\"S\":\"\xff\"}}}" },
        { GET, "{\"Item\":{\"a\":{\"S\":\"\\ud800\"}}}" },
        { GET, "{\"Item\":{\"a\":{\"SS\":[]}}}" },
        { GET, "{\"Item\":{\"a\":{\"S\":\"1\"}},\"Item\":{\"a\":{\"S\":\"1\"}}}" },
        { GET, "{\"Item\":{\"a\":{\"S\":\"1\"}}" },
        { PAGE, "{}" },
        { PAGE, "{\"Items\":{}}" },
        { PAGE, "{\"Items\":[1]}" },
        { PAGE, "{\"Items\":[{}" },
        { PAGE, "{\"Items\":[{},]}" },
        { PAGE, "{\"Items\":[],\"Items\":[]}" },
        { PAGE, "{\"Items\":[],\"Count\":-1}" },
        { PAGE, "{\"Items\":[],\"Count\":1.5}" },
        { PAGE, "{\"Items\":[],\"Count\":18446744073709551616}" },
        { PAGE, "{\"Items\":[],\"Count\":\"1\"}" },
        { PAGE, "{\"Items\":[],\"LastEvaluatedKey\":{}}" },
        { PAGE, "{\"Items\":[],\"LastEvaluatedKey\":\"x\"}" },
        { COUNT, "{}" },
        { COUNT, "{\"Items\":[]}" },
        { WRITE, "\"\"" },
        { WRITE, "{\"Attributes\":1}" },
        { BATCH_GET, "{\"Responses\":[]}" },
        { BATCH_GET, "{\"Responses\":{\"T\":{}}}" },
        { BATCH_GET, "{\"UnprocessedKeys\":{\"T\":[]}}" },
        { BATCH_WRITE, "{\"UnprocessedItems\":[]}" },
        { BATCH_WRITE, "{\"UnprocessedItems\":{\"T\":[{}]}}" },
        { BATCH_WRITE, "{\"UnprocessedItems\":{\"T\":[{\"PutRequest\":{}}]}}" },
        { BATCH_WRITE,
          "{\"UnprocessedItems\":{\"T\":[{\"PutRequest\":{\"Item\":{}},\"DeleteRequest\":{\"Key\":{}}}]}}" },
        { TRANSACT_GET, "{}" },
        { TRANSACT_GET, "{\"Responses\":[]}" },
        { TRANSACT_GET, "{\"Responses\":[{},{},{}]}" },
        { TRANSACT_GET, "{\"Responses\":[1,2]}" },
        { TRANSACT_WRITE, "1" },
        { TABLES, "{\"TableNames\":\"x\"}" },
        { TABLES, "{\"TableNames\":[\"\"]}" },
        { TABLES, "{\"TableNames\":[\"a/b\"]}" },
        { TABLES, "{\"TableNames\":[\"..@x\"]}" },
        { TABLES, "{\"TableNames\":[1]}" },
        { TABLES, "{\"TableNames\":[],\"LastEvaluatedTableName\":\"x\"}" },
        { TABLES, "{\"TableNames\":[\"a\"],\"LastEvaluatedTableName\":\"a b\"}" },
        { DESCRIBE, "" },
        { DESCRIBE, "{}" },
        { DESCRIBE, "{\"Table\":[]}" },
        { DESCRIBE, "{\"Table\":{}}" },
        { DESCRIBE, "{\"Table\":{\"TableName\":\"x/y\"}}" },
        { DESCRIBE, "{\"Table\":{\"TableName\":\"T\"}}" },
        { DESCRIBE, "{\"Table\":{\"TableName\":\"T\",\"TableName\":\"T\"}}" },
        { DESCRIBE, "{\"Table\":{\"TableName\":\"T\",\"ItemCount\":1e400}}" },
        { DESCRIBE, "{\"Table\":{\"TableName\":\"T\",\"ItemCount\":99999999999999999999999}}" },
        { DESCRIBE, "{\"Table\":{\"TableName\":\"T\",\"KeySchema\":{},\"AttributeDefinitions\":[]}}" },
        { DESCRIBE, "{\"Table\":{\"TableName\":\"T\",\"KeySchema\":[],\"AttributeDefinitions\":[]}}" },
        { DESCRIBE, "{\"Table\":{\"TableName\":\"T\",\"KeySchema\":[{\"AttributeName\":\"a\",\"KeyType\":\"HASH\"}],"
                    "\"AttributeDefinitions\":[]}}" },
        { DESCRIBE, "{\"Table\":{\"TableName\":\"T\",\"KeySchema\":[{\"AttributeName\":\"a\",\"KeyType\":\"HASH\"}],"
                    "\"AttributeDefinitions\":[{\"AttributeName\":\"a\",\"AttributeType\":\"SS\"}]}}" },
        { DESCRIBE, "{\"Table\":{\"TableName\":\"T\",\"KeySchema\":[{\"AttributeName\":\"a\",\"KeyType\":\"RANGE\"}],"
                    "\"AttributeDefinitions\":[{\"AttributeName\":\"a\",\"AttributeType\":\"S\"}]}}" },
        { DESCRIBE, "{\"Table\":{\"TableName\":\"T\",\"KeySchema\":[{\"AttributeName\":\"a\",\"KeyType\":\"HASH\"},"
                    "{\"AttributeName\":\"a\",\"KeyType\":\"RANGE\"}],\"AttributeDefinitions\":[{\"AttributeName\":"
                    "\"a\",\"AttributeType\":\"S\"}]}}" },
        { DESCRIBE, "{\"Table\":{\"TableName\":\"T\",\"KeySchema\":[{\"AttributeName\":\"a\",\"KeyType\":\"HASH\"},"
                    "{\"AttributeName\":\"b\",\"KeyType\":\"HASH\"}],\"AttributeDefinitions\":[{\"AttributeName\":"
                    "\"a\",\"AttributeType\":\"S\"},{\"AttributeName\":\"b\",\"AttributeType\":\"S\"}]}}" },
};

START_TEST(nonsense_is_refused) {
        struct outcome o;

        run(nonsense[_i].parser, str_of(nonsense[_i].text), &o);
        ck_assert_msg(o.r == -EIO, "%s: %d", nonsense[_i].text, o.r);
        ck_assert_int_eq(o.error.kind, ERR_PROTOCOL);
        ck_assert(o.error.message[0] != '\0');
        ck_assert_ptr_null(strchr(o.error.message, '\n'));
        ck_assert_ptr_null(o.schema);
        finish(&o);
}
END_TEST

START_TEST(deep_nesting) {
        struct buf text = BUF_INIT(MIB);
        struct outcome o;

        /* 31 maps round a string are 32 levels: the service's limit */
        for (int levels = 31; levels <= 5000; levels = levels == 31 ? 40 : levels == 40 ? 5000 : 9999) {
                buf_reset(&text);
                buf_puts(&text, "{\"Items\":[{\"a\":");
                for (int i = 0; i < levels; i++)
                        buf_puts(&text, "{\"M\":{\"a\":");
                buf_puts(&text, "{\"S\":\"x\"}");
                for (int i = 0; i < levels; i++)
                        buf_puts(&text, "}}");
                buf_puts(&text, "}]}");
                run(PAGE, buf_view(&text), &o);
                ck_assert_int_eq(o.r, levels == 31 ? 0 : -EIO);
                finish(&o);
        }
        /* unknown members are skipped, but not without end */
        buf_reset(&text);
        buf_puts(&text, "{\"x\":");
        buf_fill(&text, '[', 100000);
        run(GET, buf_view(&text), &o);
        ck_assert_int_eq(o.r, -EIO);
        finish(&o);
        run(DESCRIBE, buf_view(&text), &o);
        ck_assert_int_eq(o.r, -EIO);
        finish(&o);
        buf_deinit(&text);
}
END_TEST

/* ---- tables ---- */

#define S_DEF(n) "{\"AttributeName\":\"" n "\",\"AttributeType\":\"S\"}"
#define HASH_OF(n) "{\"AttributeName\":\"" n "\",\"KeyType\":\"HASH\"}"
#define RANGE_OF(n) "{\"AttributeName\":\"" n "\",\"KeyType\":\"RANGE\"}"

/* clang-format off */
#define KEYS_ONLY "\"Projection\":{\"ProjectionType\":\"KEYS_ONLY\"}"
#define ALL "\"Projection\":{\"ProjectionType\":\"ALL\"}"
#define EIGHT HASH_OF("a") "," HASH_OF("b") "," HASH_OF("c") "," HASH_OF("d") "," \
              RANGE_OF("e") "," RANGE_OF("f") "," RANGE_OF("g") "," RANGE_OF("h")

static const char description[] =
        "{\"TableName\":\"Music\",\"TableArn\":\"arn:x\",\"TableStatus\":\"ACTIVE\",\"CreationDateTime\":1.5E9,"
        "\"ItemCount\":12,\"TableSizeBytes\":345,\"LatestStreamArn\":\"arn:s\","
        "\"KeySchema\":[" RANGE_OF("song") "," HASH_OF("artist") "],"
        "\"AttributeDefinitions\":[" S_DEF("artist") ",{\"AttributeName\":\"song\",\"AttributeType\":\"B\"},"
        "{\"AttributeName\":\"n\",\"AttributeType\":\"N\"},{\"AttributeName\":\"odd\",\"AttributeType\":\"V\"},"
        S_DEF("a") "," S_DEF("b") "," S_DEF("c") "," S_DEF("d") "," S_DEF("e") "," S_DEF("f") "," S_DEF("g") ","
        S_DEF("h") "," S_DEF("i") "],"
        "\"LocalSecondaryIndexes\":["
        "{\"IndexName\":\"lsi\",\"KeySchema\":[" HASH_OF("artist") "," RANGE_OF("n") "],"
        "\"Projection\":{\"ProjectionType\":\"INCLUDE\",\"NonKeyAttributes\":[\"x\",\"y\"]}}],"
        "\"GlobalSecondaryIndexes\":["
        "{\"IndexName\":\"eight\",\"IndexStatus\":\"ACTIVE\",\"KeySchema\":[" EIGHT "]," KEYS_ONLY "},"
        "{\"IndexName\":\"nine\",\"KeySchema\":[" EIGHT "," RANGE_OF("i") "]," ALL "},"
        "{\"IndexName\":\"odd-type\",\"KeySchema\":[" HASH_OF("odd") "]," ALL "},"
        "{\"IndexName\":\"odd-role\",\"KeySchema\":[" HASH_OF("a") ",{\"AttributeName\":\"b\",\"KeyType\":\"VECTOR\"}"
        "]," ALL "},"
        "{\"IndexName\":\"odd-projection\",\"KeySchema\":[" HASH_OF("a") "],\"Projection\":{\"ProjectionType\":\"X\"}},"
        "{\"IndexName\":\"odd/name\",\"KeySchema\":[" HASH_OF("a") "]," ALL "},"
        "{\"IndexName\":\"lsi\",\"KeySchema\":[" HASH_OF("a") "]," ALL "},"
        "7,"
        "{\"IndexName\":\"new\",\"IndexStatus\":\"CREATING\",\"KeySchema\":[" HASH_OF("n") "]," ALL "}],"
        "\"VectorIndexes\":[{}]}";
/* clang-format on */

START_TEST(describe) {
        struct buf text = BUF_INIT(MIB);
        const struct index_schema *x;
        struct table_schema *s;
        struct outcome o;

        buf_printf(&text, "{ \"Other\" : 1, \"Table\" :\n %s }", description);
        run(DESCRIBE, buf_view(&text), &o);
        ck_assert_msg(o.r == 0, "%s", o.error.message);
        s = o.schema;
        ck_assert(bytes_equal(s->name, "Music") && bytes_equal(s->arn, "arn:x") && bytes_equal(s->status, "ACTIVE"));
        ck_assert(bytes_equal(s->address, "T-1") && bytes_equal(s->stream_arn, "arn:s"));
        ck_assert(bytes_equal(s->description, description));
        ck_assert_int_eq(s->created_s, 1500000000);
        ck_assert_uint_eq(s->item_count, 12);
        ck_assert_uint_eq(s->size_bytes, 345);
        ck_assert_uint_eq(s->key.n_hash, 1);
        ck_assert_uint_eq(s->key.n_range, 1);
        ck_assert(bytes_equal(s->key.attrs[0].name, "artist") && s->key.attrs[0].type == VALUE_S);
        ck_assert(bytes_equal(s->key.attrs[1].name, "song") && s->key.attrs[1].type == VALUE_B);

        ck_assert_uint_eq(s->n_indexes, 3);
        x = table_index(s, STR("lsi"));
        ck_assert(x && !x->global && x->active && x->projection == PROJECT_INCLUDE && x->n_include == 2);
        ck_assert(bytes_equal(x->include[1], "y"));
        x = table_index(s, STR("eight"));
        ck_assert(x && x->global && x->active && x->key.n_hash == 4 && x->key.n_range == 4);
        ck_assert(bytes_equal(x->key.attrs[7].name, "h"));
        x = table_index(s, STR("new"));
        ck_assert(x && !x->active && x->key.attrs[0].type == VALUE_N);
        ck_assert_ptr_null(table_index(s, STR("nine")));
        finish(&o);
        buf_deinit(&text);
}
END_TEST

START_TEST(tables) {
        struct outcome o;

        run(TABLES, STR("{\"TableNames\":[\"a.b\",\"C_d-9\"],\"LastEvaluatedTableName\":\"C_d-9\"}"), &o);
        ck_assert_int_eq(o.r, 0);
        ck_assert_uint_eq(o.names.n, 2);
        ck_assert(bytes_equal(o.names.v[0], "a.b") && bytes_equal(o.names.next, "C_d-9"));
        finish(&o);
        run(TABLES, STR("{}"), &o);
        ck_assert_int_eq(o.r, 0);
        ck_assert_uint_eq(o.names.n, 0);
        ck_assert_uint_eq(o.names.next.n, 0);
        finish(&o);
}
END_TEST

/* ---- why a transaction was cancelled ---- */

static const struct {
        const char *text;
        int r;
        bool transient;
        uint32_t n, action;
        const char *code, *message;
} cancels[] = {
        { "{\"CancellationReasons\":[{\"Code\":\"None\"},{\"Code\":\"ConditionalCheckFailed\",\"Message\":\"m\","
          "\"Item\":"
          "{\"a\":{\"S\":\"x\"}}}]}",
          0, false, 2, 1, "ConditionalCheckFailed", "m" },
        { "{\"CancellationReasons\":[{\"Code\":\"None\",\"Message\":null},{\"Code\":\"TransactionConflict\"}]}", 0,
          true, 2, 1, "TransactionConflict", "" },
        { "{\"CancellationReasons\":[{\"Code\":\"ThrottlingError\"},{\"Code\":\"ProvisionedThroughputExceeded\"}]}", 0,
          true, 2, 0, "ThrottlingError", "" },
        /* the lasting reason is the guilty one, wherever it stands */
        { "{\"CancellationReasons\":[{\"Code\":\"TransactionConflict\"},{\"Code\":\"None\"},{\"Code\":"
          "\"ValidationError\"},"
          "{\"Code\":\"ConditionalCheckFailed\"}]}",
          0, false, 4, 2, "ValidationError", "" },
        { "{\"CancellationReasons\":[{},{\"Code\":\"None\"}]}", 0, true, 2, 0, "", "" },
        { "{}", -EIO, false, 0, 0, "", "" },
        { "", -EIO, false, 0, 0, "", "" },
        { "{\"CancellationReasons\":[1]}", -EIO, false, 0, 0, "", "" },
        { "{\"CancellationReasons\":[{\"Code\":1}]}", -EIO, false, 0, 0, "", "" },
};

START_TEST(cancelled) {
        struct ddb_cancelled c = { 0 };
        struct error e;

        ck_assert_int_eq(ddb_parse_cancelled(str_of(cancels[_i].text), &c, &e), cancels[_i].r);
        ck_assert_int_eq(c.transient, cancels[_i].transient);
        ck_assert_uint_eq(c.n, cancels[_i].n);
        ck_assert_uint_eq(c.action, cancels[_i].action);
        ck_assert_str_eq(c.code, cancels[_i].code);
        ck_assert_str_eq(c.message, cancels[_i].message);
}
END_TEST

/* ---- damage ---- */

static const struct {
        enum parser parser;
        const char *text;
} whole[] = {
        { GET,
          "{\"Item\":{\"b\":{\"N\":\"1\"},\"a\":{\"L\":[{\"S\":\"x\\n\"},{\"M\":{\"z\":{\"BS\":[\"AA==\"]}}}]}}}" },
        { PAGE, "{\"Items\":[{\"k\":{\"S\":\"1\"}},{\"k\":{\"S\":\"2\"}}],\"Count\":2,\"ScannedCount\":2,"
                "\"LastEvaluatedKey\":{\"k\":{\"S\":\"2\"}},\"ConsumedCapacity\":{\"CapacityUnits\":1}}" },
        { BATCH_GET,
          "{\"Responses\":{\"T\":[{\"k\":{\"S\":\"1\"}}]},\"UnprocessedKeys\":{\"T\":{\"Keys\":[{\"k\":{\"S\":"
          "\"2\"}}]}}}" },
        { BATCH_WRITE, "{\"UnprocessedItems\":{\"T\":[{\"PutRequest\":{\"Item\":{\"k\":{\"S\":\"1\"}}}}]}}" },
        { TRANSACT_GET, "{\"Responses\":[{},{\"Item\":{\"k\":{\"S\":\"1\"}}}]}" },
        { TABLES, "{\"TableNames\":[\"a\",\"b\"],\"LastEvaluatedTableName\":\"b\"}" },
        { DESCRIBE,
          "{\"Table\":{\"TableName\":\"T\",\"KeySchema\":[{\"AttributeName\":\"a\",\"KeyType\":\"HASH\"}],"
          "\"AttributeDefinitions\":[{\"AttributeName\":\"a\",\"AttributeType\":\"S\"}],"
          "\"GlobalSecondaryIndexes\":[{\"IndexName\":\"x\",\"KeySchema\":[{\"AttributeName\":\"a\",\"KeyType\":"
          "\"HASH\"}],\"Projection\":{\"ProjectionType\":\"INCLUDE\",\"NonKeyAttributes\":[\"q\"]}}]}}" },
};

START_TEST(truncated) {
        size_t n = strlen(whole[_i].text);
        struct outcome o;

        for (size_t i = 0; i < n; i++) {
                run(whole[_i].parser, str_make(whole[_i].text, i), &o);
                ck_assert_int_eq(o.r, -EIO);
                finish(&o);
        }
        run(whole[_i].parser, str_make(whole[_i].text, n), &o);
        ck_assert_msg(o.r == 0, "%s", o.error.message);
        finish(&o);
}
END_TEST

/* Each byte replaced in turn: whatever comes of it, nothing but 0 and -EIO. */
START_TEST(bytes_replaced) {
        static const char with[] = { '{', '"', ',', ']', '0', '\\', '\0', (char)0xff };
        size_t n = strlen(whole[_i].text);
        char text[1024];
        struct outcome o;

        ck_assert_uint_lt(n, sizeof(text));
        for (size_t i = 0; i < n; i++)
                for (size_t k = 0; k < sizeof(with); k++) {
                        memcpy(text, whole[_i].text, n);
                        text[i] = with[k];
                        run(whole[_i].parser, str_make(text, n), &o);
                        ck_assert(o.r == 0 || o.r == -EIO);
                        finish(&o);
                }
}
END_TEST

START_TEST(out_of_memory) {
        struct outcome o;
        unsigned long n;

        for (n = 1; n < 100; n++) {
                mem_fail_at(n);
                run(whole[_i].parser, str_of(whole[_i].text), &o);
                mem_fail_at(0);
                finish(&o);
                if (o.r == 0)
                        break;
                ck_assert_int_eq(o.r, -ENOMEM);
                ck_assert_int_eq(o.error.kind, ERR_MEMORY);
        }
        ck_assert_uint_gt(n, 1);
        ck_assert_uint_lt(n, 100);
}
END_TEST

START_TEST(names_valid) {
        char longest[TABLE_NAME_MAX + 1];

        memset(longest, 'a', sizeof(longest));
        ck_assert(ddb_name_valid(STR("aZ09_.-")));
        ck_assert(ddb_name_valid(str_make(longest, TABLE_NAME_MAX)));
        ck_assert(!ddb_name_valid(str_make(longest, TABLE_NAME_MAX + 1)));
        ck_assert(!ddb_name_valid(STR("")) && !ddb_name_valid(STR("a/b")) && !ddb_name_valid(STR("a@b")));
        ck_assert(!ddb_name_valid(STR("a\0b")) && !ddb_name_valid(STR("\xc3\xa9")) && !ddb_name_valid(STR("a b")));
}
END_TEST

int main(void) {
        Suite *s = suite_create("ddb/responses");
        TCase *t = tcase_create("parse");

        tcase_set_timeout(t, 60);
        tcase_add_test(t, get_item);
        tcase_add_test(t, get_absent_and_empty);
        tcase_add_test(t, page);
        tcase_add_test(t, many_items);
        tcase_add_test(t, batches);
        tcase_add_test(t, transactions);
        tcase_add_test(t, odd_capacity_counts_nothing);
        tcase_add_loop_test(t, nonsense_is_refused, 0, (int)ARRAY_LEN(nonsense));
        tcase_add_test(t, deep_nesting);
        tcase_add_test(t, describe);
        tcase_add_test(t, tables);
        tcase_add_loop_test(t, cancelled, 0, (int)ARRAY_LEN(cancels));
        tcase_add_loop_test(t, truncated, 0, (int)ARRAY_LEN(whole));
        tcase_add_loop_test(t, bytes_replaced, 0, (int)ARRAY_LEN(whole));
        tcase_add_loop_test(t, out_of_memory, 0, (int)ARRAY_LEN(whole));
        tcase_add_test(t, names_valid);
        suite_add_tcase(s, t);
        return suite_run(s);
}
