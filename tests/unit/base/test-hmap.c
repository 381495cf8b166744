/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdbool.h>
#include "ddbfs/base/alloc.h"
#include "ddbfs/base/hash.h"
#include "ddbfs/base/hmap.h"
#include "../suite.h"

#define N_NODES (SANITIZED ? 20000U : 100000U)

struct thing {
        unsigned key;
        bool seen;
        struct hmap_node node;
};

static struct thing *things;

static uint64_t hash_of(unsigned key) {
        return hash_seeded(0, str_make(&key, sizeof(key)));
}

static struct thing *find(const struct hmap *m, unsigned key) {
        for (struct hmap_node *n = hmap_first(m, hash_of(key)); n; n = hmap_next(n))
                if (CONTAINER_OF(n, struct thing, node)->key == key)
                        return CONTAINER_OF(n, struct thing, node);
        return NULL;
}

static void fill(struct hmap *m, unsigned n) {
        for (unsigned i = 0; i < n; i++) {
                things[i] = (struct thing){ .key = i };
                ck_assert_int_eq(hmap_insert(m, &things[i].node, hash_of(i)), 0);
        }
        ck_assert_uint_eq(m->n, n);
}

static void set_up(void) {
        things = mem_calloc(N_NODES, sizeof(*things));
        ck_assert_ptr_nonnull(things);
}

static void tear_down(void) {
        things = mem_free(things);
}

START_TEST(many) {
        struct hmap m = { 0 };

        fill(&m, N_NODES);
        for (unsigned i = 0; i < N_NODES; i++)
                ck_assert_ptr_eq(find(&m, i), &things[i]);
        for (unsigned i = N_NODES; i < N_NODES + 1000; i++)
                ck_assert_ptr_null(find(&m, i));
        for (unsigned i = 0; i < N_NODES; i += 2)
                hmap_remove(&m, &things[i].node);
        ck_assert_uint_eq(m.n, N_NODES / 2);
        for (unsigned i = 0; i < N_NODES; i++)
                ck_assert_int_eq(find(&m, i) != NULL, i % 2);
        hmap_deinit(&m);
        ck_assert_uint_eq(m.n, 0);
        ck_assert_ptr_null(hmap_first(&m, 1));
}
END_TEST

START_TEST(remove_while_walking) {
        struct hmap_walk w = { 0 };
        struct hmap m = { 0 };
        struct hmap_node *n;
        unsigned seen = 0;

        fill(&m, N_NODES);
        while ((n = hmap_walk_next(&m, &w))) {
                struct thing *t = CONTAINER_OF(n, struct thing, node);

                ck_assert(!t->seen);
                t->seen = true;
                seen++;
                if (t->key % 3)
                        hmap_remove(&m, n);
        }
        ck_assert_uint_eq(seen, N_NODES);
        ck_assert_uint_eq(m.n, (N_NODES + 2) / 3);
        ck_assert_ptr_null(hmap_walk_next(&m, &w)); /* stays at the end */
        for (w = (struct hmap_walk){ 0 }; (n = hmap_walk_next(&m, &w)); hmap_remove(&m, n))
                ck_assert_uint_eq(CONTAINER_OF(n, struct thing, node)->key % 3, 0);
        ck_assert_uint_eq(m.n, 0);
        hmap_deinit(&m);
}
END_TEST

START_TEST(equal_hashes) {
        struct hmap m = { 0 };
        unsigned n = 0;

        for (unsigned i = 0; i < 100; i++)
                ck_assert_int_eq(hmap_insert(&m, &things[i].node, i % 2 ? 7 : 7 + (UINT64_C(1) << 40)), 0);
        for (struct hmap_node *node = hmap_first(&m, 7); node; node = hmap_next(node), n++)
                ck_assert_uint_eq(node->hash, 7);
        ck_assert_uint_eq(n, 50);
        ck_assert_ptr_null(hmap_first(&m, 8));
        hmap_deinit(&m);
}
END_TEST

START_TEST(out_of_memory) {
        struct hmap_walk w = { 0 };
        struct hmap m = { 0 };
        struct hmap_node stranger = { 0 };

        hmap_remove(&m, &stranger);
        ck_assert_ptr_null(hmap_walk_next(&m, &w));
        mem_fail_at(1);
        ck_assert_int_eq(hmap_insert(&m, &things[0].node, 1), -ENOMEM);
        ck_assert_uint_eq(m.n, 0);
        for (unsigned i = 0; i < 1000; i++) { /* a table that may not grow still takes everything */
                mem_fail_at(i ? 1 : 0);
                things[i].key = i;
                ck_assert_int_eq(hmap_insert(&m, &things[i].node, hash_of(i)), 0);
        }
        mem_fail_at(0);
        hmap_remove(&m, &stranger);
        ck_assert_uint_eq(m.n, 1000);
        for (unsigned i = 0; i < 1000; i++)
                ck_assert_ptr_eq(find(&m, i), &things[i]);
        hmap_deinit(&m);
}
END_TEST

int main(void) {
        Suite *s = suite_create("hmap");
        TCase *t = tcase_create("hmap");

        suite_add_tcase(s, t);
        tcase_set_timeout(t, 60);
        tcase_add_checked_fixture(t, set_up, tear_down);
        tcase_add_test(t, many);
        tcase_add_test(t, remove_while_walking);
        tcase_add_test(t, equal_hashes);
        tcase_add_test(t, out_of_memory);
        return suite_run(s);
}
