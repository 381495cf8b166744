/* SPDX-License-Identifier: Apache-2.0 */
/* Items as directories: see item_dir_internal.h. */
#include <ctype.h>
#include "fs_internal.h"
#include "ddbfs/base/clock.h"

#define PIECES_MAX 64 /* of an attribute's name: those of NAME_ENCODED_MAX bytes are 35 */
#define PARSED_ARENA_MAX (128 * MIB)

static const struct str item_suffix = { ".json", 5 };
static const struct str escaped_suffix = { "%2Ejson", 7 };

static int not_there(struct error *e) {
        return error_set(e, ERR_NO_ITEM, "no such name");
}

/* ---- an item's values ---- */

struct parsed *parsed_unref(struct parsed *p) {
        if (p && atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) == 1) {
                snapshot_unref(p->of);
                arena_deinit(&p->arena);
                mem_free(p);
        }
        return NULL;
}

static struct parsed *remembered(struct fs *fs, const struct snapshot *text) {
        struct parsed *p;

        mutex_lock(&fs->small_lock);
        p = fs->parsed && fs->parsed->of == text ? fs->parsed : NULL;
        if (p)
                atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
        mutex_unlock(&fs->small_lock);
        return p;
}

static void remember(struct fs *fs, struct parsed *p) {
        struct parsed *old;

        atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
        mutex_lock(&fs->small_lock);
        old = fs->parsed;
        fs->parsed = p;
        mutex_unlock(&fs->small_lock);
        parsed_unref(old);
}

int parsed_of(struct fs *fs, const struct place *p, struct snapshot *text, struct parsed **ret, struct error *e) {
        struct parsed *new = remembered(fs, text);
        int r;

        if (!new) {
                new = mem_zalloc(sizeof(*new));
                if (!new)
                        return error_set(e, ERR_MEMORY, "out of memory");
                atomic_init(&new->refs, 1);
                new->arena = ARENA_INIT(PARSED_ARENA_MAX);
                new->of = snapshot_ref(text);
                r = item_text_parse(str_make(text->text, text->n), &p->table->key, NULL, &fs->o.text, &new->arena, &new->item, e);
                if (r) {
                        parsed_unref(new);
                        return r;
                }
                remember(fs, new);
        }
        *ret = new;
        return 0;
}

bool attr_is_key(const struct place *p) {
        return p->table && key_schema_has(&p->table->key, buf_view(&p->attr));
}

int attr_text(struct fs *fs, const struct value *v, struct buf *room, struct str *ret) {
        int r = 0;

        *ret = v->text;
        if (v->type != VALUE_S && v->type != VALUE_B && v->type != VALUE_N) {
                buf_reset(room);
                r = attr_text_render(v, fs->o.text.compact, room);
                *ret = buf_view(room);
        }
        return r;
}

int attr_of_item(struct fs *fs, const struct place *p, struct snapshot *item, struct snapshot **ret, struct error *e) {
        _cleanup_(buf_deinit) struct buf room = BUF_INIT(ITEM_TEXT_MAX);
        _cleanup_(parsed_unrefp) struct parsed *parsed = NULL;
        const struct value *v;
        struct str text;
        int r = parsed_of(fs, p, item, &parsed, e);

        if (r)
                return r;
        v = item_get(&parsed->item, buf_view(&p->attr));
        if (!v)
                return error_set(e, ERR_NO_ITEM, "the item has no such attribute");
        r = attr_text(fs, v, &room, &text);
        if (r == 0)
                r = snapshot_new(text, ret);
        return r ? error_set_errno(e, r, "showing the attribute") : 0;
}

/* ---- names ---- */

bool item_dir_file(struct str name, bool in_chain, struct buf *out) {
        if (name.n == 0 || (name.p[0] == '.' && !in_chain) || name.n > NAME_PIECE_MAX + 2 || keyname_is_chain(name) ||
            str_ends(name, item_suffix))
                return false;
        if (str_ends(name, escaped_suffix) && (name.n > escaped_suffix.n || in_chain)) {
                buf_append(out, name.p, name.n - escaped_suffix.n);
                buf_str(out, item_suffix);
        } else {
                buf_str(out, name);
        }
        buf_str(out, item_suffix);
        return buf_status(out) == 0;
}

void item_dir_name(struct str file, bool in_chain, struct buf *out) {
        struct str name = str_make(file.p, file.n - item_suffix.n);

        if (str_ends(name, item_suffix) && (name.n > item_suffix.n || in_chain)) {
                buf_append(out, name.p, name.n - item_suffix.n);
                name = escaped_suffix;
        }
        buf_str(out, name);
}

bool attr_scratch_form(struct str name) {
        static const char *const ends[] = { "~", ".bak", ".orig", ".swp", ".tmp" };
        size_t n = 0;
        uint64_t number = 0;

        if (name.n == 0 || keyname_is_chain(name))
                return false;
        if (name.p[0] == '.' || (name.n > 2 && name.p[0] == '#' && name.p[name.n - 1] == '#'))
                return true;
        for (size_t i = 0; i < ARRAY_LEN(ends); i++)
                if (str_ends(name, str_of(ends[i])) && name.n > strlen(ends[i]))
                        return true;
        if (name.n == 9 && str_starts(name, STR("sed"))) {
                for (n = 3; n < name.n && isalnum((unsigned char)name.p[n]); n++)
                        ;
                return n == name.n;
        }
        for (; n < name.n && n < 5 && isdigit((unsigned char)name.p[n]); n++) /* vim: 4913, 5036, ... */
                number = number * 10 + (uint64_t)(name.p[n] - '0');
        return n == name.n && number >= 4913 && (number - 4913) % 123 == 0;
}

bool item_dir_scratch(struct fs *fs, struct op_ctx *ctx, struct node *dir, const struct place *p, struct str name) {
        _cleanup_(snapshot_unrefp) struct snapshot *s = NULL;
        _cleanup_(parsed_unrefp) struct parsed *parsed = NULL;
        _cleanup_(buf_deinit) struct buf attr = BUF_INIT(NAME_ENCODED_MAX);
        struct error ignored = { 0 };
        struct stat st;

        if (!attr_scratch_form(name))
                return false;
        if (name.p[0] == '.' || local_stat(fs, dir, name, &st) == 0 || keyname_decode_text(&attr, name, false))
                return true;
        if (item_load(fs, ctx, p, fs->o.cache_ttl_ns, false, &s, &ignored) || parsed_of(fs, p, s, &parsed, &ignored))
                return true;
        return !item_get(&parsed->item, buf_view(&attr));
}

bool item_dir_may(const struct node *dir, struct str name) {
        enum node_kind kind = dir->kind;

        return kind == NODE_ITEM_DIR || (kind == NODE_CHAIN && dir->level == LEVEL_ATTR) ||
               ((kind == NODE_TABLE || kind == NODE_PARTITION || kind == NODE_CHAIN || kind == NODE_VIEW) &&
                !str_ends(name, item_suffix));
}

/* ---- places ---- */

/* From a node in an item: the item's directory, and the pieces of the attribute's name. */
struct trail_in_item {
        struct node *parent;   /* of the item's directory; a reference */
        bool in_chain;         /* that is a piece of the item's name */
        struct buf dir;        /* its name */
        struct buf joined;     /* of the attribute's name, as far as it goes */
        size_t last_piece_n;
        bool whole;            /* that is all of it */
};

static void trail_in_item(struct fs *fs, struct node *n, struct trail_in_item *t) {
        const struct node *pieces[PIECES_MAX];
        uint32_t n_pieces = 0;

        mutex_lock(&fs->nodes.lock);
        for (; n->kind != NODE_ITEM_DIR && n->parent && n_pieces < PIECES_MAX; n = n->parent)
                pieces[n_pieces++] = n;
        buf_append(&t->dir, n->name, n->name_n);
        t->parent = n->kind == NODE_ITEM_DIR ? n->parent : NULL;
        if (t->parent) {
                t->parent->refs++;
                t->in_chain = keyname_is_chain(str_make(t->parent->name, t->parent->name_n));
        }
        while (n_pieces > 0) {
                const struct node *piece = pieces[--n_pieces];

                t->whole = piece->kind != NODE_CHAIN;
                t->last_piece_n = piece->name_n - (t->whole ? 0 : 2);
                buf_append(&t->joined, piece->name, t->last_piece_n);
        }
        mutex_unlock(&fs->nodes.lock);
}

/* Of the item whose directory would be parent/name. */
static int place_of_item(struct fs *fs, struct op_ctx *ctx, struct node *parent, bool in_chain, struct str name,
                         struct place *ret, struct error *e) {
        _cleanup_(buf_deinit) struct buf file = BUF_INIT(NAME_PIECE_MAX + 16);
        _cleanup_(child_deinit) struct child c = { 0 };
        int r;

        if (!item_dir_file(name, in_chain, &file))
                return buf_status(&file) == -ENOMEM ? error_set(e, ERR_MEMORY, "out of memory") : not_there(e);
        if (parent->kind == NODE_VIEW) {
                r = view_place(fs, ctx, parent, buf_view(&file), ret, e);
                if (r == 0 && ret->view->kind != VIEW_ITEM)
                        r = not_there(e);
                ret->attr = ret->prefix = BUF_INIT(NAME_ENCODED_MAX);
                ret->attr_id = BUF_INIT(ATTR_ID_MAX);
                return r;
        }
        r = place_child(fs, ctx, parent, buf_view(&file), &c, e);
        if (r)
                return r;
        if (c.kind != NODE_ITEM)
                return not_there(e);
        *ret = c.place; /* taken over */
        c.place = (struct place){ .table = NULL };
        return 0;
}

int item_dir_place(struct fs *fs, struct op_ctx *ctx, struct node *n, struct place *ret, struct error *e) {
        struct trail_in_item t = { .dir = BUF_INIT(512), .joined = BUF_INIT(NAME_ENCODED_MAX) };
        enum node_kind kind = n->kind;
        int r;

        *ret = (struct place){ .kind = kind };
        trail_in_item(fs, n, &t);
        r = buf_status(&t.dir) ? buf_status(&t.dir) : buf_status(&t.joined);
        if (r)
                (void)error_set_errno(e, r, "name");
        else if (!t.parent) /* renamed this very moment */
                r = not_there(e);
        else
                r = place_of_item(fs, ctx, t.parent, t.in_chain, buf_view(&t.dir), ret, e);
        if (r == 0 && t.whole)
                r = place_set_attr(ret, buf_view(&t.joined), e);
        if (r == 0) {
                buf_str(&ret->prefix, t.whole ? STR_NULL : buf_view(&t.joined));
                ret->last_piece_n = t.last_piece_n;
                r = buf_status(&ret->prefix) ? error_set_errno(e, buf_status(&ret->prefix), "name") : 0;
        }
        ret->kind = kind;
        ret->level = LEVEL_ATTR;
        node_put(fs, t.parent);
        buf_deinit(&t.dir);
        buf_deinit(&t.joined);
        return r;
}

void item_dir_changed(struct fs *fs, struct node *in_item) {
        struct trail_in_item t = { .dir = BUF_INIT(512), .joined = BUF_INIT(NAME_ENCODED_MAX) };
        _cleanup_(buf_deinit) struct buf file = BUF_INIT(512);
        _cleanup_(held_put) struct held h = { .fs = fs };

        trail_in_item(fs, in_item, &t);
        if (t.parent && item_dir_file(buf_view(&t.dir), t.in_chain, &file))
                h.n = node_find(fs, t.parent, buf_view(&file));
        if (h.n && fs->notify.attr)
                fs->notify.attr(fs->notify.arg, h.n->id);
        node_put(fs, t.parent);
        buf_deinit(&t.dir);
        buf_deinit(&t.joined);
}

bool node_is_piece(struct fs *fs, const struct node *dir) {
        bool piece;

        mutex_lock(&fs->nodes.lock);
        piece = keyname_is_chain(str_make(dir->name, dir->name_n));
        mutex_unlock(&fs->nodes.lock);
        return piece;
}

int item_dir_item(struct fs *fs, struct op_ctx *ctx, struct node *dir, struct str name, struct place *ret, struct error *e) {
        return place_of_item(fs, ctx, dir, node_is_piece(fs, dir), name, ret, e);
}

int item_dir_lookup(struct fs *fs, struct op_ctx *ctx, struct node *dir, struct node *parent, struct str name,
                    struct fs_entry *ret, struct error *e) {
        _cleanup_(buf_deinit) struct buf file = BUF_INIT(NAME_PIECE_MAX + 16);
        _cleanup_(held_put) struct held h = { .fs = fs };
        _cleanup_(child_deinit) struct child c = { .kind = NODE_ITEM };
        bool of_index;
        int r = item_dir_item(fs, ctx, dir, name, &c.place, e);

        if (r == 0 && !c.place.view && item_dir_file(name, node_is_piece(fs, dir), &file))
                r = child_exists(fs, ctx, dir, buf_view(&file), &c, e);
        if (r)
                return r;
        of_index = c.place.view && c.place.view->index;
        r = node_child(fs, parent, name, NODE_ITEM_DIR, LEVEL_ATTR, &h.n);
        if (r)
                return error_set_errno(e, r, "lookup");
        mutex_lock(&fs->nodes.lock);
        if (h.n->control != of_index) /* once: it is read without the lock */
                h.n->control = of_index;
        mutex_unlock(&fs->nodes.lock);
        return entry_of(fs, ctx, h.n, ret, e);
}

/* ---- attributes of files ---- */

int item_dir_attr(struct fs *fs, struct op_ctx *ctx, struct node *n, struct fs_attr *ret, struct error *e) {
        _cleanup_(place_deinit) struct place p = { 0 };
        struct cache_view known;
        int r = place_of(fs, ctx, n, &p, e);

        if (r == 0)
                r = item_known(fs, ctx, &p, &known, e);
        if (r)
                return r;
        attr_dir(fs, node_ino_now(fs, n), ret);
        ret->mtime_ns = known.mtime_ns;
        ret->valid_ns = 0; /* whether it is there, the item's own file knows */
        if (n->control)
                ret->mode &= ~(mode_t)0222;
        return 0;
}

/* Size, time and version of the attribute as the item has it. */
static int attr_in_item(struct fs *fs, struct op_ctx *ctx, const struct place *p, struct fs_attr *ret, uint64_t *ret_hash,
                        struct error *e) {
        _cleanup_(buf_deinit) struct buf room = BUF_INIT(ITEM_TEXT_MAX);
        _cleanup_(snapshot_unrefp) struct snapshot *s = NULL;
        _cleanup_(parsed_unrefp) struct parsed *parsed = NULL;
        const struct value *v;
        bool in_s3;
        struct str text;
        int r = item_load(fs, ctx, p, fs->o.cache_ttl_ns, false, &s, e);

        if (r == 0)
                r = parsed_of(fs, p, s, &parsed, e);
        if (r)
                return r;
        v = item_get(&parsed->item, buf_view(&p->attr));
        if (!v) { /* what was shown of it before is not what a new one replaces */
                if (cache_served_at(fs->cache, buf_view(&p->attr_id)))
                        cache_put_absent(fs->cache, buf_view(&p->attr_id), clock_now_ns());
                return error_set(e, ERR_NO_ITEM, "the item has no such attribute");
        }
        r = attr_text(fs, v, &room, &text);
        if (r)
                return error_set_errno(e, r, "showing the attribute");
        *ret_hash = snapshot_hash(text);
        ret->size = text.n;
        r = attr_large_size(fs, ctx, v, &in_s3, &ret->size, e);
        if (r)
                return r;
        ret->mtime_ns = cache_seen(fs->cache, buf_view(&p->attr_id), *ret_hash);
        return 0;
}

int attr_file_attr(struct fs *fs, struct op_ctx *ctx, struct node *n, struct fs_attr *ret, struct error *e) {
        _cleanup_(place_deinit) struct place p = { 0 };
        uint64_t size = 0, mtime, hash = 0;
        bool drafted = draft_stat(fs, n, &size, &mtime);
        int r = place_of(fs, ctx, n, &p, e);

        if (r)
                return r;
        attr_file(fs, node_ino_now(fs, n), size, mtime, 0, ret);
        if (drafted || draft_emptied(fs, n))
                return 0;
        if (away_find(fs, buf_view(&p.attr_id)))
                return not_there(e);
        r = attr_in_item(fs, ctx, &p, ret, &hash, e);
        if (r)
                return r;
        if (n->control || attr_is_key(&p))
                ret->mode &= ~(mode_t)0222;
        attr_told(fs, n, hash, ret);
        return 0;
}
