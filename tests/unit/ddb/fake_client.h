/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What no engine does on demand: lost answers, conflicts, throttles, unprocessed batches, nonsense.  The two functions
 * of aws/client.h that ddb/ calls are replaced at link time by a script, or a function.  The clock stands still, and
 * sleeping moves it.
 */
#include "fixture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "ddbfs/aws/client.h"
#include "ddbfs/base/clock.h"
#include "ddbfs/base/rng.h"
#include "ddbfs/ddb/ddb.h"

struct reply {
        const char *operation; /* expected; NULL: the end */
        const char *body;
        enum error_kind kind; /* ERR_NONE: 200 */
        const char *code;
        bool uncertain;
};

/* The service: of the running test, as all that follows. */
extern const struct reply *script;
extern int (*model)(struct aws_call *call); /* instead of a script */
extern unsigned calls;
extern char tokens[16][40]; /* ClientRequestTokens seen */
extern char last_body[4096];
int answer(struct aws_call *call, const char *body, enum error_kind kind, const char *code);
int denied_model(struct aws_call *call);

/* Who asks. */
extern struct store *store;
extern struct op_ctx ctx;
extern struct error err;
extern struct items got;

/* How long was slept. */
#define WAITED_S ((double)(clock_now_ns() - NS_PER_S) / (double)NS_PER_S)
#define KEY .table = &music, .key = { 2, { P_S("a"), P_S("b") } }

/* A case of which each test begins with a store of its own. */
TCase *fake_client_case(void);
int fake_client_run(TCase *t, const char *name); /* the exit status */
