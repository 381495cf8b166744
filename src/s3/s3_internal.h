/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Inside the S3 layer: the object (s3.c), one request (s3_call.c), its operations in files of their own. */
#include "ddbfs/base/encode.h"
#include "ddbfs/s3/s3.h"
#include "s3_xml.h"

#define S3_KEY_MAX 1024

struct s3 {
        struct blobs blobs;
        struct aws_client *client;
        struct aws_settings settings; /* the caller's, but for region and endpoint; its arena is not ours */
        char *region, *endpoint_url, *kms_key, *bucket_owner; /* owned; NULL: none */
        enum s3_addressing addressing;                        /* auto: virtual where the bucket's name allows it */
        enum s3_sse sse;
        bool checksums;
        uint64_t timeout_ns;
        atomic_bool no_conditions; /* the server has no If-None-Match on PutObject */
};

static inline struct s3 *s3_of(struct blobs *b) {
        return CONTAINER_OF(b, struct s3, blobs);
}

/* One request and its answer. */
struct s3_call {
        struct s3 *s3;
        struct aws_call call;
        struct aws_rest rest;
        struct arena arena; /* header values made here */
        struct buf path, query, host_prefix, body;
        struct str resource; /* "bucket/key", for messages */
        char sha256_hex[2 * SHA256_LEN + 1];
        bool has_checksum;
        int failed; /* what went wrong while it was built; told by s3_call_run() */
        /* What a sound 2xx has to be; -EINVAL: it is not, and the request is sent again.  NULL: anything. */
        int (*read)(struct s3_call *c, struct str body);
        void *read_arg;
        /* GetObject: what was asked for */
        uint64_t offset;
        size_t n;
};

/* operation, method: static text.  key n == 0: of the bucket itself. */
void s3_call_init(struct s3_call *c, struct s3 *s, const char *operation, const char *method, struct blob_name name);
void s3_call_deinit(struct s3_call *c);
void s3_call_query(struct s3_call *c, const char *name, struct str value);
void s3_call_header(struct s3_call *c, const char *name, struct str value);
/* The request's body (borrowed), with its digests as headers.  sha256: the body's when it is known, or NULL. */
void s3_call_body(struct s3_call *c, struct str body, const uint8_t *sha256);
/* Encryption, and the metadata, of a new object. */
void s3_call_new_object(struct s3_call *c, const struct blob_meta *meta, uint32_t n_meta);
/* 0, or -errno with the error, which names operation and object. */
_must_check_ int s3_call_run(struct s3_call *c, struct op_ctx *ctx, struct error *reterr);
static inline struct str s3_call_answer(const struct s3_call *c, const char *header) {
        return http_response_header(&c->call.response, header);
}

/* The operations; as in store/blobs.h. */
int s3_put(struct blobs *b, struct op_ctx *ctx, struct blob_name name, const struct blob_meta *meta, uint32_t n_meta,
           struct str data, struct error *reterr);
int s3_read(struct blobs *b, struct op_ctx *ctx, struct blob_name name, uint64_t offset, size_t n, const char *etag,
            struct buf *ret, struct error *reterr);
int s3_head(struct blobs *b, struct op_ctx *ctx, struct blob_name name, struct blob_info *ret, struct error *reterr);
int s3_remove(struct blobs *b, struct op_ctx *ctx, const struct blob_name *names, uint32_t n, int *results,
              struct error *reterr);
int s3_list(struct blobs *b, struct op_ctx *ctx, struct str bucket, struct str prefix, struct str after, struct str next,
            struct blob_page *ret, struct error *reterr);
int s3_abort_stale(struct blobs *b, struct op_ctx *ctx, struct str bucket, struct str prefix, int64_t before_s,
                   uint64_t *ret_n, struct error *reterr);
int s3_upload_begin(struct blobs *b, struct op_ctx *ctx, struct blob_name name, const struct blob_meta *meta,
                    uint32_t n_meta, struct blob_upload **ret, struct error *reterr);
int s3_upload_part(struct blobs *b, struct op_ctx *ctx, struct blob_upload *u, uint32_t number, struct str data,
                   const uint8_t sha256[SHA256_LEN], struct error *reterr);
int s3_upload_finish(struct blobs *b, struct op_ctx *ctx, struct blob_upload *u, struct error *reterr);
void s3_upload_end(struct blobs *b, struct op_ctx *ctx, struct blob_upload *u);
/* Abort one upload; one that is gone is fine. */
int s3_abort_upload(struct s3 *s, struct op_ctx *ctx, struct blob_name name, struct str upload_id,
                    struct error *reterr);
