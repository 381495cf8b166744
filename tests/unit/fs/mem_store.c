/* SPDX-License-Identifier: Apache-2.0 */
/* The store in memory: its items, what tests do to it, and its faults.  Its own bookkeeping uses malloc, so that
 * mem_fail_at() counts the allocations of those who are tested (and of the items they are given). */
#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include "ddbfs/base/clock.h"
#include "ddbfs/base/hash.h"
#include "ddbfs/codec/item_text.h"
#include "ddbfs/store/number.h"
#include "mem_store_impl.h"

struct mem_store *mem_store_new(void) {
        struct mem_store *m = calloc(1, sizeof(*m));

        ck_assert_ptr_nonnull(m);
        m->face.ops = &mem_store_ops;
        mutex_init(&m->lock);
        cond_init(&m->cond);
        m->page_size = 1000;
        return m;
}

static void table_clear(struct mem_table_of_items *t) {
        for (size_t i = 0; i < t->n; i++)
                mem_item_free(t->v[i]);
        t->n = 0;
}

struct mem_store *mem_store_free(struct mem_store *m) {
        if (!m)
                return NULL;
        for (size_t i = 0; i < m->n_tables; i++) {
                table_clear(&m->tables[i]);
                free(m->tables[i].v);
                table_schema_unref(m->tables[i].schema);
        }
        for (size_t i = 0; i < MEM_TEXTS; i++)
                mem_free(m->texts[i]);
        cond_deinit(&m->cond);
        mutex_deinit(&m->lock);
        free(m);
        return NULL;
}

struct store *mem_store_face(struct mem_store *m) {
        return &m->face;
}

/* ---- items ---- */

static int compare_part(const struct key_part *a, const struct key_part *b) {
        return a->type == VALUE_N ? number_cmp(a->text, b->text) : str_cmp(a->text, b->text);
}

static uint64_t partition_hash(const struct key *key) {
        return hash_stable(77, key->parts[0].text);
}

static int compare_place(const struct mem_item *i, uint64_t hash, const struct key *key) {
        int r = (i->hash > hash) - (i->hash < hash);

        if (r == 0)
                r = compare_part(&i->key.parts[0], &key->parts[0]);
        if (r == 0 && i->key.n > 1)
                r = compare_part(&i->key.parts[1], &key->parts[1]);
        return r;
}

size_t mem_seek(const struct mem_table_of_items *t, const struct key *key, bool *ret_found) {
        uint64_t hash = partition_hash(key);
        size_t from = 0, to = t->n;

        while (from < to) {
                size_t mid = (from + to) / 2;

                if (compare_place(t->v[mid], hash, key) < 0)
                        from = mid + 1;
                else
                        to = mid;
        }
        *ret_found = from < t->n && compare_place(t->v[from], hash, key) == 0;
        return from;
}

struct mem_item *mem_find_item(const struct mem_table_of_items *t, const struct key *key) {
        bool found;
        size_t i = mem_seek(t, key, &found);

        return found ? t->v[i] : NULL;
}

int mem_item_new(const struct mem_table_of_items *t, const struct item *item, struct mem_item **ret) {
        struct mem_item *i = calloc(1, sizeof(*i));
        int r;

        if (!i)
                return -ENOMEM;
        i->arena = ARENA_INIT(4 * MIB);
        r = item_copy(&i->arena, item, &i->item);
        if (r == 0)
                r = key_of_item(&t->schema->key, &i->item, &i->key);
        if (r) {
                mem_item_free(i);
                return r == -ENOENT ? -EINVAL : r;
        }
        i->hash = partition_hash(&i->key);
        *ret = i;
        return 0;
}

void mem_item_free(struct mem_item *i) {
        if (i)
                arena_deinit(&i->arena);
        free(i);
}

int mem_reserve(struct mem_table_of_items *t, size_t n) {
        size_t cap = t->cap;
        struct mem_item **v;

        while (cap < t->n + n)
                cap = cap ? 2 * cap : 64;
        if (cap == t->cap)
                return 0;
        v = realloc(t->v, cap * sizeof(struct mem_item *));
        if (!v)
                return -ENOMEM;
        t->v = v;
        t->cap = cap;
        return 0;
}

void mem_insert(struct mem_table_of_items *t, struct mem_item *item) {
        bool found;
        size_t i = mem_seek(t, &item->key, &found);

        if (found) {
                mem_item_free(t->v[i]);
        } else {
                memmove(t->v + i + 1, t->v + i, (t->n - i) * sizeof(struct mem_item *));
                t->n++;
        }
        t->v[i] = item;
}

void mem_remove(struct mem_table_of_items *t, const struct key *key) {
        bool found;
        size_t i = mem_seek(t, key, &found);

        if (!found)
                return;
        mem_item_free(t->v[i]);
        t->n--;
        memmove(t->v + i, t->v + i + 1, (t->n - i) * sizeof(struct mem_item *));
}

/* ---- helpers for tests ---- */

struct mem_table_of_items *mem_find_table(struct mem_store *m, struct str name) {
        for (size_t i = 0; i < m->n_tables; i++)
                if (!m->tables[i].dropped && str_eq(m->tables[i].schema->name, name))
                        return &m->tables[i];
        return NULL;
}

static struct mem_table_of_items *table_of(struct mem_store *m, const char *name) {
        struct mem_table_of_items *t = mem_find_table(m, str_of(name));

        ck_assert_msg(t != NULL, "no table %s", name);
        return t;
}

static void set_key_attr(struct table_schema *s, struct key_attr *attr, const char *spec) {
        struct str name = str_of(spec);

        ck_assert_uint_gt(name.n, 2);
        name.n -= 2;
        ck_assert(value_type_from_name(str_of(spec + name.n + 1), &attr->type));
        ck_assert_int_eq(arena_dup(&s->arena, name, &attr->name), 0);
}

void mem_table(struct mem_store *m, const char *name, const char *hash, const char *range) {
        struct table_schema *s = NULL;

        ck_assert_int_eq(table_schema_new(&s), 0);
        ck_assert_int_eq(arena_dup(&s->arena, str_of(name), &s->name), 0);
        s->status = STR("ACTIVE");
        s->description = STR("{}");
        s->key.n_hash = 1;
        set_key_attr(s, &s->key.attrs[0], hash);
        if (range) {
                s->key.n_range = 1;
                set_key_attr(s, &s->key.attrs[1], range);
        }
        mutex_lock(&m->lock);
        ck_assert_uint_lt(m->n_tables, MEM_TABLES_MAX);
        m->tables[m->n_tables++] = (struct mem_table_of_items){ .schema = s };
        mutex_unlock(&m->lock);
}

void mem_declare(struct mem_store *m, const char *table, const char *attr) {
        struct table_schema *s = table_of(m, table)->schema;
        struct index_schema *indexes = arena_array(&s->arena, s->n_indexes + 1, sizeof(*indexes));

        ck_assert_ptr_nonnull(indexes);
        if (s->n_indexes)
                memcpy(indexes, s->indexes, s->n_indexes * sizeof(*indexes));
        s->indexes = indexes;
        s->indexes[s->n_indexes] = (struct index_schema){ .name = STR("later"), .global = true, .key = { .n_hash = 1 } };
        set_key_attr(s, &s->indexes[s->n_indexes++].key.attrs[0], attr);
}

void mem_drop_table(struct mem_store *m, const char *name) {
        mutex_lock(&m->lock);
        table_of(m, name)->dropped = true;
        mutex_unlock(&m->lock);
}

static void put_item(struct mem_store *m, const char *table, const struct item *item) {
        struct mem_table_of_items *t;
        struct mem_item *i;

        mutex_lock(&m->lock);
        t = table_of(m, table);
        ck_assert_int_eq(mem_item_new(t, item, &i), 0);
        ck_assert_int_eq(mem_reserve(t, 1), 0);
        mem_insert(t, i);
        mutex_unlock(&m->lock);
}

void mem_put(struct mem_store *m, const char *table, const char *text) {
        struct item_text_options plain = { .format = ITEM_FORMAT_PLAIN };
        struct arena a = ARENA_INIT(4 * MIB);
        struct error e = { 0 };
        struct item item;
        struct table_schema *s;

        mutex_lock(&m->lock);
        s = table_of(m, table)->schema;
        mutex_unlock(&m->lock);
        ck_assert_msg(item_text_parse(str_of(text), &s->key, NULL, &plain, &a, &item, &e) == 0, "%s: %s", text,
                      e.message);
        put_item(m, table, &item);
        arena_deinit(&a);
}

void mem_putf(struct mem_store *m, const char *table, const char *format, ...) {
        char *text;
        va_list ap;

        va_start(ap, format);
        ck_assert_int_ge(vasprintf(&text, format, ap), 0);
        va_end(ap);
        mem_put(m, table, text);
        free(text);
}

/* A key from texts, by the table's types. */
static void make_key(const struct mem_table_of_items *t, struct str hash, struct str range, struct key *ret) {
        *ret = (struct key){ .n = 1 + t->schema->key.n_range };
        ret->parts[0] = (struct key_part){ .type = t->schema->key.attrs[0].type, .text = hash };
        ret->parts[1] = (struct key_part){ .type = t->schema->key.attrs[1].type, .text = range };
}

void mem_put_key(struct mem_store *m, const char *table, struct str hash, struct str range) {
        const struct key_schema *k;
        struct attribute a[2];
        struct key key;
        struct item item;

        mutex_lock(&m->lock);
        k = &table_of(m, table)->schema->key;
        make_key(table_of(m, table), hash, range, &key);
        mutex_unlock(&m->lock);
        for (uint32_t i = 0; i < key.n; i++)
                a[i] = (struct attribute){ .name = k->attrs[i].name,
                                           .value = { .type = key.parts[i].type, .text = key.parts[i].text } };
        item = (struct item){ .n = key.n, .attributes = a };
        ck_assert_int_eq(attributes_sort(a, item.n, NULL), 0);
        put_item(m, table, &item);
}

bool mem_delete(struct mem_store *m, const char *table, const char *hash, const char *range) {
        struct mem_table_of_items *t;
        struct key key;
        bool found;

        mutex_lock(&m->lock);
        t = table_of(m, table);
        make_key(t, str_of(hash), str_of(range), &key);
        found = mem_find_item(t, &key) != NULL;
        mem_remove(t, &key);
        mutex_unlock(&m->lock);
        return found;
}

void mem_clear(struct mem_store *m, const char *table) {
        mutex_lock(&m->lock);
        table_clear(table_of(m, table));
        mutex_unlock(&m->lock);
}

size_t mem_count(struct mem_store *m, const char *table) {
        size_t n;

        mutex_lock(&m->lock);
        n = table_of(m, table)->n;
        mutex_unlock(&m->lock);
        return n;
}

const char *mem_text(struct mem_store *m, const char *table, const char *hash, const char *range) {
        struct item_text_options compact = { .compact = true };
        struct buf out = BUF_INIT(16 * MIB);
        struct mem_table_of_items *t;
        struct mem_item *i;
        struct key key;
        char **slot = NULL;

        mutex_lock(&m->lock);
        t = table_of(m, table);
        make_key(t, str_of(hash), str_of(range), &key);
        i = mem_find_item(t, &key);
        if (i) {
                ck_assert_int_eq(item_text_render(&i->item, &t->schema->key, &compact, &out), 0);
                buf_truncate(&out, out.n - 1);
                slot = &m->texts[m->next_text++ % MEM_TEXTS];
                mem_free(*slot);
                *slot = buf_steal(&out, NULL);
                ck_assert_ptr_nonnull(*slot);
        }
        mutex_unlock(&m->lock);
        return slot ? *slot : NULL;
}

/* ---- counts and faults ---- */

unsigned mem_calls(struct mem_store *m, enum mem_op op) {
        unsigned n;

        mutex_lock(&m->lock);
        n = m->calls[op];
        mutex_unlock(&m->lock);
        return n;
}

unsigned mem_all_calls(struct mem_store *m) {
        unsigned n = 0;

        for (unsigned op = 0; op < _MEM_OP_N; op++)
                n += mem_calls(m, (enum mem_op)op);
        return n;
}

unsigned mem_writes(struct mem_store *m) {
        return mem_calls(m, MEM_WRITE) + mem_calls(m, MEM_BATCH_WRITE) + mem_calls(m, MEM_TRANSACT_WRITE);
}

unsigned mem_strong_reads(struct mem_store *m) {
        unsigned n;

        mutex_lock(&m->lock);
        n = m->strong_reads;
        mutex_unlock(&m->lock);
        return n;
}

void mem_reset_calls(struct mem_store *m) {
        mutex_lock(&m->lock);
        memset(m->calls, 0, sizeof(m->calls));
        m->strong_reads = 0;
        mutex_unlock(&m->lock);
}

unsigned mem_lock_violations(struct mem_store *m) {
        unsigned n;

        mutex_lock(&m->lock);
        n = m->lock_violations;
        mutex_unlock(&m->lock);
        return n;
}

void mem_set_page_size(struct mem_store *m, uint32_t items) {
        mutex_lock(&m->lock);
        m->page_size = items;
        mutex_unlock(&m->lock);
}

void mem_set_empty_pages(struct mem_store *m, bool on) {
        mutex_lock(&m->lock);
        m->empty_pages = on;
        m->pages = 0;
        mutex_unlock(&m->lock);
}

void mem_set_count_one_more(struct mem_store *m, bool on) {
        mutex_lock(&m->lock);
        m->count_one_more = on;
        mutex_unlock(&m->lock);
}

void mem_set_item_bytes(struct mem_store *m, unsigned bytes) {
        mutex_lock(&m->lock);
        m->item_bytes = bytes;
        mutex_unlock(&m->lock);
}

void mem_set_segments(struct mem_store *m, enum mem_segments how) {
        mutex_lock(&m->lock);
        m->segments = how;
        mutex_unlock(&m->lock);
}

void mem_set_delay_us(struct mem_store *m, unsigned us) {
        mutex_lock(&m->lock);
        m->delay_us = us;
        mutex_unlock(&m->lock);
}

void mem_fail(struct mem_store *m, enum mem_op op, unsigned nth, unsigned times, enum error_kind kind, bool applied) {
        mutex_lock(&m->lock);
        m->faults[op] = (struct mem_fault){ .nth = nth, .times = times, .kind = kind, .applied = applied };
        mutex_unlock(&m->lock);
}

void mem_deny(struct mem_store *m, const char *table, enum error_kind kind) {
        mutex_lock(&m->lock);
        m->denied = table;
        m->deny = kind;
        mutex_unlock(&m->lock);
}

void mem_fail_all(struct mem_store *m, enum error_kind kind) {
        mutex_lock(&m->lock);
        m->fail_all = kind;
        mutex_unlock(&m->lock);
}

void mem_hold(struct mem_store *m, enum mem_op op, bool after) {
        mutex_lock(&m->lock);
        m->hold[op] = true;
        m->hold_after[op] = after;
        mutex_unlock(&m->lock);
}

void mem_release(struct mem_store *m, enum mem_op op) {
        mutex_lock(&m->lock);
        m->hold[op] = false;
        cond_broadcast(&m->cond);
        mutex_unlock(&m->lock);
}

unsigned mem_held(struct mem_store *m, enum mem_op op) {
        unsigned n;

        mutex_lock(&m->lock);
        n = m->n_held[op];
        mutex_unlock(&m->lock);
        return n;
}

void mem_wait_held(struct mem_store *m, enum mem_op op, unsigned n) {
        struct timespec ms = { .tv_nsec = 1000000 };

        for (unsigned i = 0; mem_held(m, op) < n && i < 10000; i++)
                nanosleep(&ms, NULL);
        ck_assert_msg(mem_held(m, op) >= n, "nobody came to be held");
}

void mem_before(struct mem_store *m, enum mem_op op, unsigned nth, void (*fn)(struct mem_store *, void *), void *arg) {
        mutex_lock(&m->lock);
        m->hooks[op] = (struct mem_hook){ .nth = nth, .fn = fn, .arg = arg };
        mutex_unlock(&m->lock);
}

/* ---- around every call ---- */

/* From mem_begin() to mem_end() the lock is held, which the analysis cannot follow over the two. */
NO_ANALYSIS static void lock(struct mem_store *m) {
        mutex_lock(&m->lock);
}

NO_ANALYSIS static void unlock(struct mem_store *m) {
        mutex_unlock(&m->lock);
}

static void wake(void *arg) {
        struct mem_store *m = arg;

        mutex_lock(&m->lock);
        cond_broadcast(&m->cond);
        mutex_unlock(&m->lock);
}

static int held(struct mem_call *c, bool after, struct error *e) {
        struct mem_store *m = c->m;
        int r = 0;

        op_ctx_set_waker(c->ctx, wake, m);
        mutex_lock(&m->lock);
        m->n_held[c->op]++;
        while (m->hold[c->op] && m->hold_after[c->op] == after && (r = op_ctx_check(c->ctx, e)) == 0)
                (void)cond_wait_until(&m->cond, &m->lock, c->ctx->deadline_ns);
        m->n_held[c->op]--;
        mutex_unlock(&m->lock);
        op_ctx_clear_waker(c->ctx);
        return r;
}

/* Which fault meets this call, if any.  Lock held. */
static struct mem_fault take_fault(struct mem_store *m, enum mem_op op) {
        struct mem_fault *f = &m->faults[op], now = { 0 };

        if (m->fail_all)
                return (struct mem_fault){ .kind = m->fail_all };
        if (f->nth == 0 || --f->nth > 0)
                return now;
        now = *f;
        if (--f->times > 0)
                f->nth = 1;
        return now;
}

static int fail_with(enum error_kind kind, struct error *e) {
        int r = error_set(e, kind, "made to fail");

        if (e) {
                (void)snprintf(e->code, sizeof(e->code), "%s", kind == ERR_ACCESS ? "AccessDeniedException" : "MadeToFail");
                (void)snprintf(e->request_id, sizeof(e->request_id), "REQUEST-1");
        }
        return r;
}

int mem_begin(struct mem_call *c, struct mem_store *m, struct op_ctx *ctx, enum mem_op op, bool strong,
              struct error *e) {
        unsigned violations = locks_held() > 0;
        struct mem_hook hook = { 0 };
        struct mem_fault fault;
        bool hold;
        int r;

        *c = (struct mem_call){ .m = m, .ctx = ctx, .op = op };
        mutex_lock(&m->lock);
        m->lock_violations += violations;
        m->calls[op]++;
        m->strong_reads += strong;
        fault = take_fault(m, op);
        hold = m->hold[op] && !m->hold_after[op];
        if (m->hooks[op].nth > 0 && --m->hooks[op].nth == 0)
                hook = m->hooks[op];
        mutex_unlock(&m->lock);
        ctx->requests++;
        ctx->rcu += 0.5;
        if (m->delay_us)
                nanosleep(&(struct timespec){ .tv_nsec = m->delay_us * 1000L }, NULL);
        if (hook.fn)
                hook.fn(m, hook.arg);
        r = op_ctx_check(ctx, e);
        if (r == 0 && hold)
                r = held(c, false, e);
        if (r == 0 && fault.kind && !fault.applied)
                r = fail_with(fault.kind, e);
        if (r)
                return r;
        c->lost = fault.kind;
        lock(m);
        return 0;
}

int mem_end(struct mem_call *c, int r, struct error *e) {
        bool hold = c->m->hold[c->op] && c->m->hold_after[c->op];

        unlock(c->m);
        if (r == 0 && hold)
                r = held(c, true, e);
        if (r == 0 && c->lost)
                r = fail_with(c->lost, e);
        return r;
}
