/* SPDX-License-Identifier: Apache-2.0 */
/* References to attributes kept in S3: see large_ref.h. */
#include <errno.h>
#include <stdio.h>
#include "ddbfs/base/encode.h"
#include "ddbfs/store/large_ref.h"

#define RESERVED STR("$ddbfs:s3")
#define BUCKET_MIN 3

_Static_assert(LARGE_SHA256_LEN == SHA256_LEN, "one digest");

/* In byte order of their names, as every map is. */
enum { BUCKET, KEY, SHA256, SIZE, TYPE, VERSION, _MEMBERS };
static const struct {
        const char *name;
        enum value_type type;
} members[_MEMBERS] = {
        [BUCKET] = { "bucket", VALUE_S }, [KEY] = { "key", VALUE_S },   [SHA256] = { "sha256", VALUE_S },
        [SIZE] = { "size", VALUE_N },     [TYPE] = { "type", VALUE_S }, [VERSION] = { "v", VALUE_N },
};

void large_sha256_write(const uint8_t sha256[LARGE_SHA256_LEN], char out[2 * LARGE_SHA256_LEN]) {
        static const char digits[] = "0123456789abcdef";

        for (size_t i = 0; i < LARGE_SHA256_LEN; i++) {
                out[2 * i] = digits[sha256[i] >> 4];
                out[2 * i + 1] = digits[sha256[i] & 15];
        }
}

bool large_sha256_read(struct str hex, uint8_t ret[LARGE_SHA256_LEN]) {
        if (hex.n != (size_t)2 * LARGE_SHA256_LEN)
                return false;
        for (size_t i = 0; i < hex.n; i++) {
                char c = hex.p[i];
                int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;

                if (digit < 0)
                        return false;
                ret[i / 2] = (uint8_t)(i % 2 ? ret[i / 2] | digit : digit << 4);
        }
        return true;
}

bool large_size_read(struct str text, uint64_t *ret) {
        uint64_t size = 0;

        if (text.n == 0 || text.n > 17 || (text.n > 1 && text.p[0] == '0'))
                return false;
        for (size_t i = 0; i < text.n; i++) {
                if (text.p[i] < '0' || text.p[i] > '9')
                        return false;
                size = size * 10 + (uint64_t)(text.p[i] - '0');
        }
        *ret = size;
        return size <= LARGE_SIZE_MAX;
}

/* The name of an object, or none at all where a claim is fine. */
static bool object_named(const struct large_ref *l, bool claims) {
        if (l->bucket.n == 0 && l->key.n == 0)
                return claims;
        return l->type != VALUE_NULL && l->bucket.n >= BUCKET_MIN && l->bucket.n <= LARGE_BUCKET_MAX && l->key.n > 0 &&
               l->key.n <= LARGE_KEY_MAX;
}

static bool type_read(struct str text, enum value_type *ret) {
        *ret = text.n == 0 ? VALUE_NULL : text.p[0] == 'B' ? VALUE_B : VALUE_S;
        return text.n == 0 || (text.n == 1 && (text.p[0] == 'B' || text.p[0] == 'S'));
}

bool large_ref_from_map(const struct value *map, bool claims, struct large_ref *ret) {
        const struct attribute *m;
        struct large_ref l = { .inlined = false };

        if (map->type != VALUE_M || map->n != 1 || !str_eq(map->attributes[0].name, RESERVED))
                return false;
        map = &map->attributes[0].value;
        if (map->type != VALUE_M || map->n != _MEMBERS)
                return false;
        m = map->attributes;
        for (unsigned i = 0; i < _MEMBERS; i++)
                if (!str_eq(m[i].name, str_of(members[i].name)) || m[i].value.type != members[i].type)
                        return false;
        l.bucket = m[BUCKET].value.text;
        l.key = m[KEY].value.text;
        if (!type_read(m[TYPE].value.text, &l.type) || !object_named(&l, claims) ||
            !str_eq(m[VERSION].value.text, STR("1")) || !large_size_read(m[SIZE].value.text, &l.size) ||
            !large_sha256_read(m[SHA256].value.text, l.sha256))
                return false;
        *ret = l;
        return true;
}

void large_ref_to_map(const struct large_ref *l, struct large_map *m, struct value *ret) {
        int n = snprintf(m->size, sizeof(m->size), "%llu", (unsigned long long)l->size);

        large_sha256_write(l->sha256, m->sha256);
        for (unsigned i = 0; i < _MEMBERS; i++)
                m->inner[i] = (struct attribute){ .name = str_of(members[i].name), .value = { .type = members[i].type } };
        m->inner[BUCKET].value.text = l->bucket;
        m->inner[KEY].value.text = l->key;
        m->inner[SHA256].value.text = str_make(m->sha256, sizeof(m->sha256));
        m->inner[SIZE].value.text = str_make(m->size, n > 0 ? (size_t)n : 0);
        m->inner[TYPE].value.text = l->type == VALUE_B ? STR("B") : l->type == VALUE_S ? STR("S") : STR("");
        m->inner[VERSION].value.text = STR("1");
        m->outer = (struct attribute){ .name = RESERVED,
                                       .value = { .type = VALUE_M, .n = _MEMBERS, .attributes = m->inner } };
        *ret = (struct value){ .type = VALUE_M, .n = 1, .attributes = &m->outer };
}

int large_refs_of_item(struct item *item, bool claims, struct arena *a) {
        for (uint32_t i = 0; i < item->n; i++) {
                struct value *v = &item->attributes[i].value;
                struct large_ref l, *kept;

                if (!large_ref_from_map(v, claims, &l))
                        continue;
                kept = arena_alloc(a, sizeof(*kept));
                if (!kept)
                        return -ENOMEM;
                if (claims)
                        l.bucket = l.key = STR_NULL;
                *kept = l;
                *v = (struct value){ .type = VALUE_LARGE, .large = kept };
        }
        return 0;
}

bool large_ref_equal(const struct large_ref *a, const struct large_ref *b) {
        if (a->size != b->size || memcmp(a->sha256, b->sha256, LARGE_SHA256_LEN) != 0 ||
            (a->type != b->type && a->type != VALUE_NULL && b->type != VALUE_NULL))
                return false;
        return large_ref_is_claim(a) || large_ref_is_claim(b) || (str_eq(a->bucket, b->bucket) && str_eq(a->key, b->key));
}

bool large_ref_is_content(const struct large_ref *l, const struct value *v) {
        uint8_t digest[SHA256_LEN];

        if ((v->type != VALUE_S && v->type != VALUE_B) || v->text.n != l->size ||
            (l->type != VALUE_NULL && l->type != v->type))
                return false;
        return sha256(v->text, digest) == 0 && memcmp(digest, l->sha256, SHA256_LEN) == 0;
}
