/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Imports: lines written to TABLE/.import/FORMAT become items.  import.c reads the lines, import_table.c those of csv,
 * import_send.c sends them while the program still writes.
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
        struct str header;   /* the line */
        bool refused;        /* that is no header: no other line is one */
        bool any_size;       /* of items: the store moves to S3 what does not fit */
        struct arena arena;
};
void import_table_deinit(struct import_table *t);
/* The first line: names of attributes, the whole key among them. */
_must_check_ int import_table_begin(struct import_table *t, const struct key_schema *key, struct str line, struct error *e);
/*
 * One line.  A cell of the key is of the key's type.  Of the others, an empty one is no attribute; a quoted one is an S;
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
        struct item item;
        struct write write;
};

struct import {
        bool busy;               /* fs.gate: down to `told` */
        struct fs *fs;
        struct node *node;       /* the file's; borrowed */
        struct place place;
        struct import_table table;
        struct buf tail;         /* a line that has not ended yet */
        bool skipping;           /* the rest of one that is too long */
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

/* The lines of a block, queued in their order; the block is taken over.  0 or -errno: no thread. */
_must_check_ int import_queue(struct import *x, struct import_block *block, struct list *lines, struct error *e);
void import_block_free(struct import_block *b); /* NULL is fine */
/* A line that cannot be imported: told, counted and kept. */
void import_refuse(struct import *x, uint64_t number, struct str text, const struct error *why);
/* Refused lines go to rejected; *ret (may be NULL) then says how many there were, why, and where they are. */
void import_keep_bad(struct import *x, struct error *ret);
bool import_stopped(struct import *x, int *ret, struct error *e);
/* Until all lines are done; ctx is charged. */
_must_check_ int import_drain(struct import *x, struct op_ctx *ctx, struct error *e);
