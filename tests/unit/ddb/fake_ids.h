/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A table of items that are their numbers, and a service that does with batches of them what it likes. */
#include "fake_client.h"

#define IDS 300

struct fake_service {
        unsigned left_percent, throttle_percent;
        char state[IDS]; /* 'P' put, 'D' deleted, 0 neither */
        unsigned bad;    /* id of which every batch is refused */
        unsigned most;   /* units in the largest batch */
};
extern struct fake_service service;

extern char id_text[IDS][16];
extern struct attribute id_attributes[IDS];
extern struct item id_items[IDS];

void name_ids(void); /* first of all; the service is new, and refuses none */
bool chance(unsigned percent);
struct write unit_write(unsigned id, bool put);
int write_model(struct aws_call *call); /* BatchWriteItem */
