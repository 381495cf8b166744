/* SPDX-License-Identifier: Apache-2.0 */
/* The sources one by one, the chain, and the default chain as a whole. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "ddbfs/aws/credentials.h"
#include "ddbfs/aws/settings.h"
#include "ddbfs/base/alloc.h"
#include "../suite.h"

static const char *const variables[] = {
        "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY",     "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN",
        "AWS_ACCOUNT_ID",    "AWS_CREDENTIAL_EXPIRATION", "AWS_PROFILE",       "AWS_DEFAULT_PROFILE",
        "AWS_REGION",        "AWS_DEFAULT_REGION",
};

static struct op_ctx ctx;

static void set_up(void) {
        for (size_t i = 0; i < ARRAY_LEN(variables); i++)
                unsetenv(variables[i]);
        setenv("AWS_CONFIG_FILE", "/dev/null", 1);
        setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null", 1);
        op_ctx_init(&ctx, "test", 0);
}

static void tear_down(void) {
        op_ctx_deinit(&ctx);
}

/* The environment from { name, value, name, value ..., NULL }. */
static void set_environment(const char *const *pairs) {
        for (; pairs[0]; pairs += 2)
                setenv(pairs[0], pairs[1], 1);
}

static void describe(const struct credentials *c, char *out, size_t size) {
        char expires[32] = "never";

        if (c->expires_s != INT64_MAX)
                snprintf(expires, sizeof(expires), "%lld", (long long)c->expires_s);
        snprintf(out, size, "%s %s %s %s %s %s", c->access_key_id, c->secret_access_key,
                 c->session_token ? c->session_token : "-", c->account_id ? c->account_id : "-", expires, c->source);
}

/* expected: describe(), or the message when result is not 0 */
static void assert_get(struct cred_provider *p, int result, const char *expected) {
        struct error error = { .message = "" };
        struct credentials *c = NULL;
        char got[512];
        int r = p->ops->get(p, &ctx, &c, &error);

        ck_assert_msg(r == result, "%d: %s", r, error.message);
        if (r == 0) {
                describe(c, got, sizeof(got));
                ck_assert_str_eq(got, expected);
        } else {
                ck_assert_ptr_null(c);
                ck_assert_str_eq(error.message, expected);
        }
        credentials_unref(c);
        c = NULL;
        ck_assert_int_eq(p->ops->get(p, &ctx, &c, NULL), result);
        credentials_unref(c);
}

START_TEST(object) {
        struct credentials *c = NULL;

        ck_assert_int_eq(credentials_new(STR("id"), STR("secret"), STR(""), STR(""), 5, "test", &c), 0);
        ck_assert_ptr_null(c->session_token);
        ck_assert_ptr_null(c->account_id);
        ck_assert_ptr_eq(credentials_ref(c), c);
        ck_assert_ptr_null(credentials_unref(c));
        ck_assert_str_eq(c->access_key_id, "id");
        ck_assert_ptr_null(credentials_unref(c));
        ck_assert_ptr_null(credentials_unref(NULL));
        ck_assert_ptr_null(credentials_ref(NULL));
        ck_assert_ptr_null(cred_provider_free(NULL));
}
END_TEST

START_TEST(given) {
        struct cred_provider *p = NULL;
        char id[] = "AKID";

        ck_assert_int_eq(cred_static_new(str_of(id), STR("secret"), STR("token"), &p), 0);
        id[0] = 'X';
        assert_get(p, 0, "AKID secret token - never options");
        cred_provider_free(p);
}
END_TEST

static const struct {
        const char *pairs[13];
        int result;
        const char *expected;
} environments[] = {
        { { NULL }, CRED_E_NONE, "AWS_ACCESS_KEY_ID is not set" },
        { { "AWS_ACCESS_KEY_ID", "", "AWS_SECRET_ACCESS_KEY", " \t" }, CRED_E_NONE, "AWS_ACCESS_KEY_ID is not set" },
        { { "AWS_ACCESS_KEY_ID", "AKID", "AWS_SECRET_ACCESS_KEY", "s/+=" }, 0, "AKID s/+= - - never environment" },
        { { "AWS_ACCESS_KEY_ID", " AKID\t", "AWS_SECRET_ACCESS_KEY", " s ", "AWS_SESSION_TOKEN", " t ",
            "AWS_ACCOUNT_ID", "123456789012" },
          0,
          "AKID s t 123456789012 never environment" },
        { { "AWS_ACCESS_KEY_ID", "AKID", "AWS_SECRET_ACCESS_KEY", "s", "AWS_SECURITY_TOKEN", "old" },
          0,
          "AKID s old - never environment" },
        { { "AWS_ACCESS_KEY_ID", "AKID", "AWS_SECRET_ACCESS_KEY", "s", "AWS_SECURITY_TOKEN", "old", "AWS_SESSION_TOKEN",
            "new" },
          0,
          "AKID s new - never environment" },
        { { "AWS_ACCESS_KEY_ID", "AKID", "AWS_SECRET_ACCESS_KEY", "s", "AWS_CREDENTIAL_EXPIRATION",
            "2015-08-30T12:36:00Z" },
          0,
          "AKID s - - 1440938160 environment" },
        { { "AWS_ACCESS_KEY_ID", "AKID" }, -EACCES, "environment has access key id but no secret access key" },
        { { "AWS_SECRET_ACCESS_KEY", "s", "AWS_ACCESS_KEY_ID", " " },
          -EACCES,
          "environment has secret access key but no access key id" },
        { { "AWS_ACCESS_KEY_ID", "AKID", "AWS_SECRET_ACCESS_KEY", "s", "AWS_CREDENTIAL_EXPIRATION", "soon" },
          -EACCES,
          "AWS_CREDENTIAL_EXPIRATION is not a time (2026-11-20T16:50:00Z)" },
        { { "AWS_ACCESS_KEY_ID", "AK ID", "AWS_SECRET_ACCESS_KEY", "s" },
          -EACCES,
          "the access key id of the environment holds white space or characters that cannot be part of one" },
        { { "AWS_ACCESS_KEY_ID", "AKID", "AWS_SECRET_ACCESS_KEY", "s", "AWS_SESSION_TOKEN", "t\r\nx-evil: 1" },
          -EACCES,
          "the session token of the environment holds white space or characters that cannot be part of one" },
};

START_TEST(environment) {
        struct cred_provider *p = NULL;

        set_environment(environments[_i].pairs);
        ck_assert_int_eq(cred_env_new(&p), 0);
        assert_get(p, environments[_i].result, environments[_i].expected);
        cred_provider_free(p);
}
END_TEST

#define NOT_YET                                                                                       \
        ": credentials of this kind are not supported yet; use a profile with aws_access_key_id and " \
        "aws_secret_access_key"

static const struct {
        const char *config, *credentials, *profile;
        int result;
        const char *expected;
} profiles[] = {
        { "", "", "default", CRED_E_NONE, "profile 'default' does not exist" },
        { "[default]\nregion = r\n", "", "default", CRED_E_NONE, "profile 'default' has no aws_access_key_id" },
        { "", "[default]\naws_access_key_id = AKID\naws_secret_access_key = s\n", "default", 0,
          "AKID s - - never profile" },
        { "[profile a]\naws_access_key_id = AKID\naws_secret_access_key = s\naws_session_token = t\naws_account_id = "
          "1\n",
          "", "a", 0, "AKID s t 1 never profile" },
        { "[default]\naws_access_key_id = CONFIG\naws_secret_access_key = c\n",
          "[default]\naws_access_key_id = AKID\naws_secret_access_key = s\naws_security_token = old\n", "default", 0,
          "AKID s old - never profile" },
        { "[profile a]\naws_account_id = 1", "[a]\naws_access_key_id = AKID\naws_secret_access_key = s", "a", 0,
          "AKID s - 1 never profile" },
        { "", "[a]\naws_access_key_id = AKID\n", "a", -EACCES,
          "profile 'a' has access key id but no secret access key" },
        { "", "[a]\naws_access_key_id =\naws_secret_access_key = s\n", "a", -EACCES,
          "profile 'a' has secret access key but no access key id" },
        { "", "[a]\naws_access_key_id = AKID\naws_secret_access_key = s\n  t\n", "a", -EACCES,
          "the secret access key of the profile 'a' holds white space or characters that cannot be part of one" },
        { "[profile a]\nrole_arn = r\nsource_profile = b\n", "", "a", -EACCES, "profile 'a' has role_arn" NOT_YET },
        { "[profile a]\nrole_arn = r\nsource_profile = a\n",
          "[a]\naws_access_key_id = AKID\naws_secret_access_key = s\n", "a", -EACCES,
          "profile 'a' has role_arn" NOT_YET },
        { "[profile a]\nweb_identity_token_file = f\n", "", "a", -EACCES,
          "profile 'a' has web_identity_token_file" NOT_YET },
        { "[profile a]\nsso_session = s\nsso_account_id = 1\nsso_role_name = r\n", "", "a", -EACCES,
          "profile 'a' has sso_account_id" NOT_YET },
        { "[profile a]\nsso_session = s\n", "", "a", -EACCES, "profile 'a' has sso_session" NOT_YET },
        { "[profile a]\nlogin_session = arn\n", "", "a", -EACCES, "profile 'a' has login_session" NOT_YET },
        { "[profile a]\ncredential_process = tool\n", "", "a", -EACCES, "profile 'a' has credential_process" NOT_YET },
        { "[profile a]\ncredential_process = tool\n", "[a]\naws_access_key_id = AKID\naws_secret_access_key = s\n", "a",
          0, "AKID s - - never profile" },
        { "[profile a]\nsource_profile = b\n", "", "a", -EACCES, "profile 'a' has source_profile" NOT_YET },
        { "[profile a]\ncredential_source = Environment\n", "", "a", -EACCES,
          "profile 'a' has credential_source" NOT_YET },
};

START_TEST(profile) {
        struct cred_provider *p = NULL;
        struct profiles *files = NULL;

        ck_assert_int_eq(profiles_parse(str_of(profiles[_i].config), str_of(profiles[_i].credentials), &files, NULL),
                         0);
        ck_assert_int_eq(cred_profile_new(files, profiles[_i].profile, &p), 0);
        profiles_unref(files);
        assert_get(p, profiles[_i].result, profiles[_i].expected);
        cred_provider_free(p);
}
END_TEST

/* A provider that answers as told, and counts. */
struct scripted {
        struct cred_provider base;
        const char *id; /* NULL: result */
        int result;
        const char *message;
        unsigned gets, refusals, *frees;
};

static int scripted_get(struct cred_provider *base, struct op_ctx *c, struct credentials **ret, struct error *reterr) {
        struct scripted *s = CONTAINER_OF(base, struct scripted, base);

        (void)c;
        s->gets++;
        if (s->id)
                return credentials_new(str_of(s->id), STR("s"), STR(""), STR(""), INT64_MAX, "test", ret);
        if (s->message)
                error_set(reterr, ERR_TIMEOUT, "%s", s->message);
        return s->result;
}

static void scripted_refused(struct cred_provider *base, const struct credentials *c) {
        struct scripted *s = CONTAINER_OF(base, struct scripted, base);

        (void)c;
        s->refusals++;
}

static void scripted_free(struct cred_provider *base) {
        ++*CONTAINER_OF(base, struct scripted, base)->frees;
}

static const struct cred_provider_ops scripted_ops = {
        .name = "scripted",
        .get = scripted_get,
        .refused = scripted_refused,
        .free = scripted_free,
};
static const struct cred_provider_ops plain_ops = { .name = "plain", .get = scripted_get, .free = scripted_free };

START_TEST(chain_asks_in_order) {
        unsigned frees = 0;
        struct scripted a = { { &plain_ops }, NULL, CRED_E_NONE, "not here", 0, 0, &frees },
                        b = { { &scripted_ops }, "B", 0, NULL, 0, 0, &frees },
                        c = { { &scripted_ops }, "C", 0, NULL, 0, 0, &frees };
        struct cred_provider *list[] = { &a.base, &b.base, &c.base }, *p = NULL;

        ck_assert_int_eq(cred_chain_new(list, 3, &p), 0);
        assert_get(p, 0, "B s - - never test"); /* gets twice */
        ck_assert_uint_eq(a.gets, 2);
        ck_assert_uint_eq(b.gets, 2);
        ck_assert_uint_eq(c.gets, 0);
        p->ops->refused(p, NULL);
        ck_assert_uint_eq(b.refusals, 1);
        cred_provider_free(p);
        ck_assert_uint_eq(frees, 3);
}
END_TEST

START_TEST(chain_stops_at_failure) {
        unsigned frees = 0;
        struct scripted a = { { &plain_ops }, NULL, -ETIMEDOUT, "no answer", 0, 0, &frees },
                        b = { { &scripted_ops }, "B", 0, NULL, 0, 0, &frees };
        struct cred_provider *list[] = { &a.base, &b.base }, *p = NULL;

        ck_assert_int_eq(cred_chain_new(list, 2, &p), 0);
        assert_get(p, -ETIMEDOUT, "no answer");
        ck_assert_uint_eq(b.gets, 0);
        cred_provider_free(p);
}
END_TEST

START_TEST(chain_names_what_was_tried) {
        unsigned frees = 0;
        char long_message[400];
        struct scripted a = { { &plain_ops }, NULL, CRED_E_NONE, "not here", 0, 0, &frees },
                        b = { { &scripted_ops }, NULL, CRED_E_NONE, NULL, 0, 0, &frees };
        struct cred_provider *list[] = { &a.base, &b.base }, *p = NULL;

        ck_assert_int_eq(cred_chain_new(list, 2, &p), 0);
        assert_get(p, -EACCES,
                   "no credentials found; run \"aws configure\", or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY "
                   "(tried plain: not here; scripted)");
        memset(long_message, 'x', sizeof(long_message) - 1);
        long_message[sizeof(long_message) - 1] = 0;
        a.message = b.message = long_message;
        ck_assert_int_eq(p->ops->get(p, &ctx, &(struct credentials *){ NULL }, NULL), -EACCES);
        cred_provider_free(p);
        p = NULL;
        ck_assert_int_eq(cred_chain_new(NULL, 0, &p), 0);
        assert_get(p, -EACCES,
                   "no credentials found; run \"aws configure\", or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY "
                   "(tried nothing)");
        cred_provider_free(p);
}
END_TEST

/* The default chain: files, environment and options together. */

static char file_path[] = "/tmp/test-credentials-XXXXXX";

static void write_credentials(void) {
        static const char text[] = "[default]\naws_access_key_id = FILE\naws_secret_access_key = f\n"
                                   "[other]\naws_access_key_id = OTHER\naws_secret_access_key = o\n[empty]\n";
        int fd;

        memset(file_path + strlen(file_path) - 6, 'X', 6);
        fd = mkstemp(file_path);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq((int)write(fd, text, sizeof(text) - 1), (int)sizeof(text) - 1);
        close(fd);
        setenv("AWS_SHARED_CREDENTIALS_FILE", file_path, 1);
}

#define ENV "AWS_ACCESS_KEY_ID", "ENV", "AWS_SECRET_ACCESS_KEY", "e"

static const struct {
        struct aws_options options;
        const char *pairs[13];
        int result;
        const char *expected;
} defaults[] = {
        { { 0 }, { NULL }, 0, "FILE f - - never profile" },
        { { 0 }, { ENV }, 0, "ENV e - - never environment" },
        { { 0 }, { "AWS_PROFILE", "other" }, 0, "OTHER o - - never profile" },
        { { 0 }, { ENV, "AWS_PROFILE", "other" }, 0, "ENV e - - never environment" },
        { { .profile = "other" }, { ENV }, 0, "OTHER o - - never profile" },
        { { .access_key_id = "OPT", .secret_access_key = "o", .session_token = "t" },
          { ENV },
          0,
          "OPT o t - never options" },
        { { .access_key_id = "OPT", .secret_access_key = "o", .profile = "other" },
          { ENV },
          0,
          "OPT o - - never options" },
        { { .profile = "empty" },
          { ENV },
          -EACCES,
          "no credentials found; run \"aws configure\", or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY "
          "(tried profile: profile 'empty' has no aws_access_key_id)" },
        { { 0 },
          { "AWS_PROFILE", "empty" },
          -EACCES,
          "no credentials found; run \"aws configure\", or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY "
          "(tried environment: AWS_ACCESS_KEY_ID is not set; profile: profile 'empty' has no aws_access_key_id)" },
        { { 0 }, { "AWS_ACCESS_KEY_ID", "ENV" }, -EACCES, "environment has access key id but no secret access key" },
};

START_TEST(default_chain) {
        struct error error = { .message = "" };
        struct aws_settings *s = NULL;
        struct cred_provider *p = NULL;

        write_credentials();
        set_environment(defaults[_i].pairs);
        ck_assert_msg(aws_settings_load(&defaults[_i].options, &s, &error) == 0, "%s", error.message);
        ck_assert_msg(cred_default_new(s, &p, &error) == 0, "%s", error.message);
        aws_settings_free(s); /* nothing of it is borrowed */
        assert_get(p, defaults[_i].result, defaults[_i].expected);
        cred_provider_free(p);
        unlink(file_path);
}
END_TEST

START_TEST(default_refuses_half_an_option) {
        struct aws_options o = { .access_key_id = "OPT" };
        struct aws_settings *s = NULL;
        struct cred_provider *p = NULL;
        struct error error;

        ck_assert_int_eq(aws_settings_load(&o, &s, NULL), 0);
        ck_assert_int_eq(cred_default_new(s, &p, &error), -EACCES);
        ck_assert_str_eq(error.message, "command line has access key id but no secret access key");
        ck_assert_ptr_null(p);
        aws_settings_free(s);
}
END_TEST

static int default_get(const struct aws_settings *s, struct credentials **ret) {
        _cleanup_(cred_provider_freep) struct cred_provider *p = NULL;
        struct error error;
        int r = cred_default_new(s, &p, &error);

        return r ? r : p->ops->get(p, &ctx, ret, &error);
}

START_TEST(out_of_memory) {
        struct aws_options o = { .access_key_id = "OPT", .secret_access_key = "o", .session_token = "t" };
        struct aws_settings *s = NULL;
        struct credentials *c = NULL;
        unsigned long n = 0;
        int r;

        for (unsigned with_options = 0; with_options < 2; with_options++) {
                set_environment((const char *const[]){ ENV, "AWS_SESSION_TOKEN", "t", "AWS_ACCOUNT_ID", "1", NULL });
                ck_assert_int_eq(aws_settings_load(with_options ? &o : &(struct aws_options){ 0 }, &s, NULL), 0);
                n = 0;
                do {
                        mem_fail_at(++n);
                        r = default_get(s, &c);
                        mem_fail_at(0);
                        ck_assert(r == 0 || r == -ENOMEM);
                        ck_assert_uint_lt(n, 100);
                } while (r);
                ck_assert_uint_gt(n, 6);
                ck_assert_str_eq(c->access_key_id, with_options ? "OPT" : "ENV");
                c = credentials_unref(c);
                s = aws_settings_free(s);
        }
}
END_TEST

int main(void) {
        Suite *s = suite_create("credentials");
        TCase *t = tcase_create("credentials");

        suite_add_tcase(s, t);
        tcase_add_checked_fixture(t, set_up, tear_down);
        tcase_add_test(t, object);
        tcase_add_test(t, given);
        tcase_add_loop_test(t, environment, 0, (int)ARRAY_LEN(environments));
        tcase_add_loop_test(t, profile, 0, (int)ARRAY_LEN(profiles));
        tcase_add_test(t, chain_asks_in_order);
        tcase_add_test(t, chain_stops_at_failure);
        tcase_add_test(t, chain_names_what_was_tried);
        tcase_add_loop_test(t, default_chain, 0, (int)ARRAY_LEN(defaults));
        tcase_add_test(t, default_refuses_half_an_option);
        tcase_add_test(t, out_of_memory);
        return suite_run(s);
}
