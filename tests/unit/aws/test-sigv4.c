/* SPDX-License-Identifier: Apache-2.0 */
/* The signer, stage by stage, over sigv4-cases.h; then what no published case covers. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include "ddbfs/aws/sigv4.h"
#include "ddbfs/base/clock.h"
#include "sigv4-cases.h"
#include "../suite.h"

#define OUT_MAX (64 * KIB)

/* The URL with its path percent-encoded, as a client would send it. */
static void encode_path(struct buf *out, const char *url) {
        const char *path = strchr(strstr(url, "://") + 3, '/'), *query;

        ck_assert_ptr_nonnull(path);
        query = path + strcspn(path, "?");
        buf_append(out, url, (size_t)(path - url));
        percent_encode(out, str_make(path, (size_t)(query - path)), true);
        buf_puts(out, query);
}

static void make(const struct sigv4_case *c, struct buf *url, struct http_request *req, struct sigv4_params *p) {
        if (c->flags & RAW)
                encode_path(url, c->url);
        else
                buf_puts(url, c->url);
        *req = (struct http_request){ .method = c->method, .url = buf_view(url), .body = str_of(c->body) };
        while (req->n_headers < ARRAY_LEN(c->headers) && c->headers[req->n_headers][0]) {
                req->headers[req->n_headers].name = str_of(c->headers[req->n_headers][0]);
                req->headers[req->n_headers].value = str_of(c->headers[req->n_headers][1]);
                req->n_headers++;
        }
        *p = (struct sigv4_params){
                .access_key_id = STR("AKIDEXAMPLE"),
                .secret_access_key = str_of(c->secret),
                .region = str_of(c->region),
                .service = str_of(c->service),
                .wall_s = c->wall_s,
                .normalize_path = c->flags & NORMALIZE,
                .double_encode_path = c->flags & DOUBLE_ENCODE,
        };
}

static void assert_text(const struct buf *b, const char *expected, const char *name) {
        ck_assert_int_eq(buf_status(b), 0);
        ck_assert_msg(str_eq(buf_view(b), str_of(expected)), "%s:\n%s\nexpected:\n%s", name, buf_view(b).p, expected);
}

/* What the stages before leave to compare: their texts made of the case's own values. */
static void expected_string_to_sign(const struct sigv4_case *c, struct buf *out) {
        char date[CLOCK_AMZ_LEN];

        clock_format_amz(c->wall_s, date);
        buf_printf(out, "AWS4-HMAC-SHA256\n%s\n%.8s/%s/%s/aws4_request\n%s", date, date, c->region, c->service,
                   c->canonical_hash);
}

static void expected_authorization(const struct sigv4_case *c, struct buf *out) {
        const char *hash = strrchr(c->canonical, '\n'), *names = hash;
        char date[CLOCK_AMZ_LEN];

        while (names[-1] != '\n')
                names--;
        clock_format_amz(c->wall_s, date);
        buf_printf(out,
                   "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/%.8s/%s/%s/aws4_request, SignedHeaders=%.*s, Signature=%s",
                   date, c->region, c->service, (int)(hash - names), names, c->signature);
}

START_TEST(stages) {
        const struct sigv4_case *c = &sigv4_cases[_i];
        struct buf url = BUF_INIT(OUT_MAX), out = BUF_INIT(OUT_MAX), names = BUF_INIT(OUT_MAX),
                   want = BUF_INIT(OUT_MAX);
        struct sigv4_params p;
        struct http_request req;
        char hex[2 * SHA256_LEN + 1];

        make(c, &url, &req, &p);
        ck_assert_int_eq(sigv4_canonical_request(&req, &p, &out, &names), 0);
        assert_text(&out, c->canonical, c->name);

        buf_reset(&out);
        ck_assert_int_eq(sigv4_string_to_sign(str_of(c->canonical), &p, &out), 0);
        expected_string_to_sign(c, &want);
        assert_text(&out, want.p, c->name);

        ck_assert_int_eq(sigv4_signature(buf_view(&out), &p, NULL, hex), 0);
        ck_assert_str_eq(hex, c->signature);

        buf_reset(&out);
        buf_reset(&want);
        expected_authorization(c, &want);
        ck_assert_int_eq(sigv4_authorization(str_of(c->signature), buf_view(&names), &p, &out), 0);
        assert_text(&out, want.p, c->name);

        buf_reset(&out);
        ck_assert_int_eq(sigv4_sign(&req, &p, NULL, &out), 0);
        assert_text(&out, want.p, c->name);
        buf_deinit(&url);
        buf_deinit(&out);
        buf_deinit(&names);
        buf_deinit(&want);
}
END_TEST

/* One cache for all cases in turn: each of them changes some part of the key. */
START_TEST(key_cache_never_mixes_keys) {
        struct sigv4_key_cache *cache;

        ck_assert_int_eq(sigv4_key_cache_new(&cache), 0);
        for (size_t i = 0; i < 2 * ARRAY_LEN(sigv4_cases); i++) {
                const struct sigv4_case *c = &sigv4_cases[i / 2]; /* each twice: derived, cached */
                struct buf text = BUF_INIT(OUT_MAX), url = BUF_INIT(OUT_MAX);
                struct http_request req;
                struct sigv4_params p;
                char hex[2 * SHA256_LEN + 1];

                make(c, &url, &req, &p);
                expected_string_to_sign(c, &text);
                ck_assert_int_eq(sigv4_signature(buf_view(&text), &p, cache, hex), 0);
                ck_assert_str_eq(hex, c->signature);
                buf_deinit(&text);
                buf_deinit(&url);
        }
        sigv4_key_cache_free(cache);
        ck_assert_ptr_null(sigv4_key_cache_free(NULL));
}
END_TEST

/* Each part of the key counts, and what is too long for the cache is derived each time. */
START_TEST(key_cache_parts) {
        static const struct {
                const char *secret, *region, *service;
                int64_t wall_s;
        } keys[] = {
                { "secret", "us-east-1", "dynamodb", 0 },
                { "secreT", "us-east-1", "dynamodb", 0 },
                { "secret", "us-east-2", "dynamodb", 0 },
                { "secret", "us-east-1", "dynamodc", 0 },
                { "secret", "us-east-1", "dynamodb", 86400 },
                { "", "", "", 0 },
                { "secret", "a-region-of-more-than-sixty-four-characters-which-nobody-has-ever-seen-1", "dynamodb", 0 },
        };
        char plain[2 * SHA256_LEN + 1], cached[2 * SHA256_LEN + 1], seen[ARRAY_LEN(keys)][2 * SHA256_LEN + 1];
        struct sigv4_key_cache *cache;

        ck_assert_int_eq(sigv4_key_cache_new(&cache), 0);
        for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
                struct sigv4_params p = {
                        .secret_access_key = str_of(keys[i].secret),
                        .region = str_of(keys[i].region),
                        .service = str_of(keys[i].service),
                        .wall_s = keys[i].wall_s,
                };
                struct sigv4_params first = {
                        .secret_access_key = str_of(keys[0].secret),
                        .region = str_of(keys[0].region),
                        .service = str_of(keys[0].service),
                        .wall_s = keys[0].wall_s,
                };

                ck_assert_int_eq(sigv4_signature(STR("text"), &first, cache, cached), 0);
                ck_assert_int_eq(sigv4_signature(STR("text"), &p, NULL, plain), 0);
                for (unsigned again = 0; again < 2; again++) {
                        ck_assert_int_eq(sigv4_signature(STR("text"), &p, cache, cached), 0);
                        ck_assert_str_eq(cached, plain);
                }
                for (size_t k = 0; k < i; k++)
                        ck_assert_str_ne(seen[k], plain);
                memcpy(seen[i], plain, sizeof(plain));
        }
        sigv4_key_cache_free(cache);
}
END_TEST

struct signing_thread {
        pthread_t id;
        struct sigv4_key_cache *cache;
        bool wrong;
};

static void *sign_repeatedly(void *arg) {
        struct signing_thread *t = arg;

        for (size_t i = 0; i < 400; i++) {
                const struct sigv4_case *c = &sigv4_cases[i % ARRAY_LEN(sigv4_cases)];
                struct buf text = BUF_INIT(OUT_MAX), url = BUF_INIT(OUT_MAX);
                struct http_request req;
                struct sigv4_params p;
                char hex[2 * SHA256_LEN + 1];

                make(c, &url, &req, &p);
                expected_string_to_sign(c, &text);
                if (sigv4_signature(buf_view(&text), &p, t->cache, hex) || strcmp(hex, c->signature) != 0)
                        t->wrong = true;
                buf_deinit(&text);
                buf_deinit(&url);
        }
        return NULL;
}

START_TEST(key_cache_threads) {
        struct signing_thread threads[4] = { 0 };

        ck_assert_int_eq(sigv4_key_cache_new(&threads[0].cache), 0);
        for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
                threads[i].cache = threads[0].cache;
                ck_assert_int_eq(pthread_create(&threads[i].id, NULL, sign_repeatedly, &threads[i]), 0);
        }
        for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
                pthread_join(threads[i].id, NULL);
                ck_assert(!threads[i].wrong);
        }
        sigv4_key_cache_free(threads[0].cache);
}
END_TEST

/* The first three lines of the canonical request. */
static const struct {
        const char *url;
        unsigned flags;
        const char *expected; /* path, newline, query */
} targets[] = {
        { "https://h", NORMALIZE | DOUBLE_ENCODE, "/\n" },
        { "https://h?a=b", NORMALIZE | DOUBLE_ENCODE, "/\na=b" },
        { "https://h/", 0, "/\n" },
        { "https://h/?", 0, "/\n" },
        { "https://h/#f?a", 0, "/\n" },
        { "https://h/a?b#c", 0, "/a\nb=" },
        { "https://h/a?b?c=/d?", 0, "/a\nb%3Fc=%2Fd%3F" },
        { "https://h/?&&a&&=v&", 0, "/\n=v&a=" },
        { "https://h/?a==&a=%3D", 0, "/\na=%3D&a=%3D" },
        { "https://h/?a=%e1%88%b4&%7e=%7E", 0, "/\na=%E1%88%B4&~=~" },
        { "https://h/?a=%&b=%4&c=%zz&d=+", 0, "/\na=%25&b=%254&c=%25zz&d=%2B" },
        { "https://h/?\xE1\x88\xB4=\xC3\xA9 x", 0, "/\n%E1%88%B4=%C3%A9%20x" },
        { "https://h/?b=1&a=2&A=3&a.b=4&a-b=5&a%20=6", 0, "/\nA=3&a=2&a%20=6&a-b=5&a.b=4&b=1" },
        { "https://h/..", NORMALIZE, "/\n" },
        { "https://h/../../a/..", NORMALIZE, "/\n" },
        { "https://h/a/..//../b/./", NORMALIZE, "/b/\n" },
        { "https://h/a/b/../..", NORMALIZE, "/\n" },
        { "https://h/...", NORMALIZE, "/...\n" },
        { "https://h/.a/..b/c..", NORMALIZE, "/.a/..b/c..\n" },
        { "https://h//a//", NORMALIZE, "/a/\n" },
        { "https://h//a//..", 0, "//a//..\n" },
        { "https://h/a/../b%20c", DOUBLE_ENCODE, "/a/../b%2520c\n" },
        { "https://user@h:1/x", 0, "/x\n" },
};

START_TEST(target) {
        struct http_request req = { .method = "GET", .url = str_of(targets[_i].url) };
        struct sigv4_params p = {
                .normalize_path = targets[_i].flags & NORMALIZE,
                .double_encode_path = targets[_i].flags & DOUBLE_ENCODE,
        };
        struct buf out = BUF_INIT(OUT_MAX), names = BUF_INIT(OUT_MAX);
        char want[256];

        snprintf(want, sizeof(want), "GET\n%s\nhost:", targets[_i].expected);
        ck_assert_int_eq(sigv4_canonical_request(&req, &p, &out, &names), 0);
        ck_assert_msg(str_starts(buf_view(&out), str_of(want)), "%s gives\n%s", targets[_i].url, out.p);
        buf_deinit(&out);
        buf_deinit(&names);
}
END_TEST

static const struct {
        struct http_header headers[6];
        const char *lines, *names;
} header_cases[] = {
        { { { { 0 }, { 0 } } }, "host:h:1\n", "host" },
        { { { { "Host", 4 }, { "other", 5 } } }, "host:other\n", "host" },
        { { { { "A", 1 }, { " \t x \t y  ", 9 } } }, "a:x y\nhost:h:1\n", "a;host" },
        { { { { "A", 1 }, { "", 0 } }, { { "a", 1 }, { " ", 1 } }, { { "a", 1 }, { "z", 1 } } },
          "a:,,z\nhost:h:1\n",
          "a;host" },
        { { { { "User-Agent", 10 }, { "u", 1 } },
            { { "Authorization", 13 }, { "u", 1 } },
            { { "CONNECTION", 10 }, { "u", 1 } },
            { { "Proxy-Authorization", 19 }, { "u", 1 } },
            { { "accept-encoding", 15 }, { "u", 1 } },
            { { "X-Amzn-Trace-Id", 15 }, { "u", 1 } } },
          "host:h:1\n",
          "host" },
        { { { { "te", 2 }, { "u", 1 } },
            { { "tea", 3 }, { "u", 1 } },
            { { "proxy", 5 }, { "u", 1 } },
            { { "Expect", 6 }, { "", 0 } },
            { { "z", 1 }, { "1", 1 } },
            { { "b", 1 }, { "2", 1 } } },
          "b:2\nhost:h:1\nproxy:u\ntea:u\nz:1\n",
          "b;host;proxy;tea;z" },
};

START_TEST(headers) {
        struct http_request req = { .method = "POST", .url = STR("http://h:1/") };
        struct sigv4_params p = { .payload_hash = STR("UNSIGNED-PAYLOAD") };
        struct buf out = BUF_INIT(OUT_MAX), names = BUF_INIT(OUT_MAX);
        char want[256];

        for (;
             req.n_headers < ARRAY_LEN(header_cases[_i].headers) && header_cases[_i].headers[req.n_headers].name.n > 0;
             req.n_headers++)
                req.headers[req.n_headers] = header_cases[_i].headers[req.n_headers];
        ck_assert_int_eq(sigv4_canonical_request(&req, &p, &out, &names), 0);
        snprintf(want, sizeof(want), "POST\n/\n\n%s\n%s\nUNSIGNED-PAYLOAD", header_cases[_i].lines,
                 header_cases[_i].names);
        assert_text(&out, want, "headers");
        assert_text(&names, header_cases[_i].names, "names");
        buf_deinit(&out);
        buf_deinit(&names);
}
END_TEST

START_TEST(full_house) {
        struct http_request req = { .method = "POST", .url = STR("https://h/"), .n_headers = HTTP_HEADERS_MAX };
        struct buf out = BUF_INIT(OUT_MAX), names = BUF_INIT(OUT_MAX);
        struct sigv4_params p = { .wall_s = 0 };

        for (unsigned i = 0; i < HTTP_HEADERS_MAX; i++)
                req.headers[i] = (struct http_header){ .name = STR("x-a"), .value = STR("1") };
        ck_assert_int_eq(sigv4_canonical_request(&req, &p, &out, &names), 0);
        assert_text(&names, "host;x-a", "names");
        buf_deinit(&out);
        buf_deinit(&names);
}
END_TEST

START_TEST(refusals) {
        struct buf out = BUF_INIT(OUT_MAX), names = BUF_INIT(OUT_MAX), small = BUF_INIT(20), many = BUF_INIT(OUT_MAX);
        struct http_request req = { .method = "POST", .url = STR("/relative") };
        struct sigv4_params p = { .wall_s = 0 };

        ck_assert_int_eq(sigv4_canonical_request(&req, &p, &out, &names), -EINVAL);
        req.url = STR("");
        ck_assert_int_eq(sigv4_canonical_request(&req, &p, &out, &names), -EINVAL);
        req.url = STR("https:///x");
        ck_assert_int_eq(sigv4_canonical_request(&req, &p, &out, &names), -EINVAL);
        req.url = STR("https://h/");
        ck_assert_int_eq(sigv4_canonical_request(&req, &p, &small, &names), -EFBIG);
        ck_assert_int_eq(sigv4_sign(&req, &p, NULL, &small), -EFBIG);
        buf_puts(&many, "https://h/?");
        buf_fill(&many, '&', 1 << 12);
        req.url = buf_view(&many);
        buf_reset(&out);
        ck_assert_int_eq(sigv4_canonical_request(&req, &p, &out, &names), -EINVAL);
        buf_deinit(&out);
        buf_deinit(&names);
        buf_deinit(&small);
        buf_deinit(&many);
}
END_TEST

/* Every allocation may fail: -ENOMEM, or no need of it; and the next try succeeds. */
START_TEST(out_of_memory) {
        struct http_request req = { .method = "GET", .url = STR("https://h/a%20b/../c?x=1&y=2") };
        struct sigv4_params p = {
                .region = STR("r"), .service = STR("s"), .normalize_path = true, .double_encode_path = true
        };
        struct sigv4_key_cache *cache;
        unsigned long n = 0;
        int r = -ENOMEM;

        while (r) {
                struct buf out = BUF_INIT(OUT_MAX);

                cache = NULL;
                mem_fail_at(++n);
                r = sigv4_key_cache_new(&cache);
                if (!r)
                        r = sigv4_sign(&req, &p, cache, &out);
                mem_fail_at(0);
                ck_assert(r == 0 || r == -ENOMEM);
                sigv4_key_cache_free(cache);
                buf_deinit(&out);
                ck_assert_uint_lt(n, 100);
        }
        ck_assert_uint_gt(n, 5);
}
END_TEST

int main(void) {
        Suite *s = suite_create("sigv4");
        TCase *t = tcase_create("sigv4");

        suite_add_tcase(s, t);
        tcase_add_loop_test(t, stages, 0, (int)ARRAY_LEN(sigv4_cases));
        tcase_add_loop_test(t, target, 0, (int)ARRAY_LEN(targets));
        tcase_add_loop_test(t, headers, 0, (int)ARRAY_LEN(header_cases));
        tcase_add_test(t, full_house);
        tcase_add_test(t, key_cache_never_mixes_keys);
        tcase_add_test(t, key_cache_parts);
        tcase_add_test(t, key_cache_threads);
        tcase_add_test(t, refusals);
        tcase_add_test(t, out_of_memory);
        return suite_run(s);
}
