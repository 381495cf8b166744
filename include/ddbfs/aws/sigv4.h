/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * AWS Signature Version 4 (aws-facts 6), three pure stages: canonical request, string to sign,
 * authorization.  The stages are public so that a failing vector says which one broke.
 *
 * Signed are all headers of the request but those a proxy may change or that do not exist yet (connection,
 * accept-encoding, user-agent, authorization ...); Host is taken from the URL when the request has none.  The
 * query is decoded and encoded anew, so that any spelling of the same query gives the same signature.
 */
#include "ddbfs/base/buf.h"
#include "ddbfs/base/encode.h"
#include "ddbfs/http/transport.h"

/*
 * The path of req->url is encoded already.  Services but S3 want it normalised ("." and "..", empty
 * segments) and encoded once more; S3 wants it as it is sent.  AWS's own test suite gives raw paths and
 * encodes them once: there double_encode_path is false and the test encodes.
 */
struct sigv4_params {
        struct str access_key_id, secret_access_key;
        struct str region, service;
        int64_t wall_s;          /* time of signing, skew already applied */
        bool normalize_path;     /* false for S3 */
        bool double_encode_path; /* false for S3 */
        struct str payload_hash; /* hex SHA-256 or one of S3's constants; empty: the request's
                                    * x-amz-content-sha256 header, else the hash of req->body */
};

/* All return 0, -ENOMEM, -EFBIG (out is at its maximum) or -EINVAL (no host, too many query parameters). */

/* Stage 1.  Appends the canonical request to out and the signed-headers list to signed_headers. */
_must_check_ int sigv4_canonical_request(const struct http_request *req, const struct sigv4_params *p, struct buf *out,
                                         struct buf *signed_headers);
/* Stage 2. */
_must_check_ int sigv4_string_to_sign(struct str canonical_request, const struct sigv4_params *p, struct buf *out);
/* Stage 3: hex signature, and the value of the Authorization header.  The derived key is cached per
 * (secret, day, region, service) inside *cache when not NULL. */
struct sigv4_key_cache; /* one per client; thread-safe */
_must_check_ int sigv4_key_cache_new(struct sigv4_key_cache **ret);
struct sigv4_key_cache *sigv4_key_cache_free(struct sigv4_key_cache *c);
DEFINE_CLEANUP(struct sigv4_key_cache, sigv4_key_cache_free)
_must_check_ int sigv4_signature(struct str string_to_sign, const struct sigv4_params *p, struct sigv4_key_cache *cache,
                                 char out_hex[2 * SHA256_LEN + 1]);
_must_check_ int sigv4_authorization(struct str signature_hex, struct str signed_headers, const struct sigv4_params *p,
                                     struct buf *out);

/* All three on a request that has its X-Amz-Date (of p->wall_s), X-Amz-Security-Token ... headers already:
 * the Authorization value appended to out. */
_must_check_ int sigv4_sign(const struct http_request *req, const struct sigv4_params *p, struct sigv4_key_cache *cache,
                            struct buf *out);
