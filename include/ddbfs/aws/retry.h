/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The SDKs' standard retry mode of 2026 (aws-facts 2.4).  Policy and arithmetic only; the sleeping is
 * aws_client's.  The token bucket is shared by all requests of one client; thread-safe.
 */
#include "ddbfs/aws/settings.h"
#include "ddbfs/base/error.h"

enum retry_class {
        RETRY_NO,
        RETRY_TRANSIENT,  /* 5xx, broken connection, timeout, CRC */
        RETRY_THROTTLE,
        RETRY_SKEW,       /* after correcting the clock, once, at once */
        RETRY_CREDENTIALS /* after fetching credentials anew, once, at once */
};

struct retry_policy; /* token bucket + parameters */
struct retry_params {
        unsigned max_attempts;      /* including the first */
        uint64_t base_transient_ns; /* DynamoDB 25 ms, others 50 ms */
        uint64_t base_throttle_ns;  /* 1 s */
        uint64_t cap_ns;            /* 20 s */
};
struct retry_params retry_params_for(const struct aws_settings *s, const char *service);
_must_check_ int retry_policy_new(const struct retry_params *p, struct retry_policy **ret);
struct retry_policy *retry_policy_free(struct retry_policy *p);
DEFINE_CLEANUP(struct retry_policy, retry_policy_free)
/* After failed attempt number `attempt` (from 1).  true: try again after *ret_delay_ns, *ret_cost tokens
 * taken.  server_hint_ms: x-amz-retry-after, -1 when absent or invalid. */
bool retry_next(struct retry_policy *p, unsigned attempt, enum retry_class c, int64_t server_hint_ms,
                uint64_t *ret_delay_ns, unsigned *ret_cost);
/* After a success: give back the cost of the last retry, or 1 without a retry. */
void retry_succeeded(struct retry_policy *p, unsigned last_cost);
unsigned retry_tokens(const struct retry_policy *p); /* for tests and stats */

/* The table of service codes (aws-facts 2.3). */
struct aws_code_info {
        const char *code;
        enum error_kind kind;
        enum retry_class retry;
};
/* NULL: not in the table. */
const struct aws_code_info *aws_code_lookup(struct str code);
/* By code, else by status. */
void aws_error_classify(int http_status, struct str code, enum error_kind *ret_kind, enum retry_class *ret_retry);
/* Read the body of an error answer of a JSON service (anything at all; header_code: x-amzn-errortype, for
 * when the body has no code).  *ret is filled but for the request id.  A cancelled transaction is told by
 * its first guilty action: index in ->action, that action's code and message. */
void aws_error_read(int http_status, struct str body, struct str header_code, struct error *ret,
                    enum retry_class *ret_retry);
/* The same of a service that answers in XML (S3, STS).  A bucket that is elsewhere is told with its region, from
 * the body or from header_region (x-amz-bucket-region). */
void aws_error_read_xml(int http_status, struct str body, struct str header_region, struct error *ret,
                        enum retry_class *ret_retry);
/* Does the document say <Error> or <ErrorResponse>?  Looks at its beginning only. */
bool aws_error_is_xml(struct str body);
