#include "dhcpd/engine/exchange.h"

/* An address that nobody is known to have had may be in use by somebody who never asked us, and one
 * that was declined before may still be. */
bool dhcp_needs_probe(struct dhcp_exchange *x, uint32_t address)
{
    const struct dhcp_engine *e = x->engine;
    struct dhcp_lease lease;
    if (!e->env.config->probe || !x->input->may_probe || x->request->type != DHCP_DISCOVER ||
        dhcp_was_probed(x, address) || (x->reservation && x->reservation->address == address))
        return false;
    int err = e->env.store->get(e->env.store, address, &lease);
    return err == KEEL_ENOENT || (!err && lease.state == DHCP_LEASE_DECLINED);
}

bool dhcp_was_probed(const struct dhcp_exchange *x, uint32_t address)
{
    const struct dhcp_offer *offer = dhcp_offers_find(&x->engine->offers, x->hash);
    return x->input->silent == address || (offer && offer->address == address && offer->probed);
}

int dhcp_engine_quarantine(struct dhcp_engine *e, uint32_t address)
{
    const struct dhcp_subnet *s = dhcp_config_by_address(e->env.config, address);
    struct dhcp_pool *pool = s ? dhcp_engine_find_pool(e, s, address) : NULL;
    uint64_t now = dhcp_engine_now(e);
    struct dhcp_lease old;
    if (!pool)
        return 0;
    int err = e->env.store->get(e->env.store, address, &old);
    if (err != KEEL_ENOENT && (err || old.state != DHCP_LEASE_DECLINED))
        return err; /* it was leased meanwhile: its client will find out */
    const struct dhcp_lease lease = {
        .address = address,
        .state = DHCP_LEASE_DECLINED,
        .granted = now,
        .expires = now + e->env.config->decline_time,
        .client = {.network = s->network, .length = s->length},
    };
    err = e->env.store->put(e->env.store, &lease);
    if (!err)
        dhcp_pool_bind(pool, address, lease.expires);
    return err;
}
