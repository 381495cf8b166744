/* SPDX-License-Identifier: Apache-2.0 */
/* Taking objects away: DeleteObject, and DeleteObjects for many. */
#include "s3_internal.h"

#include <errno.h>
#include "ddbfs/aws/retry.h"
#include "ddbfs/base/alloc.h"
#include "ddbfs/base/clock.h"

#define ROUNDS 4                   /* for names that the service was too busy for */
#define PAUSE_NS (100 * NS_PER_MS) /* before the second; doubled */
#define REFUSED_BODY_MAX (4 * MIB)

static int remove_one(struct s3 *s, struct op_ctx *ctx, struct blob_name name, struct error *reterr) {
        struct error e = { .kind = ERR_NONE };
        struct s3_call c;
        int r;

        s3_call_init(&c, s, "DeleteObject", "DELETE", name);
        r = s3_call_run(&c, ctx, &e);
        s3_call_deinit(&c);
        if (r && strcmp(e.code, "NoSuchKey") == 0)
                return 0; /* AWS says 204, others this */
        if (r && reterr)
                *reterr = e;
        return r;
}

static int read_refused(struct s3_call *c, struct str body) {
        return s3_read_list(body, S3_REFUSED, c->read_arg);
}

#define TO_DO 1 /* in results: not asked yet, or to be asked again */

struct removal {
        struct s3 *s;
        struct op_ctx *ctx;
        const struct blob_name *names;
        int *results;
        uint32_t from, to;  /* the names of this request: those of them that are TO_DO */
        struct error first; /* the first error */
};

static void settle(struct removal *m, uint32_t i, int result, const struct error *e) {
        m->results[i] = result;
        if (result < 0 && m->first.kind == ERR_NONE)
                m->first = *e;
}

/* What the answer says of one name. */
static void refuse(struct removal *m, const struct s3_entry *entry, bool last_round) {
        enum error_kind kind;
        enum retry_class retry;
        struct error e;

        aws_error_classify(200, entry->code, &kind, &retry);
        for (uint32_t i = m->from; i < m->to; i++) {
                int r;

                if (m->results[i] != 0 || !str_eq(m->names[i].key, entry->key))
                        continue;
                if (str_eq(entry->code, STR("NoSuchKey")))
                        continue;
                if (!last_round && (retry == RETRY_TRANSIENT || retry == RETRY_THROTTLE)) {
                        m->results[i] = TO_DO;
                        continue;
                }
                r = error_set(&e, kind, "DeleteObjects %.*s: %.*s", (int)MIN(entry->key.n, 120u), entry->key.p,
                              (int)MIN(entry->message.n, 300u), entry->message.n ? entry->message.p : "refused");
                for (size_t k = 0; k < MIN(entry->code.n, sizeof(e.code) - 1); k++)
                        e.code[k] = entry->code.p[k];
                settle(m, i, r, &e);
        }
}

/* Every refusal is of a name that was asked for; else nobody can say which ones were done. */
static int check_refused(const struct removal *m, const struct s3_list *refused, struct error *reterr) {
        for (uint32_t k = 0; k < refused->n; k++) {
                struct str key = refused->v[k].key;
                uint32_t i = m->from;

                while (i < m->to && (m->results[i] != TO_DO || !str_eq(m->names[i].key, key)))
                        i++;
                if (i == m->to)
                        return error_set(reterr, ERR_PROTOCOL, "DeleteObjects: %.*s is refused, and was not asked for",
                                         (int)MIN(key.n, 120u), key.p);
        }
        return 0;
}

static void write_names(struct removal *m, struct buf *out) {
        buf_puts(out, "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Quiet>true</Quiet>");
        for (uint32_t i = m->from; i < m->to; i++) {
                if (m->results[i] != TO_DO)
                        continue;
                buf_puts(out, "<Object><Key>");
                s3_write_text(out, m->names[i].key);
                buf_puts(out, "</Key></Object>");
        }
        buf_puts(out, "</Delete>");
}

/* One request for the names of the range that are to be done.  -errno: it was not answered. */
static int remove_batch(struct removal *m, bool last_round, struct error *reterr) {
        _cleanup_(s3_list_deinit) struct s3_list refused;
        struct s3_call c;
        int r;

        s3_list_init(&refused);
        s3_call_init(&c, m->s, "DeleteObjects", "POST", (struct blob_name){ .bucket = m->names[m->from].bucket });
        s3_call_query(&c, "delete", STR(""));
        s3_call_header(&c, "content-type", STR("application/xml"));
        write_names(m, &c.body);
        s3_call_body(&c, buf_view(&c.body), NULL);
        c.rest.max_body = REFUSED_BODY_MAX;
        c.read = read_refused;
        c.read_arg = &refused;
        r = s3_call_run(&c, m->ctx, reterr);
        s3_call_deinit(&c);
        if (r == 0)
                r = check_refused(m, &refused, reterr);
        if (r)
                return r;
        for (uint32_t i = m->from; i < m->to; i++)
                if (m->results[i] == TO_DO)
                        m->results[i] = 0;
        for (uint32_t i = 0; i < refused.n; i++)
                refuse(m, &refused.v[i], last_round);
        return 0;
}

static bool any_to_do(const struct removal *m) {
        for (uint32_t i = m->from; i < m->to; i++)
                if (m->results[i] == TO_DO)
                        return true;
        return false;
}

/* Names one by one: those XML cannot say, and all where a request's body has no checksum that would let it in. */
static void remove_singly(struct removal *m) {
        bool all = !m->s->checksums || m->to - m->from == 1;

        for (uint32_t i = m->from; i < m->to; i++) {
                struct error e = { .kind = ERR_NONE };

                if (all || !s3_writable(m->names[i].key))
                        settle(m, i, remove_one(m->s, m->ctx, m->names[i], &e), &e);
        }
}

static void remove_range(struct removal *m) {
        struct error e = { .kind = ERR_NONE };
        uint64_t pause_ns = PAUSE_NS;
        int r = 0;

        for (uint32_t i = m->from; i < m->to; i++)
                m->results[i] = TO_DO;
        remove_singly(m);
        for (unsigned round = 1; r == 0 && any_to_do(m); round++) {
                if (round > 1)
                        r = op_ctx_sleep_until(m->ctx, clock_now_ns() + pause_ns, &e);
                pause_ns *= round > 1 ? 2 : 1;
                if (r == 0)
                        r = remove_batch(m, round >= ROUNDS, &e);
        }
        for (uint32_t i = m->from; i < m->to && r; i++)
                if (m->results[i] == TO_DO)
                        settle(m, i, r, &e);
}

int s3_remove(struct blobs *b, struct op_ctx *ctx, const struct blob_name *names, uint32_t n, int *results,
              struct error *reterr) {
        struct removal m = { .s = s3_of(b), .ctx = ctx, .names = names, .results = results };

        while (m.to < n) { /* as far as the bucket is the same */
                m.from = m.to;
                while (m.to < n && m.to - m.from < BLOB_REMOVE_MAX && str_eq(names[m.to].bucket, names[m.from].bucket))
                        m.to++;
                remove_range(&m);
        }
        if (m.first.kind == ERR_NONE)
                return 0;
        if (reterr)
                *reterr = m.first;
        return -error_errno(m.first.kind);
}
