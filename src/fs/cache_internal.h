/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What this mount knows of items: their text, their absence, what it has shown to readers.
 *
 * An entry is found by its id (table NUL hash name NUL range name).  State of an entry:
 *
 *      state     snapshot  meaning
 *      PRESENT   set       the item's text as of fetched_ns
 *      PRESENT   NULL      a ghost: text evicted, length, hash and mtime still known
 *      ABSENT    NULL      the service said there is none, as of fetched_ns
 *      UNKNOWN   NULL      invalidated; hash, mtime and served are kept
 *
 * A read that began before this mount's last write of the item is dropped when it arrives: own writes are never
 * overwritten by older data, nor when their entry was evicted meanwhile.  Byte-bounded: snapshots go first, then ghosts, least
 * recently used.  Thread-safe; one short lock, nothing is asked of anybody under it.
 */
#include <stdatomic.h>
#include "ddbfs/base/error.h"
#include "ddbfs/base/hmap.h"
#include "ddbfs/base/list.h"
#include "ddbfs/base/mutex.h"
#include "ddbfs/base/str.h"

/* One version of an item's text.  Immutable, shared. */
struct snapshot {
        atomic_uint refs;
        uint64_t hash; /* of the text */
        size_t n;
        char text[];
};
_must_check_ int snapshot_new(struct str text, struct snapshot **ret);
/* Only to hold n bytes, which the caller writes, until the kernel has them: it has no hash. */
_must_check_ int snapshot_room(size_t n, struct snapshot **ret);
uint64_t snapshot_hash(struct str text); /* what a snapshot of it has as `hash`; of this process only */
struct snapshot *snapshot_ref(struct snapshot *s);
struct snapshot *snapshot_unref(struct snapshot *s);
DEFINE_CLEANUP(struct snapshot, snapshot_unref)

enum cache_state { CACHE_UNKNOWN, CACHE_PRESENT, CACHE_ABSENT };

struct cache_view {
        enum cache_state state;
        struct snapshot *snapshot; /* a reference for the caller; NULL for ghosts and others */
        uint64_t n, hash, mtime_ns;
        uint64_t fetched_ns;
};
void cache_view_deinit(struct cache_view *v);

struct cache;
_must_check_ int cache_new(size_t max_bytes, uint64_t first_mtime_ns, struct cache **ret);
struct cache *cache_free(struct cache *c);

/* What is known and not older than max_age_ns (UINT64_MAX: any age); CACHE_UNKNOWN otherwise.
 * with_text: a ghost counts as unknown. */
void cache_get(struct cache *c, struct str id, uint64_t max_age_ns, bool with_text, struct cache_view *ret);
/* A read that began at start_ns found this text / nothing.  Returns the mtime to show.  Failure to remember
 * (no memory) is no error. */
uint64_t cache_put(struct cache *c, struct str id, struct snapshot *s, uint64_t start_ns);
void cache_put_absent(struct cache *c, struct str id, uint64_t start_ns);
/* Of something whose content is not kept here (an attribute of an item): it has this hash now.  Returns the mtime to
 * show, which moves when the hash does. */
uint64_t cache_seen(struct cache *c, struct str id, uint64_t hash);
/* This mount wrote it (s) or deleted it (NULL), just now. */
void cache_put_own(struct cache *c, struct str id, struct snapshot *s);
void cache_invalidate(struct cache *c, struct str id);
/* When this mount last wrote the item, or everything was flushed: older answers are void.  Never too early. */
uint64_t cache_written_ns(struct cache *c, struct str id);
void cache_flush(struct cache *c); /* everything becomes unknown */

/* What readers of this mount were last shown: the version a save replaces. */
/* When that was, in an order of its own; 0: nothing is known to have been shown. */
uint64_t cache_served_at(struct cache *c, struct str id);
enum cache_base { CACHE_BASE_NONE, CACHE_BASE_SNAPSHOT, CACHE_BASE_HASH };
void cache_serve(struct cache *c, struct str id, struct snapshot *s);
/* since_gone: not what was shown before readers were told that it is gone (for a new file in its place). */
enum cache_base cache_served(struct cache *c, struct str id, bool since_gone, struct snapshot **ret, uint64_t *ret_hash);
