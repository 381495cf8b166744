/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Open files (file.c), drafts (draft.c), saving (commit.c). */
#include "cache_internal.h"
#include "place_internal.h"
#include "readers_internal.h"

/*
 * What a writer of an item has written and not yet saved (shared only with those who open a file that is
 * just being made).
 *
 *      created  loaded  dirty   meaning
 *      yes      yes     no      new file, nothing written (put as key only when the last writer goes)
 *      -        no      no      opened for writing, content not needed yet
 *      no       yes     no      as in the table (or truncated and not written: left as it was)
 *      -        yes     yes     to be committed at the next flush or fsync
 */
struct draft {
        struct list all;           /* fs.open_lock; fs.drafts */
        struct node *node;         /* reference */
        uint32_t writers;          /* nodes.lock */
        bool joined;               /* nodes.lock: it has had more than one */
        bool busy;                 /* fs.gate: loading or committing */
        struct stream *stream;     /* busy: what is too large for text, on its way to S3; owned (stream.c) */
        struct mutex lock;         /* everything below */
        struct buf text;
        uint64_t streamed;         /* bytes of the stream; then text is empty */
        uint32_t writing;          /* of an attribute: the program that has written to it last (its thread group) */
        bool lost;                 /* what was streamed could not be saved: there is nothing left to save */
        bool created, exclusive, loaded, dirty, truncated;
        uint32_t idle_flushes;     /* of an attribute: since it was emptied */
        uint64_t edits;            /* counts changes, to notice those made during a commit */
        bool told;                 /* the kernel was told to forget the item's attributes, after ... */
        uint64_t told_edits;       /* ... this state of the text was saved */
        bool read_here;            /* the writer was given the text at open: that is the version it knows */
        bool refused;              /* the last commit was refused ... */
        bool cut_off;              /* ... since its writer was killed ... */
        uint64_t refused_edits;    /* ... of this state of the text ... */
        struct error refused_error;/* ... for this reason */
        uint64_t mtime_ns;
        struct bases bases;        /* what a save replaces */
        uint64_t saved_seq;        /* of the journal (saves.c), for fsync; 0: the last commit was sent */
};

struct file_ops {
        int (*read)(struct fs *, struct op_ctx *, struct fs_file *, uint64_t, size_t, struct str *, struct fs_hold *,
                    struct error *);
        int (*write)(struct fs *, struct op_ctx *, struct fs_file *, uint64_t, struct str, struct error *);
        int (*commit)(struct fs *, struct op_ctx *, struct fs_file *, struct error *); /* at close and fsync; may be NULL */
        int (*sync)(struct fs *, struct op_ctx *, struct fs_file *, struct error *);   /* at fsync, after it; may be NULL */
        void (*release)(struct fs *, struct op_ctx *, struct fs_file *);
        bool sync_alone; /* fsync is that without commit */
};

struct fs_file {
        struct list all;             /* fs.open_lock; fs.files */
        const struct file_ops *ops;
        struct node *node;           /* reference */
        int flags;
        bool cached;                 /* counted in node.n_cached */
        struct snapshot *snapshot;   /* reader: what it reads */
        struct large_reader *large;  /* ... in S3, and then snapshot is what stands for it; owned */
        uint64_t large_size;
        struct draft *draft;         /* writer */
        struct buf content;          /* control file: its text */
        struct export *export;       /* stream of items; owned */
        struct import *import;       /* the other way round; owned */
        int fd;                      /* local file; -1 otherwise */
        bool wrote;                  /* local file: since the last flush */
        atomic_bool writer_noted;    /* local file: its node knows whose text it is */
        struct fs_file *next_local;  /* nodes.lock; node.local_files */
};
struct fs_hold hold_snapshot(struct snapshot *s); /* takes the reference; NULL is fine */
extern const struct file_ops item_file_ops, attr_file_ops, control_file_ops, local_file_ops;
/* The operations of a file whose content is one text: a reader's snapshot, or a writer's draft. */
_must_check_ int file_read_text(struct fs *, struct op_ctx *, struct fs_file *, uint64_t, size_t, struct str *,
                                struct fs_hold *, struct error *);
_must_check_ int file_write_text(struct fs *, struct op_ctx *, struct fs_file *, uint64_t, struct str, struct error *);
_must_check_ int file_commit_text(struct fs *, struct op_ctx *, struct fs_file *, struct error *);
void file_release_text(struct fs *, struct op_ctx *, struct fs_file *);
/* f->snapshot is what the reader gets: remembered as shown (id: place_file_id()), and shared with others by the page
 * cache where that may be. */
int file_serve(struct fs *fs, struct op_ctx *ctx, struct fs_file *f, struct str id, struct fs_opened *ret);
struct export *export_free(struct export *x); /* export.c */
struct import *import_free(struct import *x); /* import_send.c; stops it, and keeps in rejected what was not sent */
void imports_finish(struct fs *fs, struct op_ctx *ctx); /* at the end of the mount */
void file_free(struct fs *fs, struct fs_file *f);

struct fs_file *file_new(struct fs *fs, struct node *n, int flags, const struct file_ops *ops); /* NULL: ENOMEM */
_must_check_ int item_open(struct fs *fs, struct op_ctx *ctx, struct node *n, int flags, bool create,
                           struct fs_opened *ret, struct error *e);
/* draft.c */
_must_check_ int draft_open(struct fs *fs, struct op_ctx *ctx, struct node *n, int flags, bool create, struct draft **ret,
                            struct error *e);
/* At close, so that the next open finds it so; release comes later. */
void note_emptied(struct fs *fs, struct draft *d);
void draft_close(struct fs *fs, struct op_ctx *ctx, struct draft *d);
_must_check_ int draft_write(struct draft *d, uint64_t offset, bool append, struct str data, struct error *e);
/* The same of an attribute: what grows large streams to S3.  -EOPNOTSUPP: it does, and this is not its end. */
_must_check_ int draft_write_attr(struct fs *fs, struct op_ctx *ctx, struct draft *d, uint64_t offset, bool append,
                                  struct str data, struct error *e);
int draft_not_at_its_end(struct error *e); /* that error */
/* A program closes it: -EINTR when it was killed and has written last, for that is not the whole.  What was streamed is
 * given up, a text is kept as any that is refused. */
_must_check_ int draft_check_killed(struct fs *fs, struct op_ctx *ctx, struct draft *d, struct error *e);
bool was_killed(uint32_t pid); /* by a signal, and this is what it leaves behind */
/* What was streamed; every later commit says why.  busy. */
void draft_give_up(struct draft *d, struct op_ctx *ctx, const struct error *why);
_must_check_ int draft_load_large(struct fs *fs, struct op_ctx *ctx, struct draft *d, const struct place *p,
                                  struct snapshot *item, struct buf *content, bool *ret, struct error *e);
_must_check_ int draft_truncate(struct fs *fs, struct op_ctx *ctx, struct draft *d, uint64_t size, struct error *e);
/* The node's uncommitted text, if it has any: its size and time. */
bool draft_stat(struct fs *fs, struct node *n, uint64_t *ret_size, uint64_t *ret_mtime_ns);
_must_check_ int draft_new_names(struct fs *fs, struct node *dir, struct names *ret); /* children not in the table yet */
bool draft_emptied(struct fs *fs, struct node *n); /* of an attribute, which is to be empty when its writer goes */
bool draft_is_new(struct fs *fs, struct node *n); /* created here, not in the table yet */
_must_check_ int draft_save_new(struct fs *fs, struct op_ctx *ctx, struct node *n, struct error *e);
/* Unlinked before it was saved: it just goes.  *ret = false: it is in the table by now. */
_must_check_ int draft_drop_new(struct fs *fs, struct op_ctx *ctx, struct node *n, bool *ret, struct error *e);
/* commit.c */
_must_check_ int draft_commit(struct fs *fs, struct op_ctx *ctx, struct draft *d, bool touch, struct error *e);
/* A whole text, written by this program, becomes the item dir/name, replacing the version it knows; exclusive: only
 * if there is none.  A refused text is kept in rejected. */
_must_check_ int save_text(struct fs *fs, struct op_ctx *ctx, struct program program, struct node *dir, struct str name,
                           struct str text, bool exclusive, struct error *e);
/* Parse the text as the item at this place. */
_must_check_ int item_parse(struct fs *fs, const struct place *p, struct str text, struct arena *a, struct item *ret,
                            struct error *e);
/* ---- refused texts (rejected.c) ---- */
/* Keep the text and why beside it, below state_dir/rejected; *why's message then says where.  Never fails the
 * operation. */
void reject_text(struct fs *fs, struct node *n, struct str child, struct str text, struct error *why);
void reject_at(struct fs *fs, struct str path, uint64_t ino, struct str text, struct error *why);
/* What was streamed, all of it, if S3 has it or can have it; the stream's save is over. */
void reject_stream(struct fs *fs, struct op_ctx *ctx, struct node *n, struct stream *x, struct error *why);
