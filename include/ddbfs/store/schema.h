/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What DescribeTable says.  Immutable, reference-counted, thread-safe. */
#include <stdatomic.h>
#include "ddbfs/base/buf.h"
#include "ddbfs/base/error.h"
#include "ddbfs/store/value.h"

#define TABLE_NAME_MAX 255
#define KEY_ATTRS_MAX 8 /* up to 4 hash and 4 range attributes (multi-attribute keys, since 2025-11) */

struct key_attr {
        struct str name;
        enum value_type type; /* S, N or B */
};

struct key_schema {
        uint32_t n_hash;                       /* 1 for base tables, 1..4 for a GSI */
        uint32_t n_range;                      /* 0..1 for base tables, 0..4 */
        struct key_attr attrs[KEY_ATTRS_MAX];  /* hash first */
};

enum projection { PROJECT_ALL, PROJECT_KEYS_ONLY, PROJECT_INCLUDE };

struct index_schema {
        struct str name;
        bool global; /* GSI; else LSI */
        bool active;
        struct key_schema key;
        enum projection projection;
        uint32_t n_include;
        struct str *include; /* non-key attributes of PROJECT_INCLUDE */
};

struct table_schema {
        atomic_uint refs;
        struct arena arena;       /* owns everything below */
        struct str name;          /* the bare name */
        struct str address;       /* what requests call it: the name, or the ARN it was asked for by; empty: name */
        struct str arn;
        struct str status;        /* "ACTIVE", "CREATING", ... */
        struct str stream_arn;    /* latest; empty when there is none */
        struct str description;   /* the "Table" object as received, JSON text */
        struct key_schema key;
        uint32_t n_indexes;
        struct index_schema *indexes;
        int64_t created_s;        /* epoch */
        uint64_t item_count, size_bytes; /* refreshed by the service about every 6 h */
};

/* An empty one with one reference and an empty arena; name, key and so on are filled in before it is
 * shown to others. */
_must_check_ int table_schema_new(struct table_schema **ret);
struct table_schema *table_schema_ref(struct table_schema *s);
struct table_schema *table_schema_unref(struct table_schema *s); /* NULL is fine; returns NULL */
DEFINE_CLEANUP(struct table_schema, table_schema_unref)

static inline bool table_has_range(const struct table_schema *s) {
        return s->key.n_range > 0;
}
static inline struct str table_address(const struct table_schema *s) {
        return s->address.n > 0 ? s->address : s->name;
}
bool key_schema_has(const struct key_schema *k, struct str attr);
const struct index_schema *table_index(const struct table_schema *s, struct str name); /* NULL: none */
/* What the table's definition says about an attribute that is part of its key or of an index's; NULL: nothing.  The
 * service takes no other type for it, though an item may lack it, but for the table's own key. */
const struct key_attr *table_declared(const struct table_schema *s, struct str attr);
/* The key has all attributes of the schema, each of its type. */
bool key_matches(const struct key_schema *k, const struct key *key);
bool key_equal(const struct key *a, const struct key *b);
/* The key of an item by a key schema.  Parts borrow from the item.  -ENOENT: an attribute is missing
 * (sparse), -EINVAL: of another type. */
_must_check_ int key_of_item(const struct key_schema *k, const struct item *item, struct key *ret);
/* The CreateTable request that would make the table again, as a JSON text to read and edit.  0, -EINVAL (the
 * description is none), -ENOMEM or the buffer's error.  create_request.c */
_must_check_ int table_create_request(const struct table_schema *s, struct buf *out);
