/*
 * The secret behind DNS cookies in the state directory, made by whoever needs it first.
 */
#ifndef DNSD_SERVE_SECRET_H
#define DNSD_SERVE_SECRET_H

#include "common/base/err.h"
#include "dnsd/wire/cookie.h"

/* Reads state_dir/cookie-secret (32 hexadecimal digits), or makes it of random bytes: the same for
 * all processes, whichever comes first. 0, KEEL_ESYS or KEEL_EINVAL with diag. */
int dns_secret_load(const char *state_dir, uint8_t secret[DNS_COOKIE_SECRET],
                    struct keel_diag *diag);

#endif
