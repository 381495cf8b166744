/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What went wrong, in the terms of the person: carried by value from where it arises (service, network,
 * codec) to where it is told (log, errors.jsonl, xattr).  No allocation, no thread-local "last error".
 *
 * A function with a `struct error *reterr` (may be NULL) returns -errno and fills it; kind -> errno is
 * one table in base/error.c, PRODUCT section 7.
 */
#include <errno.h>
#include <stdbool.h>
#include "ddbfs/base/macros.h"

enum error_kind {
        ERR_NONE,
        ERR_NO_TABLE,     /* ResourceNotFoundException                     ENOENT */
        ERR_NO_ITEM,      /* the service says there is none                ENOENT */
        ERR_GONE,         /* the same where it is news: it is told         ENOENT */
        ERR_EXISTS,       /* O_EXCL, NOREPLACE                             EEXIST */
        ERR_CONDITION,    /* ConditionalCheckFailedException               ESTALE */
        ERR_INPUT,        /* refused before any request: text, key, name   EINVAL */
        ERR_VALIDATION,   /* ValidationException and kin                   EINVAL */
        ERR_TOO_LARGE,    /* item over 400 KB                              EFBIG */
        ERR_NO_SPACE,     /* ItemCollectionSizeLimitExceeded               ENOSPC */
        ERR_CANCELLED,    /* TransactionCanceledException                  ECANCELED */
        ERR_ACCESS,       /* access denied, bad signature, credentials     EACCES */
        ERR_READ_ONLY,    /* index view, -o ro                             EROFS */
        ERR_BUSY,         /* throttled after all retries, in use, conflict EBUSY */
        ERR_TIMEOUT,      /* no answer in time                             ETIMEDOUT */
        ERR_CONNECT,      /* cannot resolve, connect, or TLS refused       EHOSTUNREACH */
        ERR_INTERRUPTED,  /* the caller's Ctrl-C                           EINTR */
        ERR_SERVICE,      /* 5xx after all retries, unknown code           EIO */
        ERR_PROTOCOL,     /* an answer we cannot make sense of             EIO */
        ERR_MEMORY,       /*                                               ENOMEM */
        ERR_UNSUPPORTED,  /*                                               EOPNOTSUPP */
        ERR_PERMISSION,   /* not allowed by option                         EPERM */
        ERR_INTERNAL,     /* anything else                                 EIO */
        _ERR_N,
};

#define ERROR_CODE_LEN 64
#define ERROR_MESSAGE_LEN 512
#define ERROR_REQUEST_ID_LEN 80

struct error {
        enum error_kind kind;
        int http_status;                       /* 0 when there was no response */
        unsigned line, column;                 /* of a text refused, from 1; 0 when not a text */
        bool told;                             /* the person knows already: not to be reported again */
        unsigned action;                       /* ERR_CANCELLED: index of the first guilty action */
        char code[ERROR_CODE_LEN];             /* the service's exception name, or "" */
        char message[ERROR_MESSAGE_LEN];       /* one line, no secrets */
        char request_id[ERROR_REQUEST_ID_LEN]; /* x-amzn-RequestId, or "" */
};

/* The errno (positive) of a kind. */
int error_errno(enum error_kind kind);
const char *error_kind_name(enum error_kind kind); /* "condition", "access", ...: stable, for logs and metrics */

/* Fill *e (when not NULL; other members are cleared) and return -error_errno(kind).
 * Control characters in the message are replaced by '?', so that it stays one line. */
int error_set(struct error *e, enum error_kind kind, const char *format, ...) _printf_(3, 4);
/* The same for a text refused at line:column. */
int error_set_at(struct error *e, unsigned line, unsigned column, const char *format, ...) _printf_(4, 5);
/* For a failed libc call or a forwarded -errno: kind from the errno (ENOMEM -> ERR_MEMORY ...), ERR_INTERNAL where
 * there is none of its own (EXDEV, ENOTDIR ...).  Returns negative_errno. */
int error_set_errno(struct error *e, int negative_errno, const char *what);
