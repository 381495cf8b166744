/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The answers of a hostile service.  The first byte names the parser, the rest is the body.  What is accepted must
 * survive a round trip (written in the wire form and read again, it is the same) and keep the promises of
 * responses.h.
 */
#include "ddbfs/codec/wire.h"
#include "ddbfs/ddb/responses.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check(bool ok) {
        if (!ok)
                __builtin_trap();
}

static void check_failed(int r, const struct error *e) {
        check(r < 0 && r == -error_errno(e->kind));
        check(e->kind == ERR_PROTOCOL || e->kind == ERR_MEMORY);
        check(e->message[0] != '\0' && !strchr(e->message, '\n'));
}

/* {"Item": ...} of an accepted item must read back as that item. */
static void round_trip(const struct item *item) {
        struct buf body = BUF_INIT(64 * MIB);
        struct ddb_usage usage;
        struct items again;
        struct error e;

        items_init(&again);
        buf_puts(&body, "{\"Item\":");
        wire_write_item(&body, item);
        buf_putc(&body, '}');
        check(ddb_parse_get(&body, &again, &usage, &e) == 0);
        check(again.n == 1 && item_equal(item, &again.v[0]));
        items_deinit(&again);
        buf_deinit(&body);
}

static void check_items(const struct items *items, const struct ddb_lefts *left, const struct ddb_usage *usage) {
        for (uint32_t i = 0; i < items->n; i++)
                round_trip(&items->v[i]);
        if (items->next) {
                check(items->next->n > 0);
                round_trip(items->next);
        }
        for (uint32_t i = 0; i < left->n; i++)
                round_trip(&left->v[i].item);
        check(usage->total >= 0 && usage->read >= 0 && usage->write >= 0);
}

static int parse_items(unsigned parser, struct buf *body, struct items *items, struct ddb_lefts *left,
                       struct ddb_usage *usage, struct error *e) {
        switch (parser) {
        case 0:
                return ddb_parse_get(body, items, usage, e);
        case 1:
                return ddb_parse_page("Query", body, false, items, usage, e);
        case 2:
                return ddb_parse_page("Scan", body, true, items, usage, e);
        case 3:
                return ddb_parse_write("UpdateItem", body, items, usage, e);
        case 4:
                return ddb_parse_batch_get(body, items, left, usage, e);
        case 5:
                return ddb_parse_batch_write(body, items, left, usage, e);
        case 6:
                return ddb_parse_transact_get(body, 2, items, usage, e);
        default:
                return ddb_parse_transact_write(body, items, usage, e);
        }
}

static void fuzz_items(unsigned parser, struct str text) {
        struct buf body = BUF_INIT(64 * MIB);
        struct ddb_lefts left = { 0 };
        struct ddb_usage usage;
        struct items items;
        struct error e = { 0 };
        int r;

        items_init(&items);
        buf_str(&body, text);
        r = parse_items(parser, &body, &items, &left, &usage, &e);
        check(body.n == 0);
        if (r)
                check_failed(r, &e);
        else
                check_items(&items, &left, &usage);
        items_deinit(&items);
        buf_deinit(&body);
}

static void check_key(const struct key_schema *k, uint32_t max) {
        check(k->n_hash >= 1 && k->n_hash + k->n_range <= max);
        for (uint32_t i = 0; i < k->n_hash + k->n_range; i++)
                check(k->attrs[i].name.n > 0 &&
                      (k->attrs[i].type == VALUE_S || k->attrs[i].type == VALUE_N || k->attrs[i].type == VALUE_B));
}

static void fuzz_describe(struct str text) {
        struct table_schema *s = NULL, *again = NULL;
        struct buf body = BUF_INIT(64 * MIB);
        struct error e = { 0 };
        int r;

        r = ddb_parse_describe(text, STR("T"), &s, &e);
        if (r) {
                check_failed(r, &e);
                return;
        }
        check(ddb_name_valid(s->name));
        check_key(&s->key, 2);
        for (uint32_t i = 0; i < s->n_indexes; i++) {
                check(ddb_name_valid(s->indexes[i].name));
                check(table_index(s, s->indexes[i].name) == &s->indexes[i]);
                check_key(&s->indexes[i].key, KEY_ATTRS_MAX);
        }
        /* the description is the whole of it */
        buf_puts(&body, "{\"Table\":");
        buf_str(&body, s->description);
        buf_putc(&body, '}');
        check(ddb_parse_describe(buf_view(&body), STR("T"), &again, &e) == 0);
        check(str_eq(again->description, s->description) && again->n_indexes == s->n_indexes);
        check(str_eq(again->key.attrs[0].name, s->key.attrs[0].name));
        table_schema_unref(s);
        table_schema_unref(again);
        buf_deinit(&body);
}

static void fuzz_tables(struct str text) {
        struct error e = { 0 };
        struct names names;
        int r;

        names_init(&names);
        r = ddb_parse_tables(text, &names, &e);
        if (r)
                check_failed(r, &e);
        for (uint32_t i = 0; !r && i < names.n; i++)
                check(ddb_name_valid(names.v[i]));
        names_deinit(&names);
}

static void fuzz_cancelled(struct str text) {
        struct ddb_cancelled c;
        struct error e = { 0 };
        int r;

        r = ddb_parse_cancelled(text, &c, &e);
        if (r)
                check_failed(r, &e);
        else
                check(c.code[0] == '\0' || c.action < c.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
        struct str text = str_make(data + (n > 0), n - (n > 0));
        unsigned parser = n > 0 ? data[0] % 11u : 0;

        if (parser < 8)
                fuzz_items(parser, text);
        else if (parser == 8)
                fuzz_describe(text);
        else if (parser == 9)
                fuzz_tables(text);
        else
                fuzz_cancelled(text);
        return 0;
}
