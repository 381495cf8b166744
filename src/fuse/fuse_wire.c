/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages on their way between the kernel and libfuse.
 *
 * The answer to INIT gets two flags that libfuse 3.14 does not pass on, each only when the kernel offered it:
 *   PARALLEL_DIROPS     libfuse takes the wish and forgets it (until 3.17): the kernel would send look-ups in
 *                       one directory one after the other, each waiting for the service
 *   HANDLE_KILLPRIV_V2  nothing here ever has set-id bits or file capabilities, so nothing is there to be
 *                       taken away; without it every write(2) asks for security.capability first
 */
#include <errno.h>
#include <linux/fuse.h>
#include <unistd.h>
#include "fuse_internal.h"
#include "ddbfs/base/log.h"

#define FLAGS_ADDED (FUSE_PARALLEL_DIROPS | FUSE_HANDLE_KILLPRIV_V2)

static bool is_gone(int err) {
        return err == ENOENT || err == ENODEV || err == EPIPE || err == ECONNRESET || err == ENOTCONN || err == EBADF;
}

/* The kernel did not like an answer: whoever waits for it gets an error at least. */
static void answer_refused(struct session *s, const struct fuse_out_header *refused, int err) {
        struct fuse_out_header out = { .len = sizeof(out), .error = -EIO, .unique = refused->unique };

        log_warn("an answer of %u bytes was refused: %s", refused->len, strerror(err));
        if (refused->unique && write(s->fd, &out, sizeof(out)) < 0)
                log_debug("nor was the error taken: %s", strerror(errno));
}

/* The first answer after an INIT is the answer to it: nothing else is asked before. */
static ssize_t write_init(struct session *s, const struct iovec *iov, int n) {
        struct fuse_init_out out = { 0 };
        struct iovec changed[2];

        if (n != 2 || iov[1].iov_len > sizeof(out) || iov[1].iov_len < offsetof(struct fuse_init_out, max_background))
                return writev(s->fd, iov, n);
        memcpy(&out, iov[1].iov_base, iov[1].iov_len);
        out.flags |= atomic_exchange(&s->init_offered, 0) & FLAGS_ADDED;
        changed[0] = iov[0];
        changed[1] = (struct iovec){ .iov_base = &out, .iov_len = iov[1].iov_len };
        return writev(s->fd, changed, n);
}

static ssize_t io_writev(int fd, struct iovec *iov, int n, void *userdata) {
        struct session *s = userdata;
        ssize_t written;

        (void)fd; /* libfuse's own: closed by its unmount */
        if (atomic_load_explicit(&s->init_offered, memory_order_relaxed))
                written = write_init(s, iov, n);
        else
                written = writev(s->fd, iov, n);
        if (written < 0) {
                if (!is_gone(errno))
                        answer_refused(s, iov[0].iov_base, errno);
                errno = ENOENT; /* the only error about which libfuse writes nothing to stderr */
        }
        return written;
}

/* Required by libfuse and never called: the pool reads. */
static ssize_t io_read(int fd, void *p, size_t n, void *userdata) {
        (void)fd, (void)p, (void)n, (void)userdata;
        errno = ENOSYS;
        return -1;
}

const struct fuse_custom_io session_io = { .writev = io_writev, .read = io_read };

void session_refuse(struct session *s, const void *message, size_t n, int error) {
        const struct fuse_in_header *in = message;
        struct fuse_out_header out;

        if (!guard_wants_reply(in, n))
                return;
        out = (struct fuse_out_header){ .len = sizeof(out), .error = error, .unique = in->unique };
        if (write(s->fd, &out, sizeof(out)) < 0)
                log_debug("refusing a request: %s", strerror(errno));
}

void session_process(struct session *s, void *message, size_t n) {
        struct fuse_buf buf = { .size = n, .mem = message };
        const struct fuse_in_header *in = message;
        const struct fuse_init_in *init;
        int r;

        r = guard_check(message, n);
        if (r) {
                log_debug("malformed request of %zu bytes", n);
                session_refuse(s, message, n, r);
                return;
        }
        if (in->opcode == FUSE_INIT) {
                init = (const void *)(in + 1);
                atomic_store(&s->init_offered, init->flags & FLAGS_ADDED);
        }
        fuse_session_process_buf(s->se, &buf);
}
