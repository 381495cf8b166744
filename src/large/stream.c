/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole tables out and in.  The pages of a parallel Scan are remembered like others; of a stream of writes, those with
 * something to do for S3 have their objects first, one after the other, while what was given before them is under way.
 *
 * A batch does not say what it replaces and a stream is not read before it is written: objects of replaced items are left
 * to fsck.ddbfs.
 */
#include "plan_internal.h"
#include "ddbfs/base/alloc.h"

/* ---- reading ---- */

struct scan_tap {
        struct large_store *ls;
        const struct scan_sink *sink;
};

static bool tap_room(void *arg, bool wait) {
        struct scan_tap *tap = arg;

        return tap->sink->room(tap->sink->arg, wait);
}

static int tap_page(void *arg, struct items *page, struct error *e) {
        struct scan_tap *tap = arg;

        seen_add_items(tap->ls, page);
        return tap->sink->page(tap->sink->arg, page, e);
}

int large_scan_all(struct store *s, struct op_ctx *ctx, const struct scan_request *q, uint32_t segments,
                   const struct scan_sink *sink, struct error *e) {
        struct large_store *ls = large_of(s);
        struct scan_tap tap = { .ls = ls, .sink = sink };
        const struct scan_sink mine = { .arg = &tap, .room = tap_room, .page = tap_page };

        return ls->inner->ops->scan_all(ls->inner, ctx, q, segments, &mine, e);
}

/* ---- writing ---- */

struct planned { /* a write that is under way as another one */
        struct list link;
        struct arena arena;
        struct write *w;
        struct plan plan;
};

struct write_tap {
        struct large_store *ls;
        struct op_ctx *ctx;
        const struct write_source *source;
        struct list open;
        int result; /* of S3: nothing more is taken */
        struct error error;
};

static void planned_free(struct planned *p) {
        list_remove(&p->link);
        plan_deinit(&p->plan);
        arena_deinit(&p->arena);
        mem_free(p);
}

static int make(struct write_tap *tap, struct planned *p, struct error *e) {
        int r = plan_init(&p->plan, tap->ls, p->w, &p->arena, e);

        p->plan.batch = true;
        if (r == 0)
                r = plan_make(&p->plan, tap->ctx, e);
        return r > 0 ? -error_errno(e->kind) : r;
}

/* The write itself is at fault, not S3 or the network. */
static bool blames_the_write(enum error_kind kind) {
        return kind == ERR_INPUT || kind == ERR_VALIDATION || kind == ERR_TOO_LARGE || kind == ERR_CONDITION;
}

/* What to send instead of w; NULL: it was refused, or nothing can be sent any more (tap->result). */
static struct write *plan_write(struct write_tap *tap, struct write *w) {
        struct planned *p = mem_zalloc(sizeof(*p));
        struct error e = { .kind = ERR_NONE };
        int r;

        if (!p) {
                tap->result = error_set(&tap->error, ERR_MEMORY, "out of memory");
                return NULL;
        }
        p->arena = ARENA_INIT(WRITE_ARENA_MAX);
        p->w = w;
        list_init(&p->link);
        list_append(&tap->open, &p->link);
        r = make(tap, p, &e);
        if (r == 0)
                return &p->plan.out;
        if (p->plan.ls)
                plan_failed(&p->plan, &e);
        planned_free(p);
        if (blames_the_write(e.kind)) {
                tap->source->done(tap->source->arg, w, r, &e);
        } else {
                tap->result = r;
                tap->error = e;
        }
        return NULL;
}

static struct write *tap_next(void *arg, bool wait) {
        struct write_tap *tap = arg;

        while (tap->result == 0) {
                struct write *w = tap->source->next(tap->source->arg, wait), *out;

                if (!w || w->op != WRITE_PUT || !plan_moves(tap->ls, w))
                        return w;
                out = plan_write(tap, w);
                if (out)
                        return out;
        }
        return NULL;
}

static void tap_done(void *arg, struct write *w, int result, const struct error *why) {
        struct write_tap *tap = arg;

        LIST_FOR_EACH(l, &tap->open) {
                struct planned *p = CONTAINER_OF(l, struct planned, link);

                if (&p->plan.out != w)
                        continue;
                w = p->w;
                if (result)
                        plan_failed(&p->plan, why);
                planned_free(p);
                break;
        }
        tap->source->done(tap->source->arg, w, result, why);
}

int large_write_all(struct store *s, struct op_ctx *ctx, const struct write_source *source, struct error *reterr) {
        struct write_tap tap = { .ls = large_of(s), .ctx = ctx, .source = source };
        const struct write_source mine = { .arg = &tap, .next = tap_next, .done = tap_done };
        struct store *inner = tap.ls->inner;
        struct error e = { .kind = ERR_NONE };
        int r;

        list_init(&tap.open);
        r = inner->ops->write_all(inner, ctx, &mine, &e);
        if (r == 0) {
                r = tap.result;
                e = tap.error;
        }
        while (!list_is_empty(&tap.open)) {
                struct planned *p = CONTAINER_OF(tap.open.next, struct planned, link);

                plan_failed(&p->plan, &e);
                planned_free(p);
        }
        if (r && reterr)
                *reterr = e;
        return r;
}
