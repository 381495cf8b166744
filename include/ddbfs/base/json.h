/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * JSON as text: a pull reader and the writer's primitives.
 *
 * Why not jansson for items: it stores numbers as double or int64 and DynamoDB's have 38 digits; a parse
 * tree of a 1 MB page costs more than the page.  jansson is used for small documents (table
 * descriptions, credentials, error bodies).
 *
 * The reader is strict RFC 8259: UTF-8 only, no byte order mark, no duplicate check (the caller knows
 * its objects), no lone surrogates, no trailing bytes, depth capped.  \u0000 is accepted.  Pure; no I/O.
 */
#include "ddbfs/base/arena.h"
#include "ddbfs/base/buf.h"
#include "ddbfs/base/error.h"

enum json_token {
        JSON_ERROR, /* reader->error says what; every later call returns JSON_ERROR */
        JSON_END,   /* the document is complete */
        JSON_OBJECT_BEGIN,
        JSON_OBJECT_END,
        JSON_ARRAY_BEGIN,
        JSON_ARRAY_END,
        JSON_KEY,    /* text */
        JSON_STRING, /* text */
        JSON_NUMBER, /* text: the literal as written */
        JSON_TRUE,
        JSON_FALSE,
        JSON_NULL,
};

#define JSON_MAX_DEPTH 80 /* hard cap; callers set a lower one */

struct json_reader {
        struct str text;
        size_t pos;         /* of the next byte */
        size_t token_pos;   /* where the last token began */
        struct arena *arena;/* for strings with escapes; the others point into text */
        unsigned depth, max_depth;
        struct str value;   /* of KEY, STRING, NUMBER; valid as long as text and arena */
        struct error error; /* ERR_INPUT with line and column, or ERR_MEMORY */
        uint8_t stack[JSON_MAX_DEPTH]; /* private: '{' or '[' of each open level */
        uint8_t expect;                /* private */
        bool skipping;                 /* private: strings are checked, not decoded */
};

/* A place to come back to, for looking ahead within the open object or array. */
struct json_mark {
        size_t pos, token_pos;
        unsigned depth;
        uint8_t expect;
        struct str value;
};

/* text and arena are borrowed for the reader's life; max_depth is clamped to JSON_MAX_DEPTH. */
void json_reader_init(struct json_reader *r, struct str text, struct arena *arena, unsigned max_depth);
enum json_token json_next(struct json_reader *r);
/* Skip the value that begins at the next token (or, after JSON_KEY, its value). 0 or -EINVAL/-ENOMEM. */
_must_check_ int json_skip(struct json_reader *r);
/* Make the reader failed at the last token, with line and column.  Returns -EINVAL.  The first failure
 * is the one that stays. */
int json_fail(struct json_reader *r, const char *format, ...) _printf_(2, 3);
int json_fail_at(struct json_reader *r, size_t pos, const char *format, ...) _printf_(3, 4);
/* The same for want of memory.  Returns -ENOMEM. */
int json_fail_memory(struct json_reader *r);
/* The status of a failed reader (-EINVAL, -ENOMEM); 0 when it has not failed. */
int json_status(const struct json_reader *r);

void json_mark(const struct json_reader *r, struct json_mark *ret);
/* Back to the mark.  Only while the level it was made in has not been left, and nothing failed. */
void json_rewind(struct json_reader *r, const struct json_mark *mark);
/* Line and column (from 1, column in characters) of byte pos. */
void json_position(struct str text, size_t pos, unsigned *ret_line, unsigned *ret_column);

/* "..." with the shortest escapes: \" \\ \b \f \n \r \t, \u00xx below 0x20, everything else as it is.
 * s must be valid UTF-8. */
void json_write_string(struct buf *out, struct str s);
