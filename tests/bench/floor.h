/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the floors share: text that grows, and signatures. */
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#define HEX_SIZE 65

struct text {
        char *p;
        size_t n, size;
};

static _Noreturn void die(const char *what, const char *more) {
        (void)fprintf(stderr, "floor: %s: %s\n", what, more);
        exit(1);
}

/* Room for n more bytes, and a NUL. */
static inline void reserve(struct text *t, size_t n) {
        if (t->size - t->n > n)
                return;
        t->size = 2 * (t->n + n) + 4096;
        t->p = realloc(t->p, t->size);
        if (!t->p)
                die("memory", "no more");
}

static inline void add(struct text *t, const char *p, size_t n) {
        reserve(t, n);
        memcpy(t->p + t->n, p, n);
        t->n += n;
        t->p[t->n] = '\0';
}

static inline void hex(const unsigned char *p, char ret[static HEX_SIZE]) {
        for (size_t i = 0; i < 32; i++)
                (void)snprintf(ret + 2 * i, 3, "%02x", p[i]);
}

static inline void sha256_hex(const char *p, size_t n, char ret[static HEX_SIZE]) {
        unsigned char digest[EVP_MAX_MD_SIZE];

        if (!EVP_Digest(p, n, digest, NULL, EVP_sha256(), NULL))
                die("OpenSSL", "digest");
        hex(digest, ret);
}

static inline void hmac(const void *key, size_t n_key, const char *text, unsigned char ret[static 32]) {
        if (!HMAC(EVP_sha256(), key, (int)n_key, (const unsigned char *)text, strlen(text), ret, NULL))
                die("OpenSSL", "HMAC");
}

/* Signature version 4: the key of a day, region and service. */
struct signing {
        const char *key_id, *region, *service;
        char day[9];
        unsigned char key[32];
};

static inline void prepare_signing(struct signing *s, const char *key_id, const char *secret, const char *region,
                                   const char *service) {
        time_t now = time(NULL);
        char start[256];
        struct tm tm;

        s->key_id = key_id;
        s->region = region;
        s->service = service;
        (void)gmtime_r(&now, &tm);
        (void)strftime(s->day, sizeof(s->day), "%Y%m%d", &tm);
        (void)snprintf(start, sizeof(start), "AWS4%s", secret);
        hmac(start, strlen(start), s->day, s->key);
        hmac(s->key, 32, s->region, s->key);
        hmac(s->key, 32, s->service, s->key);
        hmac(s->key, 32, "aws4_request", s->key);
}

static inline void amz_date(const struct signing *s, char ret[static 32]) {
        time_t now = time(NULL);
        struct tm tm;

        (void)gmtime_r(&now, &tm);
        (void)snprintf(ret, 32, "%sT%02d%02d%02dZ", s->day, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

/* The Authorization header of a canonical request. */
static inline void authorize(const struct signing *s, const char *canonical, const char *date,
                             const char *signed_headers, char *ret, size_t n) {
        char digest[HEX_SIZE], to_sign[256];
        unsigned char mac[32];

        sha256_hex(canonical, strlen(canonical), digest);
        (void)snprintf(to_sign, sizeof(to_sign), "AWS4-HMAC-SHA256\n%s\n%s/%s/%s/aws4_request\n%s", date, s->day,
                       s->region, s->service, digest);
        hmac(s->key, 32, to_sign, mac);
        hex(mac, digest);
        (void)snprintf(ret, n, "Authorization: AWS4-HMAC-SHA256 Credential=%s/%s/%s/%s/aws4_request, SignedHeaders=%s, "
                       "Signature=%s", s->key_id, s->day, s->region, s->service, signed_headers, digest);
}
