/* SPDX-License-Identifier: Apache-2.0 */
/* What goes to S3 and what becomes of it: offload, claims, copies, removal, failures at every step. */
#include <stdio.h>
#include "fixture.h"
#include "../suite.h"

#define BATCH_DELETES 60

#define K64 (64 * KIB)

/* ---- what is offloaded ---- */

START_TEST(test_threshold) {
        struct lx_item i;
        struct lx x;

        lx_init(&x);
        lx_item(&i, "1");
        lx_add(&i, "at", lx_s(lx_bytes(&x, K64, 1)));
        lx_add(&i, "bytes", (struct value){ .type = VALUE_B, .text = lx_bytes(&x, K64 + 1, 2) });
        lx_add(&i, "over", lx_s(lx_bytes(&x, K64 + 1, 3)));
        lx_add(&i, "small", lx_s(STR("x")));
        ck_assert_int_eq(lx_put(&x, &i, NULL), 0);
        ck_assert_uint_eq(mem_blob_count(x.b), 2);
        ck_assert_ptr_null(lx_ref(&x, "1", "at"));
        ck_assert_int_eq(lx_ref(&x, "1", "bytes")->type, VALUE_B);
        ck_assert_int_eq(lx_ref(&x, "1", "over")->type, VALUE_S);
        ck_assert_uint_eq(lx_ref(&x, "1", "over")->size, K64 + 1);
        lx_check(&x, "1", "at", i.a[1].value.text);
        lx_check(&x, "1", "bytes", i.a[2].value.text);
        lx_check(&x, "1", "over", i.a[3].value.text);
        ck_assert(str_starts(mem_blob_key(x.b, 0), STR("p/Docs-")));
        lx_end(&x);
}
END_TEST

/* Attributes below the threshold that do not fit together: the largest goes, no more than must. */
START_TEST(test_largest) {
        struct lx_item i;
        struct lx x;

        lx_init(&x);
        lx_item(&i, "1");
        for (unsigned k = 0; k < 7; k++)
                lx_add(&i, (const char *[]){ "a", "b", "c", "d", "e", "f", "g" }[k],
                       lx_s(lx_bytes(&x, 60 * KIB - (k == 3 ? 0 : 7 + k), k)));
        ck_assert_int_eq(lx_put(&x, &i, NULL), 0);
        ck_assert_uint_eq(mem_blob_count(x.b), 1);
        ck_assert_ptr_nonnull(lx_ref(&x, "1", "d"));
        lx_check(&x, "1", "d", i.a[4].value.text);
        lx_check(&x, "1", "a", i.a[1].value.text);
        lx_end(&x);
}
END_TEST

START_TEST(test_hopeless) {
        struct value many[120];
        struct error e = { 0 };
        struct lx_item i;
        struct lx x;

        lx_init(&x);
        lx_item(&i, "1");
        for (unsigned k = 0; k < ARRAY_LEN(many); k++) /* nothing in a list can be moved */
                many[k] = lx_s(lx_bytes(&x, 4000, k));
        lx_add(&i, "list", (struct value){ .type = VALUE_L, .n = ARRAY_LEN(many), .elements = many });
        ck_assert_int_eq(lx_put(&x, &i, &e), -EFBIG);
        ck_assert_uint_eq(mem_blob_count(x.b), 0);
        ck_assert_uint_eq(mem_writes(x.m), 0);
        lx_end(&x);
}
END_TEST

/* An update that makes the item too large moves what it does not change. */
START_TEST(test_update_moves_others) {
        struct lx_item i, whole;
        struct lx x;
        struct attribute set;
        struct condition absent = { .op = COND_NOT_EXISTS, .attr = STR("z") };
        struct write w;
        struct items now;

        lx_init(&x);
        lx_item(&i, "1");
        for (unsigned k = 0; k < 6; k++)
                lx_add(&i, (const char *[]){ "a", "b", "c", "d", "e", "f" }[k], lx_s(lx_bytes(&x, 63 * KIB - k, k)));
        ck_assert_int_eq(lx_put(&x, &i, NULL), 0);
        ck_assert_uint_eq(mem_blob_count(x.b), 0);
        whole = i;
        whole.item.attributes = whole.a;
        lx_add(&whole, "z", lx_s(lx_bytes(&x, 40 * KIB, 9)));
        set = whole.a[7];
        w = (struct write){ .op = WRITE_UPDATE, .table = x.docs, .key = lx_key("1"), .set = &set, .n_set = 1,
                            .conditions = &absent, .n_conditions = 1, .item = &whole.item };
        items_init(&now);
        ck_assert_int_eq(LX_CALL(x.s->ops->write(x.s, &ctx, &w, &now, NULL)), 0);
        ck_assert_uint_eq(mem_blob_count(x.b), 1);
        ck_assert_ptr_nonnull(lx_ref(&x, "1", "a"));
        ck_assert(item_equal(&now.v[0], &whole.item));
        lx_check(&x, "1", "a", i.a[1].value.text);
        lx_check(&x, "1", "z", whole.a[7].value.text);
        items_deinit(&now);
        lx_end(&x);
}
END_TEST

START_TEST(test_no_bucket) {
        struct lx_item i;
        struct lx x;

        lx_init(&x);
        x.s = store_free(x.s);
        x.o.n_buckets = 0;
        lx_start(&x);
        lx_item(&i, "1");
        lx_add(&i, "text", lx_s(lx_bytes(&x, K64 + 1, 1)));
        ck_assert_int_eq(lx_put(&x, &i, NULL), 0);
        ck_assert_uint_eq(mem_blob_count(x.b), 0);
        i.a[1].value = lx_s(lx_bytes(&x, 500 * KIB, 1));
        ck_assert_int_eq(lx_put(&x, &i, NULL), -EFBIG);
        lx_end(&x);
}
END_TEST

/* ---- replacing ---- */

static void put_text(struct lx *x, const char *id, struct str text) {
        struct lx_item i;

        lx_item(&i, id);
        lx_add(&i, "text", lx_s(text));
        ck_assert_int_eq(lx_put(x, &i, NULL), 0);
}

static int update_text(struct lx *x, const char *id, const struct value *old, const struct value *new, struct error *e) {
        struct condition was = { .op = COND_EQ, .attr = STR("text"), .value = old };
        struct attribute set = { .name = STR("text"), .value = *new };
        struct write w = { .op = WRITE_UPDATE, .table = x->docs, .key = lx_key(id), .set = &set, .n_set = 1,
                           .conditions = &was, .n_conditions = old ? 1 : 0 };

        return LX_CALL(x->s->ops->write(x->s, &ctx, &w, NULL, e));
}

static struct value claim_of(struct lx *x, const struct large_ref *l) {
        struct large_ref *claim = arena_alloc(&x->a, sizeof(*claim));

        ck_assert_ptr_nonnull(claim);
        *claim = *l;
        claim->bucket = claim->key = STR_NULL;
        claim->type = VALUE_NULL;
        return (struct value){ .type = VALUE_LARGE, .large = claim };
}

/* What was replaced goes after the grace time, not before; how: a blind put, an update, a delete. */
START_TEST(test_replaced) {
        struct write del;
        struct value new;
        struct lx x;

        lx_init(&x);
        x.s = store_free(x.s);
        x.o.grace_ns = 300 * NS_PER_MS;
        lx_start(&x);
        put_text(&x, "1", lx_bytes(&x, 100 * KIB, 1));
        if (_i == 0)
                put_text(&x, "1", lx_bytes(&x, 100 * KIB, 2));
        new = lx_s(_i == 1 ? lx_bytes(&x, 100 * KIB, 2) : STR("short"));
        if (_i == 1 || _i == 2) {
                struct value old = claim_of(&x, lx_ref(&x, "1", "text"));

                ck_assert_int_eq(update_text(&x, "1", &old, &new, NULL), 0);
        }
        if (_i == 3)
                ck_assert_int_eq(update_text(&x, "1", NULL, &new, NULL), 0);
        del = (struct write){ .op = WRITE_DELETE, .table = x.docs, .key = lx_key("1") };
        if (_i == 4)
                ck_assert_int_eq(LX_CALL(x.s->ops->write(x.s, &ctx, &del, NULL, NULL)), 0);
        if (_i == 5) {
                int result;

                ck_assert_int_eq(LX_CALL(x.s->ops->batch_write(x.s, &ctx, &del, 1, &result, NULL)), 0);
        }
        if (_i == 6)
                ck_assert_int_eq(LX_CALL(x.s->ops->transact_write(x.s, &ctx, &del, 1, NULL)), 0);
        ck_assert_uint_eq(mem_blob_count(x.b), _i < 2 ? 2 : 1);
        lx_sleep(50 * NS_PER_MS);
        ck_assert_uint_eq(mem_blob_count(x.b), _i < 2 ? 2 : 1);
        lx_wait_objects(&x, _i < 2 ? 1 : 0);
        if (_i < 2)
                lx_check(&x, "1", "text", lx_bytes(&x, 100 * KIB, 2));
        lx_end(&x);
}
END_TEST

/* Items that are deleted together are read some at a time; where they cannot be read they are deleted all the same. */
START_TEST(test_deleted_together) {
        static char ids[BATCH_DELETES][8];
        struct write del[BATCH_DELETES];
        int results[BATCH_DELETES];
        struct lx x;

        lx_init(&x);
        for (unsigned i = 0; i < BATCH_DELETES; i++) {
                (void)snprintf(ids[i], sizeof(ids[i]), "%u", i);
                put_text(&x, ids[i], lx_bytes(&x, i % 10 == 0 ? 100 * KIB : 10, i));
                del[i] = (struct write){ .op = WRITE_DELETE, .table = x.docs, .key = lx_key(ids[i]) };
        }
        ck_assert_uint_eq(mem_blob_count(x.b), BATCH_DELETES / 10);
        mem_reset_calls(x.m);
        if (_i == 1)
                mem_fail(x.m, MEM_BATCH_GET, 1, 1, ERR_ACCESS, false);
        ck_assert_int_eq(LX_CALL(x.s->ops->batch_write(x.s, &ctx, del, BATCH_DELETES, results, NULL)), 0);
        ck_assert_uint_eq(mem_calls(x.m, MEM_BATCH_GET), _i == 1 ? 1 : 2);
        for (unsigned i = 0; i < BATCH_DELETES; i++) {
                ck_assert_int_eq(results[i], 0);
                ck_assert_uint_eq(lx_get(&x, ids[i]).n, 0);
        }
        if (_i == 0)
                lx_wait_objects(&x, 0);
        lx_end(&x);
}
END_TEST

/* At unmount nothing waits for the grace time. */
START_TEST(test_replaced_at_unmount) {
        struct lx x;

        lx_init(&x);
        x.s = store_free(x.s);
        x.o.grace_ns = 1000 * NS_PER_S;
        lx_start(&x);
        put_text(&x, "1", lx_bytes(&x, 100 * KIB, 1));
        put_text(&x, "1", lx_bytes(&x, 100 * KIB, 2));
        ck_assert_uint_eq(mem_blob_count(x.b), 2);
        x.s = store_free(x.s);
        ck_assert_uint_eq(mem_blob_count(x.b), 1);
        lx_start(&x);
        lx_check(&x, "1", "text", lx_bytes(&x, 100 * KIB, 2));
        lx_end(&x);
}
END_TEST

/* ---- claims ---- */

START_TEST(test_claim_keeps) {
        struct lx_item i;
        struct lx x;
        struct str key;

        lx_init(&x);
        put_text(&x, "1", lx_bytes(&x, 100 * KIB, 1));
        key = lx_ref(&x, "1", "text")->key;
        lx_item(&i, "1");
        lx_add(&i, "more", lx_s(STR("new")));
        lx_add(&i, "text", claim_of(&x, lx_ref(&x, "1", "text")));
        ck_assert_int_eq(lx_put(&x, &i, NULL), 0);
        ck_assert(str_eq(lx_ref(&x, "1", "text")->key, key));
        lx_sleep(3 * GRACE_NS);
        ck_assert_uint_eq(mem_blob_count(x.b), 1);
        lx_check(&x, "1", "text", lx_bytes(&x, 100 * KIB, 1));
        lx_end(&x);
}
END_TEST

static void replace_underneath(struct mem_store *m, void *arg) {
        (void)arg;
        mem_put(m, "Docs", "{\"Id\":\"1\",\"text\":\"somebody else's\"}");
}

/* Between finding the object and writing, somebody replaces it: nothing is lost, nothing dangles. */
START_TEST(test_claim_races) {
        struct error e = { 0 };
        struct lx_item i;
        struct lx x;

        lx_init(&x);
        put_text(&x, "1", lx_bytes(&x, 100 * KIB, 1));
        lx_item(&i, "1");
        lx_add(&i, "text", claim_of(&x, lx_ref(&x, "1", "text")));
        mem_before(x.m, MEM_WRITE, 1, replace_underneath, NULL);
        ck_assert_int_eq(lx_put(&x, &i, &e), -ESTALE);
        ck_assert_str_eq(mem_text(x.m, "Docs", "1", NULL), "{\"Id\":\"1\",\"text\":\"somebody else's\"}");
        lx_end(&x);
}
END_TEST

START_TEST(test_claim_copies) {
        struct lx_item i;
        struct error e = { 0 };
        struct write del;
        struct lx x;

        lx_init(&x);
        put_text(&x, "1", lx_bytes(&x, _i ? 9 * MIB : 100 * KIB, 1));
        lx_item(&i, "2");
        lx_add(&i, "text", claim_of(&x, lx_ref(&x, "1", "text")));
        ck_assert_int_eq(lx_put(&x, &i, NULL), 0);
        ck_assert_uint_eq(mem_blob_count(x.b), 2);
        ck_assert(!str_eq(lx_ref(&x, "1", "text")->key, lx_ref(&x, "2", "text")->key));
        del = (struct write){ .op = WRITE_DELETE, .table = x.docs, .key = lx_key("1") };
        ck_assert_int_eq(LX_CALL(x.s->ops->write(x.s, &ctx, &del, NULL, NULL)), 0);
        lx_wait_objects(&x, 1);
        lx_check(&x, "2", "text", lx_bytes(&x, _i ? 9 * MIB : 100 * KIB, 1));
        /* of what nobody has seen */
        lx_item(&i, "3");
        lx_add(&i, "text", claim_of(&x, &(struct large_ref){ .size = 5 }));
        ck_assert_int_eq(lx_put(&x, &i, &e), -EINVAL);
        ck_assert_ptr_nonnull(strstr(e.message, "\"text\""));
        ck_assert_ptr_null(mem_text(x.m, "Docs", "3", NULL));
        lx_end(&x);
}
END_TEST

/* The object is gone since: that is said in the terms of the text, or of the item that is renamed. */
START_TEST(test_copy_of_nothing) {
        struct lx_item i;
        struct error e = { 0 };
        struct lx x;

        lx_init(&x);
        put_text(&x, "1", lx_bytes(&x, 100 * KIB, 1));
        lx_item(&i, "2");
        lx_add(&i, "text", _i ? (struct value){ .type = VALUE_LARGE, .large = lx_ref(&x, "1", "text") }
                              : claim_of(&x, lx_ref(&x, "1", "text")));
        ck_assert(mem_blob_delete(x.b, lx_ref(&x, "1", "text")->key));
        ck_assert_int_eq(lx_put(&x, &i, &e), _i ? -EIO : -EINVAL);
        ck_assert_ptr_nonnull(strstr(e.message, "\"text\""));
        ck_assert_ptr_null(mem_text(x.m, "Docs", "2", NULL));
        lx_end(&x);
}
END_TEST

START_TEST(test_claim_condition) {
        struct error e = { 0 };
        struct value old, wrong, new;
        struct lx x;

        lx_init(&x);
        new = lx_s(STR("new"));
        put_text(&x, "1", lx_bytes(&x, 100 * KIB, 1));
        old = claim_of(&x, lx_ref(&x, "1", "text"));
        wrong = claim_of(&x, &(struct large_ref){ .size = 100 * KIB });
        ck_assert_int_eq(update_text(&x, "1", &wrong, &new, &e), -ESTALE);
        ck_assert_int_eq(e.kind, ERR_CONDITION);
        ck_assert_uint_eq(mem_blob_count(x.b), 1);
        ck_assert_int_eq(update_text(&x, "1", &old, &new, NULL), 0);
        ck_assert_str_eq(mem_text(x.m, "Docs", "1", NULL), "{\"Id\":\"1\",\"text\":\"new\"}");
        lx_wait_objects(&x, 0);
        lx_end(&x);
}
END_TEST

/* A condition on content that was given inline. */
START_TEST(test_inline_condition) {
        struct value old, new;
        struct lx x;

        lx_init(&x);
        old = lx_s(lx_bytes(&x, 100 * KIB, 1));
        new = lx_s(STR("new"));
        put_text(&x, "1", old.text);
        ck_assert_int_eq(update_text(&x, "1", &new, &new, NULL), -ESTALE);
        ck_assert_int_eq(update_text(&x, "1", &old, &new, NULL), 0);
        lx_wait_objects(&x, 0);
        lx_end(&x);
}
END_TEST

/* ---- renames ---- */

START_TEST(test_move) {
        struct write w[2];
        struct lx_item i;
        struct lx x;

        lx_init(&x);
        put_text(&x, "1", lx_bytes(&x, 100 * KIB, 1));
        lx_item(&i, "2");
        lx_add(&i, "text", (struct value){ .type = VALUE_LARGE, .large = lx_ref(&x, "1", "text") });
        w[0] = (struct write){ .op = WRITE_PUT, .table = x.docs, .item = &i.item };
        w[1] = (struct write){ .op = WRITE_DELETE, .table = x.docs, .key = lx_key("1") };
        if (_i == 1)
                mem_fail(x.m, MEM_TRANSACT_WRITE, 1, 1, ERR_VALIDATION, false);
        ck_assert_int_eq(LX_CALL(x.s->ops->transact_write(x.s, &ctx, w, 2, NULL)), _i ? -EINVAL : 0);
        lx_wait_objects(&x, 1);
        lx_check(&x, _i ? "1" : "2", "text", lx_bytes(&x, 100 * KIB, 1));
        lx_end(&x);
}
END_TEST

/* A reference that another tool copied: read, but never the cause of a removal. */
START_TEST(test_not_ours) {
        struct lx_item i;
        struct write w;
        struct lx x;

        lx_init(&x);
        put_text(&x, "1", lx_bytes(&x, 100 * KIB, 1));
        lx_item(&i, "2");
        lx_add(&i, "text", (struct value){ .type = VALUE_LARGE, .large = lx_ref(&x, "1", "text") });
        w = (struct write){ .op = WRITE_PUT, .table = x.docs, .item = &i.item };
        ck_assert_int_eq(LX_CALL(mem_store_face(x.m)->ops->write(mem_store_face(x.m), &ctx, &w, NULL, NULL)), 0);
        lx_check(&x, "2", "text", lx_bytes(&x, 100 * KIB, 1));
        w = (struct write){ .op = WRITE_DELETE, .table = x.docs, .key = lx_key("2") };
        ck_assert_int_eq(LX_CALL(x.s->ops->write(x.s, &ctx, &w, NULL, NULL)), 0);
        lx_sleep(3 * GRACE_NS);
        ck_assert_uint_eq(mem_blob_count(x.b), 1);
        lx_check(&x, "1", "text", lx_bytes(&x, 100 * KIB, 1));
        lx_end(&x);
}
END_TEST

/* ---- failures ---- */

/* op of the store (or, from _BLOB_OP_N on, the table's write) that fails; applied: the answer was lost. */
static const struct {
        const char *name;
        int blob_op;
        enum error_kind kind;
        bool applied;
        size_t size;
        int r;
        bool new;          /* what the item holds afterwards */
        size_t left;       /* objects left once all is quiet, besides the one referred to */
} failures[] = {
        { "put refused", BLOB_PUT, ERR_ACCESS, false, 100 * KIB, -EACCES, false, 0 },
        { "put lost", BLOB_PUT, ERR_TIMEOUT, true, 100 * KIB, -ETIMEDOUT, false, 0 },
        { "begin refused", BLOB_BEGIN, ERR_ACCESS, false, 9 * MIB, -EACCES, false, 0 },
        { "part fails", BLOB_PART, ERR_SERVICE, false, 9 * MIB, -EIO, false, 0 },
        { "finish fails", BLOB_FINISH, ERR_SERVICE, false, 9 * MIB, -EIO, false, 0 },
        { "finish lost", BLOB_FINISH, ERR_TIMEOUT, true, 9 * MIB, -ETIMEDOUT, false, 0 },
        { "write refused", _BLOB_OP_N, ERR_CONDITION, false, 100 * KIB, -ESTALE, false, 0 },
        { "write not sent", _BLOB_OP_N, ERR_CONNECT, false, 100 * KIB, -EHOSTUNREACH, false, 0 },
        { "write lost", _BLOB_OP_N, ERR_TIMEOUT, true, 100 * KIB, -ETIMEDOUT, true, 1 },
};

START_TEST(test_failure) {
        struct error e = { 0 };
        struct lx_item i;
        struct lx x;
        struct str old, new;
        int r;

        lx_init(&x);
        old = lx_bytes(&x, 100 * KIB, 1);
        new = lx_bytes(&x, failures[_i].size, 2);
        put_text(&x, "1", old);
        if (failures[_i].blob_op == _BLOB_OP_N)
                mem_fail(x.m, MEM_WRITE, 1, 1, failures[_i].kind, failures[_i].applied);
        else
                mem_blob_fail(x.b, (enum blob_op)failures[_i].blob_op, 1, 1, failures[_i].kind, failures[_i].applied);
        lx_item(&i, "1");
        lx_add(&i, "text", lx_s(new));
        r = lx_put(&x, &i, &e);
        ck_assert_msg(r == failures[_i].r, "%s: %d", failures[_i].name, r);
        lx_check(&x, "1", "text", failures[_i].new ? new : old);
        lx_sleep(2 * GRACE_NS);
        lx_wait_objects(&x, 1 + failures[_i].left);
        ck_assert_uint_eq(mem_blob_uploads(x.b), 0);
        lx_check(&x, "1", "text", failures[_i].new ? new : old);
        /* and it can be saved again */
        ck_assert_int_eq(lx_put(&x, &i, NULL), 0);
        lx_check(&x, "1", "text", new);
        lx_end(&x);
}
END_TEST

/* No allocation that fails leaves an item without its content. */
START_TEST(test_memory) {
        struct error e = { 0 };
        struct lx_item i;
        struct lx x;
        bool done = false;
        struct str text[2];

        lx_init(&x);
        text[0] = lx_bytes(&x, 100 * KIB, 1);
        text[1] = lx_bytes(&x, 100 * KIB, 2);
        put_text(&x, "1", text[0]);
        for (unsigned long n = 1; !done && n < 300; n++) {
                lx_item(&i, "1");
                lx_add(&i, "text", lx_s(text[n % 2]));
                mem_fail_at(n);
                done = lx_put(&x, &i, &e) == 0;
                mem_fail_at(0);
                ck_assert(done || e.kind == ERR_MEMORY || e.kind == ERR_VALIDATION);
                if (!done) /* the old one is there */
                        ck_assert_ptr_nonnull(lx_ref(&x, "1", "text"));
                else
                        lx_check(&x, "1", "text", text[n % 2]);
                done = done && n > 40;
        }
        ck_assert(done);
        lx_end(&x);
}
END_TEST

/* ---- reading ---- */

START_TEST(test_fill) {
        struct lx x;
        struct item item;
        struct error e = { 0 };
        struct str text;

        lx_init(&x);
        x.s = store_free(x.s);
        x.o.inline_max = 100 * KIB;
        lx_start(&x);
        text = lx_bytes(&x, 100 * KIB, 1);
        put_text(&x, "1", text);
        put_text(&x, "2", lx_bytes(&x, 100 * KIB + 1, 1));
        item = lx_get(&x, "2");
        ck_assert(!x.s->ops->large->unfilled(x.s, &item));
        item = lx_get(&x, "1");
        ck_assert(x.s->ops->large->unfilled(x.s, &item));
        ck_assert_int_eq(LX_CALL(x.s->ops->large->fill(x.s, &ctx, &item, &x.a, NULL)), 0);
        ck_assert(item.attributes[1].value.large->inlined && str_eq(item.attributes[1].value.large->content, text));
        ck_assert(!x.s->ops->large->unfilled(x.s, &item));
        mem_blob_spoil(x.b, 0);
        mem_blob_spoil(x.b, 1);
        item = lx_get(&x, "1");
        ck_assert_int_eq(LX_CALL(x.s->ops->large->fill(x.s, &ctx, &item, &x.a, &e)), -EIO);
        ck_assert_ptr_nonnull(strstr(e.message, "SHA-256"));
        lx_end(&x);
}
END_TEST

START_TEST(test_names) {
        struct table_schema other = { .name = STR("Docs"), .arn = STR("arn:other") };
        struct large_owner o, not;
        struct lx x;
        struct str key;

        lx_init(&x);
        put_text(&x, "1", lx_bytes(&x, 100 * KIB, 1));
        key = lx_ref(&x, "1", "text")->key;
        o = (struct large_owner){ .table = x.docs, .key = lx_key("1"), .attr = STR("text") };
        ck_assert(large_owns(&o, key));
        ck_assert(large_owns(&o, str_skip(key, 2)));  /* whatever the prefix */
        ck_assert(!large_owns(&o, str_skip(key, 3))); /* but not into the table's name */
        ck_assert(!large_owns(&o, str_make(key.p, key.n - 1)));
        not = o;
        not.attr = STR("texts");
        ck_assert(!large_owns(&not, key));
        not = o;
        not.key = lx_key("11");
        ck_assert(!large_owns(&not, key));
        not = o;
        not.table = &other; /* the same name elsewhere */
        ck_assert(!large_owns(&not, key));
        lx_end(&x);
}
END_TEST

int main(void) {
        Suite *s = suite_create("large-store");
        TCase *t = tcase_create("all");

        tcase_set_timeout(t, 60);
        tcase_add_test(t, test_threshold);
        tcase_add_test(t, test_largest);
        tcase_add_test(t, test_hopeless);
        tcase_add_test(t, test_update_moves_others);
        tcase_add_test(t, test_no_bucket);
        tcase_add_loop_test(t, test_replaced, 0, 7);
        tcase_add_loop_test(t, test_deleted_together, 0, 2);
        tcase_add_test(t, test_replaced_at_unmount);
        tcase_add_test(t, test_claim_keeps);
        tcase_add_test(t, test_claim_races);
        tcase_add_loop_test(t, test_claim_copies, 0, 2);
        tcase_add_loop_test(t, test_copy_of_nothing, 0, 2);
        tcase_add_test(t, test_claim_condition);
        tcase_add_test(t, test_inline_condition);
        tcase_add_loop_test(t, test_move, 0, 2);
        tcase_add_test(t, test_not_ours);
        tcase_add_loop_test(t, test_failure, 0, ARRAY_LEN(failures));
        tcase_add_test(t, test_memory);
        tcase_add_test(t, test_fill);
        tcase_add_test(t, test_names);
        suite_add_tcase(s, t);
        return suite_run(s);
}
