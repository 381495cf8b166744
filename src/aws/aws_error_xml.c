/* SPDX-License-Identifier: Apache-2.0 */
/* The reader of XML error bodies: <Error> of S3, <ErrorResponse><Error> of STS.  Pure; the body is untrusted. */
#include "error_internal.h"

#include <stdio.h>
#include "ddbfs/aws/xml.h"

struct error_text {
        char code[ERROR_CODE_LEN], message[ERROR_MESSAGE_LEN], region[64];
        size_t code_n, message_n, region_n;
};

static void copy(struct str s, char *out, size_t room, size_t *ret_n) {
        *ret_n = MIN(s.n, room);
        if (*ret_n)
                memcpy(out, s.p, *ret_n);
}

static int on_end(void *arg, struct str path, struct str text) {
        struct error_text *e = arg;
        struct str response = STR("ErrorResponse/");

        if (str_starts(path, response))
                path = str_skip(path, response.n);
        if (str_eq(path, STR("Error/Code")))
                copy(text, e->code, sizeof(e->code), &e->code_n);
        else if (str_eq(path, STR("Error/Message")))
                copy(text, e->message, sizeof(e->message), &e->message_n);
        else if (str_eq(path, STR("Error/Region")))
                copy(text, e->region, sizeof(e->region), &e->region_n);
        return 0;
}

/* Is it the region that is wrong? */
static bool is_elsewhere(int http_status, struct str code) {
        static const char *const codes[] = { "AuthorizationHeaderMalformed", "IllegalLocationConstraintException",
                                             "PermanentRedirect", "TemporaryRedirect" };

        for (size_t i = 0; i < ARRAY_LEN(codes); i++)
                if (str_eq(code, str_of(codes[i])))
                        return true;
        return code.n == 0 && (http_status == 301 || http_status == 307);
}

void aws_error_read_xml(int http_status, struct str body, struct str header_region, struct error *ret,
                        enum retry_class *ret_retry) {
        static const struct xml_events events = { .end = on_end };
        struct error_text e = { .code_n = 0 };
        struct str code, message, region;
        enum error_kind kind;
        char where[96] = "";
        int r;

        r = body.n > 0 ? xml_read(body, &events, &e) : 0;
        (void)r; /* what came before a fault counts */
        code = str_make(e.code, e.code_n);
        message = str_make(e.message, e.message_n);
        region = e.region_n ? str_make(e.region, e.region_n) : header_region;
        aws_error_classify(http_status, code, &kind, ret_retry);
        if (is_elsewhere(http_status, code)) {
                kind = ERR_VALIDATION;
                snprintf(where, sizeof(where), "%s%.*s%s",
                         region.n ? "the bucket is in region " : "it is in another region", (int)MIN(region.n, 40u),
                         region.n ? region.p : "", region.n ? ": use s3_region" : "");
                if (message.n == 0)
                        message = STR("the bucket is not here");
        }
        aws_error_fill(ret, kind, http_status, code, message, str_of(where));
}

bool aws_error_is_xml(struct str body) {
        struct str s = str_make(body.p, MIN(body.n, 512));
        const char *p;

        if (s.n == 0)
                return false;
        p = memmem(s.p, s.n, "<Error", 6);
        if (!p)
                return false;
        /* the root: nothing but blanks and a declaration before it */
        for (const char *q = s.p; q < p; q++)
                if (*q == '<' && (q + 1 == p || q[1] != '?'))
                        return false;
        return true;
}
