#include "dhcpd/engine/limit.h"

#include "common/base/mem.h"

int dhcp_limits_init(struct dhcp_limits *limits, uint32_t capacity)
{
    uint32_t buckets = 16;
    while (buckets < capacity)
        buckets *= 2;
    *limits = (struct dhcp_limits){.mask = buckets - 1, .capacity = capacity};
    limits->entries = keel_calloc((size_t)capacity + 1, sizeof *limits->entries);
    limits->buckets = keel_calloc(buckets, sizeof *limits->buckets);
    if (limits->entries && limits->buckets)
        return 0;
    dhcp_limits_fini(limits);
    return KEEL_ENOMEM;
}

void dhcp_limits_fini(struct dhcp_limits *limits)
{
    keel_free(limits->entries);
    keel_free(limits->buckets);
    *limits = (struct dhcp_limits){.entries = NULL};
}

/* Takes the entry that *place names out of its chain. */
static void forget(struct dhcp_limits *limits, uint32_t *place)
{
    uint32_t i = *place;
    *place = limits->entries[i].next;
    limits->entries[i].next = limits->unused;
    limits->unused = i;
}

/* An entry to use; a full table gives up one after the other. */
static uint32_t take_entry(struct dhcp_limits *limits)
{
    if (!limits->unused && limits->used == limits->capacity) {
        limits->cursor = limits->cursor % limits->capacity + 1;
        uint32_t *place = &limits->buckets[limits->entries[limits->cursor].key & limits->mask];
        while (*place != limits->cursor)
            place = &limits->entries[*place].next;
        forget(limits, place);
    }
    uint32_t i = limits->unused;
    if (i)
        limits->unused = limits->entries[i].next;
    else
        i = ++limits->used;
    return i;
}

void dhcp_limits_note(struct dhcp_limits *limits, uint64_t key, uint32_t address)
{
    uint32_t *bucket = &limits->buckets[key & limits->mask];
    for (uint32_t i = *bucket; i; i = limits->entries[i].next)
        if (limits->entries[i].key == key && limits->entries[i].address == address)
            return;
    uint32_t i = take_entry(limits);
    limits->entries[i] = (struct dhcp_limit_entry){key, address, *bucket};
    *bucket = i;
}

unsigned dhcp_limits_count(struct dhcp_limits *limits, uint64_t key,
                           int (*counts)(void *arg, uint64_t key, uint32_t address), void *arg)
{
    uint32_t *place = &limits->buckets[key & limits->mask];
    unsigned count = 0;
    while (*place) {
        struct dhcp_limit_entry *entry = &limits->entries[*place];
        int verdict = entry->key == key ? counts(arg, key, entry->address) : 0;
        if (verdict < 0) {
            forget(limits, place);
            continue;
        }
        count += verdict > 0;
        place = &entry->next;
    }
    return count;
}
