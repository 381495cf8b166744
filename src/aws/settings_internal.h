/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What settings.c and endpoint.c share: the names of a service. */
#include "ddbfs/aws/settings.h"

struct aws_service {
        const char *name; /* of the subsection of [services X], and of aws_endpoint_resolve() */
        const char *env;  /* AWS_ENDPOINT_URL_<SERVICE> */
        const char *signing_name;
};
extern const struct aws_service aws_services[_AWS_SERVICE_N];
