/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mounting, and one clear line when it does not work.
 *
 * libfuse and fusermount3 write what is wrong to stderr, in pieces and each in its own words.  While they
 * work here, at the start and with no other thread about, stderr is a file in memory; what it then holds
 * becomes the error's text.  Later messages of libfuse go to the log.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include "fuse_internal.h"
#include "ddbfs/base/alloc.h"
#include "ddbfs/base/log.h"

#define DEVICE "/dev/fuse"

static const enum log_level levels[] = {
        [FUSE_LOG_EMERG] = LOG_LEVEL_ERROR, [FUSE_LOG_ALERT] = LOG_LEVEL_ERROR,  [FUSE_LOG_CRIT] = LOG_LEVEL_ERROR,
        [FUSE_LOG_ERR] = LOG_LEVEL_ERROR,   [FUSE_LOG_WARNING] = LOG_LEVEL_WARN, [FUSE_LOG_NOTICE] = LOG_LEVEL_INFO,
        [FUSE_LOG_INFO] = LOG_LEVEL_INFO,   [FUSE_LOG_DEBUG] = LOG_LEVEL_DEBUG,
};

_printf_(2, 0) static void log_of_libfuse(enum fuse_log_level level, const char *format, va_list ap) {
        enum log_level ours = (size_t)level < ARRAY_LEN(levels) ? levels[level] : LOG_LEVEL_ERROR;
        char line[512];

        if (!log_enabled(ours))
                return;
        (void)vsnprintf(line, sizeof(line), format, ap);
        line[strcspn(line, "\n")] = 0;
        if (line[0])
                log_line(ours, "libfuse: %s", line);
}

/* stderr, while it is elsewhere */
struct capture {
        int saved; /* the real one, or -1: nothing is captured */
        int file;
        char text[ERROR_MESSAGE_LEN]; /* what was written, as one line; zeroes behind it */
};

static void capture_begin(struct capture *c) {
        *c = (struct capture){ .saved = -1, .file = -1 };
        (void)fflush(stderr);
        fuse_set_log_func(NULL); /* libfuse's default: stderr */
        c->file = memfd_create("stderr", MFD_CLOEXEC);
        if (c->file < 0)
                return;
        c->saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
        if (c->saved >= 0)
                (void)dup2(c->file, STDERR_FILENO);
}

/* The next line of *text without the name of the program that wrote it. */
static struct str next_piece(struct str *text) {
        static const char *const prefixes[] = { "fuse: ", "fusermount3: ", "/usr/bin/fusermount3: " };
        const char *end = memchr(text->p, '\n', text->n);
        struct str line = str_make(text->p, end ? (size_t)(end - text->p) : text->n);

        *text = str_skip(*text, line.n + 1);
        for (size_t i = 0; i < ARRAY_LEN(prefixes); i++)
                if (str_starts(line, str_of(prefixes[i])))
                        line = str_skip(line, strlen(prefixes[i]));
        return line;
}

/* Everything in one line. */
static void capture_tidy(struct capture *c, struct str raw) {
        _cleanup_(buf_deinit) struct buf line = BUF_INIT(sizeof(c->text) - 1);
        struct str piece;

        while (raw.n) {
                piece = next_piece(&raw);
                if (piece.n && line.n)
                        buf_puts(&line, "; ");
                buf_str(&line, piece);
        }
        if (line.n)
                memcpy(c->text, line.p, line.n);
}

static void capture_end(struct capture *c) {
        char raw[sizeof(c->text)];
        ssize_t n;

        (void)fflush(stderr);
        if (c->saved >= 0) {
                (void)dup2(c->saved, STDERR_FILENO);
                (void)close(c->saved);
                n = pread(c->file, raw, sizeof(raw), 0);
                capture_tidy(c, str_make(raw, n > 0 ? (size_t)n : 0));
        }
        if (c->file >= 0)
                (void)close(c->file);
        fuse_set_log_func(log_of_libfuse);
}

static int add_option(struct fuse_args *args, const char *options) {
        return fuse_opt_add_arg(args, "-o") || fuse_opt_add_arg(args, options) ? -ENOMEM : 0;
}

/* name=value, the value in libfuse's quoting */
static int add_value(struct fuse_args *args, const char *name, const char *value) {
        _cleanup_(buf_deinit) struct buf option = BUF_INIT(64 * KIB);

        buf_printf(&option, "%s=", name);
        for (const char *p = value; *p; p++) {
                if (*p == ',' || *p == '\\')
                        buf_putc(&option, '\\');
                buf_putc(&option, *p);
        }
        return buf_status(&option) ? buf_status(&option) : add_option(args, option.p);
}

static int build_args(const struct session_options *o, struct fuse_args *args) {
        int r;

        r = fuse_opt_add_arg(args, "ddbfs") ? -ENOMEM : 0;
        if (!r)
                r = add_option(args, o->owner_only ? "subtype=ddbfs" : "subtype=ddbfs,default_permissions");
        if (!r && o->source)
                r = add_value(args, "fsname", o->source);
        if (!r && o->mount_options && o->mount_options[0])
                r = add_option(args, o->mount_options);
        if (!r && o->debug)
                r = fuse_opt_add_arg(args, "-d") ? -ENOMEM : 0;
        return r;
}

int mount_new_session(const struct session_options *o, struct session *s, struct error *reterr) {
        _cleanup_(fuse_opt_free_args) struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
        struct fuse_lowlevel_ops ops = session_ops;
        struct capture capture;

        if (o->no_xattrs) { /* then libfuse says ENOSYS, and the kernel never asks again */
                ops.getxattr = NULL;
                ops.listxattr = NULL;
                ops.setxattr = NULL;
                ops.removexattr = NULL;
        }
        if (build_args(o, &args))
                return error_set(reterr, ERR_MEMORY, "out of memory");
        capture_begin(&capture);
        s->se = fuse_session_new(&args, &ops, sizeof(ops), s);
        capture_end(&capture);
        if (!s->se)
                return error_set(reterr, ERR_INPUT, "mount options: %s", capture.text[0] ? capture.text : "refused");
        return 0;
}

/* The device first, since what is wrong with it has a cure. */
static int check_device(struct error *reterr) {
        int fd, err;

        fd = open(DEVICE, O_RDWR | O_CLOEXEC);
        if (fd >= 0) {
                (void)close(fd);
                return 0;
        }
        err = errno;
        if (err == ENOENT || err == ENODEV || err == ENXIO)
                return error_set(reterr, ERR_UNSUPPORTED,
                                 "cannot open " DEVICE ": %s (load the module with `modprobe fuse`; a container needs "
                                 "--device " DEVICE " --cap-add SYS_ADMIN)",
                                 strerror(err));
        if (err == EACCES)
                return error_set(reterr, ERR_ACCESS,
                                 "cannot open " DEVICE ": %s (run as root, or `chmod 666 " DEVICE "`)", strerror(err));
        if (err == EPERM)
                return error_set(reterr, ERR_ACCESS,
                                 "cannot open " DEVICE ": %s (a container needs --device " DEVICE
                                 " --cap-add SYS_ADMIN)",
                                 strerror(err));
        return error_set_errno(reterr, -err, "cannot open " DEVICE);
}

/* The mount point as an absolute path, so that unmounting works from any working directory. */
static int resolve(const char *mountpoint, char **ret, struct error *reterr) {
        _cleanup_(mem_freep) char *path = NULL;
        struct stat st;
        int err;

        path = mem_alloc(PATH_MAX);
        if (!path)
                return error_set(reterr, ERR_MEMORY, "out of memory");
        if (!realpath(mountpoint, path) || stat(path, &st) < 0) {
                err = errno;
                if (err == ENOTCONN)
                        return error_set(reterr, ERR_BUSY, "%s: a dead mount is in the way (`fusermount3 -u -z %s`)",
                                         mountpoint, mountpoint);
                return error_set_errno(reterr, -err, mountpoint);
        }
        if (!S_ISDIR(st.st_mode))
                return error_set(reterr, ERR_INPUT, "%s: Not a directory", mountpoint);
        *ret = TAKE(path);
        return 0;
}

static int explain(const char *mountpoint, const char *text, struct error *reterr) {
        if (strstr(text, "exec fusermount"))
                return error_set(reterr, ERR_UNSUPPORTED,
                                 "cannot mount on %s: fusermount3 is missing (install fuse3, or run as root)",
                                 mountpoint);
        return error_set(reterr, ERR_ACCESS, "cannot mount on %s: %s", mountpoint, text[0] ? text : "refused");
}

int mount_attach(const struct session_options *o, struct session *s, struct error *reterr) {
        _cleanup_(mem_freep) char *path = NULL;
        struct capture capture;
        int r;

        r = resolve(o->mountpoint, &path, reterr);
        if (!r)
                r = check_device(reterr);
        if (r)
                return r;
        capture_begin(&capture);
        r = fuse_session_mount(s->se, path);
        capture_end(&capture);
        return r ? explain(o->mountpoint, capture.text, reterr) : 0;
}
