/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open directories, and the packing of their entries.
 *
 * An answer to readdirplus hands one lookup count per entry to the kernel.  When the answer cannot be
 * delivered, the counts are read back out of the packed bytes and returned.
 */
#include <errno.h>
#include <limits.h>
#include <linux/fuse.h>
#include "fuse_internal.h"
#include "ddbfs/base/alloc.h"

#define MAX_ANSWER MIB

struct filler {
        struct session *s;
        fuse_req_t req;
        char *p;
        size_t n, cap;
        bool plus;
        bool full; /* an entry did not fit */
};

static struct fs_dir *dir_of(const struct fuse_file_info *fi) {
        return (struct fs_dir *)(uintptr_t)fi->fh;
}

void ops_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi) {
        struct fs_dir *dir = NULL;
        struct op op;
        int r;

        op_begin(&op, req, "opendir");
        r = op_end(&op, fs_opendir(op.s->fs, &op.ctx, ino, &dir));
        if (r) {
                reply_status(req, r);
                return;
        }
        fi->fh = (uintptr_t)dir;
        if (fuse_reply_open(req, fi) < 0)
                fs_releasedir(op.s->fs, dir);
}

void ops_releasedir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi) {
        (void)ino;
        fs_releasedir(session_of(req)->fs, dir_of(fi));
        reply_status(req, 0);
}

void ops_fsyncdir(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi) {
        struct op op;

        (void)ino, (void)datasync;
        op_begin(&op, req, "fsyncdir");
        reply_status(req, op_end(&op, fs_fsyncdir(op.s->fs, &op.ctx, dir_of(fi))));
}

/* The kernel refuses a whole answer with one bad name in it. */
static bool name_is_bad(struct str name) {
        return name.n == 0 || name.n > NAME_MAX || memchr(name.p, '/', name.n) || memchr(name.p, 0, name.n);
}

static bool fill(void *arg, struct str name, const struct fs_entry *entry, uint64_t next_offset) {
        struct filler *f = arg;
        struct fuse_entry_param param;
        char z[NAME_MAX + 1];
        size_t room = f->cap - f->n;
        size_t need;

        if (name_is_bad(name))
                return true; /* as if taken: calling back into the fs from here could meet a lock it holds */
        memcpy(z, name.p, name.n);
        z[name.n] = 0;
        entry_to_param(entry, &param);
        if (f->plus)
                need = fuse_add_direntry_plus(f->req, f->p + f->n, room, z, &param, (off_t)next_offset);
        else
                need = fuse_add_direntry(f->req, f->p + f->n, room, z, &param.attr, (off_t)next_offset);
        if (need > room) {
                f->full = true;
                return false;
        }
        f->n += need;
        return true;
}

static void give_back(struct filler *f) {
        const struct fuse_direntplus *d;

        if (!f->plus)
                return;
        for (size_t at = 0; at < f->n; at += FUSE_DIRENTPLUS_SIZE(d)) {
                d = (const void *)(f->p + at); /* the records are 8-byte aligned */
                if (d->entry_out.nodeid)
                        fs_forget(f->s->fs, d->entry_out.nodeid, 1);
        }
}

static void list(fuse_req_t req, size_t size, off_t off, struct fuse_file_info *fi, bool plus) {
        struct filler f = { .req = req, .cap = MIN(size, MAX_ANSWER), .plus = plus };
        _cleanup_(mem_freep) char *answer = NULL;
        struct op op;
        int r;

        op_begin(&op, req, plus ? "readdirplus" : "readdir");
        f.s = op.s;
        f.p = answer = mem_alloc(f.cap);
        r = answer ? fs_readdir(op.s->fs, &op.ctx, dir_of(fi), (uint64_t)off, plus, fill, &f) : -ENOMEM;
        if (f.n > 0)
                r = 0; /* what was taken must be delivered: fs keeps the error for the next call */
        else if (!r && f.full)
                r = -EINVAL; /* getdents(2): "Result buffer is too small" */
        r = op_end(&op, r);
        if (r)
                reply_status(req, r);
        else if (fuse_reply_buf(req, f.p, f.n) < 0)
                give_back(&f);
}

void ops_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi) {
        (void)ino;
        list(req, size, off, fi, false);
}

void ops_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi) {
        (void)ino;
        list(req, size, off, fi, true);
}
