/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Growable byte buffer.  Invariants: n <= cap <= max; p is NULL exactly when nothing has been reserved;
 * otherwise cap + 1 bytes are allocated and p[n] is NUL.
 */
#include "ddbfs/base/buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define BUF_FIRST_CAP ((size_t)63)

void buf_init(struct buf *b, size_t max) {
        *b = BUF_INIT(max);
}

void buf_deinit(struct buf *b) {
        mem_free(b->p);
        *b = BUF_INIT(b->max);
}

void buf_reset(struct buf *b) {
        b->n = 0;
        b->err = 0;
        if (b->p)
                b->p[0] = '\0';
}

static void grow(struct buf *b, size_t need) {
        size_t max = MIN(b->max, SIZE_MAX - 1);
        size_t cap = MAX(BUF_FIRST_CAP, b->cap <= max / 2 ? 2 * b->cap : max);
        char *p;

        cap = MIN(MAX(cap, need), max);
        p = mem_realloc(b->p, cap + 1);
        if (!p) {
                b->err = -ENOMEM;
                return;
        }
        b->p = p;
        b->cap = cap;
        b->p[b->n] = '\0';
}

char *buf_reserve(struct buf *b, size_t n) {
        if (b->err)
                return NULL;
        if (n > MIN(b->max, SIZE_MAX - 1) - b->n) {
                b->err = -EFBIG;
                return NULL;
        }
        if (!b->p || n > b->cap - b->n)
                grow(b, b->n + n);
        return b->err ? NULL : b->p + b->n;
}

bool buf_reserve_huge(struct buf *b, size_t n) {
        if (b->p || b->err)
                return buf_reserve(b, n) != NULL;
        if (n > MIN(b->max, SIZE_MAX - 1)) {
                b->err = -EFBIG;
                return false;
        }
        b->p = mem_alloc_huge(n + 1);
        if (!b->p) {
                b->err = -ENOMEM;
                return false;
        }
        b->cap = n;
        b->p[0] = '\0';
        return true;
}

void buf_commit(struct buf *b, size_t n) {
        if (b->err || !b->p)
                return;
        b->n += MIN(n, b->cap - b->n);
        b->p[b->n] = '\0';
}

void buf_append_slowly(struct buf *b, const void *p, size_t n) {
        char *to = buf_reserve(b, n);

        if (!to)
                return;
        if (n)
                memcpy(to, p, n);
        buf_commit(b, n);
}

void buf_fill(struct buf *b, char c, size_t n) {
        char *to = buf_reserve(b, n);

        if (!to)
                return;
        if (n)
                memset(to, c, n);
        buf_commit(b, n);
}

void buf_printf(struct buf *b, const char *format, ...) {
        size_t room = b->p ? b->cap - b->n + 1 : 0;
        va_list ap;
        char *to;
        int n;

        if (b->err)
                return;
        va_start(ap, format);
        n = vsnprintf(b->p ? b->p + b->n : NULL, room, format, ap);
        va_end(ap);
        if (n >= 0 && (size_t)n < room) {
                b->n += (size_t)n;
                return;
        }
        if (b->p)
                b->p[b->n] = '\0';
        if (n < 0) {
                b->err = errno == EOVERFLOW ? -EFBIG : -ENOMEM; /* over INT_MAX bytes, or no memory for a wide field */
                return;
        }
        to = buf_reserve(b, (size_t)n);
        if (!to)
                return;
        va_start(ap, format);
        vsnprintf(to, (size_t)n + 1, format, ap);
        va_end(ap);
        buf_commit(b, (size_t)n);
}

void buf_truncate(struct buf *b, size_t n) {
        if (n >= b->n)
                return;
        b->n = n;
        b->p[n] = '\0';
}

char *buf_steal(struct buf *b, size_t *ret_n) {
        char *p, *fitting;
        size_t n;

        if (!buf_reserve(b, 0)) {
                int err = b->err;

                buf_deinit(b);
                b->err = err;
                return NULL;
        }
        n = b->n;
        p = TAKE(b->p);
        /* the new owner may keep it for long: give back what doubling has over-allocated */
        if (b->cap - n > n / 4 + BUF_FIRST_CAP) {
                fitting = mem_realloc(p, n + 1);
                p = fitting ? fitting : p;
        }
        buf_deinit(b);
        if (ret_n)
                *ret_n = n;
        return p;
}
