/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of csv and tsv to items: see import_internal.h.  Pure. */
#include <stdlib.h>
#include "import_internal.h"
#include "ddbfs/base/encode.h"
#include "ddbfs/codec/csv.h"
#include "ddbfs/store/number.h"

#define TABLE_ARENA_MAX (8 * MIB)
#define VALUE_TEXT_MAX MIB

void import_table_deinit(struct import_table *t) {
        arena_deinit(&t->arena);
        t->n = 0;
}

static int no_memory(struct error *e) {
        return error_set(e, ERR_MEMORY, "out of memory");
}

/* An optional sign, no needless zeros in front, digits, perhaps a point and digits. */
static bool is_number(struct str s) {
        size_t i = s.n > 0 && s.p[0] == '-', begin = i;

        while (i < s.n && s.p[i] >= '0' && s.p[i] <= '9')
                i++;
        if (i == begin || (s.p[begin] == '0' && i > begin + 1))
                return false;
        if (i == s.n)
                return true;
        if (s.p[i++] != '.' || i == s.n)
                return false;
        while (i < s.n && s.p[i] >= '0' && s.p[i] <= '9')
                i++;
        return i == s.n;
}

bool import_plain_cell(struct str text) {
        return text.n == 0 || is_number(text) || str_eq(text, STR("true")) || str_eq(text, STR("false")) ||
               str_eq(text, STR("null"));
}

static int compare_names(const void *a, const void *b) {
        return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static int check_names(struct import_table *t, const struct key_schema *key, uint32_t n, struct error *e) {
        struct str *sorted = arena_array(&t->arena, n, sizeof(*sorted));

        if (!sorted)
                return no_memory(e);
        for (uint32_t i = 0; i < n; i++) {
                sorted[i] = t->names[i];
                if (t->names[i].n == 0 || t->names[i].n > ATTRIBUTE_NAME_MAX || !utf8_valid(t->names[i]))
                        return error_set_at(e, 1, 1, "column %u of the header is not the name of an attribute", i + 1);
        }
        qsort(sorted, n, sizeof(*sorted), compare_names);
        for (uint32_t i = 1; i < n; i++)
                if (str_eq(sorted[i], sorted[i - 1]))
                        return error_set_at(e, 1, 1, "the header names \"%.*s\" twice", (int)MIN(sorted[i].n, 100),
                                            sorted[i].p);
        for (uint32_t i = 0; i < key->n_hash + key->n_range; i++)
                if (!bsearch(&key->attrs[i].name, sorted, n, sizeof(*sorted), compare_names))
                        return error_set_at(e, 1, 1, "the header lacks \"%.*s\", of the table's key",
                                            (int)key->attrs[i].name.n, key->attrs[i].name.p);
        return 0;
}

int import_table_begin(struct import_table *t, const struct table_schema *schema, struct str line, struct error *e) {
        struct csv_cell *cells = mem_calloc(IMPORT_CELLS_MAX, sizeof(*cells));
        uint32_t n = 0;
        int r;

        if (!cells)
                return no_memory(e);
        arena_deinit(&t->arena);
        t->arena = ARENA_INIT(TABLE_ARENA_MAX);
        r = arena_dup(&t->arena, line, &t->header) ? no_memory(e) : 0;
        line = r ? line : t->header;
        if (str_starts(line, STR("\xEF\xBB\xBF")))
                line = str_skip(line, 3);
        if (r == 0)
                r = csv_cells(line, t->separator, &t->arena, cells, IMPORT_CELLS_MAX, &n, e);
        if (r == 0 && (!(t->names = arena_array(&t->arena, n, sizeof(*t->names))) ||
                       !(t->declared = arena_array(&t->arena, n, sizeof(const struct key_attr *)))))
                r = no_memory(e);
        for (uint32_t i = 0; r == 0 && i < n; i++) {
                t->names[i] = cells[i].text;
                t->declared[i] = table_declared(schema, t->names[i]);
        }
        if (r == 0)
                r = check_names(t, &schema->key, n, e);
        t->n = r ? 0 : n;
        mem_free(cells);
        return r;
}

/* ---- cells ---- */

static int bad_cell(struct error *e, struct str name, const char *why) {
        return error_set_at(e, 1, 1, "\"%.*s\": %s", (int)MIN(name.n, 100), name.p, why);
}

static int text_value(struct str name, struct str text, struct value *ret, struct error *e) {
        *ret = (struct value){ .type = VALUE_S, .text = text };
        return utf8_valid(text) ? 0 : bad_cell(e, name, "not UTF-8");
}

static int number_value(struct str name, struct str text, struct arena *arena, struct value *ret, struct error *e) {
        _cleanup_(buf_deinit) struct buf canonical = BUF_INIT(NUMBER_TEXT_MAX);

        *ret = (struct value){ .type = VALUE_N };
        if (number_canonical(text, &canonical))
                return bad_cell(e, name, "not a number of DynamoDB");
        if (buf_status(&canonical) || arena_dup(arena, buf_view(&canonical), &ret->text))
                return no_memory(e);
        return 0;
}

static int binary_value(struct str name, struct str text, struct arena *arena, struct value *ret, struct error *e) {
        _cleanup_(buf_deinit) struct buf bytes = BUF_INIT(VALUE_TEXT_MAX);
        int r = base64_decode(&bytes, text);

        *ret = (struct value){ .type = VALUE_B };
        if (r == -EINVAL)
                return bad_cell(e, name, "not base64 with padding");
        return r || arena_dup(arena, buf_view(&bytes), &ret->text) ? no_memory(e) : 0;
}

static int declared_value(const struct key_attr *attr, struct str text, struct arena *arena, struct value *ret, struct error *e) {
        if (attr->type == VALUE_N)
                return number_value(attr->name, text, arena, ret, e);
        if (attr->type == VALUE_B)
                return binary_value(attr->name, text, arena, ret, e);
        return text_value(attr->name, text, ret, e);
}

static int other_value(struct str name, const struct csv_cell *cell, struct arena *arena, struct value *ret,
                       struct error *e) {
        struct str text = cell->text;

        if (text.n > 0 && (text.p[0] == '{' || text.p[0] == '[')) {
                int r = value_text_parse(text, arena, ret, NULL);

                if (r == 0 || r == -ENOMEM)
                        return r ? no_memory(e) : 0;
        }
        if (cell->quoted || !import_plain_cell(text))
                return text_value(name, text, ret, e);
        if (is_number(text))
                return number_value(name, text, arena, ret, e);
        if (text.p[0] == 'n')
                *ret = (struct value){ .type = VALUE_NULL };
        else
                *ret = (struct value){ .type = VALUE_BOOL, .boolean = text.p[0] == 't' };
        return 0;
}

static int row_values(const struct import_table *t, const struct key_schema *key, const struct csv_cell *cells,
                      struct arena *arena, struct item *ret, struct error *e) {
        int r = 0;

        ret->attributes = arena_array(arena, t->n, sizeof(*ret->attributes));
        if (!ret->attributes)
                return no_memory(e);
        for (uint32_t i = 0; r == 0 && i < t->n; i++) {
                const struct key_attr *attr = t->declared[i];
                struct value *value = &ret->attributes[ret->n].value;

                if (cells[i].text.n == 0 && !cells[i].quoted && !(attr && key_schema_has(key, attr->name)))
                        continue;
                ret->attributes[ret->n++].name = t->names[i];
                r = attr ? declared_value(attr, cells[i].text, arena, value, e)
                         : other_value(t->names[i], &cells[i], arena, value, e);
        }
        if (r == 0 && attributes_sort(ret->attributes, ret->n, NULL))
                r = error_set(e, ERR_INTERNAL, "names of columns");
        if (r == 0 && !t->any_size && item_size(ret) > ITEM_SIZE_MAX)
                r = error_set(e, ERR_TOO_LARGE, "the item has %zu bytes, DynamoDB takes %zu", item_size(ret), ITEM_SIZE_MAX);
        return r;
}

int import_table_row(const struct import_table *t, const struct key_schema *key, struct str line, struct arena *arena,
                     struct item *ret, struct error *e) {
        struct csv_cell *cells = arena_array(arena, t->n, sizeof(*cells));
        uint32_t n = 0;
        int r;

        *ret = (struct item){ .n = 0 };
        if (!cells)
                return no_memory(e);
        r = csv_cells(line, t->separator, arena, cells, t->n, &n, e);
        if (r == -EFBIG || (r == 0 && n != t->n))
                return error_set_at(e, 1, 1, "the line has %s cells than the header", r ? "more" : "fewer");
        return r ? r : row_values(t, key, cells, arena, ret, e);
}
