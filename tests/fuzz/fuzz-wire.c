/* SPDX-License-Identifier: Apache-2.0 */
/* DynamoDB JSON: an item that is read can be written and read again as an equal one. */
#include "ddbfs/codec/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
        struct arena arena = ARENA_INIT(64 * MIB);
        struct buf once = BUF_INIT(64 * MIB), twice = BUF_INIT(64 * MIB);
        struct item item, back;
        struct json_reader r;

        json_reader_init(&r, str_make(data, n), &arena, WIRE_MAX_DEPTH);
        if (wire_read_item(&r, &item)) {
                if (r.error.kind != ERR_INPUT || !utf8_valid(str_of(r.error.message)) || r.error.line == 0)
                        __builtin_trap();
        } else {
                wire_write_item(&once, &item);
                json_reader_init(&r, buf_view(&once), &arena, WIRE_MAX_DEPTH);
                if (wire_read_item(&r, &back) || json_next(&r) != JSON_END || !item_equal(&item, &back))
                        __builtin_trap();
                wire_write_item(&twice, &back);
                if (!str_eq(buf_view(&once), buf_view(&twice)) || item_size(&item) != item_size(&back))
                        __builtin_trap();
        }
        buf_deinit(&once);
        buf_deinit(&twice);
        arena_deinit(&arena);
        return 0;
}
