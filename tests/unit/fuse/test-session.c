/* SPDX-License-Identifier: Apache-2.0 */
/* Requests over a socket pair: what is asked of the fs, what is answered, what is given back. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include "wire.h"
#include "ddbfs/base/clock.h"
#include "ddbfs/base/metrics.h"
#include "fuse_internal.h"
#include "../suite.h"

static const struct session_options plain = { .source = "table", .op_timeout_ns = 5 * NS_PER_S };
static struct wire *w;

static void set_up(void) {
        w = wire_start(&plain);
}

static void tear_down(void) {
        w = wire_free(w);
}

static uint64_t lookup(const char *name) {
        const struct fuse_entry_out *e = (void *)w->data;

        ck_assert_int_eq(wire_call_names(w, FUSE_LOOKUP, 1, NULL, 0, name, NULL), 0);
        ck_assert_uint_eq(w->n, sizeof(*e));
        return e->nodeid;
}

static void forget(uint64_t node, uint64_t n) {
        struct fuse_forget_in in = { .nlookup = n };

        wire_send(w, FUSE_FORGET, node, &in, sizeof(in)); /* it has no answer */
}

static void check_lookups(long n) {
        for (int i = 0; i < 1000 && fake_counts(w->fs).lookups != n; i++)
                (void)poll(NULL, 0, 2);
        ck_assert_int_eq(fake_counts(w->fs).lookups, n);
}

static uint64_t open_node(uint64_t node, uint32_t opcode, uint32_t flags) {
        const struct fuse_open_out *out = (void *)w->data;
        struct fuse_open_in in = { .flags = flags };

        ck_assert_int_eq(wire_call(w, opcode, node, &in, sizeof(in)), 0);
        return out->fh;
}

static void release(uint64_t node, uint32_t opcode, uint64_t fh) {
        struct fuse_release_in in = { .fh = fh };

        ck_assert_int_eq(wire_call(w, opcode, node, &in, sizeof(in)), 0);
}

START_TEST(test_init) {
        const struct fuse_init_out *out = (void *)w->data;
        uint32_t wanted = FUSE_DO_READDIRPLUS | FUSE_READDIRPLUS_AUTO | FUSE_PARALLEL_DIROPS | FUSE_ATOMIC_O_TRUNC |
                          FUSE_ASYNC_READ | FUSE_HANDLE_KILLPRIV_V2;
        uint32_t refused = FUSE_WRITEBACK_CACHE | FUSE_AUTO_INVAL_DATA | FUSE_EXPLICIT_INVAL_DATA | FUSE_POSIX_LOCKS |
                           FUSE_FLOCK_LOCKS | FUSE_EXPORT_SUPPORT | FUSE_SPLICE_READ | FUSE_SPLICE_WRITE;

        ck_assert_uint_eq(out->major, FUSE_KERNEL_VERSION);
        ck_assert_uint_eq(out->flags & wanted, wanted);
        ck_assert_uint_eq(out->flags & refused, 0);
        ck_assert_uint_eq(out->max_write, 1 << 20);
        ck_assert_uint_eq(out->max_background, 64);
        ck_assert_uint_eq(out->time_gran, 1);
}
END_TEST

/* An old kernel is promised nothing it did not offer. */
START_TEST(test_init_old) {
        struct fuse_init_in init = { .major = FUSE_KERNEL_VERSION, .minor = 31, .flags = FUSE_BIG_WRITES };
        const struct fuse_init_out *out = (void *)w->data;

        tear_down();
        w = wire_new(&plain);
        out = (void *)w->data;
        wire_run(w);
        ck_assert_int_eq(wire_call(w, FUSE_INIT, 0, &init, offsetof(struct fuse_init_in, flags2)), 0);
        ck_assert_uint_eq(out->flags & ~(unsigned)FUSE_BIG_WRITES, 0);
}
END_TEST

START_TEST(test_lookup) {
        uint64_t node = fake_add(w->fs, 1, "a.json", "{}\n");
        const struct fuse_entry_out *e = (void *)w->data;

        ck_assert_uint_eq(lookup("a.json"), node);
        ck_assert_uint_eq(e->generation, 1);
        ck_assert_uint_eq(e->entry_valid, 1);
        ck_assert_uint_eq(e->entry_valid_nsec, 500000000);
        ck_assert_uint_eq(e->attr_valid, 1000000000); /* for ever */
        ck_assert_uint_eq(e->attr.ino, node + 1000);
        ck_assert_uint_eq(e->attr.size, 3);
        ck_assert_uint_eq(e->attr.blocks, 1);
        ck_assert_uint_eq(e->attr.mode, S_IFREG | 0644);
        ck_assert_uint_eq(e->attr.mtime, 1700000000);
        ck_assert_uint_eq(e->attr.mtimensec, 5);
        check_lookups(1);
        forget(node, 1);
        check_lookups(0);

        ck_assert_uint_eq(lookup("missing"), 0); /* a name the kernel may remember as absent */
        ck_assert_uint_eq(e->entry_valid, 1);
        ck_assert_int_eq(wire_call_names(w, FUSE_LOOKUP, 1, NULL, 0, "denied", NULL), -EACCES);
}
END_TEST

START_TEST(test_forget_many) {
        struct {
                struct fuse_batch_forget_in in;
                struct fuse_forget_one one[2];
        } batch = { { 2, 0 }, { { 2, 1 }, { 3, 2 } } };

        fake_add(w->fs, 1, "a", "");
        fake_add(w->fs, 1, "b", "");
        lookup("a"), lookup("b"), lookup("b");
        wire_send(w, FUSE_BATCH_FORGET, 0, &batch, sizeof(batch));
        check_lookups(0);
}
END_TEST

START_TEST(test_getattr_and_setattr) {
        uint64_t node = fake_add(w->fs, 1, "a", "12345");
        const struct fuse_attr_out *out = (void *)w->data;
        struct fuse_getattr_in get = { 0 };
        struct fuse_setattr_in set = { .valid = FATTR_SIZE, .size = 600 };
        int64_t errors = metric_get(METRIC_OP_ERRORS), ops = metric_get(METRIC_OPS);

        ck_assert_int_eq(wire_call(w, FUSE_GETATTR, 1, &get, sizeof(get)), 0);
        ck_assert_uint_eq(out->attr.mode, S_IFDIR | 0755);
        ck_assert_int_eq(wire_call(w, FUSE_GETATTR, 77, &get, sizeof(get)), -ESTALE);
        ck_assert_int_eq(wire_call(w, FUSE_SETATTR, node, &set, sizeof(set)), 0);
        ck_assert_uint_eq(out->attr.size, 600);
        ck_assert_uint_eq(out->attr.blocks, 2);
        set = (struct fuse_setattr_in){ .valid = FATTR_MODE | FATTR_UID | FATTR_MTIME, .mode = 0600 };
        ck_assert_int_eq(wire_call(w, FUSE_SETATTR, node, &set, sizeof(set)), 0);
        ck_assert_uint_eq(out->attr.size, 600);
        ck_assert_uint_eq(out->attr.mode, S_IFREG | 0644); /* accepted, ignored */
        set = (struct fuse_setattr_in){ .valid = FATTR_SIZE, .size = UINT64_MAX };
        ck_assert_int_eq(wire_call(w, FUSE_SETATTR, node, &set, sizeof(set)), -EINVAL);
        ck_assert_int_eq(metric_get(METRIC_OP_ERRORS) - errors, 2);
        ck_assert_int_eq(metric_get(METRIC_OPS) - ops, 5);
}
END_TEST

static const struct {
        mode_t mode;
        uid_t uid;
        int mask, r;
} accesses[] = {
        { S_IFREG | 0644, 1000, F_OK, 0 },
        { S_IFREG | 0644, 1000, R_OK | W_OK, 0 },
        { S_IFREG | 0644, 1000, X_OK, -EACCES },
        { S_IFREG | 0444, 1000, R_OK, 0 },
        { S_IFREG | 0444, 1000, W_OK, -EACCES },
        { S_IFREG | 0444, 1000, R_OK | W_OK, -EACCES },
        { S_IFREG | 0222, 1000, R_OK, -EACCES },
        { S_IFREG | 0077, 1000, R_OK, -EACCES },
        { S_IFREG | 0444, 0, R_OK | W_OK, 0 },
        { S_IFREG | 0644, 0, X_OK, -EACCES },
        { S_IFREG | 0645, 0, X_OK, 0 },
        { S_IFDIR | 0755, 1000, R_OK | W_OK | X_OK, 0 },
        { S_IFDIR | 0555, 1000, W_OK, -EACCES },
        { S_IFDIR | 0600, 0, R_OK | W_OK | X_OK, 0 },
};

START_TEST(test_access_check) {
        struct fs_attr attr = { .mode = accesses[_i].mode };

        ck_assert_int_eq(access_check(&attr, accesses[_i].uid, accesses[_i].mask), accesses[_i].r);
}
END_TEST

START_TEST(test_access) {
        uint64_t node = fake_add(w->fs, 1, "a", "12345");
        struct fuse_access_in in = { .mask = R_OK | W_OK };

        w->uid = 1000;
        ck_assert_int_eq(wire_call(w, FUSE_ACCESS, node, &in, sizeof(in)), 0);
        in.mask = X_OK;
        ck_assert_int_eq(wire_call(w, FUSE_ACCESS, node, &in, sizeof(in)), -EACCES);
        ck_assert_int_eq(wire_call(w, FUSE_ACCESS, 1, &in, sizeof(in)), 0); /* chdir */
        ck_assert_int_eq(wire_call(w, FUSE_ACCESS, 77, &in, sizeof(in)), -ESTALE);
}
END_TEST

/* The kernel may leave it to us who may give files away. */
START_TEST(test_chown) {
        uint64_t node = fake_add(w->fs, 1, "a", "12345"); /* of user and group 0 */
        struct fuse_setattr_in other = { .valid = FATTR_UID, .uid = 7 }, same = { .valid = FATTR_UID | FATTR_GID };
        struct fuse_setattr_in group = { .valid = FATTR_GID, .gid = 100 };

        ck_assert_int_eq(wire_call(w, FUSE_SETATTR, node, &other, sizeof(other)), 0);
        w->uid = 1000;
        w->gid = 100;
        ck_assert_int_eq(wire_call(w, FUSE_SETATTR, node, &other, sizeof(other)), -EPERM);
        ck_assert_int_eq(wire_call(w, FUSE_SETATTR, node, &same, sizeof(same)), 0);
        ck_assert_int_eq(wire_call(w, FUSE_SETATTR, node, &group, sizeof(group)), 0);
        w->gid = 101;
        ck_assert_int_eq(wire_call(w, FUSE_SETATTR, node, &group, sizeof(group)), -EPERM);
}
END_TEST

START_TEST(test_read) {
        uint64_t node = fake_add(w->fs, 1, "a", "hello world"), fh;
        const struct fuse_open_out *opened = (void *)w->data;
        struct fuse_read_in in = { .size = 4096 };

        fh = in.fh = open_node(node, FUSE_OPEN, O_RDONLY);
        ck_assert_uint_eq(opened->open_flags & FOPEN_NOFLUSH, FOPEN_NOFLUSH);
        ck_assert_int_eq(wire_call(w, FUSE_READ, node, &in, sizeof(in)), 0);
        ck_assert_uint_eq(w->n, 11);
        ck_assert_mem_eq(w->data, "hello world", 11);
        in.offset = 6, in.size = 3;
        ck_assert_int_eq(wire_call(w, FUSE_READ, node, &in, sizeof(in)), 0);
        ck_assert_uint_eq(w->n, 3);
        ck_assert_mem_eq(w->data, "wor", 3);
        in.offset = 100;
        ck_assert_int_eq(wire_call(w, FUSE_READ, node, &in, sizeof(in)), 0);
        ck_assert_uint_eq(w->n, 0);
        in.offset = UINT64_MAX;
        ck_assert_int_eq(wire_call(w, FUSE_READ, node, &in, sizeof(in)), -EINVAL);
        for (int ms = 0; fake_counts(w->fs).holds && ms < 5000; ms++) /* let go of right behind the reply */
                (void)poll(NULL, 0, 1);
        ck_assert_int_eq(fake_counts(w->fs).holds, 0);
        release(node, FUSE_RELEASE, fh);
        ck_assert_int_eq(fake_counts(w->fs).files, 0);
}
END_TEST

START_TEST(test_create_and_write) {
        struct {
                struct fuse_entry_out entry;
                struct fuse_open_out open;
        } *created = (void *)w->data;
        struct fuse_create_in in = { .flags = O_CREAT | O_WRONLY, .mode = 0644 };
        struct fuse_write_out *out = (void *)w->data;
        struct fuse_flush_in flush = { 0 };
        struct fuse_fsync_in sync = { 0 };
        struct {
                struct fuse_write_in in;
                char data[5];
        } write = { .in.size = 5, .data = "12345" };
        uint64_t node;

        ck_assert_int_eq(wire_call_names(w, FUSE_CREATE, 1, &in, sizeof(in), "new", NULL), 0);
        ck_assert_uint_eq(w->n, sizeof(*created));
        node = created->entry.nodeid;
        write.in.fh = flush.fh = sync.fh = created->open.fh;
        ck_assert_uint_eq(created->open.open_flags, 0);
        for (write.in.offset = 0; write.in.offset < 10; write.in.offset += 5) {
                ck_assert_int_eq(wire_call(w, FUSE_WRITE, node, &write, sizeof(write.in) + 5), 0);
                ck_assert_uint_eq(out->size, 5);
        }
        write.in.offset = UINT64_MAX;
        ck_assert_int_eq(wire_call(w, FUSE_WRITE, node, &write, sizeof(write.in) + 5), -EINVAL);
        ck_assert_int_eq(wire_call(w, FUSE_FSYNC, node, &sync, sizeof(sync)), 0);
        ck_assert_int_eq(wire_call(w, FUSE_FLUSH, node, &flush, sizeof(flush)), 0);
        release(node, FUSE_RELEASE, flush.fh);
        ck_assert_uint_eq(lookup("new"), node);
        ck_assert_uint_eq(created->entry.attr.size, 10);
        ck_assert_int_eq(wire_call_names(w, FUSE_CREATE, 1, &in, sizeof(in), "new", NULL), -EEXIST);
        forget(node, 2);
        check_lookups(0);
}
END_TEST

START_TEST(test_fallocate) {
        uint64_t node = fake_add(w->fs, 1, "a", "12345");
        struct fuse_fallocate_in in = { .fh = open_node(node, FUSE_OPEN, O_RDWR), .offset = 3, .length = 7 };
        const struct fuse_attr_out *out = (void *)w->data;
        struct fuse_getattr_in get = { 0 };

        ck_assert_int_eq(wire_call(w, FUSE_FALLOCATE, node, &in, sizeof(in)), 0);
        in.length = 1; /* never makes it shorter */
        ck_assert_int_eq(wire_call(w, FUSE_FALLOCATE, node, &in, sizeof(in)), 0);
        ck_assert_int_eq(wire_call(w, FUSE_GETATTR, node, &get, sizeof(get)), 0);
        ck_assert_uint_eq(out->attr.size, 10);
        in.length = 0;
        ck_assert_int_eq(wire_call(w, FUSE_FALLOCATE, node, &in, sizeof(in)), -EINVAL);
        in.length = INT64_MAX;
        ck_assert_int_eq(wire_call(w, FUSE_FALLOCATE, node, &in, sizeof(in)), -EFBIG);
        in.mode = 1;
        ck_assert_int_eq(wire_call(w, FUSE_FALLOCATE, node, &in, sizeof(in)), -EOPNOTSUPP);
        release(node, FUSE_RELEASE, in.fh);
}
END_TEST

START_TEST(test_names) {
        struct fuse_entry_out *e = (void *)w->data;
        struct fuse_mkdir_in mkdir = { .mode = 0755 };
        struct fuse_mknod_in mknod = { .mode = S_IFREG | 0644 };
        struct fuse_rename2_in rename = { .newdir = 1, .flags = 1 /* RENAME_NOREPLACE */ };
        struct fuse_link_in link = { .oldnodeid = 2 };
        uint64_t node;

        ck_assert_int_eq(wire_call_names(w, FUSE_MKDIR, 1, &mkdir, sizeof(mkdir), "d", NULL), 0);
        ck_assert_uint_eq(e->attr.mode, S_IFDIR | 0755);
        ck_assert_int_eq(wire_call_names(w, FUSE_MKNOD, 1, &mknod, sizeof(mknod), "f", NULL), 0);
        ck_assert_uint_eq(e->attr.mode, S_IFREG | 0644);
        ck_assert_int_eq(fake_counts(w->fs).files, 0);
        mknod.mode = S_IFIFO | 0644;
        ck_assert_int_eq(wire_call_names(w, FUSE_MKNOD, 1, &mknod, sizeof(mknod), "p", NULL), -EPERM);
        ck_assert_int_eq(wire_call_names(w, FUSE_SYMLINK, 1, NULL, 0, "l", "target"), 0);
        node = e->nodeid;
        ck_assert_int_eq(wire_call(w, FUSE_READLINK, node, NULL, 0), 0);
        ck_assert_uint_eq(w->n, 6);
        ck_assert_mem_eq(w->data, "target", 6);
        ck_assert_int_eq(wire_call_names(w, FUSE_LINK, 1, &link, sizeof(link), "hard", NULL), -EPERM);
        ck_assert_int_eq(wire_call_names(w, FUSE_RENAME2, 1, &rename, sizeof(rename), "f", "l"), -EEXIST);
        rename.flags = 0;
        ck_assert_int_eq(wire_call_names(w, FUSE_RENAME2, 1, &rename, sizeof(rename), "f", "l"), 0);
        ck_assert_int_eq(wire_call_names(w, FUSE_UNLINK, 1, NULL, 0, "f", NULL), -ENOENT);
        ck_assert_int_eq(wire_call_names(w, FUSE_UNLINK, 1, NULL, 0, "l", NULL), 0);
        ck_assert_int_eq(wire_call_names(w, FUSE_RMDIR, 1, NULL, 0, "d", NULL), 0);
}
END_TEST

START_TEST(test_statfs) {
        const struct fuse_statfs_out *out = (void *)w->data;

        ck_assert_int_eq(wire_call(w, FUSE_STATFS, 1, NULL, 0), 0);
        ck_assert_uint_eq(out->st.bsize, 4096);
        ck_assert_uint_eq(out->st.bavail, 50);
        ck_assert_uint_eq(out->st.namelen, 255);
}
END_TEST

static const struct {
        const char *name;
        uint32_t size;
        int result;
        size_t n;
} xattrs[] = {
        { "user.ddbfs.node", 100, 0, 6 },
        { "user.ddbfs.node", 6, 0, 6 },
        { "user.ddbfs.node", 5, -ERANGE, 0 },
        { "user.ddbfs.node", 0, 0, sizeof(struct fuse_getxattr_out) },
        { "user.none", 100, -ENODATA, 0 },
        { "security.selinux", 100, -EOPNOTSUPP, 0 },
        { "system.posix_acl_access", 0, -EOPNOTSUPP, 0 },
};

START_TEST(test_getxattr) {
        const struct fuse_getxattr_out *out = (void *)w->data;
        struct fuse_getxattr_in in = { .size = xattrs[_i].size };

        ck_assert_int_eq(wire_call_names(w, FUSE_GETXATTR, 1, &in, sizeof(in), xattrs[_i].name, NULL),
                         xattrs[_i].result);
        ck_assert_uint_eq(w->n, xattrs[_i].n);
        if (in.size == 0 && !xattrs[_i].result)
                ck_assert_uint_eq(out->size, 6);
        else if (!xattrs[_i].result)
                ck_assert_mem_eq(w->data, "node 1", 6);
}
END_TEST

START_TEST(test_other_xattrs) {
        struct fuse_getxattr_in list = { .size = 100 };
        char set[8 + 8] = "\3\0\0\0\0\0\0\0";

        ck_assert_int_eq(wire_call(w, FUSE_LISTXATTR, 1, &list, sizeof(list)), 0);
        ck_assert_uint_eq(w->n, sizeof("user.ddbfs.node"));
        list.size = 3;
        ck_assert_int_eq(wire_call(w, FUSE_LISTXATTR, 1, &list, sizeof(list)), -ERANGE);
        ck_assert_int_eq(wire_call_names(w, FUSE_SETXATTR, 1, set, 8, "user.x", "ab"), 0);
        ck_assert_int_eq(wire_call_names(w, FUSE_SETXATTR, 1, set, 8, "trusted.x", "ab"), -EOPNOTSUPP);
        ck_assert_int_eq(wire_call_names(w, FUSE_REMOVEXATTR, 1, NULL, 0, "user.x", NULL), 0);
        ck_assert_int_eq(wire_call_names(w, FUSE_REMOVEXATTR, 1, NULL, 0, "trusted.x", NULL), -EOPNOTSUPP);
}
END_TEST

START_TEST(test_no_xattrs) {
        struct session_options o = plain;
        struct fuse_getxattr_in in = { .size = 100 };

        o.no_xattrs = true;
        tear_down();
        w = wire_start(&o);
        ck_assert_int_eq(wire_call_names(w, FUSE_GETXATTR, 1, &in, sizeof(in), "user.ddbfs.node", NULL), -ENOSYS);
        ck_assert_int_eq(wire_call(w, FUSE_LISTXATTR, 1, &in, sizeof(in)), -ENOSYS);
}
END_TEST

static const uint32_t unknown[] = {
        7, FUSE_POLL, FUSE_LSEEK, FUSE_COPY_FILE_RANGE, FUSE_GETLK, 60, 1234567
};

START_TEST(test_unknown) {
        char arg[128] = { 0 };

        ck_assert_int_eq(wire_call(w, unknown[_i], 1, arg, sizeof(arg)), -ENOSYS);
}
END_TEST

/* Everything below the root in steps of `size` bytes; the number of entries. */
static unsigned list_all(uint32_t size, bool plus, uint64_t *nodes) {
        uint32_t opcode = plus ? FUSE_READDIRPLUS : FUSE_READDIR;
        struct fuse_read_in in = { .fh = open_node(1, FUSE_OPENDIR, 0), .size = size };
        unsigned n = 0;

        for (;;) {
                ck_assert_int_eq(wire_call(w, opcode, 1, &in, sizeof(in)), 0);
                ck_assert_uint_le(w->n, size);
                if (w->n == 0)
                        break;
                for (size_t at = 0; at < w->n; n++) {
                        const struct fuse_direntplus *p = (void *)(w->data + at);
                        const struct fuse_dirent *d = plus ? &p->dirent : (void *)(w->data + at);

                        in.offset = d->off;
                        at += plus ? FUSE_DIRENTPLUS_SIZE(p) : FUSE_DIRENT_SIZE(d);
                        ck_assert_uint_ne(d->off, 0);
                        if (plus)
                                nodes[n] = p->entry_out.nodeid;
                        ck_assert(plus || d->ino > 1000);
                }
        }
        release(1, FUSE_RELEASEDIR, in.fh);
        return n;
}

static const struct {
        uint32_t size;
        bool plus;
} lists[] = { { 4096, true }, { 400, true }, { 300, true }, { 4096, false }, { 100, false } };

START_TEST(test_readdir) {
        uint64_t nodes[80] = { 0 };
        char name[40];

        for (int i = 0; i < 50; i++) {
                (void)snprintf(name, sizeof(name), "entry-%.*d", i % 25 + 1, i);
                ck_assert_uint_ne(fake_add(w->fs, 1, name, i % 2 ? "text" : NULL), 0);
        }
        ck_assert_uint_eq(list_all(lists[_i].size, lists[_i].plus, nodes), 52);
        check_lookups(lists[_i].plus ? 50 : 0);
        for (int i = 0; i < 52 && lists[_i].plus; i++)
                if (nodes[i])
                        forget(nodes[i], 1);
        check_lookups(0);
        ck_assert_int_eq(fake_counts(w->fs).dirs, 0);
}
END_TEST

START_TEST(test_readdir_edges) {
        struct fuse_read_in in = { .size = 20 };
        struct fuse_fsync_in sync = { 0 };
        struct fuse_open_in open = { 0 };
        char name[NAME_MAX + 1];

        memset(name, 'n', NAME_MAX);
        name[NAME_MAX] = 0;
        fake_add(w->fs, 1, name, "");
        fake_add(w->fs, 1, "a/b", ""); /* left out: the kernel would refuse the others with it */
        fake_add(w->fs, 1, "", "");
        in.fh = sync.fh = open_node(1, FUSE_OPENDIR, 0);
        ck_assert_int_eq(wire_call(w, FUSE_READDIR, 1, &in, sizeof(in)), -EINVAL); /* no entry fits */
        in.size = 0xffffffff;
        ck_assert_int_eq(wire_call(w, FUSE_READDIR, 1, &in, sizeof(in)), 0);
        ck_assert_uint_eq(w->n, 2 * 32 + 280);
        in.offset = 1000;
        ck_assert_int_eq(wire_call(w, FUSE_READDIR, 1, &in, sizeof(in)), 0);
        ck_assert_uint_eq(w->n, 0);
        ck_assert_int_eq(wire_call(w, FUSE_FSYNCDIR, 1, &sync, sizeof(sync)), 0);
        release(1, FUSE_RELEASEDIR, in.fh);
        ck_assert_int_eq(wire_call(w, FUSE_OPENDIR, 2, &open, sizeof(open)), -ENOTDIR);
}
END_TEST

/* The kernel does not take the answers: everything handed over comes back. */
START_TEST(test_undeliverable) {
        struct fuse_create_in create = { .flags = O_CREAT | O_RDWR };
        uint64_t a = fake_add(w->fs, 1, "a", "text");
        struct fuse_read_in list = { .size = 4096 };
        struct fuse_open_in open = { 0 };
        struct {
                struct fuse_create_in in;
                char name[4];
        } new = { create, "new" };

        list.fh = open_node(1, FUSE_OPENDIR, 0);
        ck_assert_int_eq(shutdown(w->fd, SHUT_RD), 0);
        wire_send(w, FUSE_LOOKUP, 1, "a", 2);
        wire_send(w, FUSE_OPEN, a, &open, sizeof(open));
        wire_send(w, FUSE_OPENDIR, 1, &open, sizeof(open));
        wire_send(w, FUSE_CREATE, 1, &new, sizeof(new.in) + 4);
        wire_send(w, FUSE_READDIRPLUS, 1, &list, sizeof(list));
        wire_stop(w);
        check_lookups(0);
        ck_assert_int_eq(fake_counts(w->fs).files, 0);
        ck_assert_int_eq(fake_counts(w->fs).dirs, 1); /* the one from before */
        ck_assert_int_eq(fake_counts(w->fs).shutdowns, 1);
}
END_TEST

START_TEST(test_before_init) {
        tear_down();
        w = wire_new(&plain);
        wire_run(w);
        ck_assert_int_eq(wire_call(w, FUSE_STATFS, 1, NULL, 0), -EIO);
}
END_TEST

static void mark(void *arg) {
        ++*(int *)arg;
}

START_TEST(test_ready) {
        struct session_options o = plain;
        int n = 0;

        o.ready = mark;
        o.ready_arg = &n;
        tear_down();
        w = wire_start(&o);
        ck_assert_int_eq(n, 1);
}
END_TEST

/* Is it still well? */
static void check_alive(void) {
        uint64_t unique = wire_send(w, FUSE_STATFS, 1, NULL, 0);

        do {
                ck_assert(wire_receive(w, 5000));
        } while (w->out.unique != unique);
        ck_assert_int_eq(w->out.error, 0);
}

static uint64_t rnd(uint64_t *state) {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        return *state;
}

/* Requests with true lengths and small numbers where libfuse and the fake look, noise everywhere else. */
START_TEST(test_noise) {
        uint64_t state = 0x9e3779b97f4a7c15u + (uint64_t)_i;
        struct {
                struct fuse_in_header in;
                unsigned char arg[200];
        } m;
        size_t n;

        fake_add(w->fs, 1, "a", "text");
        for (int i = 0; i < 2000; i++) {
                for (size_t k = 0; k < sizeof(m) / 8; k++)
                        memcpy((char *)&m + k * 8, &(uint64_t){ rnd(&state) }, 8);
                if (rnd(&state) % 3 == 0)
                        memset(m.arg, 0, rnd(&state) % sizeof(m.arg));
                n = rnd(&state) % (sizeof(m) + 1);
                m.in.opcode = (uint32_t)rnd(&state) % 60;
                m.in.nodeid = rnd(&state) % 8;
                m.in.len = rnd(&state) % 8 ? (uint32_t)n : m.in.len;
                if (n)
                        ck_assert_int_eq(send(w->fd, &m, n, MSG_NOSIGNAL), (ssize_t)n);
                while (wire_receive(w, 0))
                        ;
        }
        check_alive();
}
END_TEST

/* A true request of every kind, cut at every length. */
START_TEST(test_truncated) {
        struct {
                struct fuse_in_header in;
                char arg[112];
        } m = { 0 };
        size_t n;

        for (uint32_t opcode = 1; opcode < 56; opcode++) {
                for (n = 0; n <= sizeof(m); n += opcode == FUSE_LOOKUP ? 1 : 4) {
                        m.in = (struct fuse_in_header){
                                .len = (uint32_t)n, .opcode = opcode, .nodeid = 1, .unique = 1 << 30
                        };
                        if (n)
                                ck_assert_int_eq(send(w->fd, &m, n, MSG_NOSIGNAL), (ssize_t)n);
                        while (wire_receive(w, 0))
                                ;
                }
        }
        check_alive();
}
END_TEST

START_TEST(test_memory) {
        uint64_t node = fake_add(w->fs, 1, "a", "text");
        struct fuse_read_in in = { .fh = open_node(1, FUSE_OPENDIR, 0), .size = 4096 };
        struct fuse_getxattr_in get = { .size = 100 };
        int r;

        (void)poll(NULL, 0, 20); /* all threads read again: none is about to be started */
        mem_fail_at(1);
        ck_assert_int_eq(wire_call(w, FUSE_READDIR, 1, &in, sizeof(in)), -ENOMEM);
        (void)poll(NULL, 0, 20);
        mem_fail_at(1);
        ck_assert_int_eq(wire_call_names(w, FUSE_GETXATTR, node, &get, sizeof(get), "user.ddbfs.node", NULL), -ENOMEM);
        mem_fail_at(0);
        tear_down();
        for (unsigned long i = 1;; i++) {
                struct session *s = NULL;
                struct fs *fs = fake_new();
                int pair[2];

                ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
                mem_fail_at(i);
                r = session_new_on_fd(&plain, fs, pair[1], &s);
                mem_fail_at(0);
                session_free(s);
                fs_free(fs);
                if (r) {
                        ck_assert_int_eq(r, -ENOMEM);
                        close(pair[1]); /* ours as before */
                }
                close(pair[0]);
                if (!r) {
                        ck_assert_uint_gt(i, 1);
                        break;
                }
        }
        w = wire_start(&plain);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("session");
        TCase *t = tcase_create("session");

        tcase_add_checked_fixture(t, set_up, tear_down);
        tcase_add_test(t, test_init);
        tcase_add_test(t, test_init_old);
        tcase_add_test(t, test_lookup);
        tcase_add_test(t, test_forget_many);
        tcase_add_test(t, test_getattr_and_setattr);
        tcase_add_loop_test(t, test_access_check, 0, ARRAY_LEN(accesses));
        tcase_add_test(t, test_access);
        tcase_add_test(t, test_chown);
        tcase_add_test(t, test_read);
        tcase_add_test(t, test_create_and_write);
        tcase_add_test(t, test_fallocate);
        tcase_add_test(t, test_names);
        tcase_add_test(t, test_statfs);
        tcase_add_loop_test(t, test_getxattr, 0, ARRAY_LEN(xattrs));
        tcase_add_test(t, test_other_xattrs);
        tcase_add_test(t, test_no_xattrs);
        tcase_add_loop_test(t, test_unknown, 0, ARRAY_LEN(unknown));
        tcase_add_loop_test(t, test_readdir, 0, ARRAY_LEN(lists));
        tcase_add_test(t, test_readdir_edges);
        tcase_add_test(t, test_undeliverable);
        tcase_add_test(t, test_before_init);
        tcase_add_test(t, test_ready);
        tcase_add_loop_test(t, test_noise, 0, 4);
        tcase_add_test(t, test_truncated);
        tcase_add_test(t, test_memory);
        suite_add_tcase(suite, t);
        return suite_run(suite);
}
