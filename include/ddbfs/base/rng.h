/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Random numbers: jitter and identifiers.  Thread-safe. */
#include <stdbool.h>
#include "ddbfs/base/macros.h"

/* n bytes from the kernel, whatever rng_seed() says.  false: it had none; the bytes then differ from
 * process to process but can be guessed. */
bool rng_kernel(void *p, size_t n);
double rng_unit(void);           /* uniform in [0, 1) */
uint64_t rng_u64(void);
#define UUID_LEN 37
void rng_uuid(char out[UUID_LEN]); /* random UUID, version 4, lower case */
void rng_seed(uint64_t seed);    /* tests: a fixed sequence; 0 goes back to the kernel's generator */
