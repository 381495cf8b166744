/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8 as RFC 3629 defines it: no overlong forms, no surrogates, nothing over U+10FFFF.  Pure. */
#include "text_internal.h"

#include "ddbfs/base/str.h"

/* Only the second byte's range depends on the first byte (RFC 3629, section 4). */
static const struct lead {
        uint8_t first, last; /* of the lead byte */
        uint8_t min, max;    /* of the second byte */
        uint8_t length;      /* of the sequence */
} leads[] = {
        { 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 }, { 0xe1, 0xec, 0x80, 0xbf, 3 },
        { 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 }, { 0xf0, 0xf0, 0x90, 0xbf, 4 },
        { 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 },
};

/* Length of the well-formed sequence at p, a byte >= 0x80; 0 when there is none. */
static size_t sequence_length(const uint8_t *p, size_t n) {
        const struct lead *l = leads;

        while (l < leads + ARRAY_LEN(leads) && p[0] > l->last)
                l++;
        if (l == leads + ARRAY_LEN(leads) || p[0] < l->first || n < l->length || p[1] < l->min || p[1] > l->max)
                return 0;
        for (size_t i = 2; i < l->length; i++)
                if ((p[i] & 0xc0) != 0x80)
                        return 0;
        return l->length;
}

bool utf8_valid(struct str s) {
        const uint8_t *p = (const uint8_t *)s.p;
        size_t i = 0, length;
        uint64_t word;

        while (i < s.n) {
                /* most text is ASCII: eight bytes at a time */
                while (s.n - i >= sizeof(word)) {
                        memcpy(&word, p + i, sizeof(word));
                        if (word & UINT64_C(0x8080808080808080))
                                break;
                        i += sizeof(word);
                }
                while (i < s.n && p[i] < 0x80)
                        i++;
                while (i < s.n && p[i] >= 0x80) {
                        length = sequence_length(p + i, s.n - i);
                        if (length == 0)
                                return false;
                        i += length;
                }
        }
        return true;
}

static bool breaks_line(const uint8_t *p, size_t length) {
        return (length == 2 && p[0] == 0xc2 && p[1] < 0xa0) ||
               (length == 3 && p[0] == 0xe2 && p[1] == 0x80 && (p[2] == 0xa8 || p[2] == 0xa9));
}

void text_make_line(char *s, size_t n) {
        size_t i = 0, length;

        while (i < n) {
                uint8_t *p = (uint8_t *)s + i;

                length = *p < 0x80 ? (*p >= 0x20 && *p != 0x7f) : sequence_length(p, n - i);
                if (length == 0 || breaks_line(p, length)) {
                        length = MAX(length, 1);
                        memset(p, '?', length);
                }
                i += length;
        }
}
