/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parser of the shared config and credentials files.  Line by line, no look-ahead:
 *
 *      [profile NAME]     a header: config knows "profile", "sso-session", "services" and [default];
 *                         credentials knows bare names
 *      key = value        a property
 *       text              continues the property above; below an empty value it is a sub-property
 *
 * Sections and properties with names that are not valid are skipped with all they hold, but their
 * syntax is still checked.  Messages never quote the file: it holds secrets.
 */
#include <errno.h>
#include "ddbfs/base/hash.h"
#include "profile_internal.h"
#include "secret_internal.h"

enum parser_state {
        AT_START,    /* no header yet */
        IN_SECTION,  /* after a header */
        IN_PROPERTY, /* after "key = value" */
};

struct parser {
        struct profiles *profiles;
        enum profile_file file;
        const char *label;
        unsigned line;
        enum parser_state state;
        struct section *section; /* NULL: being skipped */
        struct str key;          /* of the property under way; points into the text; n == 0: being skipped */
        struct buf value;
        bool is_sub; /* its value began empty: lines below are sub-properties */
        struct error *reterr;
};

static int fail(struct parser *p, const char *what) {
        return error_set_at(p->reterr, p->line, 1, "%s, line %u: %s", p->label, p->line, what);
}

/* The carriage return of a Windows line end is white space at the end of the line. */
static bool is_blank(char c) {
        return c == ' ' || c == '\t' || c == '\r';
}

static bool is_comment(struct str s) {
        return s.n > 0 && (s.p[0] == '#' || s.p[0] == ';');
}

static bool is_name(struct str s) {
        for (size_t i = 0; i < s.n; i++) {
                char c = s.p[i];
                bool alnum = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');

                if (!alnum && (c == 0 || !strchr("_-/.%@:+", c)))
                        return false;
        }
        return s.n > 0;
}

struct str profile_trim(struct str s) {
        while (s.n > 0 && is_blank(s.p[0]))
                s = str_skip(s, 1);
        while (s.n > 0 && is_blank(s.p[s.n - 1]))
                s.n--;
        return s;
}

struct str profile_cut_comment(struct str s) {
        for (size_t i = 1; i < s.n; i++)
                if (is_blank(s.p[i - 1]) && (s.p[i] == '#' || s.p[i] == ';'))
                        return str_make(s.p, i - 1);
        return s;
}

struct str profile_next_line(struct str *rest) {
        const char *end = rest->n ? memchr(rest->p, '\n', rest->n) : NULL;
        struct str line = str_make(rest->p, end ? (size_t)(end - rest->p) : rest->n);

        *rest = str_skip(*rest, line.n + (end ? 1 : 0));
        return line;
}

/* "name = value" at its first '='.  false: there is none. */
static bool split_property(struct str line, struct str *ret_name, struct str *ret_value) {
        const char *eq = line.n ? memchr(line.p, '=', line.n) : NULL;

        if (!eq)
                return false;
        *ret_name = profile_trim(str_make(line.p, (size_t)(eq - line.p)));
        *ret_value = profile_trim(str_skip(line, (size_t)(eq - line.p) + 1));
        return true;
}

bool profiles_next_sub(struct str *rest, struct str *ret_name, struct str *ret_value) {
        while (rest->n > 0)
                if (split_property(profile_cut_comment(profile_next_line(rest)), ret_name, ret_value))
                        return true;
        return false;
}

/* Sections. */

static int section_add(struct profiles *p, enum section_kind kind, struct str name, struct section **ret) {
        struct section *s = arena_alloc(&p->arena, sizeof(*s));
        int r;

        if (!s)
                return -ENOMEM;
        *s = (struct section){ .kind = kind };
        r = arena_dup(&p->arena, name, &s->name);
        if (r)
                return r;
        r = hmap_insert(&p->sections, &s->node, hash_seeded(kind, name));
        if (r)
                return r;
        s->next = p->all;
        p->all = s;
        p->n_sections++;
        *ret = s;
        return 0;
}

static void section_clear(struct profiles *p, struct section *s) {
        for (struct property *it = s->properties; it; it = it->next) {
                hmap_remove(&p->properties, &it->node);
                secret_wipe(it->value);
        }
        s->properties = NULL;
        s->n_properties = 0;
}

/* Where the properties that follow go; p->section NULL when they are to be skipped. */
static int section_open(struct parser *p, enum section_kind kind, struct str name, bool prefixed) {
        struct section *s = profiles_find(p->profiles, kind, name);
        int r;

        p->section = NULL;
        if (!s) {
                r = section_add(p->profiles, kind, name, &s);
                if (r)
                        return r;
                s->prefixed = prefixed;
        }
        if (p->file == PROFILE_FILE_CONFIG) {
                if (s->prefixed && !prefixed) /* [profile default] beats [default], whichever came first */
                        return 0;
                if (prefixed && !s->prefixed)
                        section_clear(p->profiles, s);
                s->prefixed = prefixed;
        }
        p->section = s;
        return 0;
}

/* The inside of the brackets of a config file: WORD NAME, or default. */
static int open_config_section(struct parser *p, struct str inside) {
        static const struct {
                struct str word;
                enum section_kind kind;
        } words[] = {
                { { "profile", 7 }, SECTION_PROFILE },
                { { "sso-session", 11 }, SECTION_SSO_SESSION },
                { { "services", 8 }, SECTION_SERVICES },
        };

        if (str_eq(inside, STR("default")))
                return section_open(p, SECTION_PROFILE, inside, false);
        for (size_t i = 0; i < ARRAY_LEN(words); i++) {
                struct str rest = str_skip(inside, words[i].word.n), name = profile_trim(rest);

                if (str_starts(inside, words[i].word) && rest.n > 0 && is_blank(rest.p[0]) && is_name(name))
                        return section_open(p, words[i].kind, name, true);
        }
        return 0;
}

static int parse_header(struct parser *p, struct str line) {
        const char *end = memchr(line.p, ']', line.n);
        struct str inside, after;

        if (!end)
                return fail(p, "Profile definition must end with ']'");
        inside = profile_trim(str_make(line.p + 1, (size_t)(end - line.p) - 1));
        after = profile_trim(str_skip(line, (size_t)(end - line.p) + 1));
        if (after.n > 0 && !is_comment(after))
                return fail(p, "Profile definition must end with ']'");
        p->state = IN_SECTION;
        p->section = NULL;
        if (p->file == PROFILE_FILE_CONFIG)
                return open_config_section(p, inside);
        return is_name(inside) ? section_open(p, SECTION_PROFILE, inside, false) : 0;
}

/* Properties. */

static int property_add(struct profiles *p, struct section *s, struct str key, struct property **ret) {
        struct property *it = arena_alloc(&p->arena, sizeof(*it));
        int r;

        if (!it)
                return -ENOMEM;
        *it = (struct property){ .section = s, .key = key };
        r = hmap_insert(&p->properties, &it->node, hash_seeded((uintptr_t)s, key));
        if (r)
                return r;
        it->next = s->properties;
        s->properties = it;
        s->n_properties++;
        *ret = it;
        return 0;
}

static int lower(struct arena *a, struct str s, struct str *ret) {
        char *copy = arena_bytes(a, s.n);

        if (!copy)
                return -ENOMEM;
        for (size_t i = 0; i < s.n; i++)
                copy[i] = (char)(s.p[i] >= 'A' && s.p[i] <= 'Z' ? s.p[i] + ('a' - 'A') : s.p[i]);
        *ret = str_make(copy, s.n);
        return 0;
}

/* Store the property under way: the last one of a name wins. */
static int property_finish(struct parser *p) {
        struct str key = p->key, value = STR("");
        struct property *it;
        int r;

        p->key = STR_NULL;
        if (buf_status(&p->value))
                return buf_status(&p->value);
        if (!p->section || key.n == 0)
                return 0;
        r = lower(&p->profiles->arena, key, &key);
        if (!r && p->value.n > 0)
                r = arena_dup(&p->profiles->arena, buf_view(&p->value), &value);
        if (r)
                return r;
        it = profiles_find_property(p->profiles, p->section, key);
        if (!it) {
                r = property_add(p->profiles, p->section, key, &it);
                if (r)
                        return r;
        }
        secret_wipe(it->value);
        it->value = value;
        return 0;
}

static int parse_property(struct parser *p, struct str line) {
        struct str name, value;

        if (p->state == AT_START)
                return fail(p, "Expected a profile definition");
        if (!split_property(profile_cut_comment(line), &name, &value))
                return fail(p, "Expected an '=' sign defining a property");
        if (name.n == 0)
                return fail(p, "Property did not have a name");
        p->state = IN_PROPERTY;
        p->key = is_name(name) ? name : STR_NULL;
        p->is_sub = value.n == 0;
        buf_reset(&p->value);
        buf_str(&p->value, value);
        return 0;
}

static int parse_continuation(struct parser *p, struct str line) {
        struct str name, value;

        if (p->state == AT_START)
                return fail(p, "Expected a profile definition");
        if (p->state == IN_SECTION)
                return fail(p, "Expected a property definition, found continuation");
        if (p->is_sub) {
                if (is_comment(line))
                        return 0;
                if (!split_property(line, &name, &value))
                        return fail(p, "Expected an '=' sign defining a sub-property");
                if (name.n == 0)
                        return fail(p, "Sub-property did not have a name");
        }
        buf_putc(&p->value, '\n');
        buf_str(&p->value, line);
        return 0;
}

static int parse_line(struct parser *p, struct str line) {
        struct str text = profile_trim(line);
        int r;

        if (text.n == 0 || is_comment(line))
                return 0;
        /* an indented header cannot be anything else where nothing is under way */
        if (line.p[0] == '[' || (text.p[0] == '[' && p->state != IN_PROPERTY)) {
                r = property_finish(p);
                return r ? r : parse_header(p, text);
        }
        if (is_blank(line.p[0]))
                return parse_continuation(p, text);
        r = property_finish(p);
        return r ? r : parse_property(p, line);
}

int profiles_parse_file(struct profiles *profiles, enum profile_file file, const char *label, struct str text,
                        struct error *reterr) {
        struct parser p = {
                .profiles = profiles,
                .file = file,
                .label = label,
                .value = BUF_INIT(PROFILE_FILE_MAX),
                .reterr = reterr,
        };
        int r = 0;

        if (text.n > PROFILE_FILE_MAX)
                return error_set(reterr, ERR_INPUT, "%s is larger than %zu bytes", label, (size_t)PROFILE_FILE_MAX);
        if (text.n > 0 && memchr(text.p, 0, text.n))
                return error_set(reterr, ERR_INPUT, "%s holds a NUL byte: it is not a text file", label);
        if (str_starts(text, STR("\xEF\xBB\xBF"))) /* the byte order mark of some editors */
                text = str_skip(text, 3);
        while (!r && text.n > 0) {
                p.line++;
                r = parse_line(&p, profile_next_line(&text));
        }
        if (!r)
                r = property_finish(&p);
        secret_wipe(buf_view(&p.value));
        buf_deinit(&p.value);
        return r == -ENOMEM ? error_set(reterr, ERR_MEMORY, "out of memory reading %s", label) : r;
}
