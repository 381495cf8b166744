/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "wire.h"
#include "ddbfs/base/alloc.h"

struct wire *wire_new(const struct session_options *o) {
        struct wire *w = mem_zalloc(sizeof(*w));
        int pair[2], size = 2 << 20;

        ck_assert_ptr_nonnull(w);
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
        for (int i = 0; i < 2; i++)
                (void)setsockopt(pair[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
        w->fd = pair[0];
        w->fs = fake_new();
        ck_assert_int_eq(session_new_on_fd(o, w->fs, pair[1], &w->session), 0);
        return w;
}

static void *run(void *arg) {
        struct wire *w = arg;

        w->result = session_run(w->session);
        return NULL;
}

void wire_run(struct wire *w) {
        ck_assert_int_eq(pthread_create(&w->runner, NULL, run, w), 0);
        w->running = true;
}

struct wire *wire_start(const struct session_options *o) {
        struct fuse_init_in init = { .major = FUSE_KERNEL_VERSION, .minor = 38, .max_readahead = 131072, .flags = ~0U };
        struct wire *w = wire_new(o);

        init.flags &= ~(unsigned)FUSE_INIT_EXT;
        wire_run(w);
        ck_assert_int_eq(wire_call(w, FUSE_INIT, 0, &init, sizeof(init)), 0);
        return w;
}

void wire_stop(struct wire *w) {
        if (w->fd >= 0)
                (void)close(w->fd);
        w->fd = -1;
        if (w->running)
                (void)pthread_join(w->runner, NULL);
        w->running = false;
        w->session = session_free(w->session);
}

struct wire *wire_free(struct wire *w) {
        wire_stop(w);
        fs_free(w->fs);
        return mem_free(w);
}

uint64_t wire_send(struct wire *w, uint32_t opcode, uint64_t node, const void *arg, size_t n) {
        struct fuse_in_header in = {
                .len = (uint32_t)(sizeof(in) + n), .opcode = opcode, .unique = w->unique += 2, .nodeid = node,
                .uid = w->uid, .gid = w->gid
        };
        struct iovec iov[] = { { &in, sizeof(in) }, { (void *)(uintptr_t)arg, n } };
        struct msghdr m = { .msg_iov = iov, .msg_iovlen = n ? 2 : 1 };

        ck_assert_int_eq(sendmsg(w->fd, &m, MSG_NOSIGNAL), (ssize_t)in.len);
        return in.unique;
}

bool wire_receive(struct wire *w, int ms) {
        struct iovec iov[] = { { &w->out, sizeof(w->out) }, { w->data, sizeof(w->data) } };
        struct msghdr m = { .msg_iov = iov, .msg_iovlen = 2 };
        struct pollfd p = { .fd = w->fd, .events = POLLIN };
        ssize_t n;

        if (poll(&p, 1, ms) <= 0)
                return false;
        n = recvmsg(w->fd, &m, 0);
        if (n <= 0)
                return false;
        ck_assert_int_ge(n, (ssize_t)sizeof(w->out));
        ck_assert_int_eq(n, w->out.len);
        w->n = (size_t)n - sizeof(w->out);
        return true;
}

int wire_call(struct wire *w, uint32_t opcode, uint64_t node, const void *arg, size_t n) {
        uint64_t unique = wire_send(w, opcode, node, arg, n);

        ck_assert_msg(wire_receive(w, 5000), "no answer to opcode %u", opcode);
        ck_assert_uint_eq(w->out.unique, unique);
        return w->out.error;
}

int wire_call_names(struct wire *w, uint32_t opcode, uint64_t node, const void *arg, size_t n, const char *name,
                    const char *name2) {
        char all[1024];
        size_t at = n;

        if (n)
                memcpy(all, arg, n);
        memcpy(all + at, name, strlen(name) + 1);
        at += strlen(name) + 1;
        if (name2) {
                memcpy(all + at, name2, strlen(name2) + 1);
                at += strlen(name2) + 1;
        }
        return wire_call(w, opcode, node, all, at);
}
