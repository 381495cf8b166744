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
#include "local_internal.h"
#include "ddbfs/base/file.h"

#define LOCAL_DEPTH_MAX 64

bool local_name(struct str name, bool in_chain) {
        return name.n > 0 && name.n <= 255 && (!str_ends(name, STR(".json")) || (name.p[0] == '.' && !in_chain)) && !keyname_is_chain(name) &&
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

int local_spool_path(struct fs *fs, char out[LOCAL_PATH_MAX]) {
        out[0] = '\0';
        return append(out, "%s/spool/%s", fs->o.state_dir, fs->o.mount_id ? fs->o.mount_id : "mount");
}

int local_path_of(struct fs *fs, const struct node *dir, struct str name, char out[LOCAL_PATH_MAX]) {
        const struct node *chain[LOCAL_DEPTH_MAX];
        size_t n = 0;
        int r;

        out[0] = '\0';
        if (!fs->o.state_dir)
                return -EOPNOTSUPP;
        mutex_lock(&fs->nodes.lock);
        for (; dir->kind == NODE_LOCAL && dir->parent && n < LOCAL_DEPTH_MAX; dir = dir->parent)
                chain[n++] = dir;
        r = dir->kind == NODE_CONTROL ? append(out, "%s", fs->o.state_dir) : local_spool_path(fs, out);
        if (r == 0 && dir->kind != NODE_CONTROL)
                r = append(out, "/%016llx", (unsigned long long)dir->ino);
        while (r == 0 && n > 0) {
                n--;
                r = append(out, "/%.*s", (int)chain[n]->name_n, chain[n]->name);
        }
        if (dir->kind == NODE_LOCAL && dir->parent)
                r = -ENAMETOOLONG; /* deeper than anybody needs */
        mutex_unlock(&fs->nodes.lock);
        return r == 0 && name.n ? append(out, "/%.*s", (int)name.n, name.p) : r;
}

/* The folders above a file of dir.  The innermost comes last: where it is there, so is what tells whose it is. */
static int make_folders(struct fs *fs, struct node *dir, char *path) {
        char *innermost = strrchr(path, '/');
        int r = 0;

        for (char *slash = strchr(path + strlen(fs->o.state_dir) + 1, '/'); r == 0 && slash; slash = strchr(slash + 1, '/')) {
                if (slash == innermost)
                        r = local_folder_name(fs, dir);
                *slash = '\0';
                if (r == 0 && mkdir(path, 0700) < 0 && errno != EEXIST)
                        r = -errno;
                *slash = '/';
        }
        return r;
}

static void count_edit(struct fs *fs) {
        (void)atomic_fetch_add(&fs->local_edits, 1);
}

int local_stat(struct fs *fs, struct node *dir, struct str name, struct stat *ret) {
        char path[LOCAL_PATH_MAX];
        int r = local_path_of(fs, dir, name, path);

        if (r)
                return r == -EOPNOTSUPP || r == -ENAMETOOLONG ? -ENOENT : r;
        return lstat(path, ret) < 0 ? -errno : 0;
}

static void attr_of(struct fs *fs, struct node *n, const struct stat *st, struct fs_attr *ret) {
        if (S_ISDIR(st->st_mode)) {
                attr_dir(fs, node_ino_now(fs, n), ret);
                ret->valid_ns = 0;
        } else {
                attr_file(fs, node_ino_now(fs, n), (uint64_t)st->st_size, 0, NS_PER_S, ret);
        }
        ret->mtime_ns = (uint64_t)st->st_mtim.tv_sec * NS_PER_S + (uint64_t)st->st_mtim.tv_nsec;
        if (S_ISLNK(st->st_mode))
                ret->mode = S_IFLNK | 0777;
        if (st->st_nlink == 0)
                ret->nlink = 0;
}

int local_attr(struct fs *fs, struct node *n, struct fs_attr *ret, struct error *e) {
        char path[LOCAL_PATH_MAX];
        struct stat st;
        int r = local_stat_unlinked(fs, n, &st);

        if (r == -EAGAIN) {
                r = local_path_of(fs, n, STR_NULL, path);
                if (r == 0 && lstat(path, &st) < 0)
                        r = -errno;
        }
        if (r)
                return r == -ENOENT ? fs_no_item(e) : error_set_errno(e, r, "local file");
        attr_of(fs, n, &st, ret);
        return 0;
}

int local_file_attr(struct fs *fs, const struct fs_file *f, struct fs_attr *ret, struct error *e) {
        struct stat st;

        if (fstat(f->fd, &st) < 0)
                return error_set_errno(e, -errno, "local file");
        attr_of(fs, f->node, &st, ret);
        return 0;
}

int local_names(struct fs *fs, struct node *dir, struct names *ret) {
        char path[LOCAL_PATH_MAX];
        struct dirent *entry;
        int r = local_path_of(fs, dir, STR_NULL, path);
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

static int make_file(const char *path, int flags) {
        int fd = open(path, O_RDWR | O_CREAT | (flags & O_EXCL) | (flags & O_TRUNC) | O_CLOEXEC | O_NOFOLLOW, 0600);

        return fd < 0 ? -errno : fd;
}

int local_create(struct fs *fs, struct node *dir, struct str name, int flags, int *ret_fd, struct error *e) {
        char path[LOCAL_PATH_MAX];
        int r = local_path_of(fs, dir, name, path);

        if (r)
                return error_set_errno(e, r, "scratch file");
        r = spool_grow(fs, 0, e);
        if (r)
                return r;
        r = spare_take(fs, path);
        if (r < 0)
                r = make_file(path, flags);
        if (r == -ENOENT) {
                r = make_folders(fs, dir, path);
                r = r ? r : make_file(path, flags);
        }
        if (r < 0)
                return error_set_errno(e, r, "scratch file");
        count_edit(fs);
        *ret_fd = r;
        return 0;
}

int local_mkdir(struct fs *fs, struct node *dir, struct str name, struct error *e) {
        char path[LOCAL_PATH_MAX];
        int r = local_path_of(fs, dir, name, path);

        if (r == 0)
                r = make_folders(fs, dir, path);
        if (r == 0 && mkdir(path, 0700) < 0)
                r = -errno;
        return r ? error_set_errno(e, r, "scratch folder") : 0;
}

bool local_in_spool(struct fs *fs, struct node *dir) {
        mutex_lock(&fs->nodes.lock);
        while (dir->kind == NODE_LOCAL && dir->parent)
                dir = dir->parent;
        mutex_unlock(&fs->nodes.lock);
        return dir->kind != NODE_CONTROL;
}

int local_remove(struct fs *fs, struct node *dir, struct str name, bool directory, struct error *e) {
        char path[LOCAL_PATH_MAX];
        int r = local_path_of(fs, dir, name, path);

        if (r)
                return error_set_errno(e, r, "local file");
        if (!directory && spare_put(fs, path))
                ;
        else if ((directory ? rmdir(path) : unlink(path)) < 0)
                return errno == ENOENT ? fs_no_item(e) : error_set_errno(e, -errno, "local file");
        count_edit(fs);
        return 0;
}

int local_rename(struct fs *fs, struct node *dir, struct str name, struct node *new_dir, struct str new_name,
                 unsigned flags, struct error *e) {
        char from[LOCAL_PATH_MAX], to[LOCAL_PATH_MAX];
        int r = local_path_of(fs, dir, name, from);

        if (r == 0)
                r = local_path_of(fs, new_dir, new_name, to);
        if (r == 0)
                r = make_folders(fs, new_dir, to);
        if (r == 0 && renameat2(AT_FDCWD, from, AT_FDCWD, to, flags) < 0)
                r = -errno;
        count_edit(fs);
        return r == -ENOENT ? fs_no_item(e) : r ? error_set_errno(e, r, "scratch file") : 0;
}

int local_truncate(struct fs *fs, struct node *n, struct fs_file *f, uint64_t size, struct error *e) {
        char path[LOCAL_PATH_MAX];
        int r;

        r = spool_grow(fs, size, e);
        if (r)
                return r;
        if (f && f->fd >= 0) {
                f->wrote = true;
                r = ftruncate(f->fd, (off_t)size) < 0 ? -errno : 0;
        } else {
                r = local_path_of(fs, n, STR_NULL, path);
                if (r == 0 && truncate(path, (off_t)size) < 0)
                        r = -errno;
        }
        count_edit(fs);
        return r ? error_set_errno(e, r, "scratch file") : 0;
}

int local_symlink(struct fs *fs, struct node *dir, struct str name, struct str target, struct error *e) {
        _cleanup_(mem_freep) char *text = mem_dup(target.p, target.n);
        char path[LOCAL_PATH_MAX];
        int r = text ? local_path_of(fs, dir, name, path) : -ENOMEM;

        if (r == 0)
                r = make_folders(fs, dir, path);
        if (r == 0 && symlink(text, path) < 0)
                r = -errno;
        return r ? error_set_errno(e, r, "scratch link") : 0;
}

int local_readlink(struct fs *fs, struct node *n, struct buf *out) {
        char path[LOCAL_PATH_MAX], target[LOCAL_PATH_MAX];
        ssize_t got;
        int r = local_path_of(fs, n, STR_NULL, path);

        if (r)
                return r;
        got = readlink(path, target, sizeof(target));
        if (got < 0)
                return -errno;
        buf_append(out, target, (size_t)got);
        return buf_status(out);
}

int local_read_all(struct fs *fs, struct node *dir, struct str name, struct buf *out, struct error *e) {
        char path[LOCAL_PATH_MAX];
        int fd, r = local_path_of(fs, dir, name, path);

        if (r)
                return error_set_errno(e, r, "scratch file");
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
                return errno == ENOENT ? fs_no_item(e) : error_set_errno(e, -errno, "scratch file");
        r = file_read_all(fd, out);
        close(fd);
        return r == -EFBIG ? error_set(e, ERR_TOO_LARGE, "the text of an item is at most %zu bytes", (size_t)ITEM_TEXT_MAX)
               : r ? error_set_errno(e, r, "scratch file")
                   : 0;
}

/* Another file, whole or not at all: who has the old one open keeps it. */
int local_write_all(struct fs *fs, struct node *dir, struct str name, struct str text, struct error *e) {
        char path[LOCAL_PATH_MAX], temp[LOCAL_PATH_MAX];
        int fd = -1, r = local_path_of(fs, dir, name, path);

        if (r == 0)
                r = make_folders(fs, dir, path);
        if (r == 0)
                r = local_spool_path(fs, temp);
        if (r == 0) /* not a folder of this spool: names there are inode numbers */
                r = append(temp, "/new-%u", atomic_fetch_add(&fs->local_temps, 1));
        if (r == 0) {
                fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
                r = fd < 0 ? -errno : file_write_all(fd, 0, text);
        }
        if (r == 0 && (fsync(fd) < 0 || rename(temp, path) < 0))
                r = -errno;
        count_edit(fs);
        if (fd >= 0) {
                close(fd);
                if (r)
                        (void)unlink(temp);
        }
        return r ? error_set_errno(e, r, "scratch file") : 0;
}
