/* SPDX-License-Identifier: Apache-2.0 */
#include "ddbfs/store/schema.h"
#include "../suite.h"

static const struct {
        const char *description, *request;
} cases[] = {
        { "{\"TableName\":\"T\",\"TableStatus\":\"ACTIVE\",\"ItemCount\":3,\"KeySchema\":[{\"AttributeName\":\"a\",\"KeyType\":\"HASH\"}],"
          "\"AttributeDefinitions\":[{\"AttributeName\":\"a\",\"AttributeType\":\"S\"}],"
          "\"BillingModeSummary\":{\"BillingMode\":\"PAY_PER_REQUEST\",\"LastUpdateToPayPerRequestDateTime\":1},"
          "\"ProvisionedThroughput\":{\"ReadCapacityUnits\":0,\"WriteCapacityUnits\":0}}",
          "{\n  \"TableName\": \"T\",\n"
          "  \"AttributeDefinitions\": [\n    {\n      \"AttributeName\": \"a\",\n      \"AttributeType\": \"S\"\n    }\n  ],\n"
          "  \"KeySchema\": [\n    {\n      \"AttributeName\": \"a\",\n      \"KeyType\": \"HASH\"\n    }\n  ],\n"
          "  \"BillingMode\": \"PAY_PER_REQUEST\"\n}\n" },
        { "{ \"TableName\" : \"T\", \"ProvisionedThroughput\":{\"NumberOfDecreasesToday\":0,\"WriteCapacityUnits\":2,\"ReadCapacityUnits\":1},"
          "\"GlobalSecondaryIndexes\":[{\"IndexName\":\"i\",\"IndexStatus\":\"ACTIVE\",\"Projection\":{\"ProjectionType\":\"ALL\"},"
          "\"ProvisionedThroughput\":{\"ReadCapacityUnits\":3,\"WriteCapacityUnits\":4}},{\"IndexName\":\"j\"}],"
          "\"LocalSecondaryIndexes\":[],\"StreamSpecification\":null,"
          "\"SSEDescription\":{\"Status\":\"ENABLED\",\"SSEType\":\"KMS\",\"KMSMasterKeyArn\":\"arn:k\"},"
          "\"TableClassSummary\":{\"TableClass\":\"STANDARD_INFREQUENT_ACCESS\"},\"DeletionProtectionEnabled\":true}",
          "{\n  \"TableName\": \"T\",\n  \"BillingMode\": \"PROVISIONED\",\n"
          "  \"ProvisionedThroughput\": {\n    \"ReadCapacityUnits\": 1,\n    \"WriteCapacityUnits\": 2\n  },\n"
          "  \"GlobalSecondaryIndexes\": [\n    {\n      \"IndexName\": \"i\",\n      \"Projection\": {\n"
          "        \"ProjectionType\": \"ALL\"\n      },\n      \"ProvisionedThroughput\": {\n        \"ReadCapacityUnits\": 3,\n"
          "        \"WriteCapacityUnits\": 4\n      }\n    },\n    {\n      \"IndexName\": \"j\"\n    }\n  ],\n"
          "  \"SSESpecification\": {\n    \"Enabled\": true,\n    \"SSEType\": \"KMS\",\n    \"KMSMasterKeyId\": \"arn:k\"\n  },\n"
          "  \"TableClass\": \"STANDARD_INFREQUENT_ACCESS\",\n  \"DeletionProtectionEnabled\": true\n}\n" },
        { "{\"GlobalSecondaryIndexes\":{}}", NULL },
        { "{\"GlobalSecondaryIndexes\":[1]}", NULL },
};

START_TEST(test_create_request) {
        struct buf out = BUF_INIT(MIB);
        struct table_schema *s = NULL;

        ck_assert_int_eq(table_schema_new(&s), 0);
        s->description = str_of(cases[_i].description);
        ck_assert_int_eq(table_create_request(s, &out), cases[_i].request ? 0 : -EINVAL);
        if (cases[_i].request)
                ck_assert_str_eq(out.p, cases[_i].request);
        buf_deinit(&out);
        table_schema_unref(s);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("create-request");
        TCase *t = tcase_create("create-request");

        tcase_add_loop_test(t, test_create_request, 0, (int)ARRAY_LEN(cases));
        suite_add_tcase(suite, t);
        return suite_run(suite);
}
