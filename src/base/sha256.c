/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-256 (FIPS 180-4), by OpenSSL.  It looks the algorithm up by name and makes a context, which costs as much as hashing a
 * small request: the one is done once, and each thread keeps the other.
 */
#include "ddbfs/base/encode.h"

#include <errno.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <string.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static EVP_MD *md;
static pthread_key_t own; /* EVP_MD_CTX */
static bool have_own;

static void free_ctx(void *ctx) {
        EVP_MD_CTX_free(ctx);
}

static void prepare(void) {
        md = EVP_MD_fetch(NULL, "SHA256", NULL);
        have_own = pthread_key_create(&own, free_ctx) == 0;
}

/* NULL: no memory. */
static EVP_MD_CTX *ctx_of_thread(void) {
        EVP_MD_CTX *ctx;

        pthread_once(&once, prepare);
        if (!md || !have_own)
                return NULL;
        ctx = pthread_getspecific(own);
        if (ctx)
                return ctx;
        ctx = EVP_MD_CTX_new();
        if (ctx && pthread_setspecific(own, ctx)) {
                EVP_MD_CTX_free(ctx);
                return NULL;
        }
        return ctx;
}

static bool add(EVP_MD_CTX *ctx, struct str in) {
        return in.n == 0 || EVP_DigestUpdate(ctx, in.p, in.n) == 1;
}

int sha256_two(struct str a, struct str b, uint8_t out[SHA256_LEN]) {
        EVP_MD_CTX *ctx = ctx_of_thread();

        if (ctx && EVP_DigestInit_ex2(ctx, md, NULL) == 1 && add(ctx, a) && add(ctx, b) && EVP_DigestFinal_ex(ctx, out, NULL) == 1)
                return 0;
        memset(out, 0, SHA256_LEN);
        return -ENOMEM;
}

int sha256(struct str in, uint8_t out[SHA256_LEN]) {
        return sha256_two(in, STR_NULL, out);
}

/* The stream is the digest's own context under another name. */
static EVP_MD_CTX *md_ctx(struct sha256_stream *s) {
        return (EVP_MD_CTX *)(void *)s;
}

struct sha256_stream *sha256_begin(void) {
        EVP_MD_CTX *c;

        pthread_once(&once, prepare);
        c = md ? EVP_MD_CTX_new() : NULL;
        if (c && EVP_DigestInit_ex2(c, md, NULL) != 1) {
                EVP_MD_CTX_free(c);
                return NULL;
        }
        return (struct sha256_stream *)(void *)c;
}

int sha256_add(struct sha256_stream *s, struct str in) {
        return s && add(md_ctx(s), in) ? 0 : -ENOMEM;
}

int sha256_end(struct sha256_stream *s, uint8_t out[SHA256_LEN]) {
        bool ok = s && (!out || EVP_DigestFinal_ex(md_ctx(s), out, NULL) == 1);

        EVP_MD_CTX_free(md_ctx(s));
        return ok ? 0 : -ENOMEM;
}
