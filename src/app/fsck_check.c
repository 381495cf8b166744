/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One table: its references, read by a Scan and sorted (fsck_sort.c), against the listing of its objects, both in byte
 * order of the keys.
 *
 *      only a reference      its item is read again, and the object asked for: it may have been replaced meanwhile
 *      only an object        an orphan, if it is older than the grace time and a second Scan finds no reference either
 *      both                  the sizes are compared; -c: the SHA-256
 *
 * An orphan cannot become referred to again: an object belongs to one attribute, whose reference is only ever written together
 * with a new object or kept where it is (large.h).  But what looks like one may be new however old it says it is (S3 counts
 * from the beginning of a multipart upload), its reference written after the Scan had passed its item: so before anything is
 * removed, the references are read again, later than a save that was under way takes.
 */
#include <stdio.h>
#include <time.h>
#include "ddbfs/base/clock.h"
#include "ddbfs/base/encode.h"
#include "ddbfs/codec/wire.h"
#include "fsck_internal.h"

#define SORT_MEMORY (8 * MIB)
#define SEGMENTS 4

/* ---- references ---- */

/* bucket NUL object key NUL size (16 digits) SHA-256 (32 bytes) attribute's name NUL item's key as DynamoDB JSON */
struct reference {
        struct str bucket, object, attr, key;
        uint64_t size;
        uint8_t sha256[SHA256_LEN];
};

static int put_reference(struct fsck *f, const struct key *key, struct str attr, const struct large_ref *l, struct buf *b) {
        struct str names[KEY_ATTRS_MAX];

        for (uint32_t i = 0; i < key->n && i < KEY_ATTRS_MAX; i++)
                names[i] = f->table->key.attrs[i].name;
        buf_reset(b);
        buf_str(b, l->bucket);
        buf_putc(b, '\0');
        buf_str(b, l->key);
        buf_putc(b, '\0');
        buf_printf(b, "%016llx", (unsigned long long)l->size);
        buf_append(b, l->sha256, SHA256_LEN);
        buf_str(b, attr);
        buf_putc(b, '\0');
        wire_write_key(b, key->parts, names, key->n);
        return buf_status(b) ? buf_status(b) : sorter_add(f->references, buf_view(b));
}

static bool cut(struct str *from, struct str *ret) {
        const char *nul = memchr(from->p, '\0', from->n);

        if (!nul)
                return false;
        *ret = str_make(from->p, (size_t)(nul - from->p));
        *from = str_skip(*from, ret->n + 1);
        return true;
}

static bool read_reference(struct str record, struct reference *ret) {
        char digits[17] = "";

        if (!cut(&record, &ret->bucket) || !cut(&record, &ret->object) || record.n < 16 + SHA256_LEN)
                return false;
        memcpy(digits, record.p, 16);
        if (sscanf(digits, "%llx", (unsigned long long *)&ret->size) != 1)
                return false;
        memcpy(ret->sha256, record.p + 16, SHA256_LEN);
        record = str_skip(record, 16 + SHA256_LEN);
        if (!cut(&record, &ret->attr))
                return false;
        ret->key = record;
        return true;
}

static int note_item(struct fsck *f, const struct item *item, struct buf *room) {
        struct key key;
        int r = key_of_item(&f->table->key, item, &key);

        f->n_items++;
        for (uint32_t i = 0; r == 0 && i < item->n; i++) {
                const struct value *v = &item->attributes[i].value;

                if (v->type != VALUE_LARGE || large_ref_is_claim(v->large))
                        continue;
                f->n_references++;
                r = put_reference(f, &key, item->attributes[i].name, v->large, room);
        }
        return r;
}

static bool has_room(void *arg, bool wait) {
        (void)arg;
        (void)wait;
        return true;
}

static int take_page(void *arg, struct items *page, struct error *e) {
        _cleanup_(buf_deinit) struct buf room = BUF_INIT(SORTER_RECORD_MAX);
        struct fsck *f = arg;
        int r = 0;

        for (uint32_t i = 0; r == 0 && i < page->n; i++)
                r = note_item(f, &page->v[i], &room);
        fsck_progress(f, "reading items", f->n_items, f->table->item_count);
        return r ? error_set_errno(e, r, "sorting references") : 0;
}

static int read_references(struct fsck *f, struct error *e) {
        struct scan_request q = { .table = f->table, .consistent = true };
        const struct scan_sink sink = { .arg = f, .room = has_room, .page = take_page };
        int r = sorter_new(SORT_MEMORY, &f->references);

        if (r == 0 && f->dropped.n > 0)
                r = fsck_still_dropped(f, e);
        else if (r == 0)
                r = store_scan_all(f->service.tables, f->ctx, &q, SEGMENTS, &sink, e);
        else
                return error_set_errno(e, r, "sorting references");
        if (r == 0 && (r = sorter_finish(f->references)))
                return error_set_errno(e, r, "sorting references");
        return r;
}

/* ---- findings ---- */

/* Does the item still have this reference? */
static int still_referred(struct fsck *f, const struct reference *x, bool *ret, struct error *e) {
        _cleanup_(arena_deinit) struct arena a = ARENA_INIT(MIB);
        struct get_request get = { .table = f->table, .consistent = true, .projection = &x->attr, .n_projection = 1 };
        _cleanup_(items_deinit) struct items now;
        const struct value *v = NULL;
        struct json_reader reader;
        struct item key;
        int r;

        items_init(&now);
        json_reader_init(&reader, x->key, &a, WIRE_MAX_DEPTH);
        r = wire_read_item(&reader, &key);
        if (r == 0)
                r = key_of_item(&f->table->key, &key, &get.key);
        if (r)
                return error_set_errno(e, r, "key of an item");
        r = f->service.tables->ops->get(f->service.tables, f->ctx, &get, &now, e);
        if (r == 0 && now.n > 0)
                v = item_get(&now.v[0], x->attr);
        *ret = v && v->type == VALUE_LARGE && str_eq(v->large->key, x->object) && str_eq(v->large->bucket, x->bucket);
        return r;
}

static void say_reference(struct fsck *f, const char *what, const struct reference *x, const char *why) {
        fsck_say(f, what, x->bucket, x->object, " of %.*s %.*s, attribute %.*s%s", (int)f->table->name.n, f->table->name.p,
                 (int)x->key.n, x->key.p, (int)x->attr.n, x->attr.p, why);
        f->status |= FSCK_LEFT;
}

/* No object in the listing. */
static int check_dangling(struct fsck *f, const struct reference *x, struct error *e) {
        struct blobs *b = f->service.blobs;
        struct error local = { 0 };
        struct blob_info info;
        bool still = false;
        int r = b->ops->head(b, f->ctx, (struct blob_name){ x->bucket, x->object }, &info, &local);

        if (r == 0)
                return 0; /* written since the listing */
        if (local.kind != ERR_NO_ITEM) {
                *e = local;
                return r;
        }
        r = still_referred(f, x, &still, e);
        if (r == 0 && still) {
                f->n_dangling++;
                say_reference(f, "dangling reference", x, ": there is no such object");
        }
        return r;
}

static int check_content(struct fsck *f, const struct reference *x, bool *ret, struct error *e) {
        struct large_ref l = { .type = VALUE_B, .size = x->size, .bucket = x->bucket, .key = x->object };
        struct value v = { .type = VALUE_LARGE, .large = &l };
        _cleanup_(buf_deinit) struct buf piece = BUF_INIT(MIB);
        struct large_reader *in = NULL;
        size_t n;
        int r;

        if (!buf_reserve(&piece, MIB))
                return error_set(e, ERR_MEMORY, "out of memory");
        memcpy(l.sha256, x->sha256, SHA256_LEN);
        r = f->service.store->ops->large->open(f->service.store, f->ctx, &v, &in, e);
        for (uint64_t at = 0; r == 0 && at < x->size; at += n)
                r = f->service.store->ops->large->read(in, f->ctx, at, MIB, piece.p, &n, e);
        f->service.store->ops->large->close(in);
        *ret = r == 0;
        return r && e->kind != ERR_PROTOCOL && e->kind != ERR_NO_ITEM ? r : 0;
}

static int check_both(struct fsck *f, const struct reference *x, const struct blob_entry *o, struct error *e) {
        bool right = x->size == o->size, still = true;
        int r = 0;

        if (right && f->deep)
                r = check_content(f, x, &right, e);
        if (r == 0 && !right)
                r = still_referred(f, x, &still, e);
        if (r)
                return r;
        f->n_checked += right && f->deep;
        if (!right && still) {
                f->n_damaged++;
                say_reference(f, "damaged object", x, x->size == o->size ? ": its SHA-256 is another" : ": its size is another");
        }
        return 0;
}

/* ---- orphans ---- */

struct orphans { /* to be removed in one request */
        struct arena arena;
        struct blob_name v[BLOB_REMOVE_MAX];
        uint32_t n;
};

static int remove_orphans(struct fsck *f, struct orphans *o, struct error *e) {
        struct blobs *b = f->service.blobs;
        int results[BLOB_REMOVE_MAX];
        int r;

        for (uint32_t i = 0; i < o->n; i++)
                results[i] = -EINPROGRESS; /* of those it does not come to */
        r = o->n ? b->ops->remove(b, f->ctx, o->v, o->n, results, e) : 0;
        for (uint32_t i = 0; i < o->n; i++)
                if (results[i] == 0) {
                        f->n_removed++;
                        f->status |= FSCK_CORRECTED;
                }
        o->n = 0;
        arena_reset(&o->arena);
        return r;
}

static void say_orphan(struct fsck *f, struct str bucket, struct str key, uint64_t size) {
        f->n_orphans++;
        f->orphan_bytes += size;
        if (!f->repair)
                f->status |= FSCK_LEFT;
        fsck_say(f, "orphan", bucket, key, " (%llu bytes)%s", (unsigned long long)size, f->repair ? ", removed" : "");
}

/* To be looked at again before it is removed.  bucket NUL object key NUL size (16 digits): ordered like the references */
static int suspect(struct fsck *f, struct str bucket, const struct blob_entry *x, struct error *e) {
        _cleanup_(buf_deinit) struct buf b = BUF_INIT(SORTER_RECORD_MAX);
        int r;

        buf_str(&b, bucket);
        buf_putc(&b, '\0');
        buf_str(&b, x->key);
        buf_putc(&b, '\0');
        buf_printf(&b, "%016llx", (unsigned long long)x->size);
        r = buf_status(&b) ? buf_status(&b) : sorter_add(f->suspects, buf_view(&b));
        f->n_suspects += r == 0;
        return r ? error_set_errno(e, r, "sorting objects") : 0;
}

/* An object whose age nobody knows is young. */
static int note_orphan(struct fsck *f, struct str bucket, const struct blob_entry *x, struct error *e) {
        if (x->modified_s <= 0 || x->modified_s > f->started_s - f->grace_s) {
                f->n_young++;
                return 0;
        }
        if (f->repair)
                return suspect(f, bucket, x, e);
        say_orphan(f, bucket, x->key, x->size);
        return 0;
}

/* Does a reference lead to the object of this record?  *at: the reference reached; n == 0 after the last. */
static int is_referred(struct fsck *f, struct str record, struct str *at, bool *ret, struct error *e) {
        const struct str name = str_make(record.p, record.n - 16);
        int r = 1;

        while (r > 0 && at->n > 0 && str_cmp(*at, name) < 0)
                r = sorter_next(f->references, at);
        if (r < 0)
                return error_set_errno(e, r, "sorting references");
        if (r == 0)
                *at = STR_NULL;
        *ret = at->n > 0 && str_starts(*at, name);
        return 0;
}

static int remove_suspect(struct fsck *f, struct str record, struct orphans *o, struct error *e) {
        struct blob_name *name = &o->v[o->n];
        unsigned long long size;
        char digits[17] = "";
        struct str bucket, key;

        memcpy(digits, record.p + record.n - 16, 16);
        if (!cut(&record, &bucket) || !cut(&record, &key) || sscanf(digits, "%llx", &size) != 1)
                return error_set(e, ERR_INTERNAL, "sorting objects");
        if (arena_dup(&o->arena, bucket, &name->bucket) || arena_dup(&o->arena, key, &name->key))
                return error_set(e, ERR_MEMORY, "out of memory");
        say_orphan(f, name->bucket, name->key, size);
        return ++o->n == BLOB_REMOVE_MAX ? remove_orphans(f, o, e) : 0;
}

/* A save whose object is there writes the reference within op_timeout. */
static void let_saves_end(const struct fsck *f) {
        const uint64_t ns = MIN((uint64_t)f->grace_s * NS_PER_S, f->config.op_timeout);
        struct timespec left = { .tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S) };

        while (nanosleep(&left, &left) < 0 && errno == EINTR)
                continue;
}

/* All was compared: look again, and remove what is unreferred still. */
static int remove_suspects(struct fsck *f, struct orphans *o, struct error *e) {
        const uint64_t n_items = f->n_items, n_references = f->n_references;
        struct str record, at = STR_NULL;
        int r, k;

        if (f->n_suspects == 0)
                return 0;
        let_saves_end(f);
        f->references = sorter_free(f->references);
        f->n_items = 0;
        r = read_references(f, e);
        f->n_items = n_items;
        f->n_references = n_references;
        if (r)
                return r;
        if ((k = sorter_finish(f->suspects)) || (k = sorter_next(f->references, &at)) < 0)
                return error_set_errno(e, k, "sorting objects");
        while (r == 0 && (k = sorter_next(f->suspects, &record)) > 0) {
                bool referred = false;

                r = is_referred(f, record, &at, &referred, e);
                if (r == 0 && !referred)
                        r = remove_suspect(f, record, o, e);
        }
        if (r == 0 && k < 0)
                r = error_set_errno(e, k, "sorting objects");
        return r ? r : remove_orphans(f, o, e);
}

/* ---- references against objects ---- */

struct merge {
        struct fsck *f;
        struct str bucket;
        struct blob_page page;
        struct buf last;      /* key of the page before */
        uint32_t at;
        bool listed;          /* to the end */
        struct reference reference;
        bool has_reference;
        bool *done;           /* all references are */
};

/* The comparison stands on the order of the keys: a service that lists them otherwise would make orphans of all. */
static int check_order(struct merge *m, struct error *e) {
        struct str last = buf_view(&m->last);

        for (uint32_t i = 0; i < m->page.n; i++) {
                const struct str key = m->page.v[i].key;

                if (str_cmp(key, last) <= 0 || !str_starts(key, m->f->prefix) || memchr(key.p, '\0', key.n))
                        return error_set(e, ERR_PROTOCOL, "ListObjectsV2: keys that are not in order or not below the prefix");
                last = key;
        }
        if (m->page.n > 0) {
                buf_reset(&m->last);
                buf_str(&m->last, last);
        }
        return buf_status(&m->last) ? error_set_errno(e, buf_status(&m->last), "listing") : 0;
}

static int next_object(struct merge *m, const struct blob_entry **ret, struct error *e) {
        struct blobs *b = m->f->service.blobs;

        *ret = NULL;
        while (m->at == m->page.n && !m->listed) {
                _cleanup_(buf_deinit) struct buf next = BUF_INIT(64 * KIB);
                int r;

                buf_str(&next, m->page.next);
                r = buf_status(&next) ? error_set_errno(e, buf_status(&next), "listing")
                                      : b->ops->list(b, m->f->ctx, m->bucket, m->f->prefix, STR_NULL, buf_view(&next), &m->page, e);
                if (r == 0)
                        r = check_order(m, e);
                if (r)
                        return r;
                m->at = 0;
                m->listed = m->page.next.n == 0;
        }
        if (m->at < m->page.n)
                *ret = &m->page.v[m->at];
        return 0;
}

/* Of any bucket, in their order. */
static int next_reference(struct merge *m, struct error *e) {
        struct str record;
        int r = sorter_next(m->f->references, &record);

        if (r < 0)
                return error_set_errno(e, r, "sorting references");
        m->has_reference = r > 0;
        *m->done = r == 0;
        if (r > 0 && !read_reference(record, &m->reference))
                return error_set(e, ERR_INTERNAL, "sorting references");
        return 0;
}

static int merge_step(struct merge *m, bool *ret_more, struct error *e) {
        const struct blob_entry *o;
        int r = next_object(m, &o, e), c;
        bool here = m->has_reference && str_eq(m->reference.bucket, m->bucket) && str_starts(m->reference.object, m->f->prefix);

        *ret_more = r == 0 && (here || o);
        if (!*ret_more)
                return r;
        c = !here ? 1 : !o ? -1 : str_cmp(m->reference.object, o->key);
        if (c <= 0) {
                r = c < 0 ? check_dangling(m->f, &m->reference, e) : check_both(m->f, &m->reference, o, e);
                if (c == 0) { /* others may refer to it too: it is done with when their records are */
                        struct str same = o->key;

                        do
                                r = r ? r : next_reference(m, e);
                        while (r == 0 && m->has_reference && str_eq(m->reference.bucket, m->bucket) &&
                               str_eq(m->reference.object, same) && (r = check_both(m->f, &m->reference, o, e)) == 0);
                        m->at++;
                        m->f->n_objects++;
                        return r;
                }
                return r ? r : next_reference(m, e);
        }
        r = note_orphan(m->f, m->bucket, o, e);
        m->at++;
        m->f->n_objects++;
        return r;
}

/* References that belong to no listing before this bucket's: into buckets that are not named, under other prefixes. */
static int pass_over(struct merge *m, bool all, struct error *e) {
        int r = 0;

        while (r == 0 && m->has_reference &&
               (all || str_cmp(m->reference.bucket, m->bucket) < 0 ||
                (str_eq(m->reference.bucket, m->bucket) && !str_starts(m->reference.object, m->f->prefix) &&
                 str_cmp(m->reference.object, m->f->prefix) < 0))) {
                bool named = false;

                for (uint32_t i = 0; i < m->f->service.n_buckets; i++)
                        named = named || str_eq(m->reference.bucket, str_of(m->f->service.buckets[i]));
                m->f->n_elsewhere++;
                r = named ? check_dangling(m->f, &m->reference, e) : 0;
                if (r == 0 && named)
                        r = fsck_note_elsewhere(m->f, m->reference.object, e);
                if (r == 0)
                        r = next_reference(m, e);
        }
        return r;
}

static int compare_buckets(const void *a, const void *b) {
        return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int check_buckets(struct fsck *f, struct error *e) {
        struct merge m = { .f = f, .last = BUF_INIT(64 * KIB) };
        const char *buckets[S3_BUCKETS_MAX];
        bool done = false, more;
        int r;

        m.done = &done;
        memcpy(buckets, f->service.buckets, sizeof(buckets));
        qsort(buckets, f->service.n_buckets, sizeof(*buckets), compare_buckets);
        blob_page_init(&m.page);
        r = next_reference(&m, e);
        for (uint32_t i = 0; r == 0 && i < f->service.n_buckets; i++) {
                m.bucket = str_of(buckets[i]);
                m.at = 0;
                m.listed = false;
                buf_reset(&m.last);
                blob_page_deinit(&m.page);
                r = pass_over(&m, false, e);
                do {
                        more = false;
                        if (r == 0)
                                r = merge_step(&m, &more, e);
                        fsck_progress(f, "comparing with S3", f->n_objects, f->n_references);
                } while (r == 0 && more);
        }
        if (r == 0)
                r = pass_over(&m, true, e);
        blob_page_deinit(&m.page);
        buf_deinit(&m.last);
        return r;
}

/* Uploads that nobody has finished cost like objects. */
static int abort_uploads(struct fsck *f, struct error *e) {
        struct blobs *b = f->service.blobs;
        int r = 0;

        for (uint32_t i = 0; r == 0 && f->repair && i < f->service.n_buckets; i++) {
                uint64_t n = 0;

                r = b->ops->abort_stale(b, f->ctx, str_of(f->service.buckets[i]), f->prefix, f->started_s - f->grace_s + 1, &n, e);
                f->n_aborted += n;
        }
        if (f->n_aborted)
                f->status |= FSCK_CORRECTED;
        return r;
}

static void forget_table(struct fsck *f) {
        f->references = sorter_free(f->references);
        f->suspects = sorter_free(f->suspects);
        f->n_suspects = 0;
        f->n_items = f->n_references = f->n_objects = f->n_checked = f->n_elsewhere = f->n_young = 0;
        f->n_orphans = f->n_dangling = f->n_damaged = f->n_removed = f->n_aborted = f->orphan_bytes = 0;
}

/* One that does not exist may have left objects. */
static int describe(struct fsck *f, struct str name, struct table_schema **ret, struct error *e) {
        struct error local = { .kind = ERR_NONE };
        int r = f->service.tables->ops->describe(f->service.tables, f->ctx, name, ret, &local);

        if (r == 0)
                return 0;
        if (local.kind == ERR_NO_TABLE) {
                f->dropped = name;
                return fsck_dropped_table(f, name, ret, e);
        }
        *e = local;
        return r;
}

int fsck_table(struct fsck *f, struct str name, struct error *e) {
        _cleanup_(table_schema_unrefp) struct table_schema *table = NULL;
        _cleanup_(buf_deinit) struct buf prefix = BUF_INIT(4 * KIB);
        struct orphans *orphans = mem_zalloc(sizeof(*orphans));
        int r;

        forget_table(f);
        f->started_s = clock_wall_s();
        if (!orphans)
                return error_set(e, ERR_MEMORY, "out of memory");
        orphans->arena = ARENA_INIT(4 * MIB);
        r = describe(f, name, &table, e);
        if (r == 0 && (r = large_table_prefix(str_of(f->config.s3_prefix), table, &prefix)))
                (void)error_set_errno(e, r, "prefix");
        f->table = table;
        f->prefix = buf_view(&prefix);
        if (r == 0 && f->dropped.n > 0 && fsck_is_used_elsewhere(f))
                r = error_set(e, ERR_EXISTS, "the table does not exist any more, but items of another refer to its objects: they are left alone");
        if (r == 0)
                r = read_references(f, e);
        if (r == 0 && f->repair && (r = sorter_new(SORT_MEMORY, &f->suspects)))
                (void)error_set_errno(e, r, "sorting objects");
        if (r == 0)
                r = check_buckets(f, e);
        if (r == 0)
                r = remove_suspects(f, orphans, e);
        if (r == 0)
                r = abort_uploads(f, e);
        if (r == 0 && f->dropped.n > 0 && f->n_objects == 0)
                r = error_set(e, ERR_NO_TABLE, "there is no such table, and no object of one");
        if (r == 0)
                fsck_summary(f);
        fsck_progress_end(f);
        f->table = NULL;
        f->prefix = f->dropped = STR_NULL;
        f->references = sorter_free(f->references);
        f->suspects = sorter_free(f->suspects);
        arena_deinit(&orphans->arena);
        mem_free(orphans);
        return r;
}
