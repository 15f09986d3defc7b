#include "dhcpd/serve/import.h"

#include "common/base/mem.h"
#include "dhcpd/engine/edit.h"

#include <stdio.h>
#include <stdlib.h>

#define BATCH 5000

/* A lease of the file, as a record in the buffer. */
struct item {
    uint32_t address;
    unsigned line;
    size_t at, size; /* size 0: the address is forgotten */
};

struct reading {
    struct dhcp_import import;
    struct keel_buf records;
    struct item *items;
    size_t count, capacity;
    dhcp_import_complain *complain;
    void *arg;
    struct dhcp_import_result *result;
};

static int note(struct dhcp_import *import, unsigned line, const struct dhcp_lease *lease)
{
    struct reading *r = KEEL_CONTAINER(import, struct reading, import);
    uint8_t record[DHCP_LEASE_MAX];
    size_t size = lease->state ? dhcp_lease_encode(lease, record) : 0;
    if (r->count == r->capacity) {
        size_t capacity = r->capacity ? 2 * r->capacity : 1024;
        struct item *items = keel_realloc(r->items, capacity * sizeof *items);
        if (!items)
            return KEEL_ENOMEM;
        r->items = items;
        r->capacity = capacity;
    }
    r->items[r->count++] = (struct item){lease->address, line, keel_buf_size(&r->records), size};
    r->result->read++;
    return size ? keel_buf_append(&r->records, record, size) : 0;
}

static void note_fault(struct dhcp_import *import, unsigned line, const char *why)
{
    struct reading *r = KEEL_CONTAINER(import, struct reading, import);
    r->result->faults++;
    r->complain(r->arg, line, why);
}

static int compare(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    if (x->address != y->address)
        return x->address < y->address ? -1 : 1;
    return x->line < y->line ? -1 : x->line > y->line;
}

static void conflict(struct reading *r, const struct item *item, int err, uint32_t other)
{
    char text[160], address[16], second[16];
    dhcp_address_text(item->address, address);
    if (err == KEEL_ENOENT)
        snprintf(text, sizeof text, "%s is in no subnet of the configuration", address);
    else if (err == KEEL_EBUSY)
        snprintf(text, sizeof text, "%s: its client has a lease of %s already", address,
                 dhcp_address_text(other, second));
    else if (err == KEEL_EEXIST)
        snprintf(text, sizeof text, "%s is leased to another client in the store", address);
    else
        snprintf(text, sizeof text, "%s: its record in the store cannot be read", address);
    r->result->conflicts++;
    r->complain(r->arg, item->line, text);
}

/* The client has prolonged it here since: an import that is done again takes nothing back. */
static bool is_newer_in_store(struct dhcp_durable *d, const struct dhcp_lease *lease)
{
    struct dhcp_lease old;
    return d->store.get(&d->store, lease->address, &old) == 0 &&
           dhcp_bytes_equal(old.client.identity, lease->client.identity) &&
           old.granted >= lease->granted && old.expires >= lease->expires;
}

/* One lease into the running batch. 0 also when something speaks against it. */
static int put(struct reading *r, struct dhcp_durable *d, struct dhcp_engine *engine,
               const struct item *item)
{
    struct dhcp_lease lease;
    uint8_t record[DHCP_LEASE_MAX];
    uint32_t other = 0;
    memcpy(record, keel_buf_bytes(&r->records) + item->at, item->size);
    int err = dhcp_lease_decode(&lease, record, item->size);
    KEEL_ASSERT(err == 0, "a record that was encoded here");
    bool active = lease.state == DHCP_LEASE_ACTIVE;
    if (is_newer_in_store(d, &lease))
        return 0;
    err = dhcp_engine_add_lease(engine, &lease, &other);
    if (err == KEEL_ENOENT || err == KEEL_EBUSY || err == KEEL_EEXIST || err == KEEL_EINVAL) {
        conflict(r, item, err, other);
        return 0;
    }
    if (!err && active)
        r->result->active++;
    else if (!err)
        r->result->kept++;
    return err;
}

static int write_all(struct reading *r, struct dhcp_durable *d, struct dhcp_engine *engine,
                     bool dry)
{
    int err = 0;
    for (size_t i = 0; !err && i < r->count;) {
        err = dhcp_durable_begin(d);
        if (err)
            return err;
        for (unsigned n = 0; !err && i < r->count && n < BATCH; i++) {
            bool last = i + 1 == r->count || r->items[i + 1].address != r->items[i].address;
            if (!last || r->items[i].size == 0)
                continue;
            err = put(r, d, engine, &r->items[i]);
            n++;
        }
        if (err || dry)
            dhcp_durable_abort(d);
        else
            err = dhcp_durable_end(d);
    }
    return err;
}

int dhcp_import_leases(struct dhcp_durable *durable, struct dhcp_engine *engine,
                       enum dhcp_import_format format, struct keel_str text, bool dry,
                       dhcp_import_complain *complain, void *arg, struct dhcp_import_result *result)
{
    struct reading r = {.import = {.on_lease = note, .on_fault = note_fault},
                        .complain = complain,
                        .arg = arg,
                        .result = result};
    *result = (struct dhcp_import_result){0};
    keel_buf_init(&r.records, 0);
    int err = dhcp_import_read(&r.import, format, text);
    if (!err && r.count > 1)
        qsort(r.items, r.count, sizeof *r.items, compare);
    if (!err)
        err = write_all(&r, durable, engine, dry);
    keel_buf_fini(&r.records);
    keel_free(r.items);
    return err;
}
