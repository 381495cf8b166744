/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A file system over a store in memory, used by path as programs use it through the kernel: every helper walks the
 * path by fs_lookup and gives the lookup counts back.  All return 0 or -errno unless they say otherwise.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include "ddbfs/base/clock.h"
#include "ddbfs/fs/fs.h"
#include "mem_store.h"

struct fx {
        char state_dir[64]; /* of its own, removed at the end */
        struct mem_store *m;
        struct fs_options o;
        struct fs *fs;
};

/* Tables: Music (Artist:S, Song:S), Users (Id:S), Num (H:N, R:N), Bin (H:B, R:B), Log (Id:N).  cache_ttl 1 s,
 * schema_ttl forever, cache 64 MiB; change fx.o before fx_start(). */
void fx_init(struct fx *x);
void fx_start(struct fx *x);
void fx_restart(struct fx *x); /* a new mount of the same store */
/* Ends the file system and checks that it never called the store with a lock held. */
void fx_end(struct fx *x);
#define FX_MONO (1000 * NS_PER_S)
#define FX_WALL (1700000000 * NS_PER_S)
void fx_clock(struct fx *x); /* fake clocks, at FX_MONO and FX_WALL; before fx_start() */
void fx_advance(uint64_t ns);

int fx_lookup(struct fx *x, const char *path,
              struct fs_entry *ret); /* the caller forgets; -ENOENT for negative entries */
int fx_stat(struct fx *x, const char *path, struct fs_attr *ret);
int fx_exists(struct fx *x, const char *path); /* 0 or -errno */
uint64_t fx_ino(struct fx *x, const char *path);

/* An open file by path; fx_open() with O_CREAT creates what is not there. */
struct fx_file {
        struct fx *x;
        uint64_t node;
        struct fs_opened opened;
        uint64_t pos;
};
int fx_open(struct fx *x, const char *path, int flags, struct fx_file *ret);
int fx_write(struct fx_file *f, const char *text);
int fx_pwrite(struct fx_file *f, const char *text, uint64_t offset);
int fx_ftruncate(struct fx_file *f, uint64_t size);
int fx_flush(struct fx_file *f);
int fx_fsync(struct fx_file *f);
int fx_fstat(struct fx_file *f, struct fs_attr *ret);
/* The whole content from its beginning, NUL-terminated, as long as fits. */
int fx_read(struct fx_file *f, char *out, size_t cap);
int fx_close(struct fx_file *f); /* flush and release */
void fx_release(struct fx_file *f);

#define FX_TEXT_MAX 4096
int fx_cat(struct fx *x, const char *path, char out[FX_TEXT_MAX]);
/* `> path` with this text: O_CREAT, O_TRUNC, write, close. */
int fx_save(struct fx *x, const char *path, const char *text);
int fx_touch(struct fx *x, const char *path);
int fx_truncate(struct fx *x, const char *path, uint64_t size);
int fx_rm(struct fx *x, const char *path);
int fx_mkdir(struct fx *x, const char *path);
int fx_rmdir(struct fx *x, const char *path);
int fx_mv(struct fx *x, const char *from, const char *to, unsigned flags);
int fx_error(struct fx *x, const char *path, struct buf *out); /* xattr user.ddbfs.error */

/* A listing: names joined by '\n', "." and ".." left out, in the order they came. */
struct fx_listing {
        struct buf names;
        unsigned n, calls;
        unsigned budget; /* entries taken per call; 0: all */
        bool plus;
        unsigned plus_checked;
};
int fx_ls(struct fx *x, const char *path, struct fx_listing *l);
/* The names sorted and joined by ' '; static memory of the calling test. */
const char *fx_names(struct fx *x, const char *path);
bool fx_listed(const struct fx_listing *l, const char *name);

/* Who calls: the pid of each operation's context; 0 at first. */
extern uint32_t fx_pid;
/* ctx of its own for one call: FX_CALL(fs_getattr(x->fs, &ctx, ...)) */
#define FX_CALL(call)                         \
        __extension__({                       \
                struct op_ctx ctx;            \
                op_ctx_init(&ctx, "test", 0); \
                ctx.pid = fx_pid;             \
                int r_ = (call);              \
                op_ctx_deinit(&ctx);          \
                r_;                           \
        })

#define ck_assert_ok(r) ck_assert_int_eq((r), 0)
#define ck_assert_item(x, table, hash, range, text) ck_assert_pstr_eq(mem_text((x)->m, table, hash, range), text)

int fx_run(Suite *s);
