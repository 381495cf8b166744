/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Signals, taken by one thread of their own: SIGTERM, SIGINT and SIGHUP end the mount cleanly, SIGUSR1
 * logs the statistics, SIGUSR2 goes to the next log level.  SIGPIPE and SIGXFSZ (a file over
 * ulimit -f) are ignored: the call that met them fails.
 */
#include <stdbool.h>
#include "ddbfs/base/op_ctx.h"
#include "ddbfs/fuse/session.h"

struct signals;
/* Blocks the signals in the calling thread, and so in all threads it starts later. */
_must_check_ int signals_new(struct signals **ret, struct error *reterr);
/* The signals stay blocked: what comes from here on is too late. */
struct signals *signals_free(struct signals *s);
DEFINE_CLEANUP(struct signals, signals_free)
/* What a signal to end is to stop: the operation at the start, then the session.  NULL: nothing any more.
 * When one has come already the target is stopped at once. */
void signals_set_ctx(struct signals *s, struct op_ctx *ctx);
void signals_set_session(struct signals *s, struct session *session);
bool signals_stopped(struct signals *s);
