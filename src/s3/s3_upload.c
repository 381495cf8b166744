/* SPDX-License-Identifier: Apache-2.0 */
/* Objects in parts: CreateMultipartUpload, UploadPart from many threads, CompleteMultipartUpload. */
#include "s3_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include "ddbfs/base/alloc.h"
#include "ddbfs/base/log.h"

#define ABORT_NS (3 * NS_PER_S) /* an upload that is left is swept away later */

struct part {
        uint32_t number;
        uint64_t size;
        char etag[BLOB_ETAG_MAX];
        char checksum[48]; /* base64 of 32 bytes; "": none */
};

struct blob_upload {
        char *bucket, *key; /* owned */
        size_t bucket_n, key_n;
        struct buf id;
        bool finished;
        struct mutex lock; /* everything below */
        struct part *parts;
        uint32_t n, cap;
};

static struct blob_name name_of(const struct blob_upload *u) {
        return (struct blob_name){ .bucket = str_make(u->bucket, u->bucket_n), .key = str_make(u->key, u->key_n) };
}

static struct blob_upload *upload_free(struct blob_upload *u) {
        if (!u)
                return NULL;
        mem_free(u->bucket);
        mem_free(u->key);
        mem_free(u->parts);
        buf_deinit(&u->id);
        mutex_deinit(&u->lock);
        return mem_free(u);
}
DEFINE_CLEANUP(struct blob_upload, upload_free)

static struct blob_upload *upload_new(struct blob_name name) {
        _cleanup_(upload_freep) struct blob_upload *u = mem_zalloc(sizeof(*u));

        if (!u)
                return NULL;
        mutex_init(&u->lock);
        u->id = BUF_INIT(S3_UPLOAD_ID_MAX);
        u->bucket = mem_dup(name.bucket.p ? name.bucket.p : "", name.bucket.n);
        u->key = mem_dup(name.key.p ? name.key.p : "", name.key.n);
        u->bucket_n = name.bucket.n;
        u->key_n = name.key.n;
        return u->bucket && u->key ? TAKE(u) : NULL;
}

static int read_id(struct s3_call *c, struct str body) {
        struct blob_upload *u = c->read_arg;

        buf_reset(&u->id);
        return s3_read_upload_id(body, &u->id);
}

int s3_upload_begin(struct blobs *b, struct op_ctx *ctx, struct blob_name name, const struct blob_meta *meta,
                    uint32_t n_meta, struct blob_upload **ret, struct error *reterr) {
        _cleanup_(upload_freep) struct blob_upload *u = upload_new(name);
        struct s3_call c;
        int r;

        if (!u)
                return error_set_errno(reterr, -ENOMEM, "CreateMultipartUpload");
        s3_call_init(&c, s3_of(b), "CreateMultipartUpload", "POST", name);
        s3_call_query(&c, "uploads", STR(""));
        s3_call_new_object(&c, meta, n_meta);
        if (c.s3->checksums)
                s3_call_header(&c, "x-amz-checksum-algorithm", STR("SHA256"));
        c.read = read_id;
        c.read_arg = u;
        r = s3_call_run(&c, ctx, reterr);
        s3_call_deinit(&c);
        if (r == 0)
                *ret = TAKE(u);
        return r;
}

/* A part that was sent again replaces what it was. */
static int add_part(struct blob_upload *u, const struct part *p) {
        struct part *v;
        uint32_t i;

        for (i = 0; i < u->n && u->parts[i].number != p->number;)
                i++;
        if (i == u->cap) {
                v = mem_realloc(u->parts, (size_t)(u->cap ? 2 * u->cap : 16) * sizeof(*v));
                if (!v)
                        return -ENOMEM;
                u->parts = v;
                u->cap = u->cap ? 2 * u->cap : 16;
        }
        u->parts[i] = *p;
        u->n = MAX(u->n, i + 1);
        return 0;
}

static void copy_header(struct str s, char *out, size_t room) {
        size_t n = MIN(s.n, room - 1);

        if (n)
                memcpy(out, s.p, n);
        out[n] = '\0';
}

/* Without an ETag there is no finishing. */
static int read_etag(struct s3_call *c, struct str body _unused_) {
        struct str etag = s3_call_answer(c, "etag");

        return etag.n > 0 && etag.n < BLOB_ETAG_MAX ? 0 : -EINVAL;
}

/* An upload that somebody has ended is no missing file to the program that writes. */
static int failed(int r, struct error *e, struct error *reterr) {
        if (r && e->kind == ERR_NO_ITEM) {
                e->kind = ERR_SERVICE;
                r = -error_errno(ERR_SERVICE);
        }
        if (r && reterr)
                *reterr = *e;
        return r;
}

int s3_upload_part(struct blobs *b, struct op_ctx *ctx, struct blob_upload *u, uint32_t number, struct str data,
                   const uint8_t sha256[SHA256_LEN], struct error *reterr) {
        struct part p = { .number = number, .size = data.n };
        struct error e = { .kind = ERR_NONE };
        char text[16];
        struct s3_call c;
        int r;

        if (number == 0 || number > BLOB_PARTS_MAX)
                return error_set(reterr, ERR_TOO_LARGE, "UploadPart %" PRIu32 ": there are %d parts at most", number,
                                 BLOB_PARTS_MAX);
        snprintf(text, sizeof(text), "%" PRIu32, number);
        s3_call_init(&c, s3_of(b), "UploadPart", "PUT", name_of(u));
        s3_call_query(&c, "partNumber", str_of(text));
        s3_call_query(&c, "uploadId", buf_view(&u->id));
        s3_call_body(&c, data, sha256);
        c.read = read_etag;
        r = s3_call_run(&c, ctx, &e);
        if (r == 0) {
                copy_header(s3_call_answer(&c, "etag"), p.etag, sizeof(p.etag));
                for (unsigned i = 0; i < c.rest.n_headers; i++)
                        if (str_eq(c.rest.headers[i].name, STR("x-amz-checksum-sha256")))
                                copy_header(c.rest.headers[i].value, p.checksum, sizeof(p.checksum));
                mutex_lock(&u->lock);
                r = add_part(u, &p);
                mutex_unlock(&u->lock);
                if (r)
                        error_set_errno(&e, r, "UploadPart");
        }
        s3_call_deinit(&c);
        return failed(r, &e, reterr);
}

static int compare_parts(const void *a, const void *b) {
        const struct part *x = a, *y = b;

        return (x->number > y->number) - (x->number < y->number);
}

/* Returns the size of the whole. */
static uint64_t write_parts(struct blob_upload *u, struct buf *out) {
        uint64_t size = 0;

        mutex_lock(&u->lock);
        if (u->n > 0)
                qsort(u->parts, u->n, sizeof(*u->parts), compare_parts);
        buf_puts(out, "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
        for (uint32_t i = 0; i < u->n; i++) {
                const struct part *p = &u->parts[i];

                buf_puts(out, "<Part>");
                if (p->checksum[0])
                        buf_printf(out, "<ChecksumSHA256>%s</ChecksumSHA256>", p->checksum);
                buf_puts(out, "<ETag>");
                s3_write_text(out, str_of(p->etag));
                buf_printf(out, "</ETag><PartNumber>%" PRIu32 "</PartNumber></Part>", p->number);
                size += p->size;
        }
        buf_puts(out, "</CompleteMultipartUpload>");
        mutex_unlock(&u->lock);
        return size;
}

static int read_completed(struct s3_call *c _unused_, struct str body) {
        return s3_read_completed(body);
}

/* The upload is gone, and an answer of ours was lost: gone because it was completed? */
static int is_complete(struct s3 *s, struct op_ctx *ctx, const struct blob_upload *u, uint64_t size,
                       struct error *reterr) {
        struct blob_info info;
        int r = s3_head(&s->blobs, ctx, name_of(u), &info, reterr);

        if (r || info.size == size)
                return r;
        return error_set(reterr, ERR_EXISTS, "CompleteMultipartUpload: there is another object of this name");
}

int s3_upload_finish(struct blobs *b, struct op_ctx *ctx, struct blob_upload *u, struct error *reterr) {
        struct error e = { .kind = ERR_NONE };
        bool uncertain;
        struct s3_call c;
        uint64_t size;
        int r;

        s3_call_init(&c, s3_of(b), "CompleteMultipartUpload", "POST", name_of(u));
        s3_call_query(&c, "uploadId", buf_view(&u->id));
        s3_call_header(&c, "content-type", STR("application/xml"));
        c.rest.timeout_ns *= 4; /* the service puts thousands of parts together before it says so */
        size = write_parts(u, &c.body);
        c.call.body = buf_view(&c.body); /* its checksum headers would be taken for the object's */
        c.read = read_completed;
        r = s3_call_run(&c, ctx, &e);
        uncertain = c.call.uncertain;
        s3_call_deinit(&c);
        if (r && uncertain && strcmp(e.code, "NoSuchUpload") == 0)
                r = is_complete(s3_of(b), ctx, u, size, &e);
        u->finished = r == 0;
        return failed(r, &e, reterr);
}

void s3_upload_end(struct blobs *b, struct op_ctx *ctx, struct blob_upload *u) {
        struct error e = { .kind = ERR_NONE };
        struct op_ctx own;

        if (u && !u->finished) {
                /* its own short time: the operation is often over because it was interrupted */
                op_ctx_init(&own, ctx ? ctx->name : "abort", ABORT_NS);
                if (s3_abort_upload(s3_of(b), &own, name_of(u), buf_view(&u->id), &e))
                        log_info("%s: left to be aborted later", e.message);
                op_ctx_deinit(&own);
        }
        upload_free(u);
}
