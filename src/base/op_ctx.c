/* SPDX-License-Identifier: Apache-2.0 */
/* One operation of the user.  wake is called with ctx->lock held, so that after op_ctx_clear_waker() it is
 * certain not to be running. */
#include "ddbfs/base/op_ctx.h"

#include <errno.h>
#include "ddbfs/base/clock.h"
#include "ddbfs/base/thread.h"

static _Atomic uint64_t last_id;

void op_ctx_init(struct op_ctx *ctx, const char *name, uint64_t timeout_ns) {
        uint64_t now = timeout_ns ? clock_now_ns() : 0;

        *ctx = (struct op_ctx){
                .id = atomic_fetch_add_explicit(&last_id, 1, memory_order_relaxed) + 1,
                .name = name,
                .deadline_ns = timeout_ns && timeout_ns < UINT64_MAX - now ? now + timeout_ns : UINT64_MAX,
        };
        mutex_init(&ctx->lock);
}

void op_ctx_deinit(struct op_ctx *ctx) {
        mutex_deinit(&ctx->lock);
}

void op_ctx_cancel(struct op_ctx *ctx) {
        mutex_lock(&ctx->lock);
        atomic_store(&ctx->cancelled, true);
        if (ctx->wake)
                ctx->wake(ctx->wake_arg);
        mutex_unlock(&ctx->lock);
}

void op_ctx_set_waker(struct op_ctx *ctx, void (*fn)(void *), void *arg) {
        if (fn)
                thread_lasts();
        mutex_lock(&ctx->lock);
        ctx->wake = fn;
        ctx->wake_arg = arg;
        if (fn && atomic_load(&ctx->cancelled))
                fn(arg);
        mutex_unlock(&ctx->lock);
}

void op_ctx_clear_waker(struct op_ctx *ctx) {
        op_ctx_set_waker(ctx, NULL, NULL);
}

int op_ctx_check(struct op_ctx *ctx, struct error *reterr) {
        if (atomic_load_explicit(&ctx->cancelled, memory_order_relaxed))
                return error_set(reterr, ERR_INTERRUPTED, "%s: interrupted", ctx->name);
        if (ctx->deadline_ns != UINT64_MAX && clock_now_ns() >= ctx->deadline_ns)
                return error_set(reterr, ERR_TIMEOUT, "%s: not finished in the time allowed", ctx->name);
        return 0;
}

static void signal_cond(void *arg) {
        cond_signal(arg);
}

int op_ctx_sleep_until(struct op_ctx *ctx, uint64_t until_ns, struct error *reterr) {
        struct cond cond;

        until_ns = MIN(until_ns, ctx->deadline_ns);
        if (atomic_load(&ctx->cancelled) || clock_now_ns() >= until_ns || clock_fake_sleep(until_ns))
                return op_ctx_check(ctx, reterr);

        thread_lasts();
        cond_init(&cond);
        mutex_lock(&ctx->lock);
        ctx->wake = signal_cond;
        ctx->wake_arg = &cond;
        while (!atomic_load(&ctx->cancelled) && clock_now_ns() < until_ns)
                cond_wait_until(&cond, &ctx->lock, until_ns);
        ctx->wake = NULL;
        ctx->wake_arg = NULL;
        mutex_unlock(&ctx->lock);
        cond_deinit(&cond);
        return op_ctx_check(ctx, reterr);
}
