/* SPDX-License-Identifier: Apache-2.0 */
/* The credentials object: counted, immutable, wiped at the end. */
#include "ddbfs/aws/credentials.h"

#include <errno.h>
#include "ddbfs/base/alloc.h"

static char *free_secret(char *s) {
        return s ? mem_free_secret(s, strlen(s)) : NULL;
}

/* NULL stays NULL; *failed is set when out of memory. */
static char *dup_optional(struct str s, bool *failed) {
        char *copy = s.n > 0 ? mem_dup(s.p, s.n) : NULL;

        *failed |= s.n > 0 && !copy;
        return copy;
}

int credentials_new(struct str id, struct str secret, struct str token, struct str account, int64_t expires_s,
                    const char *source, struct credentials **ret) {
        _cleanup_(credentials_unrefp) struct credentials *c = mem_zalloc(sizeof(*c));
        bool failed = false;

        if (!c)
                return -ENOMEM;
        atomic_init(&c->refs, 1);
        c->access_key_id = mem_dup(id.n ? id.p : "", id.n);
        c->secret_access_key = mem_dup(secret.n ? secret.p : "", secret.n);
        c->session_token = dup_optional(token, &failed);
        c->account_id = dup_optional(account, &failed);
        c->expires_s = expires_s;
        c->source = source;
        if (!c->access_key_id || !c->secret_access_key || failed)
                return -ENOMEM;
        *ret = TAKE(c);
        return 0;
}

struct credentials *credentials_ref(struct credentials *c) {
        if (c)
                atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
        return c;
}

struct credentials *credentials_unref(struct credentials *c) {
        if (!c || atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) != 1)
                return NULL;
        mem_free(c->access_key_id);
        free_secret(c->secret_access_key);
        free_secret(c->session_token);
        mem_free(c->account_id);
        return mem_free(c);
}

/* Visible ASCII: all there is in keys and tokens, and all that may go into a header unchanged. */
static bool is_visible(struct str s) {
        for (size_t i = 0; i < s.n; i++)
                if (s.p[i] <= ' ' || s.p[i] >= 0x7F)
                        return false;
        return true;
}

int credentials_make(const struct credentials_text *t, const char *from, struct credentials **ret,
                     struct error *reterr) {
        const struct {
                struct str text;
                const char *name;
        } parts[] = {
                { t->id, "access key id" },
                { t->secret, "secret access key" },
                { t->token, "session token" },
                { t->account, "account id" },
        };
        int r;

        if (t->id.n == 0 || t->secret.n == 0)
                return error_set(reterr, ERR_ACCESS, "%s has %s but no %s", from,
                                 t->id.n > 0 ? parts[0].name : parts[1].name,
                                 t->id.n > 0 ? parts[1].name : parts[0].name);
        for (size_t i = 0; i < ARRAY_LEN(parts); i++)
                if (!is_visible(parts[i].text))
                        return error_set(reterr, ERR_ACCESS,
                                         "the %s of the %s holds white space or characters that cannot be "
                                         "part of one",
                                         parts[i].name, from);
        r = credentials_new(t->id, t->secret, t->token, t->account, t->expires_s, t->source, ret);
        return r ? error_set(reterr, ERR_MEMORY, "out of memory") : 0;
}

struct cred_provider *cred_provider_free(struct cred_provider *p) {
        if (p)
                p->ops->free(p);
        return NULL;
}
