/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Endpoint rules of the services, as tables: partitions by region prefix, host templates per service and
 * variant, and the exceptions of single partitions.  Pure: reads nothing but its arguments.
 *
 * Templates: {r} region, {s} DNS suffix of the partition, {d} its dual-stack suffix, {a} account.
 */
#include <stdio.h>
#include "settings_internal.h"

/* bit 0: FIPS, bit 1: dual-stack */
enum variant { PLAIN, FIPS, DUAL, FIPS_DUAL, _VARIANT_N };

enum partition_id { P_AWS, P_CN, P_GOV, P_EUSC, P_ISO, P_ISO_B, P_ISO_E, P_ISO_F };

static const struct partition {
        struct str prefix; /* of its regions; the first row is for all others */
        const char *suffix, *dual_suffix;
} partitions[] = {
        [P_AWS] = { { "", 0 }, "amazonaws.com", "api.aws" },
        [P_CN] = { { "cn-", 3 }, "amazonaws.com.cn", "api.amazonwebservices.com.cn" },
        [P_GOV] = { { "us-gov-", 7 }, "amazonaws.com", "api.aws" },
        [P_EUSC] = { { "eusc-", 5 }, "amazonaws.eu", "api.amazonwebservices.eu" },
        [P_ISO] = { { "us-iso-", 7 }, "c2s.ic.gov", "api.aws.ic.gov" },
        [P_ISO_B] = { { "us-isob-", 8 }, "sc2s.sgov.gov", "api.aws.scloud" },
        [P_ISO_E] = { { "eu-isoe-", 8 }, "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk" },
        [P_ISO_F] = { { "us-isof-", 8 }, "csp.hci.ic.gov", "api.aws.hci.ic.gov" },
};

const struct aws_service aws_services[_AWS_SERVICE_N] = {
        [AWS_DYNAMODB] = { "dynamodb", "AWS_ENDPOINT_URL_DYNAMODB", "dynamodb" },
        [AWS_DYNAMODB_STREAMS] = { "dynamodb_streams", "AWS_ENDPOINT_URL_DYNAMODB_STREAMS", "dynamodb" },
        [AWS_S3] = { "s3", "AWS_ENDPOINT_URL_S3", "s3" },
        [AWS_STS] = { "sts", "AWS_ENDPOINT_URL_STS", "sts" },
        [AWS_SSO] = { "sso", "AWS_ENDPOINT_URL_SSO", "awsssoportal" },
        [AWS_SSO_OIDC] = { "sso_oidc", "AWS_ENDPOINT_URL_SSO_OIDC", "sso-oauth" },
        [AWS_SIGNIN] = { "signin", "AWS_ENDPOINT_URL_SIGNIN", "signin" },
};

static const char *const hosts[_AWS_SERVICE_N][_VARIANT_N] = {
        [AWS_DYNAMODB] = { "dynamodb.{r}.{s}", "dynamodb-fips.{r}.{s}", "dynamodb.{r}.{d}", "dynamodb-fips.{r}.{d}" },
        [AWS_DYNAMODB_STREAMS] = { "streams.dynamodb.{r}.{s}", "streams.dynamodb-fips.{r}.{s}",
                                   "streams.dynamodb.{r}.{d}", "streams.dynamodb-fips.{r}.{d}" },
        [AWS_S3] = { "s3.{r}.{s}", "s3-fips.{r}.{s}", "s3.dualstack.{r}.{s}", "s3-fips.dualstack.{r}.{s}" },
        [AWS_STS] = { "sts.{r}.{s}", "sts-fips.{r}.{s}", "sts.{r}.{d}", "sts-fips.{r}.{d}" },
        [AWS_SSO] = { "portal.sso.{r}.{s}", "portal.sso-fips.{r}.{s}", "portal.sso.{r}.{d}",
                      "portal.sso-fips.{r}.{d}" },
        [AWS_SSO_OIDC] = { "oidc.{r}.{s}", "oidc-fips.{r}.{s}", "oidc.{r}.{d}", "oidc-fips.{r}.{d}" },
        [AWS_SIGNIN] = { "signin.{r}.{s}", "signin-fips.{r}.{s}", "signin.{r}.{d}", "signin-fips.{r}.{d}" },
};

static const struct exception {
        enum aws_service_id service;
        enum partition_id partition;
        enum variant variant;
        const char *host; /* NULL: there is no such endpoint */
} exceptions[] = {
        { AWS_DYNAMODB, P_GOV, FIPS, "dynamodb.{r}.{s}" },
        { AWS_DYNAMODB_STREAMS, P_AWS, DUAL, "streams-dynamodb.{r}.{d}" },
        { AWS_DYNAMODB_STREAMS, P_AWS, FIPS_DUAL, "streams-dynamodb-fips.{r}.{d}" },
        { AWS_DYNAMODB_STREAMS, P_CN, DUAL, "streams-dynamodb.{r}.{d}" },
        { AWS_DYNAMODB_STREAMS, P_CN, FIPS_DUAL, "streams-dynamodb-fips.{r}.{d}" },
        { AWS_DYNAMODB_STREAMS, P_GOV, FIPS, "streams.dynamodb.{r}.{s}" },
        { AWS_DYNAMODB_STREAMS, P_GOV, DUAL, "streams-dynamodb.{r}.{d}" },
        { AWS_DYNAMODB_STREAMS, P_GOV, FIPS_DUAL, "streams-dynamodb-fips.{r}.{d}" },
        { AWS_S3, P_CN, FIPS, NULL },
        { AWS_S3, P_CN, FIPS_DUAL, NULL },
        { AWS_STS, P_GOV, FIPS, "sts.{r}.{s}" },
        { AWS_SSO, P_GOV, FIPS, "portal.sso.{r}.{s}" },
        { AWS_SSO_OIDC, P_GOV, FIPS, "oidc.{r}.{s}" },
        { AWS_SIGNIN, P_AWS, PLAIN, "{r}.signin.aws.amazon.com" },
        { AWS_SIGNIN, P_CN, PLAIN, "{r}.signin.amazonaws.cn" },
        { AWS_SIGNIN, P_GOV, PLAIN, "{r}.signin.amazonaws-us-gov.com" },
        { AWS_SIGNIN, P_EUSC, PLAIN, "{r}.signin.amazonaws-eusc.eu" },
};

static const char *const account_hosts[_VARIANT_N] = {
        [PLAIN] = "{a}.ddb.{r}.{s}",
        [DUAL] = "{a}.ddb.{r}.{d}",
};

static enum partition_id partition_of(struct str region) {
        enum partition_id best = P_AWS;

        for (size_t i = 0; i < ARRAY_LEN(partitions); i++)
                if (partitions[i].prefix.n > partitions[best].prefix.n && str_starts(region, partitions[i].prefix))
                        best = (enum partition_id)i;
        return best;
}

static const char *host_template(enum aws_service_id service, enum partition_id partition, enum variant variant) {
        for (size_t i = 0; i < ARRAY_LEN(exceptions); i++)
                if (exceptions[i].service == service && exceptions[i].partition == partition &&
                    exceptions[i].variant == variant)
                        return exceptions[i].host;
        return hosts[service][variant];
}

/* One DNS label: what is put between dots must not smuggle in a dot, a slash or an at sign. */
static bool is_label(struct str s) {
        for (size_t i = 0; i < s.n; i++) {
                char c = s.p[i];
                bool alnum = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');

                if (!alnum && (c != '-' || i == 0 || i == s.n - 1))
                        return false;
        }
        return s.n > 0 && s.n <= 63;
}

/* false: does not fit */
static bool expand(const char *template, enum partition_id partition, struct str region, struct str account, char *out,
                   size_t size) {
        size_t n = 0;

        while (*template) {
                struct str piece = str_make(template, 1);

                if (*template == '{') {
                        switch (template[1]) {
                        case 'r':
                                piece = region;
                                break;
                        case 's':
                                piece = str_of(partitions[partition].suffix);
                                break;
                        case 'd':
                                piece = str_of(partitions[partition].dual_suffix);
                                break;
                        default:
                                piece = account;
                                break;
                        }
                        template += 2;
                }
                template ++;
                if (n + piece.n + 1 > size)
                        return false;
                memcpy(out + n, piece.p, piece.n);
                n += piece.n;
        }
        out[n] = 0;
        return true;
}

/* Custom endpoints. */

struct url_parts {
        bool https;
        struct str host; /* without the port; with the brackets of an IPv6 address */
        struct str port; /* n == 0: the scheme's */
};

static bool is_port(struct str s) {
        unsigned port = 0;

        for (size_t i = 0; i < s.n; i++) {
                if (s.p[i] < '0' || s.p[i] > '9' || port > 65535)
                        return false;
                port = port * 10 + (unsigned)(s.p[i] - '0');
        }
        return port > 0 && port <= 65535;
}

static bool is_host(struct str s) {
        bool ipv6 = s.n > 2 && s.p[0] == '[' && s.p[s.n - 1] == ']';

        for (size_t i = 0; i < s.n; i++) {
                unsigned char c = (unsigned char)s.p[i];
                bool edge = ipv6 && (i == 0 || i == s.n - 1);
                bool alnum = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');

                if (!alnum && !edge && (c == 0 || !strchr(ipv6 ? ":.%" : "-._", c)))
                        return false;
        }
        return s.n > 0;
}

/* The URL without its trailing slashes; NULL when fine, else what is wrong with it. */
static const char *parse_url(struct str *url, struct url_parts *ret) {
        struct str http = STR("http://"), https = STR("https://"), rest;
        size_t n, colon;

        ret->https = url->n >= https.n && strncasecmp(url->p, https.p, https.n) == 0;
        if (!ret->https && (url->n < http.n || strncasecmp(url->p, http.p, http.n) != 0))
                return "it begins with neither http:// nor https://";
        for (size_t i = 0; i < url->n; i++)
                if ((unsigned char)url->p[i] <= ' ' || (unsigned char)url->p[i] >= 0x7F || url->p[i] == '?' ||
                    url->p[i] == '#')
                        return "it may have a host, a port and a path, and no spaces";
        rest = str_skip(*url, ret->https ? https.n : http.n);
        for (n = 0; n < rest.n && rest.p[n] != '/';)
                n++;
        while (url->n > 0 && url->p[url->n - 1] == '/')
                url->n--;
        rest.n = n;
        for (colon = rest.n; colon > 0 && rest.p[colon - 1] != ':' && rest.p[colon - 1] != ']';)
                colon--;
        ret->host = rest;
        ret->port = STR_NULL;
        if (colon > 0 && rest.p[colon - 1] == ':') {
                ret->host.n = colon - 1;
                ret->port = str_skip(rest, colon);
                if (!is_port(ret->port))
                        return "its port is not a number from 1 to 65535";
        }
        return is_host(ret->host) ? NULL : "its host name is missing or malformed";
}

static bool is_default_port(const struct url_parts *u) {
        return u->port.n == 0 || str_eq(u->port, u->https ? STR("443") : STR("80"));
}

static int use_custom(struct str url, struct aws_endpoint *ret, struct url_parts *parts, struct error *reterr) {
        struct str given = url;
        const char *wrong = parse_url(&url, parts);

        if (!wrong && (url.n >= sizeof(ret->url) || parts->host.n + parts->port.n + 2 > sizeof(ret->host)))
                wrong = "it is too long";
        if (wrong)
                return error_set(reterr, ERR_INPUT, "endpoint URL \"%.*s\": %s", (int)MIN(given.n, 128u), given.p,
                                 wrong);
        memcpy(ret->url, url.p, url.n);
        ret->url[url.n] = 0;
        snprintf(ret->host, sizeof(ret->host), "%.*s%s%.*s", (int)parts->host.n, parts->host.p,
                 is_default_port(parts) ? "" : ":", is_default_port(parts) ? 0 : (int)parts->port.n, parts->port.p);
        ret->custom = true;
        return 0;
}

/* A host of AWS itself, such as an interface endpoint. */
static bool is_aws_host(struct str host) {
        for (size_t i = 0; i < ARRAY_LEN(partitions); i++)
                if (str_ends(host, str_of(partitions[i].suffix)) || str_ends(host, str_of(partitions[i].dual_suffix)))
                        return true;
        return false;
}

static struct str override_of(const struct aws_settings *s, enum aws_service_id service) {
        struct str url = s->endpoint_url;
        struct url_parts parts;

        if (s->endpoint_url.n > 0 && service == AWS_DYNAMODB)
                return s->endpoint_url;
        if (s->endpoint_urls[service].n == 0 && service == AWS_DYNAMODB_STREAMS && url.n > 0 &&
            !parse_url(&url, &parts) && !is_aws_host(parts.host))
                return s->endpoint_url;
        return s->endpoint_urls[service];
}

static int resolve_custom(const struct aws_settings *s, enum aws_service_id service, struct str url,
                          struct aws_endpoint *ret, struct error *reterr) {
        struct url_parts parts;
        char twin[300];
        int r;

        if (s->use_fips || s->use_dualstack)
                return error_set(reterr, ERR_INPUT, "%s cannot be used together with an endpoint URL (\"%.*s\")",
                                 s->use_fips ? "FIPS" : "dual-stack", (int)MIN(url.n, 128u), url.p);
        r = use_custom(url, ret, &parts, reterr);
        if (r)
                return r;
        if (service == AWS_DYNAMODB &&
            expand(hosts[AWS_DYNAMODB][DUAL], partition_of(s->region), s->region, STR(""), twin, sizeof(twin)) &&
            strcasecmp(twin, ret->host) == 0)
                return error_set(reterr, ERR_INPUT,
                                 "endpoint URL \"%s\" is the dual-stack endpoint: use the dual-stack setting instead",
                                 ret->url);
        return 0;
}

/* Services of AWS. */

/* Whether the account is to be in the host name. */
static int choose_account(const struct aws_settings *s, enum partition_id partition, struct str account, bool *ret,
                          struct error *reterr) {
        const char *why = NULL;

        *ret = false;
        if (s->account_mode == AWS_ACCOUNT_DISABLED)
                return 0;
        if (partition != P_AWS)
                why = "this partition has no such endpoints";
        else if (s->use_fips)
                why = "they do not go together with FIPS";
        else if (account.n == 0)
                why = "the credentials do not tell the account: set AWS_ACCOUNT_ID or aws_account_id";
        else if (!is_label(account))
                why = "the account id is malformed";
        *ret = !why;
        if (why && s->account_mode == AWS_ACCOUNT_REQUIRED)
                return error_set(reterr, ERR_INPUT,
                                 "account-based endpoints are required (account_id_endpoint_mode), but %s", why);
        return 0;
}

static int resolve_regional(const struct aws_settings *s, enum aws_service_id service, struct str account,
                            struct aws_endpoint *ret, struct error *reterr) {
        enum variant variant = (enum variant)((s->use_fips ? FIPS : 0) | (s->use_dualstack ? DUAL : 0));
        enum partition_id partition = partition_of(s->region);
        const char *template = host_template(service, partition, variant);
        bool by_account = false;
        int r = 0;

        if (!template)
                return error_set(reterr, ERR_INPUT, "%s has no FIPS endpoint in region %s", aws_services[service].name,
                                 ret->signing_region);
        if (service == AWS_DYNAMODB)
                r = choose_account(s, partition, account, &by_account, reterr);
        if (r)
                return r;
        if (by_account)
                template = account_hosts[variant];
        if (!expand(template, partition, s->region, account, ret->host, sizeof(ret->host)))
                return error_set(reterr, ERR_INPUT, "the endpoint's host name is too long");
        snprintf(ret->url, sizeof(ret->url), "https://%s", ret->host);
        return 0;
}

/* Region "local" is DynamoDB Local on its usual port; nothing else is there. */
static int resolve_local(enum aws_service_id service, struct aws_endpoint *ret, struct error *reterr) {
        if (service != AWS_DYNAMODB && service != AWS_DYNAMODB_STREAMS)
                return error_set(reterr, ERR_INPUT, "region \"local\" has no %s: set %s", aws_services[service].name,
                                 aws_services[service].env);
        snprintf(ret->host, sizeof(ret->host), "localhost:8000");
        snprintf(ret->url, sizeof(ret->url), "http://%s", ret->host);
        snprintf(ret->signing_region, sizeof(ret->signing_region), "us-east-1");
        return 0;
}

static int check_region(const struct aws_settings *s, struct error *reterr) {
        if (s->region.n == 0)
                return error_set(
                        reterr, ERR_INPUT,
                        "no region is configured: use -o region=NAME, set AWS_REGION, or run: aws configure set "
                        "region NAME --profile %s",
                        s->profile.n > 0 ? s->profile.p : "default");
        if (!is_label(s->region))
                return error_set(reterr, ERR_INPUT, "\"%.*s\" is not the name of a region", (int)MIN(s->region.n, 64u),
                                 s->region.p);
        return 0;
}

int aws_endpoint_resolve(const struct aws_settings *s, const char *service, const char *account,
                         struct aws_endpoint *ret, struct error *reterr) {
        struct aws_endpoint e = { .custom = false };
        enum aws_service_id id = AWS_DYNAMODB;
        struct str url;
        int r;

        while (id < _AWS_SERVICE_N && strcmp(aws_services[id].name, service) != 0)
                id++;
        if (id == _AWS_SERVICE_N)
                return error_set(reterr, ERR_INPUT, "no such service: %s", service);
        r = check_region(s, reterr);
        if (r)
                return r;
        e.signing_name = aws_services[id].signing_name;
        memcpy(e.signing_region, s->region.p, s->region.n);
        url = override_of(s, id);
        if (url.n > 0)
                r = resolve_custom(s, id, url, &e, reterr);
        else if (str_eq(s->region, STR("local")))
                r = resolve_local(id, &e, reterr);
        else
                r = resolve_regional(s, id, str_of(account), &e, reterr);
        if (!r)
                *ret = e;
        return r;
}
