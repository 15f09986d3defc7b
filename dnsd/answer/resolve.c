#include "dnsd/answer/resolve.h"

#include "dnsd/answer/proof.h"
#include "dnsd/wire/type.h"

#define CHAIN_MAX 16 /* CNAMEs and DNAMEs followed for one question */

/* Where the walk stands: the name that is looked for now. */
struct walk {
    struct dns_reply *reply;
    struct dns_view view;
    uint16_t qtype;
    bool tcp;
    bool authoritative;
    struct dns_name name; /* lower-cased */
    uint64_t hash;        /* of it */
    size_t owner;         /* where it stands in the message */
    unsigned steps;       /* names behind us that were aliases */
    /* What is written last, behind all answers: addresses of a set's names, proofs. */
    struct {
        const struct dns_node *node;
        const struct dns_set *set; /* NULL: none */
        size_t at;
        bool required;
    } links;
    struct dns_proofs proofs;
    struct {
        uint64_t hash;                /* of the name: keyed, so that equal means the same */
        const struct dns_node *dname; /* what made it an alias; NULL: a CNAME */
    } seen[CHAIN_MAX];
};

/* What a step leaves to do. */
enum outcome { DONE, FOLLOW, NO_NAME, NO_SPACE, NAME_TOO_LONG };

/* Where the owner of this node stands as long as the question's name is below it; afterwards it is
 * written out. */
static size_t owner_above(const struct walk *walk, const struct dns_node *node)
{
    return walk->steps == 0 ? DNS_HEADER_SIZE + walk->reply->qname_size - (size_t)node->name_size
                            : DNS_OWNER_NONE;
}

static enum outcome add_negative_soa(struct walk *walk)
{
    const struct dns_node *apex = dns_view_apex(&walk->view);
    const struct dns_set *soa =
        dns_image_at(walk->view.base, dns_view_newest(&walk->view)->negative_at);
    /* the apex ends the question's name, whatever name the walk has come to */
    size_t owner = DNS_HEADER_SIZE + walk->reply->qname_size - apex->name_size;
    return dns_reply_set(walk->reply, DNS_AUTHORITY, apex, soa, owner) ? DONE : NO_SPACE;
}

static void link_later(struct walk *walk, const struct dns_node *node, const struct dns_set *set,
                       size_t at, bool required)
{
    if (set->links == 0 && !(set->flags & DNS_SET_OPEN))
        return;
    walk->links.node = node;
    walk->links.set = set;
    walk->links.at = at;
    walk->links.required = required;
}

/* What the first name led to is what the answer is about. */
static void note_subject(struct walk *walk, const struct dns_node *node)
{
    if (walk->steps == 0)
        walk->reply->subject = dns_view_number(&walk->view, node);
}

static enum outcome refer(struct walk *walk, const struct dns_node *cut)
{
    const struct dns_set *ns = dns_node_set(walk->view.base, cut, DNS_TYPE_NS);
    size_t owner = owner_above(walk, cut);
    note_subject(walk, cut);
    if (walk->steps == 0)
        walk->authoritative = false;
    size_t at = dns_reply_set(walk->reply, DNS_AUTHORITY, cut, ns, owner);
    if (!at)
        return NO_SPACE;
    link_later(walk, cut, ns, at, true);
    if (!walk->reply->dnssec)
        return DONE;
    /* a signed child, or the proof that it is not (RFC 4035, 3.1.4) */
    const struct dns_set *ds = dns_node_set(walk->view.base, cut, DNS_TYPE_DS);
    if (!ds)
        dns_prove_no_type(&walk->proofs, &walk->view, cut);
    else if (!dns_reply_set(walk->reply, DNS_AUTHORITY, cut, ds, owner))
        return NO_SPACE;
    return DONE;
}

/* Goes on with the name that stands at `at` in the reply. */
static enum outcome follow(struct walk *walk, const struct dns_node *dname, size_t at)
{
    const struct keel_writer *out = &walk->reply->out;
    const struct dns_node *apex = dns_view_apex(&walk->view);
    size_t offset = at;

    /* beyond a pointer's reach no further owner could be named: the client asks on from here */
    if (walk->steps == CHAIN_MAX || at > DNS_POINTER_MAX)
        return DONE;
    walk->seen[walk->steps].hash = walk->hash;
    walk->seen[walk->steps++].dname = dname;
    int err = dns_name_parse_compressed(&walk->name, out->start, keel_writer_offset(out), &offset);
    KEEL_ASSERT(err == 0, "a name that was just written cannot be read");
    dns_name_lower(&walk->name);
    walk->hash = dns_image_hash(walk->view.base, walk->name.bytes, walk->name.size);
    walk->owner = at;
    if (walk->name.labels < apex->labels)
        return DONE;
    unsigned end = walk->name.offsets[walk->name.labels - apex->labels];
    bool inside =
        (size_t)(walk->name.size - end) == apex->name_size &&
        memcmp(walk->name.bytes + end, dns_node_name(walk->view.base, apex), apex->name_size) == 0;
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
    const struct dns_set *set = dns_node_set(walk->view.base, node, DNS_TYPE_CNAME);
    if (already_answered(walk))
        return DONE;
    size_t at = dns_reply_set(walk->reply, DNS_ANSWER, node, set, walk->owner);
    if (!at)
        return NO_SPACE;
    return follow(walk, NULL, at + 12);
}

/* ANY and RRSIG: all that there are over TCP; over UDP one is enough (RFC 8482, 4.1). */
static enum outcome answer_several(struct walk *walk, const struct dns_node *node)
{
    const struct dns_set *set = NULL;
    bool any = walk->qtype == DNS_TYPE_ANY, beside = false;
    while ((set = dns_node_next_set(walk->view.base, node, set))) {
        /* signatures come with their set when they are wanted with everything */
        bool wanted = any ? !beside || !walk->reply->dnssec : set->type == DNS_TYPE_RRSIG;
        beside = set->flags & DNS_SET_SIGNED;
        if (!wanted)
            continue;
        if (!dns_reply_set(walk->reply, DNS_ANSWER, node, set, walk->owner))
            return NO_SPACE;
        if (!walk->tcp)
            break;
    }
    return DONE;
}

/* The node has nothing of the type. encloser: as of answer_node. */
static enum outcome answer_no_type(struct walk *walk, const struct dns_node *node,
                                   const struct dns_node *encloser)
{
    if (walk->reply->dnssec && encloser)
        dns_prove_no_wildcard_type(&walk->proofs, &walk->view, &walk->name, encloser);
    else if (walk->reply->dnssec)
        dns_prove_no_type(&walk->proofs, &walk->view, node);
    return add_negative_soa(walk);
}

/* These may stand beside a CNAME, so that it says nothing about them (RFC 4034, 3 and 4; RFC 3007,
 * 2.1). */
static bool is_never_aliased(uint16_t type)
{
    return type == DNS_TYPE_NSEC || type == DNS_TYPE_RRSIG || type == DNS_TYPE_KEY;
}

/* The node is the name itself (encloser NULL), or the wildcard below encloser that stands in for
 * it. */
static enum outcome answer_node(struct walk *walk, const struct dns_node *node,
                                const struct dns_node *encloser)
{
    const struct dns_set *set;
    note_subject(walk, node);
    if (walk->qtype == DNS_TYPE_ANY)
        set = dns_node_next_set(walk->view.base, node, NULL);
    else
        set = dns_node_set(walk->view.base, node, walk->qtype);
    if (!set && (!(node->flags & DNS_NODE_CNAME) || is_never_aliased(walk->qtype)))
        return answer_no_type(walk, node, encloser);
    if (walk->reply->dnssec && encloser)
        dns_prove_expansion(&walk->proofs, &walk->view, &walk->name, encloser);
    if (!set)
        return answer_cname(walk, node);
    if (walk->qtype == DNS_TYPE_ANY || walk->qtype == DNS_TYPE_RRSIG)
        return answer_several(walk, node);
    size_t at = dns_reply_set(walk->reply, DNS_ANSWER, node, set, walk->owner);
    if (!at)
        return NO_SPACE;
    link_later(walk, node, set, at, false);
    return DONE;
}

/* The DNAME itself, once however many names it redirects. */
static bool add_dname(struct walk *walk, const struct dns_node *node, const struct dns_set *set)
{
    for (unsigned i = 0; i < walk->steps; i++)
        if (walk->seen[i].dname == node)
            return true;
    return dns_reply_set(walk->reply, DNS_ANSWER, node, set, owner_above(walk, node)) != 0;
}

/* RFC 6672, 3.1: the DNAME, a CNAME made of it, and on to the new name. */
static enum outcome answer_dname(struct walk *walk, const struct dns_node *node)
{
    const struct dns_set *set = dns_node_set(walk->view.base, node, DNS_TYPE_DNAME);
    const uint8_t *target = set->bytes + 12;
    size_t target_size = keel_get_u16(set->bytes + 10);
    struct dns_name made;

    note_subject(walk, node);
    if (already_answered(walk))
        return DONE;
    unsigned labels = walk->name.labels - (unsigned)node->labels;
    bool too_long = dns_name_join(&made, &walk->name, labels, target, target_size) != 0;
    bool added = add_dname(walk, node, set);
    if (too_long) { /* whether there is room to say why or not */
        walk->reply->truncated = !added;
        return NAME_TOO_LONG;
    }
    if (!added)
        return NO_SPACE;
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
        dns_view_encloser(&walk->view, &walk->name, walk->name.labels - 1u);
    if (encloser->flags & (DNS_NODE_CUT | DNS_NODE_BELOW_CUT))
        return refer(walk, dns_view_node(&walk->view, encloser->cut));
    if (encloser->flags & DNS_NODE_DNAME)
        return answer_dname(walk, encloser);
    if (encloser->flags & DNS_NODE_WILDCARD)
        return answer_node(walk, dns_view_node(&walk->view, encloser->wildcard), encloser);
    if (walk->reply->dnssec)
        dns_prove_no_name(&walk->proofs, &walk->view, &walk->name, encloser);
    return NO_NAME;
}

/* A cut has one type that is the parent's alone, DS (RFC 4035, 3.1.4.1), and one of both sides. */
static bool is_ours(const struct walk *walk, const struct dns_node *cut)
{
    return walk->qtype == DNS_TYPE_DS ||
           (walk->qtype == DNS_TYPE_NSEC && dns_node_set(walk->view.base, cut, DNS_TYPE_NSEC));
}

static enum outcome step(struct walk *walk, const struct dns_node *node)
{
    if (!node)
        return answer_missing(walk);
    if (node->flags & DNS_NODE_BELOW_CUT || (node->flags & DNS_NODE_CUT && !is_ours(walk, node)))
        return refer(walk, dns_view_node(&walk->view, node->cut));
    return answer_node(walk, node, NULL);
}

/* What had to wait until all answers stood. */
static enum outcome finish(struct walk *walk)
{
    const struct dns_proofs *proofs = &walk->proofs;
    for (unsigned i = 0; i < proofs->count; i++)
        if (!dns_reply_set(walk->reply, DNS_AUTHORITY, proofs->items[i].node, proofs->items[i].set,
                           DNS_OWNER_NONE))
            return NO_SPACE;
    if (walk->links.set)
        dns_reply_links(walk->reply, walk->links.node, walk->links.set, walk->links.at,
                        walk->links.required);
    return DONE;
}

enum dns_rcode dns_resolve(struct dns_reply *reply, const struct dns_name *qname, uint16_t qtype,
                           uint64_t hash, bool tcp, bool *authoritative)
{
    /* name is filled when it is first needed: an exact match never does */
    struct walk walk;
    enum dns_rcode rcode = DNS_NOERROR;

    walk.reply = reply;
    walk.view = reply->view;
    walk.qtype = qtype;
    walk.tcp = tcp;
    walk.authoritative = true;
    walk.owner = DNS_OWNER_QUESTION;
    walk.hash = hash;
    walk.steps = 0;
    walk.links.set = NULL;
    walk.proofs.count = 0;
    const struct dns_node *node = dns_view_find(&walk.view, hash, qname->bytes, qname->size);
    if (!node)
        walk.name = *qname;
    enum outcome outcome = step(&walk, node);
    while (outcome == FOLLOW)
        outcome =
            step(&walk, dns_view_find(&walk.view, walk.hash, walk.name.bytes, walk.name.size));
    if (outcome == NO_NAME) {
        rcode = DNS_NXDOMAIN;
        outcome = add_negative_soa(&walk);
    }
    bool too_long = outcome == NAME_TOO_LONG;
    if (outcome != NO_SPACE)
        outcome = finish(&walk);
    if (outcome == NO_SPACE)
        reply->truncated = true;
    *authoritative = walk.authoritative;
    return too_long ? DNS_YXDOMAIN : rcode;
}
