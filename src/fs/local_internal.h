/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Local files: names on disk (local.c), open files (local_file.c), how much of them there may be (spool.c). */
#include <sys/stat.h>
#include "fs_internal.h"

#define LOCAL_PATH_MAX 4096

/* Where dir/name is on disk; without a name: dir itself. */
_must_check_ int local_path_of(struct fs *fs, const struct node *dir, struct str name, char out[LOCAL_PATH_MAX]);
/* The folder of this mount's scratch files. */
_must_check_ int local_spool_path(struct fs *fs, char out[LOCAL_PATH_MAX]);
/* The attributes of a node without a name: of the open file.  -EAGAIN: it has a name. */
_must_check_ int local_stat_unlinked(struct fs *fs, struct node *n, struct stat *ret);
/* Before a folder for scratch files of dir is made: dir's name is remembered beside it. */
_must_check_ int local_folder_name(struct fs *fs, struct node *dir);
/* The scratch files are to grow by so many bytes; -ENOSPC: more than spool_max allows. */
_must_check_ int spool_grow(struct fs *fs, uint64_t bytes, struct error *e);
