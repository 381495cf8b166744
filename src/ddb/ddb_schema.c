/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DescribeTable -> struct table_schema.  Pure.
 *
 * The base table must be understood whole, or the answer is refused.  An index that is not (a key attribute of an
 * unknown type, more key attributes than KEY_ATTRS_MAX, a projection of the future) is left out: the table is of use
 * without it.  Names are checked against the service's own alphabet, since they become file names.
 */
#include <errno.h>
#include <jansson.h>

#include "ddb_tables.h"

#define INDEXES_MAX 10000 /* of one table; quotas are far below */

enum { _SCHEMA_E_SUCCESS, SCHEMA_E_SKIP /* this index is beyond us */ };

static json_t *json_done(json_t *j) {
        json_decref(j);
        return NULL;
}
DEFINE_CLEANUP(json_t, json_done)

static struct str get_text(const json_t *object, const char *key) {
        const json_t *j = json_object_get(object, key);

        return json_is_string(j) ? str_make(json_string_value(j), json_string_length(j)) : STR_NULL;
}

static int dup_text(struct arena *a, const json_t *object, const char *key, struct str *ret) {
        return arena_dup(a, get_text(object, key), ret);
}

static uint64_t get_count(const json_t *object, const char *key) {
        json_int_t i = json_integer_value(json_object_get(object, key));

        return i > 0 ? (uint64_t)i : 0;
}

static int64_t get_time(const json_t *object, const char *key) {
        double t = json_number_value(json_object_get(object, key));

        return t > 0 && t < 1e12 ? (int64_t)t : 0;
}

/* ---- keys ---- */

static int attribute_type(const json_t *definitions, struct str name, enum value_type *ret) {
        static const struct {
                struct str name;
                enum value_type type;
        } types[] = { { STR("S"), VALUE_S }, { STR("N"), VALUE_N }, { STR("B"), VALUE_B } };
        const json_t *d;
        size_t i;

        json_array_foreach(definitions, i, d) {
                if (!str_eq(get_text(d, "AttributeName"), name))
                        continue;
                for (size_t k = 0; k < ARRAY_LEN(types); k++)
                        if (str_eq(get_text(d, "AttributeType"), types[k].name)) {
                                *ret = types[k].type;
                                return 0;
                        }
        }
        return SCHEMA_E_SKIP;
}

/* The attributes of one role, behind those already there. */
static int read_role(struct arena *a, const json_t *elements, const json_t *definitions, const char *role,
                     struct key_schema *k) {
        uint32_t *n = str_eq(str_of(role), STR("HASH")) ? &k->n_hash : &k->n_range;
        const json_t *e;
        size_t i;
        int r;

        json_array_foreach(elements, i, e) {
                struct key_attr *attr = &k->attrs[k->n_hash + k->n_range];

                if (!str_eq(get_text(e, "KeyType"), str_of(role)))
                        continue;
                if (k->n_hash + k->n_range == KEY_ATTRS_MAX || get_text(e, "AttributeName").n == 0)
                        return SCHEMA_E_SKIP;
                r = attribute_type(definitions, get_text(e, "AttributeName"), &attr->type);
                if (r)
                        return r;
                if (key_schema_has(k, get_text(e, "AttributeName")))
                        return SCHEMA_E_SKIP;
                r = dup_text(a, e, "AttributeName", &attr->name);
                if (r)
                        return r;
                (*n)++;
        }
        return 0;
}

/* 0, SCHEMA_E_SKIP or -ENOMEM. */
static int read_key(struct arena *a, const json_t *object, const json_t *definitions, struct key_schema *ret) {
        const json_t *elements = json_object_get(object, "KeySchema");
        struct key_schema k = { 0 };
        int r;

        if (!json_is_array(elements))
                return SCHEMA_E_SKIP;
        r = read_role(a, elements, definitions, "HASH", &k);
        if (!r)
                r = read_role(a, elements, definitions, "RANGE", &k);
        if (r)
                return r;
        if (k.n_hash == 0 || k.n_hash + k.n_range != json_array_size(elements))
                return SCHEMA_E_SKIP;
        *ret = k;
        return 0;
}

/* ---- indexes ---- */

static int read_include(struct arena *a, const json_t *names, struct index_schema *x) {
        const json_t *name;
        size_t i;
        int r;

        if (!json_is_array(names) || json_array_size(names) > INDEXES_MAX)
                return SCHEMA_E_SKIP;
        x->include = arena_array(a, json_array_size(names), sizeof(*x->include));
        if (!x->include)
                return -ENOMEM;
        json_array_foreach(names, i, name) {
                if (!json_is_string(name))
                        return SCHEMA_E_SKIP;
                r = arena_dup(a, str_make(json_string_value(name), json_string_length(name)), &x->include[i]);
                if (r)
                        return r;
                x->n_include++;
        }
        return 0;
}

static int read_projection(struct arena *a, const json_t *object, struct index_schema *x) {
        static const struct {
                struct str name;
                enum projection projection;
        } types[] = {
                { STR("ALL"), PROJECT_ALL },
                { STR("KEYS_ONLY"), PROJECT_KEYS_ONLY },
                { STR("INCLUDE"), PROJECT_INCLUDE },
        };
        const json_t *projection = json_object_get(object, "Projection");

        for (size_t i = 0; i < ARRAY_LEN(types); i++) {
                if (!str_eq(get_text(projection, "ProjectionType"), types[i].name))
                        continue;
                x->projection = types[i].projection;
                if (x->projection == PROJECT_INCLUDE)
                        return read_include(a, json_object_get(projection, "NonKeyAttributes"), x);
                return 0;
        }
        return SCHEMA_E_SKIP;
}

static int read_index(struct table_schema *s, const json_t *object, const json_t *definitions, bool global,
                      struct index_schema *ret) {
        struct str status = get_text(object, "IndexStatus");
        struct index_schema x = { .global = global };
        int r;

        if (!ddb_name_valid(get_text(object, "IndexName")) || table_index(s, get_text(object, "IndexName")))
                return SCHEMA_E_SKIP;
        x.active = !global || status.n == 0 || str_eq(status, STR("ACTIVE")) || str_eq(status, STR("UPDATING"));
        r = dup_text(&s->arena, object, "IndexName", &x.name);
        if (!r)
                r = read_key(&s->arena, object, definitions, &x.key);
        if (!r)
                r = read_projection(&s->arena, object, &x);
        if (!r)
                *ret = x;
        return r;
}

static int read_indexes(struct table_schema *s, const json_t *table) {
        static const struct {
                const char *member;
                bool global;
        } kinds[] = { { "LocalSecondaryIndexes", false }, { "GlobalSecondaryIndexes", true } };
        const json_t *definitions = json_object_get(table, "AttributeDefinitions"), *x;
        size_t i, n = 0;
        int r;

        for (size_t k = 0; k < ARRAY_LEN(kinds); k++)
                n += json_array_size(json_object_get(table, kinds[k].member));
        if (n > INDEXES_MAX)
                return -EINVAL;
        s->indexes = arena_array(&s->arena, n, sizeof(*s->indexes));
        if (n > 0 && !s->indexes)
                return -ENOMEM;
        for (size_t k = 0; k < ARRAY_LEN(kinds); k++)
                json_array_foreach(json_object_get(table, kinds[k].member), i, x) {
                        r = read_index(s, x, definitions, kinds[k].global, &s->indexes[s->n_indexes]);
                        if (r < 0)
                                return r;
                        s->n_indexes += r == 0;
                }
        return 0;
}

/* ---- the table ---- */

static int read_names(struct table_schema *s, const json_t *table, struct str asked) {
        static const struct {
                const char *member;
                size_t offset;
        } texts[] = {
                { "TableName", offsetof(struct table_schema, name) },
                { "TableArn", offsetof(struct table_schema, arn) },
                { "TableStatus", offsetof(struct table_schema, status) },
                { "LatestStreamArn", offsetof(struct table_schema, stream_arn) },
        };
        int r;

        for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
                struct str *to = (struct str *)(void *)((char *)s + texts[i].offset);

                r = dup_text(&s->arena, table, texts[i].member, to);
                if (r)
                        return r;
        }
        return arena_dup(&s->arena, asked, &s->address);
}

static int read_table(struct table_schema *s, const json_t *table, struct error *reterr) {
        int r;

        if (!ddb_name_valid(s->name))
                return error_set(reterr, ERR_PROTOCOL, "DescribeTable: no table name, or an illegal one");
        r = read_key(&s->arena, table, json_object_get(table, "AttributeDefinitions"), &s->key);
        if (r > 0 || (!r && (s->key.n_hash != 1 || s->key.n_range > 1)))
                return error_set(reterr, ERR_PROTOCOL, "DescribeTable: the key of table %.*s is not one we know",
                                 (int)s->name.n, s->name.p);
        if (!r)
                r = read_indexes(s, table);
        if (r == -EINVAL)
                return error_set(reterr, ERR_PROTOCOL, "DescribeTable: too many indexes");
        if (r)
                return error_set_errno(reterr, r, "DescribeTable");
        s->created_s = get_time(table, "CreationDateTime");
        s->item_count = get_count(table, "ItemCount");
        s->size_bytes = get_count(table, "TableSizeBytes");
        return 0;
}

int ddb_parse_describe(struct str body, struct str asked, struct table_schema **ret, struct error *reterr) {
        _cleanup_(table_schema_unrefp) struct table_schema *s = NULL;
        _cleanup_(json_donep) json_t *table = NULL;
        json_error_t jerr;
        struct str text;
        int r;

        r = ddb_find_table(body, &text, reterr);
        if (r)
                return r;
        table = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, &jerr);
        if (!table && json_error_code(&jerr) == json_error_out_of_memory)
                return error_set(reterr, ERR_MEMORY, "DescribeTable: out of memory");
        if (!table)
                return error_set(reterr, ERR_PROTOCOL, "DescribeTable: the answer makes no sense: %s", jerr.text);

        r = table_schema_new(&s);
        if (!r)
                r = arena_dup(&s->arena, text, &s->description);
        if (!r)
                r = read_names(s, table, asked);
        if (r)
                return error_set_errno(reterr, r, "DescribeTable");
        r = read_table(s, table, reterr);
        if (r)
                return r;
        *ret = TAKE(s);
        return 0;
}
