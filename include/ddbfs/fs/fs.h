/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The file system without FUSE: nodes, attributes, directories, open files, over a store.
 *
 * Every call takes the operation's context first, may be made from any thread at once, blocks for at most
 * the context's deadline, and returns 0 or -errno; what went wrong is told to the person here (log,
 * .ddbfs/errors.jsonl, xattr), so the caller just forwards the errno.  Nodes are 64-bit numbers, never
 * reused; FS_ROOT is the root.  Names are single path components, untrusted.
 */
#include <sys/types.h>
#include <sys/stat.h>
#include "ddbfs/base/op_ctx.h"
#include "ddbfs/base/buf.h"
#include "ddbfs/codec/item_text.h"
#include "ddbfs/store/store.h"

#define FS_ROOT UINT64_C(1)
#define FS_FOREVER UINT64_MAX

enum fs_write_mode { FS_WRITE_OPTIMISTIC, FS_WRITE_OVERWRITE };
enum fs_show { FS_SHOW_LISTED, FS_SHOW_TABLES, FS_SHOW_ALL };

struct fs_options {
        const char *tables;       /* comma separated names, globs, ARNs; NULL or "*": all.  Borrowed */
        const char *state_dir;    /* folder of this endpoint: spool, rejected, journal; NULL: none.  Borrowed */
        const char *mount_id;     /* names this mountpoint's own spool in it; a plain file name.  Borrowed */
        uint64_t grace_ns;        /* how long an item renamed to a scratch name stays in the table */
        uint64_t spool_max;       /* bytes of scratch files */
        uint64_t rejected_max;    /* bytes of rejected texts: the oldest leave when there are more */
        const char *config_json;  /* what .ddbfs/config.json shows; borrowed, no secrets */
        /* Which program (thread group) and session a thread belongs to, 0 what is unknown; NULL: asks the kernel. */
        void (*program_of)(uint32_t pid, uint32_t *ret_program, uint32_t *ret_session);
        void (*render_requests)(struct buf *out); /* what .ddbfs/requests.jsonl shows; may be NULL */
        bool read_only;
        bool commit_batch;        /* a save is in the journal when close returns, in the table later */
        bool consistent;          /* every base-table read is strong */
        bool no_readahead;        /* do not recognise crawls and read ahead of them */
        bool xattrs;              /* false: ENOTSUP for all */
        enum fs_show show;        /* TABLES: the root lists no indexes; ALL: the not-listed names are listed too */
        uint64_t cache_ttl_ns;    /* FS_FOREVER: until invalidated */
        uint64_t schema_ttl_ns;   /* of table descriptions */
        size_t cache_size;        /* bytes */
        unsigned parallel;        /* requests in flight that one operation can have */
        uint64_t max_wcu;         /* write units a second the store keeps to; 0: as many as the service gives */
        struct item_text_options text;
        enum fs_write_mode write_mode;
        uid_t uid;
        gid_t gid;
        mode_t umask;
};

struct fs;

/* What the file system asks of the kernel's caches; set by the fuse layer before the first request.
 * attr: forget the attributes of a node (safe inside a request).  content: forget pages and attributes,
 * entry: forget a name; these two are queued and done outside any request. */
struct fs_notify {
        void *arg;
        void (*attr)(void *arg, uint64_t node);
        void (*content)(void *arg, uint64_t node);
        void (*entry)(void *arg, uint64_t parent, struct str name);
        void (*wait)(void *arg, uint64_t until_ns); /* until what was queued is done, or that time */
        /* The whole content of a file for the page cache, so that reading it asks nothing; what fails, or is not taken,
         * is read as usual.  Any of the functions may be NULL. */
        void (*store)(void *arg, uint64_t node, struct str content);
};

/* store is borrowed and must outlive the fs. */
_must_check_ int fs_new(const struct fs_options *o, struct store *store, struct fs **ret);
struct fs *fs_free(struct fs *fs);
DEFINE_CLEANUP(struct fs, fs_free)
void fs_set_notify(struct fs *fs, const struct fs_notify *notify);
/* Does the service answer, do the tables exist?  For the start: one clear line in reterr when not. */
_must_check_ int fs_probe(struct fs *fs, struct op_ctx *ctx, struct error *reterr);
/* Commit what is still open; called once, before the unmount ends. */
void fs_shutdown(struct fs *fs, struct op_ctx *ctx);

struct fs_attr {
        uint64_t ino;         /* stable over remounts */
        mode_t mode;          /* type and permissions */
        uint32_t nlink;
        uint64_t size;
        uint64_t mtime_ns;    /* since the epoch */
        uid_t uid;
        gid_t gid;
        uint64_t valid_ns;    /* how long the kernel may keep these */
};

struct fs_entry {
        uint64_t node;        /* one lookup count is the caller's (fs_forget); 0: a cacheable "no such name" */
        struct fs_attr attr;
        uint64_t valid_ns;    /* how long the kernel may keep the name */
};

_must_check_ int fs_lookup(struct fs *fs, struct op_ctx *ctx, uint64_t parent, struct str name, struct fs_entry *ret);
void fs_forget(struct fs *fs, uint64_t node, uint64_t n_lookups);

struct fs_file; /* an open file */
struct fs_dir;  /* an open directory */

_must_check_ int fs_getattr(struct fs *fs, struct op_ctx *ctx, uint64_t node, struct fs_file *file /* or NULL */,
                            struct fs_attr *ret);
/* size: the new length, or NULL.  Modes, owners and times are accepted and ignored. */
_must_check_ int fs_setattr(struct fs *fs, struct op_ctx *ctx, uint64_t node, struct fs_file *file,
                            const uint64_t *size, struct fs_attr *ret);
_must_check_ int fs_mkdir(struct fs *fs, struct op_ctx *ctx, uint64_t parent, struct str name, struct fs_entry *ret);
_must_check_ int fs_rmdir(struct fs *fs, struct op_ctx *ctx, uint64_t parent, struct str name);
_must_check_ int fs_unlink(struct fs *fs, struct op_ctx *ctx, uint64_t parent, struct str name);
_must_check_ int fs_symlink(struct fs *fs, struct op_ctx *ctx, uint64_t parent, struct str name, struct str target,
                            struct fs_entry *ret);
_must_check_ int fs_readlink(struct fs *fs, struct op_ctx *ctx, uint64_t node, struct buf *out);
/* flags: RENAME_NOREPLACE, RENAME_EXCHANGE */
_must_check_ int fs_rename(struct fs *fs, struct op_ctx *ctx, uint64_t parent, struct str name, uint64_t new_parent,
                           struct str new_name, unsigned flags);

struct fs_opened {
        struct fs_file *file;
        bool direct_io;   /* bypass the page cache */
        bool keep_cache;  /* what the page cache holds is still this version */
        bool no_flush;    /* close need not be told */
};

_must_check_ int fs_open(struct fs *fs, struct op_ctx *ctx, uint64_t node, int flags, struct fs_opened *ret);
_must_check_ int fs_create(struct fs *fs, struct op_ctx *ctx, uint64_t parent, struct str name, int flags,
                           struct fs_entry *ret, struct fs_opened *ret_opened);
/* What keeps the bytes of a read where they are. */
struct fs_hold {
        void *of; /* NULL: nothing */
        void (*done)(void *of);
};

/* *ret borrows from the open file and stays valid until fs_read_done(*ret_hold), which may come after the file's release;
 * 0 bytes at the end. */
_must_check_ int fs_read(struct fs *fs, struct op_ctx *ctx, struct fs_file *file, uint64_t offset, size_t n,
                         struct str *ret, struct fs_hold *ret_hold);
void fs_read_done(struct fs_hold hold);
_must_check_ int fs_write(struct fs *fs, struct op_ctx *ctx, struct fs_file *file, uint64_t offset, struct str data);
_must_check_ int fs_flush(struct fs *fs, struct op_ctx *ctx, struct fs_file *file);
_must_check_ int fs_fsync(struct fs *fs, struct op_ctx *ctx, struct fs_file *file);
void fs_release(struct fs *fs, struct op_ctx *ctx, struct fs_file *file);

_must_check_ int fs_opendir(struct fs *fs, struct op_ctx *ctx, uint64_t node, struct fs_dir **ret);
/*
 * Entries from `offset` on (0: the beginning, else a next_offset given earlier).  fill returns false when its
 * buffer is full: that entry was not taken.  plus: entry->node holds a lookup count of the caller's when fill
 * took it ("." and ".." have none: node 0).  Without plus only ino and mode are set.  An error after the first
 * entry taken is kept for the next call.
 */
typedef bool (*fs_fill)(void *arg, struct str name, const struct fs_entry *entry, uint64_t next_offset);
_must_check_ int fs_readdir(struct fs *fs, struct op_ctx *ctx, struct fs_dir *dir, uint64_t offset, bool plus,
                            fs_fill fill, void *arg);
/* Waits until what was unlinked is deleted and the journal of saves (commit_batch) is sent; tells what could not be. */
_must_check_ int fs_fsyncdir(struct fs *fs, struct op_ctx *ctx, struct fs_dir *dir);
void fs_releasedir(struct fs *fs, struct fs_dir *dir);

_must_check_ int fs_getxattr(struct fs *fs, struct op_ctx *ctx, uint64_t node, const char *name, struct buf *out);
_must_check_ int fs_listxattr(struct fs *fs, struct op_ctx *ctx, uint64_t node, struct buf *out);
_must_check_ int fs_setxattr(struct fs *fs, struct op_ctx *ctx, uint64_t node, const char *name, struct str value);
_must_check_ int fs_removexattr(struct fs *fs, struct op_ctx *ctx, uint64_t node, const char *name);

struct fs_space {
        uint64_t block_size, blocks, free, files, files_free;
        uint32_t name_max;
};
void fs_statfs(struct fs *fs, struct fs_space *ret); /* never a request */
