/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The option table and the text form of its values.  Private to the config_*.c files and their tests.
 */
#include "ddbfs/app/config.h"

enum option_type { OPTION_BOOL, OPTION_INT, OPTION_OCTAL, OPTION_SIZE, OPTION_TIME, OPTION_ENUM, OPTION_STRING };
enum option_group { GROUP_RUN, GROUP_ACCESS, GROUP_ACCOUNT, GROUP_LIMITS, GROUP_DATA, GROUP_S3, _GROUP_N };

enum {
        OPTION_FOREVER = 1,      /* a time that may be "forever" */
        OPTION_SECRET = 2,       /* never shown */
        OPTION_ACTION = 4,       /* on the command line only: neither in -o nor in the environment */
        OPTION_PATH = 8,         /* a string, made absolute */
};

/* Numbers live in a uint64_t (an enum as the index of its name), strings in a char * that is owned. */
struct config_option {
        const char *name;
        char short_name;            /* 0: none */
        enum option_type type;
        enum option_group group;
        unsigned flags;
        size_t offset;              /* in struct config */
        const char *by_default;     /* text as the user would write it; NULL: unset */
        const char *unset;          /* what that means, for the help; NULL: nothing to say */
        const char *const *names;   /* OPTION_ENUM: NULL-terminated */
        uint64_t min, max;          /* of a number */
        const char *argument;       /* FILE, TIME, ...; NULL for a bool */
        const char *help;
};

extern const struct config_option config_options[];
extern const size_t n_config_options;
extern const char *const config_groups[_GROUP_N];

#define OPTION_ENV_LEN 64
/* DDBFS_CACHE_TTL; "" when the option has none. */
void option_env_name(const struct config_option *o, char out[OPTION_ENV_LEN]);

/* The name with its words joined by '-' or '_'. */
void option_shown_name(const struct config_option *o, char joint, char out[OPTION_ENV_LEN]);

/* Parse value into base + offset; text NULL on a bool means true.  `shown` begins the message: "option
 * cache_ttl".  -EINVAL with reterr, or -ENOMEM. */
_must_check_ int option_set(const struct config_option *o, void *base, const char *value, const char *shown,
                            struct error *reterr);
/* The value as option_set() takes it, without quotes.  An unset one renders as nothing. */
void option_render_text(const struct config_option *o, const void *base, struct buf *out);
/* The value as JSON. */
void option_render_json(const struct config_option *o, const void *base, struct buf *out);
bool option_is_unset(const struct config_option *o, const void *base);

/* Names compare with '-' and '_' alike. */
bool option_name_eq(struct str a, struct str b);
/* Insertions, deletions, replacements and swaps of neighbours from a to b; at most OPTION_DISTANCE_MAX. */
#define OPTION_DISTANCE_MAX 32
unsigned option_distance(struct str a, struct str b);
