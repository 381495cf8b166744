/* SPDX-License-Identifier: Apache-2.0 */
/* The default chain, as a table: the order of the sources, and when each is asked. */
#include "ddbfs/aws/credentials.h"

#include "ddbfs/aws/settings.h"

#define REFRESH_BEFORE_S 300

static bool has_options(const struct aws_settings *s) {
        return s->access_key_id.n > 0 || s->secret_access_key.n > 0;
}

static int make_options(const struct aws_settings *s, struct cred_provider **ret) {
        return cred_static_new(s->access_key_id, s->secret_access_key, s->session_token, ret);
}

static bool wants_environment(const struct aws_settings *s) {
        return !s->profile_option;
}

static int make_environment(const struct aws_settings *s, struct cred_provider **ret) {
        (void)s;
        return cred_env_new(ret);
}

static bool always(const struct aws_settings *s) {
        (void)s;
        return true;
}

static int make_profile(const struct aws_settings *s, struct cred_provider **ret) {
        return cred_profile_new(s->profiles, s->profile.p, ret);
}

static const struct {
        bool (*wanted)(const struct aws_settings *s);
        int (*make)(const struct aws_settings *s, struct cred_provider **ret);
} sources[] = {
        { has_options, make_options },
        { wants_environment, make_environment },
        { always, make_profile },
};

/* Options are checked now, while there is a person to tell. */
static int check_options(const struct aws_settings *s, struct error *reterr) {
        struct credentials_text t = {
                .id = s->access_key_id,
                .secret = s->secret_access_key,
                .token = s->session_token,
                .expires_s = INT64_MAX,
        };
        struct credentials *c = NULL;
        int r = has_options(s) ? credentials_make(&t, "command line", &c, reterr) : 0;

        credentials_unref(c);
        return r;
}

int cred_default_new(const struct aws_settings *s, struct cred_provider **ret, struct error *reterr) {
        struct cred_provider *providers[ARRAY_LEN(sources)], *chain = NULL;
        unsigned n = 0;
        int r;

        r = check_options(s, reterr);
        if (r)
                return r;
        for (size_t i = 0; !r && i < ARRAY_LEN(sources); i++)
                if (sources[i].wanted(s)) {
                        r = sources[i].make(s, &providers[n]);
                        n += !r;
                }
        if (r)
                while (n > 0)
                        cred_provider_free(providers[--n]);
        else
                r = cred_chain_new(providers, n, &chain);
        if (!r)
                r = cred_cached_new(chain, REFRESH_BEFORE_S, ret);
        return r ? error_set(reterr, ERR_MEMORY, "out of memory") : 0;
}
