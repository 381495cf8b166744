/* SPDX-License-Identifier: Apache-2.0 */
/* Exchanges, one by one and from many threads. */
#include "transport-fixture.h"

/* ---- one exchange ---- */

START_TEST(test_post) {
        int64_t received = metric_get(METRIC_BYTES_RECEIVED), sent = metric_get(METRIC_BYTES_SENT);

        server_step(server,
                    (struct server_step){ .body = "{\"a\":1}", .headers = "X-Mixed-Case:  v w \t\r\nX-None:\r\n" });
        ck_assert_int_eq(perform("POST", "{\"k\":2}"), 0);
        ck_assert_int_eq(response.status, 200);
        ck_assert(str_eq(buf_view(&response.body), STR("{\"a\":1}")));
        ck_assert(str_eq(http_response_header(&response, "x-mixed-case"), STR("v w")));
        ck_assert(str_eq(http_response_header(&response, "x-amzn-requestid"), STR("REQ-0")));
        ck_assert_uint_eq(http_response_header(&response, "x-none").n, 0);
        ck_assert_ptr_null(http_response_header(&response, "absent").p);
        ck_assert_int_le(llabs(response.received_wall_s - clock_wall_s()), 1);
        ck_assert_uint_eq(response.sends, 1);

        ck_assert_ptr_eq(strstr(server->records[0].head, "POST / HTTP/1.1\r\n"), server->records[0].head);
        ck_assert_str_eq(server->records[0].body, "{\"k\":2}");
        ck_assert_str_eq(server_header(server, 0, "content-length"), "7");
        ck_assert_str_eq(server_header(server, 0, "content-type"), "application/json");
        ck_assert_str_eq(server_header(server, 0, "user-agent"), "test/1");
        ck_assert_ptr_nonnull(strstr(server->records[0].head, "\r\nx-empty:\r\n"));
        ck_assert_ptr_null(strcasestr(server->records[0].head, "\r\naccept"));
        ck_assert_ptr_null(strcasestr(server->records[0].head, "\r\nexpect"));
        ck_assert_int_gt(metric_get(METRIC_BYTES_RECEIVED) - received, 7 + 50);
        ck_assert_int_gt(metric_get(METRIC_BYTES_SENT) - sent, 7 + 50);
        ck_assert_uint_eq(response.bytes_sent, (size_t)(metric_get(METRIC_BYTES_SENT) - sent));
}
END_TEST

static const struct {
        const char *method, *body, *line, *length;
} methods[] = {
        { "GET", "", "GET / HTTP/1.1\r\n", "" },        { "PUT", "", "PUT / HTTP/1.1\r\n", "0" },
        { "PUT", "abc", "PUT / HTTP/1.1\r\n", "3" },    { "POST", "", "POST / HTTP/1.1\r\n", "0" },
        { "DELETE", "", "DELETE / HTTP/1.1\r\n", "0" }, { "HEAD", "", "HEAD / HTTP/1.1\r\n", "" },
        { "GET", "q", "GET / HTTP/1.1\r\n", "1" },
};

/* Every method after every other one on the same handle: nothing may be left over. */
START_TEST(test_method_sequence) {
        unsigned n = 0;

        for (unsigned i = 0; i < ARRAY_LEN(methods); i++)
                for (unsigned k = 0; k < ARRAY_LEN(methods); k++) {
                        unsigned pair[] = { i, k };

                        for (unsigned m = 0; m < 2; m++, n++) {
                                ck_assert_int_eq(perform(methods[pair[m]].method, methods[pair[m]].body), 0);
                                ck_assert_int_eq(strncmp(server->records[n].head, methods[pair[m]].line,
                                                         strlen(methods[pair[m]].line)),
                                                 0);
                                ck_assert_str_eq(server_header(server, n, "content-length"), methods[pair[m]].length);
                                ck_assert_str_eq(server->records[n].body, methods[pair[m]].body);
                        }
                }
}
END_TEST

/* The URL of the exchange before is kept, parsed: nothing of it may be left over. */
START_TEST(test_url_sequence) {
        static const char *paths[] = { "/", "/", "/a/../b?c=%2F", "/", "/a/../b?c=%2F", "/a/../b" };
        struct http_request req = request_of("POST", "x");
        char other[128], line[128];

        for (unsigned i = 0; i < ARRAY_LEN(paths); i++) {
                snprintf(other, sizeof(other), "http://127.0.0.1:%d%s", server->port, paths[i]);
                snprintf(line, sizeof(line), "POST %s HTTP/1.1\r\n", paths[i]);
                req.url = str_of(other);
                ck_assert_int_eq(http_perform(transport, &ctx, &req, &response, &error), 0);
                ck_assert_int_eq(strncmp(server->records[i].head, line, strlen(line)), 0);
                req.url = STR("http://127.0.0.1:99999/");
                ck_assert_int_eq(http_perform(transport, &ctx, &req, &response, &error), -EINVAL);
                req.url = STR("/c"); /* not of the same server */
                ck_assert_int_lt(http_perform(transport, &ctx, &req, &response, &error), 0);
                ck_assert_uint_eq(response.sends, 0);
        }
        ck_assert_uint_eq(server_requests(server), ARRAY_LEN(paths));
        ck_assert_uint_eq(server_connections(server), 1);
}
END_TEST

START_TEST(test_large_body) {
        size_t n = 3 << 20;
        char *body = malloc(n + 1);

        memset(body, 'b', n);
        body[n] = '\0';
        server_step(server, (struct server_step){ .body_n = n });
        ck_assert_int_eq(perform("POST", body), 0);
        ck_assert_uint_eq(server->records[0].body_n, n);
        ck_assert_uint_eq(response.body.n, n);
        ck_assert_int_eq(response.body.p[n - 1], '}');
        free(body);
}
END_TEST

START_TEST(test_any_status) {
        static const int statuses[] = { 201, 204, 301, 400, 404, 500, 503 };

        for (unsigned i = 0; i < ARRAY_LEN(statuses); i++) {
                server_step(server, (struct server_step){ .status = statuses[i],
                                                          .body = "",
                                                          .headers = "Location: http://127.0.0.1:1/\r\n" });
                ck_assert_int_eq(perform("POST", "x"), 0);
                ck_assert_int_eq(response.status, statuses[i]);
        }
        ck_assert_uint_eq(server_requests(server), ARRAY_LEN(statuses)); /* no redirect followed */
}
END_TEST

START_TEST(test_interim_response) {
        server_step(server, (struct server_step){ .status = 200, .headers = "X-Final: yes\r\n" });
        ck_assert_int_eq(perform("POST", "x"), 0);
        ck_assert(str_eq(http_response_header(&response, "x-final"), STR("yes")));
        /* the headers of the response before are gone */
        ck_assert_int_eq(perform("POST", "x"), 0);
        ck_assert_ptr_null(http_response_header(&response, "x-final").p);
}
END_TEST

static const struct {
        const char *url, *header, *value;
} refused[] = {
        { "http://127.0.0.1:1/", "x", "a\r\nevil: 1" },
        { "http://127.0.0.1:1/", "x\r\n", "a" },
        { "http://127.0.0.1:1/", "x:y", "a" },
        { "http://127.0.0.1:1/", "", "a" },
        { "http://127.0.0.1:1/\r\n", "x", "a" },
        { "", "x", "a" },
        { "http://127.0.0.1:99999/", "x", "a" },
        { "file:///etc/passwd", "x", "a" },
        { "gopher://127.0.0.1/", "x", "a" },
};

START_TEST(test_refused_requests) {
        struct http_request req = {
                .method = "POST",
                .url = str_of(refused[_i].url),
                .headers = { { str_of(refused[_i].header), str_of(refused[_i].value) } },
                .n_headers = 1,
        };

        ck_assert_int_eq(http_perform(transport, &ctx, &req, &response, &error), -EINVAL);
        ck_assert_int_eq(error.kind, ERR_INPUT);
        ck_assert_uint_eq(response.sends, 0);
}
END_TEST

START_TEST(test_too_many_request_headers) {
        struct http_request req = request_of("POST", "");

        req.n_headers = HTTP_HEADERS_MAX + 1;
        ck_assert_int_eq(http_perform(transport, &ctx, &req, &response, &error), -EIO);
        ck_assert_int_eq(error.kind, ERR_INTERNAL);
}
END_TEST

/* ---- connections ---- */

START_TEST(test_keep_alive) {
        int64_t opened = metric_get(METRIC_CONNECTIONS);

        for (unsigned i = 0; i < 10; i++)
                ck_assert_int_eq(perform("POST", "x"), 0);
        ck_assert_uint_eq(server_connections(server), 1);
        ck_assert_int_eq(metric_get(METRIC_CONNECTIONS) - opened, 1);
}
END_TEST

START_TEST(test_closed_while_idle) {
        server_step(server, (struct server_step){ .action = ANSWER_AND_CLOSE });
        ck_assert_int_eq(perform("POST", "x"), 0);
        usleep(20000);
        ck_assert_int_eq(perform("POST", "x"), 0);
        ck_assert_uint_eq(response.sends, 1);
        ck_assert_uint_eq(server_connections(server), 2);
}
END_TEST

/* The kept connection closes just when the request goes out: sent again, and the caller can tell. */
START_TEST(test_closed_while_sending) {
        ck_assert_int_eq(perform("POST", "x"), 0);
        server_step(server, (struct server_step){ .action = CLOSE });
        ck_assert_int_eq(perform("POST", "x"), 0);
        ck_assert_uint_eq(response.sends, 2);
        ck_assert_uint_eq(server_requests(server), 3);
}
END_TEST

START_TEST(test_idle_connections_are_closed) {
        use_transport(transport_with(4, 5000, 30));
        ck_assert_int_eq(perform("POST", "x"), 0);
        ck_assert_int_eq(perform("POST", "x"), 0);
        ck_assert_uint_eq(server_connections(server), 1);
        usleep(60000);
        ck_assert_int_eq(perform("POST", "x"), 0);
        ck_assert_uint_eq(server_connections(server), 2);
}
END_TEST

/* ---- failures ---- */

static const struct {
        struct server_step step;
        enum error_kind kind;
        const char *part;
} failures[] = {
        { { .action = CLOSE }, ERR_SERVICE, "broke" },
        { { .action = HALF, .body = "{\"a\":1234567}" }, ERR_SERVICE, "broke" },
        { { .action = GARBAGE }, ERR_PROTOCOL, "HTTP" },
        { { .action = FLOOD }, ERR_PROTOCOL, "headers" },
        { { .delay_ms = 2000 }, ERR_TIMEOUT, "in time" },
        { { .body_n = 70000 }, ERR_PROTOCOL, "larger than 65536" },
};

START_TEST(test_failures) {
        struct http_request req = request_of("POST", "x");
        uint64_t start = clock_now_ns();

        req.timeout_ns = 200 * NS_PER_MS;
        req.max_body = 65536;
        server_step(server, failures[_i].step);
        ck_assert_int_eq(http_perform(transport, &ctx, &req, &response, &error), -error_errno(failures[_i].kind));
        ck_assert_msg(error.kind == failures[_i].kind && strstr(error.message, failures[_i].part), "%s: %s",
                      error_kind_name(error.kind), error.message);
        ck_assert_uint_eq(response.sends, 1);
        ck_assert_double_lt(ms_since(start), 1000);
        if (failures[_i].step.body_n)
                ck_assert_int_eq(response.body.err, -EFBIG);
        /* the next one is not affected */
        ck_assert_int_eq(http_perform(transport, &ctx, &req, &response, &error), 0);
}
END_TEST

START_TEST(test_many_headers) {
        server_step(server, (struct server_step){ .n_headers = 500 });
        ck_assert_int_eq(perform("POST", "x"), 0);
        ck_assert_uint_eq(response.n_headers, HTTP_HEADERS_MAX);
        ck_assert(str_eq(buf_view(&response.body), STR("{}")));
}
END_TEST

START_TEST(test_large_headers) {
        static char headers[15000];

        memset(headers, 'x', sizeof(headers) - 1);
        memcpy(headers, "A: ", 3);
        memcpy(headers + 8000, "\r\nB: ", 5);
        memcpy(headers + sizeof(headers) - 3, "\r\n", 3);
        server_step(server, (struct server_step){ .headers = headers });
        server_step(server, (struct server_step){ .headers = headers });
        for (unsigned i = 0; i < 2; i++) {
                ck_assert_int_eq(perform("POST", "x"), 0);
                ck_assert_uint_eq(http_response_header(&response, "a").n, 8000 - 3);
                ck_assert_uint_gt(http_response_header(&response, "b").n, 6000);
        }
}
END_TEST

/* A port nobody listens on. */
static int closed_port(void) {
        struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t n = sizeof(a);
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
        ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&a, &n), 0);
        close(fd);
        return ntohs(a.sin_port);
}

START_TEST(test_connect_refused) {
        char expected[128];
        int port = closed_port();

        snprintf(url, sizeof(url), "http://user:secret@127.0.0.1:%d/x", port);
        snprintf(expected, sizeof(expected), "cannot connect to 127.0.0.1:%d: Connection refused", port);
        ck_assert_int_eq(perform("POST", "x"), -EHOSTUNREACH);
        ck_assert_int_eq(error.kind, ERR_CONNECT);
        ck_assert_str_eq(error.message, expected);
        ck_assert_uint_eq(response.sends, 0);
}
END_TEST

/* A listener whose queue is full answers no SYN. */
START_TEST(test_connect_timeout) {
        struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fill[4];
        struct http_request req = request_of("POST", "x");
        socklen_t n = sizeof(a);

        ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
        ck_assert_int_eq(listen(fd, 0), 0);
        ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&a, &n), 0);
        for (unsigned i = 0; i < ARRAY_LEN(fill); i++) {
                fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
                (void)!connect(fill[i], (struct sockaddr *)&a, n);
        }
        snprintf(url, sizeof(url), "http://127.0.0.1:%d/", ntohs(a.sin_port));
        req.url = str_of(url);
        req.connect_timeout_ns = 100 * NS_PER_MS;
        ck_assert_int_eq(http_perform(transport, &ctx, &req, &response, &error), -EHOSTUNREACH);
        ck_assert_int_eq(error.kind, ERR_CONNECT);
        ck_assert_ptr_nonnull(strstr(error.message, "no answer in time"));
        for (unsigned i = 0; i < ARRAY_LEN(fill); i++)
                close(fill[i]);
        close(fd);
}
END_TEST

START_TEST(test_tls_to_plain_server) {
        snprintf(url, sizeof(url), "https://127.0.0.1:%d/", server->port);
        server_step(server, (struct server_step){ .action = GARBAGE });
        op_ctx_deinit(&ctx);
        op_ctx_init(&ctx, "test", 3 * NS_PER_S);
        shutdown(server->fd, SHUT_RDWR); /* the handshake fails, whichever side says so first */
        ck_assert_int_eq(perform("POST", "x"), -EHOSTUNREACH);
        ck_assert_int_eq(error.kind, ERR_CONNECT);
}
END_TEST

START_TEST(test_unknown_host) {
        struct http_request req = request_of("POST", "x");

        req.url = STR("http://no-such-host.invalid/");
        ck_assert_int_eq(http_perform(transport, &ctx, &req, &response, &error), -EHOSTUNREACH);
        ck_assert_ptr_nonnull(strstr(error.message, "no-such-host.invalid:80"));
}
END_TEST

/* ---- interruption ---- */

/* libcurl's own way to be told of one. */
START_TEST(test_proxy_of_environment) {
        struct http_transport *t;
        struct http_request req = request_of("POST", "x");

        ck_assert_int_eq(setenv("http_proxy", url, 1) + unsetenv("no_proxy"), 0);
        t = transport_with(1, 5000, 60000);
        req.url = STR("http://no-such-host.invalid/");
        ck_assert_int_eq(http_perform(t, &ctx, &req, &response, &error), 0);
        ck_assert_uint_eq(server_requests(server), 1);
        ck_assert_int_eq(setenv("no_proxy", "*", 1) + unsetenv("http_proxy"), 0);
        http_transport_free(t);
}
END_TEST

START_TEST(test_cancel_while_waiting) {
        pthread_t t;
        double late;

        server_step(server, (struct server_step){ .delay_ms = 5000 });
        pthread_create(&t, NULL, cancel_later, &ctx);
        ck_assert_int_eq(perform("POST", "x"), -EINTR);
        late = ms_since(cancelled_at);
        pthread_join(t, NULL);
        ck_assert_int_eq(error.kind, ERR_INTERRUPTED);
        ck_assert_double_lt(late, 1000); /* at once, on a machine however loaded */
        ck_assert_uint_eq(response.sends, 1);
        ck_assert_int_eq(perform("POST", "x"), -EINTR); /* stays cancelled */
        ck_assert_uint_eq(response.sends, 0);
}
END_TEST

START_TEST(test_deadline) {
        uint64_t start = clock_now_ns();

        op_ctx_deinit(&ctx);
        op_ctx_init(&ctx, "test", 80 * NS_PER_MS);
        server_step(server, (struct server_step){ .delay_ms = 5000 });
        ck_assert_int_eq(perform("POST", "x"), -ETIMEDOUT);
        ck_assert_int_eq(error.kind, ERR_TIMEOUT);
        ck_assert_double_lt(ms_since(start), 1000);
}
END_TEST

START_TEST(test_cancel_while_queued) {
        struct holder h;
        pthread_t holder, canceller;
        double late;

        use_transport(transport_with(1, 5000, 60000));
        server_step(server, (struct server_step){ .delay_ms = 400 });
        op_ctx_init(&h.ctx, "holder", 0);
        pthread_create(&holder, NULL, hold_connection, &h);
        while (server_requests(server) == 0)
                usleep(1000);
        pthread_create(&canceller, NULL, cancel_later, &ctx);
        ck_assert_int_eq(perform("POST", "x"), -EINTR);
        late = ms_since(cancelled_at);
        pthread_join(canceller, NULL);
        pthread_join(holder, NULL);
        ck_assert_int_eq(h.result, 0);
        ck_assert_double_lt(late, 1000); /* at once, on a machine however loaded */
        ck_assert_uint_eq(server_requests(server), 1);
        op_ctx_deinit(&h.ctx);

        /* nothing was lost: the only permit is there again */
        op_ctx_deinit(&ctx);
        op_ctx_init(&ctx, "test", NS_PER_S);
        ck_assert_int_eq(perform("POST", "x"), 0);
}
END_TEST

START_TEST(test_lock_violation) {
        static struct mutex m = MUTEX_INIT;
        int64_t before = metric_get(METRIC_LOCK_VIOLATIONS);
        int r;

        mutex_lock(&m);
        r = perform("POST", "x");
        mutex_unlock(&m);
        ck_assert_int_eq(r, 0);
        ck_assert_int_eq(metric_get(METRIC_LOCK_VIOLATIONS), before + 1);
        ck_assert_int_eq(perform("POST", "x"), 0);
        ck_assert_int_eq(metric_get(METRIC_LOCK_VIOLATIONS), before + 1);
}
END_TEST

START_TEST(test_allocation_failure) {
        unsigned failed = 0;
        int r = -1;

        for (unsigned long n = 1; r; n++) {
                use_transport(transport_with(1, 5000, 60000));
                http_response_deinit(&response);
                http_response_init(&response);
                mem_fail_at(n);
                r = perform("POST", "x");
                mem_fail_at(0);
                ck_assert_msg(r == 0 || r == -ENOMEM, "%d: %s", r, error.message);
                failed += r != 0;
                ck_assert_int_eq(perform("POST", "x"), 0);
        }
        ck_assert_uint_ge(failed, 4);
}
END_TEST

START_TEST(test_new_allocation_failure) {
        struct http_options o = { .max_connections = 1, .ca_bundle = "/x", .user_agent = "y" };
        struct http_transport *t = NULL;
        int r = -1;

        for (unsigned long n = 1; r; n++) {
                mem_fail_at(n);
                r = http_transport_new(&o, &t, &error);
                mem_fail_at(0);
                ck_assert(r == 0 || (r == -ENOMEM && !t));
        }
        http_transport_free(t);
        o.max_connections = 0;
        ck_assert_int_eq(http_transport_new(&o, &t, &error), -EINVAL);
}
END_TEST

/* ---- many threads ---- */

#define THREADS 12
#define ROUNDS 30

static void *hammer(void *arg) {
        struct http_response resp;
        struct op_ctx own;
        struct error e;
        long bad = 0;

        (void)arg;
        http_response_init(&resp);
        for (unsigned i = 0; i < ROUNDS; i++) {
                struct http_request req = request_of("POST", "hammer");

                op_ctx_init(&own, "hammer", 20 * NS_PER_S);
                bad += http_perform(transport, &own, &req, &resp, &e) != 0;
                op_ctx_deinit(&own);
        }
        http_response_deinit(&resp);
        return (void *)bad;
}

START_TEST(test_threads) {
        pthread_t threads[THREADS];

        use_transport(transport_with(4, 5000, 60000));
        for (unsigned i = 0; i < THREADS; i++)
                pthread_create(&threads[i], NULL, hammer, NULL);
        for (unsigned i = 0; i < THREADS; i++) {
                void *bad;

                pthread_join(threads[i], &bad);
                ck_assert_ptr_null(bad);
        }
        ck_assert_uint_eq(server_requests(server), THREADS * ROUNDS);
        ck_assert_uint_le(server_peak(server), 4);
        ck_assert_uint_le(server_connections(server), 4);
}
END_TEST

static void *cancel_storm(void *arg) {
        struct op_ctx *own = arg;

        usleep(3000);
        op_ctx_cancel(own);
        return NULL;
}

static void *hammer_cancelled(void *arg) {
        struct http_response resp;
        struct error e;
        long bad = 0;

        (void)arg;
        http_response_init(&resp);
        for (unsigned i = 0; i < 10; i++) {
                struct http_request req = request_of("POST", "hammer");
                struct op_ctx own;
                pthread_t t;
                int r;

                op_ctx_init(&own, "hammer", 20 * NS_PER_S);
                pthread_create(&t, NULL, cancel_storm, &own);
                do
                        r = http_perform(transport, &own, &req, &resp, &e);
                while (r == 0);
                bad += r != -EINTR;
                pthread_join(t, NULL);
                op_ctx_deinit(&own);
        }
        http_response_deinit(&resp);
        return (void *)bad;
}

START_TEST(test_threads_cancelled) {
        pthread_t threads[6];

        use_transport(transport_with(2, 5000, 60000));
        for (unsigned i = 0; i < ARRAY_LEN(threads); i++)
                pthread_create(&threads[i], NULL, hammer_cancelled, NULL);
        for (unsigned i = 0; i < ARRAY_LEN(threads); i++) {
                void *bad;

                pthread_join(threads[i], &bad);
                ck_assert_ptr_null(bad);
        }
        ck_assert_int_eq(perform("POST", "x"), 0);
        ck_assert_int_eq(perform("POST", "x"), 0);
}
END_TEST

static Suite *suite(void) {
        Suite *s = suite_create("transport");
        TCase *t = tcase_create("exchange");

        tcase_add_checked_fixture(t, set_up, tear_down);
        tcase_add_test(t, test_post);
        tcase_add_test(t, test_method_sequence);
        tcase_add_test(t, test_url_sequence);
        tcase_add_test(t, test_large_body);
        tcase_add_test(t, test_any_status);
        tcase_add_test(t, test_interim_response);
        tcase_add_loop_test(t, test_refused_requests, 0, ARRAY_LEN(refused));
        tcase_add_test(t, test_too_many_request_headers);
        tcase_add_test(t, test_keep_alive);
        tcase_add_test(t, test_closed_while_idle);
        tcase_add_test(t, test_closed_while_sending);
        tcase_add_test(t, test_idle_connections_are_closed);
        tcase_add_loop_test(t, test_failures, 0, ARRAY_LEN(failures));
        tcase_add_test(t, test_many_headers);
        tcase_add_test(t, test_large_headers);
        tcase_add_test(t, test_connect_refused);
        tcase_add_test(t, test_connect_timeout);
        tcase_add_test(t, test_tls_to_plain_server);
        tcase_add_test(t, test_unknown_host);
        tcase_add_test(t, test_proxy_of_environment);
        tcase_add_test(t, test_cancel_while_waiting);
        tcase_add_test(t, test_deadline);
        tcase_add_test(t, test_cancel_while_queued);
        tcase_add_test(t, test_lock_violation);
        tcase_add_test(t, test_allocation_failure);
        tcase_add_test(t, test_new_allocation_failure);
        suite_add_tcase(s, t);

        t = tcase_create("threads");
        tcase_set_timeout(t, 30);
        tcase_add_checked_fixture(t, set_up, tear_down);
        tcase_add_test(t, test_threads);
        tcase_add_test(t, test_threads_cancelled);
        suite_add_tcase(s, t);
        return s;
}

int main(void) {
        return run_suite(suite());
}
