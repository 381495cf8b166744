/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One call from its first attempt to its end, as a state machine that neither sends nor sleeps, so that a
 * single call and a batch are driven by the same rules.
 *
 *   state   event                                        next    action
 *   ------  -------------------------------------------  ------  -------------------------------------------
 *   READY   wake_ns reached, request signed              FLYING  the driver sends j->request
 *   READY   no credentials, no endpoint, no memory       DONE    that error
 *   FLYING  2xx, CRC right, an object (or empty)         DONE    result 0, tokens given back
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
#include <stdio.h>
#include "ddbfs/base/alloc.h"
#include "ddbfs/base/encode.h"
#include "ddbfs/base/log.h"
#include "ddbfs/base/metrics.h"

#define AUTHORIZATION_MAX (4 * KIB)
#define SKEW_MIN_S 240

void job_init(struct job *j, struct aws_client *c, struct op_ctx *ctx, struct aws_call *call) {
        j->state = JOB_READY;
        j->client = c;
        j->ctx = ctx;
        j->call = call;
        j->started_ns = clock_now_ns();
        j->wake_ns = j->sent_ns = 0;
        j->last_cost = 0;
        j->skew_tried = j->credentials_tried = false;
        j->credentials = NULL;
        buf_init(&j->authorization, AUTHORIZATION_MAX);
        rng_uuid(j->invocation);
        call->result = 0;
        call->error = (struct error){ .kind = ERR_NONE };
        call->attempts = 0;
        call->uncertain = false;
}

void job_deinit(struct job *j) {
        j->credentials = credentials_unref(j->credentials);
        buf_deinit(&j->authorization);
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

static int get_credentials(struct job *j) {
        struct cred_provider *p = j->client->credentials;
        struct error *e = &j->call->error;
        int r;

        j->credentials = credentials_unref(j->credentials);
        r = p->ops->get(p, j->ctx, &j->credentials, e);
        if (r == CRED_E_NONE)
                return error_set(e, ERR_ACCESS, "no credentials found%s%s", e->message[0] ? ": " : "", e->message);
        return r;
}

/* Resolved once for an account; kept for the next call. */
static int get_endpoint(struct job *j) {
        struct aws_client *c = j->client;
        const char *account = j->credentials->account_id ? j->credentials->account_id : "";
        bool known, fits = strlen(account) < sizeof(c->endpoint_account);
        int r;

        mutex_lock(&c->lock);
        known = c->endpoint_known && strcmp(c->endpoint_account, account) == 0;
        if (known)
                j->endpoint = c->endpoint;
        mutex_unlock(&c->lock);
        if (known)
                return 0;

        r = aws_endpoint_resolve(c->settings, c->service, account[0] ? account : NULL, &j->endpoint, &j->call->error);
        if (r || !fits)
                return r;
        mutex_lock(&c->lock);
        c->endpoint = j->endpoint;
        c->endpoint_known = true;
        snprintf(c->endpoint_account, sizeof(c->endpoint_account), "%s", account);
        mutex_unlock(&c->lock);
        return 0;
}

static void add_header(struct http_request *req, struct str name, const char *value) {
        req->headers[req->n_headers++] = (struct http_header){ .name = name, .value = str_of(value) };
}

static void write_request(struct job *j, int64_t now_s) {
        struct aws_client *c = j->client;
        struct http_request *req = &j->request;

        snprintf(j->url, sizeof(j->url), "%s/", j->endpoint.url);
        clock_format_amz(now_s, j->date);
        snprintf(j->attempt_text, sizeof(j->attempt_text), "attempt=%u; max=%u", j->call->attempts + 1,
                 c->params.max_attempts);

        req->method = "POST";
        req->url = str_of(j->url);
        req->n_headers = 0;
        req->body = j->call->body;
        req->timeout_ns = req->connect_timeout_ns = 0;
        req->max_body = 0;
        add_header(req, STR("host"), j->endpoint.host);
        add_header(req, STR("x-amz-date"), j->date);
        if (j->credentials->session_token)
                add_header(req, STR("x-amz-security-token"), j->credentials->session_token);
        add_header(req, STR("content-type"), "application/x-amz-json-1.0");
        if (c->target_prefix) {
                snprintf(j->target, sizeof(j->target), "%s%s", c->target_prefix, j->call->operation);
                add_header(req, STR("x-amz-target"), j->target);
        }
        add_header(req, STR("accept-encoding"), "identity"); /* the CRC is of the bytes on the wire */
        add_header(req, STR("amz-sdk-invocation-id"), j->invocation);
        add_header(req, STR("amz-sdk-request"), j->attempt_text);
        add_header(req, STR("user-agent"), "ddbfs/" DDBFS_VERSION);
}

static int sign(struct job *j) {
        struct aws_client *c = j->client;
        const struct sigv4_params params = {
                .access_key_id = str_of(j->credentials->access_key_id),
                .secret_access_key = str_of(j->credentials->secret_access_key),
                .region = str_of(j->endpoint.signing_region),
                .service = str_of(j->endpoint.signing_name),
                .wall_s = clock_wall_s() + atomic_load(&c->skew_s),
                .normalize_path = true,
                .double_encode_path = true,
        };
        int r;

        write_request(j, params.wall_s);
        buf_reset(&j->authorization);
        r = sigv4_sign(&j->request, &params, c->keys, &j->authorization);
        if (r == 0)
                r = buf_status(&j->authorization);
        if (r)
                return error_set_errno(&j->call->error, r, "signature");
        j->request.headers[j->request.n_headers++] = (struct http_header){
                .name = STR("authorization"),
                .value = buf_view(&j->authorization),
        };
        return 0;
}

int job_prepare(struct job *j) {
        int r;

        j->call->error = (struct error){ .kind = ERR_NONE };
        r = op_ctx_check(j->ctx, &j->call->error);
        if (r == -ETIMEDOUT)
                return done_late(j);
        if (r == 0)
                r = get_credentials(j);
        if (r == 0)
                r = get_endpoint(j);
        if (r == 0)
                r = sign(j);
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

/* How an attempt ended. */
struct verdict {
        enum retry_class retry;
        bool doubtful; /* the service may have acted on it */
        int64_t hint_ms;
};

static bool parse_u64(struct str s, uint64_t max, uint64_t *ret) {
        uint64_t n = 0;

        if (s.n == 0 || s.n > 19)
                return false;
        for (size_t i = 0; i < s.n; i++) {
                if (s.p[i] < '0' || s.p[i] > '9')
                        return false;
                n = 10 * n + (uint64_t)(s.p[i] - '0');
        }
        *ret = n;
        return n <= max;
}

static bool crc_matches(const struct http_response *r) {
        uint64_t expected;

        if (!parse_u64(http_response_header(r, "x-amz-crc32"), UINT32_MAX, &expected))
                return true; /* absent, or nothing to compare with */
        return crc32_ieee(0, buf_view(&r->body)) == expected;
}

static bool is_blank(char c) {
        return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Empty (TagResource) or, going by its ends, an object: the decoder does the rest. */
static bool looks_like_object(struct str s) {
        while (s.n && is_blank(s.p[0]))
                s = str_skip(s, 1);
        while (s.n && is_blank(s.p[s.n - 1]))
                s.n--;
        return s.n == 0 || (s.n >= 2 && s.p[0] == '{' && s.p[s.n - 1] == '}');
}

static const struct {
        enum error_kind kind;
        enum retry_class retry;
} transport_failures[] = {
        { ERR_CONNECT, RETRY_TRANSIENT },
        { ERR_TIMEOUT, RETRY_TRANSIENT },
        { ERR_SERVICE, RETRY_TRANSIENT },
        { ERR_PROTOCOL, RETRY_TRANSIENT },
};

static void judge_failure(struct job *j, const struct error *error, struct verdict *v) {
        const struct http_response *resp = &j->call->response;

        j->call->error = *error;
        v->doubtful = resp->sends > 0;
        if (resp->body.err == -EFBIG)
                return; /* it would be as large the next time */
        for (unsigned i = 0; i < ARRAY_LEN(transport_failures); i++)
                if (transport_failures[i].kind == error->kind)
                        v->retry = transport_failures[i].retry;
}

static void judge_success(struct job *j, struct verdict *v) {
        const struct http_response *resp = &j->call->response;
        struct error *e = &j->call->error;

        *e = (struct error){ .kind = ERR_NONE };
        v->doubtful = resp->sends > 1;
        if (!crc_matches(resp))
                error_set(e, ERR_PROTOCOL, "%s: the answer was damaged on its way (CRC mismatch)", j->call->operation);
        else if (!looks_like_object(buf_view(&resp->body)))
                error_set(e, ERR_PROTOCOL, "%s: the answer is not JSON; is this a DynamoDB endpoint?",
                          j->call->operation);
        if (e->kind == ERR_NONE)
                return;
        e->http_status = resp->status;
        v->doubtful = true;
        v->retry = RETRY_TRANSIENT;
}

static void judge_refusal(struct job *j, struct verdict *v) {
        const struct http_response *resp = &j->call->response;
        uint64_t hint_ms;

        aws_error_read(resp->status, buf_view(&resp->body), http_response_header(resp, "x-amzn-errortype"),
                       &j->call->error, &v->retry);
        if (parse_u64(http_response_header(resp, "x-amz-retry-after"), INT64_MAX, &hint_ms))
                v->hint_ms = (int64_t)hint_ms;
        v->doubtful = resp->status >= 500 || resp->sends > 1;
        if (v->retry == RETRY_THROTTLE)
                metric_add(METRIC_THROTTLES, 1);
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
                .code = info ? info->code : e->kind != ERR_NONE ? error_kind_name(e->kind) : NULL,
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
        const struct http_response *resp = &j->call->response;
        struct verdict v = { .retry = RETRY_NO, .hint_ms = -1 };
        struct error over;
        int r;

        if (http_result)
                judge_failure(j, http_error, &v);
        else if (resp->status >= 200 && resp->status < 300)
                judge_success(j, &v);
        else
                judge_refusal(j, &v);
        log_attempt(j);
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
