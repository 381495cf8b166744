/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Credentials and their providers.  A provider answers with a reference-counted, immutable set of
 * credentials; caching and refreshing are providers that wrap providers (cred_cached.c, cred_chain.c).
 * Secrets are wiped when freed and never printed: no log function takes a struct credentials.
 *
 * A new source is one file cred_<name>.c with its struct and its ops, one line here, and one line in the
 * table of cred_default.c.
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

/* The raw material of a source, before it is known to be good. */
struct credentials_text {
        struct str id, secret, token, account;
        int64_t expires_s;
        const char *source; /* static text */
};
/* credentials_new() for text from outside: a missing half of the pair and characters that cannot stand in a
 * header are -errno with one clear line, which names `from` ("environment", "profile 'x'") and no secret. */
_must_check_ int credentials_make(const struct credentials_text *t, const char *from, struct credentials **ret,
                                  struct error *reterr);

struct cred_provider;
enum { _CRED_E_SUCCESS, CRED_E_NONE }; /* CRED_E_NONE: this source is not configured, ask the next */

struct cred_provider_ops {
        const char *name; /* for "tried: environment, profile default, ..." */
        /* 0, CRED_E_NONE (reterr->message may say why), or -errno: configured but failed; stop here.
         * May be called by several threads at once. */
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
_must_check_ int cred_env_new(struct cred_provider **ret); /* reads the environment at each get() */
_must_check_ int cred_profile_new(struct profiles *files /* ref taken */, const char *profile,
                                  struct cred_provider **ret);
/* Ask each in turn; takes the providers over (also on failure).  When none has any: -EACCES and one line
 * that names all that was tried and what to do. */
_must_check_ int cred_chain_new(struct cred_provider **providers, unsigned n, struct cred_provider **ret);
/*
 * Keep the answer; takes p over (also on failure).  One fetch for many waiters, no lock held over it.  From
 * refresh_before_s before it expires one thread fetches anew while the others go on with the old one; when
 * that fails, the old one serves until it has expired.  A waiter stops waiting when its op_ctx says so.
 */
_must_check_ int cred_cached_new(struct cred_provider *p, int64_t refresh_before_s, struct cred_provider **ret);

struct aws_settings; /* aws/settings.h */
/*
 * The default chain: options, environment, profile (both files); cached.  A profile chosen by option takes
 * the environment out.  0 or -errno; whether there are any credentials shows at the first get().
 */
_must_check_ int cred_default_new(const struct aws_settings *s, struct cred_provider **ret, struct error *reterr);
