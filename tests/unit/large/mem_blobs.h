/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Objects in memory, for tests: struct blobs_ops over a list.  It counts calls and bytes, can fail or hold them, and
 * sees a call that comes with a lock held.  Thread-safe.
 */
#include "ddbfs/store/blobs.h"

enum blob_op { BLOB_PUT, BLOB_BEGIN, BLOB_PART, BLOB_FINISH, BLOB_READ, BLOB_HEAD, BLOB_REMOVE, BLOB_LIST, BLOB_ABORT, _BLOB_OP_N };

struct mem_blobs;
struct mem_blobs *mem_blobs_new(void);
struct mem_blobs *mem_blobs_free(struct mem_blobs *b);
struct blobs *mem_blobs_face(struct mem_blobs *b);

/* From outside: make, change, look. */
void mem_blob_put(struct mem_blobs *b, const char *bucket, const char *key, struct str data);
bool mem_blob_delete(struct mem_blobs *b, struct str key);
size_t mem_blob_count(struct mem_blobs *b);
size_t mem_blob_uploads(struct mem_blobs *b); /* multipart uploads neither finished nor aborted */
/* The key of object i, in byte order; valid until it is removed. */
struct str mem_blob_key(struct mem_blobs *b, size_t i);
bool mem_blob_has(struct mem_blobs *b, struct str key);
/* Turn a byte of object i over. */
void mem_blob_spoil(struct mem_blobs *b, size_t i);
void mem_blob_age(struct mem_blobs *b, int64_t seconds); /* all objects and uploads are older by that */

unsigned mem_blob_calls(struct mem_blobs *b, enum blob_op op);
uint64_t mem_blob_bytes_read(struct mem_blobs *b);
size_t mem_blob_largest_parts(struct mem_blobs *b); /* bytes of parts in flight at once, at most */
unsigned mem_blob_lock_violations(struct mem_blobs *b);
void mem_blob_reset_calls(struct mem_blobs *b);
/* The nth call of op from now, and times - 1 after it, fail with this kind.  applied: the work was done all the same. */
void mem_blob_fail(struct mem_blobs *b, enum blob_op op, unsigned nth, unsigned times, enum error_kind kind, bool applied);
void mem_blob_delay_us(struct mem_blobs *b, unsigned us);
