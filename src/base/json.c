/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pull reader of json.h; strings are in json_string.c.
 *
 * What may come next is one of the states of enum expect; `stack` remembers the open brackets, so
 * nothing here recurses.  Must not look at what the tokens mean.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include "ddbfs/base/json.h"
#include "json_internal.h"

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

/* ---- tokens ---- */

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
                token = json_read_string(r) ? JSON_ERROR : JSON_STRING;
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
        if (json_read_string(r))
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
        *ret = (struct json_mark){
                .pos = r->pos, .token_pos = r->token_pos, .depth = r->depth, .expect = r->expect, .value = r->value
        };
}

void json_rewind(struct json_reader *r, const struct json_mark *mark) {
        r->pos = mark->pos;
        r->token_pos = mark->token_pos;
        r->depth = mark->depth;
        r->expect = mark->expect;
        r->value = mark->value;
}
