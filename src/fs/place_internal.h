/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What a node means to the store (place.c), and what a name below a directory would be. */
#include "node_internal.h"
#include "view_internal.h"

/*
 * kind       table  parts                 prefix
 * ROOT       NULL   0
 * TABLE      set    0
 * PARTITION  set    1 (hash)
 * ITEM       set    1 or 2
 * CHAIN      set*   those complete so far  joined encoded beginning of the part at `level`   (* NULL at LEVEL_TABLE)
 * ITEM_DIR   set    the item's                                                        (view: the index's, if it is in one)
 * ATTR       set    the item's
 * VIEW       set    0 or 1 (what writes make it stale)
 * VIEW_ITEM  set    the base table's
 */
#define ATTR_ID_MAX (64 * KIB) /* of an index's item, and the name */

struct place {
        enum node_kind kind;
        enum level level;            /* of the names of the children */
        struct table_schema *table;  /* reference */
        struct key key;              /* parts point into text */
        struct buf text[2];          /* decoded hash and range part */
        struct buf id;               /* PARTITION, ITEM; ITEM_DIR, ATTR: of the item: place_item_id() */
        struct buf attr, attr_id;    /* ATTR: its name, and what the cache calls it */
        struct buf prefix;           /* CHAIN: the joined pieces */
        size_t last_piece_n;         /* CHAIN: length of the last of them */
        struct view *view;           /* VIEW and the files below; owned */
};
void place_deinit(struct place *p);
/* What the cache and the list of those renamed away call the file: an item, or an attribute. */
static inline struct str place_file_id(const struct place *p) {
        return buf_view(p->kind == NODE_ATTR ? &p->attr_id : &p->id);
}
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
 * false: the part does not begin with that prefix, or buf_status(out).  *ret_chain: it is the beginning of a longer name. */
bool place_component(const struct key_part *part, struct str prefix, bool is_item, struct buf *out, bool *ret_chain);
/* The same for an encoded name. */
bool place_name_component(struct str name, struct str prefix, bool is_item, struct buf *out, bool *ret_chain);
/* p, a place in an item, becomes that of its attribute of this (encoded) name. */
_must_check_ int place_set_attr(struct place *p, struct str joined, struct error *e);
_must_check_ int place_attr_id(const struct place *in_item, struct str attr, struct buf *out);
uint64_t place_partition_hash(const struct place *p); /* for fs_recent: table and hash key */
/* Copies the key (of an item) into p, whose table is set. */
_must_check_ int place_set_key(struct place *p, const struct key *key);
bool place_name_ok(struct str name); /* can a table or an index be called that? */
_must_check_ int place_item_id(const struct table_schema *t, const struct key *key, struct buf *out);
