/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Waiting for another thread of this mount: interruptible, and no longer than the operation may take (gate.c). */
#include <pthread.h>
#include "ddbfs/base/list.h"
#include "ddbfs/base/op_ctx.h"
#include "place_internal.h"

struct fs;

_must_check_ int fs_busy_begin(struct fs *fs, struct op_ctx *ctx, bool *busy /* gate */, struct error *e);
void fs_busy_end(struct fs *fs, bool *busy);
/* Until *done (gate) is true. */
_must_check_ int fs_wait_for(struct fs *fs, struct op_ctx *ctx, const bool *done, struct error *e);
/* Until ready (called with the gate held) says so. */
_must_check_ int fs_wait_until(struct fs *fs, struct op_ctx *ctx, bool (*ready)(const void *arg), const void *arg,
                               struct error *e);

/* A turn to change an item: saves, deletions and renames of one item come one after the other, as they arrive, each from
 * before it looks at what is known of the item until that is up to date again.  So a late answer is never taken for the
 * newest: the release of a file that was only touched goes on while its program does something else.  Those of
 * different attributes go together, and may take as long as S3 does.  Who has a turn waits neither for another nor for
 * a draft that is busy.  Not so what waits for others already: what is deleted in batches (removals.c), or because it was
 * renamed away (away.c). */
struct item_turn {
        struct list all; /* in the order of arrival: with a turn, or waiting for one */
        uint64_t id;     /* a hash: two of one hash only wait for each other */
        bool shared;
};
#define ITEM_TURNS 2
/* Those of a change of this file: an item's, or an attribute's.  How many there are. */
uint32_t item_turns_of(const struct place *p, struct item_turn ret[ITEM_TURNS]);
void item_turn_of(const struct place *p, struct item_turn *ret); /* of a change of the whole item */
/* All of them, or none. */
_must_check_ int item_turns_begin(struct fs *fs, struct op_ctx *ctx, struct item_turn *t, uint32_t n, struct error *e);
void item_turns_end(struct fs *fs, struct item_turn *t, uint32_t n);

/* A thread with every signal blocked.  0 or -errno. */
_must_check_ int fs_thread_start(pthread_t *ret, void *(*fn)(void *), void *arg);
