/* SPDX-License-Identifier: Apache-2.0 */
/* The cache of credentials: when it fetches, and how many threads share one fetch. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include "ddbfs/aws/credentials.h"
#include "ddbfs/base/alloc.h"
#include "ddbfs/base/clock.h"
#include "../suite.h"

#define LIFE_S 3600
#define REFRESH_BEFORE_S 300
#define START_S 1000000

/* Gives credentials of LIFE_S named K1, K2 ...; can be told to fail, and to hold every fetch at a gate. */
struct source {
        struct cred_provider base;
        struct mutex lock; /* all below */
        struct cond changed;
        unsigned gets, inside, most_inside, refusals, frees;
        int result;
        bool closed; /* the gate */
        unsigned locks_seen;
};

static int source_get(struct cred_provider *base, struct op_ctx *ctx, struct credentials **ret, struct error *reterr) {
        struct source *s = CONTAINER_OF(base, struct source, base);
        unsigned number, held = locks_held();
        char id[16];
        int r;

        mutex_lock(&s->lock);
        number = ++s->gets;
        s->locks_seen += held;
        s->inside++;
        s->most_inside = MAX(s->most_inside, s->inside);
        cond_broadcast(&s->changed);
        while (s->closed && !op_ctx_check(ctx, NULL))
                cond_wait_until(&s->changed, &s->lock, clock_now_ns() + NS_PER_MS);
        s->inside--;
        r = s->result;
        mutex_unlock(&s->lock);
        if (op_ctx_check(ctx, NULL))
                return op_ctx_check(ctx, reterr);
        if (r == CRED_E_NONE)
                return r;
        if (r)
                return error_set(reterr, ERR_CONNECT, "failure %u", number);
        snprintf(id, sizeof(id), "K%u", number);
        return credentials_new(str_of(id), STR("s"), STR(""), STR(""), clock_wall_s() + LIFE_S, "test", ret);
}

static void source_refused(struct cred_provider *base, const struct credentials *c) {
        struct source *s = CONTAINER_OF(base, struct source, base);

        (void)c;
        s->refusals++;
}

static void source_free(struct cred_provider *base) {
        CONTAINER_OF(base, struct source, base)->frees++;
}

static const struct cred_provider_ops source_ops = {
        .name = "test",
        .get = source_get,
        .refused = source_refused,
        .free = source_free,
};

static struct source source;
static struct cred_provider *cached;
static struct op_ctx ctx;

static void set_up(void) {
        source = (struct source){ .base = { &source_ops } };
        mutex_init(&source.lock);
        cond_init(&source.changed);
        cached = NULL;
        ck_assert_int_eq(cred_cached_new(&source.base, REFRESH_BEFORE_S, &cached), 0);
        op_ctx_init(&ctx, "test", 0);
}

static void tear_down(void) {
        cred_provider_free(cached);
        ck_assert_uint_eq(source.frees, 1);
        ck_assert_uint_eq(source.locks_seen, 0);
        ck_assert_uint_le(source.most_inside, 1);
        op_ctx_deinit(&ctx);
        cond_deinit(&source.changed);
        mutex_deinit(&source.lock);
        clock_real();
}

static void set_time(int64_t wall_s) {
        clock_fake(NS_PER_S, (uint64_t)wall_s * NS_PER_S);
}

static void assert_id(const char *id) {
        struct credentials *c = NULL;
        struct error error = { .message = "" };

        ck_assert_msg(cached->ops->get(cached, &ctx, &c, &error) == 0, "%s", error.message);
        ck_assert_str_eq(c->access_key_id, id);
        credentials_unref(c);
}

/* One life after the other: time since the start, the source's state, who answers. */
START_TEST(refreshes_in_time) {
        static const struct {
                int64_t after_s;
                int result;     /* of the source */
                const char *id; /* NULL: failure */
                unsigned gets;  /* of the source so far */
        } steps[] = {
                { 0, 0, "K1", 1 },
                { 1, 0, "K1", 1 },
                { LIFE_S - REFRESH_BEFORE_S - 1, 0, "K1", 1 },
                { LIFE_S - REFRESH_BEFORE_S, -1, "K1", 2 },     /* early refresh fails: the old ones serve */
                { LIFE_S - REFRESH_BEFORE_S + 1, -1, "K1", 2 }, /* and it is not tried at each call */
                { LIFE_S - REFRESH_BEFORE_S + 40, CRED_E_NONE, "K1", 3 },
                { LIFE_S - 11, -1, "K1", 4 },
                { LIFE_S - 10, -1, NULL, 5 }, /* too old to be sent */
                { LIFE_S - 10, -1, NULL, 6 },
                { LIFE_S, 0, "K7", 7 },
                { 2 * LIFE_S - REFRESH_BEFORE_S, 0, "K8", 8 }, /* early refresh */
                { 2 * LIFE_S, 0, "K8", 8 },
        };

        for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
                set_time(START_S + steps[i].after_s);
                source.result = steps[i].result;
                if (steps[i].id) {
                        assert_id(steps[i].id);
                } else {
                        struct credentials *c = NULL;
                        struct error error;
                        char message[32];

                        ck_assert_int_eq(cached->ops->get(cached, &ctx, &c, &error), -EHOSTUNREACH);
                        snprintf(message, sizeof(message), "failure %u", steps[i].gets);
                        ck_assert_str_eq(error.message, message);
                        ck_assert_ptr_null(c);
                }
                ck_assert_uint_eq(source.gets, steps[i].gets);
        }
}
END_TEST

START_TEST(passes_none_on) {
        struct credentials *c = NULL;

        source.result = CRED_E_NONE;
        ck_assert_int_eq(cached->ops->get(cached, &ctx, &c, NULL), CRED_E_NONE);
        ck_assert_ptr_null(c);
}
END_TEST

START_TEST(refusal_forgets_what_was_refused) {
        struct credentials *old = NULL;

        ck_assert_int_eq(cached->ops->get(cached, &ctx, &old, NULL), 0);
        cached->ops->refused(cached, old);
        ck_assert_uint_eq(source.refusals, 1);
        assert_id("K2");
        cached->ops->refused(cached, old); /* news of yesterday */
        ck_assert_uint_eq(source.refusals, 1);
        assert_id("K2");
        ck_assert_str_eq(old->access_key_id, "K1"); /* still alive for its holder */
        credentials_unref(old);
}
END_TEST

/* Threads. */

struct caller {
        pthread_t thread;
        struct op_ctx ctx;
        int result;
        char id[16];
        struct error error;
};

static void *call(void *arg) {
        struct caller *c = arg;
        struct credentials *got = NULL;

        c->result = cached->ops->get(cached, &c->ctx, &got, &c->error);
        if (got)
                snprintf(c->id, sizeof(c->id), "%s", got->access_key_id);
        credentials_unref(got);
        return NULL;
}

static void start(struct caller *c, uint64_t timeout_ns) {
        *c = (struct caller){ .result = 99 };
        op_ctx_init(&c->ctx, "caller", timeout_ns);
        ck_assert_int_eq(pthread_create(&c->thread, NULL, call, c), 0);
}

static void join(struct caller *c) {
        pthread_join(c->thread, NULL);
        op_ctx_deinit(&c->ctx);
}

static void set_gate(bool closed, int result) {
        mutex_lock(&source.lock);
        source.closed = closed;
        source.result = result;
        cond_broadcast(&source.changed);
        mutex_unlock(&source.lock);
}

static void wait_for_gets(unsigned n) {
        mutex_lock(&source.lock);
        while (source.gets < n)
                cond_wait(&source.changed, &source.lock);
        mutex_unlock(&source.lock);
}

static void pause_ms(unsigned ms) {
        struct error error;
        struct op_ctx c;

        op_ctx_init(&c, "pause", 0);
        ck_assert_int_eq(op_ctx_sleep_until(&c, clock_now_ns() + ms * NS_PER_MS, &error), 0);
        op_ctx_deinit(&c);
}

#define N_CALLERS 16

/* One fetch, its outcome for all: success and failure. */
START_TEST(one_fetch_for_many) {
        struct caller callers[N_CALLERS];

        for (unsigned round = 0; round < 2; round++) {
                set_gate(true, 0);
                start(&callers[0], 0);
                wait_for_gets(round + 1);
                for (unsigned i = 1; i < N_CALLERS; i++)
                        start(&callers[i], 0);
                pause_ms(30); /* let them come to wait */
                set_gate(false, round == 0 ? -1 : 0);
                for (unsigned i = 0; i < N_CALLERS; i++)
                        join(&callers[i]);
                for (unsigned i = 0; i < N_CALLERS; i++) {
                        ck_assert_int_eq(callers[i].result, callers[0].result);
                        ck_assert_str_eq(round == 0 ? callers[i].error.message : callers[i].id,
                                         round == 0 ? "failure 1" : "K2");
                }
                ck_assert_uint_eq(source.gets, round + 1);
        }
}
END_TEST

/* While one refreshes early, nobody waits. */
START_TEST(ageing_serves_while_refreshing) {
        struct caller refresher;

        set_time(START_S);
        assert_id("K1");
        set_time(START_S + LIFE_S - REFRESH_BEFORE_S);
        set_gate(true, 0);
        start(&refresher, 0);
        wait_for_gets(2);
        assert_id("K1");
        assert_id("K1");
        set_gate(false, 0);
        join(&refresher);
        ck_assert_str_eq(refresher.id, "K2");
        assert_id("K2");
        ck_assert_uint_eq(source.gets, 2);
}
END_TEST

START_TEST(a_waiter_can_leave) {
        struct caller fetcher, cancelled, late;
        uint64_t began;

        set_gate(true, 0);
        start(&fetcher, 0);
        wait_for_gets(1);
        start(&cancelled, 0);
        start(&late, 50 * NS_PER_MS);
        pause_ms(20);
        began = clock_now_ns();
        op_ctx_cancel(&cancelled.ctx);
        join(&cancelled);
        ck_assert_int_eq(cancelled.result, -EINTR);
        ck_assert_uint_lt(clock_now_ns() - began, NS_PER_S);
        join(&late);
        ck_assert_int_eq(late.result, -ETIMEDOUT);
        set_gate(false, 0);
        join(&fetcher);
        ck_assert_str_eq(fetcher.id, "K1");
        ck_assert_uint_eq(source.gets, 1);
}
END_TEST

/* The fetching thread is interrupted: that is no answer for the others. */
START_TEST(a_waiter_takes_over) {
        struct caller fetcher, waiters[3];

        set_gate(true, 0);
        start(&fetcher, 0);
        wait_for_gets(1);
        for (unsigned i = 0; i < ARRAY_LEN(waiters); i++)
                start(&waiters[i], 0);
        pause_ms(20);
        op_ctx_cancel(&fetcher.ctx);
        join(&fetcher);
        ck_assert_int_eq(fetcher.result, -EINTR);
        wait_for_gets(2);
        set_gate(false, 0);
        for (unsigned i = 0; i < ARRAY_LEN(waiters); i++) {
                join(&waiters[i]);
                ck_assert_str_eq(waiters[i].id, "K2");
        }
        ck_assert_uint_eq(source.gets, 2);
}
END_TEST

/* Get, refuse, get: from many threads, for the thread sanitizer. */
static void *churn(void *arg) {
        struct caller *c = arg;

        for (unsigned i = 0; i < 300; i++) {
                struct credentials *got = NULL;

                c->result = cached->ops->get(cached, &c->ctx, &got, &c->error);
                if (c->result)
                        break;
                if (i % 7 == 0)
                        cached->ops->refused(cached, got);
                if (got->access_key_id[0] != 'K')
                        c->result = -1;
                credentials_unref(got);
        }
        return NULL;
}

static void count_nothing(struct cred_provider *base, const struct credentials *c) {
        (void)base;
        (void)c;
}

START_TEST(many_threads) {
        static const struct cred_provider_ops quiet = {
                .name = "test",
                .get = source_get,
                .refused = count_nothing,
                .free = source_free,
        };
        struct caller callers[N_CALLERS];

        source.base.ops = &quiet;
        for (unsigned i = 0; i < N_CALLERS; i++) {
                callers[i] = (struct caller){ .result = 0 };
                op_ctx_init(&callers[i].ctx, "caller", 0);
                ck_assert_int_eq(pthread_create(&callers[i].thread, NULL, churn, &callers[i]), 0);
        }
        for (unsigned i = 0; i < N_CALLERS; i++) {
                join(&callers[i]);
                ck_assert_int_eq(callers[i].result, 0);
        }
        ck_assert_uint_gt(source.gets, 1);
}
END_TEST

START_TEST(out_of_memory) {
        struct source other = { .base = { &source_ops } };
        struct cred_provider *p = NULL;

        mem_fail_at(1);
        ck_assert_int_eq(cred_cached_new(&other.base, 1, &p), -ENOMEM);
        mem_fail_at(0);
        ck_assert_ptr_null(p);
        ck_assert_uint_eq(other.frees, 1);
}
END_TEST

int main(void) {
        Suite *s = suite_create("cred_cached");
        TCase *t = tcase_create("cred_cached");

        suite_add_tcase(s, t);
        tcase_add_checked_fixture(t, set_up, tear_down);
        tcase_set_timeout(t, 60);
        tcase_add_test(t, refreshes_in_time);
        tcase_add_test(t, passes_none_on);
        tcase_add_test(t, refusal_forgets_what_was_refused);
        tcase_add_test(t, one_fetch_for_many);
        tcase_add_test(t, ageing_serves_while_refreshing);
        tcase_add_test(t, a_waiter_can_leave);
        tcase_add_test(t, a_waiter_takes_over);
        tcase_add_test(t, many_threads);
        tcase_add_test(t, out_of_memory);
        return suite_run(s);
}
