/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting for the next request on the processor where the last ones came from.
 *
 * A program that asks one thing after the other sleeps while we answer.  Woken on its own processor, a reader
 * runs the moment the program sleeps; woken on another, that one must first be fetched out of its idle state,
 * there and back for every request, which on a virtual machine costs several times what the answer does.
 * The kernel prefers the idle processor, so a thread binds itself before it waits, and stays bound while it answers
 * from memory (binding costs more than such an answer).  What lasts - waiting for the service or for another thread -
 * and every thread or process started meanwhile runs wherever the scheduler likes: thread_lasts() lets go.
 *
 * Binding is for one request at a time and small ones: when several are being served, or much is read or
 * written (then the program works while the kernel reads ahead), the readers wait anywhere.  Where the
 * program runs is looked up once in SAMPLE requests of one thread, and less often while it stays where it is.
 *
 * Not every program stays.  One that writes (cp) is woken on the other processor whenever ours is still busy with its
 * answer while that one is idle; who follows it arrives as it leaves, and each of the two is carried over and back for
 * every file.  So a program that has moved more than FOLLOW_PATIENCE times is left alone, and looked up less and less often,
 * until it has been found STEADY times more where it was; each long stay makes up for one move.
 */
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "fuse_internal.h"
#include "ddbfs/base/thread.h"

#define SAMPLE 4
#define SAMPLE_MAX 128
#define RESTLESS_MAX 1024 /* of a program that moves */
#define STEADY 2
#define BIG (64 * KIB)
#define FIELD_STATE 3      /* proc(5), /proc/pid/stat: the first field behind the name, */
#define FIELD_PROCESSOR 39 /* and the processor last executed on */

static _Thread_local int bound_to = -1; /* a processor; -1: none */

void follow_init(struct follow *f) {
        atomic_init(&f->serial, 0);
        atomic_init(&f->next, SAMPLE);
        atomic_init(&f->step, SAMPLE);
        atomic_init(&f->tid, 0);
        atomic_init(&f->seen, -1);
        atomic_init(&f->moves, 0);
        atomic_init(&f->doubts, 0);
        atomic_init(&f->cpu, -1);
        f->usable = sched_getaffinity(0, sizeof(f->all), &f->all) == 0 && CPU_COUNT(&f->all) > 1;
}

/* The processor of a thread, or -1. */
static int cpu_of(uint32_t tid) {
        char path[64], stat[512], *p;
        ssize_t n;
        int fd;

        (void)snprintf(path, sizeof(path), "/proc/%u/task/%u/stat", tid, tid);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return -1;
        n = read(fd, stat, sizeof(stat) - 1);
        (void)close(fd);
        stat[MAX(n, 0)] = 0;
        p = strrchr(stat, ')'); /* the name may hold anything */
        for (unsigned field = FIELD_STATE - 1; p && field < FIELD_PROCESSOR; field++)
                p = strchr(p + 1, ' ');
        return p ? (int)strtol(p + 1, NULL, 10) : -1;
}

static bool is_big(const struct fuse_in_header *in, size_t n) {
        const struct fuse_read_in *read = (const void *)(in + 1);

        return n > BIG || (in->opcode == FUSE_READ && n >= sizeof(*in) + sizeof(*read) && read->size > BIG);
}

static void set(atomic_uint *p, unsigned value) {
        atomic_store_explicit(p, value, memory_order_relaxed);
}

static unsigned get(atomic_uint *p) {
        return atomic_load_explicit(p, memory_order_relaxed);
}

/* From this request on, look after `step` more. */
static void plan(struct follow *f, unsigned serial, unsigned step) {
        set(&f->step, step);
        set(&f->next, serial + step);
}

/* The program has been found on cpu (-1: nowhere). */
static void found(struct follow *f, unsigned serial, int cpu) {
        int seen = atomic_exchange_explicit(&f->seen, cpu, memory_order_relaxed);
        unsigned doubts = get(&f->doubts);

        if (seen >= 0 && cpu != seen && get(&f->moves) < FOLLOW_PATIENCE) {
                (void)atomic_fetch_add_explicit(&f->moves, 1, memory_order_relaxed);
                atomic_store_explicit(&f->cpu, cpu, memory_order_relaxed);
                plan(f, serial, SAMPLE);
                return;
        }
        if (seen >= 0 && cpu != seen)
                doubts = STEADY;
        else if (doubts > 0)
                doubts--;
        else if (get(&f->step) == SAMPLE_MAX && get(&f->moves) > 0)
                (void)atomic_fetch_sub_explicit(&f->moves, 1, memory_order_relaxed);
        set(&f->doubts, doubts);
        atomic_store_explicit(&f->cpu, doubts ? -1 : cpu, memory_order_relaxed);
        plan(f, serial, MIN(2 * get(&f->step), (unsigned)(doubts ? RESTLESS_MAX : SAMPLE_MAX)));
}

/* Threads that come here at once may undo each other's plans: then one look is early or late. */
void follow_request(struct follow *f, const void *message, size_t n, bool alone) {
        const struct fuse_in_header *in = message;
        unsigned serial;

        if (!f->usable || n < sizeof(*in) || in->pid == 0) /* the kernel's own, or of another pid namespace */
                return;
        if (!alone || is_big(in, n)) {
                set(&f->serial, 0);
                plan(f, 0, get(&f->doubts) ? get(&f->step) : SAMPLE);
                atomic_store_explicit(&f->cpu, -1, memory_order_relaxed);
                return;
        }
        serial = atomic_fetch_add_explicit(&f->serial, 1, memory_order_relaxed) + 1;
        if (in->pid != get(&f->tid)) { /* another program may be elsewhere */
                set(&f->tid, in->pid);
                set(&f->moves, 0);
                set(&f->doubts, 0);
                atomic_store_explicit(&f->seen, -1, memory_order_relaxed);
                plan(f, get(&f->next) - get(&f->step), SAMPLE);
        }
        if ((int)(serial - get(&f->next)) < 0)
                return;
        found(f, serial, cpu_of(in->pid));
}

static void unbind(void *arg) {
        follow_leave(arg);
}

void follow_wait(struct follow *f) {
        int cpu = atomic_load_explicit(&f->cpu, memory_order_relaxed);
        cpu_set_t one;

        if (cpu == bound_to)
                return;
        if (cpu < 0 || cpu >= CPU_SETSIZE) {
                follow_leave(f);
                return;
        }
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        if (sched_setaffinity(0, sizeof(one), &one))
                return;
        bound_to = cpu;
        thread_on_lasts(unbind, f);
}

void follow_leave(struct follow *f) {
        if (bound_to < 0)
                return;
        (void)sched_setaffinity(0, sizeof(f->all), &f->all);
        bound_to = -1;
        thread_on_lasts(NULL, NULL);
}
