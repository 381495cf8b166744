/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A TCP proxy on 127.0.0.1 that makes the way to the server longer.
 *
 *   delay PORT MILLISECONDS [COUNTER]
 *
 * Prints the port it listens on.  What arrives is passed on half a round trip later, in both directions; opening a
 * connection costs the client a whole one before its first byte moves.  Bandwidth is not limited.  COUNTER is a file of
 * eight bytes: the number of requests seen, kept current.  Ends with its parent.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#define CHUNK (256 * 1024)
#define QUEUED_MAX (8u * 1024 * 1024) /* a direction that has this much waiting reads no more */

struct chunk {
        struct chunk *next;
        int64_t due;
        size_t n, done; /* n == 0: the end */
        char data[];
};

struct way { /* one direction of a connection */
        struct pair *pair;
        int in, out;
        struct chunk *first, **last;
        size_t queued;
        bool counted, in_ended, out_ended, blocked;
};

struct pair {
        struct pair *next, *before;
        struct way way[2]; /* there, and back */
        int64_t opened;
        uint32_t events[2];
};

static struct pair *pairs;
static int poller;
static int64_t half;
static volatile uint64_t *counter;

static _Noreturn void die(const char *what) {
        perror(what);
        exit(1);
}

static int64_t now_ns(void) {
        struct timespec ts;

        (void)clock_gettime(CLOCK_MONOTONIC, &ts);
        return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

/* Of side i we read way i and write the other one. */
static void listen_as_needed(struct pair *p) {
        for (int i = 0; i < 2; i++) {
                struct way *reads = &p->way[i], *writes = &p->way[!i];
                uint32_t events = 0;
                struct epoll_event e = { .data.ptr = reads };

                if (!reads->in_ended && reads->queued < QUEUED_MAX)
                        events |= EPOLLIN;
                if (writes->blocked)
                        events |= EPOLLOUT;
                if (events == p->events[i])
                        continue;
                /* without events it is taken out: a hang-up would be told again and again */
                e.events = events;
                (void)epoll_ctl(poller, !events ? EPOLL_CTL_DEL : p->events[i] ? EPOLL_CTL_MOD : EPOLL_CTL_ADD,
                                reads->in, &e);
                p->events[i] = events;
        }
}

static void pair_close(struct pair *p) {
        for (int i = 0; i < 2; i++) {
                struct chunk *next;

                for (struct chunk *c = p->way[i].first; c; c = next) {
                        next = c->next;
                        free(c);
                }
                (void)close(p->way[i].in);
        }
        if (p->next)
                p->next->before = p->before;
        *(p->before ? &p->before->next : &pairs) = p->next;
        free(p);
}

static void read_some(struct way *w) {
        static char data[CHUNK];
        ssize_t n = recv(w->in, data, sizeof(data), 0);
        int64_t opened = w->pair->opened + 3 * half, due = now_ns() + half;
        struct chunk *c;

        if (w->in_ended || (n < 0 && (errno == EAGAIN || errno == EINTR)))
                return;
        if (n <= 0) {
                n = 0;
                w->in_ended = true;
        }
        c = malloc(sizeof(*c) + (size_t)n);
        if (!c)
                die("memory");
        *c = (struct chunk){ .due = due < opened ? opened : due, .n = (size_t)n };
        memcpy(c->data, data, (size_t)n);
        *w->last = c;
        w->last = &c->next;
        w->queued += (size_t)n;
        if (w->counted && counter && n > 5 && memcmp(data, "POST ", 5) == 0)
                (*counter)++;
}

/* Sends what is due; returns when more will be, or INT64_MAX.  A full socket is waited for by the poller. */
static int64_t write_due(struct way *w, int64_t now) {
        w->blocked = false;
        while (w->first) {
                struct chunk *c = w->first;
                ssize_t n;

                if (c->due > now)
                        return c->due;
                n = c->n ? send(w->out, c->data + c->done, c->n - c->done, MSG_NOSIGNAL) : shutdown(w->out, SHUT_WR);
                if (n < 0 && errno == EAGAIN) {
                        w->blocked = true;
                        return INT64_MAX;
                }
                if (n < 0)
                        w->out_ended = w->in_ended = true;
                c->done += n < 0 ? c->n : (size_t)n;
                if (c->done < c->n)
                        continue;
                w->out_ended |= c->n == 0;
                w->queued -= c->n;
                w->first = c->next;
                if (!w->first)
                        w->last = &w->first;
                free(c);
        }
        return INT64_MAX;
}

static int connect_to(uint16_t port) {
        struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (fd < 0)
                die("socket");
        if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
                (void)close(fd);
                return -1;
        }
        return fd;
}

static void accept_one(int listener, uint16_t port) {
        int client = accept4(listener, NULL, NULL, SOCK_CLOEXEC), server, fds[2], one = 1;
        struct pair *p;

        if (client < 0)
                return;
        server = connect_to(port);
        p = server < 0 ? NULL : calloc(1, sizeof(*p));
        if (!p) {
                (void)close(client);
                return;
        }
        p->opened = now_ns();
        fds[0] = client;
        fds[1] = server;
        for (int i = 0; i < 2; i++) {
                struct epoll_event e = { .events = EPOLLIN, .data.ptr = &p->way[i] };

                p->way[i] = (struct way){ .pair = p, .in = fds[i], .out = fds[!i], .counted = i == 0 };
                p->way[i].last = &p->way[i].first;
                p->events[i] = EPOLLIN;
                (void)fcntl(fds[i], F_SETFL, O_NONBLOCK);
                (void)setsockopt(fds[i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
                if (epoll_ctl(poller, EPOLL_CTL_ADD, fds[i], &e) < 0)
                        die("epoll");
        }
        p->next = pairs;
        if (pairs)
                pairs->before = p;
        pairs = p;
}

/* Returns how long the poller may sleep. */
static int64_t serve_pairs(void) {
        int64_t now = now_ns(), first = INT64_MAX;
        struct pair *next;

        for (struct pair *p = pairs; p; p = next) {
                next = p->next;
                for (int i = 0; i < 2; i++) {
                        int64_t due = write_due(&p->way[i], now);

                        first = due < first ? due : first;
                }
                if (p->way[0].out_ended && p->way[1].out_ended)
                        pair_close(p);
                else
                        listen_as_needed(p);
        }
        return first == INT64_MAX ? -1 : first - now_ns();
}

static int listen_here(void) {
        struct sockaddr_in here = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t n = sizeof(here);
        struct epoll_event e = { .events = EPOLLIN };
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (fd < 0 || bind(fd, (struct sockaddr *)&here, n) < 0 || listen(fd, 256) < 0 ||
            getsockname(fd, (struct sockaddr *)&here, &n) < 0 || epoll_ctl(poller, EPOLL_CTL_ADD, fd, &e) < 0)
                die("listen");
        printf("port %d\n", ntohs(here.sin_port));
        (void)fflush(stdout);
        return fd;
}

static void open_counter(const char *path) {
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);

        if (fd < 0 || ftruncate(fd, 8) < 0)
                die(path);
        counter = mmap(NULL, 8, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (counter == MAP_FAILED)
                die(path);
        (void)close(fd);
}

int main(int argc, char **argv) {
        struct epoll_event events[64];
        uint16_t port;
        int listener;

        if (argc < 3) {
                (void)fprintf(stderr, "usage: delay PORT MILLISECONDS [COUNTER]\n");
                return 2;
        }
        port = (uint16_t)strtoul(argv[1], NULL, 10);
        half = (int64_t)(strtod(argv[2], NULL) * 500000);
        (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
        (void)prctl(PR_SET_TIMERSLACK, 1000UL);
        poller = epoll_create1(EPOLL_CLOEXEC);
        if (poller < 0)
                die("epoll");
        if (argc > 3)
                open_counter(argv[3]);
        listener = listen_here();
        for (;;) {
                int64_t wait = serve_pairs();
                struct timespec ts = { .tv_sec = wait / 1000000000, .tv_nsec = wait % 1000000000 };
                int n;

                if (wait < -1 || wait == 0)
                        ts = (struct timespec){};
                n = epoll_pwait2(poller, events, 64, wait == -1 ? NULL : &ts, NULL);
                for (int i = 0; i < n; i++) {
                        if (!events[i].data.ptr)
                                accept_one(listener, port);
                        else if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
                                read_some(events[i].data.ptr);
                }
        }
}
