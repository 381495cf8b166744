/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <jansson.h>
#include <pthread.h>
#include <string.h>
#include "ddbfs/base/metrics.h"
#include "../suite.h"

#define N_THREADS 4
#define N_ROUNDS 10000

static const char *render(struct buf *b, void (*fn)(struct buf *out)) {
        buf_reset(b);
        fn(b);
        ck_assert_int_eq(buf_status(b), 0);
        return b->p;
}

static const struct {
        enum metric metric;
        int64_t value;
        const char *prometheus, *json;
} values[] = {
        { METRIC_REQUESTS, 7, "\nddbfs_requests_total 7\n", "  \"requests\": 7,\n" },
        { METRIC_MILLI_RCU, 12500, "\nddbfs_consumed_read_units_total 12.5\n", "  \"consumed_read_units\": 12.5,\n" },
        { METRIC_MILLI_RCU, 0, "\nddbfs_consumed_read_units_total 0\n", "  \"consumed_read_units\": 0,\n" },
        { METRIC_MILLI_WCU, 1, "\nddbfs_consumed_write_units_total 0.001\n", "  \"consumed_write_units\": 0.001,\n" },
        { METRIC_MILLI_WCU, 2000, "\nddbfs_consumed_write_units_total 2\n", "  \"consumed_write_units\": 2,\n" },
        { METRIC_MILLI_WCU, 10050, "\nddbfs_consumed_write_units_total 10.05\n", "\": 10.05,\n" },
        { METRIC_MILLI_WCU, -500, "\nddbfs_consumed_write_units_total -0.5\n", "\": -0.5,\n" },
        { METRIC_CACHE_BYTES, 123, "# TYPE ddbfs_cache_bytes gauge\nddbfs_cache_bytes 123\n",
          "\"cache_bytes\": 123,\n" },
        { METRIC_NODES, -1, "\nddbfs_nodes -1\n", "  \"nodes\": -1,\n" },
        { METRIC_BYTES_SENT, INT64_MAX, " counter\nddbfs_sent_bytes_total 9223372036854775807\n",
          "9223372036854775807" },
        { METRIC_MILLI_RCU, INT64_MIN, " -9223372036854775.808\n", "-9223372036854775.808" },
        { METRIC_LOCK_VIOLATIONS, 3, "\nddbfs_lock_violations_total 3\n", "  \"lock_violations\": 3\n}\n" },
};

START_TEST(rendering) {
        struct buf b = BUF_INIT(64 * KIB);

        metric_set(values[_i].metric, values[_i].value);
        ck_assert_ptr_nonnull(strstr(render(&b, metrics_render_prometheus), values[_i].prometheus));
        ck_assert_ptr_nonnull(strstr(render(&b, metrics_render_json), values[_i].json));
        metric_set(values[_i].metric, 0);
        buf_deinit(&b);
}
END_TEST

START_TEST(every_metric_is_in_the_table) {
        struct buf b = BUF_INIT(64 * KIB);
        unsigned lines = 0, helps = 0;
        json_t *doc;

        render(&b, metrics_render_prometheus);
        for (const char *p = b.p; (p = strchr(p, '\n')); p++)
                lines++;
        for (const char *p = b.p; (p = strstr(p, "# HELP ddbfs_")); p++)
                helps++;
        ck_assert_uint_eq(lines, 3 * _METRIC_N);
        ck_assert_uint_eq(helps, _METRIC_N);
        ck_assert_ptr_null(strstr(b.p, "null"));
        doc = json_loads(render(&b, metrics_render_json), JSON_REJECT_DUPLICATES, NULL);
        ck_assert_ptr_nonnull(doc);
        ck_assert_uint_eq(json_object_size(doc), _METRIC_N);
        json_decref(doc);
        buf_deinit(&b);
}
END_TEST

START_TEST(full_buffers) {
        for (size_t max = 0; max < 1200; max += 17) {
                struct buf b = BUF_INIT(max);

                metric_set(METRIC_MILLI_RCU, 12500);
                metrics_render_prometheus(&b);
                ck_assert_int_eq(buf_status(&b), -EFBIG);
                buf_deinit(&b);
        }
        metric_set(METRIC_MILLI_RCU, 0);
}
END_TEST

START_TEST(no_such_metric) {
        metric_add(_METRIC_N, 1);
        metric_set((enum metric) - 1, 1);
        ck_assert_int_eq(metric_get(_METRIC_N), 0);
}
END_TEST

static void *count(void *arg) {
        for (unsigned i = 0; i < N_ROUNDS; i++)
                metric_add(*(enum metric *)arg, i % 2 ? 3 : -1);
        return NULL;
}

START_TEST(threads) {
        enum metric m = METRIC_NODES;
        pthread_t t[N_THREADS];

        metric_set(m, 5);
        for (unsigned i = 0; i < N_THREADS; i++)
                ck_assert_int_eq(pthread_create(&t[i], NULL, count, &m), 0);
        for (unsigned i = 0; i < N_THREADS; i++)
                pthread_join(t[i], NULL);
        ck_assert_int_eq(metric_get(m), 5 + N_THREADS * N_ROUNDS);
        metric_set(m, 0);
}
END_TEST

int main(void) {
        Suite *s = suite_create("metrics");
        TCase *t = tcase_create("metrics");

        suite_add_tcase(s, t);
        tcase_add_loop_test(t, rendering, 0, (int)ARRAY_LEN(values));
        tcase_add_test(t, every_metric_is_in_the_table);
        tcase_add_test(t, full_buffers);
        tcase_add_test(t, no_such_metric);
        tcase_add_test(t, threads);
        return suite_run(s);
}
