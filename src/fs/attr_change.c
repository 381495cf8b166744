/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attributes removed and renamed, items made and removed as directories.
 *
 *      unlink attr                one UpdateItem, REMOVE, if it is there
 *      rename attr attr           one UpdateItem, SET and REMOVE, each conditional (of one item; else EXDEV)
 *      rename attr scratch        nothing yet: a copy becomes the scratch file, the attribute goes away.c's way (in S3: EXDEV)
 *      mkdir item                 PutItem of its key, if there is none
 *      rmdir item                 DeleteItem, if it has nothing but its key
 */
#include <linux/fs.h>
#include "rename_internal.h"
#include "ddbfs/base/clock.h"

int attr_writable(const struct place *p, struct error *e) {
        return attr_is_key(p) ? error_set_errno(e, -EACCES, "the key is what the item is called by: rename the item to change it") : 0;
}

static int not_the_key(const struct place *p, struct error *e) {
        return attr_is_key(p) ? error_set(e, ERR_PERMISSION, "an item is not without its key") : 0;
}

/* As far as it is known without asking; VALUE_LARGE: it is not. */
static enum value_type type_now(struct fs *fs, const struct place *p) {
        _cleanup_(parsed_unrefp) struct parsed *parsed = NULL;
        const struct value *v = NULL;
        struct error ignored = { 0 };
        struct cache_view known;

        cache_get(fs->cache, buf_view(&p->id), UINT64_MAX, true, &known);
        if (known.snapshot && parsed_of(fs, p, known.snapshot, &parsed, &ignored) == 0)
                v = item_get(&parsed->item, buf_view(&p->attr));
        cache_view_deinit(&known);
        return v ? v->type : VALUE_LARGE;
}

/* To this program, and as far as this mount knows. */
static void gone(struct fs *fs, struct op_ctx *ctx, const struct place *p) {
        cache_put_own(fs->cache, buf_view(&p->attr_id), NULL);
        readers_forget(fs, program_of(fs, ctx), buf_view(&p->attr_id));
}

int attr_remove(struct fs *fs, struct op_ctx *ctx, const struct place *p, struct error *e) {
        struct str attr = buf_view(&p->attr);
        struct condition there = { .op = COND_EXISTS, .attr = attr };
        struct write w = { .op = WRITE_UPDATE, .table = p->table, .key = p->key, .remove = &attr, .n_remove = 1,
                           .conditions = &there, .n_conditions = 1 };
        _cleanup_(snapshot_unrefp) struct snapshot *now = NULL;
        struct error local = { 0 };
        enum value_type type;
        int r = not_the_key(p, e);

        if (r)
                return r;
        if (away_again(fs, p))
                return 0;
        if (away_find(fs, buf_view(&p->attr_id)))
                return fs_no_item(e);
        type = type_now(fs, p);
        r = attr_update(fs, ctx, p, &w, &now, &local);
        if (r == 0)
                gone(fs, ctx, p);
        if (r == 0 && type < VALUE_LARGE)
                attr_note_removed(fs, p, type);
        if (r && local.kind == ERR_CONDITION)
                return fs_no_item(e);
        if (r)
                *e = local;
        return r;
}

/* ---- renaming ---- */

/* Its node's place, kept for itself, for the list of those that are away. */
static int place_dup(const struct place *p, struct place *ret) {
        int r;

        *ret = (struct place){ .kind = NODE_ATTR, .level = LEVEL_ATTR, .table = table_schema_ref(p->table),
                               .attr = BUF_INIT(NAME_ENCODED_MAX), .attr_id = BUF_INIT(ATTR_ID_MAX) };
        r = place_set_key(ret, &p->key);
        buf_str(&ret->attr, buf_view(&p->attr));
        buf_str(&ret->attr_id, buf_view(&p->attr_id));
        if (r == 0)
                r = buf_status(&ret->attr) ? buf_status(&ret->attr) : buf_status(&ret->attr_id);
        if (r)
                place_deinit(ret);
        return r;
}

static int read_strong(struct fs *fs, struct op_ctx *ctx, const struct place *p, struct parsed **ret, struct error *e) {
        _cleanup_(snapshot_unrefp) struct snapshot *item = NULL;
        int r = item_load(fs, ctx, p, 0, true, &item, e);

        return r ? r : parsed_of(fs, p, item, ret, e);
}

/* Its text only says what it stands for: no copy of it. */
static int not_in_s3(struct fs *fs, const struct place *p, struct snapshot *item, struct error *e) {
        _cleanup_(parsed_unrefp) struct parsed *parsed = NULL;
        const struct value *v;
        int r = parsed_of(fs, p, item, &parsed, e);

        v = r == 0 ? item_get(&parsed->item, buf_view(&p->attr)) : NULL;
        return v && v->type == VALUE_LARGE ? error_set_errno(e, -EXDEV, "an attribute in S3 is moved to a scratch file by copying") : r;
}

int attr_to_scratch(struct fs *fs, struct op_ctx *ctx, struct end *from, struct end *to, struct error *e) {
        _cleanup_(snapshot_unrefp) struct snapshot *item = NULL, *text = NULL;
        const struct place *p = &from->child.place;
        struct place away;
        int r = not_the_key(p, e);

        if (r == 0 && from->dir != to->dir)
                r = error_set_errno(e, -EXDEV, "to another directory an attribute is moved by copying");
        if (r == 0 && away_find(fs, buf_view(&p->attr_id)))
                r = fs_no_item(e);
        if (r == 0)
                r = item_load(fs, ctx, p, 0, true, &item, e);
        if (r == 0)
                r = not_in_s3(fs, p, item, e);
        if (r == 0)
                r = attr_of_item(fs, p, item, &text, e);
        if (r == 0)
                r = local_write_all(fs, to->dir, to->name, str_make(text->text, text->n), e);
        if (r)
                return r;
        readers_forget(fs, program_of(fs, ctx), buf_view(&p->attr_id)); /* to it the name is free */
        r = place_dup(p, &away);
        return r ? error_set_errno(e, r, "renaming") : away_add(fs, &away, NULL, text, e);
}

/* What is written to the other's file is what it becomes: text takes the type that the table declares, or keeps the one
 * of what it replaces. */
static int value_for(const struct place *p, const struct value *v, const struct value *replaced, struct arena *a,
                     struct value *ret, struct error *e) {
        const struct key_attr *declared = table_declared(p->table, buf_view(&p->attr));
        enum value_type type = declared ? declared->type : replaced ? replaced->type : VALUE_LARGE;

        *ret = *v;
        if (type == v->type || type == VALUE_LARGE || (v->type != VALUE_S && v->type != VALUE_B))
                return 0;
        return attr_text_parse(v->text, type, a, ret, e);
}

/* What is replaced must be what was renamed to a scratch name (away), or what readers of this mount were shown last, as
 * with any save. */
static int as_served(struct fs *fs, struct op_ctx *ctx, const struct place *p, struct snapshot *away, const struct value *now,
                     struct error *e) {
        _cleanup_(buf_deinit) struct buf room = BUF_INIT(ITEM_TEXT_MAX);
        struct base base = { .kind = BASE_SNAPSHOT, .snapshot = snapshot_ref(away) };
        struct str text = STR_NULL;
        int r = away ? 0 : attr_base_of(fs, ctx, program_of(fs, ctx), p, false, true, &base, e);

        if (r == 0 && base.kind == BASE_SNAPSHOT && now && attr_text(fs, now, &room, &text) == 0 &&
            !str_eq(text, str_make(base.snapshot->text, base.snapshot->n)))
                r = error_set(e, ERR_CONDITION, "the attribute to be replaced was changed by somebody else since it was read");
        if (r == 0 && base.kind == BASE_ABSENT && now)
                r = error_set(e, ERR_CONDITION, "the attribute to be replaced was made by somebody else since the item was read");
        snapshot_unref(base.snapshot);
        return r;
}

static void arrived(struct fs *fs, struct op_ctx *ctx, const struct place *p, const struct value *v) {
        _cleanup_(buf_deinit) struct buf room = BUF_INIT(ITEM_TEXT_MAX);
        _cleanup_(snapshot_unrefp) struct snapshot *s = NULL;
        struct str text;

        if (attr_text(fs, v, &room, &text) || snapshot_new(text, &s))
                return;
        cache_put_own(fs->cache, buf_view(&p->attr_id), s);
        serve(fs, program_of(fs, ctx), buf_view(&p->attr_id), s);
}

/* A move in one UpdateItem. */
struct move {
        struct attribute set[2];
        struct str remove;
        struct condition conditions[3];
        struct write w;
};

static void must_be(struct move *m, struct str attr, const struct value *v) {
        m->conditions[m->w.n_conditions++] = (struct condition){ .op = v ? COND_EQ : COND_NOT_EXISTS, .attr = attr, .value = v };
}

static int plan_move(struct fs *fs, struct op_ctx *ctx, const struct place *a, const struct place *b, const struct value *from,
                     const struct value *to, struct snapshot *away, unsigned flags, struct arena *arena, struct move *m,
                     struct error *e) {
        struct str a_name = buf_view(&a->attr), b_name = buf_view(&b->attr);
        int r;

        if (!from || ((flags & RENAME_EXCHANGE) && (!to || away)))
                return fs_no_item(e);
        if ((flags & RENAME_NOREPLACE) && to && !away)
                return error_set(e, ERR_EXISTS, "there is an attribute of that name");
        m->set[0] = (struct attribute){ .name = b_name };
        if (flags & RENAME_EXCHANGE) {
                m->set[0].value = *from;
                m->set[1] = (struct attribute){ .name = a_name, .value = *to };
                r = 0;
        } else {
                r = fs->o.write_mode == FS_WRITE_OPTIMISTIC && to ? as_served(fs, ctx, b, away, to, e) : 0;
                if (r == 0)
                        r = value_for(b, from, to, arena, &m->set[0].value, e);
                m->remove = a_name;
                m->w.remove = &m->remove;
                m->w.n_remove = 1;
        }
        m->w.set = m->set;
        m->w.n_set = flags & RENAME_EXCHANGE ? 2 : 1;
        m->w.conditions = m->conditions;
        must_be(m, a_name, from);
        must_be(m, b_name, to);
        return r;
}

static int move(struct fs *fs, struct op_ctx *ctx, const struct place *a, const struct place *b, struct snapshot *away,
                unsigned flags, struct error *e) {
        struct move m = { .w = { .op = WRITE_UPDATE, .table = a->table, .key = a->key } };
        _cleanup_(arena_deinit) struct arena arena = ARENA_INIT(64 * MIB);
        _cleanup_(snapshot_unrefp) struct snapshot *now = NULL;
        _cleanup_(parsed_unrefp) struct parsed *parsed = NULL;
        struct error local = { 0 };
        int r = read_strong(fs, ctx, a, &parsed, e);

        if (r == 0)
                r = plan_move(fs, ctx, a, b, item_get(&parsed->item, buf_view(&a->attr)), item_get(&parsed->item, buf_view(&b->attr)),
                              away, flags, &arena, &m, e);
        if (r)
                return r;
        r = attr_update(fs, ctx, a, &m.w, &now, &local);
        if (r && local.kind == ERR_CONDITION)
                return error_set(e, ERR_CONDITION, "an attribute was changed by somebody else during the rename");
        if (r) {
                *e = local;
                return r;
        }
        away_returned(fs, buf_view(&b->attr_id));
        arrived(fs, ctx, b, &m.set[0].value);
        if (flags & RENAME_EXCHANGE)
                arrived(fs, ctx, a, &m.set[1].value);
        else
                gone(fs, ctx, a);
        return 0;
}

int attr_rename(struct fs *fs, struct op_ctx *ctx, struct end *from, struct end *to, unsigned flags, struct error *e) {
        const struct place *a = &from->child.place, *b = &to->child.place;
        _cleanup_(snapshot_unrefp) struct snapshot *away = NULL;
        int r = not_the_key(a, e);

        if (r == 0)
                r = not_the_key(b, e);
        if (r == 0 && !str_eq(buf_view(&a->id), buf_view(&b->id)))
                r = error_set_errno(e, -EXDEV, "to another item an attribute is moved by copying");
        if (r == 0 && away_find(fs, buf_view(&a->attr_id)))
                r = fs_no_item(e);
        if (r == 0)
                r = away_text(fs, ctx, buf_view(&b->attr_id), &away, e);
        if (r == 0)
                r = move(fs, ctx, a, b, away, flags, e);
        if (r && away)
                away_unchanged(fs, buf_view(&b->attr_id));
        return r;
}

/* Renamed to a scratch name, and the grace time is over: it was moved for good. */
int attr_delete_away(struct fs *fs, struct op_ctx *ctx, const struct place *p, const struct snapshot *text, struct error *e) {
        _cleanup_(arena_deinit) struct arena arena = ARENA_INIT(64 * MIB);
        _cleanup_(snapshot_unrefp) struct snapshot *now = NULL;
        _cleanup_(parsed_unrefp) struct parsed *parsed = NULL;
        struct str attr = buf_view(&p->attr);
        struct condition same = { .op = COND_EQ, .attr = attr };
        struct write w = { .op = WRITE_UPDATE, .table = p->table, .key = p->key, .remove = &attr, .n_remove = 1,
                           .conditions = &same, .n_conditions = 1 };
        struct value was;
        int r = read_strong(fs, ctx, p, &parsed, e);

        if (r)
                return e->kind == ERR_NO_ITEM ? 0 : r;
        same.value = item_get(&parsed->item, attr);
        if (!same.value)
                return 0;
        if (same.value->type == VALUE_LARGE) /* it was none */
                return error_set(e, ERR_CONDITION, "it is in S3 by now");
        r = attr_text_parse(str_make(text->text, text->n), same.value->type, &arena, &was, e);
        if (r)
                return error_set(e, ERR_CONDITION, "it has another type by now");
        same.value = &was;
        r = attr_update(fs, ctx, p, &w, &now, e);
        if (r == 0)
                cache_put_own(fs->cache, buf_view(&p->attr_id), NULL);
        return r;
}

/* ---- items as directories ---- */

/* The kernel may know the item's own file, or that there is none. */
static void file_changed(struct fs *fs, struct node *dir, struct str name) {
        _cleanup_(buf_deinit) struct buf file = BUF_INIT(512);

        if (item_dir_file(name, node_is_piece(fs, dir), &file) && fs->notify.entry)
                fs->notify.entry(fs->notify.arg, dir->id, buf_view(&file));
}

static int put_key(struct fs *fs, struct op_ctx *ctx, const struct place *p, struct error *e) {
        struct condition absent = { .op = COND_NOT_EXISTS, .attr = p->table->key.attrs[0].name };
        struct attribute attributes[2];
        struct item item = { .attributes = attributes };
        struct write w = { .op = WRITE_PUT, .table = p->table, .item = &item, .conditions = &absent, .n_conditions = 1 };
        _cleanup_(snapshot_unrefp) struct snapshot *s = NULL;
        struct error local = { 0 };
        struct item_turn turn;
        int r;

        for (; item.n < p->key.n && item.n < ARRAY_LEN(attributes); item.n++)
                attributes[item.n] = (struct attribute){ .name = p->table->key.attrs[item.n].name,
                                                         .value = { .type = p->key.parts[item.n].type, .text = p->key.parts[item.n].text } };
        if (attributes_sort(attributes, item.n, NULL))
                return error_set(e, ERR_INTERNAL, "key schema");
        item_turn_of(p, &turn);
        r = item_turns_begin(fs, ctx, &turn, 1, e);
        if (r)
                return r;
        r = fs->store->ops->write(fs->store, ctx, &w, NULL, &local);
        fs_wrote(fs, p);
        partition_wrote(fs, p, r == 0);
        if (r == 0 && item_snapshot(fs, p, &item, &s) == 0)
                cache_put_own(fs->cache, buf_view(&p->id), s);
        else
                cache_invalidate(fs->cache, buf_view(&p->id));
        item_turns_end(fs, &turn, 1);
        if (r && local.kind == ERR_CONDITION)
                return error_set(e, ERR_EXISTS, "there is an item of that key");
        if (r)
                *e = local;
        return r;
}

int item_dir_make(struct fs *fs, struct op_ctx *ctx, struct node *dir, struct str name, struct fs_entry *ret, struct error *e) {
        _cleanup_(place_deinit) struct place p = { 0 };
        int r = item_dir_item(fs, ctx, dir, name, &p, e);

        if (r == -ENOENT && e->kind == ERR_NO_ITEM)
                return error_set(e, ERR_INPUT, "not the name of an item: its key, encoded");
        if (r == 0 && removals_pending(fs, buf_view(&p.id)))
                r = removals_wait(fs, ctx, e);
        if (r == 0 && away_find(fs, buf_view(&p.id))) /* who makes the item anew has not renamed the old one to save it */
                (void)away_expire(fs, ctx, &p, false);
        if (r == 0)
                r = put_key(fs, ctx, &p, e);
        if (r)
                return r;
        local_dir_settled(fs, dir);
        file_changed(fs, dir, name);
        return item_dir_lookup(fs, ctx, dir, dir, name, ret, e);
}

/* Nothing but the key, no scratch file, nothing just being written. */
static int is_bare(struct fs *fs, struct op_ctx *ctx, struct node *n, const struct place *p, struct error *e) {
        _cleanup_(parsed_unrefp) struct parsed *parsed = NULL;
        _cleanup_(names_deinit) struct names unsaved;
        int r;

        names_init(&unsaved);
        r = draft_new_names(fs, n, &unsaved);
        if (r == 0)
                r = local_names(fs, n, &unsaved);
        if (r)
                return error_set_errno(e, r, "removing the directory");
        r = unsaved.n > 0 ? error_set_errno(e, -ENOTEMPTY, "the directory is not empty") : read_strong(fs, ctx, p, &parsed, e);
        if (r == 0 && parsed->item.n > p->key.n)
                r = error_set_errno(e, -ENOTEMPTY, "the item has attributes besides its key");
        return r;
}

static int delete_bare(struct fs *fs, struct op_ctx *ctx, struct node *n, const struct place *p, struct error *e) {
        struct item_turn turn;
        int r;

        item_turn_of(p, &turn);
        r = item_turns_begin(fs, ctx, &turn, 1, e);
        if (r)
                return r;
        r = is_bare(fs, ctx, n, p, e);
        if (r == 0)
                r = item_delete(fs, ctx, p, e);
        item_turns_end(fs, &turn, 1);
        return r;
}

int item_dir_remove(struct fs *fs, struct op_ctx *ctx, struct node *dir, struct str name, struct error *e) {
        _cleanup_(held_put) struct held h = { .fs = fs };
        _cleanup_(place_deinit) struct place p = { 0 };
        int r = item_dir_item(fs, ctx, dir, name, &p, e);

        if (r)
                return r;
        r = node_child(fs, dir, name, NODE_ITEM_DIR, LEVEL_ATTR, &h.n);
        if (r)
                return error_set_errno(e, r, "removing the directory");
        r = removals_wait(fs, ctx, e);
        if (r == 0)
                r = delete_bare(fs, ctx, h.n, &p, e);
        if (r == 0 || r == -ENOENT) {
                node_detach(fs, h.n);
                dir_linger(fs, dir);
                file_changed(fs, dir, name);
        }
        return r;
}
