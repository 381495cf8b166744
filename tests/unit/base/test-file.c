/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>
#include "ddbfs/base/file.h"
#include "../suite.h"

static int new_file(void) {
        int fd = open("/tmp", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);

        ck_assert_int_ge(fd, 0);
        return fd;
}

START_TEST(write_and_read) {
        _cleanup_(buf_deinit) struct buf b = BUF_INIT(MIB);
        int fd = new_file();

        ck_assert_int_eq(file_write_all(fd, 0, STR("one two")), 0);
        ck_assert_int_eq(file_write_all(fd, 4, STR("three")), 0);
        ck_assert_int_eq(file_write_all(fd, 2, STR("")), 0);
        buf_puts(&b, "0 ");
        ck_assert_int_eq(file_read_all(fd, &b), 0);
        ck_assert_str_eq(b.p, "0 one three");
        buf_reset(&b);
        ck_assert_int_eq(file_read_all(fd, &b), 0); /* from its beginning again */
        ck_assert_str_eq(b.p, "one three");
        close(fd);
}
END_TEST

START_TEST(many_pieces) {
        _cleanup_(buf_deinit) struct buf b = BUF_INIT(MIB), got = BUF_INIT(MIB);
        int fd = new_file();

        for (unsigned i = 0; i < 20000; i++)
                buf_printf(&b, "%u ", i);
        ck_assert_int_eq(file_write_all(fd, 0, buf_view(&b)), 0);
        ck_assert_int_eq(file_read_all(fd, &got), 0);
        ck_assert(str_eq(buf_view(&b), buf_view(&got)));
        close(fd);
}
END_TEST

START_TEST(too_large) {
        _cleanup_(buf_deinit) struct buf b = BUF_INIT(FILE_READ_PIECE + 10);
        char text[100] = { 0 };
        int fd = new_file();

        ck_assert_int_eq(file_write_all(fd, 0, str_make(text, 10)), 0);
        ck_assert_int_eq(file_read_all(fd, &b), 0);
        buf_reset(&b);
        ck_assert_int_eq(file_write_all(fd, 0, str_make(text, 11)), 0);
        ck_assert_int_eq(file_read_all(fd, &b), -EFBIG);
        close(fd);
}
END_TEST

/* What could be written is, and the reason comes with the rest. */
START_TEST(full) {
        struct rlimit limit, was;
        int fd = new_file(), r;

        (void)signal(SIGXFSZ, SIG_IGN);
        ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &was), 0);
        limit = was;
        limit.rlim_cur = 4;
        ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
        r = file_write_all(fd, 0, STR("123456"));
        ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &was), 0);
        ck_assert_int_eq(r, -EFBIG);
        ck_assert_int_eq(lseek(fd, 0, SEEK_END), 4);
        close(fd);
}
END_TEST

START_TEST(pipes) {
        _cleanup_(buf_deinit) struct buf b = BUF_INIT(MIB);
        int ends[2];

        ck_assert_int_eq(pipe(ends), 0);
        ck_assert_int_eq(write(ends[1], "text", 4), 4);
        close(ends[1]);
        ck_assert_int_eq(file_read_all(ends[0], &b), 0);
        ck_assert_str_eq(b.p, "text");
        close(ends[0]);
        ck_assert_int_eq(file_read_all(ends[0], &b), -EBADF);
        ck_assert_int_eq(file_write_all(ends[0], 0, STR("x")), -EBADF);
}
END_TEST

int main(void) {
        Suite *s = suite_create("file");
        TCase *t = tcase_create("file");

        suite_add_tcase(s, t);
        tcase_add_test(t, write_and_read);
        tcase_add_test(t, many_pieces);
        tcase_add_test(t, too_large);
        tcase_add_test(t, full);
        tcase_add_test(t, pipes);
        return suite_run(s);
}
