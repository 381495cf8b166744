/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pull reader of json.h and the string writer.
 *
 * What may come next is one of the states of enum expect; `stack` remembers the open brackets, so
 * nothing here recurses.  Strings are scanned eight bytes at a time for the three things that matter
 * (quote, backslash, control character) and for bytes over 0x7F, which decide whether UTF-8 needs
 * checking at all.  Must not look at what the tokens mean.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include "ddbfs/base/json.h"

enum expect {
        EXPECT_VALUE,   /* of the document, behind ':' or behind ',' in an array */
        EXPECT_ELEMENT, /* the first of an array, or ']' */
        EXPECT_MEMBER,  /* the first of an object, or '}' */
        EXPECT_KEY,     /* behind ',' in an object */
        EXPECT_COMMA,   /* or the closing bracket */
        EXPECT_END,     /* nothing but white space */
        EXPECT_NOTHING, /* failed */
};

void json_reader_init(struct json_reader *r, struct str text, struct arena *arena, unsigned max_depth) {
        *r = (struct json_reader){
                .text = text,
                .arena = arena,
                .max_depth = MIN(max_depth, (unsigned)JSON_MAX_DEPTH),
                .expect = EXPECT_VALUE,
        };
}

/* ---- failing ---- */

void json_position(struct str text, size_t pos, unsigned *ret_line, unsigned *ret_column) {
        unsigned line = 1, column = 1;

        pos = MIN(pos, text.n);
        for (size_t i = 0; i < pos; i++) {
                if (text.p[i] == '\n') {
                        line++;
                        column = 1;
                } else if (((unsigned char)text.p[i] & 0xC0) != 0x80)
                        column++;
        }
        *ret_line = line;
        *ret_column = column;
}

static _printf_(3, 0) int fail_v(struct json_reader *r, size_t pos, const char *format, va_list args) {
        char message[ERROR_MESSAGE_LEN];
        unsigned line, column;

        if (r->expect == EXPECT_NOTHING)
                return json_status(r);
        r->expect = EXPECT_NOTHING;
        if (vsnprintf(message, sizeof(message), format, args) < 0)
                message[0] = '\0';
        json_position(r->text, pos, &line, &column);
        return error_set_at(&r->error, line, column, "%s", message);
}

int json_fail(struct json_reader *r, const char *format, ...) {
        va_list args;
        int k;

        va_start(args, format);
        k = fail_v(r, r->token_pos, format, args);
        va_end(args);
        return k;
}

int json_fail_at(struct json_reader *r, size_t pos, const char *format, ...) {
        va_list args;
        int k;

        va_start(args, format);
        k = fail_v(r, pos, format, args);
        va_end(args);
        return k;
}

int json_fail_memory(struct json_reader *r) {
        if (r->expect == EXPECT_NOTHING)
                return json_status(r);
        r->expect = EXPECT_NOTHING;
        return error_set(&r->error, ERR_MEMORY, "out of memory reading JSON");
}

int json_status(const struct json_reader *r) {
        return r->error.kind == ERR_NONE ? 0 : -error_errno(r->error.kind);
}

static enum json_token syntax(struct json_reader *r, size_t pos, const char *what) {
        unsigned char c;

        if (pos >= r->text.n)
                json_fail_at(r, r->text.n, "%s, but the text ends here", what);
        else if ((c = (unsigned char)r->text.p[pos]) > ' ' && c < 0x7F)
                json_fail_at(r, pos, "%s, not '%c'", what, c);
        else
                json_fail_at(r, pos, "%s, not the byte 0x%02x", what, c);
        return JSON_ERROR;
}

/* ---- strings ---- */

#define BYTES(c) (UINT64_C(0x0101010101010101) * (c))

/* The high bit of each byte of w that is below 0x20, a quote or a backslash.  Exact up to and with the
 * first such byte, which is all the callers look at. */
static inline uint64_t special_bytes(uint64_t w) {
        uint64_t quote = w ^ BYTES(0x22), slash = w ^ BYTES(0x5C);

        return (((w - BYTES(0x20)) & ~w) | ((quote - BYTES(1)) & ~quote) | ((slash - BYTES(1)) & ~slash)) & BYTES(0x80);
}

/* Position of the first special byte at or behind pos, or text.n.  *high collects the bytes passed. */
static size_t scan_plain(struct str text, size_t pos, uint64_t *high) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
        while (text.n - pos >= 8) {
                uint64_t w, special;

                memcpy(&w, text.p + pos, 8);
                special = special_bytes(w);
                if (special) {
                        unsigned n = (unsigned)__builtin_ctzll(special) / 8;

                        if (n)
                                *high |= w & (UINT64_MAX >> (64 - 8 * n));
                        return pos + n;
                }
                *high |= w;
                pos += 8;
        }
#endif
        for (; pos < text.n; pos++) {
                unsigned char c = (unsigned char)text.p[pos];

                if (c < 0x20 || c == '"' || c == '\\')
                        break;
                *high |= c;
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

static int read_string(struct json_reader *r) {
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
        if ((high & BYTES(0x80)) && !utf8_valid(raw))
                return json_fail_at(r, start + utf8_bad_at(raw), "not valid UTF-8");
        r->pos = end + 1;
        return 0;
}

/* ---- the other tokens ---- */

static bool is_digit(struct str s, size_t pos) {
        return pos < s.n && s.p[pos] >= '0' && s.p[pos] <= '9';
}

static size_t skip_digits(struct str s, size_t pos) {
        while (is_digit(s, pos))
                pos++;
        return pos;
}

static enum json_token read_number(struct json_reader *r) {
        struct str t = r->text;
        size_t pos = r->pos;

        if (t.p[pos] == '-')
                pos++;
        if (!is_digit(t, pos))
                return syntax(r, pos, "expected a digit");
        if (t.p[pos] == '0' && is_digit(t, pos + 1)) {
                json_fail(r, "a number may not begin with a needless 0");
                return JSON_ERROR;
        }
        pos = skip_digits(t, pos);
        if (pos < t.n && t.p[pos] == '.') {
                if (!is_digit(t, ++pos))
                        return syntax(r, pos, "expected a digit behind the point");
                pos = skip_digits(t, pos);
        }
        if (pos < t.n && (t.p[pos] | 0x20) == 'e') {
                pos++;
                if (pos < t.n && (t.p[pos] == '+' || t.p[pos] == '-'))
                        pos++;
                if (!is_digit(t, pos))
                        return syntax(r, pos, "expected a digit of the exponent");
                pos = skip_digits(t, pos);
        }
        r->value = str_make(t.p + r->pos, pos - r->pos);
        r->pos = pos;
        return JSON_NUMBER;
}

static enum json_token read_word(struct json_reader *r, struct str word, enum json_token token) {
        if (!str_starts(str_skip(r->text, r->pos), word))
                return syntax(r, r->pos, "expected a value");
        r->pos += word.n;
        return token;
}

static void value_done(struct json_reader *r) {
        r->expect = r->depth ? EXPECT_COMMA : EXPECT_END;
}

static enum json_token open_level(struct json_reader *r, char c) {
        if (r->depth >= r->max_depth) {
                json_fail(r, "nested deeper than %u levels", r->max_depth);
                return JSON_ERROR;
        }
        r->stack[r->depth++] = (uint8_t)c;
        r->pos++;
        r->expect = c == '{' ? EXPECT_MEMBER : EXPECT_ELEMENT;
        return c == '{' ? JSON_OBJECT_BEGIN : JSON_ARRAY_BEGIN;
}

static enum json_token close_level(struct json_reader *r) {
        bool object = r->stack[--r->depth] == '{';

        r->pos++;
        value_done(r);
        return object ? JSON_OBJECT_END : JSON_ARRAY_END;
}

static enum json_token read_value(struct json_reader *r) {
        enum json_token token;
        char c = r->text.p[r->pos];

        if (c == '"')
                token = read_string(r) ? JSON_ERROR : JSON_STRING;
        else if (c == '{' || c == '[')
                return open_level(r, c);
        else if (c == '-' || (c >= '0' && c <= '9'))
                token = read_number(r);
        else if (c == 't')
                token = read_word(r, STR("true"), JSON_TRUE);
        else if (c == 'f')
                token = read_word(r, STR("false"), JSON_FALSE);
        else if (c == 'n')
                token = read_word(r, STR("null"), JSON_NULL);
        else if (r->pos == 0 && str_starts(r->text, STR("\xEF\xBB\xBF"))) {
                json_fail(r, "the text begins with a byte order mark");
                return JSON_ERROR;
        } else
                return syntax(r, r->pos, "expected a value");
        if (token != JSON_ERROR)
                value_done(r);
        return token;
}

static inline void skip_space(struct json_reader *r) {
        const char *p = r->text.p;
        size_t pos = r->pos, n = r->text.n;

        while (pos < n && (p[pos] == ' ' || p[pos] == '\n' || p[pos] == '\t' || p[pos] == '\r'))
                pos++;
        r->pos = pos;
}

static enum json_token read_key(struct json_reader *r) {
        if (r->pos >= r->text.n || r->text.p[r->pos] != '"')
                return syntax(r, r->pos,
                              r->expect == EXPECT_KEY ? "expected an attribute name in quotes"
                                                      : "expected an attribute name in quotes or '}'");
        if (read_string(r))
                return JSON_ERROR;
        skip_space(r);
        if (r->pos >= r->text.n || r->text.p[r->pos] != ':')
                return syntax(r, r->pos, "expected ':'");
        r->pos++;
        r->expect = EXPECT_VALUE;
        return JSON_KEY;
}

enum json_token json_next(struct json_reader *r) {
        bool object;
        int c;

        if (r->expect == EXPECT_NOTHING)
                return JSON_ERROR;
        skip_space(r);
        c = r->pos < r->text.n ? (unsigned char)r->text.p[r->pos] : -1;
        if (r->expect == EXPECT_COMMA) {
                object = r->stack[r->depth - 1] == '{';
                if (c == ',') {
                        r->expect = object ? EXPECT_KEY : EXPECT_VALUE;
                        r->pos++;
                        skip_space(r);
                        c = r->pos < r->text.n ? (unsigned char)r->text.p[r->pos] : -1;
                } else if (c != (object ? '}' : ']'))
                        return syntax(r, r->pos, object ? "expected ',' or '}'" : "expected ',' or ']'");
        }
        r->token_pos = r->pos;
        switch (r->expect) {
        case EXPECT_COMMA:
                return close_level(r);
        case EXPECT_MEMBER:
                if (c == '}')
                        return close_level(r);
                return read_key(r);
        case EXPECT_KEY:
                return read_key(r);
        case EXPECT_END:
                if (c >= 0)
                        return syntax(r, r->pos, "expected the end of the text");
                return JSON_END;
        case EXPECT_ELEMENT:
                if (c == ']')
                        return close_level(r);
                break;
        default:
                break;
        }
        return c < 0 ? syntax(r, r->pos, "expected a value") : read_value(r);
}

int json_skip(struct json_reader *r) {
        unsigned depth = r->depth;
        bool before = r->skipping;
        enum json_token token;

        r->skipping = true;
        do
                token = json_next(r);
        while (token != JSON_ERROR && token != JSON_END && (token == JSON_KEY || r->depth > depth));
        r->skipping = before;
        return token == JSON_END ? json_fail(r, "expected a value, but the text ends here") : json_status(r);
}

void json_mark(const struct json_reader *r, struct json_mark *ret) {
        *ret = (struct json_mark){ .pos = r->pos, .token_pos = r->token_pos, .depth = r->depth, .expect = r->expect,
                                   .value = r->value };
}

void json_rewind(struct json_reader *r, const struct json_mark *mark) {
        r->pos = mark->pos;
        r->token_pos = mark->token_pos;
        r->depth = mark->depth;
        r->expect = mark->expect;
        r->value = mark->value;
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

void json_write_string(struct buf *out, struct str s) {
        uint64_t high = 0;
        size_t from = 0;

        buf_putc(out, '"');
        while (from < s.n) {
                size_t pos = scan_plain(s, from, &high);

                buf_append(out, s.p + from, pos - from);
                if (pos < s.n)
                        write_escape(out, (unsigned char)s.p[pos++]);
                from = pos;
        }
        buf_putc(out, '"');
}
