/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Items as directories of their attributes (PRODUCT section 2).  `Song/` is the item of `Song.json` and is not listed
 * beside it; `Song/AlbumTitle` is one attribute, raw.  What they show is what the item cache has: one request, or none,
 * for the item, whatever is read of it.
 *
 * item_dir.c: names, places and what an attribute is; item_dir_list.c: the directory; attr_file.c: open files;
 * attr_save.c: saving; attr_change.c: removing, renaming, making and removing the item.
 */
#include "file_internal.h"
#include "place_internal.h"

/* A version of an item as values, shared by all who look at its attributes. */
struct parsed {
        atomic_uint refs;
        struct snapshot *of;
        struct arena arena;
        struct item item;
};
struct parsed *parsed_unref(struct parsed *p);
DEFINE_CLEANUP(struct parsed, parsed_unref)
/* Of this text of the item; a reference.  The last one made is remembered. */
_must_check_ int parsed_of(struct fs *fs, const struct place *p, struct snapshot *text, struct parsed **ret, struct error *e);

/* The item's file beside its directory of this name, which may be the last piece of a long one.  false: it is no such
 * name (or buf_status(out)). */
bool item_dir_file(struct str name, bool in_chain, struct buf *out);
bool node_is_piece(struct fs *fs, const struct node *dir); /* of a long name */
/* The place of a directory of an item, of what is in it. */
_must_check_ int item_dir_place(struct fs *fs, struct op_ctx *ctx, struct node *n, struct place *ret, struct error *e);
/* Could the name be an item's directory below dir, or an attribute?  The kernel does not remember that it is not. */
bool item_dir_may(const struct node *dir, struct str name);
/* dir/name as the directory of an item; the node becomes a child of `parent` (dir, or where the items of a range are). */
_must_check_ int item_dir_lookup(struct fs *fs, struct op_ctx *ctx, struct node *dir, struct node *parent, struct str name,
                                 struct fs_entry *ret, struct error *e);
/* Is it a scratch file's rather than an attribute's?  By its form, unless the item (p) has such an attribute. */
bool item_dir_scratch(struct fs *fs, struct op_ctx *ctx, struct node *dir, const struct place *p, struct str name);
bool attr_scratch_form(struct str name);

/* The node of the item's own file: its directory's parent and the name in it. */
void item_dir_changed(struct fs *fs, struct node *in_item); /* the kernel forgets what it knows of that file */

_must_check_ int item_dir_load(struct fs *fs, struct op_ctx *ctx, struct fs_dir *d, const struct item *start,
                               struct dir_page *page, struct item **ret_next, struct error *e); /* a dir_load */
_must_check_ int item_dir_attr(struct fs *fs, struct op_ctx *ctx, struct node *n, struct fs_attr *ret, struct error *e);
_must_check_ int attr_file_attr(struct fs *fs, struct op_ctx *ctx, struct node *n, struct fs_attr *ret, struct error *e);
bool attr_is_key(const struct place *p);
/* The content of the value's file; room is for what is not raw. */
_must_check_ int attr_text(struct fs *fs, const struct value *v, struct buf *room, struct str *ret);
/* The attribute's content in this text of the item.  -ENOENT (ERR_NO_ITEM): it is not in it. */
_must_check_ int attr_of_item(struct fs *fs, const struct place *p, struct snapshot *item, struct snapshot **ret,
                              struct error *e);
_must_check_ int attr_open(struct fs *fs, struct op_ctx *ctx, struct node *n, int flags, bool create, struct fs_opened *ret,
                           struct error *e);
