#include "dnsd/answer/resolve.h"

#include "dnsd/wire/type.h"

#define CHAIN_MAX 16 /* CNAMEs and DNAMEs followed for one question */

/* Where the walk stands: the name that is looked for now. */
struct walk {
    struct dns_reply *reply;
    const struct dns_image *image;
    uint16_t qtype;
    bool tcp;
    bool authoritative;
    struct dns_name name; /* lower-cased */
    uint64_t hash;        /* of it */
    size_t owner;         /* where it stands in the message */
    unsigned steps;       /* names behind us that were aliases */
    struct {
        uint64_t hash;                /* of the name: keyed, so that equal means the same */
        const struct dns_node *dname; /* what made it an alias; NULL: a CNAME */
    } seen[CHAIN_MAX];
};

/* What a step leaves to do. */
enum outcome { DONE, FOLLOW, NO_NAME, NO_SPACE, NAME_TOO_LONG };

static enum outcome add_negative_soa(struct walk *walk)
{
    const struct dns_node *apex = dns_image_apex(walk->image);
    const struct dns_set *soa = dns_image_at(walk->image, walk->image->negative_at);
    /* the apex ends the question's name, whatever name the walk has come to */
    size_t owner = DNS_HEADER_SIZE + walk->reply->qname_size - apex->name_size;
    return dns_reply_set(walk->reply, DNS_AUTHORITY, apex, soa, owner) ? DONE : NO_SPACE;
}

static enum outcome refer(struct walk *walk, const struct dns_node *cut)
{
    const struct dns_set *ns = dns_node_set(walk->image, cut, DNS_TYPE_NS);
    /* before any CNAME the cut ends the question's name; afterwards it is written out */
    size_t owner = walk->steps == 0
                       ? DNS_HEADER_SIZE + walk->reply->qname_size - (size_t)cut->name_size
                       : DNS_OWNER_NONE;
    if (walk->steps == 0)
        walk->authoritative = false;
    size_t at = dns_reply_set(walk->reply, DNS_AUTHORITY, cut, ns, owner);
    if (!at)
        return NO_SPACE;
    dns_reply_links(walk->reply, cut, ns, at, true);
    return DONE;
}

/* Goes on with the name that stands at `at` in the reply. */
static enum outcome follow(struct walk *walk, const struct dns_node *dname, size_t at)
{
    const struct keel_writer *out = &walk->reply->out;
    const struct dns_node *apex = dns_image_apex(walk->image);
    size_t offset = at;

    if (walk->steps == CHAIN_MAX)
        return DONE;
    walk->seen[walk->steps].hash = walk->hash;
    walk->seen[walk->steps++].dname = dname;
    int err = dns_name_parse_compressed(&walk->name, out->start, keel_writer_offset(out), &offset);
    KEEL_ASSERT(err == 0, "a name that was just written cannot be read");
    dns_name_lower(&walk->name);
    walk->hash = dns_image_hash(walk->image, walk->name.bytes, walk->name.size);
    walk->owner = at;
    if (walk->name.labels < apex->labels)
        return DONE;
    unsigned end = walk->name.offsets[walk->name.labels - apex->labels];
    bool inside =
        (size_t)(walk->name.size - end) == apex->name_size &&
        memcmp(walk->name.bytes + end, dns_node_name(walk->image, apex), apex->name_size) == 0;
    return inside ? FOLLOW : DONE;
}

/* A loop: what there is to say has been said. */
static bool already_answered(const struct walk *walk)
{
    for (unsigned i = 0; i < walk->steps; i++)
        if (walk->seen[i].hash == walk->hash)
            return true;
    return false;
}

static enum outcome answer_cname(struct walk *walk, const struct dns_node *node)
{
    const struct dns_set *set = dns_node_set(walk->image, node, DNS_TYPE_CNAME);
    if (already_answered(walk))
        return DONE;
    size_t at = dns_reply_set(walk->reply, DNS_ANSWER, node, set, walk->owner);
    if (!at)
        return NO_SPACE;
    return follow(walk, NULL, at + 12);
}

/* ANY: all of them over TCP; over UDP one is enough (RFC 8482, 4.1). */
static enum outcome answer_any(struct walk *walk, const struct dns_node *node)
{
    const struct dns_set *set = NULL;
    while ((set = dns_node_next_set(walk->image, node, set))) {
        if (!dns_reply_set(walk->reply, DNS_ANSWER, node, set, walk->owner))
            return NO_SPACE;
        if (!walk->tcp)
            break;
    }
    return node->set_count ? DONE : add_negative_soa(walk);
}

/* The node is the name itself, or the wildcard that stands in for it. */
static enum outcome answer_node(struct walk *walk, const struct dns_node *node)
{
    if (walk->qtype == DNS_TYPE_ANY)
        return answer_any(walk, node);
    const struct dns_set *set = dns_node_set(walk->image, node, walk->qtype);
    if (!set) {
        if (node->flags & DNS_NODE_CNAME)
            return answer_cname(walk, node);
        return add_negative_soa(walk);
    }
    size_t at = dns_reply_set(walk->reply, DNS_ANSWER, node, set, walk->owner);
    if (!at)
        return NO_SPACE;
    if (set->links)
        dns_reply_links(walk->reply, node, set, at, false);
    return DONE;
}

/* The DNAME itself, once however many names it redirects. */
static bool add_dname(struct walk *walk, const struct dns_node *node, const struct dns_set *set)
{
    for (unsigned i = 0; i < walk->steps; i++)
        if (walk->seen[i].dname == node)
            return true;
    size_t owner = walk->steps == 0
                       ? DNS_HEADER_SIZE + walk->reply->qname_size - (size_t)node->name_size
                       : DNS_OWNER_NONE;
    return dns_reply_set(walk->reply, DNS_ANSWER, node, set, owner) != 0;
}

/* RFC 6672, 3.1: the DNAME, a CNAME made of it, and on to the new name. */
static enum outcome answer_dname(struct walk *walk, const struct dns_node *node)
{
    const struct dns_set *set = dns_node_set(walk->image, node, DNS_TYPE_DNAME);
    const uint8_t *target = set->bytes + 12;
    size_t target_size = keel_get_u16(set->bytes + 10);
    struct dns_name made;

    if (already_answered(walk))
        return DONE;
    if (!add_dname(walk, node, set))
        return NO_SPACE;
    unsigned labels = walk->name.labels - (unsigned)node->labels;
    if (dns_name_join(&made, &walk->name, labels, target, target_size) != 0)
        return NAME_TOO_LONG;
    size_t at = dns_reply_name_record(walk->reply, DNS_ANSWER, walk->owner, DNS_TYPE_CNAME,
                                      set->ttl, &made);
    if (!at)
        return NO_SPACE;
    /* the CNAME may be what was asked for */
    bool asked = walk->qtype == DNS_TYPE_CNAME || walk->qtype == DNS_TYPE_ANY;
    return asked ? DONE : follow(walk, node, at);
}

/* The name itself does not exist. */
static enum outcome answer_missing(struct walk *walk)
{
    const struct dns_node *encloser =
        dns_image_encloser(walk->image, &walk->name, walk->name.labels - 1u);
    if (encloser->flags & (DNS_NODE_CUT | DNS_NODE_BELOW_CUT))
        return refer(walk, dns_image_node(walk->image, encloser->cut));
    if (encloser->flags & DNS_NODE_DNAME)
        return answer_dname(walk, encloser);
    if (encloser->flags & DNS_NODE_WILDCARD)
        return answer_node(walk, dns_image_node(walk->image, encloser->wildcard));
    return NO_NAME;
}

static enum outcome step(struct walk *walk, const struct dns_node *node)
{
    if (!node)
        return answer_missing(walk);
    /* DS belongs to the parent's side of a cut (RFC 4035, 3.1.4.1) */
    if (node->flags & DNS_NODE_BELOW_CUT ||
        (node->flags & DNS_NODE_CUT && walk->qtype != DNS_TYPE_DS))
        return refer(walk, dns_image_node(walk->image, node->cut));
    return answer_node(walk, node);
}

enum dns_rcode dns_resolve(struct dns_reply *reply, const struct dns_name *qname, uint16_t qtype,
                           uint64_t hash, bool tcp, bool *authoritative)
{
    /* name is filled when it is first needed: an exact match never does */
    struct walk walk;
    enum dns_rcode rcode = DNS_NOERROR;

    walk.reply = reply;
    walk.image = reply->image;
    walk.qtype = qtype;
    walk.tcp = tcp;
    walk.authoritative = true;
    walk.owner = DNS_OWNER_QUESTION;
    walk.hash = hash;
    walk.steps = 0;
    const struct dns_node *node = dns_image_find(reply->image, hash, qname->bytes, qname->size);
    if (!node)
        walk.name = *qname;
    enum outcome outcome = step(&walk, node);
    while (outcome == FOLLOW)
        outcome =
            step(&walk, dns_image_find(walk.image, walk.hash, walk.name.bytes, walk.name.size));
    if (outcome == NO_NAME) {
        rcode = DNS_NXDOMAIN;
        outcome = add_negative_soa(&walk);
    }
    if (outcome == NO_SPACE)
        reply->truncated = true;
    *authoritative = walk.authoritative;
    return outcome == NAME_TOO_LONG ? DNS_YXDOMAIN : rcode;
}
