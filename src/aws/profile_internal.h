/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What profile.c, profile_parse.c and profile_render.c share: the merged sections. */
#include <stdatomic.h>
#include "ddbfs/aws/profile.h"
#include "ddbfs/base/hmap.h"

struct property {
        struct hmap_node node; /* in profiles.properties */
        struct property *next; /* in section.properties */
        const struct section *section;
        struct str key;   /* lower case */
        struct str value; /* never a NULL pointer; "\nname = value\n..." when it has sub-properties */
};

struct section {
        struct hmap_node node; /* in profiles.sections */
        struct section *next;  /* in profiles.all */
        struct property *properties;
        size_t n_properties;
        struct str name;
        enum section_kind kind;
        bool prefixed; /* written [profile default], not [default] */
};

struct profiles {
        atomic_uint refs;
        struct arena arena;
        struct hmap sections, properties;
        struct section *all;
        size_t n_sections;
};

struct section *profiles_find(const struct profiles *p, enum section_kind kind, struct str name);
struct property *profiles_find_property(const struct profiles *p, const struct section *s, struct str key);
/* Empty, one reference. */
_must_check_ int profiles_new(struct profiles **ret);
/* Merge one file into p; label names it in messages. */
_must_check_ int profiles_parse_file(struct profiles *p, enum profile_file file, const char *label, struct str text,
                                     struct error *reterr);
/* The next "name = value" of a property with sub-properties; false at the end.  *rest starts as the value. */
bool profiles_next_sub(struct str *rest, struct str *ret_name, struct str *ret_value);

struct str profile_trim(struct str s);          /* white space at both ends */
struct str profile_cut_comment(struct str s);   /* what begins with white space and '#' or ';' */
struct str profile_next_line(struct str *rest); /* without its newline */
