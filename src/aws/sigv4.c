/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signature Version 4: hashing, string to sign, key derivation, authorization.  The canonical request is
 * in sigv4_canonical.c.  Pure but for the key cache, whose lock is never held while hashing.
 */
#include "sigv4_internal.h"

#include <errno.h>
#include <openssl/crypto.h>
#include "ddbfs/base/clock.h"
#include "ddbfs/base/mutex.h"

#define ALGORITHM "AWS4-HMAC-SHA256"
#define DAY_LEN 8 /* "20150830" */
#define HMAC_BLOCK_LEN 64
#define TEXT_MAX (64 * KIB) /* of a string to sign, an Authorization value */

void sigv4_hex(const uint8_t hash[SHA256_LEN], char out[2 * SHA256_LEN + 1]) {
        static const char digits[] = "0123456789abcdef";

        for (size_t i = 0; i < SHA256_LEN; i++) {
                out[2 * i] = digits[hash[i] >> 4];
                out[2 * i + 1] = digits[hash[i] & 15];
        }
        out[2 * SHA256_LEN] = 0;
}

/* HMAC (RFC 2104) with a key of at most one block. */
static int hmac(struct str key, struct str in, uint8_t out[SHA256_LEN]) {
        char inner[HMAC_BLOCK_LEN], outer[HMAC_BLOCK_LEN];
        uint8_t hash[SHA256_LEN];
        int r;

        for (size_t i = 0; i < HMAC_BLOCK_LEN; i++) {
                char k = i < key.n ? key.p[i] : 0;

                inner[i] = (char)(k ^ 0x36);
                outer[i] = (char)(k ^ 0x5c);
        }
        r = sha256_two(str_make(inner, sizeof(inner)), in, hash);
        if (!r)
                r = sha256_two(str_make(outer, sizeof(outer)), str_make(hash, sizeof(hash)), out);
        OPENSSL_cleanse(inner, sizeof(inner));
        OPENSSL_cleanse(outer, sizeof(outer));
        return r;
}

static int derive_key(struct str secret, struct str day, struct str region, struct str service,
                      uint8_t key[SHA256_LEN]) {
        const struct str steps[] = { day, region, service, STR("aws4_request") };
        char first[HMAC_BLOCK_LEN] = "AWS4";
        struct str k = str_make(first, SHA256_LEN);
        int r = 0;

        if (secret.n + 4 <= sizeof(first)) {
                if (secret.n > 0)
                        memcpy(first + 4, secret.p, secret.n);
                k.n = secret.n + 4;
        } else {
                r = sha256_two(STR("AWS4"), secret, (uint8_t *)first); /* what HMAC does to long keys */
        }
        for (size_t i = 0; !r && i < ARRAY_LEN(steps); i++) {
                r = hmac(k, steps[i], key);
                k = str_make(key, SHA256_LEN);
        }
        OPENSSL_cleanse(first, sizeof(first));
        return r;
}

/* The key cache: the last key derived.  What does not fit is derived each time. */
struct sigv4_key_cache {
        struct mutex lock;
        bool filled; /* all below: lock */
        char day[DAY_LEN];
        char region[64], service[32], secret[128];
        size_t region_n, service_n, secret_n;
        uint8_t key[SHA256_LEN];
};

int sigv4_key_cache_new(struct sigv4_key_cache **ret) {
        struct sigv4_key_cache *c = mem_zalloc(sizeof(*c));

        if (!c)
                return -ENOMEM;
        mutex_init(&c->lock);
        *ret = c;
        return 0;
}

struct sigv4_key_cache *sigv4_key_cache_free(struct sigv4_key_cache *c) {
        if (!c)
                return NULL;
        mutex_deinit(&c->lock);
        return mem_free_secret(c, sizeof(*c));
}

static bool cache_find(struct sigv4_key_cache *c, struct str day, const struct sigv4_params *p,
                       uint8_t key[SHA256_LEN]) {
        bool found;

        mutex_lock(&c->lock);
        found = c->filled && str_eq(str_make(c->day, DAY_LEN), day) &&
                str_eq(str_make(c->region, c->region_n), p->region) &&
                str_eq(str_make(c->service, c->service_n), p->service) &&
                str_eq(str_make(c->secret, c->secret_n), p->secret_access_key);
        if (found)
                memcpy(key, c->key, SHA256_LEN);
        mutex_unlock(&c->lock);
        return found;
}

static size_t copy(char *to, struct str s) {
        if (s.n > 0)
                memcpy(to, s.p, s.n);
        return s.n;
}

static void cache_store(struct sigv4_key_cache *c, struct str day, const struct sigv4_params *p,
                        const uint8_t key[SHA256_LEN]) {
        if (p->region.n > sizeof(c->region) || p->service.n > sizeof(c->service) ||
            p->secret_access_key.n > sizeof(c->secret))
                return;
        mutex_lock(&c->lock);
        copy(c->day, day);
        c->region_n = copy(c->region, p->region);
        c->service_n = copy(c->service, p->service);
        c->secret_n = copy(c->secret, p->secret_access_key);
        memcpy(c->key, key, SHA256_LEN);
        c->filled = true;
        mutex_unlock(&c->lock);
}

/* The stages. */

static void put_scope(struct buf *out, const char *date, const struct sigv4_params *p) {
        buf_append(out, date, DAY_LEN);
        buf_putc(out, '/');
        buf_str(out, p->region);
        buf_putc(out, '/');
        buf_str(out, p->service);
        buf_puts(out, "/aws4_request");
}

int sigv4_string_to_sign(struct str canonical_request, const struct sigv4_params *p, struct buf *out) {
        char date[CLOCK_AMZ_LEN], hex[2 * SHA256_LEN + 1];
        uint8_t hash[SHA256_LEN];
        int r;

        r = sha256(canonical_request, hash);
        if (r)
                return r;
        sigv4_hex(hash, hex);
        clock_format_amz(p->wall_s, date);
        buf_puts(out, ALGORITHM "\n");
        buf_puts(out, date);
        buf_putc(out, '\n');
        put_scope(out, date, p);
        buf_putc(out, '\n');
        buf_append(out, hex, 2 * SHA256_LEN);
        return buf_status(out);
}

int sigv4_signature(struct str string_to_sign, const struct sigv4_params *p, struct sigv4_key_cache *cache,
                    char out_hex[2 * SHA256_LEN + 1]) {
        uint8_t key[SHA256_LEN], signature[SHA256_LEN];
        char date[CLOCK_AMZ_LEN];
        struct str day = str_make(date, DAY_LEN);
        int r = 0;

        clock_format_amz(p->wall_s, date);
        if (!cache || !cache_find(cache, day, p, key)) {
                r = derive_key(p->secret_access_key, day, p->region, p->service, key);
                if (!r && cache)
                        cache_store(cache, day, p, key);
        }
        if (!r)
                r = hmac(str_make(key, sizeof(key)), string_to_sign, signature);
        OPENSSL_cleanse(key, sizeof(key));
        if (r)
                return r;
        sigv4_hex(signature, out_hex);
        return 0;
}

int sigv4_authorization(struct str signature_hex, struct str signed_headers, const struct sigv4_params *p,
                        struct buf *out) {
        char date[CLOCK_AMZ_LEN];

        clock_format_amz(p->wall_s, date);
        buf_puts(out, ALGORITHM " Credential=");
        buf_str(out, p->access_key_id);
        buf_putc(out, '/');
        put_scope(out, date, p);
        buf_puts(out, ", SignedHeaders=");
        buf_str(out, signed_headers);
        buf_puts(out, ", Signature=");
        buf_str(out, signature_hex);
        return buf_status(out);
}

int sigv4_sign(const struct http_request *req, const struct sigv4_params *p, struct sigv4_key_cache *cache,
               struct buf *out) {
        _cleanup_(buf_deinit) struct buf canonical = BUF_INIT(HTTP_HEADER_BYTES_MAX + 4 * TEXT_MAX);
        _cleanup_(buf_deinit) struct buf signed_headers = BUF_INIT(HTTP_HEADER_BYTES_MAX);
        _cleanup_(buf_deinit) struct buf to_sign = BUF_INIT(TEXT_MAX);
        char signature[2 * SHA256_LEN + 1];
        int r;

        r = sigv4_canonical_request(req, p, &canonical, &signed_headers);
        if (r)
                return r;
        r = sigv4_string_to_sign(buf_view(&canonical), p, &to_sign);
        if (r)
                return r;
        r = sigv4_signature(buf_view(&to_sign), p, cache, signature);
        if (r)
                return r;
        return sigv4_authorization(str_make(signature, 2 * SHA256_LEN), buf_view(&signed_headers), p, out);
}
