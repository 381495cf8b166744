/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the files of this folder share.  Threads: the caller of session_run() (waits, unmounts), the workers
 * (fuse_pool.c) and one notifier (fuse_notify.c).  No lock of this layer is held while an fs_* function or
 * the kernel is called.
 */
#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>
#include <sched.h>
#include <stdatomic.h>
#include "ddbfs/base/hmap.h"
#include "ddbfs/base/list.h"
#include "ddbfs/base/mutex.h"
#include "ddbfs/fuse/session.h"

#define FUSE_MAX_WRITE MIB
#define FUSE_READ_SIZE (FUSE_MAX_WRITE + 4096) /* the kernel wants room for max_write and its headers */

/* Threads that read requests; see fuse_pool.c. */
struct pool {
        struct mutex lock;      /* everything below */
        struct cond idle;       /* n_busy == 0 */
        struct cond room;       /* the queue became shorter */
        struct list workers;    /* struct worker, running */
        struct worker *retired; /* the last one that went home, to be joined; or NULL */
        struct list parked;     /* struct parked, oldest first */
        size_t parked_bytes;
        unsigned n_workers, max_workers; /* one more than are served at once: somebody reads */
        unsigned n_reading;              /* waiting for a request, or on the way there */
        unsigned n_busy;                 /* serving one, or about to */
        unsigned n_crowded;              /* of those: waiting for room */
        unsigned n_unawaited;            /* of these, what no program waits for */
        bool stopping;                   /* no new thread, no new request */
};

/* Invalidations on their way to the kernel; see fuse_notify.c. */
struct notifier {
        struct mutex lock; /* everything below */
        struct cond wake;
        struct hmap pending; /* struct notice, by what it names */
        struct list queue;   /* the same, oldest first */
        struct cond told;    /* `done` has grown */
        uint64_t queued, done;
        bool running, stopping;
        pthread_t thread;
};

#define FOLLOW_PATIENCE 8 /* moves of a program before it is left alone */
/* Where the readers wait; see fuse_follow.c. */
struct follow {
        cpu_set_t all;          /* the processors we may use */
        bool usable;            /* there is a choice */
        atomic_uint serial;     /* requests in a row with no other being served */
        atomic_uint next, step; /* of serial: when to look where the program runs, and how long after the last look */
        atomic_uint tid;        /* who asked last */
        atomic_uint moves;      /* of its program, as far as looks have seen them, less its long stays */
        atomic_uint doubts;     /* it moves: how many looks more must find it where it was before it is followed */
        atomic_int seen;        /* where the last look has found it; -1: nowhere, or not yet */
        atomic_int cpu;         /* where to wait; -1: anywhere */
};

struct session {
        struct fs *fs; /* borrowed */
        struct fuse_session *se;
        int fd;      /* our own descriptor of the connection: outlives libfuse's unmount */
        int wake_fd; /* eventfd: session_run() has something to look at */
        uint64_t op_timeout_ns;
        void (*ready)(void *arg);
        void *ready_arg;
        atomic_bool stop;         /* session_stop() was called */
        atomic_bool gone;         /* the kernel closed the connection, or reading from it failed */
        atomic_int error;         /* why reading failed; 0: it did not */
        atomic_bool serving;      /* notifications reach the kernel */
        atomic_uint n_storing;    /* threads in notify_store() */
        atomic_uint init_offered; /* flags of the INIT being answered that we add; see fuse_wire.c */
        struct pool pool;
        struct follow follow;
        struct notifier notifier;
};

/* One request: from op_begin() to op_end() it has a context that the kernel's INTERRUPT cancels. */
struct op {
        struct op_ctx ctx;
        struct session *s;
        fuse_req_t req;
};

/* fuse_ops.c */
extern const struct fuse_lowlevel_ops session_ops;
void op_begin(struct op *op, fuse_req_t req, const char *name);
/* Counts the operation.  Before the reply, which frees the request; returns r. */
int op_end(struct op *op, int r);
void entry_to_param(const struct fs_entry *e, struct fuse_entry_param *ret);
void reply_status(fuse_req_t req, int r);
void reply_entry(struct session *s, fuse_req_t req, const struct fs_entry *e);
static inline struct session *session_of(fuse_req_t req) {
        return fuse_req_userdata(req);
}
static inline struct fs_file *file_of(const struct fuse_file_info *fi) {
        return fi ? (struct fs_file *)(uintptr_t)fi->fh : NULL;
}

/* fuse_file.c: open files */
void ops_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void ops_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, struct fuse_file_info *fi);
void ops_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev);
void ops_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi);
void ops_write(fuse_req_t req, fuse_ino_t ino, const char *p, size_t n, off_t off, struct fuse_file_info *fi);
void ops_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void ops_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi);
void ops_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void ops_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t off, off_t len, struct fuse_file_info *fi);

/* fuse_dir.c: open directories */
void ops_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void ops_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi);
void ops_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi);
void ops_releasedir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void ops_fsyncdir(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi);

/* fuse_access.c */
void ops_access(fuse_req_t req, fuse_ino_t ino, int mask);
/* mask as access(2)'s: 0 or -EACCES.  Pure. */
_must_check_ int access_check(const struct fs_attr *attr, uid_t uid, int mask);
/* Owner and group cannot be changed, and who might not do it is told so: 0 (to be ignored) or -EPERM. */
_must_check_ int access_chown(fuse_req_t req, const struct stat *wanted, int to_set, const struct fs_attr *now);

/* fuse_xattr.c */
void ops_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size);
void ops_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size);
void ops_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value, size_t size, int flags);
void ops_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name);

/* fuse_guard.c */
/* Is this message of n bytes a request that libfuse may decode?  0, or -errno for the caller to answer. */
_must_check_ int guard_check(const void *message, size_t n);
/* Served without ever waiting, and not answered by more than a line: INTERRUPT and the FORGETs. */
bool guard_is_quick(const void *message, size_t n);
/* No program waits for its end: the RELEASEs. */
bool guard_is_unawaited(const void *message, size_t n);
bool guard_wants_reply(const void *message, size_t n);
uint64_t guard_unique(const void *message);
/* The unique of the request that this INTERRUPT is about; 0: it is no INTERRUPT. */
uint64_t guard_interrupts(const void *message, size_t n);

/* fuse_pool.c */
void pool_init(struct pool *p, unsigned max_busy);
void pool_deinit(struct pool *p);
_must_check_ int pool_start(struct session *s);
/* Wait until nothing is being served, for at most drain_ns while new requests are still taken; then drop what
 * waits for its turn, finish what is being served, and join all. */
void pool_stop(struct session *s, uint64_t drain_ns);

/* fuse_follow.c */
void follow_init(struct follow *f);
/* A request is about to be served; alone: no other is. */
void follow_request(struct follow *f, const void *message, size_t n, bool alone);
/* The calling thread is about to wait for the next one: bound to a processor or to none, as the last ones say.  It
 * stays so until thread_lasts(), follow_leave() or the next wait. */
void follow_wait(struct follow *f);
void follow_leave(struct follow *f);

/* fuse_notify.c */
void notifier_init(struct notifier *n);
void notifier_deinit(struct notifier *n);
_must_check_ int notifier_start(struct session *s);
void notifier_stop(struct session *s);
/* The functions of struct fs_notify; arg is the session. */
void notify_attr(void *arg, uint64_t node);
void notify_content(void *arg, uint64_t node);
void notify_entry(void *arg, uint64_t parent, struct str name);
void notify_wait(void *arg, uint64_t until_ns);
void notify_store(void *arg, uint64_t node, struct str content);

/* fuse_mount.c */
/* libfuse's session with our operations; unmounted. */
_must_check_ int mount_new_session(const struct session_options *o, struct session *s, struct error *reterr);
_must_check_ int mount_attach(const struct session_options *o, struct session *s, struct error *reterr);

/* fuse_wire.c */
extern const struct fuse_custom_io session_io;
/* One message of the kernel: refused here, or decoded, served and answered by way of libfuse. */
void session_process(struct session *s, void *message, size_t n);
/* Answer a request that libfuse has not seen with an error. */
void session_refuse(struct session *s, const void *message, size_t n, int error);

/* fuse_session.c */
void session_wake(struct session *s);
/* pthread_create() with every signal blocked: signals are for the main thread. */
_must_check_ int thread_start(pthread_t *ret, void *(*fn)(void *), void *arg, const char *name);
