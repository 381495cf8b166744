/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A store of tables: the interface between the file system and whatever holds the items (ddb/, later a
 * wrapper that keeps large attributes in S3).  Calls block; any number of threads may call at once;
 * none may hold a lock.  All return 0 or -errno with *reterr filled (base/error.h).
 * Requests are retried, interrupted and bounded in time inside; ctx counts requests and capacity.
 */
#include "ddbfs/base/buf.h"
#include "ddbfs/base/op_ctx.h"
#include "ddbfs/store/schema.h"

struct store {
        const struct store_ops *ops;
};

struct large_ops;  /* store/large.h */
struct items_body; /* private: a response body strings point into */

/* What a read returns.  Items live in the arena; their strings may point into the bodies. */
struct items {
        struct arena arena;
        struct items_body *bodies; /* owned */
        size_t body_bytes;         /* of all bodies */
        uint32_t n;
        uint32_t cap;              /* private: room in v */
        struct item *v;            /* n items */
        struct item *next;         /* LastEvaluatedKey: give it as `start` of the next page; NULL: the end */
        uint64_t count;            /* items of this page that passed the filters; == n but for a count request */
        uint64_t scanned;          /* items evaluated before filtering */
};
#define ITEMS_ARENA_MAX (256 * MIB) /* of the arena, and of the bodies */
void items_init(struct items *p);
void items_deinit(struct items *p); /* empty and usable afterwards */
/* The same; the memory of the body adopted last, where it is at most max bytes, is now *body's, which is empty: for the
 * next answer.  What *body had is freed. */
void items_deinit_keeping(struct items *p, size_t max, struct buf *body);
/* Take over the bytes of body (empty afterwards, on failure too) for strings to point into.
 * 0, -ENOMEM, -EFBIG (over ITEMS_ARENA_MAX) or the body's own error. */
_must_check_ int items_adopt(struct items *p, struct buf *body, struct str *ret);
/* One more item, without attributes, at the end of v (which may move); NULL: no memory. */
_must_check_ struct item *items_add(struct items *p);

struct names {          /* a list of names, owned */
        struct arena arena;
        uint32_t n;
        struct str *v;
        struct str next; /* start of the next page; n == 0: the end */
};
void names_init(struct names *p);
void names_deinit(struct names *p); /* empty and usable afterwards */

/* ---- reads ---- */

struct get_request {
        const struct table_schema *table;
        struct key key;
        bool consistent;
        const struct str *projection; /* top-level attribute names; NULL: all */
        uint32_t n_projection;
};

enum range_op { RANGE_ANY, RANGE_EQ, RANGE_BEGINS_WITH, RANGE_BETWEEN, RANGE_GE, RANGE_LE, RANGE_GT, RANGE_LT };

struct filter { /* attribute = value, or = other */
        struct str attr;
        struct value value;
        struct value other; /* VALUE_NULL: there is no other */
};

struct query_request {
        const struct table_schema *table;
        const struct index_schema *index; /* NULL: the table */
        struct key hash;                  /* all hash attributes, in the order of the key schema */
        struct key range;                 /* the leading n range attributes; the last one takes range_op (ANY: =), the
                                           * others = */
        enum range_op range_op;
        struct key_part range_end;        /* RANGE_BETWEEN */
        bool reverse;                     /* descending */
        bool consistent;
        bool count;                       /* Select=COUNT */
        uint32_t limit;                   /* items to evaluate; 0: a page of 1 MB */
        const struct str *projection;
        uint32_t n_projection;
        const struct filter *filters;     /* all must hold */
        uint32_t n_filters;
        const struct item *start;         /* exclusive; NULL: from the beginning */
};

struct scan_request {
        const struct table_schema *table;
        const struct index_schema *index;
        uint32_t segment, total_segments; /* 0, 0: not segmented */
        bool consistent;
        bool count;
        uint32_t limit;
        const struct str *projection;
        uint32_t n_projection;
        const struct filter *filters;
        uint32_t n_filters;
        const struct item *start;
};

/* Where the pages of a parallel scan go.  Called by the thread that scans, no lock held. */
struct scan_sink {
        void *arg;
        /* May one more page be asked for?  wait: nothing is under way: come back when it may; false then: stop. */
        bool (*room)(void *arg, bool wait);
        /* A page that room was made for, the scan's again when this returns; items->next says nothing.  Not 0 stops all. */
        int (*page)(void *arg, struct items *page, struct error *);
};

/* ---- writes ---- */

enum condition_op { COND_EXISTS, COND_NOT_EXISTS, COND_EQ };

struct condition { /* all conditions of a write must hold */
        enum condition_op op;
        struct str attr;
        const struct value *value; /* COND_EQ */
};

enum write_op { WRITE_PUT, WRITE_UPDATE, WRITE_DELETE, WRITE_CHECK };

struct write {
        enum write_op op;
        const struct table_schema *table;
        struct key key;                 /* UPDATE, DELETE, CHECK */
        const struct item *item;        /* PUT: the whole item, key attributes included.  UPDATE: the same, as it will be if
                                         * nobody else changes it, or NULL: what can be moved to S3 to make it fit */
        const struct attribute *set;    /* UPDATE: SET each */
        uint32_t n_set;
        const struct str *remove;       /* UPDATE: REMOVE each */
        uint32_t n_remove;
        const struct condition *conditions;
        uint32_t n_conditions;
        bool return_old;                /* write(): ret_new is the item as it was (n = 0: there was none, or after a repeat
                                         * it is not known) */
};

/* Where the writes of a stream come from.  Called by the thread that sends them, no lock held. */
struct write_source {
        void *arg;
        /* The next PUT or DELETE without conditions, valid until it is done; NULL: there is none now.  wait: nothing is
         * under way: come back when there is one; NULL then: the end. */
        struct write *(*next)(void *arg, bool wait);
        /* It is through: 0, or -errno and why: refused on its own account. */
        void (*done)(void *arg, struct write *w, int result, const struct error *why);
};

/* How large the expressions of a write are as the service counts them, by the text ddb/ sends. */
struct write_measure {
        size_t update_len, condition_len;       /* bytes */
        uint32_t update_ops, condition_ops;     /* operators and functions */
        size_t placeholder_bytes;               /* names and values behind all placeholders */
};
#define EXPRESSION_MAX 4096           /* bytes of one expression */
#define EXPRESSION_OPERATORS_MAX 300
#define EXPRESSION_VALUES_MAX (2 * MIB)
struct write_measure write_measure(const struct write *w);
/* Within the service's limits of one write's expressions; if not, PUT the whole item instead.  The values of an UPDATE
 * with its item may be of any size: the large ones become references. */
bool write_fits(const struct write *w);

/*
 * The ops of a store.  Optional members may be NULL.  An items or names to be returned is initialised by
 * the caller; what it held is replaced on success only, so `start` may point into it.  Keys in requests
 * have all attributes of the table's key schema, of its types.
 */
typedef void (*describe_sink)(void *arg, uint32_t i, int r, struct table_schema *schema, const struct error *error);

struct store_ops {
        int (*list_tables)(struct store *, struct op_ctx *, struct str start, struct names *ret, struct error *);
        int (*describe)(struct store *, struct op_ctx *, struct str table, struct table_schema **ret, struct error *);
        /* Many at once.  sink is told of each as it comes: r and error as of describe(), schema a reference to keep.
         * -EINTR, -ETIMEDOUT, -ENOMEM: of the rest it is not told.  May be NULL: see store_describe_all(). */
        int (*describe_all)(struct store *, struct op_ctx *, const struct str *tables, uint32_t n, describe_sink sink,
                            void *arg, struct error *);
        /* ret->n is 0 (no such item, on the service's word) or 1 */
        int (*get)(struct store *, struct op_ctx *, const struct get_request *, struct items *ret, struct error *);
        /* Any number of keys of one table, with one projection and consistency (the first request's): batches of
         * 100, several in flight, the unprocessed resent; ret in no order, each item once, absent ones missing */
        int (*batch_get)(struct store *, struct op_ctx *, const struct get_request *, uint32_t n, struct items *ret,
                         struct error *);
        int (*query)(struct store *, struct op_ctx *, const struct query_request *, struct items *ret, struct error *);
        int (*scan)(struct store *, struct op_ctx *, const struct scan_request *, struct items *ret, struct error *);
        /* The whole of a table or index (q: without segment, limit, start) in that many segments, several pages in flight
         * at once, in no order but within a segment.  0: every page was given.  May be NULL: see store_scan_all(). */
        int (*scan_all)(struct store *, struct op_ctx *, const struct scan_request *, uint32_t segments,
                        const struct scan_sink *, struct error *);
        /* One write.  ret_new (may be NULL): the item as it is afterwards for UPDATE (ALL_NEW), n = 0 for the
         * others.  ERR_CONDITION when a condition did not hold.  A write whose answer was lost is sent again;
         * where the repeat meets its own first attempt (condition fails, but the item is what we wrote) it
         * counts as done. */
        int (*write)(struct store *, struct op_ctx *, const struct write *, struct items *ret_new, struct error *);
        /* Any number of PUT and DELETE without conditions: BatchWriteItem of 25, several in flight at once, the
         * unprocessed resent, writes of one key in their order.  results[i] is 0 or -errno of write i; returns the
         * first error or 0.  A write the service refuses on its own account does not stop the others; any other
         * failure does, and then the rest have its status though those under way may have been done. */
        int (*batch_write)(struct store *, struct op_ctx *, const struct write *, uint32_t n, int *results,
                           struct error *);
        /* The same for a stream of them, of any length, as they come.  0: all are done; otherwise those that were not told
         * to be may or may not have been.  May be NULL: see store_write_all(). */
        int (*write_all)(struct store *, struct op_ctx *, const struct write_source *, struct error *);
        /* All or nothing, at most 100.  ERR_CANCELLED: error->action is the first guilty write; error->code
         * its reason ("ConditionalCheckFailed" ...).  Conflicts with other transactions are retried. */
        int (*transact_write)(struct store *, struct op_ctx *, const struct write *, uint32_t n, struct error *);
        /* One snapshot of at most 100; ret->v[i] belongs to request i, absent: ret->v[i].attributes == NULL */
        int (*transact_get)(struct store *, struct op_ctx *, const struct get_request *, uint32_t n, struct items *ret,
                            struct error *);
        /* ---- of a store that keeps large attributes in S3 (store/large.h); NULL for others ---- */
        const struct large_ops *large;
        /* The request as text: operation, a space, the JSON body.  For user.ddbfs.request. */
        int (*explain_get)(struct store *, const struct get_request *, struct buf *out);
        int (*explain_query)(struct store *, const struct query_request *, struct buf *out);
        int (*explain_scan)(struct store *, const struct scan_request *, struct buf *out);
        void (*free)(struct store *);
};

/* describe_all, or one after the other where the store has none. */
_must_check_ int store_describe_all(struct store *s, struct op_ctx *ctx, const struct str *tables, uint32_t n,
                                    describe_sink sink, void *arg, struct error *reterr);
/* scan_all, or page after page where the store has none. */
_must_check_ int store_scan_all(struct store *s, struct op_ctx *ctx, const struct scan_request *q, uint32_t segments,
                                const struct scan_sink *sink, struct error *reterr);
#define SCAN_SEGMENTS_MAX 64
/* write_all, or one batch_write after the other where the store has none. */
_must_check_ int store_write_all(struct store *s, struct op_ctx *ctx, const struct write_source *source,
                                 struct error *reterr);

#define TRANSACT_MAX 100
#define BATCH_WRITE_MAX 25
#define BATCH_GET_MAX 100

struct store *store_free(struct store *s); /* NULL is fine; returns NULL */
DEFINE_CLEANUP(struct store, store_free)
