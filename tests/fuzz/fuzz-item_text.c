/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Items as file text.  The first byte chooses the format and whether there is a key.  What is read, rendered
 * in any form and read again is the same item.
 */
#include "ddbfs/codec/item_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const struct key_schema schema = {
        .n_hash = 1,
        .n_range = 1,
        .attrs = { { .name = { "pk", 2 }, .type = VALUE_S }, { .name = { "sk", 2 }, .type = VALUE_N } },
};
static const struct key path = {
        .n = 2, .parts = { { .type = VALUE_S, .text = { "a", 1 } }, { .type = VALUE_N, .text = { "1", 1 } } }
};

static void check_round_trip(const struct item *item, const struct key_schema *key, const struct item_text_options *o) {
        struct arena arena = ARENA_INIT(64 * MIB);
        struct buf text = BUF_INIT(64 * MIB), again = BUF_INIT(64 * MIB);
        struct item back;

        if (item_text_render(item, key, o, &text))
                __builtin_trap();
        if (text.n <= ITEM_TEXT_MAX) {
                if (item_text_parse(buf_view(&text), key, NULL, o, &arena, &back, NULL) || !item_equal(item, &back))
                        __builtin_trap();
                if (item_text_render(&back, key, o, &again) || !str_eq(buf_view(&text), buf_view(&again)))
                        __builtin_trap();
        }
        buf_deinit(&text);
        buf_deinit(&again);
        arena_deinit(&arena);
}

static void check_value(struct str text) {
        struct arena arena = ARENA_INIT(64 * MIB);
        struct buf out = BUF_INIT(64 * MIB);
        struct value v, back;

        if (value_text_parse(text, &arena, &v, NULL) == 0)
                if (value_text_render(&v, true, &out) || value_text_parse(buf_view(&out), &arena, &back, NULL) ||
                    !value_equal(&v, &back))
                        __builtin_trap();
        buf_deinit(&out);
        arena_deinit(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
        uint8_t how = n > 0 ? data[0] : 0;
        struct item_text_options o = { .format = how & 1 ? ITEM_FORMAT_DYNAMODB : ITEM_FORMAT_PLAIN,
                                       .strict_keys = how & 2 };
        const struct key_schema *key = how & 4 ? &schema : NULL;
        struct str text = str_skip(str_make(data, n), 1);
        struct arena arena = ARENA_INIT(64 * MIB);
        struct error e = { 0 };
        struct item item;

        if (item_text_parse(text, key, key && how & 8 ? &path : NULL, &o, &arena, &item, &e)) {
                if ((e.kind != ERR_INPUT || e.line == 0) && e.kind != ERR_TOO_LARGE)
                        __builtin_trap();
                if (!utf8_valid(str_of(e.message)))
                        __builtin_trap();
        } else {
                for (unsigned form = 0; form < 4; form++)
                        check_round_trip(&item, key,
                                         &(struct item_text_options){ .format = (enum item_format)(form / 2),
                                                                      .compact = form % 2 });
        }
        check_value(text);
        arena_deinit(&arena);
        return 0;
}
