/* SPDX-License-Identifier: Apache-2.0 */
/* max_rcu and max_wcu: see the header. */
#include "ddb_budget.h"

#include "ddbfs/base/clock.h"

#define ITEM_GUESS 1.0  /* units of a request for one item */
#define PAGE_MIN 2.0    /* a cheaper one says nothing about pages */

void budget_init(struct budget *b, double rate) {
        *b = (struct budget){ .rate = rate, .balance = rate, .at_ns = clock_now_ns() };
        mutex_init(&b->lock);
}

void budget_deinit(struct budget *b) {
        mutex_deinit(&b->lock);
}

static void refill(struct budget *b, uint64_t now_ns) REQUIRES(b->lock) {
        if (now_ns > b->at_ns) {
                b->balance += (double)(now_ns - b->at_ns) / (double)NS_PER_S * b->rate;
                b->at_ns = now_ns;
        }
        b->balance = MIN(b->balance, MAX(b->rate, 1.0));
}

static uint64_t when(const struct budget *b, uint64_t now_ns) {
        return b->balance >= 0 ? now_ns : now_ns + (uint64_t)(-b->balance / b->rate * (double)NS_PER_S);
}

double budget_reserve(struct budget *b, bool page, uint64_t now_ns, uint64_t *ret_start_ns) {
        double units;

        *ret_start_ns = now_ns;
        if (b->rate <= 0)
                return 0;
        mutex_lock(&b->lock);
        refill(b, now_ns);
        *ret_start_ns = when(b, now_ns);
        units = page && b->page > 0 ? b->page : ITEM_GUESS;
        b->balance -= units;
        b->n_pages += page;
        mutex_unlock(&b->lock);
        return units;
}

void budget_refund(struct budget *b, bool page, double reserved) {
        if (b->rate <= 0)
                return;
        mutex_lock(&b->lock);
        b->balance += reserved;
        b->n_pages -= page;
        mutex_unlock(&b->lock);
}

void budget_charge(struct budget *b, double units) {
        if (b->rate <= 0)
                return;
        mutex_lock(&b->lock);
        b->balance -= units;
        if (units > 0 && (units >= PAGE_MIN || b->page <= 0))
                b->page = units;
        mutex_unlock(&b->lock);
}

uint64_t budget_opens(struct budget *b, uint64_t now_ns) {
        uint64_t at = now_ns;

        if (b->rate <= 0)
                return now_ns;
        mutex_lock(&b->lock);
        refill(b, now_ns);
        at = b->page <= 0 && b->n_pages > 0 ? UINT64_MAX : when(b, now_ns);
        mutex_unlock(&b->lock);
        return at;
}
