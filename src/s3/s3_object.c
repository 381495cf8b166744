/* SPDX-License-Identifier: Apache-2.0 */
/* Whole objects: PutObject, GetObject, HeadObject. */
#include "s3_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include "ddbfs/base/clock.h"
#include "ddbfs/base/log.h"

#define LENT_MIN (64 * KIB) /* what an answer may have in any case: an error's body */

/* ---- reading ---- */

static bool take_number(struct str *s, uint64_t *ret) {
        uint64_t n = 0;
        size_t i;

        for (i = 0; i < s->n && i < 18 && s->p[i] >= '0' && s->p[i] <= '9'; i++)
                n = 10 * n + (uint64_t)(s->p[i] - '0');
        *s = str_skip(*s, i);
        *ret = n;
        return i > 0;
}

static bool take(struct str *s, struct str prefix) {
        bool found = str_starts(*s, prefix);

        if (found)
                *s = str_skip(*s, prefix.n);
        return found;
}

/* "bytes 7-11/12" */
static bool parse_range(struct str s, uint64_t *first, uint64_t *last, uint64_t *total) {
        return take(&s, STR("bytes ")) && take_number(&s, first) && take(&s, STR("-")) && take_number(&s, last) &&
               take(&s, STR("/")) && take_number(&s, total) && s.n == 0;
}

/* A checksum of the whole object, not of its parts' checksums, and the whole object is here. */
static int verify_checksum(const struct s3_call *c, struct str body) {
        struct str want = s3_call_answer(c, "x-amz-checksum-sha256");
        _cleanup_(buf_deinit) struct buf got = BUF_INIT(64);
        uint8_t hash[SHA256_LEN];
        int r;

        if (want.n == 0 || memchr(want.p, '-', want.n) ||
            str_eq(s3_call_answer(c, "x-amz-checksum-type"), STR("COMPOSITE")))
                return 0;
        r = sha256(body, hash);
        if (r)
                return r;
        base64_encode(&got, str_make(hash, sizeof(hash)));
        if (buf_status(&got))
                return buf_status(&got);
        return str_eq(want, buf_view(&got)) ? 0 : -EINVAL;
}

/* The bytes that were asked for, all of them, and no others. */
static int read_bytes(struct s3_call *c, struct str body) {
        uint64_t first = 0, last = 0, total = body.n;

        if (c->call.response.status == 206) {
                if (!parse_range(s3_call_answer(c, "content-range"), &first, &last, &total) || first != c->offset ||
                    last < first || last >= total || last - first + 1 != body.n ||
                    body.n != MIN((uint64_t)c->n, total - first))
                        return -EINVAL;
        } else if (c->call.response.status != 200 || c->offset > 0 || body.n > c->n) {
                return -EINVAL; /* whoever cannot do ranges may send the whole, if that is what it is */
        }
        return body.n == total ? verify_checksum(c, body) : 0;
}

static void ask_bytes(struct s3_call *c, uint64_t offset, size_t n) {
        char range[64];

        snprintf(range, sizeof(range), "bytes=%" PRIu64 "-%" PRIu64, offset, offset + n - 1);
        s3_call_header(c, "range", str_of(range));
        if (offset == 0 && c->s3->checksums)
                s3_call_header(c, "x-amz-checksum-mode", STR("ENABLED"));
        c->rest.is_data = true;
        c->rest.max_body = n;
        c->offset = offset;
        c->n = n;
        c->read = read_bytes;
}

/* The caller's empty buffer receives the bytes itself: they are not copied, and its pages are touched already. */
static bool lend(struct s3_call *c, struct buf *ret) {
        size_t max = MAX(MAX(c->n, ret->cap), LENT_MIN);

        if (ret->n > 0 || buf_status(ret) || ret->max < max)
                return false;
        c->rest.max_body = max;
        c->call.response.body = *ret;
        buf_init(ret, ret->max);
        return true;
}

static void take_back(struct s3_call *c, struct buf *ret, bool keep) {
        size_t max = ret->max;

        *ret = c->call.response.body;
        ret->max = max;
        buf_init(&c->call.response.body, 0);
        if (!keep)
                buf_reset(ret);
}

int s3_read(struct blobs *b, struct op_ctx *ctx, struct blob_name name, uint64_t offset, size_t n, const char *etag,
            struct buf *ret, struct error *reterr) {
        struct error e = { .kind = ERR_NONE };
        struct s3_call c;
        bool lent;
        int r;

        if (n == 0 || offset > INT64_MAX - n)
                return 0;
        s3_call_init(&c, s3_of(b), "GetObject", "GET", name);
        ask_bytes(&c, offset, n);
        if (etag && *etag)
                s3_call_header(&c, "if-match", str_of(etag));
        lent = lend(&c, ret);
        r = s3_call_run(&c, ctx, &e);
        if (lent)
                take_back(&c, ret, r == 0);
        else if (r == 0)
                buf_str(ret, buf_view(&c.call.response.body));
        if (r == 0 && buf_status(ret))
                r = error_set_errno(&e, buf_status(ret), "GetObject");
        else if (e.http_status == 416 && strcmp(e.code, "InvalidRange") == 0)
                r = 0; /* the object ends before */
        if (r && reterr)
                *reterr = e;
        s3_call_deinit(&c);
        return r;
}

/* ---- what there is ---- */

static int read_info(struct s3_call *c, struct str body _unused_) {
        struct blob_info *info = c->read_arg;
        struct str length = s3_call_answer(c, "content-length"), etag = s3_call_answer(c, "etag");
        uint64_t first, last;

        *info = (struct blob_info){ .size = 0 };
        if (!clock_parse_http(s3_call_answer(c, "last-modified"), &info->modified_s))
                info->modified_s = 0;
        if (etag.n < sizeof(info->etag) && etag.n > 0)
                memcpy(info->etag, etag.p, etag.n);
        if (c->call.response.status == 206)
                return parse_range(s3_call_answer(c, "content-range"), &first, &last, &info->size) ? 0 : -EINVAL;
        return take_number(&length, &info->size) && length.n == 0 ? 0 : -EINVAL;
}

/* A refusal of HEAD has no body, and a bare 404 might be anybody's: a GET of one byte says what it is about. */
static int ask_why(struct s3 *s, struct op_ctx *ctx, struct blob_name name, struct blob_info *ret,
                   struct error *reterr) {
        struct s3_call c;
        int r;

        s3_call_init(&c, s, "GetObject", "GET", name);
        ask_bytes(&c, 0, 1);
        c.read = read_info;
        c.read_arg = ret;
        r = s3_call_run(&c, ctx, reterr);
        s3_call_deinit(&c);
        return r;
}

int s3_head(struct blobs *b, struct op_ctx *ctx, struct blob_name name, struct blob_info *ret, struct error *reterr) {
        struct error e = { .kind = ERR_NONE };
        struct s3_call c;
        int r;

        s3_call_init(&c, s3_of(b), "HeadObject", "HEAD", name);
        c.read = read_info;
        c.read_arg = ret;
        r = s3_call_run(&c, ctx, &e);
        s3_call_deinit(&c);
        if (r && e.http_status >= 400 && e.http_status < 500 && !e.code[0])
                return ask_why(s3_of(b), ctx, name, ret, reterr);
        if (r && reterr)
                *reterr = e;
        return r;
}

/* ---- writing ---- */

/* An answer was lost, and now there is an object: is it the one we sent? */
static int is_ours(struct s3 *s, struct op_ctx *ctx, struct blob_name name, struct str data, struct error *reterr) {
        _cleanup_(buf_deinit) struct buf there = BUF_INIT(BLOB_PUT_MAX + 1);
        int r = s3_read(&s->blobs, ctx, name, 0, data.n + 1, NULL, &there, reterr);

        if (r)
                return r;
        if (str_eq(buf_view(&there), data))
                return 0;
        return error_set(reterr, ERR_EXISTS, "PutObject: there is another object of this name");
}

static int put_once(struct s3 *s, struct op_ctx *ctx, struct blob_name name, const struct blob_meta *meta,
                    uint32_t n_meta, struct str data, bool conditional, struct error *reterr) {
        bool uncertain;
        struct s3_call c;
        int r;

        s3_call_init(&c, s, "PutObject", "PUT", name);
        if (conditional)
                s3_call_header(&c, "if-none-match", STR("*"));
        s3_call_new_object(&c, meta, n_meta);
        s3_call_body(&c, data, NULL);
        r = s3_call_run(&c, ctx, reterr);
        uncertain = c.call.uncertain;
        s3_call_deinit(&c);
        if (r && conditional && reterr->kind == ERR_CONDITION) {
                if (uncertain)
                        return is_ours(s, ctx, name, data, reterr);
                reterr->kind = ERR_EXISTS;
                return -error_errno(ERR_EXISTS);
        }
        return r;
}

/* A server without conditions: looking first is the best there is. */
static int put_unconditional(struct s3 *s, struct op_ctx *ctx, struct blob_name name, const struct blob_meta *meta,
                             uint32_t n_meta, struct str data, struct error *reterr) {
        struct blob_info info;
        int r = s3_head(&s->blobs, ctx, name, &info, reterr);

        if (r == 0)
                return error_set(reterr, ERR_EXISTS, "PutObject: there is an object of this name");
        if (reterr->kind != ERR_NO_ITEM)
                return r;
        return put_once(s, ctx, name, meta, n_meta, data, false, reterr);
}

int s3_put(struct blobs *b, struct op_ctx *ctx, struct blob_name name, const struct blob_meta *meta, uint32_t n_meta,
           struct str data, struct error *reterr) {
        struct error e = { .kind = ERR_NONE };
        struct s3 *s = s3_of(b);
        bool conditional = !atomic_load(&s->no_conditions);
        int r = 0;

        if (data.n > BLOB_PUT_MAX)
                return error_set(reterr, ERR_INTERNAL, "PutObject of %zu bytes", data.n);
        if (conditional) {
                r = put_once(s, ctx, name, meta, n_meta, data, true, &e);
                if (r && e.http_status == 501) {
                        conditional = false;
                        if (!atomic_exchange(&s->no_conditions, true))
                                log_warn("the S3 server has no conditional PutObject: looking before writing instead");
                }
        }
        if (!conditional)
                r = put_unconditional(s, ctx, name, meta, n_meta, data, &e);
        if (r && reterr)
                *reterr = e;
        return r;
}
