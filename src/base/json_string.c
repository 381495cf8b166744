/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strings of JSON, read and written.
 *
 * They are scanned sixteen or eight bytes at a time for the three things that matter (quote, backslash, control
 * character) and for bytes over 0x7F, which decide whether UTF-8 needs checking at all.  A string without
 * escapes is never copied.
 */
#if defined(__SSE2__)
#include <emmintrin.h>
#endif
#include "ddbfs/base/json.h"
#include "json_internal.h"

#define BYTES(c) (UINT64_C(0x0101010101010101) * (c))

/* The high bit of each byte of w that is below 0x20, a quote or a backslash.  Exact up to and with the
 * first such byte, which is all the callers look at. */
static inline uint64_t special_bytes(uint64_t w) {
        uint64_t quote = w ^ BYTES(0x22), slash = w ^ BYTES(0x5C);

        return (((w - BYTES(0x20)) & ~w) | ((quote - BYTES(1)) & ~quote) | ((slash - BYTES(1)) & ~slash)) & BYTES(0x80);
}

#if defined(__SSE2__)
/* All ones for each of the sixteen bytes that is below 0x20, a quote or a backslash. */
static inline __m128i special_in(__m128i w) {
        __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(w, _mm_set1_epi8(0x1F)), w);
        __m128i quote = _mm_cmpeq_epi8(w, _mm_set1_epi8('"')), slash = _mm_cmpeq_epi8(w, _mm_set1_epi8('\\'));

        return _mm_or_si128(control, _mm_or_si128(quote, slash));
}

/* Is there none in the 64 bytes at p?  Then they are added to *passed. */
static inline bool plain_block(const char *p, __m128i *passed) {
        const __m128i *v = (const void *)p;
        __m128i a = _mm_loadu_si128(v), b = _mm_loadu_si128(v + 1), c = _mm_loadu_si128(v + 2), d = _mm_loadu_si128(v + 3);

        if (_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(special_in(a), special_in(b)), _mm_or_si128(special_in(c), special_in(d)))))
                return false;
        *passed = _mm_or_si128(*passed, _mm_or_si128(_mm_or_si128(a, b), _mm_or_si128(c, d)));
        return true;
}
#endif

/* Position of the first special byte at or behind pos, or text.n.  *high: one passed was over 0x7F (it stays set). */
static size_t scan_plain(struct str text, size_t pos, uint64_t *high) {
#if defined(__SSE2__)
        __m128i passed = _mm_setzero_si128();

        while (text.n - pos >= 64 && plain_block(text.p + pos, &passed))
                pos += 64;
        for (; text.n - pos >= 16; pos += 16) {
                __m128i w = _mm_loadu_si128((const void *)(text.p + pos));
                unsigned special = (unsigned)_mm_movemask_epi8(special_in(w)), n;

                if (special) {
                        n = (unsigned)__builtin_ctz(special);
                        *high |= (unsigned)_mm_movemask_epi8(passed) | ((unsigned)_mm_movemask_epi8(w) & ((1U << n) - 1));
                        return pos + n;
                }
                passed = _mm_or_si128(passed, w);
        }
        *high |= (unsigned)_mm_movemask_epi8(passed);
#endif
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
        while (text.n - pos >= 8) {
                uint64_t w, special;

                memcpy(&w, text.p + pos, 8);
                special = special_bytes(w);
                if (special) {
                        unsigned n = (unsigned)__builtin_ctzll(special) / 8;

                        if (n)
                                *high |= w & BYTES(0x80) & (UINT64_MAX >> (64 - 8 * n));
                        return pos + n;
                }
                *high |= w & BYTES(0x80);
                pos += 8;
        }
#endif
        for (; pos < text.n; pos++) {
                unsigned char c = (unsigned char)text.p[pos];

                if (c < 0x20 || c == '"' || c == '\\')
                        break;
                *high |= c & 0x80;
        }
        return pos;
}

/* The first byte that does not begin a well-formed character; only ever called on bad text. */
static size_t utf8_bad_at(struct str s) {
        size_t i = 0;

        while (i < s.n) {
                size_t n = 1;

                while (n <= 4 && n <= s.n - i && !utf8_valid(str_make(s.p + i, n)))
                        n++;
                if (n > 4 || n > s.n - i)
                        return i;
                i += n;
        }
        return i;
}

static int hex4(const char *p) {
        int v = 0;

        for (unsigned i = 0; i < 4; i++) {
                int c = (unsigned char)p[i], lower = c | 0x20;

                if (c >= '0' && c <= '9')
                        v = v * 16 + c - '0';
                else if (lower >= 'a' && lower <= 'f')
                        v = v * 16 + lower - 'a' + 10;
                else
                        return -1;
        }
        return v;
}

static size_t utf8_put(char *out, unsigned c) {
        if (c < 0x80) {
                out[0] = (char)c;
                return 1;
        }
        if (c < 0x800) {
                out[0] = (char)(0xC0 | c >> 6);
                out[1] = (char)(0x80 | (c & 0x3F));
                return 2;
        }
        if (c < 0x10000) {
                out[0] = (char)(0xE0 | c >> 12);
                out[1] = (char)(0x80 | (c >> 6 & 0x3F));
                out[2] = (char)(0x80 | (c & 0x3F));
                return 3;
        }
        out[0] = (char)(0xF0 | c >> 18);
        out[1] = (char)(0x80 | (c >> 12 & 0x3F));
        out[2] = (char)(0x80 | (c >> 6 & 0x3F));
        out[3] = (char)(0x80 | (c & 0x3F));
        return 4;
}

/* "\uXXXX", with its other half where it is a surrogate: the text ends at `end`.  Returns the bytes read, 0: bad. */
static size_t decode_unicode(const char *p, const char *end, unsigned *ret) {
        int high, low;

        high = end - p >= 6 ? hex4(p + 2) : -1;
        if (high < 0 || (high >= 0xDC00 && high <= 0xDFFF))
                return 0;
        if (high < 0xD800 || high > 0xDFFF) {
                *ret = (unsigned)high;
                return 6;
        }
        low = end - p >= 12 && p[6] == '\\' && p[7] == 'u' ? hex4(p + 8) : -1;
        if (low < 0xDC00 || low > 0xDFFF)
                return 0;
        *ret = 0x10000 + ((unsigned)(high - 0xD800) << 10) + (unsigned)(low - 0xDC00);
        return 12;
}

/* What \c means, 0 for none. */
static const char simple_escapes[256] = {
        ['"'] = '"', ['\\'] = '\\', ['/'] = '/', ['b'] = '\b', ['f'] = '\f', ['n'] = '\n', ['r'] = '\r', ['t'] = '\t',
};

/*
 * The escape at p: bytes read, its decoded form appended at *out (which may be NULL: only check).
 * 0: not an escape.
 */
static size_t decode_escape(const char *p, const char *end, char **out) {
        char simple = end - p >= 2 ? simple_escapes[(unsigned char)p[1]] : 0;
        char utf8[4];
        unsigned c;
        size_t n, len;

        if (simple) {
                if (*out)
                        *(*out)++ = simple;
                return 2;
        }
        if (end - p < 2 || p[1] != 'u')
                return 0;
        n = decode_unicode(p, end, &c);
        if (n && *out) {
                len = utf8_put(utf8, c);
                memcpy(*out, utf8, len);
                *out += len;
        }
        return n;
}

static int fail_escape(struct json_reader *r, size_t pos) {
        if (pos + 1 < r->text.n && r->text.p[pos + 1] == 'u')
                return json_fail_at(r, pos, "bad \\u escape: four hexadecimal digits, surrogates in pairs");
        return json_fail_at(r, pos, "bad escape in a string");
}

/* The string that begins behind the quote at token_pos has an escape at pos: to its end, decoding. */
static int read_escaped(struct json_reader *r, size_t start, size_t pos, uint64_t *high, size_t *ret_end) {
        const char *end = r->text.p + r->text.n;
        char *out = NULL, *decoded = NULL;
        size_t n, close = pos, from = start;

        /* pass 1: where it ends; nothing decodes to more bytes than it is written in */
        while (close < r->text.n && r->text.p[close] == '\\') {
                char *none = NULL;

                n = decode_escape(r->text.p + close, end, &none);
                if (!n)
                        return fail_escape(r, close);
                close = scan_plain(r->text, close + n, high);
        }
        *ret_end = close;
        if (r->skipping || close >= r->text.n || r->text.p[close] != '"')
                return 0;
        out = decoded = arena_bytes(r->arena, close - start);
        if (!decoded)
                return json_fail_memory(r);
        for (; pos < close; pos = scan_plain(r->text, from, high)) {
                memcpy(out, r->text.p + from, pos - from);
                out += pos - from;
                from = pos + decode_escape(r->text.p + pos, end, &out);
        }
        memcpy(out, r->text.p + from, close - from);
        out += close - from;
        r->value = str_make(decoded, (size_t)(out - decoded));
        return 0;
}

int json_read_string(struct json_reader *r) {
        size_t start = r->pos + 1, end;
        uint64_t high = 0;
        struct str raw;
        int k;

        end = scan_plain(r->text, start, &high);
        r->value = str_make(r->text.p + start, end - start);
        if (end < r->text.n && r->text.p[end] == '\\') {
                k = read_escaped(r, start, end, &high, &end);
                if (k)
                        return k;
        }
        if (end >= r->text.n)
                return json_fail(r, "the string that begins here does not end");
        if (r->text.p[end] != '"')
                return json_fail_at(r, end, "control character 0x%02x in a string: write it as an escape",
                                    (unsigned char)r->text.p[end]);
        raw = str_make(r->text.p + start, end - start);
        if (high && !utf8_valid(raw))
                return json_fail_at(r, start + utf8_bad_at(raw), "not valid UTF-8");
        r->pos = end + 1;
        return 0;
}

/* ---- writing ---- */

static void write_escape(struct buf *out, unsigned char c) {
        static const char letters[32] = { ['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't' };
        static const char hex[] = "0123456789abcdef";
        char letter = c < 0x20 ? letters[c] : (char)c;

        if (letter)
                buf_append(out, (char[]){ '\\', letter }, 2);
        else
                buf_append(out, (char[]){ '\\', 'u', '0', '0', hex[c >> 4], hex[c & 15] }, 6);
}

/* The rest of a string that has an escape at pos. */
static void write_escaped(struct buf *out, struct str s, size_t pos) {
        uint64_t high = 0;
        size_t from = 0;

        for (;;) {
                buf_append(out, s.p + from, pos - from);
                if (pos == s.n)
                        return;
                write_escape(out, (unsigned char)s.p[pos]);
                from = pos + 1;
                pos = scan_plain(s, from, &high);
        }
}

void json_write_string(struct buf *out, struct str s) {
        uint64_t high = 0;
        size_t pos = s.n ? scan_plain(s, 0, &high) : 0;

        if (s.n <= SIZE_MAX - 2)
                (void)buf_reserve(out, s.n + 2); /* one look at the room for most strings; a failure stays */
        buf_putc(out, '"');
        write_escaped(out, s, pos);
        buf_putc(out, '"');
}
