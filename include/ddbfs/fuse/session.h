/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * libfuse's low-level session over a struct fs: decode request -> fs_* -> reply, nothing else.
 * <fuse*> appears in src/fuse only.
 */
#include "ddbfs/fs/fs.h"

struct session_options {
        const char *mountpoint;
        const char *source;        /* shown in /proc/mounts; fsname= */
        const char *mount_options; /* comma separated, handed to the kernel: "allow_other,ro,noatime"; may be NULL */
        uint64_t op_timeout_ns;
        unsigned max_threads;
        bool debug;                /* libfuse's own trace */
};

struct session;
/* Mounts.  After 0 the mount exists in the kernel and session_run() must be called for it to answer. */
_must_check_ int session_new(const struct session_options *o, struct fs *fs, struct session **ret, struct error *reterr);
/* Serve until unmounted or session_stop().  0, or -errno when the loop failed. */
_must_check_ int session_run(struct session *s);
/* Async-signal-safe: ends session_run(), as fusermount3 -u would. */
void session_stop(struct session *s);
/* Commits what is open, unmounts if still mounted. */
struct session *session_free(struct session *s);
DEFINE_CLEANUP(struct session, session_free)
/* For tests without /dev/fuse: serve requests on fd (a SOCK_SEQPACKET socket) instead of mounting. */
_must_check_ int session_new_on_fd(const struct session_options *o, struct fs *fs, int fd, struct session **ret);
