/* SPDX-License-Identifier: Apache-2.0 */
/* Encodings, and CRC-32. */
#include "ddbfs/base/encode.h"

#include <errno.h>
#include <libdeflate.h>

static const char alphabet_standard[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char alphabet_url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void hex_encode(struct buf *out, struct str in) {
        static const char digits[] = "0123456789abcdef";
        char *to = in.n <= SIZE_MAX / 2 ? buf_reserve(out, 2 * in.n) : buf_reserve(out, SIZE_MAX);

        if (!to)
                return;
        for (size_t i = 0; i < in.n; i++) {
                uint8_t byte = (uint8_t)in.p[i];

                to[2 * i] = digits[byte >> 4];
                to[2 * i + 1] = digits[byte & 0xf];
        }
        buf_commit(out, 2 * in.n);
}

static void encode64(struct buf *out, struct str in, const char *alphabet, bool pad) {
        const uint8_t *p = (const uint8_t *)in.p;
        size_t left = in.n % 3, whole = in.n / 3;
        size_t n = in.n <= SIZE_MAX / 2 ? whole * 4 + (left ? (pad ? 4 : left + 1) : 0) : SIZE_MAX;
        char *to = buf_reserve(out, n);
        uint32_t x;

        if (!to)
                return;
        for (; whole; whole--, p += 3) {
                x = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
                *to++ = alphabet[x >> 18];
                *to++ = alphabet[x >> 12 & 63];
                *to++ = alphabet[x >> 6 & 63];
                *to++ = alphabet[x & 63];
        }
        if (left) {
                x = (uint32_t)p[0] << 16 | (left == 2 ? (uint32_t)p[1] << 8 : 0);
                *to++ = alphabet[x >> 18];
                *to++ = alphabet[x >> 12 & 63];
                if (left == 2)
                        *to++ = alphabet[x >> 6 & 63];
                for (; pad && left < 3; left++)
                        *to++ = '=';
        }
        buf_commit(out, n);
}

void base64_encode(struct buf *out, struct str in) {
        encode64(out, in, alphabet_standard, true);
}

void base64url_encode(struct buf *out, struct str in) {
        encode64(out, in, alphabet_url, false);
}

#define NOT_A_DIGIT 0x80

/* The digits of in (padding removed) as bytes at *to, which has the room.  false: malformed. */
static bool decode64_digits(const char *alphabet, struct str in, char *to) {
        const uint8_t *p = (const uint8_t *)in.p, *end = p + in.n - in.n % 4;
        uint8_t values[256], a, b, c = 0, d;

        memset(values, NOT_A_DIGIT, sizeof(values));
        for (uint8_t i = 0; i < 64; i++)
                values[(uint8_t)alphabet[i]] = i;
        for (; p < end; p += 4) {
                a = values[p[0]], b = values[p[1]], c = values[p[2]], d = values[p[3]];
                if ((a | b | c | d) & NOT_A_DIGIT)
                        return false;
                *to++ = (char)(a << 2 | b >> 4);
                *to++ = (char)((b & 0xf) << 4 | c >> 2);
                *to++ = (char)((c & 3) << 6 | d);
        }
        if (in.n % 4 == 0)
                return true;
        a = values[p[0]], b = values[p[1]], c = in.n % 4 == 3 ? values[p[2]] : 0;
        /* bits that no byte needs must be zero: one text for one value */
        if ((a | b | c) & NOT_A_DIGIT || (in.n % 4 == 3 ? c & 3 : b & 0xf))
                return false;
        *to++ = (char)(a << 2 | b >> 4);
        if (in.n % 4 == 3)
                *to = (char)((b & 0xf) << 4 | c >> 2);
        return true;
}

static int decode64(struct buf *out, struct str in, const char *alphabet) {
        size_t n = in.n / 4 * 3 + (in.n % 4 ? in.n % 4 - 1 : 0);
        char *to;

        if (in.n % 4 == 1)
                return -EINVAL;
        to = buf_reserve(out, n);
        if (!to)
                return buf_status(out);
        if (in.n && !decode64_digits(alphabet, in, to)) {
                buf_commit(out, 0); /* what was there before keeps its NUL */
                return -EINVAL;
        }
        buf_commit(out, n);
        return 0;
}

int base64_decode(struct buf *out, struct str in) {
        if (in.n % 4)
                return -EINVAL;
        for (unsigned i = 0; i < 2 && in.n && in.p[in.n - 1] == '='; i++)
                in.n--;
        return decode64(out, in, alphabet_standard);
}

int base64url_decode(struct buf *out, struct str in) {
        return decode64(out, in, alphabet_url);
}

static bool is_unreserved(char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
               c == '.' || c == '~';
}

void percent_encode(struct buf *out, struct str in, bool keep_slash) {
        static const char digits[] = "0123456789ABCDEF";
        size_t plain;

        for (; in.n; in = str_skip(in, 1)) {
                for (plain = 0; plain < in.n; plain++)
                        if (!is_unreserved(in.p[plain]) && !(keep_slash && in.p[plain] == '/'))
                                break;
                if (plain)
                        buf_append(out, in.p, plain);
                in = str_skip(in, plain);
                if (in.n == 0)
                        return;
                buf_append(out, (char[]){ '%', digits[(uint8_t)*in.p >> 4], digits[*in.p & 0xf] }, 3);
        }
}

uint32_t crc32_ieee(uint32_t crc, struct str in) {
        return in.n ? libdeflate_crc32(crc, in.p, in.n) : crc;
}
