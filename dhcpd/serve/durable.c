#include "dhcpd/serve/durable.h"

#include "common/base/list.h"
#include "common/base/mem.h"

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

/* --- who has which address -------------------------------------------------------------------- */

/* As many as one record changes. */
static int make_room(struct dhcp_durable *d)
{
    if (d->change_count + 2 > d->change_capacity) {
        size_t capacity = d->change_capacity ? d->change_capacity * 2 : 256;
        void *changes = keel_realloc(d->changes, capacity * sizeof *d->changes);
        if (!changes)
            return KEEL_ENOMEM;
        d->changes = changes;
        d->change_capacity = capacity;
    }
    return 0;
}

/* Notes that the batch changes an address, by which this client is found since; 0: nobody new. */
static void remember(struct dhcp_durable *d, uint64_t client, uint32_t address)
{
    d->changes[d->change_count++] = (struct dhcp_durable_change){client, address};
}

/* Brings the index to what the address will hold; lease NULL: nothing. */
static int index_change(struct dhcp_durable *d, uint32_t address, const struct dhcp_lease *lease)
{
    struct dhcp_client_index *index = &d->clients;
    struct dhcp_lease old;
    uint32_t replaced = 0;
    bool named = lease && lease->client.identity.n > 0;
    int err = d->store.get(&d->store, address, &old);
    if (err && err != KEEL_ENOENT && err != KEEL_EINVAL)
        return err;
    bool had = !err && old.client.identity.n > 0;
    err = make_room(d);
    if (err)
        return err;
    remember(d, named ? dhcp_client_index_hash(index, &lease->client) : 0, address);
    if (had && !(named && dhcp_client_equal(&old.client, &lease->client)))
        dhcp_client_index_forget(index, dhcp_client_index_hash(index, &old.client), address);
    if (named)
        err = dhcp_client_index_note(index, lease, &replaced);
    if (replaced)
        remember(d, 0, replaced);
    return err;
}

/* The batch is lost: the index says what the store says again. */
static void index_back(struct dhcp_durable *d)
{
    struct dhcp_lease lease;
    uint32_t replaced;
    for (size_t i = d->change_count; i-- > 0;)
        if (d->changes[i].client)
            dhcp_client_index_forget(&d->clients, d->changes[i].client, d->changes[i].address);
    if (d->change_count == 0 || keel_store_read(d->env) != 0)
        return; /* some will not find their address: they get another */
    for (size_t i = 0; i < d->change_count; i++)
        if (d->store.get(&d->store, d->changes[i].address, &lease) == 0 &&
            lease.client.identity.n > 0)
            dhcp_client_index_note(&d->clients, &lease, &replaced);
    keel_store_read_end(d->env);
}

static int skip(void *arg, uint32_t address, const struct dhcp_lease *lease)
{
    (void)arg;
    (void)address;
    (void)lease;
    return 0;
}

static int find(struct dhcp_store *store, const struct dhcp_client *client, uint32_t *address)
{
    struct dhcp_durable *d = of(store);
    int err = d->indexed ? 0 : store->each(store, skip, NULL);
    return err ? err : dhcp_client_index_find(&d->clients, client, address);
}

/* --- records ---------------------------------------------------------------------------------- */

/* Half of what a message changes must not be committed, whichever half it is. */
static int note_failure(struct dhcp_durable *d, int err)
{
    if (err)
        d->failed = err;
    return err;
}

static int put(struct dhcp_store *store, const struct dhcp_lease *lease)
{
    uint8_t record[DHCP_LEASE_MAX];
    size_t size = dhcp_lease_encode(lease, record);
    int err = index_change(of(store), lease->address, lease);
    if (!err)
        err = keel_store_put(of(store)->leases, (struct keel_bytes){&lease->address, 4},
                             (struct keel_bytes){record, size});
    return note_failure(of(store), err);
}

static int del(struct dhcp_store *store, uint32_t address)
{
    int err = index_change(of(store), address, NULL);
    if (!err)
        err = keel_store_del(of(store)->leases, (struct keel_bytes){&address, 4});
    return note_failure(of(store), err == KEEL_ENOENT ? 0 : err);
}

struct walk {
    struct dhcp_durable *d;
    dhcp_lease_visit *visit;
    void *arg;
    bool index; /* the first walk fills the index */
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
    if (walk->index && readable && lease.client.identity.n > 0 &&
        dhcp_client_index_note(&walk->d->clients, &lease, &(uint32_t){0}) != 0)
        return KEEL_ENOMEM;
    return walk->visit(walk->arg, address, readable ? &lease : NULL);
}

int dhcp_durable_each(struct dhcp_durable *d, uint32_t from, dhcp_lease_visit *visit, void *arg)
{
    struct walk walk = {d, visit, arg, !d->indexed && from == 0};
    int err = keel_store_each(d->leases, &(struct keel_bytes){&from, 4}, visit_record, &walk);
    d->indexed = d->indexed || (walk.index && err == 0);
    return err;
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
                                   .each = each,
                               }};
    int err = keel_store_open(path, 4, false, &d->env, diag);
    if (err)
        return err;
    dhcp_client_index_init(&d->clients, &d->store);
    /* what the index is now was a table once; where there is no room for that, another time */
    keel_store_drop(d->env, "client");
    err = keel_store_table(d->env, "lease", true, &d->leases, diag);
    if (err)
        dhcp_durable_close(d);
    return err;
}

void dhcp_durable_close(struct dhcp_durable *d)
{
    if (!d->env)
        return;
    keel_store_close(d->env);
    dhcp_client_index_fini(&d->clients);
    keel_free(d->changes);
    *d = (struct dhcp_durable){.env = NULL};
}

int dhcp_durable_begin(struct dhcp_durable *d)
{
    d->change_count = 0;
    d->failed = 0;
    return keel_store_begin(d->env);
}

int dhcp_durable_end(struct dhcp_durable *d)
{
    int err = d->failed;
    if (err)
        keel_store_abort(d->env);
    else
        err = keel_store_commit(d->env);
    if (err)
        index_back(d);
    return err;
}

void dhcp_durable_abort(struct dhcp_durable *d)
{
    keel_store_abort(d->env);
    index_back(d);
}

int dhcp_durable_commit(struct dhcp_durable *d, struct dhcp_engine *engine,
                        const struct dhcp_decision *decisions, unsigned count, bool more)
{
    unsigned changes = more;
    for (unsigned i = 0; i < count; i++)
        changes += decisions[i].changes;
    if (changes == 0) {
        dhcp_durable_abort(d);
        return 0;
    }
    int err = dhcp_durable_end(d);
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
