/* SPDX-License-Identifier: Apache-2.0 */
/* The very text of every request, and that write_measure() in store/ agrees with it. */
#include "fixture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "ddbfs/ddb/requests.h"
#include "../suite.h"

#define CAPACITY "\"ReturnConsumedCapacity\":\"TOTAL\""
#define KEY_AB "\"Key\":{\"artist\":{\"S\":\"a\"},\"song\":{\"S\":\"b\"}}"

static const struct str odd_names[] = { T("a"), T("b.c"), T("quote\"d") };

/* ---- reads ---- */

static const struct {
        struct get_request q;
        const char *want;
} gets[] = {
        { { .table = &music, .key = { 2, { P_S("a"), P_S("b") } } },
          "{\"TableName\":\"Music\"," KEY_AB "," CAPACITY "}" },
        { { .table = &music, .key = { 2, { P_S("a"), P_S("b") } }, .consistent = true },
          "{\"TableName\":\"Music\"," KEY_AB ",\"ConsistentRead\":true," CAPACITY "}" },
        { { .table = &users, .key = { 1, { P_N("-0.5") } }, .projection = odd_names, .n_projection = 3 },
          "{\"TableName\":\"Users\",\"Key\":{\"id\":{\"N\":\"-0.5\"}},\"ProjectionExpression\":\"#n0,#n1,#n2\","
          "\"ExpressionAttributeNames\":{\"#n0\":\"a\",\"#n1\":\"b.c\",\"#n2\":\"quote\\\"d\"}," CAPACITY "}" },
        { { .table = &blobs, .key = { 2, { P_B("\0\xff"), P_N("7") } } },
          "{\"TableName\":\"arn:aws:dynamodb:eu-west-1:1:table/Blobs\",\"Key\":{\"h\":{\"B\":\"AP8=\"},"
          "\"r\":{\"N\":\"7\"}}," CAPACITY "}" },
        /* not of the schema */
        { { .table = &music, .key = { 1, { P_S("a") } } }, NULL },
        { { .table = &music, .key = { 2, { P_S("a"), P_N("1") } } }, NULL },
        { { .table = &users, .key = { 2, { P_N("1"), P_N("1") } } }, NULL },
};

START_TEST(get_text) {
        struct buf out = BUF_INIT(DDB_REQUEST_MAX);
        int r = ddb_request_get(&gets[_i].q, &out);

        ck_assert_int_eq(r, gets[_i].want ? 0 : -EINVAL);
        if (!r)
                check_text(&out, gets[_i].want);
        buf_deinit(&out);
}
END_TEST

static const struct filter filters[] = { { .attr = T("status"), .value = V_S("open") }, { .attr = T("n"), .value = V_N("1") } };
static struct attribute start_attributes[] = { { T("artist"), V_S("a") }, { T("song"), V_S("x") } };
static const struct item start = { 2, start_attributes };

#define HASH_A .table = &music, .hash = { 1, { P_S("a") } }
#define Q_HEAD "{\"TableName\":\"Music\",\"KeyConditionExpression\":\""
#define Q_NAMES "\"ExpressionAttributeNames\":{\"#n0\":\"artist\",\"#n1\":\"song\"},"
#define Q_VALUES "\"ExpressionAttributeValues\":{\":v0\":{\"S\":\"a\"},\":v1\":{\"S\":\"b\"}}," CAPACITY "}"
#define RANGE_B .range = { 1, { P_S("b") } }

static const struct {
        struct query_request q;
        const char *want;
} queries[] = {
        { { HASH_A },
          Q_HEAD "#n0=:v0\",\"ExpressionAttributeNames\":{\"#n0\":\"artist\"},"
                 "\"ExpressionAttributeValues\":{\":v0\":{\"S\":\"a\"}}," CAPACITY "}" },
        { { HASH_A, RANGE_B }, Q_HEAD "#n0=:v0 AND #n1=:v1\"," Q_NAMES Q_VALUES },
        { { HASH_A, RANGE_B, .range_op = RANGE_EQ }, Q_HEAD "#n0=:v0 AND #n1=:v1\"," Q_NAMES Q_VALUES },
        { { HASH_A, RANGE_B, .range_op = RANGE_GE }, Q_HEAD "#n0=:v0 AND #n1>=:v1\"," Q_NAMES Q_VALUES },
        { { HASH_A, RANGE_B, .range_op = RANGE_LE }, Q_HEAD "#n0=:v0 AND #n1<=:v1\"," Q_NAMES Q_VALUES },
        { { HASH_A, RANGE_B, .range_op = RANGE_GT }, Q_HEAD "#n0=:v0 AND #n1>:v1\"," Q_NAMES Q_VALUES },
        { { HASH_A, RANGE_B, .range_op = RANGE_LT }, Q_HEAD "#n0=:v0 AND #n1<:v1\"," Q_NAMES Q_VALUES },
        { { HASH_A, RANGE_B, .range_op = RANGE_BEGINS_WITH },
          Q_HEAD "#n0=:v0 AND begins_with(#n1,:v1)\"," Q_NAMES Q_VALUES },
        { { HASH_A, RANGE_B, .range_op = RANGE_BETWEEN, .range_end = P_S("c") },
          Q_HEAD
          "#n0=:v0 AND #n1 BETWEEN :v1 AND :v2\"," Q_NAMES
          "\"ExpressionAttributeValues\":{\":v0\":{\"S\":\"a\"},\":v1\":{\"S\":\"b\"},\":v2\":{\"S\":\"c\"}}," CAPACITY
          "}" },
        { { HASH_A, .reverse = true, .consistent = true, .limit = 20, .start = &start },
          Q_HEAD "#n0=:v0\",\"ExpressionAttributeNames\":{\"#n0\":\"artist\"},"
                 "\"ExpressionAttributeValues\":{\":v0\":{\"S\":\"a\"}},\"ScanIndexForward\":false,"
                 "\"ConsistentRead\":true,\"Limit\":20,"
                 "\"ExclusiveStartKey\":{\"artist\":{\"S\":\"a\"},\"song\":{\"S\":\"x\"}}," CAPACITY "}" },
        { { HASH_A, .filters = filters, .n_filters = 2, .projection = odd_names, .n_projection = 2 },
          Q_HEAD "#n0=:v0\",\"FilterExpression\":\"#n1=:v1 AND #n2=:v2\",\"ProjectionExpression\":\"#n3,#n4\","
                 "\"ExpressionAttributeNames\":{\"#n0\":\"artist\",\"#n1\":\"status\",\"#n2\":\"n\",\"#n3\":\"a\","
                 "\"#n4\":\"b.c\"},\"ExpressionAttributeValues\":{\":v0\":{\"S\":\"a\"},\":v1\":{\"S\":\"open\"},"
                 "\":v2\":{\"N\":\"1\"}}," CAPACITY "}" },
        /* Select=COUNT and a projection exclude each other */
        { { HASH_A, .count = true, .projection = odd_names, .n_projection = 2 },
          Q_HEAD "#n0=:v0\",\"ExpressionAttributeNames\":{\"#n0\":\"artist\"},"
                 "\"ExpressionAttributeValues\":{\":v0\":{\"S\":\"a\"}},\"Select\":\"COUNT\"," CAPACITY "}" },
        /* several hash and range attributes */
        { { .table = &music,
            .index = &music_indexes[0],
            .hash = { 2, { P_S("l"), P_S("c") } },
            .range = { 2, { P_N("1999"), P_S("t") } },
            .range_op = RANGE_BEGINS_WITH },
          "{\"TableName\":\"Music\",\"IndexName\":\"by-label\",\"KeyConditionExpression\":\"#n0=:v0 AND #n1=:v1 AND "
          "#n2=:v2 AND begins_with(#n3,:v3)\",\"ExpressionAttributeNames\":{\"#n0\":\"label\",\"#n1\":\"country\","
          "\"#n2\":\"year\",\"#n3\":\"title\"},\"ExpressionAttributeValues\":{\":v0\":{\"S\":\"l\"},"
          "\":v1\":{\"S\":\"c\"},\":v2\":{\"N\":\"1999\"},\":v3\":{\"S\":\"t\"}}," CAPACITY "}" },
        /* refused */
        { { .table = &music }, NULL },
        { { .table = &music, .hash = { 1, { P_N("1") } } }, NULL },
        { { HASH_A, .range_op = RANGE_EQ }, NULL },
        { { HASH_A, .range = { 1, { P_N("1") } }, .range_op = RANGE_EQ }, NULL },
        { { HASH_A, .range = { 2, { P_S("1"), P_S("2") } }, .range_op = RANGE_EQ }, NULL },
        { { HASH_A, RANGE_B, .range_op = RANGE_BETWEEN, .range_end = P_N("1") }, NULL },
        { { .table = &music, .index = &music_indexes[0], .hash = { 1, { P_S("l") } } }, NULL },
        { { .table = &blobs, .hash = { 1, { P_B("h") } }, .range = { 1, { P_N("1") } }, .range_op = RANGE_BEGINS_WITH },
          NULL },
};

START_TEST(query_text) {
        struct buf out = BUF_INIT(DDB_REQUEST_MAX);
        int r = ddb_request_query(&queries[_i].q, &out);

        ck_assert_int_eq(r, queries[_i].want ? 0 : -EINVAL);
        if (!r)
                check_text(&out, queries[_i].want);
        buf_deinit(&out);
}
END_TEST

static const struct {
        struct scan_request q;
        const char *want;
} scans[] = {
        { { .table = &music }, "{\"TableName\":\"Music\"," CAPACITY "}" },
        { { .table = &music,
            .index = &music_indexes[0],
            .segment = 3,
            .total_segments = 4,
            .limit = 1,
            .consistent = true,
            .start = &start },
          "{\"TableName\":\"Music\",\"IndexName\":\"by-label\",\"Segment\":3,\"TotalSegments\":4,"
          "\"ConsistentRead\":true,\"Limit\":1,\"ExclusiveStartKey\":{\"artist\":{\"S\":\"a\"},"
          "\"song\":{\"S\":\"x\"}}," CAPACITY "}" },
        { { .table = &users, .filters = filters, .n_filters = 1, .projection = odd_names, .n_projection = 1 },
          "{\"TableName\":\"Users\",\"FilterExpression\":\"#n0=:v0\",\"ProjectionExpression\":\"#n1\","
          "\"ExpressionAttributeNames\":{\"#n0\":\"status\",\"#n1\":\"a\"},"
          "\"ExpressionAttributeValues\":{\":v0\":{\"S\":\"open\"}}," CAPACITY "}" },
        { { .table = &users, .count = true }, "{\"TableName\":\"Users\",\"Select\":\"COUNT\"," CAPACITY "}" },
        { { .table = &users, .segment = 4, .total_segments = 4 }, NULL },
};

START_TEST(scan_text) {
        struct buf out = BUF_INIT(DDB_REQUEST_MAX);
        int r = ddb_request_scan(&scans[_i].q, &out);

        ck_assert_int_eq(r, scans[_i].want ? 0 : -EINVAL);
        if (!r)
                check_text(&out, scans[_i].want);
        buf_deinit(&out);
}
END_TEST

/* ---- writes ---- */

static struct attribute song_attributes[] = { { T("artist"), V_S("a") },
                                              { T("n"), V_N("1") },
                                              { T("song"), V_S("b") } };
static const struct item song = { 3, song_attributes };
static const struct value one = V_N("1");
static const struct attribute sets[] = { { T("n"), V_N("2") }, { T("t"), V_S("x") } };
static const struct str removes[] = { T("u"), T("w") };
static const struct condition conditions[] = {
        { COND_EXISTS, T("artist"), NULL },
        { COND_EQ, T("n"), &one },
        { COND_NOT_EXISTS, T("t"), NULL },
};
#define SONG "\"Item\":{\"artist\":{\"S\":\"a\"},\"n\":{\"N\":\"1\"},\"song\":{\"S\":\"b\"}}"
#define WKEY .table = &music, .key = { 2, { P_S("a"), P_S("b") } }

static const struct {
        struct write w;
        bool all_new;
        const char *want;
} writes[] = {
        { { .op = WRITE_PUT, .table = &music, .item = &song },
          false,
          "{\"TableName\":\"Music\"," SONG "," CAPACITY "}" },
        { { .op = WRITE_PUT, .table = &music, .item = &song, .conditions = conditions, .n_conditions = 3 },
          true,
          "{\"TableName\":\"Music\"," SONG ",\"ConditionExpression\":\"attribute_exists(#n0) AND #n1=:v0 AND "
          "attribute_not_exists(#n2)\",\"ExpressionAttributeNames\":{\"#n0\":\"artist\",\"#n1\":\"n\","
          "\"#n2\":\"t\"},\"ExpressionAttributeValues\":{\":v0\":{\"N\":\"1\"}}," CAPACITY "}" },
        { { .op = WRITE_UPDATE,
            WKEY,
            .set = sets,
            .n_set = 2,
            .remove = removes,
            .n_remove = 2,
            .conditions = &conditions[1],
            .n_conditions = 1 },
          true,
          "{\"TableName\":\"Music\"," KEY_AB ",\"UpdateExpression\":\"SET #n0=:v0,#n1=:v1 REMOVE #n2,#n3\","
          "\"ConditionExpression\":\"#n4=:v2\",\"ExpressionAttributeNames\":{\"#n0\":\"n\",\"#n1\":\"t\","
          "\"#n2\":\"u\",\"#n3\":\"w\",\"#n4\":\"n\"},\"ExpressionAttributeValues\":{\":v0\":{\"N\":\"2\"},"
          "\":v1\":{\"S\":\"x\"},\":v2\":{\"N\":\"1\"}},\"ReturnValues\":\"ALL_NEW\"," CAPACITY "}" },
        { { .op = WRITE_UPDATE, WKEY, .remove = removes, .n_remove = 1 },
          false,
          "{\"TableName\":\"Music\"," KEY_AB ",\"UpdateExpression\":\"REMOVE #n0\","
          "\"ExpressionAttributeNames\":{\"#n0\":\"u\"}," CAPACITY "}" },
        { { .op = WRITE_UPDATE, WKEY }, false, "{\"TableName\":\"Music\"," KEY_AB "," CAPACITY "}" },
        { { .op = WRITE_UPDATE, WKEY, .return_old = true },
          true,
          "{\"TableName\":\"Music\"," KEY_AB ",\"ReturnValues\":\"ALL_OLD\"," CAPACITY "}" },
        { { .op = WRITE_DELETE, WKEY, .return_old = true },
          true,
          "{\"TableName\":\"Music\"," KEY_AB ",\"ReturnValues\":\"ALL_OLD\"," CAPACITY "}" },
        { { .op = WRITE_DELETE, WKEY, .conditions = conditions, .n_conditions = 1 },
          false,
          "{\"TableName\":\"Music\"," KEY_AB ",\"ConditionExpression\":\"attribute_exists(#n0)\","
          "\"ExpressionAttributeNames\":{\"#n0\":\"artist\"}," CAPACITY "}" },
        { { .op = WRITE_CHECK, WKEY, .conditions = conditions, .n_conditions = 1 }, false, NULL },
        { { .op = WRITE_DELETE, .table = &users, .key = { 1, { P_S("1") } } }, false, NULL },
};

START_TEST(write_text) {
        struct buf out = BUF_INIT(DDB_REQUEST_MAX);
        int r = ddb_request_write(&writes[_i].w, writes[_i].all_new, &out);

        ck_assert_int_eq(r, writes[_i].want ? 0 : -EINVAL);
        if (!r)
                check_text(&out, writes[_i].want);
        buf_deinit(&out);
}
END_TEST

START_TEST(transact_write_text) {
        const struct write w[] = {
                { .op = WRITE_PUT, .table = &music, .item = &song },
                { .op = WRITE_UPDATE, WKEY, .set = sets, .n_set = 1 },
                { .op = WRITE_DELETE, WKEY },
                { .op = WRITE_CHECK, WKEY, .conditions = conditions, .n_conditions = 1 },
        };
        struct buf out = BUF_INIT(DDB_REQUEST_MAX);

        ck_assert_int_eq(ddb_request_transact_write(w, 4, STR("tok"), &out), 0);
        check_text(&out, "{" CAPACITY ",\"ClientRequestToken\":\"tok\",\"TransactItems\":[{\"Put\":{\"TableName\":"
                         "\"Music\"," SONG "}},{\"Update\":{\"TableName\":\"Music\"," KEY_AB ",\"UpdateExpression\":"
                         "\"SET #n0=:v0\",\"ExpressionAttributeNames\":{\"#n0\":\"n\"},\"ExpressionAttributeValues\":"
                         "{\":v0\":{\"N\":\"2\"}}}},{\"Delete\":{\"TableName\":\"Music\"," KEY_AB "}},"
                         "{\"ConditionCheck\":{\"TableName\":\"Music\"," KEY_AB ",\"ConditionExpression\":"
                         "\"attribute_exists(#n0)\",\"ExpressionAttributeNames\":{\"#n0\":\"artist\"}}}]}");
        buf_reset(&out);
        ck_assert_int_eq(ddb_request_transact_write(&(struct write){ .op = WRITE_CHECK, WKEY }, 1, STR("t"), &out),
                         -EINVAL);
        buf_reset(&out);
        ck_assert_int_eq(ddb_request_transact_write(&(struct write){ .op = WRITE_UPDATE, WKEY }, 1, STR("t"), &out),
                         -EINVAL);
        buf_deinit(&out);
}
END_TEST

START_TEST(transact_get_text) {
        const struct get_request q[] = { gets[0].q, gets[2].q };
        struct buf out = BUF_INIT(DDB_REQUEST_MAX);

        ck_assert_int_eq(ddb_request_transact_get(q, 2, &out), 0);
        check_text(&out, "{" CAPACITY ",\"TransactItems\":[{\"Get\":{\"TableName\":\"Music\"," KEY_AB "}},"
                         "{\"Get\":{\"TableName\":\"Users\",\"Key\":{\"id\":{\"N\":\"-0.5\"}},"
                         "\"ProjectionExpression\":\"#n0,#n1,#n2\",\"ExpressionAttributeNames\":{\"#n0\":\"a\","
                         "\"#n1\":\"b.c\",\"#n2\":\"quote\\\"d\"}}}]}");
        buf_deinit(&out);
}
END_TEST

START_TEST(batch_get_text) {
        const struct get_request q[] = {
                { .table = &users,
                  .key = { 1, { P_N("1") } },
                  .consistent = true,
                  .projection = odd_names,
                  .n_projection = 1 },
                { .table = &users, .key = { 1, { P_N("2") } } },
                { .table = &users, .key = { 1, { P_N("3") } } },
        };
        const uint32_t pick[] = { 0, 2 };
        struct buf out = BUF_INIT(DDB_REQUEST_MAX);

        ck_assert_int_eq(ddb_request_batch_get(q, pick, 2, &out), 0);
        check_text(&out, "{" CAPACITY ",\"RequestItems\":{\"Users\":{\"Keys\":[{\"id\":{\"N\":\"1\"}},"
                         "{\"id\":{\"N\":\"3\"}}],\"ProjectionExpression\":\"#n0\",\"ExpressionAttributeNames\":"
                         "{\"#n0\":\"a\"},\"ConsistentRead\":true}}}");
        ck_assert_int_eq(ddb_request_batch_get(q, pick, 0, &out), -EINVAL);
        buf_deinit(&out);
}
END_TEST

START_TEST(batch_write_text) {
        struct attribute user_attributes[] = { { T("id"), V_N("9") } };
        const struct item user = { 1, user_attributes };
        const struct write w[] = {
                { .op = WRITE_PUT, .table = &users, .item = &user },
                { .op = WRITE_DELETE, WKEY },
                { .op = WRITE_DELETE, .table = &users, .key = { 1, { P_N("1") } } },
                { .op = WRITE_UPDATE, WKEY },
                { .op = WRITE_DELETE, WKEY, .conditions = conditions, .n_conditions = 1 },
        };
        uint32_t pick[] = { 0, 1, 2 };
        struct buf out = BUF_INIT(DDB_REQUEST_MAX);

        /* grouped by table, in order within each */
        ck_assert_int_eq(ddb_request_batch_write(w, pick, 3, &out), 0);
        check_text(&out, "{" CAPACITY ",\"RequestItems\":{\"Music\":[{\"DeleteRequest\":{" KEY_AB "}}],"
                         "\"Users\":[{\"PutRequest\":{\"Item\":{\"id\":{\"N\":\"9\"}}}},"
                         "{\"DeleteRequest\":{\"Key\":{\"id\":{\"N\":\"1\"}}}}]}}");
        for (uint32_t i = 3; i < 5; i++) {
                buf_reset(&out);
                ck_assert_int_eq(ddb_request_batch_write(w, &(uint32_t){ i }, 1, &out), -EINVAL);
        }
        buf_deinit(&out);
}
END_TEST

START_TEST(table_texts) {
        struct buf out = BUF_INIT(DDB_REQUEST_MAX);

        ck_assert_int_eq(ddb_request_list_tables(STR_NULL, &out), 0);
        check_text(&out, "{\"Limit\":100}");
        buf_reset(&out);
        ck_assert_int_eq(ddb_request_list_tables(STR("T.1"), &out), 0);
        check_text(&out, "{\"Limit\":100,\"ExclusiveStartTableName\":\"T.1\"}");
        buf_reset(&out);
        ck_assert_int_eq(ddb_request_describe(STR("T"), &out), 0);
        check_text(&out, "{\"TableName\":\"T\"}");
        buf_deinit(&out);
}
END_TEST

/* ---- limits ---- */

/* The text of a member, found by its name; no expression holds a quote. */
static struct str member(struct buf *body, const char *name) {
        char pattern[64];
        const char *p, *end;

        snprintf(pattern, sizeof(pattern), "\"%s\":\"", name);
        p = strstr(body->p, pattern);
        if (!p)
                return STR_NULL;
        p += strlen(pattern);
        end = strchr(p, '"');
        ck_assert_ptr_nonnull(end);
        return str_make(p, (size_t)(end - p));
}

#define MANY 400
static struct attribute many_sets[MANY];
static struct str many_removes[MANY];
static struct condition many_conditions[MANY];

static struct write many_write(uint32_t n_set, uint32_t n_remove, uint32_t n_conditions) {
        for (uint32_t i = 0; i < MANY; i++) {
                many_sets[i] = (struct attribute){ STR("name"), V_S("value") };
                many_removes[i] = STR("gone");
                many_conditions[i] = (struct condition){ (enum condition_op)(i % 3), STR("name"), &one };
        }
        return (struct write){ .op = WRITE_UPDATE,
                               WKEY,
                               .set = many_sets,
                               .n_set = n_set,
                               .remove = many_removes,
                               .n_remove = n_remove,
                               .conditions = many_conditions,
                               .n_conditions = n_conditions };
}

/* Round the points where the aliases grow by a digit. */
static const uint32_t counts[] = { 0, 1, 2, 9, 10, 11, 12, 99, 100, 101, 102, 250 };

START_TEST(measure_is_the_text) {
        for (size_t a = 0; a < ARRAY_LEN(counts); a++)
                for (size_t b = 0; b < ARRAY_LEN(counts); b++)
                        for (size_t c = 0; c < ARRAY_LEN(counts); c++) {
                                struct write w = many_write(counts[a], counts[b], counts[c]);
                                struct write_measure m = write_measure(&w);
                                struct buf out = BUF_INIT(DDB_REQUEST_MAX);

                                ck_assert_int_eq(ddb_request_write(&w, false, &out), 0);
                                ck_assert_uint_eq(m.update_len, member(&out, "UpdateExpression").n);
                                ck_assert_uint_eq(m.condition_len, member(&out, "ConditionExpression").n);
                                buf_deinit(&out);
                        }
}
END_TEST

static const struct {
        uint32_t n_set, n_remove, n_conditions;
        bool fits;
} fits[] = {
        { 0, 0, 0, true },   { 1, 1, 1, true },    { 150, 150, 0, true }, { 150, 151, 0, false },
        { 300, 0, 0, true }, { 301, 0, 0, false }, { 0, 300, 0, true },   { 0, 301, 0, false },
        { 0, 0, 150, true }, { 0, 0, 151, false }, { 0, 0, 400, false },
};

START_TEST(fits_limits) {
        struct write w = many_write(fits[_i].n_set, fits[_i].n_remove, fits[_i].n_conditions);

        ck_assert_int_eq(write_fits(&w), fits[_i].fits);
}
END_TEST

START_TEST(fits_lengths) {
        struct write w = many_write(0, 0, 0);
        struct write_measure m;
        char *big = malloc(2 * MIB);
        struct value value = { .type = VALUE_S, .text = { big, MIB } };
        struct condition c[2] = { { COND_EQ, STR("a"), &value }, { COND_EQ, STR("b"), &value } };

        /* attribute_not_exists() 140 times is over 4,096 bytes but not over 300 operators */
        for (uint32_t i = 0; i < 140; i++)
                many_conditions[i].op = COND_NOT_EXISTS;
        w.n_conditions = 140;
        m = write_measure(&w);
        ck_assert_uint_gt(m.condition_len, EXPRESSION_MAX);
        ck_assert_uint_lt(m.condition_ops, EXPRESSION_OPERATORS_MAX);
        ck_assert(!write_fits(&w));

        memset(big, 'x', 2 * MIB);
        w = (struct write){ .op = WRITE_DELETE, WKEY, .conditions = c, .n_conditions = 1 };
        ck_assert(write_fits(&w));
        w.n_conditions = 2;
        ck_assert(!write_fits(&w));
        free(big);
}
END_TEST

/* ---- failure ---- */

START_TEST(out_of_memory) {
        const struct write w[] = { writes[0].w, writes[1].w, writes[2].w, writes[7].w };
        const struct get_request q[] = { gets[0].q, gets[2].q };
        struct buf out = BUF_INIT(DDB_REQUEST_MAX);
        int r[7];
        bool all;

        for (unsigned long n = 1; n < 200; n++) {
                mem_fail_at(n);
                all = true;
                for (int i = 0; i < 7; i++) {
                        buf_deinit(&out);
                        buf_init(&out, DDB_REQUEST_MAX);
                        r[i] = i == 0   ? ddb_request_get(&gets[2].q, &out)
                               : i == 1 ? ddb_request_query(&queries[10].q, &out)
                               : i == 2 ? ddb_request_scan(&scans[2].q, &out)
                               : i == 3 ? ddb_request_write(&writes[2].w, true, &out)
                               : i == 4 ? ddb_request_transact_write(w, 4, STR("t"), &out)
                               : i == 5 ? ddb_request_transact_get(q, 2, &out)
                                        : ddb_request_batch_get(&gets[2].q, &(uint32_t){ 0 }, 1, &out);
                        ck_assert(r[i] == 0 || r[i] == -ENOMEM);
                        all &= r[i] == 0;
                }
                mem_fail_at(0);
                if (all) {
                        ck_assert_uint_gt(n, 7);
                        buf_deinit(&out);
                        return;
                }
        }
        ck_abort_msg("still failing");
}
END_TEST

START_TEST(too_large) {
        struct buf out = BUF_INIT(100);

        ck_assert_int_eq(ddb_request_write(&writes[2].w, true, &out), -EFBIG);
        buf_deinit(&out);
}
END_TEST

int main(void) {
        Suite *s = suite_create("ddb/requests");
        TCase *t = tcase_create("text");

        tcase_add_loop_test(t, get_text, 0, (int)ARRAY_LEN(gets));
        tcase_add_loop_test(t, query_text, 0, (int)ARRAY_LEN(queries));
        tcase_add_loop_test(t, scan_text, 0, (int)ARRAY_LEN(scans));
        tcase_add_loop_test(t, write_text, 0, (int)ARRAY_LEN(writes));
        tcase_add_test(t, transact_write_text);
        tcase_add_test(t, transact_get_text);
        tcase_add_test(t, batch_get_text);
        tcase_add_test(t, batch_write_text);
        tcase_add_test(t, table_texts);
        tcase_add_test(t, measure_is_the_text);
        tcase_add_loop_test(t, fits_limits, 0, (int)ARRAY_LEN(fits));
        tcase_add_test(t, fits_lengths);
        tcase_add_test(t, out_of_memory);
        tcase_add_test(t, too_large);
        suite_add_tcase(s, t);
        return suite_run(s);
}
