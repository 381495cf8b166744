/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names and nodes: decode a request, call fs_*, reply.  No decision is made here, no state kept.
 *
 * Every request is answered exactly once; the answer frees it, so op_end() comes before.  An answer that
 * the kernel no longer wants (the caller was killed meanwhile) hands nothing over: what it would have handed
 * over - a lookup count, an open file - is given back at once.
 */
#include <errno.h>
#include <limits.h>
#include "fuse_internal.h"
#include "ddbfs/base/metrics.h"

/* What we ask of the kernel, where it has it.  Left out on purpose: WRITEBACK_CACHE (close must report what
 * became of the text, so the text has to be here by then), AUTO_INVAL_DATA (pages are dropped by explicit
 * invalidation), SPLICE_* (answers come from memory, where a pipe costs more than the copy), POSIX_LOCKS and
 * FLOCK_LOCKS (the kernel locks locally), EXPORT_SUPPORT (nodes do not outlive the mount), CACHE_SYMLINKS. */
#define CAPABILITIES_WANTED                                                                                 \
        (FUSE_CAP_ASYNC_READ | FUSE_CAP_ATOMIC_O_TRUNC | FUSE_CAP_READDIRPLUS | FUSE_CAP_READDIRPLUS_AUTO | \
         FUSE_CAP_PARALLEL_DIROPS)

#define SECONDS_FOREVER 1e9

static void on_interrupt(fuse_req_t req, void *ctx) {
        (void)req;
        op_ctx_cancel(ctx);
}

void op_begin(struct op *op, fuse_req_t req, const char *name) {
        op->s = session_of(req);
        op->req = req;
        op_ctx_init(&op->ctx, name, op->s->op_timeout_ns);
        op->ctx.pid = (uint32_t)fuse_req_ctx(req)->pid;
        /* calls on_interrupt() at once when the interrupt was here first */
        fuse_req_interrupt_func(req, on_interrupt, &op->ctx);
}

int op_end(struct op *op, int r) {
        /* waits for an on_interrupt() that is running: the context is ours again afterwards */
        fuse_req_interrupt_func(op->req, NULL, NULL);
        op_ctx_deinit(&op->ctx);
        metric_add(METRIC_OPS, 1);
        if (r < 0 && r != -ENOENT && r != -ENODATA)
                metric_add(METRIC_OP_ERRORS, 1);
        return r;
}

static double seconds(uint64_t ns) {
        double s = (double)ns / 1e9;

        return ns == FS_FOREVER || s > SECONDS_FOREVER ? SECONDS_FOREVER : s;
}

static void attr_to_stat(const struct fs_attr *a, struct stat *ret) {
        struct timespec mtime = {
                .tv_sec = (time_t)(a->mtime_ns / NS_PER_S),
                .tv_nsec = (long)(a->mtime_ns % NS_PER_S),
        };

        *ret = (struct stat){
                .st_ino = a->ino,
                .st_mode = a->mode,
                .st_nlink = a->nlink,
                .st_size = (off_t)a->size,
                .st_blocks = (blkcnt_t)(a->size / 512 + (a->size % 512 != 0)),
                .st_uid = a->uid,
                .st_gid = a->gid,
                .st_atim = mtime,
                .st_mtim = mtime,
                .st_ctim = mtime,
        };
}

void entry_to_param(const struct fs_entry *e, struct fuse_entry_param *ret) {
        *ret = (struct fuse_entry_param){
                .ino = e->node,
                .generation = 1, /* nodes are never reused */
                .attr_timeout = seconds(e->attr.valid_ns),
                .entry_timeout = seconds(e->valid_ns),
        };
        attr_to_stat(&e->attr, &ret->attr);
}

void reply_status(fuse_req_t req, int r) {
        (void)fuse_reply_err(req, r < 0 ? -r : r ? EIO : 0);
}

void reply_entry(struct session *s, fuse_req_t req, const struct fs_entry *e) {
        struct fuse_entry_param param;

        entry_to_param(e, &param);
        if (fuse_reply_entry(req, &param) < 0 && e->node)
                fs_forget(s->fs, e->node, 1);
}

static void reply_entry_or_error(struct session *s, fuse_req_t req, int r, const struct fs_entry *e) {
        if (r)
                reply_status(req, r);
        else
                reply_entry(s, req, e);
}

static void reply_attr(fuse_req_t req, int r, const struct fs_attr *attr) {
        struct stat st;

        if (r) {
                reply_status(req, r);
                return;
        }
        attr_to_stat(attr, &st);
        (void)fuse_reply_attr(req, &st, seconds(attr->valid_ns));
}

static void ops_init(void *userdata, struct fuse_conn_info *conn) {
        struct session *s = userdata;

        conn->want = conn->capable & CAPABILITIES_WANTED;
        conn->max_write = MIN(conn->max_write, (unsigned)FUSE_MAX_WRITE);
        conn->max_background = 64; /* read-ahead of many readers at once; the kernel's default is 12 */
        conn->congestion_threshold = 48;
        conn->time_gran = 1;
        if (s->ready)
                s->ready(s->ready_arg);
}

static void ops_lookup(fuse_req_t req, fuse_ino_t parent, const char *name) {
        struct fs_entry entry = { 0 };
        struct op op;
        int r;

        op_begin(&op, req, "lookup");
        r = fs_lookup(op.s->fs, &op.ctx, parent, str_of(name), &entry);
        reply_entry_or_error(op.s, req, op_end(&op, r), &entry);
}

static void ops_forget(fuse_req_t req, fuse_ino_t ino, uint64_t n_lookups) {
        fs_forget(session_of(req)->fs, ino, n_lookups);
        fuse_reply_none(req);
}

static void ops_forget_multi(fuse_req_t req, size_t n, struct fuse_forget_data *nodes) {
        struct session *s = session_of(req);

        for (size_t i = 0; i < n; i++)
                fs_forget(s->fs, nodes[i].ino, nodes[i].nlookup);
        fuse_reply_none(req);
}

static void ops_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi) {
        struct fs_attr attr = { 0 };
        struct op op;
        int r;

        op_begin(&op, req, "getattr");
        r = fs_getattr(op.s->fs, &op.ctx, ino, file_of(fi), &attr);
        reply_attr(req, op_end(&op, r), &attr);
}

static void ops_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *st, int to_set, struct fuse_file_info *fi) {
        uint64_t size = (uint64_t)st->st_size;
        struct fs_attr attr = { 0 };
        struct op op;
        int r;

        op_begin(&op, req, "setattr");
        if ((to_set & FUSE_SET_ATTR_SIZE) && st->st_size < 0)
                r = -EINVAL;
        else
                r = fs_setattr(op.s->fs, &op.ctx, ino, file_of(fi), to_set & FUSE_SET_ATTR_SIZE ? &size : NULL, &attr);
        if (!r)
                r = access_chown(req, st, to_set, &attr);
        reply_attr(req, op_end(&op, r), &attr);
}

static void ops_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode) {
        struct fs_entry entry = { 0 };
        struct op op;
        int r;

        (void)mode; /* the mount's options decide */
        op_begin(&op, req, "mkdir");
        r = fs_mkdir(op.s->fs, &op.ctx, parent, str_of(name), &entry);
        reply_entry_or_error(op.s, req, op_end(&op, r), &entry);
}

static void ops_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name) {
        struct fs_entry entry = { 0 };
        struct op op;
        int r;

        op_begin(&op, req, "symlink");
        r = fs_symlink(op.s->fs, &op.ctx, parent, str_of(name), str_of(target), &entry);
        reply_entry_or_error(op.s, req, op_end(&op, r), &entry);
}

static void ops_readlink(fuse_req_t req, fuse_ino_t ino) {
        _cleanup_(buf_deinit) struct buf target = BUF_INIT(PATH_MAX - 1);
        struct op op;
        int r;

        op_begin(&op, req, "readlink");
        r = fs_readlink(op.s->fs, &op.ctx, ino, &target);
        if (!r)
                r = buf_status(&target);
        r = op_end(&op, r);
        if (r)
                reply_status(req, r);
        else
                (void)fuse_reply_readlink(req, buf_view(&target).p);
}

static void ops_unlink(fuse_req_t req, fuse_ino_t parent, const char *name) {
        struct op op;

        op_begin(&op, req, "unlink");
        reply_status(req, op_end(&op, fs_unlink(op.s->fs, &op.ctx, parent, str_of(name))));
}

static void ops_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name) {
        struct op op;

        op_begin(&op, req, "rmdir");
        reply_status(req, op_end(&op, fs_rmdir(op.s->fs, &op.ctx, parent, str_of(name))));
}

static void ops_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t new_parent, const char *new_name,
                       unsigned flags) {
        struct op op;
        int r;

        op_begin(&op, req, "rename");
        r = fs_rename(op.s->fs, &op.ctx, parent, str_of(name), new_parent, str_of(new_name), flags);
        reply_status(req, op_end(&op, r));
}

static void ops_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t new_parent, const char *new_name) {
        (void)ino, (void)new_parent, (void)new_name;
        reply_status(req, -EPERM); /* link(2): "does not support the creation of hard links" */
}

static void ops_statfs(fuse_req_t req, fuse_ino_t ino) {
        struct fs_space space = { 0 };
        struct statvfs st;

        (void)ino;
        fs_statfs(session_of(req)->fs, &space);
        st = (struct statvfs){
                .f_bsize = space.block_size,
                .f_frsize = space.block_size,
                .f_blocks = space.blocks,
                .f_bfree = space.free,
                .f_bavail = space.free,
                .f_files = space.files,
                .f_ffree = space.files_free,
                .f_favail = space.files_free,
                .f_namemax = space.name_max,
        };
        metric_add(METRIC_OPS, 1);
        (void)fuse_reply_statfs(req, &st);
}

/* Not here, so that the kernel is told ENOSYS once and does it by itself: lseek, poll, ioctl, copy_file_range, locks. */
const struct fuse_lowlevel_ops session_ops = {
        .init = ops_init,
        .lookup = ops_lookup,
        .forget = ops_forget,
        .forget_multi = ops_forget_multi,
        .getattr = ops_getattr,
        .setattr = ops_setattr,
        .readlink = ops_readlink,
        .mknod = ops_mknod,
        .mkdir = ops_mkdir,
        .unlink = ops_unlink,
        .rmdir = ops_rmdir,
        .symlink = ops_symlink,
        .rename = ops_rename,
        .link = ops_link,
        .statfs = ops_statfs,
        .access = ops_access,
        .create = ops_create,
        .open = ops_open,
        .read = ops_read,
        .write = ops_write,
        .flush = ops_flush,
        .fsync = ops_fsync,
        .release = ops_release,
        .fallocate = ops_fallocate,
        .opendir = ops_opendir,
        .readdir = ops_readdir,
        .readdirplus = ops_readdirplus,
        .releasedir = ops_releasedir,
        .fsyncdir = ops_fsyncdir,
        .getxattr = ops_getxattr,
        .listxattr = ops_listxattr,
        .setxattr = ops_setxattr,
        .removexattr = ops_removexattr,
};
