/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names <-> keys.
 *
 * The escape %XX (upper case) stands for exactly the bytes a name cannot hold: '/', '%', controls, DEL, a
 * leading '.', and ',' in index views.  Encoding is a function of the key and decoding refuses every other
 * spelling, so no two names mean one key.  '%' never stands before '+' in an encoded name; a component that
 * ends in "%+" is therefore always a piece of a longer one.
 */
#include <errno.h>
#include "ddbfs/base/encode.h"
#include "ddbfs/codec/keyname.h"
#include "ddbfs/store/number.h"

#define HASH_KEY_MAX 2048
#define RANGE_KEY_MAX 1024

/* Must the byte at index i of a text be escaped? */
static bool needs_escape(unsigned char c, size_t i, bool view) {
        return c < 0x20 || c == 0x7F || c == '/' || c == '%' || (c == '.' && i == 0) || (c == ',' && view);
}

void keyname_encode_text(struct buf *out, struct str text, bool view) {
        static const char hex[] = "0123456789ABCDEF";
        size_t from = 0;

        for (size_t i = 0; i < text.n; i++) {
                unsigned char c = (unsigned char)text.p[i];

                if (!needs_escape(c, i, view))
                        continue;
                buf_append(out, text.p + from, i - from);
                buf_append(out, (char[]){ '%', hex[c >> 4], hex[c & 15] }, 3);
                from = i + 1;
        }
        if (from < text.n)
                buf_append(out, text.p + from, text.n - from);
}

static int hex_upper(char c) {
        if (c >= '0' && c <= '9')
                return c - '0';
        return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The byte of the escape at name.p[i], which is a '%'; -1: none. */
static int escaped_byte(struct str name, size_t i) {
        int high, low;

        if (name.n - i < 3)
                return -1;
        high = hex_upper(name.p[i + 1]);
        low = hex_upper(name.p[i + 2]);
        return high < 0 || low < 0 ? -1 : high * 16 + low;
}

/* Is name exactly what keyname_encode_text makes of some text? */
static bool name_is_canonical(struct str name, bool view) {
        if (name.n == 0 || !utf8_valid(name))
                return false;
        for (size_t i = 0; i < name.n; i++) {
                int c = (unsigned char)name.p[i];

                if (c != '%') {
                        if (needs_escape((unsigned char)c, i, view))
                                return false;
                        continue;
                }
                /* only the first byte of a name is the first of its text, so i == 0 means the same in both */
                c = escaped_byte(name, i);
                if (c < 0 || !needs_escape((unsigned char)c, i, view))
                        return false;
                i += 2;
        }
        return true;
}

int keyname_decode_text(struct buf *out, struct str name, bool view) {
        size_t from = 0;

        if (!name_is_canonical(name, view))
                return KEYNAME_E_MALFORMED;
        for (size_t i = 0; i < name.n; i++) {
                if (name.p[i] != '%')
                        continue;
                buf_append(out, name.p + from, i - from);
                buf_putc(out, (char)escaped_byte(name, i));
                i += 2;
                from = i + 1;
        }
        buf_append(out, name.p + from, name.n - from);
        return buf_status(out);
}

void keyname_encode(struct buf *out, const struct key_part *part, bool view) {
        if (part->type == VALUE_S)
                keyname_encode_text(out, part->text, view);
        else if (part->type == VALUE_B)
                base64url_encode(out, part->text);
        else
                buf_str(out, part->text);
}

int keyname_decode(struct buf *out, struct str name, enum value_type type, bool view, struct key_part *ret) {
        size_t start = out->n;
        int r;

        if (name.n == 0 || name.n > NAME_ENCODED_MAX)
                return KEYNAME_E_MALFORMED;
        if (type == VALUE_S)
                r = keyname_decode_text(out, name, view);
        else if (type == VALUE_B)
                r = base64url_decode(out, name);
        else if (type == VALUE_N && number_is_canonical(name)) {
                buf_str(out, name);
                r = buf_status(out);
        } else
                r = KEYNAME_E_MALFORMED;
        if (r == -EINVAL)
                return KEYNAME_E_MALFORMED;
        if (r)
                return r;
        *ret = (struct key_part){ .type = type, .text = str_skip(buf_view(out), start) };
        return keyname_key_valid(ret, false) ? 0 : KEYNAME_E_MALFORMED;
}

bool keyname_key_valid(const struct key_part *part, bool range) {
        if (part->text.n == 0 || part->text.n > (size_t)(range ? RANGE_KEY_MAX : HASH_KEY_MAX))
                return false;
        if (part->type == VALUE_S)
                return utf8_valid(part->text);
        if (part->type == VALUE_N)
                return number_is_canonical(part->text);
        return part->type == VALUE_B;
}

/* Would a cut at n split a character or an escape?  (An escape is cut when '%' is one or two bytes back.) */
static bool splits(struct str name, size_t n) {
        return ((unsigned char)name.p[n] & 0xC0) == 0x80 || name.p[n - 1] == '%' || (n > 1 && name.p[n - 2] == '%');
}

size_t keyname_piece(struct str name, struct str *ret_piece, bool *ret_last) {
        size_t n = NAME_CHAIN_PREFIX;

        *ret_last = name.n <= NAME_PIECE_MAX;
        if (*ret_last)
                n = name.n;
        else {
                /* a character has at most four bytes; whatever is still split then is no encoded name */
                while (n > NAME_CHAIN_PREFIX - 4 && splits(name, n))
                        n--;
        }
        *ret_piece = str_make(name.p, n);
        return n;
}

bool keyname_chain_ok(struct str joined, const struct str *components, size_t n) {
        struct str piece, rest = joined;

        for (size_t i = 0; i < n; i++) {
                struct str c = components[i];
                bool last;

                if (rest.n == 0)
                        return false;
                rest = str_skip(rest, keyname_piece(rest, &piece, &last));
                if (!last) {
                        if (!keyname_is_chain(c))
                                return false;
                        c.n -= 2;
                }
                if (!str_eq(piece, c))
                        return false;
        }
        return n > 0 && rest.n == 0;
}
