/* SPDX-License-Identifier: Apache-2.0 */
/* Error bodies of a service.  Input: two bytes of status, then the body.  Whatever it is, the outcome is an
 * error with a kind, one printable line, and a bare code; known codes classify as in the table. */
#include <string.h>
#include "ddbfs/aws/retry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check(int condition) {
        if (!condition)
                __builtin_trap();
}

static void check_line(const char *s, size_t room) {
        check(strnlen(s, room) < room);
        for (; *s; s++)
                check((unsigned char)*s >= 0x20 && *s != 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
        const struct aws_code_info *info;
        enum retry_class retry = RETRY_NO;
        struct error e;
        int status;

        if (n < 2)
                return 0;
        status = 100 + (data[0] << 8 | data[1]) % 500;
        memset(&e, 0xff, sizeof(e));
        aws_error_read(status, str_make(data + 2, n - 2), STR_NULL, &e, &retry);
        check(e.kind > ERR_NONE && e.kind < _ERR_N);
        check(e.http_status == status && e.request_id[0] == '\0');
        check(e.message[0] != '\0');
        check_line(e.message, sizeof(e.message));
        check_line(e.code, sizeof(e.code));
        check(!strchr(e.code, ' '));
        info = aws_code_lookup(str_of(e.code));
        if (info && e.kind != ERR_CANCELLED)
                check(retry == info->retry && (e.kind == info->kind || e.kind == ERR_TOO_LARGE));
        return 0;
}
