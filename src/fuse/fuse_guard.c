/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shape of a request: libfuse believes every length and looks for every NUL it is promised, as the kernel
 * is its only peer.  Here each message is held against the protocol first, so that a broken one is refused
 * instead of read past its end.  Values (nodes, offsets, handles) are not judged.  Pure.
 */
#include <errno.h>
#include <linux/fuse.h>
#include <string.h>
#include "ddbfs/base/macros.h"
#include "ddbfs/base/str.h"

#include "fuse_internal.h"

#define NO_FIXED 0

struct shape {
        uint16_t n_fixed;  /* bytes of the structure behind the header, at least */
        uint8_t n_strings; /* NUL-terminated, behind the structure */
        uint8_t refused;   /* answers to questions we never ask */
};

static const struct shape shapes[] = {
        [FUSE_LOOKUP] = { NO_FIXED, 1, 0 },
        [FUSE_FORGET] = { sizeof(struct fuse_forget_in), 0, 0 },
        [FUSE_GETATTR] = { sizeof(struct fuse_getattr_in), 0, 0 },
        [FUSE_SETATTR] = { sizeof(struct fuse_setattr_in), 0, 0 },
        [FUSE_SYMLINK] = { NO_FIXED, 2, 0 },
        [FUSE_MKNOD] = { sizeof(struct fuse_mknod_in), 1, 0 },
        [FUSE_MKDIR] = { sizeof(struct fuse_mkdir_in), 1, 0 },
        [FUSE_UNLINK] = { NO_FIXED, 1, 0 },
        [FUSE_RMDIR] = { NO_FIXED, 1, 0 },
        [FUSE_RENAME] = { sizeof(struct fuse_rename_in), 2, 0 },
        [FUSE_LINK] = { sizeof(struct fuse_link_in), 1, 0 },
        [FUSE_OPEN] = { sizeof(struct fuse_open_in), 0, 0 },
        [FUSE_READ] = { sizeof(struct fuse_read_in), 0, 0 },
        [FUSE_WRITE] = { sizeof(struct fuse_write_in), 0, 0 },
        [FUSE_RELEASE] = { sizeof(struct fuse_release_in), 0, 0 },
        [FUSE_FSYNC] = { sizeof(struct fuse_fsync_in), 0, 0 },
        [FUSE_SETXATTR] = { FUSE_COMPAT_SETXATTR_IN_SIZE, 1, 0 },
        [FUSE_GETXATTR] = { sizeof(struct fuse_getxattr_in), 1, 0 },
        [FUSE_LISTXATTR] = { sizeof(struct fuse_getxattr_in), 0, 0 },
        [FUSE_REMOVEXATTR] = { NO_FIXED, 1, 0 },
        [FUSE_FLUSH] = { sizeof(struct fuse_flush_in), 0, 0 },
        [FUSE_INIT] = { offsetof(struct fuse_init_in, flags2), 0, 0 },
        [FUSE_OPENDIR] = { sizeof(struct fuse_open_in), 0, 0 },
        [FUSE_READDIR] = { sizeof(struct fuse_read_in), 0, 0 },
        [FUSE_RELEASEDIR] = { sizeof(struct fuse_release_in), 0, 0 },
        [FUSE_FSYNCDIR] = { sizeof(struct fuse_fsync_in), 0, 0 },
        [FUSE_GETLK] = { sizeof(struct fuse_lk_in), 0, 0 },
        [FUSE_SETLK] = { sizeof(struct fuse_lk_in), 0, 0 },
        [FUSE_SETLKW] = { sizeof(struct fuse_lk_in), 0, 0 },
        [FUSE_ACCESS] = { sizeof(struct fuse_access_in), 0, 0 },
        [FUSE_CREATE] = { sizeof(struct fuse_create_in), 1, 0 },
        [FUSE_INTERRUPT] = { sizeof(struct fuse_interrupt_in), 0, 0 },
        [FUSE_BMAP] = { sizeof(struct fuse_bmap_in), 0, 0 },
        [FUSE_IOCTL] = { sizeof(struct fuse_ioctl_in), 0, 0 },
        [FUSE_POLL] = { sizeof(struct fuse_poll_in), 0, 0 },
        [FUSE_NOTIFY_REPLY] = { NO_FIXED, 0, 1 },
        [FUSE_BATCH_FORGET] = { sizeof(struct fuse_batch_forget_in), 0, 0 },
        [FUSE_FALLOCATE] = { sizeof(struct fuse_fallocate_in), 0, 0 },
        [FUSE_READDIRPLUS] = { sizeof(struct fuse_read_in), 0, 0 },
        [FUSE_RENAME2] = { sizeof(struct fuse_rename2_in), 2, 0 },
        [FUSE_LSEEK] = { sizeof(struct fuse_lseek_in), 0, 0 },
        [FUSE_COPY_FILE_RANGE] = { sizeof(struct fuse_copy_file_range_in), 0, 0 },
};

/* Bytes that a count inside the structure promises behind everything else. */
static uint64_t promised(uint32_t opcode, const void *fixed) {
        const struct fuse_write_in *write = fixed;
        const struct fuse_setxattr_in *setxattr = fixed;
        const struct fuse_batch_forget_in *forgets = fixed;

        if (opcode == FUSE_WRITE)
                return write->size;
        if (opcode == FUSE_SETXATTR)
                return setxattr->size;
        if (opcode == FUSE_BATCH_FORGET)
                return (uint64_t)forgets->count * sizeof(struct fuse_forget_one);
        return 0;
}

int guard_check(const void *message, size_t n) {
        const struct fuse_in_header *in = message;
        struct str rest = str_make(message, n);
        const struct shape *shape;
        const char *nul, *fixed;

        if (n < sizeof(*in) || in->len != n)
                return -EIO;
        if (in->opcode >= ARRAY_LEN(shapes))
                return 0; /* libfuse knows no such thing and says ENOSYS */
        shape = &shapes[in->opcode];
        rest = str_skip(rest, sizeof(*in));
        fixed = rest.p;
        if (shape->refused || rest.n < shape->n_fixed)
                return -EIO;
        rest = str_skip(rest, shape->n_fixed);
        for (unsigned i = 0; i < shape->n_strings; i++) {
                nul = rest.n ? memchr(rest.p, 0, rest.n) : NULL;
                if (!nul)
                        return -EIO;
                rest = str_skip(rest, (size_t)(nul + 1 - rest.p));
        }
        return promised(in->opcode, fixed) > rest.n ? -EIO : 0;
}

bool guard_is_quick(const void *message, size_t n) {
        const struct fuse_in_header *in = message;

        return n >= sizeof(*in) &&
               (in->opcode == FUSE_INTERRUPT || in->opcode == FUSE_FORGET || in->opcode == FUSE_BATCH_FORGET);
}

bool guard_is_unawaited(const void *message, size_t n) {
        const struct fuse_in_header *in = message;

        return n >= sizeof(*in) && (in->opcode == FUSE_RELEASE || in->opcode == FUSE_RELEASEDIR);
}

bool guard_wants_reply(const void *message, size_t n) {
        const struct fuse_in_header *in = message;

        return n >= sizeof(*in) && !guard_is_quick(message, n) && in->opcode != FUSE_NOTIFY_REPLY;
}

uint64_t guard_unique(const void *message) {
        const struct fuse_in_header *in = message;

        return in->unique;
}

uint64_t guard_interrupts(const void *message, size_t n) {
        const struct fuse_in_header *in = message;
        const struct fuse_interrupt_in *interrupt = (const void *)(in + 1);

        return n >= sizeof(*in) + sizeof(*interrupt) && in->opcode == FUSE_INTERRUPT ? interrupt->unique : 0;
}
