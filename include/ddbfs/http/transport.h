/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * HTTP exchanges on libcurl.  A transport is a pool of slots {CURLM + easy handles}; the calling thread
 * owns a slot for the time of its batch and drives it itself: no other thread, stack traces that mean
 * something, cancellation by curl_multi_wakeup().  Connections stay open in their slot (LIFO).
 * libcurl appears in src/http only.  TLS is always verified.
 */
#include "ddbfs/base/arena.h"
#include "ddbfs/base/op_ctx.h"
#include "ddbfs/base/buf.h"

#define HTTP_HEADERS_MAX 32
#define HTTP_HEADER_BYTES_MAX (16 * KIB)

struct http_header {
        struct str name, value; /* request: borrowed; response: in the response's arena */
};

struct http_request {
        const char *method;     /* static text: "POST" */
        struct str url;         /* scheme://host[:port]/path?query, already encoded; used as it is */
        struct http_header headers[HTTP_HEADERS_MAX];
        unsigned n_headers;     /* Host is sent as given here when present, else from the URL */
        struct str body;        /* borrowed until the exchange is over */
        uint64_t timeout_ns;    /* of this exchange alone; 0: the transport's */
        uint64_t connect_timeout_ns; /* 0: the transport's */
        size_t max_body;        /* cap on the response body; 0: 64 MiB */
};

struct http_response {
        int status;
        struct arena arena;     /* headers */
        struct http_header headers[HTTP_HEADERS_MAX]; /* names lower-case; the first 32 */
        unsigned n_headers;
        struct buf body;
        int64_t received_wall_s; /* when the headers came: for clock skew */
        /* How often the request was put on a connection, also when the exchange failed.  0: the service cannot
         * have seen it.  > 1: a kept connection turned out to be closed and libcurl sent it again; the service
         * may have acted on it twice. */
        unsigned sends;
        size_t bytes_sent;      /* of the request, headers included; as far as known */
};

struct http_options {
        unsigned max_connections;     /* exchanges under way at once; more callers wait their turn */
        uint64_t connect_timeout_ns;
        uint64_t timeout_ns;          /* one exchange, first byte to last */
        uint64_t idle_ns;             /* close connections idle for longer */
        const char *ca_bundle;        /* NULL: the system's; copied */
        const char *user_agent;       /* copied */
};

struct http_transport;

/* curl_global_init happens here, after any fork.  0 or -errno. */
_must_check_ int http_transport_new(const struct http_options *o, struct http_transport **ret, struct error *reterr);
struct http_transport *http_transport_free(struct http_transport *t); /* no exchange may be under way */
DEFINE_CLEANUP(struct http_transport, http_transport_free)

void http_response_init(struct http_response *r);
void http_response_deinit(struct http_response *r);
void http_response_reset(struct http_response *r); /* for the next attempt; keeps memory */
struct str http_response_header(const struct http_response *r, const char *lower_case_name); /* n == 0: none */

/*
 * One exchange.  0 when a complete response of any status came; else -errno, kinds ERR_CONNECT (nothing
 * was sent), ERR_TIMEOUT, ERR_SERVICE (connection broke), ERR_INTERRUPTED, ERR_PROTOCOL (not HTTP; over
 * max_body: resp->body.err is -EFBIG), ERR_INPUT (the request cannot be sent as it is), ERR_MEMORY.
 *
 * A caller that holds a place (a batch) must not wait for another one of the same transport, or all places
 * may end up waiting for each other: what fetches credentials has a transport of its own.
 */
_must_check_ int http_perform(struct http_transport *t, struct op_ctx *ctx, const struct http_request *req,
                              struct http_response *resp, struct error *reterr);

/*
 * Several at once from one thread.  A batch has n places; start an exchange in a free place, wait for any
 * to end.  Requests and responses are borrowed until their place has been returned by http_batch_wait.
 * A batch holds one connection of the transport's max_connections for its life and takes more while they
 * are free; exchanges beyond that are queued in it, first come, first served.
 */
#define HTTP_BATCH_MAX 64
struct http_batch;
_must_check_ int http_batch_new(struct http_transport *t, struct op_ctx *ctx, unsigned n, struct http_batch **ret,
                                struct error *reterr);
struct http_batch *http_batch_free(struct http_batch *b); /* drops what is under way */
DEFINE_CLEANUP(struct http_batch, http_batch_free)
_must_check_ int http_batch_start(struct http_batch *b, unsigned place, const struct http_request *req,
                                  struct http_response *resp, struct error *reterr);
/* Drive the exchanges until one ends or until_ns (monotonic; 0: just poll) is reached.
 * 0: *ret_place ended, with its outcome in *ret_result / *reterr (as http_perform);
 * HTTP_BATCH_E_TIME: until_ns reached (also when nothing is under way: it sleeps);
 * -EINTR/-ETIMEDOUT: by ctx. */
enum { _HTTP_BATCH_E_SUCCESS, HTTP_BATCH_E_TIME };
_must_check_ int http_batch_wait(struct http_batch *b, uint64_t until_ns, unsigned *ret_place, int *ret_result,
                                 struct error *reterr);
