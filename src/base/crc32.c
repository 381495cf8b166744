/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The CRC of IEEE 802.3, which DynamoDB sends with each answer: by carry-less multiplication where the processor
 * has it, else by tables.
 */
#include <pthread.h>
#include "ddbfs/base/encode.h"

/* crc_table[k][b]: the CRC of byte b followed by k zero bytes; eight bytes then cost eight look-ups and
 * no dependency between them. */
static uint32_t crc_table[8][256];
static pthread_once_t crc_once = PTHREAD_ONCE_INIT;

static void make_crc_table(void) {
        for (uint32_t b = 0; b < 256; b++) {
                uint32_t crc = b;

                for (unsigned bit = 0; bit < 8; bit++)
                        crc = crc >> 1 ^ (crc & 1 ? UINT32_C(0xedb88320) : 0);
                crc_table[0][b] = crc;
        }
        for (unsigned k = 1; k < 8; k++)
                for (unsigned b = 0; b < 256; b++)
                        crc_table[k][b] = crc_table[k - 1][b] >> 8 ^ crc_table[0][crc_table[k - 1][b] & 0xff];
}

static uint32_t load_le32(const uint8_t *p) {
        return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* On the inverted register, as all below. */
static uint32_t by_table(uint32_t crc, const uint8_t *p, size_t n) {
        const uint32_t(*t)[256] = (const uint32_t(*)[256])crc_table;
        uint32_t low, high;

        pthread_once(&crc_once, make_crc_table);
        for (; n >= 8; n -= 8, p += 8) {
                low = load_le32(p) ^ crc;
                high = load_le32(p + 4);
                crc = t[7][low & 0xff] ^ t[6][low >> 8 & 0xff] ^ t[5][low >> 16 & 0xff] ^ t[4][low >> 24] ^
                      t[3][high & 0xff] ^ t[2][high >> 8 & 0xff] ^ t[1][high >> 16 & 0xff] ^ t[0][high >> 24];
        }
        for (; n; n--)
                crc = crc >> 8 ^ t[0][(crc ^ *p++) & 0xff];
        return crc;
}

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>

#define MULTIPLIES __attribute__((target("pclmul,sse4.1")))
#define FOLD_MIN 64 /* four registers */

/*
 * A register holds 128 bits of the message, the earliest in its lowest bit.  To move it d bits ahead its two halves are
 * multiplied by x^(d+64) and x^d modulo the polynomial; what comes out has the same CRC at the new place.  The
 * factors are bit-reflected as the CRC is, and one bit up, since a carry-less product of reflected numbers comes out
 * one bit low.
 */
#define X_512_64 0x154442bd4 /* x^(512+32): the reflection itself moves by 32 */
#define X_512 0x1c6e41596    /* x^(512-32) */
#define X_128_64 0x1751997d0 /* x^(128+32) */
#define X_128 0x0ccaa009e    /* x^(128-32) */

MULTIPLIES static inline __m128i fold(__m128i have, __m128i factors, __m128i next) {
        __m128i low = _mm_clmulepi64_si128(have, factors, 0x00), high = _mm_clmulepi64_si128(have, factors, 0x11);

        return _mm_xor_si128(next, _mm_xor_si128(low, high));
}

MULTIPLIES static inline __m128i load(const uint8_t *p) {
        return _mm_loadu_si128((const void *)p);
}

/* As many whole blocks of 16 as there are, at least FOLD_MIN bytes, are folded into the last 16 bytes' worth, which
 * the tables finish.  Returns the register behind them. */
MULTIPLIES static uint32_t by_folding(uint32_t crc, const uint8_t *p, size_t n) {
        const __m128i by_64 = _mm_set_epi64x(X_512, X_512_64), by_16 = _mm_set_epi64x(X_128, X_128_64);
        __m128i a = _mm_xor_si128(load(p), _mm_cvtsi32_si128((int)crc));
        __m128i b = load(p + 16), c = load(p + 32), d = load(p + 48);
        uint8_t last[16];

        for (p += 64, n -= 64; n >= 64; p += 64, n -= 64) {
                a = fold(a, by_64, load(p));
                b = fold(b, by_64, load(p + 16));
                c = fold(c, by_64, load(p + 32));
                d = fold(d, by_64, load(p + 48));
        }
        a = fold(fold(fold(a, by_16, b), by_16, c), by_16, d);
        for (; n >= 16; p += 16, n -= 16)
                a = fold(a, by_16, load(p));
        _mm_storeu_si128((void *)last, a);
        return by_table(by_table(0, last, sizeof(last)), p, n);
}

static bool can_fold(void) {
        return __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1");
}
#else
#define FOLD_MIN SIZE_MAX
static uint32_t by_folding(uint32_t crc, const uint8_t *p, size_t n) {
        return by_table(crc, p, n);
}

static bool can_fold(void) {
        return false;
}
#endif

uint32_t crc32_ieee(uint32_t crc, struct str in) {
        const uint8_t *p = (const uint8_t *)in.p;

        return ~(in.n >= FOLD_MIN && can_fold() ? by_folding(~crc, p, in.n) : by_table(~crc, p, in.n));
}
