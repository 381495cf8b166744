/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Scratch files that were removed, kept for the next ones (spare.c). */
#include <stdatomic.h>
#include "ddbfs/base/macros.h"

#define SPARES_MAX 8
struct spares {
        uint64_t random; /* constant: of their names */
        int fds[SPARES_MAX]; /* fs.small_lock */
        atomic_bool useless; /* not on this file system */
};

struct fs;
void spares_init(struct spares *s);
void spares_free(struct fs *fs);
/* Instead of unlink(path).  false: that is still to be done. */
bool spare_put(struct fs *fs, const char *path);
/* A new empty file of that name, open for reading and writing.  -errno: it is to be made; -EEXIST: there is one. */
_must_check_ int spare_take(struct fs *fs, const char *path);
bool spare_left(const char *name); /* in the spool: of a mount that was killed */
