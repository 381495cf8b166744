/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Items as file text (PRODUCT section 3).  Pure.  The text is a pure function of the item's value, and
 * reading it back gives an equal item.
 */
#include "ddbfs/base/buf.h"
#include "ddbfs/base/error.h"
#include "ddbfs/store/schema.h"

enum item_format { ITEM_FORMAT_PLAIN, ITEM_FORMAT_DYNAMODB };

struct item_text_options {
        enum item_format format;
        bool compact;       /* one line */
        bool strict_keys;   /* a differing key attribute in the text is refused */
        bool any_size;      /* over 400 KB is fine: what is large goes to S3 */
};

/* Two-space indent, one final newline; key attributes first (hash, range), the rest in byte order.  A tag
 * ({"$ss": ...}, {"S": ...}) adds no line and no indent, so both formats have the same layout.
 * key NULL: no attribute comes first. */
_must_check_ int item_text_render(const struct item *item, const struct key_schema *key,
                                  const struct item_text_options *o, struct buf *out);
/*
 * Text to item.  path_key (NULL: the text's own keys must be complete) decides the key attributes:
 * missing ones are filled in, differing ones replaced, or refused with strict_keys.  key NULL: an item
 * without keys is fine.  The top-level object is the item itself, never a tag.
 * -EINVAL with line and column: bad JSON, duplicate keys, depth over 32, bad number, empty set, duplicate
 * members of a set, unknown "$" tag, key attribute of the wrong type, non-UTF-8, not an object, the map that stands
 * for an object in S3 (store/large_ref.h).  {"$s3": ...} is a claim, and so is that map in DynamoDB's format.
 * -EFBIG: over 400 KB (item_size), without any_size.  The item lives in the arena; strings may point into text.
 */
_must_check_ int item_text_parse(struct str text, const struct key_schema *key, const struct key *path_key,
                                 const struct item_text_options *o, struct arena *arena, struct item *ret,
                                 struct error *reterr);
/* One value in the plain format, without a final newline: for .export. */
_must_check_ int value_text_render(const struct value *v, bool compact, struct buf *out);
_must_check_ int value_text_parse(struct str text, struct arena *arena, struct value *ret, struct error *reterr);
/*
 * The content of an attribute's file: the bytes of an S or a B, the digits of an N, JSON in the plain format of the
 * rest, without a tag around the whole (a set is an array) and without a final newline.
 */
_must_check_ int attr_text_render(const struct value *v, bool compact, struct buf *out);
/* The same back: the text becomes a value of this type.  A newline at the end of an N is ignored; of an S or a B it is
 * content.  -EINVAL with line and column: it is no such value.  Strings may point into text. */
_must_check_ int attr_text_parse(struct str text, enum value_type type, struct arena *arena, struct value *ret,
                                 struct error *reterr);
#define ITEM_TEXT_MAX (16 * MIB) /* of a text to parse */
#define ITEM_DEPTH_MAX 32        /* levels; a top-level attribute is level 1, as the service counts */
#define ATTRIBUTE_NAME_MAX 65535 /* bytes */
