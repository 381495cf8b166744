/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Inside src/http.  A slot is one CURLM with its exchanges (an easy handle each); whoever has acquired it
 * is the only thread that touches it, but for curl_multi_wakeup().
 */
#include <curl/curl.h>
#include "ddbfs/base/list.h"
#include "ddbfs/http/transport.h"

#define HTTP_BODY_MAX_DEFAULT (64 * MIB)
#define HTTP_FIXED_LINES 4 /* header lines of our own besides the request's */

struct http_slot;

struct http_exchange {
        CURL *easy; /* owned; NULL: not used yet */
        CURLU *url; /* owned; the last exchange's, if `parsed`: nearly always that of the next */
        bool parsed; /* it is what `text` begins with */
        struct http_slot *slot;
        unsigned place;    /* index in slot->exchanges */
        bool busy;         /* between start and finish; of these ... */
        bool added;        /* ... in the multi; else it is queued */
        uint64_t sequence; /* order of starting, for the queue */
        /* borrowed while busy */
        const struct http_request *req;
        struct http_response *resp;
        struct op_ctx *ctx;
        struct buf text; /* URL and header lines, NUL-terminated each; kept for the next exchange */
        struct curl_slist lines[HTTP_HEADERS_MAX + HTTP_FIXED_LINES];
        size_t header_bytes; /* of the response so far */
        bool flooded, no_memory, stopped;
        char reason[CURL_ERROR_SIZE];
};

struct http_slot {
        struct list link; /* one of the transport's free lists */
        struct http_transport *transport;
        CURLM *multi;
        struct http_exchange **exchanges; /* owned */
        unsigned n_exchanges;
        unsigned n_added;
        uint64_t idle_since_ns;
};

struct http_transport {
        uint64_t connect_timeout_ns, timeout_ns, idle_ns;
        char *ca_bundle, *user_agent; /* owned; NULL: the system's; none */
        bool proxied;                 /* a proxy may be in the environment */
        CURLSH *share;                /* DNS entries and TLS sessions of all slots */
        struct mutex share_locks[CURL_LOCK_DATA_LAST];
        struct mutex lock;   /* everything below */
        unsigned permits;    /* exchanges that may still be started */
        struct list waiters; /* for one permit each, first come, first served */
        struct list narrow;  /* free slots that have served single exchanges, last used first */
        struct list wide;    /* free slots that have served batches */
};

/* response.c.  One line of the response as it came (CRLF included or not). */
void http_response_begin(struct http_response *r, size_t max_body);
_must_check_ int http_response_line(struct http_response *r, struct str line);

/* pool.c */
/* One permit, waiting for it as long as ctx allows. */
_must_check_ int pool_wait_permit(struct http_transport *t, struct op_ctx *ctx, struct error *reterr);
/* One more if nobody is waiting for it. */
bool pool_try_permit(struct http_transport *t);
void pool_return_permits(struct http_transport *t, unsigned n);
bool pool_has_waiters(struct http_transport *t);
/* A slot with at least n exchanges; the caller has a permit. */
_must_check_ int pool_get_slot(struct http_transport *t, unsigned n, struct http_slot **ret);
void pool_put_slot(struct http_transport *t, struct http_slot *s);
/* Count and report a caller that holds a lock. */
void pool_check_locks(const char *who);

/* exchange.c */
struct http_exchange *exchange_new(struct http_slot *s, unsigned place);
struct http_exchange *exchange_free(struct http_exchange *x);
/* Prepare; nothing is sent before exchange_add(). */
_must_check_ int exchange_start(struct http_exchange *x, struct op_ctx *ctx, const struct http_request *req,
                                struct http_response *resp, struct error *reterr);
_must_check_ int exchange_add(struct http_exchange *x, struct error *reterr);
/* It is over with this code; the exchange is free again.  As http_perform(). */
_must_check_ int exchange_finish(struct http_exchange *x, CURLcode code, struct error *reterr);
/* Forget it, whatever its state. */
void exchange_drop(struct http_exchange *x);
