/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Values to JSON text, in both formats, indented or not: one writer, so that layouts cannot differ. */
#include "ddbfs/base/buf.h"
#include "ddbfs/store/value.h"

struct rendering {
        struct buf *out;
        bool compact;    /* no white space at all */
        bool dynamodb;   /* {"S": "..."} */
        bool stored;     /* as the table has it: what is kept in S3 is the reference, never its content */
        unsigned indent; /* levels of two spaces */
};

void render_value(struct rendering *w, const struct value *v);
void render_body(struct rendering *w, const struct value *v); /* without its tag */
/* An object of these attributes, in their order; never tagged. */
void render_attributes(struct rendering *w, const struct attribute *a, uint32_t n);

/* The pieces of an object, for a caller with an order of its own; nothing but attributes between them. */
void render_attribute(struct rendering *w, const struct attribute *a, bool first);
void render_open(struct rendering *w, char bracket);
void render_close(struct rendering *w, char bracket);
