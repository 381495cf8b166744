/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Waiting for another thread of this mount: interruptible, and no longer than the operation may take (gate.c). */
#include <pthread.h>
#include "ddbfs/base/list.h"
#include "ddbfs/base/op_ctx.h"

struct fs;

_must_check_ int fs_busy_begin(struct fs *fs, struct op_ctx *ctx, bool *busy /* gate */, struct error *e);
void fs_busy_end(struct fs *fs, bool *busy);
/* Until *done (gate) is true. */
_must_check_ int fs_wait_for(struct fs *fs, struct op_ctx *ctx, const bool *done, struct error *e);
/* Until ready (called with the gate held) says so. */
_must_check_ int fs_wait_until(struct fs *fs, struct op_ctx *ctx, bool (*ready)(const void *arg), const void *arg,
                               struct error *e);

/* A turn to change an item: saves, deletions and renames of one item come one after the other, each from before it looks
 * at what is known of the item until that is up to date again.  So a late answer is never taken for the newest: the
 * release of a file that was only touched goes on while its program does something else.  Who has one waits neither for
 * another nor for a draft that is busy. */
struct item_turn {
        struct list all;
        struct str id; /* the item's, borrowed */
};
/* Of n different items: all of them, or none. */
_must_check_ int item_turns_begin(struct fs *fs, struct op_ctx *ctx, struct item_turn *t, uint32_t n, struct error *e);
void item_turns_end(struct fs *fs, struct item_turn *t, uint32_t n);

/* A thread with every signal blocked.  0 or -errno. */
_must_check_ int fs_thread_start(pthread_t *ret, void *(*fn)(void *), void *arg);
