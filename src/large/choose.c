/* SPDX-License-Identifier: Apache-2.0 */
/* Which attributes of a write go to S3: those over the threshold, then the largest until the item fits. */
#include "plan_internal.h"

#define REFERENCE_SIZE 480 /* of a reference in the item: never more, whatever the names (but for a long prefix) */

static bool is_movable(const struct plan *p, const struct attribute *a) {
        return (a->value.type == VALUE_S || a->value.type == VALUE_B) && !key_schema_has(&p->w->table->key, a->name);
}

static size_t reference_size(const struct plan *p) {
        return REFERENCE_SIZE + strlen(p->ls->prefix) + p->w->table->name.n;
}

/* How large will the item be, as far as this write knows? */
static size_t size_then(const struct plan *p, const bool *chosen) {
        const struct attribute *a = p->w->op == WRITE_PUT ? p->item.attributes : p->set;
        uint32_t n = p->w->op == WRITE_PUT ? p->item.n : p->out.n_set;
        size_t size = p->w->op == WRITE_PUT || p->w->item ? item_size(p->w->item) : 0;

        for (uint32_t i = 0; i < n; i++) {
                size_t value = value_size(&a[i].value);

                if (p->w->op != WRITE_PUT && !p->w->item)
                        size += a[i].name.n + value;
                if (chosen[i] && value > reference_size(p))
                        size -= value - reference_size(p);
        }
        return size;
}

/* The largest that can still be moved; NULL: none. */
static const struct attribute *largest(const struct plan *p, const struct attribute *a, uint32_t n, const bool *chosen) {
        const struct attribute *best = NULL;

        for (uint32_t i = 0; i < n; i++)
                if (!(chosen && chosen[i]) && is_movable(p, &a[i]) && a[i].value.text.n >= LARGE_ATTRIBUTE_MIN &&
                    (!best || a[i].value.text.n > best->value.text.n))
                        best = &a[i];
        return best;
}

static bool in_set(const struct plan *p, struct str name) {
        for (uint32_t i = 0; i < p->out.n_set; i++)
                if (str_eq(p->set[i].name, name))
                        return true;
        return false;
}

/* Of what an update does not change, the largest: from now on it changes it, from its content to a reference. */
static const struct attribute *largest_unchanged(const struct plan *p) {
        const struct attribute *best = NULL;

        for (uint32_t i = 0; i < p->w->item->n; i++) {
                const struct attribute *a = &p->w->item->attributes[i];

                if (is_movable(p, a) && !in_set(p, a->name) && a->value.text.n >= LARGE_ATTRIBUTE_MIN &&
                    (!best || a->value.text.n > best->value.text.n))
                        best = a;
        }
        return best;
}

static bool choose_one(struct plan *p, bool *chosen) {
        const struct attribute *a = p->w->op == WRITE_PUT ? p->item.attributes : p->set;
        const struct attribute *mine = largest(p, a, p->w->op == WRITE_PUT ? p->item.n : p->out.n_set, chosen);
        const struct attribute *other = p->w->op == WRITE_UPDATE && p->w->item ? largest_unchanged(p) : NULL;

        if (other && (!mine || other->value.text.n > mine->value.text.n)) {
                p->conditions[p->out.n_conditions++] =
                        (struct condition){ .op = COND_EQ, .attr = other->name, .value = &other->value };
                chosen[p->out.n_set] = true;
                p->set[p->out.n_set++] = *other;
                return true;
        }
        if (mine)
                chosen[mine - a] = true;
        return mine != NULL;
}

int plan_choose(struct plan *p, bool *chosen, struct error *e) {
        const struct attribute *a = p->w->op == WRITE_PUT ? p->item.attributes : p->set;
        uint32_t n = p->w->op == WRITE_PUT ? p->item.n : p->out.n_set;
        size_t size;

        if (p->ls->n_buckets == 0 || (p->w->op != WRITE_PUT && p->w->op != WRITE_UPDATE))
                return 0;
        for (uint32_t i = 0; i < n; i++)
                chosen[i] = is_movable(p, &a[i]) && a[i].value.text.n > p->ls->threshold;
        while ((size = size_then(p, chosen)) > ITEM_SIZE_MAX)
                if (!choose_one(p, chosen))
                        return error_set(e, ERR_TOO_LARGE,
                                         "the item has %zu bytes besides what goes to S3, DynamoDB takes %zu", size, ITEM_SIZE_MAX);
        return 0;
}
