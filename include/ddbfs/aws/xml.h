/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Reading XML answers of a service: the document is walked once, its elements are told by their path.  Untrusted
 * input: no document types (and so no entities of its own), at most XML_DEPTH_MAX levels, XML_TEXT_MAX bytes of text
 * an element.  expat appears in src/aws/xml.c only.  Pure.
 */
#include "ddbfs/base/str.h"

#define XML_DEPTH_MAX 16
#define XML_PATH_MAX 256
#define XML_TEXT_MAX (16 * KIB)

struct xml_events {
        /* Both may be NULL; 0, or -errno to stop.  path: the names from the root, "Error/Code"; valid in the call only. */
        int (*begin)(void *arg, struct str path);
        /* text: the characters in it after its last child, entities replaced, as UTF-8. */
        int (*end)(void *arg, struct str path, struct str text);
};

/*
 * White space before the document is skipped.  0, what an event returned, -EINVAL (not well-formed, a document type,
 * nothing at all), -EFBIG (too deep, too long a text) or -ENOMEM.  The events before the fault have been told.
 */
_must_check_ int xml_read(struct str document, const struct xml_events *events, void *arg);
