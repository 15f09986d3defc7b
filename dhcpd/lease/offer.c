#include "dhcpd/lease/offer.h"

#include "common/base/mem.h"

int dhcp_offers_init(struct dhcp_offers *offers, uint32_t capacity)
{
    uint32_t buckets = 16;
    while (buckets < capacity)
        buckets *= 2;
    *offers = (struct dhcp_offers){.mask = buckets - 1, .capacity = capacity};
    offers->items = keel_calloc((size_t)capacity + 1, sizeof *offers->items);
    offers->buckets = keel_calloc(buckets, sizeof *offers->buckets);
    if (!offers->items || !offers->buckets) {
        dhcp_offers_fini(offers);
        return KEEL_ENOMEM;
    }
    return 0;
}

void dhcp_offers_fini(struct dhcp_offers *offers)
{
    keel_free(offers->items);
    keel_free(offers->buckets);
    *offers = (struct dhcp_offers){.items = NULL};
}

/* Where the index of the client's offer is kept: in its bucket or in the offer before it. */
static uint32_t *find_place(const struct dhcp_offers *offers, uint64_t client)
{
    uint32_t *at = &offers->buckets[client & offers->mask];
    while (*at != DHCP_NO_OFFER && offers->items[*at].client != client)
        at = &offers->items[*at].chain;
    return at;
}

const struct dhcp_offer *dhcp_offers_find(const struct dhcp_offers *offers, uint64_t client)
{
    uint32_t i = *find_place(offers, client);
    return i == DHCP_NO_OFFER ? NULL : &offers->items[i];
}

const struct dhcp_offer *dhcp_offers_oldest(const struct dhcp_offers *offers)
{
    return offers->count ? &offers->items[offers->items[0].newer] : NULL;
}

void dhcp_offers_add(struct dhcp_offers *offers, uint64_t client, uint32_t address,
                     uint64_t deadline, bool probed)
{
    KEEL_ASSERT(!dhcp_offers_full(offers), "room for one more offer");
    uint32_t i = offers->unused;
    if (i != DHCP_NO_OFFER)
        offers->unused = offers->items[i].chain;
    else
        i = offers->count + 1; /* none was given back: they are used in order */
    uint32_t *bucket = &offers->buckets[client & offers->mask];
    struct dhcp_offer *head = &offers->items[0];
    offers->items[i] = (struct dhcp_offer){
        .client = client,
        .deadline = deadline,
        .address = address,
        .chain = *bucket,
        .older = head->older,
        .newer = 0,
        .probed = probed,
    };
    *bucket = i;
    offers->items[head->older].newer = i;
    head->older = i;
    offers->count++;
}

void dhcp_offers_remove(struct dhcp_offers *offers, uint64_t client)
{
    uint32_t *at = find_place(offers, client);
    uint32_t i = *at;
    KEEL_ASSERT(i != DHCP_NO_OFFER, "the client has an offer");
    struct dhcp_offer *o = &offers->items[i];
    *at = o->chain;
    offers->items[o->older].newer = o->newer;
    offers->items[o->newer].older = o->older;
    o->chain = offers->unused;
    offers->unused = i;
    offers->count--;
}
