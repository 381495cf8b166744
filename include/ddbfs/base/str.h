/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Borrowed byte strings.  Keys and attribute values may hold any byte, NUL included: no strlen on them.
 */
#include <stdbool.h>
#include <string.h>
#include "ddbfs/base/macros.h"

struct str {
        const char *p; /* not NUL-terminated in general; may be NULL when n == 0 */
        size_t n;
};

#define STR(lit) ((struct str){ .p = "" lit, .n = sizeof(lit) - 1 })
#define STR_NULL ((struct str){ .p = NULL, .n = 0 })

static inline struct str str_make(const void *p, size_t n) {
        return (struct str){ .p = p, .n = n };
}

static inline struct str str_of(const char *s) {
        return (struct str){ .p = s, .n = s ? strlen(s) : 0 };
}

static inline bool str_eq(struct str a, struct str b) {
        return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* Byte order, the shorter first: DynamoDB's order of S (UTF-8) and B keys. */
static inline int str_cmp(struct str a, struct str b) {
        size_t n = MIN(a.n, b.n);
        int r = n ? memcmp(a.p, b.p, n) : 0;

        return r ? r : (a.n > b.n) - (a.n < b.n);
}

static inline bool str_starts(struct str s, struct str prefix) {
        return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}

static inline bool str_ends(struct str s, struct str suffix) {
        return s.n >= suffix.n && (suffix.n == 0 || memcmp(s.p + s.n - suffix.n, suffix.p, suffix.n) == 0);
}

/* s without its first n bytes (n is clamped). */
static inline struct str str_skip(struct str s, size_t n) {
        n = MIN(n, s.n);
        return (struct str){ .p = s.p ? s.p + n : NULL, .n = s.n - n };
}

/* Well-formed UTF-8 (no overlong forms, no surrogates, at most U+10FFFF).  base/utf8.c */
bool utf8_valid(struct str s);
