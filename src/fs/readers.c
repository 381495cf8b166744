/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each program was shown: a save replaces the version that its own program has read, whoever has read a newer
 * one meanwhile.
 *
 * A program is a thread group.  Texts also come from programs that have not read the item themselves
 * (`jq . x.json >/tmp/t; cp /tmp/t x.json`): then it is one of the versions that programs of the same session have
 * read, and commit.c chooses.  Records, by item and program:
 *
 *      state      the program ...
 *      KNOWS      has read this version
 *      SAVED      has written it: others of its session did not get their text from it
 *      USED       as KNOWS, but a save of its session has replaced that version since
 *      TOLD       as KNOWS, but a save of its session was refused since: whoever reads again is believed first
 *      GONE       as USED, but its session has deleted the item since: no text is made from it any more
 *
 * KNOWS and, where there is none, TOLD are what others of the session may have got their text from; then USED, unless
 * their text is as near to what was shown last (`jq .a=1 x >1; jq .b=2 x >2; cp 1 x; cp 2 x`).  Bounded: the
 * least recently used lose their text (its hash is left), then go.  One short lock, nothing is asked of anybody under it.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "fs_internal.h"
#include "ddbfs/base/clock.h"
#include "ddbfs/base/hash.h"

#define RECORDS_MAX 16384
#define TEXT_SHARE 8 /* of cache_size, for texts */
#define CROWD 64 /* programs that have read one item, before those that have ended are looked for ... */
#define CROWD_MAX 256
#define PROGRAMS 64
#define PROGRAM_NS NS_PER_S /* a number is not given to another process sooner */
#define STATUS_MAX 4096

enum state { KNOWS, SAVED, USED, TOLD, GONE };

struct record {
        struct hmap_node node; /* by the hash of the item's id */
        struct list lru;       /* in with_text or bare; newest last */
        struct program program;
        enum state state;
        uint64_t age; /* serial number of the read */
        uint64_t hash;
        struct snapshot *text; /* NULL: bare */
};

struct readers {
        struct mutex lock; /* everything below */
        struct hmap map;
        struct list with_text, bare;
        size_t n, bytes, bytes_max;
        uint64_t serial;
        struct {
                uint32_t pid;
                struct program program;
                uint64_t ns;
        } programs[PROGRAMS];
};

int readers_new(struct fs *fs) {
        struct readers *r = mem_zalloc(sizeof(*r));

        if (!r)
                return -ENOMEM;
        mutex_init(&r->lock);
        list_init(&r->with_text);
        list_init(&r->bare);
        r->bytes_max = fs->o.cache_size / TEXT_SHARE;
        fs->readers = r;
        return 0;
}

/* ---- records; the lock is held ---- */

static void drop_text(struct readers *r, struct record *x) {
        if (!x->text)
                return;
        r->bytes -= x->text->n;
        x->text = snapshot_unref(x->text);
        list_remove(&x->lru);
        list_append(&r->bare, &x->lru);
}

static void drop(struct readers *r, struct record *x) {
        drop_text(r, x);
        hmap_remove(&r->map, &x->node);
        list_remove(&x->lru);
        r->n--;
        mem_free(x);
}

static struct record *oldest(struct list *l) {
        return list_is_empty(l) ? NULL : CONTAINER_OF(l->next, struct record, lru);
}

static void shrink(struct readers *r) {
        while (r->bytes > r->bytes_max)
                drop_text(r, oldest(&r->with_text));
        while (r->n > RECORDS_MAX)
                drop(r, oldest(&r->bare) ? oldest(&r->bare) : oldest(&r->with_text));
}

static struct record *next_of(struct hmap_node *n) {
        return n ? CONTAINER_OF(n, struct record, node) : NULL;
}

#define FOR_EACH_RECORD(x, r, id_hash)                                                                       \
        for (struct record *x = next_of(hmap_first(&(r)->map, id_hash)), *x##_next = NULL;                   \
             x && (x##_next = next_of(hmap_next(&x->node)), true); x = x##_next)

static struct record *find(struct readers *r, uint64_t id_hash, struct program p) {
        FOR_EACH_RECORD(x, r, id_hash)
                if (x->program.id == p.id)
                        return x;
        return NULL;
}

static bool is_gone(struct program p) {
        return kill((pid_t)p.id, 0) < 0 && errno == ESRCH;
}

/* One like it that others of its session may have got their text from, too. */
static bool has_twin(struct readers *r, const struct record *than) {
        FOR_EACH_RECORD(x, r, than->node.hash)
                if (x != than && x->program.session == than->program.session && x->hash == than->hash &&
                    x->state == than->state)
                        return true;
        return false;
}

/* `watch cat x.json` is a new program every time: those that have ended count once for each version, and then no
 * more when there are too many. */
static void thin_out(struct readers *r, uint64_t id_hash) {
        struct record *first = NULL;
        size_t n = 0;

        FOR_EACH_RECORD(x, r, id_hash)
                n++;
        if (n < CROWD)
                return;
        FOR_EACH_RECORD(y, r, id_hash) {
                if (!is_gone(y->program))
                        continue;
                if (y->state == SAVED || y->state == USED || y->state == GONE || has_twin(r, y))
                        drop(r, y);
                else if (!first || y->age < first->age)
                        first = y;
        }
        if (n >= CROWD_MAX && first)
                drop(r, first);
}

static void set(struct readers *r, uint64_t id_hash, struct program p, enum state state, uint64_t text_hash,
                struct snapshot *text) {
        struct record *x = find(r, id_hash, p);

        if (!x) {
                thin_out(r, id_hash);
                x = mem_zalloc(sizeof(*x));
                if (!x)
                        return; /* what all readers were shown last is known all the same (cache.c) */
                list_init(&x->lru);
                if (hmap_insert(&r->map, &x->node, id_hash)) {
                        mem_free(x);
                        return;
                }
                r->n++;
        }
        drop_text(r, x);
        x->program = p;
        x->state = state;
        x->age = ++r->serial;
        x->hash = text_hash;
        x->text = snapshot_ref(text);
        r->bytes += text ? text->n : 0;
        list_remove(&x->lru);
        list_append(text ? &r->with_text : &r->bare, &x->lru);
        shrink(r);
}

void readers_free(struct fs *fs) {
        struct readers *r = fs->readers;

        if (!r)
                return;
        while (r->n > 0)
                drop(r, oldest(&r->bare) ? oldest(&r->bare) : oldest(&r->with_text));
        hmap_deinit(&r->map);
        mutex_deinit(&r->lock);
        fs->readers = mem_free(r);
}

/* ---- programs ---- */

/* The number behind "NAME:" at the beginning of a line; 0: none. */
static uint32_t field(const char *status, const char *name) {
        const char *at = strstr(status, name);

        return at ? (uint32_t)strtoul(at + strlen(name), NULL, 10) : 0;
}

/* Of a thread; what is not known is 0. */
static void ask_kernel(uint32_t pid, uint32_t *ret_program, uint32_t *ret_session) {
        char path[40], status[STATUS_MAX];
        ssize_t n = 0;
        int fd;

        (void)snprintf(path, sizeof(path), "/proc/%u/status", pid);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd >= 0) {
                n = read(fd, status, sizeof(status) - 1);
                close(fd);
        }
        status[MAX(n, 0)] = '\0';
        *ret_program = field(status, "\nTgid:");
        *ret_session = field(status, "\nNSsid:");
}

struct program program_of(struct fs *fs, const struct op_ctx *ctx) {
        struct readers *r = fs->readers;
        struct program p = { .id = ctx->pid };
        uint64_t now = clock_now_ns();
        size_t slot = ctx->pid % PROGRAMS;
        uint32_t id = 0, session = 0;
        bool known;

        if (!ctx->pid)
                return p;
        mutex_lock(&r->lock);
        known = r->programs[slot].pid == ctx->pid && now - r->programs[slot].ns < PROGRAM_NS;
        if (known)
                p = r->programs[slot].program;
        mutex_unlock(&r->lock);
        if (known)
                return p;
        (fs->o.program_of ? fs->o.program_of : ask_kernel)(ctx->pid, &id, &session);
        p = (struct program){ .id = id ? id : ctx->pid, .session = session };
        mutex_lock(&r->lock);
        r->programs[slot].pid = ctx->pid;
        r->programs[slot].program = p;
        r->programs[slot].ns = now;
        mutex_unlock(&r->lock);
        return p;
}

/* ---- what they know ---- */

static uint64_t hash_of(struct str id) {
        return hash_seeded(6, id);
}

static void readers_saw(struct fs *fs, struct program p, struct str id, struct snapshot *text) {
        if (!p.id)
                return;
        mutex_lock(&fs->readers->lock);
        set(fs->readers, hash_of(id), p, KNOWS, text->hash, text);
        mutex_unlock(&fs->readers->lock);
}

void serve(struct fs *fs, struct program p, struct str id, struct snapshot *text) {
        cache_serve(fs->cache, id, text);
        readers_saw(fs, p, id, text);
}

static bool related(const struct record *x, struct program p) {
        return p.session && x->program.session == p.session && x->program.id != p.id;
}

void readers_saved(struct fs *fs, struct program p, struct str id, const struct base *replaced, struct snapshot *text) {
        struct readers *r = fs->readers;

        mutex_lock(&r->lock);
        FOR_EACH_RECORD(x, r, hash_of(id))
                if (related(x, p) &&
                    (x->state == TOLD || (x->state == KNOWS && replaced->kind != BASE_NONE && x->hash == replaced->hash)))
                        x->state = USED;
        if (p.id && text)
                set(r, hash_of(id), p, SAVED, text->hash, text);
        mutex_unlock(&r->lock);
}

void readers_refused(struct fs *fs, struct program p, struct str id) {
        struct readers *r = fs->readers;

        mutex_lock(&r->lock);
        FOR_EACH_RECORD(x, r, hash_of(id))
                if (related(x, p) && x->state == KNOWS)
                        x->state = TOLD;
        mutex_unlock(&r->lock);
}

void readers_forget(struct fs *fs, struct program p, struct str id) {
        struct readers *r = fs->readers;
        struct record *x;

        mutex_lock(&r->lock);
        x = p.id ? find(r, hash_of(id), p) : NULL;
        if (x)
                drop(r, x);
        FOR_EACH_RECORD(y, r, hash_of(id))
                if (related(y, p) && y->state != SAVED)
                        y->state = GONE;
        mutex_unlock(&r->lock);
}

void readers_moved(struct fs *fs, struct program p, struct str from, struct str to, const struct snapshot *was,
                   struct snapshot *text) {
        uint64_t from_hash = hash_of(from), hash = hash_of(to);
        struct readers *r = fs->readers;
        struct record *x;
        bool knew = false;

        mutex_lock(&r->lock);
        while (from_hash != hash && (x = next_of(hmap_first(&r->map, from_hash)))) {
                bool knows_it = was && text && x->hash == was->hash;
                _cleanup_(snapshot_unrefp) struct snapshot *known = snapshot_ref(knows_it ? text : x->text);
                struct record *there = find(r, hash, x->program), old = *x;

                knew = knew || old.program.id == p.id;
                drop(r, x);
                if (there)
                        drop(r, there);
                set(r, hash, old.program, old.state, knows_it ? text->hash : old.hash, known);
        }
        if (p.id && text && !knew)
                set(r, hash, p, SAVED, text->hash, text);
        mutex_unlock(&r->lock);
}

/* ---- what a save replaces ---- */

static bool has(const struct bases *b, uint64_t hash) {
        for (uint32_t i = 0; i < b->n; i++)
                if (b->v[i].hash == hash)
                        return true;
        return false;
}

/* The oldest, or newest, version of this state that is not among those yet. */
static struct record *pick(struct readers *r, uint64_t id_hash, struct program p, enum state state, const struct bases *than,
                           bool newest) {
        struct record *best = NULL;

        FOR_EACH_RECORD(x, r, id_hash)
                if (related(x, p) && x->state == state && !has(than, x->hash) &&
                    (!best || (x->age > best->age) == newest))
                        best = x;
        return best;
}

static void add(struct bases *ret, const struct record *x) {
        ret->v[ret->n++] = (struct base){ .kind = x->text ? BASE_SNAPSHOT : BASE_HASH, .hash = x->hash,
                                          .snapshot = snapshot_ref(x->text) };
}

bool readers_knows(struct fs *fs, struct program p, struct str id, struct bases *ret) {
        struct readers *r = fs->readers;
        struct record *x;

        mutex_lock(&r->lock);
        x = p.id ? find(r, hash_of(id), p) : NULL;
        if (x)
                add(ret, x);
        mutex_unlock(&r->lock);
        return x != NULL;
}

/* Oldest first; when there are too many, the newest is the last all the same. */
bool readers_related(struct fs *fs, struct program p, struct str id, struct bases *ret) {
        static const enum state states[] = { KNOWS, TOLD };
        struct readers *r = fs->readers;
        struct record *x = NULL;

        mutex_lock(&r->lock);
        for (size_t i = 0; i < ARRAY_LEN(states) && ret->n == 0; i++) {
                do {
                        x = pick(r, hash_of(id), p, states[i], ret, ret->n == BASES_MAX - 1);
                        if (x)
                                add(ret, x);
                } while (x && ret->n < BASES_MAX);
        }
        mutex_unlock(&r->lock);
        return ret->n > 0;
}

void readers_used(struct fs *fs, struct program p, struct str id, struct bases *ret) {
        struct readers *r = fs->readers;
        struct record *x = NULL;

        mutex_lock(&r->lock);
        while (ret->n < BASES_MAX - 1 && (x = pick(r, hash_of(id), p, USED, ret, true)) && x->text)
                add(ret, x);
        mutex_unlock(&r->lock);
}
