/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What a thread may be in the middle of that does not suit everything it does.  The threads that serve requests stay
 * where the requests come from (bound to a processor) as long as they answer from memory; whoever is about to wait, or
 * to start a thread or a process, which would inherit that, says so first.
 */

/* fn(arg) is called once, in this thread, by its next thread_lasts().  NULL: no more. */
void thread_on_lasts(void (*fn)(void *arg), void *arg);
/* What the calling thread does next may last.  Never blocks for long; cheap where nothing is to be called. */
void thread_lasts(void);
