/* SPDX-License-Identifier: Apache-2.0 */
/* fsck.ddbfs [-n|-y] [-c] [-q] [-g TIME] [-o OPTIONS] TABLES: see fsck.ddbfs(8). */
#include <fnmatch.h>
#include <getopt.h>
#include <stdio.h>
#include <unistd.h>
#include "config_internal.h"
#include "ddbfs/app/daemonize.h"
#include "ddbfs/base/log.h"
#include "fsck_internal.h"

#define ARGUMENTS_MAX 256
#define GRACE_DEFAULT "24h"

static const char usage[] =
        "usage: fsck.ddbfs [-n|-y] [-c] [-q] [-g TIME] [-o OPTIONS] TABLES\n"
        "  -n  change nothing (the default)        -c  read every object and compare its SHA-256\n"
        "  -y  remove orphans, abort stale uploads  -q  say nothing where nothing is wrong\n"
        "  -g  leave alone what is younger [" GRACE_DEFAULT "]    -o  options of ddbfs(1); s3_bucket is needed\n";

static const struct config_option grace_option = { .name = "grace", .type = OPTION_TIME, .offset = 0, .max = 366 * 24 * 3600 * NS_PER_S,
                                                   .argument = "TIME" };

struct arguments {
        char *v[ARGUMENTS_MAX]; /* for config_load() */
        int n;
        bool no;                /* -n */
        int show;               /* 'V', 'h'; 0: do the work */
        const char *tables;
        const char *grace;
};

/* One option letter; false: there is no such. */
static bool parse_letter(struct fsck *f, struct arguments *a, int letter, char *value) {
        static char option[] = "-o";

        switch (letter) {
        case 'n':
                a->no = true;
                return true;
        case 'y':
        case 'a': /* what fsck(8) passes on */
        case 'p':
                f->repair = true;
                return true;
        case 'c':
                f->deep = true;
                return true;
        case 'q':
                f->quiet = true;
                return true;
        case 'g':
                a->grace = value;
                return true;
        case 'r':
        case 'f':
                return true;
        case 'o':
                if (a->n + 4 > ARGUMENTS_MAX)
                        return false;
                a->v[a->n++] = option;
                a->v[a->n++] = value;
                return true;
        case 'V':
        case 'h':
                a->show = letter;
                return true;
        default:
                return false;
        }
}

static int parse(struct fsck *f, struct arguments *a, int argc, char **argv) {
        static char program[] = "fsck.ddbfs", root[] = "/";
        int c;

        a->v[a->n++] = program;
        while ((c = getopt(argc, argv, "nycqg:o:hVaprf")) != -1)
                if (!parse_letter(f, a, c, optarg))
                        return FSCK_USAGE;
        if (a->show)
                return 0;
        if (optind + 1 != argc || (a->no && f->repair))
                return FSCK_USAGE;
        a->tables = argv[optind];
        a->v[a->n++] = argv[optind];
        a->v[a->n++] = root; /* where a mount would be */
        return 0;
}

static int fail(const char *what, const struct error *e, int status) {
        fprintf(stderr, "fsck.ddbfs: %s%s%s\n", what ? what : "", what ? ": " : "", e->message[0] ? e->message : "failed");
        return status;
}

static int prepare(struct fsck *f, const struct arguments *a) {
        struct error e = { .kind = ERR_NONE };
        uint64_t grace_ns = 0;
        int r = config_load(&f->config, a->n, (char **)(uintptr_t)a->v, &e);

        if (r == 0)
                r = option_set(&grace_option, &grace_ns, a->grace, "option -g", &e);
        if (r)
                return fail(NULL, &e, r == -ENOMEM ? FSCK_FAILED : FSCK_USAGE);
        f->grace_s = (int64_t)(grace_ns / NS_PER_S);
        if (!f->config.s3_bucket || f->config.local) {
                fprintf(stderr, "fsck.ddbfs: %s\n", f->config.local ? "not with local" : "-o s3_bucket=BUCKET is needed");
                return FSCK_USAGE;
        }
        log_set_level(LOG_LEVEL_WARN);
        log_set_sink(LOG_SINK_STDERR);
        f->terminal = isatty(STDERR_FILENO);
        r = service_open(&f->service, &f->config, NULL, &e);
        return r ? fail(NULL, &e, FSCK_FAILED) : 0;
}

/* ---- tables ---- */

static void check(struct fsck *f, struct str name) {
        struct error e = { .kind = ERR_NONE };
        char shown[TABLE_NAME_MAX * 4];

        (void)snprintf(shown, sizeof(shown), "%.*s", (int)name.n, name.p);
        if (fsck_table(f, name, &e))
                f->status |= fail(shown, &e, FSCK_FAILED);
}

static bool check_dropped(struct fsck *f, const char *pattern) {
        struct error e = { .kind = ERR_NONE };
        struct names found;
        bool any;

        if (f->repair && f->status & FSCK_FAILED) {
                fprintf(stderr, "fsck.ddbfs: tables that do not exist any more: left alone, as a table that may refer to their "
                                "objects could not be checked\n");
                return true;
        }
        if (fsck_dropped(f, pattern, &found, &e))
                f->status |= fail("tables that do not exist any more", &e, FSCK_FAILED);
        any = found.n > 0;
        for (uint32_t i = 0; i < found.n; i++)
                check(f, found.v[i]);
        names_deinit(&found);
        return any;
}

static void check_matching(struct fsck *f, const char *pattern) {
        struct store *s = f->service.tables;
        _cleanup_(names_deinit) struct names page;
        _cleanup_(arena_deinit) struct arena a = ARENA_INIT(MIB);
        struct error e = { .kind = ERR_NONE };
        struct str start = STR_NULL;
        bool any = false;

        names_init(&page);
        do {
                if (s->ops->list_tables(s, f->ctx, start, &page, &e)) {
                        f->status |= fail("tables", &e, FSCK_FAILED);
                        return;
                }
                for (uint32_t i = 0; i < page.n; i++) {
                        char name[TABLE_NAME_MAX + 1];

                        (void)snprintf(name, sizeof(name), "%.*s", (int)page.v[i].n, page.v[i].p);
                        if (fnmatch(pattern, name, 0) != 0)
                                continue;
                        any = true;
                        check(f, page.v[i]);
                }
                start = STR_NULL;
        } while (page.next.n > 0 && arena_dup(&a, page.next, &start) == 0);
        any = check_dropped(f, pattern) || any;
        if (!any) {
                fprintf(stderr, "fsck.ddbfs: no table matches %s\n", pattern);
                f->status |= FSCK_FAILED;
        }
}

static void check_all(struct fsck *f, const char *list) {
        char *copy = mem_strdup(list), *save = NULL;

        if (!copy) {
                f->status |= FSCK_FAILED;
                return;
        }
        for (char *name = strtok_r(copy, ",", &save); name; name = strtok_r(NULL, ",", &save)) {
                if (strpbrk(name, "*?["))
                        check_matching(f, name);
                else
                        check(f, str_of(name));
        }
        mem_free(copy);
}

int main(int argc, char **argv) {
        struct fsck f = { .status = 0 };
        struct arguments a = { .n = 0, .grace = GRACE_DEFAULT };
        struct op_ctx ctx;
        int status;

        if (daemon_prepare_stdio())
                return FSCK_FAILED;
        status = parse(&f, &a, argc, argv);
        if (status) {
                fputs(usage, stderr);
                return status;
        }
        if (a.show) {
                fputs(a.show == 'h' ? usage : "fsck.ddbfs " DDBFS_VERSION "\n", stdout);
                return fflush(stdout) ? FSCK_FAILED : 0;
        }
        op_ctx_init(&ctx, "fsck", 0);
        f.ctx = &ctx;
        names_init(&f.elsewhere);
        status = prepare(&f, &a);
        if (status == 0)
                check_all(&f, a.tables);
        names_deinit(&f.elsewhere);
        service_close(&f.service);
        config_deinit(&f.config);
        op_ctx_deinit(&ctx);
        if (fflush(stdout))
                status |= FSCK_FAILED;
        return status | f.status;
}
