/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open files.  A reader of an item reads one version from open to close; a writer writes into the item's draft,
 * which is committed at flush and fsync.
 *
 * The page cache of an inode is shared by its readers, so they use it only while all of them read the same
 * version (node.page_hash); a reader of another version reads past it (direct I/O), and writers always do.
 *
 * The first reader of a small file finds it in the page cache: given to the kernel before open is answered, it costs
 * no READ, nor the GETATTR that follows one (for the time of access).
 */
#include <unistd.h>
#include "fs_internal.h"
#include "saves_internal.h"
#include "ddbfs/base/clock.h"

#define NEW_VALID_NS NS_PER_S /* of attributes; the kernel is told when the file is saved or closed */

#define TELLING_NS NS_PER_S /* an answer with attributes has reached the kernel by then */
#define STORE_MAX (128 * KIB)

/* The kernel has no pages of it and knows its size, without which it would take the last page for a part of one. */
static bool may_store(struct fs *fs, const struct fs_file *f, bool told) {
        return fs->notify.store && told && f->node->page_hash == 0 && f->node->n_cached == 0 &&
               !f->large && f->snapshot->n > 0 && f->snapshot->n <= STORE_MAX;
}

/* Decide how this reader shares the page cache; whether the kernel's attributes are of another version, or else
 * *ret_store: it is to be given the content. */
static bool share_pages(struct fs *fs, struct fs_file *f, struct fs_opened *ret, bool *ret_store) {
        uint64_t hash = f->snapshot->hash;
        struct node *n = f->node;
        bool other_attr, told;

        mutex_lock(&fs->nodes.lock);
        told = n->told_hash == hash &&
               !(n->told_changed_ns && clock_now_ns() - n->told_changed_ns < TELLING_NS);
        if (n->draft || (n->n_cached > 0 && n->page_hash != hash)) {
                ret->direct_io = true;
        } else {
                *ret_store = may_store(fs, f, told);
                ret->keep_cache = n->page_hash == hash || *ret_store;
                n->page_hash = hash;
                n->page_size = f->large ? f->large_size : f->snapshot->n;
                n->n_cached++;
                f->cached = true;
        }
        other_attr = f->cached && !told;
        if (f->cached)
                n->told_hash = hash;
        mutex_unlock(&fs->nodes.lock);
        return other_attr;
}

int file_serve(struct fs *fs, struct op_ctx *ctx, struct fs_file *f, struct str id, struct fs_opened *ret) {
        bool store = false;

        serve(fs, program_of(fs, ctx), id, f->snapshot);
        ret->no_flush = true;
        if (share_pages(fs, f, ret, &store) && fs->notify.attr)
                fs->notify.attr(fs->notify.arg, f->node->id);
        if (store)
                fs->notify.store(fs->notify.arg, f->node->id, str_make(f->snapshot->text, f->snapshot->n));
        return 0;
}

static int open_reader(struct fs *fs, struct op_ctx *ctx, struct fs_file *f, struct fs_opened *ret, struct error *e) {
        _cleanup_(place_deinit) struct place p = { 0 };
        int r = place_of(fs, ctx, f->node, &p, e);

        if (r)
                return r;
        r = item_load(fs, ctx, &p, fs->o.cache_ttl_ns, false, &f->snapshot, e);
        if (r == -ENOENT && draft_is_new(fs, f->node)) { /* another program is just making it */
                r = snapshot_new(STR_NULL, &f->snapshot);
                ret->direct_io = true;
                return r ? error_set_errno(e, r, "opening") : 0;
        }
        return r ? r : file_serve(fs, ctx, f, buf_view(&p.id), ret);
}

void file_free(struct fs *fs, struct fs_file *f) {
        import_free(f->import); /* first: its last words are of the node */
        mutex_lock(&fs->open_lock);
        list_remove(&f->all);
        mutex_unlock(&fs->open_lock);
        if (f->cached) {
                mutex_lock(&fs->nodes.lock);
                f->node->n_cached--;
                mutex_unlock(&fs->nodes.lock);
        }
        attr_large_close(fs, f);
        snapshot_unref(f->snapshot);
        buf_deinit(&f->content);
        export_free(f->export);
        node_put(fs, f->node);
        mem_free(f);
}

void files_free(struct fs *fs) {
        while (!list_is_empty(&fs->files)) {
                struct fs_file *f = CONTAINER_OF(fs->files.next, struct fs_file, all);

                if (f->fd >= 0)
                        close(f->fd);
                file_free(fs, f);
        }
}

struct fs_file *file_new(struct fs *fs, struct node *n, int flags, const struct file_ops *ops) {
        struct fs_file *f = mem_zalloc(sizeof(*f));

        if (f) {
                f->ops = ops;
                f->node = node_ref(fs, n);
                f->flags = flags;
                f->fd = -1;
                mutex_lock(&fs->open_lock);
                list_append(&fs->files, &f->all);
                mutex_unlock(&fs->open_lock);
                f->content = BUF_INIT(CONTROL_TEXT_MAX);
        }
        return f;
}

int item_open(struct fs *fs, struct op_ctx *ctx, struct node *n, int flags, bool create, struct fs_opened *ret,
              struct error *e) {
        struct fs_file *f = file_new(fs, n, flags, &item_file_ops);
        int r;

        if (!f)
                return error_set(e, ERR_MEMORY, "out of memory");
        if ((flags & O_ACCMODE) == O_RDONLY && !create && !(flags & O_TRUNC)) {
                r = open_reader(fs, ctx, f, ret, e);
        } else {
                ret->direct_io = true;
                r = draft_open(fs, ctx, n, flags, create, &f->draft, e);
        }
        if (r)
                file_free(fs, f);
        else
                ret->file = f;
        return r;
}

/* ---- operations of an open item ---- */

static int read_draft(struct draft *d, uint64_t offset, size_t n, struct str *ret, struct fs_hold *ret_hold, struct error *e) {
        struct snapshot *copy = NULL;
        int r = 0;

        *ret = STR_NULL;
        mutex_lock(&d->lock);
        if (d->streamed > 0)
                r = -EOPNOTSUPP;
        else if (offset < d->text.n)
                r = snapshot_new(str_make(d->text.p + offset, MIN(n, d->text.n - offset)), &copy);
        mutex_unlock(&d->lock);
        if (copy)
                *ret = str_make(copy->text, copy->n);
        *ret_hold = hold_snapshot(copy);
        return r ? error_set_errno(e, r, "reading") : 0;
}

int file_read_text(struct fs *fs, struct op_ctx *ctx, struct fs_file *f, uint64_t offset, size_t n, struct str *ret,
                     struct fs_hold *ret_hold, struct error *e) {
        (void)fs;
        (void)ctx;
        if (f->draft)
                return read_draft(f->draft, offset, n, ret, ret_hold, e);
        if (f->large)
                return attr_large_read(fs, ctx, f, offset, n, ret, ret_hold, e);
        *ret = STR_NULL;
        if (offset < f->snapshot->n)
                *ret = str_make(f->snapshot->text + offset, MIN(n, f->snapshot->n - offset));
        *ret_hold = hold_snapshot(snapshot_ref(f->snapshot)); /* the file may be closed as soon as the kernel has the answer */
        return 0;
}

int file_write_text(struct fs *fs, struct op_ctx *ctx, struct fs_file *f, uint64_t offset, struct str data,
                      struct error *e) {
        (void)fs;
        (void)ctx;
        if (!f->draft)
                return error_set_errno(e, -EBADF, "not open for writing");
        return f->node->kind == NODE_ATTR ? draft_write_attr(fs, ctx, f->draft, offset, f->flags & O_APPEND, data, e)
                                          : draft_write(f->draft, offset, f->flags & O_APPEND, data, e);
}

int file_commit_text(struct fs *fs, struct op_ctx *ctx, struct fs_file *f, struct error *e) {
        int r = f->draft ? draft_check_killed(fs, ctx, f->draft, e) : 0;

        if (r == 0 && f->draft)
                r = draft_commit(fs, ctx, f->draft, false, e);
        if (f->draft && r == 0)
                note_emptied(fs, f->draft);
        return r;
}

/* In the table, not in the journal only; and how that ended. */
static int item_sync(struct fs *fs, struct op_ctx *ctx, struct fs_file *f, struct error *e) {
        _cleanup_(place_deinit) struct place p = { 0 };
        uint64_t seq;
        int r;

        if (!f->draft || !fs->saves)
                return 0;
        mutex_lock(&f->draft->lock);
        seq = f->draft->saved_seq;
        mutex_unlock(&f->draft->lock);
        r = place_of(fs, ctx, f->node, &p, e);
        return r ? r : saves_wait(fs, ctx, p.table, p.kind == NODE_ITEM ? &p.key : NULL, seq, e);
}

void file_release_text(struct fs *fs, struct op_ctx *ctx, struct fs_file *f) {
        if (f->draft)
                draft_close(fs, ctx, f->draft);
        file_free(fs, f);
}

static void control_release(struct fs *fs, struct op_ctx *ctx, struct fs_file *f) {
        (void)ctx;
        file_free(fs, f);
}

static int content_read(struct fs *fs, struct op_ctx *ctx, struct fs_file *f, uint64_t offset, size_t n,
                        struct str *ret, struct fs_hold *ret_hold, struct error *e) {
        struct snapshot *copy = NULL;
        int r = 0;

        (void)fs;
        (void)ctx;
        *ret = STR_NULL;
        if (offset < f->content.n)
                r = snapshot_new(str_make(f->content.p + offset, MIN(n, f->content.n - offset)), &copy);
        if (copy)
                *ret = str_make(copy->text, copy->n);
        *ret_hold = hold_snapshot(copy);
        return r ? error_set_errno(e, r, "reading") : 0;
}

const struct file_ops item_file_ops = { file_read_text, file_write_text, file_commit_text, item_sync, file_release_text, false };
const struct file_ops control_file_ops = { content_read, control_write, NULL, NULL, control_release, false };

/* ---- the interface ---- */

static int open_node(struct fs *fs, struct op_ctx *ctx, struct node *n, int flags, struct fs_opened *ret,
                     struct error *e) {
        bool writing = (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC);

        if (n->kind == NODE_CONTROL_FILE)
                return control_open(fs, n, flags, ret, e);
        if (n->kind == NODE_IMPORT)
                return import_open(fs, ctx, n, flags, ret, e);
        if (writing && node_of_index(n))
                return error_set(e, ERR_READ_ONLY, "views are for reading");
        if (n->kind == NODE_EXPORT)
                return export_open(fs, ctx, n, ret, e);
        if (n->kind == NODE_INFO)
                return info_open(fs, ctx, n, ret, e);
        if (n->kind == NODE_LOCAL && !(writing && fs->o.read_only))
                return local_open(fs, n, flags, ret, e);
        if (n->kind != NODE_ITEM && n->kind != NODE_LOCAL && n->kind != NODE_VIEW_ITEM && n->kind != NODE_ATTR)
                return error_set_errno(e, -EISDIR, "a directory");
        if (writing && fs->o.read_only)
                return error_set(e, ERR_READ_ONLY, "mounted read-only");
        return n->kind == NODE_ATTR ? attr_open(fs, ctx, n, flags, false, ret, e) : item_open(fs, ctx, n, flags, false, ret, e);
}

int fs_open(struct fs *fs, struct op_ctx *ctx, uint64_t node, int flags, struct fs_opened *ret) {
        _cleanup_(held_put) struct held h = { .fs = fs, .n = node_get(fs, node) };
        struct error e = { 0 };

        *ret = (struct fs_opened){ .file = NULL };
        if (!h.n)
                return -ESTALE;
        return fs_done(fs, ctx, h.n, STR_NULL, open_node(fs, ctx, h.n, flags, ret, &e), &e);
}

/* What may be created below a directory: items, by the name of their key, and scratch files. */
static int creatable(struct fs *fs, struct op_ctx *ctx, struct node *dir, struct str name, struct child *c,
                     struct error *e) {
        int r;

        if (fs->o.read_only)
                return error_set(e, ERR_READ_ONLY, "mounted read-only");
        if (dir->kind == NODE_ROOT || dir->kind == NODE_CONTROL)
                return error_set(e, ERR_PERMISSION, "files are made in tables");
        r = place_child(fs, ctx, dir, name, c, e);
        if (node_in_item(dir) && dir->control)
                return error_set(e, ERR_READ_ONLY, "an index is for reading");
        if (r == -ENOENT && e->kind == ERR_NO_ITEM)
                return error_set(e, ERR_INPUT, node_in_item(dir) ? "not the name of an attribute, encoded" : "not the name of an item: its key, encoded, and \".json\"");
        if (r == 0 && c->kind == NODE_LOCAL && !local_in_spool(fs, dir))
                return error_set(e, ERR_PERMISSION, "the rejected folder is for reading and deleting");
        if (r == 0 && c->kind == NODE_ATTR)
                return attr_writable(&c->place, e);
        if (r == 0 && c->kind != NODE_ITEM && c->kind != NODE_LOCAL)
                return error_set(e, ERR_INPUT, "this table has a sort key: items are made in the directory of their partition");
        return r;
}

/* A new open item or scratch file; *ret_node is a reference. */
static int create(struct fs *fs, struct op_ctx *ctx, struct node *dir, struct str name, int flags, struct node **ret_node,
                  struct fs_opened *ret, struct error *e) {
        _cleanup_(child_deinit) struct child c = { 0 };
        int fd = -1, r = creatable(fs, ctx, dir, name, &c, e);

        if (r == 0 && c.kind == NODE_LOCAL)
                r = local_create(fs, dir, name, flags, &fd, e);
        if (r)
                return r;
        r = node_child(fs, dir, name, c.kind, c.level, ret_node);
        if (r && fd >= 0)
                close(fd);
        if (r)
                return error_set_errno(e, r, "creating");
        if (c.kind == NODE_LOCAL)
                return local_opened(fs, *ret_node, flags, fd, ret, e);
        if ((flags & O_EXCL) && draft_is_new(fs, *ret_node))
                return error_set(e, ERR_EXISTS, "it is just being made");
        return c.kind == NODE_ATTR ? attr_open(fs, ctx, *ret_node, flags, true, ret, e)
                                   : item_open(fs, ctx, *ret_node, flags, true, ret, e);
}

/* A new item's are this mount's alone until it is saved, so nobody need ask for them again (`cp` does, twice a file).
 * But it may never be: its name is asked for again after a refused save.  Scratch files are nobody else's. */
static void created_entry(struct fs *fs, const struct fs_file *f, struct fs_entry *ret) {
        struct node *n = f->node;
        uint64_t size, mtime_ns;
        struct error ignored;

        ret->node = n->id;
        ret->valid_ns = 0;
        if (f->ops == &local_file_ops && local_file_attr(fs, f, &ret->attr, &ignored) == 0)
                ret->valid_ns = ret->attr.valid_ns;
        else if (n->kind == NODE_ITEM && fs->notify.attr && draft_stat(fs, n, &size, &mtime_ns))
                attr_file(fs, node_ino_now(fs, n), size, mtime_ns, NEW_VALID_NS, &ret->attr);
        else
                attr_file(fs, node_ino_now(fs, n), 0, fs->started_wall_ns, 0, &ret->attr);
}

int fs_create(struct fs *fs, struct op_ctx *ctx, uint64_t parent, struct str name, int flags, struct fs_entry *ret,
              struct fs_opened *ret_opened) {
        _cleanup_(held_put) struct held dir = { .fs = fs, .n = node_get(fs, parent) };
        _cleanup_(held_put) struct held h = { .fs = fs };
        struct error e = { 0 };
        int r;

        *ret_opened = (struct fs_opened){ .file = NULL };
        if (!dir.n)
                return -ESTALE;
        r = view_write(fs, ctx, &dir, name, &e);
        if (r == 0)
                r = create(fs, ctx, dir.n, name, flags, &h.n, ret_opened, &e);
        if (r == 0) {
                created_entry(fs, ret_opened->file, ret);
                if (dir.n->id != parent) /* of a range: asked for again, as another directory's */
                        ret->valid_ns = 0;
                node_add_lookup(fs, h.n);
                view_wrote(fs, parent, dir.n, name);
        }
        return fs_done(fs, ctx, dir.n, name, r, &e);
}

static void unref_held(void *of) {
        snapshot_unref(of);
}

struct fs_hold hold_snapshot(struct snapshot *s) {
        return (struct fs_hold){ .of = s, .done = unref_held };
}

int fs_read(struct fs *fs, struct op_ctx *ctx, struct fs_file *f, uint64_t offset, size_t n, struct str *ret,
            struct fs_hold *ret_hold) {
        struct error e = { 0 };

        *ret_hold = (struct fs_hold){ .of = NULL };
        return fs_done(fs, ctx, f->node, STR_NULL, f->ops->read(fs, ctx, f, offset, n, ret, ret_hold, &e), &e);
}

void fs_read_done(struct fs_hold hold) {
        if (hold.of)
                hold.done(hold.of);
}

int fs_write(struct fs *fs, struct op_ctx *ctx, struct fs_file *f, uint64_t offset, struct str data) {
        struct error e = { 0 };

        return fs_done(fs, ctx, f->node, STR_NULL, f->ops->write(fs, ctx, f, offset, data, &e), &e);
}

int fs_flush(struct fs *fs, struct op_ctx *ctx, struct fs_file *f) {
        struct error e = { 0 };

        return fs_done(fs, ctx, f->node, STR_NULL, f->ops->commit ? f->ops->commit(fs, ctx, f, &e) : 0, &e);
}

int fs_fsync(struct fs *fs, struct op_ctx *ctx, struct fs_file *f) {
        struct error e = { 0 };
        int r = f->ops->sync_alone ? 0 : fs_flush(fs, ctx, f);

        return r || !f->ops->sync ? r : fs_done(fs, ctx, f->node, STR_NULL, f->ops->sync(fs, ctx, f, &e), &e);
}

void fs_release(struct fs *fs, struct op_ctx *ctx, struct fs_file *f) {
        f->ops->release(fs, ctx, f);
}

/* truncate(2) by path: commits at once, except to nothing, which waits for something to be written. */
static int truncate_path(struct fs *fs, struct op_ctx *ctx, struct node *n, uint64_t size, struct error *e) {
        struct draft *d;
        int r = draft_open(fs, ctx, n, O_WRONLY, false, &d, e);

        if (r)
                return r;
        r = draft_truncate(fs, ctx, d, size, e);
        if (r == 0)
                r = draft_commit(fs, ctx, d, size == 0 && n->kind == NODE_ATTR, e);
        draft_close(fs, ctx, d);
        return r;
}

int fs_setattr(struct fs *fs, struct op_ctx *ctx, uint64_t node, struct fs_file *f, const uint64_t *size,
               struct fs_attr *ret) {
        _cleanup_(held_put) struct held h = { .fs = fs, .n = node_get(fs, node) };
        struct error e = { 0 };
        int r = 0;

        if (!h.n)
                return -ESTALE;
        if (size && (fs->o.read_only || (node_of_index(h.n) && h.n->kind != NODE_IMPORT)))
                r = error_set(&e, ERR_READ_ONLY, node_of_index(h.n) ? "views are for reading" : "mounted read-only");
        else if (size && h.n->kind == NODE_CONTROL_FILE && !control_writable(h.n->control))
                r = error_set_errno(&e, -EACCES, "this control file is for reading");
        else if (size && (h.n->kind == NODE_ITEM || h.n->kind == NODE_ATTR || (f && f->draft)))
                r = f && f->draft ? draft_truncate(fs, ctx, f->draft, *size, &e) : truncate_path(fs, ctx, h.n, *size, &e);
        else if (size && h.n->kind == NODE_LOCAL)
                r = local_truncate(fs, h.n, f, *size, &e);
        if (r == 0)
                r = node_attr(fs, ctx, h.n, ret, &e);
        if (r == 0 && size && f && f->draft) { /* the writer's own view */
                mutex_lock(&f->draft->lock);
                ret->size = f->draft->text.n + f->draft->streamed;
                mutex_unlock(&f->draft->lock);
                ret->valid_ns = 0;
        }
        return fs_done(fs, ctx, h.n, STR_NULL, r, &e);
}
