/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file behind commit=batch: records at its end, many writers to one fsync (the first in line writes for all who are
 * there).  It is emptied whenever nothing in it is waiting.  Behind the last record it has zeros, made in growing steps:
 * to write over what is there changes no metadata, and is on disk several times sooner than to make a file longer.
 */
#include <unistd.h>
#include "fs_internal.h"
#include "saves_internal.h"
#include "ddbfs/base/file.h"
#include "ddbfs/base/log.h"

#define ROOM_MIN (16 * KIB)
#define ROOM_MAX MIB

struct save_log {
        int fd;
        struct mutex lock; /* everything below */
        struct cond cond;
        struct buf line;   /* records not written yet */
        struct list waits; /* their writers */
        bool writing;
        size_t size, max;
        size_t room; /* of the file; who is writing may change it without the lock */
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

/* Zeros from `at` on, as many again as the file is long.  Without them the next write takes longer, no more. */
static void make_room(struct save_log *l, size_t at) {
        static const char zeros[ROOM_MIN];
        size_t end = at + MIN(MAX(at, ROOM_MIN), ROOM_MAX);
        int r = 0;

        while (r == 0 && at < end) {
                size_t n = MIN(sizeof(zeros), end - at);

                r = file_write_all(l->fd, at, str_make(zeros, n));
                at += n;
        }
        if (r == 0)
                l->room = end;
}

static int write_out(struct save_log *l, size_t at, struct str text) {
        int r = file_write_all(l->fd, at, text);

        if (r == 0 && at + text.n > l->room)
                make_room(l, at + text.n);
        if (r == 0 && fdatasync(l->fd) < 0)
                r = -errno;
        if (r == 0)
                return 0;
        l->room = 0; /* whatever is there: the next write is followed by zeros of its own */
        if (ftruncate(l->fd, (off_t)at) < 0) /* half a record is none; the next is written over it */
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
        r = buf_status(&line) ? buf_status(&line) : write_out(l, l->size, buf_view(&line));
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
                l->size = l->room = 0;
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
