/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON reader: what it accepts it accepts again when written anew; skipping agrees with reading. */
#include "ddbfs/base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Copy the tokens to out as compact JSON.  0 or the reader's status. */
static int rewrite(struct str text, struct arena *arena, struct buf *out) {
        static const char *const words[] = {
                [JSON_OBJECT_BEGIN] = "{", [JSON_OBJECT_END] = "}", [JSON_ARRAY_BEGIN] = "[", [JSON_ARRAY_END] = "]",
                [JSON_TRUE] = "true",      [JSON_FALSE] = "false",  [JSON_NULL] = "null"
        };
        struct json_reader r;
        enum json_token t;
        bool comma = false;

        json_reader_init(&r, text, arena, JSON_MAX_DEPTH);
        while ((t = json_next(&r)) != JSON_END && t != JSON_ERROR) {
                bool closing = t == JSON_OBJECT_END || t == JSON_ARRAY_END;

                if (comma && !closing)
                        buf_putc(out, ',');
                comma = t != JSON_OBJECT_BEGIN && t != JSON_ARRAY_BEGIN && t != JSON_KEY;
                if (t == JSON_KEY || t == JSON_STRING)
                        json_write_string(out, r.value);
                else if (t == JSON_NUMBER)
                        buf_str(out, r.value);
                else
                        buf_puts(out, words[t]);
                if (t == JSON_KEY)
                        buf_putc(out, ':');
        }
        if (t == JSON_ERROR && (r.error.kind == ERR_NONE || json_next(&r) != JSON_ERROR))
                __builtin_trap();
        return json_status(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
        struct arena arena = ARENA_INIT(16 * MIB);
        struct buf once = BUF_INIT(16 * MIB), twice = BUF_INIT(16 * MIB);
        struct str text = str_make(data, n);
        struct json_reader r;
        int status;

        status = rewrite(text, &arena, &once);
        json_reader_init(&r, text, &arena, JSON_MAX_DEPTH);
        if ((json_skip(&r) == 0 && json_next(&r) == JSON_END) != (status == 0))
                __builtin_trap();
        if (status == 0 && (rewrite(buf_view(&once), &arena, &twice) || !str_eq(buf_view(&once), buf_view(&twice))))
                __builtin_trap();
        buf_deinit(&once);
        buf_deinit(&twice);
        arena_deinit(&arena);
        return 0;
}
