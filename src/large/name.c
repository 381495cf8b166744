/* SPDX-License-Identifier: Apache-2.0 */
/* The keys of objects, and whom they belong to: see large.h. */
#include <stdio.h>
#include "large_internal.h"
#include "ddbfs/base/rng.h"
#include "ddbfs/codec/wire.h"

#define TABLE_HASH 16
#define OWNER_HASH 32
#define UNIQUE 32
#define META_KEY_MAX 1200 /* bytes of base64; all metadata together may have 2 KB */
#define META_ATTR_MAX 400

static void put_hex(const uint8_t *digest, char *out, size_t digits) {
        char all[2 * SHA256_LEN];

        large_sha256_write(digest, all);
        memcpy(out, all, digits);
}

static int table_hash(const struct table_schema *t, char out[TABLE_HASH]) {
        uint8_t digest[SHA256_LEN];
        int r = sha256(t->arn.n > 0 ? t->arn : t->name, digest);

        put_hex(digest, out, TABLE_HASH);
        return r;
}

/* Lengths first, so that no two owners have the same text. */
static void put_counted(struct buf *b, char tag, struct str s) {
        buf_printf(b, "%c%zu:", tag, s.n);
        buf_str(b, s);
}

static int owner_hash(const struct large_owner *o, char out[OWNER_HASH]) {
        _cleanup_(buf_deinit) struct buf b = BUF_INIT(128 * KIB);
        uint8_t digest[SHA256_LEN];
        char table[TABLE_HASH];
        int r = table_hash(o->table, table);

        buf_append(&b, table, sizeof(table));
        for (uint32_t i = 0; i < o->key.n; i++)
                put_counted(&b, value_type_name(o->key.parts[i].type)[0], o->key.parts[i].text);
        put_counted(&b, 'a', o->attr);
        if (r == 0)
                r = buf_status(&b);
        if (r == 0)
                r = sha256(buf_view(&b), digest);
        if (r == 0)
                put_hex(digest, out, OWNER_HASH);
        return r;
}

int large_table_prefix(struct str prefix, const struct table_schema *table, struct buf *out) {
        char hash[TABLE_HASH];
        int r = table_hash(table, hash);

        buf_str(out, prefix);
        buf_str(out, table->name);
        buf_putc(out, '-');
        buf_append(out, hash, sizeof(hash));
        buf_putc(out, '/');
        return r ? r : buf_status(out);
}

static bool is_hex(struct str s) {
        for (size_t i = 0; i < s.n; i++)
                if (!((s.p[i] >= '0' && s.p[i] <= '9') || (s.p[i] >= 'a' && s.p[i] <= 'f')))
                        return false;
        return true;
}

bool large_owns(const struct large_owner *owner, struct str object_key) {
        _cleanup_(buf_deinit) struct buf folder = BUF_INIT(4 * KIB);
        size_t tail = OWNER_HASH + 1 + UNIQUE;
        char hash[OWNER_HASH];
        struct str name, before;

        if (object_key.n <= tail || owner_hash(owner, hash) || large_table_prefix(STR_NULL, owner->table, &folder))
                return false;
        name = str_skip(object_key, object_key.n - tail);
        before = str_make(object_key.p, object_key.n - tail);
        return str_ends(before, buf_view(&folder)) && memcmp(name.p, hash, OWNER_HASH) == 0 && name.p[OWNER_HASH] == '-' &&
               is_hex(str_skip(name, OWNER_HASH + 1));
}

int large_new_key(const struct large_store *ls, const struct large_owner *o, struct arena *a, struct str *ret,
                  struct error *e) {
        _cleanup_(buf_deinit) struct buf b = BUF_INIT(LARGE_KEY_MAX);
        uint8_t random[UNIQUE / 2];
        char hash[OWNER_HASH];
        int r = large_table_prefix(str_of(ls->prefix), o->table, &b);

        (void)rng_kernel(random, sizeof(random)); /* what can be guessed is still unlikely to be met twice */
        if (r == 0)
                r = owner_hash(o, hash);
        if (r == 0) {
                buf_append(&b, hash, sizeof(hash));
                buf_putc(&b, '-');
                hex_encode(&b, str_make(random, sizeof(random)));
                r = buf_status(&b);
        }
        if (r == 0)
                r = arena_dup(a, buf_view(&b), ret);
        return r ? error_set_errno(e, r, "naming an object in S3") : 0;
}

static int add_meta(struct arena *a, const char *name, struct str value, bool encoded, struct blob_meta *m, uint32_t *n) {
        _cleanup_(buf_deinit) struct buf b = BUF_INIT(64 * KIB);

        if (encoded)
                base64_encode(&b, value);
        else
                buf_str(&b, value);
        m[*n].name = str_of(name);
        if (buf_status(&b) || arena_dup(a, buf_view(&b), &m[*n].value))
                return -ENOMEM;
        (*n)++;
        return 0;
}

/* For people, and for tools that look from S3's side: what does not fit is left out. */
int large_metas(const struct large_owner *o, struct arena *a, struct blob_meta ret[LARGE_METAS], uint32_t *ret_n) {
        _cleanup_(buf_deinit) struct buf key = BUF_INIT(64 * KIB);
        struct str names[KEY_ATTRS_MAX];
        uint32_t n = 0;
        int r = add_meta(a, "table", o->table->name, false, ret, &n);

        for (uint32_t i = 0; i < o->key.n && i < KEY_ATTRS_MAX; i++)
                names[i] = o->table->key.attrs[i].name;
        wire_write_key(&key, o->key.parts, names, MIN(o->key.n, (uint32_t)KEY_ATTRS_MAX));
        if (r == 0)
                r = buf_status(&key);
        if (r == 0 && key.n <= META_KEY_MAX / 4 * 3)
                r = add_meta(a, "key", buf_view(&key), true, ret, &n);
        if (r == 0 && o->attr.n <= META_ATTR_MAX / 4 * 3)
                r = add_meta(a, "attribute", o->attr, true, ret, &n);
        *ret_n = n;
        return r;
}
