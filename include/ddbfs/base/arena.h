/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Bump allocator: many small objects freed at once.  Capped.  One thread at a time.
 * Pointers stay valid until arena_deinit()/arena_reset().
 */
#include "ddbfs/base/str.h"

struct arena_chunk;

struct arena {
        struct arena_chunk *chunks; /* newest first */
        size_t total;               /* bytes obtained from the heap */
        size_t max;                 /* cap on total */
};

#define ARENA_INIT(max_) ((struct arena){ .max = (max_) })

void arena_deinit(struct arena *a);
void arena_reset(struct arena *a); /* forget all objects, keep one chunk */
/* 16-byte aligned, not cleared; NULL: ENOMEM or over max */
_must_check_ void *arena_alloc(struct arena *a, size_t n);
_must_check_ void *arena_array(struct arena *a, size_t n, size_t size);     /* overflow-checked, not cleared */
_must_check_ char *arena_bytes(struct arena *a, size_t n);                  /* unaligned bytes */
/* Copies s (plus a NUL behind it).  0 or -ENOMEM. */
_must_check_ int arena_dup(struct arena *a, struct str s, struct str *ret);
