/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Inside the client: the state machine of one call (aws_job.c), one attempt of it (aws_attempt.c) in the service's
 * protocol (aws_json.c, aws_rest.c), its two drivers (aws_client.c), the log (request_log.c). */
#include "ddbfs/aws/client.h"
#include "ddbfs/aws/retry.h"
#include "ddbfs/aws/sigv4.h"
#include "ddbfs/base/clock.h"

struct job;

/* What the protocols of services differ in. */
struct protocol {
        bool plain_path; /* signed as it is sent; else normalised and encoded once more */
        /* Method, URL and headers of its own, in j->request.  0 or -errno with the call's error. */
        int (*write)(struct job *j);
        bool (*is_refusal)(const struct aws_call *call);
        /* Is the answer whole, and one to this request?  -errno with the error: damaged on its way. */
        int (*check)(const struct aws_call *call, bool refusal, struct error *reterr);
        /* What the refusal says. */
        void (*read_refusal)(struct aws_call *call, enum retry_class *ret);
};
extern const struct protocol protocol_json, protocol_rest;

struct aws_client {
        const struct protocol *protocol;
        const char *service, *target_prefix; /* static text */
        struct http_transport *transport;    /* borrowed */
        struct cred_provider *credentials;   /* borrowed */
        const struct aws_settings *settings; /* borrowed */
        unsigned max_parallel;
        struct retry_params params;
        struct retry_policy *retry;
        struct rate_limit *rate; /* NULL but in the adaptive mode */
        struct sigv4_key_cache *keys;
        atomic_llong skew_s; /* the service's clock less ours */
        struct mutex lock;   /* everything below */
        bool endpoint_known;
        char endpoint_account[32]; /* of which account; "": none */
        struct aws_endpoint endpoint;
};

enum job_state { JOB_FREE, JOB_READY, JOB_FLYING, JOB_DONE };

struct job {
        enum job_state state;
        struct aws_client *client;
        struct op_ctx *ctx;
        struct aws_call *call;
        uint64_t wake_ns;    /* READY: not before */
        uint64_t started_ns; /* the call */
        uint64_t sent_ns;    /* this attempt */
        unsigned last_cost;  /* tokens of the last retry */
        bool skew_tried, credentials_tried;
        struct credentials *credentials; /* of this attempt; ref */
        /* of this attempt: what the request points to */
        struct http_request request;
        struct aws_endpoint endpoint;
        struct buf authorization;
        struct buf long_url; /* REST */
        char url[sizeof(((struct aws_endpoint *)NULL)->url) + 1], host[400];
        char target[128];
        char date[CLOCK_AMZ_LEN];
};

void job_init(struct job *j, struct aws_client *c, struct op_ctx *ctx, struct aws_call *call);
void job_deinit(struct job *j);
/* READY -> FLYING: 0, j->request is to be sent.  READY -> DONE: the call's -errno. */
_must_check_ int job_prepare(struct job *j);
/* FLYING -> DONE or READY: what became of the request, as http_perform() said it. */
void job_judge(struct job *j, int http_result, const struct error *http_error);
/* Any -> DONE: with this error (copied). */
void job_stop(struct job *j, int result, const struct error *error);

/* How an attempt ended; the error is in the call (ERR_NONE: success). */
struct verdict {
        enum retry_class retry;
        bool doubtful;   /* the service may have acted on it */
        int64_t hint_ms; /* x-amz-retry-after; -1: none */
};

/* For the protocols. */
void job_header(struct job *j, struct str name, struct str value);

/* aws_attempt.c.  Credentials, endpoint, headers, signature: j->request.  The call's error on failure. */
_must_check_ int attempt_build(struct job *j);
void attempt_judge(struct job *j, int http_result, const struct error *http_error, struct verdict *ret);

/* rate_limit.c.  l may be NULL: no limit. */
struct rate_limit;
_must_check_ int rate_limit_new(uint64_t now_ns, struct rate_limit **ret);
struct rate_limit *rate_limit_free(struct rate_limit *l);
/* One attempt is about to be sent: how long to wait before it. */
uint64_t rate_limit_reserve(struct rate_limit *l, uint64_t now_ns);
/* One has been answered. */
void rate_limit_update(struct rate_limit *l, uint64_t now_ns, bool throttled);

struct request_record {
        const char *operation; /* static text */
        const char *code;      /* static text; NULL: none */
        unsigned attempt;
        int status; /* 0: no answer */
        uint64_t duration_ns;
        uint64_t bytes_sent, bytes_received;
        struct str request_id;
};
void request_log_add(const struct request_record *r);
