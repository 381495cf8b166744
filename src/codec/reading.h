/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the two readers of items (wire.c, item_parse.c) share: objects to sorted attributes, arrays to
 * elements, the checks every value has to pass, and errors that name the place in the item.
 */
#include "ddbfs/base/json.h"
#include "ddbfs/store/value.h"

/* The way down to the value being read: a name or an index; on the C stack. */
struct frame {
        const struct frame *up;
        struct str name; /* p NULL: an index */
        uint32_t index;
};

struct reading;

/* Read the value that begins with token, the last one read. */
typedef int value_reader(struct reading *g, enum json_token token, struct value *ret);

struct reading {
        struct json_reader *r;
        value_reader *read;
        const struct frame *where;
        unsigned level;     /* of the value being read; an attribute of the item is at level 1 */
        struct buf scratch; /* numbers and base64 before they go to the arena */
};

#define READING_INIT(r_, read_) \
        ((struct reading){ .r = (r_), .read = (read_), .scratch = BUF_INIT(16 * MIB) })
static inline void reading_deinit(struct reading *g) {
        buf_deinit(&g->scratch);
}

/* All return 0, or what json_fail() does, with g->r->error filled. */

/* The attributes of an object whose '{' was the last token, up to and with its '}'. */
_must_check_ int reading_attributes(struct reading *g, struct attribute **ret, uint32_t *ret_n);
/* The same where the token behind the '{' (which was at object_pos) has been read too. */
_must_check_ int reading_attributes_from(struct reading *g, enum json_token token, size_t object_pos,
                                         struct attribute **ret, uint32_t *ret_n);
/* The elements of an array whose '[' was the last token. */
_must_check_ int reading_list(struct reading *g, struct value *ret);
/* The members of a set of this type, token being the first of the whole array.  member reads one. */
_must_check_ int reading_set(struct reading *g, enum json_token token, enum value_type type,
                             value_reader *member, struct value *ret);
/* The decimal text, the base64 text of the last token. */
_must_check_ int reading_number(struct reading *g, struct value *ret);
_must_check_ int reading_binary(struct reading *g, struct value *ret);
/* Fail at byte pos of the text, naming the place. */
int reading_fail(struct reading *g, size_t pos, const char *format, ...) _printf_(3, 4);
/* Byte position of the nth key (from 1) called name of the object at object_pos; object_pos: none. */
size_t reading_locate(struct reading *g, size_t object_pos, struct str name, unsigned nth);
