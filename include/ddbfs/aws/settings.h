/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Region, endpoints, retries: from option, environment and profile, in the SDKs' order (aws-facts 2.2,
 * 2.4, 7.7).  Everything outside is read once, in aws_settings_load(); aws_endpoint_resolve() is a pure
 * function of what it read.  No network.  An environment variable that is set but empty counts as unset.
 */
#include "ddbfs/aws/profile.h"

/* What the user gave as options; NULL, "" or 0: not given. */
struct aws_options {
        const char *profile, *region, *endpoint_url;
        const char *access_key_id, *secret_access_key, *session_token; /* tests and --local only */
        const char *ca_bundle;
        unsigned max_attempts;
        bool use_fips, use_dualstack;
};

enum aws_retry_mode { AWS_RETRY_STANDARD, AWS_RETRY_ADAPTIVE, AWS_RETRY_LEGACY };
enum aws_account_mode { AWS_ACCOUNT_PREFERRED, AWS_ACCOUNT_DISABLED, AWS_ACCOUNT_REQUIRED };

/* The services there are endpoints for; the table is in endpoint.c. */
enum aws_service_id {
        AWS_DYNAMODB,
        AWS_DYNAMODB_STREAMS,
        AWS_S3,
        AWS_STS,
        AWS_SSO,
        AWS_SSO_OIDC,
        AWS_SIGNIN,
        _AWS_SERVICE_N,
};

struct aws_settings {
        struct arena arena;
        struct profiles *profiles;                /* ref */
        struct str profile;                       /* the chosen one; "default" */
        bool profile_given;                       /* by option or environment: it must exist */
        bool profile_option;                      /* by option: credentials of the environment are not asked */
        struct str region;                        /* "us-east-1"; empty: not configured anywhere */
        struct str endpoint_url;                  /* the option's; empty: none */
        struct str endpoint_urls[_AWS_SERVICE_N]; /* of environment and profile, the strongest; empty: none */
        bool use_fips, use_dualstack;
        bool ignore_configured_endpoints;
        enum aws_account_mode account_mode;
        struct str ca_bundle;
        enum aws_retry_mode retry_mode;
        unsigned max_attempts;                                      /* 0: the service's default */
        struct str access_key_id, secret_access_key, session_token; /* of the options */
};

/* -EINVAL with one clear line: a profile or services section that does not exist, a value that makes no sense. */
_must_check_ int aws_settings_load(const struct aws_options *o, struct aws_settings **ret, struct error *reterr);
struct aws_settings *aws_settings_free(struct aws_settings *s); /* wipes the secrets of the options */
DEFINE_CLEANUP(struct aws_settings, aws_settings_free)

/* Where to send and how to sign. */
struct aws_endpoint {
        char url[512];  /* scheme://host[:port][/path], no trailing slash */
        char host[300]; /* the Host header: with the port where it is not the scheme's */
        char signing_region[64];
        const char *signing_name; /* "dynamodb", "s3", "sts" */
        bool custom;              /* an override: S3 uses path style there */
};
/*
 * service: "dynamodb", "dynamodb_streams", "s3", "sts", "sso", "sso_oidc", "signin".  account: for
 * account-based endpoints of dynamodb, of the credentials in use; NULL when unknown.
 *
 * The endpoint_url option is DynamoDB's.  Streams follow it where it names a stand-in for AWS, which serves
 * both, but not where it names a host of AWS (an interface endpoint), which does not.
 *
 * -EINVAL with one clear line: no region, FIPS with a custom endpoint, malformed URL.
 */
_must_check_ int aws_endpoint_resolve(const struct aws_settings *s, const char *service, const char *account,
                                      struct aws_endpoint *ret, struct error *reterr);
