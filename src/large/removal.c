/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Removing objects that no item refers to any more, by a thread that exists once there is something to remove.
 *
 *      why                                  when                       at unmount
 *      replaced, or its item deleted        after the grace time       at once: this mount's readers are gone
 *      written for a write that was refused at once                    at once
 *      the same, but nobody knows whether   after the grace time       left to fsck.ddbfs
 *
 * Before each removal its item is read, strongly consistent: what it refers to stays.  What cannot be removed, what is
 * more than REMOVALS_MAX, and what a crash leaves waiting is an orphan: fsck.ddbfs finds it.
 */
#include <signal.h>
#include "large_internal.h"
#include "ddbfs/base/alloc.h"
#include "ddbfs/base/log.h"
#include "ddbfs/base/thread.h"

#define RETRY_NS (5 * NS_PER_S)
#define TRIES_MAX 5
#define STOP_NS (5 * NS_PER_S)

struct removal {
        struct list all;
        struct large_owner owner; /* its strings, and those below, are in text */
        struct blob_name object;
        uint64_t due_ns;
        unsigned tries;
        bool uncertain;
        char text[];
};

static struct removal *removal_new(const struct large_owner *o, struct blob_name object) {
        size_t n = o->attr.n + object.bucket.n + object.key.n;
        struct removal *x;
        char *at;

        for (uint32_t i = 0; i < o->key.n; i++)
                n += o->key.parts[i].text.n;
        x = mem_zalloc(sizeof(*x) + n);
        if (!x)
                return NULL;
        x->owner = *o;
        x->object = object;
        at = x->text;
        for (uint32_t i = 0; i < o->key.n + 3; i++) {
                struct str *s = i < o->key.n        ? &x->owner.key.parts[i].text
                                : i == o->key.n     ? &x->owner.attr
                                : i == o->key.n + 1 ? &x->object.bucket
                                                    : &x->object.key;

                if (s->n > 0)
                        memcpy(at, s->p, s->n);
                s->p = at;
                at += s->n;
        }
        x->owner.table = table_schema_ref((struct table_schema *)(uintptr_t)o->table);
        list_init(&x->all);
        return x;
}

static void removal_free(struct removal *x) {
        table_schema_unref((struct table_schema *)(uintptr_t)x->owner.table);
        mem_free(x);
}

bool large_thread(pthread_t *ret, void *(*run)(void *), void *arg) {
        sigset_t all, old;
        bool ok;

        thread_lasts(); /* it inherits */
        sigfillset(&all);
        (void)pthread_sigmask(SIG_SETMASK, &all, &old);
        ok = pthread_create(ret, NULL, run, arg) == 0;
        (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
        return ok;
}

/* Does its item refer to it, now? */
static int is_referred(struct large_store *ls, struct op_ctx *ctx, const struct removal *x, bool *ret, struct error *e) {
        struct get_request get = { .table = x->owner.table, .key = x->owner.key, .consistent = true,
                                   .projection = &x->owner.attr, .n_projection = 1 };
        _cleanup_(items_deinit) struct items now;
        const struct value *v;
        int r;

        items_init(&now);
        r = ls->inner->ops->get(ls->inner, ctx, &get, &now, e);
        if (r == -ENOENT && e->kind == ERR_NO_TABLE)
                r = 0; /* and no item */
        v = r == 0 && now.n > 0 ? item_get(&now.v[0], x->owner.attr) : NULL;
        *ret = v && v->type == VALUE_LARGE && str_eq(v->large->key, x->object.key) &&
               str_eq(v->large->bucket, x->object.bucket);
        return r;
}

/* 0: done with it, one way or the other. */
static int remove_one(struct large_store *ls, const struct removal *x, uint64_t timeout_ns, bool last) {
        struct error e = { 0 };
        struct op_ctx ctx;
        bool referred = false;
        int result = 0, r;

        op_ctx_init(&ctx, "remove", timeout_ns);
        mutex_lock(&ls->lock);
        ls->removing = &ctx;
        if (ls->stopping && !last)
                op_ctx_cancel(&ctx);
        mutex_unlock(&ls->lock);
        r = is_referred(ls, &ctx, x, &referred, &e);
        if (r == 0 && !referred)
                r = ls->blobs->ops->remove(ls->blobs, &ctx, &x->object, 1, &result, &e);
        mutex_lock(&ls->lock);
        ls->removing = NULL;
        mutex_unlock(&ls->lock);
        op_ctx_deinit(&ctx);
        if (r && (last || x->tries + 1 >= TRIES_MAX))
                log_warn("an object that no item refers to stays in S3 (%s), fsck.ddbfs finds it: %.*s", e.message,
                         (int)x->object.key.n, x->object.key.p);
        return r;
}

/* The first that is due, out of the list; NULL: stop. */
static struct removal *next_due(struct large_store *ls) REQUIRES(ls->lock) {
        while (!ls->stopping) {
                struct removal *first = NULL;

                LIST_FOR_EACH(l, &ls->removals) {
                        struct removal *x = CONTAINER_OF(l, struct removal, all);

                        if (!first || x->due_ns < first->due_ns)
                                first = x;
                }
                if (first && first->due_ns <= clock_now_ns()) {
                        list_remove(&first->all);
                        return first;
                }
                if (first)
                        (void)cond_wait_until(&ls->cond, &ls->lock, first->due_ns);
                else
                        cond_wait(&ls->cond, &ls->lock);
        }
        return NULL;
}

static void *removal_thread(void *arg) {
        struct large_store *ls = arg;
        struct removal *x;

        mutex_lock(&ls->lock);
        while ((x = next_due(ls))) {
                bool done;

                mutex_unlock(&ls->lock);
                done = remove_one(ls, x, ls->timeout_ns, false) == 0 || x->tries + 1 >= TRIES_MAX;
                mutex_lock(&ls->lock);
                if (done) {
                        removal_free(x);
                        ls->n_removals--;
                        continue;
                }
                x->tries += !ls->stopping;
                x->due_ns = clock_now_ns() + RETRY_NS;
                list_append(&ls->removals, &x->all);
        }
        mutex_unlock(&ls->lock);
        return NULL;
}

void removal_add(struct large_store *ls, const struct large_owner *o, struct blob_name object, bool at_once,
                 bool uncertain) {
        struct removal *x = ls->blobs && large_named(ls, object.bucket) ? removal_new(o, object) : NULL;
        bool queued;

        if (!x)
                return;
        x->due_ns = clock_now_ns() + (at_once ? 0 : ls->grace_ns);
        x->uncertain = uncertain;
        mutex_lock(&ls->lock);
        if (!ls->running && !ls->stopping)
                ls->running = large_thread(&ls->thread, removal_thread, ls);
        queued = ls->running && ls->n_removals < REMOVALS_MAX;
        if (queued) {
                list_append(&ls->removals, &x->all);
                ls->n_removals++;
                cond_signal(&ls->cond);
        }
        mutex_unlock(&ls->lock);
        if (!queued)
                removal_free(x);
}

/* The service has said no; of anything else nobody knows. */
static bool was_refused(const struct error *e) {
        switch (e->kind) {
        case ERR_NO_TABLE:
        case ERR_EXISTS:
        case ERR_CONDITION:
        case ERR_INPUT:
        case ERR_VALIDATION:
        case ERR_TOO_LARGE:
        case ERR_NO_SPACE:
        case ERR_CANCELLED:
        case ERR_ACCESS:
        case ERR_READ_ONLY:
                return true;
        default:
                return false;
        }
}

void removal_of_fresh(struct large_store *ls, const struct large_owner *o, struct blob_name object, const struct error *e) {
        bool refused = was_refused(e);

        removal_add(ls, o, object, refused, !refused);
}

void removal_stop(struct large_store *ls) {
        uint64_t until = clock_now_ns() + STOP_NS;
        bool running;

        mutex_lock(&ls->lock);
        ls->stopping = true;
        running = ls->running;
        if (ls->removing)
                op_ctx_cancel(ls->removing);
        cond_broadcast(&ls->cond);
        mutex_unlock(&ls->lock);
        if (running)
                (void)pthread_join(ls->thread, NULL);
        while (!list_is_empty(&ls->removals)) { /* nobody else is left */
                struct removal *x = CONTAINER_OF(ls->removals.next, struct removal, all);
                uint64_t now = clock_now_ns();

                list_remove(&x->all);
                if (!x->uncertain && now < until && remove_one(ls, x, until - now, true))
                        until = 0;
                removal_free(x);
        }
}
