/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many threads asking the same thing make one request: the first asks, the others wait for its answer,
 * interruptible like everybody.  An answer that is the asker's own affair (its Ctrl-C, its deadline) is not
 * shared: the next one asks then.  Nor is one shared that may be from before what this mount wrote: own writes are
 * seen at once.
 */
#include "fs_internal.h"
#include "ddbfs/base/clock.h"
#include "ddbfs/base/hash.h"

/* A question under way.  All fields: fs.gate. */
struct question {
        struct hmap_node node;
        unsigned refs;
        bool done;
        int r;
        uint64_t start_ns; /* before it was asked */
        struct error error;
        struct flight_answer answer;
        size_t id_n;
        char id[];
};

static struct question *find(struct fs *fs, struct str id, uint64_t hash, uint64_t since_ns) {
        for (struct hmap_node *n = hmap_first(&fs->flights, hash); n; n = hmap_next(n)) {
                struct question *q = CONTAINER_OF(n, struct question, node);

                if (!q->done && q->start_ns >= since_ns && str_eq(str_make(q->id, q->id_n), id))
                        return q;
        }
        return NULL;
}

static void answer_copy(struct flight_answer *to, const struct flight_answer *from) {
        to->snapshot = snapshot_ref(from->snapshot);
        to->schema = from->schema ? table_schema_ref(from->schema) : NULL;
}

static void unref(struct question *q) {
        if (--q->refs > 0)
                return;
        snapshot_unref(q->answer.snapshot);
        table_schema_unref(q->answer.schema);
        mem_free(q);
}

/* Join the question under way (*ret_first = false), or begin one.  NULL: no memory, go alone. */
static struct question *join(struct fs *fs, struct str id, uint64_t since_ns, bool *ret_first) {
        uint64_t hash = hash_seeded(1, id);
        struct question *q;

        mutex_lock(&fs->gate);
        q = find(fs, id, hash, since_ns);
        *ret_first = !q;
        if (!q && (q = mem_zalloc(sizeof(*q) + id.n))) {
                memcpy(q->id, id.p, id.n);
                q->id_n = id.n;
                q->start_ns = clock_now_ns();
                if (hmap_insert(&fs->flights, &q->node, hash))
                        q = mem_free(q);
        }
        if (q)
                q->refs++;
        mutex_unlock(&fs->gate);
        return q;
}

static void land(struct fs *fs, struct question *q, int r, const struct flight_answer *answer, const struct error *e) {
        mutex_lock(&fs->gate);
        q->r = r;
        q->error = *e;
        answer_copy(&q->answer, answer);
        q->done = true;
        hmap_remove(&fs->flights, &q->node);
        unref(q);
        cond_broadcast(&fs->gate_cond);
        mutex_unlock(&fs->gate);
}

static int wait_for(struct fs *fs, struct op_ctx *ctx, struct question *q, struct flight_answer *ret, bool *ret_retry,
                    struct error *e) {
        int r = fs_wait_for(fs, ctx, &q->done, e);

        mutex_lock(&fs->gate);
        *ret_retry = r == 0 && (q->r == -EINTR || q->r == -ETIMEDOUT);
        if (r == 0) {
                r = q->r;
                *e = q->error;
                if (r == 0)
                        answer_copy(ret, &q->answer);
        }
        unref(q);
        mutex_unlock(&fs->gate);
        return r;
}

int flight(struct fs *fs, struct op_ctx *ctx, struct str id, uint64_t since_ns, flight_ask ask, void *arg,
           struct flight_answer *ret, struct error *e) {
        struct error local = { 0 };
        struct question *q;
        bool first, retry = false;
        int r;

        do {
                *ret = (struct flight_answer){ .again = retry };
                retry = false;
                q = join(fs, id, since_ns, &first);
                if (q && !first)
                        r = wait_for(fs, ctx, q, ret, &retry, &local);
                else
                        r = ask(arg, ctx, ret, &local);
                if (q && first)
                        land(fs, q, r, ret, &local);
        } while (retry);
        if (e)
                *e = local;
        return r;
}
