/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Credentials and their providers.  A provider answers with a reference-counted, immutable set of
 * credentials; caching and refreshing are providers that wrap providers (cred_cached.c, cred_chain.c).
 * Secrets are wiped when freed and never printed: no log function takes a struct credentials.
 */
#include <stdatomic.h>
#include "ddbfs/base/op_ctx.h"
#include "ddbfs/base/str.h"

struct credentials {
        atomic_uint refs;
        char *access_key_id;     /* owned, NUL-terminated */
        char *secret_access_key; /* wiped on free */
        char *session_token;     /* NULL: none; wiped on free */
        char *account_id;        /* NULL: unknown */
        int64_t expires_s;       /* epoch; INT64_MAX: never */
        const char *source;      /* static text naming the provider: "environment", "profile", ... */
};

/* Copies all; token and account may be empty.  0 or -ENOMEM. */
_must_check_ int credentials_new(struct str id, struct str secret, struct str token, struct str account,
                                 int64_t expires_s, const char *source, struct credentials **ret);
struct credentials *credentials_ref(struct credentials *c);
struct credentials *credentials_unref(struct credentials *c); /* NULL is fine; returns NULL */
DEFINE_CLEANUP(struct credentials, credentials_unref)

struct cred_provider;
enum { _CRED_E_SUCCESS, CRED_E_NONE }; /* CRED_E_NONE: this source is not configured, ask the next */

struct cred_provider_ops {
        const char *name; /* for "tried: environment, profile default, ..." */
        /* 0, CRED_E_NONE (reterr->message may say why), or -errno: configured but failed; stop here */
        int (*get)(struct cred_provider *, struct op_ctx *, struct credentials **ret, struct error *reterr);
        /* The service refused what get() gave (ExpiredToken...): forget it.  May be NULL. */
        void (*refused)(struct cred_provider *, const struct credentials *);
        void (*free)(struct cred_provider *);
};
struct cred_provider {
        const struct cred_provider_ops *ops;
};
struct cred_provider *cred_provider_free(struct cred_provider *p);
DEFINE_CLEANUP(struct cred_provider, cred_provider_free)

struct profiles; /* aws/profile.h */

/* Sources.  Each copies what it is given. */
_must_check_ int cred_static_new(struct str id, struct str secret, struct str token, struct cred_provider **ret);
_must_check_ int cred_env_new(struct cred_provider **ret);
_must_check_ int cred_profile_new(struct profiles *files /* ref taken */, const char *profile, struct cred_provider **ret);
/* Ask each in turn; takes the providers over (also on failure). */
_must_check_ int cred_chain_new(struct cred_provider **providers, unsigned n, struct cred_provider **ret);
/* Keep the answer until refresh_before_s before it expires; one fetch for many waiters; takes p over. */
_must_check_ int cred_cached_new(struct cred_provider *p, int64_t refresh_before_s, struct cred_provider **ret);

struct aws_settings; /* aws/settings.h */
/* The default chain: options, environment, profile (both files).  0 or -errno. */
_must_check_ int cred_default_new(const struct aws_settings *s, struct cred_provider **ret, struct error *reterr);
