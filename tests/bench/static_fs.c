/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's floor of the benchmark: a low-level FUSE file system that holds a copy of a folder in memory and
 * answers everything at once.  New files and folders may be made; they live as long as the mount.
 *
 *   static_fs [-x] [-s] SOURCE MOUNTPOINT
 *
 * Stays in the foreground.  -x answers extended attributes (there are none); else the kernel is told not to ask.
 * -s: one thread.  Everything may be cached for an hour.  Ends with its parent.
 */
#define FUSE_USE_VERSION 312
#include <dirent.h>
#include <errno.h>
#include <fuse_lowlevel.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define BUCKETS (1u << 16)
#define HOUR 3600.0

struct node {
        char *name, *data;
        struct node **children; /* of a folder */
        struct node *same_hash;
        size_t n, size; /* bytes, or children */
        fuse_ino_t ino, parent;
        bool folder;
};

static struct node **nodes, *buckets[BUCKETS];
static size_t n_nodes, nodes_size;
static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;

static void *grown(void *p, size_t size) {
        p = realloc(p, size);
        if (!p) {
                perror("memory");
                exit(1);
        }
        return p;
}

static struct node *node_of(fuse_ino_t ino) {
        struct node *n;

        (void)pthread_rwlock_rdlock(&lock);
        n = nodes[ino - 1];
        (void)pthread_rwlock_unlock(&lock);
        return n;
}

static struct node **bucket_of(fuse_ino_t parent, const char *name) {
        uint32_t h = 2166136261u ^ (uint32_t)parent;

        for (; *name; name++)
                h = (h ^ (unsigned char)*name) * 16777619u;
        return &buckets[(h ^ h >> 16) % BUCKETS];
}

static struct node *find(fuse_ino_t parent, const char *name) {
        for (struct node *n = *bucket_of(parent, name); n; n = n->same_hash)
                if (n->parent == parent && strcmp(n->name, name) == 0)
                        return n;
        return NULL;
}

static struct node *add(struct node *parent, const char *name, bool folder) {
        struct node *n = grown(NULL, sizeof(*n)), **bucket;

        if (n_nodes == nodes_size) {
                nodes_size = 2 * nodes_size + 1024;
                nodes = grown(nodes, nodes_size * sizeof(*nodes));
        }
        *n = (struct node){ .name = strdup(name), .ino = n_nodes + 1, .folder = folder };
        n->parent = parent ? parent->ino : n->ino;
        nodes[n_nodes++] = n;
        if (!parent)
                return n;
        bucket = bucket_of(parent->ino, name);
        n->same_hash = *bucket;
        *bucket = n;
        if (parent->n == parent->size) {
                parent->size = 2 * parent->size + 16;
                parent->children = grown(parent->children, parent->size * sizeof(*parent->children));
        }
        parent->children[parent->n++] = n;
        return n;
}

static void reserve(struct node *n, size_t size) {
        if (size <= n->size)
                return;
        n->size = size < 4096 ? size : 2 * size;
        n->data = grown(n->data, n->size);
}

static void load_file(struct node *n, const char *path) {
        FILE *f = fopen(path, "re");
        size_t got;

        if (!f) {
                perror(path);
                exit(1);
        }
        do {
                reserve(n, n->n + 4096);
                got = fread(n->data + n->n, 1, 4096, f);
                n->n += got;
        } while (got > 0);
        (void)fclose(f);
}

static void load(struct node *n, const char *path) {
        struct dirent *e;
        DIR *d = opendir(path);

        if (!d) {
                perror(path);
                exit(1);
        }
        while ((e = readdir(d))) {
                char *below;

                if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
                        continue;
                if (asprintf(&below, "%s/%s", path, e->d_name) < 0)
                        exit(1);
                if (e->d_type == DT_DIR)
                        load(add(n, e->d_name, true), below);
                else
                        load_file(add(n, e->d_name, false), below);
                free(below);
        }
        (void)closedir(d);
}

static void stat_of(const struct node *n, struct stat *ret) {
        *ret = (struct stat){ .st_ino = n->ino, .st_nlink = n->folder ? 2 : 1, .st_uid = getuid(), .st_gid = getgid(),
                              .st_mode = n->folder ? S_IFDIR | 0755 : S_IFREG | 0644, .st_blksize = 4096 };
        if (!n->folder) {
                ret->st_size = (off_t)n->n;
                ret->st_blocks = (blkcnt_t)(n->n + 511) / 512;
        }
}

static struct fuse_entry_param entry_of(const struct node *n) {
        struct fuse_entry_param e = { .ino = n->ino, .attr_timeout = HOUR, .entry_timeout = HOUR };

        stat_of(n, &e.attr);
        return e;
}

static void do_lookup(fuse_req_t req, fuse_ino_t parent, const char *name) {
        struct fuse_entry_param e = { .entry_timeout = HOUR };
        struct node *n;

        (void)pthread_rwlock_rdlock(&lock);
        n = find(parent, name);
        (void)pthread_rwlock_unlock(&lock);
        if (n)
                e = entry_of(n);
        (void)fuse_reply_entry(req, &e);
}

static void do_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi) {
        struct stat st;

        (void)fi;
        stat_of(node_of(ino), &st);
        (void)fuse_reply_attr(req, &st, HOUR);
}

static void do_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set, struct fuse_file_info *fi) {
        struct node *n = node_of(ino);

        if ((to_set & FUSE_SET_ATTR_SIZE) && (size_t)attr->st_size <= n->n)
                n->n = (size_t)attr->st_size;
        do_getattr(req, ino, fi);
}

static void do_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi) {
        (void)ino;
        fi->keep_cache = 1;
        fi->noflush = (fi->flags & O_ACCMODE) == O_RDONLY;
        (void)fuse_reply_open(req, fi);
}

static void do_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi) {
        (void)ino;
        fi->keep_cache = fi->cache_readdir = 1;
        (void)fuse_reply_open(req, fi);
}

static void do_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi) {
        struct node *n = node_of(ino);
        size_t from = (size_t)off < n->n ? (size_t)off : n->n;

        (void)fi;
        (void)fuse_reply_buf(req, n->data + from, size < n->n - from ? size : n->n - from);
}

static void list(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, bool plus) {
        char *buf = grown(NULL, size);
        struct node *n = node_of(ino);
        size_t used = 0, one;

        (void)pthread_rwlock_rdlock(&lock);
        for (size_t i = (size_t)off; i < n->n; i++, used += one) {
                struct fuse_entry_param e = entry_of(n->children[i]);
                const char *name = n->children[i]->name;
                size_t room = size - used;

                if (plus)
                        one = fuse_add_direntry_plus(req, buf + used, room, name, &e, (off_t)i + 1);
                else
                        one = fuse_add_direntry(req, buf + used, room, name, &e.attr, (off_t)i + 1);
                if (one > room)
                        break;
        }
        (void)pthread_rwlock_unlock(&lock);
        (void)fuse_reply_buf(req, buf, used);
        free(buf);
}

static void do_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi) {
        (void)fi;
        list(req, ino, size, off, false);
}

static void do_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi) {
        (void)fi;
        list(req, ino, size, off, true);
}

static struct fuse_entry_param made(fuse_ino_t parent, const char *name, bool folder) {
        struct fuse_entry_param e;

        (void)pthread_rwlock_wrlock(&lock);
        e = entry_of(add(nodes[parent - 1], name, folder));
        (void)pthread_rwlock_unlock(&lock);
        return e;
}

static void do_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode) {
        struct fuse_entry_param e = made(parent, name, true);

        (void)mode;
        (void)fuse_reply_entry(req, &e);
}

static void do_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, struct fuse_file_info *fi) {
        struct fuse_entry_param e = made(parent, name, false);

        (void)mode;
        (void)fuse_reply_create(req, &e, fi);
}

static void do_write(fuse_req_t req, fuse_ino_t ino, const char *p, size_t size, off_t off, struct fuse_file_info *fi) {
        struct node *n = node_of(ino);

        (void)fi;
        if ((size_t)off > n->n) {
                (void)fuse_reply_err(req, EFBIG); /* no holes here */
                return;
        }
        reserve(n, (size_t)off + size);
        memcpy(n->data + off, p, size);
        if ((size_t)off + size > n->n)
                n->n = (size_t)off + size;
        (void)fuse_reply_write(req, size);
}

static void do_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi) {
        (void)ino;
        (void)fi;
        (void)fuse_reply_err(req, 0);
}

static void do_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size) {
        (void)ino;
        (void)size;
        (void)fuse_reply_err(req, strncmp(name, "user.", 5) ? EOPNOTSUPP : ENODATA); /* the former ls asks for once */
}

static void do_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size) {
        (void)ino;
        if (size)
                (void)fuse_reply_buf(req, NULL, 0);
        else
                (void)fuse_reply_xattr(req, 0);
}

int main(int argc, char **argv) {
        static struct fuse_lowlevel_ops ops = {
                .lookup = do_lookup, .getattr = do_getattr, .setattr = do_setattr, .open = do_open, .read = do_read,
                .opendir = do_opendir, .readdir = do_readdir, .readdirplus = do_readdirplus, .mkdir = do_mkdir,
                .create = do_create, .write = do_write, .flush = do_flush };
        struct fuse_loop_config *loop = fuse_loop_cfg_create();
        struct fuse_args args = FUSE_ARGS_INIT(1, argv);
        bool single = false;
        struct fuse_session *se;
        int option, r;

        while ((option = getopt(argc, argv, "xs")) != -1) {
                if (option == 'x') {
                        ops.getxattr = do_getxattr;
                        ops.listxattr = do_listxattr;
                } else if (option == 's') {
                        single = true;
                }
        }
        if (argc - optind != 2) {
                (void)fprintf(stderr, "usage: static_fs [-x] [-s] SOURCE MOUNTPOINT\n");
                return 2;
        }
        (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
        load(add(NULL, "", true), argv[optind]);
        se = fuse_session_new(&args, &ops, sizeof(ops), NULL);
        if (!se || fuse_set_signal_handlers(se) || fuse_session_mount(se, argv[optind + 1]))
                return 1;
        r = single ? fuse_session_loop(se) : fuse_session_loop_mt(se, loop);
        fuse_session_unmount(se);
        fuse_remove_signal_handlers(se);
        fuse_session_destroy(se);
        fuse_loop_cfg_destroy(loop);
        return r != 0;
}
