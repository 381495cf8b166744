/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>
#include "ddbfs/base/encode.h"
#include "../suite.h"

/* RFC 4648, section 10, and what tells the two alphabets apart. */
static const struct {
        struct str plain;
        const char *standard, *url;
} base64[] = {
        { STR(""), "", "" },
        { STR("f"), "Zg==", "Zg" },
        { STR("fo"), "Zm8=", "Zm8" },
        { STR("foo"), "Zm9v", "Zm9v" },
        { STR("foob"), "Zm9vYg==", "Zm9vYg" },
        { STR("fooba"), "Zm9vYmE=", "Zm9vYmE" },
        { STR("foobar"), "Zm9vYmFy", "Zm9vYmFy" },
        { STR("\0"), "AA==", "AA" },
        { STR("\xfb\xff\xfe"), "+//+", "-__-" },
        { STR("\xff\xff\xff\xff"), "/////w==", "_____w" },
};

START_TEST(base64_both_ways) {
        struct buf b = BUF_INIT(100);

        base64_encode(&b, base64[_i].plain);
        ck_assert(str_eq(buf_view(&b), str_of(base64[_i].standard)));
        buf_reset(&b);
        base64url_encode(&b, base64[_i].plain);
        ck_assert(str_eq(buf_view(&b), str_of(base64[_i].url)));
        buf_reset(&b);
        ck_assert_int_eq(base64_decode(&b, str_of(base64[_i].standard)), 0);
        ck_assert_int_eq(base64url_decode(&b, str_of(base64[_i].url)), 0);
        ck_assert_uint_eq(b.n, 2 * base64[_i].plain.n);
        ck_assert(str_starts(buf_view(&b), base64[_i].plain) && str_ends(buf_view(&b), base64[_i].plain));
        buf_deinit(&b);
}
END_TEST

static const struct str not_base64[] = {
        STR("Z"),
        STR("Zg"),
        STR("Zg="),
        STR("Zg==="),
        STR("Zg====="),
        STR("="),
        STR("=="),
        STR("==="),
        STR("===="),
        STR("Z==="),
        STR("Zm8"),
        STR("Zm9vY"),
        STR("Zh=="),
        STR("Zm9="),
        STR("Zm+="),
        STR("Zi=="),
        STR("Zo=="),
        STR("Zk=="),
        STR("Zg=g"),
        STR("Zg==Zg=="),
        STR("Zm9v\n"),
        STR("Zm9v Zm9v"),
        STR("Zm 9"),
        STR("Zm9\0"),
        STR("Z-_v"),
        STR("Zm9v===="),
        STR("\xff\xff\xff\xff"),
        STR("Zm9v\r\n\r\n"),
        STR("=m9v"),
        STR("Z=9v"),
        STR("////\x80///"),
};

START_TEST(base64_is_strict) {
        struct buf b = BUF_INIT(100);

        buf_puts(&b, "before");
        ck_assert_int_eq(base64_decode(&b, not_base64[_i]), -EINVAL);
        ck_assert_int_eq(buf_status(&b), 0);
        ck_assert_str_eq(b.p, "before");
        buf_deinit(&b);
}
END_TEST

static const struct str not_base64url[] = {
        STR("Zg=="), STR("Zm8="), STR("Z"),   STR("Zm9vY"), STR("+//+"),
        STR("Zh"),   STR("Zm9"),  STR("Zm-"), STR("Zm 8"),  STR("Zg\n"),
};

START_TEST(base64url_is_strict) {
        struct buf b = BUF_INIT(100);

        ck_assert_int_eq(base64url_decode(&b, not_base64url[_i]), -EINVAL);
        ck_assert_uint_eq(b.n, 0);
        buf_deinit(&b);
}
END_TEST

/* All lengths and bytes there and back; of all texts of four characters, as many decode as there are values. */
START_TEST(base64_is_a_bijection) {
        struct buf text = BUF_INIT(2000), back = BUF_INIT(1000);
        uint8_t bytes[600];
        char four[4];
        unsigned accepted = 0;

        for (size_t i = 0; i < sizeof(bytes); i++)
                bytes[i] = (uint8_t)(i * 37 + (i >> 4));
        for (size_t n = 0; n <= sizeof(bytes); n++) {
                buf_reset(&text);
                buf_reset(&back);
                base64_encode(&text, str_make(bytes, n));
                ck_assert_uint_eq(text.n, (n + 2) / 3 * 4);
                ck_assert_int_eq(base64_decode(&back, buf_view(&text)), 0);
                ck_assert(str_eq(buf_view(&back), str_make(bytes, n)));
        }
        for (unsigned i = 0; i < 0x10000; i++) {
                four[0] = (char)(i & 0xff);
                four[1] = (char)(i >> 8);
                four[2] = four[3] = '=';
                buf_reset(&back);
                accepted += base64_decode(&back, str_make(four, 4)) == 0;
        }
        ck_assert_uint_eq(accepted, 256);
        buf_deinit(&text);
        buf_deinit(&back);
}
END_TEST

static const struct {
        struct str plain;
        bool keep_slash;
        const char *encoded;
} percent[] = {
        { STR(""), false, "" },
        { STR("AZaz09-_.~"), false, "AZaz09-_.~" },
        { STR("a b"), false, "a%20b" },
        { STR("/a/b"), false, "%2Fa%2Fb" },
        { STR("/a/b"), true, "/a/b" },
        { STR("%41"), false, "%2541" },
        { STR("\0\x7f\x80\xff"), false, "%00%7F%80%FF" },
        { STR("+*'()!&=?#@:"), false, "%2B%2A%27%28%29%21%26%3D%3F%23%40%3A" },
        { STR("\xe1\x88\xb4"), true, "%E1%88%B4" },
};

START_TEST(percent_table) {
        struct buf b = BUF_INIT(36);

        percent_encode(&b, percent[_i].plain, percent[_i].keep_slash);
        ck_assert_int_eq(buf_status(&b), 0); /* no more room asked for than used */
        ck_assert(str_eq(buf_view(&b), str_of(percent[_i].encoded)));
        buf_deinit(&b);
}
END_TEST

START_TEST(percent_all_bytes) {
        struct buf b = BUF_INIT(SIZE_MAX);
        unsigned plain = 0;

        for (unsigned i = 0; i < 256; i++) {
                buf_reset(&b);
                percent_encode(&b, str_make(&(char){ (char)i }, 1), false);
                ck_assert(b.n == 1 || b.n == 3);
                plain += b.n == 1;
        }
        ck_assert_uint_eq(plain, 66);
        buf_deinit(&b);
}
END_TEST

START_TEST(hex) {
        struct buf b = BUF_INIT(10);

        hex_encode(&b, STR("\0\x0f\xf0\xffz"));
        ck_assert_str_eq(b.p, "000ff0ff7a");
        hex_encode(&b, STR_NULL);
        ck_assert_int_eq(buf_status(&b), 0);
        hex_encode(&b, STR("x"));
        ck_assert_int_eq(buf_status(&b), -EFBIG);
        buf_deinit(&b);
}
END_TEST

START_TEST(failing_buffers) {
        struct buf b = BUF_INIT(3);

        ck_assert_int_eq(base64_decode(&b, STR("Zm9vYmFy")), -EFBIG);
        ck_assert_int_eq(base64_decode(&b, STR("Zg==")), -EFBIG);
        buf_reset(&b);
        base64_encode(&b, STR("x"));
        ck_assert_int_eq(buf_status(&b), -EFBIG);
        buf_deinit(&b);
        percent_encode(&b, STR("a/b"), false);
        ck_assert_int_eq(buf_status(&b), -EFBIG);
        buf_deinit(&b);
        mem_fail_at(1);
        ck_assert_int_eq(base64_decode(&b, STR("Zg==")), -ENOMEM);
        mem_fail_at(0);
        buf_deinit(&b);
}
END_TEST

static void check_digest(const uint8_t digest[SHA256_LEN], const char *expected) {
        struct buf b = BUF_INIT(64);

        hex_encode(&b, str_make(digest, SHA256_LEN));
        ck_assert_str_eq(b.p, expected);
        buf_deinit(&b);
}

/* FIPS 180-4's examples */
START_TEST(sha256_vectors) {
        uint8_t digest[SHA256_LEN];

        ck_assert_int_eq(sha256(STR_NULL, digest), 0);
        check_digest(digest, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        ck_assert_int_eq(sha256(STR("abc"), digest), 0);
        check_digest(digest, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        ck_assert_int_eq(sha256(STR("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"), digest), 0);
        check_digest(digest, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}
END_TEST

static uint32_t slow_crc(uint32_t crc, const uint8_t *p, size_t n) {
        crc = ~crc;
        for (; n; n--) {
                crc ^= *p++;
                for (unsigned bit = 0; bit < 8; bit++)
                        crc = crc & 1 ? crc >> 1 ^ 0xedb88320 : crc >> 1;
        }
        return ~crc;
}

START_TEST(crc32) {
        uint8_t bytes[300];

        ck_assert_uint_eq(crc32_ieee(0, STR("123456789")), 0xcbf43926);
        ck_assert_uint_eq(crc32_ieee(0, STR_NULL), 0);
        for (unsigned i = 0; i < sizeof(bytes); i++)
                bytes[i] = (uint8_t)(i * 167 + 13);
        for (size_t from = 0; from < 9; from++)
                for (size_t n = 0; n < 280; n++) {
                        uint32_t whole = slow_crc(0, bytes + from, n);

                        ck_assert_uint_eq(crc32_ieee(0, str_make(bytes + from, n)), whole);
                        ck_assert_uint_eq(crc32_ieee(crc32_ieee(0, str_make(bytes + from, n / 3)),
                                                     str_make(bytes + from + n / 3, n - n / 3)),
                                          whole);
                }
}
END_TEST

int main(void) {
        Suite *s = suite_create("encode");
        TCase *t = tcase_create("encode");

        suite_add_tcase(s, t);
        tcase_set_timeout(t, 60);
        tcase_add_loop_test(t, base64_both_ways, 0, (int)ARRAY_LEN(base64));
        tcase_add_loop_test(t, base64_is_strict, 0, (int)ARRAY_LEN(not_base64));
        tcase_add_loop_test(t, base64url_is_strict, 0, (int)ARRAY_LEN(not_base64url));
        tcase_add_test(t, base64_is_a_bijection);
        tcase_add_loop_test(t, percent_table, 0, (int)ARRAY_LEN(percent));
        tcase_add_test(t, percent_all_bytes);
        tcase_add_test(t, hex);
        tcase_add_test(t, failing_buffers);
        tcase_add_test(t, sha256_vectors);
        tcase_add_test(t, crc32);
        return suite_run(s);
}
