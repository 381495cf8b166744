/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * DynamoDB's data model: attribute values, items, keys.
 *
 * Values live in an arena, are built once and never changed after.  Numbers stay text (38 digits).
 * Bytes of S are valid UTF-8; B holds raw bytes, never base64.  Whatever reads a value leaves it in
 * normal form: numbers canonical, maps and sets sorted, no duplicates.
 */
#include "ddbfs/base/arena.h"

enum value_type {
        VALUE_NULL, VALUE_BOOL, VALUE_N, VALUE_S, VALUE_B, VALUE_SS, VALUE_NS, VALUE_BS, VALUE_L, VALUE_M,
        VALUE_LARGE, /* no type of DynamoDB's: an S or B kept in S3 (store/large_ref.h); of an item's attributes only */
        _VALUE_TYPE_N,
};

struct attribute;
struct large_ref;

struct value {
        enum value_type type;
        uint32_t n; /* L, SS, NS, BS: elements; M: attributes */
        union {
                bool boolean;                 /* BOOL */
                struct str text;              /* N (canonical decimal text), S, B */
                struct value *elements;       /* L; SS, NS, BS: elements of type S, N, B, see set_sort() */
                struct attribute *attributes; /* M: in byte order of their names, names distinct */
                const struct large_ref *large; /* LARGE */
        };
};

struct attribute {
        struct str name;
        struct value value;
};

/* An item: a map of attributes, in byte order of their names, names distinct. */
struct item {
        uint32_t n;
        struct attribute *attributes;
};

/* "S", "NS", "NULL" ... as on the wire. */
const char *value_type_name(enum value_type type);
bool value_type_from_name(struct str name, enum value_type *ret);

const struct value *item_get(const struct item *item, struct str name); /* NULL: none; binary search */
/* Sort by name.  -EEXIST: two attributes of one name (*ret_dup, may be NULL). */
_must_check_ int attributes_sort(struct attribute *a, uint32_t n, struct str *ret_dup);
/* Sort the members of a set: byte order, numbers by value.  -EEXIST: two are equal (*ret_dup, may be NULL). */
_must_check_ int set_sort(struct value *set, struct str *ret_dup);
/* The type of a set's members: S for SS ...; false: not a set. */
bool value_set_member(enum value_type set, enum value_type *ret);
/* As DynamoDB's "=": same type, numbers by value, sets regardless of order, maps and lists deep; what is kept in
 * S3 is equal to its content.  Expects normal form; sets may be unsorted, at quadratic cost. */
bool value_equal(const struct value *a, const struct value *b);
bool item_equal(const struct item *a, const struct item *b);
/* Deep copy into an arena: 0 or -ENOMEM. */
_must_check_ int value_copy(struct arena *a, const struct value *v, struct value *ret);
_must_check_ int item_copy(struct arena *a, const struct item *item, struct item *ret);
/* Size by DynamoDB's rules (developer guide, item sizes; numbers by the community's refinement): bytes
 * that count against the 400 KB limit. */
size_t value_size(const struct value *v);
size_t item_size(const struct item *item);
#define ITEM_SIZE_MAX (400 * KIB)

/* One part of a key: type S, N or B.  N text is canonical. */
struct key_part {
        enum value_type type;
        struct str text;
};
#define KEY_PARTS_MAX 10 /* 4 hash + 4 range of an index, 2 of the base table */

/* A key: the values in the order of its key schema.  Parts are borrowed. */
struct key {
        uint32_t n;
        struct key_part parts[KEY_PARTS_MAX];
};
