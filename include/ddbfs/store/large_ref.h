/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * References: what an item holds in place of an S or B attribute that is kept as an S3 object.  Pure.
 *
 * In the table a reference is a map of one reserved member, told from all other maps by its exact shape:
 *
 *      {"$ddbfs:s3": {"bucket": S, "key": S, "sha256": S (64 digits, lower case), "size": N, "type": S ("S" or "B"), "v": N (1)}}
 *
 * Nobody can save that shape as data through ddbfs (codec/item_text.h).  In memory it is a value of type VALUE_LARGE.
 * A *claim* is one that only says which content it means, by size and SHA-256: it comes from a text, {"$s3": {...}},
 * and becomes a reference when the item, or another one that was read, is found to hold that content (large/).
 */
#include "ddbfs/store/value.h"

#define LARGE_SHA256_LEN 32
#define LARGE_SIZE_MAX (UINT64_C(48800) * GIB) /* of an S3 object */
#define LARGE_BUCKET_MAX 63
#define LARGE_KEY_MAX 1024

struct large_ref {
        enum value_type type;  /* VALUE_S or VALUE_B; VALUE_NULL: a claim does not say */
        bool inlined;          /* content is the object's */
        uint64_t size;
        uint8_t sha256[LARGE_SHA256_LEN];
        struct str bucket, key; /* empty: a claim */
        struct str content;
};

static inline bool large_ref_is_claim(const struct large_ref *l) {
        return l->key.n == 0;
}

/* Is this map a reference (claims: or the map that large_ref_to_map() makes of a claim)?  Then *ret is it; strings
 * borrow from the map. */
bool large_ref_from_map(const struct value *map, bool claims, struct large_ref *ret);
/* The map of a reference, in memory of the caller's; strings borrow from the reference. */
struct large_map {
        struct attribute outer;
        struct attribute inner[6];
        char sha256[2 * LARGE_SHA256_LEN];
        char size[24];
};
void large_ref_to_map(const struct large_ref *l, struct large_map *m, struct value *ret);
/* Every attribute of the item that is such a map becomes a VALUE_LARGE, in the arena: 0 or -ENOMEM.
 * claims: only what it says of its content counts, the text is not to be trusted with more. */
_must_check_ int large_refs_of_item(struct item *item, bool claims, struct arena *a);
/* Do two of them mean the same content?  References are the same only if they name the same object. */
bool large_ref_equal(const struct large_ref *a, const struct large_ref *b);
/* Is an S or B value the content? */
bool large_ref_is_content(const struct large_ref *l, const struct value *v);
/* 64 digits, lower case */
void large_sha256_write(const uint8_t sha256[LARGE_SHA256_LEN], char out[2 * LARGE_SHA256_LEN]);
bool large_sha256_read(struct str hex, uint8_t ret[LARGE_SHA256_LEN]);
/* A whole number as it is written canonically, at most LARGE_SIZE_MAX. */
bool large_size_read(struct str text, uint64_t *ret);
