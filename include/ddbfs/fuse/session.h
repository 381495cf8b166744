/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * libfuse's low-level session over a struct fs: decode request -> fs_* -> reply, nothing else.
 * <fuse*> appears in src/fuse only.
 *
 * Life: session_new() mounts and starts no thread, so a daemon may be forked before it; session_run()
 * starts the threads, serves, and joins them all; session_free() commits, unmounts, frees.  session_stop()
 * may be called from a signal handler at any time between new and free.
 */
#include "ddbfs/fs/fs.h"

#define SESSION_DEFAULT_THREADS 64

struct session_options {
        const char *mountpoint;
        const char *source;        /* shown in /proc/mounts; fsname= */
        const char *mount_options; /* comma separated, handed to the kernel: "allow_other,ro,noatime"; may be NULL */
        uint64_t op_timeout_ns;
        unsigned max_threads;     /* requests served at once, started as needed; 0: SESSION_DEFAULT_THREADS */
        bool debug;               /* libfuse's own trace */
        bool owner_only;          /* only the owner of all files gets in, and may read and write them: the kernel need not check */
        bool no_xattrs;           /* refuse extended attributes once and for all: the kernel stops asking */
        void (*ready)(void *arg); /* called once, from a worker: the kernel says INIT, the mount answers; or NULL */
        void *ready_arg;
};

struct session;
/* Mounts.  After 0 the mount exists in the kernel and session_run() must be called for it to answer. */
_must_check_ int session_new(const struct session_options *o, struct fs *fs, struct session **ret,
                             struct error *reterr);
/* Serve until unmounted or session_stop().  0, or -errno when the loop failed.  Called once. */
_must_check_ int session_run(struct session *s);
/* Async-signal-safe: ends session_run().  The mount vanishes at once, as with fusermount3 -u -z; requests under
 * way are answered (each has op_timeout_ns); files that programs still hold open then fail with ENOTCONN. */
void session_stop(struct session *s);
/* Commits what is open, unmounts if still mounted. */
struct session *session_free(struct session *s);
DEFINE_CLEANUP(struct session, session_free)
/* For tests without /dev/fuse: serve requests on fd (a SOCK_SEQPACKET socket, now the session's) instead of
 * mounting.  On failure fd stays the caller's. */
_must_check_ int session_new_on_fd(const struct session_options *o, struct fs *fs, int fd, struct session **ret);
