/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Renaming a partition: every item gets the new partition key, all in one TransactWriteItems, so that nobody
 * ever sees half of it.  100 actions and 4 MB are the service's limits; beyond them it is EXDEV and `mv` copies.
 */
#include <linux/fs.h>
#include "rename_internal.h"

#define PARTITION_MOVE_MAX (TRANSACT_MAX / 2)
#define TRANSACT_BYTES_MAX (3 * MIB) /* of 4, leaving room for names and conditions */

struct partition_move {
        struct items items;
        struct arena arena;
        struct write *writes; /* 2 for each item: put the new, delete the old */
        struct place *old_places, *new_places;
        struct item *moved;
        struct item_turn *turns;   /* 2 for each item: its new self's, its own */
        uint32_t n;           /* items prepared */
};

static void partition_move_deinit(struct partition_move *m) {
        for (uint32_t i = 0; i < m->n; i++) {
                place_deinit(&m->old_places[i]);
                place_deinit(&m->new_places[i]);
        }
        items_deinit(&m->items);
        arena_deinit(&m->arena);
}

static int too_many(struct error *e) {
        return error_set_errno(e, -EXDEV, "more than one transaction can carry: it is moved by copying");
}

static int read_items(struct fs *fs, struct op_ctx *ctx, const struct place *p, struct partition_move *m,
                      struct error *e) {
        struct query_request q = { .table = p->table, .hash = p->key, .consistent = true,
                                   .limit = PARTITION_MOVE_MAX + 1 };
        int r = fs->store->ops->query(fs->store, ctx, &q, &m->items, e);

        if (r)
                return r;
        return m->items.n > PARTITION_MOVE_MAX || m->items.next ? too_many(e) : items_fill(fs, ctx, &m->items, e);
}

static int alloc(struct partition_move *m, struct error *e) {
        size_t n = (size_t)m->items.n + 1;

        m->writes = arena_array(&m->arena, 2 * n, sizeof(*m->writes));
        m->old_places = arena_array(&m->arena, n, sizeof(*m->old_places));
        m->new_places = arena_array(&m->arena, n, sizeof(*m->new_places));
        m->moved = arena_array(&m->arena, n, sizeof(*m->moved));
        m->turns = arena_array(&m->arena, 2 * n, sizeof(*m->turns));
        return m->writes && m->turns && m->old_places && m->new_places && m->moved ? 0 : error_set(e, ERR_MEMORY, "out of memory");
}

/* Item i: its new self, and the two writes. */
static int prepare_item(struct fs *fs, const struct place *from, const struct place *to, struct partition_move *m,
                        size_t *bytes, struct error *e) {
        struct condition *absent = arena_alloc(&m->arena, sizeof(*absent));
        struct place *was = &m->old_places[m->n], *is = &m->new_places[m->n];
        struct item *item = &m->items.v[m->n];
        _cleanup_(snapshot_unrefp) struct snapshot *text = NULL;
        struct write *put = &m->writes[2 * m->n], *del = put + 1;
        struct item_text_options options = fs->o.text;
        struct str stored;
        struct key key;
        int r;

        *was = (struct place){ .kind = NODE_ITEM, .table = table_schema_ref(from->table) };
        *is = (struct place){ .kind = NODE_ITEM, .table = table_schema_ref(to->table) };
        r = absent ? key_of_item(&from->table->key, item, &key) : -ENOMEM;
        if (r == 0)
                r = place_set_key(was, &key);
        if (r == 0) {
                key.parts[0] = to->key.parts[0];
                r = place_set_key(is, &key);
        }
        m->n++;
        if (r == 0)
                r = item_snapshot(fs, was, item, &text);
        if (r == 0)
                r = arena_dup(&m->arena, str_make(text->text, text->n), &stored);
        if (r)
                return error_set_errno(e, r, "renaming");
        options.strict_keys = false; /* the path decides, that is what a rename means */
        r = item_text_parse(stored, &is->table->key, &is->key, &options, &m->arena, &m->moved[m->n - 1], e);
        if (r)
                return r;
        item_take_references(&m->moved[m->n - 1], item);
        *bytes += item_size(item);
        *absent = (struct condition){ .op = COND_NOT_EXISTS, .attr = to->table->key.attrs[0].name };
        *put = (struct write){ .op = WRITE_PUT, .table = to->table, .item = &m->moved[m->n - 1], .conditions = absent,
                               .n_conditions = 1 };
        *del = (struct write){ .op = WRITE_DELETE, .table = from->table, .key = was->key };
        return item_unchanged(was, item, del, &m->arena, e);
}

static void publish(struct fs *fs, const struct partition_move *m, bool done) {
        for (uint32_t i = 0; i < m->n; i++) {
                _cleanup_(snapshot_unrefp) struct snapshot *text = NULL, *was = NULL;

                fs_wrote(fs, &m->old_places[i]);
                fs_wrote(fs, &m->new_places[i]);
                if (done && item_snapshot(fs, &m->new_places[i], &m->moved[i], &text) == 0) {
                        cache_put_own(fs->cache, buf_view(&m->new_places[i].id), text);
                        cache_put_own(fs->cache, buf_view(&m->old_places[i].id), NULL);
                        if (item_snapshot(fs, &m->old_places[i], &m->items.v[i], &was) == 0)
                                readers_moved(fs, (struct program){ .id = 0 }, buf_view(&m->old_places[i].id),
                                              buf_view(&m->new_places[i].id), was, text);
                } else {
                        cache_invalidate(fs->cache, buf_view(&m->new_places[i].id));
                        cache_invalidate(fs->cache, buf_view(&m->old_places[i].id));
                }
        }
}

static int send_move(struct fs *fs, struct op_ctx *ctx, const struct place *from, const struct place *to,
                     struct partition_move *m, struct error *e) {
        struct error local = { 0 };
        size_t bytes = 0;
        int r = alloc(m, e);

        for (uint32_t i = 0; r == 0 && i < m->items.n; i++)
                r = prepare_item(fs, from, to, m, &bytes, e);
        if (r == 0 && bytes > TRANSACT_BYTES_MAX)
                r = too_many(e);
        if (r || m->n == 0)
                return r;
        for (uint32_t i = 0; i < m->n; i++) {
                item_turn_of(&m->new_places[i], &m->turns[2 * i]);
                item_turn_of(&m->old_places[i], &m->turns[2 * i + 1]);
        }
        r = item_turns_begin(fs, ctx, m->turns, 2 * m->n, e);
        if (r)
                return r;
        r = fs->store->ops->transact_write(fs->store, ctx, m->writes, 2 * m->n, &local);
        publish(fs, m, r == 0);
        item_turns_end(fs, m->turns, 2 * m->n);
        if (r && local.kind == ERR_CANCELLED && str_eq(str_of(local.code), STR("ConditionalCheckFailed")))
                return error_set(e, ERR_CONDITION, "an item was changed or made by somebody else during the rename");
        if (r && e)
                *e = local;
        return r;
}

int partition_rename(struct fs *fs, struct op_ctx *ctx, struct end *from, struct end *to, unsigned flags,
                     struct error *e) {
        _cleanup_(partition_move_deinit) struct partition_move m = { .arena = ARENA_INIT(64 * MIB) };
        const struct place *p = &from->child.place, *q = &to->child.place;
        bool empty = false, was_local;
        int r;

        items_init(&m.items);
        if (from->child.kind != to->child.kind || (flags & RENAME_EXCHANGE) ||
            p->table->key.attrs[1].type != q->table->key.attrs[1].type)
                return error_set_errno(e, -EXDEV, "it is moved by copying");
        /* what was renamed away there is no longer of the partition */
        (void)away_expire(fs, ctx, p, false);
        (void)away_expire(fs, ctx, q, false);
        r = partition_empty(fs, ctx, q, &empty, e);
        if (r == 0 && !empty)
                r = error_set_errno(e, flags & RENAME_NOREPLACE ? -EEXIST : -ENOTEMPTY, "there is a partition of that name");
        if (r == 0)
                r = read_items(fs, ctx, p, &m, e);
        if (r == 0 && m.items.n == 0 && !local_dir_has(fs, node_ino_now(fs, from->dir), from->name))
                r = fs_no_item(e);
        if (r == 0)
                r = send_move(fs, ctx, p, q, &m, e);
        if (r)
                return r;
        was_local = local_dir_remove(fs, node_ino_now(fs, from->dir), from->name);
        if (was_local || m.n == 0)
                local_dir_add(fs, node_ino_now(fs, to->dir), to->name, UINT64_MAX);
        cache_put_own(fs->cache, buf_view(&p->id), NULL);
        cache_invalidate(fs->cache, buf_view(&q->id));
        local_move_folder(fs, from->dir, from->name, to->dir, to->name);
        return 0;
}
