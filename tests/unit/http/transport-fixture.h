/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A transport and a scripted server, made before each test and taken down after it. */
#include "ddbfs/http/transport.h"

#include <errno.h>
#include "ddbfs/base/alloc.h"
#include "ddbfs/base/clock.h"
#include "ddbfs/base/metrics.h"
#include "scripted-server.h"
#include "../suite.h"

/* What is set up before and torn down after each test. */
static struct server *server;
static struct http_transport *transport;
static struct http_response response;
static struct op_ctx ctx;
static struct error error;
static char url[64];

static inline struct http_transport *transport_with(unsigned connections, uint64_t timeout_ms, uint64_t idle_ms) {
        struct http_options o = {
                .max_connections = connections,
                .connect_timeout_ns = 2 * NS_PER_S,
                .timeout_ns = timeout_ms * NS_PER_MS,
                .idle_ns = idle_ms * NS_PER_MS,
                .user_agent = "test/1",
        };
        struct http_transport *t = NULL;

        ck_assert_int_eq(http_transport_new(&o, &t, &error), 0);
        return t;
}

static inline void set_up(void) {
        server = server_start();
        transport = transport_with(8, 5000, 60000);
        http_response_init(&response);
        op_ctx_init(&ctx, "test", 10 * NS_PER_S);
        snprintf(url, sizeof(url), "http://127.0.0.1:%d/", server->port);
}

static inline void tear_down(void) {
        op_ctx_deinit(&ctx);
        http_response_deinit(&response);
        http_transport_free(transport);
        server_stop(server);
}

static inline void use_transport(struct http_transport *t) {
        http_transport_free(transport);
        transport = t;
}

static inline struct http_request request_of(const char *method, const char *body) {
        return (struct http_request){
                .method = method,
                .url = str_of(url),
                .headers = { { STR("content-type"), STR("application/json") }, { STR("x-empty"), STR("") } },
                .n_headers = 2,
                .body = str_of(body),
        };
}

static inline int perform(const char *method, const char *body) {
        struct http_request req = request_of(method, body);

        int r;

        error = (struct error){ .kind = ERR_NONE };
        r = http_perform(transport, &ctx, &req, &response, &error);
        (void)server_requests(server); /* takes the server's lock: what it has recorded happened before this */
        return r;
}

static inline double ms_since(uint64_t start) {
        return (double)(clock_now_ns() - start) / (double)NS_PER_MS;
}

static uint64_t cancelled_at;

static inline void *cancel_later(void *arg) {
        usleep(50000);
        cancelled_at = clock_now_ns();
        op_ctx_cancel(arg);
        return NULL;
}

struct holder {
        struct op_ctx ctx;
        atomic_int result;
};

static inline void *hold_connection(void *arg) {
        struct holder *h = arg;
        struct http_request req = request_of("POST", "hold");
        struct http_response resp;
        struct error e;

        http_response_init(&resp);
        h->result = http_perform(transport, &h->ctx, &req, &resp, &e);
        http_response_deinit(&resp);
        return NULL;
}

static inline int run_suite(Suite *s) {
        setenv("no_proxy", "*", 1); /* whatever the environment says, these requests stay here */
        return suite_run(s);
}
