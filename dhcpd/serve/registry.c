#include "dhcpd/serve/registry.h"

#include "common/base/wire.h"

#define ROW_VERSION 1
#define ROW_MAX (12 + DHCP_IDENTITY_MAX + DNS_NAME_MAX)
#define TTL_LEAST 600 /* RFC 4702, 5 */

/* What an address has in the DNS. */
struct row {
    bool forward, reverse;
    uint64_t number;            /* of the work that enters it */
    struct dhcp_bytes identity; /* borrows */
    const uint8_t *name;        /* flat; borrows */
    size_t name_size;
};

static size_t encode_row(const struct row *row, uint8_t *out)
{
    struct keel_writer w;
    keel_writer_init(&w, out, ROW_MAX);
    keel_write_u8(&w, ROW_VERSION);
    keel_write_u8(&w, row->forward);
    keel_write_u8(&w, row->reverse);
    keel_write_u8(&w, (uint8_t)row->identity.n);
    keel_write_u64(&w, row->number);
    keel_write_bytes(&w, row->identity.p, row->identity.n);
    keel_write_bytes(&w, row->name, row->name_size);
    KEEL_ASSERT(!w.bad, "a row fits its largest size");
    return keel_writer_offset(&w);
}

static int decode_row(struct row *row, struct keel_bytes value)
{
    struct keel_reader r;
    keel_reader_init(&r, value.p, value.n);
    uint8_t version = keel_read_u8(&r);
    row->forward = keel_read_u8(&r);
    row->reverse = keel_read_u8(&r);
    row->identity.n = keel_read_u8(&r);
    row->number = keel_read_u64(&r);
    row->identity.p = keel_read_bytes(&r, row->identity.n);
    row->name_size = keel_reader_left(&r);
    row->name = keel_read_bytes(&r, row->name_size);
    if (r.bad || version != ROW_VERSION || row->identity.n == 0 || row->name_size == 0 ||
        dns_name_scan(row->name, row->name_size) != (int)row->name_size)
        return KEEL_EINVAL;
    return 0;
}

static struct keel_bytes number_key(uint64_t number, uint8_t out[8])
{
    keel_put_u32(out, (uint32_t)(number >> 32));
    keel_put_u32(out + 4, (uint32_t)number);
    return (struct keel_bytes){out, 8};
}
static struct keel_bytes address_key(uint32_t address, uint8_t out[4])
{
    keel_put_u32(out, address);
    return (struct keel_bytes){out, 4};
}

static int note_last(void *arg, struct keel_bytes key, struct keel_bytes value)
{
    uint64_t *last = arg;
    (void)value;
    if (key.n == 8)
        *last = (uint64_t)keel_get_u32(key.p) << 32 | keel_get_u32((const uint8_t *)key.p + 4);
    return 0;
}

int dhcp_registry_open(struct dhcp_registry *names, struct keel_store *env,
                       const struct dhcp_naming *rules, uint64_t limit, struct keel_diag *diag)
{
    uint64_t last = 0;
    *names = (struct dhcp_registry){.rules = rules, .limit = limit};
    int err = keel_store_table(env, "name", false, &names->names, diag);
    if (!err)
        err = keel_store_table(env, "ddns", false, &names->queue, diag);
    if (err)
        return err;
    err = keel_store_read(env);
    if (!err) {
        err = keel_store_each(names->queue, NULL, note_last, &last);
        keel_store_read_end(env);
    }
    if (err)
        return keel_diag_set(diag, err, "cannot read the queue of DNS updates: %s",
                             keel_strerror(err));
    names->next = last + 1;
    names->fresh = true;
    return 0;
}

static int queue(struct dhcp_registry *names, enum dhcp_ddns_kind kind, uint32_t address,
                 const struct row *row, uint32_t ttl, uint64_t now)
{
    struct dhcp_ddns_op op = {
        .kind = kind,
        .forward = row->forward,
        .reverse = row->reverse,
        .address = address,
        .ttl = ttl,
        .queued = now,
    };
    uint8_t key[8], record[DHCP_DDNS_RECORD_MAX];
    dns_name_set(&op.name, row->name);
    int err = dhcp_dhcid(row->identity, &op.name, op.dhcid);
    if (err)
        return err;
    size_t size = dhcp_ddns_encode(&op, record);
    names->fresh = true;
    return keel_store_put(names->queue, number_key(names->next++, key),
                          (struct keel_bytes){record, size});
}

/* Takes the address's name out, if it has one. */
static int forget(struct dhcp_registry *names, uint32_t address, const struct row *row,
                  uint64_t now)
{
    uint8_t key[4];
    int err = queue(names, DHCP_DDNS_REMOVE, address, row, 0, now);
    return err ? err : keel_store_del(names->names, address_key(address, key));
}

static int enter(struct dhcp_registry *names, const struct dhcp_lease *lease, struct row *row,
                 uint64_t now)
{
    uint8_t key[4], value[ROW_MAX];
    if (keel_store_count(names->queue) >= names->limit) {
        names->refused++; /* not noted as entered: the next renewal tries again */
        return 0;
    }
    uint32_t ttl = names->rules->ttl;
    if (ttl == 0) {
        uint64_t third = lease->expires > now ? (lease->expires - now) / 3 : 0;
        ttl = third < TTL_LEAST ? TTL_LEAST : third > INT32_MAX ? INT32_MAX : (uint32_t)third;
    }
    row->number = names->next;
    int err = queue(names, DHCP_DDNS_ADD, lease->address, row, ttl, now);
    size_t size = encode_row(row, value);
    return err ? err
               : keel_store_put(names->names, address_key(lease->address, key),
                                (struct keel_bytes){value, size});
}

static bool same_row(const struct row *a, const struct row *b)
{
    return a->forward == b->forward && a->reverse == b->reverse &&
           dhcp_bytes_equal(a->identity, b->identity) &&
           dns_name_equal(a->name, a->name_size, b->name, b->name_size);
}

/* 0, KEEL_ENOENT. copy has ROW_MAX octets: the row has to outlive changes. */
static int find_row(struct dhcp_registry *names, uint32_t address, struct row *row, uint8_t *copy)
{
    uint8_t key[4];
    struct keel_bytes value;
    int err = keel_store_get(names->names, address_key(address, key), &value);
    if (err)
        return err;
    if (value.n > ROW_MAX)
        return KEEL_ENOENT;
    memcpy(copy, value.p, value.n);
    value.p = copy;
    return decode_row(row, value) == 0 ? 0 : KEEL_ENOENT;
}

int dhcp_registry_follow(struct dhcp_registry *names, const struct dhcp_event *event, uint64_t now)
{
    const struct dhcp_fqdn *f = &event->fqdn;
    struct dhcp_lease lease;
    struct row old;
    uint8_t copy[ROW_MAX];
    dhcp_event_lease(event, &lease);
    bool has = event->type == DHCP_EVENT_GRANTED || event->type == DHCP_EVENT_RENEWED;
    int err = find_row(names, lease.address, &old, copy);
    bool had = err == 0;
    if (err && err != KEEL_ENOENT)
        return err;
    struct row new = {
        .forward = f->forward,
        .reverse = f->reverse,
        .identity = lease.client.identity,
        .name = f->name,
        .name_size = f->size,
    };
    if (has && had && event->type == DHCP_EVENT_RENEWED && f->size == 0 &&
        dhcp_bytes_equal(old.identity, new.identity))
        return 0; /* a client that does not say its name again keeps it */
    bool wanted = has && (f->forward || f->reverse);
    if (had && wanted && same_row(&old, &new))
        return 0;
    err = had ? forget(names, lease.address, &old, now) : 0;
    return err || !wanted ? err : enter(names, &lease, &new, now);
}

struct load {
    struct dhcp_registry *names;
    struct dhcp_ddns_window *window;
};

static int load_one(void *arg, struct keel_bytes key, struct keel_bytes value)
{
    struct load *load = arg;
    struct dhcp_ddns_slot *slot = dhcp_ddns_window_room(load->window);
    struct dhcp_ddns_op op = {.name = {.size = 1}};
    uint64_t number = 0;
    if (!slot)
        return 1;
    note_last(&number, key, value);
    /* one that cannot be read has nothing to do: it is over at once, and goes */
    if (dhcp_ddns_decode(&op, value.p, value.n) != 0)
        op.forward = op.reverse = false;
    dhcp_ddns_window_add(slot, number, &op);
    load->names->loaded = number;
    return 0;
}

int dhcp_registry_load(struct dhcp_registry *names, struct dhcp_ddns_window *window)
{
    struct load load = {names, window};
    uint8_t key[8];
    struct keel_bytes from = number_key(names->loaded + 1, key);
    int err = keel_store_each(names->queue, &from, load_one, &load);
    if (err == 0)
        names->fresh = false;
    return err > 0 ? 0 : err;
}

int dhcp_registry_over(struct dhcp_registry *names, const struct dhcp_ddns_slot *slot)
{
    uint8_t key[8], copy[ROW_MAX];
    struct row row;
    int err = keel_store_del(names->queue, number_key(slot->sequence, key));
    if (err && err != KEEL_ENOENT)
        return err;
    if (slot->step == DHCP_DDNS_DONE || slot->op.kind != DHCP_DDNS_ADD)
        return 0;
    err = find_row(names, slot->op.address, &row, copy);
    if (err || row.number != slot->sequence)
        return err == KEEL_ENOENT ? 0 : err;
    return keel_store_del(names->names, address_key(slot->op.address, key));
}

static int take_first(void *arg, struct keel_bytes key, struct keel_bytes value)
{
    (void)key;
    return dhcp_ddns_decode(arg, value.p, value.n) == 0 ? 1 : 0;
}

int dhcp_registry_oldest(struct dhcp_registry *names, struct dhcp_ddns_op *op)
{
    int err = keel_store_each(names->queue, NULL, take_first, op);
    return err > 0 ? 0 : err ? err : KEEL_ENOENT;
}
