/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sending what was saved.  A few threads, that exist only once there is work and sleep without it; each takes
 *
 *      PUT                           as many as there are, by BatchWriteItem, several requests at once
 *      PUT of a new item (O_EXCL)    the same while the service's word that there is none is no older than cache_ttl
 *                                    (that much its look-up may be anyway); later, by itself and conditional
 *      UPDATE                        by itself, conditional on what was read
 *
 * What the service refuses for a reason that will not go away is kept in rejected, with a line in the log and in
 * errors.jsonl; anything else stays in the queue and is tried again, later and later, or when somebody waits.  Each
 * request is about one table, and a table that fails has one thread at most: the others go on.
 */
#include "fs_internal.h"
#include "saves_internal.h"
#include "saves_record.h"
#include "ddbfs/base/clock.h"
#include "ddbfs/base/log.h"
#include "ddbfs/base/metrics.h"

#define GATHER_NS (100 * NS_PER_MS) /* a save waits so long for others ... */
#define ROUND_NS (500 * NS_PER_MS)  /* ... and what would make a request that is not full, so long */
#define BATCH_GOOD (8 * BATCH_WRITE_MAX)
#define SEND_MAX (16 * BATCH_WRITE_MAX)
#define SEND_TIMEOUT_NS (60 * NS_PER_S)
#define RETRY_FIRST_NS (NS_PER_S / 2)
#define RETRY_MAX_NS (30 * NS_PER_S)

/* What one thread is sending: of each key all that is durable, as one. */
struct load {
        struct save_entry *first[SEND_MAX], *last[SEND_MAX];
        enum write_op op[SEND_MAX];
        uint32_t n;
        bool single;
};

/* ---- choosing; lock is held ---- */

/* The oldest of its key? */
static bool is_next(struct saves *s, const struct save_entry *x) {
        for (struct hmap_node *n = hmap_first(&s->by_id, x->node.hash); n; n = hmap_next(n)) {
                const struct save_entry *o = CONTAINER_OF(n, struct save_entry, node);

                if (o->seq < x->seq && str_eq(buf_view(&o->place.id), buf_view(&x->place.id)))
                        return false;
        }
        return true;
}

/* All of its key that is durable, in order. */
static void chain_up(struct saves *s, struct load *load, struct save_entry *x) {
        struct save_entry *last = x;
        enum write_op op = x->op;
        bool more = true;

        while (more) {
                struct save_entry *next = NULL;

                for (struct hmap_node *n = hmap_first(&s->by_id, x->node.hash); n; n = hmap_next(n)) {
                        struct save_entry *o = CONTAINER_OF(n, struct save_entry, node);

                        if (o->seq > last->seq && (!next || o->seq < next->seq) &&
                            str_eq(buf_view(&o->place.id), buf_view(&x->place.id)))
                                next = o;
                }
                more = next && next->durable;
                if (more) {
                        list_append(&x->chain, &next->chain);
                        next->sending = true;
                        op = next->op == WRITE_PUT ? WRITE_PUT : op;
                        last = next;
                }
        }
        x->sending = true;
        load->first[load->n] = x;
        load->last[load->n] = last;
        load->op[load->n++] = op;
}

static bool goes_alone(struct saves *s, const struct save_entry *x) {
        return x->op != WRITE_PUT || x->alone || (x->exclusive && ttl_left(s->fs, x->since_ns) == 0);
}

/* How many of n that wait are worth sending now; *ret_due: when to look again. */
static uint32_t worth(struct saves *s, uint32_t n, uint64_t oldest_ns, uint64_t *ret_due) {
        uint64_t now = clock_now_ns();

        if (n == 0)
                return 0;
        if (s->hurry || s->stopping || now >= oldest_ns + ROUND_NS)
                return n;
        if (n >= BATCH_GOOD || (now >= oldest_ns + GATHER_NS && n >= BATCH_WRITE_MAX))
                return n - n % BATCH_WRITE_MAX;
        *ret_due = MIN(*ret_due, now < oldest_ns + GATHER_NS ? oldest_ns + GATHER_NS : oldest_ns + ROUND_NS);
        return 0;
}

/* Now, and by one more thread? */
static bool may_send_to(const struct save_table *t, uint64_t now) {
        return t->retry_ns <= now && t->sending < (t->retry_after_ns ? 1 : SAVE_SENDERS_OF_TABLE);
}

/* May anything be sent at all?  *ret_due: when the next table may be tried again. */
static bool any_table(struct saves *s, uint64_t now, uint64_t *ret_due) {
        bool any = false;

        *ret_due = UINT64_MAX;
        LIST_FOR_EACH(l, &s->tables) {
                const struct save_table *t = CONTAINER_OF(l, struct save_table, all);

                if (t->retry_ns > now)
                        *ret_due = MIN(*ret_due, t->retry_ns);
                else
                        any = true;
        }
        return any;
}

static void choose(struct saves *s, struct load *load, uint64_t *ret_due) {
        struct save_entry *single = NULL, *puts[SEND_MAX];
        uint64_t oldest = UINT64_MAX, now = clock_now_ns();
        uint32_t n = 0;

        load->n = 0;
        if (!any_table(s, now, ret_due) || s->adopting)
                return;
        LIST_FOR_EACH(l, &s->queue) {
                struct save_entry *x = CONTAINER_OF(l, struct save_entry, all);

                if (!x->durable || x->sending || !may_send_to(x->table, now) || !is_next(s, x))
                        continue;
                if (goes_alone(s, x)) { /* what has failed before lets others go first */
                        single = single && single->tries <= x->tries ? single : x;
                } else if (n == 0 || puts[0]->table == x->table) {
                        oldest = MIN(oldest, x->since_ns);
                        puts[n++] = x;
                        if (n == SEND_MAX)
                                break;
                }
        }
        n = worth(s, n, oldest, ret_due);
        for (uint32_t i = 0; i < n; i++)
                chain_up(s, load, puts[i]);
        load->single = n == 0 && single;
        if (load->single)
                chain_up(s, load, single);
        if (load->n > 0)
                load->first[0]->table->sending++;
}

/* ---- sending ---- */

/* Not so credentials that have expired, or are wrong: that is about all saves, and passes. */
static bool is_denied(const struct error *e) {
        return e->kind == ERR_ACCESS &&
               (str_eq(str_of(e->code), STR("AccessDeniedException")) || str_eq(str_of(e->code), STR("AccessDenied")));
}

static bool for_good(const struct error *e) {
        enum error_kind kind = e->kind;

        return is_denied(e) || kind == ERR_CONDITION || kind == ERR_EXISTS || kind == ERR_INPUT || kind == ERR_VALIDATION ||
               kind == ERR_TOO_LARGE || kind == ERR_NO_SPACE || kind == ERR_NO_TABLE || kind == ERR_NO_ITEM ||
               kind == ERR_UNSUPPORTED || kind == ERR_PERMISSION;
}

/* Does the table have what this save has made of the item? */
static bool has_arrived(const struct save_entry *x, const struct item *now, struct arena *a) {
        struct write w = { .op = WRITE_UPDATE };
        bool same = true;

        if (x->op == WRITE_PUT)
                return item_equal(now, &x->item);
        if (item_diff(&x->place, &x->base, &x->item, a, &w))
                return false;
        for (uint32_t i = 0; same && i < w.n_set; i++) {
                const struct value *v = item_get(now, w.set[i].name);

                same = v && value_equal(v, &w.set[i].value);
        }
        for (uint32_t i = 0; same && i < w.n_remove; i++)
                same = !item_get(now, w.remove[i]);
        return same;
}

static int send_update(struct saves *s, struct op_ctx *ctx, const struct place *p, const struct item *base,
                       const struct item *item, struct arena *a, struct error *e) {
        struct write w = { .op = WRITE_UPDATE, .table = p->table, .key = p->key, .item = item };
        int r = item_diff(p, base, item, a, &w);

        if (r)
                return error_set_errno(e, r, "saving");
        if (w.n_set + w.n_remove == 0)
                return 0;
        if (!write_fits(&w))
                return error_set(e, ERR_INPUT, "more attributes changed at once than one conditional update can carry");
        return s->inner->ops->write(s->inner, ctx, &w, NULL, e);
}

/* A condition did not hold, but a mount that died, or an attempt whose answer was lost, may have sent the first saves of
 * this chain, or all: go on behind the last one the table has.  Otherwise *e stays the refusal. */
static int resume(struct saves *s, struct op_ctx *ctx, const struct load *load, struct arena *a, struct error *e) {
        struct save_entry *first = load->first[0], *last = load->last[0], *x = last;
        struct get_request get = { .table = first->place.table, .key = first->place.key, .consistent = true };
        _cleanup_(items_deinit) struct items now;
        struct error local = { 0 };
        int r;

        items_init(&now);
        if (!first->replayed && first->tries == 0)
                return -error_errno(e->kind);
        r = s->inner->ops->get(s->inner, ctx, &get, &now, &local);
        if (r) {
                *e = local;
                return r;
        }
        while (now.n > 0 && !has_arrived(x, &now.v[0], a)) {
                if (x == first)
                        return -error_errno(e->kind);
                x = x->chain.prev == &first->chain ? first : CONTAINER_OF(x->chain.prev, struct save_entry, chain);
        }
        if (now.n == 0)
                return -error_errno(e->kind);
        return x == last ? 0 : send_update(s, ctx, &first->place, &x->item, &last->item, a, e);
}

static int send_one(struct saves *s, struct op_ctx *ctx, const struct load *load, struct error *e) {
        const struct save_entry *x = load->first[0], *last = load->last[0];
        struct condition absent = { .op = COND_NOT_EXISTS, .attr = x->place.table->key.attrs[0].name };
        _cleanup_(arena_deinit) struct arena a = ARENA_INIT(SAVE_ITEM_MAX);
        struct write put = { .op = WRITE_PUT, .table = x->place.table, .item = &last->item, .conditions = &absent,
                             .n_conditions = x->exclusive ? 1 : 0 };
        int r = load->op[0] == WRITE_UPDATE ? send_update(s, ctx, &x->place, &x->base, &last->item, &a, e)
                                            : s->inner->ops->write(s->inner, ctx, &put, NULL, e);

        if (r && e->kind == ERR_CONDITION)
                r = resume(s, ctx, load, &a, e);
        if (r == 0 || e->kind != ERR_CONDITION)
                return r;
        metric_add(METRIC_CONFLICTS, 1);
        return x->exclusive && load->op[0] == WRITE_PUT
                       ? error_set(e, ERR_EXISTS, "somebody else has made this item meanwhile")
                       : error_set(e, ERR_CONDITION, "the item was changed by somebody else since it was read");
}

static void send_batch(struct saves *s, struct op_ctx *ctx, const struct load *load, int *results, struct error *e) {
        struct write w[SEND_MAX];
        int r;

        for (uint32_t i = 0; i < load->n; i++) {
                w[i] = (struct write){ .op = WRITE_PUT, .table = load->first[i]->place.table, .item = &load->last[i]->item };
                results[i] = -EIO;
        }
        r = s->inner->ops->batch_write(s->inner, ctx, w, load->n, results, e);
        if (r == 0 || for_good(e)) /* each says for itself what is wrong with it */
                return;
        for (uint32_t i = 0; i < load->n; i++)
                if (results[i])
                        results[i] = r;
}

/* ---- what came of it ---- */

static void refuse(struct saves *s, struct op_ctx *ctx, const struct save_entry *x, struct error *e) {
        _cleanup_(snapshot_unrefp) struct snapshot *text = NULL;
        int r = item_snapshot(s->fs, &x->place, &x->item, &text);

        cache_invalidate(s->fs->cache, buf_view(&x->place.id));
        if (r == 0)
                reject_at(s->fs, str_of(x->path), x->ino, str_make(text->text, text->n), e);
        fs_report(s->fs, ctx, str_of(x->path), x->ino, -error_errno(e->kind), e);
}

/* Everything of chain i is done with; e: refused.  lock is held. */
static void finish(struct saves *s, const struct load *load, uint32_t i, const struct error *e, struct buf *record,
                   struct list *done) {
        struct save_entry *first = load->first[i];

        for (;;) {
                struct save_entry *x = list_is_empty(&first->chain) ? first
                                                                    : CONTAINER_OF(first->chain.next, struct save_entry, chain);

                if (e) {
                        struct save_refused *place = &s->refused[s->n_refused++ % ARRAY_LEN(s->refused)];

                        if (place->table)
                                place->table->forgotten = MAX(place->table->forgotten, place->seq);
                        *place = (struct save_refused){ x->seq, x->table, *e };
                }
                save_record_done(record, x->seq);
                hmap_remove(&s->by_id, &x->node);
                list_remove(&x->all);
                list_remove(&x->chain);
                list_append(done, &x->all);
                s->n--;
                if (x == first)
                        return;
        }
}

/* lock is held. */
static void again(struct save_entry *first, bool alone) {
        while (!list_is_empty(&first->chain)) {
                struct save_entry *x = CONTAINER_OF(first->chain.next, struct save_entry, chain);

                x->sending = false;
                x->tries++;
                list_remove(&x->chain);
        }
        first->sending = false;
        first->tries++;
        first->alone = first->alone || alone;
}

static void failed(struct saves *s, struct save_table *t, const struct error *e) {
        t->failed = ++s->failures;
        t->failure = *e;
        if (!t->retry_after_ns)
                log_warn("saves to table %.*s cannot be sent now: %s", (int)t->schema->name.n, t->schema->name.p, e->message);
        t->retry_after_ns = t->retry_after_ns ? MIN(2 * t->retry_after_ns, RETRY_MAX_NS) : RETRY_FIRST_NS;
        t->retry_ns = clock_now_ns() + t->retry_after_ns;
}

/* What is still to be sent, and when.  Of a batch that is refused it may be one item's fault, or batches are not allowed.
 * lock is held. */
static void send_again(struct saves *s, const struct load *load, const int *results, const struct error *e) {
        bool alone = !load->single && for_good(e), any = false;

        for (uint32_t i = 0; i < load->n; i++) {
                if (results[i] == 0)
                        continue;
                any = true;
                again(load->first[i], alone);
        }
        if (any && !alone)
                failed(s, load->first[0]->table, e);
}

/* 0, or it is not on disk: a replay would send these again. */
static int log_done(struct saves *s, struct buf *record) {
        struct save_log_wait wait;
        int r = buf_status(record);

        if (r == 0 && record->n > 0)
                r = save_log_put_done(s->log, buf_view(record), &wait);
        if (r == 0 && record->n > 0)
                r = save_log_wait(s->log, &wait);
        if (r)
                log_warn("journal: what was sent cannot be noted down: %s; it is tried again", strerrordesc_np(-r));
        return r;
}

static void sort_out(struct saves *s, struct op_ctx *ctx, struct load *load, const int *results, struct error *e) {
        _cleanup_(buf_deinit) struct buf record = BUF_INIT(MIB);
        bool refused = load->single && results[0] && for_good(e), works = true;
        struct list done;
        int r;

        list_init(&done);
        for (uint32_t i = 0; i < load->n; i++) {
                works = works && (results[i] == 0 || refused);
                if (results[i] == 0)
                        fs_wrote(s->fs, &load->first[i]->place);
        }
        if (refused) {
                fs_wrote(s->fs, &load->first[0]->place);
                refuse(s, ctx, load->last[0], e);
        }
        mutex_lock(&s->lock);
        for (uint32_t i = 0; i < load->n; i++) {
                if (results[i] && !refused)
                        continue;
                if (works)
                        load->first[i]->table->retry_ns = load->first[i]->table->retry_after_ns = 0;
                finish(s, load, i, refused ? e : NULL, &record, &done);
        }
        if (!refused)
                send_again(s, load, results, e);
        s->finishing++;
        buf_str(&record, buf_view(&s->undone));
        buf_reset(&s->undone);
        mutex_unlock(&s->lock);
        r = log_done(s, &record); /* before those who wait are told, so that the file is empty after an fsync */
        mutex_lock(&s->lock);
        s->finishing--;
        if (r)
                buf_str(&s->undone, buf_view(&record));
        if (s->n == 0 && save_log_clear(s->log))
                buf_reset(&s->undone);
        cond_broadcast(&s->cond);
        mutex_unlock(&s->lock);
        LIST_FOR_EACH_SAFE(l, &done)
                save_entry_free(CONTAINER_OF(l, struct save_entry, all));
}

static void send_load(struct saves *s, struct op_ctx *ctx, struct load *load) {
        int results[SEND_MAX];
        struct error e = { 0 };

        if (load->single)
                results[0] = send_one(s, ctx, load, &e);
        else
                send_batch(s, ctx, load, results, &e);
        sort_out(s, ctx, load, results, &e);
}

/* ---- the threads ---- */

/* The lock is given back while sending. */
static void send_now(struct saves *s, unsigned self, struct load *load) REQUIRES(s->lock);

static void send_now(struct saves *s, unsigned self, struct load *load) {
        struct save_table *table = load->first[0]->table;
        struct op_ctx ctx;

        op_ctx_init(&ctx, "commit", SEND_TIMEOUT_NS);
        s->sending[self] = &ctx;
        if (s->n > load->n) /* who looks after the rest meanwhile? */
                (void)saves_start_sender(s);
        if (s->given_up)
                op_ctx_cancel(&ctx);
        mutex_unlock(&s->lock);
        send_load(s, &ctx, load);
        mutex_lock(&s->lock);
        s->sending[self] = NULL;
        table->sending--;
        mutex_unlock(&s->lock);
        op_ctx_deinit(&ctx);
        mutex_lock(&s->lock);
}

struct sender {
        struct saves *s;
        unsigned self;
};

static void *sender_thread(void *arg) {
        struct sender me = *(struct sender *)arg;
        struct saves *s = me.s;
        struct load load;
        uint64_t due;

        mem_free(arg);
        mutex_lock(&s->lock);
        for (;;) {
                choose(s, &load, &due);
                if (load.n > 0 && !(s->stopping && s->given_up)) {
                        send_now(s, me.self, &load);
                        continue;
                }
                for (uint32_t i = 0; i < load.n; i++)
                        again(load.first[i], false);
                if (load.n > 0)
                        load.first[0]->table->sending--;
                if (s->stopping && (s->n == 0 || s->given_up))
                        break;
                s->looks_ns[me.self] = due;
                if (due == UINT64_MAX)
                        cond_wait(&s->cond, &s->lock);
                else
                        (void)cond_wait_until(&s->cond, &s->lock, due);
                s->looks_ns[me.self] = 0;
        }
        s->running--;
        cond_broadcast(&s->cond);
        mutex_unlock(&s->lock);
        return NULL;
}

static unsigned n_busy(const struct saves *s) {
        unsigned n = 0;

        for (unsigned i = 0; i < SAVE_SENDERS; i++)
                n += s->sending[i] != NULL;
        return n;
}

/* A batch gathers while a sender waits for it with a time set; one that sleeps, or waits for another table, has to be told. */
void saves_tell(struct saves *s, const struct save_entry *x) {
        uint64_t now = clock_now_ns();
        bool soon = false;

        for (unsigned i = 0; i < SAVE_SENDERS; i++)
                soon = soon || (s->looks_ns[i] && s->looks_ns[i] <= now + ROUND_NS);
        if (x->op != WRITE_PUT || s->hurry || s->n % (8 * BATCH_WRITE_MAX) == 0 || (!soon && may_send_to(x->table, now)))
                cond_broadcast(&s->cond);
}

bool saves_start_sender(struct saves *s) {
        if (s->stopping)
                return false;
        while (s->running < SAVE_SENDERS && (s->running * BATCH_WRITE_MAX <= s->n || n_busy(s) == s->running)) {
                struct sender *me = mem_zalloc(sizeof(*me));

                if (!me)
                        break;
                *me = (struct sender){ s, s->running };
                if (fs_thread_start(&s->threads[s->running], sender_thread, me)) {
                        mem_free(me);
                        break;
                }
                s->running++;
        }
        return s->running > 0;
}

void saves_stop(struct fs *fs, uint64_t until_ns) {
        struct saves *s = fs->saves;
        unsigned n;

        if (!s)
                return;
        mutex_lock(&s->lock);
        n = s->stopping ? 0 : s->running;
        s->stopping = true;
        saves_retry(s, NULL);
        cond_broadcast(&s->cond);
        while (s->running > 0 && cond_wait_until(&s->cond, &s->lock, until_ns) && clock_now_ns() < until_ns)
                ;
        s->given_up = true;
        for (unsigned i = 0; i < SAVE_SENDERS; i++)
                if (s->sending[i])
                        op_ctx_cancel(s->sending[i]);
        cond_broadcast(&s->cond);
        mutex_unlock(&s->lock);
        for (unsigned i = 0; i < n; i++)
                (void)pthread_join(s->threads[i], NULL);
        if (s->n > 0 && n > 0)
                log_warn("%zu saves stay in the journal for the next mount", s->n);
}
