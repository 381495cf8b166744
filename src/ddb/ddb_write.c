/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One write.  Two things make it more than a request:
 *
 * - A conditional write whose answer was lost is sent again and may meet its own first attempt: the condition fails
 *   although the write was done.  Then the item is read (strongly consistent), and if it is as the write leaves it,
 *   the write counts as done.
 * - TransactionConflictException (the item is in a transaction under way) passes in milliseconds, yet is on no SDK's
 *   list of retries: we wait and send again.
 */
#include <errno.h>

#include "ddb_store.h"

static bool is_conflict(const struct error *e) {
        return str_eq(str_of(e->code), STR("TransactionConflictException"));
}

static bool update_done(const struct write *w, const struct item *item) {
        for (uint32_t i = 0; i < w->n_set; i++) {
                const struct value *v = item_get(item, w->set[i].name);

                if (!v || !value_equal(v, &w->set[i].value))
                        return false;
        }
        for (uint32_t i = 0; i < w->n_remove; i++)
                if (item_get(item, w->remove[i]))
                        return false;
        return true;
}

/* The item is as w leaves it. */
static bool write_done(const struct write *w, const struct items *now) {
        switch (w->op) {
        case WRITE_PUT:
                return now->n == 1 && item_equal(&now->v[0], w->item);
        case WRITE_UPDATE:
                return now->n == 1 && update_done(w, &now->v[0]);
        case WRITE_DELETE:
                return now->n == 0;
        case WRITE_CHECK:
                break;
        }
        return false;
}

/* After an uncertain attempt a condition did not hold: 0 when it was our own write, and *now is the item; else
 * `refused` again, or the error of the read. */
static int resolve(struct ddb_store *d, struct op_ctx *ctx, const struct write *w, const struct error *refused,
                   struct items *now, struct error *reterr) {
        struct get_request q = { .table = w->table, .key = w->key, .consistent = true };
        int r = 0;

        if (w->op == WRITE_PUT)
                r = key_of_item(&w->table->key, w->item, &q.key);
        if (!r) {
                r = ddb_get(&d->store, ctx, &q, now, reterr);
                if (r || write_done(w, now))
                        return r;
        }
        if (reterr)
                *reterr = *refused;
        return -error_errno(refused->kind);
}

/* Send until there is no conflict.  *uncertain: an attempt that got no answer may have been applied. */
static int send(struct ddb_store *d, struct op_ctx *ctx, struct exchange *x, bool *uncertain, struct error *reterr) {
        int r;

        for (unsigned attempt = 1;; attempt++) {
                r = exchange_run(d, ctx, x, 0, reterr);
                *uncertain |= x->call.uncertain;
                if (!r || !is_conflict(&x->call.error))
                        return r;
                if (attempt == CONFLICT_ATTEMPTS_MAX)
                        return error_set(reterr, ERR_BUSY, "%s: the item is in a transaction (%u attempts)",
                                         x->call.operation, attempt);
                r = ddb_conflict_sleep(ctx, attempt, reterr);
                if (r)
                        return r;
                exchange_again(x);
        }
}

int ddb_write(struct store *s, struct op_ctx *ctx, const struct write *w, struct items *ret_new, struct error *reterr) {
        const char *operation = ddb_write_operation(w->op);
        struct ddb_store *d = ddb_store_of(s);
        _cleanup_(exchange_deinit) struct exchange x;
        _cleanup_(items_deinit) struct items items;
        struct ddb_usage usage;
        bool uncertain = false, resolved = false;
        int r;

        exchange_init(&x, operation ? operation : "ConditionCheck");
        items_init(&items);
        r = ddb_built(ddb_request_write(w, ret_new != NULL, &x.body), x.call.operation, reterr);
        if (r)
                return r;

        r = send(d, ctx, &x, &uncertain, reterr);
        if (r && uncertain && x.call.error.kind == ERR_CONDITION) {
                r = resolve(d, ctx, w, &x.call.error, &items, reterr);
                resolved = true;
        } else if (!r) {
                r = ddb_parse_write(x.call.operation, &x.call.response.body, &items, &usage, reterr);
                if (!r)
                        ddb_account(d, ctx, true, &usage);
        }
        if (r || !ret_new)
                return r;
        if (w->return_old ? resolved : w->op != WRITE_UPDATE)
                items_deinit(&items);
        items_move(ret_new, &items);
        return 0;
}
