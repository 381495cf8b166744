/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TABLE/.import/FORMAT: what is written there, line by line, becomes items of the table.  Lines are read as they come;
 * close and fsync return when every one is in the table or refused.  A line that does not end is one at close; what is
 * wrong with it that close says, but nobody knows yet whether it was the last one.
 */
#include "import_internal.h"

#define IMPORTS_MAX 16

static int write_lines(struct import *x, struct op_ctx *ctx, uint64_t offset, bool append, struct str data, struct error *e) {
        bool crowded;
        int r = 0;

        if (import_stopped(x, &r, e))
                return r;
        if (!append && offset != x->offset)
                return error_set_errno(e, -ESPIPE, "an import is written from its beginning to its end");
        r = fs_wait_for(x->fs, ctx, &x->room, e);
        if (r || import_stopped(x, &r, e))
                return r;
        x->finished = false;
        x->offset += data.n;
        x->writer = program_of(x->fs, ctx).id;
        r = import_read_lines(x, ctx, data, e);
        mutex_lock(&x->lock);
        crowded = x->bad.n > IMPORT_BAD_MAX;
        mutex_unlock(&x->lock);
        if (crowded)
                import_keep_bad(x, NULL);
        return r;
}

static int import_write(struct fs *fs, struct op_ctx *ctx, struct fs_file *f, uint64_t offset, struct str data,
                        struct error *e) {
        struct import *x = f->import;
        int r = fs_busy_begin(fs, ctx, &x->busy, e);

        if (r)
                return r;
        r = write_lines(x, ctx, offset, f->flags & O_APPEND, data, e);
        fs_busy_end(fs, &x->busy);
        return r;
}

enum how { AT_FSYNC, AT_CLOSE, AT_END };

/* The tail of the program that closes.  Another one may have got the file from it as a child, and knows nothing of it. */
static int finish_tail(struct import *x, struct op_ctx *ctx, enum how how, struct error *e) {
        if (how == AT_END)
                return import_end_tail(x, ctx, e);
        if (how != AT_CLOSE || x->tail.n == 0 || program_of(x->fs, ctx).id != x->writer)
                return 0;
        if (was_killed(ctx->pid)) { /* it does not go on, and what another one writes is a line of its own */
                import_refuse_tail(x, "the program was killed");
                return 0;
        }
        return x->half.tried ? 0 : import_try_tail(x, ctx, e);
}

/* What the refused lines make of this close. */
static int finish_bad(struct import *x, enum how how, struct error *e) {
        uint64_t n_bad;

        if (how != AT_CLOSE || !import_half_bad(x, e)) {
                mutex_lock(&x->lock);
                n_bad = x->n_bad;
                mutex_unlock(&x->lock);
                if (n_bad == 0)
                        return 0;
                import_keep_bad(x, e);
                e->told = x->told;
                x->told = true;
        }
        e->kind = ERR_INPUT; /* whatever was wrong with the lines */
        return -error_errno(ERR_INPUT);
}

static int finish(struct import *x, struct op_ctx *ctx, enum how how, struct error *e) {
        int r = finish_tail(x, ctx, how, e);

        x->finished = true; /* or tried to: release does not wait for it once more */
        if (r == 0)
                r = import_drain(x, ctx, e);
        if (r || import_stopped(x, &r, e))
                return r;
        return finish_bad(x, how, e);
}

static int commit(struct fs *fs, struct op_ctx *ctx, struct fs_file *f, enum how how, struct error *e) {
        struct import *x = f->import;
        int r = fs_busy_begin(fs, ctx, &x->busy, e);

        if (r)
                return r;
        r = finish(x, ctx, how, e);
        fs_busy_end(fs, &x->busy);
        return r;
}

static int import_commit(struct fs *fs, struct op_ctx *ctx, struct fs_file *f, struct error *e) {
        return commit(fs, ctx, f, AT_CLOSE, e);
}

static int import_sync(struct fs *fs, struct op_ctx *ctx, struct fs_file *f, struct error *e) {
        return commit(fs, ctx, f, AT_FSYNC, e);
}

static int import_read(struct fs *fs, struct op_ctx *ctx, struct fs_file *f, uint64_t offset, size_t n, struct str *ret,
                       struct fs_hold *ret_hold, struct error *e) {
        (void)fs;
        (void)ctx;
        (void)f;
        (void)offset;
        (void)n;
        (void)ret;
        (void)ret_hold;
        return error_set_errno(e, -EBADF, "imports are for writing");
}

static bool is_open(const struct import *x) {
        return !x->finished || x->tail.n > 0;
}

static void end(struct fs *fs, struct op_ctx *ctx, struct fs_file *f) {
        struct error e = { .kind = ERR_NONE };

        (void)fs_done(fs, ctx, f->node, STR_NULL, commit(fs, ctx, f, AT_END, &e), &e);
        f->import->finished = true;
        buf_reset(&f->import->tail);
}

/* Its last line, or all since the last write: the program was killed, or never closed it. */
static void import_release(struct fs *fs, struct op_ctx *ctx, struct fs_file *f) {
        if (is_open(f->import))
                end(fs, ctx, f);
        file_free(fs, f);
}

static const struct file_ops import_file_ops = { import_read, import_write, import_commit, import_sync, import_release, true };

static struct import *import_new(struct fs *fs, struct node *n) {
        struct import *x = mem_zalloc(sizeof(*x));

        if (!x)
                return NULL;
        x->fs = fs;
        x->node = n;
        x->finished = x->room = x->drained = true;
        x->tail = BUF_INIT(IMPORT_LINE_MAX);
        x->half.id = BUF_INIT(8 * KIB);
        x->bad = BUF_INIT(4 * IMPORT_BAD_MAX);
        x->ahead_max = IMPORT_AHEAD_MAX;
        if (fs->o.max_wcu > 0) /* about ten seconds of the budget, so that close does not take longer than op_timeout */
                x->ahead_max = (size_t)MAX(MIN(fs->o.max_wcu * 10 * KIB, IMPORT_AHEAD_MAX), IMPORT_AHEAD_MIN);
        mutex_init(&x->lock);
        cond_init(&x->cond);
        list_init(&x->queue);
        list_init(&x->given);
        op_ctx_init(&x->ctx, "import", 0);
        return x;
}

int import_open(struct fs *fs, struct op_ctx *ctx, struct node *n, int flags, struct fs_opened *ret, struct error *e) {
        struct fs_file *f;
        int r;

        if ((flags & O_ACCMODE) == O_RDONLY)
                return error_set(e, ERR_ACCESS, "imports are for writing");
        if (fs->o.read_only)
                return error_set(e, ERR_READ_ONLY, "mounted read-only");
        if (atomic_fetch_add(&fs->n_imports, 1) >= IMPORTS_MAX) {
                atomic_fetch_sub(&fs->n_imports, 1);
                return error_set(e, ERR_BUSY, "%d imports are open already", IMPORTS_MAX);
        }
        f = file_new(fs, n, flags, &import_file_ops);
        if (f)
                f->import = import_new(fs, f->node);
        if (!f || !f->import) {
                atomic_fetch_sub(&fs->n_imports, 1);
                if (f)
                        file_free(fs, f);
                return error_set(e, ERR_MEMORY, "out of memory");
        }
        r = place_of(fs, ctx, n, &f->import->place, e);
        if (r) {
                file_free(fs, f);
                return r;
        }
        if (f->import->place.view->which != EXPORT_JSONL)
                f->import->table.separator = f->import->place.view->which == EXPORT_TSV ? '\t' : ',';
        f->import->table.any_size = fs->o.text.any_size;
        ret->file = f;
        ret->direct_io = true;
        return 0;
}

void imports_finish(struct fs *fs, struct op_ctx *ctx) {
        struct fs_file *f;

        do {
                f = NULL;
                mutex_lock(&fs->open_lock);
                LIST_FOR_EACH(l, &fs->files) {
                        struct fs_file *candidate = CONTAINER_OF(l, struct fs_file, all);

                        if (!f && candidate->import && is_open(candidate->import))
                                f = candidate;
                }
                mutex_unlock(&fs->open_lock);
                if (f) { /* the requests have ended: nobody else touches it */
                        if (f->import->tail.n > 0 && !f->import->half.tried)
                                import_refuse_tail(f->import, "the mount has ended");
                        end(fs, ctx, f);
                }
        } while (f);
}
