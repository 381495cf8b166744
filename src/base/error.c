/* SPDX-License-Identifier: Apache-2.0 */
/* Kinds of error: their names and errnos, in two tables. */
#include "ddbfs/base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "text_internal.h"

#define ERRNO_END 4096 /* the kernel has none from here on */

static const struct kind {
        const char *name;
        int number; /* errno */
} kinds[_ERR_N] = {
        [ERR_NONE] = { "none", 0 },
        [ERR_NO_TABLE] = { "no-table", ENOENT },
        [ERR_NO_ITEM] = { "no-item", ENOENT },
        [ERR_GONE] = { "gone", ENOENT },
        [ERR_EXISTS] = { "exists", EEXIST },
        [ERR_CONDITION] = { "condition", ESTALE },
        [ERR_INPUT] = { "input", EINVAL },
        [ERR_VALIDATION] = { "validation", EINVAL },
        [ERR_TOO_LARGE] = { "too-large", EFBIG },
        [ERR_NO_SPACE] = { "no-space", ENOSPC },
        [ERR_CANCELLED] = { "cancelled", ECANCELED },
        [ERR_ACCESS] = { "access", EACCES },
        [ERR_READ_ONLY] = { "read-only", EROFS },
        [ERR_BUSY] = { "busy", EBUSY },
        [ERR_TIMEOUT] = { "timeout", ETIMEDOUT },
        [ERR_CONNECT] = { "connect", EHOSTUNREACH },
        [ERR_INTERRUPTED] = { "interrupted", EINTR },
        [ERR_SERVICE] = { "service", EIO },
        [ERR_PROTOCOL] = { "protocol", EIO },
        [ERR_MEMORY] = { "memory", ENOMEM },
        [ERR_UNSUPPORTED] = { "unsupported", EOPNOTSUPP },
        [ERR_PERMISSION] = { "permission", EPERM },
        [ERR_INTERNAL] = { "internal", EIO },
};

/* The way back, for error_set_errno(): one kind per errno, the least specific. */
static const enum error_kind kinds_of_errno[] = {
        ERR_NO_ITEM,     ERR_EXISTS, ERR_CONDITION,   ERR_INPUT,      ERR_TOO_LARGE, ERR_NO_SPACE,
        ERR_CANCELLED,   ERR_ACCESS, ERR_READ_ONLY,   ERR_BUSY,       ERR_TIMEOUT,   ERR_CONNECT,
        ERR_INTERRUPTED, ERR_MEMORY, ERR_UNSUPPORTED, ERR_PERMISSION,
};

static const struct kind *kind_of(enum error_kind kind) {
        return &kinds[kind < _ERR_N ? kind : ERR_INTERNAL];
}

int error_errno(enum error_kind kind) {
        return kind_of(kind)->number;
}

const char *error_kind_name(enum error_kind kind) {
        return kind_of(kind)->name;
}

/* The arguments may point into *e: a message is often made from another. */
_printf_(3, 0) static int set(struct error *e, enum error_kind kind, const char *format, va_list ap) {
        char message[ERROR_MESSAGE_LEN];

        if (!e)
                return -error_errno(kind);
        if (vsnprintf(message, sizeof(message), format, ap) < 0)
                message[0] = '\0';
        text_make_line(message, strlen(message));
        *e = (struct error){ .kind = kind };
        memcpy(e->message, message, sizeof(message));
        return -error_errno(kind);
}

int error_set(struct error *e, enum error_kind kind, const char *format, ...) {
        va_list ap;
        int r;

        va_start(ap, format);
        r = set(e, kind, format, ap);
        va_end(ap);
        return r;
}

int error_set_at(struct error *e, unsigned line, unsigned column, const char *format, ...) {
        va_list ap;
        int r;

        va_start(ap, format);
        r = set(e, ERR_INPUT, format, ap);
        va_end(ap);
        if (e) {
                e->line = line;
                e->column = column;
        }
        return r;
}

int error_set_errno(struct error *e, int negative_errno, const char *what) {
        enum error_kind kind = ERR_INTERNAL;
        int number = negative_errno < 0 && negative_errno > -ERRNO_END ? -negative_errno : 0;
        int saved = errno, r;

        for (size_t i = 0; i < ARRAY_LEN(kinds_of_errno); i++)
                if (error_errno(kinds_of_errno[i]) == number)
                        kind = kinds_of_errno[i];
        errno = number; /* for %m, which needs no buffer and is thread-safe */
        r = error_set(e, kind, "%s: %m", what);
        errno = saved;
        return number ? negative_errno : r; /* an errno without a kind of its own is forwarded all the same */
}
