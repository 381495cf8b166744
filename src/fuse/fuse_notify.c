/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Telling the kernel to forget.
 *
 * Attributes are forgotten in the thread that asks: for them the kernel looks the inode up and marks it; it
 * takes no page lock and no directory lock, so it never waits for a request, not even for the one this
 * thread is serving.
 *
 * Pages and names are different: the kernel locks each page, or the directory, and whoever holds that lock may
 * be waiting for an answer of ours.  They go through a queue to one thread that serves nothing and holds no
 * lock meanwhile.  The caller never waits.  A notice that is already pending is not queued again, so the queue
 * is bounded by the nodes and names the kernel knows; none is ever dropped for want of room in it.  Without
 * memory a notice is lost: then the attributes are forgotten, and the entry's timeout and the next open
 * (which decides on keep_cache by version) put the rest right.
 */
#include <errno.h>
#include "fuse_internal.h"
#include "ddbfs/base/alloc.h"
#include "ddbfs/base/hash.h"
#include "ddbfs/base/log.h"

struct notice {
        struct hmap_node by_target; /* notifier's pending */
        struct list link;           /* notifier's queue */
        uint64_t node;              /* the node, or the parent of the name */
        size_t n;                   /* of the name; 0: the node's content */
        char name[];
};

static bool is_serving(struct session *s) {
        return atomic_load(&s->serving);
}

void notify_attr(void *arg, uint64_t node) {
        struct session *s = arg;

        if (is_serving(s)) /* offset -1: attributes only.  ENOENT: the kernel does not know the node */
                (void)fuse_lowlevel_notify_inval_inode(s->se, node, -1, 0);
}

/* In the thread that asks, for it is to be done before that thread's answer.  The kernel locks each page for a moment,
 * and who holds one (a second reader that has just come) may be waiting for an answer of ours: so only a few of the
 * threads may be here at once, however hostile the moment, and somebody is left who answers. */
void notify_store(void *arg, uint64_t node, struct str content) {
        struct fuse_bufvec pages = FUSE_BUFVEC_INIT(content.n);
        struct session *s = arg;
        int r = 0;

        pages.buf[0].mem = (void *)(uintptr_t)content.p; /* read only */
        if (atomic_fetch_add(&s->n_storing, 1) < s->pool.max_workers / 8 && is_serving(s))
                r = fuse_lowlevel_notify_store(s->se, node, 0, &pages, 0);
        atomic_fetch_sub(&s->n_storing, 1);
        if (r && r != -ENOENT) /* the kernel has forgotten it */
                log_debug("content of node %llu: %s", (unsigned long long)node, strerror(-r));
}

static struct notice *find(struct notifier *n, uint64_t hash, uint64_t node, struct str name) REQUIRES(n->lock) {
        struct notice *notice;

        for (struct hmap_node *h = hmap_first(&n->pending, hash); h; h = hmap_next(h)) {
                notice = CONTAINER_OF(h, struct notice, by_target);
                if (notice->node == node && str_eq(str_make(notice->name, notice->n), name))
                        return notice;
        }
        return NULL;
}

static int enqueue(struct notifier *n, uint64_t node, struct str name) REQUIRES(n->lock) {
        uint64_t hash = hash_seeded(node, name);
        struct notice *notice;

        if (!n->running || n->stopping || find(n, hash, node, name))
                return 0;
        notice = mem_zalloc(sizeof(*notice) + name.n + 1); /* libfuse sends the NUL too */
        if (!notice)
                return -ENOMEM;
        notice->node = node;
        notice->n = name.n;
        if (name.n)
                memcpy(notice->name, name.p, name.n);
        if (hmap_insert(&n->pending, &notice->by_target, hash)) {
                mem_free(notice);
                return -ENOMEM;
        }
        list_append(&n->queue, &notice->link);
        n->queued++;
        cond_signal(&n->wake);
        return 0;
}

static void notify(struct session *s, uint64_t node, struct str name) {
        struct notifier *n = &s->notifier;
        int r;

        if (!is_serving(s))
                return;
        mutex_lock(&n->lock);
        r = enqueue(n, node, name);
        mutex_unlock(&n->lock);
        if (r) {
                log_warn("out of memory: the kernel keeps an old copy of a file or a name until it expires");
                notify_attr(s, node);
        }
}

void notify_content(void *arg, uint64_t node) {
        notify(arg, node, STR_NULL);
}

void notify_entry(void *arg, uint64_t parent, struct str name) {
        if (name.n)
                notify(arg, parent, name);
}

/* Until the kernel has been told what is queued by now.  Who waits holds up one request, so not for ever: the kernel
 * may be waiting for that very one. */
void notify_wait(void *arg, uint64_t until_ns) {
        struct notifier *n = &((struct session *)arg)->notifier;
        uint64_t last;

        mutex_lock(&n->lock);
        last = n->queued;
        while (n->running && !n->stopping && n->done < last && cond_wait_until(&n->told, &n->lock, until_ns))
                ;
        mutex_unlock(&n->lock);
}

static void told(struct notifier *n) {
        mutex_lock(&n->lock);
        n->done++;
        cond_broadcast(&n->told);
        mutex_unlock(&n->lock);
}

/* The oldest one, out of the queue; NULL: the end. */
static struct notice *next(struct notifier *n) {
        struct notice *notice = NULL;

        mutex_lock(&n->lock);
        while (list_is_empty(&n->queue) && !n->stopping)
                cond_wait(&n->wake, &n->lock);
        if (!n->stopping) {
                notice = CONTAINER_OF(n->queue.next, struct notice, link);
                /* out of the map before the kernel is told: what changes from now on needs a notice of its own */
                list_remove(&notice->link);
                hmap_remove(&n->pending, &notice->by_target);
        }
        mutex_unlock(&n->lock);
        return notice;
}

static void *notifier_main(void *arg) {
        struct session *s = arg;
        struct notice *notice;
        int r;

        while ((notice = next(&s->notifier))) {
                if (notice->n)
                        r = fuse_lowlevel_notify_inval_entry(s->se, notice->node, notice->name, notice->n);
                else
                        r = fuse_lowlevel_notify_inval_inode(s->se, notice->node, 0, 0);
                if (r && r != -ENOENT) /* ENOENT: the kernel has forgotten already */
                        log_debug("invalidating node %llu: %s", (unsigned long long)notice->node, strerror(-r));
                mem_free(notice);
                told(&s->notifier);
        }
        return NULL;
}

void notifier_init(struct notifier *n) {
        *n = (struct notifier){ 0 };
        mutex_init(&n->lock);
        cond_init(&n->wake);
        cond_init(&n->told);
        list_init(&n->queue);
}

void notifier_deinit(struct notifier *n) {
        LIST_FOR_EACH_SAFE(l, &n->queue)
                mem_free(CONTAINER_OF(l, struct notice, link));
        hmap_deinit(&n->pending);
        cond_deinit(&n->wake);
        cond_deinit(&n->told);
        mutex_deinit(&n->lock);
}

int notifier_start(struct session *s) {
        int r;

        r = thread_start(&s->notifier.thread, notifier_main, s, "ddbfs-notify");
        if (r)
                return r;
        mutex_lock(&s->notifier.lock);
        s->notifier.running = true;
        mutex_unlock(&s->notifier.lock);
        return 0;
}

/* While requests are still served: the kernel may be waiting for one before it can forget a page. */
void notifier_stop(struct session *s) {
        struct notifier *n = &s->notifier;
        bool running;

        mutex_lock(&n->lock);
        running = n->running;
        n->running = false;
        n->stopping = true;
        cond_signal(&n->wake);
        cond_broadcast(&n->told);
        mutex_unlock(&n->lock);
        if (running)
                (void)pthread_join(n->thread, NULL);
}
