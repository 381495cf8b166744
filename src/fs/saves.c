/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was saved and is not in the table yet: see saves_internal.h.  Saves of one key keep their order; those that wait together are sent as one.
 */
#include <unistd.h>
#include "journal_internal.h"
#include "saves_internal.h"
#include "saves_record.h"
#include "ddbfs/base/clock.h"
#include "ddbfs/base/hash.h"

#define RECORD_MAX (40 * MIB)

struct save_entry *save_entry_free(struct save_entry *x) {
        if (!x)
                return NULL;
        place_deinit(&x->place);
        arena_deinit(&x->arena);
        mem_free(x->path);
        return mem_free(x);
}

static struct saves *saves_new(struct fs *fs) {
        struct saves *s = mem_zalloc(sizeof(*s));

        if (!s)
                return NULL;
        s->fs = fs;
        s->inner = fs->store;
        saves_make_face(s);
        s->batch = fs->o.commit_batch;
        s->next_seq = 1;
        mutex_init(&s->lock);
        cond_init(&s->cond);
        list_init(&s->queue);
        list_init(&s->tables);
        s->undone = BUF_INIT(MIB);
        return s;
}

int saves_open(struct fs *fs) {
        int fd, r;

        if (fs->saves)
                return 0;
        fd = openat(fs->journal_fd, SAVES_NAME, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return -errno;
        fs->saves = saves_new(fs);
        r = fs->saves ? 0 : -ENOMEM;
        if (r == 0)
                r = save_log_new(fd, SAVES_FILE_MAX, &fs->saves->log);
        if (r) {
                close(fd);
                saves_free(fs);
                return r;
        }
        fs->store = &fs->saves->face;
        journal_sync(fs);
        return 0;
}

void saves_free(struct fs *fs) {
        struct saves *s = fs->saves;

        if (!s)
                return;
        saves_stop(fs, 0);
        if (s->n == 0 && fs->journal_fd >= 0)
                (void)unlinkat(fs->journal_fd, SAVES_NAME, 0);
        LIST_FOR_EACH_SAFE(l, &s->queue) {
                struct save_entry *x = CONTAINER_OF(l, struct save_entry, all);

                hmap_remove(&s->by_id, &x->node);
                list_remove(&x->all);
                save_entry_free(x);
        }
        LIST_FOR_EACH_SAFE(l, &s->tables) {
                struct save_table *t = CONTAINER_OF(l, struct save_table, all);

                table_schema_unref(t->schema);
                mem_free(t);
        }
        save_log_free(s->log);
        buf_deinit(&s->undone);
        hmap_deinit(&s->by_id);
        cond_deinit(&s->cond);
        mutex_deinit(&s->lock);
        fs->store = s->inner;
        fs->saves = mem_free(s);
}

bool saves_any(struct fs *fs) {
        struct saves *s = fs->saves;
        bool any;

        if (!s)
                return false;
        mutex_lock(&s->lock);
        any = s->n > 0 || s->finishing > 0; /* or what follows could be undone by a replay */
        mutex_unlock(&s->lock);
        return any;
}

struct save_entry *saves_newest(struct saves *s, struct str id) {
        struct save_entry *found = NULL;

        for (struct hmap_node *n = hmap_first(&s->by_id, hash_seeded(8, id)); n; n = hmap_next(n)) {
                struct save_entry *x = CONTAINER_OF(n, struct save_entry, node);

                if (str_eq(buf_view(&x->place.id), id) && (!found || x->seq > found->seq))
                        found = x;
        }
        return found;
}

/* ---- saving ---- */

/* `now` with what an update sets and removes. */
static int apply(const struct write *w, const struct item *now, struct arena *a, struct item *ret) {
        struct attribute *v = arena_array(a, (size_t)now->n + w->n_set + 1, sizeof(*v));
        uint32_t n = 0;

        if (!v)
                return -ENOMEM;
        for (uint32_t i = 0; i < now->n; i++) {
                bool kept = true;

                for (uint32_t k = 0; kept && k < w->n_set; k++)
                        kept = !str_eq(w->set[k].name, now->attributes[i].name);
                for (uint32_t k = 0; kept && k < w->n_remove; k++)
                        kept = !str_eq(w->remove[k], now->attributes[i].name);
                if (kept)
                        v[n++] = now->attributes[i];
        }
        for (uint32_t k = 0; k < w->n_set; k++)
                v[n++] = w->set[k];
        *ret = (struct item){ .n = n, .attributes = v };
        return attributes_sort(v, n, NULL);
}

static struct save_entry *entry_new(const struct place *p, struct str path, uint64_t ino, const struct write *w) {
        struct save_entry *x = mem_zalloc(sizeof(*x));

        if (!x)
                return NULL;
        list_init(&x->all);
        list_init(&x->chain);
        x->arena = ARENA_INIT(SAVE_ITEM_MAX);
        x->op = w->op;
        x->exclusive = w->op == WRITE_PUT && w->n_conditions > 0;
        x->ino = ino;
        x->since_ns = clock_now_ns();
        x->place = (struct place){ .kind = NODE_ITEM, .table = table_schema_ref(p->table) };
        x->path = mem_dup(path.p, path.n);
        if (!x->path || place_set_key(&x->place, &p->key))
                return save_entry_free(x);
        return x;
}

/* lock is held.  NULL: no memory. */
static struct save_table *table_of(struct saves *s, struct table_schema *schema) {
        struct save_table *t;

        LIST_FOR_EACH(l, &s->tables) {
                t = CONTAINER_OF(l, struct save_table, all);
                if (str_eq(t->schema->name, schema->name))
                        return t;
        }
        t = mem_zalloc(sizeof(*t));
        if (!t)
                return NULL;
        t->schema = table_schema_ref(schema);
        list_append(&s->tables, &t->all);
        return t;
}

/* lock is held. */
static int enqueue(struct saves *s, struct save_entry *x) {
        x->table = table_of(s, x->place.table);
        if (!x->table || s->stopping || hmap_insert(&s->by_id, &x->node, hash_seeded(8, buf_view(&x->place.id))))
                return -ENOMEM;
        list_append(&s->queue, &x->all);
        s->n++;
        return 0;
}

/* lock is held. */
static void dequeue(struct saves *s, struct save_entry *x) {
        hmap_remove(&s->by_id, &x->node);
        list_remove(&x->all);
        if (--s->n == 0 && save_log_clear(s->log))
                buf_reset(&s->undone);
        cond_broadcast(&s->cond);
}

/* Into the queue and in line for the disk, in one step: so both have the same order.  1: not possible. */
static int put_in_line(struct saves *s, struct save_entry *x, struct save_log_wait *wait) {
        _cleanup_(buf_deinit) struct buf record = BUF_INIT(RECORD_MAX);
        _cleanup_(buf_deinit) struct buf table = BUF_INIT(4 * KIB);
        struct save_payload p = { .op = x->op, .exclusive = x->exclusive, .path = str_of(x->path), .item = x->item, .base = x->base };
        struct str line;

        x->seq = s->next_seq++;
        journal_put_table(&table, x->place.table);
        line = buf_view(&table);
        if (buf_status(&table) || !journal_next_line(&line, &p.table))
                return 1;
        save_record(&record, x->seq, &p);
        if (buf_status(&record) || !saves_start_sender(s) || enqueue(s, x))
                return 1;
        if (save_log_put(s->log, buf_view(&record), wait)) {
                dequeue(s, x);
                return 1;
        }
        return 0;
}

static int contradiction(const struct write *w, const struct item *now, struct error *e) {
        struct str attr = item_contradicts(w, now);

        return attr.p ? error_set(e, ERR_CONDITION, "attribute \"%.*s\" was changed since the item was read",
                                  (int)MIN(attr.n, (size_t)100), attr.p)
                      : 0;
}

/* The entry of this write, on top of what is waiting.  lock is held. */
static int entry_of_write(struct saves *s, struct save_entry *x, const struct write *w, const struct item *base,
                          struct error *e) {
        struct save_entry *before = saves_newest(s, buf_view(&x->place.id));
        const struct item *current = before ? &before->item : base;
        int r = 0;

        if (w->op == WRITE_PUT && x->exclusive && before)
                return error_set(e, ERR_EXISTS, "there is an item of that name");
        if (w->op == WRITE_PUT) {
                r = item_copy(&x->arena, w->item, &x->item);
        } else {
                struct item merged;

                r = before ? contradiction(w, current, e) : 0;
                if (r)
                        return r;
                r = apply(w, current, &x->arena, &merged);
                if (r == 0)
                        r = item_copy(&x->arena, &merged, &x->item);
                if (r == 0)
                        r = item_copy(&x->arena, current, &x->base);
        }
        return r ? 1 : 0;
}

/* lock is held. */
static void durable(struct saves *s, struct save_entry *x) {
        x->durable = true;
        saves_tell(s, x);
}

static bool any_fails(struct saves *s) {
        bool any = false;

        mutex_lock(&s->lock);
        LIST_FOR_EACH(l, &s->tables)
                any = any || CONTAINER_OF(l, struct save_table, all)->retry_after_ns > 0;
        mutex_unlock(&s->lock);
        return any;
}

#define BRIEF_NS NS_PER_S

/* For a moment, and not all the time that the operation has. */
static bool wait_briefly(struct fs *fs, struct op_ctx *ctx, const struct table_schema *table, const struct key *key) {
        uint64_t deadline_ns = ctx->deadline_ns, now = clock_now_ns();
        struct error ignored;
        int r;

        ctx->deadline_ns = now + MIN(BRIEF_NS, (deadline_ns - MIN(now, deadline_ns)) / 4);
        r = saves_wait(fs, ctx, table, key, 0, &ignored);
        ctx->deadline_ns = deadline_ns;
        return r == 0;
}

/* The file is emptied when nothing is waiting: where it is crowded, let that come for a moment, if it can.  A table that
 * fails, or does not answer, is no reason to fail the saves of others while there is room. */
static int let_it_empty(struct fs *fs, struct op_ctx *ctx, struct error *e) {
        if (!save_log_crowded(fs->saves->log) || any_fails(fs->saves) || wait_briefly(fs, ctx, NULL, NULL))
                return 0;
        return op_ctx_check(ctx, e);
}

int saves_write(struct fs *fs, struct op_ctx *ctx, const struct place *p, struct str path, uint64_t ino,
                const struct write *w, const struct item *base, struct snapshot **ret_text, uint64_t *ret_seq,
                struct error *e) {
        struct saves *s = fs->saves;
        _cleanup_(snapshot_unrefp) struct snapshot *text = NULL;
        struct save_log_wait wait;
        struct save_entry *x;
        int r;

        if (!s || !s->batch || !s->log)
                return 1;
        r = let_it_empty(fs, ctx, e);
        if (r)
                return r;
        x = entry_new(p, path, ino, w);
        if (!x)
                return 1;
        mutex_lock(&s->lock);
        r = entry_of_write(s, x, w, base, e);
        if (r == 0 && item_snapshot(fs, p, &x->item, &text))
                r = 1;
        if (r == 0)
                r = put_in_line(s, x, &wait);
        mutex_unlock(&s->lock);
        if (r) {
                save_entry_free(x);
                return r;
        }
        r = save_log_wait(s->log, &wait);
        mutex_lock(&s->lock);
        if (r == 0 && saves_newest(s, buf_view(&p->id)) == x) /* before it may be sent: what becomes of it comes after this */
                cache_put_own(fs->cache, buf_view(&p->id), text);
        if (r == 0)
                *ret_seq = x->seq;
        if (r)
                dequeue(s, x); /* the sender has not looked at it: it is not durable */
        else
                durable(s, x);
        mutex_unlock(&s->lock);
        if (r)
                save_entry_free(x);
        else
                *ret_text = TAKE(text);
        return r ? 1 : 0;
}

int saves_adopt(struct fs *fs, struct save_entry *x) {
        struct saves *s = fs->saves;
        struct save_log_wait wait;
        int r;

        mutex_lock(&s->lock);
        r = s->log ? put_in_line(s, x, &wait) : -EIO;
        mutex_unlock(&s->lock);
        if (r)
                return -EIO;
        r = save_log_wait(s->log, &wait);
        mutex_lock(&s->lock);
        if (r)
                dequeue(s, x);
        else
                durable(s, x);
        mutex_unlock(&s->lock);
        return r;
}

/* ---- waiting ---- */

static bool concerns(const struct save_entry *x, const struct table_schema *table, const struct key *key) {
        if (!table)
                return true;
        if (!str_eq(x->place.table->name, table->name))
                return false;
        for (uint32_t i = 0; key && i < key->n && i < x->place.key.n; i++)
                if (!str_eq(x->place.key.parts[i].text, key->parts[i].text))
                        return false;
        return true;
}

/* Not counting what could not be sent since `failures`.  lock is held. */
static bool is_waiting(struct saves *s, const struct table_schema *table, const struct key *key, uint64_t up_to,
                       uint64_t failures) {
        if (s->finishing > 0)
                return true;
        LIST_FOR_EACH(l, &s->queue) {
                const struct save_entry *x = CONTAINER_OF(l, struct save_entry, all);

                if (x->seq > up_to)
                        return false;
                if (x->table->failed <= failures && concerns(x, table, key))
                        return true;
        }
        return false;
}

/* Why what still waits could not be sent.  lock is held. */
static int failure(struct saves *s, const struct table_schema *table, const struct key *key, uint64_t up_to,
                   struct error *e) {
        LIST_FOR_EACH(l, &s->queue) {
                const struct save_entry *x = CONTAINER_OF(l, struct save_entry, all);

                if (x->seq > up_to)
                        return 0;
                if (concerns(x, table, key)) {
                        *e = x->table->failure;
                        return -error_errno(e->kind);
                }
        }
        return 0;
}

void saves_retry(struct saves *s, const struct table_schema *table) {
        LIST_FOR_EACH(l, &s->tables) {
                struct save_table *t = CONTAINER_OF(l, struct save_table, all);

                if (!table || str_eq(t->schema->name, table->name))
                        t->retry_ns = 0;
        }
}

static void wake(void *arg) {
        struct saves *s = arg;

        mutex_lock(&s->lock);
        cond_broadcast(&s->cond);
        mutex_unlock(&s->lock);
}

static bool is_forgotten(struct saves *s, const struct table_schema *table, uint64_t seq) {
        LIST_FOR_EACH(l, &s->tables) {
                const struct save_table *t = CONTAINER_OF(l, struct save_table, all);

                if (seq <= t->forgotten && (!table || str_eq(t->schema->name, table->name)))
                        return true;
        }
        return false;
}

static int refusal(struct saves *s, const struct table_schema *table, uint64_t seq, struct error *e) {
        for (size_t i = 0; seq && i < ARRAY_LEN(s->refused); i++) {
                if (s->refused[i].seq == seq) {
                        *e = s->refused[i].error;
                        e->told = true;
                        return -error_errno(e->kind);
                }
        }
        if (seq && is_forgotten(s, table, seq))
                return error_set_errno(e, -EIO, "so many saves were refused that it is not known any more whether this one "
                                                "was: see .ddbfs/rejected and errors.jsonl; checking the save");
        return 0;
}

int saves_wait(struct fs *fs, struct op_ctx *ctx, const struct table_schema *table, const struct key *key, uint64_t seq,
               struct error *e) {
        struct saves *s = fs->saves;
        uint64_t failures, up_to;
        struct error local = { 0 };
        int r = 0;

        if (!s)
                return 0;
        op_ctx_set_waker(ctx, wake, s);
        mutex_lock(&s->lock);
        failures = s->failures;
        up_to = s->next_seq - 1;
        if (is_waiting(s, table, key, up_to, failures)) {
                s->hurry++;
                saves_retry(s, table);
                cond_broadcast(&s->cond);
                while (r == 0 && is_waiting(s, table, key, up_to, failures)) {
                        (void)cond_wait_until(&s->cond, &s->lock, ctx->deadline_ns);
                        r = op_ctx_check(ctx, &local);
                }
                s->hurry--;
                if (r == 0)
                        r = failure(s, table, key, up_to, &local);
        }
        if (r == 0)
                r = refusal(s, table, seq, &local);
        mutex_unlock(&s->lock);
        op_ctx_clear_waker(ctx);
        if (r && e)
                *e = local;
        return r;
}

/* The oldest; NULL: there is none.  lock is held. */
static struct save_entry *oldest(struct saves *s, const struct table_schema *table, const struct key *key) {
        LIST_FOR_EACH(l, &s->queue) {
                struct save_entry *x = CONTAINER_OF(l, struct save_entry, all);

                if (concerns(x, table, key))
                        return x;
        }
        return NULL;
}

bool saves_waiting(struct fs *fs, const struct table_schema *table, const struct key *key) {
        bool any;

        if (!saves_any(fs))
                return false;
        mutex_lock(&fs->saves->lock);
        any = oldest(fs->saves, table, key) != NULL;
        mutex_unlock(&fs->saves->lock);
        return any;
}

/* It cannot be sent, or has waited for too long already. */
static bool is_stuck(struct saves *s, const struct table_schema *table, const struct key *key) {
        struct save_entry *x;
        bool stuck;

        mutex_lock(&s->lock);
        x = oldest(s, table, key);
        stuck = x && (x->table->retry_after_ns > 0 || clock_now_ns() - x->since_ns > BRIEF_NS);
        mutex_unlock(&s->lock);
        return stuck;
}

bool saves_settle(struct fs *fs, struct op_ctx *ctx, const struct table_schema *table, const struct key *key) {
        return !saves_any(fs) || (!is_stuck(fs->saves, table, key) && wait_briefly(fs, ctx, table, key));
}
