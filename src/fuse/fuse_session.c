/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a mount.
 *
 * libfuse decodes and encodes; reading is ours (fuse_pool.c), writing too (fuse_wire.c), and so is the
 * descriptor, a duplicate: fuse_session_unmount() closes libfuse's own before it unmounts; through ours the
 * requests under way are still answered.
 *
 * The order of the end: unmount (no new path leads here), notifier (as long as requests are served, for it
 * may wait for one), workers; then session_free(): commit, close.  Closing tells the kernel that the
 * connection is over.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "fuse_internal.h"
#include "ddbfs/base/alloc.h"
#include "ddbfs/base/thread.h"

#define STACK_SIZE (1 * MIB)
#define DRAIN_DEFAULT_NS (30 * NS_PER_S) /* when operations have no timeout */

int thread_start(pthread_t *ret, void *(*fn)(void *), void *arg, const char *name) {
        sigset_t all, old;
        pthread_attr_t attr;
        int r;

        thread_lasts(); /* it inherits */
        r = pthread_attr_init(&attr);
        if (r)
                return -r;
        (void)pthread_attr_setstacksize(&attr, STACK_SIZE);
        (void)sigfillset(&all);
        (void)pthread_sigmask(SIG_SETMASK, &all, &old);
        r = pthread_create(ret, &attr, fn, arg);
        (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
        (void)pthread_attr_destroy(&attr);
        if (!r)
                (void)pthread_setname_np(*ret, name);
        return -r;
}

static int session_alloc(const struct session_options *o, struct fs *fs, struct session **ret) {
        _cleanup_(session_freep) struct session *s = NULL;

        s = mem_zalloc(sizeof(*s));
        if (!s)
                return -ENOMEM;
        s->fd = s->wake_fd = -1;
        s->op_timeout_ns = o->op_timeout_ns;
        s->ready = o->ready;
        s->ready_arg = o->ready_arg;
        pool_init(&s->pool, o->max_threads ? o->max_threads : SESSION_DEFAULT_THREADS);
        follow_init(&s->follow);
        notifier_init(&s->notifier);
        s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (s->wake_fd < 0)
                return -errno;
        s->fs = fs; /* from here on session_free() commits */
        *ret = TAKE(s);
        return 0;
}

/* fd is the connection, libfuse's (or now given to it). */
static int session_connect(struct session *s, int fd) {
        s->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        if (s->fd < 0)
                return -errno;
        return fuse_session_custom_io(s->se, &session_io, fd);
}

static void session_listen(struct session *s) {
        struct fs_notify notify = { .arg = s, .attr = notify_attr, .content = notify_content, .entry = notify_entry,
                                    .wait = notify_wait, .store = notify_store };

        fs_set_notify(s->fs, &notify);
}

int session_new(const struct session_options *o, struct fs *fs, struct session **ret, struct error *reterr) {
        _cleanup_(session_freep) struct session *s = NULL;
        int r;

        r = session_alloc(o, fs, &s);
        if (r)
                return error_set_errno(reterr, r, "cannot start");
        r = mount_new_session(o, s, reterr);
        if (!r)
                r = mount_attach(o, s, reterr);
        if (r)
                return r;
        r = session_connect(s, fuse_session_fd(s->se));
        if (r)
                return error_set_errno(reterr, r, "cannot use /dev/fuse");
        session_listen(s);
        *ret = TAKE(s);
        return 0;
}

int session_new_on_fd(const struct session_options *o, struct fs *fs, int fd, struct session **ret) {
        _cleanup_(session_freep) struct session *s = NULL;
        int r;

        r = session_alloc(o, fs, &s);
        if (!r)
                r = mount_new_session(o, s, NULL);
        if (!r)
                r = session_connect(s, fd);
        if (r)
                return r;
        session_listen(s);
        *ret = TAKE(s);
        return 0;
}

/* Async-signal-safe. */
void session_wake(struct session *s) {
        uint64_t one = 1;
        int saved = errno;

        while (write(s->wake_fd, &one, sizeof(one)) < 0 && errno == EINTR)
                ; /* EAGAIN: it is awake already */
        errno = saved;
}

void session_stop(struct session *s) {
        atomic_store(&s->stop, true);
        session_wake(s);
}

static void wait_for_end(struct session *s) {
        struct pollfd p = { .fd = s->wake_fd, .events = POLLIN };

        while (!atomic_load(&s->stop) && !atomic_load(&s->gone))
                (void)poll(&p, 1, -1);
}

int session_run(struct session *s) {
        int r;

        atomic_store(&s->serving, true);
        r = notifier_start(s);
        if (!r)
                r = pool_start(s);
        if (!r) {
                wait_for_end(s);
                r = atomic_load(&s->error);
        }
        fuse_session_exit(s->se); /* from now on libfuse finds nothing wrong with answers nobody wants */
        fuse_session_unmount(s->se);
        atomic_store(&s->serving, false);
        notifier_stop(s);
        pool_stop(s, s->op_timeout_ns ? s->op_timeout_ns : DRAIN_DEFAULT_NS);
        return r;
}

static void commit(struct session *s) {
        struct fs_notify nobody = { 0 };
        struct op_ctx ctx;

        fs_set_notify(s->fs, &nobody);
        op_ctx_init(&ctx, "unmount", s->op_timeout_ns);
        fs_shutdown(s->fs, &ctx);
        op_ctx_deinit(&ctx);
}

struct session *session_free(struct session *s) {
        if (!s)
                return NULL;
        if (s->fd >= 0)
                commit(s);
        if (s->se) {
                fuse_session_unmount(s->se);
                fuse_session_destroy(s->se);
        }
        if (s->fd >= 0)
                (void)close(s->fd);
        if (s->wake_fd >= 0)
                (void)close(s->wake_fd);
        notifier_deinit(&s->notifier);
        pool_deinit(&s->pool);
        return mem_free(s);
}
