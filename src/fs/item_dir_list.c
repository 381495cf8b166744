/* SPDX-License-Identifier: Apache-2.0 */
/* An item's directory lists its attributes: one page, from the item as the cache has it. */
#include "fs_internal.h"

static int add_attribute(struct fs *fs, struct fs_dir *d, struct str attr, struct dir_page *page) {
        _cleanup_(buf_deinit) struct buf name = BUF_INIT(NAME_ENCODED_MAX);
        _cleanup_(buf_deinit) struct buf piece = BUF_INIT(NAME_ENCODED_MAX);
        struct dir_entry entry = { .level = LEVEL_ATTR, .control = d->node->control };
        bool chain;

        (void)fs;
        keyname_encode_text(&name, attr, false);
        if (buf_status(&name) == -EFBIG) /* no path is that long: it is in the item's own file */
                return 0;
        if (buf_status(&name))
                return buf_status(&name);
        if (!place_name_component(buf_view(&name), buf_view(&d->place.prefix), false, &piece, &chain))
                return buf_status(&piece);
        if (chain && !dir_chain_is_new(d, buf_view(&piece), page->first + page->n))
                return 0;
        entry.kind = chain ? NODE_CHAIN : NODE_ATTR;
        return dir_page_add(page, buf_view(&piece), &entry);
}

/* Renamed to a scratch name a moment ago. */
static bool is_away(struct fs *fs, const struct place *dir, struct str attr) {
        _cleanup_(buf_deinit) struct buf id = BUF_INIT(ATTR_ID_MAX);

        return place_attr_id(dir, attr, &id) == 0 && away_find(fs, buf_view(&id));
}

int item_dir_load(struct fs *fs, struct op_ctx *ctx, struct fs_dir *d, const struct item *start, struct dir_page *page,
                  struct item **ret_next, struct error *e) {
        _cleanup_(snapshot_unrefp) struct snapshot *s = NULL;
        _cleanup_(parsed_unrefp) struct parsed *parsed = NULL;
        int r = item_load(fs, ctx, &d->place, fs->o.cache_ttl_ns, false, &s, e);

        (void)start;
        (void)ret_next;
        if (r == 0)
                r = parsed_of(fs, &d->place, s, &parsed, e);
        if (r)
                return r;
        for (uint32_t i = 0; r == 0 && i < parsed->item.n; i++)
                if (!is_away(fs, &d->place, parsed->item.attributes[i].name))
                        r = add_attribute(fs, d, parsed->item.attributes[i].name, page);
        return r ? error_set_errno(e, r, "listing") : 0;
}
