/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this mount did a moment ago: own writes (reads that follow are strongly consistent, so that they are
 * seen at once) and partitions that exist here only.
 */
#include "fs_internal.h"
#include "ddbfs/base/clock.h"

#define LOCAL_DIRS_MAX 4096

struct local_dir {
        struct list all; /* oldest first */
        uint64_t parent_ino, until_ns;
        size_t name_n;
        char name[];
};

static uint64_t *slot(struct fs *fs, uint64_t hash) {
        return &fs->recent[hash % RECENT_SLOTS];
}

/* A slot may be shared: then a read is strong that need not be, never the other way round. */
void fs_wrote(struct fs *fs, const struct place *item) {
        uint64_t now = clock_now_ns();

        mutex_lock(&fs->small_lock);
        *slot(fs, place_partition_hash(&(struct place){ .table = item->table })) = now;
        *slot(fs, place_partition_hash(item)) = now;
        absent_wrote_locked(fs, item);
        mutex_unlock(&fs->small_lock);
}

bool fs_wrote_since_locked(struct fs *fs, const struct place *p, uint64_t since_ns) {
        return p->table && *slot(fs, place_partition_hash(p)) >= since_ns;
}

uint64_t fs_wrote_ns(struct fs *fs, const struct place *p) {
        uint64_t last;

        mutex_lock(&fs->small_lock);
        last = *slot(fs, p->table ? place_partition_hash(p) : 0);
        mutex_unlock(&fs->small_lock);
        return last;
}

bool fs_wrote_since(struct fs *fs, const struct place *p, uint64_t since_ns) {
        return p->table && fs_wrote_ns(fs, p) >= since_ns;
}

bool fs_read_strong(struct fs *fs, const struct place *p) {
        uint64_t last;

        if (fs->o.consistent)
                return true;
        last = fs_wrote_ns(fs, p);
        return last != 0 && clock_now_ns() - last < OWN_WRITE_WINDOW_NS;
}

static struct local_dir *find(struct fs *fs, uint64_t parent_ino, struct str name) {
        LIST_FOR_EACH(l, &fs->local_dirs) {
                struct local_dir *d = CONTAINER_OF(l, struct local_dir, all);

                if (d->parent_ino == parent_ino && str_eq(str_make(d->name, d->name_n), name))
                        return d;
        }
        return NULL;
}

static void drop(struct local_dir *d) {
        list_remove(&d->all);
        mem_free(d);
}

static void expire(struct fs *fs) {
        uint64_t now = clock_now_ns();
        size_t n = 0;

        LIST_FOR_EACH_SAFE(l, &fs->local_dirs) {
                struct local_dir *d = CONTAINER_OF(l, struct local_dir, all);

                if (d->until_ns < now)
                        drop(d);
                else
                        n++;
        }
        while (n-- > LOCAL_DIRS_MAX)
                drop(CONTAINER_OF(fs->local_dirs.next, struct local_dir, all));
}

void local_dir_add(struct fs *fs, uint64_t parent_ino, struct str name, uint64_t until_ns) {
        struct local_dir *d;

        mutex_lock(&fs->small_lock);
        d = find(fs, parent_ino, name);
        if (!d && (d = mem_zalloc(sizeof(*d) + name.n))) {
                expire(fs);
                d->parent_ino = parent_ino;
                d->name_n = name.n;
                memcpy(d->name, name.p, name.n);
                list_append(&fs->local_dirs, &d->all);
        }
        if (d)
                d->until_ns = MAX(d->until_ns, until_ns);
        mutex_unlock(&fs->small_lock);
}

bool local_dir_has(struct fs *fs, uint64_t parent_ino, struct str name) {
        bool found;

        mutex_lock(&fs->small_lock);
        expire(fs);
        found = find(fs, parent_ino, name) != NULL;
        mutex_unlock(&fs->small_lock);
        return found;
}

void local_dir_settled(struct fs *fs, struct node *item) {
        _cleanup_(mem_freep) char *name = NULL;
        struct node *dir = item;
        struct local_dir *d;
        uint64_t parent = 0;
        size_t n = 0;

        mutex_lock(&fs->nodes.lock);
        while (dir && dir->kind != NODE_PARTITION)
                dir = dir->parent;
        if (dir && dir->parent && (name = mem_dup(dir->name, dir->name_n))) {
                n = dir->name_n;
                parent = dir->parent->ino;
        }
        mutex_unlock(&fs->nodes.lock);
        if (!name)
                return;
        mutex_lock(&fs->small_lock);
        d = find(fs, parent, str_make(name, n));
        if (d)
                drop(d);
        mutex_unlock(&fs->small_lock);
}

bool local_dir_remove(struct fs *fs, uint64_t parent_ino, struct str name) {
        struct local_dir *d;

        mutex_lock(&fs->small_lock);
        d = find(fs, parent_ino, name);
        if (d)
                drop(d);
        mutex_unlock(&fs->small_lock);
        return d != NULL;
}

int local_dir_names(struct fs *fs, uint64_t parent_ino, struct names *ret) {
        int r = 0;

        mutex_lock(&fs->small_lock);
        expire(fs);
        LIST_FOR_EACH(l, &fs->local_dirs) {
                struct local_dir *d = CONTAINER_OF(l, struct local_dir, all);

                if (r == 0 && d->parent_ino == parent_ino)
                        r = fs_names_add(ret, str_make(d->name, d->name_n));
        }
        mutex_unlock(&fs->small_lock);
        return r;
}

void local_dirs_free(struct fs *fs) {
        LIST_FOR_EACH_SAFE(l, &fs->local_dirs)
                drop(CONTAINER_OF(l, struct local_dir, all));
}
