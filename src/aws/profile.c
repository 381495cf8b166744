/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shared config and credentials files: reading them, and looking things up in their merge.
 * Immutable once parsed, so that any thread may look things up without a lock.
 */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <unistd.h>
#include "ddbfs/base/file.h"
#include "ddbfs/base/hash.h"
#include "profile_internal.h"
#include "secret_internal.h"

/* Bounds what a hostile file of PROFILE_FILE_MAX can make of itself: a two-byte line costs a struct property. */
#define PROFILES_ARENA_MAX (64 * MIB)

int profiles_new(struct profiles **ret) {
        struct profiles *p = mem_zalloc(sizeof(*p));

        if (!p)
                return -ENOMEM;
        atomic_init(&p->refs, 1);
        p->arena = ARENA_INIT(PROFILES_ARENA_MAX);
        *ret = p;
        return 0;
}

struct profiles *profiles_ref(struct profiles *p) {
        if (p)
                atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
        return p;
}

struct profiles *profiles_unref(struct profiles *p) {
        if (!p || atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) != 1)
                return NULL;
        for (const struct section *s = p->all; s; s = s->next)
                for (const struct property *it = s->properties; it; it = it->next)
                        secret_wipe(it->value);
        hmap_deinit(&p->sections);
        hmap_deinit(&p->properties);
        arena_deinit(&p->arena);
        return mem_free(p);
}

struct section *profiles_find(const struct profiles *p, enum section_kind kind, struct str name) {
        for (struct hmap_node *n = hmap_first(&p->sections, hash_seeded(kind, name)); n; n = hmap_next(n)) {
                struct section *s = CONTAINER_OF(n, struct section, node);

                if (s->kind == kind && str_eq(s->name, name))
                        return s;
        }
        return NULL;
}

struct property *profiles_find_property(const struct profiles *p, const struct section *s, struct str key) {
        for (struct hmap_node *n = hmap_first(&p->properties, hash_seeded((uintptr_t)s, key)); n; n = hmap_next(n)) {
                struct property *it = CONTAINER_OF(n, struct property, node);

                if (it->section == s && str_eq(it->key, key))
                        return it;
        }
        return NULL;
}

bool profiles_has(const struct profiles *p, enum section_kind kind, const char *name) {
        return profiles_find(p, kind, str_of(name)) != NULL;
}

struct str profiles_get(const struct profiles *p, enum section_kind kind, const char *name, const char *key) {
        const struct section *s = profiles_find(p, kind, str_of(name));
        const struct property *it = s ? profiles_find_property(p, s, str_of(key)) : NULL;

        return it ? it->value : STR_NULL;
}

static bool equals_ignoring_case(struct str a, const char *b) {
        return a.n == strlen(b) && (a.n == 0 || strncasecmp(a.p, b, a.n) == 0);
}

struct str profiles_get_sub(const struct profiles *p, enum section_kind kind, const char *name, const char *key,
                            const char *sub) {
        struct str rest = profiles_get(p, kind, name, key), found = STR_NULL, n, v;

        if (rest.n == 0 || rest.p[0] != '\n') /* a plain value, or none */
                return STR_NULL;
        while (profiles_next_sub(&rest, &n, &v))
                if (equals_ignoring_case(n, sub))
                        found = v;
        return found;
}

int profiles_parse(struct str config, struct str credentials, struct profiles **ret, struct error *reterr) {
        _cleanup_(profiles_unrefp) struct profiles *p = NULL;
        int r;

        r = profiles_new(&p);
        if (r)
                return error_set(reterr, ERR_MEMORY, "out of memory");
        r = profiles_parse_file(p, PROFILE_FILE_CONFIG, "config file", config, reterr);
        if (r)
                return r;
        r = profiles_parse_file(p, PROFILE_FILE_CREDENTIALS, "credentials file", credentials, reterr);
        if (r)
                return r;
        *ret = TAKE(p);
        return 0;
}

/* Reading. */

/* $HOME, else what the user database says. */
static void append_home(struct buf *out) {
        const char *home = getenv("HOME");
        struct passwd pw, *found = NULL;
        char space[4096];

        if (!home || !*home)
                home = getpwuid_r(geteuid(), &pw, space, sizeof(space), &found) == 0 && found ? pw.pw_dir : "";
        buf_puts(out, home);
}

/* Option, else environment, else the place in the home directory.  "~" and "~/x" are expanded. */
static char *file_path(const char *given, const char *env, const char *in_home) {
        struct buf path = BUF_INIT(16 * KIB);

        if (!given || !*given)
                given = getenv(env);
        if (!given || !*given)
                given = in_home;
        if (given[0] == '~' && (given[1] == '/' || given[1] == 0)) {
                append_home(&path);
                given++;
        }
        buf_puts(&path, given);
        return buf_steal(&path, NULL);
}

/* Not only regular files: a shell's <(...) is a pipe. */
static int read_file(const char *path, struct buf *out, struct error *reterr) {
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        int r;

        if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
                return 0;
        r = fd < 0 ? -errno : file_read_all(fd, out);
        if (fd >= 0)
                close(fd);
        if (r == -ENOMEM)
                return error_set(reterr, ERR_MEMORY, "out of memory reading %s", path);
        if (r) {
                errno = -r;
                return error_set(reterr, r == -EACCES || r == -EPERM ? ERR_ACCESS : ERR_INPUT,
                                 r == -EFBIG ? "cannot read %s: too large" : "cannot read %s: %m", path);
        }
        return 0;
}

static int load_file(struct profiles *p, enum profile_file file, char *path, struct error *reterr) {
        struct buf text = BUF_INIT(PROFILE_FILE_MAX + FILE_READ_PIECE);
        int r = -ENOMEM;

        if (path)
                r = read_file(path, &text, reterr);
        else
                error_set(reterr, ERR_MEMORY, "out of memory");
        if (!r)
                r = profiles_parse_file(p, file, path, buf_view(&text), reterr);
        secret_wipe(buf_view(&text));
        buf_deinit(&text);
        mem_free(path);
        return r;
}

int profiles_load(const char *config_path, const char *credentials_path, struct profiles **ret, struct error *reterr) {
        _cleanup_(profiles_unrefp) struct profiles *p = NULL;
        int r;

        r = profiles_new(&p);
        if (r)
                return error_set(reterr, ERR_MEMORY, "out of memory");
        r = load_file(p, PROFILE_FILE_CONFIG, file_path(config_path, "AWS_CONFIG_FILE", "~/.aws/config"), reterr);
        if (r)
                return r;
        r = load_file(p, PROFILE_FILE_CREDENTIALS,
                      file_path(credentials_path, "AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"), reterr);
        if (r)
                return r;
        *ret = TAKE(p);
        return 0;
}
