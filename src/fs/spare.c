/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scratch files that were removed, for the next ones: `sed -i`, rsync and editors make and remove one for each item that
 * they save.  On ext4 a new inode is the dearest part of such an edit (it passes over those that were freed in the last
 * seconds, one by one), so a few are kept, empty, under names of their own:
 *
 *      removed, open nowhere    STATE/spool/MOUNT/spare-RANDOM-N, open here
 *      made                     renamed to the name of the new one
 *      the mount ends           removed; what a crash leaves, at the next start
 *
 * That a file is open nowhere is the kernel's word: it grants a write lease only then.  Who has it open goes on reading
 * what he has opened, as after any unlink.  Whatever is in the way of this, the file is removed, or made, as always;
 * where the file system has no leases, nothing of this is tried again.
 */
#include <signal.h>
#include <stdio.h>
#include <sys/xattr.h>
#include <unistd.h>
#include "local_internal.h"
#include "ddbfs/base/rng.h"

#define FREE (-1)
#define RESERVED (-2) /* being put there, or taken */
#define NAME "spare-"
#define LIST_MAX 1024 /* of names of extended attributes */

void spares_init(struct spares *s) {
        s->random = rng_u64();
        for (unsigned i = 0; i < SPARES_MAX; i++)
                s->fds[i] = FREE;
}

static int path_of(struct fs *fs, unsigned slot, char out[LOCAL_PATH_MAX]) {
        char spool[LOCAL_PATH_MAX];
        int n;

        if (local_spool_path(fs, spool))
                return -ENAMETOOLONG;
        n = snprintf(out, LOCAL_PATH_MAX, "%s/" NAME "%016llx-%u", spool, (unsigned long long)fs->spares.random, slot);
        return n < 0 || n >= LOCAL_PATH_MAX ? -ENAMETOOLONG : 0;
}

/* Slot of one that is free, or full (then *ret_fd is what it holds), reserved; SPARES_MAX: there is none. */
static unsigned reserve(struct fs *fs, bool full, int *ret_fd) {
        unsigned i;

        if (atomic_load(&fs->spares.useless))
                return SPARES_MAX;
        mutex_lock(&fs->small_lock);
        for (i = 0; i < SPARES_MAX; i++)
                if (full ? fs->spares.fds[i] >= 0 : fs->spares.fds[i] == FREE)
                        break;
        if (i < SPARES_MAX) {
                *ret_fd = fs->spares.fds[i];
                fs->spares.fds[i] = RESERVED;
        }
        mutex_unlock(&fs->small_lock);
        return i;
}

static void settle(struct fs *fs, unsigned slot, int fd) {
        mutex_lock(&fs->small_lock);
        fs->spares.fds[slot] = fd;
        mutex_unlock(&fs->small_lock);
}

/* A program's own extended attributes, and access lists, stay with the inode: those of one file are not for the next. */
static bool has_xattrs(int fd) {
        char names[LIST_MAX];
        ssize_t n = flistxattr(fd, names, sizeof(names));

        if (n < 0)
                return errno != ENOTSUP;
        for (ssize_t i = 0; i < n; i += (ssize_t)strlen(names + i) + 1)
                if (!str_starts(str_of(names + i), STR("security.")))
                        return true;
        return false;
}

/* ext4, XFS and btrfs take a file that was emptied for one that is being replaced, and write it to disk at the next close;
 * that of a descriptor that has written nothing is enough, and costs nothing. */
static bool empty(int fd, const char *path) {
        int again = ftruncate(fd, 0) < 0 ? -1 : open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

        if (again >= 0)
                close(again);
        return again >= 0;
}

/* Should somebody open it at this very moment (a backup of the state folder), we hear of it by a signal that is ignored. */
static bool open_nowhere_else(struct fs *fs, int fd) {
        if (fcntl(fd, F_SETSIG, SIGURG) == 0 && fcntl(fd, F_SETLEASE, F_WRLCK) == 0)
                return fcntl(fd, F_SETLEASE, F_UNLCK) == 0;
        if (errno != EAGAIN) /* NFS, for one: it would not be granted the next time either */
                atomic_store(&fs->spares.useless, true);
        return false;
}

static bool is_at(int fd, const char *path) {
        struct stat a, b;

        return fstat(fd, &a) == 0 && lstat(path, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

static bool may_keep(int fd) {
        struct stat st;

        return fstat(fd, &st) == 0 && st.st_mode == (S_IFREG | 0600) && st.st_uid == geteuid() && st.st_nlink == 1 && !has_xattrs(fd);
}

bool spare_put(struct fs *fs, const char *path) {
        char spare[LOCAL_PATH_MAX];
        int unused, fd;
        unsigned slot = reserve(fs, false, &unused);

        if (slot == SPARES_MAX)
                return false;
        fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        if (fd < 0 || !may_keep(fd) || path_of(fs, slot, spare) || rename(path, spare) < 0) {
                if (fd >= 0)
                        close(fd);
                settle(fs, slot, FREE);
                return false;
        }
        if (!is_at(fd, spare) || !open_nowhere_else(fs, fd) || !empty(fd, spare)) { /* its name is gone, and that was asked for */
                (void)unlink(spare);
                close(fd);
                fd = FREE;
        }
        settle(fs, slot, fd);
        return true;
}

int spare_take(struct fs *fs, const char *path) {
        char spare[LOCAL_PATH_MAX];
        struct stat st;
        int fd, r;
        unsigned slot = reserve(fs, true, &fd);

        if (slot == SPARES_MAX)
                return -ENOENT;
        r = path_of(fs, slot, spare);
        if (r == 0 && renameat2(AT_FDCWD, spare, AT_FDCWD, path, RENAME_NOREPLACE) < 0)
                r = -errno;
        if (r == 0) {
                settle(fs, slot, FREE);
                (void)futimens(fd, NULL);
                return fd;
        }
        if (r == -EINVAL) /* RENAME_NOREPLACE is not for every file system */
                atomic_store(&fs->spares.useless, true);
        if (fstat(fd, &st) < 0 || st.st_nlink == 0) { /* somebody has tidied up */
                close(fd);
                fd = FREE;
        }
        settle(fs, slot, fd);
        return r;
}

void spares_free(struct fs *fs) {
        char spare[LOCAL_PATH_MAX];

        for (unsigned i = 0; i < SPARES_MAX; i++) {
                if (fs->spares.fds[i] < 0)
                        continue;
                if (path_of(fs, i, spare) == 0)
                        (void)unlink(spare);
                close(fs->spares.fds[i]);
                fs->spares.fds[i] = FREE;
        }
}

bool spare_left(const char *name) {
        return str_starts(str_of(name), STR(NAME));
}
