/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The journal of items that were renamed away and are still in the table (away.c): one file each, on disk
 * before the rename returns.
 *
 *      STATE/journal/OWN/HASH     table's name, space, its ARN, newline, key as DynamoDB JSON, newline, the item as DynamoDB JSON
 *
 * OWN is this mount's folder, locked (flock) as long as it lives: several mounts share STATE, and none may take
 * over what another still works on.  A folder without a lock is of a mount that crashed: the next one adopts what is in it
 * of its own tables.  It has STATE/journal locked meanwhile.
 */
#include <dirent.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>
#include "journal_internal.h"
#include "saves_internal.h"
#include "ddbfs/base/clock.h"
#include "ddbfs/base/file.h"
#include "ddbfs/base/hash.h"
#include "ddbfs/base/log.h"
#include "ddbfs/base/rng.h"
#include "ddbfs/codec/wire.h"

#define JOURNAL_MAX (16 * MIB)
#define NAME_LEN 40
#define TRIES 16
#define TURN_NS (10 * NS_PER_MS)

/* ---- records ---- */

void journal_put_table(struct buf *out, const struct table_schema *table) {
        buf_str(out, table->name);
        buf_putc(out, ' ');
        buf_str(out, table->arn);
        buf_putc(out, '\n');
}

bool journal_next_line(struct str *rest, struct str *line) {
        const char *end = memchr(rest->p, '\n', rest->n);

        if (!end)
                return false;
        *line = str_make(rest->p, (size_t)(end - rest->p));
        *rest = str_skip(*rest, line->n + 1);
        return true;
}

int journal_table(struct fs *fs, struct op_ctx *ctx, struct str line, struct table_schema **ret, struct error *e) {
        const char *space = memchr(line.p, ' ', line.n);
        struct str arn;
        int r;

        if (!space)
                return error_set_errno(e, -EINVAL, "journal");
        arn = str_skip(line, (size_t)(space - line.p) + 1);
        r = tables_get(fs, ctx, str_make(line.p, (size_t)(space - line.p)), ret, e);
        if (r || str_eq((*ret)->arn, arn))
                return r;
        *ret = table_schema_unref(*ret);
        return error_set(e, ERR_PERMISSION, "it is of table %.*s, not of the one mounted here", (int)MIN(arn.n, (size_t)200), arn.p);
}

int journal_item(struct str text, struct arena *a, struct item *ret) {
        struct json_reader reader;

        json_reader_init(&reader, text, a, WIRE_MAX_DEPTH);
        return wire_read_item(&reader, ret);
}

/* ---- items renamed away ---- */

static void file_name(struct str id, char out[NAME_LEN]) {
        (void)snprintf(out, NAME_LEN, "%016llx", (unsigned long long)hash_stable(3, id));
}

static int write_file(int folder, const char *name, struct str text) {
        int fd = openat(folder, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
        int r;

        if (fd < 0)
                return -errno;
        r = file_write_all(fd, 0, text);
        if (r == 0 && fsync(fd) < 0)
                r = -errno;
        close(fd);
        return r;
}

int journal_write(struct fs *fs, const struct place *p, const struct item *item, struct error *e) {
        _cleanup_(buf_deinit) struct buf b = BUF_INIT(JOURNAL_MAX);
        struct str names[2] = { p->table->key.attrs[0].name, p->table->key.attrs[1].name };
        char name[NAME_LEN], temp[NAME_LEN + 8];
        int r;

        journal_put_table(&b, p->table);
        wire_write_key(&b, p->key.parts, names, p->key.n);
        buf_putc(&b, '\n');
        wire_write_item(&b, item);
        r = fs->journal_fd < 0 ? -EIO : buf_status(&b);
        if (r)
                return error_set_errno(e, r, "journal");
        file_name(buf_view(&p->id), name);
        (void)snprintf(temp, sizeof(temp), "%s.new", name);
        r = write_file(fs->journal_fd, temp, buf_view(&b));
        if (r == 0 && renameat(fs->journal_fd, temp, fs->journal_fd, name) < 0)
                r = -errno;
        if (r == 0 && fsync(fs->journal_fd) < 0)
                r = -errno;
        if (r)
                (void)unlinkat(fs->journal_fd, temp, 0);
        return r ? error_set_errno(e, r, "journal") : 0;
}

void journal_remove(struct fs *fs, struct str id) {
        char name[NAME_LEN];

        file_name(id, name);
        if (fs->journal_fd >= 0)
                (void)unlinkat(fs->journal_fd, name, 0);
}

/* What was removed must not come back with the power: an item of the same text would be deleted then. */
void journal_sync(struct fs *fs) {
        if (fs->journal_fd >= 0 && fsync(fs->journal_fd) < 0)
                log_warn("journal: %s", strerrordesc_np(errno));
}

int journal_take(struct fs *fs, int folder, const char *name) {
        return renameat(folder, name, fs->journal_fd, name) < 0 ? -errno : 0;
}

/* ---- the folders ---- */

/* Open and lock a folder.  -EAGAIN: its owner lives, or it is gone. */
static int lock_folder(int parent, const char *name, int *ret) {
        struct stat a, b;
        int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

        if (fd < 0)
                return errno == ENOENT || errno == ENOTDIR ? -EAGAIN : -errno;
        if (flock(fd, LOCK_EX | LOCK_NB) < 0 || fstat(fd, &a) < 0 || fstatat(parent, name, &b, AT_SYMLINK_NOFOLLOW) < 0 ||
            a.st_dev != b.st_dev || a.st_ino != b.st_ino) {
                close(fd);
                return -EAGAIN;
        }
        *ret = fd;
        return 0;
}

static int make_own(struct fs *fs, int parent) {
        int r = -EAGAIN;

        for (unsigned i = 0; r == -EAGAIN && i < TRIES; i++) {
                char token[UUID_LEN];

                rng_uuid(token);
                (void)snprintf(fs->journal_own, sizeof(fs->journal_own), "%s", token);
                if (mkdirat(parent, token, 0700) < 0)
                        r = errno == EEXIST ? -EAGAIN : -errno;
                else
                        r = lock_folder(parent, token, &fs->journal_fd); /* another may just have adopted it */
        }
        return r;
}

static int read_file(int folder, const char *name, struct buf *out) {
        int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        int r;

        if (fd < 0)
                return -errno;
        r = file_read_all(fd, out);
        close(fd);
        return r;
}

/* In place of the file, in one step; a name with a dot is no journal until then. */
static int replace_file(int folder, const char *name, struct str text) {
        int r = write_file(folder, "." SAVES_NAME, text);

        if (r == 0 && renameat(folder, "." SAVES_NAME, folder, name) < 0)
                r = -errno;
        if (r == 0 && fsync(folder) < 0)
                r = -errno;
        return r;
}

/* For a person to look at: no mount reads it again. */
static int keep_damaged(struct fs *fs, int folder, struct str text) {
        char token[UUID_LEN], kept[NAME_LEN + 16];
        int r;

        rng_uuid(token);
        (void)snprintf(kept, sizeof(kept), ".damaged-%.16s", token);
        r = write_file(folder, kept, text);
        if (r)
                (void)unlinkat(folder, kept, 0);
        else
                log_warn("journal of saves: a damaged record; %zu bytes from there on are not sent, but kept as %s in a folder of "
                         "%s/journal", text.n, kept, fs->o.state_dir);
        return r;
}

/* Saves of -o commit=batch (saves_log.c).  They are sent before anything is served; what cannot be, as it is of a table
 * that is not mounted here, stays in the folder it is in, which nobody holds: a mount of that table finds it there. */
static void adopt_saves(struct fs *fs, struct op_ctx *ctx, int folder, const char *name) {
        _cleanup_(buf_deinit) struct buf text = BUF_INIT(SAVES_FILE_MAX + 16 * MIB);
        _cleanup_(buf_deinit) struct buf left = BUF_INIT(SAVES_FILE_MAX + 16 * MIB);
        struct str damaged = STR_NULL;
        int r = read_file(folder, name, &text);

        if (r == 0)
                damaged = saves_damaged(buf_view(&text));
        if (r == 0 && text.n > 0)
                r = saves_open(fs);
        if (r == 0 && damaged.n > 0) /* first: what is sent while the file stays would be sent again */
                r = keep_damaged(fs, folder, damaged);
        if (r == 0 && text.n > 0)
                r = saves_replay(fs, ctx, buf_view(&text), &left);
        if (r == 0 && left.n > 0 && !str_eq(buf_view(&left), buf_view(&text)))
                r = replace_file(folder, name, buf_view(&left));
        if (r == 0 && left.n == 0)
                (void)unlinkat(folder, name, 0);
        else if (r)
                log_warn("journal of saves: %s; it is kept for the next mount", strerrordesc_np(-r));
}

/* An item renamed away: this mount's from now on, unless it is of a table that is not mounted here, or cannot be read now.
 * Then it stays, as saves do. */
static void adopt_file(struct fs *fs, struct op_ctx *ctx, int folder, const char *name) {
        _cleanup_(buf_deinit) struct buf text = BUF_INIT(JOURNAL_MAX + FILE_READ_PIECE);
        struct error e = { 0 };
        int r;

        if (strstr(name, ".new")) { /* of a rename that never returned */
                (void)unlinkat(folder, name, 0);
                return;
        }
        r = read_file(folder, name, &text);
        r = r ? error_set_errno(&e, r, "reading") : away_replay(fs, ctx, folder, name, buf_view(&text), &e);
        if (r)
                log_warn("journal of an item renamed away: %s; it is kept for the next mount", e.message);
}

static bool is_saves(const char *name) {
        return strncmp(name, SAVES_NAME, sizeof(SAVES_NAME) - 1) == 0;
}

static void adopt_files(struct fs *fs, struct op_ctx *ctx, int fd, bool saves) {
        int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *d = copy < 0 ? NULL : fdopendir(copy);
        struct dirent *entry;

        while (d && (entry = readdir(d))) {
                if (entry->d_name[0] == '.' || is_saves(entry->d_name) != saves)
                        continue;
                if (saves)
                        adopt_saves(fs, ctx, fd, entry->d_name);
                else
                        adopt_file(fs, ctx, fd, entry->d_name);
        }
        if (d)
                closedir(d);
        else if (copy >= 0)
                close(copy);
}

/* Saves first: what was renamed away may have been saved a moment before, and is compared with what is there. */
static void adopt_folder(struct fs *fs, struct op_ctx *ctx, int parent, const char *name) {
        int fd = -1;

        if (lock_folder(parent, name, &fd))
                return;
        adopt_files(fs, ctx, fd, true);
        adopt_files(fs, ctx, fd, false);
        (void)fsync(fd); /* what is done with must not come back with the power, nor in a folder that is gone */
        (void)unlinkat(parent, name, AT_REMOVEDIR);
        close(fd);
}

/* Mounts that start together: one may have locked what the other is looking for, and leave it again. */
static void take_turn(struct op_ctx *ctx, int parent) {
        struct error e;
        int r = 0;

        while (r == 0 && flock(parent, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
                r = op_ctx_sleep_until(ctx, clock_now_ns() + TURN_NS, &e);
        if (r)
                log_warn("journal: another mount is busy with it; what it leaves is for the next");
}

/* A folder of another mount, and when that has saved last. */
struct left_folder {
        char name[UUID_LEN];
        struct timespec at;
};

static int earlier(const void *a, const void *b) {
        const struct left_folder *x = a, *y = b;

        if (x->at.tv_sec != y->at.tv_sec)
                return x->at.tv_sec < y->at.tv_sec ? -1 : 1;
        return (x->at.tv_nsec > y->at.tv_nsec) - (x->at.tv_nsec < y->at.tv_nsec);
}

/* Oldest first: of two saves of an item the later one is to stay.  Owned by the caller; NULL: none, or no memory. */
static struct left_folder *left_folders(struct fs *fs, int parent, size_t *ret_n) {
        int copy = dup(parent);
        DIR *d = copy < 0 ? NULL : fdopendir(copy);
        struct left_folder *v = NULL;
        struct dirent *entry;
        size_t n = 0;

        while (d && (entry = readdir(d))) {
                char path[UUID_LEN + sizeof(SAVES_NAME) + 1];
                struct left_folder *more;
                struct stat st;

                if (entry->d_name[0] == '.' || strlen(entry->d_name) >= sizeof(v->name) ||
                    strcmp(entry->d_name, fs->journal_own) == 0)
                        continue;
                more = mem_realloc(v, (n + 1) * sizeof(*v));
                if (!more)
                        break;
                v = more;
                v[n] = (struct left_folder){ .at = { .tv_sec = 0 } };
                memcpy(v[n].name, entry->d_name, strlen(entry->d_name));
                (void)snprintf(path, sizeof(path), "%s/" SAVES_NAME, v[n].name);
                if (fstatat(parent, path, &st, AT_SYMLINK_NOFOLLOW) == 0)
                        v[n].at = st.st_mtim;
                n++;
        }
        if (d)
                closedir(d);
        else if (copy >= 0)
                close(copy);
        if (n > 0)
                qsort(v, n, sizeof(*v), earlier);
        *ret_n = n;
        return v;
}

static void adopt_all(struct fs *fs, struct op_ctx *ctx, int parent) {
        _cleanup_(mem_freep) struct left_folder *left = NULL;
        size_t n;

        take_turn(ctx, parent);
        left = left_folders(fs, parent, &n);
        for (size_t i = 0; i < n; i++)
                adopt_folder(fs, ctx, parent, left[i].name);
        journal_sync(fs);
        (void)flock(parent, LOCK_UN);
}

static int open_parent(struct fs *fs, int *ret) {
        char path[PATH_MAX];

        if (snprintf(path, sizeof(path), "%s/journal", fs->o.state_dir) >= (int)sizeof(path))
                return -ENAMETOOLONG;
        if (mkdir(path, 0700) < 0 && errno != EEXIST)
                return -errno;
        *ret = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        return *ret < 0 ? -errno : 0;
}

static void start_saves(struct fs *fs) {
        int r = fs->o.commit_batch ? saves_open(fs) : 0;

        if (r)
                log_warn("commit=batch: %s; saves are sent at close", strerrordesc_np(-r));
}

void journal_start(struct fs *fs, struct op_ctx *ctx) {
        struct error e = { 0 };
        int parent = -1, r;

        if (!fs->o.state_dir || fs->o.read_only)
                return;
        r = open_parent(fs, &parent);
        if (r == 0)
                r = make_own(fs, parent);
        if (r == 0) {
                start_saves(fs);
                adopt_all(fs, ctx, parent);
                if (saves_wait(fs, ctx, NULL, NULL, 0, &e))
                        log_warn("saves of an earlier mount: %s; they stay in the journal", e.message);
        } else
                log_warn("journal in %s: %s; items cannot be renamed to scratch names", fs->o.state_dir, strerrordesc_np(-r));
        if (parent >= 0)
                close(parent);
}

void journal_stop(struct fs *fs) {
        char path[PATH_MAX];

        if (fs->journal_fd < 0)
                return;
        if (snprintf(path, sizeof(path), "%s/journal/%s", fs->o.state_dir, fs->journal_own) < (int)sizeof(path))
                (void)rmdir(path); /* stays when something is left in it */
        close(fs->journal_fd);
        fs->journal_fd = -1;
}
