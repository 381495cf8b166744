/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop of batches.
 *
 *      ready -> in flight -> done                     answered
 *        ^          |
 *        +----------+                                 left unprocessed, or throttled: behind a gate
 *
 * Two units of one key are never ready at once.  In a stream the places of units that are done take new ones, and a batch
 * that is not full is sent only when nothing is under way.  The gate opens after an exponential back-off with full jitter; until
 * a batch got through whole, only one is in flight.  A run without any progress for STALLS_MAX gates gives up; the
 * caller's deadline and Ctrl-C end it at any time.
 */
#include "ddb_batch.h"

#include <errno.h>

#include "ddbfs/base/clock.h"
#include "ddbfs/base/hash.h"
#include "ddbfs/base/rng.h"

#define GATE_BASE_NS (50 * NS_PER_MS)
#define GATE_MAX_NS (10 * NS_PER_S)
#define LEVEL_MAX 10
#define LEVEL_PROGRESS 4 /* at most, while something gets through: up to 0.8 s between batches */
#define BODY_KEEP MIB /* of memory for a request, kept for the next */
#define STALLS_MAX 16 /* about a minute */

/* ---- units ---- */

int batch_run_init(struct batch_run *run, uint32_t n) {
        run->n = n;
        run->head = run->tail = run->unused = UNIT_NONE;
        run->units = n > 0 ? mem_calloc(n, sizeof(*run->units)) : NULL;
        for (uint32_t i = n; run->units && run->ops->more && i-- > 0;) {
                run->units[i].next = run->unused;
                run->unused = i;
        }
        return n > 0 && !run->units ? -ENOMEM : 0;
}

void batch_run_deinit(struct batch_run *run) {
        struct batch *b;

        while ((b = run->all)) {
                run->all = b->all;
                exchange_refund(&b->x); /* it was dropped */
                exchange_deinit(&b->x);
                mem_free(b);
        }
        hmap_deinit(&run->last);
        run->units = mem_free(run->units);
}

static void push_ready(struct batch_run *run, uint32_t i) {
        run->units[i].next = UNIT_NONE;
        if (run->head == UNIT_NONE)
                run->head = i;
        else
                run->units[run->tail].next = i;
        run->tail = i;
        run->n_ready++;
}

static uint32_t pop_ready(struct batch_run *run) {
        uint32_t i = run->head;

        run->head = run->units[i].next;
        run->n_ready--;
        return i;
}

static bool same_key(const struct unit *a, const struct unit *b) {
        if (a->n_key != b->n_key || !str_eq(table_address(a->table), table_address(b->table)))
                return false;
        for (uint32_t i = 0; i < a->n_key; i++)
                if (!str_eq(a->key[i].text, b->key[i].text))
                        return false;
        return true;
}

static struct unit *find_last(struct batch_run *run, const struct unit *u, uint64_t hash) {
        for (struct hmap_node *n = hmap_first(&run->last, hash); n; n = hmap_next(n))
                if (same_key(CONTAINER_OF(n, struct unit, node), u))
                        return CONTAINER_OF(n, struct unit, node);
        return NULL;
}

int batch_run_add(struct batch_run *run, uint32_t i, const struct table_schema *table, const struct key *key) {
        struct unit *u = &run->units[i], *before;
        uint64_t hash = hash_seeded(0, table_address(table));

        u->table = table;
        u->done = u->alone = false;
        u->successor = UNIT_NONE;
        u->n_key = MIN(key->n, (uint32_t)ARRAY_LEN(u->key));
        for (uint32_t k = 0; k < u->n_key; k++) {
                u->key[k] = key->parts[k];
                hash = hash_seeded(hash, key->parts[k].text);
        }
        before = find_last(run, u, hash);
        if (before && run->ops->drop_repeats) {
                u->done = true;
                return 0;
        }
        if (before) {
                before->successor = i;
                hmap_remove(&run->last, &before->node);
        } else {
                push_ready(run, i);
        }
        run->open++;
        return hmap_insert(&run->last, &u->node, hash);
}

static void finish(struct batch_run *run, uint32_t i, int result, const struct error *why) {
        struct unit *u = &run->units[i];

        u->done = true;
        run->open--;
        if (u->successor != UNIT_NONE)
                push_ready(run, u->successor);
        else if (run->ops->more)
                hmap_remove(&run->last, &u->node);
        run->ops->done(run, i, result, why);
        if (run->ops->more) {
                u->next = run->unused;
                run->unused = i;
        }
}

void batch_run_refuse(struct batch_run *run, uint32_t i, const struct error *e, int result) {
        if (run->first.kind == ERR_NONE)
                run->first = *e;
        finish(run, i, result, e);
}

/* ---- back-off ---- */

/* A batch of which `left` of n units are left. */
static void adjust_gate(struct batch_run *run, const struct batch *b, uint32_t left) {
        uint64_t now = clock_now_ns();

        if (left == 0) {
                run->level -= run->level > 0;
                run->stalls = 0;
                return;
        }
        if (left < b->n)
                run->stalls = 0;
        if (b->started_ns < run->gate_set_ns) /* sent before the last lesson was learnt */
                return;
        if (left == b->n) {
                run->stalls++;
                run->level = MIN(run->level + 1, LEVEL_MAX);
        } else if (2 * left > b->n) {
                run->level = MIN(run->level + 1, LEVEL_PROGRESS);
        } else {
                run->level = MAX(run->level, 2u) - 1;
        }
        run->gate_set_ns = now;
        run->gate_ns = now + (uint64_t)(rng_unit() * (double)MIN(GATE_BASE_NS << run->level, GATE_MAX_NS));
}

/* ---- answers ---- */

static bool left_is_unit(const struct ddb_left *l, const struct unit *u) {
        struct key key;

        if (!str_eq(l->table, table_address(u->table)) && !str_eq(l->table, u->table->name))
                return false;
        if (key_of_item(&u->table->key, &l->item, &key) || key.n != u->n_key)
                return false;
        for (uint32_t i = 0; i < key.n; i++)
                if (!str_eq(key.parts[i].text, u->key[i].text))
                        return false;
        return true;
}

/* Put what is left back into the queue and finish the rest. */
static int sort_out(struct batch_run *run, struct batch *b, const struct ddb_lefts *left) {
        bool is_left[BATCH_MAX] = { false };

        for (uint32_t l = 0; l < left->n; l++) {
                uint32_t k;

                for (k = 0; k < b->n; k++)
                        if (!is_left[k] && left_is_unit(&left->v[l], &run->units[b->pick[k]]))
                                break;
                if (k == b->n)
                        return error_set(&run->error, ERR_PROTOCOL, "%s: left unprocessed what was not asked for",
                                         run->ops->operation);
                is_left[k] = true;
        }
        for (uint32_t k = 0; k < b->n; k++)
                if (is_left[k])
                        push_ready(run, b->pick[k]);
                else
                        finish(run, b->pick[k], 0, NULL);
        adjust_gate(run, b, left->n);
        return 0;
}

static int answered(struct batch_run *run, struct batch *b) {
        struct ddb_lefts left = { 0 };
        struct ddb_usage usage;
        int r;

        r = run->ops->parse(run, &b->x.call.response.body, &left, &usage);
        if (r)
                return r;
        ddb_account(run->store, run->ctx, run->write, &usage);
        return sort_out(run, b, &left);
}

/* What one unit of a batch is to blame for, not the service, the network or all units alike. */
static bool blames_a_unit(enum error_kind kind) {
        return kind == ERR_VALIDATION || kind == ERR_TOO_LARGE || kind == ERR_NO_SPACE;
}

static int refused(struct batch_run *run, struct batch *b) {
        const struct error *e = &b->x.call.error;

        if (e->kind == ERR_BUSY) {
                for (uint32_t k = 0; k < b->n; k++)
                        push_ready(run, b->pick[k]);
                adjust_gate(run, b, b->n);
                if (run->stalls > STALLS_MAX)
                        run->error = *e;
                return run->stalls > STALLS_MAX ? b->x.call.result : 0;
        }
        if (!run->write || !blames_a_unit(e->kind)) {
                run->error = *e;
                return b->x.call.result;
        }
        if (b->n == 1) {
                batch_run_refuse(run, b->pick[0], e, b->x.call.result);
                return 0;
        }
        for (uint32_t k = 0; k < b->n; k++) {
                run->units[b->pick[k]].alone = true;
                push_ready(run, b->pick[k]);
        }
        return 0;
}

static int batch_done(void *arg, struct aws_call *call) {
        struct batch_run *run = arg;
        struct batch *b = call->user;
        int r;

        run->in_flight--;
        exchange_refund(&b->x);
        r = call->result ? refused(run, b) : answered(run, b);
        b->idle = run->idle;
        run->idle = b;
        if (!r && run->stalls > STALLS_MAX)
                r = error_set(&run->error, ERR_BUSY, "%s: nothing was processed in %u attempts", run->ops->operation,
                              run->stalls);
        return r;
}

/* ---- questions ---- */

static struct batch *take_batch(struct batch_run *run) {
        struct batch *b = run->idle;

        if (b) {
                run->idle = b->idle;
                if (b->x.body.cap > BODY_KEEP)
                        buf_deinit(&b->x.body);
                exchange_again(&b->x);
                return b;
        }
        b = mem_zalloc(sizeof(*b));
        if (!b) {
                error_set(&run->error, ERR_MEMORY, "%s: out of memory", run->ops->operation);
                return NULL;
        }
        exchange_init(&b->x, run->ops->operation);
        b->x.call.user = b;
        b->all = run->all;
        run->all = b;
        return b;
}

static void pick_units(struct batch_run *run, struct batch *b) {
        for (b->n = 0; b->n < run->ops->max && run->head != UNIT_NONE;) {
                bool alone = run->units[run->head].alone;

                if (alone && b->n > 0)
                        break;
                b->pick[b->n++] = pop_ready(run);
                if (alone)
                        break;
        }
}

/* Build a body of as many units as fit; false: there is nothing to send after all (a unit too large on its own was
 * refused, or run->error). */
static bool build(struct batch_run *run, struct batch *b) {
        struct error e;
        int r;

        for (;;) {
                buf_reset(&b->x.body);
                r = run->ops->build(run, b);
                if (!r)
                        break;
                if (r != -EFBIG || (b->n == 1 && !run->write)) {
                        r = ddb_built(r, run->ops->operation, &run->error);
                        return false;
                }
                if (b->n == 1) {
                        r = ddb_built(r, run->ops->operation, &e);
                        batch_run_refuse(run, b->pick[0], &e, r);
                        return false;
                }
                for (uint32_t half = b->n / 2; b->n > half;)
                        push_ready(run, b->pick[--b->n]);
        }
        b->x.call.body = buf_view(&b->x.body);
        return true;
}

/* New units of a stream, a batch of them or what there is.  wait: at least one, or it has ended. */
static void top_up(struct batch_run *run, bool wait) {
        while (run->ops->more && run->error.kind == ERR_NONE && run->unused != UNIT_NONE && run->n_ready < run->ops->max) {
                uint32_t i = run->unused, next = run->units[i].next;

                if (!run->ops->more(run, i, wait && run->open == 0))
                        return;
                run->unused = next;
        }
}

static struct budget *budget_of(struct batch_run *run) {
        return run->write ? &run->store->writes : &run->store->reads;
}

static struct aws_call *next_batch(void *arg) {
        struct batch_run *run = arg;
        struct batch *b;

        for (;;) {
                top_up(run, false);
                if (run->error.kind != ERR_NONE || run->head == UNIT_NONE)
                        return NULL;
                if (run->level > 0 && (run->in_flight > 0 || clock_now_ns() < run->gate_ns))
                        return NULL;
                if (run->ops->more && run->n_ready < run->ops->max && run->in_flight > 0)
                        return NULL;
                if (budget_opens(budget_of(run), clock_now_ns()) > clock_now_ns())
                        return NULL;
                b = take_batch(run);
                if (!b)
                        return NULL;
                pick_units(run, b);
                if (build(run, b)) {
                        run->in_flight++;
                        exchange_reserve(&b->x, budget_of(run));
                        b->started_ns = clock_now_ns();
                        return &b->x.call;
                }
                b->idle = run->idle;
                run->idle = b;
        }
}

int batch_run_all(struct batch_run *run) {
        static const struct aws_run_ops ops = { .next = next_batch, .done = batch_done };
        struct error e = { 0 };
        int r = 0;

        for (;;) {
                top_up(run, true);
                if (r || run->error.kind != ERR_NONE || run->open == 0)
                        break;
                r = op_ctx_sleep_until(run->ctx, run->gate_ns, &e);
                if (!r)
                        r = exchange_wait(run->ctx, budget_of(run), run->ops->operation, &e);
                if (!r)
                        r = aws_client_run(run->store->client, run->ctx, &ops, run, &e);
                if (!r && run->error.kind != ERR_NONE)
                        r = -error_errno(run->error.kind);
                if (!r && run->open > 0 && run->head == UNIT_NONE) /* rather than for ever */
                        r = error_set(&run->error, ERR_INTERNAL, "%s: units got lost", run->ops->operation);
        }
        if (!r && run->error.kind != ERR_NONE)
                r = -error_errno(run->error.kind);
        if (r && run->error.kind == ERR_NONE)
                run->error = e;
        return r;
}
