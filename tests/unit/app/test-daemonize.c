/* SPDX-License-Identifier: Apache-2.0 */
/* What the parent hears of a child that reports, fails or dies. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include "ddbfs/app/daemonize.h"
#include "../suite.h"

static char folder[] = "/tmp/ddbfs-test-XXXXXX";
static char long_line[3000];

static void say_ok(struct daemon *d) {
        _exit(daemon_ready(d) ? 1 : 0);
}

static void say_error(struct daemon *d) {
        daemon_fail(d, 1, "no such thing");
}

static void say_status(struct daemon *d) {
        daemon_fail(d, 7, "two\twords");
}

static void say_long(struct daemon *d) {
        daemon_fail(d, 1, long_line);
}

static void end(struct daemon *d _unused_) {
        _exit(3);
}

static void end_zero(struct daemon *d _unused_) {
        _exit(0);
}

static void die(struct daemon *d _unused_) {
        raise(SIGKILL);
}

static const struct {
        void (*child)(struct daemon *);
        int status;
        const char *line; /* part of what the parent prints */
} cases[] = {
        { say_ok, 0, "" },
        { say_error, 1, "ddbfs: no such thing\n" },
        { say_status, 7, "ddbfs: two\twords\n" },
        { say_long, 1, "xxxxxxxx" },
        { end, 3, "ended with status 3 before" },
        { end_zero, 1, "ended with status 0 before" },
        { die, 1, "signal 9" },
};

START_TEST(child) {
        char printed[4096];
        int saved = dup(STDERR_FILENO), status = -1, r;
        struct daemon d;
        FILE *f = tmpfile();
        size_t n;

        fflush(stdout);
        dup2(fileno(f), STDERR_FILENO);
        r = daemon_fork(&d, &status);
        if (r == 0) {
                cases[_i].child(&d);
                _exit(0);
        }
        fflush(stderr);
        dup2(saved, STDERR_FILENO);
        close(saved);
        rewind(f);
        n = fread(printed, 1, sizeof(printed) - 1, f);
        printed[n] = '\0';
        fclose(f);
        ck_assert_int_eq(r, DAEMON_E_PARENT);
        ck_assert_int_eq(status, cases[_i].status);
        ck_assert_msg(strstr(printed, cases[_i].line) != NULL, "%s", printed);
        ck_assert_msg(*cases[_i].line || !*printed, "%s", printed);
        ck_assert_msg(!*printed || strchr(printed, '\n') == printed + n - 1, "more than one line: %s", printed);
        waitpid(d.pid, NULL, 0);
}
END_TEST

/* The terminal, the folder and the session of the caller are left behind. */
static int look_around(struct daemon *d) {
        struct stat null, st;
        char cwd[16];

        if (daemon_ready(d) || d->fd != -1)
                return 1;
        if (getsid(0) != getpid())
                return 2;
        if (!getcwd(cwd, sizeof(cwd)) || strcmp(cwd, "/") != 0)
                return 3;
        if (stat("/dev/null", &null))
                return 4;
        for (int fd = 0; fd <= 2; fd++)
                if (fstat(fd, &st) || st.st_rdev != null.st_rdev)
                        return 5;
        return 0;
}

/* What the child does after it has reported is none of the parent's business. */
START_TEST(parent_does_not_wait) {
        int fds[2], status = -1, r;
        struct daemon d;
        char c;

        ck_assert_int_eq(pipe(fds), 0);
        r = daemon_fork(&d, &status);
        if (r == 0) {
                r = look_around(&d);
                _exit(read(fds[0], &c, 1) == 1 && c == 'x' ? r : 6);
        }
        ck_assert_int_eq(r, DAEMON_E_PARENT);
        ck_assert_int_eq(status, 0);
        ck_assert_int_eq(write(fds[1], "x", 1), 1);
        ck_assert_int_eq(waitpid(d.pid, &status, 0), d.pid);
        ck_assert_int_eq(WEXITSTATUS(status), 0);
        close(fds[0]);
        close(fds[1]);
}
END_TEST

START_TEST(manager_is_told) {
        struct sockaddr_un a = { .sun_family = AF_UNIX };
        char text[32] = "";
        struct daemon d;
        int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

        snprintf(a.sun_path, sizeof(a.sun_path), "%s/notify", folder);
        ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
        setenv("NOTIFY_SOCKET", a.sun_path, 1);
        daemon_init_foreground(&d);
        ck_assert_int_eq(daemon_ready(&d), 0);
        ck_assert_int_eq(recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT), 7);
        ck_assert_str_eq(text, "READY=1");
        setenv("NOTIFY_SOCKET", "nonsense", 1);
        ck_assert_int_eq(daemon_ready(&d), 0);
        ck_assert_int_eq(recv(fd, text, sizeof(text), MSG_DONTWAIT), -1);
        unsetenv("NOTIFY_SOCKET");
        unlink(a.sun_path);
        close(fd);
}
END_TEST

START_TEST(stdio_is_open) {
        int saved = dup(STDIN_FILENO);

        close(STDIN_FILENO);
        ck_assert_int_eq(daemon_prepare_stdio(), 0);
        ck_assert_int_ne(fcntl(STDIN_FILENO, F_GETFD), -1);
        if (saved >= 0) {
                dup2(saved, STDIN_FILENO);
                close(saved);
        }
}
END_TEST

int main(void) {
        Suite *s = suite_create("daemonize");
        TCase *tc = tcase_create("all");
        int failed;

        memset(long_line, 'x', sizeof(long_line) - 1);
        if (!mkdtemp(folder))
                return 1;
        tcase_add_loop_test(tc, child, 0, ARRAY_LEN(cases));
        tcase_add_test(tc, parent_does_not_wait);
        tcase_add_test(tc, manager_is_told);
        tcase_add_test(tc, stdio_is_open);
        suite_add_tcase(s, tc);
        failed = suite_run(s);
        rmdir(folder);
        return failed;
}
