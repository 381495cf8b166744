/* SPDX-License-Identifier: Apache-2.0 */
/* One request: where it goes, what it carries, and how its failure is told. */
#include "s3_internal.h"

#include <errno.h>
#include <stdio.h>

#define TEXT_MAX (8 * KIB)
#define QUERY_MAX (16 * KIB)
#define BODY_MAX (16 * MIB) /* names of a DeleteObjects, parts of an upload */
#define HEADERS_MAX (16 * KIB)
#define BYTES_PER_S (128 * KIB) /* slower than that is no connection */

/* A name that may stand before a host: nothing in it leads anywhere else. */
static bool is_host_name(struct str s) {
        for (size_t i = 0; i < s.n; i++) {
                char c = s.p[i];
                bool alnum = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');

                if (!alnum && (c != '-' || i == 0 || i == s.n - 1))
                        return false;
        }
        return s.n >= 3 && s.n <= 63;
}

static void fail(struct s3_call *c, int r) {
        if (c->failed == 0)
                c->failed = r;
}

/* Virtual hosts where they are asked for, or on AWS where the name allows it: a dot would break TLS. */
static void place(struct s3_call *c, struct blob_name name) {
        bool host = c->s3->addressing == S3_ADDRESSING_VIRTUAL ||
                    (c->s3->addressing == S3_ADDRESSING_AUTO && is_host_name(name.bucket));

        if (host && is_host_name(name.bucket)) {
                buf_str(&c->host_prefix, name.bucket);
                buf_putc(&c->host_prefix, '.');
        } else {
                buf_putc(&c->path, '/');
                percent_encode(&c->path, name.bucket, false);
        }
        buf_putc(&c->path, '/');
        percent_encode(&c->path, name.key, true);
}

void s3_call_init(struct s3_call *c, struct s3 *s, const char *operation, const char *method, struct blob_name name) {
        *c = (struct s3_call){
                .s3 = s,
                .call.operation = operation,
                .rest = { .method = method, .max_body = TEXT_MAX, .timeout_ns = s->timeout_ns },
                .arena = ARENA_INIT(HEADERS_MAX),
                .path = BUF_INIT(TEXT_MAX),
                .query = BUF_INIT(QUERY_MAX),
                .host_prefix = BUF_INIT(TEXT_MAX),
                .body = BUF_INIT(BODY_MAX),
        };
        http_response_init(&c->call.response);
        c->call.rest = &c->rest;
        c->call.user = c;
        if (name.bucket.n == 0 || name.bucket.n > 255 || name.key.n > S3_KEY_MAX || !utf8_valid(name.key) ||
            !utf8_valid(name.bucket))
                fail(c, -EINVAL);
        else
                place(c, name);
        c->resource = name.key.n ? name.key : name.bucket;
        if (s->bucket_owner)
                s3_call_header(c, "x-amz-expected-bucket-owner", str_of(s->bucket_owner));
}

void s3_call_deinit(struct s3_call *c) {
        http_response_deinit(&c->call.response);
        arena_deinit(&c->arena);
        buf_deinit(&c->path);
        buf_deinit(&c->query);
        buf_deinit(&c->host_prefix);
        buf_deinit(&c->body);
}

void s3_call_query(struct s3_call *c, const char *name, struct str value) {
        if (c->query.n > 0)
                buf_putc(&c->query, '&');
        buf_puts(&c->query, name);
        buf_putc(&c->query, '=');
        percent_encode(&c->query, value, false);
}

void s3_call_header(struct s3_call *c, const char *name, struct str value) {
        struct http_header *h = &c->rest.headers[c->rest.n_headers];

        if (c->rest.n_headers == AWS_REST_HEADERS_MAX) {
                fail(c, -E2BIG);
                return;
        }
        h->name = str_of(name);
        if (arena_dup(&c->arena, value, &h->value))
                fail(c, -ENOMEM);
        else
                c->rest.n_headers++;
}

static void digest(struct s3_call *c, struct str body, const uint8_t *known, bool tell) {
        _cleanup_(buf_deinit) struct buf text = BUF_INIT(128);
        uint8_t hash[SHA256_LEN];
        int r = 0;

        if (known)
                memcpy(hash, known, sizeof(hash));
        else
                r = sha256(body, hash);
        if (r) {
                fail(c, r);
                return;
        }
        hex_encode(&text, str_make(hash, sizeof(hash)));
        if (buf_status(&text)) {
                fail(c, buf_status(&text));
                return;
        }
        memcpy(c->sha256_hex, text.p, sizeof(c->sha256_hex));
        if (!tell)
                return;
        buf_reset(&text);
        base64_encode(&text, str_make(hash, sizeof(hash)));
        s3_call_header(c, "x-amz-checksum-sha256", buf_view(&text));
}

void s3_call_body(struct s3_call *c, struct str body, const uint8_t *sha256) {
        c->call.body = body;
        digest(c, body, sha256, c->s3->checksums);
}

void s3_call_new_object(struct s3_call *c, const struct blob_meta *meta, uint32_t n_meta) {
        static const char *const sse[] = {
                [S3_SSE_AES256] = "AES256", [S3_SSE_KMS] = "aws:kms", [S3_SSE_KMS_DSSE] = "aws:kms:dsse"
        };
        const struct s3 *s = c->s3;

        s3_call_header(c, "content-type", STR("application/octet-stream"));
        if (s->sse != S3_SSE_BUCKET)
                s3_call_header(c, "x-amz-server-side-encryption", str_of(sse[s->sse]));
        if (s->sse >= S3_SSE_KMS && s->kms_key)
                s3_call_header(c, "x-amz-server-side-encryption-aws-kms-key-id", str_of(s->kms_key));
        for (uint32_t i = 0; i < n_meta; i++) {
                struct str name;
                char *p = arena_bytes(&c->arena, 11 + meta[i].name.n + 1);

                if (!p) {
                        fail(c, -ENOMEM);
                        return;
                }
                memcpy(p, "x-amz-meta-", 11);
                memcpy(p + 11, meta[i].name.p, meta[i].name.n);
                p[11 + meta[i].name.n] = '\0';
                name = str_of(p);
                s3_call_header(c, name.p, meta[i].value);
        }
}

static int check_answer(const struct aws_call *call, struct error *reterr) {
        struct s3_call *c = call->user;
        int r = c->read(c, buf_view(&call->response.body));

        if (r == -ENOMEM)
                return error_set_errno(reterr, r, call->operation);
        return r ? error_set(reterr, ERR_PROTOCOL, "%s: the answer makes no sense; is the endpoint right?",
                             call->operation)
                 : 0;
}

static int build_status(const struct s3_call *c) {
        const struct buf *bufs[] = { &c->path, &c->query, &c->host_prefix, &c->body };

        for (size_t i = 0; i < ARRAY_LEN(bufs); i++)
                if (buf_status(bufs[i]))
                        return buf_status(bufs[i]);
        return c->failed;
}

/* "GetObject KEY: message": which request, and on what. */
static void name_it(const struct s3_call *c, struct error *e) {
        char message[ERROR_MESSAGE_LEN];
        struct error whole = *e;
        size_t n = MIN(c->resource.n, 120);

        snprintf(message, sizeof(message), "%s", e->message);
        error_set(&whole, e->kind, "%s %.*s%s: %.300s", c->call.operation, (int)n, c->resource.p ? c->resource.p : "",
                  n < c->resource.n ? "..." : "", message);
        memcpy(e->message, whole.message, sizeof(e->message));
}

int s3_call_run(struct s3_call *c, struct op_ctx *ctx, struct error *reterr) {
        int r;

        if (!c->sha256_hex[0])
                digest(c, c->call.body, NULL, false);
        c->rest.host_prefix = buf_view(&c->host_prefix);
        c->rest.path = buf_view(&c->path);
        c->rest.query = buf_view(&c->query);
        c->rest.body_sha256 = c->sha256_hex;
        c->rest.check = c->read ? check_answer : NULL;
        c->rest.timeout_ns += (c->call.body.n + c->n) / BYTES_PER_S * NS_PER_S;
        r = build_status(c);
        if (r == -EINVAL)
                return error_set(reterr, ERR_INPUT, "%s: the name of a bucket or an object cannot be like this",
                                 c->call.operation);
        if (r)
                return error_set_errno(reterr, r, c->call.operation);
        if (c->s3->addressing == S3_ADDRESSING_VIRTUAL && c->host_prefix.n == 0)
                return error_set(reterr, ERR_INPUT,
                                 "the name of this bucket cannot be part of a host name: use "
                                 "s3_addressing=path");
        r = aws_client_call(c->s3->client, ctx, &c->call);
        if (r) {
                name_it(c, &c->call.error);
                if (reterr)
                        *reterr = c->call.error;
        }
        return r;
}
