/* SPDX-License-Identifier: Apache-2.0 */
#include <ftw.h>
#include <stdlib.h>
#include <unistd.h>
#include "ddbfs/base/log.h"
#include "fixture.h"
#include "../suite.h"

uint32_t fx_pid;

void fx_init(struct fx *x) {
        *x = (struct fx){ .m = mem_store_new() };
        mem_table(x->m, "Music", "Artist:S", "Song:S");
        mem_table(x->m, "Users", "Id:S", NULL);
        mem_table(x->m, "Num", "H:N", "R:N");
        mem_table(x->m, "Bin", "H:B", "R:B");
        mem_table(x->m, "Log", "Id:N", NULL);
        x->o = (struct fs_options){ .xattrs = true,
                                    .cache_ttl_ns = NS_PER_S,
                                    .schema_ttl_ns = FS_FOREVER,
                                    .cache_size = 64 * MIB,
                                    .uid = 1,
                                    .gid = 2,
                                    .umask = 022,
                                    .mount_id = "test",
                                    .grace_ns = 3 * NS_PER_S,
                                    .spool_max = 16 * MIB,
                                    .rejected_max = 16 * MIB };
        (void)snprintf(x->state_dir, sizeof(x->state_dir), "/tmp/ddbfs-test-XXXXXX");
        ck_assert_ptr_nonnull(mkdtemp(x->state_dir));
        x->o.state_dir = x->state_dir;
}

void fx_start(struct fx *x) {
        ck_assert_ok(fs_new(&x->o, mem_store_face(x->m), &x->fs));
        (void)FX_CALL(fs_probe(x->fs, &ctx, NULL)); /* as every mount begins; a table that is not there is told there */
        mem_reset_calls(x->m);
}

void fx_restart(struct fx *x) {
        x->fs = fs_free(x->fs);
        fx_start(x);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        (void)st;
        (void)type;
        (void)ftw;
        return remove(path);
}

void fx_end(struct fx *x) {
        unsigned violations = mem_lock_violations(x->m);

        x->fs = fs_free(x->fs);
        x->m = mem_store_free(x->m);
        clock_real();
        (void)nftw(x->state_dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
        ck_assert_uint_eq(violations, 0);
}

void fx_clock(struct fx *x) {
        (void)x;
        clock_fake(FX_MONO, FX_WALL);
}

void fx_advance(uint64_t ns) {
        clock_fake(clock_now_ns() + ns, clock_wall_ns() + ns);
}

/* ---- paths ---- */

static struct str next_name(const char **path) {
        const char *slash;
        struct str name;

        while (**path == '/')
                (*path)++;
        slash = strchr(*path, '/');
        name = str_make(*path, slash ? (size_t)(slash - *path) : strlen(*path));
        *path += name.n;
        return name;
}

/* The node of the directory and the last name. */
static int walk(struct fx *x, const char *path, uint64_t *ret_dir, struct str *ret_name) {
        uint64_t dir = FS_ROOT;

        for (;;) {
                struct str name = next_name(&path);
                struct fs_entry entry;
                int r;

                while (*path == '/')
                        path++;
                if (*path == '\0') {
                        *ret_dir = dir;
                        *ret_name = name;
                        return 0;
                }
                r = FX_CALL(fs_lookup(x->fs, &ctx, dir, name, &entry));
                if (dir != FS_ROOT)
                        fs_forget(x->fs, dir, 1);
                if (r == 0 && entry.node == 0)
                        r = -ENOENT;
                if (r)
                        return r;
                if (!S_ISDIR(entry.attr.mode)) {
                        fs_forget(x->fs, entry.node, 1);
                        return -ENOTDIR;
                }
                dir = entry.node;
        }
}

static void leave(struct fx *x, uint64_t dir) {
        if (dir != FS_ROOT)
                fs_forget(x->fs, dir, 1);
}

int fx_lookup(struct fx *x, const char *path, struct fs_entry *ret) {
        struct str name;
        uint64_t dir;
        int r = walk(x, path, &dir, &name);

        if (r)
                return r;
        if (name.n == 0) {
                *ret = (struct fs_entry){ .node = FS_ROOT };
                return FX_CALL(fs_getattr(x->fs, &ctx, FS_ROOT, NULL, &ret->attr));
        }
        r = FX_CALL(fs_lookup(x->fs, &ctx, dir, name, ret));
        leave(x, dir);
        return r == 0 && ret->node == 0 ? -ENOENT : r;
}

int fx_stat(struct fx *x, const char *path, struct fs_attr *ret) {
        struct fs_entry entry;
        int r = fx_lookup(x, path, &entry);

        if (r)
                return r;
        r = FX_CALL(fs_getattr(x->fs, &ctx, entry.node, NULL, ret));
        leave(x, entry.node);
        return r;
}

int fx_exists(struct fx *x, const char *path) {
        struct fs_entry entry;
        int r = fx_lookup(x, path, &entry);

        if (r == 0)
                leave(x, entry.node);
        return r;
}

uint64_t fx_ino(struct fx *x, const char *path) {
        struct fs_attr attr;

        ck_assert_ok(fx_stat(x, path, &attr));
        return attr.ino;
}

/* ---- files ---- */

int fx_open(struct fx *x, const char *path, int flags, struct fx_file *ret) {
        struct fs_entry entry;
        struct str name;
        uint64_t dir;
        int r = walk(x, path, &dir, &name);

        if (r)
                return r;
        *ret = (struct fx_file){ .x = x };
        r = FX_CALL(fs_lookup(x->fs, &ctx, dir, name, &entry));
        if (r == 0 && entry.node && (flags & O_CREAT) && (flags & O_EXCL)) {
                fs_forget(x->fs, entry.node, 1);
                r = -EEXIST;
        } else if (r == 0 && entry.node) {
                r = FX_CALL(fs_open(x->fs, &ctx, entry.node, flags & ~O_CREAT, &ret->opened));
                if (r)
                        fs_forget(x->fs, entry.node, 1);
        } else if (r == 0 && (flags & O_CREAT)) {
                r = FX_CALL(fs_create(x->fs, &ctx, dir, name, flags, &entry, &ret->opened));
        } else if (r == 0) {
                r = -ENOENT;
        }
        leave(x, dir);
        ret->node = entry.node;
        return r;
}

int fx_pwrite(struct fx_file *f, const char *text, uint64_t offset) {
        return FX_CALL(fs_write(f->x->fs, &ctx, f->opened.file, offset, str_of(text)));
}

int fx_write(struct fx_file *f, const char *text) {
        int r = fx_pwrite(f, text, f->pos);

        if (r == 0)
                f->pos += strlen(text);
        return r;
}

int fx_ftruncate(struct fx_file *f, uint64_t size) {
        struct fs_attr attr;

        return FX_CALL(fs_setattr(f->x->fs, &ctx, f->node, f->opened.file, &size, &attr));
}

int fx_flush(struct fx_file *f) {
        return FX_CALL(fs_flush(f->x->fs, &ctx, f->opened.file));
}

int fx_fsync(struct fx_file *f) {
        return FX_CALL(fs_fsync(f->x->fs, &ctx, f->opened.file));
}

int fx_fstat(struct fx_file *f, struct fs_attr *ret) {
        return FX_CALL(fs_getattr(f->x->fs, &ctx, f->node, f->opened.file, ret));
}

int fx_read(struct fx_file *f, char *out, size_t cap) {
        size_t n = 0;

        for (;;) {
                struct str piece;
                struct fs_hold hold;
                int r = FX_CALL(fs_read(f->x->fs, &ctx, f->opened.file, n, 16, &piece, &hold));

                if (r)
                        return r;
                if (piece.n)
                        memcpy(out + n, piece.p, MIN(piece.n, cap - 1 - n));
                n += MIN(piece.n, cap - 1 - n);
                fs_read_done(hold);
                if (piece.n == 0 || n == cap - 1)
                        break;
        }
        out[n] = '\0';
        return 0;
}

void fx_release(struct fx_file *f) {
        struct op_ctx ctx;

        op_ctx_init(&ctx, "release", 0);
        fs_release(f->x->fs, &ctx, f->opened.file);
        op_ctx_deinit(&ctx);
        leave(f->x, f->node);
}

int fx_close(struct fx_file *f) {
        int r = fx_flush(f);

        fx_release(f);
        return r;
}

int fx_cat(struct fx *x, const char *path, char out[FX_TEXT_MAX]) {
        struct fx_file f;
        int r = fx_open(x, path, O_RDONLY, &f);

        out[0] = '\0';
        if (r)
                return r;
        r = fx_read(&f, out, FX_TEXT_MAX);
        fx_release(&f);
        return r;
}

int fx_save(struct fx *x, const char *path, const char *text) {
        struct fx_file f;
        int r = fx_open(x, path, O_WRONLY | O_CREAT | O_TRUNC, &f), closed;

        if (r)
                return r;
        r = fx_write(&f, text);
        closed = fx_close(&f);
        return r ? r : closed;
}

int fx_touch(struct fx *x, const char *path) {
        struct fx_file f;
        int r = fx_open(x, path, O_WRONLY | O_CREAT, &f);

        return r ? r : fx_close(&f);
}

int fx_truncate(struct fx *x, const char *path, uint64_t size) {
        struct fs_entry entry;
        struct fs_attr attr;
        int r = fx_lookup(x, path, &entry);

        if (r)
                return r;
        r = FX_CALL(fs_setattr(x->fs, &ctx, entry.node, NULL, &size, &attr));
        leave(x, entry.node);
        return r;
}

/* ---- names ---- */

int fx_rm(struct fx *x, const char *path) {
        struct str name;
        uint64_t dir;
        int r = walk(x, path, &dir, &name);

        if (r)
                return r;
        r = FX_CALL(fs_unlink(x->fs, &ctx, dir, name));
        leave(x, dir);
        return r;
}

int fx_mkdir(struct fx *x, const char *path) {
        struct fs_entry entry;
        struct str name;
        uint64_t dir;
        int r = walk(x, path, &dir, &name);

        if (r)
                return r;
        r = FX_CALL(fs_mkdir(x->fs, &ctx, dir, name, &entry));
        if (r == 0)
                leave(x, entry.node);
        leave(x, dir);
        return r;
}

int fx_rmdir(struct fx *x, const char *path) {
        struct str name;
        uint64_t dir;
        int r = walk(x, path, &dir, &name);

        if (r)
                return r;
        r = FX_CALL(fs_rmdir(x->fs, &ctx, dir, name));
        leave(x, dir);
        return r;
}

int fx_mv(struct fx *x, const char *from, const char *to, unsigned flags) {
        struct str from_name, to_name;
        uint64_t from_dir, to_dir;
        int r = walk(x, from, &from_dir, &from_name);

        if (r)
                return r;
        r = walk(x, to, &to_dir, &to_name);
        if (r == 0) {
                r = FX_CALL(fs_rename(x->fs, &ctx, from_dir, from_name, to_dir, to_name, flags));
                leave(x, to_dir);
        }
        leave(x, from_dir);
        return r;
}

int fx_error(struct fx *x, const char *path, struct buf *out) {
        struct fs_entry entry;
        int r = fx_lookup(x, path, &entry);

        if (r)
                return r;
        r = FX_CALL(fs_getxattr(x->fs, &ctx, entry.node, "user.ddbfs.error", out));
        leave(x, entry.node);
        return r;
}

/* ---- listings ---- */

struct take {
        struct fx *x;
        struct fx_listing *l;
        unsigned taken;
        uint64_t next;
};

static bool take_one(void *arg, struct str name, const struct fs_entry *entry, uint64_t next_offset) {
        struct take *t = arg;

        if (t->l->budget && t->taken == t->l->budget)
                return false;
        t->taken++;
        t->next = next_offset;
        if (t->l->plus && entry->node) {
                t->l->plus_checked++;
                fs_forget(t->x->fs, entry->node, 1);
        }
        if (str_eq(name, STR(".")) || str_eq(name, STR("..")))
                return true;
        buf_str(&t->l->names, name);
        buf_putc(&t->l->names, '\n');
        t->l->n++;
        return true;
}

int fx_ls(struct fx *x, const char *path, struct fx_listing *l) {
        struct fs_entry entry;
        uint64_t offset = 0;
        struct fs_dir *d;
        int r = fx_lookup(x, path, &entry);

        if (r)
                return r;
        r = FX_CALL(fs_opendir(x->fs, &ctx, entry.node, &d));
        for (bool more = r == 0; more;) {
                struct take t = { .x = x, .l = l };

                r = FX_CALL(fs_readdir(x->fs, &ctx, d, offset, l->plus, take_one, &t));
                l->calls++;
                more = r == 0 && t.taken > 0;
                if (more)
                        offset = t.next;
                ck_assert_msg(l->calls < 1000000, "a listing without end");
                if (!more)
                        fs_releasedir(x->fs, d);
        }
        leave(x, entry.node);
        return r;
}

static int compare_names(const void *a, const void *b) {
        return strcmp(*(char *const *)a, *(char *const *)b);
}

const char *fx_names(struct fx *x, const char *path) {
        static char out[65536];
        struct fx_listing l = { .names = BUF_INIT(sizeof(out) - 1) };
        char *names[1000], *save = NULL;
        int r = fx_ls(x, path, &l);
        size_t n = 0;

        if (r) {
                (void)snprintf(out, sizeof(out), "errno %d", -r);
                buf_deinit(&l.names);
                return out;
        }
        out[0] = '\0';
        if (l.names.p)
                for (char *p = strtok_r(l.names.p, "\n", &save); p && n < ARRAY_LEN(names);
                     p = strtok_r(NULL, "\n", &save))
                        names[n++] = p;
        qsort(names, n, sizeof(names[0]), compare_names);
        for (size_t i = 0, at = 0; i < n && at < sizeof(out); i++)
                at += (size_t)snprintf(out + at, sizeof(out) - at, "%s%s", i ? " " : "", names[i]);
        buf_deinit(&l.names);
        return out;
}

bool fx_listed(const struct fx_listing *l, const char *name) {
        size_t n = strlen(name);

        for (const char *p = l->names.p; p && *p; p = strchr(p, '\n') + 1)
                if (strncmp(p, name, n) == 0 && p[n] == '\n')
                        return true;
        return false;
}

int fx_run(Suite *s) {
        log_set_level(LOG_LEVEL_ERROR);
        return suite_run(s);
}
