/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Signed calls of one AWS service: sign -> send -> check -> classify -> sleep -> again.  Each attempt is
 * signed anew with fresh credentials.  Clock skew is learnt from the Date header and kept per client.
 * Thread-safe; no lock is held while a request is under way.
 */
#include "ddbfs/aws/credentials.h"
#include "ddbfs/aws/settings.h"
#include "ddbfs/http/transport.h"

enum aws_protocol {
        AWS_JSON_1_0, /* POST / with X-Amz-Target; x-amz-crc32 checked */
        AWS_REST_XML, /* method, path, query, headers and body of each call: S3 */
};

struct aws_client;
struct aws_client_options {
        const char *service;               /* "dynamodb" */
        enum aws_protocol protocol;
        const char *target_prefix;         /* "DynamoDB_20120810."; JSON only */
        struct http_transport *transport;  /* borrowed */
        struct cred_provider *credentials; /* borrowed; fetches through another transport, never this one */
        const struct aws_settings *settings; /* borrowed */
        unsigned max_parallel;             /* calls in flight of one aws_client_run */
};
_must_check_ int aws_client_new(const struct aws_client_options *o, struct aws_client **ret, struct error *reterr);
struct aws_client *aws_client_free(struct aws_client *c);
DEFINE_CLEANUP(struct aws_client, aws_client_free)

struct aws_call;

/* What a call of a REST service has besides its body; all borrowed until the call is done. */
#define AWS_REST_HEADERS_MAX 18
struct aws_rest {
        const char *method;          /* "PUT" */
        struct str host_prefix;      /* "bucket.": goes before the endpoint's host; empty: none */
        struct str path;             /* "/key", percent-encoded: sent and signed as it is */
        struct str query;            /* "a=b&c=", percent-encoded, without '?' */
        struct http_header headers[AWS_REST_HEADERS_MAX]; /* lower-case names; all are signed */
        unsigned n_headers;
        const char *body_sha256;     /* of the body, in hex: x-amz-content-sha256 */
        size_t max_body;             /* cap on the answer's body; errors have 64 KiB in any case */
        uint64_t timeout_ns;         /* of one attempt; 0: the transport's */
        bool is_data;                /* a 2xx's body is an object's bytes; else <Error> in it is a refusal all the same */
        /* NULL, or: is this 2xx what was asked for?  -errno with the error, and it is tried again: damaged. */
        int (*check)(const struct aws_call *call, struct error *reterr);
};

/* One call of a service. */
struct aws_call {
        const char *operation;       /* "GetItem"; static text */
        const struct aws_rest *rest; /* AWS_REST_XML: what is called; NULL for JSON services */
        struct str body;             /* borrowed until done */
        struct http_response response; /* init by the caller; the last answer: of the 200, or the refusal's body */
        int result;                  /* 0 or -errno when done */
        struct error error;          /* filled when result != 0 */
        unsigned attempts;           /* sent; > 1 means an earlier attempt may have been applied */
        bool uncertain;              /* an attempt broke after it was sent, or got a 5xx: it may have been applied */
        void *user;                  /* the caller's */
};

/* Run one call to its end.  Returns call->result.  Capacity is not parsed here; requests are counted in ctx. */
_must_check_ int aws_client_call(struct aws_client *c, struct op_ctx *ctx, struct aws_call *call);
/*
 * Run many from this thread, at most max_parallel at once.  next() gives the next call to run or NULL when
 * there is none for now; done() is told of each that ended (call->result) and returns 0 to go on or -errno
 * to stop everything (calls under way are dropped, done() is not called for them).  After each done(),
 * next() is asked again.  Ends when nothing is under way and next() gives NULL.  Returns 0 (also when calls
 * failed), what done() returned, or -EINTR/-ETIMEDOUT by ctx (the calls dropped have that as result too).
 */
struct aws_run_ops {
        struct aws_call *(*next)(void *arg);
        int (*done)(void *arg, struct aws_call *call);
};
_must_check_ int aws_client_run(struct aws_client *c, struct op_ctx *ctx, const struct aws_run_ops *ops, void *arg,
                                struct error *reterr);

/* The log of the last requests, for .ddbfs/requests.jsonl: one JSON object a line, oldest first (time,
 * operation, attempt, status, milliseconds, bytes, request id); no bodies, no secrets. */
void aws_request_log_render(struct buf *out);
