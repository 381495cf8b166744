/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Names <-> keys (PRODUCT section 2, Names): a bijection.  Pure.
 *
 * An encoded name longer than NAME_PIECE_MAX bytes is a path of several components, all but the last
 * ending in "%+" (keyname_piece, keyname_chain_ok).
 */
#include "ddbfs/base/buf.h"
#include "ddbfs/store/value.h"

#define NAME_PIECE_MAX 240    /* bytes of a component, ".json" not counted */
#define NAME_CHAIN_PREFIX 238 /* of a piece before "%+" */
#define NAME_ENCODED_MAX 8192 /* 2,048 bytes, three for each, and more */

enum { _KEYNAME_E_SUCCESS, KEYNAME_E_MALFORMED /* not the canonical encoding of any value of this type */ };

/* Text (UTF-8) to name.  view: in index views, where ',' is encoded too. */
void keyname_encode_text(struct buf *out, struct str text, bool view);
/* 0, KEYNAME_E_MALFORMED, or -ENOMEM.  Refuses anything keyname_encode_text would not have produced. */
_must_check_ int keyname_decode_text(struct buf *out, struct str name, bool view);

/* A key part to its (unsplit) name: S as text, N canonical, B base64url.  Never empty. */
void keyname_encode(struct buf *out, const struct key_part *part, bool view);
/* Name to a key part of this type; text is built in out (part->text points into it: keep it). */
_must_check_ int keyname_decode(struct buf *out, struct str name, enum value_type type, bool view, struct key_part *ret);
/* Limits of keys: 1..2048 bytes for a hash key, 1..1024 for a range key, valid UTF-8 for S, canonical for N. */
bool keyname_key_valid(const struct key_part *part, bool range);

/* The first component of an encoded name: the whole when it is short enough (*ret_last = true), else the
 * longest prefix of at most 238 bytes that splits no escape and no UTF-8 character (the "%+" is not in
 * *ret_piece; the caller appends it).  Returns the number of bytes of name consumed. */
size_t keyname_piece(struct str name, struct str *ret_piece, bool *ret_last);
static inline bool keyname_is_chain(struct str component) {
        return str_ends(component, STR("%+"));
}
/* A chain component is canonical only if the whole name, once complete, splits into exactly these
 * components: check with the joined name when the last one is known.  The components are as in the path,
 * "%+" included, but the last one without ".json"; joined is without any "%+". */
bool keyname_chain_ok(struct str joined, const struct str *components, size_t n);
