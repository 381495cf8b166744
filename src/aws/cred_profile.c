/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Static keys of a profile, in either file.  Profiles that get their keys elsewhere (roles, SSO, login,
 * a process) are refused by name rather than passed over: silently using other credentials than the
 * profile says would be worse.
 */
#include "ddbfs/aws/credentials.h"

#include <errno.h>
#include <stdio.h>
#include "ddbfs/aws/profile.h"
#include "ddbfs/base/alloc.h"

struct cred_profile {
        struct cred_provider base;
        struct profiles *files; /* ref */
        char *profile;
};

/* Keys of other kinds of profile; the first of the table that is there is named.  Of those that beat
 * static keys the SDKs take no notice of static keys beside them. */
static const struct {
        const char *key;
        bool beats_static;
} elsewhere[] = {
        { "role_arn", true },        { "web_identity_token_file", true },
        { "sso_account_id", true },  { "sso_role_name", true },
        { "sso_session", false },    { "sso_start_url", false },
        { "login_session", false },  { "credential_process", false },
        { "source_profile", false }, { "credential_source", false },
};

static struct str value(const struct cred_profile *p, const char *key) {
        return profiles_get(p->files, SECTION_PROFILE, p->profile, key);
}

static int check_kind(const struct cred_profile *p, bool has_static, struct error *reterr) {
        for (size_t i = 0; i < ARRAY_LEN(elsewhere); i++)
                if (value(p, elsewhere[i].key).n > 0 && (elsewhere[i].beats_static || !has_static))
                        return error_set(
                                reterr, ERR_ACCESS,
                                "profile '%s' has %s: credentials of this kind are not supported yet; use a profile "
                                "with aws_access_key_id and aws_secret_access_key",
                                p->profile, elsewhere[i].key);
        return 0;
}

static int profile_get(struct cred_provider *base, struct op_ctx *ctx, struct credentials **ret, struct error *reterr) {
        struct cred_profile *p = CONTAINER_OF(base, struct cred_profile, base);
        struct credentials_text t = {
                .id = value(p, "aws_access_key_id"),
                .secret = value(p, "aws_secret_access_key"),
                .token = value(p, "aws_session_token"),
                .account = value(p, "aws_account_id"),
                .expires_s = INT64_MAX,
                .source = base->ops->name,
        };
        char from[256];
        int r;

        (void)ctx;
        r = check_kind(p, t.id.n > 0 || t.secret.n > 0, reterr);
        if (r)
                return r;
        if (t.id.n == 0 && t.secret.n == 0) {
                error_set(reterr, ERR_ACCESS, "profile '%s' %s", p->profile,
                          profiles_has(p->files, SECTION_PROFILE, p->profile) ? "has no aws_access_key_id"
                                                                              : "does not exist");
                return CRED_E_NONE;
        }
        if (t.token.n == 0)
                t.token = value(p, "aws_security_token"); /* its name of old */
        snprintf(from, sizeof(from), "profile '%s'", p->profile);
        return credentials_make(&t, from, ret, reterr);
}

static void profile_free(struct cred_provider *base) {
        struct cred_profile *p = CONTAINER_OF(base, struct cred_profile, base);

        profiles_unref(p->files);
        mem_free(p->profile);
        mem_free(p);
}

static const struct cred_provider_ops profile_ops = { .name = "profile", .get = profile_get, .free = profile_free };

int cred_profile_new(struct profiles *files, const char *profile, struct cred_provider **ret) {
        struct cred_profile *p = mem_zalloc(sizeof(*p));

        if (!p)
                return -ENOMEM;
        p->base.ops = &profile_ops;
        p->files = profiles_ref(files);
        p->profile = mem_strdup(profile);
        if (!p->profile) {
                profile_free(&p->base);
                return -ENOMEM;
        }
        *ret = &p->base;
        return 0;
}
