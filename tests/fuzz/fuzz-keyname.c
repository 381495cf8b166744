/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names <-> keys.  The first byte chooses type and view; the rest is taken once as a name (what decodes must
 * encode to the same name) and once as a key (what encodes must decode to the same key).
 */
#include "ddbfs/codec/keyname.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#define PIECES_MAX 64

static void check_pieces(struct str name) {
        struct buf component = BUF_INIT(64 * KIB);
        struct str pieces[PIECES_MAX], piece, rest = name;
        size_t offset[PIECES_MAX], n = 0;
        bool last = false;

        while (!last) {
                if (n == PIECES_MAX)
                        __builtin_trap();
                rest = str_skip(rest, keyname_piece(rest, &piece, &last));
                offset[n++] = component.n;
                buf_str(&component, piece);
                buf_puts(&component, last ? "" : "%+");
        }
        for (size_t i = 0; i < n; i++) {
                pieces[i] = str_make(component.p + offset[i], (i + 1 < n ? offset[i + 1] : component.n) - offset[i]);
                if (pieces[i].n > NAME_PIECE_MAX || pieces[i].n == 0 || !utf8_valid(pieces[i]))
                        __builtin_trap();
        }
        if (rest.n > 0 || !keyname_chain_ok(name, pieces, n))
                __builtin_trap();
        buf_deinit(&component);
}

static void check_encoded(struct str name) {
        if (name.n == 0 || name.p[0] == '.' || memchr(name.p, '/', name.n) || memchr(name.p, '\0', name.n) ||
            keyname_is_chain(name))
                __builtin_trap();
        check_pieces(name);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
        static const enum value_type types[] = { VALUE_S, VALUE_N, VALUE_B, VALUE_S };
        enum value_type type = types[n > 0 ? data[0] & 3 : 0];
        bool view = n > 0 && data[0] & 4;
        struct str rest = str_skip(str_make(data, n), 1);
        struct buf out = BUF_INIT(64 * KIB), name = BUF_INIT(64 * KIB);
        struct key_part part = { .type = type, .text = rest }, back;

        if (keyname_decode(&out, rest, type, view, &back) == 0) {
                keyname_encode(&name, &back, view);
                if (!str_eq(buf_view(&name), rest))
                        __builtin_trap();
                check_encoded(rest);
        }
        buf_reset(&out);
        buf_reset(&name);
        if (keyname_key_valid(&part, false)) {
                keyname_encode(&name, &part, view);
                check_encoded(buf_view(&name));
                if (keyname_decode(&out, buf_view(&name), type, view, &back) || !str_eq(back.text, rest))
                        __builtin_trap();
        }
        buf_deinit(&out);
        buf_deinit(&name);
        return 0;
}
