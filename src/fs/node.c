/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The node table: what the kernel calls by number.  Numbers come from a counter and are never reused;
 * find-or-create is one critical section; a node lives until the kernel has forgotten it and no handle,
 * child or call uses it.  Parent pointers and names make the path, so a renamed directory takes its children along.
 */
#include "fs_internal.h"
#include "ddbfs/base/hash.h"
#include "ddbfs/base/metrics.h"

static uint64_t name_hash(const struct node *parent, struct str name) {
        return hash_seeded(parent->id, name);
}

uint64_t node_ino(uint64_t parent_ino, struct str name) {
        uint64_t ino = hash_stable(parent_ino, name);

        return ino > 1 ? ino : ino + 2; /* 0 is no inode, 1 the root */
}

static struct str node_name(const struct node *n) {
        return str_make(n->name, n->name_n);
}

int nodes_init(struct fs *fs) {
        struct node *root = mem_zalloc(sizeof(*root));
        int r;

        mutex_init(&fs->nodes.lock);
        if (!root)
                return -ENOMEM;
        root->id = root->ino = FS_ROOT;
        root->kind = NODE_ROOT;
        root->refs = 1;
        root->n_lookup = 1;
        root->detached = true; /* not in by_name */
        root->name = mem_strdup("");
        fs->nodes.next_id = FS_ROOT + 1;
        r = root->name ? hmap_insert(&fs->nodes.by_id, &root->by_id, FS_ROOT) : -ENOMEM;
        if (r) {
                mem_free(root->name);
                mem_free(root);
        }
        return r;
}

static void node_free(struct node *n) {
        mem_free(n->name);
        mem_free(n);
}

void nodes_deinit(struct fs *fs) {
        struct hmap_walk w = { 0 };
        struct hmap_node *h;

        while ((h = hmap_walk_next(&fs->nodes.by_id, &w)))
                node_free(CONTAINER_OF(h, struct node, by_id));
        hmap_deinit(&fs->nodes.by_id);
        hmap_deinit(&fs->nodes.by_name);
        mutex_deinit(&fs->nodes.lock);
}

static struct node *find_id(struct fs *fs, uint64_t id) {
        struct hmap_node *h = hmap_first(&fs->nodes.by_id, id);

        return h ? CONTAINER_OF(h, struct node, by_id) : NULL;
}

static struct node *find_name(struct fs *fs, const struct node *parent, struct str name) {
        uint64_t hash = name_hash(parent, name);

        for (struct hmap_node *h = hmap_first(&fs->nodes.by_name, hash); h; h = hmap_next(h)) {
                struct node *n = CONTAINER_OF(h, struct node, by_name);

                if (n->parent == parent && str_eq(node_name(n), name))
                        return n;
        }
        return NULL;
}

static void detach(struct fs *fs, struct node *n) {
        if (!n->detached) {
                hmap_remove(&fs->nodes.by_name, &n->by_name);
                n->detached = true;
        }
}

/* Drops a reference, and with the last one the node and its own reference on the parent. */
static void unref(struct fs *fs, struct node *n) {
        while (n && --n->refs == 0) {
                struct node *parent = n->parent;

                detach(fs, n);
                hmap_remove(&fs->nodes.by_id, &n->by_id);
                node_free(n);
                metric_add(METRIC_NODES, -1);
                n = parent;
        }
}

struct node *node_get(struct fs *fs, uint64_t id) {
        struct node *n;

        mutex_lock(&fs->nodes.lock);
        n = find_id(fs, id);
        if (n)
                n->refs++;
        mutex_unlock(&fs->nodes.lock);
        return n;
}

struct node *node_ref(struct fs *fs, struct node *n) {
        mutex_lock(&fs->nodes.lock);
        n->refs++;
        mutex_unlock(&fs->nodes.lock);
        return n;
}

struct node *node_put(struct fs *fs, struct node *n) {
        if (n) {
                mutex_lock(&fs->nodes.lock);
                unref(fs, n);
                mutex_unlock(&fs->nodes.lock);
        }
        return NULL;
}

void held_put(struct held *h) {
        h->n = node_put(h->fs, h->n);
}

struct node *node_find(struct fs *fs, struct node *parent, struct str name) {
        struct node *n;

        mutex_lock(&fs->nodes.lock);
        n = find_name(fs, parent, name);
        if (n)
                n->refs++;
        mutex_unlock(&fs->nodes.lock);
        return n;
}

static int link_name(struct fs *fs, struct node *n) {
        int r = hmap_insert(&fs->nodes.by_name, &n->by_name, name_hash(n->parent, node_name(n)));

        if (r == 0)
                n->detached = false;
        return r;
}

static int node_add(struct fs *fs, struct node *parent, struct str name, enum node_kind kind, enum level level,
                    struct node **ret) {
        struct node *n = mem_zalloc(sizeof(*n));
        int r;

        if (!n)
                return -ENOMEM;
        n->detached = true;
        n->kind = kind;
        n->level = level;
        n->id = fs->nodes.next_id;
        n->ino = node_ino(parent->ino, name);
        n->parent = parent;
        n->refs = 1;
        n->name = mem_dup(name.p, name.n);
        n->name_n = (uint32_t)name.n;
        r = n->name ? hmap_insert(&fs->nodes.by_id, &n->by_id, n->id) : -ENOMEM;
        if (r) {
                node_free(n);
                return r;
        }
        r = link_name(fs, n);
        if (r) {
                hmap_remove(&fs->nodes.by_id, &n->by_id);
                node_free(n);
                return r;
        }
        fs->nodes.next_id++;
        parent->refs++;
        metric_add(METRIC_NODES, 1);
        *ret = n;
        return 0;
}

int node_child(struct fs *fs, struct node *parent, struct str name, enum node_kind kind, enum level level,
               struct node **ret) {
        struct node *n;
        int r = 0;

        mutex_lock(&fs->nodes.lock);
        n = find_name(fs, parent, name);
        if (n && n->kind != kind) {
                detach(fs, n);
                n = NULL;
        }
        if (n)
                n->refs++;
        else
                r = node_add(fs, parent, name, kind, level, &n);
        mutex_unlock(&fs->nodes.lock);
        if (r == 0)
                *ret = n;
        return r;
}

void node_add_lookup(struct fs *fs, struct node *n) {
        mutex_lock(&fs->nodes.lock);
        if (n->n_lookup++ == 0)
                n->refs++;
        mutex_unlock(&fs->nodes.lock);
}

void node_forget(struct fs *fs, uint64_t id, uint64_t n_lookups) {
        struct node *n;

        mutex_lock(&fs->nodes.lock);
        n = find_id(fs, id);
        if (n && n->n_lookup > 0 && id != FS_ROOT) {
                n->n_lookup -= MIN(n->n_lookup, n_lookups);
                if (n->n_lookup == 0)
                        unref(fs, n);
        }
        mutex_unlock(&fs->nodes.lock);
}

void node_detach(struct fs *fs, struct node *n) {
        mutex_lock(&fs->nodes.lock);
        detach(fs, n);
        mutex_unlock(&fs->nodes.lock);
}

/* Give n a new parent and name (taken over); the reference on the parent moves along. */
static void set_place(struct fs *fs, struct node *n, struct node *parent, char *name, uint32_t name_n) {
        struct node *old_parent = n->parent;

        detach(fs, n);
        parent->refs++;
        n->parent = parent;
        mem_free(n->name);
        n->name = name;
        n->name_n = name_n;
        n->ino = node_ino(parent->ino, node_name(n));
        (void)link_name(fs, n); /* on ENOMEM it is found by number only, until the next lookup */
        unref(fs, old_parent);
}

/* Inode numbers are of the path: below a directory that moved they all change.  Rare, so all are looked at. */
static uint64_t ino_of_path(const struct node *n) {
        return n->parent ? node_ino(ino_of_path(n->parent), node_name(n)) : n->ino;
}

static void renumber(struct fs *fs) {
        struct hmap_walk w = { 0 };
        struct hmap_node *h;

        while ((h = hmap_walk_next(&fs->nodes.by_id, &w))) {
                struct node *n = CONTAINER_OF(h, struct node, by_id);

                n->ino = ino_of_path(n);
        }
}

int node_move(struct fs *fs, struct node *n, struct node *parent, struct str name, enum node_kind kind) {
        char *copy = mem_dup(name.p, name.n);
        struct node *old;

        if (!copy)
                return -ENOMEM;
        mutex_lock(&fs->nodes.lock);
        old = find_name(fs, parent, name);
        if (old && old != n) {
                detach(fs, old);
                old->replaced = true;
        }
        if (n->kind != kind) /* what the kernel holds of it is of another text */
                n->page_hash = n->told_hash = 0;
        n->kind = kind;
        set_place(fs, n, parent, copy, (uint32_t)name.n);
        if (n->kind == NODE_PARTITION || n->kind == NODE_ITEM_DIR)
                renumber(fs);
        mutex_unlock(&fs->nodes.lock);
        return 0;
}

int node_exchange(struct fs *fs, struct node *a, struct node *b) {
        _cleanup_(mem_freep) char *name_a = NULL;
        _cleanup_(mem_freep) char *name_b = NULL;
        int r = 0;

        mutex_lock(&fs->nodes.lock);
        name_a = mem_dup(a->name, a->name_n);
        name_b = mem_dup(b->name, b->name_n);
        if (name_a && name_b) {
                struct node *parent_a = a->parent, *parent_b = b->parent;
                uint32_t n_a = a->name_n, n_b = b->name_n;

                parent_a->refs++; /* set_place drops a's */
                detach(fs, b);
                set_place(fs, a, parent_b, TAKE(name_b), n_b);
                set_place(fs, b, parent_a, TAKE(name_a), n_a);
                unref(fs, parent_a);
        } else {
                r = -ENOMEM;
        }
        mutex_unlock(&fs->nodes.lock);
        return r;
}

void node_path(struct fs *fs, struct node *n, struct str child, struct buf *out) {
        struct node *chain[256];
        size_t n_chain = 0;

        mutex_lock(&fs->nodes.lock);
        for (; n && n->parent && n_chain < ARRAY_LEN(chain); n = n->parent)
                chain[n_chain++] = n;
        while (n_chain > 0) {
                buf_putc(out, '/');
                buf_str(out, node_name(chain[--n_chain]));
        }
        mutex_unlock(&fs->nodes.lock);
        if (child.n > 0 || out->n == 0) {
                buf_putc(out, '/');
                buf_str(out, child);
        }
}
