/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Random items, the nastier the better: hostile strings, "$" names, numbers of every magnitude, nesting to
 * the limit.  The seed is fixed; TEST_SEED in the environment sets another.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include "ddbfs/base/buf.h"
#include "ddbfs/store/number.h"
#include "ddbfs/store/value.h"

struct random {
        uint64_t state;
        bool plunging; /* straight down to the deepest level */
};

static inline struct random random_seed(void) {
        const char *s = getenv("TEST_SEED");

        return (struct random){ .state = s ? strtoull(s, NULL, 10) * 2 + 1 : UINT64_C(88172645463325252) };
}

static inline uint64_t random_next(struct random *r) { /* xorshift64* (Vigna) */
        r->state ^= r->state >> 12;
        r->state ^= r->state << 25;
        r->state ^= r->state >> 27;
        return r->state * UINT64_C(2685821657736338717);
}

static inline unsigned random_below(struct random *r, unsigned n) {
        return (unsigned)((random_next(r) >> 32) % n);
}

static inline void random_char(struct random *r, struct buf *out) {
        unsigned c = random_below(r, 4) ? 0x20 + random_below(r, 0x60) : random_below(r, 0x110000);

        if (c >= 0xD800 && c <= 0xDFFF)
                c = 0xFFFD;
        if (c < 0x80)
                buf_putc(out, (char)c);
        else if (c < 0x800)
                buf_append(out, (char[]){ (char)(0xC0 | c >> 6), (char)(0x80 | (c & 0x3F)) }, 2);
        else if (c < 0x10000)
                buf_append(
                        out,
                        (char[]){ (char)(0xE0 | c >> 12), (char)(0x80 | (c >> 6 & 0x3F)), (char)(0x80 | (c & 0x3F)) },
                        3);
        else
                buf_append(out,
                           (char[]){ (char)(0xF0 | c >> 18), (char)(0x80 | (c >> 12 & 0x3F)),
                                     (char)(0x80 | (c >> 6 & 0x3F)), (char)(0x80 | (c & 0x3F)) },
                           4);
}

/* Appends a little valid UTF-8, mostly of the kind that breaks things. */
static inline void random_text(struct random *r, struct buf *out) {
        static const struct {
                const char *p;
                size_t n;
        } hostile[] = {
                { "\0", 1 },
                { "\n", 1 },
                { "\r\n", 2 },
                { "\"", 1 },
                { "\\", 1 },
                { "\\u0000", 6 },
                { "/", 1 },
                { "%", 1 },
                { "%2F", 3 },
                { "%+", 2 },
                { ".", 1 },
                { "..", 2 },
                { ".json", 5 },
                { ",", 1 },
                { "$", 1 },
                { "{", 1 },
                { "}", 1 },
                { "[", 1 },
                { "]", 1 },
                { ":", 1 },
                { " ", 1 },
                { "\x7F", 1 },
                { "\x1F", 1 },
                { "\xC2\x80", 2 },
                { "\xE2\x80\xA8", 3 },
                { "\xE2\x80\xA9", 3 },
                { "\xEF\xBB\xBF", 3 },
                { "\xEF\xBF\xBF", 3 },
                { "\xF0\x9F\x98\x80", 4 },
                { "\xF4\x8F\xBF\xBF", 4 },
                { "e\xCC\x81", 3 },
                { "\b\t\f", 3 },
        };

        for (unsigned n = random_below(r, 6); n > 0; n--) {
                unsigned i = random_below(r, (unsigned)ARRAY_LEN(hostile) * 2);

                if (i < ARRAY_LEN(hostile))
                        buf_append(out, hostile[i].p, hostile[i].n);
                else
                        random_char(r, out);
        }
}

/* Appends a canonical number: up to 38 digits of any magnitude, and doubles. */
static inline void random_number(struct random *r, struct buf *out) {
        static const unsigned char lengths[] = { 1, 2, 3, 9, 15, 16, 17, 18, 37, 38 };
        char text[128];
        unsigned n = 0, digits = lengths[random_below(r, ARRAY_LEN(lengths))];
        double d;
        uint64_t bits = random_next(r);

        if (random_below(r, 3) == 0) {
                memcpy(&d, &bits, sizeof(d));
                (void)snprintf(text, sizeof(text), "%.*g", 15 + (int)random_below(r, 3), d);
                if (number_canonical(str_of(text), out) == 0)
                        return; /* most doubles are out of range */
        }
        if (random_below(r, 2))
                text[n++] = '-';
        for (unsigned i = 0; i < digits; i++) {
                text[n++] = (char)('0' + random_below(r, 10));
                if (i == 0)
                        text[n++] = '.';
        }
        (void)snprintf(text + n, sizeof(text) - n, "0e%d",
                       random_below(r, 2) ? (int)random_below(r, 40) - 20 : (int)random_below(r, 256) - 130);
        if (number_canonical(str_make(text, strlen(text)), out))
                buf_puts(out, "1"); /* leading zeros can take it below 1E-130 */
}

static inline struct str random_str(struct random *r, struct arena *a, enum value_type type) {
        struct buf out = BUF_INIT(64 * KIB);
        struct str s;

        if (type == VALUE_N)
                random_number(r, &out);
        else if (type == VALUE_S)
                random_text(r, &out);
        else
                for (unsigned n = random_below(r, 12); n > 0; n--)
                        buf_putc(&out, (char)random_below(r, 256));
        ck_assert_int_eq(arena_dup(a, buf_view(&out), &s), 0);
        buf_deinit(&out);
        return s;
}

static inline struct str random_name(struct random *r, struct arena *a) {
        static const char *const names[] = { "$b", "$n", "$m", "$ss", "$ns", "$bs", "$s3",
                                             "$",  "$x", "S",  "N",   "M",   "pk",  "sk" };
        struct str s;

        if (random_below(r, 3) == 0)
                return str_of(names[random_below(r, ARRAY_LEN(names))]);
        do
                s = random_str(r, a, VALUE_S);
        while (s.n == 0);
        return s;
}

static inline void random_value(struct random *r, struct arena *a, unsigned level, struct value *ret);

/* Distinct names, sorted. */
static inline struct attribute *random_attributes(struct random *r, struct arena *a, unsigned level, uint32_t *n) {
        struct attribute *v = arena_array(a, *n + 1, sizeof(*v));
        uint32_t kept = 0;

        ck_assert_ptr_nonnull(v);
        for (uint32_t i = 0; i < *n; i++) {
                v[kept].name = random_name(r, a);
                for (uint32_t j = 0; j < kept; j++)
                        if (str_eq(v[j].name, v[kept].name))
                                goto again;
                random_value(r, a, level, &v[kept].value);
                kept++;
        again:;
        }
        *n = kept;
        ck_assert_int_eq(attributes_sort(v, kept, NULL), 0);
        return v;
}

static inline void random_set(struct random *r, struct arena *a, enum value_type type, struct value *ret) {
        enum value_type member = VALUE_S;
        uint32_t n = 1 + random_below(r, 6), kept = 0;

        ck_assert(value_set_member(type, &member));
        *ret = (struct value){ .type = type, .elements = arena_array(a, n, sizeof(struct value)) };
        ck_assert_ptr_nonnull(ret->elements);
        for (uint32_t i = 0; i < n; i++) {
                struct value v = { .type = member, .text = random_str(r, a, member) };
                uint32_t j = 0;

                while (j < kept && !str_eq(ret->elements[j].text, v.text))
                        j++;
                if (j == kept)
                        ret->elements[kept++] = v;
        }
        ret->n = kept;
        ck_assert_int_eq(set_sort(ret, NULL), 0);
}

static inline uint32_t random_elements(struct random *r, unsigned level, bool plunge) {
        if (level >= 32)
                return 0;
        return plunge ? 1 : random_below(r, level > 3 ? 2 : 4);
}

/* A value at this level of nesting (1: an attribute of the item); sometimes the deepest there can be. */
static inline void random_value(struct random *r, struct arena *a, unsigned level, struct value *ret) {
        enum value_type type = (enum value_type)random_below(r, VALUE_M + 1);
        bool plunge;

        if (level == 1)
                r->plunging = random_below(r, 50) == 0;
        plunge = r->plunging && level < 32;
        if (plunge)
                type = random_below(r, 2) ? VALUE_L : VALUE_M;
        *ret = (struct value){ .type = type };
        switch (type) {
        case VALUE_BOOL:
                ret->boolean = random_below(r, 2);
                break;
        case VALUE_N:
        case VALUE_S:
        case VALUE_B:
                ret->text = random_str(r, a, type);
                break;
        case VALUE_SS:
        case VALUE_NS:
        case VALUE_BS:
                random_set(r, a, type, ret);
                break;
        case VALUE_L:
                ret->n = random_elements(r, level, plunge);
                ret->elements = arena_array(a, ret->n + 1, sizeof(struct value));
                ck_assert_ptr_nonnull(ret->elements);
                for (uint32_t i = 0; i < ret->n; i++)
                        random_value(r, a, level + 1, &ret->elements[i]);
                break;
        case VALUE_M:
                ret->n = random_elements(r, level, plunge);
                ret->attributes = random_attributes(r, a, level + 1, &ret->n);
                break;
        default:
                break;
        }
}

static inline void random_item(struct random *r, struct arena *a, struct item *ret) {
        ret->n = random_below(r, 8);
        ret->attributes = random_attributes(r, a, 1, &ret->n);
}

static inline unsigned value_depth(const struct value *v) {
        unsigned deepest = 0;

        for (uint32_t i = 0; (v->type == VALUE_L || v->type == VALUE_M) && i < v->n; i++) {
                unsigned d = value_depth(v->type == VALUE_L ? &v->elements[i] : &v->attributes[i].value);

                deepest = MAX(deepest, d);
        }
        return deepest + 1;
}
