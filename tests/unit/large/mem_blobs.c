/* SPDX-License-Identifier: Apache-2.0 */
/* Objects in memory.  Its own bookkeeping uses malloc, so that mem_fail_at() counts those of who is tested. */
#include "mem_blobs.h"
#include <check.h>
#include <stdio.h>
#include <time.h>
#include "ddbfs/base/clock.h"

#define OBJECTS_MAX 4096
#define UPLOADS_MAX 64
#define PARTS_MAX 256

struct object {
        char *bucket, *key, *data;
        size_t n;
        int64_t modified_s;
};

struct blob_upload {
        struct mem_blobs *b;
        bool used, finished;
        char *bucket, *key;
        struct {
                char *p;
                size_t n;
        } parts[PARTS_MAX];
        uint32_t n_parts;
        int64_t begun_s;
};

struct mem_blobs {
        struct blobs face;
        struct mutex lock; /* everything below */
        struct object v[OBJECTS_MAX]; /* in byte order of their keys */
        size_t n;
        struct blob_upload uploads[UPLOADS_MAX];
        unsigned calls[_BLOB_OP_N], violations, delay_us;
        struct {
                unsigned nth, times;
                enum error_kind kind;
                bool applied;
        } faults[_BLOB_OP_N];
        uint64_t bytes_read;
        size_t in_flight, most_in_flight;
};

static struct mem_blobs *of(struct blobs *s) {
        return CONTAINER_OF(s, struct mem_blobs, face);
}

static char *dup(struct str s) {
        char *p = malloc(s.n + 1);

        ck_assert_ptr_nonnull(p);
        if (s.n)
                memcpy(p, s.p, s.n);
        p[s.n] = '\0';
        return p;
}

static void object_deinit(struct object *o) {
        free(o->bucket);
        free(o->key);
        free(o->data);
}

static struct object *find(struct mem_blobs *b, struct str key) {
        for (size_t i = 0; i < b->n; i++)
                if (str_eq(str_of(b->v[i].key), key))
                        return &b->v[i];
        return NULL;
}

static void insert(struct mem_blobs *b, struct str bucket, struct str key, char *data, size_t n) {
        size_t i = 0;

        ck_assert_uint_lt(b->n, OBJECTS_MAX);
        while (i < b->n && str_cmp(str_of(b->v[i].key), key) < 0)
                i++;
        memmove(&b->v[i + 1], &b->v[i], (b->n - i) * sizeof(b->v[0]));
        b->v[i] = (struct object){ dup(bucket), dup(key), data, n, clock_wall_s() };
        b->n++;
}

static void drop(struct mem_blobs *b, struct object *o) {
        size_t i = (size_t)(o - b->v);

        object_deinit(o);
        b->n--;
        memmove(&b->v[i], &b->v[i + 1], (b->n - i) * sizeof(b->v[0]));
}

/* ---- around a call ---- */

struct call {
        struct mem_blobs *b;
        enum error_kind lost;
};

/* 0 with the lock held, or the fault without: more than the analysis can follow. */
NO_ANALYSIS static int begin(struct call *c, struct blobs *s, struct op_ctx *ctx, enum blob_op op, struct error *e) {
        struct mem_blobs *b = of(s);
        unsigned violation = locks_held() > 0;
        enum error_kind kind = ERR_NONE;
        bool applied = false;
        int r = op_ctx_check(ctx, e);

        *c = (struct call){ .b = b };
        if (b->delay_us)
                nanosleep(&(struct timespec){ .tv_nsec = b->delay_us * 1000L }, NULL);
        mutex_lock(&b->lock);
        b->calls[op]++;
        b->violations += violation;
        if (b->faults[op].nth > 0 && --b->faults[op].nth == 0) {
                kind = b->faults[op].kind;
                applied = b->faults[op].applied;
                if (--b->faults[op].times > 0)
                        b->faults[op].nth = 1;
        }
        if (r == 0 && kind && !applied)
                r = error_set(e, kind, "made to fail");
        if (r) {
                mutex_unlock(&b->lock);
                return r;
        }
        c->lost = kind;
        return 0;
}

NO_ANALYSIS static int end(struct call *c, int r, struct error *e) {
        mutex_unlock(&c->b->lock);
        return r == 0 && c->lost ? error_set(e, c->lost, "made to fail") : r;
}

/* ---- the ops ---- */

static int mb_put(struct blobs *s, struct op_ctx *ctx, struct blob_name name, const struct blob_meta *meta, uint32_t n_meta,
                  struct str data, struct error *e) {
        struct call c;
        int r = begin(&c, s, ctx, BLOB_PUT, e);

        ck_assert_uint_le(data.n, BLOB_PUT_MAX);
        ck_assert(n_meta > 0 && meta[0].value.n > 0);
        if (r)
                return r;
        if (find(c.b, name.key))
                return end(&c, error_set(e, ERR_EXISTS, "there is one"), e);
        insert(c.b, name.bucket, name.key, dup(data), data.n);
        return end(&c, 0, e);
}

static int mb_begin(struct blobs *s, struct op_ctx *ctx, struct blob_name name, const struct blob_meta *meta,
                    uint32_t n_meta, struct blob_upload **ret, struct error *e) {
        struct call c;
        int r = begin(&c, s, ctx, BLOB_BEGIN, e);

        (void)meta;
        (void)n_meta;
        for (size_t i = 0; r == 0 && i < UPLOADS_MAX; i++) {
                struct blob_upload *u = &c.b->uploads[i];

                if (u->used)
                        continue;
                *u = (struct blob_upload){ .b = c.b, .used = true, .bucket = dup(name.bucket), .key = dup(name.key),
                                           .begun_s = clock_wall_s() };
                *ret = u;
                return end(&c, 0, e);
        }
        return r ? r : end(&c, error_set(e, ERR_INTERNAL, "too many uploads"), e);
}

static int mb_part(struct blobs *s, struct op_ctx *ctx, struct blob_upload *u, uint32_t number, struct str data,
                   const uint8_t claimed[SHA256_LEN], struct error *e) {
        uint8_t digest[SHA256_LEN];
        struct mem_blobs *b = of(s);
        struct call c;
        int r;

        mutex_lock(&b->lock);
        b->in_flight += data.n;
        b->most_in_flight = MAX(b->most_in_flight, b->in_flight);
        mutex_unlock(&b->lock);
        r = begin(&c, s, ctx, BLOB_PART, e);
        ck_assert(number > 0 && number <= PARTS_MAX);
        if (r == 0) {
                ck_assert_int_eq(sha256(data, digest), 0);
                ck_assert_mem_eq(digest, claimed, SHA256_LEN);
                ck_assert_ptr_null(u->parts[number - 1].p);
                u->parts[number - 1].p = dup(data);
                u->parts[number - 1].n = data.n;
                u->n_parts = MAX(u->n_parts, number);
                r = end(&c, 0, e);
        }
        mutex_lock(&b->lock);
        b->in_flight -= data.n;
        mutex_unlock(&b->lock);
        return r;
}

static int mb_finish(struct blobs *s, struct op_ctx *ctx, struct blob_upload *u, struct error *e) {
        struct call c;
        size_t n = 0, at = 0;
        char *data;
        int r = begin(&c, s, ctx, BLOB_FINISH, e);

        if (r)
                return r;
        for (uint32_t i = 0; i < u->n_parts; i++) {
                ck_assert_ptr_nonnull(u->parts[i].p);
                ck_assert(i + 1 == u->n_parts || u->parts[i].n >= BLOB_PART_MIN);
                n += u->parts[i].n;
        }
        data = malloc(n + 1);
        ck_assert_ptr_nonnull(data);
        for (uint32_t i = 0; i < u->n_parts; i++) {
                memcpy(data + at, u->parts[i].p, u->parts[i].n);
                at += u->parts[i].n;
        }
        insert(c.b, str_of(u->bucket), str_of(u->key), data, n);
        u->finished = true;
        return end(&c, 0, e);
}

static void upload_deinit(struct blob_upload *u) {
        for (uint32_t i = 0; i < PARTS_MAX; i++)
                free(u->parts[i].p);
        free(u->bucket);
        free(u->key);
        *u = (struct blob_upload){ .used = false };
}

static void mb_end(struct blobs *s, struct op_ctx *ctx, struct blob_upload *u) {
        (void)ctx;
        if (!u)
                return;
        mutex_lock(&of(s)->lock);
        upload_deinit(u);
        mutex_unlock(&of(s)->lock);
}

static int mb_read(struct blobs *s, struct op_ctx *ctx, struct blob_name name, uint64_t offset, size_t n, const char *etag,
                   struct buf *ret, struct error *e) {
        struct object *o;
        struct call c;
        int r = begin(&c, s, ctx, BLOB_READ, e);

        (void)etag;
        if (r)
                return r;
        o = find(c.b, name.key);
        if (!o || !str_eq(str_of(o->bucket), name.bucket))
                return end(&c, error_set(e, ERR_NO_ITEM, "no such object"), e);
        if (offset < o->n) {
                n = MIN(n, o->n - (size_t)offset);
                buf_append(ret, o->data + offset, n);
                c.b->bytes_read += n;
        }
        return end(&c, buf_status(ret) ? error_set_errno(e, buf_status(ret), "read") : 0, e);
}

static int mb_head(struct blobs *s, struct op_ctx *ctx, struct blob_name name, struct blob_info *ret, struct error *e) {
        struct object *o;
        struct call c;
        int r = begin(&c, s, ctx, BLOB_HEAD, e);

        if (r)
                return r;
        o = find(c.b, name.key);
        if (!o)
                return end(&c, error_set(e, ERR_NO_ITEM, "no such object"), e);
        *ret = (struct blob_info){ .size = o->n, .modified_s = o->modified_s, .etag = "\"1\"" };
        return end(&c, 0, e);
}

static int mb_remove(struct blobs *s, struct op_ctx *ctx, const struct blob_name *names, uint32_t n, int *results,
                     struct error *e) {
        struct call c;
        int r = begin(&c, s, ctx, BLOB_REMOVE, e);

        for (uint32_t i = 0; i < n; i++)
                results[i] = r;
        if (r)
                return r;
        for (uint32_t i = 0; i < n; i++) {
                struct object *o = find(c.b, names[i].key);

                if (o)
                        drop(c.b, o);
        }
        return end(&c, 0, e);
}

static int mb_list(struct blobs *s, struct op_ctx *ctx, struct str bucket, struct str prefix, struct str after, struct str next,
                   struct blob_page *ret, struct error *e) {
        struct call c;
        int r = begin(&c, s, ctx, BLOB_LIST, e);

        if (r)
                return r;
        blob_page_deinit(ret);
        ret->v = arena_array(&ret->arena, 3, sizeof(*ret->v));
        for (size_t i = 0; r == 0 && i < c.b->n; i++) {
                struct object *o = &c.b->v[i];
                struct str key = str_of(o->key);

                if (!str_starts(key, prefix) || !str_eq(str_of(o->bucket), bucket) || (next.n > 0 && str_cmp(key, next) < 0) ||
                    (after.n > 0 && str_cmp(key, after) <= 0))
                        continue;
                if (ret->n == 3) { /* small pages, so that there are many */
                        r = arena_dup(&ret->arena, key, &ret->next);
                        break;
                }
                r = ret->v ? arena_dup(&ret->arena, key, &ret->v[ret->n].key) : -ENOMEM;
                ret->v[ret->n].size = o->n;
                ret->v[ret->n++].modified_s = o->modified_s;
        }
        return end(&c, r ? error_set_errno(e, r, "list") : 0, e);
}

static int mb_abort(struct blobs *s, struct op_ctx *ctx, struct str bucket, struct str prefix, int64_t before_s,
                    uint64_t *ret_n, struct error *e) {
        struct call c;
        int r = begin(&c, s, ctx, BLOB_ABORT, e);

        (void)bucket;
        *ret_n = 0;
        if (r)
                return r;
        for (size_t i = 0; i < UPLOADS_MAX; i++) {
                struct blob_upload *u = &c.b->uploads[i];

                if (!u->used || !str_starts(str_of(u->key), prefix) || u->begun_s >= before_s)
                        continue;
                upload_deinit(u);
                ++*ret_n;
        }
        return end(&c, 0, e);
}

static void mb_free(struct blobs *s) {
        (void)s;
}

static const struct blobs_ops ops = { mb_put,  mb_begin, mb_part,   mb_finish, mb_end,   mb_read,
                                      mb_head, mb_remove, mb_list, mb_abort,  mb_free };

/* ---- helpers ---- */

struct mem_blobs *mem_blobs_new(void) {
        struct mem_blobs *b = calloc(1, sizeof(*b));

        ck_assert_ptr_nonnull(b);
        b->face.ops = &ops;
        mutex_init(&b->lock);
        return b;
}

struct mem_blobs *mem_blobs_free(struct mem_blobs *b) {
        for (size_t i = 0; i < b->n; i++)
                object_deinit(&b->v[i]);
        for (size_t i = 0; i < UPLOADS_MAX; i++)
                upload_deinit(&b->uploads[i]);
        mutex_deinit(&b->lock);
        free(b);
        return NULL;
}

struct blobs *mem_blobs_face(struct mem_blobs *b) {
        return &b->face;
}

void mem_blob_put(struct mem_blobs *b, const char *bucket, const char *key, struct str data) {
        mutex_lock(&b->lock);
        insert(b, str_of(bucket), str_of(key), dup(data), data.n);
        mutex_unlock(&b->lock);
}

bool mem_blob_delete(struct mem_blobs *b, struct str key) {
        struct object *o;

        mutex_lock(&b->lock);
        o = find(b, key);
        if (o)
                drop(b, o);
        mutex_unlock(&b->lock);
        return o != NULL;
}

size_t mem_blob_count(struct mem_blobs *b) {
        size_t n;

        mutex_lock(&b->lock);
        n = b->n;
        mutex_unlock(&b->lock);
        return n;
}

size_t mem_blob_uploads(struct mem_blobs *b) {
        size_t n = 0;

        mutex_lock(&b->lock);
        for (size_t i = 0; i < UPLOADS_MAX; i++)
                n += b->uploads[i].used;
        mutex_unlock(&b->lock);
        return n;
}

struct str mem_blob_key(struct mem_blobs *b, size_t i) {
        struct str key;

        mutex_lock(&b->lock);
        ck_assert_uint_lt(i, b->n);
        key = str_of(b->v[i].key);
        mutex_unlock(&b->lock);
        return key;
}

bool mem_blob_has(struct mem_blobs *b, struct str key) {
        bool has;

        mutex_lock(&b->lock);
        has = find(b, key) != NULL;
        mutex_unlock(&b->lock);
        return has;
}

void mem_blob_spoil(struct mem_blobs *b, size_t i) {
        mutex_lock(&b->lock);
        ck_assert(i < b->n && b->v[i].n > 0);
        b->v[i].data[b->v[i].n / 2] ^= 1;
        mutex_unlock(&b->lock);
}

void mem_blob_age(struct mem_blobs *b, int64_t seconds) {
        mutex_lock(&b->lock);
        for (size_t i = 0; i < b->n; i++)
                b->v[i].modified_s -= seconds;
        for (size_t i = 0; i < UPLOADS_MAX; i++)
                b->uploads[i].begun_s -= seconds;
        mutex_unlock(&b->lock);
}

unsigned mem_blob_calls(struct mem_blobs *b, enum blob_op op) {
        unsigned n;

        mutex_lock(&b->lock);
        n = b->calls[op];
        mutex_unlock(&b->lock);
        return n;
}

uint64_t mem_blob_bytes_read(struct mem_blobs *b) {
        uint64_t n;

        mutex_lock(&b->lock);
        n = b->bytes_read;
        mutex_unlock(&b->lock);
        return n;
}

size_t mem_blob_largest_parts(struct mem_blobs *b) {
        return b->most_in_flight;
}

unsigned mem_blob_lock_violations(struct mem_blobs *b) {
        return b->violations;
}

void mem_blob_reset_calls(struct mem_blobs *b) {
        mutex_lock(&b->lock);
        memset(b->calls, 0, sizeof(b->calls));
        b->bytes_read = 0;
        mutex_unlock(&b->lock);
}

void mem_blob_fail(struct mem_blobs *b, enum blob_op op, unsigned nth, unsigned times, enum error_kind kind, bool applied) {
        mutex_lock(&b->lock);
        b->faults[op].nth = nth;
        b->faults[op].times = times;
        b->faults[op].kind = kind;
        b->faults[op].applied = applied;
        mutex_unlock(&b->lock);
}

void mem_blob_delay_us(struct mem_blobs *b, unsigned us) {
        b->delay_us = us;
}
