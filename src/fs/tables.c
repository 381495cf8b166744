/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which tables this mount shows, and their descriptions.  A description is kept for schema_ttl, a "no such
 * table" for cache_ttl; both are dropped when a request says the table is gone.
 */
#include <fnmatch.h>
#include "fs_internal.h"
#include "ddbfs/base/clock.h"

#define PATTERNS_MAX 256
#define NO_TABLES_MAX 256   /* names remembered to be no table */
#define STALE_RETRY_NS (5 * NS_PER_S) /* the service does not answer: an old description serves so long */
#define NAMES_MAX 1000000 /* of one list: tables of a region, scratch files of a folder */

struct table {
        struct list all;
        struct table_schema *schema; /* NULL: no such table */
        uint64_t fetched_ns;
        bool stale; /* asked for again, whatever its age */
        uint32_t name_n;
        char name[TABLE_NAME_MAX + 1];
};

struct tables {
        struct mutex lock; /* tables, void_ns */
        struct list tables;
        uint64_t void_ns;  /* when one was last found to be of no use: answers from before are not kept */
        char *text;        /* copy of the option; the patterns point into it */
        size_t n_patterns; /* 0: all */
        struct {
                struct str pattern; /* what a name is matched with; NUL-terminated */
                struct str request; /* the ARN, or empty: the name itself */
                bool glob;
        } patterns[PATTERNS_MAX];
};

/* "arn:aws:dynamodb:REGION:ACCOUNT:table/NAME" -> NAME */
static struct str arn_table(struct str arn) {
        static const struct str marker = { ":table/", 7 };

        for (size_t i = 0; i + marker.n < arn.n; i++)
                if (memcmp(arn.p + i, marker.p, marker.n) == 0)
                        return str_skip(arn, i + marker.n);
        return STR_NULL;
}

static int parse_patterns(struct tables *t, const char *option) {
        char *save = NULL;

        if (!option || strcmp(option, "*") == 0 || option[0] == '\0')
                return 0;
        t->text = mem_strdup(option);
        if (!t->text)
                return -ENOMEM;
        for (char *p = strtok_r(t->text, ",", &save); p; p = strtok_r(NULL, ",", &save)) {
                struct str s = str_of(p), name = STR_NULL;

                if (t->n_patterns == PATTERNS_MAX)
                        return -E2BIG;
                if (str_starts(s, STR("arn:"))) {
                        name = arn_table(s);
                        if (name.n == 0)
                                return -EINVAL;
                }
                t->patterns[t->n_patterns].pattern = name.n ? name : s;
                t->patterns[t->n_patterns].request = name.n ? s : STR_NULL;
                t->patterns[t->n_patterns].glob = strpbrk(p, "*?[") != NULL;
                t->n_patterns++;
        }
        return 0;
}

int tables_new(struct fs *fs, struct tables **ret) {
        struct tables *t = mem_zalloc(sizeof(*t));
        int r;

        if (!t)
                return -ENOMEM;
        mutex_init(&t->lock);
        list_init(&t->tables);
        r = parse_patterns(t, fs->o.tables);
        if (r) {
                tables_free(t);
                return r;
        }
        *ret = t;
        return 0;
}

static void table_free(struct table *t) {
        list_remove(&t->all);
        table_schema_unref(t->schema);
        mem_free(t);
}

static void free_all(struct tables *t) {
        LIST_FOR_EACH_SAFE(l, &t->tables)
                table_free(CONTAINER_OF(l, struct table, all));
}

struct tables *tables_free(struct tables *t) {
        if (!t)
                return NULL;
        free_all(t);
        mutex_deinit(&t->lock);
        mem_free(t->text);
        return mem_free(t);
}

/* Is the table part of this mount?  *ret_request: what to call it towards the service. */
static bool shown(const struct tables *t, const char *name, struct str *ret_request) {
        *ret_request = str_of(name);
        if (t->n_patterns == 0)
                return true;
        for (size_t i = 0; i < t->n_patterns; i++) {
                if (fnmatch(t->patterns[i].pattern.p, name, 0) == 0) {
                        if (t->patterns[i].request.n)
                                *ret_request = t->patterns[i].request;
                        return true;
                }
        }
        return false;
}

static struct table *find(struct tables *t, struct str name) {
        LIST_FOR_EACH(l, &t->tables) {
                struct table *table = CONTAINER_OF(l, struct table, all);

                if (str_eq(str_make(table->name, table->name_n), name))
                        return table;
        }
        return NULL;
}

static bool fresh(const struct fs *fs, const struct table *t) {
        uint64_t ttl = t->schema ? fs->o.schema_ttl_ns : fs->o.cache_ttl_ns;
        /* a table that is being made or changed is looked at again soon */
        if (t->schema && !str_eq(t->schema->status, STR("ACTIVE")))
                ttl = MIN(ttl, fs->o.cache_ttl_ns);
        return !t->stale && (ttl == FS_FOREVER || clock_now_ns() - t->fetched_ns < ttl);
}

/* A scan of all kinds of names must not fill the memory: the oldest "no such table" goes. */
static void bound_no_tables(struct tables *t) {
        size_t n = 0;

        LIST_FOR_EACH_SAFE(l, &t->tables) { /* newest first */
                struct table *table = CONTAINER_OF(l, struct table, all);

                if (!table->schema && ++n > NO_TABLES_MAX)
                        table_free(table);
        }
}

/* Takes the reference over. */
static void remember(struct tables *t, struct str name, struct table_schema *schema, uint64_t start_ns) {
        struct table *table;

        mutex_lock(&t->lock);
        table = find(t, name);
        if (!table && (table = mem_zalloc(sizeof(*table)))) {
                memcpy(table->name, name.p, name.n);
                table->name_n = (uint32_t)name.n;
                list_prepend(&t->tables, &table->all);
        }
        if (table) {
                table_schema_unref(table->schema);
                table->schema = TAKE(schema);
                table->fetched_ns = start_ns;
                table->stale = start_ns < t->void_ns;
        }
        bound_no_tables(t);
        mutex_unlock(&t->lock);
        table_schema_unref(schema);
}

/* No answer: what is known goes on being used for a while, so that cached paths work without the network. */
static struct table_schema *use_stale(struct fs *fs, struct str name) {
        struct tables *t = fs->tables;
        struct table_schema *schema = NULL;
        uint64_t now = clock_now_ns();
        struct table *table;

        mutex_lock(&t->lock);
        table = find(t, name);
        if (table && table->schema) {
                schema = table_schema_ref(table->schema);
                table->stale = false;
                if (fs->o.schema_ttl_ns > STALE_RETRY_NS && now > fs->o.schema_ttl_ns)
                        table->fetched_ns = now - fs->o.schema_ttl_ns + STALE_RETRY_NS;
        }
        mutex_unlock(&t->lock);
        return schema;
}

struct table_question {
        struct fs *fs;
        struct str name, request;
};

static int ask_table(void *arg, struct op_ctx *ctx, struct flight_answer *ret, struct error *e) {
        const struct table_question *q = arg;
        uint64_t start = clock_now_ns();
        int r = q->fs->store->ops->describe(q->fs->store, ctx, q->request, &ret->schema, e);

        if (r == 0 || e->kind == ERR_NO_TABLE) {
                remember(q->fs->tables, q->name, ret->schema ? table_schema_ref(ret->schema) : NULL, start);
                return 0;
        }
        if (r != -EINTR)
                ret->schema = use_stale(q->fs, q->name);
        return ret->schema ? 0 : r;
}

static int no_table(struct str name, struct error *e) {
        return error_set(e, ERR_NO_TABLE, "no table \"%.*s\" in this mount", (int)name.n, name.p);
}

int tables_get(struct fs *fs, struct op_ctx *ctx, struct str name, struct table_schema **ret, struct error *e) {
        struct tables *t = fs->tables;
        struct table_schema *schema = NULL;
        char text[TABLE_NAME_MAX + 1];
        struct table *table;
        struct str request;
        bool known = false;
        uint64_t void_ns;
        int r;

        if (name.n > TABLE_NAME_MAX)
                return no_table(name, e);
        memcpy(text, name.p, name.n);
        text[name.n] = '\0';
        if (!shown(t, text, &request))
                return no_table(name, e);
        mutex_lock(&t->lock);
        table = find(t, name);
        if (table && fresh(fs, table)) {
                known = true;
                schema = table->schema ? table_schema_ref(table->schema) : NULL;
        }
        void_ns = t->void_ns;
        mutex_unlock(&t->lock);
        if (!known) {
                struct table_question q = { .fs = fs, .name = name, .request = request };
                struct flight_answer answer;

                /* an item's id has a NUL, a name has not */
                r = flight(fs, ctx, name, void_ns, ask_table, &q, &answer, e);
                if (r)
                        return r;
                schema = answer.schema;
        }
        if (!schema)
                return no_table(name, e);
        *ret = schema;
        return 0;
}

/* ---- many at once ---- */

/* Those of a list that are not known. */
struct many {
        struct fs *fs;
        const struct names *names;
        struct str *requests; /* what to call them */
        uint32_t *which;      /* their numbers in the list */
        uint32_t n;
        bool *failed;         /* of the list */
        uint64_t start_ns;
};

static void described(void *arg, uint32_t i, int r, struct table_schema *schema, const struct error *e) {
        struct many *m = arg;

        if (r == 0 || e->kind == ERR_NO_TABLE)
                remember(m->fs->tables, m->names->v[m->which[i]], schema, m->start_ns);
        else
                m->failed[m->which[i]] = true;
}

static bool is_known(struct fs *fs, struct str name) {
        struct table *table;
        bool known;

        mutex_lock(&fs->tables->lock);
        table = find(fs->tables, name);
        known = table && fresh(fs, table);
        mutex_unlock(&fs->tables->lock);
        return known;
}

static int ask_many(void *arg, struct op_ctx *ctx, struct flight_answer *ret, struct error *e) {
        struct many *m = arg;

        (void)ret;
        m->n = 0;
        m->start_ns = clock_now_ns();
        for (uint32_t i = 0; i < m->names->n; i++) {
                struct str request;

                if (m->names->v[i].n > TABLE_NAME_MAX || is_known(m->fs, m->names->v[i]) ||
                    !shown(m->fs->tables, m->names->v[i].p, &request))
                        continue;
                m->requests[m->n] = request;
                m->which[m->n++] = i;
        }
        return m->n > 1 ? store_describe_all(m->fs->store, ctx, m->requests, m->n, described, m, e) : 0;
}

int tables_learn(struct fs *fs, struct op_ctx *ctx, const struct names *names, bool *failed, struct error *e) {
        _cleanup_(arena_deinit) struct arena arena = ARENA_INIT(64 * MIB);
        struct many m = { .fs = fs, .names = names, .failed = failed };
        struct flight_answer answer;
        uint64_t void_ns;

        m.requests = arena_array(&arena, (size_t)names->n + 1, sizeof(*m.requests));
        m.which = arena_array(&arena, (size_t)names->n + 1, sizeof(*m.which));
        if (!m.requests || !m.which)
                return error_set(e, ERR_MEMORY, "out of memory");
        mutex_lock(&fs->tables->lock);
        void_ns = fs->tables->void_ns;
        mutex_unlock(&fs->tables->lock);
        return flight(fs, ctx, STR("*"), void_ns, ask_many, &m, &answer, e); /* which is no table's name */
}

void tables_invalidate(struct fs *fs, struct str name) {
        struct table *table;

        mutex_lock(&fs->tables->lock);
        fs->tables->void_ns = clock_now_ns();
        table = find(fs->tables, name);
        if (table)
                table_free(table);
        mutex_unlock(&fs->tables->lock);
}

bool tables_refresh(struct fs *fs, struct str name) {
        struct table *table;
        bool old;

        mutex_lock(&fs->tables->lock);
        table = find(fs->tables, name);
        old = table && table->schema && ttl_left(fs, table->fetched_ns) == 0;
        if (old)
                table->stale = true;
        mutex_unlock(&fs->tables->lock);
        return old;
}

void tables_flush(struct fs *fs) {
        mutex_lock(&fs->tables->lock);
        fs->tables->void_ns = clock_now_ns();
        free_all(fs->tables);
        mutex_unlock(&fs->tables->lock);
}

/* ---- listing ---- */

int fs_names_add(struct names *ret, struct str name) {
        struct str *v;

        if (ret->n >= NAMES_MAX)
                return -E2BIG;
        if ((ret->n & (ret->n - 1)) == 0) { /* full at each power of two */
                v = arena_array(&ret->arena, ret->n ? 2 * (size_t)ret->n : 1, sizeof(*v));
                if (!v)
                        return -ENOMEM;
                if (ret->n)
                        memcpy(v, ret->v, ret->n * sizeof(*v));
                ret->v = v;
        }
        return arena_dup(&ret->arena, name, &ret->v[ret->n]) ? -ENOMEM : (ret->n++, 0);
}

static int compare_names(const void *a, const void *b) {
        return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* Sort, and drop names given twice. */
static void names_finish(struct names *names) {
        uint32_t n = 0;

        if (names->n)
                qsort(names->v, names->n, sizeof(*names->v), compare_names);
        for (uint32_t i = 0; i < names->n; i++)
                if (n == 0 || !str_eq(names->v[n - 1], names->v[i]))
                        names->v[n++] = names->v[i];
        names->n = n;
}

static int list_service(struct fs *fs, struct op_ctx *ctx, struct names *ret, struct error *e) {
        _cleanup_(arena_deinit) struct arena start_arena = ARENA_INIT(64 * KIB);
        struct str start = STR_NULL, request;
        int r = 0;

        do {
                _cleanup_(names_deinit) struct names page;

                names_init(&page);
                r = fs->store->ops->list_tables(fs->store, ctx, start, &page, e);
                for (uint32_t i = 0; r == 0 && i < page.n; i++)
                        if (shown(fs->tables, page.v[i].p, &request) && fs_names_add(ret, page.v[i]))
                                r = error_set(e, ERR_MEMORY, "too many tables to list");
                arena_reset(&start_arena);
                if (r == 0 && arena_dup(&start_arena, page.next, &start))
                        r = error_set(e, ERR_MEMORY, "out of memory");
        } while (r == 0 && start.n > 0);
        return r;
}

/* Those that TABLES names. */
static int learn_named(struct fs *fs, struct op_ctx *ctx, struct error *e) {
        bool failed[PATTERNS_MAX] = { false };
        _cleanup_(names_deinit) struct names named;
        struct tables *t = fs->tables;

        names_init(&named);
        for (size_t i = 0; i < t->n_patterns; i++)
                if (!t->patterns[i].glob && fs_names_add(&named, t->patterns[i].pattern))
                        return error_set(e, ERR_MEMORY, "out of memory");
        return named.n > 1 ? tables_learn(fs, ctx, &named, failed, e) : 0;
}

int tables_list(struct fs *fs, struct op_ctx *ctx, struct names *ret, struct error *e) {
        struct tables *t = fs->tables;
        bool glob = t->n_patterns == 0;
        int r = learn_named(fs, ctx, e);

        for (size_t i = 0; i < t->n_patterns; i++)
                glob = glob || t->patterns[i].glob;
        if (r == 0 && glob)
                r = list_service(fs, ctx, ret, e);
        for (size_t i = 0; r == 0 && i < t->n_patterns; i++) {
                _cleanup_(table_schema_unrefp) struct table_schema *schema = NULL;

                if (t->patterns[i].glob)
                        continue;
                r = tables_get(fs, ctx, t->patterns[i].pattern, &schema, e);
                if (r == 0)
                        r = fs_names_add(ret, t->patterns[i].pattern) ? error_set(e, ERR_MEMORY, "out of memory") : 0;
                else if (r == -ENOENT)
                        r = 0; /* named, but not there: not shown */
        }
        names_finish(ret);
        return r;
}

int tables_probe(struct fs *fs, struct op_ctx *ctx, struct error *e) {
        struct tables *t = fs->tables;
        bool asked = false;
        int r = learn_named(fs, ctx, e);

        for (size_t i = 0; r == 0 && i < t->n_patterns; i++) {
                _cleanup_(table_schema_unrefp) struct table_schema *schema = NULL;

                if (t->patterns[i].glob)
                        continue;
                r = tables_get(fs, ctx, t->patterns[i].pattern, &schema, e);
                asked = true;
        }
        if (r == 0 && !asked) {
                _cleanup_(names_deinit) struct names page;

                names_init(&page);
                r = fs->store->ops->list_tables(fs->store, ctx, STR_NULL, &page, e);
        }
        return r;
}
