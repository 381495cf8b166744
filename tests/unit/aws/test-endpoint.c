/* SPDX-License-Identifier: Apache-2.0 */
/* Endpoint rules.  Expected hosts of partitions and variants: the rule sets AWS publishes for its SDKs. */
#include <errno.h>
#include <stdlib.h>
#include "ddbfs/aws/settings.h"
#include "../suite.h"

enum { FIPS = 1, DUAL = 2 };

static const struct {
        const char *service, *region;
        unsigned flags;
        const char *url;   /* https:// in front; NULL: refused */
        const char *error; /* part of the message */
} regional[] = {
        { "dynamodb", "us-east-1", 0, "dynamodb.us-east-1.amazonaws.com", NULL },
        { "dynamodb", "us-east-1", DUAL, "dynamodb.us-east-1.api.aws", NULL },
        { "dynamodb", "us-east-1", FIPS, "dynamodb-fips.us-east-1.amazonaws.com", NULL },
        { "dynamodb", "us-east-1", FIPS | DUAL, "dynamodb-fips.us-east-1.api.aws", NULL },
        { "dynamodb", "mx-central-1", 0, "dynamodb.mx-central-1.amazonaws.com", NULL },
        { "dynamodb", "xx-new-9", 0, "dynamodb.xx-new-9.amazonaws.com", NULL },
        { "dynamodb", "cn-north-1", 0, "dynamodb.cn-north-1.amazonaws.com.cn", NULL },
        { "dynamodb", "cn-northwest-1", DUAL, "dynamodb.cn-northwest-1.api.amazonwebservices.com.cn", NULL },
        { "dynamodb", "cn-north-1", FIPS, "dynamodb-fips.cn-north-1.amazonaws.com.cn", NULL },
        { "dynamodb", "us-gov-west-1", 0, "dynamodb.us-gov-west-1.amazonaws.com", NULL },
        { "dynamodb", "us-gov-west-1", FIPS, "dynamodb.us-gov-west-1.amazonaws.com", NULL },
        { "dynamodb", "us-gov-east-1", FIPS | DUAL, "dynamodb-fips.us-gov-east-1.api.aws", NULL },
        { "dynamodb", "us-gov-east-1", DUAL, "dynamodb.us-gov-east-1.api.aws", NULL },
        { "dynamodb", "us-iso-east-1", 0, "dynamodb.us-iso-east-1.c2s.ic.gov", NULL },
        { "dynamodb", "us-iso-west-1", FIPS, "dynamodb-fips.us-iso-west-1.c2s.ic.gov", NULL },
        { "dynamodb", "us-isob-east-1", 0, "dynamodb.us-isob-east-1.sc2s.sgov.gov", NULL },
        { "dynamodb", "us-isob-east-1", DUAL, "dynamodb.us-isob-east-1.api.aws.scloud", NULL },
        { "dynamodb", "eu-isoe-west-1", 0, "dynamodb.eu-isoe-west-1.cloud.adc-e.uk", NULL },
        { "dynamodb", "us-isof-south-1", 0, "dynamodb.us-isof-south-1.csp.hci.ic.gov", NULL },
        { "dynamodb", "eusc-de-east-1", 0, "dynamodb.eusc-de-east-1.amazonaws.eu", NULL },
        { "dynamodb", "eusc-de-east-1", DUAL, "dynamodb.eusc-de-east-1.api.amazonwebservices.eu", NULL },
        { "dynamodb_streams", "us-east-1", 0, "streams.dynamodb.us-east-1.amazonaws.com", NULL },
        { "dynamodb_streams", "us-east-1", DUAL, "streams-dynamodb.us-east-1.api.aws", NULL },
        { "dynamodb_streams", "us-east-1", FIPS, "streams.dynamodb-fips.us-east-1.amazonaws.com", NULL },
        { "dynamodb_streams", "us-east-1", FIPS | DUAL, "streams-dynamodb-fips.us-east-1.api.aws", NULL },
        { "dynamodb_streams", "cn-north-1", 0, "streams.dynamodb.cn-north-1.amazonaws.com.cn", NULL },
        { "dynamodb_streams", "cn-north-1", DUAL, "streams-dynamodb.cn-north-1.api.amazonwebservices.com.cn", NULL },
        { "dynamodb_streams", "us-gov-west-1", FIPS, "streams.dynamodb.us-gov-west-1.amazonaws.com", NULL },
        { "dynamodb_streams", "us-gov-west-1", DUAL, "streams-dynamodb.us-gov-west-1.api.aws", NULL },
        { "dynamodb_streams", "us-gov-west-1", FIPS | DUAL, "streams-dynamodb-fips.us-gov-west-1.api.aws", NULL },
        { "dynamodb_streams", "us-iso-east-1", 0, "streams.dynamodb.us-iso-east-1.c2s.ic.gov", NULL },
        { "dynamodb_streams", "us-isob-east-1", DUAL, "streams.dynamodb.us-isob-east-1.api.aws.scloud", NULL },
        { "s3", "us-east-1", 0, "s3.us-east-1.amazonaws.com", NULL },
        { "s3", "eu-central-1", DUAL, "s3.dualstack.eu-central-1.amazonaws.com", NULL },
        { "s3", "us-east-1", FIPS, "s3-fips.us-east-1.amazonaws.com", NULL },
        { "s3", "us-east-1", FIPS | DUAL, "s3-fips.dualstack.us-east-1.amazonaws.com", NULL },
        { "s3", "us-gov-west-1", FIPS, "s3-fips.us-gov-west-1.amazonaws.com", NULL },
        { "s3", "cn-north-1", DUAL, "s3.dualstack.cn-north-1.amazonaws.com.cn", NULL },
        { "s3", "cn-north-1", FIPS, NULL, "s3 has no FIPS endpoint in region cn-north-1" },
        { "s3", "us-iso-east-1", 0, "s3.us-iso-east-1.c2s.ic.gov", NULL },
        { "sts", "us-east-1", 0, "sts.us-east-1.amazonaws.com", NULL },
        { "sts", "eu-west-1", DUAL, "sts.eu-west-1.api.aws", NULL },
        { "sts", "eu-west-1", FIPS, "sts-fips.eu-west-1.amazonaws.com", NULL },
        { "sts", "us-gov-east-1", FIPS, "sts.us-gov-east-1.amazonaws.com", NULL },
        { "sts", "us-gov-east-1", FIPS | DUAL, "sts-fips.us-gov-east-1.api.aws", NULL },
        { "sts", "cn-north-1", 0, "sts.cn-north-1.amazonaws.com.cn", NULL },
        { "sso", "us-east-1", 0, "portal.sso.us-east-1.amazonaws.com", NULL },
        { "sso", "us-east-1", DUAL, "portal.sso.us-east-1.api.aws", NULL },
        { "sso", "us-east-1", FIPS, "portal.sso-fips.us-east-1.amazonaws.com", NULL },
        { "sso", "us-gov-west-1", FIPS, "portal.sso.us-gov-west-1.amazonaws.com", NULL },
        { "sso", "cn-north-1", 0, "portal.sso.cn-north-1.amazonaws.com.cn", NULL },
        { "sso_oidc", "us-east-1", 0, "oidc.us-east-1.amazonaws.com", NULL },
        { "sso_oidc", "us-east-1", FIPS | DUAL, "oidc-fips.us-east-1.api.aws", NULL },
        { "sso_oidc", "us-gov-west-1", FIPS, "oidc.us-gov-west-1.amazonaws.com", NULL },
        { "signin", "us-east-1", 0, "us-east-1.signin.aws.amazon.com", NULL },
        { "signin", "cn-north-1", 0, "cn-north-1.signin.amazonaws.cn", NULL },
        { "signin", "us-gov-west-1", 0, "us-gov-west-1.signin.amazonaws-us-gov.com", NULL },
        { "signin", "eusc-de-east-1", 0, "eusc-de-east-1.signin.amazonaws-eusc.eu", NULL },
        { "signin", "us-east-1", DUAL, "signin.us-east-1.api.aws", NULL },
        { "signin", "us-iso-east-1", FIPS, "signin-fips.us-iso-east-1.c2s.ic.gov", NULL },
        { "sqs", "us-east-1", 0, NULL, "no such service: sqs" },
        { "dynamodb", "", 0, NULL, "no region is configured" },
        { "dynamodb", "us-east-1.evil.example/", 0, NULL, "\"us-east-1.evil.example/\" is not the name of a region" },
        { "dynamodb", "us east", 0, NULL, "is not the name of a region" },
        { "dynamodb", "-us", 0, NULL, "is not the name of a region" },
        { "dynamodb", "a-name-of-sixty-four-characters-is-one-more-than-a-label-can-have", 0, NULL, "is not the name" },
        { "s3", "local", 0, NULL, "region \"local\" has no s3: set AWS_ENDPOINT_URL_S3" },
};

static struct aws_settings settings_of(const char *region, unsigned flags) {
        return (struct aws_settings){
                .profile = STR("default"),
                .region = str_of(region),
                .use_fips = flags & FIPS,
                .use_dualstack = flags & DUAL,
        };
}

START_TEST(of_regions) {
        struct aws_settings s = settings_of(regional[_i].region, regional[_i].flags);
        struct error error = { .message = "" };
        struct aws_endpoint e;
        int r = aws_endpoint_resolve(&s, regional[_i].service, NULL, &e, &error);

        if (!regional[_i].url) {
                ck_assert_int_eq(r, -EINVAL);
                ck_assert_msg(strstr(error.message, regional[_i].error), "%s", error.message);
                ck_assert_int_eq(aws_endpoint_resolve(&s, regional[_i].service, NULL, &e, NULL), -EINVAL);
                return;
        }
        ck_assert_msg(r == 0, "%s", error.message);
        ck_assert_str_eq(e.host, regional[_i].url);
        ck_assert(strncmp(e.url, "https://", 8) == 0);
        ck_assert_str_eq(e.url + 8, e.host);
        ck_assert_str_eq(e.signing_region, regional[_i].region);
        ck_assert(!e.custom);
}
END_TEST

START_TEST(signing_names) {
        static const char *const names[][2] = {
                { "dynamodb", "dynamodb" },
                { "dynamodb_streams", "dynamodb" },
                { "s3", "s3" },
                { "sts", "sts" },
        };
        struct aws_settings s = settings_of("us-east-1", 0);
        struct aws_endpoint e;

        for (size_t i = 0; i < ARRAY_LEN(names); i++) {
                ck_assert_int_eq(aws_endpoint_resolve(&s, names[i][0], NULL, &e, NULL), 0);
                ck_assert_str_eq(e.signing_name, names[i][1]);
        }
}
END_TEST

START_TEST(region_local) {
        static const char *const services[] = { "dynamodb", "dynamodb_streams" };
        struct aws_settings s = settings_of("local", 0);
        struct aws_endpoint e;

        for (size_t i = 0; i < ARRAY_LEN(services); i++) {
                ck_assert_int_eq(aws_endpoint_resolve(&s, services[i], "123456789012", &e, NULL), 0);
                ck_assert_str_eq(e.url, "http://localhost:8000");
                ck_assert_str_eq(e.host, "localhost:8000");
                ck_assert_str_eq(e.signing_region, "us-east-1");
        }
}
END_TEST

static const struct {
        const char *region, *account;
        unsigned flags;
        enum aws_account_mode mode;
        const char *host, *error;
} accounts[] = {
        { "us-east-1", "123456789012", 0, AWS_ACCOUNT_PREFERRED, "123456789012.ddb.us-east-1.amazonaws.com", NULL },
        { "us-east-1", "123456789012", DUAL, AWS_ACCOUNT_PREFERRED, "123456789012.ddb.us-east-1.api.aws", NULL },
        { "us-east-1", "123456789012", 0, AWS_ACCOUNT_REQUIRED, "123456789012.ddb.us-east-1.amazonaws.com", NULL },
        { "us-east-1", "123456789012", 0, AWS_ACCOUNT_DISABLED, "dynamodb.us-east-1.amazonaws.com", NULL },
        { "us-east-1", NULL, 0, AWS_ACCOUNT_PREFERRED, "dynamodb.us-east-1.amazonaws.com", NULL },
        { "us-east-1", "", 0, AWS_ACCOUNT_PREFERRED, "dynamodb.us-east-1.amazonaws.com", NULL },
        { "us-east-1", "a.b", 0, AWS_ACCOUNT_PREFERRED, "dynamodb.us-east-1.amazonaws.com", NULL },
        { "us-east-1", "123456789012", FIPS, AWS_ACCOUNT_PREFERRED, "dynamodb-fips.us-east-1.amazonaws.com", NULL },
        { "cn-north-1", "123456789012", 0, AWS_ACCOUNT_PREFERRED, "dynamodb.cn-north-1.amazonaws.com.cn", NULL },
        { "us-gov-west-1", "123456789012", 0, AWS_ACCOUNT_PREFERRED, "dynamodb.us-gov-west-1.amazonaws.com", NULL },
        { "us-east-1", NULL, 0, AWS_ACCOUNT_REQUIRED, NULL, "set AWS_ACCOUNT_ID or aws_account_id" },
        { "us-east-1", "a/b", 0, AWS_ACCOUNT_REQUIRED, NULL, "the account id is malformed" },
        { "us-east-1", "123456789012", FIPS, AWS_ACCOUNT_REQUIRED, NULL, "FIPS" },
        { "cn-north-1", "123456789012", 0, AWS_ACCOUNT_REQUIRED, NULL, "this partition" },
};

START_TEST(of_accounts) {
        struct aws_settings s = settings_of(accounts[_i].region, accounts[_i].flags);
        struct error error = { .message = "" };
        struct aws_endpoint e;
        int r;

        s.account_mode = accounts[_i].mode;
        r = aws_endpoint_resolve(&s, "dynamodb", accounts[_i].account, &e, &error);
        if (accounts[_i].host) {
                ck_assert_msg(r == 0, "%s", error.message);
                ck_assert_str_eq(e.host, accounts[_i].host);
        } else {
                ck_assert_int_eq(r, -EINVAL);
                ck_assert_msg(strstr(error.message, accounts[_i].error), "%s", error.message);
        }
        /* other services have none */
        if (!(accounts[_i].flags & FIPS)) {
                ck_assert_int_eq(aws_endpoint_resolve(&s, "sts", accounts[_i].account, &e, &error), 0);
                ck_assert(strncmp(e.host, "sts.", 4) == 0);
        }
}
END_TEST

static const struct {
        const char *given, *url, *host; /* url NULL: refused */
        const char *error;
} customs[] = {
        { "http://localhost:8000", "http://localhost:8000", "localhost:8000", NULL },
        { "http://localhost:8000/", "http://localhost:8000", "localhost:8000", NULL },
        { "http://localhost:80", "http://localhost:80", "localhost", NULL },
        { "https://localhost:443//", "https://localhost:443", "localhost", NULL },
        { "https://localhost:80", "https://localhost:80", "localhost:80", NULL },
        { "HTTP://Example.com/a/b/", "HTTP://Example.com/a/b", "Example.com", NULL },
        { "http://[::1]:8000", "http://[::1]:8000", "[::1]:8000", NULL },
        { "http://[fd00:ec2::23]", "http://[fd00:ec2::23]", "[fd00:ec2::23]", NULL },
        { "http://127.0.0.1:65535", "http://127.0.0.1:65535", "127.0.0.1:65535", NULL },
        { "https://vpce-1-a.dynamodb.us-east-1.vpce.amazonaws.com",
          "https://vpce-1-a.dynamodb.us-east-1.vpce.amazonaws.com", "vpce-1-a.dynamodb.us-east-1.vpce.amazonaws.com",
          NULL },
        { "localhost:8000", NULL, NULL, "begins with neither http:// nor https://" },
        { "ftp://localhost", NULL, NULL, "begins with neither http:// nor https://" },
        { "http://", NULL, NULL, "its host name is missing or malformed" },
        { "http:///path", NULL, NULL, "its host name is missing or malformed" },
        { "http://:8000", NULL, NULL, "its host name is missing or malformed" },
        { "http://user@host", NULL, NULL, "its host name is missing or malformed" },
        { "http://user:pw@host", NULL, NULL, "its port is not a number from 1 to 65535" },
        { "http://host:0", NULL, NULL, "its port is not a number from 1 to 65535" },
        { "http://host:65536", NULL, NULL, "its port is not a number from 1 to 65535" },
        { "http://host:", NULL, NULL, "its port is not a number from 1 to 65535" },
        { "http://host:99999999999999999999", NULL, NULL, "its port is not a number from 1 to 65535" },
        { "http://host?x", NULL, NULL, "no spaces" },
        { "http://host/a b", NULL, NULL, "no spaces" },
        { "http://host\r\nx: y", NULL, NULL, "no spaces" },
        { "http://host/#f", NULL, NULL, "no spaces" },
        { "http://[::1", NULL, NULL, "its host name is missing or malformed" },
        { "http://[]:1", NULL, NULL, "its host name is missing or malformed" },
        { "https://dynamodb.us-east-1.api.aws", NULL, NULL, "use the dual-stack setting instead" },
        { "https://DynamoDB.us-east-1.api.aws/", NULL, NULL, "use the dual-stack setting instead" },
};

START_TEST(custom) {
        struct aws_settings s = settings_of("us-east-1", 0);
        struct error error = { .message = "" };
        struct aws_endpoint e;
        int r;

        s.endpoint_url = str_of(customs[_i].given);
        r = aws_endpoint_resolve(&s, "dynamodb", "123456789012", &e, &error);
        if (!customs[_i].url) {
                ck_assert_int_eq(r, -EINVAL);
                ck_assert_msg(strstr(error.message, customs[_i].error), "%s", error.message);
                return;
        }
        ck_assert_msg(r == 0, "%s", error.message);
        ck_assert_str_eq(e.url, customs[_i].url);
        ck_assert_str_eq(e.host, customs[_i].host);
        ck_assert_str_eq(e.signing_region, "us-east-1");
        ck_assert(e.custom);
        s.use_fips = true;
        ck_assert_int_eq(aws_endpoint_resolve(&s, "dynamodb", NULL, &e, &error), -EINVAL);
        ck_assert_ptr_nonnull(strstr(error.message, "FIPS cannot be used together with an endpoint URL"));
        s.use_fips = false;
        s.use_dualstack = true;
        ck_assert_int_eq(aws_endpoint_resolve(&s, "dynamodb", NULL, &e, &error), -EINVAL);
        ck_assert_ptr_nonnull(strstr(error.message, "dual-stack cannot be used together with an endpoint URL"));
        s.use_dualstack = false;
        s.region = STR("");
        ck_assert_int_eq(aws_endpoint_resolve(&s, "dynamodb", NULL, &e, &error), -EINVAL);
        ck_assert_ptr_nonnull(strstr(error.message, "no region is configured"));
}
END_TEST

START_TEST(too_long) {
        struct aws_settings s = settings_of("us-east-1", 0);
        struct error error = { .message = "" };
        struct aws_endpoint e;
        char url[600] = "http://";

        memset(url + 7, 'h', 310);
        s.endpoint_url = str_of(url);
        ck_assert_int_eq(aws_endpoint_resolve(&s, "dynamodb", NULL, &e, &error), -EINVAL);
        ck_assert_ptr_nonnull(strstr(error.message, "it is too long"));
        memset(url + 7, 'h', 290);
        memset(url + 297, '/', 1);
        memset(url + 298, 'p', 300);
        s.endpoint_url = str_of(url);
        ck_assert_int_eq(aws_endpoint_resolve(&s, "dynamodb", NULL, &e, &error), -EINVAL);
        ck_assert_ptr_nonnull(strstr(error.message, "it is too long"));
}
END_TEST

/* Whose override counts for whom. */
static const struct {
        const char *option, *dynamodb, *streams, *s3; /* the option, and what is configured for each service */
        const char *service, *host;
} overrides[] = {
        { "http://o:1", "http://d:1", "http://t:1", "http://s:1", "dynamodb", "o:1" },
        { "http://o:1", "http://d:1", "http://t:1", "http://s:1", "dynamodb_streams", "t:1" },
        { "http://o:1", "http://d:1", "http://t:1", "http://s:1", "s3", "s:1" },
        { "http://o:1", NULL, NULL, NULL, "dynamodb_streams", "o:1" },
        { "http://o:1", NULL, NULL, NULL, "s3", "s3.us-east-1.amazonaws.com" },
        { "https://vpce-1.dynamodb.us-east-1.vpce.amazonaws.com", NULL, NULL, NULL, "dynamodb_streams",
          "streams.dynamodb.us-east-1.amazonaws.com" },
        { NULL, "http://d:1", NULL, NULL, "dynamodb", "d:1" },
        { NULL, "http://d:1", NULL, NULL, "dynamodb_streams", "streams.dynamodb.us-east-1.amazonaws.com" },
        { NULL, NULL, NULL, "http://s:1", "dynamodb", "dynamodb.us-east-1.amazonaws.com" },
        { "broken", NULL, NULL, NULL, "dynamodb_streams", "streams.dynamodb.us-east-1.amazonaws.com" },
};

START_TEST(who_overrides) {
        struct aws_settings s = settings_of("us-east-1", 0);
        struct aws_endpoint e;

        s.endpoint_url = str_of(overrides[_i].option);
        s.endpoint_urls[AWS_DYNAMODB] = str_of(overrides[_i].dynamodb);
        s.endpoint_urls[AWS_DYNAMODB_STREAMS] = str_of(overrides[_i].streams);
        s.endpoint_urls[AWS_S3] = str_of(overrides[_i].s3);
        ck_assert_int_eq(aws_endpoint_resolve(&s, overrides[_i].service, NULL, &e, NULL), 0);
        ck_assert_str_eq(e.host, overrides[_i].host);
}
END_TEST

int main(void) {
        Suite *s = suite_create("endpoint");
        TCase *t = tcase_create("endpoint");

        suite_add_tcase(s, t);
        tcase_add_loop_test(t, of_regions, 0, (int)ARRAY_LEN(regional));
        tcase_add_test(t, signing_names);
        tcase_add_test(t, region_local);
        tcase_add_loop_test(t, of_accounts, 0, (int)ARRAY_LEN(accounts));
        tcase_add_loop_test(t, custom, 0, (int)ARRAY_LEN(customs));
        tcase_add_test(t, too_long);
        tcase_add_loop_test(t, who_overrides, 0, (int)ARRAY_LEN(overrides));
        return suite_run(s);
}
