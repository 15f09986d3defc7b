#include "dhcpd/serve/durable.h"

#include "common/base/list.h"

static struct dhcp_durable *of(struct dhcp_store *store)
{
    return KEEL_CONTAINER(store, struct dhcp_durable, store);
}

static int get(struct dhcp_store *store, uint32_t address, struct dhcp_lease *lease)
{
    struct keel_bytes value;
    int err = keel_store_get(of(store)->leases, (struct keel_bytes){&address, 4}, &value);
    if (!err)
        err = dhcp_lease_decode(lease, value.p, value.n);
    return !err && lease->address != address ? KEEL_EINVAL : err;
}

static int put(struct dhcp_store *store, const struct dhcp_lease *lease)
{
    uint8_t record[DHCP_LEASE_MAX];
    size_t size = dhcp_lease_encode(lease, record);
    return keel_store_put(of(store)->leases, (struct keel_bytes){&lease->address, 4},
                          (struct keel_bytes){record, size});
}

static int del(struct dhcp_store *store, uint32_t address)
{
    int err = keel_store_del(of(store)->leases, (struct keel_bytes){&address, 4});
    return err == KEEL_ENOENT ? 0 : err;
}

static int find(struct dhcp_store *store, const struct dhcp_client *client, uint32_t *address)
{
    uint8_t key[DHCP_CLIENT_KEY_MAX];
    struct keel_bytes value;
    size_t size = dhcp_client_key(client, key);
    int err = keel_store_get(of(store)->clients, (struct keel_bytes){key, size}, &value);
    if (err)
        return err;
    if (value.n != 4) /* cannot be read: the client is one never seen */
        return KEEL_ENOENT;
    *address = keel_get_u32(value.p);
    return 0;
}

static int bind_client(struct dhcp_store *store, const struct dhcp_client *client, uint32_t address)
{
    uint8_t key[DHCP_CLIENT_KEY_MAX], value[4];
    size_t size = dhcp_client_key(client, key);
    keel_put_u32(value, address);
    return keel_store_put(of(store)->clients, (struct keel_bytes){key, size},
                          (struct keel_bytes){value, 4});
}

static int unbind(struct dhcp_store *store, const struct dhcp_client *client)
{
    uint8_t key[DHCP_CLIENT_KEY_MAX];
    size_t size = dhcp_client_key(client, key);
    int err = keel_store_del(of(store)->clients, (struct keel_bytes){key, size});
    return err == KEEL_ENOENT ? 0 : err;
}

struct walk {
    dhcp_lease_visit *visit;
    void *arg;
};

/* A record that cannot be read costs its address, not the whole service. */
static int visit_record(void *arg, struct keel_bytes key, struct keel_bytes value)
{
    struct walk *walk = arg;
    struct dhcp_lease lease;
    uint32_t address;
    KEEL_ASSERT(key.n == 4, "the table has integer keys");
    memcpy(&address, key.p, 4);
    bool readable = dhcp_lease_decode(&lease, value.p, value.n) == 0 && lease.address == address;
    return walk->visit(walk->arg, address, readable ? &lease : NULL);
}

int dhcp_durable_each(struct dhcp_durable *d, uint32_t from, dhcp_lease_visit *visit, void *arg)
{
    struct walk walk = {visit, arg};
    return keel_store_each(d->leases, &(struct keel_bytes){&from, 4}, visit_record, &walk);
}

static int each(struct dhcp_store *store, dhcp_lease_visit *visit, void *arg)
{
    return dhcp_durable_each(of(store), 0, visit, arg);
}

int dhcp_durable_open(struct dhcp_durable *d, const char *path, struct keel_diag *diag)
{
    *d = (struct dhcp_durable){.store = {
                                   .get = get,
                                   .put = put,
                                   .del = del,
                                   .find = find,
                                   .bind = bind_client,
                                   .unbind = unbind,
                                   .each = each,
                               }};
    int err = keel_store_open(path, 4, false, &d->env, diag);
    if (err)
        return err;
    err = keel_store_table(d->env, "lease", true, &d->leases, diag);
    if (!err)
        err = keel_store_table(d->env, "client", false, &d->clients, diag);
    if (err)
        dhcp_durable_close(d);
    return err;
}

void dhcp_durable_close(struct dhcp_durable *d)
{
    if (d->env)
        keel_store_close(d->env);
    d->env = NULL;
}

int dhcp_durable_commit(struct dhcp_durable *d, struct dhcp_engine *engine,
                        const struct dhcp_decision *decisions, unsigned count, bool more)
{
    unsigned changes = more;
    for (unsigned i = 0; i < count; i++)
        changes += decisions[i].changes;
    if (changes == 0) {
        keel_store_abort(d->env);
        return 0;
    }
    int err = keel_store_commit(d->env);
    /* when it cannot be read either, what is marked as taken stays so: safe, if wasteful */
    if (!err)
        return 1;
    if (keel_store_read(d->env) != 0)
        return err;
    for (unsigned i = 0; i < count; i++)
        for (unsigned k = 0; k < decisions[i].changes; k++)
            dhcp_engine_resync(engine, decisions[i].changed[k]);
    keel_store_read_end(d->env);
    return err;
}
