/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The local engine: found, started on a port of its own, watched until it listens, stopped.
 *
 * The child has its own session (a Ctrl-C at the terminal is for us) and dies with the thread that made it.
 * It inherits the lock file's descriptor, so that the lock is held for as long as either of us lives.  Its
 * output comes through a pipe that a thread of ours reads to the end: a line is a debug line of our log,
 * and the last one says why it died.  That thread ends when the engine has ended.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "ddbfs/app/local_engine.h"
#include "ddbfs/app/paths.h"
#include "ddbfs/base/alloc.h"
#include "ddbfs/base/buf.h"
#include "ddbfs/base/clock.h"
#include "ddbfs/base/log.h"
#include "ddbfs/base/mutex.h"
#include "local_internal.h"

#define PROGRAM "dynoxide"
#define START_TIMEOUT_NS (5 * NS_PER_S)
#define STOP_TIMEOUT_NS (2 * NS_PER_S)
#define POLL_NS (2 * NS_PER_MS)
#define PORT_ATTEMPTS 5
#define LINE_LEN 300

struct local_engine {
        struct lock_file lock_file;
        pid_t pid;          /* 0: not running */
        uint16_t port;
        int output;         /* the pipe, the reader's; -1: none */
        bool reading;       /* the reader is to be joined */
        pthread_t reader;
        char url[sizeof("http://127.0.0.1:65535")];
        struct mutex lock;
        char line[LINE_LEN]; /* the last of the engine; protected by lock */
        bool serving;        /* started and not being stopped; protected by lock */
};

/* ---- finding ---- */

int local_engine_find(char **ret, struct error *reterr) {
        char exe[4096];
        ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe));
        int r = -ENOENT;

        if (n > 0 && (size_t)n < sizeof(exe)) {
                const char *slash = memrchr(exe, '/', (size_t)n);

                r = path_find_in(str_make(exe, slash ? (size_t)(slash - exe) : 0), PROGRAM, ret);
        }
        if (r == -ENOENT)
                r = path_find_in(STR(DDBFS_LIBEXECDIR), PROGRAM, ret);
        if (r == -ENOENT)
                r = path_find_program(PROGRAM, ret);
        if (r == -ENOENT) {
                error_set(reterr, ERR_INPUT, "the local engine 'dynoxide' was not found; install it beside ddbfs or "
                                             "in PATH (see README)");
                return -ENOENT;
        }
        return r ? error_set_errno(reterr, r, PROGRAM) : 0;
}

/* ---- its output ---- */

static void on_line(struct local_engine *e, const char *line) {
        if (!*line)
                return;
        log_debug("local engine: %s", line);
        mutex_lock(&e->lock);
        snprintf(e->line, sizeof(e->line), "%s", line);
        mutex_unlock(&e->lock);
}

static void *read_output(void *arg) {
        struct local_engine *e = arg;
        char line[LINE_LEN], chunk[4096];
        size_t n = 0;
        ssize_t k;
        bool serving;

        while ((k = read(e->output, chunk, sizeof(chunk))) != 0) {
                if (k < 0 && errno != EINTR)
                        break;
                for (ssize_t i = 0; i < k; i++) {
                        if (chunk[i] != '\n') {
                                if (n < sizeof(line) - 1 && chunk[i] != '\0')
                                        line[n++] = chunk[i];
                                continue;
                        }
                        line[n] = '\0';
                        n = 0;
                        on_line(e, line);
                }
        }
        line[n] = '\0';
        on_line(e, line);
        mutex_lock(&e->lock);
        serving = e->serving;
        mutex_unlock(&e->lock);
        if (serving)
                log_error("the local engine has ended; unmount and mount again");
        return NULL;
}

static void set_serving(struct local_engine *e, bool serving) {
        mutex_lock(&e->lock);
        e->serving = serving;
        mutex_unlock(&e->lock);
}

/* ---- the process ---- */

struct launch {
        const char *program;
        char *argv[9];
        int output;    /* becomes 1 and 2 */
        int lock_fd;   /* stays open */
        int error_fd;  /* close-on-exec: the errno of a failed exec */
        pid_t parent;
};

/* Between fork and exec: async-signal-safe calls only. */
static void launch_child(const struct launch *l) {
        struct sigaction by_default = { .sa_handler = SIG_DFL };
        sigset_t none;
        int err, null;

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != l->parent)
                _exit(127); /* it died before the kernel knew */
        setsid();
        sigaction(SIGPIPE, &by_default, NULL);
        sigaction(SIGXFSZ, &by_default, NULL);
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        (void)close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC); /* what our caller left open */
        fcntl(l->lock_fd, F_SETFD, 0);
        null = open("/dev/null", O_RDONLY);
        if (null >= 0)
                dup2(null, STDIN_FILENO);
        if (dup2(l->output, STDOUT_FILENO) >= 0 && dup2(l->output, STDERR_FILENO) >= 0)
                execv(l->program, l->argv);
        err = errno;
        while (write(l->error_fd, &err, sizeof(err)) < 0 && errno == EINTR)
                ;
        _exit(127);
}

/* Waits until the child has become the program.  0 or its errno, negative. */
static int await_exec(int fd) {
        int err = 0;
        ssize_t n;

        do
                n = read(fd, &err, sizeof(err));
        while (n < 0 && errno == EINTR);
        return n == (ssize_t)sizeof(err) ? -err : 0;
}

static int launch(struct local_engine *e, struct launch *l) {
        int error_pipe[2], r;
        pid_t pid;

        if (pipe2(error_pipe, O_CLOEXEC) < 0)
                return -errno;
        l->error_fd = error_pipe[1];
        l->parent = getpid();
        pid = fork();
        if (pid == 0)
                launch_child(l);
        r = pid < 0 ? -errno : 0;
        close(error_pipe[1]);
        if (!r) {
                r = await_exec(error_pipe[0]);
                if (r)
                        waitpid(pid, NULL, 0);
                else
                        e->pid = pid;
        }
        close(error_pipe[0]);
        return r;
}

static int spawn(struct local_engine *e, const char *program, const char *file) {
        char port[8], words[][12] = { "serve", "--host", "127.0.0.1", "--port", "--db-path" };
        char *name, *path;
        int output[2], r;

        _cleanup_(mem_freep) char *name_copy = mem_strdup(program);
        _cleanup_(mem_freep) char *path_copy = mem_strdup(file);
        struct launch l = { .program = program, .lock_fd = e->lock_file.fd };

        name = name_copy;
        path = path_copy;
        if (!name || !path)
                return -ENOMEM;
        snprintf(port, sizeof(port), "%u", e->port);
        memcpy(l.argv, (char *[]){ name, words[0], words[1], words[2], words[3], port, words[4], path, NULL },
               sizeof(l.argv));
        if (pipe2(output, O_CLOEXEC) < 0)
                return -errno;
        l.output = output[1];
        r = launch(e, &l);
        close(output[1]);
        if (r) {
                close(output[0]);
                return r;
        }
        e->output = output[0];
        e->line[0] = '\0';
        r = -pthread_create(&e->reader, NULL, read_output, e);
        e->reading = !r;
        return r;
}

/* true when it has ended (and is reaped), before until_ns */
static bool await_end(struct local_engine *e, uint64_t until_ns) {
        for (;;) {
                pid_t r = waitpid(e->pid, NULL, WNOHANG);
                struct timespec pause = { .tv_nsec = POLL_NS };

                if (r == e->pid || (r < 0 && errno == ECHILD)) {
                        e->pid = 0;
                        return true;
                }
                if (clock_now_ns() >= until_ns)
                        return false;
                nanosleep(&pause, NULL);
        }
}

/* Whatever state it is in: gone and reaped, the reader joined. */
static void stop(struct local_engine *e) {
        set_serving(e, false);
        if (e->pid) {
                kill(-e->pid, SIGTERM); /* and what it may have started */
                if (!await_end(e, clock_now_ns() + STOP_TIMEOUT_NS)) {
                        log_warn("the local engine does not stop: killed");
                        kill(-e->pid, SIGKILL);
                        while (waitpid(e->pid, NULL, 0) < 0 && errno == EINTR)
                                ;
                        e->pid = 0;
                }
        }
        if (e->reading)
                pthread_join(e->reader, NULL);
        e->reading = false;
        if (e->output >= 0)
                close(e->output);
        e->output = -1;
}

enum { _START_E_SUCCESS, START_E_DIED, START_E_PORT_TAKEN, START_E_TIME };

/* Until it listens, dies or the time is up.  Returns 0 or START_E_*. */
static int await_listening(struct local_engine *e, uint64_t until_ns) {
        for (;;) {
                int owner = local_port_owner(e->port, e->pid);
                uint64_t now = clock_now_ns();

                if (await_end(e, 0))
                        return START_E_DIED;
                if (owner == LOCAL_PORT_E_OTHER)
                        return START_E_PORT_TAKEN;
                if (!owner)
                        return 0;
                if (now >= until_ns || await_end(e, MIN(until_ns, now + POLL_NS)))
                        return e->pid ? START_E_TIME : START_E_DIED;
        }
}

static int fail_start(struct local_engine *e, int why, const struct local_engine_options *o, const char *program,
                      struct error *reterr) {
        stop(e); /* the reader has ended: line is ours */
        if (why == START_E_TIME)
                return error_set(reterr, ERR_TIMEOUT, "the local engine %s does not begin to answer%s%s", program,
                                 *e->line ? ": " : "", e->line);
        if (why == START_E_PORT_TAKEN)
                return error_set(reterr, ERR_CONNECT, "the local engine %s found no free port", program);
        return error_set(reterr, ERR_INTERNAL, "the local engine %s could not serve %s: %s", program, o->file,
                         *e->line ? e->line : "it ended without a word");
}

static int start(struct local_engine *e, const struct local_engine_options *o, const char *program,
                 struct error *reterr) {
        uint64_t until_ns = clock_now_ns() + (o->start_timeout_ns ? o->start_timeout_ns : START_TIMEOUT_NS);
        int r = START_E_DIED;

        for (int attempt = 1; attempt <= PORT_ATTEMPTS; attempt++) {
                r = local_port_choose(&e->port);
                if (r)
                        return error_set_errno(reterr, r, "no local port for the local engine");
                r = spawn(e, program, o->file);
                if (r) {
                        stop(e);
                        return error_set_errno(reterr, r, program);
                }
                r = await_listening(e, until_ns);
                if (!r) {
                        snprintf(e->url, sizeof(e->url), "http://127.0.0.1:%u", e->port);
                        set_serving(e, true);
                        return 0;
                }
                /* it may have lost the port to somebody else and died of that */
                if (r == START_E_DIED && local_port_listens(e->port))
                        r = START_E_PORT_TAKEN;
                if (r != START_E_PORT_TAKEN || attempt == PORT_ATTEMPTS)
                        break;
                stop(e);
        }
        return fail_start(e, r, o, program, reterr);
}

int local_engine_start(const struct local_engine_options *o, struct local_engine **ret, struct error *reterr) {
        _cleanup_(local_engine_freep) struct local_engine *e = mem_zalloc(sizeof(*e));
        _cleanup_(mem_freep) char *found = NULL;
        char who[256];
        int r;

        if (!e)
                return error_set_errno(reterr, -ENOMEM, "local engine");
        e->output = -1;
        e->lock_file = LOCK_FILE_NONE;
        mutex_init(&e->lock);
        if (!o->program) {
                r = local_engine_find(&found, reterr);
                if (r)
                        return r;
        }
        snprintf(who, sizeof(who), "process %ld, mounted on %.200s", (long)getpid(), o->mountpoint);
        r = lock_file_take(o->file, who, &e->lock_file, reterr);
        if (r)
                return r;
        r = start(e, o, found ? found : o->program, reterr);
        if (r)
                return r;
        log_info("the local engine serves %s at %s", o->file, e->url);
        *ret = TAKE(e);
        return 0;
}

const char *local_engine_url(const struct local_engine *e) {
        return e->url;
}

struct local_engine *local_engine_free(struct local_engine *e) {
        if (!e)
                return NULL;
        stop(e);
        lock_file_release(&e->lock_file);
        mutex_deinit(&e->lock);
        return mem_free(e);
}
