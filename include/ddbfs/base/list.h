/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Intrusive circular doubly linked list.  No locking. */
#include <stdbool.h>
#include "ddbfs/base/macros.h"

struct list {
        struct list *prev, *next;
};

static inline void list_init(struct list *l) {
        l->prev = l->next = l;
}
static inline bool list_is_empty(const struct list *l) {
        return l->next == l;
}
static inline void list_append(struct list *head, struct list *n) {
        n->prev = head->prev;
        n->next = head;
        head->prev->next = n;
        head->prev = n;
}
static inline void list_prepend(struct list *head, struct list *n) {
        list_append(head->next, n);
}
static inline void list_remove(struct list *n) {
        n->prev->next = n->next;
        n->next->prev = n->prev;
        n->prev = n->next = n;
}
#define LIST_FOR_EACH(it, head) for (struct list *it = (head)->next; it != (head); it = it->next)
#define LIST_FOR_EACH_SAFE(it, head) \
        for (struct list *it = (head)->next, *it##_next = it->next; it != (head); it = it##_next, it##_next = it->next)
