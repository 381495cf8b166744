/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A DynamoDB-compatible engine for the life of a test program: the one $DDBFS_ENGINE names, run as
 * `$DDBFS_ENGINE serve --host 127.0.0.1 --port N`. */
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct engine {
        pid_t pid;
        unsigned port;
};

static int engine_socket(unsigned *port) {
        struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t n = sizeof(a);
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (*port) {
                a.sin_port = htons((uint16_t)*port);
                if (connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0)
                        return fd;
        } else if (bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0 && getsockname(fd, (struct sockaddr *)&a, &n) == 0) {
                *port = ntohs(a.sin_port);
                return fd;
        }
        close(fd);
        return -1;
}

/* 0, or -1 with a line on stderr. */
static int engine_start(struct engine *e, const char *program) {
        char port[16];
        int fd;

        e->port = 0;
        fd = engine_socket(&e->port);
        if (fd < 0)
                return -1;
        close(fd); /* free again, and unlikely to be taken by another in the next milliseconds */
        snprintf(port, sizeof(port), "%u", e->port);
        e->pid = fork();
        if (e->pid == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                execl(program, program, "serve", "--host", "127.0.0.1", "--port", port, (char *)NULL);
                _exit(127);
        }
        for (int i = 0; e->pid > 0 && i < 500; i++) {
                fd = engine_socket(&e->port);
                if (fd >= 0) {
                        close(fd);
                        return 0;
                }
                if (waitpid(e->pid, NULL, WNOHANG) == e->pid)
                        break;
                nanosleep(&(struct timespec){ .tv_nsec = 10 * 1000 * 1000 }, NULL);
        }
        fprintf(stderr, "%s does not serve\n", program);
        return -1;
}

static void engine_stop(struct engine *e) {
        kill(e->pid, SIGKILL);
        waitpid(e->pid, NULL, 0);
}
