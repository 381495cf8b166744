/* SPDX-License-Identifier: Apache-2.0 */
/* What fsck.ddbfs tells: findings and a summary on standard output, a progress bar on a terminal. */
#include <stdarg.h>
#include <stdio.h>
#include "ddbfs/base/clock.h"
#include "fsck_internal.h"

#define PROGRESS_NS (100 * NS_PER_MS)
#define BAR 30

void fsck_progress(struct fsck *f, const char *what, uint64_t done, uint64_t of) {
        uint64_t now = clock_now_ns();
        int filled;

        if (!f->terminal || now - f->shown_ns < PROGRESS_NS)
                return;
        f->shown_ns = now;
        if (of == 0) {
                fprintf(stderr, "\r%.*s: %s, %llu\033[K", (int)f->table->name.n, f->table->name.p, what, (unsigned long long)done);
                return;
        }
        done = MIN(done, of);
        filled = (int)(done * BAR / of);
        fprintf(stderr, "\r%.*s: %s [%.*s%*s] %3u%%\033[K", (int)f->table->name.n, f->table->name.p, what, filled,
                "==============================", BAR - filled, "", (unsigned)(done * 100 / of));
}

void fsck_progress_end(struct fsck *f) {
        if (f->terminal && f->shown_ns)
                fprintf(stderr, "\r\033[K");
        f->shown_ns = 0;
}

void fsck_say(struct fsck *f, const char *what, struct str bucket, struct str key, const char *format, ...) {
        va_list args;

        fsck_progress_end(f);
        printf("%s: s3://%.*s/", what, (int)bucket.n, bucket.p);
        for (size_t i = 0; i < key.n; i++)
                putchar((unsigned char)key.p[i] < 0x20 || key.p[i] == 0x7F ? '?' : key.p[i]);
        va_start(args, format);
        (void)vprintf(format, args);
        va_end(args);
        putchar('\n');
}

void fsck_summary(struct fsck *f) {
        fsck_progress_end(f);
        if (f->quiet && f->n_orphans + f->n_dangling + f->n_damaged == 0)
                return;
        if (f->dropped.n > 0)
                printf("%.*s: the table does not exist any more\n", (int)f->table->name.n, f->table->name.p);
        printf("%.*s: %llu items, %llu references, %llu objects", (int)f->table->name.n, f->table->name.p,
               (unsigned long long)f->n_items, (unsigned long long)f->n_references, (unsigned long long)f->n_objects);
        if (f->deep)
                printf(", %llu read and right", (unsigned long long)f->n_checked);
        printf("; %llu orphans (%llu bytes)%s, %llu dangling, %llu damaged", (unsigned long long)f->n_orphans,
               (unsigned long long)f->orphan_bytes, f->repair && f->n_removed == f->n_orphans && f->n_orphans ? " removed" : "",
               (unsigned long long)f->n_dangling, (unsigned long long)f->n_damaged);
        if (f->n_young)
                printf("; %llu younger than the grace time left alone", (unsigned long long)f->n_young);
        if (f->n_elsewhere)
                printf("; %llu references lead elsewhere", (unsigned long long)f->n_elsewhere);
        if (f->n_aborted)
                printf("; %llu uploads that nobody finished aborted", (unsigned long long)f->n_aborted);
        putchar('\n');
}
