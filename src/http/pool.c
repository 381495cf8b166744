/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pool of slots and the permits that bound it.
 *
 * Permits count exchanges under way (max_connections at most); slots are made on demand and kept in two
 * LIFO lists, so that the warmest connection is used next and the coldest get old and are closed.  There is
 * no housekeeping thread: whoever takes or returns a slot closes those that have been idle for too long.
 * Locks: op_ctx.lock > http_transport.lock, which is never held across a call of libcurl; share_locks are
 * taken by libcurl only, inside its calls.
 */
#include "http_internal.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include "ddbfs/base/alloc.h"
#include "ddbfs/base/clock.h"
#include "ddbfs/base/log.h"
#include "ddbfs/base/metrics.h"

#define CLOSE_AT_ONCE 8 /* idle slots one caller closes for the others */

static struct mutex global_lock = MUTEX_INIT; /* curl_global_init(), curl_global_cleanup() */

static struct http_slot *slot_free(struct http_slot *s) {
        if (!s)
                return NULL;
        for (unsigned i = 0; i < s->n_exchanges; i++)
                exchange_free(s->exchanges[i]);
        mem_free(s->exchanges);
        if (s->multi)
                curl_multi_cleanup(s->multi);
        return mem_free(s);
}
DEFINE_CLEANUP(struct http_slot, slot_free)

static int slot_new(struct http_transport *t, struct http_slot **ret) {
        _cleanup_(slot_freep) struct http_slot *s = mem_zalloc(sizeof(*s));

        if (!s)
                return -ENOMEM;
        list_init(&s->link);
        s->transport = t;
        s->multi = curl_multi_init();
        if (!s->multi)
                return -ENOMEM;
        curl_multi_setopt(s->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
        *ret = TAKE(s);
        return 0;
}

static int slot_widen(struct http_slot *s, unsigned n) {
        struct http_exchange **exchanges;

        if (s->n_exchanges >= n)
                return 0;
        exchanges = mem_realloc(s->exchanges, n * sizeof(struct http_exchange *));
        if (!exchanges)
                return -ENOMEM;
        s->exchanges = exchanges;
        while (s->n_exchanges < n) {
                s->exchanges[s->n_exchanges] = exchange_new(s, s->n_exchanges);
                if (!s->exchanges[s->n_exchanges])
                        return -ENOMEM;
                s->n_exchanges++;
        }
        curl_multi_setopt(s->multi, CURLMOPT_MAXCONNECTS, (long)n);
        return 0;
}

static struct http_slot *slot_of(struct list *link) {
        return CONTAINER_OF(link, struct http_slot, link);
}

/* The oldest slot of the list if it has been idle for too long; the caller frees it. */
static struct http_slot *take_expired(struct list *free_slots, uint64_t now, uint64_t idle_ns) {
        struct http_slot *s;

        if (list_is_empty(free_slots))
                return NULL;
        s = slot_of(free_slots->prev);
        if (now - s->idle_since_ns < idle_ns)
                return NULL;
        list_remove(&s->link);
        return s;
}

/* Closing may write to the network (a TLS goodbye), so the slots are freed outside the lock. */
struct graveyard {
        struct http_slot *slots[CLOSE_AT_ONCE];
        unsigned n;
};

static void collect_expired(struct http_transport *t, uint64_t now, struct graveyard *g) REQUIRES(t->lock) {
        struct list *lists[] = { &t->narrow, &t->wide };

        g->n = 0;
        for (unsigned i = 0; i < ARRAY_LEN(lists); i++)
                while (g->n < CLOSE_AT_ONCE) {
                        struct http_slot *s = take_expired(lists[i], now, t->idle_ns);

                        if (!s)
                                break;
                        g->slots[g->n++] = s;
                }
}

static void bury(struct graveyard *g) {
        for (unsigned i = 0; i < g->n; i++)
                slot_free(g->slots[i]);
}

int pool_get_slot(struct http_transport *t, unsigned n, struct http_slot **ret) {
        _cleanup_(slot_freep) struct http_slot *s = NULL;
        struct list *order[] = { n > 1 ? &t->wide : &t->narrow, n > 1 ? &t->narrow : &t->wide };
        struct graveyard expired;
        int r;

        mutex_lock(&t->lock);
        collect_expired(t, clock_now_ns(), &expired);
        for (unsigned i = 0; i < ARRAY_LEN(order) && !s; i++)
                if (!list_is_empty(order[i])) {
                        s = slot_of(order[i]->next);
                        list_remove(&s->link);
                }
        mutex_unlock(&t->lock);
        bury(&expired);

        if (!s) {
                r = slot_new(t, &s);
                if (r)
                        return r;
        }
        r = slot_widen(s, n);
        if (r)
                return r;
        *ret = TAKE(s);
        return 0;
}

void pool_put_slot(struct http_transport *t, struct http_slot *s) {
        struct graveyard expired;

        mutex_lock(&t->lock);
        s->idle_since_ns = clock_now_ns();
        list_prepend(s->n_exchanges > 1 ? &t->wide : &t->narrow, &s->link);
        collect_expired(t, s->idle_since_ns, &expired);
        mutex_unlock(&t->lock);
        bury(&expired);
}

struct http_waiter {
        struct list link;
        struct http_transport *transport;
        struct cond cond;
        bool granted;
};

/* Runs with ctx->lock held; takes t->lock, or the signal could fall between the waiter's look and its sleep. */
static void wake_waiter(void *arg) {
        struct http_waiter *w = arg;

        mutex_lock(&w->transport->lock);
        cond_signal(&w->cond);
        mutex_unlock(&w->transport->lock);
}

static void wait_granted(struct http_transport *t, struct op_ctx *ctx, struct http_waiter *w) REQUIRES(t->lock) {
        while (!w->granted && !atomic_load(&ctx->cancelled) && clock_now_ns() < ctx->deadline_ns)
                cond_wait_until(&w->cond, &t->lock, ctx->deadline_ns);
}

int pool_wait_permit(struct http_transport *t, struct op_ctx *ctx, struct error *reterr) {
        struct http_waiter w = { .transport = t };
        bool granted;
        int r;

        r = op_ctx_check(ctx, reterr);
        if (r)
                return r;
        if (pool_try_permit(t))
                return 0;

        list_init(&w.link);
        cond_init(&w.cond);
        mutex_lock(&t->lock);
        if (t->permits > 0) {
                t->permits--;
                w.granted = true;
        } else {
                list_append(&t->waiters, &w.link);
        }
        mutex_unlock(&t->lock);

        /* ctx->lock may be taken before t->lock (by who cancels), never after it */
        op_ctx_set_waker(ctx, wake_waiter, &w);
        mutex_lock(&t->lock);
        wait_granted(t, ctx, &w);
        granted = w.granted;
        list_remove(&w.link);
        mutex_unlock(&t->lock);
        op_ctx_clear_waker(ctx);
        cond_deinit(&w.cond);
        if (granted)
                return 0;
        return op_ctx_check(ctx, reterr);
}

bool pool_try_permit(struct http_transport *t) {
        bool got = false;

        mutex_lock(&t->lock);
        if (t->permits > 0 && list_is_empty(&t->waiters)) {
                t->permits--;
                got = true;
        }
        mutex_unlock(&t->lock);
        return got;
}

bool pool_has_waiters(struct http_transport *t) {
        bool some;

        mutex_lock(&t->lock);
        some = !list_is_empty(&t->waiters);
        mutex_unlock(&t->lock);
        return some;
}

void pool_return_permits(struct http_transport *t, unsigned n) {
        mutex_lock(&t->lock);
        t->permits += n;
        while (t->permits > 0 && !list_is_empty(&t->waiters)) {
                struct http_waiter *w = CONTAINER_OF(t->waiters.next, struct http_waiter, link);

                list_remove(&w->link);
                w->granted = true;
                t->permits--;
                cond_signal(&w->cond);
        }
        mutex_unlock(&t->lock);
}

void pool_check_locks(const char *who) {
        static atomic_flag told = ATOMIC_FLAG_INIT;

        if (locks_held() == 0)
                return;
        metric_add(METRIC_LOCK_VIOLATIONS, 1);
        if (!atomic_flag_test_and_set(&told))
                log_warn("%s: the caller holds %u lock(s) over a request; please report this", who, locks_held());
}

NO_ANALYSIS static void share_lock(CURL *easy _unused_, curl_lock_data data, curl_lock_access access _unused_,
                                   void *arg) {
        struct http_transport *t = arg;

        mutex_lock(&t->share_locks[data]);
}

NO_ANALYSIS static void share_unlock(CURL *easy _unused_, curl_lock_data data, void *arg) {
        struct http_transport *t = arg;

        mutex_unlock(&t->share_locks[data]);
}

/* Connections are never shared between slots: libcurl does not support that across threads. */
static int share_new(struct http_transport *t) {
        t->share = curl_share_init();
        if (!t->share)
                return -ENOMEM;
        if (curl_share_setopt(t->share, CURLSHOPT_LOCKFUNC, share_lock) ||
            curl_share_setopt(t->share, CURLSHOPT_UNLOCKFUNC, share_unlock) ||
            curl_share_setopt(t->share, CURLSHOPT_USERDATA, t) ||
            curl_share_setopt(t->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_DNS) ||
            curl_share_setopt(t->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION))
                return -ENOMEM;
        return 0;
}

/* A peer that closes while OpenSSL writes must not kill the process. */
static void ignore_sigpipe(void) {
        struct sigaction old, ignore = { .sa_handler = SIG_IGN };

        if (sigaction(SIGPIPE, NULL, &old) == 0 && old.sa_handler == SIG_DFL)
                sigaction(SIGPIPE, &ignore, NULL);
}

static int global_init(void) {
        CURLcode code;

        mutex_lock(&global_lock);
        code = curl_global_init(CURL_GLOBAL_DEFAULT);
        mutex_unlock(&global_lock);
        return code ? -ENOMEM : 0;
}

static void global_cleanup(void) {
        mutex_lock(&global_lock);
        curl_global_cleanup();
        mutex_unlock(&global_lock);
}

/* libcurl looks for one before each request; the environment does not change. */
static bool proxy_in_environment(void) {
        static const char *const names[] = { "http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY" };

        for (size_t i = 0; i < ARRAY_LEN(names); i++)
                if (getenv(names[i]))
                        return true;
        return false;
}

static int transport_build(struct http_transport *t, const struct http_options *o) {
        t->ca_bundle = mem_strdup(o->ca_bundle);
        t->user_agent = mem_strdup(o->user_agent);
        t->proxied = proxy_in_environment();
        if ((o->ca_bundle && !t->ca_bundle) || (o->user_agent && !t->user_agent))
                return -ENOMEM;
        return share_new(t);
}

int http_transport_new(const struct http_options *o, struct http_transport **ret, struct error *reterr) {
        struct http_transport *t;
        int r;

        if (o->max_connections == 0)
                return error_set(reterr, ERR_INPUT, "max_connections must be at least 1");
        r = global_init();
        if (r)
                return error_set(reterr, ERR_INTERNAL, "libcurl cannot be initialised");
        t = mem_zalloc(sizeof(*t));
        if (!t) {
                global_cleanup();
                return error_set_errno(reterr, -ENOMEM, "transport");
        }

        ignore_sigpipe();
        t->connect_timeout_ns = o->connect_timeout_ns;
        t->timeout_ns = o->timeout_ns;
        t->idle_ns = o->idle_ns;
        t->permits = o->max_connections;
        mutex_init(&t->lock);
        for (unsigned i = 0; i < ARRAY_LEN(t->share_locks); i++)
                mutex_init(&t->share_locks[i]);
        list_init(&t->waiters);
        list_init(&t->narrow);
        list_init(&t->wide);
        r = transport_build(t, o);
        if (r) {
                http_transport_free(t);
                return error_set_errno(reterr, r, "transport");
        }
        *ret = t;
        return 0;
}

static void free_slots(struct list *slots) {
        LIST_FOR_EACH_SAFE (it, slots) {
                list_remove(it);
                slot_free(slot_of(it));
        }
}

struct http_transport *http_transport_free(struct http_transport *t) {
        if (!t)
                return NULL;
        free_slots(&t->narrow);
        free_slots(&t->wide);
        if (t->share)
                curl_share_cleanup(t->share);
        for (unsigned i = 0; i < ARRAY_LEN(t->share_locks); i++)
                mutex_deinit(&t->share_locks[i]);
        mutex_deinit(&t->lock);
        mem_free(t->ca_bundle);
        mem_free(t->user_agent);
        mem_free(t);
        global_cleanup();
        return NULL;
}
