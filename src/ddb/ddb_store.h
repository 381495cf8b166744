/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The store over DynamoDB: what its files share.  Private to ddb/. */
#include "ddb_budget.h"
#include "ddbfs/ddb/ddb.h"
#include "ddbfs/ddb/requests.h"
#include "ddbfs/ddb/responses.h"

struct ddb_store {
        struct store store;
        struct aws_client *client; /* borrowed */
        struct budget reads, writes;
};

static inline struct ddb_store *ddb_store_of(struct store *s) {
        return CONTAINER_OF(s, struct ddb_store, store);
}

/* One request and its answer. */
struct exchange {
        struct buf body; /* of the request; the builders append to it */
        struct aws_call call;
        struct budget *budget; /* in which it has reserved; NULL: none */
        double reserved;
};
/* For those who send many pages or batches: reserve before one is sent, give back when it has ended. */
void exchange_reserve(struct exchange *x, struct budget *b);
void exchange_refund(struct exchange *x);
/* Until the budget lets another one start. */
_must_check_ int exchange_wait(struct op_ctx *ctx, struct budget *b, const char *operation, struct error *reterr);
void exchange_init(struct exchange *x, const char *operation);
void exchange_deinit(struct exchange *x);
void exchange_again(struct exchange *x); /* ready for another call; keeps the memory and the body */
/* Send it, unless `built`, the builder's status, says that there is nothing to send. */
_must_check_ int exchange_run(struct ddb_store *d, struct op_ctx *ctx, struct exchange *x, int built,
                              struct error *reterr);
/* A builder's status as an error. */
_must_check_ int ddb_built(int r, const char *operation, struct error *reterr);
void ddb_account(struct ddb_store *d, struct op_ctx *ctx, bool write, const struct ddb_usage *usage);
/* Hand over what was read: *to is emptied first, *from is empty afterwards. */
void items_move(struct items *to, struct items *from);

/* Conflicts with transactions, which no SDK retries: sleep before attempt number `attempt` + 1 (from 1). */
#define CONFLICT_ATTEMPTS_MAX 8
_must_check_ int ddb_conflict_sleep(struct op_ctx *ctx, unsigned attempt, struct error *reterr);

/* ops of the vtable that live in files of their own */
int ddb_describe_all(struct store *store, struct op_ctx *ctx, const struct str *tables, uint32_t n, describe_sink sink,
                     void *arg, struct error *reterr);
int ddb_get(struct store *s, struct op_ctx *ctx, const struct get_request *q, struct items *ret, struct error *reterr);
int ddb_write(struct store *s, struct op_ctx *ctx, const struct write *w, struct items *ret_new, struct error *reterr);
int ddb_batch_get(struct store *s, struct op_ctx *ctx, const struct get_request *q, uint32_t n, struct items *ret,
                  struct error *reterr);
int ddb_batch_write(struct store *s, struct op_ctx *ctx, const struct write *w, uint32_t n, int *results,
                    struct error *reterr);
int ddb_write_all(struct store *s, struct op_ctx *ctx, const struct write_source *source, struct error *reterr);
int ddb_scan_all(struct store *s, struct op_ctx *ctx, const struct scan_request *q, uint32_t segments,
                 const struct scan_sink *sink, struct error *reterr);
int ddb_transact_write(struct store *s, struct op_ctx *ctx, const struct write *w, uint32_t n, struct error *reterr);
int ddb_transact_get(struct store *s, struct op_ctx *ctx, const struct get_request *q, uint32_t n, struct items *ret,
                     struct error *reterr);
