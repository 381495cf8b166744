/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the builders of single and of many requests share.  Private to ddb/. */
#include "ddb_expr.h"
#include "ddbfs/ddb/requests.h"

/* {"pk":{"S":"..."},...}; -EINVAL when the key is not of the table's schema. */
_must_check_ int ddb_put_key(struct buf *out, const struct table_schema *t, const struct key *key);
/* The members of a GetItem or a transaction's Get, without braces. */
_must_check_ int ddb_put_get(const struct get_request *q, struct buf *out);
/* The members of a PutItem, UpdateItem, DeleteItem or of a transaction's action, without braces. */
_must_check_ int ddb_put_write(const struct write *w, struct buf *out);

/* A claim ({"$s3": ...} that names no object) is for the layer above to resolve: written as it is it would be an empty
 * reference.  No request is built of one. */
bool ddb_has_claim(const struct attribute *a, uint32_t n);

/* Make room for about n more bytes in one go. */
void ddb_presize(struct buf *out, size_t n);
size_t ddb_item_room(const struct item *item);
size_t ddb_write_room(const struct write *w);
