/* SPDX-License-Identifier: Apache-2.0 */
/* Process-wide counters: one row of the table each.  Adding is one relaxed atomic addition. */
#include "ddbfs/base/metrics.h"

#include <inttypes.h>
#include <stdatomic.h>

enum metric_type {
        COUNTER,
        MILLI_COUNTER, /* counted in thousandths, shown in units */
        GAUGE,
};

static const struct {
        const char *name;
        enum metric_type type;
        const char *help;
} table[_METRIC_N] = {
        [METRIC_REQUESTS] = { "requests", COUNTER, "API requests sent, retries included" },
        [METRIC_RETRIES] = { "retries", COUNTER, "API requests sent again" },
        [METRIC_REQUEST_ERRORS] = { "request_errors", COUNTER, "API operations that failed after all retries" },
        [METRIC_THROTTLES] = { "throttles", COUNTER, "API answers that asked to slow down" },
        [METRIC_BYTES_SENT] = { "sent_bytes", COUNTER, "Bytes of request bodies sent" },
        [METRIC_BYTES_RECEIVED] = { "received_bytes", COUNTER, "Bytes of response bodies received" },
        [METRIC_MILLI_RCU] = { "consumed_read_units", MILLI_COUNTER, "Read capacity units consumed" },
        [METRIC_MILLI_WCU] = { "consumed_write_units", MILLI_COUNTER, "Write capacity units consumed" },
        [METRIC_OPS] = { "operations", COUNTER, "File operations served" },
        [METRIC_OP_ERRORS] = { "operation_errors", COUNTER, "File operations that failed, ENOENT not counted" },
        [METRIC_CACHE_HITS] = { "cache_hits", COUNTER, "Look-ups answered by the cache" },
        [METRIC_CACHE_MISSES] = { "cache_misses", COUNTER, "Look-ups that needed a request" },
        [METRIC_CACHE_EVICTIONS] = { "cache_evictions", COUNTER, "Cache entries dropped to make room" },
        [METRIC_CACHE_BYTES] = { "cache_bytes", GAUGE, "Bytes in the cache" },
        [METRIC_NODES] = { "nodes", GAUGE, "Files and directories the kernel knows" },
        [METRIC_COMMITS] = { "commits", COUNTER, "Saves that reached the table" },
        [METRIC_COMMITS_UNCHANGED] = { "commits_unchanged", COUNTER, "Saves that had nothing to change" },
        [METRIC_CONFLICTS] = { "conflicts", COUNTER, "Saves refused because the item had changed" },
        [METRIC_CONNECTIONS] = { "connections", COUNTER, "Connections opened" },
        [METRIC_LOCK_VIOLATIONS] = { "lock_violations", COUNTER, "Requests made while holding a lock (a bug)" },
};

static _Atomic int64_t values[_METRIC_N];

void metric_add(enum metric m, int64_t n) {
        if (m < _METRIC_N)
                atomic_fetch_add_explicit(&values[m], n, memory_order_relaxed);
}

void metric_set(enum metric m, int64_t n) {
        if (m < _METRIC_N)
                atomic_store_explicit(&values[m], n, memory_order_relaxed);
}

int64_t metric_get(enum metric m) {
        return m < _METRIC_N ? atomic_load_explicit(&values[m], memory_order_relaxed) : 0;
}

static void put_value(struct buf *out, enum metric m) {
        int64_t value = metric_get(m);
        uint64_t size = value < 0 ? -(uint64_t)value : (uint64_t)value;
        unsigned thousandths = (unsigned)(size % 1000);

        if (table[m].type != MILLI_COUNTER) {
                buf_printf(out, "%" PRId64, value);
                return;
        }
        buf_printf(out, "%s%" PRIu64, value < 0 ? "-" : "", size / 1000);
        if (thousandths == 0)
                return;
        buf_printf(out, ".%03u", thousandths);
        while (buf_status(out) == 0 && out->p[out->n - 1] == '0')
                buf_truncate(out, out->n - 1);
}

void metrics_render_prometheus(struct buf *out) {
        for (enum metric m = 0; m < _METRIC_N; m++) {
                const char *type = table[m].type == GAUGE ? "gauge" : "counter";
                const char *suffix = table[m].type == GAUGE ? "" : "_total";

                buf_printf(out, "# HELP ddbfs_%s%s %s\n", table[m].name, suffix, table[m].help);
                buf_printf(out, "# TYPE ddbfs_%s%s %s\n", table[m].name, suffix, type);
                buf_printf(out, "ddbfs_%s%s ", table[m].name, suffix);
                put_value(out, m);
                buf_putc(out, '\n');
        }
}

void metrics_render_json(struct buf *out) {
        buf_puts(out, "{\n");
        for (enum metric m = 0; m < _METRIC_N; m++) {
                buf_printf(out, "  \"%s\": ", table[m].name);
                put_value(out, m);
                buf_puts(out, m + 1 < _METRIC_N ? ",\n" : "\n");
        }
        buf_puts(out, "}\n");
}
