/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every option of ddbfs.  The command line, -o, the environment, --help, --print-config and the check of
 * the man page all read this table; an option is added here, in struct config and in man/ddbfs.1.scd.
 */
#include "config_internal.h"

#define OFFSET(member) offsetof(struct config, member)

static const char *const log_levels[] = { "error", "warn", "info", "debug", NULL }; /* enum log_level */
static const char *const formats[] = { "plain", "dynamodb", NULL };                 /* enum item_format */
static const char *const commits[] = { "close", "batch", NULL };                     /* fs_options.commit_batch */
static const char *const shows[] = { "listed", "tables", "all", NULL };              /* enum fs_show */
static const char *const writes[] = { "optimistic", "overwrite", NULL };            /* enum fs_write_mode */

static const char *const addressings[] = { "auto", "path", "virtual", NULL };               /* enum s3_addressing */
static const char *const encryptions[] = { "bucket", "AES256", "aws:kms", "aws:kms:dsse", NULL }; /* enum s3_sse */

#define MS_IN_NS NS_PER_MS
#define S_IN_NS NS_PER_S
#define H_IN_NS (3600 * NS_PER_S)

const char *const config_groups[_GROUP_N] = {
        [GROUP_RUN] = "Running",
        [GROUP_ACCESS] = "Access",
        [GROUP_ACCOUNT] = "Account and service",
        [GROUP_LIMITS] = "Limits",
        [GROUP_DATA] = "Reading and writing",
        [GROUP_S3] = "Large attributes",
};

const struct config_option config_options[] = {
        /* running */
        { .name = "help", .short_name = 'h', .type = OPTION_BOOL, .group = GROUP_RUN, .flags = OPTION_ACTION,
          .offset = OFFSET(help), .by_default = "false", .help = "show this text" },
        { .name = "version", .short_name = 'V', .type = OPTION_BOOL, .group = GROUP_RUN, .flags = OPTION_ACTION,
          .offset = OFFSET(version), .by_default = "false", .help = "show the version" },
        { .name = "print_config", .type = OPTION_BOOL, .group = GROUP_RUN, .flags = OPTION_ACTION,
          .offset = OFFSET(print_config), .by_default = "false", .help = "show the effective options as JSON" },
        { .name = "foreground", .short_name = 'f', .type = OPTION_BOOL, .group = GROUP_RUN,
          .offset = OFFSET(foreground), .by_default = "false", .help = "stay in the foreground, log to stderr" },
        { .name = "debug", .short_name = 'd', .type = OPTION_BOOL, .group = GROUP_RUN,
          .offset = OFFSET(debug), .by_default = "false",
          .help = "foreground, log level debug, trace of FUSE requests" },
        { .name = "log_level", .type = OPTION_ENUM, .group = GROUP_RUN, .names = log_levels,
          .offset = OFFSET(log_level), .by_default = "info", .argument = "LEVEL", .help = "what to log" },
        { .name = "syslog", .type = OPTION_BOOL, .group = GROUP_RUN, .offset = OFFSET(syslog),
          .by_default = "false", .help = "log to syslog in the foreground too" },
        { .name = "state_dir", .type = OPTION_STRING, .group = GROUP_RUN, .flags = OPTION_PATH,
          .offset = OFFSET(state_dir), .unset = "$XDG_STATE_HOME/ddbfs", .argument = "FOLDER",
          .help = "where scratch files and rejected saves are kept" },
        { .name = "auto_unmount", .type = OPTION_BOOL, .group = GROUP_RUN, .offset = OFFSET(auto_unmount),
          .by_default = "true", .help = "unmount even when ddbfs is killed" },
        /* access */
        { .name = "ro", .type = OPTION_BOOL, .group = GROUP_ACCESS, .offset = OFFSET(read_only),
          .by_default = "false", .help = "read-only" },
        { .name = "allow_other", .type = OPTION_BOOL, .group = GROUP_ACCESS, .offset = OFFSET(allow_other),
          .by_default = "false", .help = "let other users in" },
        { .name = "allow_root", .type = OPTION_BOOL, .group = GROUP_ACCESS, .offset = OFFSET(allow_root),
          .by_default = "false", .help = "let root in" },
        { .name = "uid", .type = OPTION_INT, .group = GROUP_ACCESS, .offset = OFFSET(uid), .unset = "the caller's",
          .max = UINT32_MAX - 1, .argument = "UID", .help = "owner of all files" },
        { .name = "gid", .type = OPTION_INT, .group = GROUP_ACCESS, .offset = OFFSET(gid), .unset = "the caller's",
          .max = UINT32_MAX - 1, .argument = "GID", .help = "group of all files" },
        { .name = "umask", .type = OPTION_OCTAL, .group = GROUP_ACCESS, .offset = OFFSET(umask),
          .unset = "the caller's", .max = 0777, .argument = "MASK", .help = "permission bits to take away" },
        /* account */
        { .name = "profile", .type = OPTION_STRING, .group = GROUP_ACCOUNT, .offset = OFFSET(profile),
          .unset = "as AWS_PROFILE", .argument = "NAME", .help = "profile of ~/.aws/config and ~/.aws/credentials" },
        { .name = "region", .type = OPTION_STRING, .group = GROUP_ACCOUNT, .offset = OFFSET(region),
          .unset = "as AWS_REGION", .argument = "REGION", .help = "region of the tables" },
        { .name = "endpoint_url", .type = OPTION_STRING, .group = GROUP_ACCOUNT, .offset = OFFSET(endpoint_url),
          .unset = "AWS's", .argument = "URL", .help = "another DynamoDB-compatible service" },
        { .name = "fips", .type = OPTION_BOOL, .group = GROUP_ACCOUNT, .offset = OFFSET(fips),
          .by_default = "false", .help = "use FIPS endpoints" },
        { .name = "dualstack", .type = OPTION_BOOL, .group = GROUP_ACCOUNT, .offset = OFFSET(dualstack),
          .by_default = "false", .help = "use IPv4 and IPv6 endpoints" },
        { .name = "ca_bundle", .type = OPTION_STRING, .group = GROUP_ACCOUNT, .flags = OPTION_PATH,
          .offset = OFFSET(ca_bundle), .unset = "the system's", .argument = "FILE",
          .help = "certificate authorities to trust" },
        { .name = "local", .type = OPTION_STRING, .group = GROUP_ACCOUNT, .flags = OPTION_PATH,
          .offset = OFFSET(local), .argument = "FILE", .help = "serve FILE by a local engine; needs no account" },
        { .name = "s3_region", .type = OPTION_STRING, .group = GROUP_ACCOUNT, .offset = OFFSET(s3_region),
          .unset = "the tables'", .argument = "REGION", .help = "region of the bucket" },
        { .name = "s3_endpoint_url", .type = OPTION_STRING, .group = GROUP_ACCOUNT, .offset = OFFSET(s3_endpoint_url),
          .unset = "AWS's", .argument = "URL", .help = "another S3-compatible service" },
        { .name = "s3_addressing", .type = OPTION_ENUM, .group = GROUP_ACCOUNT, .names = addressings,
          .offset = OFFSET(s3_addressing), .by_default = "auto", .argument = "STYLE",
          .help = "where the bucket's name goes: path or host" },
        { .name = "s3_sse", .type = OPTION_ENUM, .group = GROUP_ACCOUNT, .names = encryptions,
          .offset = OFFSET(s3_sse), .by_default = "bucket", .argument = "KIND",
          .help = "encryption of new objects" },
        { .name = "s3_kms_key", .type = OPTION_STRING, .group = GROUP_ACCOUNT, .offset = OFFSET(s3_kms_key),
          .unset = "the account's", .argument = "KEY", .help = "KMS key for them" },
        { .name = "s3_bucket_owner", .type = OPTION_STRING, .group = GROUP_ACCOUNT, .offset = OFFSET(s3_bucket_owner),
          .unset = "anybody", .argument = "ACCOUNT", .help = "refuse a bucket of another account" },
        { .name = "s3_checksums", .type = OPTION_BOOL, .group = GROUP_ACCOUNT, .offset = OFFSET(s3_checksums),
          .by_default = "true", .help = "send x-amz-checksum-sha256" },
        /* limits */
        { .name = "op_timeout", .type = OPTION_TIME, .group = GROUP_LIMITS, .offset = OFFSET(op_timeout),
          .by_default = "1m", .min = 100 * MS_IN_NS, .max = H_IN_NS, .argument = "TIME",
          .help = "longest time of one file operation, retries included" },
        { .name = "request_timeout", .type = OPTION_TIME, .group = GROUP_LIMITS, .offset = OFFSET(request_timeout),
          .by_default = "30s", .min = 100 * MS_IN_NS, .max = H_IN_NS, .argument = "TIME",
          .help = "longest time of one request" },
        { .name = "connect_timeout", .type = OPTION_TIME, .group = GROUP_LIMITS, .offset = OFFSET(connect_timeout),
          .by_default = "5s", .min = 10 * MS_IN_NS, .max = H_IN_NS, .argument = "TIME",
          .help = "longest time to connect" },
        { .name = "max_attempts", .type = OPTION_INT, .group = GROUP_LIMITS, .offset = OFFSET(max_attempts),
          .unset = "as AWS_MAX_ATTEMPTS", .min = 1, .max = 100, .argument = "N",
          .help = "attempts of one request, the first included" },
        { .name = "max_connections", .type = OPTION_INT, .group = GROUP_LIMITS, .offset = OFFSET(max_connections),
          .by_default = "64", .min = 1, .max = 1024, .argument = "N", .help = "connections to the service" },
        { .name = "max_rcu", .type = OPTION_INT, .group = GROUP_LIMITS, .offset = OFFSET(max_rcu), .by_default = "0",
          .max = 100000000, .argument = "N", .help = "read units a second to keep to; 0: no limit" },
        { .name = "max_wcu", .type = OPTION_INT, .group = GROUP_LIMITS, .offset = OFFSET(max_wcu), .by_default = "0",
          .max = 100000000, .argument = "N", .help = "write units a second to keep to; 0: no limit" },
        { .name = "max_threads", .type = OPTION_INT, .group = GROUP_LIMITS, .offset = OFFSET(max_threads),
          .by_default = "64", .min = 1, .max = 1024, .argument = "N", .help = "file operations at once" },
        { .name = "cache_size", .type = OPTION_SIZE, .group = GROUP_LIMITS, .offset = OFFSET(cache_size),
          .by_default = "64M", .min = 1 * MIB, .max = 1024 * GIB, .argument = "SIZE", .help = "memory for caches" },
        { .name = "spool_max", .type = OPTION_SIZE, .group = GROUP_LIMITS, .offset = OFFSET(spool_max),
          .by_default = "1G", .min = 1 * MIB, .max = 1024 * GIB, .argument = "SIZE",
          .help = "disk space for scratch files" },
        { .name = "rejected_max", .type = OPTION_SIZE, .group = GROUP_LIMITS, .offset = OFFSET(rejected_max),
          .by_default = "64M", .min = 1 * MIB, .max = 1024 * GIB, .argument = "SIZE",
          .help = "disk space for rejected saves; the oldest leave first" },
        /* data */
        { .name = "cache_ttl", .type = OPTION_TIME, .group = GROUP_DATA, .flags = OPTION_FOREVER,
          .offset = OFFSET(cache_ttl), .by_default = "1s", .max = 24 * 366 * H_IN_NS, .argument = "TIME",
          .help = "how old a cached answer may be; 0 always asks" },
        { .name = "schema_ttl", .type = OPTION_TIME, .group = GROUP_DATA, .flags = OPTION_FOREVER,
          .offset = OFFSET(schema_ttl), .by_default = "1m", .max = 24 * 366 * H_IN_NS, .argument = "TIME",
          .help = "the same for the definitions of tables" },
        { .name = "consistent", .type = OPTION_BOOL, .group = GROUP_DATA, .offset = OFFSET(consistent),
          .by_default = "false", .help = "strongly consistent reads only" },
        { .name = "format", .type = OPTION_ENUM, .group = GROUP_DATA, .names = formats, .offset = OFFSET(format),
          .by_default = "plain", .argument = "FORMAT", .help = "JSON of the items" },
        { .name = "compact", .type = OPTION_BOOL, .group = GROUP_DATA, .offset = OFFSET(compact),
          .by_default = "false", .help = "items on one line" },
        { .name = "strict_keys", .type = OPTION_BOOL, .group = GROUP_DATA, .offset = OFFSET(strict_keys),
          .by_default = "false", .help = "refuse a text whose keys differ from its path" },
        { .name = "show", .type = OPTION_ENUM, .group = GROUP_DATA, .names = shows, .offset = OFFSET(show),
          .by_default = "listed", .argument = "WHAT", .help = "names in listings; tables: no indexes" },
        { .name = "write", .type = OPTION_ENUM, .group = GROUP_DATA, .names = writes, .offset = OFFSET(write),
          .by_default = "optimistic", .argument = "MODE", .help = "what to do when an item changed underneath" },
        { .name = "commit", .type = OPTION_ENUM, .group = GROUP_DATA, .names = commits, .offset = OFFSET(commit),
          .by_default = "close", .argument = "WHEN",
          .help = "where a save is when close returns: table, or journal" },
        { .name = "xattr", .type = OPTION_BOOL, .group = GROUP_DATA, .offset = OFFSET(xattr),
          .by_default = "true", .help = "extended attributes user.ddbfs.*" },
        { .name = "readahead", .type = OPTION_BOOL, .group = GROUP_DATA, .offset = OFFSET(readahead),
          .by_default = "true", .help = "notice find, grep -r, cp -r and read ahead of them" },
        { .name = "grace", .type = OPTION_TIME, .group = GROUP_DATA, .offset = OFFSET(grace), .by_default = "10s",
          .min = 100 * MS_IN_NS, .max = H_IN_NS, .argument = "TIME",
          .help = "how long an item an editor moves away stays in the table" },
        /* large attributes */
        { .name = "s3_bucket", .type = OPTION_STRING, .group = GROUP_S3, .offset = OFFSET(s3_bucket),
          .argument = "BUCKETS", .help = "where large attributes are kept; more, with colons: read only" },
        { .name = "s3_prefix", .type = OPTION_STRING, .group = GROUP_S3, .offset = OFFSET(s3_prefix),
          .by_default = "ddbfs/", .argument = "TEXT", .help = "what the keys of all objects begin with" },
        { .name = "s3_threshold", .type = OPTION_SIZE, .group = GROUP_S3, .offset = OFFSET(s3_threshold),
          .by_default = "64K", .min = 1, .max = 384 * KIB, .argument = "SIZE",
          .help = "a text or binary attribute over it is kept in S3" },
        { .name = "inline_max", .type = OPTION_SIZE, .group = GROUP_S3, .offset = OFFSET(inline_max),
          .by_default = "64K", .max = 4 * MIB, .argument = "SIZE",
          .help = "an attribute in S3 up to it is shown in the item's text" },
        { .name = "s3_grace", .type = OPTION_TIME, .group = GROUP_S3, .offset = OFFSET(s3_grace), .by_default = "1m",
          .max = 24 * H_IN_NS, .argument = "TIME", .help = "how long an object that was replaced stays" },
};

const size_t n_config_options = ARRAY_LEN(config_options);
