/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Local files: an editor's scratch files (swap, backup, temporary) and the rejected folder.  They are real
 * files of the state folder, for the owner only; nothing of them ever reaches a table.
 *
 *      STATE/spool/MOUNT/DIRECTORY-INODE/NAME     a scratch file beside items
 *      STATE/rejected/...                         .ddbfs/rejected/...
 */
#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>
#include "fs_internal.h"

#define LOCAL_PATH_MAX 4096
#define LOCAL_DEPTH_MAX 64

bool local_name(struct str name) {
        return name.n > 0 && name.n <= 255 && (!str_ends(name, STR(".json")) || name.p[0] == '.') && !keyname_is_chain(name) &&
               !str_eq(name, STR(".")) && !str_eq(name, STR(".."));
}

static int append(char out[LOCAL_PATH_MAX], const char *format, ...) _printf_(2, 3);
static int append(char out[LOCAL_PATH_MAX], const char *format, ...) {
        size_t n = strlen(out);
        va_list ap;
        int r;

        va_start(ap, format);
        r = vsnprintf(out + n, LOCAL_PATH_MAX - n, format, ap);
        va_end(ap);
        return r < 0 || (size_t)r >= LOCAL_PATH_MAX - n ? -ENAMETOOLONG : 0;
}

/* Where dir/name is on disk. */
static int path_of(struct fs *fs, const struct node *dir, struct str name, char out[LOCAL_PATH_MAX]) {
        const struct node *chain[LOCAL_DEPTH_MAX];
        size_t n = 0;
        int r;

        out[0] = '\0';
        if (!fs->o.state_dir)
                return -EOPNOTSUPP;
        r = append(out, "%s", fs->o.state_dir);
        mutex_lock(&fs->nodes.lock);
        for (; dir->kind == NODE_LOCAL && dir->parent && n < LOCAL_DEPTH_MAX; dir = dir->parent)
                chain[n++] = dir;
        if (r == 0 && dir->kind != NODE_CONTROL)
                r = append(out, "/spool/%s/%016llx", fs->o.mount_id ? fs->o.mount_id : "mount", (unsigned long long)dir->ino);
        while (r == 0 && n > 0) {
                n--;
                r = append(out, "/%.*s", (int)chain[n]->name_n, chain[n]->name);
        }
        mutex_unlock(&fs->nodes.lock);
        return r == 0 && name.n ? append(out, "/%.*s", (int)name.n, name.p) : r;
}

static int node_path_of(struct fs *fs, struct node *n, char out[LOCAL_PATH_MAX]) {
        return path_of(fs, n, STR_NULL, out);
}

static int failed(struct error *e, int negative_errno, const char *what) {
        return error_set_errno(e, negative_errno, what);
}

/* The folders above a file. */
static int make_folders(struct fs *fs, char *path) {
        for (char *slash = strchr(path + strlen(fs->o.state_dir) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
                *slash = '\0';
                if (mkdir(path, 0700) < 0 && errno != EEXIST) {
                        *slash = '/';
                        return -errno;
                }
                *slash = '/';
        }
        return 0;
}

int local_stat(struct fs *fs, struct node *dir, struct str name, struct stat *ret) {
        char path[LOCAL_PATH_MAX];
        int r = path_of(fs, dir, name, path);

        if (r)
                return r == -EOPNOTSUPP || r == -ENAMETOOLONG ? -ENOENT : r;
        return lstat(path, ret) < 0 ? -errno : 0;
}

int local_attr(struct fs *fs, struct node *n, struct fs_attr *ret, struct error *e) {
        char path[LOCAL_PATH_MAX];
        struct stat st;
        int r = node_path_of(fs, n, path);

        if (r)
                return failed(e, r, "local file");
        if (lstat(path, &st) < 0)
                return errno == ENOENT ? fs_no_item(e) : failed(e, -errno, "local file");
        if (S_ISDIR(st.st_mode)) {
                attr_dir(fs, node_ino_now(fs, n), ret);
                ret->valid_ns = 0;
        } else {
                attr_file(fs, node_ino_now(fs, n), (uint64_t)st.st_size, 0, NS_PER_S, ret);
        }
        ret->mtime_ns = (uint64_t)st.st_mtim.tv_sec * NS_PER_S + (uint64_t)st.st_mtim.tv_nsec;
        if (S_ISLNK(st.st_mode))
                ret->mode = S_IFLNK | 0777;
        return 0;
}

int local_names(struct fs *fs, struct node *dir, struct names *ret) {
        char path[LOCAL_PATH_MAX];
        struct dirent *entry;
        int r = path_of(fs, dir, STR_NULL, path);
        DIR *d;

        if (r)
                return r == -EOPNOTSUPP ? 0 : r;
        d = opendir(path);
        if (!d)
                return errno == ENOENT ? 0 : -errno;
        while (r == 0 && (entry = readdir(d)))
                if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
                        r = fs_names_add(ret, str_of(entry->d_name));
        closedir(d);
        return r;
}

int local_open(struct fs *fs, struct node *n, int flags, struct fs_opened *ret, struct error *e) {
        char path[LOCAL_PATH_MAX];
        struct fs_file *f;
        int r = node_path_of(fs, n, path);

        if (r)
                return failed(e, r, "local file");
        f = file_new(fs, n, flags, &local_file_ops);
        if (!f)
                return error_set(e, ERR_MEMORY, "out of memory");
        /* for reading too: the kernel reads around what is written through a mapping */
        f->fd = open(path, ((flags & O_ACCMODE) == O_RDONLY ? O_RDONLY : O_RDWR) | (flags & O_TRUNC) | O_CLOEXEC | O_NOFOLLOW);
        if (f->fd < 0) {
                r = errno == ENOENT ? fs_no_item(e) : failed(e, -errno, "local file");
                file_free(fs, f);
                return r;
        }
        ret->file = f;
        ret->keep_cache = !(flags & O_TRUNC);
        return 0;
}

int local_create(struct fs *fs, struct node *dir, struct str name, int flags, struct error *e) {
        char path[LOCAL_PATH_MAX];
        int fd, r = path_of(fs, dir, name, path);

        if (r == 0)
                r = make_folders(fs, path);
        if (r)
                return failed(e, r, "scratch file");
        if (atomic_load(&fs->spool_bytes) > fs->o.spool_max)
                return failed(e, -ENOSPC, "the scratch files take more than the option spool_max allows");
        fd = open(path, O_RDWR | O_CREAT | (flags & O_EXCL) | (flags & O_TRUNC) | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return failed(e, -errno, "scratch file");
        close(fd);
        return 0;
}

int local_remove(struct fs *fs, struct node *dir, struct str name, bool directory, struct error *e) {
        char path[LOCAL_PATH_MAX];
        struct stat st;
        int r = path_of(fs, dir, name, path);

        if (r)
                return failed(e, r, "local file");
        if (lstat(path, &st) == 0 && S_ISREG(st.st_mode) && dir->kind != NODE_LOCAL)
                atomic_fetch_sub(&fs->spool_bytes, MIN((uint64_t)st.st_size, atomic_load(&fs->spool_bytes)));
        if ((directory ? rmdir(path) : unlink(path)) < 0)
                return errno == ENOENT ? fs_no_item(e) : failed(e, -errno, "local file");
        return 0;
}

int local_rename(struct fs *fs, struct node *dir, struct str name, struct node *new_dir, struct str new_name,
                 unsigned flags, struct error *e) {
        char from[LOCAL_PATH_MAX], to[LOCAL_PATH_MAX];
        int r = path_of(fs, dir, name, from);

        if (r == 0)
                r = path_of(fs, new_dir, new_name, to);
        if (r == 0)
                r = make_folders(fs, to);
        if (r == 0 && renameat2(AT_FDCWD, from, AT_FDCWD, to, flags) < 0)
                r = -errno;
        return r == -ENOENT ? fs_no_item(e) : r ? failed(e, r, "scratch file") : 0;
}

void local_move_folder(struct fs *fs, struct node *dir, struct str name, struct node *new_dir, struct str new_name) {
        char from[LOCAL_PATH_MAX] = "", to[LOCAL_PATH_MAX] = "";
        const char *mount = fs->o.mount_id ? fs->o.mount_id : "mount";

        if (!fs->o.state_dir)
                return;
        if (append(from, "%s/spool/%s/%016llx", fs->o.state_dir, mount,
                   (unsigned long long)node_ino(node_ino_now(fs, dir), name)) == 0 &&
            append(to, "%s/spool/%s/%016llx", fs->o.state_dir, mount,
                   (unsigned long long)node_ino(node_ino_now(fs, new_dir), new_name)) == 0)
                (void)rename(from, to); /* there is mostly none */
}

int local_truncate(struct fs *fs, struct node *n, struct fs_file *f, uint64_t size, struct error *e) {
        char path[LOCAL_PATH_MAX];
        int r;

        if (size > fs->o.spool_max)
                return failed(e, -ENOSPC, "larger than the option spool_max allows");
        if (f && f->fd >= 0) {
                f->wrote = true;
                return ftruncate(f->fd, (off_t)size) < 0 ? failed(e, -errno, "scratch file") : 0;
        }
        r = node_path_of(fs, n, path);
        if (r == 0 && truncate(path, (off_t)size) < 0)
                r = -errno;
        return r ? failed(e, r, "scratch file") : 0;
}

int local_symlink(struct fs *fs, struct node *dir, struct str name, struct str target, struct error *e) {
        _cleanup_(mem_freep) char *text = mem_dup(target.p, target.n);
        char path[LOCAL_PATH_MAX];
        int r = text ? path_of(fs, dir, name, path) : -ENOMEM;

        if (r == 0)
                r = make_folders(fs, path);
        if (r == 0 && symlink(text, path) < 0)
                r = -errno;
        return r ? failed(e, r, "scratch link") : 0;
}

int local_readlink(struct fs *fs, struct node *n, struct buf *out) {
        char path[LOCAL_PATH_MAX], target[LOCAL_PATH_MAX];
        ssize_t got;
        int r = node_path_of(fs, n, path);

        if (r)
                return r;
        got = readlink(path, target, sizeof(target));
        if (got < 0)
                return -errno;
        buf_append(out, target, (size_t)got);
        return buf_status(out);
}

static int read_fd(int fd, struct buf *out) {
        off_t at = 0;

        for (;;) {
                char *room = buf_reserve(out, 64 * KIB);
                ssize_t got = room ? pread(fd, room, 64 * KIB, at) : 0;

                if (!room)
                        return buf_status(out);
                if (got < 0 && errno == EINTR)
                        continue;
                if (got <= 0)
                        return got < 0 ? -errno : 0;
                buf_commit(out, (size_t)got);
                at += got;
        }
}

int local_read_all(struct fs *fs, struct node *dir, struct str name, struct buf *out, struct error *e) {
        char path[LOCAL_PATH_MAX];
        int fd, r = path_of(fs, dir, name, path);

        if (r)
                return failed(e, r, "scratch file");
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
                return errno == ENOENT ? fs_no_item(e) : failed(e, -errno, "scratch file");
        r = read_fd(fd, out);
        close(fd);
        return r == -EFBIG ? error_set(e, ERR_TOO_LARGE, "the text of an item is at most %zu bytes", (size_t)ITEM_TEXT_MAX)
               : r ? failed(e, r, "scratch file")
                   : 0;
}

static int write_fd(int fd, uint64_t offset, struct str data) {
        while (data.n > 0) {
                ssize_t put = pwrite(fd, data.p, data.n, (off_t)offset);

                if (put < 0 && errno == EINTR)
                        continue;
                if (put < 0)
                        return -errno;
                data = str_skip(data, (size_t)put);
                offset += (uint64_t)put;
        }
        return 0;
}

int local_write_all(struct fs *fs, struct node *dir, struct str name, struct str text, struct error *e) {
        char path[LOCAL_PATH_MAX];
        int fd, r = path_of(fs, dir, name, path);

        if (r == 0)
                r = make_folders(fs, path);
        if (r)
                return failed(e, r, "scratch file");
        (void)unlink(path); /* another file: who has the old one open keeps it */
        fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return failed(e, -errno, "scratch file");
        r = write_fd(fd, 0, text);
        if (r == 0 && fsync(fd) < 0)
                r = -errno;
        close(fd);
        if (r)
                (void)unlink(path);
        return r ? failed(e, r, "scratch file") : 0;
}

/* ---- open local files ---- */

static int read_local(struct fs *fs, struct op_ctx *ctx, struct fs_file *f, uint64_t offset, size_t n, struct str *ret,
                      void **ret_hold, struct error *e) {
        struct snapshot *s;
        ssize_t got;

        (void)fs;
        (void)ctx;
        s = mem_alloc(sizeof(*s) + n);
        if (!s)
                return error_set(e, ERR_MEMORY, "out of memory");
        atomic_init(&s->refs, 1);
        do
                got = pread(f->fd, s->text, n, (off_t)offset);
        while (got < 0 && errno == EINTR);
        if (got < 0) {
                int r = failed(e, -errno, "scratch file");

                snapshot_unref(s);
                return r;
        }
        *ret = str_make(s->text, (size_t)got);
        *ret_hold = s;
        return 0;
}

static int write_local(struct fs *fs, struct op_ctx *ctx, struct fs_file *f, uint64_t offset, struct str data,
                       struct error *e) {
        struct stat before;
        uint64_t grown = 0;
        int r;

        (void)ctx;
        if (fstat(f->fd, &before) < 0)
                return failed(e, -errno, "scratch file");
        if (f->flags & O_APPEND)
                offset = (uint64_t)before.st_size;
        if (offset + data.n > (uint64_t)before.st_size)
                grown = offset + data.n - (uint64_t)before.st_size;
        if (grown && atomic_load(&fs->spool_bytes) + grown > fs->o.spool_max)
                return failed(e, -ENOSPC, "the scratch files take more than the option spool_max allows");
        r = write_fd(f->fd, offset, data);
        if (r)
                return failed(e, r, "scratch file");
        atomic_fetch_add(&fs->spool_bytes, grown);
        f->wrote = true;
        return 0;
}

/* A scratch file that was renamed onto an item while still open: what is written after that is saved too. */
static int commit_local(struct fs *fs, struct op_ctx *ctx, struct fs_file *f, struct error *e) {
        _cleanup_(buf_deinit) struct buf text = BUF_INIT(ITEM_TEXT_MAX);
        _cleanup_(held_put) struct held parent = { .fs = fs };
        _cleanup_(mem_freep) char *name = NULL;
        uint32_t name_n = 0;
        int r;

        if (!f->wrote || f->node->kind != NODE_ITEM)
                return 0;
        mutex_lock(&fs->nodes.lock);
        if (!f->node->detached && (name = mem_dup(f->node->name, f->node->name_n))) {
                name_n = f->node->name_n;
                parent.n = f->node->parent;
                parent.n->refs++;
        }
        mutex_unlock(&fs->nodes.lock);
        if (!name)
                return 0; /* unlinked meanwhile */
        r = read_fd(f->fd, &text);
        if (r)
                return failed(e, r, "saving");
        r = save_text(fs, ctx, parent.n, str_make(name, name_n), buf_view(&text), false, e);
        f->wrote = r != 0;
        return r;
}

static int sync_local(struct fs *fs, struct op_ctx *ctx, struct fs_file *f, struct error *e) {
        (void)fs;
        (void)ctx;
        return fdatasync(f->fd) < 0 ? failed(e, -errno, "scratch file") : 0;
}

static void release_local(struct fs *fs, struct op_ctx *ctx, struct fs_file *f) {
        (void)ctx;
        close(f->fd);
        file_free(fs, f);
}

const struct file_ops local_file_ops = { read_local, write_local, commit_local, sync_local, release_local };
