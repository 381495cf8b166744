/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Time.  Tests may set both clocks (clock_fake). */
#include <stdbool.h>
#include "ddbfs/base/str.h"

uint64_t clock_now_ns(void);      /* monotonic */
int64_t clock_wall_s(void);       /* seconds since the epoch, UTC */
uint64_t clock_wall_ns(void);     /* nanoseconds since the epoch */
/* Tests: from now on both clocks stand still at these values; clock_real() goes back to the real ones. */
void clock_fake(uint64_t mono_ns, uint64_t wall_ns);
void clock_real(void);
/* A sleep until the monotonic time under fake clocks: they jump there and it returns true; false when the
 * clocks are real, or the time is UINT64_MAX.  op_ctx_sleep_until() calls it, so tests of retries need not wait. */
bool clock_fake_sleep(uint64_t until_ns);

#define CLOCK_AMZ_LEN 17          /* "20150830T123600Z" and its NUL */
void clock_format_amz(int64_t wall_s, char out[CLOCK_AMZ_LEN]);
#define CLOCK_ISO_LEN 25          /* "2015-08-30T12:36:00.123Z" and its NUL */
void clock_format_iso(uint64_t wall_ns, char out[CLOCK_ISO_LEN]);
/* RFC 3339 / ISO 8601 UTC or with offset, fraction optional ("2026-11-20T16:50:00Z"); "UTC" for
 * "Z" too, as old SSO token files have it.  false: malformed. */
bool clock_parse_iso(struct str s, int64_t *ret_wall_s);
/* HTTP Date header, IMF-fixdate ("Sun, 06 Nov 1994 08:49:37 GMT").  false: malformed. */
bool clock_parse_http(struct str s, int64_t *ret_wall_s);
