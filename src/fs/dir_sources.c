/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What directories hold, a page at a time: tables, partitions (by Scan), items (by Query or Scan), the
 * control files.  Items on a page fill the item cache, so that reading them after the listing is free.
 */
#include "fs_internal.h"
#include "ddbfs/base/clock.h"
#include "ddbfs/base/hash.h"

bool dir_chain_is_new(struct fs_dir *d, struct str name, uint64_t ordinal) {
        uint64_t hash = hash_seeded(2, name);
        struct hmap_node *n = hmap_first(&d->seen, hash);
        struct dir_seen *s;

        if (n)
                return CONTAINER_OF(n, struct dir_seen, node)->ordinal == ordinal;
        s = mem_zalloc(sizeof(*s));
        if (s) {
                s->ordinal = ordinal;
                if (hmap_insert(&d->seen, &s->node, hash))
                        mem_free(s);
        }
        return true;
}

static struct str page_last_name(const struct dir_page *page) {
        const struct dir_entry *e = page->n ? &page->entries[page->n - 1] : NULL;

        return e ? str_make(page->names.p + e->name_at, e->name_n) : STR_NULL;
}

/* The item's text goes into the cache; its size and time onto the page.  -EAGAIN: not to be shown. */
static int add_item(struct fs *fs, struct fs_dir *d, const struct item *item, const struct key *key, struct buf *text,
                    struct dir_entry *entry, uint64_t start_ns) {
        _cleanup_(buf_deinit) struct buf id = BUF_INIT(8 * KIB);
        _cleanup_(snapshot_unrefp) struct snapshot *s = NULL;
        int r;

        buf_reset(text);
        r = place_item_id(d->place.table, key, &id);
        if (r == 0 && item_hidden(fs, buf_view(&id)))
                return -EAGAIN;
        if (r == 0 && item_unfilled(fs, item)) {
                entry->size = SIZE_UNREAD;
                return 0;
        }
        if (r == 0)
                r = item_text_render(item, &d->place.table->key, &fs->o.text, text);
        if (r == 0)
                r = snapshot_new(buf_view(text), &s);
        if (r)
                return r;
        entry->mtime_ns = cache_put(fs->cache, buf_view(&id), s, start_ns);
        entry->size = s->n;
        entry->hash = s->hash;
        return 0;
}

/* That it exists is known: the look-up after the listing costs nothing. */
static int add_partition(struct fs *fs, struct fs_dir *d, const struct key *key, uint64_t start_ns) {
        _cleanup_(buf_deinit) struct buf id = BUF_INIT(8 * KIB);
        int r = place_item_id(d->place.table, key, &id);

        if (r == 0)
                partition_seen(fs, buf_view(&id), start_ns);
        return r;
}

/* Beside it. */
static int add_item_dir(struct fs_dir *d, struct str file, struct dir_page *page) {
        _cleanup_(buf_deinit) struct buf name = BUF_INIT(NAME_PIECE_MAX + 16);
        struct dir_entry entry = { .kind = NODE_ITEM_DIR, .level = LEVEL_ATTR };

        item_dir_name(file, d->place.kind == NODE_CHAIN, &name);
        return buf_status(&name) ? buf_status(&name) : dir_page_add(page, buf_view(&name), &entry);
}

static bool in_partition(const struct fs_dir *d, const struct key *key) {
        return str_eq(key->parts[0].text, d->place.key.parts[0].text);
}

/* Put what the items show below this directory onto the page. */
static int add_items(struct fs *fs, struct fs_dir *d, const struct items *items, struct str previous,
                     struct dir_page *page, uint64_t start_ns) {
        const struct table_schema *t = d->place.table;
        uint32_t part = d->place.level == LEVEL_HASH ? 0 : 1;
        bool is_item = d->place.level == LEVEL_RANGE || !table_has_range(t);
        struct key_schema key_schema = t->key;
        _cleanup_(buf_deinit) struct buf name = BUF_INIT(NAME_ENCODED_MAX);
        _cleanup_(buf_deinit) struct buf text = BUF_INIT(ITEM_TEXT_MAX);
        int r = 0;

        if (!is_item) /* projected to the hash key */
                key_schema.n_range = 0;
        for (uint32_t i = 0; r == 0 && i < items->n; i++) {
                struct dir_entry entry = { .level = d->place.level };
                struct str last = page->n ? page_last_name(page) : previous;
                struct key key;
                bool chain;

                if (key_of_item(&key_schema, &items->v[i], &key) || (part == 1 && !in_partition(d, &key)))
                        return -EPROTO;
                buf_reset(&name);
                if (!place_component(&key.parts[part], buf_view(&d->place.prefix), is_item, &name, &chain)) {
                        r = buf_status(&name);
                        continue; /* not below this chain directory */
                }
                if (str_eq(buf_view(&name), last))
                        continue; /* the same partition */
                if (chain && !dir_chain_is_new(d, buf_view(&name), page->first + page->n))
                        continue;
                entry.kind = chain ? NODE_CHAIN : is_item ? NODE_ITEM : NODE_PARTITION;
                if (entry.kind == NODE_PARTITION)
                        r = add_partition(fs, d, &key, start_ns);
                else if (entry.kind == NODE_ITEM)
                        r = add_item(fs, d, &items->v[i], &key, &text, &entry, start_ns);
                if (r == 0)
                        r = dir_page_add(page, buf_view(&name), &entry);
                if (r == 0 && fs->o.show == FS_SHOW_ALL && entry.kind == NODE_ITEM)
                        r = add_item_dir(d, buf_view(&name), page);
                if (r == -EAGAIN) /* renamed away, or about to be deleted, on this mount */
                        r = 0;
        }
        return r;
}

int dir_add_items(struct fs *fs, struct fs_dir *d, const struct items *items, struct dir_page *page, uint64_t start_ns) {
        return add_items(fs, d, items, STR_NULL, page, start_ns);
}

/* The name of the last entry before this page, by the key it starts after. */
static void previous_name(const struct fs_dir *d, const struct item *start, struct buf *out) {
        const struct table_schema *t = d->place.table;
        const struct value *v = start ? item_get(start, t->key.attrs[0].name) : NULL;
        struct key_part part;
        bool chain;

        if (!v || d->place.level != LEVEL_HASH || !table_has_range(t))
                return;
        part = (struct key_part){ .type = v->type, .text = v->text };
        (void)place_component(&part, buf_view(&d->place.prefix), false, out, &chain);
}

int dir_keep_next(struct fs_dir *d, const struct items *items, struct item **ret_next) {
        if (!items->next)
                return 0;
        *ret_next = arena_alloc(&d->arena, sizeof(**ret_next));
        return *ret_next ? item_copy(&d->arena, items->next, *ret_next) : -ENOMEM;
}

static int page_added(const struct fs_dir *d, int r, struct error *e) {
        if (r == -EPROTO)
                return error_set(e, ERR_PROTOCOL, "an item of table \"%.*s\" came without its key, or with another", (int)d->place.table->name.n,
                                 d->place.table->name.p);
        return r ? error_set_errno(e, r, "listing") : 0;
}

static int add_scanned(struct fs *fs, struct fs_dir *d, const struct items *items, const struct item *start,
                       struct dir_page *page, uint64_t start_ns, struct error *e) {
        _cleanup_(buf_deinit) struct buf previous = BUF_INIT(NAME_ENCODED_MAX);

        previous_name(d, start, &previous);
        return page_added(d, add_items(fs, d, items, buf_view(&previous), page, start_ns), e);
}

static int finish_page(struct fs *fs, struct fs_dir *d, const struct items *items, const struct item *start,
                       struct dir_page *page, struct item **ret_next, uint64_t start_ns, struct error *e) {
        int r = add_scanned(fs, d, items, start, page, start_ns, e);

        return r ? r : page_added(d, dir_keep_next(d, items, ret_next), e);
}

/* The partitions of a table with a sort key; else its items. */
static int load_scan(struct fs *fs, struct op_ctx *ctx, struct fs_dir *d, const struct item *start,
                     struct dir_page *page, struct item **ret_next, struct error *e) {
        const struct table_schema *t = d->place.table;
        struct scan_request scan = { .table = t, .start = start };
        struct place table_only = { .table = d->place.table };
        _cleanup_(items_deinit) struct items items;
        uint64_t start_ns = clock_now_ns();
        int r;

        items_init(&items);
        scan.consistent = fs_read_strong(fs, &table_only);
        if (table_has_range(t)) {
                scan.projection = &t->key.attrs[0].name;
                scan.n_projection = 1;
                return dir_scan_partitions(fs, ctx, d, &scan, add_scanned, page, ret_next, e);
        }
        r = fs->store->ops->scan(fs->store, ctx, &scan, &items, e);
        return r ? r : finish_page(fs, d, &items, start, page, ret_next, start_ns, e);
}

/* A chain directory of text sort keys shows exactly those that begin with its decoded name. */
static int narrow_to_chain(const struct fs_dir *d, struct query_request *q, struct buf *text) {
        if (d->place.prefix.n == 0 || d->place.table->key.attrs[1].type != VALUE_S)
                return 0;
        if (keyname_decode_text(text, buf_view(&d->place.prefix), false))
                return -EINVAL;
        q->range_op = RANGE_BEGINS_WITH;
        q->range.n = 1;
        q->range.parts[0] = (struct key_part){ .type = VALUE_S, .text = buf_view(text) };
        return 0;
}

static int load_query(struct fs *fs, struct op_ctx *ctx, struct fs_dir *d, const struct item *start,
                      struct dir_page *page, struct item **ret_next, struct error *e) {
        struct query_request q = { .table = d->place.table, .hash = { .n = 1 }, .start = start,
                                   .consistent = fs_read_strong(fs, &d->place) };
        _cleanup_(buf_deinit) struct buf prefix = BUF_INIT(NAME_ENCODED_MAX);
        _cleanup_(items_deinit) struct items items;
        uint64_t start_ns = clock_now_ns();
        int r;

        items_init(&items);
        q.hash.parts[0] = d->place.key.parts[0];
        r = narrow_to_chain(d, &q, &prefix);
        if (r)
                return error_set_errno(e, r, "listing");
        r = fs->store->ops->query(fs->store, ctx, &q, &items, e);
        return r ? r : finish_page(fs, d, &items, start, page, ret_next, start_ns, e);
}

static int add_table(struct fs_dir *d, struct str full, enum node_kind kind, struct dir_page *page, struct error *e) {
        _cleanup_(buf_deinit) struct buf name = BUF_INIT(NAME_ENCODED_MAX);
        struct key_part part = { .type = VALUE_S, .text = full };
        struct dir_entry entry = { .level = LEVEL_TABLE, .control = kind == NODE_VIEW };
        bool chain;
        int r;

        if (!place_component(&part, buf_view(&d->place.prefix), false, &name, &chain))
                return buf_status(&name) ? error_set_errno(e, buf_status(&name), "listing") : 0;
        if (chain && !dir_chain_is_new(d, buf_view(&name), page->first + page->n))
                return 0;
        entry.kind = chain ? NODE_CHAIN : kind == NODE_VIEW ? NODE_VIEW : NODE_TABLE;
        r = dir_page_add(page, buf_view(&name), &entry);
        return r ? error_set_errno(e, r, "listing") : 0;
}

/* Its views.  A table that may not be described is listed all the same. */
static int add_indexes(struct fs *fs, struct op_ctx *ctx, struct fs_dir *d, struct str table, struct dir_page *page,
                       struct error *e) {
        _cleanup_(table_schema_unrefp) struct table_schema *t = NULL;
        struct error why = { 0 };
        int r = tables_get(fs, ctx, table, &t, &why);

        if (r == -EINTR || r == -ETIMEDOUT || r == -ENOMEM) {
                *e = why;
                return r;
        }
        for (uint32_t i = 0; r == 0 && i < t->n_indexes; i++) {
                _cleanup_(buf_deinit) struct buf full = BUF_INIT(NAME_ENCODED_MAX);

                if (!t->indexes[i].active)
                        continue;
                buf_str(&full, table);
                buf_putc(&full, '@');
                buf_str(&full, t->indexes[i].name);
                r = add_table(d, buf_view(&full), NODE_VIEW, page, e);
                if (r)
                        return r;
        }
        return 0;
}

static int load_tables(struct fs *fs, struct op_ctx *ctx, struct fs_dir *d, const struct item *start,
                       struct dir_page *page, struct item **ret_next, struct error *e) {
        _cleanup_(mem_freep) bool *failed = NULL;
        _cleanup_(names_deinit) struct names tables;
        int r;

        (void)start;
        (void)ret_next;
        names_init(&tables);
        r = tables_list(fs, ctx, &tables, e);
        if (r == 0 && !(failed = mem_calloc((size_t)tables.n + 1, sizeof(bool))))
                r = error_set(e, ERR_MEMORY, "out of memory");
        if (r == 0)
                r = tables_learn(fs, ctx, &tables, failed, e);
        for (uint32_t i = 0; r == 0 && i < tables.n; i++) {
                r = add_table(d, tables.v[i], NODE_TABLE, page, e);
                if (r == 0 && !failed[i] && fs->o.show != FS_SHOW_TABLES)
                        r = add_indexes(fs, ctx, d, tables.v[i], page, e);
        }
        return r;
}

static int load_control(struct fs *fs, struct op_ctx *ctx, struct fs_dir *d, const struct item *start,
                        struct dir_page *page, struct item **ret_next, struct error *e) {
        int r = 0;

        (void)fs;
        (void)ctx;
        (void)d;
        (void)start;
        (void)ret_next;
        for (size_t i = 0; r == 0 && i < control_count(); i++) {
                struct dir_entry entry = { .kind = NODE_CONTROL_FILE, .control = (uint8_t)i };

                r = dir_page_add(page, control_name(i), &entry);
        }
        if (r == 0) {
                struct dir_entry entry = { .kind = NODE_LOCAL };

                r = dir_page_add(page, STR(REJECTED_DIR), &entry);
        }
        return r ? error_set_errno(e, r, "listing") : 0;
}

/* A folder below rejected: everything there is this mount's own. */
static int load_local(struct fs *fs, struct op_ctx *ctx, struct fs_dir *d, const struct item *start,
                      struct dir_page *page, struct item **ret_next, struct error *e) {
        _cleanup_(names_deinit) struct names names;
        int r;

        (void)ctx;
        (void)start;
        (void)ret_next;
        names_init(&names);
        r = local_names(fs, d->node, &names);
        for (uint32_t i = 0; r == 0 && i < names.n; i++) {
                struct dir_entry entry = { .kind = NODE_LOCAL };

                r = dir_page_add(page, names.v[i], &entry);
        }
        return r ? error_set_errno(e, r, "listing") : 0;
}

dir_load dir_source_of(const struct place *p) {
        if (p->kind == NODE_LOCAL)
                return load_local;
        if (p->kind == NODE_CONTROL)
                return load_control;
        if (p->level == LEVEL_ATTR)
                return item_dir_load;
        if (p->view)
                return view_source_of(p->view);
        if (p->level == LEVEL_TABLE)
                return load_tables;
        return p->level == LEVEL_HASH ? load_scan : load_query;
}
