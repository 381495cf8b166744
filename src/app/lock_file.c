/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A lock file that goes away with its lock: whoever locks it makes sure that the name still leads to what
 * was locked, since the last owner removes the name before it lets go.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "ddbfs/base/alloc.h"
#include "ddbfs/base/buf.h"
#include "local_internal.h"

#define WHO_MAX 400

static int fail_taken(int fd, const char *file, struct error *reterr) {
        char who[WHO_MAX + 1];
        ssize_t n = pread(fd, who, WHO_MAX, 0);

        while (n > 0 && who[n - 1] == '\n')
                n--;
        error_set(reterr, ERR_BUSY, "%s is in use by %.*s", file, n > 0 ? (int)n : (int)sizeof("another process") - 1,
                  n > 0 ? who : "another process");
        return -EBUSY;
}

/* 0: locked; -ESTALE: the name leads elsewhere by now, try again. */
static int lock_named(int fd, const char *path) {
        struct stat a, b;

        while (flock(fd, LOCK_EX | LOCK_NB) < 0)
                if (errno != EINTR)
                        return -errno;
        if (fstat(fd, &a) < 0)
                return -errno;
        if (stat(path, &b) < 0 || a.st_dev != b.st_dev || a.st_ino != b.st_ino)
                return -ESTALE;
        return 0;
}

int lock_file_take(const char *file, const char *who, struct lock_file *ret, struct error *reterr) {
        _cleanup_(buf_deinit) struct buf path = BUF_INIT(64 * KIB);
        size_t n = MIN(strlen(who), (size_t)WHO_MAX);
        int fd, r;

        buf_printf(&path, "%s.lock", file);
        if (buf_status(&path))
                return error_set_errno(reterr, buf_status(&path), "lock file");
        for (;;) {
                fd = open(path.p, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
                if (fd < 0)
                        return error_set_errno(reterr, -errno, path.p);
                r = lock_named(fd, path.p);
                if (!r)
                        break;
                if (r == -EWOULDBLOCK)
                        r = fail_taken(fd, file, reterr);
                else if (r != -ESTALE)
                        error_set_errno(reterr, r, path.p);
                close(fd);
                if (r != -ESTALE)
                        return r;
        }
        if (ftruncate(fd, 0) < 0 || pwrite(fd, who, n, 0) != (ssize_t)n) {
                r = error_set_errno(reterr, errno ? -errno : -EIO, path.p);
                close(fd);
                return r;
        }
        ret->fd = fd;
        ret->path = buf_steal(&path, NULL);
        return 0;
}

void lock_file_release(struct lock_file *l) {
        if (l->fd < 0)
                return;
        if (l->path)
                (void)unlink(l->path);
        close(l->fd);
        l->path = mem_free(l->path);
        l->fd = -1;
}
