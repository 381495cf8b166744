/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_ids.h"

struct fake_service service;
char id_text[IDS][16];
struct attribute id_attributes[IDS];
struct item id_items[IDS];

bool chance(unsigned percent) {
        return rng_unit() * 100 < percent;
}

/* The next unit of a BatchWriteItem at *p: its id, and whether it is a put. */
static bool next_unit(const char **p, const char *end, unsigned *id, bool *put) {
        static const char item[] = "\"Item\":{\"id\":{\"N\":\"", key[] = "\"Key\":{\"id\":{\"N\":\"";
        const char *i = memmem(*p, (size_t)(end - *p), item, sizeof(item) - 1);
        const char *k = memmem(*p, (size_t)(end - *p), key, sizeof(key) - 1);

        *put = i && (!k || i < k);
        if (!i && !k)
                return false;
        *p = *put ? i + sizeof(item) - 1 : k + sizeof(key) - 1;
        *id = (unsigned)atoi(*p);
        return true;
}

int write_model(struct aws_call *call) {
        const char *p = call->body.p, *end = p + call->body.n;
        struct buf left = BUF_INIT(MIB);
        bool seen[IDS] = { false }, put;
        unsigned id, n = 0, n_left = 0;
        int r;

        if (chance(service.throttle_percent))
                return answer(call, "{}", ERR_BUSY, "ProvisionedThroughputExceededException");
        buf_puts(&left, "{\"UnprocessedItems\":{\"Users\":[");
        while (next_unit(&p, end, &id, &put)) {
                ck_assert_uint_lt(id, IDS);
                ck_assert_msg(!seen[id], "%u twice in a batch", id);
                seen[id] = true;
                n++;
        }
        service.most = MAX(service.most, n);
        if (service.bad < IDS && seen[service.bad]) {
                buf_deinit(&left);
                return answer(call, "{}", ERR_VALIDATION, "ValidationException");
        }
        for (p = call->body.p; next_unit(&p, end, &id, &put);) {
                if (!chance(service.left_percent))
                        service.state[id] = put ? 'P' : 'D';
                else
                        buf_printf(&left, "%s{\"%s\":{\"%s\":{\"id\":{\"N\":\"%u\"}}}}", n_left++ ? "," : "",
                                   put ? "PutRequest" : "DeleteRequest", put ? "Item" : "Key", id);
        }
        buf_puts(&left, "]}}");
        r = answer(call, buf_view(&left).p, ERR_NONE, NULL);
        buf_deinit(&left);
        return r;
}

void name_ids(void) {
        for (unsigned i = 0; i < IDS; i++) {
                snprintf(id_text[i], sizeof(id_text[i]), "%u", i);
                id_attributes[i] = (struct attribute){ STR("id"), { .type = VALUE_N, .text = str_of(id_text[i]) } };
                id_items[i] = (struct item){ 1, &id_attributes[i] };
        }
        memset(&service, 0, sizeof(service));
        service.bad = IDS;
}

struct write unit_write(unsigned id, bool put) {
        struct write w = { .op = put ? WRITE_PUT : WRITE_DELETE, .table = &users, .item = &id_items[id] };

        w.key = (struct key){ 1, { { VALUE_N, str_of(id_text[id]) } } };
        return w;
}
