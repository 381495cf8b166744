/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading JSON of a known shape by tables.  The recursion follows the tables, so that its depth is theirs and
 * not the sender's.
 */
#include "ddb_json.h"

#include <errno.h>

#define MEMBERS_MAX 32 /* bits of `seen` */

enum json_token shape_peek(struct json_reader *r) {
        struct json_mark mark;
        enum json_token t;

        json_mark(r, &mark);
        t = json_next(r);
        if (t != JSON_ERROR)
                json_rewind(r, &mark);
        return t;
}

/* -EINVAL, or -ENOMEM: the reader has failed, now or before. */
static int failed(struct json_reader *r, const char *expected) {
        json_fail(r, "expected %s", expected); /* the first failure stays */
        return json_status(r);
}

static int read_member(struct json_reader *r, const struct shape_member *members, size_t n, uint32_t *seen, void *arg) {
        for (size_t i = 0; i < MIN(n, (size_t)MEMBERS_MAX); i++) {
                if (!str_eq(r->value, str_of(members[i].name)))
                        continue;
                if (*seen & UINT32_C(1) << i)
                        return json_fail(r, "\"%s\" twice in one object", members[i].name);
                *seen |= UINT32_C(1) << i;
                if (shape_peek(r) == JSON_NULL)
                        return json_skip(r);
                return members[i].read(r, arg);
        }
        return json_skip(r);
}

int shape_object(struct json_reader *r, const struct shape_member *members, size_t n, void *arg) {
        uint32_t seen = 0;
        enum json_token t;
        int k;

        if (json_next(r) != JSON_OBJECT_BEGIN)
                return failed(r, "an object");
        while ((t = json_next(r)) == JSON_KEY) {
                k = read_member(r, members, n, &seen, arg);
                if (k)
                        return k;
        }
        return t == JSON_OBJECT_END ? 0 : failed(r, "a member");
}

int shape_array(struct json_reader *r, shape_read element, void *arg) {
        enum json_token t;
        int k;

        if (json_next(r) != JSON_ARRAY_BEGIN)
                return failed(r, "an array");
        while ((t = shape_peek(r)) != JSON_ARRAY_END) {
                k = t == JSON_ERROR ? failed(r, "an element") : element(r, arg);
                if (k)
                        return k;
        }
        return json_next(r) == JSON_ARRAY_END ? 0 : failed(r, "the array's end");
}

int shape_map(struct json_reader *r, struct str *key, shape_read value, void *arg) {
        enum json_token t;
        int k;

        if (json_next(r) != JSON_OBJECT_BEGIN)
                return failed(r, "an object");
        while ((t = json_next(r)) == JSON_KEY) {
                *key = r->value;
                k = value(r, arg);
                if (k)
                        return k;
        }
        return t == JSON_OBJECT_END ? 0 : failed(r, "a member");
}

int shape_count(struct json_reader *r, uint64_t *ret) {
        uint64_t n = 0;

        if (json_next(r) != JSON_NUMBER)
                return failed(r, "a number");
        for (size_t i = 0; i < r->value.n; i++) {
                unsigned digit = (unsigned)(unsigned char)r->value.p[i] - '0';

                if (digit > 9 || n > (UINT64_MAX - digit) / 10)
                        return failed(r, "a count");
                n = 10 * n + digit;
        }
        *ret = n;
        return 0;
}

int shape_string(struct json_reader *r, struct str *ret) {
        if (json_next(r) != JSON_STRING)
                return failed(r, "a string");
        *ret = r->value;
        return 0;
}

int shape_error(const struct json_reader *r, const char *what, struct error *reterr) {
        if (json_status(r) == -ENOMEM)
                return error_set(reterr, ERR_MEMORY, "%s: out of memory reading the answer of %zu bytes", what,
                                 r->text.n);
        return error_set(reterr, ERR_PROTOCOL, "%s: the answer makes no sense (line %u, column %u): %s", what,
                         r->error.line, r->error.column, r->error.message);
}

int shape_document(struct json_reader *r, const char *what, const struct shape_member *members, size_t n, void *arg,
                   struct error *reterr) {
        int k;

        k = shape_object(r, members, n, arg);
        if (!k && json_next(r) != JSON_END)
                k = failed(r, "the end of the answer");
        return k ? shape_error(r, what, reterr) : 0;
}
