/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The shared config and credentials files (aws-facts 7.2): parser (pure) and the merged view of both.
 */
#include "ddbfs/base/arena.h"
#include "ddbfs/base/buf.h"
#include "ddbfs/base/error.h"
#include "ddbfs/base/macros.h"

enum profile_file { PROFILE_FILE_CONFIG, PROFILE_FILE_CREDENTIALS };
#define PROFILE_FILE_MAX (4 * MIB)

/* Immutable after loading, reference-counted. */
struct profiles;

/* Parse two texts (either may be empty).  -EINVAL with line and a message of the kind the AWS tools
 * give; *ret is the merge, the credentials file winning. */
_must_check_ int profiles_parse(struct str config, struct str credentials, struct profiles **ret, struct error *reterr);
/* Read the files: paths NULL mean AWS_CONFIG_FILE / AWS_SHARED_CREDENTIALS_FILE, else ~/.aws/config and
 * ~/.aws/credentials.  A missing file is an empty one. */
_must_check_ int profiles_load(const char *config_path, const char *credentials_path, struct profiles **ret,
                               struct error *reterr);
struct profiles *profiles_ref(struct profiles *p);
struct profiles *profiles_unref(struct profiles *p);
DEFINE_CLEANUP(struct profiles, profiles_unref)

enum section_kind { SECTION_PROFILE, SECTION_SSO_SESSION, SECTION_SERVICES };
/* Values borrow from p.  n == 0 && p == NULL: not there. */
bool profiles_has(const struct profiles *p, enum section_kind kind, const char *name);
struct str profiles_get(const struct profiles *p, enum section_kind kind, const char *name, const char *key);
/* A sub-property: `services X`, `dynamodb`, `endpoint_url`. */
struct str profiles_get_sub(const struct profiles *p, enum section_kind kind, const char *name, const char *key,
                            const char *sub);
/* The whole merge as canonical JSON text, for tests and --print-config (values of secret keys as "***" if redact). */
int profiles_render(const struct profiles *p, bool redact, struct buf *out);
