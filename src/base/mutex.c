/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one place that calls pthread_mutex_*.  The calls can only fail on a mutex that is not one; then the
 * count is left alone and the program goes on.  A thread in cond_wait() counts as a holder: it holds the
 * lock again before it can look.
 */
#include "ddbfs/base/mutex.h"

#include <errno.h>
#include <time.h>
#include "ddbfs/base/clock.h"

/* The wrappers are what the analysis is told about; it must not look inside them (NO_ANALYSIS). */
static _Thread_local unsigned held;

void mutex_init(struct mutex *m) {
        pthread_mutex_init(&m->m, NULL);
}

void mutex_deinit(struct mutex *m) {
        pthread_mutex_destroy(&m->m);
}

NO_ANALYSIS void mutex_lock(struct mutex *m) {
        if (pthread_mutex_lock(&m->m) == 0)
                held++;
}

NO_ANALYSIS void mutex_unlock(struct mutex *m) {
        if (pthread_mutex_unlock(&m->m) == 0 && held > 0)
                held--;
}

unsigned locks_held(void) {
        return held;
}

void cond_init(struct cond *c) {
        pthread_condattr_t attr;

        pthread_condattr_init(&attr);
        pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
        pthread_cond_init(&c->c, &attr);
        pthread_condattr_destroy(&attr);
}

void cond_deinit(struct cond *c) {
        pthread_cond_destroy(&c->c);
}

NO_ANALYSIS void cond_wait(struct cond *c, struct mutex *m) {
        pthread_cond_wait(&c->c, &m->m);
}

/* The real monotonic time at which clock_now_ns() - perhaps a fake - will have advanced to until_ns. */
static struct timespec real_time_of(uint64_t until_ns) {
        uint64_t now = clock_now_ns(), left = until_ns > now ? until_ns - now : 0;
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        left += (uint64_t)t.tv_nsec;
        t.tv_sec += (time_t)(left / NS_PER_S);
        t.tv_nsec = (long)(left % NS_PER_S);
        return t;
}

NO_ANALYSIS bool cond_wait_until(struct cond *c, struct mutex *m, uint64_t until_ns) {
        struct timespec t;

        if (until_ns > (uint64_t)INT64_MAX) {
                cond_wait(c, m);
                return true;
        }
        t = real_time_of(until_ns);
        return pthread_cond_timedwait(&c->c, &m->m, &t) != ETIMEDOUT;
}

void cond_signal(struct cond *c) {
        pthread_cond_signal(&c->c);
}

void cond_broadcast(struct cond *c) {
        pthread_cond_broadcast(&c->c);
}
