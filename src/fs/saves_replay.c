/* SPDX-License-Identifier: Apache-2.0 */
/* What a mount that died has left in its journal: read back, and put in line again. */
#include <stdio.h>
#include <stdlib.h>
#include "journal_internal.h"
#include "saves_internal.h"
#include "ddbfs/base/clock.h"
#include "ddbfs/base/hash.h"
#include "ddbfs/base/log.h"

struct record {
        uint64_t seq;
        struct str whole, payload; /* payload: of a save */
        bool is_save;
};

/* false: the end, or what a crash has torn. */
static bool next_record(struct str *rest, struct record *ret) {
        struct str from = *rest, line;
        unsigned long long seq, hash;
        char text[128];
        size_t n;

        if (!journal_next_line(rest, &line) || line.n >= sizeof(text))
                return false;
        memcpy(text, line.p, line.n);
        text[line.n] = '\0';
        *ret = (struct record){ .is_save = false };
        if (sscanf(text, "save %llu %16llx %zu", &seq, &hash, &n) == 3) {
                if (rest->n < 1 || n > rest->n - 1 || rest->p[n] != '\n' || hash_stable(7, str_make(rest->p, n)) != hash)
                        return false;
                ret->is_save = true;
                ret->payload = str_make(rest->p, n);
                *rest = str_skip(*rest, n + 1);
        } else if (sscanf(text, "done %llu", &seq) != 1) {
                return false;
        }
        ret->seq = seq;
        ret->whole = str_make(from.p, from.n - rest->n);
        return true;
}

static int read_item(struct str text, struct arena *a, struct item *ret) {
        struct item item;
        int r = journal_item(text, a, &item);

        return r ? r : item_copy(a, &item, ret);
}

static int parse_entry(struct fs *fs, struct op_ctx *ctx, struct str rest, struct save_entry *x, struct error *e) {
        struct str op, table, path, item;
        struct key key;
        int r;

        if (!journal_next_line(&rest, &op) || !journal_next_line(&rest, &table) || !journal_next_line(&rest, &path) ||
            !journal_next_line(&rest, &item))
                return error_set_errno(e, -EINVAL, "journal");
        x->op = str_eq(op, STR("UPDATE")) ? WRITE_UPDATE : WRITE_PUT;
        x->exclusive = str_eq(op, STR("PUT-NEW"));
        x->path = mem_dup(path.p, path.n);
        r = x->path ? read_item(item, &x->arena, &x->item) : -ENOMEM;
        if (r == 0)
                r = read_item(rest, &x->arena, &x->base);
        if (r)
                return error_set_errno(e, r, "journal");
        r = journal_table(fs, ctx, table, &x->place.table, e);
        if (r)
                return r;
        r = key_of_item(&x->place.table->key, &x->item, &key) ? -EINVAL : place_set_key(&x->place, &key);
        return r ? error_set_errno(e, r, "journal") : 0;
}

static int adopt(struct fs *fs, struct op_ctx *ctx, const struct record *rec, struct error *e) {
        _cleanup_(save_entry_freep) struct save_entry *x = mem_zalloc(sizeof(*x));
        int r;

        if (!x)
                return error_set(e, ERR_MEMORY, "out of memory");
        list_init(&x->all);
        list_init(&x->chain);
        x->arena = ARENA_INIT(SAVE_ITEM_MAX);
        x->place.kind = NODE_ITEM;
        x->replayed = true;
        x->since_ns = 0; /* whatever the service said is long ago */
        r = parse_entry(fs, ctx, rec->payload, x, e);
        if (r)
                return r;
        fs_wrote(fs, &x->place);
        r = saves_adopt(fs, x);
        if (r)
                return error_set_errno(e, r, "journal");
        (void)TAKE(x);
        return 0;
}

static int by_number(const void *a, const void *b) {
        uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

        return (x > y) - (x < y);
}

/* The numbers of those that were sent, sorted; NULL: no memory. */
static uint64_t *done_list(struct str text, size_t *ret_n) {
        struct str rest = text;
        struct record rec;
        uint64_t *v;
        size_t n = 0;

        while (next_record(&rest, &rec))
                n += !rec.is_save;
        v = mem_calloc(n + 1, sizeof(*v));
        *ret_n = 0;
        for (rest = text; v && *ret_n < n && next_record(&rest, &rec);)
                if (!rec.is_save)
                        v[(*ret_n)++] = rec.seq;
        if (v)
                qsort(v, *ret_n, sizeof(*v), by_number);
        return v;
}

static void saves_hold(struct saves *s, bool hold) {
        mutex_lock(&s->lock);
        s->adopting = hold;
        cond_broadcast(&s->cond);
        mutex_unlock(&s->lock);
}

/* Once one save of a table is left, those after it are: they may be of the same item. */
struct left_out {
        struct str tables[16];
        unsigned n;
};

static struct str table_line(struct str payload) {
        struct str op, table = STR_NULL;

        return journal_next_line(&payload, &op) && journal_next_line(&payload, &table) ? table : STR_NULL;
}

static bool is_left_out(const struct left_out *o, struct str table) {
        for (unsigned i = 0; i < o->n; i++)
                if (str_eq(o->tables[i], table))
                        return true;
        return o->n == ARRAY_LEN(o->tables);
}

static void leave(struct left_out *o, struct str table, const struct error *e) {
        log_warn("journal of saves to table %.*s: %s; they are kept for the next mount", (int)MIN(table.n, (size_t)255), table.p,
                 e->message);
        o->tables[o->n++] = table;
}

/* Is there a whole save behind what is damaged?  The end of a file that a crash has torn has none. */
static bool save_follows(struct str rest) {
        static const struct str marker = { "\nsave ", 6 };

        while (rest.n > marker.n) {
                const char *at = memmem(rest.p, rest.n, marker.p, marker.n);
                struct record rec;
                struct str from;

                if (!at)
                        return false;
                rest = from = str_skip(rest, (size_t)(at - rest.p) + 1);
                if (next_record(&from, &rec))
                        return true;
        }
        return false;
}

int saves_replay(struct fs *fs, struct op_ctx *ctx, struct str text, struct buf *left, struct str *ret_damaged) {
        size_t n = 0, n_done;
        _cleanup_(mem_freep) uint64_t *done = done_list(text, &n_done);
        struct left_out out = { .n = 0 };
        struct str rest = text;
        struct record rec;

        *ret_damaged = STR_NULL;
        if (!done)
                return -ENOMEM;
        saves_hold(fs->saves, true);
        while (next_record(&rest, &rec)) {
                struct error e = { 0 };

                if (!rec.is_save || bsearch(&rec.seq, done, n_done, sizeof(*done), by_number))
                        continue;
                if (!is_left_out(&out, table_line(rec.payload))) {
                        if (adopt(fs, ctx, &rec, &e) == 0) {
                                n++;
                                continue;
                        }
                        leave(&out, table_line(rec.payload), &e);
                }
                buf_str(left, rec.whole);
        }
        if (save_follows(rest))
                *ret_damaged = rest;
        saves_hold(fs->saves, false);
        if (n)
                log_info("%zu saves that an earlier mount did not get to send are sent now", n);
        return buf_status(left);
}
