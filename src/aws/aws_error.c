/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the service's errors mean: one table of codes, and the reader of error bodies.  Pure.  The body is
 * untrusted; whatever it holds, the outcome is a filled struct error.
 */
#include "error_internal.h"

#include <jansson.h>

/* Sorted by code (byte order; looked up by bisection).  RETRY_SKEW: only if the clocks disagree. */
static const struct aws_code_info codes[] = {
        { "AccessDenied", ERR_ACCESS, RETRY_NO },
        { "AccessDeniedException", ERR_ACCESS, RETRY_SKEW },
        { "AuthFailure", ERR_ACCESS, RETRY_SKEW },
        { "AuthorizationHeaderMalformed", ERR_VALIDATION, RETRY_NO },
        { "BackupNotFoundException", ERR_NO_TABLE, RETRY_NO },
        { "BadDigest", ERR_PROTOCOL, RETRY_TRANSIENT },
        { "BandwidthLimitExceeded", ERR_BUSY, RETRY_THROTTLE },
        { "ConditionalCheckFailedException", ERR_CONDITION, RETRY_NO },
        { "ConditionalRequestConflict", ERR_BUSY, RETRY_TRANSIENT },
        { "DuplicateItemException", ERR_EXISTS, RETRY_NO },
        { "EC2ThrottledException", ERR_BUSY, RETRY_THROTTLE },
        { "EntityTooLarge", ERR_TOO_LARGE, RETRY_NO },
        { "EntityTooSmall", ERR_VALIDATION, RETRY_NO },
        { "ExpiredToken", ERR_ACCESS, RETRY_CREDENTIALS },
        { "ExpiredTokenException", ERR_ACCESS, RETRY_CREDENTIALS },
        { "IDPCommunicationError", ERR_SERVICE, RETRY_TRANSIENT },
        { "IdempotentParameterMismatchException", ERR_VALIDATION, RETRY_NO },
        { "IllegalLocationConstraintException", ERR_VALIDATION, RETRY_NO },
        { "IncompleteSignatureException", ERR_ACCESS, RETRY_NO },
        { "IndexNotFoundException", ERR_NO_TABLE, RETRY_NO },
        { "InternalError", ERR_SERVICE, RETRY_TRANSIENT },
        { "InternalFailure", ERR_SERVICE, RETRY_TRANSIENT },
        { "InternalServerError", ERR_SERVICE, RETRY_TRANSIENT },
        { "InvalidAccessKeyId", ERR_ACCESS, RETRY_CREDENTIALS },
        { "InvalidBucketName", ERR_VALIDATION, RETRY_NO },
        { "InvalidClientTokenId", ERR_ACCESS, RETRY_CREDENTIALS },
        { "InvalidObjectState", ERR_ACCESS, RETRY_NO },
        { "InvalidPart", ERR_VALIDATION, RETRY_NO },
        { "InvalidPartOrder", ERR_VALIDATION, RETRY_NO },
        { "InvalidRange", ERR_VALIDATION, RETRY_NO },
        { "InvalidRequest", ERR_VALIDATION, RETRY_NO },
        { "InvalidSignatureException", ERR_ACCESS, RETRY_SKEW },
        { "InvalidToken", ERR_ACCESS, RETRY_CREDENTIALS },
        { "ItemCollectionSizeLimitExceededException", ERR_NO_SPACE, RETRY_NO },
        { "KeyTooLongError", ERR_VALIDATION, RETRY_NO },
        { "LimitExceededException", ERR_BUSY, RETRY_THROTTLE },
        { "MissingAuthenticationToken", ERR_ACCESS, RETRY_NO },
        { "MissingAuthenticationTokenException", ERR_ACCESS, RETRY_NO },
        { "NoSuchBucket", ERR_NO_TABLE, RETRY_NO },
        { "NoSuchKey", ERR_NO_ITEM, RETRY_NO },
        { "NoSuchUpload", ERR_NO_ITEM, RETRY_NO },
        { "NotAuthorized", ERR_ACCESS, RETRY_NO },
        { "NotImplemented", ERR_UNSUPPORTED, RETRY_NO },
        { "OperationAborted", ERR_BUSY, RETRY_TRANSIENT },
        { "OptInRequired", ERR_ACCESS, RETRY_NO },
        { "PermanentRedirect", ERR_VALIDATION, RETRY_NO },
        { "PolicyNotFoundException", ERR_NO_ITEM, RETRY_NO },
        { "PreconditionFailed", ERR_CONDITION, RETRY_NO },
        { "PriorRequestNotComplete", ERR_BUSY, RETRY_THROTTLE },
        { "ProvisionedThroughputExceededException", ERR_BUSY, RETRY_THROTTLE },
        { "ReplicatedWriteConflictException", ERR_BUSY, RETRY_TRANSIENT },
        { "RequestEntityTooLarge", ERR_TOO_LARGE, RETRY_NO },
        { "RequestExpired", ERR_ACCESS, RETRY_NO },
        { "RequestLimitExceeded", ERR_BUSY, RETRY_THROTTLE },
        { "RequestThrottled", ERR_BUSY, RETRY_THROTTLE },
        { "RequestThrottledException", ERR_BUSY, RETRY_THROTTLE },
        { "RequestTimeTooSkewed", ERR_ACCESS, RETRY_SKEW },
        { "RequestTimeout", ERR_TIMEOUT, RETRY_TRANSIENT },
        { "RequestTimeoutException", ERR_TIMEOUT, RETRY_TRANSIENT },
        { "ResourceInUseException", ERR_BUSY, RETRY_NO },
        { "ResourceNotFoundException", ERR_NO_TABLE, RETRY_NO },
        { "SerializationException", ERR_VALIDATION, RETRY_NO },
        { "ServiceUnavailable", ERR_SERVICE, RETRY_TRANSIENT },
        { "ServiceUnavailableException", ERR_SERVICE, RETRY_TRANSIENT },
        { "SignatureDoesNotMatch", ERR_ACCESS, RETRY_SKEW },
        { "SlowDown", ERR_BUSY, RETRY_THROTTLE },
        { "TableAlreadyExistsException", ERR_EXISTS, RETRY_NO },
        { "TableInUseException", ERR_BUSY, RETRY_NO },
        { "TableNotFoundException", ERR_NO_TABLE, RETRY_NO },
        { "TemporaryRedirect", ERR_VALIDATION, RETRY_NO },
        { "ThrottledException", ERR_BUSY, RETRY_THROTTLE },
        { "Throttling", ERR_BUSY, RETRY_THROTTLE },
        { "ThrottlingException", ERR_BUSY, RETRY_THROTTLE },
        { "TokenRefreshRequired", ERR_ACCESS, RETRY_CREDENTIALS },
        { "TooManyRequestsException", ERR_BUSY, RETRY_THROTTLE },
        { "TransactionCanceledException", ERR_CANCELLED, RETRY_NO },
        { "TransactionConflictException", ERR_BUSY, RETRY_NO },
        { "TransactionInProgressException", ERR_BUSY, RETRY_THROTTLE },
        { "UnauthorizedException", ERR_ACCESS, RETRY_NO },
        { "UnknownOperationException", ERR_UNSUPPORTED, RETRY_NO },
        { "UnrecognizedClientException", ERR_ACCESS, RETRY_CREDENTIALS },
        { "ValidationError", ERR_VALIDATION, RETRY_NO },
        { "ValidationException", ERR_VALIDATION, RETRY_NO },
        { "XAmzContentSHA256Mismatch", ERR_PROTOCOL, RETRY_TRANSIENT },
};

/* Without a known code.  404 is not "no such item": that is said by a code only. */
static const struct {
        int status;
        enum error_kind kind;
        enum retry_class retry;
} statuses[] = {
        { 401, ERR_ACCESS, RETRY_NO },         { 403, ERR_ACCESS, RETRY_NO },
        { 408, ERR_TIMEOUT, RETRY_TRANSIENT }, { 412, ERR_CONDITION, RETRY_NO },
        { 413, ERR_TOO_LARGE, RETRY_NO },      { 429, ERR_BUSY, RETRY_THROTTLE },
        { 500, ERR_SERVICE, RETRY_TRANSIENT }, { 502, ERR_SERVICE, RETRY_TRANSIENT },
        { 503, ERR_SERVICE, RETRY_TRANSIENT }, { 504, ERR_SERVICE, RETRY_TRANSIENT },
};

const struct aws_code_info *aws_code_lookup(struct str code) {
        size_t low = 0, high = ARRAY_LEN(codes);

        while (low < high) {
                size_t middle = low + (high - low) / 2;
                int c = str_cmp(code, str_of(codes[middle].code));

                if (c == 0)
                        return &codes[middle];
                if (c < 0)
                        high = middle;
                else
                        low = middle + 1;
        }
        return NULL;
}

void aws_error_classify(int http_status, struct str code, enum error_kind *ret_kind, enum retry_class *ret_retry) {
        const struct aws_code_info *info = aws_code_lookup(code);

        *ret_kind = ERR_SERVICE;
        *ret_retry = RETRY_NO;
        if (info) {
                *ret_kind = info->kind;
                *ret_retry = info->retry;
                return;
        }
        for (unsigned i = 0; i < ARRAY_LEN(statuses); i++)
                if (statuses[i].status == http_status) {
                        *ret_kind = statuses[i].kind;
                        *ret_retry = statuses[i].retry;
                }
}

/* "com.amazonaws.dynamodb.v20120810#Name:http://..." -> "Name" */
static struct str bare_code(struct str s) {
        const char *colon = s.n ? memchr(s.p, ':', s.n) : NULL, *hash;

        if (colon)
                s.n = (size_t)(colon - s.p);
        hash = s.n ? memrchr(s.p, '#', s.n) : NULL;
        return hash ? str_skip(s, (size_t)(hash - s.p) + 1) : s;
}

static struct str text_of(const json_t *object, const char *key) {
        const json_t *v = json_object_get(object, key);

        return json_is_string(v) ? str_make(json_string_value(v), json_string_length(v)) : STR_NULL;
}

static struct str first_text(const json_t *object, const char *const *keys) {
        struct str s = STR_NULL;

        for (; *keys && s.n == 0; keys++)
                s = text_of(object, *keys);
        return s;
}

static bool contains(struct str s, struct str part) {
        return s.n >= part.n && memmem(s.p, s.n, part.p, part.n) != NULL;
}

/* The first action that is to blame for a cancelled transaction.  Code "None" means innocent. */
static const json_t *guilty_reason(const json_t *body, unsigned *ret_action) {
        const json_t *reasons = json_object_get(body, "CancellationReasons");

        for (size_t i = 0; i < json_array_size(reasons); i++) {
                const json_t *reason = json_array_get(reasons, i);
                struct str code = text_of(reason, "Code");

                if (code.n && !str_eq(code, STR("None"))) {
                        *ret_action = (unsigned)i;
                        return reason;
                }
        }
        return NULL;
}

/* "TableReadKeyRangeThroughputExceeded": which limit it was, and whether of one partition only */
static struct str throttling_reason(const json_t *body) {
        const json_t *reasons = json_object_get(body, "ThrottlingReasons");

        if (!reasons)
                reasons = json_object_get(body, "throttlingReasons");
        return text_of(json_array_get(reasons, 0), "reason");
}

/* A NUL-terminated copy; the text may hold NULs of its own. */
static void copy_text(struct str s, char *out, size_t room) {
        size_t n = MIN(s.n, room - 1);

        for (size_t i = 0; i < n; i++)
                out[i] = (char)(s.p[i] ? s.p[i] : '?');
        out[n] = '\0';
}

void aws_error_fill(struct error *e, enum error_kind kind, int http_status, struct str code, struct str message,
                    struct str detail) {
        char text[ERROR_MESSAGE_LEN], more[100], name[ERROR_CODE_LEN];

        copy_text(code, name, sizeof(name));
        for (char *p = name; *p; p++)
                *p = (char)(*p > 0x20 && *p < 0x7f ? *p : '?');
        copy_text(message, text, sizeof(text));
        copy_text(detail, more, sizeof(more));
        if (message.n)
                error_set(e, kind, "%s%s%s%s", text, detail.n ? " (" : "", more, detail.n ? ")" : "");
        else if (code.n)
                error_set(e, kind, "%s", name);
        else
                error_set(e, kind, "the service answered with status %d and no error code", http_status);
        e->http_status = http_status;
        memcpy(e->code, name, sizeof(name));
}

void aws_error_read(int http_status, struct str body, struct str header_code, struct error *ret,
                    enum retry_class *ret_retry) {
        static const char *const code_keys[] = { "__type", "code", NULL };
        static const char *const message_keys[] = { "message", "Message", "errorMessage", NULL };
        json_t *root = body.n ? json_loadb(body.p, body.n, JSON_ALLOW_NUL, NULL) : NULL;
        struct str code = bare_code(first_text(root, code_keys));
        struct str message = first_text(root, message_keys);
        const json_t *reason = NULL;
        enum error_kind kind;
        unsigned action = 0;

        if (code.n == 0)
                code = bare_code(header_code);
        aws_error_classify(http_status, code, &kind, ret_retry);
        if (kind == ERR_VALIDATION && contains(message, STR("tem size")) && contains(message, STR("exceeded")))
                kind = ERR_TOO_LARGE;
        if (kind == ERR_CANCELLED)
                reason = guilty_reason(root, &action);
        if (reason) {
                struct str why = text_of(reason, "Message");

                code = text_of(reason, "Code");
                message = why.n ? why : message;
        }
        aws_error_fill(ret, kind, http_status, code, message, throttling_reason(root));
        ret->action = action;
        json_decref(root);
}
