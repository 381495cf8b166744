/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The journal in the state folder (journal.c): of items that were renamed away (away.c), and of saves (saves_log.c). */
#include "fs_internal.h"

/* This mount's folder, and what mounts that died have left to do with the tables mounted here. */
void journal_start(struct fs *fs, struct op_ctx *ctx);
void journal_stop(struct fs *fs);

/* An item that is about to be away: on disk when it returns 0. */
_must_check_ int journal_write(struct fs *fs, const struct place *p, const struct item *item, struct error *e);
void journal_remove(struct fs *fs, struct str id);
void journal_sync(struct fs *fs);
/* A file of another folder, which the caller has locked, is this mount's from now on.  0 or -errno. */
_must_check_ int journal_take(struct fs *fs, int folder, const char *name);
/* What is in that file: the item is away here too, and the file taken.  It stays where it is on any error; it is removed
 * when nothing is left to do. */
_must_check_ int away_replay(struct fs *fs, struct op_ctx *ctx, int folder, const char *name, struct str text,
                             struct error *e);

/* ---- records: lines, and items as the service writes them ---- */
/* The line of a table, by name and ARN: another account's table of the same name is another table. */
void journal_put_table(struct buf *out, const struct table_schema *table);
/* The next line, without its end; false: there is none. */
bool journal_next_line(struct str *rest, struct str *line);
/* The table that such a line names (its reference is the caller's), when it is the one mounted here. */
_must_check_ int journal_table(struct fs *fs, struct op_ctx *ctx, struct str line, struct table_schema **ret, struct error *e);
/* Its strings may point into the text.  0 or -errno. */
_must_check_ int journal_item(struct str text, struct arena *a, struct item *ret);
