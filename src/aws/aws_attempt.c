/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One attempt of a call: the request that is sent, and what its answer means.  What follows from that is
 * decided in aws_job.c.  Nothing here sends or sleeps, but for the credentials' provider.
 */
#include "client_internal.h"

#include <errno.h>
#include <stdio.h>
#include "ddbfs/base/encode.h"
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

static void judge_answer(struct job *j, struct verdict *v) {
        const struct http_response *resp = &j->call->response;
        struct error *e = &j->call->error;

        *e = (struct error){ .kind = ERR_NONE };
        v->doubtful = resp->sends > 1;
        if (!crc_matches(resp)) {
                error_set(e, ERR_PROTOCOL, "%s: the answer was damaged on its way (CRC mismatch)", j->call->operation);
        } else if (resp->status < 200 || resp->status >= 300) {
                judge_refusal(j, v);
                return;
        } else if (!looks_like_object(buf_view(&resp->body))) {
                error_set(e, ERR_PROTOCOL, "%s: the answer is not a JSON object; is the endpoint right?",
                          j->call->operation);
        }
        if (e->kind == ERR_NONE)
                return;
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
