/* SPDX-License-Identifier: Apache-2.0 */
/* The same with a kernel at the other end.  Skipped where nothing can be mounted. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>
#include "fake_fs.h"
#include "ddbfs/base/clock.h"
#include "ddbfs/fuse/session.h"
#include "../suite.h"

static char dir[] = "/tmp/test-fuse-mount-XXXXXX";
static struct fs *fs;
static struct session *session;
static pthread_t runner;
static int result;

static struct session_options options(void) {
        return (struct session_options){
                .mountpoint = dir,
                .source = "a,strange\\source",
                .op_timeout_ns = 5 * NS_PER_S,
        };
}

static void *run(void *arg) {
        (void)arg;
        result = session_run(session);
        return NULL;
}

static void set_up(void) {
        struct session_options o = options();
        struct error e = { 0 };

        fs = fake_new();
        ck_assert_msg(session_new(&o, fs, &session, &e) == 0, "%s", e.message);
        ck_assert_int_eq(pthread_create(&runner, NULL, run, NULL), 0);
}

static void finish(void) {
        ck_assert_int_eq(pthread_join(runner, NULL), 0);
        ck_assert_int_eq(result, 0);
        session = session_free(session);
}

static void tear_down(void) {
        if (session) {
                session_stop(session);
                finish();
        }
        fs_free(fs);
}

static const char *path(const char *name) {
        static char paths[4][256];
        static unsigned n;

        n = (n + 1) % 4;
        (void)snprintf(paths[n], sizeof(paths[n]), "%s/%s", dir, name);
        return paths[n];
}

static void put(const char *name, const char *text) {
        int fd = open(path(name), O_CREAT | O_TRUNC | O_WRONLY, 0644);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
        ck_assert_int_eq(close(fd), 0);
}

static void check_text(const char *name, const char *text) {
        int fd = open(path(name), O_RDONLY);
        char all[256];
        ssize_t n;

        ck_assert_msg(fd >= 0, "%s: %s", name, strerror(errno));
        n = read(fd, all, sizeof(all));
        ck_assert_int_eq(n, (ssize_t)strlen(text));
        ck_assert_mem_eq(all, text, (size_t)n);
        close(fd);
}

/* A child that has no hold on the connection: it would keep it open for ever, and wait for itself. */
static pid_t fork_user(void) {
        pid_t pid = fork();

        if (pid == 0) {
                (void)close_range(3, ~0U, 0);
                (void)signal(SIGINT, SIG_DFL);
        }
        ck_assert_int_ge(pid, 0);
        return pid;
}

static bool is_mounted(void) {
        char line[1024];
        FILE *f = fopen("/proc/self/mounts", "r");
        bool found = false;

        while (fgets(line, sizeof(line), f))
                found |= strstr(line, dir) != NULL;
        fclose(f);
        return found;
}

START_TEST(test_files) {
        struct stat st;

        fake_add(fs, 1, "a.json", "{}\n");
        check_text("a.json", "{}\n");
        put("b.json", "hello");
        check_text("b.json", "hello");
        put("b.json", "bye");
        ck_assert_int_eq(stat(path("b.json"), &st), 0);
        ck_assert_int_eq(st.st_size, 3);
        ck_assert_int_eq(rename(path("b.json"), path("c.json")), 0);
        ck_assert_int_eq(stat(path("b.json"), &st), -1);
        ck_assert_int_eq(errno, ENOENT);
        check_text("c.json", "bye");
        ck_assert_int_eq(mkdir(path("d"), 0755), 0);
        put("d/e", "deep");
        check_text("d/e", "deep");
        ck_assert_int_eq(symlink("d/e", path("l")), 0);
        check_text("l", "deep");
        ck_assert_int_eq(truncate(path("c.json"), 1), 0);
        check_text("c.json", "b");
        ck_assert_int_eq(link(path("c.json"), path("h")), -1);
        ck_assert_int_eq(errno, EPERM);
        ck_assert_int_eq(unlink(path("c.json")), 0);
        ck_assert_int_eq(unlink(path("d/e")), 0);
        ck_assert_int_eq(rmdir(path("d")), 0);
        ck_assert_int_eq(mknod(path("node"), S_IFREG | 0644, 0), 0);
        check_text("node", "");
        ck_assert_int_eq(open(path("denied"), O_RDONLY), -1);
        ck_assert_int_eq(errno, EACCES);
}
END_TEST

START_TEST(test_big_file) {
        size_t n = 3 * MIB + 17;
        char *a = malloc(n), *b = malloc(n);
        int fd;

        for (size_t i = 0; i < n; i++)
                a[i] = (char)(i * 31 >> 3);
        fd = open(path("big"), O_CREAT | O_RDWR, 0644);
        ck_assert_int_eq(write(fd, a, n), (ssize_t)n);
        ck_assert_int_eq(fsync(fd), 0);
        ck_assert_int_eq(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
        ck_assert_int_eq(pread(fd, b, n, 0), (ssize_t)n);
        ck_assert_mem_eq(a, b, n);
        ck_assert_int_eq(posix_fallocate(fd, 0, 4 * MIB), 0);
        ck_assert_int_eq(lseek(fd, 0, SEEK_END), 4 * MIB);
        close(fd);
        free(a);
        free(b);
}
END_TEST

START_TEST(test_directory) {
        struct dirent *e;
        struct stat st;
        char name[32];
        unsigned n = 0;
        DIR *d;

        for (int i = 0; i < 1000; i++) {
                (void)snprintf(name, sizeof(name), "item-%d", i);
                fake_add(fs, 1, name, "x");
        }
        d = opendir(dir);
        while ((e = readdir(d))) {
                ck_assert_int_eq(fstatat(dirfd(d), e->d_name, &st, 0), 0);
                n++;
        }
        closedir(d);
        ck_assert_uint_eq(n, 1002);
}
END_TEST

START_TEST(test_attributes) {
        struct statvfs space;
        char value[64];

        fake_add(fs, 1, "a", "x");
        ck_assert_int_eq(getxattr(path("a"), "user.ddbfs.node", value, sizeof(value)), 6);
        ck_assert_int_eq(getxattr(path("a"), "user.ddbfs.node", NULL, 0), 6);
        ck_assert_int_eq(getxattr(path("a"), "security.selinux", value, sizeof(value)), -1);
        ck_assert_int_eq(errno, EOPNOTSUPP);
        ck_assert_int_eq(listxattr(path("a"), value, sizeof(value)), sizeof("user.ddbfs.node"));
        ck_assert_int_eq(setxattr(path("a"), "user.x", "y", 1, 0), 0);
        ck_assert_int_eq(removexattr(path("a"), "user.x"), 0);
        ck_assert_int_eq(removexattr(path("a"), "user.ddbfs.node"), -1);
        ck_assert_int_eq(errno, EOPNOTSUPP);
        ck_assert_int_eq(statvfs(dir, &space), 0);
        ck_assert_uint_eq(space.f_bsize, 4096);
        ck_assert_int_eq(chmod(path("a"), 0600), 0);
        ck_assert_int_eq(access(path("a"), R_OK | W_OK), 0);
        ck_assert_int_eq(access(path("a"), X_OK), -1);
}
END_TEST

START_TEST(test_notify) {
        uint64_t node = fake_add(fs, 1, "a", "old");
        const struct fs_notify *n = fake_notify(fs);
        struct stat st;

        ck_assert_int_eq(stat(path("a"), &st), 0);
        n->attr(n->arg, node);
        n->content(n->arg, node);
        n->entry(n->arg, 1, STR("a"));
        n->entry(n->arg, 1, STR("never seen"));
        ck_assert_int_eq(stat(path("a"), &st), 0);
}
END_TEST

/* Ctrl-C reaches a program that waits for us. */
START_TEST(test_kill) {
        uint64_t t;
        pid_t pid;
        int status;

        pid = fork_user();
        if (pid == 0)
                _exit(open(path("hang"), O_RDONLY) >= 0);
        while (fake_counts(fs).waiting == 0)
                (void)poll(NULL, 0, 1);
        t = clock_now_ns();
        kill(pid, SIGINT);
        waitpid(pid, &status, 0);
        ck_assert_uint_lt(clock_now_ns() - t, 200 * NS_PER_MS);
        ck_assert(WIFSIGNALED(status));
        while (fake_counts(fs).waiting > 0)
                (void)poll(NULL, 0, 1);
        ck_assert_uint_lt(clock_now_ns() - t, NS_PER_S);
        ck_assert_int_ge(fake_counts(fs).cancelled, 1);
}
END_TEST

/* Two look-ups in one directory at once: the kernel must not queue one behind the other. */
START_TEST(test_parallel) {
        uint64_t until = clock_now_ns() + 2 * NS_PER_S;
        pid_t pid;

        pid = fork_user();
        if (pid == 0)
                _exit(open(path("hang"), O_RDONLY) >= 0);
        while (fake_counts(fs).waiting < 1 && clock_now_ns() < until)
                (void)poll(NULL, 0, 1);
        ck_assert_int_eq(open(path("denied"), O_RDONLY), -1); /* while the other waits */
        ck_assert_int_eq(errno, EACCES);
        ck_assert_uint_lt(clock_now_ns(), until);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
}
END_TEST

START_TEST(test_umount) {
        put("a", "x");
        ck_assert(is_mounted());
        ck_assert_int_eq(umount2(dir, 0), 0);
        finish();
        ck_assert(!is_mounted());
        ck_assert_int_eq(fake_counts(fs).shutdowns, 1);
        ck_assert_int_eq(fake_counts(fs).files, 0);
}
END_TEST

/* A file is open in the mount: the mount goes, the session ends, the file is dead. */
START_TEST(test_stop_with_open_file) {
        int fd = open(path("a"), O_CREAT | O_RDWR, 0644);

        ck_assert_int_eq(write(fd, "x", 1), 1);
        ck_assert_int_eq(fake_counts(fs).files, 1);
        session_stop(session);
        finish();
        ck_assert(!is_mounted());
        ck_assert_int_eq(write(fd, "x", 1), -1);
        ck_assert_int_eq(errno, ENOTCONN);
        close(fd);
        ck_assert_int_eq(fake_counts(fs).shutdowns, 1);
}
END_TEST

/* Over and over with programs at work: neither hangs nor leaks. */
START_TEST(test_stop_under_load) {
        pid_t pid;

        pid = fork_user();
        if (pid == 0) {
                for (;;) {
                        int fd = open(path("a"), O_CREAT | O_RDWR, 0644);

                        if (fd < 0 || write(fd, "x", 1) != 1)
                                _exit(0);
                        close(fd);
                        if (unlink(path("a")) < 0)
                                _exit(0);
                        struct stat st;
                        if (stat(path("a"), &st) == 0)
                                _exit(1);
                }
        }
        (void)poll(NULL, 0, 20);
        session_stop(session);
        finish();
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        ck_assert(!is_mounted());
}
END_TEST

static const struct {
        const char *mountpoint, *options;
        int result;
        const char *message; /* is in it */
} refused[] = {
        { "/nonexistent/dir", NULL, -ENOENT, "/nonexistent/dir" },
        { "/etc/passwd", NULL, -EINVAL, "Not a directory" },
        { NULL, "no_such_option=3", -EINVAL, "no_such_option=3" },
};

START_TEST(test_refused) {
        struct session_options o = options();
        struct session *s = NULL;
        struct error e = { 0 };

        if (refused[_i].mountpoint)
                o.mountpoint = refused[_i].mountpoint;
        o.mount_options = refused[_i].options;
        ck_assert_int_eq(session_new(&o, fs, &s, &e), refused[_i].result);
        ck_assert_ptr_null(s);
        ck_assert_msg(strstr(e.message, refused[_i].message), "%s", e.message);
        ck_assert_ptr_null(strchr(e.message, '\n'));
}
END_TEST

/* Where nobody else gets in, the kernel need not ask for attributes before everything. */
START_TEST(test_options) {
        bool found = false, owner_only = _i > 0;
        struct session_options o = options();
        struct session *s = NULL;
        char line[1024];
        struct error e;
        FILE *f;

        o.mount_options = owner_only ? "ro,noatime" : "ro,allow_other,noatime,max_read=131072";
        o.owner_only = owner_only;
        ck_assert_int_eq(session_new(&o, fs, &s, &e), 0);
        f = fopen("/proc/self/mounts", "r");
        while (fgets(line, sizeof(line), f)) {
                found |= strstr(line, dir) && strstr(line, "a,strange\\134source") == line &&
                         strstr(line, "fuse.ddbfs ro,") && strstr(line, "noatime") && !strstr(line, "allow_other") == owner_only &&
                         !strstr(line, "default_permissions") == owner_only;
        }
        fclose(f);
        session_free(s);
        ck_assert(found);
        ck_assert(!is_mounted());
}
END_TEST

static void set_up_fs(void) {
        fs = fake_new();
}

static void tear_down_fs(void) {
        fs_free(fs);
}

/* Why nothing can be mounted here, or NULL. */
static const char *cannot_mount(void) {
        static struct error e;
        struct session_options o = options();
        struct session *s = NULL;
        int r;

        fs = fake_new();
        r = session_new(&o, fs, &s, &e);
        session_free(s);
        fs_free(fs);
        return r ? e.message : NULL;
}

static int run_all(void) {
        Suite *suite = suite_create("mount");
        TCase *t = tcase_create("mounted"), *u = tcase_create("mounting");

        tcase_add_checked_fixture(t, set_up, tear_down);
        tcase_add_test(t, test_files);
        tcase_add_test(t, test_big_file);
        tcase_add_test(t, test_directory);
        tcase_add_test(t, test_attributes);
        tcase_add_test(t, test_notify);
        tcase_add_test(t, test_kill);
        tcase_add_test(t, test_parallel);
        tcase_add_test(t, test_umount);
        tcase_add_test(t, test_stop_with_open_file);
        tcase_add_loop_test(t, test_stop_under_load, 0, 10);
        suite_add_tcase(suite, t);
        tcase_add_checked_fixture(u, set_up_fs, tear_down_fs);
        tcase_add_loop_test(u, test_refused, 0, ARRAY_LEN(refused));
        tcase_add_loop_test(u, test_options, 0, 2);
        suite_add_tcase(suite, u);
        return suite_run(suite);
}

static int test(void) {
        const char *why = cannot_mount();

        if (why)
                printf("1..0 # SKIP %s\n", why);
        return why ? 0 : run_all();
}

/* The tests use what they serve: when they crash, their exit would wait for themselves for ever.  A second
 * process breaks the connection then. */
int main(void) {
        uint64_t until = clock_now_ns() + 50 * NS_PER_S;
        int status = 0;
        pid_t pid;

        if (!mkdtemp(dir))
                return 1;
        pid = fork();
        if (pid == 0)
                exit(test());
        while (waitpid(pid, &status, WNOHANG) == 0) {
                (void)poll(NULL, 0, 20);
                if (clock_now_ns() > until) {
                        (void)kill(pid, SIGKILL);
                        (void)umount2(dir, MNT_FORCE | MNT_DETACH);
                }
        }
        (void)umount2(dir, MNT_DETACH);
        (void)rmdir(dir);
        return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
