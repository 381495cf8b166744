/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "ddbfs/base/clock.h"
#include "ddbfs/base/log.h"
#include "../suite.h"

#define N_THREADS 4
#define N_LINES 50

static int saved_stderr, log_end;
static char output[128 * 1024];

static void capture(void) {
        int fds[2];

        ck_assert_int_eq(pipe(fds), 0);
        fcntl(fds[0], F_SETFL, O_NONBLOCK);
        fcntl(fds[1], F_SETPIPE_SZ, 128 * 1024);
        saved_stderr = dup(STDERR_FILENO);
        ck_assert_int_ge(saved_stderr, 0);
        ck_assert_int_eq(dup2(fds[1], STDERR_FILENO), STDERR_FILENO);
        close(fds[1]);
        log_end = fds[0];
        clock_fake(0, UINT64_C(1440938160123456789));
}

static void restore(void) {
        dup2(saved_stderr, STDERR_FILENO);
        close(saved_stderr);
        close(log_end);
        log_set_level(LOG_LEVEL_INFO);
        log_set_sink(LOG_SINK_STDERR);
        clock_real();
}

/* What has been logged since the last call. */
static const char *logged(void) {
        size_t n = 0;
        ssize_t r;

        while (n < sizeof(output) - 1 && (r = read(log_end, output + n, sizeof(output) - 1 - n)) > 0)
                n += (size_t)r;
        output[n] = '\0';
        return output;
}

START_TEST(a_line) {
        log_error("path %s: %d", "/a", 7);
        ck_assert_str_eq(logged(), "2015-08-30T12:36:00.123Z error path /a: 7\n");
        log_warn("w");
        log_info("%s", "");
        ck_assert_str_eq(logged(), "2015-08-30T12:36:00.123Z warning w\n2015-08-30T12:36:00.123Z info \n");
        errno = ENOENT;
        log_error("%m");
        ck_assert_int_eq(errno, ENOENT);
        ck_assert_ptr_nonnull(strstr(logged(), strerror(ENOENT)));
}
END_TEST

START_TEST(levels) {
        for (enum log_level at = LOG_LEVEL_ERROR; at <= LOG_LEVEL_DEBUG; at++) {
                log_set_level(at);
                ck_assert_int_eq(log_get_level(), at);
                for (enum log_level level = LOG_LEVEL_ERROR; level <= LOG_LEVEL_DEBUG; level++) {
                        log_line(level, "x");
                        ck_assert_int_eq(*logged() != '\0', level <= at);
                        ck_assert_int_eq(log_enabled(level), level <= at);
                }
        }
        log_set_level(LOG_LEVEL_INFO);
        log_debug("%d", 1);
        ck_assert_str_eq(logged(), "");
        log_set_level(LOG_LEVEL_DEBUG);
        log_debug("%d", 1);
        ck_assert_str_eq(logged(), "2015-08-30T12:36:00.123Z debug 1\n");
}
END_TEST

START_TEST(no_injection) {
        log_error("%s", "a\n2015-08-30T12:36:00.123Z error forged\r\x1b[2J\x7f\xc2\x9b\xff");
        ck_assert_str_eq(logged(), "2015-08-30T12:36:00.123Z error a?2015-08-30T12:36:00.123Z error forged??[2J????\n");
}
END_TEST

START_TEST(long_lines_are_cut) {
        const char *text;

        log_error("%05000d", 1);
        text = logged();
        ck_assert_uint_eq(strlen(text), 4096);
        ck_assert_str_eq(text + 4096 - 5, "0...\n");
        for (int n = 4060; n < 4070; n++) { /* around the limit: whole, or marked as cut */
                log_error("%0*d", n, 1);
                text = logged();
                ck_assert(strcmp(text + strlen(text) - 3, "01\n") == 0 || strcmp(text + 4096 - 4, "...\n") == 0);
        }
}
END_TEST

START_TEST(syslog_is_not_stderr) {
        log_set_sink(LOG_SINK_SYSLOG);
        log_error("%s", "test");
        ck_assert_str_eq(logged(), "");
        log_set_sink(LOG_SINK_STDERR);
        log_error("x");
        ck_assert_str_ne(logged(), "");
}
END_TEST

static void *write_lines(void *arg) {
        char text[200];

        memset(text, *(char *)arg, sizeof(text) - 1);
        text[sizeof(text) - 1] = '\0';
        for (unsigned i = 0; i < N_LINES; i++)
                log_error("%s", text);
        return NULL;
}

START_TEST(lines_of_threads_do_not_mix) {
        pthread_t threads[N_THREADS];
        char letters[N_THREADS], *end;
        unsigned n = 0;

        for (unsigned i = 0; i < N_THREADS; i++) {
                letters[i] = (char)('a' + i);
                ck_assert_int_eq(pthread_create(&threads[i], NULL, write_lines, &letters[i]), 0);
        }
        for (unsigned i = 0; i < N_THREADS; i++)
                pthread_join(threads[i], NULL);
        logged();
        for (char *line = output; (end = strchr(line, '\n')); line = end + 1, n++) {
                *end = '\0';
                ck_assert_uint_eq(strlen(line), 31 + 199);
                ck_assert_uint_eq(strspn(line + 31, (char[]){ line[31], '\0' }), 199);
        }
        ck_assert_uint_eq(n, N_THREADS * N_LINES);
}
END_TEST

int main(void) {
        Suite *s = suite_create("log");
        TCase *t = tcase_create("log");

        suite_add_tcase(s, t);
        tcase_add_checked_fixture(t, capture, restore);
        tcase_add_test(t, a_line);
        tcase_add_test(t, levels);
        tcase_add_test(t, no_injection);
        tcase_add_test(t, long_lines_are_cut);
        tcase_add_test(t, syslog_is_not_stderr);
        tcase_add_test(t, lines_of_threads_do_not_mix);
        return suite_run(s);
}
