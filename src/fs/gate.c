/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting for another thread of this mount: interruptible, bounded by the operation's deadline. */
#include <signal.h>
#include "fs_internal.h"
#include "ddbfs/base/hash.h"
#include "ddbfs/base/thread.h"

/* Called with ctx->lock held (op_ctx.h): the gate may be taken under it, never the other way round. */
static void wake_gate(void *arg) {
        struct fs *fs = arg;

        mutex_lock(&fs->gate);
        cond_broadcast(&fs->gate_cond);
        mutex_unlock(&fs->gate);
}

static bool begin_at_once(struct fs *fs, bool *busy) {
        bool mine;

        mutex_lock(&fs->gate);
        mine = !*busy;
        *busy = true;
        mutex_unlock(&fs->gate);
        return mine;
}

int fs_busy_begin(struct fs *fs, struct op_ctx *ctx, bool *busy, struct error *e) {
        int r = 0;

        if (begin_at_once(fs, busy))
                return 0;
        op_ctx_set_waker(ctx, wake_gate, fs);
        mutex_lock(&fs->gate);
        while (*busy && (r = op_ctx_check(ctx, e)) == 0)
                (void)cond_wait_until(&fs->gate_cond, &fs->gate, ctx->deadline_ns);
        if (r == 0)
                *busy = true;
        mutex_unlock(&fs->gate);
        op_ctx_clear_waker(ctx);
        return r;
}

void fs_busy_end(struct fs *fs, bool *busy) {
        mutex_lock(&fs->gate);
        *busy = false;
        cond_broadcast(&fs->gate_cond);
        mutex_unlock(&fs->gate);
}

/* ---- one change of an item at a time ---- */

static uint64_t hash_of(struct str id) {
        return hash_seeded(10, id);
}

void item_turn_of(const struct place *p, struct item_turn *ret) {
        *ret = (struct item_turn){ .id = hash_of(buf_view(&p->id)) };
}

uint32_t item_turns_of(const struct place *p, struct item_turn ret[ITEM_TURNS]) {
        item_turn_of(p, &ret[0]);
        if (p->kind != NODE_ATTR)
                return 1;
        ret[0].shared = true;
        ret[1] = (struct item_turn){ .id = hash_of(buf_view(&p->attr_id)) };
        return 2;
}

/* The gate is held. */
static bool is_someones_turn(struct fs *fs, const struct item_turn *first, const struct item_turn *t) {
        LIST_FOR_EACH(l, &fs->turns) {
                const struct item_turn *before = CONTAINER_OF(l, struct item_turn, all);

                if (before == first)
                        return false;
                if (before->id == t->id && !(before->shared && t->shared))
                        return true;
        }
        return false;
}

/* Of a set of turns that are in the list, one behind the other. */
struct my_turns {
        struct fs *fs;
        const struct item_turn *t;
        uint32_t n;
};

static bool is_my_turn(const void *arg) {
        const struct my_turns *m = arg;

        for (uint32_t i = 0; i < m->n; i++)
                if (is_someones_turn(m->fs, m->t, &m->t[i]))
                        return false;
        return true;
}

int item_turns_begin(struct fs *fs, struct op_ctx *ctx, struct item_turn *t, uint32_t n, struct error *e) {
        const struct my_turns mine = { fs, t, n };
        bool at_once;
        int r;

        mutex_lock(&fs->gate);
        for (uint32_t i = 0; i < n; i++)
                list_append(&fs->turns, &t[i].all);
        at_once = is_my_turn(&mine);
        mutex_unlock(&fs->gate);
        r = at_once ? 0 : fs_wait_until(fs, ctx, is_my_turn, &mine, e);
        if (r)
                item_turns_end(fs, t, n);
        return r;
}

void item_turns_end(struct fs *fs, struct item_turn *t, uint32_t n) {
        mutex_lock(&fs->gate);
        for (uint32_t i = 0; i < n; i++)
                list_remove(&t[i].all);
        cond_broadcast(&fs->gate_cond);
        mutex_unlock(&fs->gate);
}

int fs_wait_until(struct fs *fs, struct op_ctx *ctx, bool (*ready)(const void *arg), const void *arg, struct error *e) {
        int r = 0;

        op_ctx_set_waker(ctx, wake_gate, fs);
        mutex_lock(&fs->gate);
        while (!ready(arg) && (r = op_ctx_check(ctx, e)) == 0)
                (void)cond_wait_until(&fs->gate_cond, &fs->gate, ctx->deadline_ns);
        mutex_unlock(&fs->gate);
        op_ctx_clear_waker(ctx);
        return r;
}

int fs_thread_start(pthread_t *ret, void *(*fn)(void *), void *arg) {
        sigset_t all, old;
        int r;

        sigfillset(&all);
        (void)pthread_sigmask(SIG_SETMASK, &all, &old);
        thread_lasts(); /* it inherits */
        r = pthread_create(ret, NULL, fn, arg);
        (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
        return -r;
}

static bool is_true(const void *arg) {
        return *(const bool *)arg;
}

int fs_wait_for(struct fs *fs, struct op_ctx *ctx, const bool *done, struct error *e) {
        return fs_wait_until(fs, ctx, is_true, done, e);
}
