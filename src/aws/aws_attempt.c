/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One attempt of a call: the request that is sent, and what its answer means.  What follows from that is
 * decided in aws_job.c.  Nothing here sends or sleeps, but for the credentials' provider.
 */
#include "client_internal.h"

#include <errno.h>
#include <stdio.h>
#include "ddbfs/base/metrics.h"

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

void job_header(struct job *j, struct str name, struct str value) {
        j->request.headers[j->request.n_headers++] = (struct http_header){ .name = name, .value = value };
}

/* The headers of all protocols; then the protocol's own.  Each byte of them costs libcurl's printf a hundred instructions,
 * so only what is needed is sent: not the call's UUID and the number of the attempt, in which SDKs tell of retries. */
static int write_request(struct job *j, int64_t now_s) {
        struct http_request *req = &j->request;

        clock_format_amz(now_s, j->date);
        req->n_headers = 0;
        req->body = j->call->body;
        req->timeout_ns = req->connect_timeout_ns = 0;
        req->max_body = 0;
        job_header(j, STR("x-amz-date"), str_of(j->date));
        if (j->credentials->session_token)
                job_header(j, STR("x-amz-security-token"), str_of(j->credentials->session_token));
        job_header(j, STR("accept-encoding"), STR("identity")); /* checksums are of the bytes on the wire */
        return j->client->protocol->write(j);
}

static int sign(struct job *j) {
        struct aws_client *c = j->client;
        const struct sigv4_params params = {
                .access_key_id = str_of(j->credentials->access_key_id),
                .secret_access_key = str_of(j->credentials->secret_access_key),
                .region = str_of(j->endpoint.signing_region),
                .service = str_of(j->endpoint.signing_name),
                .wall_s = clock_wall_s() + atomic_load(&c->skew_s),
                .normalize_path = !c->protocol->plain_path,
                .double_encode_path = !c->protocol->plain_path,
        };
        int r;

        r = write_request(j, params.wall_s);
        if (r)
                return r;
        buf_reset(&j->authorization);
        r = sigv4_sign(&j->request, &params, c->keys, &j->authorization);
        if (r == 0)
                r = buf_status(&j->authorization);
        if (r)
                return error_set_errno(&j->call->error, r, "signature");
        job_header(j, STR("authorization"), buf_view(&j->authorization));
        return 0;
}

int attempt_build(struct job *j) {
        int r;

        r = get_credentials(j);
        if (r == 0)
                r = get_endpoint(j);
        if (r == 0)
                r = sign(j);
        return r;
}

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

static void judge_refusal(struct job *j, struct verdict *v) {
        const struct http_response *resp = &j->call->response;
        uint64_t hint_ms;

        j->client->protocol->read_refusal(j->call, &v->retry);
        if (parse_u64(http_response_header(resp, "x-amz-retry-after"), INT64_MAX, &hint_ms))
                v->hint_ms = (int64_t)hint_ms;
        v->doubtful = resp->status >= 500 || resp->sends > 1;
        if (v->retry == RETRY_THROTTLE)
                metric_add(METRIC_THROTTLES, 1);
}

static void judge_answer(struct job *j, struct verdict *v) {
        const struct protocol *p = j->client->protocol;
        const struct http_response *resp = &j->call->response;
        struct error *e = &j->call->error;
        bool refusal = p->is_refusal(j->call);

        *e = (struct error){ .kind = ERR_NONE };
        v->doubtful = resp->sends > 1;
        if (p->check(j->call, refusal, e) == 0) {
                if (refusal)
                        judge_refusal(j, v);
                return;
        }
        e->http_status = resp->status;
        v->doubtful = true;
        v->retry = RETRY_TRANSIENT;
}

void attempt_judge(struct job *j, int http_result, const struct error *http_error, struct verdict *ret) {
        *ret = (struct verdict){ .retry = RETRY_NO, .hint_ms = -1 };
        if (http_result)
                judge_failure(j, http_error, ret);
        else
                judge_answer(j, ret);
}
