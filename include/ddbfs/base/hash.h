/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* SipHash-2-4 (Aumasson, Bernstein 2012), 64 bit.  hash_seeded uses a random per-process key: for hash
 * tables fed from outside.  hash_stable uses a fixed key: for values that must survive a remount. */
#include "ddbfs/base/str.h"

/* The function itself, under a key of 128 bits (its two halves, little-endian). */
uint64_t hash_siphash(uint64_t k0, uint64_t k1, struct str s);
uint64_t hash_seeded(uint64_t seed, struct str s);
uint64_t hash_stable(uint64_t seed, struct str s);
