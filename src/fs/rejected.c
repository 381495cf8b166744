/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Texts that could not be saved: kept under STATE/rejected by the path of their item, with the reason beside
 * them (NAME.why).  On disk before the error is returned, so they survive a crash.  Bounded: when there is
 * more than rejected_max, the oldest leave, after a warning.
 *
 * What was streamed to S3 is read back from there; what would take more than half of rejected_max, or cannot be read
 * back, stays there: the reason names the object, and there is nothing but the reason.
 */
#include <dirent.h>
#include <stdio.h>
#include <unistd.h>
#include "fs_internal.h"
#include "stream_internal.h"
#include "ddbfs/base/clock.h"
#include "ddbfs/base/file.h"
#include "ddbfs/base/json.h"
#include "ddbfs/base/log.h"

#define REJECTED_PATH_MAX 3800
#define COPIES_MAX 100 /* named by number; more by the time */
#define WHY ".why"
#define KEPT_FILES_MAX 100000
#define FOLDER_DEPTH_MAX 64

struct content {
        struct str text;
        struct stream *stream; /* instead of it */
        struct op_ctx *ctx;    /* of reading that back */
};

struct place_in_file {
        int fd;
        uint64_t at;
};

static int write_piece(void *arg, struct str piece) {
        struct place_in_file *p = arg;
        int r = file_write_all(p->fd, p->at, piece);

        p->at += piece.n;
        return r;
}

static int write_fd(int fd, const struct content *c) {
        struct place_in_file p = { fd, 0 };
        struct error ignored = { 0 };
        int r = c->stream ? stream_content(c->stream, c->ctx, write_piece, &p, &ignored) : write_piece(&p, c->text);

        return r ? r : fsync(fd) < 0 ? -errno : 0;
}

static int write_named(const char *path, const struct content *c) {
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600), r;

        if (fd < 0)
                return -errno;
        r = write_fd(fd, c);
        close(fd);
        if (r)
                (void)unlink(path);
        return r;
}

/* The text under this name, whole or not at all, whenever we die.  -EEXIST: the name is taken.  It gets its name
 * when it is on disk, where the disk's file system can do that. */
static int write_file(const char *path, const struct content *c) {
        char folder[PATH_MAX], unnamed[64];
        int fd, dir, r;

        if (snprintf(folder, sizeof(folder), "%s", path) >= (int)sizeof(folder) || !strrchr(folder, '/'))
                return -ENAMETOOLONG;
        *strrchr(folder, '/') = '\0';
        fd = open(folder, O_WRONLY | O_TMPFILE | O_CLOEXEC, 0600);
        if (fd < 0)
                return write_named(path, c);
        r = write_fd(fd, c);
        (void)snprintf(unnamed, sizeof(unnamed), "/proc/self/fd/%d", fd);
        if (r == 0 && linkat(AT_FDCWD, unnamed, AT_FDCWD, path, AT_SYMLINK_FOLLOW) < 0)
                r = errno == EEXIST ? -EEXIST : write_named(path, c);
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

/* object: where the text is, when it is not beside the reason. */
static void render_why(struct str path, const struct error *why, struct str object, struct buf *out) {
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
        if (object.n > 0) {
                buf_puts(out, ",\n  \"object\": ");
                json_write_string(out, object);
        }
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

static void numbered(const char *base, unsigned copy, char *path) {
        if (copy == 1)
                (void)snprintf(path, PATH_MAX, "%s", base);
        else if (copy < COPIES_MAX)
                (void)snprintf(path, PATH_MAX, "%s.%u", base, copy);
        else
                (void)snprintf(path, PATH_MAX, "%s.%llu", base, (unsigned long long)clock_wall_ns());
}

/* No text has this name, nor a reason that stands for one (keep_object()).  path: with room for WHY behind it. */
static bool is_free(char *path) {
        size_t n = strlen(path);
        bool taken = access(path, F_OK) == 0;

        (void)snprintf(path + n, sizeof(WHY), WHY);
        taken = taken || access(path, F_OK) == 0;
        path[n] = '\0';
        return !taken;
}

/* Under the item's name, or a free one beside it; *path: PATH_MAX and WHY.  The same text is kept once, as of now. */
static int keep_content(const char *base, const struct content *c, char *path) {
        int r = -EEXIST;

        for (unsigned copy = 1; r == -EEXIST && copy <= COPIES_MAX; copy++) {
                numbered(base, copy, path);
                if (is_free(path))
                        r = write_file(path, c);
                else if (!c->stream && holds_text(path, c->text))
                        r = utimensat(AT_FDCWD, path, NULL, 0) < 0 ? -errno : 0;
        }
        return r;
}

/* The reason beside path, or instead of it. */
static void keep_why(struct fs *fs, char *path, struct str item, struct str object, const struct error *why) {
        _cleanup_(buf_deinit) struct buf reason = BUF_INIT(PATH_TEXT_MAX + 8 * KIB);
        struct content c = { .text = STR_NULL };

        render_why(item, why, object, &reason);
        if (snprintf(path + strlen(path), PATH_MAX - strlen(path), WHY) != sizeof(WHY) - 1 || buf_status(&reason))
                return;
        c.text = buf_view(&reason);
        (void)unlink(path);
        (void)write_file(path, &c);
        path[strlen(path) - (sizeof(WHY) - 1)] = '\0';
        enforce_bound(fs, path);
}

static int keep(struct fs *fs, struct str item, uint64_t ino, const struct content *c, struct error *why) {
        _cleanup_(buf_deinit) struct buf base = BUF_INIT(PATH_MAX);
        char path[PATH_MAX + sizeof(WHY)];
        int r = target_path(fs, item, ino, &base);

        if (r)
                return r;
        make_folders(base.p, strlen(fs->o.state_dir) + 1);
        r = keep_content(base.p, c, path);
        if (r)
                return r;
        say_where(fs, path, why);
        keep_why(fs, path, item, STR_NULL, why);
        return 0;
}

/* The object stays, and the reason names it. */
static int keep_object(struct fs *fs, struct str item, uint64_t ino, struct str object, struct error *why) {
        _cleanup_(buf_deinit) struct buf base = BUF_INIT(PATH_MAX);
        char path[PATH_MAX + sizeof(WHY)];
        size_t n = strlen(why->message);
        int r = target_path(fs, item, ino, &base);

        (void)snprintf(why->message + n, sizeof(why->message) - n, " (the content is kept as %.*s)", (int)object.n, object.p);
        if (r)
                return r;
        make_folders(base.p, strlen(fs->o.state_dir) + 1);
        for (unsigned copy = 1; copy <= COPIES_MAX; copy++) {
                numbered(base.p, copy, path);
                if (is_free(path))
                        break;
        }
        keep_why(fs, path, item, object, why);
        return 0;
}

static void told(int r) {
        if (r)
                log_error("a text that could not be saved could not be kept either: %s", strerrordesc_np(-r));
}

void reject_at(struct fs *fs, struct str path, uint64_t ino, struct str text, struct error *why) {
        struct content c = { .text = text };

        told(fs->o.state_dir ? keep(fs, path, ino, &c, why) : -ENOENT);
}

void reject_text(struct fs *fs, struct node *n, struct str child, struct str text, struct error *why) {
        _cleanup_(buf_deinit) struct buf path = BUF_INIT(PATH_TEXT_MAX);
        uint64_t ino = node_ino_now(fs, n);

        node_path(fs, n, child, &path);
        reject_at(fs, buf_view(&path), child.n ? node_ino(ino, child) : ino, text, why);
}

void reject_stream(struct fs *fs, struct op_ctx *ctx, struct node *n, struct stream *x, struct error *why) {
        _cleanup_(buf_deinit) struct buf path = BUF_INIT(PATH_TEXT_MAX);
        _cleanup_(buf_deinit) struct buf object = BUF_INIT(4 * KIB);
        struct content c = { .stream = x, .ctx = ctx };
        uint64_t ino = node_ino_now(fs, n);
        struct error e = { 0 };

        if (!fs->o.state_dir || stream_complete(x, ctx, &e))
                return; /* S3 does not have it: the upload has failed, or the writer has gone */
        node_path(fs, n, STR_NULL, &path);
        if (stream_size(x) <= fs->o.rejected_max / 2 && keep(fs, buf_view(&path), ino, &c, why) == 0)
                return;
        stream_leave(x, ctx, &object);
        told(keep_object(fs, buf_view(&path), ino, buf_view(&object), why));
}
