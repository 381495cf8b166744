/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one place that calls malloc and friends.  Sizes of zero are made one, so that NULL always means
 * failure; sizes no object can have are refused here, as not every malloc takes them quietly.
 */
#include "ddbfs/base/alloc.h"

#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <openssl/crypto.h>

#define HUGE_PAGE (2 * MIB)

/* Allocations until the one that fails; 0: none does. */
static atomic_ulong fail_countdown;

bool mem_fail_at(unsigned long n) {
        return atomic_exchange_explicit(&fail_countdown, n, memory_order_relaxed) != 0;
}

static bool fails_now(void) {
        unsigned long n = atomic_load_explicit(&fail_countdown, memory_order_relaxed);

        while (n != 0)
                if (atomic_compare_exchange_weak_explicit(&fail_countdown, &n, n - 1, memory_order_relaxed,
                                                          memory_order_relaxed))
                        return n == 1;
        return false;
}

void *mem_alloc(size_t n) {
        return fails_now() || n > PTRDIFF_MAX ? NULL : malloc(n ? n : 1);
}

void *mem_zalloc(size_t n) {
        return mem_calloc(1, n);
}

void *mem_calloc(size_t n, size_t size) {
        size_t total;

        if (fails_now() || __builtin_mul_overflow(n, size, &total) || total > PTRDIFF_MAX)
                return NULL;
        return calloc(1, total ? total : 1);
}

void *mem_alloc_huge(size_t n) {
        size_t huge = n < SIZE_MAX / 2 ? (n + HUGE_PAGE / 8) / HUGE_PAGE * HUGE_PAGE : 0;
        void *p;

        if (fails_now() || n > PTRDIFF_MAX || posix_memalign(&p, HUGE_PAGE, MAX(MAX(n, huge), 1)))
                return NULL;
        if (huge > 0)
                (void)madvise(p, huge, MADV_HUGEPAGE); /* or not, where the kernel has none */
        return p;
}

void *mem_realloc(void *p, size_t n) {
        return fails_now() || n > PTRDIFF_MAX ? NULL : realloc(p, n ? n : 1);
}

void *mem_dup(const void *p, size_t n) {
        char *copy = n < SIZE_MAX ? mem_alloc(n + 1) : NULL;

        if (!copy)
                return NULL;
        if (n)
                memcpy(copy, p, n);
        copy[n] = '\0';
        return copy;
}

char *mem_strdup(const char *s) {
        return s ? mem_dup(s, strlen(s)) : NULL;
}

void *mem_free(void *p) {
        free(p);
        return NULL;
}

void *mem_free_secret(void *p, size_t n) {
        if (p)
                OPENSSL_cleanse(p, n);
        free(p);
        return NULL;
}
