/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Views: index directories, ranges, filters, exports (PRODUCT section 2).
 *
 * view.c is pure: it reads a path below a table, component by component, into a struct view, and a struct view
 * compiles to one Query or one Scan.  view_node.c fits views into the node table, view_read.c asks the store,
 * view_dir.c lists, export.c and info.c are the files.
 */
#include "ddbfs/base/op_ctx.h"
#include "ddbfs/store/store.h"

enum view_kind {
        VIEW_TABLE,      /* all of a table or an index; with steps: what the Scan finds */
        VIEW_PARTITION,  /* one hash key of it */
        VIEW_ITEM,
        VIEW_STEP,       /* ".filter", ".between/A": a step that wants more names */
        VIEW_CHAIN,      /* "...%+", the beginning of a long name */
        VIEW_EXPORTS,    /* ".export" */
        VIEW_EXPORT,     /* ".export/csv" */
        VIEW_INFO,       /* ".info" */
        VIEW_INFO_FILE,  /* ".info/schema.json" */
        VIEW_IMPORTS,    /* ".import" */
        VIEW_IMPORT,     /* ".import/jsonl" */
        _VIEW_KIND_N,
};

enum export_format { EXPORT_JSONL, EXPORT_JSON, EXPORT_CSV, EXPORT_TSV, _EXPORT_FORMAT_N };

#define VIEW_FILTERS_MAX 16
#define VIEW_COLUMNS_MAX 64
#define VIEW_LIMIT_MAX 1000000 /* of .first and .last */
#define VIEW_PIECES_MAX 64     /* of one long name: ten key parts are the longest */

struct view_step;

struct view {
        enum view_kind kind;
        const struct table_schema *table; /* borrowed */
        const struct index_schema *index; /* NULL: the table itself */
        struct key hash;                  /* all hash attributes; n == 0: every partition */
        struct key item;                  /* VIEW_ITEM: the range part(s); of an index, then the base table's key */
        struct key range;                 /* .prefix, .between: as in struct query_request */
        enum range_op range_op;
        struct key_part range_end;
        uint32_t limit;                   /* .first, .last; 0: all */
        bool reverse;                     /* .last */
        uint32_t n_filters;
        uint32_t n_before;                /* filters before the limit: it counts what passed them */
        struct filter filters[VIEW_FILTERS_MAX];
        uint32_t n_columns;
        struct str columns[VIEW_COLUMNS_MAX];
        uint32_t n_wanted;
        struct str wanted[VIEW_COLUMNS_MAX + VIEW_FILTERS_MAX]; /* the columns and what the filters look at, each once */
        uint8_t which;                    /* VIEW_EXPORT, VIEW_IMPORT: enum export_format; VIEW_INFO_FILE: index in info.c */
        uint32_t n_steps;
        bool refused;                     /* a step that no request can express: the person wants to know */
        struct arena arena;               /* owns every string */
        /* the reader's */
        const struct view_step *step;     /* VIEW_STEP */
        struct str args[2];               /* its names so far */
        uint32_t n_args;
        enum view_kind chained;           /* VIEW_CHAIN: what the chain began in */
        struct str pieces[VIEW_PIECES_MAX];
        uint32_t n_pieces;
};

/* index: NULL for the table itself; both are borrowed. */
void view_init(struct view *v, const struct table_schema *table, const struct index_schema *index);
void view_deinit(struct view *v);
/* One component more.  -ENOENT (ERR_NO_ITEM): there is no such name; v->refused: because no request can express it. */
_must_check_ int view_feed(struct view *v, struct str name, struct error *e);
/* Is it one of the names that are not listed and lead from a table or partition into a view? */
bool view_step_name(struct str name);
/* The i-th of those that begin a path below a table, or below a partition; false: there are no more. */
bool view_step_at(size_t i, bool in_partition, struct str *ret);
static inline const struct key_schema *view_key(const struct view *v) {
        return v->index ? &v->index->key : &v->table->key;
}
/* The children of a directory without steps, or of a range: items, rather than partitions? */
bool view_shows_items(const struct view *v);
/* The joined pieces of the chain directory this is; empty: it is none. */
_must_check_ int view_prefix(const struct view *v, struct buf *out);
/* The names, unsplit and without ".json", of what an item shows: its partition, or itself.  -ENOENT: it lacks a key. */
_must_check_ int view_partition_name(const struct view *v, const struct item *item, struct buf *out);
_must_check_ int view_item_name(const struct view *v, const struct item *item, struct buf *out);
/* Is a sort key in the range?  (Filters and limits need the item.) */
bool view_in_range(const struct view *v, const struct key_part *range, uint32_t n);
bool view_passes(const struct view *v, const struct item *item);
/* Does the index itself have the attribute?  (A local one looks into the table for what is asked for by name.) */
bool view_projects(const struct view *v, struct str attr);
/* Filters behind a limit are applied to what comes: only so is it certain how many items the service has counted.  false:
 * there are none, or only the service can (a local index that does not project what they look at). */
bool view_filters_here(const struct view *v);
/* Leaves the items that pass; columns: and of them what the view asks for. */
void view_filter(const struct view *v, bool columns, struct items *items);
/* The request of a view; start and limit are the caller's.  Valid as long as the view. */
bool view_is_query(const struct view *v);
void view_query(const struct view *v, bool columns, struct query_request *ret);
void view_scan(const struct view *v, bool columns, struct scan_request *ret);
/* The Query that finds the item of a VIEW_ITEM: its filters go to room[2]. */
void view_item_query(const struct view *v, struct filter room[2], struct query_request *ret);
/* What the cache calls an index's partition, or item (VIEW_ITEM). */
_must_check_ int view_id(const struct view *v, const struct key *hash, const struct key *item, struct buf *out);
struct str export_format_name(enum export_format f);
static inline bool import_format_ok(enum export_format f) { /* line by line */
        return f != EXPORT_JSON;
}
/* info.c */
size_t info_count(void);
struct str info_name(size_t i);

/* ---- nodes (view_node.c) ---- */
struct fs;
struct node;
struct place;
struct held;
struct fs_entry;
/* Does this name below this directory lead into a view, or further? */
bool view_leads(struct fs *fs, struct node *dir, struct str name);
/* The place of a node of a view, or (name not empty) of what the name would be below it.  ret->view is set, and may be
 * looked at, also where the name was refused. */
_must_check_ int view_place(struct fs *fs, struct op_ctx *ctx, struct node *n, struct str name, struct place *ret,
                            struct error *e);
_must_check_ int view_lookup(struct fs *fs, struct op_ctx *ctx, struct node *dir, struct str name, struct fs_entry *ret,
                             struct error *e);
/* The directory that the items of a range are children of; a reference.  NULL: this directory shows no table's items. */
_must_check_ int view_base(struct fs *fs, struct node *dir, const struct view *v, struct node **ret, struct error *e);
/* Before anything is made or removed below dir: a range becomes the directory its items are in; the rest is refused. */
_must_check_ int view_write(struct fs *fs, struct op_ctx *ctx, struct held *dir, struct str name, struct error *e);
/* After it: what the kernel knows of the name in dir, which it was not asked for in. */
void view_wrote(struct fs *fs, uint64_t asked, struct node *dir, struct str name);
_must_check_ int view_base_path(const struct place *p, struct buf *out); /* of an index's item, relative to the mount */

/* ---- requests (view_read.c) ---- */
struct view_cursor {
        struct items items; /* the page */
        uint32_t left;      /* until the limit */
        bool started, done;
};
void view_cursor_init(struct view_cursor *c, const struct view *v);
void view_cursor_deinit(struct view_cursor *c);
/* The next page into c->items. */
_must_check_ int view_next(struct fs *fs, struct op_ctx *ctx, const struct place *p, bool columns, struct view_cursor *c,
                           struct error *e);
bool view_strong(struct fs *fs, const struct place *p);
_must_check_ int view_exists(struct fs *fs, struct op_ctx *ctx, const struct place *p, struct error *e); /* an index's partition */
struct snapshot;
_must_check_ int view_fetch(struct fs *fs, struct op_ctx *ctx, const struct place *p, struct snapshot **ret, struct error *e);
_must_check_ int view_explain(struct fs *fs, const struct place *p, struct buf *out);
