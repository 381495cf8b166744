/* SPDX-License-Identifier: Apache-2.0 */
/* Request bodies of batches and transactions.  Pure. */
#include <errno.h>

#include "ddb_requests.h"
#include "ddbfs/base/json.h"
#include "ddbfs/codec/wire.h"

#define ASK_CAPACITY "\"ReturnConsumedCapacity\":\"TOTAL\""

int ddb_request_transact_write(const struct write *w, uint32_t n, struct str token, struct buf *out) {
        static const char *const action[] = {
                [WRITE_PUT] = "{\"Put\":{",
                [WRITE_UPDATE] = "{\"Update\":{",
                [WRITE_DELETE] = "{\"Delete\":{",
                [WRITE_CHECK] = "{\"ConditionCheck\":{",
        };
        size_t room = 0;
        int r;

        for (uint32_t i = 0; i < n; i++)
                room += ddb_write_room(&w[i]);
        ddb_presize(out, room);
        buf_puts(out, "{" ASK_CAPACITY ",\"ClientRequestToken\":");
        json_write_string(out, token);
        buf_puts(out, ",\"TransactItems\":[");
        for (uint32_t i = 0; i < n; i++) {
                if (w[i].op == WRITE_CHECK && w[i].n_conditions == 0)
                        return -EINVAL;
                if (i)
                        buf_putc(out, ',');
                buf_puts(out, action[w[i].op]);
                r = ddb_put_write(&w[i], out);
                if (r)
                        return r;
                /* an update of only the key still needs its expression here, and there is none to write */
                if (w[i].op == WRITE_UPDATE && w[i].n_set + w[i].n_remove == 0)
                        return -EINVAL;
                buf_puts(out, "}}");
        }
        buf_puts(out, "]}");
        return buf_status(out);
}

int ddb_request_transact_get(const struct get_request *q, uint32_t n, struct buf *out) {
        int r;

        ddb_presize(out, 256 * (size_t)n + 64);
        buf_puts(out, "{" ASK_CAPACITY ",\"TransactItems\":[");
        for (uint32_t i = 0; i < n; i++) {
                buf_puts(out, i ? ",{\"Get\":{" : "{\"Get\":{");
                r = ddb_put_get(&q[i], out);
                if (r)
                        return r;
                buf_puts(out, "}}");
        }
        buf_puts(out, "]}");
        return buf_status(out);
}

int ddb_request_batch_get(const struct get_request *q, const uint32_t *pick, uint32_t n, struct buf *out) {
        _cleanup_(expr_deinit) struct expr e = { 0 };
        const struct get_request *first;
        int r;

        if (n == 0)
                return -EINVAL;
        first = &q[pick[0]];
        r = expr_init(&e, out, first->n_projection, 0);
        if (r)
                return r;
        ddb_presize(out, 128 * (size_t)n + 512);
        buf_puts(out, "{" ASK_CAPACITY ",\"RequestItems\":{");
        json_write_string(out, table_address(first->table));
        buf_puts(out, ":{\"Keys\":[");
        for (uint32_t i = 0; i < n; i++) {
                if (i)
                        buf_putc(out, ',');
                r = ddb_put_key(out, first->table, &q[pick[i]].key);
                if (r)
                        return r;
        }
        buf_putc(out, ']');
        expr_projection(&e, first->projection, first->n_projection);
        r = expr_finish(&e);
        if (r)
                return r;
        if (first->consistent)
                buf_puts(out, ",\"ConsistentRead\":true");
        buf_puts(out, "}}}");
        return buf_status(out);
}

/* Insertion sort: 25 at most, nearly always one table, and writes of one table keep their order. */
static void group_by_table(const struct write *w, uint32_t *pick, uint32_t n) {
        for (uint32_t i = 1; i < n; i++) {
                uint32_t p = pick[i], at = i;

                while (at > 0 && str_cmp(table_address(w[pick[at - 1]].table), table_address(w[p].table)) > 0) {
                        pick[at] = pick[at - 1];
                        at--;
                }
                pick[at] = p;
        }
}

static int put_batched(const struct write *w, struct buf *out) {
        int r = 0;

        if (w->n_conditions > 0 || (w->op == WRITE_PUT && ddb_has_claim(w->item->attributes, w->item->n)))
                return -EINVAL;
        switch (w->op) {
        case WRITE_PUT:
                buf_puts(out, "{\"PutRequest\":{\"Item\":");
                wire_write_item(out, w->item);
                break;
        case WRITE_DELETE:
                buf_puts(out, "{\"DeleteRequest\":{\"Key\":");
                r = ddb_put_key(out, w->table, &w->key);
                break;
        case WRITE_UPDATE:
        case WRITE_CHECK:
                return -EINVAL;
        }
        buf_puts(out, "}}");
        return r;
}

int ddb_request_batch_write(const struct write *w, uint32_t *pick, uint32_t n, struct buf *out) {
        size_t room = 0;
        int r;

        if (n == 0)
                return -EINVAL;
        group_by_table(w, pick, n);
        for (uint32_t i = 0; i < n; i++)
                room += w[pick[i]].op == WRITE_PUT ? ddb_item_room(w[pick[i]].item) : 256;
        ddb_presize(out, room);
        buf_puts(out, "{" ASK_CAPACITY ",\"RequestItems\":{");
        for (uint32_t i = 0; i < n; i++) {
                struct str table = table_address(w[pick[i]].table);

                if (i > 0 && str_eq(table, table_address(w[pick[i - 1]].table))) {
                        buf_putc(out, ',');
                } else {
                        buf_puts(out, i ? "]," : "");
                        json_write_string(out, table);
                        buf_puts(out, ":[");
                }
                r = put_batched(&w[pick[i]], out);
                if (r)
                        return r;
        }
        buf_puts(out, "]}}");
        return buf_status(out);
}
