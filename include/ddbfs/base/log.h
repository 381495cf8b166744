/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Log lines.  Level and sink are process-wide atomics, changeable while running.  Library layers log at
 * DEBUG only; errors are logged once, where they are handled.  Never given a credential.
 */
#include <stdbool.h>
#include "ddbfs/base/macros.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };
enum log_sink { LOG_SINK_STDERR, LOG_SINK_SYSLOG };

void log_set_level(enum log_level level);
enum log_level log_get_level(void);
void log_set_sink(enum log_sink sink);
bool log_enabled(enum log_level level);
void log_line(enum log_level level, const char *format, ...) _printf_(2, 3);

#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...) log_line(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...) log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) \
        do { \
                if (log_enabled(LOG_LEVEL_DEBUG)) \
                        log_line(LOG_LEVEL_DEBUG, __VA_ARGS__); \
        } while (0)
