/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A budget of capacity units a second (max_rcu, max_wcu).  What a request costs is known when it is answered, so a
 * request that may start reserves what it will probably cost, and the budget runs into debt when that was too little:
 * whoever comes next waits until the debt is paid, in the order of coming.  Never sleeps; the lock is a leaf.
 */
#include "ddbfs/base/mutex.h"

struct budget {
        double rate;       /* units a second; 0: no limit.  Constant */
        struct mutex lock; /* everything below */
        double balance;    /* what may be spent now, at most a second's worth */
        uint64_t at_ns;    /* as of when */
        double page;       /* what the last page or batch has cost; 0: not known yet */
        unsigned n_pages;  /* such requests under way */
};

void budget_init(struct budget *b, double rate);
void budget_deinit(struct budget *b);
/* Reserve for one request; it may start at *ret_start_ns (<= now: at once).  page: a Query, a Scan or a batch.
 * Returns what was reserved, for budget_refund(). */
double budget_reserve(struct budget *b, bool page, uint64_t now_ns, uint64_t *ret_start_ns);
void budget_refund(struct budget *b, bool page, double reserved);
/* One was answered and has cost that. */
void budget_charge(struct budget *b, double units);
/* When may another page be asked for by somebody who has many to ask for: <= now: at once.  UINT64_MAX: when the one
 * under way, the first, has told what a page costs. */
uint64_t budget_opens(struct budget *b, uint64_t now_ns);
