#include "dnsd/zone/records.h"

#include "common/base/mem.h"
#include "dnsd/wire/message.h"
#include "dnsd/wire/rdata.h"

#define HASH_LABEL 32 /* bytes of a hash in base32 */

/* A set as it stands in the answer to a question about its owner: there its pointers are right. */
struct answer {
    uint8_t *bytes;
    size_t room;
    uint8_t rdata[UINT16_MAX];
};

static int make_answer(struct answer *a, const uint8_t *owner, size_t owner_size,
                       const struct dns_set *set)
{
    size_t at = DNS_HEADER_SIZE + owner_size + 4u, size = at + set->size;
    if (size > a->room) {
        uint8_t *bytes = keel_realloc(a->bytes, size);
        if (!bytes)
            return KEEL_ENOMEM;
        a->bytes = bytes;
        a->room = size;
    }
    memset(a->bytes, 0, at);
    memcpy(a->bytes + DNS_HEADER_SIZE, owner, owner_size);
    memcpy(a->bytes + at, set->bytes, set->size);
    return 0;
}

static int visit_set(struct answer *a, const uint8_t *owner, size_t owner_size,
                     const struct dns_set *set, dns_record_visit visit, void *arg)
{
    size_t at = DNS_HEADER_SIZE + owner_size + 4u, size = at + set->size, rdata_size;
    struct dns_record record;
    int err = make_answer(a, owner, owner_size, set);
    for (unsigned i = 0; err == 0 && i < set->count; i++) {
        if (dns_record_parse(&record, a->bytes, size, &at) != 0 ||
            dns_rdata_parse(record.type, a->bytes, record.rdata, record.rdata_size, a->rdata,
                            &rdata_size) != 0)
            return KEEL_EINVAL;
        const struct dns_diff_record flat = {.owner = owner,
                                             .owner_size = (uint16_t)owner_size,
                                             .type = record.type,
                                             .ttl = record.ttl,
                                             .rdata = a->rdata,
                                             .rdata_size = (uint16_t)rdata_size};
        err = visit(arg, &flat);
    }
    return err;
}

int dns_node_records(const struct dns_image *image, const struct dns_node *node, uint16_t type,
                     dns_record_visit visit, void *arg)
{
    const uint8_t *owner = dns_node_name(image, node);
    const struct dns_set *set = NULL;
    struct answer *a = keel_malloc(sizeof *a); /* too large for a stack */
    int err = 0;
    if (!a)
        return KEEL_ENOMEM;
    a->bytes = NULL;
    a->room = 0;
    while (err == 0 && (set = dns_node_next_set(image, node, set)))
        if (type == 0 || set->type == type)
            err = visit_set(a, owner, node->name_size, set, visit, arg);
    keel_free(a->bytes);
    keel_free(a);
    return err;
}

const struct dns_node *dns_image_any_node(const struct dns_image *image, const uint8_t *name,
                                          size_t size)
{
    const struct dns_node *node =
        dns_image_find(image, dns_image_hash(image, name, size), name, size);
    struct dns_name wanted;
    if (node || name[0] != HASH_LABEL)
        return node;
    dns_name_set(&wanted, name);
    uint32_t number = dns_image_search(image, &wanted, 0);
    if (number == image->node_count)
        return NULL;
    node = dns_image_node(image, number);
    return node->name_size == size && memcmp(dns_node_name(image, node), name, size) == 0 ? node
                                                                                          : NULL;
}
