/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The functions of ddbfs/fs/fs.h over a tree in memory, and what a test wants to know about them.
 * Names with a meaning of their own, in any directory:
 *   hang      looking it up waits until cancelled or timed out
 *   denied    looking it up: EACCES
 * A file whose name begins with "slow": reading it waits until cancelled or timed out.
 */
#include <stdatomic.h>
#include "ddbfs/fs/fs.h"

struct fs *fake_new(void);
/* A file (or, with text NULL, a directory) below parent; its node.  0: out of memory. */
uint64_t fake_add(struct fs *fs, uint64_t parent, const char *name, const char *text);

struct fake_counts {
        long lookups;     /* handed out and not given back */
        long files, dirs; /* open */
        long holds;       /* of fs_read(), not done */
        int waiting;      /* requests in a wait */
        int cancelled;    /* ... that were cancelled */
        int shutdowns;
};
struct fake_counts fake_counts(struct fs *fs);
const struct fs_notify *fake_notify(struct fs *fs);
