/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The options as text: --help, --print-config, and the list for the kernel.
 */
#include <unistd.h>
#include "ddbfs/base/json.h"
#include "config_internal.h"

#define HELP_COLUMN 34 /* where the help texts begin */

static void render_help_line(const struct config_option *o, struct buf *out) {
        char name[OPTION_ENV_LEN];
        size_t start = out->n, width;

        option_shown_name(o, '-', name);
        if (o->short_name)
                buf_printf(out, "  -%c, ", o->short_name);
        else
                buf_puts(out, "      ");
        buf_printf(out, "--%s%s%s", name, o->argument ? "=" : "", o->argument ? o->argument : "");
        width = out->n - start;
        buf_fill(out, ' ', width < HELP_COLUMN ? HELP_COLUMN - width : 1);
        buf_puts(out, o->help);
        for (size_t i = 0; o->type == OPTION_ENUM && o->names[i]; i++)
                buf_printf(out, "%s%s", i ? ", " : ": ", o->names[i]);
        if (o->by_default && !(o->flags & OPTION_ACTION))
                buf_printf(out, " [%s]", o->by_default);
        else if (o->unset)
                buf_printf(out, " [%s]", o->unset);
        buf_putc(out, '\n');
}

int config_render_help(struct buf *out) {
        buf_puts(out, "Usage: ddbfs [OPTIONS] [TABLES] MOUNTPOINT\n"
                      "Mount DynamoDB tables as a file system.\n"
                      "\n"
                      "TABLES: names, globs or ARNs, comma separated; without, and for '*', all of the region.\n"
                      "Options are also taken as -o name=value[,name...] and from the environment as DDBFS_NAME;\n"
                      "in brackets are the defaults.  Those that are on are switched off by --no-name.\n");
        for (int g = 0; g < _GROUP_N; g++) {
                buf_printf(out, "\n%s:\n", config_groups[g]);
                for (size_t i = 0; i < n_config_options; i++)
                        if (config_options[i].group == (enum option_group)g)
                                render_help_line(&config_options[i], out);
        }
        buf_puts(out, "\nSizes take K, M, G; times ms, s, m, h.  Unmount with: fusermount3 -u MOUNTPOINT\n"
                      "See ddbfs(1) for all the rest.\n");
        return buf_status(out);
}

static void render_text(const char *name, const char *text, struct buf *out) {
        buf_printf(out, "  \"%s\": ", name);
        if (!text)
                buf_puts(out, "null");
        else if (utf8_valid(str_of(text)))
                json_write_string(out, str_of(text));
        else
                buf_puts(out, "\"?\"");
}

int config_render_json(const struct config *c, struct buf *out) {
        buf_puts(out, "{\n");
        render_text("tables", c->tables ? c->tables : "*", out);
        buf_puts(out, ",\n");
        render_text("mountpoint", c->mountpoint, out);
        for (size_t i = 0; i < n_config_options; i++) {
                const struct config_option *o = &config_options[i];

                if (o->flags & OPTION_ACTION)
                        continue;
                buf_printf(out, ",\n  \"%s\": ", o->name);
                option_render_json(o, c, out);
        }
        buf_puts(out, "\n}\n");
        return buf_status(out);
}

bool config_is_owner_only(const struct config *c) {
        return !c->allow_other && !c->allow_root && c->uid == getuid() && (c->umask & 0700) == 0;
}

int config_render_mount_options(const struct config *c, bool can_auto_unmount, struct buf *out) {
        const struct {
                bool on;
                const char *name;
        } ours[] = {
                { c->read_only, "ro" },
                { c->allow_other, "allow_other" },
                { c->allow_root, "allow_root" },
                { c->auto_unmount && can_auto_unmount, "auto_unmount" },
        };

        for (size_t i = 0; i < ARRAY_LEN(ours); i++)
                if (ours[i].on)
                        buf_printf(out, "%s%s", out->n ? "," : "", ours[i].name);
        if (c->kernel.n) {
                if (out->n)
                        buf_putc(out, ',');
                buf_str(out, buf_view(&c->kernel));
        }
        return buf_status(out);
}
