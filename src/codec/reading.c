/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The common half of the item readers, see reading.h.
 *
 * Arrays grow from a small one on the C stack into the arena, because JSON does not say how many come.
 * Positions of duplicates are not remembered: they are looked up again when there is an error to tell.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include "ddbfs/base/encode.h"
#include "ddbfs/codec/item_text.h"
#include "ddbfs/store/number.h"
#include "reading.h"

/* ---- errors ---- */

#define WHERE_LEN 200     /* of the place in a message */
#define WHERE_NAME_MAX 64 /* bytes of one name in it */

/* The first n bytes of s or a little less: no character is cut. */
static struct str clip(struct str s, size_t n) {
        if (s.n <= n)
                return s;
        while (n > 0 && ((unsigned char)s.p[n] & 0xC0) == 0x80)
                n--;
        return str_make(s.p, n);
}

/* `attribute "a"."b"[2]: `, from the innermost frame outwards; what does not fit at the front is left out. */
static void describe(const struct frame *f, char out[WHERE_LEN]) {
        char piece[WHERE_NAME_MAX + 16];
        size_t at = WHERE_LEN - 1, n;
        struct str name;

        out[at] = '\0';
        for (; f; f = f->up) {
                if (f->name.p) {
                        name = clip(f->name, WHERE_NAME_MAX);
                        (void)snprintf(piece, sizeof(piece), "%s\"%.*s%s\"", f->up ? "." : "", (int)name.n, name.p,
                                       name.n < f->name.n ? "..." : "");
                } else
                        (void)snprintf(piece, sizeof(piece), "[%u]", f->index);
                n = strlen(piece);
                if (n > at)
                        break;
                at -= n;
                memcpy(out + at, piece, n);
        }
        memmove(out, out + at, WHERE_LEN - at);
}

int reading_fail(struct reading *g, size_t pos, const char *format, ...) {
        char message[ERROR_MESSAGE_LEN], where[WHERE_LEN];
        const struct frame *top = g->where;
        va_list args;

        va_start(args, format);
        if (vsnprintf(message, sizeof(message), format, args) < 0)
                message[0] = '\0';
        va_end(args);
        if (!top)
                return json_fail_at(g->r, pos, "%s", message);
        describe(top, where);
        return json_fail_at(g->r, pos, "%s%s: %s", where[0] == '"' ? "attribute " : "", where, message);
}

size_t reading_locate(struct reading *g, size_t object_pos, struct str name, unsigned nth) {
        struct json_reader again;
        size_t pos;

        json_reader_init(&again, str_skip(g->r->text, object_pos), g->r->arena, JSON_MAX_DEPTH);
        (void)json_next(&again); /* the '{' */
        while (json_next(&again) == JSON_KEY) {
                pos = again.token_pos;
                if (str_eq(again.value, name) && --nth == 0)
                        return object_pos + pos;
                if (json_skip(&again))
                        break;
        }
        return object_pos;
}

/* ---- growing arrays ---- */

struct grow {
        struct arena *arena;
        char *p; /* on the C stack at first, then in the arena */
        size_t size;
        uint32_t n, cap;
        bool moved;
};

#define GROW_FIRST 16

#define GROW_INIT(arena_, first_) \
        ((struct grow){ .arena = (arena_), .p = (char *)(first_), .size = sizeof((first_)[0]), .cap = GROW_FIRST })

/* The slot of one more element, NULL: no memory. */
static void *grow_push(struct grow *v) {
        if (v->n == v->cap) {
                char *more = v->cap > UINT32_MAX / 4 ? NULL : arena_array(v->arena, (size_t)v->cap * 4, v->size);

                if (!more)
                        return NULL;
                memcpy(more, v->p, v->n * v->size);
                v->p = more;
                v->cap *= 4;
                v->moved = true;
        }
        return v->p + v->size * v->n++;
}

/* The array in the arena; *ret NULL when it is empty.  0 or -ENOMEM. */
static int grow_finish(struct grow *v, void *ret) {
        void *p = NULL;

        if (v->moved)
                p = v->p;
        else if (v->n > 0) {
                p = arena_array(v->arena, v->n, v->size);
                if (!p)
                        return -ENOMEM;
                memcpy(p, v->p, v->n * v->size);
        }
        memcpy(ret, &p, sizeof(p));
        return 0;
}

/* ---- objects and arrays ---- */

/* Another value in the present container. */
static int check_level(struct reading *g) {
        if (g->level <= ITEM_DEPTH_MAX)
                return 0;
        return reading_fail(g, g->r->token_pos, "nested deeper than %d levels", ITEM_DEPTH_MAX);
}

static int check_name(struct reading *g, struct str name) {
        if (name.n == 0)
                return reading_fail(g, g->r->token_pos, "an attribute name may not be empty");
        if (name.n > ATTRIBUTE_NAME_MAX)
                return reading_fail(g, g->r->token_pos, "an attribute name has %zu bytes, DynamoDB takes %d", name.n,
                                    ATTRIBUTE_NAME_MAX);
        return 0;
}

static int read_attribute(struct reading *g, struct frame *here, struct grow *list) {
        struct attribute *slot, a;
        int k;

        a.name = g->r->value;
        here->name = a.name;
        k = check_name(g, a.name);
        if (!k)
                k = check_level(g);
        if (k)
                return k;
        k = g->read(g, json_next(g->r), &a.value);
        if (k)
                return k;
        slot = grow_push(list);
        if (!slot)
                return json_fail_memory(g->r);
        *slot = a;
        return 0;
}

static int fail_duplicate(struct reading *g, size_t object_pos, struct str name) {
        struct str shown = clip(name, WHERE_NAME_MAX);

        return reading_fail(g, reading_locate(g, object_pos, name, 2), "duplicate attribute \"%.*s\"", (int)shown.n,
                            shown.p);
}

int reading_attributes_from(struct reading *g, enum json_token token, size_t object_pos, struct attribute **ret,
                            uint32_t *ret_n) {
        struct frame here = { .up = g->where };
        struct attribute first[GROW_FIRST], *attributes;
        struct grow list = GROW_INIT(g->r->arena, first);
        struct str duplicate;
        int k;

        g->where = &here;
        g->level++;
        for (; token == JSON_KEY; token = json_next(g->r)) {
                k = read_attribute(g, &here, &list);
                if (k)
                        return k;
        }
        g->level--;
        g->where = here.up;
        if (token != JSON_OBJECT_END)
                return json_status(g->r);
        if (grow_finish(&list, &attributes))
                return json_fail_memory(g->r);
        if (attributes_sort(attributes, list.n, &duplicate))
                return fail_duplicate(g, object_pos, duplicate);
        *ret = attributes;
        *ret_n = list.n;
        return 0;
}

int reading_attributes(struct reading *g, struct attribute **ret, uint32_t *ret_n) {
        size_t object_pos = g->r->token_pos;

        return reading_attributes_from(g, json_next(g->r), object_pos, ret, ret_n);
}

/* One element, which begins with token, to the end of the list; positions: note in its n where it began. */
static int read_element(struct reading *g, enum json_token token, value_reader *read, bool positions,
                        struct grow *list) {
        size_t pos = g->r->token_pos;
        struct value *slot, v;
        int k;

        if (token == JSON_ERROR)
                return json_status(g->r);
        k = read(g, token, &v);
        if (k)
                return k;
        if (positions)
                v.n = (uint32_t)pos;
        slot = grow_push(list);
        if (!slot)
                return json_fail_memory(g->r);
        *slot = v;
        return 0;
}

int reading_list(struct reading *g, struct value *ret) {
        struct frame here = { .up = g->where };
        struct value first[GROW_FIRST], *elements;
        struct grow list = GROW_INIT(g->r->arena, first);
        enum json_token token;
        int k;

        g->where = &here;
        g->level++;
        for (; (token = json_next(g->r)) != JSON_ARRAY_END; here.index++) {
                k = check_level(g);
                if (!k)
                        k = read_element(g, token, g->read, false, &list);
                if (k)
                        return k;
        }
        g->level--;
        g->where = here.up;
        if (grow_finish(&list, &elements))
                return json_fail_memory(g->r);
        *ret = (struct value){ .type = VALUE_L, .n = list.n, .elements = elements };
        return 0;
}

/* Sort, refuse duplicates, and forget the positions kept in the members' n. */
static int finish_set(struct reading *g, struct value *set) {
        bool duplicate = set_sort(set, NULL) != 0;
        uint32_t pos = 0;

        for (uint32_t i = 1; duplicate && i < set->n; i++)
                if (value_equal(&set->elements[i - 1], &set->elements[i]) && pos == 0)
                        pos = MAX(set->elements[i - 1].n, set->elements[i].n);
        if (duplicate)
                return reading_fail(g, pos, "this member is in the set already");
        for (uint32_t i = 0; i < set->n; i++)
                set->elements[i].n = 0;
        return 0;
}

int reading_set(struct reading *g, enum json_token token, enum value_type type, value_reader *member,
                struct value *ret) {
        size_t array_pos = g->r->token_pos;
        struct value first[GROW_FIRST], set = { .type = type };
        struct grow list = GROW_INIT(g->r->arena, first);
        int k;

        if (token != JSON_ARRAY_BEGIN)
                return reading_fail(g, array_pos, "a set is written as an array");
        while ((token = json_next(g->r)) != JSON_ARRAY_END) {
                k = read_element(g, token, member, true, &list);
                if (k)
                        return k;
        }
        if (list.n == 0)
                return reading_fail(g, array_pos, "a set may not be empty");
        if (grow_finish(&list, &set.elements))
                return json_fail_memory(g->r);
        set.n = list.n;
        k = finish_set(g, &set);
        if (k)
                return k;
        *ret = set;
        return 0;
}

/* ---- scalars ---- */

static int fail_number(struct reading *g, int why, struct str text) {
        struct str shown = clip(text, WHERE_NAME_MAX);
        size_t pos = g->r->token_pos;

        if (why == NUMBER_E_DIGITS)
                return reading_fail(g, pos, "number has %u significant digits, DynamoDB carries %d",
                                    number_digits(text), NUMBER_DIGITS_MAX);
        if (why == NUMBER_E_RANGE)
                return reading_fail(g, pos, "number is out of DynamoDB's range, 1E-130 to 9.99...E+125");
        if (text.n > NUMBER_TEXT_MAX)
                return reading_fail(g, pos, "number is longer than %d characters", NUMBER_TEXT_MAX);
        return reading_fail(g, pos, "\"%.*s\" is not a number", (int)shown.n, shown.p);
}

int reading_number(struct reading *g, struct value *ret) {
        struct str text = g->r->value;
        int k;

        *ret = (struct value){ .type = VALUE_N, .text = text };
        if (number_is_canonical(text))
                return 0;
        buf_reset(&g->scratch);
        k = number_canonical(text, &g->scratch);
        if (k)
                return fail_number(g, k, text);
        if (buf_status(&g->scratch) || arena_dup(g->r->arena, buf_view(&g->scratch), &ret->text))
                return json_fail_memory(g->r);
        return 0;
}

int reading_binary(struct reading *g, struct value *ret) {
        int k;

        *ret = (struct value){ .type = VALUE_B };
        buf_reset(&g->scratch);
        k = base64_decode(&g->scratch, g->r->value);
        if (k == -EINVAL)
                return reading_fail(g, g->r->token_pos, "not base64 with padding");
        if (k || arena_dup(g->r->arena, buf_view(&g->scratch), &ret->text))
                return json_fail_memory(g->r);
        return 0;
}
