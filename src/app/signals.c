/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One thread reads a signalfd; an eventfd ends it.  No signal handler runs anywhere.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include "ddbfs/app/signals.h"
#include "ddbfs/base/alloc.h"
#include "ddbfs/base/buf.h"
#include "ddbfs/base/log.h"
#include "ddbfs/base/metrics.h"

struct signals {
        int signal_fd, end_fd;
        bool running;
        pthread_t thread;
        struct mutex lock;
        bool stopped;            /* protected by lock */
        struct op_ctx *ctx;      /* protected by lock */
        struct session *session; /* protected by lock */
};

static const int taken[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2 };

static void stop_targets(struct signals *s) REQUIRES(s->lock) {
        if (s->ctx)
                op_ctx_cancel(s->ctx);
        if (s->session)
                session_stop(s->session);
}

static void on_stop(struct signals *s, int number) {
        log_info("signal %d: unmounting", number);
        mutex_lock(&s->lock);
        s->stopped = true;
        stop_targets(s);
        mutex_unlock(&s->lock);
}

/* The statistics on one line. */
static void on_stats(struct signals *s _unused_, int number _unused_) {
        _cleanup_(buf_deinit) struct buf json = BUF_INIT(64 * KIB), line = BUF_INIT(64 * KIB);
        bool space = false;

        metrics_render_json(&json);
        for (size_t i = 0; i < json.n; i++) {
                bool is_space = json.p[i] == ' ' || json.p[i] == '\n';

                if (!is_space || !space)
                        buf_putc(&line, is_space ? ' ' : json.p[i]);
                space = is_space;
        }
        while (line.n && line.p[line.n - 1] == ' ')
                buf_truncate(&line, line.n - 1);
        if (!buf_status(&line) && line.n)
                log_warn("statistics: %s", line.p);
}

static void on_level(struct signals *s _unused_, int number _unused_) {
        static const char *const names[] = { "error", "warn", "info", "debug" };
        unsigned level = ((unsigned)log_get_level() + 1) % ARRAY_LEN(names);

        log_set_level(LOG_LEVEL_INFO);
        log_info("log level is now %s", names[level]);
        log_set_level((enum log_level)level);
}

static const struct {
        int number;
        void (*fn)(struct signals *, int);
} handlers[] = {
        { SIGTERM, on_stop }, { SIGINT, on_stop },    { SIGHUP, on_stop },
        { SIGUSR1, on_stats }, { SIGUSR2, on_level },
};

static void *serve(void *arg) {
        struct signals *s = arg;
        struct pollfd fds[] = { { .fd = s->signal_fd, .events = POLLIN }, { .fd = s->end_fd, .events = POLLIN } };

        for (;;) {
                struct signalfd_siginfo info;

                if (poll(fds, ARRAY_LEN(fds), -1) < 0)
                        continue;
                if (fds[1].revents)
                        return NULL;
                if (read(s->signal_fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
                        continue;
                for (size_t i = 0; i < ARRAY_LEN(handlers); i++)
                        if (handlers[i].number == (int)info.ssi_signo)
                                handlers[i].fn(s, handlers[i].number);
        }
}

int signals_new(struct signals **ret, struct error *reterr) {
        _cleanup_(signals_freep) struct signals *s = mem_zalloc(sizeof(*s));
        struct sigaction ignore = { .sa_handler = SIG_IGN };
        sigset_t set;
        int r;

        if (!s)
                return error_set_errno(reterr, -ENOMEM, "signals");
        mutex_init(&s->lock);
        s->end_fd = -1;
        sigaction(SIGPIPE, &ignore, NULL);
        sigaction(SIGXFSZ, &ignore, NULL);
        sigemptyset(&set);
        for (size_t i = 0; i < ARRAY_LEN(taken); i++)
                sigaddset(&set, taken[i]);
        s->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
        if (s->signal_fd < 0)
                return error_set_errno(reterr, -errno, "signalfd");
        s->end_fd = eventfd(0, EFD_CLOEXEC);
        if (s->end_fd < 0)
                return error_set_errno(reterr, -errno, "eventfd");
        r = pthread_sigmask(SIG_BLOCK, &set, NULL);
        if (r)
                return error_set_errno(reterr, -r, "pthread_sigmask");
        r = pthread_create(&s->thread, NULL, serve, s);
        if (r)
                return error_set_errno(reterr, -r, "cannot start a thread");
        s->running = true;
        *ret = TAKE(s);
        return 0;
}

struct signals *signals_free(struct signals *s) {
        const uint64_t one = 1;

        if (!s)
                return NULL;
        if (s->running) {
                while (write(s->end_fd, &one, sizeof(one)) < 0 && errno == EINTR)
                        ;
                pthread_join(s->thread, NULL);
        }
        if (s->end_fd >= 0)
                close(s->end_fd);
        if (s->signal_fd >= 0)
                close(s->signal_fd);
        mutex_deinit(&s->lock);
        return mem_free(s);
}

void signals_set_ctx(struct signals *s, struct op_ctx *ctx) {
        mutex_lock(&s->lock);
        s->ctx = ctx;
        if (s->stopped)
                stop_targets(s);
        mutex_unlock(&s->lock);
}

void signals_set_session(struct signals *s, struct session *session) {
        mutex_lock(&s->lock);
        s->session = session;
        if (s->stopped)
                stop_targets(s);
        mutex_unlock(&s->lock);
}

bool signals_stopped(struct signals *s) {
        bool stopped;

        mutex_lock(&s->lock);
        stopped = s->stopped;
        mutex_unlock(&s->lock);
        return stopped;
}
