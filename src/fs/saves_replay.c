/* SPDX-License-Identifier: Apache-2.0 */
/* What a mount that died has left in its journal: read back, and put in line again. */
#include <stdlib.h>
#include "journal_internal.h"
#include "saves_internal.h"
#include "saves_record.h"
#include "ddbfs/base/clock.h"
#include "ddbfs/base/log.h"

static int parse_entry(struct fs *fs, struct op_ctx *ctx, struct str payload, struct save_entry *x, struct error *e) {
        struct save_payload p;
        struct key key;
        int r = save_payload_parse(payload, &x->arena, &p);

        if (r)
                return error_set_errno(e, r, "journal");
        x->op = p.op;
        x->exclusive = p.exclusive;
        x->item = p.item;
        x->base = p.base;
        x->path = mem_dup(p.path.p, p.path.n);
        if (!x->path)
                return error_set_errno(e, -ENOMEM, "journal");
        r = journal_table(fs, ctx, p.table, &x->place.table, e);
        if (r)
                return r;
        r = key_of_item(&x->place.table->key, &x->item, &key) ? -EINVAL : place_set_key(&x->place, &key);
        return r ? error_set_errno(e, r, "journal") : 0;
}

static int adopt(struct fs *fs, struct op_ctx *ctx, const struct save_record *rec, struct error *e) {
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

/* The next "done", also behind what is damaged: what was sent must not be sent again.  No line of a save reads so. */
static bool done_next(struct str *rest, uint64_t *ret) {
        struct save_record rec;
        struct str line;

        for (;;) {
                if (!save_record_next(rest, &rec)) {
                        if (!journal_next_line(rest, &line))
                                return false;
                        continue;
                }
                if (rec.is_save)
                        continue;
                *ret = rec.seq;
                return true;
        }
}

/* The numbers of those that were sent, sorted; NULL: no memory. */
static uint64_t *done_list(struct str text, size_t *ret_n) {
        struct str rest = text;
        uint64_t *v, seq;
        size_t n = 0;

        while (done_next(&rest, &seq))
                n++;
        v = mem_calloc(n + 1, sizeof(*v));
        *ret_n = 0;
        for (rest = text; v && *ret_n < n && done_next(&rest, &seq);)
                v[(*ret_n)++] = seq;
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

struct str saves_damaged(struct str text) {
        struct save_record rec;

        while (save_record_next(&text, &rec))
                continue;
        return save_record_follows(text) ? text : STR_NULL;
}

int saves_replay(struct fs *fs, struct op_ctx *ctx, struct str text, struct buf *left) {
        size_t n = 0, n_done;
        _cleanup_(mem_freep) uint64_t *done = done_list(text, &n_done);
        struct left_out out = { .n = 0 };
        struct str rest = text;
        struct save_record rec;

        if (!done)
                return -ENOMEM;
        saves_hold(fs->saves, true);
        while (save_record_next(&rest, &rec)) {
                struct error e = { 0 };

                if (!rec.is_save || bsearch(&rec.seq, done, n_done, sizeof(*done), by_number))
                        continue;
                if (!is_left_out(&out, save_payload_table(rec.payload))) {
                        if (adopt(fs, ctx, &rec, &e) == 0) {
                                n++;
                                continue;
                        }
                        leave(&out, save_payload_table(rec.payload), &e);
                }
                buf_str(left, rec.whole);
        }
        saves_hold(fs->saves, false);
        if (n)
                log_info("%zu saves that an earlier mount did not get to send are sent now", n);
        return buf_status(left);
}
