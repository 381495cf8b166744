/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The stack: settings, credentials, transport, client, store, file system, session; built bottom up,
 * torn down top down.
 */
#include "ddbfs/app/config.h"

/*
 * Mounts and serves until unmounted or told to stop; goes to the background first unless c->foreground.
 * Returns the exit status of this process: in the parent as soon as the child's mount answers.
 */
int app_run(const struct config *c);
