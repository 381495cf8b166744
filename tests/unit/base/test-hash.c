/* SPDX-License-Identifier: Apache-2.0 */
#include "ddbfs/base/hash.h"
#include "../suite.h"

/* The published vectors: key 00 01 .. 0f, input number i is 00 01 .. i-1. */
static const uint64_t vectors[64] = {
        UINT64_C(0x726fdb47dd0e0e31), UINT64_C(0x74f839c593dc67fd), UINT64_C(0x0d6c8009d9a94f5a),
        UINT64_C(0x85676696d7fb7e2d), UINT64_C(0xcf2794e0277187b7), UINT64_C(0x18765564cd99a68d),
        UINT64_C(0xcbc9466e58fee3ce), UINT64_C(0xab0200f58b01d137), UINT64_C(0x93f5f5799a932462),
        UINT64_C(0x9e0082df0ba9e4b0), UINT64_C(0x7a5dbbc594ddb9f3), UINT64_C(0xf4b32f46226bada7),
        UINT64_C(0x751e8fbc860ee5fb), UINT64_C(0x14ea5627c0843d90), UINT64_C(0xf723ca908e7af2ee),
        UINT64_C(0xa129ca6149be45e5), UINT64_C(0x3f2acc7f57c29bdb), UINT64_C(0x699ae9f52cbe4794),
        UINT64_C(0x4bc1b3f0968dd39c), UINT64_C(0xbb6dc91da77961bd), UINT64_C(0xbed65cf21aa2ee98),
        UINT64_C(0xd0f2cbb02e3b67c7), UINT64_C(0x93536795e3a33e88), UINT64_C(0xa80c038ccd5ccec8),
        UINT64_C(0xb8ad50c6f649af94), UINT64_C(0xbce192de8a85b8ea), UINT64_C(0x17d835b85bbb15f3),
        UINT64_C(0x2f2e6163076bcfad), UINT64_C(0xde4daaaca71dc9a5), UINT64_C(0xa6a2506687956571),
        UINT64_C(0xad87a3535c49ef28), UINT64_C(0x32d892fad841c342), UINT64_C(0x7127512f72f27cce),
        UINT64_C(0xa7f32346f95978e3), UINT64_C(0x12e0b01abb051238), UINT64_C(0x15e034d40fa197ae),
        UINT64_C(0x314dffbe0815a3b4), UINT64_C(0x027990f029623981), UINT64_C(0xcadcd4e59ef40c4d),
        UINT64_C(0x9abfd8766a33735c), UINT64_C(0x0e3ea96b5304a7d0), UINT64_C(0xad0c42d6fc585992),
        UINT64_C(0x187306c89bc215a9), UINT64_C(0xd4a60abcf3792b95), UINT64_C(0xf935451de4f21df2),
        UINT64_C(0xa9538f0419755787), UINT64_C(0xdb9acddff56ca510), UINT64_C(0xd06c98cd5c0975eb),
        UINT64_C(0xe612a3cb9ecba951), UINT64_C(0xc766e62cfcadaf96), UINT64_C(0xee64435a9752fe72),
        UINT64_C(0xa192d576b245165a), UINT64_C(0x0a8787bf8ecb74b2), UINT64_C(0x81b3e73d20b49b6f),
        UINT64_C(0x7fa8220ba3b2ecea), UINT64_C(0x245731c13ca42499), UINT64_C(0xb78dbfaf3a8d83bd),
        UINT64_C(0xea1ad565322a1a0b), UINT64_C(0x60e61c23a3795013), UINT64_C(0x6606d7e446282b93),
        UINT64_C(0x6ca4ecb15c5f91e1), UINT64_C(0x9f626da15c9625f3), UINT64_C(0xe51b38608ef25f57),
        UINT64_C(0x958a324ceb064572),
};

START_TEST(siphash_vectors) {
        uint8_t input[64], shifted[72];

        for (uint8_t i = 0; i < 64; i++)
                input[i] = i;
        for (size_t shift = 0; shift < 8; shift++) { /* alignment must not matter */
                memcpy(shifted + shift, input, (size_t)_i);
                ck_assert(hash_siphash(UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908),
                                       str_make(shifted + shift, (size_t)_i)) == vectors[_i]);
        }
}
END_TEST

/* What CPython 3.11 makes of them with PYTHONHASHSEED=0: its hash() of bytes is SipHash-1-3 under the key 0. */
static const struct {
        const char *in;
        uint64_t out;
} vectors13[] = {
        { "a", UINT64_C(0x407448d2b89b1813) },         { "1234567", UINT64_C(0xa33d651594fdae81) },
        { "12345678", UINT64_C(0x3489982430560a87) },  { "123456789", UINT64_C(0x0fbc0f0007965fcf) },
        { "order-000500.json", UINT64_C(0x9408d5fdcb9237d3) },
};

START_TEST(siphash13_vectors) {
        char shifted[32];

        for (size_t shift = 0; shift < 8; shift++) {
                memcpy(shifted + shift, vectors13[_i].in, strlen(vectors13[_i].in));
                ck_assert(hash_siphash13(0, 0, str_make(shifted + shift, strlen(vectors13[_i].in))) == vectors13[_i].out);
        }
}
END_TEST

START_TEST(seeds_and_keys) {
        struct str s = STR("key");

        ck_assert(hash_seeded(1, s) == hash_seeded(1, s));
        ck_assert(hash_seeded(1, s) != hash_seeded(2, s));
        ck_assert(hash_seeded(1, s) != hash_stable(1, s));
        ck_assert(hash_stable(1, s) != hash_stable(2, s));
        ck_assert(hash_stable(0, STR_NULL) == hash_stable(0, STR("")));
        ck_assert(hash_stable(0, STR("")) != hash_stable(0, STR("\0")));
}
END_TEST

/* These values are on the users' side of a remount: a change of them changes inode numbers. */
START_TEST(stable_is_stable) {
        ck_assert(hash_stable(0, STR("")) == UINT64_C(0x07e678be16f5d6b7));
        ck_assert(hash_stable(7, STR("partition\0sort")) == UINT64_C(0x0c2250ca01504a68));
}
END_TEST

int main(void) {
        Suite *s = suite_create("hash");
        TCase *t = tcase_create("hash");

        suite_add_tcase(s, t);
        tcase_add_loop_test(t, siphash_vectors, 0, (int)ARRAY_LEN(vectors));
        tcase_add_loop_test(t, siphash13_vectors, 0, (int)ARRAY_LEN(vectors13));
        tcase_add_test(t, seeds_and_keys);
        tcase_add_test(t, stable_is_stable);
        return suite_run(s);
}
