/* SPDX-License-Identifier: Apache-2.0 */
/* What is there: ListObjectsV2, ListMultipartUploads. */
#include "s3_internal.h"

#include <errno.h>

#define LIST_BODY_MAX (8 * MIB) /* 1000 keys of 1 KB, three times that when encoded, and the rest */

static int read_objects(struct s3_call *c, struct str body) {
        return s3_read_list(body, S3_OBJECTS, c->read_arg);
}

static int read_uploads(struct s3_call *c, struct str body) {
        return s3_read_list(body, S3_UPLOADS, c->read_arg);
}

static int ask_list(struct s3_call *c, struct op_ctx *ctx, struct s3_list *list, struct str prefix,
                    struct error *reterr) {
        if (prefix.n)
                s3_call_query(c, "prefix", prefix);
        c->rest.max_body = LIST_BODY_MAX;
        c->read_arg = list;
        return s3_call_run(c, ctx, reterr);
}

/* The list's memory becomes the page's. */
static int fill_page(struct s3_list *list, struct blob_page *ret) {
        struct blob_entry *v = arena_array(&list->arena, MAX(list->n, 1), sizeof(*v));

        if (!v)
                return -ENOMEM;
        for (uint32_t i = 0; i < list->n; i++)
                v[i] = (struct blob_entry){ .key = list->v[i].key,
                                            .size = list->v[i].size,
                                            .modified_s = list->v[i].time_s };
        blob_page_deinit(ret);
        ret->arena = list->arena;
        ret->n = list->n;
        ret->v = v;
        ret->next = list->next;
        s3_list_init(list);
        return 0;
}

int s3_list(struct blobs *b, struct op_ctx *ctx, struct str bucket, struct str prefix, struct str after, struct str next,
            struct blob_page *ret, struct error *reterr) {
        _cleanup_(s3_list_deinit) struct s3_list list;
        struct s3_call c;
        int r;

        s3_list_init(&list);
        s3_call_init(&c, s3_of(b), "ListObjectsV2", "GET", (struct blob_name){ .bucket = bucket });
        s3_call_query(&c, "list-type", STR("2"));
        s3_call_query(&c, "encoding-type", STR("url")); /* XML cannot say every key */
        if (next.n)
                s3_call_query(&c, "continuation-token", next);
        else if (after.n)
                s3_call_query(&c, "start-after", after);
        c.read = read_objects;
        r = ask_list(&c, ctx, &list, prefix, reterr);
        s3_call_deinit(&c);
        if (r)
                return r;
        if (list.next.n && str_eq(list.next, next))
                return error_set(reterr, ERR_PROTOCOL, "ListObjectsV2: the page ends where it began");
        r = fill_page(&list, ret); /* only now: next may be of the page */
        return r ? error_set_errno(reterr, r, "ListObjectsV2") : 0;
}

/* ---- uploads that nobody will finish ---- */

int s3_abort_upload(struct s3 *s, struct op_ctx *ctx, struct blob_name name, struct str upload_id,
                    struct error *reterr) {
        struct error e = { .kind = ERR_NONE };
        struct s3_call c;
        int r;

        s3_call_init(&c, s, "AbortMultipartUpload", "DELETE", name);
        s3_call_query(&c, "uploadId", upload_id);
        r = s3_call_run(&c, ctx, &e);
        s3_call_deinit(&c);
        if (r && strcmp(e.code, "NoSuchUpload") == 0)
                return 0;
        if (r && reterr)
                *reterr = e;
        return r;
}

static int abort_page(struct s3 *s, struct op_ctx *ctx, struct str bucket, const struct s3_list *list, int64_t before_s,
                      uint64_t *ret_n, struct error *reterr) {
        for (uint32_t i = 0; i < list->n; i++) {
                const struct s3_entry *e = &list->v[i];
                int r;

                if (e->upload_id.n == 0 || e->time_s == 0 || e->time_s >= before_s)
                        continue;
                r = s3_abort_upload(s, ctx, (struct blob_name){ .bucket = bucket, .key = e->key }, e->upload_id,
                                    reterr);
                if (r)
                        return r;
                ++*ret_n;
        }
        return 0;
}

int s3_abort_stale(struct blobs *b, struct op_ctx *ctx, struct str bucket, struct str prefix, int64_t before_s,
                   uint64_t *ret_n, struct error *reterr) {
        _cleanup_(s3_list_deinit) struct s3_list list, last;
        int r;

        s3_list_init(&list);
        s3_list_init(&last);
        *ret_n = 0;
        for (;;) {
                struct s3_call c;

                s3_call_init(&c, s3_of(b), "ListMultipartUploads", "GET", (struct blob_name){ .bucket = bucket });
                /* as they are: what is encoded of such a list, and whether it is said, differs between servers */
                s3_call_query(&c, "uploads", STR(""));
                if (last.next.n) {
                        s3_call_query(&c, "key-marker", last.next);
                        s3_call_query(&c, "upload-id-marker", last.next_upload_id);
                }
                c.read = read_uploads;
                r = ask_list(&c, ctx, &list, prefix, reterr);
                s3_call_deinit(&c);
                if (r == 0)
                        r = abort_page(s3_of(b), ctx, bucket, &list, before_s, ret_n, reterr);
                if (r || !list.truncated)
                        return r;
                if (str_eq(list.next, last.next) && str_eq(list.next_upload_id, last.next_upload_id))
                        return error_set(reterr, ERR_PROTOCOL, "ListMultipartUploads: the page ends where it began");
                s3_list_deinit(&last);
                last = list;
                s3_list_init(&list);
        }
}
