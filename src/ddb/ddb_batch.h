/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Many small units (keys to get, writes to do) in batches, several in flight, until each unit is done.  The loop
 * and its back-off are here; what a batch says and what its answer means are the user's.  Private to ddb/.
 */
#include "ddb_store.h"
#include "ddbfs/base/hmap.h"

#define UNIT_NONE UINT32_MAX
#define BATCH_MAX BATCH_GET_MAX /* the larger of both */

struct unit {
        const struct table_schema *table;
        struct key_part key[2];  /* n_key of them */
        uint32_t n_key;
        uint32_t next;           /* in the queue of those ready to be sent */
        uint32_t successor;      /* of the same key: becomes ready when this one is done */
        bool done;
        bool alone;              /* in a batch of its own: one of its batch was refused, we do not know which */
        struct hmap_node node;
};

struct batch {
        struct batch *all, *idle; /* lists */
        struct exchange x;
        uint64_t started_ns;
        uint32_t n;
        uint32_t pick[BATCH_MAX];
};

struct batch_run;

struct batch_ops {
        const char *operation;
        uint32_t max;        /* units in a batch */
        bool drop_repeats;   /* one unit of each key is enough; else they go one after the other */
        /* The body of b's units; 0 or a builder's status. */
        int (*build)(struct batch_run *run, struct batch *b);
        /* The answer: items (NULL: none wanted) and what is left.  0 or -errno: stop everything. */
        int (*parse)(struct batch_run *run, struct buf *body, struct ddb_lefts *left, struct ddb_usage *usage);
        /* Unit i is through; result is 0 or -errno (refused on its own account, and why). */
        void (*done)(struct batch_run *run, uint32_t i, int result, const struct error *why);
        /* A stream (else NULL): one unit more by batch_run_add(), in the place i; false: there is none now.  wait: nothing is
         * under way: come back when there is one; false then: the end. */
        bool (*more)(struct batch_run *run, uint32_t i, bool wait);
};

struct batch_run {
        const struct batch_ops *ops;
        struct ddb_store *store;
        struct op_ctx *ctx;
        bool write;               /* which capacity it costs */
        uint32_t n, open;         /* units, and those not done */
        struct unit *units;
        struct hmap last;         /* the last unit of each key */
        uint32_t head, tail;      /* the queue of ready ones */
        uint32_t n_ready;         /* in it */
        uint32_t unused;          /* of a stream: the places without a unit */
        struct batch *all, *idle;
        uint32_t in_flight;
        /* back-off: while level > 0 one batch is in flight at a time, as a probe */
        unsigned level, stalls;
        uint64_t gate_set_ns, gate_ns; /* no batch starts before gate_ns */
        struct items *items;      /* where answers are kept while they are parsed */
        struct error error;       /* of what stopped the run */
        struct error first;       /* of the first unit refused on its own account */
};

_must_check_ int batch_run_init(struct batch_run *run, uint32_t n);
void batch_run_deinit(struct batch_run *run);
/* Unit i (each once, in order; of a stream: in the place given).  0 or -ENOMEM. */
_must_check_ int batch_run_add(struct batch_run *run, uint32_t i, const struct table_schema *table,
                               const struct key *key);
void batch_run_refuse(struct batch_run *run, uint32_t i, const struct error *e, int result);
/* Until all are done or something stopped it: 0 or -errno with run->error. */
_must_check_ int batch_run_all(struct batch_run *run);
