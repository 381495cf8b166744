/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <unistd.h>
#include "ddbfs/base/file.h"

int file_write_all(int fd, uint64_t offset, struct str data) {
        while (data.n > 0) {
                ssize_t put = pwrite(fd, data.p, data.n, (off_t)offset);

                if (put < 0 && errno == EINTR)
                        continue;
                if (put < 0)
                        return -errno;
                data = str_skip(data, (size_t)put);
                offset += (uint64_t)put;
        }
        return 0;
}

int file_read_all(int fd, struct buf *out) {
        off_t at = 0;

        for (;;) {
                char *room = buf_reserve(out, FILE_READ_PIECE);
                ssize_t got = room ? pread(fd, room, FILE_READ_PIECE, at) : 0;

                if (!room)
                        return buf_status(out);
                if (got < 0 && errno == ESPIPE)
                        got = read(fd, room, FILE_READ_PIECE);
                if (got < 0 && errno == EINTR)
                        continue;
                if (got <= 0)
                        return got < 0 ? -errno : 0;
                buf_commit(out, (size_t)got);
                at += got;
        }
}
