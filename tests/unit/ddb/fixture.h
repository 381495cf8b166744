/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Tables and values the tests of ddb/ share.  Everything is static: nothing to free. */
#include <check.h>

#include "ddbfs/store/store.h"

#define V_S(s)                                                            \
        {                                                                 \
                .type = VALUE_S, .text = {.p = "" s, .n = sizeof(s) - 1 } \
        }
#define V_N(s)                                                            \
        {                                                                 \
                .type = VALUE_N, .text = {.p = "" s, .n = sizeof(s) - 1 } \
        }
#define V_B(s)                                                            \
        {                                                                 \
                .type = VALUE_B, .text = {.p = "" s, .n = sizeof(s) - 1 } \
        }
#define T(s) \
        { .p = "" s, .n = sizeof(s) - 1 }
#define P_S(s) \
        { .type = VALUE_S, .text = T(s) }
#define P_N(s) \
        { .type = VALUE_N, .text = T(s) }
#define P_B(s) \
        { .type = VALUE_B, .text = T(s) }

static struct index_schema music_indexes[] = {
        {
                .name = T("by-label"),
                .global = true,
                .active = true,
                .key = { .n_hash = 2,
                         .n_range = 2,
                         .attrs = { { T("label"), VALUE_S },
                                    { T("country"), VALUE_S },
                                    { T("year"), VALUE_N },
                                    { T("title"), VALUE_S } } },
        },
};

static struct table_schema music _unused_ = {
        .name = T("Music"),
        .key = { .n_hash = 1, .n_range = 1, .attrs = { { T("artist"), VALUE_S }, { T("song"), VALUE_S } } },
        .n_indexes = 1,
        .indexes = music_indexes,
};

static struct table_schema users _unused_ = {
        .name = T("Users"),
        .key = { .n_hash = 1, .attrs = { { T("id"), VALUE_N } } },
};

static struct table_schema blobs _unused_ = {
        .name = T("Blobs"),
        .address = T("arn:aws:dynamodb:eu-west-1:1:table/Blobs"),
        .key = { .n_hash = 1, .n_range = 1, .attrs = { { T("h"), VALUE_B }, { T("r"), VALUE_N } } },
};

static inline bool bytes_equal(struct str a, const char *b) {
        return str_eq(a, str_of(b));
}

static inline void check_text(struct buf *got, const char *want) {
        struct str view = buf_view(got);

        ck_assert_int_eq(buf_status(got), 0);
        if (!bytes_equal(view, want))
                ck_abort_msg("got  %.*s\nwant %s", (int)view.n, view.p, want);
}
