/* SPDX-License-Identifier: Apache-2.0 */
#include "fs_internal.h"
size_t info_count(void) { return 0; }
struct str info_name(size_t i) { (void)i; return STR_NULL; }
int info_open(struct fs *fs, struct op_ctx *ctx, struct node *n, struct fs_opened *ret, struct error *e) {
        (void)fs; (void)ctx; (void)n; (void)ret;
        return error_set(e, ERR_UNSUPPORTED, "not yet");
}
int info_attr(struct fs *fs, struct op_ctx *ctx, struct node *n, struct fs_attr *ret, struct error *e) {
        (void)fs; (void)ctx; (void)n; (void)ret;
        return error_set(e, ERR_UNSUPPORTED, "not yet");
}
