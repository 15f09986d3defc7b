#include "dnsd/wire/cookie.h"

#include "common/base/digest.h"

#include <endian.h>
#include <netinet/in.h>

#define VERSION 1
/* RFC 9018, 4.3, in seconds. */
#define AGE_MAX 3600
#define AHEAD_MAX 300

static inline uint64_t rotate(uint64_t x, int bits)
{
    return x << bits | x >> (64 - bits);
}

static inline void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] = rotate(v[0], 32);
    v[2] += v[1];
    v[0] += v[3];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] = rotate(v[2], 32);
}

static inline void sip_word(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    sip_round(v);
    sip_round(v);
    v[0] ^= word;
}

uint64_t dns_cookie_siphash(const uint8_t key[DNS_COOKIE_SECRET], const uint8_t *bytes, size_t n)
{
    uint64_t k[2], word, last = (uint64_t)n << 56;
    memcpy(k, key, sizeof k);
    uint64_t k0 = le64toh(k[0]), k1 = le64toh(k[1]);
    uint64_t v[4] = {k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261,
                     k1 ^ 0x7465646279746573};
    for (; n >= 8; n -= 8, bytes += 8) {
        memcpy(&word, bytes, 8);
        sip_word(v, le64toh(word));
    }
    for (size_t i = 0; i < n; i++)
        last |= (uint64_t)bytes[i] << 8 * i;
    sip_word(v, last);
    v[2] ^= 0xff;
    for (int i = 0; i < 4; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

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
    uint64_t h = htole64(dns_cookie_siphash(secret, text, n));
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
