/* SPDX-License-Identifier: Apache-2.0 */
/* Items as lines of a table: see export_internal.h.  Pure. */
#include <stdlib.h>
#include "fs_internal.h"
#include "export_internal.h"
#include "import_internal.h"
#include "ddbfs/base/encode.h"
#include "ddbfs/codec/csv.h"

#define TABLE_ARENA_MAX (64 * MIB)
#define CELL_MAX (16 * MIB)

void export_table_init(struct export_table *t, char separator) {
        *t = (struct export_table){ .separator = separator, .arena = ARENA_INIT(TABLE_ARENA_MAX) };
}

void export_table_deinit(struct export_table *t) {
        arena_deinit(&t->arena);
        t->n = 0;
        t->n_left_out = 0;
        t->left_out = STR_NULL;
}

static int compare_names(const void *a, const void *b) {
        return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* Names of attributes that are not of the table's key, each once, in byte order.  An index's key is there without items. */
static int other_names(struct export_table *t, const struct view *view, const struct items *items, struct str **ret,
                       uint32_t *ret_n) {
        const struct key_schema *key = &view->table->key, *own = view_key(view);
        size_t all = KEY_ATTRS_MAX;
        uint32_t n = 0, kept = 0;
        struct str *v;

        for (uint32_t i = 0; i < items->n; i++)
                all += items->v[i].n;
        v = arena_array(&t->arena, all + 1, sizeof(*v));
        if (!v)
                return -ENOMEM;
        for (uint32_t i = 0; i < own->n_hash + own->n_range; i++)
                if (!key_schema_has(key, own->attrs[i].name))
                        v[n++] = own->attrs[i].name;
        for (uint32_t i = 0; i < items->n; i++)
                for (uint32_t k = 0; k < items->v[i].n; k++)
                        if (!key_schema_has(key, items->v[i].attributes[k].name))
                                v[n++] = items->v[i].attributes[k].name;
        if (n)
                qsort(v, n, sizeof(*v), compare_names);
        for (uint32_t i = 0; i < n; i++)
                if (kept == 0 || !str_eq(v[kept - 1], v[i]))
                        v[kept++] = v[i];
        *ret = v;
        *ret_n = kept;
        return 0;
}

static int add_column(struct export_table *t, struct str name) {
        if (t->n == EXPORT_COLUMNS_MAX)
                return 0;
        return arena_dup(&t->arena, name, &t->columns[t->n]) ? -ENOMEM : (t->n++, 0);
}

int export_table_begin(struct export_table *t, const struct view *v, const struct items *items, struct buf *out) {
        const struct key_schema *key = &v->table->key;
        struct str *others = NULL;
        uint32_t n_others = 0;
        int r = v->n_columns ? 0 : other_names(t, v, items, &others, &n_others);

        t->columns = r ? NULL : arena_array(&t->arena, EXPORT_COLUMNS_MAX, sizeof(*t->columns));
        if (!t->columns)
                return -ENOMEM;
        for (uint32_t i = 0; r == 0 && i < v->n_columns; i++)
                r = add_column(t, v->columns[i]);
        for (uint32_t i = 0; r == 0 && !v->n_columns && i < key->n_hash + key->n_range; i++)
                r = add_column(t, key->attrs[i].name);
        for (uint32_t i = 0; r == 0 && i < n_others; i++)
                r = add_column(t, others[i]);
        for (uint32_t i = 0; r == 0 && i < t->n; i++) {
                if (i)
                        buf_putc(out, t->separator);
                csv_put_cell(out, t->columns[i], t->separator, false);
        }
        buf_putc(out, '\n');
        return r ? r : buf_status(out);
}

static int put_value(const struct export_table *t, const struct value *v, struct buf *out) {
        _cleanup_(buf_deinit) struct buf text = BUF_INIT(CELL_MAX);
        int r = 0;

        if (v->type == VALUE_S || v->type == VALUE_N) {
                csv_put_cell(out, v->text, t->separator, v->type == VALUE_S && import_plain_cell(v->text));
                return 0;
        }
        if (v->type == VALUE_B)
                base64_encode(&text, v->text);
        else
                r = value_text_render(v, true, &text);
        if (r == 0)
                r = buf_status(&text);
        if (r == 0)
                csv_put_cell(out, buf_view(&text), t->separator, false);
        return r;
}

/* item has n attributes that are no column. */
static int leave_out(struct export_table *t, const struct item *item, uint32_t n) {
        t->n_left_out += n;
        for (uint32_t i = 0; t->left_out.n == 0 && i < item->n; i++) {
                struct str name = item->attributes[i].name;
                uint32_t k = 0;

                while (k < t->n && !str_eq(t->columns[k], name))
                        k++;
                if (k == t->n && arena_dup(&t->arena, name, &t->left_out))
                        return -ENOMEM;
        }
        return 0;
}

int export_table_row(struct export_table *t, const struct item *item, struct buf *out) {
        uint32_t n = 0;

        for (uint32_t i = 0; i < t->n; i++) {
                const struct value *v = item_get(item, t->columns[i]);
                int r = 0;

                if (i)
                        buf_putc(out, t->separator);
                if (v) {
                        r = put_value(t, v, out);
                        n++;
                }
                if (r)
                        return r;
        }
        buf_putc(out, '\n');
        return n < item->n && leave_out(t, item, item->n - n) ? -ENOMEM : buf_status(out);
}
