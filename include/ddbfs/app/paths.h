/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Places on the local disk: the mount point and the state folder.
 */
#include <stdbool.h>
#include "ddbfs/base/error.h"
#include "ddbfs/base/str.h"

/* The path from the root, by the working directory; not resolved.  *ret is the caller's. */
_must_check_ int path_absolute(const char *path, char **ret);
/* Is path equal to folder or below it?  Both absolute; compared as text. */
bool path_below(const char *path, const char *folder);

/* The program in this folder, in PATH.  Relative folders are passed over: never from where we happen to
 * stand.  *ret is the caller's.  0, -ENOENT or -ENOMEM. */
_must_check_ int path_find_in(struct str folder, const char *name, char **ret);
_must_check_ int path_find_program(const char *name, char **ret);

/*
 * A folder that can be mounted on: it exists, is a directory and not a ddbfs mount; a dead ddbfs mount
 * there is detached first.  *ret: its resolved path, the caller's.
 */
_must_check_ int mountpoint_prepare(const char *path, char **ret, struct error *reterr);
/* The type of the topmost mount at this resolved path, from a text like /proc/self/mountinfo; n == 0: none. */
struct str mountinfo_type(struct str mountinfo, const char *path);

/* $XDG_STATE_HOME/ddbfs, else ~/.local/state/ddbfs, of the user's own.  *ret is the caller's. */
_must_check_ int state_dir_default(char **ret, struct error *reterr);
/*
 * Makes base/NAME with mode 0700, parents too, and refuses somebody else's.  NAME is readable and differs
 * for each combination of where (an endpoint or a local file), region and profile.
 */
_must_check_ int state_dir_make(const char *base, const char *where, struct str region, struct str profile, char **ret,
                                struct error *reterr);

/* A file name for what belongs to one mount point: readable, and different for each. */
#define MOUNT_ID_LEN 64
void mount_id_make(const char *mountpoint, char out[MOUNT_ID_LEN]);
