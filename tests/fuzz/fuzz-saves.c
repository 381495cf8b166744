/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The journal of saves, as a crash may have left it: whatever is read of it as a save is written as a record that is
 * read as the same save, and what is no record is left where it is.
 */
#include "../../src/fs/saves_record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static bool same(const struct save_payload *a, const struct save_payload *b) {
        return a->op == b->op && a->exclusive == b->exclusive && str_eq(a->table, b->table) &&
               str_eq(a->path, b->path) && item_equal(&a->item, &b->item) && item_equal(&a->base, &b->base);
}

static void check_payload(struct str payload, uint64_t seq) {
        struct arena arena = ARENA_INIT(64 * MIB);
        struct buf text = BUF_INIT(64 * MIB);
        struct save_payload p, back;
        struct save_record rec;
        struct str rest;

        if (save_payload_parse(payload, &arena, &p) == 0) {
                save_record(&text, seq, &p);
                rest = buf_view(&text);
                if (buf_status(&text) || !save_record_next(&rest, &rec) || !rec.is_save || rec.seq != seq || rest.n > 0 ||
                    !str_eq(rec.whole, buf_view(&text)) || save_payload_parse(rec.payload, &arena, &back) || !same(&p, &back))
                        __builtin_trap();
        }
        (void)save_payload_table(payload);
        buf_deinit(&text);
        arena_deinit(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
        struct str text = str_make(data, n), rest = text, before;
        struct save_record rec;

        check_payload(text, n); /* without a hash that fits: of anything */
        for (before = rest; save_record_next(&rest, &rec); before = rest) {
                if (rec.whole.p != before.p || rec.whole.n == 0 || rec.whole.n + rest.n != before.n)
                        __builtin_trap();
                if (rec.is_save)
                        check_payload(rec.payload, rec.seq);
        }
        if (rest.p != before.p || rest.n != before.n)
                __builtin_trap();
        (void)save_record_follows(rest);
        return 0;
}
