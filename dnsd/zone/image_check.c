#include "dnsd/zone/image_check.h"

#include "common/base/mem.h"
#include "dnsd/wire/rdata.h"
#include "dnsd/wire/type.h"
#include "dnsd/zone/denial.h"
#include "dnsd/zone/set_read.h"

struct checking {
    const struct dns_image *image;
    struct dns_set_reader *reader;
    const struct dns_node *apex;
};

static int wrong(struct keel_diag *diag, const char *what)
{
    return keel_diag_set(diag, KEEL_EINVAL, "damaged: %s", what);
}

/* `count` things of `each` bytes at `at` are inside, behind the header, and aligned. */
static bool inside(const struct dns_image *image, uint32_t at, uint64_t count, uint64_t each,
                   uint32_t align)
{
    return at >= sizeof *image && at % align == 0 && at <= image->size &&
           count <= (image->size - at) / each;
}

/* --- the header --- */

static bool denial_inside(const struct dns_image *image)
{
    uint64_t each =
        image->denial == DNS_DENIAL_NSEC ? sizeof(struct dns_nsec) : sizeof(struct dns_nsec3);
    if (image->denial == DNS_DENIAL_NONE)
        return true;
    if (image->denial > DNS_DENIAL_NSEC3 || image->chain_count == 0 ||
        image->chain_count >= DNS_PROOF_MATCH ||
        !inside(image, image->chain_at, image->chain_count, each, 8) ||
        !inside(image, image->proofs_at, image->node_count, sizeof(struct dns_node_proof), 8))
        return false;
    if (image->denial == DNS_DENIAL_NSEC)
        return true;
    return image->bucket_shift >= 33 && image->bucket_shift <= 63 &&
           inside(image, image->buckets_at, 1ull << (64 - image->bucket_shift), sizeof(uint32_t),
                  8) &&
           image->salt_size <= UINT8_MAX && inside(image, image->salt_at, image->salt_size, 1, 1);
}

static int check_header(const void *bytes, size_t size, struct keel_diag *diag)
{
    const struct dns_image *image = bytes;
    if (size < sizeof *image || image->magic != DNS_IMAGE_MAGIC)
        return keel_diag_set(diag, KEEL_EINVAL, "not an image of this format");
    if (image->size != size)
        return wrong(diag, "its size is another");
    if (image->node_count == 0 ||
        !inside(image, image->nodes_at, image->node_count, sizeof(struct dns_node), 64) ||
        (image->slot_mask & (image->slot_mask + 1)) != 0 ||
        !inside(image, image->slots_at, (uint64_t)image->slot_mask + 1, sizeof(struct dns_slot),
                8) ||
        image->max_labels > DNS_LABELS_MAX)
        return wrong(diag, "a table is outside");
    return denial_inside(image) ? 0 : wrong(diag, "a table of the denial is outside");
}

/* --- sets --- */

/* The set's extent: nothing in it has been looked at yet. */
static bool set_inside(const struct dns_image *image, uint64_t at)
{
    if (at % 4 || at < sizeof *image || at + sizeof(struct dns_set) > image->size)
        return false;
    const struct dns_set *set = dns_image_at(image, (uint32_t)at);
    uint64_t body = ((uint64_t)set->size + 3) & ~3ull;
    uint64_t need = sizeof *set + body + set->fixes * sizeof(struct dns_fix) +
                    set->links * sizeof(struct dns_link);
    return set->total >= need && set->total % 4 == 0 && at + set->total <= image->size;
}

static bool links_fit(const struct checking *c, const struct dns_set *set)
{
    const struct dns_link *links = dns_set_links(set);
    for (unsigned i = 0; i < set->links; i++)
        if (links[i].node >= c->image->node_count || links[i].offset >= set->size)
            return false;
    return true;
}

/* Its records are of its type, with well-formed rdata once names are written out. */
static bool set_fits(const struct checking *c, const struct dns_node *node,
                     const struct dns_set *set)
{
    const uint8_t *rdata;
    uint16_t size;
    int got;
    if (set->count == 0 || set->size > UINT16_MAX || !links_fit(c, set))
        return false;
    dns_set_read(c->reader, set, dns_node_name(c->image, node), node->name_size,
                 c->apex->name_size);
    while ((got = dns_set_read_next(c->reader, &rdata, &size)) == 1)
        if (dns_rdata_check(set->type, rdata, size) != 0)
            return false;
    return got == 0;
}

/* --- nodes --- */

/* A name that is as long as the node says, one label longer than its parent, and below the apex. */
static bool name_fits(const struct checking *c, const struct dns_node *node)
{
    const struct dns_image *image = c->image;
    unsigned at = 0, labels = 0, apex_size = c->apex->name_size;
    if (node->name_at < sizeof *image || node->name_at > image->size ||
        node->name_size > image->size - node->name_at || node->name_size < apex_size ||
        node->parent >= image->node_count || node->labels > image->max_labels)
        return false;
    const uint8_t *name = dns_node_name(image, node);
    bool below = false;
    for (; at < node->name_size && name[at] != 0; at += name[at] + 1u, labels++) {
        if (name[at] > DNS_LABEL_MAX)
            return false;
        below |= at == node->name_size - apex_size;
    }
    if (at + 1u != node->name_size || labels != node->labels)
        return false;
    if (node == c->apex)
        return node->parent == 0;
    return (below || apex_size == 1) && node->parent < dns_node_number(image, node) &&
           dns_image_node(image, node->parent)->labels + 1u == node->labels &&
           memcmp(name + node->name_size - apex_size, dns_node_name(image, c->apex), apex_size) ==
               0;
}

/* What a flag promises is there. types: bit of what the node has. */
enum { HAS_NS = 1, HAS_CNAME = 2, HAS_DNAME = 4, HAS_NSEC3 = 8 };

static unsigned type_bit(uint16_t type)
{
    return type == DNS_TYPE_NS      ? HAS_NS
           : type == DNS_TYPE_CNAME ? HAS_CNAME
           : type == DNS_TYPE_DNAME ? HAS_DNAME
           : type == DNS_TYPE_NSEC3 ? HAS_NSEC3
                                    : 0;
}

static bool flags_fit(const struct dns_image *image, const struct dns_node *node, unsigned types)
{
    if (node->flags & (DNS_NODE_CUT | DNS_NODE_BELOW_CUT) &&
        (node->cut >= image->node_count ||
         !(dns_image_node(image, node->cut)->flags & DNS_NODE_CUT)))
        return false;
    if (node->flags & DNS_NODE_CUT &&
        (node->cut != dns_node_number(image, node) || !(types & HAS_NS)))
        return false;
    if (node->flags & DNS_NODE_WILDCARD && node->wildcard >= image->node_count)
        return false;
    return !((node->flags & DNS_NODE_CNAME && !(types & HAS_CNAME)) ||
             (node->flags & DNS_NODE_DNAME && !(types & HAS_DNAME)) ||
             (node->flags & DNS_NODE_NSEC3 && !(types & HAS_NSEC3)));
}

static bool node_fits(const struct checking *c, const struct dns_node *node)
{
    unsigned types = 0;
    uint64_t at = node->sets_at;
    uint32_t flags = 0;
    if (!name_fits(c, node))
        return false;
    for (uint32_t i = 0; i < node->set_count; i++) {
        if (!set_inside(c->image, at))
            return false;
        const struct dns_set *set = dns_image_at(c->image, (uint32_t)at);
        flags = set->flags;
        bool last = i + 1 == node->set_count;
        if (!(flags & DNS_SET_LAST) == last || (last && flags & DNS_SET_SIGNED) ||
            !set_fits(c, node, set))
            return false;
        types |= type_bit(set->type);
        at += set->total;
    }
    return flags_fit(c->image, node, types);
}

/* --- the rest --- */

static bool slots_fit(const struct dns_image *image)
{
    const struct dns_slot *slots = dns_image_at(image, image->slots_at);
    bool ends = false;
    for (uint64_t i = 0; i <= image->slot_mask; i++) {
        if (slots[i].node > image->node_count)
            return false;
        ends |= slots[i].node == 0;
    }
    return ends;
}

/* The offset is that of one of the node's sets, of this type. */
static bool is_set_of(const struct dns_image *image, const struct dns_node *node, uint32_t offset,
                      uint16_t type)
{
    uint32_t at = node->sets_at;
    for (uint32_t i = 0; i < node->set_count; i++) {
        const struct dns_set *set = dns_image_at(image, at);
        if (at == offset)
            return set->type == type;
        at += set->total;
    }
    return false;
}

static bool soa_fits(const struct checking *c)
{
    const struct dns_image *image = c->image;
    if (!is_set_of(image, c->apex, image->soa_at, DNS_TYPE_SOA) ||
        !set_inside(image, image->negative_at))
        return false;
    const struct dns_set *soa = dns_image_at(image, image->negative_at);
    if (soa->type != DNS_TYPE_SOA || !set_fits(c, c->apex, soa))
        return false;
    if (!(soa->flags & DNS_SET_SIGNED))
        return true;
    uint64_t behind = (uint64_t)image->negative_at + soa->total;
    return set_inside(image, behind) && set_fits(c, c->apex, dns_image_at(image, (uint32_t)behind));
}

static bool proofs_fit(const struct dns_image *image)
{
    const struct dns_node_proof *proofs = dns_image_proofs(image);
    uint32_t number = image->denial == DNS_DENIAL_NSEC3 ? ~DNS_PROOF_MATCH : UINT32_MAX;
    for (uint32_t i = 0; i < image->node_count; i++)
        if ((proofs[i].own & number) >= image->chain_count ||
            (proofs[i].wildcard & number) >= image->chain_count)
            return false;
    return true;
}

static bool nsec_fits(const struct dns_image *image)
{
    const struct dns_nsec *chain = dns_image_nsec(image);
    for (uint32_t i = 0; i < image->chain_count; i++)
        if (chain[i].node >= image->node_count ||
            !is_set_of(image, dns_image_node(image, chain[i].node), chain[i].set_at, DNS_TYPE_NSEC))
            return false;
    return true;
}

static bool nsec3_fits(const struct dns_image *image)
{
    const struct dns_nsec3 *chain = dns_image_nsec3(image);
    const uint32_t *buckets = dns_image_at(image, image->buckets_at);
    for (uint32_t i = 0; i < image->chain_count; i++)
        if (chain[i].node >= image->node_count ||
            !(dns_image_node(image, chain[i].node)->flags & DNS_NODE_NSEC3))
            return false;
    for (uint64_t i = 0; i < 1ull << (64 - image->bucket_shift); i++)
        if (buckets[i] > image->chain_count)
            return false;
    return true;
}

static bool denial_fits(const struct dns_image *image)
{
    if (image->denial == DNS_DENIAL_NONE)
        return true;
    return proofs_fit(image) &&
           (image->denial == DNS_DENIAL_NSEC ? nsec_fits(image) : nsec3_fits(image));
}

static int check_all(const struct checking *c, struct keel_diag *diag)
{
    for (uint32_t i = 0; i < c->image->node_count; i++)
        if (!node_fits(c, dns_image_node(c->image, i)))
            return keel_diag_set(diag, KEEL_EINVAL, "damaged: name number %u", i);
    if (!slots_fit(c->image))
        return wrong(diag, "the hash");
    if (!soa_fits(c))
        return wrong(diag, "the SOA");
    return denial_fits(c->image) ? 0 : wrong(diag, "the denial");
}

int dns_image_check(const void *bytes, size_t size, struct keel_diag *diag)
{
    struct checking c = {.image = bytes};
    int err = check_header(bytes, size, diag);
    if (err)
        return err;
    c.apex = dns_image_apex(c.image);
    c.reader = keel_malloc(sizeof *c.reader);
    if (!c.reader)
        return keel_diag_memory(diag);
    err = check_all(&c, diag);
    keel_free(c.reader);
    return err;
}
