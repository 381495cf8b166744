/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Partitions in which there are scratch files: they exist for this mount though they may hold no item (any more),
 * also after a crash; a backup nobody can see is as good as lost.
 *
 *      STATE/spool/MOUNT/INODE               the scratch files of a directory
 *      STATE/spool/MOUNT/PARENT-INODE        a link to its name, made before the folder
 */
#include <dirent.h>
#include <stdio.h>
#include <unistd.h>
#include "local_internal.h"

#define INO_DIGITS 16
#define LINK_NAME_LEN (2 * INO_DIGITS + 2)

static int open_spool(struct fs *fs) {
        char path[LOCAL_PATH_MAX];

        if (!fs->o.state_dir || local_spool_path(fs, path))
                return -1;
        return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
}

static void link_name(uint64_t parent_ino, uint64_t ino, char out[LINK_NAME_LEN]) {
        (void)snprintf(out, LINK_NAME_LEN, "%016llx-%016llx", (unsigned long long)parent_ino, (unsigned long long)ino);
}

static int link_folder(struct fs *fs, uint64_t parent_ino, struct str name) {
        _cleanup_(mem_freep) char *target = mem_dup(name.p, name.n);
        char link[LINK_NAME_LEN];
        int spool = open_spool(fs), r = 0;

        if (spool < 0)
                return -errno;
        link_name(parent_ino, node_ino(parent_ino, name), link);
        if (!target)
                r = -ENOMEM;
        else if (symlinkat(target, spool, link) < 0 && errno != EEXIST)
                r = -errno;
        close(spool);
        return r;
}

int local_folder_name(struct fs *fs, struct node *dir) {
        _cleanup_(mem_freep) char *name = NULL;
        uint64_t parent_ino = 0;
        size_t n = 0;

        mutex_lock(&fs->nodes.lock);
        if (dir->kind == NODE_PARTITION && dir->parent) {
                name = mem_dup(dir->name, dir->name_n);
                n = dir->name_n;
                parent_ino = dir->parent->ino;
        }
        mutex_unlock(&fs->nodes.lock);
        return name ? link_folder(fs, parent_ino, str_make(name, n)) : n ? -ENOMEM : 0;
}

/* Takes the descriptor over. */
static bool has_files(int folder) {
        DIR *d = folder < 0 ? NULL : fdopendir(folder);
        struct dirent *entry;
        bool any = false;

        if (!d) {
                if (folder >= 0)
                        close(folder);
                return false;
        }
        while (!any && (entry = readdir(d)))
                any = strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
        closedir(d);
        return any;
}

static int open_folder(int spool, const char *ino) {
        return openat(spool, ino, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
}

bool local_folder_used(struct fs *fs, uint64_t parent_ino, struct str name) {
        char ino[INO_DIGITS + 1];
        int spool = open_spool(fs);
        bool used;

        if (spool < 0)
                return false;
        (void)snprintf(ino, sizeof(ino), "%016llx", (unsigned long long)node_ino(parent_ino, name));
        used = has_files(open_folder(spool, ino));
        close(spool);
        return used;
}

static int add_folder(struct fs *fs, int spool, uint64_t parent_ino, const char *link, struct names *ret) {
        char name[LOCAL_PATH_MAX];
        ssize_t n = readlinkat(spool, link, name, sizeof(name));
        struct str s;

        if (n <= 0 || !has_files(open_folder(spool, link + INO_DIGITS + 1)))
                return 0;
        s = str_make(name, (size_t)n);
        return local_dir_has(fs, parent_ino, s) ? 0 : fs_names_add(ret, s);
}

int local_folder_names(struct fs *fs, uint64_t parent_ino, struct names *ret) {
        int spool = open_spool(fs), r = 0;
        char prefix[LINK_NAME_LEN];
        struct dirent *entry;
        DIR *d;

        if (spool < 0)
                return 0;
        link_name(parent_ino, 0, prefix);
        d = fdopendir(spool);
        while (d && r == 0 && (entry = readdir(d)))
                if (strlen(entry->d_name) == LINK_NAME_LEN - 1 && memcmp(entry->d_name, prefix, INO_DIGITS + 1) == 0)
                        r = add_folder(fs, spool, parent_ino, entry->d_name, ret);
        if (d)
                closedir(d);
        else
                close(spool);
        return r;
}

/* The scratch files of a partition that was renamed go along. */
void local_move_folder(struct fs *fs, struct node *dir, struct str name, struct node *new_dir, struct str new_name) {
        uint64_t parent = node_ino_now(fs, dir), new_parent = node_ino_now(fs, new_dir);
        char from[LINK_NAME_LEN], to[LINK_NAME_LEN];
        int spool;

        if (!local_folder_used(fs, parent, name) || link_folder(fs, new_parent, new_name))
                return;
        spool = open_spool(fs);
        if (spool < 0)
                return;
        link_name(parent, node_ino(parent, name), from);
        link_name(new_parent, node_ino(new_parent, new_name), to);
        if (renameat(spool, from + INO_DIGITS + 1, spool, to + INO_DIGITS + 1) == 0)
                (void)unlinkat(spool, from, 0);
        close(spool);
}

/* Before anything is served: folders that have become empty, and spare files; and the rejected folder is always there. */
void local_folders_tidy(struct fs *fs) {
        char rejected[LOCAL_PATH_MAX];
        int spool = fs->o.read_only ? -1 : open_spool(fs);
        struct dirent *entry;
        DIR *d = spool < 0 ? NULL : fdopendir(spool);

        if (fs->o.state_dir && !fs->o.read_only &&
            snprintf(rejected, sizeof(rejected), "%s/rejected", fs->o.state_dir) < (int)sizeof(rejected))
                (void)mkdir(rejected, 0700);
        while (d && (entry = readdir(d))) {
                const char *ino = entry->d_name + INO_DIGITS + 1;

                if (strlen(entry->d_name) == LINK_NAME_LEN - 1 && (unlinkat(spool, ino, AT_REMOVEDIR) == 0 || errno == ENOENT))
                        (void)unlinkat(spool, entry->d_name, 0);
                if (spare_left(entry->d_name))
                        (void)unlinkat(spool, entry->d_name, 0);
        }
        if (d)
                closedir(d);
        else if (spool >= 0)
                close(spool);
}
