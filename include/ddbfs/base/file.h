/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Files read and written whole, however many system calls that takes and whichever signals come. */
#include "ddbfs/base/buf.h"

/* Writes data from byte `offset` on of a regular file.  0 or -errno: then some of it may be written. */
_must_check_ int file_write_all(int fd, uint64_t offset, struct str data);
/* Appends the whole content to out; of a pipe: what is left in it.  0, -errno, or the error of out: it should have room
 * for FILE_READ_PIECE more than the largest file. */
#define FILE_READ_PIECE (16 * KIB)
_must_check_ int file_read_all(int fd, struct buf *out);
