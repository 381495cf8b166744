/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shared files: the bytes up to the first NUL are the config file, the rest the credentials file.
 * Oracle: the merge written out as one config file and parsed again is the same merge.
 */
#include <jansson.h>
#include "ddbfs/aws/profile.h"

#define TEXT_MAX (16 * MIB)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check(bool ok) {
        if (!ok)
                __builtin_trap();
}

/* Later lines of a value are indented, so that they are its continuation. */
static void put_value(struct buf *out, const char *value) {
        for (; *value; value++) {
                buf_putc(out, *value);
                if (*value == '\n')
                        buf_putc(out, ' ');
        }
}

static void put_kind(struct buf *out, const struct profiles *p, json_t *sections, enum section_kind kind,
                     const char *word) {
        const char *name, *key;
        json_t *properties, *value;

        json_object_foreach(sections, name, properties) {
                buf_printf(out, "[%s %s]\n", word, name);
                check(profiles_has(p, kind, name));
                json_object_foreach(properties, key, value) {
                        check(profiles_get(p, kind, name, key).p != NULL);
                        buf_printf(out, "%s=", key); /* a space would make a comment of a value with "#" first */
                        put_value(out, json_string_value(value));
                        buf_putc(out, '\n');
                }
        }
}

static void write_config(struct buf *out, const struct profiles *p, struct str rendered) {
        json_t *root = json_loadb(rendered.p, rendered.n, JSON_REJECT_DUPLICATES, NULL);

        check(root != NULL);
        put_kind(out, p, json_object_get(root, "profiles"), SECTION_PROFILE, "profile");
        put_kind(out, p, json_object_get(root, "sso_sessions"), SECTION_SSO_SESSION, "sso-session");
        put_kind(out, p, json_object_get(root, "services"), SECTION_SERVICES, "services");
        json_decref(root);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
        _cleanup_(buf_deinit) struct buf first = BUF_INIT(TEXT_MAX), second = BUF_INIT(TEXT_MAX),
                                         text = BUF_INIT(TEXT_MAX);
        _cleanup_(profiles_unrefp) struct profiles *p = NULL, *again = NULL;
        const uint8_t *nul = n ? memchr(data, 0, n) : NULL;
        size_t config_n = nul ? (size_t)(nul - data) : n;
        struct error error = { .message = "" };
        int r = profiles_parse(str_make(data, config_n), str_skip(str_make(data, n), config_n + 1), &p, &error);

        if (r) {
                check(error.message[0] != 0);
                return 0;
        }
        check(profiles_render(p, false, &first) == 0);
        write_config(&text, p, buf_view(&first));
        if (text.n > PROFILE_FILE_MAX)
                return 0;
        check(profiles_parse(buf_view(&text), STR(""), &again, &error) == 0);
        check(profiles_render(again, false, &second) == 0);
        check(str_eq(buf_view(&first), buf_view(&second)));
        buf_reset(&first);
        check(profiles_render(p, true, &first) == 0);
        return 0;
}
