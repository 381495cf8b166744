/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What a store that keeps large attributes in S3 can do besides the ops of every store: give their content, and take
 * one piece by piece.  Offloading on writes, claims, and the removal of what was replaced happen inside its ops.
 * All block, may be called from any thread (one at a time for one reader or writer), and hold no lock over a request.
 */
#include "ddbfs/store/large_ref.h"
#include "ddbfs/store/store.h"

struct large_reader; /* one open object */
struct large_writer; /* one attribute being written */

/* Whose attribute it is. */
struct large_owner {
        const struct table_schema *table;
        struct key key;
        struct str attr;
};

struct large_ops {
        /* Every reference of at most inline_max bytes gets its content, in the arena. */
        int (*fill)(struct store *, struct op_ctx *, struct item *, struct arena *, struct error *);
        /* Would fill() have anything to do? */
        bool (*unfilled)(struct store *, const struct item *);
        /* Does an attribute's value stand for an object: a reference, or another tool's S3Link or s3:// string into a
         * bucket that is named?  Then *ret_size is its size (asked of S3 for the latter). */
        int (*size)(struct store *, struct op_ctx *, const struct value *, bool *ret, uint64_t *ret_size, struct error *);
        /* The value may be dropped afterwards. */
        int (*open)(struct store *, struct op_ctx *, const struct value *, struct large_reader **ret, struct error *);
        /* At most n bytes from offset; fewer only at the end.  Reads ahead of who reads on from where he was.
         * ERR_NO_ITEM: the object is gone.  Who read the whole from its beginning has got what the SHA-256 says. */
        int (*read)(struct large_reader *, struct op_ctx *, uint64_t offset, size_t n, char *to, size_t *ret_n,
                    struct error *);
        /* The same, but the bytes stay where they are until give_back(*ret_hold), which may come after close().
         * *ret_hold NULL: they are not in one piece, and must be read. */
        int (*lend)(struct large_reader *, struct op_ctx *, uint64_t offset, size_t n, struct str *ret, void **ret_hold,
                    struct error *);
        void (*give_back)(void *hold);
        void (*close)(struct large_reader *); /* NULL is fine */
        int (*begin)(struct store *, struct op_ctx *, const struct large_owner *, struct large_writer **ret, struct error *);
        /* Goes up while the caller goes on; what failed is told by a later call.  -EINTR: nothing of data (at most
         * BLOB_PART_MIN bytes) was taken, and the call may be made again. */
        int (*append)(struct large_writer *, struct op_ctx *, struct str data, struct error *);
        /* The object is there, whole; *ret, in the arena, is the value for one write() of that attribute. */
        int (*finish)(struct large_writer *, struct op_ctx *, enum value_type type, struct arena *, struct value *ret,
                      struct error *);
        /* Frees.  r: how that write() ended; an object that is not referred to is removed.  NULL is fine. */
        void (*end)(struct large_writer *, struct op_ctx *, int r, const struct error *);
};
