/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The local engine's life, with this very program as the engine: run as `test serve --host H --port N
 * --db-path F` it behaves as FAKE_ENGINE says.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "ddbfs/app/local_engine.h"
#include "ddbfs/base/alloc.h"
#include "ddbfs/base/clock.h"
#include "local_internal.h"
#include "../suite.h"

static char folder[] = "/tmp/ddbfs-test-XXXXXX";
static char file[64], lock[80], mark[80], self[4096];

/* ---- the fake ---- */

static int listen_on(const char *port) {
        struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) },
                                 .sin_port = htons((uint16_t)strtoul(port, NULL, 10)) };
        int fd = socket(AF_INET, SOCK_STREAM, 0);

        if (bind(fd, (struct sockaddr *)&a, sizeof(a)) || listen(fd, 8))
                return 1;
        for (;;)
                pause();
}

static int fake(char **argv, const char *how) {
        const char *port = argv[5], *db = argv[7];

        if (strcmp(argv[2], "--host") || strcmp(argv[3], "127.0.0.1") || strcmp(argv[6], "--db-path") || argv[8])
                return 2;
        alarm(30); /* whatever happens */
        if (strcmp(how, "dies") == 0) {
                fprintf(stderr, "starting\nError: %s is not a database\n", db);
                return 1;
        }
        if (strcmp(how, "never") == 0) {
                puts("thinking");
                fflush(stdout);
                pause();
        }
        if (strcmp(how, "stubborn") == 0)
                signal(SIGTERM, SIG_IGN);
        if (strcmp(how, "chatty") == 0) /* far more than a pipe holds */
                for (int i = 0; i < 20000; i++)
                        puts("a line of the log, longer than nothing at all");
        if (strcmp(how, "loses port") == 0 && access(mark, F_OK)) {
                close(open(mark, O_CREAT | O_WRONLY, 0600));
                if (fork() == 0)
                        return listen_on(port);
                pause();
        }
        return listen_on(port);
}

/* ---- the tests ---- */

static int start(const char *how, struct local_engine **ret, struct error *e) {
        struct local_engine_options o = { .file = file, .mountpoint = "/mnt/x", .program = self,
                                          .start_timeout_ns = strcmp(how, "never") ? 0 : 300 * NS_PER_MS };

        setenv("FAKE_ENGINE", how, 1);
        return local_engine_start(&o, ret, e);
}

static bool connects(const char *url) {
        struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) },
                                 .sin_port = htons((uint16_t)strtoul(strrchr(url, ':') + 1, NULL, 10)) };
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        bool ok = connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0;

        close(fd);
        return ok;
}

static const struct {
        const char *how;
        int r;
        const char *message;
} starts[] = {
        { "works", 0, "" },
        { "stubborn", 0, "" },
        { "chatty", 0, "" },
        { "loses port", 0, "" },
        { "dies", -EIO, "is not a database" },
        { "never", -ETIMEDOUT, "does not begin to answer: thinking" },
};

START_TEST(start_and_stop) {
        struct local_engine *engine = NULL;
        struct error e = { .message = "" };
        char url[64];
        int r = start(starts[_i].how, &engine, &e);

        ck_assert_msg(r == starts[_i].r, "%d: %s", r, e.message);
        ck_assert_msg(strstr(e.message, starts[_i].message) != NULL, "%s", e.message);
        if (!r) {
                ck_assert_int_eq(access(lock, F_OK), 0);
                snprintf(url, sizeof(url), "%s", local_engine_url(engine));
                ck_assert_int_eq(strncmp(url, "http://127.0.0.1:", 17), 0);
                ck_assert(connects(url));
                ck_assert_ptr_null(local_engine_free(engine));
                ck_assert(!connects(url));
        }
        ck_assert_int_ne(access(lock, F_OK), 0);
        ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1); /* nothing is left, not even a zombie */
        ck_assert_int_eq(errno, ECHILD);
}
END_TEST

START_TEST(one_mount_of_a_file) {
        struct local_engine *engine = NULL, *second = NULL;
        struct error e;
        char expected[200];

        ck_assert_int_eq(start("works", &engine, &e), 0);
        ck_assert_int_eq(start("works", &second, &e), -EBUSY);
        snprintf(expected, sizeof(expected), "%s is in use by process %ld, mounted on /mnt/x", file, (long)getpid());
        ck_assert_str_eq(e.message, expected);
        local_engine_free(engine);
        ck_assert_int_eq(start("works", &second, &e), 0);
        local_engine_free(second);
}
END_TEST

/* Killed without a chance to clean up: the engine goes too, and the file is free again. */
START_TEST(dies_with_us) {
        struct local_engine *engine = NULL;
        uint64_t until = clock_now_ns() + 5 * NS_PER_S;
        struct timespec pause = { .tv_nsec = 5000000 };
        struct error e;
        int fds[2], r;
        char url[64] = "";
        pid_t pid;

        ck_assert_int_eq(pipe(fds), 0);
        pid = fork();
        if (pid == 0) {
                if (start("works", &engine, &e) == 0 && write(fds[1], local_engine_url(engine), 60) > 0)
                        raise(SIGKILL);
                _exit(1);
        }
        ck_assert_int_gt(read(fds[0], url, sizeof(url) - 1), 17);
        ck_assert_int_eq(waitpid(pid, &r, 0), pid);
        ck_assert(WIFSIGNALED(r));
        while (connects(url) && clock_now_ns() < until)
                nanosleep(&pause, NULL);
        ck_assert(!connects(url));
        while ((r = start("works", &engine, &e)) == -EBUSY && clock_now_ns() < until)
                nanosleep(&pause, NULL);
        ck_assert_int_eq(r, 0);
        local_engine_free(engine);
        close(fds[0]);
        close(fds[1]);
}
END_TEST

START_TEST(cannot_run) {
        struct local_engine_options o = { .file = file, .mountpoint = "/m", .program = "/nonexistent/engine" };
        struct local_engine *engine = NULL;
        struct error e;

        ck_assert_int_lt(local_engine_start(&o, &engine, &e), 0);
        ck_assert_ptr_nonnull(strstr(e.message, "/nonexistent/engine"));
        ck_assert_ptr_null(engine);
        o.file = "/nonexistent/x.db";
        o.program = self;
        ck_assert_int_lt(local_engine_start(&o, &engine, &e), 0);
        ck_assert_ptr_nonnull(strstr(e.message, "/nonexistent/x.db"));
}
END_TEST

START_TEST(found) {
        char program[80], path[200], *saved = mem_strdup(getenv("PATH")), *f = NULL;
        struct error e;

        setenv("PATH", "relative::/nonexistent", 1);
        ck_assert_int_eq(local_engine_find(&f, &e), -ENOENT);
        ck_assert_str_eq(e.message, "the local engine 'dynoxide' was not found; install it beside ddbfs or in PATH "
                                    "(see README)");
        snprintf(program, sizeof(program), "%s/dynoxide", folder);
        close(open(program, O_CREAT | O_WRONLY, 0644));
        snprintf(path, sizeof(path), "/nonexistent:%s", folder);
        setenv("PATH", path, 1);
        if (access(program, X_OK)) /* not a program yet */
                ck_assert_int_eq(local_engine_find(&f, &e), -ENOENT);
        ck_assert_int_eq(chmod(program, 0755), 0);
        ck_assert_int_eq(local_engine_find(&f, &e), 0);
        ck_assert_str_eq(f, program);
        unlink(program);
        setenv("PATH", saved, 1);
        mem_free(f);
        mem_free(saved);
}
END_TEST

#define TCP_HEAD "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
#define TCP_LINE(local, state, inode) \
        "   0: " local " 00000000:0000 " state " 00000000:00000000 00:00000000 00000000     0        0 " inode \
        " 1 0000000000000000 100 0 0 10 0\n"

static const struct {
        const char *text;
        uint16_t port;
        uint64_t inode;
} tables[] = {
        { "", 80, 0 },
        { TCP_HEAD, 80, 0 },
        { TCP_HEAD TCP_LINE("0100007F:0050", "0A", "1234"), 80, 1234 },
        { TCP_HEAD TCP_LINE("0100007F:0050", "01", "99") TCP_LINE("0100007F:0050", "0A", "1234"), 80, 1234 },
        { TCP_HEAD TCP_LINE("0100007F:0050", "0A", "1234"), 81, 0 },
        { TCP_HEAD TCP_LINE("0200007F:0050", "0A", "1234"), 80, 0 },
        { TCP_HEAD TCP_LINE("0100007F:FFFF", "0A", "18446744073709551615"), 65535, UINT64_MAX },
        { TCP_HEAD "   0: 0100007F:0050 00000000:0000 0A", 80, 0 },
};

START_TEST(socket_table) {
        ck_assert_uint_eq(local_port_inode(str_of(tables[_i].text), tables[_i].port), tables[_i].inode);
}
END_TEST

START_TEST(port_owner) {
        struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
        uint16_t port = 0;
        pid_t other;
        int fd;

        ck_assert_int_eq(local_port_choose(&port), 0);
        ck_assert_uint_ne(port, 0);
        ck_assert_int_eq(local_port_owner(port, getpid()), LOCAL_PORT_E_NOBODY);
        ck_assert(!local_port_listens(port));
        other = fork();
        if (other == 0) {
                alarm(10);
                pause();
                _exit(0);
        }
        fd = socket(AF_INET, SOCK_STREAM, 0); /* not the other's */
        a.sin_port = htons(port);
        ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
        ck_assert_int_eq(listen(fd, 1), 0);
        ck_assert(local_port_listens(port));
        ck_assert_int_eq(local_port_owner(port, getpid()), 0);
        ck_assert_int_eq(local_port_owner(port, other), LOCAL_PORT_E_OTHER);
        kill(other, SIGKILL);
        waitpid(other, NULL, 0);
        close(fd);
}
END_TEST

int main(int argc, char **argv) {
        const char *how = getenv("FAKE_ENGINE");
        TCase *tc;
        Suite *s;
        int failed;

        snprintf(mark, sizeof(mark), "%s", getenv("FAKE_MARK") ? getenv("FAKE_MARK") : "");
        if (argc > 1 && strcmp(argv[1], "serve") == 0)
                return fake(argv, how ? how : "");
        if (!mkdtemp(folder) || readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
                return 1;
        snprintf(file, sizeof(file), "%s/x.db", folder);
        snprintf(lock, sizeof(lock), "%s.lock", file);
        snprintf(mark, sizeof(mark), "%s/mark", folder);
        setenv("FAKE_MARK", mark, 1);
        s = suite_create("local-engine");
        tc = tcase_create("all");
        tcase_set_timeout(tc, 30);
        tcase_add_loop_test(tc, start_and_stop, 0, ARRAY_LEN(starts));
        tcase_add_test(tc, one_mount_of_a_file);
        tcase_add_test(tc, dies_with_us);
        tcase_add_test(tc, cannot_run);
        tcase_add_test(tc, found);
        tcase_add_loop_test(tc, socket_table, 0, ARRAY_LEN(tables));
        tcase_add_test(tc, port_owner);
        suite_add_tcase(s, tc);
        failed = suite_run(s);
        unlink(mark);
        rmdir(folder);
        return failed;
}
