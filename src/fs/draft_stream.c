/* SPDX-License-Identifier: Apache-2.0 */
/* Drafts of attributes that are too large for memory: written from beginning to end, they stream to S3 (stream.c). */
#include <stdio.h>
#include "fs_internal.h"
#include "stream_internal.h"
#include "ddbfs/base/clock.h"
#include "ddbfs/store/blobs.h"
#include "ddbfs/store/large_ref.h"

int draft_not_at_its_end(struct error *e) {
        return error_set(e, ERR_UNSUPPORTED, "an attribute of more than %zu MB is written from its beginning to its end",
                         STREAM_FROM / MIB);
}

void draft_give_up(struct draft *d, struct op_ctx *ctx, const struct error *why) {
        d->stream = stream_free(d->stream, ctx);
        mutex_lock(&d->lock);
        d->streamed = 0;
        d->lost = true;
        d->refused_error = *why;
        d->dirty = false;
        mutex_unlock(&d->lock);
}

static int append_all(struct stream *s, struct op_ctx *ctx, struct str text, struct error *e) {
        int r = 0;

        while (r == 0 && text.n > 0) {
                struct str piece = str_make(text.p, MIN(text.n, (size_t)BLOB_PART_MIN));

                r = stream_append(s, ctx, piece, e);
                text = str_skip(text, piece.n);
        }
        return r;
}

/* What was written so far goes ahead; busy.  Interrupted, it is where it was, and goes ahead the next time. */
static int start(struct fs *fs, struct op_ctx *ctx, struct draft *d, struct error *e) {
        _cleanup_(place_deinit) struct place p = { 0 };
        _cleanup_(buf_deinit) struct buf text = BUF_INIT(ITEM_TEXT_MAX);
        int r = place_of(fs, ctx, d->node, &p, e);

        if (r == 0 && p.kind != NODE_ATTR)
                r = error_set(e, ERR_BUSY, "it is just being renamed");
        if (r == 0)
                r = stream_new(fs, ctx, &p, &d->stream, e);
        if (r)
                return r;
        mutex_lock(&d->lock);
        text = d->text;
        buf_init(&d->text, ITEM_TEXT_MAX);
        mutex_unlock(&d->lock);
        r = append_all(d->stream, ctx, buf_view(&text), e);
        if (r && r != -EINTR)
                return r;
        if (r)
                d->stream = stream_free(d->stream, ctx);
        mutex_lock(&d->lock);
        if (r == 0) {
                d->streamed = stream_size(d->stream);
        } else if (d->text.n == 0) {
                buf_deinit(&d->text);
                d->text = text;
                text = BUF_INIT(0);
        } else {
                r = error_set(e, ERR_BUSY, "two programs wrote at once while an upload began");
        }
        mutex_unlock(&d->lock);
        return r;
}

static int append_data(struct fs *fs, struct op_ctx *ctx, struct draft *d, uint64_t offset, bool append, struct str data,
                       struct error *e) {
        uint32_t program = program_of(fs, ctx).id;
        int r = d->stream ? 0 : start(fs, ctx, d, e);

        if (r == 0 && !append && offset != stream_size(d->stream))
                return draft_not_at_its_end(e);
        if (r == 0)
                r = stream_append(d->stream, ctx, data, e);
        if (r == -EINTR) /* a signal of any kind: nothing of it was taken, and it may be written again */
                return r;
        if (r) {
                draft_give_up(d, ctx, e);
                return r;
        }
        mutex_lock(&d->lock);
        d->streamed = stream_size(d->stream);
        d->writing = program;
        d->dirty = true;
        d->edits++;
        d->mtime_ns = clock_wall_ns();
        mutex_unlock(&d->lock);
        return 0;
}

int draft_write_attr(struct fs *fs, struct op_ctx *ctx, struct draft *d, uint64_t offset, bool append, struct str data,
                     struct error *e) {
        bool streams, lost;
        int r;

        mutex_lock(&d->lock);
        lost = d->lost;
        streams = d->streamed > 0 || (fs->o.text.any_size && (append || offset == d->text.n) && data.n > 0 &&
                                      d->text.n + data.n > STREAM_FROM);
        mutex_unlock(&d->lock);
        if (lost)
                return error_set(e, ERR_INTERNAL, "what was written before could not be saved");
        if (!streams) {
                r = draft_write(d, offset, append, data, e);
                mutex_lock(&d->lock);
                d->writing = program_of(fs, ctx).id;
                mutex_unlock(&d->lock);
                return r;
        }
        r = fs_busy_begin(fs, ctx, &d->busy, e);
        if (r)
                return r;
        r = append_data(fs, ctx, d, offset, append, data, e);
        fs_busy_end(fs, &d->busy);
        return r;
}

/* Flags of a process in its stat file: it was killed by a signal (linux/sched.h). */
#define PF_SIGNALED_FLAG 0x400u

bool was_killed(uint32_t pid) {
        char path[64], text[1024], *p;
        unsigned flags = 0;
        size_t n;
        FILE *f;

        (void)snprintf(path, sizeof(path), "/proc/%u/stat", pid);
        f = pid ? fopen(path, "re") : NULL;
        if (!f)
                return false;
        n = fread(text, 1, sizeof(text) - 1, f);
        fclose(f);
        text[n] = '\0';
        p = strrchr(text, ')'); /* behind its name: state ppid pgrp session tty tpgid flags */
        return p && sscanf(p + 1, " %*c %*d %*d %*d %*d %*d %u", &flags) == 1 && (flags & PF_SIGNALED_FLAG);
}

static void cut_off(struct fs *fs, struct draft *d, struct error *e) {
        _cleanup_(buf_deinit) struct buf text = BUF_INIT(ITEM_TEXT_MAX);

        mutex_lock(&d->lock);
        buf_str(&text, buf_view(&d->text));
        d->refused = d->cut_off = true;
        d->refused_edits = d->edits;
        d->refused_error = *e;
        mutex_unlock(&d->lock);
        if (buf_status(&text) == 0)
                reject_text(fs, d->node, STR_NULL, buf_view(&text), e);
}

int draft_check_killed(struct fs *fs, struct op_ctx *ctx, struct draft *d, struct error *e) {
        bool streamed;
        uint32_t wrote;
        int r = 0;

        mutex_lock(&d->lock);
        streamed = d->streamed > 0;
        wrote = d->dirty && !(d->refused && d->refused_edits == d->edits) ? d->writing : 0;
        mutex_unlock(&d->lock);
        if (!wrote || !was_killed(ctx->pid) || program_of(fs, ctx).id != wrote)
                return 0;
        r = fs_busy_begin(fs, ctx, &d->busy, e);
        if (r)
                return r;
        r = error_set(e, ERR_INTERRUPTED, "the program was killed while it was writing: the attribute stays as it was");
        if (streamed)
                draft_give_up(d, ctx, e);
        else
                cut_off(fs, d, e);
        fs_busy_end(fs, &d->busy);
        return r;
}

/* To be written on: the content, or, of a large one, a stream at its end.  *ret: it is in S3 at all. */
int draft_load_large(struct fs *fs, struct op_ctx *ctx, struct draft *d, const struct place *p, struct snapshot *item,
                     struct buf *content, bool *ret, struct error *e) {
        _cleanup_(parsed_unrefp) struct parsed *parsed = NULL;
        _cleanup_(items_deinit) struct items now;
        const struct value *v;
        uint64_t size;
        int r = parsed_of(fs, p, item, &parsed, e);

        items_init(&now);
        *ret = false;
        v = r ? NULL : item_get(&parsed->item, buf_view(&p->attr));
        if (!v)
                return r;
        r = attr_large_size(fs, ctx, v, ret, &size, e);
        if (r || !*ret)
                return r;
        if (v->type != VALUE_LARGE)
                return error_set(e, ERR_UNSUPPORTED, "it names another tool's object in S3: it can be replaced, not changed");
        r = attr_large_reference(fs, ctx, p, &now, &v, e);
        if (r)
                return r;
        if (v->type != VALUE_LARGE)
                return error_set(e, ERR_BUSY, "the attribute is just being replaced");
        if (v->large->size <= STREAM_FROM)
                return attr_large_content(fs, ctx, v, content, e);
        stream_free(d->stream, ctx);
        d->stream = NULL;
        return stream_of_value(fs, p, v, &d->stream, e);
}
