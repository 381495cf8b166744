/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Saving: a draft's text becomes the item (PRODUCT section 4).
 *
 *      version it replaces    request
 *      its text is known      UpdateItem of the changed attributes, if they still have their old values; none
 *                             when nothing changed
 *      only its hash known    GetItem (strong); the same hash: as above, else ESTALE
 *      none, O_EXCL           PutItem if there is no such item
 *      none                   PutItem
 *      -o write=overwrite     PutItem
 *
 * A text that cannot be saved goes to .ddbfs/rejected (rejected.c); the item stays as it was.
 */
#include "save_internal.h"
#include "saves_internal.h"
#include "stream_internal.h"
#include "ddbfs/base/metrics.h"

#define SAVE_ARENA_MAX (128 * MIB)
#define JOURNALED_MAX (16 * KIB) /* of an item, where larger ones may go to S3 */

static void save_deinit(struct save *s) {
        place_deinit(&s->place);
        arena_deinit(&s->arena);
        items_deinit(&s->now);
        buf_deinit(&s->text);
        bases_deinit(&s->bases);
        snapshot_unref(s->recovered);
        buf_deinit(&s->path);
        snapshot_unref(s->result);
}

int item_parse(struct fs *fs, const struct place *p, struct str text, struct arena *a, struct item *ret,
               struct error *e) {
        return item_text_parse(text, &p->table->key, &p->key, &fs->o.text, a, ret, e);
}

/* The first attribute whose condition does not hold, for the message. */
struct str item_contradicts(const struct write *w, const struct item *now) {
        for (uint32_t i = 0; i < w->n_conditions; i++) {
                const struct condition *c = &w->conditions[i];
                const struct value *v = item_get(now, c->attr);

                if (c->op == COND_EQ ? !v || !value_equal(v, c->value) : (c->op == COND_NOT_EXISTS) == (v != NULL))
                        return c->attr;
        }
        return STR_NULL;
}

/* A condition did not hold: look what is there now, to say which attribute.  That it may have got the very value
 * we wanted is no success: two programs that count up from the same number have both lost one then.  (An own
 * earlier attempt whose answer was lost is the store's to recognise.) */
static int explain_conflict(struct save *s, const struct write *w, struct error *e) {
        struct get_request get = { .table = s->place.table, .key = s->place.key, .consistent = true };
        _cleanup_(items_deinit) struct items now;
        struct str attr;
        int r;

        cache_invalidate(s->fs->cache, buf_view(&s->place.id));
        items_init(&now);
        r = s->fs->store->ops->get(s->fs->store, s->ctx, &get, &now, e);
        if (r)
                return r;
        metric_add(METRIC_CONFLICTS, 1);
        if (now.n == 0)
                return error_set(e, ERR_CONDITION, "the item was deleted by somebody else since it was read");
        attr = item_contradicts(w, &now.v[0]);
        return error_set(e, ERR_CONDITION, "attribute \"%.*s\" was changed by somebody else since the item was read",
                         (int)MIN(attr.n, (size_t)100), attr.p);
}

/* What is written into while a diff is made; room for every attribute of both items. */
struct update {
        struct attribute *set;
        struct str *remove;
        struct condition *conditions;
};

static void add_condition(struct write *w, struct update *u, enum condition_op op, struct str attr,
                          const struct value *v) {
        u->conditions[w->n_conditions++] = (struct condition){ .op = op, .attr = attr, .value = v };
}

int item_diff(const struct place *p, const struct item *base, const struct item *item, struct arena *arena,
              struct write *w) {
        const struct key_schema *key = &p->table->key;
        size_t n = (size_t)item->n + base->n + 1;
        struct update room = { arena_array(arena, n, sizeof(*room.set)), arena_array(arena, n, sizeof(*room.remove)),
                               arena_array(arena, n, sizeof(*room.conditions)) };
        bool known_to_exist = false;

        if (!room.set || !room.remove || !room.conditions)
                return -ENOMEM;
        for (uint32_t i = 0; i < item->n; i++) {
                const struct attribute *a = &item->attributes[i];
                const struct value *old = item_get(base, a->name);

                if (key_schema_has(key, a->name) || (old && value_equal(old, &a->value)))
                        continue;
                room.set[w->n_set++] = *a;
                add_condition(w, &room, old ? COND_EQ : COND_NOT_EXISTS, a->name, old);
                known_to_exist = known_to_exist || old;
        }
        for (uint32_t i = 0; i < base->n; i++) {
                const struct attribute *a = &base->attributes[i];

                if (key_schema_has(key, a->name) || item_get(item, a->name))
                        continue;
                room.remove[w->n_remove++] = a->name;
                add_condition(w, &room, COND_EQ, a->name, &a->value);
                known_to_exist = true;
        }
        if (!known_to_exist) /* or UpdateItem would make the item anew */
                add_condition(w, &room, COND_EXISTS, key->attrs[0].name, NULL);
        w->set = room.set;
        w->remove = room.remove;
        w->conditions = room.conditions;
        return 0;
}

/* What is in S3, or may go there, is not for the journal.  (A reference may be in an item without s3_bucket too.) */
static bool for_s3(const struct save *s) {
        bool large = s->fs->o.text.any_size && item_size(&s->item) > JOURNALED_MAX;

        for (uint32_t i = 0; i < s->item.n; i++)
                large = large || s->item.attributes[i].value.type == VALUE_LARGE;
        for (uint32_t i = 0; i < s->base_item.n; i++)
                large = large || s->base_item.attributes[i].value.type == VALUE_LARGE;
        return large;
}

/* -o commit=batch: into the journal.  1: it must be sent now. */
static int save_later(struct save *s, const struct write *w, struct error *e) {
        return s->later && !for_s3(s) ? saves_write(s->fs, s->ctx, &s->place, buf_view(&s->path), s->ino, w, &s->base_item, &s->result,
                                      &s->seq, e)
                        : 1;
}

/* That there is no such item is everyday for a look-up; who saves is told, as of any other refusal. */
static void told_to_writers(struct error *e) {
        if (e->kind == ERR_NO_ITEM)
                e->kind = ERR_GONE;
}

/* It is saved.  now: the item as it is, if the store has said that; then what went to S3 is known by its reference. */
static int saved(struct save *s, struct items *now, struct error *e) {
        struct error ignored;
        int r;

        if (now->n > 0) {
                s->unfilled = item_unfilled(s->fs, &now->v[0]) && items_fill(s->fs, s->ctx, now, &ignored);
                item_take_references(&s->item, &now->v[0]);
        }
        s->as_sent = now->n == 0;
        r = item_snapshot(s->fs, &s->place, now->n > 0 ? &now->v[0] : &s->item, &s->result);
        return r ? error_set_errno(e, r, "saving") : 0;
}

static int save_update(struct save *s, struct items *now, struct error *e) {
        struct write w = { .op = WRITE_UPDATE, .table = s->place.table, .key = s->place.key,
                           .item = s->fs->o.text.any_size ? &s->item : NULL };
        struct error local = { 0 };
        int r;

        r = base_parse(s->fs, &s->place, &s->base, &s->arena, &s->base_item, e);
        if (r)
                return r;
        r = item_diff(&s->place, &s->base_item, &s->item, &s->arena, &w);
        if (r)
                return error_set_errno(e, r, "saving");
        if (w.n_set + w.n_remove == 0) {
                metric_add(METRIC_COMMITS_UNCHANGED, 1);
                return 0;
        }
        if (!write_fits(&w))
                return error_set(e, ERR_INPUT,
                                 "%u attributes changed at once are more than one conditional update can carry; "
                                 "save in steps, or mount with write=overwrite", w.n_set + w.n_remove);
        r = save_later(s, &w, e);
        if (r <= 0)
                return r;
        r = s->fs->store->ops->write(s->fs->store, s->ctx, &w, now, &local);
        if (r && local.kind == ERR_CONDITION)
                return explain_conflict(s, &w, e);
        if (r && e)
                *e = local;
        return r ? r : saved(s, now, e);
}

static int save_put(struct save *s, struct items *now, struct error *e) {
        struct condition absent = { .op = COND_NOT_EXISTS, .attr = s->place.table->key.attrs[0].name };
        struct write w = { .op = WRITE_PUT, .table = s->place.table, .item = &s->item, .conditions = &absent,
                           .n_conditions = s->exclusive ? 1 : 0 };
        struct error local = { 0 };
        int r = save_later(s, &w, e);

        if (r <= 0)
                return r;
        r = s->fs->store->ops->write(s->fs->store, s->ctx, &w, now, &local);
        if (r && local.kind == ERR_CONDITION)
                return s->exclusive ? error_set(e, ERR_EXISTS, "somebody else has made this item meanwhile")
                                    : error_set(e, ERR_CONDITION, "an attribute in S3 was replaced by somebody else meanwhile");
        if (r) {
                if (e)
                        *e = local;
                return r;
        }
        return saved(s, now, e);
}

/* Only the hash of the version that was read is left: the table's item must still be that one. */
static int recover_base(struct save *s, struct error *e) {
        struct error local = { 0 };
        int r = item_load(s->fs, s->ctx, &s->place, 0, true, &s->recovered, &local);

        if (r == 0 && s->recovered->hash == s->base.hash) {
                s->base.snapshot = s->recovered;
                return 0;
        }
        if (r && local.kind != ERR_NO_ITEM) {
                if (e)
                        *e = local;
                return r;
        }
        metric_add(METRIC_CONFLICTS, 1);
        return error_set(e, ERR_CONDITION, r ? "the item was deleted by somebody else since it was read"
                                             : "the item was changed by somebody else since it was read");
}

static int save_item(struct save *s, struct error *e) {
        int r = removals_pending(s->fs, buf_view(&s->place.id)) ? removals_wait(s->fs, s->ctx, e) : 0;

        if (r)
                return r;
        if (s->fs->o.write_mode == FS_WRITE_OVERWRITE || s->base.kind == BASE_NONE)
                return save_put(s, &s->now, e);
        if (s->base.kind == BASE_HASH)
                r = recover_base(s, e);
        return r ? r : save_update(s, &s->now, e);
}

static int touched_item(struct save *s, struct error *e) {
        const struct key_schema *key = &s->place.table->key;

        s->item.attributes = arena_array(&s->arena, s->place.key.n, sizeof(*s->item.attributes));
        if (!s->item.attributes)
                return error_set(e, ERR_MEMORY, "out of memory");
        for (uint32_t i = 0; i < s->place.key.n; i++)
                s->item.attributes[s->item.n++] = (struct attribute){
                        .name = key->attrs[i].name,
                        .value = { .type = s->place.key.parts[i].type, .text = s->place.key.parts[i].text },
                };
        return attributes_sort(s->item.attributes, s->item.n, NULL) ? error_set(e, ERR_INTERNAL, "key schema") : 0;
}

/* The caches learn what is in the table now, and what the writers know of it (*ret_own, may be NULL). */
static void publish(struct save *s, struct snapshot **ret_own) {
        struct str id = buf_view(&s->place.id);

        *ret_own = NULL;
        if (s->as_sent && s->result)
                *ret_own = snapshot_ref(s->result);
        else if (item_snapshot(s->fs, &s->place, &s->item, ret_own))
                *ret_own = NULL;
        if (s->result) {
                metric_add(METRIC_COMMITS, 1);
                fs_wrote(s->fs, &s->place);
                partition_wrote(s->fs, &s->place, true);
                if (s->unfilled)
                        cache_invalidate(s->fs->cache, id);
                else if (!s->seq) /* or long since */
                        cache_put_own(s->fs->cache, id, s->result);
        }
        if (*ret_own)
                cache_serve(s->fs->cache, id, *ret_own);
        readers_saved(s->fs, s->bases.program, id, &s->base, *ret_own);
        away_returned(s->fs, id);
}

/* Everything of s but the item is set: parse, send, publish. */
static int save_whole(struct save *s, struct snapshot **ret_own, struct error *e) {
        int r = buf_status(&s->text);

        *ret_own = NULL;
        if (r)
                return error_set_errno(e, r, "saving");
        r = s->touch ? touched_item(s, e) : item_parse(s->fs, &s->place, buf_view(&s->text), &s->arena, &s->item, e);
        if (r)
                return r;
        /* of a new file: somebody else made it too, and it was read here since */
        if (s->bases.n == 0 && !(s->created && s->exclusive))
                bases_find(s->fs, s->bases.program, buf_view(&s->place.id), s->created, &s->bases);
        if (s->fs->o.write_mode != FS_WRITE_OVERWRITE)
                r = bases_choose(s->fs, &s->place, &s->bases, &s->item, &s->arena, &s->base, e);
        if (r == 0)
                r = save_item(s, e);
        if (r == 0) {
                publish(s, ret_own);
        } else { /* it may or may not have been applied */
                fs_wrote(s->fs, &s->place);
                partition_wrote(s->fs, &s->place, false);
                cache_invalidate(s->fs->cache, buf_view(&s->place.id));
                if (r == -ESTALE)
                        readers_refused(s->fs, s->bases.program, buf_view(&s->place.id));
        }
        return r;
}

static int save_run(struct save *s, struct snapshot **ret_own, struct error *e) {
        struct item_turn turns[ITEM_TURNS];
        uint32_t n = item_turns_of(&s->place, turns);
        int r = item_turns_begin(s->fs, s->ctx, turns, n, e);

        if (r)
                return r;
        r = s->place.kind == NODE_ATTR ? attr_save(s, ret_own, e) : save_whole(s, ret_own, e);
        item_turns_end(s->fs, turns, n);
        return r;
}

/* Take what is to be saved out of the draft.  false: nothing is. */
static bool save_begin(struct save *s, struct draft *d) {
        bool wanted;

        mutex_lock(&d->lock);
        s->claim = !s->touch && d->created && d->exclusive && !d->dirty && d->text.n + d->streamed == 0 && !d->lost;
        s->touch = s->touch || s->claim;
        wanted = s->touch ? d->created || (s->place.kind == NODE_ATTR && d->truncated && !d->dirty) : d->dirty && d->text.n + d->streamed > 0;
        wanted = wanted && !d->lost;
        if (wanted) {
                s->stream = d->streamed > 0 ? d->stream : NULL;
                buf_str(&s->text, buf_view(&d->text));
                s->edits = d->edits;
                s->created = d->created;
                s->exclusive = d->exclusive || (s->touch && d->created);
                bases_copy(&s->bases, &d->bases);
        }
        mutex_unlock(&d->lock);
        return wanted;
}

/* The draft's text is in the table: it is the version its writers know.  Takes own over. */
static void draft_saved(struct draft *d, const struct save *s, struct snapshot *own) {
        mutex_lock(&d->lock);
        d->created = d->exclusive = d->truncated = false;
        if (d->edits == s->edits)
                d->dirty = false;
        bases_set(&d->bases, own);
        d->saved_seq = s->seq;
        mutex_unlock(&d->lock);
}

static void tell_kernel(const struct save *s, struct draft *d) {
        if (!s->fs->notify.attr)
                return;
        mutex_lock(&d->lock);
        d->told = s->place.kind == NODE_ITEM;
        d->told_edits = s->edits;
        mutex_unlock(&d->lock);
        s->fs->notify.attr(s->fs->notify.arg, d->node->id);
}

/* A text refused for a reason that will not go away is not tried again (close after a failed fsync). */
static bool refused_for_good(struct draft *d, const struct save *s, struct error *e) {
        bool same, cut_off;

        mutex_lock(&d->lock);
        same = d->refused && d->refused_edits == s->edits && !s->touch;
        cut_off = d->cut_off;
        if (same)
                *e = d->refused_error;
        mutex_unlock(&d->lock);
        e->told = same;
        if (same && cut_off) { /* not EINTR, after which programs try again for ever */
                e->kind = ERR_INTERNAL;
                return true;
        }
        return same && (e->kind == ERR_INPUT || e->kind == ERR_TOO_LARGE || e->kind == ERR_CONDITION || e->kind == ERR_EXISTS);
}

/* A lock file (made with O_EXCL, closed empty) and `touch` are sent at once: who makes one wants to know. */
static void may_wait(struct save *s, struct node *n, struct str child) {
        uint64_t ino;

        if (!s->fs->o.commit_batch || s->touch)
                return;
        s->path = BUF_INIT(PATH_TEXT_MAX);
        node_path(s->fs, n, child, &s->path);
        ino = node_ino_now(s->fs, n);
        s->ino = child.n ? node_ino(ino, child) : ino;
        s->later = buf_status(&s->path) == 0;
}

/* It is kept, and the object goes unless it is what is kept, or the item may refer to it after all. */
static void give_up_stream(struct save *s, struct draft *d, int r, struct error *e) {
        const struct error ended = *e;

        reject_stream(s->fs, s->ctx, d->node, s->stream, e);
        stream_written(s->stream, s->ctx, r, &ended);
        draft_give_up(d, s->ctx, e);
}

static int commit(struct save *s, struct draft *d, struct error *e) {
        struct snapshot *own = NULL;
        bool again;
        int r;

        if (refused_for_good(d, s, e))
                return -error_errno(e->kind);
        *e = (struct error){ .kind = ERR_NONE };
        r = place_of(s->fs, s->ctx, d->node, &s->place, e);
        if (r == 0 && s->place.kind != NODE_ITEM && s->place.kind != NODE_ATTR) /* renamed this very moment */
                r = error_set(e, ERR_BUSY, "it is just being renamed");
        may_wait(s, d->node, STR_NULL);
        if (r == 0)
                r = save_run(s, &own, e);
        if (s->touch && !s->claim && r == -EEXIST) { /* it is there: touch asked for no more */
                draft_saved(d, s, NULL);
                return 0;
        }
        if (r == 0) {
                local_dir_settled(s->fs, d->node);
                draft_saved(d, s, own);
                tell_kernel(s, d);
                if (s->place.kind == NODE_ATTR)
                        item_dir_changed(s->fs, d->node);
                return 0;
        }
        mutex_lock(&d->lock);
        again = d->refused && d->refused_edits == s->edits;
        d->refused = true;
        d->cut_off = false;
        d->refused_edits = s->edits;
        mutex_unlock(&d->lock);
        away_refused(s->fs, place_file_id(&s->place));
        told_to_writers(e);
        if (s->stream)
                give_up_stream(s, d, r, e);
        else if (!s->touch && !again)
                reject_text(s->fs, d->node, STR_NULL, buf_view(&s->text), e);
        mutex_lock(&d->lock);
        d->refused_error = *e;
        mutex_unlock(&d->lock);
        return r;
}

/* The item was renamed to a scratch name while it was open: as on any file system, the text goes there. */
static int commit_to_scratch(struct save *s, struct draft *d, struct error *e) {
        _cleanup_(held_put) struct held parent = { .fs = s->fs };
        _cleanup_(mem_freep) char *name = NULL;
        uint32_t name_n;
        int r;

        mutex_lock(&s->fs->nodes.lock);
        name_n = d->node->name_n;
        name = mem_dup(d->node->name, name_n);
        parent.n = d->node->parent;
        parent.n->refs++;
        mutex_unlock(&s->fs->nodes.lock);
        if (!name)
                return error_set(e, ERR_MEMORY, "out of memory");
        r = local_write_all(s->fs, parent.n, str_make(name, name_n), buf_view(&s->text), e);
        if (r == 0)
                draft_saved(d, s, NULL);
        return r;
}

/* Somebody renamed another file to its name: his text is the item's now, this one has no place. */
static int refuse_replaced(struct save *s, struct draft *d, struct error *e) {
        int r;

        if (refused_for_good(d, s, e))
                return -error_errno(e->kind);
        r = error_set(e, ERR_CONDITION, "another file was renamed to its name while it was being written");
        reject_text(s->fs, d->node, STR_NULL, buf_view(&s->text), e);
        mutex_lock(&d->lock);
        d->refused = true;
        d->refused_edits = s->edits;
        d->refused_error = *e;
        mutex_unlock(&d->lock);
        return r;
}

/* Its name is another's by now. */
static int refuse_stream(struct save *s, struct draft *d, struct error *e) {
        int r = error_set(e, ERR_CONDITION, "it was renamed or replaced while it was being written");

        give_up_stream(s, d, r, e);
        return r;
}

/* Its stream has failed: whoever asks again is told again.  Not EINTR, after which programs try again for ever. */
static int refuse_lost(struct draft *d, struct error *e) {
        bool lost;

        mutex_lock(&d->lock);
        lost = d->lost;
        if (lost)
                *e = d->refused_error;
        mutex_unlock(&d->lock);
        if (!lost)
                return 0;
        e->told = true;
        if (e->kind == ERR_INTERRUPTED)
                e->kind = ERR_INTERNAL;
        return -error_errno(e->kind);
}

int draft_commit(struct fs *fs, struct op_ctx *ctx, struct draft *d, bool touch, struct error *e) {
        _cleanup_(save_deinit) struct save s = { .fs = fs, .ctx = ctx, .touch = touch, .arena = ARENA_INIT(SAVE_ARENA_MAX),
                                                 .now = { .arena = ARENA_INIT(ITEMS_ARENA_MAX) },
                                                 .text = BUF_INIT(ITEM_TEXT_MAX) };
        bool detached, replaced, scratch;
        int r = fs_busy_begin(fs, ctx, &d->busy, e);

        if (r)
                return r;
        mutex_lock(&fs->nodes.lock);
        detached = d->node->detached;
        replaced = d->node->replaced && !touch;
        scratch = d->node->kind == NODE_LOCAL;
        s.place.kind = d->node->kind;
        mutex_unlock(&fs->nodes.lock);
        r = refuse_lost(d, e);
        if (r == 0 && (!detached || replaced) && save_begin(&s, d))
                r = s.stream && (detached || scratch) ? refuse_stream(&s, d, e)
                    : detached ? refuse_replaced(&s, d, e) : scratch ? commit_to_scratch(&s, d, e) : commit(&s, d, e);
        fs_busy_end(fs, &d->busy);
        return r;
}

int save_text(struct fs *fs, struct op_ctx *ctx, struct program program, struct node *dir, struct str name,
              struct str text, bool exclusive, struct error *e) {
        _cleanup_(save_deinit) struct save s = { .fs = fs, .ctx = ctx, .arena = ARENA_INIT(SAVE_ARENA_MAX),
                                                 .now = { .arena = ARENA_INIT(ITEMS_ARENA_MAX) },
                                                 .text = BUF_INIT(ITEM_TEXT_MAX), .exclusive = exclusive };
        _cleanup_(child_deinit) struct child c = { 0 };
        struct snapshot *own = NULL, *away = NULL;
        int r = place_child(fs, ctx, dir, name, &c, e);

        if (r)
                return r;
        s.place = c.place; /* taken over */
        c.place = (struct place){ .table = NULL };
        buf_str(&s.text, text);
        s.bases.program = program;
        r = away_text(fs, ctx, place_file_id(&s.place), &away, e);
        if (away)
                bases_set(&s.bases, away);
        else if (exclusive)
                s.created = true; /* on condition that there is none, whatever was read once */
        if (!exclusive) /* NOREPLACE is answered by the table */
                may_wait(&s, dir, name);
        if (r == 0)
                r = save_run(&s, &own, e);
        snapshot_unref(own);
        if (r == 0) {
                local_dir_settled(fs, dir);
                if (s.place.kind == NODE_ATTR)
                        item_dir_changed(fs, dir);
        } else {
                away_refused(fs, place_file_id(&s.place));
                told_to_writers(e);
                reject_text(fs, dir, name, text, e);
        }
        return r;
}
