/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Amazon S3, and what speaks its language, as a store of objects (store/blobs.h; aws-facts 8).  Thread-safe.
 * Every body is signed by its SHA-256, which is sent as x-amz-checksum-sha256 too.
 */
#include "ddbfs/aws/client.h"
#include "ddbfs/store/blobs.h"

enum s3_addressing {
        S3_ADDRESSING_AUTO,    /* the profile's s3.addressing_style; else virtual on AWS, path on custom endpoints */
        S3_ADDRESSING_PATH,    /* https://host/bucket/key */
        S3_ADDRESSING_VIRTUAL, /* https://bucket.host/key */
};

enum s3_sse {
        S3_SSE_BUCKET, /* as the bucket is set up: no header */
        S3_SSE_AES256,
        S3_SSE_KMS,
        S3_SSE_KMS_DSSE,
};

struct s3_options {
        struct http_transport *transport;    /* borrowed; not the one of callers that hold a batch */
        struct cred_provider *credentials;   /* borrowed */
        const struct aws_settings *settings; /* borrowed */
        /* the rest is copied */
        const char *region;                  /* NULL: the settings' */
        const char *endpoint_url;            /* NULL: the settings' of service s3, else AWS's */
        enum s3_addressing addressing;
        enum s3_sse sse;
        const char *kms_key;                 /* id, alias or ARN; NULL: the account's own key */
        const char *bucket_owner;            /* account that must own the bucket; NULL: any */
        bool no_checksums;                   /* for servers that refuse x-amz-checksum headers */
        uint64_t timeout_ns;                 /* of one request without its body; 0: 30 s */
};

/* No request is sent.  -EINVAL: no region, a malformed URL, a style the profile does not know. */
_must_check_ int s3_new(const struct s3_options *o, struct blobs **ret, struct error *reterr);
