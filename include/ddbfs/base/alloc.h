/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Heap allocation.  The only callers of malloc and friends; every one of these may return NULL and
 * every caller copes.  Tests make allocation number n fail (mem_fail_at).  Thread-safe.
 */
#include <stdbool.h>
#include <stdlib.h>
#include "ddbfs/base/macros.h"

_must_check_ void *mem_alloc(size_t n);                 /* uninitialised; n == 0 gives a unique pointer */
/* Uninitialised, for megabytes that will all be used: most of it, if not all, in huge pages where the kernel has them, so
 * that its first use is cheap. */
_must_check_ void *mem_alloc_huge(size_t n);
_must_check_ void *mem_zalloc(size_t n);                /* zeroed */
_must_check_ void *mem_calloc(size_t n, size_t size);   /* zeroed array, overflow-checked */
_must_check_ void *mem_realloc(void *p, size_t n);      /* as realloc(3); p stays valid on NULL */
_must_check_ void *mem_dup(const void *p, size_t n);    /* copy plus one NUL byte behind it */
_must_check_ char *mem_strdup(const char *s);           /* s may be NULL: returns NULL */
void *mem_free(void *p);                                /* returns NULL */

/* Overwrite with OPENSSL_cleanse, then free: for secrets.  Returns NULL. */
void *mem_free_secret(void *p, size_t n);

/* Tests: the n-th allocation from now (1 = next) returns NULL, once; 0 switches it off.  Returns whether the one armed
 * before is still to come: so many allocations there were not. */
bool mem_fail_at(unsigned long n);

static inline void mem_freep(void *pp) {
        void **p = pp;

        *p = mem_free(*p);
}
