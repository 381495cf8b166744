/* SPDX-License-Identifier: Apache-2.0 */
/* Signals reach what they are to stop, whenever they come. */
#include <signal.h>
#include <time.h>
#include <unistd.h>
#include "ddbfs/app/signals.h"
#include "ddbfs/base/clock.h"
#include "ddbfs/base/log.h"
#include "../suite.h"

static atomic_int stops;

/* the real one is fuse's; the tests have no mount */
void session_stop(struct session *s _unused_) {
        atomic_fetch_add(&stops, 1);
}

static struct session *a_session(void) {
        static int thing;

        return (struct session *)(void *)&thing;
}

static bool wait_for(bool (*fn)(void *), void *arg) {
        struct timespec pause = { .tv_nsec = 1000000 };
        uint64_t until = clock_now_ns() + 5 * NS_PER_S;

        while (!fn(arg)) {
                if (clock_now_ns() > until)
                        return false;
                nanosleep(&pause, NULL);
        }
        return true;
}

static bool is_stopped(void *s) {
        return signals_stopped(s);
}

static bool has_stops(void *n) {
        return atomic_load(&stops) == *(int *)n;
}

static bool is_level(void *level) {
        return log_get_level() == *(enum log_level *)level;
}

static bool is_cancelled(void *ctx) {
        return atomic_load(&((struct op_ctx *)ctx)->cancelled);
}

static const int enders[] = { SIGTERM, SIGINT, SIGHUP };

START_TEST(ends_the_session) {
        struct signals *s = NULL;
        struct error e;
        int one = 1, two = 2;

        atomic_store(&stops, 0);
        ck_assert_int_eq(signals_new(&s, &e), 0);
        ck_assert(!signals_stopped(s));
        signals_set_session(s, a_session());
        ck_assert_int_eq(atomic_load(&stops), 0);
        kill(getpid(), enders[_i]);
        ck_assert(wait_for(has_stops, &one));
        ck_assert(signals_stopped(s));
        kill(getpid(), enders[_i]);
        ck_assert(wait_for(has_stops, &two));
        signals_set_session(s, NULL);
        ck_assert_int_eq(atomic_load(&stops), 2);
        ck_assert_ptr_null(signals_free(s));
}
END_TEST

START_TEST(comes_early) {
        struct signals *s = NULL;
        struct op_ctx ctx;
        struct error e;

        atomic_store(&stops, 0);
        op_ctx_init(&ctx, "mount", 0);
        ck_assert_int_eq(signals_new(&s, &e), 0);
        kill(getpid(), SIGTERM);
        ck_assert(wait_for(is_stopped, s));
        signals_set_session(s, a_session());
        ck_assert_int_eq(atomic_load(&stops), 1);
        signals_set_session(s, NULL);
        signals_set_ctx(s, &ctx);
        ck_assert(is_cancelled(&ctx));
        signals_set_ctx(s, NULL);
        signals_free(s);
        op_ctx_deinit(&ctx);
}
END_TEST

START_TEST(cancels_the_start) {
        struct signals *s = NULL;
        struct op_ctx ctx;
        struct error e;

        op_ctx_init(&ctx, "mount", 0);
        ck_assert_int_eq(signals_new(&s, &e), 0);
        signals_set_ctx(s, &ctx);
        kill(getpid(), SIGINT);
        ck_assert(wait_for(is_cancelled, &ctx));
        signals_set_ctx(s, NULL);
        signals_free(s);
        op_ctx_deinit(&ctx);
}
END_TEST

START_TEST(level_and_statistics) {
        enum log_level levels[] = { LOG_LEVEL_DEBUG, LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO };
        enum log_level before = log_get_level();
        struct signals *s = NULL;
        struct error e;

        log_set_sink(LOG_SINK_SYSLOG);
        log_set_level(LOG_LEVEL_INFO);
        ck_assert_int_eq(signals_new(&s, &e), 0);
        for (size_t i = 0; i < ARRAY_LEN(levels); i++) {
                kill(getpid(), SIGUSR2);
                ck_assert(wait_for(is_level, &levels[i]));
        }
        kill(getpid(), SIGUSR1);
        kill(getpid(), SIGPIPE);
        kill(getpid(), SIGXFSZ);
        signals_free(s);
        log_set_level(before);
}
END_TEST

int main(void) {
        Suite *s = suite_create("signals");
        TCase *tc = tcase_create("all");

        tcase_add_loop_test(tc, ends_the_session, 0, ARRAY_LEN(enders));
        tcase_add_test(tc, comes_early);
        tcase_add_test(tc, cancels_the_start);
        tcase_add_test(tc, level_and_statistics);
        suite_add_tcase(s, tc);
        return suite_run(s);
}
