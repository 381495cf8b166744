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

struct aws_client;
struct aws_client_options {
        const char *service;               /* "dynamodb" */
        const char *target_prefix;         /* "DynamoDB_20120810."; NULL for REST services */
        struct http_transport *transport;  /* borrowed */
        struct cred_provider *credentials; /* borrowed; fetches through another transport, never this one */
        const struct aws_settings *settings; /* borrowed */
        unsigned max_parallel;             /* calls in flight of one aws_client_run */
};
_must_check_ int aws_client_new(const struct aws_client_options *o, struct aws_client **ret, struct error *reterr);
struct aws_client *aws_client_free(struct aws_client *c);
DEFINE_CLEANUP(struct aws_client, aws_client_free)

/* One call of a JSON service. */
struct aws_call {
        const char *operation;       /* "GetItem"; static text */
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
