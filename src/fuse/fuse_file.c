/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open files.  The handle the kernel keeps for us is the struct fs_file itself: the kernel is trusted to
 * give back what it was given, and only as long as it was given.
 */
#include <errno.h>
#include "fuse_internal.h"

/* Outside of any request: nobody is left who could interrupt it. */
static void release_unwanted(struct session *s, struct fs_file *file) {
        struct op_ctx ctx;

        op_ctx_init(&ctx, "release", s->op_timeout_ns);
        fs_release(s->fs, &ctx, file);
        op_ctx_deinit(&ctx);
}

static void opened_to_info(const struct fs_opened *o, struct fuse_file_info *fi) {
        fi->fh = (uintptr_t)o->file;
        fi->direct_io = o->direct_io;
        fi->keep_cache = o->keep_cache;
        fi->noflush = o->no_flush;
}

/* What is not there although the kernel has found it: it looks up the path again after ESTALE, and then says ENOENT
 * itself, or makes the file anew when O_CREAT was given.  After ENOENT it would tell the program so, O_CREAT or not. */
void ops_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi) {
        struct fs_opened opened = { 0 };
        struct op op;
        int r;

        op_begin(&op, req, "open");
        r = op_end(&op, fs_open(op.s->fs, &op.ctx, ino, fi->flags, &opened));
        if (r) {
                reply_status(req, r == -ENOENT ? -ESTALE : r);
                return;
        }
        opened_to_info(&opened, fi);
        if (fuse_reply_open(req, fi) < 0)
                release_unwanted(op.s, opened.file);
}

void ops_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, struct fuse_file_info *fi) {
        struct fs_opened opened = { 0 };
        struct fuse_entry_param param;
        struct fs_entry entry = { 0 };
        struct op op;
        int r;

        (void)mode; /* the mount's options decide */
        op_begin(&op, req, "create");
        r = op_end(&op, fs_create(op.s->fs, &op.ctx, parent, str_of(name), fi->flags, &entry, &opened));
        if (r) {
                reply_status(req, r);
                return;
        }
        entry_to_param(&entry, &param);
        opened_to_info(&opened, fi);
        if (fuse_reply_create(req, &param, fi) < 0) {
                release_unwanted(op.s, opened.file);
                fs_forget(op.s->fs, entry.node, 1);
        }
}

/* mknod(2) of a regular file: create it and close it. */
void ops_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev) {
        struct fs_opened opened = { 0 };
        struct fs_entry entry = { 0 };
        struct op op;
        int r;

        (void)rdev;
        if (!S_ISREG(mode)) {
                reply_status(req, -EPERM);
                return;
        }
        op_begin(&op, req, "mknod");
        r = fs_create(op.s->fs, &op.ctx, parent, str_of(name), O_CREAT | O_EXCL | O_WRONLY, &entry, &opened);
        if (!r)
                fs_release(op.s->fs, &op.ctx, opened.file);
        r = op_end(&op, r);
        if (r)
                reply_status(req, r);
        else
                reply_entry(op.s, req, &entry);
}

void ops_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi) {
        struct str data = STR_NULL;
        struct fs_hold hold = { .of = NULL };
        struct op op;
        int r;

        (void)ino;
        op_begin(&op, req, "read");
        r = off < 0 ? -EINVAL : fs_read(op.s->fs, &op.ctx, file_of(fi), (uint64_t)off, size, &data, &hold);
        r = op_end(&op, r);
        if (r) {
                reply_status(req, r);
                return;
        }
        (void)fuse_reply_buf(req, data.p, MIN(data.n, size)); /* writev straight from the borrowed bytes */
        fs_read_done(hold);
}

void ops_write(fuse_req_t req, fuse_ino_t ino, const char *p, size_t n, off_t off, struct fuse_file_info *fi) {
        struct op op;
        int r;

        (void)ino;
        op_begin(&op, req, "write");
        r = off < 0 ? -EINVAL : fs_write(op.s->fs, &op.ctx, file_of(fi), (uint64_t)off, str_make(p, n));
        r = op_end(&op, r);
        if (r)
                reply_status(req, r);
        else
                (void)fuse_reply_write(req, n);
}

void ops_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi) {
        struct op op;

        (void)ino;
        op_begin(&op, req, "flush");
        reply_status(req, op_end(&op, fs_flush(op.s->fs, &op.ctx, file_of(fi))));
}

void ops_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi) {
        struct op op;

        (void)ino, (void)datasync;
        op_begin(&op, req, "fsync");
        reply_status(req, op_end(&op, fs_fsync(op.s->fs, &op.ctx, file_of(fi))));
}

void ops_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi) {
        struct op op;

        (void)ino;
        op_begin(&op, req, "release");
        fs_release(op.s->fs, &op.ctx, file_of(fi));
        reply_status(req, op_end(&op, 0));
}

static int extend(struct op *op, uint64_t node, struct fs_file *file, uint64_t end) {
        struct fs_attr attr = { 0 };
        int r;

        r = fs_getattr(op->s->fs, &op->ctx, node, file, &attr);
        if (r || end <= attr.size)
                return r;
        return fs_setattr(op->s->fs, &op->ctx, node, file, &end, &attr);
}

/* posix_fallocate() makes a file longer; there is no space that could be reserved. */
void ops_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t off, off_t len, struct fuse_file_info *fi) {
        struct op op;
        off_t end;
        int r;

        op_begin(&op, req, "fallocate");
        if (mode != 0)
                r = -EOPNOTSUPP;
        else if (off < 0 || len <= 0)
                r = -EINVAL;
        else if (__builtin_add_overflow(off, len, &end))
                r = -EFBIG;
        else
                r = extend(&op, ino, file_of(fi), (uint64_t)end);
        reply_status(req, op_end(&op, r));
}
