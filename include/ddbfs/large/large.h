/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A store that keeps large attributes as objects of a struct blobs (S3), over one that holds the items.
 *
 * An S or B over the threshold, or the largest ones until the item fits 400 KB, becomes an object and the item holds a
 * reference to it (store/large_ref.h).  Object first, then the conditional write of the item, then, after a grace time,
 * the removal of the object that was replaced: what stops half-way leaves a readable item and at worst an orphan.
 *
 * An object belongs to one attribute of one item; its key says to which:
 *
 *      PREFIX TABLE-H/O-U      H: 16 hex digits of the SHA-256 of the table's ARN (or name, where it has none)
 *                              O: 32 hex digits of the SHA-256 of H, the item's key and the attribute's name
 *                              U: 32 random ones
 *
 * A reference in another item (copied by another tool) is read like any, and never the cause of a removal.  Nothing is
 * removed before a strongly consistent read has said that its item no longer refers to it.
 */
#include "ddbfs/store/blobs.h"
#include "ddbfs/store/large.h"

struct large_options {
        const char *const *buckets; /* names; objects are written to the first, references followed into these only */
        uint32_t n_buckets;         /* 0: nothing is offloaded, nothing read */
        const char *prefix;         /* of all object keys */
        uint64_t threshold;         /* bytes; an S or B over it is offloaded */
        uint64_t inline_max;        /* bytes; fill() gives content up to this size */
        uint64_t grace_ns;          /* from being replaced to being removed */
        uint64_t timeout_ns;        /* of one request in the background */
};
#define LARGE_PREFIX_MAX 512
#define LARGE_ATTRIBUTE_MIN (4 * KIB) /* of what is offloaded to make an item fit: below it a reference gains little */

/* inner and blobs are borrowed and must outlive it; strings are copied.  blobs may be NULL when n_buckets is 0. */
_must_check_ int large_store_new(const struct large_options *o, struct store *inner, struct blobs *blobs, struct store **ret);

/* The beginning of the keys of all objects of a table: "PREFIX TABLE-H/".  0 or the buffer's error. */
_must_check_ int large_table_prefix(struct str prefix, const struct table_schema *table, struct buf *out);
/* Does the object belong to that attribute, whatever the prefix? */
bool large_owns(const struct large_owner *owner, struct str object_key);
