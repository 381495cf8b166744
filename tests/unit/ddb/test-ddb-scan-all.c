/* SPDX-License-Identifier: Apache-2.0 */
/* Parallel scans: a table of numbered items, five a page, each segment every nth of them. */
#include "fake_ids.h"

static struct {
        unsigned items, throttle_percent, fail_at, pages, rooms, wait_rooms, stand_still;
        unsigned most; /* pages that room was made for and that have not come */
        unsigned asked, room_max;
        char seen[IDS];
} scanned;

static unsigned number_after(struct str body, const char *name, unsigned by_default) {
        const char *p = memmem(body.p, body.n, name, strlen(name));

        return p ? (unsigned)atoi(p + strlen(name)) : by_default;
}

static int scan_model(struct aws_call *call) {
        unsigned total = number_after(call->body, "\"TotalSegments\":", 1), n = 0;
        unsigned segment = number_after(call->body, "\"Segment\":", 0), last = IDS;
        unsigned from = number_after(call->body, "\"ExclusiveStartKey\":{\"id\":{\"N\":\"", IDS);
        struct buf page = BUF_INIT(MIB);
        int r;

        if (chance(scanned.throttle_percent))
                return answer(call, "{}", ERR_BUSY, "ProvisionedThroughputExceededException");
        if (scanned.fail_at && calls == scanned.fail_at)
                return answer(call, "{}", ERR_ACCESS, "AccessDeniedException");
        buf_puts(&page, "{\"Items\":[");
        from = from == IDS ? segment : scanned.stand_still ? from : from + total;
        for (; from < scanned.items && n < (scanned.stand_still ? 1u : 5u); from += total) {
                buf_printf(&page, "%s{\"id\":{\"N\":\"%u\"}}", n++ ? "," : "", from);
                last = from;
        }
        buf_printf(&page, "],\"Count\":%u,\"ScannedCount\":%u,\"ConsumedCapacity\":{\"CapacityUnits\":0.5}", n, n);
        if (from < scanned.items && n > 0)
                buf_printf(&page, ",\"LastEvaluatedKey\":{\"id\":{\"N\":\"%u\"}}", last);
        buf_puts(&page, "}");
        r = answer(call, buf_view(&page).p, ERR_NONE, NULL);
        buf_deinit(&page);
        return r;
}

static bool scan_room(void *arg, bool wait) {
        (void)arg;
        ck_assert_uint_eq(locks_held(), 0);
        scanned.rooms++;
        scanned.wait_rooms += wait;
        if (wait ? scanned.room_max == 0 : scanned.asked >= scanned.room_max)
                return false;
        scanned.asked++;
        scanned.most = MAX(scanned.most, scanned.asked);
        return true;
}

static int scan_page(void *arg, struct items *page, struct error *e) {
        (void)arg;
        scanned.asked--;
        scanned.pages++;
        for (uint32_t i = 0; i < page->n; i++)
                scanned.seen[atoi(page->v[i].attributes[0].value.text.p)]++;
        return scanned.pages == 1000 ? error_set(e, ERR_INTERNAL, "enough") : 0;
}

static int scan_all(uint32_t segments) {
        const struct scan_request q = { .table = &users };
        const struct scan_sink sink = { .room = scan_room, .page = scan_page };

        return store->ops->scan_all(store, &ctx, &q, segments, &sink, &err);
}

START_TEST(scans_in_segments) {
        static const struct {
                uint32_t segments;
                unsigned items, throttle_percent, room_max;
        } t[] = { { 1, 23, 0, 9 }, { 4, 103, 0, 9 }, { 4, 103, 0, 1 }, { 16, 3, 0, 4 }, { 7, 250, 40, 3 }, { 64, 290, 20, 64 } };

        model = scan_model;
        memset(&scanned, 0, sizeof(scanned));
        scanned.items = t[_i].items;
        scanned.throttle_percent = t[_i].throttle_percent;
        scanned.room_max = t[_i].room_max;
        ck_assert_int_eq(scan_all(t[_i].segments), 0);
        for (unsigned i = 0; i < IDS; i++)
                ck_assert_int_eq(scanned.seen[i], i < t[_i].items);
        ck_assert_uint_eq(scanned.asked, 0);
        ck_assert_uint_le(scanned.most, t[_i].room_max);
        if (!t[_i].throttle_percent)
                ck_assert_uint_eq(calls, scanned.pages);
        ck_assert_double_eq_tol(ctx.rcu, scanned.pages / 2.0, 0.01);
}
END_TEST

START_TEST(scans_that_end) {
        model = scan_model;
        memset(&scanned, 0, sizeof(scanned));
        scanned.items = 250;
        scanned.room_max = 4;
        scanned.fail_at = 7;
        ck_assert_int_eq(scan_all(4), -EACCES);
        ck_assert_str_eq(err.code, "AccessDeniedException");
        scanned.fail_at = 0;
        scanned.asked = 0;
        scanned.throttle_percent = 100;
        ck_assert_int_eq(scan_all(4), -EBUSY);
        scanned.throttle_percent = 0;
        scanned.asked = 0;
        scanned.stand_still = 1;
        ck_assert_int_eq(scan_all(2), -EIO);
        scanned.stand_still = 0;
        scanned.room_max = 0;
        ck_assert_int_eq(scan_all(2), -EINTR);
        scanned.asked = 0;
        scanned.room_max = 4;
        op_ctx_cancel(&ctx);
        ck_assert_int_eq(scan_all(2), -EINTR);
}
END_TEST

START_TEST(budget_of_scans) {
        model = scan_model;
        memset(&scanned, 0, sizeof(scanned));
        scanned.items = 250;
        scanned.room_max = 64;
        ddb_store_limit(store, 5, 0);
        ck_assert_int_eq(scan_all(8), 0);
        for (unsigned i = 0; i < IDS; i++)
                ck_assert_int_eq(scanned.seen[i], i < 250);
        ck_assert_double_ge(WAITED_S, (ctx.rcu - 5 - 8 * 0.5) / 5); /* a second's worth was there, and eight were in flight */
        ck_assert_double_le(WAITED_S, ctx.rcu / 5 + 1);
        ddb_store_limit(store, 0, 0);
}
END_TEST

int main(void) {
        TCase *t = fake_client_case();

        tcase_add_loop_test(t, scans_in_segments, 0, 6);
        tcase_add_test(t, scans_that_end);
        tcase_add_test(t, budget_of_scans);
        return fake_client_run(t, "ddb/scan-all");
}
