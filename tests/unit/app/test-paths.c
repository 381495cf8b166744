/* SPDX-License-Identifier: Apache-2.0 */
/* Paths, the mount table, the mount point, the state folder. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "ddbfs/app/paths.h"
#include "ddbfs/base/alloc.h"
#include "../suite.h"

static char folder[] = "/tmp/ddbfs-test-XXXXXX";

static const struct {
        const char *path, *folder;
        bool below;
} pairs[] = {
        { "/a/b", "/a", true },  { "/a", "/a", true },   { "/ab", "/a", false }, { "/a", "/a/b", false },
        { "/a/b", "/a/", true }, { "/a", "/", true },    { "/", "/", true },     { "/b", "/a", false },
};

START_TEST(below) {
        ck_assert(path_below(pairs[_i].path, pairs[_i].folder) == pairs[_i].below);
}
END_TEST

static const struct {
        const char *text, *path, *type;
} mounts[] = {
        { "", "/m", "" },
        { "36 35 98:0 / /m rw,noatime master:1 - fuse.ddbfs Music rw\n", "/m", "fuse.ddbfs" },
        { "36 35 98:0 / /m rw - ext4 /dev/x rw", "/m", "ext4" },
        { "36 35 98:0 / /m rw a:1 b:2 - ext4 x rw\n37 36 0:9 / /m rw - fuse.ddbfs y rw\n", "/m", "fuse.ddbfs" },
        { "37 36 0:9 / /m rw - fuse.ddbfs y rw\n36 35 98:0 / /m rw a:1 b:2 - ext4 x rw\n", "/m", "ext4" },
        { "36 35 98:0 / /mm rw - fuse.ddbfs x rw\n", "/m", "" },
        { "36 35 98:0 / /m rw - fuse.ddbfs x rw\n", "/mm", "" },
        { "36 35 98:0 / /a\\040b\\134c rw - fuse.ddbfs x rw\n", "/a b\\c", "fuse.ddbfs" },
        { "36 35 98:0 / /m", "/m", "" },
        { "36", "/m", "" },
        { "\n\n", "/m", "" },
};

START_TEST(mountinfo) {
        struct str type = mountinfo_type(str_of(mounts[_i].text), mounts[_i].path);

        ck_assert_msg(str_eq(type, str_of(mounts[_i].type)), "%.*s", (int)type.n, type.p);
}
END_TEST

START_TEST(absolute) {
        char cwd[4096], expected[4200], *path = NULL;

        ck_assert_int_eq(path_absolute("/x/../y", &path), 0);
        ck_assert_str_eq(path, "/x/../y");
        mem_free(path);
        ck_assert_ptr_nonnull(getcwd(cwd, sizeof(cwd)));
        snprintf(expected, sizeof(expected), "%s/x", cwd);
        ck_assert_int_eq(path_absolute("x", &path), 0);
        ck_assert_str_eq(path, expected);
        mem_free(path);
        mem_fail_at(1);
        ck_assert_int_eq(path_absolute("x", &path), -ENOMEM);
        mem_fail_at(0);
}
END_TEST

START_TEST(mountpoint) {
        char path[200], link[200], *full = NULL;
        struct error e;

        snprintf(path, sizeof(path), "%s//", folder);
        ck_assert_int_eq(mountpoint_prepare(path, &full, &e), 0);
        ck_assert_str_eq(full, folder);
        full = mem_free(full);
        snprintf(path, sizeof(path), "%s/none", folder);
        ck_assert_int_eq(mountpoint_prepare(path, &full, &e), -ENOENT);
        ck_assert_ptr_nonnull(strstr(e.message, path));
        close(open(path, O_CREAT | O_WRONLY, 0600));
        ck_assert_int_lt(mountpoint_prepare(path, &full, &e), 0);
        ck_assert_ptr_nonnull(strstr(e.message, "Not a directory"));
        unlink(path);
        snprintf(link, sizeof(link), "%s/link", folder);
        ck_assert_int_eq(symlink(folder, link), 0);
        ck_assert_int_eq(mountpoint_prepare(link, &full, &e), 0);
        ck_assert_str_eq(full, folder);
        mem_free(full);
        unlink(link);
}
END_TEST

static const struct {
        const char *where, *region, *profile, *prefix;
} states[] = {
        { "https://dynamodb.eu-west-1.amazonaws.com", "eu-west-1", "default",
          "dynamodb.eu-west-1.amazonaws.com-eu-west-1-" },
        { "https://dynamodb.eu-west-1.amazonaws.com", "eu-west-1", "work",
          "dynamodb.eu-west-1.amazonaws.com-eu-west-1-work-" },
        { "http://localhost:8000", "us-east-1", "", "localhost-8000-us-east-1-" },
        { "http://localhost:8000/../x", "us-east-1", "../..", "localhost-8000-..-x-us-east-1-..-..-" },
        { "/home/me/music.db", "us-east-1", "", "music.db-us-east-1-" },
        { "/home/you/music.db", "us-east-1", "", "music.db-us-east-1-" },
};

START_TEST(state_dir) {
        char base[200], expected[400], *path = NULL, *again = NULL;
        struct stat st;
        struct error e;

        snprintf(base, sizeof(base), "%s/deep/state", folder);
        ck_assert_int_eq(state_dir_make(base, states[_i].where, str_of(states[_i].region), str_of(states[_i].profile),
                                        &path, &e), 0);
        snprintf(expected, sizeof(expected), "%s/%s", base, states[_i].prefix);
        ck_assert_msg(strncmp(path, expected, strlen(expected)) == 0, "%s", path);
        ck_assert_uint_eq(strlen(path), strlen(expected) + 8);
        ck_assert_int_eq(stat(path, &st), 0);
        ck_assert_uint_eq(st.st_mode & 0777, 0700);
        ck_assert_int_eq(chmod(path, 0755), 0); /* opened by somebody: closed again */
        ck_assert_int_eq(state_dir_make(base, states[_i].where, str_of(states[_i].region), str_of(states[_i].profile),
                                        &again, &e), 0);
        ck_assert_str_eq(path, again);
        ck_assert_int_eq(stat(path, &st), 0);
        ck_assert_uint_eq(st.st_mode & 0777, 0700);
        /* every combination has its own */
        for (int i = 0; i < _i; i++) {
                char *other = NULL;

                ck_assert_int_eq(state_dir_make(base, states[i].where, str_of(states[i].region),
                                                str_of(states[i].profile), &other, &e), 0);
                ck_assert_str_ne(path, other);
                rmdir(other);
                mem_free(other);
        }
        rmdir(path);
        mem_free(path);
        mem_free(again);
        rmdir(base);
        snprintf(base, sizeof(base), "%s/deep", folder);
        rmdir(base);
}
END_TEST

START_TEST(mount_ids) {
        char a[MOUNT_ID_LEN], b[MOUNT_ID_LEN], longest[300];

        mount_id_make("/mnt/my tables", a);
        mount_id_make("/srv/my tables", b);
        ck_assert_int_eq(strncmp(a, "my-tables-", 10), 0);
        ck_assert_uint_eq(strlen(a), 18);
        ck_assert_str_ne(a, b);
        mount_id_make("/mnt/my tables", b);
        ck_assert_str_eq(a, b);
        memset(longest, 'x', sizeof(longest));
        longest[0] = '/';
        longest[sizeof(longest) - 1] = '\0';
        mount_id_make(longest, a);
        ck_assert_uint_eq(strlen(a), 49);
        mount_id_make("/", a);
        ck_assert_uint_eq(strlen(a), 9);
}
END_TEST

START_TEST(state_dir_refused) {
        char path[200], *made = NULL;
        struct error e;

        snprintf(path, sizeof(path), "%s/file", folder);
        close(open(path, O_CREAT | O_WRONLY, 0600));
        ck_assert_int_lt(state_dir_make(path, "x", STR("r"), STR("p"), &made, &e), 0);
        ck_assert_ptr_nonnull(strstr(e.message, "Not a directory"));
        unlink(path);
}
END_TEST

START_TEST(state_default) {
        char *home = mem_strdup(getenv("HOME")), *path = NULL;
        struct error e;

        setenv("XDG_STATE_HOME", "/s", 1);
        ck_assert_int_eq(state_dir_default(&path, &e), 0);
        ck_assert_str_eq(path, "/s/ddbfs");
        path = mem_free(path);
        setenv("XDG_STATE_HOME", "relative", 1); /* to be ignored, says the standard */
        setenv("HOME", "/h", 1);
        ck_assert_int_eq(state_dir_default(&path, &e), 0);
        ck_assert_str_eq(path, "/h/.local/state/ddbfs");
        mem_free(path);
        unsetenv("XDG_STATE_HOME");
        if (home)
                setenv("HOME", home, 1);
        mem_free(home);
}
END_TEST

int main(void) {
        Suite *s = suite_create("paths");
        TCase *tc = tcase_create("all");
        int failed;

        if (!mkdtemp(folder))
                return 1;
        tcase_add_loop_test(tc, below, 0, ARRAY_LEN(pairs));
        tcase_add_loop_test(tc, mountinfo, 0, ARRAY_LEN(mounts));
        tcase_add_test(tc, absolute);
        tcase_add_test(tc, mountpoint);
        tcase_add_loop_test(tc, state_dir, 0, ARRAY_LEN(states));
        tcase_add_test(tc, mount_ids);
        tcase_add_test(tc, state_dir_refused);
        tcase_add_test(tc, state_default);
        suite_add_tcase(s, tc);
        failed = suite_run(s);
        rmdir(folder);
        return failed;
}
