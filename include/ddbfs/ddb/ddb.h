/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A store over DynamoDB's HTTP API. */
#include "ddbfs/aws/client.h"
#include "ddbfs/store/store.h"

/* client is borrowed and must outlive the store. */
_must_check_ int ddb_store_new(struct aws_client *client, struct store **ret);
/* Capacity units a second that the store keeps to on average (0: no limit), before its first use.  A request that would
 * have to wait for them beyond its deadline fails with ERR_BUSY. */
void ddb_store_limit(struct store *s, double max_rcu, double max_wcu);
