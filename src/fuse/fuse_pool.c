/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The threads that read requests and serve them.
 *
 * A thread serves the request it has read: nothing is handed over to another thread, so that an answer out of
 * the cache costs one wake-up.  Before a thread starts serving it makes sure that somebody still reads -
 * otherwise the INTERRUPT of that very request would lie in the kernel unread:
 *
 *   another thread is reading        serve
 *   nobody, fewer than max threads   start one, serve
 *   nobody, max threads busy         park the request in a queue, read on; whoever finishes first takes it; while the
 *                                    queue is full, wait for room
 *   nobody, and nobody serves either serve (no thread could be started, or all the others wait for room)
 *
 * INTERRUPT and FORGET are served between two reads and count as reading.  A thread that finishes while
 * IDLE_READERS others already read goes home, and the pages of its buffer and stack with it.  Nothing here
 * wakes up by the clock.  libfuse's own loop has no queue: with all its threads busy it reads nothing.
 */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>
#include "fuse_internal.h"
#include "ddbfs/base/alloc.h"
#include "ddbfs/base/clock.h"
#include "ddbfs/base/log.h"

#define IDLE_READERS 8
#define PARKED_BYTES_MAX (4 * MIB)
#define PARKED_SLACK 256       /* zeroes behind a parked request: libfuse may look at a field old kernels do not send */
#define BUFFER_KEEP (192 * KIB) /* touched pages of a read buffer that a thread keeps between requests: a write of cp */

struct worker {
        struct list link; /* pool's lock */
        pthread_t thread;
        struct session *session;
        struct worker *before; /* the thread that went home before this one did: joined by this one */
        bool leaving;          /* goes home; the thread's own */
        bool alone;            /* no other request that a program waits for was being served when it took this one */
        bool unawaited;        /* what it serves; both its own */
        char *buffer;          /* FUSE_READ_SIZE bytes, mapped; the thread's own */
};

struct parked {
        struct list link;
        size_t n;
        uint64_t message[]; /* aligned for the protocol's structures */
};

static struct worker *worker_free(struct worker *w) {
        if (!w)
                return NULL;
        if (w->buffer)
                (void)munmap(w->buffer, FUSE_READ_SIZE);
        return mem_free(w);
}
DEFINE_CLEANUP(struct worker, worker_free)

static void *worker_main(void *arg);

/* Takes the new thread into the pool, as one that reads. */
static int spawn(struct pool *p) REQUIRES(p->lock) {
        _cleanup_(worker_freep) struct worker *w = NULL;
        void *buffer;
        int r;

        w = mem_zalloc(sizeof(*w));
        if (!w)
                return -ENOMEM;
        buffer = mmap(NULL, FUSE_READ_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (buffer == MAP_FAILED)
                return -ENOMEM;
        w->buffer = buffer;
        w->session = CONTAINER_OF(p, struct session, pool);
        r = thread_start(&w->thread, worker_main, w, "ddbfs-worker");
        if (r)
                return r;
        p->n_workers++;
        p->n_reading++;
        list_append(&p->workers, &TAKE(w)->link);
        return 0;
}

static bool park(struct pool *p, const void *message, size_t n) REQUIRES(p->lock) {
        struct parked *item;

        item = mem_zalloc(sizeof(*item) + n + PARKED_SLACK);
        if (!item)
                return false;
        memcpy(item->message, message, n);
        item->n = n;
        list_append(&p->parked, &item->link);
        p->parked_bytes += n + PARKED_SLACK;
        return true;
}

static void idle_if(struct pool *p) REQUIRES(p->lock) {
        if (p->n_busy == 0)
                cond_broadcast(&p->idle);
}

/* May this reader serve what it has just read?  false: the request has gone elsewhere, read on. */
static bool pool_take(struct worker *w, const void *message, size_t n) {
        struct pool *p = &w->session->pool;
        bool take = true;

        mutex_lock(&p->lock);
        p->n_reading--;
        p->n_busy++;
        for (;;) {
                if (p->stopping) {
                        take = false; /* the connection is about to be closed under whoever asked */
                        break;
                }
                if (p->n_reading > 0 || (p->n_workers < p->max_workers && spawn(p) == 0) ||
                    p->n_busy - p->n_crowded == 1)
                        break;
                if (list_is_empty(&p->parked) || p->parked_bytes + n + PARKED_SLACK <= PARKED_BYTES_MAX) {
                        take = !park(p, message, n);
                        break;
                }
                p->n_crowded++;
                cond_wait(&p->room, &p->lock);
                p->n_crowded--;
        }
        w->alone = take && p->n_busy - p->n_unawaited == 1;
        w->unawaited = take && guard_is_unawaited(message, n);
        p->n_unawaited += w->unawaited;
        if (!take) {
                p->n_busy--;
                p->n_reading++;
                idle_if(p);
        }
        mutex_unlock(&p->lock);
        return take;
}

static void unpark(struct pool *p, struct parked *item) REQUIRES(p->lock) {
        list_remove(&item->link);
        p->parked_bytes -= item->n + PARKED_SLACK;
        cond_broadcast(&p->room); /* one may not find room for it, and read on */
}

/* An INTERRUPT of a request that waits for its turn ends it here; libfuse has not seen it yet.  false: of another. */
static bool pool_interrupt(struct session *s, const void *message, size_t n) {
        uint64_t unique = guard_interrupts(message, n);
        struct parked *found = NULL;
        struct pool *p = &s->pool;

        mutex_lock(&p->lock);
        LIST_FOR_EACH(l, &p->parked)
                if (unique && guard_unique(CONTAINER_OF(l, struct parked, link)->message) == unique)
                        found = CONTAINER_OF(l, struct parked, link);
        if (found)
                unpark(p, found);
        mutex_unlock(&p->lock);
        if (found)
                session_refuse(s, found->message, found->n, -EINTR);
        mem_free(found);
        return found != NULL;
}

/* After serving: the oldest parked request.  NULL: read on, or go home when w->leaving. */
static struct parked *pool_next(struct worker *w) {
        struct pool *p = &w->session->pool;
        struct parked *item = NULL;

        mutex_lock(&p->lock);
        p->n_unawaited -= w->unawaited;
        w->unawaited = false;
        if (!list_is_empty(&p->parked)) {
                item = CONTAINER_OF(p->parked.next, struct parked, link);
                unpark(p, item);
        } else {
                p->n_busy--;
                w->leaving = !p->stopping && p->n_reading >= IDLE_READERS;
                if (w->leaving) {
                        p->n_workers--;
                        list_remove(&w->link);
                        w->before = p->retired;
                        p->retired = w;
                } else {
                        p->n_reading++;
                }
                idle_if(p);
        }
        mutex_unlock(&p->lock);
        return item;
}

static void worker_join(struct worker *w) {
        if (w)
                (void)pthread_join(w->thread, NULL);
        worker_free(w);
}

/* One message of the kernel, or 0 at the end of the connection, or -errno.  The only place where a worker can be
 * cancelled: it owns nothing here (nor is there a local whose address is taken, which AddressSanitizer would keep
 * for poisoned in the next thread's stack). */
static ssize_t worker_read(struct worker *w) {
        struct session *s = w->session;
        ssize_t n;
        int err;

        follow_wait(&s->follow);
        do {
                (void)pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
                n = read(s->fd, w->buffer, FUSE_READ_SIZE);
                err = errno;
                (void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
                /* ENOENT: the request was interrupted before it was read */
        } while (n < 0 && (err == EINTR || err == EAGAIN || err == ENOENT));
        if (n >= 0)
                return n;
        return err == ENODEV || err == ECONNABORTED || err == ECONNRESET ? 0 : -err;
}

static void worker_serve(struct worker *w, size_t n) {
        struct session *s = w->session;
        struct parked *item;

        if (guard_is_quick(w->buffer, n)) {
                if (!pool_interrupt(s, w->buffer, n))
                        session_process(s, w->buffer, n);
                return;
        }
        if (!pool_take(w, w->buffer, n))
                return;
        follow_request(&s->follow, w->buffer, n, w->alone);
        session_process(s, w->buffer, n);
        if (n > BUFFER_KEEP)
                (void)madvise(w->buffer + BUFFER_KEEP, FUSE_READ_SIZE - BUFFER_KEEP, MADV_DONTNEED);
        while ((item = pool_next(w))) {
                session_process(s, item->message, item->n);
                mem_free(item);
        }
}

static void connection_ended(struct session *s, int r) {
        mutex_lock(&s->pool.lock);
        s->pool.n_reading--;
        mutex_unlock(&s->pool.lock);
        if (r < 0)
                atomic_store(&s->error, r);
        atomic_store(&s->gone, true);
        session_wake(s);
}

static void *worker_main(void *arg) {
        struct worker *w = arg;
        ssize_t n;

        (void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
        while ((n = worker_read(w)) > 0) {
                worker_serve(w, (size_t)n);
                if (w->leaving) {
                        worker_join(w->before); /* so that one finished thread at most keeps its stack */
                        return NULL;
                }
        }
        connection_ended(w->session, (int)n);
        return NULL;
}

void pool_init(struct pool *p, unsigned max_busy) {
        *p = (struct pool){ .max_workers = max_busy + 1 };
        mutex_init(&p->lock);
        cond_init(&p->idle);
        cond_init(&p->room);
        list_init(&p->workers);
        list_init(&p->parked);
}

static void drop_parked(struct pool *p) {
        LIST_FOR_EACH_SAFE(l, &p->parked)
                mem_free(CONTAINER_OF(l, struct parked, link));
        list_init(&p->parked);
        p->parked_bytes = 0;
}

void pool_deinit(struct pool *p) {
        drop_parked(p);
        cond_deinit(&p->room);
        cond_deinit(&p->idle);
        mutex_deinit(&p->lock);
}

int pool_start(struct session *s) {
        struct pool *p = &s->pool;
        int r;

        mutex_lock(&p->lock);
        r = spawn(p);
        mutex_unlock(&p->lock);
        return r;
}

void pool_stop(struct session *s, uint64_t drain_ns) {
        uint64_t until_ns = clock_now_ns() + drain_ns;
        struct pool *p = &s->pool;
        bool in_time = true;

        mutex_lock(&p->lock);
        while (p->n_busy > 0 && in_time)
                in_time = cond_wait_until(&p->idle, &p->lock, until_ns);
        p->stopping = true;
        drop_parked(p);
        cond_broadcast(&p->room);
        while (p->n_busy > 0)
                cond_wait(&p->idle, &p->lock);
        LIST_FOR_EACH(l, &p->workers)
                (void)pthread_cancel(CONTAINER_OF(l, struct worker, link)->thread);
        mutex_unlock(&p->lock);
        /* nobody changes the list any more: with stopping set no thread is started and none goes home */
        LIST_FOR_EACH_SAFE(l, &p->workers)
                worker_join(CONTAINER_OF(l, struct worker, link));
        list_init(&p->workers);
        worker_join(TAKE(p->retired));
}
