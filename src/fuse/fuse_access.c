/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What only the owner of all files may do: asked where nobody else gets in (session_options.owner_only), and the
 * kernel does not check by itself.  It would ask for the attributes of a directory after each change in it: once
 * for every file that is copied in.
 *
 * What the bits of a file forbid is refused by the file system, which does so to root too.  What is left: access(2)
 * must tell that beforehand, and files are not given away.
 */
#include <unistd.h>
#include "fuse_internal.h"

#define GROUPS_MAX 256

int access_check(const struct fs_attr *attr, uid_t uid, int mask) {
        int owner = (int)(attr->mode >> 6 & 7);

        if (uid == 0) /* reads and writes all, and executes what somebody may execute */
                owner = S_ISDIR(attr->mode) || (attr->mode & 0111) ? R_OK | W_OK | X_OK : R_OK | W_OK;
        return mask & ~owner & (R_OK | W_OK | X_OK) ? -EACCES : 0;
}

void ops_access(fuse_req_t req, fuse_ino_t ino, int mask) {
        struct fs_attr attr = { 0 };
        struct op op;
        int r;

        op_begin(&op, req, "access");
        r = fs_getattr(op.s->fs, &op.ctx, ino, NULL, &attr);
        if (!r)
                r = access_check(&attr, fuse_req_ctx(req)->uid, mask);
        reply_status(req, op_end(&op, r));
}

static bool in_group(fuse_req_t req, gid_t gid) {
        gid_t groups[GROUPS_MAX];
        int n;

        if (fuse_req_ctx(req)->gid == gid)
                return true;
        n = fuse_req_getgroups(req, GROUPS_MAX, groups);
        for (int i = 0; i < MIN(n, GROUPS_MAX); i++)
                if (groups[i] == gid)
                        return true;
        return false;
}

int access_chown(fuse_req_t req, const struct stat *wanted, int to_set, const struct fs_attr *now) {
        if (fuse_req_ctx(req)->uid == 0)
                return 0;
        if ((to_set & FUSE_SET_ATTR_UID) && wanted->st_uid != now->uid)
                return -EPERM;
        return (to_set & FUSE_SET_ATTR_GID) && wanted->st_gid != now->gid && !in_group(req, wanted->st_gid) ? -EPERM : 0;
}
