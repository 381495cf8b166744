/* SPDX-License-Identifier: Apache-2.0 */
/* The shared files: parsing and merging over profile-cases.h, look-ups, rendering, reading. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include "ddbfs/aws/profile.h"
#include "profile-cases.h"
#include "../suite.h"

#define OUT_MAX (4 * MIB)

static void render(const struct profiles *p, bool redact, struct buf *out) {
        buf_reset(out);
        ck_assert_int_eq(profiles_render(p, redact, out), 0);
}

START_TEST(parse) {
        const struct profile_case *c = &profile_cases[_i];
        struct buf out = BUF_INIT(OUT_MAX);
        struct profiles *p = NULL;
        struct error error;
        int r = profiles_parse(str_of(c->config), str_of(c->credentials), &p, &error);

        if (c->json) {
                ck_assert_msg(r == 0, "%s: %s", c->name, error.message);
                render(p, false, &out);
                ck_assert_msg(strcmp(out.p, c->json) == 0, "%s:\n%s\nexpected:\n%s", c->name, out.p, c->json);
        } else {
                ck_assert_int_eq(r, -EINVAL);
                ck_assert_ptr_null(p);
                ck_assert_msg(strstr(error.message, c->error), "%s: %s", c->name, error.message);
                ck_assert_uint_gt(error.line, 0);
                ck_assert_int_eq(profiles_parse(str_of(c->config), str_of(c->credentials), &p, NULL), -EINVAL);
        }
        buf_deinit(&out);
        profiles_unref(p);
}
END_TEST

static const char lookup_config[] =
        "[default]\nregion = us-east-1\nempty =\n"
        "[profile dev]\nservices = local\ns3 =\n addressing_style = path\n max = 1\n Max = 2\n"
        "[services local]\ndynamodb =\n  endpoint_url = http://localhost:8000  # here\n  empty =\ns3 "
        "=\n\tendpoint_url=http://x/;y\n"
        "plain = endpoint_url = no\n"
        "[sso-session corp]\nsso_region = eu-west-1\n";

static const struct {
        enum section_kind kind;
        const char *section, *key, *sub, *value; /* sub NULL: a property; value NULL: not there */
} lookups[] = {
        { SECTION_PROFILE, "default", "region", NULL, "us-east-1" },
        { SECTION_PROFILE, "default", "empty", NULL, "" },
        { SECTION_PROFILE, "default", "none", NULL, NULL },
        { SECTION_PROFILE, "none", "region", NULL, NULL },
        { SECTION_SERVICES, "default", "region", NULL, NULL },
        { SECTION_SSO_SESSION, "corp", "sso_region", NULL, "eu-west-1" },
        { SECTION_PROFILE, "dev", "s3", "addressing_style", "path" },
        { SECTION_PROFILE, "dev", "s3", "ADDRESSING_STYLE", "path" },
        { SECTION_PROFILE, "dev", "s3", "max", "2" },
        { SECTION_PROFILE, "dev", "s3", "none", NULL },
        { SECTION_PROFILE, "dev", "none", "max", NULL },
        { SECTION_SERVICES, "local", "dynamodb", "endpoint_url", "http://localhost:8000" },
        { SECTION_SERVICES, "local", "dynamodb", "empty", "" },
        { SECTION_SERVICES, "local", "s3", "endpoint_url", "http://x/;y" },
        { SECTION_SERVICES, "local", "plain", "endpoint_url", NULL },
};

START_TEST(lookup) {
        struct profiles *p = NULL;
        struct str got;

        ck_assert_int_eq(profiles_parse(STR(""), STR(""), &p, NULL), 0);
        profiles_unref(p);
        ck_assert_int_eq(profiles_parse(str_of(lookup_config), STR_NULL, &p, NULL), 0);
        got = lookups[_i].sub
                      ? profiles_get_sub(p, lookups[_i].kind, lookups[_i].section, lookups[_i].key, lookups[_i].sub)
                      : profiles_get(p, lookups[_i].kind, lookups[_i].section, lookups[_i].key);
        if (lookups[_i].value) {
                ck_assert_ptr_nonnull(got.p);
                ck_assert_msg(str_eq(got, str_of(lookups[_i].value)), "%.*s", (int)got.n, got.p);
        } else {
                ck_assert_ptr_null(got.p);
                ck_assert_uint_eq(got.n, 0);
        }
        profiles_unref(p);
}
END_TEST

START_TEST(has_and_references) {
        struct profiles *p = NULL;

        ck_assert_int_eq(profiles_parse(str_of(lookup_config), STR("[extra]\n"), &p, NULL), 0);
        ck_assert(profiles_has(p, SECTION_PROFILE, "default"));
        ck_assert(profiles_has(p, SECTION_PROFILE, "extra"));
        ck_assert(profiles_has(p, SECTION_SERVICES, "local"));
        ck_assert(!profiles_has(p, SECTION_PROFILE, "local"));
        ck_assert(!profiles_has(p, SECTION_PROFILE, ""));
        ck_assert_ptr_eq(profiles_ref(p), p);
        ck_assert_ptr_null(profiles_unref(p));
        ck_assert(profiles_has(p, SECTION_PROFILE, "default"));
        profiles_unref(p);
        ck_assert_ptr_null(profiles_unref(NULL));
        ck_assert_ptr_null(profiles_ref(NULL));
}
END_TEST

START_TEST(redacted) {
        static const char config[] =
                "[default]\naws_access_key_id = AKID\naws_secret_access_key = S3CR3T\naws_session_token = S3CR3T\n"
                "credential_process = tool --password S3CR3T\nweb_identity_token_file = /path\nregion = r\n"
                "my_password = S3CR3T\ns3 =\n access_token = S3CR3T\n x = y\nother =\n x = z\n";
        struct buf out = BUF_INIT(OUT_MAX);
        struct profiles *p = NULL;

        ck_assert_int_eq(profiles_parse(str_of(config), STR(""), &p, NULL), 0);
        render(p, true, &out);
        ck_assert_str_eq(
                out.p, "{\"profiles\":{\"default\":{\"aws_access_key_id\":\"AKID\",\"aws_secret_access_key\":\"***\","
                       "\"aws_session_token\":\"***\",\"credential_process\":\"***\",\"my_password\":\"***\","
                       "\"other\":\"\\nx = z\",\"region\":\"r\",\"s3\":\"***\",\"web_identity_token_file\":\"/path\"}},"
                       "\"sso_sessions\":{},\"services\":{}}");
        render(p, false, &out);
        ck_assert_ptr_nonnull(strstr(out.p, "S3CR3T"));
        buf_deinit(&out);
        profiles_unref(p);
}
END_TEST

START_TEST(not_utf8) {
        struct buf out = BUF_INIT(OUT_MAX);
        struct profiles *p = NULL;

        ck_assert_int_eq(profiles_parse(STR("[default]\nx = a\xFF\xC0z\n"), STR(""), &p, NULL), 0);
        ck_assert(str_eq(profiles_get(p, SECTION_PROFILE, "default", "x"), STR("a\xFF\xC0z")));
        render(p, false, &out);
        ck_assert_ptr_nonnull(strstr(out.p, "{\"x\":\"a??z\"}"));
        buf_deinit(&out);
        profiles_unref(p);
}
END_TEST

START_TEST(not_a_text_file) {
        struct profiles *p = NULL;
        struct error error;

        ck_assert_int_eq(profiles_parse(STR("[default]\nx = a\0b\n"), STR(""), &p, &error), -EINVAL);
        ck_assert_str_eq(error.message, "config file holds a NUL byte: it is not a text file");
        ck_assert_ptr_null(p);
}
END_TEST

/* No message quotes the file. */
START_TEST(messages_hold_no_secrets) {
        static const char *const broken[] = {
                "[default]\naws_secret_access_key S3CR3T\n",
                "[default]\n= S3CR3T\n",
                "aws_secret_access_key = S3CR3T",
                "[S3CR3T",
                "[default]\n S3CR3T\n",
                "[default]\nx =\n S3CR3T\n",
        };
        struct profiles *p = NULL;
        struct error error;

        for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
                ck_assert_int_eq(profiles_parse(str_of(broken[i]), STR(""), &p, &error), -EINVAL);
                ck_assert_ptr_null(strstr(error.message, "S3CR3T"));
        }
}
END_TEST

/* Sizes at the limit take no more than linear time: sections, properties, continuation lines. */
START_TEST(large) {
        struct buf text = BUF_INIT(PROFILE_FILE_MAX + 1);
        struct profiles *p = NULL;
        struct error error;

        for (unsigned i = 0; i < 20000; i++)
                buf_printf(&text, "[profile p%u]\nx = %u\n", i, i);
        buf_puts(&text, "[default]\n");
        for (unsigned i = 0; i < 20000; i++)
                buf_printf(&text, "k%u = %u\n", i, i);
        for (unsigned i = 0; i < 200000; i++)
                buf_puts(&text, " continued\n");
        ck_assert_int_eq(buf_status(&text), 0);
        ck_assert_int_eq(profiles_parse(buf_view(&text), buf_view(&text), &p, &error), 0);
        ck_assert(str_eq(profiles_get(p, SECTION_PROFILE, "p19999", "x"), STR("19999")));
        ck_assert_uint_gt(profiles_get(p, SECTION_PROFILE, "default", "k19999").n, 2000000);
        profiles_unref(p);
        p = NULL;
        buf_reset(&text);
        buf_fill(&text, '#', PROFILE_FILE_MAX + 1);
        ck_assert_int_eq(profiles_parse(buf_view(&text), STR(""), &p, &error), -EINVAL);
        ck_assert_ptr_nonnull(strstr(error.message, "larger than"));
        buf_deinit(&text);
}
END_TEST

/* Reading. */

static char folder[] = "/tmp/test-profile-XXXXXX";

static void write_file(const char *name, const char *text) {
        char path[256];
        FILE *f;

        snprintf(path, sizeof(path), "%s/%s", folder, name);
        f = fopen(path, "w");
        ck_assert_ptr_nonnull(f);
        fputs(text, f);
        fclose(f);
}

static void folder_set_up(void) {
        char path[256];

        memset(folder + strlen(folder) - 6, 'X', 6);
        ck_assert_ptr_nonnull(mkdtemp(folder));
        snprintf(path, sizeof(path), "%s/.aws", folder);
        ck_assert_int_eq(mkdir(path, 0700), 0);
        setenv("HOME", folder, 1);
        unsetenv("AWS_CONFIG_FILE");
        unsetenv("AWS_SHARED_CREDENTIALS_FILE");
}

static void folder_tear_down(void) {
        static const char *const names[] = {
                ".aws/config", ".aws/credentials", "config", "credentials", "dir", ".aws", ""
        };
        char path[256];

        for (size_t i = 0; i < ARRAY_LEN(names); i++) {
                snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
                remove(path);
        }
}

static void assert_where(const char *config, const char *credentials, const char *x, const char *y) {
        struct profiles *p = NULL;
        struct error error = { .message = "" };

        ck_assert_msg(profiles_load(config, credentials, &p, &error) == 0, "%s", error.message);
        ck_assert(str_eq(profiles_get(p, SECTION_PROFILE, "default", "x"), str_of(x)));
        ck_assert(str_eq(profiles_get(p, SECTION_PROFILE, "default", "y"), str_of(y)));
        profiles_unref(p);
}

START_TEST(where_files_are) {
        char config[256], credentials[256];

        assert_where(NULL, NULL, NULL, NULL); /* missing files are empty */
        write_file(".aws/config", "[default]\nx = home\n");
        write_file(".aws/credentials", "[default]\ny = home\n");
        write_file("config", "[default]\nx = env\n");
        write_file("credentials", "[default]\ny = env\n");
        assert_where(NULL, NULL, "home", "home");
        setenv("AWS_CONFIG_FILE", "", 1);
        setenv("AWS_SHARED_CREDENTIALS_FILE", "", 1);
        assert_where(NULL, NULL, "home", "home");
        setenv("AWS_CONFIG_FILE", "~/config", 1);
        setenv("AWS_SHARED_CREDENTIALS_FILE", "~/credentials", 1);
        assert_where(NULL, NULL, "env", "env");
        snprintf(config, sizeof(config), "%s/.aws/config", folder);
        snprintf(credentials, sizeof(credentials), "%s/.aws/credentials", folder);
        assert_where(config, credentials, "home", "home");
        assert_where("/nonexistent/config", "/dev/null/credentials", NULL, NULL);
        assert_where("~nobody/config", "/dev/null", NULL, NULL);
}
END_TEST

START_TEST(unreadable) {
        char path[256], expected[512];
        struct profiles *p = NULL;
        struct error error;

        snprintf(path, sizeof(path), "%s/dir", folder);
        ck_assert_int_eq(mkdir(path, 0700), 0);
        ck_assert_int_eq(profiles_load(path, NULL, &p, &error), -EINVAL);
        snprintf(expected, sizeof(expected), "cannot read %s: Is a directory", path);
        ck_assert_str_eq(error.message, expected);
        ck_assert_int_eq(profiles_load("/dev/zero", NULL, &p, &error), -EINVAL);
        ck_assert_str_eq(error.message, "cannot read /dev/zero: too large");
        write_file("config", "[default]\nx\n");
        snprintf(path, sizeof(path), "%s/config", folder);
        ck_assert_int_eq(profiles_load(path, NULL, &p, &error), -EINVAL);
        snprintf(expected, sizeof(expected), "%s, line 2: Expected an '=' sign defining a property", path);
        ck_assert_str_eq(error.message, expected);
        ck_assert_uint_eq(error.line, 2);
        ck_assert_ptr_null(p);
}
END_TEST

static int load_and_render(void) {
        static const char config[] =
                "[default]\nx = 1\n 2\n[profile default]\nX = 3\ns3 =\n a = \xFF\n[services q]\ny = 2\n";
        _cleanup_(profiles_unrefp) struct profiles *p = NULL;
        _cleanup_(buf_deinit) struct buf out = BUF_INIT(OUT_MAX);
        int r = profiles_parse(str_of(config), STR("[b]\nz = 1\n"), &p, NULL);

        if (!r)
                r = profiles_render(p, true, &out);
        if (!r) {
                p = profiles_unref(p);
                r = profiles_load(NULL, NULL, &p, NULL);
        }
        return r;
}

START_TEST(out_of_memory) {
        unsigned long n = 0;
        int r;

        write_file(".aws/config", "[default]\nx = home\n");
        do {
                mem_fail_at(++n);
                r = load_and_render();
                mem_fail_at(0);
                ck_assert(r == 0 || r == -ENOMEM);
                ck_assert_uint_lt(n, 500);
        } while (r);
        ck_assert_uint_gt(n, 10);
}
END_TEST

int main(void) {
        Suite *s = suite_create("profile");
        TCase *t = tcase_create("profile"), *files = tcase_create("files");

        suite_add_tcase(s, t);
        suite_add_tcase(s, files);
        tcase_set_timeout(t, 60);
        tcase_add_loop_test(t, parse, 0, (int)ARRAY_LEN(profile_cases));
        tcase_add_loop_test(t, lookup, 0, (int)ARRAY_LEN(lookups));
        tcase_add_test(t, has_and_references);
        tcase_add_test(t, redacted);
        tcase_add_test(t, not_utf8);
        tcase_add_test(t, not_a_text_file);
        tcase_add_test(t, messages_hold_no_secrets);
        tcase_add_test(t, large);
        tcase_add_checked_fixture(files, folder_set_up, folder_tear_down);
        tcase_add_test(files, where_files_are);
        tcase_add_test(files, unreadable);
        tcase_add_test(files, out_of_memory);
        return suite_run(s);
}
