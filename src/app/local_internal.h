/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Pieces of the local engine: a port of its own and a lock on its file.
 */
#include <sys/types.h>
#include <stdbool.h>
#include "ddbfs/base/error.h"
#include "ddbfs/base/str.h"

/* A port of 127.0.0.1 that was free a moment ago.  0 or -errno. */
_must_check_ int local_port_choose(uint16_t *ret);
enum { _LOCAL_PORT_E_SUCCESS, LOCAL_PORT_E_NOBODY, LOCAL_PORT_E_OTHER };
/*
 * Who listens on the port?  0: process pid, or there is no telling; else LOCAL_PORT_E_*.  Two engines that
 * were given one port must not be taken for each other: each serves another file.
 */
_must_check_ int local_port_owner(uint16_t port, pid_t pid);
bool local_port_listens(uint16_t port); /* anybody; false when there is no telling */
/* The inode of the socket that listens on 127.0.0.1:port by a text like /proc/net/tcp; 0: none. */
uint64_t local_port_inode(struct str tcp, uint16_t port);

struct lock_file {
        int fd;     /* -1: not locked */
        char *path; /* owned */
};
#define LOCK_FILE_NONE ((struct lock_file){ .fd = -1 })
/*
 * Lock FILE.lock for this process and those that inherit the descriptor; `who` goes into it.  Taken:
 * -EBUSY, with what its owner wrote there in reterr.
 */
_must_check_ int lock_file_take(const char *file, const char *who, struct lock_file *ret, struct error *reterr);
void lock_file_release(struct lock_file *l); /* and removes it */
