/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#include "fixture.h"

/* A process that was killed, and is still looked at. */
static inline pid_t killed_process(void) {
        siginfo_t info;
        pid_t pid = fork();

        ck_assert_int_ge(pid, 0);
        if (pid == 0)
                for (;;)
                        pause();
        ck_assert_int_eq(kill(pid, SIGKILL), 0);
        ck_assert_int_eq(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
        return pid;
}
