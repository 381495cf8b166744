/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open directories: a cursor over pages.  Only one page is held, whatever the size of the directory; the
 * offset of an entry is its ordinal, and where each page began is remembered (a key of a few bytes per
 * megabyte), so that rewinding and seeking work.
 *
 * offset 0 is ".", 1 "..", k + 2 entry number k; entries of this mount alone (a partition just made, a
 * file not saved yet) come after those of the table.
 */
#include "fs_internal.h"
#include "saves_internal.h"
#include "ddbfs/base/clock.h"

#define PAGE_NAMES_MAX (256 * MIB)
#define DIR_ARENA_MAX (256 * MIB)
#define FIRST_OFFSET 2
#define NAME_N_MAX 0xFFF /* in a struct dir_entry; a component is shorter by far */

int dir_page_add(struct dir_page *p, struct str name, const struct dir_entry *e) {
        struct dir_entry *entries;

        if (name.n > NAME_N_MAX)
                return -ENAMETOOLONG;
        if (p->n == p->cap) {
                uint32_t cap = p->cap ? 2 * p->cap : 64;

                entries = mem_realloc(p->entries, cap * sizeof(*entries));
                if (!entries)
                        return -ENOMEM;
                p->entries = entries;
                p->cap = cap;
        }
        p->entries[p->n] = *e;
        p->entries[p->n].name_at = (uint32_t)p->names.n;
        p->entries[p->n].name_n = (uint32_t)name.n & NAME_N_MAX;
        buf_str(&p->names, name);
        if (buf_status(&p->names))
                return buf_status(&p->names);
        p->n++;
        return 0;
}

int dir_page_append(struct dir_page *to, const struct dir_page *from) {
        int r = 0;

        for (uint32_t i = 0; r == 0 && i < from->n; i++)
                r = dir_page_add(to, str_make(from->names.p + from->entries[i].name_at, from->entries[i].name_n), &from->entries[i]);
        return r;
}

void dir_page_trim(struct dir_page *p) {
        struct dir_entry *entries = p->n ? mem_realloc(p->entries, p->n * sizeof(*entries)) : NULL;
        char *names;

        if (entries) {
                p->entries = entries;
                p->cap = p->n;
        }
        names = p->names.p ? mem_realloc(p->names.p, p->names.n + 1) : NULL;
        if (names) {
                p->names.p = names;
                p->names.cap = p->names.n;
        }
}

void dir_page_deinit(struct dir_page *p) {
        buf_deinit(&p->names);
        p->entries = mem_free(p->entries);
        p->n = p->cap = 0;
}

static struct str entry_name(const struct dir_page *p, uint32_t i) {
        return str_make(p->names.p + p->entries[i].name_at, p->entries[i].name_n);
}

static void forget_pages(struct fs *fs, struct fs_dir *d) {
        struct hmap_walk w = { 0 };
        struct hmap_node *n;

        dir_ahead_drop(fs, d);
        dir_lanes_free(d);
        d->reads = 0;
        while ((n = hmap_walk_next(&d->seen, &w))) {
                hmap_remove(&d->seen, n);
                mem_free(CONTAINER_OF(n, struct dir_seen, node));
        }
        d->n_checkpoints = 0;
        d->page.n = 0;
        d->page.first = 0;
        d->page.next = NULL;
        d->page.loaded = d->page.last = false;
        arena_reset(&d->arena);
        for (uint32_t i = 0; d->overlay_seen && i < d->overlay.n; i++)
                d->overlay_seen[i] = false;
}

static void dir_free(struct fs *fs, struct fs_dir *d) {
        mutex_lock(&fs->open_lock);
        list_remove(&d->all);
        mutex_unlock(&fs->open_lock);
        forget_pages(fs, d);
        hmap_deinit(&d->seen);
        arena_deinit(&d->arena);
        dir_page_deinit(&d->page);
        dir_page_deinit(&d->ahead.page);
        dir_page_deinit(&d->collected);
        mem_free(d->checkpoints);
        mem_free(d->overlay_seen);
        names_deinit(&d->overlay);
        place_deinit(&d->place);
        node_put(fs, d->base);
        node_put(fs, d->node);
        mem_free(d);
}

struct fs_dir *dir_detached(struct place *p) {
        struct fs_dir *d = mem_zalloc(sizeof(*d));

        if (d) {
                list_init(&d->all);
                names_init(&d->overlay);
                d->place = *p;
                *p = (struct place){ .table = NULL };
        }
        return d;
}

void dir_detached_free(struct fs *fs, struct fs_dir *d) {
        dir_free(fs, d);
}

void dirs_free(struct fs *fs) {
        while (!list_is_empty(&fs->dirs))
                dir_free(fs, CONTAINER_OF(fs->dirs.next, struct fs_dir, all));
}

/* -o show=all: the names that are not listed otherwise.  Those of views only where they begin, so that a listing of
 * everything below ends; items' directories stand beside their items (dir_sources.c). */
static int add_unlisted(struct fs_dir *d) {
        struct str name;
        int r = 0;

        if (d->place.kind == NODE_ROOT)
                return fs_names_add(&d->overlay, STR(CONTROL_DIR));
        if (d->place.kind != NODE_TABLE && d->place.kind != NODE_PARTITION)
                return 0;
        for (size_t i = 0; r == 0 && view_step_at(i, d->place.kind == NODE_PARTITION, &name); i++)
                r = fs_names_add(&d->overlay, name);
        return r;
}

static int load_overlay(struct fs *fs, struct fs_dir *d) {
        int r = local_dir_names(fs, node_ino_now(fs, d->node), &d->overlay);
        bool of_index = d->place.view || d->node->control;

        if (r == 0 && !of_index)
                r = draft_new_names(fs, d->node, &d->overlay);
        if (r == 0 && d->place.table && !of_index && d->place.level == LEVEL_HASH && table_has_range(d->place.table))
                r = local_folder_names(fs, node_ino_now(fs, d->node), &d->overlay);
        if (r == 0 && d->place.table && !of_index && (d->place.level >= LEVEL_RANGE || !table_has_range(d->place.table)))
                r = local_names(fs, d->node, &d->overlay);
        if (r == 0 && fs->o.show == FS_SHOW_ALL)
                r = add_unlisted(d);
        if (r == 0) {
                d->overlay_seen = mem_calloc(d->overlay.n + 1, sizeof(bool));
                r = d->overlay_seen ? 0 : -ENOMEM;
        }
        return r;
}

bool dir_open_by(struct fs *fs, const struct node *n, struct program p) {
        bool found = false;

        mutex_lock(&fs->open_lock);
        LIST_FOR_EACH(l, &fs->dirs) {
                const struct fs_dir *d = CONTAINER_OF(l, struct fs_dir, all);

                found = found || (d->node == n && d->program.id == p.id);
        }
        mutex_unlock(&fs->open_lock);
        return found;
}

int fs_opendir(struct fs *fs, struct op_ctx *ctx, uint64_t node, struct fs_dir **ret) {
        _cleanup_(held_put) struct held h = { .fs = fs, .n = node_get(fs, node) };
        struct error e = { 0 };
        struct fs_dir *d;
        int r;

        if (!h.n)
                return -ESTALE;
        d = mem_zalloc(sizeof(*d));
        if (!d)
                return -ENOMEM;
        d->arena = ARENA_INIT(DIR_ARENA_MAX);
        d->page.names = d->ahead.page.names = BUF_INIT(PAGE_NAMES_MAX);
        names_init(&d->overlay);
        d->node = node_ref(fs, h.n);
        d->program = program_of(fs, ctx);
        mutex_lock(&fs->open_lock);
        list_append(&fs->dirs, &d->all);
        mutex_unlock(&fs->open_lock);
        r = place_of(fs, ctx, h.n, &d->place, &e);
        if (r == 0 && d->place.view && d->place.level != LEVEL_ATTR)
                r = view_base(fs, h.n, d->place.view, &d->base, &e);
        if (r == 0 && !d->base)
                d->base = node_ref(fs, h.n);
        if (r == 0)
                r = load_overlay(fs, d);
        if (r) {
                dir_free(fs, d);
                return fs_done(fs, ctx, h.n, STR_NULL, r, &e);
        }
        d->load = dir_source_of(&d->place);
        *ret = d;
        return 0;
}

int fs_fsyncdir(struct fs *fs, struct op_ctx *ctx, struct fs_dir *d) {
        struct error e = { 0 };
        int r = removals_wait(fs, ctx, &e);

        if (r == 0)
                r = removals_failed(fs, d->node, false, &e);
        if (r == 0)
                r = saves_wait(fs, ctx, NULL, NULL, 0, &e);
        return fs_done(fs, ctx, d->node, STR_NULL, r, &e);
}

void fs_releasedir(struct fs *fs, struct fs_dir *d) {
        dir_free(fs, d);
}

static int add_checkpoint(struct fs_dir *d, uint64_t first, const struct item *start) {
        struct dir_checkpoint *c;

        if (d->n_checkpoints > 0 && d->checkpoints[d->n_checkpoints - 1].first >= first && first > 0)
                return 0; /* re-read */
        if (d->n_checkpoints == d->cap_checkpoints) {
                uint32_t cap = d->cap_checkpoints ? 2 * d->cap_checkpoints : 16;

                c = mem_realloc(d->checkpoints, cap * sizeof(*c));
                if (!c)
                        return -ENOMEM;
                d->checkpoints = c;
                d->cap_checkpoints = cap;
        }
        if (first == 0)
                d->n_checkpoints = 0;
        d->checkpoints[d->n_checkpoints++] = (struct dir_checkpoint){ .first = first, .start = start };
        return 0;
}

static void mark_overlay(struct fs_dir *d) {
        for (uint32_t k = 0; k < d->overlay.n; k++)
                for (uint32_t i = 0; !d->overlay_seen[k] && i < d->page.n; i++)
                        d->overlay_seen[k] = str_eq(d->overlay.v[k], entry_name(&d->page, i));
}

/* From the store: the page that was fetched ahead, or by a request now. */
static int fetch_page(struct fs *fs, struct op_ctx *ctx, struct fs_dir *d, uint64_t first, const struct item *start,
                      struct error *e) {
        struct item *next = NULL;
        bool taken;
        int r = dir_ahead_take(fs, ctx, d, first, &taken, e);

        if (r || taken)
                return r;
        d->page.n = 0;
        buf_reset(&d->page.names);
        d->page.fetched_ns = clock_now_ns();
        r = d->load(fs, ctx, d, start, &d->page, &next, e);
        d->page.next = next;
        d->page.last = !next;
        d->page.loaded = r == 0;
        return r;
}

/* Replace the page by the one that begins at ordinal `first`, after key `start`. */
static int load_page(struct fs *fs, struct op_ctx *ctx, struct fs_dir *d, uint64_t first, const struct item *start,
                     struct error *e) {
        int r = add_checkpoint(d, first, start);

        if (r)
                return error_set_errno(e, r, "listing");
        d->page.n = 0;
        buf_reset(&d->page.names);
        d->page.first = first;
        d->page.loaded = false;
        r = first == 0 ? tour_visit(fs, ctx, d, e) : 0;
        if (r)
                return r;
        if (first == 0 && listing_get(fs, node_ino_now(fs, d->node), &d->place, &d->page)) {
                d->page.last = d->page.loaded = true;
                mark_overlay(d);
                return 0;
        }
        r = fetch_page(fs, ctx, d, first, start, e);
        if (r)
                return r;
        if (first == 0 && d->page.last)
                tour_listed(fs, ctx, d);
        mark_overlay(d);
        if (d->place.kind != NODE_LOCAL && d->place.kind != NODE_CONTROL && d->place.level != LEVEL_ATTR &&
            listing_collect(fs, &d->collected, &d->page))
                listing_put(fs, node_ino_now(fs, d->node), &d->collected);
        return 0;
}

/* Make the page hold the ordinal; past the end the page is the last one. */
static int seek_page(struct fs *fs, struct op_ctx *ctx, struct fs_dir *d, uint64_t ordinal, struct error *e) {
        int r = 0;

        if (!d->page.loaded || ordinal < d->page.first) {
                uint32_t i = d->n_checkpoints;

                while (i > 0 && d->checkpoints[i - 1].first > ordinal)
                        i--;
                r = i > 0 ? load_page(fs, ctx, d, d->checkpoints[i - 1].first, d->checkpoints[i - 1].start, e)
                          : load_page(fs, ctx, d, 0, NULL, e);
        }
        while (r == 0 && ordinal >= d->page.first + d->page.n && !d->page.last)
                r = load_page(fs, ctx, d, d->page.first + d->page.n, d->page.next, e);
        return r;
}

/* ---- filling the kernel's buffer ---- */

struct filler {
        struct fs *fs;
        struct op_ctx *ctx;
        struct fs_dir *d;
        bool plus;
        fs_fill fill;
        void *arg;
};

static bool fill_dot(struct filler *f, struct str name, uint64_t next) {
        struct fs_entry entry = { .node = 0 };

        attr_dir(f->fs, node_ino_now(f->fs, f->d->node), &entry.attr);
        return f->fill(f->arg, name, &entry, next);
}

/* An entry with a node of its own and a lookup count.  -ENOENT: it is gone meanwhile. */
static int plus_entry(struct filler *f, struct str name, const struct dir_entry *de, struct fs_entry *ret,
                      struct error *e) {
        _cleanup_(held_put) struct held h = { .fs = f->fs };
        bool changed = fs_wrote_since(f->fs, &f->d->place, f->d->page.fetched_ns);
        bool drafted;
        int r;

        r = node_child(f->fs, de->kind == NODE_ITEM || de->kind == NODE_ITEM_DIR ? f->d->base : f->d->node, name, de->kind, de->level, &h.n);
        if (r)
                return error_set_errno(e, r, "listing");
        mutex_lock(&f->fs->nodes.lock);
        if (h.n->control != de->control) /* once: it is read without the lock */
                h.n->control = de->control;
        drafted = h.n->draft != NULL;
        mutex_unlock(&f->fs->nodes.lock);
        if ((de->kind != NODE_ITEM && de->kind != NODE_VIEW_ITEM) || changed || drafted || de->size == SIZE_UNREAD) {
                r = entry_of(f->fs, f->ctx, h.n, ret, e);
                if (r && r != -ENOENT && de->size == SIZE_UNREAD) { /* its name is known all the same: who asks for more is told */
                        *ret = (struct fs_entry){ .node = 0, .attr = { .ino = node_ino_now(f->fs, h.n), .mode = S_IFREG } };
                        return 0;
                }
                return r;
        }
        attr_file(f->fs, node_ino_now(f->fs, h.n), de->size, de->mtime_ns, ttl_left(f->fs, f->d->page.fetched_ns), &ret->attr);
        attr_told(f->fs, h.n, de->hash, &ret->attr);
        if (de->kind == NODE_VIEW_ITEM)
                ret->attr.mode &= ~(mode_t)0222;
        ret->node = h.n->id;
        ret->valid_ns = ret->attr.valid_ns;
        node_add_lookup(f->fs, h.n);
        return 0;
}

static mode_t kind_mode(struct filler *f, struct str name, enum node_kind kind) {
        struct stat st;

        if (kind == NODE_LOCAL && local_stat(f->fs, f->d->node, name, &st) == 0)
                return st.st_mode & S_IFMT;
        return kind == NODE_ITEM || kind == NODE_LOCAL || kind == NODE_CONTROL_FILE || kind == NODE_VIEW_ITEM ||
                               kind == NODE_EXPORT || kind == NODE_INFO || kind == NODE_ATTR ||
                               kind == NODE_IMPORT
                       ? S_IFREG
                       : S_IFDIR;
}

/* *ret_more: the buffer has room for another. */
static int fill_entry(struct filler *f, struct str name, const struct dir_entry *de, uint64_t next, bool *ret_more,
                      struct error *e) {
        struct fs_entry entry = { .node = 0 };
        int r = 0;

        if (f->plus)
                r = plus_entry(f, name, de, &entry, e);
        if (r == -ENOENT)
                return 0;
        if (r)
                return r;
        if (f->d->base != f->d->node) /* the kernel forgets it in the items' own directory only */
                entry.valid_ns = 0;
        if (!f->plus) {
                entry.attr.ino = node_ino(node_ino_now(f->fs, de->kind == NODE_ITEM || de->kind == NODE_ITEM_DIR ? f->d->base : f->d->node), name);
                entry.attr.mode = kind_mode(f, name, de->kind);
        }
        *ret_more = f->fill(f->arg, name, &entry, next);
        if (!*ret_more && entry.node)
                node_forget(f->fs, entry.node, 1);
        return 0;
}

/* What a name of this mount alone is: a partition made here, or a file not saved yet. */
static struct dir_entry overlay_entry(struct fs_dir *d, struct str name) {
        struct dir_entry de = { .level = d->place.level, .kind = NODE_PARTITION };

        if (d->place.kind == NODE_ROOT)
                de.kind = NODE_CONTROL;
        else if ((d->place.kind == NODE_TABLE || d->place.kind == NODE_PARTITION) && view_step_name(name))
                de = (struct dir_entry){ .level = LEVEL_RANGE, .kind = NODE_VIEW };
        else if (d->place.level == LEVEL_ATTR)
                de.kind = attr_scratch_form(name) ? NODE_LOCAL : NODE_ATTR;
        else if (d->place.level == LEVEL_RANGE || (d->place.table && !table_has_range(d->place.table)))
                de.kind = NODE_ITEM;
        if (keyname_is_chain(name))
                de.kind = NODE_CHAIN;
        else if (de.kind == NODE_ITEM && local_name(name, d->place.kind == NODE_CHAIN))
                de.kind = NODE_LOCAL;
        return de;
}

static int fill_page(struct filler *f, uint64_t *pos, bool *more, struct error *e) {
        struct dir_page *p = &f->d->page;
        int r = 0;

        while (r == 0 && *more && *pos - FIRST_OFFSET < p->first + p->n) {
                uint32_t i = (uint32_t)(*pos - FIRST_OFFSET - p->first);

                r = fill_entry(f, entry_name(p, i), &p->entries[i], *pos + 1, more, e);
                if (r == 0 && *more)
                        (*pos)++;
        }
        return r;
}

static int fill_overlay(struct filler *f, uint64_t *pos, bool *more, struct error *e) {
        uint64_t base = FIRST_OFFSET + f->d->page.first + f->d->page.n;
        int r = 0;

        while (r == 0 && *more && *pos - base < f->d->overlay.n) {
                uint64_t k = *pos - base;
                struct dir_entry de = overlay_entry(f->d, f->d->overlay.v[k]);

                if (!f->d->overlay_seen[k])
                        r = fill_entry(f, f->d->overlay.v[k], &de, *pos + 1, more, e);
                if (r == 0 && *more)
                        (*pos)++;
        }
        return r;
}

static int fill_from(struct filler *f, uint64_t pos, uint64_t *ret_pos, struct error *e) {
        const uint64_t from = pos;
        bool more = true;
        int r = 0;

        if (pos == 0 && (more = fill_dot(f, STR("."), 1)))
                pos++;
        if (more && pos == 1 && (more = fill_dot(f, STR(".."), 2)))
                pos++;
        while (r == 0 && more && pos >= FIRST_OFFSET) {
                r = seek_page(f->fs, f->ctx, f->d, pos - FIRST_OFFSET, e);
                if (r == 0)
                        r = fill_page(f, &pos, &more, e);
                if (r == 0 && more && f->d->page.last) {
                        r = fill_overlay(f, &pos, &more, e);
                        break;
                }
                if (pos > MAX(from, FIRST_OFFSET)) /* names are shown as they come; each page has a call's time */
                        break;
        }
        *ret_pos = pos;
        return r;
}

int dir_load_first(struct fs *fs, struct op_ctx *ctx, struct fs_dir *d, struct error *e) {
        return seek_page(fs, ctx, d, 0, e);
}

int dir_is_empty(struct fs *fs, struct op_ctx *ctx, struct node *n, bool *ret, struct error *e) {
        struct fs_dir *d;
        int r = fs_opendir(fs, ctx, n->id, &d);

        if (r)
                return error_set_errno(e, r, "looking into the directory");
        r = seek_page(fs, ctx, d, 0, e);
        *ret = r == 0 && d->page.n == 0 && d->overlay.n == 0;
        fs_releasedir(fs, d);
        return r;
}

int fs_readdir(struct fs *fs, struct op_ctx *ctx, struct fs_dir *d, uint64_t offset, bool plus, fs_fill fill,
               void *arg) {
        struct filler f = { .fs = fs, .ctx = ctx, .d = d, .plus = plus, .fill = fill, .arg = arg };
        struct error e = { 0 };
        uint64_t pos = offset;
        int r = fs_busy_begin(fs, ctx, &d->busy, &e);

        if (r)
                return fs_done(fs, ctx, d->node, STR_NULL, r, &e);
        if (offset == 0 && d->page.loaded)
                forget_pages(fs, d); /* rewinddir: look again */
        if (offset == 0)
                d->pending = 0;
        if (d->pending) {
                r = d->pending;
                d->pending = 0;
                fs_busy_end(fs, &d->busy);
                return r;
        }
        d->reads++;
        r = fill_from(&f, offset, &pos, &e);
        if (r == 0) {
                dir_ahead_begin(fs, d);
                (void)fs_done(fs, ctx, d->node, STR_NULL, 0, &e);
        }
        if (r && pos > offset) { /* the kernel wants what it got first */
                d->pending = fs_done(fs, ctx, d->node, STR_NULL, r, &e);
                r = 0;
        } else if (r) {
                r = fs_done(fs, ctx, d->node, STR_NULL, r, &e);
        }
        fs_busy_end(fs, &d->busy);
        return r;
}
