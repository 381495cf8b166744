/* SPDX-License-Identifier: Apache-2.0 */
/* S3's documents: its lists differ in the names of root and entries only, so that one reader does for all. */
#include "s3_xml.h"

#include <errno.h>
#include "ddbfs/aws/xml.h"
#include "ddbfs/base/clock.h"

#define LIST_ARENA_MAX (16 * MIB)

static const struct {
        const char *root, *entry;
} kinds[_S3_LIST_N] = {
        [S3_OBJECTS] = { "ListBucketResult", "Contents" },
        [S3_UPLOADS] = { "ListMultipartUploadsResult", "Upload" },
        [S3_REFUSED] = { "DeleteResult", "Error" },
};

void s3_list_init(struct s3_list *l) {
        *l = (struct s3_list){ .arena = ARENA_INIT(LIST_ARENA_MAX) };
}

void s3_list_deinit(struct s3_list *l) {
        arena_deinit(&l->arena);
        s3_list_init(l);
}

struct reading {
        enum s3_list_kind kind;
        struct s3_list *list;
        bool root_seen;
};

static int add_entry(struct s3_list *l) {
        if (l->n == l->cap) {
                uint32_t cap = l->cap ? 2 * l->cap : 64;
                struct s3_entry *v = cap > l->cap ? arena_array(&l->arena, cap, sizeof(*v)) : NULL;

                if (!v)
                        return -ENOMEM;
                if (l->n > 0)
                        memcpy(v, l->v, l->n * sizeof(*v));
                l->v = v;
                l->cap = cap;
        }
        l->v[l->n++] = (struct s3_entry){ .size = 0 };
        return 0;
}

/* Takes "name/" off the beginning of the path, if it is there. */
static bool descend(struct str *path, const char *name) {
        struct str s = str_of(name);

        if (!str_starts(*path, s) || path->n == s.n || path->p[s.n] != '/')
                return false;
        *path = str_skip(*path, s.n + 1);
        return true;
}

static int on_begin(void *arg, struct str path) {
        struct reading *r = arg;

        if (str_eq(path, str_of(kinds[r->kind].root)))
                r->root_seen = true;
        if (descend(&path, kinds[r->kind].root) && str_eq(path, str_of(kinds[r->kind].entry)))
                return add_entry(r->list);
        return 0;
}

static bool parse_size(struct str s, uint64_t *ret) {
        uint64_t n = 0;

        if (s.n == 0 || s.n > 18)
                return false;
        for (size_t i = 0; i < s.n; i++) {
                if (s.p[i] < '0' || s.p[i] > '9')
                        return false;
                n = 10 * n + (uint64_t)(s.p[i] - '0');
        }
        *ret = n;
        return true;
}

static int read_entry(struct s3_list *l, struct str name, struct str text) {
        struct s3_entry *e = &l->v[l->n - 1];
        const struct {
                struct str name;
                struct str *to;
        } texts[] = {
                { STR("Key"), &e->key },
                { STR("UploadId"), &e->upload_id },
                { STR("Code"), &e->code },
                { STR("Message"), &e->message },
        };

        for (size_t i = 0; i < ARRAY_LEN(texts); i++)
                if (str_eq(name, texts[i].name))
                        return arena_dup(&l->arena, text, texts[i].to);
        if (str_eq(name, STR("Size")))
                return parse_size(text, &e->size) ? 0 : -EINVAL;
        if ((str_eq(name, STR("LastModified")) || str_eq(name, STR("Initiated"))) && !clock_parse_iso(text, &e->time_s))
                e->time_s = 0;
        return 0;
}

static int read_head(struct s3_list *l, struct str name, struct str text) {
        if (str_eq(name, STR("IsTruncated")))
                l->truncated = str_eq(text, STR("true"));
        else if (str_eq(name, STR("EncodingType")))
                l->url_encoded = str_eq(text, STR("url"));
        else if (str_eq(name, STR("NextContinuationToken")) || str_eq(name, STR("NextKeyMarker")))
                return arena_dup(&l->arena, text, &l->next);
        else if (str_eq(name, STR("NextUploadIdMarker")))
                return arena_dup(&l->arena, text, &l->next_upload_id);
        return 0;
}

static int on_end(void *arg, struct str path, struct str text) {
        struct reading *r = arg;

        if (!descend(&path, kinds[r->kind].root))
                return 0;
        if (descend(&path, kinds[r->kind].entry))
                return read_entry(r->list, path, text);
        return read_head(r->list, path, text);
}

static int hex_value(char c) {
        if (c >= '0' && c <= '9')
                return c - '0';
        c |= 0x20;
        return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int decode_url(struct arena *arena, struct str *s) {
        char *p = arena_bytes(arena, s->n);
        size_t n = 0;

        if (!p)
                return -ENOMEM;
        for (size_t i = 0; i < s->n; i++) {
                char c = s->p[i] == '+' ? ' ' : s->p[i];

                if (c == '%' && i + 2 < s->n && hex_value(s->p[i + 1]) >= 0 && hex_value(s->p[i + 2]) >= 0) {
                        c = (char)(hex_value(s->p[i + 1]) << 4 | hex_value(s->p[i + 2]));
                        i += 2;
                }
                p[n++] = c;
        }
        *s = str_make(p, n);
        return 0;
}

int s3_read_list(struct str body, enum s3_list_kind kind, struct s3_list *ret) {
        static const struct xml_events events = { .begin = on_begin, .end = on_end };
        struct reading reading = { .kind = kind, .list = ret };
        int r;

        s3_list_deinit(ret);
        r = xml_read(body, &events, &reading);
        if (r)
                return r;
        if (!reading.root_seen)
                return -EINVAL;
        for (uint32_t i = 0; i < ret->n; i++)
                if (ret->v[i].key.n == 0)
                        return -EINVAL;
        for (uint32_t i = 0; i < ret->n && ret->url_encoded; i++) { /* the token is opaque */
                r = decode_url(&ret->arena, &ret->v[i].key);
                if (r)
                        return r;
        }
        if (!ret->truncated)
                ret->next = ret->next_upload_id = STR_NULL;
        return ret->truncated && ret->next.n == 0 ? -EINVAL : 0;
}

static int on_upload_id(void *arg, struct str path, struct str text) {
        struct buf *out = arg;

        if (str_eq(path, STR("InitiateMultipartUploadResult/UploadId")))
                buf_str(out, text);
        return buf_status(out);
}

int s3_read_upload_id(struct str body, struct buf *ret) {
        static const struct xml_events events = { .end = on_upload_id };
        size_t before = ret->n;
        int r = xml_read(body, &events, ret);

        if (r == 0 && ret->n == before)
                return -EINVAL;
        return r;
}

static int on_completed(void *arg, struct str path, struct str text _unused_) {
        if (str_eq(path, STR("CompleteMultipartUploadResult")))
                *(bool *)arg = true;
        return 0;
}

int s3_read_completed(struct str body) {
        static const struct xml_events events = { .end = on_completed };
        bool seen = false;
        int r = xml_read(body, &events, &seen);

        return r ? r : seen ? 0 : -EINVAL;
}

bool s3_writable(struct str s) {
        for (size_t i = 0; i < s.n; i++) {
                unsigned char c = (unsigned char)s.p[i];

                if (c < 0x20 && c != '\t' && c != '\n' && c != '\r')
                        return false;
                /* U+FFFE, U+FFFF */
                if (c == 0xEF && i + 2 < s.n && (unsigned char)s.p[i + 1] == 0xBF && (unsigned char)s.p[i + 2] >= 0xBE)
                        return false;
        }
        return utf8_valid(s);
}

void s3_write_text(struct buf *out, struct str s) {
        for (size_t i = 0; i < s.n; i++) {
                char c = s.p[i];

                switch (c) {
                case '&':
                        buf_puts(out, "&amp;");
                        break;
                case '<':
                        buf_puts(out, "&lt;");
                        break;
                case '>':
                        buf_puts(out, "&gt;");
                        break;
                case '"':
                        buf_puts(out, "&quot;");
                        break;
                case '\t':
                case '\n':
                case '\r': /* as they are they would be read as another blank */
                        buf_printf(out, "&#%d;", c);
                        break;
                default:
                        buf_putc(out, c);
                        break;
                }
        }
}
