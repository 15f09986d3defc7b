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

static void add_nsec(struct dns_proofs *proofs, const struct dns_view *view,
                     const struct dns_nsec *entry)
{
    add(proofs, dns_view_node(view, entry->node), dns_image_at(view->base, entry->set_at));
}

/* --- NSEC3 --- */

static void add_nsec3(struct dns_proofs *proofs, const struct dns_view *view,
                      const struct dns_nsec3 *entry)
{
    const struct dns_node *node = dns_view_node(view, entry->node);
    add(proofs, node, dns_node_set(view->base, node, DNS_TYPE_NSEC3));
}

/* The end of the name with one label more than the encloser (RFC 5155, 1.3). */
static void add_next_closer(struct dns_proofs *proofs, const struct dns_view *view,
                            const struct dns_name *name, const struct dns_node *encloser)
{
    unsigned at = name->offsets[name->labels - encloser->labels - 1];
    uint8_t hash[KEEL_SHA1_SIZE];
    bool match;
    dns_nsec3_hash(view->base, name->bytes + at, (size_t)name->size - at, hash);
    add_nsec3(proofs, view, dns_view_nsec3(view, hash, &match));
}

/* RFC 5155, 7.2.1: the closest encloser that has a hash (with opt-out not every name has), and that
 * nothing closer exists. Returns it. */
static const struct dns_node *add_closest(struct dns_proofs *proofs, const struct dns_view *view,
                                          const struct dns_name *name,
                                          const struct dns_node *encloser)
{
    bool match;
    const struct dns_nsec3 *own = dns_view_nsec3_of(view, encloser, false, &match);
    while (!match && encloser != dns_view_apex(view)) {
        encloser = dns_view_node(view, encloser->parent);
        own = dns_view_nsec3_of(view, encloser, false, &match);
    }
    add_nsec3(proofs, view, own);
    add_next_closer(proofs, view, name, encloser);
    return encloser;
}

static void add_nsec3_of_node(struct dns_proofs *proofs, const struct dns_view *view,
                              const struct dns_node *node)
{
    bool match;
    const struct dns_nsec3 *own = dns_view_nsec3_of(view, node, false, &match);
    struct dns_name name;
    if (match || node == dns_view_apex(view)) {
        add_nsec3(proofs, view, own);
        return;
    }
    /* opt-out (RFC 5155, 7.2.4 and 7.2.7) */
    dns_name_set(&name, dns_node_name(view->base, node));
    add_closest(proofs, view, &name, dns_view_node(view, node->parent));
}

/* --- either --- */

void dns_prove_no_type(struct dns_proofs *proofs, const struct dns_view *view,
                       const struct dns_node *node)
{
    /* of an empty non-terminal: the NSEC before it names one below it (RFC 4035, 3.1.3.2) */
    if (view->base->denial == DNS_DENIAL_NSEC)
        add_nsec(proofs, view, dns_view_nsec_of(view, node, false));
    else if (view->base->denial == DNS_DENIAL_NSEC3)
        add_nsec3_of_node(proofs, view, node);
}

void dns_prove_no_name(struct dns_proofs *proofs, const struct dns_view *view,
                       const struct dns_name *name, const struct dns_node *encloser)
{
    if (view->base->denial == DNS_DENIAL_NSEC) {
        add_nsec(proofs, view, dns_view_nsec(view, name));
        add_nsec(proofs, view, dns_view_nsec_of(view, encloser, true));
    } else if (view->base->denial == DNS_DENIAL_NSEC3) {
        bool match;
        encloser = add_closest(proofs, view, name, encloser);
        add_nsec3(proofs, view, dns_view_nsec3_of(view, encloser, true, &match));
    }
}

void dns_prove_expansion(struct dns_proofs *proofs, const struct dns_view *view,
                         const struct dns_name *name, const struct dns_node *encloser)
{
    if (view->base->denial == DNS_DENIAL_NSEC)
        add_nsec(proofs, view, dns_view_nsec(view, name));
    else if (view->base->denial == DNS_DENIAL_NSEC3)
        add_next_closer(proofs, view, name, encloser);
}

void dns_prove_no_wildcard_type(struct dns_proofs *proofs, const struct dns_view *view,
                                const struct dns_name *name, const struct dns_node *encloser)
{
    if (view->base->denial == DNS_DENIAL_NSEC)
        add_nsec(proofs, view, dns_view_nsec(view, name));
    else if (view->base->denial == DNS_DENIAL_NSEC3)
        add_closest(proofs, view, name, encloser);
    dns_prove_no_type(proofs, view, dns_view_node(view, encloser->wildcard));
}
