/* SPDX-License-Identifier: Apache-2.0 */
/* DescribeTable of many tables, several in flight, driven by the calling thread. */
#include <errno.h>

#include "ddb_store.h"

#define FLYING_MAX 16

struct describe_slot {
        struct exchange x;
        uint32_t i;
        bool flying;
};

struct describe_run {
        const struct str *tables;
        uint32_t n, next;
        describe_sink sink;
        void *arg;
        struct describe_slot slots[FLYING_MAX];
};

static void answer(struct describe_run *run, uint32_t i, int r, const struct str *body, struct error *error) {
        struct table_schema *schema = NULL;

        if (r == 0)
                r = ddb_parse_describe(*body, run->tables[i], &schema, error);
        run->sink(run->arg, i, r, schema, error);
}

static struct aws_call *next_table(void *arg) {
        struct describe_run *run = arg;
        struct describe_slot *s = run->slots;

        while (s < run->slots + FLYING_MAX && s->flying)
                s++;
        while (s < run->slots + FLYING_MAX && run->next < run->n) {
                struct error e = { 0 };
                int r;

                s->i = run->next++;
                exchange_again(&s->x);
                buf_reset(&s->x.body);
                r = ddb_built(ddb_request_describe(run->tables[s->i], &s->x.body), s->x.call.operation, &e);
                if (r) {
                        answer(run, s->i, r, NULL, &e);
                        continue;
                }
                s->flying = true;
                s->x.call.body = buf_view(&s->x.body);
                return &s->x.call;
        }
        return NULL;
}

static int table_done(void *arg, struct aws_call *call) {
        struct describe_slot *s = call->user;
        struct str body = buf_view(&call->response.body);

        s->flying = false;
        answer(arg, s->i, call->result, &body, &call->error);
        return 0;
}

int ddb_describe_all(struct store *store, struct op_ctx *ctx, const struct str *tables, uint32_t n, describe_sink sink,
                     void *arg, struct error *reterr) {
        static const struct aws_run_ops ops = { .next = next_table, .done = table_done };
        struct describe_run *run = mem_zalloc(sizeof(*run));
        int r;

        if (!run)
                return error_set(reterr, ERR_MEMORY, "DescribeTable: out of memory");
        run->tables = tables;
        run->n = n;
        run->sink = sink;
        run->arg = arg;
        for (size_t i = 0; i < FLYING_MAX; i++) {
                exchange_init(&run->slots[i].x, "DescribeTable");
                run->slots[i].x.call.user = &run->slots[i];
        }
        r = aws_client_run(ddb_store_of(store)->client, ctx, &ops, run, reterr);
        for (size_t i = 0; i < FLYING_MAX; i++)
                exchange_deinit(&run->slots[i].x);
        mem_free(run);
        return r;
}
