/* SPDX-License-Identifier: Apache-2.0 */
/* Asks each provider in turn; the first that has credentials, or fails, ends the search. */
#include "ddbfs/aws/credentials.h"

#include <errno.h>
#include "ddbfs/base/buf.h"

#define TRIED_MAX (8 * KIB)

struct cred_chain {
        struct cred_provider base;
        unsigned n;
        struct cred_provider *providers[]; /* owned */
};

/* What a provider without credentials said, added to the list of all that was tried. */
static void add_reason(struct buf *list, const struct cred_provider *p, const struct error *why) {
        buf_printf(list, "%s%s%s%s", list->n > 0 ? "; " : "", p->ops->name, why->message[0] ? ": " : "", why->message);
}

static int chain_get(struct cred_provider *base, struct op_ctx *ctx, struct credentials **ret, struct error *reterr) {
        struct cred_chain *c = CONTAINER_OF(base, struct cred_chain, base);
        _cleanup_(buf_deinit) struct buf tried = BUF_INIT(TRIED_MAX);

        for (unsigned i = 0; i < c->n; i++) {
                struct error why = { .kind = ERR_NONE };
                int r = c->providers[i]->ops->get(c->providers[i], ctx, ret, &why);

                if (r < 0 && reterr)
                        *reterr = why;
                if (r != CRED_E_NONE)
                        return r;
                add_reason(&tried, c->providers[i], &why);
        }
        return error_set(
                reterr, ERR_ACCESS,
                "no credentials found; run \"aws configure\", or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY "
                "(tried %s)",
                tried.n > 0 ? tried.p : "nothing");
}

static void chain_refused(struct cred_provider *base, const struct credentials *credentials) {
        struct cred_chain *c = CONTAINER_OF(base, struct cred_chain, base);

        for (unsigned i = 0; i < c->n; i++)
                if (c->providers[i]->ops->refused)
                        c->providers[i]->ops->refused(c->providers[i], credentials);
}

static void chain_free(struct cred_provider *base) {
        struct cred_chain *c = CONTAINER_OF(base, struct cred_chain, base);

        for (unsigned i = 0; i < c->n; i++)
                cred_provider_free(c->providers[i]);
        mem_free(c);
}

static const struct cred_provider_ops chain_ops = {
        .name = "chain",
        .get = chain_get,
        .refused = chain_refused,
        .free = chain_free,
};

int cred_chain_new(struct cred_provider **providers, unsigned n, struct cred_provider **ret) {
        struct cred_chain *c = mem_zalloc(sizeof(*c) + n * sizeof(c->providers[0]));

        if (!c) {
                for (unsigned i = 0; i < n; i++)
                        cred_provider_free(providers[i]);
                return -ENOMEM;
        }
        c->base.ops = &chain_ops;
        c->n = n;
        for (unsigned i = 0; i < n; i++)
                c->providers[i] = providers[i];
        *ret = &c->base;
        return 0;
}
