/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Response bodies of DynamoDB's API.  Pure.  The service is not trusted: whatever is not of the documented
 * shape is -EIO with ERR_PROTOCOL and one line; members nobody asked for are skipped.
 *
 * Parsers of items take the body over (it is empty afterwards, on failure too) and append to items, which is
 * initialised by the caller and good for nothing but items_deinit() after a failure.
 */
#include "ddbfs/base/buf.h"
#include "ddbfs/store/store.h"

/* Consumed capacity, summed over tables.  Transactions tell reads from writes; the others only total. */
struct ddb_usage {
        double total, read, write;
};

/* What a batch did not get done: a key, or the whole item of a put. */
struct ddb_left {
        struct str table;
        struct item item;
};
struct ddb_lefts { /* lives in the arena of the items */
        uint32_t n, cap;
        struct ddb_left *v;
};

_must_check_ int ddb_parse_get(struct buf *body, struct items *items, struct ddb_usage *usage, struct error *reterr);
/* Query (what = "Query") or Scan.  count: there are no items, only their number. */
_must_check_ int ddb_parse_page(const char *what, struct buf *body, bool count, struct items *items,
                                struct ddb_usage *usage, struct error *reterr);
/* PutItem, UpdateItem, DeleteItem: 0 or 1 items. */
_must_check_ int ddb_parse_write(const char *what, struct buf *body, struct items *items, struct ddb_usage *usage,
                                 struct error *reterr);
_must_check_ int ddb_parse_batch_get(struct buf *body, struct items *items, struct ddb_lefts *left,
                                     struct ddb_usage *usage, struct error *reterr);
_must_check_ int ddb_parse_batch_write(struct buf *body, struct items *items, struct ddb_lefts *left,
                                       struct ddb_usage *usage, struct error *reterr);
/* n: how many were asked for; absent ones have attributes == NULL. */
_must_check_ int ddb_parse_transact_get(struct buf *body, uint32_t n, struct items *items, struct ddb_usage *usage,
                                        struct error *reterr);
_must_check_ int ddb_parse_transact_write(struct buf *body, struct items *items, struct ddb_usage *usage,
                                          struct error *reterr);

/* Why a transaction was cancelled, from the body of the error. */
struct ddb_cancelled {
        uint32_t n;         /* reasons */
        bool transient;     /* nothing but conflicts and throttles: worth another try */
        uint32_t action;    /* the first guilty action; of a transient one, the first in conflict */
        char code[ERROR_CODE_LEN];
        char message[ERROR_MESSAGE_LEN];
};
_must_check_ int ddb_parse_cancelled(struct str body, struct ddb_cancelled *ret, struct error *reterr);

/* Appends to names->v and sets names->next. */
_must_check_ int ddb_parse_tables(struct str body, struct names *names, struct error *reterr);
/* asked: what DescribeTable was asked for, a name or an ARN. */
_must_check_ int ddb_parse_describe(struct str body, struct str asked, struct table_schema **ret, struct error *reterr);
/* 3 to 255 of a-z A-Z 0-9 _ . - as the service wants them; 1 and 2 are let pass. */
bool ddb_name_valid(struct str name);
