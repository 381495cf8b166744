/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The XML of S3, both ways.  Pure; what is read is untrusted. */
#include "ddbfs/base/arena.h"
#include "ddbfs/base/buf.h"

/* An entry of a list: what the answer says of it; the rest is empty.  In the list's arena. */
struct s3_entry {
        struct str key, upload_id, code, message;
        uint64_t size;
        int64_t time_s; /* LastModified, Initiated; 0: none, or unreadable */
};

struct s3_list {
        struct arena arena;
        struct s3_entry *v;
        uint32_t n, cap;
        bool truncated, url_encoded;
        struct str next, next_upload_id; /* where the next page begins */
};
void s3_list_init(struct s3_list *l);
void s3_list_deinit(struct s3_list *l);

enum s3_list_kind {
        S3_OBJECTS, /* ListBucketResult/Contents */
        S3_UPLOADS, /* ListMultipartUploadsResult/Upload */
        S3_REFUSED, /* DeleteResult/Error */
        _S3_LIST_N,
};

/* Replaces what the list held; keys are decoded.  0, -EINVAL (no such document, an entry without a key, more
 * to come but not where), -EFBIG or -ENOMEM. */
_must_check_ int s3_read_list(struct str body, enum s3_list_kind kind, struct s3_list *ret);

#define S3_UPLOAD_ID_MAX 1024
/* InitiateMultipartUploadResult/UploadId, appended.  As above. */
_must_check_ int s3_read_upload_id(struct str body, struct buf *ret);
/* Is it a CompleteMultipartUploadResult?  As above. */
_must_check_ int s3_read_completed(struct str body);

/* Characters that XML has no way to write: such keys cannot be in a request's body. */
bool s3_writable(struct str s);
/* Escaped, so that it reads back the same. */
void s3_write_text(struct buf *out, struct str s);
