/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transactions.  One idempotency token over all attempts, so that a repeat can never apply twice.  A transaction
 * cancelled by nothing but conflicts and throttles is sent again; any other reason is the caller's to handle.
 */
#include <errno.h>
#include <stdio.h>

#include "ddb_store.h"
#include "ddbfs/base/rng.h"

/* The error of a cancelled transaction, in the terms of the guilty action. */
static int cancelled(const struct exchange *x, const struct ddb_cancelled *c, enum error_kind kind,
                     struct error *reterr) {
        if (!reterr)
                return -error_errno(kind);
        error_set(reterr, kind, "%s: action %u: %s%s%s", x->call.operation, c->action, c->code,
                  c->message[0] ? ": " : "", c->message);
        reterr->http_status = x->call.error.http_status;
        reterr->action = c->action;
        snprintf(reterr->code, sizeof(reterr->code), "%s", c->code);
        snprintf(reterr->request_id, sizeof(reterr->request_id), "%s", x->call.error.request_id);
        return -error_errno(kind);
}

/* Send x until it is through or refused for good. */
static int transact(struct ddb_store *d, struct op_ctx *ctx, struct exchange *x, struct error *reterr) {
        struct ddb_cancelled c;
        int r;

        for (unsigned attempt = 1;; attempt++) {
                r = exchange_run(d, ctx, x, 0, reterr);
                if (!r || x->call.error.kind != ERR_CANCELLED)
                        return r;
                if (ddb_parse_cancelled(buf_view(&x->call.response.body), &c, /* reterr= */ NULL))
                        return r; /* the client's own error says as much as there is */
                if (!c.transient)
                        return cancelled(x, &c, ERR_CANCELLED, reterr);
                if (attempt == CONFLICT_ATTEMPTS_MAX)
                        return cancelled(x, &c, ERR_BUSY, reterr);
                r = ddb_conflict_sleep(ctx, attempt, reterr);
                if (r)
                        return r;
                exchange_again(x);
        }
}

static int check_count(uint32_t n, const char *operation, struct error *reterr) {
        if (n > TRANSACT_MAX)
                return error_set(reterr, ERR_INPUT, "%s: %u actions, at most %d go into one transaction", operation, n,
                                 TRANSACT_MAX);
        return 0;
}

int ddb_transact_write(struct store *s, struct op_ctx *ctx, const struct write *w, uint32_t n, struct error *reterr) {
        _cleanup_(exchange_deinit) struct exchange x;
        _cleanup_(items_deinit) struct items items;
        struct ddb_usage usage;
        char token[UUID_LEN];
        int r;

        exchange_init(&x, "TransactWriteItems");
        items_init(&items);
        r = check_count(n, x.call.operation, reterr);
        if (r || n == 0)
                return r;
        rng_uuid(token);
        r = ddb_built(ddb_request_transact_write(w, n, str_of(token), &x.body), x.call.operation, reterr);
        if (!r)
                r = transact(ddb_store_of(s), ctx, &x, reterr);
        if (!r)
                r = ddb_parse_transact_write(&x.call.response.body, &items, &usage, reterr);
        if (!r)
                ddb_account(ddb_store_of(s), ctx, true, &usage);
        return r;
}

int ddb_transact_get(struct store *s, struct op_ctx *ctx, const struct get_request *q, uint32_t n, struct items *ret,
                     struct error *reterr) {
        _cleanup_(exchange_deinit) struct exchange x;
        _cleanup_(items_deinit) struct items items;
        struct ddb_usage usage = { 0 };
        int r;

        exchange_init(&x, "TransactGetItems");
        items_init(&items);
        r = check_count(n, x.call.operation, reterr);
        if (!r && n > 0) {
                r = ddb_built(ddb_request_transact_get(q, n, &x.body), x.call.operation, reterr);
                if (!r)
                        r = transact(ddb_store_of(s), ctx, &x, reterr);
                if (!r)
                        r = ddb_parse_transact_get(&x.call.response.body, n, &items, &usage, reterr);
        }
        if (r)
                return r;
        ddb_account(ddb_store_of(s), ctx, false, &usage);
        items_move(ret, &items);
        return 0;
}
