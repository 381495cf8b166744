/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Saving an attribute: one UpdateItem, SET, that keeps the attribute's type (PRODUCT section 4).
 *
 *      readers of this mount were shown      condition
 *      its content, alone or in the item     it has that value still
 *      the item, without it                  it is not there
 *      nothing; -o write=overwrite           the item is there
 *      (O_EXCL)                              it is not there
 */
#include "save_internal.h"
#include "stream_internal.h"
#include "ddbfs/base/clock.h"
#include "ddbfs/base/hash.h"
#include "ddbfs/base/metrics.h"
#include "ddbfs/store/large_ref.h"

static int changed(const struct place *p, const char *how, struct error *e) {
        metric_add(METRIC_CONFLICTS, 1);
        return error_set(e, ERR_CONDITION, "attribute \"%.*s\" was %s by somebody else since it was read",
                         (int)MIN(p->attr.n, (size_t)100), p->attr.p, how);
}

static int item_gone(struct error *e) {
        metric_add(METRIC_CONFLICTS, 1);
        return error_set(e, ERR_CONDITION, "the item was deleted by somebody else since it was read");
}

/* ---- what readers of this mount were shown last ---- */

/* Only a hash is left of it (of the item, or of the attribute): the table must still have that. */
static int recover(struct fs *fs, struct op_ctx *ctx, const struct place *p, bool of_item, uint64_t hash, struct base *ret,
                   struct error *e) {
        _cleanup_(snapshot_unrefp) struct snapshot *item = NULL;
        struct error local = { 0 };
        int r = item_load(fs, ctx, p, 0, true, &item, &local);

        if (r == 0)
                r = attr_of_item(fs, p, item, &ret->snapshot, &local);
        if (r && local.kind != ERR_NO_ITEM) {
                *e = local;
                return r;
        }
        if (!item)
                return item_gone(e);
        if (of_item ? item->hash != hash : r || ret->snapshot->hash != hash)
                return changed(p, of_item || r == 0 ? "changed" : "removed", e);
        ret->kind = r ? BASE_ABSENT : BASE_SNAPSHOT;
        return 0;
}

/* A version of the item was shown: what the attribute was in it. */
static int base_in_item(struct fs *fs, const struct place *p, struct snapshot *item, struct base *ret, struct error *e) {
        int r = attr_of_item(fs, p, item, &ret->snapshot, e);

        if (r == -ENOENT && e->kind == ERR_NO_ITEM) {
                *e = (struct error){ .kind = ERR_NONE };
                ret->kind = BASE_ABSENT;
                return 0;
        }
        ret->kind = r ? BASE_NONE : BASE_SNAPSHOT;
        return r;
}

/* The newest of what was found: whoever writes one value does not derive it from an older one. */
static int newest(struct fs *fs, struct op_ctx *ctx, const struct place *p, const struct bases *b, bool of_item, bool ask,
                  struct base *ret, struct error *e) {
        const struct base *last = b->n > 0 ? &b->v[b->n - 1] : NULL;

        if (!last)
                return 0;
        if (last->kind == BASE_HASH)
                return ask ? recover(fs, ctx, p, of_item, last->hash, ret, e) : 0;
        if (of_item)
                return base_in_item(fs, p, last->snapshot, ret, e);
        ret->kind = last->kind;
        ret->snapshot = snapshot_ref(last->snapshot);
        return 0;
}

/* What the program has read itself counts first; of both, or where it has read neither, what was shown last. */
static bool prefers_item(struct fs *fs, struct program program, const struct place *p) {
        struct bases of_item = { .n = 0 }, of_attr = { .n = 0 };
        bool item = readers_knows(fs, program, buf_view(&p->id), &of_item);
        bool attr = readers_knows(fs, program, buf_view(&p->attr_id), &of_attr);

        bases_deinit(&of_item);
        bases_deinit(&of_attr);
        return item != attr ? item
                            : cache_served_at(fs->cache, buf_view(&p->id)) > cache_served_at(fs->cache, buf_view(&p->attr_id));
}

int attr_base_of(struct fs *fs, struct op_ctx *ctx, struct program program, const struct place *p, bool created, bool ask,
                 struct base *ret, struct error *e) {
        _cleanup_(bases_deinit) struct bases b = { .n = 0 };
        bool of_item;

        *ret = (struct base){ .kind = BASE_NONE };
        if (created && cache_served_at(fs->cache, buf_view(&p->attr_id)) == 0) { /* its maker was told that there is none */
                if (cache_served_at(fs->cache, buf_view(&p->id)))
                        ret->kind = BASE_ABSENT;
                return 0;
        }
        of_item = !created && prefers_item(fs, program, p);
        bases_find(fs, program, of_item ? buf_view(&p->id) : buf_view(&p->attr_id), false, &b);
        if (b.n == 0 && !of_item) {
                of_item = true;
                bases_find(fs, program, buf_view(&p->id), false, &b);
        }
        return newest(fs, ctx, p, &b, of_item, ask, ret, e);
}

static int settle_base(struct save *s, struct error *e) {
        int r = 0;

        if (s->bases.n == 0 && !(s->created && s->exclusive)) {
                r = attr_base_of(s->fs, s->ctx, s->bases.program, &s->place, s->created, true, &s->bases.v[0], e);
                s->bases.n = 1; /* of no kind, it may be */
        }
        s->base = s->bases.n > 0 ? s->bases.v[s->bases.n - 1] : (struct base){ .kind = BASE_NONE };
        return r;
}

/* ---- the value ---- */

static enum value_type type_of_new(struct str text) {
        return utf8_valid(text) ? VALUE_S : VALUE_B;
}

void attr_note_removed(struct fs *fs, const struct place *p, enum value_type type) {
        struct removed_attr gone = { .id_hash = hash_seeded(0, buf_view(&p->attr_id)), .until_ns = clock_now_ns() + fs->o.grace_ns,
                                     .type = type };

        mutex_lock(&fs->small_lock);
        fs->removed_attrs[fs->n_removed_attrs++ % REMOVED_ATTRS] = gone;
        mutex_unlock(&fs->small_lock);
}

/* Programs that unlink a file to make it anew (tar x, mv from another file system) do not mean another type. */
static bool type_before(struct fs *fs, const struct place *p, enum value_type *ret) {
        uint64_t id_hash = hash_seeded(0, buf_view(&p->attr_id)), now = clock_now_ns(), newest = 0;

        mutex_lock(&fs->small_lock);
        for (size_t i = 0; i < REMOVED_ATTRS; i++) {
                const struct removed_attr *gone = &fs->removed_attrs[i];

                if (gone->id_hash == id_hash && gone->until_ns > MAX(now, newest)) {
                        newest = gone->until_ns;
                        *ret = gone->type;
                }
        }
        mutex_unlock(&fs->small_lock);
        return newest > 0;
}

/* Of an attribute in S3 the item's text does not say it; VALUE_LARGE: it is not there any more. */
static int type_in_s3(struct save *s, enum value_type *ret, struct error *e) {
        _cleanup_(items_deinit) struct items now;
        const struct value *v = NULL;
        int r;

        items_init(&now);
        r = attr_large_reference(s->fs, s->ctx, &s->place, &now, &v, e);
        *ret = r == 0 && v->type == VALUE_LARGE ? v->large->type : VALUE_LARGE;
        if (r == -ENOENT && e->kind == ERR_NO_ITEM)
                r = 0;
        return r;
}

/* type: what it is to be; VALUE_LARGE: what its content is. */
static int finish_stream(struct save *s, enum value_type type, struct value *ret, struct error *e) {
        bool text = stream_is_text(s->stream);

        if (type == VALUE_LARGE)
                type = text ? VALUE_S : VALUE_B;
        if (type == VALUE_S && !text)
                return error_set_at(e, 1, 1, "the attribute is text (S), and this is not UTF-8");
        if (type != VALUE_S && type != VALUE_B)
                return error_set(e, ERR_INPUT, "the attribute is of type %s, which no file of that size can be",
                                 value_type_name(type));
        return stream_finish(s->stream, s->ctx, type, &s->arena, ret, e);
}

/* The text as what the table declares the attribute to be, or what it is, or was; a new one is text, or bytes. */
static int read_value(struct save *s, const struct value *old, struct value *ret, struct error *e) {
        struct str text = buf_view(&s->text);
        enum value_type type, old_type = old ? old->type : VALUE_LARGE;
        const struct key_attr *declared = table_declared(s->place.table, buf_view(&s->place.attr));
        struct error ignored = { 0 };
        int r;

        if (declared)
                return s->stream ? finish_stream(s, declared->type, ret, e)
                                 : attr_text_parse(text, declared->type, &s->arena, ret, e);
        if (old && old->type == VALUE_LARGE) {
                r = type_in_s3(s, &old_type, e);
                if (r)
                        return r;
        }
        if (s->stream)
                return finish_stream(s, old_type, ret, e);
        if (old && old->type == VALUE_LARGE && old_type != VALUE_LARGE)
                return attr_text_parse(text, old_type, &s->arena, ret, e);
        if (old && old->type != VALUE_LARGE)
                return attr_text_parse(text, old->type, &s->arena, ret, e);
        if (!old && type_before(s->fs, &s->place, &type) && attr_text_parse(text, type, &s->arena, ret, &ignored) == 0)
                return 0;
        return attr_text_parse(text, type_of_new(text), &s->arena, ret, e);
}

static bool takes_nothing(enum value_type type) {
        return type == VALUE_S || type == VALUE_B;
}

/* Would the item be too large?  What is cached may have been larger than it is now: then the service is asked. */
static int check_size(struct save *s, const struct parsed *parsed, const struct value *old, const struct value *new,
                      struct error *e) {
        _cleanup_(snapshot_unrefp) struct snapshot *item = NULL;
        _cleanup_(parsed_unrefp) struct parsed *now = NULL;
        size_t before = old ? value_size(old) : 0, after = value_size(new) + (old ? 0 : s->place.attr.n), total;
        int r;

        if (s->fs->o.text.any_size) /* the store moves to S3 what does not fit */
                return 0;
        if (item_size(&parsed->item) - before + after <= ITEM_SIZE_MAX)
                return 0;
        r = item_load(s->fs, s->ctx, &s->place, 0, true, &item, e);
        if (r == 0)
                r = parsed_of(s->fs, &s->place, item, &now, e);
        if (r)
                return r;
        old = item_get(&now->item, buf_view(&s->place.attr));
        total = item_size(&now->item) - (old ? value_size(old) : 0) + value_size(new) + (old ? 0 : s->place.attr.n);
        return total <= ITEM_SIZE_MAX ? 0
                                      : error_set(e, ERR_TOO_LARGE, "the item would have %zu bytes, DynamoDB takes %zu", total,
                                                  ITEM_SIZE_MAX);
}

/* ---- the request ---- */

/* What the attribute must still be.  1: it is to become what it was: nothing is to be sent. */
static int add_conditions(struct save *s, const struct value *old, const struct value *new, struct condition *conditions,
                          struct write *w, struct value *room, struct error *e) {
        struct str attr = buf_view(&s->place.attr);
        struct error ignored = { 0 };

        conditions[w->n_conditions++] = (struct condition){ .op = COND_EXISTS, .attr = s->place.table->key.attrs[0].name };
        if (s->fs->o.write_mode == FS_WRITE_OVERWRITE && !(s->created && s->exclusive))
                return 0;
        if (s->base.kind == BASE_ABSENT || (s->created && s->exclusive && s->base.kind == BASE_NONE))
                conditions[w->n_conditions++] = (struct condition){ .op = COND_NOT_EXISTS, .attr = attr };
        if (s->base.kind != BASE_SNAPSHOT)
                return 0;
        if (!old)
                return changed(&s->place, "removed", e);
        if (old->type == VALUE_LARGE) {
                struct str shown = str_make(s->base.snapshot->text, s->base.snapshot->n);

                if (value_text_parse(shown, &s->arena, room, &ignored) || room->type != VALUE_LARGE)
                        return changed(&s->place, "changed", e);
                if (!s->stream && value_equal(room, new))
                        return 1;
        } else {
                int r = attr_text_parse(str_make(s->base.snapshot->text, s->base.snapshot->n), old->type, &s->arena, room, &ignored);

                if (r == -ENOMEM)
                        return error_set(e, ERR_MEMORY, "out of memory");
                if (r) /* it has another type by now */
                        return changed(&s->place, "changed", e);
                if (!s->stream && value_equal(room, new))
                        return 1;
        }
        conditions[w->n_conditions++] = (struct condition){ .op = COND_EQ, .attr = attr, .value = room };
        return 0;
}

/* A condition did not hold: what is there now? */
static int explain(struct save *s, struct error *e) {
        _cleanup_(snapshot_unrefp) struct snapshot *item = NULL, *text = NULL;
        struct error local = { 0 };
        int r;

        cache_invalidate(s->fs->cache, buf_view(&s->place.id));
        r = item_load(s->fs, s->ctx, &s->place, 0, true, &item, &local);
        if (r == 0)
                r = attr_of_item(s->fs, &s->place, item, &text, &local);
        if (r && local.kind != ERR_NO_ITEM) {
                *e = local;
                return r;
        }
        if (!item)
                return s->base.kind == BASE_NONE ? fs_no_item(e) : item_gone(e);
        if (s->exclusive)
                return error_set(e, ERR_EXISTS, "somebody else has made this attribute meanwhile");
        return changed(&s->place, !text ? "removed" : s->base.kind == BASE_ABSENT ? "made" : "changed", e);
}

int attr_update(struct fs *fs, struct op_ctx *ctx, const struct place *p, const struct write *w, struct snapshot **ret,
                struct error *e) {
        _cleanup_(items_deinit) struct items now;
        struct error ignored;
        int r;

        *ret = NULL;
        items_init(&now);
        r = fs->store->ops->write(fs->store, ctx, w, &now, e);
        fs_wrote(fs, p);
        partition_wrote(fs, p, r == 0);
        if (r == 0 && now.n > 0 && items_fill(fs, ctx, &now, &ignored) == 0)
                r = item_snapshot(fs, p, &now.v[0], ret);
        if (*ret)
                cache_put_own(fs->cache, buf_view(&p->id), *ret);
        else /* it may or may not have been applied */
                cache_invalidate(fs->cache, buf_view(&p->id));
        return *ret || r < 0 ? r : 0;
}

/* The item as it will be, for the store to see what must go to S3. */
static int item_then(struct save *s, const struct item *now, const struct attribute *set, struct item *ret) {
        *ret = (struct item){ .attributes = arena_array(&s->arena, (size_t)now->n + 1, sizeof(*ret->attributes)) };
        if (!ret->attributes)
                return -ENOMEM;
        for (uint32_t i = 0; i < now->n; i++)
                if (!str_eq(now->attributes[i].name, set->name))
                        ret->attributes[ret->n++] = now->attributes[i];
        ret->attributes[ret->n++] = *set;
        return attributes_sort(ret->attributes, ret->n, NULL);
}

static int send(struct save *s, const struct parsed *parsed, const struct value *new, struct error *e) {
        const struct value *old = item_get(&parsed->item, buf_view(&s->place.attr));
        struct attribute set = { .name = buf_view(&s->place.attr), .value = *new };
        struct condition conditions[3];
        struct write w = { .op = WRITE_UPDATE, .table = s->place.table, .key = s->place.key, .set = &set, .n_set = 1,
                           .conditions = conditions };
        struct error local = { 0 };
        struct item whole;
        struct value was;
        int r = add_conditions(s, old, new, conditions, &w, &was, e);

        if (r > 0)
                metric_add(METRIC_COMMITS_UNCHANGED, 1);
        if (r)
                return r < 0 ? r : 0;
        r = check_size(s, parsed, old, new, e);
        if (r)
                return r;
        if (s->fs->o.text.any_size && item_then(s, &parsed->item, &set, &whole) == 0)
                w.item = &whole;
        r = attr_update(s->fs, s->ctx, &s->place, &w, &s->result, &local);
        if (r && local.kind == ERR_CONDITION)
                return explain(s, e);
        if (r)
                *e = local;
        else
                metric_add(METRIC_COMMITS, 1);
        return r;
}

/* What readers are shown of it from now on; *ret NULL: for want of memory. */
static void shown(struct save *s, const struct value *new, struct snapshot **ret) {
        _cleanup_(buf_deinit) struct buf room = BUF_INIT(ITEM_TEXT_MAX);
        struct error ignored = { 0 };
        struct str text;
        int r;

        if (s->fs->o.text.any_size && s->result) /* it may be in S3 now */
                r = attr_of_item(s->fs, &s->place, s->result, ret, &ignored);
        else
                r = attr_text(s->fs, new, &room, &text) ? -ENOMEM : snapshot_new(text, ret);
        if (r)
                *ret = NULL;
}

static int send_value(struct save *s, const struct parsed *parsed, const struct value *old, struct value *new,
                      struct error *e) {
        int r = read_value(s, old, new, e);

        if (r == 0)
                r = send(s, parsed, new, e);
        if (s->stream && r == 0)
                stream_written(s->stream, s->ctx, 0, e);
        return r;
}

static int save_value(struct save *s, const struct parsed *parsed, struct snapshot **ret_own, struct error *e) {
        const struct value *old = item_get(&parsed->item, buf_view(&s->place.attr));
        struct value new;
        int r;

        if (s->touch && !s->created && old && !takes_nothing(old->type)) /* emptied, and nothing written: it stays as it was */
                return 0;
        r = send_value(s, parsed, old, &new, e);
        if (r)
                return r;
        shown(s, &new, ret_own);
        if (*ret_own) {
                if (s->result)
                        cache_put_own(s->fs->cache, buf_view(&s->place.attr_id), *ret_own);
                cache_serve(s->fs->cache, buf_view(&s->place.attr_id), *ret_own);
                readers_saved(s->fs, s->bases.program, buf_view(&s->place.attr_id), &s->base, *ret_own);
        }
        away_returned(s->fs, buf_view(&s->place.attr_id));
        return 0;
}

int attr_save(struct save *s, struct snapshot **ret_own, struct error *e) {
        _cleanup_(snapshot_unrefp) struct snapshot *item = NULL;
        _cleanup_(parsed_unrefp) struct parsed *parsed = NULL;
        int r = buf_status(&s->text);

        *ret_own = NULL;
        if (r)
                return error_set_errno(e, r, "saving");
        r = attr_writable(&s->place, e);
        if (r == 0)
                r = settle_base(s, e);
        if (r == 0)
                r = item_load(s->fs, s->ctx, &s->place, s->fs->o.cache_ttl_ns, false, &item, e);
        if (r == -ENOENT && e->kind == ERR_NO_ITEM && s->base.kind != BASE_NONE)
                return item_gone(e);
        if (r == 0)
                r = parsed_of(s->fs, &s->place, item, &parsed, e);
        if (r == 0)
                r = save_value(s, parsed, ret_own, e);
        if (r == -ESTALE)
                readers_refused(s->fs, s->bases.program, buf_view(&s->place.attr_id));
        return r;
}
