/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One mount from beginning to end.  Each step of the table builds one storey on those before it; a step
 * that fails leaves its line in the error and everything built so far is torn down, top first.  Nothing
 * is mounted before the service has answered.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include "ddbfs/app/daemonize.h"
#include "ddbfs/app/local_engine.h"
#include "ddbfs/app/paths.h"
#include "ddbfs/app/signals.h"
#include "ddbfs/app/wire.h"
#include "ddbfs/base/log.h"
#include "service.h"

struct stack {
        const struct config *c;
        struct daemon daemon;
        int ready;        /* what daemon_ready() said, by the worker that called it */
        char *mountpoint; /* resolved */
        struct signals *signals;
        struct local_engine *engine;
        struct service service;
        char *state_dir;
        char mount_id[MOUNT_ID_LEN];
        struct buf json, mount_options;
        struct fs *fs;
        struct session *session;
        char **environment, **callers_environment; /* with --local */
};

/*
 * With --local nothing of the user's account matters, be it missing, wrong or good: the settings see an
 * environment and files without any, and so does the engine.  Before the first thread.
 */
static int forget_account(struct stack *s, struct error *reterr) {
        static char config[] = "AWS_CONFIG_FILE=/dev/null", credentials[] = "AWS_SHARED_CREDENTIALS_FILE=/dev/null";
        size_t n = 0, kept = 0;

        if (!s->c->local)
                return 0;
        while (environ[n])
                n++;
        s->environment = mem_calloc(n + 3, sizeof(*s->environment));
        if (!s->environment)
                return error_set_errno(reterr, -ENOMEM, "environment");
        for (size_t i = 0; i < n; i++)
                if (strncmp(environ[i], "AWS_", 4) != 0)
                        s->environment[kept++] = environ[i];
        s->environment[kept++] = config;
        s->environment[kept++] = credentials;
        s->callers_environment = environ;
        environ = s->environment;
        return 0;
}

static int start_signals(struct stack *s, struct error *reterr) {
        return signals_new(&s->signals, reterr);
}

/* Would the mount hide this path?  Then every access of ours to it would wait for ourselves. */
static bool is_hidden(const struct stack *s, const char *path) {
        char copy[4096], full[4096], *slash;

        snprintf(copy, sizeof(copy), "%s", path);
        while (!realpath(copy, full)) {
                slash = strrchr(copy, '/');
                if (!slash || slash == copy)
                        return false;
                *slash = '\0';
        }
        return path_below(full, s->mountpoint);
}

static int start_engine(struct stack *s, struct error *reterr) {
        struct local_engine_options o = { .file = s->c->local, .mountpoint = s->mountpoint };

        if (!s->c->local)
                return 0;
        if (is_hidden(s, s->c->local))
                return error_set(reterr, ERR_INPUT, "%s: the mount would hide it", s->c->local);
        return local_engine_start(&o, &s->engine, reterr);
}

/* From here on there are secrets in memory: no core dump, and files of ours are for the owner only. */
static int protect_secrets(struct stack *s, struct error *reterr) {
        const struct rlimit none = { 0, 0 };

        umask(077);
        if (!s->c->debug && setrlimit(RLIMIT_CORE, &none) < 0)
                return error_set_errno(reterr, -errno, "cannot switch core dumps off");
        return 0;
}

static int open_service(struct stack *s, struct error *reterr) {
        return service_open(&s->service, s->c, s->engine ? local_engine_url(s->engine) : NULL, reterr);
}

static int make_state_dir(struct stack *s, struct error *reterr) {
        _cleanup_(mem_freep) char *base = NULL;
        struct aws_endpoint e;
        int r;

        r = aws_endpoint_resolve(s->service.settings, "dynamodb", NULL, &e, reterr);
        if (r)
                return r;
        if (s->c->state_dir)
                base = mem_strdup(s->c->state_dir);
        else
                r = state_dir_default(&base, reterr);
        if (!r && !base)
                r = error_set_errno(reterr, -ENOMEM, "state folder");
        if (!r && is_hidden(s, base))
                return error_set(reterr, ERR_INPUT, "the mount would hide the state folder %s; use --state-dir", base);
        if (!r)
                r = state_dir_make(base, s->c->local ? s->c->local : e.url, str_of(e.signing_region),
                                   s->service.settings->profile, &s->state_dir, reterr);
        if (r && s->c->read_only && !s->c->state_dir) {
                log_warn("no state folder: %s", reterr->message); /* nothing will have to be kept */
                return 0;
        }
        return r;
}

static int make_fs(struct stack *s, struct error *reterr) {
        const struct config *c = s->c;
        struct fs_options o = {
                .tables = c->tables,
                .state_dir = s->state_dir,
                .read_only = c->read_only,
                .commit_batch = c->commit != 0 && !c->s3_bucket,
                .consistent = c->consistent,
                .xattrs = c->xattr,
                .no_readahead = !c->readahead,
                .mount_id = s->mount_id,
                .grace_ns = c->grace,
                .spool_max = c->spool_max,
                .rejected_max = c->rejected_max,
                .render_requests = aws_request_log_render,
                .cache_ttl_ns = c->cache_ttl,
                .schema_ttl_ns = c->schema_ttl,
                .cache_size = (size_t)c->cache_size,
                .max_wcu = (uint64_t)c->max_wcu,
                .parallel = (unsigned)MIN(c->max_connections, PARALLEL_MAX),
                .text = { .format = (enum item_format)c->format,
                          .compact = c->compact,
                          .strict_keys = c->strict_keys,
                          .any_size = c->s3_bucket != NULL },
                .write_mode = (enum fs_write_mode)c->write,
                .show = (enum fs_show)c->show,
                .uid = (uid_t)c->uid,
                .gid = (gid_t)c->gid,
                .umask = (mode_t)c->umask,
        };
        int r;

        if (c->commit && c->s3_bucket)
                log_warn("commit=batch is not for tables with an S3 bucket: saves are sent at close");
        mount_id_make(s->mountpoint, s->mount_id);
        s->json = BUF_INIT(MIB);
        r = config_render_json(c, &s->json);
        o.config_json = s->json.p;
        if (!r)
                r = fs_new(&o, s->service.store, &s->fs);
        return r ? error_set_errno(reterr, r, "file system") : 0;
}

static int probe(struct stack *s, struct error *reterr) {
        struct op_ctx ctx;
        int r;

        op_ctx_init(&ctx, "mount", s->c->op_timeout);
        signals_set_ctx(s->signals, &ctx);
        r = fs_probe(s->fs, &ctx, reterr);
        signals_set_ctx(s->signals, NULL);
        op_ctx_deinit(&ctx);
        return r;
}

/* It takes a fusermount3 that waits for our end; root can mount without any. */
static bool can_auto_unmount(void) {
        _cleanup_(mem_freep) char *path = NULL;

        return geteuid() != 0 || path_find_program("fusermount3", &path) == 0;
}

/* The kernel's first request is answered: nobody who looks will have to wait. */
static void on_ready(void *arg) {
        struct stack *s = arg;

        s->ready = daemon_ready(&s->daemon);
        if (s->ready)
                session_stop(s->session);
        else
                log_info("mounted on %s", s->mountpoint);
}

static int mount_session(struct stack *s, struct error *reterr) {
        const struct config *c = s->c;
        struct session_options o = {
                .mountpoint = s->mountpoint,
                .source = c->tables ? c->tables : "ddbfs",
                .op_timeout_ns = c->op_timeout,
                .max_threads = (unsigned)c->max_threads,
                .debug = c->debug,
                .owner_only = config_is_owner_only(c),
                .no_xattrs = !c->xattr,
                .ready = on_ready,
                .ready_arg = s,
        };
        int r;

        if (signals_stopped(s->signals))
                return error_set(reterr, ERR_INTERRUPTED, "interrupted");
        s->mount_options = BUF_INIT(8 * KIB);
        r = config_render_mount_options(c, can_auto_unmount(), &s->mount_options);
        if (r)
                return error_set_errno(reterr, r, "mount options");
        o.mount_options = s->mount_options.p;
        r = session_new(&o, s->fs, &s->session, reterr);
        if (r)
                return r;
        /* not earlier: who cannot be dumped cannot be looked at by fusermount3 either */
        if (!c->debug)
                prctl(PR_SET_DUMPABLE, 0);
        return 0;
}

static int (*const steps[])(struct stack *, struct error *) = {
        forget_account, start_signals,  start_engine, protect_secrets, open_service,
        make_state_dir, make_fs,        probe,        mount_session,
};

static int build(struct stack *s, struct error *reterr) {
        for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
                int r = steps[i](s, reterr);

                if (r)
                        return r;
        }
        return 0;
}

static void tear_down(struct stack *s) {
        s->session = session_free(s->session);
        s->fs = fs_free(s->fs);
        service_close(&s->service);
        s->engine = local_engine_free(s->engine);
        s->signals = signals_free(s->signals);
        if (s->state_dir)
                (void)rmdir(s->state_dir); /* goes only when nothing is kept there */
        s->state_dir = mem_free(s->state_dir);
        buf_deinit(&s->json);
        buf_deinit(&s->mount_options);
        s->mountpoint = mem_free(s->mountpoint);
        if (s->environment)
                environ = s->callers_environment;
        s->environment = mem_free(s->environment);
}

/* The one line: what, and what to quote to AWS. */
static void tell_failure(struct daemon *d, const struct error *e) {
        char line[ERROR_MESSAGE_LEN + ERROR_CODE_LEN + ERROR_REQUEST_ID_LEN + 32];
        const char *code = e->code[0] && !strstr(e->message, e->code) ? e->code : "";

        snprintf(line, sizeof(line), "%s%s%s%s%s%s", e->message[0] ? e->message : "failed", *code ? " (" : "", code,
                 *code ? ")" : "", e->request_id[0] ? ", request " : "", e->request_id);
        daemon_fail(d, EXIT_FAILURE, line);
}

static int serve(struct stack *s) {
        int r;

        signals_set_session(s->signals, s->session);
        r = session_run(s->session);
        signals_set_session(s->signals, NULL);
        return r ? r : s->ready;
}

static int run(struct stack *s) {
        struct error e = { .kind = ERR_NONE };
        int r = build(s, &e);

        if (!r) {
                r = serve(s);
                if (r) {
                        error_set_errno(&e, r, s->mountpoint);
                        log_error("%s", e.message);
                }
        }
        if (r)
                tell_failure(&s->daemon, &e);
        else if (s->daemon.fd >= 0) /* told to end before the first request */
                daemon_fail(&s->daemon, EXIT_FAILURE, "interrupted");
        tear_down(s);
        return r ? EXIT_FAILURE : EXIT_SUCCESS;
}

int app_run(const struct config *c) {
        struct stack s = { .c = c };
        struct error e = { .kind = ERR_NONE };
        int status = EXIT_FAILURE, r;

        log_set_level((enum log_level)c->log_level);
        log_set_sink(c->foreground && !c->syslog ? LOG_SINK_STDERR : LOG_SINK_SYSLOG);
        daemon_init_foreground(&s.daemon);
        if (!c->foreground)
                daemon_close_inherited();
        r = mountpoint_prepare(c->mountpoint, &s.mountpoint, &e);
        if (r) {
                tell_failure(&s.daemon, &e);
                return EXIT_FAILURE;
        }
        r = c->foreground ? 0 : daemon_fork(&s.daemon, &status);
        if (r) {
                mem_free(s.mountpoint);
                if (r < 0)
                        fprintf(stderr, "ddbfs: cannot go to the background: %s\n", strerror(-r));
                return r < 0 ? EXIT_FAILURE : status;
        }
        return run(&s);
}
