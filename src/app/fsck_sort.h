/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Sorting any number of records in bounded memory: runs on disk (unlinked files in $TMPDIR, else /tmp), merged while
 * they are read.  Records are any bytes; their order is byte order.
 */
#include "ddbfs/base/error.h"
#include "ddbfs/base/str.h"

struct sorter;
#define SORTER_RECORD_MAX (64 * KIB)

_must_check_ int sorter_new(size_t memory, struct sorter **ret); /* bytes of records held; 0, -ENOMEM */
struct sorter *sorter_free(struct sorter *s);                    /* NULL is fine; returns NULL */
DEFINE_CLEANUP(struct sorter, sorter_free)
/* 0, -EINVAL (over SORTER_RECORD_MAX), -ENOMEM or the disk's error. */
_must_check_ int sorter_add(struct sorter *s, struct str record);
/* No more are added.  Then sorter_next() gives one after the other; equal ones each. */
_must_check_ int sorter_finish(struct sorter *s);
/* 1: *ret is the next, valid until the next call; 0: there is none; or -errno. */
_must_check_ int sorter_next(struct sorter *s, struct str *ret);
