/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Extended attributes.  We have some below "user." and no others.  For the others the answer is "not
 * supported" without any work: `ls -l` asks for security.selinux and system.posix_acl_access of every file,
 * every write(2) asks for security.capability; and after EOPNOTSUPP coreutils ask no more on this mount.
 */
#include <errno.h>
#include <linux/limits.h>
#include "fuse_internal.h"

static bool is_ours(const char *name) {
        return str_starts(str_of(name), STR("user."));
}

/* size is the room the program offers; 0: it asks how much it needs. */
static void reply_value(fuse_req_t req, int r, struct str value, size_t size) {
        if (r)
                reply_status(req, r);
        else if (size == 0)
                (void)fuse_reply_xattr(req, value.n);
        else if (value.n > size)
                reply_status(req, -ERANGE);
        else
                (void)fuse_reply_buf(req, value.p, value.n);
}

void ops_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size) {
        _cleanup_(buf_deinit) struct buf value = BUF_INIT(XATTR_SIZE_MAX);
        struct op op;
        int r;

        if (!is_ours(name)) {
                reply_status(req, -EOPNOTSUPP);
                return;
        }
        op_begin(&op, req, "getxattr");
        r = fs_getxattr(op.s->fs, &op.ctx, ino, name, &value);
        if (!r)
                r = buf_status(&value);
        reply_value(req, op_end(&op, r), buf_view(&value), size);
}

void ops_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size) {
        _cleanup_(buf_deinit) struct buf names = BUF_INIT(XATTR_LIST_MAX);
        struct op op;
        int r;

        op_begin(&op, req, "listxattr");
        r = fs_listxattr(op.s->fs, &op.ctx, ino, &names);
        if (!r)
                r = buf_status(&names);
        reply_value(req, op_end(&op, r), buf_view(&names), size);
}

void ops_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value, size_t size, int flags) {
        struct op op;

        (void)flags;
        if (!is_ours(name)) {
                reply_status(req, -EOPNOTSUPP);
                return;
        }
        op_begin(&op, req, "setxattr");
        reply_status(req, op_end(&op, fs_setxattr(op.s->fs, &op.ctx, ino, name, str_make(value, size))));
}

void ops_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name) {
        struct op op;

        if (!is_ours(name)) {
                reply_status(req, -EOPNOTSUPP);
                return;
        }
        op_begin(&op, req, "removexattr");
        reply_status(req, op_end(&op, fs_removexattr(op.s->fs, &op.ctx, ino, name)));
}
