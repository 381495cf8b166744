/* SPDX-License-Identifier: Apache-2.0 */
/* The account's side of a program, bottom up: see service.h. */
#include "service.h"

#include <string.h>
#include "ddbfs/app/local_engine.h"
#include "ddbfs/ddb/ddb.h"
#include "ddbfs/large/large.h"
#include "wire_internal.h"

#define BUCKET_MIN 3
#define BUCKET_MAX 63

static int load_settings(struct service *s, const struct config *c, const char *local_url, struct error *reterr) {
        struct aws_options o = {
                .profile = c->profile,
                .region = c->region,
                .endpoint_url = c->endpoint_url,
                .ca_bundle = c->ca_bundle,
                .max_attempts = c->max_attempts == CONFIG_UNSET ? 0 : (unsigned)c->max_attempts,
                .use_fips = c->fips,
                .use_dualstack = c->dualstack,
        };

        if (local_url) {
                o.endpoint_url = local_url;
                o.region = LOCAL_ENGINE_REGION;
                o.access_key_id = o.secret_access_key = LOCAL_ENGINE_KEY;
        }
        return aws_settings_load(&o, &s->settings, reterr);
}

static int make_tables(struct service *s, const struct config *c, struct error *reterr) {
        struct aws_client_options o = {
                .service = "dynamodb",
                .target_prefix = "DynamoDB_20120810.",
                .transport = s->transport,
                .credentials = s->credentials,
                .settings = s->settings,
                .max_parallel = (unsigned)MIN(c->max_connections, PARALLEL_MAX),
        };
        int r = aws_client_new(&o, &s->client, reterr);

        if (r)
                return r;
        r = ddb_store_new(s->client, &s->tables);
        if (!r)
                ddb_store_limit(s->tables, (double)c->max_rcu, (double)c->max_wcu);
        return r ? error_set_errno(reterr, r, "store") : 0;
}

/* ---- S3 ---- */

static int check_bucket(const char *name, struct error *reterr) {
        size_t n = strlen(name);

        if (n >= BUCKET_MIN && n <= BUCKET_MAX && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789.-_") == n)
                return 0;
        return error_set(reterr, ERR_INPUT, "option s3_bucket: \"%.64s\" is not the name of a bucket", name);
}

/* Separated by colons, so that the list can be a mount option, or by commas. */
static int split_buckets(struct service *s, const char *list, struct error *reterr) {
        char *save = NULL;
        int r = 0;

        s->bucket_list = mem_strdup(list);
        if (!s->bucket_list)
                return error_set_errno(reterr, -ENOMEM, "s3_bucket");
        for (char *name = strtok_r(s->bucket_list, ":,", &save); r == 0 && name; name = strtok_r(NULL, ":,", &save)) {
                if (s->n_buckets == S3_BUCKETS_MAX)
                        return error_set(reterr, ERR_INPUT, "option s3_bucket: at most %d buckets", S3_BUCKETS_MAX);
                r = check_bucket(name, reterr);
                s->buckets[s->n_buckets++] = name;
        }
        return r;
}

static int open_s3(struct service *s, const struct config *c, struct error *reterr) {
        int r = split_buckets(s, c->s3_bucket, reterr);

        if (r == 0)
                r = wire_transport_new(c, s->settings, &s->s3_transport, reterr);
        return r ? r : wire_s3_new(c, s->settings, s->credentials, s->s3_transport, &s->blobs, reterr);
}

static int make_store(struct service *s, const struct config *c, struct error *reterr) {
        struct large_options o = {
                .buckets = s->buckets,
                .n_buckets = s->n_buckets,
                .prefix = c->s3_prefix,
                .threshold = c->s3_threshold,
                .inline_max = c->inline_max,
                .grace_ns = c->s3_grace,
                .timeout_ns = c->op_timeout,
        };
        int r;

        if (c->s3_prefix && strlen(c->s3_prefix) > LARGE_PREFIX_MAX)
                return error_set(reterr, ERR_INPUT, "option s3_prefix: at most %d bytes", LARGE_PREFIX_MAX);
        r = large_store_new(&o, s->tables, s->blobs, &s->store);
        return r ? error_set_errno(reterr, r, "store") : 0;
}

int service_open(struct service *s, const struct config *c, const char *local_url, struct error *reterr) {
        int r;

        *s = (struct service){ .settings = NULL };
        r = load_settings(s, c, local_url, reterr);
        if (r == 0)
                r = cred_default_new(s->settings, &s->credentials, reterr);
        if (r == 0)
                r = wire_transport_new(c, s->settings, &s->transport, reterr);
        if (r == 0)
                r = make_tables(s, c, reterr);
        if (r == 0 && c->s3_bucket)
                r = open_s3(s, c, reterr);
        return r ? r : make_store(s, c, reterr);
}

void service_close(struct service *s) {
        s->store = store_free(s->store);
        s->blobs = blobs_free(s->blobs);
        s->tables = store_free(s->tables);
        s->client = aws_client_free(s->client);
        s->transport = http_transport_free(s->transport);
        s->s3_transport = http_transport_free(s->s3_transport);
        s->credentials = cred_provider_free(s->credentials);
        s->settings = aws_settings_free(s->settings);
        s->bucket_list = mem_free(s->bucket_list);
}
