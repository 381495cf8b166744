/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settings of option, environment and profile, in this order.  One table per type of setting; the
 * settings that depend on others (profile, endpoints) are the functions below the tables.
 */
#include <stdio.h>
#include "ddbfs/base/alloc.h"
#include "secret_internal.h"
#include "settings_internal.h"

#define SETTINGS_ARENA_MAX (256 * KIB)
#define MAX_ATTEMPTS_LIMIT 1000

static const struct {
        size_t target, option;  /* offsets; option SIZE_MAX: there is none */
        const char *env, *env2; /* env2 is asked after env */
        const char *key;
} texts[] = {
#define TARGET(m) offsetof(struct aws_settings, m)
#define OPTION(m) offsetof(struct aws_options, m)
        { TARGET(region), OPTION(region), "AWS_REGION", "AWS_DEFAULT_REGION", "region" },
        { TARGET(ca_bundle), OPTION(ca_bundle), "AWS_CA_BUNDLE", NULL, "ca_bundle" },
        { TARGET(endpoint_url), OPTION(endpoint_url), NULL, NULL, NULL },
        { TARGET(access_key_id), OPTION(access_key_id), NULL, NULL, NULL },
        { TARGET(secret_access_key), OPTION(secret_access_key), NULL, NULL, NULL },
        { TARGET(session_token), OPTION(session_token), NULL, NULL, NULL },
};

static const struct {
        size_t target, option;
        const char *env, *key;
} switches[] = {
        { TARGET(use_fips), OPTION(use_fips), "AWS_USE_FIPS_ENDPOINT", "use_fips_endpoint" },
        { TARGET(use_dualstack), OPTION(use_dualstack), "AWS_USE_DUALSTACK_ENDPOINT", "use_dualstack_endpoint" },
        { TARGET(ignore_configured_endpoints), SIZE_MAX, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
          "ignore_configured_endpoint_urls" },
#undef TARGET
#undef OPTION
};

static const char *const switch_names[] = { "false", "true", NULL };
static const char *const retry_mode_names[] = {
        [AWS_RETRY_STANDARD] = "standard", [AWS_RETRY_ADAPTIVE] = "adaptive", [AWS_RETRY_LEGACY] = "legacy", NULL
};
static const char *const account_mode_names[] = { [AWS_ACCOUNT_PREFERRED] = "preferred",
                                                  [AWS_ACCOUNT_DISABLED] = "disabled",
                                                  [AWS_ACCOUNT_REQUIRED] = "required",
                                                  NULL };

static struct str environment(const char *name) {
        return str_of(name ? getenv(name) : NULL);
}

static struct str of_profile(const struct aws_settings *s, const char *key) {
        return key ? profiles_get(s->profiles, SECTION_PROFILE, s->profile.p, key) : STR_NULL;
}

/* Environment, else profile; *ret_from names the winner for messages. */
static struct str lookup(const struct aws_settings *s, const char *env, const char *key, const char **ret_from) {
        struct str value = environment(env);

        *ret_from = env;
        if (value.n > 0)
                return value;
        *ret_from = key;
        return of_profile(s, key);
}

/* A setting that is one of names (NULL-terminated, any case).  *ret stays as it is when there is none. */
static int lookup_choice(const struct aws_settings *s, const char *env, const char *key, const char *const *names,
                         unsigned *ret, struct error *reterr) {
        const char *from;
        struct str value = lookup(s, env, key, &from);
        char known[128] = "";

        if (value.n == 0)
                return 0;
        for (unsigned i = 0; names[i]; i++) {
                size_t n = strlen(known);

                if (value.n == strlen(names[i]) && strncasecmp(value.p, names[i], value.n) == 0) {
                        *ret = i;
                        return 0;
                }
                snprintf(known + n, sizeof(known) - n, "%s%s", i > 0 ? ", " : "", names[i]);
        }
        return error_set(reterr, ERR_INPUT, "%s is \"%.*s\"; it can be: %s", from, (int)MIN(value.n, 64u), value.p,
                         known);
}

static int load_texts(struct aws_settings *s, const struct aws_options *o) {
        for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
                struct str value = str_of(*(const char *const *)((const char *)o + texts[i].option));
                struct str *target = (struct str *)((char *)s + texts[i].target);
                int r;

                if (value.n == 0)
                        value = environment(texts[i].env);
                if (value.n == 0)
                        value = environment(texts[i].env2);
                if (value.n == 0)
                        value = of_profile(s, texts[i].key);
                *target = STR("");
                if (value.n == 0)
                        continue;
                r = arena_dup(&s->arena, value, target);
                if (r)
                        return r;
        }
        return 0;
}

static int load_switches(struct aws_settings *s, const struct aws_options *o, struct error *reterr) {
        for (size_t i = 0; i < ARRAY_LEN(switches); i++) {
                unsigned on = 0;
                int r;

                if (switches[i].option != SIZE_MAX && *(const bool *)((const char *)o + switches[i].option))
                        on = 1;
                else {
                        r = lookup_choice(s, switches[i].env, switches[i].key, switch_names, &on, reterr);
                        if (r)
                                return r;
                }
                *(bool *)((char *)s + switches[i].target) = on != 0;
        }
        return 0;
}

static int load_modes(struct aws_settings *s, struct error *reterr) {
        unsigned retry = s->retry_mode, account = s->account_mode;
        int r;

        r = lookup_choice(s, "AWS_RETRY_MODE", "retry_mode", retry_mode_names, &retry, reterr);
        if (r)
                return r;
        r = lookup_choice(s, "AWS_ACCOUNT_ID_ENDPOINT_MODE", "account_id_endpoint_mode", account_mode_names, &account,
                          reterr);
        if (r)
                return r;
        s->retry_mode = (enum aws_retry_mode)retry;
        s->account_mode = (enum aws_account_mode)account;
        return 0;
}

static int load_max_attempts(struct aws_settings *s, unsigned option, struct error *reterr) {
        const char *from;
        struct str value = lookup(s, "AWS_MAX_ATTEMPTS", "max_attempts", &from);
        unsigned n = 0;

        s->max_attempts = MIN(option, (unsigned)MAX_ATTEMPTS_LIMIT);
        if (option > 0 || value.n == 0)
                return 0;
        for (size_t i = 0; i < value.n; i++) {
                if (value.p[i] < '0' || value.p[i] > '9' || n > MAX_ATTEMPTS_LIMIT) {
                        n = 0;
                        break;
                }
                n = n * 10 + (unsigned)(value.p[i] - '0');
        }
        if (n == 0 || n > MAX_ATTEMPTS_LIMIT)
                return error_set(reterr, ERR_INPUT, "%s is \"%.*s\"; it is a number from 1 to %d", from,
                                 (int)MIN(value.n, 64u), value.p, MAX_ATTEMPTS_LIMIT);
        s->max_attempts = n;
        return 0;
}

static int load_profile(struct aws_settings *s, const char *option, struct error *reterr) {
        static const char *const envs[] = { "AWS_PROFILE", "AWS_DEFAULT_PROFILE" };
        const char *from = "the profile option";
        struct str name = str_of(option);

        s->profile_option = name.n > 0;
        for (size_t i = 0; i < ARRAY_LEN(envs) && name.n == 0; i++) {
                name = environment(envs[i]);
                from = envs[i];
        }
        s->profile_given = name.n > 0;
        if (arena_dup(&s->arena, s->profile_given ? name : STR("default"), &s->profile))
                return error_set(reterr, ERR_MEMORY, "out of memory");
        if (s->profile_given && !profiles_has(s->profiles, SECTION_PROFILE, s->profile.p))
                return error_set(reterr, ERR_INPUT,
                                 "profile '%s' (from %s) is in neither the config file nor the credentials file",
                                 s->profile.p, from);
        return 0;
}

/* The pseudo-regions of old: "fips-us-east-1" and "us-east-1-fips" mean the region and FIPS. */
static void unfold_fips_region(struct aws_settings *s) {
        struct str prefix = STR("fips-"), suffix = STR("-fips");

        if (str_starts(s->region, prefix))
                s->region = str_skip(s->region, prefix.n);
        else if (str_ends(s->region, suffix))
                s->region.n -= suffix.n;
        else
                return;
        s->use_fips = true;
}

/* What environment and profile say of each service: the service's own variable, the general one, the
 * profile's services section, the profile's general one. */
static int load_endpoints(struct aws_settings *s, struct error *reterr) {
        struct str services = of_profile(s, "services"), general = environment("AWS_ENDPOINT_URL");
        char section[256] = "";

        if (s->ignore_configured_endpoints)
                return 0;
        if (services.n > 0) {
                snprintf(section, sizeof(section), "%.*s", (int)MIN(services.n, sizeof(section) - 1), services.p);
                if (!profiles_has(s->profiles, SECTION_SERVICES, section))
                        return error_set(reterr, ERR_INPUT,
                                         "profile '%s' names [services %s], which the config file does not have",
                                         s->profile.p, section);
        }
        for (unsigned i = 0; i < _AWS_SERVICE_N; i++) {
                struct str url = environment(aws_services[i].env);

                if (url.n == 0)
                        url = general;
                if (url.n == 0 && section[0])
                        url = profiles_get_sub(s->profiles, SECTION_SERVICES, section, aws_services[i].name,
                                               "endpoint_url");
                if (url.n == 0)
                        url = of_profile(s, "endpoint_url");
                if (url.n > 0 && arena_dup(&s->arena, url, &s->endpoint_urls[i]))
                        return error_set(reterr, ERR_MEMORY, "out of memory");
        }
        return 0;
}

int aws_settings_load(const struct aws_options *o, struct aws_settings **ret, struct error *reterr) {
        _cleanup_(aws_settings_freep) struct aws_settings *s = NULL;
        int r;

        s = mem_zalloc(sizeof(*s));
        if (!s)
                return error_set(reterr, ERR_MEMORY, "out of memory");
        s->arena = ARENA_INIT(SETTINGS_ARENA_MAX);
        r = profiles_load(NULL, NULL, &s->profiles, reterr);
        if (r)
                return r;
        r = load_profile(s, o->profile, reterr);
        if (r)
                return r;
        r = load_texts(s, o);
        if (r)
                return error_set(reterr, ERR_MEMORY, "out of memory");
        r = load_switches(s, o, reterr);
        if (r)
                return r;
        r = load_modes(s, reterr);
        if (r)
                return r;
        r = load_max_attempts(s, o->max_attempts, reterr);
        if (r)
                return r;
        r = load_endpoints(s, reterr);
        if (r)
                return r;
        unfold_fips_region(s);
        *ret = TAKE(s);
        return 0;
}

struct aws_settings *aws_settings_free(struct aws_settings *s) {
        if (!s)
                return NULL;
        secret_wipe(s->secret_access_key);
        secret_wipe(s->session_token);
        profiles_unref(s->profiles);
        arena_deinit(&s->arena);
        return mem_free(s);
}
