/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Open directories (dir.c) and what they hold (dir_sources.c). */
#include <pthread.h>
#include "place_internal.h"
#include "scan_pace.h"

#define SIZE_UNREAD UINT64_MAX

struct dir_entry {
        uint32_t name_at; /* in page.names */
        uint32_t name_n : 12;
        enum node_kind kind : 8; /* small: a listing of a million has a million of these */
        enum level level : 4;
        uint32_t control : 8;
        uint64_t size, mtime_ns, hash; /* ITEM; size SIZE_UNREAD: they are not known yet */
};

/* What one request of the listing brought.  Entries have ordinals from the beginning of the directory. */
struct dir_page {
        struct buf names;
        struct dir_entry *entries; /* owned */
        uint32_t n, cap;
        uint64_t first;            /* ordinal of entries[0] */
        uint64_t fetched_ns;
        bool loaded, last;         /* last: no page after this one */
        struct item *next;         /* start of the next page, in the directory's arena; NULL: none */
};
void dir_page_deinit(struct dir_page *p);
void dir_page_trim(struct dir_page *p); /* to what it holds */
_must_check_ int dir_page_append(struct dir_page *to, const struct dir_page *from); /* the entries */
_must_check_ int dir_page_add(struct dir_page *p, struct str name, const struct dir_entry *e);

/* Append what follows `start` (NULL: from the beginning) to the page; ret_next in d->arena, NULL: the end. */
typedef int (*dir_load)(struct fs *fs, struct op_ctx *ctx, struct fs_dir *d, const struct item *start,
                        struct dir_page *page, struct item **ret_next, struct error *e);
dir_load dir_source_of(const struct place *p);
dir_load view_source_of(const struct view *v);
/* The items of one request of a listing go onto the page. */
typedef int (*dir_add)(struct fs *fs, struct fs_dir *d, const struct items *items, const struct item *start,
                       struct dir_page *page, uint64_t start_ns, struct error *e);
/* A page of the names of partitions (dir_scan.c): what is large is skipped (scan_pace.h).  s: its projection is the
 * hash attributes, its limit is filled in here. */
_must_check_ int dir_scan_partitions(struct fs *fs, struct op_ctx *ctx, struct fs_dir *d, struct scan_request *s,
                                     dir_add add, struct dir_page *page, struct item **ret_next, struct error *e);
/* One request of it: the pace's limit, and what it has seen.  Items of the same partition; the start key becomes one
 * behind the whole partition it lies in. */
_must_check_ int dir_scan_once(struct fs *fs, struct op_ctx *ctx, struct scan_pace *pace, struct scan_request *s,
                               struct items *items, struct error *e);
bool dir_same_partition(const struct key_schema *key, const struct item *a, const struct item *b);
void dir_skip_partition(const struct key_schema *key, struct item *next);

/* ---- a long listing of partitions by several requests at once (dir_lanes.c) ---- */
/* What dir_scan_once() would bring for s->start, asked for now or seen by a lane before: at *ret_start_ns. */
_must_check_ int dir_lanes_scan(struct fs *fs, struct op_ctx *ctx, struct fs_dir *d, struct scan_request *s,
                                struct items *items, uint64_t *ret_start_ns, struct error *e);
/* Around the requests of a page; next: where the following one begins, or NULL. */
void dir_lanes_page(struct fs *fs, struct fs_dir *d, const struct scan_request *s);
void dir_lanes_page_end(struct fs_dir *d, const struct item *next, bool failed);
void dir_lanes_free(struct fs_dir *d); /* cancels what is under way */

/* The items of one partition, d's, go onto the page and into the cache. */
_must_check_ int dir_add_items(struct fs *fs, struct fs_dir *d, const struct items *items, struct dir_page *page,
                               uint64_t start_ns);
struct value dir_greatest(enum value_type type); /* no sort key of the type is above it; static memory */
_must_check_ int dir_keep_next(struct fs_dir *d, const struct items *items, struct item **ret_next);
/* Show a chain directory the first time its prefix turns up, and again at that place when a page is re-read. */
bool dir_chain_is_new(struct fs_dir *d, struct str name, uint64_t ordinal);
_must_check_ int dir_load_first(struct fs *fs, struct op_ctx *ctx, struct fs_dir *d, struct error *e); /* the first page */
_must_check_ int view_lists(struct fs *fs, struct op_ctx *ctx, struct node *dir, struct str name, bool *ret, struct error *e);
bool dir_open_by(struct fs *fs, const struct node *n, struct program p); /* this program has it open */
_must_check_ int dir_is_empty(struct fs *fs, struct op_ctx *ctx, struct node *n, bool *ret, struct error *e);

/* Chain directories shown so far: one per prefix, wherever its names turn up. */
struct dir_seen {
        struct hmap_node node;
        uint64_t ordinal;
};

/* An open directory that is nobody's handle, for dir_add_items(): *p is taken over.  NULL: no memory. */
struct fs_dir *dir_detached(struct place *p);
void dir_detached_free(struct fs *fs, struct fs_dir *d);

struct dir_checkpoint {
        uint64_t first;
        const struct item *start;
};

/* Work in the background (ahead.c); zeroed at first. */
struct ahead {
        bool done;             /* fs.gate */
        bool started;          /* the owner's, as the rest: there is a thread to join, and ctx is alive */
        struct fs *fs;
        pthread_t thread;
        struct op_ctx ctx;     /* its costs may be read after ahead_join() */
        void (*run)(struct fs *, struct ahead *);
};
/* false: not now (too many of them, or no thread).  What ran before under `a` is joined first. */
bool ahead_start(struct fs *fs, struct ahead *a, const char *name, void (*run)(struct fs *, struct ahead *));
void ahead_goes_on(struct ahead *a); /* by itself, with another piece of work: all the time for it that a new job has */
void ahead_join(struct ahead *a); /* waits */
void ahead_stop(struct ahead *a); /* cancels it and waits */
void ahead_no_more(struct fs *fs);

/* The page after the one that is being read (dir_ahead.c). */
struct dir_ahead {
        struct ahead job;
        bool fetching;            /* under way, or there and not taken */
        const struct item *start;
        struct dir_page page;     /* the job's until it is done */
        int r;                    /* how it ended */
};
void dir_ahead_begin(struct fs *fs, struct fs_dir *d);
/* The page that begins at ordinal `first` becomes d->page, if it is the one that was fetched; waits for it. */
_must_check_ int dir_ahead_take(struct fs *fs, struct op_ctx *ctx, struct fs_dir *d, uint64_t first, bool *ret_taken,
                                struct error *e);
void dir_ahead_drop(struct fs *fs, struct fs_dir *d);

struct fs_dir {
        struct list all;            /* fs.open_lock; fs.dirs */
        struct node *node;          /* reference */
        struct program program;     /* who opened it */
        struct node *base;          /* reference; whose children its items are: a range is not the directory of its items */
        struct place place;
        dir_load load;
        bool busy;                  /* fs.gate: everything below belongs to the one that set it */
        struct arena arena;         /* starts of pages */
        struct dir_page page;
        struct dir_ahead ahead;
        unsigned reads;             /* calls of readdir since the beginning */
        struct dir_page collected;  /* what was listed so far, for listing_put() */
        struct names overlay;       /* what exists in this mount only, as of opendir */
        bool *overlay_seen;
        struct dir_checkpoint *checkpoints; /* where each page began, ascending */
        uint32_t n_checkpoints, cap_checkpoints;
        struct dir_lanes *lanes;    /* owned; NULL: none */
        struct scan_pace pace;      /* of a listing of partitions; interval 0: not begun */
        struct hmap seen;           /* struct dir_seen by hash of the name */
        int pending;                /* an error kept for the next call */
};
