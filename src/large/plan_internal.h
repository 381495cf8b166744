/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What becomes of one write: which claims mean which objects, what goes to S3, what is sent, and what of it is garbage
 * afterwards (plan.c); which attributes to move (choose.c).
 */
#include "large_internal.h"

struct object { /* of an attribute of the item that is written */
        struct str attr;
        struct blob_name name;
};

struct objects {
        struct object *v; /* room for all attributes there can be */
        uint32_t n;
};

struct plan {
        struct large_store *ls;
        const struct write *w;
        struct arena *arena;    /* borrowed: of all plans of a request */
        struct key key;
        struct write out;       /* what is sent */
        struct item item;       /* PUT: its item */
        struct attribute *set;  /* UPDATE */
        struct condition *conditions;
        struct objects fresh;
        struct attribute *moved; /* of the fresh: what they were made of */
        struct items now;       /* the item, read before; has_now */
        bool has_now;
        bool old_wanted;        /* what the write replaces does not follow from its conditions */
        bool batch;             /* it is sent where there are no conditions; set after plan_init() */
};

/* 0: the write can go as it is.  1: there is something to do. */
bool plan_needed(const struct large_store *ls, const struct write *w);
/* A PUT of which something goes to S3, or comes from there. */
bool plan_moves(const struct large_store *ls, const struct write *w);
/* Of a write with this many attributes and conditions at most; everything in the arena. */
_must_check_ int plan_init(struct plan *p, struct large_store *ls, const struct write *w, struct arena *a, struct error *e);
void plan_deinit(struct plan *p);
struct large_owner plan_owner(const struct plan *p, struct str attr);
/* Read the item, once. */
_must_check_ int plan_read(struct plan *p, struct op_ctx *ctx, struct error *e);

enum { _PLAN_E_SUCCESS, PLAN_E_CONDITION /* a condition cannot hold: *e is what a store says then */ };
/* Claims become references, large values objects: p->out is ready to be sent.  0, PLAN_E_CONDITION or -errno. */
_must_check_ int plan_make(struct plan *p, struct op_ctx *ctx, struct error *e);
/* A condition did not hold: is there one on content that is kept in S3?  Then p->out is on its reference.  1: send it
 * again; 0: no; or -errno. */
_must_check_ int plan_again(struct plan *p, struct op_ctx *ctx, struct error *e);
/* How the write ended; old: the item as it was, where that is known. */
void plan_done(struct plan *p, const struct item *old);
void plan_failed(struct plan *p, const struct error *e);
/* The fresh references of an item get their content where fill() would fetch it. */
_must_check_ int plan_fill(const struct plan *p, struct item *item, struct arena *a);

/* Mark what goes to S3: of PUT's item, or of UPDATE's set and (w->item) of what is not changed, which is then in set
 * too, with a condition.  0, or -EFBIG. */
_must_check_ int plan_choose(struct plan *p, bool *chosen /* of p->item, p->set */, struct error *e);
