/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Hashing of the signer: OpenSSL's SHA-256 is looked up once; by name and per call it costs as much as the
 * hashing of a small request. */
#include "ddbfs/aws/sigv4.h"

/* SHA-256 of a followed by b.  0 or -ENOMEM. */
_must_check_ int sigv4_hash(struct str a, struct str b, uint8_t out[SHA256_LEN]);
void sigv4_hex(const uint8_t hash[SHA256_LEN], char out[2 * SHA256_LEN + 1]);
