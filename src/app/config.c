/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From defaults, environment and arguments to struct config.  Each way in ends in apply(), which looks
 * the name up in the table; what mount(8) and /etc/fstab add for every kind of file system is known to
 * a second table.  No I/O; nothing is started.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "ddbfs/base/log.h"
#include "config_internal.h"

enum from { FROM_ARGUMENT, FROM_LIST /* -o */ };

enum generic_action { GENERIC_PASS, GENERIC_IGNORE, GENERIC_RW };

/* Options of every mount.  Nothing below a mount of ours is setuid or a device: suid and dev change
 * nothing and stay off. */
static const struct generic {
        const char *name;
        enum generic_action action;
} generics[] = {
        { "rw", GENERIC_RW },
        { "nosuid", GENERIC_PASS },     { "nodev", GENERIC_PASS },      { "noexec", GENERIC_PASS },
        { "exec", GENERIC_PASS },       { "noatime", GENERIC_PASS },    { "atime", GENERIC_PASS },
        { "nodiratime", GENERIC_PASS }, { "sync", GENERIC_PASS },       { "async", GENERIC_PASS },
        { "dirsync", GENERIC_PASS },    { "default_permissions", GENERIC_IGNORE },
        { "suid", GENERIC_IGNORE },     { "dev", GENERIC_IGNORE },      { "diratime", GENERIC_IGNORE },
        { "relatime", GENERIC_IGNORE }, { "norelatime", GENERIC_IGNORE },
        { "strictatime", GENERIC_IGNORE }, { "nostrictatime", GENERIC_IGNORE },
        { "lazytime", GENERIC_IGNORE }, { "nolazytime", GENERIC_IGNORE },
        { "silent", GENERIC_IGNORE },   { "loud", GENERIC_IGNORE },
        { "auto", GENERIC_IGNORE },     { "noauto", GENERIC_IGNORE },   { "defaults", GENERIC_IGNORE },
        { "user", GENERIC_IGNORE },     { "nouser", GENERIC_IGNORE },   { "users", GENERIC_IGNORE },
        { "owner", GENERIC_IGNORE },    { "group", GENERIC_IGNORE },    { "nofail", GENERIC_IGNORE },
        { "_netdev", GENERIC_IGNORE },
};

/* What people try and must not: the arguments of a process are public. */
static const char *const key_names[] = {
        "access_key", "access_key_id", "aws_access_key_id", "secret_key", "secret_access_key",
        "aws_secret_access_key", "session_token", "aws_session_token",
};

/* A source that names no table, as fstab lines have it. */
static const char *const all_tables[] = { "", "*", "#", "none", "ddbfs" };

static const struct config_option *find_option(struct str name) {
        for (size_t i = 0; i < n_config_options; i++)
                if (option_name_eq(str_of(config_options[i].name), name))
                        return &config_options[i];
        return NULL;
}

static const struct config_option *find_short(char c) {
        for (size_t i = 0; i < n_config_options; i++)
                if (config_options[i].short_name == c)
                        return &config_options[i];
        return NULL;
}

/* The option of which name is the negation: "no_x", and "nox" in a list.  Only those with yes and no have one. */
static const struct config_option *find_negated(struct str name, enum from from) {
        const struct config_option *o;

        if (!str_starts(name, STR("no")))
                return NULL;
        name = str_skip(name, 2);
        if (name.n && (name.p[0] == '_' || name.p[0] == '-'))
                name = str_skip(name, 1);
        else if (from == FROM_ARGUMENT)
                return NULL;
        o = find_option(name);
        return o && o->type == OPTION_BOOL && !(o->flags & OPTION_ACTION) ? o : NULL;
}

static int unknown_option(struct str name, enum from from, struct error *reterr) {
        const struct config_option *best = NULL;
        const char *dashes = from == FROM_ARGUMENT ? "--" : "";
        unsigned best_distance = OPTION_DISTANCE_MAX;
        int shown = (int)MIN(name.n, (size_t)60);

        for (size_t i = 0; i < ARRAY_LEN(key_names); i++)
                if (option_name_eq(str_of(key_names[i]), name))
                        return error_set(reterr, ERR_INPUT,
                                         "%s%.*s: keys are not taken as options, which everyone can see in ps; "
                                         "use AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or a profile",
                                         dashes, shown, name.p);
        for (size_t i = 0; i < n_config_options; i++) {
                unsigned d = option_distance(name, str_of(config_options[i].name));

                if (d < best_distance) {
                        best_distance = d;
                        best = &config_options[i];
                }
        }
        if (best && best_distance <= MAX(2, name.n / 3) && best_distance < name.n) {
                char nearest[OPTION_ENV_LEN];

                option_shown_name(best, from == FROM_ARGUMENT ? '-' : '_', nearest);
                return error_set(reterr, ERR_INPUT, "unknown option '%s%.*s'; did you mean '%s%s'?", dashes, shown,
                                 name.p, dashes, nearest);
        }
        return error_set(reterr, ERR_INPUT, "unknown option '%s%.*s'; see 'ddbfs --help'", dashes, shown, name.p);
}

static int apply_generic(struct config *c, const struct generic *g) {
        if (g->action == GENERIC_RW)
                c->read_only = false;
        if (g->action == GENERIC_PASS) {
                if (c->kernel.n)
                        buf_putc(&c->kernel, ',');
                buf_puts(&c->kernel, g->name);
        }
        return buf_status(&c->kernel);
}

static const struct generic *find_generic(struct str name) {
        for (size_t i = 0; i < ARRAY_LEN(generics); i++)
                if (str_eq(str_of(generics[i].name), name))
                        return &generics[i];
        return NULL;
}

/* Set o from an argument; shown in messages as the user knows it. */
static int set_from(struct config *c, const struct config_option *o, const char *value, struct error *reterr) {
        char shown[OPTION_ENV_LEN];

        snprintf(shown, sizeof(shown), "option %s", o->name);
        return option_set(o, c, value, shown, reterr);
}

/* One element of -o: name or name=value, NUL-terminated; is cut at the '='. */
static int apply_element(struct config *c, char *element, struct error *reterr) {
        char *value = strchr(element, '=');
        const struct config_option *o;
        const struct generic *g;
        struct str name;

        if (value)
                *value++ = '\0';
        name = str_of(element);
        if (!name.n)
                return value ? unknown_option(STR("="), FROM_LIST, reterr) : 0;
        g = value ? NULL : find_generic(name);
        if (g)
                return apply_generic(c, g);
        if (str_starts(name, STR("x-")) || str_starts(name, STR("X-")) || str_eq(name, STR("comment")))
                return 0;
        o = find_option(name);
        if (o && o->flags & OPTION_ACTION)
                return error_set(reterr, ERR_INPUT, "option %s is for the command line, not for -o", o->name);
        if (o)
                return set_from(c, o, value, reterr);
        o = value ? NULL : find_negated(name, FROM_LIST);
        return o ? set_from(c, o, "no", reterr) : unknown_option(name, FROM_LIST, reterr);
}

/* A comma ends an element, "\," is a comma and "\\" a backslash; any other backslash is itself. */
static int apply_list(struct config *c, const char *list, struct error *reterr) {
        _cleanup_(mem_freep) char *copy = mem_strdup(list);
        char *element = copy, *to = copy;
        int r;

        if (!copy)
                return error_set_errno(reterr, -ENOMEM, "options");
        for (const char *p = list;; p++) {
                if (*p == '\\' && (p[1] == ',' || p[1] == '\\')) {
                        *to++ = *++p;
                        continue;
                }
                if (*p && *p != ',') {
                        *to++ = *p;
                        continue;
                }
                *to++ = '\0';
                r = apply_element(c, element, reterr);
                if (r || !*p)
                        return r;
                element = to;
        }
}

struct arguments {
        int n;
        char **v;
        int i; /* the one being read */
};

/* The argument after this one, or NULL. */
static const char *next_argument(struct arguments *a) {
        return a->i + 1 < a->n ? a->v[++a->i] : NULL;
}

static int apply_long(struct config *c, struct arguments *a, struct error *reterr) {
        const char *arg = a->v[a->i] + 2, *value = strchr(arg, '=');
        struct str name = str_make(arg, value ? (size_t)(value - arg) : strlen(arg));
        const struct config_option *o = find_option(name);

        if (value)
                value++;
        if (!o) {
                o = value ? NULL : find_negated(name, FROM_ARGUMENT);
                return o ? set_from(c, o, "no", reterr) : unknown_option(name, FROM_ARGUMENT, reterr);
        }
        if (!value && o->type != OPTION_BOOL)
                value = next_argument(a);
        return set_from(c, o, value, reterr);
}

/* -f, -df, -oLIST, -o LIST */
static int apply_short(struct config *c, struct arguments *a, struct error *reterr) {
        for (const char *p = a->v[a->i] + 1; *p; p++) {
                const struct config_option *o = find_short(*p);
                const char *list;
                int r;

                if (*p == 'o') {
                        list = p[1] ? p + 1 : next_argument(a);
                        if (!list)
                                return error_set(reterr, ERR_INPUT, "-o: needs options, such as -o ro,cache_ttl=5s");
                        return apply_list(c, list, reterr);
                }
                if (!o)
                        return error_set(reterr, ERR_INPUT, "unknown option '-%c'; see 'ddbfs --help'", *p);
                r = set_from(c, o, NULL, reterr);
                if (r)
                        return r;
        }
        return 0;
}

static int apply_arguments(struct config *c, int argc, char **argv, const char *positional[2], unsigned *n,
                           struct error *reterr) {
        struct arguments a = { .n = argc, .v = argv, .i = 1 };
        bool options_end = false;
        int r = 0;

        for (; a.i < a.n && !r; a.i++) {
                const char *arg = a.v[a.i];

                if (!options_end && strcmp(arg, "--") == 0)
                        options_end = true;
                else if (!options_end && arg[0] == '-' && arg[1] == '-')
                        r = apply_long(c, &a, reterr);
                else if (!options_end && arg[0] == '-' && arg[1])
                        r = apply_short(c, &a, reterr);
                else if (*n == 2)
                        r = error_set(reterr, ERR_INPUT, "one argument too many: '%.100s'; see 'ddbfs --help'", arg);
                else
                        positional[(*n)++] = arg;
        }
        return r;
}

static int apply_environment(struct config *c, struct error *reterr) {
        for (size_t i = 0; i < n_config_options; i++) {
                char name[OPTION_ENV_LEN];
                const char *value;
                int r;

                option_env_name(&config_options[i], name);
                value = name[0] ? getenv(name) : NULL;
                if (!value || !*value)
                        continue;
                r = option_set(&config_options[i], c, value, name, reterr);
                if (r)
                        return r;
        }
        return 0;
}

static int apply_defaults(struct config *c, struct error *reterr) {
        for (size_t i = 0; i < n_config_options; i++) {
                const struct config_option *o = &config_options[i];
                int r;

                if (!o->by_default) {
                        if (o->type != OPTION_STRING)
                                *(uint64_t *)(void *)((char *)c + o->offset) = CONFIG_UNSET;
                        continue;
                }
                r = option_set(o, c, o->by_default, o->name, reterr);
                if (r)
                        return r;
        }
        return 0;
}

static int set_positional(struct config *c, const char *const positional[2], unsigned n, struct error *reterr) {
        const char *tables = n == 2 ? positional[0] : "";
        bool all = false;

        for (size_t i = 0; i < ARRAY_LEN(all_tables); i++)
                all |= strcmp(all_tables[i], tables) == 0;
        if (n == 0 || !*positional[n - 1]) {
                if (c->help || c->version || c->print_config)
                        return 0;
                return error_set(reterr, ERR_INPUT, "no mount point given; see 'ddbfs --help'");
        }
        c->mountpoint = mem_strdup(positional[n - 1]);
        if (!all)
                c->tables = mem_strdup(tables);
        if (!c->mountpoint || (!all && !c->tables))
                return error_set_errno(reterr, -ENOMEM, "arguments");
        return 0;
}

/* What cannot be said of one option alone. */
static int cross_check(const struct config *c, struct error *reterr) {
        const struct {
                bool both;
                const char *a, *b;
        } exclusive[] = {
                { c->allow_other && c->allow_root, "allow_other", "allow_root" },
                { c->local && c->endpoint_url, "local", "endpoint_url" },
                { c->local && c->region, "local", "region" },
                { c->local && c->profile, "local", "profile" },
                { c->local && c->fips, "local", "fips" },
                { c->local && c->dualstack, "local", "dualstack" },
        };

        for (size_t i = 0; i < ARRAY_LEN(exclusive); i++)
                if (exclusive[i].both)
                        return error_set(reterr, ERR_INPUT, "options %s and %s exclude each other", exclusive[i].a,
                                         exclusive[i].b);
        return 0;
}

/* Defaults that depend on others, or on who calls. */
static void resolve(struct config *c) {
        if (c->debug) {
                c->foreground = true;
                c->log_level = LOG_LEVEL_DEBUG;
        }
        if (c->uid == CONFIG_UNSET)
                c->uid = getuid();
        if (c->gid == CONFIG_UNSET)
                c->gid = getgid();
        if (c->umask == CONFIG_UNSET) {
                c->umask = umask(0);
                umask((mode_t)c->umask);
        }
}

int config_load(struct config *c, int argc, char **argv, struct error *reterr) {
        const char *positional[2] = { NULL, NULL };
        unsigned n = 0;
        int r;

        *c = (struct config){ .kernel = BUF_INIT(4 * KIB) };
        r = apply_defaults(c, reterr);
        if (!r)
                r = apply_environment(c, reterr);
        if (!r)
                r = apply_arguments(c, argc, argv, positional, &n, reterr);
        if (r)
                return r;
        r = set_positional(c, positional, n, reterr);
        if (!r)
                r = cross_check(c, reterr);
        if (!r)
                resolve(c);
        return r;
}

void config_deinit(struct config *c) {
        for (size_t i = 0; i < n_config_options; i++)
                if (config_options[i].type == OPTION_STRING) {
                        char **s = (char **)(void *)((char *)c + config_options[i].offset);

                        *s = mem_free(*s);
                }
        c->tables = mem_free(c->tables);
        c->mountpoint = mem_free(c->mountpoint);
        buf_deinit(&c->kernel);
}
