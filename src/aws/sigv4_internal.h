/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "ddbfs/aws/sigv4.h"

void sigv4_hex(const uint8_t hash[SHA256_LEN], char out[2 * SHA256_LEN + 1]);
