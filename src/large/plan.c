/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plan of one write: see plan_internal.h.
 *
 *      a value to be written         becomes
 *      S or B that is too large      a fresh object
 *      a claim, its own content      the reference that is there, on condition that it still is; in a batch, which knows
 *                                    no conditions, a fresh object, copied
 *      a claim, another's content    a fresh object, copied from one that was read lately
 *      another item's reference      a fresh object, copied (renames)
 *      a reference of its own        that (large_finish() made it)
 */
#include "plan_internal.h"

static bool is_large(const struct value *v) {
        return v && v->type == VALUE_LARGE;
}

static bool is_movable(const struct value *v) {
        return v->type == VALUE_S || v->type == VALUE_B;
}

/* Content that was given inline and is kept in S3? */
static bool may_be_kept(const struct value *v) {
        return is_movable(v) && v->text.n >= LARGE_ATTRIBUTE_MIN;
}

/* Is the old value of the attribute known by the write's conditions? */
static const struct condition *condition_on(const struct write *w, struct str attr) {
        for (uint32_t i = 0; i < w->n_conditions; i++)
                if (w->conditions[i].op != COND_EXISTS && str_eq(w->conditions[i].attr, attr))
                        return &w->conditions[i];
        return NULL;
}

/* Which of the old references go is known when there is a condition on each attribute that changes. */
static bool needs_old(const struct write *w) {
        if (w->op == WRITE_PUT && w->n_conditions == 1 && w->conditions[0].op == COND_NOT_EXISTS &&
            key_schema_has(&w->table->key, w->conditions[0].attr))
                return false; /* there is no old item */
        if (w->op == WRITE_PUT || w->op == WRITE_DELETE)
                return true;
        for (uint32_t i = 0; i < w->n_set; i++)
                if (!condition_on(w, w->set[i].name))
                        return true;
        for (uint32_t i = 0; i < w->n_remove; i++)
                if (!condition_on(w, w->remove[i]))
                        return true;
        return false;
}

static bool any_large(const struct large_store *ls, const struct attribute *a, uint32_t n) {
        for (uint32_t i = 0; i < n; i++)
                if (is_large(&a[i].value) || (ls->n_buckets > 0 && is_movable(&a[i].value) && a[i].value.text.n > ls->threshold))
                        return true;
        return false;
}

bool plan_moves(const struct large_store *ls, const struct write *w) {
        return w->op == WRITE_PUT && (any_large(ls, w->item->attributes, w->item->n) ||
                                      (ls->n_buckets > 0 && item_size(w->item) > ITEM_SIZE_MAX));
}

bool plan_needed(const struct large_store *ls, const struct write *w) {
        if (ls->n_buckets > 0 && w->op != WRITE_CHECK && needs_old(w))
                return true;
        for (uint32_t i = 0; i < w->n_conditions; i++)
                if (w->conditions[i].op == COND_EQ &&
                    (is_large(w->conditions[i].value) || (ls->n_buckets > 0 && may_be_kept(w->conditions[i].value))))
                        return true;
        if (w->item && w->op != WRITE_PUT && ls->n_buckets > 0 && item_size(w->item) > ITEM_SIZE_MAX)
                return true;
        return any_large(ls, w->set, w->n_set) || plan_moves(ls, w);
}

struct large_owner plan_owner(const struct plan *p, struct str attr) {
        return (struct large_owner){ .table = p->w->table, .key = p->key, .attr = attr };
}

static int alloc(struct plan *p) {
        const struct write *w = p->w;
        size_t n = (size_t)w->n_set + w->n_remove + w->n_conditions + (w->item ? w->item->n : 0) + 1;

        p->set = arena_array(p->arena, n, sizeof(*p->set));
        p->item.attributes = arena_array(p->arena, n, sizeof(*p->item.attributes));
        p->conditions = arena_array(p->arena, n + w->n_conditions, sizeof(*p->conditions));
        p->fresh.v = arena_array(p->arena, n, sizeof(*p->fresh.v));
        p->moved = arena_array(p->arena, n, sizeof(*p->moved));
        return p->set && p->item.attributes && p->conditions && p->fresh.v && p->moved ? 0 : -ENOMEM;
}

int plan_init(struct plan *p, struct large_store *ls, const struct write *w, struct arena *a, struct error *e) {
        int r;

        *p = (struct plan){ .ls = ls, .w = w, .arena = a, .key = w->key, .out = *w };
        items_init(&p->now);
        r = w->op == WRITE_PUT ? key_of_item(&w->table->key, w->item, &p->key) : 0;
        if (r == 0)
                r = alloc(p);
        if (r)
                return error_set_errno(e, r == -ENOENT ? -EINVAL : r, "saving");
        if (w->n_set > 0)
                memcpy(p->set, w->set, w->n_set * sizeof(*p->set));
        if (w->n_conditions > 0)
                memcpy(p->conditions, w->conditions, w->n_conditions * sizeof(*p->conditions));
        p->out.set = p->set;
        p->out.conditions = p->conditions;
        if (w->op == WRITE_PUT) {
                p->item.n = w->item->n;
                memcpy(p->item.attributes, w->item->attributes, w->item->n * sizeof(*p->item.attributes));
                p->out.item = &p->item;
        }
        p->old_wanted = ls->n_buckets > 0 && w->op != WRITE_CHECK && needs_old(w);
        return 0;
}

void plan_deinit(struct plan *p) {
        items_deinit(&p->now);
}

int plan_read(struct plan *p, struct op_ctx *ctx, struct error *e) {
        struct get_request get = { .table = p->w->table, .key = p->key, .consistent = true };
        int r = p->has_now ? 0 : p->ls->inner->ops->get(p->ls->inner, ctx, &get, &p->now, e);

        p->has_now = p->has_now || r == 0;
        return r;
}

static const struct value *value_now(const struct plan *p, struct str attr) {
        return p->has_now && p->now.n > 0 ? item_get(&p->now.v[0], attr) : NULL;
}

/* ---- conditions ---- */

/* A condition on content that S3 has is one on the reference to it. */
static int resolve_conditions(struct plan *p, struct op_ctx *ctx, struct error *e) {
        for (uint32_t i = 0; i < p->out.n_conditions; i++) {
                struct condition *c = &p->conditions[i];
                const struct value *now;
                int r;

                if (c->op != COND_EQ || !is_large(c->value) || !large_ref_is_claim(c->value->large))
                        continue;
                r = plan_read(p, ctx, e);
                if (r)
                        return r;
                now = value_now(p, c->attr);
                if (!now || !value_equal(now, c->value)) {
                        (void)error_set(e, ERR_CONDITION, "the attribute %.*s has been changed", (int)c->attr.n, c->attr.p);
                        return PLAN_E_CONDITION;
                }
                c->value = now;
        }
        return 0;
}

int plan_again(struct plan *p, struct op_ctx *ctx, struct error *e) {
        bool again = false;

        for (uint32_t i = 0; i < p->out.n_conditions; i++) {
                struct condition *c = &p->conditions[i];
                const struct value *now;
                int r;

                if (c->op != COND_EQ || !may_be_kept(c->value))
                        continue;
                r = plan_read(p, ctx, e);
                if (r)
                        return r;
                now = value_now(p, c->attr);
                if (!is_large(now) || !value_equal(now, c->value))
                        continue;
                c->value = now;
                again = true;
        }
        return again;
}

static void add_condition(struct plan *p, struct str attr, const struct value *v) {
        p->conditions[p->out.n_conditions++] = (struct condition){ .op = COND_EQ, .attr = attr, .value = v };
}

/* ---- values ---- */

static void add_fresh(struct plan *p, struct attribute *a, const struct value *was) {
        p->moved[p->fresh.n] = (struct attribute){ .name = a->name, .value = *was };
        p->fresh.v[p->fresh.n++] = (struct object){ a->name, { a->value.large->bucket, a->value.large->key } };
}

/* Its item was deleted or changed since the text was read, and the time of grace is over; or it has no object. */
static int object_gone(const struct attribute *a, struct error *e) {
        return large_ref_is_claim(a->value.large)
                       ? error_set(e, ERR_INPUT, "attribute \"%.*s\": what {\"$s3\": ...} stands for is no longer in S3",
                                   (int)MIN(a->name.n, (size_t)64), a->name.p)
                       : error_set(e, ERR_PROTOCOL, "attribute \"%.*s\" refers to an object that is not in S3 (any more)",
                                   (int)MIN(a->name.n, (size_t)64), a->name.p);
}

static int copy_object(struct plan *p, struct op_ctx *ctx, struct attribute *a, const struct large_ref *from, struct error *e) {
        struct large_owner owner = plan_owner(p, a->name);
        struct value was = a->value;
        int r;

        if (p->ls->n_buckets == 0)
                return error_set(e, ERR_INPUT, "attribute \"%.*s\" is kept in S3: without s3_bucket it cannot be copied",
                                 (int)MIN(a->name.n, (size_t)64), a->name.p);
        if (from->inlined)
                r = large_put(p->ls, ctx, &owner, &(struct value){ .type = from->type, .text = from->content }, p->arena, &a->value, e);
        else
                r = large_copy(p->ls, ctx, &owner, from, p->arena, &a->value, e);
        if (r == -ENOENT && e->kind == ERR_NO_ITEM)
                return object_gone(&(struct attribute){ a->name, was }, e);
        if (r == 0)
                add_fresh(p, a, &was);
        return r;
}

/* What is it that a claim means? */
static int resolve_claim(struct plan *p, struct op_ctx *ctx, struct attribute *a, struct error *e) {
        const struct value *now;
        struct large_ref found;
        int r = plan_read(p, ctx, e);

        if (r)
                return r;
        now = value_now(p, a->name);
        if (is_large(now) && value_equal(now, &a->value)) {
                if (p->batch)
                        return copy_object(p, ctx, a, now->large, e);
                if (!condition_on(&p->out, a->name))
                        add_condition(p, a->name, now);
                a->value = *now;
                return 0;
        }
        r = seen_find(p->ls, a->value.large, p->arena, &found);
        if (r == -ENOENT)
                return error_set(e, ERR_INPUT, "attribute \"%.*s\": what {\"$s3\": ...} stands for is neither in this item nor in "
                                               "one that was read lately", (int)MIN(a->name.n, (size_t)64), a->name.p);
        return r ? error_set_errno(e, r, "saving") : copy_object(p, ctx, a, &found, e);
}

static int make_value(struct plan *p, struct op_ctx *ctx, struct attribute *a, bool chosen, struct error *e) {
        struct large_owner owner = plan_owner(p, a->name);
        struct value was = a->value;
        int r;

        if (is_large(&a->value)) {
                const struct large_ref *l = a->value.large;

                if (large_ref_is_claim(l))
                        return resolve_claim(p, ctx, a, e);
                return large_owns(&owner, l->key) ? 0 : copy_object(p, ctx, a, l, e);
        }
        if (!chosen)
                return 0;
        r = large_put(p->ls, ctx, &owner, &was, p->arena, &a->value, e);
        if (r == 0)
                add_fresh(p, a, &was);
        return r;
}

int plan_make(struct plan *p, struct op_ctx *ctx, struct error *e) {
        size_t n = (size_t)p->w->n_set + (p->w->item ? p->w->item->n : 0) + 1;
        bool *chosen = arena_array(p->arena, n, sizeof(*chosen));
        struct attribute *a = p->w->op == WRITE_PUT ? p->item.attributes : p->set;
        uint32_t count;
        int r;

        if (!chosen)
                return error_set(e, ERR_MEMORY, "out of memory");
        memset(chosen, 0, n * sizeof(*chosen));
        r = resolve_conditions(p, ctx, e);
        if (r == 0)
                r = plan_choose(p, chosen, e);
        count = p->w->op == WRITE_PUT ? p->item.n : p->out.n_set;
        for (uint32_t i = 0; r == 0 && i < count; i++)
                r = make_value(p, ctx, &a[i], chosen[i], e);
        return r;
}

int plan_fill(const struct plan *p, struct item *item, struct arena *a) {
        for (uint32_t i = 0; i < p->fresh.n; i++) {
                const struct value *was = &p->moved[i].value;
                struct value *v = (struct value *)(uintptr_t)item_get(item, p->fresh.v[i].attr);
                struct large_ref *l;

                if (!is_large(v) || !is_movable(was) || was->text.n > p->ls->inline_max || v->large->inlined)
                        continue;
                l = arena_alloc(a, sizeof(*l));
                if (!l)
                        return -ENOMEM;
                *l = *v->large;
                l->inlined = true;
                l->content = was->text;
                v->large = l;
        }
        return 0;
}

/* ---- afterwards ---- */

static const struct value *value_then(const struct plan *p, struct str attr) {
        if (p->w->op == WRITE_PUT)
                return item_get(&p->item, attr);
        for (uint32_t i = 0; i < p->out.n_set; i++)
                if (str_eq(p->set[i].name, attr))
                        return &p->set[i].value;
        return NULL;
}

static bool goes(const struct plan *p, struct str attr) {
        if (p->w->op != WRITE_UPDATE)
                return true;
        for (uint32_t i = 0; i < p->w->n_remove; i++)
                if (str_eq(p->w->remove[i], attr))
                        return true;
        return value_then(p, attr) != NULL;
}

/* The old value of an attribute: is it an object of this item that is referred to no more? */
static void drop_old(struct plan *p, struct str attr, const struct value *old) {
        const struct value *then = p->w->op == WRITE_DELETE ? NULL : value_then(p, attr);
        struct large_owner owner = plan_owner(p, attr);

        if (!is_large(old) || large_ref_is_claim(old->large) || !goes(p, attr) || !large_owns(&owner, old->large->key) ||
            (is_large(then) && str_eq(then->large->key, old->large->key)))
                return;
        removal_add(p->ls, &owner, (struct blob_name){ old->large->bucket, old->large->key }, false, false);
}

void plan_done(struct plan *p, const struct item *old) {
        if (p->w->op == WRITE_CHECK)
                return;
        for (uint32_t i = 0; old && i < old->n; i++)
                drop_old(p, old->attributes[i].name, &old->attributes[i].value);
        for (uint32_t i = 0; !old && i < p->out.n_conditions; i++)
                if (p->conditions[i].op == COND_EQ)
                        drop_old(p, p->conditions[i].attr, p->conditions[i].value);
        for (uint32_t i = 0; i < p->fresh.n; i++) {
                const struct value *v = value_then(p, p->fresh.v[i].attr);

                if (is_large(v))
                        seen_add(p->ls, v->large);
        }
}

void plan_failed(struct plan *p, const struct error *e) {
        for (uint32_t i = 0; i < p->fresh.n; i++) {
                struct large_owner owner = plan_owner(p, p->fresh.v[i].attr);

                removal_of_fresh(p->ls, &owner, p->fresh.v[i].name, e);
        }
}
