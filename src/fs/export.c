/* SPDX-License-Identifier: Apache-2.0 */
#include "fs_internal.h"
int export_open(struct fs *fs, struct op_ctx *ctx, struct node *n, struct fs_opened *ret, struct error *e) {
        (void)fs; (void)ctx; (void)n; (void)ret;
        return error_set(e, ERR_UNSUPPORTED, "not yet");
}
