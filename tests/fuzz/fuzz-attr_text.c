/* SPDX-License-Identifier: Apache-2.0 */
/* Contents of attribute files.  The first byte chooses the type.  What is read and rendered is read as the same again. */
#include "ddbfs/codec/item_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_round_trip(const struct value *v, bool compact) {
        struct arena arena = ARENA_INIT(64 * MIB);
        struct buf text = BUF_INIT(64 * MIB), again = BUF_INIT(64 * MIB);
        struct value back;

        if (attr_text_render(v, compact, &text))
                __builtin_trap();
        if (text.n <= ITEM_TEXT_MAX) {
                if (attr_text_parse(buf_view(&text), v->type, &arena, &back, NULL) || !value_equal(v, &back))
                        __builtin_trap();
                if (attr_text_render(&back, compact, &again) || !str_eq(buf_view(&text), buf_view(&again)))
                        __builtin_trap();
        }
        buf_deinit(&text);
        buf_deinit(&again);
        arena_deinit(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
        enum value_type type = (enum value_type)((n > 0 ? data[0] : 0) % _VALUE_TYPE_N);
        struct str text = str_skip(str_make(data, n), 1);
        struct arena arena = ARENA_INIT(64 * MIB);
        struct error e = { 0 };
        struct value v;

        if (attr_text_parse(text, type, &arena, &v, &e)) {
                if ((e.kind != ERR_INPUT || e.line == 0) && e.kind != ERR_TOO_LARGE)
                        __builtin_trap();
                if (!utf8_valid(str_of(e.message)))
                        __builtin_trap();
        } else {
                if (v.type != type)
                        __builtin_trap();
                check_round_trip(&v, true);
                check_round_trip(&v, false);
        }
        arena_deinit(&arena);
        return 0;
}
