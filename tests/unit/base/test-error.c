/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>
#include "ddbfs/base/error.h"
#include "ddbfs/base/str.h"
#include "../suite.h"

static const struct {
        enum error_kind kind;
        int number;
        const char *name;
} kinds[] = {
        { ERR_NONE, 0, "none" },
        { ERR_NO_TABLE, ENOENT, "no-table" },
        { ERR_NO_ITEM, ENOENT, "no-item" },
        { ERR_GONE, ENOENT, "gone" },
        { ERR_EXISTS, EEXIST, "exists" },
        { ERR_CONDITION, ESTALE, "condition" },
        { ERR_INPUT, EINVAL, "input" },
        { ERR_VALIDATION, EINVAL, "validation" },
        { ERR_TOO_LARGE, EFBIG, "too-large" },
        { ERR_NO_SPACE, ENOSPC, "no-space" },
        { ERR_CANCELLED, ECANCELED, "cancelled" },
        { ERR_ACCESS, EACCES, "access" },
        { ERR_READ_ONLY, EROFS, "read-only" },
        { ERR_BUSY, EBUSY, "busy" },
        { ERR_TIMEOUT, ETIMEDOUT, "timeout" },
        { ERR_CONNECT, EHOSTUNREACH, "connect" },
        { ERR_INTERRUPTED, EINTR, "interrupted" },
        { ERR_SERVICE, EIO, "service" },
        { ERR_PROTOCOL, EIO, "protocol" },
        { ERR_MEMORY, ENOMEM, "memory" },
        { ERR_UNSUPPORTED, EOPNOTSUPP, "unsupported" },
        { ERR_PERMISSION, EPERM, "permission" },
        { ERR_INTERNAL, EIO, "internal" },
};

START_TEST(every_kind) {
        struct error e;

        ck_assert_int_eq(kinds[_i].kind, _i);
        ck_assert_int_eq(error_errno(kinds[_i].kind), kinds[_i].number);
        ck_assert_str_eq(error_kind_name(kinds[_i].kind), kinds[_i].name);
        ck_assert_int_eq(error_set(&e, kinds[_i].kind, "%d", 1), -kinds[_i].number);
        ck_assert_int_eq(e.kind, kinds[_i].kind);
        ck_assert_int_eq(error_set(NULL, kinds[_i].kind, "x"), -kinds[_i].number);
}
END_TEST

START_TEST(no_kind_is_missing) {
        ck_assert_uint_eq(ARRAY_LEN(kinds), _ERR_N);
        ck_assert_int_eq(error_errno(_ERR_N), EIO);
        ck_assert_str_eq(error_kind_name((enum error_kind) - 1), "internal");
}
END_TEST

START_TEST(every_errno_comes_back) {
        bool known = false;
        struct error e;
        int r;

        for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
                known |= _i > 0 && kinds[i].number == _i;
        errno = 123;
        r = error_set_errno(&e, -_i, "open");
        ck_assert_int_eq(errno, 123);
        ck_assert_int_eq(r, _i > 0 && _i < 134 ? -_i : -EIO); /* one without a kind of its own is forwarded, too */
        ck_assert_int_eq(error_errno(e.kind), known ? _i : EIO);
        ck_assert_ptr_nonnull(strstr(e.message, strerror(_i)));
        ck_assert_ptr_eq(strstr(e.message, "open: "), e.message);
        if (!known || _i == EIO)
                ck_assert_int_eq(e.kind, ERR_INTERNAL);
}
END_TEST

static const struct {
        struct str in, out;
} texts[] = {
        { STR("plain"), STR("plain") },
        { STR("two\nlines\r\n"), STR("two?lines??") },
        { STR("\x01\x1b[31mred\x7f\t"), STR("??[31mred??") },
        { STR("caf\xc3\xa9 \xf0\x9f\x98\x80 \xc2\xa0"), STR("caf\xc3\xa9 \xf0\x9f\x98\x80 \xc2\xa0") },
        { STR("\xc2\x9b"
              "31m \xc2\x85"),
          STR("??31m ??") }, /* C1: CSI, NEL */
        { STR("a\xe2\x80\xa8"
              "b\xe2\x80\xa9"
              "c"),
          STR("a???b???c") }, /* line and paragraph separator */
        { STR("\xff\xc3( \xe2\x82"), STR("??"
                                         "( ??") }, /* not UTF-8 */
        { STR(""), STR("") },
};

START_TEST(messages_stay_one_line) {
        struct error e;

        error_set(&e, ERR_INPUT, "%s", texts[_i].in.p);
        ck_assert_str_eq(e.message, texts[_i].out.p);
        error_set_at(&e, 1, 2, "%s", texts[_i].in.p);
        ck_assert_str_eq(e.message, texts[_i].out.p);
}
END_TEST

START_TEST(other_members) {
        struct error e;

        memset(&e, 0xee, sizeof(e));
        ck_assert_int_eq(error_set_at(&e, 3, 14, "unexpected %s", "comma"), -EINVAL);
        ck_assert_int_eq(e.kind, ERR_INPUT);
        ck_assert_uint_eq(e.line, 3);
        ck_assert_uint_eq(e.column, 14);
        ck_assert_int_eq(e.http_status, 0);
        ck_assert_uint_eq(e.action, 0);
        ck_assert_str_eq(e.code, "");
        ck_assert_str_eq(e.request_id, "");
        ck_assert_str_eq(e.message, "unexpected comma");
        error_set(&e, e.kind, "line %u: %s", e.line, e.message); /* made of itself */
        ck_assert_str_eq(e.message, "line 3: unexpected comma");
        ck_assert_uint_eq(e.line, 0);
        ck_assert_int_eq(error_set_at(NULL, 1, 1, "x"), -EINVAL);
        ck_assert_int_eq(error_set_errno(NULL, -ENOMEM, "x"), -ENOMEM);
        ck_assert_int_eq(error_set_errno(&e, INT32_MIN, "x"), -EIO);
}
END_TEST

START_TEST(long_messages_are_cut_between_characters) {
        struct error e;
        char text[2000];

        for (unsigned shift = 0; shift < 2; shift++) {
                memset(text, 'a', shift);
                for (size_t i = shift; i + 2 < sizeof(text); i += 2)
                        memcpy(text + i, "\xc3\xa9", 3);
                error_set(&e, ERR_INPUT, "%s", text);
                ck_assert_uint_eq(strlen(e.message), ERROR_MESSAGE_LEN - 1);
                ck_assert(utf8_valid(str_of(e.message)));
        }
}
END_TEST

int main(void) {
        Suite *s = suite_create("error");
        TCase *t = tcase_create("error");

        suite_add_tcase(s, t);
        tcase_add_loop_test(t, every_kind, 0, (int)ARRAY_LEN(kinds));
        tcase_add_test(t, no_kind_is_missing);
        tcase_add_loop_test(t, every_errno_comes_back, 0, 134);
        tcase_add_loop_test(t, messages_stay_one_line, 0, (int)ARRAY_LEN(texts));
        tcase_add_test(t, other_members);
        tcase_add_test(t, long_messages_are_cut_between_characters);
        return suite_run(s);
}
