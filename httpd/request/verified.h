/*
 * Credentials that were found right a while ago, so that a browser's next request costs a keyed
 * hash, not a password hash. It holds no password: only what a random key made of it.
 */
#ifndef HTTPD_REQUEST_VERIFIED_H
#define HTTPD_REQUEST_VERIFIED_H

#include "common/base/digest.h"

#include <stdbool.h>
#include <stdint.h>

#define HTTP_VERIFIED_SIZE 32 /* bytes of HMAC-SHA256 */

struct http_verified_item;
struct http_verified {
    struct http_verified_item *items; /* sets of a few; the oldest of a set is forgotten first */
    struct keel_hmac_key *key;
};
/* With a random key. 0 or KEEL_ENOMEM; fini in any case, of an all-zero one too. */
int http_verified_init(struct http_verified *verified);
void http_verified_fini(struct http_verified *verified);
/* What stands for a name and a password in version `version` of users file `file`. 0, or
 * KEEL_ENOTSUP: libcrypto refuses. */
int http_verified_digest(struct http_verified *verified, uint32_t file, uint32_t version,
                         const char *name, const char *password, uint8_t out[HTTP_VERIFIED_SIZE]);
/* True until the moment that it was added with. */
bool http_verified_find(const struct http_verified *verified,
                        const uint8_t digest[HTTP_VERIFIED_SIZE], uint64_t now_ns);
void http_verified_add(struct http_verified *verified, const uint8_t digest[HTTP_VERIFIED_SIZE],
                       uint64_t until_ns);

#endif
