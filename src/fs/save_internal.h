/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* One save under way: of an item (commit.c), or of an attribute (attr_save.c). */
#include "fs_internal.h"

struct save {
        struct fs *fs;
        struct op_ctx *ctx;
        struct place place;
        struct arena arena;      /* the two items */
        struct buf text;         /* a copy of the draft's */
        struct stream *stream;   /* instead of it; the draft's, which is busy */
        struct item item;        /* what is to be saved */
        bool touch;              /* an item of only its key, an attribute without content */
        bool claim;              /* touch: made with O_EXCL and closed empty, as a lock: who comes second is told */
        bool created, exclusive;
        uint64_t edits;
        struct bases bases;
        struct base base;        /* the one it replaces; borrowed, but for what recover_base() has read anew */
        struct snapshot *recovered;
        struct item base_item;
        bool later;              /* into the journal, under this path */
        struct buf path;
        uint64_t ino, seq;       /* seq: of the journal; 0: it was sent */
        struct items now;        /* what the write has made of it */
        struct snapshot *result; /* the item as it is in the table now; NULL: nothing was sent */
        bool as_sent;            /* ... which is as it was sent: the store has not said what became of it */
        bool unfilled;           /* ... but for what is in S3 and could not be read back */
};

/* s->text becomes the attribute of s->place.  *ret_own: what the writers know of it then. */
_must_check_ int attr_save(struct save *s, struct snapshot **ret_own, struct error *e);
