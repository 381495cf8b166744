/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Telling the person what went wrong: one line in the log, one in .ddbfs/errors.jsonl, and the path's xattr
 * user.ddbfs.error.  A plain "no such file" is no event.  Failing to tell never fails an operation.
 */
#include <stdio.h>
#include "fs_internal.h"
#include "ddbfs/base/clock.h"
#include "ddbfs/base/json.h"
#include "ddbfs/base/log.h"
#include "ddbfs/base/metrics.h"

int fs_no_item(struct error *e) {
        return error_set(e, ERR_NO_ITEM, "no such item");
}

static void log_record(const struct error_record *rec) {
        const struct error *e = &rec->error;

        char where[48] = "";

        if (e->line)
                (void)snprintf(where, sizeof(where), "line %u, column %u: ", e->line, e->column);
        log_line(rec->errno_code == EINTR ? LOG_LEVEL_INFO : LOG_LEVEL_WARN, "%s %s: %s%s%s%s%s%s%s%s", rec->op,
                 rec->path ? rec->path : "?", strerrordesc_np(rec->errno_code), e->message[0] ? ": " : "", where,
                 e->message, e->code[0] ? " [" : "", e->code, e->code[0] ? "] " : " ", e->request_id);
}

void fs_report(struct fs *fs, struct op_ctx *ctx, struct str path, uint64_t ino, int r, const struct error *e) {
        struct error_record rec = { .wall_ns = clock_wall_ns(), .op = ctx->name, .errno_code = -r, .error = *e, .ino = ino };
        struct error_record *slot;

        rec.path = path.p ? mem_dup(path.p, path.n) : NULL;
        log_record(&rec);
        mutex_lock(&fs->small_lock);
        slot = &fs->errors[fs->n_errors++ % ERRORS_KEPT];
        mem_free(slot->path);
        *slot = rec;
        mutex_unlock(&fs->small_lock);
}

static void record(struct fs *fs, struct op_ctx *ctx, struct node *n, struct str child, int code,
                   const struct error *e) {
        _cleanup_(buf_deinit) struct buf path = BUF_INIT(PATH_TEXT_MAX);
        uint64_t ino = 0;

        if (n) {
                node_path(fs, n, child, &path);
                mutex_lock(&fs->nodes.lock);
                ino = child.n ? node_ino(n->ino, child) : n->ino;
                mutex_unlock(&fs->nodes.lock);
        }
        fs_report(fs, ctx, buf_view(&path), ino, -code, e);
}

void fs_warn(struct fs *fs, struct op_ctx *ctx, struct node *n, int code, const struct error *e) {
        record(fs, ctx, n, STR_NULL, code, e);
}

void fs_note(struct fs *fs, struct op_ctx *ctx, struct node *dir, struct str name, const struct error *e) {
        struct error note;

        (void)error_set(&note, e->kind, "%.*s: %s", (int)MIN(name.n, 128), name.p, e->message);
        record(fs, ctx, dir, STR_NULL, ENOENT, &note);
}

/* The service says that the table is gone: its description is void. */
static void forget_table(struct fs *fs, struct node *n) {
        char name[TABLE_NAME_MAX + 1] = "";

        mutex_lock(&fs->nodes.lock);
        while (n && n->kind != NODE_TABLE)
                n = n->parent;
        if (n && n->name_n <= TABLE_NAME_MAX)
                memcpy(name, n->name, n->name_n);
        mutex_unlock(&fs->nodes.lock);
        if (name[0])
                tables_invalidate(fs, str_of(name));
}

int fs_done(struct fs *fs, struct op_ctx *ctx, struct node *n, struct str child, int r, const struct error *e) {
        struct error unknown = { 0 };

        if (n && (ctx->rcu > 0 || ctx->wcu > 0)) {
                mutex_lock(&fs->nodes.lock);
                n->rcu += (float)ctx->rcu;
                n->wcu += (float)ctx->wcu;
                mutex_unlock(&fs->nodes.lock);
        }
        if (r < 0 && e->kind == ERR_NO_TABLE && n)
                forget_table(fs, n);
        if (r >= 0 || e->told || e->kind == ERR_NO_ITEM || (e->kind == ERR_NO_TABLE && e->code[0] == '\0'))
                return r;
        if (e->kind == ERR_NONE) {
                (void)error_set_errno(&unknown, r, ctx->name);
                e = &unknown;
        }
        record(fs, ctx, n, child, -r, e);
        return r;
}

static void write_field(struct buf *out, const char *name, const char *value, bool first) {
        buf_puts(out, first ? "\"" : ", \"");
        buf_puts(out, name);
        buf_puts(out, "\": ");
        json_write_string(out, str_of(value));
}

static void write_record(const struct error_record *rec, struct buf *out) {
        char when[CLOCK_ISO_LEN];

        clock_format_iso(rec->wall_ns, when);
        buf_putc(out, '{');
        write_field(out, "time", when, true);
        write_field(out, "operation", rec->op, false);
        write_field(out, "path", rec->path ? rec->path : "", false);
        write_field(out, "errno", strerrorname_np(rec->errno_code), false);
        write_field(out, "code", rec->error.code, false);
        write_field(out, "message", rec->error.message, false);
        if (rec->error.line)
                buf_printf(out, ", \"line\": %u, \"column\": %u", rec->error.line, rec->error.column);
        write_field(out, "request_id", rec->error.request_id, false);
        buf_puts(out, "}\n");
}

void errors_render(struct fs *fs, struct buf *out) {
        mutex_lock(&fs->small_lock);
        for (uint64_t i = fs->n_errors > ERRORS_KEPT ? fs->n_errors - ERRORS_KEPT : 0; i < fs->n_errors; i++)
                write_record(&fs->errors[i % ERRORS_KEPT], out);
        mutex_unlock(&fs->small_lock);
}

int errors_find(struct fs *fs, uint64_t ino, struct buf *out) {
        int r = -ENODATA;

        mutex_lock(&fs->small_lock);
        for (uint64_t i = fs->n_errors; r && i > 0 && i + ERRORS_KEPT > fs->n_errors; i--) {
                if (fs->errors[(i - 1) % ERRORS_KEPT].ino == ino) {
                        write_record(&fs->errors[(i - 1) % ERRORS_KEPT], out);
                        r = buf_status(out);
                }
        }
        mutex_unlock(&fs->small_lock);
        return r;
}
