/* SPDX-License-Identifier: Apache-2.0 */
/* Table schemas and keys.  Pure but for the reference count. */
#include "ddbfs/store/schema.h"

#include <errno.h>

#include "ddbfs/base/alloc.h"

#define SCHEMA_ARENA_MAX (16 * MIB)

int table_schema_new(struct table_schema **ret) {
        struct table_schema *s = mem_zalloc(sizeof(*s));

        if (!s)
                return -ENOMEM;
        atomic_init(&s->refs, 1);
        s->arena = ARENA_INIT(SCHEMA_ARENA_MAX);
        *ret = s;
        return 0;
}

struct table_schema *table_schema_ref(struct table_schema *s) {
        /* relaxed: whoever calls holds a reference already */
        atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
        return s;
}

struct table_schema *table_schema_unref(struct table_schema *s) {
        if (s && atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) == 1) {
                arena_deinit(&s->arena);
                mem_free(s);
        }
        return NULL;
}

static const struct key_attr *find_attr(const struct key_schema *k, struct str attr) {
        for (uint32_t i = 0; i < k->n_hash + k->n_range; i++)
                if (str_eq(k->attrs[i].name, attr))
                        return &k->attrs[i];
        return NULL;
}

bool key_schema_has(const struct key_schema *k, struct str attr) {
        return find_attr(k, attr) != NULL;
}

const struct index_schema *table_index(const struct table_schema *s, struct str name) {
        for (uint32_t i = 0; i < s->n_indexes; i++)
                if (str_eq(s->indexes[i].name, name))
                        return &s->indexes[i];
        return NULL;
}

const struct key_attr *table_declared(const struct table_schema *s, struct str attr) {
        const struct key_attr *found = find_attr(&s->key, attr);

        for (uint32_t i = 0; !found && i < s->n_indexes; i++)
                found = find_attr(&s->indexes[i].key, attr);
        return found;
}

bool key_matches(const struct key_schema *k, const struct key *key) {
        if (key->n != k->n_hash + k->n_range)
                return false;
        for (uint32_t i = 0; i < key->n; i++)
                if (key->parts[i].type != k->attrs[i].type)
                        return false;
        return true;
}

bool key_equal(const struct key *a, const struct key *b) {
        if (a->n != b->n)
                return false;
        for (uint32_t i = 0; i < a->n; i++)
                if (a->parts[i].type != b->parts[i].type || !str_eq(a->parts[i].text, b->parts[i].text))
                        return false;
        return true;
}

int key_of_item(const struct key_schema *k, const struct item *item, struct key *ret) {
        struct key key = { .n = k->n_hash + k->n_range };

        for (uint32_t i = 0; i < key.n; i++) {
                const struct value *v = item_get(item, k->attrs[i].name);

                if (!v)
                        return -ENOENT;
                if (v->type != k->attrs[i].type)
                        return -EINVAL;
                key.parts[i] = (struct key_part){ .type = v->type, .text = v->text };
        }
        *ret = key;
        return 0;
}
