/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A parallel Scan ahead of its reader: a thread asks for the segments' pages, renders each as it comes, and stops asking
 * while PUMP_PAGES, or what may become PUMP_BYTES of text, are under way or wait to be read.  The thread lives from the
 * first read to the end of the stream, or until the file is closed; it sleeps while the reader does.  Lock order:
 * gate > pump.lock.
 */
#include "fs_internal.h"
#include "export_internal.h"

#define PUMP_PAGES 8         /* a megabyte of the service each */
#define PUMP_BYTES (8 * MIB)  /* the text of a page can be several */
#define PAGE_GUESS (5 * MIB / 2) /* of the first ones: a megabyte of small attributes */
#define PUMPS_MAX 4          /* of one mount; other exports read page after page */
#define PUMP_SEGMENT (768 * KIB) /* most have one page, then, and few a second one of some items */
#define ITEM_GUESS 512       /* bytes, where only the number of items is known */
#define SPARES 2             /* texts that were read, whose memory the next ones take: new memory costs as much as rendering */
#define SPARE_MAX (2 * MIB)

struct pump_text {
        struct export_text *text;
        double rcu;
        unsigned requests;
};

struct pump {
        struct fs *fs;
        const struct place *place;     /* the export's, as the writer; the thread's until it has ended */
        struct export_writer *writer;
        uint32_t segments;
        pthread_t thread;
        bool running;                  /* to be joined */
        struct op_ctx ctx;
        double rcu;                    /* of ctx, told to readers so far; the thread's */
        unsigned requests;
        struct mutex lock;             /* down to error */
        struct cond cond;
        struct pump_text texts[PUMP_PAGES + 1];
        struct export_text *spare[SPARES];
        unsigned n_spare;
        unsigned first, n, asked;      /* texts that wait, pages under way */
        size_t bytes, page_bytes;      /* of the texts that wait; of the longest text so far, 0: there was none */
        bool stopping, ended;
        int result;
        struct error error;
        bool ready;                    /* fs.gate: there is a text, or the end */
};

/* More than are under way at once, so that the last ones end together. */
uint32_t pump_segments_max(const struct fs *fs) {
        return MIN(2 * fs->o.parallel, SCAN_SEGMENTS_MAX);
}

uint32_t pump_segments(struct fs *fs, const struct place *p, bool *ret_unknown) {
        uint64_t bytes = p->table->size_bytes ? p->table->size_bytes : p->table->item_count * ITEM_GUESS;

        *ret_unknown = false;
        if (view_is_query(p->view) || fs->o.parallel < 2)
                return 1;
        *ret_unknown = bytes == 0;
        return (uint32_t)MIN(MAX(bytes / PUMP_SEGMENT, 1), pump_segments_max(fs));
}

static void set_ready(struct pump *x) {
        mutex_lock(&x->fs->gate);
        mutex_lock(&x->lock);
        x->ready = x->n > 0 || x->ended;
        mutex_unlock(&x->lock);
        cond_broadcast(&x->fs->gate_cond);
        mutex_unlock(&x->fs->gate);
}

/* lock is held.  One page is always taken, however long its text may be. */
static bool is_full(const struct pump *x) {
        size_t page = x->page_bytes ? x->page_bytes : PAGE_GUESS;

        return x->n + x->asked >= PUMP_PAGES || (x->n + x->asked > 0 && x->bytes + (x->asked + 1) * page > PUMP_BYTES);
}

static bool has_room(void *arg, bool wait) {
        struct pump *x = arg;
        bool room;

        mutex_lock(&x->lock);
        while (wait && !x->stopping && is_full(x))
                cond_wait(&x->cond, &x->lock);
        room = !x->stopping && !is_full(x);
        x->asked += room;
        mutex_unlock(&x->lock);
        return room;
}

/* NULL: no memory. */
static struct export_text *take_spare(struct pump *x) {
        struct export_text *t = NULL;

        mutex_lock(&x->lock);
        if (x->n_spare > 0)
                t = x->spare[--x->n_spare];
        mutex_unlock(&x->lock);
        return t ? t : export_text_new();
}

/* lock is held.  It was read, and may still be on its way to the kernel. */
static void keep_spare(struct pump *x, struct export_text *t) {
        if (!t || x->n_spare == SPARES || t->text.cap > SPARE_MAX || !export_text_is_free(t)) {
                export_text_unref(t);
                return;
        }
        buf_reset(&t->text);
        x->spare[x->n_spare++] = t;
}

/* It waits for the reader, unless it is empty. */
static int put_text(struct pump *x, struct export_text **t) {
        const struct buf *text = &(*t)->text;

        if (buf_status(text) || text->n == 0)
                return buf_status(text);
        mutex_lock(&x->lock);
        x->bytes += text->cap;
        x->page_bytes = MAX(x->page_bytes, text->cap);
        x->texts[(x->first + x->n++) % ARRAY_LEN(x->texts)] = (struct pump_text){
                .text = TAKE(*t),
                .rcu = x->ctx.rcu - x->rcu, .requests = x->ctx.requests - x->requests,
        };
        x->rcu = x->ctx.rcu;
        x->requests = x->ctx.requests;
        mutex_unlock(&x->lock);
        return 0;
}

/* The text of a page, or the end's. */
static int put_items(struct pump *x, const struct items *items, bool last, struct error *e) {
        _cleanup_(export_text_unrefp) struct export_text *t = take_spare(x);
        int r = t ? 0 : -ENOMEM;

        if (r == 0) {
                (void)buf_reserve(&t->text, MIN(items->body_bytes, t->text.max)); /* as JSON it is no longer than the answer */
                r = export_put(x->fs, x->place, x->writer, items, last, &t->text);
        }
        if (r == 0)
                r = put_text(x, &t);
        return r ? error_set_errno(e, r, "export") : 0;
}

static int take_page(void *arg, struct items *page, struct error *e) {
        struct pump *x = arg;
        int r = items_fill(x->fs, &x->ctx, page, e);

        if (r == 0)
                r = put_items(x, page, false, e);
        if (r)
                return r;
        mutex_lock(&x->lock);
        x->asked--;
        mutex_unlock(&x->lock);
        set_ready(x);
        return 0;
}

static void *pump_main(void *arg) {
        struct pump *x = arg;
        const struct scan_sink sink = { .arg = x, .room = has_room, .page = take_page };
        struct error e = { .kind = ERR_NONE };
        struct scan_request q;
        int r;

        view_scan(x->place->view, true, &q);
        q.consistent = view_strong(x->fs, x->place);
        r = store_scan_all(x->fs->store, &x->ctx, &q, x->segments, &sink, &e);
        if (r == 0) {
                struct items none;

                items_init(&none);
                r = put_items(x, &none, true, &e);
        }
        mutex_lock(&x->lock);
        x->ended = true;
        x->result = r;
        x->error = e;
        mutex_unlock(&x->lock);
        set_ready(x);
        return NULL;
}

int pump_new(struct fs *fs, const struct place *p, struct export_writer *w, uint32_t segments, struct pump **ret) {
        struct pump *x = mem_zalloc(sizeof(*x));

        if (!x)
                return -ENOMEM;
        if (atomic_fetch_add(&fs->n_pumps, 1) >= PUMPS_MAX) {
                atomic_fetch_sub(&fs->n_pumps, 1);
                mem_free(x);
                return -EAGAIN;
        }
        x->fs = fs;
        x->place = p;
        x->writer = w;
        x->segments = segments;
        mutex_init(&x->lock);
        cond_init(&x->cond);
        op_ctx_init(&x->ctx, "export", 0);
        x->running = fs_thread_start(&x->thread, pump_main, x) == 0;
        if (!x->running) {
                pump_free(x);
                return -EAGAIN;
        }
        *ret = x;
        return 0;
}

int pump_next(struct pump *x, struct op_ctx *ctx, struct export_text **text, bool *ret_end, struct error *e) {
        int r = fs_wait_for(x->fs, ctx, &x->ready, e);

        *ret_end = false;
        if (r)
                return r;
        mutex_lock(&x->lock);
        if (x->n > 0) {
                struct pump_text *t = &x->texts[x->first];

                keep_spare(x, *text);
                *text = t->text;
                ctx->rcu += t->rcu;
                ctx->requests += t->requests;
                *t = (struct pump_text){ .rcu = 0 };
                x->bytes -= (*text)->text.cap;
                x->first = (x->first + 1) % ARRAY_LEN(x->texts);
                x->n--;
        } else {
                r = x->result;
                *e = x->error;
                *ret_end = r == 0;
        }
        mutex_unlock(&x->lock);
        cond_signal(&x->cond);
        set_ready(x);
        return r;
}

struct pump *pump_free(struct pump *x) {
        if (!x)
                return NULL;
        mutex_lock(&x->lock);
        x->stopping = true;
        mutex_unlock(&x->lock);
        cond_signal(&x->cond);
        op_ctx_cancel(&x->ctx);
        if (x->running)
                (void)pthread_join(x->thread, NULL);
        for (unsigned i = 0; i < ARRAY_LEN(x->texts); i++)
                export_text_unref(x->texts[i].text);
        for (unsigned i = 0; i < x->n_spare; i++)
                export_text_unref(x->spare[i]);
        op_ctx_deinit(&x->ctx);
        cond_deinit(&x->cond);
        mutex_deinit(&x->lock);
        atomic_fetch_sub(&x->fs->n_pumps, 1);
        return mem_free(x);
}
