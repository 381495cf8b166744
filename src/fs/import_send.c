/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sender of an import: a thread that lives from the first line until the file is closed and sends what is queued,
 * several batches at once.  Lock order: gate > import.lock.
 *
 * What stops it (no access, no network ...) is told to the next write and to close; the lines that were not sent, or of
 * which nobody knows, are kept in rejected: to import them once more changes nothing that was written.
 */
#include "import_internal.h"
#include "ddbfs/base/clock.h"
#include "ddbfs/base/log.h"

#define ID_MAX (8 * KIB)

void import_block_free(struct import_block *b) {
        if (b) {
                arena_deinit(&b->arena);
                mem_free(b);
        }
}

static void set_flags(struct import *x) {
        mutex_lock(&x->fs->gate);
        mutex_lock(&x->lock);
        x->drained = x->n_open == 0 && !x->keeping;
        x->room = x->stopped || x->bytes < x->ahead_max;
        mutex_unlock(&x->lock);
        cond_broadcast(&x->fs->gate_cond);
        mutex_unlock(&x->fs->gate);
}

/* ---- refused lines ---- */

/* lock is held. */
static void put_bad(struct import *x, struct str text) {
        x->n_bad++;
        if (!text.p)
                return;
        if (x->bad.n == 0 && (x->table.n > 0 || x->table.refused)) {
                buf_str(&x->bad, x->table.header);
                buf_putc(&x->bad, '\n');
        }
        buf_str(&x->bad, text);
        buf_putc(&x->bad, '\n');
}

void import_refuse(struct import *x, uint64_t number, struct str text, const struct error *why) {
        struct error e = *why;
        struct op_ctx ctx;
        bool told;

        e.line = (unsigned)number;
        e.column = e.column ? e.column : 1;
        mutex_lock(&x->lock);
        put_bad(x, text);
        told = x->n_bad <= IMPORT_TOLD_MAX && !x->table.refused; /* below such a header, the header was */
        if (x->n_bad == 1)
                x->first = e;
        mutex_unlock(&x->lock);
        if (!told)
                return;
        op_ctx_init(&ctx, "import", 0);
        (void)fs_done(x->fs, &ctx, x->node, STR_NULL, -error_errno(e.kind), &e);
        op_ctx_deinit(&ctx);
}

static void sum_up(uint64_t n, struct error *why) {
        struct error e;

        (void)error_set(&e, why->kind, "%llu %s not imported; %s%.*s", (unsigned long long)n, n == 1 ? "line was" : "lines were",
                        n == 1 ? "" : "the first: ", (int)sizeof(why->message) - 120, why->message);
        memcpy(why->message, e.message, sizeof(why->message));
}

void import_keep_bad(struct import *x, struct error *ret) {
        _cleanup_(buf_deinit) struct buf bad = BUF_INIT(0);
        struct error why;
        uint64_t n;

        mutex_lock(&x->lock);
        bad = x->bad;
        buf_init(&x->bad, bad.max);
        why = x->stopped ? x->error : x->first;
        n = x->n_bad;
        mutex_unlock(&x->lock);
        sum_up(n, &why);
        if (buf_status(&bad))
                log_error("import: lines that were refused could not be kept: out of memory");
        else if (bad.n > 0)
                reject_text(x->fs, x->node, STR_NULL, buf_view(&bad), &why);
        if (ret)
                *ret = why;
}

bool import_half_bad(struct import *x, struct error *ret) {
        uint64_t n;
        bool bad;

        mutex_lock(&x->lock);
        bad = x->half.bad;
        n = x->n_bad + 1;
        if (bad)
                *ret = x->n_bad ? x->first : x->half.why;
        mutex_unlock(&x->lock);
        if (!bad)
                return false;
        sum_up(n, ret);
        ret->told = true;
        return true;
}

bool import_stopped(struct import *x, int *ret, struct error *e) {
        bool stopped;

        mutex_lock(&x->lock);
        stopped = x->stopped;
        *ret = x->result;
        if (stopped)
                *e = x->error;
        mutex_unlock(&x->lock);
        if (stopped) {
                e->told = x->told;
                x->told = true;
        }
        return stopped;
}

/* ---- written lines ---- */

static struct node *table_of(struct import *x) {
        struct node *n = x->node;

        mutex_lock(&x->fs->nodes.lock);
        while (n && n->kind != NODE_TABLE)
                n = n->parent;
        if (n)
                n->refs++;
        mutex_unlock(&x->fs->nodes.lock);
        return n;
}

/* One component of the item's path: what the kernel knows of it is void.  dir's reference becomes the child's. */
static struct node *tell_component(struct fs *fs, struct node *dir, struct str name, bool item, bool was_absent) {
        struct node *child = node_find(fs, dir, name);

        if (!child && was_absent && fs->notify.entry)
                fs->notify.entry(fs->notify.arg, dir->id, name);
        if (child && item && fs->notify.content)
                fs->notify.content(fs->notify.arg, child->id);
        node_put(fs, dir);
        return child;
}

static void tell_kernel(struct import *x, const struct key *key, bool was_absent) {
        struct node *dir = table_of(x);

        for (uint32_t i = 0; dir && i < key->n; i++) {
                _cleanup_(buf_deinit) struct buf name = BUF_INIT(NAME_ENCODED_MAX);
                struct str rest, piece;
                bool last = false;

                keyname_encode(&name, &key->parts[i], false);
                for (rest = buf_view(&name); dir && !last;) {
                        _cleanup_(buf_deinit) struct buf component = BUF_INIT(NAME_PIECE_MAX + 16);
                        bool item;

                        rest = str_skip(rest, keyname_piece(rest, &piece, &last));
                        item = last && i + 1 == key->n;
                        buf_str(&component, piece);
                        buf_puts(&component, !last ? "%+" : item ? ".json" : "");
                        dir = tell_component(x->fs, dir, buf_view(&component), item, was_absent);
                }
        }
        node_put(x->fs, dir);
}

/* Is the absence of the item, or of its partition, something that was asked for here? */
static bool known_absent(struct fs *fs, struct str id) {
        struct cache_view known;

        cache_get(fs->cache, id, UINT64_MAX, false, &known);
        cache_view_deinit(&known);
        return known.state == CACHE_ABSENT;
}

static void line_wrote(struct import *x, struct import_line *line, int result) {
        _cleanup_(buf_deinit) struct buf partition = BUF_INIT(ID_MAX);
        struct place p = { .kind = NODE_ITEM, .table = x->place.table, .id = BUF_INIT(ID_MAX) };
        struct key hash;
        bool absent;

        if (key_of_item(&p.table->key, &line->item, &p.key) || place_item_id(p.table, &p.key, &p.id)) {
                buf_deinit(&p.id);
                return;
        }
        hash = p.key;
        hash.n = 1;
        absent = known_absent(x->fs, buf_view(&p.id)) ||
                 (place_item_id(p.table, &hash, &partition) == 0 && known_absent(x->fs, buf_view(&partition)));
        fs_wrote(x->fs, &p);
        partition_wrote(x->fs, &p, result == 0);
        cache_invalidate(x->fs->cache, buf_view(&p.id));
        if (result)
                away_refused(x->fs, buf_view(&p.id));
        else
                away_returned(x->fs, buf_view(&p.id));
        tell_kernel(x, &p.key, absent);
        buf_deinit(&p.id);
}

/* ---- the thread ---- */

static struct write *next_line(void *arg, bool wait) {
        struct import *x = arg;
        struct import_line *line = NULL;

        mutex_lock(&x->lock);
        while (wait && list_is_empty(&x->queue) && !x->closing)
                cond_wait(&x->cond, &x->lock);
        if (!list_is_empty(&x->queue)) {
                line = CONTAINER_OF(x->queue.next, struct import_line, link);
                list_remove(&line->link);
                list_append(&x->given, &line->link);
        }
        mutex_unlock(&x->lock);
        return line ? &line->write : NULL;
}

static void line_through(struct import *x, struct import_line *line) {
        struct import_block *block = line->block;
        bool last, flags;

        mutex_lock(&x->lock);
        list_remove(&line->link);
        x->n_open--;
        last = --block->n_open == 0;
        if (last)
                x->bytes -= block->bytes;
        flags = last || x->n_open == 0;
        x->wcu = x->ctx.wcu;
        x->requests = x->ctx.requests;
        mutex_unlock(&x->lock);
        if (last)
                import_block_free(block);
        if (flags)
                set_flags(x);
}

/* Of a tail: it may go on, and then it is not what was refused.  Told when nothing follows. */
static bool half_done(struct import *x, struct import_line *line, int result, const struct error *why) {
        bool half;

        mutex_lock(&x->lock);
        half = line->half;
        if (x->half.line == line) {
                x->half.line = NULL;
                x->half.bad = result != 0;
                if (result)
                        x->half.why = *why;
        }
        mutex_unlock(&x->lock);
        return half;
}

static void line_done(void *arg, struct write *w, int result, const struct error *why) {
        struct import *x = arg;
        struct import_line *line = CONTAINER_OF(w, struct import_line, write);

        line_wrote(x, line, result);
        if (!half_done(x, line, result, why) && result)
                import_refuse(x, line->number, line->text, why);
        line_through(x, line);
}

/* What was not sent, or nobody knows of, is kept as it was written. */
static void keep_rest(struct import *x) {
        struct list *lists[] = { &x->given, &x->queue };
        struct error e;

        for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
                for (;;) {
                        struct import_line *line = NULL;

                        mutex_lock(&x->lock);
                        if (!list_is_empty(lists[i]))
                                line = CONTAINER_OF(lists[i]->next, struct import_line, link);
                        if (line) {
                                list_remove(&line->link); /* another thread may do the same */
                                if (!line->half || x->half.line == line) /* else the longer one is here, too */
                                        put_bad(x, line->text);
                                if (x->half.line == line)
                                        x->half.line = NULL;
                        }
                        mutex_unlock(&x->lock);
                        if (!line)
                                break;
                        line_wrote(x, line, -EIO);
                        line_through(x, line);
                }
        }
        import_keep_bad(x, &e);
        mutex_lock(&x->lock);
        x->error = e;
        x->keeping = false;
        mutex_unlock(&x->lock);
}

static void *sender(void *arg) {
        struct import *x = arg;
        const struct write_source source = { .arg = x, .next = next_line, .done = line_done };
        struct error e = { .kind = ERR_NONE };
        int r = store_write_all(x->fs->store, &x->ctx, &source, &e);

        if (r) {
                mutex_lock(&x->lock);
                x->result = r;
                x->error = e;
                x->stopped = x->keeping = true;
                mutex_unlock(&x->lock);
                keep_rest(x);
                set_flags(x);
        }
        return NULL;
}

int import_queue(struct import *x, struct import_block *block, struct list *lines, struct error *e) {
        bool stopped;

        if (!x->running) {
                int r = fs_thread_start(&x->thread, sender, x);

                if (r)
                        return error_set_errno(e, r, "import");
                x->running = true;
        }
        block->bytes = sizeof(*block) + block->n + block->arena.total;
        mutex_lock(&x->lock);
        while (!list_is_empty(lines)) {
                struct list *l = lines->next;

                list_remove(l);
                list_append(&x->queue, l);
                block->n_open++;
                x->n_open++;
        }
        x->bytes += block->bytes;
        stopped = x->stopped;
        mutex_unlock(&x->lock);
        cond_signal(&x->cond);
        if (stopped) /* a moment ago: nobody takes them */
                keep_rest(x);
        set_flags(x);
        return 0;
}

int import_drain(struct import *x, struct op_ctx *ctx, struct error *e) {
        int r = fs_wait_for(x->fs, ctx, &x->drained, e);

        mutex_lock(&x->lock);
        ctx->wcu += x->wcu - x->wcu_told;
        ctx->requests += x->requests - x->requests_told;
        x->wcu_told = x->wcu;
        x->requests_told = x->requests;
        mutex_unlock(&x->lock);
        return r;
}

struct import *import_free(struct import *x) {
        bool abandoned;

        if (!x)
                return NULL;
        mutex_lock(&x->lock);
        x->closing = true;
        abandoned = x->n_open > 0;
        mutex_unlock(&x->lock);
        cond_signal(&x->cond);
        if (abandoned)
                op_ctx_cancel(&x->ctx);
        if (x->running)
                (void)pthread_join(x->thread, NULL);
        import_keep_bad(x, NULL);
        if (x->stopped && !x->told) {
                struct op_ctx ctx;

                op_ctx_init(&ctx, "import", 0);
                (void)fs_done(x->fs, &ctx, x->node, STR_NULL, x->result, &x->error);
                op_ctx_deinit(&ctx);
        }
        import_table_deinit(&x->table);
        buf_deinit(&x->tail);
        buf_deinit(&x->half.id);
        buf_deinit(&x->bad);
        place_deinit(&x->place);
        op_ctx_deinit(&x->ctx);
        cond_deinit(&x->cond);
        mutex_deinit(&x->lock);
        atomic_fetch_sub(&x->fs->n_imports, 1);
        return mem_free(x);
}
