/* SPDX-License-Identifier: Apache-2.0 */
/* External merge sort: see fsck_sort.h.  RUNS_MAX runs become one, so that few files are open however many records. */
#include "fsck_sort.h"

#include <stdio.h>
#include <stdlib.h>
#include "ddbfs/base/alloc.h"

#define RUNS_MAX 32

struct run {
        FILE *f;
        char *record; /* the next; SORTER_RECORD_MAX bytes of room */
        size_t n;
        bool ended;
};

struct sorter {
        size_t memory, used;
        char *pool;            /* records as they came */
        struct str *v;         /* into it */
        size_t n, cap, at;
        struct run runs[RUNS_MAX + 1];
        unsigned n_runs;
        struct run *current;   /* whose record was given last */
};

int sorter_new(size_t memory, struct sorter **ret) {
        struct sorter *s = mem_zalloc(sizeof(*s));

        if (s) {
                s->memory = MAX(memory, (size_t)SORTER_RECORD_MAX);
                s->pool = mem_alloc(s->memory);
        }
        if (!s || !s->pool) {
                sorter_free(s);
                return -ENOMEM;
        }
        *ret = s;
        return 0;
}

static void run_end(struct run *r) {
        if (r->f)
                fclose(r->f);
        mem_free(r->record);
        *r = (struct run){ .f = NULL };
}

struct sorter *sorter_free(struct sorter *s) {
        if (!s)
                return NULL;
        for (unsigned i = 0; i < s->n_runs; i++)
                run_end(&s->runs[i]);
        mem_free(s->pool);
        mem_free(s->v);
        return mem_free(s);
}

static int compare(const void *a, const void *b) {
        return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* ---- runs ---- */

/* In $TMPDIR, or /tmp; gone when it is closed, however this program ends. */
static FILE *temporary(void) {
        const char *folder = getenv("TMPDIR");
        char path[4096];
        FILE *f;
        int fd;

        if (snprintf(path, sizeof(path), "%s/fsck.ddbfs.XXXXXX", folder && *folder ? folder : "/tmp") >= (int)sizeof(path))
                return NULL;
        fd = mkstemp(path);
        if (fd < 0)
                return NULL;
        (void)remove(path);
        f = fdopen(fd, "w+b");
        return f;
}

static int write_record(FILE *f, struct str record) {
        uint32_t n = (uint32_t)record.n;

        return fwrite(&n, sizeof(n), 1, f) == 1 && fwrite(record.p, 1, record.n, f) == record.n ? 0 : -EIO;
}

static int read_record(struct run *r) {
        uint32_t n;

        r->ended = fread(&n, sizeof(n), 1, r->f) != 1;
        if (r->ended)
                return ferror(r->f) ? -EIO : 0;
        if (n > SORTER_RECORD_MAX || fread(r->record, 1, n, r->f) != n)
                return -EIO;
        r->n = n;
        return 0;
}

static int rewind_run(struct run *r) {
        r->record = r->record ? r->record : mem_alloc(SORTER_RECORD_MAX);
        if (!r->record)
                return -ENOMEM;
        if (fflush(r->f) || fseek(r->f, 0, SEEK_SET))
                return -EIO;
        return read_record(r);
}

static struct run *smallest(struct sorter *s) {
        struct run *best = NULL;

        for (unsigned i = 0; i < s->n_runs; i++) {
                struct run *r = &s->runs[i];

                if (!r->ended && (!best || str_cmp(str_make(r->record, r->n), str_make(best->record, best->n)) < 0))
                        best = r;
        }
        return best;
}

/* All runs become the first. */
static int merge_runs(struct sorter *s) {
        struct run merged = { .f = temporary() }, *r;
        int k = merged.f ? 0 : -EIO;

        for (unsigned i = 0; k == 0 && i < s->n_runs; i++)
                k = rewind_run(&s->runs[i]);
        while (k == 0 && (r = smallest(s))) {
                k = write_record(merged.f, str_make(r->record, r->n));
                if (k == 0)
                        k = read_record(r);
        }
        for (unsigned i = 0; i < s->n_runs; i++)
                run_end(&s->runs[i]);
        s->runs[0] = merged;
        s->n_runs = merged.f ? 1 : 0;
        return k;
}

static int write_run(struct sorter *s) {
        struct run *r;
        int k = s->n_runs == RUNS_MAX ? merge_runs(s) : 0;

        if (k)
                return k;
        r = &s->runs[s->n_runs];
        r->f = temporary();
        if (!r->f)
                return -EIO;
        s->n_runs++;
        qsort(s->v, s->n, sizeof(*s->v), compare);
        for (size_t i = 0; k == 0 && i < s->n; i++)
                k = write_record(r->f, s->v[i]);
        s->n = s->used = 0;
        return k;
}

/* ---- the interface ---- */

int sorter_add(struct sorter *s, struct str record) {
        if (record.n > SORTER_RECORD_MAX)
                return -EINVAL;
        if (s->memory - s->used < record.n + sizeof(struct str) && s->n > 0) {
                int r = write_run(s);

                if (r)
                        return r;
        }
        if (s->n == s->cap) {
                size_t cap = s->cap ? 2 * s->cap : 1024;
                struct str *v = mem_realloc(s->v, cap * sizeof(*v));

                if (!v)
                        return -ENOMEM;
                s->v = v;
                s->cap = cap;
        }
        if (record.n > 0)
                memcpy(s->pool + s->used, record.p, record.n);
        s->v[s->n++] = str_make(s->pool + s->used, record.n);
        s->used += record.n;
        return 0;
}

int sorter_finish(struct sorter *s) {
        int r = 0;

        if (s->n_runs == 0) { /* all of it is in memory */
                if (s->n > 0)
                        qsort(s->v, s->n, sizeof(*s->v), compare);
                return 0;
        }
        if (s->n > 0)
                r = write_run(s);
        for (unsigned i = 0; r == 0 && i < s->n_runs; i++)
                r = rewind_run(&s->runs[i]);
        return r;
}

int sorter_next(struct sorter *s, struct str *ret) {
        struct run *r;
        int k;

        if (s->n_runs == 0) {
                if (s->at == s->n)
                        return 0;
                *ret = s->v[s->at++];
                return 1;
        }
        k = s->current ? read_record(s->current) : 0;
        if (k)
                return k;
        r = s->current = smallest(s);
        if (!r)
                return 0;
        *ret = str_make(r->record, r->n);
        return 1;
}
