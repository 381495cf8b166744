/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Private to ddb/.  Apart from ddb_schema.c, since base/json.h and jansson name their tokens alike. */
#include "ddbfs/ddb/responses.h"

/* The text of the member "Table", as it was sent: within body. */
_must_check_ int ddb_find_table(struct str body, struct str *ret, struct error *reterr);
