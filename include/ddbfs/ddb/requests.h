/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Request bodies of DynamoDB's API.  Pure.  Every attribute name is an alias (#n0, #n1 ...) and every value a
 * placeholder (:v0, :v1 ...), numbered in the order of the expressions, so that no reserved word, dot or
 * bracket in a name can matter.  Every body asks for the consumed capacity.
 *
 * All append to out and return 0, -EINVAL (the request contradicts its schema), -ENOMEM or the buffer's error.
 */
#include "ddbfs/base/buf.h"
#include "ddbfs/store/store.h"

#define DDB_REQUEST_MAX (16 * MIB) /* the service refuses larger bodies */

_must_check_ int ddb_request_get(const struct get_request *q, struct buf *out);
_must_check_ int ddb_request_query(const struct query_request *q, struct buf *out);
_must_check_ int ddb_request_scan(const struct scan_request *q, struct buf *out);

/* "PutItem", "UpdateItem", "DeleteItem"; NULL for WRITE_CHECK, which exists in transactions only. */
const char *ddb_write_operation(enum write_op op);
/* all_new: an UPDATE answers with the item as it is afterwards. */
_must_check_ int ddb_request_write(const struct write *w, bool all_new, struct buf *out);

_must_check_ int ddb_request_transact_write(const struct write *w, uint32_t n, struct str token, struct buf *out);
_must_check_ int ddb_request_transact_get(const struct get_request *q, uint32_t n, struct buf *out);
/* Those of q and w that the n indexes in pick name.  Writes are grouped by table (pick is sorted for it). */
_must_check_ int ddb_request_batch_get(const struct get_request *q, const uint32_t *pick, uint32_t n, struct buf *out);
_must_check_ int ddb_request_batch_write(const struct write *w, uint32_t *pick, uint32_t n, struct buf *out);

/* start: continue after this name; empty: from the beginning. */
_must_check_ int ddb_request_list_tables(struct str start, struct buf *out);
_must_check_ int ddb_request_describe(struct str table, struct buf *out);
