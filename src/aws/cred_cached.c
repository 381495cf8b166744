/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps the credentials of another provider.
 *
 *      fresh      more than refresh_before_s to live: served
 *      ageing     served by all but one thread, which fetches; a failure is tried again after a while
 *      dead       none, expired or refused: one thread fetches, the others wait and share its outcome
 *
 * The lock guards the fields, never a fetch: there is at most one, told by `fetching`.  Waiters that are
 * cancelled leave at once; when the fetching thread itself was cancelled, the next waiter takes over.
 */
#include "ddbfs/aws/credentials.h"

#include <errno.h>
#include "ddbfs/base/alloc.h"
#include "ddbfs/base/clock.h"
#include "ddbfs/base/log.h"

#define DEAD_BEFORE_S 10   /* a request must have time to arrive before the credentials expire */
#define REFRESH_PAUSE_S 30 /* after a refresh that failed while the old ones still serve */

struct cred_cached {
        struct cred_provider base;
        struct cred_provider *inner;
        int64_t refresh_before_s;
        struct mutex lock; /* all below */
        struct cond changed;
        struct credentials *current; /* ref, or NULL */
        int64_t next_refresh_s;      /* not before, while ageing */
        bool fetching;
        uint64_t fetches;   /* ended so far */
        int result;         /* of the last fetch */
        bool abandoned;     /* the last fetch was cut short by its own op_ctx */
        struct error error; /* of the last fetch */
};

enum state { FRESH, AGEING, DEAD };

static enum state state_of(const struct cred_cached *c) {
        int64_t now = clock_wall_s();

        if (!c->current)
                return DEAD;
        if (c->current->expires_s - c->refresh_before_s > now)
                return FRESH;
        return c->current->expires_s - DEAD_BEFORE_S > now ? AGEING : DEAD;
}

static bool ctx_is_over(struct op_ctx *ctx) {
        return op_ctx_check(ctx, NULL) != 0;
}

/* Without the lock: ask the inner provider, then publish.  The outcome is this thread's own. */
static int fetch(struct cred_cached *c, struct op_ctx *ctx, struct credentials **ret, struct error *reterr) {
        struct credentials *got = NULL, *old = NULL;
        struct error error = { .kind = ERR_NONE };
        int r = c->inner->ops->get(c->inner, ctx, &got, &error);

        mutex_lock(&c->lock);
        c->fetching = false;
        c->fetches++;
        c->result = r;
        c->error = error;
        c->abandoned = r < 0 && ctx_is_over(ctx);
        if (!r) {
                old = c->current;
                c->current = credentials_ref(got);
                c->next_refresh_s = 0;
        } else {
                c->next_refresh_s = clock_wall_s() + REFRESH_PAUSE_S;
        }
        cond_broadcast(&c->changed);
        mutex_unlock(&c->lock);
        credentials_unref(old);
        if (r && reterr)
                *reterr = error;
        *ret = got;
        return r;
}

/* One thread refreshes early; when that fails the old ones still serve. */
static int refresh(struct cred_cached *c, struct op_ctx *ctx, struct credentials *old, struct credentials **ret) {
        struct error error;
        int r = fetch(c, ctx, ret, &error);

        if (!r) {
                credentials_unref(old);
                return 0;
        }
        log_debug("credentials: refresh failed, the old ones serve on: %s", r < 0 ? error.message : "not configured");
        *ret = old;
        return 0;
}

static void wake(void *arg) {
        struct cred_cached *c = arg;

        mutex_lock(&c->lock);
        cond_broadcast(&c->changed);
        mutex_unlock(&c->lock);
}

/* Until there have been more than `seen` fetches or ctx is over.  true: the outcome is in *ret_r. */
static bool wait_for_fetch(struct cred_cached *c, uint64_t seen, struct op_ctx *ctx, int *ret_r,
                           struct credentials **ret, struct error *reterr) {
        bool ended;

        op_ctx_set_waker(ctx, wake, c);
        mutex_lock(&c->lock);
        while (c->fetches == seen && !ctx_is_over(ctx))
                cond_wait_until(&c->changed, &c->lock, ctx->deadline_ns);
        ended = c->fetches != seen && !c->abandoned;
        if (ended) {
                *ret_r = c->result;
                if (c->result && reterr)
                        *reterr = c->error;
                else if (!c->result && c->current)
                        *ret = credentials_ref(c->current);
                ended = c->result || c->current;
        }
        mutex_unlock(&c->lock);
        op_ctx_clear_waker(ctx);
        return ended;
}

/* What to do, decided under the lock. */
enum move { SERVE, REFRESH, FETCH, WAIT };

static enum move next_move(struct cred_cached *c, struct credentials **ret, uint64_t *ret_seen) {
        enum state state = state_of(c);
        enum move move;

        if (state == DEAD)
                move = c->fetching ? WAIT : FETCH;
        else
                move = state == AGEING && !c->fetching && clock_wall_s() >= c->next_refresh_s ? REFRESH : SERVE;
        if (move == FETCH || move == REFRESH)
                c->fetching = true;
        if (move == SERVE || move == REFRESH)
                *ret = credentials_ref(c->current);
        *ret_seen = c->fetches;
        return move;
}

static int cached_get(struct cred_provider *base, struct op_ctx *ctx, struct credentials **ret, struct error *reterr) {
        struct cred_cached *c = CONTAINER_OF(base, struct cred_cached, base);
        struct credentials *now = NULL;
        uint64_t seen;
        enum move move;
        int r = 0;

        for (;;) {
                mutex_lock(&c->lock);
                move = next_move(c, &now, &seen);
                mutex_unlock(&c->lock);
                switch (move) {
                case SERVE:
                        *ret = now;
                        return 0;
                case REFRESH:
                        return refresh(c, ctx, now, ret);
                case FETCH:
                        return fetch(c, ctx, ret, reterr);
                case WAIT:
                        if (wait_for_fetch(c, seen, ctx, &r, ret, reterr))
                                return r;
                        r = op_ctx_check(ctx, reterr);
                        if (r)
                                return r;
                        break;
                }
        }
}

static void cached_refused(struct cred_provider *base, const struct credentials *credentials) {
        struct cred_cached *c = CONTAINER_OF(base, struct cred_cached, base);
        struct credentials *old = NULL;

        mutex_lock(&c->lock);
        if (c->current == credentials) /* else somebody has fetched new ones already */
                old = TAKE(c->current);
        mutex_unlock(&c->lock);
        if (old && c->inner->ops->refused)
                c->inner->ops->refused(c->inner, credentials);
        credentials_unref(old);
}

static void cached_free(struct cred_provider *base) {
        struct cred_cached *c = CONTAINER_OF(base, struct cred_cached, base);

        credentials_unref(c->current);
        cred_provider_free(c->inner);
        cond_deinit(&c->changed);
        mutex_deinit(&c->lock);
        mem_free(c);
}

static const struct cred_provider_ops cached_ops = {
        .name = "cached",
        .get = cached_get,
        .refused = cached_refused,
        .free = cached_free,
};

int cred_cached_new(struct cred_provider *p, int64_t refresh_before_s, struct cred_provider **ret) {
        struct cred_cached *c = mem_zalloc(sizeof(*c));

        if (!c) {
                cred_provider_free(p);
                return -ENOMEM;
        }
        c->base.ops = &cached_ops;
        c->inner = p;
        c->refresh_before_s = refresh_before_s;
        mutex_init(&c->lock);
        cond_init(&c->changed);
        *ret = &c->base;
        return 0;
}
