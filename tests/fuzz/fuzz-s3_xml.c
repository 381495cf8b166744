/* SPDX-License-Identifier: Apache-2.0 */
/* S3's documents.  Input: a byte that says which list, then the document.  What is read has keys and fits its caps;
 * written out and read again it is the same; error bodies always give a printable line. */
#include <string.h>
#include "../../src/s3/s3_xml.h"
#include "ddbfs/aws/retry.h"
#include "ddbfs/aws/xml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check(int condition) {
        if (!condition)
                __builtin_trap();
}

/* The keys as a DeleteResult: read back they are the same. */
static void check_round_trip(const struct s3_list *l) {
        struct buf out = BUF_INIT(64 * MIB);
        struct s3_list again;
        uint32_t k = 0;

        s3_list_init(&again);
        buf_puts(&out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?><DeleteResult>");
        for (uint32_t i = 0; i < l->n; i++) {
                if (!s3_writable(l->v[i].key))
                        continue;
                buf_puts(&out, "<Error><Key>");
                s3_write_text(&out, l->v[i].key);
                buf_puts(&out, "</Key></Error>");
        }
        buf_puts(&out, "</DeleteResult>");
        check(buf_status(&out) == 0);
        check(s3_read_list(buf_view(&out), S3_REFUSED, &again) == 0);
        for (uint32_t i = 0; i < l->n; i++)
                if (s3_writable(l->v[i].key))
                        check(str_eq(again.v[k++].key, l->v[i].key));
        check(k == again.n);
        s3_list_deinit(&again);
        buf_deinit(&out);
}

static void check_error(struct str body) {
        enum retry_class retry = RETRY_NO;
        struct error e;

        memset(&e, 0xff, sizeof(e));
        aws_error_read_xml(400, body, STR("eu-west-1"), &e, &retry);
        check(e.kind > ERR_NONE && e.kind < _ERR_N && e.message[0] != '\0');
        check(strnlen(e.message, sizeof(e.message)) < sizeof(e.message));
        for (const char *p = e.message; *p; p++)
                check((unsigned char)*p >= 0x20 && *p != 0x7f);
        for (const char *p = e.code; *p; p++)
                check(*p > 0x20 && *p < 0x7f);
        (void)aws_error_is_xml(body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
        struct buf id = BUF_INIT(S3_UPLOAD_ID_MAX);
        struct s3_list list;
        struct str body;

        if (n < 1)
                return 0;
        body = str_make(data + 1, n - 1);
        s3_list_init(&list);
        if (s3_read_list(body, (enum s3_list_kind)(data[0] % _S3_LIST_N), &list) == 0) {
                check(!list.truncated || list.next.n > 0);
                for (uint32_t i = 0; i < list.n; i++)
                        check(list.v[i].key.n > 0 && list.v[i].key.n <= XML_TEXT_MAX);
                check_round_trip(&list);
        }
        s3_list_deinit(&list);
        if (s3_read_upload_id(body, &id) == 0)
                check(id.n > 0 && id.n <= S3_UPLOAD_ID_MAX);
        buf_deinit(&id);
        check(s3_read_completed(body) <= 0);
        check_error(body);
        return 0;
}
