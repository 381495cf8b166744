/* SPDX-License-Identifier: Apache-2.0 */
/* S3's documents: real answers, and what must not be believed.  The rest is the fuzzer's (fuzz-s3_xml.c). */
#include "../../../src/s3/s3_xml.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include "ddbfs/aws/retry.h"
#include "ddbfs/aws/xml.h"
#include "../suite.h"

START_TEST(test_objects) {
        struct s3_list l;

        s3_list_init(&l);
        ck_assert_int_eq(
                s3_read_list(STR("\n <?xml version=\"1.0\" encoding=\"UTF-8\"?><ListBucketResult "
                                 "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>b</Name><Prefix>p%20</Prefix>"
                                 "<IsTruncated>true</IsTruncated><Contents><Key>a%20b%2Bc+d%C3%BC%</Key>"
                                 "<LastModified>2026-11-25T23:07:16.465Z</LastModified><ETag>&quot;e&quot;</ETag>"
                                 "<Size>123456789012</Size><Owner><ID>Key</ID></Owner></Contents><Contents><Key>z</Key>"
                                 "<Size>0</Size></Contents><EncodingType>url</EncodingType>"
                                 "<NextContinuationToken>t%20/=</NextContinuationToken></ListBucketResult>"),
                             S3_OBJECTS, &l),
                0);
        ck_assert_uint_eq(l.n, 2);
        ck_assert(str_eq(l.v[0].key, STR("a b+c d\xc3\xbc%")));
        ck_assert_uint_eq(l.v[0].size, 123456789012);
        ck_assert_int_eq(l.v[0].time_s, 1795648036);
        ck_assert(str_eq(l.v[1].key, STR("z")));
        ck_assert(str_eq(l.next, STR("t%20/="))); /* opaque */
        ck_assert_int_eq(
                s3_read_list(STR("<ListBucketResult><NextContinuationToken>t</NextContinuationToken><IsTruncated>"
                                 "false</IsTruncated></ListBucketResult>"),
                             S3_OBJECTS, &l),
                0);
        ck_assert_uint_eq(l.n, 0);
        ck_assert_uint_eq(l.next.n, 0);
        s3_list_deinit(&l);
}
END_TEST

static const struct {
        const char *document;
        enum s3_list_kind kind;
        int r;
} unsound[] = {
        { "", S3_OBJECTS, -EINVAL },
        { " \n", S3_OBJECTS, -EINVAL },
        { "{}", S3_OBJECTS, -EINVAL },
        { "<html/>", S3_OBJECTS, -EINVAL },
        { "<ListBucketResult/>", S3_UPLOADS, -EINVAL },
        { "<DeleteResult/>", S3_OBJECTS, -EINVAL },
        { "<ListBucketResult/><ListBucketResult/>", S3_OBJECTS, -EINVAL },
        { "<ListBucketResult><Contents>", S3_OBJECTS, -EINVAL },
        { "<ListBucketResult><Contents/></ListBucketResult>", S3_OBJECTS, -EINVAL },
        { "<ListBucketResult><Contents><Key/></Contents></ListBucketResult>", S3_OBJECTS, -EINVAL },
        { "<ListBucketResult><Contents><Key>k</Key><Size>1e3</Size></Contents></ListBucketResult>", S3_OBJECTS,
          -EINVAL },
        { "<ListBucketResult><Contents><Key>k</Key><Size/></Contents></ListBucketResult>", S3_OBJECTS, -EINVAL },
        { "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>", S3_OBJECTS, -EINVAL },
        { "<!DOCTYPE a><ListBucketResult/>", S3_OBJECTS, -EINVAL },
        { "<!DOCTYPE a [<!ENTITY b 'c'>]><ListBucketResult>&b;</ListBucketResult>", S3_OBJECTS, -EINVAL },
        { "<!DOCTYPE a SYSTEM '/etc/passwd'><ListBucketResult/>", S3_OBJECTS, -EINVAL },
        { "<ListBucketResult>&unknown;</ListBucketResult>", S3_OBJECTS, -EINVAL },
        { "<a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a>", S3_OBJECTS, -EFBIG },
};

START_TEST(test_unsound) {
        struct s3_list l;

        s3_list_init(&l);
        ck_assert_int_eq(s3_read_list(str_of(unsound[_i].document), unsound[_i].kind, &l), unsound[_i].r);
        s3_list_deinit(&l);
}
END_TEST

START_TEST(test_caps) {
        struct buf doc = BUF_INIT(64 * MIB);
        struct s3_list l;

        s3_list_init(&l);
        buf_puts(&doc, "<ListBucketResult><Contents><Key>");
        buf_fill(&doc, 'k', XML_TEXT_MAX + 1);
        buf_puts(&doc, "</Key></Contents></ListBucketResult>");
        ck_assert_int_eq(s3_read_list(buf_view(&doc), S3_OBJECTS, &l), -EFBIG);
        buf_reset(&doc);
        buf_puts(&doc, "<ListBucketResult>");
        for (unsigned i = 0; i < 1000; i++) /* the blanks between entries are nobody's text */
                buf_printf(&doc, "\n%64s<Contents>\n<Key>%u</Key></Contents>", "", i);
        buf_puts(&doc, "</ListBucketResult>");
        ck_assert_int_eq(s3_read_list(buf_view(&doc), S3_OBJECTS, &l), 0);
        ck_assert_uint_eq(l.n, 1000);
        ck_assert(str_eq(l.v[999].key, STR("999")));
        buf_reset(&doc);
        buf_puts(&doc, "<ListBucketResult>");
        for (unsigned i = 0; i < 200000; i++)
                buf_printf(&doc, "<Contents><Key>%u</Key></Contents>", i);
        ck_assert_int_eq(s3_read_list(buf_view(&doc), S3_OBJECTS, &l), -ENOMEM); /* the arena's cap */
        buf_deinit(&doc);
        s3_list_deinit(&l);
}
END_TEST

START_TEST(test_memory) {
        const struct str document = STR("<ListBucketResult><Contents><Key>k</Key></Contents></ListBucketResult>");
        struct s3_list l;
        unsigned long n;
        int r = -ENOMEM;

        s3_list_init(&l);
        for (n = 1; r == -ENOMEM && n < 100; n++) {
                mem_fail_at(n);
                r = s3_read_list(document, S3_OBJECTS, &l);
                mem_fail_at(0);
                ck_assert(r == 0 || r == -ENOMEM);
        }
        ck_assert_int_eq(r, 0);
        ck_assert_uint_gt(n, 4); /* expat's own, too */
        s3_list_deinit(&l);
}
END_TEST

START_TEST(test_small_answers) {
        struct buf id = BUF_INIT(S3_UPLOAD_ID_MAX);

        ck_assert_int_eq(
                s3_read_upload_id(STR("<InitiateMultipartUploadResult><Key>k</Key><UploadId>2~a&amp;b</UploadId>"
                                      "</InitiateMultipartUploadResult>"),
                                  &id),
                0);
        ck_assert(str_eq(buf_view(&id), STR("2~a&b")));
        ck_assert_int_eq(s3_read_upload_id(STR("<InitiateMultipartUploadResult/>"), &id), -EINVAL);
        ck_assert_int_eq(
                s3_read_completed(STR("<CompleteMultipartUploadResult><ETag/></CompleteMultipartUploadResult>")), 0);
        ck_assert_int_eq(s3_read_completed(STR("<Other/>")), -EINVAL);
        ck_assert_int_eq(s3_read_completed(STR("")), -EINVAL);
        buf_deinit(&id);
}
END_TEST

START_TEST(test_writing) {
        struct buf out = BUF_INIT(1024);

        s3_write_text(&out, STR("a<b>&\"'\r\n\t\xc3\xbc"));
        ck_assert(str_eq(buf_view(&out), STR("a&lt;b&gt;&amp;&quot;'&#13;&#10;&#9;\xc3\xbc")));
        buf_deinit(&out);
        ck_assert(s3_writable(STR("a\r\n\t\xef\xbf\xbd")));
        ck_assert(!s3_writable(STR("a\x01")));
        ck_assert(!s3_writable(STR("\xef\xbf\xbe")));
        ck_assert(!s3_writable(STR("\xff")));
}
END_TEST

static const struct {
        int status;
        const char *body, *region, *code, *message;
        enum error_kind kind;
        enum retry_class retry;
} errors[] = {
        { 404, "<?xml version=\"1.0\"?><Error><Code>NoSuchKey</Code><Message>The key</Message></Error>", "",
          "NoSuchKey", "The key", ERR_NO_ITEM, RETRY_NO },
        { 404, "", "", "", "the service answered with status 404 and no error code", ERR_SERVICE, RETRY_NO },
        { 404, "<html>not found</html>", "", "", "the service answered with status 404 and no error code", ERR_SERVICE,
          RETRY_NO },
        { 503, "<Error><Code>SlowDown</Code><Message>slow", "", "SlowDown", "SlowDown", ERR_BUSY, RETRY_THROTTLE },
        { 400, "<Error><Code>RequestTimeout</Code></Error>", "", "RequestTimeout", "RequestTimeout", ERR_TIMEOUT,
          RETRY_TRANSIENT },
        { 403, "<Error><Code>RequestTimeTooSkewed</Code></Error>", "", "RequestTimeTooSkewed", "RequestTimeTooSkewed",
          ERR_ACCESS, RETRY_SKEW },
        { 400, "<ErrorResponse><Error><Code>ExpiredToken</Code><Message>old</Message></Error></ErrorResponse>", "",
          "ExpiredToken", "old", ERR_ACCESS, RETRY_CREDENTIALS },
        { 301, "<Error><Code>PermanentRedirect</Code><Message>elsewhere</Message></Error>", "eu-west-1",
          "PermanentRedirect", "elsewhere (the bucket is in region eu-west-1: use s3_region)", ERR_VALIDATION,
          RETRY_NO },
        { 400,
          "<Error><Code>AuthorizationHeaderMalformed</Code><Message>m</Message><Region>ap-south-1</Region></Error>",
          "eu-west-1", "AuthorizationHeaderMalformed", "m (the bucket is in region ap-south-1: use s3_region)",
          ERR_VALIDATION, RETRY_NO },
        { 301, "", "", "", "the bucket is not here (it is in another region)", ERR_VALIDATION, RETRY_NO },
        { 500, "<Error><Code>Unheard</Code></Error>", "", "Unheard", "Unheard", ERR_SERVICE, RETRY_TRANSIENT },
};

START_TEST(test_errors) {
        enum retry_class retry;
        struct error e;

        aws_error_read_xml(errors[_i].status, str_of(errors[_i].body), str_of(errors[_i].region), &e, &retry);
        ck_assert_str_eq(e.code, errors[_i].code);
        ck_assert_str_eq(e.message, errors[_i].message);
        ck_assert_int_eq(e.kind, errors[_i].kind);
        ck_assert_int_eq(retry, errors[_i].retry);
        ck_assert_int_eq(e.http_status, errors[_i].status);
}
END_TEST

START_TEST(test_is_error) {
        ck_assert(aws_error_is_xml(STR("<Error>")));
        ck_assert(aws_error_is_xml(STR("\n <?xml version=\"1.0\"?>\n<Error><Code>")));
        ck_assert(aws_error_is_xml(STR("<ErrorResponse>")));
        ck_assert(!aws_error_is_xml(STR("<DeleteResult><Error>")));
        ck_assert(!aws_error_is_xml(STR("")));
        ck_assert(!aws_error_is_xml(STR("{}")));
}
END_TEST

static Suite *suite(void) {
        Suite *s = suite_create("s3_xml");
        TCase *t = tcase_create("all");

        tcase_set_timeout(t, 60);
        tcase_add_test(t, test_objects);
        tcase_add_loop_test(t, test_unsound, 0, ARRAY_LEN(unsound));
        tcase_add_test(t, test_caps);
        tcase_add_test(t, test_memory);
        tcase_add_test(t, test_small_answers);
        tcase_add_test(t, test_writing);
        tcase_add_loop_test(t, test_errors, 0, ARRAY_LEN(errors));
        tcase_add_test(t, test_is_error);
        suite_add_tcase(s, t);
        return s;
}

int main(void) {
        return suite_run(suite());
}
