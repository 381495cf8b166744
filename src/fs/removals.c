/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `rm -r` in batches.  After a streak of unlinks in a directory that the program itself has open - as who empties it
 * has, and who deletes some files by name has not - the following ones are queued and sent by BatchWriteItem, several
 * batches at once, instead of one request each: the kernel lets one unlink at a time into a directory, so it must
 * return before the batch is full.  Queued items are gone for this mount at once; they are gone from the table within
 * GATHER_NS and a request's time.  rmdir, fsync of the directory, a new item of the same key, a rename, an export and
 * unmount wait for what is queued then.  An item that could not be deleted is told in the log and errors.jsonl and is
 * back; the next unlink in the directory waits for the rest of the queue, and it, fsync of the directory and its rmdir
 * fail with the reason; for a while every unlink is sent and answered by itself.
 *
 *      queue     thread        what happens
 *      empty     sleeping      nothing, no wake-ups
 *      filling   gathering     until BATCH_GOOD are there, GATHER_NS have passed or somebody waits
 *      -         sending       up to SEND_MAX at once; new ones queue up behind
 */
#include <stdio.h>
#include "fs_internal.h"
#include "ddbfs/base/clock.h"
#include "ddbfs/base/hash.h"
#include "ddbfs/base/log.h"

#define STREAK_MIN 16
#define STREAK_GAP_NS NS_PER_S
#define GATHER_NS (20 * NS_PER_MS)
#define BATCH_GOOD (8 * BATCH_WRITE_MAX)
#define SEND_MAX (16 * BATCH_WRITE_MAX)
#define QUEUE_MAX 2000 /* more wait their turn */
#define SEND_TIMEOUT_NS (60 * NS_PER_S)
#define NO_BATCHES_NS (5 * NS_PER_S)
#define FAILURES 16 /* directories with items that could not be deleted */

struct removal {
        struct hmap_node node;
        struct list all; /* oldest first */
        struct place place;
        struct node *dir; /* reference; for the message */
        size_t name_n;
        char name[];
};

/* Items of a directory whose deletion has failed after their unlink. */
struct failure {
        uint64_t ino; /* 0: unused */
        unsigned n;
        bool told;    /* by an unlink */
        int r;
        struct error error; /* of the first */
};

struct removals {
        struct mutex lock;     /* all but `sent` and `room` */
        struct cond cond;
        struct hmap by_id;
        struct list queue;     /* not being sent */
        size_t n;              /* queued and being sent */
        uint64_t added;        /* ever; they are sent in this order */
        uint64_t hurry_to;     /* somebody waits for so many of them */
        bool stopping, running;
        bool given_up, ended;  /* the time for the rest is up; the thread is done */
        pthread_t thread;
        uint64_t streak_ino, streak_ns;
        unsigned streak;
        uint64_t no_batches_until_ns; /* one has failed: each unlink says for itself again whether it works */
        struct failure failures[FAILURES];
        struct op_ctx *sending;       /* of the batch under way */
        uint64_t sent;         /* fs.gate: as many of `added` are decided */
        bool room;             /* fs.gate */
};

int removals_new(struct fs *fs) {
        struct removals *q = mem_zalloc(sizeof(*q));

        if (!q)
                return -ENOMEM;
        mutex_init(&q->lock);
        cond_init(&q->cond);
        list_init(&q->queue);
        q->room = true;
        fs->removals = q;
        return 0;
}

static void removal_free(struct fs *fs, struct removal *x) {
        place_deinit(&x->place);
        node_put(fs, x->dir);
        mem_free(x);
}

static struct removal *find(struct removals *q, struct str id) {
        for (struct hmap_node *n = hmap_first(&q->by_id, hash_seeded(4, id)); n; n = hmap_next(n)) {
                struct removal *x = CONTAINER_OF(n, struct removal, node);

                if (str_eq(buf_view(&x->place.id), id))
                        return x;
        }
        return NULL;
}

bool removals_pending(struct fs *fs, struct str id) {
        struct removals *q = fs->removals;
        bool found;

        mutex_lock(&q->lock);
        found = q->n > 0 && find(q, id);
        mutex_unlock(&q->lock);
        return found;
}

void removals_succeeded(struct fs *fs, struct node *dir) {
        struct removals *q = fs->removals;
        uint64_t ino = node_ino_now(fs, dir), now = clock_now_ns();

        mutex_lock(&q->lock);
        if (q->streak_ino != ino || now - q->streak_ns > STREAK_GAP_NS)
                q->streak = 0;
        q->streak_ino = ino;
        q->streak_ns = now;
        q->streak++;
        mutex_unlock(&q->lock);
}

bool removals_streak(struct fs *fs, struct node *dir, struct program p) {
        struct removals *q = fs->removals;
        uint64_t ino = node_ino_now(fs, dir), now = clock_now_ns();
        bool streak;

        mutex_lock(&q->lock);
        streak = q->streak_ino == ino && now - q->streak_ns <= STREAK_GAP_NS && q->streak >= STREAK_MIN &&
                 now >= q->no_batches_until_ns;
        mutex_unlock(&q->lock);
        return streak && dir_open_by(fs, dir, p);
}

/* ---- failures ---- */

static struct failure *failure_of(struct removals *q, uint64_t ino) {
        for (size_t i = 0; i < FAILURES; i++)
                if (q->failures[i].ino == ino)
                        return &q->failures[i];
        return NULL;
}

static void note_failure(struct fs *fs, struct node *dir, int r, const struct error *e) {
        struct removals *q = fs->removals;
        uint64_t ino = node_ino_now(fs, dir);
        struct failure *f;

        mutex_lock(&q->lock);
        f = failure_of(q, ino);
        if (!f) {
                f = failure_of(q, 0);
                if (!f)
                        f = &q->failures[ino % FAILURES];
                *f = (struct failure){ .ino = ino, .r = r, .error = *e };
        }
        f->n++;
        mutex_unlock(&q->lock);
}

int removals_failed(struct fs *fs, struct node *dir, bool first, struct error *e) {
        struct removals *q = fs->removals;
        uint64_t ino = node_ino_now(fs, dir);
        struct failure *f, found = { .ino = 0 };

        mutex_lock(&q->lock);
        f = failure_of(q, ino);
        if (f && !(first && f->told)) {
                found = *f;
                f->told = true;
                if (!first)
                        f->ino = 0;
        }
        mutex_unlock(&q->lock);
        if (!found.ino)
                return 0;
        *e = found.error;
        (void)snprintf(e->message, sizeof(e->message), "%u items of the directory could not be deleted: %.150s", found.n,
                       found.error.message);
        return found.r;
}

int removals_tell(struct fs *fs, struct op_ctx *ctx, struct node *dir, struct error *e) {
        struct removals *q = fs->removals;
        uint64_t ino = node_ino_now(fs, dir);
        const struct failure *f;
        bool news;
        int r;

        mutex_lock(&q->lock);
        f = failure_of(q, ino);
        news = f && !f->told;
        mutex_unlock(&q->lock);
        if (!news)
                return 0;
        r = removals_wait(fs, ctx, e);
        return r ? r : removals_failed(fs, dir, true, e);
}

/* ---- sending ---- */

/* Both locks, or an older count could overwrite a newer one: the gate is taken first. */
static void set_gate_flags(struct fs *fs) {
        struct removals *q = fs->removals;

        mutex_lock(&fs->gate);
        mutex_lock(&q->lock);
        q->sent = q->added - q->n;
        q->room = q->n < QUEUE_MAX;
        mutex_unlock(&q->lock);
        cond_broadcast(&fs->gate_cond);
        mutex_unlock(&fs->gate);
}

static void sent(struct fs *fs, struct op_ctx *ctx, struct removal *x, int r, const struct error *e) {
        if (r == 0) {
                cache_put_own(fs->cache, buf_view(&x->place.id), NULL);
                return;
        }
        cache_invalidate(fs->cache, buf_view(&x->place.id));
        (void)fs_done(fs, ctx, x->dir, str_make(x->name, x->name_n), r, e);
        note_failure(fs, x->dir, r, e);
        if (fs->notify.entry)
                fs->notify.entry(fs->notify.arg, x->dir->id, str_make(x->name, x->name_n));
}

static void send_batch(struct fs *fs, struct removal **batch, uint32_t n) {
        struct removals *q = fs->removals;
        struct write writes[SEND_MAX];
        int results[SEND_MAX];
        struct error e = { 0 };
        struct op_ctx ctx;
        bool given_up;

        op_ctx_init(&ctx, "unlink", SEND_TIMEOUT_NS);
        mutex_lock(&q->lock);
        q->sending = &ctx;
        given_up = q->given_up;
        mutex_unlock(&q->lock);
        if (given_up)
                op_ctx_cancel(&ctx);
        for (uint32_t i = 0; i < n; i++) {
                writes[i] = (struct write){ .op = WRITE_DELETE, .table = batch[i]->place.table, .key = batch[i]->place.key };
                results[i] = -EIO;
        }
        (void)fs->store->ops->batch_write(fs->store, &ctx, writes, n, results, &e);
        for (uint32_t i = 0; i < n; i++) {
                fs_wrote(fs, &batch[i]->place);
                partition_wrote(fs, &batch[i]->place, false);
                sent(fs, &ctx, batch[i], results[i], &e);
                ctx.wcu = ctx.rcu = 0; /* charged to the first */
        }
        mutex_lock(&q->lock);
        q->sending = NULL;
        for (uint32_t i = 0; i < n; i++) {
                if (results[i])
                        q->no_batches_until_ns = clock_now_ns() + NO_BATCHES_NS;
                hmap_remove(&q->by_id, &batch[i]->node);
        }
        q->n -= n;
        mutex_unlock(&q->lock);
        for (uint32_t i = 0; i < n; i++) {
                if (results[i]) /* who has listed its directory up to now has not seen it */
                        fs_wrote(fs, &batch[i]->place);
                removal_free(fs, batch[i]);
        }
        set_gate_flags(fs);
        op_ctx_deinit(&ctx);
}

static uint32_t gather(struct removals *q, struct removal **batch) {
        uint64_t until;
        uint32_t n = 0;

        mutex_lock(&q->lock);
        while (list_is_empty(&q->queue) && !q->stopping)
                cond_wait(&q->cond, &q->lock);
        until = clock_now_ns() + GATHER_NS;
        while (q->n < BATCH_GOOD && q->added - q->n >= q->hurry_to && !q->stopping &&
               cond_wait_until(&q->cond, &q->lock, until))
                ;
        while (n < SEND_MAX && !list_is_empty(&q->queue)) {
                batch[n++] = CONTAINER_OF(q->queue.next, struct removal, all);
                list_remove(q->queue.next);
        }
        mutex_unlock(&q->lock);
        return n;
}

static void *removals_thread(void *arg) {
        struct fs *fs = arg;
        struct removal *batch[SEND_MAX];
        uint32_t n;

        while ((n = gather(fs->removals, batch)) > 0)
                send_batch(fs, batch, n);
        mutex_lock(&fs->removals->lock); /* stopping, and nothing left */
        fs->removals->ended = true;
        cond_broadcast(&fs->removals->cond);
        mutex_unlock(&fs->removals->lock);
        return NULL;
}

/* lock is held. */
static bool ensure_thread(struct fs *fs, struct removals *q) {
        if (!q->running && !q->stopping)
                q->running = fs_thread_start(&q->thread, removals_thread, fs) == 0;
        return q->running && !q->stopping;
}

/* ---- the interface ---- */

int removals_add(struct fs *fs, struct op_ctx *ctx, struct place *p, struct node *dir, struct str name, struct error *e) {
        struct removals *q = fs->removals;
        struct removal *x = mem_zalloc(sizeof(*x) + name.n);
        bool queued = false;
        int r;

        if (!x)
                return error_set(e, ERR_MEMORY, "out of memory");
        r = fs_wait_for(fs, ctx, &q->room, e);
        if (r) {
                mem_free(x);
                return r;
        }
        x->place = *p;
        *p = (struct place){ .table = NULL };
        x->dir = node_ref(fs, dir);
        x->name_n = name.n;
        memcpy(x->name, name.p, name.n);
        list_init(&x->all);
        fs_wrote(fs, &x->place);
        cache_put_own(fs->cache, buf_view(&x->place.id), NULL);
        mutex_lock(&q->lock);
        if (!find(q, buf_view(&x->place.id)) && ensure_thread(fs, q) &&
            hmap_insert(&q->by_id, &x->node, hash_seeded(4, buf_view(&x->place.id))) == 0) {
                list_append(&q->queue, &x->all);
                q->n++;
                q->added++;
                queued = true;
                if (q->n == 1 || q->n >= BATCH_GOOD)
                        cond_signal(&q->cond);
        }
        mutex_unlock(&q->lock);
        if (!queued) {
                cache_invalidate(fs->cache, buf_view(&x->place.id)); /* it is still there */
                removal_free(fs, x);
                return error_set(e, ERR_MEMORY, "out of memory");
        }
        set_gate_flags(fs);
        return 0;
}

struct turn {
        const struct removals *q;
        uint64_t up_to;
};

static bool is_sent(const void *arg) {
        const struct turn *t = arg;

        return t->q->sent >= t->up_to;
}

int removals_wait(struct fs *fs, struct op_ctx *ctx, struct error *e) {
        struct removals *q = fs->removals;
        struct turn turn = { .q = q };
        bool any;

        mutex_lock(&q->lock);
        any = q->n > 0;
        turn.up_to = q->added;
        q->hurry_to = any ? q->added : q->hurry_to;
        cond_signal(&q->cond);
        mutex_unlock(&q->lock);
        return any ? fs_wait_until(fs, ctx, is_sent, &turn, e) : 0;
}

void removals_stop(struct fs *fs, uint64_t until_ns) {
        struct removals *q = fs->removals;
        bool running;

        if (!q)
                return;
        mutex_lock(&q->lock);
        q->stopping = true;
        running = q->running;
        q->running = false;
        cond_broadcast(&q->cond);
        while (running && !q->ended && cond_wait_until(&q->cond, &q->lock, until_ns))
                ;
        if (running && !q->ended) { /* the rest stays in the table, each with its line in the log */
                q->given_up = true;
                if (q->sending)
                        op_ctx_cancel(q->sending);
        }
        mutex_unlock(&q->lock);
        if (running)
                (void)pthread_join(q->thread, NULL);
}

void removals_free(struct fs *fs) {
        struct removals *q = fs->removals;

        if (!q)
                return;
        removals_stop(fs, 0);
        hmap_deinit(&q->by_id);
        cond_deinit(&q->cond);
        mutex_deinit(&q->lock);
        fs->removals = mem_free(q);
}
