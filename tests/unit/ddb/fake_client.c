/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_client.h"
#include "../suite.h"

const struct reply *script;
int (*model)(struct aws_call *call);
unsigned calls;
char tokens[16][40];
char last_body[4096];
struct store *store;
struct op_ctx ctx;
struct error err;
struct items got;

int answer(struct aws_call *call, const char *body, enum error_kind kind, const char *code) {
        buf_reset(&call->response.body);
        buf_puts(&call->response.body, body);
        call->error = (struct error){ 0 };
        call->result = kind == ERR_NONE ? 0 : error_set(&call->error, kind, "%s", code);
        if (code)
                snprintf(call->error.code, sizeof(call->error.code), "%s", code);
        return call->result;
}

static int serve(struct op_ctx *op, struct aws_call *call) {
        const struct reply *r = &script[calls];
        const char *token;

        ck_assert_uint_eq(locks_held(), 0);
        if (op_ctx_check(op, &call->error))
                return call->result = -error_errno(call->error.kind);
        calls++;
        if (model)
                return model(call);
        ck_assert_msg(r->operation && str_eq(str_of(r->operation), str_of(call->operation)), "call %u: %s, expected %s",
                      calls, call->operation, r->operation ? r->operation : "no more");
        snprintf(last_body, sizeof(last_body), "%.*s", (int)call->body.n, call->body.p);
        token = strstr(last_body, "ClientRequestToken\":\"");
        if (token && calls <= ARRAY_LEN(tokens))
                snprintf(tokens[calls - 1], sizeof(tokens[0]), "%.36s", token + strlen("ClientRequestToken\":\""));
        call->uncertain = r->uncertain;
        return answer(call, r->body, r->kind, r->code);
}

int aws_client_call(struct aws_client *c, struct op_ctx *op, struct aws_call *call) {
        (void)c;
        return serve(op, call);
}

/* The last one sent is the first one answered. */
int aws_client_run(struct aws_client *c, struct op_ctx *op, const struct aws_run_ops *ops, void *arg,
                   struct error *reterr) {
        struct aws_call *flying[4];
        unsigned n = 0;
        int r;

        (void)c;
        for (;;) {
                struct aws_call *next;

                while (n < ARRAY_LEN(flying) && (next = ops->next(arg)))
                        flying[n++] = next;
                if (n == 0)
                        return 0;
                r = op_ctx_check(op, reterr);
                if (r)
                        return r;
                next = flying[--n];
                (void)!serve(op, next);
                r = ops->done(arg, next);
                if (r)
                        return r;
        }
}

int denied_model(struct aws_call *call) {
        return answer(call, "{}", ERR_ACCESS, "AccessDeniedException");
}

static void set_up(void) {
        clock_fake(NS_PER_S, 1000 * NS_PER_S);
        rng_seed(7);
        op_ctx_init(&ctx, "test", 600 * NS_PER_S);
        items_init(&got);
        ck_assert_int_eq(ddb_store_new(NULL, &store), 0);
        script = NULL;
        model = NULL;
        calls = 0;
        err = (struct error){ 0 };
        memset(tokens, 0, sizeof(tokens));
}

static void tear_down(void) {
        items_deinit(&got);
        store = store_free(store);
        op_ctx_deinit(&ctx);
        rng_seed(0);
        clock_real();
}

TCase *fake_client_case(void) {
        TCase *t = tcase_create("script");

        tcase_set_timeout(t, 60);
        tcase_add_checked_fixture(t, set_up, tear_down);
        return t;
}

int fake_client_run(TCase *t, const char *name) {
        Suite *s = suite_create(name);

        suite_add_tcase(s, t);
        return suite_run(s);
}
