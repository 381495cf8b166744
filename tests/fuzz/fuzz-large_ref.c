/* SPDX-License-Identifier: Apache-2.0 */
/*
 * References to S3 in items as the service sends them, and claims in texts.  What is read as a reference is written as
 * the very map it was; no text makes one, only claims.
 */
#include "ddbfs/codec/item_text.h"
#include "ddbfs/codec/wire.h"
#include "ddbfs/store/large_ref.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_written(const struct item *item) {
        struct arena arena = ARENA_INIT(64 * MIB);
        struct buf text = BUF_INIT(64 * MIB), again = BUF_INIT(64 * MIB);
        struct json_reader r;
        struct item back;

        wire_write_item(&text, item);
        json_reader_init(&r, buf_view(&text), &arena, WIRE_MAX_DEPTH);
        if (buf_status(&text) || wire_read_item(&r, &back) || !item_equal(item, &back))
                __builtin_trap();
        for (uint32_t i = 0; i < item->n; i++)
                if (item->attributes[i].value.type != back.attributes[i].value.type)
                        __builtin_trap();
        wire_write_item(&again, &back);
        if (!str_eq(buf_view(&text), buf_view(&again)))
                __builtin_trap();
        buf_deinit(&text);
        buf_deinit(&again);
        arena_deinit(&arena);
}

static void check_text(struct str text, enum item_format format) {
        struct item_text_options o = { .format = format, .any_size = true };
        struct arena arena = ARENA_INIT(64 * MIB);
        struct item item;

        if (item_text_parse(text, NULL, NULL, &o, &arena, &item, NULL) == 0)
                for (uint32_t i = 0; i < item.n; i++) {
                        const struct value *v = &item.attributes[i].value;
                        struct large_ref l;

                        if (v->type == VALUE_LARGE ? !large_ref_is_claim(v->large) : large_ref_from_map(v, false, &l))
                                __builtin_trap();
                }
        arena_deinit(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
        struct arena arena = ARENA_INIT(64 * MIB);
        struct json_reader r;
        struct item item;

        json_reader_init(&r, str_make(data, n), &arena, WIRE_MAX_DEPTH);
        if (wire_read_item(&r, &item) == 0)
                check_written(&item);
        check_text(str_make(data, n), ITEM_FORMAT_PLAIN);
        check_text(str_make(data, n), ITEM_FORMAT_DYNAMODB);
        arena_deinit(&arena);
        return 0;
}
