/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * --local=FILE: the local engine `dynoxide` on a file, for the life of the mount.  It listens on a free
 * port of 127.0.0.1, is killed when this process ends however it ends, and the file is locked for as long
 * as it runs.  Start it from the main thread: the kernel ties "die with your parent" to the thread.
 */
#include <stdbool.h>
#include "ddbfs/base/error.h"

#define LOCAL_ENGINE_REGION "us-east-1"
#define LOCAL_ENGINE_KEY "ddbfslocal" /* the engine wants a key and checks none */

struct local_engine_options {
        const char *file;          /* absolute */
        const char *mountpoint;    /* written to the lock file, for the next who asks */
        const char *program;       /* NULL: found by local_engine_find() */
        uint64_t start_timeout_ns; /* 0: 5 s */
};

struct local_engine;
/* 0, or -errno with one line in reterr and nothing left running. */
_must_check_ int local_engine_start(const struct local_engine_options *o, struct local_engine **ret,
                                    struct error *reterr);
/* "http://127.0.0.1:PORT" */
const char *local_engine_url(const struct local_engine *e);
/* SIGTERM, SIGKILL after a while, reaped, unlocked.  NULL is fine; returns NULL. */
struct local_engine *local_engine_free(struct local_engine *e);
DEFINE_CLEANUP(struct local_engine, local_engine_free)

/* Beside the executable, in the libexec folder, in PATH.  *ret is the caller's (mem_free). -ENOENT: nowhere. */
_must_check_ int local_engine_find(char **ret, struct error *reterr);
