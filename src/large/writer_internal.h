/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Inside writer.c and its parts (parts.c). */
#include "large_internal.h"

#define FIRST BLOB_PUT_MAX
#define PART BLOB_PART_MIN
#define SLOTS 3

struct slot {
        struct large_writer *w;
        struct buf part;        /* its memory is there before its first byte, and stays where it is */
        uint32_t number;        /* of the part, from 1; 0: FREE */
        size_t grown;           /* bytes of the part that the hasher may look at */
        size_t digested, hashed; /* bytes that are in its own hash, and in that of the whole */
        bool held, ready, running;
        bool known, counted, sent; /* its own hash is; the whole's has all of it; S3 has it */
        uint8_t digest[SHA256_LEN];
        struct op_ctx *asking;  /* its thread S3; NULL: not now */
        pthread_t thread;
};

struct large_writer {
        struct large_store *ls;
        struct arena arena;
        struct large_owner owner;
        struct blob_name name;
        struct blob_meta metas[LARGE_METAS];
        uint32_t n_metas, n_parts;
        struct sha256_stream *digest; /* the hasher's while it runs */
        struct sha256_stream *part_digest; /* the hasher's */
        uint64_t size;
        struct slot *filling;   /* NULL: none is free */
        struct buf left;        /* over */
        bool multipart;         /* it is longer than FIRST */
        bool hashing;           /* there is a hasher */
        bool made;              /* the object is, or may be, there */
        struct mutex lock;      /* down to error */
        struct cond cond;       /* for all but the hasher */
        struct cond growth;     /* for the hasher */
        struct blob_upload *upload; /* NULL: not begun yet */
        struct slot slots[SLOTS];
        pthread_t hasher;
        uint32_t n_known, n_counted; /* parts */
        bool stopping;
        int r;
        struct error error;
};

void parts_init(struct large_writer *w);
void parts_deinit(struct large_writer *w); /* after parts_stop() */
/* The first failure stays, and is said from then on.  Gives r. */
int parts_fail(struct large_writer *w, int r, const struct error *e);
int parts_failed(struct large_writer *w, struct error *e);
/* From now on parts are hashed as they grow. */
_must_check_ int parts_begin(struct large_writer *w, struct error *e);
/* Until a slot is free, which is *ret with the next part's number; interruptible by ctx. */
_must_check_ int parts_take(struct large_writer *w, struct op_ctx *ctx, struct slot **ret, struct error *e);
/* All of s->part may be hashed. */
void parts_grown(struct slot *s);
/* Nothing is added to the part any more: to be sent by its thread. */
_must_check_ int parts_give(struct slot *s, struct error *e);
/* Until all that were given are sent and hashed; interruptible by ctx. */
_must_check_ int parts_wait(struct large_writer *w, struct op_ctx *ctx, struct error *e);
/* No thread of its own, and no part, is left. */
void parts_stop(struct large_writer *w);
