/* SPDX-License-Identifier: Apache-2.0 */
#include "ddbfs/base/thread.h"

#include <stddef.h>

static _Thread_local void (*on_lasts)(void *arg);
static _Thread_local void *on_lasts_arg;

void thread_on_lasts(void (*fn)(void *arg), void *arg) {
        on_lasts = fn;
        on_lasts_arg = arg;
}

void thread_lasts(void) {
        void (*fn)(void *arg) = on_lasts;

        if (!fn)
                return;
        on_lasts = NULL;
        fn(on_lasts_arg);
}
