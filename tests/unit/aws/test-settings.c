/* SPDX-License-Identifier: Apache-2.0 */
/* Settings: who wins of option, environment and profile; what is refused, and how it is said. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "ddbfs/aws/settings.h"
#include "ddbfs/base/alloc.h"
#include "../suite.h"

static char config_path[] = "/tmp/test-settings-XXXXXX";

static const char config[] = "[default]\nregion = r-default\n"
                             "[profile full]\nregion = r-full\nca_bundle = /full.pem\nuse_fips_endpoint = "
                             "TRUE\nuse_dualstack_endpoint = true\n"
                             "retry_mode = adaptive\nmax_attempts = 7\naccount_id_endpoint_mode = Required\n"
                             "[profile urls]\nregion = r\nendpoint_url = http://profile:1\nservices = some\n"
                             "[profile ignoring]\nregion = r\nendpoint_url = "
                             "http://profile:1\nignore_configured_endpoint_urls = true\nservices = none\n"
                             "[services some]\ns3 =\n  endpoint_url = http://section-s3:1\ndynamodb_streams =\n "
                             "endpoint_url = http://section-streams:1\n"
                             "[profile missing-services]\nservices = nowhere\n"
                             "[profile bad-mode]\nretry_mode = fast\n"
                             "[profile bad-attempts]\nmax_attempts = many\n"
                             "[profile bad-switch]\nuse_fips_endpoint = yes\n"
                             "[profile bad-account-mode]\naccount_id_endpoint_mode = perhaps\n"
                             "[profile blank]\nregion =\nretry_mode =\nuse_fips_endpoint =\nmax_attempts =\n";

static const char *const variables[] = {
        "AWS_PROFILE",
        "AWS_DEFAULT_PROFILE",
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "AWS_CA_BUNDLE",
        "AWS_USE_FIPS_ENDPOINT",
        "AWS_USE_DUALSTACK_ENDPOINT",
        "AWS_RETRY_MODE",
        "AWS_MAX_ATTEMPTS",
        "AWS_ACCOUNT_ID_ENDPOINT_MODE",
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_DYNAMODB",
        "AWS_ENDPOINT_URL_DYNAMODB_STREAMS",
        "AWS_ENDPOINT_URL_S3",
        "AWS_ENDPOINT_URL_STS",
        "AWS_ENDPOINT_URL_SSO",
        "AWS_ENDPOINT_URL_SSO_OIDC",
        "AWS_ENDPOINT_URL_SIGNIN",
};

static void set_up(void) {
        int fd;

        memset(config_path + strlen(config_path) - 6, 'X', 6);
        fd = mkstemp(config_path);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq((int)write(fd, config, sizeof(config) - 1), (int)sizeof(config) - 1);
        close(fd);
        for (size_t i = 0; i < ARRAY_LEN(variables); i++)
                unsetenv(variables[i]);
        setenv("AWS_CONFIG_FILE", config_path, 1);
        setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null", 1);
}

static void tear_down(void) {
        unlink(config_path);
}

/* "NAME=value NAME=value" into the environment. */
static void set_environment(const char *assignments) {
        char copy[512], *save = NULL;

        snprintf(copy, sizeof(copy), "%s", assignments);
        for (char *word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
                char *value = strchr(word, '=');

                *value++ = 0;
                setenv(word, value, 1);
        }
}

/* One line of all settings. */
static void describe(const struct aws_settings *s, struct buf *out) {
        buf_printf(out, "profile=%.*s%s%s region=%.*s", (int)s->profile.n, s->profile.p,
                   s->profile_given ? ",given" : "", s->profile_option ? ",option" : "", (int)s->region.n, s->region.p);
        if (s->ca_bundle.n > 0)
                buf_printf(out, " ca=%.*s", (int)s->ca_bundle.n, s->ca_bundle.p);
        buf_printf(out, "%s%s", s->use_fips ? " fips" : "", s->use_dualstack ? " dual" : "");
        if (s->retry_mode != AWS_RETRY_STANDARD)
                buf_printf(out, " retry=%d", s->retry_mode);
        if (s->max_attempts > 0)
                buf_printf(out, " attempts=%u", s->max_attempts);
        if (s->account_mode != AWS_ACCOUNT_PREFERRED)
                buf_printf(out, " account=%d", s->account_mode);
        if (s->endpoint_url.n > 0)
                buf_printf(out, " url=%.*s", (int)s->endpoint_url.n, s->endpoint_url.p);
}

static const struct {
        struct aws_options options;
        const char *environment;
        const char *expected; /* describe() */
} winners[] = {
        { { 0 }, "", "profile=default region=r-default" },
        { { 0 }, "AWS_DEFAULT_REGION=r-second", "profile=default region=r-second" },
        { { 0 }, "AWS_DEFAULT_REGION=r-second AWS_REGION=r-first", "profile=default region=r-first" },
        { { 0 }, "AWS_REGION= AWS_DEFAULT_REGION=", "profile=default region=r-default" },
        { { .region = "r-option" }, "AWS_REGION=r-first", "profile=default region=r-option" },
        { { .region = "" }, "AWS_REGION=r-first", "profile=default region=r-first" },
        { { 0 }, "AWS_PROFILE=blank", "profile=blank,given region=" },
        { { 0 },
          "AWS_PROFILE=full",
          "profile=full,given region=r-full ca=/full.pem fips dual retry=1 attempts=7 account=2" },
        { { 0 }, "AWS_DEFAULT_PROFILE=blank", "profile=blank,given region=" },
        { { 0 }, "AWS_PROFILE=default AWS_DEFAULT_PROFILE=blank", "profile=default,given region=r-default" },
        { { .profile = "blank" }, "AWS_PROFILE=full", "profile=blank,given,option region=" },
        { { 0 },
          "AWS_PROFILE=full AWS_USE_FIPS_ENDPOINT=false AWS_USE_DUALSTACK_ENDPOINT=False AWS_RETRY_MODE=legacy "
          "AWS_MAX_ATTEMPTS=1 AWS_ACCOUNT_ID_ENDPOINT_MODE=disabled AWS_CA_BUNDLE=/env.pem",
          "profile=full,given region=r-full ca=/env.pem retry=2 attempts=1 account=1" },
        { { .use_fips = true, .use_dualstack = true, .ca_bundle = "/option.pem", .max_attempts = 3 },
          "AWS_CA_BUNDLE=/env.pem AWS_USE_FIPS_ENDPOINT=false AWS_MAX_ATTEMPTS=9",
          "profile=default region=r-default ca=/option.pem fips dual attempts=3" },
        { { .max_attempts = 3 }, "AWS_MAX_ATTEMPTS=junk", "profile=default region=r-default attempts=3" },
        { { .endpoint_url = "http://o:1" }, "", "profile=default region=r-default url=http://o:1" },
        { { .region = "fips-us-east-1" }, "", "profile=default region=us-east-1 fips" },
        { { .region = "us-gov-west-1-fips" }, "", "profile=default region=us-gov-west-1 fips" },
        { { 0 }, "AWS_MAX_ATTEMPTS=1000", "profile=default region=r-default attempts=1000" },
};

START_TEST(who_wins) {
        struct buf out = BUF_INIT(4 * KIB);
        struct error error = { .message = "" };
        struct aws_settings *s = NULL;

        set_environment(winners[_i].environment);
        ck_assert_msg(aws_settings_load(&winners[_i].options, &s, &error) == 0, "%s", error.message);
        describe(s, &out);
        ck_assert_str_eq(out.p, winners[_i].expected);
        buf_deinit(&out);
        aws_settings_free(s);
}
END_TEST

static const struct {
        const char *profile, *environment;
        const char *message;
} refusals[] = {
        { "none", "",
          "profile 'none' (from the profile option) is in neither the config file nor the credentials file" },
        { NULL, "AWS_PROFILE=none",
          "profile 'none' (from AWS_PROFILE) is in neither the config file nor the credentials file" },
        { "missing-services", "",
          "profile 'missing-services' names [services nowhere], which the config file does not have" },
        { "bad-mode", "", "retry_mode is \"fast\"; it can be: standard, adaptive, legacy" },
        { NULL, "AWS_RETRY_MODE=fast", "AWS_RETRY_MODE is \"fast\"; it can be: standard, adaptive, legacy" },
        { "bad-attempts", "", "max_attempts is \"many\"; it is a number from 1 to 1000" },
        { NULL, "AWS_MAX_ATTEMPTS=0", "AWS_MAX_ATTEMPTS is \"0\"; it is a number from 1 to 1000" },
        { NULL, "AWS_MAX_ATTEMPTS=-1", "AWS_MAX_ATTEMPTS is \"-1\"; it is a number from 1 to 1000" },
        { NULL, "AWS_MAX_ATTEMPTS=1001", "AWS_MAX_ATTEMPTS is \"1001\"; it is a number from 1 to 1000" },
        { NULL, "AWS_MAX_ATTEMPTS=99999999999999999999", "it is a number from 1 to 1000" },
        { "bad-switch", "", "use_fips_endpoint is \"yes\"; it can be: false, true" },
        { NULL, "AWS_USE_DUALSTACK_ENDPOINT=1", "AWS_USE_DUALSTACK_ENDPOINT is \"1\"; it can be: false, true" },
        { "bad-account-mode", "", "account_id_endpoint_mode is \"perhaps\"; it can be: preferred, disabled, required" },
        { NULL, "AWS_CONFIG_FILE=/dev/zero", "cannot read /dev/zero: too large" },
};

START_TEST(refused) {
        struct aws_options o = { .profile = refusals[_i].profile };
        struct error error = { .message = "" };
        struct aws_settings *s = NULL;

        set_environment(refusals[_i].environment);
        ck_assert_int_eq(aws_settings_load(&o, &s, &error), -EINVAL);
        ck_assert_ptr_null(s);
        ck_assert_msg(strstr(error.message, refusals[_i].message), "%s", error.message);
        ck_assert_int_eq(aws_settings_load(&o, &s, NULL), -EINVAL);
}
END_TEST

static const struct {
        const char *profile, *environment;
        const char *dynamodb, *streams, *s3;
} urls[] = {
        { NULL, "", "", "", "" },
        { NULL, "AWS_ENDPOINT_URL=http://all:1", "http://all:1", "http://all:1", "http://all:1" },
        { NULL, "AWS_ENDPOINT_URL_DYNAMODB=http://d:1", "http://d:1", "", "" },
        { NULL, "AWS_ENDPOINT_URL=http://all:1 AWS_ENDPOINT_URL_S3=http://s:1", "http://all:1", "http://all:1",
          "http://s:1" },
        { "urls", "", "http://profile:1", "http://section-streams:1", "http://section-s3:1" },
        { "urls", "AWS_ENDPOINT_URL_DYNAMODB_STREAMS=http://t:1", "http://profile:1", "http://t:1",
          "http://section-s3:1" },
        { "urls", "AWS_ENDPOINT_URL=http://all:1", "http://all:1", "http://all:1", "http://all:1" },
        { "urls", "AWS_ENDPOINT_URL=", "http://profile:1", "http://section-streams:1", "http://section-s3:1" },
        { "urls", "AWS_ENDPOINT_URL=http://all:1 AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true", "", "", "" },
        { "ignoring", "AWS_ENDPOINT_URL_S3=http://s:1", "", "", "" },
};

START_TEST(configured_endpoints) {
        struct aws_options o = { .profile = urls[_i].profile };
        struct error error = { .message = "" };
        struct aws_settings *s = NULL;

        set_environment(urls[_i].environment);
        ck_assert_msg(aws_settings_load(&o, &s, &error) == 0, "%s", error.message);
        ck_assert(str_eq(s->endpoint_urls[AWS_DYNAMODB], str_of(urls[_i].dynamodb)));
        ck_assert(str_eq(s->endpoint_urls[AWS_DYNAMODB_STREAMS], str_of(urls[_i].streams)));
        ck_assert(str_eq(s->endpoint_urls[AWS_S3], str_of(urls[_i].s3)));
        aws_settings_free(s);
}
END_TEST

/* The message for someone who has configured nothing. */
START_TEST(no_region) {
        struct aws_options o = { .profile = "blank" };
        struct aws_settings *s = NULL;
        struct aws_endpoint e;
        struct error error;

        ck_assert_int_eq(aws_settings_load(&o, &s, NULL), 0);
        ck_assert_int_eq(aws_endpoint_resolve(s, "dynamodb", NULL, &e, &error), -EINVAL);
        ck_assert_str_eq(error.message,
                         "no region is configured: use -o region=NAME, set AWS_REGION, or run: aws configure set "
                         "region NAME --profile blank");
        aws_settings_free(s);
        ck_assert_ptr_null(aws_settings_free(NULL));
}
END_TEST

START_TEST(out_of_memory) {
        struct aws_options o = {
                .profile = "urls", .access_key_id = "i", .secret_access_key = "s", .session_token = "t"
        };
        struct aws_settings *s = NULL;
        unsigned long n = 0;
        struct error error;
        int r;

        do {
                mem_fail_at(++n);
                r = aws_settings_load(&o, &s, &error);
                mem_fail_at(0);
                ck_assert(r == 0 || (r == -ENOMEM && !s && error.kind == ERR_MEMORY));
                ck_assert_uint_lt(n, 500);
        } while (r);
        ck_assert_uint_gt(n, 5);
        ck_assert(str_eq(s->secret_access_key, STR("s")));
        aws_settings_free(s);
}
END_TEST

int main(void) {
        Suite *s = suite_create("settings");
        TCase *t = tcase_create("settings");

        suite_add_tcase(s, t);
        tcase_add_checked_fixture(t, set_up, tear_down);
        tcase_add_loop_test(t, who_wins, 0, (int)ARRAY_LEN(winners));
        tcase_add_loop_test(t, refused, 0, (int)ARRAY_LEN(refusals));
        tcase_add_loop_test(t, configured_endpoints, 0, (int)ARRAY_LEN(urls));
        tcase_add_test(t, no_region);
        tcase_add_test(t, out_of_memory);
        return suite_run(s);
}
