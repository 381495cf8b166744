/* SPDX-License-Identifier: Apache-2.0 */
/* Credentials of the environment.  A variable that is set but blank counts as unset. */
#include "ddbfs/aws/credentials.h"

#include <errno.h>
#include "ddbfs/base/alloc.h"
#include "ddbfs/base/clock.h"

static struct str variable(const char *name) {
        struct str s = str_of(getenv(name));

        while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t'))
                s = str_skip(s, 1);
        while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
                s.n--;
        return s;
}

static int env_get(struct cred_provider *p, struct op_ctx *ctx, struct credentials **ret, struct error *reterr) {
        struct credentials_text t = {
                .id = variable("AWS_ACCESS_KEY_ID"),
                .secret = variable("AWS_SECRET_ACCESS_KEY"),
                .token = variable("AWS_SESSION_TOKEN"),
                .account = variable("AWS_ACCOUNT_ID"),
                .expires_s = INT64_MAX,
                .source = p->ops->name,
        };
        struct str expires = variable("AWS_CREDENTIAL_EXPIRATION");

        (void)ctx;
        if (t.id.n == 0 && t.secret.n == 0) {
                error_set(reterr, ERR_ACCESS, "AWS_ACCESS_KEY_ID is not set");
                return CRED_E_NONE;
        }
        if (t.token.n == 0)
                t.token = variable("AWS_SECURITY_TOKEN"); /* its name of old */
        if (expires.n > 0 && !clock_parse_iso(expires, &t.expires_s))
                return error_set(reterr, ERR_ACCESS, "AWS_CREDENTIAL_EXPIRATION is not a time (2026-11-20T16:50:00Z)");
        return credentials_make(&t, "environment", ret, reterr);
}

static void env_free(struct cred_provider *p) {
        mem_free(p);
}

static const struct cred_provider_ops env_ops = { .name = "environment", .get = env_get, .free = env_free };

int cred_env_new(struct cred_provider **ret) {
        struct cred_provider *p = mem_zalloc(sizeof(*p));

        if (!p)
                return -ENOMEM;
        p->ops = &env_ops;
        *ret = p;
        return 0;
}
