/* SPDX-License-Identifier: Apache-2.0 */
/* unlink, mkdir, rmdir. */
#include "fs_internal.h"
#include "ddbfs/base/clock.h"

/* The partition that holds this directory's items stays visible for a while, though it may be empty now: so
 * `rm -r` and a shell standing in it go on working. */
void dir_linger(struct fs *fs, struct node *dir) {
        _cleanup_(mem_freep) char *name = NULL;
        uint64_t parent = 0;
        size_t n = 0;

        mutex_lock(&fs->nodes.lock);
        while (dir && dir->kind == NODE_CHAIN)
                dir = dir->parent;
        if (dir && dir->kind == NODE_PARTITION && dir->parent && (name = mem_dup(dir->name, dir->name_n))) {
                parent = dir->parent->ino;
                n = dir->name_n;
        }
        mutex_unlock(&fs->nodes.lock);
        if (name)
                local_dir_add(fs, parent, str_make(name, n), clock_now_ns() + LINGER_NS);
}

int item_delete(struct fs *fs, struct op_ctx *ctx, const struct place *p, struct error *e) {
        struct condition exists = { .op = COND_EXISTS, .attr = p->table->key.attrs[0].name };
        struct write w = { .op = WRITE_DELETE, .table = p->table, .key = p->key, .conditions = &exists,
                           .n_conditions = 1 };
        struct error local = { 0 };
        int r = fs->store->ops->write(fs->store, ctx, &w, NULL, &local);

        fs_wrote(fs, p);
        partition_wrote(fs, p, false);
        if (r && local.kind != ERR_CONDITION) {
                cache_invalidate(fs->cache, buf_view(&p->id)); /* it may or may not have been applied */
                if (e)
                        *e = local;
                return r;
        }
        cache_put_own(fs->cache, buf_view(&p->id), NULL);
        return r ? fs_no_item(e) : 0;
}

static int unlink_stored(struct fs *fs, struct op_ctx *ctx, struct node *dir, struct str name, struct place *p,
                         struct error *e) {
        struct program program = program_of(fs, ctx);
        int r;

        if (item_hidden(fs, buf_view(&p->id)))
                return fs_no_item(e);
        if (away_again(fs, p))
                return 0;
        r = removals_tell(fs, ctx, dir, e); /* so that the program hears of it; this one is not tried */
        if (r)
                return r;
        readers_forget(fs, program, buf_view(&p->id));
        r = removals_streak(fs, dir, program) ? removals_add(fs, ctx, p, dir, name, e) : item_delete(fs, ctx, p, e);
        if (r == 0)
                removals_succeeded(fs, dir);
        return r;
}

static int remove_in_turn(struct fs *fs, struct op_ctx *ctx, struct node *dir, struct str name, struct place *p, struct error *e) {
        struct item_turn turns[ITEM_TURNS];
        uint32_t n = item_turns_of(p, turns);
        int r = item_turns_begin(fs, ctx, turns, n, e);

        if (r)
                return r;
        r = p->kind == NODE_ATTR ? attr_remove(fs, ctx, p, e) : unlink_stored(fs, ctx, dir, name, p, e);
        item_turns_end(fs, turns, n);
        return r;
}

static int unlink_item(struct fs *fs, struct op_ctx *ctx, struct node *dir, struct str name, struct error *e) {
        _cleanup_(held_put) struct held h = { .fs = fs, .n = node_find(fs, dir, name) };
        _cleanup_(child_deinit) struct child c = { 0 };
        bool was_new = false;
        int r;

        if (fs->o.read_only)
                return error_set(e, ERR_READ_ONLY, "mounted read-only");
        r = place_child(fs, ctx, dir, name, &c, e);
        if (r)
                return r;
        if (c.kind == NODE_LOCAL) {
                r = local_remove(fs, dir, name, false, e);
                if (r == 0 && h.n)
                        node_detach(fs, h.n);
                return r;
        }
        if (node_in_item(dir) && dir->control)
                return error_set(e, ERR_READ_ONLY, "an index is for reading");
        if (c.kind != NODE_ITEM && c.kind != NODE_ATTR)
                return c.kind == NODE_CONTROL_FILE ? error_set(e, ERR_PERMISSION, "control files cannot be removed")
                                                   : error_set_errno(e, -EISDIR, "a directory");
        if (h.n && draft_is_new(fs, h.n))
                r = draft_drop_new(fs, ctx, h.n, &was_new, e);
        if (r == 0 && !was_new)
                r = remove_in_turn(fs, ctx, dir, name, &c.place, e);
        if (r == 0 || r == -ENOENT) {
                if (h.n)
                        node_detach(fs, h.n);
                if (c.kind == NODE_ATTR)
                        item_dir_changed(fs, dir);
                else
                        dir_linger(fs, dir);
        }
        return r;
}

int fs_unlink(struct fs *fs, struct op_ctx *ctx, uint64_t parent, struct str name) {
        _cleanup_(held_put) struct held dir = { .fs = fs, .n = node_get(fs, parent) };
        struct error e = { 0 };
        int r;

        if (!dir.n)
                return -ESTALE;
        r = view_write(fs, ctx, &dir, name, &e);
        if (r == 0)
                r = unlink_item(fs, ctx, dir.n, name, &e);
        if (r == 0)
                view_wrote(fs, parent, dir.n, name);
        return fs_done(fs, ctx, dir.n, name, r, &e);
}

static int not_a_partition(const struct child *c, struct error *e) {
        if (c->kind == NODE_TABLE)
                return error_set(e, ERR_PERMISSION, "tables are not made or removed as directories");
        if (c->kind == NODE_ITEM || c->kind == NODE_CONTROL_FILE || c->kind == NODE_LOCAL || c->kind == NODE_ATTR)
                return error_set_errno(e, -ENOTDIR, "a file");
        return error_set(e, ERR_PERMISSION, "not a partition");
}

/* No item's directory, but for the last pieces of long names. */
static bool dotted(struct fs *fs, struct node *dir, struct str name) {
        return name.p[0] == '.' && !node_is_piece(fs, dir);
}

/* Tools make folders for what they have not finished: `.~tmp~` of rsync --delay-updates, .rsync-partial.  Other names
 * are more likely a mistake: who makes them wants a partition. */
static int make_scratch_folder(struct fs *fs, struct op_ctx *ctx, struct node *dir, struct str name, enum level level,
                               struct fs_entry *ret, struct error *e) {
        _cleanup_(held_put) struct held h = { .fs = fs };
        int r;

        if (!local_in_spool(fs, dir))
                return error_set(e, ERR_PERMISSION, "the rejected folder is for reading and deleting");
        if (dir->kind != NODE_LOCAL && name.p[0] != '.')
                return error_set(e, ERR_INPUT, "beside items there are only files, and scratch folders, whose names begin with a dot");
        r = local_mkdir(fs, dir, name, e);
        if (r)
                return r;
        r = node_child(fs, dir, name, NODE_LOCAL, level, &h.n);
        return r ? error_set_errno(e, r, "making the folder") : entry_of(fs, ctx, h.n, ret, e);
}

static int remove_folder(struct fs *fs, struct node *dir, struct str name, struct error *e) {
        _cleanup_(held_put) struct held h = { .fs = fs, .n = node_find(fs, dir, name) };
        int r = local_remove(fs, dir, name, true, e);

        if (r == 0 && h.n)
                node_detach(fs, h.n);
        return r;
}

static int make_partition(struct fs *fs, struct op_ctx *ctx, struct node *dir, struct str name, struct fs_entry *ret,
                          struct error *e) {
        _cleanup_(held_put) struct held h = { .fs = fs };
        _cleanup_(child_deinit) struct child c = { 0 };
        int r;

        if (fs->o.read_only)
                return error_set(e, ERR_READ_ONLY, "mounted read-only");
        if (dir->kind == NODE_ROOT || dir->kind == NODE_CONTROL)
                return error_set(e, ERR_PERMISSION, "tables are not made or removed as directories");
        if (node_in_item(dir) && dir->control)
                return error_set(e, ERR_READ_ONLY, "an index is for reading");
        r = place_child(fs, ctx, dir, name, &c, e);
        if (node_in_item(dir) && (c.kind != NODE_LOCAL || name.p[0] != '.'))
                return error_set(e, ERR_PERMISSION, "attributes are files");
        if (dir->kind != NODE_LOCAL && !dotted(fs, dir, name) && (c.kind == NODE_LOCAL || (r == -ENOENT && c.kind == NODE_ROOT)))
                return item_dir_make(fs, ctx, dir, name, ret, e);
        if (r == -ENOENT && e->kind == ERR_NO_ITEM)
                return error_set(e, ERR_INPUT, "not the name of a partition: its key, encoded");
        if (r)
                return r;
        if (c.kind == NODE_LOCAL)
                return make_scratch_folder(fs, ctx, dir, name, c.level, ret, e);
        if (c.kind != NODE_PARTITION)
                return c.kind == NODE_CHAIN ? error_set_errno(e, -EEXIST, "beginnings of long names are always there")
                                            : not_a_partition(&c, e);
        r = partition_exists(fs, ctx, dir, name, &c.place, e); /* mostly known: the kernel has just looked it up */
        if (r == 0)
                return error_set_errno(e, -EEXIST, "there is a partition of that name");
        if (r != -ENOENT)
                return r;
        local_dir_add(fs, node_ino_now(fs, dir), name, UINT64_MAX);
        if (!local_dir_has(fs, node_ino_now(fs, dir), name))
                return error_set(e, ERR_MEMORY, "out of memory");
        r = node_child(fs, dir, name, c.kind, c.level, &h.n);
        return r ? error_set_errno(e, r, "making the directory") : entry_of(fs, ctx, h.n, ret, e);
}

int fs_mkdir(struct fs *fs, struct op_ctx *ctx, uint64_t parent, struct str name, struct fs_entry *ret) {
        _cleanup_(held_put) struct held dir = { .fs = fs, .n = node_get(fs, parent) };
        struct error e = { 0 };
        int r;

        if (!dir.n)
                return -ESTALE;
        r = view_write(fs, ctx, &dir, name, &e);
        if (r == 0 && dir.n->id != parent)
                r = error_set(&e, ERR_INPUT, "directories are made in the partition itself, not in a range of it");
        if (r == 0)
                r = make_partition(fs, ctx, dir.n, name, ret, &e);
        return fs_done(fs, ctx, dir.n, name, r, &e);
}

/* No scratch file, no file just being made, and no item.  Only then is what was renamed away gone for good. */
static int is_empty_here_too(struct fs *fs, struct op_ctx *ctx, struct node *n, const struct place *p, bool *ret,
                             struct error *e) {
        _cleanup_(names_deinit) struct names unsaved;
        int r;

        names_init(&unsaved);
        r = draft_new_names(fs, n, &unsaved);
        if (r == 0)
                r = local_names(fs, n, &unsaved);
        *ret = false;
        if (r || unsaved.n > 0)
                return r ? error_set_errno(e, r, "removing the directory") : 0;
        (void)away_expire(fs, ctx, p, false);
        return partition_empty(fs, ctx, p, ret, e);
}

static int remove_dir(struct fs *fs, struct op_ctx *ctx, struct node *dir, struct str name, struct error *e) {
        _cleanup_(held_put) struct held h = { .fs = fs };
        _cleanup_(child_deinit) struct child c = { 0 };
        bool empty = false;
        int r;

        if (fs->o.read_only)
                return error_set(e, ERR_READ_ONLY, "mounted read-only");
        r = place_child(fs, ctx, dir, name, &c, e);
        if (dir->kind != NODE_LOCAL && !node_in_item(dir) && !dotted(fs, dir, name) &&
            (c.kind == NODE_LOCAL || (r == -ENOENT && c.kind == NODE_ROOT)))
                return item_dir_remove(fs, ctx, dir, name, e);
        if (r)
                return r;
        if (c.kind == NODE_LOCAL)
                return remove_folder(fs, dir, name, e);
        if (c.kind != NODE_PARTITION && c.kind != NODE_CHAIN)
                return not_a_partition(&c, e);
        r = node_child(fs, dir, name, c.kind, c.level, &h.n);
        if (r)
                return error_set_errno(e, r, "removing the directory");
        r = removals_wait(fs, ctx, e);
        if (r)
                return r;
        if (c.kind == NODE_PARTITION)
                r = is_empty_here_too(fs, ctx, h.n, &c.place, &empty, e);
        else
                r = dir_is_empty(fs, ctx, h.n, &empty, e);
        if (r)
                return r;
        r = removals_failed(fs, h.n, false, e);
        if (!empty)
                return r ? r : error_set_errno(e, -ENOTEMPTY, "the directory is not empty");
        r = 0;
        if (!local_dir_remove(fs, node_ino_now(fs, dir), name) && c.kind == NODE_PARTITION)
                r = fs_no_item(e); /* nobody has it any more */
        if (c.kind == NODE_PARTITION)
                cache_put_own(fs->cache, buf_view(&c.place.id), NULL);
        node_detach(fs, h.n);
        return r;
}

int fs_rmdir(struct fs *fs, struct op_ctx *ctx, uint64_t parent, struct str name) {
        _cleanup_(held_put) struct held dir = { .fs = fs, .n = node_get(fs, parent) };
        struct error e = { 0 };
        int r;

        if (!dir.n)
                return -ESTALE;
        r = view_write(fs, ctx, &dir, name, &e);
        if (r == 0)
                r = remove_dir(fs, ctx, dir.n, name, &e);
        if (r == -ENOTEMPTY) /* everyday, and told by errno alone */
                return r;
        return fs_done(fs, ctx, dir.n, name, r, &e);
}
