/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Paths as text, and the folder on the local disk where a mount keeps what must not be lost.
 */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "ddbfs/app/paths.h"
#include "ddbfs/base/alloc.h"
#include "ddbfs/base/buf.h"
#include "ddbfs/base/hash.h"

#define PATH_BYTES_MAX (64 * KIB)
#define STATE_PART_MAX 60 /* bytes of the endpoint, region and profile in a folder's name, each */

/* Takes the buffer's text over, or says why there is none. */
static int steal(struct buf *b, char **ret) {
        int r = buf_status(b);
        char *s = r ? NULL : buf_steal(b, NULL);

        if (!s)
                return r ? r : -ENOMEM;
        *ret = s;
        return 0;
}

int path_absolute(const char *path, char **ret) {
        _cleanup_(buf_deinit) struct buf out = BUF_INIT(PATH_BYTES_MAX);
        char cwd[4096];

        if (path[0] != '/') {
                if (!getcwd(cwd, sizeof(cwd)))
                        return -errno;
                buf_puts(&out, cwd);
                if (out.n && out.p[out.n - 1] != '/')
                        buf_putc(&out, '/');
        }
        buf_puts(&out, path);
        return steal(&out, ret);
}

bool path_below(const char *path, const char *folder) {
        size_t n = strlen(folder);

        while (n > 1 && folder[n - 1] == '/')
                n--;
        if (n == 1)
                return path[0] == '/';
        return strncmp(path, folder, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

int path_find_in(struct str folder, const char *name, char **ret) {
        _cleanup_(buf_deinit) struct buf path = BUF_INIT(PATH_BYTES_MAX);

        if (!folder.n || folder.p[0] != '/')
                return -ENOENT;
        buf_str(&path, folder);
        buf_printf(&path, "/%s", name);
        if (!buf_status(&path) && access(path.p, X_OK) < 0)
                return -ENOENT;
        return steal(&path, ret);
}

int path_find_program(const char *name, char **ret) {
        struct str path = str_of(getenv("PATH"));
        int r = -ENOENT;

        while (r == -ENOENT && path.n) {
                const char *colon = memchr(path.p, ':', path.n);
                struct str folder = str_make(path.p, colon ? (size_t)(colon - path.p) : path.n);

                r = path_find_in(folder, name, ret);
                path = str_skip(path, folder.n + 1);
        }
        return r;
}

int state_dir_default(char **ret, struct error *reterr) {
        _cleanup_(buf_deinit) struct buf out = BUF_INIT(PATH_BYTES_MAX);
        const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
        char room[4096];
        struct passwd entry, *found = NULL;
        int r;

        if ((!home || home[0] != '/') && getpwuid_r(getuid(), &entry, room, sizeof(room), &found) == 0 && found)
                home = found->pw_dir;
        if (state && state[0] == '/')
                buf_puts(&out, state);
        else if (home && home[0] == '/')
                buf_printf(&out, "%s/.local/state", home);
        else {
                error_set(reterr, ERR_INPUT, "no place for the state folder: HOME is not set; use --state-dir");
                return -ENOENT;
        }
        buf_puts(&out, "/ddbfs");
        r = steal(&out, ret);
        return r ? error_set_errno(reterr, r, "state folder") : 0;
}

/* Letters, digits, '.', '-' and '_' as they are, '-' for the rest. */
static void append_part(struct buf *out, struct str s) {
        for (size_t i = 0; i < MIN(s.n, (size_t)STATE_PART_MAX); i++) {
                char c = s.p[i];
                bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
                             c == '_';

                buf_putc(out, plain ? c : '-');
        }
}

/* "localhost-8000-us-east-1-1b2c3d4e": for people the parts, for us the hash of them. */
static void append_state_name(struct buf *out, const char *where, struct str region, struct str profile) {
        _cleanup_(buf_deinit) struct buf all = BUF_INIT(PATH_BYTES_MAX);
        const char *scheme = strstr(where, "://");
        struct str shown = str_of(scheme ? scheme + 3 : where);
        const char *slash;

        if (!scheme && (slash = strrchr(where, '/')))
                shown = str_of(slash + 1); /* a local file */
        append_part(out, shown);
        buf_putc(out, '-');
        append_part(out, region);
        if (profile.n && !str_eq(profile, STR("default"))) {
                buf_putc(out, '-');
                append_part(out, profile);
        }
        buf_puts(&all, where);
        buf_putc(&all, '\n');
        buf_str(&all, region);
        buf_putc(&all, '\n');
        buf_str(&all, profile);
        buf_printf(out, "-%08x", (unsigned)hash_stable(0, buf_view(&all)));
        if (buf_status(&all))
                out->err = buf_status(&all);
}

/* path, and all that leads to it, with mode 0700 where it is new. */
static int make_folders(char *path) {
        for (char *p = path + 1;; p++) {
                char end = *p;
                int r = 0;

                if (end != '/' && end != '\0')
                        continue;
                *p = '\0';
                if (mkdir(path, 0700) < 0 && errno != EEXIST)
                        r = -errno;
                *p = end;
                if (r || !end)
                        return r;
        }
}

/* What is kept here is as private as the tables: nobody else's folder, and nobody else's eyes. */
static int check_private(const char *path, struct error *reterr) {
        struct stat st;
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        int r = 0;

        if (fd < 0)
                return error_set_errno(reterr, -errno, path);
        if (fstat(fd, &st) < 0)
                r = error_set_errno(reterr, -errno, path);
        else if (st.st_uid != geteuid())
                r = error_set(reterr, ERR_ACCESS, "the state folder %s belongs to another user", path);
        else if (st.st_mode & 077 && fchmod(fd, 0700) < 0)
                r = error_set_errno(reterr, -errno, path);
        close(fd);
        return r;
}

int state_dir_make(const char *base, const char *where, struct str region, struct str profile, char **ret,
                   struct error *reterr) {
        _cleanup_(buf_deinit) struct buf out = BUF_INIT(PATH_BYTES_MAX);
        _cleanup_(mem_freep) char *path = NULL;
        int r;

        buf_printf(&out, "%s/", base);
        append_state_name(&out, where, region, profile);
        r = steal(&out, &path);
        if (r)
                return error_set_errno(reterr, r, "state folder");
        r = make_folders(path);
        if (r)
                return error_set_errno(reterr, r, path);
        r = check_private(path, reterr);
        if (r)
                return r;
        *ret = TAKE(path);
        return 0;
}

void mount_id_make(const char *mountpoint, char out[MOUNT_ID_LEN]) {
        _cleanup_(buf_deinit) struct buf last = BUF_INIT(KIB);
        const char *slash = strrchr(mountpoint, '/');

        append_part(&last, str_of(slash ? slash + 1 : mountpoint));
        snprintf(out, MOUNT_ID_LEN, "%.40s-%08x", last.p ? last.p : "",
                 (unsigned)hash_stable(0, str_of(mountpoint)));
}
