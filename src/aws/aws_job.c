/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One call from its first attempt to its end, as a state machine that neither sends nor sleeps, so that a
 * single call and a batch are driven by the same rules.
 *
 *   state   event                                        next    action
 *   ------  -------------------------------------------  ------  -------------------------------------------
 *   READY   wake_ns reached, request signed              FLYING  the driver sends j->request
 *   READY   no credentials, no endpoint, no memory       DONE    that error
 *   FLYING  2xx, sound (CRC, checksum, form)             DONE    result 0, tokens given back
 *   FLYING  skew code, clocks > 4 min apart, first time  READY   learn the offset; at once
 *   FLYING  credentials refused, first time              READY   provider forgets them; at once
 *   FLYING  transient or throttled, quota and time left  READY   at now + back-off
 *   FLYING  anything else                                DONE    the service's error
 *   any     interrupted, deadline                        DONE    EINTR, ETIMEDOUT
 *
 * Every attempt is signed anew: fresh credentials, the time of now.  call->uncertain is set whenever the
 * service may have acted on an attempt whose outcome we did not learn.
 */
#include "client_internal.h"

#include <errno.h>
#include <stdlib.h>
#include "ddbfs/base/log.h"
#include "ddbfs/base/metrics.h"

#define AUTHORIZATION_MAX (4 * KIB)
#define LONG_URL_MAX (24 * KIB) /* three times a key and a token of 2 KB each */
#define SKEW_MIN_S 240

void job_init(struct job *j, struct aws_client *c, struct op_ctx *ctx, struct aws_call *call) {
        uint64_t delay_ns;

        j->state = JOB_READY;
        j->client = c;
        j->ctx = ctx;
        j->call = call;
        j->started_ns = clock_now_ns();
        delay_ns = rate_limit_reserve(c->rate, j->started_ns);
        j->wake_ns = delay_ns ? j->started_ns + delay_ns : 0;
        j->sent_ns = 0;
        j->last_cost = 0;
        j->skew_tried = j->credentials_tried = false;
        j->credentials = NULL;
        buf_init(&j->authorization, AUTHORIZATION_MAX);
        buf_init(&j->long_url, LONG_URL_MAX);
        call->result = 0;
        call->error = (struct error){ .kind = ERR_NONE };
        call->attempts = 0;
        call->uncertain = false;
}

void job_deinit(struct job *j) {
        j->credentials = credentials_unref(j->credentials);
        buf_deinit(&j->authorization);
        buf_deinit(&j->long_url);
        j->state = JOB_FREE;
        j->call = NULL;
}

static int done(struct job *j, int result) {
        j->state = JOB_DONE;
        j->call->result = result;
        if (result && j->call->error.kind != ERR_INTERRUPTED)
                metric_add(METRIC_REQUEST_ERRORS, 1);
        return result;
}

/* The deadline in the words of the person: which call, after how long. */
static int done_late(struct job *j) {
        double s = (double)(clock_now_ns() - j->started_ns) / (double)NS_PER_S;
        int r;

        if (j->call->attempts > 1)
                r = error_set(&j->call->error, ERR_TIMEOUT, "%s: no answer within %.1f s (%u attempts)",
                              j->call->operation, s, j->call->attempts);
        else
                r = error_set(&j->call->error, ERR_TIMEOUT, "%s: no answer within %.1f s", j->call->operation, s);
        return done(j, r);
}

void job_stop(struct job *j, int result, const struct error *error) {
        /* only a request under way leaves a doubt */
        if (j->state == JOB_FLYING && j->call->response.sends > 0)
                j->call->uncertain = true;
        if (result == -ETIMEDOUT) {
                done_late(j);
                return;
        }
        j->call->error = *error;
        done(j, result);
}

int job_prepare(struct job *j) {
        int r;

        j->call->error = (struct error){ .kind = ERR_NONE };
        r = op_ctx_check(j->ctx, &j->call->error);
        if (r == -ETIMEDOUT)
                return done_late(j);
        if (r == 0)
                r = attempt_build(j);
        if (r)
                return done(j, r);

        j->call->attempts++;
        j->ctx->requests++;
        metric_add(METRIC_REQUESTS, 1);
        if (j->call->attempts > 1)
                metric_add(METRIC_RETRIES, 1);
        j->call->response.sends = 0;
        j->sent_ns = clock_now_ns();
        j->state = JOB_FLYING;
        return 0;
}

static struct str request_id(const struct http_response *r) {
        struct str id = http_response_header(r, "x-amzn-requestid");

        return id.n ? id : http_response_header(r, "x-amz-request-id");
}

static void log_attempt(struct job *j) {
        struct error *e = &j->call->error;
        const struct http_response *resp = &j->call->response;
        const struct aws_code_info *info = aws_code_lookup(str_of(e->code));
        struct request_record record = {
                .operation = j->call->operation,
                .code = info                  ? info->code
                        : e->kind != ERR_NONE ? error_kind_name(e->kind)
                                              : NULL,
                .attempt = j->call->attempts,
                .status = resp->status,
                .duration_ns = clock_now_ns() - j->sent_ns,
                .bytes_sent = resp->bytes_sent,
                .bytes_received = resp->body.n,
                .request_id = request_id(resp),
        };

        for (size_t i = 0; i < MIN(record.request_id.n, sizeof(e->request_id) - 1) && e->kind != ERR_NONE; i++) {
                char c = record.request_id.p[i];

                e->request_id[i] = (char)(c > 0x20 && c < 0x7f ? c : '?');
        }
        request_log_add(&record);
        log_debug("%s: attempt %u, status %d, %.1f ms%s%s", record.operation, record.attempt, record.status,
                  (double)record.duration_ns / (double)NS_PER_MS, record.code ? ", " : "",
                  record.code ? record.code : "");
}

/* Learn the service's clock from its Date; true when that explains the refusal. */
static bool correct_clock(struct job *j) {
        const struct http_response *resp = &j->call->response;
        long long skew = atomic_load(&j->client->skew_s);
        int64_t date;

        if (j->skew_tried || !clock_parse_http(http_response_header(resp, "date"), &date))
                return false;
        if (llabs(date - (resp->received_wall_s + skew)) <= SKEW_MIN_S)
                return false;
        atomic_store(&j->client->skew_s, date - resp->received_wall_s);
        log_debug("the clock differs from the service's by %lld s; corrected", (long long)date - resp->received_wall_s);
        j->skew_tried = true;
        return true;
}

static bool drop_credentials(struct job *j) {
        struct cred_provider *p = j->client->credentials;

        if (j->credentials_tried || !p->ops->refused)
                return false;
        p->ops->refused(p, j->credentials);
        j->credentials_tried = true;
        return true;
}

/* false: the call has failed. */
static bool plan_retry(struct job *j, const struct verdict *v) {
        uint64_t delay_ns, now;

        if (v->retry == RETRY_NO || (v->retry == RETRY_SKEW && !correct_clock(j)) ||
            (v->retry == RETRY_CREDENTIALS && !drop_credentials(j)))
                return false;
        if (!retry_next(j->client->retry, j->call->attempts, v->retry, v->hint_ms, &delay_ns, &j->last_cost))
                return false;
        now = clock_now_ns();
        delay_ns = MAX(delay_ns, rate_limit_reserve(j->client->rate, now));
        if (j->ctx->deadline_ns - now <= delay_ns && j->ctx->deadline_ns != UINT64_MAX)
                return false; /* it would not be answered in time: say now what is wrong */
        j->wake_ns = now + delay_ns;
        j->state = JOB_READY;
        return true;
}

static void fail(struct job *j) {
        struct error *e = &j->call->error, whole = *e;

        if (j->call->attempts > 1) {
                error_set(&whole, e->kind, "%.*s (%u attempts)", (int)sizeof(e->message) - 20, e->message,
                          j->call->attempts);
                memcpy(e->message, whole.message, sizeof(e->message));
        }
        done(j, -error_errno(e->kind));
}

void job_judge(struct job *j, int http_result, const struct error *http_error) {
        struct verdict v;
        struct error over;
        int r;

        attempt_judge(j, http_result, http_error, &v);
        log_attempt(j);
        rate_limit_update(j->client->rate, clock_now_ns(), v.retry == RETRY_THROTTLE);
        if (v.doubtful)
                j->call->uncertain = true;

        if (j->call->error.kind == ERR_NONE) {
                retry_succeeded(j->client->retry, j->last_cost);
                done(j, 0);
                return;
        }
        r = http_result ? op_ctx_check(j->ctx, &over) : 0;
        if (r)
                job_stop(j, r, &over);
        else if (!plan_retry(j, &v))
                fail(j);
}
