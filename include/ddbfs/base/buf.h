/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Growable byte buffer, born with its maximum.  A failed append makes the buffer *failed*: later appends
 * do nothing and buf_status() says why, so that a renderer checks once, at its end.  The bytes are
 * always followed by one NUL that is not counted.  One thread at a time.
 */
#include <stdbool.h>
#include "ddbfs/base/alloc.h"
#include "ddbfs/base/str.h"

struct buf {
        char *p;    /* owned; NULL until the first append */
        size_t n;   /* bytes used */
        size_t cap; /* bytes allocated, less the NUL */
        size_t max; /* never grows beyond */
        int err;    /* 0, -ENOMEM or -EFBIG (over max) */
};

#define BUF_INIT(max_) ((struct buf){ .max = (max_) })

void buf_init(struct buf *b, size_t max);
void buf_deinit(struct buf *b);          /* frees; the buffer may be used again */
void buf_reset(struct buf *b);           /* empties, clears the error, keeps the memory */
void buf_fill(struct buf *b, char c, size_t n); /* n times c */
void buf_printf(struct buf *b, const char *format, ...) _printf_(2, 3);

/* Room for n more bytes: where to write them, or NULL (buffer failed).  buf_commit() counts them in. */
char *buf_reserve(struct buf *b, size_t n);
/* The same, and memory that the buffer does not have yet is in huge pages (mem_alloc_huge()).  false: failed. */
_must_check_ bool buf_reserve_huge(struct buf *b, size_t n);
void buf_commit(struct buf *b, size_t n);
void buf_truncate(struct buf *b, size_t n); /* shorten to n bytes; longer is ignored */

void buf_append_slowly(struct buf *b, const void *p, size_t n); /* buf_append() where there is no room yet */

/* p must not point into the buffer. */
static inline void buf_append(struct buf *b, const void *p, size_t n) {
        if (b->err || n == 0 || n > b->cap - b->n) {
                buf_append_slowly(b, p, n);
                return;
        }
        memcpy(b->p + b->n, p, n);
        b->n += n;
        b->p[b->n] = '\0';
}
static inline void buf_str(struct buf *b, struct str s) {
        buf_append(b, s.p, s.n);
}
static inline void buf_puts(struct buf *b, const char *s) {
        buf_append(b, s, strlen(s));
}
static inline void buf_putc(struct buf *b, char c) {
        buf_append(b, &c, 1);
}
static inline int buf_status(const struct buf *b) {
        return b->err;
}
static inline struct str buf_view(const struct buf *b) {
        return str_make(b->p ? b->p : "", b->n);
}
/* The whole buffer, now the caller's; what stays behind is empty and may grow as far. */
static inline struct buf buf_take(struct buf *b) {
        struct buf taken = *b;

        buf_init(b, taken.max);
        return taken;
}
/* The bytes, NUL-terminated, now the caller's (mem_free); NULL when the buffer failed or on ENOMEM.
 * The buffer is empty afterwards, and a failed one still says why.  ret_n may be NULL. */
_must_check_ char *buf_steal(struct buf *b, size_t *ret_n);
