/* SPDX-License-Identifier: Apache-2.0 */
/* What is common to all stores of objects. */
#include "ddbfs/store/blobs.h"

#define PAGE_ARENA_MAX (16 * MIB)

void blob_page_init(struct blob_page *p) {
        *p = (struct blob_page){ .arena = ARENA_INIT(PAGE_ARENA_MAX) };
}

void blob_page_deinit(struct blob_page *p) {
        arena_deinit(&p->arena);
        blob_page_init(p);
}

struct blobs *blobs_free(struct blobs *b) {
        if (b)
                b->ops->free(b);
        return NULL;
}
