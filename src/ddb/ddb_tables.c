/* SPDX-License-Identifier: Apache-2.0 */
/* ListTables, and the table description within the answer of DescribeTable.  Pure. */
#include "ddb_tables.h"

#include "ddb_json.h"

#define DEPTH_MAX 24 /* of a table description */

bool ddb_name_valid(struct str name) {
        if (name.n == 0 || name.n > TABLE_NAME_MAX)
                return false;
        for (size_t i = 0; i < name.n; i++) {
                char c = name.p[i];

                if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
                      c == '-' || c == '.'))
                        return false;
        }
        return true;
}

/* The text of the member's value, as it was sent. */
static int read_slice(struct json_reader *r, void *arg) {
        struct str *slice = arg;
        size_t start;
        int k;

        if (shape_peek(r) != JSON_OBJECT_BEGIN)
                return json_fail(r, "\"Table\" is not an object");
        for (start = r->pos; r->text.p[start] != '{'; start++) /* only white space in between */
                ;
        k = json_skip(r);
        if (!k)
                *slice = str_make(r->text.p + start, r->pos - start);
        return k;
}

int ddb_find_table(struct str body, struct str *ret, struct error *reterr) {
        static const struct shape_member members[] = { { "Table", read_slice } };
        struct arena arena = ARENA_INIT(MIB);
        struct json_reader reader;
        int r;

        *ret = STR_NULL;
        json_reader_init(&reader, body, &arena, DEPTH_MAX);
        r = shape_document(&reader, "DescribeTable", members, ARRAY_LEN(members), ret, reterr);
        arena_deinit(&arena);
        if (!r && ret->n == 0)
                return error_set(reterr, ERR_PROTOCOL, "DescribeTable: the answer has no \"Table\"");
        return r;
}

struct tables {
        struct names *names;
        uint32_t cap;
};

static int read_name(struct json_reader *r, void *arg) {
        struct tables *t = arg;
        struct str name;
        int k;

        k = shape_string(r, &name);
        if (k)
                return k;
        if (!ddb_name_valid(name))
                return json_fail(r, "an illegal table name");
        if (t->names->n == t->cap) {
                uint32_t cap = t->cap ? 2 * t->cap : 128;
                struct str *v = arena_array(&t->names->arena, cap, sizeof(*v));

                if (!v)
                        return json_fail_memory(r);
                if (t->names->n > 0)
                        memcpy(v, t->names->v, t->names->n * sizeof(*v));
                t->names->v = v;
                t->cap = cap;
        }
        if (arena_dup(&t->names->arena, name, &t->names->v[t->names->n]))
                return json_fail_memory(r);
        t->names->n++;
        return 0;
}

static int read_table_names(struct json_reader *r, void *arg) {
        return shape_array(r, read_name, arg);
}

static int read_last(struct json_reader *r, void *arg) {
        struct names *names = ((struct tables *)arg)->names;
        struct str last;
        int k;

        k = shape_string(r, &last);
        if (k)
                return k;
        if (!ddb_name_valid(last))
                return json_fail(r, "an illegal LastEvaluatedTableName");
        return arena_dup(&names->arena, last, &names->next) ? json_fail_memory(r) : 0;
}

int ddb_parse_tables(struct str body, struct names *names, struct error *reterr) {
        static const struct shape_member members[] = {
                { "TableNames", read_table_names },
                { "LastEvaluatedTableName", read_last },
        };
        struct tables t = { .names = names, .cap = names->n };
        struct json_reader reader;
        int r;

        names->next = STR_NULL;
        json_reader_init(&reader, body, &names->arena, DEPTH_MAX);
        r = shape_document(&reader, "ListTables", members, ARRAY_LEN(members), &t, reterr);
        if (!r && t.names->n == 0 && t.names->next.n > 0) /* it would go on for ever */
                return error_set(reterr, ERR_PROTOCOL, "ListTables: a page without names that is not the last");
        return r;
}
