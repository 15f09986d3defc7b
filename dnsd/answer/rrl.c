#include "dnsd/answer/rrl.h"

#include "common/base/mem.h"

#define LINES 16384 /* a power of two; 1 MiB in all */
#define WAYS 4
#define NS_PER_MS 1000000u

/* Four entries are a cache line: a name and prefix is in its line or nowhere. */
struct entry {
    uint32_t tag;   /* of the rest of the hash; 0: never used */
    uint32_t used;  /* ms, when it was last counted */
    int32_t credit; /* thousandths of answers; below 0: over the rate */
    uint32_t over;  /* answers over the rate, for slip */
};
_Static_assert(WAYS * sizeof(struct entry) == 64, "entries that are looked at are one cache line");

struct dns_rrl {
    const struct dns_rrl_options *options;
    struct keel_hash_key key;
    struct entry entries[LINES][WAYS];
};

struct dns_rrl *dns_rrl_new(const struct dns_rrl_options *options, struct keel_hash_key key)
{
    struct dns_rrl *rrl = keel_calloc(1, sizeof *rrl);
    if (rrl) {
        rrl->options = options;
        rrl->key = key;
    }
    return rrl;
}

void dns_rrl_free(struct dns_rrl *rrl)
{
    keel_free(rrl);
}

static bool is_exempt(const struct dns_rrl *rrl, const struct dns_query *query)
{
    const struct dns_rrl_options *o = rrl->options;
    if (query->tcp || query->cookie == DNS_COOKIE_GOOD || (query->tsig.key && !query->tsig.error))
        return true;
    for (unsigned i = 0; i < o->exempt_count; i++)
        if (keel_prefix_contains(&o->exempt[i], query->peer))
            return true;
    return false;
}

/* First `bits` of the address. */
static void mask(uint8_t out[16], const uint8_t *bytes, size_t size, unsigned bits)
{
    memcpy(out, bytes, size);
    for (size_t i = bits / 8; i < size; i++)
        out[i] &= i == bits / 8 ? (uint8_t)(0xFF00 >> bits % 8) : 0;
}

static uint64_t hash_of(const struct dns_rrl *rrl, const struct dns_query *query)
{
    struct {
        uint8_t network[16];
        const struct dns_zone *zone;
        uint32_t subject;
        uint16_t rcode, family;
    } key;
    const struct keel_addr *peer = query->peer;
    memset(&key, 0, sizeof key); /* no byte that nobody set */
    key.zone = query->zone;
    key.subject = query->subject;
    key.rcode = query->rcode;
    key.family = peer->sa.sa_family;
    if (peer->sa.sa_family == AF_INET)
        mask(key.network, (const uint8_t *)&peer->in4.sin_addr, 4, rrl->options->ipv4_prefix);
    else
        mask(key.network, (const uint8_t *)&peer->in6.sin6_addr, 16, rrl->options->ipv6_prefix);
    return keel_hash(&rrl->key, &key, sizeof key);
}

/* The entry of this hash, made anew over the one that was used longest ago when there is none. */
static struct entry *find_entry(struct dns_rrl *rrl, uint64_t hash, uint32_t now)
{
    struct entry *line = rrl->entries[hash & (LINES - 1)], *oldest = line;
    uint32_t tag = (uint32_t)(hash >> 32) | 1;
    for (unsigned i = 0; i < WAYS; i++) {
        if (line[i].tag == tag)
            return &line[i];
        if (oldest->tag != 0 && (line[i].tag == 0 || now - line[i].used > now - oldest->used))
            oldest = &line[i];
    }
    *oldest = (struct entry){tag, now, (int32_t)(rrl->options->rate * 1000), 0};
    return oldest;
}

enum dns_rrl_verdict dns_rrl_check(struct dns_rrl *rrl, const struct dns_query *query,
                                   uint64_t now_ns)
{
    const struct dns_rrl_options *o = rrl->options;
    if (is_exempt(rrl, query))
        return DNS_RRL_SEND;
    uint32_t now = (uint32_t)(now_ns / NS_PER_MS);
    struct entry *entry = find_entry(rrl, hash_of(rrl, query), now);
    int64_t credit = entry->credit + (int64_t)(now - entry->used) * o->rate - 1000;
    int64_t most = (int64_t)o->rate * 1000 - 1000, least = -(int64_t)o->rate * 1000 * o->window;
    if (credit > most)
        credit = most;
    if (credit < least)
        credit = least;
    entry->credit = (int32_t)credit;
    entry->used = now;
    if (credit >= 0) {
        entry->over = 0;
        return DNS_RRL_SEND;
    }
    entry->over++;
    return o->slip && entry->over % o->slip == 0 ? DNS_RRL_CUT : DNS_RRL_DROP;
}
