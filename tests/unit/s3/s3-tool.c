/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operations of the S3 layer as commands, for the cases that try them on a real server (tests/cases/s3).
 * Credentials, region and endpoint come from the environment.  A failure is one JSON line on stderr and status 1.
 *
 *   s3-tool [-p|-v] [-n] [-e SSE] [-k KMS_KEY] [-t SECONDS] COMMAND BUCKET [ARGUMENTS]
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "ddbfs/base/alloc.h"
#include "ddbfs/s3/s3.h"

#define DATA_MAX (512 * MIB)
#define PIECE (8 * MIB)

static struct blobs *blobs;
static struct op_ctx ctx;
static struct error error;

static struct str read_input(struct buf *b) {
        for (;;) {
                char *p = buf_reserve(b, 256 * KIB);
                ssize_t n = p ? read(0, p, 256 * KIB) : -1;

                if (n <= 0)
                        return buf_view(b);
                buf_commit(b, (size_t)n);
        }
}

static struct blob_name name_of(char **a) {
        return (struct blob_name){ .bucket = str_of(a[0]), .key = str_of(a[1]) };
}

static int do_put(int n _unused_, char **a) {
        const struct blob_meta meta[] = { { STR("table"), STR("Music") }, { STR("note"), STR("a b  c") } };
        struct buf data = BUF_INIT(DATA_MAX);
        int r = blobs->ops->put(blobs, &ctx, name_of(a), meta, ARRAY_LEN(meta), read_input(&data), &error);

        buf_deinit(&data);
        return r;
}

/* OFFSET N [ETAG]: in pieces, as the file system reads. */
static int do_get(int n, char **a) {
        uint64_t at = strtoull(a[2], NULL, 10), end = at + strtoull(a[3], NULL, 10);
        struct buf data = BUF_INIT(PIECE);
        int r = 0;

        while (r == 0 && at < end) {
                size_t piece = (size_t)MIN(end - at, PIECE);

                buf_reset(&data);
                r = blobs->ops->read(blobs, &ctx, name_of(a), at, piece, n > 4 ? a[4] : NULL, &data, &error);
                if (r == 0 && data.n > 0 && fwrite(data.p, 1, data.n, stdout) != data.n)
                        r = -EIO;
                at = data.n < piece ? end : at + piece;
        }
        buf_deinit(&data);
        return r;
}

static int do_head(int n _unused_, char **a) {
        struct blob_info info;
        int r = blobs->ops->head(blobs, &ctx, name_of(a), &info, &error);

        if (r == 0)
                printf("%" PRIu64 " %" PRId64 " %s\n", info.size, info.modified_s, info.etag);
        return r;
}

/* KEY... or, without any, one key a line of the input; prints the results. */
static int do_remove(int n, char **a) {
        struct buf data = BUF_INIT(DATA_MAX);
        struct blob_name *names;
        uint32_t count = 0;
        int r, *results;
        struct str s = n > 1 ? STR_NULL : read_input(&data);

        names = calloc(s.n + (size_t)n, sizeof(*names));
        results = calloc(s.n + (size_t)n, sizeof(*results));
        for (int i = 1; i < n; i++)
                names[count++] = (struct blob_name){ .bucket = str_of(a[0]), .key = str_of(a[i]) };
        while (s.n > 0) {
                const char *end = memchr(s.p, '\n', s.n);
                size_t length = end ? (size_t)(end - s.p) : s.n;

                names[count++] = (struct blob_name){ .bucket = str_of(a[0]), .key = str_make(s.p, length) };
                s = str_skip(s, length + 1);
        }
        r = blobs->ops->remove(blobs, &ctx, names, count, results, &error);
        for (uint32_t i = 0; i < count; i++)
                printf("%d\n", results[i]);
        free(names);
        free(results);
        buf_deinit(&data);
        return r;
}

/* [PREFIX]: size, key and a NUL each; pages on stderr. */
static int do_list(int n, char **a) {
        struct blob_page page;
        struct str next = STR_NULL;
        unsigned pages = 0;
        int r;

        blob_page_init(&page);
        do {
                r = blobs->ops->list(blobs, &ctx, str_of(a[0]), n > 1 ? str_of(a[1]) : STR_NULL, STR_NULL, next, &page, &error);
                for (uint32_t i = 0; i < page.n && r == 0; i++) {
                        printf("%" PRIu64 " ", page.v[i].size);
                        fwrite(page.v[i].key.p, 1, page.v[i].key.n, stdout);
                        putchar(0);
                }
                next = page.next;
                pages++;
        } while (r == 0 && next.n > 0);
        if (r == 0)
                fprintf(stderr, "%u\n", pages);
        blob_page_deinit(&page);
        return r;
}

struct share {
        struct blob_upload *upload;
        struct str data;
        size_t part;
        uint32_t first, step;
        struct error error;
        int r;
};

static void *upload_share(void *arg) {
        struct share *s = arg;
        struct op_ctx own;

        op_ctx_init(&own, "upload", 60 * NS_PER_S);
        for (uint32_t i = s->first; s->r == 0 && (i == 0 || i * s->part < s->data.n); i += s->step) {
                struct str piece = str_skip(s->data, i * s->part);
                uint8_t digest[SHA256_LEN];

                piece.n = MIN(piece.n, s->part);
                s->r = sha256(piece, digest);
                if (s->r == 0)
                        s->r = blobs->ops->upload_part(blobs, &own, s->upload, i + 1, piece, digest, &s->error);
        }
        op_ctx_deinit(&own);
        return NULL;
}

/* KEY PART_SIZE THREADS finish|end|leave: the input, in parts. */
static int do_upload(int n, char **a) {
        struct buf data = BUF_INIT(DATA_MAX);
        struct blob_upload *u = NULL;
        struct share shares[8];
        pthread_t threads[8];
        uint32_t n_threads = n > 3 ? (uint32_t)MIN(strtoul(a[3], NULL, 10), 8) : 1;
        const char *how = n > 4 ? a[4] : "finish";
        struct str s = read_input(&data);
        int r = blobs->ops->upload_begin(blobs, &ctx, name_of(a), NULL, 0, &u, &error);

        for (uint32_t i = 0; i < n_threads && r == 0; i++) {
                shares[i] = (struct share){ u, s, strtoul(a[2], NULL, 10), i, n_threads, { 0 }, 0 };
                pthread_create(&threads[i], NULL, upload_share, &shares[i]);
        }
        for (uint32_t i = 0; i < n_threads && u; i++) {
                pthread_join(threads[i], NULL);
                if (shares[i].r) {
                        r = shares[i].r;
                        error = shares[i].error;
                }
        }
        if (strcmp(how, "leave") == 0)
                _exit(r ? 1 : 0);
        if (r == 0 && strcmp(how, "finish") == 0)
                r = blobs->ops->upload_finish(blobs, &ctx, u, &error);
        blobs->ops->upload_end(blobs, &ctx, u);
        buf_deinit(&data);
        return r;
}

/* PREFIX BEFORE: prints how many. */
static int do_abort_stale(int n _unused_, char **a) {
        uint64_t count = 0;
        int r = blobs->ops->abort_stale(blobs, &ctx, str_of(a[0]), str_of(a[1]), strtoll(a[2], NULL, 10), &count,
                                        &error);

        printf("%" PRIu64 "\n", count);
        return r;
}

static const struct {
        const char *name;
        int arguments; /* at least, with the bucket */
        int (*run)(int n, char **a);
} commands[] = {
        { "put", 2, do_put },       { "get", 4, do_get },       { "head", 2, do_head },
        { "list", 1, do_list },     { "upload", 4, do_upload }, { "abort-stale", 3, do_abort_stale },
        { "remove", 1, do_remove },
};

static int run(int n, char **a) {
        for (size_t i = 0; i < ARRAY_LEN(commands); i++)
                if (n > commands[i].arguments && strcmp(a[0], commands[i].name) == 0)
                        return commands[i].run(n - 1, a + 1);
        fprintf(stderr, "s3-tool: no such command\n");
        return -EINVAL;
}

int main(int argc, char **argv) {
        static const char *const sse[] = { "bucket", "AES256", "aws:kms", "aws:kms:dsse" };
        struct http_options h = { 16, 5 * NS_PER_S, 30 * NS_PER_S, 30 * NS_PER_S, NULL, "ddbfs-test" };
        const struct aws_options none = { .profile = NULL };
        struct aws_settings *settings = NULL;
        struct cred_provider *credentials = NULL;
        struct http_transport *transport = NULL;
        struct s3_options o = { .addressing = S3_ADDRESSING_AUTO };
        uint64_t seconds = 60;
        int c, r;

        while ((c = getopt(argc, argv, "+pvne:k:t:")) != -1) {
                if (c == 'p' || c == 'v')
                        o.addressing = c == 'p' ? S3_ADDRESSING_PATH : S3_ADDRESSING_VIRTUAL;
                o.no_checksums |= c == 'n';
                for (unsigned i = 0; i < ARRAY_LEN(sse) && c == 'e'; i++)
                        if (strcmp(optarg, sse[i]) == 0)
                                o.sse = (enum s3_sse)i;
                o.kms_key = c == 'k' ? optarg : o.kms_key;
                seconds = c == 't' ? strtoul(optarg, NULL, 10) : seconds;
        }
        r = aws_settings_load(&none, &settings, &error);
        if (r == 0)
                r = cred_default_new(settings, &credentials, &error);
        if (r == 0)
                r = http_transport_new(&h, &transport, &error);
        o.transport = transport;
        o.credentials = credentials;
        o.settings = settings;
        if (r == 0)
                r = s3_new(&o, &blobs, &error);
        op_ctx_init(&ctx, "tool", seconds * NS_PER_S);
        if (r == 0)
                r = run(argc - optind, argv + optind);
        for (char *p = error.message; *p; p++)
                *p = (char)(*p == '"' || *p == '\\' ? '\'' : *p);
        if (r)
                fprintf(stderr, "{\"errno\": %d, \"kind\": \"%s\", \"code\": \"%s\", \"message\": \"%s\"}\n", -r,
                        error_kind_name(error.kind), error.code, error.message);
        op_ctx_deinit(&ctx);
        blobs_free(blobs);
        http_transport_free(transport);
        cred_provider_free(credentials);
        aws_settings_free(settings);
        return r ? 1 : 0;
}
