/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The node table (node.c): what the kernel calls by number. */
#include "readers_internal.h"
#include "ddbfs/base/hmap.h"
#include "ddbfs/base/mutex.h"
#include "ddbfs/fs/fs.h"

enum node_kind {
        NODE_ROOT,
        NODE_TABLE,
        NODE_PARTITION,    /* all items of one hash key, in a table with a sort key */
        NODE_ITEM,
        NODE_CHAIN,        /* "...%+": the beginning of a long name */
        NODE_LOCAL,        /* on local disk: a scratch file, or below .ddbfs/rejected */
        NODE_CONTROL,      /* .ddbfs */
        NODE_CONTROL_FILE, /* an entry of the table in control.c */
        NODE_VIEW,         /* an index, a range, a filter ...: a directory of view.c */
        NODE_VIEW_ITEM,    /* an item as an index shows it */
        NODE_EXPORT,       /* a stream of items */
        NODE_INFO,         /* a file about a table */
        NODE_ITEM_DIR,     /* an item as the directory of its attributes */
        NODE_ATTR,         /* one of them, as a file */
        NODE_IMPORT,       /* where a stream of items is written to */
        _NODE_KIND_N,
};

/* Which name the children of a directory (or the pieces of a chain) spell. */
enum level { LEVEL_TABLE, LEVEL_HASH, LEVEL_RANGE, LEVEL_ATTR };

struct draft;
struct fs_file;

struct node {
        struct hmap_node by_id;   /* nodes.lock */
        struct hmap_node by_name; /* nodes.lock; linked unless detached */
        uint64_t id;              /* constant */
        uint64_t ino;             /* nodes.lock: changes with rename */
        struct node *parent;      /* nodes.lock; a reference; NULL: the root */
        uint32_t refs;            /* nodes.lock: children, handles, calls under way, one for n_lookup > 0 */
        uint64_t n_lookup;        /* nodes.lock: the kernel's */
        _Atomic(enum node_kind) kind; /* changes when a scratch file becomes an item, or an item a backup */
        enum level level;         /* constant; of a chain */
        bool detached;            /* nodes.lock: unlinked or replaced; no longer found by name */
        bool replaced;            /* nodes.lock: another was renamed to its name */
        uint8_t control;          /* constant; index of the control file; VIEW, ITEM_DIR, ATTR: in an index, read-only */
        struct draft *draft;      /* nodes.lock: open for writing */
        uint64_t emptied_ns;      /* nodes.lock: when a writer emptied it and went; 0: none did, or it was written since */
        uint32_t n_cached;        /* nodes.lock: open readers that use the page cache */
        uint64_t page_hash, page_size; /* nodes.lock: the version the page cache holds */
        uint64_t told_hash;       /* nodes.lock: the version whose attributes the kernel was told last ... */
        uint64_t told_changed_ns; /* ... and when that became another one: the answer may still be on its way */
        struct program writer;    /* nodes.lock: who wrote this scratch file last */
        struct fs_file *local_files; /* nodes.lock: open files of a local file */
        float rcu, wcu;           /* nodes.lock: consumed on this path */
        char *name;               /* nodes.lock; owned; NUL-terminated */
        uint32_t name_n;
};

static inline bool node_in_view(const struct node *n) {
        enum node_kind kind = n->kind;

        return kind == NODE_VIEW || kind == NODE_VIEW_ITEM || kind == NODE_EXPORT || kind == NODE_INFO ||
               kind == NODE_IMPORT;
}

/* An item's directory, or something in it that is not on local disk. */
static inline bool node_in_item(const struct node *n) {
        enum node_kind kind = n->kind;

        return kind == NODE_ITEM_DIR || kind == NODE_ATTR || (kind == NODE_CHAIN && n->level == LEVEL_ATTR);
}

/* Below an index: for reading. */
static inline bool node_of_index(const struct node *n) {
        return node_in_view(n) || (node_in_item(n) && n->control);
}

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
/* n becomes parent/name, of this kind; what was there is detached. */
_must_check_ int node_move(struct fs *fs, struct node *n, struct node *parent, struct str name, enum node_kind kind);
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
