/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What each program was shown (readers.c), and which version a save replaces (bases.c). */
#include "cache_internal.h"
#include "ddbfs/fs/fs.h"

struct place;

struct program {
        uint32_t id, session; /* 0: unknown */
};

enum base_kind { BASE_NONE, BASE_SNAPSHOT, BASE_HASH, BASE_ABSENT /* of an attribute: there was none */ };

/* A version that a save replaces. */
struct base {
        enum base_kind kind;
        struct snapshot *snapshot; /* a reference; NULL: only its hash is known */
        uint64_t hash;
};

/* What a save replaces: nothing known (n == 0), one version, or one of several, oldest first.  last_wins: the last is
 * what was shown last, the others its session has replaced since. */
#define BASES_MAX 4
struct bases {
        struct program program; /* whose save it is */
        uint32_t n;
        bool last_wins;
        struct base v[BASES_MAX];
};

/* ---- what each program was shown (readers.c) ---- */
_must_check_ int readers_new(struct fs *fs);
void readers_free(struct fs *fs);
struct program program_of(struct fs *fs, const struct op_ctx *ctx);
/* A reader is given this version: the last one that the mount has served, and what this program knows. */
void serve(struct fs *fs, struct program p, struct str id, struct snapshot *text);
/* It has saved this version, replacing that one; its save was refused; it has deleted the item. */
void readers_saved(struct fs *fs, struct program p, struct str id, const struct base *replaced, struct snapshot *text);
void readers_refused(struct fs *fs, struct program p, struct str id);
void readers_forget(struct fs *fs, struct program p, struct str id);
/* The item has another key now: what was its one text is the other (NULL: it is the same), and this program (0: none)
 * has seen to that without having read it. */
void readers_moved(struct fs *fs, struct program p, struct str from, struct str to, const struct snapshot *was,
                   struct snapshot *text);
/* One version: what the program itself has read or saved last. */
bool readers_knows(struct fs *fs, struct program p, struct str id, struct bases *ret);
/* What programs of its session have read, each version once, oldest first, the newest among them.  true: any. */
bool readers_related(struct fs *fs, struct program p, struct str id, struct bases *ret);
/* As that, of versions that saves of its session have replaced: texts that are here, newest first, room left for one. */
void readers_used(struct fs *fs, struct program p, struct str id, struct bases *ret);

/* ---- which version a save replaces (bases.c) ---- */
void bases_set(struct bases *b, struct snapshot *text); /* this one; the reference is taken over; NULL: none */
void bases_copy(struct bases *to, const struct bases *from);
void bases_deinit(struct bases *b); /* the program stays */
/* What a save by this program replaces: what it knows, else what its session knows, else what readers of this mount
 * were shown last.  since_gone: see cache_served().  *ret is overwritten; for bases_deinit(). */
void bases_find(struct fs *fs, struct program p, struct str id, bool since_gone, struct bases *ret);
/*
 * The program has not read the item itself, others of its session have read several versions: the text was made from
 * the one that it differs least from, and from the older of two.  One that it does not differ from at all is no sign
 * of anything: the text may have got the same value from an older one, and a change be lost in that.  last_wins: the
 * last, unless another is nearer.  *ret borrows.
 */
_must_check_ int bases_choose(struct fs *fs, const struct place *p, const struct bases *b, const struct item *text,
                              struct arena *a, struct base *ret, struct error *e);
_must_check_ int base_parse(struct fs *fs, const struct place *p, const struct base *b, struct arena *a,
                            struct item *ret, struct error *e);
