/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Pieces of the stack that wire.c puts together. */
#include "ddbfs/app/config.h"
#include "ddbfs/s3/s3.h"

/* A pool of connections, as the options say. */
_must_check_ int wire_transport_new(const struct config *c, const struct aws_settings *settings,
                                    struct http_transport **ret, struct error *reterr);
/* S3, as the options say.  transport: one that is S3's alone, or an operation of DynamoDB that holds a connection
 * would wait for another one of the same pool.  All are borrowed. */
_must_check_ int wire_s3_new(const struct config *c, const struct aws_settings *settings,
                             struct cred_provider *credentials, struct http_transport *transport, struct blobs **ret,
                             struct error *reterr);
