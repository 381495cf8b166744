/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Items whose large attributes are in S3 (item.c). */
#include "ddbfs/base/op_ctx.h"
#include "ddbfs/store/store.h"

struct fs;

/* Small attributes that are kept in S3 are shown in the text: their content is fetched first (of all items).  An object
 * that is gone is ERR_PROTOCOL. */
_must_check_ int items_fill(struct fs *fs, struct op_ctx *ctx, struct items *items, struct error *e);
bool item_unfilled(struct fs *fs, const struct item *item); /* its text is not what reading it would show */
/* Where both have the same content, `to` refers to S3 as `from` does. */
void item_take_references(struct item *to, const struct item *from);
