/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The account's side of a program: settings, credentials, transports, and the store of tables over them, with large
 * attributes in S3 where a bucket is named. */
#include "ddbfs/app/config.h"
#include "ddbfs/aws/client.h"
#include "ddbfs/store/blobs.h"
#include "ddbfs/store/store.h"

#define S3_BUCKETS_MAX 16
#define PARALLEL_MAX 8 /* requests in flight for one operation */

struct service {
        struct aws_settings *settings;
        struct cred_provider *credentials;
        struct http_transport *transport, *s3_transport;
        struct aws_client *client;
        struct store *tables;      /* DynamoDB itself */
        struct blobs *blobs;       /* NULL: no bucket */
        char *bucket_list;         /* what `buckets` points into */
        const char *buckets[S3_BUCKETS_MAX];
        uint32_t n_buckets;
        struct store *store;       /* what everybody uses */
};

/* local_url: of the local engine, whose key is always the same; NULL: the account's.  No request is sent.  What has been
 * built is closed by service_close() on failure too. */
_must_check_ int service_open(struct service *s, const struct config *c, const char *local_url, struct error *reterr);
void service_close(struct service *s);
