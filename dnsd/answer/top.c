#include "dnsd/answer/top.h"

#include "common/base/mem.h"

#include <string.h>

#define SETS 512 /* a power of two */
#define WAYS 8

struct dns_top {
    struct keel_hash_key key;
    uint64_t total;
    struct dns_top_entry entries[SETS][WAYS];
};

struct dns_top *dns_top_new(struct keel_hash_key key)
{
    struct dns_top *top = keel_calloc(1, sizeof *top);
    if (top)
        top->key = key;
    return top;
}

void dns_top_free(struct dns_top *top)
{
    keel_free(top);
}

void dns_top_add(struct dns_top *top, const void *key, size_t size)
{
    if (size > DNS_TOP_KEY)
        size = DNS_TOP_KEY;
    uint64_t hash = keel_hash(&top->key, key, size);
    uint32_t tag = (uint32_t)(hash >> 32);
    struct dns_top_entry *set = top->entries[hash % SETS], *rarest = &set[0];
    top->total++;
    for (unsigned i = 0; i < WAYS; i++) {
        struct dns_top_entry *e = &set[i];
        if (e->count > 0 && e->tag == tag && e->size == size && memcmp(e->key, key, size) == 0) {
            e->count++;
            return;
        }
        if (e->count < rarest->count)
            rarest = e;
    }
    rarest->error = rarest->count;
    rarest->count++;
    rarest->tag = tag;
    rarest->size = (uint8_t)size;
    memcpy(rarest->key, key, size);
}

uint64_t dns_top_total(const struct dns_top *top)
{
    return top->total;
}

unsigned dns_top_list(const struct dns_top *top, const struct dns_top_entry **out, unsigned most)
{
    unsigned n = 0;
    for (unsigned i = 0; i < SETS * WAYS; i++) {
        const struct dns_top_entry *e = &top->entries[i / WAYS][i % WAYS];
        if (e->count == 0 || (n == most && e->count <= out[n - 1]->count))
            continue;
        /* insertion: the list is short */
        unsigned at = n < most ? n++ : n - 1;
        for (; at > 0 && out[at - 1]->count < e->count; at--)
            out[at] = out[at - 1];
        out[at] = e;
    }
    return n;
}
