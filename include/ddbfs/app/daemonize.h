/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Going to the background without lying: the parent exits only when its child has said that the mount
 * answers, or why it does not.  Fork before the first thread and before libcurl is initialised.
 */
#include <sys/types.h>
#include <stdbool.h>
#include "ddbfs/base/macros.h"

struct daemon {
        int fd;    /* child: where to report to; -1: in the foreground, or told already */
        pid_t pid; /* parent: the child */
};

/* Makes sure that file descriptors 0, 1 and 2 are open.  0 or -errno. */
_must_check_ int daemon_prepare_stdio(void);

/* Closes everything but 0, 1 and 2; before anything of ours is open. */
void daemon_close_inherited(void);

enum { _DAEMON_E_SUCCESS, DAEMON_E_PARENT };
/*
 * In the child: 0.  In the parent, once the child has reported or ended: DAEMON_E_PARENT with the exit
 * status to end with; the child's line, if any, is on stderr.  Or -errno.
 */
_must_check_ int daemon_fork(struct daemon *d, int *ret_status);
/* Foreground: nothing was forked. */
void daemon_init_foreground(struct daemon *d);

/* The child: leave the caller's session, folder and terminal, then tell the parent that all is well and
 * systemd (NOTIFY_SOCKET) too.  In the foreground only the latter.  From any thread. */
_must_check_ int daemon_ready(struct daemon *d);
/* Tell the parent, or stderr when in the foreground or already told, the one line that says why not. */
void daemon_fail(struct daemon *d, int status, const char *line);
