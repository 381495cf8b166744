/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bump allocator: chunks that double from 1 KiB to 64 KiB.  An object too large for a chunk gets one of
 * its own, put behind the current one, so that the current one's rest stays in use.
 */
#include "ddbfs/base/arena.h"

#include <errno.h>
#include <stdalign.h>
#include "ddbfs/base/alloc.h"

/* The address sanitizer sees objects, not chunks. */
#if defined(__SANITIZE_ADDRESS__)
#define ARENA_POISON 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_POISON 1
#endif
#endif
#ifdef ARENA_POISON
#include <sanitizer/asan_interface.h>
#define poison(p, n) ASAN_POISON_MEMORY_REGION(p, n)
#define unpoison(p, n) ASAN_UNPOISON_MEMORY_REGION(p, n)
#else
#define poison(p, n) ((void)0)
#define unpoison(p, n) ((void)0)
#endif

#define ALIGNMENT 16
#define CHUNK_MIN (1 * KIB)
#define CHUNK_MAX (64 * KIB)

struct arena_chunk {
        struct arena_chunk *next;
        size_t used, size; /* of data */
        alignas(ALIGNMENT) char data[];
};

static struct arena_chunk *free_all(struct arena_chunk *c) {
        struct arena_chunk *next;

        for (; c; c = next) {
                next = c->next;
                mem_free(c);
        }
        return NULL;
}

void arena_deinit(struct arena *a) {
        a->chunks = free_all(a->chunks);
        a->total = 0;
}

void arena_reset(struct arena *a) {
        struct arena_chunk *c = a->chunks;

        if (!c)
                return;
        c->next = free_all(c->next);
        c->used = 0;
        a->total = sizeof(*c) + c->size;
        poison(c->data, c->size);
}

/* A chunk with room for n bytes, in the list; NULL: ENOMEM or over max. */
static struct arena_chunk *add_chunk(struct arena *a, size_t n) {
        struct arena_chunk *c, **at = &a->chunks;
        size_t left = a->max > a->total ? a->max - a->total : 0;
        size_t size = a->chunks ? MIN(MAX(2 * a->chunks->size, CHUNK_MIN), CHUNK_MAX) : CHUNK_MIN;

        if (left <= sizeof(*c) || n > left - sizeof(*c))
                return NULL;
        if (n > size / 4 && a->chunks)
                at = &a->chunks->next;
        size = n > size / 4 ? n : MIN(size, left - sizeof(*c));
        c = mem_alloc(sizeof(*c) + size);
        if (!c)
                return NULL;
        *c = (struct arena_chunk){ .next = *at, .size = size };
        *at = c;
        a->total += sizeof(*c) + size;
        poison(c->data, c->size);
        return c;
}

static void *carve(struct arena *a, size_t n, size_t alignment) {
        struct arena_chunk *c = a->chunks;
        size_t at = c ? (c->used + alignment - 1) & ~(alignment - 1) : 0;

        if (!c || at > c->size || n > c->size - at) {
                c = add_chunk(a, n);
                if (!c)
                        return NULL;
                at = 0;
        }
        c->used = at + n;
        unpoison(c->data + at, n);
        return c->data + at;
}

void *arena_alloc(struct arena *a, size_t n) {
        return carve(a, n, ALIGNMENT);
}

void *arena_array(struct arena *a, size_t n, size_t size) {
        size_t total;

        return __builtin_mul_overflow(n, size, &total) ? NULL : arena_alloc(a, total);
}

char *arena_bytes(struct arena *a, size_t n) {
        return carve(a, n, 1);
}

int arena_dup(struct arena *a, struct str s, struct str *ret) {
        char *p = s.n < SIZE_MAX ? arena_bytes(a, s.n + 1) : NULL;

        if (!p)
                return -ENOMEM;
        if (s.n)
                memcpy(p, s.p, s.n);
        p[s.n] = '\0';
        *ret = str_make(p, s.n);
        return 0;
}
