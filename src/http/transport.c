/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Driving exchanges from the calling thread.
 *
 * While it sleeps in curl_multi_poll() the operation's waker is curl_multi_wakeup(), the one call libcurl
 * allows from another thread; so cancellation takes effect at once and nothing ticks.  A single exchange is
 * a batch of one without its bookkeeping.  No lock is held while anything here sleeps.
 */
#include "http_internal.h"

#include <errno.h>
#include "ddbfs/base/alloc.h"
#include "ddbfs/base/clock.h"

#define SLEEP_MAX_MS 60000 /* libcurl's own timers are due earlier; a bound for its bugs */

struct http_batch {
        struct http_transport *transport;
        struct op_ctx *ctx;
        struct http_slot *slot;
        unsigned n;        /* places */
        unsigned permits;  /* held */
        unsigned n_queued; /* started, but waiting for a permit */
        uint64_t sequence;
};

static void wake_multi(void *arg) {
        curl_multi_wakeup(arg);
}

static int sleep_ms(const struct op_ctx *ctx, uint64_t until_ns) {
        uint64_t now = clock_now_ns();

        until_ns = MIN(until_ns, ctx->deadline_ns);
        if (until_ns <= now)
                return 0;
        return (int)MIN((until_ns - now + NS_PER_MS - 1) / NS_PER_MS, (uint64_t)SLEEP_MAX_MS);
}

static int multi_failed(CURLMcode code, struct error *reterr) {
        return error_set(reterr, code == CURLM_OUT_OF_MEMORY ? ERR_MEMORY : ERR_INTERNAL, "libcurl: %s",
                         curl_multi_strerror(code));
}

static struct http_exchange *exchange_of(CURL *easy) {
        struct http_exchange *x = NULL;

        curl_easy_getinfo(easy, CURLINFO_PRIVATE, &x);
        return x;
}

/* An exchange that has ended, or NULL. */
static struct http_exchange *take_ended(struct http_slot *s, CURLcode *ret_code) {
        struct CURLMsg *m;
        int left;

        while ((m = curl_multi_info_read(s->multi, &left)))
                if (m->msg == CURLMSG_DONE) {
                        *ret_code = m->data.result;
                        return exchange_of(m->easy_handle);
                }
        return NULL;
}

/* Until an exchange ends (0), until_ns is reached (HTTP_BATCH_E_TIME), or ctx is over (-errno). */
static int drive(struct http_slot *s, struct op_ctx *ctx, uint64_t until_ns, struct http_exchange **ret_x,
                 CURLcode *ret_code, struct error *reterr) {
        for (;;) {
                CURLMcode code;
                int running, r;

                code = curl_multi_perform(s->multi, &running);
                if (code)
                        return multi_failed(code, reterr);
                *ret_x = take_ended(s, ret_code);
                if (*ret_x)
                        return 0;
                r = op_ctx_check(ctx, reterr);
                if (r)
                        return r;
                if (until_ns != UINT64_MAX && clock_now_ns() >= until_ns)
                        return HTTP_BATCH_E_TIME;
                code = curl_multi_poll(s->multi, NULL, 0, sleep_ms(ctx, until_ns), NULL);
                if (code)
                        return multi_failed(code, reterr);
        }
}

static int perform_in_slot(struct http_slot *s, struct op_ctx *ctx, const struct http_request *req,
                           struct http_response *resp, struct error *reterr) {
        struct http_exchange *x = s->exchanges[0], *ended;
        CURLcode code;
        int r;

        r = exchange_start(x, ctx, req, resp, reterr);
        if (r)
                return r;
        r = exchange_add(x, reterr);
        if (r)
                return r;

        op_ctx_set_waker(ctx, wake_multi, s->multi);
        r = drive(s, ctx, UINT64_MAX, &ended, &code, reterr);
        op_ctx_clear_waker(ctx);
        if (r == 0)
                return exchange_finish(ended, code, reterr);
        exchange_drop(x);
        return r;
}

int http_perform(struct http_transport *t, struct op_ctx *ctx, const struct http_request *req,
                 struct http_response *resp, struct error *reterr) {
        struct http_slot *s;
        int r;

        pool_check_locks("http_perform");
        resp->sends = 0;
        r = pool_wait_permit(t, ctx, reterr);
        if (r)
                return r;
        r = pool_get_slot(t, 1, &s);
        if (r) {
                pool_return_permits(t, 1);
                return error_set_errno(reterr, r, "connection");
        }
        r = perform_in_slot(s, ctx, req, resp, reterr);
        pool_put_slot(t, s);
        pool_return_permits(t, 1);
        return r;
}

int http_batch_new(struct http_transport *t, struct op_ctx *ctx, unsigned n, struct http_batch **ret,
                   struct error *reterr) {
        _cleanup_(http_batch_freep) struct http_batch *b = NULL;
        int r;

        pool_check_locks("http_batch_new");
        if (n == 0 || n > HTTP_BATCH_MAX)
                return error_set(reterr, ERR_INTERNAL, "a batch of %u", n);
        b = mem_zalloc(sizeof(*b));
        if (!b)
                return error_set_errno(reterr, -ENOMEM, "batch");
        b->transport = t;
        b->ctx = ctx;
        b->n = n;
        r = pool_wait_permit(t, ctx, reterr);
        if (r)
                return r;
        b->permits = 1;
        r = pool_get_slot(t, n, &b->slot);
        if (r)
                return error_set_errno(reterr, r, "connection");
        *ret = TAKE(b);
        return 0;
}

struct http_batch *http_batch_free(struct http_batch *b) {
        if (!b)
                return NULL;
        if (b->slot) {
                for (unsigned i = 0; i < b->slot->n_exchanges; i++)
                        exchange_drop(b->slot->exchanges[i]);
                pool_put_slot(b->transport, b->slot);
        }
        if (b->permits)
                pool_return_permits(b->transport, b->permits);
        return mem_free(b);
}

/* Permits without an exchange go to those who wait; the last one stays. */
static void give_back_permits(struct http_batch *b) {
        unsigned keep = MAX(b->slot->n_added, 1);

        if (b->permits > keep && pool_has_waiters(b->transport)) {
                pool_return_permits(b->transport, b->permits - keep);
                b->permits = keep;
        }
}

static bool have_permit(struct http_batch *b) {
        if (b->slot->n_added < b->permits)
                return true;
        if (!pool_try_permit(b->transport))
                return false;
        b->permits++;
        return true;
}

int http_batch_start(struct http_batch *b, unsigned place, const struct http_request *req, struct http_response *resp,
                     struct error *reterr) {
        struct http_exchange *x = place < b->n ? b->slot->exchanges[place] : NULL;
        int r;

        resp->sends = 0;
        if (!x || x->busy)
                return error_set(reterr, ERR_INTERNAL, "place %u of the batch is not free", place);
        r = exchange_start(x, b->ctx, req, resp, reterr);
        if (r)
                return r;
        x->sequence = b->sequence++;
        give_back_permits(b);
        if (b->n_queued == 0 && have_permit(b))
                return exchange_add(x, reterr);
        b->n_queued++;
        return 0;
}

static struct http_exchange *first_queued(const struct http_batch *b) {
        struct http_exchange *first = NULL;

        for (unsigned i = 0; i < b->n; i++) {
                struct http_exchange *x = b->slot->exchanges[i];

                if (x->busy && !x->added && (!first || x->sequence < first->sequence))
                        first = x;
        }
        return first;
}

/* Start what is queued as far as there are permits.  When one cannot be started it has ended: *ret_x. */
static int start_queued(struct http_batch *b, struct http_exchange **ret_x, struct error *reterr) {
        *ret_x = NULL;
        while (b->n_queued > 0 && have_permit(b)) {
                struct http_exchange *x = first_queued(b);
                int r = exchange_add(x, reterr);

                b->n_queued--;
                if (r) {
                        *ret_x = x;
                        return r;
                }
        }
        return 0;
}

int http_batch_wait(struct http_batch *b, uint64_t until_ns, unsigned *ret_place, int *ret_result,
                    struct error *reterr) {
        struct http_exchange *x;
        CURLcode code;
        int r;

        pool_check_locks("http_batch_wait");
        give_back_permits(b);
        r = start_queued(b, &x, reterr);
        if (x) {
                *ret_place = x->place;
                *ret_result = r;
                return 0;
        }
        if (b->slot->n_added == 0) {
                r = op_ctx_sleep_until(b->ctx, until_ns, reterr);
                return r ? r : HTTP_BATCH_E_TIME;
        }

        op_ctx_set_waker(b->ctx, wake_multi, b->slot->multi);
        r = drive(b->slot, b->ctx, until_ns, &x, &code, reterr);
        op_ctx_clear_waker(b->ctx);
        if (r)
                return r;
        *ret_place = x->place;
        *ret_result = exchange_finish(x, code, reterr);
        return 0;
}
