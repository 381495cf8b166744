/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the user asked for: one table of options (config_table.c), filled from the defaults, the
 * environment (DDBFS_<NAME>) and the command line, the later winning.  Immutable once loaded.
 * Access keys are never options: an argument is visible to everyone in ps.
 */
#include "ddbfs/base/buf.h"
#include "ddbfs/base/error.h"

#define CONFIG_UNSET UINT64_MAX /* of a number without a default */
#define CONFIG_FOREVER UINT64_MAX
#define CONFIG_VALUE_MAX (64 * KIB) /* bytes of one value */

struct config {
        bool help, version, print_config;
        /* how it runs */
        bool foreground, debug, syslog, auto_unmount;
        uint64_t log_level; /* enum log_level */
        char *state_dir;    /* absolute; NULL: $XDG_STATE_HOME/ddbfs */
        char *local;        /* absolute path of the local engine's file */
        /* who may come in */
        bool read_only, allow_other, allow_root;
        uint64_t uid, gid, umask;
        /* the account */
        char *profile, *region, *endpoint_url, *ca_bundle;
        bool fips, dualstack;
        uint64_t max_attempts; /* CONFIG_UNSET: the service's default */
        /* S3, for large attributes */
        char *s3_region, *s3_endpoint_url, *s3_kms_key, *s3_bucket_owner;
        uint64_t s3_addressing; /* enum s3_addressing */
        uint64_t s3_sse;        /* enum s3_sse */
        bool s3_checksums;
        /* limits */
        uint64_t op_timeout, connect_timeout, request_timeout; /* ns */
        uint64_t max_connections, max_threads;
        uint64_t max_rcu, max_wcu; /* units a second; 0: no limit */
        /* reading and writing */
        uint64_t cache_ttl, schema_ttl;               /* ns; CONFIG_FOREVER */
        uint64_t cache_size, spool_max, rejected_max; /* bytes */
        bool consistent, compact, strict_keys, xattr, readahead;
        uint64_t format; /* enum item_format */
        uint64_t write;  /* enum fs_write_mode */
        uint64_t commit; /* 0: close, 1: batch */
        uint64_t show;   /* enum fs_show */
        uint64_t grace;  /* ns */
        /* large attributes */
        char *s3_bucket;      /* names separated by ':' or ','; NULL: none */
        char *s3_prefix;
        uint64_t s3_threshold, inline_max; /* bytes */
        uint64_t s3_grace;    /* ns */
        /* positional */
        char *tables;         /* NULL: all */
        char *mountpoint;     /* as given */
        struct buf kernel;    /* generic mount options to hand on, comma separated */
};

/*
 * Defaults, environment, command line, cross checks.  -EINVAL with one line in reterr for the user's
 * mistakes (exit status 2).  The config is initialised here and must be deinitialised on failure too.
 */
_must_check_ int config_load(struct config *c, int argc, char **argv, struct error *reterr);
void config_deinit(struct config *c);

/* --help, --print-config (one JSON object, final newline; secrets as "***"). */
_must_check_ int config_render_help(struct buf *out);
_must_check_ int config_render_json(const struct config *c, struct buf *out);
/* Does only the caller get in, and own everything with all rights? */
bool config_is_owner_only(const struct config *c);
/* The mount options of the kernel and libfuse: "ro,allow_other,noatime". */
_must_check_ int config_render_mount_options(const struct config *c, bool can_auto_unmount, struct buf *out);
