/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The kernel's side of the protocol, over a socket pair, with a session and a fake file system at the other end. */
#include <linux/fuse.h>
#include <pthread.h>
#include "ddbfs/fuse/session.h"
#include "fake_fs.h"

struct wire {
        int fd; /* the kernel's end */
        struct fs *fs;
        struct session *session;
        pthread_t runner;
        bool running;
        int result;      /* of session_run() */
        uint64_t unique; /* of the last request */
        uint32_t uid, gid; /* who asks; root at first */
        size_t n;        /* the last answer: header, then the rest */
        struct fuse_out_header out;
        char data[1200000];
};

/* Creates the lot without running it; wire_start() runs it and says INIT. */
struct wire *wire_new(const struct session_options *o);
void wire_run(struct wire *w);
struct wire *wire_start(const struct session_options *o);
/* Closes the kernel's end, waits for the session, frees everything but w->fs. */
void wire_stop(struct wire *w);
struct wire *wire_free(struct wire *w);

/* Send a request with this argument (n bytes); its unique. */
uint64_t wire_send(struct wire *w, uint32_t opcode, uint64_t node, const void *arg, size_t n);
/* The next message within ms milliseconds?  false: none. */
bool wire_receive(struct wire *w, int ms);
/* Send, receive: the error (0 or negative). */
int wire_call(struct wire *w, uint32_t opcode, uint64_t node, const void *arg, size_t n);
/* With a structure and names behind it (name2 may be NULL). */
int wire_call_names(struct wire *w, uint32_t opcode, uint64_t node, const void *arg, size_t n, const char *name,
                    const char *name2);
