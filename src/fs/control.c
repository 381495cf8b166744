/* SPDX-License-Identifier: Apache-2.0 */
/* The control directory .ddbfs: one table, an entry a file.  Content is made at open. */
#include "fs_internal.h"
#include "saves_internal.h"
#include "ddbfs/base/clock.h"
#include "ddbfs/base/metrics.h"

#define FLUSH_WAIT_NS NS_PER_S

struct control_file {
        const char *name;
        void (*render)(struct fs *fs, struct buf *out);                    /* NULL: not readable */
        int (*write)(struct fs *fs, struct op_ctx *ctx, struct str data, struct error *e); /* NULL: not writable */
};

static void render_stats(struct fs *fs, struct buf *out) {
        (void)fs;
        metrics_render_json(out);
}

static void render_metrics(struct fs *fs, struct buf *out) {
        (void)fs;
        metrics_render_prometheus(out);
}

static void render_config(struct fs *fs, struct buf *out) {
        buf_puts(out, fs->o.config_json ? fs->o.config_json : "{}\n");
}

static void render_requests(struct fs *fs, struct buf *out) {
        if (fs->o.render_requests)
                fs->o.render_requests(out);
}

struct flush_name {
        uint64_t parent, node;
        char *name;
        uint32_t name_n;
};

/* Every node's name and content leave the kernel's caches too. */
static void flush_kernel(struct fs *fs) {
        struct flush_name *all = NULL;
        struct hmap_walk w = { 0 };
        struct hmap_node *h;
        size_t n = 0, cap;

        mutex_lock(&fs->nodes.lock);
        cap = fs->nodes.by_id.n;
        all = mem_calloc(cap ? cap : 1, sizeof(*all));
        while (all && n < cap && (h = hmap_walk_next(&fs->nodes.by_id, &w))) {
                struct node *node = CONTAINER_OF(h, struct node, by_id);

                if (!node->parent || node->detached || !(all[n].name = mem_dup(node->name, node->name_n)))
                        continue;
                all[n].parent = node->parent->id;
                all[n].node = node->id;
                all[n++].name_n = node->name_n;
        }
        mutex_unlock(&fs->nodes.lock);
        for (size_t i = 0; i < n; i++) {
                if (fs->notify.content)
                        fs->notify.content(fs->notify.arg, all[i].node);
                if (fs->notify.entry)
                        fs->notify.entry(fs->notify.arg, all[i].parent, str_make(all[i].name, all[i].name_n));
                mem_free(all[i].name);
        }
        mem_free(all);
}

static int write_flush(struct fs *fs, struct op_ctx *ctx, struct str data, struct error *e) {
        int r = saves_wait(fs, ctx, NULL, NULL, 0, e);

        (void)data;
        cache_flush(fs->cache);
        tables_flush(fs);
        listings_flush(fs);
        absent_flush(fs);
        tours_flush(fs);
        flush_kernel(fs);
        if (fs->notify.wait) /* seen at once by whoever looks after the write */
                fs->notify.wait(fs->notify.arg, clock_now_ns() + FLUSH_WAIT_NS);
        return r;
}

static const struct control_file files[] = {
        { "config.json", render_config, NULL },     { "errors.jsonl", errors_render, NULL },
        { "flush", NULL, write_flush },             { "metrics", render_metrics, NULL },
        { "requests.jsonl", render_requests, NULL }, { "stats.json", render_stats, NULL },
};

size_t control_count(void) {
        return ARRAY_LEN(files);
}

struct str control_name(size_t i) {
        return str_of(files[i].name);
}

bool control_find(struct str name, uint8_t *ret) {
        for (size_t i = 0; i < ARRAY_LEN(files); i++) {
                if (str_eq(name, str_of(files[i].name))) {
                        *ret = (uint8_t)i;
                        return true;
                }
        }
        return false;
}

bool control_writable(uint8_t i) {
        return files[i].write != NULL;
}

int control_open(struct fs *fs, struct node *n, int flags, struct fs_opened *ret, struct error *e) {
        const struct control_file *c = &files[n->control];
        bool writing = (flags & O_ACCMODE) != O_RDONLY, reading = (flags & O_ACCMODE) != O_WRONLY;
        struct fs_file *f;

        if (writing && !c->write)
                return error_set_errno(e, -EACCES, "this control file is for reading");
        if (reading && !c->render)
                return error_set_errno(e, -EACCES, "this control file is for writing");
        f = file_new(fs, n, flags, &control_file_ops);
        if (!f)
                return error_set(e, ERR_MEMORY, "out of memory");
        if (!writing)
                c->render(fs, &f->content);
        ret->file = f;
        ret->direct_io = ret->no_flush = true;
        return 0;
}

int control_write(struct fs *fs, struct op_ctx *ctx, struct fs_file *f, uint64_t offset, struct str data,
                  struct error *e) {
        (void)offset;
        return files[f->node->control].write(fs, ctx, data, e);
}
