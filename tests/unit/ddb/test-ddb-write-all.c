/* SPDX-License-Identifier: Apache-2.0 */
/* A stream of writes: 3,000 puts and deletes of IDS keys, in order, some a few at a time. */
#include "fake_ids.h"

#define STREAMED 3000
static struct {
        struct write w[STREAMED];
        unsigned next, ended, refused, trickle;
        char expected[IDS];
        bool over[STREAMED];
} streamed;

static struct write *stream_next(void *arg, bool wait) {
        (void)arg;
        ck_assert_uint_eq(locks_held(), 0);
        if (streamed.next == STREAMED || (streamed.trickle && !wait && streamed.next % streamed.trickle == 0))
                return NULL;
        return &streamed.w[streamed.next++];
}

static void stream_done(void *arg, struct write *w, int result, const struct error *why) {
        (void)arg;
        ck_assert(w >= streamed.w && w < streamed.w + STREAMED && !streamed.over[w - streamed.w]);
        streamed.over[w - streamed.w] = true;
        streamed.ended++;
        streamed.refused += result != 0;
        ck_assert(result == 0 || (why && why->kind == ERR_VALIDATION));
}

static int stream(unsigned trickle) {
        const struct write_source source = { .next = stream_next, .done = stream_done };

        memset(&streamed, 0, sizeof(streamed));
        streamed.trickle = trickle;
        for (unsigned i = 0; i < STREAMED; i++) {
                unsigned id = (unsigned)(rng_unit() * (i % 3 ? IDS : 7)) % IDS;

                streamed.w[i] = (struct write){ .op = i % 5 ? WRITE_PUT : WRITE_DELETE, .table = &users };
                if (i % 5)
                        streamed.w[i].item = &id_items[id];
                else
                        streamed.w[i].key = (struct key){ 1, { { VALUE_N, str_of(id_text[id]) } } };
                streamed.expected[id] = i % 5 ? 'P' : 'D';
        }
        return store->ops->write_all(store, &ctx, &source, &err);
}

START_TEST(streams_of_writes) {
        static const struct {
                unsigned left_percent, throttle_percent, trickle, bad;
        } t[] = { { 0, 0, 0, IDS }, { 0, 0, 10, IDS }, { 30, 10, 0, IDS }, { 20, 0, 40, IDS }, { 0, 0, 0, 3 }, { 20, 10, 60, 5 } };

        name_ids();
        memset(&service, 0, sizeof(service));
        service.left_percent = t[_i].left_percent;
        service.throttle_percent = t[_i].throttle_percent;
        service.bad = t[_i].bad;
        model = write_model;
        ck_assert_int_eq(stream(t[_i].trickle), 0);
        ck_assert_uint_eq(streamed.ended, STREAMED);
        for (unsigned i = 0; i < IDS; i++)
                if (i != t[_i].bad)
                        ck_assert_int_eq(service.state[i], streamed.expected[i]);
        ck_assert_int_eq(streamed.refused > 0, t[_i].bad < IDS);
        if (t[_i].bad == IDS && !t[_i].trickle && !t[_i].left_percent)
                ck_assert_uint_le(calls, STREAMED / 25 + 150);
}
END_TEST

START_TEST(stream_stopped) {
        name_ids();
        memset(&service, 0, sizeof(service));
        service.bad = IDS;
        service.throttle_percent = 100;
        model = write_model;
        ck_assert_int_eq(stream(0), -EBUSY);
        ck_assert_uint_eq(streamed.ended, 0);
        service.throttle_percent = 0;
        op_ctx_cancel(&ctx);
        ck_assert_int_eq(stream(0), -EINTR);
}
END_TEST

int main(void) {
        TCase *t = fake_client_case();

        tcase_add_loop_test(t, streams_of_writes, 0, 6);
        tcase_add_test(t, stream_stopped);
        return fake_client_run(t, "ddb/write-all");
}
