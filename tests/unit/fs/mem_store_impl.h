/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Shared by mem_store.c (items, helpers, faults) and mem_store_ops.c (the face). */
#include "ddbfs/base/mutex.h"
#include "mem_store.h"

struct mem_item {
        struct arena arena;
        struct item item;
        struct key key; /* points into item */
        uint64_t hash;
};

struct mem_table_of_items {
        struct table_schema *schema;
        struct mem_item **v; /* sorted by compare_place() */
        size_t n, cap;
        bool dropped;
};

struct mem_fault {
        unsigned nth, times;
        enum error_kind kind;
        bool applied;
};

struct mem_hook {
        unsigned nth;
        void (*fn)(struct mem_store *, void *);
        void *arg;
};

#define MEM_TABLES_MAX 64
#define MEM_TEXTS 16

struct mem_store {
        struct store face;
        struct mutex lock; /* everything below */
        struct cond cond;
        struct mem_table_of_items tables[MEM_TABLES_MAX];
        size_t n_tables;
        uint32_t page_size;
        bool empty_pages, count_one_more;
        enum mem_segments segments;
        unsigned pages;
        unsigned delay_us, item_bytes;
        unsigned calls[_MEM_OP_N], strong_reads, lock_violations;
        struct mem_fault faults[_MEM_OP_N];
        struct mem_hook hooks[_MEM_OP_N];
        enum error_kind fail_all, deny;
        const char *denied; /* table */
        bool hold[_MEM_OP_N], hold_after[_MEM_OP_N];
        unsigned n_held[_MEM_OP_N];
        char *texts[MEM_TEXTS];
        unsigned next_text;
};

extern const struct store_ops mem_store_ops;

/* All with the lock held. */
struct mem_table_of_items *mem_find_table(struct mem_store *m, struct str name);
/* Index of the first item at or after the key; *ret_found: it is at it. */
size_t mem_seek(const struct mem_table_of_items *t, const struct key *key, bool *ret_found);
struct mem_item *mem_find_item(const struct mem_table_of_items *t, const struct key *key);
/* 0 or -ENOMEM / -EINVAL, and then nothing has changed. */
int mem_item_new(const struct mem_table_of_items *t, const struct item *item, struct mem_item **ret);
void mem_item_free(struct mem_item *i);
int mem_reserve(struct mem_table_of_items *t, size_t n);
void mem_insert(struct mem_table_of_items *t, struct mem_item *i); /* room must be there; replaces */
void mem_remove(struct mem_table_of_items *t, const struct key *key);

/* Around the work of an op.  begin: 0 with the lock held, or -errno without.  end: takes the lock and the op's
 * status, gives back the final one. */
struct mem_call {
        struct mem_store *m;
        struct op_ctx *ctx;
        enum mem_op op;
        enum error_kind lost; /* fail after the work */
};
int mem_begin(struct mem_call *c, struct mem_store *m, struct op_ctx *ctx, enum mem_op op, bool strong,
              struct error *e);
int mem_end(struct mem_call *c, int r, struct error *e);
