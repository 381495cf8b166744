/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A small HTTP/1.1 server for tests, on a loopback port of the kernel's choice: a thread that accepts and
 * one thread a connection.  Each request takes the next step of the script, in order of arrival; after the
 * last step it answers 200 "{}".  Requests are recorded.
 */
#include <arpa/inet.h>
#include <check.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "ddbfs/base/encode.h"

enum server_action {
        ANSWER,
        ANSWER_AND_CLOSE, /* announce keep-alive and close all the same */
        CLOSE,            /* read the request, close without a word */
        HALF,             /* half the body, then close */
        GARBAGE,          /* not HTTP */
        FLOOD,            /* header lines without end */
};

struct server_step {
        enum server_action action;
        int status;          /* 0: 200 */
        const char *body;    /* NULL: "{}" */
        const char *headers; /* more header lines, each with CRLF */
        unsigned delay_ms;   /* before the answer */
        unsigned n_headers;  /* that many "x-many-N: v" lines */
        size_t body_n;       /* instead of body: that many spaces between braces */
        bool bad_crc, no_crc;
        long date_offset_s;
};

#define SERVER_STEPS 128
#define SERVER_RECORDS 256

struct server_record {
        char head[4096]; /* request line and headers */
        char body[256];  /* its beginning */
        size_t body_n;
        struct timespec at;
};

struct server {
        int fd;
        int port;
        pthread_t thread;
        pthread_mutex_t lock;
        struct server_step steps[SERVER_STEPS];
        unsigned n_steps, step;                       /* lock */
        struct server_record records[SERVER_RECORDS]; /* lock */
        unsigned n_records;                           /* lock; requests seen */
        unsigned n_connections;                       /* lock; accepted */
        unsigned flying, peak;                        /* lock; requests being answered */
        int fds[1024];                                /* lock; open connections, -1: closed */
        pthread_t threads[1024];
        atomic_bool stopping;
};

struct server_connection {
        struct server *server;
        unsigned index;
        int fd;
};

static void server_send(int fd, const char *p, size_t n) {
        while (n) {
                ssize_t k = send(fd, p, n, MSG_NOSIGNAL);

                if (k <= 0)
                        return;
                p += k;
                n -= (size_t)k;
        }
}

/* Wait, but not longer than the server or the peer lives. */
static void server_delay(struct server *s, int fd, unsigned ms) {
        for (unsigned waited = 0; waited < ms && !atomic_load(&s->stopping); waited += 5) {
                struct pollfd p = { .fd = fd, .events = POLLRDHUP };

                if (poll(&p, 1, (int)MIN(ms - waited, 5)) > 0)
                        return;
        }
}

static void server_flood(struct server *s, int fd) {
        char line[1024];

        memset(line, 'x', sizeof(line));
        memcpy(line, "x-flood: ", 9);
        memcpy(line + sizeof(line) - 2, "\r\n", 2);
        server_send(fd, "HTTP/1.1 200 OK\r\n", 17);
        for (unsigned i = 0; i < 20000 && !atomic_load(&s->stopping); i++)
                if (send(fd, line, sizeof(line), MSG_NOSIGNAL) <= 0)
                        return;
}

static void server_answer(int fd, const struct server_step *step, unsigned number, bool head_only) {
        size_t n = step->body_n ? step->body_n : strlen(step->body ? step->body : "{}"), at;
        char *out = malloc(n + 16384 + 32 * step->n_headers);
        char date[64], *body = malloc(n + 1);
        time_t now = time(NULL) + step->date_offset_s;
        struct tm tm;

        memset(body, ' ', n);
        body[n] = '\0';
        if (step->body_n) {
                body[0] = '{';
                body[n - 1] = '}';
        } else {
                memcpy(body, step->body ? step->body : "{}", n);
        }
        gmtime_r(&now, &tm);
        strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
        at = (size_t)sprintf(out, "HTTP/1.1 %d X\r\nDate: %s\r\nContent-Length: %zu\r\nX-Amzn-RequestId: REQ-%u\r\n",
                             step->status ? step->status : 200, date, n, number);
        if (!step->no_crc)
                at += (size_t)sprintf(out + at, "x-amz-crc32: %u\r\n",
                                      crc32_ieee(0, str_make(body, n)) ^ (step->bad_crc ? 1u : 0u));
        at += (size_t)sprintf(out + at, "%s", step->headers ? step->headers : "");
        for (unsigned i = 0; i < step->n_headers; i++)
                at += (size_t)sprintf(out + at, "x-many-%u: v\r\n", i);
        at += (size_t)sprintf(out + at, "\r\n");
        memcpy(out + at, body, n);
        server_send(fd, out, at + (head_only ? 0 : step->action == HALF ? n / 2 : n));
        free(out);
        free(body);
}

/* One request into r; false: the connection is over. */
static bool server_read(int fd, struct server_record *r) {
        size_t n = 0, want = 0, head = 0;
        static const size_t room = 4 << 20;
        char *in = malloc(room + 1);
        bool ok = false;

        for (;;) {
                ssize_t k = recv(fd, in + n, room - n, 0);
                char *end;

                if (k <= 0)
                        break;
                n += (size_t)k;
                in[n] = '\0';
                end = head ? NULL : strstr(in, "\r\n\r\n");
                if (end) {
                        const char *length = strcasestr(in, "\r\ncontent-length:");

                        head = (size_t)(end - in) + 4;
                        want = head + (length && length < end ? strtoul(length + 17, NULL, 10) : 0);
                }
                if (head && n >= want) {
                        ok = true;
                        break;
                }
        }
        memset(r, 0, sizeof(*r));
        if (ok) {
                memcpy(r->head, in, MIN(head, sizeof(r->head) - 1));
                r->body_n = want - head;
                memcpy(r->body, in + head, MIN(r->body_n, sizeof(r->body) - 1));
                clock_gettime(CLOCK_MONOTONIC, &r->at);
        }
        free(in);
        return ok;
}

static bool server_serve(struct server *s, int fd, struct server_record *r) {
        struct server_step step = { .action = ANSWER };
        unsigned number;

        if (!server_read(fd, r))
                return false;
        pthread_mutex_lock(&s->lock);
        number = s->n_records++;
        s->records[number % SERVER_RECORDS] = *r;
        if (s->step < s->n_steps)
                step = s->steps[s->step++];
        s->flying++;
        s->peak = MAX(s->peak, s->flying);
        pthread_mutex_unlock(&s->lock);

        if (step.delay_ms)
                server_delay(s, fd, step.delay_ms);
        pthread_mutex_lock(&s->lock);
        s->flying--;
        pthread_mutex_unlock(&s->lock);
        if (step.action == GARBAGE)
                server_send(fd, "SSH-2.0-OpenSSH_9.2\r\n\r\n\r\n", 25);
        else if (step.action == FLOOD)
                server_flood(s, fd);
        else if (step.action != CLOSE)
                server_answer(fd, &step, number, strncmp(r->head, "HEAD ", 5) == 0);
        return step.action == ANSWER;
}

static void *server_connection_main(void *arg) {
        struct server_connection c = *(struct server_connection *)arg;
        struct server_record *r = malloc(sizeof(*r));

        free(arg);
        while (server_serve(c.server, c.fd, r))
                ;
        free(r);
        pthread_mutex_lock(&c.server->lock);
        c.server->fds[c.index] = -1;
        pthread_mutex_unlock(&c.server->lock);
        close(c.fd);
        return NULL;
}

static void *server_main(void *arg) {
        struct server *s = arg;

        for (;;) {
                int fd = accept(s->fd, NULL, NULL);
                struct server_connection *c;

                if (fd < 0 || atomic_load(&s->stopping) || s->n_connections == ARRAY_LEN(s->fds)) {
                        if (fd >= 0)
                                close(fd);
                        return NULL;
                }
                c = malloc(sizeof(*c));
                pthread_mutex_lock(&s->lock);
                *c = (struct server_connection){ .server = s, .index = s->n_connections, .fd = fd };
                s->fds[s->n_connections] = fd;
                pthread_create(&s->threads[s->n_connections], NULL, server_connection_main, c);
                s->n_connections++;
                pthread_mutex_unlock(&s->lock);
        }
}

static struct server *server_start(void) {
        struct server *s = calloc(1, sizeof(*s));
        struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t n = sizeof(a);

        pthread_mutex_init(&s->lock, NULL);
        s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        ck_assert_int_ge(s->fd, 0);
        ck_assert_int_eq(bind(s->fd, (struct sockaddr *)&a, sizeof(a)), 0);
        ck_assert_int_eq(listen(s->fd, 128), 0);
        ck_assert_int_eq(getsockname(s->fd, (struct sockaddr *)&a, &n), 0);
        s->port = ntohs(a.sin_port);
        ck_assert_int_eq(pthread_create(&s->thread, NULL, server_main, s), 0);
        return s;
}

static void server_stop(struct server *s) {
        atomic_store(&s->stopping, true);
        shutdown(s->fd, SHUT_RDWR);
        pthread_join(s->thread, NULL);
        close(s->fd);
        pthread_mutex_lock(&s->lock);
        for (unsigned i = 0; i < s->n_connections; i++)
                if (s->fds[i] >= 0)
                        shutdown(s->fds[i], SHUT_RDWR);
        pthread_mutex_unlock(&s->lock);
        for (unsigned i = 0; i < s->n_connections; i++)
                pthread_join(s->threads[i], NULL);
        pthread_mutex_destroy(&s->lock);
        free(s);
}

_unused_ static void server_step(struct server *s, struct server_step step) {
        pthread_mutex_lock(&s->lock);
        ck_assert_uint_lt(s->n_steps, SERVER_STEPS);
        s->steps[s->n_steps++] = step;
        pthread_mutex_unlock(&s->lock);
}

_unused_ static unsigned server_requests(struct server *s) {
        unsigned n;

        pthread_mutex_lock(&s->lock);
        n = s->n_records;
        pthread_mutex_unlock(&s->lock);
        return n;
}

/* The most requests that were being answered at once. */
_unused_ static unsigned server_peak(struct server *s) {
        unsigned n;

        pthread_mutex_lock(&s->lock);
        n = s->peak;
        pthread_mutex_unlock(&s->lock);
        return n;
}

_unused_ static unsigned server_connections(struct server *s) {
        unsigned n;

        pthread_mutex_lock(&s->lock);
        n = s->n_connections;
        pthread_mutex_unlock(&s->lock);
        return n;
}

/* The value of a header of request number i; "" when absent.  Valid until the next call. */
_unused_ static const char *server_header(struct server *s, unsigned i, const char *name) {
        static char value[2048];
        char key[128];
        const char *p, *end;

        value[0] = '\0';
        snprintf(key, sizeof(key), "\r\n%s:", name);
        pthread_mutex_lock(&s->lock);
        p = strcasestr(s->records[i % SERVER_RECORDS].head, key);
        if (p) {
                p += strlen(key);
                p += strspn(p, " ");
                end = strstr(p, "\r\n");
                snprintf(value, sizeof(value), "%.*s", (int)(end - p), p);
        }
        pthread_mutex_unlock(&s->lock);
        return value;
}
