/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Inside the file system.
 *
 * Lock order: nodes.lock > draft.lock > cache lock; op_ctx.lock > gate.lock; none is held over a call of
 * the store (the http layer checks).  Long waits go through the gate: fs_busy_begin() and item_load().
 */
#include <fcntl.h>
#include "cache_internal.h"
#include "ddbfs/base/hmap.h"
#include "ddbfs/base/list.h"
#include "ddbfs/codec/keyname.h"
#include "ddbfs/fs/fs.h"

/* ---- nodes (node.c) ---- */

enum node_kind {
        NODE_ROOT,
        NODE_TABLE,
        NODE_PARTITION,    /* all items of one hash key, in a table with a sort key */
        NODE_ITEM,
        NODE_CHAIN,        /* "...%+": the beginning of a long name */
        NODE_CONTROL,      /* .ddbfs */
        NODE_CONTROL_FILE, /* an entry of the table in control.c */
        _NODE_KIND_N,
};

/* Which name the children of a directory (or the pieces of a chain) spell. */
enum level { LEVEL_TABLE, LEVEL_HASH, LEVEL_RANGE };

struct draft;

struct node {
        struct hmap_node by_id;   /* nodes.lock */
        struct hmap_node by_name; /* nodes.lock; linked unless detached */
        uint64_t id;              /* constant */
        uint64_t ino;             /* nodes.lock: changes with rename */
        struct node *parent;      /* nodes.lock; a reference; NULL: the root */
        uint32_t refs;            /* nodes.lock: children, handles, calls under way, one for n_lookup > 0 */
        uint64_t n_lookup;        /* nodes.lock: the kernel's */
        enum node_kind kind;      /* constant */
        enum level level;         /* constant; of a chain */
        bool detached;            /* nodes.lock: unlinked or replaced; no longer found by name */
        uint8_t control;          /* constant; index of the control file */
        struct draft *draft;      /* nodes.lock: open for writing */
        uint32_t n_cached;        /* nodes.lock: open readers that use the page cache */
        uint64_t page_hash;       /* nodes.lock: the version the page cache holds */
        uint64_t told_hash;       /* nodes.lock: the version whose attributes the kernel was told last */
        float rcu, wcu;           /* nodes.lock: consumed on this path */
        char *name;               /* nodes.lock; owned; NUL-terminated */
        uint32_t name_n;
};

struct nodes {
        struct mutex lock;
        struct hmap by_id, by_name;
        uint64_t next_id;
};

_must_check_ int nodes_init(struct fs *fs);
void nodes_deinit(struct fs *fs);
/* References for a call under way.  NULL: no such node (the kernel is wrong, or forgot it). */
struct node *node_get(struct fs *fs, uint64_t id);
struct node *node_put(struct fs *fs, struct node *n); /* NULL is fine; returns NULL */
struct node *node_ref(struct fs *fs, struct node *n);
/* The child of this name if there is a node for it; a reference. */
struct node *node_find(struct fs *fs, struct node *parent, struct str name);
/* Find or create in one critical section; a reference.  An existing node of another kind is detached. */
_must_check_ int node_child(struct fs *fs, struct node *parent, struct str name, enum node_kind kind, enum level level,
                            struct node **ret);
void node_add_lookup(struct fs *fs, struct node *n);
void node_forget(struct fs *fs, uint64_t id, uint64_t n_lookups);
void node_detach(struct fs *fs, struct node *n);
/* n becomes parent/name; what was there is detached. */
_must_check_ int node_move(struct fs *fs, struct node *n, struct node *parent, struct str name);
_must_check_ int node_exchange(struct fs *fs, struct node *a, struct node *b);
uint64_t node_ino(uint64_t parent_ino, struct str name);
/* "/Music/No One You Know/x.json", as the person sees it; for messages. */
void node_path(struct fs *fs, struct node *n, struct str child, struct buf *out);

/* cleanup handler for `_cleanup_(held_put) struct held h` */
struct held {
        struct fs *fs;
        struct node *n;
};
void held_put(struct held *h);

/* ---- the file system ---- */

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

        struct mutex gate;        /* every `busy` flag, flights, and waiting for them */
        struct cond gate_cond;
        struct hmap flights;      /* gate; struct flight */

        struct mutex small_lock;  /* the three below */
        uint64_t recent[RECENT_SLOTS]; /* monotonic time of the last own write of a partition or table */
        struct list local_dirs;   /* struct local_dir */
        struct error_record errors[ERRORS_KEPT];
        uint64_t n_errors;        /* ever recorded; the ring's head */

        atomic_uint own_writes;   /* how many */

        struct mutex drafts_lock;
        struct list drafts;       /* drafts_lock; struct draft */
};

/* ---- waiting (gate.c) ---- */
_must_check_ int fs_busy_begin(struct fs *fs, struct op_ctx *ctx, bool *busy /* gate */, struct error *e);
void fs_busy_end(struct fs *fs, bool *busy);
/* Until *done (gate) is true. */
_must_check_ int fs_wait_for(struct fs *fs, struct op_ctx *ctx, const bool *done, struct error *e);

/* ---- telling the person (report.c) ---- */
/* Ends an operation: records and logs e when r < 0 (a plain "no such file" is no event), counts, charges the
 * node.  Returns r.  n may be NULL. */
int fs_done(struct fs *fs, struct op_ctx *ctx, struct node *n, struct str child, int r, const struct error *e);
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
void tables_flush(struct fs *fs);
/* Names to show, sorted, in ret (names_init()ed). */
_must_check_ int fs_names_add(struct names *ret, struct str name); /* copies */
_must_check_ int tables_list(struct fs *fs, struct op_ctx *ctx, struct names *ret, struct error *e);

_must_check_ int tables_probe(struct fs *fs, struct op_ctx *ctx, struct error *e);

/* ---- places (place.c): what a node means to the store ---- */
/*
 * kind       table  parts                 prefix
 * ROOT       NULL   0
 * TABLE      set    0
 * PARTITION  set    1 (hash)
 * ITEM       set    1 or 2
 * CHAIN      set*   those complete so far  joined encoded beginning of the part at `level`   (* NULL at LEVEL_TABLE)
 */
struct place {
        enum node_kind kind;
        enum level level;            /* of the names of the children */
        struct table_schema *table;  /* reference */
        struct key key;              /* parts point into text */
        struct buf text[2];          /* decoded hash and range part */
        struct buf id;               /* PARTITION, ITEM: place_item_id() */
        struct buf prefix;           /* CHAIN: the joined pieces */
        size_t last_piece_n;         /* CHAIN: length of the last of them */
};
void place_deinit(struct place *p);
/* Fetches the table's description when it is not known. */
_must_check_ int place_of(struct fs *fs, struct op_ctx *ctx, struct node *n, struct place *ret, struct error *e);
/* What `name` would be below a directory: -ENOENT (with e) for names that are no key's. */
struct child {
        enum node_kind kind;
        enum level level;     /* CHAIN */
        uint8_t control;
        struct place place;   /* of the child; for TABLE without description yet: table NULL */
};
void child_deinit(struct child *c);
_must_check_ int place_child(struct fs *fs, struct op_ctx *ctx, struct node *dir, struct str name, struct child *ret,
                             struct error *e);
/* The first component under which a key part appears below a directory whose chain prefix is `prefix`.
 * false: the part does not begin with that prefix.  *ret_chain: it is the beginning of a longer name. */
bool place_component(const struct key_part *part, struct str prefix, bool is_item, struct buf *out, bool *ret_chain);
uint64_t place_partition_hash(const struct place *p); /* for fs_recent: table and hash key */
_must_check_ int place_item_id(const struct table_schema *t, const struct key *key, struct buf *out);

/* ---- own writes (recent.c) ---- */
void fs_wrote(struct fs *fs, const struct place *item);
bool fs_read_strong(struct fs *fs, const struct place *p);
/* Partitions that exist in this mount only (mkdir, or emptied a moment ago). */
void local_dir_add(struct fs *fs, uint64_t parent_ino, struct str name, uint64_t until_ns /* UINT64_MAX: mkdir */);
bool local_dir_has(struct fs *fs, uint64_t parent_ino, struct str name);
bool local_dir_remove(struct fs *fs, uint64_t parent_ino, struct str name);
void local_dirs_free(struct fs *fs);
_must_check_ int local_dir_names(struct fs *fs, uint64_t parent_ino, struct names *ret);

/* ---- items (item.c) ---- */
/* The item's text, from the cache when not older than max_age_ns, else from the service (one request for
 * many waiters).  -ENOENT (ERR_NO_ITEM) on the service's word. */
_must_check_ int item_load(struct fs *fs, struct op_ctx *ctx, const struct place *p, uint64_t max_age_ns, bool strong,
                           struct snapshot **ret, struct error *e);
_must_check_ int item_snapshot(struct fs *fs, const struct place *p, const struct item *item, struct snapshot **ret);
/* Does the partition hold an item (or exist locally)?  -ENOENT: no. */
_must_check_ int partition_exists(struct fs *fs, struct op_ctx *ctx, struct node *dir, struct str name,
                                  const struct place *p, struct error *e);
void partition_seen(struct fs *fs, const struct place *p, uint64_t start_ns);
void partition_wrote(struct fs *fs, const struct place *item); /* what is known of its existence is void */
_must_check_ int partition_empty(struct fs *fs, struct op_ctx *ctx, const struct place *p, bool *ret, struct error *e);

/* ---- attributes (attr.c) ---- */
void attr_dir(struct fs *fs, uint64_t ino, struct fs_attr *ret);
void attr_file(struct fs *fs, uint64_t ino, uint64_t size, uint64_t mtime_ns, uint64_t valid_ns, struct fs_attr *ret);
_must_check_ int node_attr(struct fs *fs, struct op_ctx *ctx, struct node *n, struct fs_attr *ret, struct error *e);
/* The entry of a node that exists, with a lookup count for the caller (lookup.c). */
_must_check_ int entry_of(struct fs *fs, struct op_ctx *ctx, struct node *n, struct fs_entry *ret, struct error *e);
uint64_t node_ino_now(struct fs *fs, struct node *n);
uint64_t ttl_left(struct fs *fs, uint64_t fetched_ns);

/* ---- open files ---- */
enum base_kind { BASE_NONE, BASE_SNAPSHOT, BASE_HASH };

/*
 * What writers of an item have written and not yet saved; shared by all of them on this mount.
 *
 *      created  loaded  dirty   meaning
 *      yes      yes     no      new file, nothing written (put as key only when the last writer goes)
 *      -        no      no      opened for writing, content not needed yet
 *      no       yes     no      as in the table (or truncated and not written: left as it was)
 *      -        yes     yes     to be committed at the next flush or fsync
 */
struct draft {
        struct list all;           /* fs.drafts_lock */
        struct node *node;         /* reference */
        uint32_t writers;          /* nodes.lock */
        bool busy;                 /* fs.gate: loading or committing */
        struct mutex lock;         /* everything below */
        struct buf text;
        bool created, exclusive, loaded, dirty, truncated;
        uint64_t edits;            /* counts changes, to notice those made during a commit */
        uint64_t mtime_ns;
        enum base_kind base;       /* what a save replaces */
        struct snapshot *base_snapshot;
        uint64_t base_hash;
};

struct file_ops {
        int (*read)(struct fs *, struct op_ctx *, struct fs_file *, uint64_t, size_t, struct str *, void **, struct error *);
        int (*write)(struct fs *, struct op_ctx *, struct fs_file *, uint64_t, struct str, struct error *);
        int (*commit)(struct fs *, struct op_ctx *, struct fs_file *, struct error *);
        void (*release)(struct fs *, struct op_ctx *, struct fs_file *);
};

struct fs_file {
        const struct file_ops *ops;
        struct node *node;           /* reference */
        int flags;
        bool cached;                 /* counted in node.n_cached */
        struct snapshot *snapshot;   /* reader: what it reads */
        struct draft *draft;         /* writer */
        struct buf content;          /* control file: its text */
};
extern const struct file_ops item_file_ops, control_file_ops;

struct fs_file *file_new(struct fs *fs, struct node *n, int flags, const struct file_ops *ops); /* NULL: ENOMEM */
_must_check_ int item_open(struct fs *fs, struct op_ctx *ctx, struct node *n, int flags, bool create,
                           struct fs_opened *ret, struct error *e);
/* draft.c */
_must_check_ int draft_open(struct fs *fs, struct op_ctx *ctx, struct node *n, int flags, bool create, struct draft **ret,
                            struct error *e);
void draft_close(struct fs *fs, struct op_ctx *ctx, struct draft *d);
_must_check_ int draft_write(struct draft *d, uint64_t offset, bool append, struct str data, struct error *e);
_must_check_ int draft_truncate(struct fs *fs, struct op_ctx *ctx, struct draft *d, uint64_t size, struct error *e);
/* The node's uncommitted text, if it has any: its size and time. */
bool draft_stat(struct fs *fs, struct node *n, uint64_t *ret_size, uint64_t *ret_mtime_ns);
_must_check_ int draft_new_names(struct fs *fs, struct node *dir, struct names *ret); /* children not in the table yet */
bool draft_is_new(struct fs *fs, struct node *n); /* created here, not in the table yet */
/* commit.c */
_must_check_ int draft_commit(struct fs *fs, struct op_ctx *ctx, struct draft *d, bool touch, struct error *e);
/* Parse the text as the item at this place. */
_must_check_ int item_parse(struct fs *fs, const struct place *p, struct str text, struct arena *a, struct item *ret,
                            struct error *e);

/* ---- control (control.c) ---- */
#define CONTROL_DIR ".ddbfs"
size_t control_count(void);
struct str control_name(size_t i);
bool control_find(struct str name, uint8_t *ret);
bool control_writable(uint8_t i);
#define CONTROL_TEXT_MAX (16 * MIB)
_must_check_ int control_open(struct fs *fs, struct node *n, int flags, struct fs_opened *ret, struct error *e);
_must_check_ int control_write(struct fs *fs, struct op_ctx *ctx, struct fs_file *f, uint64_t offset, struct str data,
                               struct error *e);

/* ---- directories (dir.c, dir_sources.c) ---- */
struct dir_entry {
        uint32_t name_at, name_n; /* in page.names */
        enum node_kind kind;
        enum level level;
        uint8_t control;
        uint64_t size, mtime_ns, hash; /* ITEM */
};

/* What one request of the listing brought.  Entries have ordinals from the beginning of the directory. */
struct dir_page {
        struct buf names;
        struct dir_entry *entries; /* owned */
        uint32_t n, cap;
        uint64_t first;            /* ordinal of entries[0] */
        uint64_t fetched_ns;
        unsigned own_writes;       /* fs.own_writes when it was fetched: later, sizes are asked again */
        bool loaded, last;         /* last: no page after this one */
        struct item *next;         /* start of the next page, in the directory's arena; NULL: none */
};
_must_check_ int dir_page_add(struct dir_page *p, struct str name, const struct dir_entry *e);

/* Append what follows `start` (NULL: from the beginning) to the page; ret_next in d->arena, NULL: the end. */
typedef int (*dir_load)(struct fs *fs, struct op_ctx *ctx, struct fs_dir *d, const struct item *start,
                        struct dir_page *page, struct item **ret_next, struct error *e);
dir_load dir_source_of(const struct place *p);
_must_check_ int dir_is_empty(struct fs *fs, struct op_ctx *ctx, struct node *n, bool *ret, struct error *e);

/* Chain directories shown so far: one per prefix, wherever its names turn up. */
struct dir_seen {
        struct hmap_node node;
        uint64_t ordinal;
};

struct dir_checkpoint {
        uint64_t first;
        const struct item *start;
};

struct fs_dir {
        struct node *node;          /* reference */
        struct place place;
        dir_load load;
        bool busy;                  /* fs.gate: everything below belongs to the one that set it */
        struct arena arena;         /* starts of pages */
        struct dir_page page;
        struct names overlay;       /* what exists in this mount only, as of opendir */
        bool *overlay_seen;
        struct dir_checkpoint *checkpoints; /* where each page began, ascending */
        uint32_t n_checkpoints, cap_checkpoints;
        struct hmap seen;           /* struct dir_seen by hash of the name */
        int pending;                /* an error kept for the next call */
};
