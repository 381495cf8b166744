/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Hex, base64, base64url, percent encoding, SHA-256, CRC-32.  Pure. */
#include "ddbfs/base/buf.h"

void hex_encode(struct buf *out, struct str in);                        /* lower case */
void base64_encode(struct buf *out, struct str in);                     /* RFC 4648 section 4, padded */
void base64url_encode(struct buf *out, struct str in);                  /* section 5, no padding */
/* Strict: padding required, no white space, unused bits zero.  0, -EINVAL, or the buffer's error. */
_must_check_ int base64_decode(struct buf *out, struct str in);
_must_check_ int base64url_decode(struct buf *out, struct str in);      /* strict: no padding allowed */
/* RFC 3986: all but A-Za-z0-9-_.~ becomes %XX (upper case); keep_slash leaves '/' as it is. */
void percent_encode(struct buf *out, struct str in, bool keep_slash);

#define SHA256_LEN 32
/* 0, or -ENOMEM with out all zero.  A signature may ignore that (the service refuses it); whoever names
 * or compares things by a digest must not. */
int sha256(struct str in, uint8_t out[SHA256_LEN]);
int sha256_two(struct str a, struct str b, uint8_t out[SHA256_LEN]); /* the same of a followed by b */
/* The same piece by piece.  begin: NULL when there is no memory; add: 0 or -ENOMEM; end: the digest of all (out NULL:
 * only frees), frees, 0 or -ENOMEM.  NULL is fine for the latter two, and -ENOMEM. */
struct sha256_stream;
_must_check_ struct sha256_stream *sha256_begin(void);
_must_check_ int sha256_add(struct sha256_stream *s, struct str in);
int sha256_end(struct sha256_stream *s, uint8_t out[SHA256_LEN]);
uint32_t crc32_ieee(uint32_t crc, struct str in);                       /* start with 0 */
