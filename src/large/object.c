/* SPDX-License-Identifier: Apache-2.0 */
/* Whole objects: values into them, out of them, from one to another; and the strings of other tools that name one. */
#include "large_internal.h"
#include "ddbfs/base/json.h"

bool large_named(const struct large_store *ls, struct str bucket) {
        for (uint32_t i = 0; i < ls->n_buckets; i++)
                if (str_eq(bucket, str_of(ls->buckets[i])))
                        return true;
        return false;
}

int large_check_named(const struct large_store *ls, struct str bucket, struct error *e) {
        return large_named(ls, bucket) ? 0
                                       : error_set(e, ERR_ACCESS, "it is in the bucket %.*s, which s3_bucket does not name",
                                                   (int)bucket.n, bucket.p);
}

/* In one request, from where it lies. */
static int put_at_once(struct large_store *ls, struct op_ctx *ctx, const struct large_owner *o, const struct value *v,
                       struct arena *a, struct value *ret, struct error *e) {
        struct large_ref *l = arena_alloc(a, sizeof(*l));
        struct blob_meta metas[LARGE_METAS];
        uint32_t n_metas;
        int r;

        if (!l)
                return error_set(e, ERR_MEMORY, "out of memory");
        *l = (struct large_ref){ .type = v->type, .size = v->text.n, .bucket = str_of(ls->buckets[0]) };
        r = sha256(v->text, l->sha256);
        if (r == 0)
                r = large_metas(o, a, metas, &n_metas);
        if (r)
                return error_set_errno(e, r, "saving to S3");
        r = large_new_key(ls, o, a, &l->key, e);
        if (r)
                return r;
        r = ls->blobs->ops->put(ls->blobs, ctx, (struct blob_name){ l->bucket, l->key }, metas, n_metas, v->text, e);
        if (r) { /* it may be there */
                removal_of_fresh(ls, o, (struct blob_name){ l->bucket, l->key }, e);
                return r;
        }
        *ret = (struct value){ .type = VALUE_LARGE, .large = l };
        return 0;
}

int large_put(struct large_store *ls, struct op_ctx *ctx, const struct large_owner *o, const struct value *v,
              struct arena *a, struct value *ret, struct error *e) {
        struct large_writer *w = NULL;
        int r;

        if (v->text.n <= BLOB_PUT_MAX)
                return put_at_once(ls, ctx, o, v, a, ret, e);
        r = large_begin(&ls->face, ctx, o, &w, e);
        for (size_t at = 0; r == 0 && at < v->text.n; at += MIB)
                r = large_append(w, ctx, str_make(v->text.p + at, MIN(v->text.n - at, MIB)), e);
        if (r == 0)
                r = large_finish(w, ctx, v->type, a, ret, e);
        large_end(w, ctx, r, e);
        return r;
}

int large_copy(struct large_store *ls, struct op_ctx *ctx, const struct large_owner *o, const struct large_ref *from,
               struct arena *a, struct value *ret, struct error *e) {
        struct value source = { .type = VALUE_LARGE, .large = from };
        _cleanup_(buf_deinit) struct buf piece = BUF_INIT(MIB);
        struct large_reader *in = NULL;
        struct large_writer *out = NULL;
        size_t n;
        int r = buf_reserve(&piece, MIB) ? large_open(&ls->face, ctx, &source, &in, e) : error_set(e, ERR_MEMORY, "out of memory");

        if (r == 0)
                r = large_begin(&ls->face, ctx, o, &out, e);
        for (uint64_t at = 0; r == 0 && at < from->size; at += n) {
                r = large_read(in, ctx, at, MIB, piece.p, &n, e);
                if (r == 0)
                        r = large_append(out, ctx, str_make(piece.p, n), e);
        }
        if (r == 0)
                r = large_finish(out, ctx, from->type, a, ret, e);
        if (r == 0 && !large_ref_is_claim(ret->large) && memcmp(ret->large->sha256, from->sha256, LARGE_SHA256_LEN) != 0)
                r = error_set(e, ERR_PROTOCOL, "an object in S3 is not what its SHA-256 says");
        large_end(out, ctx, r, e);
        large_close(in);
        return r;
}

int large_fetch(struct large_store *ls, struct op_ctx *ctx, const struct large_ref *l, struct buf *ret, struct error *e) {
        uint8_t digest[SHA256_LEN];
        int r = large_check_named(ls, l->bucket, e);

        if (r == 0 && l->size > 0)
                r = ls->blobs->ops->read(ls->blobs, ctx, (struct blob_name){ l->bucket, l->key }, 0, (size_t)l->size + 1, NULL,
                                         ret, e);
        if (r)
                return r;
        r = sha256(buf_view(ret), digest);
        if (r)
                return error_set_errno(e, r, "reading from S3");
        if (ret->n != l->size || memcmp(digest, l->sha256, SHA256_LEN) != 0)
                return error_set(e, ERR_PROTOCOL, "an object in S3 is not what its SHA-256 says: %.*s", (int)l->key.n,
                                 l->key.p);
        return 0;
}

/* ---- other tools' strings ---- */

#define LINK_MAX (4 * KIB)

/* The members of {"s3": {...}}: bucket and key; others are passed over, as its readers do. */
static int read_link(struct json_reader *r, struct blob_name *ret) {
        enum json_token token;

        while ((token = json_next(r)) == JSON_KEY) {
                struct str *member = str_eq(r->value, STR("bucket")) ? &ret->bucket
                                     : str_eq(r->value, STR("key"))  ? &ret->key
                                                                     : NULL;

                if (!member && json_skip(r))
                        return json_status(r);
                if (!member)
                        continue;
                if (json_next(r) != JSON_STRING)
                        return -EINVAL;
                *member = r->value;
        }
        return token == JSON_OBJECT_END ? 0 : -EINVAL;
}

/* DynamoDBMapper's S3Link: {"s3":{"bucket":B,"key":K,"region":R}} */
static int parse_s3link(struct str text, struct arena *a, struct blob_name *ret) {
        struct json_reader r;
        int k = 0;

        json_reader_init(&r, text, a, 8);
        if (json_next(&r) != JSON_OBJECT_BEGIN)
                return -EINVAL;
        while (k == 0 && json_next(&r) == JSON_KEY) {
                if (!str_eq(r.value, STR("s3")))
                        k = json_skip(&r);
                else
                        k = json_next(&r) == JSON_OBJECT_BEGIN ? read_link(&r, ret) : -EINVAL;
        }
        if (k == 0)
                k = json_next(&r) == JSON_END ? 0 : -EINVAL;
        return r.error.kind == ERR_MEMORY ? -ENOMEM : k ? k : json_status(&r);
}

static int parse_s3_url(struct str text, struct blob_name *ret) {
        struct str rest = str_skip(text, strlen("s3://"));
        const char *slash = memchr(rest.p, '/', rest.n);

        if (!slash)
                return -EINVAL;
        ret->bucket = str_make(rest.p, (size_t)(slash - rest.p));
        ret->key = str_skip(rest, ret->bucket.n + 1);
        return 0;
}

int large_link(const struct large_store *ls, const struct value *v, struct arena *a, bool *ret, struct blob_name *ret_name) {
        struct blob_name name = { .bucket = STR_NULL };
        int r;

        *ret = false;
        if (v->type != VALUE_S || ls->n_buckets == 0 || v->text.n < 8 || v->text.n > LINK_MAX)
                return 0;
        if (str_starts(v->text, STR("s3://")))
                r = parse_s3_url(v->text, &name);
        else
                r = v->text.p[0] == '{' ? parse_s3link(v->text, a, &name) : -EINVAL;
        if (r || name.key.n == 0 || name.key.n > LARGE_KEY_MAX || !large_named(ls, name.bucket))
                return r == -ENOMEM ? r : 0;
        r = arena_dup(a, name.bucket, &ret_name->bucket);
        if (r == 0)
                r = arena_dup(a, name.key, &ret_name->key);
        *ret = r == 0;
        return r;
}
