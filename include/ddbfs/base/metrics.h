/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Process-wide counters, one entry each in the table of metrics.c (name, help); rendered as
 * .ddbfs/metrics (Prometheus text) and .ddbfs/stats.json.  Thread-safe, wait-free.
 */
#include "ddbfs/base/buf.h"

enum metric {
        METRIC_REQUESTS,          /* API requests sent, retries included */
        METRIC_RETRIES,
        METRIC_REQUEST_ERRORS,    /* operations that failed after all retries */
        METRIC_THROTTLES,
        METRIC_BYTES_SENT,
        METRIC_BYTES_RECEIVED,
        METRIC_MILLI_RCU,         /* consumed read capacity units, thousandths */
        METRIC_MILLI_WCU,
        METRIC_OPS,               /* file operations served */
        METRIC_OP_ERRORS,         /* ... that failed with anything but ENOENT */
        METRIC_CACHE_HITS,
        METRIC_CACHE_MISSES,
        METRIC_CACHE_EVICTIONS,
        METRIC_CACHE_BYTES,       /* gauge */
        METRIC_NODES,             /* gauge */
        METRIC_COMMITS,           /* saves that reached the table */
        METRIC_COMMITS_UNCHANGED, /* saves that had nothing to change */
        METRIC_CONFLICTS,         /* saves refused because the item had changed */
        METRIC_CONNECTIONS,       /* connections opened */
        METRIC_LOCK_VIOLATIONS,
        _METRIC_N,
};

void metric_add(enum metric m, int64_t n);
void metric_set(enum metric m, int64_t n);
int64_t metric_get(enum metric m);
void metrics_render_prometheus(struct buf *out);
void metrics_render_json(struct buf *out); /* one object, two-space indent, final newline */
