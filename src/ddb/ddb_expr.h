/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Expressions and their placeholders.  Expression text goes straight into the body; the names and values
 * behind the placeholders are remembered and written as ExpressionAttributeNames/Values by expr_finish().
 * Private to ddb/.
 */
#include "ddbfs/base/buf.h"
#include "ddbfs/store/store.h"

struct expr {
        struct buf *out;
        uint32_t n_names, n_values;
        uint32_t cap_names, cap_values;
        int err;              /* 0 or -EINVAL: more placeholders than announced */
        struct str *names;    /* owned array of borrowed strings */
        struct value *values; /* owned array of shallow copies */
};

/* Room for this many placeholders: more are never given out.  0 or -ENOMEM. */
_must_check_ int expr_init(struct expr *e, struct buf *out, uint64_t max_names, uint64_t max_values);
void expr_deinit(struct expr *e);

/* Append a placeholder. */
void expr_name(struct expr *e, struct str name);
void expr_value(struct expr *e, const struct value *v);
void expr_key_part(struct expr *e, const struct key_part *p);

/* Append a member, with its comma; nothing when there is nothing to say. */
void expr_projection(struct expr *e, const struct str *names, uint32_t n);
void expr_filters(struct expr *e, const struct filter *filters, uint32_t n);
void expr_conditions(struct expr *e, const struct condition *conditions, uint32_t n);
void expr_update(struct expr *e, const struct write *w);
/* The names and values.  0, -EINVAL or the buffer's error. */
_must_check_ int expr_finish(struct expr *e);
