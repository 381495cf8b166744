/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Responses: the header lines as they come from the wire.  Pure.  Hostile input costs at most
 * HTTP_HEADERS_MAX headers and HTTP_HEADER_BYTES_MAX bytes; what is beyond is not kept.
 */
#include "http_internal.h"

#include <errno.h>
#include "ddbfs/base/clock.h"

/* names and values, the rounding of each and the arena's own chunks */
#define ARENA_MAX (4 * HTTP_HEADER_BYTES_MAX)

void http_response_init(struct http_response *r) {
        *r = (struct http_response){ .arena = ARENA_INIT(ARENA_MAX), .body = BUF_INIT(HTTP_BODY_MAX_DEFAULT) };
}

void http_response_deinit(struct http_response *r) {
        arena_deinit(&r->arena);
        buf_deinit(&r->body);
        r->n_headers = 0;
}

static void forget_headers(struct http_response *r) {
        r->status = 0;
        r->n_headers = 0;
        r->received_wall_s = 0;
        arena_reset(&r->arena);
}

void http_response_reset(struct http_response *r) {
        forget_headers(r);
        buf_reset(&r->body);
        r->sends = 0;
        r->bytes_sent = 0;
}

void http_response_begin(struct http_response *r, size_t max_body) {
        http_response_reset(r);
        r->body.max = max_body ? max_body : HTTP_BODY_MAX_DEFAULT;
}

struct str http_response_header(const struct http_response *r, const char *lower_case_name) {
        struct str name = str_of(lower_case_name);

        for (unsigned i = 0; i < r->n_headers; i++)
                if (str_eq(r->headers[i].name, name))
                        return r->headers[i].value;
        return STR_NULL;
}

static bool is_blank(char c) {
        return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct str trim(struct str s) {
        while (s.n && is_blank(s.p[0]))
                s = str_skip(s, 1);
        while (s.n && is_blank(s.p[s.n - 1]))
                s.n--;
        return s;
}

static size_t header_bytes(const struct http_response *r) {
        size_t n = 0;

        for (unsigned i = 0; i < r->n_headers; i++)
                n += r->headers[i].name.n + r->headers[i].value.n;
        return n;
}

/* "HTTP/1.1 200 OK" */
static int parse_status(struct str line) {
        const char *space = memchr(line.p, ' ', line.n);
        struct str s = space ? str_skip(line, (size_t)(space - line.p) + 1) : STR_NULL;
        int status = 0;

        if (s.n < 3)
                return 0;
        for (unsigned i = 0; i < 3; i++) {
                if (s.p[i] < '0' || s.p[i] > '9')
                        return 0;
                status = 10 * status + (s.p[i] - '0');
        }
        return status;
}

/* 0, or -ENOMEM.  Lines that are no header are skipped: libcurl has already refused what it cannot read. */
int http_response_line(struct http_response *r, struct str line) {
        struct str name, value;
        const char *colon;
        char *lower;

        line = trim(line);
        if (str_starts(line, STR("HTTP/"))) {
                /* an interim response (100) or a proxy's may have come before */
                forget_headers(r);
                r->status = parse_status(line);
                r->received_wall_s = clock_wall_s();
                return 0;
        }
        colon = line.n ? memchr(line.p, ':', line.n) : NULL;
        if (!colon || colon == line.p || r->n_headers == HTTP_HEADERS_MAX)
                return 0;
        name = str_make(line.p, (size_t)(colon - line.p));
        value = trim(str_skip(line, name.n + 1));
        if (header_bytes(r) + name.n + value.n > HTTP_HEADER_BYTES_MAX)
                return 0;

        lower = arena_bytes(&r->arena, name.n + value.n);
        if (!lower)
                return -ENOMEM;
        for (size_t i = 0; i < name.n; i++)
                lower[i] = (char)(name.p[i] >= 'A' && name.p[i] <= 'Z' ? name.p[i] | 0x20 : name.p[i]);
        if (value.n)
                memcpy(lower + name.n, value.p, value.n);
        r->headers[r->n_headers++] = (struct http_header){
                .name = str_make(lower, name.n),
                .value = str_make(lower + name.n, value.n),
        };
        return 0;
}
