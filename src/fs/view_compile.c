/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Views to requests, and items to the names they have in views.  Pure.
 * Invariant: view_item_name() and view_feed() are each other's inverse.
 */
#include "fs_internal.h"
#include "view_internal.h"
#include "ddbfs/store/number.h"

/* The values of attrs[0..n) of an item, joined by ','. */
static int join_values(const struct view *v, const struct item *item, const struct key_attr *attrs, uint32_t n,
                       struct buf *out) {
        for (uint32_t i = 0; i < n; i++) {
                const struct value *value = item_get(item, attrs[i].name);
                struct key_part part;

                if (!value || value->type != attrs[i].type)
                        return -ENOENT;
                part = (struct key_part){ .type = value->type, .text = value->text };
                if (out->n > 0)
                        buf_putc(out, ',');
                keyname_encode(out, &part, v->index != NULL);
        }
        return buf_status(out);
}

int view_partition_name(const struct view *v, const struct item *item, struct buf *out) {
        return join_values(v, item, view_key(v)->attrs, view_key(v)->n_hash, out);
}

int view_item_name(const struct view *v, const struct item *item, struct buf *out) {
        const struct key_schema *k = &v->table->key;
        int r;

        if (!v->index)
                return join_values(v, item, &k->attrs[k->n_range ? 1 : 0], 1, out);
        r = join_values(v, item, &v->index->key.attrs[v->index->key.n_hash], v->index->key.n_range, out);
        return r ? r : join_values(v, item, k->attrs, k->n_hash + k->n_range, out);
}

static int compare_part(const struct key_part *a, const struct key_part *b) {
        return a->type == VALUE_N ? number_cmp(a->text, b->text) : str_cmp(a->text, b->text);
}

bool view_in_range(const struct view *v, const struct key_part *range, uint32_t n) {
        const struct key_part *last, *mine;

        if (v->range_op == RANGE_ANY)
                return true;
        if (n < v->range.n)
                return false;
        for (uint32_t i = 0; i + 1 < v->range.n; i++)
                if (compare_part(&v->range.parts[i], &range[i]) != 0)
                        return false;
        last = &range[v->range.n - 1];
        mine = &v->range.parts[v->range.n - 1];
        if (v->range_op == RANGE_BEGINS_WITH)
                return str_starts(last->text, mine->text);
        return compare_part(mine, last) <= 0 && compare_part(last, &v->range_end) <= 0;
}

bool view_passes(const struct view *v, const struct item *item) {
        for (uint32_t i = 0; i < v->n_filters; i++) {
                const struct filter *f = &v->filters[i];
                const struct value *value = item_get(item, f->attr);

                if (!value || !(value_equal(value, &f->value) || (f->other.type != VALUE_NULL && value_equal(value, &f->other))))
                        return false;
        }
        return true;
}

/* In the order they are in: item_get() looks for a name by halves. */
static void keep_columns(const struct view *v, struct item *item) {
        uint32_t n = 0;

        for (uint32_t i = 0; i < item->n; i++)
                for (uint32_t k = 0; k < v->n_columns; k++)
                        if (str_eq(item->attributes[i].name, v->columns[k])) {
                                item->attributes[n++] = item->attributes[i];
                                break;
                        }
        item->n = n;
}

void view_filter(const struct view *v, bool columns, struct items *items) {
        uint32_t n = 0;

        for (uint32_t i = 0; i < items->n; i++) {
                if (!view_passes(v, &items->v[i]))
                        continue;
                if (columns && v->n_columns)
                        keep_columns(v, &items->v[i]);
                items->v[n++] = items->v[i];
        }
        items->n = n;
        items->count = n;
}

bool view_projects(const struct view *v, struct str attr) {
        const struct index_schema *x = v->index;

        if (!x || x->projection == PROJECT_ALL || key_schema_has(&x->key, attr) || key_schema_has(&v->table->key, attr))
                return true;
        for (uint32_t i = 0; i < x->n_include; i++)
                if (str_eq(x->include[i], attr))
                        return true;
        return false;
}

bool view_filters_here(const struct view *v) {
        if (!v->limit || v->n_before)
                return false;
        for (uint32_t i = 0; i < v->n_filters; i++)
                if (!view_projects(v, v->filters[i].attr))
                        return false;
        return v->n_filters > 0;
}

bool view_is_query(const struct view *v) {
        return v->hash.n > 0;
}

void view_query(const struct view *v, bool columns, struct query_request *ret) {
        *ret = (struct query_request){ .table = v->table, .index = v->index, .hash = v->hash, .range = v->range,
                                       .range_op = v->range_op, .range_end = v->range_end, .reverse = v->reverse,
                                       .filters = v->filters, .n_filters = view_filters_here(v) ? 0 : v->n_filters };
        if (columns && v->n_columns) {
                ret->projection = view_filters_here(v) ? v->wanted : v->columns;
                ret->n_projection = view_filters_here(v) ? v->n_wanted : v->n_columns;
        }
}

void view_scan(const struct view *v, bool columns, struct scan_request *ret) {
        *ret = (struct scan_request){ .table = v->table, .index = v->index, .filters = v->filters, .n_filters = v->n_filters };
        if (columns && v->n_columns) {
                ret->projection = v->columns;
                ret->n_projection = v->n_columns;
        }
}

void view_item_query(const struct view *v, struct filter room[2], struct query_request *ret) {
        const struct key_schema *base = &v->table->key, *k = &v->index->key;

        *ret = (struct query_request){ .table = v->table, .index = v->index, .hash = v->hash, .filters = room };
        ret->range.n = k->n_range;
        for (uint32_t i = 0; i < k->n_range; i++)
                ret->range.parts[i] = v->item.parts[i];
        for (uint32_t i = 0; i < base->n_hash + base->n_range && i < 2; i++) {
                const struct key_part *part = &v->item.parts[k->n_range + i];

                if (key_schema_has(k, base->attrs[i].name)) /* a Query does not filter by its own key */
                        continue;
                room[ret->n_filters++] = (struct filter){ .attr = base->attrs[i].name,
                                                          .value = { .type = part->type, .text = part->text } };
        }
}

static void id_part(struct buf *out, const struct key *key) {
        for (uint32_t i = 0; i < key->n; i++) {
                uint32_t n = (uint32_t)key->parts[i].text.n;

                buf_append(out, &n, sizeof(n));
                buf_str(out, key->parts[i].text);
        }
}

/* No table's name has an '@', so that no item's id is one of these. */
int view_id(const struct view *v, const struct key *hash, const struct key *item, struct buf *out) {
        buf_str(out, v->table->name);
        buf_putc(out, '@');
        buf_str(out, v->index->name);
        buf_putc(out, '\0');
        id_part(out, hash);
        buf_putc(out, item ? 'i' : 'p');
        if (item)
                id_part(out, item);
        return buf_status(out);
}
