/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Wiping of text that may be secret, in memory of our own: arenas and buffers do not do it. */
#include <string.h>
#include "ddbfs/base/str.h"

static inline void secret_wipe(struct str s) {
        union {
                const char *c;
                char *p;
        } text = { .c = s.p };

        if (s.n > 0)
                explicit_bzero(text.p, s.n);
}
