/* SPDX-License-Identifier: Apache-2.0 */
/* Header lines of a response, as the network gives them (one a line of the input).  Whatever they are, the
 * caps hold, names are lower-case, and reading the parsed headers again gives the same. */
#include "../../src/http/http_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check(int condition) {
        if (!condition)
                __builtin_trap();
}

static size_t check_headers(const struct http_response *r) {
        size_t total = 0;

        check(r->n_headers <= HTTP_HEADERS_MAX);
        check(r->status >= 0 && r->status <= 999);
        for (unsigned i = 0; i < r->n_headers; i++) {
                struct str name = r->headers[i].name;

                check(name.n > 0);
                for (size_t k = 0; k < name.n; k++)
                        check(name.p[k] != ':' && !(name.p[k] >= 'A' && name.p[k] <= 'Z'));
                total += name.n + r->headers[i].value.n;
        }
        check(total <= HTTP_HEADER_BYTES_MAX);
        return total;
}

static void check_again(const struct http_response *r) {
        struct http_response again;

        http_response_init(&again);
        for (unsigned i = 0; i < r->n_headers; i++) {
                struct buf line = BUF_INIT(2 * HTTP_HEADER_BYTES_MAX);

                buf_str(&line, r->headers[i].name);
                buf_puts(&line, ": ");
                buf_str(&line, r->headers[i].value);
                buf_puts(&line, "\r\n");
                if (http_response_line(&again, buf_view(&line)) == 0 && again.n_headers == i + 1) {
                        check(str_eq(again.headers[i].name, r->headers[i].name));
                        check(str_eq(again.headers[i].value, r->headers[i].value));
                }
                buf_deinit(&line);
                if (again.n_headers != i + 1)
                        break;
        }
        check(again.n_headers == r->n_headers);
        http_response_deinit(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
        struct str rest = str_make(data, n);
        struct http_response r;

        http_response_init(&r);
        http_response_begin(&r, 0);
        while (rest.n) {
                const char *end = memchr(rest.p, '\n', rest.n);
                size_t k = end ? (size_t)(end - rest.p) + 1 : rest.n;

                if (http_response_line(&r, str_make(rest.p, k)))
                        break;
                rest = str_skip(rest, k);
        }
        check_headers(&r);
        check_again(&r);
        http_response_deinit(&r);
        return 0;
}
