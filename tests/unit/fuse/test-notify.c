/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel is told to forget. */
#include <errno.h>
#include <sys/socket.h>
#include "wire.h"
#include "ddbfs/base/alloc.h"
#include "../suite.h"

static const struct session_options plain = { .op_timeout_ns = NS_PER_S };
static struct wire *w;
static struct fs_notify notify;

static void set_up(void) {
        w = wire_start(&plain);
        notify = *fake_notify(w->fs);
}

static void tear_down(void) {
        w = wire_free(w);
}

static const struct fuse_notify_inval_inode_out *inval_inode(void) {
        ck_assert(wire_receive(w, 2000));
        ck_assert_uint_eq(w->out.unique, 0);
        ck_assert_int_eq(w->out.error, FUSE_NOTIFY_INVAL_INODE);
        return (void *)w->data;
}

START_TEST(test_attr) {
        const struct fuse_notify_inval_inode_out *out;

        notify.attr(notify.arg, 7);
        ck_assert(wire_receive(w, 0)); /* sent before the call returned */
        ck_assert_int_eq(w->out.error, FUSE_NOTIFY_INVAL_INODE);
        out = (void *)w->data;
        ck_assert_uint_eq(out->ino, 7);
        ck_assert_int_eq(out->off, -1);
}
END_TEST

START_TEST(test_content) {
        const struct fuse_notify_inval_inode_out *out;

        notify.content(notify.arg, 8);
        out = inval_inode();
        ck_assert_uint_eq(out->ino, 8);
        ck_assert_int_eq(out->off, 0);
        ck_assert_int_eq(out->len, 0);
}
END_TEST

/* Given before the call returns - or not at all where it could take the last thread that answers. */
START_TEST(test_store) {
        const struct session_options few = { .op_timeout_ns = NS_PER_S, .max_threads = 6 };
        const struct fuse_notify_store_out *out = (void *)w->data;

        notify.store(notify.arg, 7, STR("{\n}\n"));
        ck_assert(wire_receive(w, 0));
        ck_assert_uint_eq(w->out.unique, 0);
        ck_assert_int_eq(w->out.error, FUSE_NOTIFY_STORE);
        ck_assert_uint_eq(out->nodeid, 7);
        ck_assert_uint_eq(out->offset, 0);
        ck_assert_uint_eq(out->size, 4);
        ck_assert_mem_eq(w->data + sizeof(*out), "{\n}\n", 4);
        wire_free(w);
        w = wire_start(&few);
        notify = *fake_notify(w->fs);
        notify.store(notify.arg, 7, STR("{\n}\n"));
        ck_assert(!wire_receive(w, 20));
}
END_TEST

START_TEST(test_entry) {
        const struct fuse_notify_inval_entry_out *out = (void *)w->data;

        notify.entry(notify.arg, 9, STR("name.json and more"));
        ck_assert(wire_receive(w, 2000));
        ck_assert_int_eq(w->out.error, FUSE_NOTIFY_INVAL_ENTRY);
        ck_assert_uint_eq(out->parent, 9);
        ck_assert_uint_eq(out->namelen, 18);
        ck_assert_str_eq(w->data + sizeof(*out), "name.json and more");
        notify.entry(notify.arg, 9, STR_NULL);
        ck_assert(!wire_receive(w, 50));
}
END_TEST

/* A thousand times the same, while the kernel does not listen: told a few times at most; nothing else is lost. */
START_TEST(test_coalesced) {
        enum { N = 3000 };
        static bool seen[N];
        int n_same = 0, n_all = 0, size = 4096;

        memset(seen, 0, sizeof(seen));
        (void)setsockopt(w->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
        for (int i = 0; i < 1000; i++)
                notify.content(notify.arg, 5000);
        for (uint64_t i = 0; i < N; i++)
                notify.content(notify.arg, i);
        for (int i = 0; i < 1000; i++)
                notify.content(notify.arg, 5000);
        while (wire_receive(w, 300)) {
                const struct fuse_notify_inval_inode_out *out = (void *)w->data;

                n_all++;
                if (out->ino == 5000)
                        n_same++;
                else
                        seen[out->ino] = true;
        }
        for (int i = 0; i < N; i++)
                ck_assert_msg(seen[i], "node %d was not told", i);
        ck_assert_int_lt(n_same, 1500);
        ck_assert_int_eq(n_all - n_same, N);
}
END_TEST

START_TEST(test_memory) {
        const struct fuse_notify_inval_inode_out *out;

        mem_fail_at(1);
        notify.content(notify.arg, 8);
        mem_fail_at(0);
        out = inval_inode();
        ck_assert_int_eq(out->off, -1); /* the attributes at least */
}
END_TEST

START_TEST(test_not_running) {
        struct wire *idle = wire_new(&plain);
        struct fs_notify n = *fake_notify(idle->fs);

        n.attr(n.arg, 2);
        n.content(n.arg, 2);
        n.entry(n.arg, 2, STR("x"));
        ck_assert(!wire_receive(idle, 20));
        wire_free(idle);
        notify.content(notify.arg, 8);
        session_stop(w->session);
        pthread_join(w->runner, NULL);
        w->running = false;
        notify.content(notify.arg, 9);
        notify.attr(notify.arg, 9);
        while (wire_receive(w, 20))
                ck_assert_uint_eq(((struct fuse_notify_inval_inode_out *)(void *)w->data)->ino, 8);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("notify");
        TCase *t = tcase_create("notify");

        tcase_add_checked_fixture(t, set_up, tear_down);
        tcase_add_test(t, test_attr);
        tcase_add_test(t, test_content);
        tcase_add_test(t, test_store);
        tcase_add_test(t, test_entry);
        tcase_add_test(t, test_coalesced);
        tcase_add_test(t, test_memory);
        tcase_add_test(t, test_not_running);
        suite_add_tcase(suite, t);
        return suite_run(suite);
}
