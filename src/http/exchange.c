/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One exchange on one easy handle: options, callbacks, and what a failure means.
 *
 * Two functions set options: set_fixed() once in the life of a handle, set_exchange() every option that
 * differs between requests, each time.  Header lines live in one buffer of the exchange, which libcurl
 * reads through a list built in place: no allocation of ours per request once the buffer has its size.
 * Nothing here waits.
 */
#include "http_internal.h"

#include <errno.h>
#include <stdio.h>
#include "ddbfs/base/alloc.h"
#include "ddbfs/base/metrics.h"

#define RECEIVE_BUFFER (128L * 1024) /* of each of up to 16 connections: larger ones are cold when their turn comes */
#define SEND_BUFFER (256L * 1024)
#define TEXT_MAX (128 * KIB)     /* URL and request header lines */
#define FLOOD_MAX (256 * KIB)    /* bytes of response headers before we hang up */
#define PRESIZE_MAX (8 * MIB)    /* a Content-Length is believed this far */
#define STOP_WRITING ((size_t)0) /* what a callback returns to end the exchange */

static size_t on_header(char *p, size_t size _unused_, size_t n, void *arg) {
        struct http_exchange *x = arg;

        x->header_bytes += n;
        if (x->header_bytes > FLOOD_MAX) {
                x->flooded = true;
                return STOP_WRITING;
        }
        if (http_response_line(x->resp, str_make(p, n))) {
                x->no_memory = true;
                return STOP_WRITING;
        }
        return n;
}

/* The whole body at once where its length is known. */
static void presize(struct http_exchange *x) {
        curl_off_t length = -1;

        if (curl_easy_getinfo(x->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length) == CURLE_OK && length > 0 &&
            (uint64_t)length <= MIN(PRESIZE_MAX, x->resp->body.max))
                (void)buf_reserve(&x->resp->body, (size_t)length); /* when it fails so does the append */
}

static size_t on_body(char *p, size_t size _unused_, size_t n, void *arg) {
        struct http_exchange *x = arg;
        struct buf *body = &x->resp->body;

        /* a fast sender can keep libcurl busy for long without returning to our loop */
        if (atomic_load_explicit(&x->ctx->cancelled, memory_order_relaxed)) {
                x->stopped = true;
                return STOP_WRITING;
        }
        if (body->n == 0 && n > 0)
                presize(x);
        buf_append(body, p, n);
        return buf_status(body) ? STOP_WRITING : n;
}

/* Connected, TLS done, nothing sent yet: from here on the service may see the request. */
static int on_ready(void *arg, char *primary_ip _unused_, char *local_ip _unused_, int primary_port _unused_,
                    int local_port _unused_) {
        struct http_exchange *x = arg;

        x->resp->sends++;
        return CURL_PREREQFUNC_OK;
}

static void set_fixed(struct http_exchange *x) {
        const struct http_transport *t = x->slot->transport;
        CURL *e = x->easy;

        curl_easy_setopt(e, CURLOPT_PRIVATE, x);
        curl_easy_setopt(e, CURLOPT_CURLU, x->url);
        curl_easy_setopt(e, CURLOPT_SHARE, t->share);
        curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L); /* a cancelled name look-up is left to its thread */
        curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
        curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
        curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
        curl_easy_setopt(e, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
        curl_easy_setopt(e, CURLOPT_TCP_NODELAY, 1L);
        curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
        curl_easy_setopt(e, CURLOPT_MAXAGE_CONN, (long)MAX(t->idle_ns / NS_PER_S, 1));
        curl_easy_setopt(e, CURLOPT_BUFFERSIZE, RECEIVE_BUFFER);
        curl_easy_setopt(e, CURLOPT_UPLOAD_BUFFERSIZE, SEND_BUFFER);
        curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 1L);
        curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 2L);
        if (t->ca_bundle)
                curl_easy_setopt(e, CURLOPT_CAINFO, t->ca_bundle);
        if (!t->proxied)
                curl_easy_setopt(e, CURLOPT_NOPROXY, "*");
        curl_easy_setopt(e, CURLOPT_USERAGENT, t->user_agent);
        curl_easy_setopt(e, CURLOPT_ERRORBUFFER, x->reason);
        curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
        curl_easy_setopt(e, CURLOPT_HEADERDATA, x);
        curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
        curl_easy_setopt(e, CURLOPT_WRITEDATA, x);
        curl_easy_setopt(e, CURLOPT_PREREQFUNCTION, on_ready);
        curl_easy_setopt(e, CURLOPT_PREREQDATA, x);
}

struct http_exchange *exchange_new(struct http_slot *s, unsigned place) {
        struct http_exchange *x = mem_zalloc(sizeof(*x));

        if (!x)
                return NULL;
        x->slot = s;
        x->place = place;
        buf_init(&x->text, TEXT_MAX);
        x->easy = curl_easy_init();
        x->url = curl_url();
        if (!x->easy || !x->url)
                return exchange_free(x);
        set_fixed(x);
        return x;
}

struct http_exchange *exchange_free(struct http_exchange *x) {
        if (!x)
                return NULL;
        exchange_drop(x);
        curl_easy_cleanup(x->easy);
        curl_url_cleanup(x->url);
        buf_deinit(&x->text);
        return mem_free(x);
}

static bool has_control(struct str s) {
        for (size_t i = 0; i < s.n; i++)
                if ((unsigned char)s.p[i] < 0x20 && s.p[i] != '\t')
                        return true;
        return false;
}

static bool same_name(struct str a, const char *lower_case) {
        if (a.n != strlen(lower_case))
                return false;
        for (size_t i = 0; i < a.n; i++)
                if ((a.p[i] >= 'A' && a.p[i] <= 'Z' ? a.p[i] | 0x20 : a.p[i]) != lower_case[i])
                        return false;
        return true;
}

static bool has_header(const struct http_request *req, const char *lower_case) {
        for (unsigned i = 0; i < req->n_headers; i++)
                if (same_name(req->headers[i].name, lower_case))
                        return true;
        return false;
}

/* Headers libcurl would add by itself; a line without a value takes them away. */
static const struct {
        const char *name, *line;
} unwanted[] = {
        { "accept", "Accept:" },
        { "expect", "Expect:" },
        { "content-type", "Content-Type:" },
};
_Static_assert(ARRAY_LEN(unwanted) <= HTTP_FIXED_LINES, "room for our own lines");

/* URL and header lines into x->text; x->lines points there.  The text may move while it grows, so the
 * pointers are set in a second pass. */
static int write_text(struct http_exchange *x, const struct http_request *req) {
        struct buf *b = &x->text;
        unsigned n = 0;
        char *p;

        buf_reset(b);
        buf_str(b, req->url);
        buf_putc(b, '\0');
        for (unsigned i = 0; i < req->n_headers; i++, n++) {
                buf_str(b, req->headers[i].name);
                if (req->headers[i].value.n) {
                        buf_puts(b, ": ");
                        buf_str(b, req->headers[i].value);
                } else {
                        buf_putc(b, ';'); /* libcurl's way to send an empty header */
                }
                buf_putc(b, '\0');
        }
        for (unsigned i = 0; i < ARRAY_LEN(unwanted); i++)
                if (!has_header(req, unwanted[i].name)) {
                        buf_puts(b, unwanted[i].line);
                        buf_putc(b, '\0');
                        n++;
                }
        if (buf_status(b))
                return buf_status(b);

        p = b->p + strlen(b->p) + 1;
        for (unsigned i = 0; i < n; i++) {
                x->lines[i] = (struct curl_slist){ .data = p, .next = i + 1 < n ? &x->lines[i + 1] : NULL };
                p += strlen(p) + 1;
        }
        return 0;
}

static int check_request(const struct http_request *req, struct error *reterr) {
        if (req->n_headers > HTTP_HEADERS_MAX)
                return error_set(reterr, ERR_INTERNAL, "a request with more than %d headers", HTTP_HEADERS_MAX);
        if (req->url.n == 0 || has_control(req->url))
                return error_set(reterr, ERR_INPUT, "malformed URL");
        for (unsigned i = 0; i < req->n_headers; i++) {
                struct str name = req->headers[i].name;

                if (name.n == 0 || has_control(name) || memchr(name.p, ':', name.n) ||
                    has_control(req->headers[i].value))
                        return error_set(reterr, ERR_INPUT, "a header that cannot be sent: %.*s", (int)MIN(name.n, 64),
                                         name.p ? name.p : "");
        }
        return 0;
}

/* PATH_AS_IS: ".." is a name like any other in the key of an object.  NON_SUPPORT: the transfer says what it cannot send. */
static int parse_url(struct http_exchange *x, struct error *reterr) {
        CURLUcode code;

        (void)curl_url_set(x->url, CURLUPART_URL, NULL, 0); /* or the new one might be taken as relative to it */
        code = curl_url_set(x->url, CURLUPART_URL, x->text.p,
                            CURLU_PATH_AS_IS | CURLU_GUESS_SCHEME | CURLU_NON_SUPPORT_SCHEME);
        if (code == CURLUE_OUT_OF_MEMORY)
                return error_set_errno(reterr, -ENOMEM, "URL");
        return code ? error_set(reterr, ERR_INPUT, "malformed URL: %s", curl_url_strerror(code)) : 0;
}

static long ms_of(uint64_t ns, uint64_t fallback_ns) {
        uint64_t ms = ((ns ? ns : fallback_ns) + NS_PER_MS - 1) / NS_PER_MS;

        return (long)MIN(ms, (uint64_t)INT32_MAX);
}

static int set_exchange(struct http_exchange *x) {
        const struct http_transport *t = x->slot->transport;
        const struct http_request *req = x->req;
        bool head = strcmp(req->method, "HEAD") == 0;
        bool get = strcmp(req->method, "GET") == 0 && req->body.n == 0;
        bool post = strcmp(req->method, "POST") == 0;
        CURLcode code = CURLE_OK;
        CURL *e = x->easy;

        /* in this order: each of the three also sets the method */
        code |= curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)req->body.n);
        code |= curl_easy_setopt(e, CURLOPT_POSTFIELDS, req->body.n ? req->body.p : "");
        if (head)
                code |= curl_easy_setopt(e, CURLOPT_NOBODY, 1L);
        else if (get)
                code |= curl_easy_setopt(e, CURLOPT_HTTPGET, 1L);
        else
                code |= curl_easy_setopt(e, CURLOPT_POST, 1L);
        code |= curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, head || get || post ? NULL : req->method);
        code |= curl_easy_setopt(e, CURLOPT_HTTPHEADER, x->lines);
        code |= curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, ms_of(req->timeout_ns, t->timeout_ns));
        code |= curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, ms_of(req->connect_timeout_ns, t->connect_timeout_ns));
        return code ? -ENOMEM : 0;
}

int exchange_start(struct http_exchange *x, struct op_ctx *ctx, const struct http_request *req,
                   struct http_response *resp, struct error *reterr) {
        bool same = x->parsed && str_eq(str_of(x->text.p), req->url);
        int r;

        r = check_request(req, reterr);
        if (r)
                return r;
        x->parsed = false;
        r = write_text(x, req);
        if (r)
                return error_set_errno(reterr, r, "request headers");
        r = same ? 0 : parse_url(x, reterr);
        if (r)
                return r;
        x->parsed = true;

        x->req = req;
        x->resp = resp;
        x->ctx = ctx;
        x->header_bytes = 0;
        x->flooded = x->no_memory = x->stopped = false;
        x->reason[0] = '\0';
        http_response_begin(resp, req->max_body);
        r = set_exchange(x);
        if (r)
                return error_set_errno(reterr, r, "request options");
        x->busy = true;
        return 0;
}

int exchange_add(struct http_exchange *x, struct error *reterr) {
        if (curl_multi_add_handle(x->slot->multi, x->easy)) {
                x->busy = false;
                return error_set(reterr, ERR_MEMORY, "request cannot be started");
        }
        x->added = true;
        x->slot->n_added++;
        return 0;
}

void exchange_drop(struct http_exchange *x) {
        if (x->added) {
                curl_multi_remove_handle(x->slot->multi, x->easy);
                x->slot->n_added--;
        }
        x->added = x->busy = false;
        x->req = NULL;
        x->resp = NULL;
        x->ctx = NULL;
}

/* "host:port" of a URL, without a password that may be in it. */
static void peer_of(struct str url, char *out, size_t n_out) {
        const char *start = memmem(url.p, url.n, "://", 3), *end, *at;
        bool tls = str_starts(url, STR("https:"));
        bool has_port = false;
        struct str s;

        s = start ? str_skip(url, (size_t)(start - url.p) + 3) : url;
        for (end = s.p; end < s.p + s.n && !strchr("/?#", *end); end++)
                ;
        s.n = (size_t)(end - s.p);
        at = memrchr(s.p, '@', s.n);
        if (at)
                s = str_skip(s, (size_t)(at - s.p) + 1);
        for (size_t i = s.n; i > 0 && s.p[i - 1] != ']' && !has_port; i--)
                has_port = s.p[i - 1] == ':';
        snprintf(out, n_out, "%.*s%s", (int)MIN(s.n, 255), s.p, has_port ? "" : tls ? ":443" : ":80");
}

static const char *reason_of(struct http_exchange *x, CURLcode code, char *scratch, size_t n) {
        long os_errno = 0;

        if (code == CURLE_COULDNT_RESOLVE_HOST)
                return "the name cannot be resolved";
        if (code == CURLE_COULDNT_CONNECT && curl_easy_getinfo(x->easy, CURLINFO_OS_ERRNO, &os_errno) == CURLE_OK &&
            os_errno)
                return strerror_r((int)os_errno, scratch, n);
        if (code == CURLE_OPERATION_TIMEDOUT)
                return "no answer in time";
        return x->reason[0] ? x->reason : curl_easy_strerror(code);
}

/* Failures that mean the same whenever they come. */
static const struct {
        CURLcode code;
        enum error_kind kind;
} code_kinds[] = {
        { CURLE_OUT_OF_MEMORY, ERR_MEMORY },          { CURLE_URL_MALFORMAT, ERR_INPUT },
        { CURLE_UNSUPPORTED_PROTOCOL, ERR_PROTOCOL }, /* after sending: HTTP/0.9 */
        { CURLE_WEIRD_SERVER_REPLY, ERR_PROTOCOL },   { CURLE_BAD_CONTENT_ENCODING, ERR_PROTOCOL },
        { CURLE_OPERATION_TIMEDOUT, ERR_TIMEOUT },
};

static enum error_kind kind_of(CURLcode code) {
        for (unsigned i = 0; i < ARRAY_LEN(code_kinds); i++)
                if (code_kinds[i].code == code)
                        return code_kinds[i].kind;
        return ERR_SERVICE;
}

static int explain(struct http_exchange *x, CURLcode code, struct error *reterr) {
        enum error_kind kind = kind_of(code);
        char peer[300], scratch[128];
        const char *reason = reason_of(x, code, scratch, sizeof(scratch));

        peer_of(x->req->url, peer, sizeof(peer));
        if (x->stopped)
                return op_ctx_check(x->ctx, reterr);
        if (x->no_memory || x->resp->body.err == -ENOMEM || kind == ERR_MEMORY)
                return error_set(reterr, ERR_MEMORY, "out of memory for the answer of %s", peer);
        if (kind == ERR_INPUT || (code == CURLE_UNSUPPORTED_PROTOCOL && x->resp->sends == 0))
                return error_set(reterr, ERR_INPUT, "malformed URL: %s", reason);
        if (x->resp->body.err)
                return error_set(reterr, ERR_PROTOCOL, "the answer of %s is larger than %zu bytes", peer,
                                 x->resp->body.max);
        if (x->flooded)
                return error_set(reterr, ERR_PROTOCOL, "the answer of %s has too many headers", peer);
        if (x->resp->sends == 0)
                return error_set(reterr, ERR_CONNECT, "cannot connect to %s: %s", peer, reason);
        if (kind == ERR_TIMEOUT)
                return error_set(reterr, ERR_TIMEOUT, "no answer from %s in time", peer);
        if (kind == ERR_PROTOCOL)
                return error_set(reterr, ERR_PROTOCOL, "%s does not answer in HTTP: %s", peer, reason);
        return error_set(reterr, ERR_SERVICE, "the connection to %s broke: %s", peer, reason);
}

static void count(struct http_exchange *x) {
        curl_off_t received = 0;
        long connects = 0, sent = 0;

        curl_easy_getinfo(x->easy, CURLINFO_NUM_CONNECTS, &connects);
        curl_easy_getinfo(x->easy, CURLINFO_REQUEST_SIZE, &sent);
        curl_easy_getinfo(x->easy, CURLINFO_SIZE_DOWNLOAD_T, &received);
        x->resp->bytes_sent = (size_t)sent;
        metric_add(METRIC_CONNECTIONS, connects);
        metric_add(METRIC_BYTES_SENT, sent);
        metric_add(METRIC_BYTES_RECEIVED, received + (int64_t)x->header_bytes);
}

int exchange_finish(struct http_exchange *x, CURLcode code, struct error *reterr) {
        int r = 0;

        count(x);
        if (code)
                r = explain(x, code, reterr);
        else if (x->resp->status == 0)
                r = error_set(reterr, ERR_PROTOCOL, "an answer without a status");
        exchange_drop(x);
        return r;
}
