/* SPDX-License-Identifier: Apache-2.0 */
/* Random numbers from the kernel, one small getrandom(2) each: they are rare.  Not for secret keys when
 * rng_kernel() says that the kernel had none. */
#include "ddbfs/base/rng.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/random.h>
#include "ddbfs/base/clock.h"

/* rng_seed(): a splitmix64 sequence instead; the same generator stands in when there is no getrandom. */
#define GOLDEN UINT64_C(0x9e3779b97f4a7c15)

static atomic_bool seeded;
static _Atomic uint64_t sequence;

static uint64_t mix(uint64_t x) {
        x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
        return x ^ (x >> 31);
}

static uint64_t next_of_sequence(void) {
        return mix(atomic_fetch_add(&sequence, GOLDEN) + GOLDEN);
}

bool rng_kernel(void *p, size_t n) {
        uint8_t *out = p;
        uint64_t x;
        ssize_t r;

        while (n) {
                r = getrandom(out, n, 0);
                if (r < 0 && errno == EINTR)
                        continue;
                if (r <= 0)
                        break;
                out += r;
                n -= (size_t)r;
        }
        if (n == 0)
                return true;
        /* no getrandom (an odd sandbox): different in each process and call, but not secret */
        for (; n; n -= MIN(n, sizeof(x)), out += sizeof(x)) {
                x = mix(next_of_sequence() ^ mix(clock_wall_ns()) ^ (uint64_t)(uintptr_t)&x);
                memcpy(out, &x, MIN(n, sizeof(x)));
        }
        return false;
}

uint64_t rng_u64(void) {
        uint64_t x;

        if (atomic_load(&seeded))
                return next_of_sequence();
        rng_kernel(&x, sizeof(x));
        return x;
}

double rng_unit(void) {
        return (double)(rng_u64() >> 11) * 0x1p-53;
}

void rng_uuid(char out[UUID_LEN]) {
        static const char digits[] = "0123456789abcdef";
        uint64_t half[2];
        char *p = out;

        if (atomic_load(&seeded)) {
                half[0] = next_of_sequence();
                half[1] = next_of_sequence();
        } else {
                rng_kernel(half, sizeof(half));
        }
        half[0] = (half[0] & ~UINT64_C(0xf000)) | UINT64_C(0x4000);             /* version 4 */
        half[1] = (half[1] & ~(UINT64_C(0xc0) << 56)) | (UINT64_C(0x80) << 56); /* RFC 9562 variant */
        for (unsigned i = 0; i < 32; i++) {
                if (i == 8 || i == 12 || i == 16 || i == 20)
                        *p++ = '-';
                *p++ = digits[half[i / 16] >> (60 - 4 * (i % 16)) & 0xf];
        }
        *p = '\0';
}

void rng_seed(uint64_t seed) {
        atomic_store(&sequence, seed);
        atomic_store(&seeded, seed != 0);
}
