/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Inside the store of large attributes. */
#include "ddbfs/base/clock.h"
#include "ddbfs/base/encode.h"
#include "ddbfs/base/list.h"
#include "ddbfs/base/mutex.h"
#include "ddbfs/large/large.h"

#define SEEN_SLOTS 4096
#define WRITE_ARENA_MAX (64 * MIB)
#define REMOVALS_MAX 10000 /* waiting; more are left to fsck.ddbfs */

struct seen;
struct large_store {
        struct store face;
        struct store_ops ops;    /* the inner store's, replaced where it matters */
        struct store *inner;     /* borrowed */
        struct blobs *blobs;     /* borrowed */
        char **buckets;
        uint32_t n_buckets;
        char *prefix;
        uint64_t threshold, inline_max, grace_ns, timeout_ns;

        struct mutex seen_lock;  /* seen.c; innermost */
        struct seen *seen[SEEN_SLOTS];

        struct mutex lock;       /* removal.c; innermost */
        struct cond cond;
        struct list removals;    /* struct removal */
        size_t n_removals;
        bool running, stopping;
        struct op_ctx *removing; /* the request under way */
        pthread_t thread;
};
static inline struct large_store *large_of(struct store *s) {
        return CONTAINER_OF(s, struct large_store, face);
}
/* Its bucket is one of those named. */
bool large_named(const struct large_store *ls, struct str bucket);
_must_check_ int large_check_named(const struct large_store *ls, struct str bucket, struct error *e);

/* ---- names (name.c) ---- */
/* A new object's key. */
_must_check_ int large_new_key(const struct large_store *ls, const struct large_owner *o, struct arena *a, struct str *ret,
                               struct error *e);
#define LARGE_METAS 3
/* The back pointer, in the arena: table, key, attribute; *ret_n of them. */
_must_check_ int large_metas(const struct large_owner *o, struct arena *a, struct blob_meta ret[LARGE_METAS], uint32_t *ret_n);

/* ---- content (object.c) ---- */
/* An S or B becomes an object of this owner; *ret is its reference, in the arena. */
_must_check_ int large_put(struct large_store *ls, struct op_ctx *ctx, const struct large_owner *o, const struct value *v,
                           struct arena *a, struct value *ret, struct error *e);
/* The same from another object. */
_must_check_ int large_copy(struct large_store *ls, struct op_ctx *ctx, const struct large_owner *o,
                            const struct large_ref *from, struct arena *a, struct value *ret, struct error *e);
/* The whole content, checked. */
_must_check_ int large_fetch(struct large_store *ls, struct op_ctx *ctx, const struct large_ref *l, struct buf *ret,
                             struct error *e);
/* S3Link or s3:// into a named bucket?  Strings are in the arena. */
_must_check_ int large_link(const struct large_store *ls, const struct value *v, struct arena *a, bool *ret, struct blob_name *ret_name);

/* ---- streams: the ops of store/large.h (reader.c, writer.c) ---- */
int large_open(struct store *s, struct op_ctx *ctx, const struct value *v, struct large_reader **ret, struct error *e);
int large_read(struct large_reader *r, struct op_ctx *ctx, uint64_t offset, size_t n, char *to, size_t *ret_n, struct error *e);
int large_lend(struct large_reader *r, struct op_ctx *ctx, uint64_t offset, size_t n, struct str *ret, void **ret_hold,
               struct error *e);
void large_give_back(void *hold);
void large_close(struct large_reader *r);
int large_begin(struct store *s, struct op_ctx *ctx, const struct large_owner *o, struct large_writer **ret, struct error *e);
int large_append(struct large_writer *w, struct op_ctx *ctx, struct str data, struct error *e);
int large_finish(struct large_writer *w, struct op_ctx *ctx, enum value_type type, struct arena *a, struct value *ret,
                 struct error *e);
void large_end(struct large_writer *w, struct op_ctx *ctx, int r, const struct error *e);
/* A thread with all signals blocked: false when there is none to be had. */
bool large_thread(pthread_t *ret, void *(*run)(void *), void *arg);

/* ---- what was read lately, to find the object that a claim means (seen.c) ---- */
void seen_add(struct large_store *ls, const struct large_ref *l);
void seen_add_items(struct large_store *ls, const struct items *items);
/* In the arena: 0, -ENOENT or -ENOMEM. */
_must_check_ int seen_find(struct large_store *ls, const struct large_ref *claim, struct arena *a, struct large_ref *ret);
void seen_free(struct large_store *ls);

/* ---- removing objects (removal.c) ---- */
/* Some time from now, if the item does not refer to it then.  uncertain: nobody knows how the write ended. */
void removal_add(struct large_store *ls, const struct large_owner *o, struct blob_name object, bool at_once, bool uncertain);
/* A write that referred to these objects for the first time ended so. */
void removal_of_fresh(struct large_store *ls, const struct large_owner *o, struct blob_name object, const struct error *e);
/* What is certain and waiting is removed now, for a few seconds at most. */
void removal_stop(struct large_store *ls);

/* ---- writes (writes.c) ---- */
int large_write(struct store *s, struct op_ctx *ctx, const struct write *w, struct items *ret_new, struct error *e);
int large_batch_write(struct store *s, struct op_ctx *ctx, const struct write *w, uint32_t n, int *results, struct error *e);
int large_transact_write(struct store *s, struct op_ctx *ctx, const struct write *w, uint32_t n, struct error *e);

/* ---- whole tables (stream.c) ---- */
int large_scan_all(struct store *s, struct op_ctx *ctx, const struct scan_request *q, uint32_t segments,
                   const struct scan_sink *sink, struct error *e);
int large_write_all(struct store *s, struct op_ctx *ctx, const struct write_source *source, struct error *reterr);
