/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON 1.0 protocol: POST / with the operation in a header; answers are objects with a CRC. */
#include "client_internal.h"

#include <stdio.h>
#include "ddbfs/base/encode.h"

static int write(struct job *j) {
        const struct aws_client *c = j->client;

        snprintf(j->url, sizeof(j->url), "%s/", j->endpoint.url);
        j->request.method = "POST";
        j->request.url = str_of(j->url);
        job_header(j, STR("host"), str_of(j->endpoint.host));
        job_header(j, STR("content-type"), STR("application/x-amz-json-1.0"));
        if (c->target_prefix) {
                snprintf(j->target, sizeof(j->target), "%s%s", c->target_prefix, j->call->operation);
                job_header(j, STR("x-amz-target"), str_of(j->target));
        }
        return 0;
}

static bool is_refusal(const struct aws_call *call) {
        return call->response.status < 200 || call->response.status >= 300;
}

static bool crc_matches(const struct http_response *r) {
        struct str s = http_response_header(r, "x-amz-crc32");
        uint64_t expected = 0;

        if (s.n == 0 || s.n > 10)
                return true; /* absent, or nothing to compare with */
        for (size_t i = 0; i < s.n; i++) {
                if (s.p[i] < '0' || s.p[i] > '9')
                        return true;
                expected = 10 * expected + (uint64_t)(s.p[i] - '0');
        }
        return expected > UINT32_MAX || crc32_ieee(0, buf_view(&r->body)) == expected;
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

static int check(const struct aws_call *call, bool refusal, struct error *reterr) {
        if (!crc_matches(&call->response))
                return error_set(reterr, ERR_PROTOCOL, "%s: the answer was damaged on its way (CRC mismatch)",
                                 call->operation);
        if (!refusal && !looks_like_object(buf_view(&call->response.body)))
                return error_set(reterr, ERR_PROTOCOL, "%s: the answer is not a JSON object; is the endpoint right?",
                                 call->operation);
        return 0;
}

static void read_refusal(struct aws_call *call, enum retry_class *ret) {
        const struct http_response *resp = &call->response;

        aws_error_read(resp->status, buf_view(&resp->body), http_response_header(resp, "x-amzn-errortype"),
                       &call->error, ret);
}

const struct protocol protocol_json = {
        .write = write,
        .is_refusal = is_refusal,
        .check = check,
        .read_refusal = read_refusal,
};
