/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the readers of error bodies share (aws_error.c, aws_error_xml.c). */
#include "ddbfs/aws/retry.h"

/* From a service's words, which may hold anything; detail goes behind the message, in brackets. */
void aws_error_fill(struct error *e, enum error_kind kind, int http_status, struct str code, struct str message,
                    struct str detail);
