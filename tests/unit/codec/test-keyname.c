/* SPDX-License-Identifier: Apache-2.0 */
/* Names <-> keys: the examples, every refusal, and the bijection over random keys and names. */
#include <errno.h>
#include <stdio.h>
#include "ddbfs/codec/keyname.h"
#include "ddbfs/store/number.h"
#include "random-item.h"
#include "../suite.h"

static const struct {
        enum value_type type;
        struct str key;
        const char *name;
        const char *view; /* in an index view; NULL: the same */
} names[] = {
        { VALUE_S, { "No One You Know", 15 }, "No One You Know", NULL },
        { VALUE_S, { "a/b", 3 }, "a%2Fb", NULL },
        { VALUE_S, { "100%", 4 }, "100%25", NULL },
        { VALUE_S, { "a%+", 3 }, "a%25+", NULL },
        { VALUE_S, { ".", 1 }, "%2E", NULL },
        { VALUE_S, { "..", 2 }, "%2E.", NULL },
        { VALUE_S, { ".hidden", 7 }, "%2Ehidden", NULL },
        { VALUE_S, { "a.json", 6 }, "a.json", NULL },
        { VALUE_S, { "a,b", 3 }, "a,b", "a%2Cb" },
        { VALUE_S, { "\0\n\x1F\x7F", 4 }, "%00%0A%1F%7F", NULL },
        { VALUE_S, { " ", 1 }, " ", NULL },
        { VALUE_S, { "\\\"'*?<>|:;", 10 }, "\\\"'*?<>|:;", NULL },
        { VALUE_S, { "caf\xC3\xA9 \xF0\x9F\x98\x80", 10 }, "caf\xC3\xA9 \xF0\x9F\x98\x80", NULL },
        { VALUE_N, { "42", 2 }, "42", NULL },
        { VALUE_N, { "-0.5", 4 }, "-0.5", NULL },
        { VALUE_B, { "\0", 1 }, "AA", NULL },
        { VALUE_B, { "\xFB\xFF\xFE", 3 }, "-__-", NULL },
        { VALUE_B, { "../..", 5 }, "Li4vLi4", NULL },
};

START_TEST(test_names) {
        struct key_part part = { .type = names[_i].type, .text = names[_i].key }, back;

        for (int view = 0; view < 2; view++) {
                struct buf name = BUF_INIT(KIB), out = BUF_INIT(KIB);

                keyname_encode(&name, &part, view);
                ck_assert_str_eq(buf_view(&name).p, view && names[_i].view ? names[_i].view : names[_i].name);
                ck_assert_int_eq(keyname_decode(&out, buf_view(&name), part.type, view, &back), 0);
                ck_assert(back.type == part.type && str_eq(back.text, part.text));
                ck_assert(keyname_key_valid(&back, true));
                buf_deinit(&name);
                buf_deinit(&out);
        }
}
END_TEST

static const struct {
        enum value_type type;
        const char *name;
        bool view;
} refused[] = {
        { VALUE_S, "", false },
        { VALUE_S, "a/b", false },
        { VALUE_S, "a%2fb", false }, /* lower case */
        { VALUE_S, "a%20b", false }, /* needless */
        { VALUE_S, "%41", false },
        { VALUE_S, "a%2Ejson", false }, /* a dot is escaped at the start only */
        { VALUE_S, "a%2E", false },
        { VALUE_S, ".a", false },
        { VALUE_S, ".", false },
        { VALUE_S, "..", false },
        { VALUE_S, "%", false },
        { VALUE_S, "a%", false },
        { VALUE_S, "a%2", false },
        { VALUE_S, "a%G0", false },
        { VALUE_S, "a%+", false },
        { VALUE_S, "%+", false },
        { VALUE_S, "%80", false },
        { VALUE_S, "%FF", false },
        { VALUE_S, "%C3%A9", false },
        { VALUE_S, "a%2Cb", false }, /* only in views */
        { VALUE_S, "a,b", true },
        { VALUE_S, "a\nb", false },
        { VALUE_S, "a\x7F", false },
        { VALUE_S, "\xFF", false },
        { VALUE_S, "\xC3", false },
        { VALUE_S, "\xC3%2F", false },
        { VALUE_S, "\xED\xA0\x80", false },
        { VALUE_N, "", false },
        { VALUE_N, "1e3", false },
        { VALUE_N, "01", false },
        { VALUE_N, "+1", false },
        { VALUE_N, "1.0", false },
        { VALUE_N, "-0", false },
        { VALUE_N, "x", false },
        { VALUE_N, "%31", false },
        { VALUE_B, "", false },
        { VALUE_B, "AA==", false },
        { VALUE_B, "AB", false }, /* unused bits */
        { VALUE_B, "A", false },
        { VALUE_B, "+/+/", false },
        { VALUE_B, "A A", false },
        { VALUE_BOOL, "true", false },
        { VALUE_M, "{}", false },
};

START_TEST(test_refused) {
        struct buf out = BUF_INIT(KIB);
        struct key_part part = { .type = VALUE_NULL };

        ck_assert_int_eq(keyname_decode(&out, str_of(refused[_i].name), refused[_i].type, refused[_i].view, &part),
                         KEYNAME_E_MALFORMED);
        buf_deinit(&out);
}
END_TEST

START_TEST(test_limits) {
        char text[2100];
        struct key_part part = { .type = VALUE_S };
        struct buf out = BUF_INIT(64 * KIB);

        memset(text, '/', sizeof(text));
        part.text = str_make(text, 2048);
        ck_assert(keyname_key_valid(&part, false) && !keyname_key_valid(&part, true));
        part.text = str_make(text, 1024);
        ck_assert(keyname_key_valid(&part, true));
        part.text = str_make(text, 1025);
        ck_assert(!keyname_key_valid(&part, true));
        part.text = str_make(text, 2049);
        ck_assert(!keyname_key_valid(&part, false));
        part.text = str_make(text, 0);
        ck_assert(!keyname_key_valid(&part, false));
        part = (struct key_part){ .type = VALUE_S, .text = STR("\xFF") };
        ck_assert(!keyname_key_valid(&part, false));
        part.type = VALUE_B;
        ck_assert(keyname_key_valid(&part, false));
        part = (struct key_part){ .type = VALUE_N, .text = STR("1.0") };
        ck_assert(!keyname_key_valid(&part, false));
        part = (struct key_part){ .type = VALUE_BOOL, .text = STR("1") };
        ck_assert(!keyname_key_valid(&part, false));
        /* a name of a key one byte too long is no name */
        memset(text, 'a', sizeof(text));
        ck_assert_int_eq(keyname_decode(&out, str_make(text, 2048), VALUE_S, false, &part), 0);
        ck_assert_int_eq(keyname_decode(&out, str_make(text, 2049), VALUE_S, false, &part), KEYNAME_E_MALFORMED);
        buf_deinit(&out);
}
END_TEST

/* Other names than keys': attributes, of any length. */
START_TEST(test_text) {
        struct buf out = BUF_INIT(MIB), name = BUF_INIT(MIB);
        char text[5000];

        memset(text, '/', sizeof(text));
        keyname_encode_text(&name, str_make(text, sizeof(text)), false);
        ck_assert_uint_eq(name.n, 3 * sizeof(text));
        ck_assert_int_eq(keyname_decode_text(&out, buf_view(&name), false), 0);
        ck_assert(str_eq(buf_view(&out), str_make(text, sizeof(text))));
        ck_assert_int_eq(keyname_decode_text(&out, STR("a\xFF"), false), KEYNAME_E_MALFORMED);
        ck_assert_int_eq(keyname_decode_text(&out, STR(""), false), KEYNAME_E_MALFORMED);
        buf_deinit(&out);
        buf_deinit(&name);
}
END_TEST

/* Decoding into a buffer that holds something already. */
START_TEST(test_decode_appends) {
        struct buf out = BUF_INIT(KIB);
        struct key_part part;

        buf_puts(&out, "before");
        ck_assert_int_eq(keyname_decode(&out, STR("a%2Fb"), VALUE_S, false, &part), 0);
        ck_assert(str_eq(part.text, STR("a/b")));
        ck_assert_int_eq(keyname_decode(&out, STR("AAAA"), VALUE_B, false, &part), 0);
        ck_assert(str_eq(part.text, STR("\0\0\0")));
        buf_deinit(&out);
}
END_TEST

START_TEST(test_no_memory) {
        struct buf out = BUF_INIT(KIB);
        struct key_part part;

        for (int type = VALUE_N; type <= VALUE_B; type++) {
                mem_fail_at(1);
                ck_assert_int_eq(keyname_decode(&out, STR("1234"), (enum value_type)type, false, &part), -ENOMEM);
                mem_fail_at(0);
                buf_deinit(&out);
        }
}
END_TEST

/* ---- chains ---- */

#define CHAIN_MAX 40

/* Split a name as a path would have it; checks every component. */
static size_t split(struct str name, struct str *pieces, struct buf *joined_components) {
        size_t n = 0, offset[CHAIN_MAX + 1];
        bool last = false;

        buf_reset(joined_components);
        while (!last) {
                struct str piece;
                size_t used = keyname_piece(name, &piece, &last);

                ck_assert_uint_lt(n, CHAIN_MAX);
                ck_assert_uint_eq(used, piece.n);
                ck_assert_uint_gt(piece.n, 0);
                ck_assert_uint_le(piece.n, last ? NAME_PIECE_MAX : NAME_CHAIN_PREFIX);
                offset[n++] = joined_components->n;
                buf_str(joined_components, piece);
                if (!last)
                        buf_puts(joined_components, "%+");
                name = str_skip(name, used);
        }
        ck_assert_uint_eq(name.n, 0);
        offset[n] = joined_components->n;
        for (size_t i = 0; i < n; i++) {
                pieces[i] = str_make(joined_components->p + offset[i], offset[i + 1] - offset[i]);
                ck_assert_int_eq(keyname_is_chain(pieces[i]), i + 1 < n);
                ck_assert(utf8_valid(pieces[i]));
        }
        return n;
}

START_TEST(test_chain) {
        struct str pieces[CHAIN_MAX], swapped[2];
        struct buf parts = BUF_INIT(64 * KIB), name = BUF_INIT(64 * KIB);

        buf_fill(&name, 'a', 240);
        ck_assert_uint_eq(split(buf_view(&name), pieces, &parts), 1);
        ck_assert(keyname_chain_ok(buf_view(&name), pieces, 1));
        buf_putc(&name, 'a');
        ck_assert_uint_eq(split(buf_view(&name), pieces, &parts), 2);
        ck_assert_uint_eq(pieces[0].n, 240); /* 238 and "%+" */
        ck_assert_uint_eq(pieces[1].n, 3);
        ck_assert(keyname_chain_ok(buf_view(&name), pieces, 2));
        ck_assert(!keyname_chain_ok(buf_view(&name), pieces, 1));
        ck_assert(!keyname_chain_ok(buf_view(&name), pieces, 0));
        swapped[0] = str_make(pieces[0].p, 239); /* no "%+" */
        swapped[1] = pieces[1];
        ck_assert(!keyname_chain_ok(buf_view(&name), swapped, 2));
        /* cut elsewhere: the same name by another path is refused */
        swapped[0] = STR("a%+");
        swapped[1] = str_make(buf_view(&name).p + 1, 240);
        ck_assert(!keyname_chain_ok(buf_view(&name), swapped, 2));
        /* a short name may not be a chain */
        swapped[0] = STR("a%+");
        swapped[1] = STR("b");
        ck_assert(!keyname_chain_ok(STR("ab"), swapped, 2));
        buf_deinit(&parts);
        buf_deinit(&name);
}
END_TEST

/* The cut falls into an escape or a character, at each of its places. */
START_TEST(test_chain_cuts) {
        static const char *const units[] = { "%2F", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80" };
        struct str pieces[CHAIN_MAX];
        struct buf parts = BUF_INIT(64 * KIB), name = BUF_INIT(64 * KIB);
        size_t unit = strlen(units[_i]), n;

        for (size_t shift = 0; shift < 6; shift++) {
                buf_reset(&name);
                buf_fill(&name, 'a', shift);
                for (unsigned i = 0; i < 200; i++)
                        buf_puts(&name, units[_i]);
                n = split(buf_view(&name), pieces, &parts);
                ck_assert(keyname_chain_ok(buf_view(&name), pieces, n));
                for (size_t i = 0; i + 1 < n; i++) {
                        size_t whole = pieces[i].n - 2 - (i == 0 ? shift : 0);

                        ck_assert_uint_eq(whole % unit, 0);
                        ck_assert_uint_gt(pieces[i].n - 2 + unit, NAME_CHAIN_PREFIX); /* and as long as can be */
                }
        }
        buf_deinit(&parts);
        buf_deinit(&name);
}
END_TEST

/* Whatever the bytes, a piece makes progress and stays in bounds. */
START_TEST(test_chain_garbage) {
        char text[1000] = "";
        struct str name = str_make(text, sizeof(text)), piece;
        bool last = false;

        memset(text, _i ? '%' : 0x80, sizeof(text));
        while (!last) {
                size_t used = keyname_piece(name, &piece, &last);

                ck_assert_uint_gt(used, 0);
                ck_assert_uint_le(used, NAME_PIECE_MAX);
                name = str_skip(name, used);
        }
        ck_assert_uint_eq(name.n, 0);
}
END_TEST

/* ---- the bijection ---- */

static void random_key(struct random *rnd, struct arena *a, struct key_part *part) {
        struct buf out = BUF_INIT(64 * KIB);
        size_t n = random_below(rnd, 4) ? 1 + random_below(rnd, 40) : 1 + random_below(rnd, 2048);

        part->type = (enum value_type[]){ VALUE_S, VALUE_S, VALUE_N, VALUE_B }[random_below(rnd, 4)];
        if (part->type == VALUE_N)
                random_number(rnd, &out);
        else if (part->type == VALUE_S)
                do
                        random_text(rnd, &out);
                while (out.n < n);
        else
                for (size_t i = 0; i < n; i++)
                        buf_putc(&out, (char)random_below(rnd, 256));
        if (part->type == VALUE_S) { /* whole characters, at most 2,048 bytes */
                size_t cut = MIN(out.n, (size_t)2048);

                while (!utf8_valid(str_make(out.p, cut)))
                        cut--;
                buf_truncate(&out, cut);
        }
        ck_assert_int_eq(arena_dup(a, buf_view(&out), &part->text), 0);
        buf_deinit(&out);
}

static void check_name(struct str name) {
        ck_assert_uint_gt(name.n, 0);
        ck_assert_uint_le(name.n, NAME_ENCODED_MAX);
        ck_assert_ptr_null(memchr(name.p, '/', name.n));
        ck_assert_ptr_null(memchr(name.p, '\0', name.n));
        ck_assert_int_ne(name.p[0], '.');
        ck_assert(!keyname_is_chain(name));
}

START_TEST(test_bijection) {
        struct random rnd = random_seed();
        struct arena arena = ARENA_INIT(MIB);
        struct buf name = BUF_INIT(64 * KIB), out = BUF_INIT(64 * KIB), parts = BUF_INIT(64 * KIB),
                   again = BUF_INIT(64 * KIB);
        struct str pieces[CHAIN_MAX];
        struct key_part key, back;
        unsigned accepted = 0;

        for (unsigned i = 0; i < 20000 / (SANITIZED ? 8 : 1); i++) {
                bool view = random_below(&rnd, 2);

                arena_reset(&arena);
                buf_reset(&name);
                buf_reset(&out);
                random_key(&rnd, &arena, &key);
                ck_assert(keyname_key_valid(&key, false));
                keyname_encode(&name, &key, view);
                check_name(buf_view(&name));
                ck_assert_int_eq(keyname_decode(&out, buf_view(&name), key.type, view, &back), 0);
                ck_assert(back.type == key.type && str_eq(back.text, key.text));
                ck_assert(keyname_chain_ok(buf_view(&name), pieces, split(buf_view(&name), pieces, &parts)));
                /* a name with one byte changed is no name, or the name of another key: never an alias */
                name.p[random_below(&rnd, (unsigned)name.n)] = "%/.,+02EFa\xC3\x80"[random_below(&rnd, 12)];
                buf_reset(&out);
                buf_reset(&again);
                if (keyname_decode(&out, buf_view(&name), key.type, view, &back))
                        continue;
                accepted++;
                keyname_encode(&again, &back, view);
                ck_assert(str_eq(buf_view(&again), buf_view(&name)));
        }
        ck_assert_uint_gt(accepted, SANITIZED ? 125 : 1000);
        buf_deinit(&name);
        buf_deinit(&out);
        buf_deinit(&parts);
        buf_deinit(&again);
        arena_deinit(&arena);
}
END_TEST

int main(void) {
        Suite *s = suite_create("keyname");
        TCase *t = tcase_create("keyname");

        tcase_set_timeout(t, 60);
        tcase_add_loop_test(t, test_names, 0, (int)ARRAY_LEN(names));
        tcase_add_loop_test(t, test_refused, 0, (int)ARRAY_LEN(refused));
        tcase_add_test(t, test_limits);
        tcase_add_test(t, test_text);
        tcase_add_test(t, test_decode_appends);
        tcase_add_test(t, test_no_memory);
        tcase_add_test(t, test_chain);
        tcase_add_loop_test(t, test_chain_cuts, 0, 4);
        tcase_add_loop_test(t, test_chain_garbage, 0, 2);
        tcase_add_test(t, test_bijection);
        suite_add_tcase(s, t);
        return suite_run(s);
}
