/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What nodes and names mean to the store: the path grammar of PRODUCT section 2, both ways.
 * Pure but for the table descriptions it asks tables.c for.
 */
#include "fs_internal.h"
#include "ddbfs/base/hash.h"

#define DEPTH_MAX 256 /* two names of 26 pieces each, table, root, and room */
#define ID_MAX (8 * KIB)
#define NOT_A_NAME "no item, partition or table can have this name (see NAMES in ddbfs(1))"

static const struct str item_suffix = { ".json", 5 };

void place_deinit(struct place *p) {
        p->table = table_schema_unref(p->table);
        buf_deinit(&p->text[0]);
        buf_deinit(&p->text[1]);
        buf_deinit(&p->id);
        buf_deinit(&p->prefix);
        buf_deinit(&p->attr);
        buf_deinit(&p->attr_id);
        if (p->view) {
                view_deinit(p->view);
                p->view = mem_free(p->view);
        }
}

static void place_init(struct place *p) {
        *p = (struct place){ .kind = NODE_ROOT, .level = LEVEL_TABLE, .text = { BUF_INIT(NAME_ENCODED_MAX), BUF_INIT(NAME_ENCODED_MAX) },
                             .id = BUF_INIT(ID_MAX), .prefix = BUF_INIT(NAME_ENCODED_MAX),
                             .attr = BUF_INIT(NAME_ENCODED_MAX), .attr_id = BUF_INIT(ATTR_ID_MAX) };
}

void child_deinit(struct child *c) {
        place_deinit(&c->place);
}

int place_item_id(const struct table_schema *t, const struct key *key, struct buf *out) {
        uint32_t hash_n = key->n > 0 ? (uint32_t)key->parts[0].text.n : 0;

        buf_str(out, t->name);
        buf_putc(out, '\0');
        buf_append(out, &hash_n, sizeof(hash_n));
        for (uint32_t i = 0; i < key->n; i++)
                buf_str(out, key->parts[i].text);
        return buf_status(out);
}

uint64_t place_partition_hash(const struct place *p) {
        uint64_t h = hash_seeded(6, p->table->name);

        return p->key.n > 0 ? hash_seeded(h, p->key.parts[0].text) : h;
}

static const struct key_attr *level_attr(const struct table_schema *t, enum level level) {
        return &t->key.attrs[level == LEVEL_HASH ? 0 : 1];
}

static bool level_is_item(const struct table_schema *t, enum level level) {
        return level == LEVEL_RANGE || !table_has_range(t);
}

/* ---- long names ---- */

/* Bytes of the first character or escape of a name. */
static size_t first_unit(struct str name) {
        unsigned char c = name.n ? (unsigned char)name.p[0] : 0;

        if (c == '%')
                return 3;
        return c < 0x80 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
}

/* A piece is the *longest* prefix that fits, and there is only a split where the rest would not have fitted:
 * otherwise one name would have two paths. */
static bool piece_follows(size_t previous_n, struct str next, bool last) {
        if (next.n == 0 || previous_n + first_unit(next) <= NAME_CHAIN_PREFIX)
                return false;
        return !last || previous_n + next.n > NAME_PIECE_MAX;
}

static bool is_base64url(struct str s) {
        for (size_t i = 0; i < s.n; i++) {
                char c = s.p[i];

                if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_'))
                        return false;
        }
        return true;
}

/* Could the joined pieces begin the name of a value of this type? */
static int chain_text_ok(struct str joined, enum value_type type, bool *ret) {
        _cleanup_(buf_deinit) struct buf decoded = BUF_INIT(NAME_ENCODED_MAX);
        int r = 0;

        if (type == VALUE_B) {
                *ret = is_base64url(joined);
        } else if (type == VALUE_S) {
                r = keyname_decode_text(&decoded, joined, false);
                *ret = r == 0;
        } else {
                *ret = false;
        }
        return r < 0 ? r : 0;
}

bool place_component(const struct key_part *part, struct str prefix, bool is_item, struct buf *out, bool *ret_chain) {
        _cleanup_(buf_deinit) struct buf name = BUF_INIT(NAME_ENCODED_MAX);

        keyname_encode(&name, part, false);
        if (buf_status(&name))
                out->err = buf_status(&name); /* not "no": nobody knows */
        return buf_status(&name) == 0 && place_name_component(buf_view(&name), prefix, is_item, out, ret_chain);
}

bool place_name_component(struct str name, struct str prefix, bool is_item, struct buf *out, bool *ret_chain) {
        struct str rest = name, piece;
        bool last = false;

        if (!str_starts(name, prefix))
                return false;
        /* a name of 240 bytes begins with a prefix of 238, but is not split there */
        while (!last && name.n - rest.n < prefix.n)
                rest = str_skip(rest, keyname_piece(rest, &piece, &last));
        if (last || name.n - rest.n != prefix.n)
                return false;
        (void)keyname_piece(rest, &piece, &last);
        buf_str(out, piece);
        if (!last)
                buf_puts(out, "%+");
        else if (is_item)
                buf_str(out, item_suffix);
        *ret_chain = !last;
        return buf_status(out) == 0;
}

/* ---- names below a directory ---- */

static int not_a_name(struct error *e) {
        return error_set(e, ERR_NO_ITEM, NOT_A_NAME);
}

bool place_name_ok(struct str name) {
        if (name.n < 3 || name.n > TABLE_NAME_MAX)
                return false;
        for (size_t i = 0; i < name.n; i++) {
                char c = name.p[i];

                if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
                      c == '.'))
                        return false;
        }
        return true;
}

static int place_set_part(struct place *p, enum level level, struct str joined, struct error *e) {
        const struct key_attr *attr = level_attr(p->table, level);
        struct key_part *part = &p->key.parts[level == LEVEL_HASH ? 0 : 1];
        int r = keyname_decode(&p->text[level == LEVEL_HASH ? 0 : 1], joined, attr->type, false, part);

        if (r < 0)
                return error_set_errno(e, r, "key name");
        if (r > 0 || !keyname_key_valid(part, level == LEVEL_RANGE))
                return not_a_name(e);
        p->key.n = level == LEVEL_HASH ? 1 : 2;
        return 0;
}

int place_attr_id(const struct place *in_item, struct str attr, struct buf *out) {
        uint32_t id_n = (uint32_t)in_item->id.n;

        buf_putc(out, '\1'); /* no table's name begins so */
        buf_append(out, &id_n, sizeof(id_n));
        buf_str(out, buf_view(&in_item->id));
        buf_str(out, attr);
        return buf_status(out);
}

int place_set_attr(struct place *p, struct str joined, struct error *e) {
        int r;

        buf_reset(&p->attr);
        buf_reset(&p->attr_id);
        r = keyname_decode_text(&p->attr, joined, false);
        if (r < 0)
                return error_set_errno(e, r, "attribute name");
        if (r > 0)
                return not_a_name(e);
        p->kind = NODE_ATTR;
        r = place_attr_id(p, buf_view(&p->attr), &p->attr_id);
        return r ? error_set_errno(e, r, "attribute name") : 0;
}

/* p holds everything above; complete it with the whole encoded name of its level. */
static int place_complete(struct fs *fs, struct op_ctx *ctx, struct place *p, enum level level, struct str joined,
                          struct error *e) {
        int r;

        if (level == LEVEL_TABLE) {
                _cleanup_(buf_deinit) struct buf name = BUF_INIT(NAME_ENCODED_MAX);

                r = keyname_decode_text(&name, joined, false);
                if (r < 0)
                        return error_set_errno(e, r, "table name");
                if (r > 0 || !place_name_ok(buf_view(&name)))
                        return not_a_name(e);
                p->kind = NODE_TABLE;
                p->level = LEVEL_HASH;
                return tables_get(fs, ctx, buf_view(&name), &p->table, e);
        }
        if (level == LEVEL_ATTR)
                return place_set_attr(p, joined, e);
        r = place_set_part(p, level, joined, e);
        if (r)
                return r;
        p->kind = level_is_item(p->table, level) ? NODE_ITEM : NODE_PARTITION;
        p->level = LEVEL_RANGE;
        buf_reset(&p->id);
        r = place_item_id(p->table, &p->key, &p->id);
        return r ? error_set_errno(e, r, "key") : 0;
}

/* Copy of a directory's place, to be completed into a child's. */
static int place_copy(const struct place *from, struct place *to, struct error *e) {
        place_init(to);
        to->kind = from->kind;
        to->level = from->level;
        to->table = from->table ? table_schema_ref(from->table) : NULL;
        to->last_piece_n = from->last_piece_n;
        for (uint32_t i = 0; i < from->key.n && i < 2; i++) {
                buf_str(&to->text[i], from->key.parts[i].text);
                to->key.parts[i].type = from->key.parts[i].type;
                to->key.parts[i].text = buf_view(&to->text[i]);
                if (buf_status(&to->text[i]))
                        return error_set(e, ERR_MEMORY, "out of memory");
        }
        to->key.n = from->key.n;
        return 0;
}

/* A directory of an item becomes its child: the same item. */
static int place_take(struct place *from, struct place *to) {
        place_deinit(to);
        *to = *from;
        place_init(from);
        buf_reset(&to->prefix);
        return 0;
}

int place_set_key(struct place *p, const struct key *key) {
        p->text[0] = p->text[1] = BUF_INIT(NAME_ENCODED_MAX);
        p->id = BUF_INIT(ID_MAX);
        p->key.n = key->n;
        for (uint32_t i = 0; i < key->n && i < 2; i++) {
                buf_str(&p->text[i], key->parts[i].text);
                p->key.parts[i] = (struct key_part){ .type = key->parts[i].type, .text = buf_view(&p->text[i]) };
                if (buf_status(&p->text[i]))
                        return -ENOMEM;
        }
        return place_item_id(p->table, &p->key, &p->id);
}

static int child_chain(struct place *p, struct str joined, struct str piece, struct error *e) {
        enum value_type type = p->level == LEVEL_TABLE || p->level == LEVEL_ATTR ? VALUE_S : level_attr(p->table, p->level)->type;
        bool ok = false;
        int r = piece.n > NAME_CHAIN_PREFIX || piece.n + 4 <= NAME_CHAIN_PREFIX ? 0 : chain_text_ok(joined, type, &ok);

        if (r)
                return error_set_errno(e, r, "name");
        if (!ok)
                return not_a_name(e);
        p->kind = NODE_CHAIN;
        p->last_piece_n = piece.n;
        buf_str(&p->prefix, joined);
        return buf_status(&p->prefix) ? error_set(e, ERR_MEMORY, "out of memory") : 0;
}

/* A name below a directory whose children spell keys or tables. */
static int child_by_key(struct fs *fs, struct op_ctx *ctx, struct place *dir, struct str name, struct child *ret,
                        struct error *e) {
        _cleanup_(buf_deinit) struct buf joined = BUF_INIT(NAME_ENCODED_MAX);
        bool is_item = (dir->level == LEVEL_HASH || dir->level == LEVEL_RANGE) && level_is_item(dir->table, dir->level);
        enum level level = dir->level;
        bool chain = keyname_is_chain(name);
        struct str piece = name;
        int r;

        if (chain)
                piece.n -= 2;
        else if (is_item && str_ends(name, item_suffix) &&
                 (name.p[0] != '.' || dir->kind == NODE_CHAIN)) /* no item's name begins so: ".#x.json" is a lock */
                piece.n -= item_suffix.n;
        else if (is_item) {
                ret->kind = NODE_LOCAL;
                return local_name(name, dir->kind == NODE_CHAIN) && fs->o.state_dir ? 0 : not_a_name(e);
        }
        if (piece.n == 0 || piece.n > NAME_PIECE_MAX ||
            (dir->kind == NODE_CHAIN && !piece_follows(dir->last_piece_n, piece, !chain)))
                return not_a_name(e);
        buf_str(&joined, buf_view(&dir->prefix));
        buf_str(&joined, piece);
        if (buf_status(&joined))
                return buf_status(&joined) == -EFBIG ? not_a_name(e) : error_set(e, ERR_MEMORY, "out of memory");
        r = level == LEVEL_ATTR ? place_take(dir, &ret->place) : place_copy(dir, &ret->place, e);
        if (r == 0 && chain)
                r = child_chain(&ret->place, buf_view(&joined), piece, e);
        else if (r == 0)
                r = place_complete(fs, ctx, &ret->place, level, buf_view(&joined), e);
        ret->kind = ret->place.kind;
        ret->level = level;
        return r;
}

int place_child(struct fs *fs, struct op_ctx *ctx, struct node *dir, struct str name, struct child *ret,
                struct error *e) {
        _cleanup_(place_deinit) struct place p;
        int r;

        *ret = (struct child){ .kind = NODE_ROOT };
        place_init(&ret->place);
        place_init(&p);
        if (dir->kind == NODE_LOCAL || (dir->kind == NODE_CONTROL && str_eq(name, STR(REJECTED_DIR)))) {
                ret->kind = NODE_LOCAL;
                return 0;
        }
        if (dir->kind == NODE_CONTROL) {
                ret->kind = NODE_CONTROL_FILE;
                return control_find(name, &ret->control) ? 0 : not_a_name(e);
        }
        if (dir->kind == NODE_ROOT && str_eq(name, STR(CONTROL_DIR))) {
                ret->kind = NODE_CONTROL;
                return 0;
        }
        r = place_of(fs, ctx, dir, &p, e);
        if (r)
                return r;
        ret->control = node_in_item(dir) ? dir->control : 0;
        if (dir->kind == NODE_ITEM_DIR && item_dir_scratch(fs, ctx, dir, &p, name)) {
                ret->kind = NODE_LOCAL;
                return fs->o.state_dir && !dir->control ? 0 : not_a_name(e);
        }
        if (p.kind == NODE_ITEM || p.kind == NODE_CONTROL_FILE)
                return error_set_errno(e, -ENOTDIR, "not a directory");
        return child_by_key(fs, ctx, &p, name, ret, e);
}

/* ---- nodes ---- */

/* The joined names of each level on the way to a node. */
struct spelled {
        struct buf joined[3];
        bool complete[3];
        size_t last_piece_n;
};

static void spelled_deinit(struct spelled *s) {
        for (size_t i = 0; i < ARRAY_LEN(s->joined); i++)
                buf_deinit(&s->joined[i]);
}

static void spell(struct spelled *s, const struct node *n) {
        struct str name = str_make(n->name, n->name_n);
        enum level level = LEVEL_TABLE;

        enum node_kind kind = n->kind;

        switch (kind) {
        case NODE_CHAIN:
                level = n->level;
                name.n -= 2;
                s->last_piece_n = name.n;
                break;
        case NODE_PARTITION:
                level = LEVEL_HASH;
                break;
        case NODE_ITEM:
                level = s->complete[LEVEL_HASH] ? LEVEL_RANGE : LEVEL_HASH;
                name.n -= item_suffix.n;
                break;
        case NODE_TABLE:
        case NODE_ROOT:
        case NODE_LOCAL:
        case NODE_CONTROL:
        case NODE_CONTROL_FILE:
        case NODE_VIEW:
        case NODE_VIEW_ITEM:
        case NODE_EXPORT:
        case NODE_INFO:
        case NODE_ITEM_DIR:
        case NODE_ATTR:
        case NODE_IMPORT:
        case _NODE_KIND_N:
                break;
        }
        buf_str(&s->joined[level], name);
        if (kind != NODE_CHAIN)
                s->complete[level] = true;
}

static void spell_path(struct fs *fs, struct node *n, struct spelled *s) {
        const struct node *chain[DEPTH_MAX];
        size_t n_chain = 0;

        for (size_t i = 0; i < ARRAY_LEN(s->joined); i++)
                s->joined[i] = BUF_INIT(NAME_ENCODED_MAX);
        mutex_lock(&fs->nodes.lock);
        for (; n && n->kind != NODE_ROOT && n_chain < DEPTH_MAX; n = n->parent)
                chain[n_chain++] = n;
        while (n_chain > 0)
                spell(s, chain[--n_chain]);
        mutex_unlock(&fs->nodes.lock);
}

int place_of(struct fs *fs, struct op_ctx *ctx, struct node *n, struct place *ret, struct error *e) {
        _cleanup_(spelled_deinit) struct spelled s = { 0 };
        int r = 0;

        if (node_in_view(n))
                return view_place(fs, ctx, n, STR_NULL, ret, e);
        if (node_in_item(n))
                return item_dir_place(fs, ctx, n, ret, e);
        place_init(ret);
        ret->kind = n->kind;
        if (n->kind == NODE_ROOT || n->kind == NODE_CONTROL || n->kind == NODE_CONTROL_FILE || n->kind == NODE_LOCAL)
                return 0;
        spell_path(fs, n, &s);
        for (enum level level = LEVEL_TABLE; r == 0 && level <= LEVEL_RANGE; level++)
                if (buf_status(&s.joined[level]))
                        r = error_set_errno(e, buf_status(&s.joined[level]), "name");
        for (enum level level = LEVEL_TABLE; r == 0 && level <= LEVEL_RANGE && s.complete[level]; level++)
                r = place_complete(fs, ctx, ret, level, buf_view(&s.joined[level]), e);
        if (r == 0 && n->kind == NODE_CHAIN) {
                ret->level = n->level;
                ret->last_piece_n = s.last_piece_n;
                buf_str(&ret->prefix, buf_view(&s.joined[n->level]));
                r = buf_status(&ret->prefix) ? error_set(e, ERR_MEMORY, "out of memory") : 0;
        }
        ret->kind = n->kind;
        return r;
}
