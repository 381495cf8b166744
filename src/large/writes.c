/* SPDX-License-Identifier: Apache-2.0 */
/* The writing ops: objects first, then the inner store's write, then what is garbage now. */
#include "ddbfs/base/log.h"
#include "plan_internal.h"

/* ---- one ---- */

/* Send it; content in its conditions may turn out to be in S3. */
static int send(struct plan *p, struct op_ctx *ctx, struct items *got, bool want, struct error *e) {
        struct store *inner = p->ls->inner;
        struct error local = { 0 };
        int r, again;

        p->out.return_old = p->old_wanted;
        r = inner->ops->write(inner, ctx, &p->out, want ? got : NULL, &local);
        if (r && local.kind == ERR_CONDITION) {
                again = plan_again(p, ctx, &local);
                if (again > 0)
                        r = inner->ops->write(inner, ctx, &p->out, want ? got : NULL, &local);
                else if (again < 0)
                        r = again;
        }
        if (r && e)
                *e = local;
        return r;
}

static bool is_changed(const struct plan *p, struct str name) {
        for (uint32_t i = 0; i < p->out.n_set; i++)
                if (str_eq(p->out.set[i].name, name))
                        return true;
        for (uint32_t i = 0; i < p->out.n_remove; i++)
                if (str_eq(p->out.remove[i], name))
                        return true;
        return false;
}

/* The item an update has made of the old one; in the arena of `to`, which also holds the old one. */
static int updated(const struct plan *p, const struct item *old, struct items *to) {
        struct item *item = items_add(to);
        uint32_t n_keys = p->key.n;

        if (!item)
                return -ENOMEM;
        item->attributes = arena_array(&to->arena, (size_t)old->n + p->out.n_set + n_keys, sizeof(*item->attributes));
        if (!item->attributes)
                return -ENOMEM;
        for (uint32_t i = 0; i < old->n; i++)
                if (!is_changed(p, old->attributes[i].name))
                        item->attributes[item->n++] = old->attributes[i];
        for (uint32_t i = 0; i < p->out.n_set; i++) {
                struct attribute *a = &item->attributes[item->n++];

                if (arena_dup(&to->arena, p->out.set[i].name, &a->name) ||
                    value_copy(&to->arena, &p->out.set[i].value, &a->value))
                        return -ENOMEM;
        }
        for (uint32_t i = 0; old->n == 0 && i < n_keys; i++) {
                struct attribute *a = &item->attributes[item->n++];

                a->value = (struct value){ .type = p->key.parts[i].type };
                if (arena_dup(&to->arena, p->w->table->key.attrs[i].name, &a->name) ||
                    arena_dup(&to->arena, p->key.parts[i].text, &a->value.text))
                        return -ENOMEM;
        }
        return attributes_sort(item->attributes, item->n, NULL) ? -EINVAL : 0;
}

/* What the caller gets: the item as it is now.  got: the old one where that was asked for, else as the inner store gave it. */
static int give(struct plan *p, struct items *got, struct items *ret) {
        struct items out;
        struct item none = { 0 };
        int r = 0;

        items_init(&out);
        if (p->w->op == WRITE_UPDATE && p->old_wanted) {
                r = updated(p, got->n > 0 ? &got->v[0] : &none, got);
                if (r == 0 && got->n > 1)
                        got->v[0] = got->v[got->n - 1];
                got->n = r ? 0 : 1;
        } else if (p->w->op == WRITE_PUT && p->fresh.n > 0) {
                struct item *item = items_add(&out);

                r = item ? item_copy(&out.arena, &p->item, item) : -ENOMEM;
                items_deinit(got);
                *got = out;
                items_init(&out);
        } else if (p->w->op != WRITE_UPDATE) {
                got->n = 0;
        }
        for (uint32_t i = 0; r == 0 && i < got->n; i++)
                r = plan_fill(p, &got->v[i], &got->arena);
        items_deinit(ret);
        *ret = *got;
        items_init(got);
        return r;
}

static int planned_write(struct plan *p, struct op_ctx *ctx, struct items *ret_new, struct error *e) {
        _cleanup_(items_deinit) struct items got;
        struct error local = { 0 };
        int r;

        items_init(&got);
        r = plan_make(p, ctx, &local);
        if (r == PLAN_E_CONDITION)
                r = -error_errno(ERR_CONDITION);
        if (r == 0)
                r = send(p, ctx, &got, ret_new || p->old_wanted, &local);
        if (r) {
                plan_failed(p, &local);
                if (e)
                        *e = local;
                return r;
        }
        plan_done(p, p->old_wanted && got.n > 0 ? &got.v[0] : NULL);
        seen_add_items(p->ls, &got);
        r = ret_new ? give(p, &got, ret_new) : 0;
        return r ? error_set_errno(e, r, "saving") : 0;
}

int large_write(struct store *s, struct op_ctx *ctx, const struct write *w, struct items *ret_new, struct error *e) {
        _cleanup_(arena_deinit) struct arena arena = ARENA_INIT(WRITE_ARENA_MAX);
        struct large_store *ls = large_of(s);
        struct plan p;
        int r;

        if (!plan_needed(ls, w))
                return ls->inner->ops->write(ls->inner, ctx, w, ret_new, e);
        r = plan_init(&p, ls, w, &arena, e);
        if (r == 0)
                r = planned_write(&p, ctx, ret_new, e);
        plan_deinit(&p);
        return r;
}

/* ---- many ---- */

static int plans_make(struct plan *p, struct large_store *ls, struct op_ctx *ctx, const struct write *w, uint32_t n,
                      struct write *out, struct arena *a, uint32_t *ret_failed, struct error *e) {
        for (uint32_t i = 0; i < n; i++) {
                int r = plan_init(&p[i], ls, &w[i], a, e);

                if (r == 0)
                        r = plan_make(&p[i], ctx, e);
                if (r == 0 && p[i].old_wanted) /* a transaction does not say what it has replaced */
                        r = plan_read(&p[i], ctx, e);
                out[i] = p[i].out;
                *ret_failed = i;
                if (r)
                        return r;
        }
        return 0;
}

static int fail_action(uint32_t i, struct error *e) {
        int r = error_set(e, ERR_CANCELLED, "TransactWriteItems: action %u: ConditionalCheckFailed", i);

        e->action = i;
        memcpy(e->code, "ConditionalCheckFailed", sizeof("ConditionalCheckFailed"));
        return r;
}

static int send_all(struct plan *p, struct large_store *ls, struct op_ctx *ctx, struct write *out, uint32_t n,
                    struct error *e) {
        int r = ls->inner->ops->transact_write(ls->inner, ctx, out, n, e), again = 0;

        if (r == 0 || e->kind != ERR_CANCELLED || !str_eq(str_of(e->code), STR("ConditionalCheckFailed")))
                return r;
        for (uint32_t i = 0; i < n; i++) {
                struct error ignored;
                int k = plan_again(&p[i], ctx, &ignored);

                again += k > 0;
                out[i] = p[i].out;
        }
        return again > 0 ? ls->inner->ops->transact_write(ls->inner, ctx, out, n, e) : r;
}

int large_transact_write(struct store *s, struct op_ctx *ctx, const struct write *w, uint32_t n, struct error *e) {
        _cleanup_(arena_deinit) struct arena arena = ARENA_INIT(2 * WRITE_ARENA_MAX);
        struct large_store *ls = large_of(s);
        struct plan *p = arena_array(&arena, (size_t)n + 1, sizeof(*p));
        struct write *out = arena_array(&arena, (size_t)n + 1, sizeof(*out));
        struct error local = { 0 };
        uint32_t failed = 0;
        bool needed = false;
        int r;

        for (uint32_t i = 0; i < n; i++)
                needed = needed || plan_needed(ls, &w[i]);
        if (!needed || n > TRANSACT_MAX)
                return ls->inner->ops->transact_write(ls->inner, ctx, w, n, e);
        if (!p || !out)
                return error_set(e, ERR_MEMORY, "out of memory");
        memset(p, 0, ((size_t)n + 1) * sizeof(*p));
        r = plans_make(p, ls, ctx, w, n, out, &arena, &failed, &local);
        if (r == PLAN_E_CONDITION)
                r = fail_action(failed, &local);
        else if (r == 0)
                r = send_all(p, ls, ctx, out, n, &local);
        for (uint32_t i = 0; i < n && p[i].ls; i++) {
                if (r)
                        plan_failed(&p[i], &local);
                else
                        plan_done(&p[i], p[i].old_wanted && p[i].now.n > 0 ? &p[i].now.v[0] : NULL);
                plan_deinit(&p[i]);
        }
        if (r && e)
                *e = local;
        return r;
}

/* ---- batches ---- */

#define READ_DELETED 50 /* items read at once: 20 MB at most */

/* Of an item that has something in S3, that and its key. */
static int keep_references(const struct table_schema *table, const struct item *item, struct items *ret) {
        const uint32_t n_keys = table->key.n_hash + table->key.n_range;
        uint32_t n = 0;
        struct item *to;

        for (uint32_t i = 0; i < item->n; i++)
                n += item->attributes[i].value.type == VALUE_LARGE;
        if (n == 0)
                return 0;
        to = items_add(ret);
        if (!to)
                return -ENOMEM;
        to->attributes = arena_array(&ret->arena, (size_t)n + n_keys, sizeof(*to->attributes));
        if (!to->attributes)
                return -ENOMEM;
        for (uint32_t i = 0; i < item->n; i++) {
                const struct attribute *from = &item->attributes[i];
                bool wanted = from->value.type == VALUE_LARGE;

                for (uint32_t k = 0; k < n_keys; k++)
                        wanted = wanted || str_eq(from->name, table->key.attrs[k].name);
                if (!wanted)
                        continue;
                if (arena_dup(&ret->arena, from->name, &to->attributes[to->n].name) ||
                    value_copy(&ret->arena, &from->value, &to->attributes[to->n].value))
                        return -ENOMEM;
                to->n++;
        }
        return 0;
}

static int read_group(struct large_store *ls, struct op_ctx *ctx, const struct get_request *get, uint32_t n, struct items *ret,
                      struct error *e) {
        _cleanup_(items_deinit) struct items now;
        int r;

        items_init(&now);
        r = ls->inner->ops->batch_get(ls->inner, ctx, get, n, &now, e);
        for (uint32_t i = 0; r == 0 && i < now.n; i++)
                if (keep_references(get[0].table, &now.v[i], ret))
                        r = error_set(e, ERR_MEMORY, "out of memory");
        return r;
}

/* What the deleted items refer to: read first, for the answer will not say.  A failure is no reason not to delete: what
 * the items referred to is left to fsck.ddbfs. */
static void read_deleted(struct large_store *ls, struct op_ctx *ctx, const struct write *w, uint32_t n, struct items *ret) {
        struct get_request get[READ_DELETED];
        const struct table_schema *table = NULL;
        struct error e = { .kind = ERR_NONE };
        uint32_t n_get = 0;
        int r = 0;

        for (uint32_t i = 0; r == 0 && i < n; i++) {
                if (w[i].op != WRITE_DELETE)
                        continue;
                if (table && w[i].table != table) /* of another table: fsck.ddbfs finds them */
                        continue;
                table = w[i].table;
                get[n_get++] = (struct get_request){ .table = table, .key = w[i].key, .consistent = true };
                if (n_get < READ_DELETED)
                        continue;
                r = read_group(ls, ctx, get, n_get, ret, &e);
                n_get = 0;
        }
        if (r == 0 && n_get > 0)
                r = read_group(ls, ctx, get, n_get, ret, &e);
        if (r)
                log_warn("deleted items of %.*s could not be read first: objects of theirs may stay in S3, fsck.ddbfs finds them: %s",
                         (int)table->name.n, table->name.p, e.message);
}

static void drop_deleted(struct large_store *ls, const struct write *w, uint32_t n, const int *results,
                         const struct items *old) {
        for (uint32_t i = 0; i < old->n; i++) {
                const struct item *item = &old->v[i];
                struct plan p = { .ls = ls };
                struct key key;

                for (uint32_t k = 0; k < n; k++)
                        if (w[k].op == WRITE_DELETE && results[k] == 0 && key_of_item(&w[k].table->key, item, &key) == 0 &&
                            key_equal(&key, &w[k].key)) {
                                p.w = &w[k];
                                p.key = key;
                                p.out = w[k];
                                plan_done(&p, item);
                                break;
                        }
        }
}

int large_batch_write(struct store *s, struct op_ctx *ctx, const struct write *w, uint32_t n, int *results,
                      struct error *e) {
        _cleanup_(arena_deinit) struct arena arena = ARENA_INIT(4 * WRITE_ARENA_MAX);
        _cleanup_(items_deinit) struct items old;
        struct large_store *ls = large_of(s);
        struct plan *p = arena_array(&arena, (size_t)n + 1, sizeof(*p));
        struct write *out = arena_array(&arena, (size_t)n + 1, sizeof(*out));
        struct error local = { 0 };
        bool needed = ls->n_buckets > 0;
        int r = 0;

        items_init(&old);
        for (uint32_t i = 0; !needed && i < n; i++) /* a reference is looked at without a bucket too */
                needed = plan_moves(ls, &w[i]);
        if (!needed || n == 0)
                return ls->inner->ops->batch_write(ls->inner, ctx, w, n, results, e);
        for (uint32_t i = 0; i < n; i++)
                results[i] = -EIO;
        if (!p || !out)
                return error_set(e, ERR_MEMORY, "out of memory");
        memset(p, 0, ((size_t)n + 1) * sizeof(*p));
        for (uint32_t i = 0; r == 0 && i < n; i++) {
                out[i] = w[i];
                if (w[i].op != WRITE_PUT || !plan_needed(ls, &w[i]))
                        continue;
                r = plan_init(&p[i], ls, &w[i], &arena, &local);
                p[i].batch = true;
                if (r == 0)
                        r = plan_make(&p[i], ctx, &local);
                out[i] = p[i].out;
        }
        if (r == 0 && ls->n_buckets > 0)
                read_deleted(ls, ctx, w, n, &old);
        if (r == 0)
                r = ls->inner->ops->batch_write(ls->inner, ctx, out, n, results, &local);
        for (uint32_t i = 0; i < n; i++) {
                if (p[i].ls && results[i])
                        plan_failed(&p[i], &local);
                if (p[i].ls)
                        plan_deinit(&p[i]);
        }
        drop_deleted(ls, w, n, results, &old);
        if (r && e)
                *e = local;
        return r;
}
