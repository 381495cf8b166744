/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the directories of views hold.  The items of a page go into the item cache under their own ids (of the table)
 * or the index's, so that reading them after the listing is free.  A limited range is one page, whatever it took.
 */
#include "fs_internal.h"
#include "ddbfs/base/clock.h"

#define VIEW_ID_MAX (32 * KIB)

/* The item's text goes into the cache; its size and time onto the page.  -EAGAIN: not to be shown. */
static int keep_item(struct fs *fs, struct fs_dir *d, const struct item *item, struct dir_entry *entry, uint64_t start_ns) {
        const struct view *v = d->place.view;
        _cleanup_(buf_deinit) struct buf id = BUF_INIT(VIEW_ID_MAX);
        _cleanup_(snapshot_unrefp) struct snapshot *s = NULL;
        struct key base, hash, all;
        int r = key_of_item(&v->table->key, item, &base);

        if (r == 0 && !v->index) {
                r = place_item_id(v->table, &base, &id);
        } else if (r == 0) {
                r = key_of_item(&v->index->key, item, &all);
                hash = (struct key){ .n = v->index->key.n_hash };
                for (uint32_t i = 0; r == 0 && i < all.n; i++) {
                        if (i < hash.n)
                                hash.parts[i] = all.parts[i];
                        else
                                all.parts[i - hash.n] = all.parts[i];
                }
                if (r == 0) {
                        all.n -= hash.n;
                        for (uint32_t i = 0; i < base.n; i++)
                                all.parts[all.n++] = base.parts[i];
                        r = view_id(v, &hash, &all, &id);
                }
        }
        if (r == 0 && item_hidden(fs, buf_view(&id)))
                return -EAGAIN;
        if (r == 0 && item_unfilled(fs, item)) {
                entry->size = SIZE_UNREAD;
                return 0;
        }
        if (r == 0)
                r = item_snapshot(fs, &d->place, item, &s);
        if (r)
                return r;
        entry->mtime_ns = cache_put(fs->cache, buf_view(&id), s, start_ns);
        entry->size = s->n;
        entry->hash = s->hash;
        return 0;
}

/* That the partition exists is known: the look-up after the listing costs nothing. */
static int keep_partition(struct fs *fs, const struct view *v, const struct item *item, uint64_t start_ns) {
        _cleanup_(buf_deinit) struct buf id = BUF_INIT(VIEW_ID_MAX);
        struct key_schema hash_only = v->index->key;
        struct key hash;
        int r;

        hash_only.n_range = 0;
        r = key_of_item(&hash_only, item, &hash);
        if (r == 0)
                r = view_id(v, &hash, NULL, &id);
        if (r == 0)
                partition_seen(fs, buf_view(&id), start_ns);
        return r;
}

static int add_one(struct fs *fs, struct fs_dir *d, const struct item *item, struct str prefix, struct dir_page *page,
                   uint64_t start_ns) {
        const struct view *v = d->place.view;
        _cleanup_(buf_deinit) struct buf full = BUF_INIT(2 * NAME_ENCODED_MAX);
        _cleanup_(buf_deinit) struct buf name = BUF_INIT(NAME_ENCODED_MAX);
        bool items = view_shows_items(v), chain;
        struct dir_entry entry = { .level = LEVEL_RANGE, .control = v->index != NULL };
        int r = items ? view_item_name(v, item, &full) : view_partition_name(v, item, &full);

        if (r)
                return r;
        if (!place_name_component(buf_view(&full), prefix, items, &name, &chain))
                return buf_status(&name);
        if ((chain || !items) && !dir_chain_is_new(d, buf_view(&name), page->first + page->n))
                return 0;
        entry.kind = chain || !items ? NODE_VIEW : v->index ? NODE_VIEW_ITEM : NODE_ITEM;
        if (!chain)
                r = items ? keep_item(fs, d, item, &entry, start_ns) : keep_partition(fs, v, item, start_ns);
        if (r)
                return r == -EAGAIN ? 0 : r;
        return dir_page_add(page, buf_view(&name), &entry);
}

static int add_page(struct fs *fs, struct fs_dir *d, const struct items *items, struct dir_page *page, uint64_t start_ns,
                    struct error *e) {
        _cleanup_(buf_deinit) struct buf prefix = BUF_INIT(2 * NAME_ENCODED_MAX);
        int r = d->place.view->kind == VIEW_CHAIN ? view_prefix(d->place.view, &prefix) : 0;

        for (uint32_t i = 0; r == 0 && i < items->n; i++)
                r = add_one(fs, d, &items->v[i], buf_view(&prefix), page, start_ns);
        if (r == -ENOENT || r == -EINVAL)
                return error_set(e, ERR_PROTOCOL, "an item came without its key");
        return r ? error_set_errno(e, r, "listing") : 0;
}

static int add_scanned(struct fs *fs, struct fs_dir *d, const struct items *items, const struct item *start,
                       struct dir_page *page, uint64_t start_ns, struct error *e) {
        (void)start;
        return add_page(fs, d, items, page, start_ns, e);
}

/* The partitions of an index: a Scan of their keys. */
static int load_partitions(struct fs *fs, struct op_ctx *ctx, struct fs_dir *d, const struct item *start,
                           struct dir_page *page, struct item **ret_next, struct error *e) {
        const struct view *v = d->place.view;
        struct str names[KEY_ATTRS_MAX];
        struct scan_request s = { .table = v->table, .index = v->index, .start = start, .projection = names,
                                  .consistent = view_strong(fs, &d->place) };

        for (uint32_t i = 0; i < v->index->key.n_hash; i++)
                names[s.n_projection++] = v->index->key.attrs[i].name;
        return dir_scan_partitions(fs, ctx, d, &s, add_scanned, page, ret_next, e);
}

static int load_items(struct fs *fs, struct op_ctx *ctx, struct fs_dir *d, const struct item *start,
                      struct dir_page *page, struct item **ret_next, struct error *e) {
        _cleanup_(view_cursor_deinit) struct view_cursor c;
        uint64_t start_ns = clock_now_ns();
        struct item from;
        int r;

        view_cursor_init(&c, d->place.view);
        if (start) {
                from = *start;
                c.items.next = &from;
                c.started = true;
        }
        do {
                r = view_next(fs, ctx, &d->place, false, &c, e);
                if (r == 0)
                        r = add_page(fs, d, &c.items, page, start_ns, e);
        } while (r == 0 && d->place.view->limit && !c.done);
        if (r == 0 && !c.done && dir_keep_next(d, &c.items, ret_next))
                r = error_set(e, ERR_MEMORY, "out of memory");
        return r;
}

static int load_names(struct fs *fs, struct op_ctx *ctx, struct fs_dir *d, const struct item *start,
                      struct dir_page *page, struct item **ret_next, struct error *e) {
        enum view_kind kind = d->place.view->kind;
        struct dir_entry entry = { .kind = kind == VIEW_EXPORTS ? NODE_EXPORT : kind == VIEW_IMPORTS ? NODE_IMPORT : NODE_INFO };
        size_t n = kind == VIEW_INFO ? info_count() : _EXPORT_FORMAT_N;
        int r = 0;

        (void)fs;
        (void)ctx;
        (void)start;
        (void)ret_next;
        for (size_t i = 0; r == 0 && i < n; i++)
                if (kind != VIEW_IMPORTS || import_format_ok((enum export_format)i))
                        r = dir_page_add(page, kind == VIEW_INFO ? info_name(i) : export_format_name((enum export_format)i),
                                         &entry);
        return r ? error_set_errno(e, r, "listing") : 0;
}

static int load_nothing(struct fs *fs, struct op_ctx *ctx, struct fs_dir *d, const struct item *start,
                        struct dir_page *page, struct item **ret_next, struct error *e) {
        (void)fs;
        (void)ctx;
        (void)d;
        (void)start;
        (void)page;
        (void)ret_next;
        (void)e;
        return 0;
}

dir_load view_source_of(const struct view *v) {
        enum view_kind kind = v->kind == VIEW_CHAIN ? v->chained : v->kind;

        if (kind == VIEW_EXPORTS || kind == VIEW_IMPORTS || kind == VIEW_INFO)
                return load_names;
        if (view_shows_items(v))
                return load_items;
        return kind == VIEW_TABLE && v->index && v->n_steps == 0 ? load_partitions : load_nothing;
}

/* Is the name one of a limited range's?  From its listing where that is still good, else by its request. */
int view_lists(struct fs *fs, struct op_ctx *ctx, struct node *dir, struct str name, bool *ret, struct error *e) {
        struct fs_dir *d;
        int r = fs_opendir(fs, ctx, dir->id, &d);

        if (r)
                return error_set_errno(e, r, "looking into the range");
        r = dir_load_first(fs, ctx, d, e);
        *ret = false;
        for (uint32_t i = 0; r == 0 && !*ret && i < d->page.n; i++)
                *ret = str_eq(str_make(d->page.names.p + d->page.entries[i].name_at, d->page.entries[i].name_n), name);
        fs_releasedir(fs, d);
        return r;
}
