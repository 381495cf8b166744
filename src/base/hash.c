/* SPDX-License-Identifier: Apache-2.0 */
/* SipHash-c-d, after the paper "SipHash: a fast short-input PRF": c rounds a word, d at the end.  The seed goes into
 * the key. */
#include "ddbfs/base/hash.h"

#include <pthread.h>
#include "ddbfs/base/rng.h"

/* Never to be changed: inode numbers come from it. */
#define STABLE_KEY_0 UINT64_C(0x6464626673206b30)
#define STABLE_KEY_1 UINT64_C(0x9e3779b97f4a7c15)

static pthread_once_t process_key_once = PTHREAD_ONCE_INIT;
static uint64_t process_key[2];

static uint64_t rotate(uint64_t x, unsigned bits) {
        return (x << bits) | (x >> (64 - bits));
}

static uint64_t load_le64(const uint8_t *p) {
        uint64_t x;

        memcpy(&x, p, sizeof(x));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        x = __builtin_bswap64(x);
#endif
        return x;
}

static inline void rounds(uint64_t v[4], unsigned n) {
        while (n--) {
                v[0] += v[1];
                v[2] += v[3];
                v[1] = rotate(v[1], 13) ^ v[0];
                v[3] = rotate(v[3], 16) ^ v[2];
                v[0] = rotate(v[0], 32);
                v[2] += v[1];
                v[0] += v[3];
                v[1] = rotate(v[1], 17) ^ v[2];
                v[3] = rotate(v[3], 21) ^ v[0];
                v[2] = rotate(v[2], 32);
        }
}

static inline void absorb(uint64_t v[4], uint64_t word, unsigned c) {
        v[3] ^= word;
        rounds(v, c);
        v[0] ^= word;
}

static inline __attribute__((always_inline)) uint64_t siphash(uint64_t k0, uint64_t k1, struct str s, unsigned c,
                                                              unsigned d) {
        const uint8_t *p = (const uint8_t *)s.p;
        uint64_t last = (uint64_t)s.n << 56; /* the last word: what is left, and the length modulo 256 */
        uint64_t v[4] = {
                k0 ^ UINT64_C(0x736f6d6570736575),
                k1 ^ UINT64_C(0x646f72616e646f6d),
                k0 ^ UINT64_C(0x6c7967656e657261),
                k1 ^ UINT64_C(0x7465646279746573),
        };
        size_t n;

        for (n = s.n; n >= 8; n -= 8, p += 8)
                absorb(v, load_le64(p), c);
        if (n > 0 && s.n >= 8)
                last |= load_le64(p + n - 8) >> (64 - 8 * n);
        else
                while (n--)
                        last |= (uint64_t)p[n] << (8 * n);
        absorb(v, last, c);
        v[2] ^= 0xff;
        rounds(v, d);
        return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t hash_siphash(uint64_t k0, uint64_t k1, struct str s) {
        return siphash(k0, k1, s, 2, 4);
}

uint64_t hash_siphash13(uint64_t k0, uint64_t k1, struct str s) {
        return siphash(k0, k1, s, 1, 3);
}

static void make_process_key(void) {
        rng_kernel(process_key, sizeof(process_key));
}

uint64_t hash_seeded(uint64_t seed, struct str s) {
        pthread_once(&process_key_once, make_process_key);
        return hash_siphash13(process_key[0] ^ seed, process_key[1], s);
}

uint64_t hash_stable(uint64_t seed, struct str s) {
        return hash_siphash(STABLE_KEY_0 ^ seed, STABLE_KEY_1, s);
}
