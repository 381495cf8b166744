/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records of saves, written and read back:
 *
 *      save SEQ HASH LENGTH \n PAYLOAD \n         done SEQ \n
 *
 * HASH is of the payload: what a crash has torn is not a record, and its close never returned.  The payload has five
 * lines: what, table and its ARN, path, item, base.
 */
#include "saves_record.h"
#include "journal_internal.h"

#include <errno.h>
#include <stdio.h>
#include "ddbfs/base/hash.h"
#include "ddbfs/codec/wire.h"

#define PAYLOAD_MAX (32 * MIB)
#define HASH_KIND 7

void save_record_done(struct buf *out, uint64_t seq) {
        buf_printf(out, "done %llu\n", (unsigned long long)seq);
}

void save_record(struct buf *out, uint64_t seq, const struct save_payload *p) {
        _cleanup_(buf_deinit) struct buf payload = BUF_INIT(PAYLOAD_MAX);

        buf_puts(&payload, p->op == WRITE_UPDATE ? "UPDATE\n" : p->exclusive ? "PUT-NEW\n" : "PUT\n");
        buf_str(&payload, p->table);
        buf_putc(&payload, '\n');
        buf_str(&payload, p->path);
        buf_putc(&payload, '\n');
        wire_write_item(&payload, &p->item);
        buf_putc(&payload, '\n');
        wire_write_item(&payload, &p->base);
        buf_printf(out, "save %llu %016llx %zu\n", (unsigned long long)seq,
                   (unsigned long long)hash_stable(HASH_KIND, buf_view(&payload)), payload.n);
        buf_str(out, buf_view(&payload));
        buf_putc(out, '\n');
        if (buf_status(&payload))
                out->err = buf_status(&payload);
}

bool save_record_next(struct str *rest, struct save_record *ret) {
        struct str after = *rest, line;
        unsigned long long seq, hash;
        char text[128];
        size_t n;

        if (!journal_next_line(&after, &line) || line.n >= sizeof(text))
                return false;
        memcpy(text, line.p, line.n);
        text[line.n] = '\0';
        *ret = (struct save_record){ .is_save = false };
        if (sscanf(text, "save %llu %16llx %zu", &seq, &hash, &n) == 3) {
                if (after.n < 1 || n > after.n - 1 || after.p[n] != '\n' ||
                    hash_stable(HASH_KIND, str_make(after.p, n)) != hash)
                        return false;
                ret->is_save = true;
                ret->payload = str_make(after.p, n);
                after = str_skip(after, n + 1);
        } else if (sscanf(text, "done %llu", &seq) != 1) {
                return false;
        }
        ret->seq = seq;
        ret->whole = str_make(rest->p, rest->n - after.n);
        *rest = after;
        return true;
}

bool save_record_follows(struct str rest) {
        static const struct str marker = { "\nsave ", 6 };

        while (rest.n > marker.n) {
                const char *at = memmem(rest.p, rest.n, marker.p, marker.n);
                struct save_record rec;
                struct str from;

                if (!at)
                        return false;
                rest = from = str_skip(rest, (size_t)(at - rest.p) + 1);
                if (save_record_next(&from, &rec))
                        return true;
        }
        return false;
}

struct str save_payload_table(struct str payload) {
        struct str op, table = STR_NULL;

        return journal_next_line(&payload, &op) && journal_next_line(&payload, &table) ? table : STR_NULL;
}

static int read_item(struct str text, struct arena *a, struct item *ret) {
        struct item item;
        int r = journal_item(text, a, &item);

        return r ? r : item_copy(a, &item, ret);
}

int save_payload_parse(struct str payload, struct arena *a, struct save_payload *ret) {
        struct str op, table, path, item;
        int r;

        if (!journal_next_line(&payload, &op) || !journal_next_line(&payload, &table) ||
            !journal_next_line(&payload, &path) || !journal_next_line(&payload, &item))
                return -EINVAL;
        *ret = (struct save_payload){ .op = str_eq(op, STR("UPDATE")) ? WRITE_UPDATE : WRITE_PUT,
                                      .exclusive = str_eq(op, STR("PUT-NEW")), .table = table, .path = path };
        r = read_item(item, a, &ret->item);
        return r ? r : read_item(payload, a, &ret->base);
}
