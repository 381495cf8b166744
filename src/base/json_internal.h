/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Between json.c and json_string.c. */
#include "ddbfs/base/json.h"

/* The string whose opening quote is at r->pos: to r->value, r->pos behind its end.  0 or as json_fail(). */
_must_check_ int json_read_string(struct json_reader *r);
