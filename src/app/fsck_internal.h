/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* fsck.ddbfs: the checks (fsck_check.c), what is told (fsck_report.c), the command (fsck_main.c). */
#include "ddbfs/large/large.h"
#include "fsck_sort.h"
#include "service.h"

/* Exit status, as fsck(8): the sum of what applies. */
enum { FSCK_CORRECTED = 1, FSCK_LEFT = 4, FSCK_FAILED = 8, FSCK_USAGE = 16 };

struct fsck {
        struct service service;
        struct config config;
        bool repair;            /* -y */
        bool deep;              /* -c: every object is read */
        bool quiet, terminal;   /* terminal: stderr is one */
        int64_t grace_s;        /* orphans younger than that are left alone */
        int64_t started_s;
        struct op_ctx *ctx;
        /* of the table at hand */
        const struct table_schema *table;
        struct str dropped;     /* its name, when it does not exist any more: then it has no items */
        struct str prefix;      /* of its objects */
        struct sorter *references;
        struct sorter *suspects; /* -y: objects without a reference, to be looked at again */
        uint64_t n_suspects;
        uint64_t n_items, n_references, n_objects, n_checked, n_elsewhere, n_young, n_orphans, n_dangling, n_damaged, n_removed, n_aborted;
        uint64_t orphan_bytes;
        struct names elsewhere; /* folders of other tables that items refer to, of all tables checked so far */
        uint64_t shown_ns;      /* when progress was shown last */
        int status;             /* exit status so far */
};

/* One table: 0, or -errno with *e when it could not be checked to its end. */
_must_check_ int fsck_table(struct fsck *f, struct str name, struct error *e);

/* ---- tables that do not exist any more (fsck_dropped.c) ---- */

/* Names of those that have left objects below the prefix in one of the buckets; to be given back by names_deinit(). */
_must_check_ int fsck_dropped(struct fsck *f, const char *pattern, struct names *ret, struct error *e);
/* A table of this name (or ARN) as it must have been here: name and ARN.  ERR_NO_TABLE: nobody can say. */
_must_check_ int fsck_dropped_table(struct fsck *f, struct str name, struct table_schema **ret, struct error *e);
/* f->dropped does not exist, on the service's word. */
_must_check_ int fsck_still_dropped(struct fsck *f, struct error *e);

/* An item refers to this object, which is not its table's: a table that was restored from another's backup does. */
_must_check_ int fsck_note_elsewhere(struct fsck *f, struct str key, struct error *e);
/* Do items of the tables checked so far refer to objects of the one at hand? */
bool fsck_is_used_elsewhere(const struct fsck *f);

/* ---- what is told (fsck_report.c) ---- */

void fsck_progress(struct fsck *f, const char *what, uint64_t done, uint64_t of); /* of 0: nobody knows */
void fsck_progress_end(struct fsck *f);
/* A line on standard output about an object or a reference. */
void fsck_say(struct fsck *f, const char *what, struct str bucket, struct str key, const char *format, ...) _printf_(5, 6);
void fsck_summary(struct fsck *f);
