/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A store in memory, for tests: struct store_ops over sorted arrays of items.  It counts calls, can fail or hold
 * them, and can have its items changed underneath whoever uses it.  Thread-safe.  A wrong use of the helpers (unknown
 * table, bad text) fails the running test.
 *
 * Scan order is that of a hash of the partition key, then of the sort key: partitions stay together, as in the
 * service.  Pages end after page_size items evaluated.
 */
#include "ddbfs/store/store.h"

enum mem_op {
        MEM_LIST_TABLES,
        MEM_DESCRIBE,
        MEM_GET,
        MEM_BATCH_GET,
        MEM_QUERY,
        MEM_SCAN,
        MEM_WRITE,
        MEM_BATCH_WRITE,
        MEM_TRANSACT_WRITE,
        MEM_TRANSACT_GET,
        _MEM_OP_N,
};

struct mem_store;

struct mem_store *mem_store_new(void);
struct mem_store *mem_store_free(struct mem_store *m);
struct store *mem_store_face(struct mem_store *m);

/* Keys as "Name:S"; range may be NULL. */
void mem_table(struct mem_store *m, const char *name, const char *hash, const char *range);
/* An attribute as "Name:S", the key of an index that is not there (yet) to be read: only its type is declared. */
void mem_declare(struct mem_store *m, const char *table, const char *attr);
void mem_drop_table(struct mem_store *m, const char *name);
/* Text in the plain format, keys included: put, whatever was there. */
void mem_put(struct mem_store *m, const char *table, const char *text);
void mem_putf(struct mem_store *m, const char *table, const char *format, ...) _printf_(3, 4);
/* An item of only its key, from raw key bytes. */
void mem_put_key(struct mem_store *m, const char *table, struct str hash, struct str range);
bool mem_delete(struct mem_store *m, const char *table, const char *hash, const char *range);
void mem_clear(struct mem_store *m, const char *table);
size_t mem_count(struct mem_store *m, const char *table);
/* The item as compact plain text without the newline, or NULL: there is none.  Freed by the store, valid until the
 * 16th next call. */
const char *mem_text(struct mem_store *m, const char *table, const char *hash, const char *range);

unsigned mem_calls(struct mem_store *m, enum mem_op op);
unsigned mem_all_calls(struct mem_store *m);
unsigned mem_writes(struct mem_store *m); /* of all kinds */
unsigned mem_strong_reads(struct mem_store *m);
void mem_reset_calls(struct mem_store *m);
/* Calls made while the calling thread held a lock. */
unsigned mem_lock_violations(struct mem_store *m);

void mem_set_page_size(struct mem_store *m, uint32_t items);
/* Every second page comes empty, with a next token. */
void mem_set_empty_pages(struct mem_store *m, bool on);
/* A Query page that its size has cut says it has evaluated one item more: the one that did not fit. */
void mem_set_count_one_more(struct mem_store *m, bool on);
/* What a segmented scan without a start key shows.  RANGES: stretches of the scan's order, as the service. */
enum mem_segments { MEM_SEGMENTS_RANGES, MEM_SEGMENTS_SCATTERED, MEM_SEGMENTS_IGNORED };
void mem_set_segments(struct mem_store *m, enum mem_segments how);
/* What a scan is billed for: each item evaluated.  0, at first: half a unit, whatever it was. */
void mem_set_item_bytes(struct mem_store *m, unsigned bytes);
void mem_set_delay_us(struct mem_store *m, unsigned us);

/* The nth call of op from now (1: the next) and `times - 1` after it fail with this kind.  applied: the work was
 * done all the same (the answer was lost). */
void mem_fail(struct mem_store *m, enum mem_op op, unsigned nth, unsigned times, enum error_kind kind, bool applied);
/* Every call of every op fails, until ERR_NONE. */
void mem_fail_all(struct mem_store *m, enum error_kind kind);
/* Every write with anything for this table in it fails, until ERR_NONE.  The name is borrowed. */
void mem_deny(struct mem_store *m, const char *table, enum error_kind kind);

/* Calls of op wait before their work (or, after: with the answer in hand) until released, cancelled or out of time. */
void mem_hold(struct mem_store *m, enum mem_op op, bool after);
void mem_release(struct mem_store *m, enum mem_op op);
/* Wait until n calls of op are being held; fails the test after some seconds. */
void mem_wait_held(struct mem_store *m, enum mem_op op, unsigned n);
unsigned mem_held(struct mem_store *m, enum mem_op op); /* how many are */

/* Run fn before the nth call of op from now does its work; the store is unlocked meanwhile. */
void mem_before(struct mem_store *m, enum mem_op op, unsigned nth, void (*fn)(struct mem_store *, void *), void *arg);
