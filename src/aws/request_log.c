/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The last requests of the process, in a ring of fixed size.  Holds no bodies, no names of tables or keys,
 * no credentials.  The lock is a leaf, held for a copy of one record.
 */
#include "client_internal.h"

#include <inttypes.h>
#include "ddbfs/base/json.h"

#define RING 1000

struct entry {
        uint64_t wall_ns; /* of the answer */
        const char *operation, *code;
        uint64_t duration_ns, bytes_sent, bytes_received;
        unsigned attempt;
        int status;
        char request_id[ERROR_REQUEST_ID_LEN];
};

static struct {
        struct mutex lock; /* everything below */
        uint64_t n;        /* entries ever written; the next goes to n % RING */
        struct entry ring[RING];
} requests = { .lock = MUTEX_INIT };

void request_log_add(const struct request_record *r) {
        struct entry *e;
        size_t n = MIN(r->request_id.n, sizeof(e->request_id) - 1);
        uint64_t now = clock_wall_ns();

        mutex_lock(&requests.lock);
        e = &requests.ring[requests.n++ % RING];
        *e = (struct entry){
                .wall_ns = now,
                .operation = r->operation,
                .code = r->code,
                .duration_ns = r->duration_ns,
                .bytes_sent = r->bytes_sent,
                .bytes_received = r->bytes_received,
                .attempt = r->attempt,
                .status = r->status,
        };
        for (size_t i = 0; i < n; i++) /* from the network: keep what is printable */
                e->request_id[i] =
                        (char)(r->request_id.p[i] > 0x20 && r->request_id.p[i] < 0x7f ? r->request_id.p[i] : '?');
        mutex_unlock(&requests.lock);
}

static void render(const struct entry *e, struct buf *out) {
        char time[CLOCK_ISO_LEN];

        clock_format_iso(e->wall_ns, time);
        buf_printf(out, "{\"time\":\"%s\",\"operation\":\"%s\",\"attempt\":%u,\"status\":%d,\"ms\":%" PRIu64 ".%03u",
                   time, e->operation, e->attempt, e->status, e->duration_ns / NS_PER_MS,
                   (unsigned)(e->duration_ns % NS_PER_MS / 1000));
        buf_printf(out, ",\"sent\":%" PRIu64 ",\"received\":%" PRIu64, e->bytes_sent, e->bytes_received);
        if (e->code)
                buf_printf(out, ",\"code\":\"%s\"", e->code);
        if (e->request_id[0]) {
                buf_puts(out, ",\"request_id\":");
                json_write_string(out, str_of(e->request_id));
        }
        buf_puts(out, "}\n");
}

/* Entry number i, false when it has been overwritten or not been written yet. */
static bool copy_entry(uint64_t i, struct entry *ret) {
        bool there;

        mutex_lock(&requests.lock);
        there = i < requests.n && requests.n - i <= RING;
        if (there)
                *ret = requests.ring[i % RING];
        mutex_unlock(&requests.lock);
        return there;
}

void aws_request_log_render(struct buf *out) {
        struct entry e;
        uint64_t first, end;

        mutex_lock(&requests.lock);
        end = requests.n;
        first = end > RING ? end - RING : 0;
        mutex_unlock(&requests.lock);
        for (uint64_t i = first; i < end && buf_status(out) == 0; i++)
                if (copy_entry(i, &e))
                        render(&e, out);
}
