/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The grammar of views: names to a struct view.  Pure.
 *
 * Steps mean what they say in the order of the path: `.first/10/.filter/a/b` filters ten items, `.filter/a/b/.first/10`
 * looks for ten that pass.  What one Query or Scan cannot say is refused with a reason, never approximated.
 */
#include "fs_internal.h"
#include "view_internal.h"
#include "ddbfs/store/number.h"

#define VIEW_ARENA_MAX MIB

struct view_step {
        struct str name;
        uint32_t n_args;
        enum view_kind kind;  /* of the directory */
        bool partition_only;  /* only a Query can do it */
        bool table_only;
        int (*apply)(struct view *v, struct error *e);
};

static int not_there(struct error *e) {
        return error_set(e, ERR_NO_ITEM, "no such name");
}

static int refuse(struct view *v, struct error *e, const char *why) {
        v->refused = true;
        return error_set(e, ERR_NO_ITEM, "%s", why);
}

static int no_memory(struct error *e) {
        return error_set(e, ERR_MEMORY, "out of memory");
}

void view_init(struct view *v, const struct table_schema *table, const struct index_schema *index) {
        *v = (struct view){ .kind = VIEW_TABLE, .table = table, .index = index, .arena = ARENA_INIT(VIEW_ARENA_MAX) };
}

void view_deinit(struct view *v) {
        arena_deinit(&v->arena);
}

bool view_shows_items(const struct view *v) {
        enum view_kind kind = v->kind == VIEW_CHAIN ? v->chained : v->kind;

        return kind == VIEW_PARTITION || (kind == VIEW_TABLE && !v->index && !table_has_range(v->table));
}

/* ---- values in names ---- */

/* One value; the text goes to the arena.  > 0: not the name of one. */
static int decode_value(struct view *v, struct str name, enum value_type type, struct key_part *ret) {
        _cleanup_(buf_deinit) struct buf text = BUF_INIT(NAME_ENCODED_MAX);
        int r = keyname_decode(&text, name, type, v->index != NULL, ret);

        if (r == 0)
                r = arena_dup(&v->arena, ret->text, &ret->text);
        return r;
}

static int decode_text(struct view *v, struct str name, bool view, struct str *ret) {
        _cleanup_(buf_deinit) struct buf text = BUF_INIT(NAME_ENCODED_MAX);
        int r = keyname_decode_text(&text, name, view);

        return r ? r : arena_dup(&v->arena, buf_view(&text), ret);
}

/* Up to the next ','; *rest becomes what is behind it.  A name outside of indexes is one value, whatever is in it. */
static struct str cut(struct str *rest, bool joined) {
        const char *comma = joined ? memchr(rest->p, ',', rest->n) : NULL;
        struct str piece = *rest;

        if (!comma) {
                *rest = STR_NULL;
                return piece;
        }
        piece.n = (size_t)(comma - rest->p);
        *rest = str_skip(*rest, piece.n + 1);
        return piece;
}

/* Exactly the values of attrs[0..n), joined.  > 0: not so. */
static int decode_key(struct view *v, struct str name, const struct key_attr *attrs, uint32_t n, bool range, struct key *key) {
        struct str rest = name;

        for (uint32_t i = 0; i < n; i++) {
                struct key_part *part = &key->parts[key->n];
                int r;

                if (!rest.p)
                        return KEYNAME_E_MALFORMED;
                r = decode_value(v, cut(&rest, v->index != NULL), attrs[i].type, part);
                if (r)
                        return r;
                if (!keyname_key_valid(part, range))
                        return KEYNAME_E_MALFORMED;
                key->n++;
        }
        return rest.p ? KEYNAME_E_MALFORMED : 0;
}

/* The name of an attribute or of a text. */
static int decode_argument(struct view *v, struct str name, bool view, struct str *ret, struct error *e) {
        int r = decode_text(v, name, view, ret);

        if (r < 0)
                return no_memory(e);
        return r > 0 ? refuse(v, e, "not as names are written: empty, or %XX too few or too many (see NAMES in ddbfs(1))") : 0;
}

static int decode_failed(int r, struct error *e) {
        return r == -ENOMEM ? no_memory(e) : not_there(e);
}

static int feed_partition(struct view *v, struct str name, struct error *e) {
        const struct key_schema *k = view_key(v);
        int r = decode_key(v, name, k->attrs, k->n_hash, false, &v->hash);

        if (r)
                return decode_failed(r, e);
        v->kind = VIEW_PARTITION;
        return 0;
}

/* "index sort key,base key" or, below a table, what is left of its key. */
static int feed_item(struct view *v, struct str name, struct error *e) {
        const struct key_schema *k = &v->table->key;
        struct str rest = name;
        struct key_attr attrs[KEY_ATTRS_MAX + 2];
        uint32_t n = 0;
        int r;

        if (!str_ends(name, STR(".json")))
                return not_there(e);
        rest.n -= 5;
        if (v->index) {
                for (uint32_t i = 0; i < v->index->key.n_range; i++)
                        attrs[n++] = v->index->key.attrs[v->index->key.n_hash + i];
                for (uint32_t i = 0; i < k->n_hash + k->n_range && i < 2; i++)
                        attrs[n++] = k->attrs[i];
        } else {
                attrs[n++] = k->attrs[v->hash.n ? 1 : 0];
        }
        r = decode_key(v, rest, attrs, n, false, &v->item);
        if (r)
                return decode_failed(r, e);
        for (uint32_t i = 0; v->index && i < v->index->key.n_range; i++)
                if (!keyname_key_valid(&v->item.parts[i], true))
                        return not_there(e);
        v->kind = VIEW_ITEM;
        return 0;
}

static int feed_child(struct view *v, struct str name, struct error *e) {
        if (view_shows_items(v))
                return feed_item(v, name, e);
        return v->n_steps ? not_there(e) : feed_partition(v, name, e);
}

/* ---- steps ---- */

static int apply_limit(struct view *v, struct error *e) {
        uint32_t n = 0;
        struct str s = v->args[0];

        if (v->limit)
                return refuse(v, e, ".first and .last can be asked for once, and not both");
        for (size_t i = 0; i < s.n && n <= VIEW_LIMIT_MAX; i++) {
                if (s.p[i] < '0' || s.p[i] > '9' || (i == 0 && s.p[i] == '0'))
                        return refuse(v, e, ".first and .last want a number from 1 on");
                n = n * 10 + (uint32_t)(s.p[i] - '0');
        }
        if (n > VIEW_LIMIT_MAX)
                return refuse(v, e, ".first and .last show a million items at most");
        v->limit = n;
        v->reverse = str_eq(v->step->name, STR(".last"));
        v->n_before = v->n_filters;
        return 0;
}

/* The leading sort attributes named by an argument; the last may be the beginning of a value only. */
static int decode_range(struct view *v, struct str arg, bool prefix, struct key *ret, struct error *e) {
        const struct key_schema *k = view_key(v);
        struct str rest = arg;

        *ret = (struct key){ .n = 0 };
        while (rest.p) {
                struct key_part *part = &ret->parts[ret->n];
                const struct key_attr *attr = &k->attrs[k->n_hash + ret->n];
                int r;

                if (ret->n == k->n_range)
                        return refuse(v, e, k->n_range ? "more values than the sort key has attributes" : "there is no sort key here");
                r = decode_value(v, cut(&rest, v->index != NULL), attr->type, part);
                if (r < 0)
                        return no_memory(e);
                if (r > 0)
                        return refuse(v, e, "not the name of a value of the sort key's type");
                ret->n++;
                if (prefix && !rest.p && attr->type == VALUE_N)
                        return refuse(v, e, "a number has no prefix: use .between");
        }
        return ret->n ? 0 : not_there(e);
}

static int range_wanted(struct view *v, struct error *e) {
        if (v->range_op != RANGE_ANY)
                return refuse(v, e, ".prefix and .between can be asked for once, and not both");
        if (v->limit)
                return refuse(v, e, ".prefix and .between come before .first and .last");
        return 0;
}

static int apply_prefix(struct view *v, struct error *e) {
        int r = range_wanted(v, e);

        if (r == 0)
                r = decode_range(v, v->args[0], true, &v->range, e);
        if (r == 0)
                v->range_op = RANGE_BEGINS_WITH;
        return r;
}

static int compare_part(const struct key_part *a, const struct key_part *b) {
        return a->type == VALUE_N ? number_cmp(a->text, b->text) : str_cmp(a->text, b->text);
}

static int apply_between(struct view *v, struct error *e) {
        struct key end;
        int r = range_wanted(v, e);

        if (r == 0)
                r = decode_range(v, v->args[0], false, &v->range, e);
        if (r == 0)
                r = decode_range(v, v->args[1], false, &end, e);
        if (r)
                return r;
        for (uint32_t i = 0; i + 1 < v->range.n; i++)
                if (end.n == v->range.n && compare_part(&v->range.parts[i], &end.parts[i]) != 0)
                        end.n = 0;
        if (end.n != v->range.n)
                return refuse(v, e, "both ends of .between must agree but for their last value");
        v->range_end = end.parts[end.n - 1];
        if (compare_part(&v->range.parts[end.n - 1], &v->range_end) > 0)
                return refuse(v, e, "the ends of .between are the wrong way round");
        v->range_op = RANGE_BETWEEN;
        return 0;
}

/* A global index knows what it projects and nothing else. */
static bool projected(const struct view *v, struct str attr) {
        return !v->index || !v->index->global || view_projects(v, attr);
}

static void want(struct view *v, struct str attr) {
        for (uint32_t i = 0; i < v->n_wanted; i++)
                if (str_eq(v->wanted[i], attr))
                        return;
        v->wanted[v->n_wanted++] = attr;
}

/* Of the one type that the table declares for the attribute, or of each that the text can be. */
static int filter_value(struct view *v, struct str text, struct filter *f, struct error *e) {
        const struct key_attr *declared = table_declared(v->table, f->attr);
        struct key_part part;
        int r;

        if (declared && declared->type != VALUE_S) {
                r = decode_value(v, text, declared->type, &part);
                if (r)
                        return r < 0 ? no_memory(e) : refuse(v, e, "not the name of a value of the attribute's type");
                f->value = (struct value){ .type = part.type, .text = part.text };
                return 0;
        }
        r = decode_argument(v, text, false, &f->value.text, e);
        if (r || declared)
                return r;
        if (number_is_canonical(text))
                f->other = (struct value){ .type = VALUE_N, .text = f->value.text };
        else if (str_eq(text, STR("true")) || str_eq(text, STR("false")))
                f->other = (struct value){ .type = VALUE_BOOL, .boolean = text.n == 4 };
        return 0;
}

static int apply_filter(struct view *v, struct error *e) {
        struct filter *f = &v->filters[v->n_filters];
        int r;

        if (v->n_filters == VIEW_FILTERS_MAX)
                return refuse(v, e, "more filters than one request can have");
        if (v->limit && v->n_before)
                return refuse(v, e, "a .filter before and one after .first or .last cannot be one request");
        *f = (struct filter){ .value = { .type = VALUE_S }, .other = { .type = VALUE_NULL } };
        r = decode_argument(v, v->args[0], false, &f->attr, e);
        if (r)
                return r;
        if (v->hash.n && key_schema_has(view_key(v), f->attr))
                return refuse(v, e, "a Query does not filter by its own key: use .prefix or .between");
        if (!projected(v, f->attr))
                return refuse(v, e, "the index does not project that attribute");
        r = filter_value(v, v->args[1], f, e);
        if (r)
                return r;
        want(v, f->attr);
        v->n_filters++;
        return 0;
}

static int apply_columns(struct view *v, struct error *e) {
        struct str rest = v->args[0];

        if (v->n_columns)
                return refuse(v, e, ".columns can be asked for once");
        while (rest.p) {
                struct str *to = &v->columns[v->n_columns];
                int r;

                if (v->n_columns == VIEW_COLUMNS_MAX)
                        return refuse(v, e, "too many columns");
                r = decode_argument(v, cut(&rest, true), true, to, e);
                if (r)
                        return r;
                if (!projected(v, *to))
                        return refuse(v, e, "the index does not project that attribute");
                for (uint32_t i = 0; i < v->n_columns; i++)
                        if (str_eq(v->columns[i], *to))
                                return refuse(v, e, "a column is named twice");
                want(v, *to);
                v->n_columns++;
        }
        return 0;
}

static const struct view_step steps[] = {
        { .name = { ".first", 6 }, .n_args = 1, .kind = VIEW_STEP, .partition_only = true, .apply = apply_limit },
        { .name = { ".last", 5 }, .n_args = 1, .kind = VIEW_STEP, .partition_only = true, .apply = apply_limit },
        { .name = { ".prefix", 7 }, .n_args = 1, .kind = VIEW_STEP, .partition_only = true, .apply = apply_prefix },
        { .name = { ".between", 8 }, .n_args = 2, .kind = VIEW_STEP, .partition_only = true, .apply = apply_between },
        { .name = { ".filter", 7 }, .n_args = 2, .kind = VIEW_STEP, .apply = apply_filter },
        { .name = { ".columns", 8 }, .n_args = 1, .kind = VIEW_STEP, .apply = apply_columns },
        { .name = { ".export", 7 }, .kind = VIEW_EXPORTS },
        { .name = { ".import", 7 }, .kind = VIEW_IMPORTS, .table_only = true },
        { .name = { ".info", 5 }, .kind = VIEW_INFO, .table_only = true },
};

bool view_step_name(struct str name) {
        for (size_t i = 0; i < ARRAY_LEN(steps); i++)
                if (str_eq(name, steps[i].name))
                        return true;
        return false;
}

bool view_step_at(size_t i, bool in_partition, struct str *ret) {
        for (size_t k = 0; k < ARRAY_LEN(steps); k++) {
                if ((in_partition ? steps[k].table_only : steps[k].partition_only) || i-- > 0)
                        continue;
                *ret = steps[k].name;
                return true;
        }
        return false;
}

static int begin_step(struct view *v, struct str name, struct error *e) {
        const struct view_step *s = NULL;

        for (size_t i = 0; i < ARRAY_LEN(steps); i++)
                if (str_eq(name, steps[i].name))
                        s = &steps[i];
        if (!s)
                return not_there(e);
        if (s->table_only && (v->hash.n || v->index || v->n_steps))
                return refuse(v, e, "only a table itself has that");
        if (s->partition_only && v->hash.n == 0)
                return refuse(v, e, "there is an order only within a partition");
        v->step = s;
        v->n_args = 0;
        v->kind = s->kind;
        return 0;
}

static int feed_step(struct view *v, struct str name, struct error *e) {
        if (name.n == 0 || arena_dup(&v->arena, name, &v->args[v->n_args++]))
                return name.n ? no_memory(e) : not_there(e);
        if (v->n_args < v->step->n_args)
                return 0;
        v->n_steps++;
        v->kind = v->hash.n ? VIEW_PARTITION : VIEW_TABLE;
        return v->step->apply(v, e);
}

/* ---- files ---- */

struct str export_format_name(enum export_format f) {
        static const char *const names[_EXPORT_FORMAT_N] = {
                [EXPORT_JSONL] = "jsonl",
                [EXPORT_JSON] = "json",
                [EXPORT_CSV] = "csv",
                [EXPORT_TSV] = "tsv",
        };

        return str_of(names[f]);
}

/* A name with a dot is what tools look for everywhere (.git, .hidden): no event. */
static int no_such_file(struct view *v, struct str name, struct error *e, const char *why) {
        return str_starts(name, STR(".")) ? not_there(e) : refuse(v, e, why);
}

static int feed_format(struct view *v, struct str name, struct error *e) {
        for (uint8_t f = 0; f < _EXPORT_FORMAT_N; f++) {
                if (str_eq(name, export_format_name(f)) && (v->kind == VIEW_EXPORTS || import_format_ok(f))) {
                        v->which = f;
                        v->kind = v->kind == VIEW_EXPORTS ? VIEW_EXPORT : VIEW_IMPORT;
                        return 0;
                }
        }
        return no_such_file(v, name, e, v->kind == VIEW_EXPORTS ? "an export is jsonl, json, csv or tsv" : "an import is jsonl, csv or tsv");
}

static int feed_info(struct view *v, struct str name, struct error *e) {
        for (size_t i = 0; i < info_count(); i++) {
                if (str_eq(name, info_name(i))) {
                        v->which = (uint8_t)i;
                        v->kind = VIEW_INFO_FILE;
                        return 0;
                }
        }
        return no_such_file(v, name, e, "there is no such file: .info lists those there are");
}

/* ---- components ---- */

static int (*const feeds[_VIEW_KIND_N])(struct view *, struct str, struct error *) = {
        [VIEW_TABLE] = feed_child,     [VIEW_PARTITION] = feed_child, [VIEW_STEP] = feed_step,
        [VIEW_EXPORTS] = feed_format,  [VIEW_INFO] = feed_info,       [VIEW_IMPORTS] = feed_format,
};

/* Pieces of a name that are not those it has.  Elsewhere such names are somebody else's. */
static int split_wrong(struct view *v, bool in_step, struct error *e) {
        return in_step ? refuse(v, e, "a long name is split elsewhere (see NAMES in ddbfs(1))") : not_there(e);
}

static int feed_chain(struct view *v, struct str name, struct error *e) {
        bool in_step = v->kind == VIEW_STEP || (v->kind == VIEW_CHAIN && v->chained == VIEW_STEP);
        size_t n = name.n - 2;

        if (n > NAME_CHAIN_PREFIX || n + 4 <= NAME_CHAIN_PREFIX || v->n_pieces + 1 >= VIEW_PIECES_MAX ||
            (v->kind != VIEW_CHAIN && v->kind != VIEW_STEP && v->kind != VIEW_PARTITION &&
             (v->kind != VIEW_TABLE || (v->n_steps && !view_shows_items(v)))))
                return split_wrong(v, in_step, e);
        if (arena_dup(&v->arena, name, &v->pieces[v->n_pieces++]))
                return no_memory(e);
        if (v->kind != VIEW_CHAIN)
                v->chained = v->kind;
        v->kind = VIEW_CHAIN;
        return 0;
}

int view_prefix(const struct view *v, struct buf *out) {
        for (uint32_t i = 0; i < v->n_pieces; i++)
                buf_append(out, v->pieces[i].p, v->pieces[i].n - 2);
        return buf_status(out);
}

int view_feed(struct view *v, struct str name, struct error *e) {
        _cleanup_(buf_deinit) struct buf joined = BUF_INIT(2 * NAME_ENCODED_MAX);
        bool has_suffix;
        struct str whole;
        int r;

        if (keyname_is_chain(name))
                return feed_chain(v, name, e);
        if (name.n > 0 && name.p[0] == '.' && (v->kind == VIEW_TABLE || v->kind == VIEW_PARTITION))
                return begin_step(v, name, e);
        if (v->kind == VIEW_CHAIN)
                v->kind = v->chained;
        if (!feeds[v->kind])
                return not_there(e);
        r = view_prefix(v, &joined);
        if (r == 0) {
                buf_str(&joined, name);
                r = buf_status(&joined);
        }
        if (r)
                return decode_failed(r, e);
        has_suffix = view_shows_items(v) && str_ends(name, STR(".json"));
        whole = buf_view(&joined);
        whole.n -= has_suffix ? 5 : 0;
        v->pieces[v->n_pieces] = str_make(name.p, name.n - (has_suffix ? 5 : 0));
        if (!keyname_chain_ok(whole, v->pieces, v->n_pieces + 1))
                return split_wrong(v, v->kind == VIEW_STEP, e);
        v->n_pieces = 0;
        return feeds[v->kind](v, buf_view(&joined), e);
}
