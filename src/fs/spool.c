/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much disk the scratch files take.  Writes are added up; what is truncated, replaced or unlinked is not
 * subtracted.  So the sum is never too small, and when it is over spool_max the files are counted.
 */
#include <dirent.h>
#include <unistd.h>
#include "local_internal.h"

#define DEPTH 66 /* the spool, its folders, and scratch folders in these */

/* The files of a folder and those below it. */
static uint64_t count(int folder, unsigned depth) {
        DIR *d = folder < 0 ? NULL : fdopendir(folder);
        struct dirent *entry;
        uint64_t sum = 0;

        if (!d) {
                if (folder >= 0)
                        close(folder);
                return 0;
        }
        while ((entry = readdir(d))) {
                struct stat st;

                if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
                        continue;
                if (fstatat(dirfd(d), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                        continue;
                if (S_ISREG(st.st_mode))
                        sum += (uint64_t)st.st_size;
                else if (S_ISDIR(st.st_mode) && depth > 0)
                        sum += count(openat(dirfd(d), entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC),
                                     depth - 1);
        }
        closedir(d);
        return sum;
}

static void recount(struct fs *fs) {
        char path[LOCAL_PATH_MAX];

        if (local_spool_path(fs, path) == 0)
                atomic_store(&fs->spool_bytes, count(open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), DEPTH));
}

int spool_grow(struct fs *fs, uint64_t bytes, struct error *e) {
        /* the first one counts what earlier mounts have left */
        if (!atomic_exchange(&fs->spool_counted, true) || atomic_load(&fs->spool_bytes) + bytes > fs->o.spool_max)
                recount(fs);
        if (atomic_load(&fs->spool_bytes) + bytes > fs->o.spool_max)
                return error_set(e, ERR_NO_SPACE, "the scratch files take more than the option spool_max allows");
        atomic_fetch_add(&fs->spool_bytes, bytes);
        return 0;
}
