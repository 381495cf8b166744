/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Saves that are in a journal on local disk and not in the table yet (-o commit=batch).
 *
 *      saves.c        what is waiting, by key and in order
 *      saves_front.c  the store in front of the store, by which everybody else in this mount sees it: a read of such an
 *                     item answers with it, any other request that touches it waits until it is sent
 *      saves_send.c   the threads that send it
 *      saves_log.c    the file; many writers share one fsync
 *      saves_record.c what is written there
 *      saves_replay.c what a crashed mount has left
 */
#include "ddbfs/base/buf.h"
#include "place_internal.h"
#include "ddbfs/store/large.h"

/* A table that saves go to.  What is wrong with one is no reason for the saves of others to wait. */
struct save_table {
        struct list all;
        struct table_schema *schema; /* constant: reference; only its name matters */
        unsigned sending;            /* threads that send to it */
        uint64_t retry_ns;           /* not before */
        uint64_t retry_after_ns;     /* how long next time; 0: it works */
        uint64_t failed;             /* the number of its last failure; 0: none */
        uint64_t forgotten;          /* the highest number among refused saves that there was no room for */
        struct error failure;
};

/* One save.  All: saves.lock, but what is constant after the start. */
struct save_entry {
        struct hmap_node node;   /* by the item's id */
        struct list all;         /* oldest first */
        struct list chain;       /* the sender's: those of one key that are sent as one, oldest first */
        uint64_t seq;            /* constant */
        uint64_t since_ns;       /* constant: when it was saved */
        struct place place;      /* constant */
        struct save_table *table; /* constant */
        enum write_op op;        /* constant: PUT or UPDATE */
        bool exclusive;          /* constant: PUT, when the service last said that there was none */
        bool replayed;           /* constant: of another mount, which may have sent it already */
        struct arena arena;      /* of the items */
        struct item item, base;  /* constant: what is saved; UPDATE: and what it was made from */
        char *path;              /* constant, owned: as the person sees it */
        uint64_t ino;
        bool durable, sending, alone;
        unsigned tries;          /* sent before, without an answer: the table may have it */
};

#define SAVE_ITEM_MAX (64 * MIB) /* of memory for the two items of a save */

struct saves;
/* fs->saves, in front of fs->store, with its file in the journal's folder.  Before anybody else uses the store. */
_must_check_ int saves_open(struct fs *fs);
#define SAVES_NAME "saves"
#define SAVES_FILE_MAX (64 * MIB)
void saves_free(struct fs *fs);
/* From now on this mount's view is as if `w` were done; base: UPDATE: the item its conditions are about.
 * *ret_text: the item's text as it is then, which the cache has already.  0, -ESTALE or -EEXIST: what is waiting
 * contradicts a condition; 1: it cannot be journaled, send it. */
_must_check_ int saves_write(struct fs *fs, struct op_ctx *ctx, const struct place *p, struct str path, uint64_t ino,
                             const struct write *w, const struct item *base, struct snapshot **ret_text,
                             uint64_t *ret_seq, struct error *e);
/* Until all that was saved up to now of this key / partition / table (by how much of p is set), or all (NULL), is in the
 * table or refused; seq: and how that one ended (0: none).  When only that is left of it which could not be sent
 * meanwhile, that failure ends the wait. */
_must_check_ int saves_wait(struct fs *fs, struct op_ctx *ctx, const struct table_schema *table, const struct key *key,
                            uint64_t seq, struct error *e);
/* The same for what can also be done another way: for a second at most, and not at all for what could not be sent or has
 * waited for a second before.  true: nothing waits. */
bool saves_settle(struct fs *fs, struct op_ctx *ctx, const struct table_schema *table, const struct key *key);
bool saves_any(struct fs *fs);
/* Does a save of that key / partition / table (by how much of key is set) wait? */
bool saves_waiting(struct fs *fs, const struct table_schema *table, const struct key *key);
void saves_stop(struct fs *fs, uint64_t until_ns); /* sends what is waiting, for as long as there is time */
/* The entry is queued as durable; *e is taken over. */
_must_check_ int saves_adopt(struct fs *fs, struct save_entry *x);
struct save_entry *save_entry_free(struct save_entry *x);
DEFINE_CLEANUP(struct save_entry, save_entry_free)

/* ---- saves_log.c ---- */
struct save_log;
struct save_log_wait {
        struct list all;
        bool done;
        int r;
};
/* fd is taken over; may be -1: then nothing can be logged. */
_must_check_ int save_log_new(int fd, size_t max, struct save_log **ret);
struct save_log *save_log_free(struct save_log *l);
/* Put a record in line, in the order of the calls.  -ENOSPC: the file is as large as it may be. */
_must_check_ int save_log_put(struct save_log *l, struct str record, struct save_log_wait *w);
/* The same of "done" records, which are small: however large the file is, for it is emptied only after them. */
_must_check_ int save_log_put_done(struct save_log *l, struct str record, struct save_log_wait *w);
/* On disk, with whatever else is in line.  0 or -errno: it is not in the file. */
_must_check_ int save_log_wait(struct save_log *l, struct save_log_wait *w);
/* Nothing in it matters any more, and nothing is in line.  false: it is not empty. */
bool save_log_clear(struct save_log *l);
bool save_log_crowded(struct save_log *l); /* over half of what it may hold */

/* From a damaged record on, when there are whole ones after it (part of `text`). */
struct str saves_damaged(struct str text);
/* An adopted file: every save in it, up to what is damaged, that has no "done" joins the queue; what cannot goes to *left. */
_must_check_ int saves_replay(struct fs *fs, struct op_ctx *ctx, struct str text, struct buf *left);

/* ---- commit.c ---- */
/* w: the attributes in which `item` differs from `base`, each with its old value as condition. */
_must_check_ int item_diff(const struct place *p, const struct item *base, const struct item *item, struct arena *a,
                           struct write *w);
/* The first attribute whose condition does not hold; no text: all hold. */
struct str item_contradicts(const struct write *w, const struct item *now);

/* What the sender does with the queue (saves.c). */
struct saves {
        struct store face;       /* what fs->store is */
        struct store_ops ops;    /* its */
        struct large_ops large;
        struct fs *fs;
        struct store *inner;     /* constant */
        struct save_log *log;
        bool batch;              /* constant: commit=batch; else only what was adopted is here */
        struct mutex lock;       /* everything below */
        struct cond cond;        /* senders and waiters */
        struct hmap by_id;
        struct list queue;
        size_t n;
        uint64_t next_seq;
        unsigned hurry;          /* waiters */
        bool stopping, given_up;
        bool adopting;           /* a chain is sent as one only when all of it is here */
        unsigned running;
        unsigned finishing;      /* senders that are noting down what is sent: the file is not emptied yet */
        struct buf undone;       /* "done" records that could not be written: they go with the next */
        struct list tables;      /* struct save_table; they stay */
        uint64_t failures;       /* ever, of all tables */
        struct save_refused {
                uint64_t seq;
                struct save_table *table;
                struct error error;
        } refused[64];
        unsigned n_refused;
#define SAVE_SENDERS 5
#define SAVE_SENDERS_OF_TABLE (SAVE_SENDERS - 1) /* one is left for the others, however long it takes */
        pthread_t threads[SAVE_SENDERS];
        struct op_ctx *sending[SAVE_SENDERS];
        uint64_t looks_ns[SAVE_SENDERS]; /* when each looks by itself; 0: it is at work, UINT64_MAX: when it is told */
};
/* Enough threads for what is waiting, and one that is not busy.  false: there is none at all; lock is held. */
bool saves_start_sender(struct saves *s);
/* x is durable: a sender is to look at it, if none does so soon.  lock is held. */
void saves_tell(struct saves *s, const struct save_entry *x);
void saves_retry(struct saves *s, const struct table_schema *table); /* of it, or all, now; lock is held */
/* The newest of a key; NULL: none waits.  lock is held. */
struct save_entry *saves_newest(struct saves *s, struct str id);

/* ---- saves_front.c ---- */
void saves_make_face(struct saves *s);
