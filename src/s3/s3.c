/* SPDX-License-Identifier: Apache-2.0 */
/* The object: settings of its own, and the table of operations. */
#include "s3_internal.h"

#include <errno.h>
#include <strings.h>
#include "ddbfs/base/alloc.h"

#define TIMEOUT_NS (30 * NS_PER_S)
#define PARALLEL_MAX 8

static void s3_free(struct blobs *b) {
        struct s3 *s = s3_of(b);

        aws_client_free(s->client);
        mem_free(s->region);
        mem_free(s->endpoint_url);
        mem_free(s->kms_key);
        mem_free(s->bucket_owner);
        mem_free(s);
}

static const struct blobs_ops ops = {
        .put = s3_put,
        .upload_begin = s3_upload_begin,
        .upload_part = s3_upload_part,
        .upload_finish = s3_upload_finish,
        .upload_end = s3_upload_end,
        .read = s3_read,
        .head = s3_head,
        .remove = s3_remove,
        .list = s3_list,
        .abort_stale = s3_abort_stale,
        .free = s3_free,
};

static bool copy_text(const char *from, char **to) {
        if (from && *from)
                *to = mem_strdup(from);
        return !from || !*from || *to;
}

/* Auto: as the profile says, else virtual hosts on AWS and paths elsewhere. */
static int choose_addressing(struct s3 *s, struct error *reterr) {
        static const char *const names[] = { "auto", "path", "virtual" }; /* enum s3_addressing */
        struct str style = profiles_get_sub(s->settings.profiles, SECTION_PROFILE, s->settings.profile.p, "s3",
                                            "addressing_style");
        struct aws_endpoint e;
        int r;

        r = aws_endpoint_resolve(&s->settings, "s3", NULL, &e, reterr);
        if (r || s->addressing != S3_ADDRESSING_AUTO)
                return r;
        for (unsigned i = 0; i < ARRAY_LEN(names) && style.n > 0; i++)
                if (style.n == strlen(names[i]) && strncasecmp(style.p, names[i], style.n) == 0) {
                        s->addressing = (enum s3_addressing)i;
                        style = STR_NULL;
                }
        if (style.n > 0)
                return error_set(reterr, ERR_INPUT, "s3.addressing_style is \"%.*s\"; it can be: auto, path, virtual",
                                 (int)MIN(style.n, 64u), style.p);
        if (s->addressing == S3_ADDRESSING_AUTO && e.custom)
                s->addressing = S3_ADDRESSING_PATH;
        return 0;
}

static int make_client(struct s3 *s, const struct s3_options *o, struct error *reterr) {
        const struct aws_client_options c = {
                .service = "s3",
                .protocol = AWS_REST_XML,
                .transport = o->transport,
                .credentials = o->credentials,
                .settings = &s->settings,
                .max_parallel = PARALLEL_MAX,
        };

        return aws_client_new(&c, &s->client, reterr);
}

int s3_new(const struct s3_options *o, struct blobs **ret, struct error *reterr) {
        struct s3 *s = mem_zalloc(sizeof(*s));
        int r;

        if (!s)
                return error_set_errno(reterr, -ENOMEM, "S3");
        s->blobs.ops = &ops;
        s->settings = *o->settings;
        s->addressing = o->addressing;
        s->sse = o->sse;
        s->checksums = !o->no_checksums;
        s->timeout_ns = o->timeout_ns ? o->timeout_ns : TIMEOUT_NS;
        if (!copy_text(o->region, &s->region) || !copy_text(o->endpoint_url, &s->endpoint_url) ||
            !copy_text(o->kms_key, &s->kms_key) || !copy_text(o->bucket_owner, &s->bucket_owner)) {
                s3_free(&s->blobs);
                return error_set_errno(reterr, -ENOMEM, "S3");
        }
        if (s->region)
                s->settings.region = str_of(s->region);
        if (s->endpoint_url)
                s->settings.endpoint_urls[AWS_S3] = str_of(s->endpoint_url);
        r = choose_addressing(s, reterr);
        if (r == 0)
                r = make_client(s, o, reterr);
        if (r) {
                s3_free(&s->blobs);
                return r;
        }
        *ret = &s->blobs;
        return 0;
}
