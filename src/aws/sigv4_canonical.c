/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The canonical request: method, path, query, headers, payload hash.  The common request of this
 * program, POST / without a query, takes none of the slow turns: no allocation but the output's.
 */
#include "sigv4_internal.h"

#include <errno.h>
#include <stdlib.h>

#define QUERY_PARAMS_MAX 1024

/* The parts of scheme://host[:port][/path][?query][#fragment]. */
struct url {
        struct str host, path, query;
};

static bool split_url(struct str s, struct url *ret) {
        const char *scheme_end = s.n ? memmem(s.p, s.n, "://", 3) : NULL;
        struct str rest = scheme_end ? str_skip(s, (size_t)(scheme_end - s.p) + 3) : s;
        size_t n = 0, path_n = 0, query_n = 0;
        bool has_query;

        while (n < rest.n && rest.p[n] != '/' && rest.p[n] != '?' && rest.p[n] != '#')
                n++;
        ret->host = str_make(rest.p, n);
        rest = str_skip(rest, n);
        while (path_n < rest.n && rest.p[path_n] != '?' && rest.p[path_n] != '#')
                path_n++;
        ret->path = str_make(rest.p, path_n);
        has_query = path_n < rest.n && rest.p[path_n] == '?';
        rest = str_skip(rest, path_n + 1);
        while (has_query && query_n < rest.n && rest.p[query_n] != '#')
                query_n++;
        ret->query = str_make(rest.p, query_n);
        return scheme_end && ret->host.n > 0;
}

/* Path. */

/* Drop the last segment written since mark. */
static void pop_segment(struct buf *out, size_t mark) {
        size_t n = out->n;

        while (n > mark && out->p[n - 1] != '/')
                n--;
        buf_truncate(out, n > mark ? n - 1 : mark);
}

/* RFC 3986 5.2.4, and empty segments go too. */
static void put_normalized(struct buf *out, struct str path) {
        size_t mark = out->n;

        for (struct str rest = path; rest.n > 0 && !buf_status(out);) {
                const char *slash = memchr(rest.p, '/', rest.n);
                struct str segment = str_make(rest.p, slash ? (size_t)(slash - rest.p) : rest.n);

                rest = str_skip(rest, segment.n + 1);
                if (str_eq(segment, STR(".."))) {
                        pop_segment(out, mark);
                } else if (segment.n > 0 && !str_eq(segment, STR("."))) {
                        buf_putc(out, '/');
                        buf_str(out, segment);
                }
        }
        if (out->n == mark || path.p[path.n - 1] == '/')
                buf_putc(out, '/');
}

static int put_path(struct buf *out, struct str path, const struct sigv4_params *p) {
        _cleanup_(buf_deinit) struct buf normal = BUF_INIT(out->max);

        if (path.n <= 1 || (!p->normalize_path && !p->double_encode_path)) {
                buf_str(out, path.n > 0 ? path : STR("/"));
                return buf_status(out);
        }
        if (!p->double_encode_path) {
                put_normalized(out, path);
                return buf_status(out);
        }
        if (p->normalize_path) {
                put_normalized(&normal, path);
                if (buf_status(&normal))
                        return buf_status(&normal);
                path = buf_view(&normal);
        }
        percent_encode(out, path, true);
        return buf_status(out);
}

/* Query. */

static int hex_value(char c) {
        if (c >= '0' && c <= '9')
                return c - '0';
        c |= 0x20;
        return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Percent-encode what may be encoded already: decode each byte, encode it. */
static void put_reencoded(struct buf *out, struct str s) {
        for (size_t i = 0; i < s.n; i++) {
                char c = s.p[i];

                if (c == '%' && i + 2 < s.n && hex_value(s.p[i + 1]) >= 0 && hex_value(s.p[i + 2]) >= 0) {
                        c = (char)(hex_value(s.p[i + 1]) << 4 | hex_value(s.p[i + 2]));
                        i += 2;
                }
                percent_encode(out, str_make(&c, 1), false);
        }
}

struct param {
        struct str name, value; /* encoded */
};

static int compare_params(const void *a, const void *b) {
        const struct param *x = a, *y = b;
        int r = str_cmp(x->name, y->name);

        return r ? r : str_cmp(x->value, y->value);
}

/* The parameters one after the other, each a name and a value in text, whose lengths are in params;
 * empty ones ("a&&b") do not count. */
static size_t encode_params(struct str query, struct buf *text, struct param *params) {
        size_t n = 0;

        while (query.n > 0) {
                const char *amp = memchr(query.p, '&', query.n);
                struct str one = str_make(query.p, amp ? (size_t)(amp - query.p) : query.n);
                const char *eq = one.n ? memchr(one.p, '=', one.n) : NULL;
                size_t name_n = eq ? (size_t)(eq - one.p) : one.n, mark = text->n;

                query = str_skip(query, one.n + 1);
                if (one.n == 0)
                        continue;
                put_reencoded(text, str_make(one.p, name_n));
                params[n].name.n = text->n - mark;
                mark = text->n;
                put_reencoded(text, str_skip(one, name_n + 1));
                params[n++].value.n = text->n - mark;
        }
        return n;
}

static int put_query(struct buf *out, struct str query) {
        _cleanup_(buf_deinit) struct buf text = BUF_INIT(out->max);
        _cleanup_(mem_freep) struct param *params = NULL;
        size_t n = 1, at = 0;

        if (query.n == 0)
                return 0;
        for (size_t i = 0; i < query.n; i++)
                n += query.p[i] == '&';
        if (n > QUERY_PARAMS_MAX)
                return -EINVAL;
        params = mem_calloc(n, sizeof(*params));
        if (!params)
                return -ENOMEM;
        n = encode_params(query, &text, params);
        if (buf_status(&text))
                return buf_status(&text);
        for (size_t i = 0; i < n; i++) { /* text does not move any more */
                params[i].name.p = buf_view(&text).p + at;
                params[i].value.p = params[i].name.p + params[i].name.n;
                at += params[i].name.n + params[i].value.n;
        }
        qsort(params, n, sizeof(*params), compare_params);
        for (size_t i = 0; i < n; i++) {
                if (i > 0)
                        buf_putc(out, '&');
                buf_str(out, params[i].name);
                buf_putc(out, '=');
                buf_str(out, params[i].value);
        }
        return buf_status(out);
}

/* Headers. */

static char lower(char c) {
        return (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

static int compare_names(struct str a, struct str b) {
        for (size_t i = 0; i < a.n && i < b.n; i++) {
                int d = (unsigned char)lower(a.p[i]) - (unsigned char)lower(b.p[i]);

                if (d)
                        return d;
        }
        return (a.n > b.n) - (a.n < b.n);
}

/* Hop by hop, changed by proxies, or not there yet when signing. */
static bool is_unsigned(struct str name) {
        static const struct str names[] = {
                { "accept-encoding", 15 }, { "authorization", 13 },     { "connection", 10 },
                { "expect", 6 },           { "keep-alive", 10 },        { "te", 2 },
                { "trailer", 7 },          { "transfer-encoding", 17 }, { "upgrade", 7 },
                { "user-agent", 10 },      { "x-amzn-trace-id", 15 },
        };
        static const struct str prefixes[] = { { "proxy-", 6 }, { "sec-websocket-", 14 } };

        for (size_t i = 0; i < ARRAY_LEN(names); i++)
                if (name.n == names[i].n && compare_names(name, names[i]) == 0)
                        return true;
        for (size_t i = 0; i < ARRAY_LEN(prefixes); i++)
                if (name.n >= prefixes[i].n && compare_names(str_make(name.p, prefixes[i].n), prefixes[i]) == 0)
                        return true;
        return false;
}

struct signed_set {
        struct http_header headers[HTTP_HEADERS_MAX + 1]; /* + host */
        unsigned n;
};

/* Insertion keeps duplicates in their order. */
static void set_insert(struct signed_set *set, struct http_header h) {
        unsigned at = set->n++;

        while (at > 0 && compare_names(set->headers[at - 1].name, h.name) > 0) {
                set->headers[at] = set->headers[at - 1];
                at--;
        }
        set->headers[at] = h;
}

static void set_fill(struct signed_set *set, const struct http_request *req, struct str url_host) {
        bool has_host = false;

        set->n = 0;
        for (unsigned i = 0; i < req->n_headers && i < HTTP_HEADERS_MAX; i++) {
                if (is_unsigned(req->headers[i].name))
                        continue;
                has_host |= compare_names(req->headers[i].name, STR("host")) == 0;
                set_insert(set, req->headers[i]);
        }
        if (!has_host)
                set_insert(set, (struct http_header){ .name = STR("host"), .value = url_host });
}

static void put_name(struct buf *out, struct str name) {
        char *p = buf_reserve(out, name.n);

        if (!p)
                return;
        for (size_t i = 0; i < name.n; i++)
                p[i] = lower(name.p[i]);
        buf_commit(out, name.n);
}

/* Without white space at the ends, and one space for each run of it. */
static void put_value(struct buf *out, struct str value) {
        char *p = buf_reserve(out, value.n);
        bool gap = false;
        size_t n = 0;

        if (!p)
                return;
        for (size_t i = 0; i < value.n; i++) {
                if (value.p[i] == ' ' || value.p[i] == '\t') {
                        gap = n > 0;
                        continue;
                }
                if (gap)
                        p[n++] = ' ';
                gap = false;
                p[n++] = value.p[i];
        }
        buf_commit(out, n);
}

static void put_headers(struct buf *out, const struct signed_set *set, struct buf *names) {
        for (unsigned i = 0; i < set->n; i++) {
                bool again = i > 0 && compare_names(set->headers[i - 1].name, set->headers[i].name) == 0;

                if (again) {
                        buf_truncate(out, out->n - MIN(out->n, 1u)); /* the line goes on */
                        buf_putc(out, ',');
                } else {
                        if (i > 0)
                                buf_putc(names, ';');
                        put_name(names, set->headers[i].name);
                        put_name(out, set->headers[i].name);
                        buf_putc(out, ':');
                }
                put_value(out, set->headers[i].value);
                buf_putc(out, '\n');
        }
}

/* Payload. */

static int put_payload_hash(struct buf *out, const struct http_request *req, const struct sigv4_params *p) {
        char hex[2 * SHA256_LEN + 1];
        uint8_t hash[SHA256_LEN];
        int r;

        if (p->payload_hash.n > 0) {
                buf_str(out, p->payload_hash);
                return buf_status(out);
        }
        for (unsigned i = 0; i < req->n_headers && i < HTTP_HEADERS_MAX; i++)
                if (compare_names(req->headers[i].name, STR("x-amz-content-sha256")) == 0) {
                        put_value(out, req->headers[i].value);
                        return buf_status(out);
                }
        r = sha256(req->body, hash);
        if (r)
                return r;
        sigv4_hex(hash, hex);
        buf_append(out, hex, 2 * SHA256_LEN);
        return buf_status(out);
}

int sigv4_canonical_request(const struct http_request *req, const struct sigv4_params *p, struct buf *out,
                            struct buf *signed_headers) {
        struct signed_set set;
        struct url url;
        int r;

        if (!split_url(req->url, &url))
                return -EINVAL;
        (void)buf_reserve(out, 1024); /* most requests fit, in one allocation */
        buf_puts(out, req->method);
        buf_putc(out, '\n');
        r = put_path(out, url.path, p);
        if (r)
                return r;
        buf_putc(out, '\n');
        r = put_query(out, url.query);
        if (r)
                return r;
        buf_putc(out, '\n');
        set_fill(&set, req, url.host);
        (void)buf_reserve(signed_headers, 128);
        put_headers(out, &set, signed_headers);
        buf_putc(out, '\n');
        buf_str(out, buf_view(signed_headers));
        buf_putc(out, '\n');
        r = put_payload_hash(out, req, p);
        return r ? r : buf_status(signed_headers);
}
