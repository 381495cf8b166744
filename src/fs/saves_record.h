/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What is in the file behind commit=batch (saves_log.c). */
#include "ddbfs/base/arena.h"
#include "ddbfs/base/buf.h"
#include "ddbfs/store/store.h"

/* One save.  Strings without escapes point into the text it was read from. */
struct save_payload {
        enum write_op op;       /* PUT or UPDATE */
        bool exclusive;         /* PUT, of an item that is not to be there yet */
        struct str table;       /* its line (journal_put_table()), without the end */
        struct str path;        /* as the person sees it; has no newline */
        struct item item, base; /* what is saved; UPDATE: and what it was made from */
};

/* A save, or the word that one is done with.  Appended; buf_status(out) tells. */
void save_record(struct buf *out, uint64_t seq, const struct save_payload *p);
void save_record_done(struct buf *out, uint64_t seq);

struct save_record {
        uint64_t seq;
        struct str whole, payload; /* parts of the text; payload: of a save */
        bool is_save;
};
/* The record `rest` begins with, off it.  false: the end, or what a crash has torn; *rest stays as it is. */
bool save_record_next(struct str *rest, struct save_record *ret);
/* Is there a whole save behind what is damaged?  The end of a file that a crash has torn has none. */
bool save_record_follows(struct str rest);
/* The line of a save's table; no text: it is no save. */
struct str save_payload_table(struct str payload);
/* 0, -EINVAL or -ENOMEM. */
_must_check_ int save_payload_parse(struct str payload, struct arena *a, struct save_payload *ret);
