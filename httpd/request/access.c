#include "httpd/request/access.h"

#include "common/base/mem.h"
#include "common/base/rand.h"

/* --- addresses --- */

static const struct keel_addr *unmapped(const struct keel_addr *peer, struct keel_addr *out)
{
    if (keel_addr_family(peer) != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&peer->in6.sin6_addr))
        return peer;
    uint32_t host;
    memcpy(&host, peer->in6.sin6_addr.s6_addr + 12, sizeof host);
    keel_addr_set4(out, ntohl(host), keel_addr_port(peer));
    return out;
}

static bool contains(const struct keel_prefix *list, unsigned count, const struct keel_addr *peer)
{
    for (unsigned i = 0; i < count; i++)
        if (keel_prefix_contains(&list[i], peer))
            return true;
    return false;
}

bool http_access_allows(const struct http_access *access, const struct keel_addr *peer)
{
    struct keel_addr space;
    peer = unmapped(peer, &space);
    if (contains(access->deny, access->deny_count, peer))
        return false;
    return access->allow_count == 0 || contains(access->allow, access->allow_count, peer);
}

/* --- clients --- */

int http_clients_init(struct http_clients *clients, unsigned count)
{
    size_t sets = 1;
    while (sets * HTTP_CLIENTS_WAYS < count)
        sets *= 2;
    clients->mask = sets - 1;
    clients->key.k0 = keel_rand_u64();
    clients->key.k1 = keel_rand_u64();
    clients->items = keel_calloc(sets * HTTP_CLIENTS_WAYS, sizeof *clients->items);
    return clients->items ? 0 : KEEL_ENOMEM;
}

void http_clients_fini(struct http_clients *clients)
{
    keel_free(clients->items);
    clients->items = NULL;
}

/* The client's place, or the one of its set that matters least, as *found says. */
static struct http_client *place_of(struct http_clients *clients, const struct keel_addr *peer,
                                    uint32_t rule, uint64_t *key, bool *found)
{
    struct keel_addr space;
    uint8_t bytes[16] = {0};
    peer = unmapped(peer, &space);
    if (keel_addr_family(peer) == AF_INET)
        memcpy(bytes, &peer->in4.sin_addr, 4);
    else if (keel_addr_family(peer) == AF_INET6)
        memcpy(bytes, &peer->in6.sin6_addr, 8);
    bytes[8] = (uint8_t)keel_addr_family(peer);
    memcpy(bytes + 12, &rule, sizeof rule);
    *key = keel_hash(&clients->key, bytes, sizeof bytes) | 1; /* 0 is a free place */
    struct http_client *set = &clients->items[(*key >> 8 & clients->mask) * HTTP_CLIENTS_WAYS];
    struct http_client *least = set;
    for (unsigned i = 0; i < HTTP_CLIENTS_WAYS; i++) {
        *found = set[i].key == *key;
        if (*found)
            return &set[i];
        if (set[i].value < least->value)
            least = &set[i];
    }
    return least;
}

/* The generic cell rate algorithm (ITU-T I.371): one number for a client. */
bool http_clients_request(struct http_clients *clients, const struct keel_addr *peer,
                          const struct http_access *access, uint64_t now_ns, uint64_t *wait_ns)
{
    uint64_t key;
    bool found;
    struct http_client *client = place_of(clients, peer, access->rule, &key, &found);
    uint64_t rest = found && client->value > now_ns ? client->value : now_ns;
    if (rest - now_ns > access->burst_ns) {
        *wait_ns = rest - now_ns - access->burst_ns;
        return false;
    }
    client->key = key;
    client->value = rest + access->interval_ns;
    return true;
}

enum http_admission http_clients_enter(struct http_clients *clients, const struct keel_addr *peer,
                                       unsigned most)
{
    uint64_t key;
    bool found;
    struct http_client *client = place_of(clients, peer, 0, &key, &found);
    if (!found && client->value > 0)
        return HTTP_ADMIT_UNKNOWN;
    if (found && client->value >= most)
        return HTTP_REFUSE;
    client->key = key;
    client->value++;
    return HTTP_ADMIT;
}

void http_clients_leave(struct http_clients *clients, const struct keel_addr *peer)
{
    uint64_t key;
    bool found;
    struct http_client *client = place_of(clients, peer, 0, &key, &found);
    if (found && --client->value == 0)
        client->key = 0;
}
