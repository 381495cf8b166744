/* SPDX-License-Identifier: Apache-2.0 */
/* The merged files as canonical JSON: everything sorted, so that equal merges give equal text. */
#include <errno.h>
#include <stdlib.h>
#include "ddbfs/base/json.h"
#include "profile_internal.h"

static bool contains(struct str s, const char *what) {
        return s.n > 0 && memmem(s.p, s.n, what, strlen(what)) != NULL;
}

/* By name: secrets of today and those somebody's tool keeps beside them.  A *_file is only a path. */
static bool is_secret_name(struct str key) {
        if (str_ends(key, STR("_file")))
                return false;
        return contains(key, "secret") || contains(key, "token") || contains(key, "password") ||
               str_eq(key, STR("credential_process"));
}

static bool is_secret(const struct property *it) {
        struct str rest = it->value, name, value;

        if (is_secret_name(it->key))
                return true;
        if (rest.n == 0 || rest.p[0] != '\n')
                return false;
        while (profiles_next_sub(&rest, &name, &value))
                if (is_secret_name(name))
                        return true;
        return false;
}

static int compare_sections(const void *a, const void *b) {
        return str_cmp((*(struct section *const *)a)->name, (*(struct section *const *)b)->name);
}

static int compare_properties(const void *a, const void *b) {
        return str_cmp((*(struct property *const *)a)->key, (*(struct property *const *)b)->key);
}

/* JSON strings are UTF-8; a value need not be. */
static void write_text(struct buf *out, struct str s) {
        struct buf clean = BUF_INIT(PROFILE_FILE_MAX);

        if (utf8_valid(s)) {
                json_write_string(out, s);
                return;
        }
        for (size_t i = 0; i < s.n; i++)
                buf_putc(&clean, (unsigned char)s.p[i] < 0x80 ? s.p[i] : '?');
        if (buf_status(&clean))
                out->err = buf_status(&clean);
        else
                json_write_string(out, buf_view(&clean));
        buf_deinit(&clean);
}

static int render_section(const struct section *s, bool redact, struct buf *out) {
        struct property **sorted = mem_calloc(s->n_properties + 1, sizeof(*sorted));
        size_t n = 0;

        if (!sorted)
                return -ENOMEM;
        for (struct property *it = s->properties; it; it = it->next)
                sorted[n++] = it;
        qsort(sorted, n, sizeof(*sorted), compare_properties);
        json_write_string(out, s->name);
        buf_puts(out, ":{");
        for (size_t i = 0; i < n; i++) {
                if (i > 0)
                        buf_putc(out, ',');
                json_write_string(out, sorted[i]->key);
                buf_putc(out, ':');
                write_text(out, redact && is_secret(sorted[i]) ? STR("***") : sorted[i]->value);
        }
        buf_putc(out, '}');
        mem_free(sorted);
        return buf_status(out);
}

static int render_kind(struct section **sorted, size_t n, enum section_kind kind, bool redact, struct buf *out) {
        bool first = true;
        int r;

        for (size_t i = 0; i < n; i++) {
                if (sorted[i]->kind != kind)
                        continue;
                if (!first)
                        buf_putc(out, ',');
                first = false;
                r = render_section(sorted[i], redact, out);
                if (r)
                        return r;
        }
        return 0;
}

int profiles_render(const struct profiles *p, bool redact, struct buf *out) {
        static const char *const titles[] = {
                [SECTION_PROFILE] = "{\"profiles\":{",
                [SECTION_SSO_SESSION] = "},\"sso_sessions\":{",
                [SECTION_SERVICES] = "},\"services\":{",
        };
        struct section **sorted = mem_calloc(p->n_sections + 1, sizeof(*sorted));
        size_t n = 0;
        int r = 0;

        if (!sorted)
                return -ENOMEM;
        for (struct section *s = p->all; s; s = s->next)
                sorted[n++] = s;
        qsort(sorted, n, sizeof(*sorted), compare_sections);
        for (size_t i = 0; !r && i < ARRAY_LEN(titles); i++) {
                buf_puts(out, titles[i]);
                r = render_kind(sorted, n, (enum section_kind)i, redact, out);
        }
        buf_puts(out, "}}");
        mem_free(sorted);
        return r ? r : buf_status(out);
}
