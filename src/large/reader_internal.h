/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* One open object: reader.c, and its windows, windows.c. */
#include "large_internal.h"

#define WINDOWS 4
#define AHEAD 3         /* windows before who reads on */
#define THREADS WINDOWS /* that fetch them, or hash */

#define WINDOW_MAX (30 * 128 * KIB) /* whole requests of the kernel */

enum window_state { EMPTY, WANTED, FETCHING, READY };

struct window {
        enum window_state state;
        bool given_up;          /* FETCHING: in vain */
        uint64_t offset;
        size_t n, given;        /* bytes; how many of them readers have got */
        struct buf data;
        uint64_t used;
        unsigned held;          /* by those who were lent bytes of it: it stays as it is */
        struct large_reader *r;
};

struct ahead {
        struct large_reader *r;
        pthread_t thread;
        bool running;
        struct op_ctx *fetching; /* NULL: not now */
};

struct large_reader {
        struct large_store *ls;
        struct arena arena;
        struct blob_name name;
        uint64_t size;
        bool checked;           /* there is a SHA-256 */
        uint8_t sha256[SHA256_LEN];
        char etag[BLOB_ETAG_MAX]; /* of another tool's object: it may be overwritten */
        struct mutex lock;      /* everything below */
        struct cond cond;
        struct window windows[WINDOWS];
        uint64_t next;          /* where the last window ends */
        uint64_t at;            /* where the window begins that was read from last */
        unsigned n_windows;     /* there have been */
        uint64_t tick;
        struct sha256_stream *digest; /* NULL: nothing to check, or it is done */
        uint64_t hashed;
        const struct window *hashing; /* by a thread, without the lock */
        bool corrupt;           /* its SHA-256 is another one */
        uint64_t changes;       /* of all this */
        unsigned waiting;       /* for one */
        unsigned held;          /* of all windows */
        struct ahead ahead[THREADS];
        bool stopping, closed;  /* closed: freed by whoever gives back the last bytes */
};

/* All with the lock held, except object_fetch(); those that wait let go of it meanwhile. */
void windows_changed(struct large_reader *r);
/* The window that has, or will have, this byte; NULL: none. */
struct window *window_find(struct large_reader *r, uint64_t offset);
/* Until window w has come and may be given away: *ret.  Else look again. */
_must_check_ int window_wait(struct large_reader *r, struct op_ctx *ctx, struct window *w, bool *ret, struct error *e)
        REQUIRES(r->lock);
/* There is no window for offset: one is to be had by who reads on (*ret).  Then look again. */
_must_check_ int window_next(struct large_reader *r, struct op_ctx *ctx, uint64_t offset, bool *ret, struct error *e)
        REQUIRES(r->lock);
/* A reader has got n bytes of it. */
void window_gave(struct large_reader *r, struct window *w, size_t n) REQUIRES(r->lock);
/* Is it free now?  Then there is more to fetch. */
void windows_ahead(struct large_reader *r) REQUIRES(r->lock);
/* Exactly n bytes of the object, behind what is in ret. */
_must_check_ int object_fetch(struct large_reader *r, struct op_ctx *ctx, uint64_t offset, size_t n, struct buf *ret,
                              struct error *e);
int object_corrupt(const struct large_reader *r, struct error *e); /* -errno */
