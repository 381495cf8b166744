/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Attributes and the ownership idioms of the whole program.
 *
 * Ownership: x_new/x_free, x_init/x_deinit, x_ref/x_unref.  Destructors take NULL and survive
 * half-built objects.  An owned local is declared with _cleanup_() at the top of its block; TAKE()
 * hands it over.  ret_x is a new object for the caller and is written only on success.
 *
 * Status: 0 ok; < 0 is -errno, forwarded unchanged; > 0 is a named outcome of that one function which
 * its caller handles and never forwards.
 */
#include <stddef.h>
#include <stdint.h>

#define _cleanup_(fn) __attribute__((cleanup(fn)))
#define _must_check_ __attribute__((warn_unused_result))
#define _printf_(f, a) __attribute__((format(printf, f, a)))
#define _unused_ __attribute__((unused))

/* fnp(&p): the cleanup handler of a destructor that returns NULL. */
#define DEFINE_CLEANUP(T, fn) \
        static inline void fn##p(T **p) { \
                *p = fn(*p); \
        }

/* Move a pointer out of its variable, leaving NULL behind. */
#define TAKE(p) \
        __extension__({ \
                __typeof__(p) _taken = (p); \
                (p) = NULL; \
                _taken; \
        })

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define CONTAINER_OF(ptr, T, member) ((T *)(void *)((char *)(ptr)-offsetof(T, member)))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

#define KIB ((size_t)1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S UINT64_C(1000000000)
