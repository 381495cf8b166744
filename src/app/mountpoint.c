/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The folder to mount on.  A daemon that was killed may have left a mount that answers ENOTCONN to
 * everything; one of ours is taken away, anybody else's is not touched.
 */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "ddbfs/app/paths.h"
#include "ddbfs/base/alloc.h"
#include "ddbfs/base/file.h"
#include "ddbfs/base/log.h"

#define MOUNTINFO_MAX (16 * MIB)
#define OUR_TYPE STR("fuse.ddbfs")

static struct str next_word(struct str *line) {
        const char *end = line->n ? memchr(line->p, ' ', line->n) : NULL;
        struct str word = str_make(line->p, end ? (size_t)(end - line->p) : line->n);

        *line = str_skip(*line, word.n + 1);
        return word;
}

/* Is the word, where the kernel writes blanks and backslashes as \ooo, this path? */
static bool same_path(struct str word, const char *path) {
        size_t i = 0;

        for (; i < word.n; path++) {
                char c = word.p[i++];

                if (c == '\\' && word.n - i >= 3) {
                        c = (char)((word.p[i] - '0') << 6 | (word.p[i + 1] - '0') << 3 | (word.p[i + 2] - '0'));
                        i += 3;
                }
                if (!*path || *path != c)
                        return false;
        }
        return !*path;
}

/* Columns: id, parent, device, root, mount point, options, any number of tags, "-", type, ... */
struct str mountinfo_type(struct str mountinfo, const char *path) {
        struct str type = STR_NULL;

        while (mountinfo.n) {
                const char *end = memchr(mountinfo.p, '\n', mountinfo.n);
                struct str line = str_make(mountinfo.p, end ? (size_t)(end - mountinfo.p) : mountinfo.n), word;

                mountinfo = str_skip(mountinfo, line.n + 1);
                for (int i = 0; i < 4; i++)
                        next_word(&line);
                word = next_word(&line);
                if (!same_path(word, path))
                        continue;
                do
                        word = next_word(&line);
                while (word.n && !str_eq(word, STR("-")));
                type = next_word(&line); /* the last in the list is the topmost */
        }
        return type;
}

static bool is_ours(const char *path) {
        _cleanup_(buf_deinit) struct buf text = BUF_INIT(MOUNTINFO_MAX);
        int fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
        int r;

        if (fd < 0)
                return false;
        r = file_read_all(fd, &text);
        close(fd);
        return r == 0 && str_eq(mountinfo_type(buf_view(&text), path), OUR_TYPE);
}

/* What realpath() does, for a path of which the last component may be a dead mount. */
static int resolve(const char *path, char **ret) {
        _cleanup_(buf_deinit) struct buf out = BUF_INIT(64 * KIB);
        _cleanup_(mem_freep) char *absolute = NULL;
        char parent[4096];
        char *slash;
        int r;

        r = path_absolute(path, &absolute);
        if (r)
                return r;
        for (size_t n = strlen(absolute); n > 1 && absolute[n - 1] == '/'; n--)
                absolute[n - 1] = '\0';
        if (realpath(absolute, parent))
                buf_puts(&out, parent);
        else if (errno != ENOTCONN)
                return -errno;
        else {
                slash = strrchr(absolute, '/');
                *slash = '\0';
                if (!realpath(slash == absolute ? "/" : absolute, parent))
                        return -errno;
                buf_printf(&out, "%s/%s", strcmp(parent, "/") == 0 ? "" : parent, slash + 1);
        }
        *ret = buf_steal(&out, NULL);
        return *ret ? 0 : -ENOMEM;
}

static bool run_fusermount(const char *path) {
        char name[] = "fusermount3", unmount[] = "-u", lazy[] = "-z", quiet[] = "-q", end[] = "--";
        _cleanup_(mem_freep) char *copy = mem_strdup(path);
        char *argv[] = { name, unmount, lazy, quiet, end, copy, NULL };
        int status = 0;
        pid_t pid;

        if (!copy || posix_spawnp(&pid, name, NULL, NULL, argv, environ))
                return false;
        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR)
                        return false;
        return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static int detach_dead(const char *path, struct error *reterr) {
        struct stat st;

        if (!is_ours(path))
                return error_set(reterr, ERR_BUSY, "%s: something dead is mounted there; unmount it first", path);
        if (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 && !run_fusermount(path))
                return error_set(reterr, ERR_PERMISSION,
                                 "%s: a ddbfs that has died left its mount there; try 'fusermount3 -u -z %s'", path,
                                 path);
        log_warn("%s: took away the mount of a ddbfs that had died", path);
        return stat(path, &st) < 0 ? error_set_errno(reterr, -errno, path) : 0;
}

int mountpoint_prepare(const char *path, char **ret, struct error *reterr) {
        _cleanup_(mem_freep) char *full = NULL;
        struct stat st;
        int r;

        r = resolve(path, &full);
        if (r)
                return error_set_errno(reterr, r, path);
        if (stat(full, &st) < 0) {
                if (errno != ENOTCONN)
                        return error_set_errno(reterr, -errno, path);
                r = detach_dead(full, reterr);
                if (r)
                        return r;
                if (stat(full, &st) < 0)
                        return error_set_errno(reterr, -errno, path);
        }
        if (!S_ISDIR(st.st_mode))
                return error_set_errno(reterr, -ENOTDIR, path);
        if (is_ours(full))
                return error_set(reterr, ERR_BUSY, "%s: a ddbfs is mounted there already", path);
        *ret = TAKE(full);
        return 0;
}
