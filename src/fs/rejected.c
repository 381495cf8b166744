/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Texts that could not be saved: kept under STATE/rejected by the path of their item, with the reason beside
 * them (NAME.why).  On disk before the error is returned, so they survive a crash.  Bounded: when there is
 * more than rejected_max, the oldest leave, after a warning.
 */
#include <dirent.h>
#include <stdio.h>
#include <unistd.h>
#include "fs_internal.h"
#include "ddbfs/base/clock.h"
#include "ddbfs/base/file.h"
#include "ddbfs/base/json.h"
#include "ddbfs/base/log.h"

#define REJECTED_PATH_MAX 3800
#define COPIES_MAX 100 /* named by number; more by the time */
#define WHY ".why"
#define KEPT_FILES_MAX 100000
#define FOLDER_DEPTH_MAX 64

static int write_fd(int fd, struct str text) {
        int r = file_write_all(fd, 0, text);

        return r ? r : fsync(fd) < 0 ? -errno : 0;
}

static int write_named(const char *path, struct str text) {
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600), r;

        if (fd < 0)
                return -errno;
        r = write_fd(fd, text);
        close(fd);
        if (r)
                (void)unlink(path);
        return r;
}

/* The text under this name, whole or not at all, whenever we die.  -EEXIST: the name is taken.  It gets its name
 * when it is on disk, where the disk's file system can do that. */
static int write_file(const char *path, struct str text) {
        char folder[PATH_MAX], unnamed[64];
        int fd, dir, r;

        if (snprintf(folder, sizeof(folder), "%s", path) >= (int)sizeof(folder) || !strrchr(folder, '/'))
                return -ENAMETOOLONG;
        *strrchr(folder, '/') = '\0';
        fd = open(folder, O_WRONLY | O_TMPFILE | O_CLOEXEC, 0600);
        if (fd < 0)
                return write_named(path, text);
        r = write_fd(fd, text);
        (void)snprintf(unnamed, sizeof(unnamed), "/proc/self/fd/%d", fd);
        if (r == 0 && linkat(AT_FDCWD, unnamed, AT_FDCWD, path, AT_SYMLINK_FOLLOW) < 0)
                r = errno == EEXIST ? -EEXIST : write_named(path, text);
        close(fd);
        dir = r == 0 ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
        if (dir >= 0) {
                (void)fsync(dir);
                close(dir);
        }
        return r;
}

/* A program is told at fsync and again at close, and the person tries again: that is one text. */
static bool holds_text(const char *path, struct str text) {
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        struct stat st;
        char part[4096];
        ssize_t got = 1;

        if (fd < 0)
                return false;
        if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || (uint64_t)st.st_size != text.n)
                got = -1;
        while (got > 0 && text.n > 0) {
                got = read(fd, part, MIN(sizeof(part), text.n));
                if (got > 0 && memcmp(part, text.p, (size_t)got) != 0)
                        got = -1;
                text = str_skip(text, got > 0 ? (size_t)got : 0);
        }
        close(fd);
        return got >= 0 && text.n == 0;
}

static void make_folders(char *path, size_t from) {
        for (char *slash = strchr(path + from, '/'); slash; slash = strchr(slash + 1, '/')) {
                *slash = '\0';
                (void)mkdir(path, 0700);
                *slash = '/';
        }
}

/* STATE/rejected/TABLE/.../NAME; a path too long for the disk is named by the item's inode number. */
static int target_path(struct fs *fs, struct str path, uint64_t ino, struct buf *out) {
        buf_puts(out, fs->o.state_dir);
        buf_puts(out, "/rejected");
        if (out->n + path.n < REJECTED_PATH_MAX) {
                buf_str(out, path);
        } else {
                struct str rest = str_skip(path, 1);
                const char *slash = memchr(rest.p, '/', rest.n);

                buf_printf(out, "/%.*s/long-%016llx.json", slash ? (int)(slash - rest.p) : 0, rest.p, (unsigned long long)ino);
        }
        return buf_status(out);
}

static void render_why(struct str path, const struct error *why, struct buf *out) {
        char when[CLOCK_ISO_LEN];

        clock_format_iso(clock_wall_ns(), when);
        buf_printf(out, "{\n  \"time\": \"%s\",\n  \"path\": ", when);
        json_write_string(out, utf8_valid(path) ? path : STR("?"));
        buf_printf(out, ",\n  \"errno\": \"%s\",\n  \"reason\": ", strerrorname_np(error_errno(why->kind)));
        json_write_string(out, str_of(why->message));
        if (why->line)
                buf_printf(out, ",\n  \"line\": %u,\n  \"column\": %u", why->line, why->column);
        buf_puts(out, ",\n  \"code\": ");
        json_write_string(out, str_of(why->code));
        buf_puts(out, ",\n  \"request_id\": ");
        json_write_string(out, str_of(why->request_id));
        buf_puts(out, "\n}\n");
}

/* ---- the bound ---- */

struct kept {
        char *path;
        struct timespec mtime;
        uint64_t size;
};

struct kept_list {
        struct kept *v;
        size_t n, cap;
        uint64_t total;
};

static void kept_add(struct kept_list *l, const char *path, const struct stat *st) {
        if (l->n == l->cap && l->cap < KEPT_FILES_MAX) {
                size_t cap = l->cap ? 2 * l->cap : 64;
                struct kept *v = mem_realloc(l->v, cap * sizeof(*v));

                if (!v)
                        return;
                l->v = v;
                l->cap = cap;
        }
        l->total += (uint64_t)st->st_size;
        if (l->n < l->cap && (l->v[l->n].path = mem_strdup(path))) {
                l->v[l->n].mtime = st->st_mtim;
                l->v[l->n++].size = (uint64_t)st->st_size;
        }
}

static void kept_walk(struct kept_list *l, const char *folder, unsigned depth) {
        DIR *d = depth < FOLDER_DEPTH_MAX ? opendir(folder) : NULL;
        struct dirent *entry;

        while (d && (entry = readdir(d))) {
                char path[PATH_MAX];
                struct stat st;

                if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
                    snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name) >= (int)sizeof(path) || lstat(path, &st) < 0)
                        continue;
                if (S_ISDIR(st.st_mode))
                        kept_walk(l, path, depth + 1);
                else
                        kept_add(l, path, &st);
        }
        if (d)
                closedir(d);
}

static int older(const void *a, const void *b) {
        const struct kept *x = a, *y = b;

        if (x->mtime.tv_sec != y->mtime.tv_sec)
                return x->mtime.tv_sec < y->mtime.tv_sec ? -1 : 1;
        return (x->mtime.tv_nsec > y->mtime.tv_nsec) - (x->mtime.tv_nsec < y->mtime.tv_nsec);
}

static bool is_why(const char *path) {
        return str_ends(str_of(path), STR(WHY));
}

/* The text, and the reason beside it. */
static void leave(struct kept_list *l, const struct kept *oldest) {
        char why[PATH_MAX];
        struct stat st;

        if (!is_why(oldest->path))
                log_warn("rejected texts take more than rejected_max allows: %s is removed", oldest->path);
        if (unlink(oldest->path) == 0)
                l->total -= oldest->size;
        if (!is_why(oldest->path) && snprintf(why, sizeof(why), "%s" WHY, oldest->path) < (int)sizeof(why) &&
            lstat(why, &st) == 0 && unlink(why) == 0)
                l->total -= MIN(l->total, (uint64_t)st.st_size);
}

static void enforce_bound(struct fs *fs, const char *just_written) {
        struct kept_list l = { .n = 0 };
        char folder[PATH_MAX];

        if (snprintf(folder, sizeof(folder), "%s/rejected", fs->o.state_dir) >= (int)sizeof(folder))
                return;
        kept_walk(&l, folder, 0);
        if (l.total > fs->o.rejected_max) {
                qsort(l.v, l.n, sizeof(*l.v), older);
                for (size_t i = 0; i < l.n && l.total > fs->o.rejected_max; i++) {
                        const char *rest = l.v[i].path + MIN(strlen(l.v[i].path), strlen(just_written));

                        if (!str_starts(str_of(l.v[i].path), str_of(just_written)) || (*rest && strcmp(rest, WHY) != 0))
                                leave(&l, &l.v[i]);
                }
        }
        for (size_t i = 0; i < l.n; i++)
                mem_free(l.v[i].path);
        mem_free(l.v);
}

/* The end of the message: where the person finds the text, as a path of the mount. */
static void say_where(struct fs *fs, const char *path, struct error *why) {
        size_t n = strlen(why->message);

        (void)snprintf(why->message + n, sizeof(why->message) - n, " (the text is kept in .ddbfs%s)",
                       path + strlen(fs->o.state_dir));
}

/* Under the item's name, or a free one beside it; *path: PATH_MAX.  The same text is kept once, as of now. */
static int keep_text(const char *base, struct str text, char *path) {
        int r = -EEXIST;

        for (unsigned copy = 1; r == -EEXIST && copy <= COPIES_MAX; copy++) {
                if (copy == 1)
                        (void)snprintf(path, PATH_MAX, "%s", base);
                else if (copy < COPIES_MAX)
                        (void)snprintf(path, PATH_MAX, "%s.%u", base, copy);
                else
                        (void)snprintf(path, PATH_MAX, "%s.%llu", base, (unsigned long long)clock_wall_ns());
                if (access(path, F_OK) < 0)
                        r = write_file(path, text);
                else if (holds_text(path, text))
                        r = utimensat(AT_FDCWD, path, NULL, 0) < 0 ? -errno : 0;
        }
        return r;
}

static int keep(struct fs *fs, struct str item, uint64_t ino, struct str text, struct error *why) {
        _cleanup_(buf_deinit) struct buf base = BUF_INIT(PATH_MAX);
        _cleanup_(buf_deinit) struct buf reason = BUF_INIT(PATH_TEXT_MAX + 4 * KIB);
        char path[PATH_MAX];
        int r = target_path(fs, item, ino, &base);

        if (r)
                return r;
        make_folders(base.p, strlen(fs->o.state_dir) + 1);
        r = keep_text(base.p, text, path);
        if (r)
                return r;
        say_where(fs, path, why);
        render_why(item, why, &reason);
        if (snprintf(path + strlen(path), sizeof(path) - strlen(path), WHY) != sizeof(WHY) - 1 || buf_status(&reason))
                return 0;
        (void)unlink(path);
        (void)write_file(path, buf_view(&reason));
        path[strlen(path) - (sizeof(WHY) - 1)] = '\0';
        enforce_bound(fs, path);
        return 0;
}

void reject_at(struct fs *fs, struct str path, uint64_t ino, struct str text, struct error *why) {
        int r = fs->o.state_dir ? keep(fs, path, ino, text, why) : -ENOENT;

        if (r)
                log_error("a text that could not be saved could not be kept either: %s", strerrordesc_np(-r));
}

void reject_text(struct fs *fs, struct node *n, struct str child, struct str text, struct error *why) {
        _cleanup_(buf_deinit) struct buf path = BUF_INIT(PATH_TEXT_MAX);
        uint64_t ino = node_ino_now(fs, n);

        node_path(fs, n, child, &path);
        reject_at(fs, buf_view(&path), child.n ? node_ino(ino, child) : ino, text, why);
}
