/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A large attribute on its way to S3 while it is written, from its beginning to its end (stream.c).  A draft whose text
 * grows over STREAM_FROM becomes one; draft.busy is held by whoever calls.
 */
#include "ddbfs/base/op_ctx.h"
#include "ddbfs/store/value.h"
#include "place_internal.h"

#define STREAM_FROM MIB

struct fs;
struct stream;

/* Of the attribute at this place. */
_must_check_ int stream_new(struct fs *fs, struct op_ctx *ctx, const struct place *p, struct stream **ret, struct error *e);
/* One that is in S3 already, to be written on at its end; the value is copied. */
_must_check_ int stream_of_value(struct fs *fs, const struct place *p, const struct value *v, struct stream **ret,
                                 struct error *e);
uint64_t stream_size(const struct stream *x);
/* After stream_finish() the object so far is copied first. */
_must_check_ int stream_append(struct stream *x, struct op_ctx *ctx, struct str data, struct error *e);
bool stream_is_text(const struct stream *x); /* all of it is UTF-8 */
/* *ret: what the attribute becomes, in the arena; once for all calls that follow without an append. */
_must_check_ int stream_finish(struct stream *x, struct op_ctx *ctx, enum value_type type, struct arena *a, struct value *ret,
                               struct error *e);
/* The object is there, whatever it is: what could not be saved can be had from it. */
_must_check_ int stream_complete(struct stream *x, struct op_ctx *ctx, struct error *e);
/* All of it, piece by piece, after stream_complete(); -errno of take(), too. */
_must_check_ int stream_content(struct stream *x, struct op_ctx *ctx, int (*take)(void *arg, struct str piece), void *arg,
                                struct error *e);
/* The object stays though nothing refers to it; its URL. */
void stream_leave(struct stream *x, struct op_ctx *ctx, struct buf *ret);
/* How the write of that value ended: what failed leaves nothing in S3. */
void stream_written(struct stream *x, struct op_ctx *ctx, int r, const struct error *e);
struct stream *stream_free(struct stream *x, struct op_ctx *ctx); /* NULL is fine; returns NULL */
