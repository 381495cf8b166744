/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file behind commit=batch: records at its end, many writers to one fsync (the first in line writes for all who are
 * there).  It is emptied whenever nothing in it is waiting.  A record is
 *
 *      save SEQ HASH LENGTH \n PAYLOAD \n         done SEQ \n
 *
 * HASH is of the payload: what a crash has torn is not a record, and its close never returned.
 */
#include <unistd.h>
#include "journal_internal.h"
#include "saves_internal.h"
#include "ddbfs/base/file.h"
#include "ddbfs/base/hash.h"
#include "ddbfs/base/log.h"
#include "ddbfs/codec/wire.h"

struct save_log {
        int fd;
        struct mutex lock; /* everything below */
        struct cond cond;
        struct buf line;   /* records not written yet */
        struct list waits; /* their writers */
        bool writing;
        size_t size, max;
};

int save_log_new(int fd, size_t max, struct save_log **ret) {
        struct save_log *l = mem_zalloc(sizeof(*l));

        if (!l)
                return -ENOMEM;
        l->fd = fd;
        l->max = max;
        l->line = BUF_INIT(max + MIB);
        mutex_init(&l->lock);
        cond_init(&l->cond);
        list_init(&l->waits);
        *ret = l;
        return 0;
}

struct save_log *save_log_free(struct save_log *l) {
        if (!l)
                return NULL;
        if (l->fd >= 0)
                close(l->fd);
        buf_deinit(&l->line);
        cond_deinit(&l->cond);
        mutex_deinit(&l->lock);
        return mem_free(l);
}

static int put(struct save_log *l, struct str record, bool beyond, struct save_log_wait *w) {
        int r = 0;

        w->done = false;
        list_init(&w->all);
        mutex_lock(&l->lock);
        if (l->fd < 0 || (!beyond && l->size + l->line.n + record.n > l->max)) {
                r = -ENOSPC;
        } else {
                buf_str(&l->line, record);
                r = buf_status(&l->line);
        }
        if (r == 0)
                list_append(&l->waits, &w->all);
        else if (list_is_empty(&l->waits))
                buf_reset(&l->line);
        mutex_unlock(&l->lock);
        return r;
}

int save_log_put(struct save_log *l, struct str record, struct save_log_wait *w) {
        return put(l, record, false, w);
}

int save_log_put_done(struct save_log *l, struct str record, struct save_log_wait *w) {
        return put(l, record, true, w);
}

static int write_out(int fd, size_t at, struct str text) {
        int r = file_write_all(fd, at, text);

        if (r == 0 && fdatasync(fd) < 0)
                r = -errno;
        if (r && ftruncate(fd, (off_t)at) < 0) /* half a record is none; the next is written over it */
                log_warn("journal: %s", strerrordesc_np(errno));
        return r;
}

/* The lock is given back for the time of the writing. */
static void write_line(struct save_log *l) REQUIRES(l->lock);

static void write_line(struct save_log *l) {
        struct buf line = l->line;
        struct list waits;
        int r;

        l->line = BUF_INIT(line.max);
        list_init(&waits);
        while (!list_is_empty(&l->waits)) {
                struct list *first = l->waits.next;

                list_remove(first);
                list_append(&waits, first);
        }
        l->writing = true;
        mutex_unlock(&l->lock);
        r = buf_status(&line) ? buf_status(&line) : write_out(l->fd, l->size, buf_view(&line));
        mutex_lock(&l->lock);
        l->writing = false;
        if (r == 0)
                l->size += line.n;
        LIST_FOR_EACH_SAFE(i, &waits) {
                struct save_log_wait *w = CONTAINER_OF(i, struct save_log_wait, all);

                list_remove(i);
                w->r = r;
                w->done = true;
        }
        buf_deinit(&line);
        cond_broadcast(&l->cond);
}

int save_log_wait(struct save_log *l, struct save_log_wait *w) {
        mutex_lock(&l->lock);
        while (!w->done) {
                if (l->writing)
                        cond_wait(&l->cond, &l->lock);
                else
                        write_line(l);
        }
        mutex_unlock(&l->lock);
        return w->r;
}

bool save_log_clear(struct save_log *l) {
        bool empty;

        mutex_lock(&l->lock);
        if (!l->writing && l->line.n == 0 && l->size > 0 && ftruncate(l->fd, 0) == 0)
                l->size = 0;
        empty = !l->writing && l->line.n == 0 && l->size == 0;
        mutex_unlock(&l->lock);
        return empty;
}

bool save_log_crowded(struct save_log *l) {
        bool crowded;

        mutex_lock(&l->lock);
        crowded = l->size + l->line.n > l->max / 2;
        mutex_unlock(&l->lock);
        return crowded;
}

/* ---- records ---- */

void save_record_done(struct buf *out, uint64_t seq) {
        buf_printf(out, "done %llu\n", (unsigned long long)seq);
}

/* PAYLOAD: five lines: what, table and its ARN, path, item, base. */
void save_record(struct buf *out, const struct save_entry *x) {
        _cleanup_(buf_deinit) struct buf payload = BUF_INIT(32 * MIB);

        buf_puts(&payload, x->op == WRITE_UPDATE ? "UPDATE\n" : x->exclusive ? "PUT-NEW\n" : "PUT\n");
        journal_put_table(&payload, x->place.table);
        buf_puts(&payload, x->path);
        buf_putc(&payload, '\n');
        wire_write_item(&payload, &x->item);
        buf_putc(&payload, '\n');
        wire_write_item(&payload, &x->base);
        buf_printf(out, "save %llu %016llx %zu\n", (unsigned long long)x->seq,
                   (unsigned long long)hash_stable(7, buf_view(&payload)), payload.n);
        buf_str(out, buf_view(&payload));
        buf_putc(out, '\n');
        if (buf_status(&payload))
                out->err = buf_status(&payload);
}
