/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Items renamed to a scratch name.  An editor that does that is about to write the new version, so the item
 * stays in the table (others go on reading it) while this mount shows it gone:
 *
 *      renamed away -> the name is written again   one conditional update, nothing was ever missing
 *                   -> the grace time passes       conditional delete: it was moved for good
 *                   -> the new text is refused     it is shown again; unlinked then, it is away again (editors do
 *                                                  that to rename their backup back)
 *                   -> unmount, rmdir              the same at once
 *                   -> crash                       the journal (journal.c) is replayed at the next mount
 *
 * One deletion at a time (fs.away_busy); who writes the name again holds it first, so that a deletion never
 * meets a save of this mount that changes nothing and therefore sends nothing.
 */
#include <unistd.h>
#include "journal_internal.h"
#include "ddbfs/base/clock.h"
#include "ddbfs/base/log.h"

#define EXPIRE_TIMEOUT_NS (30 * NS_PER_S)
#define RETRY_NS (5 * NS_PER_S)

struct away {
        struct list all;
        uint64_t due_ns;
        uint64_t pass;          /* of away_expire(): seen in it */
        unsigned refs;          /* the list's, and that of whoever is deleting it */
        bool forgotten;         /* no longer in the list */
        bool held;              /* the name is being written again: not to be deleted */
        bool shown;             /* what was written was refused: the item is there again; no journal */
        struct place place;
        struct snapshot *text;
};

static struct away *find(struct fs *fs, struct str id) {
        LIST_FOR_EACH(l, &fs->aways) {
                struct away *a = CONTAINER_OF(l, struct away, all);

                if (str_eq(place_file_id(&a->place), id))
                        return a;
        }
        return NULL;
}

/* away_lock is held. */
static void away_unref(struct away *a) {
        if (--a->refs > 0)
                return;
        place_deinit(&a->place);
        snapshot_unref(a->text);
        mem_free(a);
}

/* away_lock is held.  The journal stays. */
static void forget(struct fs *fs, struct away *a) {
        list_remove(&a->all);
        atomic_fetch_sub(&fs->n_aways, 1);
        a->forgotten = true;
        away_unref(a);
}

/* Listings that do not have it, or still do, are void, and so is that it was not there. */
static void changed(struct fs *fs, const struct away *a) {
        struct cache_view view;

        fs_wrote(fs, &a->place);
        cache_get(fs->cache, place_file_id(&a->place), UINT64_MAX, false, &view);
        cache_view_deinit(&view);
        if (view.state == CACHE_ABSENT)
                cache_invalidate(fs->cache, place_file_id(&a->place));
}

/* away_lock is held; journal_sync() follows without it. */
static void drop(struct fs *fs, struct away *a) {
        changed(fs, a);
        journal_remove(fs, place_file_id(&a->place));
        forget(fs, a);
}

/* ---- the thread that deletes what did not come back ---- */

static void *away_thread(void *arg) {
        struct fs *fs = arg;
        uint64_t due = 0;

        for (;;) {
                struct op_ctx ctx;
                bool stop;

                mutex_lock(&fs->away_lock);
                while (!fs->away_stopping && clock_now_ns() < due) {
                        due = UINT64_MAX;
                        LIST_FOR_EACH(l, &fs->aways)
                                due = MIN(due, CONTAINER_OF(l, struct away, all)->due_ns);
                        if (clock_now_ns() >= due)
                                break;
                        if (due == UINT64_MAX)
                                cond_wait(&fs->away_cond, &fs->away_lock);
                        else
                                (void)cond_wait_until(&fs->away_cond, &fs->away_lock, due);
                }
                stop = fs->away_stopping;
                mutex_unlock(&fs->away_lock);
                if (stop)
                        return NULL;
                op_ctx_init(&ctx, "rename", EXPIRE_TIMEOUT_NS);
                due = away_expire(fs, &ctx, NULL, false);
                op_ctx_deinit(&ctx);
        }
}

/* away_lock is held. */
static void ensure_thread(struct fs *fs) {
        if (!fs->away_running)
                fs->away_running = fs_thread_start(&fs->away_thread, away_thread, fs) == 0;
}

static int add(struct fs *fs, struct place *taken, struct snapshot *text, struct error *e) {
        struct away *a = mem_zalloc(sizeof(*a)), *old;

        if (!a) {
                place_deinit(taken);
                return error_set(e, ERR_MEMORY, "out of memory");
        }
        a->place = *taken;
        *taken = (struct place){ .table = NULL };
        a->text = snapshot_ref(text);
        a->due_ns = clock_now_ns() + fs->o.grace_ns;
        a->refs = 1;
        list_init(&a->all);
        mutex_lock(&fs->away_lock);
        old = find(fs, place_file_id(&a->place));
        if (old) /* the journal is the new one's already */
                forget(fs, old);
        atomic_fetch_add(&fs->n_aways, 1);
        list_append(&fs->aways, &a->all);
        fs_wrote(fs, &a->place);
        ensure_thread(fs);
        cond_signal(&fs->away_cond);
        mutex_unlock(&fs->away_lock);
        return 0;
}

int away_add(struct fs *fs, struct place *p, const struct item *item, struct snapshot *text, struct error *e) {
        int r = item ? journal_write(fs, p, item, e) : 0; /* of an attribute there is no journal: a crash leaves it where it is */

        return r ? r : add(fs, p, text, e);
}

bool away_find(struct fs *fs, struct str id) {
        struct away *a;
        bool found;

        if (atomic_load(&fs->n_aways) == 0)
                return false;
        mutex_lock(&fs->away_lock);
        a = find(fs, id);
        found = a && !a->shown;
        mutex_unlock(&fs->away_lock);
        return found;
}

int away_text(struct fs *fs, struct op_ctx *ctx, struct str id, struct snapshot **ret, struct error *e) {
        struct away *a;
        int r;

        *ret = NULL;
        if (!away_find(fs, id))
                return 0;
        r = fs_busy_begin(fs, ctx, &fs->away_busy, e); /* it may just be being deleted */
        if (r)
                return r;
        mutex_lock(&fs->away_lock);
        a = find(fs, id);
        if (a && !a->shown) {
                a->held = true;
                *ret = snapshot_ref(a->text);
        }
        mutex_unlock(&fs->away_lock);
        fs_busy_end(fs, &fs->away_busy);
        return 0;
}

void away_returned(struct fs *fs, struct str id) {
        struct away *a;

        if (atomic_load(&fs->n_aways) == 0)
                return;
        mutex_lock(&fs->away_lock);
        a = find(fs, id);
        if (a)
                drop(fs, a);
        mutex_unlock(&fs->away_lock);
        if (a)
                journal_sync(fs);
}

void away_refused(struct fs *fs, struct str id) {
        struct away *a;

        if (atomic_load(&fs->n_aways) == 0)
                return;
        mutex_lock(&fs->away_lock);
        a = find(fs, id);
        if (a) {
                a->held = false;
                a->shown = true;
                a->due_ns = clock_now_ns() + fs->o.grace_ns;
                changed(fs, a);
                journal_remove(fs, id);
        }
        mutex_unlock(&fs->away_lock);
        if (a)
                journal_sync(fs);
}

void away_unchanged(struct fs *fs, struct str id) {
        struct away *a;

        if (atomic_load(&fs->n_aways) == 0)
                return;
        mutex_lock(&fs->away_lock);
        a = find(fs, id);
        if (a)
                a->held = false;
        cond_signal(&fs->away_cond);
        mutex_unlock(&fs->away_lock);
}

static int journal_again(struct fs *fs, const struct place *p, const struct snapshot *text) {
        _cleanup_(arena_deinit) struct arena arena = ARENA_INIT(64 * MIB);
        struct item item;
        int r = item_parse(fs, p, str_make(text->text, text->n), &arena, &item, NULL);

        return r ? r : journal_write(fs, p, &item, NULL);
}

bool away_again(struct fs *fs, const struct place *p) {
        _cleanup_(snapshot_unrefp) struct snapshot *text = NULL;
        struct away *a;
        bool again = false;

        if (atomic_load(&fs->n_aways) == 0)
                return false;
        mutex_lock(&fs->away_lock);
        a = find(fs, place_file_id(p));
        if (a && a->shown)
                text = snapshot_ref(a->text);
        mutex_unlock(&fs->away_lock);
        if (!text || (p->kind != NODE_ATTR && journal_again(fs, p, text)))
                return false;
        mutex_lock(&fs->away_lock);
        a = find(fs, place_file_id(p));
        if (a && a->shown && a->text == text) {
                a->shown = false;
                a->due_ns = clock_now_ns() + fs->o.grace_ns;
                again = true;
        }
        mutex_unlock(&fs->away_lock);
        return again;
}

/* Somebody is just writing the new version. */
static bool being_written(struct fs *fs, const struct away *a) {
        bool found = false;

        mutex_lock(&fs->open_lock);
        LIST_FOR_EACH(l, &fs->drafts) {
                struct draft *d = CONTAINER_OF(l, struct draft, all);

                mutex_lock(&d->lock);
                found = found || (d->created && d->bases.n > 0 && d->bases.v[0].snapshot == a->text);
                mutex_unlock(&d->lock);
        }
        mutex_unlock(&fs->open_lock);
        return found;
}

static int read_now(struct fs *fs, struct op_ctx *ctx, const struct place *p, struct items *ret, struct error *e) {
        struct get_request get = { .table = p->table, .key = p->key, .consistent = true };

        return fs->store->ops->get(fs->store, ctx, &get, ret, e);
}

/* Then the scratch file has only what stands for their content: deleting the item would delete that. */
static bool has_large(const struct item *item) {
        for (uint32_t i = 0; i < item->n; i++)
                if (item->attributes[i].value.type == VALUE_LARGE)
                        return true;
        return false;
}

/* Only conditions on the attributes it had can be sent: what others have added is seen by looking first. */
static int delete_away(struct fs *fs, struct op_ctx *ctx, struct away *a, struct error *e) {
        _cleanup_(arena_deinit) struct arena arena = ARENA_INIT(64 * MIB);
        _cleanup_(items_deinit) struct items now;
        struct write w = { .op = WRITE_DELETE, .table = a->place.table, .key = a->place.key };
        struct item item;
        bool same = false;
        int r = item_parse(fs, &a->place, str_make(a->text->text, a->text->n), &arena, &item, e);

        items_init(&now);
        if (r == 0 && has_large(&item)) {
                log_warn("an item that was renamed to a scratch name has attributes in S3, which no scratch file holds: it stays");
                cache_invalidate(fs->cache, place_file_id(&a->place));
                return 0;
        }
        if (r == 0)
                r = read_now(fs, ctx, &a->place, &now, e);
        if (r == 0)
                same = now.n == 0 || item_equal(&now.v[0], &item);
        if (r == 0 && same && now.n > 0)
                r = item_unchanged(&a->place, &item, &w, &arena, e);
        if (r == 0 && same && now.n > 0)
                r = fs->store->ops->write(fs->store, ctx, &w, NULL, e);
        if ((r && e->kind == ERR_CONDITION) || r == -EXDEV || (r == 0 && !same)) {
                log_info("an item that was renamed away %s: it stays",
                         r == -EXDEV ? "has too many attributes for one condition" : "has been changed by somebody else");
                cache_invalidate(fs->cache, place_file_id(&a->place));
                return 0;
        }
        if (r == 0) {
                fs_wrote(fs, &a->place);
                partition_wrote(fs, &a->place, false);
                cache_put_own(fs->cache, place_file_id(&a->place), NULL);
        }
        return r;
}

static int delete_away_attr(struct fs *fs, struct op_ctx *ctx, struct away *a, struct error *e) {
        int r = attr_delete_away(fs, ctx, &a->place, a->text, e);

        if (r == 0 || e->kind != ERR_CONDITION)
                return r;
        log_info("an attribute that was renamed away has been changed by somebody else: it stays");
        cache_invalidate(fs->cache, buf_view(&a->place.id));
        return 0;
}

static bool is_below(const struct place *p, const struct place *partition) {
        if (partition->kind == NODE_ITEM)
                return str_eq(place_file_id(p), place_file_id(partition));
        return str_eq(p->table->name, partition->table->name) && p->key.n > 0 && partition->key.n > 0 &&
               str_eq(p->key.parts[0].text, partition->key.parts[0].text);
}

/* One whose time is up, or below `only`; NULL: none.  *ret_due: when the next one is. */
static struct away *next_due(struct fs *fs, const struct place *only, bool last, uint64_t pass, uint64_t *ret_due) {
        struct away *due = NULL;

        *ret_due = UINT64_MAX;
        mutex_lock(&fs->away_lock);
        LIST_FOR_EACH(l, &fs->aways) {
                struct away *a = CONTAINER_OF(l, struct away, all);
                bool wanted = only ? is_below(&a->place, only) : last || a->due_ns <= clock_now_ns();

                if (!due && wanted && (last || !a->held) && a->pass != pass)
                        due = a;
                else
                        *ret_due = MIN(*ret_due, a->held ? clock_now_ns() + RETRY_NS : a->due_ns);
        }
        if (due) {
                due->pass = pass;
                due->refs++;
        }
        mutex_unlock(&fs->away_lock);
        return due;
}

static void expire_one(struct fs *fs, struct op_ctx *ctx, struct away *a, bool last) {
        struct error e = { 0 };
        bool later = !last && being_written(fs, a);
        bool is_attr = a->place.kind == NODE_ATTR;
        int r = later || a->shown ? 0 : is_attr ? delete_away_attr(fs, ctx, a, &e) : delete_away(fs, ctx, a, &e);

        mutex_lock(&fs->away_lock);
        if (a->forgotten)
                ; /* meanwhile there is a new item of that name, or a newer one was renamed away */
        else if (later || (r && !last))
                a->due_ns = clock_now_ns() + (later ? fs->o.grace_ns : RETRY_NS);
        else if (r)
                forget(fs, a); /* the journal stays for the next mount */
        else
                drop(fs, a);
        away_unref(a);
        mutex_unlock(&fs->away_lock);
        if (r)
                log_warn("an item that was renamed away could not be deleted yet: %s", e.message);
        else if (!later)
                journal_sync(fs);
}

uint64_t away_expire(struct fs *fs, struct op_ctx *ctx, const struct place *only, bool last) {
        uint64_t pass = atomic_fetch_add(&fs->away_pass, 1) + 1, due = UINT64_MAX;
        struct away *a = NULL;
        struct error e;

        do {
                if (atomic_load(&fs->n_aways) == 0)
                        return UINT64_MAX;
                if (fs_busy_begin(fs, ctx, &fs->away_busy, &e))
                        return clock_now_ns() + RETRY_NS;
                a = next_due(fs, only, last, pass, &due);
                if (a)
                        expire_one(fs, ctx, a, last);
                fs_busy_end(fs, &fs->away_busy);
        } while (a);
        return due;
}

/* ---- the journal at the next mount ---- */

int away_replay(struct fs *fs, struct op_ctx *ctx, int folder, const char *name, struct str text, struct error *e) {
        _cleanup_(arena_deinit) struct arena arena = ARENA_INIT(64 * MIB);
        _cleanup_(snapshot_unrefp) struct snapshot *s = NULL;
        _cleanup_(place_deinit) struct place p = { .kind = NODE_ITEM };
        _cleanup_(items_deinit) struct items now;
        struct item key_item, item;
        struct str table, key_text;
        struct key key;
        int r = -EINVAL;

        items_init(&now);
        if (journal_next_line(&text, &table) && journal_next_line(&text, &key_text))
                r = journal_item(key_text, &arena, &key_item);
        if (r == 0)
                r = journal_item(text, &arena, &item);
        if (r)
                return error_set_errno(e, r, "journal");
        r = journal_table(fs, ctx, table, &p.table, e);
        if (r)
                return r;
        r = key_of_item(&p.table->key, &key_item, &key);
        if (r == 0)
                r = place_set_key(&p, &key);
        if (r == 0)
                r = item_snapshot(fs, &p, &item, &s);
        if (r)
                return error_set_errno(e, r, "journal");
        r = read_now(fs, ctx, &p, &now, e);
        if (r)
                return r;
        if (now.n == 0 || !item_equal(&now.v[0], &item)) { /* gone, or written again: nothing is left to do */
                (void)unlinkat(folder, name, 0);
                return 0;
        }
        r = journal_take(fs, folder, name); /* first: nobody else removes it when the item is deleted */
        return r ? error_set_errno(e, r, "journal") : add(fs, &p, s, e);
}

void away_stop(struct fs *fs) {
        bool running;

        mutex_lock(&fs->away_lock);
        fs->away_stopping = true;
        cond_signal(&fs->away_cond);
        running = fs->away_running;
        fs->away_running = false;
        mutex_unlock(&fs->away_lock);
        if (running)
                (void)pthread_join(fs->away_thread, NULL);
}

void away_free(struct fs *fs) {
        LIST_FOR_EACH_SAFE(l, &fs->aways)
                forget(fs, CONTAINER_OF(l, struct away, all));
}
