/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Mutexes that know how many of them this thread holds: no lock may be held across a request, and
 * http_perform() and friends check locks_held() == 0 (a failed check is logged once and counted in the
 * metric lock_violations; the debug build traps).
 *
 * clang's thread-safety attributes go on functions (ACQUIRE/RELEASE/REQUIRES); in C they cannot go on
 * struct members, so every field says its lock in a comment.
 */
#include <pthread.h>
#include <stdbool.h>
#include "ddbfs/base/macros.h"

#if defined(__clang__)
#define CAPABILITY __attribute__((capability("mutex")))
#define ACQUIRE(x) __attribute__((acquire_capability(x)))
#define RELEASE(x) __attribute__((release_capability(x)))
#define REQUIRES(x) __attribute__((requires_capability(x)))
#define NO_ANALYSIS __attribute__((no_thread_safety_analysis)) /* does with locks what it cannot follow */
#else
#define CAPABILITY
#define ACQUIRE(x)
#define RELEASE(x)
#define REQUIRES(x)
#define NO_ANALYSIS
#endif

struct CAPABILITY mutex {
        pthread_mutex_t m;
};

struct cond {
        pthread_cond_t c; /* on CLOCK_MONOTONIC */
};

#define MUTEX_INIT { PTHREAD_MUTEX_INITIALIZER }

void mutex_init(struct mutex *m);
void mutex_deinit(struct mutex *m);
void mutex_lock(struct mutex *m) ACQUIRE(*m);
void mutex_unlock(struct mutex *m) RELEASE(*m);

void cond_init(struct cond *c);
void cond_deinit(struct cond *c);
void cond_wait(struct cond *c, struct mutex *m) REQUIRES(*m);
/* Until the monotonic time until_ns (clock_now_ns).  true when woken, false when the time is up. */
bool cond_wait_until(struct cond *c, struct mutex *m, uint64_t until_ns) REQUIRES(*m);
void cond_signal(struct cond *c);
void cond_broadcast(struct cond *c);

unsigned locks_held(void); /* by the calling thread */
