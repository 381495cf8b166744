/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects of tables that do not exist any more.  Below the prefix of all objects each table has a folder, NAME-H
 * (large/large.h), where H is of its ARN.  It is a dropped table's when the service knows none of that name and H is what
 * the ARN of one would give here: another account's or region's table of the same name has another.
 */
#include <fnmatch.h>
#include <stdio.h>
#include "fsck_internal.h"

#define HASH 16 /* hex digits */

/* ---- what the table was ---- */

/* Of "arn:...:table/NAME" all up to the name; of another text nothing. */
static struct str arn_head(struct str arn) {
        const struct str marker = STR(":table/");

        for (size_t i = 0; i + marker.n <= arn.n; i++)
                if (memcmp(arn.p + i, marker.p, marker.n) == 0)
                        return str_make(arn.p, i + marker.n);
        return STR_NULL;
}

/* A table that does exist: the others' ARNs begin as its own does.  NULL: there is none. */
static int any_table(struct fsck *f, struct table_schema **ret, struct error *e) {
        struct store *s = f->service.tables;
        _cleanup_(names_deinit) struct names page;
        int r;

        names_init(&page);
        r = s->ops->list_tables(s, f->ctx, STR_NULL, &page, e);
        if (r == 0 && page.n > 0)
                r = s->ops->describe(s, f->ctx, page.v[0], ret, e);
        return r;
}

/* An ARN of another account or region: the service we ask does not speak for that one. */
static int not_ours(struct error *e, struct str arn) {
        return error_set(e, ERR_NO_TABLE, "whether there is a table %.*s cannot be known here: it is of another account or region",
                         (int)MIN(arn.n, (size_t)200), arn.p);
}

static int fill(struct fsck *f, struct str name, struct table_schema *t, struct error *e) {
        _cleanup_(table_schema_unrefp) struct table_schema *other = NULL;
        struct str head = arn_head(name), bare = str_skip(name, head.n), ours;
        _cleanup_(buf_deinit) struct buf arn = BUF_INIT(4 * KIB);
        int r = any_table(f, &other, e);

        if (r)
                return r;
        if (!other)
                return error_set(e, ERR_NO_TABLE, "there is no table at all: which objects were this one's cannot be known");
        ours = arn_head(other->arn);
        if (head.n > 0 && !str_eq(head, ours))
                return not_ours(e, name);
        if (ours.n > 0) {
                buf_str(&arn, ours);
                buf_str(&arn, bare);
        }
        r = arena_dup(&t->arena, bare, &t->name);
        if (r == 0 && !(r = buf_status(&arn)))
                r = arena_dup(&t->arena, buf_view(&arn), &t->arn);
        return r ? error_set_errno(e, r, "table") : 0;
}

int fsck_dropped_table(struct fsck *f, struct str name, struct table_schema **ret, struct error *e) {
        _cleanup_(table_schema_unrefp) struct table_schema *t = NULL;
        int r = table_schema_new(&t);

        r = r ? error_set_errno(e, r, "table") : fill(f, name, t, e);
        if (r == 0)
                *ret = TAKE(t);
        return r;
}

int fsck_still_dropped(struct fsck *f, struct error *e) {
        struct store *s = f->service.tables;
        _cleanup_(table_schema_unrefp) struct table_schema *now = NULL;
        struct error local = { .kind = ERR_NONE };
        int r = s->ops->describe(s, f->ctx, f->dropped, &now, &local);

        if (r == 0)
                return error_set(e, ERR_CONDITION, "the table has been made anew meanwhile");
        if (local.kind == ERR_NO_TABLE)
                return 0;
        *e = local;
        return r;
}

/* ---- which were there ---- */

/* "PREFIX NAME-H/..." -> "NAME-H"; n == 0: no object of a table. */
static struct str folder_of(struct str key, struct str prefix) {
        struct str rest = str_skip(key, MIN(prefix.n, key.n));
        const char *slash = rest.n > 0 ? memchr(rest.p, '/', rest.n) : NULL;
        struct str folder = slash ? str_make(rest.p, (size_t)(slash - rest.p)) : STR_NULL;

        return folder.n > HASH + 1 && folder.n <= HASH + 1 + TABLE_NAME_MAX && folder.p[folder.n - HASH - 1] == '-' ? folder : STR_NULL;
}

/* Is it a table's that is gone, by its name and by its hash? */
static int is_dropped(struct fsck *f, struct str folder, bool *ret, struct error *e) {
        const struct str name = str_make(folder.p, folder.n - HASH - 1);
        _cleanup_(table_schema_unrefp) struct table_schema *now = NULL, *was = NULL;
        _cleanup_(buf_deinit) struct buf would_be = BUF_INIT(4 * KIB);
        struct error local = { .kind = ERR_NONE };
        int r = f->service.tables->ops->describe(f->service.tables, f->ctx, name, &now, &local);

        *ret = false;
        if (r == 0 || local.kind == ERR_INPUT || local.kind == ERR_VALIDATION) /* it exists, or no table can be called so */
                return 0;
        if (local.kind != ERR_NO_TABLE) {
                *e = local;
                return r;
        }
        r = fsck_dropped_table(f, name, &was, &local);
        if (r) {
                *e = local;
                return local.kind == ERR_NO_TABLE ? 0 : r;
        }
        r = large_table_prefix(STR_NULL, was, &would_be);
        *ret = r == 0 && str_eq(str_make(would_be.p, would_be.n - 1), folder);
        return r ? error_set_errno(e, r, "prefix") : 0;
}

struct walk {
        struct fsck *f;
        const char *pattern;
        struct arena arena;
        struct buf after; /* where the listing goes on */
        struct str done;  /* the folder that was looked at last */
        struct names found;
};

static bool matches(const struct walk *w, struct str folder) {
        char name[TABLE_NAME_MAX + 1];

        (void)snprintf(name, sizeof(name), "%.*s", (int)(folder.n - HASH - 1), folder.p);
        return fnmatch(w->pattern, name, 0) == 0;
}

/* Once each: looked for from the end, for they come in order. */
static int note(struct names *l, struct str name) {
        for (uint32_t i = l->n; i > 0; i--)
                if (str_eq(l->v[i - 1], name))
                        return 0;
        if ((l->n & (l->n - 1)) == 0) { /* it is full at every power of two */
                struct str *v = arena_array(&l->arena, MAX(2 * (size_t)l->n, (size_t)1), sizeof(*v));

                if (!v)
                        return -ENOMEM;
                if (l->n > 0)
                        memcpy(v, l->v, l->n * sizeof(*v));
                l->v = v;
        }
        if (arena_dup(&l->arena, name, &l->v[l->n]))
                return -ENOMEM;
        l->n++;
        return 0;
}

static int look_at(struct walk *w, struct str key, struct error *e) {
        struct str folder = folder_of(key, str_of(w->f->config.s3_prefix));
        bool dropped = false;
        int r;

        if (folder.n == 0 || str_eq(folder, w->done) || !matches(w, folder))
                return 0;
        arena_reset(&w->arena);
        r = arena_dup(&w->arena, folder, &w->done);
        r = r ? error_set_errno(e, r, "listing") : is_dropped(w->f, folder, &dropped, e);
        if (r == 0 && dropped && (r = note(&w->found, str_make(folder.p, folder.n - HASH - 1)))) /* in another bucket, too */
                return error_set_errno(e, r, "listing");
        return r;
}

/* The rest of the folder the page ends in is passed over: after "NAME-H/" comes "NAME-H0". */
static int go_on(struct walk *w, struct str last, struct error *e) {
        struct str prefix = str_of(w->f->config.s3_prefix), folder = folder_of(last, prefix);

        buf_reset(&w->after);
        if (folder.n > 0) {
                buf_str(&w->after, prefix);
                buf_str(&w->after, folder);
                buf_putc(&w->after, '0');
        } else {
                buf_str(&w->after, last);
        }
        return buf_status(&w->after) ? error_set_errno(e, buf_status(&w->after), "listing") : 0;
}

static int walk_bucket(struct walk *w, struct str bucket, struct error *e) {
        struct blobs *b = w->f->service.blobs;
        struct blob_page page;
        int r = 0;

        blob_page_init(&page);
        buf_reset(&w->after);
        do {
                r = b->ops->list(b, w->f->ctx, bucket, str_of(w->f->config.s3_prefix), buf_view(&w->after), STR_NULL, &page, e);
                for (uint32_t i = 0; r == 0 && i < page.n; i++)
                        r = look_at(w, page.v[i].key, e);
                if (r == 0 && page.n > 0)
                        r = go_on(w, page.v[page.n - 1].key, e);
        } while (r == 0 && page.n > 0 && page.next.n > 0);
        blob_page_deinit(&page);
        return r;
}

int fsck_dropped(struct fsck *f, const char *pattern, struct names *ret, struct error *e) {
        struct walk w = { .f = f, .pattern = pattern, .arena = ARENA_INIT(4 * KIB), .after = BUF_INIT(8 * KIB) };
        int r = 0;

        names_init(&w.found);
        for (uint32_t i = 0; r == 0 && i < f->service.n_buckets; i++)
                r = walk_bucket(&w, str_of(f->service.buckets[i]), e);
        arena_deinit(&w.arena);
        buf_deinit(&w.after);
        *ret = w.found;
        return r;
}

/* ---- and whose objects others use ---- */

int fsck_note_elsewhere(struct fsck *f, struct str key, struct error *e) {
        struct str folder = folder_of(key, str_of(f->config.s3_prefix));
        int r = folder.n > 0 ? note(&f->elsewhere, folder) : 0;

        return r ? error_set_errno(e, r, "references that lead elsewhere") : 0;
}

bool fsck_is_used_elsewhere(const struct fsck *f) {
        struct str folder = folder_of(f->prefix, str_of(f->config.s3_prefix));

        for (uint32_t i = 0; i < f->elsewhere.n; i++)
                if (str_eq(f->elsewhere.v[i], folder))
                        return true;
        return false;
}
