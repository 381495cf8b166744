/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log lines: "2026-11-20T16:50:00.123Z error text", one write(2) each, so that lines of several threads
 * do not mix.  No lock, no allocation; errno is kept.  Longer lines are cut, and say so.
 */
#include "ddbfs/base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>
#include "ddbfs/base/clock.h"
#include "text_internal.h"

#define LINE_MAX_BYTES 4096 /* PIPE_BUF of Linux: up to here a write to a pipe is atomic too */

static const struct {
        const char *name;
        int priority; /* syslog's */
} levels[] = {
        [LOG_LEVEL_ERROR] = { "error", LOG_ERR },
        [LOG_LEVEL_WARN] = { "warning", LOG_WARNING },
        [LOG_LEVEL_INFO] = { "info", LOG_INFO },
        [LOG_LEVEL_DEBUG] = { "debug", LOG_DEBUG },
};

static atomic_int current_level = LOG_LEVEL_INFO;
static atomic_int current_sink = LOG_SINK_STDERR;

void log_set_level(enum log_level level) {
        atomic_store_explicit(&current_level, level, memory_order_relaxed);
}

enum log_level log_get_level(void) {
        return (enum log_level)atomic_load_explicit(&current_level, memory_order_relaxed);
}

void log_set_sink(enum log_sink sink) {
        if (sink == LOG_SINK_SYSLOG)
                openlog(NULL, LOG_PID, LOG_DAEMON);
        atomic_store(&current_sink, sink);
}

bool log_enabled(enum log_level level) {
        return level <= log_get_level();
}

static void write_line(const char *p, size_t n) {
        ssize_t r;

        do
                r = write(STDERR_FILENO, p, n);
        while (r < 0 && errno == EINTR);
}

void log_line(enum log_level level, const char *format, ...) {
        char line[LINE_MAX_BYTES], time[CLOCK_ISO_LEN];
        int saved = errno, n;
        size_t start, end;
        va_list ap;

        if (!log_enabled(level) || level >= ARRAY_LEN(levels))
                return;
        clock_format_iso(clock_wall_ns(), time);
        start = (size_t)snprintf(line, sizeof(line), "%s %s ", time, levels[level].name);
        errno = saved; /* for %m */
        va_start(ap, format);
        n = vsnprintf(line + start, sizeof(line) - start, format, ap);
        va_end(ap);
        end = start + (n > 0 ? (size_t)n : 0);
        if (end >= sizeof(line)) {
                end = sizeof(line) - 1;
                memcpy(line + end - 3, "...", 3);
        }
        text_make_line(line + start, end - start);
        line[end] = '\0';
        if (atomic_load(&current_sink) == LOG_SINK_SYSLOG) {
                syslog(levels[level].priority, "%s", line + start);
        } else {
                line[end] = '\n'; /* in the NUL's place */
                write_line(line, end + 1);
        }
        errno = saved;
}
