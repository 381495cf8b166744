/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The adaptive retry mode's rate limit on attempts, the first ones included.  Free until the service
 * throttles for the first time; from then on a token bucket whose rate is cut to 0.7 of what was being sent
 * and grows back along a cubic curve: fast at first, flat around the rate that was too much, then beyond.
 *
 * Arithmetic over the time it is told; never sleeps.  A reservation may run into debt: it says how long to
 * wait, so that neither driver has to block here.  The lock is a leaf.
 */
#include "client_internal.h"

#include <errno.h>
#include <math.h>
#include "ddbfs/base/alloc.h"

#define BETA 0.7                    /* what is left of the rate after a throttle */
#define SCALE 0.4                   /* steepness of the curve */
#define SMOOTHING 0.8               /* weight of the newest measurement */
#define WINDOW_NS (500 * NS_PER_MS) /* one measurement */
#define RATE_MIN 0.5                /* tokens a second */
#define RATE_OVER_MEASURED 2.0
#define DEBT_MAX_NS (20 * NS_PER_S) /* nobody is told to wait longer */

struct rate_limit {
        struct mutex lock; /* everything below; rates are a second's */
        bool enabled;
        double rate, tokens; /* of the bucket */
        uint64_t filled_ns;
        double measured;
        uint64_t window;      /* number of the last window measured */
        unsigned count;       /* answers since */
        double rate_too_much; /* what was sent when it was throttled last */
        double recovery_s;    /* from then until that rate is reached again */
        uint64_t throttled_ns;
};

int rate_limit_new(uint64_t now_ns, struct rate_limit **ret) {
        struct rate_limit *l = mem_zalloc(sizeof(*l));

        if (!l)
                return -ENOMEM;
        mutex_init(&l->lock);
        l->window = now_ns / WINDOW_NS;
        *ret = l;
        return 0;
}

struct rate_limit *rate_limit_free(struct rate_limit *l) {
        if (!l)
                return NULL;
        mutex_deinit(&l->lock);
        return mem_free(l);
}

static double seconds(uint64_t from_ns, uint64_t to_ns) {
        return to_ns > from_ns ? (double)(to_ns - from_ns) / (double)NS_PER_S : 0;
}

static void refill(struct rate_limit *l, uint64_t now_ns) REQUIRES(l->lock) {
        l->tokens = fmin(fmax(l->rate, 1), l->tokens + seconds(l->filled_ns, now_ns) * l->rate);
        l->filled_ns = MAX(l->filled_ns, now_ns);
}

uint64_t rate_limit_reserve(struct rate_limit *l, uint64_t now_ns) {
        double wait_s = 0;

        if (!l)
                return 0;
        mutex_lock(&l->lock);
        if (l->enabled) {
                refill(l, now_ns);
                l->tokens -= 1;
                if (l->tokens < 0)
                        wait_s = -l->tokens / l->rate;
        }
        mutex_unlock(&l->lock);
        return MIN((uint64_t)(wait_s * (double)NS_PER_S), DEBT_MAX_NS);
}

static void measure(struct rate_limit *l, uint64_t now_ns) REQUIRES(l->lock) {
        uint64_t window = now_ns / WINDOW_NS;
        double rate;

        l->count++;
        if (window <= l->window)
                return;
        rate = l->count / ((double)(window - l->window) * WINDOW_NS / NS_PER_S);
        l->measured = rate * SMOOTHING + l->measured * (1 - SMOOTHING);
        l->count = 0;
        l->window = window;
}

void rate_limit_update(struct rate_limit *l, uint64_t now_ns, bool throttled) {
        double rate, t;

        if (!l)
                return;
        mutex_lock(&l->lock);
        measure(l, now_ns);
        if (throttled) {
                l->rate_too_much = l->enabled ? fmin(l->measured, l->rate) : l->measured;
                l->recovery_s = cbrt(l->rate_too_much * (1 - BETA) / SCALE);
                l->throttled_ns = now_ns;
                if (!l->enabled)
                        l->filled_ns = now_ns;
                l->enabled = true;
                rate = l->rate_too_much * BETA;
        } else {
                t = seconds(l->throttled_ns, now_ns) - l->recovery_s;
                rate = SCALE * t * t * t + l->rate_too_much;
        }
        if (l->enabled) {
                refill(l, now_ns); /* at the old rate, up to now */
                l->rate = fmax(fmin(rate, RATE_OVER_MEASURED * l->measured), RATE_MIN);
                l->tokens = fmin(l->tokens, fmax(l->rate, 1));
        }
        mutex_unlock(&l->lock);
}
