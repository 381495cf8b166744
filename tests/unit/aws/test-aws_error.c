/* SPDX-License-Identifier: Apache-2.0 */
#include "ddbfs/aws/retry.h"
#include "../suite.h"

#include <stdio.h>

static const struct {
        const char *code;
        enum error_kind kind;
        enum retry_class retry;
} known[] = {
        { "ProvisionedThroughputExceededException", ERR_BUSY, RETRY_THROTTLE },
        { "ThrottlingException", ERR_BUSY, RETRY_THROTTLE },
        { "Throttling", ERR_BUSY, RETRY_THROTTLE },
        { "ThrottledException", ERR_BUSY, RETRY_THROTTLE },
        { "RequestThrottledException", ERR_BUSY, RETRY_THROTTLE },
        { "RequestThrottled", ERR_BUSY, RETRY_THROTTLE },
        { "TooManyRequestsException", ERR_BUSY, RETRY_THROTTLE },
        { "TransactionInProgressException", ERR_BUSY, RETRY_THROTTLE },
        { "RequestLimitExceeded", ERR_BUSY, RETRY_THROTTLE },
        { "BandwidthLimitExceeded", ERR_BUSY, RETRY_THROTTLE },
        { "LimitExceededException", ERR_BUSY, RETRY_THROTTLE },
        { "SlowDown", ERR_BUSY, RETRY_THROTTLE },
        { "PriorRequestNotComplete", ERR_BUSY, RETRY_THROTTLE },
        { "EC2ThrottledException", ERR_BUSY, RETRY_THROTTLE },
        { "InternalServerError", ERR_SERVICE, RETRY_TRANSIENT },
        { "ServiceUnavailable", ERR_SERVICE, RETRY_TRANSIENT },
        { "ReplicatedWriteConflictException", ERR_BUSY, RETRY_TRANSIENT },
        { "RequestTimeout", ERR_TIMEOUT, RETRY_TRANSIENT },
        { "RequestTimeoutException", ERR_TIMEOUT, RETRY_TRANSIENT },
        { "TransactionConflictException", ERR_BUSY, RETRY_NO },
        { "TransactionCanceledException", ERR_CANCELLED, RETRY_NO },
        { "ItemCollectionSizeLimitExceededException", ERR_NO_SPACE, RETRY_NO },
        { "ConditionalCheckFailedException", ERR_CONDITION, RETRY_NO },
        { "DuplicateItemException", ERR_EXISTS, RETRY_NO },
        { "ResourceNotFoundException", ERR_NO_TABLE, RETRY_NO },
        { "ResourceInUseException", ERR_BUSY, RETRY_NO },
        { "TableInUseException", ERR_BUSY, RETRY_NO },
        { "ValidationException", ERR_VALIDATION, RETRY_NO },
        { "SerializationException", ERR_VALIDATION, RETRY_NO },
        { "UnknownOperationException", ERR_UNSUPPORTED, RETRY_NO },
        { "AccessDeniedException", ERR_ACCESS, RETRY_SKEW },
        { "UnrecognizedClientException", ERR_ACCESS, RETRY_CREDENTIALS },
        { "MissingAuthenticationTokenException", ERR_ACCESS, RETRY_NO },
        { "IncompleteSignatureException", ERR_ACCESS, RETRY_NO },
        { "InvalidSignatureException", ERR_ACCESS, RETRY_SKEW },
        { "SignatureDoesNotMatch", ERR_ACCESS, RETRY_SKEW },
        { "AuthFailure", ERR_ACCESS, RETRY_SKEW },
        { "RequestTimeTooSkewed", ERR_ACCESS, RETRY_SKEW },
        { "RequestExpired", ERR_ACCESS, RETRY_NO },
        { "ExpiredTokenException", ERR_ACCESS, RETRY_CREDENTIALS },
        { "ExpiredToken", ERR_ACCESS, RETRY_CREDENTIALS },
        { "NoSuchKey", ERR_NO_ITEM, RETRY_NO },
        { "AccessDenied", ERR_ACCESS, RETRY_NO },
        { "IdempotentParameterMismatchException", ERR_VALIDATION, RETRY_NO },
};

START_TEST(test_known_codes) {
        const struct aws_code_info *info = aws_code_lookup(str_of(known[_i].code));
        enum retry_class retry;
        enum error_kind kind;

        ck_assert_ptr_nonnull(info);
        ck_assert_str_eq(info->code, known[_i].code);
        aws_error_classify(400, str_of(known[_i].code), &kind, &retry);
        ck_assert_int_eq(kind, known[_i].kind);
        ck_assert_int_eq(retry, known[_i].retry);
}
END_TEST

static const struct {
        int status;
        enum error_kind kind;
        enum retry_class retry;
} by_status[] = {
        { 400, ERR_SERVICE, RETRY_NO },        { 401, ERR_ACCESS, RETRY_NO },
        { 403, ERR_ACCESS, RETRY_NO },         { 404, ERR_SERVICE, RETRY_NO },
        { 408, ERR_TIMEOUT, RETRY_TRANSIENT }, { 413, ERR_TOO_LARGE, RETRY_NO },
        { 429, ERR_BUSY, RETRY_THROTTLE },     { 500, ERR_SERVICE, RETRY_TRANSIENT },
        { 501, ERR_SERVICE, RETRY_NO },        { 502, ERR_SERVICE, RETRY_TRANSIENT },
        { 503, ERR_SERVICE, RETRY_TRANSIENT }, { 504, ERR_SERVICE, RETRY_TRANSIENT },
        { 301, ERR_SERVICE, RETRY_NO },        { 0, ERR_SERVICE, RETRY_NO },
};

START_TEST(test_by_status) {
        static const char *const unknown[] = { "", "NeverHeardOf", "Throttlin", "ThrottlingExceptionX", "zzz", "A" };

        for (unsigned i = 0; i < ARRAY_LEN(unknown); i++) {
                enum retry_class retry;
                enum error_kind kind;

                ck_assert_ptr_null(aws_code_lookup(str_of(unknown[i])));
                aws_error_classify(by_status[_i].status, str_of(unknown[i]), &kind, &retry);
                ck_assert_int_eq(kind, by_status[_i].kind);
                ck_assert_int_eq(retry, by_status[_i].retry);
        }
}
END_TEST

#define PREFIX "com.amazonaws.dynamodb.v20120810#"

static const struct {
        int status;
        const char *body, *header;
        enum error_kind kind;
        enum retry_class retry;
        const char *code, *message;
        unsigned action;
} bodies[] = {
        { 400, "{\"__type\":\"" PREFIX "ResourceNotFoundException\",\"message\":\"Requested resource not found\"}", "",
          ERR_NO_TABLE, RETRY_NO, "ResourceNotFoundException", "Requested resource not found", 0 },
        { 400, "{\"__type\":\"com.amazon.coral.validate#ValidationException\",\"Message\":\"bad\"}", "", ERR_VALIDATION,
          RETRY_NO, "ValidationException", "bad", 0 },
        { 400, "{\"__type\":\"ThrottlingException:http://internal.amazon.com/\",\"message\":\"m\"}", "", ERR_BUSY,
          RETRY_THROTTLE, "ThrottlingException", "m", 0 },
        { 400, "{\"__type\":\"x#ValidationException\",\"message\":\"Item size has exceeded the maximum allowed size\"}",
          "", ERR_TOO_LARGE, RETRY_NO, "ValidationException", "Item size has exceeded the maximum allowed size", 0 },
        { 400,
          "{\"__type\":\"x#ValidationException\",\"message\":\"Item size to update has exceeded the maximum allowed "
          "size\"}",
          "", ERR_TOO_LARGE, RETRY_NO, "ValidationException",
          "Item size to update has exceeded the maximum allowed size", 0 },
        { 400,
          "{\"__type\":\"x#ProvisionedThroughputExceededException\",\"message\":\"slow\",\"ThrottlingReasons\":"
          "[{\"reason\":\"TableReadKeyRangeThroughputExceeded\",\"resource\":\"arn\"}]}",
          "", ERR_BUSY, RETRY_THROTTLE, "ProvisionedThroughputExceededException",
          "slow (TableReadKeyRangeThroughputExceeded)", 0 },
        { 400, "{\"__type\":\"x#ThrottlingException\",\"message\":\"slow\",\"throttlingReasons\":[{\"reason\":\"R\"}]}",
          "", ERR_BUSY, RETRY_THROTTLE, "ThrottlingException", "slow (R)", 0 },
        { 400,
          "{\"__type\":\"" PREFIX "TransactionCanceledException\",\"Message\":\"Transaction cancelled\","
          "\"CancellationReasons\":[{\"Code\":\"None\"},{\"Code\":\"ConditionalCheckFailed\",\"Message\":"
          "\"The conditional request failed\"},{\"Code\":\"TransactionConflict\"}]}",
          "", ERR_CANCELLED, RETRY_NO, "ConditionalCheckFailed", "The conditional request failed", 1 },
        { 400,
          "{\"__type\":\"TransactionCanceledException\",\"Message\":\"all\",\"CancellationReasons\":"
          "[{\"Code\":\"TransactionConflict\"}]}",
          "", ERR_CANCELLED, RETRY_NO, "TransactionConflict", "all", 0 },
        { 400,
          "{\"__type\":\"TransactionCanceledException\",\"Message\":\"all\",\"CancellationReasons\":"
          "[{\"Code\":\"None\"},7,null,{\"Code\":5}]}",
          "", ERR_CANCELLED, RETRY_NO, "TransactionCanceledException", "all", 0 },
        { 400, "{\"__type\":\"TransactionCanceledException\"}", "", ERR_CANCELLED, RETRY_NO,
          "TransactionCanceledException", "TransactionCanceledException", 0 },
        { 500, "{\"__type\":\"InternalServerError\",\"message\":null}", "", ERR_SERVICE, RETRY_TRANSIENT,
          "InternalServerError", "InternalServerError", 0 },
        { 502, "<html>Bad Gateway</html>", "", ERR_SERVICE, RETRY_TRANSIENT, "",
          "the service answered with status 502 and no error code", 0 },
        { 400, "", "ValidationException:http://x/", ERR_VALIDATION, RETRY_NO, "ValidationException",
          "ValidationException", 0 },
        { 404, "not found", "", ERR_SERVICE, RETRY_NO, "", "the service answered with status 404 and no error code",
          0 },
        { 400, "[]", "", ERR_SERVICE, RETRY_NO, "", "the service answered with status 400 and no error code", 0 },
        { 400, "\"x\"", "", ERR_SERVICE, RETRY_NO, "", "the service answered with status 400 and no error code", 0 },
        { 400, "{\"__type\":[],\"message\":{}}", "", ERR_SERVICE, RETRY_NO, "",
          "the service answered with status 400 and no error code", 0 },
        { 400, "{\"__type\":\"#\",\"message\":\"two\\nlines\\u0007\"}", "", ERR_SERVICE, RETRY_NO, "", "two?lines?",
          0 },
        { 400, "{\"__type\":\"a#b\\nc d\",\"message\":\"m\"}", "", ERR_SERVICE, RETRY_NO, "b?c?d", "m", 0 },
        { 400, "{\"code\":\"AccessDeniedException\",\"errorMessage\":\"no\"}", "", ERR_ACCESS, RETRY_SKEW,
          "AccessDeniedException", "no", 0 },
};

START_TEST(test_bodies) {
        enum retry_class retry;
        struct error e;

        aws_error_read(bodies[_i].status, str_of(bodies[_i].body), str_of(bodies[_i].header), &e, &retry);
        ck_assert_int_eq(e.kind, bodies[_i].kind);
        ck_assert_int_eq(retry, bodies[_i].retry);
        ck_assert_str_eq(e.code, bodies[_i].code);
        ck_assert_str_eq(e.message, bodies[_i].message);
        ck_assert_uint_eq(e.action, bodies[_i].action);
        ck_assert_int_eq(e.http_status, bodies[_i].status);
}
END_TEST

START_TEST(test_long_texts) {
        static char body[8192], code[3000], message[4000];
        enum retry_class retry;
        struct error e;

        memset(code, 'C', sizeof(code) - 1);
        memset(message, 'm', sizeof(message) - 1);
        snprintf(body, sizeof(body), "{\"__type\":\"x#%s\",\"message\":\"%s\"}", code, message);
        aws_error_read(400, str_of(body), STR_NULL, &e, &retry);
        ck_assert_uint_eq(strlen(e.code), sizeof(e.code) - 1);
        ck_assert_uint_eq(strlen(e.message), sizeof(e.message) - 1);
        snprintf(body, sizeof(body), "{\"__type\":\"x#%s\"}", code);
        aws_error_read(400, str_of(body), STR_NULL, &e, &retry);
        ck_assert_uint_le(strlen(e.message), 100);
}
END_TEST

int main(void) {
        Suite *s = suite_create("aws_error");
        TCase *t = tcase_create("aws_error");

        tcase_add_loop_test(t, test_known_codes, 0, ARRAY_LEN(known));
        tcase_add_loop_test(t, test_by_status, 0, ARRAY_LEN(by_status));
        tcase_add_loop_test(t, test_bodies, 0, ARRAY_LEN(bodies));
        tcase_add_test(t, test_long_texts);
        suite_add_tcase(s, t);
        return suite_run(s);
}
