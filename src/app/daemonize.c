/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The status pipe.  The child writes one byte, its exit status, and for a failure a line of text; the
 * parent reads until the end of file and prints the line.  A child that dies without a word is reported
 * by what waitpid() says.  The pipe is close-on-exec, so that no helper program keeps it open.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include "ddbfs/app/daemonize.h"
#include "ddbfs/base/error.h"
#include "ddbfs/base/log.h"

#define STATUS_TEXT_MAX 1024

int daemon_prepare_stdio(void) {
        int fd;

        do {
                fd = open("/dev/null", O_RDWR);
                if (fd < 0)
                        return -errno;
        } while (fd <= STDERR_FILENO);
        close(fd);
        return 0;
}

/* A caller that reads from us to the end, $(ddbfs ...), would wait for the daemon's copies. */
void daemon_close_inherited(void) {
        (void)close_range(STDERR_FILENO + 1, ~0U, 0);
}

/* How a child ended that said nothing; its status for the shell. */
static int explain_death(pid_t pid) {
        int w = 0;

        while (waitpid(pid, &w, 0) < 0)
                if (errno != EINTR)
                        return 1;
        if (WIFSIGNALED(w))
                fprintf(stderr, "ddbfs: ended by signal %d (%s) before it had mounted\n", WTERMSIG(w),
                        strsignal(WTERMSIG(w)));
        else
                fprintf(stderr, "ddbfs: ended with status %d before it had mounted\n", WEXITSTATUS(w));
        return WIFEXITED(w) && WEXITSTATUS(w) ? WEXITSTATUS(w) : 1;
}

static int await_child(int fd, pid_t pid) {
        char text[STATUS_TEXT_MAX + 1];
        size_t n = 0;

        while (n < STATUS_TEXT_MAX) {
                ssize_t k = read(fd, text + n, STATUS_TEXT_MAX - n);

                if (k < 0 && errno == EINTR)
                        continue;
                if (k <= 0)
                        break;
                n += (size_t)k;
        }
        if (!n)
                return explain_death(pid);
        if (n > 1)
                fprintf(stderr, "ddbfs: %.*s\n", (int)(n - 1), text + 1);
        return (unsigned char)text[0];
}

void daemon_init_foreground(struct daemon *d) {
        *d = (struct daemon){ .fd = -1 };
}

int daemon_fork(struct daemon *d, int *ret_status) {
        int fds[2];
        pid_t pid;

        daemon_init_foreground(d);
        if (pipe2(fds, O_CLOEXEC) < 0)
                return -errno;
        fflush(NULL); /* what is buffered must not be written twice */
        pid = fork();
        if (pid < 0) {
                int r = -errno;

                close(fds[0]);
                close(fds[1]);
                return r;
        }
        if (pid == 0) {
                close(fds[0]);
                d->fd = fds[1];
                return 0;
        }
        close(fds[1]);
        d->pid = pid;
        *ret_status = await_child(fds[0], pid);
        close(fds[0]);
        return DAEMON_E_PARENT;
}

/* The parent may be gone (a Ctrl-C it got alone): then there is nobody to tell. */
static void tell_parent(struct daemon *d, int status, const char *line) {
        char text[STATUS_TEXT_MAX];
        size_t n = MIN(line ? strlen(line) : 0, sizeof(text) - 1), done = 0;

        text[0] = (char)status;
        if (n)
                memcpy(text + 1, line, n);
        while (done < n + 1) {
                ssize_t k = write(d->fd, text + done, n + 1 - done);

                if (k < 0 && errno == EINTR)
                        continue;
                if (k <= 0)
                        break;
                done += (size_t)k;
        }
        close(d->fd);
        d->fd = -1;
}

/* The service manager's readiness protocol: one datagram to the socket it named. */
static void tell_manager(void) {
        static const char text[] = "READY=1";
        const char *path = getenv("NOTIFY_SOCKET");
        struct sockaddr_un a = { .sun_family = AF_UNIX };
        size_t n = path ? strlen(path) : 0;
        int fd;

        if (n < 2 || n >= sizeof(a.sun_path) || (path[0] != '/' && path[0] != '@'))
                return;
        memcpy(a.sun_path, path, n);
        if (path[0] == '@')
                a.sun_path[0] = '\0'; /* an abstract name */
        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return;
        if (sendto(fd, text, sizeof(text) - 1, MSG_NOSIGNAL, (struct sockaddr *)(void *)&a,
                   (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)) < 0)
                log_warn("cannot tell the service manager at %s: %s", path, strerror(errno));
        close(fd);
}

/* Not before the mount answers: until then Ctrl-C reaches us and relative paths mean what they meant. */
static int leave_caller(void) {
        int fd;

        if (setsid() < 0)
                return -errno;
        if (chdir("/") < 0)
                return -errno;
        fd = open("/dev/null", O_RDWR | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        for (int i = STDIN_FILENO; i <= STDERR_FILENO; i++)
                if (dup2(fd, i) < 0) {
                        int r = -errno;

                        close(fd);
                        return r;
                }
        if (fd > STDERR_FILENO)
                close(fd);
        return 0;
}

int daemon_ready(struct daemon *d) {
        int r;

        if (d->fd >= 0) {
                r = leave_caller();
                if (r)
                        return r;
                tell_parent(d, 0, NULL);
        }
        tell_manager();
        return 0;
}

void daemon_fail(struct daemon *d, int status, const char *line) {
        if (d->fd >= 0)
                tell_parent(d, status, line);
        else if (line)
                fprintf(stderr, "ddbfs: %s\n", line);
}
