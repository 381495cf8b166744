/* SPDX-License-Identifier: Apache-2.0 */
/* Requests as they go over the wire, and answers of all kinds, on a scripted server.  What a real one says to them:
 * tests/cases/s3. */
#include "../../../src/s3/s3_internal.h"

#include <errno.h>
#include "ddbfs/base/alloc.h"
#include "ddbfs/base/rng.h"
#include "../http/scripted-server.h"
#include "../suite.h"

static struct server *server;
static struct http_transport *transport;
static struct aws_settings *settings;
static struct cred_provider *credentials;
static struct blobs *blobs;
static struct op_ctx ctx;
static struct error error;
static char url[64];

static void make(struct s3_options o) {
        blobs = blobs_free(blobs);
        o.transport = transport;
        o.credentials = credentials;
        o.settings = settings;
        ck_assert_int_eq(s3_new(&o, &blobs, &error), 0);
}

static void set_up(void) {
        struct http_options h = { 16, 2 * NS_PER_S, 10 * NS_PER_S, 60 * NS_PER_S, NULL, NULL };
        struct aws_options o = { .region = "us-east-1" };

        server = server_start();
        snprintf(url, sizeof(url), "http://localhost:%d", server->port);
        ck_assert_int_eq(aws_settings_load(&o, &settings, &error), 0);
        ck_assert_int_eq(http_transport_new(&h, &transport, &error), 0);
        ck_assert_int_eq(cred_static_new(STR("AKID"), STR("secret"), STR_NULL, &credentials), 0);
        op_ctx_init(&ctx, "test", 20 * NS_PER_S);
        make((struct s3_options){ .endpoint_url = url });
}

static void tear_down(void) {
        rng_seed(0);
        op_ctx_deinit(&ctx);
        blobs = blobs_free(blobs);
        credentials = cred_provider_free(credentials);
        transport = http_transport_free(transport);
        settings = aws_settings_free(settings);
        server_stop(server);
}

static void answer(struct server_step step) {
        step.no_crc = true;
        pthread_mutex_lock(&server->lock);
        server->steps[server->n_steps++] = step;
        pthread_mutex_unlock(&server->lock);
}

static const uint8_t *digest_of(const char *text) {
        static uint8_t digest[SHA256_LEN];

        ck_assert_int_eq(sha256(str_of(text), digest), 0);
        return digest;
}

static struct blob_name name(const char *key) {
        return (struct blob_name){ .bucket = STR("bucket"), .key = str_of(key) };
}

static void assert_line(unsigned record, const char *line) {
        const char *head = server->records[record].head;

        (void)server_requests(server); /* takes its lock: what it has recorded happened before this */
        ck_assert_msg(strncmp(head, line, strlen(line)) == 0 && head[strlen(line)] == ' ', "got\n%s", head);
}

static const struct {
        const char *key, *line;
} keys[] = {
        { "plain", "PUT /bucket/plain" },
        { "a b+c", "PUT /bucket/a%20b%2Bc" },
        { "a/../b", "PUT /bucket/a/../b" },
        { "..", "PUT /bucket/.." },
        { "./x", "PUT /bucket/./x" },
        { "/a//b/", "PUT /bucket//a//b/" },
        { "%41?#&=", "PUT /bucket/%2541%3F%23%26%3D" },
        { "\xc3\xbc~-_.", "PUT /bucket/%C3%BC~-_." },
};

START_TEST(test_put) {
        const struct blob_meta meta = { STR("table"), STR("Music") };

        answer((struct server_step){ .body = "" });
        ck_assert_int_eq(blobs->ops->put(blobs, &ctx, name(keys[_i].key), &meta, 1, STR("hello"), &error), 0);
        assert_line(0, keys[_i].line);
        ck_assert_str_eq(server->records[0].body, "hello");
        ck_assert_str_eq(server_header(server, 0, "if-none-match"), "*");
        ck_assert_str_eq(server_header(server, 0, "x-amz-meta-table"), "Music");
        ck_assert_str_eq(server_header(server, 0, "x-amz-content-sha256"),
                         "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
        ck_assert_str_eq(server_header(server, 0, "x-amz-checksum-sha256"),
                         "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=");
        ck_assert_ptr_null(strstr(server->records[0].head, "server-side"));
        ck_assert_ptr_nonnull(strstr(server_header(server, 0, "authorization"), "/us-east-1/s3/aws4_request"));
        ck_assert_ptr_nonnull(strstr(server_header(server, 0, "authorization"), "if-none-match;x-amz-checksum-sha256"));
}
END_TEST

START_TEST(test_headers_by_option) {
        make((struct s3_options){ .endpoint_url = url,
                                  .region = "eu-west-1",
                                  .addressing = S3_ADDRESSING_VIRTUAL,
                                  .sse = S3_SSE_KMS,
                                  .kms_key = "alias/k",
                                  .bucket_owner = "123456789012",
                                  .no_checksums = true });
        answer((struct server_step){ .body = "" });
        ck_assert_int_eq(blobs->ops->put(blobs, &ctx, name("k"), NULL, 0, STR("x"), &error), 0);
        assert_line(0, "PUT /k");
        ck_assert_int_eq(strncmp(server_header(server, 0, "host"), "bucket.localhost:", 17), 0);
        ck_assert_str_eq(server_header(server, 0, "x-amz-server-side-encryption"), "aws:kms");
        ck_assert_str_eq(server_header(server, 0, "x-amz-server-side-encryption-aws-kms-key-id"), "alias/k");
        ck_assert_str_eq(server_header(server, 0, "x-amz-expected-bucket-owner"), "123456789012");
        ck_assert_ptr_null(strstr(server->records[0].head, "x-amz-checksum"));
        ck_assert_ptr_nonnull(strstr(server_header(server, 0, "authorization"), "/eu-west-1/s3/aws4_request"));
}
END_TEST

/* Names from items lead nowhere but into a bucket. */
START_TEST(test_bad_names) {
        static const char *const bad[] = { "", "a.b", "evil/x", "ab", "A-B-C", "x@evil", "-abc", "abc-", "a b c" };
        struct buf out = BUF_INIT(100);
        char key[S3_KEY_MAX + 2];

        memset(key, 'k', sizeof(key));
        key[S3_KEY_MAX + 1] = '\0';
        ck_assert_int_eq(blobs->ops->read(blobs, &ctx, name(key), 0, 1, NULL, &out, &error), -EINVAL);
        ck_assert_int_eq(blobs->ops->read(blobs, &ctx, name("\xff"), 0, 1, NULL, &out, &error), -EINVAL);
        make((struct s3_options){ .endpoint_url = url, .addressing = S3_ADDRESSING_VIRTUAL });
        for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
                const struct blob_name n = { .bucket = str_of(bad[i]), .key = STR("k") };

                ck_assert_int_eq(blobs->ops->read(blobs, &ctx, n, 0, 1, NULL, &out, &error), -EINVAL);
        }
        ck_assert_uint_eq(server_requests(server), 0);
}
END_TEST

#define RANGE(r) "Content-Range: bytes " r "\r\n"

static const struct {
        uint64_t offset;
        size_t n;
        struct server_step step;
        const char *got; /* NULL: refused as no answer to this, and asked again */
} reads[] = {
        { 2, 3, { .status = 206, .body = "llo", .headers = RANGE("2-4/5") }, "llo" },
        { 0, 9, { .status = 206, .body = "hello", .headers = RANGE("0-4/5") }, "hello" },
        { 0, 9, { .status = 200, .body = "hello" }, "hello" },
        { 0, 4, { .status = 200, .body = "hello" }, NULL },
        { 1, 9, { .status = 200, .body = "hello" }, NULL },
        { 2, 3, { .status = 206, .body = "llo" }, NULL },
        { 2, 3, { .status = 206, .body = "llo", .headers = RANGE("3-5/6") }, NULL },
        { 2, 3, { .status = 206, .body = "ll", .headers = RANGE("2-4/5") }, NULL },
        { 2, 3, { .status = 206, .body = "ll", .headers = RANGE("2-3/5") }, NULL }, /* less than there is */
        { 2, 3, { .status = 206, .body = "llo", .headers = RANGE("2-4/4") }, NULL },
        { 2, 3, { .status = 206, .body = "llo", .headers = RANGE("2-4/*") }, NULL },
        { 2, 3, { .status = 206, .body = "llo!", .headers = RANGE("2-5/6") }, NULL },
        { 2, 3, { .status = 204, .body = "" }, NULL },
        { 9, 3, { .status = 416, .body = "<Error><Code>InvalidRange</Code></Error>" }, "" },
        { 0,
          9,
          { .status = 200,
            .body = "hello",
            .headers = "x-amz-checksum-sha256: LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=\r\n" },
          "hello" },
        { 0,
          9,
          { .status = 200,
            .body = "hellO",
            .headers = "x-amz-checksum-sha256: LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=\r\n" },
          NULL },
        { 0, 9, { .status = 200, .body = "hello", .headers = "x-amz-checksum-sha256: LPJNul+wow=-2\r\n" }, "hello" },
        { 0,
          9,
          { .status = 200,
            .body = "hello",
            .headers = "x-amz-checksum-sha256: xx\r\nx-amz-checksum-type: COMPOSITE\r\n" },
          "hello" },
        { 0, 9, { .status = 200, .body = "<Error>" }, "<Error>" }, /* data is data */
};

START_TEST(test_read) {
        struct buf out = BUF_INIT(100);
        char range[64];
        int r;

        answer(reads[_i].step);
        answer((struct server_step){ .status = 404, .body = "<Error><Code>NoSuchKey</Code></Error>" });
        r = blobs->ops->read(blobs, &ctx, name("k"), reads[_i].offset, reads[_i].n, "\"e\"", &out, &error);
        snprintf(range, sizeof(range), "bytes=%d-%d", (int)reads[_i].offset, (int)(reads[_i].offset + reads[_i].n - 1));
        ck_assert_str_eq(server_header(server, 0, "range"), range);
        ck_assert_str_eq(server_header(server, 0, "if-match"), "\"e\"");
        if (reads[_i].got) {
                ck_assert_int_eq(r, 0);
                ck_assert(str_eq(buf_view(&out), str_of(reads[_i].got)));
                ck_assert_uint_eq(server_requests(server), 1);
        } else {
                ck_assert_int_eq(r, -ENOENT);
                ck_assert_uint_eq(out.n, 0);
                ck_assert_uint_eq(server_requests(server), 2);
        }
        buf_deinit(&out);
}
END_TEST

START_TEST(test_read_appends) {
        struct buf out = BUF_INIT(6);

        answer((struct server_step){ .status = 206, .body = "ll", .headers = RANGE("2-3/5") });
        answer((struct server_step){ .status = 206, .body = "hell", .headers = RANGE("0-3/5") });
        answer((struct server_step){ .status = 206, .body = "o", .headers = RANGE("4-4/5") });
        ck_assert_int_eq(blobs->ops->read(blobs, &ctx, name("k"), 2, 2, NULL, &out, &error), 0);
        ck_assert_int_eq(blobs->ops->read(blobs, &ctx, name("k"), 0, 4, NULL, &out, &error), 0);
        ck_assert(str_eq(buf_view(&out), STR("llhell")));
        ck_assert_int_eq(blobs->ops->read(blobs, &ctx, name("k"), 4, 9, NULL, &out, &error), -EFBIG);
        ck_assert_int_eq(blobs->ops->read(blobs, &ctx, name("k"), 4, 0, NULL, &out, &error), 0);
        ck_assert_uint_eq(server_requests(server), 3);
        buf_deinit(&out);
}
END_TEST

START_TEST(test_head) {
        struct blob_info info;

        answer((struct server_step){ .body = "12345",
                                     .headers = "ETag: \"e\"\r\nLast-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n" });
        ck_assert_int_eq(blobs->ops->head(blobs, &ctx, name("k"), &info, &error), 0);
        assert_line(0, "HEAD /bucket/k");
        ck_assert_uint_eq(info.size, 5);
        ck_assert_int_eq(info.modified_s, 784111777);
        ck_assert_str_eq(info.etag, "\"e\"");
        /* a bare 404 says nothing; GET has the words */
        answer((struct server_step){ .status = 404, .body = "" });
        answer((struct server_step){ .status = 404, .body = "<Error><Code>NoSuchKey</Code></Error>" });
        ck_assert_int_eq(blobs->ops->head(blobs, &ctx, name("k"), &info, &error), -ENOENT);
        ck_assert_int_eq(error.kind, ERR_NO_ITEM);
        answer((struct server_step){ .status = 404, .body = "" });
        answer((struct server_step){ .status = 404, .body = "<html>" });
        ck_assert_int_eq(blobs->ops->head(blobs, &ctx, name("k"), &info, &error), -EIO);
        answer((struct server_step){ .status = 404, .body = "" });
        answer((struct server_step){ .status = 206, .body = "x", .headers = RANGE("0-0/7") "ETag: f\r\n" });
        ck_assert_int_eq(blobs->ops->head(blobs, &ctx, name("k"), &info, &error), 0);
        ck_assert_uint_eq(info.size, 7);
}
END_TEST

/* A buffer that is used again keeps its memory and its maximum, and is empty after a failure. */
START_TEST(test_read_again) {
        struct buf out = BUF_INIT(100 * KIB);
        const char *memory;

        answer((struct server_step){ .status = 206, .body = "hell", .headers = RANGE("0-3/5") });
        answer((struct server_step){ .status = 206, .body = "o", .headers = RANGE("4-4/5") });
        answer((struct server_step){ .status = 404, .body = "<Error><Code>NoSuchKey</Code></Error>" });
        answer((struct server_step){ .status = 416, .body = "<Error><Code>InvalidRange</Code></Error>" });
        ck_assert_int_eq(blobs->ops->read(blobs, &ctx, name("k"), 0, 4, NULL, &out, &error), 0);
        ck_assert(str_eq(buf_view(&out), STR("hell")));
        ck_assert_uint_eq(out.max, 100 * KIB);
        memory = out.p;
        buf_reset(&out);
        ck_assert_int_eq(blobs->ops->read(blobs, &ctx, name("k"), 4, 9, NULL, &out, &error), 0);
        ck_assert(str_eq(buf_view(&out), STR("o")));
        ck_assert_ptr_eq(out.p, memory);
        buf_reset(&out);
        ck_assert_int_eq(blobs->ops->read(blobs, &ctx, name("k"), 4, 9, NULL, &out, &error), -ENOENT);
        ck_assert(out.n == 0 && buf_status(&out) == 0 && out.max == 100 * KIB);
        ck_assert_int_eq(blobs->ops->read(blobs, &ctx, name("k"), 9, 9, NULL, &out, &error), 0);
        ck_assert(out.n == 0 && buf_status(&out) == 0);
        buf_deinit(&out);
}
END_TEST

static const struct {
        struct server_step steps[3];
        unsigned n, sent;
        enum error_kind kind;
} puts_[] = {
        { { { .status = 503, .body = "<Error><Code>SlowDown</Code></Error>" }, { .body = "" } }, 2, 2, ERR_NONE },
        { { { .status = 500, .body = "" }, { .status = 502, .body = "<html>" }, { .body = "" } }, 3, 3, ERR_NONE },
        { { { .status = 400, .body = "<Error><Code>RequestTimeout</Code></Error>" }, { .body = "" } }, 2, 2, ERR_NONE },
        { { { .status = 400, .body = "<Error><Code>BadDigest</Code></Error>" }, { .body = "" } }, 2, 2, ERR_NONE },
        { { { .status = 409, .body = "<Error><Code>ConditionalRequestConflict</Code></Error>" }, { .body = "" } },
          2,
          2,
          ERR_NONE },
        { { { .status = 412, .body = "<Error><Code>PreconditionFailed</Code></Error>" } }, 1, 1, ERR_EXISTS },
        { { { .status = 403, .body = "<Error><Code>AccessDenied</Code></Error>" } }, 1, 1, ERR_ACCESS },
        { { { .status = 404, .body = "<Error><Code>NoSuchBucket</Code></Error>" } }, 1, 1, ERR_NO_TABLE },
        { { { .status = 301, .body = "<Error><Code>PermanentRedirect</Code></Error>" } }, 1, 1, ERR_VALIDATION },
        { { { .action = CLOSE }, { .status = 412, .body = "" }, { .status = 200, .body = "hello" } }, 3, 3, ERR_NONE },
        { { { .action = CLOSE }, { .status = 412, .body = "" }, { .status = 200, .body = "hullo" } },
          3,
          3,
          ERR_EXISTS },
        { { { .action = CLOSE }, { .status = 412, .body = "" }, { .status = 200, .body = "hello!" } },
          3,
          3,
          ERR_EXISTS },
        { { { .status = 501, .body = "" }, { .status = 200, .body = "12" } }, 2, 2, ERR_EXISTS },
};

START_TEST(test_put_outcomes) {
        int r;

        for (unsigned i = 0; i < puts_[_i].n; i++)
                answer(puts_[_i].steps[i]);
        r = blobs->ops->put(blobs, &ctx, name("k"), NULL, 0, STR("hello"), &error);
        ck_assert_int_eq(r, puts_[_i].kind ? -error_errno(puts_[_i].kind) : 0);
        if (r)
                ck_assert_int_eq(error.kind, puts_[_i].kind);
        ck_assert_uint_eq(server_requests(server), puts_[_i].sent);
}
END_TEST

START_TEST(test_list_and_remove) {
        struct blob_name names[3] = { name("a"), name("b&\n"), name("\x01") };
        struct blob_page page;
        int results[3];

        blob_page_init(&page);
        answer((struct server_step){
                .body = "<ListBucketResult><IsTruncated>true</IsTruncated><Contents><Key>k</Key><Size>3"
                        "</Size></Contents><NextContinuationToken>t+/=</NextContinuationToken>"
                        "</ListBucketResult>" });
        answer((struct server_step){
                .body = "<ListBucketResult><IsTruncated>true</IsTruncated>"
                        "<NextContinuationToken>t+/=</NextContinuationToken></ListBucketResult>" });
        ck_assert_int_eq(blobs->ops->list(blobs, &ctx, STR("bucket"), STR("p/ "), STR_NULL, STR_NULL, &page, &error), 0);
        assert_line(0, "GET /bucket/?list-type=2&encoding-type=url&prefix=p%2F%20");
        ck_assert(page.n == 1 && page.v[0].size == 3 && str_eq(page.v[0].key, STR("k")));
        ck_assert_int_eq(blobs->ops->list(blobs, &ctx, STR("bucket"), STR_NULL, STR_NULL, page.next, &page, &error), -EIO);
        assert_line(1, "GET /bucket/?list-type=2&encoding-type=url&continuation-token=t%2B%2F%3D");
        blob_page_deinit(&page);

        answer((struct server_step){ .status = 204, .body = "" }); /* what XML cannot say, by itself */
        answer((struct server_step){
                .body = "<DeleteResult><Error><Key>a</Key><Code>AccessDenied</Code></Error></DeleteResult>" });
        ck_assert_int_eq(blobs->ops->remove(blobs, &ctx, names, 3, results, &error), -EACCES);
        ck_assert_int_eq(results[0], -EACCES);
        ck_assert(results[1] == 0 && results[2] == 0);
        assert_line(2, "DELETE /bucket/%01");
        assert_line(3, "POST /bucket/?delete=");
        ck_assert_ptr_nonnull(strstr(server->records[3].body,
                                     "<Object><Key>a</Key></Object><Object><Key>b&amp;&#10;</Key></Object>"));
        ck_assert_str_eq(error.code, "AccessDenied");

        answer((struct server_step){
                .body = "<DeleteResult><Error><Key>b%26</Key><Code>AccessDenied</Code></Error></DeleteResult>" });
        ck_assert_int_eq(blobs->ops->remove(blobs, &ctx, names, 2, results, &error), -EIO);
        ck_assert(results[0] == -EIO && results[1] == -EIO); /* whom does it mean? */
        /* busy for one of them: that one is asked for again */
        answer((struct server_step){
                .body = "<DeleteResult><Error><Key>a</Key><Code>SlowDown</Code></Error></DeleteResult>" });
        answer((struct server_step){ .body = "<DeleteResult/>" });
        ck_assert_int_eq(blobs->ops->remove(blobs, &ctx, names, 2, results, &error), 0);
        assert_line(6, "POST /bucket/?delete=");
        ck_assert_ptr_null(strstr(server->records[6].body, "b&amp;"));
}
END_TEST

START_TEST(test_upload) {
        struct blob_upload *u = NULL;

        answer((struct server_step){
                .body = "<InitiateMultipartUploadResult><UploadId>i d</UploadId></InitiateMultipartUploadResult>" });
        answer((struct server_step){ .body = "", .headers = "ETag: \"two\"\r\n" });
        answer((struct server_step){ .body = "" }); /* no ETag: not believed */
        answer((struct server_step){ .body = "", .headers = "ETag: \"one\"\r\n" });
        answer((struct server_step){ .body = "<?xml version=\"1.0\"?><Error><Code>InternalError</Code></Error>" });
        answer((struct server_step){ .body = " <CompleteMultipartUploadResult/>" });
        ck_assert_int_eq(blobs->ops->upload_begin(blobs, &ctx, name("k"), NULL, 0, &u, &error), 0);
        ck_assert_int_eq(blobs->ops->upload_part(blobs, &ctx, u, 0, STR("x"), digest_of("x"), &error), -EFBIG);
        ck_assert_int_eq(blobs->ops->upload_part(blobs, &ctx, u, 2, STR("two"), digest_of("two"), &error), 0);
        ck_assert_int_eq(blobs->ops->upload_part(blobs, &ctx, u, 1, STR("one"), digest_of("one"), &error), 0);
        ck_assert_int_eq(blobs->ops->upload_finish(blobs, &ctx, u, &error), 0);
        blobs->ops->upload_end(blobs, &ctx, u);
        assert_line(0, "POST /bucket/k?uploads=");
        ck_assert_str_eq(server_header(server, 0, "x-amz-checksum-algorithm"), "SHA256");
        assert_line(1, "PUT /bucket/k?partNumber=2&uploadId=i%20d");
        assert_line(3, "PUT /bucket/k?partNumber=1&uploadId=i%20d");
        assert_line(5, "POST /bucket/k?uploadId=i%20d");
        ck_assert_ptr_null(strstr(server->records[5].head, "x-amz-checksum"));
        ck_assert_ptr_nonnull(
                strstr(server->records[5].body, "<ETag>&quot;one&quot;</ETag><PartNumber>1</PartNumber></Part>"));
        ck_assert_uint_eq(server_requests(server), 6);

        /* gone, because the answer that said so was lost */
        answer((struct server_step){
                .body = "<InitiateMultipartUploadResult><UploadId>i</UploadId></InitiateMultipartUploadResult>" });
        answer((struct server_step){ .body = "", .headers = "ETag: e\r\n" });
        answer((struct server_step){ .action = CLOSE });
        answer((struct server_step){ .status = 404, .body = "<Error><Code>NoSuchUpload</Code></Error>" });
        answer((struct server_step){ .body = "12345" });
        answer((struct server_step){ .action = CLOSE });
        answer((struct server_step){ .status = 404, .body = "<Error><Code>NoSuchUpload</Code></Error>" });
        answer((struct server_step){ .body = "123456" });
        answer((struct server_step){ .status = 204, .body = "" });
        ck_assert_int_eq(blobs->ops->upload_begin(blobs, &ctx, name("k"), NULL, 0, &u, &error), 0);
        ck_assert_int_eq(blobs->ops->upload_part(blobs, &ctx, u, 1, STR("12345"), digest_of("12345"), &error), 0);
        ck_assert_int_eq(blobs->ops->upload_finish(blobs, &ctx, u, &error), 0);
        ck_assert_int_eq(blobs->ops->upload_finish(blobs, &ctx, u, &error), -EEXIST); /* another size */
        blobs->ops->upload_end(blobs, &ctx, u);
        assert_line(14, "DELETE /bucket/k?uploadId=i");
        blobs->ops->upload_end(blobs, &ctx, NULL);
}
END_TEST

/* Somebody has aborted it: an error of the service, for there is no file that would be missing. */
START_TEST(test_aborted_upload) {
        const struct server_step gone = { .status = 404, .body = "<Error><Code>NoSuchUpload</Code></Error>" };
        struct blob_upload *u = NULL;

        answer((struct server_step){
                .body = "<InitiateMultipartUploadResult><UploadId>i</UploadId></InitiateMultipartUploadResult>" });
        for (unsigned i = 0; i < 3; i++)
                answer(gone);
        ck_assert_int_eq(blobs->ops->upload_begin(blobs, &ctx, name("k"), NULL, 0, &u, &error), 0);
        ck_assert_int_eq(blobs->ops->upload_part(blobs, &ctx, u, 1, STR("x"), digest_of("x"), &error), -EIO);
        ck_assert_int_eq(error.kind, ERR_SERVICE);
        ck_assert_str_eq(error.code, "NoSuchUpload");
        ck_assert_int_eq(blobs->ops->upload_finish(blobs, &ctx, u, &error), -EIO);
        blobs->ops->upload_end(blobs, &ctx, u);
        ck_assert_uint_eq(server_requests(server), 4);
}
END_TEST

/* Ctrl-C is over: the abort goes out all the same. */
START_TEST(test_interrupted_upload) {
        struct blob_upload *u = NULL;

        answer((struct server_step){
                .body = "<InitiateMultipartUploadResult><UploadId>i</UploadId></InitiateMultipartUploadResult>" });
        answer((struct server_step){ .status = 204, .body = "" });
        ck_assert_int_eq(blobs->ops->upload_begin(blobs, &ctx, name("k"), NULL, 0, &u, &error), 0);
        op_ctx_cancel(&ctx);
        ck_assert_int_eq(blobs->ops->upload_part(blobs, &ctx, u, 1, STR("x"), digest_of("x"), &error), -EINTR);
        blobs->ops->upload_end(blobs, &ctx, u);
        ck_assert_uint_eq(server_requests(server), 2);
        assert_line(1, "DELETE /bucket/k?uploadId=i");
}
END_TEST

static const struct {
        const char *region, *endpoint;
        enum s3_addressing addressing;
        const char *bucket, *host, *path;
} places[] = {
        { "us-east-1", NULL, S3_ADDRESSING_AUTO, "my-bucket", "my-bucket.", "/k" },
        { "us-east-1", NULL, S3_ADDRESSING_AUTO, "my.bucket", "", "/my.bucket/k" },
        { "us-east-1", NULL, S3_ADDRESSING_AUTO, "My_Bucket", "", "/My_Bucket/k" },
        { "us-east-1", NULL, S3_ADDRESSING_PATH, "my-bucket", "", "/my-bucket/k" },
        { "us-east-1", "http://h:1/base", S3_ADDRESSING_AUTO, "my-bucket", "", "/my-bucket/k" },
        { "us-east-1", "http://h:1", S3_ADDRESSING_VIRTUAL, "my-bucket", "my-bucket.", "/k" },
        { "us-east-1", NULL, S3_ADDRESSING_AUTO, "a/../b", "", "/a%2F..%2Fb/k" },
};

START_TEST(test_places) {
        struct blob_name n = { .bucket = str_of(places[_i].bucket), .key = STR("k") };
        struct s3_call c;

        make((struct s3_options){ .region = places[_i].region,
                                  .endpoint_url = places[_i].endpoint,
                                  .addressing = places[_i].addressing });
        s3_call_init(&c, s3_of(blobs), "GetObject", "GET", n);
        ck_assert(str_eq(buf_view(&c.host_prefix), str_of(places[_i].host)));
        ck_assert(str_eq(buf_view(&c.path), str_of(places[_i].path)));
        s3_call_deinit(&c);
}
END_TEST

static const struct {
        const char *profile, *endpoint;
        enum s3_addressing want; /* -1: refused */
} styles[] = {
        { "", NULL, S3_ADDRESSING_AUTO },
        { "", "http://h:1", S3_ADDRESSING_PATH },
        { "s3 =\n  addressing_style = path\n", NULL, S3_ADDRESSING_PATH },
        { "s3 =\n  addressing_style = Virtual\n", "http://h:1", S3_ADDRESSING_VIRTUAL },
        { "s3 =\n  addressing_style = auto\n", "http://h:1", S3_ADDRESSING_PATH },
        { "s3 =\n  addressing_style = sideways\n", NULL, (enum s3_addressing) - 1 },
        { "endpoint_url = http://h:1\n", NULL, S3_ADDRESSING_PATH },
        { "services = here\n[services here]\ns3 =\n  endpoint_url = http://h:1\n", NULL, S3_ADDRESSING_PATH },
};

START_TEST(test_styles) {
        char path[] = "/tmp/test-s3-XXXXXX";
        struct aws_options none = { .region = "us-east-1" };
        struct s3_options o = { .endpoint_url = styles[_i].endpoint };
        struct aws_settings *own = NULL;
        struct blobs *b = NULL;
        int fd = mkstemp(path);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_ge(dprintf(fd, "[default]\n%s", styles[_i].profile), 0);
        close(fd);
        setenv("AWS_CONFIG_FILE", path, 1);
        ck_assert_int_eq(aws_settings_load(&none, &own, &error), 0);
        setenv("AWS_CONFIG_FILE", "/dev/null", 1);
        unlink(path);
        o.settings = own;
        o.transport = transport;
        o.credentials = credentials;
        if (styles[_i].want == (enum s3_addressing) - 1) {
                ck_assert_int_eq(s3_new(&o, &b, &error), -EINVAL);
                ck_assert_ptr_nonnull(strstr(error.message, "sideways"));
        } else {
                ck_assert_int_eq(s3_new(&o, &b, &error), 0);
                ck_assert_int_eq(s3_of(b)->addressing, styles[_i].want);
        }
        blobs_free(b);
        aws_settings_free(own);
}
END_TEST

START_TEST(test_refusals) {
        struct s3_options o = { .transport = transport, .credentials = credentials, .settings = settings };
        struct blobs *b = NULL;

        o.endpoint_url = "ftp://h";
        ck_assert_int_eq(s3_new(&o, &b, &error), -EINVAL);
        o.endpoint_url = NULL;
        o.region = "not a region";
        ck_assert_int_eq(s3_new(&o, &b, &error), -EINVAL);
        o.region = "local";
        ck_assert_int_eq(s3_new(&o, &b, &error), -EINVAL);
        ck_assert_ptr_null(b);
}
END_TEST

static int read_some(void) {
        struct buf out = BUF_INIT(100);
        int r = blobs->ops->read(blobs, &ctx, name("k"), 2, 3, NULL, &out, &error);

        ck_assert(r < 0 || str_eq(buf_view(&out), STR("llo")));
        buf_deinit(&out);
        return r;
}

static int put_some(void) {
        const struct blob_meta meta = { STR("table"), STR("Music") };

        return blobs->ops->put(blobs, &ctx, name("k"), &meta, 1, STR("hello"), &error);
}

static int list_some(void) {
        struct blob_page page;
        int r;

        blob_page_init(&page);
        r = blobs->ops->list(blobs, &ctx, STR("bucket"), STR("p"), STR_NULL, STR_NULL, &page, &error);
        ck_assert(r < 0 || (page.n == 1 && str_eq(page.v[0].key, STR("k"))));
        blob_page_deinit(&page);
        return r;
}

static int remove_some(void) {
        const struct blob_name names[] = { name("a"), name("b") };
        int results[2] = { 7, 7 }, r = blobs->ops->remove(blobs, &ctx, names, 2, results, &error);

        ck_assert(r < 0 || (results[0] == 0 && results[1] == 0));
        ck_assert(r == 0 || results[0] < 0 || results[1] < 0);
        return r;
}

static int begin_some(void) {
        struct blob_upload *u = NULL;
        int r = blobs->ops->upload_begin(blobs, &ctx, name("k"), NULL, 0, &u, &error);

        ck_assert(r < 0 || u);
        blobs->ops->upload_end(blobs, &ctx, u);
        return r;
}

static int make_one(void) {
        struct s3_options o = { transport,  credentials, settings, "eu-west-1", url,         S3_ADDRESSING_AUTO,
                                S3_SSE_KMS, "key",       "owner",  false,       5 * NS_PER_S };
        struct blobs *b = NULL;
        int r = s3_new(&o, &b, &error);

        ck_assert(r < 0 || b);
        blobs_free(b);
        return r;
}

static const struct {
        int (*run)(void);
        struct server_step step;
} in_need[] = {
        { read_some, { .status = 206, .body = "llo", .headers = RANGE("2-4/5") } },
        { put_some, { .body = "" } },
        { list_some, { .body = "<ListBucketResult><Contents><Key>k</Key></Contents></ListBucketResult>" } },
        { remove_some, { .body = "<DeleteResult/>" } },
        { begin_some,
          { .body = "<InitiateMultipartUploadResult><UploadId>i</UploadId></InitiateMultipartUploadResult>" } },
        { make_one, { .body = "" } },
};

/* Each allocation in turn fails: an error, never a crash or a wrong success. */
START_TEST(test_memory) {
        unsigned long n;
        int r = -ENOMEM;

        for (n = 1; r && n < 300; n++) {
                pthread_mutex_lock(&server->lock);
                server->step = server->n_steps = 0;
                pthread_mutex_unlock(&server->lock);
                for (unsigned i = 0; i < 4; i++) /* it is tried again */
                        answer(in_need[_i].step);
                mem_fail_at(n);
                r = in_need[_i].run();
                mem_fail_at(0);
        }
        ck_assert_int_eq(r, 0);
        ck_assert_uint_gt(n, 4);
}
END_TEST

static Suite *suite(void) {
        Suite *s = suite_create("s3");
        TCase *t = tcase_create("all");

        tcase_set_timeout(t, 60);
        tcase_add_checked_fixture(t, set_up, tear_down);
        tcase_add_loop_test(t, test_put, 0, ARRAY_LEN(keys));
        tcase_add_test(t, test_headers_by_option);
        tcase_add_test(t, test_bad_names);
        tcase_add_loop_test(t, test_read, 0, ARRAY_LEN(reads));
        tcase_add_test(t, test_read_appends);
        tcase_add_test(t, test_read_again);
        tcase_add_test(t, test_head);
        tcase_add_loop_test(t, test_put_outcomes, 0, ARRAY_LEN(puts_));
        tcase_add_test(t, test_list_and_remove);
        tcase_add_test(t, test_upload);
        tcase_add_test(t, test_aborted_upload);
        tcase_add_test(t, test_interrupted_upload);
        tcase_add_loop_test(t, test_places, 0, ARRAY_LEN(places));
        tcase_add_loop_test(t, test_styles, 0, ARRAY_LEN(styles));
        tcase_add_test(t, test_refusals);
        tcase_add_loop_test(t, test_memory, 0, ARRAY_LEN(in_need));
        suite_add_tcase(s, t);
        return s;
}

int main(void) {
        static const char *const own[] = { "AWS_PROFILE",         "AWS_DEFAULT_PROFILE",  "AWS_MAX_ATTEMPTS",
                                           "AWS_RETRY_MODE",      "AWS_CA_BUNDLE",        "AWS_ENDPOINT_URL",
                                           "AWS_ENDPOINT_URL_S3", "AWS_USE_FIPS_ENDPOINT" };

        for (unsigned i = 0; i < ARRAY_LEN(own); i++)
                unsetenv(own[i]);
        setenv("no_proxy", "*", 1);
        setenv("AWS_CONFIG_FILE", "/dev/null", 1);
        setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null", 1);
        return suite_run(suite());
}
