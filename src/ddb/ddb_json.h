/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Reading JSON of a known shape by tables.  Every function reads the reader's next value and returns 0, or
 * -errno with the reader failed.  Private to ddb/. */
#include "ddbfs/base/json.h"

typedef int (*shape_read)(struct json_reader *r, void *arg);

struct shape_member {
        const char *name;
        shape_read read;
};

/* An object: each known member at most once (null counts as absent), unknown ones skipped. */
_must_check_ int shape_object(struct json_reader *r, const struct shape_member *members, size_t n, void *arg);
_must_check_ int shape_array(struct json_reader *r, shape_read element, void *arg);
/* An object whose names are data: *key is set before each value is read. */
_must_check_ int shape_map(struct json_reader *r, struct str *key, shape_read value, void *arg);
/* What the next value is, without reading it; JSON_ERROR when the reader has failed. */
enum json_token shape_peek(struct json_reader *r);
_must_check_ int shape_count(struct json_reader *r, uint64_t *ret); /* digits only */
_must_check_ int shape_string(struct json_reader *r, struct str *ret);
/* The whole document, then its end.  A failure becomes ERR_PROTOCOL in reterr, or ERR_MEMORY. */
_must_check_ int shape_document(struct json_reader *r, const char *what, const struct shape_member *members, size_t n,
                                void *arg, struct error *reterr);
int shape_error(const struct json_reader *r, const char *what, struct error *reterr);
