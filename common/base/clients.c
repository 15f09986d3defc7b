#include "common/base/clients.h"

#include "common/base/mem.h"
#include "common/base/rand.h"

#include <arpa/inet.h>
#include <string.h>

int keel_clients_init(struct keel_clients *clients, unsigned count)
{
    size_t sets = 1;
    while (sets * KEEL_CLIENTS_WAYS < count)
        sets *= 2;
    clients->mask = sets - 1;
    clients->key.k0 = keel_rand_u64();
    clients->key.k1 = keel_rand_u64();
    clients->items = keel_calloc(sets * KEEL_CLIENTS_WAYS, sizeof *clients->items);
    return clients->items ? 0 : KEEL_ENOMEM;
}

void keel_clients_fini(struct keel_clients *clients)
{
    keel_free(clients->items);
    clients->items = NULL;
}

/* The client's place, or the one of its set that matters least, as *found says. */
static struct keel_client *place_of(struct keel_clients *clients, const struct keel_addr *peer,
                                    uint32_t rule, uint64_t *key, bool *found)
{
    struct keel_addr space;
    uint8_t bytes[16] = {0};
    peer = keel_addr_unmapped(peer, &space);
    if (keel_addr_family(peer) == AF_INET)
        memcpy(bytes, &peer->in4.sin_addr, 4);
    else if (keel_addr_family(peer) == AF_INET6)
        memcpy(bytes, &peer->in6.sin6_addr, 8);
    bytes[8] = (uint8_t)keel_addr_family(peer);
    memcpy(bytes + 12, &rule, sizeof rule);
    *key = keel_hash(&clients->key, bytes, sizeof bytes) | 1; /* 0 is a free place */
    struct keel_client *set = &clients->items[(*key >> 8 & clients->mask) * KEEL_CLIENTS_WAYS];
    struct keel_client *least = set;
    for (unsigned i = 0; i < KEEL_CLIENTS_WAYS; i++) {
        *found = set[i].key == *key;
        if (*found)
            return &set[i];
        if (set[i].value < least->value)
            least = &set[i];
    }
    return least;
}

/* The generic cell rate algorithm (ITU-T I.371): one number for a client. */
bool keel_clients_take(struct keel_clients *clients, const struct keel_addr *peer,
                       const struct keel_rate *rate, uint64_t now_ns, uint64_t *wait_ns)
{
    uint64_t key;
    bool found;
    struct keel_client *client = place_of(clients, peer, rate->rule, &key, &found);
    uint64_t rest = found && client->value > now_ns ? client->value : now_ns;
    if (rest - now_ns > rate->burst_ns) {
        *wait_ns = rest - now_ns - rate->burst_ns;
        return false;
    }
    client->key = key;
    client->value = rest + rate->interval_ns;
    return true;
}

enum keel_admission keel_clients_enter(struct keel_clients *clients, const struct keel_addr *peer,
                                       unsigned most)
{
    uint64_t key;
    bool found;
    struct keel_client *client = place_of(clients, peer, 0, &key, &found);
    if (!found && client->value > 0)
        return KEEL_ADMIT_UNKNOWN;
    if (found && client->value >= most)
        return KEEL_REFUSE;
    client->key = key;
    client->value++;
    return KEEL_ADMIT;
}

void keel_clients_leave(struct keel_clients *clients, const struct keel_addr *peer)
{
    uint64_t key;
    bool found;
    struct keel_client *client = place_of(clients, peer, 0, &key, &found);
    if (found && --client->value == 0)
        client->key = 0;
}
