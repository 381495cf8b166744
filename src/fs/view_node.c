/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Views among the nodes.  A view's directories are nodes of their own; the items of a range are the children of the
 * directory they are really in (same node, same inode number), so that writing through a range is writing the item.
 */
#include "fs_internal.h"

#define PATH_NAMES_MAX 256
#define PATH_ARENA_MAX MIB
#define VIEW_ID_MAX (32 * KIB) /* ten key parts */

/* The names from the root to a node. */
struct trail {
        struct arena arena;
        uint32_t n;
        struct str v[PATH_NAMES_MAX];
};

static int trail_of(struct fs *fs, struct node *n, struct str child, struct trail *t) {
        uint32_t depth = child.n > 0;
        int r = 0;

        *t = (struct trail){ .arena = ARENA_INIT(PATH_ARENA_MAX) };
        mutex_lock(&fs->nodes.lock);
        for (struct node *up = n; up->parent; up = up->parent)
                depth++;
        if (depth > PATH_NAMES_MAX)
                r = -ENAMETOOLONG;
        t->n = r ? 0 : depth;
        if (r == 0 && child.n > 0)
                r = arena_dup(&t->arena, child, &t->v[--depth]);
        for (struct node *up = n; r == 0 && up->parent; up = up->parent)
                r = arena_dup(&t->arena, str_make(up->name, up->name_n), &t->v[--depth]);
        mutex_unlock(&fs->nodes.lock);
        return r;
}

static bool has_at(struct str name) {
        return name.n > 0 && memchr(name.p, '@', name.n);
}

/* The pieces of a long table and index name: does an index's name end here? */
static bool chain_leads(struct fs *fs, struct node *dir, struct str name) {
        bool found = has_at(name);

        mutex_lock(&fs->nodes.lock);
        for (struct node *up = dir; up->parent && !found; up = up->parent)
                found = has_at(str_make(up->name, up->name_n));
        mutex_unlock(&fs->nodes.lock);
        return found;
}

bool view_leads(struct fs *fs, struct node *dir, struct str name) {
        enum node_kind kind = dir->kind;

        if (kind == NODE_VIEW)
                return true;
        if (kind == NODE_ROOT)
                return has_at(name) && !keyname_is_chain(name);
        if (kind == NODE_CHAIN)
                return dir->level == LEVEL_TABLE && !keyname_is_chain(name) && chain_leads(fs, dir, name);
        return (kind == NODE_TABLE || kind == NODE_PARTITION) && view_step_name(name);
}

/* ---- places ---- */

static int not_there(struct error *e) {
        return error_set(e, ERR_NO_ITEM, "no such name");
}

/* "TABLE" or "TABLE@INDEX", from the beginning of the trail; *ret_n: how many names that were. */
static int open_table(struct fs *fs, struct op_ctx *ctx, const struct trail *t, struct place *p,
                      const struct index_schema **ret_index, uint32_t *ret_n, struct error *e) {
        _cleanup_(buf_deinit) struct buf joined = BUF_INIT(NAME_ENCODED_MAX);
        _cleanup_(buf_deinit) struct buf name = BUF_INIT(NAME_ENCODED_MAX);
        struct str table;
        const char *at;
        uint32_t n = 0;
        int r;

        while (n < t->n && keyname_is_chain(t->v[n])) {
                buf_append(&joined, t->v[n].p, t->v[n].n - 2);
                n++;
        }
        if (n == t->n)
                return not_there(e);
        buf_str(&joined, t->v[n++]);
        if (buf_status(&joined) == -ENOMEM)
                return error_set(e, ERR_MEMORY, "out of memory");
        r = keyname_decode_text(&name, buf_view(&joined), false);
        if (r < 0)
                return error_set_errno(e, r, "table name");
        if (r > 0 || !keyname_chain_ok(buf_view(&joined), t->v, n))
                return not_there(e);
        at = memchr(name.p, '@', name.n);
        table = str_make(name.p, at ? (size_t)(at - name.p) : name.n);
        if (!place_name_ok(table) || (at && !place_name_ok(str_skip(buf_view(&name), table.n + 1))))
                return not_there(e);
        r = tables_get(fs, ctx, table, &p->table, e);
        if (r)
                return r;
        *ret_index = at ? table_index(p->table, str_of(at + 1)) : NULL;
        *ret_n = n;
        return at && (!*ret_index || !(*ret_index)->active) ? not_there(e) : 0;
}

static enum node_kind kind_of(const struct view *v) {
        switch (v->kind) {
        case VIEW_ITEM:
                return NODE_VIEW_ITEM;
        case VIEW_EXPORT:
                return NODE_EXPORT;
        case VIEW_INFO_FILE:
                return NODE_INFO;
        case VIEW_IMPORT:
                return NODE_IMPORT;
        case VIEW_IMPORTS:
        case VIEW_TABLE:
        case VIEW_PARTITION:
        case VIEW_STEP:
        case VIEW_CHAIN:
        case VIEW_EXPORTS:
        case VIEW_INFO:
        case _VIEW_KIND_N:
                break;
        }
        return NODE_VIEW;
}

/* What the rest of the program wants to know of a view: its key in the base table, what the cache calls it. */
static int place_finish(struct place *p, struct error *e) {
        struct view *v = p->view;
        int r = 0;

        p->kind = kind_of(v);
        p->level = LEVEL_RANGE;
        if (!v->index) {
                p->key = v->hash;
        } else if (v->kind == VIEW_ITEM) {
                uint32_t n = v->index->key.n_range;

                p->key.n = v->item.n - n;
                for (uint32_t i = 0; i < p->key.n; i++)
                        p->key.parts[i] = v->item.parts[n + i];
                r = view_id(v, &v->hash, &v->item, &p->id);
        } else {
                if (!v->index->global)
                        p->key = v->hash;
                r = view_id(v, &v->hash, NULL, &p->id);
        }
        return r ? error_set_errno(e, r, "view") : 0;
}

int view_place(struct fs *fs, struct op_ctx *ctx, struct node *n, struct str name, struct place *ret, struct error *e) {
        const struct index_schema *index = NULL;
        struct trail *t = mem_zalloc(sizeof(*t));
        uint32_t i = 0;
        int r;

        *ret = (struct place){ .kind = NODE_VIEW, .id = BUF_INIT(VIEW_ID_MAX) };
        if (!t)
                return error_set(e, ERR_MEMORY, "out of memory");
        r = trail_of(fs, n, name, t);
        if (r)
                (void)error_set_errno(e, r, "view");
        else
                r = open_table(fs, ctx, t, ret, &index, &i, e);
        if (r == 0 && !(ret->view = mem_zalloc(sizeof(*ret->view))))
                r = error_set(e, ERR_MEMORY, "out of memory");
        if (r == 0)
                view_init(ret->view, ret->table, index);
        for (; r == 0 && i < t->n; i++)
                r = view_feed(ret->view, t->v[i], e);
        if (r == 0)
                r = place_finish(ret, e);
        arena_deinit(&t->arena);
        mem_free(t);
        return r;
}

/* ---- ranges and the directories their items are in ---- */

int view_base(struct fs *fs, struct node *dir, const struct view *v, struct node **ret, struct error *e) {
        struct node *up = dir, *base;
        int r = 0;

        *ret = NULL;
        if (v->index || v->n_steps == 0 || !view_shows_items(v))
                return 0;
        mutex_lock(&fs->nodes.lock);
        while (up && up->kind == NODE_VIEW)
                up = up->parent;
        if (up)
                up->refs++;
        mutex_unlock(&fs->nodes.lock);
        base = up;
        for (uint32_t i = 0; r == 0 && base && i < v->n_pieces; i++) {
                r = node_child(fs, base, v->pieces[i], NODE_CHAIN, v->hash.n ? LEVEL_RANGE : LEVEL_HASH, &up);
                node_put(fs, base);
                base = r ? NULL : up;
        }
        *ret = base;
        return r ? error_set_errno(e, r, "view") : 0;
}

/* Filters look at the item itself. */
static int item_passes(struct fs *fs, struct op_ctx *ctx, uint64_t node, const struct view *v, struct error *e) {
        _cleanup_(held_put) struct held h = { .fs = fs, .n = node_get(fs, node) };
        _cleanup_(place_deinit) struct place p = { 0 };
        _cleanup_(snapshot_unrefp) struct snapshot *s = NULL;
        _cleanup_(arena_deinit) struct arena a = ARENA_INIT(ITEM_TEXT_MAX * 4);
        struct item item;
        int r;

        if (v->n_filters == 0)
                return 0;
        if (!h.n)
                return not_there(e);
        r = place_of(fs, ctx, h.n, &p, e);
        if (r == 0)
                r = item_load(fs, ctx, &p, fs->o.cache_ttl_ns, false, &s, e);
        if (r == 0)
                r = item_parse(fs, &p, str_make(s->text, s->n), &a, &item, e);
        if (r)
                return r;
        return view_passes(v, &item) ? 0 : not_there(e);
}

/* The directory of an item is where the item is. */
static int item_dir_in_range(struct fs *fs, struct op_ctx *ctx, struct node *dir, struct str name, uint64_t node,
                             struct error *e) {
        _cleanup_(buf_deinit) struct buf file = BUF_INIT(NAME_PIECE_MAX + 16);
        _cleanup_(place_deinit) struct place p = { 0 };
        bool listed = true;
        int r;

        if (!item_dir_file(name, node_is_piece(fs, dir), &file))
                return not_there(e);
        r = view_place(fs, ctx, dir, buf_view(&file), &p, e);
        if (r)
                return r;
        if (p.view->kind != VIEW_ITEM || !view_in_range(p.view, p.view->item.parts, p.view->item.n))
                return not_there(e);
        if (p.view->limit)
                r = view_lists(fs, ctx, dir, buf_view(&file), &listed, e);
        else
                r = item_passes(fs, ctx, node, p.view, e);
        return r == 0 && !listed ? not_there(e) : r;
}

/* An item, scratch file or beginning of a long name as a range shows it. */
static int lookup_in_base(struct fs *fs, struct op_ctx *ctx, struct node *dir, struct str name, const struct view *item,
                          struct node *base, struct fs_entry *ret, struct error *e) {
        bool listed = true;
        int r = 0;

        if (item && !view_in_range(item, item->item.parts, item->item.n))
                return not_there(e);
        if (item && item->limit)
                r = view_lists(fs, ctx, dir, name, &listed, e);
        if (r == 0 && !listed)
                r = not_there(e);
        if (r == 0)
                r = node_lookup(fs, ctx, base, name, ret, e);
        if (r)
                return r;
        if (!item && S_ISDIR(ret->attr.mode) && !keyname_is_chain(name))
                r = item_dir_in_range(fs, ctx, dir, name, ret->node, e);
        if (item && !item->limit)
                r = item_passes(fs, ctx, ret->node, item, e);
        if (r)
                node_forget(fs, ret->node, 1);
        ret->valid_ns = 0; /* the kernel forgets the name where it was written, not here */
        return r;
}

static int lookup_range(struct fs *fs, struct op_ctx *ctx, struct node *dir, struct str name, const struct view *item,
                        struct fs_entry *ret, struct error *e) {
        _cleanup_(held_put) struct held base = { .fs = fs };
        _cleanup_(place_deinit) struct place p = { 0 };
        int r = view_place(fs, ctx, dir, STR_NULL, &p, e);

        if (r == 0)
                r = view_base(fs, dir, p.view, &base.n, e);
        if (r)
                return r;
        if (!base.n || view_step_name(name) || (!item && !local_name(name, p.view->kind == VIEW_CHAIN)))
                return not_there(e);
        return lookup_in_base(fs, ctx, dir, name, item, base.n, ret, e);
}

/* Below an index: an item as the directory of its attributes. */
static int lookup_item_dir(struct fs *fs, struct op_ctx *ctx, struct node *dir, struct str name, struct fs_entry *ret,
                           struct error *e) {
        *e = (struct error){ .kind = ERR_NONE };
        return item_dir_lookup(fs, ctx, dir, dir, name, ret, e);
}

int view_lookup(struct fs *fs, struct op_ctx *ctx, struct node *dir, struct str name, struct fs_entry *ret,
                struct error *e) {
        _cleanup_(held_put) struct held h = { .fs = fs };
        _cleanup_(place_deinit) struct place p = { 0 };
        int r = view_place(fs, ctx, dir, name, &p, e);

        if (r == -ENOENT && p.view && p.view->refused)
                fs_note(fs, ctx, dir, name, e);
        else if (r == -ENOENT && dir->kind == NODE_VIEW && !dir->control && e->kind == ERR_NO_ITEM)
                return lookup_range(fs, ctx, dir, name, NULL, ret, e);
        else if (r == -ENOENT && dir->kind == NODE_VIEW && e->kind == ERR_NO_ITEM)
                return lookup_item_dir(fs, ctx, dir, name, ret, e);
        if (r)
                return r;
        if (p.view->kind == VIEW_ITEM && !p.view->index)
                return lookup_range(fs, ctx, dir, name, p.view, ret, e);
        if (p.view->index && p.view->kind == VIEW_PARTITION && p.view->n_steps == 0)
                r = view_exists(fs, ctx, &p, e);
        if (r)
                return r;
        r = node_child(fs, dir, name, p.kind, LEVEL_RANGE, &h.n);
        if (r)
                return error_set_errno(e, r, "lookup");
        mutex_lock(&fs->nodes.lock);
        if (h.n->control != (p.view->index != NULL)) /* once: it is read without the lock */
                h.n->control = p.view->index != NULL;
        mutex_unlock(&fs->nodes.lock);
        return entry_of(fs, ctx, h.n, ret, e);
}

/* ---- writing ---- */

static int read_only(struct error *e) {
        return error_set(e, ERR_READ_ONLY, "an index is for reading: change the item in its table");
}

int view_write(struct fs *fs, struct op_ctx *ctx, struct held *dir, struct str name, struct error *e) {
        _cleanup_(place_deinit) struct place here = { 0 };
        _cleanup_(place_deinit) struct place item = { 0 };
        struct error ignored = { 0 };
        struct node *base;
        int r;

        if (!view_leads(fs, dir->n, name))
                return 0;
        if (dir->n->kind != NODE_VIEW)
                return dir->n->kind == NODE_ROOT || dir->n->kind == NODE_CHAIN
                               ? read_only(e)
                               : error_set(e, ERR_PERMISSION, "views are not made or removed");
        if (dir->n->control)
                return read_only(e);
        r = view_place(fs, ctx, dir->n, STR_NULL, &here, e);
        if (r == 0)
                r = view_base(fs, dir->n, here.view, &base, e);
        if (r)
                return r;
        if (!base || view_step_name(name)) {
                node_put(fs, base);
                return error_set(e, ERR_PERMISSION, "nothing is made or removed here");
        }
        r = view_place(fs, ctx, dir->n, name, &item, &ignored);
        if (r == 0 && item.view->kind == VIEW_ITEM && !view_in_range(item.view, item.view->item.parts, item.view->item.n)) {
                node_put(fs, base);
                return error_set(e, ERR_INPUT, "outside of this range");
        }
        node_put(fs, dir->n);
        dir->n = base;
        return 0;
}

void view_wrote(struct fs *fs, uint64_t asked, struct node *dir, struct str name) {
        if (dir->id != asked && fs->notify.entry)
                fs->notify.entry(fs->notify.arg, dir->id, name);
}

static void put_path(struct buf *out, struct str name) {
        struct str piece;
        bool last = false;

        while (!last && buf_status(out) == 0) {
                name = str_skip(name, keyname_piece(name, &piece, &last));
                buf_putc(out, '/');
                buf_str(out, piece);
                buf_puts(out, last ? "" : "%+");
        }
}

int view_base_path(const struct place *p, struct buf *out) {
        keyname_encode_text(out, p->table->name, false);
        for (uint32_t i = 0; i < p->key.n; i++) {
                _cleanup_(buf_deinit) struct buf name = BUF_INIT(NAME_ENCODED_MAX);

                keyname_encode(&name, &p->key.parts[i], false);
                if (buf_status(&name))
                        return buf_status(&name);
                put_path(out, buf_view(&name));
        }
        buf_puts(out, ".json");
        return buf_status(out);
}
