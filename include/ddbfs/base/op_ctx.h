/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * One operation of the user: its deadline, its interruption and what it has cost.  Passed down as the
 * first argument from the FUSE request to the socket.  Lives on the stack of the thread that serves the
 * operation; op_ctx_cancel() is the only call allowed from another thread.
 */
#include <stdatomic.h>
#include "ddbfs/base/error.h"
#include "ddbfs/base/mutex.h"

struct op_ctx {
        uint64_t id;           /* process-wide, for log lines */
        const char *name;      /* "read", "flush", ...: static text */
        uint32_t pid;          /* of the thread that asks; 0: unknown */
        uint64_t deadline_ns;  /* monotonic; UINT64_MAX: none */
        atomic_bool cancelled; /* set by op_ctx_cancel() */
        struct mutex lock;     /* wake, wake_arg */
        void (*wake)(void *arg);
        void *wake_arg;
        /* what the operation has cost so far; written by the serving thread only */
        unsigned requests;
        double rcu, wcu;
};

void op_ctx_init(struct op_ctx *ctx, const char *name, uint64_t timeout_ns /* 0: none */);
void op_ctx_deinit(struct op_ctx *ctx);
/* From any thread: mark it cancelled and wake whoever sleeps for it. */
void op_ctx_cancel(struct op_ctx *ctx);
/* While sleeping: what wakes the sleeper.  fn is called with ctx->lock held and must not block.
 * Called at once when already cancelled. */
void op_ctx_set_waker(struct op_ctx *ctx, void (*fn)(void *), void *arg);
void op_ctx_clear_waker(struct op_ctx *ctx);
/* 0, or -EINTR / -ETIMEDOUT with reterr filled. */
_must_check_ int op_ctx_check(struct op_ctx *ctx, struct error *reterr);
/* Sleep until the monotonic time, cancellation or deadline; as op_ctx_check(). */
_must_check_ int op_ctx_sleep_until(struct op_ctx *ctx, uint64_t until_ns, struct error *reterr);
