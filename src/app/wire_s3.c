/* SPDX-License-Identifier: Apache-2.0 */
/* Connections, and S3 on them. */
#include "wire_internal.h"

#define IDLE_NS (45 * NS_PER_S) /* the service closes connections idle for about a minute */

int wire_transport_new(const struct config *c, const struct aws_settings *settings, struct http_transport **ret,
                       struct error *reterr) {
        _cleanup_(buf_deinit) struct buf ca = BUF_INIT(CONFIG_VALUE_MAX);
        struct http_options o = {
                .max_connections = (unsigned)c->max_connections,
                .connect_timeout_ns = c->connect_timeout,
                .timeout_ns = c->request_timeout,
                .idle_ns = IDLE_NS,
                .user_agent = "ddbfs/" DDBFS_VERSION,
        };

        buf_str(&ca, settings->ca_bundle);
        if (buf_status(&ca))
                return error_set_errno(reterr, buf_status(&ca), "ca_bundle");
        if (ca.n)
                o.ca_bundle = ca.p;
        return http_transport_new(&o, ret, reterr);
}

int wire_s3_new(const struct config *c, const struct aws_settings *settings, struct cred_provider *credentials,
                struct http_transport *transport, struct blobs **ret, struct error *reterr) {
        const struct s3_options o = {
                .transport = transport,
                .credentials = credentials,
                .settings = settings,
                .region = c->s3_region,
                .endpoint_url = c->s3_endpoint_url,
                .addressing = (enum s3_addressing)c->s3_addressing,
                .sse = (enum s3_sse)c->s3_sse,
                .kms_key = c->s3_kms_key,
                .bucket_owner = c->s3_bucket_owner,
                .no_checksums = !c->s3_checksums,
                .timeout_ns = c->request_timeout,
        };

        return s3_new(&o, ret, reterr);
}
