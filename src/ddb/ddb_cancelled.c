/* SPDX-License-Identifier: Apache-2.0 */
/* The CancellationReasons of a TransactionCanceledException: one per action, in the actions' order.  Pure. */
#include <stdio.h>

#include "ddb_json.h"
#include "ddbfs/ddb/responses.h"

struct reasons {
        struct ddb_cancelled *ret;
        bool found;     /* a guilty action */
        bool transient; /* ... that another try may acquit; a lasting one takes its place */
        bool present;
        struct str code, message;
};

static bool code_is_transient(struct str code) {
        static const char *const codes[] = { "TransactionConflict", "ThrottlingError",
                                             "ProvisionedThroughputExceeded" };

        for (size_t i = 0; i < ARRAY_LEN(codes); i++)
                if (str_eq(code, str_of(codes[i])))
                        return true;
        return false;
}

static int read_code(struct json_reader *r, void *arg) {
        return shape_string(r, &((struct reasons *)arg)->code);
}

static int read_message(struct json_reader *r, void *arg) {
        return shape_string(r, &((struct reasons *)arg)->message);
}

static void copy_text(char *out, size_t max, struct str s) {
        snprintf(out, max, "%.*s", (int)MIN(s.n, max), s.n ? s.p : "");
}

static int read_reason(struct json_reader *r, void *arg) {
        static const struct shape_member members[] = { { "Code", read_code }, { "Message", read_message } };
        struct reasons *all = arg;
        struct ddb_cancelled *ret = all->ret;
        uint32_t i = ret->n++;
        bool transient;
        int k;

        all->code = all->message = STR_NULL;
        k = shape_object(r, members, ARRAY_LEN(members), all);
        if (k || all->code.n == 0 || str_eq(all->code, STR("None")))
                return k;
        transient = code_is_transient(all->code);
        if (!all->found || (all->transient && !transient)) {
                all->found = true;
                all->transient = transient;
                ret->action = i;
                copy_text(ret->code, sizeof(ret->code), all->code);
                copy_text(ret->message, sizeof(ret->message), all->message);
        }
        return 0;
}

static int read_reasons(struct json_reader *r, void *arg) {
        ((struct reasons *)arg)->present = true;
        return shape_array(r, read_reason, arg);
}

int ddb_parse_cancelled(struct str body, struct ddb_cancelled *ret, struct error *reterr) {
        static const struct shape_member members[] = { { "CancellationReasons", read_reasons } };
        struct arena arena = ARENA_INIT(8 * MIB);
        struct ddb_cancelled cancelled = { 0 };
        struct reasons all = { .ret = &cancelled };
        struct json_reader reader;
        int r;

        json_reader_init(&reader, body, &arena, JSON_MAX_DEPTH);
        r = shape_document(&reader, "TransactionCanceledException", members, ARRAY_LEN(members), &all, reterr);
        arena_deinit(&arena);
        if (r)
                return r;
        if (!all.present)
                return error_set(reterr, ERR_PROTOCOL, "TransactionCanceledException: no reasons given");
        cancelled.transient = all.found ? all.transient : true;
        *ret = cancelled;
        return 0;
}
