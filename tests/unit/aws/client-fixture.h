/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A client, its credentials and a scripted server, made before each test and taken down after it. */
#include "../../../src/aws/client_internal.h"

#include <errno.h>
#include <jansson.h>
#include "ddbfs/base/alloc.h"
#include "ddbfs/base/metrics.h"
#include "ddbfs/base/rng.h"
#include "../http/scripted-server.h"
#include "../suite.h"

/* An error of the service. */
#define TYPE(t) "{\"__type\":\"com.amazonaws.dynamodb.v20120810#" t "\",\"message\":\"m\"}"

/* A provider that gives new keys after each refusal. */
struct fake_provider {
        struct cred_provider base;
        atomic_uint gets, refusals;
        int result; /* of get() */
};

static inline int fake_get(struct cred_provider *p, struct op_ctx *ctx, struct credentials **ret, struct error *reterr) {
        struct fake_provider *f = CONTAINER_OF(p, struct fake_provider, base);
        char token[32];

        (void)ctx;
        f->gets++;
        if (f->result < 0)
                return error_set(reterr, ERR_ACCESS, "the provider failed");
        if (f->result > 0)
                return f->result;
        snprintf(token, sizeof(token), "token-%u", f->refusals);
        if (credentials_new(STR("AKIDEXAMPLE"), STR("secret"), str_of(token), STR_NULL, INT64_MAX, "fake", ret))
                return error_set_errno(reterr, -ENOMEM, "credentials");
        return 0;
}

static inline void fake_refused(struct cred_provider *p, const struct credentials *c) {
        ck_assert_str_eq(c->access_key_id, "AKIDEXAMPLE");
        CONTAINER_OF(p, struct fake_provider, base)->refusals++;
}

static const struct cred_provider_ops fake_ops = { .name = "fake", .get = fake_get, .refused = fake_refused };
static const struct cred_provider_ops stubborn_ops = { .name = "stubborn", .get = fake_get };

static struct server *server;
static struct http_transport *transport;
static struct aws_settings *settings;
static struct fake_provider provider;
static struct aws_client *client;
static struct aws_call call;
static struct op_ctx ctx;
static struct error error;

static inline void make_client(int port, unsigned max_attempts) {
        struct http_options h = {
                .max_connections = 16,
                .connect_timeout_ns = 2 * NS_PER_S,
                .timeout_ns = 10 * NS_PER_S,
                .idle_ns = 60 * NS_PER_S,
                .user_agent = "ddbfs/" DDBFS_VERSION,
        };
        char url[64];
        struct aws_options o = { .region = "us-east-1", .endpoint_url = url, .max_attempts = max_attempts };
        struct aws_client_options c = {
                .service = "dynamodb",
                .target_prefix = "DynamoDB_20120810.",
                .credentials = &provider.base,
                .max_parallel = 8,
        };

        snprintf(url, sizeof(url), "http://127.0.0.1:%d", port);
        ck_assert_int_eq(aws_settings_load(&o, &settings, &error), 0);
        ck_assert_int_eq(http_transport_new(&h, &transport, &error), 0);
        c.transport = transport;
        c.settings = settings;
        ck_assert_int_eq(aws_client_new(&c, &client, &error), 0);
}

static inline void drop_client(void) {
        client = aws_client_free(client);
        transport = http_transport_free(transport);
        settings = aws_settings_free(settings);
}

/* From here on the first back-off is next to nothing, whatever its base. */
static inline void make_delays_short(void) {
        for (uint64_t seed = 1;; seed++) {
                char uuid[UUID_LEN];

                rng_seed(seed);
                rng_uuid(uuid);
                if (rng_unit() < 0.01) {
                        rng_seed(seed);
                        return;
                }
        }
}

static inline void set_up(void) {
        server = server_start();
        provider = (struct fake_provider){ .base.ops = &fake_ops };
        make_client(server->port, 0);
        call = (struct aws_call){ .operation = "GetItem", .body = STR("{\"TableName\":\"t\"}") };
        http_response_init(&call.response);
        op_ctx_init(&ctx, "read", 20 * NS_PER_S);
}

static inline void tear_down(void) {
        rng_seed(0);
        op_ctx_deinit(&ctx);
        http_response_deinit(&call.response);
        drop_client();
        server_stop(server);
}

static inline double ms_since(uint64_t start) {
        return (double)(clock_now_ns() - start) / (double)NS_PER_MS;
}

static uint64_t cancelled_at;

static inline void *cancel_later(void *arg) {
        usleep(80000);
        cancelled_at = clock_now_ns();
        op_ctx_cancel(arg);
        return NULL;
}

static const struct server_step blockers[] = {
        { .delay_ms = 3000 },                                        /* waits for the answer */
        { .status = 500, .headers = "x-amz-retry-after: 4000\r\n" }, /* waits in back-off */
};

static inline int run_suite(Suite *s) {
        /* nothing of the person's own configuration */
        static const char *const own[] = {
                "AWS_PROFILE",
                "AWS_DEFAULT_PROFILE",
                "AWS_MAX_ATTEMPTS",
                "AWS_RETRY_MODE",
                "AWS_CA_BUNDLE",
                "AWS_ENDPOINT_URL",
                "AWS_ENDPOINT_URL_DYNAMODB",
                "AWS_ACCOUNT_ID",
                "AWS_USE_FIPS_ENDPOINT",
                "AWS_USE_DUALSTACK_ENDPOINT",
                "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
        };

        for (unsigned i = 0; i < ARRAY_LEN(own); i++)
                unsetenv(own[i]);
        setenv("no_proxy", "*", 1);
        setenv("AWS_CONFIG_FILE", "/dev/null", 1);
        setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null", 1);
        return suite_run(s);
}
