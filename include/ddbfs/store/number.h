/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* DynamoDB numbers as decimal text (aws-facts 1.2).  Pure.  No floating point decides a digit. */
#include "ddbfs/base/buf.h"

enum { _NUMBER_E_SUCCESS, NUMBER_E_MALFORMED, NUMBER_E_DIGITS /* over 38 */, NUMBER_E_RANGE };
#define NUMBER_TEXT_MAX 512      /* longest input looked at; longer is NUMBER_E_MALFORMED */
#define NUMBER_CANONICAL_MAX 170 /* of the canonical form: "-0.", 129 zeros and 38 digits */
#define NUMBER_DIGITS_MAX 38

/* Input grammar as the service's: optional sign, leading zeros, leading '.', exponent.  Appends the
 * canonical plain decimal form ("-0.5", "1000", "0"): no exponent, no needless zeros.  0 or NUMBER_E_*
 * (and nothing appended); want of memory shows in the buffer's status. */
_must_check_ int number_canonical(struct str in, struct buf *out);
bool number_is_canonical(struct str in);
/* Significant digits of any number of the grammar, for messages; 0: malformed, or zero. */
unsigned number_digits(struct str in);
int number_cmp(struct str a, struct str b); /* both canonical; numeric order */
/* true when an IEEE double carries it: the shortest decimal that reads back as the same double equals it. */
bool number_fits_double(struct str canonical);
