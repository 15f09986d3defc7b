#include "dnsd/wire/cookie.h"

#include "common/base/digest.h"
#include "common/base/hash.h"

#include <endian.h>
#include <netinet/in.h>

#define VERSION 1
/* RFC 9018, 4.3, in seconds. */
#define AGE_MAX 3600
#define AHEAD_MAX 300

/* The hash over cookie[0..16) and the address, as its last 8 bytes (RFC 9018, 4.4). */
static void hash(const uint8_t secret[DNS_COOKIE_SECRET], const uint8_t cookie[16],
                 const struct keel_addr *peer, uint8_t out[8])
{
    uint8_t text[16 + 16];
    size_t n = 16;
    memcpy(text, cookie, 16);
    if (peer->sa.sa_family == AF_INET) {
        memcpy(text + n, &peer->in4.sin_addr, 4);
        n += 4;
    } else {
        memcpy(text + n, &peer->in6.sin6_addr, 16);
        n += 16;
    }
    uint64_t k[2];
    memcpy(k, secret, sizeof k);
    const struct keel_hash_key key = {le64toh(k[0]), le64toh(k[1])};
    uint64_t h = htole64(keel_siphash24(&key, text, n));
    memcpy(out, &h, 8);
}

enum dns_cookie dns_cookie_check(const struct dns_cookie_secrets *secrets,
                                 const struct dns_edns *edns, const struct keel_addr *peer,
                                 uint64_t now)
{
    if (secrets->count == 0 || edns->cookie_size == 0)
        return DNS_COOKIE_NONE;
    if (edns->cookie_size == DNS_COOKIE_CLIENT)
        return DNS_COOKIE_NEW;
    /* the reserved bytes are hashed as they came */
    if (edns->cookie_size != DNS_COOKIE_SIZE || edns->cookie[8] != VERSION)
        return DNS_COOKIE_BAD;
    /* serial arithmetic, so that it goes on in 2106 */
    int32_t age = (int32_t)((uint32_t)now - keel_get_u32(edns->cookie + 12));
    if (age > AGE_MAX || age < -AHEAD_MAX)
        return DNS_COOKIE_BAD;
    for (unsigned i = 0; i < secrets->count; i++) {
        uint8_t wanted[8];
        hash(secrets->bytes[i], edns->cookie, peer, wanted);
        if (keel_equal_secret(wanted, edns->cookie + 16, 8))
            return DNS_COOKIE_GOOD;
    }
    return DNS_COOKIE_BAD;
}

void dns_cookie_make(const struct dns_cookie_secrets *secrets, const uint8_t *client,
                     const struct keel_addr *peer, uint64_t now, uint8_t out[DNS_COOKIE_SIZE])
{
    memcpy(out, client, DNS_COOKIE_CLIENT);
    keel_put_u32(out + 8, (uint32_t)VERSION << 24);
    keel_put_u32(out + 12, (uint32_t)now);
    hash(secrets->bytes[0], out, peer, out + 16);
}
