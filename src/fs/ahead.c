/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Work done before it is asked for: the next page of a listing, the next partitions of a crawl.  One thread a job,
 * which ends with it, so that an idle mount has none.  A job has an operation of its own: its owner may cancel it, and
 * nobody's Ctrl-C ends it but the owner's.
 */
#include "fs_internal.h"
#include "ddbfs/base/clock.h"

#define JOBS_MAX 16
#define JOB_TIMEOUT_NS (60 * NS_PER_S)

static void *job_main(void *arg) {
        struct ahead *a = arg;
        struct fs *fs = a->fs;

        a->run(fs, a);
        mutex_lock(&fs->gate);
        fs->n_ahead--;
        a->done = true;
        cond_broadcast(&fs->gate_cond);
        mutex_unlock(&fs->gate);
        return NULL;
}

static bool count_in(struct fs *fs, struct ahead *a) {
        bool room;

        mutex_lock(&fs->gate);
        room = fs->n_ahead < JOBS_MAX && !fs->ahead_stopped;
        if (room)
                fs->n_ahead++;
        a->done = !room;
        mutex_unlock(&fs->gate);
        return room;
}

bool ahead_start(struct fs *fs, struct ahead *a, const char *name, void (*run)(struct fs *, struct ahead *)) {
        ahead_join(a);
        if (!count_in(fs, a))
                return false;
        a->fs = fs;
        a->run = run;
        op_ctx_init(&a->ctx, name, JOB_TIMEOUT_NS);
        a->started = fs_thread_start(&a->thread, job_main, a) == 0;
        if (a->started)
                return true;
        op_ctx_deinit(&a->ctx);
        mutex_lock(&fs->gate);
        fs->n_ahead--;
        a->done = true;
        mutex_unlock(&fs->gate);
        return false;
}

void ahead_goes_on(struct ahead *a) {
        a->ctx.deadline_ns = clock_now_ns() + JOB_TIMEOUT_NS;
}

void ahead_join(struct ahead *a) {
        if (!a->started)
                return;
        (void)pthread_join(a->thread, NULL);
        op_ctx_deinit(&a->ctx);
        a->started = false;
}

void ahead_stop(struct ahead *a) {
        if (a->started)
                op_ctx_cancel(&a->ctx);
        ahead_join(a);
}

void ahead_no_more(struct fs *fs) {
        mutex_lock(&fs->gate);
        fs->ahead_stopped = true;
        mutex_unlock(&fs->gate);
}
