/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Renaming (rename.c, rename_partition.c). */
#include "fs_internal.h"

/* One end of a rename. */
struct end {
        struct node *dir;
        struct str name;
        struct child child;
        struct items items;       /* the item there now, strongly read */
        struct snapshot *text;
        struct item moved;        /* what will be here */
        struct snapshot *moved_text;
        bool was_served;
};

/* One UpdateItem (attr_change.c). */
_must_check_ int attr_rename(struct fs *fs, struct op_ctx *ctx, struct end *from, struct end *to, unsigned flags,
                             struct error *e);
_must_check_ int attr_to_scratch(struct fs *fs, struct op_ctx *ctx, struct end *from, struct end *to, struct error *e);
/* All items of a partition get another key in one transaction; -EXDEV: too many or too large for that. */
_must_check_ int partition_rename(struct fs *fs, struct op_ctx *ctx, struct end *from, struct end *to, unsigned flags,
                                  struct error *e);
