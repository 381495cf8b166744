/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ports of the loopback interface: choosing one, and asking the kernel's socket table whose it is.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include "ddbfs/base/file.h"
#include "local_internal.h"

#define TCP_TABLE_MAX (16 * MIB)

int local_port_choose(uint16_t *ret) {
        struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
        socklen_t n = sizeof(a);
        int fd, r = 0;

        fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return -errno;
        if (bind(fd, (struct sockaddr *)(void *)&a, n) < 0 || getsockname(fd, (struct sockaddr *)(void *)&a, &n) < 0)
                r = -errno;
        close(fd);
        if (!r)
                *ret = ntohs(a.sin_port);
        return r;
}

static struct str next_line(struct str *text) {
        const char *end = text->n ? memchr(text->p, '\n', text->n) : NULL;
        struct str line = str_make(text->p, end ? (size_t)(end - text->p) : text->n);

        *text = str_skip(*text, line.n + 1);
        return line;
}

static struct str next_word(struct str *line) {
        struct str word;
        size_t n = 0;

        while (line->n && *line->p == ' ')
                *line = str_skip(*line, 1);
        while (n < line->n && line->p[n] != ' ')
                n++;
        word = str_make(line->p, n);
        *line = str_skip(*line, n);
        return word;
}

/* Columns: number, local address, remote address, state (0A: listening), queues, timer, retransmits, uid,
 * timeout, inode. */
uint64_t local_port_inode(struct str tcp, uint16_t port) {
        char wanted[sizeof("00000000:0000")];

        snprintf(wanted, sizeof(wanted), "%08X:%04X", htonl(INADDR_LOOPBACK), port);
        while (tcp.n) {
                struct str line = next_line(&tcp), inode;

                next_word(&line);
                if (!str_eq(next_word(&line), str_of(wanted)))
                        continue;
                next_word(&line);
                if (!str_eq(next_word(&line), STR("0A")))
                        continue;
                for (int i = 0; i < 5; i++)
                        next_word(&line);
                inode = next_word(&line);
                /* the text ends in a NUL or the next column: strtoull stops there */
                return inode.n ? strtoull(inode.p, NULL, 10) : 0;
        }
        return 0;
}

static int read_file(const char *path, struct buf *out) {
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        int r;

        if (fd < 0)
                return -errno;
        r = file_read_all(fd, out);
        close(fd);
        return r;
}

/* Has the process this socket open?  1, 0, or -errno when we may not look. */
static int has_socket(pid_t pid, uint64_t inode) {
        char folder[64], wanted[64], target[64];
        struct dirent *e;
        int found = 0;
        DIR *d;

        snprintf(folder, sizeof(folder), "/proc/%ld/fd", (long)pid);
        snprintf(wanted, sizeof(wanted), "socket:[%llu]", (unsigned long long)inode);
        d = opendir(folder);
        if (!d)
                return -errno;
        while (!found && (e = readdir(d))) {
                ssize_t n = readlinkat(dirfd(d), e->d_name, target, sizeof(target));

                found = n > 0 && str_eq(str_make(target, (size_t)n), str_of(wanted));
        }
        closedir(d);
        return found;
}

bool local_port_listens(uint16_t port) {
        _cleanup_(buf_deinit) struct buf tcp = BUF_INIT(TCP_TABLE_MAX);

        return read_file("/proc/net/tcp", &tcp) == 0 && local_port_inode(buf_view(&tcp), port) != 0;
}

int local_port_owner(uint16_t port, pid_t pid) {
        _cleanup_(buf_deinit) struct buf tcp = BUF_INIT(TCP_TABLE_MAX);
        uint64_t inode;

        if (read_file("/proc/net/tcp", &tcp))
                return 0;
        inode = local_port_inode(buf_view(&tcp), port);
        if (!inode)
                return LOCAL_PORT_E_NOBODY;
        return has_socket(pid, inode) == 0 ? LOCAL_PORT_E_OTHER : 0;
}
