/* SPDX-License-Identifier: Apache-2.0 */
/* Which messages are refused before libfuse sees them. */
#include <errno.h>
#include <linux/fuse.h>
#include <stdio.h>
#include "fuse_internal.h"
#include "../suite.h"

static const struct {
        const char *what;
        uint32_t opcode;
        size_t n_arg;
        const char *arg;
        int result;
        bool wants_reply;
} cases[] = {
        { "name", FUSE_LOOKUP, 2, "a", 0, true },
        { "empty name", FUSE_LOOKUP, 1, "", 0, true },
        { "no name", FUSE_LOOKUP, 0, "", -EIO, true },
        { "name without NUL", FUSE_LOOKUP, 3, "abc", -EIO, true },
        { "two names", FUSE_SYMLINK, 4, "a\0b", 0, true },
        { "one of two names", FUSE_SYMLINK, 2, "a", -EIO, true },
        { "second name without NUL", FUSE_SYMLINK, 3, "a\0b", -EIO, true },
        { "no structure", FUSE_GETATTR, 0, "", -EIO, true },
        { "structure cut", FUSE_GETATTR, 15, "123456789012345", -EIO, true },
        { "structure whole", FUSE_GETATTR, 16, "123456789012345", 0, true },
        { "mkdir without name", FUSE_MKDIR, 8, "12345678", -EIO, true },
        { "mkdir with name", FUSE_MKDIR, 10, "12345678a", 0, true },
        { "rename2 with one name", FUSE_RENAME2, 18, "1234567890123456a", -EIO, true },
        { "rename2 with two names", FUSE_RENAME2, 20, "1234567890123456a\0b", 0, true },
        { "value behind the name", FUSE_SETXATTR, 12, "\3\0\0\0\0\0\0\0a\0xy", -EIO, true },
        { "whole value", FUSE_SETXATTR, 13, "\3\0\0\0\0\0\0\0a\0xyz", 0, true },
        { "huge value", FUSE_SETXATTR, 13, "\xff\xff\xff\xff\0\0\0\0a\0xyz", -EIO, true },
        { "forgets cut", FUSE_BATCH_FORGET, 8, "\1\0\0\0\0\0\0\0", -EIO, false },
        { "huge number of forgets", FUSE_BATCH_FORGET, 8, "\xff\xff\xff\xff\0\0\0\0", -EIO, false },
        { "no forgets", FUSE_BATCH_FORGET, 8, "\0\0\0\0\0\0\0\0", 0, false },
        { "interrupt cut", FUSE_INTERRUPT, 4, "\0\0\0\0", -EIO, false },
        { "reply never asked for", FUSE_NOTIFY_REPLY, 0, "", -EIO, false },
        { "unknown", 3333, 0, "", 0, true },
        { "hole in the numbers", 7, 0, "", 0, true },
        { "statfs", FUSE_STATFS, 0, "", 0, true },
};

START_TEST(test_shapes) {
        union {
                struct fuse_in_header in;
                char bytes[256];
        } m = { .in = { .opcode = cases[_i].opcode } };
        size_t n = sizeof(m.in) + cases[_i].n_arg;

        memcpy(m.bytes + sizeof(m.in), cases[_i].arg, cases[_i].n_arg);
        m.in.len = (uint32_t)n;
        ck_assert_msg(guard_check(&m, n) == cases[_i].result, "%s: %d", cases[_i].what, guard_check(&m, n));
        ck_assert_msg(guard_wants_reply(&m, n) == cases[_i].wants_reply, "%s", cases[_i].what);
}
END_TEST

START_TEST(test_header) {
        struct fuse_in_header in = { .len = sizeof(in), .opcode = FUSE_INTERRUPT };

        for (size_t n = 0; n < sizeof(in); n++) {
                ck_assert_int_eq(guard_check(&in, n), -EIO);
                ck_assert(!guard_is_quick(&in, n));
                ck_assert(!guard_wants_reply(&in, n));
        }
        ck_assert(guard_is_quick(&in, sizeof(in)));
        ck_assert(!guard_is_unawaited(&in, sizeof(in)));
        in.opcode = FUSE_RELEASE;
        ck_assert(guard_is_unawaited(&in, sizeof(in)));
        ck_assert(!guard_is_unawaited(&in, sizeof(in) - 1));
        in.opcode = FUSE_RELEASEDIR;
        ck_assert(guard_is_unawaited(&in, sizeof(in)));
        in.opcode = FUSE_STATFS;
        ck_assert(!guard_is_unawaited(&in, sizeof(in)));
        ck_assert_int_eq(guard_check(&in, sizeof(in)), 0);
        in.len++;
        ck_assert_int_eq(guard_check(&in, sizeof(in)), -EIO);
}
END_TEST

static const uint32_t written[][2] = {
        /* promised, there */
        { 0, 0 }, { 5, 5 }, { 4, 5 }, { 6, 5 }, { 0xffffffff, 5 }, { 1, 0 },
};

START_TEST(test_write) {
        struct {
                struct fuse_in_header in;
                struct fuse_write_in write;
                char data[8];
        } m = { .in.opcode = FUSE_WRITE, .write.size = written[_i][0] };
        size_t n = sizeof(m.in) + sizeof(m.write) + written[_i][1];

        m.in.len = (uint32_t)n;
        ck_assert_int_eq(guard_check(&m, n), written[_i][0] <= written[_i][1] ? 0 : -EIO);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("guard");
        TCase *t = tcase_create("guard");

        tcase_add_loop_test(t, test_shapes, 0, ARRAY_LEN(cases));
        tcase_add_test(t, test_header);
        tcase_add_loop_test(t, test_write, 0, ARRAY_LEN(written));
        suite_add_tcase(suite, t);
        return suite_run(suite);
}
