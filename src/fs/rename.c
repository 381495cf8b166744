/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Renaming.  The new item is what `cp` would make: the text, with the new key.
 *
 *      from       to         what is sent
 *      item       item       one TransactWriteItems: put the new, delete the old, each conditional; across
 *                            partitions and tables too; EXCHANGE: two puts
 *      scratch    item       the text is saved as that item (commit.c), like an editor's save
 *      item       scratch    nothing yet: a copy becomes the scratch file, the item goes away.c's way
 *      scratch    scratch    nothing
 *      partition  partition  up to 50 items: one transaction (rename_partition.c); more: EXDEV, so that mv copies
 */
#include <linux/fs.h>
#include "rename_internal.h"
#include "ddbfs/base/log.h"

#define MOVE_ARENA_MAX (64 * MIB)

static void end_deinit(struct end *x) {
        child_deinit(&x->child);
        items_deinit(&x->items);
        snapshot_unref(x->text);
        snapshot_unref(x->moved_text);
}

static int end_init(struct fs *fs, struct op_ctx *ctx, struct end *x, struct error *e) {
        int r = place_child(fs, ctx, x->dir, x->name, &x->child, e);

        if (r)
                return r;
        if (x->child.kind == NODE_CHAIN)
                return error_set_errno(e, -EXDEV, "the beginning of a long name is moved by copying");
        if (node_in_item(x->dir) && x->dir->control)
                return error_set(e, ERR_READ_ONLY, "an index is for reading");
        if (x->child.kind == NODE_ITEM || x->child.kind == NODE_PARTITION || x->child.kind == NODE_ATTR ||
            (x->child.kind == NODE_LOCAL && !(x->dir->kind == NODE_CONTROL)))
                return 0;
        return error_set(e, ERR_PERMISSION, "this cannot be renamed");
}

static bool was_served(struct fs *fs, const struct end *x) {
        struct snapshot *s;
        uint64_t hash;
        bool served = cache_served(fs->cache, buf_view(&x->child.place.id), false, &s, &hash) != CACHE_BASE_NONE;

        snapshot_unref(s);
        return served;
}

/* Read the item strongly; ENOENT when there is none. */
static int end_read(struct fs *fs, struct op_ctx *ctx, struct end *x, struct error *e) {
        struct get_request get = { .table = x->child.place.table, .key = x->child.place.key, .consistent = true };
        int r;

        if (item_hidden(fs, buf_view(&x->child.place.id)))
                return fs_no_item(e);
        r = fs->store->ops->get(fs->store, ctx, &get, &x->items, e);
        if (r == 0 && x->items.n == 0)
                return fs_no_item(e);
        if (r == 0)
                r = items_fill(fs, ctx, &x->items, e);
        if (r)
                return r;
        x->was_served = was_served(fs, x);
        r = item_snapshot(fs, &x->child.place, &x->items.v[0], &x->text);
        return r ? error_set_errno(e, r, "renaming") : 0;
}

/* The item of `from` as it will be at `to`. */
static int move_item(struct fs *fs, const struct end *from, struct end *to, struct arena *a, struct error *e) {
        struct item_text_options text = fs->o.text;
        int r;

        text.strict_keys = false; /* the path decides, that is what a rename means */
        r = item_text_parse(str_make(from->text->text, from->text->n), &to->child.place.table->key, &to->child.place.key,
                            &text, a, &to->moved, e);
        if (r)
                return r;
        item_take_references(&to->moved, &from->items.v[0]);
        r = item_snapshot(fs, &to->child.place, &to->moved, &to->moved_text);
        return r ? error_set_errno(e, r, "renaming") : 0;
}

static int transact(struct fs *fs, struct op_ctx *ctx, const struct write *w, uint32_t n, const struct end *from,
                    const struct end *to, unsigned flags, struct error *e) {
        struct error local = { 0 };
        int r = fs->store->ops->transact_write(fs->store, ctx, w, n, &local);

        fs_wrote(fs, &from->child.place);
        fs_wrote(fs, &to->child.place);
        partition_wrote(fs, &from->child.place, false);
        partition_wrote(fs, &to->child.place, false);
        if (r) {
                cache_invalidate(fs->cache, buf_view(&from->child.place.id));
                cache_invalidate(fs->cache, buf_view(&to->child.place.id));
        }
        if (r && local.kind == ERR_CANCELLED && str_eq(str_of(local.code), STR("ConditionalCheckFailed"))) {
                if (local.action == 0 && (flags & RENAME_NOREPLACE))
                        return error_set(e, ERR_EXISTS, "there is an item of that name");
                return error_set(e, ERR_CONDITION, "the item was changed by somebody else during the rename");
        }
        if (r && e)
                *e = local;
        return r;
}

static void arrived(struct fs *fs, const struct end *from, const struct end *to) {
        cache_put_own(fs->cache, buf_view(&to->child.place.id), to->moved_text);
        if (from->was_served || was_served(fs, to)) /* then readers know that, or what it has replaced */
                cache_serve(fs->cache, buf_view(&to->child.place.id), to->moved_text);
}

/* What is replaced must be the version that readers of this mount were shown last, as with any save. */
static int target_as_served(struct fs *fs, struct op_ctx *ctx, struct end *to, struct write *w, struct arena *a,
                            struct error *e) {
        _cleanup_(snapshot_unrefp) struct snapshot *now = NULL;
        struct str id = buf_view(&to->child.place.id), text;
        struct error local = { 0 };
        struct item *item = arena_alloc(a, sizeof(*item));
        _cleanup_(bases_deinit) struct bases served;
        int r;

        bases_find(fs, program_of(fs, ctx), id, false, &served);
        if (served.n == 0)
                return 0;
        r = item ? item_load(fs, ctx, &to->child.place, 0, true, &now, &local) : -ENOMEM;
        if (r == -ENOENT && local.kind == ERR_NO_ITEM)
                return 0; /* gone: there is nothing to lose */
        if (r) {
                *e = local;
                return r == -ENOMEM ? error_set(e, ERR_MEMORY, "out of memory") : r;
        }
        if (now->hash != served.v[served.n - 1].hash)
                return error_set(e, ERR_CONDITION, "the item to be replaced was changed by somebody else since it was read");
        r = arena_dup(a, str_make(now->text, now->n), &text);
        if (r == 0)
                r = item_parse(fs, &to->child.place, text, a, item, e);
        return r ? error_set_errno(e, r, "renaming") : item_unchanged(&to->child.place, item, w, a, e);
}

/* What was renamed to a scratch name is replaced as long as it is that version. */
static int target_as_away(struct fs *fs, struct op_ctx *ctx, struct end *to, const struct snapshot *away, struct write *w,
                          struct arena *a, struct error *e) {
        struct get_request get = { .table = to->child.place.table, .key = to->child.place.key, .consistent = true };
        _cleanup_(snapshot_unrefp) struct snapshot *now = NULL;
        int r = fs->store->ops->get(fs->store, ctx, &get, &to->items, e);

        if (r == 0 && to->items.n > 0)
                r = items_fill(fs, ctx, &to->items, e);
        if (r || to->items.n == 0) /* gone: there is nothing to lose */
                return r;
        r = item_snapshot(fs, &to->child.place, &to->items.v[0], &now);
        if (r)
                return error_set_errno(e, r, "renaming");
        if (now->hash != away->hash)
                return error_set(e, ERR_CONDITION, "the item to be replaced was changed by somebody else since it was renamed");
        return item_unchanged(&to->child.place, &to->items.v[0], w, a, e);
}

static int replace(struct fs *fs, struct op_ctx *ctx, struct end *from, struct end *to, unsigned flags,
                   struct arena *a, struct error *e) {
        struct condition absent = { .op = COND_NOT_EXISTS, .attr = to->child.place.table->key.attrs[0].name };
        struct write w[2] = { { .op = WRITE_PUT, .table = to->child.place.table, .item = &to->moved },
                              { .op = WRITE_DELETE, .table = from->child.place.table, .key = from->child.place.key } };
        _cleanup_(snapshot_unrefp) struct snapshot *away = NULL;
        int r = end_read(fs, ctx, from, e);

        if (r == 0)
                r = move_item(fs, from, to, a, e);
        if (r == 0)
                r = item_unchanged(&from->child.place, &from->items.v[0], &w[1], a, e);
        if (r == 0)
                r = away_text(fs, ctx, buf_view(&to->child.place.id), &away, e);
        if (r)
                return r;
        if ((flags & RENAME_NOREPLACE) && !away) { /* what is away is there, but not for the caller */
                w[0].conditions = &absent;
                w[0].n_conditions = 1;
        } else if (fs->o.write_mode == FS_WRITE_OPTIMISTIC) {
                r = away ? target_as_away(fs, ctx, to, away, &w[0], a, e) : target_as_served(fs, ctx, to, &w[0], a, e);
        }
        if (r == 0)
                r = transact(fs, ctx, w, 2, from, to, flags, e);
        if (r) {
                away_unchanged(fs, buf_view(&to->child.place.id));
                return r;
        }
        cache_put_own(fs->cache, buf_view(&from->child.place.id), NULL);
        arrived(fs, from, to);
        readers_moved(fs, program_of(fs, ctx), buf_view(&from->child.place.id), buf_view(&to->child.place.id),
                      from->text, to->moved_text);
        away_returned(fs, buf_view(&to->child.place.id));
        return 0;
}

static void readers_exchanged(struct fs *fs, struct program p, const struct end *a, const struct end *b) {
        struct str a_id = buf_view(&a->child.place.id), b_id = buf_view(&b->child.place.id);
        _cleanup_(buf_deinit) struct buf aside = BUF_INIT(32 * KIB);

        buf_str(&aside, a_id); /* no item's */
        buf_putc(&aside, '/');
        buf_str(&aside, b_id);
        readers_moved(fs, (struct program){ .id = 0 }, a_id, buf_view(&aside), NULL, NULL);
        readers_moved(fs, p, b_id, a_id, b->text, a->moved_text);
        readers_moved(fs, p, buf_view(&aside), b_id, a->text, b->moved_text);
}

static int exchange(struct fs *fs, struct op_ctx *ctx, struct end *a_end, struct end *b_end, struct arena *a,
                    struct error *e) {
        struct write w[2] = { { .op = WRITE_PUT, .table = b_end->child.place.table, .item = &b_end->moved },
                              { .op = WRITE_PUT, .table = a_end->child.place.table, .item = &a_end->moved } };
        int r = end_read(fs, ctx, a_end, e);

        if (r == 0)
                r = end_read(fs, ctx, b_end, e);
        if (r == 0)
                r = move_item(fs, a_end, b_end, a, e);
        if (r == 0)
                r = move_item(fs, b_end, a_end, a, e);
        if (r == 0)
                r = item_unchanged(&b_end->child.place, &b_end->items.v[0], &w[0], a, e);
        if (r == 0)
                r = item_unchanged(&a_end->child.place, &a_end->items.v[0], &w[1], a, e);
        if (r == 0)
                r = transact(fs, ctx, w, 2, a_end, b_end, RENAME_EXCHANGE, e);
        if (r)
                return r;
        arrived(fs, a_end, b_end);
        arrived(fs, b_end, a_end);
        readers_exchanged(fs, program_of(fs, ctx), a_end, b_end);
        return 0;
}

/* Whose text is in the scratch file: that of the program that wrote it, where it has read the item, as in
 * `jq . x.json >x.tmp; mv x.tmp x.json`; else the caller's. */
static struct program author(struct fs *fs, struct op_ctx *ctx, struct end *from, const struct end *to) {
        _cleanup_(held_put) struct held h = { .fs = fs, .n = node_find(fs, from->dir, from->name) };
        struct program p = { .id = 0 };
        struct bases known = { .n = 0 };
        bool knows;

        if (h.n) {
                mutex_lock(&fs->nodes.lock);
                p = h.n->writer;
                mutex_unlock(&fs->nodes.lock);
        }
        knows = readers_knows(fs, p, place_file_id(&to->child.place), &known);
        bases_deinit(&known);
        return knows ? p : program_of(fs, ctx);
}

/* What was in a scratch file that became an item. */
struct taken {
        struct buf text;
        unsigned long long edits; /* fs.local_edits before it was read */
};

static void taken_deinit(struct taken *t) {
        buf_deinit(&t->text);
}

static int scratch_to_item(struct fs *fs, struct op_ctx *ctx, struct end *from, struct end *to, struct taken *t,
                           unsigned flags, struct error *e) {
        int r;

        t->edits = atomic_load(&fs->local_edits);
        r = local_read_all(fs, from->dir, from->name, &t->text, e);
        return r ? r : save_text(fs, ctx, author(fs, ctx, from, to), to->dir, to->name, buf_view(&t->text), flags & RENAME_NOREPLACE, e);
}

/* What was closed since the scratch file was read, when its writers were told that it is in there, is saved too. */
static int save_again(struct fs *fs, struct op_ctx *ctx, struct end *from, struct end *to, const struct taken *t,
                      struct error *e) {
        _cleanup_(buf_deinit) struct buf text = BUF_INIT(ITEM_TEXT_MAX);
        int r;

        if (atomic_load(&fs->local_edits) == t->edits)
                return 0;
        r = local_read_all(fs, from->dir, from->name, &text, e);
        if (r || str_eq(buf_view(&text), buf_view(&t->text)))
                return r;
        return save_text(fs, ctx, author(fs, ctx, from, to), to->dir, to->name, buf_view(&text), false, e);
}

/* The scratch file's node is the item's: who still writes to it saves at close. */
static void scratch_taken(struct fs *fs, struct op_ctx *ctx, struct end *from, struct end *to, const struct taken *t) {
        struct error e = { 0 };
        int r = save_again(fs, ctx, from, to, t, &e);

        if (r == 0)
                r = local_remove(fs, from->dir, from->name, false, &e);
        if (r) /* saved, but its copy stays behind as a scratch file */
                log_warn("a scratch file that was saved stays: %s", e.message);
}

static int item_to_scratch(struct fs *fs, struct op_ctx *ctx, struct end *from, struct end *to, struct error *e) {
        int r = end_read(fs, ctx, from, e);

        if (r == 0)
                r = local_write_all(fs, to->dir, to->name, str_make(from->text->text, from->text->n), e);
        if (r)
                return r;
        readers_forget(fs, program_of(fs, ctx), buf_view(&from->child.place.id)); /* to it the name is free */
        return away_add(fs, &from->child.place, &from->items.v[0], from->text, e);
}

static int rename_in_turn(struct fs *fs, struct op_ctx *ctx, struct end *from, struct end *to, unsigned flags, struct error *e) {
        _cleanup_(arena_deinit) struct arena a = ARENA_INIT(MOVE_ARENA_MAX);

        if (from->child.kind == NODE_ATTR && to->child.kind == NODE_ATTR)
                return attr_rename(fs, ctx, from, to, flags, e);
        if (from->child.kind == NODE_ATTR && to->child.kind == NODE_LOCAL)
                return attr_to_scratch(fs, ctx, from, to, e);
        if (from->child.kind == NODE_ATTR || to->child.kind == NODE_ATTR)
                return error_set_errno(e, -EXDEV, "between items and attributes is moved by copying");
        if (to->child.kind == NODE_LOCAL)
                return item_to_scratch(fs, ctx, from, to, e);
        return flags & RENAME_EXCHANGE ? exchange(fs, ctx, from, to, &a, e) : replace(fs, ctx, from, to, flags, &a, e);
}

/* Of an item or an attribute. */
static int rename_stored(struct fs *fs, struct op_ctx *ctx, struct end *from, struct end *to, unsigned flags, struct error *e) {
        struct item_turn turns[2];
        uint32_t n = to->child.place.id.n == 0 || str_eq(buf_view(&from->child.place.id), buf_view(&to->child.place.id)) ? 1 : 2;
        int r;

        item_turn_of(&from->child.place, &turns[0]);
        item_turn_of(&to->child.place, &turns[1]);
        r = item_turns_begin(fs, ctx, turns, n, e);
        if (r)
                return r;
        r = rename_in_turn(fs, ctx, from, to, flags, e);
        item_turns_end(fs, turns, n);
        return r;
}

/* The nodes follow their items. */
static int move_nodes(struct fs *fs, struct end *from, struct end *to, unsigned flags, struct error *e) {
        _cleanup_(held_put) struct held a = { .fs = fs, .n = node_find(fs, from->dir, from->name) };
        _cleanup_(held_put) struct held b = { .fs = fs, .n = node_find(fs, to->dir, to->name) };
        int r = 0;

        if ((flags & RENAME_EXCHANGE) && a.n && b.n)
                r = node_exchange(fs, a.n, b.n);
        else if (a.n)
                r = node_move(fs, a.n, to->dir, to->name, to->child.kind);
        if (a.n && fs->notify.attr)
                fs->notify.attr(fs->notify.arg, a.n->id);
        if (b.n && fs->notify.attr)
                fs->notify.attr(fs->notify.arg, b.n->id);
        return r ? error_set_errno(e, r, "renaming") : 0;
}

static int rename_ends(struct fs *fs, struct op_ctx *ctx, struct end *from, struct end *to, unsigned flags,
                       struct error *e);

/* Neither an item's own file nor a scratch file. */
static bool is_item_dir(struct fs *fs, const struct end *from) {
        struct stat st;

        return from->child.kind == NODE_LOCAL && from->dir->kind != NODE_LOCAL && !node_in_item(from->dir) &&
               local_stat(fs, from->dir, from->name, &st) == -ENOENT;
}

/* The directory of an item is renamed with its item.  One that is there is never empty, so it is not replaced. */
static int rename_item_dir(struct fs *fs, struct op_ctx *ctx, struct node *n, struct end *from, struct end *to, unsigned flags,
                           struct error *e) {
        _cleanup_(buf_deinit) struct buf from_name = BUF_INIT(512);
        _cleanup_(buf_deinit) struct buf to_name = BUF_INIT(512);
        _cleanup_(end_deinit) struct end a = { .dir = from->dir };
        _cleanup_(end_deinit) struct end b = { .dir = to->dir };
        int r;

        items_init(&a.items);
        items_init(&b.items);
        if (flags & RENAME_EXCHANGE)
                return error_set_errno(e, -EINVAL, "items are exchanged by their files");
        if (node_in_item(to->dir) || !item_dir_file(from->name, node_is_piece(fs, from->dir), &from_name) ||
            !item_dir_file(to->name, node_is_piece(fs, to->dir), &to_name))
                return error_set(e, ERR_INPUT, "the new name is no item's: its key, encoded");
        a.name = buf_view(&from_name);
        b.name = buf_view(&to_name);
        r = rename_ends(fs, ctx, &a, &b, flags | RENAME_NOREPLACE, e);
        if (r)
                return r;
        if (fs->notify.entry) {
                fs->notify.entry(fs->notify.arg, a.dir->id, a.name);
                fs->notify.entry(fs->notify.arg, b.dir->id, b.name);
        }
        r = n ? node_move(fs, n, to->dir, to->name, NODE_ITEM_DIR) : 0;
        return r ? error_set_errno(e, r, "renaming") : 0;
}

static int rename_ends(struct fs *fs, struct op_ctx *ctx, struct end *from, struct end *to, unsigned flags,
                       struct error *e) {
        _cleanup_(held_put) struct held n = { .fs = fs, .n = node_find(fs, from->dir, from->name) };
        _cleanup_(taken_deinit) struct taken taken = { .text = BUF_INIT(ITEM_TEXT_MAX) };
        bool takes;
        int r;

        if (fs->o.read_only)
                return error_set(e, ERR_READ_ONLY, "mounted read-only");
        if (from->dir == to->dir && str_eq(from->name, to->name)) /* by way of two ranges: to the kernel they are two */
                return flags & RENAME_NOREPLACE ? error_set(e, ERR_EXISTS, "it has that name") : 0;
        r = end_init(fs, ctx, from, e);
        if (r)
                return r;
        if (is_item_dir(fs, from))
                return rename_item_dir(fs, ctx, n.n, from, to, flags, e);
        r = end_init(fs, ctx, to, e);
        if (r == -ENOENT && e->kind == ERR_NO_ITEM)
                return error_set(e, ERR_INPUT, "the new name is no item's: its key, encoded, and \".json\"");
        if (r == -ENOENT && to->dir->kind == NODE_ROOT)
                return error_set(e, ERR_PERMISSION, "tables are not made by renaming");
        if (r)
                return r;
        r = removals_wait(fs, ctx, e);
        if (r)
                return r;
        if (from->child.kind != to->child.kind && (flags & RENAME_EXCHANGE))
                return error_set(e, ERR_INPUT, "only two of a kind can be exchanged");
        if (n.n && draft_is_new(fs, n.n)) /* into the table first, under its old name: then it is a rename like any */
                r = draft_save_new(fs, ctx, n.n, e);
        if (r)
                return r;
        if (from->child.kind == NODE_PARTITION || to->child.kind == NODE_PARTITION)
                r = partition_rename(fs, ctx, from, to, flags, e);
        else if (from->child.kind != NODE_LOCAL)
                r = rename_stored(fs, ctx, from, to, flags, e);
        else
                r = to->child.kind == NODE_LOCAL
                            ? local_rename(fs, from->dir, from->name, to->dir, to->name, flags, e)
                            : scratch_to_item(fs, ctx, from, to, &taken, flags, e);
        if (r == 0 && from->child.kind == NODE_ITEM)
                dir_linger(fs, from->dir);
        takes = r == 0 && from->child.kind == NODE_LOCAL && to->child.kind != NODE_LOCAL;
        if (r == 0)
                r = move_nodes(fs, from, to, flags, e);
        if (r == 0 && node_in_item(from->dir))
                item_dir_changed(fs, from->dir);
        if (takes)
                scratch_taken(fs, ctx, from, to, &taken);
        return r;
}

int fs_rename(struct fs *fs, struct op_ctx *ctx, uint64_t parent, struct str name, uint64_t new_parent,
              struct str new_name, unsigned flags) {
        _cleanup_(held_put) struct held dir = { .fs = fs, .n = node_get(fs, parent) };
        _cleanup_(held_put) struct held new_dir = { .fs = fs, .n = node_get(fs, new_parent) };
        _cleanup_(end_deinit) struct end from = { .name = name };
        _cleanup_(end_deinit) struct end to = { .name = new_name };
        struct error e = { 0 };
        int r;

        items_init(&from.items);
        items_init(&to.items);
        if (!dir.n || !new_dir.n)
                return -ESTALE;
        r = view_write(fs, ctx, &dir, name, &e);
        if (r == 0)
                r = view_write(fs, ctx, &new_dir, new_name, &e);
        from.dir = dir.n;
        to.dir = new_dir.n;
        if (r == 0)
                r = rename_ends(fs, ctx, &from, &to, flags, &e);
        if (r == 0) {
                view_wrote(fs, parent, dir.n, name);
                view_wrote(fs, new_parent, new_dir.n, new_name);
        }
        if (r == -EXDEV) /* mv copies then: no event */
                return r;
        return fs_done(fs, ctx, dir.n, name, r, &e);
}
