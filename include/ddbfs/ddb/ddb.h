/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A store over DynamoDB's HTTP API. */
#include "ddbfs/aws/client.h"
#include "ddbfs/store/store.h"

/* client is borrowed and must outlive the store. */
_must_check_ int ddb_store_new(struct aws_client *client, struct store **ret);
