/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * DynamoDB JSON <-> values, the service's own form.  Pure.  Reads with base/json.h: numbers stay text,
 * strings without escapes are not copied (they point into the input, which must outlive the values).
 * item_text.c uses it for -o format=dynamodb.
 *
 * What is read is in normal form (store/value.h) whatever the engine sent: numbers canonical, sets sorted.
 * Refused: unknown types, bad numbers and base64, empty sets, duplicates, nesting over 32.
 */
#include "ddbfs/base/json.h"
#include "ddbfs/store/value.h"

#define WIRE_MAX_DEPTH 70 /* 32 levels of DynamoDB nesting are 2 JSON levels each, plus the envelope */

/* The next value of r is {"S": ...}.  0, or -errno with r->error. */
_must_check_ int wire_read_value(struct json_reader *r, struct value *ret);
/* The next value of r is {"attr": {"S": ...}, ...}.  Sorted on return; duplicates are -EINVAL.  Attributes kept in S3
 * become VALUE_LARGE here, and their map again when written. */
_must_check_ int wire_read_item(struct json_reader *r, struct item *ret);
void wire_write_value(struct buf *out, const struct value *v);   /* compact */
void wire_write_item(struct buf *out, const struct item *item);  /* compact */
void wire_write_key(struct buf *out, const struct key_part *parts, const struct str *names, uint32_t n);
