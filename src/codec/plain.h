/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The plain format's reader of values (item_text.c), for the texts of whole items and of single attributes. */
#include "reading.h"

int plain_value(struct reading *g, enum json_token token, struct value *ret);
/* Members of sets. */
int plain_member_s(struct reading *g, enum json_token token, struct value *ret);
int plain_member_n(struct reading *g, enum json_token token, struct value *ret);
int plain_member_b(struct reading *g, enum json_token token, struct value *ret);
