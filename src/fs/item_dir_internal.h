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
#include "readers_internal.h"
#include "place_internal.h"

#define REMOVED_ATTRS 64
/* An attribute unlinked here a moment ago: a new one of that name has its type again, if its text is of that type. */
struct removed_attr {
        uint64_t id_hash, until_ns;
        enum value_type type;
};

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
void item_dir_name(struct str file, bool in_chain, struct buf *out); /* the other way round */
bool node_is_piece(struct fs *fs, const struct node *dir); /* of a long name */
/* The place of the item whose directory is, or would be, dir/name. */
_must_check_ int item_dir_item(struct fs *fs, struct op_ctx *ctx, struct node *dir, struct str name, struct place *ret,
                               struct error *e);
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
/* Does what the name spells exist (c)?  -ENOENT: no; of items only what is known without asking for this one. */
_must_check_ int child_exists(struct fs *fs, struct op_ctx *ctx, struct node *dir, struct str name, struct child *c,
                              struct error *e);
/* What the cache knows of it, asked for if need be; no text.  -ENOENT (ERR_NO_ITEM) on the service's word. */
_must_check_ int item_known(struct fs *fs, struct op_ctx *ctx, const struct place *p, struct cache_view *ret, struct error *e);
_must_check_ int item_delete(struct fs *fs, struct op_ctx *ctx, const struct place *p, struct error *e); /* if it is there */
bool attr_is_key(const struct place *p);
/* The content of the value's file; room is for what is not raw. */
_must_check_ int attr_text(struct fs *fs, const struct value *v, struct buf *room, struct str *ret);
/* The attribute's content in this text of the item.  -ENOENT (ERR_NO_ITEM): it is not in it. */
_must_check_ int attr_of_item(struct fs *fs, const struct place *p, struct snapshot *item, struct snapshot **ret,
                              struct error *e);
/* -EACCES: it is the key's. */
_must_check_ int attr_writable(const struct place *p, struct error *e);

/* What a save of the attribute by this program replaces: what it was shown last, of the item or of the attribute alone,
 * else what readers of this mount were.  created: it is a new file.  ask: where only a hash is left of what was shown,
 * compare it with the table (-ESTALE); else that is BASE_NONE for now.  A reference. */
_must_check_ int attr_base_of(struct fs *fs, struct op_ctx *ctx, struct program program, const struct place *p, bool created,
                              bool ask, struct base *ret, struct error *e);
/* One UpdateItem of the item; the caches learn the outcome.  *ret: the item afterwards; NULL: not known. */
_must_check_ int attr_update(struct fs *fs, struct op_ctx *ctx, const struct place *p, const struct write *w,
                             struct snapshot **ret, struct error *e);
void attr_note_removed(struct fs *fs, const struct place *p, enum value_type type);
/* attr_change.c */
_must_check_ int attr_remove(struct fs *fs, struct op_ctx *ctx, const struct place *p, struct error *e);
_must_check_ int attr_delete_away(struct fs *fs, struct op_ctx *ctx, const struct place *p, const struct snapshot *text,
                                  struct error *e);
_must_check_ int item_dir_make(struct fs *fs, struct op_ctx *ctx, struct node *dir, struct str name, struct fs_entry *ret,
                               struct error *e);
_must_check_ int item_dir_remove(struct fs *fs, struct op_ctx *ctx, struct node *dir, struct str name, struct error *e);
/* attr_large.c: is the value's content in S3?  Of another tool's string S3 is asked. */
_must_check_ int attr_large_size(struct fs *fs, struct op_ctx *ctx, const struct value *v, bool *ret, uint64_t *ret_size,
                                 struct error *e);
/* If it is, f->large reads it. */
_must_check_ int attr_large_open(struct fs *fs, struct op_ctx *ctx, struct fs_file *f, const struct place *p,
                                 const struct value *v, struct error *e);
_must_check_ int attr_large_read(struct fs *fs, struct op_ctx *ctx, struct fs_file *f, uint64_t offset, size_t n,
                                 struct str *ret, struct fs_hold *ret_hold, struct error *e);
/* The reference itself, in now: the item's text says only what it stands for.  Whatever the attribute is by now. */
_must_check_ int attr_large_reference(struct fs *fs, struct op_ctx *ctx, const struct place *p, struct items *now,
                                      const struct value **ret, struct error *e);
/* The whole content of a reference. */
_must_check_ int attr_large_content(struct fs *fs, struct op_ctx *ctx, const struct value *v, struct buf *ret, struct error *e);
void attr_large_close(struct fs *fs, struct fs_file *f);
_must_check_ int attr_open(struct fs *fs, struct op_ctx *ctx, struct node *n, int flags, bool create, struct fs_opened *ret,
                           struct error *e);
