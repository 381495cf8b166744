/* SPDX-License-Identifier: Apache-2.0 */
/* One call: attempts, retries, clock, credentials, interruption, the log. */
#include "client-fixture.h"

/* ---- one call ---- */

START_TEST(test_request) {
        char host[32], date[CLOCK_AMZ_LEN], scope[128];
        const char *authorization;

        snprintf(host, sizeof(host), "127.0.0.1:%d", server->port);
        ck_assert_int_eq(aws_client_call(client, &ctx, &call), 0);
        ck_assert_uint_eq(call.attempts, 1);
        ck_assert(!call.uncertain);
        ck_assert_int_eq(call.error.kind, ERR_NONE);
        ck_assert(str_eq(buf_view(&call.response.body), STR("{}")));
        ck_assert_uint_eq(ctx.requests, 1);

        ck_assert_int_eq(strncmp(server->records[0].head, "POST / HTTP/1.1\r\n", 17), 0);
        ck_assert_str_eq(server->records[0].body, "{\"TableName\":\"t\"}");
        ck_assert_str_eq(server_header(server, 0, "host"), host);
        ck_assert_str_eq(server_header(server, 0, "x-amz-target"), "DynamoDB_20120810.GetItem");
        ck_assert_str_eq(server_header(server, 0, "content-type"), "application/x-amz-json-1.0");
        ck_assert_str_eq(server_header(server, 0, "accept-encoding"), "identity");
        ck_assert_str_eq(server_header(server, 0, "x-amz-security-token"), "token-0");
        ck_assert_str_eq(server_header(server, 0, "amz-sdk-request"), "");
        ck_assert_str_eq(server_header(server, 0, "amz-sdk-invocation-id"), "");
        ck_assert_str_eq(server_header(server, 0, "user-agent"), "ddbfs/" DDBFS_VERSION);
        snprintf(date, sizeof(date), "%s", server_header(server, 0, "x-amz-date"));
        ck_assert_uint_eq(strlen(date), CLOCK_AMZ_LEN - 1);
        authorization = server_header(server, 0, "authorization");
        snprintf(scope, sizeof(scope), "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/%.8s/us-east-1/dynamodb/aws4_request, ",
                 date);
        ck_assert_int_eq(strncmp(authorization, scope, strlen(scope)), 0);
        ck_assert_ptr_nonnull(strstr(authorization, "x-amz-security-token"));
        ck_assert_ptr_null(strstr(authorization, "user-agent"));
}
END_TEST

static const struct {
        struct server_step steps[4]; /* until the first empty one; then 200 */
        unsigned n_steps, attempts;
        enum error_kind kind; /* ERR_NONE: success */
        bool uncertain;
        const char *code, *message;
} runs[] = {
        { { { .status = 500, .body = TYPE("InternalServerError") } }, 1, 2, ERR_NONE, true, "", "" },
        { { { .status = 503, .body = "" }, { .status = 502, .body = "<html>" }, { .status = 504, .body = "" } },
          3,
          4,
          ERR_NONE,
          true,
          "",
          "" },
        { { { .status = 500, .body = TYPE("InternalServerError") },
            { .status = 500, .body = TYPE("InternalServerError") },
            { .status = 500, .body = TYPE("InternalServerError") },
            { .status = 500, .body = TYPE("InternalServerError") } },
          4,
          4,
          ERR_SERVICE,
          true,
          "InternalServerError",
          "m (4 attempts)" },
        { { { .action = CLOSE } }, 1, 2, ERR_NONE, true, "", "" },
        { { { .action = HALF } }, 1, 2, ERR_NONE, true, "", "" },
        { { { .action = GARBAGE } }, 1, 2, ERR_NONE, true, "", "" },
        { { { .bad_crc = true } }, 1, 2, ERR_NONE, true, "", "" },
        { { { .status = 400, .bad_crc = true, .body = TYPE("ValidationException") } }, 1, 2, ERR_NONE, true, "", "" },
        { { { .bad_crc = true }, { .bad_crc = true }, { .bad_crc = true }, { .bad_crc = true } },
          4,
          4,
          ERR_PROTOCOL,
          true,
          "",
          "GetItem: the answer was damaged on its way (CRC mismatch) (4 attempts)" },
        { { { .no_crc = true } }, 1, 1, ERR_NONE, false, "", "" },
        { { { .no_crc = true, .headers = "x-amz-crc32: nonsense\r\n" } }, 1, 1, ERR_NONE, false, "", "" },
        { { { .body = "" } }, 1, 1, ERR_NONE, false, "", "" },
        { { { .body = " \n{\"a\":1}\n" } }, 1, 1, ERR_NONE, false, "", "" },
        { { { .body = "hello" } }, 1, 2, ERR_NONE, true, "", "" },
        { { { .body = "[]" } }, 1, 2, ERR_NONE, true, "", "" },
        { { { .body = "{" } }, 1, 2, ERR_NONE, true, "", "" },
        { { { .status = 400, .body = TYPE("ThrottlingException") } }, 1, 2, ERR_NONE, false, "", "" },
        { { { .status = 400, .body = TYPE("ProvisionedThroughputExceededException") } },
          1,
          2,
          ERR_NONE,
          false,
          "",
          "" },
        { { { .status = 400, .body = TYPE("ValidationException") } },
          1,
          1,
          ERR_VALIDATION,
          false,
          "ValidationException",
          "m" },
        { { { .status = 400, .body = TYPE("ConditionalCheckFailedException") } },
          1,
          1,
          ERR_CONDITION,
          false,
          "ConditionalCheckFailedException",
          "m" },
        { { { .status = 500, .body = "" }, { .status = 400, .body = TYPE("ConditionalCheckFailedException") } },
          2,
          2,
          ERR_CONDITION,
          true,
          "ConditionalCheckFailedException",
          "m (2 attempts)" },
        { { { .status = 400, .body = TYPE("ResourceNotFoundException") } },
          1,
          1,
          ERR_NO_TABLE,
          false,
          "ResourceNotFoundException",
          "m" },
        { { { .status = 400, .body = TYPE("AccessDeniedException") } },
          1,
          1,
          ERR_ACCESS,
          false,
          "AccessDeniedException",
          "m" },
        { { { .status = 403, .body = TYPE("InvalidSignatureException") } },
          1,
          1,
          ERR_ACCESS,
          false,
          "InvalidSignatureException",
          "m" },
        { { { .status = 301, .body = "" } },
          1,
          1,
          ERR_SERVICE,
          false,
          "",
          "the service answered with status 301 and no error code" },
        { { { .status = 404, .body = "" } },
          1,
          1,
          ERR_SERVICE,
          false,
          "",
          "the service answered with status 404 and no error code" },
        { { { .n_headers = 400 } }, 1, 1, ERR_NONE, false, "", "" },
        { { { .action = FLOOD } }, 1, 2, ERR_NONE, true, "", "" },
};

START_TEST(test_runs) {
        int64_t retries = metric_get(METRIC_RETRIES), requests = metric_get(METRIC_REQUESTS);
        int64_t failures = metric_get(METRIC_REQUEST_ERRORS);
        int r;

        make_delays_short();
        for (unsigned i = 0; i < runs[_i].n_steps; i++)
                server_step(server, runs[_i].steps[i]);
        r = aws_client_call(client, &ctx, &call);
        ck_assert_int_eq(r, call.result);
        ck_assert_msg(call.error.kind == runs[_i].kind, "%s: %s", error_kind_name(call.error.kind), call.error.message);
        ck_assert_int_eq(r, -error_errno(runs[_i].kind));
        ck_assert_uint_eq(call.attempts, runs[_i].attempts);
        ck_assert_int_eq(call.uncertain, runs[_i].uncertain);
        ck_assert_str_eq(call.error.code, runs[_i].code);
        ck_assert_str_eq(call.error.message, runs[_i].message);
        ck_assert_uint_eq(ctx.requests, runs[_i].attempts);
        ck_assert_uint_eq(provider.gets, runs[_i].attempts); /* fresh credentials each time */
        ck_assert_int_eq(metric_get(METRIC_REQUESTS) - requests, runs[_i].attempts);
        ck_assert_int_eq(metric_get(METRIC_RETRIES) - retries, runs[_i].attempts - 1);
        ck_assert_int_eq(metric_get(METRIC_REQUEST_ERRORS) - failures, runs[_i].kind != ERR_NONE);
        if (r && call.error.http_status) {
                char id[16];

                snprintf(id, sizeof(id), "REQ-%u", runs[_i].attempts - 1);
                ck_assert_str_eq(call.error.request_id, id);
        }
}
END_TEST

START_TEST(test_attempts_are_counted) {
        server_step(server, (struct server_step){ .status = 500 });
        ck_assert_int_eq(aws_client_call(client, &ctx, &call), 0);
        ck_assert_uint_eq(call.attempts, 2);
        ck_assert_int_eq(aws_client_call(client, &ctx, &call), 0);
        ck_assert_uint_eq(call.attempts, 1);
        ck_assert(!call.uncertain);
}
END_TEST

START_TEST(test_cancelled_transaction) {
        server_step(
                server,
                (struct server_step){
                        .status = 400,
                        .body = "{\"__type\":\"a#TransactionCanceledException\",\"Message\":\"Transaction cancelled\","
                                "\"CancellationReasons\":[{\"Code\":\"None\"},{\"Code\":\"None\"},{\"Code\":"
                                "\"ConditionalCheckFailed\",\"Message\":\"The conditional request failed\"}]}" });
        ck_assert_int_eq(aws_client_call(client, &ctx, &call), -ECANCELED);
        ck_assert_int_eq(call.error.kind, ERR_CANCELLED);
        ck_assert_uint_eq(call.error.action, 2);
        ck_assert_str_eq(call.error.code, "ConditionalCheckFailed");
        ck_assert_str_eq(call.error.message, "The conditional request failed");
        ck_assert_uint_eq(call.attempts, 1);
}
END_TEST

START_TEST(test_closed_connection_is_sent_again) {
        ck_assert_int_eq(aws_client_call(client, &ctx, &call), 0);
        server_step(server, (struct server_step){ .action = CLOSE });
        ck_assert_int_eq(aws_client_call(client, &ctx, &call), 0);
        ck_assert_uint_eq(call.attempts, 1);
        ck_assert(call.uncertain); /* the first of the two may have been carried out */
}
END_TEST

START_TEST(test_huge_body) {
        server_step(server, (struct server_step){ .body_n = 65 * MIB, .no_crc = true });
        ck_assert_int_eq(aws_client_call(client, &ctx, &call), -EIO);
        ck_assert_int_eq(call.error.kind, ERR_PROTOCOL);
        ck_assert_uint_eq(call.attempts, 1); /* it would be as large again */
        ck_assert_ptr_nonnull(strstr(call.error.message, "larger than"));
}
END_TEST

/* ---- the clock ---- */

static const char *const skew_codes[] = {
        TYPE("InvalidSignatureException"), TYPE("SignatureDoesNotMatch"), TYPE("AuthFailure"),
        TYPE("RequestTimeTooSkewed"),      TYPE("AccessDeniedException"),
};

static void check_date(unsigned request, long offset) {
        char date[CLOCK_AMZ_LEN];
        bool found = false;

        for (long slack = -3; slack <= 1 && !found; slack++) {
                clock_format_amz(clock_wall_s() + offset + slack, date);
                found = strcmp(server_header(server, request, "x-amz-date"), date) == 0;
        }
        ck_assert(found);
}

START_TEST(test_skew) {
        for (long offset = -600; offset <= 600; offset += 1200) {
                unsigned first = server_requests(server);

                atomic_store(&client->skew_s, 0);
                server_step(server,
                            (struct server_step){ .status = 403, .body = skew_codes[_i], .date_offset_s = offset });
                ck_assert_int_eq(aws_client_call(client, &ctx, &call), 0);
                ck_assert_uint_eq(call.attempts, 2);
                ck_assert(!call.uncertain);
                check_date(first, 0);
                check_date(first + 1, offset);
                ck_assert_uint_eq(retry_tokens(client->retry), 500);
                /* kept for the next call */
                ck_assert_int_eq(aws_client_call(client, &ctx, &call), 0);
                ck_assert_uint_eq(call.attempts, 1);
                check_date(first + 2, offset);
        }
}
END_TEST

START_TEST(test_skew_only_once) {
        for (unsigned i = 0; i < 4; i++)
                server_step(server, (struct server_step){ .status = 403,
                                                          .body = skew_codes[0],
                                                          .date_offset_s = 600 * (long)(i + 1) });
        ck_assert_int_eq(aws_client_call(client, &ctx, &call), -EACCES);
        ck_assert_uint_eq(call.attempts, 2);
}
END_TEST

START_TEST(test_real_refusal_with_known_skew) {
        server_step(server, (struct server_step){ .status = 403, .body = skew_codes[0], .date_offset_s = 600 });
        ck_assert_int_eq(aws_client_call(client, &ctx, &call), 0);
        /* the clocks agree now: a refusal is a refusal */
        server_step(server, (struct server_step){ .status = 400, .body = skew_codes[4], .date_offset_s = 600 });
        ck_assert_int_eq(aws_client_call(client, &ctx, &call), -EACCES);
        ck_assert_uint_eq(call.attempts, 1);
}
END_TEST

/* ---- credentials ---- */

START_TEST(test_expired_token) {
        server_step(server, (struct server_step){ .status = 400, .body = TYPE("ExpiredTokenException") });
        ck_assert_int_eq(aws_client_call(client, &ctx, &call), 0);
        ck_assert_uint_eq(call.attempts, 2);
        ck_assert_uint_eq(provider.refusals, 1);
        ck_assert_str_eq(server_header(server, 0, "x-amz-security-token"), "token-0");
        ck_assert_str_eq(server_header(server, 1, "x-amz-security-token"), "token-1");
}
END_TEST

START_TEST(test_expired_token_again) {
        for (unsigned i = 0; i < 3; i++)
                server_step(server, (struct server_step){ .status = 400, .body = TYPE("UnrecognizedClientException") });
        ck_assert_int_eq(aws_client_call(client, &ctx, &call), -EACCES);
        ck_assert_uint_eq(call.attempts, 2);
        ck_assert_uint_eq(provider.refusals, 1);
        provider.base.ops = &stubborn_ops;
        ck_assert_int_eq(aws_client_call(client, &ctx, &call), -EACCES);
        ck_assert_uint_eq(call.attempts, 1);
}
END_TEST

START_TEST(test_no_credentials) {
        provider.result = CRED_E_NONE;
        ck_assert_int_eq(aws_client_call(client, &ctx, &call), -EACCES);
        ck_assert_str_eq(call.error.message, "no credentials found");
        provider.result = -EACCES;
        ck_assert_int_eq(aws_client_call(client, &ctx, &call), -EACCES);
        ck_assert_str_eq(call.error.message, "the provider failed");
        ck_assert_uint_eq(call.attempts, 0);
        ck_assert_uint_eq(server_requests(server), 0);
}
END_TEST

/* ---- interruption, deadlines ---- */

START_TEST(test_interrupted) {
        pthread_t t;
        double late;
        int r;

        server_step(server, blockers[_i]);
        pthread_create(&t, NULL, cancel_later, &ctx);
        r = aws_client_call(client, &ctx, &call);
        late = ms_since(cancelled_at);
        pthread_join(t, NULL);
        ck_assert_int_eq(r, -EINTR);
        ck_assert_int_eq(call.error.kind, ERR_INTERRUPTED);
        ck_assert_double_lt(late, 1000); /* at once, on a machine however loaded */
        ck_assert_uint_eq(call.attempts, 1);
        ck_assert(call.uncertain);
}
END_TEST

START_TEST(test_interrupted_before) {
        op_ctx_cancel(&ctx);
        ck_assert_int_eq(aws_client_call(client, &ctx, &call), -EINTR);
        ck_assert_uint_eq(call.attempts, 0);
        ck_assert(!call.uncertain);
}
END_TEST

START_TEST(test_deadline) {
        uint64_t start = clock_now_ns();

        op_ctx_deinit(&ctx);
        op_ctx_init(&ctx, "read", 150 * NS_PER_MS);
        server_step(server, (struct server_step){ .delay_ms = 3000 });
        ck_assert_int_eq(aws_client_call(client, &ctx, &call), -ETIMEDOUT);
        ck_assert_int_eq(call.error.kind, ERR_TIMEOUT);
        ck_assert_ptr_eq(strstr(call.error.message, "GetItem: no answer within 0."), call.error.message);
        ck_assert_double_lt(ms_since(start), 800);
        ck_assert(call.uncertain);
}
END_TEST

/* No sense in sleeping beyond the deadline: the real reason at once. */
START_TEST(test_deadline_before_retry) {
        uint64_t start = clock_now_ns();

        op_ctx_deinit(&ctx);
        op_ctx_init(&ctx, "read", 1 * NS_PER_S);
        server_step(server, blockers[1]);
        ck_assert_int_eq(aws_client_call(client, &ctx, &call), -EIO);
        ck_assert_int_eq(call.error.kind, ERR_SERVICE);
        ck_assert_double_lt(ms_since(start), 800);
}
END_TEST

START_TEST(test_server_hint) {
        uint64_t start = clock_now_ns();

        server_step(server, (struct server_step){ .status = 500, .headers = "x-amz-retry-after: 120\r\n" });
        ck_assert_int_eq(aws_client_call(client, &ctx, &call), 0);
        ck_assert_double_ge(ms_since(start), 120);
        ck_assert_double_lt(ms_since(start), 1500);
}
END_TEST

START_TEST(test_connect_refused) {
        struct server *gone = server_start();
        char expected[128];
        int port = gone->port;

        server_stop(gone);
        drop_client();
        make_client(port, 0);
        snprintf(expected, sizeof(expected), "cannot connect to 127.0.0.1:%d: Connection refused (4 attempts)", port);
        ck_assert_int_eq(aws_client_call(client, &ctx, &call), -EHOSTUNREACH);
        ck_assert_int_eq(call.error.kind, ERR_CONNECT);
        ck_assert_str_eq(call.error.message, expected);
        ck_assert_uint_eq(call.attempts, 4);
        ck_assert(!call.uncertain); /* nothing ever reached anybody */
}
END_TEST

START_TEST(test_quota) {
        uint64_t delay;
        unsigned cost;

        while (retry_next(client->retry, 1, RETRY_TRANSIENT, -1, &delay, &cost))
                ;
        server_step(server, (struct server_step){ .status = 500 });
        ck_assert_int_eq(aws_client_call(client, &ctx, &call), -EIO);
        ck_assert_uint_eq(call.attempts, 1);
        /* successes fill it again */
        for (unsigned i = 0; i < 4; i++)
                ck_assert_int_eq(aws_client_call(client, &ctx, &call), 0);
        ck_assert_uint_eq(retry_tokens(client->retry), 14);
        server_step(server, (struct server_step){ .status = 500 });
        ck_assert_int_eq(aws_client_call(client, &ctx, &call), 0);
        ck_assert_uint_eq(call.attempts, 2);
}
END_TEST

START_TEST(test_max_attempts) {
        drop_client();
        make_client(server->port, 1);
        server_step(server, (struct server_step){ .status = 500 });
        ck_assert_int_eq(aws_client_call(client, &ctx, &call), -EIO);
        ck_assert_uint_eq(call.attempts, 1);
        ck_assert_uint_eq(server_requests(server), 1);
}
END_TEST

/* After a throttle even first attempts are held back. */
START_TEST(test_adaptive) {
        uint64_t start;

        drop_client();
        setenv("AWS_RETRY_MODE", "adaptive", 1);
        make_client(server->port, 1);
        unsetenv("AWS_RETRY_MODE");
        ck_assert_int_eq(aws_client_call(client, &ctx, &call), 0);
        server_step(server, (struct server_step){ .status = 400, .body = TYPE("ThrottlingException") });
        ck_assert_int_eq(aws_client_call(client, &ctx, &call), -EBUSY);
        start = clock_now_ns();
        op_ctx_deinit(&ctx);
        op_ctx_init(&ctx, "read", 100 * NS_PER_MS); /* the floor is one in two seconds */
        ck_assert_int_eq(aws_client_call(client, &ctx, &call), -ETIMEDOUT);
        ck_assert_uint_eq(call.attempts, 0);
        ck_assert(!call.uncertain);
        ck_assert_double_lt(ms_since(start), 800);
}
END_TEST

START_TEST(test_allocation_failure) {
        unsigned failed = 0;
        int r = -1;

        for (unsigned long n = 1; r; n++) {
                http_response_deinit(&call.response);
                http_response_init(&call.response);
                drop_client();
                make_client(server->port, 1);
                mem_fail_at(n);
                r = aws_client_call(client, &ctx, &call);
                mem_fail_at(0);
                ck_assert_msg(r == 0 || r == -ENOMEM, "%lu: %d %s", n, r, call.error.message);
                failed += r != 0;
        }
        ck_assert_uint_ge(failed, 6);
}
END_TEST

/* ---- threads ---- */

static void *hammer(void *arg) {
        struct aws_call c = { .operation = "PutItem", .body = STR("{}") };
        long bad = 0;

        (void)arg;
        http_response_init(&c.response);
        for (unsigned i = 0; i < 20; i++) {
                struct op_ctx own;

                op_ctx_init(&own, "write", 10 * NS_PER_S);
                bad += aws_client_call(client, &own, &c) != 0;
                op_ctx_deinit(&own);
        }
        http_response_deinit(&c.response);
        return (void *)bad;
}

START_TEST(test_threads) {
        pthread_t threads[8];

        for (unsigned i = 0; i < 100; i++)
                server_step(server, (struct server_step){ .status = i % 9 == 4 ? 503 : 200, .bad_crc = i % 17 == 3 });
        for (unsigned i = 0; i < ARRAY_LEN(threads); i++)
                pthread_create(&threads[i], NULL, hammer, NULL);
        for (unsigned i = 0; i < ARRAY_LEN(threads); i++) {
                void *bad;

                pthread_join(threads[i], &bad);
                ck_assert_ptr_null(bad);
        }
        ck_assert_uint_ge(server_requests(server), 160 + 11 + 5);
}
END_TEST

/* ---- the log ---- */

static json_t *last_line(unsigned *ret_lines) {
        struct buf out = BUF_INIT(1 * MIB);
        json_t *last = NULL;
        unsigned n = 0;

        aws_request_log_render(&out);
        ck_assert_int_eq(buf_status(&out), 0);
        for (char *p = out.p, *end; p && *p; p = end + 1, n++) {
                end = strchr(p, '\n');
                ck_assert_ptr_nonnull(end);
                json_decref(last);
                last = json_loadb(p, (size_t)(end - p), JSON_REJECT_DUPLICATES, NULL);
                ck_assert_ptr_nonnull(last);
        }
        buf_deinit(&out);
        *ret_lines = n;
        return last;
}

START_TEST(test_log) {
        unsigned before, after;
        json_t *line;

        json_decref(last_line(&before));
        server_step(server, (struct server_step){ .status = 400, .body = TYPE("ValidationException") });
        ck_assert_int_eq(aws_client_call(client, &ctx, &call), -EINVAL);
        line = last_line(&after);
        ck_assert_uint_eq(after, MIN(before + 1, 1000));
        ck_assert_str_eq(json_string_value(json_object_get(line, "operation")), "GetItem");
        ck_assert_str_eq(json_string_value(json_object_get(line, "code")), "ValidationException");
        ck_assert_str_eq(json_string_value(json_object_get(line, "request_id")), "REQ-0");
        ck_assert_int_eq(json_integer_value(json_object_get(line, "status")), 400);
        ck_assert_int_eq(json_integer_value(json_object_get(line, "attempt")), 1);
        ck_assert_int_gt(json_integer_value(json_object_get(line, "sent")), 300);
        ck_assert_int_eq(json_integer_value(json_object_get(line, "received")),
                         (long)strlen(TYPE("ValidationException")));
        ck_assert_double_gt(json_real_value(json_object_get(line, "ms")), 0);
        ck_assert_uint_eq(strlen(json_string_value(json_object_get(line, "time"))), CLOCK_ISO_LEN - 1);
        json_decref(line);
}
END_TEST

START_TEST(test_log_ring) {
        struct request_record r = { .operation = "Scan", .request_id = STR("evil\"\\\n\xff id"), .status = 200 };
        unsigned lines;
        json_t *line;

        for (r.attempt = 1; r.attempt <= 1100; r.attempt++)
                request_log_add(&r);
        line = last_line(&lines);
        ck_assert_uint_eq(lines, 1000);
        ck_assert_int_eq(json_integer_value(json_object_get(line, "attempt")), 1100);
        ck_assert_str_eq(json_string_value(json_object_get(line, "request_id")), "evil\"\\???id");
        json_decref(line);
}
END_TEST

static Suite *suite(void) {
        Suite *s = suite_create("client");
        TCase *t = tcase_create("call");

        tcase_set_timeout(t, 30);
        tcase_add_checked_fixture(t, set_up, tear_down);
        tcase_add_test(t, test_request);
        tcase_add_loop_test(t, test_runs, 0, ARRAY_LEN(runs));
        tcase_add_test(t, test_attempts_are_counted);
        tcase_add_test(t, test_cancelled_transaction);
        tcase_add_test(t, test_closed_connection_is_sent_again);
        tcase_add_test(t, test_huge_body);
        tcase_add_loop_test(t, test_skew, 0, ARRAY_LEN(skew_codes));
        tcase_add_test(t, test_skew_only_once);
        tcase_add_test(t, test_real_refusal_with_known_skew);
        tcase_add_test(t, test_expired_token);
        tcase_add_test(t, test_expired_token_again);
        tcase_add_test(t, test_no_credentials);
        tcase_add_loop_test(t, test_interrupted, 0, ARRAY_LEN(blockers));
        tcase_add_test(t, test_interrupted_before);
        tcase_add_test(t, test_deadline);
        tcase_add_test(t, test_deadline_before_retry);
        tcase_add_test(t, test_server_hint);
        tcase_add_test(t, test_connect_refused);
        tcase_add_test(t, test_quota);
        tcase_add_test(t, test_max_attempts);
        tcase_add_test(t, test_adaptive);
        tcase_add_test(t, test_allocation_failure);
        tcase_add_test(t, test_threads);
        tcase_add_test(t, test_log);
        tcase_add_test(t, test_log_ring);
        suite_add_tcase(s, t);
        return s;
}

int main(void) {
        return run_suite(suite());
}
