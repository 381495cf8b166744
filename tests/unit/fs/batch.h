/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A mount with commit=batch, and its journals. */
#include <dirent.h>
#include <unistd.h>
#include <sys/stat.h>
#include "fixture.h"

#define PATH "Users/42.json"
#define ITEM "{\"Id\":\"42\",\"a\":1}"

static inline void begin(struct fx *x) {
        fx_init(x);
        x->o.commit_batch = true;
        fx_start(x);
}

static inline int sync_all(struct fx *x) {
        struct fs_dir *d;
        int r;

        ck_assert_ok(FX_CALL(fs_opendir(x->fs, &ctx, FS_ROOT, &d)));
        r = FX_CALL(fs_fsyncdir(x->fs, &ctx, d));
        fs_releasedir(x->fs, d);
        return r;
}

/* The attempt under way may still fail for the old reason. */
static inline int sync_soon(struct fx *x) {
        int r = -EIO;

        for (unsigned i = 0; r && i < 10; i++)
                r = sync_all(x);
        return r;
}

/* How large the journals of saves are, of all mounts. */
static inline long long journal_bytes(struct fx *x) {
        char path[256];
        long long total = 0;
        struct dirent *e;
        struct stat st;
        DIR *d;

        (void)snprintf(path, sizeof(path), "%s/journal", x->state_dir);
        d = opendir(path);
        while (d && (e = readdir(d))) {
                (void)snprintf(path, sizeof(path), "%s/journal/%.64s/saves", x->state_dir, e->d_name);
                if (e->d_name[0] != '.' && stat(path, &st) == 0)
                        total += st.st_size;
        }
        if (d)
                closedir(d);
        return total;
}

/* Where the records end: zeros follow. */
static inline long records_end(const char *path) {
        FILE *f = fopen(path, "r");
        long n = 0;
        int c;

        ck_assert_ptr_nonnull(f);
        for (c = fgetc(f); c != EOF && c != 0; c = fgetc(f))
                n++;
        (void)fclose(f);
        return n;
}

static inline void save(struct fx *x, unsigned i) {
        char path[64], text[64];

        (void)snprintf(path, sizeof(path), "Music/p/%05u.json", i);
        (void)snprintf(text, sizeof(text), "{\"a\":%u}", i);
        ck_assert_ok(fx_save(x, path, text));
}

/* The journal of this mount, or of the one that has ended. */
static inline void journal_file(struct fx *x, char path[256]) {
        char folder[64];
        struct dirent *e;
        struct stat st;
        DIR *d;

        (void)snprintf(folder, sizeof(folder), "%.40s/journal", x->state_dir);
        d = opendir(folder);
        ck_assert_ptr_nonnull(d);
        while ((e = readdir(d))) {
                (void)snprintf(path, 256, "%s/%.64s/saves", folder, e->d_name);
                if (e->d_name[0] != '.' && stat(path, &st) == 0)
                        break;
        }
        ck_assert_ptr_nonnull(e);
        closedir(d);
}
