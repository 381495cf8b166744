/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Items renamed to a scratch name.  An editor that does that is about to write the new version, so the item
 * stays in the table (others go on reading it) while this mount shows it gone:
 *
 *      renamed away -> the name is written again   one conditional update, nothing was ever missing
 *                   -> the grace time passes       conditional delete: it was moved for good
 *                   -> unmount                     the same at once
 *                   -> crash                       the journal (STATE/journal) is replayed at the next mount
 *
 * The journal of one: the table's name, a newline, the key as DynamoDB JSON, a newline, the text.
 */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>
#include "fs_internal.h"
#include "ddbfs/base/clock.h"
#include "ddbfs/base/hash.h"
#include "ddbfs/base/json.h"
#include "ddbfs/base/log.h"
#include "ddbfs/codec/wire.h"

#define EXPIRE_TIMEOUT_NS (30 * NS_PER_S)
#define RETRY_NS (5 * NS_PER_S)
#define JOURNAL_MAX (ITEM_TEXT_MAX + 64 * KIB)

struct away {
        struct list all;
        uint64_t due_ns;
        bool busy;              /* being deleted: stays in the list until that is over */
        bool replaced;          /* meanwhile the item was written and renamed away again: the journal is the new one's */
        struct place place;
        struct snapshot *text;
};

static struct away *find(struct fs *fs, struct str id) {
        LIST_FOR_EACH(l, &fs->aways) {
                struct away *a = CONTAINER_OF(l, struct away, all);

                if (!a->replaced && str_eq(buf_view(&a->place.id), id))
                        return a;
        }
        return NULL;
}

static int journal_path(struct fs *fs, struct str id, char out[PATH_MAX]) {
        int n = snprintf(out, PATH_MAX, "%s/journal/%016llx", fs->o.state_dir, (unsigned long long)hash_stable(3, id));

        return n < 0 || n >= PATH_MAX ? -ENAMETOOLONG : 0;
}

/* Its journal stays. */
static void away_forget(struct fs *fs, struct away *a) {
        list_remove(&a->all);
        atomic_fetch_sub(&fs->n_aways, 1);
        place_deinit(&a->place);
        snapshot_unref(a->text);
        mem_free(a);
}

static void away_drop(struct fs *fs, struct away *a) {
        char path[PATH_MAX];

        if (journal_path(fs, buf_view(&a->place.id), path) == 0)
                (void)unlink(path);
        away_forget(fs, a);
}

static int write_journal(struct fs *fs, const struct place *p, struct snapshot *text) {
        _cleanup_(buf_deinit) struct buf b = BUF_INIT(JOURNAL_MAX);
        struct str names[2] = { p->table->key.attrs[0].name, p->table->key.attrs[1].name };
        char path[PATH_MAX], temp[PATH_MAX + 8];
        ssize_t put = 0;
        int fd, r;

        buf_str(&b, p->table->name);
        buf_putc(&b, '\n');
        wire_write_key(&b, p->key.parts, names, p->key.n);
        buf_putc(&b, '\n');
        buf_append(&b, text->text, text->n);
        r = buf_status(&b);
        if (r == 0)
                r = journal_path(fs, buf_view(&p->id), path);
        if (r)
                return r;
        (void)snprintf(temp, sizeof(temp), "%s", path);
        *strrchr(temp, '/') = '\0';
        (void)mkdir(temp, 0700);
        (void)snprintf(temp, sizeof(temp), "%s.new", path);
        fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return -errno;
        put = write(fd, b.p, b.n);
        if (put != (ssize_t)b.n || fsync(fd) < 0)
                r = put < 0 ? -errno : -EIO;
        close(fd);
        if (r == 0 && rename(temp, path) < 0)
                r = -errno;
        if (r)
                (void)unlink(temp);
        return r;
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
                due = away_expire(fs, &ctx, false);
                op_ctx_deinit(&ctx);
        }
}

/* away_lock is held. */
static void ensure_thread(struct fs *fs) {
        sigset_t all, old;

        if (fs->away_running)
                return;
        sigfillset(&all);
        (void)pthread_sigmask(SIG_SETMASK, &all, &old);
        fs->away_running = pthread_create(&fs->away_thread, NULL, away_thread, fs) == 0;
        (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
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
        list_init(&a->all);
        mutex_lock(&fs->away_lock);
        old = find(fs, buf_view(&a->place.id));
        atomic_fetch_add(&fs->n_aways, 1);
        list_append(&fs->aways, &a->all);
        if (old && old->busy)
                old->replaced = true;
        else if (old) /* the journal is the new one's already */
                away_forget(fs, old);
        ensure_thread(fs);
        cond_signal(&fs->away_cond);
        mutex_unlock(&fs->away_lock);
        return 0;
}

int away_add(struct fs *fs, struct place *p, struct snapshot *text, struct error *e) {
        int r = write_journal(fs, p, text);

        return r ? error_set_errno(e, r, "journal") : add(fs, p, text, e);
}

bool away_find(struct fs *fs, struct str id, struct snapshot **ret) {
        struct away *a;

        if (ret)
                *ret = NULL;
        if (atomic_load(&fs->n_aways) == 0)
                return false;
        mutex_lock(&fs->away_lock);
        a = find(fs, id);
        if (a && ret)
                *ret = snapshot_ref(a->text);
        mutex_unlock(&fs->away_lock);
        return a != NULL;
}

void away_returned(struct fs *fs, struct str id) {
        struct away *a;

        if (atomic_load(&fs->n_aways) == 0)
                return;
        mutex_lock(&fs->away_lock);
        a = find(fs, id);
        if (a && !a->busy)
                away_drop(fs, a);
        mutex_unlock(&fs->away_lock);
}

/* Somebody is just writing the new version. */
static bool being_written(struct fs *fs, const struct away *a) {
        bool found = false;

        mutex_lock(&fs->open_lock);
        LIST_FOR_EACH(l, &fs->drafts) {
                struct draft *d = CONTAINER_OF(l, struct draft, all);

                mutex_lock(&d->lock);
                found = found || (d->created && d->base_snapshot == a->text);
                mutex_unlock(&d->lock);
        }
        mutex_unlock(&fs->open_lock);
        return found;
}

static int delete_away(struct fs *fs, struct op_ctx *ctx, struct away *a, struct error *e) {
        _cleanup_(arena_deinit) struct arena arena = ARENA_INIT(64 * MIB);
        struct write w = { .op = WRITE_DELETE, .table = a->place.table, .key = a->place.key };
        struct item item;
        int r = item_parse(fs, &a->place, str_make(a->text->text, a->text->n), &arena, &item, e);

        if (r == 0)
                r = item_unchanged(&a->place, &item, &w, &arena, e);
        if (r == 0)
                r = fs->store->ops->write(fs->store, ctx, &w, NULL, e);
        if (r && e->kind == ERR_CONDITION) {
                log_info("an item that was renamed away has been changed by somebody else: it stays");
                cache_invalidate(fs->cache, buf_view(&a->place.id));
                return 0;
        }
        if (r == 0) {
                fs_wrote(fs, &a->place);
                partition_wrote(fs, &a->place);
                cache_put_own(fs->cache, buf_view(&a->place.id), NULL);
        }
        return r;
}

/* One whose time is up, marked busy; NULL: none.  *ret_due: when the next one is. */
static struct away *next_due(struct fs *fs, bool all, uint64_t *ret_due) {
        struct away *due = NULL;

        *ret_due = UINT64_MAX;
        mutex_lock(&fs->away_lock);
        LIST_FOR_EACH(l, &fs->aways) {
                struct away *a = CONTAINER_OF(l, struct away, all);

                if (!due && !a->busy && (all || a->due_ns <= clock_now_ns()))
                        due = a;
                else
                        *ret_due = MIN(*ret_due, a->due_ns);
        }
        if (due)
                due->busy = true;
        mutex_unlock(&fs->away_lock);
        return due;
}

uint64_t away_expire(struct fs *fs, struct op_ctx *ctx, bool all) {
        struct away *a;
        uint64_t due;

        while ((a = next_due(fs, all, &due))) {
                struct error e = { 0 };
                bool later = !all && being_written(fs, a);
                int r = later ? 0 : delete_away(fs, ctx, a, &e);

                mutex_lock(&fs->away_lock);
                a->busy = false;
                a->due_ns = clock_now_ns() + (later ? fs->o.grace_ns : RETRY_NS);
                if (a->replaced || (!later && all && r)) /* the journal stays for the next mount */
                        away_forget(fs, a);
                else if (!later && r == 0)
                        away_drop(fs, a);
                mutex_unlock(&fs->away_lock);
                if (r)
                        log_warn("an item that was renamed away could not be deleted yet: %s", e.message);
        }
        return due;
}

/* ---- the journal at the next mount ---- */

static int split_journal(struct str text, struct str *table, struct str *key, struct str *item) {
        const char *first = memchr(text.p, '\n', text.n), *second;

        if (!first)
                return -EINVAL;
        *table = str_make(text.p, (size_t)(first - text.p));
        second = memchr(first + 1, '\n', text.n - table->n - 1);
        if (!second)
                return -EINVAL;
        *key = str_make(first + 1, (size_t)(second - first - 1));
        *item = str_skip(text, table->n + key->n + 2);
        return 0;
}

static int replay(struct fs *fs, struct op_ctx *ctx, struct str text, struct error *e) {
        _cleanup_(arena_deinit) struct arena arena = ARENA_INIT(MIB);
        _cleanup_(snapshot_unrefp) struct snapshot *s = NULL;
        _cleanup_(place_deinit) struct place p = { .kind = NODE_ITEM };
        struct str table, key_text, item_text;
        struct json_reader reader;
        struct item key_item;
        struct key key;
        int r = split_journal(text, &table, &key_text, &item_text);

        if (r)
                return error_set_errno(e, r, "journal");
        json_reader_init(&reader, key_text, &arena, WIRE_MAX_DEPTH);
        r = wire_read_item(&reader, &key_item);
        if (r)
                return error_set_errno(e, r, "journal");
        r = tables_get(fs, ctx, table, &p.table, e);
        if (r)
                return r;
        r = key_of_item(&p.table->key, &key_item, &key);
        if (r == 0)
                r = place_set_key(&p, &key);
        if (r == 0)
                r = snapshot_new(item_text, &s);
        return r ? error_set_errno(e, r, "journal") : add(fs, &p, s, e);
}

static void replay_file(struct fs *fs, struct op_ctx *ctx, const char *path) {
        _cleanup_(buf_deinit) struct buf text = BUF_INIT(JOURNAL_MAX);
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        struct error e = { 0 };
        ssize_t got = 1;
        int r;

        while (fd >= 0 && got > 0) {
                char *room = buf_reserve(&text, 64 * KIB);

                got = room ? read(fd, room, 64 * KIB) : 0;
                buf_commit(&text, got > 0 ? (size_t)got : 0);
        }
        if (fd >= 0)
                close(fd);
        r = fd < 0 || got < 0 ? error_set_errno(&e, -EIO, "journal") : replay(fs, ctx, buf_view(&text), &e);
        if (r)
                log_warn("journal %s: %s; it is kept for the next mount", path, e.message);
}

int away_start(struct fs *fs, struct op_ctx *ctx) {
        char folder[PATH_MAX], path[PATH_MAX];
        struct dirent *entry;
        DIR *d;

        if (!fs->o.state_dir || fs->o.read_only ||
            snprintf(folder, sizeof(folder), "%s/journal", fs->o.state_dir) >= (int)sizeof(folder))
                return 0;
        d = opendir(folder);
        while (d && (entry = readdir(d)))
                if (entry->d_name[0] != '.' && !strchr(entry->d_name, '.') &&
                    snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name) < (int)sizeof(path))
                        replay_file(fs, ctx, path);
        if (d)
                closedir(d);
        return 0;
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
        LIST_FOR_EACH_SAFE(l, &fs->aways) {
                struct away *a = CONTAINER_OF(l, struct away, all);

                place_deinit(&a->place);
                snapshot_unref(a->text);
                mem_free(a);
        }
}
