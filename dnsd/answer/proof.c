#include "dnsd/answer/proof.h"

#include "dnsd/wire/type.h"

static void add(struct dns_proofs *proofs, const struct dns_node *node, const struct dns_set *set)
{
    for (unsigned i = 0; i < proofs->count; i++)
        if (proofs->items[i].set == set)
            return;
    KEEL_ASSERT(proofs->count < DNS_PROOFS_MAX, "an answer with more proofs than steps");
    proofs->items[proofs->count].node = node;
    proofs->items[proofs->count++].set = set;
}

/* --- NSEC --- */

static void add_nsec(struct dns_proofs *proofs, const struct dns_image *image, uint32_t number)
{
    const struct dns_nsec *entry = &dns_image_nsec(image)[number];
    add(proofs, dns_image_node(image, entry->node), dns_image_at(image, entry->set_at));
}

/* --- NSEC3 --- */

static void add_nsec3(struct dns_proofs *proofs, const struct dns_image *image, uint32_t number)
{
    const struct dns_nsec3 *entry = &dns_image_nsec3(image)[number & ~DNS_PROOF_MATCH];
    const struct dns_node *node = dns_image_node(image, entry->node);
    add(proofs, node, dns_node_set(image, node, DNS_TYPE_NSEC3));
}

/* The end of the name with one label more than the encloser (RFC 5155, 1.3). */
static void add_next_closer(struct dns_proofs *proofs, const struct dns_image *image,
                            const struct dns_name *name, const struct dns_node *encloser)
{
    unsigned at = name->offsets[name->labels - encloser->labels - 1];
    uint8_t hash[KEEL_SHA1_SIZE];
    dns_nsec3_hash(image, name->bytes + at, (size_t)name->size - at, hash);
    add_nsec3(proofs, image, dns_nsec3_find(image, hash));
}

/* RFC 5155, 7.2.1: the closest encloser that has a hash (with opt-out not every name has), and that
 * nothing closer exists. Returns it. */
static const struct dns_node *add_closest(struct dns_proofs *proofs, const struct dns_image *image,
                                          const struct dns_name *name,
                                          const struct dns_node *encloser)
{
    const struct dns_node_proof *table = dns_image_proofs(image);
    uint32_t number = dns_node_number(image, encloser);
    while (!(table[number].own & DNS_PROOF_MATCH) && number != 0)
        number = dns_image_node(image, number)->parent;
    encloser = dns_image_node(image, number);
    add_nsec3(proofs, image, table[number].own);
    add_next_closer(proofs, image, name, encloser);
    return encloser;
}

static void add_nsec3_of_node(struct dns_proofs *proofs, const struct dns_image *image,
                              const struct dns_node *node)
{
    uint32_t own = dns_image_proofs(image)[dns_node_number(image, node)].own;
    struct dns_name name;
    if (own & DNS_PROOF_MATCH || node == dns_image_apex(image)) {
        add_nsec3(proofs, image, own);
        return;
    }
    /* opt-out (RFC 5155, 7.2.4 and 7.2.7) */
    dns_name_set(&name, dns_node_name(image, node));
    add_closest(proofs, image, &name, dns_image_node(image, node->parent));
}

/* --- either --- */

void dns_prove_no_type(struct dns_proofs *proofs, const struct dns_image *image,
                       const struct dns_node *node)
{
    /* of an empty non-terminal: the NSEC before it names one below it (RFC 4035, 3.1.3.2) */
    if (image->denial == DNS_DENIAL_NSEC)
        add_nsec(proofs, image, dns_image_proofs(image)[dns_node_number(image, node)].own);
    else if (image->denial == DNS_DENIAL_NSEC3)
        add_nsec3_of_node(proofs, image, node);
}

void dns_prove_no_name(struct dns_proofs *proofs, const struct dns_image *image,
                       const struct dns_name *name, const struct dns_node *encloser)
{
    if (image->denial == DNS_DENIAL_NSEC) {
        add_nsec(proofs, image, dns_nsec_find(image, name));
        add_nsec(proofs, image, dns_image_proofs(image)[dns_node_number(image, encloser)].wildcard);
    } else if (image->denial == DNS_DENIAL_NSEC3) {
        encloser = add_closest(proofs, image, name, encloser);
        add_nsec3(proofs, image,
                  dns_image_proofs(image)[dns_node_number(image, encloser)].wildcard);
    }
}

void dns_prove_expansion(struct dns_proofs *proofs, const struct dns_image *image,
                         const struct dns_name *name, const struct dns_node *encloser)
{
    if (image->denial == DNS_DENIAL_NSEC)
        add_nsec(proofs, image, dns_nsec_find(image, name));
    else if (image->denial == DNS_DENIAL_NSEC3)
        add_next_closer(proofs, image, name, encloser);
}

void dns_prove_no_wildcard_type(struct dns_proofs *proofs, const struct dns_image *image,
                                const struct dns_name *name, const struct dns_node *encloser)
{
    if (image->denial == DNS_DENIAL_NSEC)
        add_nsec(proofs, image, dns_nsec_find(image, name));
    else if (image->denial == DNS_DENIAL_NSEC3)
        add_closest(proofs, image, name, encloser);
    dns_prove_no_type(proofs, image, dns_image_node(image, encloser->wildcard));
}
