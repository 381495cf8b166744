/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open local files.  What is unlinked while open lives on until the last one closes it; its node has no name
 * then, so its attributes are asked of one of the open files (node.local_files).
 */
#include <unistd.h>
#include "local_internal.h"
#include "ddbfs/base/file.h"

static void remember(struct fs *fs, struct fs_file *f) {
        mutex_lock(&fs->nodes.lock);
        f->next_local = f->node->local_files;
        f->node->local_files = f;
        mutex_unlock(&fs->nodes.lock);
}

static void forget(struct fs *fs, struct fs_file *f) {
        mutex_lock(&fs->nodes.lock);
        for (struct fs_file **at = &f->node->local_files; *at; at = &(*at)->next_local) {
                if (*at == f) {
                        *at = f->next_local;
                        break;
                }
        }
        mutex_unlock(&fs->nodes.lock);
}

int local_stat_unlinked(struct fs *fs, struct node *n, struct stat *ret) {
        int r = -EAGAIN;

        mutex_lock(&fs->nodes.lock);
        if (n->detached) {
                r = !n->local_files ? -ENOENT : fstat(n->local_files->fd, ret) < 0 ? -errno : 0;
                if (r == 0)
                        ret->st_nlink = 0;
        }
        mutex_unlock(&fs->nodes.lock);
        return r;
}

int local_opened(struct fs *fs, struct node *n, int flags, int fd, struct fs_opened *ret, struct error *e) {
        struct fs_file *f = file_new(fs, n, flags, &local_file_ops);

        if (!f) {
                close(fd);
                return error_set(e, ERR_MEMORY, "out of memory");
        }
        f->fd = fd;
        remember(fs, f);
        ret->file = f;
        ret->keep_cache = !(flags & O_TRUNC);
        return 0;
}

int local_open(struct fs *fs, struct node *n, int flags, struct fs_opened *ret, struct error *e) {
        char path[LOCAL_PATH_MAX];
        int fd, r = local_path_of(fs, n, STR_NULL, path);

        if (r)
                return error_set_errno(e, r, "local file");
        /* for reading too: the kernel reads around what is written through a mapping */
        fd = open(path, ((flags & O_ACCMODE) == O_RDONLY ? O_RDONLY : O_RDWR) | (flags & O_TRUNC) | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
                return errno == ENOENT ? fs_no_item(e) : error_set_errno(e, -errno, "local file");
        if (flags & O_TRUNC)
                (void)atomic_fetch_add(&fs->local_edits, 1);
        return local_opened(fs, n, flags, fd, ret, e);
}

static int read_local(struct fs *fs, struct op_ctx *ctx, struct fs_file *f, uint64_t offset, size_t n, struct str *ret,
                      struct fs_hold *ret_hold, struct error *e) {
        struct snapshot *s;
        ssize_t got;

        (void)fs;
        (void)ctx;
        if (snapshot_room(n, &s))
                return error_set(e, ERR_MEMORY, "out of memory");
        do
                got = pread(f->fd, s->text, n, (off_t)offset);
        while (got < 0 && errno == EINTR);
        if (got < 0) {
                int r = error_set_errno(e, -errno, "scratch file");

                snapshot_unref(s);
                return r;
        }
        *ret = str_make(s->text, (size_t)got);
        *ret_hold = hold_snapshot(s);
        return 0;
}

/* Whose text it is: renamed onto an item, it replaces the version that this program has read. */
static void note_writer(struct fs *fs, struct op_ctx *ctx, struct fs_file *f) {
        struct program p;

        if (f->writer_noted)
                return;
        f->writer_noted = true;
        p = program_of(fs, ctx);
        mutex_lock(&fs->nodes.lock);
        f->node->writer = p;
        mutex_unlock(&fs->nodes.lock);
}

static int write_local(struct fs *fs, struct op_ctx *ctx, struct fs_file *f, uint64_t offset, struct str data,
                       struct error *e) {
        struct stat before;
        uint64_t grown = 0;
        int r;

        if (fstat(f->fd, &before) < 0)
                return error_set_errno(e, -errno, "scratch file");
        if (f->flags & O_APPEND)
                offset = (uint64_t)before.st_size;
        if (offset + data.n > (uint64_t)before.st_size)
                grown = offset + data.n - (uint64_t)before.st_size;
        r = grown ? spool_grow(fs, grown, e) : 0;
        if (r)
                return r;
        r = file_write_all(f->fd, offset, data);
        (void)atomic_fetch_add(&fs->local_edits, 1);
        if (r)
                return error_set_errno(e, r, "scratch file");
        f->wrote = true;
        note_writer(fs, ctx, f);
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
        r = file_read_all(f->fd, &text);
        if (r)
                return error_set_errno(e, r, "saving");
        r = save_text(fs, ctx, program_of(fs, ctx), parent.n, str_make(name, name_n), buf_view(&text), false, e);
        f->wrote = r != 0;
        return r;
}

static int sync_local(struct fs *fs, struct op_ctx *ctx, struct fs_file *f, struct error *e) {
        (void)fs;
        (void)ctx;
        return fdatasync(f->fd) < 0 ? error_set_errno(e, -errno, "scratch file") : 0;
}

static void release_local(struct fs *fs, struct op_ctx *ctx, struct fs_file *f) {
        (void)ctx;
        forget(fs, f);
        close(f->fd);
        file_free(fs, f);
}

const struct file_ops local_file_ops = { read_local, write_local, commit_local, sync_local, release_local, false };
