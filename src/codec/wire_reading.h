/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The wire's value reader, for the item text in DynamoDB's own format. */
#include "reading.h"

_must_check_ int wire_reading_value(struct reading *g, enum json_token token, struct value *ret);
