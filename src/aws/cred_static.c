/* SPDX-License-Identifier: Apache-2.0 */
/* Credentials that were given: options of the command line, tests, --local. */
#include "ddbfs/aws/credentials.h"

#include <errno.h>
#include "ddbfs/base/alloc.h"

struct cred_static {
        struct cred_provider base;
        struct credentials *credentials;
};

static int static_get(struct cred_provider *base, struct op_ctx *ctx, struct credentials **ret, struct error *reterr) {
        struct cred_static *p = CONTAINER_OF(base, struct cred_static, base);

        (void)ctx;
        (void)reterr;
        *ret = credentials_ref(p->credentials);
        return 0;
}

static void static_free(struct cred_provider *base) {
        struct cred_static *p = CONTAINER_OF(base, struct cred_static, base);

        credentials_unref(p->credentials);
        mem_free(p);
}

static const struct cred_provider_ops static_ops = { .name = "options", .get = static_get, .free = static_free };

int cred_static_new(struct str id, struct str secret, struct str token, struct cred_provider **ret) {
        struct cred_static *p = mem_zalloc(sizeof(*p));
        int r;

        if (!p)
                return -ENOMEM;
        p->base.ops = &static_ops;
        r = credentials_new(id, secret, token, STR_NULL, INT64_MAX, static_ops.name, &p->credentials);
        if (r) {
                mem_free(p);
                return r;
        }
        *ret = &p->base;
        return 0;
}
