/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams: see stream_internal.h.
 *
 *      writer  finished   state
 *      yes     no         being written
 *      yes     yes        the object is there; the item does not refer to it yet
 *      no      yes        it does: saved
 */
#include "fs_internal.h"
#include "stream_internal.h"
#include "ddbfs/store/large.h"

#define VALUE_ARENA_MAX (64 * KIB)
#define COPY_PIECE MIB

struct stream {
        struct fs *fs;
        struct place place;         /* its key and name */
        struct large_writer *writer;
        uint64_t size;
        bool finished, text;
        struct arena arena;         /* of value */
        struct value value;
        char cut[4];                /* the beginning of a character whose end has not come yet */
        uint8_t n_cut;
};

static const struct large_ops *ops_of(const struct stream *x) {
        return x->fs->store->ops->large;
}

static int copy_place(const struct place *from, struct place *to) {
        int r;

        *to = (struct place){ .kind = NODE_ATTR, .level = LEVEL_ATTR, .table = table_schema_ref(from->table),
                              .attr = BUF_INIT(NAME_ENCODED_MAX), .attr_id = BUF_INIT(ATTR_ID_MAX) };
        r = place_set_key(to, &from->key);
        buf_str(&to->attr, buf_view(&from->attr));
        return r ? r : buf_status(&to->attr);
}

static int begin(struct stream *x, struct op_ctx *ctx, struct error *e) {
        struct large_owner owner = { .table = x->place.table, .key = x->place.key, .attr = buf_view(&x->place.attr) };

        return ops_of(x)->begin(x->fs->store, ctx, &owner, &x->writer, e);
}

static int alloc(struct fs *fs, const struct place *p, struct stream **ret, struct error *e) {
        struct stream *x = mem_zalloc(sizeof(*x));
        int r = x ? copy_place(p, &x->place) : -ENOMEM;

        if (r) {
                if (x)
                        place_deinit(&x->place);
                mem_free(x);
                return error_set_errno(e, r, "writing");
        }
        x->fs = fs;
        x->text = true;
        x->arena = ARENA_INIT(VALUE_ARENA_MAX);
        *ret = x;
        return 0;
}

int stream_new(struct fs *fs, struct op_ctx *ctx, const struct place *p, struct stream **ret, struct error *e) {
        struct stream *x = NULL;
        int r = alloc(fs, p, &x, e);

        if (r == 0)
                r = begin(x, ctx, e);
        if (r)
                stream_free(x, ctx);
        else
                *ret = x;
        return r;
}

int stream_of_value(struct fs *fs, const struct place *p, const struct value *v, struct stream **ret, struct error *e) {
        struct stream *x = NULL;
        int r = alloc(fs, p, &x, e);

        if (r)
                return r;
        if (value_copy(&x->arena, v, &x->value)) {
                stream_free(x, NULL);
                return error_set(e, ERR_MEMORY, "out of memory");
        }
        x->size = v->large->size;
        x->text = v->large->type == VALUE_S;
        x->finished = true;
        *ret = x;
        return 0;
}

uint64_t stream_size(const struct stream *x) {
        return x->size;
}

bool stream_is_text(const struct stream *x) {
        return x->text && x->n_cut == 0;
}

/* ---- UTF-8, piece by piece ---- */

/* How many bytes the character has that begins with this one. */
static size_t character_length(char c) {
        unsigned char lead = (unsigned char)c;

        return lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
}

/* Bytes at the end that begin a character and do not end it. */
static size_t cut_at_end(struct str s) {
        for (size_t n = 1; n <= MIN(s.n, (size_t)3); n++) {
                char c = s.p[s.n - n];

                if (((unsigned char)c & 0xC0) != 0x80)
                        return character_length(c) > n ? n : 0;
        }
        return 0;
}

static void note_text(struct stream *x, struct str data) {
        size_t n;

        while (x->text && x->n_cut > 0 && data.n > 0) {
                x->cut[x->n_cut++] = data.p[0];
                data = str_skip(data, 1);
                if (x->n_cut == character_length(x->cut[0])) {
                        x->text = utf8_valid(str_make(x->cut, x->n_cut));
                        x->n_cut = 0;
                }
        }
        if (!x->text || data.n == 0)
                return;
        n = cut_at_end(data);
        x->text = utf8_valid(str_make(data.p, data.n - n));
        memcpy(x->cut, data.p + data.n - n, n);
        x->n_cut = (uint8_t)n;
}

/* ---- writing ---- */

int stream_content(struct stream *x, struct op_ctx *ctx, int (*take)(void *arg, struct str piece), void *arg,
                   struct error *e) {
        _cleanup_(buf_deinit) struct buf piece = BUF_INIT(COPY_PIECE);
        struct large_reader *in = NULL;
        size_t n;
        int r = buf_reserve(&piece, COPY_PIECE) ? ops_of(x)->open(x->fs->store, ctx, &x->value, &in, e)
                                                : error_set(e, ERR_MEMORY, "out of memory");

        for (uint64_t at = 0; r == 0 && at < x->size; at += n) {
                r = ops_of(x)->read(in, ctx, at, COPY_PIECE, piece.p, &n, e);
                if (r == 0)
                        r = take(arg, str_make(piece.p, n));
        }
        ops_of(x)->close(in);
        return r;
}

struct appending {
        struct stream *x;
        struct op_ctx *ctx;
        struct error *e;
};

static int append_piece(void *arg, struct str piece) {
        struct appending *a = arg;

        return ops_of(a->x)->append(a->x->writer, a->ctx, piece, a->e);
}

/* It was saved and is written on: what is there is copied into a new object. */
static int write_on(struct stream *x, struct op_ctx *ctx, struct error *e) {
        struct appending a = { x, ctx, e };
        int r = begin(x, ctx, e);

        if (r == 0)
                r = stream_content(x, ctx, append_piece, &a, e);
        if (r)
                stream_written(x, ctx, r, e);
        x->finished = r != 0; /* still as it was saved */
        return r;
}

int stream_append(struct stream *x, struct op_ctx *ctx, struct str data, struct error *e) {
        int r = 0;

        if (x->finished && x->writer) /* its save has failed */
                return error_set(e, ERR_INTERNAL, "the attribute could not be saved");
        if (x->finished)
                r = write_on(x, ctx, e);
        if (r == 0 && !x->writer)
                r = error_set(e, ERR_INTERNAL, "the attribute could not be written");
        if (r == 0)
                r = ops_of(x)->append(x->writer, ctx, data, e);
        if (r)
                return r;
        note_text(x, data);
        x->size += data.n;
        return 0;
}

int stream_finish(struct stream *x, struct op_ctx *ctx, enum value_type type, struct arena *a, struct value *ret,
                  struct error *e) {
        int r = 0;

        if (!x->finished) {
                if (!x->writer)
                        return error_set(e, ERR_INTERNAL, "the attribute could not be written");
                arena_reset(&x->arena);
                r = ops_of(x)->finish(x->writer, ctx, type, &x->arena, &x->value, e);
                x->finished = r == 0;
        }
        if (r == 0 && value_copy(a, &x->value, ret))
                return error_set(e, ERR_MEMORY, "out of memory");
        return r;
}

int stream_complete(struct stream *x, struct op_ctx *ctx, struct error *e) {
        struct arena a = ARENA_INIT(VALUE_ARENA_MAX);
        struct value ignored;
        int r = x->writer ? stream_finish(x, ctx, VALUE_B, &a, &ignored, e) : error_set(e, ERR_INTERNAL, "there is no object");

        arena_deinit(&a);
        return r;
}

void stream_leave(struct stream *x, struct op_ctx *ctx, struct buf *ret) {
        const struct large_ref *l = x->value.large;

        buf_printf(ret, "s3://%.*s/%.*s", (int)l->bucket.n, l->bucket.p, (int)l->key.n, l->key.p);
        ops_of(x)->end(x->writer, ctx, 0, NULL);
        x->writer = NULL;
}

void stream_written(struct stream *x, struct op_ctx *ctx, int r, const struct error *e) {
        if (x->writer)
                ops_of(x)->end(x->writer, ctx, r, e);
        x->writer = NULL;
        if (r)
                x->finished = false;
}

struct stream *stream_free(struct stream *x, struct op_ctx *ctx) {
        const struct error given_up = { .kind = ERR_INPUT };
        struct op_ctx own;

        if (!x)
                return NULL;
        op_ctx_init(&own, "upload", NS_PER_S * 5);
        if (x->writer)
                ops_of(x)->end(x->writer, ctx ? ctx : &own, -EINVAL, &given_up);
        op_ctx_deinit(&own);
        place_deinit(&x->place);
        arena_deinit(&x->arena);
        return mem_free(x);
}
