/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Drafts: what has been written to an item's file and is not in the table yet.  One for each open file; its
 * states are in file_internal.h.  Readers never see a draft: they read the committed text.
 */
#include "fs_internal.h"
#include "stream_internal.h"
#include "ddbfs/base/clock.h"

/* Written and neither saved nor refused: a refused text is in rejected, and its writers know. */
static bool unsaved(const struct draft *d) {
        return d->dirty && !(d->refused && d->refused_edits == d->edits);
}

static struct draft *draft_new(struct fs *fs, struct op_ctx *ctx, struct node *n, bool create, int flags) {
        struct draft *d = mem_zalloc(sizeof(*d));

        if (!d)
                return NULL;
        mutex_init(&d->lock);
        d->text = BUF_INIT(ITEM_TEXT_MAX);
        d->created = d->loaded = create;
        d->exclusive = create && (flags & O_EXCL);
        d->mtime_ns = clock_wall_ns();
        d->node = node_ref(fs, n);
        d->bases.program = program_of(fs, ctx);
        mutex_lock(&fs->open_lock);
        list_append(&fs->drafts, &d->all);
        mutex_unlock(&fs->open_lock);
        return d;
}

static void draft_free(struct fs *fs, struct draft *d) {
        mutex_lock(&fs->open_lock);
        list_remove(&d->all);
        mutex_unlock(&fs->open_lock);
        stream_free(d->stream, NULL);
        bases_deinit(&d->bases);
        buf_deinit(&d->text);
        mutex_deinit(&d->lock);
        node_put(fs, d->node);
        mem_free(d);
}

void drafts_free(struct fs *fs) {
        while (!list_is_empty(&fs->drafts)) {
                struct draft *d = CONTAINER_OF(fs->drafts.next, struct draft, all);

                d->node->draft = NULL;
                draft_free(fs, d);
        }
}

/* A writer that does not empty the file joins the one that is just making it: there is no text in the table yet. */
static bool joins(struct draft *d, bool create, int flags) {
        bool is_new;

        mutex_lock(&d->lock);
        is_new = d->created;
        mutex_unlock(&d->lock);
        return is_new && !create && !(flags & O_TRUNC);
}

/* A draft of the writer's own, so that two programs writing at once each save a whole text. */
static struct draft *draft_join(struct fs *fs, struct op_ctx *ctx, struct node *n, bool create, int flags) {
        struct draft *fresh = draft_new(fs, ctx, n, create, flags), *d;

        if (!fresh)
                return NULL;
        mutex_lock(&fs->nodes.lock);
        if (n->draft && joins(n->draft, create, flags)) {
                d = n->draft;
                d->joined = true;
        } else {
                if (n->draft && joins(n->draft, false, 0))
                        fresh->created = fresh->loaded = true;
                d = n->draft = TAKE(fresh);
        }
        d->writers++;
        mutex_unlock(&fs->nodes.lock);
        if (fresh)
                draft_free(fs, fresh);
        return d;
}

/* The same of an attribute; what is not known without asking is left to the commit. */
static void attr_base_from_served(struct fs *fs, struct op_ctx *ctx, struct draft *d, const struct place *p) {
        struct error ignored = { 0 };
        struct base base;

        if (attr_base_of(fs, ctx, d->bases.program, p, false, false, &base, &ignored))
                base.kind = BASE_NONE;
        mutex_lock(&d->lock);
        if (!d->created && !d->read_here && base.kind != BASE_NONE) {
                bases_deinit(&d->bases);
                d->bases.v[d->bases.n++] = base;
                base.snapshot = NULL;
        }
        mutex_unlock(&d->lock);
        snapshot_unref(base.snapshot);
}

/* What a save of this draft replaces: the version its program was shown. */
static void base_from_served(struct fs *fs, struct draft *d, struct str id) {
        struct bases served;

        bases_find(fs, d->bases.program, id, false, &served);
        mutex_lock(&d->lock);
        if (served.n > 0 && ((!d->created && !d->read_here) || d->bases.n == 0)) { /* whoever writes now has seen that */
                bases_deinit(&d->bases);
                d->bases = served;
                served.n = 0;
        }
        mutex_unlock(&d->lock);
        bases_deinit(&served);
}

/* Made where an item was renamed away a moment ago, which is still in the table: it replaces that one. */
static int base_from_away(struct fs *fs, struct op_ctx *ctx, struct draft *d, struct str id, struct error *e) {
        struct snapshot *s;
        int r = away_text(fs, ctx, id, &s, e);

        if (!s)
                return r;
        mutex_lock(&d->lock);
        if (d->bases.n == 0) {
                bases_set(&d->bases, TAKE(s));
                d->exclusive = false; /* towards its maker it was free */
        }
        mutex_unlock(&d->lock);
        snapshot_unref(s);
        return 0;
}

static void served_before(struct fs *fs, struct op_ctx *ctx, struct draft *d, const struct place *p) {
        if (p->kind == NODE_ATTR)
                attr_base_from_served(fs, ctx, d, p);
        else
                base_from_served(fs, d, buf_view(&p->id));
}

static void empty_text(struct draft *d) {
        d->stream = stream_free(d->stream, NULL);
        mutex_lock(&d->lock);
        buf_reset(&d->text);
        d->streamed = 0;
        d->lost = false;
        d->loaded = d->truncated = true;
        d->dirty = false; /* not to be committed before something is written */
        d->edits++;
        mutex_unlock(&d->lock);
}

/* The table's current text becomes the draft's; only while nothing unsaved would be lost by it. */
static int load_text(struct fs *fs, struct op_ctx *ctx, struct draft *d, const struct place *p, bool reading,
                     struct error *e) {
        _cleanup_(snapshot_unrefp) struct snapshot *s = NULL;
        _cleanup_(buf_deinit) struct buf content = BUF_INIT(ITEM_TEXT_MAX);
        bool wanted, in_s3 = false;
        int r;

        mutex_lock(&d->lock);
        wanted = !unsaved(d) && !d->created && !(d->truncated && d->loaded);
        mutex_unlock(&d->lock);
        if (!wanted)
                return 0;
        r = item_load(fs, ctx, p, 0, true, &s, e);
        if (r == 0 && p->kind == NODE_ATTR) {
                struct snapshot *item = TAKE(s);

                r = attr_of_item(fs, p, item, &s, e);
                if (r == 0)
                        r = draft_load_large(fs, ctx, d, p, item, &content, &in_s3, e);
                snapshot_unref(item);
        }
        if (r)
                return r;
        if (reading)
                serve(fs, program_of(fs, ctx), place_file_id(p), s);
        mutex_lock(&d->lock);
        if (!unsaved(d)) {
                d->dirty = d->refused = false;
                buf_reset(&d->text);
                d->streamed = d->stream ? stream_size(d->stream) : 0;
                buf_str(&d->text, in_s3 ? buf_view(&content) : str_make(s->text, s->n));
                r = buf_status(&d->text);
                bases_set(&d->bases, snapshot_ref(s));
                d->read_here = reading;
                d->loaded = r == 0;
        }
        mutex_unlock(&d->lock);
        if (!reading) /* who cannot read here has read before, perhaps an older version */
                served_before(fs, ctx, d, p);
        return r ? error_set_errno(e, r, "opening for writing") : 0;
}

/* `> f; cat x >> f`, or truncate(2) before open(2): what was emptied is empty for the next writer, though it is still
 * in the table. */
static bool was_emptied(struct fs *fs, struct node *n) {
        bool emptied;

        mutex_lock(&fs->nodes.lock);
        emptied = n->emptied_ns && clock_now_ns() < n->emptied_ns + fs->o.grace_ns;
        mutex_unlock(&fs->nodes.lock);
        return emptied;
}

void note_emptied(struct fs *fs, struct draft *d) {
        bool emptied;

        mutex_lock(&d->lock);
        emptied = d->truncated && !d->dirty && d->text.n + d->streamed == 0 && !d->lost;
        mutex_unlock(&d->lock);
        mutex_lock(&fs->nodes.lock);
        d->node->emptied_ns = emptied ? clock_now_ns() : 0;
        mutex_unlock(&fs->nodes.lock);
}

static int prepare(struct fs *fs, struct op_ctx *ctx, struct draft *d, int flags, bool create, struct error *e) {
        _cleanup_(place_deinit) struct place p = { 0 };
        int r = place_of(fs, ctx, d->node, &p, e);

        if (r)
                return r;
        r = p.kind == NODE_ATTR ? attr_writable(&p, e) : 0;
        if (r)
                return r;
        if (p.kind != NODE_ITEM && p.kind != NODE_ATTR && !(flags & O_TRUNC)) /* renamed to a scratch name this very moment */
                return fs_no_item(e);
        r = fs_busy_begin(fs, ctx, &d->busy, e);
        if (r)
                return r;
        if (create) {
                r = base_from_away(fs, ctx, d, place_file_id(&p), e);
        } else if ((flags & O_TRUNC) || was_emptied(fs, d->node)) {
                empty_text(d);
                served_before(fs, ctx, d, &p);
        } else {
                r = load_text(fs, ctx, d, &p, (flags & O_ACCMODE) == O_RDWR, e);
        }
        fs_busy_end(fs, &d->busy);
        return r;
}

/* One more user of the node's draft, who closes it again; NULL: there is none. */
static struct draft *draft_use(struct fs *fs, struct node *n) {
        struct draft *d;

        mutex_lock(&fs->nodes.lock);
        d = n->draft;
        if (d)
                d->writers++;
        mutex_unlock(&fs->nodes.lock);
        return d;
}

/* An attribute that another writer has emptied and not written is emptied once more: only the last one saves that.  If
 * it is just being saved, that comes first. */
static int supersede_emptied(struct fs *fs, struct op_ctx *ctx, struct node *n, struct error *e) {
        struct draft *d = draft_use(fs, n);
        int r;

        if (!d)
                return 0;
        r = fs_busy_begin(fs, ctx, &d->busy, e);
        if (r == 0) {
                mutex_lock(&d->lock);
                if (!d->created && !d->dirty && d->text.n + d->streamed == 0)
                        d->truncated = false;
                mutex_unlock(&d->lock);
                fs_busy_end(fs, &d->busy);
        }
        draft_close(fs, ctx, d);
        return r;
}

int draft_open(struct fs *fs, struct op_ctx *ctx, struct node *n, int flags, bool create, struct draft **ret,
               struct error *e) {
        struct draft *d;
        int r = 0;

        if (n->kind == NODE_ATTR && ((flags & O_TRUNC) || was_emptied(fs, n)))
                r = supersede_emptied(fs, ctx, n, e);
        if (r)
                return r;
        d = draft_join(fs, ctx, n, create, flags);
        if (!d)
                return error_set(e, ERR_MEMORY, "out of memory");
        r = prepare(fs, ctx, d, flags, create, e);
        if (r && create) { /* nobody has it open: it is not to be made either */
                mutex_lock(&d->lock);
                d->created = false;
                mutex_unlock(&d->lock);
        }
        if (r)
                draft_close(fs, ctx, d);
        else
                *ret = d;
        return r;
}

/* Made where an item was renamed away, and never written to: that one stays as it was, like one truncated. */
static void come_back(struct fs *fs, struct op_ctx *ctx, struct draft *d) {
        _cleanup_(place_deinit) struct place p = { 0 };
        struct error e = { 0 };

        if (place_of(fs, ctx, d->node, &p, &e) == 0)
                away_refused(fs, place_file_id(&p));
}

/* Unlinked before it was saved: what was renamed away goes on being away. */
static void not_written(struct fs *fs, struct op_ctx *ctx, struct draft *d) {
        _cleanup_(place_deinit) struct place p = { 0 };
        struct error e = { 0 };

        if (place_of(fs, ctx, d->node, &p, &e) == 0)
                away_unchanged(fs, place_file_id(&p));
}

/* Before the last writer goes: a new file never written to becomes an item of only its key. */
static void draft_finish(struct fs *fs, struct op_ctx *ctx, struct draft *d) {
        struct error e = { 0 };
        bool touch, dirty, gone, replaces, created;
        int r;

        mutex_lock(&fs->nodes.lock);
        gone = d->node->detached;
        mutex_unlock(&fs->nodes.lock);
        mutex_lock(&d->lock);
        touch = !d->dirty && d->text.n + d->streamed == 0 && !d->lost && (d->created || (d->truncated && d->node->kind == NODE_ATTR));
        dirty = d->text.n + d->streamed > 0 && unsaved(d);
        created = d->created;
        replaces = created && d->bases.n > 0;
        mutex_unlock(&d->lock);
        if (gone && replaces)
                not_written(fs, ctx, d);
        if (gone || (!touch && !dirty))
                return;
        if (touch && replaces) {
                come_back(fs, ctx, d);
                return;
        }
        r = draft_commit(fs, ctx, d, touch, &e);
        (void)fs_done(fs, ctx, d->node, STR_NULL, r, &e);
}

/* Another writer's draft of the same node; open_lock is held. */
static struct draft *other_draft(struct fs *fs, const struct draft *than) {
        LIST_FOR_EACH(l, &fs->drafts) {
                struct draft *d = CONTAINER_OF(l, struct draft, all);

                if (d != than && d->node == than->node && d->writers > 0)
                        return d;
        }
        return NULL;
}

/* Are the kernel's attributes from before what was written last?  It was told at the commit; but another writer may
 * have been given some by then that reach it later. */
static bool attr_outlived(struct draft *d) {
        bool told;

        mutex_lock(&d->lock);
        told = d->told && d->told_edits == d->edits;
        mutex_unlock(&d->lock);
        return !told || d->joined; /* nobody joins any more */
}

void draft_close(struct fs *fs, struct op_ctx *ctx, struct draft *d) {
        bool last;

        mutex_lock(&fs->nodes.lock);
        last = d->writers == 1;
        mutex_unlock(&fs->nodes.lock);
        if (last) {
                draft_finish(fs, ctx, d);
                note_emptied(fs, d);
        }
        mutex_lock(&fs->open_lock);
        mutex_lock(&fs->nodes.lock);
        last = --d->writers == 0;
        if (last && d->node->draft == d)
                d->node->draft = other_draft(fs, d);
        mutex_unlock(&fs->nodes.lock);
        mutex_unlock(&fs->open_lock);
        if (!last)
                return;
        if (fs->notify.attr && attr_outlived(d))
                fs->notify.attr(fs->notify.arg, d->node->id);
        draft_free(fs, d);
}

int draft_write(struct draft *d, uint64_t offset, bool append, struct str data, struct error *e) {
        int r = 0;

        mutex_lock(&d->lock);
        if (append)
                offset = d->text.n;
        if (offset > ITEM_TEXT_MAX || data.n > ITEM_TEXT_MAX - offset) {
                r = error_set(e, ERR_TOO_LARGE, "the text of an item is at most %zu bytes", (size_t)ITEM_TEXT_MAX);
        } else {
                if (offset > d->text.n)
                        buf_fill(&d->text, '\0', offset - d->text.n);
                if (offset + data.n > d->text.n)
                        (void)buf_reserve(&d->text, offset + data.n - d->text.n);
                r = buf_status(&d->text);
                if (r == 0) {
                        memcpy(d->text.p + offset, data.p, data.n);
                        if (offset + data.n > d->text.n)
                                buf_commit(&d->text, offset + data.n - d->text.n);
                        d->dirty = true;
                        d->edits++;
                        d->mtime_ns = clock_wall_ns();
                } else {
                        r = error_set_errno(e, r, "writing");
                }
        }
        mutex_unlock(&d->lock);
        return r;
}

int draft_truncate(struct fs *fs, struct op_ctx *ctx, struct draft *d, uint64_t size, struct error *e) {
        uint64_t streamed;
        int r = 0;

        mutex_lock(&d->lock);
        streamed = d->streamed;
        mutex_unlock(&d->lock);
        if (streamed > 0 && size > 0)
                return size == streamed ? 0 : draft_not_at_its_end(e);
        if (size > ITEM_TEXT_MAX)
                return error_set(e, ERR_TOO_LARGE, "the text of an item is at most %zu bytes", (size_t)ITEM_TEXT_MAX);
        if (size == 0)
                return prepare(fs, ctx, d, O_TRUNC, false, e);
        mutex_lock(&d->lock);
        if (size != d->text.n) {
                if (size < d->text.n)
                        buf_truncate(&d->text, size);
                else
                        buf_fill(&d->text, '\0', size - d->text.n);
                r = buf_status(&d->text);
                d->dirty = true;
                d->edits++;
                d->mtime_ns = clock_wall_ns();
        }
        mutex_unlock(&d->lock);
        return r ? error_set_errno(e, r, "truncating") : 0;
}

/* Look at the node's draft without being one of its writers. */
static bool draft_peek(struct fs *fs, struct node *n, uint64_t *size, uint64_t *mtime_ns, bool *created) {
        struct draft *d;
        bool shows = false;

        mutex_lock(&fs->nodes.lock);
        d = n->draft;
        if (d) {
                mutex_lock(&d->lock);
                shows = d->created; /* others see the committed text, and its size */
                *created = d->created;
                *size = d->text.n + d->streamed;
                *mtime_ns = d->mtime_ns;
                mutex_unlock(&d->lock);
        }
        mutex_unlock(&fs->nodes.lock);
        return shows;
}

bool draft_stat(struct fs *fs, struct node *n, uint64_t *ret_size, uint64_t *ret_mtime_ns) {
        bool created;

        return draft_peek(fs, n, ret_size, ret_mtime_ns, &created);
}

bool draft_emptied(struct fs *fs, struct node *n) {
        bool emptied = false;

        mutex_lock(&fs->nodes.lock);
        if (n->draft) {
                mutex_lock(&n->draft->lock);
                emptied = n->draft->truncated && !n->draft->dirty && !n->draft->lost && n->draft->text.n + n->draft->streamed == 0;
                mutex_unlock(&n->draft->lock);
        }
        mutex_unlock(&fs->nodes.lock);
        return emptied;
}

bool draft_is_new(struct fs *fs, struct node *n) {
        uint64_t size, mtime;
        bool created = false;

        return draft_peek(fs, n, &size, &mtime, &created) && created;
}

int draft_save_new(struct fs *fs, struct op_ctx *ctx, struct node *n, struct error *e) {
        struct draft *d = draft_use(fs, n);
        bool untouched;
        int r;

        if (!d)
                return 0;
        mutex_lock(&d->lock);
        untouched = !d->dirty;
        mutex_unlock(&d->lock);
        r = draft_commit(fs, ctx, d, untouched, e);
        draft_close(fs, ctx, d);
        return r;
}

int draft_drop_new(struct fs *fs, struct op_ctx *ctx, struct node *n, bool *ret, struct error *e) {
        struct draft *d = draft_use(fs, n);
        int r;

        *ret = false;
        if (!d)
                return 0;
        r = fs_busy_begin(fs, ctx, &d->busy, e); /* it may just be being saved */
        if (r == 0) {
                mutex_lock(&d->lock);
                *ret = d->created;
                mutex_unlock(&d->lock);
                if (*ret)
                        node_detach(fs, n);
                fs_busy_end(fs, &d->busy);
        }
        draft_close(fs, ctx, d);
        return r;
}

int draft_new_names(struct fs *fs, struct node *dir, struct names *ret) {
        int r = 0;

        mutex_lock(&fs->open_lock);
        LIST_FOR_EACH(l, &fs->drafts) {
                struct draft *d = CONTAINER_OF(l, struct draft, all);
                bool wanted;

                mutex_lock(&d->lock);
                wanted = d->created;
                mutex_unlock(&d->lock);
                mutex_lock(&fs->nodes.lock);
                if (r == 0 && wanted && d->node->parent == dir && !d->node->detached)
                        r = fs_names_add(ret, str_make(d->node->name, d->node->name_n));
                mutex_unlock(&fs->nodes.lock);
        }
        mutex_unlock(&fs->open_lock);
        return r;
}
