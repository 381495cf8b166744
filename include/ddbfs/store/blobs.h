/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A store of objects for what is too large for an item: the interface between the file system and whatever holds
 * the bytes (s3/).  Objects are never overwritten: a new value is a new object.  Calls block; any number of threads
 * may call at once; none may hold a lock.  All return 0 or -errno with *reterr filled; requests are retried,
 * interrupted and bounded in time inside.
 */
#include "ddbfs/base/arena.h"
#include "ddbfs/base/buf.h"
#include "ddbfs/base/encode.h"
#include "ddbfs/base/op_ctx.h"

struct blobs {
        const struct blobs_ops *ops;
};

struct blob_name { /* borrowed */
        struct str bucket;
        struct str key;
};

struct blob_meta { /* x-amz-meta-NAME: value; printable ASCII, 2 KB in all */
        struct str name, value;
};

#define BLOB_ETAG_MAX 128
struct blob_info {
        uint64_t size;
        int64_t modified_s;           /* epoch */
        char etag[BLOB_ETAG_MAX];     /* as the service gave it, quotes included; empty: none */
};

struct blob_entry { /* of a listing; key in the page's arena */
        struct str key;
        uint64_t size;
        int64_t modified_s;
};

struct blob_page {
        struct arena arena;
        uint32_t n;
        struct blob_entry *v;
        struct str next; /* continuation token; n == 0: the end */
};
void blob_page_init(struct blob_page *p);
void blob_page_deinit(struct blob_page *p); /* empty and usable afterwards */

#define BLOB_PUT_MAX (8 * MIB)       /* larger ones go up in parts */
#define BLOB_PART_MIN (5 * MIB)      /* of all parts but the last; S3's rule */
#define BLOB_PARTS_MAX 10000
#define BLOB_REMOVE_MAX 1000         /* names of one request */

struct blob_upload; /* a multipart upload under way */

struct blobs_ops {
        /* A whole object, at most BLOB_PUT_MAX, on condition that there is none of this name (ERR_EXISTS), with its SHA-256. */
        int (*put)(struct blobs *, struct op_ctx *, struct blob_name, const struct blob_meta *meta, uint32_t n_meta,
                   struct str data, struct error *);
        int (*upload_begin)(struct blobs *, struct op_ctx *, struct blob_name, const struct blob_meta *meta, uint32_t n_meta,
                            struct blob_upload **ret, struct error *);
        /* number counts from 1, in any order, from several threads at once; sha256: of data */
        int (*upload_part)(struct blobs *, struct op_ctx *, struct blob_upload *, uint32_t number, struct str data,
                           const uint8_t sha256[SHA256_LEN], struct error *);
        /* The object exists, whole, when this returns 0.  upload_end() is still the caller's to call. */
        int (*upload_finish)(struct blobs *, struct op_ctx *, struct blob_upload *, struct error *);
        /* Frees it; aborts it at the service when it was not finished.  NULL is fine. */
        void (*upload_end)(struct blobs *, struct op_ctx *, struct blob_upload *);
        /* At most n bytes from offset, appended to ret (nothing past the end).  etag: NULL, or the version it must be
         * (ERR_CONDITION).  ERR_NO_ITEM: no such object, on the service's word. */
        int (*read)(struct blobs *, struct op_ctx *, struct blob_name, uint64_t offset, size_t n, const char *etag,
                    struct buf *ret, struct error *);
        int (*head)(struct blobs *, struct op_ctx *, struct blob_name, struct blob_info *ret, struct error *);
        /* results[i]: 0 (also when there was none) or -errno; returns the first error or 0. */
        int (*remove)(struct blobs *, struct op_ctx *, const struct blob_name *, uint32_t n, int *results, struct error *);
        /* One page, in byte order of the keys.  after: only keys that come after it, or empty.  next: the previous page's,
         * or empty. */
        int (*list)(struct blobs *, struct op_ctx *, struct str bucket, struct str prefix, struct str after, struct str next,
                    struct blob_page *ret, struct error *);
        /* Aborts multipart uploads below the prefix that were begun before that time (epoch); their number. */
        int (*abort_stale)(struct blobs *, struct op_ctx *, struct str bucket, struct str prefix, int64_t before_s,
                           uint64_t *ret_n, struct error *);
        void (*free)(struct blobs *);
};

struct blobs *blobs_free(struct blobs *b); /* NULL is fine; returns NULL */
DEFINE_CLEANUP(struct blobs, blobs_free)
