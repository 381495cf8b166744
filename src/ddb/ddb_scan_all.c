/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A parallel Scan driven by the calling thread.  A segment is where its next page is asked for, until there is none:
 *
 *      waiting -> granted -> in flight -> waiting     the page was given on, its LastEvaluatedKey begins the next
 *                    ^           |   \-> done         it was the segment's last
 *                    +-----------+                    throttled after all retries: behind a gate, one at a time
 *
 * The next request is built from the page before that page is given away, so that one page at a time is held as items.
 */
#include <errno.h>

#include "ddb_store.h"
#include "ddbfs/base/clock.h"
#include "ddbfs/base/rng.h"

#define GATE_BASE_NS (50 * NS_PER_MS)
#define GATE_MAX_NS (10 * NS_PER_S)
#define STALLS_MAX 16 /* in a row: about a minute */
#define PAGE_UNITS 256 /* read units that a page of 1 MB costs at most */
#define LIMIT_FIRST 10
#define SPARE_MAX (2 * MIB)

struct segment {
        struct exchange x;
        bool granted, flying, done;
};

struct scan_run {
        struct ddb_store *store;
        struct op_ctx *ctx;
        struct scan_request q;
        const struct scan_sink *sink;
        uint32_t n, open, n_flying, turn; /* segments: all, not done, in flight, the one to ask next */
        uint32_t limit; /* items a page, so that one does not take the budget of many seconds; 0: a page of 1 MB */
        unsigned stalls;
        uint64_t gate_ns;
        struct buf spare; /* the memory of the last answer, for the next: new memory costs as much as receiving */
        struct error error;
        struct segment *segments;
};

static int build(struct scan_run *run, struct segment *s, const struct item *start) {
        struct scan_request q = run->q;

        if (run->n > 1) {
                q.segment = (uint32_t)(s - run->segments);
                q.total_segments = run->n;
        }
        q.start = start;
        q.limit = run->limit;
        buf_reset(&s->x.body);
        return ddb_built(ddb_request_scan(&q, &s->x.body), "Scan", &run->error);
}

static int run_init(struct scan_run *run, uint32_t segments) {
        int r = 0;

        run->segments = mem_calloc(segments, sizeof(*run->segments));
        if (!run->segments)
                return error_set(&run->error, ERR_MEMORY, "Scan: out of memory");
        run->n = run->open = segments;
        run->limit = run->store->reads.rate > 0 && run->store->reads.rate < PAGE_UNITS ? LIMIT_FIRST : 0;
        for (uint32_t i = 0; i < segments; i++) {
                exchange_init(&run->segments[i].x, "Scan");
                run->segments[i].x.call.user = &run->segments[i];
        }
        for (uint32_t i = 0; r == 0 && i < segments; i++)
                r = build(run, &run->segments[i], NULL);
        return r;
}

static void run_deinit(struct scan_run *run) {
        for (uint32_t i = 0; i < run->n; i++) {
                exchange_refund(&run->segments[i].x); /* it was dropped */
                exchange_deinit(&run->segments[i].x);
        }
        run->segments = mem_free(run->segments);
        buf_deinit(&run->spare);
}

/* The segment whose turn it is; those that were throttled hold room already. */
static struct segment *waiting(struct scan_run *run) {
        struct segment *found = NULL;

        for (uint32_t i = 0; i < run->n; i++) {
                struct segment *s = &run->segments[(run->turn + i) % run->n];

                if (s->done || s->flying)
                        continue;
                if (s->granted)
                        return s;
                found = found ? found : s;
        }
        return found;
}

static struct aws_call *next_page(void *arg) {
        struct scan_run *run = arg;
        struct segment *s = run->stalls && (run->n_flying || clock_now_ns() < run->gate_ns) ? NULL : waiting(run);

        if (!s || budget_opens(&run->store->reads, clock_now_ns()) > clock_now_ns() || (!s->granted && !run->sink->room(run->sink->arg, false)))
                return NULL;
        run->turn = (uint32_t)(s - run->segments) + 1;
        s->granted = s->flying = true;
        exchange_reserve(&s->x, &run->store->reads);
        run->n_flying++;
        exchange_again(&s->x);
        s->x.call.body = buf_view(&s->x.body);
        if (run->spare.p && !s->x.call.response.body.p)
                s->x.call.response.body = buf_take(&run->spare);
        return &s->x.call;
}

/* The same request again and again would be for ever. */
static int ask_on(struct scan_run *run, struct segment *s, const struct item *next) {
        struct buf before = s->x.body;
        int r;

        if (!next) {
                s->done = true;
                run->open--;
                return 0;
        }
        buf_init(&s->x.body, DDB_REQUEST_MAX);
        r = build(run, s, next);
        if (r == 0 && str_eq(buf_view(&before), buf_view(&s->x.body)))
                r = error_set(&run->error, ERR_PROTOCOL, "Scan: the page ends where it began");
        buf_deinit(&before);
        return r;
}

/* About a second of a small budget. */
static uint32_t next_limit(const struct scan_run *run, const struct items *page, const struct ddb_usage *usage) {
        double rate = run->store->reads.rate, units = usage->read > 0 ? usage->read : usage->total;

        if (rate <= 0 || rate >= PAGE_UNITS)
                return 0;
        if (page->scanned == 0 || units <= 0)
                return run->limit;
        return (uint32_t)MAX(1.0, MIN(rate * (double)page->scanned / units, 100000.0));
}

static int take_page(struct scan_run *run, struct segment *s, struct items *page) {
        struct ddb_usage usage;
        int r = ddb_parse_page("Scan", &s->x.call.response.body, run->q.count, page, &usage, &run->error);

        if (r)
                return r;
        ddb_account(run->store, run->ctx, false, &usage);
        run->limit = next_limit(run, page, &usage);
        run->stalls = 0;
        s->granted = false;
        r = ask_on(run, s, page->next);
        return r ? r : run->sink->page(run->sink->arg, page, &run->error);
}

static int answered(struct scan_run *run, struct segment *s) {
        struct items page;
        int r;

        items_init(&page);
        r = take_page(run, s, &page);
        items_deinit_keeping(&page, SPARE_MAX, &run->spare);
        return r;
}

static int refused(struct scan_run *run, const struct aws_call *call) {
        if (call->error.kind != ERR_BUSY || ++run->stalls > STALLS_MAX) {
                run->error = call->error;
                return call->result;
        }
        run->gate_ns = clock_now_ns() + (uint64_t)(rng_unit() * (double)MIN(GATE_BASE_NS << run->stalls, GATE_MAX_NS));
        return 0;
}

static int page_done(void *arg, struct aws_call *call) {
        struct scan_run *run = arg;
        struct segment *s = call->user;

        s->flying = false;
        run->n_flying--;
        exchange_refund(&s->x);
        return call->result ? refused(run, call) : answered(run, s);
}

static int scan_on(struct scan_run *run) {
        static const struct aws_run_ops ops = { .next = next_page, .done = page_done };
        struct error e = { 0 };
        int r = 0;

        while (r == 0 && run->open > 0) {
                struct segment *s = waiting(run);

                if (!s->granted && !run->sink->room(run->sink->arg, true))
                        return error_set(&run->error, ERR_INTERRUPTED, "interrupted");
                s->granted = true;
                run->turn = (uint32_t)(s - run->segments);
                r = op_ctx_sleep_until(run->ctx, run->gate_ns, &e);
                if (r == 0)
                        r = exchange_wait(run->ctx, &run->store->reads, "Scan", &e);
                if (r == 0)
                        r = aws_client_run(run->store->client, run->ctx, &ops, run, &e);
        }
        if (r && run->error.kind == ERR_NONE)
                run->error = e;
        return r;
}

int ddb_scan_all(struct store *s, struct op_ctx *ctx, const struct scan_request *q, uint32_t segments,
                 const struct scan_sink *sink, struct error *reterr) {
        struct scan_run run = { .store = ddb_store_of(s), .ctx = ctx, .q = *q, .sink = sink };
        int r = run_init(&run, MIN(MAX(segments, 1u), SCAN_SEGMENTS_MAX));

        if (r == 0)
                r = scan_on(&run);
        if (r && reterr)
                *reterr = run.error;
        run_deinit(&run);
        return r;
}
