/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When to try again, and how long to wait before it.  Arithmetic over one atomic counter; never sleeps,
 * never looks at the clock.
 *
 * The bucket holds 500 tokens; a retry takes 14 (transient) or 5 (throttled) out, and success puts back
 * what the last retry of that call took, or 1 if there was none: while a service is failing for all, calls
 * soon fail at once instead of multiplying the load.  The corrective retries (clock, credentials) happen
 * at most once in a call and cost nothing.
 */
#include "ddbfs/aws/retry.h"

#include <stdatomic.h>
#include <errno.h>
#include "ddbfs/base/alloc.h"
#include "ddbfs/base/rng.h"

#define BUCKET 500
#define COST_TRANSIENT 14
#define COST_THROTTLE 5
#define REFILL_WITHOUT_RETRY 1
#define HINT_WINDOW_NS (5 * NS_PER_S) /* x-amz-retry-after may add this much */

struct retry_policy {
        struct retry_params params;
        atomic_uint tokens;
};

/* Rows are tried in order; NULL matches every service. */
static const struct {
        enum aws_retry_mode mode;
        const char *service;
        struct retry_params params;
} defaults[] = {
        { AWS_RETRY_LEGACY, "dynamodb", { 10, 50 * NS_PER_MS, 50 * NS_PER_MS, 20 * NS_PER_S } },
        { AWS_RETRY_LEGACY, "dynamodb_streams", { 10, 50 * NS_PER_MS, 50 * NS_PER_MS, 20 * NS_PER_S } },
        { AWS_RETRY_LEGACY, NULL, { 5, 1 * NS_PER_S, 1 * NS_PER_S, 20 * NS_PER_S } },
        { AWS_RETRY_STANDARD, "dynamodb", { 4, 25 * NS_PER_MS, 1 * NS_PER_S, 20 * NS_PER_S } },
        { AWS_RETRY_STANDARD, "dynamodb_streams", { 4, 25 * NS_PER_MS, 1 * NS_PER_S, 20 * NS_PER_S } },
        { AWS_RETRY_STANDARD, NULL, { 3, 50 * NS_PER_MS, 1 * NS_PER_S, 20 * NS_PER_S } },
};

struct retry_params retry_params_for(const struct aws_settings *s, const char *service) {
        /* adaptive is standard with a rate limit in front of it: rate_limit.c */
        enum aws_retry_mode mode = s->retry_mode == AWS_RETRY_LEGACY ? AWS_RETRY_LEGACY : AWS_RETRY_STANDARD;
        struct retry_params p = { .max_attempts = 1 };

        for (unsigned i = 0; i < ARRAY_LEN(defaults); i++)
                if (defaults[i].mode == mode && (!defaults[i].service || strcmp(defaults[i].service, service) == 0)) {
                        p = defaults[i].params;
                        break;
                }
        if (s->max_attempts)
                p.max_attempts = s->max_attempts;
        return p;
}

int retry_policy_new(const struct retry_params *p, struct retry_policy **ret) {
        struct retry_policy *policy = mem_zalloc(sizeof(*policy));

        if (!policy)
                return -ENOMEM;
        policy->params = *p;
        atomic_init(&policy->tokens, BUCKET);
        *ret = policy;
        return 0;
}

struct retry_policy *retry_policy_free(struct retry_policy *p) {
        return mem_free(p);
}

static bool take_tokens(struct retry_policy *p, unsigned cost) {
        unsigned have = atomic_load(&p->tokens);

        do {
                if (have < cost)
                        return false;
        } while (!atomic_compare_exchange_weak(&p->tokens, &have, have - cost));
        return true;
}

static void put_tokens(struct retry_policy *p, unsigned n) {
        unsigned have = atomic_load(&p->tokens);

        while (!atomic_compare_exchange_weak(&p->tokens, &have, MIN(have + n, BUCKET)))
                ;
}

/* Full jitter: anything up to base, 2 base, 4 base ... the cap. */
static uint64_t backoff_ns(uint64_t base_ns, uint64_t cap_ns, unsigned attempt) {
        uint64_t ns = base_ns;

        for (unsigned i = 1; i < attempt && ns < cap_ns; i++)
                ns *= 2;
        return (uint64_t)(rng_unit() * (double)MIN(ns, cap_ns));
}

static uint64_t follow_hint(uint64_t delay_ns, int64_t server_hint_ms) {
        uint64_t hint_ns;

        if (server_hint_ms < 0)
                return delay_ns;
        hint_ns = (uint64_t)server_hint_ms > UINT64_MAX / NS_PER_MS ? UINT64_MAX : (uint64_t)server_hint_ms * NS_PER_MS;
        return MAX(delay_ns, MIN(hint_ns, delay_ns + HINT_WINDOW_NS));
}

bool retry_next(struct retry_policy *p, unsigned attempt, enum retry_class c, int64_t server_hint_ms,
                uint64_t *ret_delay_ns, unsigned *ret_cost) {
        const struct {
                bool retry;
                unsigned cost;
                uint64_t base_ns;
        } rules[] = {
                [RETRY_NO] = { false, 0, 0 },
                [RETRY_TRANSIENT] = { true, COST_TRANSIENT, p->params.base_transient_ns },
                [RETRY_THROTTLE] = { true, COST_THROTTLE, p->params.base_throttle_ns },
                [RETRY_SKEW] = { true, 0, 0 },
                [RETRY_CREDENTIALS] = { true, 0, 0 },
        };

        if (!rules[c].retry || attempt >= p->params.max_attempts)
                return false;
        if (!take_tokens(p, rules[c].cost))
                return false;
        *ret_cost = rules[c].cost;
        *ret_delay_ns = 0;
        if (rules[c].base_ns)
                *ret_delay_ns = follow_hint(backoff_ns(rules[c].base_ns, p->params.cap_ns, attempt), server_hint_ms);
        return true;
}

void retry_succeeded(struct retry_policy *p, unsigned last_cost) {
        put_tokens(p, last_cost ? last_cost : REFILL_WITHOUT_RETRY);
}

unsigned retry_tokens(const struct retry_policy *p) {
        return atomic_load(&p->tokens);
}
