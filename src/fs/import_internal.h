/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Imports: lines written to TABLE/.import/FORMAT become items.  import.c is the file, import_read.c reads its lines,
 * import_table.c those of csv, import_send.c sends them while the program still writes.
 *
 *      line:  read -> queued -> given to the store -> done, or refused: in `bad` until the next flush, then in rejected
 */
#include "fs_internal.h"

#define IMPORT_LINE_MAX (4 * MIB)     /* of one: 400 KB of any type fit in the longest notation */
#define IMPORT_AHEAD_MAX (4 * MIB)    /* of lines that are queued or given: more are not taken */
#define IMPORT_AHEAD_MIN (32 * KIB)
#define IMPORT_BAD_MAX (4 * MIB)      /* of refused lines, then they go to disk */
#define IMPORT_TOLD_MAX 100           /* refused lines told one by one */
#define IMPORT_CELLS_MAX 4096

/* ---- csv (import_table.c; pure) ---- */
struct import_table {
        char separator;      /* 0: the format is no table */
        uint32_t n;          /* 0: the header is still to come */
        struct str *names;   /* in arena */
        const struct key_attr **declared; /* in arena; of each name, in the table's schema: its type.  NULL: any */
        struct str header;   /* the line */
        bool refused;        /* that is no header: no other line is one */
        bool any_size;       /* of items: the store moves to S3 what does not fit */
        struct arena arena;
};
void import_table_deinit(struct import_table *t);
/* The first line: names of attributes, the whole key among them.  The schema is borrowed until the deinit. */
_must_check_ int import_table_begin(struct import_table *t, const struct table_schema *schema, struct str line,
                                    struct error *e);
/*
 * One line.  An empty cell, outside of the table's key, is no attribute.  A cell of a key, the table's or an index's, is of
 * the type that the table declares.  Of the others, a quoted one is an S;
 * a number without leading zeros is an N, true and false are BOOL, null is NULL; what begins with '{' or '[' and is a value
 * in the plain format is that, quoted or not; all else is an S.
 */
_must_check_ int import_table_row(const struct import_table *t, const struct key_schema *key, struct str line,
                                  struct arena *arena, struct item *ret, struct error *e);
/* Would the cell, written without quotes, not be an S? */
bool import_plain_cell(struct str text);

/* ---- the queue (import_send.c) ---- */
struct import_block { /* of what one write brought */
        uint32_t n_open;     /* x->lock; lines not done */
        size_t bytes;
        struct arena arena;
        size_t n;
        char text[];
};

struct import_line {
        struct list link;    /* x->lock; queue or given */
        struct import_block *block;
        uint64_t number;
        struct str text;     /* in the block, without its newline */
        bool half;           /* x->lock; a tail that may still go on: if x->half no longer has it, it did */
        struct item item;
        struct write write;
};

/* What a close made of the tail.  All of it is void once the tail goes on, but for the id: that item is in the table. */
struct import_half {
        bool tried;                 /* since the last write */
        struct buf id;              /* of the item that was queued; until the line ends */
        bool bad;                   /* x->lock from here on; it is no item, or was refused ... */
        struct error why;           /* ... for this reason */
        struct import_line *line;   /* not done; borrowed */
};

struct import {
        bool busy;               /* fs.gate: down to `told` */
        struct fs *fs;
        struct node *node;       /* the file's; borrowed */
        struct place place;
        struct import_table table;
        struct buf tail;         /* a line that has not ended yet */
        struct import_half half; /* that line */
        uint32_t writer;         /* the program that wrote last; 0: unknown */
        bool skipping;           /* the rest of one that is too long */
        bool skipped_cr;         /* and last a '\r', which may be half of its newline */
        uint64_t offset, line;   /* bytes and lines so far */
        bool finished;           /* flushed since the last write, or that failed */
        bool told;               /* of the failure */
        struct op_ctx ctx;       /* the thread's */
        pthread_t thread;
        bool running;            /* to be joined */
        size_t ahead_max;
        struct mutex lock;       /* down to n_bad */
        struct cond cond;
        struct list queue, given;
        size_t bytes;            /* of blocks with open lines */
        uint64_t n_open;         /* lines */
        bool closing, stopped;
        bool keeping;            /* stopped, and not all lines are in rejected yet */
        int result;              /* of what stopped it */
        struct error error;
        double wcu, wcu_told;    /* of ctx */
        unsigned requests, requests_told;
        struct buf bad;          /* the refused lines since the last time they went to disk */
        struct error first;      /* of all refused lines */
        uint64_t n_bad;
        bool room, drained;      /* fs.gate */
};

/* ---- the text (import_read.c); busy ---- */
/* The lines that end in what has been written so far. */
_must_check_ int import_read_lines(struct import *x, struct op_ctx *ctx, struct str data, struct error *e);
/* Its program closes the file: the tail may be the last line, and is sent if it is one.  If not, half.bad. */
_must_check_ int import_try_tail(struct import *x, struct op_ctx *ctx, struct error *e);
/* Nothing follows: the tail is a line, and told and kept if it is none. */
_must_check_ int import_end_tail(struct import *x, struct op_ctx *ctx, struct error *e);
/* The same when it may be half a line: that may look like a whole one. */
void import_refuse_tail(struct import *x, const char *why);

/* The lines of a block, queued in their order; the block is taken over.  0 or -errno: no thread. */
_must_check_ int import_queue(struct import *x, struct import_block *block, struct list *lines, struct error *e);
void import_block_free(struct import_block *b); /* NULL is fine */
/* A line that cannot be imported: told, counted and, if text is not STR_NULL, kept. */
void import_refuse(struct import *x, uint64_t number, struct str text, const struct error *why);
/* Refused lines go to rejected; *ret (may be NULL) then says how many there were, why, and where they are. */
void import_keep_bad(struct import *x, struct error *ret);
/* The same of a tail that is bad, and nothing goes to rejected: it may go on, and belongs to the others if not. */
bool import_half_bad(struct import *x, struct error *ret);
bool import_stopped(struct import *x, int *ret, struct error *e);
/* Until all lines are done; ctx is charged. */
_must_check_ int import_drain(struct import *x, struct op_ctx *ctx, struct error *e);
