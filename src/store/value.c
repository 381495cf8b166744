/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values: names of types, order, equality, copies, sizes.
 *
 * Recursion is as deep as the value; readers cap that at 32.
 */
#include <errno.h>
#include "ddbfs/store/large_ref.h"
#include "ddbfs/store/number.h"
#include "ddbfs/store/value.h"

static const struct {
        const char *name;
        bool set;
        enum value_type member; /* of a set */
} types[_VALUE_TYPE_N] = {
        [VALUE_NULL] = { .name = "NULL" },
        [VALUE_BOOL] = { .name = "BOOL" },
        [VALUE_N] = { .name = "N" },
        [VALUE_S] = { .name = "S" },
        [VALUE_B] = { .name = "B" },
        [VALUE_SS] = { .name = "SS", .set = true, .member = VALUE_S },
        [VALUE_NS] = { .name = "NS", .set = true, .member = VALUE_N },
        [VALUE_BS] = { .name = "BS", .set = true, .member = VALUE_B },
        [VALUE_L] = { .name = "L" },
        [VALUE_M] = { .name = "M" },
        [VALUE_LARGE] = { .name = "" },
};

const char *value_type_name(enum value_type type) {
        return (unsigned)type < _VALUE_TYPE_N ? types[type].name : "?";
}

bool value_type_from_name(struct str name, enum value_type *ret) {
        /* once for every value of a page: most names are one letter */
        static const uint8_t letters[128] = { ['S'] = VALUE_S, ['N'] = VALUE_N, ['B'] = VALUE_B, ['L'] = VALUE_L, ['M'] = VALUE_M };

        if (name.n == 1) {
                unsigned char c = (unsigned char)name.p[0];

                *ret = (enum value_type)(c < sizeof(letters) ? letters[c] : 0);
                return *ret != VALUE_NULL;
        }
        for (unsigned i = 0; i < VALUE_LARGE; i++)
                if (str_eq(name, str_of(types[i].name))) {
                        *ret = (enum value_type)i;
                        return true;
                }
        return false;
}

_Static_assert(VALUE_NULL == 0, "value_type_from_name: 0 is none of the letters");

bool value_set_member(enum value_type set, enum value_type *ret) {
        if ((unsigned)set >= _VALUE_TYPE_N || !types[set].set)
                return false;
        *ret = types[set].member;
        return true;
}

/* ---- order ---- */

static int attribute_cmp(const void *a, const void *b) {
        const struct attribute *x = a, *y = b;

        return str_cmp(x->name, y->name);
}

static int text_cmp(const void *a, const void *b) {
        const struct value *x = a, *y = b;

        return str_cmp(x->text, y->text);
}

static int number_value_cmp(const void *a, const void *b) {
        const struct value *x = a, *y = b;

        return number_cmp(x->text, y->text);
}

/* true: strictly ascending, so neither a sort nor a search for duplicates is needed. */
static bool ascending(const void *v, uint32_t n, size_t size, int (*cmp)(const void *, const void *)) {
        const char *p = v;

        for (uint32_t i = 1; i < n; i++, p += size)
                if (cmp(p, p + size) >= 0)
                        return false;
        return true;
}

/* Sorts; returns the index of the second of two equals, 0 when all differ. */
static uint32_t sort_distinct(void *v, uint32_t n, size_t size, int (*cmp)(const void *, const void *)) {
        const char *p = v;

        if (ascending(v, n, size, cmp))
                return 0;
        qsort(v, n, size, cmp);
        for (uint32_t i = 1; i < n; i++, p += size)
                if (cmp(p, p + size) == 0)
                        return i;
        return 0;
}

#define FEW 16

/* Those of most items, of which the service sends a page of thousands: in place, without the memory that qsort(3) takes. */
static uint32_t sort_few(struct attribute *a, uint32_t n) {
        for (uint32_t i = 1; i < n; i++) {
                struct attribute x = a[i];
                uint32_t k = i;
                int c = 0;

                while (k > 0 && (c = str_cmp(a[k - 1].name, x.name)) > 0) {
                        a[k] = a[k - 1];
                        k--;
                }
                a[k] = x;
                if (k > 0 && c == 0)
                        return k;
        }
        return 0;
}

int attributes_sort(struct attribute *a, uint32_t n, struct str *ret_dup) {
        uint32_t dup = n <= FEW ? sort_few(a, n) : sort_distinct(a, n, sizeof(*a), attribute_cmp);

        if (!dup)
                return 0;
        if (ret_dup)
                *ret_dup = a[dup].name;
        return -EEXIST;
}

int set_sort(struct value *set, struct str *ret_dup) {
        uint32_t dup = sort_distinct(set->elements, set->n, sizeof(*set->elements),
                                     set->type == VALUE_NS ? number_value_cmp : text_cmp);

        if (!dup)
                return 0;
        if (ret_dup)
                *ret_dup = set->elements[dup].text;
        return -EEXIST;
}

const struct value *item_get(const struct item *item, struct str name) {
        uint32_t low = 0, high = item->n;

        while (low < high) {
                uint32_t middle = low + (high - low) / 2;
                int c = str_cmp(name, item->attributes[middle].name);

                if (c == 0)
                        return &item->attributes[middle].value;
                if (c < 0)
                        high = middle;
                else
                        low = middle + 1;
        }
        return NULL;
}

/* ---- equality ---- */

static bool attributes_equal(const struct attribute *a, const struct attribute *b, uint32_t n) {
        for (uint32_t i = 0; i < n; i++)
                if (!str_eq(a[i].name, b[i].name) || !value_equal(&a[i].value, &b[i].value))
                        return false;
        return true;
}

static bool elements_equal(const struct value *a, const struct value *b) {
        for (uint32_t i = 0; i < a->n; i++)
                if (!value_equal(&a->elements[i], &b->elements[i]))
                        return false;
        return true;
}

static bool set_sorted(const struct value *v) {
        return ascending(v->elements, v->n, sizeof(*v->elements), v->type == VALUE_NS ? number_value_cmp : text_cmp);
}

static bool set_equal(const struct value *a, const struct value *b) {
        if (elements_equal(a, b))
                return true;
        if (set_sorted(a) && set_sorted(b))
                return false;
        for (uint32_t i = 0; i < a->n; i++) { /* members are distinct, so one direction is enough */
                uint32_t j = 0;

                while (j < b->n && !value_equal(&a->elements[i], &b->elements[j]))
                        j++;
                if (j == b->n)
                        return false;
        }
        return true;
}

bool value_equal(const struct value *a, const struct value *b) {
        if (a->type != b->type)
                return a->type == VALUE_LARGE   ? large_ref_is_content(a->large, b)
                       : b->type == VALUE_LARGE ? large_ref_is_content(b->large, a)
                                                : false;
        switch (a->type) {
        case VALUE_NULL:
                return true;
        case VALUE_BOOL:
                return a->boolean == b->boolean;
        case VALUE_N: /* canonical, so equal text is equal value */
        case VALUE_S:
        case VALUE_B:
                return str_eq(a->text, b->text);
        case VALUE_SS:
        case VALUE_NS:
        case VALUE_BS:
                return a->n == b->n && set_equal(a, b);
        case VALUE_L:
                return a->n == b->n && elements_equal(a, b);
        case VALUE_M:
                return a->n == b->n && attributes_equal(a->attributes, b->attributes, a->n);
        case VALUE_LARGE:
                return large_ref_equal(a->large, b->large);
        case _VALUE_TYPE_N:
                break;
        }
        return false;
}

bool item_equal(const struct item *a, const struct item *b) {
        return a->n == b->n && attributes_equal(a->attributes, b->attributes, a->n);
}

/* ---- copies ---- */

static int attributes_copy(struct arena *arena, const struct attribute *from, uint32_t n, struct attribute **ret) {
        struct attribute *to = NULL;
        int r;

        if (n > 0) {
                to = arena_array(arena, n, sizeof(*to));
                if (!to)
                        return -ENOMEM;
        }
        for (uint32_t i = 0; i < n; i++) {
                r = arena_dup(arena, from[i].name, &to[i].name);
                if (r)
                        return r;
                r = value_copy(arena, &from[i].value, &to[i].value);
                if (r)
                        return r;
        }
        *ret = to;
        return 0;
}

static int elements_copy(struct arena *arena, const struct value *from, uint32_t n, struct value **ret) {
        struct value *to = NULL;
        int r;

        if (n > 0) {
                to = arena_array(arena, n, sizeof(*to));
                if (!to)
                        return -ENOMEM;
        }
        for (uint32_t i = 0; i < n; i++) {
                r = value_copy(arena, &from[i], &to[i]);
                if (r)
                        return r;
        }
        *ret = to;
        return 0;
}

static int large_copy(struct arena *a, const struct large_ref *from, const struct large_ref **ret) {
        struct large_ref *l = arena_alloc(a, sizeof(*l));
        int r;

        if (!l)
                return -ENOMEM;
        *l = *from;
        r = arena_dup(a, from->bucket, &l->bucket);
        if (r == 0)
                r = arena_dup(a, from->key, &l->key);
        if (r == 0 && from->inlined)
                r = arena_dup(a, from->content, &l->content);
        *ret = l;
        return r;
}

int value_copy(struct arena *a, const struct value *v, struct value *ret) {
        struct value copy = *v;
        int r = 0;

        switch (v->type) {
        case VALUE_N:
        case VALUE_S:
        case VALUE_B:
                r = arena_dup(a, v->text, &copy.text);
                break;
        case VALUE_SS:
        case VALUE_NS:
        case VALUE_BS:
        case VALUE_L:
                r = elements_copy(a, v->elements, v->n, &copy.elements);
                break;
        case VALUE_M:
                r = attributes_copy(a, v->attributes, v->n, &copy.attributes);
                break;
        case VALUE_LARGE:
                r = large_copy(a, v->large, &copy.large);
                break;
        case VALUE_NULL:
        case VALUE_BOOL:
        case _VALUE_TYPE_N:
                break;
        }
        if (r)
                return r;
        *ret = copy;
        return 0;
}

int item_copy(struct arena *a, const struct item *item, struct item *ret) {
        struct item copy = { .n = item->n };
        int r = attributes_copy(a, item->attributes, item->n, &copy.attributes);

        if (r)
                return r;
        *ret = copy;
        return 0;
}

/* ---- sizes ---- */

#define CONTAINER_SIZE 3 /* of an L or M, and 1 for each element */
#define NUMBER_SIZE_MAX 21

/* One byte for two digits (pairs counted from the point, zero pairs at either end not stored), one for the
 * exponent, one for a minus. */
static size_t number_size(struct str text) {
        bool negative = text.n > 0 && text.p[0] == '-';
        struct str s = str_skip(text, negative);
        const char *point = s.n ? memchr(s.p, '.', s.n) : NULL;
        size_t integral = point ? (size_t)(point - s.p) : s.n;
        size_t first = SIZE_MAX, last = 0;

        for (size_t i = 0; i < s.n; i++) {
                size_t pair;

                if (s.p[i] == '0' || s.p[i] == '.')
                        continue;
                /* numbered so that the pair left of the point is integral, the one right of it integral + 1 */
                pair = i < integral ? integral - (integral - 1 - i) / 2 : integral + 1 + (i - integral - 1) / 2;
                if (first == SIZE_MAX)
                        first = pair;
                last = pair;
        }
        if (first == SIZE_MAX)
                return 1;
        return MIN(last - first + 2 + negative, (size_t)NUMBER_SIZE_MAX);
}

static size_t attributes_size(const struct attribute *a, uint32_t n) {
        size_t size = 0;

        for (uint32_t i = 0; i < n; i++)
                size += a[i].name.n + value_size(&a[i].value);
        return size;
}

static size_t elements_size(const struct value *v) {
        size_t size = 0;

        for (uint32_t i = 0; i < v->n; i++)
                size += value_size(&v->elements[i]);
        return size;
}

/* That of the map that stands for it. */
static size_t large_size(const struct large_ref *l) {
        struct large_map m;
        struct value map;

        large_ref_to_map(l, &m, &map);
        return value_size(&map);
}

size_t value_size(const struct value *v) {
        switch (v->type) {
        case VALUE_N:
                return number_size(v->text);
        case VALUE_S:
        case VALUE_B:
                return v->text.n;
        case VALUE_SS:
        case VALUE_NS:
        case VALUE_BS:
                return elements_size(v);
        case VALUE_L:
                return CONTAINER_SIZE + v->n + elements_size(v);
        case VALUE_M:
                return CONTAINER_SIZE + v->n + attributes_size(v->attributes, v->n);
        case VALUE_LARGE:
                return large_size(v->large);
        case VALUE_NULL:
        case VALUE_BOOL:
        case _VALUE_TYPE_N:
                break;
        }
        return 1;
}

size_t item_size(const struct item *item) {
        return attributes_size(item->attributes, item->n);
}
