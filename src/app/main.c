/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ddbfs [OPTIONS] [TABLES] MOUNTPOINT
 *
 * Exit status: 0 mounted (in the background), unmounted cleanly (in the foreground), or shown what was
 * asked for; 1 it did not work; 2 it was asked wrongly.
 */
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include "ddbfs/app/config.h"
#include "ddbfs/app/daemonize.h"
#include "ddbfs/app/wire.h"

#define EXIT_USAGE 2
#define LARGE_BLOCK (2 * 1024 * 1024) /* bytes */

static int show(const struct config *c) {
        _cleanup_(buf_deinit) struct buf out = BUF_INIT(MIB);
        int r = 0;

        if (c->help)
                r = config_render_help(&out);
        else if (c->version)
                buf_puts(&out, "ddbfs " DDBFS_VERSION "\n");
        else
                r = config_render_json(c, &out);
        if (r || buf_status(&out)) {
                fprintf(stderr, "ddbfs: out of memory\n");
                return EXIT_FAILURE;
        }
        if (fwrite(out.p, 1, out.n, stdout) != out.n || fflush(stdout)) {
                perror("ddbfs: standard output");
                return EXIT_FAILURE;
        }
        return EXIT_SUCCESS;
}

int main(int argc, char **argv) {
        struct error e = { .kind = ERR_NONE };
        struct config c;
        int r, status;

        /* one heap: those of threads grow by a system call a page, and keep what another thread could use */
        (void)mallopt(M_ARENA_MAX, 1);
        /* parts of large attributes go back to the system: once one was freed, the heap would take the next, and keep it */
        (void)mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK);
        (void)mallopt(M_TRIM_THRESHOLD, LARGE_BLOCK);
        r = daemon_prepare_stdio();
        if (r)
                return EXIT_FAILURE; /* and nowhere to say why */
        r = config_load(&c, argc, argv, &e);
        if (r) {
                fprintf(stderr, "ddbfs: %s\n", e.message);
                status = r == -ENOMEM ? EXIT_FAILURE : EXIT_USAGE;
        } else
                status = c.help || c.version || c.print_config ? show(&c) : app_run(&c);
        config_deinit(&c);
        return status;
}
