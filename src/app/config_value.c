/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values of options: text to value and back.  render(parse(text)) is canonical: the largest unit that
 * needs no fraction.  Pure but for OPTION_PATH, which asks for the working directory.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <strings.h>
#include "ddbfs/app/paths.h"
#include "ddbfs/base/json.h"
#include "config_internal.h"

struct unit {
        const char *name;
        uint64_t factor;
};

/* largest first: rendering takes the first that divides */
static const struct unit time_units[] = {
        { "h", 3600 * NS_PER_S }, { "m", 60 * NS_PER_S }, { "s", NS_PER_S },
        { "ms", NS_PER_MS },      { "us", 1000 },         { "ns", 1 },
};
static const struct unit size_units[] = { { "G", GIB }, { "M", MIB }, { "K", KIB }, { "", 1 } };

static const char *const true_names[] = { "true", "yes", "on", "1" };
static const char *const false_names[] = { "false", "no", "off", "0" };

static bool name_in(const char *const *names, size_t n, const char *s) {
        for (size_t i = 0; i < n; i++)
                if (strcasecmp(names[i], s) == 0)
                        return true;
        return false;
}

/* Digits of the base; false: none, or over 64 bits. */
static bool parse_digits(const char **s, unsigned base, uint64_t *ret) {
        const char *p = *s;
        uint64_t v = 0;

        for (; *p >= '0' && *p < (char)('0' + base); p++)
                if (__builtin_mul_overflow(v, base, &v) || __builtin_add_overflow(v, (unsigned)(*p - '0'), &v))
                        return false;
        if (p == *s)
                return false;
        *s = p;
        *ret = v;
        return true;
}

static bool parse_number(const char *s, unsigned base, uint64_t *ret) {
        return parse_digits(&s, base, ret) && !*s;
}

static bool parse_size(const char *s, uint64_t *ret) {
        uint64_t v;

        if (!parse_digits(&s, 10, &v))
                return false;
        for (size_t i = 0; i < ARRAY_LEN(size_units); i++)
                if (strcasecmp(size_units[i].name, s) == 0)
                        return !__builtin_mul_overflow(v, size_units[i].factor, ret);
        return false;
}

/* "1.5" of a unit of 60 s is 90 s.  What is below a nanosecond is cut off. */
static bool parse_time(const char *s, uint64_t *ret) {
        uint64_t whole, fraction = 0, scale = 1, factor = 0;

        if (!parse_digits(&s, 10, &whole))
                return false;
        if (*s == '.') {
                const char *digits = ++s;

                if (!parse_digits(&s, 10, &fraction) || s - digits > 9)
                        return false;
                for (; digits < s; digits++)
                        scale *= 10;
        }
        if (!*s)
                factor = NS_PER_S;
        for (size_t i = 0; i < ARRAY_LEN(time_units); i++)
                if (strcmp(time_units[i].name, s) == 0)
                        factor = time_units[i].factor;
        if (!factor || __builtin_mul_overflow(whole, factor, &whole))
                return false;
        /* fraction < scale <= 10^9: the quotient and the remainder's product both fit in 64 bits */
        fraction = (factor / scale) * fraction + (factor % scale) * fraction / scale;
        return !__builtin_add_overflow(whole, fraction, ret);
}

static bool parse_enum(const struct config_option *o, const char *s, uint64_t *ret) {
        for (uint64_t i = 0; o->names[i]; i++)
                if (strcmp(o->names[i], s) == 0) {
                        *ret = i;
                        return true;
                }
        return false;
}

static const char *const type_words[] = {
        [OPTION_BOOL] = "yes or no",
        [OPTION_INT] = "a number",
        [OPTION_OCTAL] = "an octal number",
        [OPTION_SIZE] = "a size such as 512K, 64M or 2G",
        [OPTION_TIME] = "a time such as 500ms, 2s, 5m or 1h",
        [OPTION_ENUM] = "one of",
        [OPTION_STRING] = "a text",
};

static int refuse(const struct config_option *o, const char *value, const char *shown, struct error *reterr) {
        _cleanup_(buf_deinit) struct buf names = BUF_INIT(KIB);

        if (o->type == OPTION_ENUM)
                for (size_t i = 0; o->names[i]; i++)
                        buf_printf(&names, "%s%s", i ? ", " : " ", o->names[i]);
        return error_set(reterr, ERR_INPUT, "%s: '%.100s' is not %s%s%s", shown, value, type_words[o->type],
                         names.p ? names.p : "", o->flags & OPTION_FOREVER ? ", or forever" : "");
}

static void render_number(const struct config_option *o, uint64_t v, struct buf *out) {
        const struct unit *units = o->type == OPTION_TIME ? time_units : size_units;
        size_t i = 0;

        if (o->type == OPTION_INT)
                buf_printf(out, "%llu", (unsigned long long)v);
        else if (o->type == OPTION_OCTAL)
                buf_printf(out, "%03llo", (unsigned long long)v);
        else if (o->type == OPTION_ENUM)
                buf_puts(out, o->names[v]);
        else if (v == CONFIG_FOREVER && o->flags & OPTION_FOREVER)
                buf_puts(out, "forever");
        else if (v == 0)
                buf_putc(out, '0');
        else {
                while (v % units[i].factor)
                        i++;
                buf_printf(out, "%llu%s", (unsigned long long)(v / units[i].factor), units[i].name);
        }
}

static int check_range(const struct config_option *o, uint64_t v, const char *value, const char *shown,
                       struct error *reterr) {
        _cleanup_(buf_deinit) struct buf range = BUF_INIT(KIB);

        if (v >= o->min && v <= o->max)
                return 0;
        render_number(o, o->min, &range);
        buf_puts(&range, " to ");
        render_number(o, o->max, &range);
        return error_set(reterr, ERR_INPUT, "%s: '%.100s' is out of range (%s)", shown, value,
                         range.p ? range.p : "");
}

static int set_number(const struct config_option *o, uint64_t *target, const char *value, const char *shown,
                      struct error *reterr) {
        uint64_t v = 0;
        bool ok = false;
        int r;

        if (o->flags & OPTION_FOREVER && strcmp(value, "forever") == 0) {
                *target = CONFIG_FOREVER;
                return 0;
        }
        if (o->type == OPTION_ENUM)
                ok = parse_enum(o, value, &v);
        else if (o->type == OPTION_SIZE)
                ok = parse_size(value, &v);
        else if (o->type == OPTION_TIME)
                ok = parse_time(value, &v);
        else
                ok = parse_number(value, o->type == OPTION_OCTAL ? 8 : 10, &v);
        if (!ok)
                return refuse(o, value, shown, reterr);
        if (o->type != OPTION_ENUM) {
                r = check_range(o, v, value, shown, reterr);
                if (r)
                        return r;
        }
        *target = v;
        return 0;
}

static int set_string(const struct config_option *o, char **target, const char *value, const char *shown,
                      struct error *reterr) {
        _cleanup_(mem_freep) char *s = NULL;
        int r;

        if (!*value)
                return error_set(reterr, ERR_INPUT, "%s: must not be empty", shown);
        if (strlen(value) > CONFIG_VALUE_MAX)
                return error_set(reterr, ERR_INPUT, "%s: too long", shown);
        if (o->flags & OPTION_PATH) {
                r = path_absolute(value, &s);
                if (r)
                        return error_set_errno(reterr, r, shown);
        } else {
                s = mem_strdup(value);
                if (!s)
                        return error_set_errno(reterr, -ENOMEM, shown);
        }
        mem_free(*target);
        *target = TAKE(s);
        return 0;
}

int option_set(const struct config_option *o, void *base, const char *value, const char *shown,
               struct error *reterr) {
        void *target = (char *)base + o->offset;

        if (o->type == OPTION_BOOL) {
                if (!value || name_in(true_names, ARRAY_LEN(true_names), value))
                        *(bool *)target = true;
                else if (name_in(false_names, ARRAY_LEN(false_names), value))
                        *(bool *)target = false;
                else
                        return refuse(o, value, shown, reterr);
                return 0;
        }
        if (!value)
                return error_set(reterr, ERR_INPUT, "%s: needs a value (%s)", shown, o->argument);
        if (o->type == OPTION_STRING)
                return set_string(o, target, value, shown, reterr);
        return set_number(o, target, value, shown, reterr);
}

bool option_is_unset(const struct config_option *o, const void *base) {
        const void *target = (const char *)base + o->offset;

        if (o->type == OPTION_STRING)
                return *(char *const *)target == NULL;
        return o->type != OPTION_BOOL && !o->by_default && *(const uint64_t *)target == CONFIG_UNSET;
}

void option_render_text(const struct config_option *o, const void *base, struct buf *out) {
        const void *target = (const char *)base + o->offset;

        if (option_is_unset(o, base))
                return;
        if (o->type == OPTION_BOOL)
                buf_puts(out, *(const bool *)target ? "true" : "false");
        else if (o->type == OPTION_STRING)
                buf_puts(out, *(char *const *)target);
        else
                render_number(o, *(const uint64_t *)target, out);
}

void option_render_json(const struct config_option *o, const void *base, struct buf *out) {
        _cleanup_(buf_deinit) struct buf text = BUF_INIT(2 * CONFIG_VALUE_MAX);

        if (option_is_unset(o, base)) {
                buf_puts(out, "null");
                return;
        }
        option_render_text(o, base, &text);
        if (o->flags & OPTION_SECRET)
                buf_puts(out, "\"***\"");
        else if (o->type == OPTION_BOOL || o->type == OPTION_INT)
                buf_str(out, buf_view(&text));
        else if (!utf8_valid(buf_view(&text)))
                buf_puts(out, "\"?\""); /* a path in another encoding has no JSON form */
        else
                json_write_string(out, buf_view(&text));
        if (buf_status(&text) && !out->err)
                out->err = buf_status(&text);
}

void option_env_name(const struct config_option *o, char out[OPTION_ENV_LEN]) {
        int n;

        out[0] = '\0';
        if (o->flags & OPTION_ACTION)
                return;
        n = snprintf(out, OPTION_ENV_LEN, "DDBFS_%s", o->name);
        for (int i = 0; i < n && i < OPTION_ENV_LEN - 1; i++)
                out[i] = (char)toupper((unsigned char)out[i]);
}

void option_shown_name(const struct config_option *o, char joint, char out[OPTION_ENV_LEN]) {
        snprintf(out, OPTION_ENV_LEN, "%s", o->name);
        for (char *p = out; *p; p++)
                *p = *p == '_' ? joint : *p;
}

static char fold(char c) {
        return c == '-' ? '_' : c;
}

bool option_name_eq(struct str a, struct str b) {
        if (a.n != b.n)
                return false;
        for (size_t i = 0; i < a.n; i++)
                if (fold(a.p[i]) != fold(b.p[i]))
                        return false;
        return true;
}

unsigned option_distance(struct str a, struct str b) {
        /* rows i-2, i-1 and i of the matrix, by i % 3 */
        unsigned d[3][OPTION_DISTANCE_MAX + 1];

        if (a.n > OPTION_DISTANCE_MAX || b.n > OPTION_DISTANCE_MAX)
                return OPTION_DISTANCE_MAX;
        for (size_t j = 0; j <= b.n; j++)
                d[0][j] = (unsigned)j;
        for (size_t i = 1; i <= a.n; i++) {
                unsigned *row = d[i % 3], *above = d[(i + 2) % 3], *above2 = d[(i + 1) % 3];

                row[0] = (unsigned)i;
                for (size_t j = 1; j <= b.n; j++) {
                        bool same = fold(a.p[i - 1]) == fold(b.p[j - 1]);

                        row[j] = MIN(MIN(above[j], row[j - 1]) + 1, above[j - 1] + !same);
                        if (i > 1 && j > 1 && fold(a.p[i - 1]) == fold(b.p[j - 2]) &&
                            fold(a.p[i - 2]) == fold(b.p[j - 1]))
                                row[j] = MIN(row[j], above2[j - 2] + 1);
                }
        }
        return d[a.n % 3][b.n];
}
