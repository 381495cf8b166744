/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* How every program of unit tests ends. */
#include <check.h>

/* Runs the suite as CK_* in the environment says, and takes it.  Returns what main() returns: not 0 when a test failed. */
static inline int suite_run(Suite *s) {
        SRunner *sr = srunner_create(s);
        int failed;

        srunner_run_all(sr, CK_ENV);
        failed = srunner_ntests_failed(sr);
        srunner_free(sr);
        return failed != 0;
}
