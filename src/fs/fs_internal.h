/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Inside the file system.
 *
 * Lock order: nodes.lock > draft.lock > cache lock; op_ctx.lock > gate.lock; none is held over a call of
 * the store (the http layer checks).  Long waits go through the gate (gate_internal.h) and item_load().
 */
#include <fcntl.h>
#include "ahead_internal.h"
#include "cache_internal.h"
#include "dir_internal.h"
#include "file_internal.h"
#include "listing_internal.h"
#include "fill_internal.h"
#include "gate_internal.h"
#include "item_dir_internal.h"
#include "node_internal.h"
#include "readers_internal.h"
#include "place_internal.h"
#include "spare_internal.h"
#include "ddbfs/base/hmap.h"
#include "ddbfs/base/list.h"
#include "ddbfs/codec/keyname.h"
#include "ddbfs/fs/fs.h"

/* ---- the file system ---- */

/* A partition whose items are asked for one after the other (crawl.c). */
#define CRAWL_SLOTS 64
struct crawl {
        uint64_t hash, last_ns, last_item, brought_ns;
        uint32_t misses, brought, hits; /* hits: of what was brought last, while it was fresh */
        float price;                    /* of what was brought last, in single reads; 0: too little to tell */
        uint32_t absents, absent_run;   /* look-ups of what is not there (crawl_absents()) */
};

#define TOURS_MAX 4 /* tables that are being toured */

#define RECENT_SLOTS 4096
#define ERRORS_KEPT 256
#define OWN_WRITE_WINDOW_NS (5 * NS_PER_S)    /* reads after an own write are strong for so long */
#define LINGER_NS (60 * NS_PER_S)             /* an emptied partition stays visible for so long */
#define PATH_TEXT_MAX (64 * KIB)

struct error_record {
        uint64_t wall_ns, ino;
        const char *op;
        char *path; /* owned */
        int errno_code;
        struct error error;
};

struct fs {
        struct fs_options o;
        struct store *store;      /* borrowed */
        struct fs_notify notify;
        uint64_t started_wall_ns;
        struct nodes nodes;
        struct cache *cache;
        struct tables *tables;
        struct removals *removals;
        struct saves *saves;      /* constant after the start; NULL: none */
        struct listings *listings;
        struct readers *readers;

        struct mutex gate;        /* every `busy` flag, flights, and waiting for them */
        struct cond gate_cond;
        struct hmap flights;      /* gate; flight.c */
        unsigned n_ahead;         /* gate: jobs in the background (ahead.c) */
        bool ahead_stopped;       /* gate: no more of them */
        struct tour *tours[TOURS_MAX]; /* gate; tour.c */
        struct list turns;        /* gate; struct item_turn */

        struct mutex small_lock;  /* down to n_errors */
        struct crawl crawls[CRAWL_SLOTS];
        uint64_t recent[RECENT_SLOTS]; /* monotonic time of the last own write of a partition or table */
        struct list gaps;         /* struct gap; absent.c */
        uint64_t gaps_flushed_ns; /* what was asked for up to then is no gap any more */
        struct list local_dirs;   /* struct local_dir */
        struct spares spares;
        struct removed_attr removed_attrs[REMOVED_ATTRS]; /* a ring (attr_save.c) */
        uint32_t n_removed_attrs;
        struct parsed *parsed;    /* the item whose attributes were looked at last (item_dir.c) */
        struct error_record errors[ERRORS_KEPT];
        uint64_t n_errors;        /* ever recorded; the ring's head */

        atomic_ullong spool_bytes; /* of scratch files, at most (spool.c) */
        atomic_bool spool_counted;
        atomic_uint local_temps;  /* names of temporary files */
        atomic_ullong local_edits; /* changes to scratch files, each counted when it is made and before it is answered */

        struct mutex away_lock;   /* aways, away_running, away_stopping */
        struct cond away_cond;
        struct list aways;        /* struct away */
        bool away_running, away_stopping;
        atomic_uint n_aways;
        atomic_ullong away_pass;
        bool away_busy;           /* gate: one is being deleted, or taken back */
        int journal_fd;           /* constant after the start; -1: none */
        char journal_own[40];     /* the name of its folder */
        pthread_t away_thread;

        atomic_uint n_pumps, n_imports; /* exports that are scanned in parallel; open imports */
#define LANES_VAIN 64
        atomic_uint lanes_vain[LANES_VAIN]; /* by table: beginnings of lanes that brought nothing, in a row (dir_lanes.c) */

        struct mutex open_lock;
        struct list drafts, files, dirs; /* open_lock; struct draft, fs_file, fs_dir */
};

/* What programs had open when the mount ended. */
void files_free(struct fs *fs);
void drafts_free(struct fs *fs);
void dirs_free(struct fs *fs);

/* ---- one request for all who ask the same (flight.c) ---- */
struct flight_answer { /* references for whoever got it */
        bool again;    /* for the asker: it has waited for another's answer first, which may be cached by now */
        struct snapshot *snapshot;
        struct table_schema *schema;
};
typedef int (*flight_ask)(void *arg, struct op_ctx *ctx, struct flight_answer *ret, struct error *e);
/* id: what is asked; different questions have different ids.  since_ns: when this mount last changed what the answer
 * tells; one under way that began before is not joined. */
_must_check_ int flight(struct fs *fs, struct op_ctx *ctx, struct str id, uint64_t since_ns, flight_ask ask, void *arg,
                        struct flight_answer *ret, struct error *e);

/* ---- telling the person (report.c) ---- */
/* Ends an operation: records and logs e when r < 0 (a plain "no such file" is no event), charges n (NULL: nobody).  Returns r. */
int fs_done(struct fs *fs, struct op_ctx *ctx, struct node *n, struct str child, int r, const struct error *e);
/* Of an operation that has not failed; code: an errno (positive) that fits. */
void fs_warn(struct fs *fs, struct op_ctx *ctx, struct node *n, int code, const struct error *e);
void fs_report(struct fs *fs, struct op_ctx *ctx, struct str path, uint64_t ino, int r, const struct error *e); /* without a node */
/* A name below dir that is not there, and the reason, which dir's user.ddbfs.error shows. */
void fs_note(struct fs *fs, struct op_ctx *ctx, struct node *dir, struct str name, const struct error *e);
void errors_render(struct fs *fs, struct buf *out);
/* The newest error of a path, as JSON; -ENODATA when none. */
_must_check_ int errors_find(struct fs *fs, uint64_t ino, struct buf *out);
int fs_no_item(struct error *e); /* ERR_NO_ITEM, -ENOENT */

/* ---- tables (tables.c) ---- */
struct tables;
_must_check_ int tables_new(struct fs *fs, struct tables **ret);
struct tables *tables_free(struct tables *t);
/* The description of a table by its name in the mount; a reference.  -ENOENT when the service or TABLES says so. */
_must_check_ int tables_get(struct fs *fs, struct op_ctx *ctx, struct str name, struct table_schema **ret, struct error *e);
void tables_invalidate(struct fs *fs, struct str name);
bool tables_refresh(struct fs *fs, struct str name); /* the next to ask gets one no older than cache_ttl; false: it is */
void tables_flush(struct fs *fs);
/* Names to show, sorted, in ret (names_init()ed). */
_must_check_ int fs_names_add(struct names *ret, struct str name); /* copies */
_must_check_ int tables_list(struct fs *fs, struct op_ctx *ctx, struct names *ret, struct error *e);

/* Their descriptions, by many requests at once; failed[i]: there is none to be had of that one for now. */
_must_check_ int tables_learn(struct fs *fs, struct op_ctx *ctx, const struct names *names, bool *failed, struct error *e);
_must_check_ int tables_probe(struct fs *fs, struct op_ctx *ctx, struct error *e);

/* ---- own writes (recent.c) ---- */
void fs_wrote(struct fs *fs, const struct place *item);
bool fs_read_strong(struct fs *fs, const struct place *p);
bool fs_wrote_since(struct fs *fs, const struct place *p, uint64_t since_ns); /* to a partition, or anywhere in a table */
uint64_t fs_wrote_ns(struct fs *fs, const struct place *p);                   /* when it did last; 0: long ago, if ever */
bool fs_wrote_since_locked(struct fs *fs, const struct place *p, uint64_t since_ns); /* small_lock is held */
/* Partitions that exist in this mount only (mkdir, or emptied a moment ago). */
void local_dir_add(struct fs *fs, uint64_t parent_ino, struct str name, uint64_t until_ns /* UINT64_MAX: mkdir */);
void local_dir_settled(struct fs *fs, struct node *item); /* its partition holds an item: it is as any other */
bool local_dir_has(struct fs *fs, uint64_t parent_ino, struct str name);
bool local_dir_remove(struct fs *fs, uint64_t parent_ino, struct str name);
void local_dirs_free(struct fs *fs);
void dir_linger(struct fs *fs, struct node *dir); /* an item left its partition, which stays visible for a while (remove.c) */
_must_check_ int local_dir_names(struct fs *fs, uint64_t parent_ino, struct names *ret);

/* ---- local files (local.c): scratch files and the rejected folder, real files in the state folder ---- */
/* May it be a scratch file's?  Names of items end in .json and do not begin with a dot, but for the last pieces of
 * long ones (in_chain). */
bool local_name(struct str name, bool in_chain);
_must_check_ int local_stat(struct fs *fs, struct node *dir, struct str name, struct stat *ret); /* -ENOENT, ... */
_must_check_ int local_attr(struct fs *fs, struct node *n, struct fs_attr *ret, struct error *e);
_must_check_ int local_names(struct fs *fs, struct node *dir, struct names *ret);
_must_check_ int local_file_attr(struct fs *fs, const struct fs_file *f, struct fs_attr *ret, struct error *e);
_must_check_ int local_open(struct fs *fs, struct node *n, int flags, struct fs_opened *ret, struct error *e);
/* *ret_fd: for local_opened(), which takes it over, also when it fails. */
_must_check_ int local_create(struct fs *fs, struct node *dir, struct str name, int flags, int *ret_fd, struct error *e);
_must_check_ int local_opened(struct fs *fs, struct node *n, int flags, int fd, struct fs_opened *ret, struct error *e);
_must_check_ int local_mkdir(struct fs *fs, struct node *dir, struct str name, struct error *e);
bool local_in_spool(struct fs *fs, struct node *dir); /* beside items or in a scratch folder, not in rejected */
_must_check_ int local_remove(struct fs *fs, struct node *dir, struct str name, bool directory, struct error *e);
_must_check_ int local_rename(struct fs *fs, struct node *dir, struct str name, struct node *new_dir, struct str new_name,
                              unsigned flags, struct error *e);
/* Partitions that hold scratch files (local_folder.c). */
bool local_folder_used(struct fs *fs, uint64_t parent_ino, struct str name);
_must_check_ int local_folder_names(struct fs *fs, uint64_t parent_ino, struct names *ret);
void local_folders_tidy(struct fs *fs);
void local_move_folder(struct fs *fs, struct node *dir, struct str name, struct node *new_dir, struct str new_name);
_must_check_ int local_truncate(struct fs *fs, struct node *n, struct fs_file *f, uint64_t size, struct error *e);
_must_check_ int local_symlink(struct fs *fs, struct node *dir, struct str name, struct str target, struct error *e);
_must_check_ int local_readlink(struct fs *fs, struct node *n, struct buf *out);
_must_check_ int local_read_all(struct fs *fs, struct node *dir, struct str name, struct buf *out, struct error *e);
_must_check_ int local_write_all(struct fs *fs, struct node *dir, struct str name, struct str text, struct error *e);

/* ---- items renamed to a scratch name (away.c) ---- */
/* The item stays in the table for the grace time, invisible here; journaled.  *p is taken over. */
_must_check_ int away_add(struct fs *fs, struct place *p, const struct item *item, struct snapshot *text,
                          struct error *e);
bool away_find(struct fs *fs, struct str id);
/* Before the name is written again: it is not deleted from now on.  *ret: a reference to the text that is still
 * in the table; NULL: it is not away (any more). */
_must_check_ int away_text(struct fs *fs, struct op_ctx *ctx, struct str id, struct snapshot **ret, struct error *e);
/* After it: there is a new item of that key; what was written was refused, the item is shown again; nothing came of it. */
void away_returned(struct fs *fs, struct str id);
void away_refused(struct fs *fs, struct str id);
void away_unchanged(struct fs *fs, struct str id);
/* Unlinked after a refused save: away again rather than deleted, its text may be about to come back. */
bool away_again(struct fs *fs, const struct place *p);
/* Delete those whose time is up, or all below a partition or that item (only), or all (last: what fails is for the next mount).
 * Returns when the next one is due; UINT64_MAX: never. */
uint64_t away_expire(struct fs *fs, struct op_ctx *ctx, const struct place *only, bool last);
void away_stop(struct fs *fs);
void away_free(struct fs *fs);

/* ---- unlinks sent in batches (removals.c) ---- */
_must_check_ int removals_new(struct fs *fs);
bool removals_streak(struct fs *fs, struct node *dir, struct program p); /* its unlink may be queued */
void removals_succeeded(struct fs *fs, struct node *dir); /* one more in this directory */
/* *p is taken over. */
_must_check_ int removals_add(struct fs *fs, struct op_ctx *ctx, struct place *p, struct node *dir, struct str name,
                              struct error *e);
bool removals_pending(struct fs *fs, struct str id);
_must_check_ int removals_wait(struct fs *fs, struct op_ctx *ctx, struct error *e); /* until all that are queued now are decided */
/* Items of this directory could not be deleted after their unlink had returned, and nobody was told yet (first: not by
 * an unlink either): the errno of the first.  0: none. */
_must_check_ int removals_failed(struct fs *fs, struct node *dir, bool first, struct error *e);
/* The same for an unlink, once; what else was answered in advance is decided by then. */
_must_check_ int removals_tell(struct fs *fs, struct op_ctx *ctx, struct node *dir, struct error *e);
void removals_stop(struct fs *fs, uint64_t until_ns); /* sends what is queued, for as long as there is time */
void removals_free(struct fs *fs);

/* ---- items (item.c) ---- */
/* Gone for this mount, whatever the table says: renamed away, or about to be deleted. */
bool item_hidden(struct fs *fs, struct str id);
/* How old an answer may be: of a view, no older than what this mount wrote to its items. */
uint64_t known_age(struct fs *fs, const struct place *p, uint64_t max_age_ns);
/* The item's text, from the cache when not older than max_age_ns, else from the service (one request for
 * many waiters).  -ENOENT (ERR_NO_ITEM) on the service's word. */
_must_check_ int item_load(struct fs *fs, struct op_ctx *ctx, const struct place *p, uint64_t max_age_ns, bool strong,
                           struct snapshot **ret, struct error *e);
/* w->conditions: it is still what we read: every attribute.  -EXDEV: more than one expression can name. */
_must_check_ int item_unchanged(const struct place *p, const struct item *item, struct write *w, struct arena *a,
                                struct error *e);
_must_check_ int item_snapshot(struct fs *fs, const struct place *p, const struct item *item, struct snapshot **ret);
/* Does the partition hold an item (or exist locally)?  -ENOENT: no. */
_must_check_ int partition_exists(struct fs *fs, struct op_ctx *ctx, struct node *dir, struct str name,
                                  const struct place *p, struct error *e);
void partition_seen(struct fs *fs, struct str id, uint64_t start_ns);
/* What is known of its existence is void; exists: it does, as of now. */
void partition_wrote(struct fs *fs, const struct place *item, bool exists);
_must_check_ int partition_empty(struct fs *fs, struct op_ctx *ctx, const struct place *p, bool *ret, struct error *e);

/* ---- attributes (attr.c) ---- */
void attr_dir(struct fs *fs, uint64_t ino, struct fs_attr *ret);
void attr_file(struct fs *fs, uint64_t ino, uint64_t size, uint64_t mtime_ns, uint64_t valid_ns, struct fs_attr *ret);
/* These attributes, of the version `hash`, are what the kernel will hold.  While readers share the page cache it must
 * hold the size of what they read, or it would cut that off: then *ret becomes that. */
void attr_told(struct fs *fs, struct node *n, uint64_t hash, struct fs_attr *ret);
_must_check_ int node_attr(struct fs *fs, struct op_ctx *ctx, struct node *n, struct fs_attr *ret, struct error *e);
/* The entry of a node that exists, with a lookup count for the caller (lookup.c). */
_must_check_ int entry_of(struct fs *fs, struct op_ctx *ctx, struct node *n, struct fs_entry *ret, struct error *e);
_must_check_ int node_lookup(struct fs *fs, struct op_ctx *ctx, struct node *dir, struct str name, struct fs_entry *ret,
                             struct error *e); /* lookup.c */
uint64_t node_ino_now(struct fs *fs, struct node *n);
uint64_t ttl_left(struct fs *fs, uint64_t fetched_ns);

/* ---- files of views (export.c, info.c) ---- */
_must_check_ int export_open(struct fs *fs, struct op_ctx *ctx, struct node *n, struct fs_opened *ret, struct error *e);
_must_check_ int import_open(struct fs *fs, struct op_ctx *ctx, struct node *n, int flags, struct fs_opened *ret,
                             struct error *e);
_must_check_ int info_open(struct fs *fs, struct op_ctx *ctx, struct node *n, struct fs_opened *ret, struct error *e);
_must_check_ int info_attr(struct fs *fs, struct op_ctx *ctx, struct node *n, struct fs_attr *ret, struct error *e);

/* ---- control (control.c) ---- */
#define CONTROL_DIR ".ddbfs"
#define REJECTED_DIR "rejected"
size_t control_count(void);
struct str control_name(size_t i);
bool control_find(struct str name, uint8_t *ret);
bool control_writable(uint8_t i);
#define CONTROL_TEXT_MAX (16 * MIB)
_must_check_ int control_open(struct fs *fs, struct node *n, int flags, struct fs_opened *ret, struct error *e);
_must_check_ int control_write(struct fs *fs, struct op_ctx *ctx, struct fs_file *f, uint64_t offset, struct str data,
                               struct error *e);
