/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* SipHash (Aumasson, Bernstein 2012), 64 bit.  hash_seeded uses a random per-process key: for hash tables fed from
 * outside and for telling texts apart; it is SipHash-1-3, half the work, since its values leave the process
 * nowhere.  hash_stable uses a fixed key and SipHash-2-4: for values that must survive a remount. */
#include "ddbfs/base/str.h"

/* The function itself, under a key of 128 bits (its two halves, little-endian). */
uint64_t hash_siphash(uint64_t k0, uint64_t k1, struct str s);   /* 2-4 */
uint64_t hash_siphash13(uint64_t k0, uint64_t k1, struct str s); /* 1-3 */
uint64_t hash_seeded(uint64_t seed, struct str s);
uint64_t hash_stable(uint64_t seed, struct str s);
