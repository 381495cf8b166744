/* SPDX-License-Identifier: Apache-2.0 */
/*
 * REST with XML (S3): the caller says method, path, query and headers; the path is signed as it is sent.  A refusal
 * may come inside a 200, when the service has found out too late (CompleteMultipartUpload).
 */
#include "client_internal.h"

#include <errno.h>
#include <stdio.h>

#define ERROR_BODY_MAX (64 * KIB)

/* scheme://PREFIXhost/path?query */
static int write_url(struct job *j, const struct aws_rest *rest) {
        struct str url = str_of(j->endpoint.url);
        const char *scheme_end = memmem(url.p, url.n, "://", 3);
        size_t n = scheme_end ? (size_t)(scheme_end - url.p) + 3 : 0;
        struct buf *b = &j->long_url;

        buf_reset(b);
        buf_append(b, url.p, n);
        buf_str(b, rest->host_prefix);
        buf_str(b, str_skip(url, n));
        buf_str(b, rest->path);
        if (rest->query.n) {
                buf_putc(b, '?');
                buf_str(b, rest->query);
        }
        return buf_status(b);
}

static int write(struct job *j) {
        const struct aws_rest *rest = j->call->rest;
        struct http_request *req = &j->request;
        int n, r;

        r = write_url(j, rest);
        if (r)
                return error_set_errno(&j->call->error, r, "URL");
        n = snprintf(j->host, sizeof(j->host), "%.*s%s", (int)rest->host_prefix.n,
                     rest->host_prefix.n ? rest->host_prefix.p : "", j->endpoint.host);
        if (n < 0 || (size_t)n >= sizeof(j->host))
                return error_set(&j->call->error, ERR_INPUT, "the host name is too long");
        req->method = rest->method;
        req->url = buf_view(&j->long_url);
        req->timeout_ns = rest->timeout_ns;
        req->max_body = MAX(rest->max_body, ERROR_BODY_MAX);
        job_header(j, STR("host"), str_of(j->host));
        job_header(j, STR("x-amz-content-sha256"), str_of(rest->body_sha256));
        for (unsigned i = 0; i < MIN(rest->n_headers, AWS_REST_HEADERS_MAX); i++)
                job_header(j, rest->headers[i].name, rest->headers[i].value);
        return 0;
}
_Static_assert(AWS_REST_HEADERS_MAX + 10 <= HTTP_HEADERS_MAX, "room for the engine's own headers");

static bool is_refusal(const struct aws_call *call) {
        int status = call->response.status;

        if (status < 200 || status >= 300)
                return true;
        return !call->rest->is_data && aws_error_is_xml(buf_view(&call->response.body));
}

static int check(const struct aws_call *call, bool refusal, struct error *reterr) {
        return refusal || !call->rest->check ? 0 : call->rest->check(call, reterr);
}

static void read_refusal(struct aws_call *call, enum retry_class *ret) {
        const struct http_response *resp = &call->response;
        bool late = resp->status >= 200 && resp->status < 300;

        /* found out too late for a status of its own: the service's failure, unless its code says more */
        aws_error_read_xml(late ? 500 : resp->status, buf_view(&resp->body),
                           http_response_header(resp, "x-amz-bucket-region"), &call->error, ret);
        call->error.http_status = resp->status;
}

const struct protocol protocol_rest = {
        .plain_path = true,
        .write = write,
        .is_refusal = is_refusal,
        .check = check,
        .read_refusal = read_refusal,
};
