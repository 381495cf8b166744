/* SPDX-License-Identifier: Apache-2.0 */
/* Command lines, -o lists, the environment, and who wins. */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include "config_internal.h"
#include "../suite.h"

#define ARGS_MAX 8

static int load(struct config *c, const char *const *args, struct error *e) {
        static char name[] = "ddbfs";
        char *argv[ARGS_MAX + 2] = { name };
        int argc = 1, r;

        for (; args[argc - 1]; argc++)
                argv[argc] = mem_strdup(args[argc - 1]);
        r = config_load(c, argc, argv, e);
        for (int i = 1; i < argc; i++)
                mem_free(argv[i]);
        return r;
}

static const char *text_of(const struct config *c, const char *name, struct buf *out) {
        buf_reset(out);
        buf_puts(out, "");
        for (size_t i = 0; i < n_config_options; i++)
                if (strcmp(config_options[i].name, name) == 0)
                        option_render_text(&config_options[i], c, out);
        if (strcmp(name, "TABLES") == 0)
                buf_puts(out, c->tables ? c->tables : "(all)");
        if (strcmp(name, "MOUNTPOINT") == 0)
                buf_puts(out, c->mountpoint ? c->mountpoint : "(none)");
        if (strcmp(name, "KERNEL") == 0)
                ck_assert_int_eq(config_render_mount_options(c, true, out), 0);
        if (strcmp(name, "OWNER_ONLY") == 0)
                buf_puts(out, config_is_owner_only(c) ? "yes" : "no");
        return out->p ? out->p : "";
}

static const struct {
        const char *args[ARGS_MAX];
        const char *name, *value; /* of this option; or NULL */
} good[] = {
        { { "/m" }, "TABLES", "(all)" },
        { { "/m" }, "MOUNTPOINT", "/m" },
        { { "Music,User*", "/m" }, "TABLES", "Music,User*" },
        { { "*", "/m" }, "TABLES", "(all)" },
        { { "#", "/m" }, "TABLES", "(all)" },
        { { "none", "/m" }, "TABLES", "(all)" },
        { { "ddbfs", "/m" }, "TABLES", "(all)" },
        { { "", "/m" }, "TABLES", "(all)" },
        { { "T", "/m", "-o", "ro" }, "TABLES", "T" },
        { { "T", "/m", "-o", "ro,gid=77,umask=077" }, "OWNER_ONLY", "yes" },
        { { "T", "/m", "-o", "allow_other,umask=022" }, "OWNER_ONLY", "no" },
        { { "T", "/m", "-o", "allow_root,umask=022" }, "OWNER_ONLY", "no" },
        { { "T", "/m", "-o", "uid=4000000,umask=022" }, "OWNER_ONLY", "no" },
        { { "T", "/m", "-o", "umask=0222" }, "OWNER_ONLY", "no" },
        { { "T", "/m", "-o", "umask=0100" }, "OWNER_ONLY", "no" },
        { { "T", "/m", "-o", "ro" }, "ro", "true" },
        { { "-f", "T", "-d", "/m" }, "MOUNTPOINT", "/m" },
        { { "--", "-f", "/m" }, "TABLES", "-f" },
        { { "--", "--", "/m" }, "TABLES", "--" },
        { { "-", "/m" }, "TABLES", "-" },
        { { "/m" }, "cache_ttl", "1s" },
        { { "/m" }, "op_timeout", "1m" },
        { { "/m" }, "max_attempts", "" },
        { { "/m" }, "xattr", "true" },
        { { "/m" }, "log_level", "info" },
        { { "-d", "/m" }, "log_level", "debug" },
        { { "-d", "/m" }, "foreground", "true" },
        { { "-fd", "/m" }, "debug", "true" },
        { { "--cache_ttl=5m", "/m" }, "cache_ttl", "5m" },
        { { "--cache-ttl=5m", "/m" }, "cache_ttl", "5m" },
        { { "--cache-ttl", "5m", "/m" }, "cache_ttl", "5m" },
        { { "--cache_ttl", "forever", "/m" }, "cache_ttl", "forever" },
        { { "-o", "cache_ttl=5m", "/m" }, "cache_ttl", "5m" },
        { { "-o", "cache-ttl=5m", "/m" }, "cache_ttl", "5m" },
        { { "-ocache_ttl=5m,ro", "/m" }, "cache_ttl", "5m" },
        { { "-fo", "cache_ttl=5m", "/m" }, "cache_ttl", "5m" },
        { { "-o", "ro", "-o", "cache_ttl=0", "/m" }, "cache_ttl", "0" },
        { { "--cache-ttl=1m", "--cache-ttl=2m", "/m" }, "cache_ttl", "2m" },
        { { "--cache-ttl=1m", "-o", "cache_ttl=2m", "/m" }, "cache_ttl", "2m" },
        { { "--no-xattr", "/m" }, "xattr", "false" },
        { { "--no_xattr", "/m" }, "xattr", "false" },
        { { "--xattr=no", "/m" }, "xattr", "false" },
        { { "-o", "noxattr", "/m" }, "xattr", "false" },
        { { "-o", "no_xattr", "/m" }, "xattr", "false" },
        { { "-o", "xattr=off", "/m" }, "xattr", "false" },
        { { "--ro", "--no-ro", "/m" }, "ro", "false" },
        { { "-o", "ro,rw", "/m" }, "ro", "false" },
        { { "-o", "rw,ro", "/m" }, "ro", "true" },
        { { "--ro", "/m" }, "MOUNTPOINT", "/m" }, /* a bool takes no next argument */
        { { "-o", "profile=a\\,b,ro", "/m" }, "profile", "a,b" },
        { { "-o", "profile=a\\\\,ro", "/m" }, "profile", "a\\" },
        { { "-o", "profile=a\\b", "/m" }, "profile", "a\\b" },
        { { "-o", "endpoint_url=http://h/?a=b", "/m" }, "endpoint_url", "http://h/?a=b" },
        { { "--endpoint-url", "http://h/?a=b", "/m" }, "endpoint_url", "http://h/?a=b" },
        { { "-o", ",,ro,", "/m" }, "ro", "true" },
        { { "-o", "umask=027", "/m" }, "umask", "027" },
        { { "--local=/x/y.db", "/m" }, "local", "/x/y.db" },
        { { "--write=overwrite", "/m" }, "write", "overwrite" },
        { { "--format", "dynamodb", "/m" }, "format", "dynamodb" },
        { { "/m" }, "KERNEL", "auto_unmount" },
        { { "--no-auto-unmount", "/m" }, "KERNEL", "" },
        { { "-o", "noauto_unmount,rw,dev,suid,noexec,noatime", "/m" }, "KERNEL", "noexec,noatime" },
        { { "-o", "ro,allow_other,noexec", "/m" }, "KERNEL",
          "ro,allow_other,auto_unmount,noexec" },
        { { "-o", "defaults,_netdev,nofail,noauto,user,x-systemd.automount,comment=x,X-a.b=c", "/m" }, "KERNEL",
          "auto_unmount" },
        { { "--help" }, "help", "true" },
        { { "-V" }, "version", "true" },
        { { "--print-config" }, "MOUNTPOINT", "(none)" },
        { { "--print-config", "T", "/m" }, "TABLES", "T" },
};

START_TEST(accepted) {
        struct buf out = BUF_INIT(4 * KIB);
        struct config c;
        struct error e;
        int r = load(&c, good[_i].args, &e);

        ck_assert_msg(r == 0, "%d: %s", _i, e.message);
        ck_assert_str_eq(text_of(&c, good[_i].name, &out), good[_i].value);
        buf_deinit(&out);
        config_deinit(&c);
}
END_TEST

static const struct {
        const char *args[ARGS_MAX];
        const char *message; /* part of it */
} bad[] = {
        { { NULL }, "no mount point given" },
        { { "T", "" }, "no mount point given" },
        { { "a", "b", "c" }, "one argument too many: 'c'" },
        { { "--cach-ttl=1", "/m" }, "unknown option '--cach-ttl'; did you mean '--cache-ttl'?" },
        { { "-o", "cahce_ttl=1", "/m" }, "unknown option 'cahce_ttl'; did you mean 'cache_ttl'?" },
        { { "-o", "read_only", "/m" }, "unknown option 'read_only'" },
        { { "--zzzzzz", "/m" }, "unknown option '--zzzzzz'; see" },
        { { "--x=1", "/m" }, "unknown option '--x'; see" },
        { { "--no-cache-ttl", "/m" }, "unknown option" },
        { { "--noxattr", "/m" }, "unknown option '--noxattr'; did you mean '--xattr'?" },
        { { "--no-xattr=yes", "/m" }, "unknown option" },
        { { "--no-help", "/m" }, "unknown option" },
        { { "-x", "/m" }, "unknown option '-x'" },
        { { "-o" }, "-o: needs options" },
        { { "/m", "--cache-ttl" }, "option cache_ttl: needs a value (TIME)" },
        { { "-o", "cache_ttl", "/m" }, "option cache_ttl: needs a value" },
        { { "-o", "=x", "/m" }, "unknown option" },
        { { "-o", "help", "/m" }, "for the command line" },
        { { "-o", "rw=1", "/m" }, "unknown option 'rw'" },
        { { "-o", "ro=perhaps", "/m" }, "not yes or no" },
        { { "--op-timeout=0", "/m" }, "out of range (100ms to 1h)" },
        { { "--op-timeout=forever", "/m" }, "not a time" },
        { { "--cache-size=1K", "/m" }, "out of range (1M to 1024G)" },
        { { "--format=xml", "/m" }, "one of plain, dynamodb" },
        { { "--secret-access-key=hush", "/m" }, "keys are not taken as options" },
        { { "-o", "aws_access_key_id=x", "/m" }, "keys are not taken as options" },
        { { "--allow-other", "--allow-root", "/m" }, "allow_other and allow_root exclude each other" },
        { { "--local=/a.db", "--region=x", "/m" }, "local and region exclude" },
        { { "--local=/a.db", "--endpoint-url=http://x", "/m" }, "local and endpoint_url exclude" },
};

START_TEST(refused) {
        struct config c;
        struct error e = { .message = "" };
        int r = load(&c, bad[_i].args, &e);

        ck_assert_int_eq(r, -EINVAL);
        ck_assert_msg(strstr(e.message, bad[_i].message) != NULL, "%s", e.message);
        ck_assert_ptr_null(strstr(e.message, "hush"));
        config_deinit(&c);
}
END_TEST

START_TEST(environment) {
        const char *const none[] = { "/m", NULL }, *const given[] = { "--cache-ttl=3s", "-o", "xattr", "/m", NULL };
        struct buf out = BUF_INIT(4 * KIB);
        struct config c;
        struct error e;

        setenv("DDBFS_CACHE_TTL", "2m", 1);
        setenv("DDBFS_XATTR", "no", 1);
        setenv("DDBFS_REGION", "", 1); /* empty: not set */
        setenv("DDBFS_HELP", "yes", 1);
        ck_assert_int_eq(load(&c, none, &e), 0);
        ck_assert_str_eq(text_of(&c, "cache_ttl", &out), "2m");
        ck_assert(!c.xattr);
        ck_assert(!c.help);
        ck_assert_ptr_null(c.region);
        config_deinit(&c);
        ck_assert_int_eq(load(&c, given, &e), 0);
        ck_assert_str_eq(text_of(&c, "cache_ttl", &out), "3s");
        ck_assert(c.xattr);
        config_deinit(&c);
        setenv("DDBFS_CACHE_TTL", "soon", 1);
        ck_assert_int_eq(load(&c, none, &e), -EINVAL);
        ck_assert_ptr_nonnull(strstr(e.message, "DDBFS_CACHE_TTL: 'soon' is not a time"));
        config_deinit(&c);
        unsetenv("DDBFS_CACHE_TTL");
        unsetenv("DDBFS_XATTR");
        unsetenv("DDBFS_REGION");
        unsetenv("DDBFS_HELP");
        buf_deinit(&out);
}
END_TEST

START_TEST(resolved) {
        const char *const args[] = { "--local", "x.db", "/m", NULL };
        mode_t before = umask(026);
        char cwd[4096], expected[4200];
        struct config c;
        struct error e;

        ck_assert_int_eq(load(&c, args, &e), 0);
        ck_assert_uint_eq(c.umask, 026);
        ck_assert_uint_eq(umask(before), 026); /* asking must not change it */
        ck_assert_uint_eq(c.uid, getuid());
        ck_assert_uint_eq(c.gid, getgid());
        ck_assert_ptr_nonnull(getcwd(cwd, sizeof(cwd)));
        snprintf(expected, sizeof(expected), "%s/x.db", cwd);
        ck_assert_str_eq(c.local, expected);
        config_deinit(&c);
}
END_TEST

/* Whichever allocation fails, loading fails with -ENOMEM, and leaks nothing (address sanitizer). */
START_TEST(no_memory) {
        const char *const args[] = { "-o", "profile=p,noatime", "--local=/x", "T", "/m", NULL };

        for (unsigned long n = 1;; n++) {
                struct config c;
                struct error e;
                static char name[] = "ddbfs";
                char *argv[8] = { name };
                int r;

                for (int i = 0; args[i]; i++)
                        argv[i + 1] = mem_strdup(args[i]);
                mem_fail_at(n);
                r = config_load(&c, 6, argv, &e);
                mem_fail_at(0);
                config_deinit(&c);
                for (int i = 0; args[i]; i++)
                        mem_free(argv[i + 1]);
                if (r == -EINVAL) /* local and profile: all allocations went well */
                        break;
                ck_assert_int_eq(r, -ENOMEM);
                ck_assert_uint_lt(n, 1000);
        }
}
END_TEST

START_TEST(renders) {
        const char *const args[] = { "--print-config", "--max-attempts=7", "T\"x", "/m", NULL };
        struct buf out = BUF_INIT(MIB);
        struct config c;
        struct error e;

        ck_assert_int_eq(load(&c, args, &e), 0);
        ck_assert_int_eq(config_render_json(&c, &out), 0);
        ck_assert_ptr_nonnull(strstr(out.p, "{\n  \"tables\": \"T\\\"x\",\n  \"mountpoint\": \"/m\",\n"));
        ck_assert_ptr_nonnull(strstr(out.p, "\"max_attempts\": 7,\n"));
        ck_assert_ptr_nonnull(strstr(out.p, "\"region\": null,\n"));
        ck_assert_ptr_null(strstr(out.p, "\"help\""));
        config_deinit(&c);
        buf_reset(&out);
        ck_assert_int_eq(config_render_help(&out), 0);
        for (size_t i = 0; i < n_config_options; i++)
                ck_assert_ptr_nonnull(strstr(out.p, config_options[i].help));
        for (const char *line = out.p, *end; (end = strchr(line, '\n')); line = end + 1)
                ck_assert_msg(end - line <= 120, "%.*s", (int)(end - line), line);
        buf_deinit(&out);
}
END_TEST

int main(void) {
        Suite *s = suite_create("config");
        TCase *tc = tcase_create("all");

        for (size_t i = 0; i < n_config_options; i++) {
                char name[OPTION_ENV_LEN];

                option_env_name(&config_options[i], name);
                if (name[0])
                        unsetenv(name);
        }
        tcase_add_loop_test(tc, accepted, 0, ARRAY_LEN(good));
        tcase_add_loop_test(tc, refused, 0, ARRAY_LEN(bad));
        tcase_add_test(tc, environment);
        tcase_add_test(tc, resolved);
        tcase_add_test(tc, no_memory);
        tcase_add_test(tc, renders);
        suite_add_tcase(s, tc);
        return suite_run(s);
}
